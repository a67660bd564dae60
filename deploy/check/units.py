"""What a unit must be told of a fact, and what stands on its topic: the two sides of I4."""

from collections.abc import Iterator
from hashlib import sha256
from uuid import UUID

from deploy.check.scratch import Expected, Told, micros
from deploy.check.source import ASSIGNMENTS, Message
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, Undecodable, decode


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


def _consequences(fact: f.CaseFact) -> Iterator[tuple[type[f.AssignmentFact], str, UUID, str]]:
    match fact:
        case f.CaseDispatched() | f.CaseReworkOrdered():
            for made in fact.assignments:
                yield f.AssignmentCreated, made.unit, made.assignment_id, f"{made.role.value} in round {made.round}"
        case f.CaseRefusalRuled():
            kind = f.AssignmentReleased if fact.upheld else f.AssignmentKept
            yield kind, fact.unit, fact.assignment_id, ""
        case f.CaseOverdue(assignment_id=UUID() as assignment_id, unit=str() as unit):
            yield f.AssignmentOverdue, unit, assignment_id, fact.obligation.value
        case f.CaseClosed():
            for made in fact.assignments:
                yield f.AssignmentClosed, made.unit, made.assignment_id, ""
        case _:
            return


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
            return f"{fact.role.value} in round {fact.round}"
        case f.AssignmentOverdue():
            return fact.obligation.value
        case _:
            return ""
