"""What is read for people to watch, on real PostgreSQL: right, at once, and survived when the database is away."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import REGISTRY

from shared.contracts.topics import SHARDS
from shared.runtime import gauges, metrics
from shared.runtime.postgres import PostgresStore, each, open_pool
from tests.conftest import Database, empty_toys
from tests.integration.runtime.waiting import eventually

SERVICE = "watched"


@dataclass
class Relay:
    """How far this process has published, by shard; what it does not hold is 0."""

    positions: dict[int, int] = field(default_factory=dict)

    def published(self, shard: int) -> int:
        return self.positions.get(shard, 0)


@dataclass
class Running:
    """As much of a running service as the gauges look at."""

    pool: asyncpg.Pool
    store: PostgresStore
    relay: Relay = field(default_factory=Relay)
    name: str = SERVICE
    consumer: None = None


@pytest.fixture
async def running(database: Database) -> AsyncIterator[Any]:
    await empty_toys(database)
    for metric in (metrics.DATABASE_BYTES, metrics.DEAD_LETTERS_WAITING, metrics.UNPUBLISHED, metrics.UNPUBLISHED_AGE):
        metric.clear()
    async with open_pool_of(database) as pool:
        yield Running(pool, PostgresStore(SERVICE, pool, database.url("alpha")))


@asynccontextmanager
async def open_pool_of(database: Database) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(database.url("alpha"), most=3)
    yield pool
    pool.terminate()


def shown(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(f"chuishao_{name}", {"service": SERVICE, **labels})
    assert found is not None, f"{name} {labels} is not shown"
    return found


async def append(running: Running, shard: int, ages: list[float | None]) -> None:
    """Rows at the end of a shard's log, stated so many seconds ago; None = redacted."""
    async with running.pool.acquire() as connection:
        head = await connection.fetchval("select sequence from head where shard = $1", shard)
        for place, age in enumerate(ages, start=1):
            time = await connection.fetchval(
                "select clock_timestamp() - make_interval(secs => $1::double precision)", age or 0.0
            )
            event = None if age is None else json.dumps({"time": time.isoformat(), "data": {"note": "中文"}}).encode()
            await connection.execute(
                "insert into log values ($1, $2, $3, 1, $4, '', '')", shard, head + place, UUID(int=shard), event
            )
        await connection.execute("update head set sequence = sequence + $2 where shard = $1", shard, len(ages))


async def bury(running: Running, kind: str, number: int, replayed: bool = False) -> None:
    async with running.pool.acquire() as connection:
        for place in range(number):
            await connection.execute(
                'insert into dead_letter (topic, partition, "offset", kind, reason, event_id, case_id, headers,'
                " replayed_at) values ($1, 0, $2, $3, '', '', $4, '[]', case when $5 then clock_timestamp() end)",
                f"{kind} {replayed}", place, kind, UUID(int=0), replayed,
            )  # fmt: skip


# --- the log


async def test_nothing_waits_in_an_empty_log(running: Any) -> None:
    await gauges.read(running)

    assert (shown("log_unpublished_rows"), shown("log_unpublished_oldest_seconds")) == (0, 0)


async def test_the_oldest_row_of_all_shards_tells_the_age(running: Any) -> None:
    await append(running, 0, [500.0, 40.0, 30.0])
    await append(running, 7, [90.0, 1.0])
    async with running.pool.acquire() as connection:
        await connection.execute("update head set published = 1 where shard = 0")
    await gauges.read(running)

    assert shown("log_unpublished_rows") == 4
    assert 90 <= shown("log_unpublished_oldest_seconds") < 95


async def test_what_this_process_has_published_itself_does_not_wait_for_the_head_to_say_so(running: Any) -> None:
    await append(running, 0, [500.0, 40.0])
    await append(running, 1, [90.0])
    running.relay.positions = {0: 2, 1: 5}  # of shard 1 more was appended and published since
    await gauges.read(running)

    assert (shown("log_unpublished_rows"), shown("log_unpublished_oldest_seconds")) == (0, 0)

    running.relay.positions = {0: 1}
    await gauges.read(running)

    assert shown("log_unpublished_rows") == 2
    assert 90 <= shown("log_unpublished_oldest_seconds") < 95


async def test_a_redacted_row_waits_too_and_the_next_one_tells_the_age(running: Any) -> None:
    await append(running, 3, [None, 20.0])
    await gauges.read(running)

    assert shown("log_unpublished_rows") == 2
    assert 20 <= shown("log_unpublished_oldest_seconds") < 25


