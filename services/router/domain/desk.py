"""What people at the hub decide: dispatching what no rule decided, ruling on refusals, ordering rework."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from services.router.domain.case import Case, Part, decided, evolve, refused
from services.router.domain.opening import assign_all
from services.router.domain.rules import default_ledger
from services.router.domain.verdicts import rework
from shared.contracts import facts as f
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import CaseList, Ledger, Level, ReworkCause, Stage, UnitKind
from shared.runtime.road import Decision

HANDLING_KINDS = (UnitKind.STREET, UnitKind.COMMUNITY, UnitKind.DEPARTMENT, UnitKind.UTILITY)
_LEVELS = {UnitKind.STREET: Level.STREET, UnitKind.COMMUNITY: Level.COMMUNITY}


class HubCommand(BaseModel):
    """What the hub asks for; `actor` is who at the hub."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actor: f.Actor


class Dispatch(HubCommand):
    """Give a case to units, the first of them the lead; after consultation this is the designation."""

    units: tuple[str, ...] = Field(min_length=1, max_length=20)
    reason: str = Field(min_length=1, max_length=1000)
    case_list: CaseList = CaseList.IMMEDIATE
    ledger: Ledger | None = None


class RuleOnRefusal(HubCommand):
    """Uphold a refusal and name the units instead, or dismiss it: the unit keeps the case."""

    upheld: bool
    reason: str = Field(min_length=1, max_length=1000)
    units: tuple[str, ...] = Field(default=(), max_length=20)


class OrderRework(HubCommand):
    """Reopen a closed case."""

    reason: str = Field(min_length=1, max_length=1000)


def dispatch(case: Case, command: Dispatch, tree: UnitTree, now: datetime) -> Decision[Case]:
    """The desk dispatches, or designates after consultation. Only a case that waits at the hub."""
    if case.stage not in (Stage.TO_DISPATCH, Stage.CONSULTATION):
        return _not_at_the_desk(case, "派单", "dispatched by the hub")
    problem = unknown_unit(command.units, tree)
    if problem is not None:
        return problem
    if case.stage is Stage.TO_DISPATCH:
        return decided(case, [_dispatched(case, command, tree)], now)
    refusing = next(one for one in case.present if one.part is Part.REFUSED)
    stays = command.units == (refusing.unit,)
    ruling = case.state(
        f.CaseRefusalRuled,
        Stage.DISPATCHED if stays else Stage.CONSULTATION,
        command.actor,
        assignment_id=refusing.assignment_id,
        unit=refusing.unit,
        upheld=not stays,
        reason=command.reason,
        final=stays,
    )
    if stays:
        return decided(case, [ruling], now)
    after = evolve(case, ruling, now)
    return decided(case, [ruling, _dispatched(after, command, tree, final=True)], now)


def rule_on_refusal(case: Case, command: RuleOnRefusal, tree: UnitTree, now: datetime) -> Decision[Case]:
    """The hub's ruling on a first refusal. Nobody gains time by it: a dismissed unit's clock never stopped."""
    if case.stage is not Stage.REFUSAL_REVIEW:
        return _not_at_the_desk(case, "退单审核", "in refusal review")
    refusing = next(one for one in case.present if one.part is Part.REFUSED)
    if command.upheld != bool(command.units):
        return refused(
            "units_do_not_fit",
            "同意退单须另行指定承办单位；不同意退单则不能填写单位。",
            "To uphold a refusal name the units instead; to dismiss it name none.",
            "units",
            422,
        )
    ruling = case.state(
        f.CaseRefusalRuled,
        Stage.REFUSAL_REVIEW if command.upheld else Stage.DISPATCHED,
        command.actor,
        assignment_id=refusing.assignment_id,
        unit=refusing.unit,
        upheld=command.upheld,
        reason=command.reason,
    )
    if not command.upheld:
        return decided(case, [ruling], now)
    problem = unknown_unit(command.units, tree)
    if problem is not None:
        return problem
    if refusing.unit in command.units:
        return refused(
            "same_unit",
            f"已同意 {refusing.unit} 退单，不能再派给它；请另选单位，或不同意退单。",
            f"The refusal of {refusing.unit} is upheld, so it cannot go there again; choose another or dismiss it.",
            "units",
            422,
        )
    again = Dispatch(actor=command.actor, units=command.units, reason=command.reason, ledger=case.ledger)
    return decided(case, [ruling, _dispatched(evolve(case, ruling, now), again, tree)], now)


def order_rework(case: Case, command: OrderRework, now: datetime) -> Decision[Case]:
    """重办 by the hub: any number of times, until the case is archived."""
    if case.stage is not Stage.CLOSED:
        return _not_at_the_desk(case, "责令重办（须已结案未归档）", "closed and not archived")
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


def _dispatched(case: Case, command: Dispatch, tree: UnitTree, final: bool = False) -> f.CaseDispatched:
    lead = tree.get(command.units[0])
    level = _LEVELS.get(lead.kind, Level.DEPARTMENT) if lead else Level.DEPARTMENT
    return case.state(
        f.CaseDispatched,
        Stage.DISPATCHED,
        command.actor,
        level=level,
        matter=case.matter,
        assignments=assign_all(case, command.units),
        case_list=command.case_list,
        ledger=command.ledger or default_ledger(case.matter, level),
        reason=f.Reason(zh=command.reason, en=command.reason),
        final=final,
    )


def _not_at_the_desk(case: Case, zh: str, en: str) -> Decision[Case]:
    return refused(
        "not_at_the_desk",
        f"哨单 {case.number} 当前为“{case.stage}”，不能进行{zh}。",
        f"Case {case.number} stands in {case.stage}; only a case that can be {en} allows this."
        if en.startswith("dispatched")
        else f"Case {case.number} stands in {case.stage}; this needs a case that is {en}.",
    )
