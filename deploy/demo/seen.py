"""What those who take part can see of a case, read from the router's log, and waiting until it shows something."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from shared.contracts import facts as f
from shared.contracts.lifecycle import AT_WORK, STAGES
from shared.contracts.vocabulary import Role, RungChange, Stage

ARGUED = (Stage.REFUSAL_REVIEW, Stage.CONSULTATION)
FACTS_KEPT = 8
"""So many of a case's facts can be told afterwards."""


@dataclass(slots=True)
class Part:
    """One unit's part as the log shows it."""

    assignment_id: UUID
    role: Role
    signed_in: bool = False
    contacted: bool = False
    argued: bool = False
    done: bool = False


@dataclass(frozen=True, slots=True)
class Owed:
    """What a unit has to report next; for a milestone, which."""

    report: type[f.Report]
    milestone: int | None = None


@dataclass(frozen=True, slots=True)
class AtHub:
    """What waits for the hub's decision: the case in this stage, or the refusals of these units."""

    stage: Stage
    refusing: tuple[str, ...] = ()


@dataclass(slots=True)
class Seen:
    """One case, up to its fact `caseseq`. `parts` = the units that have it; `facts` counts its facts by their
    type; `refused` are the reports that the router did not take, by their ids, with its reasons."""

    caseseq: int = 0
    number: str = ""
    stage: Stage | None = None
    parts: dict[str, Part] = field(default_factory=dict)
    milestones: tuple[int, ...] = ()
    facts: Counter[type[f.Fact]] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    to_be_relieved: set[str] = field(default_factory=set)
    """Units whose part is another's by the ladder, though a case that several have stays with them."""
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=FACTS_KEPT))

    @property
    def may_be_joined(self) -> bool:
        """Whether a duplicate may be merged into it."""
        return not self.over and self.stage not in (None, Stage.VERIFYING, Stage.MERGED, Stage.CLOSED)

    @property
    def over(self) -> bool:
        return self.stage is not None and STAGES[self.stage].final

    def is_through(self, unit: str) -> bool:
        """Whether this unit has nothing more to do with it: it has finished, or has lost its part."""
        part = self.parts.get(unit)
        return part is None or part.done

    def owes(self, unit: str) -> Owed | None:
        """What this unit has to report next, None where it is through, or has to wait: the lead finishes last."""
        part = self.parts.get(unit)
        if part is None or part.done or part.argued or self.stage not in AT_WORK:
            return None
        if not part.signed_in:
            return Owed(f.ReportSignedIn)
        if not part.contacted:
            return Owed(f.ReportProgressed)
        if part.role is not Role.LEAD:
            return Owed(f.ReportDone)
        if self.milestones:
            return Owed(f.ReportMilestoneReached, self.milestones[0])
        return Owed(f.ReportDone) if all(one.done for one in self.parts.values() if one is not part) else None

    @property
    def at_hub(self) -> AtHub | None:
        """What the hub has to decide, if anything."""
        if self.stage is Stage.TO_DISPATCH:
            return AtHub(self.stage)
        refusing = tuple(unit for unit, part in self.parts.items() if part.argued)
        return AtHub(self.stage, refusing) if refusing and self.stage in ARGUED else None

    def take(self, fact: f.CaseFact, caseseq: int, at: datetime) -> None:
        """One more fact of the log."""
        self.caseseq, self.number, self.stage = caseseq, fact.number, fact.stage
        self.facts[type(fact)] += 1
        self.recent.append(f"{at:%H:%M:%S.%f} {caseseq} {fact.NAME} by {fact.actor.kind} → {fact.stage}")
        match fact:
            case f.CaseDispatched():
                self.parts = {made.unit: self._part(made) for made in fact.assignments}
            case f.CaseReworkOrdered():
                self.parts = {made.unit: Part(made.assignment_id, made.role) for made in fact.assignments}
                self.milestones = ()
            case f.CaseHandedOver(assignment_id=UUID(), before=before, unit=unit) if before in self.parts:
                self.parts[unit] = self.parts.pop(before)
            case f.CaseListed(milestones=milestones):
                self.milestones = tuple(one.number for one in milestones)
            case f.CaseMilestoneReached(milestone=reached):
                self.milestones = tuple(one for one in self.milestones if one != reached)
            case f.CaseEscalated(changes=changes, unit=str() as unit) if RungChange.TAKE_OVER in changes:
                self.to_be_relieved.add(unit)
            case f.CaseSentToDesk() | f.CaseWithdrawn() | f.CaseMerged():
                self.parts = {}
            case f.CaseSignedIn() | f.CaseProgressed() | f.CaseUnitDone() | f.CaseRefused() | f.CaseRefusalRuled():
                self._part_changes(fact)

    def _part_changes(
        self, fact: f.CaseSignedIn | f.CaseProgressed | f.CaseUnitDone | f.CaseRefused | f.CaseRefusalRuled
    ) -> None:
        part = self.parts.get(fact.unit)
        if part is None:
            return
        match fact:
            case f.CaseSignedIn():
                part.signed_in = True
            case f.CaseProgressed():
                part.contacted |= fact.contacted
            case f.CaseUnitDone():
                part.done = True
            case f.CaseRefused():
                part.argued = True
            case f.CaseRefusalRuled(upheld=True):
                del self.parts[fact.unit]
            case f.CaseRefusalRuled():
                part.argued = False

    def _part(self, made: f.AssignmentMade) -> Part:
        before = self.parts.get(made.unit)
        if before is None or before.assignment_id != made.assignment_id:
            return Part(made.assignment_id, made.role)
        return replace(before, role=made.role)


class Sight:
    """All cases of a rehearsal. Those that are over are forgotten, once whoever waited for them was told."""

    def __init__(self) -> None:
        self._cases: dict[UUID, Seen] = {}
        self._over: set[UUID] = set()
        self._waiting: dict[UUID, list[tuple[Callable[[Seen], bool], asyncio.Future[Seen]]]] = {}

    def of(self, case_id: UUID) -> Seen:
        return Seen(stage=Stage.ARCHIVED) if case_id in self._over else self._cases.setdefault(case_id, Seen())

    def take(self, case_id: UUID, fact: f.CaseFact, caseseq: int, at: datetime) -> None:
        self.of(case_id).take(fact, caseseq, at)
        self._tell(case_id)
        if self.of(case_id).over:
            self._over.add(case_id)
            self._cases.pop(case_id, None)
            self._waiting.pop(case_id, None)

    def refused(self, case_id: UUID, report_id: str, reason: str) -> None:
        """The router did not take a report: it is among its unit's dead letters."""
        self.of(case_id).refused[report_id] = reason
        self._tell(case_id)

    async def until(self, case_id: UUID, shows: Callable[[Seen], bool]) -> Seen:
        """Wait until a case shows it, or is over."""
        seen = self.of(case_id)
        if shows(seen) or seen.over:
            return seen
        told: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(case_id, []).append((shows, told))
        return await told

    async def within(self, case_id: UUID, seconds: float, shows: Callable[[Seen], bool]) -> bool:
        """Whether a case shows it, or is over, before so many seconds have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.until(case_id, shows)
                return True
        return False

    def _tell(self, case_id: UUID) -> None:
        seen = self.of(case_id)
        waiting = self._waiting.get(case_id)
        if not waiting:
            return
        left = []
        for shows, told in waiting:
            if told.done():
                continue
            if shows(seen) or seen.over:
                told.set_result(seen)
            else:
                left.append((shows, told))
        self._waiting[case_id] = left
