"""To whom the rules give a case, and what is wrong with a rules file."""

from pathlib import Path
from textwrap import dedent

import pytest

from services.router.domain.rules import (
    Condition,
    Outcome,
    Rules,
    RulesInvalid,
    default_ledger,
    read_rules,
    route,
)
from shared.contracts import facts as f
from shared.contracts.units import read_units
from shared.contracts.vocabulary import AppealType, Ledger, Level, Source, Urgency
from tests.unit.router.stories import (
    COMMUNITY,
    GRID,
    HUB,
    MARKET,
    OTHER_COMMUNITY,
    OTHER_STREET,
    PARKS,
    RULES,
    STREET,
    TREE,
    WATER,
    matter,
    rule,
)

SETUP = Path(__file__).parents[3] / "deploy" / "district"
TO_PARKS = Outcome(level=Level.DEPARTMENT, units=(PARKS,))

CONDITIONS = [
    # what must hold                                          a matter for which it does          and one for which not
    (Condition(), matter(), None),
    (Condition(category=("公共服务",)), matter(("公共服务", "供水")), matter(("供水",))),
    (Condition(category=("爆管", "停水")), matter(("公共服务", "供水", "爆管")), matter(("公共服务", "供水"))),
    (Condition(category=("供水",)), matter(("公共服务", "供水")), matter(("公共服务", "二次供水"))),
    (Condition(category=("供水",)), matter(("供水",)), matter(())),
    (Condition(region=(STREET,)), matter(region=COMMUNITY), matter(region=OTHER_COMMUNITY)),
    (Condition(region=(STREET,)), matter(region=GRID), matter(region=OTHER_STREET)),
    (Condition(region=(COMMUNITY,)), matter(region=COMMUNITY), matter(region=STREET)),
    (Condition(region=(HUB,)), matter(region=OTHER_COMMUNITY), matter(region="110288001")),
    (Condition(source=(Source.RIDER, Source.GRID)), matter(source=Source.GRID), matter(source=Source.VISIT)),
    (Condition(appeal_type=(AppealType.REPORT,)), matter(appeal_type=AppealType.REPORT), matter()),
    (Condition(urgency=(Urgency.CRITICAL,)), matter(urgency=Urgency.CRITICAL), matter(urgency=Urgency.URGENT)),
    (Condition(keywords=("井盖", "爆管")), matter(title="主干道爆管"), matter(title="路灯不亮", content="已三天")),
    (Condition(keywords=("打滑",)), matter(title="路滑", content="车辆打滑"), matter(title="打", content="滑")),
    (
        Condition(category=("供水",), urgency=(Urgency.CRITICAL,)),
        matter(("供水",), urgency=Urgency.CRITICAL),
        matter(("供水",), urgency=Urgency.NORMAL),
    ),
]


@pytest.mark.parametrize(("condition", "holds", "fails"), CONDITIONS)
def test_conditions(condition: Condition, holds: f.Matter, fails: f.Matter | None) -> None:
    assert condition.holds(holds, False, TREE)
    assert fails is None or not condition.holds(fails, False, TREE)


@pytest.mark.parametrize(
    ("asked", "told", "holds"),
    [(None, True, True), (None, False, True), (True, True, True), (True, False, False), (False, True, False)],
)
def test_what_the_community_says_of_itself(asked: bool | None, told: bool, holds: bool) -> None:
    assert Condition(self_handled=asked).holds(matter(), told, TREE) == holds


ROUTES = [
    # category            self-handled  region         level             units             rule
    (("供水",), False, COMMUNITY, Level.DEPARTMENT, (WATER,), "water"),
    (("供水",), True, COMMUNITY, Level.COMMUNITY, (COMMUNITY,), "self-handled"),
    (("供水",), True, GRID, Level.COMMUNITY, (COMMUNITY,), "self-handled"),
    (("供水",), True, STREET, Level.DEPARTMENT, (WATER,), "water"),  # a street is no community: the next rule
    (("占道经营",), False, COMMUNITY, Level.DEPARTMENT, (MARKET, PARKS), "shops"),
    (("市容环境",), False, GRID, Level.STREET, (STREET,), "street-first"),
    (("市容环境",), False, OTHER_COMMUNITY, Level.STREET, (OTHER_STREET,), "street-first"),
    (("市容环境",), False, "110288001001", Level.HUB, (), "hub-desk"),  # outside the district: the desk
    (("占道经营", "供水"), False, COMMUNITY, Level.DEPARTMENT, (WATER,), "water"),  # the first rule that holds
    (("其他",), False, COMMUNITY, Level.HUB, (), "hub-desk"),
]


