"""A case's clock: which fact starts, stops, meets or cancels which obligation. The whole of it, pure.

| obligation | owed by | starts with | met by | cancelled by |
|---|---|---|---|---|
| accept | whistle-blower | opened | accepted, declined | |
| dispatch | hub, then the desk | accepted, unmerged | dispatched | sent to another desk |
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
higher urgency takes away. A successor stands in its predecessor's place, on the same clock.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from services.sla.domain import deadline as one
from services.sla.domain.calendar import Due
from services.sla.domain.deadline import Deadline, Rules, State
from services.sla.domain.limit import Limit
from shared.contracts import facts as f
from shared.contracts.vocabulary import DispatchCause, Obligation, RequestKind, ReworkCause, Role, Stage, Urgency

OWED_BY_A_UNIT = (Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE)
"""What every unit owes that has a part; milestones are the lead's beside these."""
OWED_BY_WHO_WHISTLED = (Obligation.ACCEPT, Obligation.CHECK, Obligation.RATE)
UNDER_REVIEW = {Stage.REFUSAL_REVIEW: Obligation.RULE_ON_REFUSAL, Stage.CONSULTATION: Obligation.DESIGNATE}
STRICTEST_FIRST = (Urgency.CRITICAL, Urgency.URGENT, Urgency.NORMAL, Urgency.COMPLEX)


class Ruling(BaseModel):
    """The ruling a unit waits for, on a request of this kind or (None) on its refusal: whose deadline that is."""

    model_config = ConfigDict(frozen=True)

    asker: str
    kind: RequestKind | None
    owed_by: str
    obligation: Obligation
    generation: int


class ClockState(BaseModel):
    """What the clock knows of a case. `rulings` are those still owed; `milestones` has the generation of the deadline
    of each milestone of the plan in force, by its number; `raised_at` = when the urgency last rose; `handed_over` =
    up to which generation a unit's deadlines are its successor's: should it come back, it starts after that.

    `deadlines` are rows of their own; the rest is kept as JSON.
    """

    model_config = ConfigDict(frozen=True)

    urgency: Urgency
    category: tuple[str, ...] = ()
    whistle_blower: str
    round: int = 1
    rulings: tuple[Ruling, ...] = ()
    milestones: dict[int, int] = {}
    handed_over: dict[str, int] = {}
    raised_at: datetime | None = None
    suspended_at: datetime | None = None
    deadlines: tuple[Deadline, ...] = Field(default=(), exclude=True)

    def open(self, *obligations: Obligation, unit: str | None = None) -> list[Deadline]:
        """Deadlines that are owed, of these obligations (all without any) and this unit (any without one)."""
        return [
            deadline
            for deadline in self.deadlines
            if deadline.is_open
            and (not obligations or deadline.obligation in obligations)
            and unit in (None, deadline.unit)
        ]

    def latest(self, obligation: Obligation, unit: str) -> Deadline | None:
        """The unit's deadline of this kind in this round, ended or not."""
        found = [known for known in _of(self, obligation, unit) if known.round == self.round]
        return max(found, key=lambda known: known.generation, default=None)


# --- until it is dispatched ----------------------------------------------------------------------------------


def opened(_: ClockState | None, fact: f.CaseOpened, at: datetime, rules: Rules) -> ClockState:
    matter = fact.matter
    state = ClockState(urgency=matter.urgency, category=matter.category, whistle_blower=matter.whistle_blower)
    return _armed(state, matter.whistle_blower, (Obligation.ACCEPT,), at, rules)


def accepted(state: ClockState, fact: f.CaseAccepted, at: datetime, rules: Rules) -> ClockState:
    state = state.model_copy(update={"urgency": fact.urgency, "category": fact.category})
    state = _ended(state, state.open(Obligation.ACCEPT), State.MET, at, fact)
    return _armed(state, rules.hub, (Obligation.DISPATCH,), at, rules)


def declined(state: ClockState, fact: f.CaseDeclined, at: datetime, _: Rules) -> ClockState:
    return _ended(state, state.open(), State.MET, at, fact)


