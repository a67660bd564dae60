"""What is measured of a case, as the case's own log tells it: the sum of its facts, each with when it was stated.

Nothing but `cases` goes into it, so the same log gives the same record, whenever and however often it is read.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.feedback.domain.part import Settled
from shared.contracts import facts as f
from shared.contracts.facts import UnitCode, Value
from shared.contracts.vocabulary import Level, Obligation, RequestKind, ReworkCause, Role, Source, Urgency


class PartRecord(Value):
    """One unit's part in one round; the fields are those of `part.Part`. `assignments`: the ids it had it under."""

    unit: UnitCode
    round: int
    lead: bool
    assignments: tuple[UUID, ...] = ()
    level: Level
    category: str
    region: UnitCode
    urgency: Urgency
    assigned_at: datetime | None
    sign_in: Settled | None = None
    contact: Settled | None = None
    handle: Settled | None = None
    done_at: datetime | None = None
    refused_at: datetime | None = None
    extended_at: datetime | None = None
    reworked_at: datetime | None = None
    supervised_at: datetime | None = None
    on_ledger_at: datetime | None = None
    off_ledger_at: datetime | None = None
    written_off: bool = False

    @property
    def holds_the_ledger(self) -> bool:
        return self.on_ledger_at is not None and self.off_ledger_at is None


class CaseRecord(Value):
    """One case. `failed_units`: those the last check found wanting, until the rework that follows."""

    number: str
    source: Source
    source_ref: str | None = None
    whistle_blower: UnitCode
    confidential: bool = False
    title: str = ""
    level: Level | None = None
    category: tuple[str, ...] = ()
    region: UnitCode
    urgency: Urgency
    received_at: datetime
    declined_at: datetime | None = None
    withdrawn_at: datetime | None = None
    merged_at: datetime | None = None
    closed_at: datetime | None = None
    reopened_at: datetime | None = None
    round: int = 1
    parts: tuple[PartRecord, ...] = ()
    failed_units: tuple[UnitCode, ...] = ()
    answer: str = ""

    def part(self, unit: str, number: int) -> PartRecord | None:
        return next((one for one in self.parts if (one.unit, one.round) == (unit, number)), None)


def recorded(record: CaseRecord | None, fact: f.CaseFact, at: datetime) -> CaseRecord | None:
    """The record after one more fact that was stated at that time; None before the case was opened."""
    if isinstance(fact, f.CaseOpened):
        return _opened(fact, at) if record is None else record
    if record is None:
        return None
    match fact:
        case f.CaseDispatched():
            return _dispatched(record, fact, at)
        case f.CaseReworkOrdered():
            return _rework_ordered(record, fact, at)
        case f.CaseAnswered():
            return _answered(record, fact)
        case f.CaseHandedOver():
            return _handed_over(record, fact)
        case f.CaseOverdue():
            return _overdue(record, fact)
        case f.CaseSentToDesk(released=released) if released:
            return _off_the_ledger(record, at)
        case (
            f.CaseSignedIn()
            | f.CaseRefused()
            | f.CaseProgressed(contacted=True)
            | f.CaseUnitDone()
            | f.CaseRequestRuled(kind=RequestKind.EXTENSION, approved=True)
        ):
            return _with_part(record, fact, at)
        case f.CaseSupervised():
            known = record.part(fact.unit, record.round)
            return record if known is None else _replaced(record, known, supervised_at=known.supervised_at or at)
        case _:
            return _case_changed(record, fact, at)


def _opened(fact: f.CaseOpened, at: datetime) -> CaseRecord:
    matter = fact.matter
    return CaseRecord(
        number=fact.number,
        source=fact.source,
        source_ref=fact.source_ref,
        whistle_blower=matter.whistle_blower,
        confidential=matter.confidential,
        title=matter.title,
        category=matter.category,
        region=matter.region,
        urgency=matter.urgency,
        received_at=at,
    )


