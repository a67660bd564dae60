"""How a decision about a case is made of facts, held against the lifecycle table; and how a no is."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from services.router.domain.case import Case, standing
from services.router.domain.evolution import evolve
from shared.contracts import facts as f
from shared.contracts.lifecycle import allowed
from shared.runtime.decision import Decision, Refusal

F = TypeVar("F", bound=f.CaseFact)


class Impossible(Exception):
    """A decision that the lifecycle table does not allow: an error in the decision, not in the input."""


def decided(case: Case, facts: Sequence[f.CaseFact], at: datetime, **answer: object) -> Decision[Case]:
    """The decision that these facts follow. Raises `Impossible` where the lifecycle table says no."""
    after = case
    for fact in facts:
        if not allowed(after.stage, fact):
            raise Impossible(f"{type(fact).__name__} → {fact.stage} may not follow {after.stage}")
        after = evolve(after, fact, at)
    told = {"case_id": str(after.case_id), "number": after.number, "stage": after.stage.value, **answer}
    return Decision(state=after, facts=tuple(facts), answer=told)


def nothing(note: str) -> Decision[Case]:
    """The input no longer applies; it is passed over."""
    return Decision(note=note)


def refused(code: str, zh: str, en: str, field: str | None = None, status: int = 409) -> Decision[Case]:
    return Decision(refusal=Refusal(code, zh, en, field, status))


def placed(case: Case, fact: F, at: datetime) -> F:
    """The fact with the stage in which it leaves a case that units have."""
    return fact.model_copy(update={"stage": standing(evolve(case, fact, at))})
