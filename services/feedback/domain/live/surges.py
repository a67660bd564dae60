"""诉求激增: more whistles of one place, one respondent or one category than it usually has.

What is usual is learnt for each key from its own past, which fades: a Gamma distribution over its rate per day, from a
prior that a key begins with. How many whistles a window may then have follows a negative binomial distribution; a
window which that makes very improbable is a surge. What is in the window, or came in a surge, teaches nothing.

`seen` takes one whistle at a time, in the order of their times; a surge is told when it begins, whenever it has
doubled, and when it has ended: nothing new came for as long as its window is.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import exp, lgamma, log
from typing import NamedTuple
from uuid import UUID

from shared.contracts.vocabulary import SurgeKind

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """When many are too many, for one kind of key.

    `fewest` whistles make a surge; by chance there must be so many with a probability below `chance` at most.
    A key begins as if it had had `prior_per_day` for `prior_days`; what it had halves its weight every `fading`.
    """

    fewest: int
    chance: float
    prior_per_day: float
    prior_days: float = 7.0
    fading: timedelta = timedelta(days=28)
    windows: tuple[timedelta, ...] = (timedelta(hours=6), timedelta(days=1), timedelta(days=3))
    rush: float = 2.0
    """By how much a part of a day may be busier than the day on average."""


SENSITIVITY = {
    SurgeKind.PLACE: Sensitivity(fewest=4, chance=1e-4, prior_per_day=0.02),
    SurgeKind.RESPONDENT: Sensitivity(fewest=4, chance=1e-4, prior_per_day=0.05),
    SurgeKind.CATEGORY: Sensitivity(fewest=6, chance=1e-5, prior_per_day=0.5),
}


def sensitivity(kind: SurgeKind, readily: float = 1.0) -> Sensitivity:
    """That of a kind; told more readily, a surge need not be so improbable."""
    usual = SENSITIVITY[kind]
    return usual if readily == 1.0 else replace(usual, chance=min(usual.chance * readily, 0.5))


class Seen(NamedTuple):
    """One whistle of a key: when it was received, and its case."""

    at: datetime
    case_id: UUID


@dataclass(frozen=True, slots=True)
class Surge:
    """`since` = its first whistle, `window` in which there were too many; `told` = how many when it was last told."""

    since: datetime
    window: timedelta
    usual_per_day: float
    cases: tuple[UUID, ...]
    last_at: datetime
    told: int

    @property
    def ends_at(self) -> datetime:
        """When it is over, if nothing new comes."""
        return self.last_at + self.window


class Change(StrEnum):
    BEGAN = "began"
    GREW = "grew"
    ENDED = "ended"


class Told(NamedTuple):
    """What is to be told of a key: `at` = when it came about."""

    change: Change
    surge: Surge
    at: datetime


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of one key. `learnt` whistles in `days`, both faded, as of `learnt_until`."""

    recent: tuple[Seen, ...] = ()
    learnt: float = 0.0
    days: float = 0.0
    learnt_until: datetime | None = None
    surge: Surge | None = None


def seen(watched: Watched, whistle: Seen, level: Sensitivity) -> tuple[Watched, tuple[Told, ...]]:
    """The key with one more whistle, and what is to be told of it. A whistle seen before changes nothing."""
    if any(known.case_id == whistle.case_id for known in watched.recent):
        return watched, ()
    if _nothing_is_learnt(watched) and whistle.at < watched.recent[0].at:
        watched = replace(watched, learnt_until=whistle.at)  # logs have shards: it was the first, and is read second
    if watched.learnt_until is not None and whistle.at < watched.learnt_until:
        # it comes too late to be part of a surge, as where everything is read anew: it teaches what is usual
        return replace(watched, learnt=watched.learnt + 1), ()
    watched, ended = passed(watched, whistle.at)
    watched = _learnt(watched, whistle.at, level)
    recent = tuple(sorted((*watched.recent, whistle)))
    watched = replace(watched, recent=recent)
    if watched.surge is not None:
        grown, told = _grown(watched.surge, whistle)
        return replace(watched, surge=grown), (*ended, *told)
    surge = _begun(watched, whistle, level)
    if surge is None:
        return watched, ended
    return replace(watched, surge=surge), (*ended, Told(Change.BEGAN, surge, whistle.at))


