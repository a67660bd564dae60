"""Takes deadlines' steps when their time comes: once, never early, whoever does it.

Owning a shard only spreads the load. That a step is taken once is the database's doing: what is due is read, and
taken by one conditional update, under the lock of the shard's head, in the transaction that appends the fact to the
log. Sleeping goes by monotonic intervals, so no service's clock has a say; what is due is what the database says is
due.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle
from typing import Any, Protocol
from uuid import UUID

import structlog

from services.sla import metrics
from services.sla.agenda import BEGINNING, Agenda
from services.sla.clockwatch import ClockWatch
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.domain.deadline import RED, YELLOW
from shared.contracts.topics import SHARDS, shard_of
from shared.runtime import failpoints
from shared.runtime.decision import Fate, FromTimer, Input, Outcome
from shared.runtime.road import Road

logger = structlog.get_logger(__name__)

MOST_AT_ONCE = 200
LOOK_AHEAD = timedelta(minutes=10)
MOST_AHEAD = 10_000
SWEEP_SECONDS = 60.0
TICK_SECONDS = 1.0
"""How often it is asked which shards are ours, and, while firing pauses, what the time is."""
SETTLE_SECONDS = 2.0
"""How long a shard must be ours: until then the consumer does not know how far behind it is."""
PATIENCE_SECONDS = 10.0
"""How long firing waits for a reader that is behind: what it has not read may say that it was met in time."""
PUT_OFF = timedelta(minutes=1)
CROWD = 100
"""Steps at once from which on half of the shards are decided while the database works on the other half."""
COUNT_SECONDS = SWEEP_SECONDS / SHARDS
"""One shard after the other is counted: all at once, ten million would be felt."""


@dataclass(frozen=True, slots=True)
class Found:
    """A step that was due and is this transaction's to take."""

    case_id: UUID
    reached: DeadlineReached


class Deadlines(Protocol):
    """What the timer needs of the store. `floors` = the shards, and from where on to look in each."""

    async def now(self) -> datetime:
        """The database's clock."""
        ...

    async def look_ahead(
        self, floors: Mapping[int, datetime], until: datetime, most: int
    ) -> list[tuple[datetime, int]]:
        """When steps are due and in which shards, the earliest ones."""
        ...

    async def claim(self, transaction: Any, floors: Mapping[int, datetime], now: datetime, most: int) -> list[Found]:
        """What is due, oldest first. The heads' locks keep everybody else from it until the transaction ends."""
        ...

    async def put_off(self, transaction: Any, found: Sequence[Found], until: datetime) -> None:
        """Leave these for later, as far as they still wait for the same step."""
        ...

    async def count_live(self, shards: Collection[int] = range(SHARDS)) -> dict[tuple[str, str], int]:
        """How many deadlines of these shards run, by obligation and state."""
        ...

    async def count_overdue(self, shards: Collection[int] = range(SHARDS)) -> dict[int, int]:
        """How many of these shards ran out and are still watched, by the rung of the ladder they reached; 0 = none."""
        ...


