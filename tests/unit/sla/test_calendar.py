"""Working time by the State Council's arrangement, in rows a clerk could check against a wall calendar."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sla.domain.calendar import (
    WorkingCalendar,
    add_working,
    add_working_days,
    due,
    due_after,
    rolled_forward,
    subtract_working_days,
    used,
    working_between,
    working_days_between,
)
from services.sla.domain.calendars import DutyCalendar, ExtraDay, Season
from services.sla.domain.limit import Limit
from tests.unit.sla.builders import local, wall
from tests.unit.sla.shipped_calendar import CALENDARS, STATE, calendar_of, shift, state_calendar


@pytest.mark.parametrize(
    ("start", "days", "last"),
    [
        # Friday 2026-09-18 + 5: Sunday 20 works (for 中秋), so 20, 21, 22, 23, 24 -> Thursday 09-24
        ("2026-09-18", 5, "2026-09-24"),
        # Wednesday 2026-09-30 + 5: off 10-01 to 10-07; 8, 9, Saturday 10 works, 12, 13 -> Tuesday 10-13
        ("2026-09-30", 5, "2026-10-13"),
        # Friday 2026-02-13 + 5: Saturday 14 works, off 15 to 23; 24, 25, 26, 27 -> Friday 02-27
        ("2026-02-13", 5, "2026-02-27"),
        # a count that starts on a day off starts with the next working day
        ("2026-10-03", 1, "2026-10-08"),
        # Friday -> Monday, an ordinary week
        ("2026-11-20", 1, "2026-11-23"),
    ],
)
def test_working_days_as_the_field_counts_them(start: str, days: int, last: str) -> None:
    first, until = date.fromisoformat(start), date.fromisoformat(last)
    assert add_working_days(first, days, STATE) == until
    assert working_days_between(first, until, STATE) == days


OFF_2026 = [
    ("01-01", "01-03"),
    ("02-15", "02-23"),
    ("04-04", "04-06"),
    ("05-01", "05-05"),
    ("06-19", "06-21"),
    ("09-25", "09-27"),
    ("10-01", "10-07"),
]
MADE_UP_2026 = ["01-04", "02-14", "02-28", "05-09", "09-20", "10-10"]


def test_2026_is_the_state_councils_2026() -> None:
    off: set[date] = set()
    for first, last in OFF_2026:
        day = date.fromisoformat(f"2026-{first}")
        while day <= date.fromisoformat(f"2026-{last}"):
            off.add(day)
            day += timedelta(days=1)
    made_up = {date.fromisoformat(f"2026-{day}") for day in MADE_UP_2026}
    for number in range(365):
        day = date(2026, 1, 1) + timedelta(days=number)
        expected = day in made_up or (day not in off and day.weekday() < 5)
        assert CALENDARS.edition.is_working_day(day) is expected, day


def test_every_year_with_a_notice_is_as_chinesecalendar_has_it() -> None:
    day = date(2004, 1, 1)
    while day <= date(2026, 12, 31):
        assert bool(STATE.duty(day)) is bool(chinese_calendar.is_workday(day)), day
        assert STATE.is_published(day)
        day += timedelta(days=1)
    assert not STATE.is_published(day)


def test_the_library_knows_no_more_years_than_are_shipped() -> None:
    """When it learns 2027, this fails: ship the year (`deploy/calendar/library.py` writes it down)."""
    with pytest.raises(NotImplementedError):
        chinese_calendar.is_workday(date(max(CALENDARS.edition.years) + 1, 1, 1))


@pytest.mark.parametrize(
    ("start", "limit", "until"),
    [
        # clock time runs at night and on holidays
        ("2026-09-30 17:50", "15 clock_minute", "2026-09-30 18:05"),
        ("2026-09-30 17:50", "24 clock_hour", "2026-10-01 17:50"),
        ("2026-09-24 16:00", "7 clock_day", "2026-10-01 16:00"),
        ("2026-09-18 16:00", "3 clock_second", "2026-09-18 16:00:03"),
        # hours of duty count at once: Friday 16:00 + 4 -> two hours today, two on the made-up Sunday
        ("2026-09-18 16:00", "4 working_hour", "2026-09-20 10:00"),
        # over lunch: 11:00 + 4 -> one before, three after
        ("2026-11-23 11:00", "4 working_hour", "2026-11-23 17:00"),
        # to the last minute of duty
        ("2026-11-23 08:00", "8 working_hour", "2026-11-23 18:00"),
        # asked in the lunch break, in the evening, before an ordinary weekend
        ("2026-11-23 12:30", "4 working_hour", "2026-11-23 18:00"),
        ("2026-11-23 19:00", "4 working_hour", "2026-11-24 12:00"),
        ("2026-11-20 16:00", "4 working_hour", "2026-11-23 10:00"),
        # days start tomorrow and end with duty, however early or late today it was
        ("2026-09-18 08:00", "5 working_day", "2026-09-24 18:00"),
        ("2026-09-18 23:00", "5 working_day", "2026-09-24 18:00"),
        ("2026-11-20 16:00", "1 working_day", "2026-11-23 18:00"),
        # 自然日: the seventh day after 09-24 is 10-01, a holiday -> the first working day after it
        ("2026-09-24 16:00", "7 calendar_day", "2026-10-08 18:00"),
        ("2026-11-23 16:00", "7 calendar_day", "2026-11-30 18:00"),
    ],
)
def test_when_it_is_due(start: str, limit: str, until: str) -> None:
    assert wall(due(local(start), Limit.parse(limit), STATE).at) == until


@pytest.mark.parametrize(
    ("start", "limit", "yellow"),
    [
        ("2026-09-18 16:00", "100 clock_minute", "2026-09-18 17:20"),
        # 0.8 of five days: the end of duty on the fourth; today does not count
        ("2026-09-18 16:00", "5 working_day", "2026-09-23 18:00"),
        # 0.8 of 4 hours = 3 h 12
        ("2026-11-20 16:00", "4 working_hour", "2026-11-23 09:12"),
    ],
)
def test_when_four_fifths_are_used(start: str, limit: str, yellow: str) -> None:
    granted = due(local(start), Limit.parse(limit), STATE)
    assert wall(used(0.8, Limit.parse(limit), granted, STATE)) == yellow


@pytest.mark.parametrize(
    ("start", "limit", "provisional"),
    [
        ("2026-12-24 10:00", "5 working_day", False),  # -> Thursday 12-31
        ("2026-12-24 10:00", "6 working_day", True),  # -> 2027, whose notice is not published
        ("2026-12-31 17:00", "2 working_hour", True),
        ("2026-12-31 17:00", "24 clock_hour", False),  # no calendar needed
    ],
)
def test_what_depends_on_a_year_without_a_notice_is_provisional(start: str, limit: str, provisional: bool) -> None:
    assert due(local(start), Limit.parse(limit), STATE).provisional is provisional


@pytest.mark.parametrize(
    ("day", "days", "first"),
    [
        ("2026-09-24", 5, "2026-09-18"),
        ("2026-10-13", 5, "2026-09-30"),
        ("2026-02-27", 5, "2026-02-13"),
        # from a day off: the day before it is the first
        ("2026-10-05", 1, "2026-09-30"),
    ],
)
def test_working_days_counted_backwards(day: str, days: int, first: str) -> None:
    assert subtract_working_days(date.fromisoformat(day), days, STATE) == date.fromisoformat(first)


@pytest.mark.parametrize("count", [0, -1])
def test_no_day_is_counted_less_than_once(count: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        add_working_days(date(2026, 11, 23), count, STATE)


@pytest.mark.parametrize(
    ("day", "to"),
    [("2026-09-30", "2026-09-30"), ("2026-10-01", "2026-10-08"), ("2026-10-10", "2026-10-10")],
)
def test_a_last_day_on_a_holiday_rolls_forward(day: str, to: str) -> None:
    assert rolled_forward(date.fromisoformat(day), STATE) == date.fromisoformat(to)


def test_a_unit_may_have_its_own_hours() -> None:
    nights = state_calendar(hours=(shift(20, 23),))
    assert wall(due(local("2026-11-23 10:00"), Limit.parse("4 working_hour"), nights).at) == "2026-11-24 21:00"


@pytest.mark.parametrize(
    ("start", "limit", "until"),
    [
        # Thursday 04-30, 2 h in the afternoon; off until 05-05, and from May on the afternoon begins at 15
        ("2026-04-30 16:00", "8 working_hour", "2026-05-06 17:00"),
        ("2026-04-30 16:00", "1 working_day", "2026-05-06 18:00"),
        # Wednesday 09-30 is the last day of summer hours
        ("2026-09-30 14:30", "2 working_hour", "2026-09-30 17:00"),
        # closed on Monday 2026-07-13; Tuesday morning only
        ("2026-07-10 17:00", "4 working_hour", "2026-07-14 11:00"),
        ("2026-07-10 17:00", "7 working_hour", "2026-07-15 10:00"),
        ("2026-07-10 17:00", "2 working_day", "2026-07-15 18:00"),
        # a Saturday worked here alone
        ("2026-07-17 17:00", "2 working_hour", "2026-07-18 09:00"),
    ],
)
def test_summer_hours_half_days_and_closures(start: str, limit: str, until: str) -> None:
    own = DutyCalendar(
        seasons=(
            Season((5, 1), (shift(8, 12), shift(15, 18))),
            Season((10, 1), (shift(8, 12), shift(14, 18))),
        ),
        off={date(2026, 7, 13): "停电检修"},
        on={date(2026, 7, 14): ExtraDay("停电检修", (shift(8, 12),)), date(2026, 7, 18): ExtraDay("防汛值守")},
    )
    assert wall(due(local(start), Limit.parse(limit), calendar_of(own)).at) == until


ROUND_THE_CLOCK = calendar_of(DutyCalendar(seasons=(Season((1, 1), (shift(0, 24),)),), weekdays=frozenset(range(7))))


@pytest.mark.parametrize(
    ("start", "limit", "until"),
    [
        ("2026-09-30 23:00", "4 working_hour", "2026-10-01 03:00"),
        ("2026-09-30 16:00", "48 working_hour", "2026-10-02 16:00"),
        # a day of duty ends at 24:00, that is when the next one begins
        ("2026-09-30 16:00", "2 working_day", "2026-10-03 00:00"),
        ("2026-09-30 16:00", "7 calendar_day", "2026-10-08 00:00"),
    ],
)
def test_round_the_clock(start: str, limit: str, until: str) -> None:
    found = due(local(start), Limit.parse(limit), ROUND_THE_CLOCK)
    assert wall(found.at) == until
    assert not found.provisional


def test_the_midnight_that_ends_a_friday_is_friday() -> None:
    """Duty until 24:00 on working days: what ends with Friday does not wait for Monday."""
    late = state_calendar(hours=(shift(16, 24),))
    seven = Limit.parse("7 calendar_day")
    saturday = local("2026-11-21 00:00")
    assert wall(due_after(saturday - timedelta(days=3), timedelta(days=3), seven, late).at) == "2026-11-21 00:00"
    assert wall(due_after(saturday, timedelta(hours=1), seven, late).at) == "2026-11-24 00:00"


def test_duty_is_by_the_wall_clock_of_its_zone() -> None:
    """Berlin puts its clocks back on Sunday 2026-10-25; Monday's duty still begins at 8 there."""
    berlin = state_calendar(ZoneInfo("Europe/Berlin"))
    start = datetime(2026, 10, 23, 15, 0, tzinfo=UTC)  # Friday 17:00 there
    found = due(start, Limit.parse("2 working_hour"), berlin).at
    assert found == datetime(2026, 10, 26, 8, 0, tzinfo=UTC)  # Monday 09:00 there


