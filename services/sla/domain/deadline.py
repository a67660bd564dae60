"""One deadline: what it is, how it begins and ends, and how much of it is used.

armed ──(yellow)──> armed ──(red)──> overdue ──(rung 1, 2, …)──> overdue     its steps: `steps.py`
  ├──────────── met or cancelled <─────┤      met by a refusal → armed or overdue again if dismissed
  └── paused, or taken away ───────────┘      → armed with what was left, or overdue with the rest of the ladder

Who looks back (`used`, `left`, `whole`) reckons by the version of the calendars by which it was set; a new due time is
reckoned by the one in force (`moves.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, make_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING

from services.sla.domain import calendar
from services.sla.domain.calendar import Due, WorkingCalendar
from services.sla.domain.limit import Limit
from services.sla.domain.policy import Granted, Policy
from services.sla.domain.rules import Rules
from shared.contracts.vocabulary import Obligation, Urgency

YELLOW = -1
RED = 0
"""The steps of a deadline: -1 = the warning, 0 = overdue, n = the ladder's n-th rung."""
NOTHING = timedelta()


class State(StrEnum):
    ARMED = "armed"  # 计时中
    OVERDUE = "overdue"  # 已超期，仍未完成
    PAUSED = "paused"  # 挂账，暂停计时
    MET = "met"  # 已完成
    CANCELLED = "cancelled"  # 已解除


@dataclass(frozen=True, slots=True)
class Outrun:
    """The limit that a higher urgency took the place of. It holds beside the new one, and is used up at `due_at`."""

    limit: Limit
    counts_from: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Deadline:
    """What `unit` owes by when; (case, unit, obligation, generation) names it. Times are UTC.

    `granted` None: not a limit but a date was set. `basis` says which row of the policy, or entry of the catalogue,
    granted it; `urgency`, that of the case when it began. `next_step` is what happens next if nothing ends it,
    `next_at` when; one that has ended keeps its `next_step`, so that it can go on where it was. `fired_at` = when it
    became overdue, if it did. `cause` = the type of the fact that ended it. `warn_at` None = no warning.

    All lengths are in the limit's own time. `used_before` of it was used before `counts_from`, from which on it is
    counted by the calendars' `calendar_version`; a row of release 0.1 has no `counts_from`: all of it counts from the
    start, but for what it `paused`. `paused` is how long it stood still in all before it was overdue, `left` what is
    left of it while it is paused or taken away, `planned` how much later it is due than without the plan in force.

    `raised_at` = when the urgency last rose while it stood still; it counts when it goes on. `outrun`, where the
    limit before a raise counts another kind of time. The ladder counts from `ladder_from` if it stood still since it
    was overdue, else from `due_at`, which never changes any more by then.
    """

    unit: str
    obligation: Obligation
    generation: int
    granted: Limit | None
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
    round: int = 1
    paused: timedelta = NOTHING
    paused_at: datetime | None = None
    left: timedelta | None = None
    ladder_from: datetime | None = None
    urgency: Urgency = Urgency.NORMAL
    basis: str = ""
    calendar_version: str = ""
    counts_from: datetime | None = None
    used_before: timedelta = NOTHING
    planned: timedelta = NOTHING
    raised_at: datetime | None = None
    outrun: Outrun | None = None

    @property
    def is_live(self) -> bool:
        """Its time runs, or has run out."""
        return self.state in (State.ARMED, State.OVERDUE)

    @property
    def is_open(self) -> bool:
        """It is owed: live, or paused."""
        return self.ended_at is None


if TYPE_CHECKING:
    from dataclasses import replace as replace  # noqa: PLC0414 - who imports it from here is checked as by the original
else:
    _Draft = make_dataclass("_Draft", [field.name for field in fields(Deadline)], slots=True)
    _everything = attrgetter(*Deadline.__slots__)

    def replace(deadline, **to):
        """A deadline like this one but for those fields: `dataclasses.replace`, at a sixth of its price.

        A draft has the same slots and is not frozen; it becomes a deadline once everything is written.
        """
        draft = _Draft(*_everything(deadline))
        for name, value in to.items():
            setattr(draft, name, value)
        draft.__class__ = Deadline
        return draft


_EVER = datetime.min.replace(tzinfo=UTC)
_BLANK = Deadline("", Obligation.ACCEPT, 0, None, _EVER, None, _EVER, RED, None, provisional=False, policy_version="")
"""What begins is this one but for what is known of it."""


# --- it begins ----------------------------------------------------------------------------------------------


def arm(
    unit: str,
    obligation: Obligation,
    generation: int,
    candidates: Sequence[Granted],
    start: datetime,
    rules: Rules,
    round_: int = 1,
    urgency: Urgency = Urgency.NORMAL,
) -> Deadline:
    """A new deadline that starts now: of the limits that may be granted the stricter, which is the one due first."""
    own = rules.calendar_of(unit)
    dues = [(calendar.due(start, candidate.limit, own), candidate) for candidate in candidates]
    due, granted = min(dues, key=lambda found: found[0].at)
    return _armed(unit, obligation, generation, granted, due, start, own, rules, round_, urgency)


