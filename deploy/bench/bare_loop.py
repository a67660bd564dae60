"""The bare pipeline: the messages of our loops through the same topics, with the rows and bytes they leave, no domain.

Four processes for the four services, each a consumer, one transaction for whatever has arrived, a producer; their
tables are copies of ours in schemas of their own. What ours is held against.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import orjson
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.bench.bare_script import ORDERS, WORDS, Part, written
from deploy.bench.stage import UNITS, Stage, Worker, stop
from deploy.local.errors import StackError
from deploy.local.places import PROJECT
from shared.contracts.topics import SHARDS

ARCHIVE_SECONDS = 1.0
READY_SECONDS = 30.0


@asynccontextmanager
async def bare_services(where: Stage, parts: Mapping[str, Part]) -> AsyncIterator[None]:
    """The bare pipeline's processes, reading when entered, stopped when left."""
    await _make_topics(where.addresses.kafka_bootstrap)
    await _make_tables(where.addresses.postgres_admin_url, parts)
    async with AsyncExitStack() as running:
        try:
            for name, part in parts.items():
                where.workers.append(await running.enter_async_context(_service(where, name, part)))
            yield
        finally:
            where.workers.clear()


@asynccontextmanager
async def _service(where: Stage, name: str, part: Part) -> AsyncIterator[Worker]:
    log = where.stack.folder / f"bare-{name}.log"
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.bench.bare_service"),
            cwd=PROJECT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    spec = {
        "part": written(part),
        "kafka": where.addresses.kafka_bootstrap,
        "postgres": where.addresses.postgres_admin_url,
        "search_path": f"{_schema(name)}, {name}",  # its own tables, the service's functions
        "units": [unit for unit, _ in UNITS],
        "archive_seconds": ARCHIVE_SECONDS,
    }
    process.stdin.write(orjson.dumps(spec))
    process.stdin.close()
    worker = Worker(name, "", log, process)
    try:
        async with asyncio.timeout(READY_SECONDS):
            said = await process.stdout.readline()
        if said != b"ready\n":
            raise StackError(f"the bare pipeline's {name} does not run:\n{log.read_text('utf-8', 'replace')}")
        yield worker
    finally:
        await stop(process)


def _schema(service: str) -> str:
    return f"bare_{service}"


async def _make_tables(admin_url: str, parts: Mapping[str, Part]) -> None:
    """The log, its heads, the progress as every service has them; a state; and one table for all others."""
    connection = await asyncpg.connect(admin_url)
    try:
        for name in parts:
            schema = _schema(name)
            await connection.execute(
                f"""
                create schema {schema};
                create table {schema}.log (like {name}.log including all);
                create table {schema}.head (like {name}.head including all) with (fillfactor = 50);
                create table {schema}.progress (like {name}.progress including all) with (fillfactor = 50);
                create table {schema}.door (like {name}.door including all);
                create table {schema}.state (case_id uuid primary key, caseseq integer not null, state jsonb not null)
                    with (fillfactor = 80);
                create table {schema}.item (
                    case_id uuid not null, number bigint not null, body bytea not null, primary key (case_id, number)
                );
                insert into {schema}.head
                select shard, 0, decode(repeat('00', 32), 'hex'), 0 from generate_series(0, {SHARDS - 1}) as shard;
                """  # noqa: S608
            )
    finally:
        await connection.close()


async def _make_topics(bootstrap: str) -> None:
    """Where the feed and the verdicts come in: as many partitions as the logs have."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, SHARDS, 1) for topic in (ORDERS, WORDS)])
    finally:
        await admin.close()
