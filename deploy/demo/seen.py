"""What those who take part can see of a case, read from the router's log, and waiting until it shows something."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

from shared.contracts import facts as f
from shared.contracts.lifecycle import STAGES
from shared.contracts.vocabulary import Role, RungChange, Stage


@dataclass(slots=True)
class Part:
    """One unit's part as the log shows it."""

    assignment_id: UUID
    role: Role
    signed_in: bool = False
    done: bool = False


@dataclass(slots=True)
class Seen:
    """One case, up to its fact `caseseq`. `parts` = the units that have it; `facts` counts its facts by their
    type, `refused` the reports the router did not take."""

    caseseq: int = 0
    stage: Stage | None = None
    parts: dict[str, Part] = field(default_factory=dict)
    facts: Counter[type[f.Fact]] = field(default_factory=Counter)
    refused: Counter[type[f.Fact]] = field(default_factory=Counter)
    to_be_relieved: set[str] = field(default_factory=set)
    """Units whose part is another's by the ladder, though a case that several have stays with them."""

    @property
    def lead(self) -> str | None:
        return next((unit for unit, part in self.parts.items() if part.role is Role.LEAD), None)

    @property
    def may_be_joined(self) -> bool:
        """Whether a duplicate may be merged into it."""
        return not self.over and self.stage not in (None, Stage.VERIFYING, Stage.MERGED, Stage.CLOSED)

    @property
    def over(self) -> bool:
        return self.stage is not None and STAGES[self.stage].final

    def may_finish(self, unit: str) -> bool:
        """Whether it is this unit's turn to finish: the lead is the last."""
        part = self.parts.get(unit)
        if part is None or self.stage is Stage.SUSPENDED:
            return False
        return part.role is not Role.LEAD or all(one.done for one in self.parts.values() if one is not part)

    def take(self, fact: f.CaseFact, caseseq: int) -> None:
        """One more fact of the log."""
        self.caseseq, self.stage = caseseq, fact.stage
        self.facts[type(fact)] += 1
        match fact:
            case f.CaseDispatched():
                self.parts = {made.unit: self._part(made) for made in fact.assignments}
            case f.CaseReworkOrdered():
                self.parts = {made.unit: Part(made.assignment_id, made.role) for made in fact.assignments}
            case f.CaseSignedIn(unit=unit) if unit in self.parts:
                self.parts[unit].signed_in = True
            case f.CaseUnitDone(unit=unit) if unit in self.parts:
                self.parts[unit].done = True
            case f.CaseRefusalRuled(upheld=True, unit=unit):
                self.parts.pop(unit, None)
            case f.CaseHandedOver(assignment_id=UUID(), before=before, unit=unit) if before in self.parts:
                self.parts[unit] = self.parts.pop(before)
            case f.CaseEscalated(changes=changes, unit=str() as unit) if RungChange.TAKE_OVER in changes:
                self.to_be_relieved.add(unit)
            case f.CaseSentToDesk() | f.CaseWithdrawn() | f.CaseMerged():
                self.parts = {}

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

    def take(self, case_id: UUID, fact: f.CaseFact, caseseq: int) -> None:
        self.of(case_id).take(fact, caseseq)
        self._tell(case_id)
        if self.of(case_id).over:
            self._over.add(case_id)
            self._cases.pop(case_id, None)
            self._waiting.pop(case_id, None)

    def refused(self, case_id: UUID, report: f.Report) -> None:
        """The router did not take a report: it is among its unit's dead letters."""
        self.of(case_id).refused[type(report)] += 1
        self._tell(case_id)

    async def until(self, case_id: UUID, shows: Callable[[Seen], bool]) -> Seen:
        """Wait until a case shows it, or is over."""
        seen = self.of(case_id)
        if shows(seen) or seen.over:
            return seen
        told: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(case_id, []).append((shows, told))
        return await told

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