def sent_to_desk(state: ClockState, fact: f.CaseSentToDesk, at: datetime, _: Rules) -> ClockState:
    """Another desk takes over the time that is left; it gets none of its own."""
    elsewhere = [deadline for deadline in state.open(Obligation.DISPATCH) if deadline.unit != fact.desk]
    return _handed_on(state, elsewhere, fact.desk, at, fact)


def dispatched(state: ClockState, fact: f.CaseDispatched, at: datetime, rules: Rules) -> ClockState:
    """The assignments named are those in effect: who has its clock keeps it, others begin, go on or lose it."""
    state = _ended(state, state.open(Obligation.DISPATCH), State.MET, at, fact)
    units = {assignment.unit for assignment in fact.assignments}
    state = _released(state, {known.unit for known in state.open(*OWED_BY_A_UNIT)} - units, at, fact, rules)
    if fact.cause is DispatchCause.DESIGNATED or fact.stage not in (*UNDER_REVIEW, Stage.SUSPENDED):
        state = _nothing_argued(state, at, fact, rules)
    for assignment in fact.assignments:
        if assignment.begun and not state.open(Obligation.HANDLE, unit=assignment.unit):
            state = _given(state, assignment.unit, at, fact, rules)
    lead = next((assignment.unit for assignment in fact.assignments if assignment.role is Role.LEAD), None)
    if lead is not None:
        state = _led_by(state, lead, at, fact, rules)
    return _paused(state, at, rules) if state.suspended_at is not None else state


# --- while units have it --------------------------------------------------------------------------------------


def signed_in(state: ClockState, fact: f.CaseSignedIn, at: datetime, _: Rules) -> ClockState:
    return _ended(state, state.open(Obligation.SIGN_IN, unit=fact.unit), State.MET, at, fact)


def refused(state: ClockState, fact: f.CaseRefused, at: datetime, rules: Rules) -> ClockState:
    """The refuser has answered in time or late; its other clocks go on. The hub's clock starts."""
    state = _ended(state, state.open(Obligation.SIGN_IN, unit=fact.unit), State.MET, at, fact)
    owed = UNDER_REVIEW.get(fact.stage)
    return state if owed is None else _asked(state, fact.unit, None, rules.hub, owed, at, rules)


def ruled(state: ClockState, fact: f.CaseRefusalRuled, at: datetime, rules: Rules) -> ClockState:
    """An only unit that is let go stays accountable, and the hub owes, until another has the case."""
    if not fact.upheld:
        return _argued_no_more(state, (fact.unit,), at, fact, rules)
    if any(known.unit != fact.unit for known in state.open(Obligation.HANDLE)):
        return _released(state, {fact.unit}, at, fact, rules)
    return state


def progressed(state: ClockState, fact: f.CaseProgressed, at: datetime, _: Rules) -> ClockState:
    if not fact.contacted:
        return state
    return _ended(state, state.open(Obligation.FIRST_CONTACT, unit=fact.unit), State.MET, at, fact)


def unit_done(state: ClockState, fact: f.CaseUnitDone, at: datetime, _: Rules) -> ClockState:
    owed = state.open(*OWED_BY_A_UNIT, Obligation.MILESTONE, unit=fact.unit)
    state = _ended(state, owed, State.MET, at, fact)
    return _settled(state, _rulings(state, (fact.unit,)), State.CANCELLED, at, fact)


def handed_over(state: ClockState, fact: f.CaseHandedOver, at: datetime, _: Rules) -> ClockState:
    """The same deadlines, now the successor's. One that had a part of its own in this case has names of its own."""
    before, unit = fact.before, fact.unit
    if before == unit:
        return state
    if fact.assignment_id is None:
        if state.whistle_blower == before:
            state = state.model_copy(update={"whistle_blower": unit})
        return _renamed(state, state.open(*OWED_BY_WHO_WHISTLED, unit=before), unit)
    rulings = tuple(
        ruling.model_copy(update={"asker": unit}) if ruling.asker == before else ruling for ruling in state.rulings
    )
    state = state.model_copy(update={"rulings": rulings})
    state = _renamed(state, state.open(Obligation.MILESTONE, unit=before), unit)
    theirs = [
        known for obligation in OWED_BY_A_UNIT for known in _of(state, obligation, before) if known.round == state.round
    ]
    names = {(known.obligation, known.generation) for known in state.deadlines if known.unit == unit}
    if names.isdisjoint((known.obligation, known.generation) for known in theirs):
        used_up = max((known.generation for known in theirs), default=0)
        state = state.model_copy(update={"handed_over": state.handed_over | {before: used_up}})
        return _renamed(state, theirs, unit)
    return _handed_on(state, [known for known in theirs if known.is_open], unit, at, fact)


