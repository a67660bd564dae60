"""What outsiders are told: each unit its own assignments, 12345 its own orders.

Made from one event of the log alone and under an id derived from that event's, so a repeat is the same message.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID, uuid5

from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, encode
from shared.contracts.topics import HOTLINE_REPLIES, assignments_topic, shard_of
from shared.contracts.vocabulary import CaseList, RequestKind, Role, Source, Urgency
from shared.runtime.relay import Message, message_for


def project(envelope: Envelope) -> list[Message]:
    """The messages for outsiders that follow from one event of the router's log."""
    fact = envelope.fact
    if not isinstance(fact, f.CaseFact):
        return []
    told = [_message(envelope, assignments_topic(part.unit), part) for part in _for_units(fact)]
    if fact.source is Source.HOTLINE_12345 and fact.source_ref:
        partition = shard_of(envelope.subject)
        told.extend(
            _message(envelope, HOTLINE_REPLIES, reply, partition) for reply in _for_hotline(fact, fact.source_ref)
        )
    return told


def _for_units(fact: f.CaseFact) -> Iterator[f.AssignmentFact]:
    match fact:
        case f.CaseDispatched() | f.CaseReworkOrdered() | f.CaseHandedOver(assignment_id=UUID()):
            yield from _of_parts(fact)
        case f.CaseRefusalRuled() | f.CaseRequestRuled() | f.CaseTimed() | f.CaseOverdue() | f.CaseSupervised():
            yield from _of_one_unit(fact)
        case f.CaseListed() | f.CaseResumed() | f.CaseReprioritised() | f.CaseCorrected():
            yield from _of_all_units(fact)
        case f.CaseWithdrawn() | f.CaseMerged():
            for made in fact.released:
                yield _released(fact, made, fact.reason)
        case f.CaseSentToDesk():
            for made in fact.released:
                yield _released(fact, made, fact.reason.zh)
        case f.CaseClosed():
            for made in fact.assignments:
                yield f.AssignmentClosed(assignment_id=made.assignment_id, number=fact.number, unit=made.unit)
        case _:
            return


def _of_parts(fact: f.CaseDispatched | f.CaseReworkOrdered | f.CaseHandedOver) -> Iterator[f.AssignmentFact]:
    """Who has a part from now on, and who has none any more."""
    match fact:
        case f.CaseDispatched():
            for made in fact.assignments:
                if made.begun:
                    yield _created(fact, made, fact.matter, fact.reason, final=fact.final)
                else:
                    yield _changed(fact, made, fact.reason.zh)
            for made in fact.released:
                yield _released(fact, made, fact.reason.zh)
        case f.CaseReworkOrdered():
            reason = f.Reason(zh="返工重办", en="Rework")
            for made in fact.assignments:
                yield _created(fact, made, fact.matter, reason, final=True, explanation=fact.explanation)
        case f.CaseHandedOver(assignment_id=UUID() as assignment_id):
            made = f.AssignmentMade(
                assignment_id=assignment_id, unit=fact.unit, role=fact.role or Role.LEAD, round=fact.round
            )
            yield _created(fact, made, fact.matter, fact.reason, final=fact.final)
            yield _released(fact, made.model_copy(update={"unit": fact.before}), fact.reason.zh)
        case _:
            return


def _of_one_unit(
    fact: f.CaseRefusalRuled | f.CaseRequestRuled | f.CaseTimed | f.CaseOverdue | f.CaseSupervised,
) -> Iterator[f.AssignmentFact]:
    match fact:
        case f.CaseRefusalRuled():
            told = f.AssignmentReleased if fact.upheld else f.AssignmentKept
            yield told(assignment_id=fact.assignment_id, number=fact.number, unit=fact.unit, reason=fact.reason)
        case f.CaseRequestRuled():
            yield f.AssignmentRequestRuled(
                assignment_id=fact.assignment_id,
                number=fact.number,
                unit=fact.unit,
                kind=fact.kind,
                approved=fact.approved,
                share=fact.share,
                until=fact.until,
                reason=fact.reason,
            )
            if fact.approved and fact.kind is RequestKind.SUSPENSION and fact.until is not None:
                for made in fact.assignments:
                    yield _suspended(fact, made, fact.until, fact.reason)
        case f.CaseTimed():
            yield f.AssignmentTimed(
                assignment_id=fact.assignment_id,
                number=fact.number,
                unit=fact.unit,
                cause=fact.cause,
                limits=fact.limits,
            )
        case f.CaseOverdue(assignment_id=UUID() as assignment_id, unit=str() as unit):
            yield f.AssignmentOverdue(
                assignment_id=assignment_id,
                number=fact.number,
                unit=unit,
                obligation=fact.obligation,
                due_at=fact.due_at,
            )
        case f.CaseSupervised(assignment_id=UUID() as assignment_id):
            yield f.AssignmentSupervised(
                assignment_id=assignment_id, number=fact.number, unit=fact.unit, reason=fact.reason
            )
        case _:
            return


