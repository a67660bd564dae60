"""Every event of the system: past facts in the field's words. The docstrings become the event catalogue.

A fact's type is `cn.chuishao.<subject>.<what happened>.v<version>`. Changes are additive only:
readers ignore fields they do not know, a field is never removed or given another meaning.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.vocabulary import (
    ActorKind,
    AppealType,
    CaseList,
    DeclineReason,
    DispatchCause,
    Ledger,
    Level,
    LimitCause,
    Measure,
    Obligation,
    Post,
    RequestKind,
    ResumeCause,
    ReworkCause,
    Role,
    RungChange,
    Satisfaction,
    Source,
    Stage,
    SurgeKind,
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

    def model_copy(  # type: ignore[explicit-any]  # as the library has it
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> Self:
        """A copy shares what is not changed, at a third of the usual price: each loop makes hundreds of them."""
        if deep or update is None:
            return super().model_copy(update=update, deep=deep)
        copied, write, named = self.__class__.__new__(self.__class__), object.__setattr__, self.__pydantic_fields_set__
        write(copied, "__dict__", {**self.__dict__, **update})
        write(copied, "__pydantic_fields_set__", named if update.keys() <= named else named | update.keys())
        write(copied, "__pydantic_extra__", None)
        write(copied, "__pydantic_private__", None)
        return copied


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
    """Why something was decided, in both languages, and by which rule and version where a rule decided.

    `basis` is what the decision rests on: a regulation, a list of duties, a paragraph of the district's procedures.
    """

    zh: str
    en: str
    rule: str | None = None
    version: str | None = None
    basis: str = ""


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
    """One unit's part in a case. `round` counts reworks from 1; a new round is a new assignment.

    `begun` False: the unit had the part before this fact, and its clock goes on.
    """

    assignment_id: UUID
    unit: UnitCode
    role: Role
    round: int = 1
    begun: bool = True


class TimeLimit(Value):
    """One obligation of a unit and its due time, UTC.

    `granted` as the policy writes it, `4 working_hour`; none = a date was set; `basis` = where in the
    policy or the catalogue that stands. `due_at` none = it stands still, and has `left` seconds of its own time left.
    `provisional`: it rests on a year whose holidays are not published yet.
    """

    obligation: Obligation
    generation: int
    granted: str | None
    started_at: datetime
    warn_at: datetime | None
    due_at: datetime | None
    left: float | None = None
    provisional: bool = False
    policy_version: str
    calendar_version: str = ""
    basis: str = ""


class Recipient(Value):
    """Whom a notice is for: people who hold this post in this unit."""

    unit: UnitCode
    post: Post


class Milestone(Value):
    """节点: one step of a phased matter, numbered from 1, with a date of its own."""

    number: Annotated[int, Field(ge=1, le=100)]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    due_at: AwareDatetime


class UnitAccount(Value):
    """How long one unit was answerable for a case, and what it did with the time.

    `held` of all units adds up to the time the case was open; `suspended` is the part of it spent suspended.
    """

    unit: UnitCode
    role: Role | None = Field(default=None, description="in the last round; none for who only verified or checked")
    held: timedelta
    suspended: timedelta = timedelta()
    missed: tuple[Obligation, ...] = ()
    refusals: int = 0
    extensions: int = 0
    rounds: int = Field(default=0, description="rounds it had a part in; more than one is rework")


class UnitVerdict(Value):
    """验单 of one unit's part: found done or not, why, and what proves it."""

    unit: UnitCode
    passed: bool
    note: Words = ""
    evidence: tuple[Evidence, ...] = ()


class Likeness(Value):
    """A case that may be about the same matter, with how alike they are (0–1) and in what."""

    case_id: UUID
    number: str
    score: Annotated[float, Field(ge=0, le=1)]
    reason: Reason


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
    """Every fact of a case names the case as people do, the stage it leaves it in and who brought it about.

    `why` is the reason and the basis on which it was allowed; when it was, and which event caused it, is on
    the envelope.
    """

    number: str
    source: Source
    source_ref: str | None = None
    stage: Stage
    actor: Actor
    why: Reason | None = None


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
    self_handled: bool = False


class CaseDeclined(CaseFact):
    """不予受理: final."""

    NAME: ClassVar[str] = "case.declined.v1"
    reason: DeclineReason
    explanation: str


