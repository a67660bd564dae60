"""What loops leave behind and what they cost: rows, bytes, messages, transactions, processor time, memory."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosql
import asyncpg
import httpx
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.bench.stage import IN_THE_LOOP, Stage
from shared.contracts.topics import topic_named
from shared.runtime.kafka import partitions_of
from shared.runtime.postgres import each

queries: Any = aiosql.from_path(Path(__file__).with_name("counts.sql"), "asyncpg", mandatory_parameters=False)

_BATCHES = re.compile(r'^chuishao_batch_size_(count|sum)\{service="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Counts:
    """What there is at one moment. Rows: by schema, table and what was done to them; messages and bytes by topic."""

    rows: Mapping[tuple[str, str, str], int]
    sizes: Mapping[tuple[str, str], int]
    heaps: Mapping[tuple[str, str], int]
    messages: Mapping[str, int]
    kafka_bytes: Mapping[str, int]
    commits: int
    syncs: int
    wal_bytes: int


async def count(where: Stage) -> Counts:
    connection = await asyncpg.connect(where.addresses.postgres_admin_url)
    try:
        schemas = list(IN_THE_LOOP)
        rows = {
            (record["schema"], record["table"], what): record[what]
            async for record in each(queries.tuples(connection, schemas=schemas))
            for what in ("inserted", "updated", "deleted")
        }
        sizes = [record async for record in each(queries.sizes(connection, schemas=schemas))]
        return Counts(
            rows=rows,
            sizes={(one["schema"], one["table"]): one["bytes"] for one in sizes},
            heaps={(one["schema"], one["table"]): one["heap"] for one in sizes},
            messages=await _messages(where.addresses.kafka_bootstrap),
            kafka_bytes=_kafka_bytes(where.stack.folder / "kafka" / "data"),
            commits=await queries.commits(connection),
            syncs=await queries.syncs(connection),
            wal_bytes=await queries.wal(connection),
        )
    finally:
        await connection.close()


def per_loop(before: Counts, after: Counts, loops: int) -> dict[str, Any]:
    """What one loop comes to, of so many."""
    rows: dict[str, dict[str, float]] = {}
    for (schema, _, what), number in after.rows.items():
        found = rows.setdefault(schema, dict.fromkeys(("inserted", "updated", "deleted"), 0))
        found[what] += number
    for (schema, _, what), number in before.rows.items():
        rows[schema][what] -= number
    sizes: Counter[str] = Counter()
    for (schema, _), number in after.sizes.items():
        sizes[schema] += number
    for (schema, _), number in before.sizes.items():
        sizes[schema] -= number
    messages = {topic: number - before.messages.get(topic, 0) for topic, number in after.messages.items()}
    kafka_bytes = {topic: number - before.kafka_bytes.get(topic, 0) for topic, number in after.kafka_bytes.items()}
    return {
        "rows_per_loop": {
            schema: {what: round(number / loops, 2) for what, number in found.items()} for schema, found in rows.items()
        },
        "messages_per_loop": _shares(messages, loops, 2),
        "bytes_per_case": {
            "postgresql": _shares(sizes, loops, 0) | {"all": round(sum(sizes.values()) / loops)},
            "kafka": _shares(kafka_bytes, loops, 0) | {"all": round(sum(kafka_bytes.values()) / loops)},
            "wal": round((after.wal_bytes - before.wal_bytes) / loops),
        },
        "transactions": {
            "commits_per_loop": round((after.commits - before.commits) / loops, 3),
            "wal_syncs_per_loop": round((after.syncs - before.syncs) / loops, 3),
        },
    }


def _shares(numbers: Mapping[str, int], loops: int, digits: int) -> dict[str, float]:
    return {name: round(number / loops, digits or None) for name, number in sorted(numbers.items()) if number}


async def _messages(bootstrap: str) -> dict[str, int]:
    """How many messages each topic of ours was sent, units' topics together."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        topics = [topic for topic in await consumer.topics() if topic_named(topic) is not None]
        places = [TopicPartition(topic, at) for topic in topics for at in range(partitions_of(topic))]
        found: Counter[str] = Counter()
        for place, end in (await consumer.end_offsets(places)).items():
            found[_declared(place.topic)] += end
        return dict(found)
    finally:
        await consumer.stop()


def _kafka_bytes(data: Path) -> dict[str, int]:
    found: Counter[str] = Counter()
    for segment in data.glob("*/*.log"):
        topic = segment.parent.name.rpartition("-")[0]
        if topic_named(topic) is not None:
            found[_declared(topic)] += segment.stat().st_size
    return dict(found)


def _declared(topic: str) -> str:
    declared = topic_named(topic)
    return topic if declared is None else declared.name


# --- while it runs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Effort:
    """At one moment: processor seconds and memory of each kind of process, and the batches each service took."""

    cpu: Mapping[str, float]
    memory_mb: Mapping[str, float]
    batches: Mapping[tuple[str, str], float]
    """By service and `count` or `sum`."""


async def effort(where: Stage, load: int | None = None) -> Effort:
    found = where.processes(load)
    whole = psutil.cpu_times()
    cpu = {name: sum(map(_cpu, processes)) for name, processes in found.items()}
    cpu["machine"] = sum(whole) - whole.idle - whole.iowait
    memory = {name: round(sum(map(_memory_mb, processes)), 1) for name, processes in found.items()}
    return Effort(cpu, memory, await _batches(where.urls))


def spent(before: Effort, after: Effort, loops: int) -> dict[str, Any]:
    """Processor time of each kind of process, altogether and for each loop, memory, and how large batches were.

    `all` is what the measurement took, `others` what everybody else on the machine took meanwhile.
    """
    cpu = {name: round(used - before.cpu.get(name, 0.0), 2) for name, used in after.cpu.items()}
    machine = cpu.pop("machine")
    cpu["all"] = round(sum(cpu.values()), 2)
    cpu["others"] = round(machine - cpu["all"], 2)
    batches = {key: number - before.batches.get(key, 0.0) for key, number in after.batches.items()}
    return {
        "cpu_seconds": cpu,
        "cpu_ms_per_loop": {name: round(1000 * used / loops, 3) for name, used in cpu.items()} if loops else {},
        "memory_mb": dict(after.memory_mb),
        "batches": {
            service: {
                "transactions_per_loop": round(number / loops, 3) if loops else None,
                "inputs_per_transaction": round(batches[service, "sum"] / number, 1) if number else None,
            }
            for (service, what), number in batches.items()
            if what == "count"
        },
    }


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _memory_mb(process: psutil.Process) -> float:
    """Its own and its share of what several have in common, where the system tells."""
    try:
        memory = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    return float(getattr(memory, "pss", memory.rss)) / 2**20


async def _batches(urls: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], float]:
    found: defaultdict[tuple[str, str], float] = defaultdict(float)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for service, workers in urls.items():
            if service not in IN_THE_LOOP:
                continue
            for url in workers:
                scraped = (await client.get(f"{url}/metrics")).text
                for what, name, number in _BATCHES.findall(scraped):
                    found[name, what] += float(number)
    return dict(found)
