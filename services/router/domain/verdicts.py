"""What follows from the facts of feedback and sla: rework, closing, overdue, escalation, archiving."""

from datetime import datetime

from services.router.domain.case import Assignment, Case, decided, nothing
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Obligation, ReworkCause, Role, Stage
from shared.runtime.decision import Decision

CLOCK = f.Actor(kind=ActorKind.CLOCK)

_NOBODYS_FAULT = (Obligation.RATE, Obligation.ARCHIVE)
"""Obligations that lapse: silence is allowed, so it is not overdue."""

_OF_AN_ASSIGNMENT = (Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE)
"""Obligations of a unit that has the case; the others are the whistle-blower's or the hub's, whoever has it."""


def check(case: Case, checked: f.FeedbackChecked, now: datetime) -> Decision[Case]:
    """验单: passed, it waits to be rated; failed, it is reworked with a fresh, shorter clock."""
    if case.stage is not Stage.CHECKING or checked.round != case.round:
        return nothing(f"checked in {case.stage}, round {case.round}")
    if checked.passed:
        passed = f.CaseChecked(**case.heading(Stage.RATING, checked.actor), passed=True, note=checked.note)
        return decided(case, [passed], now)
    failed = f.CaseChecked(**case.heading(Stage.CHECKING, checked.actor), passed=False, note=checked.note)
    return decided(case, [failed, rework(case, ReworkCause.CHECK_FAILED, checked.actor, checked.note)], now)


def conclude(case: Case, concluded: f.FeedbackConcluded, now: datetime) -> Decision[Case]:
    """评单: answered, written off and closed; or reopened."""
    if case.stage is not Stage.RATING or concluded.round != case.round:
        return nothing(f"concluded in {case.stage}, round {case.round}")
    if not concluded.close:
        reason = concluded.reason.zh
        return decided(case, [rework(case, ReworkCause.RESIDENT_UNSATISFIED, concluded.actor, reason)], now)
    assert case.ledger is not None, "a case that is rated has been dispatched"
    closed = f.CaseClosed(
        **case.heading(Stage.CLOSED, concluded.actor),
        answer=answer(case),
        evidence=tuple(proof for one in _lead_first(case) for proof in one.evidence),
        ledger=case.ledger,
        reason=concluded.reason,
        assignments=tuple(one.made() for one in case.present),
    )
    return decided(case, [closed], now)


def answer(case: Case) -> str:
    """What the reporter and the source are told: the lead's result first, then the co-handlers'."""
    return "\n".join(one.result for one in _lead_first(case) if one.result)


def _lead_first(case: Case) -> list[Assignment]:
    return sorted(case.present, key=lambda one: one.role is not Role.LEAD)


def rework(case: Case, cause: ReworkCause, actor: f.Actor, explanation: str) -> f.CaseReworkOrdered:
    """The same units once more, in a new round."""
    following = case.round + 1
    return f.CaseReworkOrdered(
        **case.heading(Stage.REWORK, actor),
        cause=cause,
        matter=case.matter,
        assignments=case.assign(((one.unit, one.role) for one in case.present), following),
        round=following,
        explanation=explanation,
    )


def overdue(case: Case, fact: f.DeadlineOverdue, now: datetime) -> Decision[Case]:
    """Record what was not met in time; archive what nobody objected to."""
    if fact.obligation is Obligation.ARCHIVE and case.stage is Stage.CLOSED and _of_this_closing(case, fact):
        return decided(case, [f.CaseArchived(**case.heading(Stage.ARCHIVED, CLOCK))], now)
    if fact.obligation in _NOBODYS_FAULT:
        return nothing(f"{fact.obligation} lapsed")
    if case.is_final:
        return nothing(f"overdue in {case.stage}")
    assignment = case.assignment_of(fact.unit) if fact.unit and fact.obligation in _OF_AN_ASSIGNMENT else None
    recorded = f.CaseOverdue(
        **case.heading(case.stage, CLOCK),
        obligation=fact.obligation,
        unit=fact.unit,
        assignment_id=assignment.assignment_id if assignment else None,
        generation=fact.generation,
        due_at=fact.due_at,
    )
    return decided(case, [recorded], now)


def _of_this_closing(case: Case, fact: f.DeadlineOverdue) -> bool:
    """Whether the time to object ran out for this closing, not for one that was reopened since."""
    return case.closed_at is not None and case.closed_at < fact.due_at


def escalate(case: Case, fact: f.DeadlineEscalated, now: datetime) -> Decision[Case]:
    """A rung of the ladder was reached: recorded with who was told."""
    if case.is_final or fact.obligation in _NOBODYS_FAULT:
        return nothing(f"escalated in {case.stage}")
    recorded = f.CaseEscalated(
        **case.heading(case.stage, CLOCK),
        obligation=fact.obligation,
        unit=fact.unit,
        rung=fact.rung,
        told=fact.told,
    )
    return decided(case, [recorded], now)
