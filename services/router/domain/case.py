"""What a case is: its units' parts, where it stands, whose time it is. `evolution.py` has how facts change it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypedDict
from uuid import UUID, uuid5

from pydantic import Field

from shared.contracts import facts as f
from shared.contracts.lifecycle import AT_WORK, STAGES
from shared.contracts.vocabulary import (
    CaseList,
    Ledger,
    Level,
    Obligation,
    RequestKind,
    Role,
    Source,
    Stage,
    Urgency,
)


class Part(StrEnum):
    """How far a unit is with its assignment."""

    ASSIGNED = "assigned"  # 待签收
    SIGNED_IN = "signed_in"  # 已签收
    REFUSED = "refused"  # 已退单，待审核
    IN_CONSULTATION = "in_consultation"  # 已退单，会商中
    DONE = "done"  # 已办结
    RELEASED = "released"  # 已解除

    @property
    def chinese(self) -> str:
        return _PARTS[self]


_PARTS = {
    Part.ASSIGNED: "待签收",
    Part.SIGNED_IN: "已签收",
    Part.REFUSED: "已退单，待审核",
    Part.IN_CONSULTATION: "已退单，会商中",
    Part.DONE: "已办结",
    Part.RELEASED: "已解除",
}

ARGUED = (Part.REFUSED, Part.IN_CONSULTATION)
"""A refusal is being argued; the unit is still accountable."""


class Assignment(f.Value):
    """One unit's part in one round of a case. `before` are the units whose it was, if they are no more."""

    assignment_id: UUID
    unit: str
    before: tuple[str, ...] = ()
    role: Role
    round: int
    part: Part = Part.ASSIGNED
    refusals: int = 0
    extensions: int = 0
    contacted: bool = False
    result: str = ""
    evidence: tuple[f.Evidence, ...] = ()

    @property
    def active(self) -> bool:
        return self.part is not Part.RELEASED

    def owes(self, obligation: Obligation) -> bool:
        """Whether it is still to be met. A refusal meets the sign-in until it is dismissed, so it may be owed yet."""
        if not self.active or self.part is Part.DONE:
            return False
        match obligation:
            case Obligation.SIGN_IN:
                return self.part is not Part.SIGNED_IN
            case Obligation.FIRST_CONTACT:
                return not self.contacted
            case _:
                return obligation is Obligation.HANDLE

    def made(self, role: Role | None = None, begun: bool = False) -> f.AssignmentMade:
        """This assignment as a fact names it, in its role or in another that it gets."""
        return f.AssignmentMade(
            assignment_id=self.assignment_id, unit=self.unit, role=role or self.role, round=self.round, begun=begun
        )


class Limit(f.Value):
    """By when a part owes something, as far as sla has said; without `due_at`, its clock stands still.

    It is forgotten when what is owed has been done in time. Milestones have their dates in the plan.
    """

    assignment_id: UUID
    obligation: Obligation
    due_at: datetime | None


class Missed(f.Value):
    """An obligation that was not met in time; with the assignment where it was one of an assignment's."""

    obligation: Obligation
    unit: str | None
    assignment_id: UUID | None = None
    generation: int


class Request(f.Value):
    """What a unit asked for and `approver` has not ruled on yet."""

    kind: RequestKind
    assignment_id: UUID
    unit: str
    share: float | None
    until: datetime | None
    approver: str


class Planned(f.Value):
    """One milestone of a phased matter."""

    milestone: f.Milestone
    reached_at: datetime | None = None


class Pause(f.Value):
    """The case is suspended until then: asked for by a unit, or on the understanding list."""

    until: datetime
    asked_for: bool


class Joined(f.Value):
    """The case with which this one is handled."""

    case_id: UUID
    number: str


class Heading(TypedDict):
    """How every fact of a case begins: the case, the stage it is left in, who brought it about and why."""

    number: str
    source: Source
    source_ref: str | None
    stage: Stage
    actor: f.Actor
    why: f.Reason | None