@pytest.mark.parametrize(("day", "hours"), [("2026-10-25", 25), ("2026-03-29", 23), ("2026-06-01", 24)])
def test_a_day_has_the_hours_its_clock_gives_it(day: str, hours: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    always = calendar_of(DutyCalendar(seasons=(Season((1, 1), (shift(0, 24),)),), weekdays=frozenset(range(7))), berlin)
    midnight = datetime.combine(date.fromisoformat(day), time(0), berlin)
    after = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(0), berlin)
    assert working_between(midnight, after, always) == timedelta(hours=hours)


def test_a_shift_in_the_hour_that_the_clock_leaves_out_has_no_time() -> None:
    """Sunday 2026-03-29, 02:00–03:00 does not exist in Berlin."""
    nightly = calendar_of(
        DutyCalendar(seasons=(Season((1, 1), (shift(2, 3),)),), weekdays=frozenset(range(7))), ZoneInfo("Europe/Berlin")
    )
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert add_working(start, timedelta(minutes=30), nightly) == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)


def test_a_calendar_without_duty_is_an_error_and_not_an_endless_search() -> None:
    nobody = WorkingCalendar(lambda _day: (), lambda _day: True)
    with pytest.raises(ValueError, match="no duty"):
        due(local("2026-11-23 10:00"), Limit.parse("1 working_hour"), nobody)
    with pytest.raises(ValueError, match="no duty"):
        subtract_working_days(date(2026, 11, 23), 1, nobody)


