"""A small district in lists: six cases from whistle to end, their logs, topics, tables and ledger.

The rows and the units' messages are made by the services' own code, so that the checker's second writing-down
of them is held against the first. A test breaks one thing and sees what the checker says.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid5

from deploy.check.checker import Check
from deploy.check.report import Report
from deploy.check.scratch import Acknowledged
from deploy.check.source import (
    LOGS,
    DeadLetter,
    DeadlineRow,
    Head,
    LogRow,
    Message,
    Span,
    Standing,
    Unread,
)
from services.router.projection import project
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, encode
from shared.contracts.lifecycle import AT_WORK
from shared.contracts.topics import SHARDS, shard_of
from shared.contracts.vocabulary import (
    ActorKind,
    AppealType,
    CaseList,
    DeclineReason,
    Ledger,
    Level,
    LimitCause,
    Obligation,
    RequestKind,
    ResumeCause,
    ReworkCause,
    Role,
    Source,
    Stage,
    Urgency,
)
from shared.runtime import log as runtime_log

BEGIN = datetime(2026, 9, 1, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HUB, COMMUNITY, WATER, POWER, GAS, GAS_NEW = "hub", "community-1", "util-water", "util-power", "util-gas", "util-gas-2"
SMOOTH, ROUGH, DECLINED = UUID(int=12 * 100), UUID(int=12 * 200 + 3), UUID(int=12 * 300 + 3)
"""Handled at the first go; refused, overdue and reworked; not accepted. Shards 0, 3 and 3."""
JOINT, MERGED, WITHDRAWN = UUID(int=12 * 600 + 6), UUID(int=12 * 700 + 7), UUID(int=12 * 800 + 8)
"""Handled by several units that come and go, ask for time and are suspended; merged into that one; taken back."""

Row = TypeVar("Row")
_RULE = f.Actor(kind=ActorKind.RULE)
_CLOCK = f.Actor(kind=ActorKind.CLOCK)
_WHY = f.Reason(zh="规则", en="a rule")


@dataclass
class World:
    """A `Source` of lists."""

    now: datetime = BEGIN + timedelta(days=20)
    logs: dict[str, dict[int, list[LogRow]]] = field(default_factory=dict)
    head_rows: dict[str, dict[int, Head]] = field(default_factory=dict)
    read: dict[str, dict[tuple[str, int], int]] = field(default_factory=dict)
    states: dict[str, dict[UUID, Standing]] = field(default_factory=dict)
    deadline_rows: list[DeadlineRow] = field(default_factory=list)
    letters: dict[str, list[DeadLetter]] = field(default_factory=lambda: defaultdict(list))
    topics: dict[tuple[str, int], list[Message]] = field(default_factory=lambda: defaultdict(list))
    begins: dict[tuple[str, int], int] = field(default_factory=dict)
    settled: dict[tuple[str, int], int] = field(default_factory=dict)
    unread_reports: list[Unread] = field(default_factory=list)
    ledger: list[Acknowledged] = field(default_factory=list)

    def __post_init__(self) -> None:
        for service in LOGS:
            self.logs[service] = {shard: [] for shard in range(SHARDS)}
            self.head_rows[service] = {shard: Head(shard, 0, bytes(32), 0) for shard in range(SHARDS)}
            self.read[service] = {}
            self.states[service] = {}

    # --- making it

    def say(self, service: str, case_id: UUID, fact: f.Fact, at: datetime, because: str | None = None) -> str:
        """One more event: into the log, onto the topic, consumed by all who read it. Its id."""
        shard, head = shard_of(case_id), self.head_rows[service][shard_of(case_id)]
        known = self.states[service].get(case_id, Standing(case_id, 0))
        envelope = Envelope(
            id=str(uuid5(case_id, f"{service}/{known.caseseq}")),
            source=f"/chuishao/{service}",
            subject=case_id,
            time=at,
            fact=fact,
            cause=because,
            sequence=head.sequence + 1,
            caseseq=known.caseseq + 1,
        )
        row = runtime_log.next_row(runtime_log.Head(*head), case_id, known.caseseq + 1, encode(envelope))
        self.logs[service][shard].append(
            LogRow(row.shard, row.sequence, row.case_id, row.caseseq, row.event, row.digest, row.hash)
        )
        self.head_rows[service][shard] = Head(shard, row.sequence, row.hash, row.sequence)
        stage, number, ledger = known.stage, known.number, known.ledger
        if isinstance(fact, f.CaseFact):
            stage, number = fact.stage.value, fact.number
        if isinstance(fact, f.CaseDispatched | f.CaseListed | f.CaseAnswered):
            ledger = fact.ledger.value
        self.states[service][case_id] = Standing(case_id, known.caseseq + 1, stage, number, ledger)
        topic = LOGS[service]
        self.put(topic.name, shard, str(case_id), row.event, row.sequence)
        for reader in topic.readers:
            if reader in LOGS:
                self.read[reader][topic.name, shard] = row.sequence
        if service == "router":
            for message in project(envelope):
                self.put(message.topic, message.partition or 0, str(case_id), message.value)
        return envelope.id

    def put(self, topic: str, partition: int, key: str, value: bytes | None, sequence: int | None = None) -> None:
        messages = self.topics[topic, partition]
        offset = messages[-1].offset + 1 if messages else self.begins.get((topic, partition), 0)
        messages.append(Message(topic, partition, offset, key.encode(), value, sequence))

    def owe(self, case_id: UUID, unit: str, obligation: Obligation, due: datetime, **changes: object) -> None:
        met = DeadlineRow(case_id, unit, obligation.value, 1, "met", None, due, None, due - MINUTE, None)
        self.deadline_rows.append(met._replace(**changes))  # type: ignore[arg-type]

    def acknowledge(self, status: str, case_id: UUID | None, number: str | None, **changes: object) -> None:
        line = Acknowledged(
            len(self.ledger) + 1,
            status,
            case_id.bytes if case_id else None,
            number,
            "hotline_12345",
            None,
            "push",
            None,
        )
        self.ledger.append(line._replace(**changes))  # type: ignore[arg-type]

    # --- breaking it

    def change(self, service: str, shard: int, sequence: int, **columns: object) -> None:
        rows = self.logs[service][shard]
        place = next(place for place, row in enumerate(rows) if row.sequence == sequence)
        rows[place] = rows[place]._replace(**columns)  # type: ignore[arg-type]

    def delete(self, service: str, shard: int, sequence: int) -> LogRow:
        rows = self.logs[service][shard]
        return rows.pop(next(place for place, row in enumerate(rows) if row.sequence == sequence))

    def row(self, service: str, shard: int, sequence: int) -> LogRow:
        return next(row for row in self.logs[service][shard] if row.sequence == sequence)

    # --- a Source

    @property
    def spans(self) -> dict[tuple[str, int], Span]:
        places = {(topic.name, shard) for topic in LOGS.values() for shard in range(SHARDS)} | set(self.topics)
        spans = {}
        for place in places:
            begin = self.begins.get(place, 0)
            end = self.topics[place][-1].offset + 1 if self.topics.get(place) else begin
            spans[place] = Span(begin, self.settled.get(place, end), end)
        return spans

    async def heads(self, service: str) -> list[Head]:
        return list(self.head_rows[service].values())

    async def progress(self, service: str) -> dict[tuple[str, int], int]:
        return self.read[service]

    def rows(self, service: str, shard: int) -> AsyncIterator[Sequence[LogRow]]:
        return _batches(self.logs[service][shard])

    def standings(self, service: str) -> AsyncIterator[Sequence[Standing]]:
        return _batches(list(self.states[service].values()))

    def deadlines(self) -> AsyncIterator[Sequence[DeadlineRow]]:
        return _batches(self.deadline_rows)

    def dead_letters(self, service: str) -> AsyncIterator[Sequence[DeadLetter]]:
        return _batches(self.letters[service])

    def messages(self, partitions: Sequence[tuple[str, int]]) -> AsyncIterator[Sequence[Message]]:
        return _batches([message for place in partitions for message in self.topics[place]])

    async def check(self, drained: bool = True, quiet: bool = True, strict: bool = False) -> Report:
        checking = Check(drained=drained, quiet=quiet, strict=strict)
        checking.acknowledged(self.ledger)
        return await checking.run(self)


async def _batches(rows: Sequence[Row]) -> AsyncIterator[Sequence[Row]]:
    for start in range(0, len(rows), 2):
        yield rows[start : start + 2]


# --- the six cases


def whole() -> World:
    """Everything in order, every case final."""
    world = World()
    _smooth(world)
    _rough(world)
    _declined(world)
    joint = _joint(world)
    merged = _merged(world, joint)
    joint.closed()
    joint.archived()
    merged.answered()
    merged.closed()
    merged.archived()
    _withdrawn(world)
    return world


def _smooth(world: World) -> None:
    story = Story(world, SMOOTH, "C-1", source_ref="12345-1")
    story.received()
    story.dispatched(unit=WATER)
    for done in (story.signed_in, story.done, story.handled, story.passed, story.closed):
        done()
    story.archived()
    world.acknowledge("accepted", SMOOTH, "C-1", source_ref="12345-1", idempotency_key="k1")
    world.acknowledge("repeat", SMOOTH, "C-1", source_ref="12345-1", idempotency_key="k1")


def _rough(world: World) -> None:
    story = Story(world, ROUGH, "C-2")
    story.received()
    story.dispatched(unit=WATER)
    story.refused()
    story.dispatched(unit=POWER)
    story.signed_in()
    story.overdue(Obligation.HANDLE)
    for done in (story.done, story.handled, story.failed, story.signed_in, story.done, story.handled, story.passed):
        done()
    story.closed()
    story.archived()
    world.acknowledge("accepted", ROUGH, "C-2", idempotency_key="k2")
    world.acknowledge("unknown", None, None, idempotency_key="k3")


def _declined(world: World) -> None:
    story = Story(world, DECLINED, "C-3")
    story.received(needs_verification=True)
    story.declined()
    world.acknowledge("unknown", DECLINED, "C-3", idempotency_key="k4")


def _joint(world: World) -> "Story":
    story = Story(world, JOINT, "C-5")
    story.received()
    story.dispatched(lead(51, WATER), co_handler(52, POWER))
    story.timed()
    story.signed_in()
    for kind in RequestKind:
        story.asked(kind)
    story.resumed()
    story.listed(CaseList.PHASED)
    story.dispatched(kept(lead(51, WATER)), co_handler(53, GAS), released=[co_handler(52, POWER)], stage=Stage.HANDLING)
    story.handed_over(GAS_NEW)
    for told in (story.milestone_reached, story.supervised, story.raised, story.corrected, story.commented):
        told()
    story.dispatched(kept(lead(51, WATER)), released=[co_handler(53, GAS_NEW)], stage=Stage.HANDLING)
    story.done()
    story.handled()
    story.passed()
    return story


def _merged(world: World, into: "Story") -> "Story":
    story = Story(world, MERGED, "C-6")
    story.received()
    story.dispatched(unit=WATER)
    story.merged(into)
    story.unmerged()
    story.dispatched(unit=WATER)
    story.merged(into)
    return story


def _withdrawn(world: World) -> None:
    story = Story(world, WITHDRAWN, "C-7")
    story.received()
    story.dispatched(unit=POWER)
    story.listed(CaseList.UNDERSTANDING)
    story.withdrawn()


def lead(number: int, unit: str, round_: int = 1) -> f.AssignmentMade:
    return f.AssignmentMade(assignment_id=UUID(int=number), unit=unit, role=Role.LEAD, round=round_)


def co_handler(number: int, unit: str, round_: int = 1) -> f.AssignmentMade:
    return f.AssignmentMade(assignment_id=UUID(int=number), unit=unit, role=Role.CO_HANDLER, round=round_)


def kept(made: f.AssignmentMade) -> f.AssignmentMade:
    """A part that its unit had before."""
    return made.model_copy(update={"begun": False})


class Story:
    """One case told step by step, a minute apart. `parts` are in effect, the first of them acts."""

    def __init__(self, world: World, case_id: UUID, number: str, source_ref: str | None = None) -> None:
        self._world = world
        self._case_id = case_id
        self._at = BEGIN
        self._round = 1
        self._given = 0
        self._held: dict[str, timedelta] = {}
        self._suspended = timedelta()
        self._lead = ""
        self._changed = BEGIN
        self._stage: Stage | None = None
        self._ledger = Ledger.FIXED_DEADLINE
        self.parts: tuple[f.AssignmentMade, ...] = ()
        self._matter = f.Matter(
            number=number,
            source=Source.HOTLINE_12345,
            source_ref=source_ref,
            appeal_type=AppealType.HELP,
            urgency=Urgency.NORMAL,
            title="水管漏水",
            content="三号楼前水管漏水",
            region=COMMUNITY,
            whistle_blower=COMMUNITY,
            received_at=BEGIN,
        )

    def _say(self, service: str, fact: f.Fact, because: str | None = None) -> str:
        self._at += MINUTE
        return self._world.say(service, self._case_id, fact, self._at, because)

    def _case(
        self,
        fact: type[f.CaseFact],
        stage: Stage,
        actor: f.Actor = _RULE,
        because: str | None = None,
        **data: object,
    ) -> None:
        matter = self._matter
        given = {"number": matter.number, "source": matter.source, "source_ref": matter.source_ref, "stage": stage}
        if self._stage is not None:
            self._held = {one.unit: one.held for one in self._accounts()}
            self._suspended = sum((one.suspended for one in self._accounts()), timedelta())
        self._say("router", fact.model_validate(given | {"actor": actor} | data), because)
        self._stage, self._changed = stage, self._at
        self._lead = self.parts[0].unit if self.parts else self._lead

    def _part(self) -> dict[str, Any]:
        acting = self.parts[0]
        return {"assignment_id": acting.assignment_id, "unit": acting.unit}

    def _assign(self, unit: str) -> tuple[f.AssignmentMade, ...]:
        self._given += 1
        name = uuid5(self._case_id, str(self._given))
        return (f.AssignmentMade(assignment_id=name, unit=unit, role=Role.LEAD, round=self._round),)

    def _all(self) -> tuple[f.AssignmentMade, ...]:
        return tuple(kept(made) for made in self.parts)

    def _accounts(self) -> tuple[f.UnitAccount, ...]:
        """As they will be at the next fact."""
        held, suspended = self._held, self._suspended
        who, next_ = self._answerable(), self._at + MINUTE - self._changed
        if who:
            held = held | {who: held.get(who, timedelta()) + next_}
        if self._stage is Stage.SUSPENDED:
            suspended += next_
        return tuple(
            f.UnitAccount(unit=unit, held=time, suspended=suspended if unit != COMMUNITY else timedelta())
            for unit, time in held.items()
        )

    def _answerable(self) -> str | None:
        if self._stage is Stage.CLOSED:
            return None
        return self._lead if self._stage in (*AT_WORK, Stage.SUSPENDED, Stage.HANDLED) else COMMUNITY

    def received(self, needs_verification: bool = False) -> None:
        whistle = f.WhistleReceived(matter=self._matter, needs_verification=needs_verification, actor=_RULE)
        self._say("intake", whistle)
        self._case(f.CaseOpened, Stage.VERIFYING if needs_verification else Stage.RECEIVED, matter=self._matter)
        if not needs_verification:
            self._case(f.CaseAccepted, Stage.TO_DISPATCH, urgency=Urgency.NORMAL)
        self._world.owe(self._case_id, COMMUNITY, Obligation.ACCEPT, self._at)

    def dispatched(
        self,
        *assignments: f.AssignmentMade,
        unit: str = "",
        released: Sequence[f.AssignmentMade] = (),
        stage: Stage = Stage.DISPATCHED,
    ) -> None:
        """To these, the first of which acts in what follows, or to one unit."""
        self.parts = assignments or self._assign(unit)
        self._case(
            f.CaseDispatched,
            stage,
            level=Level.DEPARTMENT,
            matter=self._matter,
            assignments=self.parts,
            released=released,
            ledger=self._ledger,
            reason=_WHY,
        )

    def refused(self) -> None:
        """And it was upheld."""
        self._case(f.CaseRefused, Stage.REFUSAL_REVIEW, **self._part(), reason="不属于本单位", basis="三定", count=1)
        self._case(f.CaseRefusalRuled, Stage.REFUSAL_REVIEW, **self._part(), upheld=True, reason="同意")
        self.parts = self.parts[1:]

    def signed_in(self) -> None:
        self._case(f.CaseSignedIn, Stage.HANDLING, **self._part())

    def timed(self, passed_on: bool = True, due_in: timedelta = 2 * MINUTE, because: str | None = None) -> None:
        """By when the first part's unit owes it; by default the time at which it is overdue if that comes next."""
        told: dict[str, Any] = {"cause": LimitCause.CASE, "by": f.CaseDispatched.NAME}
        limit = f.TimeLimit(
            obligation=Obligation.HANDLE,
            generation=1,
            granted="7 clock_day",
            started_at=BEGIN,
            warn_at=None,
            due_at=self._at + due_in,
            policy_version="1",
        )
        told["limits"] = (limit,)
        unit = self.parts[0].unit
        event = self._say("sla", f.DeadlineSet(unit=unit, round=self._round, **told))
        if passed_on:
            assert self._stage is not None, "the case is open"
            self._case(f.CaseTimed, self._stage, _CLOCK, because or event, **self._part(), **told)

    def sent_to_desk(self) -> None:
        """Taken from its units by the ladder."""
        self._case(f.CaseSentToDesk, Stage.TO_DISPATCH, _CLOCK, desk=HUB, reason=_WHY, released=self._all())
        self.parts = ()

    def overdue(self, obligation: Obligation) -> None:
        due = self._at
        unit = self.parts[0].unit
        started = {"started_at": BEGIN, "due_at": due, "policy_version": "1", "generation": 1}
        fired = due + timedelta(milliseconds=3)
        stated = {**started, "obligation": obligation, "unit": unit, "fired_at": fired}
        self._say("sla", f.DeadlineOverdue.model_validate(stated))
        self._case(
            f.CaseOverdue, Stage.HANDLING, _CLOCK, **self._part(), obligation=obligation, generation=1, due_at=due
        )
        self._world.owe(self._case_id, unit, obligation, due, fired_at=fired, ended_at=fired + MINUTE)

    def done(self) -> None:
        self._case(f.CaseUnitDone, Stage.HANDLED, **self._part(), result="已修好")

    def handled(self) -> None:
        self._case(
            f.CaseHandled,
            Stage.CHECKING,
            units=tuple(made.unit for made in self.parts),
            round=self._round,
            resident_to_ask=False,
            whistle_blower=COMMUNITY,
        )

    def passed(self) -> None:
        self._say("feedback", f.FeedbackChecked(round=self._round, passed=True, actor=_RULE))
        self._case(f.CaseChecked, Stage.RATING, passed=True)

    def failed(self) -> None:
        self._say("feedback", f.FeedbackChecked(round=self._round, passed=False, actor=_RULE))
        self._case(f.CaseChecked, Stage.CHECKING, passed=False)
        self._reworked(ReworkCause.CHECK_FAILED)

    def _reworked(self, cause: ReworkCause) -> None:
        self._round += 1
        self.parts = self._assign(self.parts[0].unit)
        self._case(
            f.CaseReworkOrdered,
            Stage.REWORK,
            cause=cause,
            matter=self._matter,
            assignments=self.parts,
            round=self._round,
        )

    def closed(self, **changes: Any) -> None:
        closing: dict[str, Any] = {
            "answer": "已修好",
            "ledger": self._ledger,
            "reason": _WHY,
            "assignments": self._all(),
            "accounts": self._accounts(),
        }
        self._case(f.CaseClosed, Stage.CLOSED, **closing | changes)

    def reopened(self) -> None:
        """By order of the hub."""
        self._reworked(ReworkCause.HUB_ORDERED)

    def archived(self) -> None:
        due = self._at
        fired = due + timedelta(milliseconds=12)
        stated = {"started_at": BEGIN, "due_at": due, "fired_at": fired, "policy_version": "1", "generation": 1}
        self._say("sla", f.DeadlineOverdue.model_validate({**stated, "obligation": Obligation.ARCHIVE, "unit": HUB}))
        self._case(f.CaseArchived, Stage.ARCHIVED, _CLOCK)
        self._world.owe(self._case_id, HUB, Obligation.ARCHIVE, due, fired_at=fired, ended_at=fired + MINUTE)

    def declined(self) -> None:
        self._case(f.CaseDeclined, Stage.DECLINED, reason=DeclineReason.UNTRUE, explanation="经核实不属实")

    # --- what changes the way of a case between its steps

    def asked(self, kind: RequestKind) -> None:
        """And it was approved."""
        extension = kind is RequestKind.EXTENSION
        what: dict[str, Any] = {"kind": kind, "reason": "等配件", "share": 0.5 if extension else None}
        what["until"] = None if extension else self._at + timedelta(days=1)
        self._case(f.CaseRequested, Stage.EXTENSION_REVIEW, **self._part(), **what, approver=HUB)
        stage = Stage.HANDLING if extension else Stage.SUSPENDED
        ruling: dict[str, Any] = {"approved": True, "assignments": self._all()}
        self._case(f.CaseRequestRuled, stage, **self._part(), **what, **ruling)

    def resumed(self) -> None:
        cause: dict[str, Any] = {"cause": ResumeCause.ORDERED, "reason": "配件已到"}
        self._case(f.CaseResumed, Stage.HANDLING, **cause, assignments=self._all())

    def listed(self, case_list: CaseList) -> None:
        self._ledger = Ledger.SPECIAL
        plan: dict[str, Any] = {"case_list": case_list, "ledger": self._ledger, "reason": "分期办理"}
        due = self._at + timedelta(days=30)
        if case_list is CaseList.UNDERSTANDING:
            plan |= {"explanation": "列入明年计划", "explained_at": self._at, "review_at": due}
        else:
            plan["milestones"] = (f.Milestone(number=1, title="完成勘测", due_at=due),)
        stage = Stage.SUSPENDED if case_list is CaseList.UNDERSTANDING else Stage.HANDLING
        self._case(f.CaseListed, stage, **plan, assignments=self._all())

    def milestone_reached(self) -> None:
        self._case(f.CaseMilestoneReached, Stage.HANDLING, **self._part(), milestone=1, note="已勘测")

    def handed_over(self, to: str) -> None:
        """The last of the parts, to its unit's successor."""
        given = self.parts[-1]
        over: dict[str, Any] = {"before": given.unit, "unit": to, "role": given.role, "round": given.round}
        over |= {"assignment_id": given.assignment_id, "matter": self._matter, "reason": _WHY}
        self._case(f.CaseHandedOver, Stage.HANDLING, **over)
        self.parts = (*self.parts[:-1], given.model_copy(update={"unit": to}))

    def supervised(self) -> None:
        self._case(f.CaseSupervised, Stage.HANDLING, **self._part(), reason="久拖不决")

    def raised(self) -> None:
        raised: dict[str, Any] = {"before": Urgency.NORMAL, "urgency": Urgency.URGENT, "reason": "影响扩大"}
        self._case(f.CaseReprioritised, Stage.HANDLING, **raised, assignments=self._all())

    def corrected(self) -> None:
        self._matter = self._matter.model_copy(update={"title": "水管爆裂"})
        corrected: dict[str, Any] = {"matter": self._matter, "changed": ("title",), "reason": "更正"}
        self._case(f.CaseCorrected, Stage.HANDLING, **corrected, assignments=self._all())

    def commented(self) -> None:
        self._case(f.CaseCommented, Stage.HANDLING, unit=WATER, text="已联系物业")

    def withdrawn(self, **changes: Any) -> None:
        withdrawing: dict[str, Any] = {
            "reason": "问题已自行解决",
            "released": self._all(),
            "accounts": self._accounts(),
        }
        self._case(f.CaseWithdrawn, Stage.WITHDRAWN, **withdrawing | changes)
        self.parts = ()

    def merged(self, into: "Story") -> None:
        reason: dict[str, Any] = {"reason": "同一处漏水", "released": self._all()}
        self._case(f.CaseMerged, Stage.MERGED, into=into._case_id, into_number=into._matter.number, **reason)
        self.parts = ()
        self._into = into

    def unmerged(self) -> None:
        self._case(f.CaseUnmerged, Stage.TO_DISPATCH, reason="不是一处")

    def answered(self) -> None:
        answer: dict[str, Any] = {
            "answer": "已修好",
            "ledger": self._ledger,
            "into": self._into._case_id,
            "units": (WATER,),
        }
        whose: dict[str, Any] = {"round": 1, "resident_to_ask": False, "whistle_blower": COMMUNITY}
        self._case(f.CaseAnswered, Stage.RATING, **answer, **whose)
