"""Rules as files: what is read, what is wrong with one, how they are stored, and the rules that are shipped."""

from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given

from services.router.domain.routing.route import route
from services.router.domain.routing.rules import Rules, RulesInvalid, from_json, parse_rules, to_json, unit_faults
from shared.contracts.facts import Matter
from shared.contracts.vocabulary import AppealType, CaseList, Ledger, Level, Source, Urgency
from shared.runtime.setup_files import read_units
from tests.unit.router.rulebook import MONDAY_NOON, TREE, any_rules, matter, merged_tree

SETUP = Path(__file__).parents[3] / "deploy" / "district"

FINE = "because: {zh: 供水, en: water}"
A_RULE = "id: a, then: {level: hub}, " + FINE

FAULTS = [
    # 文件 the file                                                                    行  规则     字段         怎么办
    ("version: 1\nrules: ]", 2, "", "", "不是 YAML"),
    ("- id: a", 1, "", "", "应有 `version` 和列表 `rules`"),
    ("rules: {id: a}", 1, "", "", "应有 `version` 和列表 `rules`"),
    ("", 1, "", "", "应有 `version` 和列表 `rules`"),
    ("rules: [water]", 1, "rule 1", "", "应写作 {字段: 值}"),
    ("rules:\n- {id: a, " + FINE + "}", 2, "a", "then", "缺少该字段"),
    ("rules:\n- {id: a, then: {level: hub}}", 2, "a", "because", "缺少该字段"),
    ("rules:\n- id: a\n  then: {level: hub}\n  because: {zh: 是}", 4, "a", "because.en", "缺少该字段"),
    ("rules:\n- {id: A b, then: {level: hub}, " + FINE + "}", 2, "A b", "id", "写法不对"),
    ("rules:\n- id: a\n  then:\n    level: city\n  " + FINE, 4, "a", "then.level", "没有这个取值"),
    ("rules:\n- {" + A_RULE + ", when: {area: [x]}}", 2, "a", "when.area", "没有这个字段"),
    ("rules:\n- {" + A_RULE + ", when: {region: x}}", 2, "a", "when.region", "应为列表"),
    ("rules:\n- {" + A_RULE + ",\n  when: {urgency: [soon]}}", 3, "a", "when.urgency.0", "没有这个取值"),
    ("rules:\n- {" + A_RULE + ",\n  when: {keywords: [水,\n ' ']}}", 4, "a", "when.keywords.1", "不能为空"),
    ("rules:\n- {" + A_RULE + ",\n  when: {hours: [18-8]}}", 3, "a", "when.hours.0", "时段应写作"),
    ("rules:\n- {" + A_RULE + ",\n  when: {hours: ['08:00-25:00']}}", 3, "a", "when.hours.0", "时段应写作"),
    ("rules:\n- {" + A_RULE + ",\n  when: {hours: ['08:00-08:00']}}", 3, "a", "when.hours.0", "时段应写作"),
    ("rules:\n- {" + A_RULE + ",\n  when: {weekdays: [8]}}", 3, "a", "when.weekdays.0", "不应大于 7"),
    ("rules:\n- {" + A_RULE + ",\n  when: {dates: [11-15..03-15]}}", 3, "a", "when.dates.0", "日期应写作"),
    ("rules:\n- {" + A_RULE + ",\n  when: {dates: [2026-02-30]}}", 3, "a", "when.dates.0", "日期应写作"),
    ("rules:\n- {" + A_RULE + ",\n  when: {dates: [2027-01-01..2026-01-01]}}", 3, "a", "when.dates.0", "日期应写作"),
    ("rules:\n- {id: a, then: {level: department}, " + FINE + "}", 2, "a", "then", "`units` 与 `capability`"),
    (
        "rules:\n- {id: a, then: {level: department, units: [util-water], capability: 供水}, " + FINE + "}",
        2,
        "a",
        "then",
        "`units` 与 `capability`",
    ),
    ("rules:\n- {id: a, then: {level: street, units: [util-water]}, " + FINE + "}", 2, "a", "then", "`co_handlers`"),
    ("rules:\n- {id: a, then: {level: hub, co_handlers: [util-water]}, " + FINE + "}", 2, "a", "then", "研判派单"),
    ("rules:\n- {id: a, then: {level: street, urgency: complex}, " + FINE + "}", 2, "a", "then", "只升不降"),
    (
        "rules:\n- {id: a, then: {level: department, units: [util-water], co_handlers: [util-water]}, " + FINE + "}",
        2,
        "a",
        "then",
        "写了两次",
    ),
    ("rules:\n- {" + A_RULE + ",\n  when: {region: ['110288']}}", 3, "a", "when.region", "没有单位 110288"),
    (
        "rules:\n- {id: a, then: {level: department,\n units: [util-gas]}, " + FINE + "}",
        3,
        "a",
        "then.units",
        "没有单位 util-gas；请核对代码",
    ),
    (
        "rules:\n- {id: a, then: {level: department, units: [自来水公司]}, " + FINE + "}",
        2,
        "a",
        "then.units",
        "应写代码 util-water",
    ),
    (
        "rules:\n- {id: a, then: {level: department, units: ['110199']}, " + FINE + "}",
        2,
        "a",
        "then.units",
        "不承办哨单",
    ),
    (
        "rules:\n- {id: a, then: {level: street, co_handlers: [nowhere]}, " + FINE + "}",
        2,
        "a",
        "then.co_handlers",
        "没有单位 nowhere",
    ),
    (
        "rules:\n- {id: a, then: {level: department, capability: 物业管理}, " + FINE + "}",
        2,
        "a",
        "then.capability",
        "没有单位具有“物业管理”这项职能",
    ),
    ("rules:\n- {" + A_RULE + "}\n- {" + A_RULE + "}", 3, "a", "id", "与第 2 行重复"),
    ("rules:\n- {" + A_RULE + ",\n  when: {category: [a], category: [b]}}", 3, "", "", "category 写了两次"),
]


