"""The department sample on a real broker: an assignment in, its reports out, repeats without effect."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.runtime.settings import KafkaSettings
from tests.docs.sample import load

sample: Any = load()


@asynccontextmanager
async def topics(bootstrap: str, unit: str) -> AsyncIterator[None]:
    """A unit's three topics, gone afterwards."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    names = [f"assignments.{unit}", f"reports.{unit}", f"reports.{unit}.dlq"]
    try:
        await admin.create_topics([NewTopic(name, 1, 1) for name in names])
        yield
        await admin.delete_topics(names)
    finally:
        await admin.close()


def assignment() -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "type": "cn.chuishao.assignment.created.v1",
        "subject": str(uuid4()),
        "data": {"assignment_id": str(uuid4()), "number": "HA1", "role": "lead", "matter": {"title": "水管爆裂"}},
    }


async def reports_of(bootstrap: str, unit: str, count: int) -> list[dict[str, Any]]:
    consumer = AIOKafkaConsumer(f"reports.{unit}", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    found: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(30):
            while len(found) < count:
                found.append(json.loads((await consumer.getone()).value))
        more = await consumer.getmany(timeout_ms=500)
    finally:
        await consumer.stop()
    return found + [json.loads(record.value) for records in more.values() for record in records]


async def test_an_assignment_is_answered_once(kafka_settings: KafkaSettings, tmp_path: Path) -> None:
    bootstrap = kafka_settings.bootstrap
    unit = f"docs_{uuid4().hex}"  # an underscore: no service listens to such a unit's reports
    async with topics(bootstrap, unit):
        event = assignment()
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        for told in (event, event, assignment()):
            await producer.send_and_wait(f"assignments.{unit}", json.dumps(told).encode())
        await producer.stop()
        environment = {"KAFKA": bootstrap, "UNIT": unit, "HANDLED": str(tmp_path / "handled.sqlite")}
        running = asyncio.create_task(sample.main(environment))
        try:
            reports = await reports_of(bootstrap, unit, count=6)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    kinds = [report["type"].split(".")[-2] for report in reports]
    assert kinds == ["signed_in", "progressed", "done"] * 2
    assert len({report["id"] for report in reports}) == 6
