"""The doors of units and residents, as tables."""

from datetime import timedelta
from typing import Any

import pytest

from shared.contracts.facts import WhistleDeclined, WhistleReceived, WhistleVerified
from shared.contracts.vocabulary import ActorKind
from tests.unit.intake.kit import GRID, HUB, HUPAN, LIUYIN, NOW, STREET, WATER, Intake, whistle

# who blows → for which region → whose whistle it is, in whose name (or why not)
WHO_SPEAKS_FOR_WHOM = [
    (HUPAN, HUPAN, 201, HUPAN, "community"),
    (GRID, HUPAN, 201, HUPAN, "grid"),
    (GRID, GRID, 201, HUPAN, "grid"),
    (STREET, HUPAN, 201, HUPAN, "community"),
    (STREET, STREET, 201, STREET, "community"),
    (HUB, HUPAN, 201, HUPAN, "community"),
    (HUPAN, LIUYIN, 403, "not_your_region", None),
    (HUPAN, STREET, 403, "not_your_region", None),
    (GRID, LIUYIN, 403, "not_your_region", None),
    (STREET, "110199002001", 403, "not_your_region", None),
    (WATER, HUPAN, 403, "blows_no_whistle", None),
    ("no-such-unit", HUPAN, 403, "unit_unknown", None),
    (None, HUPAN, 403, "unit_unknown", None),
    (HUPAN, "110199001999", 422, "region_unknown", None),
    (HUPAN, WATER, 422, "region_unknown", None),
    (HUPAN, HUB, 422, "region_unknown", None),
]


@pytest.mark.parametrize(("unit", "region", "status", "expected", "source"), WHO_SPEAKS_FOR_WHOM)
async def test_who_speaks_for_whom(
    intake: Intake, unit: str | None, region: str, status: int, expected: str, source: str | None
) -> None:
    answer = await intake.post("/whistles", intake.as_staff(unit), whistle(region=region))
    assert answer.status_code == status, answer.text
    if status != 201:
        assert answer.json()["type"] == f"urn:chuishao:problem:{expected}"
        assert intake.log() == []
        return
    (event,) = intake.log()
    assert isinstance(event.fact, WhistleReceived)
    assert (event.fact.matter.whistle_blower, event.fact.matter.region) == (expected, expected)
    assert event.fact.matter.source == source
    assert not event.fact.needs_verification


# unit → source it names → is that its to name
SOURCES = [
    (HUPAN, "rider", True),
    (HUPAN, "petition", True),
    (HUPAN, "visit", True),
    (HUPAN, "suggestion_box", True),
    (HUPAN, "grid", False),
    (HUPAN, "hotline_12345", False),
    (HUPAN, "resident", False),
    (GRID, "grid", True),
    (GRID, "rider", True),
    (GRID, "community", False),
    (GRID, "petition", False),
    (HUB, "petition", True),
    (HUB, "open311", False),
]


@pytest.mark.parametrize(("unit", "source", "fits"), SOURCES)
async def test_a_source_fits_the_unit_that_names_it(intake: Intake, unit: str, source: str, fits: bool) -> None:
    answer = await intake.post("/whistles", intake.as_staff(unit), whistle(source=source))
    assert answer.status_code == (201 if fits else 422)
    if fits:
        assert intake.whistles()[0].matter.source == source
    else:
        assert answer.json()["field"] == "source"
        assert intake.whistles() == []


AHEAD = (NOW + timedelta(days=1, minutes=1)).isoformat()
JUST = (NOW + timedelta(hours=23)).isoformat()

