"""What is due in the next minutes, as far as this process knows: for each shard a heap of times.

It only says when to look; what is due stands in the database. Fed from two sides: by looking ahead, and by
every deadline this process writes. A time too many costs one look in vain; one too few would make a deadline
late, so nothing is dropped from it before a look has shown that nothing is due up to there.
"""

import asyncio
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


class Agenda:
    """`floors`: up to there, everything of a shard is known to be taken; looks start from it (the watermark).

    Without one they would wade through all that was ever taken while an old snapshot keeps it from being
    cleaned up. `horizon` = up to where the last look ahead was complete, or will be when it comes back.
    """

    def __init__(self) -> None:
        self._heaps: dict[int, list[datetime]] = {}
        self._known: dict[int, set[datetime]] = {}
        self._floors: dict[int, datetime] = {}
        self._noted: dict[int, datetime] = {}
        self.horizon = BEGINNING
        self.changed = asyncio.Event()

    # --- what comes in

    def note(self, shard: int, at: datetime) -> None:
        """A deadline of this shard was written and is due then, maybe in the past."""
        self._noted[shard] = min(at, self._noted.get(shard, at))
        if at <= self._floors.get(shard, BEGINNING):
            self._floors[shard] = at - _TICK
        if at <= self.horizon and self._push(shard, at):
            self.changed.set()

    def looking(self, until: datetime) -> None:
        """A look ahead is on its way: what is written up to there meanwhile, it may not see."""
        self.horizon = max(self.horizon, until)

    def extend(self, found: Iterable[tuple[datetime, int]], horizon: datetime) -> None:
        """What a look ahead has found; it was complete up to the horizon.

        It may be taken already, or lie before a floor that was set while the look was on its way.
        """
        self.horizon = horizon
        for at, shard in found:
            self.note(shard, at)

    # --- what comes out

    def floors(self, shards: Collection[int]) -> dict[int, datetime]:
        return {shard: self._floors.get(shard, BEGINNING) for shard in shards}

    def due(self, now: datetime, shards: Collection[int]) -> set[int]:
        """Which of these shards may have something due."""
        return {shard for shard in shards if (first := self._first(shard)) is not None and first <= now}

    def next_at(self, shards: Collection[int]) -> datetime | None:
        """When the first of these shards may have something due; None = not up to the horizon."""
        return min((first for shard in shards if (first := self._first(shard)) is not None), default=None)

    def taking(self, shards: Collection[int]) -> None:
        """All that is due in these shards is about to be taken, under their heads' locks."""
        for shard in shards:
            self._noted.pop(shard, None)

    def taken(self, shards: Collection[int], until: datetime) -> None:
        """It was, up to that time and committed, but for what was noted since `taking`."""
        for shard in shards:
            noted = self._noted.get(shard)
            self._floors[shard] = until if noted is None or noted > until else noted - _TICK

    def drop(self, shards: Collection[int]) -> None:
        """These shards are another process's now."""
        for shard in shards:
            for kept in (self._heaps, self._known, self._floors, self._noted):
                kept.pop(shard, None)

    def _push(self, shard: int, at: datetime) -> bool:
        """Whether it comes before everything known of its shard."""
        heap, known = self._heaps.setdefault(shard, []), self._known.setdefault(shard, set())
        if at in known:
            return False
        known.add(at)
        heappush(heap, at)
        return heap[0] == at

    def _first(self, shard: int) -> datetime | None:
        """The first time that is not known to be taken."""
        heap, floor = self._heaps.get(shard, []), self._floors.get(shard, BEGINNING)
        while heap and heap[0] <= floor:
            self._known[shard].discard(heappop(heap))
        return heap[0] if heap else None
