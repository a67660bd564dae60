"""By when units owe what: what the clock says is kept with the part it is about, and judged by at once."""

from datetime import timedelta

import pytest

from services.router.domain.case import Case
from services.router.domain.procedures import Action, Procedure, Who
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, LimitCause, Obligation, RungChange, Stage
from tests.unit.router.stories import (
    AT_THE_HUB,
    COMMUNITY,
    FOR_NOBODY,
    FOR_SHOPS,
    MARKET,
    NOW,
    PARKS,
    SPLIT_TREE,
    WAITS_IN,
    WATER,
    WORKS,
    Story,
    Told,
    asks_extension,
    asks_suspension,
    concluded,
    dismisses,
    district,
    due,
    escalated,
    failed,
    finishes,
    grants,
    joins,
    limit,
    matter,
    outcome,
    overdue,
    passed,
    procedures,
    progresses,
    refuses,
    resumes,
    signs_in,
    story,
    transfers,
    turns,
    units_have_changed,
    upholds,
    whistle,
    withdraws,
)

SIGN_IN, CONTACT, HANDLE = Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE
HOUR = timedelta(hours=1)
SOON, LATER = NOW + HOUR, NOW + 4 * HOUR
AT_WORK = (whistle(), signs_in())
REWORKED = (*AT_WORK, finishes(), failed())
MERGER = district(SPLIT_TREE)


def known(case: Case) -> dict[str, int | None]:
    """`unit/round obligation` → in how many hours it is due, as the case has it."""
    units = {one.assignment_id: f"{one.unit}/{one.round}" for one in case.assignments}
    return {
        f"{units[one.assignment_id]} {one.obligation}": (one.due_at - NOW) // HOUR if one.due_at else None
        for one in case.limits
    }


# --- what is known


def test_each_unit_has_its_own_and_the_newest_counts() -> None:
    case = story(whistle(matter(FOR_SHOPS)), due(limit(SOON, SIGN_IN), limit(LATER), unit=MARKET), due(unit=PARKS))
    assert known(case.now) == {
        "dept-market/1 sign_in": 1,
        "dept-market/1 handle": 4,
        "dept-parks/1 handle": 4,
    }
    case.goes_on(due(limit(NOW + 9 * HOUR, generation=2), unit=MARKET))
    assert known(case.now) == {
        "dept-market/1 sign_in": 1,
        "dept-market/1 handle": 9,
        "dept-parks/1 handle": 4,
    }


def test_the_fact_says_all_that_the_clock_said() -> None:
    case = story(whistle(), due(limit(SOON), cause=LimitCause.CALENDAR))
    told = case.facts[-1]
    assert isinstance(told, f.CaseTimed)
    assert (told.unit, told.assignment_id) == (WATER, case.now.present[0].assignment_id)
    assert (told.cause, told.limits, told.actor) == (LimitCause.CALENDAR, (limit(SOON),), AT_THE_HUB)
    assert told.why == f.Reason(
        zh="国务院办公厅通知", en="国务院办公厅通知", rule="calendar", version="case.dispatched.v1"
    )
    usual = case.goes_on(due()).facts[-1]
    assert (usual.actor.kind, usual.why) == (ActorKind.CLOCK, None)


FORGOTTEN = [
    # what happens with all three known                      what is known then
    ((), {"sign_in": 1, "first_contact": 1, "handle": 1}),
    ((signs_in(),), {"first_contact": 1, "handle": 1}),
    ((signs_in(), progresses(contacted=False)), {"first_contact": 1, "handle": 1}),
    ((signs_in(), progresses()), {"handle": 1}),
    ((signs_in(), finishes()), {}),
    ((refuses(),), {"sign_in": 1, "first_contact": 1, "handle": 1}),  # dismissed, it goes on
    ((refuses(), upholds()), {}),
    ((transfers(),), {}),
    ((withdraws(),), {}),
    ((signs_in(), asks_suspension(), grants()), {"first_contact": None, "handle": None}),
    # what was too late by then stays so
    ((2 * HOUR, signs_in()), {"sign_in": 1, "first_contact": 1, "handle": 1}),
    ((2 * HOUR, transfers()), {"sign_in": 1, "first_contact": 1, "handle": 1}),
    ((signs_in(), 2 * HOUR, asks_suspension(), grants()), {"first_contact": 1, "handle": 1}),
]


@pytest.mark.parametrize(("then", "left"), FORGOTTEN)
def test_what_is_done_in_time_is_forgotten(then: tuple[Told, ...], left: dict[str, int | None]) -> None:
    case = story(whistle(), due(*(limit(SOON, each) for each in (SIGN_IN, CONTACT, HANDLE))), *then)
    assert known(case.now) == {f"{WATER}/1 {obligation}": due_in for obligation, due_in in left.items()}


