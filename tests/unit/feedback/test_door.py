"""The HTTP door: who gets in, what is told, and how a no reads."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from services.feedback.api import Desk, add_routes, read_cursor, write_cursor
from services.feedback.main import HANDLERS
from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES
from shared.contracts.vocabulary import ActorKind, Obligation, Source
from shared.runtime import problems
from shared.runtime.door import Door
from shared.runtime.identity import ApiKey, Gatekeeper, Identity, issue
from shared.runtime.service import Handler
from shared.runtime.setup_files import read_units
from tests.unit.feedback.histories import (
    CASE,
    COMMUNITY,
    HUB,
    MARKET,
    NUMBER,
    OTHER_COMMUNITY,
    WATER,
    handled,
    opened,
    overdue,
)
from tests.unit.feedback.memory import MemoryFeedback, MemoryReviews
from tests.unit.feedback.wire import OtherLog, arrived

UNITS = Path(__file__).parents[3] / "deploy" / "district" / "units.yaml"
TREE = read_units(UNITS)
SIGNING_KEY = "0123456789abcdef0123456789abcdef"
HOTLINE_KEY = "the hotline's key"
HOTLINE_IDENTITY = Identity(kind=ActorKind.HOTLINE, person="12345")

CHECK, RATE, ANSWER = f"/reviews/{NUMBER}/check", f"/reviews/{NUMBER}/rate", f"/reviews/{NUMBER}/resident-answer"
PASSED = {"passed": True}
FOUR = {"unit": WATER, "contact": 4, "speed": 4, "result": 4, "words": "来得及时"}
SATISFIED = {"contacted": True, "solved": True, "satisfaction": "satisfied", "words": "谢谢"}


def token(unit: str | None, kind: ActorKind = ActorKind.STAFF, person: str = "p-1", days: int = 1) -> dict[str, str]:
    now = datetime.now(UTC) - timedelta(days=max(0, 1 - days) * 2)
    signed = issue(Identity(kind=kind, person=person, unit=unit), SIGNING_KEY, now, timedelta(days=1))
    return {"Authorization": f"Bearer {signed}"}


BLOWER, HUB_STAFF, HANDLER = token(COMMUNITY), token(HUB), token(WATER)
RESIDENT = token(None, ActorKind.RESIDENT, NUMBER)
HOTLINE = {"X-API-Key": HOTLINE_KEY}


class Counter:
    """A district's feedback with its door open."""

    def __init__(self, client: httpx.AsyncClient, feedback: MemoryFeedback) -> None:
        self.client = client
        self.feedback = feedback
        self.router = OtherLog("router", CASES)
        self.sla = OtherLog("sla", DEADLINES)

    async def case(self, *facts: f.Fact, case_id: UUID = CASE) -> None:
        logs = [self.sla if isinstance(fact, f.DeadlineStep) else self.router for fact in facts]
        messages = [log.append(case_id, fact) for log, fact in zip(logs, facts, strict=True)]
        await self.feedback.road.travel([arrived(message) for message in messages])

    async def post(self, path: str, body: object, who: dict[str, str]) -> httpx.Response:
        return await self.client.post(path, json=body, headers=who)

    async def get(self, path: str, who: dict[str, str]) -> httpx.Response:
        return await self.client.get(path, headers=who)

    def said(self, case_id: UUID = CASE) -> list[f.Fact]:
        return [envelope.fact for envelope in self.feedback.logged(case_id)]


@asynccontextmanager
async def door_open(
    handlers: Mapping[type, Handler] = HANDLERS, *more: Callable[[FastAPI, Desk], None]
) -> AsyncIterator[Counter]:
    """Feedback by these handlers with its door open, and more routes besides."""
    feedback = MemoryFeedback(handlers)
    door = Door(feedback.road)
    keys = [ApiKey("12345", sha256(HOTLINE_KEY.encode()).hexdigest(), HOTLINE_IDENTITY)]
    app = FastAPI()
    problems.install(app)
    desk = Desk(door, Gatekeeper(SIGNING_KEY, keys), lambda: TREE, MemoryReviews(feedback))
    for add in (add_routes, *more):
        add(app, desk)
    serving = asyncio.create_task(door.run())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://feedback") as client:
        yield Counter(client, feedback)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


