"""What a count from the command line comes to: `5wd` after a day, and what lies between two."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from services.sla.domain.calendar import (
    WorkingCalendar,
    add_working_days,
    due,
    rolled_forward,
    subtract_working,
    subtract_working_days,
    working_between,
    working_days_between,
)
from services.sla.domain.limit import CLOCK, DAYS, Limit, TimeUnit

UNITS = {
    "wd": TimeUnit.WORKING_DAY,
    "wh": TimeUnit.WORKING_HOUR,
    "cd": TimeUnit.CALENDAR_DAY,
    "d": TimeUnit.CLOCK_DAY,
    "h": TimeUnit.CLOCK_HOUR,
    "min": TimeUnit.CLOCK_MINUTE,
}
_WRITTEN = re.compile(rf"^([-+]?)(\d+(?:\.\d+)?)\s*({'|'.join(UNITS)})$")
_MIDNIGHT = time(0)


class NotCountable(ValueError):
    """What was written means no count, or no time; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Count:
    """How much is added, or (`backwards`) taken off."""

    limit: Limit
    backwards: bool

    @classmethod
    def parse(cls, written: str) -> "Count":
        """Read `5wd`, `-4wh`, `24h`."""
        match = _WRITTEN.match(written)
        if match is None:
            raise NotCountable(
                f"{written} 不是时长；请写 5wd（工作日）、4wh（工作小时）、7cd（自然日）、7d、24h、30min，减则加负号。"
                f" {written} is no length of time; write 5wd, 4wh, 7cd, 7d, 24h or 30min, with - to go back"
            )
        try:
            return cls(Limit(float(match[2]), UNITS[match[3]]), match[1] == "-")
        except ValueError as error:
            raise NotCountable(f"{written}：数量不对；日数须为整数。 {error}") from None


@dataclass(frozen=True, slots=True)
class Start:
    """A day, or a moment of it by the clock on the wall."""

    day: date
    clock: time | None = None

    @classmethod
    def parse(cls, written: str) -> "Start":
        try:
            if len(written) <= len("2026-09-18"):
                return cls(date.fromisoformat(written))
            moment = datetime.fromisoformat(written)
        except ValueError:
            raise NotCountable(
                f"{written} 不是日期；请写 2026-09-18 或 2026-09-18T16:00。"
                f" {written} is no date; write 2026-09-18 or 2026-09-18T16:00"
            ) from None
        if moment.tzinfo is not None:
            raise NotCountable(
                f"{written}：请写当地时间，不带时区。 {written}: write the time on the wall, without a zone"
            )
        return cls(moment.date(), moment.time())

    def at(self, calendar: WorkingCalendar) -> datetime:
        return datetime.combine(self.day, self.clock or _MIDNIGHT, calendar.zone)


@dataclass(frozen=True, slots=True)
class Counted:
    """A day, with the time where one was asked for. `final`: the year it lies in is published."""

    day: date
    clock: time | None
    final: bool

    def __str__(self) -> str:
        if self.clock is None:
            return self.day.isoformat()
        shown = "seconds" if self.clock.second else "minutes"
        return f"{self.day.isoformat()} {self.clock.isoformat(shown)}"


def counted(start: Start, count: Count, calendar: WorkingCalendar) -> Counted:
    """What the count comes to. A day and a count in days give a day, anything else a moment."""
    limit = count.limit
    if limit.unit in DAYS and (start.clock is None or count.backwards):
        day = _day(start.day, limit, calendar, backwards=count.backwards)
        return Counted(day, None, calendar.is_published(day))
    if count.backwards:
        return _back(start, limit, calendar)
    found = due(start.at(calendar), limit, calendar)
    return _shown(found.at, start, limit, calendar, final=not found.provisional)


def _day(day: date, limit: Limit, calendar: WorkingCalendar, *, backwards: bool) -> date:
    amount = int(limit.amount)
    if limit.unit is TimeUnit.WORKING_DAY:
        return (subtract_working_days if backwards else add_working_days)(day, amount, calendar)
    if backwards:
        raise NotCountable(
            "自然日末日遇休顺延，不能倒数；请用 -7d。 Calendar days do not go back, as the last one moves; write -7d"
        )
    return rolled_forward(day + timedelta(days=amount), calendar)


def _back(start: Start, limit: Limit, calendar: WorkingCalendar) -> Counted:
    moment = start.at(calendar)
    if limit.unit is TimeUnit.WORKING_HOUR:
        at = subtract_working(moment, timedelta(hours=limit.amount), calendar)
    else:
        at = moment.astimezone(UTC) - limit.amount * CLOCK[limit.unit]
    final = limit.unit in CLOCK or calendar.is_published(at.astimezone(calendar.zone).date())
    return _shown(at, start, limit, calendar, final=final)


def _shown(at: datetime, start: Start, limit: Limit, calendar: WorkingCalendar, *, final: bool) -> Counted:
    local = at.astimezone(calendar.zone)
    whole_days = limit.unit is TimeUnit.CLOCK_DAY and limit.amount == int(limit.amount)
    return Counted(local.date(), None if whole_days and start.clock is None else local.time(), final)


@dataclass(frozen=True, slots=True)
class Between:
    """Working days after the first day until the last, and the time of duty."""

    days: int
    duty: timedelta
    final: bool

    def __str__(self) -> str:
        hours = self.duty / timedelta(hours=1)
        return f"{self.days} working day(s) 个工作日, {hours:g} h of duty 工作小时"


def between(start: Start, end: Start, calendar: WorkingCalendar) -> Between:
    """What lies between two days (the first not counted, the last with all of it), or two moments."""
    # A count in days starts the next day (民法典 201), so a day stands for the midnight that ends it.
    first, last = (_counts_from(one).at(calendar) for one in (start, end))
    if last < first:
        raise NotCountable("后者早于前者；请对调。 The second lies before the first; swap them")
    days = working_days_between(start.day, end.day, calendar)
    return Between(days, working_between(first, last, calendar), calendar.is_published(end.day))


def _counts_from(one: Start) -> Start:
    return one if one.clock is not None else Start(one.day + timedelta(days=1))
