"""The router and the clock together, through random histories: nobody has more time than was granted, whatever is said.

Refusals, transfers there and back, extensions, suspensions, plans, comments, edits, priorities, merging, ladders that
take a case over; and in the middle other units, rules, policies, calendars and category limits come into force, by
which running deadlines are reckoned again, or not. Each fact of the router reaches the clock, each of the clock's the
router.
"""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from services.router.domain.case import ARGUED, Case, Part
from services.router.domain.district import District
from services.router.domain.routing.rules import Rules as RoutingRules
from services.sla.domain.account import account
from services.sla.domain.calendars import Calendars
from services.sla.domain.deadline import Deadline, State
from services.sla.domain.reckoning import Reckoning, version_in_force
from services.sla.domain.steps import ran_out
from shared.contracts import facts as f
from shared.contracts.lifecycle import STAGES
from shared.contracts.vocabulary import ActorKind, LimitCause, Obligation, Source, Stage, Urgency
from tests.unit.router.histories import VERSIONS, Begun, Blame, anything_at_all, has_units_of_the_past, sensible
from tests.unit.router.stories import (
    CITY,
    FOR_NOBODY,
    FOR_SHOPS,
    FOR_STREET,
    FOR_WATER,
    PARKS,
    POWER,
    RULES,
    WATER,
    Said,
    dismisses,
    dispatches,
    failed,
    finishes,
    joins,
    matter,
    merges,
    refuses,
    signs_in,
    transfers,
    units_have_changed,
    unmerges,
    upholds,
    whistle,
)
from tests.unit.together.heard import Heard, named
from tests.unit.together.meters import OF_A_UNIT, Meters
from tests.unit.together.pair import OWED_IN, Pair, Stated, when
from tests.unit.together.setups import CATEGORY_LIMITS, EDITIONS, POLICIES

START = datetime(2026, 9, 18, 1, 30, tzinfo=UTC)
"""A Friday morning in Shanghai; the long holiday of October is two weeks off."""
OTHER_RULES = RoutingRules("2027-01", RULES.rules[2:])
OPERATOR = f.Actor(kind=ActorKind.STAFF, person="p-9")
RECKONED = (LimitCause.POLICY, LimitCause.CALENDAR)
BATCHES = 7
STEPS = 45
HISTORIES = 60
OFTEN = {"ReportAsked": 20, "RuleOnRequest True": 20, "ChangePriority": 1, "Merge": 1, "Withdraw": 2, "ReportDone": 2}
"""How often each is said beside the others; 4 where nothing is said here. What ends a case early is said seldom."""


