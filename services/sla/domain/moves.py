"""A deadline stands still and goes on, gets longer or shorter, or becomes another unit's: what moves a due time.

Each new due time is reckoned by the calendars in force, from what is left by those it had before.
"""

from datetime import datetime, timedelta

from services.sla.domain import calendar
from services.sla.domain.calendar import Due
from services.sla.domain.deadline import (
    NOTHING,
    RED,
    YELLOW,
    Deadline,
    Outrun,
    State,
    begins,
    calendar_of,
    end,
    granted_in_all,
    left,
    replace,
    whole,
    with_its_warning,
)
from services.sla.domain.limit import Limit, TimeUnit
from services.sla.domain.rules import Rules
from services.sla.domain.steps import step_at

# --- it stands still, and goes on -----------------------------------------------------------------------------


def pause(deadline: Deadline, at: datetime, rules: Rules) -> Deadline:
    """Stand still, ladder and all."""
    return replace(deadline, state=State.PAUSED, paused_at=at, left=left(deadline, at, rules), next_at=None)


def take_away(deadline: Deadline, at: datetime, cause: str, rules: Rules) -> Deadline:
    """It ends for now, and what is left of it is kept. One that was met stays so."""
    kept = deadline.left if deadline.left is not None else left(deadline, at, rules)
    if not deadline.is_open:
        return replace(deadline, left=kept)
    return replace(end(deadline, State.CANCELLED, at, cause), left=kept)


def reinstate(deadline: Deadline, rules: Rules) -> Deadline:
    """Go on as if it had never ended: same due time, and no step is taken twice."""
    return replace(
        deadline,
        state=State.ARMED if deadline.fired_at is None else State.OVERDUE,
        next_at=step_at(deadline, deadline.next_step, rules),
        ended_at=None,
        cause=None,
        raised_at=None,
    )


def resume(deadline: Deadline, at: datetime, rules: Rules) -> Deadline:
    """Go on with what was left when it was paused, taken away or met; no step is taken twice."""
    since = deadline.paused_at or deadline.ended_at
    assert since is not None, "only what stands still can go on"
    kept = deadline.left if deadline.left is not None else left(deadline, since, rules)
    running = replace(deadline, state=State.ARMED, paused_at=None, left=None, ended_at=None, cause=None, raised_at=None)
    own = rules.calendar_of(deadline.unit)
    if deadline.fired_at is not None:
        stood = calendar.between(since, at, deadline.granted, own)
        base = calendar.later(deadline.ladder_from or deadline.due_at, stood, deadline.granted, own)
        late = replace(running, state=State.OVERDUE, ladder_from=base)
        return replace(late, next_at=step_at(late, late.next_step, rules))
    if not kept:
        return replace(running, next_at=deadline.due_at)
    going = due_with(booked(running, kept, at, rules), kept, rules)
    stood = calendar.between(deadline.due_at, going.due_at, deadline.granted, own)
    going = _not_after(replace(going, paused=deadline.paused + stood, outrun=_later(deadline, since, at, rules)))
    if deadline.warn_at is not None and deadline.next_step == YELLOW:
        after_the_warning = calendar.between(
            deadline.warn_at, deadline.due_at, deadline.granted, calendar_of(deadline, rules)
        )
        warn_at = calendar.later(begins(going, rules), max(kept - after_the_warning, NOTHING), deadline.granted, own)
        going = replace(going, warn_at=warn_at, next_at=min(warn_at, going.due_at))
    return going


def leave_out(deadline: Deadline, since: datetime, at: datetime, rules: Rules) -> Deadline:
    """One that has ended, but may be reinstated yet: the time in between is not counted then."""
    after = resume(replace(deadline, left=left(deadline, since, rules), ended_at=since), at, rules)
    return replace(
        after,
        state=deadline.state,
        next_at=None,
        ended_at=deadline.ended_at,
        cause=deadline.cause,
        raised_at=at if deadline.raised_at is not None and deadline.raised_at >= since else deadline.raised_at,
    )


def booked(deadline: Deadline, kept: timedelta, at: datetime, rules: Rules) -> Deadline:
    """What was used but for what is kept is written down; from `at` on it counts by the calendars in force."""
    return replace(
        deadline,
        used_before=granted_in_all(deadline, rules) - kept,
        counts_from=max(at, begins(deadline, rules)),
        calendar_version=rules.calendars.version,
    )


