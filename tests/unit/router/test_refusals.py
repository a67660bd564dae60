"""退单: once to the hub's review, twice to consultation; nobody gains time by it and nobody else loses their part."""

from uuid import UUID

import pytest

from services.router.domain import commands
from services.router.domain.case import Part
from shared.contracts import facts as f
from shared.contracts.vocabulary import CaseList, Ledger, Level, Obligation, Role, Stage
from tests.unit.router.stories import (
    AT_THE_HUB,
    COMMUNITY,
    FOR_NOBODY,
    FOR_SHOPS,
    HUB,
    MARKET,
    PARKS,
    POWER,
    WATER,
    Said,
    Story,
    dismisses,
    dispatches,
    failed,
    finishes,
    matter,
    names,
    outcome,
    overdue,
    refuses,
    signs_in,
    story,
    turns,
    upholds,
    whistle,
)


def part_of(case: Story, unit: str) -> tuple[UUID, Role, Part]:
    assignment = case.now.assignment_of(unit)
    assert assignment is not None, f"{unit} has no part"
    return assignment.assignment_id, assignment.role, assignment.part


def in_effect(case: Story) -> dict[str, Role]:
    return {one.unit: one.role for one in case.now.present}


# --- the unit's side


def test_the_first_refusal_goes_to_the_hub_with_reason_and_basis() -> None:
    case = story(whistle(), refuses())
    fact = case.facts[-1]
    assert isinstance(fact, f.CaseRefused)
    assert (fact.stage, fact.unit, fact.count) == (Stage.REFUSAL_REVIEW, WATER, 1)
    assert (fact.reason, fact.basis) == ("非本单位管辖", "职责清单第 12 条")
    assert part_of(case, WATER)[2] is Part.REFUSED


def test_the_second_refusal_of_a_case_goes_to_consultation_whoever_refuses() -> None:
    for case in (
        story(whistle(), refuses(), dismisses(), refuses()),
        story(whistle(), refuses(), upholds(MARKET), refuses(MARKET)),
    ):
        fact = case.facts[-1]
        assert isinstance(fact, f.CaseRefused)
        assert (fact.stage, fact.count) == (Stage.CONSULTATION, 2)


MAY_NOT_REFUSE = [
    # after                                                                    refused with
    ((signs_in(),), "too_late_to_refuse"),
    ((overdue(Obligation.SIGN_IN),), "limit_has_passed"),
    ((refuses(), dismisses(), refuses(), dispatches(WATER)), "designation_is_final"),
    ((refuses(), dismisses(), overdue(Obligation.SIGN_IN)), "limit_has_passed"),
    ((signs_in(), finishes(), failed()), "designation_is_final"),
]


@pytest.mark.parametrize(("after", "code"), MAY_NOT_REFUSE)
def test_when_a_unit_may_not_refuse(after: tuple[object, ...], code: str) -> None:
    assert outcome(story(whistle(), *after).tell(refuses())) == f"no: {code}"


MAY_STILL_REFUSE = [
    overdue(Obligation.FIRST_CONTACT),
    overdue(Obligation.HANDLE),
    overdue(Obligation.SIGN_IN, MARKET),
    overdue(Obligation.SIGN_IN, None),
]


@pytest.mark.parametrize("late", MAY_STILL_REFUSE, ids=lambda late: f"{late.obligation} {late.unit}")
def test_only_its_own_sign_in_limit_ends_the_right_to_refuse(late: f.DeadlineOverdue) -> None:
    assert outcome(story(whistle(), late).tell(refuses())) == "refused"


def test_a_unit_that_gets_the_case_may_refuse_though_another_was_late() -> None:
    case = story(whistle(), overdue(Obligation.RULE_ON_REFUSAL, HUB), refuses(), upholds(MARKET))
    assert outcome(case.tell(refuses(MARKET))) == "refused"


# --- the hub's ruling


def test_dismissed_the_unit_keeps_the_same_assignment() -> None:
    case = story(whistle())
    before = part_of(case, WATER)
    case.tell(refuses())
    case.tell(dismisses())
    ruling = case.facts[-1]
    assert isinstance(ruling, f.CaseRefusalRuled)
    assert (ruling.upheld, ruling.final, ruling.stage, ruling.actor) == (False, False, Stage.DISPATCHED, AT_THE_HUB)
    assert part_of(case, WATER) == before
    assert outcome(case.tell(signs_in())) == "signed_in"


def test_upheld_another_unit_follows() -> None:
    case = story(whistle(), refuses(), upholds(MARKET, PARKS))
    ruling, dispatched = case.facts[-2:]
    assert isinstance(ruling, f.CaseRefusalRuled)
    assert (ruling.unit, ruling.upheld, ruling.final) == (WATER, True, False)
    assert isinstance(dispatched, f.CaseDispatched)
    assert (dispatched.final, dispatched.level, dispatched.actor) == (False, Level.DEPARTMENT, AT_THE_HUB)
    assert dispatched.reason.zh == "退单成立"
    assert in_effect(case) == {MARKET: Role.LEAD, PARKS: Role.CO_HANDLER}
    assert outcome(case.tell(signs_in())) == "no: not_your_case"
    assert outcome(case.tell(signs_in(MARKET))) == "signed_in"


