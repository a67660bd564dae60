"""A walk through all that can become of a case: in every stage that is not final somebody owes something by a date.

Breadth first from the whistle, one case with up to two units, by everything people sensibly do and by time that runs
out, up the ladder until the unit above takes over what nobody does. Two situations that differ in nothing that
matters to what can follow are one, so the walk ends.
"""

from collections import Counter, deque
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import TypeAlias

from services.router.domain.case import Case
from services.sla.domain.deadline import State
from services.sla.domain.policy import Policies
from shared.contracts import facts as f
from shared.contracts.lifecycle import OPENING, STAGES, TRANSITIONS
from shared.contracts.vocabulary import Obligation, Source, Stage, Urgency
from tests.unit.router.histories import VERSIONS, sensible
from tests.unit.router.stories import (
    FOR_NOBODY,
    FOR_WATER,
    HUB,
    PARKS,
    Said,
    joins,
    lists_immediate,
    matter,
    merges,
    whistle,
    withdraws,
)
from tests.unit.together.pair import MINUTE, OWED_IN, POLICY, Pair, Stated
from tests.unit.together.setups import TAKES_OVER

START = datetime(2026, 9, 18, 1, 30, tzinfo=UTC)
TAKING_OVER = Policies(POLICY.model_copy(update={"ladder": TAKES_OVER}))
MOST_PARTS, MOST_ROUNDS, MOST_REFUSALS = 2, 2, 2
MOST_STEPS = 12
"""Enough for a sign-in and a first contact to be overdue, and a ladder to be climbed."""
Step: TypeAlias = tuple[Stage | None, type[f.CaseFact], Stage]
"""The stage before, the fact, the stage after."""


class Walk:
    """What was reached: every situation once, with the way there."""

    def __init__(self) -> None:
        self.steps: set[Step] = set()
        self.stages: Counter[Stage] = Counter()
        self.faults: list[str] = []
        self.leads_to: dict[object, set[object]] = {}
        self.final: set[object] = set()

    def go(self) -> None:
        waiting: deque[tuple[object, Pair, tuple[str, ...]]] = deque()
        for begun, way in self._begin():
            self._reach(begun, way, waiting, None)
        while waiting:
            name, here, way = waiting.popleft()
            for after, what in self._next(here):
                self._reach(after, (*way, what), waiting, name)

    def _begin(self) -> Iterator[tuple[Pair, tuple[str, ...]]]:
        for category in (FOR_WATER, FOR_NOBODY):
            for verified in (True, False):
                about = matter(category, Source.COMMUNITY, Urgency.COMPLEX)
                begun, stated, _ = Pair(VERSIONS[0], START, policies=TAKING_OVER).tell(
                    whistle(about, needs_verification=not verified)
                )
                self._note(None, stated)
                yield begun, ("whistle",)

    def _next(self, here: Pair) -> Iterator[tuple[Pair, str]]:
        """Everything people do, one of each kind and unit, and the next step of the clock."""
        assert here.case is not None
        soon = here.at(here.now + MINUTE)
        for said in self._sensible(here.case, soon):
            after, stated, refused = soon.tell(said)
            if not refused and stated and after.case is not None and self._is_small(after.case):
                self._note(here.case.stage, stated)
                yield after, _named(said)
        run, stated = self._until_it_matters(here)
        if run is not here:
            self._note(here.case.stage, stated)
            yield run, "time passes"

    def _until_it_matters(self, here: Pair) -> tuple[Pair, Stated]:
        """Step by step of the clock, as long as it leaves the case in the same situation."""
        run, stated, name = here, list[f.CaseFact | f.DeadlineFact](), situation(here)
        for _ in range(MOST_STEPS):
            run, more = run.let_run()
            stated += more
            if not more or situation(run) != name:
                break
        return run, tuple(stated)

    def _sensible(self, case: Case, soon: Pair) -> list[object]:
        """What the clock says it says by itself. Some things are tried everywhere, sensible or not."""
        usual = [said for said in sensible(case, soon.now, soon.district) if not isinstance(said, f.DeadlineFact)]
        return [*usual, withdraws(case.matter.whistle_blower), merges(by=HUB), lists_immediate(), joins(PARKS)]

    def _is_small(self, case: Case) -> bool:
        return len(case.assignments) <= 2 * MOST_PARTS and len(case.present) <= MOST_PARTS and case.round <= MOST_ROUNDS

    def _note(self, before: Stage | None, stated: Stated) -> None:
        for fact in stated:
            if isinstance(fact, f.CaseFact):
                self.steps.add((before, type(fact), fact.stage))
                before = fact.stage

    def _reach(
        self,
        pair: Pair,
        way: tuple[str, ...],
        waiting: "deque[tuple[object, Pair, tuple[str, ...]]]",
        before: object,
    ) -> None:
        name = situation(pair)
        if before is not None:
            self.leads_to.setdefault(before, set()).add(name)
        if name in self.leads_to or name in self.final:
            return
        assert pair.case is not None
        self.stages[pair.case.stage] += 1
        self.faults += [f"{fault} after {' → '.join(way)}" for fault in faults(pair)]
        if pair.case.is_final:
            self.final.add(name)
            return
        self.leads_to.setdefault(name, set())
        waiting.append((name, pair, way))

    def stuck(self) -> set[object]:
        """Situations from which no way leads to an end."""
        ends = set(self.final)
        while True:
            more = {name for name, after in self.leads_to.items() if name not in ends and after & ends}
            if not more:
                return set(self.leads_to) - ends
            ends |= more