class CaseSentToDesk(CaseFact):
    """区兜底: no rule decided, or 提级办理 took it from its unit: the hub's desk will dispatch it."""

    NAME: ClassVar[str] = "case.sent_to_desk.v1"
    desk: UnitCode
    reason: Reason
    case_list: CaseList | None = Field(default=None, description="what a rule says of it already")
    ledger: Ledger | None = None
    released: tuple[AssignmentMade, ...] = Field(default=(), description="from whom it was taken")


class CaseDispatched(CaseFact):
    """派单、改派: who has the case from now on, one of them the lead, and who has it no longer.

    `assignments` are all parts in effect, those that were in effect before included (`begun` False).
    """

    NAME: ClassVar[str] = "case.dispatched.v1"
    level: Level
    matter: Matter
    assignments: tuple[AssignmentMade, ...]
    released: tuple[AssignmentMade, ...] = ()
    cause: DispatchCause | None = None
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
    """核查: the whistle-blower found the matter handled, or not, and by which units it was not."""

    NAME: ClassVar[str] = "case.checked.v1"
    passed: bool
    note: str = ""
    failed_units: tuple[UnitCode, ...] = Field(default=(), description="none named = all who reported")


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
    """The escalation ladder's next rung: who was told, and what the ladder says is to change by it."""

    NAME: ClassVar[str] = "case.escalated.v1"
    obligation: Obligation
    unit: UnitCode | None
    rung: int
    told: tuple[UnitCode, ...]
    changes: tuple[RungChange, ...] = ()


class CaseTimed(CaseFact):
    """限时: by when a unit has to do what it owes, as the clock has set it. It replaces what was set before."""

    NAME: ClassVar[str] = "case.timed.v1"
    unit: UnitCode
    assignment_id: UUID
    cause: LimitCause
    by: str
    limits: tuple[TimeLimit, ...]


class CaseClosed(CaseFact):
    """结案销号: answered, written off its ledger."""

    NAME: ClassVar[str] = "case.closed.v1"
    answer: str
    evidence: tuple[Evidence, ...] = ()
    ledger: Ledger
    reason: Reason
    assignments: tuple[AssignmentMade, ...]
    accounts: tuple[UnitAccount, ...] = ()


class CaseArchived(CaseFact):
    """归档: the time to object has passed; final."""

    NAME: ClassVar[str] = "case.archived.v1"


# --- cases: what changes the way of a case between its steps


class CaseRequested(CaseFact):
    """申请延期 / 申请挂账: a unit asks for time; its clock goes on until somebody has ruled.

    An extension asks for `share` of the limit first granted, a suspension for a pause until `until`.
    """

    NAME: ClassVar[str] = "case.requested.v1"
    kind: RequestKind
    assignment_id: UUID
    unit: UnitCode
    reason: str
    share: float | None = None
    until: datetime | None = None
    approver: UnitCode = Field(description="the unit that owes the ruling")


class CaseRequestRuled(CaseFact):
    """A request was approved or not. An approved suspension pauses the whole case's clocks."""

    NAME: ClassVar[str] = "case.request_ruled.v1"
    kind: RequestKind
    assignment_id: UUID
    unit: UnitCode
    approved: bool
    reason: str
    share: float | None = None
    until: datetime | None = None
    assignments: tuple[AssignmentMade, ...] = Field(default=(), description="parts in effect")


class CaseResumed(CaseFact):
    """恢复办理: the clocks go on with what was left of them."""

    NAME: ClassVar[str] = "case.resumed.v1"
    cause: ResumeCause
    reason: str
    assignments: tuple[AssignmentMade, ...] = ()


class CaseListed(CaseFact):
    """列入三单: which list and ledger the case stands on from now.

    On the phased list it has milestones; on the understanding list it is suspended until `review_at`, with the
    explanation given to the resident and when it was given.
    """

    NAME: ClassVar[str] = "case.listed.v1"
    case_list: CaseList
    ledger: Ledger
    reason: str
    milestones: tuple[Milestone, ...] = ()
    explanation: str = ""
    explained_at: datetime | None = None
    review_at: datetime | None = None
    assignments: tuple[AssignmentMade, ...] = ()


