"""One deadline's life: armed, warned, overdue, up the ladder; met or cancelled on the way.

armed ──(yellow)──> armed ──(red)──> overdue ──(rung 1, 2, …)──> overdue
  └──────────── met or cancelled <─────┘      met by a refusal → armed or overdue again if dismissed
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from services.sla.domain import calendar
from services.sla.domain.calendar import Due, WorkingCalendar
from services.sla.domain.limit import Limit
from services.sla.domain.policy import Policy, Rung, Told
from shared.contracts.facts import DeadlineEscalated, DeadlineFact, DeadlineOverdue, DeadlineWarned
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import Obligation

YELLOW = -1
RED = 0
"""The steps of a deadline: -1 = the warning, 0 = overdue, n = the ladder's n-th rung."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What deadlines are reckoned by. `calendar_of` gives a unit's own calendar."""

    policy: Policy
    units: UnitTree
    calendar_of: Callable[[str], WorkingCalendar]

    @property
    def hub(self) -> str:
        return self.units.hub.code


class State(StrEnum):
    ARMED = "armed"  # 计时中
    OVERDUE = "overdue"  # 已超期，仍未完成
    MET = "met"  # 已完成
    CANCELLED = "cancelled"  # 已解除


@dataclass(frozen=True, slots=True)
class Deadline:
    """What `unit` owes by when; (case, unit, obligation, generation) names it. Times are UTC.

    `next_step` is what happens next if nothing ends it, `next_at` when; a deadline that has ended keeps
    its `next_step`, so that it can go on where it was. `fired_at` = when it became overdue, if it did.
    `cause` = the type of the fact that ended it. `warn_at` None = no warning.
    """

    unit: str
    obligation: Obligation
    generation: int
    granted: Limit
    started_at: datetime
    warn_at: datetime | None
    due_at: datetime
    next_step: int
    next_at: datetime | None
    provisional: bool
    policy_version: str
    state: State = State.ARMED
    fired_at: datetime | None = None
    ended_at: datetime | None = None
    cause: str | None = None

    @property
    def is_live(self) -> bool:
        return self.state in (State.ARMED, State.OVERDUE)


def arm(unit: str, obligation: Obligation, generation: int, limit: Limit, start: datetime, rules: Rules) -> Deadline:
    """A new deadline that starts now."""
    own = rules.calendar_of(unit)
    granted: Due = calendar.due(start, limit, own)
    part = rules.policy.warns_at(obligation)
    warn_at = None if part is None else calendar.used(part, limit, granted, own)
    return Deadline(
        unit=unit,
        obligation=obligation,
        generation=generation,
        granted=limit,
        started_at=start,
        warn_at=warn_at,
        due_at=granted.at,
        next_step=RED if warn_at is None else YELLOW,
        next_at=granted.at if warn_at is None else warn_at,
        provisional=granted.provisional,
        policy_version=rules.policy.version,
    )


def end(deadline: Deadline, state: State, at: datetime, cause: str) -> Deadline:
    """Met or cancelled: nothing more happens."""
    return replace(deadline, state=state, next_at=None, ended_at=at, cause=cause)


def resume(deadline: Deadline, rules: Rules) -> Deadline:
    """Go on as if it had never ended: same due time, and no step is taken twice."""
    return replace(
        deadline,
        state=State.ARMED if deadline.fired_at is None else State.OVERDUE,
        next_at=_step_at(deadline, deadline.next_step, rules),
        ended_at=None,
        cause=None,
    )


def reach(deadline: Deadline, now: datetime, rules: Rules) -> tuple[Deadline, DeadlineFact | None]:
    """Take the next step, whose time has come; None where the policy knows that step no more.

    A warning that was held up until the time was used up says nothing any more: it is red at once.
    """
    step = RED if deadline.next_step == YELLOW and now >= deadline.due_at else deadline.next_step
    stated = _stated(deadline, step, now, rules)
    following = step + 1
    after = replace(deadline, next_step=following, next_at=_step_at(deadline, following, rules))
    if step == RED:
        after = replace(after, state=State.OVERDUE, fired_at=now)
    return after, stated


def _stated(deadline: Deadline, step: int, now: datetime, rules: Rules) -> DeadlineFact | None:
    about = {
        "obligation": deadline.obligation,
        "unit": deadline.unit,
        "generation": deadline.generation,
        "started_at": deadline.started_at,
        "due_at": deadline.due_at,
        "fired_at": now,
        "policy_version": deadline.policy_version,
        "provisional": deadline.provisional,
    }
    if step == YELLOW:
        return DeadlineWarned.model_validate(about)
    if step == RED:
        return DeadlineOverdue.model_validate(about)
    rung = _rung(deadline, step, rules)
    if rung is None:
        return None
    return DeadlineEscalated.model_validate(about | {"rung": step, "told": told(rung, deadline.unit, rules)})


def _step_at(deadline: Deadline, step: int, rules: Rules) -> datetime | None:
    """When a step is to be taken; None if there is no such step."""
    if step == YELLOW:
        return deadline.warn_at
    if step == RED:
        return deadline.due_at
    rung = _rung(deadline, step, rules)
    if rung is None:
        return None
    offset = rung.after if isinstance(rung.after, Limit) else deadline.granted.times(rung.after)
    return calendar.due(deadline.due_at, offset, rules.calendar_of(deadline.unit)).at


def _rung(deadline: Deadline, step: int, rules: Rules) -> Rung | None:
    rungs = rules.policy.rungs(deadline.obligation)
    return rungs[step - 1] if 1 <= step <= len(rungs) else None


def told(rung: Rung, unit: str, rules: Rules) -> tuple[str, ...]:
    """The codes of the units a rung tells, each once."""
    codes = {Told.UNIT: unit, Told.SUPERVISOR: rules.units.supervisor(unit).code, Told.HUB: rules.hub}
    return tuple(dict.fromkeys(codes[who] for who in rung.tell))
