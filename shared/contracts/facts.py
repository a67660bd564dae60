"""Every event of the system: past facts in the field's words. The docstrings become the event catalogue.

A fact's type is `cn.chuishao.<subject>.<what happened>.v<version>`. Changes are additive only:
readers ignore fields they do not know, a field is never removed or given another meaning.
"""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.vocabulary import (
    ActorKind,
    AppealType,
    CaseList,
    DeclineReason,
    Ledger,
    Level,
    Obligation,
    ReworkCause,
    Role,
    Satisfaction,
    Source,
    Stage,
    Urgency,
)

FACTS: dict[str, type["Fact"]] = {}
"""Every event type this release knows, by its name on the wire."""

UnitCode = Annotated[str, Field(min_length=2, max_length=32)]
Score = Annotated[int, Field(ge=1, le=5)]
Words = Annotated[str, Field(max_length=4000)]


class Value(BaseModel):
    """An immutable value; unknown fields of a newer release are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Fact(Value):
    """The data of one event."""

    NAME: ClassVar[str] = ""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        if cls.NAME:
            FACTS[cls.type_name()] = cls

    @classmethod
    def type_name(cls) -> str:
        return f"cn.chuishao.{cls.NAME}"


class Actor(Value):
    """Who acted. `person` is the id the identity provider gave, never a name or a phone."""

    kind: ActorKind
    unit: UnitCode | None = None
    person: str | None = None


class Reason(Value):
    """Why something was decided, in both languages, and by which rule and version where a rule decided."""

    zh: str
    en: str
    rule: str | None = None
    version: str | None = None


class Evidence(Value):
    """A file that proves something: a photo of the repaired place, a signed receipt."""

    name: str = Field(max_length=200)
    media_type: str = Field(max_length=100)
    url: str = Field(max_length=1000)


class Matter(Value):
    """事项: what a whistle is about. Nothing in it identifies the reporter.

    `region` is the code of the community or street where it happened, `whistle_blower` the unit that
    blew the whistle, checks the result and rates (the community, or the hub for 12345's orders).
    """

    number: str
    source: Source
    source_ref: str | None = None
    appeal_type: AppealType
    urgency: Urgency
    category: tuple[str, ...] = ()
    title: str
    content: str
    address: str = ""
    longitude: float | None = None
    latitude: float | None = None
    region: UnitCode
    whistle_blower: UnitCode
    occurred_at: datetime | None = None
    received_at: datetime
    respondent: str | None = None
    confidential: bool = False
    resident_to_ask: bool = False
    attachments: tuple[Evidence, ...] = ()


class AssignmentMade(Value):
    """One unit's part in a case. `round` counts reworks from 1; a new round is a new assignment."""

    assignment_id: UUID
    unit: UnitCode
    role: Role
    round: int = 1


# --- whistles: stated by intake -------------------------------------------------------------------


class WhistleReceived(Fact):
    """A whistle or a resident's order came in at one of the doors."""

    NAME: ClassVar[str] = "whistle.received.v1"
    matter: Matter
    needs_verification: bool
    self_handled: bool = False
    reporter: str | None = Field(default=None, description="opaque id of the reporter's row at intake")
    actor: Actor


class WhistleVerified(Fact):
    """The community verified a resident's order (核实): from now on it is a whistle."""

    NAME: ClassVar[str] = "whistle.verified.v1"
    actor: Actor
    note: Words = ""
    urgency: Urgency | None = None
    category: tuple[str, ...] | None = None
    self_handled: bool = False


class WhistleDeclined(Fact):
    """不予受理: the whistle is not accepted; the reason goes back to where it came from."""

    NAME: ClassVar[str] = "whistle.declined.v1"
    actor: Actor
    reason: DeclineReason
    explanation: Words


# --- cases: decided by the router, the official log of every case -----------------------------------


class CaseFact(Fact):
    """Every fact of a case names the case as people do, the stage it leaves it in and who brought it about."""

    number: str
    source: Source
    source_ref: str | None = None
    stage: Stage
    actor: Actor


class CaseOpened(CaseFact):
    """The case exists; it waits for its community's verification or is accepted at once."""

    NAME: ClassVar[str] = "case.opened.v1"
    matter: Matter
    self_handled: bool = False


class CaseAccepted(CaseFact):
    """受理: verified by its source or its community; it will be dispatched."""

    NAME: ClassVar[str] = "case.accepted.v1"
    note: str = ""
    urgency: Urgency
    category: tuple[str, ...] = ()


class CaseDeclined(CaseFact):
    """不予受理: final."""

    NAME: ClassVar[str] = "case.declined.v1"
    reason: DeclineReason
    explanation: str


class CaseSentToDesk(CaseFact):
    """区兜底: no rule decided, the hub's desk will."""

    NAME: ClassVar[str] = "case.sent_to_desk.v1"
    desk: UnitCode
    reason: Reason


class CaseDispatched(CaseFact):
    """派单: given to units, one of them the lead."""

    NAME: ClassVar[str] = "case.dispatched.v1"
    level: Level
    matter: Matter
    assignments: tuple[AssignmentMade, ...]
    case_list: CaseList | None = None
    ledger: Ledger
    reason: Reason
    final: bool = Field(default=False, description="designated: the unit may not refuse any more")


class CaseSignedIn(CaseFact):
    """签收 / 报到: the unit reported for duty."""

    NAME: ClassVar[str] = "case.signed_in.v1"
    assignment_id: UUID
    unit: UnitCode


class CaseRefused(CaseFact):
    """退单: the unit says it is not its matter, with reason and basis. Its clock goes on."""

    NAME: ClassVar[str] = "case.refused.v1"
    assignment_id: UUID
    unit: UnitCode
    reason: str
    basis: str
    count: int = Field(description="how many refusals this case has had, this one included")


class CaseRefusalRuled(CaseFact):
    """The hub ruled on a refusal: upheld (another unit follows) or dismissed (the unit stays)."""

    NAME: ClassVar[str] = "case.refusal_ruled.v1"
    assignment_id: UUID
    unit: UnitCode
    upheld: bool
    reason: str
    final: bool = Field(default=False, description="designated after consultation: no further refusal")


class CaseProgressed(CaseFact):
    """The unit reported progress; `contacted` = the reporter was contacted (首次联系)."""

    NAME: ClassVar[str] = "case.progressed.v1"
    assignment_id: UUID
    unit: UnitCode
    note: str
    contacted: bool = False


class CaseUnitDone(CaseFact):
    """One unit finished its part, with result and evidence."""

    NAME: ClassVar[str] = "case.unit_done.v1"
    assignment_id: UUID
    unit: UnitCode
    result: str
    evidence: tuple[Evidence, ...] = ()


class CaseHandled(CaseFact):
    """办结: every unit has finished; the whistle-blower will check."""

    NAME: ClassVar[str] = "case.handled.v1"
    units: tuple[UnitCode, ...]
    round: int
    resident_to_ask: bool
    whistle_blower: UnitCode


class CaseChecked(CaseFact):
    """核查: the whistle-blower found the matter handled, or not."""

    NAME: ClassVar[str] = "case.checked.v1"
    passed: bool
    note: str = ""


class CaseReworkOrdered(CaseFact):
    """返工 / 重办: new assignments with a fresh, shorter clock."""

    NAME: ClassVar[str] = "case.rework_ordered.v1"
    cause: ReworkCause
    matter: Matter
    assignments: tuple[AssignmentMade, ...]
    round: int
    explanation: str = ""


class CaseOverdue(CaseFact):
    """An obligation was not met in time. This fact is never erased."""

    NAME: ClassVar[str] = "case.overdue.v1"
    obligation: Obligation
    unit: UnitCode | None
    assignment_id: UUID | None = None
    generation: int
    due_at: datetime


class CaseEscalated(CaseFact):
    """The escalation ladder's next rung: who was told. Who must act does not change."""

    NAME: ClassVar[str] = "case.escalated.v1"
    obligation: Obligation
    unit: UnitCode | None
    rung: int
    told: tuple[UnitCode, ...]


class CaseClosed(CaseFact):
    """结案销号: answered, written off its ledger."""

    NAME: ClassVar[str] = "case.closed.v1"
    answer: str
    evidence: tuple[Evidence, ...] = ()
    ledger: Ledger
    reason: Reason
    assignments: tuple[AssignmentMade, ...]


class CaseArchived(CaseFact):
    """归档: the time to object has passed; final."""

    NAME: ClassVar[str] = "case.archived.v1"


# --- deadlines: stated by sla -----------------------------------------------------------------------


class DeadlineFact(Fact):
    """Something about one obligation; (case, unit, obligation, generation) names it. Times are UTC."""

    obligation: Obligation
    unit: UnitCode | None
    generation: int
    started_at: datetime
    due_at: datetime
    fired_at: datetime
    policy_version: str
    provisional: bool = False


class DeadlineWarned(DeadlineFact):
    """黄灯: most of the time is used (80 % by default)."""

    NAME: ClassVar[str] = "deadline.warned.v1"


class DeadlineOverdue(DeadlineFact):
    """红灯: the time is used up."""

    NAME: ClassVar[str] = "deadline.overdue.v1"


class DeadlineEscalated(DeadlineFact):
    """The obligation is still not met; a rung of the ladder was reached."""

    NAME: ClassVar[str] = "deadline.escalated.v1"
    rung: int
    told: tuple[UnitCode, ...]


# --- feedback: stated by feedback -------------------------------------------------------------------


class FeedbackChecked(Fact):
    """验单: the whistle-blower's verdict on the result."""

    NAME: ClassVar[str] = "feedback.checked.v1"
    round: int
    passed: bool
    note: Words = ""
    evidence: tuple[Evidence, ...] = ()
    actor: Actor


class FeedbackUnitRated(Fact):
    """评单: the whistle-blower rated one unit that reported; three scores from 1 to 5."""

    NAME: ClassVar[str] = "feedback.unit_rated.v1"
    round: int
    unit: UnitCode
    contact: Score
    speed: Score
    result: Score
    words: Words = ""
    actor: Actor


class FeedbackResidentAnswered(Fact):
    """The resident answered the three questions."""

    NAME: ClassVar[str] = "feedback.resident_answered.v1"
    round: int
    contacted: bool
    solved: bool
    satisfaction: Satisfaction
    words: Words = ""
    actor: Actor


class FeedbackConcluded(Fact):
    """The verdict: close, or rework once more. Who stayed silent is named, never counted as satisfied."""

    NAME: ClassVar[str] = "feedback.concluded.v1"
    round: int
    close: bool
    reason: Reason
    unrated: tuple[UnitCode, ...] = ()
    resident_silent: bool = False
    actor: Actor


# --- reports.<unit>: what a unit tells the router -----------------------------------------------------


class Report(Fact):
    """A unit speaks about a case assigned to it. The topic says which unit, whatever the body says."""

    person: str | None = None


class ReportSignedIn(Report):
    """签收 / 报到: we are on it."""

    NAME: ClassVar[str] = "report.signed_in.v1"


class ReportRefused(Report):
    """退单: not ours, for this reason and on this basis; before signing in and within its limit."""

    NAME: ClassVar[str] = "report.refused.v1"
    reason: Annotated[str, Field(min_length=1, max_length=4000)]
    basis: Annotated[str, Field(min_length=1, max_length=1000)]


class ReportProgressed(Report):
    """How it stands; `contacted` when the reporter has been contacted."""

    NAME: ClassVar[str] = "report.progressed.v1"
    note: Annotated[str, Field(min_length=1, max_length=4000)]
    contacted: bool = False


class ReportDone(Report):
    """办结: finished, with the result as the reporter will read it and what proves it."""

    NAME: ClassVar[str] = "report.done.v1"
    result: Annotated[str, Field(min_length=1, max_length=4000)]
    evidence: tuple[Evidence, ...] = ()


# --- assignments.<unit>: what a unit is told, projected from the router's log ----------------------------


class AssignmentFact(Fact):
    """Something about one unit's part in a case. `number` is the case number people use."""

    assignment_id: UUID
    number: str
    unit: UnitCode


class AssignmentCreated(AssignmentFact):
    """The unit must report for duty. Round 2 and up is rework, `explanation` says why."""

    NAME: ClassVar[str] = "assignment.created.v1"
    role: Role
    round: int
    final: bool = False
    matter: Matter
    reason: Reason
    explanation: str = ""


class AssignmentReleased(AssignmentFact):
    """The unit's refusal was upheld: it has no part in the case any more."""

    NAME: ClassVar[str] = "assignment.released.v1"
    reason: str


class AssignmentKept(AssignmentFact):
    """The unit's refusal was dismissed: the matter stays with it, its clock never stopped."""

    NAME: ClassVar[str] = "assignment.kept.v1"
    reason: str


class AssignmentOverdue(AssignmentFact):
    """The unit let an obligation of this assignment pass."""

    NAME: ClassVar[str] = "assignment.overdue.v1"
    obligation: Obligation
    due_at: datetime


class AssignmentClosed(AssignmentFact):
    """The case is closed and written off."""

    NAME: ClassVar[str] = "assignment.closed.v1"


# --- hotline.replies: what 12345 is told about its own orders ---------------------------------------------


class HotlineFact(Fact):
    """`source_ref` is 12345's own order number (工单编号)."""

    number: str
    source_ref: str


class HotlineAccepted(HotlineFact):
    """受理: the order became a case."""

    NAME: ClassVar[str] = "hotline.accepted.v1"


class HotlineDispatched(HotlineFact):
    """派单: which units have it now."""

    NAME: ClassVar[str] = "hotline.dispatched.v1"
    units: tuple[UnitCode, ...]


class HotlineDeclined(HotlineFact):
    """不予受理: with the reason to give the caller."""

    NAME: ClassVar[str] = "hotline.declined.v1"
    reason: DeclineReason
    explanation: str


class HotlineAnswered(HotlineFact):
    """办结答复: the result to give the caller."""

    NAME: ClassVar[str] = "hotline.answered.v1"
    answer: str
    evidence: tuple[Evidence, ...] = ()
