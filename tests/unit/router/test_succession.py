"""机构调整: units are merged, renamed and split while cases run; their successors stand in their place."""

from uuid import UUID

import pytest

from shared.contracts import facts as f
from shared.contracts.units import next_version
from shared.contracts.vocabulary import Obligation, RequestKind, Role, Stage
from tests.unit.router.stories import (
    CITY,
    COMMUNITY,
    FOR_NOBODY,
    FOR_SHOPS,
    HUB,
    LAKESIDE,
    MAINS,
    MARKET,
    MERGED_TREE,
    OTHER_STREET,
    PARKS,
    POWER,
    SPLIT_TREE,
    STREET,
    TREE,
    WATER,
    WORKS,
    Story,
    Told,
    asks_extension,
    asks_suspension,
    comments,
    comments_on,
    concluded,
    dismisses,
    dispatches,
    district,
    failed,
    finishes,
    grants,
    joins,
    lists_phased,
    matter,
    merges,
    outcome,
    overdue,
    passed,
    reaches,
    refuses,
    residents_order,
    signs_in,
    story,
    supervises,
    time_to_object_is_over,
    transfers,
    turns,
    units_have_changed,
    unmerges,
    upholds,
    verified,
    whistle,
    withdraws,
)

MERGER, SPLIT = district(MERGED_TREE), district(SPLIT_TREE)
SHOPS = (whistle(matter(FOR_SHOPS)),)
THREE = (whistle(matter(FOR_NOBODY)), dispatches(MARKET, PARKS, WATER))


def parts(case: Story) -> str:
    return ", ".join(f"{one.unit}{'*' * (one.role is Role.LEAD)} {one.part}" for one in case.now.present)


def swept(*told: Told) -> Story:
    """A story that ends with the sweep after the units have changed."""
    return story(*told, units_have_changed())


# --- a unit's part -------------------------------------------------------------------------------------------

MERGED_INTO_ONE = [
    # market leads, parks co-handle; before they become one                          facts                         parts
    ((*SHOPS,), "handed_over + dispatched", f"{CITY}* assigned"),
    ((*SHOPS, signs_in(MARKET)), "handed_over + dispatched", f"{CITY}* signed_in"),
    # parks were done: what they did stays theirs, and their result goes into the answer
    ((*SHOPS, signs_in(PARKS), finishes(PARKS)), "handed_over", f"{CITY}* assigned, {PARKS} done"),
    ((*THREE, signs_in(WATER)), "handed_over + dispatched", f"{CITY}* assigned, {WATER} signed_in"),
    # the refusal of one of them is argued; the other has a part
    ((*SHOPS, refuses(PARKS)), "handed_over + dispatched", f"{CITY}* assigned"),
    ((*SHOPS, refuses(MARKET)), "handed_over + dispatched", f"{CITY}* refused"),
    ((*SHOPS, refuses(MARKET), refuses(PARKS)), "handed_over + dispatched", f"{CITY}* refused"),
]


@pytest.mark.parametrize(("before", "facts", "expected"), MERGED_INTO_ONE)
def test_two_units_become_one(before: tuple[Told, ...], facts: str, expected: str) -> None:
    case = story(*before, MERGER)
    assert outcome(case.tell(units_have_changed())) == facts
    assert parts(case) == expected


def test_the_part_goes_over_under_its_id() -> None:
    case = story(whistle(), signs_in())
    before = case.now.present[0]
    case.goes_on(SPLIT, units_have_changed())
    fact = next(fact for fact in case.facts if isinstance(fact, f.CaseHandedOver) and fact.assignment_id)
    assert (fact.before, fact.unit, fact.assignment_id, fact.role, fact.round) == (
        WATER,
        WORKS,
        before.assignment_id,
        Role.LEAD,
        1,
    )
    assert fact.reason.zh == "机构调整：util-water的事项由util-works承接"
    assert case.now.assignment_of(WORKS) == before.model_copy(update={"unit": WORKS, "before": (WATER,)})


