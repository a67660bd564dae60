"""Router, clock and feedback together, through random histories: what is measured is the sum of the two logs.

Feedback reads `cases` and `deadlines` late, in any interleaving, and some messages again; people check unit by unit,
rate, answer, sample, exclude and withhold, or stay silent. What must hold is told from the two logs, not from a state.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TypeAlias
from uuid import UUID

import pytest
from uuid_utils import uuid7

from services.feedback.domain.commands import (
    AnswerAsResident,
    Asker,
    AskExclusion,
    CheckResult,
    CheckSample,
    RateUnit,
    RuleOnExclusion,
    Withhold,
)
from services.feedback.domain.exclusion import measured_of
from services.feedback.domain.measuring.judged import Judged, judged, parts, whole
from services.feedback.domain.measuring.measures import Counting
from services.feedback.domain.measuring.part import Part, Whole
from services.feedback.domain.measuring.periods import Period
from services.feedback.domain.measuring.record import CaseRecord, recorded
from services.feedback.domain.measuring.scoring import Rhythm, Sampling, Scoring
from services.feedback.domain.measuring.tally import CaseTally, Tally
from services.feedback.domain.review import Review, Waiting
from services.feedback.domain.standards import Standards
from services.feedback.main import handlers_by
from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES
from shared.contracts.vocabulary import ActorKind, AppealType, Satisfaction, Source, Stage, Urgency
from shared.runtime.decision import DoorKey, Fate, FromDoor, Input, Outcome
from shared.runtime.memory import MemoryStore
from shared.runtime.relay import Message
from tests.unit.feedback.memory import MemoryFeedback
from tests.unit.feedback.wire import OtherLog, arrived
from tests.unit.router.histories import VERSIONS, anything_at_all, has_units_of_the_past, sensible
from tests.unit.router.stories import (
    CASE,
    FOR_NOBODY,
    FOR_SHOPS,
    FOR_STREET,
    FOR_WATER,
    HUB,
    Said,
    matter,
    units_have_changed,
    whistle,
)
from tests.unit.together.pair import Pair, Stated, when

START = datetime(2026, 9, 18, 1, 30, tzinfo=UTC)
SETTLED = timedelta(hours=24)
"""A period is judged so long after it is over."""
STEPS = 60
HISTORIES = 40
BATCHES = 3
ENDS_EARLY = ("Merge", "Withdraw", "ChangePriority", "Correct")
Rows: TypeAlias = tuple[tuple[Part, ...], Whole]
PUTS_RIGHT = (f.CaseUnmerged, f.CaseHandedOver)
"""What puts right what was counted: a merging that is undone was none, and a whistle-blower's cases go with it."""


def rows_of(record: CaseRecord, words: Judged) -> Rows:
    return parts(CASE, record, words), whole(CASE, record, words)