def _case_changed(record: CaseRecord, fact: f.CaseFact, at: datetime) -> CaseRecord:
    match fact:
        case f.CaseAccepted():
            return record.model_copy(update={"urgency": fact.urgency, "category": fact.category})
        case f.CaseDeclined():
            return record.model_copy(update={"declined_at": at})
        case f.CaseReprioritised():
            return _of_this_round(record.model_copy(update={"urgency": fact.urgency}), urgency=fact.urgency)
        case f.CaseCorrected(matter=matter):
            said = {"title": matter.title, "category": matter.category, "region": matter.region}
            corrected = record.model_copy(update={**said, "confidential": matter.confidential})
            return _of_this_round(corrected, category=_first(matter.category), region=matter.region)
        case f.CaseChecked():
            return record.model_copy(update={"failed_units": () if fact.passed else fact.failed_units})
        case f.CaseMerged():
            return _off_the_ledger(record, at).model_copy(update={"merged_at": at})
        case f.CaseUnmerged():
            return record.model_copy(update={"merged_at": None})
        case f.CaseWithdrawn():
            return _off_the_ledger(record, at).model_copy(update={"withdrawn_at": at})
        case f.CaseClosed():
            return _closed(record, fact, at)
        case _:
            return record


def _dispatched(record: CaseRecord, fact: f.CaseDispatched, at: datetime) -> CaseRecord:
    lead = _lead(fact.assignments)
    record = record.model_copy(update={"level": fact.level})
    if lead is None or not any(one.unit == lead and one.holds_the_ledger for one in record.parts):
        record = _off_the_ledger(record, at)
    return _on_the_ledger(_given(record, fact.assignments, at), lead, at)


def _rework_ordered(record: CaseRecord, fact: f.CaseReworkOrdered, at: datetime) -> CaseRecord:
    """Who failed is sent back; the lead of those who failed only finishes last once more."""
    by_check = fact.cause is ReworkCause.CHECK_FAILED and record.failed_units
    failed = set(record.failed_units if by_check else (made.unit for made in fact.assignments))
    parts = tuple(
        one.model_copy(update={"reworked_at": at}) if one.round == record.round and one.unit in failed else one
        for one in record.parts
    )
    again = record.model_copy(
        update={
            "parts": parts,
            "round": fact.round,
            "failed_units": (),
            "reopened_at": at if record.closed_at is not None else record.reopened_at,
            "closed_at": None,
        }
    )
    return _on_the_ledger(_given(_off_the_ledger(again, at), fact.assignments, at), _lead(fact.assignments), at)


def _answered(record: CaseRecord, fact: f.CaseAnswered) -> CaseRecord:
    """These units handled it with the other case, the first of them as the lead; here they are only rated."""
    known = {one.unit for one in record.parts if one.round == fact.round}
    level = record.level or Level.HUB
    more = tuple(
        _part(record, unit, fact.round, lead=place == 0, level=level, at=None)
        for place, unit in enumerate(fact.units)
        if unit not in known
    )
    return record.model_copy(
        update={"parts": (*record.parts, *more), "round": fact.round, "answer": fact.answer, "level": level}
    )


def _closed(record: CaseRecord, fact: f.CaseClosed, at: datetime) -> CaseRecord:
    parts = tuple(
        one.model_copy(update={"off_ledger_at": at, "written_off": True}) if one.holds_the_ledger else one
        for one in record.parts
    )
    return record.model_copy(update={"parts": parts, "closed_at": at, "answer": fact.answer})


def _handed_over(record: CaseRecord, fact: f.CaseHandedOver) -> CaseRecord:
    """The successor stands in its predecessor's place; one that had a part of its own in this round keeps that."""
    if fact.assignment_id is None:
        return record.model_copy(update={"whistle_blower": fact.matter.whistle_blower})
    known = record.part(fact.before, fact.round)
    if known is None or record.part(fact.unit, fact.round) is not None:
        return record
    return _replaced(record, known, unit=fact.unit)


def _overdue(record: CaseRecord, fact: f.CaseOverdue) -> CaseRecord:
    """What ran out ran out when it was due, also where that is told after the unit had acted, too late."""
    field = _SETTLED_BY.get(fact.obligation)
    known = _meant(record, fact.assignment_id, fact.unit)
    if field is None or known is None:
        return record
    before: Settled | None = getattr(known, field)
    if before is not None and before.at <= fact.due_at:
        return record
    return _replaced(record, known, **{field: Settled(fact.due_at, late=True)})


