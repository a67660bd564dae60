"""Random legal histories of a case: every stage that waits has its deadline, and nobody gains time."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from services.sla.domain.deadline import State
from services.sla.main import HANDLERS, READ_PAST
from shared.contracts import facts as f
from shared.contracts.lifecycle import STAGES, TRANSITIONS, allowed
from shared.contracts.vocabulary import Obligation, ReworkCause, Stage, Urgency
from tests.unit.sla import builders as b
from tests.unit.sla.builders import HUB, POWER, STREET, WATER, Story, local

UNITS = (WATER, POWER, STREET)
START = local("2026-09-17 10:00")
LATENESS = st.timedeltas(timedelta(0), timedelta(days=2))


def test_every_fact_of_a_case_is_on_the_map() -> None:
    cases = {fact for fact in f.FACTS.values() if issubclass(fact, f.CaseFact)}
    assert cases == set(READ_PAST) | {fact for fact in HANDLERS if issubclass(fact, f.CaseFact)}


class Walk(RuleBasedStateMachine):
    """The router's part, played by the lifecycle table; the clock hears every fact."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.now = START
        self.stage: Stage | None = None
        self.unsigned: set[str] = set()
        self.working: set[str] = set()
        self.refuser: str | None = None
        self.granted: dict[tuple[str, str, int], tuple[datetime, datetime]] = {}
        self.turn = 1

    def tell(self, fact: f.CaseFact) -> None:
        assert allowed(self.stage, fact), (self.stage, fact)
        self.story.tell(self.now, fact)
        self.stage = fact.stage
        self.check()

    # --- what the router may say

    @initialize(stage=st.sampled_from([Stage.RECEIVED, Stage.VERIFYING]), urgency=st.sampled_from(list(Urgency)))
    def open(self, stage: Stage, urgency: Urgency) -> None:
        self.urgency = urgency
        self.tell(b.opened(stage, urgency))

    @precondition(lambda self: self.stage in (Stage.RECEIVED, Stage.VERIFYING))
    @rule(declined=st.integers(0, 9).map(lambda one: one == 0))
    def accept_or_decline(self, declined: bool) -> None:
        self.tell(b.declined() if declined else b.accepted(self.urgency))

    @precondition(lambda self: self.stage is Stage.TO_DISPATCH)
    @rule(desk=st.sampled_from([HUB, STREET]))
    def send_to_desk(self, desk: str) -> None:
        self.tell(b.sent_to_desk(desk))

    @precondition(lambda self: self.stage in (Stage.TO_DISPATCH, Stage.REFUSAL_REVIEW, Stage.CONSULTATION))
    @rule(units=st.sets(st.sampled_from(UNITS), min_size=1))
    def dispatch(self, units: set[str]) -> None:
        again = {self.refuser} if self.refuser else set()
        self.unsigned = units & (self.unsigned | again | (units - self.working))
        self.working = set(units)
        self.refuser = None
        self.tell(b.dispatched(*sorted(units)))

    @precondition(lambda self: self.stage in (Stage.DISPATCHED, Stage.HANDLING, Stage.REWORK) and self.unsigned)
    @rule(data=st.data())
    def sign_in(self, data: st.DataObject) -> None:
        unit = data.draw(st.sampled_from(sorted(self.unsigned)))
        assert self.stage is not None
        self.unsigned.discard(unit)
        after = TRANSITIONS[f.CaseSignedIn][self.stage]
        stage = data.draw(st.sampled_from(after)) if self.unsigned else Stage.HANDLING
        self.tell(b.signed_in(unit, stage))

    @precondition(lambda self: self.stage is Stage.DISPATCHED and self.unsigned)
    @rule(data=st.data(), stage=st.sampled_from([Stage.REFUSAL_REVIEW, Stage.CONSULTATION]))
    def refuse(self, data: st.DataObject, stage: Stage) -> None:
        self.refuser = data.draw(st.sampled_from(sorted(self.unsigned)))
        self.unsigned.discard(self.refuser)
        self.tell(b.refused(self.refuser, stage))

    @precondition(lambda self: self.refuser is not None)
    @rule(upheld=st.booleans(), stays=st.booleans())
    def rule_on_refusal(self, upheld: bool, stays: bool) -> None:
        assert self.refuser is not None
        assert self.stage is not None
        unit = self.refuser
        stage = self.stage if stays else Stage.DISPATCHED
        if not stays:
            self.refuser = None
            if upheld and self.working - {unit}:
                self.working.discard(unit)
            else:
                self.unsigned.add(unit)
        self.tell(b.ruled(unit, upheld, stage))

    @precondition(lambda self: self.stage is Stage.HANDLING)
    @rule(data=st.data(), contacted=st.booleans())
    def progress(self, data: st.DataObject, contacted: bool) -> None:
        self.tell(b.progressed(data.draw(st.sampled_from(sorted(self.working))), contacted))

    @precondition(lambda self: self.stage is Stage.HANDLING)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        unit = data.draw(st.sampled_from(sorted(self.working)))
        self.working.discard(unit)
        self.unsigned.discard(unit)
        self.tell(b.unit_done(unit, Stage.HANDLING if self.working else Stage.HANDLED))
        if not self.working:
            self.tell(b.handled(unit, turn=self.turn))

    @precondition(lambda self: self.stage is Stage.CHECKING)
    @rule(passed=st.booleans())
    def verify(self, passed: bool) -> None:
        self.tell(b.checked(passed))
        if not passed:
            self.order_rework(ReworkCause.CHECK_FAILED, {WATER})

    @precondition(lambda self: self.stage in (Stage.CHECKING, Stage.RATING, Stage.CLOSED))
    @rule(units=st.sets(st.sampled_from(UNITS), min_size=1))
    def reopen(self, units: set[str]) -> None:
        self.order_rework(
            ReworkCause.RESIDENT_UNSATISFIED if self.stage is Stage.RATING else ReworkCause.HUB_ORDERED, units
        )

    def order_rework(self, cause: ReworkCause, units: set[str]) -> None:
        self.turn += 1
        self.working, self.unsigned = set(units), set(units)
        self.tell(b.rework(*sorted(units), cause=cause, turn=self.turn))

    @precondition(lambda self: self.stage is Stage.RATING)
    @rule()
    def close(self) -> None:
        self.tell(b.closed())

    @precondition(lambda self: self.stage is Stage.CLOSED)
    @rule()
    def archive(self) -> None:
        self.tell(b.archived())

    # --- time

    @rule(passed=st.timedeltas(timedelta(seconds=1), timedelta(days=20)), late=LATENESS, at_once=st.booleans())
    def wait(self, passed: timedelta, late: timedelta, at_once: bool) -> None:
        """Time passes; the timer takes each step when it is due, or all of them when it is back."""
        self.now += passed
        self.story.until(self.now, late=self.now + late if at_once else None)
        self.now += late if at_once else timedelta(0)
        self.check()

    # --- what must hold

    def check(self) -> None:
        assert self.stage is not None
        self.stage_has_its_deadlines(self.stage)
        self.units_have_theirs(self.stage)
        self.nobody_gains_time()
        self.each_step_is_taken_once_and_not_early()

    def stage_has_its_deadlines(self, stage: Stage) -> None:
        live = {Obligation(obligation) for _, obligation in self.story.live()}
        row = STAGES[stage]
        if row.final:
            assert not live
        if row.waits:
            assert live & set(row.obligations), f"{stage}: nobody owes anything"
            stray = live - set(row.obligations) - ({Obligation.SIGN_IN} if self.unsigned else set())
            assert not stray, f"{stage}: {stray} is not owed here"

    def units_have_theirs(self, stage: Stage) -> None:
        live = self.story.live()
        assert {unit for unit, obligation in live if obligation == Obligation.HANDLE} == self.working
        assert {unit for unit, obligation in live if obligation == Obligation.SIGN_IN} == self.unsigned
        if stage is Stage.REFUSAL_REVIEW:
            assert (HUB, Obligation.RULE_ON_REFUSAL) in live
        if stage is Stage.CONSULTATION:
            assert (HUB, Obligation.DESIGNATE) in live
        if stage is Stage.TO_DISPATCH:
            assert sum(obligation == Obligation.DISPATCH for _, obligation in live) == 1

    def nobody_gains_time(self) -> None:
        for one in self.story.deadlines:
            key = (one.unit, one.obligation.value, one.generation)
            assert self.granted.setdefault(key, (one.started_at, one.due_at)) == (one.started_at, one.due_at)
        assert len(self.granted) == len(self.story.deadlines)

    def each_step_is_taken_once_and_not_early(self) -> None:
        said = self.story.stated
        steps = [(one.unit, one.obligation, one.generation, one.NAME, getattr(one, "rung", 0)) for one in said]
        assert len(steps) == len(set(steps))
        for fact in said:
            if not isinstance(fact, f.DeadlineWarned):
                assert fact.fired_at >= fact.due_at
        for one in self.story.deadlines:
            assert (one.ended_at is None) == one.is_live
            assert one.is_live or one.next_at is None
            assert (one.state is not State.OVERDUE) or one.fired_at is not None
            assert (one.state is not State.ARMED) or one.next_at is not None


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=300, stateful_step_count=25, deadline=None)


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
