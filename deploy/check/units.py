"""What a unit must be told of a fact, and what stands on its topic: the two sides of I4."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeAlias
from uuid import UUID

from deploy.check.scratch import Expected, Told, micros
from deploy.check.source import ASSIGNMENTS, Message
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, Undecodable, decode
from shared.contracts.vocabulary import CaseList, LimitCause, RequestKind, Role, Urgency

Saying: TypeAlias = tuple[type[f.AssignmentFact], str, UUID, str]
"""What a unit is told: which fact, which unit, about which assignment, and what it says."""


def expected(envelope: Envelope, fact: f.CaseFact, shard: int, sequence: int, owed: bool) -> Iterator[Expected]:
    """One line for each thing some unit must be told because of this event."""
    for kind, unit, assignment_id, says in _consequences(fact):
        yield Expected(
            UUID(envelope.id).bytes,
            kind.NAME,
            unit,
            assignment_id.bytes,
            f"{fact.number} {says}",
            envelope.subject.bytes,
            shard,
            sequence,
            owed,
            micros(envelope.time),
        )


def _consequences(fact: f.CaseFact) -> Iterator[Saying]:
    yield from _of_parts(fact)
    yield from _of_rulings(fact)
    yield from _of_changes(fact)


def _of_parts(fact: f.CaseFact) -> Iterator[Saying]:
    """Who has a part, who has another, who has none any more."""
    match fact:
        case f.CaseDispatched():
            for made in fact.assignments:
                if made.begun:
                    yield f.AssignmentCreated, made.unit, made.assignment_id, _part(made.role, made.round)
                else:
                    yield f.AssignmentChanged, made.unit, made.assignment_id, _change(made.role)
            yield from _to_each(f.AssignmentReleased, fact.released)
        case f.CaseReworkOrdered():
            for made in fact.assignments:
                yield f.AssignmentCreated, made.unit, made.assignment_id, _part(made.role, made.round)
        case f.CaseHandedOver(assignment_id=UUID() as assignment_id, role=Role() as role):
            yield f.AssignmentCreated, fact.unit, assignment_id, _part(role, fact.round)
            yield f.AssignmentReleased, fact.before, assignment_id, ""
        case f.CaseWithdrawn() | f.CaseMerged() | f.CaseSentToDesk():
            yield from _to_each(f.AssignmentReleased, fact.released)
        case f.CaseClosed():
            yield from _to_each(f.AssignmentClosed, fact.assignments)
        case _:
            return


def _of_rulings(fact: f.CaseFact) -> Iterator[Saying]:
    """What was ruled on a unit, by the hub or by the clock."""
    match fact:
        case f.CaseRefusalRuled():
            yield f.AssignmentReleased if fact.upheld else f.AssignmentKept, fact.unit, fact.assignment_id, ""
        case f.CaseRequestRuled():
            says = _ruling(fact.kind, fact.approved, fact.share, fact.until)
            yield f.AssignmentRequestRuled, fact.unit, fact.assignment_id, says
            if fact.kind is RequestKind.SUSPENSION and fact.approved:
                yield from _to_each(f.AssignmentSuspended, fact.assignments, _time(fact.until))
        case f.CaseTimed():
            yield f.AssignmentTimed, fact.unit, fact.assignment_id, _limits(fact.cause, fact.limits)
        case f.CaseOverdue(assignment_id=UUID() as assignment_id, unit=str() as unit):
            yield f.AssignmentOverdue, unit, assignment_id, fact.obligation.value
        case f.CaseSupervised(assignment_id=UUID() as assignment_id):
            yield f.AssignmentSupervised, fact.unit, assignment_id, ""
        case _:
            return


def _of_changes(fact: f.CaseFact) -> Iterator[Saying]:
    """What changes for all who have the case."""
    match fact:
        case f.CaseListed(case_list=CaseList.UNDERSTANDING):
            yield from _to_each(f.AssignmentSuspended, fact.assignments, _time(fact.review_at))
        case f.CaseListed():
            for made in fact.assignments:
                says = _change(made.role, case_list=fact.case_list, milestones=len(fact.milestones))
                yield f.AssignmentChanged, made.unit, made.assignment_id, says
        case f.CaseResumed():
            yield from _to_each(f.AssignmentResumed, fact.assignments)
        case f.CaseReprioritised():
            for made in fact.assignments:
                yield f.AssignmentChanged, made.unit, made.assignment_id, _change(made.role, fact.urgency)
        case f.CaseCorrected():
            for made in fact.assignments:
                yield f.AssignmentChanged, made.unit, made.assignment_id, _change(made.role, matter=fact.matter)
        case _:
            return


def _to_each(kind: type[f.AssignmentFact], assignments: Iterable[f.AssignmentMade], says: str = "") -> Iterator[Saying]:
    for made in assignments:
        yield kind, made.unit, made.assignment_id, says


def _part(role: Role, round_: int) -> str:
    return f"{role.value} in round {round_}"


def _ruling(kind: RequestKind, approved: bool, share: float | None, until: datetime | None) -> str:
    return " ".join([kind.value, "approved" if approved else "not approved", str(share or ""), _time(until)]).strip()


def _limits(cause: LimitCause, limits: Iterable[f.TimeLimit]) -> str:
    """Every obligation named, with its generation and by when; one without a time stands still."""
    named = (f"{one.obligation.value} {one.generation} {_time(one.due_at) or 'stands still'}" for one in limits)
    return " ".join([cause.value, *named])


def _change(
    role: Role,
    urgency: Urgency | None = None,
    case_list: CaseList | None = None,
    milestones: int = 0,
    matter: f.Matter | None = None,
) -> str:
    """What is not changed is not said."""
    said = [role, urgency, case_list, f"{milestones} milestones" if milestones else None, matter and matter.title]
    return " ".join(one for one in said if one)


def _time(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat() if at else ""


def told(message: Message, settled: bool) -> Told | str:
    """The message as a line to compare, or why it is none."""
    try:
        envelope = decode(message.value)
        event = UUID(envelope.cause)
    except Undecodable as error:
        return f"the contracts cannot read it: {error}"
    except (TypeError, ValueError):
        return "it names no event of the log as its cause"
    fact = envelope.fact
    if not isinstance(fact, f.AssignmentFact):
        return f"{envelope.type} is nothing a unit is told"
    if message.topic != ASSIGNMENTS + fact.unit:
        return f"it is meant for {fact.unit}"
    return Told(
        envelope.id,
        event.bytes,
        fact.NAME,
        fact.unit,
        fact.assignment_id.bytes,
        f"{fact.number} {_says(fact)}",
        sha256(message.value or b"").digest(),
        envelope.subject.bytes,
        message.topic,
        message.offset,
        settled,
    )


def _says(fact: f.AssignmentFact) -> str:
    match fact:
        case f.AssignmentCreated():
            return _part(fact.role, fact.round)
        case f.AssignmentTimed():
            return _limits(fact.cause, fact.limits)
        case f.AssignmentOverdue():
            return fact.obligation.value
        case f.AssignmentChanged():
            return _change(fact.role, fact.urgency, fact.case_list, len(fact.milestones), fact.matter)
        case f.AssignmentRequestRuled():
            return _ruling(fact.kind, fact.approved, fact.share, fact.until)
        case f.AssignmentSuspended():
            return _time(fact.until)
        case _:
            return ""
