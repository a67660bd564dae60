"""From sign-in to archive: the lead finishes last, failed is reworked, an answer closes, what was missed stays."""

from datetime import timedelta

import pytest

from services.router.domain.case import Missed, Part
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Ledger, Obligation, ReworkCause, Role, Stage
from tests.unit.router.stories import (
    AT_THE_HUB,
    BLOWER,
    CLOCK,
    COMMUNITY,
    FOR_SHOPS,
    HUB,
    MARKET,
    NOW,
    PARKS,
    RULE,
    WATER,
    Said,
    Story,
    concluded,
    escalated,
    failed,
    finishes,
    matter,
    orders_rework,
    outcome,
    overdue,
    passed,
    progresses,
    refuses,
    residents_order,
    sample_checked,
    signs_in,
    story,
    time_to_object_is_over,
    upholds,
    whistle,
)

FINISHED = (whistle(), signs_in(), finishes(result="已更换水管"))
CLOSED = (*FINISHED, passed(), concluded())


def test_who_reported_stands_in_the_fact() -> None:
    case = story(whistle(), signs_in(), progresses(), finishes())
    for fact in case.facts[3:]:
        assert fact.actor == f.Actor(kind=ActorKind.STAFF, unit=WATER, person="p-2")
    progressed = case.facts[4]
    assert isinstance(progressed, f.CaseProgressed)
    assert (progressed.note, progressed.contacted, progressed.stage) == ("已到现场", True, Stage.HANDLING)


def test_finished_with_result_and_evidence() -> None:
    photo = f.Evidence(name="现场.jpg", media_type="image/jpeg", url="https://files.example/1")
    case = story(whistle(matter(resident_to_ask=True)), signs_in())
    case.tell(Said(f.ReportDone(result="已更换水管", evidence=(photo,)), WATER))
    done, handled = case.facts[-2:]
    assert isinstance(done, f.CaseUnitDone)
    assert (done.stage, done.result, done.evidence) == (Stage.HANDLED, "已更换水管", (photo,))
    assert isinstance(handled, f.CaseHandled)
    assert (handled.units, handled.round, handled.resident_to_ask, handled.whistle_blower) == (
        (WATER,),
        1,
        True,
        COMMUNITY,
    )


# --- lead and co-handlers

TOGETHER = [
    # said in turn, and what follows
    [(signs_in(MARKET), "signed_in"), (finishes(MARKET), "no: co_handlers_not_done")],
    [(signs_in(PARKS), "signed_in"), (finishes(PARKS), "unit_done"), (finishes(PARKS), "no: not_in_your_hands")],
    [
        (signs_in(PARKS), "signed_in"),
        (finishes(PARKS), "unit_done"),
        (finishes(MARKET), "no: sign_in_first"),
        (signs_in(MARKET), "signed_in"),
        (progresses(PARKS), "no: not_in_your_hands"),
        (finishes(MARKET), "unit_done + handled"),
    ],
    [
        (signs_in(MARKET), "signed_in"),
        (signs_in(MARKET), "no: nothing_to_sign_in"),
        (progresses(PARKS), "no: sign_in_first"),
        (signs_in(PARKS), "signed_in"),
        (finishes(MARKET), "no: co_handlers_not_done"),
        (finishes(PARKS), "unit_done"),
        (finishes(MARKET), "unit_done + handled"),
    ],
    [(refuses(PARKS), "refused"), (signs_in(MARKET), "signed_in"), (finishes(MARKET), "no: co_handlers_not_done")],
]


@pytest.mark.parametrize("turns", TOGETHER)
def test_the_lead_finishes_last(turns: list[tuple[Said, str]]) -> None:
    case = story(whistle(matter(FOR_SHOPS)))
    for said, expected in turns:
        assert outcome(case.tell(said)) == expected


def test_who_is_waited_for_is_named() -> None:
    refusal = story(whistle(matter(FOR_SHOPS)), signs_in(MARKET)).tell(finishes(MARKET)).refusal
    assert refusal is not None
    assert PARKS in refusal.zh
    assert PARKS in refusal.en


def test_the_answer_is_the_leads_result_then_the_co_handlers() -> None:
    turns = (signs_in(PARKS), finishes(PARKS, "绿化带已修整"), signs_in(MARKET), finishes(MARKET, "摊贩已劝离"))
    case = story(whistle(matter(FOR_SHOPS)), *turns, passed(), concluded())
    closed = case.facts[-1]
    assert isinstance(closed, f.CaseClosed)
    assert closed.answer == "摊贩已劝离\n绿化带已修整"
    assert {made.unit for made in closed.assignments} == {MARKET, PARKS}


def test_the_answer_begins_with_who_took_over_the_lead() -> None:
    case = story(whistle(matter(FOR_SHOPS)), refuses(MARKET), upholds(WATER), signs_in(PARKS), finishes(PARKS, "其次"))
    for said in (signs_in(WATER), finishes(WATER, "首先"), passed(), concluded()):
        case.tell(said)
    assert case.now.answer == "首先\n其次"


# --- check, rework, close


