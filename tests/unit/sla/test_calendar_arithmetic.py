"""Any calendar, any moment: the look-up gives what counting with a finger gives, and goes back the way it came."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from services.sla.domain.calendar import (
    SHANGHAI,
    WorkingCalendar,
    add_working,
    add_working_days,
    due,
    rolled_forward,
    subtract_working,
    subtract_working_days,
    working_between,
    working_days_between,
)
from services.sla.domain.calendars import DutyCalendar, ExtraDay, Season
from services.sla.domain.duty_table import Shift
from services.sla.domain.limit import Limit
from tests.unit.sla import naive_calendar as naive
from tests.unit.sla.shipped_calendar import STATE, calendar_of, shift

unhurried = settings(deadline=None)
"""A calendar with a minute of duty a week is laid out over decades."""

ALL_DAY = (shift(0, 24),)
FEW, MANY = timedelta(microseconds=1), timedelta(hours=40)
FROM, UNTIL = date(2024, 1, 1), date(2027, 12, 31)


@st.composite
def hours(draw: st.DrawFn) -> tuple[Shift, ...]:
    """One to three shifts, to the minute; the last may end at 24:00."""
    marks = sorted(draw(st.sets(st.integers(0, 24 * 60), min_size=2, max_size=6)))
    pairs = list(zip(marks[::2], marks[1::2], strict=False))
    return tuple((time(a // 60, a % 60), time(b // 60 % 24, b % 60)) for a, b in pairs)


days = st.dates(FROM, UNTIL)
own_calendars = st.builds(
    DutyCalendar,
    seasons=st.one_of(
        st.just((Season((1, 1), ALL_DAY),)),
        st.dictionaries(st.tuples(st.integers(1, 12), st.integers(1, 28)), hours(), min_size=1, max_size=3).map(
            lambda found: tuple(Season(since, found[since]) for since in sorted(found))
        ),
    ),
    weekdays=st.none() | st.frozensets(st.integers(0, 6), min_size=1),
    off=st.dictionaries(days, st.just("停业"), max_size=40),
    on=st.dictionaries(days, st.builds(ExtraDay, st.just("值守"), hours() | st.just(())), max_size=10),
)
zones = st.sampled_from([SHANGHAI, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("UTC")])
calendars = st.one_of(st.just(STATE), st.builds(calendar_of, own_calendars, zones))
LIMITS = ["1 working_day", "5 working_day", "250 working_day", "4 working_hour", "0.5 working_hour", "7 calendar_day"]

FORWARDS = datetime(2026, 3, 29, tzinfo=UTC)
"""When clocks are put forward in Berlin."""

moments = st.one_of(
    st.timedeltas(timedelta(), timedelta(days=1400)).map(lambda since: datetime(2024, 1, 1, tzinfo=UTC) + since),
    st.timedeltas(timedelta(days=-2), timedelta(days=2)).map(lambda since: FORWARDS + since),
)
amounts = st.timedeltas(FEW, MANY)
counts = st.integers(1, 400)


def in_the_gap(calendar: WorkingCalendar, day: date) -> bool:
    """Whether the clock is put forward on that day: a shift in the hour left out is another matter."""
    at = datetime.combine(day, time(0), calendar.zone)
    return at.utcoffset() != (at + timedelta(days=1)).utcoffset() and calendar.duty(day) != ALL_DAY


def away_from_gaps(calendar: WorkingCalendar, start: datetime, until: datetime) -> bool:
    if calendar.zone in (SHANGHAI, ZoneInfo("UTC")):
        return True
    first, last = start.date() - timedelta(days=2), until.date() + timedelta(days=2)
    return not any(in_the_gap(calendar, first + timedelta(days=n)) for n in range((last - first).days))


# --- equal to counting -------------------------------------------------------------------------------------


@unhurried
@given(calendars, moments, amounts | st.just(timedelta()))
def test_adding_is_counting_forwards(calendar: WorkingCalendar, start: datetime, amount: timedelta) -> None:
    expected = naive.add_working(start, amount, calendar)
    assume(away_from_gaps(calendar, start, expected))
    assert add_working(start, amount, calendar) == expected


@unhurried
@given(calendars, moments, amounts | st.just(timedelta()))
def test_subtracting_is_counting_backwards(calendar: WorkingCalendar, end: datetime, amount: timedelta) -> None:
    expected = naive.subtract_working(end, amount, calendar)
    assume(away_from_gaps(calendar, expected, end))
    assert subtract_working(end, amount, calendar) == expected


@unhurried
@given(calendars, moments, st.timedeltas(timedelta(days=-3), timedelta(days=90)))
def test_what_lies_between_is_counted(calendar: WorkingCalendar, start: datetime, length: timedelta) -> None:
    assume(away_from_gaps(calendar, start, start + length))
    assert working_between(start, start + length, calendar) == naive.working_between(start, start + length, calendar)


@unhurried
@given(calendars, days, counts)
def test_days_are_counted(calendar: WorkingCalendar, day: date, count: int) -> None:
    last = naive.add_working_days(day, count, calendar)
    assert add_working_days(day, count, calendar) == last
    assert working_days_between(day, last, calendar) == count
    assert subtract_working_days(day, count, calendar) == naive.subtract_working_days(day, count, calendar)
    assert rolled_forward(day, calendar) == next(naive.days_from(day, calendar))


@unhurried
@given(
    calendars,
    moments,
    st.sampled_from(LIMITS).map(Limit.parse),
)
def test_when_it_is_due_is_counted(calendar: WorkingCalendar, start: datetime, limit: Limit) -> None:
    expected = naive.due(start, limit, calendar)
    assume(away_from_gaps(calendar, start, expected.at))
    assert due(start, limit, calendar) == expected


# --- what holds for any of them ------------------------------------------------------------------------------


@unhurried
@given(calendars, moments, amounts)
def test_what_was_added_lies_between(calendar: WorkingCalendar, start: datetime, amount: timedelta) -> None:
    assert working_between(start, add_working(start, amount, calendar), calendar) == amount
    assert working_between(subtract_working(start, amount, calendar), start, calendar) == amount


@unhurried
@given(calendars, moments, amounts)
def test_there_and_back(calendar: WorkingCalendar, start: datetime, amount: timedelta) -> None:
    """Back to the start, or to where duty ended before it: what lies in between is no time of duty."""
    back = subtract_working(add_working(start, amount, calendar), amount, calendar)
    assert working_between(min(back, start), max(back, start), calendar) == timedelta()
    there = add_working(subtract_working(start, amount, calendar), amount, calendar)
    assert working_between(min(there, start), max(there, start), calendar) == timedelta()


@unhurried
@given(calendars, moments, amounts, amounts)
def test_in_two_steps_as_in_one(calendar: WorkingCalendar, start: datetime, one: timedelta, other: timedelta) -> None:
    twice = add_working(add_working(start, one, calendar), other, calendar)
    assert twice == add_working(start, one + other, calendar)
    back = subtract_working(subtract_working(start, one, calendar), other, calendar)
    assert back == subtract_working(start, one + other, calendar)


@unhurried
@given(calendars, days, counts, counts)
def test_days_in_two_steps_as_in_one(calendar: WorkingCalendar, day: date, one: int, other: int) -> None:
    forwards = add_working_days(add_working_days(day, one, calendar), other, calendar)
    assert forwards == add_working_days(day, one + other, calendar)
    backwards = subtract_working_days(subtract_working_days(day, one, calendar), other, calendar)
    assert backwards == subtract_working_days(day, one + other, calendar)


@unhurried
@given(calendars, days, counts)
def test_days_there_and_back(calendar: WorkingCalendar, day: date, count: int) -> None:
    """From a working day one is back on it; from a day off, on the working day before it, or after it."""
    on = rolled_forward(day, calendar)
    assert subtract_working_days(add_working_days(on, count, calendar), count, calendar) == on
    assert add_working_days(subtract_working_days(on, count, calendar), count, calendar) == on


@unhurried
@given(calendars, moments, st.timedeltas(timedelta(), timedelta(days=30)), amounts, amounts)
def test_later_and_longer_is_never_earlier(
    calendar: WorkingCalendar, start: datetime, later: timedelta, amount: timedelta, more: timedelta
) -> None:
    assert add_working(start, amount, calendar) <= add_working(start + later, amount, calendar)
    assert add_working(start, amount, calendar) < add_working(start, amount + more, calendar)
    assert subtract_working(start, amount, calendar) <= subtract_working(start + later, amount, calendar)
    assert subtract_working(start, amount + more, calendar) < subtract_working(start, amount, calendar)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.dates(date(2015, 1, 1), date(2040, 1, 1)), counts), min_size=2, max_size=4))
@example([(date(2026, 9, 18), 5), (date(1950, 1, 1), 400), (date(2099, 12, 31), 400)])
def test_what_was_asked_before_makes_no_difference(asked: list[tuple[date, int]]) -> None:
    one = calendar_of(DutyCalendar())
    answers = [add_working_days(day, count, one) for day, count in asked]
    other = calendar_of(DutyCalendar())
    assert [add_working_days(day, count, other) for day, count in reversed(asked)] == answers[::-1]


@pytest.mark.parametrize("zone", [SHANGHAI, ZoneInfo("Europe/Berlin")])
def test_the_zone_in_which_a_moment_is_written_makes_no_difference(zone: ZoneInfo) -> None:
    start = datetime(2026, 9, 18, 8, tzinfo=UTC)
    limit = Limit.parse("5 working_day")
    assert due(start.astimezone(zone), limit, STATE) == due(start, limit, STATE)
    assert add_working(start.astimezone(zone), MANY, STATE) == add_working(start, MANY, STATE)
    assert subtract_working(start.astimezone(zone), MANY, STATE) == subtract_working(start, MANY, STATE)
