"""重算: deadlines that run are moved to the policy, or to the calendars, in force, because somebody asked for it.

Never to the good or harm of past time. What is overdue stays so, and no step is taken twice. By a policy, the share of
the limit that was used stays used; by calendars, what is left of it is what was left. Nothing becomes due in the past,
nor later than it was unless that was asked for, and a date that people have set stays as they set it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from services.sla.domain import calendar
from services.sla.domain.announcing import as_limit
from services.sla.domain.clock_state import ClockState, grants, replaced
from services.sla.domain.deadline import (
    NOTHING,
    RED,
    YELLOW,
    Deadline,
    State,
    calendar_of,
    left,
    policy_of,
    replace,
    used,
    whole,
    with_its_warning,
)
from services.sla.domain.limit import DAYS
from services.sla.domain.moves import booked, without_plan
from services.sla.domain.policy import Granted
from services.sla.domain.rules import Rules
from services.sla.domain.steps import step_at
from shared.contracts.facts import Actor, DeadlineSet
from shared.contracts.vocabulary import LimitCause


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What was asked for: to go by this version of the policy, or of the calendars.

    `lengthen`: also where that makes something due later. `provisional_only`: nothing but what rests on a year that
    was not published.
    """

    id: int
    kind: LimitCause
    version: str
    lengthen: bool
    actor: Actor
    note: str
    provisional_only: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """One deadline before and after. `kept`: it would be due later, and that was not asked for."""

    before: Deadline
    after: Deadline
    kept: bool = False

    @property
    def shift(self) -> timedelta:
        """How much later it is due. One that stands still is due as if it had not stopped."""
        return self.after.due_at - self.before.due_at

    @property
    def is_told(self) -> bool:
        """Whether anything is another that its unit was told."""
        return any(getattr(self.before, name) != getattr(self.after, name) for name in _TOLD)


_TOLD = ("due_at", "warn_at", "left", "granted", "provisional")

_Found: TypeAlias = tuple[Deadline, bool]
"""A deadline, and whether it was kept from becoming due later."""


def is_in_force(asked: Reckoning, rules: Rules) -> bool:
    """Whether what was asked for is still what new obligations go by; if not, somebody has to ask anew."""
    return asked.version == version_in_force(asked.kind, rules)


def version_in_force(kind: LimitCause, rules: Rules) -> str:
    return rules.policy.version if kind is LimitCause.POLICY else rules.calendars.version


def reckon(state: ClockState, asked: Reckoning, now: datetime, rules: Rules) -> tuple[ClockState, tuple[Changed, ...]]:
    """The case with its deadlines moved, and what was looked at: every deadline that runs or may go on, by a limit.

    The same again changes nothing. Nor does a version that is no longer in force.
    """
    if not is_in_force(asked, rules):
        return state, ()
    found = []
    for deadline in state.deadlines:
        if not _concerns(asked, deadline, state):
            continue
        by = _by_policy if asked.kind is LimitCause.POLICY else _by_calendar
        after, kept = by(state, deadline, asked.lengthen, now, rules)
        found.append(Changed(deadline, after, kept))
    moved = [(one.before, one.after) for one in found if one.after != one.before]
    return replaced(state, moved), tuple(found)


def entries(state: ClockState, asked: Reckoning, changed: Iterable[Changed]) -> tuple[DeadlineSet, ...]:
    """The entries for the audit: for each unit what it owes by when now, who asked for that, and why."""
    units: dict[str, list[Deadline]] = {}
    for one in changed:
        if one.is_told and one.after.is_open:
            units.setdefault(one.after.unit, []).append(one.after)
    return tuple(
        DeadlineSet(
            unit=unit,
            round=state.round,
            cause=asked.kind,
            by=asked.version,
            limits=tuple(as_limit(deadline) for deadline in theirs),
            actor=asked.actor,
            note=asked.note,
        )
        for unit, theirs in units.items()
    )


