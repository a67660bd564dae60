"""Queues with answers that are known: people who work through what waits for them."""

import heapq
import math
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import NormalDist, median

import pytest
from hypothesis import given
from hypothesis import strategies as some

from deploy.simulate import staffing
from deploy.simulate.assumptions import DAY, HOUR, REPLY_MEDIAN_DAYS, REPLY_SPREAD, Order
from deploy.simulate.chance import Choice, Duration, Exponential, Lognormal, Measured, uniform
from deploy.simulate.desk import Desk, Hands, Shifts, Started, Task, shifts_of
from deploy.simulate.district import read_district
from deploy.simulate.staffing import Given
from services.sla.domain import calendar
from services.sla.domain.calendar import SHANGHAI

ALWAYS = Shifts(())
START = datetime(2026, 9, 14, tzinfo=SHANGHAI)
STATE = read_district(Path("deploy/district")).of_the_hub
DUTY = shifts_of(STATE, START, 60)
ARRIVAL, SERVICE = 1, 2


def worked_through(desk: Desk, tasks: int, gap: Duration, service: Duration, seed: int) -> float:
    """Tasks come one by one and are worked off; returns when the last one came."""
    events: list[tuple[float, int, Started]] = []
    numbers = count()
    now = 0.0
    for task in range(tasks):
        now += gap.at(uniform(seed, ARRIVAL, task))
        while events and events[0][0] <= now:
            at, _, started = heapq.heappop(events)
            desk.done(started)
            for begun in desk.start(at):
                heapq.heappush(events, (begun.until, next(numbers), begun))
        desk.put(Task(0.0, task, now, service.at(uniform(seed, SERVICE, task)), False, None))
        for begun in desk.start(now):
            heapq.heappush(events, (begun.until, next(numbers), begun))
    return now


def erlang_c(servers: int, offered: float) -> float:
    """The chance that somebody has to wait."""
    full = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return full / (sum(offered**n / math.factorial(n) for n in range(servers)) + full)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.7), (3, 0.7)])
def test_people_around_the_clock_are_an_m_m_c_queue(servers: int, load: float) -> None:
    service = 600.0
    offered = servers * load
    desk = Desk(Hands(servers, 0, 1.0), ALWAYS)
    tasks = 200_000
    until = worked_through(desk, tasks, Exponential(service / offered), Exponential(service), seed=4)
    wait = erlang_c(servers, offered) * service / (servers - offered)
    assert desk.busy / (servers * until) == pytest.approx(load, rel=0.01)
    assert desk.waited / desk.begun == pytest.approx(wait, rel=0.05)
    # One server more or less, or one long task after the other, would be far out of these bounds.
    assert erlang_c(servers + 1, offered) * service / (servers + 1 - offered) < 0.6 * wait


def test_who_has_half_of_the_time_for_cases_takes_twice_as_long() -> None:
    desk = Desk(Hands(2, 0, 0.5), ALWAYS)
    until = worked_through(desk, 50_000, Exponential(1_000.0), Exponential(700.0), seed=3)
    assert desk.busy / (2 * until) == pytest.approx(0.7, rel=0.03)


# --- hours of duty ------------------------------------------------------------------------------------------------


@given(some.integers(0, 30 * 86_400), some.integers(1, 80 * 3_600))
def test_hours_of_duty_go_by_as_in_the_calendar(at: int, seconds: int) -> None:
    begins = START.astimezone(UTC) + timedelta(seconds=at)
    ends = calendar.add_working(begins, timedelta(seconds=seconds), STATE)
    assert DUTY.after(at, seconds) == (ends - START).total_seconds()
    there = calendar.working_between(START.astimezone(UTC), begins, STATE)
    assert DUTY.worked(at) == there.total_seconds()


def local(written: str) -> float:
    return (datetime.fromisoformat(written).replace(tzinfo=SHANGHAI) - START).total_seconds()


def begun(desk: Desk, at: str) -> list[tuple[object, str, bool]]:
    found = desk.start(local(at))
    return [(one.task.what, f"{START + timedelta(seconds=one.until):%m-%d %H:%M}", one.by_night) for one in found]


