"""Any history at all, on the real road: whatever is said in whatever order, a case stays lawful and can be closed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.router.domain import desk
from services.router.domain.case import Case, Part, evolve, opened
from services.router.main import HANDLERS
from shared.contracts import facts as f
from shared.contracts.lifecycle import STAGES, allowed
from shared.contracts.vocabulary import ActorKind, Obligation, ReworkCause, Role, Source, Stage
from shared.runtime.decision import Fate, Input, Outcome
from tests.unit.router.memory import MemoryRouter
from tests.unit.router.stories import (
    CASE,
    COMMUNITY,
    FOR_NOBODY,
    FOR_SHOPS,
    FOR_STREET,
    FOR_WATER,
    HUB,
    MARKET,
    NOW,
    PARKS,
    STREET,
    WATER,
    Said,
    Story,
    concluded,
    declined,
    dismisses,
    dispatches,
    escalated,
    failed,
    finishes,
    matter,
    orders_rework,
    overdue,
    passed,
    progresses,
    refuses,
    signs_in,
    story,
    upholds,
    verified,
    whistle,
)

EVERYBODY = (WATER, MARKET, PARKS, STREET, COMMUNITY, HUB, "nobody-at-all")
Pick: TypeAlias = Callable[[Sequence[Any]], Any]
REPORTS: list[Callable[[str], Said]] = [signs_in, refuses, progresses, finishes]
OF_ONE_ROUND = (f.FeedbackChecked, f.FeedbackConcluded)


class AnyHistory(RuleBasedStateMachine):
    """One case. `folded` is what its log makes of it, `steps` the facts with the case before and after each."""

    @initialize(
        category=st.sampled_from([FOR_SHOPS, FOR_NOBODY, FOR_WATER, FOR_STREET, FOR_SHOPS, FOR_NOBODY]),
        source=st.sampled_from([Source.COMMUNITY, Source.HOTLINE_12345]),
        needs_verification=st.booleans(),
        self_handled=st.booleans(),
    )
    def begin(self, category: tuple[str, ...], source: Source, needs_verification: bool, self_handled: bool) -> None:
        self.loop = asyncio.new_event_loop()
        self.now = NOW
        self.router = MemoryRouter(self.clock)
        self.folded: Case | None = None
        self.read = 0
        self.last: Input[Any] | None = None
        self.tell(whistle(matter(category, source), needs_verification, self_handled))

    def clock(self) -> datetime:
        return self.now

    @property
    def case(self) -> Case:
        return self.router.cases[CASE]

    # --- telling

    def tell(self, said: object, over_http: bool = True) -> Outcome:
        """Send a fact by its log, a report by its topic or the door, a command by the door."""
        self.now += timedelta(minutes=7)
        if not isinstance(said, Said):
            assert isinstance(said, f.Fact)
            item = self.router.from_log(said)
        elif over_http or not isinstance(said.message, f.Report):
            item = self.router.from_door(said)
        else:
            item = self.router.from_unit(said)
        return self.send(item)

    def send(self, item: Input[Any]) -> Outcome:
        before = self.router.store.tables
        outcome = self.loop.run_until_complete(self.router.travel(item))
        assert outcome.fate is not Fate.FAILED, outcome
        if outcome.fate is not Fate.DONE:
            after = self.router.store.tables
            assert (after.states, after.heads, after.log) == (before.states, before.heads, before.log)
        assert outcome.fate is not Fate.BURIED or "no handler" not in outcome.note
        self.last = item
        self.read_the_log()
        return outcome

    def read_the_log(self) -> None:
        """Fold what is new in the log, holding each fact against the case as it was before."""
        for envelope in self.router.logged(since=self.read):
            self.read += 1
            assert envelope.caseseq == self.read
            fact, before = envelope.fact, self.folded
            assert isinstance(fact, f.CaseFact)
            assert allowed(before.stage if before else None, fact)
            if before is None:
                assert isinstance(fact, f.CaseOpened)
                self.folded = opened(CASE, fact, envelope.time)
            else:
                who_may_act(fact, before)
                self.folded = evolve(before, fact, envelope.time)
                nobody_gains(fact, before, self.folded)

    # --- the usual course, anything at all, and everything twice

    @rule(data=st.data())
    def the_usual_course(self, data: st.DataObject) -> None:
        steps = sensible(self.case, self.now)
        if steps:
            outcome = self.tell(data.draw(st.sampled_from(steps)))
            assert outcome.fate is Fate.DONE, outcome

    @rule(data=st.data(), unit=st.sampled_from(EVERYBODY), over_http=st.booleans())
    def the_usual_said_by_another(self, data: st.DataObject, unit: str, over_http: bool) -> None:
        """Whoever has no part is refused; so is whoever rules in the hub's stead."""
        said = [step for step in sensible(self.case, self.now) if isinstance(step, Said) and step.unit != unit]
        if said:
            message = data.draw(st.sampled_from(said)).message
            outcome = self.tell(Said(message, unit), over_http)
            if not isinstance(message, f.Report) or self.case.assignment_of(unit) is None:
                assert outcome.fate in (Fate.REFUSED, Fate.BURIED), outcome

    @rule(data=st.data(), say=st.sampled_from(REPORTS), over_http=st.booleans())
    def one_that_has_a_part_reports(self, data: st.DataObject, say: Callable[[str], Said], over_http: bool) -> None:
        if self.case.present:
            self.tell(say(data.draw(st.sampled_from(self.case.present)).unit), over_http)

    @rule(say=st.sampled_from([dispatches, upholds]), units=st.lists(st.sampled_from(EVERYBODY[:5]), max_size=2))
    def the_hub_assigns(self, say: Callable[..., Said], units: list[str]) -> None:
        self.tell(say(*units))

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
        before = self.router.store.tables
        assert self.last is not None
        outcome = self.send(self.last)
        assert outcome.fate in (Fate.REPEAT, Fate.REFUSED)
        assert self.router.store.tables.states == before.states

    # --- what always holds

    @invariant()
    def the_state_is_the_sum_of_the_facts(self) -> None:
        assert self.case == self.folded

    @invariant()
    def it_waits_under_a_deadline_or_is_final(self) -> None:
        row = STAGES[self.case.stage]
        assert row.waits or row.final

    @invariant()
    def assignments_are_unique_and_one_leads(self) -> None:
        case = self.case
        assert max(Counter(one.assignment_id for one in case.assignments).values(), default=1) == 1
        assert max(Counter(one.unit for one in case.present).values(), default=1) == 1
        assert [one.role for one in case.present].count(Role.LEAD) == bool(case.present)
        assert case.round == case.reworks + 1
        assert [one.round for one in case.assignments] == sorted(one.round for one in case.assignments)
        assert bool(case.present) == (case.stage not in (Stage.VERIFYING, Stage.TO_DISPATCH, Stage.DECLINED))

    @invariant()
    def parts_fit_the_stage(self) -> None:
        parts = Counter(one.part for one in self.case.present)
        stage = self.case.stage
        assert parts[Part.REFUSED] == (stage in (Stage.REFUSAL_REVIEW, Stage.CONSULTATION))
        if stage in (Stage.CHECKING, Stage.RATING, Stage.CLOSED, Stage.ARCHIVED):
            assert set(parts) == {Part.DONE}
        if parts[Part.SIGNED_IN]:
            assert stage is Stage.HANDLING
        assert (self.case.closed_at is not None) == (stage in (Stage.CLOSED, Stage.ARCHIVED))

    # --- and in the end

    def teardown(self) -> None:
        """Wherever it stands, some sensible course takes it to a final stage."""
        if hasattr(self, "router"):
            for _ in range(40):
                steps = sensible(self.case, self.now)
                if not steps:
                    break
                assert self.tell(steps[0]).fate is Fate.DONE
            assert self.case.is_final
            self.the_state_is_the_sum_of_the_facts()
            assert self.router.chains_hold()
            self.loop.close()


