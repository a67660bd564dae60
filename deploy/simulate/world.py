"""A district in simulated time: what comes in, who works on it when, and what sla's clock makes of it.

What decides is what production decides by: `route` says to whom a case goes, and sla's `clock` is told every fact at
its simulated time and takes every step of a deadline when it is due. Nothing here reckons a due time; the queues only
read them. What people do is a model (assumptions.py):

- Whoever owes something works on it at the unit's desk (desk.py): accept a resident's order, dispatch what no rule
  decides, sign in, contact the reporter, handle, rule on refusals, check. Then a part still takes the days that the
  matter takes beside anybody's work; a case is handled when every unit's part is.
- Staff do not hurry because a deadline is near: a policy acts through the order of work alone (`due-first`), and
  through what it counts. Whoever is late stays late; escalation adds no staff.
- Left out: extensions and suspensions, the phased and the understanding list, merging, transfers, archiving (nobody
  has to do anything for it).

Steps are taken just before a case's next fact, each at its own time: between two facts nothing else can touch them.
"""

import heapq
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple, TypeAlias

from deploy.simulate import story
from deploy.simulate.arrivals import Arrival
from deploy.simulate.assumptions import DAY, MEASURED, MINUTE, Assumptions, Order
from deploy.simulate.chance import Duration, Exponential, Lognormal, uniform
from deploy.simulate.desk import Desk, Hands, Shifts, Started, Task, shifts_of
from deploy.simulate.district import District
from deploy.simulate.staffing import Given, Load, rank_of
from deploy.simulate.tally import DeskUse, Tally
from services.router.domain.routing.route import LEVELS, route
from services.sla.domain import clock
from services.sla.domain.calendar import WorkingCalendar
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.domain.rules import Rules
from shared.contracts.facts import CaseFact, Matter
from shared.contracts.vocabulary import DispatchCause, Level, Obligation, ReworkCause, Stage, UnitKind, Urgency

Rule: TypeAlias = Callable[[Any, Any, datetime, Rules], ClockState]

PRESSING = (Urgency.CRITICAL, Urgency.URGENT)
ORDER_OF = {urgency: place for place, urgency in enumerate(Urgency)}
CONSULTATION_AFTER = 2
MOST_ROUNDS = 4
SLACK_DAYS = 60
"""So many days longer than the run hours of duty are known: what is begun may end after it."""

_EFFORT, _ELAPSED, _REFUSES, _UPHELD, _INSTEAD, _CHECK, _RATED, _RATED_AFTER, _UNSATISFIED, _UNTRUE, _DESK = range(
    100, 111
)
_PER_ROUND = 100_000


class Case:
    __slots__ = (
        "arrival",
        "batch",
        "level",
        "matter",
        "next_at",
        "refusals",
        "refusers",
        "reopened",
        "round",
        "stage",
        "state",
        "to_do",
        "units",
        "urgency",
    )

    def __init__(self, arrival: Arrival, batch: int, state: ClockState) -> None:
        self.arrival = arrival
        self.batch = batch
        self.matter = arrival.matter
        self.urgency = arrival.matter.urgency
        self.state = state
        self.next_at: datetime | None = None
        self.stage = Stage.RECEIVED
        self.level = Level.HUB
        self.units: tuple[str, ...] = ()
        self.to_do: set[str] = set()
        self.round = 1
        self.refusals = 0
        self.refusers: frozenset[str] = frozenset()
        self.reopened = False