class CaseMilestoneReached(CaseFact):
    """A step of a phased matter is done."""

    NAME: ClassVar[str] = "case.milestone_reached.v1"
    milestone: int
    assignment_id: UUID
    unit: UnitCode
    note: str
    evidence: tuple[Evidence, ...] = ()


class CaseSupervised(CaseFact):
    """督办: the hub, or a missed deadline, put a unit under supervision. Who must act does not change."""

    NAME: ClassVar[str] = "case.supervised.v1"
    unit: UnitCode
    assignment_id: UUID | None = None
    reason: str


class CaseSupervisionEnded(CaseFact):
    """督办解除: the unit has done what was demanded, or the hub lifted it."""

    NAME: ClassVar[str] = "case.supervision_ended.v1"
    unit: UnitCode
    reason: str


class CaseReprioritised(CaseFact):
    """调整紧急程度. Raised, clocks get shorter, at most down to the new limit from now; lowered, none gets longer."""

    NAME: ClassVar[str] = "case.reprioritised.v1"
    before: Urgency
    urgency: Urgency
    reason: str
    assignments: tuple[AssignmentMade, ...] = ()


class CaseCorrected(CaseFact):
    """更正: what the matter says was put right. No clock changes by it."""

    NAME: ClassVar[str] = "case.corrected.v1"
    matter: Matter
    changed: tuple[str, ...]
    reason: str
    assignments: tuple[AssignmentMade, ...] = ()


class CaseCommented(CaseFact):
    """备注: somebody whose case it is said something about it. Nothing else changes."""

    NAME: ClassVar[str] = "case.commented.v1"
    unit: UnitCode | None = None
    text: str


class CaseWithdrawn(CaseFact):
    """撤单: who blew the whistle takes it back; final."""

    NAME: ClassVar[str] = "case.withdrawn.v1"
    reason: str
    released: tuple[AssignmentMade, ...] = ()
    accounts: tuple[UnitAccount, ...] = ()


class CaseDuplicateFound(CaseFact):
    """疑似重复: cases that may be about the same matter, most alike first. Only a person merges."""

    NAME: ClassVar[str] = "case.duplicate_found.v1"
    candidates: tuple[Likeness, ...]


class CaseMerged(CaseFact):
    """并案: handled with another case from now on; its reporter, answer and rating stay its own."""

    NAME: ClassVar[str] = "case.merged.v1"
    into: UUID
    into_number: str
    reason: str
    released: tuple[AssignmentMade, ...] = ()


class CaseUnmerged(CaseFact):
    """撤销并案: it is a case by itself again."""

    NAME: ClassVar[str] = "case.unmerged.v1"
    reason: str


class CaseAnswered(CaseFact):
    """并案答复: the case it was merged into is closed, and so this one has its answer; now it is rated."""

    NAME: ClassVar[str] = "case.answered.v1"
    answer: str
    evidence: tuple[Evidence, ...] = ()
    ledger: Ledger
    into: UUID
    units: tuple[UnitCode, ...]
    round: int
    resident_to_ask: bool
    whistle_blower: UnitCode


class CaseHandedOver(CaseFact):
    """机构调整: a unit was merged, renamed or split; its successor stands in its place, on the same clock.

    With `assignment_id` it is that part which goes over; without, the successor is the whistle-blower.
    """

    NAME: ClassVar[str] = "case.handed_over.v1"
    before: UnitCode
    unit: UnitCode
    assignment_id: UUID | None = None
    role: Role | None = None
    round: int = 1
    final: bool = False
    matter: Matter
    reason: Reason


# --- deadlines: stated by sla -----------------------------------------------------------------------


class DeadlineFact(Fact):
    """What the clock of one case says about a unit's obligations. Times are UTC."""


class DeadlineStep(DeadlineFact):
    """A step of one obligation was due and taken; (case, unit, obligation, generation) names the obligation."""

    obligation: Obligation
    unit: UnitCode | None
    generation: int
    started_at: datetime
    due_at: datetime
    fired_at: datetime
    policy_version: str
    provisional: bool = False
    round: int = 1


class DeadlineWarned(DeadlineStep):
    """黄灯: most of the time is used (80 % by default)."""

    NAME: ClassVar[str] = "deadline.warned.v1"


