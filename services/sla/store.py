"""Clocks and deadlines in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID
from weakref import WeakKeyDictionary

import aiosql
import asyncpg

from services.sla.agenda import Agenda
from services.sla.domain.changes import Said
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.domain.deadline import Deadline, Outrun, State
from services.sla.domain.limit import Limit
from services.sla.timer import Found
from shared.contracts.envelope import decode
from shared.contracts.facts import DeadlineFact
from shared.contracts.topics import SHARDS, shard_of
from shared.contracts.vocabulary import Obligation, Urgency
from shared.runtime import failpoints
from shared.runtime.ports import Versioned
from shared.runtime.postgres import JsonStates, PostgresTransaction, each, state_columns
from shared.runtime.postgres import queries as runtime_queries

Name = tuple[str, str, int]
"""Unit, obligation and generation: a deadline's name within its case."""

queries: Any = aiosql.from_path(Path(__file__).parent / "sql" / "queries.sql", "asyncpg", mandatory_parameters=False)


Claims: TypeAlias = WeakKeyDictionary[Any, Sequence[Mapping[str, Any]]]
"""The rows that a transaction has claimed."""


class StepGone(Exception):
    """A step that was to be taken is no longer there: nothing of its batch may be kept."""


class ClockStates:
    """A case's clock: what is known of the case as JSON, each deadline as a row. Only what changed is written.

    What is due soon is noted in the agenda before it is committed: whoever looks waits for the same locks.
    Where the timer has claimed what is due, the claimed rows are all that is loaded: a step is decided by its own
    deadline alone.
    """

    def __init__(self, agenda: Agenda, claims: Claims | None = None) -> None:
        self._agenda = agenda
        self._claims = Claims() if claims is None else claims
        self._cases = JsonStates(ClockState)
        self._loaded: WeakKeyDictionary[Any, dict[UUID, ClockState]] = WeakKeyDictionary()

    async def load(
        self, transaction: PostgresTransaction, case_ids: Collection[UUID]
    ) -> dict[UUID, Versioned[ClockState]]:
        cases = await self._cases.load(transaction, case_ids)
        read = [case_id for case_id in cases if case_id not in transaction.known]
        records = self._claims.pop(transaction, None) if read else ()
        if records is None:
            records = [one async for one in each(queries.of_cases(transaction.connection, case_ids=read))]
        rows: dict[UUID, list[Deadline]] = {case_id: [] for case_id in read}
        for record in records:
            if record["case_id"] in rows:
                rows[record["case_id"]].append(to_deadline(record))
        loaded = {
            case_id: state.model_copy(update={"deadlines": tuple(rows[case_id])}) if case_id in rows else state
            for case_id, found in cases.items()
            if (state := found.state) is not None
        }
        self._loaded[transaction] = loaded
        return {case_id: Versioned(loaded.get(case_id), found.caseseq) for case_id, found in cases.items()}

    async def save(self, transaction: PostgresTransaction, states: Mapping[UUID, Versioned[ClockState]]) -> None:
        loaded = self._loaded.pop(transaction, {})
        both = [
            (case_id, loaded[case_id].deadlines if case_id in loaded else (), versioned.state.deadlines)
            for case_id, versioned in states.items()
            if versioned.state is not None
        ]
        gone = [(case_id, name) for case_id, before, after in both for name in _renamed(before, after)]
        if gone:
            await queries.take_out(transaction.connection, **_names(gone))
        changed = [(case_id, *change) for case_id, before, after in both for change in _changes(before, after)]
        now = transaction.now
        steps = [
            (case_id, before, after)
            for case_id, before, after in changed
            if before is not None and _is_step(before, after, now)
        ]
        if steps:
            await self._take_steps(transaction, steps)
        taken = {id(after) for _, _, after in steps}
        rest = [(case_id, after) for case_id, _, after in changed if id(after) not in taken]
        await queries.save(transaction.connection, **_case_columns(loaded, states), **_columns(rest))
        for case_id, _, deadline in changed:
            if deadline.next_at is not None:
                self._agenda.note(shard_of(case_id), deadline.next_at)

    async def _take_steps(
        self, transaction: PostgresTransaction, steps: Sequence[tuple[UUID, Deadline, Deadline]]
    ) -> None:
        done = await queries.take_steps(
            transaction.connection,
            now=transaction.now,
            case_ids=[case_id for case_id, _, _ in steps],
            units=[after.unit for _, _, after in steps],
            obligations=[after.obligation.value for _, _, after in steps],
            generations=[after.generation for _, _, after in steps],
            steps=[before.next_step for _, before, _ in steps],
            next_steps=[after.next_step for _, _, after in steps],
            next_ats=[after.next_at for _, _, after in steps],
            states=[after.state.value for _, _, after in steps],
            fired_ats=[after.fired_at for _, _, after in steps],
        )
        if done != f"UPDATE {len(steps)}":
            raise StepGone(f"{len(steps)} steps were to be taken: {done}")
        failpoints.reach("after_taking")


