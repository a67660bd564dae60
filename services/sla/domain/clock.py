"""A case's clock: which fact starts, stops, meets or cancels which obligation. The whole of it, pure.

| obligation | owed by | starts with | met by | cancelled by |
|---|---|---|---|---|
| accept | whistle-blower | opened | accepted, declined | |
| dispatch | hub, then the desk | accepted, unmerged, taken over | dispatched | sent to another desk |
| sign_in | each unit | dispatched, rework | signed in, refused, done | unit released, handled |
| rule_on_refusal | hub | refused (refusal review) | ruled, or another unit follows | |
| designate | hub | refused (consultation) | ruled, designated | |
| rule_on_request | approver | requested | ruled | suspended; unit done or released |
| first_contact | each unit | dispatched, rework | progress with contact, done | unit released, handled |
| handle | each unit | dispatched, rework | done | unit released, handled |
| milestone | lead | listed with milestones | milestone reached, lead done | listed again |
| review | hub | suspended | resumed | |
| check | whistle-blower | handled | checked | rework ordered before it |
| rate | whistle-blower | handled, answered | closed in time, rework the resident asked for | lapsed, other rework |
| archive | hub | closed | archived | rework ordered |

Withdrawn or merged, a case owes nothing. Suspended, all stand still but the review, and go on with what was left.

Nobody gains time. A unit's clock starts once in a round. A refusal meets the sign-in and stops nothing else; where
it is dismissed, the sign-in goes on under its first due time, however long the ruling took. Until another unit has
the case the first receiver stays accountable (首接负责), whatever was ruled. A unit that loses the case and is given
it again in the same round goes on with what it had left. Only an approved extension or a plan adds to it, and a
higher urgency takes away; a shorter plan in the place of a longer one takes back what that had added. A successor
stands in its predecessor's place, on the same clock. Each deadline keeps to the policy it began under.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from services.sla.domain import clock_state as held
from services.sla.domain import moves, parts, plans, steps
from services.sla.domain.clock_state import (
    OWED_BY_A_UNIT,
    OWED_BY_WHO_WHISTLED,
    UNDER_REVIEW,
    ClockState,
)
from services.sla.domain.deadline import State
from services.sla.domain.rules import Rules
from shared.contracts import facts as f
from shared.contracts.vocabulary import DispatchCause, Obligation, RequestKind, ReworkCause, Role, Stage

# --- until it is dispatched ----------------------------------------------------------------------------------


def opened(_: ClockState | None, fact: f.CaseOpened, at: datetime, rules: Rules) -> ClockState:
    matter = fact.matter
    state = ClockState(
        number=fact.number, urgency=matter.urgency, category=matter.category, whistle_blower=matter.whistle_blower
    )
    return held.armed(state, matter.whistle_blower, (Obligation.ACCEPT,), at, rules)


def accepted(state: ClockState, fact: f.CaseAccepted, at: datetime, rules: Rules) -> ClockState:
    state = state.model_copy(update={"urgency": fact.urgency, "category": fact.category})
    state = held.ended(state, state.open(Obligation.ACCEPT), State.MET, at, fact)
    return held.armed(state, rules.hub, (Obligation.DISPATCH,), at, rules)


def declined(state: ClockState, fact: f.CaseDeclined, at: datetime, _: Rules) -> ClockState:
    return held.ended(state, state.open(), State.MET, at, fact)


def sent_to_desk(state: ClockState, fact: f.CaseSentToDesk, at: datetime, rules: Rules) -> ClockState:
    """Another desk takes over the time that is left, and gets none of its own; one that takes it from units begins."""
    if fact.released:
        state = parts.released(state, {made.unit for made in fact.released}, at, fact, rules)
        state = parts.taken_away(state, state.open(Obligation.MILESTONE), at, fact, rules)
        return held.armed(state, fact.desk, (Obligation.DISPATCH,), at, rules)
    elsewhere = [deadline for deadline in state.open(Obligation.DISPATCH) if deadline.unit != fact.desk]
    return held.handed_on(state, elsewhere, fact.desk, at, fact)


def dispatched(state: ClockState, fact: f.CaseDispatched, at: datetime, rules: Rules) -> ClockState:
    """The assignments named are those in effect: who has its clock keeps it, others begin, go on or lose it."""
    state = state.model_copy(update={"level": fact.level})
    state = held.ended(state, state.open(Obligation.DISPATCH), State.MET, at, fact)
    units = {assignment.unit for assignment in fact.assignments}
    state = parts.released(state, {known.unit for known in state.open(*OWED_BY_A_UNIT)} - units, at, fact, rules)
    if fact.cause is DispatchCause.DESIGNATED or fact.stage not in (*UNDER_REVIEW, Stage.SUSPENDED):
        state = parts.nothing_argued(state, at, fact, rules)
    lead = _lead_of(fact)
    if lead is not None:
        state = plans.led_by(state, lead, at, fact, rules)
    for assignment in fact.assignments:
        if assignment.begun and not state.open(Obligation.HANDLE, unit=assignment.unit):
            state = parts.given(state, assignment.unit, plans.ends(state, at), at, fact, rules)
    return parts.paused(state, at, rules) if state.suspended_at is not None else state


def _lead_of(fact: f.CaseDispatched | f.CaseListed | f.CaseReworkOrdered) -> str | None:
    return next((assignment.unit for assignment in fact.assignments if assignment.role is Role.LEAD), None)


# --- while units have it --------------------------------------------------------------------------------------


def signed_in(state: ClockState, fact: f.CaseSignedIn, at: datetime, _: Rules) -> ClockState:
    return held.ended(state, state.open(Obligation.SIGN_IN, unit=fact.unit), State.MET, at, fact)


def refused(state: ClockState, fact: f.CaseRefused, at: datetime, rules: Rules) -> ClockState:
    """The refuser has answered in time or late; its other clocks go on. The hub's clock starts."""
    state = held.ended(state, state.open(Obligation.SIGN_IN, unit=fact.unit), State.MET, at, fact)
    owed = UNDER_REVIEW.get(fact.stage)
    return state if owed is None else parts.asked(state, fact.unit, None, rules.hub, owed, at, rules)