class DeadlineOverdue(DeadlineStep):
    """红灯: the time is used up."""

    NAME: ClassVar[str] = "deadline.overdue.v1"


class DeadlineEscalated(DeadlineStep):
    """The obligation is still not met; a rung of the ladder was reached."""

    NAME: ClassVar[str] = "deadline.escalated.v1"
    rung: int
    told: tuple[UnitCode, ...]
    recipients: tuple[Recipient, ...] = Field(default=(), description="whose people are told, and which of them")
    changes: tuple[RungChange, ...] = Field(default=(), description="what follows besides; none = nothing")


class DeadlineSet(DeadlineFact):
    """限时: what a unit owes in a case, by when, since when; stated whenever a due time is set or moves.

    `by` is the type of the case's fact that set it, or the version of the policy or calendar that was applied;
    those name who asked for it in `actor`, and why in `note`.
    """

    NAME: ClassVar[str] = "deadline.set.v1"
    unit: UnitCode
    round: int
    cause: LimitCause
    by: str
    limits: tuple[TimeLimit, ...]
    actor: Actor | None = None
    note: Words = ""


# --- feedback: stated by feedback -------------------------------------------------------------------


class FeedbackChecked(Fact):
    """验单: the whistle-blower's verdict on the result, and on each unit's part where it was given."""

    NAME: ClassVar[str] = "feedback.checked.v1"
    round: int
    passed: bool
    note: Words = ""
    evidence: tuple[Evidence, ...] = ()
    failed_units: tuple[UnitCode, ...] = Field(default=(), description="none named = all who reported")
    verdicts: tuple[UnitVerdict, ...] = Field(default=(), description="unit by unit, where it was said so")
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


class FeedbackResidentAsked(Fact):
    """请居民评价: the resident is asked the three questions, and may answer by a link until then."""

    NAME: ClassVar[str] = "feedback.resident_asked.v1"
    round: int
    until: datetime


class FeedbackSampled(Fact):
    """抽查: a closed case was drawn for a check by the hub."""

    NAME: ClassVar[str] = "feedback.sampled.v1"
    round: int
    reason: Reason


class FeedbackSampleChecked(Fact):
    """抽查结果: what the hub found. Failed, it is reworked by the units that failed; none named = all."""

    NAME: ClassVar[str] = "feedback.sample_checked.v1"
    round: int
    passed: bool
    note: Words = ""
    evidence: tuple[Evidence, ...] = ()
    failed_units: tuple[UnitCode, ...] = ()
    actor: Actor


class FeedbackExclusionAsked(Fact):
    """申请剔除: that one unit's part in one round shall not count in these measures, for a reason and on a basis.

    The raw figures count it for ever; the adjusted ones leave it out once it is approved.
    """

    NAME: ClassVar[str] = "feedback.exclusion_asked.v1"
    exclusion: UUID
    round: int
    unit: UnitCode
    measures: tuple[Measure, ...]
    reason: Words
    basis: Words
    actor: Actor


class FeedbackExclusionRuled(Fact):
    """剔除审批: approved or not, by somebody else than who asked."""

    NAME: ClassVar[str] = "feedback.exclusion_ruled.v1"
    exclusion: UUID
    approved: bool
    reason: Words
    actor: Actor


class FeedbackPublished(Fact):
    """公示: the anonymised entry on the public board, word for word as it is shown there."""

    NAME: ClassVar[str] = "feedback.published.v1"
    number: str
    title: str
    result: str
    category: tuple[str, ...] = ()
    region: UnitCode
    units: tuple[UnitCode, ...]
    received_at: datetime
    closed_at: datetime
    satisfaction: Satisfaction | None = Field(default=None, description="none = not rated")
    method: str = Field(description="the version of the rules by which it was anonymised")


class FeedbackWithheld(Fact):
    """撤下公示: somebody of the hub took the entry off the public board."""

    NAME: ClassVar[str] = "feedback.withheld.v1"
    reason: Words
    actor: Actor


# --- any log: stated by the service whose log it is ---------------------------------------------------


class LogRedacted(Fact):
    """依法删除: people's words in an earlier event of this case in this log are forgotten; its digest stays.

    `redacted` is that event's sequence in the shard, `event` what is left of it: itself, without the words. Readers
    pass over it. `asked_by` and `actor` are two people.
    """

    NAME: ClassVar[str] = "log.redacted.v1"
    redacted: int
    digest: str = Field(description="SHA-256 of the event as it was, hexadecimal")
    event: dict[str, object]
    reason: Words
    basis: Words = Field(description="the law, and the order given by it")
    asked_by: str
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


