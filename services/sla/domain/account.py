"""How much time each unit had, by what, and what became of it: the clock's account. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.sla.domain import calendar
from services.sla.domain import deadline as one
from services.sla.domain.deadline import NOTHING, Deadline, State
from services.sla.domain.rules import Rules
from shared.contracts.vocabulary import Obligation


@dataclass(frozen=True, slots=True)
class Account:
    """One unit's time for one obligation in one round; `granted` = `used` + `left`.

    All in the limit's own time: working time where the limit is counted in working hours or days. `paused` is how
    long it stood still or was not this unit's to use. `overdue_at` = when it became overdue first, if it did. `last`
    is the deadline as it stands: what was granted as it is written, on what basis, by which versions.
    """

    unit: str
    obligation: Obligation
    round: int
    granted: timedelta
    used: timedelta
    paused: timedelta
    left: timedelta
    overdue_at: datetime | None
    last: Deadline


def account(deadlines: Iterable[Deadline], now: datetime, rules: Rules) -> list[Account]:
    """What every unit was granted and has used by now, in the order in which it began.

    An extension or a plan goes on with the same clock, so its last generation has the whole of it. A higher urgency
    begins another, shorter one: of the one before, only what was used of it was granted.
    """
    clocks: dict[tuple[str, Obligation, int], dict[datetime, Deadline]] = {}
    overdue: dict[tuple[str, Obligation, int], datetime] = {}
    for deadline in sorted(deadlines, key=lambda known: (known.started_at, known.generation)):
        name = (deadline.unit, deadline.obligation, deadline.round)
        clocks.setdefault(name, {})[deadline.started_at] = deadline
        if deadline.fired_at is not None:
            overdue[name] = min(deadline.fired_at, overdue.get(name, deadline.fired_at))
    found = []
    for name, generations in clocks.items():
        last = list(generations.values())[-1]
        used = sum((_used(each, now, rules) for each in generations.values()), NOTHING)
        paused = sum((_paused(each, now, rules) for each in generations.values()), NOTHING)
        left = _left(last, now, rules)
        found.append(Account(*name, used + left, used, paused, left, overdue.get(name), last))
    return found


def _left(deadline: Deadline, now: datetime, rules: Rules) -> timedelta:
    stopped = deadline.paused_at or deadline.ended_at or now
    return deadline.left if deadline.left is not None else one.left(deadline, stopped, rules)


def _used(deadline: Deadline, now: datetime, rules: Rules) -> timedelta:
    return one.granted_in_all(deadline, rules) - _left(deadline, now, rules)


def _paused(deadline: Deadline, now: datetime, rules: Rules) -> timedelta:
    if deadline.state is not State.PAUSED or deadline.fired_at is not None or deadline.paused_at is None:
        return deadline.paused
    own = one.calendar_of(deadline, rules)
    return deadline.paused + calendar.between(deadline.paused_at, now, deadline.granted, own)