class World:
    """One case, the router and the clock as a pair, what is in force, and beside them the meters and the listener."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.pair = Pair(VERSIONS[0], START)
        self.version = self.editions = self.reckonings = 0
        self.meters = Meters(self.pair.rules)
        self.heard = Heard()
        self.begun, self.blame = Begun(), Blame()
        self.told: list[str] = []
        self.kinds: Counter[str] = Counter()

    @property
    def case(self) -> Case | None:
        return self.pair.case

    @property
    def now(self) -> datetime:
        return self.pair.now

    @property
    def district(self) -> District:
        return self.pair.district

    @property
    def deadlines(self) -> tuple[Deadline, ...]:
        return self.pair.deadlines

    # --- telling

    def tell(self, said: object) -> bool:
        """Say it to the router; what it states reaches the clock. True where anything was stated."""
        message, unit = (said.message, said.unit) if isinstance(said, Said) else (said, None)
        self.told.append(f"{self.now:%m-%d %H:%M} {type(message).__name__} {unit or getattr(message, 'unit', '')}")
        after, stated, refused = self.pair.tell(said)
        self.told[-1] += f": {refused}" if refused else ""
        self.becomes(after, stated)
        return bool(stated)

    def becomes(self, after: Pair, stated: Stated) -> None:
        """Everybody hears what was stated, in order."""
        before, self.pair = self.pair, after
        for fact in stated:
            self.kinds[fact.NAME] += 1
            self.told.append(f"    {fact.NAME} {getattr(fact, 'stage', '')} {getattr(fact, 'unit', '')}")
            if isinstance(fact, f.CaseFact):
                self.begun.hears(fact)
                self.blame.hears(fact, self.now)
                self.meters.hears(fact, self.now)
            else:
                self.heard.hears(fact, after)
                if isinstance(fact, f.DeadlineStep):
                    self.meters.hears_the_clock(fact)
        self.heard.compares(before.deadlines, after.deadlines)
        self.meters.follow(self.deadlines, self.now)

    def let_time_pass(self, how_long: timedelta, is_late: bool = False) -> None:
        """The timer takes each step when it is due; if it is late, all of them in the end."""
        until = self.now + how_long
        if is_late:
            self.pair = self.pair.at(until)
            self.the_router_knows_what_was_missed()
        while due := [one for one in self.deadlines if one.next_at is not None and one.next_at <= until]:
            first = min(due, key=when)
            self.pair = self.pair.at(max(self.now, when(first)))
            self.told.append(f"{self.now:%m-%d %H:%M} step {first.next_step} of {first.unit} {first.obligation}")
            after, stated = self.pair.take(first)
            assert after.clock is not self.pair.clock, (first, "nothing would ever end this step")
            self.becomes(after, stated)
        self.pair = self.pair.at(until)

    def comes_into_force(self, **what: object) -> None:
        """Of itself it moves nothing."""
        before, self.pair = self.pair, replace(self.pair, **what)  # type: ignore[arg-type]
        self.told.append(f"{self.now:%m-%d %H:%M} in force: {', '.join(what)} {self.pair.policies.current.version}")
        assert self.pair.clock is before.clock
        self.meters.rules = self.pair.rules

    def reckon(self, kind: LimitCause, lengthen: bool, provisional_only: bool = False) -> None:
        """Nothing becomes due in the past, nor later where that was not asked for; and once is enough."""
        self.reckonings += 1
        version = version_in_force(kind, self.pair.rules)
        asked = Reckoning(self.reckonings, kind, version, lengthen, OPERATOR, "会议纪要", provisional_only)
        self.told.append(f"{self.now:%m-%d %H:%M} reckoned by {kind} {version}{' lengthen' if lengthen else ''}")
        assert self.pair.clock is not None
        before = {named(one): one for one in self.deadlines}
        after, stated = self.pair.reckon(asked)
        self.heard.is_reckoning = True
        self.becomes(after, stated)
        self.heard.is_reckoning = False
        for one in self.deadlines:
            was = before.pop(named(one))
            if provisional_only and not was.provisional:
                assert (one.due_at, one.left, one.granted) == (was.due_at, was.left, was.granted)
            assert not one.is_live or one.due_at >= min(was.due_at, self.now), "nothing becomes due in the past"
            assert lengthen or one.due_at <= was.due_at, f"{named(one)} is due later, and nobody asked for that"
            if was.fired_at is not None or (was.due_at < self.now and was.left is None):
                assert one.due_at == was.due_at, "what is past stays as it was"
            if (one.due_at, one.left, one.calendar_version) != (was.due_at, was.left, was.calendar_version):
                assert one.is_open or one == self.pair.clock.latest(one.obligation, one.unit), "it never goes on"
                self.meters.reckoned(one, self.now)
        assert not before, "no deadline comes or goes by it"
        again, nothing = self.pair.reckon(asked)
        assert not nothing, "the same again changes nothing"
        assert again.deadlines == self.deadlines

    # --- a history

    def lives(self) -> None:
        self.begins()
        for _ in range(STEPS):
            self.step()
            self.let_time_pass(timedelta(seconds=self.random.randint(1, 90)))
            self.holds()
        self.ends()

    def begins(self) -> None:
        pick = self.random.choice
        category = pick([FOR_WATER, FOR_SHOPS, FOR_SHOPS, FOR_NOBODY, FOR_STREET])
        urgency = pick([Urgency.NORMAL, Urgency.NORMAL, Urgency.COMPLEX, Urgency.URGENT])
        about = matter(category, pick([Source.COMMUNITY, Source.HOTLINE_12345]), urgency)
        self.tell(
            whistle(about, needs_verification=pick([True, False, False]), self_handled=pick([True, False, False]))
        )

    def step(self) -> None:
        assert self.case is not None
        chance = self.random.random()
        if chance < 0.3:
            unit = self.random.choice([timedelta(minutes=7), timedelta(hours=1), timedelta(hours=5), timedelta(days=1)])
            self.let_time_pass(unit * self.random.randint(1, 6), is_late=self.random.random() < 0.2)
        elif chance < 0.37:
            self.something_changes()
        elif chance < 0.52:
            said = anything_at_all(self.case, self.now, self.random.choice)
            if not isinstance(said, f.DeadlineFact):
                self.tell(said)
        else:
            by_kind: dict[str, list[object]] = {}
            for said in self.sensible():
                by_kind.setdefault(_kind(said), []).append(said)
            if by_kind:
                (kind,) = self.random.choices(list(by_kind), [OFTEN.get(kind, 4) for kind in by_kind])
                assert self.tell(self.random.choice(by_kind[kind])), "what is sensible has an effect"

    def sensible(self) -> list[object]:
        """What people do; what the clock does, it does here by itself. What is closed stays so, or it never ends."""
        assert self.case is not None
        return [
            said
            for said in sensible(self.case, self.now, self.district)
            if not isinstance(said, f.DeadlineFact) and _kind(said) != "OrderRework"
        ]

    def something_changes(self) -> None:
        """Units, rules of routing, limits, calendars; and running deadlines are reckoned by those, or not."""
        pick = self.random.choice
        what = pick(["units", "routing", "policy", "policy", "calendar", "calendar", "calendar", "catalogue", "reckon"])
        match what:
            case "routing":
                self.pair = replace(self.pair, district=replace(self.district, rules=pick([RULES, OTHER_RULES])))
            case "units" if self.version + 1 < len(VERSIONS):
                self.version += 1
                tree = VERSIONS[self.version].tree
                self.comes_into_force(district=replace(self.district, tree=tree))
                if pick([True, False]):
                    self.tell(units_have_changed())
            case "policy":
                self.comes_into_force(policies=self.pair.policies.after(pick(POLICIES)))
            case "calendar":
                self.editions += 1
                new = Calendars(f"edition-{self.editions}", pick(EDITIONS))
                self.comes_into_force(calendars=new.after(self.pair.calendars, self.now.date()))
                if pick([True, False]):
                    self.reckon(LimitCause.CALENDAR, lengthen=True, provisional_only=True)
                if pick([True, False]):
                    self.reckon(LimitCause.CALENDAR, lengthen=pick([False, False, True]))
            case "catalogue":
                self.comes_into_force(category_limits=pick([CATEGORY_LIMITS, None]))
            case _:
                self.reckon(pick(list(RECKONED)), lengthen=pick([False, False, True]))

    def ends(self) -> None:
        """By people where they have to do something, else by the clock."""
        for _ in range(200):
            assert self.case is not None
            if self.case.is_final:
                break
            steps = self.sensible()
            if not steps or not self.tell(steps[0]):
                self.let_time_pass(timedelta(days=5))
            self.let_time_pass(timedelta(minutes=20))
            self.holds()
        assert self.case is not None
        assert self.case.is_final
        self.holds()

    # --- what always holds

    def holds(self) -> None:
        assert self.case is not None
        assert not list(self.meters.overdrawn(self.now))
        self.waits_on_something(self.case)
        self.each_part_has_its_clock(self.case)
        self.the_clock_accounts_for_it()
        self.the_router_knows_when_what_is_due(self.case)
        self.the_router_knows_what_was_missed()

    def waits_on_something(self, case: Case) -> None:
        owed = {one.obligation for one in self.deadlines if one.is_open}
        row = STAGES[case.stage]
        if row.final or row.follows:
            assert not owed, f"{case.stage}: {owed}"
        else:
            assert owed & set(row.obligations), f"{case.stage}: nobody owes anything"
            assert owed.issuperset(OWED_IN.get(case.stage, ())), f"{case.stage}: {owed}"
        paused = {one.obligation for one in self.deadlines if one.state is State.PAUSED}
        assert bool(paused) <= (case.stage is Stage.SUSPENDED)
        if case.stage is Stage.SUSPENDED:
            assert {one.obligation for one in self.deadlines if one.is_live} == {Obligation.REVIEW}
        if not has_units_of_the_past(case, self.district):
            owing = {one.unit for one in self.deadlines if one.is_open and one.obligation is not Obligation.MILESTONE}
            assert all(unit in self.district.tree for unit in owing), "an overdue milestone stays whose it was"

    def each_part_has_its_clock(self, case: Case) -> None:
        """Who has yet to sign in owes that, who is not done owes the result; nobody else owes either."""
        if case.is_at_work or case.stage is Stage.SUSPENDED:
            owed = {(one.unit, one.obligation) for one in self.deadlines if one.is_open}
            to_sign_in = {one.unit for one in case.present if one.part is Part.ASSIGNED}
            to_finish = {one.unit for one in case.present if one.part is not Part.DONE}
            assert {unit for unit, what in owed if what is Obligation.SIGN_IN} == to_sign_in
            assert {unit for unit, what in owed if what is Obligation.HANDLE} == to_finish
            assert {unit for unit, what in owed if what is Obligation.FIRST_CONTACT} <= to_finish
            steps = [one for one in self.deadlines if one.is_open and one.obligation is Obligation.MILESTONE]
            ahead = [date for date in self.meters.plan.values() if date > self.now]
            if case.stage is not Stage.SUSPENDED:
                assert len(ahead) <= len(steps) <= len(self.meters.plan)

    def the_clock_accounts_for_it(self) -> None:
        names = Counter((one.unit, one.obligation, one.generation) for one in self.deadlines)
        assert max(names.values(), default=1) == 1, "a deadline has one name"
        for one in account(self.deadlines, self.now, self.pair.rules):
            assert one.granted == one.used + one.left
            assert one.obligation not in OF_A_UNIT or one.used >= timedelta()

    def the_router_knows_when_what_is_due(self, case: Case) -> None:
        """What the clock counts, and nothing of what is owed no more; but what was done too late stays known."""
        by_clock = {
            (one.unit, one.obligation): None if one.state is State.PAUSED else one.due_at
            for one in self.deadlines
            if one.is_open and one.obligation in OF_A_UNIT
        }
        units = {one.assignment_id: one.unit for one in case.present}
        known = {(units.get(one.assignment_id), one.obligation): one.due_at for one in case.limits}
        for one in case.present:
            for obligation in OF_A_UNIT:
                name = (one.unit, obligation)
                if name in by_clock:
                    assert one.owes(obligation)
                    assert known.pop(name, "nothing") == by_clock.pop(name), f"the router knows of another {name}"
                elif obligation is Obligation.SIGN_IN and one.part in ARGUED:
                    known.pop(name, None)
                else:  # contacted once, it is so in another part of the round
                    assert not one.owes(obligation) or obligation is Obligation.FIRST_CONTACT, f"{name} has no clock"
        assert not by_clock, "whom the router does not know owes something"
        for gone, due_at in known.items():
            assert due_at is not None, f"{gone} stands still, but is owed no more"
            assert due_at < self.now, f"{gone} is owed no more"

    def the_router_knows_what_was_missed(self) -> None:
        """Whether anybody has said so yet, or the timer is late."""
        assert self.case is not None
        for one in self.case.present:
            own = [each for each in self.case.assignments if (each.unit, each.round) == (one.unit, one.round)]
            names = {unit for each in own for unit in (each.unit, *each.before)}
            for obligation in OF_A_UNIT:
                if one.part in ARGUED and obligation is Obligation.SIGN_IN:
                    continue
                missed = any(
                    each.fired_at is not None or ran_out(each, self.now)
                    for each in self.deadlines
                    if each.unit in names and each.obligation is obligation and each.round == one.round
                )
                assert self.case.has_missed(obligation, one, self.now) == missed, f"{one.unit} {obligation}: {missed}"


def _kind(said: object) -> str:
    """So that what can be said in many ways is not said more often."""
    message = said.message if isinstance(said, Said) else said
    return f"{type(message).__name__} {getattr(message, 'approved', '')}".strip()


WENT_WRONG_ONCE: list[tuple[object, ...]] = [
    # parks refuse, and city, who is to succeed them, has had a part already: the refusal is city's, whatever is ruled
    (
        *(whistle(matter(FOR_NOBODY)), dispatches(WATER, PARKS), VERSIONS[1], joins(CITY), signs_in(CITY)),
        *(finishes(CITY), refuses(PARKS), units_have_changed(), upholds(POWER)),
    ),
    (
        *(whistle(matter(FOR_NOBODY)), dispatches(WATER, PARKS), VERSIONS[1], joins(CITY), signs_in(CITY)),
        *(finishes(CITY), refuses(PARKS), units_have_changed(), dismisses(), signs_in(CITY)),
    ),
    # in rework it was merged and undone: rework still, on what was left of the shorter clock
    (whistle(), signs_in(), finishes(), failed(), timedelta(hours=5), merges(), timedelta(hours=5), unmerges()),
    # a refusal is argued, the case is merged meanwhile and undone: the sign-in goes on
    (whistle(), timedelta(hours=1), refuses(), timedelta(hours=1), merges(), timedelta(days=9), unmerges()),
]


@pytest.mark.parametrize("told", WENT_WRONG_ONCE)
def test_what_went_wrong_once(told: tuple[object, ...]) -> None:
    world = World(0)
    for said in told:
        world.let_time_pass(timedelta(minutes=1))
        if isinstance(said, timedelta):
            world.let_time_pass(said)
        elif isinstance(said, District):
            world.comes_into_force(district=said)
        else:
            assert world.tell(said), world.told[-1]
        if world.case is not None:
            world.holds()
    world.ends()


def test_a_successor_goes_on_with_what_its_predecessor_had_left_when_it_lost_the_case() -> None:
    world = World(0)
    for said in (
        whistle(matter(FOR_NOBODY)),
        dispatches(PARKS),
        timedelta(days=2),
        transfers(WATER),
        timedelta(days=9),
    ):
        world.let_time_pass(said) if isinstance(said, timedelta) else world.tell(said)
    (lost,) = [one for one in world.deadlines if (one.unit, one.obligation) == (PARKS, Obligation.HANDLE)]
    world.comes_into_force(district=VERSIONS[1])
    world.tell(transfers(CITY, WATER))
    (goes_on,) = [one for one in world.deadlines if (one.unit, one.obligation) == (CITY, Obligation.HANDLE)]
    assert goes_on.due_at == world.now + timedelta(days=5)
    assert (lost.left, goes_on.generation) == (timedelta(days=5), 1)
    world.ends()


EVERYTHING = {fact.NAME for fact in f.FACTS.values() if issubclass(fact, f.CaseFact)}


@pytest.mark.parametrize("batch", range(BATCHES))
def test_nobody_gains_time(batch: int) -> None:
    """Many histories; a failure names the seed of its own: `World(seed).lives()` lives it again."""
    reached: Counter[str] = Counter()
    reached_rungs: Counter[int] = Counter()
    ran_out = given_back = extended = reckoned = 0
    for seed in range(batch * HISTORIES, (batch + 1) * HISTORIES):
        world = World(seed)
        try:
            world.lives()
        except Exception as error:
            history = "\n".join(world.told[-60:])
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}\n{history}") from error
        reached += world.kinds
        ran_out += world.meters.ran_out
        given_back += world.meters.given_back
        extended += world.meters.extended
        reckoned += world.reckonings
        reached_rungs += world.heard.rungs
    assert len(EVERYTHING - set(reached)) < 3, "nearly every fact of a case was stated in one of them"
    assert min(ran_out, given_back, extended, reckoned) > 5, "there was time to be gained"
    assert min(reached_rungs[rung] for rung in (1, 2, 3)) > 10, "ladders were climbed to their end"
