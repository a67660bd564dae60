"""Whatever is sent to whatever door of feedback: a clear answer, never a server error, and a no changes nothing."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import pytest
import requests
import schemathesis
from asyncpg.exceptions import CharacterNotInRepertoireError
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from services.feedback.answers.answer_page import AnswerPages
from services.feedback.answers.callbacks_api import CallBackDesk, add_callback_routes
from services.feedback.answers.guesses import Guesses
from services.feedback.answers.links import Links
from services.feedback.answers.links_api import LinkDesk, add_answer_routes
from services.feedback.api import Desk, add_routes
from services.feedback.board.board_api import BoardDesk, add_board_routes
from services.feedback.domain.measuring import scorecard
from services.feedback.domain.measuring.measures import Counting
from services.feedback.domain.measuring.scoring import Rhythm, Scoring
from services.feedback.letters.letters_api import add_letter_routes
from services.feedback.scorecards.appeals_api import add_appeal_routes
from services.feedback.scorecards.scorecards_api import ScorecardDesk, add_scorecard_routes
from services.feedback.words_api import add_word_routes
from shared.contracts.envelope import holds_nul
from shared.contracts.facts import Actor
from shared.contracts.topics import CASES
from shared.contracts.vocabulary import ActorKind, Measure
from shared.runtime import problems
from shared.runtime.door import Door
from shared.runtime.identity import ApiKey, Gatekeeper
from tests.unit.feedback.boards import MemoryBoard, publications
from tests.unit.feedback.histories import CASE, HUB, NOW, NUMBER, TREE, WATER, dispatched, followed_by, handled, opened
from tests.unit.feedback.memory import MemoryFeedback, MemoryReviews
from tests.unit.feedback.memory_letters import MemoryLog
from tests.unit.feedback.memory_scorecards import MemoryScorecards
from tests.unit.feedback.rows import INPUTS, NOVEMBER, SCORING, good
from tests.unit.feedback.test_door import BLOWER, HOTLINE, HOTLINE_IDENTITY, HOTLINE_KEY, RESIDENT, SIGNING_KEY, token
from tests.unit.feedback.wire import OtherLog, arrived

ZONE = ZoneInfo("Asia/Shanghai")
ANYTHING = settings(
    max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
EVERYBODY: list[dict[str, str]] = [token(HUB), token(WATER), BLOWER, RESIDENT, HOTLINE, {}]
AFTER = datetime(2026, 12, 5, tzinfo=UTC)
LINKS = Links(SIGNING_KEY, "https://answers.example")
OPEN_LINK = LINKS.link_for(CASE, 1, NOW + timedelta(days=10)).rpartition("/")[2]


class AsStrictAsPostgres:
    """A reader in memory that takes no NUL character either."""

    def __init__(self, reader: object) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        wanted = getattr(self._reader, name)

        async def read(*given: Any, **named: Any) -> Any:
            if "\\x00" in repr((given, named)):
                raise CharacterNotInRepertoireError("invalid byte sequence for encoding: 0x00")
            return await wanted(*given, **named)

        return read


def app_of(feedback: MemoryFeedback, cards: MemoryScorecards, door: Door) -> FastAPI:
    """Every door of feedback, as `main.routes` puts them together, on fakes."""
    app = FastAPI()
    problems.install(app)
    keys = [ApiKey("12345", sha256(HOTLINE_KEY.encode()).hexdigest(), HOTLINE_IDENTITY)]
    gatekeeper, now = Gatekeeper(SIGNING_KEY, keys), lambda: AFTER
    reviews: Any = AsStrictAsPostgres(MemoryReviews(feedback))
    board: Any = AsStrictAsPostgres(MemoryBoard(publications()))
    kept_cards: Any = AsStrictAsPostgres(cards)
    desk = Desk(door, gatekeeper, lambda: TREE, reviews)
    add_routes(app, desk)
    add_word_routes(app, desk)
    add_board_routes(app, BoardDesk(desk, board, lambda: Scoring(version="test"), ZONE, now))
    guesses = Guesses(lambda: 0.0)
    guesses.failed = lambda address: None  # type: ignore[method-assign]  # or nobody gets further than thirty of them
    pages = AnswerPages(lambda: TREE, ZONE)
    add_answer_routes(app, LinkDesk(door, reviews, LINKS, lambda: TREE, pages, guesses, lambda: NOW))
    add_callback_routes(app, CallBackDesk(door, gatekeeper, reviews, ZONE))
    add_letter_routes(app, gatekeeper, lambda: TREE, MemoryLog(feedback, AFTER), LINKS.link_for, ZONE)
    shown = ScorecardDesk(gatekeeper, lambda: TREE, lambda: SCORING, kept_cards, reviews, ZONE, lambda: None)
    add_scorecard_routes(app, shown)
    add_appeal_routes(app, shown)
    return app


@asynccontextmanager
async def open_doors() -> AsyncIterator["House"]:
    """One case handled and to be judged, one scorecard published."""
    feedback = MemoryFeedback(followed_by())
    log = OtherLog("router", CASES)
    await feedback.road.travel([arrived(log.append(CASE, fact)) for fact in (opened(), dispatched(), handled())])
    cards = MemoryScorecards(AFTER, [good(1), good(2)])
    counting = Counting(NOVEMBER)
    counting.add_parts(cards._parts)
    clock = Actor(kind=ActorKind.CLOCK)
    card = await cards.ask(NOVEMBER, clock)
    content = scorecard.content(scorecard.compute(counting, SCORING, TREE, INPUTS))
    cards.computed(card.id, content)
    await cards.publish(card.id, SCORING, clock)
    door = Door(feedback.road)
    serving = asyncio.create_task(door.run())
    transport = httpx.ASGITransport(app_of(feedback, cards, door), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://feedback") as client:
        yield House(client, feedback, cards)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


class House:
    """What is asked, and that it was answered well."""

    def __init__(self, client: httpx.AsyncClient, feedback: MemoryFeedback, cards: MemoryScorecards) -> None:
        self.client = client
        self.feedback = feedback
        self.cards = cards

    def everything(self) -> object:
        return self.feedback.states, copy.deepcopy(vars(self.cards))

    async def ask(
        self, method: str, url: str, who: Mapping[str, str], content: bytes | None = None, kind: str = ""
    ) -> httpx.Response:
        headers = {"Content-Type": kind} | dict(who) if kind else dict(who)
        before = self.everything()
        answer = await self.client.request(method, url, content=content, headers=headers)
        last = [rows[-1] for rows in self.feedback.store.tables.log.values() if rows]
        assert not any(holds_nul(row.event or b"") for row in last)
        assert answer.status_code < 500, f"{method} {url} {content!r:.200}: {answer.text}"
        if answer.status_code >= 400 and method != "HEAD":
            assert self.everything() == before, "a no changes nothing"
            if answer.headers["content-type"].startswith("text/html"):
                assert "/answer/" in url or "/board" in url
            else:
                document = answer.json()
                assert answer.headers["content-type"] == "application/problem+json", f"{method} {url}: {answer.text}"
                assert document["type"].startswith("urn:chuishao:problem:")
                assert document["detail"]
                assert document["detail_en"]
        return answer


@dataclass(frozen=True)
class Kept:
    """The doors for the whole module, driven step by step."""

    runner: asyncio.Runner
    house: House

    def ask(self, *given: Any) -> httpx.Response:
        return self.runner.run(self.house.ask(*given))


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    with asyncio.Runner() as runner:
        doors = open_doors()
        yield Kept(runner, runner.run(doors.__aenter__()))
        runner.run(doors.__aexit__(None, None, None))


def _described() -> Any:
    feedback = MemoryFeedback(followed_by())
    return schemathesis.openapi.from_dict(app_of(feedback, MemoryScorecards(AFTER), Door(feedback.road)).openapi())


OPERATIONS = [found.ok() for found in _described().get_all_operations()]


NOTHING_WRONG = ("GET /answer/{token}", "POST /hotline/callbacks/file", "POST /scorecards/{number}/publish")
"""Nearly whatever is sent there is what is described."""
ATTEMPTS = [
    (one, mode)
    for one in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or one.label not in NOTHING_WRONG
]


@pytest.mark.parametrize(("operation", "mode"), ATTEMPTS, ids=lambda one: getattr(one, "label", one))
def test_what_the_description_allows_and_what_it_forbids(kept: Kept, operation: Any, mode: GenerationMode) -> None:
    @given(case=operation.as_strategy(generation_mode=mode), who=st.sampled_from(EVERYBODY), real=st.booleans())
    @ANYTHING
    def attempt(case: Any, who: dict[str, str], real: bool) -> None:
        known = {"case": NUMBER, "number": 1, "token": OPEN_LINK}
        for name in case.path_parameters or {}:
            if real and name in known:
                case.path_parameters[name] = known[name]
        try:
            sent = requests.Request(**case.as_transport_kwargs(base_url="http://feedback")).prepare()
        except (requests.exceptions.RequestException, UnicodeError):
            return  # no client could send it
        body = sent.body.encode() if isinstance(sent.body, str) else sent.body
        assert body is None or isinstance(body, bytes)
        kept.ask(str(sent.method), str(sent.url), who, body, str(sent.headers.get("Content-Type", "")))

    attempt()


NASTY_TEXTS = [
    "\0",
    "a\0b",
    "\ud800",
    "=cmd|' /C calc'!A0",
    "<script>",
    "9" * 400,
    "%00",
    "..%2f",
    "一" * 1500,
    "",
    " ",
]
NASTY_BODIES = [
    b"",
    b"null",
    b"[]",
    b"{",
    b'{"a":' * 3000 + b"1" + b"}" * 3000,
    b"[" * 100_000,
    b"\xff\xfe\x00",
    b'{"words":"\\u0000"}',
    b'{"words":"\\ud800"}',
    b'{"round":' + b"9" * 5000 + b"}",
    b'{"round":1e999,"contacted":NaN}',
    b"contacted=yes&solved=yes&satisfaction=%00%ff&words=" + b"%ff" * 100,
    b"a=b&" * 20_000,
]
KINDS = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "text/csv",
    "text/csv; charset=nonsense",
    "application/json; charset=utf-16",
    "/;;;",
    "",
]


def _paths(operation: Any) -> str:
    return str(operation.path).format(
        case=NUMBER, number=1, token=OPEN_LINK, exclusion="018f0000-0000-7000-8000-000000000001", unit=WATER
    )


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.method != "get"], ids=lambda one: one.label)
def test_bodies_that_nobody_should_send(kept: Kept, operation: Any) -> None:
    who = HOTLINE if "callbacks" in operation.path else token(HUB)
    for body in NASTY_BODIES:
        for kind in KINDS:
            kept.ask(operation.method.upper(), _paths(operation), who, body, kind)


FULL_BODIES: dict[str, dict[str, object]] = {
    "/reviews/{case}/check": {
        "passed": False,
        "note": "仍在渗水",
        "failed_units": [WATER],
        "verdicts": [{"unit": WATER, "passed": False, "note": "漏", "evidence": []}],
        "evidence": [{"name": "a.jpg", "media_type": "image/jpeg", "url": "https://files.example/1"}],
    },
    "/reviews/{case}/rate": {"unit": WATER, "contact": 4, "speed": 4, "result": 4, "words": "好"},
    "/reviews/{case}/resident-answer": {"contacted": True, "solved": True, "satisfaction": "satisfied", "words": "好"},
    "/reviews/{case}/sample-check": {"passed": False, "note": "漏", "failed_units": [WATER], "evidence": []},
    "/reviews/{case}/exclusions": {
        "unit": WATER,
        "round": 1,
        "measures": [Measure.HANDLE.value],
        "reason": "雨",
        "basis": "预警",
    },
    "/scorecards": {"rhythm": Rhythm.MONTH.value, "period": "2026-10"},
    "/answer/{token}": {"contacted": True, "solved": True, "satisfaction": "satisfied", "words": "好"},
}
WRONG: list[object] = [
    *NASTY_TEXTS,
    None,
    -1,
    0,
    2**63,
    2**64,
    10**30,
    1e300,
    True,
    [],
    {},
    [None],
    [[]],
    ["\0"],
    {"a": "b"},
]


@pytest.mark.parametrize("path", FULL_BODIES)
def test_every_field_filled_with_everything(kept: Kept, path: str) -> None:
    sent = FULL_BODIES[path]
    target = path.format(case=NUMBER, token=OPEN_LINK)
    who = BLOWER if "check" in path or "rate" in path else token(HUB)
    for name in sent:
        for wrong in WRONG:
            body = json.dumps({**sent, name: wrong}).encode()
            kept.ask("POST", target, who, body, "application/json")


def test_tokens_and_names_that_nobody_was_given(kept: Kept) -> None:
    for text in [*NASTY_TEXTS, "a" * 9_000, OPEN_LINK[:-1], OPEN_LINK + "=", OPEN_LINK * 20, "..", "a.b.c", "é" * 40]:
        said = quote(text.encode("utf-8", "surrogatepass"), safe="")
        for path in (f"/answer/{said}", f"/answer/{said}/thanks", f"/reviews/{said}", f"/scorecards/{said}"):
            for method in ("GET", "HEAD", "POST"):
                kept.ask(method, path, token(HUB), b"contacted=yes", "application/x-www-form-urlencoded")
        for query in (
            f"/letters?after={said}",
            f"/board?region={said}&month={said}&cursor={said}",
            f"/board?category={said}",
        ):
            kept.ask("GET", query, token(HUB))
        query = f"unit={said}&state={said}&limit={said}&before={said}"
        for path in ("/reviews", "/exclusions", "/scorecards", "/appeals", "/reviews/summary"):
            kept.ask("GET", f"{path}?{query}", token(HUB))
            for name in ("cursor", "unit", "period"):
                kept.ask("GET", f"{path}?{name}={said}", token(HUB))
        kept.ask("GET", f"/scorecards/1/cases?unit={WATER}&measure={Measure.HANDLE.value}&cursor={said}", token(HUB))
        kept.ask("GET", f"/scorecards/1/export?format=csv&unit={said}&language={said}", token(HUB))


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", "application/problem+json", "", "text/json"])
def test_no_nul_gets_in_whatever_the_body_is_called(kept: Kept, kind: str) -> None:
    body = b'{"contacted": true, "solved": true, "satisfaction": "satisfied", "words": "a\\u0000b"}'
    headers = BLOWER | {"Content-Type": kind}
    answer = kept.ask("POST", f"/reviews/{NUMBER}/resident-answer", headers, body)
    assert 400 <= answer.status_code < 500
