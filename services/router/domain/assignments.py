"""What units report about their assignments. Each unit's part goes its own way, whatever the others argue about."""

from datetime import datetime

from services.router.domain import lists, time_granted
from services.router.domain.case import Assignment, Case, Part
from services.router.domain.changes import comment, supervision_ended
from services.router.domain.commands import Comment
from services.router.domain.decisions import decided, placed, refused
from services.router.domain.district import RULE, District
from services.router.domain.evolution import evolve
from services.router.domain.permits import Ask, Permit, asker, permit
from services.router.domain.procedures import Action
from shared.contracts import facts as f
from shared.contracts.lifecycle import STAGES
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind, Role, Stage
from shared.runtime.decision import Decision


def report(case: Case | None, message: f.Report, unit: str, district: District, now: datetime) -> Decision[Case]:
    """Decide one report of a unit. The door or the topic vouches for `unit`."""
    if case is None:
        return refused(
            "case_unknown", "没有这个哨单；请核对编号。", "There is no such case; check its id.", "case_id", 404
        )
    actor = f.Actor(kind=ActorKind.STAFF, unit=unit, person=message.person)
    if isinstance(message, f.ReportCommented):
        return comment(case, Comment(actor=actor, text=message.text), district, now)
    assignment = part_of(case, unit, district.tree)
    if assignment is None:
        return refused(
            "not_your_case",
            f"哨单 {case.number} 未派给 {unit}，该单位不能办理。",
            f"Case {case.number} is not assigned to {unit}; only its assigned units may act on it.",
            "unit",
            403,
        )
    match message:
        case f.ReportSignedIn():
            return _sign_in(case, assignment, actor, now)
        case f.ReportRefused():
            return _refuse(case, assignment, message, actor, district, now)
        case f.ReportProgressed():
            return _progress(case, assignment, message, actor, now)
        case f.ReportDone():
            return _done(case, assignment, message, actor, now)
        case f.ReportAsked():
            return time_granted.ask(case, assignment, message, actor, district, now)
        case f.ReportMilestoneReached():
            return lists.reach_milestone(case, assignment, message, actor, now)
        case _:
            raise TypeError(f"not a report: {type(message).__name__}")


def part_of(case: Case, unit: str, tree: UnitTree) -> Assignment | None:
    """The part a unit speaks for: its own, its successor's where it is gone, or one it is the deputy for."""
    own = case.assignment_of(unit)
    if own is not None:
        return own
    if unit not in tree:
        heir = tree.present(unit, case.matter.region, case.matter.category)
        return case.assignment_of(heir) if heir is not None else None
    return next((one for one in case.present if tree.may_act_for(one.unit, unit)), None)


def _sign_in(case: Case, assignment: Assignment, actor: f.Actor, now: datetime) -> Decision[Case]:
    if assignment.part is not Part.ASSIGNED or not case.is_at_work:
        return refused(
            "nothing_to_sign_in",
            f"哨单 {case.number} 当前为“{STAGES[case.stage].chinese}”，本单位为“{assignment.part.chinese}”，无需签收。",
            f"Case {case.number} stands in {case.stage} and this unit's part in {assignment.part}: "
            "there is nothing to sign in to.",
        )
    fact = f.CaseSignedIn(
        **case.heading(case.stage, actor), assignment_id=assignment.assignment_id, unit=assignment.unit
    )
    return decided(case, [placed(case, fact, now)], now)


def _refuse(
    case: Case,
    assignment: Assignment,
    message: f.ReportRefused,
    actor: f.Actor,
    district: District,
    now: datetime,
) -> Decision[Case]:
    if case.designated:
        return refused(
            "designation_is_final",
            "该哨单已经会商指定或为返工件，不能退单；请签收办理。",
            "This case was designated after consultation, or is rework: it cannot be refused. Sign in.",
        )
    if assignment.part is not Part.ASSIGNED or not case.is_at_work:
        return refused(
            "too_late_to_refuse",
            f"只有待签收的单位可以退单；本单位为“{assignment.part.chinese}”，"
            f"哨单 {case.number} 当前为“{STAGES[case.stage].chinese}”。",
            f"Only a unit that has yet to sign in can refuse; this unit's part is {assignment.part}, "
            f"{case.number} stands in {case.stage}.",
        )
    who = asker(actor, case, district.tree, about=assignment)
    used = sum(one.refusals for one in case.assignments if one.unit == assignment.unit)
    ask = Ask(assignment=assignment, used=used)
    may = permit(Action.REFUSE, case, who, district.procedures, now, ask)
    if not isinstance(may, Permit):
        return Decision(refusal=may)
    count = case.refusals + 1
    consulted = count >= district.procedures.consultation_after
    fact = f.CaseRefused(
        **case.heading(
            Stage.CONSULTATION if consulted else Stage.REFUSAL_REVIEW, actor, may.why(message.reason, message.basis)
        ),
        assignment_id=assignment.assignment_id,
        unit=assignment.unit,
        reason=message.reason,
        basis=message.basis,
        count=count,
    )
    return decided(case, [fact], now)