_SETTLED_BY = {Obligation.SIGN_IN: "sign_in", Obligation.FIRST_CONTACT: "contact", Obligation.HANDLE: "handle"}


def _with_part(
    record: CaseRecord,
    fact: f.CaseSignedIn | f.CaseRefused | f.CaseProgressed | f.CaseUnitDone | f.CaseRequestRuled,
    at: datetime,
) -> CaseRecord:
    known = _meant(record, fact.assignment_id, fact.unit)
    if known is None:
        return record
    met = Settled(at, late=False)
    match fact:
        case f.CaseSignedIn():
            return _replaced(record, known, sign_in=known.sign_in or met)
        case f.CaseRefused():
            return _replaced(record, known, sign_in=known.sign_in or met, refused_at=known.refused_at or at)
        case f.CaseProgressed():
            return _replaced(record, known, contact=known.contact or met)
        case f.CaseRequestRuled():
            return _replaced(record, known, extended_at=known.extended_at or at)
        case f.CaseUnitDone():
            return _replaced(
                record,
                known,
                sign_in=known.sign_in or met,
                contact=known.contact or met,
                handle=known.handle or met,
                done_at=known.done_at or at,
            )


def _meant(record: CaseRecord, assignment_id: UUID | None, unit: str | None) -> PartRecord | None:
    """The part of that assignment; where none is named, the unit's in the present round."""
    named = next((one for one in record.parts if assignment_id in one.assignments), None)
    return named or (record.part(unit, record.round) if unit is not None and assignment_id is None else None)


def _given(record: CaseRecord, made: Iterable[f.AssignmentMade], at: datetime) -> CaseRecord:
    """These units have it now. One that had it before in the same round goes on with the part it had."""
    for assignment in made:
        lead, known = assignment.role is Role.LEAD, record.part(assignment.unit, assignment.round)
        if known is None:
            level = record.level or Level.HUB
            new = _part(record, assignment.unit, assignment.round, lead=lead, level=level, at=at)
            new = new.model_copy(update={"assignments": (assignment.assignment_id,)})
            record = record.model_copy(update={"parts": (*record.parts, new)})
        else:
            ids = tuple(dict.fromkeys((*known.assignments, assignment.assignment_id)))
            record = _replaced(record, known, lead=lead, assignments=ids)
    return record


def _part(record: CaseRecord, unit: str, number: int, *, lead: bool, level: Level, at: datetime | None) -> PartRecord:
    return PartRecord(
        unit=unit,
        round=number,
        lead=lead,
        level=level,
        category=_first(record.category),
        region=record.region,
        urgency=record.urgency,
        assigned_at=at,
    )


def _on_the_ledger(record: CaseRecord, lead: str | None, at: datetime) -> CaseRecord:
    known = record.part(lead, record.round) if lead is not None else None
    if known is None or known.holds_the_ledger:
        return record
    return _replaced(record, known, on_ledger_at=at, off_ledger_at=None, written_off=False)


def _off_the_ledger(record: CaseRecord, at: datetime) -> CaseRecord:
    """It goes to another unit, or is nobody's any more: no longer on this one's ledger, and not written off."""
    parts = tuple(one.model_copy(update={"off_ledger_at": at}) if one.holds_the_ledger else one for one in record.parts)
    return record.model_copy(update={"parts": parts})


def _of_this_round(record: CaseRecord, **changes: object) -> CaseRecord:
    parts = tuple(one.model_copy(update=changes) if one.round == record.round else one for one in record.parts)
    return record.model_copy(update={"parts": parts})


def _replaced(record: CaseRecord, known: PartRecord, **changes: object) -> CaseRecord:
    parts = tuple(one.model_copy(update=changes) if one is known else one for one in record.parts)
    return record.model_copy(update={"parts": parts})


def _lead(made: Iterable[f.AssignmentMade]) -> str | None:
    return next((one.unit for one in made if one.role is Role.LEAD), None)


def _first(category: tuple[str, ...]) -> str:
    return category[0] if category else ""
