"""Clocks and deadlines in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import aiosql
import asyncpg

from services.sla.agenda import Agenda
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.domain.deadline import Deadline, State
from services.sla.domain.limit import Limit
from services.sla.timer import Found
from shared.contracts.topics import shard_of
from shared.contracts.vocabulary import Obligation
from shared.runtime.postgres import JsonStates, PostgresTransaction, each
from shared.runtime.postgres import queries as runtime_queries
from shared.runtime.road import Versioned

Name = tuple[str, str, int]
"""Unit, obligation and generation: a deadline's name within its case."""

queries: Any = aiosql.from_path(Path(__file__).parent / "sql" / "queries.sql", "asyncpg", mandatory_parameters=False)


class ClockStates:
    """A case's clock: what is known of the case as JSON, each deadline as a row. Only changed rows are written.

    What is due soon is noted in the agenda before it is committed: whoever looks waits for the same locks.
    """

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._cases = JsonStates(ClockState)
        self._loaded: WeakKeyDictionary[Any, dict[UUID, tuple[Deadline, ...]]] = WeakKeyDictionary()

    async def load(
        self, transaction: PostgresTransaction, case_ids: Collection[UUID]
    ) -> dict[UUID, Versioned[ClockState]]:
        cases = await self._cases.load(transaction, case_ids)
        rows: dict[UUID, list[Deadline]] = {case_id: [] for case_id in cases}
        async for record in each(queries.of_cases(transaction.connection, case_ids=list(cases))):
            rows[record["case_id"]].append(to_deadline(record))
        loaded = {case_id: tuple(deadlines) for case_id, deadlines in rows.items()}
        self._loaded[transaction] = loaded
        return {
            case_id: Versioned(
                found.state.model_copy(update={"deadlines": loaded[case_id]}) if found.state is not None else None,
                found.caseseq,
            )
            for case_id, found in cases.items()
        }

    async def save(self, transaction: PostgresTransaction, states: Mapping[UUID, Versioned[ClockState]]) -> None:
        await self._cases.save(transaction, states)
        loaded = self._loaded.pop(transaction, {})
        changed = [
            (case_id, deadline)
            for case_id, versioned in states.items()
            if versioned.state is not None
            for deadline in _changed(loaded.get(case_id, ()), versioned.state.deadlines)
        ]
        if changed:
            gone = [
                (case_id, name)
                for case_id, versioned in states.items()
                if versioned.state is not None
                for name in _renamed(loaded.get(case_id, ()), versioned.state.deadlines)
            ]
            if gone:
                await queries.take_out(transaction.connection, **_names(gone))
            await queries.save(transaction.connection, **_columns(changed))
        for case_id, deadline in changed:
            if deadline.next_at is not None:
                self._agenda.note(shard_of(case_id), deadline.next_at)


def _changed(before: Sequence[Deadline], after: Sequence[Deadline]) -> list[Deadline]:
    """Deadlines are values: the same object is the same row."""
    unchanged = {id(deadline) for deadline in before}
    return [deadline for deadline in after if id(deadline) not in unchanged]


def _renamed(before: Sequence[Deadline], after: Sequence[Deadline]) -> list[Name]:
    """The names of rows that have another unit now. No deadline ever goes but to a successor."""
    touched = _changed(after, before)
    if not touched:
        return []
    kept = {_name(deadline) for deadline in after}
    return [name for deadline in touched if (name := _name(deadline)) not in kept]


def _name(deadline: Deadline) -> Name:
    return deadline.unit, deadline.obligation.value, deadline.generation


def _names(gone: Sequence[tuple[UUID, Name]]) -> dict[str, list[object]]:
    return {
        "case_ids": [case_id for case_id, _ in gone],
        "units": [unit for _, (unit, _, _) in gone],
        "obligations": [obligation for _, (_, obligation, _) in gone],
        "generations": [generation for _, (_, _, generation) in gone],
    }


