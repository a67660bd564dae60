"""What came of each policy, and how one differs from another, with how sure that is."""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from deploy.simulate.runs import Result
from deploy.simulate.tally import BATCHES, Owed, Tally
from shared.contracts.vocabulary import Obligation, Post

# fmt: off
_STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10,
            2.09, 2.09, 2.08, 2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05, 2.05, 2.04)
# fmt: on
"""Student's t for 95 %, from one degree of freedom on."""


@dataclass(frozen=True, slots=True)
class Share:
    """Of what was due, how much was done in time; None of nothing."""

    due: int
    on_time: int

    @property
    def late(self) -> int:
        return self.due - self.on_time

    @property
    def value(self) -> float | None:
        return self.on_time / self.due if self.due else None


@dataclass(frozen=True, slots=True)
class Difference:
    """The second policy's figure less the first's. `plus_minus` = half of the 95 % interval; None where unknown."""

    difference: float | None
    plus_minus: float | None


def share(
    tallies: Iterable[Tally],
    unit: str | None = None,
    obligation: Obligation | None = None,
    batch: int | None = None,
) -> Share:
    """Of this unit, this obligation and this stretch of time alone, where they are named."""

    def counted(owed: Counter[Owed]) -> int:
        return sum(
            number
            for one, number in owed.items()
            if unit in (None, one.unit) and obligation in (None, one.obligation) and batch in (None, one.batch)
        )

    every = list(tallies)
    on_time = sum(counted(tally.on_time) for tally in every)
    return Share(on_time + sum(counted(tally.late) for tally in every), on_time)


def quantile(lengths: "array[float]", part: float) -> float | None:
    if not lengths:
        return None
    ordered = sorted(lengths)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def differences(first: Sequence[Result], second: Sequence[Result]) -> dict[str, Difference]:
    """By name of the figure: paired by run where there are several, else by stretches of the one run.

    Stretches of time that follow each other are not independent where a backlog goes over from one into the next:
    then the interval is too narrow, and several runs say it better.
    """
    found = {}
    for name, figure in _figures().items():
        whole = [figure([one.tally for one in results], None) for results in (first, second)]
        if len(first) > 1:
            pairs = [(figure([a.tally], None), figure([b.tally], None)) for a, b in zip(first, second, strict=True)]
        else:
            pairs = [(figure([first[0].tally], n), figure([second[0].tally], n)) for n in range(BATCHES)]
        found[name] = Difference(_less(*whole), _plus_minus([d for a, b in pairs if (d := _less(a, b)) is not None]))
    return found


Figure = Callable[[Sequence[Tally], int | None], float | None]


def _figures() -> dict[str, Figure]:
    def on_time(obligation: Obligation | None) -> Figure:
        def figure(tallies: Sequence[Tally], batch: int | None) -> float | None:
            return share(tallies, None, obligation, batch).value

        return figure

    def a_day(steps: Callable[[Tally], list[int]]) -> Figure:
        def figure(tallies: Sequence[Tally], batch: int | None) -> float | None:
            days = [
                number
                for tally in tallies
                for day, number in enumerate(steps(tally))
                if batch in (None, tally.batch(day))
            ]
            return mean(days) if days else None

        return figure

    shares = {f"on_time.{obligation}": on_time(obligation) for obligation in Obligation}
    return {
        "on_time.all": on_time(None),
        **shares,
        "yellows_a_day": a_day(lambda tally: tally.yellows),
        "reds_a_day": a_day(lambda tally: tally.reds),
        "rungs_a_day": a_day(lambda tally: tally.rungs),
    }


def _less(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else second - first


def _plus_minus(found: Sequence[float]) -> float | None:
    if len(found) < 2:
        return None
    return _STUDENT[min(len(found) - 2, len(_STUDENT) - 1)] * stdev(found) / math.sqrt(len(found))


@dataclass(frozen=True, slots=True)
class Notices:
    """Per day: of one such person on average, and of the one who gets most."""

    people: int
    mean: float
    most: float
    most_unit: str


def notices(tallies: Sequence[Tally], post: Post) -> Notices | None:
    """Those who were told of nothing at all are left out of the average."""
    days = sum(tally.days for tally in tallies)
    told: Counter[str] = Counter()
    for tally in tallies:
        for one, number in tally.notices.items():
            if one.post is post:
                told[one.unit] += number
    if not told:
        return None
    unit, most = max(told.items(), key=lambda one: (one[1], one[0]))
    return Notices(len(told), told.total() / days / len(told), most / days, unit)
