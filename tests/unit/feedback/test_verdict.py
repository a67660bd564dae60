"""How a round ends: what is said, about whom, and with which reason."""

import pytest

from services.feedback.domain.review import Review, Tally
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Obligation, ReworkCause, Satisfaction
from tests.unit.feedback.histories import (
    MARKET,
    WATER,
    History,
    answered,
    case_checked,
    closed,
    failed,
    handled,
    opened,
    overdue,
    passed,
    rated,
    rework,
)

RATE_LATE = overdue(Obligation.RATE)
NO_RESIDENT = {"resident_to_ask": False}
SATISFIED, BASICALLY, UNSATISFIED = Satisfaction.SATISFIED, Satisfaction.BASICALLY_SATISFIED, Satisfaction.UNSATISFIED
BEGUN = [opened(), handled()]
BEGUN_WITH_TWO = [opened(), handled(1, WATER, MARKET)]
ALONE = [opened(resident_to_ask=False), handled(1, resident_to_ask=False)]

NOT_YET = [
    # what has happened                                        what is still awaited
    ([opened()], set()),
    (BEGUN, {"check", "rating", "resident"}),
    ([*BEGUN, rated()], {"check", "resident"}),
    ([*BEGUN, rated(), answered()], {"check"}),
    ([*BEGUN, rated(), answered(UNSATISFIED)], {"check"}),
    ([*BEGUN, RATE_LATE], {"check", "rating", "resident"}),
    ([*BEGUN, passed()], {"rating", "resident"}),
    ([*BEGUN, passed(), rated()], {"resident"}),
    ([*BEGUN, passed(), answered()], {"rating"}),
    ([*BEGUN, passed(), answered(UNSATISFIED)], {"rating"}),
    ([*BEGUN_WITH_TWO, passed(), rated(WATER), answered()], {"rating"}),
    ([*BEGUN, passed(), overdue(Obligation.CHECK)], {"rating", "resident"}),
    ([*BEGUN, passed(), overdue(Obligation.HANDLE)], {"rating", "resident"}),
    ([*BEGUN, passed(), overdue(Obligation.RATE, 2)], {"rating", "resident"}),
    ([*BEGUN, failed()], set()),
    ([*BEGUN, failed(), RATE_LATE], set()),
    ([*BEGUN, failed(), rework(2)], set()),
    ([*BEGUN, failed(), rework(2), handled(2)], {"check", "rating", "resident"}),
    ([*BEGUN, failed(), rework(2), handled(2), RATE_LATE, passed()], {"rating", "resident"}),
    ([*BEGUN, passed(), rework(2, ReworkCause.HUB_ORDERED), RATE_LATE], set()),
    ([*BEGUN, passed(), closed(), RATE_LATE], set()),
    (ALONE, {"check", "rating"}),
]


@pytest.mark.parametrize(("history", "waiting"), NOT_YET)
def test_no_verdict_while_something_is_awaited(history: list[object], waiting: set[str]) -> None:
    told = History(*history)
    assert told.verdicts == []
    assert told.waiting == waiting


