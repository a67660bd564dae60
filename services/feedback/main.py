"""Feedback's composition root: the map from message to handler, and what the service is made of."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fastapi import FastAPI

from services.feedback import handlers, metrics
from services.feedback.api import Desk, add_routes
from services.feedback.domain.commands import AnswerAsResident, CheckResult, RateUnit
from services.feedback.domain.review import Review
from services.feedback.domain.standards import Standards
from services.feedback.following import Follower, followed
from services.feedback.settings import FeedbackSettings
from services.feedback.setup import PARTS, make_setup, standards_of
from services.feedback.store import PostgresReviews
from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES, FEEDBACK
from shared.runtime.district import UNITS, Setup
from shared.runtime.postgres import JsonStates
from shared.runtime.running import Running
from shared.runtime.service import Handler, Service, ignore, run
from shared.runtime.setup_door import setup_routes

HANDLERS: Mapping[type, Handler] = {
    # cases: when there is something to check, and when there no longer is
    f.CaseOpened: handlers.case_opened,
    f.CaseAccepted: ignore,
    f.CaseDeclined: ignore,
    f.CaseSentToDesk: ignore,
    f.CaseDispatched: ignore,
    f.CaseSignedIn: ignore,
    f.CaseRefused: ignore,
    f.CaseRefusalRuled: ignore,
    f.CaseProgressed: ignore,
    f.CaseUnitDone: ignore,
    f.CaseHandled: handlers.case_handled,
    f.CaseChecked: handlers.case_checked,
    f.CaseReworkOrdered: handlers.case_rework_ordered,
    f.CaseOverdue: ignore,
    f.CaseEscalated: ignore,
    f.CaseTimed: ignore,
    f.CaseAnswered: handlers.case_answered,
    f.CaseHandedOver: handlers.case_handed_over,
    f.CaseClosed: handlers.case_closed,
    f.CaseWithdrawn: ignore,
    f.CaseArchived: ignore,
    f.CaseRequested: ignore,
    f.CaseRequestRuled: ignore,
    f.CaseResumed: ignore,
    f.CaseListed: ignore,
    f.CaseMilestoneReached: ignore,
    f.CaseSupervised: ignore,
    f.CaseSupervisionEnded: ignore,
    f.CaseReprioritised: ignore,
    f.CaseCorrected: ignore,
    f.CaseCommented: ignore,
    f.CaseDuplicateFound: ignore,
    f.CaseMerged: ignore,
    f.CaseUnmerged: ignore,
    # deadlines: when the time to check or to rate is over
    f.DeadlineWarned: ignore,
    f.DeadlineOverdue: handlers.deadline_overdue,
    f.DeadlineEscalated: ignore,
    f.DeadlineSet: ignore,
    # people and 12345
    CheckResult: handlers.check_result,
    RateUnit: handlers.rate_unit,
    AnswerAsResident: handlers.answer_as_resident,
}


FOLLOWERS: dict[type, Sequence[Follower]] = {}
"""What else follows from a fact that came in, or that was just stated."""


def handlers_by(standards: Callable[[], Standards]) -> dict[type, Handler]:
    """The map, each handler with what follows from its message by the standards in force."""
    return {message: followed(handler, FOLLOWERS, standards) for message, handler in HANDLERS.items()}


def service(settings: FeedbackSettings) -> Service[Review]:
    setup = make_setup()
    return Service(
        name="feedback",
        topic=FEEDBACK,
        handlers=handlers_by(partial(standards_of, setup)),
        states=JsonStates(Review),
        reads=(CASES, DEADLINES),
        project=metrics.count,
        routes=routes(setup, settings),
        setup=setup,
    )


def routes(setup: Setup, settings: FeedbackSettings) -> Callable[[FastAPI, Running[Review]], None]:
    """The HTTP doors, put together from the parts of the running service."""

    def add(app: FastAPI, running: Running[Review]) -> None:
        units = partial(setup.current, UNITS)
        add_routes(app, Desk(running.door, running.gatekeeper, units, PostgresReviews(running.pool)))
        setup_routes(app, running, setup, PARTS)

    return add


def main() -> None:
    settings = FeedbackSettings()
    run(service(settings), settings)


if __name__ == "__main__":
    main()