def test_what_is_owed_no_more_is_not_owed_again_because_it_is_said_late() -> None:
    case = story(*AT_WORK, progresses(), due(limit(SOON, SIGN_IN), limit(SOON, CONTACT)))
    assert known(case.now) == {}


def test_milestones_have_their_dates_in_the_plan() -> None:
    assert known(story(*AT_WORK, due(limit(SOON, Obligation.MILESTONE))).now) == {}


# --- which part is it about

WHOSE = [
    # a case that has been through                              the clock says        whose part it is about
    (AT_WORK, due(), f"{WATER}/1"),
    (AT_WORK, due(round_=2), "-"),  # that round has not begun
    (AT_WORK, due(unit=MARKET), "-"),
    ((whistle(matter(FOR_NOBODY)),), due(), "-"),
    (REWORKED, due(), f"{WATER}/1"),
    (REWORKED, due(round_=2), f"{WATER}/2"),
    ((*AT_WORK, transfers()), due(), f"{WATER}/1"),
    ((*AT_WORK, transfers(), transfers(WATER)), due(), f"{WATER}/1"),
    ((*AT_WORK, MERGER, units_have_changed()), due(), f"{WORKS}/1"),
    ((*AT_WORK, finishes(), passed(), concluded()), due(), f"{WATER}/1"),
    (WAITS_IN[Stage.ARCHIVED], due(), "-"),
]


@pytest.mark.parametrize(("before", "said", "whose"), WHOSE)
def test_it_is_told_to_the_part_it_is_about(before: tuple[Told, ...], said: f.DeadlineSet, whose: str) -> None:
    case = story(*before)
    decision = case.tell(said)
    if whose == "-":
        assert (decision.facts, bool(decision.note)) == ((), True)
        return
    (told,) = decision.facts
    assert isinstance(told, f.CaseTimed)
    part = next(one for one in case.now.assignments if one.assignment_id == told.assignment_id)
    assert f"{told.unit}/{part.round}" == whose == f"{part.unit}/{part.round}"


def test_of_two_parts_in_one_round_it_is_the_one_in_effect() -> None:
    case = story(*AT_WORK, transfers(), transfers(WATER), due())
    (present,) = case.now.present
    assert [one.assignment_id for one in case.now.limits] == [present.assignment_id]


BLAMED = [
    # a case that has been through                  a red, of which round     whose part is blamed
    (AT_WORK, overdue(HANDLE, round_=1), f"{WATER}/1"),
    (REWORKED, overdue(HANDLE, round_=1), f"{WATER}/1"),
    (REWORKED, overdue(HANDLE, round_=2), f"{WATER}/2"),
    (REWORKED, overdue(HANDLE), f"{WATER}/2"),  # as an older release said it, it is the present part's
    ((*AT_WORK, transfers()), overdue(HANDLE, round_=1), f"{WATER}/1"),
    ((*AT_WORK, transfers()), overdue(HANDLE), "nobody's"),
    ((*AT_WORK, MERGER, units_have_changed()), overdue(HANDLE, round_=1), f"{WORKS}/1"),
    ((*AT_WORK, MERGER, units_have_changed()), overdue(HANDLE, WORKS, round_=1), f"{WORKS}/1"),
    ((*AT_WORK, finishes(), failed(), MERGER, units_have_changed()), overdue(HANDLE, round_=1), f"{WATER}/1"),
    ((*AT_WORK, finishes(), failed(), MERGER, units_have_changed()), overdue(HANDLE, round_=2), f"{WORKS}/2"),
    ((whistle(matter(FOR_NOBODY)),), overdue(Obligation.DISPATCH, "110199", round_=1), "nobody's"),
    ((*AT_WORK, finishes()), overdue(Obligation.CHECK, COMMUNITY, round_=1), "nobody's"),
]


@pytest.mark.parametrize(("before", "red", "whose"), BLAMED)
def test_a_late_red_is_blamed_on_the_part_whose_time_it_was(
    before: tuple[Told, ...], red: f.DeadlineOverdue, whose: str
) -> None:
    case = story(*before)
    case.tell(red)
    said = case.facts[-1]
    assert isinstance(said, f.CaseOverdue)
    assert said.unit == red.unit, "who let it pass"
    parts = {one.assignment_id: f"{one.unit}/{one.round}" for one in case.now.assignments}
    assert (parts[said.assignment_id] if said.assignment_id else "nobody's") == whose


def test_a_red_of_the_round_before_costs_nothing_in_this_one() -> None:
    turns(
        story(*REWORKED, overdue(HANDLE, round_=1), signs_in()),
        (asks_extension(), "requested"),
    )
    turns(
        story(*REWORKED, overdue(HANDLE, round_=2), signs_in()),
        (asks_extension(), "no: limit_has_passed"),
    )