UNFIT = [
    # ruling                                                        code
    (commands.RuleOnRefusal(actor=AT_THE_HUB, upheld=True, reason="成立"), "units_do_not_fit"),
    (commands.RuleOnRefusal(actor=AT_THE_HUB, upheld=False, reason="不成立", units=(MARKET,)), "units_do_not_fit"),
    (commands.RuleOnRefusal(actor=AT_THE_HUB, upheld=True, reason="成立", units=(WATER,)), "same_unit"),
    (commands.RuleOnRefusal(actor=AT_THE_HUB, upheld=True, reason="成立", units=("nowhere",)), "unit_unknown"),
    (commands.RuleOnRefusal(actor=AT_THE_HUB, upheld=True, reason="成立", units=(MARKET, MARKET)), "unit_named_twice"),
]


@pytest.mark.parametrize(("ruling", "code"), UNFIT)
def test_a_ruling_that_does_not_fit(ruling: commands.RuleOnRefusal, code: str) -> None:
    refusal = story(whistle(), refuses()).tell(Said(ruling, HUB)).refusal
    assert refusal is not None
    assert (refusal.code, refusal.field, refusal.status) == (code, "units", 422)


# --- several units: a refusal is one unit's, the others' parts and clocks go on

UPHELD = [
    # who refuses   units instead      in effect afterwards
    (PARKS, (WATER,), {MARKET: Role.LEAD, WATER: Role.CO_HANDLER}),
    (PARKS, (WATER, POWER), {MARKET: Role.LEAD, WATER: Role.CO_HANDLER, POWER: Role.CO_HANDLER}),
    (PARKS, (MARKET,), {MARKET: Role.LEAD}),
    (MARKET, (WATER,), {WATER: Role.LEAD, PARKS: Role.CO_HANDLER}),
    (MARKET, (PARKS,), {PARKS: Role.LEAD}),
    (MARKET, (WATER, PARKS), {WATER: Role.LEAD, PARKS: Role.CO_HANDLER}),
]


@pytest.mark.parametrize(("refusing", "instead", "expected"), UPHELD)
def test_upheld_the_others_keep_their_part(refusing: str, instead: tuple[str, ...], expected: dict[str, Role]) -> None:
    case = story(whistle(matter(FOR_SHOPS)))
    other = MARKET if refusing == PARKS else PARKS
    before = part_of(case, other)[0]
    case.tell(refuses(refusing))
    case.tell(upholds(*instead))
    assert in_effect(case) == expected
    assert part_of(case, other)[0] == before
    dispatched = case.facts[-1]
    assert isinstance(dispatched, f.CaseDispatched)
    assert {made.unit: made.role for made in dispatched.assignments} == expected
    assert dispatched.assignments[0].role is Role.LEAD


DESIGNATED = [
    # who refused twice   units named        facts                             in effect afterwards
    (PARKS, (PARKS,), "refusal_ruled + dispatched", {PARKS: Role.LEAD, MARKET: Role.CO_HANDLER}),
    (PARKS, (MARKET, PARKS), "refusal_ruled", {MARKET: Role.LEAD, PARKS: Role.CO_HANDLER}),
    (MARKET, (MARKET,), "refusal_ruled", {MARKET: Role.LEAD, PARKS: Role.CO_HANDLER}),
    (
        MARKET,
        (MARKET, WATER),
        "refusal_ruled + dispatched",
        {MARKET: Role.LEAD, PARKS: Role.CO_HANDLER, WATER: Role.CO_HANDLER},
    ),
    (MARKET, (WATER,), "refusal_ruled + dispatched", {WATER: Role.LEAD, PARKS: Role.CO_HANDLER}),
    (MARKET, (PARKS,), "refusal_ruled + dispatched", {PARKS: Role.LEAD}),
]


@pytest.mark.parametrize(("refusing", "named", "facts", "expected"), DESIGNATED)
def test_designation_after_consultation(
    refusing: str, named: tuple[str, ...], facts: str, expected: dict[str, Role]
) -> None:
    case = story(whistle(matter(FOR_SHOPS)))
    before = {one.unit: one.assignment_id for one in case.now.present}
    for said in (refuses(refusing), dismisses(), refuses(refusing)):
        case.tell(said)
    decision = case.tell(dispatches(*named))
    assert names(decision.facts) == facts
    ruling = decision.facts[0]
    assert isinstance(ruling, f.CaseRefusalRuled)
    assert (ruling.unit, ruling.upheld, ruling.final) == (refusing, refusing not in named, refusing in named)
    assert in_effect(case) == expected
    assert {unit: part_of(case, unit)[0] for unit in expected if unit in before} == {
        unit: assignment_id for unit, assignment_id in before.items() if unit in expected
    }
    assert case.now.stage is Stage.DISPATCHED
    for unit in expected:
        assert outcome(case.tell(refuses(unit))) == "no: designation_is_final"


