"""Any history at all, on the real road: whatever is said in whatever order, a case stays lawful and can be closed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.router.domain.case import Case, Part
from services.router.domain.commands import Command
from services.router.domain.district import District
from services.router.domain.evolution import evolve, opened
from services.router.domain.permits import asker
from services.router.domain.procedures import Action, Procedure, Who
from services.router.domain.routing.rules import Rules
from services.router.main import HANDLERS
from shared.contracts import facts as f
from shared.contracts.lifecycle import AT_WORK, STAGES, allowed
from shared.contracts.vocabulary import ActorKind, ResumeCause, ReworkCause, Role, Source, Stage, Urgency
from shared.runtime.decision import Fate, FromTimer, Input, Outcome
from tests.unit.router.histories import (
    EVERYBODY,
    REPORTS,
    VERSIONS,
    Begun,
    Blame,
    anything_at_all,
    has_units_of_the_past,
    sensible,
)
from tests.unit.router.memory import MemoryRouter
from tests.unit.router.stories import (
    CASE,
    DISTRICT,
    FOR_NOBODY,
    FOR_SHOPS,
    FOR_STREET,
    FOR_WATER,
    HUB,
    NOW,
    PROCEDURES,
    RULES,
    Said,
    Story,
    district,
    matter,
    procedures,
    staff_of,
    story,
    units_have_changed,
    whistle,
)

OF_ONE_ROUND = (f.FeedbackChecked, f.FeedbackConcluded, f.FeedbackSampleChecked)
NOBODY_HAS_IT = (Stage.VERIFYING, Stage.DECLINED, Stage.TO_DISPATCH, Stage.MERGED, Stage.WITHDRAWN)


LENIENT = procedures({action: (Procedure(who=tuple(Who)),) for action in Action}, consultation_after=3)
"""Whatever the lifecycle allows at all, everybody may, any number of times and without approval."""
OTHER_RULES = Rules("2027-01", RULES.rules[2:])


class AnyHistory(RuleBasedStateMachine):
    """One case. `folded` is what its log makes of it; other readers of the log follow it beside."""

    @initialize(
        category=st.sampled_from([FOR_SHOPS, FOR_NOBODY, FOR_WATER, FOR_STREET, FOR_SHOPS, FOR_NOBODY]),
        source=st.sampled_from([Source.COMMUNITY, Source.HOTLINE_12345]),
        urgency=st.sampled_from([Urgency.NORMAL, Urgency.COMPLEX, Urgency.CRITICAL]),
        needs_verification=st.booleans(),
        self_handled=st.booleans(),
        is_lenient=st.integers(0, 3).map(lambda one: one == 0),
    )
    def begin(
        self,
        category: tuple[str, ...],
        source: Source,
        urgency: Urgency,
        needs_verification: bool,
        self_handled: bool,
        is_lenient: bool,
    ) -> None:
        self.loop = asyncio.new_event_loop()
        self.now = NOW
        self.router = MemoryRouter(self.clock)
        self.given = LENIENT if is_lenient else PROCEDURES
        self.version = 0
        self.router.district = district(given=self.given)
        self.folded: Case | None = None
        self.read = 0
        self.last: Input[Any] | None = None
        self.begun, self.blame = Begun(), Blame()
        self.tell(whistle(matter(category, source, urgency), needs_verification, self_handled))

    def clock(self) -> datetime:
        return self.now

    @property
    def case(self) -> Case:
        return self.router.cases[CASE]

    @property
    def ours(self) -> District:
        return self.router.district

    # --- telling

    def tell(self, said: object, over_http: bool = True) -> Outcome:
        """Send a fact by its log, a report by its topic or the door, a command by the door, a sweep's by itself."""
        self.now += timedelta(minutes=7)
        if isinstance(said, f.Fact):
            item = self.router.from_log(said)
        elif not isinstance(said, Said):
            item = self.router.from_sweep(said)
        elif over_http or not isinstance(said.message, f.Report):
            item = self.router.from_door(said)
        else:
            item = self.router.from_unit(said)
        return self.send(item)

    def send(self, item: Input[Any]) -> Outcome:
        before, is_final, known = self.router.store.tables, self.folded is not None and self.folded.is_final, self.read
        outcome = self.loop.run_until_complete(self.router.travel(item))
        assert outcome.fate not in (Fate.FAILED, Fate.BURIED), (item.message, outcome)
        if outcome.fate is not Fate.DONE:
            after = self.router.store.tables
            assert (after.states, after.heads, after.log) == (before.states, before.heads, before.log)
        self.last = item
        self.read_the_log()
        assert not is_final or self.read == known, "final is final"
        return outcome

    def read_the_log(self) -> None:
        """Fold what is new in the log, holding each fact against the case as it was before."""
        for envelope in self.router.logged(since=self.read):
            self.read += 1
            assert envelope.caseseq == self.read
            fact, before = envelope.fact, self.folded
            assert isinstance(fact, f.CaseFact)
            assert allowed(before.stage if before else None, fact)
            self.begun.hears(fact)
            self.blame.hears(fact, envelope.time)
            if before is None:
                assert isinstance(fact, f.CaseOpened)
                self.folded = opened(CASE, fact, envelope.time)
            else:
                if self.given is PROCEDURES:
                    who_may_act(fact, before, self.ours)
                self.folded = evolve(before, fact, envelope.time)
                nobody_gains(fact, before, self.folded)

    # --- the usual course, anything at all, and everything twice

    @rule(data=st.data())
    def the_usual_course(self, data: st.DataObject) -> None:
        steps = sensible(self.case, self.now, self.ours)
        if steps:
            step = data.draw(st.sampled_from(steps))
            known = self.read
            outcome = self.tell(step)
            assert outcome.fate is Fate.DONE, (step, outcome)
            assert self.read > known, (step, self.case)

    @rule(data=st.data(), unit=st.sampled_from(EVERYBODY), over_http=st.booleans())
    def the_usual_said_by_a_stranger(self, data: st.DataObject, unit: str, over_http: bool) -> None:
        """Whoever is nothing to the case is refused, whatever it says."""
        case = self.case
        said = [step for step in sensible(case, self.now, self.ours) if isinstance(step, Said)]
        if said and not asker(staff_of(unit), case, self.ours.tree).is_:
            message = data.draw(st.sampled_from(said)).message
            if isinstance(message, Command):
                message = message.model_copy(update={"actor": staff_of(unit)})
            outcome = self.tell(Said(message, unit), over_http)
            assert outcome.refusal is not None
            assert outcome.refusal.status == 403

    @rule(data=st.data(), say=st.sampled_from(REPORTS), over_http=st.booleans())
    def one_that_has_a_part_reports(self, data: st.DataObject, say: Callable[[str], Said], over_http: bool) -> None:
        if self.case.present:
            self.tell(say(data.draw(st.sampled_from(self.case.present)).unit), over_http)

    @rule(data=st.data(), over_http=st.booleans())
    def anything(self, data: st.DataObject, over_http: bool) -> None:
        def pick(options: Sequence[Any]) -> Any:
            return data.draw(st.sampled_from(options))

        said = anything_at_all(self.case, self.now, pick)
        known, round_ = self.read, self.case.round
        self.tell(said, over_http)
        if isinstance(said, OF_ONE_ROUND) and said.round != round_:
            assert self.read == known, "what is said of another round is passed over"

    @rule()
    def the_last_comes_again(self) -> None:
        if self.last is None or isinstance(self.last.origin, FromTimer):
            return
        before = self.router.store.tables
        outcome = self.send(self.last)
        assert outcome.fate in (Fate.REPEAT, Fate.REFUSED)
        assert self.router.store.tables.states == before.states

    @rule(days=st.sampled_from([1, 3, 30]))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days)

    # --- units and rules change in the middle

    @rule()
    def units_are_reorganised(self) -> None:
        if self.version + 1 < len(VERSIONS):
            self.version += 1
            self.router.district = replace(self.ours, tree=VERSIONS[self.version].tree)

    @rule(rules=st.sampled_from([RULES, OTHER_RULES]))
    def rules_change(self, rules: Rules) -> None:
        self.router.district = replace(self.ours, rules=rules)

    @rule()
    def the_sweep_comes(self) -> None:
        self.tell(units_have_changed())
        assert not has_units_of_the_past(self.case, self.ours)
        known = self.read
        self.tell(units_have_changed())
        assert self.read == known, "a second sweep finds nothing"

    # --- what always holds

    @invariant()
    def the_state_is_the_sum_of_the_facts(self) -> None:
        assert self.case == self.folded

    @invariant()
    def it_waits_on_something_or_is_final(self) -> None:
        row = STAGES[self.case.stage]
        assert row.waits or row.final
        assert not row.follows or self.case.merged_into is not None

    @invariant()
    def assignments_are_unique_and_one_leads(self) -> None:
        case = self.case
        assert max(Counter(one.assignment_id for one in case.assignments).values(), default=1) == 1
        assert max(Counter(one.unit for one in case.present).values(), default=1) == 1
        assert [one.role for one in case.present].count(Role.LEAD) == bool(case.present)
        assert case.round == case.reworks + 1
        assert [one.round for one in case.assignments] == sorted(one.round for one in case.assignments)
        if case.stage in NOBODY_HAS_IT or case.answered_by:
            assert not case.present or case.stage not in NOBODY_HAS_IT
        else:
            assert case.present

    @invariant()
    def parts_fit_the_stage(self) -> None:
        case = self.case
        parts = {one.part for one in case.present}
        if case.stage in (Stage.CHECKING, Stage.RATING, Stage.CLOSED, Stage.ARCHIVED):
            assert parts <= {Part.DONE}
        assert (case.pause is not None) == (case.stage is Stage.SUSPENDED)
        if case.stage in AT_WORK:
            gravest = (
                (Part.IN_CONSULTATION in parts, Stage.CONSULTATION),
                (Part.REFUSED in parts, Stage.REFUSAL_REVIEW),
                (bool(case.requests), Stage.EXTENSION_REVIEW),
                (bool(parts & {Part.SIGNED_IN, Part.DONE}), Stage.HANDLING),
                (case.round > 1, Stage.REWORK),
                (True, Stage.DISPATCHED),
            )
            assert case.stage is next(stage for holds, stage in gravest if holds)
            assert case.lead is not None
            assert case.lead.part is not Part.DONE, "the lead finishes last"
        assert (case.closed_at is not None) == (case.stage in (Stage.CLOSED, Stage.ARCHIVED))

    @invariant()
    def what_is_known_of_time_is_of_its_parts(self) -> None:
        case = self.case
        parts = {one.assignment_id: one for one in case.assignments}
        names = [(one.assignment_id, one.obligation) for one in case.limits]
        assert len(names) == len(set(names))
        for one in case.limits:
            assert parts[one.assignment_id].owes(one.obligation) or (one.due_at is not None and one.due_at < self.now)

    @invariant()
    def what_is_pending_is_of_those_at_work(self) -> None:
        case = self.case
        working = {one.assignment_id: one.unit for one in case.present if one.part is Part.SIGNED_IN}
        assert all(working.get(one.assignment_id) == one.unit for one in case.requests)
        assert set(case.supervised) <= {one.unit for one in case.present}
        assert len(set(case.supervised)) == len(case.supervised)
        assert not case.requests or case.stage in AT_WORK

    # --- and in the end

    def teardown(self) -> None:
        """Wherever it stands, some sensible course takes it to a final stage."""
        if not hasattr(self, "router"):
            return
        try:
            if CASE in self.router.cases:
                self.comes_to_an_end()
        finally:
            self.loop.close()

    def comes_to_an_end(self) -> None:
        for _ in range(80):
            steps = sensible(self.case, self.now, self.ours)
            if not steps:
                break
            outcome = self.tell(steps[0])
            assert outcome.fate is Fate.DONE, (steps[0], outcome)
        assert self.case.is_final
        self.the_state_is_the_sum_of_the_facts()
        assert self.router.chains_hold()