def ruled(state: ClockState, fact: f.CaseRefusalRuled, at: datetime, rules: Rules) -> ClockState:
    """An only unit that is let go stays accountable, and the hub owes, until another has the case."""
    if not fact.upheld:
        return parts.argued_no_more(state, (fact.unit,), at, fact, rules)
    if any(known.unit != fact.unit for known in state.open(Obligation.HANDLE)):
        return parts.released(state, {fact.unit}, at, fact, rules)
    return state


def progressed(state: ClockState, fact: f.CaseProgressed, at: datetime, _: Rules) -> ClockState:
    if not fact.contacted:
        return state
    return held.ended(state, state.open(Obligation.FIRST_CONTACT, unit=fact.unit), State.MET, at, fact)


def unit_done(state: ClockState, fact: f.CaseUnitDone, at: datetime, _: Rules) -> ClockState:
    owed = state.open(*OWED_BY_A_UNIT, unit=fact.unit)
    state = held.ended(state, [*owed, *plans.met_by(state, fact.unit)], State.MET, at, fact)
    return parts.settled(state, parts.rulings_for(state, (fact.unit,)), State.CANCELLED, at, fact)


def handed_over(state: ClockState, fact: f.CaseHandedOver, at: datetime, _: Rules) -> ClockState:
    """The same deadlines, now the successor's. One that had a part of its own in this case has names of its own."""
    before, unit = fact.before, fact.unit
    if before == unit:
        return state
    if fact.assignment_id is None:
        if state.whistle_blower == before:
            state = state.model_copy(update={"whistle_blower": unit})
        return held.renamed(state, state.open(*OWED_BY_WHO_WHISTLED, unit=before), unit)
    rulings = tuple(
        ruling.model_copy(update={"asker": unit}) if ruling.asker == before else ruling for ruling in state.rulings
    )
    lead = unit if state.lead == before else state.lead
    state = state.model_copy(update={"rulings": rulings, "lead": lead})
    state = held.renamed(state, state.open(Obligation.MILESTONE, unit=before), unit)
    theirs = [
        known
        for obligation in OWED_BY_A_UNIT
        for known in held.all_of_unit(state, obligation, before)
        if known.round == state.round
    ]
    names = {(known.obligation, known.generation) for known in state.deadlines if known.unit == unit}
    if names.isdisjoint((known.obligation, known.generation) for known in theirs):
        used_up = max((known.generation for known in theirs), default=0)
        state = state.model_copy(update={"handed_over": state.handed_over | {before: used_up}})
        return held.renamed(state, theirs, unit)
    argued = [known for known in parts.argued(state) if known.unit == before]
    state = held.renamed(state, argued, unit, held.next_generation(state, Obligation.SIGN_IN, unit))
    return held.handed_on(state, [known for known in theirs if known.is_open], unit, at, fact)


