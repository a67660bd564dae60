"""Toy services on the real runtime: each counts, for every case, the notes it has taken, and states one for each.

`alpha` is asked at its door and has a topic; `beta` reads that topic, and a unit's reports, and has another.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from pydantic import BaseModel

from shared.contracts.envelope import Envelope, decode, encode
from shared.contracts.facts import ReportProgressed
from shared.contracts.topics import SHARDS, dead_letter_topic
from shared.runtime.consumer import Consumer
from shared.runtime.decision import Decision, DoorKey, FromDoor, Input, Refusal
from shared.runtime.kafka import KafkaPublisher
from shared.runtime.log import GENESIS, Head, Row, verify_chain
from shared.runtime.postgres import JsonStates, PostgresStore, open_pool
from shared.runtime.relay import Relay, no_projection
from shared.runtime.road import Road
from shared.runtime.settings import KafkaSettings
from tests.conftest import Database
from tests.integration.runtime.waiting import eventually

GAP_ALARM_SECONDS = 0.5


class Notes(BaseModel):
    taken: tuple[str, ...] = ()


def decide(state: Notes | None, item: Input[Any], _now: datetime) -> Decision[Notes]:
    note = item.message.note
    if "poison" in note:
        raise ValueError("poison")
    if "refused" in note:
        return Decision(refusal=Refusal("no", "不行", "no"))
    taken = state.taken if state is not None else ()
    return Decision(Notes(taken=(*taken, note)), (ReportProgressed(note=note),))


def case(number: int, shard: int | None = None) -> UUID:
    """A case's id; its shard is its number's, or the one asked for."""
    return UUID(int=number * SHARDS + (number if shard is None else shard) % SHARDS)


def ask(note: str, case_id: UUID) -> Input[Any]:
    return Input(case_id, ReportProgressed(note=note), note, FromDoor((DoorKey("test", note, note),)))


@dataclass
class Toy:
    """One process of a toy service."""

    name: str
    store: PostgresStore
    road: Road[Notes]
    relay: Relay
    consumer: Consumer | None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def crash(self) -> None:
        """Stop at once: nothing is finished, marked or committed."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def stop(self) -> None:
        if self.consumer is not None:
            self.consumer.stop()
            await asyncio.gather(*self.tasks[1:])
        self.relay.stop()
        await asyncio.gather(*self.tasks)

    async def heads(self) -> dict[int, Head]:
        async with self.store.transaction() as transaction:
            return await transaction.lock_heads(range(SHARDS))

    async def log(self) -> list[Row]:
        return [row for shard in range(SHARDS) for row in await self.store.unpublished(shard, 0, 1_000_000)]

    async def notes(self) -> Counter[str]:
        return Counter(
            fact.note for row in await self.log() if isinstance(fact := decode(row.event).fact, ReportProgressed)
        )

    async def all_published(self) -> bool:
        return all(head.published == head.sequence for head in (await self.heads()).values())

    async def check_chain(self) -> None:
        heads = await self.heads()
        for shard in range(SHARDS):
            rows = await self.store.unpublished(shard, 0, 1_000_000)
            assert verify_chain(rows, Head(shard, 0, GENESIS, 0), heads[shard]) == []

    async def progress(self, log: str) -> dict[int, int]:
        async with self.store.transaction() as transaction:
            await transaction.lock_heads(range(SHARDS), [log])
            return {shard: done for (_, shard), done in transaction.progress.items()}

    async def has_read(self, other: "Toy", topic: str) -> bool:
        """Whether all of the other's log was consumed."""
        progress = await self.progress(topic)
        return all(head.sequence == progress.get(shard, 0) for shard, head in (await other.heads()).items())


@dataclass
class District:
    """The topics of one test, and what starts toy services on them."""

    database: Database
    kafka: KafkaSettings
    name: str = field(default_factory=lambda: f"toy{uuid4().hex[:12]}")

    @property
    def alpha_log(self) -> str:
        return f"{self.name}.alpha"

    @property
    def beta_log(self) -> str:
        return f"{self.name}.beta"

    @property
    def reports(self) -> str:
        return f"reports.{self.name}"

    async def create_topics(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        names = (self.alpha_log, self.beta_log)
        await admin.create_topics(
            [NewTopic(name, SHARDS, 1) for name in names]
            + [NewTopic(name, 1, 1) for name in (self.reports, *map(dead_letter_topic, (*names, self.reports)))]
        )
        await admin.close()

    @asynccontextmanager
    async def start(self, service: str, relays: Sequence[int] = range(SHARDS)) -> AsyncIterator[Toy]:
        """A process of `alpha`, which relays these shards, or `beta`; crashes at the end unless it was stopped."""
        url = self.database.url(service)
        async with AsyncExitStack() as closing:
            pool = await open_pool(url, most=5)
            closing.push_async_callback(pool.close)
            name = f"{self.name}.{service}"
            publisher = KafkaPublisher(self.kafka)
            closing.push_async_callback(publisher.close)
            store = PostgresStore(name, pool, url)
            relay = Relay(name, name, store, publisher, no_projection)
            road = Road(name, store, JsonStates(Notes), decide, relay)
            consumer = None
            if service == "beta":
                reads, logs = (self.alpha_log, self.reports), (self.alpha_log, self.beta_log)
                consumer = Consumer(name, self.kafka, reads, road, relay.want, GAP_ALARM_SECONDS, logs)
            else:
                relay.want(relays)
            toy = Toy(name, store, road, relay, consumer, [asyncio.create_task(relay.run())])
            if consumer is not None:
                toy.tasks.append(asyncio.create_task(consumer.run()))
            closing.push_async_callback(toy.crash)
            if consumer is not None:
                await eventually(lambda: consumer.joined, "joining the group")
            yield toy

    async def send(self, topic: str, messages: Sequence[bytes], headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """As an outsider does."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap)
        await producer.start()
        for message in messages:
            await producer.send_and_wait(topic, message, partition=0, headers=list(headers))
        await producer.stop()

    async def read(self, topic: str) -> list[Any]:
        """Every record of a topic, by partition and offset."""
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.kafka.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        ends = await consumer.end_offsets(consumer.assignment())
        found: list[Any] = []
        while [place for place, end in ends.items() if await consumer.position(place) < end]:
            polled = await consumer.getmany(timeout_ms=200)
            found += [record for records in polled.values() for record in records]
        await consumer.stop()
        return found

    async def delete_records(self, topic: str, partition: int, before: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})
        await admin.close()


def report(note: str, case_id: UUID, event_id: str | None = None) -> Envelope:
    """What a unit sends."""
    return Envelope(event_id or str(uuid4()), "/unit", case_id, datetime.now(UTC), ReportProgressed(note=note))


def report_bytes(note: str, case_id: UUID) -> bytes:
    return encode(report(note, case_id))
