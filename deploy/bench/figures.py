"""What is made of the times that were measured: pure arithmetic."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

MILLISECONDS = 1000.0


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was taken. `number` = its place in the schedule."""

    number: int
    shard: int
    sequence: int
    due_at: datetime
    fired_at: datetime

    @property
    def late_ms(self) -> float:
        return (self.fired_at - self.due_at).total_seconds() * MILLISECONDS


@dataclass(frozen=True, slots=True)
class Phase:
    """Part of the schedule: so many steps from `start` seconds on; `rate` a second, None = all at once."""

    first: int
    count: int
    start: float
    rate: int | None

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + self.count)

    @property
    def end(self) -> float:
        return self.start if self.rate is None else self.start + self.count / self.rate


def schedule(rates: Sequence[int], seconds: float, at_once: int, pause: float) -> list[Phase]:
    """Each rate for so many seconds, then all at once; a pause before each so that nothing is left of the last."""
    phases: list[Phase] = []
    for rate in (*rates, None):
        count = at_once if rate is None else round(rate * seconds)
        first = phases[-1].first + phases[-1].count if phases else 0
        start = phases[-1].end + pause if phases else 0.0
        phases.append(Phase(first, count, start, rate))
    return phases


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """p50, p99 and max by nearest rank; nothing of nothing."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p99": None, "max": None}
    return {
        "p50": round(_ranked(ordered, 0.50), 3),
        "p99": round(_ranked(ordered, 0.99), 3),
        "max": round(ordered[-1], 3),
    }


def _ranked(ordered: Sequence[float], part: float) -> float:
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def early(steps: Iterable[Step]) -> int:
    """How many were taken before their time."""
    return sum(step.fired_at < step.due_at for step in steps)


def oldest_first(steps: Iterable[Step]) -> bool:
    """Whether each shard's log has them in the order in which they were due."""
    shards: dict[int, list[Step]] = {}
    for step in sorted(steps, key=lambda step: step.sequence):
        shards.setdefault(step.shard, []).append(step)
    return all(one.due_at <= other.due_at for taken in shards.values() for one, other in pairwise(taken))


def times(ours: float | None, bare: float | None) -> float | None:
    """How many times the bare loop's figure ours is."""
    return None if ours is None or not bare else round(ours / bare, 2)
