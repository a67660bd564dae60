"""When people are on duty, and what follows for a deadline.

The State Council arranges each year's holidays *with make-up working days* (调休), so no weekday rule is
right. A year whose notice is not published yet is counted by weekdays; what depends on it is provisional.

民法典 201: a count in days starts the next day, a count in hours at once. 203: a last day that is a holiday
is moved to the day after it, and the last day ends when duty ends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from services.sla.domain.duty_table import DutyTable, Shift, lay_out
from services.sla.domain.limit import CLOCK, DAYS, Limit, TimeUnit

T = TypeVar("T")

SHANGHAI = ZoneInfo("Asia/Shanghai")
REACHES = (date(1900, 1, 1), date(2500, 1, 1))
_LOOK_DAYS = 3660
_ONE_DAY = timedelta(days=1)


class WorkingCalendar:
    """One unit's duty, day by day. Compared by what it is, not by what it says: keep the one you have.

    `duty` gives the shifts of a day in order, none on a day off; `is_published` whether the day's arrangement is
    final. Both give the same answer every time. Days are laid out as they are asked for.
    """

    def __init__(
        self,
        duty: Callable[[date], tuple[Shift, ...]],
        is_published: Callable[[date], bool],
        zone: ZoneInfo = SHANGHAI,
    ) -> None:
        self.duty = duty
        self.is_published = is_published
        self.zone = zone
        self._table = DutyTable(REACHES[0].toordinal())

    def around(self, at: datetime) -> DutyTable:
        """The days laid out, those around a moment among them."""
        if not self._table.covers(at):
            day = at.astimezone(self.zone).date()
            self._stretch(date(day.year - 1, 1, 1), date(day.year + 2, 1, 1))
        return self._table

    def around_day(self, day: date) -> DutyTable:
        if not self._table.has(day):
            self._stretch(date(day.year - 1, 1, 1), date(day.year + 2, 1, 1))
        return self._table

    def found(self, look: Callable[[DutyTable], T | None], table: DutyTable, *, backwards: bool = False) -> T:
        """The answer, from a table as long as it takes. Raises ValueError if there is no duty in ten years."""
        while (answer := look(table)) is None:
            table = self._longer(table, backwards)
        return answer

    def _longer(self, table: DutyTable, backwards: bool) -> DutyTable:
        first, end = date.fromordinal(table.first), date.fromordinal(table.first + len(table.midnights) - 1)
        edge, nearest = (first, 0) if backwards else (end, -1)
        idle = abs(table.workdays[nearest] - edge.toordinal()) if table.workdays else len(table.midnights)
        if edge in REACHES:
            raise ValueError(f"the calendar reaches from {REACHES[0]} to {REACHES[1]}, and that is too short for it")
        if idle > _LOOK_DAYS:
            raise ValueError(f"the calendar has no duty in the {idle} days {'after' if backwards else 'before'} {edge}")
        years = end.year - first.year  # as many again, so that laying out costs little more than once
        self._stretch(*((_year(first, -years), first) if backwards else (end, _year(end, years))))
        return self._table

    def _stretch(self, first: date, end: date) -> None:
        """Make a new table: one that is asked at the same time stays as it is."""
        held = self._table
        if held.midnights:
            first = min(first, date.fromordinal(held.first))
            end = max(end, date.fromordinal(held.first + len(held.midnights) - 1))
        if first < REACHES[0] or end > REACHES[1]:
            raise ValueError(f"the calendar reaches from {REACHES[0]} to {REACHES[1]}, not from {first} to {end}")
        self._table = lay_out(self.duty, self.is_published, self.zone, first, end)


def _year(day: date, years: int) -> date:
    return min(max(day.replace(year=day.year + years), REACHES[0]), REACHES[1])


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
    if limit.unit not in DAYS:
        at, final = _added(start, timedelta(hours=limit.amount), calendar)
        return Due(at, start, not final)
    moment = start.astimezone(UTC)
    return calendar.found(lambda table: _due_in_days(moment, limit, table), calendar.around(moment))


def _due_in_days(start: datetime, limit: Limit, table: DutyTable) -> Due | None:
    today, count = table.day_at(start), int(limit.amount)
    if limit.unit is TimeUnit.WORKING_DAY:
        last = table.working_day(today + 1, count)
    else:
        last = table.working_day(today + count, 1)
    return None if last is None else Due(table.closes[last], table.midnights[today + 1], not table.final[last])


def counts_from(start: datetime, limit: Limit | None, calendar: WorkingCalendar) -> datetime:
    """When a limit that starts now begins to be used: a count in days starts the next day (民法典 201)."""
    if limit is None or limit.unit not in DAYS:
        return start
    table = calendar.around(start)
    return table.midnights[table.day_at(start) + 1]


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
    if limit is None or limit.unit in CLOCK:
        return Due(start + amount, start)
    if limit.unit is not TimeUnit.CALENDAR_DAY:
        at, final = _added(start, amount, calendar)
        return Due(at, start, not final)
    at = start + amount
    return calendar.found(lambda table: _due_on_duty(start, at, table), calendar.around(at))


def _due_on_duty(start: datetime, at: datetime, table: DutyTable) -> Due | None:
    today = table.day_at(at)
    ended = table.working_day(today, -1)
    if ended is not None and table.closes[ended] == at:  # the midnight that ends a day of duty is part of it
        return Due(at, start, not table.final[ended])
    last = table.working_day(today, 1)
    if last is None:
        return None
    on_duty = table.workdays[last] == table.first + today
    return Due(at if on_duty else table.closes[last], start, not table.final[last])


def _is_working(limit: Limit | None) -> bool:
    return limit is not None and limit.unit in (TimeUnit.WORKING_HOUR, TimeUnit.WORKING_DAY)


# --- arithmetic of working time ----------------------------------------------------------------------------


def add_working_days(day: date, count: int, calendar: WorkingCalendar) -> date:
    """The `count`-th working day after a day, whatever that day is."""
    return _working_day(day + _ONE_DAY, _at_least_one(count), calendar)


def subtract_working_days(day: date, count: int, calendar: WorkingCalendar) -> date:
    """The `count`-th working day before a day, whatever that day is."""
    return _working_day(day, -_at_least_one(count), calendar)


def working_days_between(day: date, last: date, calendar: WorkingCalendar) -> int:
    """How many working days there are after a day, until and with the last."""
    calendar.around_day(day)
    table = calendar.around_day(last)
    return max(0, table.worked[table.place_of(last) + 1] - table.worked[table.place_of(day) + 1])


def rolled_forward(day: date, calendar: WorkingCalendar) -> date:
    """The day itself, or the first working day after it where it is a day off."""
    return _working_day(day, 1, calendar)


def add_working(start: datetime, amount: timedelta, calendar: WorkingCalendar) -> datetime:
    """The earliest moment of duty by which so much time of duty has passed."""
    return _added(start, amount, calendar)[0]


def subtract_working(end: datetime, amount: timedelta, calendar: WorkingCalendar) -> datetime:
    """The latest moment of duty from which on so much time of duty lies before the end."""
    end = end.astimezone(UTC)
    return calendar.found(lambda table: table.subtract(end, amount), calendar.around(end), backwards=True)


def working_between(start: datetime, end: datetime, calendar: WorkingCalendar) -> timedelta:
    """How much time of duty lies between two moments; none where the end comes first."""
    if end <= start:
        return timedelta()
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    calendar.around(start)
    table = calendar.around(end)
    return table.until(end) - table.until(start)


def _added(start: datetime, amount: timedelta, calendar: WorkingCalendar) -> tuple[datetime, bool]:
    start = start.astimezone(UTC)
    return calendar.found(lambda table: table.add(start, amount), calendar.around(start))


def _working_day(day: date, count: int, calendar: WorkingCalendar) -> date:
    def look(table: DutyTable) -> date | None:
        number = table.working_day(table.place_of(day), count)
        return None if number is None else date.fromordinal(table.workdays[number])

    return calendar.found(look, calendar.around_day(day), backwards=count < 0)


def _at_least_one(count: int) -> int:
    if count < 1:
        raise ValueError(f"{count} working days: count at least one")
    return count