def situation(pair: Pair) -> object:
    """What of a case and its clock decides about what can follow: no names, no dates."""
    case = pair.case
    assert case is not None
    places = {one.unit: place for place, one in enumerate(case.present)}
    parts = tuple((one.role, one.part) for one in case.present)
    owed = frozenset((one.obligation, places.get(one.unit, -1), one.is_live) for one in pair.deadlines if one.is_open)
    asked = frozenset(one.kind for one in case.requests)
    return (
        *(case.stage, parts, owed, asked, case.pause is not None, case.merged_into is not None),
        *(case.designated, min(case.refusals, MOST_REFUSALS), case.round, bool(case.milestones)),
    )


def faults(pair: Pair) -> Iterator[str]:
    """What would let a case be forgotten."""
    case = pair.case
    assert case is not None
    row = STAGES[case.stage]
    live = [one for one in pair.deadlines if one.is_live]
    standing = [one for one in pair.deadlines if one.state is State.PAUSED]
    if row.final or row.follows:
        if live or standing:
            yield f"{case.stage}: something is owed in a case that is over or follows another"
        return
    if not live:
        yield f"{case.stage}: nobody owes anything"
    if case.stage is Stage.SUSPENDED:
        if case.pause is None or [one.obligation for one in live] != [Obligation.REVIEW]:
            yield f"{case.stage}: a suspension needs its record and its review date"
    elif standing:
        yield f"{case.stage}: a clock stands still though nothing is suspended"
    elif not {one.obligation for one in live} & set(row.obligations):
        yield f"{case.stage}: what is owed is not what the lifecycle says"
    missing = set(OWED_IN.get(case.stage, ())) - {one.obligation for one in live}
    if missing:
        yield f"{case.stage}: nobody owes {', '.join(missing)}"
    for one in live:
        if one.state is State.ARMED and one.next_at is None:
            yield f"{case.stage}: {one.obligation} runs, but nothing would ever happen"


def _named(said: object) -> str:
    message = said.message if isinstance(said, Said) else said
    return type(message).__name__


@cache
def walked() -> Walk:
    walk = Walk()
    walk.go()
    return walk


def test_in_every_stage_that_is_not_final_somebody_owes_something() -> None:
    walk = walked()
    assert not walk.faults, "\n".join(walk.faults[:20])
    stages = {stage for stage, row in STAGES.items() if row.waits or row.final}
    assert not stages - set(walk.stages), "every stage of the lifecycle was walked through"


def test_from_every_situation_a_way_leads_to_an_end() -> None:
    assert not walked().stuck()


def test_the_walk_takes_no_step_the_lifecycle_does_not_have_and_most_that_it_has() -> None:
    walk = walked()
    table: set[Step] = {
        (before, fact, after) for fact, row in TRANSITIONS.items() for before, ends in row.items() for after in ends
    }
    table |= {(None, f.CaseOpened, stage) for stage in OPENING}
    moved = {step for step in walk.steps if step[1] in TRANSITIONS or step[1] is f.CaseOpened}
    assert not moved - table
    assert {fact for _, fact, _ in moved} == {fact for _, fact, _ in table}, "every fact that moves a case was stated"