def test_passed_it_waits_to_be_rated() -> None:
    checked = story(*FINISHED, passed()).facts[-1]
    assert isinstance(checked, f.CaseChecked)
    assert (checked.stage, checked.passed, checked.note, checked.actor) == (Stage.RATING, True, "已恢复供水", BLOWER)


def by_unit(*said: tuple[str, str], note: str = "") -> f.FeedbackChecked:
    """验单 unit by unit; an empty word = passed."""
    verdicts = tuple(f.UnitVerdict(unit=unit, passed=not why, note=why) for unit, why in said)
    return f.FeedbackChecked(
        round=1,
        passed=False,
        note=note,
        failed_units=tuple(unit for unit, why in said if why),
        verdicts=verdicts,
        actor=BLOWER,
    )


BY_UNIT = [
    # what was found                                                 what the units are told
    (by_unit((WATER, "阀门仍漏")), f"{WATER}：阀门仍漏"),
    (by_unit((WATER, "阀门仍漏"), note="须在周五前完成"), f"须在周五前完成\n{WATER}：阀门仍漏"),
    (by_unit((WATER, "阀门仍漏"), (MARKET, "未检查"), (PARKS, "")), f"{WATER}：阀门仍漏\n{MARKET}：未检查"),
]


@pytest.mark.parametrize(("checked", "told"), BY_UNIT)
def test_each_unit_that_failed_is_told_its_own(checked: f.FeedbackChecked, told: str) -> None:
    failed_check, again = story(*FINISHED, checked).facts[-2:]
    assert isinstance(failed_check, f.CaseChecked)
    assert isinstance(again, f.CaseReworkOrdered)
    assert (failed_check.note, again.explanation) == (told, told)


def test_a_sample_found_wanting_is_reworked() -> None:
    case = story(*CLOSED, sample_checked(units=(WATER,)))
    again = case.facts[-1]
    assert isinstance(again, f.CaseReworkOrdered)
    assert (again.cause, again.actor, again.explanation) == (ReworkCause.HUB_ORDERED, AT_THE_HUB, "现场未修复")
    assert (again.round, [made.unit for made in again.assignments]) == (2, [WATER])


SAMPLES_PASSED_OVER = [
    (CLOSED, sample_checked(passed=True)),
    (CLOSED, sample_checked(round_=2)),
    ((*CLOSED, time_to_object_is_over()), sample_checked()),
    ((*CLOSED, orders_rework()), sample_checked()),
    (FINISHED, sample_checked()),
]


@pytest.mark.parametrize(("told", "checked"), SAMPLES_PASSED_OVER)
def test_a_sample_in_order_or_too_late_changes_nothing(
    told: tuple[object, ...], checked: f.FeedbackSampleChecked
) -> None:
    assert outcome(story(*told).tell(checked)) == "-"


REWORKED = [
    # told                                          cause                             who                 why
    ((*FINISHED, failed()), ReworkCause.CHECK_FAILED, BLOWER, "仍在渗水"),
    ((*FINISHED, passed(), concluded(close=False)), ReworkCause.RESIDENT_UNSATISFIED, RULE, "居民不满意"),
    ((*CLOSED, orders_rework()), ReworkCause.HUB_ORDERED, AT_THE_HUB, "居民再次反映"),
]


@pytest.mark.parametrize(("told", "cause", "who", "why"), REWORKED)
def test_rework_gives_the_same_units_a_second_round(
    told: tuple[object, ...], cause: ReworkCause, who: f.Actor, why: str
) -> None:
    case = story(*told)
    ordered = case.facts[-1]
    assert isinstance(ordered, f.CaseReworkOrdered)
    assert (ordered.cause, ordered.actor, ordered.explanation, ordered.round) == (cause, who, why, 2)
    first, second = case.now.assignments
    assert (second.unit, second.role, second.round, second.part) == (WATER, Role.LEAD, 2, Part.ASSIGNED)
    assert (first.part, first.result) == (Part.DONE, "已更换水管")
    assert first.assignment_id != second.assignment_id
    assert (case.now.round, case.now.reworks, case.now.closed_at, case.now.present) == (2, 1, None, (second,))
    assert outcome(case.tell(refuses())) == "no: designation_is_final"


def test_the_second_round_goes_like_the_first() -> None:
    case = story(*FINISHED, failed(), signs_in(), finishes(result="已重新更换"), passed(2), concluded(round_=2))
    assert case.now.answer == "已重新更换", "the answer is the last round's"
    assert case.now.stage is Stage.CLOSED


@pytest.mark.parametrize("stale", [passed(1), failed(1), passed(3)])
def test_a_check_of_another_round_is_passed_over(stale: f.FeedbackChecked) -> None:
    assert outcome(story(*FINISHED, failed(), signs_in(), finishes()).tell(stale)) == "-"


@pytest.mark.parametrize("stale", [concluded(round_=1), concluded(close=False, round_=1)])
def test_a_conclusion_of_another_round_is_passed_over(stale: f.FeedbackConcluded) -> None:
    assert outcome(story(*FINISHED, failed(), signs_in(), finishes(), passed(2)).tell(stale)) == "-"