def anything_at_all(case: Case, now: datetime, pick: Pick) -> object:
    """Anything that anyone can say, more often by those who have a part and about the present round."""
    concerned = [*(one.unit for one in case.present), *EVERYBODY]
    unit, by = pick(concerned), pick([HUB, HUB, *(one.unit for one in case.present), COMMUNITY])
    round_ = case.round + pick([0, 1, -1])
    sayings: list[Callable[[], object]] = [
        lambda: pick(REPORTS)(unit),
        lambda: pick([dispatches, upholds])(unit, *pick([(), (pick(concerned),)]), by=by),
        lambda: pick([dismisses, orders_rework])(by=by),
        lambda: pick([passed, failed])(round_),
        lambda: concluded(pick([True, False]), round_),
        lambda: overdue(pick(list(Obligation)), pick([unit, None]), now + timedelta(hours=pick([-48, 0, 48]))),
        lambda: escalated(pick(list(Obligation))),
        verified,
        declined,
        whistle,
    ]
    return pick(sayings)()


def who_may_act(fact: f.CaseFact, before: Case) -> None:
    """Units act on their own parts and each at its time, the hub rules, rules and the clock do what is theirs."""
    match fact:
        case f.CaseSignedIn() | f.CaseRefused() | f.CaseProgressed() | f.CaseUnitDone():
            own = before.assignment_of(fact.unit)
            assert own is not None
            assert (fact.actor.kind, fact.actor.unit, fact.unit) == (ActorKind.STAFF, own.unit, own.unit)
            assert own.assignment_id == fact.assignment_id
            begins = isinstance(fact, f.CaseSignedIn | f.CaseRefused)
            assert own.part is (Part.ASSIGNED if begins else Part.SIGNED_IN)
            if isinstance(fact, f.CaseRefused):
                assert not before.designated
        case f.CaseHandled():
            assert before.lead is not None
            assert fact.actor.unit == before.lead.unit
            assert set(fact.units) == {one.unit for one in before.present}
        case f.CaseRefusalRuled():
            assert fact.actor.unit == HUB
        case f.CaseDispatched():
            assert fact.actor.unit == HUB or fact.actor.kind is ActorKind.RULE
        case f.CaseReworkOrdered(cause=ReworkCause.HUB_ORDERED):
            assert fact.actor.unit == HUB
        case f.CaseOverdue() | f.CaseEscalated() | f.CaseArchived():
            assert fact.actor.kind is ActorKind.CLOCK
        case _:
            pass


