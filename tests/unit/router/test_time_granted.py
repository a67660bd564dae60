"""延期、挂账、三单: who is granted time, who is not, and what ends it."""

from datetime import timedelta

import pytest

from services.router.domain import commands as c
from services.router.domain.case import Pause, Request
from services.router.domain.procedures import Action, Procedure, Who
from shared.contracts import facts as f
from shared.contracts.vocabulary import CaseList, Ledger, Obligation, RequestKind, ResumeCause, Role, Stage, Urgency
from tests.unit.router.stories import (
    AT_THE_HUB,
    CLOCK,
    FOR_NOBODY,
    FOR_SHOPS,
    HUB,
    MARKET,
    NOW,
    PARKS,
    POWER,
    WATER,
    Said,
    Told,
    asks_extension,
    asks_suspension,
    comments,
    corrects,
    denies,
    dispatches,
    district,
    failed,
    finishes,
    grants,
    joins,
    lists_immediate,
    lists_phased,
    lists_understanding,
    makes_lead,
    matter,
    outcome,
    overdue,
    procedures,
    progresses,
    reaches,
    refuses,
    releases,
    resumes,
    review_date_comes,
    sets_urgency,
    signs_in,
    story,
    supervises,
    transfers,
    turns,
    upholds,
    whistle,
    withdraws,
)

EXTENSION, SUSPENSION = RequestKind.EXTENSION, RequestKind.SUSPENSION
DAY = timedelta(days=1)
AT_WORK = (whistle(), signs_in())
TOGETHER = (whistle(matter(FOR_SHOPS)), signs_in(MARKET), signs_in(PARKS))
SUSPENDED = (*AT_WORK, asks_suspension(), grants())


# --- 延期 ----------------------------------------------------------------------------------------------------


def test_a_request_waits_for_who_has_to_approve() -> None:
    case = story(*AT_WORK, asks_extension(share=0.5))
    asked = case.facts[-1]
    assert isinstance(asked, f.CaseRequested)
    assert (asked.stage, asked.kind, asked.unit, asked.share, asked.until, asked.approver) == (
        Stage.EXTENSION_REVIEW,
        EXTENSION,
        WATER,
        0.5,
        None,
        HUB,
    )
    assert case.now.requests == (
        Request(kind=EXTENSION, assignment_id=asked.assignment_id, unit=WATER, share=0.5, until=None, approver=HUB),
    )


RULINGS = [
    # asked for                       ruled                                     approved  share  until
    (asks_extension(), grants(), (True, 1.0, None)),
    (asks_extension(share=0.5), grants(), (True, 0.5, None)),
    (asks_extension(share=0.5), grants(share=0.25), (True, 0.25, None)),
    (asks_extension(), denies(), (False, None, None)),
    (asks_suspension(), grants(), (True, None, NOW + 30 * DAY)),
    (asks_suspension(), grants(until=NOW + 7 * DAY), (True, None, NOW + 7 * DAY)),
    (asks_suspension(), denies(), (False, None, None)),
]


@pytest.mark.parametrize(("asked", "ruled", "expected"), RULINGS)
def test_granted_as_asked_less_or_not(asked: Said, ruled: Said, expected: tuple[object, ...]) -> None:
    case = story(*AT_WORK, asked, ruled)
    ruling = case.facts[-1]
    assert isinstance(ruling, f.CaseRequestRuled)
    assert (ruling.approved, ruling.share, ruling.until) == expected
    assert [made.unit for made in ruling.assignments] == [WATER]
    assert case.now.requests == ()


MORE_THAN_ASKED = [
    # asked for                       ruled                                     the field at fault
    (asks_extension(share=0.5), grants(share=0.6), "share"),
    (asks_suspension(), grants(until=NOW + 31 * DAY), "until"),
    (asks_suspension(), grants(until=NOW), "until"),
]


@pytest.mark.parametrize(("asked", "ruled", "field"), MORE_THAN_ASKED)
def test_never_more_than_was_asked_for(asked: Said, ruled: Said, field: str) -> None:
    refusal = story(*AT_WORK, asked).tell(ruled).refusal
    assert refusal is not None
    assert (refusal.code, refusal.field, refusal.status) == ("more_than_asked", field, 422)


def test_a_date_that_has_passed_while_it_was_argued_is_not_granted() -> None:
    case = story(*AT_WORK, asks_suspension(), 31 * DAY)
    turns(case, (grants(), "no: more_than_asked"), (denies(), "request_ruled -> handling"))


