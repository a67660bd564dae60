"""Feedback on real engines: a database of its own for each test, fresh logs to read, the service as a process."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.places import PROJECT
from deploy.local.processes import Addresses, role_url
from deploy.migrate import begin_with, migrate, migrate_district
from shared.contracts.envelope import Envelope, decode
from shared.contracts.facts import Fact
from shared.contracts.topics import CASES, DEADLINES, FEEDBACK, dead_letter_topic
from shared.contracts.vocabulary import ActorKind
from shared.runtime.identity import Identity, issue
from shared.runtime.kafka import KafkaPublisher, connection_options, create_topics, make_consumer
from shared.runtime.settings import KafkaSettings
from tests.unit.feedback.wire import OtherLog

PASSWORD = "feedback"
SIGNING_KEY = "0123456789abcdef0123456789abcdef"
LOGS = [CASES, DEADLINES, FEEDBACK, dead_letter_topic(CASES), dead_letter_topic(DEADLINES)]
WITHIN_SECONDS = 60.0


async def eventually(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Return once it holds; fail, saying what did not come about, after a minute."""
    end = time.monotonic() + WITHIN_SECONDS
    while not await holds():
        assert time.monotonic() < end, f"{what} did not come about within {WITHIN_SECONDS:.0f} s"
        await asyncio.sleep(0.05)


@pytest.fixture
async def postgres_url(engines: Addresses) -> AsyncIterator[str]:
    """An empty database at this release, reached with feedback's own role."""
    name = f"feedback_{uuid4().hex}"
    admin = await asyncpg.connect(engines.postgres_admin_url)
    await admin.execute(f"create database {name}")
    admin_url = urlunsplit(urlsplit(engines.postgres_admin_url)._replace(path=f"/{name}"))
    connection = await asyncpg.connect(admin_url)
    await migrate(connection, "feedback", PASSWORD)
    await migrate_district(connection)
    await begin_with(connection, PROJECT / "deploy" / "district")
    await connection.close()
    yield role_url(admin_url, "chuishao_feedback", PASSWORD)
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


@pytest.fixture
async def logs(kafka_settings: KafkaSettings) -> AsyncIterator["OtherLogs"]:
    """The router's and sla's logs, empty: a log has one writer, so what other tests wrote there must go."""
    await _delete(kafka_settings)
    await create_topics(kafka_settings, LOGS)
    publisher = KafkaPublisher(kafka_settings)
    yield OtherLogs(publisher)
    await publisher.close()
    await _delete(kafka_settings)


async def _delete(kafka: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(**connection_options(kafka))
    await admin.start()
    try:
        there = sorted(set(LOGS) & set(await admin.list_topics()))
        if there:
            await admin.delete_topics(there)

        async def gone() -> bool:
            return not set(LOGS) & set(await admin.list_topics())

        await eventually(gone, "the topics' end")
    finally:
        await admin.close()


class OtherLogs:
    """What the router and sla would say."""

    def __init__(self, publisher: KafkaPublisher) -> None:
        self._publisher = publisher
        self.router = OtherLog("router", CASES)
        self.sla = OtherLog("sla", DEADLINES)

    async def case(self, case_id: UUID, *facts: Fact) -> None:
        await self._publisher.publish([self.router.append(case_id, fact) for fact in facts])

    async def deadline(self, case_id: UUID, *facts: Fact) -> None:
        await self._publisher.publish([self.sla.append(case_id, fact) for fact in facts])

    async def say_again(self, case_id: UUID, fact: Fact) -> None:
        """A relay that woke up: the same row published twice."""
        message = self.router.append(case_id, fact)
        await self._publisher.publish([message, message])


class Feedback:
    """The service's process, started again whenever a test asks for it."""

    def __init__(self, postgres_url: str, kafka: KafkaSettings, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._environment = {
            "PATH": os.environ["PATH"],
            "CHUISHAO_POSTGRES_URL": postgres_url,
            "CHUISHAO_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "CHUISHAO_HTTP_PORT": str(self.port),
            "CHUISHAO_SIGNING_KEY": SIGNING_KEY,
            "CHUISHAO_SETUP": "deploy/district",
        }
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, failpoint: str = "") -> None:
        """Start it, armed to kill itself at a failpoint if one is given; return when it is ready."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "services.feedback.main",
                env=self._environment | {"CHUISHAO_FAILPOINT": failpoint},
                stdout=log,
                stderr=log,
            )
        await eventually(self._is_ready, f"the service's readiness (see {self._log})")

    async def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            raise AssertionError(self._log.read_text(encoding="utf-8")[-4000:])
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(f"http://127.0.0.1:{self.port}/health/ready")).status_code == 200
            except httpx.TransportError:
                return False

    async def ended(self) -> int:
        """Its exit status, once it has ended by itself."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), WITHIN_SECONDS)

    async def stop(self) -> None:
        """Ask it to stop, which must take less than ten seconds; its exit status is the runtime's affair."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(self._process.wait(), 10)

    async def end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @asynccontextmanager
    async def asked_by(self, unit: str | None, kind: ActorKind = ActorKind.STAFF) -> AsyncIterator[httpx.AsyncClient]:
        identity = Identity(kind=kind, person=f"{kind} of {unit}", unit=unit)
        token = issue(identity, SIGNING_KEY, datetime.now(UTC), timedelta(hours=1))
        headers = {"Authorization": f"Bearer {token}"}
        address = f"http://127.0.0.1:{self.port}"
        async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False) as client:
            yield client


@pytest.fixture
async def feedback(postgres_url: str, kafka_settings: KafkaSettings, tmp_path: Path) -> AsyncIterator[Feedback]:
    service = Feedback(postgres_url, kafka_settings, tmp_path / "feedback.log")
    yield service
    await service.end()


async def published(kafka: KafkaSettings, number: int) -> list[Envelope]:
    """The first so many different events on `feedback`, in the order of their shards; waits for them."""
    consumer = make_consumer(kafka, f"test-{uuid4()}")
    consumer.subscribe([FEEDBACK])
    await consumer.start()
    found: dict[str, Envelope] = {}
    end = time.monotonic() + WITHIN_SECONDS
    try:
        while len(found) < number:
            assert time.monotonic() < end, f"{len(found)} of {number} events were published"
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    event = decode(record.value, record.headers)
                    found[event.id] = event
    finally:
        await consumer.stop()
    return sorted(found.values(), key=lambda event: (event.subject.int % 12, event.sequence))