def test_closed_it_is_answered_and_written_off() -> None:
    case = story(*CLOSED)
    closed = case.facts[-1]
    assert isinstance(closed, f.CaseClosed)
    assert (closed.answer, closed.ledger, closed.actor) == ("已更换水管", Ledger.FIXED_DEADLINE, RULE)
    assert closed.reason == concluded().reason
    assert (case.now.answer, case.now.closed_at) == ("已更换水管", NOW)


def test_it_is_archived_when_the_time_to_object_is_over() -> None:
    case = story(*CLOSED, time_to_object_is_over())
    assert isinstance(case.facts[-1], f.CaseArchived)
    assert case.facts[-1].actor == CLOCK
    assert case.now.is_final


def test_a_closing_that_was_reopened_archives_nothing() -> None:
    case = story(*CLOSED, orders_rework(), signs_in(), finishes(), passed(2), concluded(round_=2))
    assert outcome(case.tell(time_to_object_is_over(NOW - timedelta(hours=1)))) == "-"
    assert outcome(case.tell(time_to_object_is_over())) == "archived"


# --- what was missed

MISSED = [
    # obligation                whose        of the assignment
    (Obligation.SIGN_IN, WATER, True),
    (Obligation.FIRST_CONTACT, WATER, True),
    (Obligation.HANDLE, WATER, True),
    (Obligation.HANDLE, MARKET, False),  # not, or no longer, among its units
    (Obligation.CHECK, COMMUNITY, False),
    (Obligation.CHECK, WATER, False),  # a handler that blew the whistle itself
    (Obligation.DISPATCH, HUB, False),
    (Obligation.RULE_ON_REFUSAL, HUB, False),
    (Obligation.DESIGNATE, None, False),
]


@pytest.mark.parametrize(("obligation", "unit", "of_the_assignment"), MISSED)
def test_an_overdue_names_the_assignment_it_belongs_to(
    obligation: Obligation, unit: str | None, of_the_assignment: bool
) -> None:
    case = story(whistle())
    before = case.now
    case.tell(overdue(obligation, unit))
    fact = case.facts[-1]
    assert isinstance(fact, f.CaseOverdue)
    assert (fact.stage, fact.obligation, fact.unit, fact.actor, fact.due_at) == (
        Stage.DISPATCHED,
        obligation,
        unit,
        CLOCK,
        NOW,
    )
    assert (fact.assignment_id is not None) == of_the_assignment
    assert fact.assignment_id in (None, before.present[0].assignment_id)
    assert case.now == before.model_copy(update={"missed": case.now.missed})


def test_what_was_missed_is_never_erased() -> None:
    case = Story()
    turns = (
        residents_order(),
        overdue(Obligation.ACCEPT, COMMUNITY),
        *(Said(f.WhistleVerified(actor=BLOWER)), overdue(Obligation.SIGN_IN), signs_in(), overdue(Obligation.HANDLE)),
        *(finishes(), failed(), signs_in(), finishes(), passed(2), concluded(round_=2), orders_rework(), signs_in()),
        *(finishes(), passed(3), concluded(round_=3), time_to_object_is_over()),
    )
    seen: tuple[Missed, ...] = ()
    for said in turns:
        case.tell(said)
        assert case.now.missed[: len(seen)] == seen
        seen = case.now.missed
    assert [one.obligation for one in seen] == [Obligation.ACCEPT, Obligation.SIGN_IN, Obligation.HANDLE]
    assert case.now.stage is Stage.ARCHIVED


@pytest.mark.parametrize(
    ("round_", "due_after", "becomes"),
    [
        (2, timedelta(days=7), Stage.ARCHIVED),
        (2, timedelta(hours=-1), Stage.ARCHIVED),  # closed while the database's clock was ahead
        (1, timedelta(hours=-1), Stage.CLOSED),  # of the closing that was reopened
        (None, timedelta(days=7), Stage.ARCHIVED),  # armed by a release that knew no rounds
    ],
)
def test_it_is_archived_when_its_own_time_to_object_is_over(
    round_: int | None, due_after: timedelta, becomes: Stage
) -> None:
    closed = (signs_in(), finishes(), passed(2), concluded(round_=2))
    case = story(whistle(), signs_in(), finishes(), failed(), *closed)
    assert case.now.closed_at is not None
    case.tell(overdue(Obligation.ARCHIVE, HUB, case.now.closed_at + due_after, round_))
    assert case.now.stage is becomes


def test_a_rung_of_the_ladder_is_recorded_and_changes_nothing() -> None:
    case = story(whistle())
    before = case.now
    case.tell(escalated())
    fact = case.facts[-1]
    assert isinstance(fact, f.CaseEscalated)
    assert (fact.obligation, fact.unit, fact.rung, fact.told) == (Obligation.HANDLE, WATER, 1, (WATER, HUB))
    assert case.now == before


@pytest.mark.parametrize("lapses", [Obligation.RATE, Obligation.ARCHIVE])
def test_nobody_is_pressed_for_what_may_lapse(lapses: Obligation) -> None:
    assert outcome(story(whistle()).tell(escalated(lapses))) == "-"
