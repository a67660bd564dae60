"""How each fact changes a case. The state is the sum of the facts and nothing else."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.router.domain.case import (
    Assignment,
    Case,
    Joined,
    Limit,
    Missed,
    Part,
    Pause,
    Planned,
    Request,
    answerable,
)
from shared.contracts import facts as f
from shared.contracts.vocabulary import Obligation, RequestKind, Stage


def opened(case_id: UUID, fact: f.CaseOpened, at: datetime) -> Case:
    """The case that `CaseOpened` begins."""
    return Case(
        case_id=case_id,
        matter=fact.matter,
        self_handled=fact.self_handled,
        stage=fact.stage,
        opened_at=at,
        answerable=fact.matter.whistle_blower,
        answerable_since=at,
    )


def evolve(case: Case, fact: f.CaseFact, at: datetime) -> Case:
    """The case after one more fact. Every change of a case's state is here and in `_changed`."""
    after = _changed(case.model_copy(update={"stage": fact.stage}), fact, at)
    if after.requests or after.supervised:
        after = _lapsed(after)
    if after.limits:
        after = _owed(after, at)
    return _accounted(case, after, at)


def _owed(case: Case, at: datetime) -> Case:
    """Without the limits of what has been done in time, or is owed no more; what was too late then, is kept.

    A suspended case's clocks stand still.
    """
    parts = {one.assignment_id: one for one in case.assignments}
    limits = []
    for limit in case.limits:
        late = limit.due_at is not None and limit.due_at < at
        if not late and not parts[limit.assignment_id].owes(limit.obligation):
            continue
        stands_still = case.pause is not None and not late
        limits.append(limit.model_copy(update={"due_at": None}) if stands_still else limit)
    return case.model_copy(update={"limits": tuple(limits)})


def _timed(case: Case, fact: f.CaseTimed) -> tuple[Limit, ...]:
    """What is known of due times with what is said now: it replaces what was known of the same obligations."""
    said = {
        one.obligation: Limit(assignment_id=fact.assignment_id, obligation=one.obligation, due_at=one.due_at)
        for one in sorted(fact.limits, key=lambda one: one.generation)
        if one.obligation is not Obligation.MILESTONE
    }
    kept = (one for one in case.limits if one.assignment_id != fact.assignment_id or one.obligation not in said)
    return (*kept, *said.values())


def _lapsed(case: Case) -> Case:
    """Without the requests of units that are not at work any more, and the supervision of those that have no part."""
    asking = {one.assignment_id for one in case.present if one.part is Part.SIGNED_IN}
    there = {one.unit for one in case.present}
    return case.model_copy(
        update={
            "requests": tuple(one for one in case.requests if one.assignment_id in asking),
            "supervised": tuple(unit for unit in case.supervised if unit in there),
        }
    )


def _accounted(before: Case, after: Case, at: datetime) -> Case:
    """Add the time since the last change to whoever was answerable for it."""
    if before.answerable_since is None:
        return after
    now = answerable(after)
    if (now, after.stage is Stage.SUSPENDED) == (before.answerable, before.stage is Stage.SUSPENDED):
        return after
    change: dict[str, object] = {"answerable": now, "answerable_since": at}
    if before.answerable is not None:
        lasted = at - before.answerable_since
        change["held"] = _plus(before.held, before.answerable, lasted)
        if before.stage is Stage.SUSPENDED:
            change["held_suspended"] = _plus(before.held_suspended, before.answerable, lasted)
    return after.model_copy(update=change)


def _plus(held: dict[str, timedelta], unit: str, lasted: timedelta) -> dict[str, timedelta]:
    return held | {unit: held.get(unit, timedelta()) + lasted}


def accounts(case: Case) -> tuple[f.UnitAccount, ...]:
    """What each unit did with the time it was answerable, once the case is closed or withdrawn.

    The `held` of all units adds up to the time for which the case was open. None for a case that has no accounts.
    """
    if case.answerable_since is None:
        return ()
    roles = {one.unit: one.role for one in sorted(case.assignments, key=lambda one: one.round)}
    return tuple(
        f.UnitAccount(
            unit=unit,
            role=roles.get(unit),
            held=case.held.get(unit, timedelta()),
            suspended=case.held_suspended.get(unit, timedelta()),
            missed=tuple(one.obligation for one in case.missed if one.unit == unit),
            refusals=sum(one.refusals for one in case.assignments if one.unit == unit),
            extensions=sum(one.extensions for one in case.assignments if one.unit == unit),
            rounds=len({one.round for one in case.assignments if one.unit == unit}),
        )
        for unit in dict.fromkeys((*case.held, *roles, *(one.unit for one in case.missed if one.unit is not None)))
    )


