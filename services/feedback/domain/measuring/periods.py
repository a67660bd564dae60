"""统计周期: the days, weeks, statistical months, quarters and years for which units are measured. Pure.

A statistical month may begin on another day than the first, and is named after the month in which it ends: where it
begins on the 19th, 2026-11 lasts from 19 October to 18 November. A quarter is three of them, a year twelve; so 2026-Q4
lasts from 19 September to 18 December, and 2026 from 19 December 2025. A week is an ISO week, Monday to Sunday.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from services.feedback.domain.measuring.scoring import Rhythm, Scoring

SHANGHAI = ZoneInfo("Asia/Shanghai")

_ONE_DAY = timedelta(days=1)
_MONTHS = {Rhythm.MONTH: 1, Rhythm.QUARTER: 3, Rhythm.YEAR: 12}
_NAMES = {
    Rhythm.DAY: (re.compile(r"(\d{4})-(\d{2})-(\d{2})"), "2026-11-23"),
    Rhythm.WEEK: (re.compile(r"(\d{4})-W(\d{2})"), "2026-W48"),
    Rhythm.MONTH: (re.compile(r"(\d{4})-(\d{2})"), "2026-11"),
    Rhythm.QUARTER: (re.compile(r"(\d{4})-Q([1-4])"), "2026-Q4"),
    Rhythm.YEAR: (re.compile(r"(\d{4})"), "2026"),
}


@dataclass(frozen=True, slots=True)
class Period:
    """[`start`, `end`) in UTC: from the midnight at which the local day `first` begins to that at which `last` ends."""

    rhythm: Rhythm
    name: str
    first: date
    last: date
    start: datetime
    end: datetime


def period(rhythm: Rhythm, day: date, scoring: Scoring, zone: tzinfo = SHANGHAI) -> Period:
    """The period of this rhythm that holds a local day."""
    match rhythm:
        case Rhythm.DAY:
            return _between(rhythm, day.isoformat(), day, day, zone)
        case Rhythm.WEEK:
            year, week, weekday = day.isocalendar()
            monday = day - timedelta(days=weekday - 1)
            return _between(rhythm, f"{year:04}-W{week:02}", monday, monday + timedelta(days=6), zone)
        case _:
            return _of_months(rhythm, _month_of(day, scoring), scoring, zone)


def period_named(rhythm: Rhythm, name: str, scoring: Scoring, zone: tzinfo = SHANGHAI) -> Period:
    """The period that is so named. ValueError where there is none."""
    pattern, example = _NAMES[rhythm]
    found = pattern.fullmatch(name, 0, len(name)) if name.isascii() else None
    try:
        if found is None:
            raise ValueError(name)
        numbers = [int(text) for text in found.groups()]
        match rhythm:
            case Rhythm.DAY:
                return period(rhythm, date(*numbers), scoring, zone)
            case Rhythm.WEEK:
                return period(rhythm, date.fromisocalendar(numbers[0], numbers[1], 1), scoring, zone)
            case Rhythm.MONTH:
                return _of_months(rhythm, _months(date(numbers[0], numbers[1], 1)), scoring, zone)
            case Rhythm.QUARTER:
                return _of_months(rhythm, _months(date(numbers[0], numbers[1] * 3, 1)), scoring, zone)
            case Rhythm.YEAR:
                return _of_months(rhythm, _months(date(numbers[0], 12, 1)), scoring, zone)
    except (ValueError, OverflowError):
        raise ValueError(
            f"没有名为“{name}”的周期，应写作 {example}。 · There is no {rhythm} named {name!r}; "
            f"write it like {example}."
        ) from None


def previous(after: Period, scoring: Scoring, zone: tzinfo = SHANGHAI) -> Period:
    return period(after.rhythm, after.first - _ONE_DAY, scoring, zone)


def following(before: Period, scoring: Scoring, zone: tzinfo = SHANGHAI) -> Period:
    return period(before.rhythm, before.last + _ONE_DAY, scoring, zone)


def last_ended(rhythm: Rhythm, now: datetime, scoring: Scoring, zone: tzinfo = SHANGHAI) -> Period:
    """The last period that is over: one whose end is now is."""
    return previous(period(rhythm, now.astimezone(zone).date(), scoring, zone), scoring, zone)


def _between(rhythm: Rhythm, name: str, first: date, last: date, zone: tzinfo) -> Period:
    return Period(rhythm, name, first, last, _midnight(first, zone), _midnight(last + _ONE_DAY, zone))


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _of_months(rhythm: Rhythm, month: int, scoring: Scoring, zone: tzinfo) -> Period:
    """The month, or the quarter or year that holds it; months are counted through, January of year 0 is 0."""
    length = _MONTHS[rhythm]
    begins, ends = month // length * length, month // length * length + length - 1
    year, number = divmod(ends, 12)
    name = {
        Rhythm.MONTH: f"{year:04}-{number + 1:02}",
        Rhythm.QUARTER: f"{year:04}-Q{number // 3 + 1}",
        Rhythm.YEAR: f"{year:04}",
    }[rhythm]
    return _between(rhythm, name, _begins(begins, scoring), _begins(ends + 1, scoring) - _ONE_DAY, zone)


def _begins(month: int, scoring: Scoring) -> date:
    """The first day of a statistical month: in the month before, where it begins on another day than the first."""
    on = scoring.month_begins_on
    year, number = divmod(month if on == 1 else month - 1, 12)
    return date(year, number + 1, on)


def _month_of(day: date, scoring: Scoring) -> int:
    """The statistical month a day belongs to; from its beginning on, a day counts to the month that follows."""
    on = scoring.month_begins_on
    return _months(day) + (on > 1 and day.day >= on)


def _months(day: date) -> int:
    return day.year * 12 + day.month - 1
