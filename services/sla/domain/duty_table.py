"""Some years of one calendar's duty laid out in order, so that counting in either direction is a look-up.

Working days are numbered, and so are the hours of duty (spans); beside each stands how much duty lies before it.
What a question needs is then found by bisection, whatever the shifts, closures and changes of the clock in between.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

Shift = tuple[time, time]
"""From when to when, by the clock on the wall; an end at 00:00 is the midnight that ends the day."""

MIDNIGHT = time(0)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DutyTable:
    """The days from `first` on. Where it is too short for an answer, the answer is None."""

    first: int
    """The ordinal of the first day."""
    midnights: list[datetime] = field(default_factory=list)
    """When each day begins, and when the last one ends."""
    worked: list[int] = field(default_factory=list)
    """How many working days there are before each day, and in all."""
    workdays: list[int] = field(default_factory=list)
    """The ordinal of each working day."""
    closes: list[datetime] = field(default_factory=list)
    """When duty ends on each working day."""
    final: list[bool] = field(default_factory=list)
    """Whether each working day's arrangement is published."""
    begins: list[datetime] = field(default_factory=list)
    ends: list[datetime] = field(default_factory=list)
    before: list[timedelta] = field(default_factory=list)
    """How much duty lies before each span."""
    after: list[timedelta] = field(default_factory=list)
    """The same with the span itself."""
    on: list[int] = field(default_factory=list)
    """Which working day each span is part of, by its place in `workdays`."""

    def covers(self, at: datetime) -> bool:
        """Whether the day of a moment is in it, with the days beside it."""
        return len(self.midnights) > 2 and self.midnights[1] <= at < self.midnights[-2]

    def has(self, day: date) -> bool:
        return self.first < day.toordinal() < self.first + len(self.midnights) - 2

    # --- whole days ---------------------------------------------------------------------------------------

    def day_at(self, at: datetime) -> int:
        """The place of the day in which a moment lies."""
        return bisect_right(self.midnights, at) - 1

    def place_of(self, day: date) -> int:
        return day.toordinal() - self.first

    def working_day(self, place: int, count: int) -> int | None:
        """The number of the `count`-th working day from that day on; counted backwards from -1, the one before it."""
        if place >= len(self.worked):
            return None
        number = self.worked[place] + (count - 1 if count > 0 else count)
        return number if 0 <= number < len(self.workdays) else None

    # --- hours of duty ------------------------------------------------------------------------------------

    def until(self, at: datetime) -> timedelta:
        """How much duty there was before a moment."""
        span = bisect_right(self.begins, at) - 1
        return timedelta() if span < 0 else self.before[span] + (min(at, self.ends[span]) - self.begins[span])

    def add(self, start: datetime, amount: timedelta) -> tuple[datetime, bool] | None:
        """The earliest moment of duty by which so much has passed, and whether its day is published."""
        target = self.until(start) + amount
        span = bisect_left(self.after, target, bisect_left(self.ends, start))
        if span == len(self.after):
            return None
        return self.begins[span] + (target - self.before[span]), self.final[self.on[span]]

    def subtract(self, end: datetime, amount: timedelta) -> datetime | None:
        """The latest moment of duty from which on so much lies before the end."""
        target = self.until(end) - amount
        span = bisect_right(self.before, target, 0, bisect_right(self.begins, end)) - 1
        return None if span < 0 else self.begins[span] + (target - self.before[span])


def lay_out(
    duty: Callable[[date], tuple[Shift, ...]],
    is_published: Callable[[date], bool],
    zone: ZoneInfo,
    first: date,
    end: date,
) -> DutyTable:
    """The days from `first` on, before `end`."""
    table = DutyTable(first.toordinal())
    passed, closed = timedelta(), datetime.min.replace(tzinfo=UTC)
    for ordinal in range(first.toordinal(), end.toordinal()):
        day = date.fromordinal(ordinal)
        table.midnights.append(_moment(day, MIDNIGHT, zone))
        table.worked.append(len(table.workdays))
        shifts = duty(day)
        for opens, closes in shifts:
            # Where the clock is put forward, a shift may begin in an hour that is not there.
            begin, closed = max(_moment(day, opens, zone), closed), max(_end(day, closes, zone), closed)
            if begin < closed:
                table.begins.append(begin)
                table.ends.append(closed)
                table.before.append(passed)
                passed += closed - begin
                table.after.append(passed)
                table.on.append(len(table.workdays))
        if shifts:
            table.workdays.append(ordinal)
            table.closes.append(closed)
            table.final.append(is_published(day))
    table.midnights.append(_moment(end, MIDNIGHT, zone))
    table.worked.append(len(table.workdays))
    return table


def _end(day: date, at: time, zone: ZoneInfo) -> datetime:
    return _moment(day + _ONE_DAY if at == MIDNIGHT else day, at, zone)


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
