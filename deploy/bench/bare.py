"""The bare loop: the statements with which a batch of steps is taken, and nothing else. What the rest is held against.

It locks the heads, reads what is due, takes it by the conditional update, appends a row for each, moves the heads and
commits. It decides nothing, knows no case, and publishes nothing.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from deploy.bench.figures import Step
from services.sla.agenda import BEGINNING
from services.sla.domain.deadline import State
from services.sla.store import PostgresDeadlines, queries
from services.sla.timer import MOST_AT_ONCE, Found
from shared.contracts.topics import SHARDS, shard_of
from shared.runtime.log import Head, Row, after, next_row
from shared.runtime.postgres import PostgresStore

IDLE_SECONDS = 0.002
NEVER = timedelta(days=3650)
EVENT = b"." * 700
"""As long as an overdue fact is."""


class Bare:
    """Runs until cancelled; `steps` are those taken so far."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._store = PostgresStore("sla", pool, "")
        self._deadlines = PostgresDeadlines(pool)
        self._floors = dict.fromkeys(range(SHARDS), BEGINNING)
        self.steps: list[Step] = []

    async def run(self) -> None:
        while True:
            if not await self._batch():
                await asyncio.sleep(IDLE_SECONDS)

    async def _batch(self) -> int:
        async with self._store.transaction() as transaction:
            heads = await transaction.lock_heads(range(SHARDS))
            now = transaction.now
            found = await self._deadlines.claim(transaction, self._floors, now, MOST_AT_ONCE)
            if not found:
                return 0
            await queries.take_steps(transaction.connection, now=now, **_taken(found, now))
            rows = _rows(heads, [one.case_id for one in found])
            await transaction.write(rows, list(heads.values()))
        if len(found) < MOST_AT_ONCE:
            self._floors = dict.fromkeys(range(SHARDS), now)
        self.steps.extend(_step(one, row, now) for one, row in zip(found, rows, strict=True))
        return len(found)


def _taken(found: Sequence[Found], now: datetime) -> dict[str, list[object]]:
    """Overdue from now on, and nothing follows."""
    return {
        "case_ids": [one.case_id for one in found],
        "units": [one.reached.unit for one in found],
        "obligations": [one.reached.obligation.value for one in found],
        "generations": [one.reached.generation for one in found],
        "steps": [one.reached.step for one in found],
        "next_steps": [one.reached.step + 1 for one in found],
        "next_ats": [now + NEVER for _ in found],
        "states": [State.OVERDUE.value for _ in found],
        "fired_ats": [now for _ in found],
    }


def _rows(heads: dict[int, Head], cases: Sequence[UUID]) -> list[Row]:
    rows = []
    for case_id in cases:
        head = heads[shard_of(case_id)]
        row = next_row(head, case_id, 1, EVENT)
        heads[row.shard] = after(head, row)
        rows.append(row)
    return rows


def _step(found: Found, row: Row, now: datetime) -> Step:
    return Step(_number(found.case_id), row.shard, row.sequence, found.reached.at, now)


def _number(case_id: UUID) -> int:
    """Its place in the schedule, by the way the cases were made."""
    return case_id.int & 0xFFFFFFFFFFFFFFFF
