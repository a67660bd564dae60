"""What a reckoning would change, counted: by obligation and unit, how far, and some examples."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import nsmallest
from statistics import median
from uuid import UUID

from services.sla.domain.deadline import NOTHING
from services.sla.domain.reckoning import Changed
from shared.contracts.vocabulary import Obligation

EXAMPLES = 20


class Effect(StrEnum):
    """What becomes of one deadline."""

    EARLIER = "earlier"  # 提前
    LATER = "later"  # 推后
    KEPT = "kept"  # 本应推后，未要求延长，保持不变
    UNCHANGED = "unchanged"  # 不变


FINAL = "final"
"""Counted beside the effects: what was provisional and is so no more."""


def effect_of(one: Changed) -> Effect:
    if one.kept:
        return Effect.KEPT
    if not one.shift:
        return Effect.UNCHANGED
    return Effect.EARLIER if one.shift < NOTHING else Effect.LATER


@dataclass(frozen=True, slots=True)
class Example:
    """One of the deadlines that move furthest."""

    case_id: UUID
    unit: str
    obligation: Obligation
    generation: int
    before: datetime
    after: datetime

    @property
    def order(self) -> tuple[timedelta, UUID, str, str, int]:
        return -abs(self.after - self.before), self.case_id, self.unit, self.obligation.value, self.generation


@dataclass(frozen=True, slots=True)
class Shift:
    """How far due times move, those that do; negative = earlier."""

    least: timedelta
    median: timedelta
    most: timedelta


class Tally:
    """Counts as cases come in; the same cases give the same, in whatever order."""

    def __init__(self) -> None:
        self.cases = 0
        self.failed = 0
        self.effects: Counter[str] = Counter()
        self.by_unit: dict[tuple[Obligation, str], Counter[str]] = {}
        self.examples: list[Example] = []
        self._shifts = array("d")

    def add(self, case_id: UUID, changed: Iterable[Changed]) -> None:
        self.cases += 1
        moved = []
        for one in changed:
            words = list(_words(one))
            self.effects.update(words)
            self.by_unit.setdefault((one.before.obligation, one.before.unit), Counter()).update(words)
            if one.shift:
                self._shifts.append(one.shift.total_seconds())
                moved.append(_example(case_id, one))
        if moved and not self._are_all_nearer(moved):
            self.examples = nsmallest(EXAMPLES, (*self.examples, *moved), key=lambda one: one.order)

    def _are_all_nearer(self, moved: list[Example]) -> bool:
        return len(self.examples) == EXAMPLES and min(one.order for one in moved) > self.examples[-1].order

    @property
    def shift(self) -> Shift | None:
        """None where nothing moves."""
        if not self._shifts:
            return None
        seconds = (min(self._shifts), median(self._shifts), max(self._shifts))
        least, middle, most = (timedelta(seconds=one) for one in seconds)
        return Shift(least, middle, most)


def _words(one: Changed) -> Iterator[str]:
    yield effect_of(one).value
    if one.before.provisional and not one.after.provisional:
        yield FINAL


def _example(case_id: UUID, one: Changed) -> Example:
    before, after = one.before, one.after
    return Example(case_id, before.unit, before.obligation, before.generation, before.due_at, after.due_at)
