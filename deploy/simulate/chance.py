"""Chance that depends on nothing but the seed, the case and what is drawn: the same for every policy.

A draw is named, not taken from a stream: whatever order a policy brings about, the tenth case's effort stays the tenth
case's effort. Two policies meet the same cases, and what differs between them is theirs (common random numbers).
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

_MASK = (1 << 64) - 1
_PART = 1.0 / (1 << 53)
_NORMAL = NormalDist()


def mixed(key: int, purpose: int, turn: int = 0) -> int:
    """64 bits that look random (splitmix64), always the same for the same three numbers."""
    bits = (key + purpose * 0x9E3779B97F4A7C15 + turn * 0xD1B54A32D192ED03) & _MASK
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & _MASK
    return bits ^ bits >> 31


def uniform(key: int, purpose: int, turn: int = 0) -> float:
    """Between 0 and 1, neither of them."""
    return ((mixed(key, purpose, turn) >> 11) + 0.5) * _PART


class Duration(Protocol):
    """How long something takes, in seconds, at a place between the shortest (0) and the longest (1)."""

    def at(self, share: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Half of them take less than the median; `spread` = the deviation of the logarithm, 0 = all alike."""

    median: float
    spread: float

    @classmethod
    def of_mean(cls, mean: float, spread: float) -> "Lognormal":
        return cls(mean / math.exp(spread * spread / 2), spread)

    def at(self, share: float) -> float:
        return self.median * math.exp(self.spread * _NORMAL.inv_cdf(share)) if self.spread else self.median


@dataclass(frozen=True, slots=True)
class Exponential:
    mean: float

    def at(self, share: float) -> float:
        return -self.mean * math.log1p(-share)


@dataclass(frozen=True, slots=True)
class Measured:
    """As long as what was measured took, shortest first; in between, in between."""

    seconds: Sequence[float]

    def at(self, share: float) -> float:
        place = share * (len(self.seconds) - 1)
        below = int(place)
        above = min(below + 1, len(self.seconds) - 1)
        return self.seconds[below] + (place - below) * (self.seconds[above] - self.seconds[below])


class Choice:
    """One of several, as often as its weight says."""

    __slots__ = ("_sums",)

    def __init__(self, weights: Sequence[float]) -> None:
        total, sums = 0.0, []
        for weight in weights:
            total += weight
            sums.append(total)
        self._sums = [one / total for one in sums]
        self._sums[-1] = 1.0

    def at(self, share: float) -> int:
        return bisect_left(self._sums, share)
