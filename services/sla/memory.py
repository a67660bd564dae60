"""The in-memory twin of `store.py`: the same ports over the runtime's in-memory store."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.sla.agenda import Agenda
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.domain.deadline import Deadline, State
from services.sla.timer import Found
from shared.contracts.topics import SHARDS, shard_of
from shared.runtime.memory import MemoryStates, MemoryStore, MemoryTransaction, Tables
from shared.runtime.ports import Versioned


class MemoryClockStates(MemoryStates[ClockState]):
    """Clocks kept whole, deadlines included; what is due soon is noted in the agenda."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda

    async def save(self, transaction: MemoryTransaction, states: Mapping[UUID, Versioned[ClockState]]) -> None:
        before = await self.load(transaction, states.keys())
        await super().save(transaction, states)
        for case_id, versioned in states.items():
            known = before[case_id].state if case_id in before else None
            unchanged = {id(deadline) for deadline in known.deadlines} if known is not None else set()
            for deadline in versioned.state.deadlines if versioned.state is not None else ():
                if deadline.next_at is not None and id(deadline) not in unchanged:
                    self._agenda.note(shard_of(case_id), deadline.next_at)


class MemoryDeadlines:
    """What the timer asks, answered by walking through all there is."""

    def __init__(self, store: MemoryStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def now(self) -> datetime:
        async with self._store.transaction():
            return self._clock()

    async def look_ahead(
        self, floors: Mapping[int, datetime], until: datetime, most: int
    ) -> list[tuple[datetime, int]]:
        async with self._store.transaction() as transaction:
            found = [(at, shard_of(case_id)) for at, case_id, _ in _waiting(transaction.tables, floors, until)]
        return found[:most]

    async def claim(
        self, transaction: MemoryTransaction, floors: Mapping[int, datetime], now: datetime, most: int
    ) -> list[Found]:
        return [
            Found(
                case_id,
                DeadlineReached(
                    unit=deadline.unit,
                    obligation=deadline.obligation,
                    generation=deadline.generation,
                    step=deadline.next_step,
                    at=at,
                ),
            )
            for at, case_id, deadline in list(_waiting(transaction.tables, floors, now))[:most]
        ]

    async def put_off(self, transaction: MemoryTransaction, found: Sequence[Found], until: datetime) -> None:
        names = {(one.case_id, one.reached.unit, one.reached.obligation, one.reached.generation) for one in found}
        for case_id, deadline in list(_all(transaction.tables)):
            if (case_id, deadline.unit, deadline.obligation, deadline.generation) in names:
                _put_off(transaction.tables, case_id, deadline, until)

    async def count_live(self, shards: Collection[int] = range(SHARDS)) -> dict[tuple[str, str], int]:
        return dict(
            Counter(
                (deadline.obligation.value, deadline.state.value)
                for case_id, deadline in _all(self._store.tables)
                if deadline.is_live and shard_of(case_id) in shards
            )
        )

    async def count_overdue(self, shards: Collection[int] = range(SHARDS)) -> dict[int, int]:
        return dict(
            Counter(
                deadline.next_step - 1
                for case_id, deadline in _all(self._store.tables)
                if deadline.state is State.OVERDUE and shard_of(case_id) in shards
            )
        )


def _all(tables: Tables) -> Iterator[tuple[UUID, Deadline]]:
    for case_id, versioned in tables.states.items():
        state = versioned.state
        if isinstance(state, ClockState):
            for deadline in state.deadlines:
                yield case_id, deadline


def _waiting(
    tables: Tables, floors: Mapping[int, datetime], until: datetime
) -> Collection[tuple[datetime, UUID, Deadline]]:
    found = [
        (deadline.next_at, case_id, deadline)
        for case_id, deadline in _all(tables)
        if shard_of(case_id) in floors
        and deadline.next_at is not None
        and floors[shard_of(case_id)] < deadline.next_at <= until
    ]
    return sorted(found, key=lambda entry: entry[0])


def _put_off(tables: Tables, case_id: UUID, deadline: Deadline, until: datetime) -> None:
    versioned = tables.states[case_id]
    state = versioned.state
    assert isinstance(state, ClockState)
    deadlines = tuple(replace(one, next_at=until) if one is deadline else one for one in state.deadlines)
    tables.states[case_id] = replace(versioned, state=state.model_copy(update={"deadlines": deadlines}))