def test_the_heir_of_one_that_is_done_goes_on_with_what_is_not() -> None:
    """Parks are done and market regulation is not: the department that both are now is not done."""
    case = story(whistle(matter(FOR_NOBODY)), dispatches(POWER, MARKET, PARKS))
    case.goes_on(signs_in(PARKS), finishes(PARKS), signs_in(MARKET), MERGER, units_have_changed())
    assert parts(case) == f"{POWER}* assigned, {CITY} signed_in, {PARKS} done"
    turns(
        case,
        (signs_in(POWER), "signed_in"),
        (finishes(POWER), "no: co_handlers_not_done"),
        (finishes(CITY), "unit_done"),
        (finishes(POWER), "unit_done + handled"),
    )


HEIR_HAS_A_PART = [
    # CITY was joined after the merger, before the sweep; then the sweep comes
    ((*SHOPS, MERGER, joins(CITY)), f"{CITY}* assigned"),
    ((*SHOPS, MERGER, joins(CITY), signs_in(CITY)), f"{CITY}* signed_in"),
    ((*SHOPS, MERGER, joins(CITY), signs_in(CITY), finishes(CITY)), f"{CITY}* assigned"),
]


@pytest.mark.parametrize(("before", "expected"), HEIR_HAS_A_PART)
def test_an_heir_that_has_a_part_already_has_one_afterwards(before: tuple[Told, ...], expected: str) -> None:
    assert parts(swept(*before)) == expected


def test_a_second_sweep_finds_nothing() -> None:
    case = swept(*THREE, refuses(PARKS), MERGER)
    assert outcome(case.tell(units_have_changed())) == "-"
    case.goes_on(SPLIT, units_have_changed())
    assert outcome(case.tell(units_have_changed())) == "-"
    assert parts(case) == f"{CITY}* assigned, {WORKS} assigned"


def test_through_every_version_at_once() -> None:
    assert parts(swept(*THREE, SPLIT)) == f"{CITY}* assigned, {WORKS} assigned"


@pytest.mark.parametrize("stage", [Stage.SUSPENDED, Stage.REWORK, Stage.EXTENSION_REVIEW])
def test_in_whatever_stage_a_unit_has_it(stage: Stage) -> None:
    before: dict[Stage, tuple[Told, ...]] = {
        Stage.SUSPENDED: (signs_in(), asks_suspension(), grants()),
        Stage.REWORK: (signs_in(), finishes(), failed()),
        Stage.EXTENSION_REVIEW: (signs_in(), asks_extension()),
    }
    case = swept(whistle(), *before[stage], SPLIT)
    assert case.now.stage is stage
    assert [one.unit for one in case.now.present] == [WORKS]


# --- and what goes over with it ------------------------------------------------------------------------------


def test_a_request_goes_over() -> None:
    case = swept(whistle(), signs_in(), asks_extension(), SPLIT)
    turns(
        case,
        (asks_extension(WORKS), "no: asked_already"),
        (grants(POWER), "no: which_request"),
        (grants(WATER, RequestKind.EXTENSION), "request_ruled -> handling"),
        (asks_extension(WORKS), "no: times_used_up"),
    )
    ruled = next(fact for fact in case.facts if isinstance(fact, f.CaseRequestRuled))
    assert ruled.unit == WORKS


def test_a_refusal_goes_over() -> None:
    case = swept(whistle(), refuses(), SPLIT)
    turns(case, (dismisses(), "refusal_ruled -> dispatched"), (refuses(WORKS), "refused -> consultation"))
    turns(case, (dispatches(WORKS), "refusal_ruled -> dispatched"), (refuses(WORKS), "no: designation_is_final"))


def test_supervision_and_milestones_go_over() -> None:
    case = swept(whistle(), signs_in(), lists_phased(10), supervises(), SPLIT)
    assert case.now.supervised == (WORKS,)
    turns(
        case,
        (reaches(1, WORKS), "milestone_reached"),
        (finishes(WORKS), "unit_done + supervision_ended + handled -> checking"),
    )


def test_both_supervised_they_are_one_and_supervised_once() -> None:
    case = swept(*SHOPS, supervises(MARKET), supervises(PARKS), MERGER)
    assert case.now.supervised == (CITY,)


