"""What is read of the router's tables every few seconds, so that people can watch its cases."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql
import structlog

from services.router import metrics
from services.router.domain.case import Case
from services.router.loop_times import TYPES, LoopTimes
from shared.contracts.envelope import Envelope, decode
from shared.contracts.units import UnitTree
from shared.runtime.district import UNITS, Setup
from shared.runtime.postgres import each
from shared.runtime.running import Running

logger = structlog.get_logger(__name__)

queries: Any = aiosql.from_path(Path(__file__).parent / "sql" / "gauges.sql", "asyncpg", mandatory_parameters=False)

READ_SECONDS = 15.0
CALM = 20
"""Counting may take one part in so many of the time: where very many cases are open, it is done less often."""
LOOKED_UP_AT_ONCE = 500
COUNTING_SHARD = 0
"""Whoever relays this shard counts for all: one process, however many there are."""


async def watch_cases(setup: Setup, times: LoopTimes, running: Running[Case]) -> None:
    """Read them for as long as the service lives. Whatever fails, the service goes on."""
    cases = OpenCases()
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            async with running.pool.acquire(timeout=5) as connection:
                if running.relay.holds(COUNTING_SHARD):
                    held = setup.held(UNITS)
                    cases.show(await count_open(connection, held.value if held is not None else None))
                else:
                    cases.show_none()
                await look_up(times, connection)
        except Exception as error:  # noqa: BLE001
            logger.warning("the cases could not be counted", error=repr(error))
        await asyncio.sleep(max(READ_SECONDS, CALM * (clock() - began)))


class OpenCases:
    """Shows how many cases are open, by stage and kind of unit."""

    def __init__(self) -> None:
        self._shown: set[tuple[str, str]] = set()

    def show(self, counted: Mapping[tuple[str, str], int]) -> None:
        """What there is none of any more, is shown as none."""
        self._shown |= counted.keys()
        for name in self._shown:
            metrics.CASES.labels(*name).set(counted.get(name, 0))

    def show_none(self) -> None:
        """Another process counts them."""
        metrics.CASES.clear()
        self._shown.clear()


async def count_open(connection: Any, units: UnitTree | None) -> dict[tuple[str, str], int]:
    """Open cases by stage and kind of the unit that leads."""
    counted: Counter[tuple[str, str]] = Counter()
    async for record in each(queries.open_cases(connection)):
        counted[record["stage"], _kind_of(record["lead"], units)] += record["cases"]
    return dict(counted)


def _kind_of(code: str | None, units: UnitTree | None) -> str:
    """The kind of a unit of the district, or of one that it had."""
    if code is None or units is None:
        return metrics.NOBODY
    unit = units.get(code) or units.retired.get(code)
    return unit.kind.value if unit is not None else metrics.NOBODY


async def look_up(times: LoopTimes, connection: Any, most: int = LOOKED_UP_AT_ONCE) -> None:
    """Read the beginnings of stages that `times` does not know, a bounded number of cases at once."""
    missed = times.missed()
    asked = dict(list(missed.items())[:most])
    if not asked:
        return
    found: dict[UUID, list[Envelope]] = {}
    rows = queries.told_before(connection, case_ids=list(asked), befores=list(asked.values()), types=list(TYPES))
    async for record in each(rows):
        found.setdefault(record["case_id"], []).append(decode(record["event"]))
    times.looked_up(found, asked)
