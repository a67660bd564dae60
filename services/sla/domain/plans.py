"""阶段性事项: a plan with its milestones. It is the lead's, and what units have to handle goes on until it ends."""

from collections.abc import Iterable
from datetime import datetime

from services.sla.domain import clock_state as held
from services.sla.domain import deadline as one
from services.sla.domain import moves, parts
from services.sla.domain.clock_state import ClockState
from services.sla.domain.deadline import Deadline, State
from services.sla.domain.rules import Rules
from shared.contracts import facts as f
from shared.contracts.vocabulary import Obligation


def begun(state: ClockState, lead: str, fact: f.CaseListed, at: datetime, rules: Rules) -> ClockState:
    """A plan replaces the one before. Where it ends sooner, what units have to handle comes back with it, though not
    to before it were due without any plan."""
    generations = numbered(state, [step.number for step in fact.milestones])
    milestones = [
        one.arm_until(
            lead,
            Obligation.MILESTONE,
            generations[step.number],
            step.due_at,
            at,
            rules,
            state.round,
            state.urgency,
        )
        for step in fact.milestones
    ]
    state = held.added(state, milestones).model_copy(update={"milestones": generations})
    until = max(step.due_at for step in fact.milestones)
    handling = [
        (known, moves.by_plan(known, known.generation + 1, until, at, rules)) for known in state.open(Obligation.HANDLE)
    ]
    return parts.renewed(state, handling, at, fact)


def led_by(state: ClockState, lead: str, at: datetime, fact: f.CaseDispatched, rules: Rules) -> ClockState:
    """What is left of the plan is the lead's, whoever that is now; what is overdue remains who let it pass."""
    state = state.model_copy(update={"lead": lead})
    if not state.milestones:
        return state
    plan = [
        known for known in held.all_of(state, Obligation.MILESTONE) if known.generation in state.milestones.values()
    ]
    taken_away = [known for known in plan if not known.is_open and known.left is not None]
    state = parts.gone_on(state, taken_away, at, fact, rules)
    steps = {
        number: known
        for known in state.open(Obligation.MILESTONE)
        for number, generation in state.milestones.items()
        if known.generation == generation and known.unit != lead and known.fired_at is None
    }
    generations = numbered(state, steps)
    new = [moves.hand_on(known, lead, generations[number]) for number, known in steps.items()]
    state = held.added(held.ended(state, steps.values(), State.CANCELLED, at, fact), new)
    return state.model_copy(update={"milestones": state.milestones | generations})


def numbered(state: ClockState, milestones: Iterable[int]) -> dict[int, int]:
    """The next generations for these milestones. No two milestones of a case share one, whoever leads it."""
    used_up = max((known.generation for known in held.all_of(state, Obligation.MILESTONE)), default=0)
    return {number: used_up + place for place, number in enumerate(milestones, start=1)}


def met_by(state: ClockState, unit: str) -> list[Deadline]:
    """The milestones that are met when this unit is done: all of them by the lead, whoever let them pass. A unit that
    led before is done without them."""
    if not state.lead:  # a case from before release 0.2
        return state.open(Obligation.MILESTONE, unit=unit)
    return state.open(Obligation.MILESTONE) if unit == state.lead else []


def ends(state: ClockState, at: datetime) -> datetime | None:
    """When the plan in force ends; None without one."""
    plan = state.open(Obligation.MILESTONE)
    return max((step.due_at if step.left is None else at + step.left for step in plan), default=None)
