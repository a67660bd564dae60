"""What follows from everything that can be said, in every stage a case can rest in.

A cell holds the facts that are stated, `no:` and the refusal's code, or `-` where it is passed over.
"""

import pytest

from services.router.main import HANDLERS
from shared.contracts.lifecycle import STAGES
from shared.contracts.vocabulary import Obligation, Stage
from tests.unit.router import stories
from tests.unit.router.stories import (
    COMMUNITY,
    MARKET,
    WAITS_IN,
    Said,
    concluded,
    declined,
    dismisses,
    dispatches,
    escalated,
    failed,
    finishes,
    orders_rework,
    outcome,
    overdue,
    passed,
    progresses,
    refuses,
    residents_order,
    signs_in,
    story,
    time_to_object_is_over,
    upholds,
    verified,
    whistle,
)

SAYINGS: dict[str, object] = {
    # intake
    "a whistle": whistle(),
    "a resident's order": residents_order(),
    "verified": verified(),
    "declined": declined(),
    # the unit that has it
    "signs in": signs_in(),
    "refuses": refuses(),
    "progresses": progresses(),
    "finishes": finishes(),
    # the hub
    "dispatches": dispatches(),
    "upholds": upholds(),
    "dismisses": dismisses(),
    "orders rework": orders_rework(),
    # feedback
    "passed": passed(),
    "failed": failed(),
    "close": concluded(),
    "reopen": concluded(close=False),
    # the clock
    "handle is overdue": overdue(Obligation.HANDLE),
    "rate is overdue": overdue(Obligation.RATE, COMMUNITY),
    "archive is due": time_to_object_is_over(),
    "a rung": escalated(),
}

TABLES = """
stage          | a whistle                      | a resident's order | verified              | declined
-              | opened + accepted + dispatched | opened             | -                     | -
verifying      | -                              | -                  | accepted + dispatched | declined
declined       | -                              | -                  | -                     | -
to_dispatch    | -                              | -                  | -                     | -
dispatched     | -                              | -                  | -                     | -
refusal_review | -                              | -                  | -                     | -
consultation   | -                              | -                  | -                     | -
handling       | -                              | -                  | -                     | -
checking       | -                              | -                  | -                     | -
rating         | -                              | -                  | -                     | -
rework         | -                              | -                  | -                     | -
closed         | -                              | -                  | -                     | -
archived       | -                              | -                  | -                     | -

stage          | signs in               | refuses                  | progresses            | finishes
-              | no: case_unknown       | no: case_unknown         | no: case_unknown      | no: case_unknown
verifying      | no: not_your_case      | no: not_your_case        | no: not_your_case     | no: not_your_case
declined       | no: not_your_case      | no: not_your_case        | no: not_your_case     | no: not_your_case
to_dispatch    | no: not_your_case      | no: not_your_case        | no: not_your_case     | no: not_your_case
dispatched     | signed_in              | refused                  | no: sign_in_first     | no: sign_in_first
refusal_review | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands
consultation   | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands
handling       | no: nothing_to_sign_in | no: too_late_to_refuse   | progressed            | unit_done + handled
checking       | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands
rating         | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands
rework         | signed_in              | no: designation_is_final | no: sign_in_first     | no: sign_in_first
closed         | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands
archived       | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands

stage          | dispatches                 | upholds                    | dismisses           | orders rework
-              | no: case_unknown           | no: case_unknown           | no: case_unknown    | no: case_unknown
verifying      | no: not_at_the_desk        | no: not_at_the_desk        | no: not_at_the_desk | no: not_at_the_desk
declined       | no: not_at_the_desk        | no: not_at_the_desk        | no: not_at_the_desk | no: not_at_the_desk
to_dispatch    | dispatched                 | no: not_at_the_desk        | no: not_at_the_desk | no: not_at_the_desk
dispatched     | no: not_at_the_desk        | no: not_at_the_desk        | no: not_at_the_desk | no: not_at_the_desk
refusal_review | no: not_at_the_desk        | refusal_ruled + dispatched | refusal_ruled       | no: not_at_the_desk
consultation   | refusal_ruled + dispatched | no: not_at_the_desk        | no: not_at_the_desk | no: not_at_the_desk
handling       | no: not_at_the_desk        | no: not_at_the_desk        | no: not_at_the_desk | no: not_at_the_desk
checking       | no: not_at_the_desk        | no: not_at_the_desk        | no: not_at_the_desk | no: not_at_the_desk
rating         | no: not_at_the_desk        | no: not_at_the_desk        | no: not_at_the_desk | no: not_at_the_desk
rework         | no: not_at_the_desk        | no: not_at_the_desk        | no: not_at_the_desk | no: not_at_the_desk
closed         | no: not_at_the_desk        | no: not_at_the_desk        | no: not_at_the_desk | rework_ordered
archived       | no: not_at_the_desk        | no: not_at_the_desk        | no: not_at_the_desk | no: not_at_the_desk

stage          | passed  | failed                   | close  | reopen
-              | -       | -                        | -      | -
verifying      | -       | -                        | -      | -
declined       | -       | -                        | -      | -
to_dispatch    | -       | -                        | -      | -
dispatched     | -       | -                        | -      | -
refusal_review | -       | -                        | -      | -
consultation   | -       | -                        | -      | -
handling       | -       | -                        | -      | -
checking       | checked | checked + rework_ordered | -      | -
rating         | -       | -                        | closed | rework_ordered
rework         | -       | -                        | -      | -
closed         | -       | -                        | -      | -
archived       | -       | -                        | -      | -

stage          | handle is overdue | rate is overdue | archive is due | a rung
-              | -                 | -               | -              | -
verifying      | overdue           | -               | -              | escalated
declined       | -                 | -               | -              | -
to_dispatch    | overdue           | -               | -              | escalated
dispatched     | overdue           | -               | -              | escalated
refusal_review | overdue           | -               | -              | escalated
consultation   | overdue           | -               | -              | escalated
handling       | overdue           | -               | -              | escalated
checking       | overdue           | -               | -              | escalated
rating         | overdue           | -               | -              | escalated
rework         | overdue           | -               | -              | escalated
closed         | overdue           | -               | archived       | escalated
archived       | -                 | -               | -              | -
"""


