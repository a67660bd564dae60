"""One function for each message and command: `(district, case, input, now) → decision`. All of them pure."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import TypeAlias, TypeVar

from services.router.domain import assignments, desk, opening, verdicts
from services.router.domain.case import Case, nothing, refused
from services.router.domain.opening import District
from shared.contracts import facts as f
from shared.runtime.decision import Decision, Input

M = TypeVar("M")
OnCase: TypeAlias = Callable[[District, Case, Input[M], datetime], Decision[Case]]
OnInput: TypeAlias = Callable[[District, Case | None, Input[M], datetime], Decision[Case]]


def fact_about_a_case(handler: OnCase[M]) -> OnInput[M]:
    """For facts of other services: one about a case that is not there is passed over."""

    @wraps(handler)
    def handle(district: District, case: Case | None, item: Input[M], now: datetime) -> Decision[Case]:
        return nothing("no such case") if case is None else handler(district, case, item, now)

    return handle


def hub_command(handler: OnCase[M]) -> OnInput[M]:
    """For what only the hub may ask: anyone else is refused with the reason."""

    @wraps(handler)
    def handle(district: District, case: Case | None, item: Input[M], now: datetime) -> Decision[Case]:
        if item.unit != district.tree.hub.code:
            return refused(
                "hub_only",
                "只有区级治理中心可以派单、审核退单和责令重办。",
                "Only the hub may dispatch, rule on refusals and order rework.",
                "unit",
                403,
            )
        if case is None:
            return refused(
                "case_unknown", "没有这个哨单；请核对编号。", "There is no such case; check its id.", "case_id", 404
            )
        return handler(district, case, item, now)

    return handle


def open_case(district: District, case: Case | None, item: Input[f.WhistleReceived], now: datetime) -> Decision[Case]:
    if case is not None:
        return nothing("the case is open already")
    return opening.open_case(item.case_id, item.message, district, now)


@fact_about_a_case
def verify_case(district: District, case: Case, item: Input[f.WhistleVerified], now: datetime) -> Decision[Case]:
    return opening.verify_case(case, item.message, district, now)


@fact_about_a_case
def decline_case(_: District, case: Case, item: Input[f.WhistleDeclined], now: datetime) -> Decision[Case]:
    return opening.decline_case(case, item.message, now)


def take_report(_: District, case: Case | None, item: Input[f.Report], now: datetime) -> Decision[Case]:
    if item.unit is None:
        return refused("no_unit", "未说明代表哪个单位。", "It is not said which unit reports.", "unit", 403)
    return assignments.report(case, item.message, item.unit, now)


@fact_about_a_case
def check_case(_: District, case: Case, item: Input[f.FeedbackChecked], now: datetime) -> Decision[Case]:
    return verdicts.check(case, item.message, now)


@fact_about_a_case
def conclude_case(_: District, case: Case, item: Input[f.FeedbackConcluded], now: datetime) -> Decision[Case]:
    return verdicts.conclude(case, item.message, now)


@fact_about_a_case
def record_overdue(_: District, case: Case, item: Input[f.DeadlineOverdue], now: datetime) -> Decision[Case]:
    return verdicts.overdue(case, item.message, now)


@fact_about_a_case
def record_escalation(_: District, case: Case, item: Input[f.DeadlineEscalated], now: datetime) -> Decision[Case]:
    return verdicts.escalate(case, item.message, now)


@hub_command
def dispatch_case(district: District, case: Case, item: Input[desk.Dispatch], now: datetime) -> Decision[Case]:
    return desk.dispatch(case, item.message, district.tree, now)


@hub_command
def rule_on_refusal(district: District, case: Case, item: Input[desk.RuleOnRefusal], now: datetime) -> Decision[Case]:
    return desk.rule_on_refusal(case, item.message, district.tree, now)


@hub_command
def order_rework(_: District, case: Case, item: Input[desk.OrderRework], now: datetime) -> Decision[Case]:
    return desk.order_rework(case, item.message, now)
