"""The source that is a running system: one read-only snapshot of PostgreSQL, and Kafka's topics around it.

The order matters. Offsets are taken before the snapshot and after it: whatever was on a topic before must be
in the tables, whatever the tables call published must be on the topic after.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError

from deploy.check.source import (
    ASSIGNMENTS,
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
from shared.contracts.topics import REPORTS_PATTERN

Record = TypeVar("Record", bound=NamedTuple)

ROWS = 1_000
MESSAGES = 2_000
SILENCE_SECONDS = 30
REPORTS_READER = "chuishao.router"
"""The router's consumer group: its committed offsets say which reports it has handled."""

_ROWS = """
select shard, sequence, case_id, caseseq, event, digest, hash from {service}.log
where shard = $1 and sequence > $2 order by sequence"""
_HASH = "select hash from {service}.log where shard = $1 and sequence = $2"
_ROUTER_STANDINGS = """
select case_id, caseseq, state ->> 'stage', state #>> '{matter,number}', state ->> 'ledger' from router.state"""
_STANDINGS = "select case_id, caseseq from {service}.state"
_DEADLINES = """
select case_id, unit, obligation, generation, state, warn_at, due_at, fired_at, ended_at, next_at,
       paused_at, time_left
from sla.deadline"""
_LETTERS = """
select number, topic, partition, "offset", kind, reason, case_id, published, replayed_at is not null
from {service}.dead_letter order by number"""


class SourceAway(Exception):
    """PostgreSQL or Kafka did not give what it has; the message says what to do."""


class Tables:
    """The tables, as one snapshot shows them."""

    def __init__(self, connection: Any, now: datetime) -> None:
        self._connection = connection
        self.now = now

    async def heads(self, service: str) -> list[Head]:
        found = await self._connection.fetch(f"select shard, sequence, hash, published from {service}.head")  # noqa: S608
        return [Head(*record) for record in found]

    async def progress(self, service: str) -> dict[tuple[str, int], int]:
        found = await self._connection.fetch(f"select log, shard, sequence from {service}.progress")  # noqa: S608
        return {(record["log"], record["shard"]): record["sequence"] for record in found}

    def rows(self, service: str, shard: int, after: int = 0) -> AsyncIterator[Sequence[LogRow]]:
        return self._stream(LogRow, _ROWS.format(service=service), shard, after)

    async def hash_at(self, service: str, shard: int, sequence: int) -> bytes | None:
        """The hash of one row; None where there is no such row."""
        found: bytes | None = await self._connection.fetchval(_HASH.format(service=service), shard, sequence)
        return found

    def standings(self, service: str) -> AsyncIterator[Sequence[Standing]]:
        return self._stream(Standing, _ROUTER_STANDINGS if service == "router" else _STANDINGS.format(service=service))

    def deadlines(self) -> AsyncIterator[Sequence[DeadlineRow]]:
        return self._stream(DeadlineRow, _DEADLINES)

    def dead_letters(self, service: str) -> AsyncIterator[Sequence[DeadLetter]]:
        return self._stream(DeadLetter, _LETTERS.format(service=service))

    async def _stream(self, shape: type[Record], statement: str, *parameters: object) -> AsyncIterator[list[Record]]:
        """A server-side cursor, a batch at a time."""
        cursor = await self._connection.cursor(statement, *parameters)
        while found := await cursor.fetch(ROWS):
            yield [shape(*record) for record in found]


