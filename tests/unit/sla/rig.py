"""A timer with everything it stands on, in memory: the same timer, road and handlers that production has."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid5

from services.sla.agenda import Agenda
from services.sla.clockwatch import ClockWatch
from services.sla.domain.clock_state import ClockState
from services.sla.main import handlers_by
from services.sla.memory import MemoryClockStates, MemoryDeadlines
from services.sla.timer import Timer
from shared.contracts import facts as f
from shared.contracts.envelope import decode
from shared.contracts.topics import CASES, SHARDS, shard_of
from shared.runtime.decision import FromLog, Input, Outcome
from shared.runtime.log import Row
from shared.runtime.memory import MemoryStore
from shared.runtime.road import Road
from shared.runtime.service import decide_with
from tests.unit.sla import builders as b

START = b.local("2026-11-23 09:00")


def case(number: int) -> UUID:
    return uuid5(b.NAMESPACE, f"case {number}")


class Time:
    """The database's clock and the monotonic one. They run together unless a test makes the first jump."""

    def __init__(self) -> None:
        self.monotonic = 1000.0
        self.shown = START

    def advance(self, **how_long: float) -> None:
        passed = timedelta(**how_long)
        self.monotonic += passed.total_seconds()
        self.shown += passed

    def jump(self, **how_far: float) -> None:
        self.shown += timedelta(**how_far)


class Held:
    """The relay's part: which shards are ours. Nothing is published."""

    def __init__(self) -> None:
        self.shards = set(range(SHARDS))

    def holds(self, shard: int) -> bool:
        return shard in self.shards

    def published(self, _shard: int) -> int:
        return 0

    def offer(self, _rows: Sequence[Row]) -> None: ...

    def look(self) -> None: ...


class Rig:
    """One process of sla; several may share a store and a time."""

    def __init__(
        self,
        time: Time | None = None,
        store: MemoryStore | None = None,
        policy: Path = b.POLICY,
        settle_seconds: float = 0.0,
        timer: type[Timer] = Timer,
    ) -> None:
        self.time = time or Time()
        self.store = store or MemoryStore(lambda: self.time.shown)
        self.agenda = Agenda()
        self.held = Held()
        self.behind = False
        self.states = MemoryClockStates(self.agenda)
        self.road: Road[ClockState] = Road(
            "sla", self.store, self.states, decide_with(handlers_by(lambda: b.rules(policy))), self.held
        )
        self.watch = ClockWatch(3.0, 60.0, lambda: self.time.monotonic)
        self.deadlines = MemoryDeadlines(self.store, lambda: self.time.shown)
        self.timer = timer(
            road=self.road,
            deadlines=self.deadlines,
            agenda=self.agenda,
            watch=self.watch,
            monotonic=lambda: self.time.monotonic,
            holds=self.held.holds,
            is_behind=lambda: self.behind,
            settle_seconds=settle_seconds,
        )

    async def tell(self, number: int, *facts: f.CaseFact) -> list[Outcome]:
        """The router's log says so, now."""
        inputs: list[Input[f.CaseFact]] = []
        for fact in facts:
            shard = shard_of(case(number))
            sequence = self.store.tables.progress.get((CASES, shard), 0) + 1 + len(inputs)
            inputs.append(Input(case(number), fact, f"{number} {fact.NAME}", FromLog(CASES, shard, sequence)))
        return await self.road.travel(inputs)

    async def settle(self) -> float:
        """Turn until nothing is due; how long the timer would sleep then."""
        delay = 0.0
        while delay == 0.0:
            delay = await self.timer.turn()
        return delay

    def stated(self) -> list[tuple[UUID, f.DeadlineStep]]:
        """The steps that the log says were taken, shard by shard."""
        found = []
        for rows in self.store.tables.log.values():
            for row in rows:
                assert row.event is not None
                fact = decode(row.event).fact
                if isinstance(fact, f.DeadlineStep):
                    found.append((row.case_id, fact))
        return found

    def said(self, number: int = 0) -> list[str]:
        return [f"{fact.obligation} {fact.NAME.split('.')[1]}" for of, fact in self.stated() if of == case(number)]

    def fired(self) -> list[tuple[UUID, str, str | None, int]]:
        """Every red, by its name."""
        return [
            (of, fact.obligation, fact.unit, fact.generation)
            for of, fact in self.stated()
            if isinstance(fact, f.DeadlineOverdue)
        ]

    def earliest(self) -> timedelta:
        """The smallest of fired − due."""
        return min(
            (fact.fired_at - fact.due_at for _, fact in self.stated() if not isinstance(fact, f.DeadlineWarned)),
            default=timedelta(0),
        )
