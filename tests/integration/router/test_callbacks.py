"""12345 is called back from a real log: killed between sending and noting, it sends again under the same id."""

import asyncio
import os
import signal
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from fastapi import FastAPI, Request, Response

from deploy.local.places import PROJECT
from deploy.local.processes import Addresses, role_url
from deploy.migrate import migrate
from services.router.callback import Replies, Reply, Waiting, replies_of
from services.router.callback_api import Aside
from services.router.callback_post import Answer, Fault
from services.router.callback_store import PostgresReplies
from services.router.domain.case import Case
from services.router.main import with_district
from services.router.store import CaseStates
from shared.contracts.topics import SHARDS, shard_of
from shared.contracts.vocabulary import Source
from shared.runtime.postgres import PostgresStore, open_pool
from shared.runtime.road import Road
from shared.runtime.service import decide_with
from tests.docs.test_notices_sample import serving
from tests.unit.router.memory import MemoryRouter, NoRelay
from tests.unit.router.memory_callbacks import MemoryReplies
from tests.unit.router.stories import CASE, DISTRICT, HUB, Said, concluded, finishes, matter, passed, signs_in, whistle

PASSWORD = "router"
SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
STEPS = ["accepted", "dispatched", "answered"]
WITHIN_SECONDS = 30.0


