"""Who may check, rate and answer, and when: tables a clerk could read."""

import re

import pytest

from services.feedback.domain.commands import Asker
from services.feedback.domain.guards import may_see, sees_residents_words
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Obligation, ReworkCause, Satisfaction, Source
from shared.runtime.decision import Refusal
from tests.unit.feedback.histories import (
    CASE,
    COMMUNITY,
    HUB,
    MARKET,
    NUMBER,
    OTHER_COMMUNITY,
    WATER,
    History,
    answered,
    closed,
    failed,
    handled,
    hotline,
    opened,
    overdue,
    passed,
    rated,
    resident,
    rework,
    staff,
)

OPENED = [opened()]
HANDLED = [opened(), handled()]
PASSED = [*HANDLED, passed()]
FAILED = [*HANDLED, failed()]
CONCLUDED = [*PASSED, rated(), answered()]
REOPENED = [*PASSED, rated(), answered(Satisfaction.UNSATISFIED)]
FROM_12345 = [
    opened(Source.HOTLINE_12345, whistle_blower=HUB),
    handled(source=Source.HOTLINE_12345, whistle_blower=HUB),
]
NOBODY_TO_ASK = [opened(resident_to_ask=False), handled(resident_to_ask=False)]

CHECK_LATE, RATE_LATE = overdue(Obligation.CHECK), overdue(Obligation.RATE)

CHECKING = [
    # before this                     who checks                       → done, or refused because
    (HANDLED, passed(staff(COMMUNITY)), None),
    (HANDLED, failed("仍在渗水", staff(COMMUNITY)), None),
    (HANDLED, failed("", staff(COMMUNITY)), "note_required"),
    (HANDLED, failed(" \n", staff(COMMUNITY)), "note_required"),
    (HANDLED, passed(staff(OTHER_COMMUNITY)), "not_yours_to_check"),
    (HANDLED, passed(staff(WATER)), "not_yours_to_check"),
    (HANDLED, passed(resident()), "not_yours_to_check"),
    (HANDLED, passed(hotline()), "not_yours_to_check"),
    (HANDLED, passed(staff(HUB)), "check_still_with_whistle_blower"),
    ([*HANDLED, CHECK_LATE], passed(staff(HUB)), None),
    ([*HANDLED, CHECK_LATE], passed(staff(COMMUNITY)), None),
    ([*HANDLED, CHECK_LATE], passed(staff(OTHER_COMMUNITY)), "not_yours_to_check"),
    ([*HANDLED, CHECK_LATE], passed(hotline()), "not_yours_to_check"),
    ([*HANDLED, RATE_LATE], passed(staff(HUB)), "check_still_with_whistle_blower"),
    ([*HANDLED, CHECK_LATE, failed(), rework(2), handled(2)], passed(staff(HUB)), "check_still_with_whistle_blower"),
    ([*FAILED, overdue(Obligation.CHECK, 2), rework(2), handled(2)], passed(staff(HUB)), None),
    (FROM_12345, passed(hotline()), None),
    (FROM_12345, passed(staff(HUB)), None),
    (FROM_12345, passed(staff(COMMUNITY)), "not_yours_to_check"),
    ([], passed(), "review_unknown"),
    ([CHECK_LATE], passed(), "review_unknown"),
    (OPENED, passed(), "not_handled_yet"),
    (OPENED, passed(staff(OTHER_COMMUNITY)), "not_yours_to_check"),
    (PASSED, passed(), "already_checked"),
    (PASSED, failed(), "already_checked"),
    (FAILED, passed(), "already_checked"),
    ([*FAILED, rework(2)], passed(), "already_checked"),
    ([*FAILED, rework(2), handled(2)], passed(), None),
    (CONCLUDED, failed(), "already_checked"),
    ([*HANDLED, rework(2, ReworkCause.HUB_ORDERED)], passed(), "round_over"),
]

RATING = [
    (HANDLED, rated(WATER), None),
    (PASSED, rated(WATER), None),
    (HANDLED, rated(MARKET), "unit_did_not_report"),
    (HANDLED, rated(by=staff(OTHER_COMMUNITY)), "not_yours_to_rate"),
    (HANDLED, rated(by=staff(WATER)), "not_yours_to_rate"),
    (HANDLED, rated(by=staff(HUB)), "not_yours_to_rate"),
    ([*HANDLED, CHECK_LATE], rated(by=staff(HUB)), "not_yours_to_rate"),
    (HANDLED, rated(by=hotline()), "not_yours_to_rate"),
    (HANDLED, rated(by=resident()), "not_yours_to_rate"),
    (FROM_12345, rated(by=staff(HUB)), None),
    ([*HANDLED, rated(WATER)], rated(WATER), "already_rated"),
    ([opened(), handled(1, WATER, MARKET), rated(WATER)], rated(MARKET), None),
    ([], rated(), "review_unknown"),
    (OPENED, rated(), "not_handled_yet"),
    (FAILED, rated(), "round_over"),
    ([*HANDLED, rated(), failed(), rework(2), handled(2)], rated(), None),
    (CONCLUDED, rated(), "round_over"),
    ([*PASSED, RATE_LATE], rated(), "round_over"),
    ([*HANDLED, closed()], rated(), "round_over"),
]

