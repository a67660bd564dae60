"""What people at the hub decide: dispatching what no rule decided, ruling on refusals, ordering rework."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from services.router.domain.case import Assignment, Case, Part, decided, evolve, refused
from services.router.domain.opening import assign_all
from services.router.domain.rules import default_ledger
from services.router.domain.verdicts import rework
from shared.contracts import facts as f
from shared.contracts.lifecycle import STAGES
from shared.contracts.units import HANDLING_KINDS, UnitTree
from shared.contracts.vocabulary import CaseList, Ledger, Level, ReworkCause, Role, Stage, UnitKind
from shared.runtime.decision import Decision

_LEVELS = {UnitKind.STREET: Level.STREET, UnitKind.COMMUNITY: Level.COMMUNITY}


class HubCommand(BaseModel):
    """What the hub asks for; `actor` is who at the hub."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actor: f.Actor


class Dispatch(HubCommand):
    """Give a case to units, the first of them the lead; after consultation this is the designation.

    List and ledger stay as they are where none is named.
    """

    units: tuple[str, ...] = Field(min_length=1, max_length=20)
    reason: str = Field(min_length=1, max_length=1000)
    case_list: CaseList | None = None
    ledger: Ledger | None = None


class RuleOnRefusal(HubCommand):
    """Uphold a refusal and name the units that take its place, or dismiss it: the unit keeps the case."""

    upheld: bool
    reason: str = Field(min_length=1, max_length=1000)
    units: tuple[str, ...] = Field(default=(), max_length=20)


class OrderRework(HubCommand):
    """Reopen a closed case."""

    reason: str = Field(min_length=1, max_length=1000)


def dispatch(case: Case, command: Dispatch, tree: UnitTree, now: datetime) -> Decision[Case]:
    """The desk dispatches, or designates after consultation. Only a case that waits at the hub."""
    if case.stage not in (Stage.TO_DISPATCH, Stage.CONSULTATION):
        return _not_at_the_desk(
            case, (Stage.TO_DISPATCH, Stage.CONSULTATION), "由区级治理中心派单", "dispatched by the hub"
        )
    problem = unknown_unit(command.units, tree)
    if problem is not None:
        return problem
    if case.stage is Stage.CONSULTATION:
        return _designate(case, command, tree, now)
    return decided(case, [_dispatched(case, command, assign_all(case, command.units), tree)], now)


def _designate(case: Case, command: Dispatch, tree: UnitTree, now: datetime) -> Decision[Case]:
    """会商指定. The unit that refused stays if it is named, on the clock it had; the others stay in any case."""
    refusing = _refusing(case)
    stays = refusing.unit in command.units

    def ruled(stage: Stage) -> f.CaseRefusalRuled:
        return f.CaseRefusalRuled(
            **case.heading(stage, command.actor),
            assignment_id=refusing.assignment_id,
            unit=refusing.unit,
            upheld=not stays,
            reason=command.reason,
            final=stays,
        )

    ruling = ruled(Stage.CONSULTATION)
    after = evolve(case, ruling, now)
    together = _together(after, command.units, lead=command.units[0])
    if {*together} == {one.made() for one in after.present}:
        return decided(case, [ruled(Stage.DISPATCHED)], now)
    return decided(case, [ruling, _dispatched(after, command, together, tree, final=True)], now)


def rule_on_refusal(case: Case, command: RuleOnRefusal, tree: UnitTree, now: datetime) -> Decision[Case]:
    """The hub's ruling on a first refusal. Nobody gains time by it: a dismissed unit's clock never stopped."""
    if case.stage is not Stage.REFUSAL_REVIEW:
        return _not_at_the_desk(case, (Stage.REFUSAL_REVIEW,), "审核退单", "ruled on")
    refusing = _refusing(case)
    problem = _unfit_ruling(refusing, command) or unknown_unit(command.units, tree)
    if problem is not None:
        return problem
    ruling = f.CaseRefusalRuled(
        **case.heading(Stage.REFUSAL_REVIEW if command.upheld else Stage.DISPATCHED, command.actor),
        assignment_id=refusing.assignment_id,
        unit=refusing.unit,
        upheld=command.upheld,
        reason=command.reason,
    )
    if not command.upheld:
        return decided(case, [ruling], now)
    after = evolve(case, ruling, now)
    lead = after.lead.unit if after.lead else command.units[0]
    again = Dispatch(actor=command.actor, units=command.units, reason=command.reason)
    return decided(case, [ruling, _dispatched(after, again, _together(after, command.units, lead), tree)], now)


