"""诉求激增: what is too much for a key, when it is told, and that what is usual is never too much."""

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.domain.live.surges import (
    SENSITIVITY,
    Change,
    Seen,
    Told,
    Watched,
    at_least,
    passed,
    seen,
    usual_per_day,
)
from shared.contracts.vocabulary import SurgeKind

START = datetime(2026, 3, 1, tzinfo=UTC)
PLACE = SENSITIVITY[SurgeKind.PLACE]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def whistles(*hours: float, first: int = 0) -> list[Seen]:
    return [Seen(START + HOUR * hour, UUID(int=first + number)) for number, hour in enumerate(hours)]


def watch(found: list[Seen], watched: Watched | None = None) -> tuple[Watched, list[Told]]:
    known = watched or Watched()
    told: list[Told] = []
    for one in found:
        known, more = seen(known, one, PLACE)
        told += more
    return known, told


def test_four_in_a_day_where_there_never_were_any_is_a_surge_told_once_with_all_of_them() -> None:
    _, told = watch(whistles(0, 3, 9, 20))
    ((change, surge, at),) = told
    assert (change, at) == (Change.BEGAN, START + HOUR * 20)
    assert surge.cases == tuple(UUID(int=number) for number in range(4))
    assert surge.since == START


def test_three_are_none() -> None:
    assert watch(whistles(0, 1, 2))[1] == []


def test_it_is_told_again_when_it_has_doubled_and_not_for_each_case() -> None:
    _, told = watch(whistles(*range(16)))
    assert [(one.change, len(one.surge.cases)) for one in told] == [
        (Change.BEGAN, 4),
        (Change.GREW, 8),
        (Change.GREW, 16),
    ]


def test_it_has_ended_once_nothing_came_for_a_day_and_may_begin_anew() -> None:
    known, _ = watch(whistles(0, 1, 2, 3))
    assert passed(known, START + HOUR * 3 + DAY - timedelta(microseconds=1)) == (known, ())
    after, ((change, surge, at),) = passed(known, START + DAY * 9)
    assert (change, at, len(surge.cases)) == (Change.ENDED, START + HOUR * 3 + DAY, 4)
    assert after.surge is None
    _, told = watch(whistles(300, 301, 302, 303, first=50), after)
    assert [one.change for one in told] == [Change.BEGAN]


def test_the_next_whistle_tells_of_the_end_where_nobody_looked_meanwhile() -> None:
    _, told = watch([*whistles(0, 1, 2, 3), *whistles(200, first=9)])
    assert [one.change for one in told] == [Change.BEGAN, Change.ENDED]


def test_a_whistle_that_comes_again_changes_nothing() -> None:
    found = whistles(0, 1, 2, 3, 4)
    once, _ = watch(found)
    again, told = watch(found, once)
    assert (again, told) == (once, [])


def test_what_comes_too_late_teaches_and_alarms_nobody() -> None:
    known, _ = watch(whistles(0, 24 * 30))
    late = [Seen(START + HOUR * number, UUID(int=900 + number)) for number in range(8)]
    after, told = watch(late, known)
    assert told == []
    assert usual_per_day(after, PLACE) > usual_per_day(known, PLACE)


@pytest.mark.parametrize("per_day", [0.05, 0.5, 3.0, 12.0])
def test_a_steady_rate_is_no_surge_once_it_is_known(per_day: float) -> None:
    chance = Random(7)
    hour, found = 0.0, []
    while hour < 24 * 365:
        hour += chance.expovariate(per_day / 24)
        found.append(hour)
    warm = sum(one < 24 * 60 for one in found)
    known, _ = watch(whistles(*found[:warm]))
    known, _ = passed(known, START + HOUR * found[warm])
    _, told = watch(whistles(*found[warm:], first=warm), known)
    assert sum(one.change is Change.BEGAN for one in told) <= 1  # by chance, in ten months


def test_what_is_usual_is_learnt_and_fades() -> None:
    known, _ = watch(whistles(*(24 * day for day in range(120))))
    assert usual_per_day(known, PLACE) == pytest.approx(1, rel=0.15)
    later, _ = watch(whistles(24 * 320, first=900), known)
    assert usual_per_day(later, PLACE) < 0.05


@given(st.integers(0, 30), st.floats(0.05, 50), st.floats(0.5, 60), st.floats(0.1, 7))
def test_the_probability_falls_with_the_count_and_is_one_for_none(
    count: int, shape: float, rate: float, days: float
) -> None:
    assert at_least(0, shape, rate, days) == 1
    assert 0 <= at_least(count + 1, shape, rate, days) <= at_least(count, shape, rate, days) <= 1


def test_the_probability_is_the_negative_binomials() -> None:
    # shape 2, rate 1, one day: success 1/2; P[0] = 1/4, P[1] = 2 · 1/4 · 1/2 = 1/4, P[2] = 3 · 1/4 · 1/4 = 3/16
    assert at_least(1, 2, 1, 1) == pytest.approx(3 / 4)
    assert at_least(2, 2, 1, 1) == pytest.approx(1 / 2)
    assert at_least(3, 2, 1, 1) == pytest.approx(5 / 16)