def test_of_several_requests_one_is_named() -> None:
    case = story(*TOGETHER, asks_extension(MARKET), asks_suspension(MARKET), asks_extension(PARKS))
    refusal = case.tell(grants()).refusal
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("which_request", "unit")
    assert f"{PARKS}/extension" in refusal.zh
    turns(
        case,
        (grants(MARKET), "no: which_request"),
        (grants(kind=EXTENSION), "no: which_request"),
        (grants(WATER, EXTENSION), "no: which_request"),
        (denies(MARKET, EXTENSION), "request_ruled -> extension_review"),
        (grants(PARKS), "request_ruled -> extension_review"),
        (grants(), "request_ruled -> suspended"),
    )


def test_a_request_lapses_when_its_unit_has_finished() -> None:
    case = story(*TOGETHER, asks_extension(PARKS))
    turns(case, (finishes(PARKS), "unit_done -> handling"), (grants(), "no: not_at_this_stage"))


def test_a_request_lapses_when_its_unit_loses_the_case() -> None:
    """The procedures that ship wait for the ruling; another district's may release it at once."""
    case = story(*TOGETHER, asks_extension(PARKS))
    assert outcome(case.tell(releases(PARKS))) == "no: not_at_this_stage"
    anywhere = {Action.RELEASE: (Procedure(who=(Who.HUB,)),)}
    turns(case.goes_on(district(given=procedures(anywhere))), (releases(PARKS), "dispatched -> handling"))
    assert case.now.requests == ()


def test_a_suspension_leaves_no_other_request_behind() -> None:
    case = story(*TOGETHER, asks_extension(PARKS), asks_suspension(MARKET), grants(MARKET), resumes())
    assert (case.now.stage, case.now.requests) == (Stage.HANDLING, ())


def test_the_clock_of_who_asked_goes_on_and_so_does_its_work() -> None:
    turns(
        story(*AT_WORK, asks_extension()),
        (asks_extension(), "no: asked_already"),
        (progresses(), "progressed -> extension_review"),
        (overdue(Obligation.HANDLE), "overdue -> extension_review"),
        (grants(), "request_ruled -> handling"),
        (asks_extension(), "no: limit_has_passed"),
    )


def test_the_next_round_is_the_same_units_case() -> None:
    """An extension counts for the case: rework does not give another."""
    case = story(*AT_WORK, asks_extension(), grants(), finishes(), failed(), signs_in())
    assert outcome(case.tell(asks_extension())) == "no: times_used_up"


# --- 挂账 ----------------------------------------------------------------------------------------------------


def test_a_suspended_case_stands_until_its_date() -> None:
    case = story(*SUSPENDED)
    assert case.now.pause == Pause(until=NOW + 30 * DAY, asked_for=True)
    turns(
        case,
        (signs_in(), "no: nothing_to_sign_in"),
        (progresses(), "no: not_in_your_hands"),
        (finishes(), "no: not_in_your_hands"),
        (refuses(), "no: too_late_to_refuse"),
        (transfers(MARKET), "no: not_at_this_stage"),
        (comments(), "commented -> suspended"),
        (corrects(), "corrected -> suspended"),
        (sets_urgency(Urgency.URGENT), "reprioritised -> suspended"),
        (review_date_comes(NOW + 30 * DAY), "resumed -> handling"),
        (finishes(), "unit_done + handled -> checking"),
    )


RESUMED = [
    # by                          why                        whose decision
    (review_date_comes(), ResumeCause.REVIEW_DATE, CLOCK),
    (resumes(), ResumeCause.ORDERED, AT_THE_HUB),
]


@pytest.mark.parametrize(("said", "cause", "actor"), RESUMED)
def test_it_goes_on(said: object, cause: ResumeCause, actor: f.Actor) -> None:
    case = story(*SUSPENDED, said)
    fact = case.facts[-1]
    assert isinstance(fact, f.CaseResumed)
    assert (fact.stage, fact.cause, fact.actor) == (Stage.HANDLING, cause, actor)
    assert [made.unit for made in fact.assignments] == [WATER]
    assert fact.why is not None
    assert case.now.pause is None


def test_the_lead_may_go_on_sooner() -> None:
    turns(story(*SUSPENDED), (resumes(by=MARKET), "no: not_yours_to_do"), (resumes(by=WATER), "resumed -> handling"))


def test_nobody_is_blamed_for_a_review_date() -> None:
    assert story(*SUSPENDED, review_date_comes()).now.missed == ()


def test_a_review_date_of_a_pause_that_is_over_resumes_nothing() -> None:
    """The date of the first pause comes when the case stands on the understanding list, until later."""
    case = story(*SUSPENDED, resumes())
    assert outcome(case.tell(review_date_comes())) == "-"
    case.goes_on(lists_understanding(review_at=NOW + 60 * DAY))
    assert outcome(case.tell(review_date_comes(NOW + 30 * DAY))) == "-"
    turns(case, (review_date_comes(NOW + 60 * DAY), "resumed -> handling"))


