"""What is measured of a case, as the case's own log tells it: the sum of its facts, each with when it was stated.

Nothing but `cases` goes into it, so the same log gives the same record, whenever and however often it is read.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from services.feedback.domain.measuring.part import Settled, Spell
from shared.contracts import facts as f
from shared.contracts.facts import UnitCode, Value
from shared.contracts.vocabulary import AppealType, Level, Obligation, RequestKind, ReworkCause, Role, Source, Urgency


class PartRecord(Value):
    """One unit's part in one round; the fields are those of `part.Part`. `assignments`: the ids it had it under.

    `held`: it has the part still. `refusing`: its refusal is not ruled on yet, so it may owe the sign-in still.
    `settled_before`: what its predecessor had met or let pass before handing over; that stays the predecessor's.
    `resumed_at`: when it got the part back, or its refusal was dismissed; what ran out in between counts from then.
    """

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
    former_spells: tuple[Spell, ...] = ()
    held: bool = True
    refusing: bool = False
    settled_before: tuple[Obligation, ...] = ()
    resumed_at: datetime | None = None

    def had_from(self, at: datetime) -> list[datetime]:
        """When it got the part, and got it back, by then."""
        return [when for when in (self.assigned_at, self.resumed_at) if when is not None and when <= at]

    @property
    def holds_the_ledger(self) -> bool:
        return self.on_ledger_at is not None and self.off_ledger_at is None


class CaseRecord(Value):
    """One case. `failed_units`: those the last check found wanting, until the rework that follows.
    `answered_with`: the case it was merged into, whose answer is its own too; until it is done once more by itself.

    `closed_at` is None while it is open again; `closings` and `reopenings` are all there were, in order.
    """

    number: str
    source: Source
    source_ref: str | None = None
    whistle_blower: UnitCode
    confidential: bool = False
    appeal_type: AppealType | None = None
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
    closings: tuple[datetime, ...] = ()
    reopenings: tuple[datetime, ...] = ()
    round: int = 1
    parts: tuple[PartRecord, ...] = ()
    failed_units: tuple[UnitCode, ...] = ()
    answer: str = ""
    answered_with: UUID | None = None

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
            return _handed_over(record, fact, at)
        case f.CaseOverdue():
            return _overdue(record, fact, at)
        case f.CaseSentToDesk(released=released) if released:
            return _let_go(record, at)
        case (
            f.CaseSignedIn()
            | f.CaseRefused()
            | f.CaseRefusalRuled()
            | f.CaseProgressed(contacted=True)
            | f.CaseUnitDone()
            | f.CaseRequestRuled(kind=RequestKind.EXTENSION, approved=True)
        ):
            return _with_part(record, fact, at)
        case f.CaseSupervised():
            known = _meant(record, fact.assignment_id, fact.unit, at)
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
        appeal_type=matter.appeal_type,
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
            return record.model_copy(update={"declined_at": record.declined_at or at})
        case f.CaseReprioritised():
            return _of_this_round(record.model_copy(update={"urgency": fact.urgency}), urgency=fact.urgency)
        case f.CaseCorrected(matter=matter):
            said = {"title": matter.title, "category": matter.category, "region": matter.region}
            corrected = record.model_copy(
                update={**said, "confidential": matter.confidential, "appeal_type": matter.appeal_type}
            )
            return _of_this_round(corrected, category=_first(matter.category), region=matter.region)
        case f.CaseChecked():
            return record.model_copy(update={"failed_units": () if fact.passed else fact.failed_units})
        case f.CaseMerged():
            return _let_go(record, at).model_copy(update={"merged_at": record.merged_at or at})
        case f.CaseUnmerged():
            return record.model_copy(update={"merged_at": None})
        case f.CaseWithdrawn():
            return _let_go(record, at).model_copy(update={"withdrawn_at": record.withdrawn_at or at})
        case f.CaseClosed():
            return _closed(record, fact, at)
        case _:
            return record


def _dispatched(record: CaseRecord, fact: f.CaseDispatched, at: datetime) -> CaseRecord:
    lead = _lead(fact.assignments)
    record = record.model_copy(update={"level": fact.level})
    record = _let_go(record, at, staying={made.unit for made in fact.assignments}, leading=lead)
    return _on_the_ledger(_given(record, fact.assignments, at), lead, at)


def _rework_ordered(record: CaseRecord, fact: f.CaseReworkOrdered, at: datetime) -> CaseRecord:
    """Who failed is sent back, and it counts as theirs; the lead of those who failed only finishes last once more.

    A case that was merged into another is answered by units that had no part here: nothing of theirs is reworked.
    """
    failed = _failed(record, fact)
    parts = tuple(
        one.model_copy(update={"reworked_at": at})
        if one.round == record.round and one.held and one.assigned_at is not None and one.unit in failed
        else one
        for one in record.parts
    )
    reopened = {"reopened_at": at, "reopenings": (*record.reopenings, at)} if record.closed_at is not None else {}
    again = _let_go(record.model_copy(update={"parts": parts}), at).model_copy(
        update={"round": fact.round, "failed_units": (), "closed_at": None, "answered_with": None, **reopened}
    )
    return _on_the_ledger(_given(again, fact.assignments, at), _lead(fact.assignments), at)


def _failed(record: CaseRecord, fact: f.CaseReworkOrdered) -> set[str]:
    """Whom a check named; none named, or the resident's word = all who have it; the hub's order names them itself."""
    if fact.cause is ReworkCause.CHECK_FAILED and record.failed_units:
        return set(record.failed_units)
    if fact.cause is ReworkCause.HUB_ORDERED:
        return {made.unit for made in fact.assignments}
    return {one.unit for one in record.parts if one.round == record.round}


def _answered(record: CaseRecord, fact: f.CaseAnswered) -> CaseRecord:
    """These units handled it with the other case, the first of them as the lead; here they are only rated."""
    lead = next(iter(fact.units), None)
    known = {one.unit for one in record.parts if one.round == fact.round}
    said = {"round": fact.round, "answer": fact.answer, "answered_with": fact.into}
    record = record.model_copy(update={**said, "level": record.level or Level.HUB})
    parts = tuple(
        one.model_copy(update={"lead": one.unit == lead}) if one.round == fact.round else one for one in record.parts
    )
    more = tuple(
        _part(record, unit, lead=unit == lead, at=None) for unit in dict.fromkeys(fact.units) if unit not in known
    )
    return record.model_copy(update={"parts": (*parts, *more)})


def _closed(record: CaseRecord, fact: f.CaseClosed, at: datetime) -> CaseRecord:
    parts = tuple(
        one.model_copy(update={"off_ledger_at": at, "written_off": True}) if one.holds_the_ledger else one
        for one in record.parts
    )
    closings = (*record.closings, at)
    return record.model_copy(update={"parts": parts, "closed_at": at, "closings": closings, "answer": fact.answer})


def _handed_over(record: CaseRecord, fact: f.CaseHandedOver, at: datetime) -> CaseRecord:
    """The successor stands in its predecessor's place for what is still owed; what was settled stays where it was.

    A successor that had a part of its own in this round has one row: it goes on with that.
    """
    if fact.assignment_id is None:
        return record.model_copy(update={"whistle_blower": fact.matter.whistle_blower})
    known = record.part(fact.before, fact.round)
    if known is None or fact.before == fact.unit:
        return record
    own = record.part(fact.unit, fact.round)
    record = _replaced(record, known, held=False, lead=False, refusing=False, **_left_ledger(known, at))
    if own is not None:
        ids = tuple(dict.fromkeys((*own.assignments, *known.assignments)))
        record = _replaced(
            record, own, assignments=ids, held=True, lead=own.lead or known.lead, refusing=known.refusing, resumed_at=at
        )
    else:
        settled = tuple(owed for owed, field in _SETTLED_BY.items() if getattr(known, field) is not None)
        heir = PartRecord(
            unit=fact.unit,
            round=fact.round,
            lead=known.lead,
            assignments=known.assignments,
            level=known.level,
            category=known.category,
            region=known.region,
            urgency=known.urgency,
            assigned_at=at,
            refusing=known.refusing,
            settled_before=(*known.settled_before, *settled),
        )
        record = record.model_copy(update={"parts": (*record.parts, heir)})
    return _on_the_ledger(record, fact.unit, at) if known.holds_the_ledger else record


def _overdue(record: CaseRecord, fact: f.CaseOverdue, at: datetime) -> CaseRecord:
    """What ran out ran out when it was due, also where that is told after the unit had acted, too late.

    Only what was due while a refusal was argued, or while the part was with nobody, ran out when it went on: before
    that nobody could know, and what was counted until then may be published. What was due before the unit had the
    part is not its own, neither late nor in time.
    """
    field = _SETTLED_BY.get(fact.obligation)
    present = _meant(record, fact.assignment_id, fact.unit, at)
    if field is None or present is None:
        return record
    ran_out_at = max(fact.due_at, present.resumed_at or fact.due_at)
    known = _meant(record, fact.assignment_id, fact.unit, fact.due_at)
    if known is None or known.assigned_at is None or known.assigned_at > fact.due_at:
        return _owes_no_more(record, present, fact.obligation)
    if known is not present:
        record = _owes_no_more(record, present, fact.obligation)
    before: Settled | None = getattr(known, field)
    if fact.obligation in known.settled_before or (before is not None and before.at <= ran_out_at):
        return record
    return _replaced(record, known, **{field: Settled(ran_out_at, late=True)})


def _owes_no_more(record: CaseRecord, known: PartRecord, obligation: Obligation) -> CaseRecord:
    if obligation in known.settled_before:
        return record
    return _replaced(record, known, settled_before=(*known.settled_before, obligation))


_SETTLED_BY = {Obligation.SIGN_IN: "sign_in", Obligation.FIRST_CONTACT: "contact", Obligation.HANDLE: "handle"}


def _with_part(
    record: CaseRecord,
    fact: f.CaseSignedIn | f.CaseRefused | f.CaseRefusalRuled | f.CaseProgressed | f.CaseUnitDone | f.CaseRequestRuled,
    at: datetime,
) -> CaseRecord:
    """A refusal meets the sign-in once it is upheld: dismissed, the sign-in goes on under its first due time."""
    known = _meant(record, fact.assignment_id, fact.unit, at)
    if known is None:
        return record
    match fact:
        case f.CaseSignedIn():
            return _replaced(record, known, refusing=False, **_met(known, at, Obligation.SIGN_IN))
        case f.CaseRefused():
            return _replaced(record, known, refusing=True, refused_at=known.refused_at or at)
        case f.CaseRefusalRuled(upheld=True):
            return _replaced(record, known, held=False, refusing=False, **_met(known, at, Obligation.SIGN_IN))
        case f.CaseRefusalRuled():
            return _replaced(record, known, refusing=False, resumed_at=at)
        case f.CaseProgressed():
            return _replaced(record, known, **_met(known, at, Obligation.FIRST_CONTACT))
        case f.CaseRequestRuled():
            return _replaced(record, known, extended_at=known.extended_at or at)
        case f.CaseUnitDone():
            return _replaced(record, known, done_at=known.done_at or at, **_met(known, at, *_SETTLED_BY))


def _met(known: PartRecord, at: datetime, *obligations: Obligation) -> dict[str, object]:
    """What is met in time by this, of what the part still owes: nothing undoes what is settled."""
    return {
        _SETTLED_BY[owed]: Settled(at, late=False)
        for owed in obligations
        if getattr(known, _SETTLED_BY[owed]) is None and owed not in known.settled_before
    }


def _meant(record: CaseRecord, assignment_id: UUID | None, unit: str | None, at: datetime) -> PartRecord | None:
    """The part of that assignment, of whoever had it then; where none is named, the unit's in the present round."""
    if assignment_id is None:
        return record.part(unit, record.round) if unit is not None else None
    named = [one for one in record.parts if assignment_id in one.assignments]
    got_it = [(max(when), place) for place, one in enumerate(named) if (when := one.had_from(at))]
    return named[max(got_it)[1]] if got_it else next(iter(named), None)


