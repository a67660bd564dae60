"""What is said about a case without changing who has it: supervision, priority, corrections, comments, withdrawal."""

from datetime import datetime

from services.router.domain.case import Case, Part
from services.router.domain.commands import ChangePriority, Comment, Correct, EndSupervision, Supervise, Withdraw
from services.router.domain.decisions import decided, refused
from services.router.domain.distribution import unfit
from services.router.domain.district import District
from services.router.domain.evolution import accounts, evolve
from services.router.domain.permits import Permit, asker, permit
from services.router.domain.procedures import Action
from shared.contracts import facts as f
from shared.contracts.vocabulary import Stage
from shared.runtime.decision import Decision


def supervise(case: Case, command: Supervise, district: District, now: datetime) -> Decision[Case]:
    """督办 by the hub or a superior. Who must act does not change."""
    place = case.assignment_of(command.unit) if command.unit is not None else case.lead
    who = asker(command.actor, case, district.tree, about=place)
    may = permit(Action.SUPERVISE, case, who, district.procedures, now)
    if not isinstance(may, Permit):
        return Decision(refusal=may)
    if place is None:
        return refused(
            "no_part_in_it",
            f"{command.unit} 未承办哨单 {case.number}，不能督办。",
            f"{command.unit} has no part in case {case.number}: it cannot be supervised for it.",
            "unit",
            422,
        )
    if place.part is Part.DONE:
        return refused(
            "done_already",
            f"{place.unit} 已办结，无需督办。",
            f"{place.unit} has finished its part: there is nothing to supervise.",
            "unit",
        )
    if place.unit in case.supervised:
        return refused(
            "supervised_already", f"{place.unit} 已在督办中。", f"{place.unit} is under supervision already.", "unit"
        )
    fact = f.CaseSupervised(
        **case.heading(case.stage, command.actor, may.why(command.reason, command.basis)),
        unit=place.unit,
        assignment_id=place.assignment_id,
        reason=command.reason,
    )
    return decided(case, [fact], now)


def end_supervision(case: Case, command: EndSupervision, district: District, now: datetime) -> Decision[Case]:
    """督办解除 by who may supervise; it ends by itself when the unit has finished."""
    who = asker(command.actor, case, district.tree, about=case.assignment_of(command.unit))
    may = permit(Action.END_SUPERVISION, case, who, district.procedures, now)
    if not isinstance(may, Permit):
        return Decision(refusal=may)
    if command.unit not in case.supervised:
        return refused(
            "not_supervised", f"{command.unit} 不在督办中。", f"{command.unit} is not under supervision.", "unit", 422
        )
    why = may.why(command.reason, command.basis)
    return decided(case, [supervision_ended(case, case.stage, command.unit, command.actor, why)], now)


def supervision_ended(case: Case, stage: Stage, unit: str, actor: f.Actor, why: f.Reason) -> f.CaseSupervisionEnded:
    return f.CaseSupervisionEnded(**case.heading(stage, actor, why), unit=unit, reason=why.zh)


def change_priority(case: Case, command: ChangePriority, district: District, now: datetime) -> Decision[Case]:
    """调整紧急程度. Raising shortens running clocks; lowering lengthens none."""
    before = case.matter.urgency
    if command.urgency is before:
        return refused("no_change", f"紧急程度已是 {before}。", f"The urgency is {before} already.", "urgency", 422)
    action = Action.RAISE if command.urgency.is_stricter_than(before) else Action.LOWER
    may = permit(action, case, asker(command.actor, case, district.tree), district.procedures, now)
    if not isinstance(may, Permit):
        return Decision(refusal=may)
    fact = f.CaseReprioritised(
        **case.heading(case.stage, command.actor, may.why(command.reason, command.basis)),
        before=before,
        urgency=command.urgency,
        reason=command.reason,
        assignments=case.parts,
    )
    return decided(case, [fact], now)


def correct(case: Case, command: Correct, may: Permit, district: District, now: datetime) -> Decision[Case]:
    """更正. Who has the case does not change by it, and no clock: whom it is about cannot be who has it."""
    said = command.model_dump(exclude={"actor", "reason", "basis"}, exclude_none=True)
    changed = {name: value for name, value in said.items() if getattr(case.matter, name) != value}
    if not changed:
        return refused(
            "no_change",
            "没有需要更正的内容；请填写与现有内容不同的字段。",
            "Nothing would change; give a field another value than it has.",
            None,
            422,
        )
    if command.region is not None and command.region not in district.tree:
        return refused(
            "region_unknown",
            f"区域 {command.region} 不存在；请填写现有的社区、网格或街道编码。",
            f"There is no region {command.region}; give the code of a community, grid or street.",
            "region",
            422,
        )
    matter = case.matter.model_copy(update=changed)
    corrected = case.model_copy(update={"matter": matter})
    conflict = unfit([one.unit for one in case.present], corrected, district.tree, "respondent")
    if "respondent" in changed and conflict is not None:
        return conflict
    fact = f.CaseCorrected(
        **case.heading(case.stage, command.actor, may.why(command.reason, command.basis)),
        matter=matter,
        changed=tuple(sorted(changed)),
        reason=command.reason,
        assignments=case.parts,
    )
    return decided(case, [fact], now)


def comment(case: Case, command: Comment, district: District, now: datetime) -> Decision[Case]:
    """备注 by those whose case it is."""
    may = permit(Action.COMMENT, case, asker(command.actor, case, district.tree), district.procedures, now)
    if not isinstance(may, Permit):
        return Decision(refusal=may)
    if case.is_final:
        return refused(
            "case_is_final",
            f"哨单 {case.number} 已归档或终结，不能再备注。",
            f"Case {case.number} is final: nothing can be added.",
        )
    fact = f.CaseCommented(**case.heading(case.stage, command.actor), unit=command.actor.unit, text=command.text)
    return decided(case, [fact], now)


def withdraw(case: Case, command: Withdraw, may: Permit, district: District, now: datetime) -> Decision[Case]:
    """撤单: final. What units had of the case is accounted for."""
    fact = f.CaseWithdrawn(
        **case.heading(Stage.WITHDRAWN, command.actor, may.why(command.reason, command.basis)),
        reason=command.reason,
        released=case.parts,
    )
    accounted = fact.model_copy(update={"accounts": accounts(evolve(case, fact, now))})
    return decided(case, [accounted], now)
