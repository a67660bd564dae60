"""Why a matter goes where it goes, what other rules would change, and how two versions differ."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.routing.changes import RuleChange, changes
from services.router.domain.routing.conditions import Condition
from services.router.domain.routing.explanation import explain
from services.router.domain.routing.route import route
from services.router.domain.routing.rules import Outcome, Rules
from services.router.domain.routing.what_if import EXAMPLES, Past, what_if
from shared.contracts.facts import Matter
from shared.contracts.vocabulary import AppealType, CaseList, Ledger, Level, Source, Urgency
from tests.unit.router.rulebook import (
    COMMUNITY,
    HOUSING,
    HUB,
    MARKET,
    MONDAY_NOON,
    NOWHERE,
    STREET,
    TREE,
    WATER,
    any_matters,
    any_rules,
    matter,
    rule,
    rules,
)

D, S, H = Level.DEPARTMENT, Level.STREET, Level.HUB
TO_WATER, TO_MARKET, TO_STREET = Outcome(level=D, units=(WATER,)), Outcome(level=D, units=(MARKET,)), Outcome(level=S)

# --- explain ------------------------------------------------------------------------------------------------------

OBSTACLES = [
    # 条件                                        要求                        事项
    (Condition(category=("供热", "供电")), "category", "供热, 供电", "公共服务->供水"),
    (Condition(region=("110199002",)), "region", "110199002", COMMUNITY),
    (Condition(source=(Source.GRID,)), "source", "grid", "community"),
    (Condition(appeal_type=(AppealType.REPORT,)), "appeal_type", "report", "help"),
    (Condition(urgency=(Urgency.CRITICAL,)), "urgency", "critical", "normal"),
    (Condition(respondent=("物业",)), "respondent", "物业", "—"),
    (Condition(keywords=("井盖",)), "keywords", "井盖", "3 号楼前爆管 水漫到路面，车辆打滑。"),
    (Condition(not_keywords=("爆管",)), "not_keywords", "爆管", "3 号楼前爆管 水漫到路面，车辆打滑。"),
    (Condition(hours=("18:00-08:00",)), "hours", "18:00-08:00", "12:00"),
    (Condition(weekdays=(6, 7)), "weekdays", "6, 7", "1"),
    (Condition(dates=("2026-12-01..2026-12-31",)), "dates", "2026-12-01..2026-12-31", "2026-11-23"),
    (Condition(self_handled=True), "self_handled", "true", "false"),
    (Condition(confidential=True), "confidential", "true", "false"),
]


@pytest.mark.parametrize(("condition", "field", "expected", "had"), OBSTACLES)
def test_what_kept_a_rule_from_deciding(condition: Condition, field: str, expected: str, had: str) -> None:
    only = rules(rule("only", condition, TO_STREET))
    (step,) = explain(matter(("公共服务", "供水")), False, only, TREE, MONDAY_NOON, every=True).steps
    assert [(one.field, one.expected, one.found) for one in step.obstacles] == [(field, expected, had)]
    assert not step.decides


def test_the_rules_are_looked_at_in_order_until_one_decides() -> None:
    some = rules(
        rule("heat", Condition(category=("供热",)), TO_WATER),
        rule("water-at-night", Condition(category=("供水",), hours=("22:00-06:00",)), TO_WATER),
        rule("words", Condition(keywords=("爆管",), urgency=(Urgency.CRITICAL,)), TO_MARKET),
        rule("nobody-here", Condition(category=("供水",)), Outcome(level=D, capability="没有")),
        rule("water", Condition(category=("供水",)), TO_WATER),
        rule("never-looked-at", Condition(), TO_STREET),
    )
    every = explain(matter(), False, some, TREE, MONDAY_NOON, every=True)
    assert [(step.rule.id, [one.field for one in step.obstacles], step.decides) for step in every.steps] == [
        ("heat", ["category"], False),
        ("water-at-night", ["hours"], False),
        ("words", ["urgency"], False),
        ("nobody-here", [], False),
        ("water", [], True),
    ]
    short = explain(matter(), False, some, TREE, MONDAY_NOON)
    assert [step.rule.id for step in short.steps] == ["water-at-night", "words", "nobody-here", "water"]
    assert (short.left_out, every.left_out, short.route) == (1, 0, route(matter(), False, some, TREE, MONDAY_NOON))


@given(any_rules(), any_matters(), st.booleans())
def test_what_is_explained_is_what_is_decided(some: Rules, about: Matter, self_handled: bool) -> None:
    found = explain(about, self_handled, some, TREE, MONDAY_NOON, every=True)
    decided = [step.rule.id for step in found.steps if step.decides]
    assert decided == [id_ for id_ in [found.route.reason.rule] if id_ != "hub-desk"]
    assert all(step.obstacles or step.decides or found.route.reason.rule != step.rule.id for step in found.steps)


# --- what if ------------------------------------------------------------------------------------------------------


def past(number: int, about: Matter | None = None, hours: int = 0) -> Past:
    named = (about or matter()).model_copy(update={"number": f"N{number}"})
    return Past(case_id=UUID(int=number), matter=named, self_handled=False, at=MONDAY_NOON + timedelta(hours=hours))


OLD = rules(rule("water", Condition(category=("供水",)), TO_WATER))


def test_what_other_rules_would_have_changed() -> None:
    new = rules(
        rule("night", Condition(hours=("20:00-08:00",), category=("供水",)), TO_STREET),
        rule("market", Condition(keywords=("水表",)), TO_MARKET),
        rule("water", Condition(category=("供水",)), TO_WATER),
    )
    history = [
        past(1),
        past(2, hours=10),  # 22:00 at its own time
        past(3, hours=11),
        past(4, matter(title="水表不准")),
        past(5, matter(("其他",))),
        past(6, matter(("其他",), title="水表不准")),
    ]
    found = what_if(history, OLD, new, TREE)
    assert (found.cases, found.unchanged, found.otherwise) == (6, 2, {})
    assert {move: (tally.cases, tally.examples) for move, tally in found.moved.items()} == {
        (WATER, STREET): (2, ["N2", "N3"]),
        (WATER, MARKET): (1, ["N4"]),
        (HUB, MARKET): (1, ["N6"]),
    }
    assert {move: tally.cases for move, tally in found.by_rule.items()} == {
        ("water", "night"): 2,
        ("water", "market"): 1,
        ("hub-desk", "market"): 1,
    }


def test_what_changes_where_the_lead_stays() -> None:
    then = Outcome(
        level=D,
        units=(WATER,),
        co_handlers=(HOUSING, "street"),
        list=CaseList.PHASED,
        ledger=Ledger.SPECIAL,
        urgency=Urgency.URGENT,
    )
    found = what_if([past(1)], OLD, rules(rule("water", Condition(category=("供水",)), then)), TREE)
    assert (found.moved, found.unchanged) == ({}, 0)
    assert sorted(found.otherwise) == ["co_handlers", "ledger", "list", "urgency"]
    assert list(found.by_rule) == [("water", "water")]


def test_the_same_rules_change_nothing_and_examples_are_few() -> None:
    history = [past(number) for number in range(20)]
    assert what_if(history, OLD, OLD, TREE).unchanged == 20
    moved = what_if(history, OLD, rules(), TREE).moved[WATER, HUB]
    assert (moved.cases, len(moved.examples)) == (20, EXAMPLES)


def test_cases_are_taken_one_at_a_time() -> None:
    taken = iter([past(1), past(2, matter(region=NOWHERE))])
    assert what_if(taken, OLD, OLD, TREE).cases == 2


# --- two versions of the rules ------------------------------------------------------------------------------------


def test_how_two_versions_differ() -> None:
    one, two, three = (rule(id_, Condition(), TO_WATER) for id_ in ("one", "two", "three"))
    other = rule("two", Condition(category=("供水",)), TO_MARKET)
    found = changes(Rules("1", (one, two)), Rules("2", (three, other)))
    assert (found.before, found.after, found.added, found.removed, found.moved) == ("1", "2", ("three",), ("one",), ())
    assert found.changed == (RuleChange("two", ("when.category", "then.units")),)
    assert not changes(Rules("1", (one, two)), Rules("2", (one, two)))


@pytest.mark.parametrize(
    ("after", "moved"),
    [("abcd", ""), ("dabc", "d"), ("bcda", "a"), ("acbd", "c"), ("dcba", "dcb"), ("ba", "b")],
)
def test_the_fewest_rules_that_changed_places(after: str, moved: str) -> None:
    def of(ids: str) -> Rules:
        return Rules("1", tuple(rule(id_, Condition(), TO_WATER) for id_ in ids))

    found = changes(of("abcd"), of(after)).moved
    assert len(found) == len(moved)
    rest = [id_ for id_ in after if id_ not in found]
    assert rest == sorted(rest), "the others stand as they stood"