def _changed(case: Case, fact: f.CaseFact, at: datetime) -> Case:
    """The case, already in its new stage, with what else the fact changes."""
    match fact:
        case f.CaseAccepted():
            accepted = {"self_handled": fact.self_handled, "accepted_at": at, "accepted_urgency": fact.urgency}
            return _matter(case, urgency=fact.urgency, category=fact.category).model_copy(update=accepted)
        case f.CaseSentToDesk():
            return _released(case, {one.assignment_id for one in fact.released}).model_copy(
                update={
                    "desk": fact.desk,
                    "case_list": fact.case_list or case.case_list,
                    "ledger": fact.ledger or case.ledger,
                }
            )
        case f.CaseDispatched():
            return _dispatched(case, fact)
        case (
            f.CaseSignedIn()
            | f.CaseRefused()
            | f.CaseRefusalRuled()
            | f.CaseProgressed()
            | f.CaseUnitDone()
            | f.CaseHandedOver()
        ):
            return _part_changed(case, fact)
        case f.CaseRequested() | f.CaseRequestRuled() | f.CaseResumed() | f.CaseListed() | f.CaseMilestoneReached():
            return _time_changed(case, fact, at)
        case f.CaseReprioritised(urgency=urgency):
            return _matter(case, urgency=urgency)
        case f.CaseCorrected(matter=matter):
            return case.model_copy(update={"matter": matter})
        case f.CaseTimed():
            return case.model_copy(update={"limits": _timed(case, fact)})
        case f.CaseOverdue() | f.CaseSupervised() | f.CaseSupervisionEnded() | f.CaseDuplicateFound():
            return _noted(case, fact)
        case _:
            return _ended_or_begun_again(case, fact, at)


def _matter(case: Case, **changes: object) -> Case:
    return case.model_copy(update={"matter": case.matter.model_copy(update=changes)})


def _dispatched(case: Case, fact: f.CaseDispatched) -> Case:
    return case.model_copy(
        update={
            "level": fact.level,
            "ledger": fact.ledger,
            "case_list": fact.case_list or case.case_list,
            "designated": case.designated or fact.final,
            "assignments": _redistributed(case, fact.assignments),
        }
    )


def _part_changed(
    case: Case,
    fact: f.CaseSignedIn | f.CaseRefused | f.CaseRefusalRuled | f.CaseProgressed | f.CaseUnitDone | f.CaseHandedOver,
) -> Case:
    match fact:
        case f.CaseSignedIn():
            return _with_part(case, fact.assignment_id, part=Part.SIGNED_IN)
        case f.CaseRefused():
            argued = Part.IN_CONSULTATION if fact.stage is Stage.CONSULTATION else Part.REFUSED
            times = next(one.refusals for one in case.assignments if one.assignment_id == fact.assignment_id)
            refused_ = _with_part(case, fact.assignment_id, part=argued, refusals=times + 1)
            return refused_.model_copy(update={"refusals": fact.count})
        case f.CaseRefusalRuled():
            part = Part.RELEASED if fact.upheld else Part.ASSIGNED
            ruled = _with_part(case, fact.assignment_id, part=part)
            return ruled.model_copy(update={"designated": case.designated or fact.final})
        case f.CaseProgressed():
            return _with_part(case, fact.assignment_id, contacted=True) if fact.contacted else case
        case f.CaseUnitDone():
            return _with_part(case, fact.assignment_id, part=Part.DONE, result=fact.result, evidence=fact.evidence)
        case f.CaseHandedOver(assignment_id=None):
            return case.model_copy(update={"matter": fact.matter})
        case f.CaseHandedOver():
            assert fact.assignment_id is not None, "the other kind is above"
            return _succeeded(case, fact.assignment_id, fact.before, fact.unit)


def _succeeded(case: Case, assignment_id: UUID, before: str, unit: str) -> Case:
    """The part goes over with what was asked for, and supervision with it."""
    was = next(one.before for one in case.assignments if one.assignment_id == assignment_id)
    return _with_part(case, assignment_id, unit=unit, before=(*was, before)).model_copy(
        update={
            "supervised": tuple(dict.fromkeys(unit if one == before else one for one in case.supervised)),
            "requests": tuple(
                one.model_copy(update={"unit": unit}) if one.assignment_id == assignment_id else one
                for one in case.requests
            ),
        }
    )


def _time_changed(
    case: Case,
    fact: f.CaseRequested | f.CaseRequestRuled | f.CaseResumed | f.CaseListed | f.CaseMilestoneReached,
    at: datetime,
) -> Case:
    match fact:
        case f.CaseRequested():
            asked = Request(
                kind=fact.kind,
                assignment_id=fact.assignment_id,
                unit=fact.unit,
                share=fact.share,
                until=fact.until,
                approver=fact.approver,
            )
            return case.model_copy(update={"requests": (*case.requests, asked)})
        case f.CaseRequestRuled():
            return _ruled_on(case, fact)
        case f.CaseResumed():
            return case.model_copy(update={"pause": None})
        case f.CaseListed():
            pause = Pause(until=fact.review_at, asked_for=False) if fact.review_at is not None else None
            milestones = tuple(Planned(milestone=one) for one in fact.milestones)
            return case.model_copy(
                update={
                    "case_list": fact.case_list,
                    "ledger": fact.ledger,
                    "milestones": milestones,
                    "pause": pause,
                    "requests": () if pause else case.requests,
                }
            )
        case f.CaseMilestoneReached():
            return case.model_copy(
                update={
                    "milestones": tuple(
                        one.model_copy(update={"reached_at": at}) if one.milestone.number == fact.milestone else one
                        for one in case.milestones
                    )
                }
            )


