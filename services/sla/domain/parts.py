"""What becomes of clocks as units get parts, lose them, go on, refuse and ask: the steps that several facts take."""

from collections.abc import Collection, Iterable
from datetime import datetime

from services.sla.domain import clock_state as held
from services.sla.domain import deadline as one
from services.sla.domain import moves
from services.sla.domain.clock_state import OWED_BY_A_UNIT, UNDER_REVIEW, ClockState, Ruling
from services.sla.domain.deadline import Deadline, State, replace
from services.sla.domain.rules import Rules
from shared.contracts import facts as f
from shared.contracts.vocabulary import Obligation, RequestKind


def given(
    state: ClockState, unit: str, plan_ends: datetime | None, at: datetime, fact: f.CaseDispatched, rules: Rules
) -> ClockState:
    """A unit gets a part. In a round in which it had one before, its clocks go on; who was contacted, was."""
    state = _with_what_its_predecessor_had(state, unit, fact, rules)
    known = [state.latest(obligation, unit) for obligation in OWED_BY_A_UNIT]
    again = [was for was in known if was is not None]
    if again:
        contacted = (Obligation.FIRST_CONTACT, State.MET)
        going = [was for was in again if not was.is_open and (was.obligation, was.state) != contacted]
        return gone_on(state, going, at, fact, rules)
    state = held.armed(state, unit, OWED_BY_A_UNIT, at, rules)
    if plan_ends is None:
        return state
    own = state.open(Obligation.HANDLE, unit=unit)
    longer = [(known, moves.by_plan(known, known.generation, plan_ends, at, rules)) for known in own]
    return held.replaced(state, [(known, planned) for known, planned in longer if planned is not None])


def _with_what_its_predecessor_had(state: ClockState, unit: str, fact: f.CaseDispatched, rules: Rules) -> ClockState:
    """A unit of the past that lost the case in this round: its successor goes on with what it had left. Of several,
    with what the one had that had least."""
    if state.latest(Obligation.HANDLE, unit) is not None:
        return state

    def stood_in_for(code: str) -> bool:
        if code in rules.units:
            return False
        return rules.units.present(code, fact.matter.region, fact.matter.category) == unit

    units = dict.fromkeys(known.unit for known in state.deadlines if stood_in_for(known.unit))
    handled = [was for before in units if (was := state.latest(Obligation.HANDLE, before)) is not None]
    lost = [was for was in handled if not was.is_open and was.left is not None]
    if not lost:
        return state
    before = min(lost, key=lambda was: was.left or one.NOTHING).unit
    theirs = [was for owed in OWED_BY_A_UNIT if (was := state.latest(owed, before)) is not None]
    new = [moves.hand_on(was, unit, held.next_generation(state, was.obligation, unit)) for was in theirs]
    return held.added(state, new)


def released(state: ClockState, units: Collection[str], at: datetime, fact: f.CaseFact, rules: Rules) -> ClockState:
    """These units lose their parts. What is left of their time is kept, should they get the case again."""
    if not units:
        return state
    theirs = [*state.open(*OWED_BY_A_UNIT), *argued(state)]
    state = taken_away(state, [known for known in theirs if known.unit in units], at, fact, rules)
    pending = rulings_for(state, units)
    state = settled(state, [ruling for ruling in pending if ruling.kind is None], State.MET, at, fact)
    return settled(state, [ruling for ruling in pending if ruling.kind is not None], State.CANCELLED, at, fact)


def taken_away(
    state: ClockState, going: Iterable[Deadline], at: datetime, fact: f.CaseFact, rules: Rules
) -> ClockState:
    """An argued sign-in is judged from when the case was suspended, if it is: until then it ran."""
    return held.replaced(
        state,
        [
            (known, moves.take_away(known, at if known.is_open else state.suspended_at or at, fact.NAME, rules))
            for known in going
        ],
    )


def gone_on(
    state: ClockState, standing: Iterable[Deadline], at: datetime, fact: f.CaseFact, rules: Rules
) -> ClockState:
    """They go on with what was left; if the urgency rose meanwhile, with the new limit at most."""
    changes, new = [], []
    for known in standing:
        after = moves.resume(known, at, rules)
        shorter = shortened(state, after, at, rules) if known.raised_at is not None else None
        if shorter is None:
            changes.append((known, after))
            continue
        new.append(shorter)
        if known.is_open:
            changes.append((known, one.end(known, State.CANCELLED, at, fact.NAME)))
    return held.added(held.replaced(state, changes), new)


def shortened(state: ClockState, running: Deadline, at: datetime, rules: Rules) -> Deadline | None:
    """The limit of the present urgency from then on, where it ends before the deadline does."""
    if running.obligation not in OWED_BY_A_UNIT or running.state is not State.ARMED:
        return None
    limits = held.grants(state, running.obligation, rules)
    generation = running.generation + 1
    fresh = one.arm(running.unit, running.obligation, generation, limits, at, rules, state.round, state.urgency)
    return moves.outrunning(running, fresh, rules) if fresh.due_at < running.due_at else None


