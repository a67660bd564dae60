"""督办、紧急程度、更正、备注、撤单: what is said of a case without giving it to anybody else."""

from datetime import timedelta

import pytest

from shared.contracts import facts as f
from shared.contracts.vocabulary import (
    ActorKind,
    CaseList,
    Ledger,
    Obligation,
    Role,
    RungChange,
    Source,
    Stage,
    Urgency,
)
from tests.unit.router.stories import (
    COMMUNITY,
    DISTRICT,
    FOR_NOBODY,
    FOR_SHOPS,
    FOR_STREET,
    HOTLINE,
    HUB,
    MARKET,
    OTHER_COMMUNITY,
    PARKS,
    STREET,
    WATER,
    Said,
    Told,
    asks_suspension,
    comments,
    comments_on,
    corrects,
    dispatches,
    district,
    escalated,
    failed,
    finishes,
    grants,
    lifts_supervision,
    matter,
    outcome,
    overdue,
    procedures,
    residents_order,
    sets_urgency,
    signs_in,
    story,
    supervises,
    turns,
    verified,
    whistle,
    withdraws,
)

AT_WORK = (whistle(), signs_in())
SUPERVISE = (RungChange.SUPERVISE,)
TOGETHER = (whistle(matter(FOR_SHOPS)), signs_in(MARKET), signs_in(PARKS))

# --- 督办 ----------------------------------------------------------------------------------------------------


def test_supervised_until_it_has_finished() -> None:
    case = story(*TOGETHER)
    turns(
        case,
        (supervises(PARKS), "supervised -> handling"),
        (supervises(PARKS), "no: supervised_already"),
        (supervises(WATER), "no: no_part_in_it"),
        (supervises(), "supervised"),
        (finishes(PARKS), "unit_done + supervision_ended -> handling"),
        (supervises(PARKS), "no: done_already"),
    )
    ended = case.facts[-1]
    assert isinstance(ended, f.CaseSupervisionEnded)
    assert (ended.unit, ended.actor.kind) == (PARKS, ActorKind.RULE)
    assert case.now.supervised == (MARKET,)
    turns(case, (finishes(MARKET), "unit_done + supervision_ended + handled -> checking"))


def test_supervision_is_lifted_by_who_may_supervise() -> None:
    turns(
        story(*AT_WORK, supervises()),
        (lifts_supervision(by=WATER), "no: not_yours_to_do"),
        (lifts_supervision(MARKET), "no: not_supervised"),
        (lifts_supervision(), "supervision_ended -> handling"),
        (lifts_supervision(), "no: not_supervised"),
        (supervises(), "supervised"),
    )


def test_a_street_supervises_its_own_communities_only() -> None:
    case = story(whistle(matter(FOR_NOBODY)), dispatches(COMMUNITY, PARKS))
    turns(
        case,
        (supervises(PARKS, by=STREET), "no: not_yours_to_do"),
        (supervises(by=STREET), "supervised"),
        (lifts_supervision(COMMUNITY, by=STREET), "supervision_ended"),
    )


LADDER = [
    # a rung of whose what                                                       what follows
    ((), escalated(Obligation.HANDLE, 1), "escalated"),
    ((), escalated(Obligation.HANDLE, 2, changes=SUPERVISE), "escalated + supervised"),
    ((), escalated(Obligation.SIGN_IN, 3, changes=SUPERVISE), "escalated + supervised"),
    ((), escalated(Obligation.MILESTONE, 2, changes=SUPERVISE), "escalated + supervised"),
    ((supervises(),), escalated(Obligation.HANDLE, 2, changes=SUPERVISE), "escalated"),
    ((), escalated(Obligation.HANDLE, 2, MARKET, SUPERVISE), "escalated"),  # has no part in it
    ((), escalated(Obligation.RULE_ON_REFUSAL, 2, HUB, SUPERVISE), "escalated"),  # no unit's assignment
    ((), escalated(Obligation.CHECK, 2, COMMUNITY, SUPERVISE), "escalated"),
    ((asks_suspension(), grants()), escalated(Obligation.HANDLE, 2, changes=SUPERVISE), "escalated"),
    ((finishes(),), escalated(Obligation.HANDLE, 2, changes=SUPERVISE), "escalated"),
]


@pytest.mark.parametrize(("before", "rung", "expected"), LADDER)
def test_a_missed_deadline_puts_a_unit_under_supervision(
    before: tuple[Told, ...], rung: f.DeadlineEscalated, expected: str
) -> None:
    assert outcome(story(*AT_WORK, *before).tell(rung)) == expected


FROM_RUNG = [
    # the district's choice, a rung, what follows
    (1, 1, "escalated + supervised"),
    (2, 1, "escalated"),
    (3, 2, "escalated"),
    (3, 3, "escalated + supervised"),
    (None, 3, "escalated"),
]


