"""并案: proposed by the router, merged and undone by a person; each keeps its own reporter, answer and rating."""

from uuid import UUID

import pytest

from services.router.domain import merging
from services.router.domain.case import Joined
from services.router.domain.merging import MOST_CANDIDATES, Proposed, ended
from services.router.handlers import follow
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, Ledger, Role, Stage
from shared.runtime.decision import FromTimer, Input
from tests.unit.router.stories import (
    CASE,
    COMMUNITY,
    DISTRICT,
    FOR_NOBODY,
    FOR_SHOPS,
    HUB,
    MARKET,
    MERGED_TREE,
    NOW,
    OTHER_CASE,
    OTHER_NUMBER,
    PARKS,
    STREET,
    WATER,
    Said,
    Story,
    Told,
    asks_suspension,
    concluded,
    dispatches,
    district,
    failed,
    finishes,
    followed,
    grants,
    lists_phased,
    matter,
    merges,
    orders_rework,
    outcome,
    passed,
    proposed,
    refuses,
    signs_in,
    story,
    supervises,
    transfers,
    turns,
    unmerges,
    upholds,
    whistle,
    withdraws,
)

MERGED = (whistle(), signs_in(), merges())

# --- proposed ------------------------------------------------------------------------------------------------


def scores(case: Story) -> list[float]:
    return [one.score for one in case.now.candidates]


def test_the_most_alike_first_and_only_what_is_new() -> None:
    case = story(whistle(), proposed(0.7, 0.9))
    assert scores(case) == [0.9, 0.7]
    assert outcome(case.tell(proposed(0.7))) == "-", "known already"
    assert outcome(case.tell(proposed(0.7, 0.9))) == "-"
    assert outcome(case.tell(proposed(0.7, 0.9, 0.8))) == "duplicate_found"
    assert scores(case) == [0.9, 0.8, 0.7]


def test_no_more_than_a_person_can_look_at() -> None:
    case = story(whistle(), proposed(*(place / 10 for place in range(1, 8))))
    assert scores(case) == [0.7, 0.6, 0.5, 0.4, 0.3]
    assert len(scores(case)) == MOST_CANDIDATES


def test_proposing_what_the_five_best_leave_out_says_nothing_again() -> None:
    """Else the sweep would state the same five for ever."""
    found = proposed(*(place / 10 for place in range(1, 8)))
    case = story(whistle(), found)
    assert outcome(case.tell(found)) == "-"
    assert outcome(case.tell(Proposed(candidates=found.candidates[:1]))) == "-"


@pytest.mark.parametrize("before", [(whistle(), withdraws()), MERGED])
def test_nothing_is_proposed_for_what_is_over_or_merged(before: tuple[Told, ...]) -> None:
    assert outcome(story(*before).tell(proposed())) == "-"


# --- merged --------------------------------------------------------------------------------------------------

MERGING = [
    # before                        into a case that stands in         outcome
    ((), merges(Stage.TO_DISPATCH), "merged"),
    ((), merges(Stage.DISPATCHED), "merged"),
    ((), merges(Stage.SUSPENDED), "merged"),
    ((), merges(Stage.CHECKING), "merged"),
    ((), merges(Stage.RATING), "merged"),
    ((), merges(Stage.VERIFYING), "no: cannot_be_merged_into"),
    ((), merges(Stage.MERGED), "no: cannot_be_merged_into"),
    ((), merges(Stage.CLOSED), "no: cannot_be_merged_into"),
    ((), merges(Stage.ARCHIVED), "no: cannot_be_merged_into"),
    ((), merges(Stage.WITHDRAWN), "no: cannot_be_merged_into"),
    ((), merges(Stage.DECLINED), "no: cannot_be_merged_into"),
    ((), merges(followers=2), "no: has_followers"),
    ((), merges(into=CASE), "no: same_case"),
    ((), merges(by=HUB), "merged"),
    ((), merges(by=WATER), "no: not_yours_to_do"),
    ((merges(),), merges(), "no: not_at_this_stage"),
    ((signs_in(), asks_suspension(), grants()), merges(), "no: not_at_this_stage"),
]


@pytest.mark.parametrize(("before", "said", "expected"), MERGING)
def test_into_an_open_case_that_is_not_merged_itself(before: tuple[Told, ...], said: Said, expected: str) -> None:
    assert outcome(story(whistle(), *before).tell(said)) == expected


def test_its_units_are_released_and_it_waits_for_the_other() -> None:
    case = story(whistle(matter(FOR_SHOPS)), signs_in(PARKS), refuses(MARKET), merges())
    fact = case.facts[-1]
    assert isinstance(fact, f.CaseMerged)
    assert (fact.into, fact.into_number) == (OTHER_CASE, OTHER_NUMBER)
    assert [made.unit for made in fact.released] == [MARKET, PARKS]
    assert (case.now.stage, case.now.present, case.now.merged_into) == (
        Stage.MERGED,
        (),
        Joined(case_id=OTHER_CASE, number=OTHER_NUMBER),
    )
    assert case.now.answerable == COMMUNITY


# --- undone --------------------------------------------------------------------------------------------------


def test_undone_it_is_dispatched_again() -> None:
    case = story(*MERGED)
    decision = case.tell(unmerges())
    assert outcome(decision) == "unmerged + dispatched"
    assert [(one.unit, one.role, one.part) for one in case.now.present] == [(WATER, Role.LEAD, "assigned")]
    assert len(case.now.assignments) == 2, "a new part; on what was left of its time"
    assert case.now.merged_into is None
    turns(case, (unmerges(), "no: not_at_this_stage"), (signs_in(), "signed_in -> handling"))


