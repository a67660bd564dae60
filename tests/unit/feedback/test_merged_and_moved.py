"""Cases that were merged into another, units that took over from others, and checks that fail some units only."""

import pytest

from shared.contracts import facts as f
from shared.contracts.vocabulary import Ledger, Satisfaction, Source, Stage
from tests.unit.feedback.histories import (
    CASE,
    COMMUNITY,
    MARKET,
    NUMBER,
    OTHER_COMMUNITY,
    RULE,
    WATER,
    History,
    answered,
    failed,
    handled,
    matter,
    opened,
    passed,
    rated,
    staff,
)


def merged_case_answered(resident_to_ask: bool = True) -> f.CaseAnswered:
    return f.CaseAnswered(
        number=NUMBER,
        source=Source.RESIDENT,
        stage=Stage.RATING,
        actor=RULE,
        answer="已随另一件修复",
        ledger=Ledger.ON_BEHALF,
        into=CASE,
        units=(WATER, MARKET),
        round=1,
        resident_to_ask=resident_to_ask,
        whistle_blower=COMMUNITY,
    )


def whistle_blower_succeeded() -> f.CaseHandedOver:
    return f.CaseHandedOver(
        number=NUMBER,
        source=Source.RESIDENT,
        stage=Stage.CHECKING,
        actor=RULE,
        before=COMMUNITY,
        unit=OTHER_COMMUNITY,
        matter=matter(Source.RESIDENT, True, OTHER_COMMUNITY),
        reason=f.Reason(zh="机构调整", en="reorganised"),
    )


def part_succeeded() -> f.CaseHandedOver:
    moved = {"before": WATER, "unit": MARKET, "assignment_id": CASE}
    return whistle_blower_succeeded().model_copy(update=moved)


def refusal(told: History, said: object) -> str | None:
    found = told.tell(said).refusal
    return None if found is None else found.code


def test_a_merged_case_is_rated_by_its_own_reporter_and_closes_by_their_word() -> None:
    told = History(opened(), merged_case_answered())
    assert told.waiting == {"rating", "resident"}
    for word in (rated(WATER), rated(MARKET), answered(Satisfaction.SATISFIED)):
        told.tell(word)
    assert [verdict.close for verdict in told.verdicts] == [True]


def test_its_resident_may_reopen_it_though_the_other_case_is_closed() -> None:
    told = History(opened(), merged_case_answered(), rated(WATER), rated(MARKET), answered(Satisfaction.UNSATISFIED))
    assert [verdict.close for verdict in told.verdicts] == [False]


def test_answered_twice_begins_one_round() -> None:
    told = History(opened(), merged_case_answered(), rated(WATER), merged_case_answered())
    assert told.review is not None
    assert len(told.review.rounds) == 1
    assert told.waiting == {"rating", "resident"}


def test_the_successor_of_the_whistle_blower_checks() -> None:
    told = History(opened(), handled(), whistle_blower_succeeded())
    assert refusal(told, passed(staff(COMMUNITY))) == "not_yours_to_check"
    assert refusal(told, passed(staff(OTHER_COMMUNITY))) is None


def test_a_handling_units_successor_does_not() -> None:
    told = History(opened(), handled(), part_succeeded())
    assert refusal(told, passed(staff(MARKET))) == "not_yours_to_check"
    assert refusal(told, passed(staff(COMMUNITY))) is None


@pytest.mark.parametrize(
    ("failed_units", "check_passes", "refused"),
    [
        ((), False, None),
        ((MARKET,), False, None),
        ((WATER, MARKET), False, None),
        ((OTHER_COMMUNITY,), False, "unit_did_not_report"),
        ((MARKET,), True, "passed_with_failed_units"),
    ],
)
def test_a_check_may_name_the_units_whose_part_is_not_done(
    failed_units: tuple[str, ...], check_passes: bool, refused: str | None
) -> None:
    told = History(opened(), handled(1, WATER, MARKET))
    check = (passed() if check_passes else failed()).model_copy(update={"failed_units": failed_units})
    assert refusal(told, check) == refused
    if refused is None:
        facts = [fact for fact in told.said if isinstance(fact, f.FeedbackChecked)]
        assert [fact.failed_units for fact in facts] == [failed_units]
