"""What units report about their assignments: sign-in, refusal, progress, done. Each guard says its reason."""

from datetime import datetime

from services.router.domain.case import Assignment, Case, Part, decided, refused
from shared.contracts import facts as f
from shared.contracts.lifecycle import STAGES
from shared.contracts.vocabulary import ActorKind, Obligation, Role, Stage
from shared.runtime.decision import Decision

CONSULTATION_AFTER = 2
"""The second refusal of a case goes to consultation."""


def report(case: Case | None, message: f.Report, unit: str, now: datetime) -> Decision[Case]:
    """Decide one report of a unit. The door or the topic vouches for `unit`."""
    if case is None:
        return refused(
            "case_unknown", "没有这个哨单；请核对编号。", "There is no such case; check its id.", "case_id", 404
        )
    assignment = case.assignment_of(unit)
    if assignment is None:
        return refused(
            "not_your_case",
            f"哨单 {case.number} 未派给 {unit}，该单位不能办理。",
            f"Case {case.number} is not assigned to {unit}; only its assigned units may act on it.",
            "unit",
            403,
        )
    actor = f.Actor(kind=ActorKind.STAFF, unit=unit, person=message.person)
    match message:
        case f.ReportSignedIn():
            return _sign_in(case, assignment, actor, now)
        case f.ReportRefused():
            return _refuse(case, assignment, message, actor, now)
        case f.ReportProgressed():
            return _progress(case, assignment, message, actor, now)
        case f.ReportDone():
            return _done(case, assignment, message, actor, now)
        case _:
            raise TypeError(f"not a report: {type(message).__name__}")


def _sign_in(case: Case, assignment: Assignment, actor: f.Actor, now: datetime) -> Decision[Case]:
    if assignment.part is not Part.ASSIGNED or case.stage not in (Stage.DISPATCHED, Stage.REWORK, Stage.HANDLING):
        return refused(
            "nothing_to_sign_in",
            f"哨单 {case.number} 当前为“{STAGES[case.stage].chinese}”，本单位为“{assignment.part.chinese}”，无需签收。",
            f"Case {case.number} stands in {case.stage} and this unit's part in {assignment.part}: "
            "there is nothing to sign in to.",
        )
    fact = f.CaseSignedIn(
        **case.heading(Stage.HANDLING, actor), assignment_id=assignment.assignment_id, unit=assignment.unit
    )
    return decided(case, [fact], now)


def _refuse(
    case: Case, assignment: Assignment, message: f.ReportRefused, actor: f.Actor, now: datetime
) -> Decision[Case]:
    if case.designated:
        return refused(
            "designation_is_final",
            "该哨单已经会商指定或为返工件，不能退单；请签收办理。",
            "This case was designated after consultation, or is rework: it cannot be refused. Sign in.",
        )
    if case.stage is not Stage.DISPATCHED or assignment.part is not Part.ASSIGNED:
        return refused(
            "too_late_to_refuse",
            f"只有待签收的哨单可以退单；哨单 {case.number} 当前为“{STAGES[case.stage].chinese}”。",
            f"Only a case that waits for sign-in can be refused; {case.number} stands in {case.stage}.",
        )
    if case.has_missed(Obligation.SIGN_IN, assignment):
        return refused(
            "refusal_limit_passed",
            "已超过签收退单时限，不能再退单；请签收办理。",
            "The limit for signing in or refusing has passed: it cannot be refused any more. Sign in.",
        )
    count = case.refusals + 1
    stage = Stage.CONSULTATION if count >= CONSULTATION_AFTER else Stage.REFUSAL_REVIEW
    fact = f.CaseRefused(
        **case.heading(stage, actor),
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
    if assignment.part is not Part.SIGNED_IN:
        return _not_signed_in(case, assignment)
    fact = f.CaseProgressed(
        **case.heading(Stage.HANDLING, actor),
        assignment_id=assignment.assignment_id,
        unit=assignment.unit,
        note=message.note,
        contacted=message.contacted,
    )
    return decided(case, [fact], now)


def _done(case: Case, assignment: Assignment, message: f.ReportDone, actor: f.Actor, now: datetime) -> Decision[Case]:
    if assignment.part is not Part.SIGNED_IN:
        return _not_signed_in(case, assignment)
    others = [one for one in case.present if one.assignment_id != assignment.assignment_id]
    unfinished = [one.unit for one in others if one.part is not Part.DONE]
    if assignment.role is Role.LEAD and unfinished:
        return refused(
            "co_handlers_not_done",
            f"牵头单位须待协办单位全部办结：{'、'.join(unfinished)} 尚未办结。",
            f"The lead finishes last: {', '.join(unfinished)} have not finished yet.",
        )
    done = f.CaseUnitDone(
        **case.heading(Stage.HANDLING if unfinished else Stage.HANDLED, actor),
        assignment_id=assignment.assignment_id,
        unit=assignment.unit,
        result=message.result,
        evidence=message.evidence,
    )
    if unfinished:
        return decided(case, [done], now)
    handled = f.CaseHandled(
        **case.heading(Stage.CHECKING, actor),
        units=tuple(one.unit for one in case.present),
        round=case.round,
        resident_to_ask=case.matter.resident_to_ask,
        whistle_blower=case.matter.whistle_blower,
    )
    return decided(case, [done, handled], now)


def _not_signed_in(case: Case, assignment: Assignment) -> Decision[Case]:
    if assignment.part is Part.ASSIGNED:
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