@pytest.mark.parametrize(("text", "line", "entry", "field", "zh"), FAULTS)
def test_a_fault_says_where_why_and_what_to_do(text: str, line: int, entry: str, field: str, zh: str) -> None:
    with pytest.raises(RulesInvalid) as raised:
        parse_rules(text, TREE, "new.yaml")
    (fault,) = raised.value.faults
    assert (fault.file, fault.line, fault.entry, fault.field) == ("new.yaml", line, entry, field)
    assert zh in fault.zh
    assert fault.en != fault.zh


def test_every_fault_is_named_at_once() -> None:
    text = f"""
        rules:
          - {{id: a, then: {{level: city}}, {FINE}}}
          - {{id: b, then: {{level: department, units: [nowhere, util-water]}}, {FINE}}}
          - {{id: c, then: {{level: street}}, {FINE}}}
        """
    with pytest.raises(RulesInvalid) as raised:
        parse_rules(dedent(text), TREE)
    assert [(fault.line, fault.entry) for fault in raised.value.faults] == [(3, "a"), (4, "b")]


def test_a_file_as_people_write_it() -> None:
    text = """
        version: 3
        rules:
          - id: heating
            when:
              category: [供热]
              region: [110199001]  # a code is a text, quoted or not
              not_keywords: [演练]
              hours: [18:00-08:00]
              weekdays: [6, 7]
              dates: [2026-11-15..2027-03-15, 2027-12-31]
              self_handled: false
              confidential: true
            then: {level: street, co_handlers: [util-water, community], list: phased, ledger: special, urgency: urgent}
            because: {zh: 供热, en: heating}
          - {id: rest, then: {level: department, capability: 供水}, because: {zh: 其余, en: the rest}}
        """
    rules = parse_rules(dedent(text), TREE)
    heating, rest = rules.rules
    assert (rules.version, heating.id, rest.then.capability) == ("3", "heating", "供水")
    assert heating.when.region == ("110199001",)
    assert (heating.when.weekdays, heating.when.self_handled, heating.when.confidential) == ((6, 7), False, True)
    assert heating.then.co_handlers == ("util-water", "community")
    assert (heating.then.list, heating.then.ledger, heating.then.urgency) == (
        CaseList.PHASED,
        Ledger.SPECIAL,
        Urgency.URGENT,
    )


def test_rules_outlive_the_units_they_name() -> None:
    text = (
        "rules: [{id: a, when: {region: ['110199002']}, then: {level: department, units: [dept-market]}, " + FINE + "}]"
    )
    (rule,) = parse_rules(text, merged_tree()).rules
    assert list(unit_faults(rule, merged_tree())) == []


@given(any_rules())
def test_rules_are_stored_and_come_back(rules: Rules) -> None:
    assert from_json(to_json(rules)) == rules


# --- the rules that are shipped ---------------------------------------------------------------------------------

EVENING, SUMMER = datetime(2026, 11, 23, 15, 30, tzinfo=UTC), datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
REPORT, PRAISE, COMPLAINT = AppealType.REPORT, AppealType.PRAISE, AppealType.COMPLAINT
D, S, C, H = Level.DEPARTMENT, Level.STREET, Level.COMMUNITY, Level.HUB