# --- what adds to a unit's time, or takes from it ---------------------------------------------------------------


def requested(state: ClockState, fact: f.CaseRequested, at: datetime, rules: Rules) -> ClockState:
    """The unit's clock goes on. The approver's starts."""
    return _asked(state, fact.unit, fact.kind, fact.approver, Obligation.RULE_ON_REQUEST, at, rules)


def request_ruled(state: ClockState, fact: f.CaseRequestRuled, at: datetime, rules: Rules) -> ClockState:
    this = [ruling for ruling in _rulings(state, (fact.unit,)) if ruling.kind is fact.kind]
    state = _settled(state, this, State.MET, at, fact)
    if not fact.approved:
        return state
    if fact.kind is RequestKind.SUSPENSION:
        return _suspended(state, fact.until, at, fact, rules)
    share = fact.share or 0
    longer = [(known, one.lengthened(known, share, rules)) for known in state.open(Obligation.HANDLE, unit=fact.unit)]
    return _extended(state, longer, at, fact, rules)


def listed(state: ClockState, fact: f.CaseListed, at: datetime, rules: Rules) -> ClockState:
    """A plan replaces the one before. What units have to handle goes on until its end, where that is later."""
    state = _ended(state, state.open(Obligation.MILESTONE), State.CANCELLED, at, fact)
    lead = next((assignment.unit for assignment in fact.assignments if assignment.role is Role.LEAD), None)
    state = state.model_copy(update={"milestones": {}})
    if fact.milestones and lead is not None:
        generations = _numbered(state, [step.number for step in fact.milestones])
        plan = [
            one.arm_until(
                lead, Obligation.MILESTONE, generations[step.number], step.due_at, at, rules, round_=state.round
            )
            for step in fact.milestones
        ]
        state = _added(state, plan).model_copy(update={"milestones": generations})
        ends = Due(max(step.due_at for step in fact.milestones), at)
        state = _extended(state, [(known, ends) for known in state.open(Obligation.HANDLE)], at, fact, rules)
    return _suspended(state, fact.review_at, at, fact, rules) if fact.stage is Stage.SUSPENDED else state


def milestone_reached(state: ClockState, fact: f.CaseMilestoneReached, at: datetime, _: Rules) -> ClockState:
    generation = state.milestones.get(fact.milestone)
    step = [known for known in state.open(Obligation.MILESTONE) if known.generation == generation]
    return _ended(state, step, State.MET, at, fact)


def resumed(state: ClockState, fact: f.CaseResumed, at: datetime, rules: Rules) -> ClockState:
    """Everything goes on with what was left; an urgency that rose meanwhile counts from now on."""
    state = _ended(state, state.open(Obligation.REVIEW), State.MET, at, fact)
    state = _gone_on(state, [known for known in state.open() if known.state is State.PAUSED], at, fact, rules)
    since = state.suspended_at
    if since is None:
        return state
    state = _replaced(state, [(known, one.leave_out(known, since, at, rules)) for known in _argued(state)])
    rose = state.raised_at is not None and state.raised_at >= since
    return state.model_copy(update={"suspended_at": None, "raised_at": at if rose else state.raised_at})


