"""The router's states in PostgreSQL, and what its lists and statistics read."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql
import asyncpg

from services.router.domain.case import Case
from shared.contracts.vocabulary import Stage
from shared.runtime.postgres import JsonStates, PostgresTransaction, each
from shared.runtime.road import Versioned

queries: Any = aiosql.from_path(Path(__file__).parent / "sql" / "queries.sql", "asyncpg", mandatory_parameters=False)

CLOSED_STAGES = (Stage.DECLINED, Stage.CLOSED, Stage.ARCHIVED)


class CaseStates:
    """Cases as JSON, with their assignments beside them; both in the road's transaction."""

    def __init__(self) -> None:
        self._states = JsonStates(Case)

    async def load(self, transaction: PostgresTransaction, case_ids: Collection[UUID]) -> dict[UUID, Versioned[Case]]:
        return await self._states.load(transaction, case_ids)

    async def save(self, transaction: PostgresTransaction, states: Mapping[UUID, Versioned[Case]]) -> None:
        await self._states.save(transaction, states)
        parts = [
            (case, one)
            for case in (versioned.state for versioned in states.values())
            if case is not None
            for one in case.assignments
        ]
        if parts:
            await queries.save_assignments(
                transaction.connection,
                case_ids=[case.case_id for case, _ in parts],
                assignment_ids=[one.assignment_id for _, one in parts],
                units=[one.unit for _, one in parts],
                roles=[one.role.value for _, one in parts],
                rounds=[one.round for _, one in parts],
                parts=[one.part.value for _, one in parts],
                stages=[case.stage.value for case, _ in parts],
                overdues=[
                    any(missed.assignment_id == one.assignment_id for missed in case.missed) for case, one in parts
                ],
            )


class PostgresCases:
    """The door's `Cases` over the service's own schema."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

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

    async def statistics(self) -> dict[str, Any]:
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
            "by_stage": by_stage,
            "by_level": {record["level"]: record["cases"] for record in levels},
            "by_unit": units,
            "today": dict(today),
        }


async def _by_id_or_number(connection: Any, named: str) -> Any:
    try:
        case_id = UUID(named)
    except ValueError:
        return await queries.case_by_number(connection, number=named)
    return await queries.case_by_id(connection, case_id=case_id)
