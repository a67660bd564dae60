"""联合办理: one lead and co-handlers, each with a part of its own; who comes, who goes, who leads; the lead last."""

from uuid import UUID

import pytest

from shared.contracts import facts as f
from shared.contracts.vocabulary import DispatchCause, Role
from tests.unit.router.stories import (
    COMMUNITY,
    FOR_NOBODY,
    FOR_SHOPS,
    HUB,
    MARKET,
    OTHER_COMMUNITY,
    PARKS,
    POWER,
    STREET,
    WATER,
    Said,
    Story,
    Told,
    asks_extension,
    denies,
    dispatches,
    failed,
    finishes,
    joins,
    makes_lead,
    matter,
    outcome,
    progresses,
    refuses,
    releases,
    signs_in,
    story,
    transfers,
    turns,
    upholds,
    whistle,
)

THREE = (whistle(matter(FOR_NOBODY)), dispatches(MARKET, PARKS, WATER))
"""Market regulation leads, parks and the water company co-handle."""


def parts(case: Story) -> str:
    """`dept-market* signed_in, dept-parks assigned`: the lead starred, in order."""
    return ", ".join(f"{one.unit}{'*' * (one.role is Role.LEAD)} {one.part}" for one in case.now.present)


def redistribution(case: Story) -> tuple[DispatchCause | None, list[str], list[str], list[str]]:
    """Why, and who begins, who stays, who is released by the last fact."""
    fact = case.facts[-1]
    assert isinstance(fact, f.CaseDispatched)
    begun = [made.unit for made in fact.assignments if made.begun]
    stay = [made.unit for made in fact.assignments if not made.begun]
    return fact.cause, begun, stay, [made.unit for made in fact.released]


def ids(case: Story) -> dict[str, UUID]:
    return {one.unit: one.assignment_id for one in case.now.present}


# --- each unit goes its own way ------------------------------------------------------------------------------


def test_two_co_handlers_and_a_lead_who_finishes_last() -> None:
    turns(
        story(*THREE),
        (progresses(PARKS), "no: sign_in_first"),
        (signs_in(PARKS), "signed_in -> handling"),
        (progresses(PARKS), "progressed"),
        (progresses(WATER), "no: sign_in_first"),
        (signs_in(MARKET), "signed_in"),
        (finishes(MARKET), "no: co_handlers_not_done"),
        (finishes(PARKS), "unit_done -> handling"),
        (progresses(PARKS), "no: not_in_your_hands"),
        (finishes(MARKET), "no: co_handlers_not_done"),
        (signs_in(WATER), "signed_in"),
        (finishes(WATER), "unit_done -> handling"),
        (progresses(MARKET), "progressed"),
        (finishes(MARKET), "unit_done + handled -> checking"),
    )


def test_one_refuses_while_the_others_work() -> None:
    """The stage says that a refusal is argued; the others sign in, report and finish as if nothing were."""
    case = story(*THREE)
    turns(
        case,
        (signs_in(MARKET), "signed_in -> handling"),
        (refuses(PARKS), "refused -> refusal_review"),
        (signs_in(PARKS), "no: nothing_to_sign_in"),
        (progresses(MARKET), "progressed -> refusal_review"),
        (signs_in(WATER), "signed_in -> refusal_review"),
        (asks_extension(WATER), "requested -> refusal_review"),
        (finishes(WATER), "unit_done -> refusal_review"),
        (finishes(MARKET), "no: co_handlers_not_done"),
        (upholds(STREET), "refusal_ruled + dispatched -> handling"),
        (signs_in(STREET), "signed_in -> handling"),
        (finishes(STREET), "unit_done -> handling"),
        (finishes(MARKET), "unit_done + handled -> checking"),
    )
    handled = case.facts[-1]
    assert isinstance(handled, f.CaseHandled)
    assert set(handled.units) == {MARKET, WATER, STREET}


def test_a_request_is_ruled_on_once_the_refusal_is() -> None:
    turns(
        story(*THREE, signs_in(MARKET), asks_extension(MARKET)),
        (refuses(PARKS), "refused -> refusal_review"),
        (denies(), "no: not_at_this_stage"),
        (upholds(STREET), "refusal_ruled + dispatched -> extension_review"),
        (denies(), "request_ruled -> handling"),
    )


# --- who comes and who goes ----------------------------------------------------------------------------------