# --- what adds to a unit's time, or takes from it ---------------------------------------------------------------


def requested(state: ClockState, fact: f.CaseRequested, at: datetime, rules: Rules) -> ClockState:
    """The unit's clock goes on. The approver's starts."""
    return parts.asked(state, fact.unit, fact.kind, fact.approver, Obligation.RULE_ON_REQUEST, at, rules)


def request_ruled(state: ClockState, fact: f.CaseRequestRuled, at: datetime, rules: Rules) -> ClockState:
    this = [ruling for ruling in parts.rulings_for(state, (fact.unit,)) if ruling.kind is fact.kind]
    state = parts.settled(state, this, State.MET, at, fact)
    if not fact.approved:
        return state
    if fact.kind is RequestKind.SUSPENSION:
        return parts.suspended(state, fact.until, at, fact, rules)
    return parts.extended(state, fact.unit, fact.share or 0, at, fact, rules)


def listed(state: ClockState, fact: f.CaseListed, at: datetime, rules: Rules) -> ClockState:
    state = held.ended(state, state.open(Obligation.MILESTONE), State.CANCELLED, at, fact)
    lead = _lead_of(fact) or state.lead
    state = state.model_copy(update={"milestones": {}, "lead": lead})
    if fact.milestones and lead:
        state = plans.begun(state, lead, fact, at, rules)
    return parts.suspended(state, fact.review_at, at, fact, rules) if fact.stage is Stage.SUSPENDED else state


def milestone_reached(state: ClockState, fact: f.CaseMilestoneReached, at: datetime, _: Rules) -> ClockState:
    generation = state.milestones.get(fact.milestone)
    step = [known for known in state.open(Obligation.MILESTONE) if known.generation == generation]
    return held.ended(state, step, State.MET, at, fact)


def resumed(state: ClockState, fact: f.CaseResumed, at: datetime, rules: Rules) -> ClockState:
    """Everything goes on with what was left; a refusal that is argued was not judged meanwhile."""
    state = held.ended(state, state.open(Obligation.REVIEW), State.MET, at, fact)
    state = parts.gone_on(state, [known for known in state.open() if known.state is State.PAUSED], at, fact, rules)
    since = state.suspended_at
    if since is None:
        return state
    state = held.replaced(state, [(known, moves.leave_out(known, since, at, rules)) for known in parts.argued(state)])
    return state.model_copy(update={"suspended_at": None})


def reprioritised(state: ClockState, fact: f.CaseReprioritised, at: datetime, rules: Rules) -> ClockState:
    """Raised: a unit has the new limit from now at most. Lowered: what runs stays as it is."""
    is_raised = fact.urgency.is_stricter_than(state.urgency)
    state = state.model_copy(update={"urgency": fact.urgency})
    return parts.raised(state, at, fact, rules) if is_raised else state


# --- it goes elsewhere -------------------------------------------------------------------------------------------


def withdrawn(state: ClockState, fact: f.CaseWithdrawn, at: datetime, _: Rules) -> ClockState:
    return parts.nothing_pending(held.ended(state, state.open(), State.CANCELLED, at, fact))


def merged(state: ClockState, fact: f.CaseMerged, at: datetime, rules: Rules) -> ClockState:
    """Nothing is owed in it any more. What was left is kept: it may be undone."""
    return parts.nothing_pending(parts.taken_away(state, [*state.open(), *parts.argued(state)], at, fact, rules))


