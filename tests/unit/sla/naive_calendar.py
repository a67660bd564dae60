"""Working time counted day by day and shift by shift, as one would with a finger on a wall calendar.

What the calendar's arithmetic is compared with; it knows nothing of tables.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from services.sla.domain.calendar import Due, WorkingCalendar
from services.sla.domain.limit import CLOCK, DAYS, Limit, TimeUnit

DAY = timedelta(days=1)


def due(start: datetime, limit: Limit, calendar: WorkingCalendar) -> Due:
    if limit.unit in CLOCK:
        return Due(start + limit.amount * CLOCK[limit.unit], start)
    if limit.unit not in DAYS:
        at, day = _added(start, timedelta(hours=limit.amount), calendar)
        return Due(at, start, not calendar.is_published(day))
    today, count = day_of(start, calendar), int(limit.amount)
    begins = datetime.combine(today + DAY, time(0), calendar.zone).astimezone(UTC)
    if limit.unit is TimeUnit.WORKING_DAY:
        last = add_working_days(today, count, calendar)
    else:
        last = next(days_from(today + count * DAY, calendar))
    return Due(spans(last, calendar)[-1][1], begins, not calendar.is_published(last))


def add_working_days(day: date, count: int, calendar: WorkingCalendar) -> date:
    return next(islice(days_from(day + DAY, calendar), count - 1, None))


def subtract_working_days(day: date, count: int, calendar: WorkingCalendar) -> date:
    return next(islice(days_from(day - DAY, calendar, -DAY), count - 1, None))


def add_working(start: datetime, amount: timedelta, calendar: WorkingCalendar) -> datetime:
    return _added(start, amount, calendar)[0]


def _added(start: datetime, amount: timedelta, calendar: WorkingCalendar) -> tuple[datetime, date]:
    left = amount
    for day in days_from(day_of(start, calendar) - DAY, calendar):
        for begin, end in spans(day, calendar):
            useful = end - max(begin, start)
            if useful >= left:
                return end - useful + left, day
            left -= max(useful, timedelta())
    raise AssertionError("the days never end")


def subtract_working(end: datetime, amount: timedelta, calendar: WorkingCalendar) -> datetime:
    left = amount
    for day in days_from(day_of(end, calendar), calendar, -DAY):
        for begin, finish in reversed(spans(day, calendar)):
            useful = min(finish, end) - begin
            if useful >= left:
                return begin + useful - left
            left -= max(useful, timedelta())
    raise AssertionError("the days never end")


def working_between(start: datetime, end: datetime, calendar: WorkingCalendar) -> timedelta:
    total, last = timedelta(), day_of(end, calendar)
    for day in days_from(day_of(start, calendar) - DAY, calendar):
        if day > last:
            break
        for begin, finish in spans(day, calendar):
            total += max(timedelta(), min(finish, end) - max(begin, start))
    return total


def day_of(at: datetime, calendar: WorkingCalendar) -> date:
    return at.astimezone(calendar.zone).date()


def days_from(day: date, calendar: WorkingCalendar, step: timedelta = DAY) -> Iterator[date]:
    while True:
        if calendar.duty(day):
            yield day
        day += step


def spans(day: date, calendar: WorkingCalendar) -> list[tuple[datetime, datetime]]:
    return [
        (_moment(day, begin, calendar), _moment(day + DAY if end == time(0) else day, end, calendar))
        for begin, end in calendar.duty(day)
    ]


def _moment(day: date, at: time, calendar: WorkingCalendar) -> datetime:
    return datetime.combine(day, at, calendar.zone).astimezone(UTC)
