"""Puts sla together: the map from message to rule, the clock's rules, the timer."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from services.sla import api, handlers
from services.sla.agenda import Agenda
from services.sla.clockwatch import ClockWatch
from services.sla.domain import clock
from services.sla.domain.calendar import StateCalendar
from services.sla.domain.clock import ClockState, DeadlineReached
from services.sla.domain.deadline import Rules
from services.sla.domain.policy import read_policy
from services.sla.handlers import on
from services.sla.settings import SlaSettings
from services.sla.store import ClockStates, PostgresDeadlines
from services.sla.timer import Timer
from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES
from shared.contracts.units import read_units
from shared.runtime.consumer import Consumer
from shared.runtime.decision import Decision
from shared.runtime.service import Handler, Running, Service, ignore, run

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
    f.CaseHandled: on(clock.handled),
    f.CaseChecked: on(clock.checked),
    f.CaseReworkOrdered: on(clock.rework_ordered),
    f.CaseClosed: on(clock.closed),
    f.CaseArchived: on(clock.archived),
    DeadlineReached: handlers.reached,
}
READ_PAST: tuple[type[f.CaseFact], ...] = (f.CaseOverdue, f.CaseEscalated)
"""What the clock has said itself, as the router recorded it."""

CAUGHT_UP_MESSAGES = 500
"""Fewer unread facts than one batch holds: they are decided before the next deadline is."""


def rules(settings: SlaSettings) -> Rules:
    """What deadlines are reckoned by. Raises `PolicyInvalid` or `UnitsInvalid` naming file and field."""
    file = settings.policy_file or settings.setup / "policy.yaml"
    state_calendar = StateCalendar()
    return Rules(
        policy=read_policy(file.read_text(encoding="utf-8"), str(file)),
        units=read_units(settings.setup / "units.yaml"),
        calendar_of=lambda _unit: state_calendar,
    )


def handlers_by(given: Rules) -> dict[type, Handler]:
    """The map, with the rules handed to every function in it."""
    by_rules: dict[type, Handler] = {message: partial(handler, given) for message, handler in HANDLERS.items()}
    return by_rules | dict.fromkeys(READ_PAST, ignore)


def service(settings: SlaSettings) -> Service[ClockState]:
    agenda = Agenda()
    return Service(
        name="sla",
        topic=DEADLINES,
        handlers=handlers_by(rules(settings)),
        states=ClockStates(agenda),
        reads=(CASES,),
        routes=api.routes,
        tasks=(timer(settings, agenda),),
    )


def timer(settings: SlaSettings, agenda: Agenda) -> Callable[[Running[ClockState]], Awaitable[None]]:
    """The task that fires deadlines of the shards this process relays, which are those it reads."""

    async def fire(running: Running[ClockState]) -> None:
        monotonic = asyncio.get_running_loop().time
        watch = ClockWatch(settings.clock_jump_seconds, settings.clock_settle_seconds, monotonic)
        await Timer(
            road=running.road,
            deadlines=PostgresDeadlines(running.pool),
            agenda=agenda,
            watch=watch,
            monotonic=monotonic,
            holds=running.relay.holds,
            is_behind=lambda: is_behind(running.consumer),
        ).run()

    return fire


def is_behind(consumer: Consumer | None) -> bool:
    """Whether facts wait in the topic that were not read yet."""
    return consumer is not None and (not consumer.joined or consumer.lag > CAUGHT_UP_MESSAGES)


if __name__ == "__main__":
    settings = SlaSettings()
    run(service(settings), settings)
