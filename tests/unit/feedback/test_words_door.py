"""The door after a verdict: checks unit by unit, the hub's samples, exclusions, and who is shown what."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import pytest

from services.feedback.words_api import add_word_routes
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind
from tests.unit.feedback.histories import (
    CASE,
    COMMUNITY,
    HUB,
    MARKET,
    NUMBER,
    OTHER_COMMUNITY,
    WATER,
    archived,
    closed,
    dispatched,
    followed_by,
    handled,
    opened,
)
from tests.unit.feedback.test_door import (
    ANSWER,
    BLOWER,
    CHECK,
    FOUR,
    HOTLINE,
    HUB_STAFF,
    PASSED,
    RATE,
    RESIDENT,
    SATISFIED,
    Counter,
    door_open,
    evidence,
    token,
)

SAMPLE, EXCLUSIONS = f"/reviews/{NUMBER}/sample-check", f"/reviews/{NUMBER}/exclusions"
WATER_STAFF, MARKET_STAFF, HEAD = token(WATER, person="w"), token(MARKET, person="m"), token(HUB, person="head")
OF_WATER = {"unit": WATER, "round": 1, "measures": ["rating"], "reason": "暴雨停工", "basis": "气象预警"}
BY_UNIT = [
    {"unit": WATER, "passed": True},
    {"unit": MARKET, "passed": False, "note": "仍有占道", "evidence": [evidence("占道.jpg")]},
]


@pytest.fixture
async def counter() -> AsyncIterator[Counter]:
    async with door_open(followed_by("1"), add_word_routes) as counter:
        yield counter


async def begun(counter: Counter) -> None:
    await counter.case(opened(), dispatched(WATER, MARKET), handled(1, WATER, MARKET))


async def closed_case(counter: Counter) -> None:
    await begun(counter)
    said = [(CHECK, PASSED, BLOWER), (RATE, FOUR, BLOWER), (RATE, FOUR | {"unit": MARKET}, BLOWER)]
    for path, body, who in [*said, (ANSWER, SATISFIED, RESIDENT)]:
        assert (await counter.post(path, body, who)).status_code == 200
    await counter.case(closed())


async def shown(counter: Counter, who: Mapping[str, str]) -> dict[str, Any]:
    response = await counter.get(f"/reviews/{NUMBER}", dict(who))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


# --- 验单 unit by unit


async def test_a_check_unit_by_unit_is_shown_with_its_evidence(counter: Counter) -> None:
    await begun(counter)
    response = await counter.post(CHECK, {"passed": False, "verdicts": BY_UNIT}, BLOWER)
    assert response.status_code == 200, response.text
    check = (await shown(counter, MARKET_STAFF))["rounds"][0]["check"]
    assert (check["passed"], check["failed_units"], check["by_unit"]) == (False, [MARKET], COMMUNITY)
    assert [(one["unit"], one["passed"], one["note"], len(one["evidence"])) for one in check["verdicts"]] == [
        (WATER, True, "", 0),
        (MARKET, False, "仍有占道", 1),
    ]


CHECK_NOES = [
    ({"passed": False, "verdicts": BY_UNIT[1:]}, "verdicts_missing", "verdicts"),
    ({"passed": True, "verdicts": BY_UNIT}, "verdicts_disagree", "passed"),
    ({"passed": True, "verdicts": [{"unit": WATER, "passed": 1}]}, "invalid_request", "verdicts.0.passed"),
    ({"passed": True, "verdicts": [{"unit": WATER}]}, "invalid_request", "verdicts.0.passed"),
    ({"passed": True, "verdicts": [BY_UNIT[0] | {"because": ""}]}, "invalid_request", "verdicts.0.because"),
    (
        {"passed": True, "verdicts": [BY_UNIT[0] | {"evidence": [evidence("x")] * 21}]},
        "invalid_request",
        "verdicts.0.evidence",
    ),
]


@pytest.mark.parametrize(("body", "code", "field"), CHECK_NOES)
async def test_a_check_unit_by_unit_is_complete(counter: Counter, body: object, code: str, field: str) -> None:
    await begun(counter)
    response = await counter.post(CHECK, body, BLOWER)
    assert response.status_code == 422
    assert (response.json()["type"], response.json()["field"]) == (f"urn:chuishao:problem:{code}", field)
    assert not any(isinstance(fact, f.FeedbackChecked) for fact in counter.said())


# --- 抽查


async def test_what_is_drawn_is_the_hubs_alone_to_know(counter: Counter) -> None:
    await closed_case(counter)

    drawn = await counter.get("/reviews?waiting=sample", HUB_STAFF)
    assert [review["number"] for review in drawn.json()["reviews"]] == [NUMBER]
    assert (await counter.get("/reviews/summary", HUB_STAFF)).json()["waiting"]["sample"] == 1
    for_hub = await shown(counter, HUB_STAFF)
    assert (for_hub["waiting"], for_hub["samples"][0]["round"]) == (["sample"], 1)

    refused = await counter.get("/reviews?waiting=sample", BLOWER)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:chuishao:problem:samples_are_the_hubs")
    assert "sample" not in (await counter.get("/reviews/summary", BLOWER)).json()["waiting"]
    assert (await counter.get("/reviews", BLOWER)).json()["reviews"][0]["waiting"] == []
    for who in (BLOWER, WATER_STAFF, RESIDENT):
        of_others = await shown(counter, who)
        assert (of_others["waiting"], of_others["samples"]) == ([], [])


async def test_the_hub_checks_what_was_drawn_and_all_see_what_it_found(counter: Counter) -> None:
    await closed_case(counter)
    body = {"passed": False, "note": "仍渗水", "failed_units": [WATER], "evidence": [evidence("现场.jpg")]}

    assert (await counter.post(SAMPLE, body, BLOWER)).status_code == 403
    response = await counter.post(SAMPLE, body, HUB_STAFF)

    assert response.json() == {"number": NUMBER, "round": 1, "passed": False}
    (sample,) = (await shown(counter, WATER_STAFF))["samples"]
    assert (sample["check"]["note"], sample["check"]["failed_units"], sample["check"]["by_unit"]) == (
        "仍渗水",
        [WATER],
        HUB,
    )
    assert (await counter.get("/reviews?waiting=sample", HUB_STAFF)).json()["reviews"] == []


# --- 剔除


async def test_an_exclusion_is_asked_for_after_archiving_and_ruled_by_another(counter: Counter) -> None:
    await closed_case(counter)
    await counter.case(archived())

    asked = await counter.post(EXCLUSIONS, OF_WATER, WATER_STAFF)
    assert (asked.status_code, asked.json()["number"], asked.json()["approved"]) == (200, NUMBER, None)
    ruling = f"{EXCLUSIONS}/{asked.json()['exclusion']}/ruling"
    assert (await counter.post(ruling, {"approved": True, "reason": "属实"}, WATER_STAFF)).status_code == 403
    ruled = await counter.post(ruling, {"approved": True, "reason": "属实"}, HEAD)
    assert (ruled.status_code, ruled.json()["approved"]) == (200, True)

    (listed,) = (await shown(counter, WATER_STAFF))["exclusions"]
    assert (listed["reason"], listed["basis"], listed["measures"]) == ("暴雨停工", "气象预警", ["rating"])
    assert (listed["asked_by"]["person"], listed["approved"], listed["ruling"]) == ("w", True, "属实")
    assert (await shown(counter, HUB_STAFF))["exclusions"] == [listed]
    for who in (MARKET_STAFF, BLOWER, RESIDENT):
        assert (await shown(counter, who))["exclusions"] == []


async def test_the_hub_does_not_rule_on_what_the_same_person_asked(counter: Counter) -> None:
    await closed_case(counter)
    asked = await counter.post(EXCLUSIONS, OF_WATER, HEAD)
    ruling = f"{EXCLUSIONS}/{asked.json()['exclusion']}/ruling"
    refused = await counter.post(ruling, {"approved": True, "reason": "属实"}, HEAD)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:chuishao:problem:asked_by_yourself")


async def test_the_same_request_asks_once_and_is_told_the_same_id(counter: Counter) -> None:
    await closed_case(counter)
    key = {"Idempotency-Key": "form-1"}
    first = await counter.post(EXCLUSIONS, OF_WATER, WATER_STAFF | key)
    again = await counter.post(EXCLUSIONS, OF_WATER, WATER_STAFF | key)
    assert (first.status_code, again.json()) == (200, first.json())
    assert sum(isinstance(fact, f.FeedbackExclusionAsked) for fact in counter.said()) == 1


EXCLUSION_NOES = [
    (OF_WATER | {"measures": []}, 422, "invalid_request", "measures"),
    (OF_WATER | {"measures": ["luck"]}, 422, "invalid_request", "measures.0"),
    (OF_WATER | {"measures": ["score"]}, 422, "not_measured", "measures"),
    (OF_WATER | {"round": 0}, 422, "invalid_request", "round"),
    (OF_WATER | {"round": 7}, 422, "had_no_part", "unit"),
    (OF_WATER | {"reason": " "}, 422, "exclusion_incomplete", "reason"),
    (OF_WATER | {"basis": ""}, 422, "exclusion_incomplete", "basis"),
    (OF_WATER | {"unit": MARKET}, 403, "not_yours_to_exclude", None),
]


@pytest.mark.parametrize(("body", "status", "code", "field"), EXCLUSION_NOES)
async def test_an_exclusion_is_complete(
    counter: Counter, body: object, status: int, code: str, field: str | None
) -> None:
    await closed_case(counter)
    response = await counter.post(EXCLUSIONS, body, WATER_STAFF)
    document = response.json()
    assert (response.status_code, document["type"]) == (status, f"urn:chuishao:problem:{code}")
    assert document.get("field") == field


async def test_a_ruling_on_nothing_is_refused(counter: Counter) -> None:
    await closed_case(counter)
    response = await counter.post(f"{EXCLUSIONS}/{UUID(int=1)}/ruling", {"approved": True, "reason": "属实"}, HEAD)
    assert (response.status_code, response.json()["type"]) == (404, "urn:chuishao:problem:exclusion_unknown")
    response = await counter.post(f"{EXCLUSIONS}/1/ruling", {"approved": True, "reason": "属实"}, HEAD)
    assert (response.status_code, response.json()["field"]) == (422, "path.exclusion")


# --- lists


async def listed(counter: Counter, path: str, who: Mapping[str, str]) -> list[tuple[str, str, bool | None]]:
    response = await counter.get(path, dict(who))
    assert response.status_code == 200, response.text
    found = [one["exclusion"] for one in response.json()["exclusions"]]
    return [(one["unit"], one["measures"][0], one["approved"]) for one in found]


async def test_the_hub_lists_all_exclusions_and_a_unit_its_own(counter: Counter) -> None:
    await closed_case(counter)
    of_market = OF_WATER | {"unit": MARKET}
    first = await counter.post(EXCLUSIONS, OF_WATER, WATER_STAFF)
    await counter.post(EXCLUSIONS, of_market, MARKET_STAFF)
    await counter.post(EXCLUSIONS, OF_WATER | {"measures": ["rated"]}, WATER_STAFF)
    await counter.post(f"{EXCLUSIONS}/{first.json()['exclusion']}/ruling", {"approved": False, "reason": "否"}, HEAD)

    water, market, rated = (WATER, "rating", False), (MARKET, "rating", None), (WATER, "rated", None)
    assert await listed(counter, "/exclusions", HUB_STAFF) == [water, market, rated]
    assert await listed(counter, "/exclusions?state=open", HUB_STAFF) == [market, rated]
    assert await listed(counter, "/exclusions?state=ruled", HUB_STAFF) == [water]
    assert await listed(counter, f"/exclusions?unit={MARKET}", HUB_STAFF) == [market]
    assert await listed(counter, "/exclusions", WATER_STAFF) == [water, rated]
    assert await listed(counter, f"/exclusions?unit={MARKET}&state=open", MARKET_STAFF) == [market]
    assert await listed(counter, "/exclusions", BLOWER) == []

    page = await counter.get("/exclusions?limit=2", HUB_STAFF)
    following = page.links["next"]["url"]
    assert len(page.json()["exclusions"]) == 2
    assert await listed(counter, following, HUB_STAFF) == [rated]
    assert "next" not in (await counter.get(following, HUB_STAFF)).links


LIST_NOES = [
    (f"/exclusions?unit={OTHER_COMMUNITY}", WATER_STAFF, 403, "not_your_unit"),
    ("/exclusions?unit=nowhere", HUB_STAFF, 422, "unit_unknown"),
    ("/exclusions", RESIDENT, 403, "lists_are_for_units"),
    ("/exclusions", HOTLINE, 403, "lists_are_for_units"),
    ("/exclusions", token(None, ActorKind.STAFF), 403, "lists_are_for_units"),
    ("/exclusions?state=maybe", HUB_STAFF, 422, "invalid_request"),
    ("/exclusions?cursor=guess", HUB_STAFF, 422, "invalid_request"),
    ("/exclusions", {}, 401, "no_credentials"),
]


@pytest.mark.parametrize(("path", "who", "status", "code"), LIST_NOES)
async def test_lists_say_no(counter: Counter, path: str, who: dict[str, str], status: int, code: str) -> None:
    response = await counter.get(path, who)
    assert (response.status_code, response.json()["type"]) == (status, f"urn:chuishao:problem:{code}")


async def test_a_case_is_the_same_by_its_id(counter: Counter) -> None:
    await closed_case(counter)
    assert (await counter.post(f"/reviews/{CASE}/sample-check", PASSED, HUB_STAFF)).status_code == 200