@pytest.fixture
async def counter() -> AsyncIterator[Counter]:
    async with door_open() as counter:
        yield counter


async def test_the_loop_closes_through_the_door(counter: Counter) -> None:
    await counter.case(opened(), handled())

    checked = await counter.post(CHECK, PASSED | {"evidence": [evidence("现场.jpg")]}, BLOWER)
    by_id = await counter.post(f"/reviews/{CASE}/rate", FOUR, BLOWER)
    answer = await counter.post(ANSWER, SATISFIED, RESIDENT)

    assert (checked.status_code, by_id.status_code, answer.status_code) == (200, 200, 200)
    assert checked.json() == {
        "number": NUMBER,
        "round": 1,
        "waiting": ["rating", "resident"],
        "unrated": [WATER],
        "conclusion": None,
    }
    assert answer.json()["waiting"] == []
    assert answer.json()["conclusion"]["close"] is True
    check, rating, resident_answer, verdict = counter.said()
    assert isinstance(check, f.FeedbackChecked)
    assert check.evidence == (f.Evidence(**evidence("现场.jpg")),)
    assert check.actor == f.Actor(kind=ActorKind.STAFF, unit=COMMUNITY, person="p-1")
    assert isinstance(rating, f.FeedbackUnitRated)
    assert (rating.unit, rating.contact, rating.words) == (WATER, 4, "来得及时")
    assert isinstance(resident_answer, f.FeedbackResidentAnswered)
    assert resident_answer.actor.kind is ActorKind.RESIDENT
    assert isinstance(verdict, f.FeedbackConcluded)


def evidence(name: str) -> dict[str, str]:
    return {"name": name, "media_type": "image/jpeg", "url": "https://files.example/1"}


NOES = [
    # path    body                                       who                         status  code                 field
    (CHECK, PASSED, {}, 401, "no_credentials", "Authorization"),
    (CHECK, PASSED, {"Authorization": "Bearer x.y.z"}, 401, "token_invalid", "Authorization"),
    (CHECK, PASSED, token(COMMUNITY, days=0), 401, "token_expired", "Authorization"),
    (CHECK, PASSED, {"X-API-Key": "guessed"}, 401, "api_key_unknown", "Authorization"),
    (CHECK, PASSED, token(OTHER_COMMUNITY), 403, "not_yours_to_check", None),
    (CHECK, PASSED, HANDLER, 403, "not_yours_to_check", None),
    (CHECK, PASSED, RESIDENT, 403, "not_yours_to_check", None),
    (CHECK, PASSED, HOTLINE, 403, "not_yours_to_check", None),
    (CHECK, PASSED, HUB_STAFF, 409, "check_still_with_whistle_blower", None),
    (CHECK, {"passed": False}, BLOWER, 422, "note_required", "note"),
    (CHECK, {}, BLOWER, 422, "invalid_request", "passed"),
    (CHECK, {"passed": "yes"}, BLOWER, 422, "invalid_request", "passed"),
    (CHECK, {"passed": 1}, BLOWER, 422, "invalid_request", "passed"),
    (CHECK, PASSED | {"pased": False}, BLOWER, 422, "invalid_request", "pased"),
    (CHECK, PASSED | {"note": "长" * 4001}, BLOWER, 422, "invalid_request", "note"),
    (CHECK, PASSED | {"note": "\0"}, BLOWER, 400, "nul_character", "body"),
    (CHECK, PASSED | {"evidence": [{"name": "x"}]}, BLOWER, 422, "invalid_request", "evidence.0.media_type"),
    (CHECK, PASSED | {"evidence": [evidence("x")] * 21}, BLOWER, 422, "invalid_request", "evidence"),
    (CHECK, [PASSED], BLOWER, 422, "invalid_request", "body"),
    (RATE, FOUR | {"contact": 0}, BLOWER, 422, "invalid_request", "contact"),
    (RATE, FOUR | {"speed": 6}, BLOWER, 422, "invalid_request", "speed"),
    (RATE, FOUR | {"result": "5"}, BLOWER, 422, "invalid_request", "result"),
    (RATE, FOUR | {"result": True}, BLOWER, 422, "invalid_request", "result"),
    (RATE, FOUR | {"unit": MARKET}, BLOWER, 422, "unit_did_not_report", "unit"),
    (RATE, FOUR, HUB_STAFF, 403, "not_yours_to_rate", None),
    (RATE, FOUR, HANDLER, 403, "not_yours_to_rate", None),
    (ANSWER, SATISFIED | {"satisfaction": "delighted"}, RESIDENT, 422, "invalid_request", "satisfaction"),
    (ANSWER, SATISFIED, token(None, ActorKind.RESIDENT, "HA20261123-0002"), 403, "not_yours_to_answer", None),
    (ANSWER, SATISFIED, HANDLER, 403, "not_yours_to_answer", None),
    ("/reviews/no-such-number/check", PASSED, BLOWER, 404, "review_unknown", "case"),
    ("/reviews/01938000-0000-7000-8000-00000000ffff/check", PASSED, BLOWER, 404, "review_unknown", "case"),
    ("/reviews/%00/check", PASSED, BLOWER, 422, "invalid_request", "path.case"),
    (f"/reviews/{'9' * 65}/check", PASSED, BLOWER, 422, "invalid_request", "path.case"),
]