def who_may_act(fact: f.CaseFact, before: Case, ours: District) -> None:
    """Units act on their own parts and each at its time, the hub rules, rules and the clock do what is theirs."""
    tree, actor = ours.tree, fact.actor
    by = None if actor.unit is None else tree.present(actor.unit, before.matter.region, before.matter.category)
    at_the_hub = actor.unit == HUB
    blew_the_whistle = before.matter.whistle_blower in (actor.unit, by)
    match fact:
        case f.CaseSignedIn() | f.CaseRefused() | f.CaseProgressed() | f.CaseUnitDone() | f.CaseRequested():
            own = before.assignment_of(fact.unit)
            assert own is not None
            assert own.assignment_id == fact.assignment_id
            assert own.unit in (actor.unit, by)
            begins = isinstance(fact, f.CaseSignedIn | f.CaseRefused)
            assert own.part is (Part.ASSIGNED if begins else Part.SIGNED_IN)
            assert not isinstance(fact, f.CaseRefused) or not before.designated
        case f.CaseHandled():
            assert before.lead is not None
            assert before.lead.unit in (actor.unit, by)
            assert set(fact.units) == {one.unit for one in before.present}
            assert all(one.reached_at is not None for one in before.milestones)
        case f.CaseRefusalRuled() | f.CaseRequestRuled() | f.CaseListed():
            assert at_the_hub
        case f.CaseReworkOrdered(cause=ReworkCause.HUB_ORDERED):
            assert at_the_hub
        case f.CaseDispatched() | f.CaseSupervised():
            above = any(tree.is_within(one.unit, actor.unit or "") for one in before.present)
            assert at_the_hub or actor.kind in (ActorKind.RULE, ActorKind.CLOCK) or above
        case f.CaseResumed():
            assert before.lead is not None
            assert (actor.kind is ActorKind.CLOCK) == (fact.cause is ResumeCause.REVIEW_DATE)
            assert at_the_hub or actor.kind is ActorKind.CLOCK or before.lead.unit in (actor.unit, by)
        case f.CaseWithdrawn():
            assert at_the_hub or blew_the_whistle or actor.kind is ActorKind.HOTLINE
        case f.CaseMerged() | f.CaseUnmerged() | f.CaseReprioritised() | f.CaseCorrected():
            assert at_the_hub or blew_the_whistle or actor.kind is ActorKind.RULE
        case f.CaseSentToDesk():
            assert actor.kind is (ActorKind.CLOCK if fact.released else ActorKind.RULE)
        case f.CaseHandedOver() | f.CaseAnswered() | f.CaseDuplicateFound():
            assert actor.kind is ActorKind.RULE
        case f.CaseOverdue() | f.CaseEscalated() | f.CaseArchived():
            assert actor.kind is ActorKind.CLOCK
        case _:
            pass


