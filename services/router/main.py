"""派单: the router decides about every case. This is the map: which message runs which function.

Reading order: here → handlers.py → domain/ → store.py.
"""

from collections.abc import Callable
from functools import partial

from fastapi import FastAPI

from services.router import handlers as h
from services.router.api import routes
from services.router.callback import calling_back
from services.router.callback_api import callback_routes
from services.router.callback_store import PostgresReplies
from services.router.domain import changes, commands, desk, joint, lists, merging, succession, time_granted
from services.router.domain.case import Case
from services.router.domain.district import District
from services.router.domain.procedures import Action
from services.router.duplicates import propose_duplicates
from services.router.gauges import watch_cases
from services.router.loop_times import LoopTimes
from services.router.projection import project
from services.router.rules_api import rules_routes
from services.router.settings import RouterSettings
from services.router.setup import PROCEDURES, RULES, district_of
from services.router.setup_api import setup_routes
from services.router.store import CaseStates
from services.router.sweeps import follow_merged, hand_over_retired
from services.router.unit_topics import keep_topics
from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES, FEEDBACK, WHISTLES
from shared.runtime.decision import Decision
from shared.runtime.district import UNITS, Setup
from shared.runtime.running import Running
from shared.runtime.service import Handler, Service, ignore, run
from shared.runtime.settings import KafkaSettings

READS = (WHISTLES, DEADLINES, FEEDBACK, "reports.<unit>")

HANDLERS: dict[type, Callable[..., Decision[Case]]] = {
    # from intake
    f.WhistleReceived: h.open_case,
    f.WhistleVerified: h.verify_case,
    f.WhistleDeclined: h.decline_case,
    # from units, by topic or by HTTP
    f.ReportSignedIn: h.take_report,
    f.ReportRefused: h.take_report,
    f.ReportProgressed: h.take_report,
    f.ReportDone: h.take_report,
    f.ReportAsked: h.take_report,
    f.ReportMilestoneReached: h.take_report,
    f.ReportCommented: h.take_report,
    # from people: the hub's desk
    commands.Dispatch: h.permitted(Action.DISPATCH, desk.dispatch),
    commands.RuleOnRefusal: h.permitted(Action.RULE_ON_REFUSAL, desk.rule_on_refusal),
    commands.OrderRework: h.permitted(Action.REWORK, desk.order_rework),
    # who handles it together
    commands.Transfer: h.by_people(joint.transfer),
    commands.Join: h.permitted(Action.JOIN, joint.join),
    commands.Release: h.permitted(Action.RELEASE, joint.release),
    commands.ChangeLead: h.permitted(Action.CHANGE_LEAD, joint.change_lead),
    # time, and the three lists
    commands.RuleOnRequest: h.permitted(Action.RULE_ON_REQUEST, time_granted.rule_on_request),
    commands.Resume: h.permitted(Action.RESUME, time_granted.resume),
    commands.ListCase: h.by_people(lists.list_case),
    # what changes nothing of who has it
    commands.Supervise: h.by_people(changes.supervise),
    commands.EndSupervision: h.by_people(changes.end_supervision),
    commands.ChangePriority: h.by_people(changes.change_priority),
    commands.Correct: h.permitted(Action.CORRECT, changes.correct),
    commands.Comment: h.by_people(changes.comment),
    commands.Withdraw: h.permitted(Action.WITHDRAW, changes.withdraw),
    # duplicates
    commands.Merge: h.permitted(Action.MERGE, merging.merge),
    commands.Unmerge: h.permitted(Action.UNMERGE, merging.unmerge),
    # from our own sweeps
    merging.Proposed: h.propose_merge,
    merging.Followed: h.follow,
    succession.HandOver: h.hand_over,
    # from sla
    f.DeadlineSet: h.record_limits,
    f.DeadlineOverdue: h.record_overdue,
    f.DeadlineEscalated: h.record_escalation,
    # from feedback
    f.FeedbackChecked: h.check_case,
    f.FeedbackConcluded: h.conclude_case,
    f.FeedbackSampleChecked: h.check_sample,
}

PASSED_OVER: dict[type, Handler] = {
    f.DeadlineWarned: ignore,  # a warning changes nothing about the case
    f.FeedbackUnitRated: ignore,  # counts in the verdict that follows
    f.FeedbackResidentAnswered: ignore,
    f.FeedbackResidentAsked: ignore,  # the rest is between feedback and whom it measures
    f.FeedbackSampled: ignore,
    f.FeedbackExclusionAsked: ignore,
    f.FeedbackExclusionRuled: ignore,
    f.FeedbackPublished: ignore,
    f.FeedbackWithheld: ignore,
}


def with_district(district: Callable[[], District]) -> dict[type, Handler]:
    """The map, each handler given the district as it is when a message is decided."""

    def bound(handler: Callable[..., Decision[Case]]) -> Handler:
        return lambda case, item, now: handler(district(), case, item, now)

    return {message: bound(handler) for message, handler in HANDLERS.items()} | PASSED_OVER


def make_service(settings: RouterSettings) -> Service[Case]:
    setup = Setup(UNITS, RULES, PROCEDURES)
    district = partial(district_of, setup)
    times = LoopTimes()

    def doors(app: FastAPI, running: Running[Case]) -> None:
        routes(app, running, district)
        setup_routes(app, running, setup)
        rules_routes(app, running)
        callback_routes(app, running, settings)

    return Service(
        name="router",
        topic=CASES,
        reads=READS,
        handlers=with_district(district),
        states=CaseStates(),
        project=project,
        acknowledged=times.acknowledged,
        routes=doors,
        setup=setup,
        tasks=(
            partial(keep_topics, setup, KafkaSettings()),
            follow_merged,
            partial(hand_over_retired, setup),
            partial(propose_duplicates, setup, settings),
            partial(watch_cases, setup, times),
            *calling_back(settings, PostgresReplies),
        ),
    )


if __name__ == "__main__":
    settings = RouterSettings()
    run(make_service(settings), settings)
