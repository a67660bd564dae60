"""What follows from everything that can be said, in every stage a case can rest in.

A cell holds the facts that are stated, `no:` and the refusal's code (`IN_SHORT` has the common ones), or `-` where
it is passed over.
"""

from collections.abc import Callable

import pytest

from services.router.main import HANDLERS
from shared.contracts.lifecycle import STAGES
from shared.contracts.vocabulary import Obligation, RungChange, Stage, Urgency
from tests.unit.router import stories
from tests.unit.router.stories import (
    COMMUNITY,
    HUB,
    MARKET,
    WAITS_IN,
    WATER,
    Said,
    asks_extension,
    asks_suspension,
    comments,
    comments_on,
    concluded,
    corrects,
    declined,
    denies,
    dismisses,
    dispatches,
    due,
    escalated,
    failed,
    finishes,
    followed,
    grants,
    joins,
    lifts_supervision,
    lists_immediate,
    lists_phased,
    lists_understanding,
    makes_lead,
    merges,
    orders_rework,
    outcome,
    overdue,
    passed,
    progresses,
    proposed,
    reaches,
    refuses,
    releases,
    residents_order,
    resumes,
    review_date_comes,
    sample_checked,
    sets_urgency,
    signs_in,
    story,
    supervises,
    time_to_object_is_over,
    transfers,
    units_have_changed,
    unmerges,
    upholds,
    verified,
    whistle,
    withdraws,
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
    "asks for time": asks_extension(),
    "asks to suspend": asks_suspension(),
    "reaches a milestone": reaches(),
    "comments": comments_on(),
    # the hub
    "dispatches": dispatches(),
    "upholds": upholds(),
    "dismisses": dismisses(),
    "orders rework": orders_rework(),
    "transfers": transfers(),
    "joins another": joins(),
    "releases the lead": releases(WATER),
    "changes the lead": makes_lead(),
    "grants": grants(),
    "denies": denies(),
    "resumes": resumes(),
    "lists: at once": lists_immediate(),
    "lists: in steps": lists_phased(),
    "lists: not now": lists_understanding(),
    "supervises": supervises(),
    "lifts supervision": lifts_supervision(),
    "raises": sets_urgency(),
    "lowers": sets_urgency(Urgency.COMPLEX),
    "corrects": corrects(),
    "hub withdraws": withdraws(by=HUB),
    # the whistle-blower
    "remarks": comments(),
    "withdraws": withdraws(),
    "merges": merges(),
    "unmerges": unmerges(),
    # the router's own sweeps
    "alike were found": proposed(),
    "its case closed": followed(),
    "its case withdrawn": followed(Stage.WITHDRAWN),
    "units changed": units_have_changed(),
    # feedback
    "passed": passed(),
    "failed": failed(),
    "close": concluded(),
    "reopen": concluded(close=False),
    "sample in order": sample_checked(passed=True),
    "sample found wanting": sample_checked(),
    # the clock
    "handle is overdue": overdue(Obligation.HANDLE),
    "rate is overdue": overdue(Obligation.RATE, COMMUNITY),
    "archive is due": time_to_object_is_over(),
    "review date comes": review_date_comes(),
    "a rung": escalated(),
    "a rung supervises": escalated(rung=2, changes=(RungChange.SUPERVISE,)),
    "a rung takes over": escalated(rung=3, changes=(RungChange.TAKE_OVER,)),
    "limits are set": due(),
}

