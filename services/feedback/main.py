"""Feedback's composition root: the map from message to handler, and what the service is made of."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from time import monotonic

from fastapi import FastAPI

from services.feedback import afterwards, handlers, metrics, publishing
from services.feedback.answers.answer_page import AnswerPages
from services.feedback.answers.callbacks_api import CallBackDesk, add_callback_routes
from services.feedback.answers.guesses import Guesses
from services.feedback.answers.links import Links
from services.feedback.answers.links_api import LinkDesk, add_answer_routes
from services.feedback.api import Desk, add_routes
from services.feedback.batch_api import add_batch_routes
from services.feedback.board.board_api import BoardDesk, add_board_routes
from services.feedback.board.board_store import PostgresBoard
from services.feedback.domain.commands import (
    AnswerAsResident,
    AskExclusion,
    CheckResult,
    CheckSample,
    RateUnit,
    RuleOnExclusion,
    Withhold,
)
from services.feedback.domain.invitation import ask_resident, note_result
from services.feedback.domain.review import Review
from services.feedback.domain.standards import Standards
from services.feedback.following import Follower, followed
from services.feedback.letters.letters_api import add_letter_routes
from services.feedback.letters.letters_log import PostgresLog
from services.feedback.scorecards.appeals_api import add_appeal_routes
from services.feedback.scorecards.schedule import Schedule
from services.feedback.scorecards.scorecards import PostgresScorecards
from services.feedback.scorecards.scorecards_api import ScorecardDesk, add_scorecard_routes
from services.feedback.settings import FeedbackSettings
from services.feedback.setup import PARTS, SCORING, make_setup, standards_of
from services.feedback.store import PostgresReviews, ReviewStates
from services.feedback.words_api import add_word_routes
from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES, FEEDBACK
from shared.runtime.district import UNITS, Setup
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
    f.CaseArchived: afterwards.case_archived,
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
    CheckSample: afterwards.check_sample,
    AskExclusion: afterwards.ask_exclusion,
    RuleOnExclusion: afterwards.rule_on_exclusion,
    Withhold: publishing.withhold,
}


FOLLOWERS: dict[type, Sequence[Follower]] = {
    f.CaseUnitDone: (note_result,),
    f.CaseHandled: (ask_resident,),
    f.CaseAnswered: (ask_resident,),
    f.FeedbackConcluded: (afterwards.remember_verdict,),
    f.CaseClosed: (afterwards.draw_sample, publishing.publish),
    f.CaseReworkOrdered: (publishing.take_off_reworked,),
    f.CaseCorrected: (publishing.take_off_corrected,),
}
"""What else follows from a fact that came in, or that was just stated."""


def handlers_by(standards: Callable[[], Standards]) -> dict[type, Handler]:
    """The map, each handler with what follows from its message by the standards in force."""
    return {message: followed(handler, FOLLOWERS, standards) for message, handler in HANDLERS.items()}


def service(settings: FeedbackSettings) -> Service[Review]:
    setup = make_setup()
    schedule = Schedule(partial(standards_of, setup))
    return Service(
        name="feedback",
        topic=FEEDBACK,
        handlers=handlers_by(partial(standards_of, setup)),
        states=ReviewStates(),
        reads=(CASES, DEADLINES),
        project=metrics.count,
        routes=routes(setup, settings, schedule.wake),
        tasks=(schedule.run,),
        setup=setup,
    )


def routes(
    setup: Setup, settings: FeedbackSettings, wake: Callable[[], None] = lambda: None
) -> Callable[[FastAPI, Running[Review]], None]:
    """The HTTP doors, put together from the parts of the running service. `wake`: a scorecard was asked for."""

    def add(app: FastAPI, running: Running[Review]) -> None:
        units, scoring = partial(setup.current, UNITS), partial(setup.current, SCORING)
        now = partial(datetime.now, UTC)
        reviews = PostgresReviews(running.pool)
        desk = Desk(running.door, running.gatekeeper, units, reviews)
        add_routes(app, desk)
        add_batch_routes(app, desk)
        add_word_routes(app, desk)
        board = PostgresBoard(running.pool)
        add_board_routes(app, BoardDesk(desk, board, scoring, settings.zone, now))
        links = Links(settings.signing_key.get_secret_value(), settings.base_of_links)
        pages, guesses = AnswerPages(units, settings.zone), Guesses(monotonic)
        add_answer_routes(app, LinkDesk(running.door, reviews, links, units, pages, guesses, now))
        add_callback_routes(app, CallBackDesk(running.door, running.gatekeeper, reviews, settings.zone))
        log = PostgresLog(running.pool)
        add_letter_routes(app, running.gatekeeper, units, log, links.link_for, settings.zone)
        cards = PostgresScorecards(running.pool)
        figures = ScorecardDesk(running.gatekeeper, units, scoring, cards, reviews, settings.zone, wake)
        add_scorecard_routes(app, figures)
        add_appeal_routes(app, figures)
        setup_routes(app, running, setup, PARTS)

    return add


def main() -> None:
    settings = FeedbackSettings()
    run(service(settings), settings)


if __name__ == "__main__":
    main()
