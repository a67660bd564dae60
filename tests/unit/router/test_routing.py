"""To whom a matter goes: every condition and every outcome as a row that a clerk could check."""

from datetime import UTC, datetime

import pytest

from services.router.domain.routing.conditions import Condition, situation_of
from services.router.domain.routing.route import NO_RULE, default_ledger, raised, route
from services.router.domain.routing.rules import Outcome
from shared.contracts.facts import Matter
from shared.contracts.vocabulary import AppealType, CaseList, Ledger, Level, Source, Urgency
from tests.unit.router.rulebook import (
    COMMUNITY,
    GRID,
    HOUSING,
    HOUSING_TEAM,
    HUB,
    MARKET,
    MONDAY_NOON,
    NEXT_COMMUNITY,
    NOWHERE,
    OTHER_COMMUNITY,
    OTHER_STREET,
    STREET,
    TREE,
    WATER,
    matter,
    merged_tree,
    rule,
    rules,
)

# --- conditions -----------------------------------------------------------------------------------------------

FITS, NOT = True, False

OF_THE_MATTER = [
    # 条件 what is asked                                    事项 the matter                                     成立?
    ("不设条件", Condition(), matter(), FITS),
    ("分类：任一级名称", Condition(category=("公共服务",)), matter(("公共服务", "供水")), FITS),
    ("分类：下级名称", Condition(category=("爆管", "停水")), matter(("公共服务", "供水", "爆管")), FITS),
    ("分类：没有这一级", Condition(category=("爆管",)), matter(("公共服务", "供水")), NOT),
    ("分类：名称须完全相同", Condition(category=("供水",)), matter(("公共服务", "二次供水")), NOT),
    ("分类：未分类", Condition(category=("供水",)), matter(()), NOT),
    ("分类：写成路径", Condition(category=("公共服务->供水",)), matter(("公共服务", "供水", "爆管")), FITS),
    ("分类：路径从一级写起", Condition(category=("公共服务->供水",)), matter(("供水",)), NOT),
    ("分类：代码", Condition(category=("030102",)), matter(("030102",)), FITS),
    ("区域：街道含所辖社区", Condition(region=(STREET,)), matter(region=COMMUNITY), FITS),
    ("区域：街道含所辖网格", Condition(region=(STREET,)), matter(region=GRID), FITS),
    ("区域：别的街道", Condition(region=(STREET,)), matter(region=OTHER_COMMUNITY), NOT),
    ("区域：社区不含整个街道", Condition(region=(COMMUNITY,)), matter(region=STREET), NOT),
    ("区域：全区", Condition(region=(HUB,)), matter(region=OTHER_COMMUNITY), FITS),
    ("区域：区外", Condition(region=(HUB,)), matter(region=NOWHERE), NOT),
    ("来源", Condition(source=(Source.RIDER, Source.GRID)), matter(source=Source.GRID), FITS),
    ("来源：不在所列", Condition(source=(Source.RIDER, Source.GRID)), matter(source=Source.VISIT), NOT),
    ("诉求类型", Condition(appeal_type=(AppealType.REPORT,)), matter(appeal_type=AppealType.REPORT), FITS),
    ("诉求类型：不在所列", Condition(appeal_type=(AppealType.REPORT,)), matter(), NOT),
    ("紧急程度", Condition(urgency=(Urgency.CRITICAL,)), matter(urgency=Urgency.CRITICAL), FITS),
    ("紧急程度：不在所列", Condition(urgency=(Urgency.CRITICAL,)), matter(urgency=Urgency.URGENT), NOT),
    ("被反映单位：代码", Condition(respondent=(WATER,)), matter(respondent="供水公司"), FITS),
    ("被反映单位：名称", Condition(respondent=("供水公司",)), matter(respondent=WATER), FITS),
    ("被反映单位：别名", Condition(respondent=("自来水公司",)), matter(respondent=" 供水公司 "), FITS),
    ("被反映单位：所含文字", Condition(respondent=("物业",)), matter(respondent="湖畔物业公司"), FITS),
    ("被反映单位：别的单位", Condition(respondent=(WATER,)), matter(respondent="住建委"), NOT),
    ("被反映单位：没有", Condition(respondent=("物业",)), matter(), NOT),
    ("关键词：标题", Condition(keywords=("井盖", "爆管")), matter(title="主干道爆管"), FITS),
    ("关键词：内容", Condition(keywords=("打滑",)), matter(title="路滑", content="车辆打滑"), FITS),
    ("关键词：都没有", Condition(keywords=("井盖",)), matter(), NOT),
    ("关键词：不跨标题与内容", Condition(keywords=("打滑",)), matter(title="打", content="滑"), NOT),
    ("关键词：不分大小写", Condition(keywords=("WiFi",)), matter(title="没有wifi"), FITS),
    ("排除词：出现", Condition(keywords=("爆管",), not_keywords=("演练",)), matter(title="爆管演练"), NOT),
    ("排除词：未出现", Condition(keywords=("爆管",), not_keywords=("演练",)), matter(title="爆管"), FITS),
    ("保密：要求", Condition(confidential=True), matter(confidential=True), FITS),
    ("保密：要求而没有", Condition(confidential=True), matter(), NOT),
    ("保密：要求不是", Condition(confidential=False), matter(confidential=True), NOT),
    ("两个条件都成立", Condition(category=("供水",), urgency=(Urgency.URGENT,)), matter(urgency=Urgency.URGENT), FITS),
    ("两个条件只成立一个", Condition(category=("供水",), urgency=(Urgency.URGENT,)), matter(), NOT),
]


