"""What a process remembers of states: used as long as nobody else changed the shard, and not a moment longer."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.facts import ReportProgressed
from shared.contracts.topics import WHISTLES
from shared.runtime.decision import Decision, FromTimer, Input
from shared.runtime.memory import MemoryStates, MemoryStore, MemoryTransaction
from shared.runtime.ports import Versioned
from shared.runtime.remembered import Remembered
from shared.runtime.road import Road
from tests.unit.runtime.toys import CASE, NOW, OTHER_CASE, SpyOutlet, State, from_door, from_log

SAME_SHARD = UUID(int=24)


class WatchedStates(MemoryStates[State]):
    """Says which cases were read from the tables."""

    def __init__(self) -> None:
        self.read: list[UUID] = []

    async def load(self, transaction: MemoryTransaction, case_ids: Collection[UUID]) -> dict[UUID, Versioned[State]]:
        self.read += [case_id for case_id in case_ids if case_id not in transaction.known]
        return await super().load(transaction, case_ids)


def decide(state: State | None, item: Input[Any], _now: datetime) -> Decision[State]:
    """Every note is taken; a quiet one is stated to nobody."""
    note = item.message.note
    facts = () if "quiet" in note else (ReportProgressed(note=note),)
    return Decision((*(state or ()), note), facts)


class Worker:
    """One process of a service over a store that it shares with others."""

    def __init__(self, store: MemoryStore, most: int = 10) -> None:
        self.states = WatchedStates()
        self.remembered: Remembered[State] = Remembered([WHISTLES], most)
        self.road: Road[State] = Road(
            "toy", store, self.states, decide, SpyOutlet(), self._sleep, lambda: 0.0, self.remembered
        )

    async def _sleep(self, _seconds: float) -> None:
        pass

    async def take(self, *inputs: Input[Any]) -> list[UUID]:
        """The cases whose states it had to read for that."""
        self.states.read.clear()
        await self.road.travel(inputs)
        return list(self.states.read)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: NOW)


def taken(store: MemoryStore, case_id: UUID = CASE) -> object:
    return store.tables.states[case_id].state


async def test_a_state_is_read_once_where_nobody_else_works(store: MemoryStore) -> None:
    one = Worker(store)

    assert await one.take(from_door("a")) == [CASE]
    assert await one.take(from_door("b")) == []
    assert await one.take(from_log(1, "quiet c"), from_log(2, "d")) == []
    assert taken(store) == ("a", "b", "quiet c", "d")
    assert [row.caseseq for row in store.tables.log[0]] == [1, 2, 3]


@pytest.mark.parametrize("theirs", ["loud", "quiet"])
async def test_what_another_process_changed_is_read_again(store: MemoryStore, theirs: str) -> None:
    one, another = Worker(store), Worker(store)
    await one.take(from_door("a"))

    assert await another.take(from_door(theirs)) == [CASE]
    assert await one.take(from_door("b")) == [CASE]
    assert taken(store) == ("a", theirs, "b")


async def test_so_is_a_case_of_a_shard_in_which_another_was_changed_and_then_ours(store: MemoryStore) -> None:
    one, another = Worker(store), Worker(store)
    await one.take(from_door("a"), from_door("x", case_id=SAME_SHARD))
    await another.take(from_door("b"))

    assert await one.take(from_door("y", case_id=SAME_SHARD)) == [SAME_SHARD]
    assert await one.take(from_door("c")) == [CASE]
    assert taken(store) == ("a", "b", "c")


async def test_other_shards_are_others(store: MemoryStore) -> None:
    one, another = Worker(store), Worker(store)
    await one.take(from_door("a"))
    await another.take(from_door("x", case_id=OTHER_CASE))

    assert await one.take(from_door("b")) == []


async def test_a_release_that_only_moves_its_progress_is_seen(store: MemoryStore) -> None:
    """0.4 saves a state and moves the progress, and knows nothing of `saves`."""
    one = Worker(store)
    await one.take(from_door("a"))
    store.tables.states[CASE] = Versioned(("a", "old"), 1)
    store.tables.progress[WHISTLES, 0] = 1

    assert await one.take(from_door("b")) == [CASE]
    assert taken(store) == ("a", "old", "b")


async def test_what_was_not_committed_is_not_remembered(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Worker(store)
    await one.take(from_door("a"))

    async def fails(*_: object, **_known: object) -> None:
        monkeypatch.undo()
        store.away = True
        store.check()

    async def back(_seconds: float) -> None:
        store.away = False

    monkeypatch.setattr(MemoryTransaction, "write", fails)
    one.road._sleep = back

    assert await one.take(from_door("b")) == [CASE], "after a fault everything is read again"
    assert taken(store) == ("a", "b")


async def test_what_a_timer_loads_is_not_taken_for_the_whole(store: MemoryStore) -> None:
    one = Worker(store)
    await one.take(from_door("a"), from_door("x", case_id=SAME_SHARD))

    async def due(_transaction: object, _now: datetime) -> Sequence[Input[Any]]:
        return [replace(from_door("due"), origin=FromTimer())]

    one.states.read.clear()
    await one.road.travel_found({0}, due)
    assert one.states.read == [CASE]
    assert await one.take(from_door("b"), from_door("y", case_id=SAME_SHARD)) == [CASE]
    assert taken(store) == ("a", "due", "b")


async def test_what_was_not_used_for_longest_goes_first(store: MemoryStore) -> None:
    one = Worker(store, most=2)
    third = UUID(int=36)
    await one.take(from_door("a"))
    await one.take(from_door("x", case_id=SAME_SHARD))
    await one.take(from_door("b"))
    await one.take(from_door("p", case_id=third))

    assert await one.take(from_door("c")) == []
    assert await one.take(from_door("y", case_id=SAME_SHARD)) == [SAME_SHARD]
