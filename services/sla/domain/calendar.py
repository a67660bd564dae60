"""When people are on duty, and what follows for a deadline.

The State Council arranges each year's holidays *with make-up working days* (调休), so no weekday rule is
right. A year whose notice is not published yet is counted by weekdays; what depends on it is provisional.

民法典 201: a count in days starts the next day, a count in hours at once. 203: a last day that is a holiday
is moved to the day after it, and the last day ends when duty ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from typing import Protocol
from zoneinfo import ZoneInfo

import chinese_calendar

from services.sla.domain.limit import CLOCK, DAYS, Limit, TimeUnit

SHANGHAI = ZoneInfo("Asia/Shanghai")
PUBLISHED_YEARS = range(2004, 2027)
"""The years chinesecalendar 1.11 knows the State Council's notice of."""
_LOOK_DAYS = 3660

Shift = tuple[time, time]


class WorkingCalendar(Protocol):
    """One unit's duty, day by day. Local closures or summer hours are another implementation of it."""

    @property
    def zone(self) -> ZoneInfo: ...

    def duty(self, day: date) -> tuple[Shift, ...]:
        """The hours of duty on that day, in order; none on a day off. The same answer every time."""
        ...

    def is_published(self, day: date) -> bool:
        """Whether that day's arrangement is final."""
        ...


@lru_cache(maxsize=20_000)
def is_working_day(day: date) -> bool:
    """By the State Council's arrangement; by weekday where no notice is known."""
    if day.year not in PUBLISHED_YEARS:
        return day.weekday() < 5
    return bool(chinese_calendar.is_workday(day))


@dataclass(frozen=True, slots=True)
class StateCalendar:
    """The State Council's working days with the same duty hours on each: 08:00–12:00, 14:00–18:00."""

    zone: ZoneInfo = SHANGHAI
    hours: tuple[Shift, ...] = ((time(8), time(12)), (time(14), time(18)))

    def duty(self, day: date) -> tuple[Shift, ...]:
        return self.hours if is_working_day(day) else ()

    def is_published(self, day: date) -> bool:
        return day.year in PUBLISHED_YEARS


# --- what follows for a deadline -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """When a limit is used up, UTC. `counts_from` = when it begins to be used; see `used`."""

    at: datetime
    counts_from: datetime
    provisional: bool = False


def due(start: datetime, limit: Limit, calendar: WorkingCalendar) -> Due:
    """When something that starts now and may take so long is due.

    - clock units, `clock_day` included: exactly so much later, night and holidays alike (n days = n × 24 h);
    - `working_hour`: at once, only hours of duty are used;
    - `working_day`: from the next day, until duty ends on the n-th working day;
    - `calendar_day`: from the next day, until duty ends on the n-th day, or on the first working day after
      it where that is a day off.
    """
    if limit.unit in CLOCK:
        return Due(start + limit.amount * CLOCK[limit.unit], start)
    begins = counts_from(start, limit, calendar)
    if limit.unit not in DAYS:
        at = add_working(begins, timedelta(hours=limit.amount), calendar)
        return Due(at, begins, not calendar.is_published(_day(at, calendar)))
    today, count = _day(start, calendar), int(limit.amount)
    if limit.unit is TimeUnit.WORKING_DAY:
        last = add_working_days(today, count, calendar)
    else:
        last = rolled_forward(today + timedelta(days=count), calendar)
    return Due(_spans(last, calendar)[-1][1], begins, not calendar.is_published(last))


def counts_from(start: datetime, limit: Limit | None, calendar: WorkingCalendar) -> datetime:
    """When a limit that starts now begins to be used: a count in days starts the next day (民法典 201)."""
    if limit is None or limit.unit not in DAYS:
        return start
    tomorrow = _day(start, calendar) + timedelta(days=1)
    return datetime.combine(tomorrow, time(0), calendar.zone).astimezone(UTC)