def _ruled_on(case: Case, fact: f.CaseRequestRuled) -> Case:
    left = tuple(one for one in case.requests if (one.kind, one.assignment_id) != (fact.kind, fact.assignment_id))
    after = case.model_copy(update={"requests": left})
    if not fact.approved:
        return after
    if fact.kind is RequestKind.EXTENSION:
        times = next(one.extensions for one in case.assignments if one.assignment_id == fact.assignment_id)
        return _with_part(after, fact.assignment_id, extensions=times + 1)
    assert fact.until is not None, "a suspension has its date"
    pause = Pause(until=fact.until, asked_for=True)
    return after.model_copy(update={"pause": pause, "suspensions": case.suspensions + 1, "requests": ()})


def _noted(case: Case, fact: f.CaseOverdue | f.CaseSupervised | f.CaseSupervisionEnded | f.CaseDuplicateFound) -> Case:
    match fact:
        case f.CaseOverdue():
            missed = Missed(
                obligation=fact.obligation,
                unit=fact.unit,
                assignment_id=fact.assignment_id,
                generation=fact.generation,
            )
            return case.model_copy(update={"missed": (*case.missed, missed)})
        case f.CaseSupervised():
            return case.model_copy(update={"supervised": (*case.supervised, fact.unit)})
        case f.CaseSupervisionEnded():
            left = tuple(unit for unit in case.supervised if unit != fact.unit)
            return case.model_copy(update={"supervised": left})
        case f.CaseDuplicateFound():
            return case.model_copy(update={"candidates": fact.candidates})


def _ended_or_begun_again(case: Case, fact: f.CaseFact, at: datetime) -> Case:
    match fact:
        case f.CaseReworkOrdered():
            return case.model_copy(
                update={
                    "assignments": (*case.assignments, *map(_begun, fact.assignments)),
                    "round": fact.round,
                    "reworks": case.reworks + 1,
                    "designated": True,
                    "milestones": (),
                    "closed_at": None,
                }
            )
        case f.CaseMerged():
            joined = Joined(case_id=fact.into, number=fact.into_number)
            return _all_released(case).model_copy(update={"merged_into": joined})
        case f.CaseUnmerged():
            return case.model_copy(update={"merged_into": None})
        case f.CaseAnswered():
            return case.model_copy(
                update={
                    "answer": fact.answer,
                    "evidence": fact.evidence,
                    "answered_by": fact.units,
                    "ledger": fact.ledger,
                }
            )
        case f.CaseWithdrawn():
            return _all_released(case)
        case f.CaseClosed():
            return case.model_copy(update={"answer": fact.answer, "closed_at": at})
        case _:
            return case


def _begun(made: f.AssignmentMade) -> Assignment:
    return Assignment(assignment_id=made.assignment_id, unit=made.unit, role=made.role, round=made.round)


def _redistributed(case: Case, made: Sequence[f.AssignmentMade]) -> tuple[Assignment, ...]:
    """The assignments once a dispatch says which are in effect: kept, maybe in another role, or begun; others end."""
    roles = {one.assignment_id: one.role for one in made}
    present = {one.assignment_id for one in case.present}
    known = {one.assignment_id for one in case.assignments}
    return (
        *(
            one.model_copy(
                update={"role": roles[one.assignment_id]} if one.assignment_id in roles else {"part": Part.RELEASED}
            )
            if one.assignment_id in present
            else one
            for one in case.assignments
        ),
        *(_begun(one) for one in made if one.assignment_id not in known),
    )


def _all_released(case: Case) -> Case:
    present = {one.assignment_id for one in case.present}
    return _released(case, present).model_copy(update={"requests": (), "pause": None})


def _released(case: Case, leaving: Collection[UUID]) -> Case:
    assignments = tuple(
        one.model_copy(update={"part": Part.RELEASED}) if one.assignment_id in leaving else one
        for one in case.assignments
    )
    return case.model_copy(update={"assignments": assignments})


def _with_part(case: Case, assignment_id: UUID, **changes: object) -> Case:
    assignments = tuple(
        one.model_copy(update=changes) if one.assignment_id == assignment_id else one for one in case.assignments
    )
    return case.model_copy(update={"assignments": assignments})