def passed(watched: Watched, now: datetime) -> tuple[Watched, tuple[Told, ...]]:
    """The key once it is that late: a surge to which nothing was added has ended, and its whistles are forgotten."""
    surge = watched.surge
    if surge is None or now < surge.ends_at:
        return watched, ()
    known = set(surge.cases)
    left = tuple(one for one in watched.recent if one.case_id not in known)
    after = Watched(left, watched.learnt, watched.days, max(surge.ends_at, watched.learnt_until or surge.ends_at), None)
    return after, (Told(Change.ENDED, surge, surge.ends_at),)


def usual_per_day(watched: Watched, level: Sensitivity) -> float:
    """How many whistles a day the key usually has, as far as it is known."""
    prior = level.prior_per_day * level.prior_days
    return (prior + watched.learnt) / (level.prior_days + watched.days)


def at_least(count: int, shape: float, rate: float, days: float) -> float:
    """The probability of so many whistles or more in so many days.

    The rate per day is Gamma(`shape`, `rate`) distributed, the count given the rate is Poisson: together a negative
    binomial. Summed from below; what is left above is never less than nothing.
    """
    success = rate / (rate + days)
    below = 0.0
    for number in range(count):
        below += exp(
            lgamma(shape + number)
            - lgamma(shape)
            - lgamma(number + 1)
            + shape * log(success)
            + number * log(1 - success)
        )
    return max(0.0, 1.0 - below)


def _begun(watched: Watched, whistle: Seen, level: Sensitivity) -> Surge | None:
    """The narrowest window with this whistle in it that has too many. It need not be the last one: logs have shards."""
    shape = level.prior_per_day * level.prior_days + watched.learnt
    rate = level.prior_days + watched.days
    for window in level.windows:
        days = window / DAY * (level.rush if window < DAY else 1)
        for end in (one.at for one in watched.recent if whistle.at <= one.at < whistle.at + window):
            inside = [one for one in watched.recent if end - window < one.at <= end]
            if len(inside) < level.fewest or at_least(len(inside), shape, rate, days) >= level.chance:
                continue
            return Surge(
                since=inside[0].at,
                window=max(window, DAY),
                usual_per_day=usual_per_day(watched, level),
                cases=tuple(one.case_id for one in inside),
                last_at=inside[-1].at,
                told=len(inside),
            )
    return None


def _grown(surge: Surge, whistle: Seen) -> tuple[Surge, tuple[Told, ...]]:
    cases = (*surge.cases, whistle.case_id)
    doubled = len(cases) >= 2 * surge.told
    told = len(cases) if doubled else surge.told
    after = replace(surge, cases=cases, last_at=max(surge.last_at, whistle.at), told=told)
    return after, (Told(Change.GREW, after, whistle.at),) if doubled else ()


def _nothing_is_learnt(watched: Watched) -> bool:
    """Whether what is known of it is still what came first."""
    return watched.days == 0 and bool(watched.recent) and watched.learnt_until == watched.recent[0].at


def _learnt(watched: Watched, now: datetime, level: Sensitivity) -> Watched:
    """What has left the widest window teaches what is usual; while a surge lasts nothing is learnt."""
    if watched.surge is not None:
        return watched
    until = now - max(level.windows)
    if watched.learnt_until is None:
        # the first that is known of it: what was before is the prior's business
        begins = min([now, *(one.at for one in watched.recent)])
        return replace(watched, learnt_until=begins)
    if until <= watched.learnt_until:
        return watched
    passing = (until - watched.learnt_until) / DAY
    keeps = 0.5 ** (passing / (level.fading / DAY))
    out = [one for one in watched.recent if one.at <= until]
    return Watched(
        recent=tuple(one for one in watched.recent if one.at > until),
        learnt=watched.learnt * keeps + len(out),
        days=watched.days * keeps + passing,
        learnt_until=until,
        surge=None,
    )