def _of_all_units(
    fact: f.CaseListed | f.CaseResumed | f.CaseReprioritised | f.CaseCorrected,
) -> Iterator[f.AssignmentFact]:
    for made in fact.assignments:
        match fact:
            case f.CaseListed(review_at=datetime() as until):
                yield _suspended(fact, made, until, fact.explanation)
            case f.CaseListed():
                yield _changed(fact, made, fact.reason, case_list=fact.case_list, milestones=fact.milestones)
            case f.CaseResumed():
                yield f.AssignmentResumed(
                    assignment_id=made.assignment_id, number=fact.number, unit=made.unit, reason=fact.reason
                )
            case f.CaseReprioritised():
                yield _changed(fact, made, fact.reason, urgency=fact.urgency)
            case f.CaseCorrected():
                yield _changed(fact, made, fact.reason, matter=fact.matter)


def _created(
    fact: f.CaseFact,
    made: f.AssignmentMade,
    matter: f.Matter,
    reason: f.Reason,
    final: bool,
    explanation: str = "",
) -> f.AssignmentCreated:
    return f.AssignmentCreated(
        assignment_id=made.assignment_id,
        number=fact.number,
        unit=made.unit,
        role=made.role,
        round=made.round,
        final=final,
        matter=matter,
        reason=reason,
        explanation=explanation,
    )


def _changed(
    fact: f.CaseFact,
    made: f.AssignmentMade,
    reason: str,
    urgency: Urgency | None = None,
    matter: f.Matter | None = None,
    case_list: CaseList | None = None,
    milestones: tuple[f.Milestone, ...] = (),
) -> f.AssignmentChanged:
    return f.AssignmentChanged(
        assignment_id=made.assignment_id,
        number=fact.number,
        unit=made.unit,
        role=made.role,
        urgency=urgency,
        matter=matter,
        case_list=case_list,
        milestones=milestones,
        reason=reason,
    )


def _released(fact: f.CaseFact, made: f.AssignmentMade, reason: str) -> f.AssignmentReleased:
    return f.AssignmentReleased(assignment_id=made.assignment_id, number=fact.number, unit=made.unit, reason=reason)


def _suspended(fact: f.CaseFact, made: f.AssignmentMade, until: datetime, reason: str) -> f.AssignmentSuspended:
    return f.AssignmentSuspended(
        assignment_id=made.assignment_id, number=fact.number, unit=made.unit, until=until, reason=reason
    )


def _for_hotline(fact: f.CaseFact, source_ref: str) -> Iterator[f.HotlineFact]:
    match fact:
        case f.CaseAccepted():
            yield f.HotlineAccepted(number=fact.number, source_ref=source_ref)
        case f.CaseDispatched():
            units = tuple(made.unit for made in fact.assignments)
            yield f.HotlineDispatched(number=fact.number, source_ref=source_ref, units=units)
        case f.CaseDeclined():
            yield f.HotlineDeclined(
                number=fact.number, source_ref=source_ref, reason=fact.reason, explanation=fact.explanation
            )
        case f.CaseRequestRuled(kind=RequestKind.SUSPENSION, approved=True, until=datetime() as until):
            yield f.HotlineSuspended(number=fact.number, source_ref=source_ref, explanation=fact.reason, until=until)
        case f.CaseListed(review_at=datetime() as until):
            yield f.HotlineSuspended(
                number=fact.number, source_ref=source_ref, explanation=fact.explanation, until=until
            )
        case f.CaseWithdrawn():
            yield f.HotlineWithdrawn(number=fact.number, source_ref=source_ref, reason=fact.reason)
        case f.CaseClosed():
            yield f.HotlineAnswered(
                number=fact.number, source_ref=source_ref, answer=fact.answer, evidence=fact.evidence
            )
        case _:
            return


def _message(envelope: Envelope, topic: str, fact: f.Fact, partition: int | None = None) -> Message:
    projected = Envelope(
        id=str(uuid5(UUID(envelope.id), f"{topic}/{fact.type_name()}")),
        source=envelope.source,
        subject=envelope.subject,
        time=envelope.time,
        fact=fact,
        cause=envelope.id,
        caseseq=envelope.caseseq,
        traceparent=envelope.traceparent,
    )
    return message_for(topic, envelope.subject, encode(projected), partition)
