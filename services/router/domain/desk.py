"""What the hub's desk decides: dispatching what no rule decided, ruling on refusals, designating, ordering rework."""

from datetime import datetime

from services.router.domain.case import ARGUED, Assignment, Case, Part
from services.router.domain.commands import Dispatch, OrderRework, RuleOnRefusal
from services.router.domain.decisions import decided, placed, refused
from services.router.domain.distribution import dispatched, first_parts, together, unfit
from services.router.domain.district import District
from services.router.domain.evolution import evolve
from services.router.domain.permits import Permit
from services.router.domain.verdicts import rework
from shared.contracts import facts as f
from shared.contracts.vocabulary import CaseList, DispatchCause, ReworkCause, Stage
from shared.runtime.decision import Decision


def dispatch(case: Case, command: Dispatch, may: Permit, district: District, now: datetime) -> Decision[Case]:
    """The desk dispatches, or designates after consultation. Only a case that waits at the hub."""
    problem = unfit(command.units, case, district.tree) or _done_already(case, command.units[0])
    if problem is not None:
        return problem
    if case.stage is Stage.CONSULTATION:
        return _designate(case, command, may, district, now)
    first = dispatched(
        case,
        first_parts(case, command.units),
        actor=command.actor,
        reason=may.why(command.reason, command.basis),
        cause=DispatchCause.DESK,
        tree=district.tree,
        now=now,
        case_list=command.case_list or case.case_list or CaseList.IMMEDIATE,
        ledger=command.ledger,
    )
    return decided(case, [first], now)


def _designate(case: Case, command: Dispatch, may: Permit, district: District, now: datetime) -> Decision[Case]:
    """会商指定. Who refused stays if named, on the clock it had; the others stay in any case. It is final for all."""
    why = may.why(command.reason, command.basis)
    facts: list[f.CaseFact] = []
    after = case
    for refusing in _refusing(case):
        stays = refusing.unit in command.units
        ruling = f.CaseRefusalRuled(
            **after.heading(Stage.CONSULTATION, command.actor, why),
            assignment_id=refusing.assignment_id,
            unit=refusing.unit,
            upheld=not stays,
            reason=command.reason,
            final=stays,
        )
        facts.append(ruling)
        after = evolve(after, ruling, now)
    parts = together(after, command.units, lead=command.units[0])
    if {*parts} != {*after.parts} or not after.designated:
        facts.append(
            dispatched(
                after,
                parts,
                actor=command.actor,
                reason=why,
                cause=DispatchCause.DESIGNATED,
                tree=district.tree,
                now=now,
                case_list=command.case_list,
                ledger=command.ledger,
                final=True,
            )
        )
        return decided(case, facts, now)
    *before, last = facts
    for fact in before:
        case = evolve(case, fact, now)
    assert isinstance(last, f.CaseRefusalRuled), "only rulings so far"
    settled = decided(case, [placed(case, last, now)], now)
    return Decision(settled.state, (*before, *settled.facts), settled.answer)


def rule_on_refusal(
    case: Case, command: RuleOnRefusal, may: Permit, district: District, now: datetime
) -> Decision[Case]:
    """The hub's ruling on a first refusal. Nobody gains time by it: a dismissed unit's clock never stopped."""
    argued = [one for one in _refusing(case) if command.unit in (None, one.unit)]
    if len(argued) != 1:
        units = [one.unit for one in _refusing(case)]
        return refused(
            "which_refusal",
            f"请用 unit 指明一个单位的退单；待审核的有：{'、'.join(units)}。",
            f"Name by unit whose refusal is ruled on; argued are those of: {', '.join(units)}.",
            "unit",
            422,
        )
    refusing = argued[0]
    problem = _unfit_ruling(refusing, command) or unfit(command.units, case, district.tree)
    if problem is None and command.upheld and refusing == case.lead:
        problem = _done_already(case, command.units[0])
    if problem is not None:
        return problem
    why = may.why(command.reason, command.basis)
    ruling = f.CaseRefusalRuled(
        **case.heading(case.stage, command.actor, why),
        assignment_id=refusing.assignment_id,
        unit=refusing.unit,
        upheld=command.upheld,
        reason=command.reason,
    )
    if not command.upheld:
        return decided(case, [placed(case, ruling, now)], now)
    after = evolve(case, ruling, now)
    following = dispatched(
        after,
        together(after, command.units),
        actor=command.actor,
        reason=why,
        cause=DispatchCause.REFUSAL_UPHELD,
        tree=district.tree,
        now=now,
        case_list=case.case_list or CaseList.IMMEDIATE,
    )
    return decided(case, [ruling, following], now)


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


def _done_already(case: Case, lead: str) -> Decision[Case] | None:
    """The lead finishes last, so it is nobody who has finished."""
    there = case.assignment_of(lead)
    if there is None or there.part is not Part.DONE:
        return None
    return refused(
        "done_already",
        f"{lead} 已办结，不能再牵头；请把仍在办理或新承办的单位列为第一个。",
        f"{lead} has finished its part and cannot lead; name a unit first that is at work, or a new one.",
        "units",
        422,
    )


def _refusing(case: Case) -> list[Assignment]:
    """Whose refusals are argued."""
    return [one for one in case.present if one.part in ARGUED]


def order_rework(case: Case, command: OrderRework, may: Permit, district: District, now: datetime) -> Decision[Case]:
    """重办 by the hub: any number of times, until the case is archived."""
    why = may.why(command.reason, command.basis)
    again = rework(case, ReworkCause.HUB_ORDERED, command.actor, command.reason, district.tree, why=why)
    return decided(case, [again], now)
