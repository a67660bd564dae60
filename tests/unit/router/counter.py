"""The router's door, open, over the in-memory store; and the credentials people show there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import httpx
from fastapi import FastAPI

from services.router.api import Counter, add_routes
from shared.contracts import facts as f
from shared.contracts.topics import shard_of
from shared.contracts.vocabulary import ActorKind
from shared.runtime import problems
from shared.runtime.decision import Fate
from shared.runtime.door import Door
from shared.runtime.identity import ApiKey, Gatekeeper, Identity, issue
from tests.unit.router.memory import MemoryCases, MemoryRouter
from tests.unit.router.stories import CASE, Said

SIGNING_KEY = "0123456789abcdef0123456789abcdef"
HOTLINE_KEY = "the hotline's key"
HOTLINE_IDENTITY = Identity(kind=ActorKind.HOTLINE, person="12345")
GATEKEEPER = Gatekeeper(SIGNING_KEY, [ApiKey("12345", sha256(HOTLINE_KEY.encode()).hexdigest(), HOTLINE_IDENTITY)])


def token(
    unit: str | None, kind: ActorKind = ActorKind.STAFF, person: str = "p-1", key: str = SIGNING_KEY, late: bool = False
) -> dict[str, str]:
    """What a person of a unit shows; `late` = a day after it expired."""
    since = datetime.now(UTC) - timedelta(days=2 if late else 0)
    signed = issue(Identity(kind=kind, person=person, unit=unit), key, since, timedelta(days=1))
    return {"Authorization": f"Bearer {signed}"}


def operator() -> dict[str, str]:
    """What somebody shows who runs the system."""
    signed = issue(
        Identity(kind=ActorKind.STAFF, person="ops-1", operator=True), SIGNING_KEY, datetime.now(UTC), timedelta(days=1)
    )
    return {"Authorization": f"Bearer {signed}"}


class OpenCounter:
    """What a test does at the door, and what it finds behind it."""

    def __init__(self, client: httpx.AsyncClient, router: MemoryRouter) -> None:
        self.client = client
        self.router = router

    async def case(self, *told: object, case_id: UUID = CASE) -> None:
        """A case that has been through this."""
        for said in told:
            item = (
                self.router.from_door(said, case_id) if isinstance(said, Said) else self.router.from_log(said, case_id)  # type: ignore[arg-type]
            )
            outcome = await self.router.travel(item)
            assert outcome.fate is Fate.DONE, outcome

    async def post(self, path: str, body: object, who: dict[str, str]) -> httpx.Response:
        return await self.client.post(path, json=body, headers=who)

    async def get(self, path: str, who: dict[str, str]) -> httpx.Response:
        return await self.client.get(path, headers=who)

    def said(self, case_id: UUID = CASE) -> list[f.Fact]:
        return [envelope.fact for envelope in self.router.logged(case_id)]

    def everything(self, case_id: UUID = CASE) -> object:
        """What must not change when a door says no."""
        tables = self.router.store.tables
        return dict(tables.states), tables.heads[shard_of(case_id)], dict(tables.kept)


def app_of(router: MemoryRouter) -> tuple[FastAPI, Door]:
    app = FastAPI()
    problems.install(app)
    door = Door(router.road)
    add_routes(app, Counter(door, GATEKEEPER, lambda: router.district, MemoryCases(router)))
    return app, door


@asynccontextmanager
async def open_counter() -> AsyncIterator[OpenCounter]:
    router = MemoryRouter()
    app, door = app_of(router)
    serving = asyncio.create_task(door.run())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router") as client:
        yield OpenCounter(client, router)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