def test_a_rung_of_the_round_before_supervises_nobody_in_this_one() -> None:
    rung = escalated(rung=2, changes=tuple(RungChange), round_=1)
    assert outcome(story(*REWORKED).tell(rung)) == "escalated"


# --- within the limit

TOO_LATE = "no: limit_has_passed"

JUDGED = [
    # after                                                                  asks                outcome
    ((whistle(), due(limit(SOON, SIGN_IN))), refuses(), "refused"),
    ((whistle(), due(limit(SOON, SIGN_IN)), HOUR), refuses(), "refused"),
    ((whistle(), due(limit(SOON, SIGN_IN)), 2 * HOUR), refuses(), TOO_LATE),
    ((whistle(), due(limit(SOON, HANDLE)), 2 * HOUR), refuses(), "refused"),
    ((whistle(), due(limit(SOON, SIGN_IN)), due(limit(LATER, SIGN_IN)), 2 * HOUR), refuses(), "refused"),
    ((whistle(), due(limit(SOON, SIGN_IN)), refuses(), 2 * HOUR, dismisses()), refuses(), TOO_LATE),
    ((*AT_WORK, due(limit(SOON))), asks_extension(), "requested"),
    ((*AT_WORK, due(limit(SOON)), 2 * HOUR), asks_extension(), TOO_LATE),
    ((*AT_WORK, due(limit(SOON, SIGN_IN)), 2 * HOUR), asks_extension(), "requested"),
    ((*AT_WORK, due(limit(None)), 99 * HOUR), asks_extension(), "requested"),
    # it stood still meanwhile, whether the clock has said so again or not
    ((*AT_WORK, due(limit(SOON)), asks_suspension(), grants(), 9 * HOUR, resumes()), asks_extension(), "requested"),
    # another's time, or one of another round
    ((whistle(), joins(), due(limit(SOON, SIGN_IN), unit=MARKET), 2 * HOUR), refuses(), "refused"),
    ((*REWORKED, signs_in(), due(limit(SOON), round_=1), 2 * HOUR), asks_extension(), "requested"),
    ((*AT_WORK, due(limit(SOON)), 2 * HOUR, finishes(), failed(), signs_in()), asks_extension(), "requested"),
    # who was too late before it lost the case, is too late when it has it again
    (
        (whistle(), due(limit(SOON, SIGN_IN)), 2 * HOUR, transfers(), transfers(WATER)),
        refuses(),
        TOO_LATE,
    ),
    ((whistle(), due(limit(SOON, SIGN_IN)), transfers(), 2 * HOUR, transfers(WATER)), refuses(), "refused"),
    # and so is who took over from it then
    (
        (
            *(whistle(), due(limit(SOON, SIGN_IN)), 2 * HOUR, transfers(), transfers(WATER)),
            *(MERGER, units_have_changed()),
        ),
        refuses(WORKS),
        TOO_LATE,
    ),
    # who took over goes on under the same limit
    (
        (whistle(), due(limit(SOON, SIGN_IN)), MERGER, units_have_changed(), 2 * HOUR),
        refuses(WORKS),
        TOO_LATE,
    ),
]


@pytest.mark.parametrize(("before", "asks", "expected"), JUDGED)
def test_within_the_limit_is_before_its_due_time(before: tuple[Told, ...], asks: object, expected: str) -> None:
    assert outcome(story(*before).tell(asks)) == expected


CONTACT_IN_TIME = procedures({Action.EXTEND: (Procedure(who=(Who.HANDLER,), unless_missed=CONTACT),)})

CONTACTED = [
    ((), TOO_LATE),
    ((progresses(),), "requested + request_ruled"),
    ((progresses(contacted=False),), TOO_LATE),
    ((2 * HOUR, progresses()), TOO_LATE),
]


@pytest.mark.parametrize(("then", "expected"), CONTACTED)
def test_who_contacted_the_reporter_in_time_has_not_missed_it(then: tuple[Told, ...], expected: str) -> None:
    case = Story(district=district(given=CONTACT_IN_TIME)).goes_on(*AT_WORK, due(limit(SOON, CONTACT)), *then, 3 * HOUR)
    assert outcome(case.tell(asks_extension())) == expected


def test_the_refusal_names_the_due_time_in_local_time() -> None:
    refusal = story(whistle(), due(limit(SOON, SIGN_IN)), 2 * HOUR).tell(refuses()).refusal
    assert refusal is not None
    assert refusal.zh == "“签收”时限（2026-11-23 10:30）已过，不能再退单；请继续办理。"
    assert "The limit of sign_in (2026-11-23 10:30+0800) has passed" in refusal.en
    said = story(whistle(), overdue(SIGN_IN)).tell(refuses()).refusal
    assert said is not None
    assert said.zh == "“签收”时限已过，不能再退单；请继续办理。"