# what is wrong → the field the answer names
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"title": ...}, "title"),
    ({"title": "   "}, "title"),
    ({"title": "题" * 201}, "title"),
    ({"title": 7}, "title"),
    ({"title": "a\0b"}, ""),
    ({"content": ...}, "content"),
    ({"content": "字" * 10_001}, "content"),
    ({"content": {"a": 1}}, "content"),
    ({"address": "址" * 501}, "address"),
    ({"appeal_type": ...}, "appeal_type"),
    ({"appeal_type": "抱怨"}, "appeal_type"),
    ({"urgency": "soon"}, "urgency"),
    ({"category": ["没有这一类"]}, "category"),
    ({"category": ["供水", "a", "b", "c"]}, "category"),
    ({"category": 3}, "category"),
    ({"category": ["供水", 3]}, "category.1"),
    ({"region": ...}, "region"),
    ({"region": "社区"}, "region"),
    ({"longitude": 200.0, "latitude": 39.9}, "longitude"),
    ({"longitude": 116.4, "latitude": -33.0}, "latitude"),
    ({"longitude": "116.4", "latitude": 39.9}, "longitude"),
    ({"longitude": 116.4}, "longitude"),
    ({"occurred_at": AHEAD}, "occurred_at"),
    ({"occurred_at": "2026-11-02"}, "occurred_at"),
    ({"occurred_at": "2026-11-02T08:00:00"}, "occurred_at"),
    ({"occurred_at": "yesterday"}, "occurred_at"),
    ({"occurred_at": 1793577600}, "occurred_at"),
    ({"confidential": "yes"}, "confidential"),
    ({"reporter": {}}, "reporter"),
    ({"reporter": {"phone": "call me"}}, "reporter.phone"),
    ({"reporter": {"name": "人" * 101}}, "reporter.name"),
    ({"attachments": [{"name": "a", "media_type": "image/png", "url": "javascript:alert(1)"}]}, "attachments.0.url"),
    ({"source_ref": "号" * 101}, "source_ref"),
    ({"source": "street"}, "source"),
    ({"tilte": "misspelt"}, "tilte"),
    ({"region": STREET, "self_handled": True}, "self_handled"),
]


@pytest.mark.parametrize(("changes", "field"), WRONG)
async def test_what_is_wrong_is_named_in_both_languages_and_nothing_is_stored(
    intake: Intake, changes: dict[str, Any], field: str
) -> None:
    answer = await intake.post("/whistles", intake.as_staff(STREET), whistle(**changes))
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told.get("field", "") == (field or "body")
    assert told["detail_en"]
    assert told["detail"] not in ("", told["detail_en"])
    assert intake.whistles() == []
    assert intake.log() == []


RIGHT: list[dict[str, Any]] = [
    {"title": "题" * 200, "content": "字" * 10_000, "address": "址" * 500},
    {"title": "  多  余\n空白  "},
    {"category": "供水->管道漏损"},
    {"category": "供水"},
    {"category": "C0102"},
    {"category": ...},
    {"category": ["城乡建设", "城市建设和市政管理", "燃气供应"]},
    {"longitude": 116.4, "latitude": 39},
    {"occurred_at": JUST},
    {"occurred_at": "1999-12-31T23:59:59Z"},
    {"reporter": ...},
    {"reporter": {"name": "只有名字"}},
    {"reporter": {"phone": "010-12345678转801"}},
    {"attachments": [{"name": "现场.jpg", "media_type": "image/jpeg", "url": "https://files.example/1.jpg"}]},
    {"title": "=HYPERLINK(1)", "content": "<script>alert(1)</script>'; drop table state; --"},
]


@pytest.mark.parametrize("changes", RIGHT)
async def test_what_is_unusual_but_right_is_taken(intake: Intake, changes: dict[str, Any]) -> None:
    answer = await intake.post("/whistles", intake.as_staff(HUPAN), whistle(**changes))
    assert answer.status_code == 201, answer.text


async def test_the_answer_says_number_stage_and_where_to_look(intake: Intake) -> None:
    answer = await intake.post("/whistles", intake.as_staff(HUPAN), whistle())
    receipt = answer.json()
    assert receipt["number"] == "HA20261102000001"
    assert receipt["stage"] == "verified"
    assert receipt["repeat"] is False
    assert answer.headers["location"] == f"/whistles/{receipt['case_id']}"
    seen = (await intake.get(answer.headers["location"], intake.as_staff(HUPAN))).json()
    assert seen["title"] == "湖畔小区3号楼水管爆裂"
    assert seen["category"] == ["供水", "管道漏损"]
    assert seen["reporter_known"] is True
    assert "13800000000" not in str(seen)


