"""A case's clock: which fact starts, meets or cancels which obligation. The whole of it, pure.

| obligation | owed by | starts with | met by | cancelled by |
|---|---|---|---|---|
| accept | whistle-blower | opened | accepted, declined | |
| dispatch | hub, then the desk | accepted | dispatched | sent to another desk |
| sign_in | each unit | dispatched, rework | signed in, refused, done | unit released, handled |
| rule_on_refusal | hub | refused (refusal review) | leaving the review | |
| designate | hub | refused (consultation) | leaving the consultation | |
| first_contact | each unit | dispatched, rework | progress with contact, done | unit released, handled |
| handle | each unit | dispatched, rework | done | unit released, handled |
| check | whistle-blower | handled | checked | rework ordered before it |
| rate | whistle-blower | handled | closed in time, rework the resident asked for | lapsed, other rework |
| archive | hub | closed | archived | rework ordered |

Nobody gains time. A refusal meets the sign-in and stops nothing else; where it is dismissed, the sign-in goes
on under its first due time, however long the ruling took. Until another unit has the case the first receiver
stays accountable (首接负责), whatever was ruled. A unit given the case again while its clock runs keeps it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from services.sla.domain import deadline as one
from services.sla.domain.deadline import Deadline, Rules, State
from services.sla.domain.limit import Limit
from shared.contracts import facts as f
from shared.contracts.vocabulary import Obligation, ReworkCause, Stage, Urgency

OWED_BY_A_UNIT = (Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE)
UNDER_REVIEW = {Stage.REFUSAL_REVIEW: Obligation.RULE_ON_REFUSAL, Stage.CONSULTATION: Obligation.DESIGNATE}


class ClockState(BaseModel):
    """What the clock knows of a case. `refused_by` = the unit whose refusal is being argued.

    `deadlines` are rows of their own; the rest is kept as JSON.
    """

    model_config = ConfigDict(frozen=True)

    urgency: Urgency
    category: tuple[str, ...] = ()
    whistle_blower: str
    refused_by: str | None = None
    deadlines: tuple[Deadline, ...] = Field(default=(), exclude=True)

    def live(self, *obligations: Obligation, unit: str | None = None) -> list[Deadline]:
        """Deadlines that run, of these obligations (all without any) and this unit (any without one)."""
        return [
            deadline
            for deadline in self.deadlines
            if deadline.is_live
            and (not obligations or deadline.obligation in obligations)
            and unit in (None, deadline.unit)
        ]


# --- until it is dispatched ----------------------------------------------------------------------------------


def opened(_: ClockState | None, fact: f.CaseOpened, at: datetime, rules: Rules) -> ClockState:
    matter = fact.matter
    state = ClockState(urgency=matter.urgency, category=matter.category, whistle_blower=matter.whistle_blower)
    return _armed(state, matter.whistle_blower, (Obligation.ACCEPT,), at, rules)


def accepted(state: ClockState, fact: f.CaseAccepted, at: datetime, rules: Rules) -> ClockState:
    state = state.model_copy(update={"urgency": fact.urgency, "category": fact.category})
    state = _ended(state, state.live(Obligation.ACCEPT), State.MET, at, fact)
    return _armed(state, rules.hub, (Obligation.DISPATCH,), at, rules)


def declined(state: ClockState, fact: f.CaseDeclined, at: datetime, _: Rules) -> ClockState:
    return _ended(state, state.live(), State.MET, at, fact)


def sent_to_desk(state: ClockState, fact: f.CaseSentToDesk, at: datetime, rules: Rules) -> ClockState:
    """Another desk takes over the time that is left; it gets none of its own."""
    elsewhere = [deadline for deadline in state.live(Obligation.DISPATCH) if deadline.unit != fact.desk]
    if not elsewhere:
        return state
    state = _ended(state, elsewhere, State.CANCELLED, at, fact)
    return _armed(state, fact.desk, (Obligation.DISPATCH,), elsewhere[0].started_at, rules)


def dispatched(state: ClockState, fact: f.CaseDispatched, at: datetime, rules: Rules) -> ClockState:
    """The assignments named are those in effect: a unit that has its clock keeps it, others begin or are released."""
    state = _ended(state, state.live(Obligation.DISPATCH, *UNDER_REVIEW.values()), State.MET, at, fact)
    units = [assignment.unit for assignment in fact.assignments]
    if state.refused_by is not None:
        state = _refusal_settled(state, state.refused_by in units, at, fact, rules)
    released = [deadline for deadline in state.live(*OWED_BY_A_UNIT) if deadline.unit not in units]
    state = _ended(state, released, State.CANCELLED, at, fact)
    for unit in units:
        if not state.live(Obligation.HANDLE, unit=unit):
            state = _armed(state, unit, OWED_BY_A_UNIT, at, rules)
    return state


# --- while units have it --------------------------------------------------------------------------------------


def signed_in(state: ClockState, fact: f.CaseSignedIn, at: datetime, _: Rules) -> ClockState:
    return _ended(state, state.live(Obligation.SIGN_IN, unit=fact.unit), State.MET, at, fact)


def refused(state: ClockState, fact: f.CaseRefused, at: datetime, rules: Rules) -> ClockState:
    """The refuser has answered in time or late; its other clocks go on. The hub's clock starts."""
    state = _ended(state, state.live(Obligation.SIGN_IN, unit=fact.unit), State.MET, at, fact)
    state = state.model_copy(update={"refused_by": fact.unit})
    owed = UNDER_REVIEW.get(fact.stage)
    return state if owed is None else _armed(state, rules.hub, (owed,), at, rules)