REDISTRIBUTED = [
    # what                     why                       begins    stays                    released   parts afterwards
    (
        joins(POWER),
        (DispatchCause.JOINED, [POWER], [MARKET, PARKS, WATER], []),
        "dept-market* signed_in, dept-parks assigned, util-water assigned, util-power assigned",
    ),
    (
        releases(PARKS),
        (DispatchCause.RELEASED, [], [MARKET, WATER], [PARKS]),
        "dept-market* signed_in, util-water assigned",
    ),
    (
        transfers(POWER, PARKS),
        (DispatchCause.TRANSFERRED, [POWER], [MARKET, WATER], [PARKS]),
        "dept-market* signed_in, util-water assigned, util-power assigned",
    ),
    (
        transfers(POWER),
        (DispatchCause.TRANSFERRED, [POWER], [PARKS, WATER], [MARKET]),
        "util-power* assigned, dept-parks assigned, util-water assigned",
    ),
    (
        makes_lead(WATER),
        (DispatchCause.LEAD_CHANGED, [], [WATER, MARKET, PARKS], []),
        "util-water* assigned, dept-market signed_in, dept-parks assigned",
    ),
    (
        makes_lead(POWER),
        (DispatchCause.LEAD_CHANGED, [POWER], [MARKET, PARKS, WATER], []),
        "util-power* assigned, dept-market signed_in, dept-parks assigned, util-water assigned",
    ),
]


@pytest.mark.parametrize(("said", "expected", "afterwards"), REDISTRIBUTED)
def test_who_stays_keeps_its_part(
    said: Said, expected: tuple[DispatchCause | None, list[str], list[str], list[str]], afterwards: str
) -> None:
    case = story(*THREE, signs_in(MARKET))
    before = ids(case)
    case.goes_on(said)
    why, begun, stay, released = redistribution(case)
    assert (why, begun, sorted(stay), released) == (expected[0], expected[1], sorted(expected[2]), expected[3])
    assert sorted(parts(case).split(", ")) == sorted(afterwards.split(", "))
    assert parts(case).split(", ")[0] == afterwards.split(", ", maxsplit=1)[0], "the lead first"
    assert {unit: made for unit, made in ids(case).items() if unit in before}.items() <= before.items()


NOES = [
    # before                      what                        no
    ((), joins(PARKS), "has_a_part_already"),
    ((), joins(POWER, POWER), "unit_named_twice"),
    ((), joins("nowhere"), "unit_unknown"),
    ((), joins(HUB), "unit_unknown"),
    ((), releases(MARKET), "lead_not_released"),
    ((), releases(POWER), "no_part_in_it"),
    ((), transfers(PARKS, WATER), "has_a_part_already"),
    ((), transfers(POWER, STREET), "no_part_in_it"),
    ((), transfers("nowhere"), "unit_unknown"),
    ((), makes_lead(MARKET), "leads_already"),
    ((), makes_lead("nowhere"), "unit_unknown"),
    ((signs_in(PARKS), finishes(PARKS)), makes_lead(PARKS), "done_already"),
    ((signs_in(PARKS), finishes(PARKS)), transfers(POWER, PARKS), "done_already"),
    ((signs_in(PARKS), finishes(PARKS)), releases(PARKS), "done_already"),
]


@pytest.mark.parametrize(("before", "said", "code"), NOES)
def test_what_does_not_fit(before: tuple[Told, ...], said: Said, code: str) -> None:
    refusal = story(*THREE, *before).tell(said).refusal
    assert refusal is not None
    assert refusal.code == code
    assert refusal.field in ("units", "unit", "to")


def test_released_the_last_who_was_waited_for_the_lead_can_finish() -> None:
    turns(
        story(*THREE, signs_in(MARKET), signs_in(PARKS), finishes(PARKS)),
        (finishes(MARKET), "no: co_handlers_not_done"),
        (releases(WATER), "dispatched -> handling"),
        (signs_in(WATER), "no: not_your_case"),
        (finishes(MARKET), "unit_done + handled -> checking"),
    )


def test_who_leads_from_now_on_finishes_last() -> None:
    turns(
        story(*THREE, signs_in(MARKET), signs_in(PARKS), releases(WATER), makes_lead(PARKS)),
        (finishes(PARKS), "no: co_handlers_not_done"),
        (finishes(MARKET), "unit_done -> handling"),
        (finishes(PARKS), "unit_done + handled -> checking"),
    )