def used(part: float, limit: Limit | None, granted: Due, calendar: WorkingCalendar) -> datetime:
    """When that part of a granted limit is used: 0.8 of 5 working days is the end of duty on the fourth."""
    whole = between(granted.counts_from, granted.at, limit, calendar)
    return later(granted.counts_from, part * whole, limit, calendar)


# --- a limit's own time: working time for working hours and days, clock time for anything else ---------------


def later(start: datetime, amount: timedelta, limit: Limit | None, calendar: WorkingCalendar) -> datetime:
    """The moment by which so much of the limit's own time has passed."""
    return add_working(start, amount, calendar) if _is_working(limit) else start + amount


def between(start: datetime, end: datetime, limit: Limit | None, calendar: WorkingCalendar) -> timedelta:
    """How much of the limit's own time lies between two moments; none where the end comes first."""
    if _is_working(limit):
        return working_between(start, end, calendar)
    return max(end - start, timedelta())


def due_after(start: datetime, amount: timedelta, limit: Limit | None, calendar: WorkingCalendar) -> Due:
    """When so much of a limit's own time is used up. A count in calendar days ends on no day off, as in `due`."""
    at = later(start, amount, limit, calendar)
    if limit is None or limit.unit in CLOCK:
        return Due(at, start)
    day = _day(at, calendar)
    if limit.unit is TimeUnit.CALENDAR_DAY and not calendar.duty(day):
        day = rolled_forward(day, calendar)
        at = _spans(day, calendar)[-1][1]
    return Due(at, start, not calendar.is_published(day))


def _is_working(limit: Limit | None) -> bool:
    return limit is not None and limit.unit in (TimeUnit.WORKING_HOUR, TimeUnit.WORKING_DAY)


# --- arithmetic of working time ----------------------------------------------------------------------------


def add_working_days(day: date, count: int, calendar: WorkingCalendar) -> date:
    """The `count`-th working day after a day, whatever that day is."""
    return next(islice(_working_days(day + timedelta(days=1), calendar), count - 1, None))


def rolled_forward(day: date, calendar: WorkingCalendar) -> date:
    """The day itself, or the first working day after it where it is a day off."""
    return next(_working_days(day, calendar))


def add_working(start: datetime, amount: timedelta, calendar: WorkingCalendar) -> datetime:
    """The earliest moment by which so much time of duty has passed."""
    left = amount
    for day in _working_days(_day(start, calendar), calendar):
        for begin, end in _spans(day, calendar):
            useful = end - max(begin, start)
            if useful >= left:
                return end - useful + left
            left -= max(useful, timedelta())
    raise AssertionError("unreachable: the days of duty never end")


def working_between(start: datetime, end: datetime, calendar: WorkingCalendar) -> timedelta:
    """How much time of duty lies between two moments; none where the end comes first."""
    total = timedelta()
    last = _day(end, calendar)
    for day in _working_days(_day(start, calendar), calendar):
        if day > last:
            break
        for begin, finish in _spans(day, calendar):
            total += max(timedelta(), min(finish, end) - max(begin, start))
    return total


def _day(at: datetime, calendar: WorkingCalendar) -> date:
    return at.astimezone(calendar.zone).date()


def _working_days(start: date, calendar: WorkingCalendar) -> Iterator[date]:
    """Working days from `start` on. Raises ValueError if there is none in ten years."""
    day, idle = start, 0
    while idle < _LOOK_DAYS:
        if calendar.duty(day):
            idle = 0
            yield day
        idle += 1
        day += timedelta(days=1)
    raise ValueError(f"the calendar has no duty in the {_LOOK_DAYS} days before {day}")


def _spans(day: date, calendar: WorkingCalendar) -> list[tuple[datetime, datetime]]:
    """The day's hours of duty as moments, UTC."""
    return [
        (
            datetime.combine(day, begin, calendar.zone).astimezone(UTC),
            datetime.combine(day, end, calendar.zone).astimezone(UTC),
        )
        for begin, end in calendar.duty(day)
    ]
