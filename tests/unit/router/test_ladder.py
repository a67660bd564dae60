"""提级办理: what a rung of the ladder changes of who has a case, because the district's policy says so."""

from datetime import timedelta

import pytest

from shared.contracts import facts as f
from shared.contracts.units import Unit, build_tree
from shared.contracts.vocabulary import ActorKind, DispatchCause, Level, Obligation, RungChange, Stage, UnitKind
from tests.unit.router.stories import (
    COMMUNITY,
    FOR_NOBODY,
    FOR_SHOPS,
    HUB,
    MARKET,
    NOW,
    OTHER_STREET,
    PARKS,
    SPLIT_TREE,
    STREET,
    TREE,
    WATER,
    Told,
    asks_extension,
    asks_suspension,
    dismisses,
    dispatches,
    district,
    due,
    escalated,
    failed,
    finishes,
    grants,
    limit,
    matter,
    outcome,
    overdue,
    refuses,
    signs_in,
    story,
    supervises,
    transfers,
    turns,
    whistle,
)

AT_WORK = (whistle(), signs_in())
REWORKED = (*AT_WORK, finishes(), failed())
TAKE_OVER = (RungChange.TAKE_OVER,)


STREET_ABOVE = (whistle(matter(FOR_NOBODY)), dispatches(COMMUNITY))
WITH_PARKS = (whistle(matter(FOR_NOBODY)), dispatches(COMMUNITY, PARKS))
TO_THE_STREET, TO_THE_DESK, NOBODY_ELSE = "escalated + dispatched", "escalated + sent_to_desk", "escalated"

TAKEN_OVER = [
    # a case that has been through                                              who is late  what follows
    (STREET_ABOVE, COMMUNITY, f"{TO_THE_STREET} -> dispatched: {STREET}*"),
    ((*STREET_ABOVE, signs_in(COMMUNITY)), COMMUNITY, f"{TO_THE_STREET} -> dispatched: {STREET}*"),
    ((*STREET_ABOVE, refuses(COMMUNITY)), COMMUNITY, f"{TO_THE_STREET} -> dispatched: {STREET}*"),
    (
        (*STREET_ABOVE, refuses(COMMUNITY), dismisses(), refuses(COMMUNITY)),
        COMMUNITY,
        f"{TO_THE_STREET} -> dispatched: {STREET}*",
    ),
    (
        (*STREET_ABOVE, signs_in(COMMUNITY), asks_extension(COMMUNITY)),
        COMMUNITY,
        f"{TO_THE_STREET} -> dispatched: {STREET}*",
    ),
    (WITH_PARKS, COMMUNITY, f"{TO_THE_STREET} -> dispatched: {STREET}* {PARKS}"),
    ((*WITH_PARKS, signs_in(PARKS)), COMMUNITY, f"{TO_THE_STREET} -> handling: {STREET}* {PARKS}"),
    (
        (whistle(matter(FOR_NOBODY)), dispatches(PARKS, COMMUNITY)),
        COMMUNITY,
        f"{TO_THE_STREET} -> dispatched: {PARKS}* {STREET}",
    ),
    # again in a rework; who may not refuse, may not
    (
        (*STREET_ABOVE, signs_in(COMMUNITY), finishes(COMMUNITY), failed()),
        COMMUNITY,
        f"{TO_THE_STREET} -> rework: {STREET}*",
    ),
    # the hub is the unit above: its desk
    ((whistle(),), WATER, f"{TO_THE_DESK} -> to_dispatch: "),
    (AT_WORK, WATER, f"{TO_THE_DESK} -> to_dispatch: "),
    ((whistle(), refuses()), WATER, f"{TO_THE_DESK} -> to_dispatch: "),
    ((whistle(), refuses(), dismisses(), refuses()), WATER, f"{TO_THE_DESK} -> to_dispatch: "),
    ((*AT_WORK, asks_extension()), WATER, f"{TO_THE_DESK} -> to_dispatch: "),
    (REWORKED, WATER, f"{TO_THE_DESK} -> to_dispatch: "),
    # others are at work on it as well: the hub can transfer the place of the one who is late
    ((whistle(matter(FOR_SHOPS)),), MARKET, f"{NOBODY_ELSE} -> dispatched: {MARKET}* {PARKS}"),
    ((whistle(matter(FOR_SHOPS)),), PARKS, f"{NOBODY_ELSE} -> dispatched: {MARKET}* {PARKS}"),
    # nothing: it has the case already; is done; stands still; has it no more; may not have it
    (
        (whistle(matter(FOR_NOBODY)), dispatches(COMMUNITY, STREET)),
        COMMUNITY,
        f"{NOBODY_ELSE} -> dispatched: {COMMUNITY}* {STREET}",
    ),
    ((*AT_WORK, finishes()), WATER, f"{NOBODY_ELSE} -> checking: {WATER}*"),
    ((*AT_WORK, asks_suspension(), grants()), WATER, f"{NOBODY_ELSE} -> suspended: {WATER}*"),
    ((*AT_WORK, transfers()), WATER, f"{NOBODY_ELSE} -> dispatched: {MARKET}*"),
]


