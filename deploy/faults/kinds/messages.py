"""What a topic may hold besides what it should: repeats, messages out of order, and what nobody can read."""

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError
from confluent_kafka import admin as administration
from uuid_utils import uuid7

from deploy.faults.ground import LOGGING, Ground
from deploy.faults.kind import Injection, Kind, NotInjected, Variant
from deploy.faults.kinds.killing import REACHED_WITHIN_SECONDS
from deploy.faults.waiting import happened
from shared.contracts.envelope import MAXIMUM_BYTES
from shared.contracts.topics import CASES, DEADLINES, FEEDBACK, SHARDS, TOPICS, WHISTLES

LOG_OF = {"intake": WHISTLES, "router": CASES, "sla": DEADLINES, "feedback": FEEDBACK}
REPEATED_TIMES = 3
HELD_UP = "\n".join((*(f"before_publish:{time}:raise" for time in range(1, 7)), "before_publish:7:SIGSTOP"))
"""Some three seconds, as the relay waits twice as long each time; meanwhile the service goes on appending."""
MOST_REPEATED = 30
READ_WITHIN_SECONDS = 10.0
MEGABYTE = 1024 * 1024


def readers_of(topic: str) -> tuple[str, ...]:
    """Our services that take what stands on this topic down their road."""
    if topic.startswith("reports."):
        return ("router",)
    declared = next((one for one in TOPICS if one.name == topic), None)
    return tuple(reader for reader in (declared.readers if declared else ()) if reader in LOGGING)


async def _topics(ground: Ground, beginning: str) -> list[str]:
    async with ground.administering() as admin:
        found = await admin.list_topics()
    return sorted(name for name in found if name.startswith(beginning) and not name.endswith(".dlq"))