class Topics:
    """The topics, read without a group. Knows each partition's `Span` once both looks were taken."""

    def __init__(self, consumer: Any, admin: Any) -> None:
        self._consumer = consumer
        self._admin = admin
        self._begin: dict[Any, int] = {}
        self._settled: dict[Any, int] = {}
        self.spans: dict[tuple[str, int], Span] = {}
        self.unread_reports: list[Unread] = []

    async def look(self) -> None:
        """Before the snapshot."""
        self.unread_reports = await self.unread()
        logs = {topic.name for topic in LOGS.values()}
        partitions = await self._partitions(lambda name: name in logs or name.startswith(ASSIGNMENTS))
        self._settled = await self._consumer.end_offsets(partitions) if partitions else {}

    async def look_again(self) -> None:
        """After it."""
        partitions = list(self._settled)
        end = await self._consumer.end_offsets(partitions) if partitions else {}
        self._begin = await self._consumer.beginning_offsets(partitions) if partitions else {}
        self.spans = {(at.topic, at.partition): Span(self._begin[at], self._settled[at], end[at]) for at in partitions}

    async def messages(self, partitions: Sequence[tuple[str, int]]) -> AsyncIterator[list[Message]]:
        left = {
            TopicPartition(*at): self.spans[at].end for at in partitions if self.spans[at].end > self.spans[at].begin
        }
        if not left:
            return
        self._consumer.assign(list(left))
        for at in left:
            self._consumer.seek(at, self._begin[at])
        heard = time.monotonic()
        while left:
            found = await self._consumer.getmany(*left, timeout_ms=500, max_records=MESSAGES)
            if found:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE_SECONDS:
                raise SourceAway(f"Kafka gave nothing of {_listed(left)} for {SILENCE_SECONDS} s; is the broker well?")
            for at, records in found.items():
                yield [_message(record) for record in records if record.offset < left[at]]
            for at in list(left):
                if await self._consumer.position(at) >= left[at]:
                    del left[at]

    async def _partitions(self, wanted: Callable[[str], object]) -> list[Any]:
        """The partitions of these topics, which the client knows afterwards."""
        names = [name for name in await self._admin.list_topics() if wanted(name)]
        described = await self._admin.describe_topics(names) if names else []
        partitions = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in described
            for partition in topic["partitions"]
        ]
        # It asks for the offsets of topics it does not know one by one, each after a pause.
        self._consumer.assign(partitions)
        self._consumer.pause(*partitions)
        return partitions

    async def unread(self) -> list[Unread]:
        """How many reports the router has not handled: its offsets are committed after its transactions."""
        partitions = await self._partitions(REPORTS_PATTERN.match)
        if not partitions:
            return []
        ends = await self._consumer.end_offsets(partitions)
        begins = await self._consumer.beginning_offsets(partitions)
        handled = {at: metadata.offset for at, metadata in (await self._committed()).items()}
        return [
            Unread(at.topic, at.partition, max(0, ends[at] - max(begins[at], handled.get(at, -1)))) for at in partitions
        ]

    async def _committed(self) -> dict[Any, Any]:
        """A new or restarted broker first has to find out who coordinates the group."""
        asked = time.monotonic()
        while True:
            try:
                committed: dict[Any, Any] = await self._admin.list_consumer_group_offsets(REPORTS_READER)
            except (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError, GroupLoadInProgressError):
                if time.monotonic() - asked > SILENCE_SECONDS:
                    raise
                await asyncio.sleep(0.1)
            else:
                return committed


class Live:
    """A `Source`: tables and topics together; without topics only what needs the tables alone."""

    def __init__(self, tables: Tables, topics: Topics | None = None) -> None:
        self._tables = tables
        self._topics = topics
        self.now = tables.now
        self.heads = tables.heads
        self.progress = tables.progress
        self.rows = tables.rows
        self.standings = tables.standings
        self.deadlines = tables.deadlines
        self.dead_letters = tables.dead_letters

    @property
    def spans(self) -> dict[tuple[str, int], Span]:
        return self._topics.spans if self._topics else {}

    @property
    def unread_reports(self) -> list[Unread]:
        return self._topics.unread_reports if self._topics else []

    def messages(self, partitions: Sequence[tuple[str, int]]) -> AsyncIterator[Sequence[Message]]:
        if self._topics is None:
            raise SourceAway("this source was opened without Kafka")
        return self._topics.messages(partitions)


@asynccontextmanager
async def opened(postgres_url: str, kafka: Mapping[str, Any] | None = None) -> AsyncIterator[Live]:
    """Look at a running system. `kafka`: options of aiokafka's clients; None leaves the topics out."""
    async with AsyncExitStack() as stack:
        topics = await stack.enter_async_context(topics_of(kafka)) if kafka is not None else None
        if topics is not None:
            await topics.look()
        tables = await stack.enter_async_context(tables_of(postgres_url))
        if topics is not None:
            await topics.look_again()
        yield Live(tables, topics)


@asynccontextmanager
async def tables_of(postgres_url: str) -> AsyncIterator[Tables]:
    connection = await asyncpg.connect(
        postgres_url,
        timeout=10,
        server_settings={"application_name": "chuishao-check", "default_transaction_read_only": "on"},
    )
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # The first statement takes the snapshot that all others see.
            yield Tables(connection, await connection.fetchval("select clock_timestamp()"))
    finally:
        await connection.close()


@asynccontextmanager
async def topics_of(kafka: Mapping[str, Any]) -> AsyncIterator[Topics]:
    consumer = AIOKafkaConsumer(
        **kafka,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    admin = AIOKafkaAdminClient(**kafka)
    try:
        await consumer.start()
        await admin.start()
        yield Topics(consumer, admin)
    finally:
        await asyncio.gather(consumer.stop(), admin.close(), return_exceptions=True)


def _message(record: Any) -> Message:
    header = dict(record.headers or ()).get("sequence", b"")
    sequence = int(header) if header.isdigit() and len(header) < 20 else None
    return Message(record.topic, record.partition, record.offset, record.key, record.value, sequence)


def _listed(partitions: Mapping[Any, int]) -> str:
    return ", ".join(sorted({at.topic for at in partitions})[:3])
