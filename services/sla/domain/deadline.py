"""One deadline's life: armed, warned, overdue, up the ladder; met or cancelled on the way, or paused.

armed ──(yellow)──> armed ──(red)──> overdue ──(rung 1, 2, …)──> overdue
  ├──────────── met or cancelled <─────┤      met by a refusal → armed or overdue again if dismissed
  └── paused, or taken away ───────────┘      → armed with what was left, or overdue with the rest of the ladder
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.sla.domain import calendar
from services.sla.domain.calendar import Due
from services.sla.domain.limit import Limit
from services.sla.domain.policy import Rung, Told
from services.sla.domain.rules import Rules
from shared.contracts.facts import DeadlineEscalated, DeadlineOverdue, DeadlineStep, DeadlineWarned
from shared.contracts.vocabulary import Obligation

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
class Deadline:
    """What `unit` owes by when; (case, unit, obligation, generation) names it. Times are UTC.

    `granted` None: not a limit but a date was set. `next_step` is what happens next if nothing ends it, `next_at`
    when; one that has ended keeps its `next_step`, so that it can go on where it was. `fired_at` = when it became
    overdue, if it did. `cause` = the type of the fact that ended it. `warn_at` None = no warning.

    `paused` is how long it stood still in all before it was overdue, `left` what is left of it while it is paused
    or taken away: both in the limit's own time. The ladder counts from `ladder_from` if it stood still since it was
    overdue, else from `due_at`, which never changes any more by then.
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

    @property
    def is_live(self) -> bool:
        """Its time runs, or has run out."""
        return self.state in (State.ARMED, State.OVERDUE)

    @property
    def is_open(self) -> bool:
        """It is owed: live, or paused."""
        return self.ended_at is None


def arm(
    unit: str,
    obligation: Obligation,
    generation: int,
    limit: Limit,
    start: datetime,
    rules: Rules,
    round_: int = 1,
) -> Deadline:
    """A new deadline that starts now."""
    granted = calendar.due(start, limit, rules.calendar_of(unit))
    return _armed(unit, obligation, generation, limit, granted, start, rules, round_)


def arm_until(
    unit: str, obligation: Obligation, generation: int, date: datetime, start: datetime, rules: Rules, round_: int = 1
) -> Deadline:
    """A new deadline by a date that somebody has set."""
    return _armed(unit, obligation, generation, None, Due(date, start), start, rules, round_)


def _armed(
    unit: str,
    obligation: Obligation,
    generation: int,
    limit: Limit | None,
    granted: Due,
    start: datetime,
    rules: Rules,
    round_: int,
) -> Deadline:
    part = rules.policy.warns_at(obligation)
    warn_at = None if part is None else calendar.used(part, limit, granted, rules.calendar_of(unit))
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
        round=round_,
    )


# --- it ends, and may be undone -----------------------------------------------------------------------------


def end(deadline: Deadline, state: State, at: datetime, cause: str) -> Deadline:
    """Met or cancelled: nothing more happens."""
    return replace(deadline, state=state, next_at=None, ended_at=at, cause=cause, paused_at=None, left=None)


def reinstate(deadline: Deadline, rules: Rules) -> Deadline:
    """Go on as if it had never ended: same due time, and no step is taken twice."""
    return replace(
        deadline,
        state=State.ARMED if deadline.fired_at is None else State.OVERDUE,
        next_at=_step_at(deadline, deadline.next_step, rules),
        ended_at=None,
        cause=None,
    )


# --- it stands still, and goes on -----------------------------------------------------------------------------


def left(deadline: Deadline, at: datetime, rules: Rules) -> timedelta:
    """What is left of it at that time if it runs, in the limit's own time; nothing once it is past."""
    own = rules.calendar_of(deadline.unit)
    begins = max(at, calendar.counts_from(deadline.started_at, deadline.granted, own))
    return calendar.between(begins, deadline.due_at, deadline.granted, own)


def pause(deadline: Deadline, at: datetime, rules: Rules) -> Deadline:
    """Stand still, ladder and all. One that is past already, though nobody has said so, is still said to be."""
    unsaid = deadline.fired_at is None and deadline.due_at <= at
    return replace(
        deadline,
        state=State.PAUSED,
        paused_at=at,
        left=left(deadline, at, rules),
        next_step=RED if unsaid else deadline.next_step,
        next_at=deadline.due_at if unsaid else None,
    )


def take_away(deadline: Deadline, at: datetime, cause: str, rules: Rules) -> Deadline:
    """It ends for now, and what is left of it is kept. One that was met stays so."""
    kept = deadline.left if deadline.left is not None else left(deadline, at, rules)
    if not deadline.is_open:
        return replace(deadline, left=kept)
    return replace(end(deadline, State.CANCELLED, at, cause), left=kept)