def test_a_task_goes_on_with_the_next_day_of_duty() -> None:
    desk = Desk(Hands(1, 0, 1.0), DUTY)
    desk.put(Task(0, 0, 0, 2 * HOUR, False, "a"))
    assert begun(desk, "2026-09-18 17:00") == [("a", "09-20 09:00", False)]  # Friday → the make-up Sunday


def test_by_night_those_on_call_take_what_is_pressing_alone() -> None:
    desk = Desk(Hands(2, 1, 1.0), DUTY)
    for number, (what, pressing) in enumerate([("normal", False), ("critical", True), ("urgent", True)]):
        desk.put(Task(number, number, local("2026-09-15 22:00"), HOUR, pressing, what))
    assert begun(desk, "2026-09-15 22:00") == [("critical", "09-15 23:00", True)]
    assert begun(desk, "2026-09-16 08:00") == [("normal", "09-16 09:00", False), ("urgent", "09-16 09:00", False)]
    assert desk.waiting == 0


# --- how many people ----------------------------------------------------------------------------------------------


def four_at_once(days: float = 0.0) -> Given:
    """Four tasks of an hour come together, each due an hour later; somebody has one of them at a time."""
    given_ = Given(Hands(2, 0, 1.0), ALWAYS, Order.DUE_FIRST)
    for _ in range(4):
        given_.part(0.0, 2, (HOUR, HOUR), (1.0, 30 * DAY), (1.0, 10 * DAY), days * DAY)
    return given_


@pytest.mark.parametrize(("target", "staff"), [(1.0, 4), (0.9, 3), (0.7, 1)])
def test_the_fewest_people_who_reach_the_share(target: float, staff: int) -> None:
    found = staffing.need(four_at_once(), target)
    # Of twelve steps, four are due at once: with so many people so many of those are in time.
    assert found is not None
    assert (found.staff, found.by_staff_alone) == (staff, True)
    assert found.share_now == pytest.approx(10 / 12)


def test_nobody_s_number_makes_a_matter_shorter_that_takes_its_days() -> None:
    found = staffing.need(four_at_once(days=20), 0.95)
    assert found is not None
    assert not found.by_staff_alone
    assert found.reachable == pytest.approx(8 / 12)
    assert found.share >= found.goal == pytest.approx(0.95 * 8 / 12)


def test_nothing_to_do_needs_nobody() -> None:
    assert staffing.need(Given(Hands(2, 0, 1.0), ALWAYS, Order.FIFO), 0.95) is None


# --- chance -------------------------------------------------------------------------------------------------------


def test_a_draw_is_the_same_whenever_it_is_made_and_even_over_all_of_them() -> None:
    draws = [uniform(7, 3, turn) for turn in range(20_000)]
    assert draws[123] == uniform(7, 3, 123) != uniform(8, 3, 123)
    assert sum(draws) / len(draws) == pytest.approx(0.5, abs=0.01)
    assert sum(one < 0.1 for one in draws) / len(draws) == pytest.approx(0.1, abs=0.01)
    other = [uniform(7, 4, turn) for turn in range(20_000)]
    product = sum(one * two for one, two in zip(draws, other, strict=True)) / len(draws)
    assert product == pytest.approx(0.25, abs=0.01)


def test_the_fitted_days_to_reply_lie_near_the_measured_ones() -> None:
    fitted = Lognormal(REPLY_MEDIAN_DAYS, REPLY_SPREAD)
    for share, measured in ((0.1, 1.9), (0.5, 11.2), (0.9, 41.0), (0.99, 167.0)):
        assert fitted.at(share) == pytest.approx(measured, rel=0.35), share


def test_distributions() -> None:
    shares = [(number + 0.5) / 1_000 for number in range(1_000)]
    assert median(map(Lognormal.of_mean(90, 0.8).at, shares)) == pytest.approx(90 * math.exp(-0.32), rel=0.01)
    assert sum(map(Exponential(5).at, shares)) / 1_000 == pytest.approx(5, rel=0.01)
    assert [Measured((1.0, 2.0, 4.0)).at(share) for share in (0.0, 0.25, 0.75)] == [1.0, 1.5, 3.0]
    assert [Choice((1, 3)).at(share) for share in (0.1, 0.3, 0.9)] == [0, 1, 1]
    assert NormalDist().inv_cdf(0.5) == 0
