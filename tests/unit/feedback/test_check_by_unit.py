"""验单 unit by unit: every unit of the round has one verdict, the whole follows from them, each keeps its evidence."""

import pytest

from services.feedback.domain.commands import CheckResult
from services.feedback.views import CheckView
from shared.contracts import facts as f
from tests.unit.feedback.histories import (
    COMMUNITY,
    MARKET,
    OTHER_COMMUNITY,
    WATER,
    History,
    handled,
    opened,
    rework,
    staff,
)
from tests.unit.feedback.test_guards import reads_well

PHOTO = f.Evidence(name="现场.jpg", media_type="image/jpeg", url="https://files.example/1")
BEGUN = [opened(), handled(1, WATER, MARKET)]


def ok(unit: str) -> f.UnitVerdict:
    return f.UnitVerdict(unit=unit, passed=True)


def bad(unit: str, note: str = "仍在渗水") -> f.UnitVerdict:
    return f.UnitVerdict(unit=unit, passed=False, note=note, evidence=(PHOTO,))


def checks(
    *verdicts: f.UnitVerdict, passed: bool, unit: str = COMMUNITY, failed_units: tuple[str, ...] = ()
) -> CheckResult:
    return CheckResult(asker=staff(unit), passed=passed, verdicts=verdicts, failed_units=failed_units)


NOES = [
    # what is said                                                    refused because          the field at fault
    (checks(ok(WATER), passed=True), "verdicts_missing", "verdicts"),
    (checks(bad(MARKET), passed=False), "verdicts_missing", "verdicts"),
    (checks(ok(WATER), ok(MARKET), ok("dept-health"), passed=True), "unit_did_not_report", "unit"),
    (checks(ok(WATER), bad(WATER), ok(MARKET), passed=False), "judged_twice", "verdicts"),
    (checks(ok(WATER), bad(MARKET), passed=True), "verdicts_disagree", "passed"),
    (checks(ok(WATER), ok(MARKET), passed=False), "verdicts_disagree", "passed"),
    (checks(ok(WATER), bad(MARKET, " \n"), passed=False), "note_required", "verdicts"),
    (checks(ok(WATER), bad(MARKET), passed=False, failed_units=(WATER,)), "failed_units_disagree", "failed_units"),
    (checks(ok(WATER), ok(MARKET), passed=True, failed_units=(WATER,)), "failed_units_disagree", "failed_units"),
    (checks(ok(WATER), passed=True, unit=OTHER_COMMUNITY), "not_yours_to_check", None),
]


@pytest.mark.parametrize(("command", "code", "field"), NOES)
def test_what_is_not_a_check_unit_by_unit(command: CheckResult, code: str, field: str | None) -> None:
    history = History(*BEGUN)
    review = history.review
    refusal = history.tell(command).refusal
    assert refusal is not None
    assert (refusal.code, refusal.field) == (code, field)
    reads_well(refusal)
    assert (history.review, history.said) == (review, [])


def test_who_is_missing_is_named() -> None:
    refusal = History(*BEGUN).tell(checks(ok(WATER), passed=True)).refusal
    assert refusal is not None
    assert MARKET in refusal.zh
    assert MARKET in refusal.en
    assert WATER not in refusal.en


def test_the_failed_units_follow_from_the_verdicts() -> None:
    history = History(*BEGUN, checks(ok(WATER), bad(MARKET), passed=False))
    (checked,) = history.said
    assert isinstance(checked, f.FeedbackChecked)
    assert (checked.passed, checked.failed_units) == (False, (MARKET,))
    assert checked.verdicts == (ok(WATER), bad(MARKET))
    assert history.review is not None
    assert history.review.round is not None
    check = history.review.round.check
    assert check is not None
    shown = CheckView.of(check).model_dump()
    assert (shown["by_unit"], shown["failed_units"]) == (COMMUNITY, [MARKET])
    assert shown["verdicts"] == [
        {"unit": WATER, "passed": True, "note": "", "evidence": []},
        {"unit": MARKET, "passed": False, "note": "仍在渗水", "evidence": [PHOTO.model_dump()]},
    ]


def test_all_passed_is_passed_and_the_round_waits_for_the_rest() -> None:
    history = History(*BEGUN, checks(ok(MARKET), ok(WATER), passed=True))
    (checked,) = history.said
    assert isinstance(checked, f.FeedbackChecked)
    assert (checked.passed, checked.failed_units) == (True, ())
    assert history.waiting == {"rating", "resident"}


def test_the_failed_units_may_be_named_as_well_in_any_order() -> None:
    history = History(*BEGUN, checks(bad(WATER), bad(MARKET), passed=False, failed_units=(MARKET, WATER)))
    (checked,) = history.said
    assert isinstance(checked, f.FeedbackChecked)
    assert checked.failed_units == (WATER, MARKET)


def test_only_the_units_of_the_present_round_are_judged() -> None:
    history = History(*BEGUN, checks(ok(WATER), bad(MARKET), passed=False), rework(2), handled(2, MARKET))
    stranger = history.tell(checks(ok(WATER), ok(MARKET), passed=True)).refusal
    assert stranger is not None
    assert stranger.code == "unit_did_not_report"
    assert history.tell(checks(ok(MARKET), passed=True)).refusal is None