VERDICTS = [
    # what has happened                                                  close  unrated  silent  rule
    ([*BEGUN, passed(), rated(), answered()], True, (), False, "all_have_spoken"),
    ([*BEGUN, answered(), rated(), passed()], True, (), False, "all_have_spoken"),
    ([*BEGUN, rated(), passed(), answered(BASICALLY)], True, (), False, "all_have_spoken"),
    ([*ALONE, rated(), passed()], True, (), False, "all_have_spoken"),
    ([*ALONE, passed(), RATE_LATE], True, (WATER,), False, "rating_time_over"),
    ([*BEGUN, passed(), RATE_LATE], True, (WATER,), True, "rating_time_over"),
    ([*BEGUN, RATE_LATE, passed()], True, (WATER,), True, "rating_time_over"),
    ([RATE_LATE, *BEGUN, passed()], True, (WATER,), True, "rating_time_over"),
    ([opened(), RATE_LATE, handled(), passed()], True, (WATER,), True, "rating_time_over"),
    (
        [*BEGUN, failed(), overdue(Obligation.RATE, 2), rework(2), handled(2), passed()],
        True,
        (WATER,),
        True,
        "rating_time_over",
    ),
    ([*BEGUN, passed(), rated(), RATE_LATE], True, (), True, "rating_time_over"),
    ([*BEGUN, passed(), answered(), RATE_LATE], True, (WATER,), False, "rating_time_over"),
    ([*BEGUN_WITH_TWO, rated(MARKET), passed(), RATE_LATE], True, (WATER,), True, "rating_time_over"),
    ([*BEGUN, RATE_LATE, rated(), answered(), passed()], True, (), False, "all_have_spoken"),
    ([*BEGUN, passed(), rated(), answered(UNSATISFIED)], False, (), False, "resident_reopens_once"),
    ([*BEGUN, passed(), rated(), answered(SATISFIED, solved=False)], False, (), False, "resident_reopens_once"),
    ([*BEGUN, passed(), rated(), answered(UNSATISFIED, solved=False)], False, (), False, "resident_reopens_once"),
    ([*BEGUN, answered(UNSATISFIED), passed(), RATE_LATE], False, (WATER,), False, "resident_reopens_once"),
    ([*BEGUN, case_checked(), rated(), answered()], True, (), False, "all_have_spoken"),
    (
        [
            *[*BEGUN, passed(), rated(), answered(UNSATISFIED)],
            *[rework(2, ReworkCause.HUB_ORDERED), handled(2)],  # the hub was faster; the right is used all the same
            *[passed(), rated(), answered(UNSATISFIED)],
        ],
        True,
        (),
        False,
        "reopened_by_right_before",
    ),
    (
        [*BEGUN, failed(), rework(2), handled(2), rated(), passed(), answered(UNSATISFIED)],
        False,
        (),
        False,
        "resident_reopens_once",
    ),
    (
        [
            *[*BEGUN, passed(), rated(), answered(UNSATISFIED)],
            *[rework(2, ReworkCause.RESIDENT_UNSATISFIED), handled(2)],
            *[passed(), rated(), answered(UNSATISFIED)],
        ],
        True,
        (),
        False,
        "reopened_by_right_before",
    ),
    (
        [
            *[*BEGUN, passed(), rated(), answered(UNSATISFIED)],
            *[rework(2, ReworkCause.RESIDENT_UNSATISFIED), handled(2)],
            *[passed(), rated(), answered(SATISFIED)],
        ],
        True,
        (),
        False,
        "all_have_spoken",
    ),
    (
        [
            *[*BEGUN, passed(), rated(), answered()],
            *[closed(), rework(2, ReworkCause.HUB_ORDERED), handled(2)],
            *[passed(), rated(), answered(UNSATISFIED)],
        ],
        False,
        (),
        False,
        "resident_reopens_once",
    ),
]


@pytest.mark.parametrize(("history", "close", "unrated", "silent", "rule"), VERDICTS)
def test_verdict(history: list[object], close: bool, unrated: tuple[str, ...], silent: bool, rule: str) -> None:
    told = History(*history)
    verdict = told.verdicts[-1]
    assert told.said[-1] is verdict, "the verdict is the last word"
    assert (verdict.close, verdict.unrated, verdict.resident_silent, verdict.reason.rule) == (
        close,
        unrated,
        silent,
        rule,
    )
    assert verdict.actor.kind is (ActorKind.CLOCK if unrated or silent else ActorKind.RULE)
    assert told.waiting == set()


REASONS = [
    (
        [*BEGUN, passed(), rated(), answered()],
        "第 1 轮：核查通过，居民表示已解决、满意，予以结案。",
        "Round 1: the check passed; the resident says it is solved and is satisfied; the case closes.",
    ),
    (
        [*ALONE, passed(), rated()],
        "第 1 轮：核查通过，无需居民评价，予以结案。",
        "Round 1: the check passed; there is no resident to ask; the case closes.",
    ),
    (
        [*BEGUN_WITH_TWO, passed(), RATE_LATE],
        "第 1 轮：核查通过，予以结案；评价期限已到，2 个单位未评价，居民未评价。",
        (
            "Round 1: the check passed; the case closes; the time to rate is over, 2 units were not rated, "
            "the resident did not answer, which counts as not rated."
        ),
    ),
    (
        [*BEGUN, answered(UNSATISFIED, solved=False), passed(), RATE_LATE],
        "第 1 轮：核查通过，但居民表示未解决、不满意，依规重办一次；评价期限已到，1 个单位未评价。",
        (
            "Round 1: the check passed, but the resident says it is not solved and not satisfactory: "
            "reopened once by right; the time to rate is over, 1 unit was not rated."
        ),
    ),
    (
        VERDICTS[-3][0],
        "第 2 轮：居民仍表示不满意；本件已依规重办过一次，予以结案，如需再次重办，由区级治理中心责令。",
        (
            "Round 2: the resident still says it is not satisfactory; the case was reopened by right once before, "
            "so it closes, and only the hub may order it reopened again."
        ),
    ),
]


