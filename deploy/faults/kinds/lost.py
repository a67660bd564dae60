"""A topic that lost messages: readers say which shard misses what, and `log republish` puts it back."""

import asyncio
from functools import partial
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete

from deploy.faults.figures import figure
from deploy.faults.ground import CONSUMING, Ground
from deploy.faults.kind import Injection, Kind, Variant
from deploy.faults.kinds.messages import LOG_OF, readers_of
from deploy.faults.waiting import happened, healed
from shared.contracts.topics import SHARDS, TOPICS

STOPS_WITHIN_SECONDS = 20.0
UNREAD_WITHIN_SECONDS = 40.0
REPORTED_WITHIN_SECONDS = 90.0
HEALED_WITHIN_SECONDS = 60.0
REPUBLISHED_WITHIN_SECONDS = 60.0

_UNREAD = """
select head.shard::int, head.published, coalesce(progress.sequence, 0) as read
from {source}.head left join {reader}.progress on progress.log = $1 and progress.shard = head.shard
where head.published >= coalesce(progress.sequence, 0) + 2 order by head.shard"""
_READ = "select coalesce((select sequence from {reader}.progress where log = $1 and shard = $2), 0)"


async def _lost(reader: str, source: str, ground: Ground, injection: Injection) -> None:
    """Messages are deleted that a reader, who is away, has not read. Back again, it says so; the log has them still."""
    log = LOG_OF[source]
    try:
        await asyncio.to_thread(ground.stack.stop_one, reader)
        await happened(lambda: not ground.stack.pid(reader), STOPS_WITHIN_SECONDS, f"{reader} is away")
        async with ground.postgres() as connection:
            unread = await happened(
                lambda: connection.fetch(_UNREAD.format(source=source, reader=reader), log),
                UNREAD_WITHIN_SECONDS,
                f"a shard of {log} holds what {reader} has not read",
            )
        shard, published, read = injection.chance.choice(unread)
        end = await _delete(ground, log, shard)
        injection.happened(f"{log}/{shard} lost everything before offset {end}; {reader} had read up to {read}")
    finally:
        await asyncio.to_thread(ground.stack.start_one, reader)
    await _reported(ground, injection, reader, log, shard, read)
    await _republish(ground, injection, source, shard)
    async with ground.postgres() as connection:

        async def has_read() -> bool:
            at = await connection.fetchval(_READ.format(reader=reader), log, shard)
            return bool(at >= published)

        await healed(has_read, HEALED_WITHIN_SECONDS, f"{reader} reads past what was lost")
    await healed(
        lambda: _gap_closed(ground, reader, log, shard), HEALED_WITHIN_SECONDS, f"{reader} says the gap is closed"
    )
    await ground.ready()
    injection.happened(f"{reader} reported the gap and read on after `log republish`")


async def _truncated(source: str, ground: Ground, injection: Injection) -> None:
    """A partition is emptied whose readers may have read all of it. The topic is to hold the whole log again."""
    log, shard = LOG_OF[source], injection.chance.randrange(SHARDS)
    async with ground.postgres() as connection:
        appended = f"select published > 0 from {source}.head where shard = $1"  # noqa: S608
        await happened(lambda: connection.fetchval(appended, shard), UNREAD_WITHIN_SECONDS, f"{log}/{shard} is in use")
    end = await _delete(ground, log, shard)
    injection.happened(f"{log}/{shard} was emptied up to offset {end}")
    await _republish(ground, injection, source, shard)
    await ground.ready()


async def _delete(ground: Ground, log: str, shard: int) -> int:
    """Everything that stands on this partition now; returns up to where. Seen to have gone."""
    at = TopicPartition(log, shard)
    consumer = AIOKafkaConsumer(bootstrap_servers=ground.kafka.bootstrap)
    await consumer.start()
    try:
        async with ground.administering() as admin:
            end: int = (await consumer.end_offsets([at]))[at]
            await admin.delete_records({at: RecordsToDelete(end)}, timeout_ms=10_000)

        async def is_gone() -> bool:
            return bool((await consumer.beginning_offsets([at]))[at] >= end)

        await happened(is_gone, STOPS_WITHIN_SECONDS, f"the messages of {log}/{shard} are gone")
    finally:
        await consumer.stop()
    await _forget_what_went(ground, log, shard, end)
    return end