def ruled(state: ClockState, fact: f.CaseRefusalRuled, at: datetime, rules: Rules) -> ClockState:
    """Nothing changes until the case leaves the review: the hub still owes, the refuser is still accountable."""
    if fact.stage in UNDER_REVIEW:
        return state
    state = _ended(state, state.live(*UNDER_REVIEW.values()), State.MET, at, fact)
    others = [deadline for deadline in state.live(Obligation.HANDLE) if deadline.unit != fact.unit]
    return _refusal_settled(state, not (fact.upheld and others), at, fact, rules)


def progressed(state: ClockState, fact: f.CaseProgressed, at: datetime, _: Rules) -> ClockState:
    if not fact.contacted:
        return state
    return _ended(state, state.live(Obligation.FIRST_CONTACT, unit=fact.unit), State.MET, at, fact)


def unit_done(state: ClockState, fact: f.CaseUnitDone, at: datetime, _: Rules) -> ClockState:
    return _ended(state, state.live(*OWED_BY_A_UNIT, unit=fact.unit), State.MET, at, fact)


# --- verdict ---------------------------------------------------------------------------------------------------


def handled(state: ClockState, fact: f.CaseHandled, at: datetime, rules: Rules) -> ClockState:
    """Who still owed something was released. The whistle-blower's turn."""
    state = _ended(state, state.live(), State.CANCELLED, at, fact)
    state = state.model_copy(update={"whistle_blower": fact.whistle_blower, "refused_by": None})
    return _armed(state, fact.whistle_blower, (Obligation.CHECK, Obligation.RATE), at, rules)


def checked(state: ClockState, fact: f.CaseChecked, at: datetime, _: Rules) -> ClockState:
    return _ended(state, state.live(Obligation.CHECK), State.MET, at, fact)


def rework_ordered(state: ClockState, fact: f.CaseReworkOrdered, at: datetime, rules: Rules) -> ClockState:
    """A new generation with a shorter clock. A rating that led to it was given; any other became pointless."""
    if fact.cause is ReworkCause.RESIDENT_UNSATISFIED:
        state = _ended(state, state.live(Obligation.RATE), State.MET, at, fact)
    state = _ended(state, state.live(), State.CANCELLED, at, fact)
    for assignment in fact.assignments:
        state = _armed(state, assignment.unit, OWED_BY_A_UNIT, at, rules, rules.policy.rework_factor)
    return state