def _given(record: CaseRecord, made: Iterable[f.AssignmentMade], at: datetime) -> CaseRecord:
    """These units have it now. One that had it before in the same round goes on with the part it had."""
    for assignment in made:
        lead, known = assignment.role is Role.LEAD, record.part(assignment.unit, assignment.round)
        if known is None:
            new = _part(record, assignment.unit, lead=lead, at=at, number=assignment.round)
            new = new.model_copy(update={"assignments": (assignment.assignment_id,)})
            record = record.model_copy(update={"parts": (*record.parts, new)})
        else:
            ids = tuple(dict.fromkeys((*known.assignments, assignment.assignment_id)))
            resumed_at = known.resumed_at if known.held else at
            record = _replaced(record, known, lead=lead, held=True, assignments=ids, resumed_at=resumed_at)
    return record


def _part(record: CaseRecord, unit: str, *, lead: bool, at: datetime | None, number: int | None = None) -> PartRecord:
    return PartRecord(
        unit=unit,
        round=number or record.round,
        lead=lead,
        level=record.level or Level.HUB,
        category=_first(record.category),
        region=record.region,
        urgency=record.urgency,
        assigned_at=at,
    )


def _let_go(record: CaseRecord, at: datetime, staying: Collection[str] = (), leading: str | None = None) -> CaseRecord:
    """Who does not stay has its part no longer, nor leads; whose refusal nobody ruled on was let go by it.

    It goes to another lead, or is nobody's any more: no longer on the former one's ledger, and not written off.
    """
    parts = []
    for one in record.parts:
        changes: dict[str, object] = {}
        if one.round == record.round and one.unit not in staying:
            if staying:
                changes = {"lead": False, **(_met(one, at, Obligation.SIGN_IN) if one.refusing else {})}
            changes |= {"held": False, "refusing": False}
        if one.unit != leading:
            changes |= _left_ledger(one, at)
        parts.append(one.model_copy(update=changes) if changes else one)
    return record.model_copy(update={"parts": tuple(parts)})


def _left_ledger(known: PartRecord, at: datetime) -> dict[str, object]:
    return {"off_ledger_at": at} if known.holds_the_ledger else {}


def _on_the_ledger(record: CaseRecord, lead: str | None, at: datetime) -> CaseRecord:
    known = record.part(lead, record.round) if lead is not None else None
    if known is None or known.holds_the_ledger:
        return record
    before = known.former_spells
    if known.on_ledger_at is not None and known.off_ledger_at is not None:
        before = (*before, Spell(known.on_ledger_at, known.off_ledger_at))
    return _replaced(record, known, on_ledger_at=at, off_ledger_at=None, former_spells=before)


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