def cells() -> list[tuple[str, str, str]]:
    """(stage, saying, outcome) for every cell of every table."""
    found = []
    for table in TABLES.strip().split("\n\n"):
        head, *rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
        found += [(row[0], saying, cell) for row in rows for saying, cell in zip(head[1:], row[1:], strict=True)]
    return found


@pytest.mark.parametrize(("stage", "saying", "expected"), cells())
def test_what_follows(stage: str, saying: str, expected: str) -> None:
    reached = None if stage == "-" else Stage(stage)
    case = story(*WAITS_IN[reached])
    before = case.case
    decision = case.tell(SAYINGS[saying])
    assert outcome(decision) == expected
    if expected == "-" or expected.startswith("no:"):
        assert case.case == before


def test_the_tables_are_complete() -> None:
    told = {type(said.message if isinstance(said, Said) else said) for said in SAYINGS.values()}
    assert told == set(HANDLERS)
    stages = {"-", *(stage for stage, row in STAGES.items() if row.waits or row.final)}
    assert {(stage, saying) for stage, saying, _ in cells()} == {(stage, each) for stage in stages for each in SAYINGS}
    for stage, told_before in WAITS_IN.items():
        assert stage is None or story(*told_before).now.stage is stage


NOT_THE_HUB = [dispatches(by=MARKET), upholds(by=COMMUNITY), dismisses(by=stories.WATER), orders_rework(by=COMMUNITY)]


@pytest.mark.parametrize("stage", list(WAITS_IN), ids=str)
@pytest.mark.parametrize("said", NOT_THE_HUB, ids=lambda said: type(said.message).__name__)
def test_only_the_hub_rules(stage: Stage | None, said: Said) -> None:
    decision = story(*WAITS_IN[stage]).tell(said)
    assert outcome(decision) == "no: hub_only"
    assert decision.refusal is not None
    assert decision.refusal.status == 403


@pytest.mark.parametrize("stage", [stage for stage in WAITS_IN if stage is not None])
@pytest.mark.parametrize("other", [MARKET, COMMUNITY, stories.HUB, "nobody-at-all"])
@pytest.mark.parametrize("say", [signs_in, refuses, progresses, finishes], ids=lambda say: say.__name__)
def test_no_unit_acts_on_anothers_case(stage: Stage, other: str, say: type[Said]) -> None:
    decision = story(*WAITS_IN[stage]).tell(say(other))
    assert decision.refusal is not None
    assert (decision.refusal.code, decision.refusal.status, decision.refusal.field) == ("not_your_case", 403, "unit")


def test_a_report_without_a_unit_is_refused() -> None:
    assert outcome(story(whistle()).tell(Said(signs_in().message, None))) == "no: no_unit"


@pytest.mark.parametrize("stage", [stage for stage in WAITS_IN if stage is not None])
def test_every_no_says_why_in_both_languages(stage: Stage) -> None:
    for said in SAYINGS.values():
        refusal = story(*WAITS_IN[stage]).tell(said).refusal
        if refusal is not None:
            assert any("\u4e00" <= sign <= "\u9fff" for sign in refusal.zh)
            assert refusal.en.isascii()
            assert str(stage) not in refusal.zh, "the stage's Chinese name stands in the Chinese text"
