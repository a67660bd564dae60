"""The HTTP door: who gets in, what is told, and how a no reads."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, CaseList, Ledger, Obligation, Source, Stage
from tests.unit.router.counter import HOTLINE_KEY, OpenCounter, open_counter, operator, token
from tests.unit.router.stories import (
    CASE,
    COMMUNITY,
    FOR_NOBODY,
    GRID,
    HUB,
    MARKET,
    NUMBER,
    OTHER_CASE,
    OTHER_COMMUNITY,
    OTHER_NUMBER,
    PARKS,
    POWER,
    STREET,
    WAITS_IN,
    WATER,
    concluded,
    finishes,
    matter,
    overdue,
    passed,
    refuses,
    signs_in,
    upholds,
    whistle,
    withdraws,
)

AT_WATER, AT_MARKET, AT_THE_HUB, AT_THE_COMMUNITY = token(WATER), token(MARKET), token(HUB), token(COMMUNITY)
OPERATOR = operator()
RESIDENT = token(None, ActorKind.RESIDENT, NUMBER)
HOTLINE = {"X-API-Key": HOTLINE_KEY}

SIGN_IN, REFUSE, PROGRESS, DONE, DISPATCH, RULE, REWORK = (
    f"/cases/{NUMBER}/{last}"
    for last in ("sign-in", "refuse", "progress", "done", "dispatch", "rule-on-refusal", "rework")
)
NOT_OURS = {"reason": "非本单位管辖", "basis": "职责清单第 12 条"}
FIXED = {"result": "已更换水管"}
TO_MARKET = {"units": [MARKET], "reason": "经研判派单"}
PHOTO = {"name": "现场.jpg", "media_type": "image/jpeg", "url": "https://files.example/1"}


@pytest.fixture
async def counter() -> AsyncIterator[OpenCounter]:
    async with open_counter() as counter:
        yield counter


async def test_a_case_goes_all_the_way_through_the_door(counter: OpenCounter) -> None:
    await counter.case(whistle(matter(FOR_NOBODY)))
    turns = [
        # path     body                                                            who            stage afterwards
        (DISPATCH, {"units": [WATER], "reason": "经研判派单"}, AT_THE_HUB, "dispatched"),
        (REFUSE, NOT_OURS, AT_WATER, "refusal_review"),
        (RULE, {"upheld": False, "reason": "退单不成立"}, AT_THE_HUB, "dispatched"),
        (REFUSE, NOT_OURS, AT_WATER, "consultation"),
        (DISPATCH, TO_MARKET | {"case_list": "phased", "ledger": "special"}, AT_THE_HUB, "dispatched"),
        (SIGN_IN, None, AT_MARKET, "handling"),
        (PROGRESS, {"note": "已到现场", "contacted": True}, AT_MARKET, "handling"),
        (f"/cases/{CASE}/done", FIXED | {"evidence": [PHOTO]}, AT_MARKET, "checking"),
    ]
    for path, body, who, stage in turns:
        response = await counter.post(path, body, who)
        assert (response.status_code, response.json()) == (
            200,
            {"case_id": str(CASE), "number": NUMBER, "stage": stage},
        )
    await counter.case(passed(), concluded())
    assert (await counter.post(REWORK, {"reason": "居民再次反映"}, AT_THE_HUB)).json()["stage"] == "rework"

    done = next(fact for fact in counter.said() if isinstance(fact, f.CaseUnitDone))
    assert (done.evidence, done.actor) == (
        (f.Evidence(**PHOTO),),
        f.Actor(kind=ActorKind.STAFF, unit=MARKET, person="p-1"),
    )
    dispatched = [fact for fact in counter.said() if isinstance(fact, f.CaseDispatched)][-1]
    assert (dispatched.case_list, dispatched.ledger) == (CaseList.PHASED, Ledger.SPECIAL)
    assert dispatched.actor == f.Actor(kind=ActorKind.STAFF, unit=HUB, person="p-1")


NOES = [
    # path    body                                       who                         status  code              field
    (SIGN_IN, None, {}, 401, "no_credentials", "Authorization"),
    (SIGN_IN, None, {"Authorization": "Basic eDp5"}, 401, "no_credentials", "Authorization"),
    (SIGN_IN, None, {"Authorization": "Bearer x.y.z"}, 401, "token_invalid", "Authorization"),
    (SIGN_IN, None, token(WATER, key="another key of 32 characters ..."), 401, "token_invalid", "Authorization"),
    (SIGN_IN, None, token(WATER, late=True), 401, "token_expired", "Authorization"),
    (SIGN_IN, None, {"X-API-Key": "guessed"}, 401, "api_key_unknown", "Authorization"),
    (SIGN_IN, None, HOTLINE, 403, "staff_only", None),
    (SIGN_IN, None, RESIDENT, 403, "staff_only", None),
    (SIGN_IN, None, token(None), 403, "staff_only", None),
    (SIGN_IN, None, token(WATER, ActorKind.RESIDENT), 403, "staff_only", None),
    (SIGN_IN, None, AT_MARKET, 403, "not_your_case", "unit"),
    (SIGN_IN, None, AT_THE_COMMUNITY, 403, "not_your_case", "unit"),
    (SIGN_IN, None, AT_THE_HUB, 403, "not_your_case", "unit"),
    (REFUSE, NOT_OURS, AT_MARKET, 403, "not_your_case", "unit"),
    (PROGRESS, {"note": "已到"}, AT_MARKET, 403, "not_your_case", "unit"),
    (DONE, FIXED, AT_MARKET, 403, "not_your_case", "unit"),
    (DONE, FIXED, AT_WATER, 409, "sign_in_first", None),
    (DISPATCH, TO_MARKET, AT_WATER, 403, "not_yours_to_do", "unit"),
    (DISPATCH, TO_MARKET, AT_THE_COMMUNITY, 403, "not_yours_to_do", "unit"),
    (DISPATCH, TO_MARKET, HOTLINE, 403, "not_yours_to_do", "unit"),
    (DISPATCH, TO_MARKET, RESIDENT, 403, "staff_only", None),
    (RULE, {"upheld": False, "reason": "否"}, AT_WATER, 403, "not_yours_to_do", "unit"),
    (REWORK, {"reason": "再办"}, AT_WATER, 403, "not_yours_to_do", "unit"),
    (DISPATCH, TO_MARKET, AT_THE_HUB, 409, "not_at_this_stage", None),
    (RULE, {"upheld": False, "reason": "否"}, AT_THE_HUB, 409, "not_at_this_stage", None),
    (REWORK, {"reason": "再办"}, AT_THE_HUB, 409, "not_at_this_stage", None),
    ("/cases/no-such-number/sign-in", None, AT_WATER, 404, "case_unknown", "case"),
    ("/cases/01938000-0000-7000-8000-00000000ffff/done", FIXED, AT_WATER, 404, "case_unknown", "case"),
    ("/cases/%00/sign-in", None, AT_WATER, 422, "invalid_request", "path.case"),
    (f"/cases/{'9' * 65}/sign-in", None, AT_WATER, 422, "invalid_request", "path.case"),
    (REFUSE, {"reason": "不归我管"}, AT_WATER, 422, "invalid_request", "basis"),
    (REFUSE, NOT_OURS | {"basis": ""}, AT_WATER, 422, "invalid_request", "basis"),
    (REFUSE, NOT_OURS | {"unit": MARKET}, AT_WATER, 422, "invalid_request", "unit"),
    (PROGRESS, {"note": "长" * 4001}, AT_WATER, 422, "invalid_request", "note"),
    (PROGRESS, {"note": "已到", "contacted": "也许"}, AT_WATER, 422, "invalid_request", "contacted"),
    (PROGRESS, {"note": "\0"}, AT_WATER, 400, "nul_character", "body"),
    (DONE, {}, AT_WATER, 422, "invalid_request", "result"),
    (DONE, FIXED | {"evidence": [PHOTO] * 21}, AT_WATER, 422, "invalid_request", "evidence"),
    (DONE, FIXED | {"evidence": [{"name": "x"}]}, AT_WATER, 422, "invalid_request", "evidence.0.media_type"),
    (DONE, [FIXED], AT_WATER, 422, "invalid_request", "body"),
    (DISPATCH, {"units": [], "reason": "派"}, AT_THE_HUB, 422, "invalid_request", "units"),
    (DISPATCH, {"units": ["a b"], "reason": "派"}, AT_THE_HUB, 422, "invalid_request", "units.0"),
    (DISPATCH, TO_MARKET | {"case_list": "someday"}, AT_THE_HUB, 422, "invalid_request", "case_list"),
    (RULE, {"reason": "否"}, AT_THE_HUB, 422, "invalid_request", "upheld"),
    (REWORK, {"reason": ""}, AT_THE_HUB, 422, "invalid_request", "reason"),
]


@pytest.mark.parametrize(("path", "body", "who", "status", "code", "field"), NOES)
async def test_every_no_says_why_and_changes_nothing(
    counter: OpenCounter, path: str, body: object, who: dict[str, str], status: int, code: str, field: str | None
) -> None:
    await counter.case(whistle())
    before = counter.everything()

    response = await counter.post(path, body, who)

    is_no(response, status, code, field)
    assert counter.everything() == before


def is_no(response: httpx.Response, status: int, code: str, field: str | None) -> None:
    document = response.json()
    assert (response.status_code, document["type"], document["status"]) == (
        status,
        f"urn:chuishao:problem:{code}",
        status,
    )
    assert response.headers["content-type"] == "application/problem+json"
    assert document.get("field") == field
    assert any("\u4e00" <= sign <= "\u9fff" for sign in document["detail"])
    assert document["detail_en"]


async def test_a_body_that_is_no_json(counter: OpenCounter) -> None:
    await counter.case(whistle())
    before = counter.everything()
    for body in (b"{", b"\xff", b"note=1"):
        response = await counter.client.post(
            PROGRESS, content=body, headers=AT_WATER | {"Content-Type": "application/json"}
        )
        is_no(response, 400, "not_json", "body")
    assert counter.everything() == before


async def test_a_body_of_five_megabytes(counter: OpenCounter) -> None:
    await counter.case(whistle())
    is_no(await counter.post(PROGRESS, {"note": "x" * 5_000_000}, AT_WATER), 413, "body_too_large", "body")
    assert len(counter.said()) == 3


async def test_while_the_database_is_away(counter: OpenCounter) -> None:
    await counter.case(whistle())
    before = counter.everything()
    counter.router.store.away = True
    response = await counter.post(SIGN_IN, None, AT_WATER)
    counter.router.store.away = False
    is_no(response, 503, "temporarily_unavailable", None)
    assert response.headers["retry-after"] == "5"
    assert counter.everything() == before


# --- once


async def test_the_same_key_counts_once_and_is_told_the_same(counter: OpenCounter) -> None:
    await counter.case(whistle(), signs_in())
    key = {"Idempotency-Key": "form-1"}
    first = await counter.post(PROGRESS, {"note": "已到现场"}, AT_WATER | key)
    before = counter.everything()
    again = await counter.post(PROGRESS, {"note": "已到现场"}, AT_WATER | key)
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    assert counter.everything() == before


async def test_the_same_key_is_told_the_same_when_the_case_has_gone_on(counter: OpenCounter) -> None:
    await counter.case(whistle())
    key = {"Idempotency-Key": "form-1"}
    first = await counter.post(SIGN_IN, None, AT_WATER | key)
    await counter.post(DONE, FIXED, AT_WATER)
    again = await counter.post(SIGN_IN, None, AT_WATER | key)
    assert again.json() == first.json() == {"case_id": str(CASE), "number": NUMBER, "stage": "handling"}


REUSED = [
    (PROGRESS, {"note": "已修好"}),
    (DONE, {"result": "已到现场"}),
    (f"/cases/{CASE}/progress", {"note": "已到现场"}),
]


@pytest.mark.parametrize(("path", "body"), REUSED)
async def test_a_key_used_for_another_request_is_refused(counter: OpenCounter, path: str, body: object) -> None:
    await counter.case(whistle(), signs_in())
    key = {"Idempotency-Key": "form-1"}
    await counter.post(PROGRESS, {"note": "已到现场"}, AT_WATER | key)
    before = counter.everything()
    is_no(await counter.post(path, body, AT_WATER | key), 422, "idempotency_key_reused", "Idempotency-Key")
    assert counter.everything() == before


async def test_a_key_is_its_askers_own(counter: OpenCounter) -> None:
    await counter.case(whistle())
    key = {"Idempotency-Key": "1"}
    assert (await counter.post(SIGN_IN, None, AT_WATER | key)).status_code == 200
    is_no(await counter.post(SIGN_IN, None, token(MARKET, person="p-7") | key), 403, "not_your_case", "unit")


async def test_a_refused_request_may_come_again_under_its_key(counter: OpenCounter) -> None:
    await counter.case(whistle())
    key = {"Idempotency-Key": "form-1"}
    is_no(await counter.post(DONE, FIXED, AT_WATER | key), 409, "sign_in_first", None)
    await counter.post(SIGN_IN, None, AT_WATER)
    assert (await counter.post(DONE, FIXED, AT_WATER | key)).json()["stage"] == "checking"


# --- reading


async def test_a_case_is_shown_as_it_stands(counter: OpenCounter) -> None:
    await counter.case(whistle(), overdue(Obligation.SIGN_IN), signs_in(), finishes())
    by_number = (await counter.get(f"/cases/{NUMBER}", AT_WATER)).json()
    assert by_number == (await counter.get(f"/cases/{CASE}", AT_WATER)).json()
    shown = {name: by_number[name] for name in ("case_id", "number", "stage", "overdue", "present_units", "round")}
    assert shown == {
        "case_id": str(CASE),
        "number": NUMBER,
        "stage": "checking",
        "overdue": True,
        "present_units": [WATER],
        "round": 1,
    }
    assert by_number["assignments"][0]["part"] == "done"


SEEING = [
    (AT_THE_HUB, 200),
    (AT_THE_COMMUNITY, 200),
    (token(STREET), 200),
    (AT_WATER, 200),
    (AT_MARKET, 403),
    (token(OTHER_COMMUNITY), 403),
    (token(GRID), 403),
    (RESIDENT, 200),
    (token(None, ActorKind.RESIDENT, "HA20261123-0002"), 403),
    (HOTLINE, 403),
    ({}, 401),
]


@pytest.mark.parametrize(("who", "status"), SEEING)
async def test_who_sees_a_case(counter: OpenCounter, who: dict[str, str], status: int) -> None:
    await counter.case(whistle())
    response = await counter.get(f"/cases/{NUMBER}", who)
    assert response.status_code == status
    assert ("matter" in response.json()) == (status == 200)


async def test_12345_sees_its_own_order(counter: OpenCounter) -> None:
    await counter.case(whistle(matter(source=Source.HOTLINE_12345)))
    assert (await counter.get(f"/cases/{NUMBER}", HOTLINE)).json()["matter"]["source_ref"] == "12345-778"


async def several(counter: OpenCounter) -> None:
    """Cases 1 to 5: water's twice, the market's once after water refused, one at the desk, the street's."""
    told = [
        (whistle(matter(number="HA-1")),),
        (whistle(matter(number="HA-2")), signs_in()),
        (whistle(matter(number="HA-3")), refuses(), upholds(MARKET)),
        (whistle(matter(FOR_NOBODY, number="HA-4", whistle_blower=OTHER_COMMUNITY, region=OTHER_COMMUNITY)),),
        (whistle(matter(("市容环境",), number="HA-5")),),
    ]
    for place, each in enumerate(told, start=1):
        await counter.case(*each, case_id=UUID(int=CASE.int + place))