def _concerns(asked: Reckoning, deadline: Deadline, state: ClockState) -> bool:
    if deadline.granted is None or (asked.provisional_only and not deadline.provisional):
        return False
    may_go_on = deadline.left is not None and deadline is state.latest(deadline.obligation, deadline.unit)
    return deadline.is_open or may_go_on


# --- by a policy --------------------------------------------------------------------------------------------------


def _by_policy(state: ClockState, deadline: Deadline, lengthen: bool, now: datetime, rules: Rules) -> _Found:
    version = rules.policy.version
    if _is_past(deadline, now):
        return _on_its_ladder(replace(deadline, policy_version=version), now, rules), False
    granted = _granted(state, deadline, rules)
    if granted.limit == deadline.granted:
        same = replace(deadline, policy_version=version, basis=granted.basis)
        return _warned_by_its_policy(deadline, same, now, rules), False
    carried = replace(deadline, policy_version=version)
    at = _stopped(deadline, now)
    after = _with_its_share(carried, granted, at, rules)
    if not lengthen and without_plan(after, at, rules) > without_plan(deadline, at, rules):
        return _warned_by_its_policy(deadline, carried, now, rules), True
    return _with_steps(deadline, after, now, rules), False


def _granted(state: ClockState, deadline: Deadline, rules: Rules) -> Granted:
    """What it would have been granted: the stricter of what the policy says and what the catalogue does."""
    own = calendar_of(deadline, rules)
    candidates = grants(state.model_copy(update={"urgency": deadline.urgency}), deadline.obligation, rules)
    return min(candidates, key=lambda one: calendar.due(deadline.started_at, one.limit, own).at)


def _with_its_share(deadline: Deadline, granted: Granted, at: datetime, rules: Rules) -> Deadline:
    """Of the other limit, with what was added to it, as large a part is used as was of the one before."""
    rest = max(_rest(deadline, at, rules) - deadline.planned, NOTHING)
    had = used(deadline, at, rules) + rest
    fresh = replace(deadline, granted=granted.limit, basis=granted.basis, counts_from=None)
    first = whole(deadline, rules)
    has = whole(fresh, rules) * (had / first)
    own_left = has * (rest / had) if had else NOTHING
    begins = max(at, _counts_from(fresh, rules))
    if deadline.left is not None and deadline.planned:
        # What is left until the plan ends was counted from there: from any sooner it would be more.
        begins = max(begins, deadline.counts_from or _counts_from(deadline, rules))
    begun = replace(fresh, used_before=has - own_left, counts_from=begins)
    return _due_with(deadline, begun, own_left, rules)


def _counts_from(deadline: Deadline, rules: Rules) -> datetime:
    return calendar.counts_from(deadline.started_at, deadline.granted, calendar_of(deadline, rules))


def _warned_by_its_policy(before: Deadline, after: Deadline, now: datetime, rules: Rules) -> Deadline:
    """Due when it was; the warning moves only where the policies differ in it."""
    parts = [policy_of(one, rules).warns_at(one.obligation, one.urgency) for one in (before, after)]
    return after if parts[0] == parts[1] else _with_steps(before, after, now, rules)


def _on_its_ladder(deadline: Deadline, now: datetime, rules: Rules) -> Deadline:
    """The rungs that are still to come are the other policy's. One whose time has come is taken as it is."""
    waits = deadline.next_at is not None and deadline.next_at <= now
    if deadline.state is not State.OVERDUE or waits:
        return deadline
    at = step_at(deadline, deadline.next_step, rules)
    return replace(deadline, next_at=None if at is None else max(at, now))


# --- by the calendars ---------------------------------------------------------------------------------------------