def _progress(
    case: Case, assignment: Assignment, message: f.ReportProgressed, actor: f.Actor, now: datetime
) -> Decision[Case]:
    if assignment.part is not Part.SIGNED_IN or not case.is_at_work:
        return _not_signed_in(case, assignment)
    fact = f.CaseProgressed(
        **case.heading(case.stage, actor),
        assignment_id=assignment.assignment_id,
        unit=assignment.unit,
        note=message.note,
        contacted=message.contacted,
    )
    return decided(case, [placed(case, fact, now)], now)


def _done(case: Case, assignment: Assignment, message: f.ReportDone, actor: f.Actor, now: datetime) -> Decision[Case]:
    if assignment.part is not Part.SIGNED_IN or not case.is_at_work:
        return _not_signed_in(case, assignment)
    problem = _lead_too_early(case) if assignment.role is Role.LEAD else None
    if problem is not None:
        return problem
    facts: list[f.CaseFact] = []
    done = f.CaseUnitDone(
        **case.heading(case.stage, actor),
        assignment_id=assignment.assignment_id,
        unit=assignment.unit,
        result=message.result,
        evidence=message.evidence,
    )
    facts.append(placed(case, done, now))
    after = evolve(case, facts[-1], now)
    if assignment.unit in case.supervised:
        why = f.Reason(zh="已办结，督办自动解除", en="Finished: supervision ends", rule="done-ends-supervision")
        facts.append(supervision_ended(after, after.stage, assignment.unit, RULE, why))
    if after.stage is Stage.HANDLED:
        facts.append(
            f.CaseHandled(
                **case.heading(Stage.CHECKING, actor),
                units=tuple(one.unit for one in case.present),
                round=case.round,
                resident_to_ask=case.matter.resident_to_ask,
                whistle_blower=case.matter.whistle_blower,
            )
        )
    return decided(case, facts, now)


def _lead_too_early(case: Case) -> Decision[Case] | None:
    """牵头单位最后办结: after every co-handler, and every milestone."""
    unfinished = [one.unit for one in case.present if one != case.lead and one.part is not Part.DONE]
    if unfinished:
        return refused(
            "co_handlers_not_done",
            f"牵头单位须待协办单位全部办结：{'、'.join(unfinished)} 尚未办结；不再需要的，请区级治理中心解除协办。",
            f"The lead finishes last: {', '.join(unfinished)} have not finished yet. The hub can release who is not "
            "needed any more.",
        )
    open_ones = [str(one.milestone.number) for one in case.milestones if one.reached_at is None]
    if open_ones:
        return refused(
            "milestones_left",
            f"阶段性事项还有节点未完成：{'、'.join(open_ones)}；请先反馈节点完成情况。",
            f"Milestones are left to reach: {', '.join(open_ones)}; report them first.",
        )
    return None


def _not_signed_in(case: Case, assignment: Assignment) -> Decision[Case]:
    if assignment.part is Part.ASSIGNED and case.is_at_work:
        return refused(
            "sign_in_first",
            f"请先签收哨单 {case.number}，再反馈进展或办结。",
            f"Sign in to case {case.number} first, then report progress or completion.",
        )
    return refused(
        "not_in_your_hands",
        f"哨单 {case.number} 当前为“{STAGES[case.stage].chinese}”，本单位为“{assignment.part.chinese}”，"
        "不能反馈进展或办结。",
        f"Case {case.number} stands in {case.stage} and this unit's part in {assignment.part}: "
        "it cannot report on it now.",
    )