def raised(state: ClockState, at: datetime, fact: f.CaseFact, rules: Rules) -> ClockState:
    """The urgency rose: a unit has the new limit from now at most, for what stands still from when it goes on."""
    theirs = [known for known in state.deadlines if known.obligation in OWED_BY_A_UNIT and known.round == state.round]
    still = [(known, replace(known, raised_at=at)) for known in theirs if not known.is_live and known.fired_at is None]
    shorter = [(known, shortened(state, known, at, rules)) for known in theirs if known.is_live]
    return renewed(held.replaced(state, still), shorter, at, fact)


def extended(state: ClockState, unit: str, share: float, at: datetime, fact: f.CaseFact, rules: Rules) -> ClockState:
    """A new generation for what the unit has to handle, if it then lies ahead. What was overdue was overdue."""
    longer = [
        (known, moves.set_anew(known, known.generation + 1, due, at, rules))
        for known in state.open(Obligation.HANDLE, unit=unit)
        if (due := moves.lengthened(known, share, at, rules)).at > max(known.due_at, at)
    ]
    return renewed(state, longer, at, fact)


def renewed(
    state: ClockState, generations: Collection[tuple[Deadline, Deadline | None]], at: datetime, fact: f.CaseFact
) -> ClockState:
    """Another generation takes the place of each, where there is one."""
    found = [(known, new) for known, new in generations if new is not None]
    state = held.ended(state, [known for known, _ in found], State.CANCELLED, at, fact)
    return held.added(state, [new for _, new in found])


def suspended(state: ClockState, until: datetime | None, at: datetime, fact: f.CaseFact, rules: Rules) -> ClockState:
    """Everything stands still, what was asked for lapses, and the hub looks at it again on the review date."""
    assert until is not None, f"{fact.NAME}: a suspension has its date"
    asked = [ruling for ruling in state.rulings if ruling.kind is not None]
    state = paused(settled(state, asked, State.CANCELLED, at, fact), at, rules)
    generation = held.next_generation(state, Obligation.REVIEW, rules.hub)
    review = one.arm_until(rules.hub, Obligation.REVIEW, generation, until, at, rules, state.round)
    return held.added(state, [review]).model_copy(update={"suspended_at": at})


def paused(state: ClockState, at: datetime, rules: Rules) -> ClockState:
    running = [known for known in state.open() if known.is_live and known.obligation is not Obligation.REVIEW]
    return held.replaced(state, [(known, moves.pause(known, at, rules)) for known in running])


# --- refusals that are argued, requests that wait ---------------------------------------------------------------


def asked(
    state: ClockState,
    asker: str,
    kind: RequestKind | None,
    owed_by: str,
    owed: Obligation,
    at: datetime,
    rules: Rules,
) -> ClockState:
    state = held.armed(state, owed_by, (owed,), at, rules)
    generation = state.deadlines[-1].generation
    ruling = Ruling(asker=asker, kind=kind, owed_by=owed_by, obligation=owed, generation=generation)
    return state.model_copy(update={"rulings": (*state.rulings, ruling)})


def rulings_for(state: ClockState, askers: Collection[str]) -> list[Ruling]:
    return [ruling for ruling in state.rulings if ruling.asker in askers]


def settled(state: ClockState, rulings: Collection[Ruling], how: State, at: datetime, fact: f.CaseFact) -> ClockState:
    """Whoever owed these rulings owes them no more."""
    if not rulings:
        return state
    names = {(ruling.owed_by, ruling.obligation, ruling.generation) for ruling in rulings}
    ending = [known for known in state.open() if (known.unit, known.obligation, known.generation) in names]
    pending = tuple(ruling for ruling in state.rulings if ruling not in rulings)
    return held.ended(state, ending, how, at, fact).model_copy(update={"rulings": pending})


def argued(state: ClockState) -> list[Deadline]:
    """The sign-ins that a refusal has met, as long as it is argued: dismissed, they go on."""
    return [
        known
        for known in state.deadlines
        if known.cause == f.CaseRefused.NAME and known.round == state.round and known.left is None
    ]


def argued_no_more(
    state: ClockState, units: Collection[str], at: datetime, fact: f.CaseFact, rules: Rules
) -> ClockState:
    """These refusers stay, on the clocks they had."""
    dismissed = [known for known in argued(state) if known.unit in units]
    changes, new = [], []
    for known in dismissed:
        after = moves.reinstate(known, rules)
        shorter = shortened(state, after, known.raised_at, rules) if known.raised_at is not None else None
        changes.append((known, after if shorter is None else one.end(after, State.CANCELLED, at, fact.NAME)))
        new += [] if shorter is None else [shorter]
    state = held.added(held.replaced(state, changes), new)
    refusals = [ruling for ruling in rulings_for(state, units) if ruling.kind is None]
    return settled(state, refusals, State.MET, at, fact)


def nothing_argued(state: ClockState, at: datetime, fact: f.CaseFact, rules: Rules) -> ClockState:
    """Every refusal is settled: whoever has not lost its part stays."""
    refusers = {known.unit for known in argued(state)}
    if refusers:
        state = argued_no_more(state, refusers, at, fact, rules)
    return held.ended(state, state.open(*UNDER_REVIEW.values()), State.MET, at, fact)


def nothing_pending(state: ClockState) -> ClockState:
    if not state.rulings and state.suspended_at is None:
        return state
    return state.model_copy(update={"rulings": (), "suspended_at": None})
