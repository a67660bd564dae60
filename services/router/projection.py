"""What outsiders are told: each unit its own assignments, 12345 its own orders.

Made from one event of the log alone and under an id derived from that event's, so a repeat is the same message.
"""

from collections.abc import Iterator
from uuid import UUID, uuid5

from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, encode
from shared.contracts.topics import HOTLINE_REPLIES, assignments_topic, shard_of
from shared.contracts.vocabulary import Source
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
        case f.CaseDispatched():
            for made in fact.assignments:
                yield _created(fact, made, fact.matter, fact.reason, final=fact.final)
        case f.CaseReworkOrdered():
            reason = f.Reason(zh="返工重办", en="Rework")
            for made in fact.assignments:
                yield _created(fact, made, fact.matter, reason, final=True, explanation=fact.explanation)
        case f.CaseRefusalRuled(upheld=True):
            yield f.AssignmentReleased(
                assignment_id=fact.assignment_id, number=fact.number, unit=fact.unit, reason=fact.reason
            )
        case f.CaseRefusalRuled():
            yield f.AssignmentKept(
                assignment_id=fact.assignment_id, number=fact.number, unit=fact.unit, reason=fact.reason
            )
        case f.CaseOverdue(assignment_id=UUID() as assignment_id, unit=str() as unit):
            yield f.AssignmentOverdue(
                assignment_id=assignment_id,
                number=fact.number,
                unit=unit,
                obligation=fact.obligation,
                due_at=fact.due_at,
            )
        case f.CaseClosed():
            for made in fact.assignments:
                yield f.AssignmentClosed(assignment_id=made.assignment_id, number=fact.number, unit=made.unit)
        case _:
            return


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
