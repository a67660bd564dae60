"""A toy service in memory: its state is the notes it has taken, each note is stated again as a fact."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.contracts.facts import ReportProgressed
from shared.runtime.decision import Decision, DoorKey, FromDoor, FromLog, Input, Letter, Origin, Refusal
from shared.runtime.log import Row
from shared.runtime.memory import MemoryStates, MemoryStore, MemoryTransaction
from shared.runtime.ports import Versioned
from shared.runtime.road import Road

CASE, OTHER_CASE = UUID(int=12), UUID(int=13)
NOW = datetime(2026, 1, 1, tzinfo=UTC)

State = tuple[str, ...]


class SpyOutlet:
    """Holds every shard and remembers what it was told."""

    def __init__(self) -> None:
        self.offered: list[Row] = []
        self.looks = 0

    def holds(self, shard: int) -> bool:
        return True

    def published(self, shard: int) -> int:
        return 0

    def offer(self, rows: Sequence[Row]) -> None:
        self.offered.extend(rows)

    def look(self) -> None:
        self.looks += 1


class FailingStates(MemoryStates[State]):
    """Cannot save a note with `spoilt` in it, nor load anything while `unreadable`."""

    unreadable = False

    async def load(self, transaction: MemoryTransaction, case_ids: Any) -> dict[UUID, Versioned[State]]:
        if self.unreadable and case_ids:
            raise ValueError("a state that cannot be read")
        return await super().load(transaction, case_ids)

    async def save(self, transaction: MemoryTransaction, states: Mapping[UUID, Versioned[State]]) -> None:
        if any("spoilt" in note for versioned in states.values() for note in versioned.state or ()):
            raise ValueError("a state that cannot be saved")
        await super().save(transaction, states)


def decide(state: State | None, item: Input[Any], _now: datetime) -> Decision[State]:
    note = item.message.note
    if "poison" in note:
        raise ValueError("poison")
    if "refused" in note:
        return Decision(refusal=Refusal("no", "不行", "not this one"))
    if "large" in note:
        note = "x" * 300_000
    return Decision((*(state or ()), note), (ReportProgressed.model_construct(note=note),), {"note": note})


class Toy:
    """A road over memory that never really sleeps."""

    def __init__(self, store: MemoryStore | None = None, monotonic: Callable[[], float] = lambda: 0.0) -> None:
        self.store = store or MemoryStore(lambda: NOW)
        self.states = FailingStates()
        self.outlet = SpyOutlet()
        self.slept: list[float] = []
        self.road: Road[State] = Road("toy", self.store, self.states, decide, self.outlet, self._sleep, monotonic)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def taken(self, case_id: UUID = CASE) -> State:
        state: Any = self.store.tables.states.get(case_id, Versioned(())).state
        return tuple(state)

    def buried(self) -> list[tuple[str, str]]:
        """(id, kind) of each dead letter."""
        return [(burial.input.id, burial.kind) for burial in self.store.tables.burials]


def from_log(sequence: int, note: str = "", case_id: UUID = CASE) -> Input[Any]:
    note = note or f"n{sequence}"
    letter = Letter("whistles", 0, sequence, note.encode())
    origin = FromLog("whistles", 0, sequence)
    return Input(case_id, ReportProgressed(note=note), f"w{sequence}", origin, letter=letter)


def from_door(note: str, key: str | None = None, fingerprint: str | None = None, case_id: UUID = CASE) -> Input[Any]:
    keys = (DoorKey("http", key or note, fingerprint),)
    return Input(case_id, ReportProgressed(note=note), note, FromDoor(keys))


def report(note: str, offset: int, key: str | None = None, origin: Origin | None = None) -> Input[Any]:
    letter = Letter("reports.x", 0, offset, note.encode())
    keys = (DoorKey("reports.x /unit", key or note),)
    return Input(CASE, ReportProgressed(note=note), note, origin or FromDoor(keys), letter=letter)