SHIPPED = [
    # 事项                                自办   何时         级别 承办              协办   规则
    (matter(("供水", "水质"), title="水发黄"), False, MONDAY_NOON, D, ("util-water",), (), "water-supply"),
    (matter(("供水",), title="爆管"), False, MONDAY_NOON, D, ("util-water",), (), "burst-water-main"),
    (matter(("供电", "停电")), False, MONDAY_NOON, D, ("util-power",), (), "power-supply"),
    (matter(("燃气", "停气")), False, MONDAY_NOON, D, ("util-gas",), (), "gas-supply"),
    (matter((), title="楼道有燃气味"), True, MONDAY_NOON, D, ("util-gas",), ("110199001",), "gas-leak"),
    (matter(("社区服务",), title="燃气泄漏演练"), False, MONDAY_NOON, S, ("110199001",), (), "street-first"),
    (matter((), title="电梯困人"), False, MONDAY_NOON, D, ("dept-market",), ("110199001",), "trapped-in-a-lift"),
    (
        matter((), title="社区干部优亲厚友", appeal_type=REPORT, confidential=True),
        False,
        MONDAY_NOON,
        H,
        (),
        (),
        "confidential-report-on-staff",
    ),
    (matter((), appeal_type=PRAISE), False, MONDAY_NOON, S, ("110199001",), (), "praise"),
    (matter(("物业管理",)), True, MONDAY_NOON, C, ("110199001001",), (), "community-self-handles"),
    (
        matter(("房屋管理", "加装电梯")),
        False,
        MONDAY_NOON,
        D,
        ("dept-housing",),
        ("110199001", "110199001001"),
        "lift-for-an-old-building",
    ),
    (
        matter((), title="老旧小区改造进度"),
        False,
        MONDAY_NOON,
        D,
        ("dept-housing",),
        ("110199001",),
        "renewal-of-old-compounds",
    ),
    (
        matter(("供热",), title="整栋楼不热"),
        False,
        MONDAY_NOON,
        D,
        ("util-heating",),
        ("dept-urban-management", "110199001"),
        "whole-buildings-cold",
    ),
    (matter(("供热",)), False, MONDAY_NOON, D, ("util-heating",), (), "heating-in-season"),
    (matter(("供热",)), False, SUMMER, D, ("util-heating",), (), "heating"),
    (matter(("噪声污染", "社会生活噪声")), False, MONDAY_NOON, D, ("dept-ecology",), (), "noise-air-water-pollution"),
    (
        matter(("噪声污染", "社会生活噪声")),
        False,
        EVENING,
        S,
        ("110199001",),
        ("dept-public-security",),
        "noise-at-night",
    ),
    (
        matter(("噪声污染", "施工噪声")),
        False,
        EVENING,
        D,
        ("dept-ecology",),
        ("dept-urban-management",),
        "building-site-at-night",
    ),
    (matter(("食品安全", "餐饮卫生")), False, MONDAY_NOON, D, ("dept-market",), (), "food-and-consumers"),
    (matter(("公共交通",)), False, MONDAY_NOON, D, ("dept-transport",), (), "public-transport"),
    (matter(("违法建设",)), False, MONDAY_NOON, D, ("dept-urban-management",), ("110199001",), "illegal-building"),
    (matter(("养老服务", "助餐")), False, MONDAY_NOON, D, ("dept-civil-affairs",), (), "care-for-the-old"),
    (
        matter(("物业监管",), appeal_type=COMPLAINT, respondent="湖畔物业公司"),
        False,
        MONDAY_NOON,
        S,
        ("110199001",),
        ("dept-housing",),
        "about-the-property-manager",
    ),
    (matter(("物业管理", "电梯故障")), False, MONDAY_NOON, S, ("110199001",), (), "street-first"),
    (matter(("教育文体",)), False, MONDAY_NOON, H, (), (), "hub-desk"),
]


@pytest.fixture(scope="module")
def shipped() -> Rules:
    return parse_rules((SETUP / "rules.yaml").read_text(encoding="utf-8"), read_units(SETUP / "units.yaml"))


@pytest.mark.parametrize(("about", "self_handled", "now", "level", "units", "co_handlers", "by"), SHIPPED)
def test_the_rules_that_are_shipped(
    shipped: Rules,
    about: Matter,
    self_handled: bool,
    now: datetime,
    level: Level,
    units: tuple[str, ...],
    co_handlers: tuple[str, ...],
    by: str,
) -> None:
    tree = read_units(SETUP / "units.yaml")
    found = route(about, self_handled, shipped, tree, now)
    assert (found.reason.rule, found.level, found.units, found.co_handlers) == (by, level, units, co_handlers)
    assert found.reason.version == shipped.version


def test_every_rule_that_is_shipped_has_its_row(shipped: Rules) -> None:
    assert {rule.id for rule in shipped.rules} == {row[-1] for row in SHIPPED} - {"hub-desk"}


def test_a_gas_leak_is_critical_whatever_was_said(shipped: Rules) -> None:
    tree = read_units(SETUP / "units.yaml")
    found = route(matter((), title="有煤气味", source=Source.RESIDENT), False, shipped, tree, MONDAY_NOON)
    assert (found.urgency, found.ledger) == (Urgency.CRITICAL, Ledger.SPECIAL)