@pytest.mark.parametrize(
    ("condition", "about", "holds"), [row[1:] for row in OF_THE_MATTER], ids=[r[0] for r in OF_THE_MATTER]
)
def test_a_condition_on_the_matter(condition: Condition, about: Matter, holds: bool) -> None:
    found = situation_of(about, False, TREE, MONDAY_NOON)
    assert condition.holds(found) == holds
    only = rules(rule("only", condition, Outcome(level=Level.HUB)))
    assert (route(about, False, only, TREE, MONDAY_NOON).reason.rule == "only") == holds, "the index says the same"


NIGHT, SEASON = Condition(hours=("18:00-08:00",)), Condition(dates=("2026-11-15..2027-03-15",))

OF_THE_MOMENT = [
    # 条件 what is asked          当地时间 the local moment     成立?
    ("夜间：起点含", NIGHT, "2026-11-23T18:00", FITS),
    ("夜间：午夜后", NIGHT, "2026-11-24T02:00", FITS),
    ("夜间：止点不含", NIGHT, "2026-11-24T08:00", NOT),
    ("夜间：白天", NIGHT, "2026-11-23T12:00", NOT),
    ("全天", Condition(hours=("00:00-24:00",)), "2026-11-23T23:59", FITS),
    ("两段时间", Condition(hours=("08:00-12:00", "14:00-18:00")), "2026-11-23T13:00", NOT),
    ("星期一", Condition(weekdays=(1,)), "2026-11-23T12:00", FITS),
    ("周末：星期日", Condition(weekdays=(6, 7)), "2026-11-29T00:00", FITS),
    ("周末：星期一零点已是星期一", Condition(weekdays=(6, 7)), "2026-11-30T00:00", NOT),
    ("采暖季：首日", SEASON, "2026-11-15T00:00", FITS),
    ("采暖季：末日全天", SEASON, "2027-03-15T23:59", FITS),
    ("采暖季：次日", SEASON, "2027-03-16T00:00", NOT),
    ("采暖季：前一日", SEASON, "2026-11-14T23:59", NOT),
    ("只有一天", Condition(dates=("2026-12-31",)), "2026-12-31T12:00", FITS),
    ("工作日夜间", Condition(weekdays=(1,), hours=("22:00-06:00",)), "2026-11-23T05:59", FITS),
    ("工作日夜间：次日凌晨已是星期二", Condition(weekdays=(1,), hours=("22:00-06:00",)), "2026-11-24T05:59", NOT),
]


@pytest.mark.parametrize(
    ("condition", "local", "holds"), [row[1:] for row in OF_THE_MOMENT], ids=[r[0] for r in OF_THE_MOMENT]
)
def test_a_condition_on_the_moment_of_routing(condition: Condition, local: str, holds: bool) -> None:
    now = datetime.fromisoformat(f"{local}+08:00").astimezone(UTC)
    assert condition.holds(situation_of(matter(), False, TREE, now)) == holds
    only = rules(rule("only", condition, Outcome(level=Level.HUB)))
    assert (route(matter(), False, only, TREE, now).reason.rule == "only") == holds, "the index says the same"


