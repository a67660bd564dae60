"""Random histories: what may sensibly be done next with a case, and anything that anyone can say of it at all."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from services.router.domain.case import ARGUED, Assignment, Case, Part
from services.router.domain.district import District
from shared.contracts import facts as f
from shared.contracts.lifecycle import AT_WORK
from shared.contracts.units import HANDLING_KINDS
from shared.contracts.vocabulary import LimitCause, Obligation, RequestKind, Role, RungChange, Stage, Urgency
from tests.unit.router.stories import (
    CITY,
    COMMUNITY,
    HOTLINE,
    HUB,
    LAKESIDE,
    MAINS,
    MARKET,
    MERGED_TREE,
    NOW,
    PARKS,
    POWER,
    SPLIT_TREE,
    STREET,
    TREE,
    WATER,
    WORKS,
    Said,
    asks_extension,
    asks_suspension,
    comments,
    comments_on,
    concluded,
    corrects,
    declined,
    denies,
    dismisses,
    dispatches,
    district,
    due,
    escalated,
    failed,
    finishes,
    followed,
    grants,
    joins,
    lifts_supervision,
    limit,
    lists_immediate,
    lists_phased,
    lists_understanding,
    makes_lead,
    merges,
    orders_rework,
    overdue,
    passed,
    progresses,
    proposed,
    reaches,
    refuses,
    releases,
    resumes,
    sample_checked,
    sets_urgency,
    signs_in,
    supervises,
    transfers,
    units_have_changed,
    unmerges,
    upholds,
    verified,
    whistle,
    withdraws,
)

Pick: TypeAlias = Callable[[Sequence[Any]], Any]
EVERYBODY = (WATER, POWER, MARKET, PARKS, STREET, COMMUNITY, CITY, LAKESIDE, WORKS, MAINS, HUB, "nobody-at-all")
VERSIONS = (district(TREE), district(MERGED_TREE), district(SPLIT_TREE))
"""The units as they change in the middle: two departments become one; a company is split, a community moves."""
NOTHING_OPEN = (Stage.CLOSED, Stage.ARCHIVED, Stage.DECLINED, Stage.WITHDRAWN)

REPORTS: list[Callable[[str], Said]] = [
    signs_in,
    refuses,
    progresses,
    finishes,
    comments_on,
    asks_extension,
    lambda unit: reaches(1, unit),
    lambda unit: reaches(2, unit),
]


# --- the usual course ----------------------------------------------------------------------------------------


def sensible(case: Case, now: datetime, ours: District) -> list[object]:
    """What may be done next in the usual course, each with an effect; the first leads to the end."""
    if has_units_of_the_past(case, ours):
        return [units_have_changed()]
    by_stage: dict[Stage, Callable[[], list[object]]] = {
        Stage.VERIFYING: lambda: [
            verified(),
            declined(),
            verified(Urgency.COMPLEX),
            withdraws(case.matter.whistle_blower),
        ],
        Stage.TO_DISPATCH: lambda: [dispatches(*units) for units in _teams(ours)],
        Stage.SUSPENDED: lambda: [resumes(), *_review_date(case)],
        Stage.MERGED: lambda: [followed(), unmerges(by=HUB), followed(Stage.WITHDRAWN)],
        Stage.CHECKING: lambda: [passed(case.round), failed(case.round), failed(case.round, _co_handlers(case))],
        Stage.RATING: lambda: [concluded(True, case.round), concluded(False, case.round)],
        Stage.CLOSED: lambda: [overdue(Obligation.ARCHIVE, HUB, now + timedelta(days=1)), orders_rework()],
    }
    if case.stage in by_stage:
        return by_stage[case.stage]()
    return list(_at_work(case, now, ours)) if case.is_at_work else []


def has_units_of_the_past(case: Case, ours: District) -> bool:
    """Whether the sweep has something to do. What a unit has done stays its own where its heir has a part."""
    at_work = case.present if case.is_at_work or case.stage is Stage.SUSPENDED else ()
    heirs = {one.unit: case.assignment_of(ours.tree.present(one.unit) or "") for one in at_work}
    moving = [one.unit for one in at_work if one.part is not Part.DONE or heirs[one.unit] is None]
    named = [case.matter.whistle_blower, case.matter.region, *moving]
    return not case.is_final and any(code not in ours.tree for code in named)


def _handlers(ours: District) -> list[str]:
    return [unit.code for unit in ours.tree if unit.kind in HANDLING_KINDS]


def _teams(ours: District) -> list[tuple[str, ...]]:
    one, two, three = (code for code in _handlers(ours)[-3:])
    return [(one,), (two, three), (STREET, one, three)]


def _co_handlers(case: Case) -> tuple[str, ...]:
    return tuple(one.unit for one in case.present if one.role is Role.CO_HANDLER)[:1]


def _review_date(case: Case) -> list[object]:
    return [overdue(Obligation.REVIEW, HUB, case.pause.until)] if case.pause is not None else []


def _at_work(case: Case, now: datetime, ours: District) -> Iterator[object]:
    yield from _to_be_ruled_on(case, now, ours)
    yield from _each_part(case, now)
    if case.stage in (Stage.DISPATCHED, Stage.HANDLING, Stage.REWORK):
        yield from _by_the_hub(case, now, ours)
    yield from (sets_urgency(urgency) for urgency in Urgency if urgency is not case.matter.urgency)
    yield from (comments(case.matter.whistle_blower), merges(by=HUB), corrects(title=f"{case.matter.title}。"))
    yield from (supervises(one.unit) for one in case.present if _may_be_supervised(case, one))
    yield from (lifts_supervision(unit) for unit in case.supervised)


def _may_be_supervised(case: Case, one: Assignment) -> bool:
    return one.part is not Part.DONE and one.unit not in case.supervised


def _outsiders(case: Case, ours: District) -> list[str]:
    return [code for code in _handlers(ours) if case.assignment_of(code) is None]


def _to_be_ruled_on(case: Case, now: datetime, ours: District) -> Iterator[object]:
    argued = [one for one in case.present if one.part in ARGUED]
    outsiders = _outsiders(case, ours)[-2:]
    if case.stage is Stage.REFUSAL_REVIEW:
        yield from (dismisses(of=argued[0].unit), *(upholds(unit, of=argued[0].unit) for unit in outsiders))
    if case.stage is Stage.CONSULTATION:
        yield from (dispatches(argued[0].unit), *(dispatches(unit) for unit in outsiders))
        yield from (dispatches(unit, argued[0].unit) for unit in outsiders[:1])
    if case.stage is Stage.EXTENSION_REVIEW:
        for one in case.requests:
            yield denies(one.unit, one.kind)
            if one.until is None or one.until > now:
                yield grants(one.unit, one.kind)
            if one.kind is RequestKind.EXTENSION and one.share is not None:
                yield grants(one.unit, one.kind, share=one.share / 2)


def _each_part(case: Case, now: datetime) -> Iterator[object]:
    """Who has not signed in does, co-handlers finish, the lead last; some refuse, ask, or tell how it stands."""
    by_part = {
        part: sorted((one for one in case.present if one.part is part), key=lambda one: one.role is Role.LEAD)
        for part in Part
    }
    waiting, working = by_part[Part.ASSIGNED], by_part[Part.SIGNED_IN]
    left = [one.milestone.number for one in case.milestones if one.reached_at is None]
    yield from (signs_in(one.unit) for one in waiting)
    lead = case.lead
    if lead is not None and lead in working and left:
        yield reaches(left[0], lead.unit)
    others_done = all(one.part is Part.DONE for one in case.present if one != case.lead)
    if working and (working[0] != case.lead or (others_done and not left)):
        yield finishes(working[0].unit)
    for one in working:
        yield from (progresses(one.unit), progresses(one.unit, contacted=False))
        yield from _asks(case, one, now)
    if not case.designated:
        yield from (refuses(one.unit) for one in waiting if not case.has_missed(Obligation.SIGN_IN, one, now))


def _asks(case: Case, one: Assignment, now: datetime) -> Iterator[object]:
    asked = {(request.unit, request.kind) for request in case.requests}
    granted = sum(each.extensions for each in case.assignments if each.unit == one.unit)
    most = {Urgency.NORMAL: 1, Urgency.COMPLEX: 2}.get(case.matter.urgency, 0)
    in_time = not case.has_missed(Obligation.HANDLE, one, now)
    if granted < most and in_time and (one.unit, RequestKind.EXTENSION) not in asked:
        yield from (asks_extension(one.unit), asks_extension(one.unit, share=0.5))
    at_its_stage = case.stage in (Stage.HANDLING, Stage.EXTENSION_REVIEW)
    if one == case.lead and at_its_stage and not case.suspensions and (one.unit, RequestKind.SUSPENSION) not in asked:
        yield asks_suspension(one.unit, now + timedelta(days=20))


def _by_the_hub(case: Case, now: datetime, ours: District) -> Iterator[object]:
    outsiders = _outsiders(case, ours)[-2:]
    yield from (joins(unit) for unit in outsiders)
    yield from (transfers(unit) for unit in outsiders)
    yield from (makes_lead(unit) for unit in outsiders[:1])
    for one in case.present:
        if one.part is not Part.DONE and one != case.lead:
            yield makes_lead(one.unit)
            yield from (transfers(unit, one.unit) for unit in outsiders[:1])
            yield releases(one.unit)
    yield from (lists_phased(5, 30, since=now), lists_phased(60, since=now), lists_immediate())
    yield lists_understanding(review_at=now + timedelta(days=30), explained_at=now)


# --- anything at all -----------------------------------------------------------------------------------------


def anything_at_all(case: Case, now: datetime, pick: Pick) -> object:
    """Anything that anyone can say, more often by those who have a part and about the present round."""
    concerned = [*(one.unit for one in case.present), *(one.unit for one in case.present), *EVERYBODY]
    unit, other = pick(concerned), pick(concerned)
    by = pick([HUB, HUB, unit, COMMUNITY, case.matter.whistle_blower, STREET, HOTLINE.person])
    round_ = case.round + pick([0, 1, -1])
    then = now + timedelta(days=pick([-3, 1, 20, 400]))
    kinds: Sequence[Callable[[], Sequence[object]]] = (
        lambda: [say(unit) for say in REPORTS],
        lambda: [asks_suspension(unit, pick([then, None])), asks_extension(unit, pick([0.25, 1.0]))],
        lambda: [dispatches(*units, by=by) for units in ((unit,), (unit, other))],
        lambda: [upholds(unit, by=by), upholds(unit, other, by=by, of=other), dismisses(by), dismisses(by, unit)],
        lambda: [transfers(unit, by=by), transfers(unit, other, by), joins(unit, by=by), joins(unit, other, by=by)],
        lambda: [releases(unit, by), makes_lead(unit, by), orders_rework(by), resumes(by)],
        lambda: [grants(pick([unit, None]), pick([None, *RequestKind]), until=pick([None, then]), by=by)],
        lambda: [denies(by=by), grants(share=0.5, by=by)],
        lambda: [lists_immediate(by), lists_phased(pick([1, 2000]), 30, by=by, since=now)],
        lambda: [lists_understanding(by, then, now)],
        lambda: [supervises(pick([unit, None]), by), lifts_supervision(unit, by)],
        lambda: [sets_urgency(pick(list(Urgency)), by), corrects(by, pick(["别处爆管", None]), pick([unit, None]))],
        lambda: [comments(by), withdraws(by), unmerges(by)],
        lambda: [merges(pick(list(Stage)), pick([0, 0, 1]), by=by)],
        lambda: [followed(pick(list(Stage))), proposed(0.5, 0.9), units_have_changed()],
        lambda: [
            passed(round_),
            failed(round_),
            failed(round_, (unit,)),
            *(concluded(x, round_) for x in (True, False)),
            *(sample_checked(x, round_) for x in (True, False)),
        ],
        lambda: [overdue(pick(list(Obligation)), pick([unit, None, HUB]), now + timedelta(hours=pick([-48, 0, 48])))],
        lambda: [
            escalated(
                pick(list(Obligation)),
                pick([1, 2, 3]),
                pick([unit, None]),
                pick([(), (RungChange.SUPERVISE,), (RungChange.TAKE_OVER,), tuple(RungChange)]),
                pick([None, round_]),
            ),
            due(
                limit(pick([then, None]), pick(list(Obligation)), pick([1, 2])),
                unit=unit,
                round_=max(1, round_),
                cause=pick(list(LimitCause)),
            ),
        ],
        lambda: [verified(pick([None, *Urgency])), declined(), whistle()],
    )
    return pick(pick(kinds)())


# --- readers of the log beside the case ----------------------------------------------------------------------


class Begun:
    """In no round does a unit begin twice unless it lost the case in between: read from the log alone."""

    def __init__(self) -> None:
        self.having: set[str] = set()

    def hears(self, fact: f.CaseFact) -> None:
        match fact:
            case f.CaseDispatched():
                self.having -= {made.unit for made in fact.released}
                begin = [made.unit for made in fact.assignments if made.begun]
                stay = {made.unit for made in fact.assignments if not made.begun}
                assert len(begin) == len(set(begin))
                assert self.having.isdisjoint(begin), "begun twice"
                assert stay == self.having, "who has it goes on, and nobody else"
                self.having |= set(begin)
                assert [made.role for made in fact.assignments].count(Role.LEAD) == 1
            case f.CaseReworkOrdered():
                self.having = {made.unit for made in fact.assignments}
                assert [made.role for made in fact.assignments].count(Role.LEAD) == 1
            case f.CaseRefusalRuled(upheld=True):
                self.having.remove(fact.unit)
            case f.CaseHandedOver(assignment_id=assignment_id) if assignment_id is not None:
                self.having.remove(fact.before)
                assert fact.unit not in self.having
                self.having.add(fact.unit)
            case f.CaseSentToDesk():
                assert {made.unit for made in fact.released} in ({*self.having}, set())
                self.having -= {made.unit for made in fact.released}
            case f.CaseWithdrawn() | f.CaseMerged():
                assert {made.unit for made in fact.released} == self.having
                self.having = set()
            case _:
                pass


class Blame:
    """Whose time it was, reckoned from the facts alone, by other means than the case does it."""

    def __init__(self) -> None:
        self.held: dict[str, timedelta] = {}
        self.open_for = timedelta()
        self.whistle_blower = self.lead = self.desk = ""
        self.stage: Stage | None = None
        self.since = NOW

    def whose(self) -> str:
        if self.stage is Stage.TO_DISPATCH:
            return self.desk or self.whistle_blower
        if self.stage in (*AT_WORK, Stage.SUSPENDED, Stage.HANDLED):
            return self.lead
        return self.whistle_blower

    def hears(self, fact: f.CaseFact, at: datetime) -> None:
        if self.stage is not None and self.stage not in NOTHING_OPEN:
            whose = self.whose()
            self.held[whose] = self.held.get(whose, timedelta()) + (at - self.since)
            self.open_for += at - self.since
        self.stage, self.since = fact.stage, at
        match fact:
            case f.CaseOpened(matter=of):
                self.whistle_blower = of.whistle_blower
            case f.CaseHandedOver(assignment_id=None):
                self.whistle_blower = fact.unit
            case f.CaseHandedOver():
                self.lead = fact.unit if fact.role is Role.LEAD else self.lead
            case f.CaseSentToDesk():
                self.desk = fact.desk
            case f.CaseDispatched() | f.CaseReworkOrdered():
                self.lead = next(made.unit for made in fact.assignments if made.role is Role.LEAD)
            case f.CaseClosed() | f.CaseWithdrawn():
                accounted = {one.unit: one.held for one in fact.accounts if one.held}
                assert accounted == {unit: held for unit, held in self.held.items() if held}
                assert sum(accounted.values(), timedelta()) == self.open_for
                assert all(timedelta() <= one.suspended <= one.held for one in fact.accounts)
            case _:
                pass
