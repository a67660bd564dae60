"""To whom a case goes. The first rule that holds and whose units are there decides, and says why."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.router.domain.routing.conditions import situation_of
from services.router.domain.routing.rules import KINDS, OF_THE_PLACE, Outcome, Rule, Rules, capable
from shared.contracts.facts import Matter, Reason
from shared.contracts.units import HANDLING_KINDS, Unit, UnitTree
from shared.contracts.vocabulary import CaseList, Ledger, Level, Source, Urgency

NO_RULE = "hub-desk"
"""Stands for the rule where none decided."""

LEVELS = {kind: level for level, kinds in KINDS.items() for kind in kinds}


@dataclass(frozen=True, slots=True)
class Route:
    """To whom a case goes: the first of `units` leads, everybody else co-handles. No units = the hub's desk.

    `urgency` is the matter's own or what a rule raised it to; `case_list` where a rule names one.
    """

    level: Level
    units: tuple[str, ...]
    co_handlers: tuple[str, ...]
    case_list: CaseList | None
    ledger: Ledger
    urgency: Urgency
    reason: Reason


class Handlers(NamedTuple):
    """Who is to handle a case by one rule, and what has to be said about how they were found."""

    units: tuple[str, ...]
    co_handlers: tuple[str, ...]
    told: tuple["Told", ...] = ()


class Told(NamedTuple):
    """A sentence of a reason, and what it rests on."""

    zh: str
    en: str
    basis: str = ""


def route(matter: Matter, self_handled: bool, rules: Rules, tree: UnitTree, now: datetime) -> Route:
    """To whom the rules give a matter at this moment; what none of them decides goes to the hub's desk."""
    found = situation_of(matter, self_handled, tree, now)
    holding = (rules.rules[place] for place in rules.index.holding(found))
    return decide(holding, matter, rules.version, tree)


def decide(holding: Iterable[Rule], matter: Matter, version: str, tree: UnitTree) -> Route:
    """The route by the first of these rules whose units are there."""
    for rule in holding:
        handlers = handlers_by(rule.then, matter, tree)
        if handlers is not None:
            return _routed(rule, handlers, matter, version, tree)
    reason = Reason(
        zh="没有规则能够确定承办单位，由区级治理中心兜底派单",
        en="No rule decides the unit; the hub's desk dispatches",
        rule=NO_RULE,
        version=version,
    )
    return Route(Level.HUB, (), (), None, default_ledger(matter, Level.HUB), matter.urgency, reason)


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


def raised(present: Urgency, to: Urgency | None) -> Urgency:
    """The stricter of the two; `complex` has the longest limits."""
    return to if to is not None and to.is_stricter_than(present) else present


def handlers_by(outcome: Outcome, matter: Matter, tree: UnitTree) -> Handlers | None:
    """Who handles by this outcome; None where a unit of it is not there for this region: the rule is passed over.

    A co-handler that is not there is left out.
    """
    if outcome.level is Level.HUB:
        return Handlers((), ())
    told: list[Told] = []
    if outcome.units:
        named = [_now(code, matter, tree, told) for code in outcome.units]
        units = [unit for unit in named if unit is not None]
        if len(units) < len(named):
            return None
    else:
        only = _nearest(outcome, matter, tree) if outcome.capability else _of_the_place(outcome.level, matter, tree)
        if only is None:
            return None
        units = [only]
    helping = [
        _of_the_place(Level(code), matter, tree) if code in OF_THE_PLACE else _now(code, matter, tree, told)
        for code in outcome.co_handlers
    ]
    leading = tuple(dict.fromkeys(unit.code for unit in units))
    others = dict.fromkeys(unit.code for unit in helping if unit is not None and unit.code not in leading)
    return Handlers(leading, tuple(others), tuple(told))


def _now(code: str, matter: Matter, tree: UnitTree, told: list[Told]) -> Unit | None:
    """The unit, or who has taken its place; None where that is nobody who handles cases."""
    unit = tree.get(tree.present(code, matter.region, matter.category) or code)
    if unit is None or unit.kind not in HANDLING_KINDS:
        return None
    if unit.code != code:
        former, present = tree.name_of(code, english=True), tree.name_of(unit.code, english=True)
        told.append(Told(f"{tree.name_of(code)}的职责已由{unit.name}承接", f"{present} has taken over from {former}"))
    return unit


