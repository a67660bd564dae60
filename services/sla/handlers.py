"""From a message to the clock's rule for it: `main.HANDLERS` says which rule that is."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias, TypeVar

from services.sla.domain import clock
from services.sla.domain.announcing import announced
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.domain.reckoning import Reckoning, entries, reckon
from services.sla.domain.rules import Rules
from shared.contracts.facts import CaseFact, CaseOpened
from shared.runtime.decision import Decision, Input

F = TypeVar("F", bound=CaseFact)
Ruled: TypeAlias = Callable[[Rules, ClockState | None, Input[F], datetime], Decision[ClockState]]


class CaseUnknown(Exception):
    """A fact about a case whose opening was never seen: it goes to the dead letters until that is healed."""


def first(rule: Callable[[ClockState | None, CaseOpened, datetime, Rules], ClockState]) -> Ruled[CaseOpened]:
    """The rule for the fact that begins a case."""

    def handle(rules: Rules, state: ClockState | None, item: Input[CaseOpened], now: datetime) -> Decision[ClockState]:
        after = rule(state, item.message, stated_at(item, now), rules)
        return Decision(after, announced(state, after, item.message.NAME))

    return handle


def on(rule: Callable[[ClockState, F, datetime, Rules], ClockState]) -> Ruled[F]:
    """A rule for what happens to a case the clock knows. What ran out before is said first, then what moves."""

    def handle(rules: Rules, state: ClockState | None, item: Input[F], now: datetime) -> Decision[ClockState]:
        if state is None:
            raise CaseUnknown(f"case {item.case_id}: {item.message.NAME} came before case.opened.v1")
        at = stated_at(item, now)
        overdue, said = clock.ran_out(state, at, rules)
        after = rule(overdue, item.message, at, rules)
        return Decision(after, (*said, *announced(state, after, item.message.NAME)))

    return handle


def reached(
    rules: Rules, state: ClockState | None, item: Input[DeadlineReached], now: datetime
) -> Decision[ClockState]:
    """A deadline's next step is due: state it."""
    if state is None:
        raise CaseUnknown(f"case {item.case_id}: it has a deadline but no clock")
    after, stated = clock.reached(state, item.message, now, rules)
    if after is state:
        return Decision(note="no longer waiting for this step")
    return Decision(after, (stated,) if stated is not None else ())


def reckoned(rules: Rules, state: ClockState | None, item: Input[Reckoning], now: datetime) -> Decision[ClockState]:
    """Its running deadlines go by another version. What ran out before is said first, by the version it had."""
    if state is None:
        raise CaseUnknown(f"case {item.case_id}: it has a deadline but no clock")
    overdue, said = clock.ran_out(state, now, rules)
    after, changed = reckon(overdue, item.message, now, rules)
    if after is state:
        return Decision(note="nothing is due otherwise")
    return Decision(after, (*said, *entries(after, item.message, changed)))


def stated_at(item: Input[F], now: datetime) -> datetime:
    """When the router stated the fact, by its log: a clock runs from then, however late it is read here."""
    return min(item.time or now, now)