TABLES = """
stage            | a whistle                      | a resident's order | verified              | declined
-                | opened + accepted + dispatched | opened             | -                     | -
verifying        | -                              | -                  | accepted + dispatched | declined
declined         | -                              | -                  | -                     | -
merged           | -                              | -                  | -                     | -
withdrawn        | -                              | -                  | -                     | -
to_dispatch      | -                              | -                  | -                     | -
dispatched       | -                              | -                  | -                     | -
refusal_review   | -                              | -                  | -                     | -
consultation     | -                              | -                  | -                     | -
handling         | -                              | -                  | -                     | -
extension_review | -                              | -                  | -                     | -
suspended        | -                              | -                  | -                     | -
checking         | -                              | -                  | -                     | -
rating           | -                              | -                  | -                     | -
rework           | -                              | -                  | -                     | -
closed           | -                              | -                  | -                     | -
archived         | -                              | -                  | -                     | -

stage            | signs in               | refuses                  | progresses            | finishes
-                | no: case_unknown       | no: case_unknown         | no: case_unknown      | no: case_unknown
verifying        | not theirs             | not theirs               | not theirs            | not theirs
declined         | not theirs             | not theirs               | not theirs            | not theirs
merged           | not theirs             | not theirs               | not theirs            | not theirs
withdrawn        | not theirs             | not theirs               | not theirs            | not theirs
to_dispatch      | not theirs             | not theirs               | not theirs            | not theirs
dispatched       | signed_in              | refused                  | no: sign_in_first     | no: sign_in_first
refusal_review   | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands
consultation     | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands
handling         | no: nothing_to_sign_in | no: too_late_to_refuse   | progressed            | unit_done + handled
extension_review | no: nothing_to_sign_in | no: too_late_to_refuse   | progressed            | unit_done + handled
suspended        | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands
checking         | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands
rating           | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands
rework           | signed_in              | no: designation_is_final | no: sign_in_first     | no: sign_in_first
closed           | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands
archived         | no: nothing_to_sign_in | no: too_late_to_refuse   | no: not_in_your_hands | no: not_in_your_hands

stage            | asks for time         | asks to suspend       | reaches a milestone   | comments
-                | no: case_unknown      | no: case_unknown      | no: case_unknown      | no: case_unknown
verifying        | not theirs            | not theirs            | not theirs            | not theirs to do
declined         | not theirs            | not theirs            | not theirs            | not theirs to do
merged           | not theirs            | not theirs            | not theirs            | not theirs to do
withdrawn        | not theirs            | not theirs            | not theirs            | not theirs to do
to_dispatch      | not theirs            | not theirs            | not theirs            | not theirs to do
dispatched       | no: not_in_your_hands | no: not_in_your_hands | no: not_in_your_hands | commented
refusal_review   | no: not_in_your_hands | no: not_in_your_hands | no: not_in_your_hands | commented
consultation     | no: not_in_your_hands | no: not_in_your_hands | no: not_in_your_hands | commented
handling         | requested             | requested             | no: no_such_milestone | commented
extension_review | no: asked_already     | requested             | no: no_such_milestone | commented
suspended        | no: not_in_your_hands | no: not_in_your_hands | no: not_in_your_hands | commented
checking         | no: not_in_your_hands | no: not_in_your_hands | no: not_in_your_hands | commented
rating           | no: not_in_your_hands | no: not_in_your_hands | no: not_in_your_hands | commented
rework           | no: not_in_your_hands | no: not_in_your_hands | no: not_in_your_hands | commented
closed           | no: not_in_your_hands | no: not_in_your_hands | no: not_in_your_hands | commented
archived         | no: not_in_your_hands | no: not_in_your_hands | no: not_in_your_hands | no: case_is_final

stage            | dispatches                 | upholds                    | dismisses        | orders rework
-                | no: case_unknown           | no: case_unknown           | no: case_unknown | no: case_unknown
verifying        | not now                    | not now                    | not now          | not now
declined         | not now                    | not now                    | not now          | not now
merged           | not now                    | not now                    | not now          | not now
withdrawn        | not now                    | not now                    | not now          | not now
to_dispatch      | dispatched                 | not now                    | not now          | not now
dispatched       | not now                    | not now                    | not now          | not now
refusal_review   | not now                    | refusal_ruled + dispatched | refusal_ruled    | not now
consultation     | refusal_ruled + dispatched | not now                    | not now          | not now
handling         | not now                    | not now                    | not now          | not now
extension_review | not now                    | not now                    | not now          | not now
suspended        | not now                    | not now                    | not now          | not now
checking         | not now                    | not now                    | not now          | not now
rating           | not now                    | not now                    | not now          | not now
rework           | not now                    | not now                    | not now          | not now
closed           | not now                    | not now                    | not now          | rework_ordered
archived         | not now                    | not now                    | not now          | not now

stage            | transfers        | joins another    | releases the lead     | changes the lead
-                | no: case_unknown | no: case_unknown | no: case_unknown      | no: case_unknown
verifying        | not now          | not now          | not now               | not now
declined         | not now          | not now          | not now               | not now
merged           | not now          | not now          | not now               | not now
withdrawn        | not now          | not now          | not now               | not now
to_dispatch      | not now          | not now          | not now               | not now
dispatched       | dispatched       | dispatched       | no: lead_not_released | dispatched
refusal_review   | not now          | not now          | not now               | not now
consultation     | not now          | not now          | not now               | not now
handling         | dispatched       | dispatched       | no: lead_not_released | dispatched
extension_review | not now          | not now          | not now               | not now
suspended        | not now          | not now          | not now               | not now
checking         | not now          | not now          | not now               | not now
rating           | not now          | not now          | not now               | not now
rework           | dispatched       | dispatched       | no: lead_not_released | dispatched
closed           | not now          | not now          | not now               | not now
archived         | not now          | not now          | not now               | not now

stage            | grants           | denies           | resumes          | review date comes
-                | no: case_unknown | no: case_unknown | no: case_unknown | -
verifying        | not now          | not now          | not now          | -
declined         | not now          | not now          | not now          | -
merged           | not now          | not now          | not now          | -
withdrawn        | not now          | not now          | not now          | -
to_dispatch      | not now          | not now          | not now          | -
dispatched       | not now          | not now          | not now          | -
refusal_review   | not now          | not now          | not now          | -
consultation     | not now          | not now          | not now          | -
handling         | not now          | not now          | not now          | -
extension_review | request_ruled    | request_ruled    | not now          | -
suspended        | not now          | not now          | resumed          | resumed
checking         | not now          | not now          | not now          | -
rating           | not now          | not now          | not now          | -
rework           | not now          | not now          | not now          | -
closed           | not now          | not now          | not now          | -
archived         | not now          | not now          | not now          | -

stage            | lists: at once   | lists: in steps  | lists: not now
-                | no: case_unknown | no: case_unknown | no: case_unknown
verifying        | not now          | not now          | not now
declined         | not now          | not now          | not now
merged           | not now          | not now          | not now
withdrawn        | not now          | not now          | not now
to_dispatch      | not now          | not now          | not now
dispatched       | listed           | listed           | listed
refusal_review   | not now          | not now          | not now
consultation     | not now          | not now          | not now
handling         | listed           | listed           | listed
extension_review | not now          | not now          | not now
suspended        | not now          | not now          | not now
checking         | not now          | not now          | not now
rating           | not now          | not now          | not now
rework           | listed           | listed           | listed
closed           | not now          | not now          | not now
archived         | not now          | not now          | not now

stage            | supervises       | lifts supervision
-                | no: case_unknown | no: case_unknown
verifying        | not now          | no: not_supervised
declined         | not now          | not now
merged           | not now          | no: not_supervised
withdrawn        | not now          | not now
to_dispatch      | not now          | no: not_supervised
dispatched       | supervised       | no: not_supervised
refusal_review   | supervised       | no: not_supervised
consultation     | supervised       | no: not_supervised
handling         | supervised       | no: not_supervised
extension_review | supervised       | no: not_supervised
suspended        | not now          | no: not_supervised
checking         | not now          | no: not_supervised
rating           | not now          | no: not_supervised
rework           | supervised       | no: not_supervised
closed           | not now          | no: not_supervised
archived         | not now          | not now

stage            | a rung supervises      | a rung takes over        | limits are set
-                | -                      | -                        | -
verifying        | escalated              | escalated                | -
declined         | -                      | -                        | -
merged           | escalated              | escalated                | timed
withdrawn        | -                      | -                        | -
to_dispatch      | escalated              | escalated                | -
dispatched       | escalated + supervised | escalated + sent_to_desk | timed
refusal_review   | escalated + supervised | escalated + sent_to_desk | timed
consultation     | escalated + supervised | escalated + sent_to_desk | timed
handling         | escalated + supervised | escalated + sent_to_desk | timed
extension_review | escalated + supervised | escalated + sent_to_desk | timed
suspended        | escalated              | escalated                | timed
checking         | escalated              | escalated                | timed
rating           | escalated              | escalated                | timed
rework           | escalated + supervised | escalated + sent_to_desk | timed
closed           | escalated              | escalated                | timed
archived         | -                      | -                        | -

stage            | raises           | lowers           | corrects         | remarks
-                | no: case_unknown | no: case_unknown | no: case_unknown | no: case_unknown
verifying        | reprioritised    | reprioritised    | corrected        | commented
declined         | not now          | not now          | not now          | no: case_is_final
merged           | not now          | not now          | not now          | commented
withdrawn        | not now          | not now          | not now          | no: case_is_final
to_dispatch      | reprioritised    | reprioritised    | corrected        | commented
dispatched       | reprioritised    | reprioritised    | corrected        | commented
refusal_review   | reprioritised    | reprioritised    | corrected        | commented
consultation     | reprioritised    | reprioritised    | corrected        | commented
handling         | reprioritised    | reprioritised    | corrected        | commented
extension_review | reprioritised    | reprioritised    | corrected        | commented
suspended        | reprioritised    | reprioritised    | corrected        | commented
checking         | not now          | not now          | not now          | commented
rating           | not now          | not now          | not now          | commented
rework           | reprioritised    | reprioritised    | corrected        | commented
closed           | not now          | not now          | not now          | commented
archived         | not now          | not now          | not now          | no: case_is_final

stage            | withdraws        | hub withdraws    | merges           | unmerges
-                | no: case_unknown | no: case_unknown | no: case_unknown | no: case_unknown
verifying        | withdrawn        | withdrawn        | not now          | not now
declined         | not now          | not now          | not now          | not now
merged           | not now          | not now          | not now          | unmerged + dispatched
withdrawn        | not now          | not now          | not now          | not now
to_dispatch      | withdrawn        | withdrawn        | merged           | not now
dispatched       | withdrawn        | withdrawn        | merged           | not now
refusal_review   | not now          | withdrawn        | merged           | not now
consultation     | not now          | withdrawn        | merged           | not now
handling         | not now          | withdrawn        | merged           | not now
extension_review | not now          | withdrawn        | merged           | not now
suspended        | not now          | withdrawn        | not now          | not now
checking         | not now          | not now          | not now          | not now
rating           | not now          | not now          | not now          | not now
rework           | not now          | withdrawn        | merged           | not now
closed           | not now          | not now          | not now          | not now
archived         | not now          | not now          | not now          | not now

stage            | alike were found | its case closed | its case withdrawn    | units changed
-                | -                | -               | -                     | -
verifying        | duplicate_found  | -               | -                     | -
declined         | -                | -               | -                     | -
merged           | -                | answered        | unmerged + dispatched | -
withdrawn        | -                | -               | -                     | -
to_dispatch      | duplicate_found  | -               | -                     | -
dispatched       | duplicate_found  | -               | -                     | -
refusal_review   | duplicate_found  | -               | -                     | -
consultation     | duplicate_found  | -               | -                     | -
handling         | duplicate_found  | -               | -                     | -
extension_review | duplicate_found  | -               | -                     | -
suspended        | duplicate_found  | -               | -                     | -
checking         | duplicate_found  | -               | -                     | -
rating           | duplicate_found  | -               | -                     | -
rework           | duplicate_found  | -               | -                     | -
closed           | duplicate_found  | -               | -                     | -
archived         | -                | -               | -                     | -

stage            | passed  | failed                   | close  | reopen         | sample in order | sample found wanting
-                | -       | -                        | -      | -              | -               | -
verifying        | -       | -                        | -      | -              | -               | -
declined         | -       | -                        | -      | -              | -               | -
merged           | -       | -                        | -      | -              | -               | -
withdrawn        | -       | -                        | -      | -              | -               | -
to_dispatch      | -       | -                        | -      | -              | -               | -
dispatched       | -       | -                        | -      | -              | -               | -
refusal_review   | -       | -                        | -      | -              | -               | -
consultation     | -       | -                        | -      | -              | -               | -
handling         | -       | -                        | -      | -              | -               | -
extension_review | -       | -                        | -      | -              | -               | -
suspended        | -       | -                        | -      | -              | -               | -
checking         | checked | checked + rework_ordered | -      | -              | -               | -
rating           | -       | -                        | closed | rework_ordered | -               | -
rework           | -       | -                        | -      | -              | -               | -
closed           | -       | -                        | -      | -              | -               | rework_ordered
archived         | -       | -                        | -      | -              | -               | -

stage            | handle is overdue | rate is overdue | archive is due | a rung
-                | -                 | -               | -              | -
verifying        | overdue           | -               | -              | escalated
declined         | -                 | -               | -              | -
merged           | overdue           | -               | -              | escalated
withdrawn        | -                 | -               | -              | -
to_dispatch      | overdue           | -               | -              | escalated
dispatched       | overdue           | -               | -              | escalated
refusal_review   | overdue           | -               | -              | escalated
consultation     | overdue           | -               | -              | escalated
handling         | overdue           | -               | -              | escalated
extension_review | overdue           | -               | -              | escalated
suspended        | overdue           | -               | -              | escalated
checking         | overdue           | -               | -              | escalated
rating           | overdue           | -               | -              | escalated
rework           | overdue           | -               | -              | escalated
closed           | overdue           | -               | archived       | escalated
archived         | -                 | -               | -              | -
"""


IN_SHORT = {
    "not now": "no: not_at_this_stage",
    "not theirs": "no: not_your_case",
    "not theirs to do": "no: not_yours_to_do",
}


def cells() -> list[tuple[str, str, str]]:
    """(stage, saying, outcome) for every cell of every table."""
    found = []
    for table in TABLES.strip().split("\n\n"):
        head, *rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
        found += [
            (row[0], saying, IN_SHORT.get(cell, cell))
            for row in rows
            for saying, cell in zip(head[1:], row[1:], strict=True)
        ]
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


@pytest.mark.parametrize("stage", [stage for stage in WAITS_IN if stage is not None])
@pytest.mark.parametrize("other", [MARKET, COMMUNITY, stories.HUB, "nobody-at-all"])
@pytest.mark.parametrize(
    "say",
    [signs_in, refuses, progresses, finishes, asks_extension, asks_suspension, lambda unit: reaches(1, unit)],
    ids=["signs in", "refuses", "progresses", "finishes", "asks for time", "asks to suspend", "reaches a milestone"],
)
def test_no_unit_acts_on_anothers_case(stage: Stage, other: str, say: Callable[[str], Said]) -> None:
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
