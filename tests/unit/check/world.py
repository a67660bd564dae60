"""A small district in lists: three cases from whistle to end, their logs, topics, tables and ledger.

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
from shared.contracts.topics import SHARDS, shard_of
from shared.contracts.vocabulary import (
    ActorKind,
    AppealType,
    DeclineReason,
    Ledger,
    Level,
    Obligation,
    ReworkCause,
    Role,
    Source,
    Stage,
    Urgency,
)
from shared.runtime import log as runtime_log

BEGIN = datetime(2026, 9, 1, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HUB, COMMUNITY, WATER, POWER = "hub", "community-1", "util-water", "util-power"
SMOOTH, ROUGH, DECLINED = UUID(int=12 * 100), UUID(int=12 * 200 + 3), UUID(int=12 * 300 + 3)
"""Handled at the first go; refused, overdue and reworked; not accepted. Shards 0, 3 and 3."""

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

    def say(self, service: str, case_id: UUID, fact: f.Fact, at: datetime) -> None:
        """One more event: into the log, onto the topic, consumed by all who read it."""
        shard, head = shard_of(case_id), self.head_rows[service][shard_of(case_id)]
        known = self.states[service].get(case_id, Standing(case_id, 0))
        envelope = Envelope(
            id=str(uuid5(case_id, f"{service}/{known.caseseq}")),
            source=f"/chuishao/{service}",
            subject=case_id,
            time=at,
            fact=fact,
            sequence=head.sequence + 1,
            caseseq=known.caseseq + 1,
        )
        row = runtime_log.next_row(runtime_log.Head(*head), case_id, known.caseseq + 1, encode(envelope))
        self.logs[service][shard].append(
            LogRow(row.shard, row.sequence, row.case_id, row.caseseq, row.event, row.digest, row.hash)
        )
        self.head_rows[service][shard] = Head(shard, row.sequence, row.hash, row.sequence)
        stage, number = known.stage, known.number
        if isinstance(fact, f.CaseFact):
            stage, number = fact.stage.value, fact.number
        self.states[service][case_id] = Standing(case_id, known.caseseq + 1, stage, number)
        topic = LOGS[service]
        self.put(topic.name, shard, str(case_id), row.event, row.sequence)
        for reader in topic.readers:
            if reader in LOGS:
                self.read[reader][topic.name, shard] = row.sequence
        if service == "router":
            for message in project(envelope):
                self.put(message.topic, message.partition or 0, str(case_id), message.value)

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


# --- the three cases


def whole() -> World:
    """Everything in order, every case final."""
    world = World()
    _smooth(world)
    _rough(world)
    _declined(world)
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


class Story:
    """One case told step by step, a minute apart."""

    def __init__(self, world: World, case_id: UUID, number: str, source_ref: str | None = None) -> None:
        self._world = world
        self._case_id = case_id
        self._at = BEGIN
        self._round = 1
        self._unit = ""
        self._made: f.AssignmentMade | None = None
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

    def _say(self, service: str, fact: f.Fact) -> None:
        self._at += MINUTE
        self._world.say(service, self._case_id, fact, self._at)

    def _case(self, fact: type[f.CaseFact], stage: Stage, actor: f.Actor = _RULE, **data: object) -> None:
        matter = self._matter
        given = {"number": matter.number, "source": matter.source, "source_ref": matter.source_ref, "stage": stage}
        self._say("router", fact.model_validate(given | {"actor": actor} | data))

    def _part(self) -> dict[str, Any]:
        assert self._made is not None
        return {"assignment_id": self._made.assignment_id, "unit": self._unit}

    def _assign(self, unit: str) -> tuple[f.AssignmentMade, ...]:
        self._unit = unit
        name = f"{unit}/{self._round}"
        made = f.AssignmentMade(assignment_id=uuid5(self._case_id, name), unit=unit, role=Role.LEAD, round=self._round)
        self._made = made
        return (made,)

    def received(self, needs_verification: bool = False) -> None:
        whistle = f.WhistleReceived(matter=self._matter, needs_verification=needs_verification, actor=_RULE)
        self._say("intake", whistle)
        self._case(f.CaseOpened, Stage.VERIFYING if needs_verification else Stage.RECEIVED, matter=self._matter)
        if not needs_verification:
            self._case(f.CaseAccepted, Stage.TO_DISPATCH, urgency=Urgency.NORMAL)
        self._world.owe(self._case_id, COMMUNITY, Obligation.ACCEPT, self._at)

    def dispatched(self, *assignments: f.AssignmentMade, unit: str = "") -> None:
        """To these, the first of which acts in what follows, or to one unit."""
        if assignments:
            self._made, self._unit = assignments[0], assignments[0].unit
        self._case(
            f.CaseDispatched,
            Stage.DISPATCHED,
            level=Level.DEPARTMENT,
            matter=self._matter,
            assignments=assignments or self._assign(unit),
            ledger=Ledger.FIXED_DEADLINE,
            reason=_WHY,
        )

    def refused(self) -> None:
        self._case(f.CaseRefused, Stage.REFUSAL_REVIEW, **self._part(), reason="不属于本单位", basis="三定", count=1)
        self._case(f.CaseRefusalRuled, Stage.REFUSAL_REVIEW, **self._part(), upheld=True, reason="同意")

    def signed_in(self) -> None:
        self._case(f.CaseSignedIn, Stage.HANDLING, **self._part())

    def overdue(self, obligation: Obligation) -> None:
        due = self._at
        started = {"started_at": BEGIN, "due_at": due, "policy_version": "1", "generation": 1}
        fired = due + timedelta(milliseconds=3)
        stated = {**started, "obligation": obligation, "unit": self._unit, "fired_at": fired}
        self._say("sla", f.DeadlineOverdue.model_validate(stated))
        self._case(
            f.CaseOverdue, Stage.HANDLING, _CLOCK, **self._part(), obligation=obligation, generation=1, due_at=due
        )
        self._world.owe(self._case_id, self._unit, obligation, due, fired_at=fired, ended_at=fired + MINUTE)

    def done(self) -> None:
        self._case(f.CaseUnitDone, Stage.HANDLED, **self._part(), result="已修好")

    def handled(self) -> None:
        self._case(
            f.CaseHandled,
            Stage.CHECKING,
            units=(self._unit,),
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
        self._round += 1
        self._case(
            f.CaseReworkOrdered,
            Stage.REWORK,
            cause=ReworkCause.CHECK_FAILED,
            matter=self._matter,
            assignments=self._assign(self._unit),
            round=self._round,
        )

    def closed(self) -> None:
        assert self._made is not None
        self._case(
            f.CaseClosed,
            Stage.CLOSED,
            answer="已修好",
            ledger=Ledger.FIXED_DEADLINE,
            reason=_WHY,
            assignments=(self._made,),
        )

    def archived(self) -> None:
        self._unit = HUB
        due = self._at
        fired = due + timedelta(milliseconds=12)
        stated = {"started_at": BEGIN, "due_at": due, "fired_at": fired, "policy_version": "1", "generation": 1}
        self._say("sla", f.DeadlineOverdue.model_validate({**stated, "obligation": Obligation.ARCHIVE, "unit": HUB}))
        self._case(f.CaseArchived, Stage.ARCHIVED, _CLOCK)
        self._world.owe(self._case_id, HUB, Obligation.ARCHIVE, due, fired_at=fired, ended_at=fired + MINUTE)

    def declined(self) -> None:
        self._case(f.CaseDeclined, Stage.DECLINED, reason=DeclineReason.UNTRUE, explanation="经核实不属实")