async def _tail(ground: Ground, topics: Sequence[str], chance: Random) -> list[Any]:
    """The last messages of one partition of these topics that has any; a random one."""
    consumer = AIOKafkaConsumer(bootstrap_servers=ground.kafka.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        counts = {topic: len(consumer.partitions_for_topic(topic) or ()) or 1 for topic in topics}
        places = [TopicPartition(topic, number) for topic in topics for number in range(counts[topic])]
        consumer.assign(places)
        consumer.pause(*places)
        ends = {at: end for at, end in (await consumer.end_offsets(places)).items() if end > 0}
        if not ends:
            raise NotInjected(f"nothing stands on {', '.join(topics[:3])} yet")
        at = chance.choice(sorted(ends))
        most = chance.randint(1, MOST_REPEATED)
        consumer.seek(at, max(0, ends[at] - most))
        consumer.resume(at)
        found: list[Any] = []
        async with asyncio.timeout(READ_WITHIN_SECONDS):
            while not found or found[-1].offset < ends[at] - 1:
                found += [one for some in (await consumer.getmany(timeout_ms=200)).values() for one in some]
        ours = [one for one in found if (one.topic, one.partition, one.offset) not in ground.foreign.places]
        if not ours:
            raise NotInjected(f"the end of {at.topic}/{at.partition} holds nothing of ours")
        return ours
    finally:
        await consumer.stop()


# --- repeats


async def _repeated(beginning: str, ground: Ground, injection: Injection) -> None:
    """The last messages of a partition once more, and again, and again: the same bytes in the same place."""
    records = await _tail(ground, await _topics(ground, beginning), injection.chance)
    async with ground.producing() as producer:
        for _ in range(REPEATED_TIMES):
            for one in records:
                await producer.send(
                    one.topic, one.value, key=one.key, partition=one.partition, headers=list(one.headers)
                )
            await producer.flush()
    place = f"{records[0].topic}/{records[0].partition}"
    injection.happened(f"the last {len(records)} messages of {place} stand there {REPEATED_TIMES} times more")


# --- out of order


class _Row(NamedTuple):
    shard: int
    sequence: int
    case_id: UUID
    event: bytes


async def _run_ahead(service: str, ground: Ground, injection: Injection) -> None:
    """The relay is held up until rows have gathered, and stands still before publishing them. They are put on the topic
    backwards: n+1 before n. Then it wakes up and publishes them in order."""
    topic = LOG_OF[service]
    victim = await ground.main(service, listening=True)
    async with ground.producing() as producer, ground.postgres() as connection:
        ends = await ends_of(ground, topic)
        await ground.failpoints.arm(victim.pid, HELD_UP)
        try:
            await happened(victim.stands_still, REACHED_WITHIN_SECONDS, f"{service} stands still before publishing")
            rows = await not_on_the_topic(ground, connection, service, ends)
            for row in reversed(rows):
                sequence = str(row.sequence).encode()
                await producer.send(
                    topic,
                    row.event,
                    key=str(row.case_id).encode(),
                    partition=row.shard,
                    headers=[("content-type", b"application/cloudevents+json; charset=utf-8"), ("sequence", sequence)],
                )
            await producer.flush()
            injection.happened(f"{len(rows)} rows of {service} stand on {topic} backwards, ahead of the relay")
        finally:
            victim.send(signal.SIGCONT)
            await ground.failpoints.disarm(victim.pid)
    await ground.ready(service)


async def ends_of(ground: Ground, topic: str) -> Mapping[Any, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=ground.kafka.bootstrap)
    await consumer.start()
    try:
        ends: Mapping[Any, int] = await consumer.end_offsets([TopicPartition(topic, shard) for shard in range(SHARDS)])
        return ends
    finally:
        await consumer.stop()


async def not_on_the_topic(ground: Ground, connection: Any, service: str, ends: Mapping[Any, int]) -> list[_Row]:
    """Rows after the last sequence that the topic has, at most some; two of a shard, else nothing is swapped."""
    consumer = AIOKafkaConsumer(bootstrap_servers=ground.kafka.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        last = await _last_sequences(consumer, LOG_OF[service], ends)
    finally:
        await consumer.stop()
    found = await connection.fetch(
        f"select shard::int, sequence, case_id, event from {service}.log "  # noqa: S608
        "join unnest($1::int[], $2::bigint[]) as last (at, seen) on shard = at and sequence > seen "
        "and sequence <= seen + 50 order by shard, sequence",
        list(last),
        list(last.values()),
    )
    by_shard: dict[int, list[_Row]] = defaultdict(list)
    for record in found:
        by_shard[record["shard"]].append(_Row(*record))
    rows = [row for some in by_shard.values() if len(some) > 1 for row in some]
    if not rows:
        raise NotInjected(f"{service} had no two rows of a shard to publish")
    return rows


async def _last_sequences(consumer: Any, topic: str, before: Mapping[Any, int]) -> dict[int, int]:
    """The highest sequence on each partition, read from its last hundred messages; 0 where there are none."""
    ends = await consumer.end_offsets([TopicPartition(topic, shard) for shard in range(SHARDS)])
    filled = [at for at, end in ends.items() if end > 0]
    last = dict.fromkeys(range(SHARDS), 0)
    if not filled:
        return last
    consumer.assign(filled)
    for at in filled:
        consumer.seek(at, max(0, min(before.get(at, 0), ends[at]) - 100))
    left = set(filled)
    async with asyncio.timeout(READ_WITHIN_SECONDS):
        while left:
            for at, records in (await consumer.getmany(timeout_ms=200)).items():
                for one in records:
                    sequence = dict(one.headers).get("sequence", b"")
                    last[at.partition] = max(last[at.partition], int(sequence) if sequence.isdigit() else 0)
                    if one.offset >= ends[at] - 1:
                        left.discard(at)
    return last


# --- what nobody can read


def _envelope(chance: Random, **other: object) -> bytes:
    """An event in our envelope, well-formed but for what is given otherwise (... = left out)."""
    document: dict[str, object] = {
        "specversion": "1.0",
        "id": str(uuid7()),
        "source": "/units/faults",
        "type": "cn.chuishao.report.progressed.v1",
        "subject": str(UUID(int=chance.getrandbits(128), version=4)),
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": {"note": "无此哨单", "contacted": True},
    } | other
    return orjson.dumps({name: value for name, value in document.items() if value is not ...})


Poison = Callable[[Random], bytes | None]

POISONS: Mapping[str, Poison] = {
    "random bytes": lambda chance: chance.randbytes(chance.randint(1, 400)),
    "nothing": lambda _: b"",
    "a tombstone": lambda _: None,
    "half an event": lambda chance: _envelope(chance)[: chance.randint(1, 100)],
    "a list": lambda _: b"[1,2,3]",
    "nested 50,000 deep": lambda _: b"[" * 50_000,
    "another specversion": lambda chance: _envelope(chance, specversion="2.0"),
    "an unknown type": lambda chance: _envelope(chance, type="cn.chuishao.case.lunched.v1"),
    "an unknown version": lambda chance: _envelope(chance, type="cn.chuishao.report.progressed.v9"),
    "no subject": lambda chance: _envelope(chance, subject=...),
    "a subject that is none": lambda chance: _envelope(chance, subject="../../etc/passwd"),
    "schema-invalid data": lambda chance: _envelope(chance, data={"note": 7, "contacted": "perhaps"}),
    "no data": lambda chance: _envelope(chance, data=...),
    "a time without a zone": lambda chance: _envelope(chance, time="2026-11-11T11:11:11"),
    "a NUL character": lambda chance: _envelope(chance, data={"note": "a\0b", "contacted": True}),
    "an endless id": lambda chance: _envelope(chance, id="x" * 5_000),
    "a case that is not there": _envelope,
    "300 KB": lambda chance: _envelope(chance, data={"note": "长" * (MAXIMUM_BYTES // 2), "contacted": True}),
}
ENORMOUS = "2 MB"


async def _poisoned(beginning: str, poison: str, ground: Ground, injection: Injection) -> None:
    """One message that no reader can use: it must become a dead letter of each reader, and the partition go on."""
    topic = injection.chance.choice(await _topics(ground, beginning))
    if poison == ENORMOUS:
        await asyncio.to_thread(_let_large_messages_in, ground.kafka.bootstrap, topic)
        value: bytes | None = os.urandom(2 * MEGABYTE)
    else:
        value = POISONS[poison](injection.chance)
    async with ground.producing() as producer:
        partitions = await producer.partitions_for(topic)
        try:
            sent = await producer.send_and_wait(
                topic, value, key=b"poison", partition=injection.chance.choice(sorted(partitions))
            )
        except MessageSizeTooLargeError:
            raise NotInjected(f"the broker does not take {poison} on {topic}") from None
    place = (sent.topic, sent.partition, sent.offset)
    ground.foreign.places.add(place)
    ground.foreign.to_bury |= {(reader, *place) for reader in readers_of(topic)}
    injection.happened(f"{poison} on {sent.topic}/{sent.partition} at {sent.offset}")


def _let_large_messages_in(bootstrap: str, topic: str) -> None:
    larger: Any = administration
    setting = larger.ConfigEntry(
        "max.message.bytes", str(4 * MEGABYTE), incremental_operation=larger.AlterConfigOpType.SET
    )
    resource = larger.ConfigResource(larger.ResourceType.TOPIC, topic, incremental_configs=[setting])
    client = larger.AdminClient({"bootstrap.servers": bootstrap, "log_level": 3})
    for done in client.incremental_alter_configs([resource]).values():
        done.result(timeout=10)


async def not_buried(ground: Ground) -> list[tuple[str, str, int, int]]:
    """Foreign messages that should have become dead letters of a reader by now and did not."""
    missing: list[tuple[str, str, int, int]] = []
    async with ground.postgres() as connection:
        for reader in sorted({one[0] for one in ground.foreign.to_bury}):
            wanted = {one for one in ground.foreign.to_bury if one[0] == reader}
            found = await connection.fetch(f'select topic, partition, "offset" from {reader}.dead_letter')  # noqa: S608
            missing += sorted(wanted - {(reader, *record) for record in found})
    return missing


_LOG_TOPICS = tuple(LOG_OF.values())

KINDS = (
    Kind(
        "duplicates",
        "同一消息重复三次",
        "the last messages of a partition stand on their topic three times more",
        ("I1", "I3", "I4", "I6"),
        tuple(
            Variant(beginning.rstrip("."), partial(_repeated, beginning))
            for beginning in (*_LOG_TOPICS, "reports.", "assignments.")
        ),
        weight=9,
    ),
    Kind(
        "reordering",
        "消息乱序（n+1 先于 n）",
        "messages of a log run ahead of their turn: n+1 stands on the topic before n",
        ("I4", "I6", "I7"),
        tuple(Variant(service, partial(_run_ahead, service), claims=frozenset({service})) for service in LOGGING),
        weight=6,
    ),
    Kind(
        "poison",
        "毒消息、未知类型、不合规与超大消息",
        "corrupt bytes, unknown type or version, schema-invalid, oversized up to 2 MB, on every topic that is read",
        ("I7", "I8"),
        tuple(
            Variant(f"{beginning.rstrip('.')}: {poison}", partial(_poisoned, beginning, poison))
            for beginning in (*_LOG_TOPICS, "reports.")
            for poison in (*POISONS, ENORMOUS)
        ),
        weight=15,
    ),
)
