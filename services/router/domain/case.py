"""What a case is, and how each of its facts changes it. The state is the sum of the facts and nothing else."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypedDict
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

from shared.contracts import facts as f
from shared.contracts.lifecycle import STAGES, allowed
from shared.contracts.vocabulary import CaseList, Ledger, Level, Obligation, Role, Source, Stage
from shared.runtime.decision import Decision, Refusal


class Part(StrEnum):
    """How far a unit is with its assignment."""

    ASSIGNED = "assigned"  # 待签收
    SIGNED_IN = "signed_in"  # 已签收
    REFUSED = "refused"  # 已退单，待审核
    DONE = "done"  # 已办结
    RELEASED = "released"  # 退单成立，已解除

    @property
    def chinese(self) -> str:
        return _PARTS[self]


_PARTS = {
    Part.ASSIGNED: "待签收",
    Part.SIGNED_IN: "已签收",
    Part.REFUSED: "已退单，待审核",
    Part.DONE: "已办结",
    Part.RELEASED: "已解除",
}


class Assignment(BaseModel):
    """One unit's part in one round of a case."""

    model_config = ConfigDict(frozen=True)

    assignment_id: UUID
    unit: str
    role: Role
    round: int
    part: Part = Part.ASSIGNED
    result: str = ""
    evidence: tuple[f.Evidence, ...] = ()

    @property
    def active(self) -> bool:
        return self.part is not Part.RELEASED

    def made(self, role: Role | None = None) -> f.AssignmentMade:
        """This assignment as a fact names it, in its role or in another that it gets."""
        return f.AssignmentMade(
            assignment_id=self.assignment_id, unit=self.unit, role=role or self.role, round=self.round
        )


class Missed(BaseModel):
    """An obligation that was not met in time; with the assignment where it was one of an assignment's."""

    model_config = ConfigDict(frozen=True)

    obligation: Obligation
    unit: str | None
    assignment_id: UUID | None = None
    generation: int


class Heading(TypedDict):
    """How every fact of a case begins: the case, the stage it is left in, who brought it about."""

    number: str
    source: Source
    source_ref: str | None
    stage: Stage
    actor: f.Actor


class Case(BaseModel):
    """A case as its facts have left it. `assignments` holds every round; the last is the present one."""

    model_config = ConfigDict(frozen=True)

    case_id: UUID
    matter: f.Matter
    self_handled: bool = False
    stage: Stage
    level: Level | None = None
    ledger: Ledger | None = None
    case_list: CaseList | None = None
    assignments: tuple[Assignment, ...] = ()
    designated: bool = False
    refusals: int = 0
    round: int = 1
    reworks: int = 0
    missed: tuple[Missed, ...] = ()
    opened_at: datetime
    closed_at: datetime | None = None
    answer: str = ""

    @property
    def number(self) -> str:
        return self.matter.number

    @property
    def present(self) -> tuple[Assignment, ...]:
        """The assignments in effect: of this round, not released."""
        return tuple(one for one in self.assignments if one.round == self.round and one.active)

    @property
    def lead(self) -> Assignment | None:
        return next((one for one in self.present if one.role is Role.LEAD), None)

    @property
    def is_final(self) -> bool:
        return STAGES[self.stage].final

    def assignment_of(self, unit: str) -> Assignment | None:
        return next((one for one in self.present if one.unit == unit), None)

    def has_missed(self, obligation: Obligation, assignment: Assignment) -> bool:
        return any(
            one.obligation is obligation and one.assignment_id == assignment.assignment_id for one in self.missed
        )

    def heading(self, stage: Stage, actor: f.Actor) -> Heading:
        """The beginning of a fact of this case that leaves it in `stage`."""
        matter = self.matter
        return Heading(
            number=matter.number, source=matter.source, source_ref=matter.source_ref, stage=stage, actor=actor
        )

    def assign(self, parts: Iterable[tuple[str, Role]], round_: int) -> tuple[f.AssignmentMade, ...]:
        """New assignments. Their ids follow from the case and their place in it: deciding twice gives the same."""
        return tuple(
            f.AssignmentMade(
                assignment_id=uuid5(self.case_id, f"{unit}/{round_}/{place}"), unit=unit, role=role, round=round_
            )
            for place, (unit, role) in enumerate(parts, start=len(self.assignments))
        )


class Impossible(Exception):
    """A decision that the lifecycle table does not allow: an error in the decision, not in the input."""