class Work(NamedTuple):
    """What a task is for."""

    case: Case
    obligation: Obligation
    unit: str


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything that is the same for all policies. `start` is midnight, UTC or with its zone."""

    district: District
    assumptions: Assumptions
    order: Order
    start: datetime
    days: int
    per_day: float
    elapsed: Duration | None = None


class World:
    """One policy's run. `told` is called with the day as each ends."""

    def __init__(self, setting: Setting, rules: Rules, told: Callable[[int, int], None] = lambda _day, _cases: None):
        self._setting = setting
        self._district = setting.district
        self._rules = rules
        self._start = setting.start
        self._end = setting.days * DAY
        self._told = told
        self._behaviour = setting.assumptions.behaviour
        self._events: list[tuple[float, int, Callable[..., None], Any]] = []
        self._number = count()
        self._case_count = 0
        self._open: set[Case] = set()
        self.tally = Tally(setting.days)
        self.load = Load(setting.days, setting.per_day)
        efforts = setting.assumptions.effort_minutes
        self._effort: dict[Obligation, Duration] = {
            obligation: Lognormal.of_mean(getattr(efforts, obligation.value) * MINUTE, efforts.spread)
            for obligation in _TASKS
        }
        self._elapsed = {urgency: setting.assumptions.elapsed(urgency).drawn() for urgency in Urgency}
        if setting.elapsed is not None:
            self._elapsed |= dict.fromkeys(MEASURED, setting.elapsed)
        self._rating = Exponential(self._behaviour.rating_days * DAY)
        self._places = {unit.code: place for place, unit in enumerate(self._district.tree)}
        self._able = [unit.code for unit in self._district.tree if unit.kind in (UnitKind.DEPARTMENT, UnitKind.UTILITY)]
        self._open_desks()

    def _open_desks(self) -> None:
        setting = self._setting
        shared: dict[int, tuple[WorkingCalendar, Shifts]] = {}
        everywhere = Shifts(())
        turns: dict[int, list[Desk]] = {}
        self._desks: dict[str, Desk] = {}
        self._order: dict[str, Order] = {}
        for code in self._district.staffed:
            unit = self._district.tree.units[code]
            staff = setting.assumptions.staff_of(unit, setting.per_day)
            calendar = self._rules.calendar_of(code)
            shifts = everywhere
            if not staff.around_the_clock:
                if id(calendar) not in shared:
                    known = shifts_of(calendar, self._start, setting.days + SLACK_DAYS)
                    shared[id(calendar)] = (calendar, known)
                _, shifts = shared[id(calendar)]
            hands = Hands(staff.day, staff.night, staff.productive)
            desk = Desk(hands, shifts, self._end)
            self._desks[code] = desk
            self._order[code] = staff.order or setting.order
            turns.setdefault(id(shifts), []).append(desk)
            self.load.of[code] = Given(hands, shifts, self._order[code])
        for _, shifts in shared.values():
            for at in shifts.turns(self._end):
                self._at(at, self._begin, turns[id(shifts)])

    # --- time goes by ---------------------------------------------------------------------------------------------

    def run(self, arrivals: Iterable[Arrival]) -> Tally:
        for day in range(1, self._setting.days + 1):
            self._at(day * DAY - 0.5, self._day_ends, day)
        coming = iter(arrivals)
        arrival = next(coming, None)
        events = self._events
        while True:
            if arrival is not None and (not events or arrival.at <= events[0][0]):
                self._comes_in(arrival)
                arrival = next(coming, None)
                continue
            if not events or events[0][0] >= self._end:
                break
            self._now, _, happen, what = heapq.heappop(events)
            happen(what)
        self._ends()
        return self.tally

    def _at(self, at: float, happen: Callable[[Any], None], what: object) -> None:
        heapq.heappush(self._events, (at, next(self._number), happen, what))

    def _day_ends(self, day: int) -> None:
        self.tally.open_cases.append(len(self._open))
        waiting = {code: desk.waiting for code, desk in self._desks.items()}
        self.tally.waiting.append(sum(waiting.values()))
        self.tally.waiting_of = waiting
        for code, tasks in waiting.items():
            if tasks > self.tally.most_waiting_of[code]:
                self.tally.most_waiting_of[code] = tasks
        self._told(day, self.tally.cases)

    def _ends(self) -> None:
        """Nothing more happens: what is open stays open, and what was due by now is overdue."""
        end = self._moment(self._end)
        for case in sorted(self._open, key=lambda one: one.arrival.number):
            self._catch_up(case, end)
            self.tally.still_open[case.stage] += 1
            self.tally.count(case.state.deadlines, case.batch)
        worked = {code: given.shifts.worked(self._end) for code, given in self.load.of.items()}
        for code, desk in self._desks.items():
            hands = self.load.of[code].hands
            self.tally.desks[code] = DeskUse(
                hands.day, hands.night, desk.busy, hands.day * worked[code], desk.begun, desk.waited
            )

    # --- the clock ------------------------------------------------------------------------------------------------

    def _moment(self, at: float) -> datetime:
        return self._start + timedelta(seconds=at)

    def _tell(self, case: Case, rule: Rule, fact: CaseFact) -> None:
        """The clock is told a fact, at its time."""
        at = self._moment(self._now)
        if case.next_at is not None and case.next_at < at:
            self._catch_up(case, at)
        case.state = rule(case.state, fact, at, self._rules)
        case.stage = fact.stage
        case.next_at = _next_at(case.state)

    def _catch_up(self, case: Case, until: datetime) -> None:
        """What was due before is taken, oldest first, each at its time."""
        while (at := case.next_at) is not None and at < until:
            due = next(known for known in case.state.deadlines if known.next_at == at)
            found = story.unchecked(
                DeadlineReached,
                unit=due.unit,
                obligation=due.obligation,
                generation=due.generation,
                step=due.next_step,
                at=at,
            )
            after, stated = clock.reached(case.state, found, at, self._rules)
            if after is case.state:
                raise AssertionError(f"{due} was due and its step was not taken")
            case.state = after
            case.next_at = _next_at(after)
            if stated is not None:
                self.tally.step(stated, self._start)

    def _due(self, case: Case, obligation: Obligation, unit: str) -> float:
        """When that is due; the run's end where it is owed no more."""
        for known in reversed(case.state.deadlines):
            if known.obligation is obligation and known.unit == unit and known.is_open:
                return (known.due_at - self._start).total_seconds()
        return self._end

    # --- desks ----------------------------------------------------------------------------------------------------

    def _draw(self, case: Case, purpose: int, unit: str = "") -> float:
        turn = case.round * _PER_ROUND + (self._places[unit] if unit else 0)
        return uniform(case.arrival.key, purpose, turn)

    def _seconds(self, case: Case, obligation: Obligation, unit: str) -> float:
        turn = (case.round * _PER_ROUND + self._places[unit]) * len(_TASKS) + _TASKS[obligation]
        seconds = self._effort[obligation].at(uniform(case.arrival.key, _EFFORT, turn))
        again = case.round > 1 and obligation is Obligation.HANDLE
        return max(1.0, seconds * (self._behaviour.rework_part if again else 1.0))

    def _days(self, case: Case, unit: str) -> float:
        """What a part takes beside work, in seconds."""
        seconds = self._elapsed[case.urgency].at(self._draw(case, _ELAPSED, unit))
        return seconds * (self._behaviour.rework_part if case.round > 1 else 1.0)

    def _put(self, case: Case, obligation: Obligation, unit: str) -> None:
        """Somebody of the unit has to do this."""
        due = self._due(case, obligation, unit)
        seconds = self._seconds(case, obligation, unit)
        urgency, order = case.urgency, self._order[unit]
        rank, work = rank_of(order, due, ORDER_OF[urgency]), Work(case, obligation, unit)
        task = Task(rank, next(self._number), self._now, seconds, urgency in PRESSING, work)
        desk = self._desks[unit]
        desk.put(task)
        self._begin([desk])
        if obligation not in _LATER_STEPS:
            self._remember(case, obligation, unit, seconds, due)

    def _remember(self, case: Case, obligation: Obligation, unit: str, seconds: float, due: float) -> None:
        given = self.load.of[unit]
        if self._now >= self.load.until:
            return
        if obligation is not Obligation.SIGN_IN:
            given.alone(self._now, ORDER_OF[case.urgency], seconds, due)
            return
        contact, handle = ((self._seconds(case, step, unit), self._due(case, step, unit)) for step in _LATER_STEPS)
        given.part(self._now, ORDER_OF[case.urgency], (seconds, due), contact, handle, self._days(case, unit))

    def _begin(self, desks: Iterable[Desk]) -> None:
        for desk in desks:
            for started in desk.start(self._now):
                if started.until < self._end:
                    self._at(started.until, self._finishes, (desk, started))

    def _finishes(self, what: tuple[Desk, Started]) -> None:
        desk, started = what
        desk.done(started)
        work: Work = started.task.what
        _NEXT[work.obligation](self, work.case, work.unit)
        self._begin([desk])

    # --- what happens to a case -------------------------------------------------------------------------------------

    def _comes_in(self, arrival: Arrival) -> None:
        self._now = arrival.at
        self.tally.cases += 1
        fact = story.opened(arrival.matter, arrival.to_verify)
        state = clock.opened(None, fact, self._moment(self._now), self._rules)
        case = Case(arrival, self.tally.batch(int(arrival.at // DAY)), state)
        case.stage, case.next_at = fact.stage, _next_at(state)
        self._open.add(case)
        if arrival.to_verify:
            self._put(case, Obligation.ACCEPT, arrival.matter.whistle_blower)
        else:
            self._accepted(case)

    def _verified(self, case: Case, _unit: str) -> None:
        if self._draw(case, _UNTRUE) < self._behaviour.untrue:
            self._tell(case, clock.declined, story.declined())
            self._over(case)
        else:
            self._accepted(case)

    def _accepted(self, case: Case) -> None:
        """受理, and straight on to whoever the rules give it to."""
        self._tell(case, clock.accepted, story.accepted(case.urgency, case.matter.category))
        district = self._district
        found = route(case.matter, case.arrival.self_handled, district.routing, district.tree, self._moment(self._now))
        if found.urgency is not case.urgency:
            self._tell(case, clock.reprioritised, story.reprioritised(case.urgency, found.urgency))
            case.urgency = found.urgency
        hub = district.tree.hub.code
        if found.level is Level.HUB:
            self._tell(case, clock.sent_to_desk, story.sent_to_desk(hub))
            self._put(case, Obligation.DISPATCH, hub)
        else:
            self._dispatch(case, found.level, (*found.units, *found.co_handlers), DispatchCause.RULE)

    def _desk_decides(self, case: Case, _hub: str) -> None:
        """区兜底: as often the street of the place as a unit of the district; who that is, is drawn."""
        unit = self._street(case.matter) if self._draw(case, _DESK) < 0.5 else None
        unit = unit or self._another(case)
        self._dispatch(case, self._level(unit), (unit,), DispatchCause.DESK)

    def _level(self, unit: str) -> Level:
        return LEVELS.get(self._district.tree.units[unit].kind, Level.HUB)

    def _street(self, matter: Matter) -> str | None:
        street = self._district.tree.nearest(matter.region, UnitKind.STREET)
        return street.code if street is not None else None

    def _another(self, case: Case) -> str:
        """Somebody who has no part in it: a department or utility, or the street of the place where there is none."""
        able = [unit for unit in self._able if unit not in case.units]
        turn = case.round * _PER_ROUND + case.refusals
        if able:
            return able[int(uniform(case.arrival.key, _INSTEAD, turn) * len(able))]
        return self._street(case.matter) or self._district.tree.hub.code

    def _dispatch(self, case: Case, level: Level, units: tuple[str, ...], cause: DispatchCause) -> None:
        kept = case.to_do
        fact = story.dispatched(level, units, case.round, cause, frozenset(kept))
        self._tell(case, clock.dispatched, fact)
        case.level, case.units = level, units
        case.to_do = set(units)
        for unit in units:
            if unit not in kept:
                self._put(case, Obligation.SIGN_IN, unit)

    def _reports(self, case: Case, unit: str) -> None:
        """签收 or, of the lead and while there is time, 退单."""
        lead = unit == case.units[0] and case.round == 1 and case.refusals < CONSULTATION_AFTER
        if lead and self._may_refuse(case, unit) and self._draw(case, _REFUSES, unit) < self._behaviour.refusal:
            case.refusals += 1
            case.refusers |= {unit}
            self.tally.refusals += 1
            argued = case.refusals >= CONSULTATION_AFTER
            stage = Stage.CONSULTATION if argued else Stage.REFUSAL_REVIEW
            self._tell(case, clock.refused, story.refused(unit, case.refusals, stage))
            owed = Obligation.DESIGNATE if argued else Obligation.RULE_ON_REFUSAL
            self._put(case, owed, self._district.tree.hub.code)
            return
        self._tell(case, clock.signed_in, story.signed_in(unit))
        self._put(case, Obligation.FIRST_CONTACT, unit)

    def _may_refuse(self, case: Case, unit: str) -> bool:
        """Within the limit, and not twice."""
        return unit not in case.refusers and self._now <= self._due(case, Obligation.SIGN_IN, unit)

    def _ruled(self, case: Case, _hub: str) -> None:
        unit = case.units[0]
        upheld = self._draw(case, _UPHELD, unit) < self._behaviour.upheld
        if not upheld:
            self._tell(case, clock.ruled, story.ruled(unit, False, Stage.DISPATCHED))
            self._put(case, Obligation.SIGN_IN, unit)
            return
        self._tell(case, clock.ruled, story.ruled(unit, True, Stage.TO_DISPATCH))
        self._redirect(case, DispatchCause.REFUSAL_UPHELD)

    def _designated(self, case: Case, _hub: str) -> None:
        """会商: as often the refuser as somebody else, and that is final."""
        unit = case.units[0]
        if self._draw(case, _UPHELD, unit) < self._behaviour.upheld:
            self._redirect(case, DispatchCause.DESIGNATED)
            return
        fact = story.dispatched(case.level, case.units, 1, DispatchCause.DESIGNATED, frozenset(case.units))
        self._tell(case, clock.dispatched, fact)
        self._put(case, Obligation.SIGN_IN, unit)

    def _redirect(self, case: Case, cause: DispatchCause) -> None:
        new = self._another(case)
        case.to_do.discard(case.units[0])
        kept, others = case.to_do, case.units[1:]
        level = self._level(new)
        units = (new, *(unit for unit in others if unit in kept))
        fact = story.dispatched(level, units, 1, cause, frozenset(kept))
        self._tell(case, clock.dispatched, fact)
        case.level, case.units = level, (new, *others)
        case.to_do = {new, *kept}
        self._put(case, Obligation.SIGN_IN, new)

    def _contacted(self, case: Case, unit: str) -> None:
        self._tell(case, clock.progressed, story.contacted(unit))
        self._put(case, Obligation.HANDLE, unit)

    def _worked_on(self, case: Case, unit: str) -> None:
        done = self._now + self._days(case, unit)
        if done < self._end:
            self._at(done, self._part_done, (case, unit))

    def _part_done(self, what: tuple[Case, str]) -> None:
        case, unit = what
        self._tell(case, clock.unit_done, story.unit_done(unit))
        case.to_do.discard(unit)
        if case.to_do:
            return
        if case.round == 1:
            after = self.tally.handled_after.setdefault(case.units[0], array("d"))
            after.append(self._now - case.arrival.at)
        self._tell(case, clock.handled, story.handled(case.round, case.matter.whistle_blower))
        self._put(case, Obligation.CHECK, case.matter.whistle_blower)

    def _checked(self, case: Case, _unit: str) -> None:
        passed = case.round >= MOST_ROUNDS or self._draw(case, _CHECK) >= self._behaviour.check_failed
        self._tell(case, clock.checked, story.checked(passed))
        if not passed:
            self._again(case, ReworkCause.CHECK_FAILED)
            return
        lapses = self._due(case, Obligation.RATE, case.matter.whistle_blower)
        rated = self._now + self._rating.at(self._draw(case, _RATED_AFTER))
        if rated < lapses and self._draw(case, _RATED) < self._behaviour.rated:
            if rated < self._end:
                self._at(rated, self._rated, case)
        elif lapses < self._end:
            self._at(max(lapses, self._now) + 1, self._closes, case)

    def _rated(self, case: Case) -> None:
        if not case.reopened and self._draw(case, _UNSATISFIED) < self._behaviour.unsatisfied:
            case.reopened = True
            self._again(case, ReworkCause.RESIDENT_UNSATISFIED)
        else:
            self._closes(case)

    def _again(self, case: Case, cause: ReworkCause) -> None:
        """返工 or 重办: the same units, a shorter clock."""
        case.round += 1
        self.tally.reworks += 1
        case.to_do = set(case.units)
        self._tell(case, clock.rework_ordered, story.rework(cause, case.units, case.round))
        for unit in case.units:
            self._put(case, Obligation.SIGN_IN, unit)

    def _closes(self, case: Case) -> None:
        """Rated, or the time for it over. The clock is told no more: all it would arm is archiving."""
        self._catch_up(case, self._moment(self._now))
        case.stage = Stage.CLOSED
        self._over(case)

    def _over(self, case: Case) -> None:
        self._open.discard(case)
        self.tally.ended[case.stage] += 1
        self.tally.count(case.state.deadlines, case.batch, over=True)


def _next_at(state: ClockState) -> datetime | None:
    coming = [known.next_at for known in state.deadlines if known.next_at is not None]
    return min(coming) if coming else None


_TASKS = {
    obligation: place
    for place, obligation in enumerate(
        (
            Obligation.ACCEPT,
            Obligation.DISPATCH,
            Obligation.SIGN_IN,
            Obligation.RULE_ON_REFUSAL,
            Obligation.DESIGNATE,
            Obligation.FIRST_CONTACT,
            Obligation.HANDLE,
            Obligation.CHECK,
        )
    )
}
_LATER_STEPS = (Obligation.FIRST_CONTACT, Obligation.HANDLE)
"""What follows a unit's sign-in, at the same desk."""
_NEXT: dict[Obligation, Callable[[World, Case, str], None]] = {
    Obligation.ACCEPT: World._verified,
    Obligation.DISPATCH: World._desk_decides,
    Obligation.SIGN_IN: World._reports,
    Obligation.RULE_ON_REFUSAL: World._ruled,
    Obligation.DESIGNATE: World._designated,
    Obligation.FIRST_CONTACT: World._contacted,
    Obligation.HANDLE: World._worked_on,
    Obligation.CHECK: World._checked,
}