def test_where_nobody_has_signed_in_yet_it_goes_on_waiting_for_that() -> None:
    turns(
        story(whistle()),
        (lists_understanding(), "listed -> suspended"),
        (signs_in(), "no: nothing_to_sign_in"),
        (resumes(), "resumed -> dispatched"),
        (refuses(), "refused -> refusal_review"),
    )


# --- 三单 ----------------------------------------------------------------------------------------------------


def test_the_understanding_list_has_an_explanation_and_a_date() -> None:
    case = story(*AT_WORK, lists_understanding())
    fact = case.facts[-1]
    assert isinstance(fact, f.CaseListed)
    assert (fact.stage, fact.explanation, fact.explained_at, fact.review_at) == (
        Stage.SUSPENDED,
        "管网改造列入明年计划",
        NOW,
        NOW + 60 * DAY,
    )
    assert case.now.pause == Pause(until=NOW + 60 * DAY, asked_for=False)
    assert case.now.case_list is CaseList.UNDERSTANDING


def test_it_does_not_use_up_the_suspension() -> None:
    turns(
        story(*AT_WORK, lists_understanding(), review_date_comes(NOW + 60 * DAY)),
        (asks_suspension(until=NOW + 90 * DAY), "requested"),
    )


LISTS: dict[str, dict[str, object]] = {
    "understanding": {
        "case_list": CaseList.UNDERSTANDING,
        "explanation": "列入明年计划",
        "explained_at": NOW,
        "review_at": NOW + 60 * DAY,
    },
    "phased": {"case_list": CaseList.PHASED},
    "immediate": {"case_list": CaseList.IMMEDIATE},
}
STEP_1, STEP_2 = (f.Milestone(number=number, title=f"第 {number} 步", due_at=NOW + number * DAY) for number in (1, 2))
UNFIT = [
    # list             with                                              no                              field
    ("understanding", {"explanation": " "}, "understanding_incomplete", "explanation"),
    ("understanding", {"explained_at": None}, "understanding_incomplete", "explained_at"),
    ("understanding", {"review_at": None}, "understanding_incomplete", "review_at"),
    ("understanding", {"explained_at": NOW + DAY}, "not_explained_yet", "explained_at"),
    ("understanding", {"milestones": (STEP_1,)}, "milestones_do_not_fit", "milestones"),
    ("immediate", {"explanation": "已解释"}, "only_for_understanding", "case_list"),
    ("immediate", {"review_at": NOW + DAY}, "only_for_understanding", "case_list"),
    ("immediate", {"milestones": (STEP_1,)}, "milestones_do_not_fit", "milestones"),
    ("phased", {}, "milestones_do_not_fit", "milestones"),
    ("phased", {"milestones": (STEP_1,), "explained_at": NOW}, "only_for_understanding", "case_list"),
    ("phased", {"milestones": (STEP_2,)}, "milestones_out_of_order", "milestones"),
    ("phased", {"milestones": (STEP_2, STEP_1)}, "milestones_out_of_order", "milestones"),
    ("phased", {"milestones": (STEP_1, STEP_1)}, "milestones_out_of_order", "milestones"),
    (
        "phased",
        {"milestones": (STEP_1.model_copy(update={"due_at": NOW}), STEP_2)},
        "milestones_out_of_order",
        "milestones",
    ),
    (
        "phased",
        {"milestones": (STEP_1.model_copy(update={"due_at": NOW + 3 * DAY}), STEP_2)},
        "milestones_out_of_order",
        "milestones",
    ),
]


@pytest.mark.parametrize(("case_list", "changes", "code", "field"), UNFIT)
def test_a_list_without_what_belongs_to_it(case_list: str, changes: dict[str, object], code: str, field: str) -> None:
    command = c.ListCase.model_validate({"actor": AT_THE_HUB, "reason": "列单", **LISTS[case_list], **changes})
    refusal = story(*AT_WORK).tell(Said(command, HUB)).refusal
    assert refusal is not None
    assert (refusal.code, refusal.field, refusal.status) == (code, field, 422)


def test_on_the_phased_list_the_lead_reaches_milestone_after_milestone() -> None:
    case = story(*TOGETHER)
    turns(
        case,
        (reaches(1, MARKET), "no: no_such_milestone"),
        (lists_phased(10, 20), "listed -> handling"),
        (reaches(1, PARKS), "no: lead_reports_milestones"),
        (reaches(3, MARKET), "no: no_such_milestone"),
        (finishes(PARKS), "unit_done -> handling"),
        (finishes(MARKET), "no: milestones_left"),
        (reaches(1, MARKET), "milestone_reached -> handling"),
        (reaches(1, MARKET), "no: no_such_milestone"),
        (finishes(MARKET), "no: milestones_left"),
        (reaches(2, MARKET), "milestone_reached -> handling"),
        (finishes(MARKET), "unit_done + handled -> checking"),
    )
    assert [one.reached_at for one in case.now.milestones] == [NOW, NOW]