@pytest.mark.parametrize(("path", "body", "who", "status", "code", "field"), NOES)
async def test_every_no_is_a_problem_document_and_changes_nothing(
    counter: Counter, path: str, body: object, who: dict[str, str], status: int, code: str, field: str | None
) -> None:
    await counter.case(opened(), handled())

    response = await counter.post(path, body, who)

    document = response.json()
    assert (response.status_code, document["type"]) == (status, f"urn:chuishao:problem:{code}")
    assert response.headers["content-type"] == "application/problem+json"
    assert document.get("field") == field
    assert document["detail"]
    assert document["detail_en"]
    assert counter.said() == []


async def test_the_hub_checks_in_the_whistle_blowers_stead_once_overdue(counter: Counter) -> None:
    await counter.case(opened(), handled(), overdue(Obligation.CHECK))
    assert (await counter.post(CHECK, PASSED, HUB_STAFF)).status_code == 200


async def test_12345_checks_its_own_orders_and_calls_back(counter: Counter) -> None:
    of_12345 = {"source": Source.HOTLINE_12345, "whistle_blower": HUB}
    await counter.case(opened(Source.HOTLINE_12345, whistle_blower=HUB), handled(**of_12345))  # type: ignore[arg-type]
    assert (await counter.post(CHECK, PASSED, HOTLINE)).status_code == 200
    assert (await counter.post(ANSWER, SATISFIED, HOTLINE)).status_code == 200
    assert (await counter.post(RATE, FOUR, HUB_STAFF)).json()["conclusion"]["close"] is True


async def test_an_idempotency_key_makes_a_request_count_once(counter: Counter) -> None:
    await counter.case(opened(), handled())
    key = {"Idempotency-Key": "form-1"}
    first = await counter.post(RATE, FOUR, BLOWER | key)
    again = await counter.post(RATE, FOUR, BLOWER | key)
    another = await counter.post(RATE, FOUR | {"result": 1}, BLOWER | key)
    without = await counter.post(RATE, FOUR, BLOWER)
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    assert another.json()["type"] == "urn:chuishao:problem:idempotency_key_reused"
    assert without.json()["type"] == "urn:chuishao:problem:already_rated"
    assert len(counter.said()) == 1


async def test_the_door_says_503_while_the_database_is_away(counter: Counter) -> None:
    await counter.case(opened(), handled())
    counter.feedback.store.away = True
    response = await counter.post(CHECK, PASSED, BLOWER)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


# --- seeing


SEEING = [
    # who                                              sees the case, and the resident's own words
    (BLOWER, 200, "谢谢"),
    (HUB_STAFF, 200, "谢谢"),
    (RESIDENT, 200, "谢谢"),
    (token(None, ActorKind.RESIDENT, str(CASE)), 200, "谢谢"),
    (HANDLER, 200, None),
    (token(MARKET), 403, None),
    (token(OTHER_COMMUNITY), 403, None),
    (token(None, ActorKind.RESIDENT, "HA20261123-0002"), 403, None),
    (HOTLINE, 403, None),
    ({}, 401, None),
]