ANSWERING = [
    (HANDLED, answered(by=resident()), None),
    (PASSED, answered(by=resident()), None),
    (HANDLED, answered(by=resident("another case's number")), "not_yours_to_answer"),
    (HANDLED, answered(by=hotline()), None),
    (HANDLED, answered(by=staff(COMMUNITY)), None),
    (HANDLED, answered(by=staff(OTHER_COMMUNITY)), "not_yours_to_answer"),
    (HANDLED, answered(by=staff(WATER)), "not_yours_to_answer"),
    (HANDLED, answered(by=staff(HUB)), "not_yours_to_answer"),
    (FROM_12345, answered(by=staff(HUB)), None),
    (NOBODY_TO_ASK, answered(by=staff(COMMUNITY)), "no_resident_to_ask"),
    ([*HANDLED, answered()], answered(), "already_answered"),
    ([*HANDLED, answered(by=hotline())], answered(by=resident()), "already_answered"),
    ([], answered(by=hotline()), "review_unknown"),
    (OPENED, answered(), "not_handled_yet"),
    (FAILED, answered(), "round_over"),
    ([*HANDLED, answered(), failed(), rework(2), handled(2)], answered(), None),
    (REOPENED, answered(), "round_over"),
    ([*PASSED, RATE_LATE], answered(Satisfaction.UNSATISFIED), "round_over"),
]


@pytest.mark.parametrize(("before", "command", "code"), [*CHECKING, *RATING, *ANSWERING])
def test_who_may_do_what_when(before: list[object], command: object, code: str | None) -> None:
    history = History(*before)
    review, said = history.review, len(history.said)

    decision = history.tell(command)

    if code is None:
        assert decision.refusal is None
        assert len(history.said) > said
    else:
        assert decision.refusal is not None
        assert decision.refusal.code == code
        assert (decision.state, decision.facts, history.review) == (None, (), review), "a refusal changes nothing"


@pytest.mark.parametrize(("before", "command", "code"), [*CHECKING, *RATING, *ANSWERING])
def test_every_no_says_why_and_what_to_do_in_both_languages(
    before: list[object], command: object, code: str | None
) -> None:
    refusal = History(*before).tell(command).refusal
    if code is None:
        assert refusal is None
    else:
        reads_well(refusal)


def reads_well(refusal: Refusal | None) -> None:
    """It says why and what to do, in both languages."""
    assert refusal is not None
    chinese = re.compile(r"[一-鿿]")
    assert chinese.search(refusal.zh), "zh is Chinese"
    assert not chinese.search(refusal.en.replace("办结", "")), "en is not"
    assert re.search("[；;]", refusal.zh), "why; what to do"
    assert re.search("[;,.] ", refusal.en), "why; what to do"
    assert refusal.status in (403, 404, 409, 422)


@pytest.mark.parametrize("kind", [ActorKind.RULE, ActorKind.CLOCK, ActorKind.RESIDENT, ActorKind.HOTLINE])
@pytest.mark.parametrize("unit", [COMMUNITY, HUB])
def test_a_units_code_alone_does_not_make_its_staff(kind: ActorKind, unit: str) -> None:
    pretender = staff(unit)
    pretender = pretender.model_copy(update={"actor": pretender.actor.model_copy(update={"kind": kind})})

    for command in (passed(pretender), rated(by=pretender)):
        refusal = History(*HANDLED, CHECK_LATE).tell(command).refusal
        assert refusal is not None
        assert refusal.status == 403


def test_who_is_called_like_the_case_is_not_its_resident() -> None:
    """A resident's access is issued for a case's number; staff with such a name are staff of their unit."""
    told = History(opened(), handled())
    assert told.review is not None
    called_so = Asker(actor=f.Actor(kind=ActorKind.STAFF, unit=MARKET, person=NUMBER))
    assert not may_see(called_so, CASE, told.review)
    assert not sees_residents_words(called_so, CASE, told.review)
    assert may_see(resident(NUMBER), CASE, told.review)
    assert sees_residents_words(resident(NUMBER), CASE, told.review)