def nobody_gains(fact: f.CaseFact, before: Case, after: Case) -> None:
    """Nothing recorded is lost, and within a round who stays in a case stays under the same assignment."""
    assert after.missed[: len(before.missed)] == before.missed
    assert len(after.missed) - len(before.missed) == isinstance(fact, f.CaseOverdue)
    assert after.refusals - before.refusals == isinstance(fact, f.CaseRefused)
    assert after.suspensions - before.suspensions in (0, isinstance(fact, f.CaseRequestRuled))
    if after.round != before.round:
        assert isinstance(fact, f.CaseReworkOrdered)
        return
    left = {one.assignment_id: one for one in before.present}
    there = {one.assignment_id: one for one in after.present}
    lost, got = left.keys() - there.keys(), there.keys() - left.keys()
    if isinstance(fact, f.CaseDispatched):
        assert {made.assignment_id for made in fact.assignments} == there.keys()
        assert {made.assignment_id for made in fact.assignments if made.begun} == got
        assert {made.assignment_id for made in fact.released} == lost
    elif isinstance(fact, f.CaseRefusalRuled):
        assert (lost, got) == ({fact.assignment_id} if fact.upheld else set(), set())
    elif isinstance(fact, f.CaseWithdrawn | f.CaseMerged | f.CaseSentToDesk):
        assert (lost, got) == ({made.assignment_id for made in fact.released}, set())
    else:
        assert (lost, got) == (set(), set())
    for assignment_id in left.keys() & there.keys():
        assert left[assignment_id].unit == there[assignment_id].unit or isinstance(fact, f.CaseHandedOver)


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_the_usual_course_goes_everywhere() -> None:
    """Every choice in every situation of the usual course, each situation once: all stages, all facts."""
    stages: set[Stage] = set()
    kinds: set[type[f.Fact]] = set()
    known: set[object] = set()
    todo = [story(whistle(matter(FOR_NOBODY))), story(whistle(matter(FOR_NOBODY), needs_verification=True))]
    while todo:
        course = todo.pop()
        stages |= {fact.stage for fact in course.facts}
        kinds |= {type(fact) for fact in course.facts}
        case = course.now
        situation = (
            case.stage,
            tuple(sorted((one.role, one.part) for one in case.present)),
            min(case.refusals, 2),
            case.designated,
            case.pause is None,
            bool(case.milestones),
            bool(case.supervised),
            len(case.requests),
        )
        if situation not in known and len(case.present) <= 3:
            known.add(situation)
            for step in sensible(case, NOW, DISTRICT):
                following = Story(case)
                decision = following.tell(step)
                assert decision.facts, (step, decision)
                todo.append(following)
    assert stages == set(Stage)
    named = {fact for fact in f.FACTS.values() if issubclass(fact, f.CaseFact)}
    assert named - kinds == {f.CaseTimed, f.CaseOverdue, f.CaseEscalated, f.CaseHandedOver, f.CaseDuplicateFound}


def test_the_courses_know_every_message() -> None:
    """What can be said is drawn from all that the router handles."""
    told: set[type] = set()
    at_work = story(whistle(matter(FOR_SHOPS))).now
    for seed in range(1000):
        steps = iter(range(seed, seed + 1000))
        said = anything_at_all(at_work, NOW, lambda options, steps=steps: options[next(steps) % len(options)])  # type: ignore[misc]
        told.add(type(said.message if isinstance(said, Said) else said))
    assert told == set(HANDLERS)
