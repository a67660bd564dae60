"""What the checker reads, and from whom: tables by asyncpg, topics by aiokafka; in unit tests, lists."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.contracts.topics import CASES, DEADLINES, FEEDBACK, TOPICS, WHISTLES, Topic

LOGS: dict[str, Topic] = {
    topic.writer: topic for topic in TOPICS if topic.name in (WHISTLES, CASES, DEADLINES, FEEDBACK)
}
"""Each service that has a log, and the topic that carries it."""

CONSUMERS: dict[str, tuple[str, ...]] = {
    service: tuple(topic.name for topic in LOGS.values() if service in topic.readers) for service in LOGS
}
"""Which logs each service reads."""

ASSIGNMENTS = "assignments."


class LogRow(NamedTuple):
    shard: int
    sequence: int
    case_id: UUID
    caseseq: int
    event: bytes | None
    digest: bytes
    hash: bytes


class Head(NamedTuple):
    shard: int
    sequence: int
    hash: bytes
    published: int


class Standing(NamedTuple):
    """A service's state of a case; `stage`, `number` and `ledger` as the router has them."""

    case_id: UUID
    caseseq: int
    stage: str | None = None
    number: str | None = None
    ledger: str | None = None


class DeadlineRow(NamedTuple):
    case_id: UUID
    unit: str
    obligation: str
    generation: int
    state: str
    warn_at: datetime | None
    due_at: datetime
    fired_at: datetime | None
    ended_at: datetime | None
    next_at: datetime | None
    paused_at: datetime | None = None
    time_left: timedelta | None = None


class DeadLetter(NamedTuple):
    number: int
    topic: str
    partition: int
    offset: int
    kind: str
    reason: str
    case_id: UUID
    published: bool
    replayed: bool


class Message(NamedTuple):
    """A record of a topic. `sequence` is its header's, the only one a tombstone has."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A partition's offsets: what is before `settled` was there before the tables were read, so the tables
    must know of it; what is before `end` was there afterwards, so all that the tables call published is."""

    begin: int = 0
    settled: int = 0
    end: int = 0


class Unread(NamedTuple):
    """How many messages of a partition its reader has not handled yet."""

    topic: str
    partition: int
    messages: int


class Chains(Protocol):
    """What the chains alone need."""

    async def heads(self, service: str) -> list[Head]: ...

    def rows(self, service: str, shard: int) -> AsyncIterator[Sequence[LogRow]]:
        """A shard's rows in the order of their sequences."""
        ...


class Source(Chains, Protocol):
    """One consistent view of the tables, and the topics around it. Batches keep memory flat."""

    @property
    def now(self) -> datetime:
        """When the tables were looked at, by the database's clock."""
        ...

    @property
    def spans(self) -> dict[tuple[str, int], Span]:
        """The partitions of the logs' topics and of `assignments.<unit>`."""
        ...

    @property
    def unread_reports(self) -> list[Unread]: ...

    async def progress(self, service: str) -> dict[tuple[str, int], int]: ...

    def standings(self, service: str) -> AsyncIterator[Sequence[Standing]]: ...

    def deadlines(self) -> AsyncIterator[Sequence[DeadlineRow]]: ...

    def dead_letters(self, service: str) -> AsyncIterator[Sequence[DeadLetter]]: ...

    def messages(self, partitions: Sequence[tuple[str, int]]) -> AsyncIterator[Sequence[Message]]:
        """Everything in these partitions up to `Span.end`, each partition in order."""
        ...