def unmerged(state: ClockState, fact: f.CaseUnmerged, at: datetime, rules: Rules) -> ClockState:
    """To be dispatched again, and at once with what was left where it never had been."""
    before = [known for known in held.all_of(state, Obligation.DISPATCH) if known.cause == f.CaseMerged.NAME]
    if before:
        return parts.gone_on(state, before[-1:], at, fact, rules)
    return held.armed(state, rules.hub, (Obligation.DISPATCH,), at, rules)


def answered(state: ClockState, fact: f.CaseAnswered, at: datetime, rules: Rules) -> ClockState:
    state = state.model_copy(update={"whistle_blower": fact.whistle_blower})
    return held.armed(state, fact.whistle_blower, (Obligation.RATE,), at, rules, generation=fact.round)


# --- verdict ---------------------------------------------------------------------------------------------------


def handled(state: ClockState, fact: f.CaseHandled, at: datetime, rules: Rules) -> ClockState:
    """Who still owed something was released. The whistle-blower's turn: its generation is the round."""
    state = parts.nothing_pending(held.ended(state, state.open(), State.CANCELLED, at, fact))
    state = state.model_copy(update={"whistle_blower": fact.whistle_blower})
    owed = (Obligation.CHECK, Obligation.RATE)
    return held.armed(state, fact.whistle_blower, owed, at, rules, generation=fact.round)


def checked(state: ClockState, fact: f.CaseChecked, at: datetime, _: Rules) -> ClockState:
    return held.ended(state, state.open(Obligation.CHECK), State.MET, at, fact)


def rework_ordered(state: ClockState, fact: f.CaseReworkOrdered, at: datetime, rules: Rules) -> ClockState:
    """A new round with a shorter clock. A rating that led to it was given; any other became pointless."""
    if fact.cause is ReworkCause.RESIDENT_UNSATISFIED:
        state = held.ended(state, state.open(Obligation.RATE), State.MET, at, fact)
    state = parts.nothing_pending(held.ended(state, state.open(), State.CANCELLED, at, fact))
    state = state.model_copy(update={"round": fact.round, "milestones": {}, "lead": _lead_of(fact) or state.lead})
    for assignment in fact.assignments:
        state = held.armed(state, assignment.unit, OWED_BY_A_UNIT, at, rules)
    return state


def closed(state: ClockState, fact: f.CaseClosed, at: datetime, rules: Rules) -> ClockState:
    """A rating whose time ran out has lapsed: it was not given, and is owed no more."""
    lapsed = [deadline for deadline in state.open(Obligation.RATE) if deadline.state is State.OVERDUE]
    state = held.ended(state, lapsed, State.CANCELLED, at, fact)
    state = held.ended(state, state.open(), State.MET, at, fact)
    return held.armed(state, rules.hub, (Obligation.ARCHIVE,), at, rules)


def archived(state: ClockState, fact: f.CaseArchived, at: datetime, _: Rules) -> ClockState:
    return held.ended(state, state.open(), State.MET, at, fact)


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
) -> tuple[ClockState, f.DeadlineStep | None]:
    """The step is taken once and never early: not if it was taken, if it ended, or if its time has not come."""
    for deadline in state.open(found.obligation, unit=found.unit):
        awaited = (deadline.generation, deadline.next_step) == (found.generation, found.step)
        if awaited and deadline.next_at is not None and found.at <= now:
            after, stated = steps.reach(deadline, now, rules)
            return held.replaced(state, [(deadline, after)]), stated
    return state, None


def ran_out(state: ClockState, at: datetime, rules: Rules) -> tuple[ClockState, tuple[f.DeadlineStep, ...]]:
    """What ran out before a fact was stated, and nobody has said so yet: it is said before the fact takes effect.

    So nothing that was overdue ever ends, is extended or goes to somebody else as if it had not been.
    """
    known_late = sorted((one for one in state.open() if steps.ran_out(one, at)), key=lambda one: one.due_at)
    late = [(known, *steps.reach(known, at, rules)) for known in known_late]
    after = held.replaced(state, [(known, overdue) for known, overdue, _ in late])
    return after, tuple(stated for _, _, stated in late if stated is not None)