class Timer:
    """`holds(shard)`: whether it is ours. `is_behind()`: whether facts wait that were not read yet."""

    def __init__(
        self,
        road: Road[ClockState],
        deadlines: Deadlines,
        agenda: Agenda,
        watch: ClockWatch,
        monotonic: Callable[[], float],
        holds: Callable[[int], bool],
        is_behind: Callable[[], bool] = lambda: False,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._road = road
        self._deadlines = deadlines
        self._agenda = agenda
        self._watch = watch
        self._monotonic = monotonic
        self._holds = holds
        self._is_behind = is_behind
        self._settle_seconds = settle_seconds
        self._held_since: dict[int, float] = {}
        self._behind_since: float | None = None
        self._look_again_at = 0.0
        self._sweep_at = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._most = MOST_AT_ONCE
        self._crowded = False

    async def run(self) -> None:
        """Serve until cancelled; survives the store being away."""
        measuring = asyncio.create_task(self._measure())
        try:
            while True:
                self._agenda.changed.clear()
                try:
                    delay = await self.turn()
                except Exception as error:
                    if not self._road.store.is_transient(error):
                        raise
                    logger.warning("timer interrupted", error=repr(error))
                    delay = TICK_SECONDS
                if delay > 0:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(delay):
                            await self._agenda.changed.wait()
        finally:
            measuring.cancel()
            if self._looking is not None:
                self._looking.cancel()

    async def turn(self) -> float:
        """Take what is due now, at most a batch or two. Returns after how many seconds to come again (0 = at once)."""
        ours = self._ours()
        await self._look(ours)
        if not self._watch.trusted:
            await self._read_clock()
        if not self._watch.trusted or not ours or self._waits_for_the_reader():
            return TICK_SECONDS
        now = self._watch.now()
        assert now is not None, "looking has read the clock"
        due = self._agenda.due(now, ours)
        if due:
            await self._take_all(due)
            return 0.0
        next_at = self._agenda.next_at(ours)
        return TICK_SECONDS if next_at is None else min(TICK_SECONDS, (next_at - now).total_seconds())

    def _ours(self) -> set[int]:
        """The shards to take from: those we have held for a while. A new one is looked at from its beginning."""
        monotonic = self._monotonic()
        held = {shard for shard in range(SHARDS) if self._holds(shard)}
        self._agenda.drop(self._held_since.keys() - held)
        if held - self._held_since.keys():
            self._look_again_at = 0.0
        self._held_since = {shard: self._held_since.get(shard, monotonic) for shard in held}
        return {shard for shard, since in self._held_since.items() if monotonic - since >= self._settle_seconds}

    def _waits_for_the_reader(self) -> bool:
        """A reader that is behind may be about to tell that a deadline was met: wait for it, but not for ever."""
        if not self._is_behind():
            self._behind_since = None
            return False
        monotonic = self._monotonic()
        if self._behind_since is None:
            self._behind_since = monotonic
            logger.warning("firing waits for the reader", at_most_seconds=PATIENCE_SECONDS)
        return monotonic - self._behind_since < PATIENCE_SECONDS

    # --- looking ahead

    async def _look(self, ours: Collection[int]) -> None:
        """Look ahead when it is time to. What is due meanwhile does not wait until that is done."""
        if self._looking is None:
            monotonic = self._monotonic()
            sweeps = monotonic >= self._sweep_at
            if not sweeps and monotonic < self._look_again_at:
                return
            if sweeps:
                self._sweep_at = monotonic + SWEEP_SECONDS
            self._look_again_at = monotonic + SWEEP_SECONDS
            floors = dict.fromkeys(self._held_since, BEGINNING) if sweeps else self._agenda.floors(self._held_since)
            self._looking = asyncio.create_task(self._look_ahead(floors))
        looking = self._looking
        await asyncio.wait({looking}, timeout=self._until_due(ours))
        if looking.done():
            self._looking = None
            await looking

    def _until_due(self, ours: Collection[int]) -> float | None:
        """How many seconds there are until something is due, as far as is known; None = nothing is."""
        now, next_at = self._watch.now(), self._agenda.next_at(ours)
        return None if now is None or next_at is None else max(0.0, (next_at - now).total_seconds())

    async def _look_ahead(self, floors: Mapping[int, datetime]) -> None:
        """Fill the agenda for the next ten minutes, half of them early; now and then from the beginning."""
        try:
            now = await self._read_clock()
            until = now + LOOK_AHEAD
            self._agenda.looking(until)
            found = await self._deadlines.look_ahead(floors, until, MOST_AHEAD)
        except BaseException:
            self._look_again_at = 0.0
            raise
        horizon = until if len(found) < MOST_AHEAD else found[-1][0]
        self._agenda.extend(found, horizon)
        ahead = max(TICK_SECONDS / 10, (horizon - now).total_seconds() / 2)
        self._look_again_at = min(self._look_again_at, self._monotonic() + ahead)

    async def _read_clock(self) -> datetime:
        earliest = self._monotonic()
        now = await self._deadlines.now()
        self._watch.observe(now, earliest)
        return now

    async def _measure(self) -> None:
        """Count what runs, again and again. It is for people to see: whatever fails, firing goes on."""
        counted: dict[int, Mapping[tuple[str, str], int]] = {}
        overdue: dict[int, Mapping[int, int]] = {}
        names: set[tuple[str, str]] = set()
        for shard in cycle(range(SHARDS)):
            try:
                counted[shard] = await self._deadlines.count_live([shard])
                names |= counted[shard].keys()
                for name in names:
                    metrics.LIVE.labels(*name).set(sum(one.get(name, 0) for one in counted.values()))
                overdue[shard] = await self._deadlines.count_overdue([shard])
                metrics.show_overdue(overdue.values())
            except Exception as error:  # noqa: BLE001
                logger.warning("deadlines could not be counted", error=repr(error))
            await asyncio.sleep(COUNT_SECONDS)

    # --- taking

    async def _take_all(self, due: Collection[int]) -> None:
        """One batch down the road; where there is a crowd, one for each half of the shards, side by side."""
        shards = sorted(due)
        lanes = [lane for lane in (shards[::2], shards[1::2]) if lane] if self._crowded else [shards]
        taken = await asyncio.gather(*(self._take(lane) for lane in lanes), return_exceptions=True)
        for one in taken:
            if isinstance(one, BaseException):
                raise one
        self._crowded = sum(one for one in taken if isinstance(one, int)) >= CROWD

    async def _take(self, shards: Collection[int]) -> int:
        """One batch, and how many it was. What cannot be taken is narrowed down and put off: the rest goes on."""
        started = self._monotonic()
        found: list[Found] = []
        taken_at: datetime | None = None

        async def find(transaction: Any, now: datetime) -> Sequence[Input[DeadlineReached]]:
            nonlocal found, taken_at
            found, taken_at = [], None
            if not self._watch.observe(now, started):
                return ()
            self._agenda.taking(shards)
            # Only now: whoever held the locks before may have written what was due already.
            floors = self._agenda.floors(shards)
            found = await self._deadlines.claim(transaction, floors, now, self._most)
            if found:
                failpoints.reach("after_claim")
            taken_at = now
            return [_input(one) for one in found]

        try:
            outcomes = await self._road.travel_found(shards, find)
        except Exception as error:
            if self._road.store.is_transient(error):
                raise
            logger.warning("steps could not be taken", most=self._most, error=repr(error))
            await self._narrow_down(shards)
            return 0
        if taken_at is None:
            return 0
        if found:
            failpoints.reach("after_firing")
        left = [one for one, outcome in zip(found, outcomes, strict=True) if not _is_taken(outcome)]
        if left:
            await self._put_off(shards, left)
        if len(found) < self._most:
            self._agenda.taken(shards, taken_at)
        self._most = min(MOST_AT_ONCE, self._most * 2)
        _measure_taken(found, outcomes, taken_at)
        return len(found)

    async def _narrow_down(self, shards: Collection[int]) -> None:
        """Take fewer at once; when it is down to one, leave that one for later."""
        if self._most > 1:
            self._most //= 2
        else:
            await self._put_off(shards)

    async def _put_off(self, shards: Collection[int], left: Sequence[Found] | None = None) -> None:
        """Leave these steps for later; without any, the first that is due."""
        async with self._road.store.transaction() as transaction:
            await transaction.lock_heads(sorted(shards))
            if left is None:
                left = await self._deadlines.claim(transaction, self._agenda.floors(shards), transaction.now, 1)
            until = transaction.now + PUT_OFF
            await self._deadlines.put_off(transaction, left, until)
        for one in left:
            self._agenda.note(shard_of(one.case_id), until)
        metrics.POSTPONED.inc(len(left))
        logger.error("deadlines were put off", deadlines=[str(one) for one in left])


def _is_taken(outcome: Outcome) -> bool:
    """Something follows from it; a decision that notes why nothing does leaves the row as it was."""
    return outcome.fate is Fate.DONE and not outcome.note


def _input(found: Found) -> Input[DeadlineReached]:
    """`id`, the cause of what is stated, names the deadline and its step."""
    one = found.reached
    name = f"deadline/{found.case_id}/{one.unit}/{one.obligation}/{one.generation}/{one.step}"
    return Input(found.case_id, one, name, FromTimer())


def _measure_taken(found: Sequence[Found], outcomes: Sequence[Outcome], now: datetime) -> None:
    words = {YELLOW: "yellow", RED: "red"}
    taken = [one.reached for one, outcome in zip(found, outcomes, strict=True) if _is_taken(outcome)]
    for (obligation, step), number in Counter((one.obligation, words.get(one.step, "rung")) for one in taken).items():
        metrics.FIRED.labels(obligation, step).inc(number)
    for one in taken:
        metrics.LATENESS.observe((now - one.at).total_seconds())