def _of_the_place(level: Level, matter: Matter, tree: UnitTree) -> Unit | None:
    """The region's own community or street."""
    return tree.nearest(tree.present(matter.region) or matter.region, KINDS[level][0])


def _nearest(outcome: Outcome, matter: Matter, tree: UnitTree) -> Unit | None:
    """The region's own community or street if it has the capability; of departments and utilities that have it, the
    one whose parent is nearest above the region, of those as near the first in the file.
    """
    if outcome.level is not Level.DEPARTMENT:
        unit = _of_the_place(outcome.level, matter, tree)
        return unit if unit is not None and outcome.capability in unit.capabilities else None
    able = capable(outcome, tree)
    if len(able) < 2:
        return able[0] if able else None
    here = tree.present(matter.region) or matter.region
    above = [here, *(unit.code for unit in tree.ancestors(here))]
    return min(able, key=lambda unit: above.index(unit.parent) if unit.parent in above else len(above))


# --- the decision, in words ---------------------------------------------------------------------------------


def _routed(rule: Rule, handlers: Handlers, matter: Matter, version: str, tree: UnitTree) -> Route:
    outcome = rule.then
    urgency = raised(matter.urgency, outcome.urgency)
    kept = _without_conflict(handlers, matter, tree)
    level = outcome.level if kept.units[:1] == handlers.units[:1] else _level_of(kept.units, tree)
    as_raised = matter if urgency is matter.urgency else matter.model_copy(update={"urgency": urgency})
    return Route(
        level,
        kept.units,
        kept.co_handlers,
        outcome.list,
        outcome.ledger or default_ledger(as_raised, level),
        urgency,
        Reason(
            zh="；".join([rule.because.zh, *(told.zh for told in kept.told)]),
            en="; ".join([rule.because.en, *(told.en for told in kept.told)]),
            rule=rule.id,
            version=version,
            basis="；".join(told.basis for told in kept.told if told.basis),
        ),
    )


def _level_of(units: tuple[str, ...], tree: UnitTree) -> Level:
    unit = tree.get(units[0]) if units else None
    return Level.HUB if unit is None else LEVELS[unit.kind]


def _without_conflict(handlers: Handlers, matter: Matter, tree: UnitTree) -> Handlers:
    """利益冲突: nobody handles a matter about itself or a unit below it. The lead's supervisor takes its place.

    Where that is the hub, or a unit that handles no cases, the hub's desk decides. Anybody else is left out.
    """
    about = tree.named(matter.respondent) if matter.respondent else None
    if about is None:
        return handlers
    concerned = {code for code in (*handlers.units, *handlers.co_handlers) if tree.is_within(about.code, code)}
    if not concerned:
        return handlers
    lead = handlers.units[0]
    about_en, lead_en = tree.name_of(about.code, english=True), tree.name_of(lead, english=True)
    basis = f"利益冲突回避 / conflict of interest: {about.name}"
    if lead not in concerned:
        told = Told(f"{about.name}是被反映单位，不参与办理", f"{about_en} is the respondent and takes no part", basis)
        return _those_left(handlers, lead, concerned, told)
    supervisor = tree.supervisor(lead)
    if supervisor.kind in HANDLING_KINDS:
        told = Told(
            f"被反映单位{about.name}是承办单位{tree.name_of(lead)}本身或其下属，改由上级{supervisor.name}承办",
            f"the respondent {about_en} is the handling unit {lead_en} or below it, "
            f"so its supervisor {tree.name_of(supervisor.code, english=True)} handles the case",
            basis,
        )
        return _those_left(handlers, supervisor.code, concerned, told)
    told = Told(
        f"被反映单位{about.name}是承办单位{tree.name_of(lead)}本身或其下属，由区级治理中心研判派单",
        f"the respondent {about_en} is the handling unit {lead_en} or below it, so the hub's desk dispatches",
        basis,
    )
    return Handlers((), (), (*handlers.told, told))


def _those_left(handlers: Handlers, lead: str, concerned: set[str], told: Told) -> Handlers:
    units = dict.fromkeys((lead, *(code for code in handlers.units if code not in concerned)))
    others = (code for code in handlers.co_handlers if code not in concerned and code not in units)
    return Handlers(tuple(units), tuple(others), (*handlers.told, told))