def reprioritised(state: ClockState, fact: f.CaseReprioritised, at: datetime, rules: Rules) -> ClockState:
    """Raised: a unit has the new limit from now at most. Lowered: what runs stays as it is."""
    raised = STRICTEST_FIRST.index(fact.urgency) < STRICTEST_FIRST.index(state.urgency)
    state = state.model_copy(update={"urgency": fact.urgency})
    if not raised:
        return state
    state = state.model_copy(update={"raised_at": at})
    shorter = [(known, _shorter(state, known, at, rules)) for known in state.open(*OWED_BY_A_UNIT)]
    changed = [(known, after) for known, after in shorter if after is not None]
    state = _ended(state, [known for known, _ in changed], State.CANCELLED, at, fact)
    return _added(state, [after for _, after in changed])


# --- it goes elsewhere -------------------------------------------------------------------------------------------


def withdrawn(state: ClockState, fact: f.CaseWithdrawn, at: datetime, _: Rules) -> ClockState:
    return _nothing_pending(_ended(state, state.open(), State.CANCELLED, at, fact))


def merged(state: ClockState, fact: f.CaseMerged, at: datetime, rules: Rules) -> ClockState:
    """Nothing is owed in it any more. What was left is kept: it may be undone."""
    return _nothing_pending(_taken_away(state, [*state.open(), *_argued(state)], at, fact, rules))


def unmerged(state: ClockState, fact: f.CaseUnmerged, at: datetime, rules: Rules) -> ClockState:
    """To be dispatched again, and at once with what was left where it never had been."""
    before = [known for known in _all(state, Obligation.DISPATCH) if known.cause == f.CaseMerged.NAME]
    if before:
        return _gone_on(state, before[-1:], at, fact, rules)
    return _armed(state, rules.hub, (Obligation.DISPATCH,), at, rules)


def answered(state: ClockState, fact: f.CaseAnswered, at: datetime, rules: Rules) -> ClockState:
    state = state.model_copy(update={"whistle_blower": fact.whistle_blower})
    return _armed(state, fact.whistle_blower, (Obligation.RATE,), at, rules, generation=fact.round)


# --- verdict ---------------------------------------------------------------------------------------------------


def handled(state: ClockState, fact: f.CaseHandled, at: datetime, rules: Rules) -> ClockState:
    """Who still owed something was released. The whistle-blower's turn: its generation is the round."""
    state = _nothing_pending(_ended(state, state.open(), State.CANCELLED, at, fact))
    state = state.model_copy(update={"whistle_blower": fact.whistle_blower})
    owed = (Obligation.CHECK, Obligation.RATE)
    return _armed(state, fact.whistle_blower, owed, at, rules, generation=fact.round)


def checked(state: ClockState, fact: f.CaseChecked, at: datetime, _: Rules) -> ClockState:
    return _ended(state, state.open(Obligation.CHECK), State.MET, at, fact)


def rework_ordered(state: ClockState, fact: f.CaseReworkOrdered, at: datetime, rules: Rules) -> ClockState:
    """A new round with a shorter clock. A rating that led to it was given; any other became pointless."""
    if fact.cause is ReworkCause.RESIDENT_UNSATISFIED:
        state = _ended(state, state.open(Obligation.RATE), State.MET, at, fact)
    state = _nothing_pending(_ended(state, state.open(), State.CANCELLED, at, fact))
    state = state.model_copy(update={"round": fact.round, "milestones": {}})
    for assignment in fact.assignments:
        state = _armed(state, assignment.unit, OWED_BY_A_UNIT, at, rules)
    return state


def closed(state: ClockState, fact: f.CaseClosed, at: datetime, rules: Rules) -> ClockState:
    """A rating whose time ran out has lapsed: it was not given, and is owed no more."""
    lapsed = [deadline for deadline in state.open(Obligation.RATE) if deadline.state is State.OVERDUE]
    state = _ended(state, lapsed, State.CANCELLED, at, fact)
    state = _ended(state, state.open(), State.MET, at, fact)
    return _armed(state, rules.hub, (Obligation.ARCHIVE,), at, rules)


def archived(state: ClockState, fact: f.CaseArchived, at: datetime, _: Rules) -> ClockState:
    return _ended(state, state.open(), State.MET, at, fact)


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
    for deadline in state.open(found.obligation, unit=found.unit):
        awaited = (deadline.generation, deadline.next_step) == (found.generation, found.step)
        if awaited and deadline.next_at is not None and found.at <= now:
            after, stated = one.reach(deadline, now, rules)
            return _replaced(state, [(deadline, after)]), stated
    return state, None


