"""A deadline's time comes: the warning (黄灯), the end (红灯), and the rungs of the ladder after it (督办阶梯)."""

from datetime import datetime

from services.sla.domain import calendar
from services.sla.domain.deadline import RED, YELLOW, Deadline, State, policy_of, replace
from services.sla.domain.limit import Limit
from services.sla.domain.policy import Rung, Told
from services.sla.domain.rules import Rules
from shared.contracts.facts import DeadlineEscalated, DeadlineOverdue, DeadlineStep, DeadlineWarned, Recipient


def reach(deadline: Deadline, now: datetime, rules: Rules) -> tuple[Deadline, DeadlineStep | None]:
    """Take the next step, whose time has come; None where the policy knows that step no more.

    A warning that was held up until the time was used up says nothing any more: it is red at once.
    """
    step = RED if deadline.next_step == YELLOW and now >= deadline.due_at else deadline.next_step
    stated = _stated(deadline, step, now, rules)
    state, fired_at = (State.OVERDUE, now) if step == RED else (deadline.state, deadline.fired_at)
    following = step + 1
    next_at = step_at(deadline, following, rules)
    if deadline.state is State.PAUSED:
        state, next_at = State.PAUSED, None
    return replace(deadline, state=state, fired_at=fired_at, next_step=following, next_at=next_at), stated


def ran_out(deadline: Deadline, at: datetime) -> bool:
    """Whether its time was over before then and nobody has said so yet. Met at the very moment is met in time."""
    return deadline.state is State.ARMED and deadline.fired_at is None and deadline.due_at < at


def step_at(deadline: Deadline, step: int, rules: Rules) -> datetime | None:
    """When a step is to be taken; None if there is no such step. The ladder goes by the calendar in force."""
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
    rungs = policy_of(deadline, rules).rungs(deadline.obligation, deadline.urgency)
    return rungs[step - 1] if 1 <= step <= len(rungs) else None


# --- what is said ---------------------------------------------------------------------------------------------


def _stated(deadline: Deadline, step: int, now: datetime, rules: Rules) -> DeadlineStep | None:
    about: dict[str, object] = {
        "obligation": deadline.obligation,
        "unit": deadline.unit,
        "generation": deadline.generation,
        "started_at": deadline.started_at,
        "due_at": deadline.due_at,
        "fired_at": now,
        "policy_version": deadline.policy_version,
        "provisional": deadline.provisional,
        "round": deadline.round,
    }
    if step == YELLOW:
        return DeadlineWarned.model_validate(about)
    if step == RED:
        return DeadlineOverdue.model_validate(about)
    rung = _rung(deadline, step, rules)
    if rung is None:
        return None
    told = recipients(rung, deadline.unit, rules)
    about |= {"rung": step, "recipients": told, "changes": rung.then}
    return DeadlineEscalated.model_validate(about | {"told": tuple(dict.fromkeys(one.unit for one in told))})


def recipients(rung: Rung, unit: str, rules: Rules) -> tuple[Recipient, ...]:
    """Whom a rung tells, each once."""
    units = {Told.UNIT: unit, Told.SUPERVISOR: rules.units.supervisor(unit).code}
    return tuple(dict.fromkeys(Recipient(unit=units.get(who, rules.hub), post=who.post) for who in rung.tell))