@pytest.mark.parametrize(("before", "late", "expected"), TAKEN_OVER)
def test_the_unit_above_takes_over(before: tuple[Told, ...], late: str, expected: str) -> None:
    case = story(*before)
    decision = case.tell(escalated(rung=3, unit=late, changes=(RungChange.TAKE_OVER,), round_=case.now.round))
    parts = " ".join(one.unit + "*" * (one == case.now.lead) for one in case.now.present)
    assert f"{outcome(decision)} -> {case.now.stage}: {parts}" == expected


def test_not_where_the_unit_above_is_whom_the_case_is_about() -> None:
    parks = Unit(code=PARKS, name=PARKS, kind=UnitKind.DEPARTMENT, parent=HUB, supervisor=STREET)
    tree = build_tree([*(one for one in TREE if one.code != PARKS), parks], "2026-12")
    about_the_street = whistle(matter(FOR_NOBODY, respondent=STREET))
    for about, expected in ((about_the_street, "escalated"), (whistle(matter(FOR_NOBODY)), "escalated + dispatched")):
        case = story(district(tree), about, dispatches(PARKS))
        assert outcome(case.tell(escalated(unit=PARKS, changes=TAKE_OVER, round_=1))) == expected


def test_the_unit_above_is_the_successors_where_the_unit_is_gone() -> None:
    """Before the sweep comes: the community that took over is below another street now."""
    case = story(*STREET_ABOVE, district(SPLIT_TREE))
    assert outcome(case.tell(escalated(unit=COMMUNITY, changes=TAKE_OVER, round_=1))) == TO_THE_STREET
    assert [one.unit for one in case.now.present] == [OTHER_STREET]


def test_what_the_unit_was_late_with_stays_its_own() -> None:
    """Its red and its supervision are in the log, its time is accounted for; the unit above begins anew."""
    case = story(*STREET_ABOVE, signs_in(COMMUNITY), due(limit(NOW + timedelta(hours=1)), unit=COMMUNITY))
    case.goes_on(timedelta(hours=2), overdue(Obligation.HANDLE, COMMUNITY, round_=1))
    rung = escalated(rung=3, unit=COMMUNITY, changes=tuple(RungChange), round_=1)
    assert outcome(case.tell(rung)) == "escalated + supervised + dispatched"
    recorded, supervised, handed = case.facts[-3:]
    assert isinstance(recorded, f.CaseEscalated)
    assert recorded.changes == tuple(RungChange)
    assert isinstance(supervised, f.CaseSupervised)
    assert isinstance(handed, f.CaseDispatched)
    assert supervised.unit == COMMUNITY
    assert (handed.cause, handed.level, handed.actor.kind) == (DispatchCause.ESCALATED, Level.STREET, ActorKind.CLOCK)
    assert handed.reason.zh == f"提级办理：{COMMUNITY}超期已达督办阶梯第 3 级，由{STREET}接办"
    assert [made.unit for made in handed.released] == [COMMUNITY]
    (begun,) = handed.assignments
    assert (begun.unit, begun.begun) == (STREET, True)
    (missed,) = case.now.missed
    assert (missed.unit, missed.assignment_id) == (COMMUNITY, handed.released[0].assignment_id)
    assert case.now.held[COMMUNITY] == timedelta(hours=2)
    assert case.now.supervised == ()
    turns(
        case,
        (signs_in(COMMUNITY), "no: not_your_case"),
        (escalated(rung=4, unit=COMMUNITY, changes=tuple(RungChange), round_=1), "escalated"),
        (signs_in(STREET), "signed_in -> handling"),
        (asks_extension(STREET), "requested"),
    )


def test_the_desk_dispatches_what_it_took_over() -> None:
    case = story(*AT_WORK, supervises(), asks_extension(), escalated(rung=3, changes=TAKE_OVER, round_=1))
    sent = case.facts[-1]
    assert isinstance(sent, f.CaseSentToDesk)
    assert (sent.desk, [made.unit for made in sent.released]) == (HUB, [WATER])
    assert (case.now.present, case.now.requests, case.now.supervised, case.now.answerable) == ((), (), (), HUB)
    turns(
        case,
        (finishes(), "no: not_your_case"),
        (escalated(rung=4, changes=TAKE_OVER, round_=1), "escalated -> to_dispatch"),
        (dispatches(MARKET), "dispatched -> dispatched"),
        (signs_in(MARKET), "signed_in -> handling"),
    )


def test_a_rework_that_was_taken_over_is_still_a_rework() -> None:
    case = story(*REWORKED, escalated(rung=3, changes=TAKE_OVER, round_=2))
    turns(case, (dispatches(MARKET), "dispatched -> rework"), (refuses(MARKET), "no: designation_is_final"))
    assert case.now.round == 2
    assert case.now.stage is Stage.REWORK