def test_duty_that_ends_for_good_is_an_error_too() -> None:
    def until_2030(day: date) -> tuple[tuple[time, time], ...]:
        return (shift(8, 12),) if day.year < 2030 else ()

    closing = WorkingCalendar(until_2030, lambda _day: True)
    assert add_working_days(date(2029, 12, 30), 1, closing) == date(2029, 12, 31)
    with pytest.raises(ValueError, match="no duty"):
        add_working_days(date(2029, 12, 31), 1, closing)


def test_what_lies_beyond_the_calendar_is_said() -> None:
    with pytest.raises(ValueError, match="reaches from 1900"):
        add_working_days(date(9000, 1, 1), 1, STATE)


moments = st.timedeltas(timedelta(0), timedelta(days=8340)).map(lambda since: datetime(2004, 1, 1, tzinfo=UTC) + since)
amounts = st.timedeltas(timedelta(minutes=1), timedelta(hours=100))


@given(moments, amounts)
def test_adding_working_time_is_measuring_it(start: datetime, amount: timedelta) -> None:
    assert working_between(start, add_working(start, amount, STATE), STATE) == amount


@given(moments, amounts, amounts)
def test_adding_working_time_does_not_depend_on_the_path(start: datetime, one: timedelta, other: timedelta) -> None:
    assert add_working(add_working(start, one, STATE), other, STATE) == add_working(start, one + other, STATE)