def due_with(deadline: Deadline, length: timedelta, rules: Rules) -> Deadline:
    """Due when so much more of its own time has passed from where it counts, by the calendars in force."""
    assert deadline.counts_from is not None, "it was booked"
    due = calendar.due_after(deadline.counts_from, length, deadline.granted, rules.calendar_of(deadline.unit))
    return replace(deadline, due_at=due.at, next_at=due.at, provisional=due.provisional)


# --- it gets longer, or shorter ---------------------------------------------------------------------------------


def lengthened(deadline: Deadline, share: float, at: datetime, rules: Rules) -> Due:
    """When it is due with so much of the limit first granted added to it."""
    more = share * whole(deadline, rules)
    since, kept = max(at, begins(deadline, rules)), left(deadline, at, rules)
    if not kept:
        since = deadline.due_at
    return calendar.due_after(since, kept + more, deadline.granted, rules.calendar_of(deadline.unit))


def set_anew(deadline: Deadline, generation: int, due: Due, at: datetime, rules: Rules) -> Deadline:
    """The same clock with another due time, as another generation of it."""
    until = min(at, deadline.due_at)
    return with_its_warning(
        replace(
            booked(deadline, left(deadline, until, rules), until, rules),
            generation=generation,
            due_at=due.at,
            provisional=due.provisional,
            state=State.ARMED,
            fired_at=None,
            ladder_from=None,
            outrun=None,
        ),
        rules,
    )


def by_plan(deadline: Deadline, generation: int, until: datetime, at: datetime, rules: Rules) -> Deadline | None:
    """The same clock until a plan ends, but not for less than without one; None where that changes nothing."""
    due = max(until, without_plan(deadline, at, rules))
    if due <= at or due == deadline.due_at:
        return None
    own = rules.calendar_of(deadline.unit)
    more = calendar.between(deadline.due_at, due, deadline.granted, own)
    less = calendar.between(due, deadline.due_at, deadline.granted, own)
    return replace(set_anew(deadline, generation, Due(due, at), at, rules), planned=deadline.planned + more - less)


def without_plan(deadline: Deadline, at: datetime, rules: Rules) -> datetime:
    """`at` where that is past."""
    if not deadline.planned:
        return deadline.due_at
    kept = max(left(deadline, at, rules) - deadline.planned, NOTHING)
    since = max(at, begins(deadline, rules))
    return calendar.later(since, kept, deadline.granted, rules.calendar_of(deadline.unit)) if kept else at


def hand_on(deadline: Deadline, unit: str, generation: int) -> Deadline:
    """The same clock for another unit. What its predecessor was overdue with is said once more, now of itself."""
    mine = replace(deadline, unit=unit, generation=generation)
    if deadline.fired_at is None:
        return mine
    state = State.PAUSED if deadline.state is State.PAUSED else State.ARMED
    return replace(mine, state=state, fired_at=None, ladder_from=None, next_step=RED, next_at=deadline.due_at)


# --- a limit that was outrun ------------------------------------------------------------------------------------


def outrunning(before: Deadline, fresh: Deadline, rules: Rules) -> Deadline:
    """The fresh one counts in the place of the one before, which still holds where it counts another kind of time:
    the sooner of the two is due, however long they stand still."""
    limit, known = before.granted, before.outrun
    if fresh.granted is None:
        return fresh
    if limit is not None and _is_working(limit) != _is_working(fresh.granted):
        return replace(fresh, outrun=Outrun(limit, begins(before, rules), before.due_at))
    keeps = known is not None and _is_working(known.limit) != _is_working(fresh.granted)
    return replace(fresh, outrun=known if keeps else None)


def _later(deadline: Deadline, since: datetime, at: datetime, rules: Rules) -> Outrun | None:
    """The outrun limit goes on with what was left of it, too."""
    outrun = deadline.outrun
    if outrun is None:
        return None
    kept = calendar.between(max(since, outrun.counts_from), outrun.due_at, outrun.limit, calendar_of(deadline, rules))
    begun = max(at, outrun.counts_from)
    due = calendar.due_after(begun, kept, outrun.limit, rules.calendar_of(deadline.unit))
    return Outrun(outrun.limit, begun, due.at)


def _not_after(deadline: Deadline) -> Deadline:
    outrun = deadline.outrun
    if outrun is None or outrun.due_at >= deadline.due_at:
        return deadline
    return replace(deadline, due_at=outrun.due_at, next_at=outrun.due_at)


def _is_working(limit: Limit) -> bool:
    return limit.unit in (TimeUnit.WORKING_HOUR, TimeUnit.WORKING_DAY)