@pytest.mark.parametrize(("who", "status", "words"), SEEING)
async def test_who_sees_a_review(counter: Counter, who: dict[str, str], status: int, words: str | None) -> None:
    await counter.case(opened(), handled())
    await counter.post(ANSWER, SATISFIED, RESIDENT)

    response = await counter.get(f"/reviews/{NUMBER}", who)

    assert response.status_code == status
    if status == 200:
        assert response.json()["rounds"][0]["answer"]["words"] == words
    else:
        assert "rounds" not in response.json()


async def test_a_review_shows_its_rounds(counter: Counter) -> None:
    await counter.case(opened(), handled(1, WATER, MARKET))
    await counter.post(RATE, FOUR, BLOWER)
    await counter.post(CHECK, {"passed": False, "note": "仍在渗水"}, BLOWER)

    shown = (await counter.get(f"/reviews/{CASE}", BLOWER)).json()

    assert (shown["case"], shown["number"], shown["waiting"]) == (str(CASE), NUMBER, [])
    assert (shown["checks_failed"], shown["check_overdue"], shown["reopened_by_right"]) == (1, False, False)
    (only,) = shown["rounds"]
    assert (only["number"], only["open"], only["unrated"]) == (1, False, [MARKET])
    assert (only["check"]["note"], only["ratings"][0]["speed"]) == ("仍在渗水", 4)


async def test_a_case_known_only_by_a_deadline_is_not_shown(counter: Counter) -> None:
    await counter.case(overdue(Obligation.RATE))
    assert (await counter.get(f"/reviews/{CASE}", HUB_STAFF)).status_code == 404
    assert (await counter.get("/reviews", HUB_STAFF)).json()["reviews"] == []


# --- lists


async def several(counter: Counter, number: int, whistle_blower: str = COMMUNITY, start: int = 1) -> list[str]:
    """Handled cases of one whistle-blower; their numbers."""
    numbers = [f"HA-{start + each}" for each in range(number)]
    for each, name in enumerate(numbers):
        case_id = UUID(int=CASE.int + start + each)
        blown = {"whistle_blower": whistle_blower, "number_of_case": name}
        await counter.case(opened(**blown), handled(**blown), case_id=case_id)  # type: ignore[arg-type]
    return numbers