def test_what_was_missed_goes_over() -> None:
    case = swept(whistle(), overdue(Obligation.SIGN_IN), SPLIT)
    assert outcome(case.tell(refuses(WORKS))) == "no: limit_has_passed"


# --- who of a unit of the past still speaks ------------------------------------------------------------------

BEFORE_THE_SWEEP = [
    # by the topic of the old unit, or by its successor's
    (signs_in(WATER), "signed_in"),
    (refuses(WATER), "refused"),
    (comments_on(WATER), "commented"),
    (signs_in(WORKS), "no: not_your_case"),
]


@pytest.mark.parametrize(("said", "expected"), BEFORE_THE_SWEEP)
def test_until_the_sweep_the_old_unit_has_it(said: object, expected: str) -> None:
    assert outcome(story(whistle(), SPLIT).tell(said)) == expected


AFTER_THE_SWEEP = [
    (WATER, "signed_in", "refused", "commented", "requested"),
    (WORKS, "signed_in", "refused", "commented", "requested"),
    (MAINS, "no: not_your_case", "no: not_your_case", "no: not_yours_to_do", "no: not_your_case"),
]


@pytest.mark.parametrize(("unit", "signs", "refusal", "comment", "asking"), AFTER_THE_SWEEP)
def test_after_it_both_topics_speak_for_the_successor(
    unit: str, signs: str, refusal: str, comment: str, asking: str
) -> None:
    told = (whistle(), SPLIT, units_have_changed())
    assert outcome(story(*told).tell(signs_in(unit))) == signs
    assert outcome(story(*told).tell(refuses(unit))) == refusal
    assert outcome(story(*told).tell(comments_on(unit))) == comment
    assert outcome(story(*told, signs_in(WORKS)).tell(asks_extension(unit))) == asking


# --- the whistle-blower and the place ------------------------------------------------------------------------


def test_the_whistle_blower_goes_over() -> None:
    case = swept(whistle(), signs_in(), SPLIT)
    fact = next(fact for fact in case.facts if isinstance(fact, f.CaseHandedOver) and fact.assignment_id is None)
    assert (fact.before, fact.unit, fact.matter.whistle_blower, fact.matter.region) == (
        COMMUNITY,
        LAKESIDE,
        LAKESIDE,
        LAKESIDE,
    )
    case.goes_on(finishes(WORKS))
    assert case.now.answerable == LAKESIDE
    handled = case.facts[-1]
    assert isinstance(handled, f.CaseHandled)
    assert handled.whistle_blower == LAKESIDE


STANDS = [
    (residents_order(),),
    (whistle(matter(FOR_NOBODY)),),
    (whistle(), merges()),
    (whistle(), signs_in(), finishes()),
    (whistle(), signs_in(), finishes(), passed()),
    (whistle(), signs_in(), finishes(), passed(), concluded()),
]


@pytest.mark.parametrize("before", STANDS, ids=lambda told: str(story(*told).now.stage))
def test_wherever_a_case_stands_that_is_not_final(before: tuple[Told, ...]) -> None:
    case = story(*before, SPLIT)
    stage = case.now.stage
    assert outcome(case.tell(units_have_changed())) == "handed_over"
    assert (case.now.stage, case.now.matter.whistle_blower) == (stage, LAKESIDE)


FINAL = [
    (whistle(), withdraws()),
    (whistle(), signs_in(), finishes(), passed(), concluded(), time_to_object_is_over()),
]


@pytest.mark.parametrize("before", FINAL)
def test_what_is_final_stays_as_it_was(before: tuple[Told, ...]) -> None:
    assert outcome(story(*before, SPLIT).tell(units_have_changed())) == "-"


def test_the_successor_acts_as_whistle_blower_and_so_does_the_old_one() -> None:
    for by in (LAKESIDE, COMMUNITY):
        assert outcome(swept(whistle(), SPLIT).tell(comments(by))) == "commented"
        assert outcome(swept(whistle(), SPLIT).tell(withdraws(by))) == "withdrawn"
        assert outcome(swept(whistle(), merges(), SPLIT).tell(unmerges(by))) == "unmerged + dispatched"


