"""延期、挂账: what adds to a unit's time, or stops it. Each is granted by somebody, and says so in the log.

Nothing else does: a unit's clock starts once in a round, and no comment, correction, refusal or transfer moves it.
"""

from datetime import datetime

from services.router.domain.case import Assignment, Case, Part, Request
from services.router.domain.commands import Resume, RuleOnRequest
from services.router.domain.decisions import decided, nothing, placed, refused
from services.router.domain.district import CLOCK, RULE, District
from services.router.domain.evolution import evolve
from services.router.domain.permits import Ask, Permit, asker, permit
from services.router.domain.procedures import Action, Who
from shared.contracts import facts as f
from shared.contracts.vocabulary import RequestKind, ResumeCause
from shared.runtime.decision import Decision

_ACTIONS = {RequestKind.EXTENSION: Action.EXTEND, RequestKind.SUSPENSION: Action.SUSPEND}


# --- a unit asks


def ask(
    case: Case, assignment: Assignment, message: f.ReportAsked, actor: f.Actor, district: District, now: datetime
) -> Decision[Case]:
    """申请延期、挂账. The clock goes on until somebody has ruled."""
    problem = _unfit_ask(case, assignment, message)
    if problem is not None:
        return problem
    share = (message.share or 1.0) if message.kind is RequestKind.EXTENSION else None
    until = message.until if message.kind is RequestKind.SUSPENSION else None
    used = (
        sum(one.extensions for one in case.assignments if one.unit == assignment.unit)
        if message.kind is RequestKind.EXTENSION
        else case.suspensions
    )
    may = permit(
        _ACTIONS[message.kind],
        case,
        asker(actor, case, district.tree, about=assignment),
        district.procedures,
        now,
        Ask(assignment=assignment, used=used, share=share, until=until),
    )
    if not isinstance(may, Permit):
        return Decision(refusal=may)
    approver = _approver(may.procedure.approval, assignment, district)
    asked = f.CaseRequested(
        **case.heading(case.stage, actor, may.why(message.reason, message.basis)),
        kind=message.kind,
        assignment_id=assignment.assignment_id,
        unit=assignment.unit,
        reason=message.reason,
        share=share,
        until=until,
        approver=approver,
    )
    asked = placed(case, asked, now)
    if may.procedure.approval is not None:
        return decided(case, [asked], now)
    after = evolve(case, asked, now)
    granted = _ruled(after, after.requests[-1], True, RULE, may.why(message.reason, message.basis), share, until)
    return decided(case, [asked, placed(after, granted, now)], now)


def _unfit_ask(case: Case, assignment: Assignment, message: f.ReportAsked) -> Decision[Case] | None:
    if assignment.part is not Part.SIGNED_IN or not case.is_at_work:
        return refused(
            "not_in_your_hands",
            f"只有已签收、正在办理的单位可以申请；本单位为“{assignment.part.chinese}”。",
            f"Only a unit that has signed in and is at work may ask; this unit's part is {assignment.part}.",
        )
    if any((one.kind, one.unit) == (message.kind, assignment.unit) for one in case.requests):
        return refused(
            "asked_already",
            "本单位已有同类申请待审批，请等待审批结果。",
            "This unit has asked for the same already; wait for the ruling.",
        )
    if message.kind is RequestKind.SUSPENSION and message.until is None:
        return refused(
            "date_missing",
            "申请挂账须填写复核日期 until。",
            "To ask for a suspension give the review date, until.",
            "until",
            422,
        )
    return None


def _approver(approval: Who | None, assignment: Assignment, district: District) -> str:
    if approval is Who.SUPERVISOR:
        return district.tree.supervisor(assignment.unit).code
    return district.tree.hub.code


# --- somebody rules


def rule_on_request(
    case: Case, command: RuleOnRequest, may: Permit, district: District, now: datetime
) -> Decision[Case]:
    """Approve as asked or less, or not. Nothing is approved that procedures do not allow."""
    wanted = [one for one in case.requests if command.unit in (None, one.unit) and command.kind in (None, one.kind)]
    if len(wanted) != 1:
        open_ones = [f"{one.unit}/{one.kind}" for one in case.requests]
        return refused(
            "which_request",
            f"请用 unit 和 kind 指明一项申请；待审批的有：{'、'.join(open_ones)}。",
            f"Name one request by unit and kind; open are: {', '.join(open_ones)}.",
            "unit",
            422,
        )
    request = wanted[0]
    if command.actor.unit not in (request.approver, district.tree.hub.code):
        return refused(
            "not_yours_to_rule",
            f"本申请由 {request.approver} 审批。",
            f"{request.approver} rules on this request.",
            "unit",
            403,
        )
    share, until = command.share or request.share, command.until or request.until
    too_late = request.until is not None and until is not None and not now < until <= request.until
    if command.approved and ((share or 0) > (request.share or 1) or too_late):
        return refused(
            "more_than_asked",
            "批准的时间不能超过申请的时间，日期须在现在与申请日期之间。",
            "No more can be approved than was asked for, and a date must lie between now and the one asked for.",
            "until" if too_late else "share",
            422,
        )
    why = may.why(command.reason, command.basis)
    ruling = _ruled(
        case,
        request,
        command.approved,
        command.actor,
        why,
        share if command.approved else None,
        until if command.approved else None,
    )
    return decided(case, [placed(case, ruling, now)], now)


def _ruled(
    case: Case,
    request: Request,
    approved: bool,
    actor: f.Actor,
    why: f.Reason,
    share: float | None,
    until: datetime | None,
) -> f.CaseRequestRuled:
    return f.CaseRequestRuled(
        **case.heading(case.stage, actor, why),
        kind=request.kind,
        assignment_id=request.assignment_id,
        unit=request.unit,
        approved=approved,
        reason=why.zh,
        share=share,
        until=until,
        assignments=case.parts,
    )


# --- a suspended case goes on


def resume(case: Case, command: Resume, may: Permit, district: District, now: datetime) -> Decision[Case]:
    """恢复办理 before the review date."""
    why = may.why(command.reason, command.basis)
    return decided(case, [_resumed(case, ResumeCause.ORDERED, command.actor, why, now)], now)


def review_due(case: Case, fact: f.DeadlineOverdue, now: datetime) -> Decision[Case]:
    """The review date has come: the case goes on. One that has been resumed since, and suspended again, waits."""
    if case.pause is None or fact.due_at < case.pause.until:
        return nothing("resumed before")
    why = f.Reason(
        zh="复核日期已到，恢复办理",
        en="The review date has come; the case goes on",
        rule="review-date",
        version=fact.policy_version,
    )
    return decided(case, [_resumed(case, ResumeCause.REVIEW_DATE, CLOCK, why, now)], now)


def _resumed(case: Case, cause: ResumeCause, actor: f.Actor, why: f.Reason, now: datetime) -> f.CaseResumed:
    fact = f.CaseResumed(**case.heading(case.stage, actor, why), cause=cause, reason=why.zh, assignments=case.parts)
    return placed(case, fact, now)