def nobody_gains(fact: f.CaseFact, before: Case, after: Case) -> None:
    """Nothing recorded is lost, and within a round who stays in a case stays under the same assignment."""
    assert after.missed[: len(before.missed)] == before.missed
    assert len(after.missed) - len(before.missed) == isinstance(fact, f.CaseOverdue)
    assert after.refusals - before.refusals == isinstance(fact, f.CaseRefused)
    if after.round != before.round:
        assert isinstance(fact, f.CaseReworkOrdered)
        assert [(one.unit, one.role) for one in after.present] == [(one.unit, one.role) for one in before.present]
        return
    left = {one.unit: one.assignment_id for one in before.present}
    for one in after.present:
        assert left.pop(one.unit, one.assignment_id) == one.assignment_id
    released = {fact.unit} if isinstance(fact, f.CaseRefusalRuled) and fact.upheld else set()
    assert set(left) == released, "only the unit whose refusal was upheld leaves a case"
    if before.lead is not None and after.lead is not None and before.lead.unit != after.lead.unit:
        assert isinstance(fact, f.CaseDispatched)
        assert fact.final, "who leads changes by designation, or when the lead itself was let go"


def sensible(case: Case, now: datetime) -> list[object]:
    """What may be done next in the usual course; the first leads to the end."""
    match case.stage:
        case Stage.VERIFYING:
            return [verified(), declined()]
        case Stage.TO_DISPATCH:
            return [dispatches(WATER), dispatches(MARKET, PARKS), dispatches(STREET, WATER, PARKS)]
        case Stage.REFUSAL_REVIEW:
            outsiders = [unit for unit in (WATER, MARKET, PARKS) if not any(one.unit == unit for one in case.present)]
            return [dismisses(), *(upholds(unit) for unit in outsiders)]
        case Stage.CONSULTATION:
            refusing = next(one.unit for one in case.present if one.part is Part.REFUSED)
            together = dict.fromkeys((MARKET, refusing))
            return [dispatches(refusing), dispatches(WATER), dispatches(*together), dispatches(STREET)]
        case Stage.DISPATCHED | Stage.REWORK | Stage.HANDLING:
            return list(at_work(case))
        case Stage.CHECKING:
            return [passed(case.round), failed(case.round)]
        case Stage.RATING:
            return [concluded(True, case.round), concluded(False, case.round)]
        case Stage.CLOSED:
            return [overdue(Obligation.ARCHIVE, HUB, now + timedelta(days=1)), orders_rework()]
        case _:
            return []


def at_work(case: Case) -> Iterator[object]:
    """Who has not signed in does, co-handlers finish, the lead last; some refuse or tell how it stands."""
    by_part = {
        part: sorted((one for one in case.present if one.part is part), key=lambda one: one.role is Role.LEAD)
        for part in Part
    }
    waiting, working = by_part[Part.ASSIGNED], by_part[Part.SIGNED_IN]
    yield from (signs_in(one.unit) for one in waiting)
    if working and (working[0].role is not Role.LEAD or not waiting):
        yield finishes(working[0].unit)
    yield from (progresses(one.unit) for one in working)
    if case.stage is Stage.DISPATCHED and not case.designated:
        on_time = [one for one in waiting if not case.has_missed(Obligation.SIGN_IN, one)]
        yield from (refuses(one.unit) for one in on_time)


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
        parts = tuple(sorted((one.role, one.part) for one in case.present))
        situation = (case.stage, parts, case.refusals, case.designated)
        if situation not in known:
            known.add(situation)
            for step in sensible(case, NOW):
                following = Story(case)
                assert following.tell(step).facts
                todo.append(following)
    assert stages == set(Stage)
    named = {fact for fact in f.FACTS.values() if issubclass(fact, f.CaseFact)}
    assert kinds == named - {f.CaseOverdue, f.CaseEscalated}


def test_the_course_knows_every_message() -> None:
    told = {type(said.message) for said in (signs_in(), refuses(), progresses(), finishes())}
    told |= {desk.Dispatch, desk.RuleOnRefusal, desk.OrderRework}
    told |= {type(fact) for fact in (whistle(), verified(), declined(), passed(), concluded(), escalated())}
    assert told | {f.DeadlineOverdue} == set(HANDLERS)
