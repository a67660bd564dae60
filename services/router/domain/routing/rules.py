"""To whom a case goes: rules as data, in order, one version of them. `route.py` applies them.

A rule gives a level; the level gives the unit: `community` and `street` are the region's own, `department` is the
units the rule names or the nearest with a capability, `hub` is the hub's desk.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from services.router.domain.routing.conditions import Condition, Entry, Name
from services.router.domain.routing.matching import Index
from shared.contracts.faults import Fault, SetupInvalid, in_words
from shared.contracts.units import HANDLING_KINDS, Unit, UnitTree
from shared.contracts.vocabulary import CaseList, Ledger, Level, UnitKind, Urgency
from shared.contracts.yaml_lines import Value, read_yaml

KINDS = {
    Level.COMMUNITY: (UnitKind.COMMUNITY,),
    Level.STREET: (UnitKind.STREET,),
    Level.DEPARTMENT: (UnitKind.DEPARTMENT, UnitKind.UTILITY),
    Level.HUB: (),
}
"""Which units each level means."""

OF_THE_PLACE = (Level.COMMUNITY.value, Level.STREET.value)
"""What `co_handlers` may name besides codes: the community or street of the place."""


class Outcome(Entry):
    """What follows: the level and, for departments, which units (the first is the lead) or what they must be able to.

    A capability is asked of the region's own street or community; of departments and utilities the one nearest to the
    region has it. Urgency is raised, never lowered.
    """

    level: Level
    units: tuple[Name, ...] = ()
    capability: Name | None = None
    co_handlers: tuple[Name, ...] = Field(default=(), description="codes, or `street`/`community` of the place")
    list: CaseList | None = None
    ledger: Ledger | None = None
    urgency: Urgency | None = None

    @model_validator(mode="after")
    def units_fit_the_level(self) -> "Outcome":
        department = self.level is Level.DEPARTMENT
        if department and bool(self.units) == bool(self.capability):
            raise _unfit(
                "department 级须在 `units` 与 `capability` 中写且只写一个",
                "for level department give either `units` or `capability`",
            )
        if self.units and not department:
            raise _unfit(
                "只有 department 级写 `units`；协办单位请写在 `co_handlers`",
                "`units` are named for level department, and for no other; who helps belongs to `co_handlers`",
            )
        if self.level is Level.HUB and (self.capability or self.co_handlers):
            raise _unfit(
                "hub 级由区级治理中心研判派单，不写 `capability`、`co_handlers`",
                "at level hub the desk decides who handles: leave out `capability` and `co_handlers`",
            )
        if len({*self.units, *self.co_handlers}) != len(self.units) + len(self.co_handlers):
            raise _unfit("同一单位写了两次；请删去一个", "a unit is named twice; remove one")
        if self.urgency is Urgency.COMPLEX:
            raise _unfit(
                "紧急程度只升不降，不能改为 complex；请删除", "urgency is only raised, never to complex; remove it"
            )
        return self


def _unfit(zh: str, en: str) -> PydanticCustomError:
    return PydanticCustomError("outcome", en, {"zh": zh})


class Because(Entry):
    zh: Name
    en: Name


class Rule(Entry):
    id: str = Field(pattern=r"^[a-z0-9-]{1,60}$")
    when: Condition = Condition()
    then: Outcome
    because: Because


class RulesInvalid(SetupInvalid):
    """The rules cannot be used; every fault is listed with its line, rule, field and what to do."""


@dataclass(frozen=True)
class Rules:
    """All rules of one version, in order."""

    version: str
    rules: tuple[Rule, ...]

    @cached_property
    def index(self) -> Index:
        return Index([rule.when for rule in self.rules])

    @cached_property
    def by_id(self) -> Mapping[str, Rule]:
        return {rule.id: rule for rule in self.rules}


_STORED = TypeAdapter(Rules)


def to_json(rules: Rules) -> bytes:
    """The rules as they are stored."""
    return _STORED.dump_json(rules, exclude_defaults=True)


def from_json(stored: bytes | str) -> Rules:
    """Rules that were checked when they were stored. Their units are not looked at again."""
    return _STORED.validate_json(stored)


# --- files --------------------------------------------------------------------------------------------------


def parse_rules(text: str, tree: UnitTree, file: str = "rules.yaml") -> Rules:
    """Rules out of YAML: `version` and a list `rules`. Raises `RulesInvalid` with every fault of every rule."""
    try:
        document = read_yaml(text, file)
    except SetupInvalid as unreadable:
        raise RulesInvalid(unreadable.faults) from None
    top = document.value if isinstance(document.value, dict) else {}
    listed = top["rules"].value if "rules" in top else None
    if not isinstance(listed, list):
        raise RulesInvalid(
            [
                Fault(
                    "应有 `version` 和列表 `rules`",
                    "expected a mapping with `version` and a list `rules`",
                    line=document.line,
                    file=file,
                )
            ]
        )
    rules: list[Rule] = []
    faults: list[Fault] = []
    first_lines: dict[str, int] = {}
    for number, entry in enumerate(listed, start=1):
        try:
            rule = Rule.model_validate(entry.plain)
        except ValidationError as error:
            name = _id_of(entry.value) or f"rule {number}"
            faults.extend(
                in_words(found, name, entry.line_at(found["loc"]), file) for found in error.errors(include_url=False)
            )
            continue
        rules.append(rule)
        if rule.id in first_lines:
            faults.append(_used_twice(rule.id, first_lines[rule.id], entry.line, file))
        first_lines.setdefault(rule.id, entry.line)
        faults.extend(
            Fault(one.zh, one.en, one.field, rule.id, entry.line_at(one.field.split(".")), file)
            for one in unit_faults(rule, tree)
        )
    if faults:
        raise RulesInvalid(faults)
    version = top["version"].value if "version" in top else None
    return Rules(version if isinstance(version, str) else "1", tuple(rules))


def unit_faults(rule: Rule, tree: UnitTree) -> Iterator[Fault]:
    """Units that a rule names and that are not there. One that others succeeded is there: its successor acts."""
    for code in rule.when.region:
        if tree.present(code) is None:
            yield _unknown(code, "when.region", rule, tree)
    for name, codes in (("units", rule.then.units), ("co_handlers", rule.then.co_handlers)):
        for code in codes:
            if name == "co_handlers" and code in OF_THE_PLACE:
                continue
            unit = tree.get(tree.present(code) or code)
            if unit is None:
                yield _unknown(code, f"then.{name}", rule, tree)
            elif unit.kind not in HANDLING_KINDS:
                yield Fault(
                    f"{unit.code}（{unit.name}）不承办哨单；请改为街道、社区、部门或公服企业",
                    f"{unit.code} is a {unit.kind}; name a street, community, department or utility",
                    f"then.{name}",
                    rule.id,
                )
    if rule.then.capability and not capable(rule.then, tree):
        yield Fault(
            f"{rule.then.level} 级没有单位具有“{rule.then.capability}”这项职能；请核对，或在单位的 capabilities 中补上",
            f"no {rule.then.level} has the capability {rule.then.capability}; correct it, or add it to a unit's "
            "capabilities",
            "then.capability",
            rule.id,
        )


def capable(outcome: Outcome, tree: UnitTree) -> Sequence[Unit]:
    """The units of an outcome's level that have the capability it asks for."""
    return [unit for unit in tree.capable(outcome.capability or "") if unit.kind in KINDS[outcome.level]]


def _unknown(code: str, field: str, rule: Rule, tree: UnitTree) -> Fault:
    named = tree.named(code)
    hint_zh, hint_en = (f"；应写代码 {named.code}", f"; write its code {named.code}") if named else ("", "")
    return Fault(
        f"没有单位 {code}{hint_zh or '；请核对代码，或先导入该单位'}",
        f"there is no unit {code}{hint_en or '; correct the code, or import the unit first'}",
        field,
        rule.id,
    )


def _used_twice(id_: str, first: int, line: int, file: str) -> Fault:
    return Fault(
        f"规则编号与第 {first} 行重复；请为其中一条改用其他编号",
        f"the id is used twice, first in line {first}; give one of the two another",
        "id",
        id_,
        line,
        file,
    )


def _id_of(entry: Value) -> str | None:
    found = entry["id"].value if isinstance(entry, dict) and "id" in entry else None
    return found if isinstance(found, str) else None
