"""From whistle to dispatch."""

from services.router.domain.case import Part
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, CaseList, DeclineReason, Ledger, Level, Role, Source, Stage, Urgency
from tests.unit.router.stories import (
    AT_THE_HUB,
    BLOWER,
    CASE,
    COMMUNITY,
    FOR_NOBODY,
    FOR_SHOPS,
    FOR_STREET,
    FOR_WATER,
    HUB,
    MARKET,
    NOW,
    NUMBER,
    PARKS,
    PROCEDURES,
    RULE,
    STREET,
    WATER,
    Story,
    declined,
    dispatches,
    matter,
    outcome,
    residents_order,
    story,
    verified,
    whistle,
)


def test_what_its_source_has_verified_is_accepted_and_dispatched_at_once() -> None:
    opened, accepted, dispatched = story(whistle()).facts
    assert isinstance(opened, f.CaseOpened)
    assert (opened.stage, opened.actor, opened.matter) == (Stage.RECEIVED, BLOWER, matter())
    assert isinstance(accepted, f.CaseAccepted)
    assert (accepted.stage, accepted.actor, accepted.urgency, accepted.category) == (
        Stage.TO_DISPATCH,
        BLOWER,
        Urgency.NORMAL,
        FOR_WATER,
    )
    assert isinstance(dispatched, f.CaseDispatched)
    assert (dispatched.stage, dispatched.actor, dispatched.level) == (Stage.DISPATCHED, RULE, Level.DEPARTMENT)
    assert [(made.unit, made.role, made.round) for made in dispatched.assignments] == [(WATER, Role.LEAD, 1)]
    assert dispatched.reason == f.Reason(zh="规则 water", en="rule water", rule="water", version="2026-11")
    assert (dispatched.ledger, dispatched.case_list, dispatched.final) == (Ledger.FIXED_DEADLINE, None, False)


def test_every_fact_names_the_case_as_people_and_the_source_do() -> None:
    case = story(whistle(matter(source=Source.HOTLINE_12345)))
    assert {(fact.number, fact.source, fact.source_ref) for fact in case.facts} == {
        (NUMBER, Source.HOTLINE_12345, "12345-778")
    }


def test_several_units_are_one_lead_and_co_handlers() -> None:
    case = story(whistle(matter(FOR_SHOPS))).now
    assert [(one.unit, one.role, one.part) for one in case.present] == [
        (MARKET, Role.LEAD, Part.ASSIGNED),
        (PARKS, Role.CO_HANDLER, Part.ASSIGNED),
    ]
    assert len({one.assignment_id for one in case.present}) == 2


def test_deciding_twice_gives_the_same() -> None:
    assert Story().tell(whistle(matter(FOR_SHOPS))) == Story().tell(whistle(matter(FOR_SHOPS)))


def test_a_residents_order_waits_until_its_community_has_verified_it() -> None:
    case = story(residents_order())
    assert outcome(case.tell(verified(Urgency.CRITICAL, FOR_STREET))) == "accepted + dispatched"
    assert (case.now.matter.urgency, case.now.matter.category) == (Urgency.CRITICAL, FOR_STREET)
    dispatched = case.facts[-1]
    assert isinstance(dispatched, f.CaseDispatched)
    assert (dispatched.matter, dispatched.ledger) == (case.now.matter, Ledger.SPECIAL)
    assert [made.unit for made in dispatched.assignments] == [STREET]


def test_verified_without_a_change_leaves_the_matter_as_it_was() -> None:
    assert story(residents_order(), verified()).now.matter == residents_order().matter


def test_verified_and_handled_by_the_community_itself() -> None:
    case = story(residents_order(), verified(self_handled=True)).now
    assert (case.level, [one.unit for one in case.present]) == (Level.COMMUNITY, [COMMUNITY])


def test_a_declined_order_says_why_and_is_final() -> None:
    case = story(residents_order(), declined())
    fact = case.facts[-1]
    assert isinstance(fact, f.CaseDeclined)
    assert (fact.reason, fact.explanation, fact.actor) == (DeclineReason.UNTRUE, "现场未见漏水", BLOWER)
    assert case.now.is_final


def test_what_no_rule_decides_waits_at_the_desk_and_is_dispatched_there() -> None:
    case = story(whistle(matter(FOR_NOBODY)))
    sent = case.facts[-1]
    assert isinstance(sent, f.CaseSentToDesk)
    assert (sent.stage, sent.desk, sent.actor.kind, sent.reason.rule) == (
        Stage.TO_DISPATCH,
        HUB,
        ActorKind.RULE,
        "hub-desk",
    )
    decision = case.tell(dispatches(STREET, WATER))
    dispatched = case.facts[-1]
    assert isinstance(dispatched, f.CaseDispatched)
    assert (dispatched.actor, dispatched.level, dispatched.case_list) == (AT_THE_HUB, Level.STREET, CaseList.IMMEDIATE)
    assert dispatched.reason == f.Reason(
        zh="经研判派单", en="经研判派单", rule="procedure:dispatch", version=PROCEDURES.version
    )
    assert [(made.unit, made.role) for made in dispatched.assignments] == [
        (STREET, Role.LEAD),
        (WATER, Role.CO_HANDLER),
    ]
    assert decision.answer == {"case_id": str(CASE), "number": NUMBER, "stage": "dispatched"}


NOT_UNITS_FOR_A_CASE = [
    # units named                 refused with
    (("nowhere",), "unit_unknown"),
    ((HUB,), "unit_unknown"),
    (("110199001001001",), "unit_unknown"),  # a grid handles nothing itself
    ((WATER, "nowhere"), "unit_unknown"),
    ((WATER, WATER), "unit_named_twice"),
]


def test_the_desk_names_units_that_handle_cases() -> None:
    for units, code in NOT_UNITS_FOR_A_CASE:
        refusal = story(whistle(matter(FOR_NOBODY))).tell(dispatches(*units)).refusal
        assert refusal is not None
        assert (refusal.code, refusal.field, refusal.status) == (code, "units", 422)


def test_when_it_was_opened() -> None:
    assert story(whistle()).now.opened_at == NOW
