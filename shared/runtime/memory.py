"""The in-memory twin of `postgres.py`: the same port, transactions that take effect at commit or not at all.

Used by unit tests and by the simulation that crashes between every two steps; passes the same suite.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from shared.contracts.topics import SHARDS
from shared.runtime.decision import DoorKey
from shared.runtime.log import GENESIS, Head, Row
from shared.runtime.ports import NOTHING, Burial, Kept, Versioned
from shared.runtime.relay import DeadLetter

S = TypeVar("S")


class Away(Exception):
    """The store is away: a transient fault."""


class Taken(Exception):
    """Another transaction remembered the request first: a transient fault."""


@dataclass(slots=True)
class Tables:
    """What a database would hold."""

    heads: dict[int, Head] = field(default_factory=dict)
    log: dict[int, list[Row]] = field(default_factory=dict)
    progress: dict[tuple[str, int], int] = field(default_factory=dict)
    kept: dict[tuple[str, str], Kept] = field(default_factory=dict)
    burials: list[Burial] = field(default_factory=list)
    published_letters: set[int] = field(default_factory=set)
    replayed: set[int] = field(default_factory=set)
    states: dict[UUID, Versioned[object]] = field(default_factory=dict)


class MemoryTransaction:
    """Works on a copy of the tables; the store swaps it in at commit."""

    def __init__(self, tables: Tables, now: datetime) -> None:
        self.tables = tables
        self.known: Mapping[UUID, Versioned[Any]] = {}
        self.now = now
        self.progress: Mapping[tuple[str, int], int] = {}
        self.notifies = False

    async def lock_heads(self, shards: Collection[int], logs: Collection[str] = ()) -> dict[int, Head]:
        self.progress = {(log, shard): self.tables.progress.get((log, shard), 0) for log in logs for shard in shards}
        return {shard: self.tables.heads[shard] for shard in shards}

    async def kept(self, keys: Collection[DoorKey]) -> dict[tuple[str, str], Kept]:
        wanted = {(key.scope, key.id) for key in keys}
        return {key: kept for key, kept in self.tables.kept.items() if key in wanted}

    async def replayable(self, numbers: Collection[int]) -> set[int]:
        return {number for number in numbers if 0 < number <= len(self.tables.burials)} - self.tables.replayed

    async def write(
        self,
        rows: Sequence[Row] = (),
        heads: Collection[Head] = (),
        progress: Mapping[tuple[str, int], int] = NOTHING,
        kept: Sequence[tuple[DoorKey, Kept]] = (),
    ) -> None:
        if any((key.scope, key.id) in self.tables.kept for key, _ in kept):
            raise Taken("another transaction was first")
        for row in rows:
            self.tables.log[row.shard].append(row)
        for head in heads:
            self.tables.heads[head.shard] = replace(head, saves=head.saves + 1)
        self.tables.progress.update(progress)
        self.tables.kept.update({(key.scope, key.id): value for key, value in kept})

    async def bury(self, burials: Sequence[Burial]) -> None:
        known = {_place(burial) for burial in self.tables.burials}
        for burial in burials:
            if _place(burial) not in known:
                known.add(_place(burial))
                self.tables.burials.append(burial)

    async def mark_replayed(self, numbers: Collection[int]) -> None:
        self.tables.replayed.update(numbers)

    async def notify(self, shards: Collection[int]) -> None:
        self.notifies = True


def _place(burial: Burial) -> tuple[str, int, int] | str:
    letter = burial.input.letter
    return (letter.topic, letter.partition, letter.offset) if letter else burial.input.id


class MemoryStore:
    """One service's store; transactions take turns. `clock` gives the time, `away` makes every use of it fail."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC), shards: int = SHARDS) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._sessions: list[MemoryOwnership] = []
        self.away = False
        self.tables = Tables(
            heads={shard: Head(shard, 0, GENESIS, 0) for shard in range(shards)},
            log={shard: [] for shard in range(shards)},
        )
        self.owners: dict[int, object] = {}

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        async with self._lock:
            self.check()
            working = copy.copy(self.tables)
            working.heads = dict(working.heads)
            working.log = {shard: list(rows) for shard, rows in working.log.items()}
            working.progress, working.kept = dict(working.progress), dict(working.kept)
            working.burials, working.replayed = list(working.burials), set(working.replayed)
            working.states = dict(working.states)
            transaction = MemoryTransaction(working, self._clock())
            yield transaction
            self.check()
            self.tables = working
        if transaction.notifies:
            for listener in self._listeners:
                listener()

    def is_transient(self, error: BaseException) -> bool:
        return isinstance(error, Away | Taken)

    @asynccontextmanager
    async def ownership(self, on_notify: Callable[[], None]) -> AsyncIterator["MemoryOwnership"]:
        self.check()
        mine = MemoryOwnership(self)
        self._sessions.append(mine)
        self._listeners.append(on_notify)
        try:
            yield mine
        finally:
            self._sessions = [session for session in self._sessions if session is not mine]
            self._listeners.remove(on_notify)
            self.owners = {shard: owner for shard, owner in self.owners.items() if owner is not mine}

    async def unpublished(self, shard: int, sequence: int, limit: int) -> list[Row]:
        self.check()
        return self.tables.log[shard][sequence : sequence + limit]

    async def mark_published(self, published: dict[int, int]) -> None:
        async with self._lock:
            self.check()
            for shard, sequence in published.items():
                head = self.tables.heads[shard]
                self.tables.heads[shard] = replace(head, published=max(head.published, sequence))

    async def unpublished_letters(self, limit: int) -> list[DeadLetter]:
        self.check()
        return [
            DeadLetter(
                number=number,
                topic=burial.input.letter.topic,
                key=str(burial.input.case_id).encode(),
                value=burial.input.letter.value,
                reason=burial.reason,
            )
            for number, burial in enumerate(self.tables.burials, start=1)
            if burial.input.letter is not None and number not in self.tables.published_letters
        ][:limit]

    async def mark_letters_published(self, numbers: Sequence[int]) -> None:
        self.check()
        self.tables.published_letters.update(numbers)

    def drop_sessions(self) -> None:
        """As the database does with sessions that were silent too long: their shards are free at once."""
        for session in self._sessions:
            session.lost = True
        self._sessions.clear()
        self.owners.clear()

    def check(self) -> None:
        if self.away:
            raise Away("the in-memory store is away")


class MemoryOwnership:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.lost = False

    async def claim(self, shard: int) -> Head | None:
        await self.heartbeat()
        if self._store.owners.setdefault(shard, self) is not self:
            return None
        return self._store.tables.heads[shard]

    async def release(self, shard: int) -> None:
        await self.heartbeat()
        if self._store.owners.get(shard) is self:
            del self._store.owners[shard]

    async def heartbeat(self) -> None:
        self._store.check()
        if self.lost:
            raise Away("the session was dropped")


class MemoryStates(Generic[S]):
    """States kept in the in-memory tables."""

    async def load(self, transaction: MemoryTransaction, case_ids: Collection[UUID]) -> dict[UUID, Versioned[S]]:
        states = {**transaction.tables.states, **transaction.known}
        return {case_id: states[case_id] for case_id in case_ids if case_id in states}

    async def save(self, transaction: MemoryTransaction, states: Mapping[UUID, Versioned[S]]) -> None:
        transaction.tables.states.update(states)  # type: ignore[arg-type]