# --- parts that units have -----------------------------------------------------------------------------------------


def _given(state: ClockState, unit: str, at: datetime, fact: f.CaseDispatched, rules: Rules) -> ClockState:
    """A unit gets a part. In a round in which it had one before, its clocks go on; who was contacted, was."""
    known = [state.latest(obligation, unit) for obligation in OWED_BY_A_UNIT]
    again = [was for was in known if was is not None]
    if again:
        contacted = (Obligation.FIRST_CONTACT, State.MET)
        going = [was for was in again if not was.is_open and (was.obligation, was.state) != contacted]
        return _gone_on(state, going, at, fact, rules)
    state = _armed(state, unit, OWED_BY_A_UNIT, at, rules)
    plan = state.open(Obligation.MILESTONE)
    if not plan:
        return state
    ends = Due(max(step.due_at if step.left is None else at + step.left for step in plan), at)
    own = [handle for handle in state.open(Obligation.HANDLE, unit=unit) if handle.due_at < ends.at]
    return _replaced(state, [(handle, one.extend(handle, handle.generation, ends, rules)) for handle in own])


def _released(state: ClockState, units: Collection[str], at: datetime, fact: f.CaseFact, rules: Rules) -> ClockState:
    """These units lose their parts. What is left of their time is kept, should they get the case again."""
    if not units:
        return state
    theirs = [*state.open(*OWED_BY_A_UNIT), *_argued(state)]
    state = _taken_away(state, [known for known in theirs if known.unit in units], at, fact, rules)
    pending = _rulings(state, units)
    state = _settled(state, [ruling for ruling in pending if ruling.kind is None], State.MET, at, fact)
    return _settled(state, [ruling for ruling in pending if ruling.kind is not None], State.CANCELLED, at, fact)


def _led_by(state: ClockState, lead: str, at: datetime, fact: f.CaseDispatched, rules: Rules) -> ClockState:
    """What is left of the plan is the lead's, whoever that is now; what is overdue remains who let it pass."""
    if not state.milestones:
        return state
    plan = [known for known in _all(state, Obligation.MILESTONE) if known.generation in state.milestones.values()]
    merged_away = [known for known in plan if not known.is_open and known.left is not None]
    state = _gone_on(state, merged_away, at, fact, rules)
    steps = {
        number: known
        for known in state.open(Obligation.MILESTONE)
        for number, generation in state.milestones.items()
        if known.generation == generation and known.unit != lead and known.fired_at is None
    }
    generations = _numbered(state, steps)
    new = [one.hand_on(known, lead, generations[number]) for number, known in steps.items()]
    state = _added(_ended(state, steps.values(), State.CANCELLED, at, fact), new)
    return state.model_copy(update={"milestones": state.milestones | generations})


def _numbered(state: ClockState, milestones: Iterable[int]) -> dict[int, int]:
    """The next generations for these milestones. No two milestones of a case share one, whoever leads it."""
    used_up = max((known.generation for known in _all(state, Obligation.MILESTONE)), default=0)
    return {number: used_up + place for place, number in enumerate(milestones, start=1)}


def _taken_away(
    state: ClockState, going: Iterable[Deadline], at: datetime, fact: f.CaseFact, rules: Rules
) -> ClockState:
    """An argued sign-in is judged from when the case was suspended, if it is: until then it ran."""
    return _replaced(
        state,
        [
            (known, one.take_away(known, at if known.is_open else state.suspended_at or at, fact.NAME, rules))
            for known in going
        ],
    )


def _gone_on(
    state: ClockState, standing: Iterable[Deadline], at: datetime, fact: f.CaseFact, rules: Rules
) -> ClockState:
    """They go on with what was left; if the urgency rose meanwhile, with the new limit at most."""
    changes, new = [], []
    for known in standing:
        after = one.resume(known, at, rules)
        since = known.paused_at or known.ended_at
        rose = state.raised_at is not None and since is not None and since <= state.raised_at
        shorter = _shorter(state, after, at, rules) if rose else None
        if shorter is None:
            changes.append((known, after))
            continue
        new.append(shorter)
        if known.is_open:
            changes.append((known, one.end(known, State.CANCELLED, at, fact.NAME)))
    return _added(_replaced(state, changes), new)