@pytest.mark.parametrize(
    ("asked", "told", "holds"),
    [(None, True, True), (None, False, True), (True, True, True), (True, False, False), (False, True, False)],
)
def test_what_the_community_says_of_itself(asked: bool | None, told: bool, holds: bool) -> None:
    assert Condition(self_handled=asked).holds(situation_of(matter(), told, TREE, MONDAY_NOON)) == holds


# --- outcomes -------------------------------------------------------------------------------------------------

D, S, C, H = Level.DEPARTMENT, Level.STREET, Level.COMMUNITY, Level.HUB
WATER_EAST = "util-water-east"

OUTCOMES = [
    # 规则的结果 the rule's outcome                                   区域              级别  承办（首位牵头）  协办
    ("部门", Outcome(level=D, units=(WATER,)), COMMUNITY, D, (WATER,), ()),
    ("首位牵头", Outcome(level=D, units=(MARKET, WATER)), COMMUNITY, D, (MARKET, WATER), ()),
    ("部门牵头、部门协办", Outcome(level=D, units=(MARKET,), co_handlers=(WATER,)), COMMUNITY, D, (MARKET,), (WATER,)),
    ("部门牵头、属地街道协办", Outcome(level=D, units=(WATER,), co_handlers=("street",)), GRID, D, (WATER,), (STREET,)),
    ("区外没有属地街道", Outcome(level=D, units=(WATER,), co_handlers=("street",)), NOWHERE, D, (WATER,), ()),
    ("属地街道", Outcome(level=S), GRID, S, (STREET,), ()),
    ("别处是别的街道", Outcome(level=S), OTHER_COMMUNITY, S, (OTHER_STREET,), ()),
    ("街道牵头、部门协办", Outcome(level=S, co_handlers=(HOUSING,)), COMMUNITY, S, (STREET,), (HOUSING,)),
    ("街道不协办自己", Outcome(level=S, co_handlers=("street", "community")), COMMUNITY, S, (STREET,), (COMMUNITY,)),
    ("属地社区", Outcome(level=C), GRID, C, (COMMUNITY,), ()),
    ("社区牵头、街道协办", Outcome(level=C, co_handlers=("street",)), COMMUNITY, C, (COMMUNITY,), (STREET,)),
    ("街道没有社区：下一条", Outcome(level=C), STREET, H, (), ()),
    ("区外没有街道：下一条", Outcome(level=S), NOWHERE, H, (), ()),
    ("按职能：就近", Outcome(level=D, capability="供水"), COMMUNITY, D, (WATER_EAST,), ()),
    ("按职能：别的街道归全区的", Outcome(level=D, capability="供水"), OTHER_COMMUNITY, D, (WATER,), ()),
    ("按职能：区外归首个", Outcome(level=D, capability="供水"), NOWHERE, D, (WATER,), ()),
    ("按职能：只有一家", Outcome(level=D, capability="房屋管理"), COMMUNITY, D, (HOUSING,), ()),
    ("按职能：街道不算部门，下一条", Outcome(level=D, capability="物业管理"), COMMUNITY, H, (), ()),
    ("按职能：街道有此职能", Outcome(level=S, capability="物业管理"), COMMUNITY, S, (STREET,), ()),
    ("按职能：街道无此职能，下一条", Outcome(level=S, capability="物业管理"), OTHER_COMMUNITY, H, (), ()),
    ("区级研判", Outcome(level=H), COMMUNITY, H, (), ()),
]


@pytest.mark.parametrize(
    ("then", "region", "level", "units", "co_handlers"), [row[1:] for row in OUTCOMES], ids=[r[0] for r in OUTCOMES]
)
def test_an_outcome(
    then: Outcome, region: str, level: Level, units: tuple[str, ...], co_handlers: tuple[str, ...]
) -> None:
    found = route(matter(region=region), False, rules(rule("one", Condition(), then)), TREE, MONDAY_NOON)
    assert (found.level, found.units, found.co_handlers) == (level, units, co_handlers)
    by = "one" if units or then.level is H else NO_RULE
    assert (found.reason.rule, found.reason.version) == (by, "7")
    assert found.reason.zh != found.reason.en


