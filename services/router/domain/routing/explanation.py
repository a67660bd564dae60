"""Why a matter goes where it goes: which rules were looked at in turn, and what kept each from deciding."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from services.router.domain.routing.conditions import BELOW, Situation, situation_of
from services.router.domain.routing.route import Route, handlers_by, route
from services.router.domain.routing.rules import Rule, Rules
from shared.contracts.facts import Matter
from shared.contracts.units import UnitTree


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A condition that does not hold: what the rule asks and what the matter has."""

    field: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Step:
    """One rule looked at. Without obstacles it holds; it decides unless its unit is not there for this region."""

    rule: Rule
    obstacles: tuple[Obstacle, ...]
    decides: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """The rules worth naming in the order they were looked at, how many others were, and the route."""

    steps: tuple[Step, ...]
    left_out: int
    route: Route


def explain(
    matter: Matter, self_handled: bool, rules: Rules, tree: UnitTree, now: datetime, every: bool = False
) -> Explanation:
    """The rules up to the one that decides; without `every` only those whose category or keywords fit the matter."""
    found = situation_of(matter, self_handled, tree, now)
    looked_at = list(_steps(rules.rules, found, tree))
    named = tuple(step for step in looked_at if every or _fits(step))
    return Explanation(named, len(looked_at) - len(named), route(matter, self_handled, rules, tree, now))


def _steps(rules: Iterable[Rule], found: Situation, tree: UnitTree) -> Iterator[Step]:
    for rule in rules:
        obstacles = tuple(
            Obstacle(field, expected(rule, field), _had(found, field)) for field in rule.when.unmet(found)
        )
        decides = not obstacles and handlers_by(rule.then, found.matter, tree) is not None
        yield Step(rule, obstacles, decides)
        if decides:
            return


def _fits(step: Step) -> bool:
    unmet = {one.field for one in step.obstacles}
    asked = {name for name in ("category", "keywords") if getattr(step.rule.when, name)}
    return not unmet or bool(asked - unmet)


def expected(rule: Rule, field: str) -> str:
    """What a rule asks of a field, as a person writes it."""
    asked = getattr(rule.when, field)
    return ", ".join(map(str, asked)) if isinstance(asked, tuple) else str(asked).lower()


def _had(found: Situation, field: str) -> str:
    matter = found.matter
    match field:
        case "category":
            return BELOW.join(matter.category) or "—"
        case "keywords" | "not_keywords":
            return f"{matter.title} {matter.content}".strip()
        case "hours":
            return f"{found.at:%H:%M}"
        case "weekdays":
            return str(found.at.isoweekday())
        case "dates":
            return f"{found.at:%Y-%m-%d}"
        case "self_handled":
            return str(found.self_handled).lower()
        case "confidential":
            return str(matter.confidential).lower()
        case _:
            return str(getattr(matter, field) or "—")