def _shorter(state: ClockState, running: Deadline, at: datetime, rules: Rules) -> Deadline | None:
    """The limit of the present urgency from then on, where it ends before the deadline does."""
    if running.obligation not in OWED_BY_A_UNIT or running.state is not State.ARMED:
        return None
    limit = _limit(state, running.obligation, rules)
    fresh = one.arm(running.unit, running.obligation, running.generation + 1, limit, at, rules, state.round)
    return fresh if fresh.due_at < running.due_at else None


def _extended(
    state: ClockState, longer: Iterable[tuple[Deadline, Due]], at: datetime, fact: f.CaseFact, rules: Rules
) -> ClockState:
    """A new generation for each whose new due time is later and lies ahead. What was overdue was overdue."""
    longer = [(known, due) for known, due in longer if due.at > max(known.due_at, at)]
    new = [one.extend(known, known.generation + 1, due, rules) for known, due in longer]
    return _added(_ended(state, [known for known, _ in longer], State.CANCELLED, at, fact), new)


def _suspended(state: ClockState, until: datetime | None, at: datetime, fact: f.CaseFact, rules: Rules) -> ClockState:
    """Everything stands still, what was asked for lapses, and the hub looks at it again on the review date."""
    assert until is not None, f"{fact.NAME}: a suspension has its date"
    asked = [ruling for ruling in state.rulings if ruling.kind is not None]
    state = _paused(_settled(state, asked, State.CANCELLED, at, fact), at, rules)
    generation = _next(state, Obligation.REVIEW, rules.hub)
    review = one.arm_until(rules.hub, Obligation.REVIEW, generation, until, at, rules, state.round)
    return _added(state, [review]).model_copy(update={"suspended_at": at})


def _paused(state: ClockState, at: datetime, rules: Rules) -> ClockState:
    running = [known for known in state.open() if known.is_live and known.obligation is not Obligation.REVIEW]
    return _replaced(state, [(known, one.pause(known, at, rules)) for known in running])


# --- refusals that are argued, requests that wait ---------------------------------------------------------------


def _asked(
    state: ClockState,
    asker: str,
    kind: RequestKind | None,
    owed_by: str,
    owed: Obligation,
    at: datetime,
    rules: Rules,
) -> ClockState:
    state = _armed(state, owed_by, (owed,), at, rules)
    generation = state.deadlines[-1].generation
    ruling = Ruling(asker=asker, kind=kind, owed_by=owed_by, obligation=owed, generation=generation)
    return state.model_copy(update={"rulings": (*state.rulings, ruling)})


def _rulings(state: ClockState, askers: Collection[str]) -> list[Ruling]:
    return [ruling for ruling in state.rulings if ruling.asker in askers]


def _settled(state: ClockState, settled: Collection[Ruling], how: State, at: datetime, fact: f.CaseFact) -> ClockState:
    """Whoever owed these rulings owes them no more."""
    if not settled:
        return state
    names = {(ruling.owed_by, ruling.obligation, ruling.generation) for ruling in settled}
    ending = [known for known in state.open() if (known.unit, known.obligation, known.generation) in names]
    pending = tuple(ruling for ruling in state.rulings if ruling not in settled)
    return _ended(state, ending, how, at, fact).model_copy(update={"rulings": pending})


def _argued(state: ClockState) -> list[Deadline]:
    """The sign-ins that a refusal has met, as long as it is argued: dismissed, they go on."""
    return [
        known
        for known in state.deadlines
        if known.cause == f.CaseRefused.NAME and known.round == state.round and known.left is None
    ]


