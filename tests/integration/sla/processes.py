"""sla as processes on real engines, and the router as far as they need one."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
from uuid_utils import uuid7

from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode, encode
from shared.contracts.topics import CASES, DEADLINES, shard_of
from shared.runtime.kafka import KafkaPublisher, make_consumer
from shared.runtime.relay import Message
from shared.runtime.settings import KafkaSettings

KEY = "c2lnbmluZy1rZXktb2YtYS10ZXN0LTMyLWJ5dGVzLWxvbmc"


class Router:
    """The router's log, as far as this test needs one."""

    def __init__(self, publisher: KafkaPublisher) -> None:
        self._publisher = publisher
        self._sequences: dict[int, int] = {}
        self._caseseqs: dict[UUID, int] = {}

    async def state(self, case_id: UUID, *facts: f.CaseFact) -> None:
        shard = shard_of(case_id)
        messages = []
        for fact in facts:
            self._sequences[shard] = self._sequences.get(shard, 0) + 1
            self._caseseqs[case_id] = self._caseseqs.get(case_id, 0) + 1
            envelope = Envelope(
                id=str(uuid7()),
                source="/chuishao/router",
                subject=case_id,
                time=datetime.now(UTC),
                fact=fact,
                sequence=self._sequences[shard],
                caseseq=self._caseseqs[case_id],
            )
            messages.append(Message(CASES, shard, str(case_id).encode(), encode(envelope), ()))
        await self._publisher.publish(messages)


@asynccontextmanager
async def routing(kafka: KafkaSettings) -> AsyncIterator[Router]:
    publisher = KafkaPublisher(kafka)
    try:
        yield Router(publisher)
    finally:
        await publisher.close()


class Sla:
    """The service's process, started again whenever a test asks for it."""

    def __init__(self, environment: dict[str, str], port: int) -> None:
        self._environment = environment
        self.url = f"http://127.0.0.1:{port}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, failpoint: str = "") -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.sla.main",
            env=self._environment | ({"CHUISHAO_FAILPOINT": failpoint} if failpoint else {}),
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def ended(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ready(self) -> None:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(60):
            while True:
                try:
                    if (await client.get(f"{self.url}/health/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)


@asynccontextmanager
async def service(url: str, kafka: KafkaSettings) -> AsyncIterator[Sla]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sla = Sla(
        {name: value for name, value in os.environ.items() if not name.startswith("CHUISHAO_")}
        | {
            "CHUISHAO_POSTGRES_URL": url,
            "CHUISHAO_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "CHUISHAO_HTTP_PORT": str(port),
            "CHUISHAO_SIGNING_KEY": KEY,
            "CHUISHAO_SETUP": "deploy/district",
        },
        port,
    )
    try:
        yield sla
    finally:
        await sla.stop()


async def stated(kafka: KafkaSettings, cases: set[UUID], number: int) -> list[tuple[UUID, f.DeadlineStep]]:
    """Read `deadlines` until so many different events about these cases were seen."""
    consumer = make_consumer(kafka, f"test-{uuid4()}")
    consumer.subscribe([DEADLINES])
    await consumer.start()
    found: dict[str, tuple[UUID, f.DeadlineStep]] = {}
    try:
        async with asyncio.timeout(60):
            while len(found) < number:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        envelope = decode(record.value, record.headers)
                        if envelope.subject in cases and isinstance(envelope.fact, f.DeadlineStep):
                            found[envelope.id] = (envelope.subject, envelope.fact)
    finally:
        await consumer.stop()
    return list(found.values())
