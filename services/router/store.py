"""The router's states in PostgreSQL, and what its lists and statistics read."""

import asyncio
import math
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql
import asyncpg

from services.router.domain.case import Case
from services.router.domain.routing.what_if import Past
from shared.contracts.facts import Matter
from shared.contracts.vocabulary import CaseList, Ledger, Stage
from shared.runtime.ports import Versioned
from shared.runtime.postgres import JsonStates, PostgresTransaction, each, state_columns

queries: Any = aiosql.from_path(Path(__file__).parent / "sql" / "queries.sql", "asyncpg", mandatory_parameters=False)

CLOSED_STAGES = (Stage.DECLINED, Stage.WITHDRAWN, Stage.CLOSED, Stage.ARCHIVED)
RESTS_FOR = 19
"""Counting is at rest for so many times as long as it took."""
WRITTEN_OFF = (Stage.WITHDRAWN, Stage.CLOSED, Stage.ARCHIVED)
"""Stages in which a ledger's entry is written off."""


class CaseStates:
    """Cases as JSON, with their assignments beside them; both in the road's transaction."""

    def __init__(self) -> None:
        self._states = JsonStates(Case)

    async def load(self, transaction: PostgresTransaction, case_ids: Collection[UUID]) -> dict[UUID, Versioned[Case]]:
        return await self._states.load(transaction, case_ids)

    async def save(self, transaction: PostgresTransaction, states: Mapping[UUID, Versioned[Case]]) -> None:
        parts = [
            (case, one)
            for case in (versioned.state for versioned in states.values())
            if case is not None
            for one in case.assignments
        ]
        await queries.save_cases(
            transaction.connection,
            **state_columns(states),
            assigned=[case.case_id for case, _ in parts],
            assignment_ids=[one.assignment_id for _, one in parts],
            units=[one.unit for _, one in parts],
            roles=[one.role.value for _, one in parts],
            rounds=[one.round for _, one in parts],
            parts=[one.part.value for _, one in parts],
            stages=[case.stage.value for case, _ in parts],
            overdues=[any(missed.assignment_id == one.assignment_id for missed in case.missed) for case, one in parts],
        )