@pytest.mark.parametrize(("category", "self_handled", "region", "level", "units", "by"), ROUTES)
def test_routes(
    category: tuple[str, ...], self_handled: bool, region: str, level: Level, units: tuple[str, ...], by: str
) -> None:
    found = route(matter(category, region=region), self_handled, RULES, TREE)
    assert (found.level, found.units) == (level, units)
    assert (found.reason.rule, found.reason.version) == (by, "2026-11")
    assert found.reason.zh
    assert found.reason.en
    assert found.reason.zh != found.reason.en


def test_a_rule_may_send_to_the_desk_before_later_rules() -> None:
    desk = rule("disputes", Condition(keywords=("纠纷",)), Outcome(level=Level.HUB))
    found = route(matter(title="用水纠纷"), False, Rules("7", (desk, *RULES.rules)), TREE)
    assert (found.level, found.units, found.reason.rule, found.reason.version) == (Level.HUB, (), "disputes", "7")


LEDGERS = [
    # source              urgency           level             ledger
    (Source.COMMUNITY, Urgency.NORMAL, Level.DEPARTMENT, Ledger.FIXED_DEADLINE),
    (Source.HOTLINE_12345, Urgency.COMPLEX, Level.HUB, Ledger.FIXED_DEADLINE),
    (Source.COMMUNITY, Urgency.NORMAL, Level.COMMUNITY, Ledger.ON_THE_SPOT),
    (Source.RESIDENT, Urgency.NORMAL, Level.COMMUNITY, Ledger.ON_THE_SPOT),
    (Source.RESIDENT, Urgency.NORMAL, Level.STREET, Ledger.ON_BEHALF),
    (Source.PETITION, Urgency.URGENT, Level.DEPARTMENT, Ledger.FROM_ABOVE),
    (Source.VISIT, Urgency.NORMAL, Level.STREET, Ledger.FROM_ABOVE),
    (Source.RESIDENT, Urgency.CRITICAL, Level.STREET, Ledger.SPECIAL),
    (Source.COMMUNITY, Urgency.CRITICAL, Level.COMMUNITY, Ledger.SPECIAL),
]


@pytest.mark.parametrize(("source", "urgency", "level", "ledger"), LEDGERS)
def test_the_ledger_where_no_rule_names_one(source: Source, urgency: Urgency, level: Level, ledger: Ledger) -> None:
    assert default_ledger(matter(source=source, urgency=urgency), level) is ledger


def test_a_rule_names_the_ledger() -> None:
    named = rule("parks", Condition(), TO_PARKS.model_copy(update={"ledger": Ledger.FROM_ABOVE}))
    found = route(matter(urgency=Urgency.CRITICAL), False, Rules("1", (named,)), TREE)
    assert found.ledger is Ledger.FROM_ABOVE


# --- files --------------------------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    path = folder / "rules.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


FINE = "because: {zh: 供水, en: water}"

