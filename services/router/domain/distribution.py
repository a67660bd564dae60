"""Who has a case from now on: the one way in which parts are given, kept and taken away."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.router.domain.case import Case
from services.router.domain.decisions import placed, refused
from services.router.domain.routing.route import LEVELS, default_ledger
from shared.contracts import facts as f
from shared.contracts.facts import AssignmentMade
from shared.contracts.units import HANDLING_KINDS, UnitTree
from shared.contracts.vocabulary import CaseList, DispatchCause, Ledger, Level, Role, Stage
from shared.runtime.decision import Decision


def first_parts(case: Case, units: Sequence[str]) -> tuple[AssignmentMade, ...]:
    """One part for each unit; the first is the lead's."""
    lead, *co_handlers = units
    return case.assign([(lead, Role.LEAD), *((unit, Role.CO_HANDLER) for unit in co_handlers)], case.round)


def together(
    case: Case, units: Iterable[str] = (), lead: str | None = None, without: str | None = None
) -> tuple[AssignmentMade, ...]:
    """These units and those that have a part already. Who has a part keeps it, and its clock."""
    stay = [one for one in case.present if one.unit != without]
    first = lead or (case.lead.unit if case.lead and case.lead in stay else next(iter(units)))
    have = {one.unit for one in stay}

    def role(unit: str) -> Role:
        return Role.LEAD if unit == first else Role.CO_HANDLER

    kept = [one.made(role(one.unit)) for one in stay]
    new = case.assign(((unit, role(unit)) for unit in units if unit not in have), case.round)
    return tuple(sorted((*kept, *new), key=lambda made: made.role is not Role.LEAD))


def dispatched(
    case: Case,
    parts: tuple[AssignmentMade, ...],
    *,
    actor: f.Actor,
    reason: f.Reason,
    cause: DispatchCause,
    tree: UnitTree,
    now: datetime,
    level: Level | None = None,
    case_list: CaseList | None = None,
    ledger: Ledger | None = None,
    final: bool = False,
) -> f.CaseDispatched:
    """派单、改派. Level, list and ledger follow from the lead and from what was, where they are not said."""
    lead = tree.get(parts[0].unit)
    found = level or (LEVELS[lead.kind] if lead else Level.DEPARTMENT)
    kept = {one.assignment_id for one in parts}
    fact = f.CaseDispatched(
        **case.heading(Stage.DISPATCHED, actor),
        level=found,
        matter=case.matter,
        assignments=parts,
        released=tuple(one.made() for one in case.present if one.assignment_id not in kept),
        cause=cause,
        case_list=case_list or case.case_list,
        ledger=ledger or case.ledger or default_ledger(case.matter, found),
        reason=reason,
        final=final,
    )
    return placed(case, fact, now)


def unfit(units: Sequence[str], case: Case, tree: UnitTree, field: str = "units") -> Decision[Case] | None:
    """A no that names the first unit which cannot be given this case, or None."""
    for code in units:
        unit = tree.get(code)
        if unit is None or unit.kind not in HANDLING_KINDS:
            return refused(
                "unit_unknown",
                f"单位 {code} 不存在或不能承办哨单；请从街道、社区、部门、公服企业中选择。",
                f"{code} is no unit that handles cases; choose a street, community, department or utility.",
                field,
                422,
            )
        respondent = tree.named(case.matter.respondent) if case.matter.respondent else None
        if respondent is not None and tree.is_within(code, respondent.code):
            return refused(
                "conflict_of_interest",
                f"{respondent.name} 是本件被反映单位，{unit.name} 不能承办；请派给其上级或其他单位。",
                f"{respondent.code} is whom this case is about, so {code} may not handle it; choose its superior "
                "or another unit.",
                field,
                409,
            )
    if len(set(units)) != len(units):
        return refused("unit_named_twice", "同一单位填写了两次。", "A unit is named twice.", field, 422)
    return None
