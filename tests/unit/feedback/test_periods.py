"""统计周期: which days belong to which period, and what it is called."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.domain.measuring.periods import Period, following, last_ended, period, period_named, previous
from services.feedback.domain.measuring.scoring import Rhythm, Scoring

FIRST = Scoring(version="1")
NINETEENTH = Scoring(version="1", month_begins_on=19)


@pytest.mark.parametrize(
    ("scoring", "rhythm", "a_day", "name", "first", "last"),
    [
        (FIRST, Rhythm.DAY, "2026-11-23", "2026-11-23", "2026-11-23", "2026-11-23"),
        (FIRST, Rhythm.WEEK, "2026-11-23", "2026-W48", "2026-11-23", "2026-11-29"),  # Monday
        (FIRST, Rhythm.WEEK, "2027-01-03", "2026-W53", "2026-12-28", "2027-01-03"),  # the week's year is 2026
        (FIRST, Rhythm.MONTH, "2026-11-30", "2026-11", "2026-11-01", "2026-11-30"),
        (FIRST, Rhythm.MONTH, "2028-02-10", "2028-02", "2028-02-01", "2028-02-29"),
        (FIRST, Rhythm.QUARTER, "2026-11-23", "2026-Q4", "2026-10-01", "2026-12-31"),
        (FIRST, Rhythm.YEAR, "2026-11-23", "2026", "2026-01-01", "2026-12-31"),
        # The month from the 19th is called after the month in which it ends.
        (NINETEENTH, Rhythm.MONTH, "2026-11-18", "2026-11", "2026-10-19", "2026-11-18"),
        (NINETEENTH, Rhythm.MONTH, "2026-11-19", "2026-12", "2026-11-19", "2026-12-18"),
        (NINETEENTH, Rhythm.MONTH, "2026-12-31", "2027-01", "2026-12-19", "2027-01-18"),
        (NINETEENTH, Rhythm.QUARTER, "2026-12-18", "2026-Q4", "2026-09-19", "2026-12-18"),
        (NINETEENTH, Rhythm.QUARTER, "2026-12-19", "2027-Q1", "2026-12-19", "2027-03-18"),
        (NINETEENTH, Rhythm.YEAR, "2026-12-18", "2026", "2025-12-19", "2026-12-18"),
        # Weeks and days know nothing of it.
        (NINETEENTH, Rhythm.WEEK, "2026-11-19", "2026-W47", "2026-11-16", "2026-11-22"),
    ],
)
def test_a_day_belongs_to_a_period(
    scoring: Scoring, rhythm: Rhythm, a_day: str, name: str, first: str, last: str
) -> None:
    found = period(rhythm, date.fromisoformat(a_day), scoring)
    assert (found.name, found.first.isoformat(), found.last.isoformat()) == (name, first, last)


def test_a_period_is_from_midnight_to_midnight_in_shanghai_told_in_utc() -> None:
    november = period_named(Rhythm.MONTH, "2026-11", FIRST)
    assert november.start == datetime(2026, 10, 31, 16, tzinfo=UTC)  # 11-01 00:00 +08:00
    assert november.end == datetime(2026, 11, 30, 16, tzinfo=UTC)  # 12-01 00:00 +08:00


@pytest.mark.parametrize(
    ("now", "name"),
    [
        (datetime(2026, 11, 30, 15, 59, 59, tzinfo=UTC), "2026-10"),  # 23:59:59 in Shanghai: November goes on
        (datetime(2026, 11, 30, 16, 0, 0, tzinfo=UTC), "2026-11"),
    ],
)
def test_the_last_period_that_is_over(now: datetime, name: str) -> None:
    assert last_ended(Rhythm.MONTH, now, FIRST).name == name


@pytest.mark.parametrize(
    ("rhythm", "name"),
    [
        (Rhythm.DAY, "2026-02-30"),
        (Rhythm.DAY, "2026-11"),
        (Rhythm.WEEK, "2025-W53"),  # 2025 has 52
        (Rhythm.WEEK, "2026-W00"),
        (Rhythm.MONTH, "2026-13"),
        (Rhythm.MONTH, "2026-11 "),
        (Rhythm.QUARTER, "2026-Q5"),
        (Rhythm.YEAR, "26"),
        (Rhythm.YEAR, "0000"),
        (Rhythm.YEAR, "２０２６"),
        (Rhythm.YEAR, ""),
    ],
)
def test_a_name_that_is_none_is_refused_with_an_example(rhythm: Rhythm, name: str) -> None:
    with pytest.raises(ValueError, match=r"应写作 .* · .*write it like 2026"):
        period_named(rhythm, name, FIRST)


@given(
    rhythm=st.sampled_from(list(Rhythm)),
    a_day=st.dates(date(1990, 1, 1), date(2200, 1, 1)),
    begins=st.integers(1, 28),
)
def test_periods_follow_each_other_without_gap_or_overlap(rhythm: Rhythm, a_day: date, begins: int) -> None:
    scoring = Scoring(version="1", month_begins_on=begins)
    found: Period = period(rhythm, a_day, scoring)
    after = following(found, scoring)
    assert found.first <= a_day <= found.last
    assert after.start == found.end
    assert after.first == found.last + timedelta(days=1)
    assert previous(after, scoring) == found
    assert period_named(rhythm, found.name, scoring) == found
    assert after.name != found.name
