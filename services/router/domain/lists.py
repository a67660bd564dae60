"""三单: which list a case stands on, and what follows: milestones for a phased matter, a review date for one that
cannot be done now.
"""

from datetime import datetime

from services.router.domain.case import Assignment, Case, Part
from services.router.domain.commands import ListCase
from services.router.domain.decisions import decided, placed, refused
from services.router.domain.district import District
from services.router.domain.permits import Ask, Permit, asker, permit
from services.router.domain.procedures import Action
from services.router.domain.routing.route import default_ledger
from shared.contracts import facts as f
from shared.contracts.lifecycle import STAGES
from shared.contracts.vocabulary import CaseList, Level
from shared.runtime.decision import Decision


def list_case(case: Case, command: ListCase, district: District, now: datetime) -> Decision[Case]:
    """列入三单. The understanding list suspends the case until its review date; phased gives it milestones."""
    last = command.review_at or max((one.due_at for one in command.milestones), default=None)
    field = "review_at" if command.review_at is not None else "milestones"
    may = permit(
        Action.LIST,
        case,
        asker(command.actor, case, district.tree),
        district.procedures,
        now,
        Ask(until=last, field=field),
    )
    if not isinstance(may, Permit):
        return Decision(refusal=may)
    problem = _unfit_list(command, now)
    if problem is not None:
        return problem
    fact = f.CaseListed(
        **case.heading(case.stage, command.actor, may.why(command.reason, command.basis)),
        case_list=command.case_list,
        ledger=command.ledger or case.ledger or default_ledger(case.matter, case.level or Level.HUB),
        reason=command.reason,
        milestones=command.milestones,
        explanation=command.explanation,
        explained_at=command.explained_at,
        review_at=command.review_at,
        assignments=case.parts,
    )
    return decided(case, [placed(case, fact, now)], now)


def _unfit_list(command: ListCase, now: datetime) -> Decision[Case] | None:
    explained = (command.explanation.strip(), command.explained_at, command.review_at)
    if command.case_list is CaseList.UNDERSTANDING:
        for name, value in zip(("explanation", "explained_at", "review_at"), explained, strict=True):
            if not value:
                return refused(
                    "understanding_incomplete",
                    f"列入谅解清单须填写向居民的解释、解释时间和复核日期；缺少 {name}。",
                    f"The understanding list needs an explanation, when it was given, and a review date: {name}.",
                    name,
                    422,
                )
        if command.explained_at is not None and command.explained_at > now:
            return refused(
                "not_explained_yet",
                "解释时间不能晚于现在；请先向居民解释。",
                "The explanation must have been given: explained_at lies ahead.",
                "explained_at",
                422,
            )
    elif any(explained):
        return refused(
            "only_for_understanding",
            "解释、解释时间和复核日期只用于谅解清单。",
            "Explanation, its time and a review date belong to the understanding list only.",
            "case_list",
            422,
        )
    return _unfit_milestones(command, now)


def _unfit_milestones(command: ListCase, now: datetime) -> Decision[Case] | None:
    if (command.case_list is CaseList.PHASED) != bool(command.milestones):
        return refused(
            "milestones_do_not_fit",
            "阶段性事项须列出节点，其他清单没有节点。",
            "The phased list needs milestones, the others have none.",
            "milestones",
            422,
        )
    dates = [one.due_at for one in command.milestones]
    numbers = [one.number for one in command.milestones]
    if numbers != list(range(1, len(numbers) + 1)) or dates != sorted(dates) or any(due <= now for due in dates):
        return refused(
            "milestones_out_of_order",
            "节点须从 1 起连续编号，日期依次不早于前一节点且晚于现在。",
            "Number the milestones from 1 without gaps, in the order of their dates, all of which must lie ahead.",
            "milestones",
            422,
        )
    return None


def reach_milestone(
    case: Case, assignment: Assignment, message: f.ReportMilestoneReached, actor: f.Actor, now: datetime
) -> Decision[Case]:
    """A step of a phased matter is done; the lead says so."""
    planned = next((one for one in case.milestones if one.milestone.number == message.milestone), None)
    if assignment != case.lead:
        return refused("lead_reports_milestones", "节点由牵头单位反馈。", "The lead reports milestones.", "unit", 403)
    if assignment.part is not Part.SIGNED_IN or not case.is_at_work:
        return refused(
            "not_in_your_hands",
            f"只有已签收、正在办理的牵头单位可以反馈节点；本单位为“{assignment.part.chinese}”，"
            f"哨单当前为“{STAGES[case.stage].chinese}”。",
            f"Only a lead that has signed in and is at work reports milestones; this unit's part is {assignment.part}, "
            f"the case stands in {case.stage}.",
        )
    if planned is None or planned.reached_at is not None:
        left = [str(one.milestone.number) for one in case.milestones if one.reached_at is None]
        return refused(
            "no_such_milestone",
            f"节点 {message.milestone} 不存在或已完成；未完成的节点：{'、'.join(left) or '无'}。",
            f"There is no milestone {message.milestone} to reach; those left: {', '.join(left) or 'none'}.",
            "milestone",
            422,
        )
    fact = f.CaseMilestoneReached(
        **case.heading(case.stage, actor),
        milestone=message.milestone,
        assignment_id=assignment.assignment_id,
        unit=assignment.unit,
        note=message.note,
        evidence=message.evidence,
    )
    return decided(case, [placed(case, fact, now)], now)
