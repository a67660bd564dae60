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
                overdues=[any(missed.unit == one.unit for missed in case.missed) for case, one in parts],
            )


async def find_case(pool: asyncpg.Pool, named: str) -> Case | None:
    """A case by its id or by the number people use; None where there is none."""
    try:
        query, key = queries.case_by_id, {"case_id": UUID(named)}
    except ValueError:
        query, key = queries.case_by_number, {"number": named}
    async with pool.acquire(timeout=5) as connection:
        found = await query(connection, **key)
    return None if found is None else Case.model_validate_json(found["state"])


async def list_cases(
    pool: asyncpg.Pool,
    unit: str | None,
    whistle_blower: str | None,
    stage: Stage | None,
    before: UUID | None,
    most: int,
) -> list[Case]:
    """A page of cases, newest first."""
    asked = {"stage": stage.value if stage else None, "before": before, "most": most}
    async with pool.acquire(timeout=5) as connection:
        found = each(
            queries.cases(connection, whistle_blower=whistle_blower, **asked)
            if unit is None
            else queries.cases_of_unit(connection, unit=unit, **asked)
        )
        return [Case.model_validate_json(record["state"]) async for record in found]


async def statistics(pool: asyncpg.Pool) -> dict[str, Any]:
    """Counts for the live board: by stage, by level, by unit, and today's."""
    async with pool.acquire(timeout=5) as connection:
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