# --- list and ledger


def placed(case: Story) -> tuple[CaseList | None, Ledger | None]:
    return case.now.case_list, case.now.ledger


def test_list_and_ledger_stay_unless_others_are_named() -> None:
    named = commands.Dispatch(
        actor=AT_THE_HUB, units=(WATER,), reason="派单", case_list=CaseList.PHASED, ledger=Ledger.SPECIAL
    )
    case = story(whistle(matter(FOR_NOBODY)), Said(named, HUB))
    assert placed(case) == (CaseList.PHASED, Ledger.SPECIAL)
    case.tell(refuses())
    case.tell(upholds(MARKET))
    assert placed(case) == (CaseList.PHASED, Ledger.SPECIAL)
    case.tell(refuses(MARKET))
    case.tell(dispatches(PARKS))
    assert placed(case) == (CaseList.PHASED, Ledger.SPECIAL)


def test_a_case_that_reaches_the_hub_stands_on_a_list() -> None:
    case = story(whistle())
    assert placed(case) == (None, Ledger.FIXED_DEADLINE)
    case.tell(refuses())
    case.tell(upholds(COMMUNITY))
    assert placed(case) == (CaseList.IMMEDIATE, Ledger.FIXED_DEADLINE)
    assert case.now.level is Level.COMMUNITY


# --- several argued at once


def test_two_refuse_and_both_are_argued() -> None:
    """The second refusal of the case opens the consultation; the designation settles both."""
    case = story(whistle(matter(FOR_SHOPS)))
    turns(
        case,
        (refuses(PARKS), "refused -> refusal_review"),
        (refuses(MARKET), "refused -> consultation"),
        (dismisses(of=PARKS), "no: not_at_this_stage"),
        (signs_in(MARKET), "no: nothing_to_sign_in"),
        (dispatches(PARKS, WATER), "refusal_ruled + refusal_ruled + dispatched -> dispatched"),
    )
    assert in_effect(case) == {PARKS: Role.LEAD, WATER: Role.CO_HANDLER}
    upheld, kept = (fact for fact in case.facts if isinstance(fact, f.CaseRefusalRuled))
    assert [(one.unit, one.upheld, one.final) for one in (upheld, kept)] == [
        (MARKET, True, False),
        (PARKS, False, True),
    ]


def test_a_second_refusal_while_the_first_is_argued_does_not_end_that() -> None:
    case = story(whistle(matter(FOR_SHOPS)), refuses(PARKS), refuses(MARKET), dispatches(MARKET, PARKS))
    assert names(case.facts[-2:]) == "refusal_ruled + refusal_ruled"
    assert {one.part for one in case.now.present} == {Part.ASSIGNED}


def test_a_designation_is_final_also_where_no_one_who_refused_stays() -> None:
    case = story(whistle(matter(FOR_SHOPS)), refuses(PARKS), dismisses(), refuses(PARKS))
    turns(
        case,
        (dispatches(MARKET), "refusal_ruled + dispatched -> dispatched"),
        (refuses(MARKET), "no: designation_is_final"),
    )
    assert in_effect(case) == {MARKET: Role.LEAD}


LEAD_HAS_FINISHED = [
    # before                                                          the hub names
    ((refuses(MARKET),), upholds(PARKS)),
    ((refuses(MARKET),), upholds(PARKS, WATER)),
    ((refuses(MARKET), dismisses(), refuses(MARKET)), dispatches(PARKS)),
    ((refuses(MARKET), dismisses(), refuses(MARKET)), dispatches(PARKS, MARKET)),
]


@pytest.mark.parametrize(("before", "named"), LEAD_HAS_FINISHED)
def test_who_has_finished_leads_no_more(before: tuple[object, ...], named: Said) -> None:
    """The lead finishes last, whoever rules."""
    case = story(whistle(matter(FOR_SHOPS)), signs_in(PARKS), finishes(PARKS), *before)
    refusal = case.tell(named).refusal
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("done_already", "units")


def test_who_has_finished_stays_beside_another_lead() -> None:
    case = story(whistle(matter(FOR_SHOPS)), signs_in(PARKS), finishes(PARKS), refuses(MARKET), upholds(WATER, PARKS))
    assert in_effect(case) == {WATER: Role.LEAD, PARKS: Role.CO_HANDLER}
    assert part_of(case, PARKS)[2] is Part.DONE
    turns(case, (signs_in(WATER), "signed_in -> handling"), (finishes(WATER), "unit_done + handled -> checking"))


def test_the_first_receiver_is_answerable_while_its_refusal_is_argued() -> None:
    case = story(whistle(), refuses())
    assert case.now.answerable == WATER
    case.goes_on(upholds(MARKET))
    assert case.now.answerable == MARKET
