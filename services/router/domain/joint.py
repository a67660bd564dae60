"""联合办理: who handles a case together. One lead, any number of co-handlers, each with its own part and clock."""

from datetime import datetime

from services.router.domain.case import Case, Part
from services.router.domain.commands import ChangeLead, Join, Release, Transfer
from services.router.domain.decisions import decided, refused
from services.router.domain.distribution import dispatched, together, unfit
from services.router.domain.district import District
from services.router.domain.permits import Permit, asker, permit
from services.router.domain.procedures import Action, Who
from shared.contracts.vocabulary import DispatchCause
from shared.runtime.decision import Decision


def transfer(case: Case, command: Transfer, district: District, now: datetime) -> Decision[Case]:
    """转办: another unit takes a unit's place and role. What the one had used of its time stays used."""
    place = case.assignment_of(command.unit) if command.unit is not None else case.lead
    who = asker(command.actor, case, district.tree, about=place)
    may = permit(Action.TRANSFER, case, who, district.procedures, now)
    if not isinstance(may, Permit):
        return Decision(refusal=may)
    if place is None:
        return _has_no_part(case, command.unit or "")
    if place.part is Part.DONE:
        return refused(
            "done_already",
            f"{place.unit} 已办结，不能转办。",
            f"{place.unit} has finished its part: it cannot be transferred any more.",
            "unit",
        )
    problem = unfit([command.to], case, district.tree, "to")
    if problem is not None:
        return problem
    if case.assignment_of(command.to) is not None:
        return _has_a_part(case, command.to, "to")
    unit = command.actor.unit or ""
    if Who.HUB not in who.is_ and not district.tree.is_within(command.to, unit):
        return refused(
            "outside_your_own",
            f"只能在本单位 {unit} 及所属单位之间转办；转给其他单位请报区级治理中心。",
            f"{unit} may transfer to itself and units below it only; for others turn to the hub.",
            "to",
            403,
        )
    lead = command.to if place == case.lead else None
    return _redistribute(
        case, command, may, DispatchCause.TRANSFERRED, district, now, [command.to], lead=lead, without=place.unit
    )


def join(case: Case, command: Join, may: Permit, district: District, now: datetime) -> Decision[Case]:
    """More co-handlers; each begins with a clock of its own, nobody else's changes."""
    problem = unfit(command.units, case, district.tree)
    if problem is not None:
        return problem
    there = next((unit for unit in command.units if case.assignment_of(unit) is not None), None)
    if there is not None:
        return _has_a_part(case, there, "units")
    return _redistribute(case, command, may, DispatchCause.JOINED, district, now, list(command.units))


def release(case: Case, command: Release, may: Permit, district: District, now: datetime) -> Decision[Case]:
    """A co-handler is no longer needed."""
    place = case.assignment_of(command.unit)
    if place is None:
        return _has_no_part(case, command.unit)
    if place == case.lead:
        return refused(
            "lead_not_released",
            f"{command.unit} 是牵头单位，不能直接解除；请先变更牵头单位，或转办。",
            f"{command.unit} leads: change the lead first, or transfer its place.",
            "unit",
        )
    if place.part is Part.DONE:
        return refused(
            "done_already",
            f"{command.unit} 已办结，无需解除；其办理结果将写入答复。",
            f"{command.unit} has finished its part: nobody waits for it, and its result goes into the answer.",
            "unit",
        )
    return _redistribute(case, command, may, DispatchCause.RELEASED, district, now, [], without=command.unit)


def change_lead(case: Case, command: ChangeLead, may: Permit, district: District, now: datetime) -> Decision[Case]:
    """Another unit leads. The former lead stays as a co-handler; nobody's clock changes."""
    there = case.assignment_of(command.unit)
    if there is not None and there == case.lead:
        return refused("leads_already", f"{command.unit} 已是牵头单位。", f"{command.unit} leads already.", "unit", 422)
    if there is not None and there.part is Part.DONE:
        return refused(
            "done_already",
            f"{command.unit} 已办结，不能再牵头；请选择仍在办理的单位。",
            f"{command.unit} has finished its part; choose a unit that is still at work to lead.",
            "unit",
        )
    problem = unfit([command.unit], case, district.tree, "unit")
    if problem is not None:
        return problem
    return _redistribute(
        case, command, may, DispatchCause.LEAD_CHANGED, district, now, [command.unit], lead=command.unit
    )


def _redistribute(
    case: Case,
    command: Transfer | Join | Release | ChangeLead,
    may: Permit,
    cause: DispatchCause,
    district: District,
    now: datetime,
    units: list[str],
    lead: str | None = None,
    without: str | None = None,
) -> Decision[Case]:
    fact = dispatched(
        case,
        together(case, units, lead, without),
        actor=command.actor,
        reason=may.why(command.reason, command.basis),
        cause=cause,
        tree=district.tree,
        now=now,
    )
    return decided(case, [fact], now)


def _has_no_part(case: Case, unit: str) -> Decision[Case]:
    there = [one.unit for one in case.present]
    return refused(
        "no_part_in_it",
        f"{unit} 未承办哨单 {case.number}；现有承办单位：{'、'.join(there)}。",
        f"{unit} has no part in case {case.number}; those who have: {', '.join(there)}.",
        "unit",
        422,
    )


def _has_a_part(case: Case, unit: str, field: str) -> Decision[Case]:
    return refused(
        "has_a_part_already",
        f"{unit} 已在承办哨单 {case.number}；请另选单位。",
        f"{unit} has a part in case {case.number} already; choose another.",
        field,
        422,
    )