def decided(case: Case, facts: Sequence[f.CaseFact], at: datetime, **answer: object) -> Decision[Case]:
    """The decision that these facts follow. Raises `Impossible` where the lifecycle table says no."""
    after = case
    for fact in facts:
        if not allowed(after.stage, fact):
            raise Impossible(f"{type(fact).__name__} → {fact.stage} may not follow {after.stage}")
        after = evolve(after, fact, at)
    told = {"case_id": str(after.case_id), "number": after.number, "stage": after.stage.value, **answer}
    return Decision(state=after, facts=tuple(facts), answer=told)


def nothing(note: str) -> Decision[Case]:
    """The input no longer applies; it is passed over."""
    return Decision(note=note)


def refused(code: str, zh: str, en: str, field: str | None = None, status: int = 409) -> Decision[Case]:
    return Decision(refusal=Refusal(code, zh, en, field, status))


def opened(case_id: UUID, fact: f.CaseOpened, at: datetime) -> Case:
    """The case that `CaseOpened` begins."""
    return Case(case_id=case_id, matter=fact.matter, self_handled=fact.self_handled, stage=fact.stage, opened_at=at)


def evolve(case: Case, fact: f.CaseFact, at: datetime) -> Case:
    """The case after one more fact. Every change of a case's state is here."""
    moved = case.model_copy(update={"stage": fact.stage})
    match fact:
        case f.CaseAccepted(urgency=urgency, category=category):
            matter = case.matter.model_copy(update={"urgency": urgency, "category": category})
            return moved.model_copy(update={"matter": matter})
        case f.CaseDispatched():
            return moved.model_copy(
                update={
                    "level": fact.level,
                    "ledger": fact.ledger,
                    "case_list": fact.case_list,
                    "designated": fact.final,
                    "assignments": _redistributed(case, fact.assignments),
                }
            )
        case f.CaseSignedIn():
            return _with_part(moved, fact.assignment_id, part=Part.SIGNED_IN)
        case f.CaseRefused(count=count):
            return _with_part(moved, fact.assignment_id, part=Part.REFUSED).model_copy(update={"refusals": count})
        case f.CaseRefusalRuled(upheld=upheld):
            part = Part.RELEASED if upheld else Part.ASSIGNED
            return _with_part(moved, fact.assignment_id, part=part).model_copy(update={"designated": fact.final})
        case f.CaseUnitDone(result=result, evidence=evidence):
            return _with_part(moved, fact.assignment_id, part=Part.DONE, result=result, evidence=evidence)
        case f.CaseReworkOrdered():
            return moved.model_copy(
                update={
                    "assignments": (*case.assignments, *map(_begun, fact.assignments)),
                    "round": fact.round,
                    "reworks": case.reworks + 1,
                    "designated": True,
                    "closed_at": None,
                }
            )
        case f.CaseOverdue():
            missed = Missed(
                obligation=fact.obligation,
                unit=fact.unit,
                assignment_id=fact.assignment_id,
                generation=fact.generation,
            )
            return moved.model_copy(update={"missed": (*case.missed, missed)})
        case f.CaseClosed(answer=answer):
            return moved.model_copy(update={"answer": answer, "closed_at": at})
        case _:
            return moved


def _begun(made: f.AssignmentMade) -> Assignment:
    return Assignment(assignment_id=made.assignment_id, unit=made.unit, role=made.role, round=made.round)


def _redistributed(case: Case, made: Sequence[f.AssignmentMade]) -> tuple[Assignment, ...]:
    """The assignments once a dispatch says which are in effect: kept, maybe in another role, or begun; others end."""
    roles = {one.assignment_id: one.role for one in made}
    present = {one.assignment_id for one in case.present}
    known = {one.assignment_id for one in case.assignments}
    return (
        *(
            one.model_copy(
                update={"role": roles[one.assignment_id]} if one.assignment_id in roles else {"part": Part.RELEASED}
            )
            if one.assignment_id in present
            else one
            for one in case.assignments
        ),
        *(_begun(one) for one in made if one.assignment_id not in known),
    )


def _with_part(case: Case, assignment_id: UUID, **changes: object) -> Case:
    assignments = tuple(
        one.model_copy(update=changes) if one.assignment_id == assignment_id else one for one in case.assignments
    )
    return case.model_copy(update={"assignments": assignments})
