"""Cases that were opened under release 0.1 go on under this one. They have no accounts, and close without."""

from datetime import timedelta

import orjson
import pytest

from services.router.domain.case import Case
from shared.contracts import facts as f
from shared.contracts.vocabulary import Obligation, Stage
from tests.unit.router.stories import (
    HUB,
    NOW,
    WAITS_IN,
    Story,
    concluded,
    dispatches,
    due,
    finishes,
    limit,
    overdue,
    passed,
    refuses,
    signs_in,
    story,
    turns,
    upholds,
    verified,
)

OF_A_CASE = {
    "case_id",
    "matter",
    "self_handled",
    "stage",
    "level",
    "ledger",
    "case_list",
    "assignments",
    "designated",
    "refusals",
    "round",
    "reworks",
    "missed",
    "opened_at",
    "closed_at",
    "answer",
}
OF_AN_ASSIGNMENT = {"assignment_id", "unit", "role", "round", "part", "result", "evidence"}
KNOWN_THEN = (
    Stage.VERIFYING,
    Stage.TO_DISPATCH,
    Stage.DISPATCHED,
    Stage.REFUSAL_REVIEW,
    Stage.HANDLING,
    Stage.CHECKING,
    Stage.RATING,
    Stage.REWORK,
)


def as_it_was_kept(case: Case) -> bytes:
    """The state with the fields that release 0.1 had."""
    kept = {name: value for name, value in case.model_dump(mode="json").items() if name in OF_A_CASE}
    kept["assignments"] = [
        {name: value for name, value in one.items() if name in OF_AN_ASSIGNMENT} for one in kept["assignments"]
    ]
    return orjson.dumps(kept)


def going_on(case: Case) -> object:
    """What leads on from where it stands."""
    match case.stage:
        case Stage.VERIFYING:
            return verified()
        case Stage.TO_DISPATCH:
            return dispatches()
        case Stage.REFUSAL_REVIEW:
            return upholds()
        case Stage.DISPATCHED | Stage.REWORK:
            return signs_in(case.present[0].unit)
        case Stage.HANDLING:
            return finishes(case.present[0].unit)
        case Stage.CHECKING:
            return passed(case.round)
        case _:
            return concluded(True, case.round)


@pytest.mark.parametrize("stage", KNOWN_THEN)
def test_it_is_read_and_goes_on_to_its_end(stage: Stage) -> None:
    told = Story(Case.model_validate_json(as_it_was_kept(story(*WAITS_IN[stage]).now)))
    assert told.now.stage is stage
    while told.now.stage is not Stage.CLOSED:
        assert told.tell(going_on(told.now)).facts
    closed = told.facts[-1]
    assert isinstance(closed, f.CaseClosed)
    assert closed.accounts == ()


def test_what_was_missed_then_is_still_known() -> None:
    late = story(*WAITS_IN[Stage.HANDLING], overdue(Obligation.HANDLE)).now
    assert Case.model_validate_json(as_it_was_kept(late)).missed == late.missed


def test_it_learns_by_when_from_then_on() -> None:
    told = Story(Case.model_validate_json(as_it_was_kept(story(*WAITS_IN[Stage.DISPATCHED]).now)))
    assert told.now.limits == ()
    turns(
        told.goes_on(due(limit(NOW + timedelta(hours=1), Obligation.SIGN_IN)), timedelta(hours=2)),
        (refuses(), "no: limit_has_passed"),
        (signs_in(), "signed_in -> handling"),
    )


def test_one_opened_under_this_release_has_accounts() -> None:
    told = story(*WAITS_IN[Stage.CLOSED])
    closed = told.facts[-1]
    assert isinstance(closed, f.CaseClosed)
    assert closed.accounts
    assert (told.now.answerable, HUB in told.now.held, told.now.answerable_since) == (None, False, NOW)
