"""Takes deadlines' steps when their time comes: once, never early, whoever does it.

Owning a shard only spreads the load. That a step is taken once is the database's doing: one conditional
update under the lock of the shard's head, in the transaction that appends the fact to the log. Sleeping goes
by monotonic intervals, so no service's clock has a say; what is due is what the database says is due.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import structlog

from services.sla import metrics
from services.sla.agenda import Agenda
from services.sla.clockwatch import ClockWatch
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.domain.deadline import RED, YELLOW
from shared.contracts.topics import SHARDS
from shared.runtime.decision import Fate, FromTimer, Input, Outcome
from shared.runtime.road import Road

logger = structlog.get_logger(__name__)

MOST_AT_ONCE = 500
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

    async def claim(
        self, transaction: Any, floors: Mapping[int, datetime], now: datetime, most: int, put_off: timedelta
    ) -> list[Found]:
        """Take what is due, oldest first; each is put off for so long unless its step is taken."""
        ...

    async def count_live(self) -> dict[tuple[str, str], int]:
        """How many deadlines run, by obligation and state."""
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
        self._most = MOST_AT_ONCE

    async def run(self) -> None:
        """Serve until cancelled; survives the store being away."""
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
                    await asyncio.wait_for(self._agenda.changed.wait(), delay)

    async def turn(self) -> float:
        """Take what is due now, at most one batch. Returns after how many seconds to come again (0 = at once)."""
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
            await self._take(due)
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
        """Fill the agenda for the next ten minutes, half of them early; now and then from the beginning."""
        monotonic = self._monotonic()
        if monotonic >= self._sweep_at:
            self._sweep_at = monotonic + SWEEP_SECONDS
            self._look_again_at = 0.0
            self._agenda.forget_floors(self._held_since)
            await self._measure()
        if monotonic < self._look_again_at:
            return
        now = await self._read_clock()
        until = now + LOOK_AHEAD
        found = await self._deadlines.look_ahead(self._agenda.floors(self._held_since), until, MOST_AHEAD)
        horizon = until if len(found) < MOST_AHEAD else found[-1][0]
        self._agenda.extend(found, horizon)
        self._look_again_at = monotonic + max(TICK_SECONDS / 10, (horizon - now).total_seconds() / 2)

    async def _read_clock(self) -> datetime:
        earliest = self._monotonic()
        now = await self._deadlines.now()
        self._watch.observe(now, earliest)
        return now

    async def _measure(self) -> None:
        for (obligation, state), number in (await self._deadlines.count_live()).items():
            metrics.LIVE.labels(obligation, state).set(number)

    # --- taking

    async def _take(self, shards: Collection[int]) -> None:
        """One batch down the road. What cannot be taken is narrowed down and put off, so that the rest goes on."""
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
            found = await self._deadlines.claim(transaction, floors, now, self._most, PUT_OFF)
            taken_at = now
            return [_input(one) for one in found]

        try:
            outcomes = await self._road.travel_found(shards, find)
        except Exception as error:
            if self._road.store.is_transient(error):
                raise
            logger.warning("steps could not be taken", most=self._most, error=repr(error))
            await self._narrow_down(shards)
            return
        if taken_at is None:
            return
        if len(found) < self._most:
            self._agenda.taken(shards, taken_at)
        self._most = min(MOST_AT_ONCE, self._most * 2)
        _measure_taken(found, outcomes, taken_at)

    async def _narrow_down(self, shards: Collection[int]) -> None:
        """Take fewer at once; when it is down to one, leave that one for later."""
        if self._most > 1:
            self._most //= 2
            return
        async with self._road.store.transaction() as transaction:
            await transaction.lock_heads(sorted(shards))
            floors = self._agenda.floors(shards)
            put_off = await self._deadlines.claim(transaction, floors, transaction.now, 1, PUT_OFF)
        metrics.POSTPONED.inc(len(put_off))
        logger.error("a deadline was put off", deadlines=[str(one) for one in put_off])


def _input(found: Found) -> Input[DeadlineReached]:
    """`id`, the cause of what is stated, names the deadline and its step."""
    one = found.reached
    name = f"deadline/{found.case_id}/{one.unit}/{one.obligation}/{one.generation}/{one.step}"
    return Input(found.case_id, one, name, FromTimer())


def _measure_taken(found: Sequence[Found], outcomes: Sequence[Outcome], now: datetime) -> None:
    words = {YELLOW: "yellow", RED: "red"}
    for one, outcome in zip(found, outcomes, strict=True):
        if outcome.fate is Fate.DONE:
            metrics.FIRED.labels(one.reached.obligation, words.get(one.reached.step, "rung")).inc()
            metrics.LATENESS.observe((now - one.reached.at).total_seconds())
        else:
            metrics.POSTPONED.inc()