def _argued_no_more(
    state: ClockState, units: Collection[str], at: datetime, fact: f.CaseFact, rules: Rules
) -> ClockState:
    """These refusers stay, on the clocks they had."""
    dismissed = [known for known in _argued(state) if known.unit in units]
    changes, new = [], []
    for known in dismissed:
        after = one.reinstate(known, rules)
        rose = state.raised_at if known.ended_at and state.raised_at and known.ended_at <= state.raised_at else None
        shorter = _shorter(state, after, rose, rules) if rose else None
        changes.append((known, after if shorter is None else one.end(after, State.CANCELLED, at, fact.NAME)))
        new += [] if shorter is None else [shorter]
    state = _added(_replaced(state, changes), new)
    refusals = [ruling for ruling in _rulings(state, units) if ruling.kind is None]
    return _settled(state, refusals, State.MET, at, fact)


def _nothing_argued(state: ClockState, at: datetime, fact: f.CaseFact, rules: Rules) -> ClockState:
    """Every refusal is settled: whoever has not lost its part stays."""
    argued = {known.unit for known in _argued(state)}
    if argued:
        state = _argued_no_more(state, argued, at, fact, rules)
    return _ended(state, state.open(*UNDER_REVIEW.values()), State.MET, at, fact)


def _nothing_pending(state: ClockState) -> ClockState:
    if not state.rulings and state.suspended_at is None:
        return state
    return state.model_copy(update={"rulings": (), "suspended_at": None})


# --- changing the list -------------------------------------------------------------------------------------------


def _armed(
    state: ClockState,
    unit: str,
    owed: Sequence[Obligation],
    at: datetime,
    rules: Rules,
    generation: int | None = None,
) -> ClockState:
    """Start these obligations of a unit, each as the next generation of its kind where none is given."""
    new = [
        one.arm(
            unit,
            obligation,
            generation or _next(state, obligation, unit),
            _limit(state, obligation, rules),
            at,
            rules,
            state.round,
        )
        for obligation in owed
    ]
    return _added(state, new)


def _limit(state: ClockState, obligation: Obligation, rules: Rules) -> Limit:
    """What the policy grants; units have less in a rework."""
    limit = rules.policy.limit(obligation, state.urgency)
    factor = rules.policy.rework_factor if state.round > 1 and obligation in OWED_BY_A_UNIT else 1
    return limit if factor == 1 else limit.times(factor)


def _next(state: ClockState, obligation: Obligation, unit: str) -> int:
    used_up = max((known.generation for known in _of(state, obligation, unit)), default=0)
    return 1 + max(used_up, state.handed_over.get(unit, 0))


def _of(state: ClockState, obligation: Obligation, unit: str) -> list[Deadline]:
    return [known for known in state.deadlines if (known.unit, known.obligation) == (unit, obligation)]


def _all(state: ClockState, obligation: Obligation) -> list[Deadline]:
    return [known for known in state.deadlines if known.obligation is obligation]


def _ended(state: ClockState, ending: Iterable[Deadline], how: State, at: datetime, fact: f.CaseFact) -> ClockState:
    return _replaced(state, [(deadline, one.end(deadline, how, at, fact.NAME)) for deadline in ending])


def _renamed(state: ClockState, theirs: Iterable[Deadline], unit: str) -> ClockState:
    return _replaced(state, [(known, replace(known, unit=unit)) for known in theirs])


def _handed_on(state: ClockState, theirs: Sequence[Deadline], unit: str, at: datetime, fact: f.CaseFact) -> ClockState:
    """The clocks end where they are and go on with another unit, each as its next generation."""
    new = [one.hand_on(known, unit, _next(state, known.obligation, unit)) for known in theirs]
    return _added(_ended(state, theirs, State.CANCELLED, at, fact), new)


def _added(state: ClockState, new: Sequence[Deadline]) -> ClockState:
    return state.model_copy(update={"deadlines": (*state.deadlines, *new)}) if new else state


def _replaced(state: ClockState, changes: Iterable[tuple[Deadline, Deadline]]) -> ClockState:
    new = {id(before): after for before, after in changes}
    if not new:
        return state
    deadlines = tuple(new.get(id(deadline), deadline) for deadline in state.deadlines)
    return state.model_copy(update={"deadlines": deadlines})
