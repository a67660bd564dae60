"""People of one unit who work through what waits for them.

Hours of duty come from the unit's calendar. By day everybody takes the next task, whatever it is; who has begun goes
on with it on the next day of duty. Outside the hours those on call take critical and urgent tasks alone, and finish
what they have begun. These are people's hours, not deadlines: no due time is reckoned here.
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from services.sla.domain.calendar import WorkingCalendar

FOREVER = float("inf")


class Shifts:
    """Spans of duty in seconds since the beginning, in order; none of them = around the clock."""

    __slots__ = ("_begins", "_ends", "_worked", "around_the_clock")

    def __init__(self, spans: Sequence[tuple[float, float]]) -> None:
        self.around_the_clock = not spans
        self._begins = [begin for begin, _ in spans]
        self._ends = [end for _, end in spans]
        self._worked = [0.0]
        for begin, end in spans:
            self._worked.append(self._worked[-1] + end - begin)

    def on_duty(self, at: float) -> bool:
        place = bisect_right(self._begins, at) - 1
        return self.around_the_clock or (place >= 0 and at < self._ends[place])

    def worked(self, at: float) -> float:
        """Seconds of duty by then."""
        if self.around_the_clock:
            return at
        place = bisect_right(self._begins, at) - 1
        if place < 0:
            return 0.0
        return self._worked[place] + min(at, self._ends[place]) - self._begins[place]

    def after(self, at: float, seconds: float) -> float:
        """When so much duty has passed since; `FOREVER` where that lies beyond all spans."""
        if self.around_the_clock:
            return at + seconds
        place = bisect_right(self._begins, at) - 1
        if place >= 0 and at + seconds <= self._ends[place]:  # no end of duty in between
            return at + seconds
        wanted = self.worked(at) + seconds
        place = bisect_right(self._worked, wanted) - 1
        if place >= len(self._begins):
            return self._ends[-1] if wanted == self._worked[-1] else FOREVER
        if wanted == self._worked[place] and place:
            return self._ends[place - 1]
        return self._begins[place] + wanted - self._worked[place]

    def turns(self, until: float) -> Iterator[float]:
        """When duty begins and ends."""
        for begin, end in zip(self._begins, self._ends, strict=True):
            if begin >= until:
                return
            yield begin
            yield end


def shifts_of(calendar: WorkingCalendar, start: datetime, days: int) -> Shifts:
    """A calendar's hours of duty for so many days from `start` on."""
    first = start.astimezone(calendar.zone).date()
    spans = []
    for day in (first + timedelta(days=number) for number in range(-1, days)):
        for begin, end in calendar.duty(day):
            last = day if end > begin else day + timedelta(days=1)  # until midnight
            at, until = (
                (datetime.combine(on, clock, calendar.zone).astimezone(UTC) - start).total_seconds()
                for on, clock in ((day, begin), (last, end))
            )
            if until > 0:
                spans.append((max(at, 0.0), until))
    return Shifts(spans)


class Task(NamedTuple):
    """Work that waits: the lowest rank first, of equals the one that came first. `what` is the owner's business."""

    rank: float
    number: int
    at: float
    seconds: float
    pressing: bool
    what: Any


class Started(NamedTuple):
    until: float
    task: Task
    by_night: bool


@dataclass(slots=True)
class Hands:
    """How many people there are, and how much of their time goes into cases."""

    day: int
    night: int
    productive: float


class Desk:
    """`busy` and `waited` in seconds, `begun` = tasks begun; of the duty people alone for `busy`, up to `horizon`."""

    __slots__ = (
        "_free",
        "_free_by_night",
        "_hands",
        "_horizon",
        "_ordinary",
        "_pressing",
        "_shifts",
        "begun",
        "busy",
        "busy_by_night",
        "waited",
    )

    def __init__(self, hands: Hands, shifts: Shifts, horizon: float = FOREVER) -> None:
        self._hands = hands
        self._shifts = shifts
        self._horizon = horizon
        self._free = hands.day
        self._free_by_night = hands.night
        self._ordinary: list[Task] = []
        self._pressing: list[Task] = []
        self.begun = 0
        self.busy = 0.0
        self.busy_by_night = 0.0
        self.waited = 0.0

    @property
    def waiting(self) -> int:
        return len(self._ordinary) + len(self._pressing)

    def put(self, task: Task) -> None:
        heapq.heappush(self._pressing if task.pressing else self._ordinary, task)

    def done(self, started: Started) -> None:
        if started.by_night:
            self._free_by_night += 1
        else:
            self._free += 1

    def start(self, now: float) -> Sequence[Started]:
        """What somebody begins now."""
        ordinary, pressing = self._ordinary, self._pressing
        if not ordinary and not pressing:
            return ()
        begun = []
        if self._shifts.on_duty(now):
            while self._free and (ordinary or pressing):
                self._free -= 1
                first = pressing if pressing and (not ordinary or pressing[0] < ordinary[0]) else ordinary
                begun.append(self._begun(heapq.heappop(first), now, by_night=False))
        else:
            while self._free_by_night and pressing:
                self._free_by_night -= 1
                begun.append(self._begun(heapq.heappop(pressing), now, by_night=True))
        return begun

    def _begun(self, task: Task, now: float, by_night: bool) -> Started:
        seconds = task.seconds / self._hands.productive
        self.begun += 1
        self.waited += now - task.at
        if by_night:
            self.busy_by_night += min(seconds, self._horizon - now)
            return Started(now + seconds, task, by_night)
        until = self._shifts.after(now, seconds)
        self.busy += (
            seconds if until <= self._horizon else self._shifts.worked(self._horizon) - self._shifts.worked(now)
        )
        return Started(until, task, by_night)