def test_a_case_verified_after_the_change_goes_to_the_successor() -> None:
    case = story(residents_order(), SPLIT, verified())
    assert [one.unit for one in case.now.present] == [WORKS]


def test_a_whistle_of_a_unit_of_the_past_is_its_successors() -> None:
    case = story(SPLIT, whistle())
    assert (case.now.matter.whistle_blower, case.now.matter.region) == (LAKESIDE, LAKESIDE)


def test_rework_goes_to_the_successors() -> None:
    case = story(*SHOPS, signs_in(PARKS), finishes(PARKS), signs_in(MARKET), finishes(MARKET), MERGER, failed())
    assert parts(case) == f"{CITY}* assigned"
    assert case.now.round == 2


def test_the_place_moves_to_another_street() -> None:
    """The community's successor is another street's; that street has it from now on, as the rules say."""
    before = swept(whistle(matter(FOR_NOBODY)), SPLIT).now.matter.region
    assert before == LAKESIDE
    assert SPLIT_TREE.is_within(LAKESIDE, OTHER_STREET)
    assert TREE.is_within(COMMUNITY, STREET)


# --- the log says it all -------------------------------------------------------------------------------------


def test_ids_stay_unique_and_one_leads_whatever_merges() -> None:
    case = story(whistle(matter(FOR_NOBODY)), dispatches(PARKS, MARKET, WATER, POWER))
    for said in (signs_in(WATER), finishes(WATER), signs_in(MARKET), refuses(PARKS), SPLIT, units_have_changed()):
        case.goes_on(said)
    seen: set[UUID] = {one.assignment_id for one in case.now.assignments}
    assert len(seen) == len(case.now.assignments)
    assert [one.role for one in case.now.present].count(Role.LEAD) == 1
    assert {one.unit for one in case.now.present} == {CITY, WORKS, MAINS}
    turns(case, (upholds(STREET), "refusal_ruled + dispatched"), (signs_in(MAINS), "signed_in"))


def test_the_hub_is_the_hub_still() -> None:
    assert swept(whistle(), SPLIT).tell(withdraws(HUB)).facts


# --- who names a unit of the past means its successor ----------------------------------------------------------

NAMED = [
    # before                                               said                        who has it then
    ((whistle(matter(FOR_NOBODY)),), dispatches(PARKS), f"{CITY}* assigned"),
    ((whistle(matter(FOR_NOBODY)),), dispatches(POWER, PARKS, MARKET), f"{POWER}* assigned, {CITY} assigned"),
    ((whistle(),), joins(PARKS), f"{WATER}* assigned, {CITY} assigned"),
    ((whistle(),), transfers(MARKET), f"{CITY}* assigned"),
    ((whistle(), refuses()), upholds(MARKET), f"{CITY}* assigned"),
]


@pytest.mark.parametrize(("before", "said", "expected"), NAMED)
def test_who_names_a_unit_of_the_past_means_its_successor(before: tuple[Told, ...], said: Told, expected: str) -> None:
    case = story(*before, MERGER)
    assert case.tell(said).facts
    assert parts(case) == expected


def test_a_unit_that_never_was_is_still_unknown() -> None:
    assert outcome(story(whistle(matter(FOR_NOBODY)), MERGER).tell(dispatches("dept-nowhere"))) == "no: unit_unknown"


def test_of_several_successors_the_one_that_fits_the_matter_is_meant() -> None:
    """The mains company has water supply among its duties, and the case is about that."""
    able = [one.model_copy(update={"capabilities": ("供水",)}) if one.code == MAINS else one for one in SPLIT_TREE]
    split = district(next_version(MERGED_TREE, able, "2027-02"))
    case = story(whistle(), split, units_have_changed())
    assert parts(case) == f"{MAINS}* assigned"
    case.goes_on(transfers(STREET, WATER))
    assert parts(case) == f"{STREET}* assigned", "who names the water company means the mains company"