def resume(deadline: Deadline, at: datetime, rules: Rules) -> Deadline:
    """Go on with what was left when it was paused, taken away or met; no step is taken twice."""
    since = deadline.paused_at or deadline.ended_at
    assert since is not None, "only what stands still can go on"
    kept = deadline.left if deadline.left is not None else left(deadline, since, rules)
    running = replace(deadline, state=State.ARMED, paused_at=None, left=None, ended_at=None, cause=None)
    own = rules.calendar_of(deadline.unit)
    if deadline.fired_at is not None:
        stood = calendar.between(since, at, deadline.granted, own)
        base = calendar.later(deadline.ladder_from or deadline.due_at, stood, deadline.granted, own)
        late = replace(running, state=State.OVERDUE, ladder_from=base)
        return replace(late, next_at=_step_at(late, late.next_step, rules))
    if not kept:
        return replace(running, next_at=deadline.due_at)
    begins = max(at, calendar.counts_from(deadline.started_at, deadline.granted, own))
    due = calendar.due_after(begins, kept, deadline.granted, own)
    warn_at = deadline.warn_at
    if warn_at is not None and deadline.next_step == YELLOW:
        after_the_warning = calendar.between(warn_at, deadline.due_at, deadline.granted, own)
        warn_at = calendar.later(begins, max(kept - after_the_warning, NOTHING), deadline.granted, own)
    return replace(
        running,
        due_at=due.at,
        warn_at=warn_at,
        next_at=warn_at if deadline.next_step == YELLOW else due.at,
        provisional=due.provisional,
        paused=deadline.paused + calendar.between(deadline.due_at, due.at, deadline.granted, own),
    )


def leave_out(deadline: Deadline, since: datetime, at: datetime, rules: Rules) -> Deadline:
    """One that has ended, but may be reinstated yet: the time in between is not counted then."""
    after = resume(replace(deadline, left=left(deadline, since, rules)), at, rules)
    return replace(after, state=deadline.state, next_at=None, ended_at=deadline.ended_at, cause=deadline.cause)


# --- it gets longer, or another unit's --------------------------------------------------------------------------


def whole(deadline: Deadline, rules: Rules) -> timedelta:
    """All of the limit first granted, in its own time."""
    if deadline.granted is None:
        return deadline.due_at - deadline.started_at
    own = rules.calendar_of(deadline.unit)
    first = calendar.due(deadline.started_at, deadline.granted, own)
    return calendar.between(first.counts_from, first.at, deadline.granted, own)


def lengthened(deadline: Deadline, share: float, rules: Rules) -> Due:
    """When it is due with so much of the limit first granted added to it."""
    own = rules.calendar_of(deadline.unit)
    return calendar.due_after(deadline.due_at, share * whole(deadline, rules), deadline.granted, own)


def extend(deadline: Deadline, generation: int, due: Due, rules: Rules) -> Deadline:
    """The same clock with a later due time, as another generation of it."""
    own = rules.calendar_of(deadline.unit)
    part = rules.policy.warns_at(deadline.obligation)
    warn_at = None
    if part is not None:
        begins = calendar.counts_from(deadline.started_at, deadline.granted, own)
        granted = calendar.between(begins, due.at, deadline.granted, own) - deadline.paused
        warn_at = calendar.later(begins, deadline.paused + part * granted, deadline.granted, own)
    return replace(
        deadline,
        generation=generation,
        warn_at=warn_at,
        due_at=due.at,
        next_step=RED if warn_at is None else YELLOW,
        next_at=due.at if warn_at is None else warn_at,
        provisional=due.provisional,
        state=State.ARMED,
        fired_at=None,
        ladder_from=None,
    )


def hand_on(deadline: Deadline, unit: str, generation: int) -> Deadline:
    """The same clock for another unit. What its predecessor was overdue with is said once more, now of itself."""
    mine = replace(deadline, unit=unit, generation=generation)
    if deadline.fired_at is None:
        return mine
    state = State.PAUSED if deadline.state is State.PAUSED else State.ARMED
    return replace(mine, state=state, fired_at=None, ladder_from=None, next_step=RED, next_at=deadline.due_at)


# --- its time comes ---------------------------------------------------------------------------------------------


def reach(deadline: Deadline, now: datetime, rules: Rules) -> tuple[Deadline, DeadlineStep | None]:
    """Take the next step, whose time has come; None where the policy knows that step no more.

    A warning that was held up until the time was used up says nothing any more: it is red at once.
    """
    step = RED if deadline.next_step == YELLOW and now >= deadline.due_at else deadline.next_step
    stated = _stated(deadline, step, now, rules)
    following = step + 1
    after = replace(deadline, next_step=following, next_at=_step_at(deadline, following, rules))
    if step == RED:
        after = replace(after, state=State.OVERDUE, fired_at=now)
    if deadline.state is State.PAUSED:
        after = replace(after, state=State.PAUSED, next_at=None)
    return after, stated


def _stated(deadline: Deadline, step: int, now: datetime, rules: Rules) -> DeadlineStep | None:
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
    base, own = deadline.ladder_from or deadline.due_at, rules.calendar_of(deadline.unit)
    if isinstance(rung.after, Limit):
        return calendar.due(base, rung.after, own).at
    if deadline.granted is None:
        return base + rung.after * (deadline.due_at - deadline.started_at)
    return calendar.due(base, deadline.granted.times(rung.after), own).at


def _rung(deadline: Deadline, step: int, rules: Rules) -> Rung | None:
    rungs = rules.policy.rungs(deadline.obligation)
    return rungs[step - 1] if 1 <= step <= len(rungs) else None


def told(rung: Rung, unit: str, rules: Rules) -> tuple[str, ...]:
    """The codes of the units a rung tells, each once."""
    codes = {Told.UNIT: unit, Told.SUPERVISOR: rules.units.supervisor(unit).code, Told.HUB: rules.hub}
    return tuple(dict.fromkeys(codes[who] for who in rung.tell))
