"""What `rules check` finds, and that it claims nothing that is not so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.routing.check import Doubt, Finding, Severity, check
from services.router.domain.routing.conditions import Condition, situation_of
from services.router.domain.routing.matching import bits
from services.router.domain.routing.relations import Relations
from services.router.domain.routing.route import route
from services.router.domain.routing.rules import Outcome, Rule, Rules
from shared.contracts.facts import Matter
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import AppealType, Level, Source, Urgency
from tests.unit.router.rulebook import (
    COMMUNITY,
    HOUSING,
    MARKET,
    OTHER_STREET,
    PATHS,
    STREET,
    TREE,
    WATER,
    any_matters,
    any_moment,
    any_rules,
    merged_tree,
    rule,
    rules,
)


@dataclass(frozen=True)
class Catalogue:
    paths: frozenset[tuple[str, ...]] = frozenset(PATHS)
    codes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"0102": ("公共服务", "供水", "爆管")})


D, S, H = Level.DEPARTMENT, Level.STREET, Level.HUB
TO_WATER, TO_MARKET = Outcome(level=D, units=(WATER,)), Outcome(level=D, units=(MARKET,))
TO_STREET, TO_DESK = Outcome(level=S), Outcome(level=H)


def found(doubt: Doubt, *every: Rule, tree: UnitTree = TREE) -> list[Finding]:
    return [one for one in check(rules(*every), tree, Catalogue()) if one.doubt is doubt]


HIDDEN = [
    # 前一条                                     后一条                                          后一条永远用不到?
    ("相同条件", Condition(category=("供水",)), Condition(category=("供水",)), True),
    ("前一条不设条件", Condition(), Condition(category=("供水",), urgency=(Urgency.URGENT,)), True),
    ("前一条更窄", Condition(category=("供水",), urgency=(Urgency.URGENT,)), Condition(category=("供水",)), False),
    ("前一条多列几类", Condition(category=("供水", "供热")), Condition(category=("供热",)), True),
    ("后一条多列一类", Condition(category=("供水",)), Condition(category=("供水", "供热")), False),
    ("路径含其名称", Condition(category=("供水",)), Condition(category=("公共服务->供水",)), True),
    ("名称不含路径", Condition(category=("公共服务->供水",)), Condition(category=("供水",)), False),
    ("街道含社区", Condition(region=(STREET,)), Condition(region=(COMMUNITY,)), True),
    ("社区不含街道", Condition(region=(COMMUNITY,)), Condition(region=(STREET,)), False),
    ("关键词更短", Condition(keywords=("噪声",)), Condition(keywords=("夜间噪声", "施工噪声")), True),
    ("关键词更长", Condition(keywords=("夜间噪声",)), Condition(keywords=("噪声",)), False),
    ("排除词更多", Condition(not_keywords=("演练", "表扬")), Condition(not_keywords=("演练",)), False),
    ("排除词更少", Condition(not_keywords=("应急演练",)), Condition(not_keywords=("演练", "表扬")), True),
    ("时段含时段", Condition(hours=("18:00-08:00",)), Condition(hours=("22:00-06:00",)), True),
    ("两段合起来含一段", Condition(hours=("00:00-12:00", "12:00-24:00")), Condition(hours=("08:00-18:00",)), True),
    ("时段只含一部分", Condition(hours=("22:00-06:00",)), Condition(hours=("18:00-08:00",)), False),
    ("日期含日期", Condition(dates=("2026-01-01..2026-12-31",)), Condition(dates=("2026-11-15..2026-11-30",)), True),
    ("日期不含每一天", Condition(dates=("2026-01-01..2026-12-31",)), Condition(), False),
    ("星期全列等于不设", Condition(weekdays=(1, 2, 3, 4, 5, 6, 7)), Condition(), True),
    ("诉求类型全列等于不设", Condition(appeal_type=tuple(AppealType)), Condition(), True),
    ("来源不含", Condition(source=(Source.RIDER,)), Condition(source=(Source.RIDER, Source.GRID)), False),
    ("被反映单位相同", Condition(respondent=("物业", "供水公司")), Condition(respondent=("物业",)), True),
    ("自办与否不同", Condition(self_handled=True), Condition(self_handled=False), False),
    ("保密含于不限", Condition(confidential=None), Condition(confidential=True), True),
]


@pytest.mark.parametrize(("first", "second", "hidden"), [row[1:] for row in HIDDEN], ids=[row[0] for row in HIDDEN])
def test_a_rule_that_an_earlier_one_hides(first: Condition, second: Condition, hidden: bool) -> None:
    findings = found(Doubt.UNREACHABLE, rule("first", first, TO_DESK), rule("second", second, TO_WATER))
    assert [(one.severity, one.rule, one.other) for one in findings] == (
        [(Severity.WARNING, "second", "first")] if hidden else []
    )


@pytest.mark.parametrize(
    ("first", "second", "region", "hidden"),
    [
        (TO_STREET, TO_WATER, (), False),  # where there is no street, the second decides
        (TO_STREET, TO_WATER, (STREET,), True),  # below a street there is one
        (TO_STREET, Outcome(level=S, co_handlers=(WATER,)), (), True),  # without a street neither decides
        (Outcome(level=S, capability="物业管理"), TO_STREET, (STREET,), False),
        (Outcome(level=S, capability="物业管理"), Outcome(level=S, capability="物业管理"), (), True),
        (Outcome(level=D, capability="没有"), TO_WATER, (), False),
        (Outcome(level=Level.COMMUNITY), TO_WATER, (STREET,), False),  # a matter of the street has no community
    ],
)
def test_a_rule_that_may_be_passed_over_hides_nothing(
    first: Outcome, second: Outcome, region: tuple[str, ...], hidden: bool
) -> None:
    one, other = rule("first", Condition(), first), rule("second", Condition(region=region), second)
    assert bool(found(Doubt.UNREACHABLE, one, other)) == hidden


@given(any_rules(6), any_matters(), st.booleans(), any_moment(), st.booleans())
def test_what_is_never_reached_never_decides(
    every: Rules, matter: Matter, self_handled: bool, now: datetime, later: bool
) -> None:
    tree = merged_tree() if later else TREE
    relations = Relations(every, tree, PATHS)
    hidden = {one.id for place, one in enumerate(every.rules) if relations.deciding_first(place)}
    assert route(matter, self_handled, every, tree, now).reason.rule not in hidden


@given(any_rules(4), any_matters(), st.booleans(), any_moment())
def test_rules_relate_as_they_hold(every: Rules, matter: Matter, self_handled: bool, now: datetime) -> None:
    relations = Relations(every, TREE, PATHS)
    situation = situation_of(matter, self_handled, TREE, now)
    holding = {place for place, one in enumerate(every.rules) if one.when.holds(situation)}
    for place in holding:
        assert set(bits(relations.covering(place))) <= holding
        if matter.category in PATHS:
            assert set(bits(relations.covering(place, catalogued=True))) <= holding
            assert holding <= set(bits(relations.overlapping(place)))


CONFLICTS = [
    # 前一条                                       后一条                                     冲突?
    ("分类互不相干", Condition(category=("供水",)), Condition(category=("占道",)), None),
    (
        "同一路径上的两类",
        Condition(category=("公共服务",), source=(Source.GRID,)),
        Condition(category=("爆管",)),
        "warning",
    ),
    (
        "前一条是后一条的例外",
        Condition(category=("供水",), hours=("22:00-06:00",)),
        Condition(category=("供水",)),
        None,
    ),
    ("下级分类是上级的例外", Condition(category=("占道",)), Condition(category=("市容",)), None),
    (
        "时段部分重叠",
        Condition(category=("供水",), hours=("18:00-08:00",)),
        Condition(category=("供水",), hours=("07:00-19:00",)),
        "warning",
    ),
    (
        "时段不重叠",
        Condition(category=("供水",), hours=("22:00-06:00",)),
        Condition(category=("供水",), hours=("08:00-18:00",)),
        None,
    ),
    (
        "日期与星期碰不到",
        Condition(category=("供水",), dates=("2026-11-23",), source=(Source.GRID,)),
        Condition(category=("供水",), weekdays=(2,)),
        None,
    ),
    ("来源不同", Condition(source=(Source.GRID,)), Condition(source=(Source.RIDER,)), None),
    ("区域不相交", Condition(region=(STREET,)), Condition(region=(OTHER_STREET,)), None),
    (
        "区域相含、分类相同",
        Condition(region=(STREET,), category=("市容",)),
        Condition(region=(COMMUNITY,), category=("市容", "供水")),
        "warning",
    ),
    (
        "一方的词是另一方要排除的",
        Condition(keywords=("爆管演练",)),
        Condition(category=("供水",), not_keywords=("演练",)),
        None,
    ),
    ("各说各的，靠先后", Condition(keywords=("爆管",)), Condition(category=("市容",)), "note"),
    ("自办与否不同", Condition(self_handled=True), Condition(category=("供水",), self_handled=False), None),
]


@pytest.mark.parametrize(("first", "second", "severity"), [row[1:] for row in CONFLICTS], ids=[r[0] for r in CONFLICTS])
def test_rules_that_overlap_while_neither_is_an_exception(
    first: Condition, second: Condition, severity: str | None
) -> None:
    findings = found(Doubt.CONFLICT, rule("first", first, TO_MARKET), rule("second", second, TO_WATER))
    assert [one.severity for one in findings] == ([severity] if severity else [])
    for one in findings:
        assert (one.rule, one.other) == ("first", "second")
        assert one.example is not None
        assert one.at is not None


def test_rules_to_the_same_units_do_not_conflict() -> None:
    first, second = Condition(category=("供水",), hours=("18:00-08:00",)), Condition(category=("爆管",))
    assert found(Doubt.CONFLICT, rule("first", first, TO_WATER), rule("second", second, TO_WATER)) == []


@given(any_rules(6))
def test_the_example_of_a_conflict_is_one(every: Rules) -> None:
    for one in check(every, TREE, Catalogue()):
        if one.doubt is Doubt.CONFLICT:
            assert one.example is not None
            assert one.at is not None
            both = [rule.when for rule in every.rules if rule.id in (one.rule, one.other)]
            said = [
                situation_of(one.example, self_handled, TREE, one.at)
                for self_handled in (True, False)
                if all(when.self_handled in (None, self_handled) for when in both)
            ]
            assert any(all(when.holds(situation) for when in both) for situation in said)


# --- gaps, categories, units --------------------------------------------------------------------------------------


def test_leaves_that_no_rule_decides_go_to_the_desk() -> None:
    gaps = found(
        Doubt.GAP,
        rule("water", Condition(category=("供水",)), TO_WATER),
        rule("street", Condition(category=("占道", "噪声"), self_handled=True), TO_STREET),
    )
    assert ("供热" in gaps[0].zh, "爆管" in gaps[0].zh) == (True, False)
    assert [one.zh.split("”")[0].removeprefix("分类“") for one in gaps] == ["公共服务", "噪声", "市容"]


def test_a_rule_for_everything_leaves_no_gap() -> None:
    assert found(Doubt.GAP, rule("all", Condition(), TO_STREET)) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("供水", None),
        ("公共服务->供水", None),
        ("供", "没有“供”"),
        ("供暖气", "没有“供暖气”"),
        ("0102", "请写作 公共服务->供水->爆管"),
    ],
)
def test_a_category_that_no_matter_has(name: str, says: str | None) -> None:
    findings = found(Doubt.UNKNOWN_CATEGORY, rule("one", Condition(category=(name,)), TO_WATER))
    assert [says in one.zh for one in findings if says] == ([True] if says else [])


def test_units_that_went() -> None:
    named = rule("one", Condition(region=(OTHER_STREET,)), TO_MARKET)
    assert found(Doubt.RETIRED_UNIT, named) == []
    region, market = found(Doubt.RETIRED_UNIT, named, tree=merged_tree())
    assert "请改写为 110199003、110199004" in region.zh
    assert f"请改写为 {HOUSING}" in market.zh


def test_units_that_never_were() -> None:
    unknown = rule("one", Condition(), Outcome(level=D, units=("util-gas",)))
    (finding,) = found(Doubt.UNKNOWN_UNIT, unknown)
    assert (finding.severity, finding.rule, "util-gas" in finding.zh) == (Severity.ERROR, "one", True)