def test_undone_what_no_rule_decides_waits_at_the_desk_again() -> None:
    case = story(whistle(matter(FOR_NOBODY)), dispatches(STREET), merges())
    turns(case, (unmerges(), "unmerged + sent_to_desk -> to_dispatch"), (dispatches(MARKET), "dispatched"))


def test_undone_in_rework_it_is_rework_still() -> None:
    case = story(whistle(), signs_in(), finishes(), failed(), merges())
    turns(
        case,
        (unmerges(), "unmerged + dispatched -> rework"),
        (refuses(), "no: designation_is_final"),
        (signs_in(), "signed_in -> handling"),
        (finishes(), "unit_done + handled -> checking"),
        (passed(2), "checked"),
    )
    assert [one.round for one in case.now.assignments] == [1, 2, 2]


# --- following -----------------------------------------------------------------------------------------------

FOLLOWING = [
    # what became of the other        what becomes of this one
    (followed(Stage.CLOSED), "answered -> rating"),
    (followed(Stage.ARCHIVED), "answered -> rating"),
    (followed(Stage.WITHDRAWN), "unmerged + dispatched -> dispatched"),
    (followed(Stage.MERGED), "unmerged + dispatched -> dispatched"),
    (followed(Stage.HANDLING), "- -> merged"),
    (followed(Stage.SUSPENDED), "- -> merged"),
    (followed(Stage.RATING), "- -> merged"),
    (followed().model_copy(update={"into": UUID(int=7)}), "- -> merged"),
]


@pytest.mark.parametrize(("became", "expected"), FOLLOWING)
def test_what_becomes_of_it(became: merging.Followed, expected: str) -> None:
    turns(story(*MERGED), (became, expected))


def test_it_is_told_once() -> None:
    turns(story(*MERGED), (followed(), "answered"), (followed(), "-"), (followed(Stage.WITHDRAWN), "-"))


def test_it_has_the_others_answer_and_its_own_rating() -> None:
    case = story(*MERGED, followed(answer="已更换水管", units=(MARKET, PARKS)))
    answered = case.facts[-1]
    assert isinstance(answered, f.CaseAnswered)
    assert (answered.answer, answered.units, answered.whistle_blower, answered.actor.kind) == (
        "已更换水管",
        (MARKET, PARKS),
        COMMUNITY,
        ActorKind.RULE,
    )
    turns(case, (concluded(), "closed -> closed"))
    closed = case.facts[-1]
    assert isinstance(closed, f.CaseClosed)
    assert (closed.answer, closed.ledger, closed.assignments) == ("已更换水管", Ledger.FIXED_DEADLINE, ())


def test_a_result_from_before_it_was_merged_is_not_its_answer() -> None:
    """The water company's first result failed the check; the case was merged in rework."""
    case = story(whistle(), signs_in(), finishes(result="已拧紧阀门"), failed(), merges(), followed(answer="已换管"))
    case.goes_on(concluded(round_=2))
    assert case.now.answer == "已换管"


def test_its_reporter_may_have_it_reopened_by_right() -> None:
    case = story(*MERGED, followed(units=(MARKET, PARKS)))
    turns(case, (concluded(close=False), "rework_ordered -> rework"))
    assert [(one.unit, one.role, one.round) for one in case.now.present] == [
        (MARKET, Role.LEAD, 2),
        (PARKS, Role.CO_HANDLER, 2),
    ]
    for said in (signs_in(PARKS), finishes(PARKS, "其次"), signs_in(MARKET), finishes(MARKET, "首先"), passed(2)):
        case.goes_on(said)
    case.goes_on(concluded(round_=2))
    assert case.now.answer == "首先\n其次", "its own units' answer now"


def test_reopened_it_goes_to_those_who_took_over() -> None:
    case = story(*MERGED, followed(units=(MARKET, PARKS)), concluded(), district(MERGED_TREE), orders_rework())
    assert [(one.unit, one.role) for one in case.now.present] == [("dept-city", Role.LEAD)]


def test_what_those_that_wait_are_told() -> None:
    """The other case tells what they need, in whatever way it ended."""
    other = story(whistle(matter(FOR_SHOPS)), signs_in(PARKS), finishes(PARKS, "其次"), signs_in(MARKET))
    other.goes_on(finishes(MARKET, "首先"), passed(), concluded())
    told = ended(other.now)
    assert (told.into, told.stage, told.answer, told.units) == (CASE, Stage.CLOSED, "首先\n其次", (MARKET, PARKS))
    assert ended(story(*MERGED).now).merged_into == OTHER_CASE
    assert ended(story(*MERGED, followed(units=(MARKET,)), concluded()).now).units == (MARKET,)


def test_two_that_were_merged_into_each_other_come_apart() -> None:
    """Both doors saw the other open. Each follows a case that was merged itself."""
    one = story(whistle(), merges(into=OTHER_CASE))
    seen = ended(one.now.model_copy(update={"case_id": OTHER_CASE}))
    assert seen.stage is Stage.MERGED
    decision = follow(DISTRICT, one.now, Input(CASE, seen, "m", FromTimer()), NOW)
    assert outcome(decision) == "unmerged + dispatched"


def test_supervised_and_planned_before_it_is_neither_afterwards() -> None:
    case = story(whistle(), signs_in(), supervises(), lists_phased(10), merges(), unmerges(), signs_in())
    assert outcome(case.tell(supervises())) == "supervised"
    assert case.now.supervised == (WATER,)
    case = story(whistle(), signs_in(), supervises(), transfers(MARKET))
    assert case.now.supervised == ()
    case = story(whistle(), supervises(), refuses(), upholds(MARKET))
    assert case.now.supervised == ()