@pytest.mark.parametrize(("history", "zh", "en"), REASONS)
def test_the_reason_says_who_said_what_in_both_languages(history: list[object], zh: str, en: str) -> None:
    reason = History(*history).verdicts[-1].reason
    assert (reason.zh, reason.en) == (zh, en)


def test_a_check_says_what_was_found() -> None:
    told = History(*BEGUN, failed("仍在渗水"))
    (fact,) = told.said
    assert isinstance(fact, f.FeedbackChecked)
    assert (fact.round, fact.passed, fact.note, fact.actor.person) == (
        1,
        False,
        "仍在渗水",
        "staff of 110199001001",
    )


def test_failing_again_and_again_means_rework_each_time_counted() -> None:
    told = History(*BEGUN, failed())
    for number in (2, 3, 4):
        told.tell(rework(number))
        told.tell(handled(number))
        told.tell(failed())
    assert told.review is not None
    assert told.review.tally.checks_failed == 4
    assert told.verdicts == []


def test_ratings_and_answers_belong_to_their_round() -> None:
    told = History(*BEGUN, rated(score=1), answered(UNSATISFIED), failed(), rework(2), handled(2), passed())
    assert told.verdicts == [], "the answer of round 1 is none in round 2"
    told.tell(rated(score=5))
    told.tell(answered())
    assert told.verdicts[-1].close
    assert told.review is not None
    assert told.review.tally == Tally(
        checks_passed=1,
        checks_failed=1,
        rated=2,
        contact=6,
        speed=6,
        result=6,
        answered=2,
        contacted=2,
        solved=2,
        satisfied=1,
        unsatisfied=1,
        closed=1,
    )


def test_silence_is_in_no_figure_of_satisfaction() -> None:
    told = History(*BEGUN, passed(), RATE_LATE)
    assert told.review is not None
    assert told.review.tally == Tally(checks_passed=1, unrated=1, silent=1, closed=1)


PASSED_OVER = [
    # before                                                     a fact that no longer applies
    ([*BEGUN, passed(), RATE_LATE], RATE_LATE),
    ([*BEGUN, passed(), rated(), answered()], RATE_LATE),
    ([*BEGUN, failed(), rework(2), handled(2)], RATE_LATE),
    ([*BEGUN, failed(), rework(2), handled(2)], overdue(Obligation.CHECK)),
    ([*BEGUN, failed()], RATE_LATE),
    (BEGUN, overdue(Obligation.HANDLE)),
    ([], overdue(Obligation.SIGN_IN)),
    (BEGUN, opened()),
    (BEGUN, handled()),
    ([*BEGUN, failed(), rework(2), handled(2)], handled(1)),
    ([*BEGUN, failed(), rework(2), handled(2)], rework(2)),
    ([opened()], rework(1)),
    ([], rework(2)),
    ([], closed()),
    ([opened()], closed()),
    ([*BEGUN, passed()], case_checked()),
    ([*BEGUN, failed()], case_checked(passed=False)),
    ([*BEGUN, failed()], case_checked(passed=True)),
    ([], case_checked()),
    ([*BEGUN, passed(), rated(), answered()], closed()),
]


@pytest.mark.parametrize(("before", "fact"), PASSED_OVER)
def test_a_fact_that_no_longer_applies_is_passed_over_with_a_note(before: list[object], fact: f.Fact) -> None:
    decision = History(*before).tell(fact)
    assert (decision.state, decision.facts, decision.refusal) == (None, (), None)
    assert decision.note


def test_a_handled_case_needs_no_opening_to_be_reviewed() -> None:
    told = History(handled())
    assert told.waiting == {"check", "rating", "resident"}


def test_the_router_s_word_overrides_what_the_opening_said() -> None:
    told = History(opened(resident_to_ask=True), handled(resident_to_ask=False))
    assert told.waiting == {"check", "rating"}


def test_a_new_round_ends_one_that_was_left_open() -> None:
    told = History(*BEGUN, passed(), handled(2))
    assert told.review is not None
    assert [each.open for each in told.review.rounds] == [False, True]


def test_the_time_of_a_state_is_one_width_so_that_its_text_sorts() -> None:
    review = History(opened()).review
    assert isinstance(review, Review)
    assert '"since":"2026-11-23T09:30:00.000000Z"' in review.model_dump_json()