def _by_calendar(_: ClockState, deadline: Deadline, lengthen: bool, now: datetime, rules: Rules) -> _Found:
    """What stands still has its own time left, which is no calendar's; it goes on by the one that is in force then."""
    stands = deadline.left is not None or deadline.state is State.PAUSED
    if stands or deadline.calendar_version == rules.calendars.version or _is_past(deadline, now):
        return deadline, False
    after = _as_first_granted(deadline, now, rules) or _with_what_is_left(deadline, now, rules)
    if not lengthen and after.due_at > deadline.due_at:
        return deadline, True
    return (_with_steps(deadline, after, now, rules) if after.due_at != deadline.due_at else after), False


def _as_first_granted(deadline: Deadline, now: datetime, rules: Rules) -> Deadline | None:
    """A plain count of days is what the calendar says it is; None for what is counted otherwise, or has passed."""
    limit = deadline.granted
    if limit is None or limit.unit not in DAYS or deadline.used_before or deadline.paused or deadline.outrun:
        return None
    if deadline.planned or calendar.due(deadline.started_at, limit, calendar_of(deadline, rules)).at != deadline.due_at:
        return None
    due = calendar.due(deadline.started_at, limit, rules.calendar_of(deadline.unit))
    if due.at < now:
        now_due = booked(deadline, left(deadline, now, rules), now, rules)
        return replace(now_due, due_at=now, provisional=due.provisional)
    return replace(
        deadline,
        due_at=due.at,
        provisional=due.provisional,
        counts_from=due.counts_from,
        calendar_version=rules.calendars.version,
    )


def _with_what_is_left(deadline: Deadline, now: datetime, rules: Rules) -> Deadline:
    rest = left(deadline, now, rules)
    after = _due_with(deadline, booked(deadline, rest, now, rules), max(rest - deadline.planned, NOTHING), rules)
    same = left(replace(after, due_at=deadline.due_at), now, rules) == rest
    return replace(after, due_at=deadline.due_at, planned=deadline.planned) if same else after


# --- either way ---------------------------------------------------------------------------------------------------


def _is_past(deadline: Deadline, now: datetime) -> bool:
    """Its time has run out, whether that was said yet or not."""
    if deadline.fired_at is not None:
        return True
    return deadline.due_at <= now if deadline.left is None else not deadline.left


def _stopped(deadline: Deadline, now: datetime) -> datetime:
    """Up to when it has run."""
    return deadline.paused_at or deadline.ended_at or now


def _rest(deadline: Deadline, at: datetime, rules: Rules) -> timedelta:
    return deadline.left if deadline.left is not None else left(deadline, at, rules)


def _due_with(before: Deadline, begun: Deadline, own_left: timedelta, rules: Rules) -> Deadline:
    """Due when so much of its own time has passed from where it counts, but not before the end of the plan in force;
    and not after the limit that a higher urgency has outrun."""
    assert begun.counts_from is not None, "what was used is written down"
    own = calendar_of(begun, rules)
    due = calendar.due_after(begun.counts_from, own_left, begun.granted, own)
    at, provisional, planned = due.at, due.provisional, NOTHING
    if before.planned and before.due_at > at:
        at, provisional = before.due_at, before.provisional
        planned = calendar.between(due.at, at, begun.granted, own)
    if begun.outrun is not None:
        at = min(at, begun.outrun.due_at)
    after = replace(begun, due_at=at, provisional=provisional, planned=planned)
    return after if before.left is None else replace(after, left=own_left + planned)


def _with_steps(before: Deadline, after: Deadline, now: datetime, rules: Rules) -> Deadline:
    """A warning that was said is not said again; one that was not moves along. What stands still takes no step."""
    was_said = before.next_step != YELLOW and before.warn_at is not None
    after = replace(after, next_step=RED, next_at=after.due_at) if was_said else with_its_warning(after, rules)
    if after.state is not State.ARMED:
        return replace(after, next_at=None)
    if after.next_step == YELLOW and after.warn_at is not None and after.warn_at < now:
        return replace(after, warn_at=now, next_at=now)
    return after