FAULTS = [
    # the file                                                                             what the problem names
    ("rules: [", ["not YAML"]),
    ("- id: a", ["expected a mapping with `version` and a list `rules`"]),
    ("rules: {id: a}", ["expected a mapping with `version` and a list `rules`"]),
    ("rules: [water]", ["rule 1, field entry: Input should be"]),
    ("rules: [{id: a, " + FINE + "}]", ["rule 1, field then: Field required"]),
    ("rules: [{id: a, then: {level: hub}}]", ["rule 1, field because: Field required"]),
    ("rules: [{id: a, then: {level: hub}, because: {zh: 是}}]", ["rule 1, field because.en: Field required"]),
    ("rules: [{id: A b, then: {level: hub}, " + FINE + "}]", ["rule 1, field id: "]),
    ("rules: [{id: a, then: {level: city}, " + FINE + "}]", ["rule 1, field then.level: "]),
    ("rules: [{id: a, then: {level: department}, " + FINE + "}]", ["rule 1, field then: ", "`units` are named"]),
    ("rules: [{id: a, then: {level: street, units: [util-water]}, " + FINE + "}]", ["field then: ", "`units` are"]),
    ("rules: [{id: a, when: {urgency: [soon]}, then: {level: hub}, " + FINE + "}]", ["field when.urgency.0: "]),
    ("rules: [{id: a, when: {area: [x]}, then: {level: hub}, " + FINE + "}]", ["field when.area: Extra inputs"]),
    (
        "rules: [{id: a, when: {region: ['110288']}, then: {level: hub}, " + FINE + "}]",
        ["rule a, field when.region: unit 110288 is not in units.yaml"],
    ),
    (
        "rules: [{id: a, then: {level: department, units: [util-gas]}, " + FINE + "}]",
        ["rule a, field then.units: unit util-gas is not in units.yaml"],
    ),
    (
        "rules: [{id: a, then: {level: department, units: ['110199']}, " + FINE + "}]",
        ["rule a, field then.units: 110199 is a hub"],
    ),
    (
        "rules: [{id: a, then: {level: department, units: [util-water, util-water]}, " + FINE + "}]",
        ["rule a, field then.units: a unit is named twice"],
    ),
    (
        "rules: [{id: a, then: {level: hub}, " + FINE + "}, {id: a, then: {level: hub}, " + FINE + "}]",
        ["rule a, field id: it is used twice"],
    ),
]


@pytest.mark.parametrize(("text", "named"), FAULTS)
def test_a_fault_in_the_file_is_named(tmp_path: Path, text: str, named: list[str]) -> None:
    path = written(tmp_path, text)
    with pytest.raises(RulesInvalid) as raised:
        read_rules(path, TREE)
    (problem,) = raised.value.problems
    assert problem.startswith(f"{path}: ")
    for words in named:
        assert words in problem


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f"""
        rules:
          - {{id: a, then: {{level: city}}, {FINE}}}
          - {{id: b, then: {{level: department, units: [nowhere]}}, {FINE}}}
        """,
    )
    with pytest.raises(RulesInvalid) as raised:
        read_rules(path, TREE)
    assert ["rule 1" in raised.value.problems[0], "rule b" in raised.value.problems[1]] == [True, True]


def test_a_good_file_is_read_in_order(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f"""
        version: 3
        rules:
          - {{id: pipes, when: {{category: [供水]}}, then: {{level: department, units: [util-water]}}, {FINE}}}
          - {{id: rest, then: {{level: street, ledger: special}}, {FINE}}}
        """,
    )
    rules = read_rules(path, TREE)
    assert (rules.version, [one.id for one in rules.rules]) == ("3", ["pipes", "rest"])
    assert route(matter(("路灯",)), False, rules, TREE).ledger is Ledger.SPECIAL


def test_the_district_that_is_shipped() -> None:
    tree = read_units(SETUP / "units.yaml")
    rules = read_rules(SETUP / "rules.yaml", tree)
    shipped = [
        # category                    self-handled  to whom                        by which rule
        (("公共服务", "供水"), False, ("util-water",), "water-supply"),
        (("供热",), False, ("util-heating",), "heating"),
        (("噪声污染",), False, ("dept-ecology",), "noise-air-water-pollution"),
        (("物业管理",), False, ("110199001",), "street-first"),
        (("物业管理",), True, ("110199001001",), "community-self-handles"),
        (("未列入",), False, (), "hub-desk"),
    ]
    for category, self_handled, units, by in shipped:
        found = route(matter(category, region="110199001001"), self_handled, rules, tree)
        assert (found.units, found.reason.rule, found.reason.version) == (units, by, rules.version)