@pytest.fixture
def router_url(engines: Addresses) -> Iterator[str]:
    """A database of its own with the router's schema and role."""
    name = f"router_{uuid4().hex}"
    url = urlunsplit(urlsplit(engines.postgres_admin_url)._replace(path=f"/{name}"))

    async def make() -> None:
        await _execute(engines.postgres_admin_url, f"create database {name}")
        connection = await asyncpg.connect(url)
        await migrate(connection, "router", PASSWORD)
        await connection.close()

    asyncio.run(make())
    yield role_url(url, "chuishao_router", PASSWORD)
    asyncio.run(_execute(engines.postgres_admin_url, f"drop database {name} with (force)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


class Both:
    """The same cases on real PostgreSQL and on its in-memory twin."""

    def __init__(self, pool: asyncpg.Pool, url: str) -> None:
        self.router = MemoryRouter()
        store = PostgresStore("router", pool, url)
        decide = decide_with(with_district(lambda: DISTRICT))
        self.road = Road[Case]("router", store, CaseStates(), decide, NoRelay())
        self.pool = pool

    async def closes(self, number: str, case_id: UUID, source: Source = Source.HOTLINE_12345) -> None:
        about = matter(source=source, whistle_blower=HUB, number=number)
        for said in (whistle(about), signs_in(), finishes(), passed(), concluded()):
            item = self.router.from_door(said if isinstance(said, Said) else Said(said), case_id)
            outcomes = [await self.router.travel(item), *(await self.road.travel([item]))]
            assert [outcome.refusal for outcome in outcomes] == [None, None], outcomes


@pytest.fixture
async def both(router_url: str) -> AsyncIterator[Both]:
    pool = await open_pool(router_url)
    yield Both(pool, router_url)
    await pool.close()


def case_of(number: int) -> UUID:
    return UUID(int=CASE.int + number)


async def test_the_tables_are_the_twins(both: Both) -> None:
    """The same is asked of both: where it begins, what follows, how far it came, what was put aside."""
    twins: list[Replies] = [PostgresReplies(both.pool), MemoryReplies(both.router)]
    await both.closes("HA-0", case_of(0))
    for twin in twins:
        await twin.begin(from_start=False)
        await twin.begin(from_start=True)
    for number in range(1, 20):
        await both.closes(
            f"HA-{number}", case_of(number), Source.COMMUNITY if number % 5 == 0 else Source.HOTLINE_12345
        )

    positions = [await twin.positions(range(SHARDS)) for twin in twins]
    assert positions[0] == positions[1]
    assert positions[0][shard_of(case_of(0))] > 0
    real: dict[int, tuple[int, list[Reply]]] = {}
    for most in (1, 4, 1000):
        real, memory = [await twin.since(positions[0], most) for twin in twins]
        assert {shard: read_to for shard, (read_to, _) in real.items()} == {
            shard: read_to for shard, (read_to, _) in memory.items()
        }
        for shard, (_, replies) in real.items():
            assert [(one.sequence, one.case_id, one.type) for one in replies] == [
                (one.sequence, one.case_id, one.type) for one in memory[shard][1]
            ]
    told = [one.case_id for _, replies in real.values() for one in replies]
    assert {case_id: told.count(case_id) for case_id in told} == {
        case_of(number): 3 for number in range(1, 20) if number % 5
    }, "what came before it was switched on, and what is not 12345's, is left out"

    ends = {shard: read_to for shard, (read_to, _) in real.items()}
    for twin in twins:
        await twin.remember(ends)
        await twin.remember(dict.fromkeys(ends, 0))
        assert await twin.positions(list(ends)) == ends, "never back"
        assert await twin.since(ends, 10) == {}


async def test_what_was_put_aside_is_kept_until_it_is_sent(both: Both) -> None:
    await both.closes("HA-1", case_of(1))
    shard = shard_of(case_of(1))
    twins: list[Replies] = [PostgresReplies(both.pool), MemoryReplies(both.router)]
    for twin in twins:
        assert isinstance(twin, PostgresReplies | MemoryReplies)
        aside: Aside = twin
        ((_, replies),) = (await twin.since({shard: 0}, 1000)).values()
        refused = [Waiting(one, attempts=5, fault=Fault.REFUSED, why="HTTP 422: 工单不存在") for one in replies]
        await twin.put_aside(refused)
        await twin.put_aside([replace(refused[0], why="again")])
        found = await aside.put_aside_so_far(10)
        assert {(one["id"], one["case_id"], one["type"]) for one in found} == {
            (one.id, one.case_id, one.type) for one in replies
        }
        assert {(one["reason"], one["attempts"], one["fault"]) for one in found} == {
            ("HTTP 422: 工单不存在", 5, "refused")
        }
        first = await aside.one_put_aside(replies[0].id)
        assert first is not None
        assert (first.body, first.sent_at) == (replies[0].body, None)
        assert await aside.tried_again(replies[0].id, Answer(Fault.BROKEN, "HTTP 500")) is None
        sent = await aside.tried_again(replies[0].id, Answer())
        assert sent is not None
        assert await aside.tried_again(replies[0].id, Answer()) == sent
        assert len(await aside.put_aside_so_far(10)) == len(replies) - 1
        assert await aside.one_put_aside(UUID(int=1)) is None


async def test_what_was_redacted_is_sent_no_more(both: Both, engines: Addresses, router_url: str) -> None:
    await both.closes("HA-1", case_of(1))
    shard, twin = shard_of(case_of(1)), PostgresReplies(both.pool)
    ((read_to, replies),) = (await twin.since({shard: 0}, 1000)).values()
    await twin.put_aside([Waiting(one, attempts=5, fault=Fault.REFUSED) for one in replies])
    database = urlsplit(engines.postgres_admin_url)._replace(path=urlsplit(router_url).path)
    await _execute(urlunsplit(database), "update router.log set event = null")
    assert await twin.since({shard: 0}, 1000) == {shard: (read_to, [])}
    found = await twin.one_put_aside(replies[0].id)
    assert found is not None
    assert found.body is None


# --- the process --------------------------------------------------------------------------------------------


class Hotline:
    """12345's end, as a server; `answers` says how it answers next, 204 when there is nothing left."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, str]] = []
        self.requests = 0
        self.answers: list[int] = []
        self.app = FastAPI()

        @self.app.post("/replies")
        async def take(request: Request) -> Response:
            event = orjson.loads(await request.body())
            self.requests += 1
            status = self.answers.pop(0) if self.answers else 204
            if status == 204:
                what = event["type"].split(".")[-2]
                self.taken.append((event["data"]["number"], what, request.headers["webhook-id"]))
            return Response(status_code=status, headers={"location": "/elsewhere"} if status == 307 else None)

    def took(self, number: str) -> list[str]:
        return [what for of, what, _ in dict.fromkeys(self.taken) if of == number]


@asynccontextmanager
async def calling_back(url: str, hotline_url: str, failpoint: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        **os.environ,
        "CHUISHAO_POSTGRES_URL": url,
        "CHUISHAO_HOTLINE_CALLBACK_URL": f"{hotline_url}/replies",
        "CHUISHAO_HOTLINE_CALLBACK_SECRET": SECRET,
        "CHUISHAO_HOTLINE_CALLBACK_FROM_START": "true",
        "CHUISHAO_FAILPOINT": failpoint,
        "PYTHONPATH": str(PROJECT),
    }
    program = [sys.executable, "-m", "tests.integration.router.calling_back"]
    process = await asyncio.create_subprocess_exec(*program, env=environment, cwd=PROJECT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def eventually(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    end = time.monotonic() + WITHIN_SECONDS
    while not await holds():
        assert time.monotonic() < end, f"{what} did not come about within {WITHIN_SECONDS:.0f} s"
        await asyncio.sleep(0.05)


async def test_killed_between_sending_and_noting_it_sends_again_under_the_same_id(both: Both, router_url: str) -> None:
    numbers = range(1, 5)
    for number in numbers:
        await both.closes(f"HA-{number}", case_of(number))
    hotline = Hotline()

    async def all_are_settled() -> bool:
        unsettled = "select count(*) from head left join callback using (shard, sequence) where callback is null"
        count: int = await both.pool.fetchval(unsettled)
        return count == 0

    with serving(hotline.app) as there:
        for _ in range(2):
            async with calling_back(router_url, there, "after_calling_back:2") as process:
                assert await asyncio.wait_for(process.wait(), WITHIN_SECONDS) == -signal.SIGKILL
        assert not await all_are_settled()
        hotline.answers = [503, 307, 422]
        async with calling_back(router_url, there):
            await eventually(all_are_settled, "everything sent and noted")
    assert [hotline.took(f"HA-{number}") for number in numbers] == [STEPS] * 4
    ids = [identifier for _, _, identifier in hotline.taken]
    log = both.pool.fetch("select shard, sequence, event from log")
    expected = {str(one.id) for row in await log for one in replies_of(row["shard"], row["sequence"], row["event"])}
    assert set(ids) == expected
    assert len(ids) > len(expected), "what was not noted came again"
    assert hotline.requests == len(ids) + 3
    assert await both.pool.fetchval("select count(*) from callback_failed") == 0
