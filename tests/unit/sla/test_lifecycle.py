"""Random legal histories of a case: every stage that waits has its deadline, and nobody gains time.

The walk plays the router by the lifecycle table and keeps its own books: with a stopwatch for each unit, obligation
and round it adds up how long the unit had the case, and beside it what it was granted. The clock must agree with it
to the microsecond.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from services.sla.domain import calendar
from services.sla.domain import deadline as one
from services.sla.domain.account import account
from services.sla.domain.deadline import Deadline, State
from services.sla.domain.limit import Limit
from services.sla.main import HANDLERS, READ_PAST
from shared.contracts import facts as f
from shared.contracts.lifecycle import AT_WORK, STAGES, allowed
from shared.contracts.vocabulary import DispatchCause, Obligation, RequestKind, ResumeCause, ReworkCause, Stage, Urgency
from tests.unit.sla import builders as b
from tests.unit.sla.builders import COMMUNITY, HUB, POWER, STREET, WATER, Story, local

UNITS = (WATER, POWER, STREET)
START = local("2026-09-17 10:00")
OWED = (Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE)
SOME_UNITS = st.lists(st.sampled_from(UNITS), min_size=1, unique=True)
CALENDAR = b.rules().calendar_of(WATER)


def test_every_fact_of_a_case_is_on_the_map() -> None:
    cases = {fact for fact in f.FACTS.values() if issubclass(fact, f.CaseFact)}
    assert cases == set(READ_PAST) | {fact for fact in HANDLERS if issubclass(fact, f.CaseFact)}


@dataclass
class Stopwatch:
    """How long one limit has run, in its own time, and how long it may: `own` of it without a plan."""

    limit: Limit
    begins: datetime
    may: timedelta
    own: timedelta
    ran: timedelta = timedelta()

    def run(self, start: datetime, end: datetime) -> None:
        self.ran += calendar.between(max(start, self.begins), end, self.limit, CALENDAR)


Key = tuple[str, Obligation, int]


class Walk(RuleBasedStateMachine):
    """`parts` says how far each unit is that has the case, the lead first; `asked`, which requests wait."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.now = START
        self.stage: Stage | None = None
        self.parts: dict[str, str] = {}
        self.asked: list[tuple[str, RequestKind]] = []
        self.suspended = False
        self.refusals = 0
        self.turn = 1
        self.steps: set[int] = set()
        self.contacted: set[tuple[str, int]] = set()
        self.watches: dict[Key, list[Stopwatch]] = {}
        self.ran_out: set[Key] = set()
        self.rose_meanwhile: set[Key] = set()
        self.whistle_blower = COMMUNITY
        self.heirs = 0

    # --- how the router says it

    def tell(self, fact: f.CaseFact) -> None:
        assert allowed(self.stage, fact), (self.stage, fact)
        self.story.tell(self.now, fact)
        self.stage = fact.stage

    def standing(self) -> Stage:
        """Where a case stands whose units have it."""
        if self.suspended:
            return Stage.SUSPENDED
        standing = set(self.parts.values())
        for part, stage in (("in_consultation", Stage.CONSULTATION), ("refused", Stage.REFUSAL_REVIEW)):
            if part in standing:
                return stage
        if self.asked:
            return Stage.EXTENSION_REVIEW
        if standing == {"done"}:
            return Stage.HANDLED
        if standing & {"signed_in", "done"}:
            return Stage.HANDLING
        return Stage.REWORK if self.turn > 1 else Stage.DISPATCHED

    def placed(self, fact: f.CaseFact) -> None:
        self.tell(fact.model_copy(update={"stage": self.standing()}))

    @property
    def at_work(self) -> bool:
        return self.stage in AT_WORK

    def who(self, *parts: str) -> list[str]:
        return [unit for unit, part in self.parts.items() if part in parts]

    def give(self, units: Iterable[str]) -> None:
        """They have the case from now on: who is new starts its stopwatches, or goes on with those it has."""
        before, self.parts = self.parts, {unit: self.parts.get(unit, "assigned") for unit in units}
        self.asked = [(unit, kind) for unit, kind in self.asked if self.parts.get(unit) == "signed_in"]
        for unit in self.parts:
            for obligation in OWED:
                if (unit, obligation, self.turn) in self.watches:
                    if unit not in before:
                        self.go_on(unit, obligation)
                else:
                    watch = self.started(obligation)
                    self.watches[unit, obligation, self.turn] = [watch]
                    if obligation is Obligation.HANDLE:
                        watch.may = max([watch.may, *self.plan()])

    def go_on(self, unit: str, obligation: Obligation) -> None:
        """If the urgency rose while it stood still, the present limit counts from now on, too."""
        key = (unit, obligation, self.turn)
        if key in self.rose_meanwhile:
            self.rose_meanwhile.discard(key)
            self.watches[key].append(self.started(obligation))

    def started(self, obligation: Obligation) -> Stopwatch:
        policy = self.story.rules.policy
        limit = policy.general(obligation, self.urgency).limit
        limit = limit.times(policy.rework_factor) if self.turn > 1 else limit
        due = calendar.due(self.now, limit, CALENDAR)
        whole = calendar.between(due.counts_from, due.at, limit, CALENDAR)
        return Stopwatch(limit, due.counts_from, whole, whole)

    def plan(self) -> list[timedelta]:
        """What is left until each milestone, in a case that was merged for a while too."""
        assert self.story.state is not None
        generations = self.story.state.milestones.values()
        steps = [
            known
            for known in self.story.deadlines
            if known.obligation is Obligation.MILESTONE
            and known.generation in generations
            and known.round == self.turn
            and (known.is_open or known.left is not None)
        ]
        return [step.due_at - self.now if step.left is None else step.left for step in steps]

    def open(self, obligation: Obligation) -> list[Deadline]:
        return [known for known in self.story.deadlines if known.obligation is obligation and known.is_open]

    # --- until units have it

    @initialize(stage=st.sampled_from([Stage.RECEIVED, Stage.VERIFYING]), urgency=st.sampled_from(list(Urgency)))
    def is_opened(self, stage: Stage, urgency: Urgency) -> None:
        self.urgency = urgency
        self.tell(b.opened(stage, urgency))
        if stage is Stage.RECEIVED:
            self.tell(b.accepted(urgency))
            self.dispatch([WATER, POWER])

    @precondition(lambda self: self.stage is Stage.VERIFYING)
    @rule(outcome=st.sampled_from(["accepted", "accepted", "accepted", "declined"]))
    def verified(self, outcome: str) -> None:
        self.tell(b.declined() if outcome == "declined" else b.accepted(self.urgency))

    @precondition(lambda self: self.stage is Stage.TO_DISPATCH)
    @rule(desk=st.sampled_from([HUB, STREET]))
    def sent_to_desk(self, desk: str) -> None:
        self.tell(b.sent_to_desk(desk))

    @precondition(lambda self: self.stage is Stage.TO_DISPATCH)
    @rule(units=SOME_UNITS)
    def dispatch(self, units: list[str]) -> None:
        self.give(units)
        self.placed(b.dispatched(*units, turn=self.turn))

    # --- while they have it

    @precondition(lambda self: self.at_work and self.who("assigned"))
    @rule(data=st.data())
    def signs_in(self, data: st.DataObject) -> None:
        unit = data.draw(st.sampled_from(self.who("assigned")))
        self.parts[unit] = "signed_in"
        self.placed(b.signed_in(unit))

    @precondition(lambda self: self.at_work and self.who("assigned") and self.turn == 1)
    @rule(data=st.data())
    def refuses(self, data: st.DataObject) -> None:
        unit = data.draw(st.sampled_from(self.who("assigned")))
        self.refusals += 1
        self.parts[unit] = "refused" if self.refusals == 1 else "in_consultation"
        self.tell(b.refused(unit, Stage.REFUSAL_REVIEW if self.refusals == 1 else Stage.CONSULTATION))

    @precondition(lambda self: self.at_work and self.who("refused", "in_consultation"))
    @rule(data=st.data())
    def refusal_is_dismissed(self, data: st.DataObject) -> None:
        unit = data.draw(st.sampled_from(self.who("refused", "in_consultation")))
        self.parts[unit] = "assigned"
        self.placed(b.ruled(unit, False, Stage.DISPATCHED))

    @precondition(lambda self: self.at_work and self.who("refused", "in_consultation"))
    @rule(data=st.data(), others=SOME_UNITS)
    def refusal_is_upheld(self, data: st.DataObject, others: list[str]) -> None:
        unit = data.draw(st.sampled_from(self.who("refused", "in_consultation")))
        units = [*dict.fromkeys((*self.parts, *others))]
        units.remove(unit)
        if not any(self.parts.get(other) != "done" for other in units):
            return
        assert self.stage is not None
        self.tell(b.ruled(unit, True, self.stage))
        kept = [other for other in self.parts if other != unit]
        self.give(units)
        self.placed(b.dispatched(*units, kept=kept, cause=DispatchCause.REFUSAL_UPHELD))

    @precondition(lambda self: self.stage is Stage.CONSULTATION)
    @rule(units=SOME_UNITS)
    def designated(self, units: list[str]) -> None:
        argued = self.who("refused", "in_consultation")
        kept = [unit for unit in self.parts if unit not in argued or unit in units]
        if all(self.parts.get(unit) == "done" for unit in (*kept, *units)):
            return
        for unit in argued:
            self.tell(b.ruled(unit, unit not in units, Stage.CONSULTATION))
            if unit in units:
                self.parts[unit] = "assigned"
        self.give(dict.fromkeys((*kept, *units)))
        self.placed(b.dispatched(*self.parts, kept=kept, cause=DispatchCause.DESIGNATED))

    @precondition(lambda self: self.at_work or self.suspended)
    @rule(
        units=SOME_UNITS,
        cause=st.sampled_from([DispatchCause.TRANSFERRED, DispatchCause.JOINED, DispatchCause.LEAD_CHANGED]),
    )
    def redistributed(self, units: list[str], cause: DispatchCause) -> None:
        """Transferred, joined, released, another lead: some stay, some go, some come."""
        if all(self.parts.get(unit) == "done" for unit in units):
            return
        kept = [unit for unit in units if unit in self.parts]
        self.give(units)
        self.placed(b.dispatched(*units, kept=kept, cause=cause, turn=self.turn))

    @precondition(lambda self: self.at_work and self.who("signed_in"))
    @rule(data=st.data(), contacted=st.booleans())
    def progresses(self, data: st.DataObject, contacted: bool) -> None:
        unit = data.draw(st.sampled_from(self.who("signed_in")))
        if contacted:
            self.contacted.add((unit, self.turn))
        self.placed(b.progressed(unit, contacted))

    @precondition(lambda self: self.at_work and self.who("signed_in"))
    @rule(data=st.data())
    def finishes(self, data: st.DataObject) -> None:
        """The lead finishes last, and not before the milestones are reached."""
        unit = data.draw(st.sampled_from(self.who("signed_in")))
        last = len(self.who("done")) == len(self.parts) - 1
        if (self.steps and last) or (unit == next(iter(self.parts)) and not last):
            return
        self.parts[unit] = "done"
        self.contacted.add((unit, self.turn))
        self.asked = [(asker, kind) for asker, kind in self.asked if asker != unit]
        self.placed(b.unit_done(unit))
        if self.stage is Stage.HANDLED:
            self.tell(b.handled(*self.parts, turn=self.turn).model_copy(update={"whistle_blower": self.whistle_blower}))
            self.parts = {}

    # --- what adds to their time, or stops it

    @precondition(lambda self: self.at_work and self.who("signed_in"))
    @rule(data=st.data(), kind=st.sampled_from(RequestKind))
    def asks(self, data: st.DataObject, kind: RequestKind) -> None:
        unit = data.draw(st.sampled_from(self.who("signed_in")))
        if (unit, kind) not in self.asked:
            self.asked.append((unit, kind))
            self.placed(b.asked(unit, kind))

    @precondition(lambda self: self.at_work and self.asked)
    @rule(data=st.data())
    def is_turned_down(self, data: st.DataObject) -> None:
        asked = data.draw(st.sampled_from(self.asked))
        self.asked.remove(asked)
        self.placed(b.turned_down(*asked))

    @precondition(lambda self: self.at_work and self.asked)
    @rule(data=st.data(), share=st.sampled_from([0.25, 0.5, 1]))
    def is_approved(self, data: st.DataObject, share: float) -> None:
        unit, kind = data.draw(st.sampled_from(self.asked))
        if kind is RequestKind.SUSPENSION:
            if self.stage is Stage.EXTENSION_REVIEW:
                self.suspend(b.suspended(unit, self.now + timedelta(days=100), *self.parts))
            return
        self.asked.remove((unit, kind))
        self.placed(b.extended(unit, share))
        watches = self.watches[unit, Obligation.HANDLE, self.turn]
        whole = calendar.due(self.now, watches[0].limit, CALENDAR).at - self.now
        for watch in watches:
            watch.may += share * whole
            watch.own += share * whole

    @precondition(lambda self: self.at_work)
    @rule()
    def put_on_the_understanding_list(self) -> None:
        self.suspend(b.understood(self.now + timedelta(days=100)))
        self.steps = set()

    def suspend(self, fact: f.CaseFact) -> None:
        self.suspended, self.asked = True, []
        self.tell(fact)

    @precondition(lambda self: self.suspended)
    @rule(cause=st.sampled_from(ResumeCause))
    def is_resumed(self, cause: ResumeCause) -> None:
        self.suspended = False
        self.placed(b.resumed(cause=cause))
        for unit in self.parts:
            for obligation in OWED:
                if self.runs(unit, obligation):
                    self.go_on(unit, obligation)
        self.pass_time(timedelta(microseconds=1))

    @precondition(lambda self: self.at_work)
    @rule(first=st.timedeltas(timedelta(minutes=1), timedelta(days=40)), then=st.integers(0, 2))
    def put_on_the_phased_list(self, first: timedelta, then: int) -> None:
        dates = [self.now + first * step for step in range(1, then + 2)]
        self.steps = set(range(1, len(dates) + 1))
        self.placed(b.planned(*dates, lead=next(iter(self.parts))))
        for unit in self.parts:
            if self.parts[unit] != "done":
                *before, last = self.watches[unit, Obligation.HANDLE, self.turn]
                last.may = max(last.own, last.ran + (dates[-1] - self.now))
                for watch in before:
                    watch.may = max(watch.may, watch.ran + (dates[-1] - self.now))

    @precondition(lambda self: self.at_work and self.steps)
    @rule(data=st.data())
    def reaches_a_milestone(self, data: st.DataObject) -> None:
        if not self.who("signed_in"):
            return
        step = data.draw(st.sampled_from(sorted(self.steps)))
        self.steps.discard(step)
        self.placed(b.step_reached(step))

    @precondition(lambda self: self.stage is not None and not STAGES[self.stage].final)
    @rule(urgency=st.sampled_from(Urgency))
    def reprioritised(self, urgency: Urgency) -> None:
        """No two decisions are at once: what stands still stopped before this one, or will after it."""
        assert self.stage is not None
        rises = list(Urgency).index(urgency) < list(Urgency).index(self.urgency)
        before, self.urgency = self.urgency, urgency
        self.pass_time(timedelta(microseconds=1))
        self.tell(b.reprioritised(before, urgency, self.stage))
        if rises:
            for (unit, obligation, turn), watches in self.watches.items():
                if turn == self.turn and self.runs(unit, obligation):
                    watches.append(self.started(obligation))
                elif turn == self.turn:
                    self.rose_meanwhile.add((unit, obligation, turn))
        self.pass_time(timedelta(microseconds=1))

    @precondition(lambda self: self.stage is not None and not STAGES[self.stage].final)
    @rule(correction=st.booleans())
    def something_is_said_about_it(self, correction: bool) -> None:
        assert self.stage is not None
        before = self.story.deadlines
        self.tell(b.corrected(self.stage) if correction else b.commented(self.stage))
        assert self.story.deadlines == before

    # --- it goes elsewhere, comes back, or has a successor

    @precondition(lambda self: self.stage is Stage.TO_DISPATCH or self.at_work or self.suspended)
    @rule(withdrawn=st.integers(0, 9).map(lambda number: number == 0))
    def is_merged_or_withdrawn(self, withdrawn: bool) -> None:
        self.tell(b.withdrawn() if withdrawn else b.merged())
        self.parts, self.asked, self.suspended = {}, [], False

    @precondition(lambda self: self.stage is Stage.MERGED)
    @rule(answered=st.integers(0, 4).map(lambda number: number == 0))
    def is_unmerged_or_answered(self, answered: bool) -> None:
        fact = b.answered(self.turn).model_copy(update={"whistle_blower": self.whistle_blower})
        self.tell(fact if answered else b.unmerged())

    @precondition(lambda self: self.at_work or self.suspended)
    @rule(data=st.data())
    def unit_has_a_successor(self, data: st.DataObject) -> None:
        assert self.stage is not None
        unit = data.draw(st.sampled_from(list(self.parts)))
        self.heirs += 1
        heir = f"heir-{self.heirs}"
        self.parts = {heir if there == unit else there: part for there, part in self.parts.items()}
        self.asked = [(heir if asker == unit else asker, kind) for asker, kind in self.asked]
        self.contacted = {(heir if there == unit else there, turn) for there, turn in self.contacted}
        for obligation in OWED:
            self.watches[heir, obligation, self.turn] = self.watches.pop((unit, obligation, self.turn))
            for keys in (self.ran_out, self.rose_meanwhile):
                if (unit, obligation, self.turn) in keys:
                    keys.discard((unit, obligation, self.turn))
                    keys.add((heir, obligation, self.turn))
        self.tell(b.handed_over(unit, heir, self.stage))

    @precondition(lambda self: self.stage in (Stage.VERIFYING, Stage.CHECKING, Stage.RATING, Stage.MERGED))
    @rule()
    def whistle_blower_has_a_successor(self) -> None:
        assert self.stage is not None
        self.heirs += 1
        before, self.whistle_blower = self.whistle_blower, f"heir-{self.heirs}"
        self.tell(b.handed_over(before, self.whistle_blower, self.stage, part=False))

    # --- the verdict

    @precondition(lambda self: self.stage is Stage.CHECKING)
    @rule(passed=st.booleans())
    def is_checked(self, passed: bool) -> None:
        self.tell(b.checked(passed))
        if not passed:
            self.order_rework(ReworkCause.CHECK_FAILED, [WATER])

    @precondition(lambda self: self.stage in (Stage.CHECKING, Stage.RATING, Stage.CLOSED))
    @rule(units=SOME_UNITS)
    def is_reopened(self, units: list[str]) -> None:
        self.order_rework(
            ReworkCause.RESIDENT_UNSATISFIED if self.stage is Stage.RATING else ReworkCause.HUB_ORDERED, units
        )

    def order_rework(self, cause: ReworkCause, units: list[str]) -> None:
        self.turn += 1
        self.steps = set()
        self.give(units)
        self.tell(b.rework(*units, cause=cause, turn=self.turn))

    @precondition(lambda self: self.stage is Stage.RATING)
    @rule()
    def is_closed(self) -> None:
        self.tell(b.closed())

    @precondition(lambda self: self.stage is Stage.CLOSED)
    @rule()
    def is_archived(self) -> None:
        self.tell(b.archived())

    # --- time

    @rule(passed=st.timedeltas(timedelta(microseconds=1), timedelta(days=20)), behind=st.booleans())
    def waits(self, passed: timedelta, behind: bool) -> None:
        """Time passes; the timer takes each step when it is due, or is behind and takes them after what comes next."""
        self.pass_time(passed)
        if not behind:
            self.story.until(self.now)
            self.check()

    def pass_time(self, passed: timedelta) -> None:
        before, self.now = self.now, self.now + passed
        for key, watches in self.watches.items():
            unit, obligation, turn = key
            if turn == self.turn and self.runs(unit, obligation):
                for watch in watches:
                    watch.run(before, self.now)
                    if watch.ran >= watch.may:
                        self.ran_out.add(key)

    def runs(self, unit: str, obligation: Obligation) -> bool:
        """Whether its time is being used. An argued refusal stops nothing; a suspension does."""
        part = self.parts.get(unit)
        if part is None or self.suspended or not self.at_work:
            return False
        match obligation:
            case Obligation.SIGN_IN:
                return part in ("assigned", "refused", "in_consultation")
            case Obligation.FIRST_CONTACT:
                return (unit, self.turn) not in self.contacted and part != "done"
            case _:
                return part != "done"

    # --- what must hold

    def teardown(self) -> None:
        if self.stage is not None:
            self.check()

    @precondition(lambda self: self.stage is not None)
    @rule()
    def check(self) -> None:
        assert self.stage is not None
        self.story.until(self.now, late=self.now)
        self.everybody_owes_what_they_should(self.stage)
        self.nobody_gains_or_loses_time()
        self.each_step_is_taken_once_and_not_early()

    def everybody_owes_what_they_should(self, stage: Stage) -> None:
        row = STAGES[stage]
        live = sorted((known.unit, known.obligation) for known in self.story.deadlines if known.is_live)
        if row.final or row.follows:
            assert not [known for known in self.story.deadlines if known.is_open]
            return
        assert {obligation for _, obligation in live} & set(row.obligations), f"{stage}: nobody owes anything"
        if self.suspended:
            assert live == [(HUB, Obligation.REVIEW)]
        elif self.at_work:
            milestones = [known for known in live if known[1] is Obligation.MILESTONE]
            assert len(milestones) == len(self.steps)
            assert [known for known in live if known not in milestones] == self.owed_at_work()
        elif stage is Stage.CHECKING:
            assert live == [(self.whistle_blower, Obligation.CHECK), (self.whistle_blower, Obligation.RATE)]
            assert {known.generation for known in self.open(Obligation.RATE)} == {self.turn}
        else:
            assert len(live) == 1

    def owed_at_work(self) -> list[tuple[str, Obligation]]:
        units = [(unit, Obligation.SIGN_IN) for unit in self.who("assigned")]
        units += [
            (unit, obligation)
            for unit in self.parts
            for obligation in (Obligation.FIRST_CONTACT, Obligation.HANDLE)
            if self.runs(unit, obligation)
        ]
        hub = [(HUB, Obligation.RULE_ON_REFUSAL) for _ in self.who("refused")]
        hub += [(HUB, Obligation.DESIGNATE) for _ in self.who("in_consultation")]
        hub += [(HUB, Obligation.RULE_ON_REQUEST) for _ in self.asked]
        return sorted(units + hub)

    def nobody_gains_or_loses_time(self) -> None:
        """Nobody runs longer than it may before it is overdue. Exactly so long, where no urgency made it shorter."""
        accounts = {
            (found.unit, found.obligation, found.round): found
            for found in account(self.story.deadlines, self.now, self.story.rules)
        }
        for key, watches in self.watches.items():
            unit, obligation, turn = key
            known = [
                one_of
                for one_of in self.story.deadlines
                if (one_of.unit, one_of.obligation, one_of.round) == (unit, obligation, turn)
            ]
            last = max(known, key=lambda one_of: one_of.generation)
            if last.is_open:
                over = [watch.ran > watch.may for watch in watches]
                # taken away while it was argued and given back in a suspension: it is overdue as soon as it goes on
                used_up = last.state is State.PAUSED and not last.left
                # a limit in hours on duty and one by the clock cannot be compared: one of them has to hold
                ran_over = all(over) if obligation is Obligation.SIGN_IN else any(over)
                assert last.fired_at is not None or used_up or not ran_over
            if len(watches) == 1 and key not in self.ran_out:
                (watch,) = watches
                assert not any(one_of.fired_at for one_of in known)
                if last.is_open:
                    left = last.left if last.left is not None else one.left(last, self.now, self.story.rules)
                    assert left == watch.may - watch.ran
                    assert (accounts[key].granted, accounts[key].used) == (watch.may, watch.ran)

    def each_step_is_taken_once_and_not_early(self) -> None:
        said = self.story.stated
        steps = [(fact.unit, fact.obligation, fact.generation, fact.NAME, getattr(fact, "rung", 0)) for fact in said]
        assert len(steps) == len(set(steps))
        for fact in said:
            if not isinstance(fact, f.DeadlineWarned):
                assert fact.fired_at >= fact.due_at
        for known in self.story.deadlines:
            assert known.next_at is None or known.is_live
            assert (known.state is State.PAUSED) == (known.paused_at is not None)
            assert (known.state is not State.PAUSED) or known.left is not None
            assert (known.state is not State.OVERDUE) or known.fired_at is not None
            assert (known.state is not State.ARMED) or known.next_at is not None
        names = [(known.unit, known.obligation, known.generation) for known in self.story.deadlines]
        assert len(names) == len(set(names))