async def test_the_log_is_looked_at_by_its_primary_key_alone(running: Any) -> None:
    async with running.pool.acquire() as connection:
        await connection.execute(
            "insert into log select s, n, gen_random_uuid(), 1, convert_to($1, 'UTF8'), '', ''"
            " from generate_series(0, 11) s, generate_series(1, 3000) n",
            '{"time": "2026-01-01T00:00:00Z"}',
        )
        await connection.execute("update head set sequence = 3000, published = 2990")
    async with asyncpg.create_pool(running.store._url) as pool:
        await pool.execute("set statement_timeout = 0")
        text = gauges.queries.unpublished.sql
        plan = await pool.fetchval(f"explain (analyze, format json) {text}", list(range(SHARDS)), [0] * SHARDS)
    nodes = list(_nodes(json.loads(plan)[0]["Plan"]))
    of_log = [node for node in nodes if node.get("Relation Name") == "log"]

    assert [node["Node Type"] for node in of_log] == ["Index Scan"]
    assert of_log[0]["Actual Rows"] <= 1
    assert of_log[0]["Index Name"] == "log_pkey"


def _nodes(plan: dict[str, Any]) -> Any:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


# --- dead letters


async def test_dead_letters_wait_until_they_are_replayed_and_none_is_shown_as_none(running: Any) -> None:
    await bury(running, "refused", 3)
    await bury(running, "refused", 2, replayed=True)
    await bury(running, "failed", 1)
    await gauges.read(running)

    assert {kind: shown("dead_letters_waiting", kind=kind) for kind in metrics.BURIALS} == {
        "unreadable": 0,
        "refused": 3,
        "failed": 1,
    }
    async with running.pool.acquire() as connection:
        await connection.execute("update dead_letter set replayed_at = clock_timestamp()")
    await gauges.read(running)
    assert {shown("dead_letters_waiting", kind=kind) for kind in metrics.BURIALS} == {0}


# --- the database and its pool


async def test_tables_have_sizes(running: Any) -> None:
    await gauges.read(running)
    tables = {labels[1] for labels in metrics.DATABASE_BYTES._metrics}

    assert {"log", "head", "progress", "state", "door", "dead_letter", "migration"} <= tables
    assert len(tables) <= metrics.LABELS["table"].most
    assert shown("database_bytes", table="log") > 0

    metrics.DATABASE_BYTES.clear()
    await gauges.read(running, with_sizes=False)
    assert not metrics.DATABASE_BYTES._metrics


async def test_the_oldest_transaction_of_anybody_is_seen(running: Any, database: Database) -> None:
    await gauges.read(running)
    assert shown("database_oldest_transaction_seconds") < 0.5

    forgotten = await asyncpg.connect(database.admin_url)  # a role of which the service's may see nothing
    try:
        await forgotten.execute("begin")
        await forgotten.fetchval("select count(*) from alpha.log")

        async def is_old() -> bool:
            await gauges.read(running)
            return shown("database_oldest_transaction_seconds") >= 0.5

        await eventually(is_old, "a transaction that stays open")
    finally:
        await forgotten.close()
    await gauges.read(running)
    assert shown("database_oldest_transaction_seconds") < 0.5


async def test_the_service_learns_nothing_else_about_others_sessions(running: Any, database: Database) -> None:
    other = await asyncpg.connect(database.admin_url)
    await other.execute("select 'a secret'")
    try:
        async with running.pool.acquire() as connection:
            seen = await connection.fetch("select query from pg_stat_activity where datname = current_database()")
        assert not [record for record in seen if "a secret" in (record["query"] or "")]
    finally:
        await other.close()


async def test_the_pool_is_seen(running: Any) -> None:
    async with running.pool.acquire(), running.pool.acquire():
        await gauges.read(running)
        assert shown("pool_connections", state="used") == 2
    await gauges.read(running)

    assert shown("pool_connections", state="used") == 0
    assert shown("pool_connections", state="idle") >= 2
    assert shown("pool_connections_limit") == 3


async def test_a_database_that_is_away_is_waited_for(
    running: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "READ_SECONDS", 0.05)
    whole = running.pool
    gone = await open_pool(database.url("alpha"), most=1)
    await gone.close()
    running.pool = gone
    await append(Running(whole, running.store), 0, [10.0])
    task = asyncio.create_task(gauges.watch(running))
    try:
        await asyncio.wait({task}, timeout=0.3)
        assert not task.done()
        assert not metrics.UNPUBLISHED._metrics
        running.pool = whole

        async def seen() -> bool:
            return bool(metrics.UNPUBLISHED._metrics) and shown("log_unpublished_rows") == 1

        await eventually(seen, "the gauges")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_reading_is_cheap_and_asks_nothing_in_turn(running: Any) -> None:
    """Five statements on one connection, none of which waits for a lock of the road's."""
    async with running.store.transaction() as transaction:
        await transaction.lock_heads(range(SHARDS))
        await asyncio.wait_for(gauges.read(running), 5)
        assert [record async for record in each(gauges.queries.dead_letters_waiting(transaction.connection))] == []