def numbers_of(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [review["number"] for review in response.json()["reviews"]]


async def test_units_list_their_own_and_the_hub_all(counter: Counter) -> None:
    ours = await several(counter, 2)
    theirs = await several(counter, 1, OTHER_COMMUNITY, start=10)

    assert numbers_of(await counter.get("/reviews?waiting=check", BLOWER)) == ours
    assert numbers_of(await counter.get(f"/reviews?waiting=check&unit={COMMUNITY}", BLOWER)) == ours
    assert numbers_of(await counter.get("/reviews?waiting=check", HUB_STAFF)) == [*ours, *theirs]
    assert numbers_of(await counter.get(f"/reviews?unit={OTHER_COMMUNITY}", HUB_STAFF)) == theirs
    assert numbers_of(await counter.get("/reviews", HOTLINE)) == []
    assert numbers_of(await counter.get("/reviews", HANDLER)) == []


async def test_a_list_holds_what_waits_for_that(counter: Counter) -> None:
    first, second = await several(counter, 2)
    await counter.post(f"/reviews/{first}/check", PASSED, BLOWER)
    await counter.post(f"/reviews/{second}/rate", FOUR, BLOWER)

    assert numbers_of(await counter.get("/reviews?waiting=check", BLOWER)) == [second]
    assert numbers_of(await counter.get("/reviews?waiting=rating", BLOWER)) == [first]
    assert numbers_of(await counter.get("/reviews?waiting=resident", BLOWER)) == [first, second]


async def test_pages_follow_each_other_by_their_link(counter: Counter) -> None:
    expected = await several(counter, 7)
    seen: list[str] = []
    path: str | None = f"/reviews?waiting=check&unit={COMMUNITY}&limit=3"
    pages = 0
    while path is not None:
        response = await counter.get(path, HUB_STAFF)
        seen += numbers_of(response)
        pages += 1
        following = response.links.get("next")
        assert (following is None) == (response.json()["next"] is None)
        path = following["url"] if following else None
    assert (seen, pages) == (expected, 3)


LIST_NOES = [
    (f"/reviews?unit={OTHER_COMMUNITY}", BLOWER, 403, "not_your_unit"),
    ("/reviews?unit=nowhere", HUB_STAFF, 422, "unit_unknown"),
    ("/reviews?unit=%00%00", HOTLINE, 422, "unit_unknown"),
    ("/reviews", RESIDENT, 403, "lists_are_for_units"),
    ("/reviews", token(None), 403, "lists_are_for_units"),
    ("/reviews?waiting=godot", BLOWER, 422, "invalid_request"),
    ("/reviews?limit=0", BLOWER, 422, "invalid_request"),
    ("/reviews?limit=201", BLOWER, 422, "invalid_request"),
    ("/reviews?cursor=guess", BLOWER, 422, "cursor_invalid"),
    ("/reviews?cursor=%E5%93%A8", BLOWER, 422, "cursor_invalid"),
    ("/reviews?cursor=AAAA", BLOWER, 422, "cursor_invalid"),
    ("/reviews/summary", RESIDENT, 403, "lists_are_for_units"),
    ("/reviews/summary", {}, 401, "no_credentials"),
]


@pytest.mark.parametrize(("path", "who", "status", "code"), LIST_NOES)
async def test_lists_say_no(counter: Counter, path: str, who: dict[str, str], status: int, code: str) -> None:
    response = await counter.get(path, who)
    assert (response.status_code, response.json()["type"]) == (status, f"urn:chuishao:problem:{code}")


async def test_a_cursor_is_read_as_it_was_written(counter: Counter) -> None:
    await counter.case(opened())
    place = read_cursor(write_cursor(CASE, counter.feedback.states[CASE]))
    assert (place.since, place.case_id) == ("2026-11-23T09:30:00.000000Z", CASE)


# --- the summary


async def summary(counter: Counter, who: dict[str, str]) -> dict[str, Any]:
    response = await counter.get("/reviews/summary", who)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_nothing_to_divide_by_is_null(counter: Counter) -> None:
    shown = await summary(counter, HUB_STAFF)
    assert shown["reviews"] == 0
    assert shown["waiting"] == {"check": 0, "rating": 0, "resident": 0, "sample": 0}
    assert shown["checks"]["passed_share"] is None
    assert [shown["ratings"][name] for name in ("rated_share", "contact", "speed", "result")] == [None] * 4
    assert shown["residents"]["answered_share"] is None


async def test_the_summary_counts_silence_apart(counter: Counter) -> None:
    first, second, _ = await several(counter, 3)
    await counter.post(f"/reviews/{first}/check", PASSED, BLOWER)
    await counter.post(f"/reviews/{first}/rate", FOUR | {"result": 1}, BLOWER)
    await counter.post(f"/reviews/{first}/resident-answer", SATISFIED, token(None, ActorKind.RESIDENT, first))
    await counter.case(overdue(Obligation.RATE), case_id=UUID(int=CASE.int + 2))
    await counter.post(f"/reviews/{second}/check", PASSED, BLOWER)

    shown = await summary(counter, BLOWER)

    assert shown == {
        "unit": COMMUNITY,
        "reviews": 3,
        "waiting": {"check": 1, "rating": 1, "resident": 1},
        "checks": {"passed": 2, "failed": 0, "passed_share": 1.0},
        "ratings": {"rated": 1, "unrated": 1, "rated_share": 0.5, "contact": 4.0, "speed": 4.0, "result": 1.0},
        "residents": {
            "answered": 1,
            "silent": 1,
            "answered_share": 0.5,
            "contacted": 1,
            "solved": 1,
            "satisfied": 1,
            "basically_satisfied": 0,
            "unsatisfied": 0,
        },
        "conclusions": {"closed": 2, "reopened": 0},
    }
    assert (await summary(counter, token(OTHER_COMMUNITY)))["reviews"] == 0
    assert (await summary(counter, HUB_STAFF))["reviews"] == 3