@pytest.mark.parametrize(("at_rung", "rung", "expected"), FROM_RUNG)
def test_procedures_of_before_said_from_which_rung_on(at_rung: int | None, rung: int, expected: str) -> None:
    ours = district(given=procedures(supervise_at_rung=at_rung))
    assert outcome(story(ours, *AT_WORK).tell(escalated(rung=rung))) == expected


def test_supervision_by_the_ladder_says_so() -> None:
    supervised = story(*AT_WORK, escalated(rung=2, changes=SUPERVISE)).facts[-1]
    assert isinstance(supervised, f.CaseSupervised)
    assert (supervised.unit, supervised.actor.kind) == (WATER, ActorKind.CLOCK)
    assert supervised.why is not None
    assert (supervised.why.rule, supervised.why.version) == ("ladder", "1")


def test_supervised_again_in_the_next_round() -> None:
    case = story(*AT_WORK, supervises(), finishes(), failed())
    assert case.now.supervised == ()
    assert outcome(case.tell(supervises())) == "supervised"


# --- 紧急程度 -------------------------------------------------------------------------------------------------

PRIORITIES = [
    # from              to                 by                outcome
    (Urgency.NORMAL, Urgency.URGENT, HUB, "reprioritised"),
    (Urgency.NORMAL, Urgency.CRITICAL, COMMUNITY, "reprioritised"),
    (Urgency.COMPLEX, Urgency.NORMAL, COMMUNITY, "reprioritised"),
    (Urgency.NORMAL, Urgency.COMPLEX, COMMUNITY, "no: not_yours_to_do"),  # lowered: longer limits
    (Urgency.CRITICAL, Urgency.URGENT, COMMUNITY, "no: not_yours_to_do"),
    (Urgency.CRITICAL, Urgency.NORMAL, HUB, "reprioritised"),
    (Urgency.NORMAL, Urgency.COMPLEX, HUB, "reprioritised"),
    (Urgency.NORMAL, Urgency.NORMAL, HUB, "no: no_change"),
    (Urgency.NORMAL, Urgency.URGENT, WATER, "no: not_yours_to_do"),
    (Urgency.NORMAL, Urgency.COMPLEX, WATER, "no: not_yours_to_do"),
]


@pytest.mark.parametrize(("before", "to", "by", "expected"), PRIORITIES)
def test_who_raises_and_who_lowers(before: Urgency, to: Urgency, by: str, expected: str) -> None:
    case = story(whistle(matter(urgency=before)), signs_in())
    assert outcome(case.tell(sets_urgency(to, by))) == expected
    assert case.now.matter.urgency is (to if expected == "reprioritised" else before)


def test_the_units_of_a_reprioritised_case_are_named() -> None:
    fact = story(*TOGETHER, sets_urgency()).facts[-1]
    assert isinstance(fact, f.CaseReprioritised)
    assert (fact.before, fact.urgency) == (Urgency.NORMAL, Urgency.URGENT)
    assert [(made.unit, made.role, made.begun) for made in fact.assignments] == [
        (MARKET, Role.LEAD, False),
        (PARKS, Role.CO_HANDLER, False),
    ]


def test_raised_before_it_was_verified_it_stays_so() -> None:
    case = story(residents_order(), sets_urgency(Urgency.CRITICAL, COMMUNITY), verified())
    assert case.now.matter.urgency is Urgency.CRITICAL


# --- 更正 ----------------------------------------------------------------------------------------------------


def test_what_was_put_right_is_said() -> None:
    fact = story(*TOGETHER, corrects(COMMUNITY, title="湖畔里 5 号楼前爆管", region=OTHER_COMMUNITY)).facts[-1]
    assert isinstance(fact, f.CaseCorrected)
    assert fact.changed == ("region", "title")
    assert (fact.matter.title, fact.matter.region, fact.matter.content) == (
        "湖畔里 5 号楼前爆管",
        OTHER_COMMUNITY,
        matter().content,
    )
    assert [made.unit for made in fact.assignments] == [MARKET, PARKS]


CORRECTIONS = [
    (corrects(title=matter().title), "no_change", None),
    (corrects(title=None), "no_change", None),
    (corrects(region="110199009009"), "region_unknown", "region"),
    (corrects(by=WATER), "not_yours_to_do", "unit"),
    (corrects(respondent=WATER), "conflict_of_interest", "respondent"),
]


@pytest.mark.parametrize(("said", "code", "field"), CORRECTIONS)
def test_what_puts_nothing_right(said: Said, code: str, field: str | None) -> None:
    refusal = story(*AT_WORK).tell(said).refusal
    assert refusal is not None
    assert (refusal.code, refusal.field) == (code, field)