def test_the_first_rule_that_holds_decides_and_says_why() -> None:
    both = rules(
        rule("desk", Condition(keywords=("纠纷",)), Outcome(level=H)),
        rule("market", Condition(category=("供水",)), Outcome(level=D, units=(MARKET,))),
        rule("water", Condition(category=("供水",)), Outcome(level=D, units=(WATER,))),
    )
    assert route(matter(title="用水纠纷"), False, both, TREE, MONDAY_NOON).reason.rule == "desk"
    found = route(matter(), False, both, TREE, MONDAY_NOON)
    assert (found.units, found.reason.rule, found.reason.zh, found.reason.en, found.reason.basis) == (
        (MARKET,),
        "market",
        "规则 market",
        "rule market",
        "",
    )


URGENCIES = [
    # 原紧急程度          规则提为            结果
    (Urgency.NORMAL, None, Urgency.NORMAL),
    (Urgency.NORMAL, Urgency.CRITICAL, Urgency.CRITICAL),
    (Urgency.COMPLEX, Urgency.URGENT, Urgency.URGENT),
    (Urgency.COMPLEX, Urgency.NORMAL, Urgency.NORMAL),
    (Urgency.CRITICAL, Urgency.URGENT, Urgency.CRITICAL),  # 只升不降
    (Urgency.URGENT, Urgency.NORMAL, Urgency.URGENT),
]


@pytest.mark.parametrize(("present", "to", "after"), URGENCIES)
def test_a_rule_raises_urgency_and_never_lowers_it(present: Urgency, to: Urgency | None, after: Urgency) -> None:
    assert raised(present, to) is after
    one = rules(rule("one", Condition(), Outcome(level=S, urgency=to)))
    assert route(matter(urgency=present), False, one, TREE, MONDAY_NOON).urgency is after


def test_a_rule_names_list_and_ledger() -> None:
    then = Outcome(level=D, units=(HOUSING,), list=CaseList.PHASED, ledger=Ledger.FROM_ABOVE)
    found = route(matter(urgency=Urgency.CRITICAL), False, rules(rule("one", Condition(), then)), TREE, MONDAY_NOON)
    assert (found.case_list, found.ledger) == (CaseList.PHASED, Ledger.FROM_ABOVE)


LEDGERS = [
    # 来源                 紧急程度           级别              台账
    (Source.COMMUNITY, Urgency.NORMAL, D, Ledger.FIXED_DEADLINE),
    (Source.HOTLINE_12345, Urgency.COMPLEX, H, Ledger.FIXED_DEADLINE),
    (Source.COMMUNITY, Urgency.NORMAL, C, Ledger.ON_THE_SPOT),
    (Source.RESIDENT, Urgency.NORMAL, C, Ledger.ON_THE_SPOT),
    (Source.RESIDENT, Urgency.NORMAL, S, Ledger.ON_BEHALF),
    (Source.PETITION, Urgency.URGENT, D, Ledger.FROM_ABOVE),
    (Source.VISIT, Urgency.NORMAL, S, Ledger.FROM_ABOVE),
    (Source.RESIDENT, Urgency.CRITICAL, S, Ledger.SPECIAL),
    (Source.COMMUNITY, Urgency.CRITICAL, C, Ledger.SPECIAL),
]


@pytest.mark.parametrize(("source", "urgency", "level", "ledger"), LEDGERS)
def test_the_ledger_where_no_rule_names_one(source: Source, urgency: Urgency, level: Level, ledger: Ledger) -> None:
    assert default_ledger(matter(source=source, urgency=urgency), level) is ledger


def test_the_ledger_follows_the_urgency_a_rule_raised() -> None:
    raising = rules(rule("one", Condition(), Outcome(level=S, urgency=Urgency.CRITICAL)))
    assert route(matter(), False, raising, TREE, MONDAY_NOON).ledger is Ledger.SPECIAL


# --- 利益冲突 conflict of interest ------------------------------------------------------------------------------

