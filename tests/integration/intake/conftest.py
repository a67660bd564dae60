"""Intake as processes of its own on real PostgreSQL and Kafka."""

import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest
import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.places import PROJECT
from deploy.local.processes import Addresses, role_url
from deploy.migrate import begin_with, migrate, migrate_district
from shared.contracts.envelope import Envelope, decode
from shared.contracts.topics import SHARDS, WHISTLES, shard_of
from shared.contracts.vocabulary import ActorKind
from shared.runtime.identity import Identity, issue
from shared.runtime.kafka import create_topics
from shared.runtime.settings import KafkaSettings

SIGNING_KEY = "a-key-for-tests-that-is-long-enough-to-sign"
HOTLINE_KEY = "the-hotline's-key"
REPORTER_KEY = bytes(range(32))
READY_WITHIN_SECONDS = 60.0


@dataclass
class District:
    """One installation: a database, the topic, and the processes of intake that a test starts."""

    admin_url: str
    service_url: str
    bootstrap: str
    folder: Path
    topic_ends: dict[TopicPartition, int]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @contextmanager
    def process(self, failpoint: str = "") -> Iterator["Process"]:
        """One more process of intake, ready; killed at the end."""
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        log = self.folder / f"intake-{port}.log"
        environment = {
            "PATH": os.environ["PATH"],
            "CHUISHAO_POSTGRES_URL": self.service_url,
            "CHUISHAO_KAFKA_BOOTSTRAP": self.bootstrap,
            "CHUISHAO_HTTP_PORT": str(port),
            "CHUISHAO_SIGNING_KEY": SIGNING_KEY,
            "CHUISHAO_REPORTER_KEY": base64.urlsafe_b64encode(REPORTER_KEY).decode(),
            "CHUISHAO_API_KEYS_FILE": str(self.folder / "api_keys.yaml"),
            "CHUISHAO_FAILPOINT": failpoint,
        }
        with log.open("wb") as out:
            started = subprocess.Popen(
                [sys.executable, "-m", "services.intake.main"], env=environment, stdout=out, stderr=out
            )
        self.processes.append(started)
        process = Process(started, f"http://127.0.0.1:{port}", log)
        try:
            process.wait_ready()
            yield process
        finally:
            started.send_signal(signal.SIGKILL)
            started.wait(10)

    async def published(self, count: int) -> list[Envelope]:
        """At least the next `count` events on the topic, repeats included; waits for them."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="none")
        await consumer.start()
        try:
            consumer.assign(list(self.topic_ends))
            for partition, offset in self.topic_ends.items():
                consumer.seek(partition, offset)
            found: dict[tuple[int, int], Envelope] = {}
            while len(found) < count:
                batch = await asyncio.wait_for(consumer.getmany(timeout_ms=1000, max_records=500), 30)
                for partition, messages in batch.items():
                    for message in messages:
                        event = decode(message.value)
                        assert partition.partition == shard_of(event.subject)
                        found[partition.partition, event.sequence] = event
            return list(found.values())
        finally:
            await consumer.stop()

    async def held_until_waiting(self, transactions: int) -> None:
        """Hold every shard's head until so many transactions wait for one."""
        waiting = (
            "select count(*) from pg_stat_activity where datname = current_database() "
            "and usename = 'chuishao_intake' and wait_event_type = 'Lock'"
        )
        async with _connection(self.admin_url) as watch, _connection(self.admin_url) as holder, holder.transaction():
            await holder.execute("select 1 from intake.head for update")
            while await watch.fetchval(waiting) < transactions:
                await asyncio.sleep(0.005)

    async def fetch(self, query: str, *values: object) -> list[asyncpg.Record]:
        async with _connection(self.admin_url) as connection:
            return list(await connection.fetch(query, *values))


@dataclass(frozen=True)
class Process:
    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def wait_ready(self) -> None:
        """Until it says it is ready; polled, since a process can tell nobody else."""
        transport = httpx.HTTPTransport(retries=0)
        deadline = datetime.now(UTC) + timedelta(seconds=READY_WITHIN_SECONDS)
        with httpx.Client(transport=transport, base_url=self.url, timeout=2) as client:
            while True:
                assert self.process.poll() is None, self.log.read_text()
                assert datetime.now(UTC) < deadline, self.log.read_text()
                try:
                    if client.get("/health/ready").status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.05)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=60, transport=httpx.AsyncHTTPTransport())

    @property
    def resident_megabytes(self) -> float:
        """What the process holds in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def staff(unit: str) -> dict[str, str]:
    identity = Identity(kind=ActorKind.STAFF, person="staff-7", unit=unit)
    return {"Authorization": f"Bearer {issue(identity, SIGNING_KEY, datetime.now(UTC), timedelta(hours=1))}"}


def resident() -> dict[str, str]:
    identity = Identity(kind=ActorKind.RESIDENT, person="resident-1")
    return {"Authorization": f"Bearer {issue(identity, SIGNING_KEY, datetime.now(UTC), timedelta(hours=1))}"}


HOTLINE = {"X-API-Key": HOTLINE_KEY}


@pytest.fixture
async def district(engines: Addresses, tmp_path: Path) -> AsyncIterator[District]:
    """A fresh database, migrated as an installation is, and the topic from here on."""
    name = f"intake_{uuid4().hex}"
    async with _connection(engines.postgres_admin_url) as admin:
        await admin.execute(f"create database {name}")
    admin_url = urlunsplit(urlsplit(engines.postgres_admin_url)._replace(path=f"/{name}"))
    async with _connection(admin_url) as own:
        await migrate(own, "intake", "intake-password")
        await migrate_district(own)
        await begin_with(own, PROJECT / "deploy" / "district")
    keys = [{"name": "city-12345", "sha256": sha256(HOTLINE_KEY.encode()).hexdigest(), "kind": "hotline"}]
    (tmp_path / "api_keys.yaml").write_text(yaml.safe_dump(keys))
    service_url = role_url(admin_url, "chuishao_intake", "intake-password")
    ends = await _ends(engines.kafka_bootstrap)
    yield District(admin_url, service_url, engines.kafka_bootstrap, tmp_path, ends)
    async with _connection(engines.postgres_admin_url) as admin:
        await admin.execute(f"drop database {name} with (force)")


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _ends(bootstrap: str) -> dict[TopicPartition, int]:
    """Where the topic ends now: earlier tests, with databases of their own, published to it."""
    await create_topics(KafkaSettings(bootstrap=bootstrap), [WHISTLES])
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        return dict(await consumer.end_offsets([TopicPartition(WHISTLES, shard) for shard in range(SHARDS)]))
    finally:
        await consumer.stop()
