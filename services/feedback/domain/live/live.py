"""实时统计: what one fact of a case adds to the numbers of its units and its category, and where the case stands.

Received, dispatched, overdue, closed and rated are counted when they happen; what is open follows from the standings.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from shared.contracts import facts as f
from shared.contracts.lifecycle import STAGES
from shared.contracts.vocabulary import Obligation, ReworkCause, Stage

NO_CATEGORY = "其他"
OPEN_STAGES = frozenset(stage for stage in Stage if not STAGES[stage].final and stage is not Stage.CLOSED)
"""Not final, and not only waiting for its time to be archived."""

_APPOINTED = frozenset({Obligation.ARCHIVE, Obligation.REVIEW})
"""Dates on which the case goes on by itself: nobody is late when they have come."""


class What(StrEnum):
    """What is counted."""

    RECEIVED = "received"  # 接单
    DISPATCHED = "dispatched"  # 派单
    OVERDUE = "overdue"  # 超期
    CLOSED = "closed"  # 结案
    RATED = "rated"  # 评价


class Of(StrEnum):
    """Whose number it is."""

    UNIT = "unit"
    CATEGORY = "category"


class Count(NamedTuple):
    """One more of that."""

    of: Of
    key: str
    what: What


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a case stands: its stage, its category's first level, the units that have it."""

    stage: Stage
    category: str
    units: tuple[str, ...] = ()


def standing(before: Standing | None, fact: f.CaseFact) -> Standing | None:
    """Where the case stands after this fact; None before it was opened."""
    match fact:
        case f.CaseOpened():
            return Standing(fact.stage, _first(fact.matter.category))
        case f.CaseDispatched() | f.CaseReworkOrdered():
            units = tuple(dict.fromkeys(made.unit for made in fact.assignments))
            return Standing(fact.stage, _first(fact.matter.category), units)
        case _ if before is None:
            return None
        case f.CaseAccepted():
            return Standing(fact.stage, _first(fact.category), before.units)
        case f.CaseCorrected():
            return Standing(fact.stage, _first(fact.matter.category), before.units)
        case f.CaseHandedOver(before=gone, unit=heir, assignment_id=part) if part is not None:
            units = tuple(dict.fromkeys(heir if unit == gone else unit for unit in before.units))
            return Standing(fact.stage, before.category, units)
        case f.CaseRefusalRuled(upheld=True, unit=gone):
            return Standing(fact.stage, before.category, tuple(unit for unit in before.units if unit != gone))
        case f.CaseMerged() | f.CaseWithdrawn():
            return Standing(fact.stage, before.category)
        case f.CaseSentToDesk() if fact.released:
            return Standing(fact.stage, before.category)
        case _:
            return Standing(fact.stage, before.category, before.units)


def counted(before: Standing | None, fact: f.CaseFact) -> tuple[Count, ...]:
    """What this fact adds. `before` is where the case stood."""
    after = standing(before, fact)
    if after is None:
        return ()
    match fact:
        case f.CaseOpened():
            return (Count(Of.CATEGORY, after.category, What.RECEIVED),)
        case f.CaseDispatched():
            begun = [made.unit for made in fact.assignments if made.begun]
            return _both(begun, after.category if begun else None, What.DISPATCHED)
        case f.CaseReworkOrdered():
            again = _both(list(after.units), after.category, What.DISPATCHED)
            if fact.cause is not ReworkCause.RESIDENT_UNSATISFIED or before is None:
                return again
            return (*again, *_both(list(before.units), after.category, What.RATED))
        case f.CaseOverdue() if fact.obligation not in _APPOINTED:
            return _both([fact.unit] if fact.unit else [], after.category, What.OVERDUE)
        case f.CaseClosed():
            units = [made.unit for made in fact.assignments]
            closed = _both(units, after.category, What.CLOSED)
            return (*closed, *_both(units, after.category, What.RATED)) if _was_rated(fact) else closed
        case _:
            return ()


def _was_rated(fact: f.CaseClosed) -> bool:
    """Whether everybody had spoken before it was closed."""
    return fact.reason.rule != "rating_time_over"


def _both(units: list[str], category: str | None, what: What) -> tuple[Count, ...]:
    of_units = tuple(Count(Of.UNIT, unit, what) for unit in dict.fromkeys(units))
    return of_units if category is None else (*of_units, Count(Of.CATEGORY, category, what))


def _first(category: tuple[str, ...]) -> str:
    return category[0] if category else NO_CATEGORY