CONFLICTS = [
    # 规则派给                                                          被反映单位        级别 承办        协办
    ("无关单位", Outcome(level=D, units=(WATER,)), "住建委", D, (WATER,), ()),
    ("没有这个单位", Outcome(level=D, units=(WATER,)), "某公司", D, (WATER,), ()),
    ("承办单位自己、上级是区中心", Outcome(level=D, units=(WATER,)), "自来水公司", H, (), ()),
    ("承办单位的下属", Outcome(level=D, units=(HOUSING,)), "房屋安全科", H, (), ()),
    ("科室自己：上级部门承办", Outcome(level=D, units=(HOUSING_TEAM,)), "房屋安全科", D, (HOUSING,), ()),
    ("社区自己：街道承办", Outcome(level=C), "湖畔社区", S, (STREET,), ()),
    ("社区自己：已协办的街道改为承办", Outcome(level=C, co_handlers=("street",)), "湖畔社区", S, (STREET,), ()),
    ("街道所辖社区：区中心研判", Outcome(level=S), "湖畔社区", H, (), ()),
    ("别的社区", Outcome(level=S), "枫林社区", S, (STREET,), ()),
    ("上级被反映不影响下级承办", Outcome(level=C), "东湖街道", C, (COMMUNITY,), ()),
    ("协办单位自己：不参与", Outcome(level=S, co_handlers=(WATER, MARKET)), WATER, S, (STREET,), (MARKET,)),
    ("第二承办单位自己：不参与", Outcome(level=D, units=(MARKET, WATER)), WATER, D, (MARKET,), ()),
]


@pytest.mark.parametrize(
    ("then", "respondent", "level", "units", "co_handlers"),
    [row[1:] for row in CONFLICTS],
    ids=[r[0] for r in CONFLICTS],
)
def test_nobody_handles_a_matter_about_itself(
    then: Outcome, respondent: str, level: Level, units: tuple[str, ...], co_handlers: tuple[str, ...]
) -> None:
    one = rules(rule("one", Condition(), then))
    usual = route(matter(), False, one, TREE, MONDAY_NOON)
    found = route(matter(respondent=respondent), False, one, TREE, MONDAY_NOON)
    assert (found.level, found.units, found.co_handlers) == (level, units, co_handlers)
    assert found.reason.rule == "one"
    changed = (found.units, found.co_handlers) != (usual.units, usual.co_handlers)
    assert ("利益冲突" in found.reason.basis) == changed
    assert ("被反映单位" in found.reason.zh) == ("respondent" in found.reason.en) == changed


# --- 单位撤并 units that went ------------------------------------------------------------------------------------


def test_a_retired_unit_of_a_rule_is_its_successor() -> None:
    one = rules(rule("one", Condition(), Outcome(level=D, units=(MARKET,), co_handlers=(WATER,))))
    found = route(matter(), False, one, merged_tree(), MONDAY_NOON)
    assert (found.units, found.co_handlers) == ((HOUSING,), (WATER,))
    assert "市场监管局的职责已由住建委承接" in found.reason.zh
    assert "住建委 has taken over from 市场监管局" in found.reason.en


def test_a_retired_unit_and_its_successor_are_one() -> None:
    one = rules(rule("one", Condition(), Outcome(level=D, units=(MARKET, HOUSING), co_handlers=(WATER,))))
    assert route(matter(), False, one, merged_tree(), MONDAY_NOON).units == (HOUSING,)


@pytest.mark.parametrize(
    ("asked", "region", "holds"),
    [
        (OTHER_STREET, "110199004001", True),  # the street that was split means both of its parts
        (OTHER_STREET, "110199003", True),
        (OTHER_STREET, OTHER_COMMUNITY, True),  # an old matter in a community that is gone
        ("110199004", OTHER_COMMUNITY, True),
        ("110199003", OTHER_COMMUNITY, False),
        (OTHER_STREET, NEXT_COMMUNITY, False),
    ],
)
def test_a_region_that_was_split_or_merged(asked: str, region: str, holds: bool) -> None:
    found = situation_of(matter(region=region), False, merged_tree(), MONDAY_NOON)
    assert Condition(region=(asked,)).holds(found) == holds


def test_the_street_of_a_place_that_is_gone_is_that_of_its_successor() -> None:
    street = rules(rule("one", Condition(), Outcome(level=S)))
    assert route(matter(region=OTHER_COMMUNITY), False, street, merged_tree(), MONDAY_NOON).units == ("110199004",)
