"""What is due in the next minutes, as far as this process knows: a heap of times and shards.

It only says when to look; what is due stands in the database. Fed from two sides: by looking ahead, and by
every deadline this process writes. A time too many costs one look in vain; one too few would make a deadline
late, so nothing is dropped from it before a look has shown that nothing is due up to there.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


class Agenda:
    """`floors`: up to there, everything of a shard is known to be taken; looks start from it (the watermark).

    Without one they would wade through all that was ever taken while an old snapshot keeps it from being
    cleaned up.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int]] = []
        self._known: set[tuple[datetime, int]] = set()
        self._floors: dict[int, datetime] = {}
        self._noted: dict[int, datetime] = {}
        self.horizon = BEGINNING
        self.changed = asyncio.Event()

    def floors(self, shards: Collection[int]) -> dict[int, datetime]:
        return {shard: self._floors.get(shard, BEGINNING) for shard in shards}

    def note(self, shard: int, at: datetime) -> None:
        """A deadline of this shard was written and is due then, maybe in the past."""
        self._noted[shard] = min(at, self._noted.get(shard, at))
        if at <= self._floors.get(shard, BEGINNING):
            self._floors[shard] = at - _TICK
        if at <= self.horizon:
            if not self._heap or at < self._heap[0][0]:
                self.changed.set()
            self._push(at, shard)

    def extend(self, found: Iterable[tuple[datetime, int]], horizon: datetime) -> None:
        """What a look ahead has found; it was complete up to the horizon."""
        for at, shard in found:
            self._push(at, shard)
        self.horizon = horizon

    def taking(self, shards: Collection[int]) -> None:
        """All that is due in these shards is about to be taken, under their heads' locks."""
        for shard in shards:
            self._noted.pop(shard, None)

    def taken(self, shards: Collection[int], until: datetime) -> None:
        """It was, up to that time and committed, but for what was noted since `taking`."""
        for shard in shards:
            noted = self._noted.get(shard)
            self._floors[shard] = until if noted is None or noted > until else noted - _TICK

    def forget_floors(self, shards: Collection[int]) -> None:
        """The next look at these shards takes nothing for granted."""
        for shard in shards:
            self._floors.pop(shard, None)

    def due(self, now: datetime, shards: Collection[int]) -> set[int]:
        """Which of these shards may have something due."""
        self._clean(shards)
        found: set[int] = set()
        for _, shard in self._heap_until(now):
            found.add(shard)
            if len(found) >= len(shards):
                break
        return found.intersection(shards)

    def next_at(self, shards: Collection[int]) -> datetime | None:
        """When the next of these shards may have something due; None = nothing up to the horizon."""
        self._clean(shards)
        return self._heap[0][0] if self._heap else None

    def __len__(self) -> int:
        return len(self._heap)

    def _push(self, at: datetime, shard: int) -> None:
        if (at, shard) not in self._known:
            self._known.add((at, shard))
            heappush(self._heap, (at, shard))

    def _clean(self, shards: Collection[int]) -> None:
        """Drop from the top what was taken, and what belongs to shards that are not ours (any more)."""
        floors: Mapping[int, datetime] = self._floors
        while self._heap:
            at, shard = self._heap[0]
            if shard in shards and at > floors.get(shard, BEGINNING):
                return
            self._known.discard(heappop(self._heap))

    def _heap_until(self, now: datetime) -> Iterable[tuple[datetime, int]]:
        """Entries not after `now`, walked down the heap without taking it apart."""
        open_at = [0]
        while open_at:
            index = open_at.pop()
            if index < len(self._heap) and self._heap[index][0] <= now:
                yield self._heap[index]
                open_at += (2 * index + 1, 2 * index + 2)
