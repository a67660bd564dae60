"""Feedback with the resident's door and 12345's call-back door open, on fakes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
from fastapi import FastAPI

from services.feedback.answers.answer_page import AnswerPages
from services.feedback.answers.callbacks_api import CallBackDesk, add_callback_routes
from services.feedback.answers.guesses import Guesses
from services.feedback.answers.links import Links
from services.feedback.answers.links_api import LinkDesk, add_answer_routes
from services.feedback.domain.review import Review
from shared.contracts import facts as f
from shared.contracts.topics import CASES
from shared.contracts.vocabulary import ActorKind, Source, Stage
from shared.runtime import problems
from shared.runtime.door import Door
from shared.runtime.identity import ApiKey, Gatekeeper, Identity
from tests.unit.feedback.histories import CASE, NOW, NUMBER, RULE, TREE, WATER, followed_by
from tests.unit.feedback.memory import MemoryFeedback, MemoryReviews
from tests.unit.feedback.wire import OtherLog, arrived

SIGNING_KEY = "0123456789abcdef0123456789abcdef"
HOTLINE_KEY = "the hotline's key"
HOTLINE = {"X-API-Key": HOTLINE_KEY}
STAFF_KEY = "a unit's key"
ZONE = ZoneInfo("Asia/Shanghai")
PERSON = {"Accept": "text/html,application/xhtml+xml"}
PROGRAM = {"Accept": "application/json"}
PUBLIC_URL = "https://answers.example/feedback"
SATISFIED = {"contacted": "yes", "solved": "yes", "satisfaction": "satisfied"}
UNSATISFIED = {"contacted": "yes", "solved": "no", "satisfaction": "unsatisfied", "words": "还在漏水"}


def unit_done(unit: str = WATER, result: str = "已更换阀门") -> f.CaseUnitDone:
    return f.CaseUnitDone(
        number=NUMBER,
        source=Source.RESIDENT,
        stage=Stage.HANDLING,
        actor=RULE,
        assignment_id=uuid4(),
        unit=unit,
        result=result,
    )


class Away(MemoryReviews):
    """The reader, whose database may be away."""

    away = False

    async def review(self, case_id: UUID) -> Review | None:
        if self.away:
            raise problems.unavailable()
        return await super().review(case_id)


class Answering:
    """A district's feedback as a resident and 12345 meet it. `now` and `clock` are moved by the test."""

    def __init__(self, client: httpx.AsyncClient, feedback: MemoryFeedback, links: Links, reviews: Away) -> None:
        self.client = client
        self.feedback = feedback
        self.links = links
        self.reviews = reviews
        self.router = OtherLog("router", CASES)
        self.now = NOW
        self.clock = 0.0

    async def case(self, *facts: f.Fact, case_id: UUID = CASE) -> None:
        messages = [self.router.append(case_id, fact) for fact in facts]
        await self.feedback.road.travel([arrived(message) for message in messages])

    def path(self, number: int = 1, case_id: UUID = CASE, until: datetime | None = None) -> str:
        link = self.links.link_for(case_id, number, until or NOW + timedelta(days=10))
        assert link.startswith(PUBLIC_URL)
        return link.removeprefix(PUBLIC_URL)

    async def send(self, path: str, form: dict[str, str], language: str = "zh") -> httpx.Response:
        return await self.client.post(path, data=form, headers=PERSON | {"Accept-Language": language})

    async def get(self, path: str, language: str = "zh") -> httpx.Response:
        return await self.client.get(path, headers=PERSON | {"Accept-Language": language})

    def said(self, kind: type[f.Fact], case_id: UUID = CASE) -> list[f.Fact]:
        return [said.fact for said in self.feedback.logged(case_id) if isinstance(said.fact, kind)]

    def answers(self, case_id: UUID = CASE) -> list[f.FeedbackResidentAnswered]:
        return [fact for fact in self.said(f.Fact, case_id) if isinstance(fact, f.FeedbackResidentAnswered)]


@asynccontextmanager
async def open_doors() -> AsyncIterator[Answering]:
    feedback = MemoryFeedback(followed_by())
    door, links, reviews = Door(feedback.road), Links(SIGNING_KEY, PUBLIC_URL + "/"), Away(feedback)
    keys = [
        _key(HOTLINE_KEY, Identity(kind=ActorKind.HOTLINE, person="12345")),
        _key(STAFF_KEY, Identity(kind=ActorKind.STAFF, person="p-1", unit=WATER)),
    ]
    app = FastAPI()
    problems.install(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://feedback") as client:
        answering = Answering(client, feedback, links, reviews)
        guesses = Guesses(lambda: answering.clock)
        desk = LinkDesk(
            door, reviews, links, lambda: TREE, AnswerPages(lambda: TREE, ZONE), guesses, lambda: answering.now
        )
        add_answer_routes(app, desk)
        add_callback_routes(app, CallBackDesk(door, Gatekeeper(SIGNING_KEY, keys), reviews, ZONE))
        serving = asyncio.create_task(door.run())
        yield answering
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


def _key(key: str, identity: Identity) -> ApiKey:
    return ApiKey(identity.person, sha256(key.encode()).hexdigest(), identity)