async def _forget_what_went(ground: Ground, log: str, shard: int, end: int) -> None:
    """What others put there to be buried went with the rest, unless a reader has buried it already."""
    ours = {one for one in ground.foreign.to_bury if one[1:3] == (log, shard) and one[3] < end}
    async with ground.postgres() as connection:
        for reader in readers_of(log):
            found = await connection.fetch(
                f'select topic, partition, "offset" from {reader}.dead_letter where topic = $1',  # noqa: S608
                log,
            )
            ours -= {(reader, *record) for record in found}
    ground.foreign.to_bury -= ours


async def _reported(ground: Ground, injection: Injection, reader: str, log: str, shard: int, read: int) -> None:
    """At /metrics with its shard and at /health/ready with its shard and the sequence that is missing."""
    await healed(
        lambda: _gap_is_open(ground, reader, log, shard),
        REPORTED_WITHIN_SECONDS,
        f"{reader} reports the gap in {log}/{shard} at /metrics",
    )
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        ready = (await client.get(f"{ground.stack.addresses.services[reader]}/health/ready")).text
    if str(read + 1) not in ready or str(shard) not in ready:
        injection.breaks("I7", f"/health/ready of {reader} names neither {log}/{shard} nor {read + 1}: {ready[:300]}")


async def _gap_is_open(ground: Ground, reader: str, log: str, shard: int) -> bool:
    return await _gap(ground, reader, log, shard) == 1.0


async def _gap_closed(ground: Ground, reader: str, log: str, shard: int) -> bool:
    return await _gap(ground, reader, log, shard) == 0.0


async def _gap(ground: Ground, reader: str, log: str, shard: int) -> float | None:
    """What the reader says of this shard; None where it says nothing."""
    labels = {"service": reader, "log": log, "shard": str(shard)}
    return await figure(ground.stack.addresses.services[reader], "chuishao_log_gap", labels)


async def _republish(ground: Ground, injection: Injection, source: str, shard: int) -> None:
    """As an operator would, from the first row on: the whole partition went."""
    async with httpx.AsyncClient(trust_env=False, timeout=REPUBLISHED_WITHIN_SECONDS) as client:
        url = f"{ground.stack.addresses.services[source]}/log/republish"
        wanted = {"shard": shard, "from_sequence": 1}

        async def republished() -> Any:
            try:
                answer = await client.post(url, headers=ground.doors.operator(), json=wanted)
            except httpx.TransportError:
                return None
            return answer.json() if answer.is_success else None

        said = await healed(republished, REPUBLISHED_WITHIN_SECONDS, f"{source} republishes shard {shard}")
    injection.happened(f"{source} published {said['published']} rows of shard {shard} once more")


def _read_by_one_another() -> list[tuple[str, str]]:
    """Which of our services reads which one's log."""
    readers = {topic.name: topic.readers for topic in TOPICS}
    return [(reader, source) for source, log in LOG_OF.items() for reader in CONSUMING if reader in readers[log]]


_CLAIMS = frozenset({"kafka"})

KINDS = (
    Kind(
        "topic_loses",
        "主题丢失消息（记录被删除）",
        "a topic loses messages that a reader has not read: it names shard and sequence, `log republish` heals it",
        ("I4", "I6", "I7"),
        tuple(
            Variant(f"{reader} loses {LOG_OF[source]}", partial(_lost, reader, source), _CLAIMS, seconds=300)
            for reader, source in _read_by_one_another()
        ),
    ),
    Kind(
        "topic_truncated",
        "主题分区被清空",
        "a partition is emptied whose readers have read it: `log republish` fills it, nothing has a second effect",
        ("I4", "I6", "I7"),
        tuple(Variant(log, partial(_truncated, source), _CLAIMS, seconds=180) for source, log in LOG_OF.items()),
    ),
)