class Case(f.Value):
    """A case as its facts have left it. `assignments` holds every round; the last is the present one.

    `answerable` is the unit whose time it is now, since `answerable_since`; `held` is how long each unit was. A case
    from before such accounts were kept has no `answerable_since`, and goes without.
    """

    case_id: UUID
    matter: f.Matter
    self_handled: bool = False
    stage: Stage
    level: Level | None = None
    ledger: Ledger | None = None
    case_list: CaseList | None = None
    desk: str | None = None
    assignments: tuple[Assignment, ...] = ()
    designated: bool = False
    refusals: int = 0
    requests: tuple[Request, ...] = ()
    pause: Pause | None = None
    suspensions: int = 0
    milestones: tuple[Planned, ...] = ()
    supervised: tuple[str, ...] = ()
    merged_into: Joined | None = None
    answered_by: tuple[str, ...] = ()
    candidates: tuple[f.Likeness, ...] = ()
    round: int = 1
    reworks: int = 0
    limits: tuple[Limit, ...] = ()
    missed: tuple[Missed, ...] = ()
    opened_at: datetime
    accepted_at: datetime | None = None
    accepted_urgency: Urgency | None = None
    closed_at: datetime | None = None
    answer: str = ""
    evidence: tuple[f.Evidence, ...] = ()
    answerable: str | None = None
    answerable_since: datetime | None = None
    held: dict[str, timedelta] = Field(default_factory=dict)
    held_suspended: dict[str, timedelta] = Field(default_factory=dict)

    @property
    def number(self) -> str:
        return self.matter.number

    @property
    def present(self) -> tuple[Assignment, ...]:
        """The assignments in effect: of this round, not released; the lead first."""
        found = [one for one in self.assignments if one.round == self.round and one.active]
        return tuple(sorted(found, key=lambda one: one.role is not Role.LEAD))

    @property
    def parts(self) -> tuple[f.AssignmentMade, ...]:
        """The assignments in effect, as a fact names them."""
        return tuple(one.made() for one in self.present)

    @property
    def lead(self) -> Assignment | None:
        return next((one for one in self.present if one.role is Role.LEAD), None)

    @property
    def is_final(self) -> bool:
        return STAGES[self.stage].final

    @property
    def is_at_work(self) -> bool:
        return self.stage in AT_WORK

    def assignment_of(self, unit: str) -> Assignment | None:
        return next((one for one in self.present if one.unit == unit), None)

    def part_of(self, unit: str, round_: int) -> Assignment | None:
        """The part that this unit's clocks of this round are about: in effect, or lost or handed over since."""
        own = [one for one in self.assignments if one.round == round_ and unit in (one.unit, *one.before)]
        return max(reversed(own), key=lambda one: (one.active, one.unit == unit), default=None)

    def has_missed(self, obligation: Obligation, assignment: Assignment, now: datetime) -> bool:
        """Whether this unit missed it in this round, under this assignment or one that it lost since.

        It has when its due time is past, even if nobody has said so yet.
        """
        own = self._own(assignment)
        said = any(one.obligation is obligation and one.assignment_id in own for one in self.missed)
        due_at = self.due_at(obligation, assignment)
        return said or (due_at is not None and due_at < now)

    def due_at(self, obligation: Obligation, assignment: Assignment) -> datetime | None:
        """By when this unit owes it, or owed it if that is past; None where nobody has said, or it stands still."""
        own = self._own(assignment)
        known = [one.due_at for one in self.limits if one.obligation is obligation and one.assignment_id in own]
        return min((due_at for due_at in known if due_at is not None), default=None)

    def _own(self, assignment: Assignment) -> set[UUID]:
        """This part, and those that its unit, or a unit that it took it over from, lost in this round before."""
        mine = {assignment.unit, *assignment.before}
        return {
            one.assignment_id
            for one in self.assignments
            if one.round == assignment.round and not mine.isdisjoint((one.unit, *one.before))
        }

    def heading(self, stage: Stage, actor: f.Actor, why: f.Reason | None = None) -> Heading:
        """The beginning of a fact of this case that leaves it in `stage`."""
        matter = self.matter
        return Heading(
            number=matter.number,
            source=matter.source,
            source_ref=matter.source_ref,
            stage=stage,
            actor=actor,
            why=why,
        )

    def assign(self, parts: Iterable[tuple[str, Role]], round_: int) -> tuple[f.AssignmentMade, ...]:
        """New assignments. Their ids follow from the case and their place in it: deciding twice gives the same."""
        return tuple(
            f.AssignmentMade(
                assignment_id=uuid5(self.case_id, f"{unit}/{round_}/{place}"), unit=unit, role=role, round=round_
            )
            for place, (unit, role) in enumerate(parts, start=len(self.assignments))
        )


def standing(case: Case) -> Stage:
    """Where a case stands whose units have it: it follows from where their parts stand."""
    if case.pause is not None:
        return Stage.SUSPENDED
    parts = {one.part for one in case.present}
    if Part.IN_CONSULTATION in parts:
        return Stage.CONSULTATION
    if Part.REFUSED in parts:
        return Stage.REFUSAL_REVIEW
    if case.requests:
        return Stage.EXTENSION_REVIEW
    if parts == {Part.DONE}:
        return Stage.HANDLED
    if parts & {Part.SIGNED_IN, Part.DONE}:
        return Stage.HANDLING
    return Stage.REWORK if case.round > 1 else Stage.DISPATCHED


def answerable(case: Case) -> str | None:
    """Whose time it is: exactly one unit's while the case is open, nobody's once it is closed.

    First receiver responsible (首接负责): while a refusal is argued, the lead stays answerable.
    """
    match case.stage:
        case Stage.CLOSED | Stage.ARCHIVED | Stage.DECLINED | Stage.WITHDRAWN:
            return None
        case Stage.TO_DISPATCH:
            return case.desk or case.matter.whistle_blower
        case Stage.RECEIVED | Stage.VERIFYING | Stage.CHECKING | Stage.RATING | Stage.MERGED:
            return case.matter.whistle_blower
        case _:
            return case.lead.unit if case.lead else case.answerable
