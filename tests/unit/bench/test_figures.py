"""What the bench makes of its times. That engines are measured at all is tested beside them, with small numbers."""

from datetime import UTC, datetime, timedelta

import pytest

from deploy.bench import figures
from deploy.bench.figures import Phase, Step
from deploy.bench.timers import Run, document

BASE = datetime(2026, 1, 1, tzinfo=UTC)


def step(number: int, due: float, late: float, sequence: int | None = None, shard: int = 0) -> Step:
    due_at = BASE + timedelta(milliseconds=due)
    place = number + 1 if sequence is None else sequence
    return Step(number, shard, place, due_at, due_at + timedelta(milliseconds=late))


def test_a_schedule_follows_on_and_ends_with_all_at_once() -> None:
    assert figures.schedule((10, 100), 2, 7, 3) == [
        Phase(0, 20, 0.0, 10),
        Phase(20, 200, 5.0, 100),
        Phase(220, 7, 10.0, None),
    ]


def test_a_spread_is_by_nearest_rank() -> None:
    assert figures.spread([float(one) for one in range(100, 0, -1)]) == {"p50": 50.0, "p99": 99.0, "max": 100.0}
    assert figures.spread([4.0]) == {"p50": 4.0, "p99": 4.0, "max": 4.0}
    assert figures.spread([]) == {"p50": None, "p99": None, "max": None}


def test_only_what_was_before_its_time_is_early() -> None:
    assert figures.early([step(0, 0, 0), step(1, 5, 0.001), step(2, 10, -0.001)]) == 1


def test_the_order_is_judged_within_a_shard() -> None:
    assert figures.oldest_first([step(0, 10, 0, 1), step(1, 5, 0, 1, shard=1), step(2, 10, 0, 2)])
    assert not figures.oldest_first([step(0, 10, 0, 1), step(1, 5, 0, 2)])


@pytest.mark.parametrize(("ours", "bare", "expected"), [(6.0, 2.0, 3.0), (6.0, 0.0, None), (None, 2.0, None)])
def test_times_bare(ours: float | None, bare: float | None, expected: float | None) -> None:
    assert figures.times(ours, bare) == expected


def test_the_document_has_what_the_bars_ask_for() -> None:
    phases = figures.schedule((2,), 1, 2, 1)
    ended = BASE + timedelta(seconds=phases[-1].start + 0.5)
    taken = [step(0, 0, 4), step(1, 500, 8), step(2, 2000, 10), step(2, 2000, 10)]
    ours = Run(taken, {0: BASE + timedelta(milliseconds=30)}, BASE, ended, {"fires": 1.0})
    bare = Run([step(0, 0, 2), step(1, 500, 2)], {}, BASE, ended, {"fires": 0.5})
    found = document(phases, ours, bare)
    (rate,) = found["rates"]
    assert rate["per_second"] == 2
    assert rate["lateness_ms"] == {"p50": 4.0, "p99": 8.0, "max": 8.0}
    assert rate["on_the_topic_ms"]["max"] == 30.0
    assert rate["p99_times_bare"] == 4.0
    assert (found["early"], found["twice"], found["missing"]) == (0, 1, 1)
    assert (found["drain_seconds"], found["due_at_once"]) == (0.5, 2)
