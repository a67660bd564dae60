"""What is read of the database and of this process every few seconds, so that people can watch it.

Every process of a service shows the same numbers of the database, so they are not to be added up over processes.
A database that is away leaves the numbers as they were seen last; what is known without it goes on.
"""

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import aiosql
import structlog

from shared.contracts.topics import SHARDS
from shared.runtime import metrics
from shared.runtime.postgres import each
from shared.runtime.running import Running

logger = structlog.get_logger(__name__)

queries: Any = aiosql.from_path(Path(__file__).parent / "sql" / "gauges.sql", "asyncpg", mandatory_parameters=False)

READ_SECONDS = 5.0
SIZES_EVERY = 12
"""Sizes move slowly: they are read only every so many times."""


async def watch(running: Running[Any]) -> None:
    """Read them for as long as the service lives. Whatever fails, the service goes on."""
    for turn in count():
        try:
            await read(running, with_sizes=turn % SIZES_EVERY == 0)
        except Exception as error:  # noqa: BLE001
            logger.warning("the gauges could not be read", service=running.name, error=repr(error))
        await asyncio.sleep(READ_SECONDS)


async def read(running: Running[Any], with_sizes: bool = True) -> None:
    """Once. Raises if the database is away, after what is known without it."""
    _of_process(running)
    async with running.pool.acquire(timeout=READ_SECONDS) as connection:
        await _of_log(running, connection)
        await _of_database(running.name, connection, with_sizes)


def _of_process(running: Running[Any]) -> None:
    pool, idle = running.pool, running.pool.get_idle_size()
    metrics.POOL.labels(running.name, "used").set(pool.get_size() - idle)
    metrics.POOL.labels(running.name, "idle").set(idle)
    metrics.POOL_LIMIT.labels(running.name).set(pool.get_max_size())
    if running.consumer is not None:
        running.consumer.measure_lag()


async def _of_log(running: Running[Any], connection: Any) -> None:
    shards = range(SHARDS)
    found = await queries.unpublished(
        connection, shards=list(shards), positions=[running.relay.published(shard) for shard in shards]
    )
    metrics.UNPUBLISHED.labels(running.name).set(found["number"])
    metrics.UNPUBLISHED_AGE.labels(running.name).set(max(0.0, found["age"]))
    waiting = {record["kind"]: record["number"] async for record in each(queries.dead_letters_waiting(connection))}
    for kind in metrics.BURIALS:
        metrics.DEAD_LETTERS_WAITING.labels(running.name, kind).set(waiting.get(kind, 0))


async def _of_database(service: str, connection: Any, with_sizes: bool) -> None:
    metrics.DATABASE_OLDEST_TRANSACTION.labels(service).set(await queries.oldest_transaction(connection))
    if with_sizes:
        async for record in each(queries.sizes(connection)):
            metrics.DATABASE_BYTES.labels(service, record["name"]).set(record["bytes"])