def test_who_is_left_to_reach_is_said() -> None:
    refusal = story(*AT_WORK, lists_phased(10, 20, 30), reaches(2)).tell(finishes()).refusal
    assert refusal is not None
    assert "1、3" in refusal.zh
    assert "1, 3" in refusal.en


def test_a_milestone_is_not_reached_while_the_case_is_suspended_or_not_signed_in_to() -> None:
    turns(
        story(whistle(), lists_phased(10)),
        (reaches(), "no: not_in_your_hands"),
        (signs_in(), "signed_in -> handling"),
        (asks_suspension(until=NOW + 5 * DAY), "requested"),
        (grants(), "request_ruled -> suspended"),
        (reaches(), "no: not_in_your_hands"),
        (review_date_comes(NOW + 5 * DAY), "resumed -> handling"),
        (reaches(), "milestone_reached"),
    )


PLANS_AGAIN = [
    # the second list                 milestones afterwards    list afterwards
    (lists_phased(5, 15, 25), 3, CaseList.PHASED),
    (lists_immediate(), 0, CaseList.IMMEDIATE),
]


@pytest.mark.parametrize(("again", "milestones", "case_list"), PLANS_AGAIN)
def test_a_second_plan_replaces_the_first(again: Said, milestones: int, case_list: CaseList) -> None:
    case = story(*AT_WORK, lists_phased(10, 20), reaches(1), again)
    assert [one.reached_at for one in case.now.milestones] == [None] * milestones
    assert case.now.case_list is case_list


def test_who_takes_over_the_lead_takes_over_the_milestones() -> None:
    turns(
        story(*TOGETHER, lists_phased(10, 20), reaches(1, MARKET), makes_lead(PARKS)),
        (reaches(2, MARKET), "no: lead_reports_milestones"),
        (reaches(2, PARKS), "milestone_reached"),
    )


def test_rework_is_not_planned_any_more() -> None:
    case = story(*AT_WORK, lists_phased(10), reaches(), finishes(), failed())
    assert case.now.milestones == ()
    turns(case, (signs_in(), "signed_in"), (finishes(), "unit_done + handled"))


def test_list_and_ledger() -> None:
    case = story(whistle())
    assert (case.now.case_list, case.now.ledger) == (None, Ledger.FIXED_DEADLINE)
    case.goes_on(lists_immediate(ledger=Ledger.SPECIAL))
    assert (case.now.case_list, case.now.ledger) == (CaseList.IMMEDIATE, Ledger.SPECIAL)
    case.goes_on(lists_phased())
    assert (case.now.case_list, case.now.ledger) == (CaseList.PHASED, Ledger.SPECIAL), "the ledger stays"


# --- and nothing else gains time -----------------------------------------------------------------------------

NOTHING_GAINED: list[tuple[Told, ...]] = [
    (comments(),),
    (corrects(),),
    (sets_urgency(Urgency.COMPLEX),),
    (supervises(),),
    (asks_extension(), denies()),
    (asks_suspension(), denies()),
    (lists_immediate(),),
    (joins(POWER),),
    (joins(POWER), makes_lead(POWER)),
]


@pytest.mark.parametrize("told", NOTHING_GAINED)
def test_who_has_a_part_keeps_it_untouched(told: tuple[Told, ...]) -> None:
    case = story(*AT_WORK)
    before = case.now.present[0]
    case.goes_on(*told)
    after = case.now.assignment_of(WATER)
    assert after is not None
    assert after.model_copy(update={"role": Role.LEAD}) == before
    for fact in case.facts[4:]:
        for made in getattr(fact, "assignments", ()):
            assert not (made.begun and made.unit == WATER)


def test_what_ends_it_all_ends_a_pause_too() -> None:
    case = story(*SUSPENDED, withdraws(by=HUB))
    assert (case.now.pause, case.now.present, case.now.stage) == (None, (), Stage.WITHDRAWN)
    assert outcome(case.tell(review_date_comes())) == "-"


def test_one_has_asked_and_another_refuses_and_each_is_ruled_on() -> None:
    case = story(
        whistle(matter(FOR_NOBODY)), dispatches(MARKET, PARKS, WATER), signs_in(MARKET), asks_extension(MARKET)
    )
    turns(
        case,
        (refuses(WATER), "refused -> refusal_review"),
        (upholds(POWER), "refusal_ruled + dispatched -> extension_review"),
        (finishes(MARKET), "no: co_handlers_not_done"),
        (denies(MARKET, SUSPENSION), "no: which_request"),
        (denies(MARKET), "request_ruled -> handling"),
    )