class PostgresCases:
    """The door's `Cases` over the service's own schema."""

    def __init__(self, pool: asyncpg.Pool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._counting = asyncio.Lock()
        self._counted: dict[str, Any] = {}
        self._count_again_at = -math.inf

    async def find(self, named: str) -> Case | None:
        async with self._pool.acquire(timeout=5) as connection:
            found = await _by_id_or_number(connection, named)
        return None if found is None else Case.model_validate_json(found["state"])

    async def page(self, unit: str | None, stage: Stage | None, before: UUID | None, most: int) -> list[Case]:
        bounds = {"stage": stage.value if stage else None, "before": before, "most": most}
        async with self._pool.acquire(timeout=5) as connection:
            if unit is None:
                found = queries.cases(connection, **bounds)
            else:
                found = queries.cases_of_unit(connection, unit=unit, **bounds)
            return [Case.model_validate_json(record["state"]) async for record in each(found)]

    async def followers(self, case_id: UUID) -> list[dict[str, str]]:
        async with self._pool.acquire(timeout=5) as connection:
            found = [record async for record in each(queries.followers(connection, case_id=case_id, most=100))]
        return [{"case_id": str(one["case_id"]), "number": one["number"], "stage": one["stage"]} for one in found]

    async def ledgers(self, recount: bool) -> dict[str, Any]:
        async with (
            self._pool.acquire(timeout=5) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            by_ledger = _totals(Ledger, [dict(record) async for record in each(queries.count_by_ledger(connection))])
            by_list = _totals(CaseList, [dict(record) async for record in each(queries.count_by_list(connection))])
            answer: dict[str, Any] = {"ledgers": by_ledger, "lists": by_list}
            if recount:
                logged = _totals(Ledger, [dict(one) async for one in each(queries.recount_ledgers(connection))])
                answer |= {"by_the_log": logged, "agrees": logged == by_ledger}
        return answer

    async def entries(self, ledger: Ledger, is_open: bool | None, before: UUID | None, most: int) -> list[Case]:
        async with self._pool.acquire(timeout=5) as connection:
            found = queries.entries(connection, ledger=ledger.value, is_open=is_open, before=before, most=most)
            return [Case.model_validate_json(record["state"]) async for record in each(found)]

    async def statistics(self) -> dict[str, Any]:
        """Counted anew once it has rested: however many ask, at most a twentieth of the time is spent counting."""
        async with self._counting:
            begun = self._monotonic()
            if begun >= self._count_again_at:
                self._counted = await self._count()
                ended = self._monotonic()
                self._count_again_at = ended + RESTS_FOR * (ended - begun)
            return self._counted

    async def _count(self) -> dict[str, Any]:
        async with self._pool.acquire(timeout=5) as connection:
            stages = [record async for record in each(queries.count_by_stage(connection))]
            levels = [record async for record in each(queries.count_by_level(connection))]
            units = [dict(record) async for record in each(queries.count_by_unit(connection))]
            today = await queries.count_today(connection)
        by_stage = {record["stage"]: record["cases"] for record in stages}
        return {
            "total": sum(by_stage.values()),
            "open": sum(cases for stage, cases in by_stage.items() if stage not in CLOSED_STAGES),
            "overdue": sum(record["overdue"] for record in stages),
            "supervised": sum(record["supervised"] for record in stages),
            "by_stage": by_stage,
            "by_level": {record["level"]: record["cases"] for record in levels},
            "by_unit": units,
            "today": dict(today),
        }


class PostgresHistory:
    """The `History` of what the rules had to decide, over the service's own schema."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def page(self, since: datetime | None, after: UUID | None, most: int) -> list[Past]:
        return await self._read(since=since, after=after, case_id=None, number=None, most=most)

    async def find(self, named: str) -> Past | None:
        case_id = _as_id(named)
        number = named if case_id is None else None
        found = await self._read(since=None, after=None, case_id=case_id, number=number, most=1)
        return found[0] if found else None

    async def count(self, since: datetime | None) -> int:
        async with self._pool.acquire(timeout=5) as connection:
            return int(await queries.count_history(connection, since=since))

    async def _read(self, **asked: object) -> list[Past]:
        async with self._pool.acquire(timeout=5) as connection:
            records = [record async for record in each(queries.history(connection, **asked))]
        return [
            Past(
                case_id=record["case_id"],
                matter=Matter.model_validate_json(record["matter"]),
                self_handled=record["self_handled"],
                at=record["at"],
                units=tuple(record["units"]),
            )
            for record in records
        ]


async def count_open_assignments(connection: Any, units: Collection[str]) -> dict[str, int]:
    """How many assignments each of these units has open; none for a unit without any."""
    found = each(queries.count_open_of_units(connection, units=list(units)))
    return {record["unit"]: record["assignments"] async for record in found}


def _totals(kinds: type[Ledger] | type[CaseList], found: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Entered, written off and open of every kind, those without an entry included."""
    counted = {record["name"]: record for record in found}
    totals = {}
    for kind in kinds:
        record = counted.get(kind.value, {"entered": 0, "written_off": 0})
        entered, written_off = record["entered"], record["written_off"]
        totals[kind.value] = {"entered": entered, "written_off": written_off, "open": entered - written_off}
    return totals


async def _by_id_or_number(connection: Any, named: str) -> Any:
    case_id = _as_id(named)
    if case_id is None:
        return await queries.case_by_number(connection, number=named)
    return await queries.case_by_id(connection, case_id=case_id)


def _as_id(named: str) -> UUID | None:
    try:
        return UUID(named)
    except ValueError:
        return None