async def test_an_unknown_category_is_answered_with_the_nearest(intake: Intake) -> None:
    answer = await intake.post("/whistles", intake.as_staff(HUPAN), whistle(category=["供水问题"]))
    assert "供水" in answer.json()["detail"]
    answer = await intake.post("/whistles", intake.as_staff(HUPAN), whistle(category=["燃气供应"]))
    assert "城乡建设->城市建设和市政管理->燃气供应" in answer.json()["detail_en"]


async def test_the_reporter_is_sealed_and_in_no_event(intake: Intake) -> None:
    await intake.post("/whistles", intake.as_staff(HUPAN), whistle(confidential=True))
    (event,) = intake.log()
    (kept,) = intake.whistles()
    assert isinstance(event.fact, WhistleReceived)
    assert kept.sealed is not None
    assert event.fact.reporter == str(kept.sealed.id)
    assert intake.vault.open(kept.sealed.id, kept.sealed.sealed) == ("王女士", "13800000000")
    for written in (event.fact.model_dump_json(), kept.model_dump_json(), repr(kept)):
        assert "13800000000" not in written
        assert "王女士" not in written
    assert event.fact.matter.resident_to_ask


# the second request → its answer
async def test_the_same_key_is_the_same_whistle(intake: Intake) -> None:
    who = intake.as_staff(HUPAN)
    first = await intake.post("/whistles", who, whistle(), idempotency_key="k-1")
    again = await intake.post("/whistles", who, whistle(), idempotency_key="k-1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json() | {"repeat": True}
    other = await intake.post("/whistles", who, whistle(title="另一件事"), idempotency_key="k-1")
    assert other.status_code == 422
    assert other.json()["field"] == "Idempotency-Key"
    someone_else = await intake.post("/whistles", intake.as_staff(HUPAN, "staff-8"), whistle(), idempotency_key="k-1")
    assert someone_else.status_code == 201
    without = await intake.post("/whistles", who, whistle())
    assert without.status_code == 201
    assert len(intake.log()) == 3


async def test_the_same_reference_is_the_same_whistle(intake: Intake) -> None:
    who = intake.as_staff(HUPAN)
    first = await intake.post("/whistles", who, whistle(source_ref="R-1"))
    again = await intake.post("/whistles", who, whistle(source_ref="R-1", title="写法不同"))
    other_source = await intake.post("/whistles", who, whistle(source_ref="R-1", source="petition"))
    assert [one.status_code for one in (first, again, other_source)] == [201, 200, 201]
    assert again.json()["number"] == first.json()["number"]
    stranger = await intake.post("/whistles", intake.as_staff(LIUYIN), whistle(source_ref="R-1", region=LIUYIN))
    assert stranger.status_code == 409
    assert stranger.json()["type"].endswith("source_ref_taken")
    assert first.json()["number"] not in stranger.text
    assert len(intake.log()) == 2


async def test_a_resident_orders_and_the_community_verifies(intake: Intake) -> None:
    order = whistle(region=GRID, urgency="normal")
    received = await intake.post("/orders", intake.as_resident(), order)
    assert received.status_code == 201
    assert received.json()["stage"] == "verifying"
    case_id = received.json()["case_id"]
    waiting = (await intake.get("/orders?waiting=verification", intake.as_staff(HUPAN))).json()["orders"]
    assert [one["case_id"] for one in waiting] == [case_id]

    verified = await intake.post(
        f"/orders/{case_id}/verify",
        intake.as_staff(HUPAN),
        {"note": "现场核实属实", "urgency": "urgent", "category": ["供水"], "self_handled": True},
    )
    assert verified.json()["stage"] == "verified"
    first, second = intake.log()
    assert isinstance(first.fact, WhistleReceived)
    assert first.fact.needs_verification
    assert first.fact.matter.whistle_blower == HUPAN
    assert isinstance(second.fact, WhistleVerified)
    assert (second.fact.urgency, second.fact.category, second.fact.self_handled) == ("urgent", ("供水",), True)
    assert second.fact.actor.unit == HUPAN
    seen = (await intake.get(f"/whistles/{case_id}", intake.as_resident())).json()
    assert (seen["stage"], seen["urgency"], seen["category"]) == ("verified", "urgent", ["供水"])
    assert (await intake.get("/orders", intake.as_staff(HUPAN))).json()["orders"] == []


async def test_declining_gives_the_reason_back(intake: Intake) -> None:
    case_id = (await intake.post("/orders", intake.as_resident(), whistle())).json()["case_id"]
    body = {"reason": "outside_jurisdiction", "explanation": "该路段属相邻城区，请拨打当地 12345。"}
    declined = await intake.post(f"/orders/{case_id}/decline", intake.as_staff(HUB), body)
    assert declined.json()["stage"] == "declined"
    fact = intake.log()[-1].fact
    assert isinstance(fact, WhistleDeclined)
    assert (fact.reason, fact.actor.unit) == ("outside_jurisdiction", HUB)
    seen = (await intake.get(f"/whistles/{case_id}", intake.as_resident())).json()
    assert (seen["declined_for"], seen["note"]) == (body["reason"], body["explanation"])


# who decides about 湖畔's order → status, code
WHO_DECIDES = [
    (HUPAN, 200, None),
    (HUB, 200, None),
    (LIUYIN, 403, "not_your_order"),
    (STREET, 403, "not_your_order"),
    (GRID, 403, "not_your_order"),
    (WATER, 403, "not_your_order"),
]


@pytest.mark.parametrize(("unit", "status", "code"), WHO_DECIDES)
@pytest.mark.parametrize("act", ["verify", "decline"])
async def test_who_decides_about_an_order(intake: Intake, unit: str, status: int, code: str | None, act: str) -> None:
    case_id = (await intake.post("/orders", intake.as_resident(), whistle())).json()["case_id"]
    body = {} if act == "verify" else {"reason": "untrue", "explanation": "经核实不属实"}
    answer = await intake.post(f"/orders/{case_id}/{act}", intake.as_staff(unit), body)
    assert answer.status_code == status, answer.text
    if code:
        assert answer.json()["type"].endswith(code)
        assert len(intake.log()) == 1


async def test_an_order_is_decided_once(intake: Intake) -> None:
    case_id = (await intake.post("/orders", intake.as_resident(), whistle())).json()["case_id"]
    who = intake.as_staff(HUPAN)
    first = await intake.post(f"/orders/{case_id}/verify", who, {}, idempotency_key="v")
    repeated = await intake.post(f"/orders/{case_id}/verify", who, {}, idempotency_key="v")
    twice = await intake.post(f"/orders/{case_id}/verify", who, {})
    declined = await intake.post(f"/orders/{case_id}/decline", who, {"reason": "untrue", "explanation": "x"})
    assert [one.status_code for one in (first, repeated, twice, declined)] == [200, 200, 409, 409]
    assert repeated.json()["repeat"] is True
    assert HUPAN in twice.json()["detail"]
    assert len(intake.log()) == 2


async def test_what_needs_no_verification_cannot_be_verified(intake: Intake) -> None:
    case_id = (await intake.post("/whistles", intake.as_staff(HUPAN), whistle())).json()["case_id"]
    answer = await intake.post(f"/orders/{case_id}/verify", intake.as_staff(HUPAN), {})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:chuishao:problem:nothing_to_verify")


async def test_an_order_nobody_knows(intake: Intake) -> None:
    unknown = "01930000-0000-7000-8000-000000000000"
    who = intake.as_staff(HUPAN)
    assert (await intake.post(f"/orders/{unknown}/verify", who, {})).status_code == 404
    assert (await intake.get(f"/whistles/{unknown}", who)).status_code == 404
    assert (await intake.get("/orders/by-ref/community/none", who)).status_code == 404
    wrong = await intake.get("/whistles/not-a-uuid", who)
    assert (wrong.status_code, wrong.json()["field"]) == (422, "case_id")


async def test_a_resident_names_a_community(intake: Intake) -> None:
    answer = await intake.post("/orders", intake.as_resident(), whistle(region=STREET))
    assert (answer.status_code, answer.json()["field"]) == (422, "region")


async def test_waiting_orders_come_page_by_page(intake: Intake) -> None:
    for number in range(5):
        await intake.post("/orders", intake.as_resident(), whistle(title=f"第{number}件"))
    titles: list[str] = []
    path: str | None = f"/orders?waiting=verification&community={HUPAN}&limit=2"
    while path:
        page = await intake.get(path, intake.as_staff(STREET))
        titles += [one["title"] for one in page.json()["orders"]]
        path = page.links["next"]["url"] if "next" in page.links else None
    assert titles == [f"第{number}件" for number in range(5)]
    assert (await intake.get(f"/orders?community={HUPAN}", intake.as_staff(LIUYIN))).status_code == 403
    assert (await intake.get("/orders", intake.as_staff(HUB))).status_code == 422
    assert (await intake.get("/orders?limit=0", intake.as_staff(HUPAN))).json()["field"] == "limit"


# who looks at 湖畔's resident's order → may they
WHO_SEES = [
    ("staff", HUPAN, True),
    ("staff", STREET, True),
    ("staff", HUB, True),
    ("staff", GRID, True),
    ("staff", LIUYIN, False),
    ("staff", WATER, False),
    ("resident", "resident-1", True),
    ("resident", "resident-2", False),
    ("hotline", "", False),
]


@pytest.mark.parametrize(("kind", "name", "sees"), WHO_SEES)
async def test_who_sees_an_order(intake: Intake, kind: str, name: str, sees: bool) -> None:
    case_id = (await intake.post("/orders", intake.as_resident(), whistle())).json()["case_id"]
    who = {"staff": intake.as_staff(name), "resident": intake.as_resident(name), "hotline": intake.as_hotline()}[kind]
    answer = await intake.get(f"/whistles/{case_id}", who)
    assert answer.status_code == (200 if sees else 403)


# door → who knocks → status
KNOCKS = [
    ("/whistles", "nobody", 401),
    ("/whistles", "resident", 403),
    ("/whistles", "hotline", 403),
    ("/orders", "nobody", 401),
    ("/orders", "staff", 403),
    ("/orders", "hotline", 403),
    ("/hotline/orders", "nobody", 401),
    ("/hotline/orders", "staff", 403),
    ("/hotline/orders", "resident", 403),
    ("/hotline/orders/csv", "nobody", 401),
    ("/hotline/orders/csv", "staff", 403),
    ("/hotline/orders/csv", "resident", 403),
    ("/whistles", "expired", 401),
    ("/orders", "forged", 401),
    ("/hotline/orders", "wrong key", 401),
]


@pytest.mark.parametrize(("path", "who", "status"), KNOCKS)
async def test_no_door_is_open(intake: Intake, path: str, who: str, status: int) -> None:
    expired = intake.token(ActorKind.STAFF, "staff-7", HUPAN, timedelta(seconds=-1))
    headers = {
        "nobody": {},
        "staff": intake.as_staff(HUPAN),
        "resident": intake.as_resident(),
        "hotline": intake.as_hotline(),
        "expired": {"Authorization": f"Bearer {expired}"},
        "forged": {"Authorization": intake.as_resident()["Authorization"][:-4] + "AAAA"},
        "wrong key": {"X-API-Key": "guess"},
    }[who]
    answer = await intake.post(path, headers, whistle())
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"] != answer.json()["detail_en"]
    assert intake.log() == []


async def test_a_body_of_five_megabytes_is_too_large(intake: Intake) -> None:
    answer = await intake.post("/whistles", intake.as_staff(HUPAN), whistle(content="a" * 5_000_000))
    assert answer.status_code == 413
    assert "4 MB" in answer.json()["detail"]
    assert intake.log() == []


async def test_bytes_that_are_no_json(intake: Intake) -> None:
    for body in (b"{", b'{"title": "\xff"}', b'{"title": "\\ud800"}', b"[" * 100_000, b""):
        headers = intake.as_staff(HUPAN) | {"Content-Type": "application/json"}
        answer = await intake.client.post("/whistles", content=body, headers=headers)
        assert answer.status_code in (400, 422), answer.text
    assert intake.log() == []


async def test_the_store_away_is_said_with_when_to_try_again(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.runtime.door.PATIENCE_SECONDS", 0.05)
    intake.store.away = True
    answer = await intake.post("/whistles", intake.as_staff(HUPAN), whistle())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    intake.store.away = False
    assert intake.log() == []
