"""Puts sla together: the map from message to rule, the clock's rules, the timer."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from fastapi import FastAPI

from services.sla import api, handlers
from services.sla.agenda import Agenda
from services.sla.clockwatch import ClockWatch
from services.sla.domain import clock
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.domain.reckoning import Reckoning
from services.sla.domain.rules import Rules
from services.sla.handlers import on
from services.sla.notices import notifying
from services.sla.notices_api import notice_routes
from services.sla.reckonings import reckon_what_was_asked
from services.sla.reckonings_api import reckoning_routes
from services.sla.settings import SlaSettings
from services.sla.setup import PARTS, RulesInForce, make_setup
from services.sla.store import Claims, ClockStates, PostgresDeadlines
from services.sla.timer import Timer
from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES
from shared.runtime.consumer import is_behind
from shared.runtime.decision import Decision
from shared.runtime.district import Setup
from shared.runtime.running import Running
from shared.runtime.service import Handler, Service, ignore, run
from shared.runtime.setup_door import setup_routes

HANDLERS: dict[type, Callable[..., Decision[ClockState]]] = {
    f.CaseOpened: handlers.first(clock.opened),
    f.CaseAccepted: on(clock.accepted),
    f.CaseDeclined: on(clock.declined),
    f.CaseSentToDesk: on(clock.sent_to_desk),
    f.CaseDispatched: on(clock.dispatched),
    f.CaseSignedIn: on(clock.signed_in),
    f.CaseRefused: on(clock.refused),
    f.CaseRefusalRuled: on(clock.ruled),
    f.CaseProgressed: on(clock.progressed),
    f.CaseUnitDone: on(clock.unit_done),
    f.CaseHandedOver: on(clock.handed_over),
    f.CaseRequested: on(clock.requested),
    f.CaseRequestRuled: on(clock.request_ruled),
    f.CaseListed: on(clock.listed),
    f.CaseMilestoneReached: on(clock.milestone_reached),
    f.CaseResumed: on(clock.resumed),
    f.CaseReprioritised: on(clock.reprioritised),
    f.CaseWithdrawn: on(clock.withdrawn),
    f.CaseMerged: on(clock.merged),
    f.CaseUnmerged: on(clock.unmerged),
    f.CaseAnswered: on(clock.answered),
    f.CaseHandled: on(clock.handled),
    f.CaseChecked: on(clock.checked),
    f.CaseReworkOrdered: on(clock.rework_ordered),
    f.CaseClosed: on(clock.closed),
    f.CaseArchived: on(clock.archived),
    DeadlineReached: handlers.reached,
    Reckoning: handlers.reckoned,
}
READ_PAST: tuple[type[f.CaseFact], ...] = (
    f.CaseOverdue,
    f.CaseEscalated,
    f.CaseTimed,
    f.CaseSupervised,
    f.CaseSupervisionEnded,
    f.CaseCorrected,
    f.CaseCommented,
    f.CaseDuplicateFound,
)
"""What changes no clock: what the clock has said itself, and what is only said about a case."""


def handlers_by(given: Callable[[], Rules]) -> dict[type, Handler]:
    """The map, with the rules in force handed to every function in it."""

    def bound(handler: Callable[..., Decision[ClockState]]) -> Handler:
        return lambda state, item, now: handler(given(), state, item, now)

    by_rules: dict[type, Handler] = {message: bound(handler) for message, handler in HANDLERS.items()}
    return by_rules | dict.fromkeys(READ_PAST, ignore)


def service(settings: SlaSettings) -> Service[ClockState]:
    agenda, claims, setup = Agenda(), Claims(), make_setup()
    given = RulesInForce(setup)
    return Service(
        name="sla",
        topic=DEADLINES,
        handlers=handlers_by(given),
        states=ClockStates(agenda, claims),
        reads=(CASES,),
        routes=partial(doors, setup, given),
        tasks=(
            timer(settings, agenda, claims),
            notifying(given, timedelta(days=settings.notice_days)),
            partial(reckon_what_was_asked, setup, given),
        ),
        setup=setup,
    )


def doors(setup: Setup, given: Callable[[], Rules], app: FastAPI, running: Running[ClockState]) -> None:
    """Add every door of sla."""
    api.routes(app, running, given)
    setup_routes(app, running, setup, PARTS)
    reckoning_routes(app, running, setup, given)
    notice_routes(app, running, given)


def timer(settings: SlaSettings, agenda: Agenda, claims: Claims) -> Callable[[Running[ClockState]], Awaitable[None]]:
    """The task that fires deadlines of the shards this process relays, which are those it reads."""

    async def fire(running: Running[ClockState]) -> None:
        monotonic = asyncio.get_running_loop().time
        watch = ClockWatch(settings.clock_jump_seconds, settings.clock_settle_seconds, monotonic)
        await Timer(
            road=running.road,
            deadlines=PostgresDeadlines(running.pool, claims),
            agenda=agenda,
            watch=watch,
            monotonic=monotonic,
            holds=running.relay.holds,
            is_behind=lambda: is_behind(running.consumer),
        ).run()

    return fire


if __name__ == "__main__":
    settings = SlaSettings()
    run(service(settings), settings)