class ReportAsked(Report):
    """申请延期 / 申请挂账: time, for a reason and on a basis. The clock goes on until it is ruled on.

    An extension asks for `share` of the limit first granted (0–1), a suspension for a pause until `until`.
    """

    NAME: ClassVar[str] = "report.asked.v1"
    kind: RequestKind
    reason: Annotated[str, Field(min_length=1, max_length=4000)]
    basis: Annotated[str, Field(min_length=1, max_length=1000)]
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    until: AwareDatetime | None = None


class ReportMilestoneReached(Report):
    """A step of a phased matter is done."""

    NAME: ClassVar[str] = "report.milestone_reached.v1"
    milestone: Annotated[int, Field(ge=1, le=100)]
    note: Annotated[str, Field(min_length=1, max_length=4000)]
    evidence: tuple[Evidence, ...] = ()


class ReportCommented(Report):
    """备注: something others should know. Nothing else changes."""

    NAME: ClassVar[str] = "report.commented.v1"
    text: Annotated[str, Field(min_length=1, max_length=4000)]


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
    """The unit has no part in the case any more: refused, transferred, withdrawn, merged, handed over."""

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


class AssignmentChanged(AssignmentFact):
    """The unit's role, the urgency, the list or the matter changed; its clock goes on."""

    NAME: ClassVar[str] = "assignment.changed.v1"
    role: Role
    urgency: Urgency | None = None
    matter: Matter | None = None
    case_list: CaseList | None = None
    milestones: tuple[Milestone, ...] = ()
    reason: str


class AssignmentRequestRuled(AssignmentFact):
    """What the unit asked for was approved or not."""

    NAME: ClassVar[str] = "assignment.request_ruled.v1"
    kind: RequestKind
    approved: bool
    share: float | None = None
    until: datetime | None = None
    reason: str


class AssignmentSuspended(AssignmentFact):
    """The case is suspended: every clock of it stands until `until`, or until it is resumed before."""

    NAME: ClassVar[str] = "assignment.suspended.v1"
    until: datetime
    reason: str


class AssignmentResumed(AssignmentFact):
    """The clocks go on with what was left of them."""

    NAME: ClassVar[str] = "assignment.resumed.v1"
    reason: str


class AssignmentSupervised(AssignmentFact):
    """The unit is under supervision for this case."""

    NAME: ClassVar[str] = "assignment.supervised.v1"
    reason: str


class AssignmentTimed(AssignmentFact):
    """限时: by when the unit has to do what. What is named replaces what was said of the same obligation before."""

    NAME: ClassVar[str] = "assignment.timed.v1"
    cause: LimitCause
    limits: tuple[TimeLimit, ...]


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


class HotlineSuspended(HotlineFact):
    """挂账 / 谅解: it cannot be done now; why, and when it will be looked at again."""

    NAME: ClassVar[str] = "hotline.suspended.v1"
    explanation: str
    until: datetime


class HotlineWithdrawn(HotlineFact):
    """撤单: the order was taken back."""

    NAME: ClassVar[str] = "hotline.withdrawn.v1"
    reason: str


# --- surges: found by the live statistics --------------------------------------------------------------------


class SurgeFact(Fact):
    """诉求激增: many whistles of one place, respondent or category at once. Its id is that of the surge.

    `key` is what they have in common, as people read it; `region` where, if it is one; `since` its first whistle.
    Live statistics found it; who reads it again after they were rebuilt knows it by the id.
    """

    kind: SurgeKind
    key: str
    region: UnitCode | None = None
    since: datetime
    count: int
    usual_per_day: float


class SurgeFound(SurgeFact):
    """It began, or has doubled since it was told last."""

    NAME: ClassVar[str] = "surge.found.v1"
    cases: tuple[UUID, ...] = Field(description="the first 50 of its cases")
    reason: Reason


class SurgeEnded(SurgeFact):
    """Nothing new came for a day, or for as long as its window is."""

    NAME: ClassVar[str] = "surge.ended.v1"
    ended_at: datetime