# --- 备注 ----------------------------------------------------------------------------------------------------

REMARKS = [
    (comments(COMMUNITY), "commented"),
    (comments(HUB), "commented"),
    (comments(WATER), "commented"),
    (comments_on(WATER), "commented"),
    (comments(MARKET), "no: not_yours_to_do"),
    (comments_on(MARKET), "no: not_yours_to_do"),
    (comments(STREET), "no: not_yours_to_do"),  # is above who blew the whistle, not above who handles it
    (comments(HOTLINE.person or ""), "no: not_yours_to_do"),  # not 12345's order
]


@pytest.mark.parametrize(("said", "expected"), REMARKS)
def test_those_whose_case_it_is_remark_on_it(said: Said, expected: str) -> None:
    case = story(*AT_WORK)
    before = case.now
    assert outcome(case.tell(said)) == expected
    assert case.now == before, "nothing else changes"


def test_a_remark_says_whose_it_is() -> None:
    fact = story(*AT_WORK, comments_on()).facts[-1]
    assert isinstance(fact, f.CaseCommented)
    assert (fact.unit, fact.text, fact.actor.person) == (WATER, "等待材料", "p-2")


# --- 撤单 ----------------------------------------------------------------------------------------------------

BY_12345 = whistle(matter(FOR_SHOPS, source=Source.HOTLINE_12345, whistle_blower=HUB))
WITHDRAWN = [
    # before                        by              outcome
    ((whistle(),), COMMUNITY, "withdrawn"),
    ((whistle(),), HUB, "withdrawn"),
    ((whistle(),), WATER, "no: not_yours_to_do"),
    ((whistle(),), "12345", "no: not_yours_to_do"),  # not its order
    ((whistle(), signs_in()), COMMUNITY, "no: not_at_this_stage"),  # somebody has reported for duty
    ((whistle(), signs_in()), HUB, "withdrawn"),
    ((BY_12345,), "12345", "withdrawn"),
    ((BY_12345, signs_in(PARKS)), "12345", "no: not_at_this_stage"),
    ((residents_order(),), COMMUNITY, "withdrawn"),
    ((*AT_WORK, finishes()), HUB, "no: not_at_this_stage"),
]


@pytest.mark.parametrize(("before", "by", "expected"), WITHDRAWN)
def test_who_takes_it_back_and_until_when(before: tuple[Told, ...], by: str, expected: str) -> None:
    assert outcome(story(*before).tell(withdraws(by))) == expected


def test_withdrawn_is_final_and_its_units_are_released() -> None:
    case = story(*TOGETHER, supervises(), withdraws(HUB))
    fact = case.facts[-1]
    assert isinstance(fact, f.CaseWithdrawn)
    assert [made.unit for made in fact.released] == [MARKET, PARKS]
    assert case.now.is_final
    turns(
        case,
        (finishes(MARKET), "no: not_your_case"),
        (overdue(Obligation.HANDLE, MARKET), "-"),
        (withdraws(HUB), "no: not_at_this_stage"),
    )


# --- a rule raises the urgency and puts it on a list ---------------------------------------------------------


def test_a_rule_raises_the_urgency_before_it_dispatches() -> None:
    raising = DISTRICT.rules.rules[1].model_copy(
        update={
            "then": DISTRICT.rules.rules[1].then.model_copy(
                update={"urgency": Urgency.CRITICAL, "list": CaseList.PHASED, "ledger": Ledger.FROM_ABOVE}
            )
        }
    )
    ours = district(rules=type(DISTRICT.rules)("1", (raising,)))
    case = story(ours, whistle())
    raised, dispatched = case.facts[-2:]
    assert isinstance(raised, f.CaseReprioritised)
    assert (raised.stage, raised.urgency, raised.assignments) == (Stage.TO_DISPATCH, Urgency.CRITICAL, ())
    assert isinstance(dispatched, f.CaseDispatched)
    assert (dispatched.matter.urgency, dispatched.case_list, dispatched.ledger) == (
        Urgency.CRITICAL,
        CaseList.PHASED,
        Ledger.FROM_ABOVE,
    )
    assert case.at - case.now.opened_at == timedelta()


def test_another_version_of_the_rules_decides_from_then_on() -> None:
    ours = district(rules=type(DISTRICT.rules)("2", DISTRICT.rules.rules[3:]))
    assert story(residents_order(), verified()).now.present[0].unit == WATER
    assert story(residents_order(), ours, verified()).now.stage is Stage.TO_DISPATCH
    assert story(residents_order(FOR_STREET), ours, verified()).now.present[0].unit == STREET
    assert story(*AT_WORK, ours, finishes()).now.stage is Stage.CHECKING, "who has a case keeps it"