def _case_columns(
    loaded: Mapping[UUID, ClockState], states: Mapping[UUID, Versioned[ClockState]]
) -> dict[str, list[Any]]:
    """Cases to be saved, and those of which only the number of events moves."""
    same = {
        case_id: versioned.caseseq
        for case_id, versioned in states.items()
        if versioned.state is not None and case_id in loaded and _is_same_case(loaded[case_id], versioned.state)
    }
    saved = state_columns({case_id: versioned for case_id, versioned in states.items() if case_id not in same})
    return {
        "saved_ids": saved["case_ids"],
        "saved_caseseqs": saved["caseseqs"],
        "saved": saved["states"],
        "moved_ids": list(same),
        "moved_caseseqs": list(same.values()),
    }


def _is_same_case(before: ClockState, after: ClockState) -> bool:
    """Whether at most deadlines differ. States are values: the same objects are the same JSON."""
    known = before.__dict__
    return all(known[name] is value for name, value in after.__dict__.items() if name != "deadlines")


def _is_step(before: Deadline, after: Deadline, now: datetime) -> bool:
    """Whether a step that was due was taken and nothing else happened."""
    is_due = before.next_at is not None and before.next_at <= now
    return is_due and after.next_step > before.next_step and _but_for_a_step(after) == _but_for_a_step(before)


_but_for_a_step = attrgetter(
    *(field.name for field in fields(Deadline) if field.name not in ("next_step", "next_at", "state", "fired_at"))
)


def _changes(before: Sequence[Deadline], after: Sequence[Deadline]) -> list[tuple[Deadline | None, Deadline]]:
    """New deadlines, and those that changed with what they were under the same name."""
    changed = _changed(before, after)
    if not changed:
        return []
    known = {_name(deadline): deadline for deadline in before}
    return [(known.get(_name(deadline)), deadline) for deadline in changed]


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
        "urgencies": [one.urgency.value for one in deadlines],
        "bases": [one.basis for one in deadlines],
        "calendar_versions": [one.calendar_version for one in deadlines],
        "counts_froms": [one.counts_from for one in deadlines],
        "used_befores": [one.used_before for one in deadlines],
        "planneds": [one.planned for one in deadlines],
        "raised_ats": [one.raised_at for one in deadlines],
        "outruns": [None if one.outrun is None else str(one.outrun.limit) for one in deadlines],
        "outrun_counts_froms": [None if one.outrun is None else one.outrun.counts_from for one in deadlines],
        "outrun_due_ats": [None if one.outrun is None else one.outrun.due_at for one in deadlines],
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
        urgency=Urgency(record["urgency"]),
        basis=record["basis"],
        calendar_version=record["calendar_version"],
        counts_from=record["counts_from"],
        used_before=record["used_before"],
        planned=record["planned"],
        raised_at=record["raised_at"],
        outrun=_outrun(record),
    )


def _outrun(record: Mapping[str, Any]) -> Outrun | None:
    if record["outrun"] is None:
        return None
    return Outrun(Limit.parse(record["outrun"]), record["outrun_counts_from"], record["outrun_due_at"])


class PostgresDeadlines:
    """What the timer and the HTTP door ask of the `deadline` table."""

    def __init__(self, pool: asyncpg.Pool, claims: Claims | None = None) -> None:
        self._pool = pool
        self._claims = Claims() if claims is None else claims

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
        self, transaction: PostgresTransaction, floors: Mapping[int, datetime], now: datetime, most: int
    ) -> list[Found]:
        found = queries.claim(
            transaction.connection, shards=list(floors), floors=list(floors.values()), now=now, most=most
        )
        records = [record async for record in each(found)]
        self._claims[transaction] = records
        return [
            Found(
                record["case_id"],
                DeadlineReached(
                    unit=record["unit"],
                    obligation=record["obligation"],
                    generation=record["generation"],
                    step=record["next_step"],
                    at=record["next_at"],
                ),
            )
            for record in records
        ]

    async def put_off(self, transaction: PostgresTransaction, found: Sequence[Found], until: datetime) -> None:
        await queries.put_off(
            transaction.connection,
            until=until,
            case_ids=[one.case_id for one in found],
            units=[one.reached.unit for one in found],
            obligations=[one.reached.obligation.value for one in found],
            generations=[one.reached.generation for one in found],
            steps=[one.reached.step for one in found],
        )

    async def count_live(self, shards: Collection[int] = range(SHARDS)) -> dict[tuple[str, str], int]:
        async with self._pool.acquire(timeout=5) as connection:
            found = each(queries.live(connection, shards=list(shards)))
            return {(record["obligation"], record["state"]): record["number"] async for record in found}

    async def count_overdue(self, shards: Collection[int] = range(SHARDS)) -> dict[int, int]:
        async with self._pool.acquire(timeout=5) as connection:
            found = each(queries.overdue(connection, shards=list(shards)))
            return {record["rung"]: record["number"] async for record in found}

    async def of_case(self, case_id: UUID) -> list[Deadline]:
        """A case's deadlines, oldest first."""
        async with self._pool.acquire(timeout=5) as connection:
            return [to_deadline(record) async for record in each(queries.of_cases(connection, case_ids=[case_id]))]

    async def said_of(self, case_id: UUID) -> list[Said]:
        """What this service's log says of a case, in order."""
        async with self._pool.acquire(timeout=5) as connection:
            rows = [record["event"] async for record in each(runtime_queries.history(connection, case_id=case_id))]
        envelopes = [decode(event) for event in rows if event is not None]
        return [Said(one.time, one.fact) for one in envelopes if isinstance(one.fact, DeadlineFact)]