def closed(state: ClockState, fact: f.CaseClosed, at: datetime, rules: Rules) -> ClockState:
    """A rating whose time ran out has lapsed: it was not given, and is owed no more."""
    lapsed = [deadline for deadline in state.live(Obligation.RATE) if deadline.state is State.OVERDUE]
    state = _ended(state, lapsed, State.CANCELLED, at, fact)
    state = _ended(state, state.live(), State.MET, at, fact)
    return _armed(state, rules.hub, (Obligation.ARCHIVE,), at, rules)


def archived(state: ClockState, fact: f.CaseArchived, at: datetime, _: Rules) -> ClockState:
    return _ended(state, state.live(), State.MET, at, fact)


# --- when time runs out ------------------------------------------------------------------------------------------


class DeadlineReached(BaseModel):
    """The timer found that a deadline's next step is due. `at` = when it was due."""

    model_config = ConfigDict(frozen=True)

    unit: str
    obligation: Obligation
    generation: int
    step: int
    at: datetime


def reached(
    state: ClockState, found: DeadlineReached, now: datetime, rules: Rules
) -> tuple[ClockState, f.DeadlineFact | None]:
    """The step is taken once and never early: not if it was taken, if it ended, or if its time has not come."""
    for deadline in state.live(found.obligation, unit=found.unit):
        if (deadline.generation, deadline.next_step) == (found.generation, found.step) and found.at <= now:
            after, stated = one.reach(deadline, now, rules)
            return _replaced(state, [(deadline, after)]), stated
    return state, None


# --- changing the list -------------------------------------------------------------------------------------------


def _armed(
    state: ClockState, unit: str, owed: Sequence[Obligation], at: datetime, rules: Rules, factor: float = 1
) -> ClockState:
    """Start these obligations of a unit, each as the next generation of its kind."""
    new = [
        one.arm(
            unit,
            obligation,
            1 + max((known.generation for known in _of(state, unit, obligation)), default=0),
            _limit(state, obligation, rules, factor),
            at,
            rules,
        )
        for obligation in owed
    ]
    return state.model_copy(update={"deadlines": (*state.deadlines, *new)})


def _limit(state: ClockState, obligation: Obligation, rules: Rules, factor: float) -> Limit:
    limit = rules.policy.limit(obligation, state.urgency)
    return limit if factor == 1 else limit.times(factor)


def _ended(state: ClockState, ending: Iterable[Deadline], how: State, at: datetime, fact: f.CaseFact) -> ClockState:
    return _replaced(state, [(deadline, one.end(deadline, how, at, fact.NAME)) for deadline in ending])


def _refusal_settled(state: ClockState, stays: bool, at: datetime, fact: f.CaseFact, rules: Rules) -> ClockState:
    """The refuser goes on with the clocks it had, or is released from all of them."""
    unit = state.refused_by
    state = state.model_copy(update={"refused_by": None})
    if unit is None:
        return state
    if not stays:
        return _ended(state, state.live(*OWED_BY_A_UNIT, unit=unit), State.CANCELLED, at, fact)
    latest = max(_of(state, unit, Obligation.SIGN_IN), key=lambda deadline: deadline.generation, default=None)
    if latest is None or latest.cause != f.CaseRefused.NAME:
        return state
    return _replaced(state, [(latest, one.resume(latest, rules))])


def _of(state: ClockState, unit: str, obligation: Obligation) -> list[Deadline]:
    return [known for known in state.deadlines if (known.unit, known.obligation) == (unit, obligation)]


def _replaced(state: ClockState, changes: Iterable[tuple[Deadline, Deadline]]) -> ClockState:
    new = {id(before): after for before, after in changes}
    if not new:
        return state
    deadlines = tuple(new.get(id(deadline), deadline) for deadline in state.deadlines)
    return state.model_copy(update={"deadlines": deadlines})