def numbers(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [case["number"] for case in response.json()["cases"]]


LISTS = [
    # who                    asks for                      finds, newest first
    (AT_THE_HUB, "", ["HA-5", "HA-4", "HA-3", "HA-2", "HA-1"]),
    (AT_THE_HUB, "?unit=util-water", ["HA-3", "HA-2", "HA-1"]),
    (AT_THE_HUB, "?stage=to_dispatch", ["HA-4"]),
    (AT_THE_HUB, "?unit=util-water&stage=dispatched", ["HA-3", "HA-1"]),
    (AT_WATER, "", ["HA-3", "HA-2", "HA-1"]),
    (AT_WATER, "?unit=util-water&stage=handling", ["HA-2"]),
    (AT_MARKET, "", ["HA-3"]),
    (token(STREET), "", ["HA-5"]),
    (AT_THE_COMMUNITY, "", ["HA-5", "HA-3", "HA-2", "HA-1"]),
    (token(OTHER_COMMUNITY), "", ["HA-4"]),
    (token(PARKS), "", []),
]


@pytest.mark.parametrize(("who", "query", "expected"), LISTS)
async def test_lists(counter: OpenCounter, who: dict[str, str], query: str, expected: list[str]) -> None:
    await several(counter)
    assert numbers(await counter.get(f"/cases{query}", who)) == expected


async def test_a_community_lists_what_it_handles_for_another(counter: OpenCounter) -> None:
    await counter.case(whistle(matter(FOR_NOBODY, whistle_blower=OTHER_COMMUNITY)))
    assert numbers(await counter.get("/cases", AT_THE_COMMUNITY)) == []
    await counter.post(DISPATCH, {"units": [COMMUNITY], "reason": "就近办理"}, AT_THE_HUB)
    assert numbers(await counter.get("/cases", AT_THE_COMMUNITY)) == [NUMBER]


async def test_pages_follow_each_other_by_their_link(counter: OpenCounter) -> None:
    await several(counter)
    path: str | None = "/cases?unit=util-water&limit=2"
    seen = []
    while path is not None:
        response = await counter.get(path, AT_THE_HUB)
        seen.append(numbers(response))
        following = response.links.get("next")
        path = following["url"] if following else None
    assert seen == [["HA-3", "HA-2"], ["HA-1"]]
    assert "next" not in (await counter.get("/cases?limit=5", AT_THE_HUB)).links, "a full last page is the last"


LIST_NOES = [
    ("/cases", {}, 401, "no_credentials", "Authorization"),
    ("/cases", RESIDENT, 403, "staff_only", None),
    ("/cases", HOTLINE, 403, "staff_only", None),
    (f"/cases?unit={MARKET}", AT_WATER, 403, "not_your_unit", None),
    ("/cases?unit=%00%00", AT_THE_HUB, 422, "invalid_request", "query.unit"),
    ("/cases?stage=lost", AT_THE_HUB, 422, "invalid_request", "query.stage"),
    ("/cases?limit=0", AT_THE_HUB, 422, "invalid_request", "query.limit"),
    ("/cases?limit=101", AT_THE_HUB, 422, "invalid_request", "query.limit"),
    ("/cases?before=guess", AT_THE_HUB, 422, "invalid_request", "query.before"),
    ("/cases/unknown", AT_THE_HUB, 404, "case_unknown", "case"),
    ("/statistics", {}, 401, "no_credentials", "Authorization"),
]


@pytest.mark.parametrize(("path", "who", "status", "code", "field"), LIST_NOES)
async def test_reading_says_no(
    counter: OpenCounter, path: str, who: dict[str, str], status: int, code: str, field: str | None
) -> None:
    is_no(await counter.get(path, who), status, code, field)


async def test_statistics_are_for_staff(counter: OpenCounter) -> None:
    await several(counter)
    shown = (await counter.get("/statistics", AT_THE_HUB)).json()
    assert (shown["total"], shown["open"]) == (5, 5)
    is_no(await counter.get("/statistics", HOTLINE), 403, "staff_only", None)


@pytest.mark.parametrize("stage", [stage for stage in WAITS_IN if stage is not None])
async def test_a_case_can_be_shown_in_every_stage(counter: OpenCounter, stage: Stage) -> None:
    await counter.case(*WAITS_IN[stage])
    assert (await counter.get(f"/cases/{NUMBER}", AT_THE_HUB)).json()["stage"] == stage


# --- the doors of joint handling, time, supervision, matter and duplicates


def door(last: str) -> str:
    return f"/cases/{NUMBER}/{last}"


SOON, LATER = "2027-01-05T09:00:00+08:00", "2027-02-05T09:00:00+08:00"
WHY = {"reason": "现场情况变化"}
STEPS = [{"number": 1, "title": "勘察", "due_at": SOON}, {"number": 2, "title": "施工", "due_at": LATER}]
FOR_TIME = {"kind": "extension", "reason": "等待材料", "basis": "延期办法第 3 条"}
EXPLAINED = {"explanation": "列入明年计划", "explained_at": "2026-11-20T09:00:00+08:00", "review_at": LATER}
DOORS = {
    # path              a body that fits
    "sign-in": None,
    "ask": FOR_TIME,
    "milestone": {"milestone": 1, "note": "勘察已完成"},
    "transfer": {**WHY, "to": MARKET},
    "join": {**WHY, "units": [MARKET]},
    "release": {**WHY, "unit": PARKS},
    "lead": {**WHY, "unit": PARKS},
    "rule-on-request": {**WHY, "approved": True},
    "resume": WHY,
    "list": {**WHY, "case_list": "phased", "milestones": STEPS},
    "supervise": WHY,
    "end-supervision": {**WHY, "unit": WATER},
    "priority": {**WHY, "urgency": "urgent"},
    "correct": {**WHY, "title": "别处爆管"},
    "comment": {"text": "居民来电询问进度"},
    "withdraw": WHY,
    "merge": {**WHY, "into": OTHER_NUMBER},
    "unmerge": WHY,
}
TURNS = [
    # who        door              body                                                       stage afterwards
    (AT_WATER, "sign-in", None, "handling"),
    (AT_THE_HUB, "join", {**WHY, "units": [PARKS], "basis": "联合办理办法"}, "handling"),
    (AT_THE_HUB, "lead", {**WHY, "unit": PARKS}, "handling"),
    (AT_THE_HUB, "lead", {**WHY, "unit": WATER}, "handling"),
    (AT_THE_HUB, "transfer", {**WHY, "unit": PARKS, "to": MARKET}, "handling"),
    (AT_THE_HUB, "release", {**WHY, "unit": MARKET}, "handling"),
    (AT_THE_HUB, "list", {**WHY, "case_list": "phased", "milestones": STEPS, "ledger": "special"}, "handling"),
    (AT_WATER, "milestone", {"milestone": 1, "note": "勘察已完成", "evidence": [PHOTO]}, "handling"),
    (AT_WATER, "ask", FOR_TIME | {"share": 0.5}, "extension_review"),
    (AT_THE_HUB, "rule-on-request", {**WHY, "approved": True, "share": 0.25}, "handling"),
    (AT_WATER, "ask", FOR_TIME | {"kind": "suspension", "until": LATER}, "extension_review"),
    (AT_THE_HUB, "rule-on-request", {**WHY, "approved": True, "unit": WATER, "until": SOON}, "suspended"),
    (AT_WATER, "resume", WHY, "handling"),
    (AT_THE_HUB, "supervise", WHY, "handling"),
    (AT_THE_HUB, "end-supervision", {**WHY, "unit": WATER}, "handling"),
    (AT_THE_COMMUNITY, "priority", {**WHY, "urgency": "critical"}, "handling"),
    (AT_THE_COMMUNITY, "correct", {**WHY, "title": "别处爆管", "respondent": "某物业公司"}, "handling"),
    (AT_THE_COMMUNITY, "comment", {"text": "居民来电询问进度"}, "handling"),
    (AT_THE_HUB, "list", {**WHY, "case_list": "understanding", **EXPLAINED}, "suspended"),
    (AT_THE_HUB, "resume", WHY, "handling"),
    (AT_THE_COMMUNITY, "merge", {**WHY, "into": OTHER_NUMBER}, "merged"),
    (AT_THE_COMMUNITY, "unmerge", WHY, "dispatched"),
    (AT_THE_COMMUNITY, "withdraw", WHY, "withdrawn"),
]


async def test_each_door_leads_to_its_command(counter: OpenCounter) -> None:
    await counter.case(whistle())
    await counter.case(whistle(matter(number=OTHER_NUMBER)), case_id=OTHER_CASE)
    for who, last, body, stage in TURNS:
        response = await counter.post(door(last), body, who)
        assert (response.status_code, response.json().get("stage")) == (200, stage), (last, response.text)
    assert {last for _, last, _, _ in TURNS} == set(DOORS)
    actors = {fact.actor.unit for fact in counter.said() if isinstance(fact, f.CaseFact)}
    assert actors >= {HUB, WATER, COMMUNITY}


async def test_every_door_of_the_description_is_walked_through(counter: OpenCounter) -> None:
    described = (await counter.client.get("/openapi.json")).json()["paths"]
    posts = {path.rsplit("/", 1)[1] for path, methods in described.items() if "post" in methods}
    assert posts == set(DOORS) | {"refuse", "progress", "done", "dispatch", "rule-on-refusal", "rework"}


@pytest.mark.parametrize("last", DOORS)
async def test_no_door_opens_to_strangers(counter: OpenCounter, last: str) -> None:
    """Without credentials, with a resident's, for a case that is not there, and for staff who are nothing to it."""
    await counter.case(whistle())
    await counter.case(whistle(matter(number=OTHER_NUMBER)), case_id=OTHER_CASE)
    before = counter.everything()
    is_no(await counter.post(door(last), DOORS[last], {}), 401, "no_credentials", "Authorization")
    is_no(await counter.post(door(last), DOORS[last], RESIDENT), 403, "staff_only", None)
    is_no(await counter.post(f"/cases/none/{last}", DOORS[last], AT_THE_HUB), 404, "case_unknown", "case")
    reports = ("sign-in", "ask", "milestone")
    code = "not_your_case" if last in reports else "not_yours_to_do"
    is_no(await counter.post(door(last), DOORS[last], token(POWER)), 403, code, "unit")
    if last not in reports:
        is_no(await counter.post(door(last), DOORS[last], HOTLINE), 403, "not_yours_to_do", "unit")
    assert counter.everything() == before


BAD_BODIES = [
    # door              what is wrong with the body                            the field at fault
    ("ask", {"kind": "holiday"}, "kind"),
    ("ask", {"reason": ""}, "reason"),
    ("ask", {"basis": None}, "basis"),
    ("ask", {"share": 0}, "share"),
    ("ask", {"share": 1.01}, "share"),
    ("ask", {"until": "2027-01-05"}, "until"),
    ("ask", {"until": "2027-01-05T09:00:00"}, "until"),
    ("ask", {"until": "明年"}, "until"),
    ("milestone", {"milestone": 0}, "milestone"),
    ("milestone", {"note": ""}, "note"),
    ("transfer", {"to": None}, "to"),
    ("transfer", {"to": "a b"}, "to"),
    ("transfer", {"reason": "长" * 1001}, "reason"),
    ("join", {"units": []}, "units"),
    ("join", {"units": [MARKET] * 21}, "units"),
    ("release", {"unit": ""}, "unit"),
    ("lead", {"unit": None}, "unit"),
    ("rule-on-request", {"approved": "perhaps"}, "approved"),
    ("rule-on-request", {"share": -1}, "share"),
    ("resume", {"reason": None}, "reason"),
    ("resume", {"until": LATER}, "until"),
    ("list", {"case_list": "someday"}, "case_list"),
    ("list", {"milestones": [{"number": 1, "title": "", "due_at": SOON}]}, "milestones.0.title"),
    ("list", {"milestones": [{"number": 1, "title": "勘察", "due_at": "soon"}]}, "milestones.0.due_at"),
    ("list", {"milestones": [{"number": 0, "title": "勘察", "due_at": SOON}]}, "milestones.0.number"),
    ("list", {"ledger": "black"}, "ledger"),
    ("supervise", {"unit": "x"}, "unit"),
    ("end-supervision", {"unit": None}, "unit"),
    ("priority", {"urgency": "soon"}, "urgency"),
    ("correct", {"title": ""}, "title"),
    ("correct", {"content": "别的内容"}, "content"),
    ("correct", {"appeal_type": "song"}, "appeal_type"),
    ("comment", {"text": ""}, "text"),
    ("comment", {"text": "长" * 4001}, "text"),
    ("withdraw", {"reason": ""}, "reason"),
    ("withdraw", {"actor": {"kind": "staff", "unit": HUB}}, "actor"),
    ("merge", {"into": ""}, "into"),
    ("merge", {"into_stage": "handling"}, "into_stage"),
    ("unmerge", {"basis": "据" * 1001}, "basis"),
]


@pytest.mark.parametrize(("last", "change", "field"), BAD_BODIES)
async def test_a_body_that_does_not_fit_says_where(
    counter: OpenCounter, last: str, change: dict[str, object], field: str
) -> None:
    await counter.case(whistle(), signs_in())
    before = counter.everything()
    fitting = DOORS[last]
    assert fitting is not None
    body = {name: value for name, value in (fitting | change).items() if value is not None}
    is_no(await counter.post(door(last), body, AT_THE_HUB), 422, "invalid_request", field)
    assert counter.everything() == before


NOT_NOW_OR_NOT_SO = [
    # who            door               body                                              status  code          field
    (AT_WATER, "ask", FOR_TIME | {"kind": "suspension"}, 422, "date_missing", "until"),
    (AT_WATER, "milestone", DOORS["milestone"], 422, "no_such_milestone", "milestone"),
    (AT_THE_HUB, "join", {**WHY, "units": [WATER]}, 422, "has_a_part_already", "units"),
    (AT_THE_HUB, "join", {**WHY, "units": ["nowhere"]}, 422, "unit_unknown", "units"),
    (AT_THE_HUB, "transfer", {**WHY, "to": HUB}, 422, "unit_unknown", "to"),
    (AT_THE_HUB, "release", {**WHY, "unit": WATER}, 409, "lead_not_released", "unit"),
    (AT_THE_HUB, "lead", {**WHY, "unit": WATER}, 422, "leads_already", "unit"),
    (AT_THE_HUB, "rule-on-request", DOORS["rule-on-request"], 409, "not_at_this_stage", None),
    (AT_THE_HUB, "resume", WHY, 409, "not_at_this_stage", None),
    (AT_THE_HUB, "list", {**WHY, "case_list": "phased"}, 422, "milestones_do_not_fit", "milestones"),
    (AT_THE_HUB, "list", {**WHY, "case_list": "understanding"}, 422, "understanding_incomplete", "explanation"),
    (AT_THE_HUB, "end-supervision", DOORS["end-supervision"], 422, "not_supervised", "unit"),
    (AT_THE_HUB, "priority", {**WHY, "urgency": "normal"}, 422, "no_change", "urgency"),
    (AT_THE_HUB, "correct", WHY, 422, "no_change", None),
    (AT_THE_HUB, "correct", {**WHY, "region": "110199009009"}, 422, "region_unknown", "region"),
    (AT_THE_COMMUNITY, "withdraw", WHY, 409, "not_at_this_stage", None),
    (AT_THE_HUB, "merge", {**WHY, "into": "HA-none"}, 404, "case_unknown", "into"),
    (AT_THE_HUB, "merge", {**WHY, "into": NUMBER}, 422, "same_case", "into"),
    (AT_THE_HUB, "merge", {**WHY, "into": OTHER_NUMBER}, 409, "cannot_be_merged_into", "into"),
    (AT_THE_HUB, "unmerge", WHY, 409, "not_at_this_stage", None),
]


@pytest.mark.parametrize(("who", "last", "body", "status", "code", "field"), NOT_NOW_OR_NOT_SO)
async def test_what_cannot_be_says_why(
    counter: OpenCounter,
    who: dict[str, str],
    last: str,
    body: object,
    status: int,
    code: str,
    field: str | None,
) -> None:
    await counter.case(whistle(), signs_in())
    await counter.case(whistle(matter(number=OTHER_NUMBER)), withdraws(), case_id=OTHER_CASE)
    before = counter.everything()
    is_no(await counter.post(door(last), body, who), status, code, field)
    assert counter.everything() == before


async def test_12345_withdraws_and_comments_on_its_own_order(counter: OpenCounter) -> None:
    await counter.case(whistle(matter(source=Source.HOTLINE_12345, whistle_blower=HUB)))
    assert (await counter.post(door("comment"), DOORS["comment"], HOTLINE)).json()["stage"] == "dispatched"
    assert (await counter.post(door("withdraw"), WHY, HOTLINE)).json()["stage"] == "withdrawn"


async def test_a_case_with_others_merged_into_it_is_not_merged_away(counter: OpenCounter) -> None:
    await counter.case(whistle())
    await counter.case(whistle(matter(number=OTHER_NUMBER)), case_id=OTHER_CASE)
    await counter.post(door("merge"), DOORS["merge"], AT_THE_HUB)
    shown = (await counter.get(f"/cases/{OTHER_NUMBER}", AT_THE_HUB)).json()
    assert shown["followers"] == [{"case_id": str(CASE), "number": NUMBER, "stage": "merged"}]
    third = UUID(int=OTHER_CASE.int + 1)
    await counter.case(whistle(matter(number="HA-3")), case_id=third)
    refused = await counter.post(f"/cases/{OTHER_NUMBER}/merge", {**WHY, "into": "HA-3"}, AT_THE_HUB)
    is_no(refused, 409, "has_followers", "into")


# --- 台账


async def test_ledgers_add_up(counter: OpenCounter) -> None:
    await several(counter)
    await counter.post("/cases/HA-1/withdraw", WHY, AT_THE_HUB)
    await counter.post("/cases/HA-2/list", {**WHY, "case_list": "immediate", "ledger": "special"}, AT_THE_HUB)
    shown = (await counter.get("/ledgers", AT_WATER)).json()
    assert shown["ledgers"]["fixed_deadline"] == {"entered": 4, "written_off": 1, "open": 3}
    assert shown["ledgers"]["special"] == {"entered": 1, "written_off": 0, "open": 1}
    assert shown["lists"]["immediate"] == {"entered": 2, "written_off": 0, "open": 2}
    assert set(shown["ledgers"]) == set(Ledger)
    assert "agrees" not in shown
    again = (await counter.get("/ledgers?recount=true", OPERATOR)).json()
    assert (again["agrees"], again["by_the_log"]) == (True, again["ledgers"])


ENTRIES = [
    # who            asks for                                      finds, newest first
    (AT_THE_HUB, "fixed_deadline", ["HA-5", "HA-4", "HA-3", "HA-1"]),
    (AT_THE_HUB, "fixed_deadline?open=true", ["HA-5", "HA-4", "HA-3"]),
    (AT_THE_HUB, "fixed_deadline?open=false", ["HA-1"]),
    (OPERATOR, "special", ["HA-2"]),
    (AT_THE_HUB, "on_behalf", []),
]


@pytest.mark.parametrize(("who", "query", "expected"), ENTRIES)
async def test_entries_of_a_ledger(counter: OpenCounter, who: dict[str, str], query: str, expected: list[str]) -> None:
    await several(counter)
    await counter.post("/cases/HA-1/withdraw", WHY, AT_THE_HUB)
    await counter.post("/cases/HA-2/list", {**WHY, "case_list": "immediate", "ledger": "special"}, AT_THE_HUB)
    entries = (await counter.get(f"/ledgers/{query}", who)).json()["entries"]
    assert [entry["number"] for entry in entries] == expected
    for entry in entries:
        assert set(entry) == {
            *("case_id", "number", "title", "stage", "case_list", "units", "opened_at", "written_off", "closed_at")
        }
        assert entry["written_off"] == (entry["number"] == "HA-1")


async def test_pages_of_a_ledger_follow_each_other(counter: OpenCounter) -> None:
    await several(counter)
    first = await counter.get("/ledgers/fixed_deadline?limit=3", AT_THE_HUB)
    rest = await counter.get(first.links["next"]["url"], AT_THE_HUB)
    assert [[entry["number"] for entry in page.json()["entries"]] for page in (first, rest)] == [
        ["HA-5", "HA-4", "HA-3"],
        ["HA-2", "HA-1"],
    ]


LEDGER_NOES = [
    ("/ledgers", {}, 401, "no_credentials", "Authorization"),
    ("/ledgers", RESIDENT, 403, "staff_only", None),
    ("/ledgers", HOTLINE, 403, "staff_only", None),
    ("/ledgers?recount=maybe", AT_THE_HUB, 422, "invalid_request", "query.recount"),
    ("/ledgers/special", AT_WATER, 403, "hub_only", None),
    ("/ledgers/special", {}, 401, "no_credentials", "Authorization"),
    ("/ledgers/black", AT_THE_HUB, 422, "invalid_request", "path.ledger"),
    ("/ledgers/special?open=perhaps", AT_THE_HUB, 422, "invalid_request", "query.open"),
    ("/ledgers/special?limit=101", AT_THE_HUB, 422, "invalid_request", "query.limit"),
]


@pytest.mark.parametrize(("path", "who", "status", "code", "field"), LEDGER_NOES)
async def test_ledgers_say_no(
    counter: OpenCounter, path: str, who: dict[str, str], status: int, code: str, field: str | None
) -> None:
    is_no(await counter.get(path, who), status, code, field)
