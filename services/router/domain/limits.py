"""限时: what the clock says of a unit's time, and which part that is about."""

from datetime import datetime

from services.router.domain.case import Assignment, Case
from services.router.domain.decisions import decided, nothing
from services.router.domain.district import CLOCK
from shared.contracts import facts as f
from shared.contracts.vocabulary import LimitCause, Obligation
from shared.runtime.decision import Decision

NOBODYS_FAULT = (Obligation.RATE, Obligation.ARCHIVE)
"""Obligations that lapse: silence is allowed, so it is not overdue."""

_OF_AN_ASSIGNMENT = (Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE, Obligation.MILESTONE)
"""Obligations of a unit that has the case; the others are the whistle-blower's or the hub's, whoever has it."""


def timed(case: Case, fact: f.DeadlineSet, now: datetime) -> Decision[Case]:
    """The part whose limits were set or have moved is told by when it owes what."""
    if case.is_final:
        return nothing(f"timed in {case.stage}")
    part = case.part_of(fact.unit, fact.round)
    if part is None:
        return nothing(f"{fact.unit} had no part in round {fact.round}")
    why = f.Reason(zh=fact.note, en=fact.note, rule=fact.cause, version=fact.by)
    told = f.CaseTimed(
        **case.heading(case.stage, fact.actor or CLOCK, None if fact.cause is LimitCause.CASE else why),
        unit=part.unit,
        assignment_id=part.assignment_id,
        cause=fact.cause,
        by=fact.by,
        limits=fact.limits,
    )
    return decided(case, [told], now)


def part_behind(case: Case, step: f.DeadlineStep) -> Assignment | None:
    """The part whose time it was; None where it was nobody's who handles the case.

    What is said late is about the round in which the time ran, and about who has lost the case since.
    """
    if step.unit is None or step.obligation not in _OF_AN_ASSIGNMENT:
        return None
    if "round" not in step.model_fields_set:  # an older release did not say it
        return case.assignment_of(step.unit)
    return case.part_of(step.unit, step.round)