def _unfit_ruling(refusing: Assignment, command: RuleOnRefusal) -> Decision[Case] | None:
    if command.upheld != bool(command.units):
        return refused(
            "units_do_not_fit",
            "同意退单须另行指定承办单位；不同意退单则不能填写单位。",
            "To uphold a refusal name the units instead; to dismiss it name none.",
            "units",
            422,
        )
    if refusing.unit in command.units:
        return refused(
            "same_unit",
            f"已同意 {refusing.unit} 退单，不能再派给它；请另选单位，或不同意退单。",
            f"The refusal of {refusing.unit} is upheld, so it cannot go there again; choose another or dismiss it.",
            "units",
            422,
        )
    return None


def order_rework(case: Case, command: OrderRework, now: datetime) -> Decision[Case]:
    """重办 by the hub: any number of times, until the case is archived."""
    if case.stage is not Stage.CLOSED:
        return _not_at_the_desk(case, (Stage.CLOSED,), "责令重办", "reopened")
    return decided(case, [rework(case, ReworkCause.HUB_ORDERED, command.actor, command.reason)], now)


def unknown_unit(units: tuple[str, ...], tree: UnitTree) -> Decision[Case] | None:
    """A refusal that names the first unit which cannot handle cases, or None."""
    for code in units:
        unit = tree.get(code)
        if unit is None or unit.kind not in HANDLING_KINDS:
            return refused(
                "unit_unknown",
                f"单位 {code} 不存在或不能承办哨单；请从街道、社区、部门、公服企业中选择。",
                f"{code} is no unit that handles cases; choose a street, community, department or utility.",
                "units",
                422,
            )
    if len(set(units)) != len(units):
        return refused("unit_named_twice", "同一单位填写了两次。", "A unit is named twice.", "units", 422)
    return None


def _refusing(case: Case) -> Assignment:
    """Whose refusal is argued: while one is, no other unit can refuse."""
    return next(one for one in case.present if one.part is Part.REFUSED)


def _together(case: Case, units: tuple[str, ...], lead: str) -> tuple[f.AssignmentMade, ...]:
    """These units and those that have a part already, the lead first. Who has a part keeps it, and its clock."""
    present = {one.unit for one in case.present}

    def role(unit: str) -> Role:
        return Role.LEAD if unit == lead else Role.CO_HANDLER

    kept = [one.made(role(one.unit)) for one in case.present]
    new = case.assign(((unit, role(unit)) for unit in units if unit not in present), case.round)
    return tuple(sorted((*kept, *new), key=lambda made: made.role is not Role.LEAD))


def _dispatched(
    case: Case, command: Dispatch, assignments: tuple[f.AssignmentMade, ...], tree: UnitTree, final: bool = False
) -> f.CaseDispatched:
    lead = tree.get(assignments[0].unit)
    level = _LEVELS.get(lead.kind, Level.DEPARTMENT) if lead else Level.DEPARTMENT
    return f.CaseDispatched(
        **case.heading(Stage.DISPATCHED, command.actor),
        level=level,
        matter=case.matter,
        assignments=assignments,
        case_list=command.case_list or case.case_list or CaseList.IMMEDIATE,
        ledger=command.ledger or case.ledger or default_ledger(case.matter, level),
        reason=f.Reason(zh=command.reason, en=command.reason),
        final=final,
    )


def _not_at_the_desk(case: Case, stages: tuple[Stage, ...], zh: str, en: str) -> Decision[Case]:
    names = "、".join(f"“{STAGES[stage].chinese}”" for stage in stages)
    return refused(
        "not_at_the_desk",
        f"哨单 {case.number} 当前为“{STAGES[case.stage].chinese}”；只有{names}的哨单可以{zh}。",
        f"Case {case.number} stands in {case.stage}; only a case in {' or '.join(stages)} can be {en}.",
    )