def arm_until(
    unit: str,
    obligation: Obligation,
    generation: int,
    date: datetime,
    start: datetime,
    rules: Rules,
    round_: int = 1,
    urgency: Urgency = Urgency.NORMAL,
) -> Deadline:
    """A new deadline by a date that somebody has set."""
    own = rules.calendar_of(unit)
    return _armed(unit, obligation, generation, None, Due(date, start), start, own, rules, round_, urgency)


def _armed(
    unit: str,
    obligation: Obligation,
    generation: int,
    granted: Granted | None,
    due: Due,
    start: datetime,
    own: WorkingCalendar,
    rules: Rules,
    round_: int,
    urgency: Urgency,
) -> Deadline:
    limit, policy = granted.limit if granted is not None else None, rules.policy
    part = policy.warns_at(obligation, urgency)
    warn_at = None if part is None else calendar.used(part, limit, due, own)
    return replace(
        _BLANK,
        unit=unit,
        obligation=obligation,
        generation=generation,
        granted=limit,
        started_at=start,
        warn_at=warn_at,
        due_at=due.at,
        next_step=RED if warn_at is None else YELLOW,
        next_at=due.at if warn_at is None else warn_at,
        provisional=due.provisional,
        policy_version=policy.version,
        round=round_,
        urgency=urgency,
        basis=granted.basis if granted is not None else "",
        calendar_version=rules.calendars.version,
        counts_from=due.counts_from,
    )


def with_its_warning(deadline: Deadline, rules: Rules) -> Deadline:
    """Nothing was said of it yet: the warning is next, where its policy has one, else the end."""
    part = policy_of(deadline, rules).warns_at(deadline.obligation, deadline.urgency)
    if part is None:
        return replace(deadline, warn_at=None, next_step=RED, next_at=deadline.due_at)
    own = calendar_of(deadline, rules)
    begins, before = _begun(deadline, own)
    warned = part * granted_in_all(deadline, rules)
    warn_at = calendar.later(begins, max(warned - before, NOTHING), deadline.granted, own)
    return replace(deadline, warn_at=warn_at, next_step=YELLOW, next_at=warn_at)


# --- it ends ------------------------------------------------------------------------------------------------


def end(deadline: Deadline, state: State, at: datetime, cause: str) -> Deadline:
    """Met or cancelled: nothing more happens."""
    return replace(deadline, state=state, next_at=None, ended_at=at, cause=cause, paused_at=None, left=None)


# --- how much of it ------------------------------------------------------------------------------------------


def policy_of(deadline: Deadline, rules: Rules) -> Policy:
    """The policy it runs by: a version imported meanwhile is none of its business."""
    return rules.policies.of(deadline.policy_version)


def calendar_of(deadline: Deadline, rules: Rules) -> WorkingCalendar:
    """The calendar by which its due time was reckoned."""
    return rules.calendar_of(deadline.unit, deadline.calendar_version)


def begins(deadline: Deadline, rules: Rules) -> datetime:
    """From when on its time is counted: what was used before is `used_before`."""
    return _begun(deadline, calendar_of(deadline, rules))[0]


def used(deadline: Deadline, at: datetime, rules: Rules) -> timedelta:
    """How much of it was used by then, if it ran until then; never more than it had."""
    return granted_in_all(deadline, rules) - left(deadline, at, rules)


def left(deadline: Deadline, at: datetime, rules: Rules) -> timedelta:
    """What is left of it at that time, if it runs until then; nothing once it is past."""
    own = calendar_of(deadline, rules)
    since, _ = _begun(deadline, own)
    return calendar.between(max(at, since), deadline.due_at, deadline.granted, own)


def granted_in_all(deadline: Deadline, rules: Rules) -> timedelta:
    """All it had: the limit with what was added to it and without what a higher urgency took."""
    own = calendar_of(deadline, rules)
    since, before = _begun(deadline, own)
    return before + calendar.between(since, deadline.due_at, deadline.granted, own)


def whole(deadline: Deadline, rules: Rules) -> timedelta:
    """All of the limit first granted."""
    if deadline.granted is None:
        return deadline.due_at - deadline.started_at
    own = calendar_of(deadline, rules)
    first = calendar.due(deadline.started_at, deadline.granted, own)
    return calendar.between(first.counts_from, first.at, deadline.granted, own)


def _begun(deadline: Deadline, own: WorkingCalendar) -> tuple[datetime, timedelta]:
    if deadline.counts_from is not None:
        return deadline.counts_from, deadline.used_before
    return calendar.counts_from(deadline.started_at, deadline.granted, own), -deadline.paused