class World:
    """One case. `cases`, `deadlines`: what feedback has still to read of them; `told`: the history, for a failure."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.pair = Pair(VERSIONS[0], START)
        self.version = 0
        share = Decimal(self.random.choice(["1.0", "0.5"]))
        sampling = Sampling(share=share, silent=share, reworked=share)
        standards = Standards(self.pair.district.tree, Scoring(version="1", sampling=sampling, link_days=3))
        self.feedback = MemoryFeedback(handlers_by(lambda: standards))
        self.feedback.road.store = self.feedback.store = MemoryStore(lambda: self.pair.now)
        self.logs = {CASES: OtherLog("router", CASES), DEADLINES: OtherLog("sla", DEADLINES)}
        self.wire: dict[str, list[Message]] = {CASES: [], DEADLINES: []}
        self.was_read: list[Message] = []
        self.stated: list[tuple[f.CaseFact, datetime]] = []
        self.heard = self.asked = 0
        self.record: CaseRecord | None = None
        self.frozen: list[tuple[Period, dict[str, Tally], CaseTally, int]] = []
        self.told: list[str] = []
        self.kinds: Counter[str] = Counter()

    # --- router and clock

    def tell(self, said: object) -> bool:
        message = said.message if isinstance(said, Said) else said
        after, stated, refused = self.pair.tell(said)
        self.told.append(f"{self.pair.now:%m-%d %H:%M} {type(message).__name__} {refused}")
        if isinstance(message, f.Fact):
            assert not refused or not message.NAME.startswith("feedback"), "nobody refuses what feedback states"
        self._becomes(after, stated)
        return bool(stated)

    def _becomes(self, after: Pair, stated: Stated) -> None:
        self.pair = after
        for fact in stated:
            self.kinds[fact.NAME] += 1
            self.told.append(f"    {fact.NAME} {getattr(fact, 'unit', '')} {getattr(fact, 'round', '')}")
            log = CASES if isinstance(fact, f.CaseFact) else DEADLINES
            self.wire[log].append(self.logs[log].append(CASE, fact, after.now))
            if isinstance(fact, f.CaseFact):
                self.stated.append((fact, after.now))
                self.record = recorded(self.record, fact, after.now)
                self.each_fact_is_its_units(fact)
        if stated:
            self.who_has_it_is_known()

    def let_time_pass(self, how_long: timedelta) -> None:
        until = self.pair.now + how_long
        while due := [one for one in self.pair.deadlines if one.next_at is not None and one.next_at <= until]:
            first = min(due, key=when)
            self.pair = self.pair.at(max(self.pair.now, when(first)))
            self._becomes(*self.pair.take(first))
        self.pair = self.pair.at(until)

    # --- feedback

    @property
    def review(self) -> Review | None:
        return self.feedback.states.get(CASE)

    @property
    def own_log(self) -> list[tuple[f.Fact, datetime]]:
        return [(envelope.fact, envelope.time) for envelope in self.feedback.logged(CASE)]

    async def reads(self, log: str, most: int) -> None:
        """So many messages of that log, some that it has read before among them."""
        batch = self.wire[log][:most]
        del self.wire[log][:most]
        again = self.random.sample(self.was_read, min(len(self.was_read), self.random.choice([0, 0, 2])))
        self.was_read += batch
        outcomes = await self.feedback.road.travel([arrived(one) for one in (*again, *batch)])
        fates = [outcome.fate for outcome in outcomes]
        assert fates == [Fate.REPEAT] * len(again) + [Fate.DONE] * len(batch)

    async def reads_all(self) -> None:
        while any(self.wire.values()):
            log = self.random.choice([log for log, messages in self.wire.items() if messages])
            await self.reads(log, self.random.randint(1, 5))

    def router_hears(self, most: int = 1000) -> None:
        said = self.own_log
        for fact, _ in said[self.heard : self.heard + most]:
            self.heard += 1
            self.tell(fact)

    async def ask(self, message: object) -> Outcome:
        key = str(uuid7())
        (outcome,) = await self.feedback.road.travel([Input(CASE, message, key, FromDoor((DoorKey("http", key),)))])
        refused = outcome.refusal.code if outcome.refusal is not None else ""
        self.told.append(f"{self.pair.now:%m-%d %H:%M} {type(message).__name__} {refused}")
        assert outcome.fate in (Fate.DONE, Fate.REFUSED), outcome
        if outcome.fate is Fate.DONE:
            self.kinds[type(message).__name__] += 1
        return outcome

    def staff(self, unit: str, person: str = "one") -> Asker:
        return Asker(actor=f.Actor(kind=ActorKind.STAFF, unit=unit, person=f"{person} of {unit}"), of_hub=unit == HUB)

    def may_be_said(self, review: Review) -> list[object]:
        """What people may legally say of it now."""
        present, case, pick = review.round, review.case, self.random.choice
        found: list[object] = []
        if case is not None and present is not None and present.open:
            blower = self.staff(case.whistle_blower)
            if present.check is None:
                found += [self._check(blower, present.units), CheckResult(asker=blower, passed=True)]
                found += [self._check(self.staff(HUB), present.units)] if review.check_overdue else []
            found += [
                RateUnit(asker=blower, unit=unit, contact=pick([1, 5]), speed=pick([2, 4]), result=pick([1, 3, 5]))
                for unit in present.unrated
            ]
            if review.resident_awaited:
                by = pick([blower, Asker(actor=f.Actor(kind=ActorKind.HOTLINE, person="12345"))])
                said = {"contacted": pick([True, False]), "solved": pick([True, True, False])}
                found.append(
                    AnswerAsResident(asker=by, **said, satisfaction=pick(list(Satisfaction)), words="王先生说")
                )
        if Waiting.SAMPLE in review.waiting and present is not None:
            failed = pick([(), present.units[:1], present.units])
            found.append(CheckSample(asker=self.staff(HUB), passed=True))
            found.append(CheckSample(asker=self.staff(HUB), passed=False, note="复查未办好", failed_units=failed))
        if review.publication is not None and review.publication.entry is not None:
            found.append(Withhold(asker=self.staff(HUB), reason="可辨认当事人"))
        return [*found, *self._exclusions(review)]

    def _exclusions(self, review: Review) -> list[object]:
        found: list[object] = [
            RuleOnExclusion(
                asker=self.staff(HUB, "head"),
                exclusion=one.id,
                approved=self.random.choice([True, True, False]),
                reason="属实",
            )
            for one in review.judged.exclusions
            if one.approved is None
        ]
        if review.record is not None and self.random.random() < 0.3:
            rows = [row for row in parts(CASE, review.record, review.judged) if measured_of(row)]
            for row in rows[-2:]:
                wanted = self.random.choice(sorted(measured_of(row)))
                found.append(
                    AskExclusion(
                        asker=self.staff(row.unit),
                        exclusion=UUID(int=self.random.getrandbits(128)),
                        unit=row.unit,
                        round=row.round,
                        measures=(wanted,),
                        reason="暴雨",
                        basis="预警信号",
                    )
                )
        return found

    def _check(self, by: Asker, units: Sequence[str]) -> CheckResult:
        results = [self.random.random() < 0.7 for _ in units]
        verdicts = [
            f.UnitVerdict(unit=unit, passed=one, note="" if one else "未办好")
            for unit, one in zip(units, results, strict=True)
        ]
        return CheckResult(asker=by, passed=all(results), verdicts=tuple(verdicts))

    # --- a history

    async def lives(self) -> None:
        self.begins()
        for _ in range(STEPS):
            await self.step()
            self.let_time_pass(timedelta(seconds=self.random.randint(1, 90)))
        await self.ends()

    def begins(self) -> None:
        pick = self.random.choice
        about = matter(
            pick([FOR_WATER, FOR_SHOPS, FOR_SHOPS, FOR_NOBODY, FOR_STREET]),
            pick([Source.COMMUNITY, Source.HOTLINE_12345, Source.RESIDENT, Source.PETITION]),
            pick([Urgency.NORMAL, Urgency.NORMAL, Urgency.COMPLEX, Urgency.URGENT]),
            appeal_type=pick([AppealType.HELP, AppealType.HELP, AppealType.REPORT]),
            resident_to_ask=pick([True, True, False]),
        )
        about = about.model_copy(update={"confidential": pick([True, False, False, False])})
        self.tell(whistle(about, needs_verification=pick([True, False, False])))

    async def step(self) -> None:
        case, chance = self.pair.case, self.random.random()
        assert case is not None
        if chance < 0.2:
            unit = self.random.choice([timedelta(minutes=7), timedelta(hours=5), timedelta(days=1)])
            self.let_time_pass(unit * self.random.randint(1, 6))
        elif chance < 0.45:
            await self.reads(self.random.choice([CASES, CASES, DEADLINES]), self.random.choice([1, 3, 20]))
        elif chance < 0.55:
            self.router_hears(self.random.choice([1, 1000]))
        elif chance < 0.57:
            self.units_change()
        elif chance < 0.62:
            said = anything_at_all(case, self.pair.now, self.random.choice)
            if _by_router_alone(said):
                self.tell(said)
        elif chance < 0.8:
            await self._somebody_speaks()
        elif chance < 0.84:
            await self.freeze()
        else:
            self.works()

    def works(self) -> None:
        by_kind: dict[str, list[object]] = {}
        for said in self.sensible():
            by_kind.setdefault(type(said.message if isinstance(said, Said) else said).__name__, []).append(said)
        if by_kind:
            weights = [
                1 if kind in ENDS_EARLY else 8 if kind in ("ReportDone", "ReportSignedIn") else 4 for kind in by_kind
            ]
            (kind,) = self.random.choices(list(by_kind), weights)
            self.tell(self.random.choice(by_kind[kind]))

    def sensible(self) -> list[object]:
        """What is said to the router by people; what the clock and feedback say, they say by themselves."""
        assert self.pair.case is not None
        said = sensible(self.pair.case, self.pair.now, self.pair.district)
        return [one for one in said if _by_router_alone(one)]

    def units_change(self) -> None:
        if self.version + 1 < len(VERSIONS):
            self.version += 1
            self.pair = Pair(VERSIONS[self.version], self.pair.now, self.pair.case, self.pair.clock)
            self.tell(units_have_changed())

    async def _somebody_speaks(self) -> None:
        review = self.review
        may = self.may_be_said(review) if review is not None else []
        if may:
            outcome = await self.ask(self.random.choice(may))
            refused = outcome.refusal.code if outcome.refusal is not None else None
            assert refused in (None, "exclusion_stands"), f"{refused}: what may be said is taken"

    async def freeze(self) -> None:
        """A period is over and settled: its figures as they are now."""
        await self.reads_all()
        period = Period(Rhythm.DAY, "until then", START.date(), START.date(), START, self.pair.now - SETTLED)
        if self.review is not None and self.review.record is not None and period.end > START:
            raw, cases = self.counted(period)
            self.frozen.append((period, raw, cases, len(self.stated)))

    def counted(self, period: Period) -> tuple[dict[str, Tally], CaseTally]:
        """By the unit: by category, level and region what was put right since is counted elsewhere, on purpose."""
        review = self.review
        assert review is not None
        assert review.record is not None
        counting = Counting(period)
        rows, case = rows_of(review.record, review.judged)
        counting.add_parts(rows)
        counting.add_wholes([case])
        tallies = counting.raw(lambda group: group.unit, lambda _unit: True)
        cases = counting.cases(lambda _group: "all").get("all", CaseTally())
        return {unit: tally for unit, tally in tallies.items() if any(tally)}, cases

    async def ends(self) -> None:
        """Units do what they owe, the hub checks what nobody checked; everybody else falls silent, sooner or later."""
        silent_from = self.random.choice([0, 40, 80])
        for turn in range(silent_from + 150):
            if turn < silent_from:
                await self._somebody_speaks()
            if self.random.random() < 0.15:
                await self.freeze()
            await self.reads_all()
            self.router_hears()
            await self.reads_all()
            case, review = self.pair.case, self.review
            assert case is not None
            if case.is_final:
                break
            if has_units_of_the_past(case, self.pair.district):
                self.tell(units_have_changed())
            elif case.stage is Stage.CHECKING and review is not None and review.check_overdue:
                await self.ask(CheckResult(asker=self.staff(HUB), passed=True))
            elif case.stage in (Stage.CHECKING, Stage.RATING, Stage.CLOSED):
                self.let_time_pass(timedelta(days=3))
            else:
                steps = self.sensible()
                if not steps or not self.tell(steps[0]):
                    self.let_time_pass(timedelta(days=5))
            self.let_time_pass(timedelta(minutes=20))
        assert self.pair.case is not None
        assert self.pair.case.is_final, f"it waits for ever in {self.pair.case.stage}"
        self.holds()

    # --- what always holds

    def each_fact_is_its_units(self, fact: f.CaseFact) -> None:
        """What a unit does lands on its own row of that round, whoever it took the part over from."""
        assert self.record is not None
        unit = getattr(fact, "unit", None)
        row = self.record.part(unit, self.record.round) if isinstance(unit, str) else None
        match fact:
            case f.CaseSignedIn():
                assert row is not None
                assert row.sign_in is not None or "sign_in" in row.settled_before
            case f.CaseUnitDone():
                assert row is not None
                assert row.done_at is not None, f"{unit} is done, and nothing is known of it"
                assert row.handle is not None or "handle" in row.settled_before
            case f.CaseRefused():
                assert row is not None
                assert row.refused_at is not None
            case f.CaseHandled():
                assert all(self.record.part(one, fact.round) is not None for one in fact.units)
            case _:
                pass

    def who_has_it_is_known(self) -> None:
        case, record = self.pair.case, self.record
        assert case is not None
        assert record is not None
        if case.is_at_work or case.stage is Stage.SUSPENDED:
            present = [one for one in record.parts if one.round == case.round]
            assert {one.unit for one in present if one.held} == {one.unit for one in case.present}
            lead = case.lead.unit if case.lead is not None else None
            assert [one.unit for one in present if one.lead] == [lead]
            assert [one.unit for one in record.parts if one.holds_the_ledger] == [lead]
        assert sum(one.holds_the_ledger for one in record.parts) <= 1

    def holds(self) -> None:
        review, own = self.review, self.own_log
        assert review is not None
        assert review.record is not None
        self.rows_are_the_sum_of_the_logs(review, own)
        self.past_periods_stay()
        self.each_closing_has_its_verdict_and_answer([fact for fact, _ in own])
        self.nothing_confidential_is_shown([fact for fact, _ in own])
        assert review.waiting == ()

    def rows_are_the_sum_of_the_logs(self, review: Review, own: Iterable[tuple[f.Fact, datetime]]) -> None:
        words = Judged()
        for fact, at in own:
            words = judged(words, fact, at)
        assert review.record == self.record
        assert review.judged == words
        stored = Review.model_validate_json(review.model_dump_json())
        assert stored.record is not None
        assert self.record is not None
        assert rows_of(stored.record, stored.judged) == rows_of(self.record, words)
        rated = {(one.round, one.unit) for one in words.rated if one.scores is not None}
        assert rated <= {(row.round, row.unit) for row in rows_of(self.record, words)[0] if row.scores is not None}
        answered = {one.round for one in words.answers}
        assert answered == {row.round for row in rows_of(self.record, words)[0] if row.answered is not None}

    def past_periods_stay(self) -> None:
        for period, raw, cases, place in self.frozen:
            since = {type(fact) for fact, _ in self.stated[place:]}
            now_raw, now_cases = self.counted(period)
            assert now_raw == raw, f"the figures until {period.end} changed"
            if not since & set(PUTS_RIGHT):
                assert now_cases == cases

    def each_closing_has_its_verdict_and_answer(self, own: Sequence[f.Fact]) -> None:
        closings = [fact for fact, _ in self.stated if isinstance(fact, f.CaseClosed)]
        verdicts = [fact for fact in own if isinstance(fact, f.FeedbackConcluded)]
        assert max(Counter(one.round for one in verdicts).values(), default=1) == 1
        assert sum(one.close for one in verdicts) == len(closings)
        assert all(one.answer.strip() for one in closings)
        rounds = {fact.round: fact for fact, _ in self.stated if isinstance(fact, f.CaseHandled | f.CaseAnswered)}
        asked = Counter(fact.round for fact in own if isinstance(fact, f.FeedbackResidentAsked))
        for number, begun in rounds.items():
            may_be_asked = begun.resident_to_ask and begun.source is not Source.HOTLINE_12345
            times = asked.pop(number, 0)
            assert times <= int(may_be_asked), f"round {number}"
            if may_be_asked and not times:  # its time was over before this was read
                assert isinstance(begun, f.CaseAnswered)
                assert [one.resident_silent for one in verdicts if one.round == number] == [True]
        assert not asked
        sampled = Counter(fact.round for fact in own if isinstance(fact, f.FeedbackSampled))
        assert set(sampled.values()) <= {1}
        assert set(sampled) <= {one.round for one in verdicts if one.close}

    def nothing_confidential_is_shown(self, own: Sequence[f.Fact]) -> None:
        shown = [fact for fact in own if isinstance(fact, f.FeedbackPublished)]
        (opened,) = [fact for fact, _ in self.stated if isinstance(fact, f.CaseOpened)]
        about = opened.matter
        if about.confidential or about.appeal_type is AppealType.REPORT or about.source is Source.PETITION:
            assert shown == []
        for one in own:
            said = json.dumps(one.model_dump(mode="json"), ensure_ascii=False)
            assert isinstance(one, f.FeedbackResidentAnswered) or "王先生" not in said


def _by_router_alone(said: object) -> bool:
    return not isinstance(said, f.DeadlineFact | f.FeedbackChecked | f.FeedbackConcluded | f.FeedbackSampleChecked)


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_figures_are_the_sum_of_two_logs(batch: int) -> None:
    """Many histories; a failure names the seed of its own: `await World(seed).lives()` lives it again."""
    reached: Counter[str] = Counter()
    frozen = 0
    for seed in range(batch * HISTORIES, (batch + 1) * HISTORIES):
        world = World(seed)
        try:
            await world.lives()
        except Exception as error:
            history = "\n".join(world.told[-60:])
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}\n{history}") from error
        reached += world.kinds
        reached += Counter(type(fact).__name__ for fact, _ in world.own_log)
        frozen += len(world.frozen)
    for kind in ("RateUnit", "AnswerAsResident", "CheckResult", "AskExclusion", "RuleOnExclusion", "CheckSample"):
        assert reached[kind] > 5, f"{kind}: {reached}"
    assert reached["FeedbackPublished"] > 3
    assert frozen > 20