def test_there_and_back_it_is_a_new_part() -> None:
    case = story(whistle(), signs_in(), transfers(MARKET), transfers(WATER))
    assert parts(case) == "util-water* assigned"
    assert len({one.assignment_id for one in case.now.assignments}) == 3
    turns(case, (progresses(), "no: sign_in_first"), (signs_in(), "signed_in -> handling"))


def test_joined_in_rework_it_may_not_refuse() -> None:
    turns(
        story(whistle(), signs_in(), finishes(), failed(), joins(PARKS)),
        (refuses(PARKS), "no: designation_is_final"),
        (signs_in(PARKS), "signed_in -> handling"),
    )


# --- 转办 within one's own ------------------------------------------------------------------------------------

BY_THE_STREET = (whistle(matter(FOR_NOBODY, whistle_blower=OTHER_COMMUNITY)), dispatches(COMMUNITY, PARKS))
WITHIN = [
    # by               whose place   to               outcome
    (STREET, None, STREET, "dispatched"),
    (STREET, COMMUNITY, STREET, "dispatched"),
    (STREET, None, MARKET, "no: outside_your_own"),
    (STREET, None, OTHER_COMMUNITY, "no: outside_your_own"),
    (STREET, PARKS, STREET, "no: not_yours_to_do"),
    (COMMUNITY, None, STREET, "no: not_yours_to_do"),
    (PARKS, PARKS, MARKET, "no: not_yours_to_do"),
    (HUB, None, MARKET, "dispatched"),
    (HUB, PARKS, OTHER_COMMUNITY, "dispatched"),
]


@pytest.mark.parametrize(("by", "unit", "to", "expected"), WITHIN)
def test_a_superior_transfers_within_its_own(by: str, unit: str | None, to: str, expected: str) -> None:
    assert outcome(story(*BY_THE_STREET).tell(transfers(to, unit, by=by))) == expected


# --- conflict of interest -----------------------------------------------------------------------------------

ABOUT_THE_STREET = whistle(matter(FOR_NOBODY, respondent=STREET, whistle_blower=OTHER_COMMUNITY))
CONFLICTS = [
    # before                         what                          outcome
    ((), dispatches(STREET), "no: conflict_of_interest"),
    ((), dispatches(MARKET, STREET), "no: conflict_of_interest"),
    ((), dispatches(COMMUNITY), "no: conflict_of_interest"),  # whom the respondent is above is not free of it
    ((), dispatches(MARKET), "dispatched"),
    ((dispatches(MARKET),), joins(COMMUNITY), "no: conflict_of_interest"),
    ((dispatches(MARKET),), transfers(STREET), "no: conflict_of_interest"),
    ((dispatches(MARKET),), makes_lead(STREET), "no: conflict_of_interest"),
    ((dispatches(MARKET), refuses(MARKET)), upholds(STREET), "no: conflict_of_interest"),
    ((dispatches(MARKET), refuses(MARKET)), upholds(PARKS), "refusal_ruled + dispatched"),
]


@pytest.mark.parametrize(("before", "said", "expected"), CONFLICTS)
def test_whom_a_case_is_about_does_not_handle_it(before: tuple[Told, ...], said: Said, expected: str) -> None:
    decision = story(ABOUT_THE_STREET, *before).tell(said)
    assert outcome(decision) == expected
    if decision.refusal is not None:
        assert STREET in decision.refusal.zh


def test_the_superior_of_whom_it_is_about_may() -> None:
    about_the_community = whistle(matter(FOR_NOBODY, respondent=COMMUNITY, whistle_blower=OTHER_COMMUNITY))
    turns(
        story(about_the_community),
        (dispatches(COMMUNITY), "no: conflict_of_interest"),
        (dispatches(STREET), "dispatched -> dispatched"),
    )


def test_a_rule_gives_it_to_the_superior_at_once() -> None:
    case = story(whistle(matter(("市容环境",), respondent=STREET, whistle_blower=OTHER_COMMUNITY)))
    assert case.now.desk == HUB, "the street's superior is the hub, whose desk decides"
    case = story(whistle(matter(respondent=COMMUNITY), self_handled=True))
    assert parts(case) == f"{STREET}* assigned"


def test_lead_and_co_handlers_of_a_rule() -> None:
    case = story(whistle(matter(FOR_SHOPS)))
    assert parts(case) == "dept-market* assigned, dept-parks assigned"
    assert redistribution(case) == (DispatchCause.RULE, [MARKET, PARKS], [], [])