TestWalk = pytest.mark.timeout(600)(Walk.TestCase)  # should it fail, shrinking takes its time
TestWalk.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("review", [Stage.REFUSAL_REVIEW, Stage.CONSULTATION])
@given(
    urgency=st.sampled_from(list(Urgency)),
    refused_after=st.timedeltas(timedelta(0), timedelta(days=3)),
    ruled_after=st.timedeltas(timedelta(0), timedelta(days=30)),
    again=st.booleans(),
)
@settings(deadline=None)
def test_a_refusal_that_is_dismissed_gains_nothing(
    review: Stage, urgency: Urgency, refused_after: timedelta, ruled_after: timedelta, again: bool
) -> None:
    """The unit's deadlines are the same, to the microsecond, as if it had not refused at all."""
    quiet = Story().tell(START, b.opened(urgency=urgency), b.accepted(urgency), b.dispatched(WATER))
    argued = Story().tell(START, b.opened(urgency=urgency), b.accepted(urgency), b.dispatched(WATER))
    refused, over = START + refused_after, START + refused_after + ruled_after
    argued.until(refused).tell(refused, b.refused(WATER, review)).until(over)
    argued.tell(over, b.dispatched(WATER) if again else b.ruled(WATER, False, Stage.DISPATCHED)).until(over)
    quiet.until(over)

    def owed(story: Story) -> list[tuple[object, ...]]:
        return [
            (one.obligation, one.generation, one.started_at, one.due_at, one.state, one.next_step, one.next_at)
            for one in story.deadlines
            if one.unit == WATER
        ]

    assert owed(argued) == owed(quiet)
