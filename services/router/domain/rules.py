"""To whom a case goes: rules as data, first match wins, the decision says which rule and why.

A rule gives a level; the level gives the unit: `community` and `street` are the region's own, `department`
is the unit the rule names, `hub` is the hub's desk, where everything ends that no rule decides.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.contracts.facts import Matter, Reason
from shared.contracts.units import HANDLING_KINDS, UnitTree
from shared.contracts.vocabulary import AppealType, Ledger, Level, Source, UnitKind, Urgency


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Condition(_Entry):
    """What must hold; a condition left out always holds, several values mean any of them."""

    category: tuple[str, ...] = Field(default=(), description="a name or code on any level")
    region: tuple[str, ...] = Field(default=(), description="the region itself or anything below it")
    source: tuple[Source, ...] = ()
    appeal_type: tuple[AppealType, ...] = ()
    urgency: tuple[Urgency, ...] = ()
    keywords: tuple[str, ...] = Field(default=(), description="a word of title or content")
    self_handled: bool | None = None

    def holds(self, matter: Matter, self_handled: bool, tree: UnitTree) -> bool:
        text = f"{matter.title} {matter.content}"
        return (
            (self.self_handled is None or self.self_handled == self_handled)
            and (not self.category or not set(self.category).isdisjoint(matter.category))
            and (not self.source or matter.source in self.source)
            and (not self.appeal_type or matter.appeal_type in self.appeal_type)
            and (not self.urgency or matter.urgency in self.urgency)
            and (not self.keywords or any(word in text for word in self.keywords))
            and (not self.region or not set(self.region).isdisjoint(_region_and_above(matter.region, tree)))
        )


class Outcome(_Entry):
    """What follows: the level, for departments which units (the first is the lead), and the ledger."""

    level: Level
    units: tuple[str, ...] = ()
    ledger: Ledger | None = None

    @model_validator(mode="after")
    def units_fit_the_level(self) -> "Outcome":
        if (self.level is Level.DEPARTMENT) != bool(self.units):
            raise ValueError("`units` are named for level department, and for no other")
        return self


class Because(_Entry):
    zh: str
    en: str


class Rule(_Entry):
    id: str = Field(pattern=r"^[a-z0-9-]{1,60}$")
    when: Condition = Condition()
    then: Outcome
    because: Because


class RulesInvalid(ValueError):
    """The rules file cannot be used; every problem is listed with its rule, field and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of one version, in order."""

    version: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """To whom a case goes. No units = the hub's desk."""

    level: Level
    units: tuple[str, ...]
    ledger: Ledger
    reason: Reason


def route(matter: Matter, self_handled: bool, rules: Rules, tree: UnitTree) -> Route:
    """The first rule that holds and whose unit exists in this region decides; else the hub's desk does."""
    for rule in rules.rules:
        if rule.when.holds(matter, self_handled, tree):
            units = _units(rule.then, matter, tree)
            if units or rule.then.level is Level.HUB:
                reason = Reason(zh=rule.because.zh, en=rule.because.en, rule=rule.id, version=rules.version)
                ledger = rule.then.ledger or default_ledger(matter, rule.then.level)
                return Route(rule.then.level, units, ledger, reason)
    reason = Reason(
        zh="没有规则能够确定承办单位，由区级治理中心兜底派单",
        en="No rule decides the unit; the hub's desk dispatches",
        rule="hub-desk",
        version=rules.version,
    )
    return Route(Level.HUB, (), default_ledger(matter, Level.HUB), reason)


def default_ledger(matter: Matter, level: Level) -> Ledger:
    """The ledger where no rule names one."""
    if matter.urgency is Urgency.CRITICAL:
        return Ledger.SPECIAL
    if level is Level.COMMUNITY:
        return Ledger.ON_THE_SPOT
    if matter.source is Source.RESIDENT:
        return Ledger.ON_BEHALF
    if matter.source in (Source.PETITION, Source.VISIT):
        return Ledger.FROM_ABOVE
    return Ledger.FIXED_DEADLINE


def _units(outcome: Outcome, matter: Matter, tree: UnitTree) -> tuple[str, ...]:
    if outcome.level is Level.DEPARTMENT:
        return outcome.units
    kind = {Level.COMMUNITY: UnitKind.COMMUNITY, Level.STREET: UnitKind.STREET}.get(outcome.level)
    unit = tree.nearest(matter.region, kind) if kind else None
    return (unit.code,) if unit else ()


def _region_and_above(region: str, tree: UnitTree) -> set[str]:
    return {region, *(unit.code for unit in tree.ancestors(region))}


def read_rules(path: Path, tree: UnitTree) -> Rules:
    """Read `rules.yaml`: `version` and a list `rules`. Raises `RulesInvalid` naming rule and field."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise RulesInvalid([f"{path}: not YAML: {error}"]) from error
    if not isinstance(raw, dict) or not isinstance(raw.get("rules"), list):
        raise RulesInvalid([f"{path}: expected a mapping with `version` and a list `rules`"])
    rules: list[Rule] = []
    problems: list[str] = []
    for number, entry in enumerate(raw["rules"], start=1):
        try:
            rules.append(Rule.model_validate(entry))
        except ValidationError as error:
            problems.extend(
                f"{path}: rule {number}, field {'.'.join(map(str, found['loc'])) or 'entry'}: {found['msg']}"
                for found in error.errors()
            )
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            problems.append(f"{path}: rule {rule.id}, field id: it is used twice; give one of the two another")
        seen.add(rule.id)
        problems.extend(f"{path}: rule {rule.id}, field {problem}" for problem in _unit_problems(rule, tree))
    if problems:
        raise RulesInvalid(problems)
    return Rules(str(raw.get("version", "1")), tuple(rules))


def _unit_problems(rule: Rule, tree: UnitTree) -> Iterator[str]:
    for code in rule.when.region:
        if code not in tree:
            yield f"when.region: unit {code} is not in units.yaml"
    for code in rule.then.units:
        unit = tree.get(code)
        if unit is None:
            yield f"then.units: unit {code} is not in units.yaml"
        elif unit.kind not in HANDLING_KINDS:
            yield f"then.units: {code} is a {unit.kind}; name a street, community, department or utility"
    if len(set(rule.then.units)) != len(rule.then.units):
        yield "then.units: a unit is named twice"