@given(moments, st.timedeltas(timedelta(0), timedelta(days=30)), st.sampled_from(["3 working_day", "7 clock_day"]))
def test_who_starts_later_is_not_due_earlier(start: datetime, later: timedelta, limit: str) -> None:
    parsed = Limit.parse(limit)
    assert due(start, parsed, STATE).at <= due(start + later, parsed, STATE).at


@given(moments, st.sampled_from(["1 working_day", "2 working_day", "3 working_day", "5 working_day", "4 working_hour"]))
def test_half_the_limit_is_never_the_longer_clock(start: datetime, limit: str) -> None:
    whole = Limit.parse(limit)
    assert due(start, whole.times(0.5), STATE).at <= due(start, whole, STATE).at


@given(moments, st.sampled_from(["1 working_day", "4 working_hour", "15 clock_day", "7 calendar_day"]))
def test_yellow_lies_between_start_and_due(start: datetime, limit: str) -> None:
    granted = due(start, Limit.parse(limit), STATE)
    assert start < used(0.8, Limit.parse(limit), granted, STATE) < granted.at


@pytest.mark.parametrize(
    ("limit", "factor", "result"),
    [
        ("1 working_day", 0.5, "4 working_hour"),
        ("2 working_day", 0.5, "1 working_day"),
        ("5 working_day", 0.25, "10 working_hour"),
        ("15 clock_day", 0.5, "7.5 clock_day"),
        ("7 calendar_day", 0.5, "84 clock_hour"),
        ("15 clock_minute", 0.5, "7.5 clock_minute"),
    ],
)
def test_parts_of_limits(limit: str, factor: float, result: str) -> None:
    assert str(Limit.parse(limit).times(factor)) == result


@pytest.mark.parametrize(
    "written", ["", "10", "10 minutes", "-1 clock_hour", "0 clock_hour", "1.5 working_day", "1e9 clock_day"]
)
def test_what_is_no_limit(written: str) -> None:
    with pytest.raises(ValueError, match=r"limit|amount|whole"):
        Limit.parse(written)
