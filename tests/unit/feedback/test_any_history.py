"""Random histories of one case: an obedient router, a clock that is early or late, people in any order.

`cases` and `deadlines` reach feedback each in its own order, but either may run ahead of the other, and the
router hears feedback's words late. What must hold is told from feedback's own facts, not from its state.
"""

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.feedback.domain.commands import Asker, AskExclusion, CheckResult
from shared.contracts import facts as f
from shared.contracts.vocabulary import Measure, Obligation, ReworkCause, Satisfaction
from tests.unit.feedback.histories import (
    COMMUNITY,
    HUB,
    MARKET,
    OTHER_COMMUNITY,
    WATER,
    History,
    answered,
    archived,
    asks,
    case_checked,
    closed,
    dispatched,
    failed,
    followed_by,
    found,
    handled,
    hotline,
    opened,
    overdue,
    passed,
    rated,
    resident,
    rework,
    rules,
    staff,
)

UNITS = (WATER, MARKET)
ASKERS = st.sampled_from([staff(COMMUNITY), staff(HUB), staff(OTHER_COMMUNITY), staff(WATER), hotline(), resident()])


class AnyHistory(RuleBasedStateMachine):
    """`stage` and `round` are the router's; `at work` stands for every stage before 办结."""

    @initialize(
        resident_to_ask=st.booleans(),
        units=st.sampled_from([(WATER,), UNITS]),
        share=st.sampled_from(["0", "0.5", "1"]),
    )
    def begin(self, resident_to_ask: bool, units: tuple[str, ...], share: str) -> None:
        self.feedback = History(by=followed_by(share))
        self.share = share
        self.closings_read = 0
        self.exclusions = 0
        self.resident_to_ask = resident_to_ask
        self.units = units
        self.stage, self.round = "at work", 1
        self.cases: list[f.Fact] = [
            opened(resident_to_ask=resident_to_ask),
            dispatched(*units, resident_to_ask=resident_to_ask),
        ]
        self.armed: set[tuple[Obligation, int]] = set()
        self.deadlines: list[f.DeadlineOverdue] = []
        self.heard = 0
        self.last_read: f.Fact | None = None
        self.rate_overdue: set[int] = set()

    # --- the router

    @precondition(lambda self: self.stage == "at work")
    @rule()
    def units_finish(self) -> None:
        self.stage = "checking"
        self.cases.append(handled(self.round, *self.units, resident_to_ask=self.resident_to_ask))
        self.armed |= {(Obligation.CHECK, self.round), (Obligation.RATE, self.round)}

    @precondition(lambda self: self.heard < len(self.feedback.said))
    @rule()
    def router_hears(self) -> None:
        fact = self.feedback.said[self.heard]
        self.heard += 1
        if isinstance(fact, f.FeedbackChecked) and (self.stage, self.round) == ("checking", fact.round):
            self.cases.append(case_checked(fact.passed))
            if fact.passed:
                self.stage = "rating"
            else:
                self._rework(ReworkCause.CHECK_FAILED)
        if isinstance(fact, f.FeedbackConcluded) and (self.stage, self.round) == ("rating", fact.round):
            if fact.close:
                self.stage = "closed"
                self.cases.append(closed())
            else:
                self._rework(ReworkCause.RESIDENT_UNSATISFIED)
        if isinstance(fact, f.FeedbackSampleChecked) and (self.stage, self.round) == ("closed", fact.round):
            self._sample_checked(fact)

    def _sample_checked(self, fact: f.FeedbackSampleChecked) -> None:
        if not fact.passed:
            self._rework(ReworkCause.HUB_ORDERED)

    @precondition(lambda self: self.stage == "closed")
    @rule()
    def nobody_objects(self) -> None:
        self.stage = "archived"
        self.cases.append(archived())

    @precondition(lambda self: self.stage in ("checking", "rating", "closed"))
    @rule()
    def hub_orders_rework(self) -> None:
        self._rework(ReworkCause.HUB_ORDERED)

    def _rework(self, cause: ReworkCause) -> None:
        self.round += 1
        self.stage = "at work"
        self.cases.append(rework(self.round, cause))

    # --- the clock and the wire

    @precondition(lambda self: self.armed)
    @rule(data=st.data())
    def deadline_passes(self, data: st.DataObject) -> None:
        self._fire(data.draw(st.sampled_from(sorted(self.armed))))

    def _fire(self, armed: tuple[Obligation, int]) -> None:
        self.armed.remove(armed)
        self.deadlines.append(overdue(*armed))

    @precondition(lambda self: self.cases)
    @rule()
    def case_fact_arrives(self) -> None:
        fact = self.cases.pop(0)
        assert self.feedback.tell(fact).refusal is None
        self.closings_read += isinstance(fact, f.CaseClosed)
        self.last_read = fact

    @precondition(lambda self: self.deadlines)
    @rule()
    def deadline_arrives(self) -> None:
        fact = self.deadlines.pop(0)
        assert self.feedback.tell(fact).refusal is None
        if fact.obligation is Obligation.RATE:
            self.rate_overdue.add(fact.generation)

    # --- people

    @rule(result=st.booleans(), by=ASKERS)
    def check(self, result: bool, by: Asker) -> None:
        self.feedback.tell((passed if result else failed)(by=by))

    @rule(result=st.booleans())
    def community_checks(self, result: bool) -> None:
        self.feedback.tell(passed() if result else failed())

    @rule(unit=st.sampled_from(UNITS), score=st.integers(1, 5), by=ASKERS)
    def rate(self, unit: str, score: int, by: Asker) -> None:
        self.feedback.tell(rated(unit, score, by))

    @rule(unit=st.sampled_from(UNITS))
    def community_rates(self, unit: str) -> None:
        self.feedback.tell(rated(unit))

    @rule(satisfaction=st.sampled_from(Satisfaction), solved=st.booleans(), by=ASKERS)
    def answer(self, satisfaction: Satisfaction, solved: bool, by: Asker) -> None:
        self.feedback.tell(answered(satisfaction, solved, by))

    @rule(results=st.lists(st.booleans(), min_size=1, max_size=2), result=st.booleans(), by=ASKERS)
    def check_unit_by_unit(self, results: list[bool], result: bool, by: Asker) -> None:
        said = zip(UNITS, results, strict=False)
        verdicts = tuple(f.UnitVerdict(unit=unit, passed=one, note="" if one else "未办好") for unit, one in said)
        decision = self.feedback.tell(CheckResult(asker=by, passed=result, verdicts=verdicts))
        if decision.refusal is None:
            assert [verdict.unit for verdict in verdicts] == list(self.units)
            assert result == all(results)

    @rule(result=st.booleans(), by=ASKERS)
    def check_sample(self, result: bool, by: Asker) -> None:
        self.feedback.tell(found(result, by))

    @rule(result=st.booleans())
    def hub_checks_the_sample(self, result: bool) -> None:
        self.feedback.tell(found(result))

    @rule(unit=st.sampled_from(UNITS), measure=st.sampled_from(Measure), in_round=st.integers(1, 2), by=ASKERS)
    def ask_exclusion(self, unit: str, measure: Measure, in_round: int, by: Asker) -> None:
        self._ask(asks(measure, unit=unit, in_round=in_round, by=by, number=self.exclusions + 1))

    @rule(unit=st.sampled_from(UNITS), measure=st.sampled_from([Measure.WRITE_OFF, Measure.RATED, Measure.SATISFIED]))
    def unit_asks_exclusion_and_asks_again(self, unit: str, measure: Measure) -> None:
        for _ in range(2):
            self._ask(asks(measure, unit=unit, number=self.exclusions + 1))

    def _ask(self, command: AskExclusion) -> None:
        self.exclusions += self.feedback.tell(command).refusal is None

    @rule(number=st.integers(1, 3), approved=st.booleans(), person=st.sampled_from(["head", "staff"]))
    def rule_on_exclusion(self, number: int, approved: bool, person: str) -> None:
        self.feedback.tell(rules(approved, staff(HUB, person), number))

    # --- what always holds

    @invariant()
    def nothing_is_said_twice(self) -> None:
        said = Counter(
            (type(fact), *(getattr(fact, name, None) for name in ("round", "unit", "exclusion")))
            for fact in self.feedback.said
        )
        assert [what for what, times in said.items() if times > 1] == []

    @invariant()
    def a_closing_is_sampled_at_most_once(self) -> None:
        sampled = [fact.round for fact in self.feedback.said if isinstance(fact, f.FeedbackSampled)]
        assert len(sampled) <= self.closings_read
        if self.share != "0.5":
            assert len(sampled) == (self.closings_read if self.share == "1" else 0)
        checked = [fact.round for fact in self.feedback.said if isinstance(fact, f.FeedbackSampleChecked)]
        assert set(checked) <= set(sampled)

    @invariant()
    def the_hub_waits_for_what_was_drawn_while_the_case_is_closed(self) -> None:
        sampled = [fact.round for fact in self.feedback.said if isinstance(fact, f.FeedbackSampled)]
        checked = [fact.round for fact in self.feedback.said if isinstance(fact, f.FeedbackSampleChecked)]
        review = self.feedback.review
        present = review.round.number if review is not None and review.round is not None else None
        awaited = present in sampled and present not in checked and isinstance(self.last_read, f.CaseClosed)
        assert ("sample" in self.feedback.waiting) == awaited
        assert not awaited or self.feedback.waiting == {"sample"}

    @invariant()
    def an_exclusion_is_ruled_on_once_by_another_than_who_asked(self) -> None:
        asked = {fact.exclusion: fact for fact in self.feedback.said if isinstance(fact, f.FeedbackExclusionAsked)}
        ruled = {fact.exclusion: fact for fact in self.feedback.said if isinstance(fact, f.FeedbackExclusionRuled)}
        assert ruled.keys() <= asked.keys()
        for each, ruling in ruled.items():
            assert ruling.actor.person != asked[each].actor.person
        standing = Counter(
            (fact.unit, fact.round, measure)
            for each, fact in asked.items()
            if each not in ruled or ruled[each].approved
            for measure in fact.measures
        )
        assert [what for what, times in standing.items() if times > 1] == []

    @invariant()
    def a_case_reopens_by_right_at_most_once(self) -> None:
        assert sum(not verdict.close for verdict in self.feedback.verdicts) <= 1

    @invariant()
    def verdicts_follow_from_what_was_said(self) -> None:
        reopened = False
        for verdict in self.feedback.verdicts:
            before = self.feedback.said[: self.feedback.said.index(verdict)]
            of_round = [fact for fact in before if getattr(fact, "round", None) == verdict.round]
            checks = [fact for fact in of_round if isinstance(fact, f.FeedbackChecked)]
            rated_units = {fact.unit for fact in of_round if isinstance(fact, f.FeedbackUnitRated)}
            answers = [fact for fact in of_round if isinstance(fact, f.FeedbackResidentAnswered)]
            objects = any(not a.solved or a.satisfaction is Satisfaction.UNSATISFIED for a in answers)

            assert [check.passed for check in checks] == [True], "no verdict without a passed check"
            assert set(verdict.unrated) == set(self.units) - rated_units
            assert verdict.resident_silent == (self.resident_to_ask and not answers)
            assert verdict.close == (not objects or reopened)
            assert not (verdict.unrated or verdict.resident_silent) or verdict.round in self.rate_overdue
            reopened = reopened or not verdict.close

    @invariant()
    def silence_never_counts_as_satisfied(self) -> None:
        if self.feedback.review is None:
            return
        answers = [fact for fact in self.feedback.said if isinstance(fact, f.FeedbackResidentAnswered)]
        counted, tally = Counter(answer.satisfaction for answer in answers), self.feedback.review.tally
        assert (tally.satisfied, tally.basically_satisfied, tally.unsatisfied) == (
            counted[Satisfaction.SATISFIED],
            counted[Satisfaction.BASICALLY_SATISFIED],
            counted[Satisfaction.UNSATISFIED],
        )
        assert tally.answered == len(answers)
        assert tally.silent == sum(verdict.resident_silent for verdict in self.feedback.verdicts)

    @invariant()
    def time_over_and_check_passed_means_verdict(self) -> None:
        present = self.feedback.review.round if self.feedback.review is not None else None
        if present is not None and present.passed and present.number in self.rate_overdue:
            assert not present.open

    # --- and in the end

    def teardown(self) -> None:
        """Let everything arrive, all time pass and the community check: the case closes."""
        if not hasattr(self, "feedback"):
            return
        for _ in range(4):
            self._drain()
            if self.stage == "at work":
                self.units_finish()
                self._drain()
            if self.stage == "checking":
                self.feedback.tell(passed())
            self._drain()
            if self.stage in ("closed", "archived"):
                break
        assert self.stage in ("closed", "archived")
        assert self.feedback.waiting <= {"sample"}
        if self.stage == "closed":
            self.nobody_objects()
        self._drain()
        assert self.feedback.waiting == set()

    def _drain(self) -> None:
        while self.armed or self.deadlines or self.cases or self.heard < len(self.feedback.said):
            if self.cases:
                self.case_fact_arrives()
            elif self.heard < len(self.feedback.said):
                self.router_hears()
            elif self.deadlines:
                self.deadline_arrives()
            else:
                self._fire(min(self.armed))


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
