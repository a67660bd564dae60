"""Feedback's composition root: the map from message to handler, and what the service is made of."""

from collections.abc import Callable, Mapping

from fastapi import FastAPI

from services.feedback import handlers, metrics
from services.feedback.api import Desk, add_routes
from services.feedback.domain.commands import AnswerAsResident, CheckResult, RateUnit
from services.feedback.domain.review import Review
from services.feedback.settings import FeedbackSettings
from services.feedback.store import PostgresReviews
from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES, FEEDBACK
from shared.contracts.units import UnitTree, read_units
from shared.runtime.postgres import JsonStates
from shared.runtime.service import Handler, Running, Service, ignore, run

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
    f.CaseClosed: handlers.case_closed,
    f.CaseArchived: ignore,
    # deadlines: when the time to check or to rate is over
    f.DeadlineWarned: ignore,
    f.DeadlineOverdue: handlers.deadline_overdue,
    f.DeadlineEscalated: ignore,
    # people and 12345
    CheckResult: handlers.check_result,
    RateUnit: handlers.rate_unit,
    AnswerAsResident: handlers.answer_as_resident,
}


def service(units: UnitTree) -> Service[Review]:
    """The service for a district with these units."""
    return Service(
        name="feedback",
        topic=FEEDBACK,
        handlers=HANDLERS,
        states=JsonStates(Review),
        reads=(CASES, DEADLINES),
        project=metrics.count,
        routes=routes(units),
    )


def routes(units: UnitTree) -> Callable[[FastAPI, Running[Review]], None]:
    """The HTTP door, put together from the parts of the running service."""

    def add(app: FastAPI, running: Running[Review]) -> None:
        add_routes(app, Desk(running.door, running.gatekeeper, units, PostgresReviews(running.pool)))

    return add


def main() -> None:
    settings = FeedbackSettings()
    run(service(read_units(settings.setup / "units.yaml")), settings)


if __name__ == "__main__":
    main()
