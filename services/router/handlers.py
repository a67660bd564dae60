"""One function for each message and command: `(district, case, input, now) → decision`. All of them pure."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import TypeAlias, TypeVar

from services.router.domain import assignments, ladder, limits, merging, opening, succession, verdicts
from services.router.domain.case import Case
from services.router.domain.commands import Command
from services.router.domain.decisions import nothing, refused
from services.router.domain.district import District
from services.router.domain.permits import Permit, asker, permit
from services.router.domain.procedures import Action
from shared.contracts import facts as f
from shared.runtime.decision import Decision, Input

M = TypeVar("M")
C = TypeVar("C", bound=Command)
Handle: TypeAlias = Callable[[District, Case | None, Input[M], datetime], Decision[Case]]
OnCase: TypeAlias = Callable[[District, Case, Input[M], datetime], Decision[Case]]


def about_a_case(handler: OnCase[M]) -> Handle[M]:
    """For facts of other services: one about a case that is not there is passed over."""

    @wraps(handler)
    def handle(district: District, case: Case | None, item: Input[M], now: datetime) -> Decision[Case]:
        return nothing("no such case") if case is None else handler(district, case, item, now)

    return handle


def by_people(decide: Callable[[Case, C, District, datetime], Decision[Case]]) -> Handle[C]:
    """For what people ask for: a case that is not there is a no to them."""

    def handle(district: District, case: Case | None, item: Input[C], now: datetime) -> Decision[Case]:
        if case is None:
            return refused(
                "case_unknown", "没有这个哨单；请核对编号。", "There is no such case; check its id.", "case_id", 404
            )
        return decide(case, item.message.addressed(case.matter, district.tree), district, now)

    return handle


def permitted(action: Action, decide: Callable[[Case, C, Permit, District, datetime], Decision[Case]]) -> Handle[C]:
    """For what people ask for and the procedures have to allow; the decision is given the procedure that did."""

    def allowed(case: Case, command: C, district: District, now: datetime) -> Decision[Case]:
        may = permit(action, case, asker(command.actor, case, district.tree), district.procedures, now)
        if not isinstance(may, Permit):
            return Decision(refusal=may)
        return decide(case, command, may, district, now)

    return by_people(allowed)


def open_case(district: District, case: Case | None, item: Input[f.WhistleReceived], now: datetime) -> Decision[Case]:
    if case is not None:
        return nothing("the case is open already")
    return opening.open_case(item.case_id, item.message, district, now)


@about_a_case
def verify_case(district: District, case: Case, item: Input[f.WhistleVerified], now: datetime) -> Decision[Case]:
    return opening.verify_case(case, item.message, district, now)


@about_a_case
def decline_case(_: District, case: Case, item: Input[f.WhistleDeclined], now: datetime) -> Decision[Case]:
    return opening.decline_case(case, item.message, now)


def take_report(district: District, case: Case | None, item: Input[f.Report], now: datetime) -> Decision[Case]:
    if item.unit is None:
        return refused("no_unit", "未说明代表哪个单位。", "It is not said which unit reports.", "unit", 403)
    return assignments.report(case, item.message, item.unit, district, now)


@about_a_case
def check_case(district: District, case: Case, item: Input[f.FeedbackChecked], now: datetime) -> Decision[Case]:
    return verdicts.check(case, item.message, district, now)


@about_a_case
def conclude_case(district: District, case: Case, item: Input[f.FeedbackConcluded], now: datetime) -> Decision[Case]:
    return verdicts.conclude(case, item.message, district, now)


@about_a_case
def check_sample(district: District, case: Case, item: Input[f.FeedbackSampleChecked], now: datetime) -> Decision[Case]:
    return verdicts.check_sample(case, item.message, district, now)


@about_a_case
def record_limits(_: District, case: Case, item: Input[f.DeadlineSet], now: datetime) -> Decision[Case]:
    return limits.timed(case, item.message, now)


@about_a_case
def record_overdue(_: District, case: Case, item: Input[f.DeadlineOverdue], now: datetime) -> Decision[Case]:
    return verdicts.overdue(case, item.message, now)


@about_a_case
def record_escalation(
    district: District, case: Case, item: Input[f.DeadlineEscalated], now: datetime
) -> Decision[Case]:
    return ladder.escalate(case, item.message, district, now)


@about_a_case
def hand_over(district: District, case: Case, _: Input[succession.HandOver], now: datetime) -> Decision[Case]:
    return succession.hand_over(case, district, now)


@about_a_case
def follow(district: District, case: Case, item: Input[merging.Followed], now: datetime) -> Decision[Case]:
    return merging.follow(case, item.message, district, now)


@about_a_case
def propose_merge(_: District, case: Case, item: Input[merging.Proposed], now: datetime) -> Decision[Case]:
    return merging.propose(case, item.message, now)