def _columns(changed: Sequence[tuple[UUID, Deadline]]) -> dict[str, list[object]]:
    deadlines = [deadline for _, deadline in changed]
    return {
        "case_ids": [case_id for case_id, _ in changed],
        "shards": [shard_of(case_id) for case_id, _ in changed],
        "units": [one.unit for one in deadlines],
        "obligations": [one.obligation.value for one in deadlines],
        "generations": [one.generation for one in deadlines],
        "next_steps": [one.next_step for one in deadlines],
        "next_ats": [one.next_at for one in deadlines],
        "started_ats": [one.started_at for one in deadlines],
        "warn_ats": [one.warn_at for one in deadlines],
        "due_ats": [one.due_at for one in deadlines],
        "fired_ats": [one.fired_at for one in deadlines],
        "ended_ats": [one.ended_at for one in deadlines],
        "states": [one.state.value for one in deadlines],
        "granteds": [None if one.granted is None else str(one.granted) for one in deadlines],
        "policy_versions": [one.policy_version for one in deadlines],
        "causes": [one.cause for one in deadlines],
        "provisionals": [one.provisional for one in deadlines],
        "rounds": [one.round for one in deadlines],
        "pauseds": [one.paused for one in deadlines],
        "paused_ats": [one.paused_at for one in deadlines],
        "time_lefts": [one.left for one in deadlines],
        "ladder_froms": [one.ladder_from for one in deadlines],
    }


def to_deadline(record: Mapping[str, Any]) -> Deadline:
    return Deadline(
        unit=record["unit"],
        obligation=Obligation(record["obligation"]),
        generation=record["generation"],
        granted=None if record["granted"] is None else Limit.parse(record["granted"]),
        started_at=record["started_at"],
        warn_at=record["warn_at"],
        due_at=record["due_at"],
        next_step=record["next_step"],
        next_at=record["next_at"],
        provisional=record["provisional"],
        policy_version=record["policy_version"],
        state=State(record["state"]),
        fired_at=record["fired_at"],
        ended_at=record["ended_at"],
        cause=record["cause"],
        round=record["round"],
        paused=record["paused"],
        paused_at=record["paused_at"],
        left=record["time_left"],
        ladder_from=record["ladder_from"],
    )


class PostgresDeadlines:
    """What the timer and the HTTP door ask of the `deadline` table."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def now(self) -> datetime:
        async with self._pool.acquire(timeout=5) as connection:
            now: datetime = await runtime_queries.now(connection)
            return now

    async def look_ahead(
        self, floors: Mapping[int, datetime], until: datetime, most: int
    ) -> list[tuple[datetime, int]]:
        async with self._pool.acquire(timeout=5) as connection:
            found = queries.look_ahead(
                connection, shards=list(floors), floors=list(floors.values()), until=until, most=most
            )
            return [(record["at"], record["shard"]) async for record in each(found)]

    async def claim(
        self,
        transaction: PostgresTransaction,
        floors: Mapping[int, datetime],
        now: datetime,
        most: int,
        put_off: timedelta,
    ) -> list[Found]:
        found = queries.claim(
            transaction.connection,
            shards=list(floors),
            floors=list(floors.values()),
            now=now,
            most=most,
            put_off=put_off,
        )
        return [
            Found(
                record["case_id"],
                DeadlineReached(
                    unit=record["unit"],
                    obligation=record["obligation"],
                    generation=record["generation"],
                    step=record["step"],
                    at=record["at"],
                ),
            )
            async for record in each(found)
        ]

    async def count_live(self) -> dict[tuple[str, str], int]:
        async with self._pool.acquire(timeout=5) as connection:
            found = each(queries.live(connection))
            return {(record["obligation"], record["state"]): record["number"] async for record in found}

    async def of_case(self, case_id: UUID) -> list[Deadline]:
        """A case's deadlines, oldest first."""
        async with self._pool.acquire(timeout=5) as connection:
            return [to_deadline(record) async for record in each(queries.of_cases(connection, case_ids=[case_id]))]
