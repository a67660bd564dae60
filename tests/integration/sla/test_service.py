"""The service as a process on real Kafka and PostgreSQL: reads cases, writes deadlines, answers, survives SIGKILL."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from uuid_utils import uuid7

from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode, encode
from shared.contracts.topics import CASES, DEADLINES, shard_of
from shared.contracts.vocabulary import ActorKind, Urgency
from shared.runtime.identity import Identity, issue
from shared.runtime.kafka import KafkaPublisher, create_topics, make_consumer
from shared.runtime.relay import Message
from shared.runtime.settings import KafkaSettings
from tests.unit.sla import builders as b

KEY = "c2lnbmluZy1rZXktb2YtYS10ZXN0LTMyLWJ5dGVzLWxvbmc"

pytestmark = pytest.mark.timeout(240)


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
            "CHUISHAO_POLICY_FILE": "deploy/demo/policy.yaml",
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
                        assert isinstance(envelope.fact, f.DeadlineStep)
                        if envelope.subject in cases:
                            found[envelope.id] = (envelope.subject, envelope.fact)
    finally:
        await consumer.stop()
    return list(found.values())


async def test_it_reads_fires_answers_and_survives(postgres_url: str, kafka_settings: KafkaSettings) -> None:
    """Critical cases are dispatched and nobody signs in. The process dies by its own failpoint while it fires."""
    await create_topics(kafka_settings, [CASES, DEADLINES])
    async with routing(kafka_settings) as router, service(postgres_url, kafka_settings) as sla:
        await sla.start("after_commit:3")
        await sla.ready()
        cases = {uuid4() for _ in range(40)}
        for case_id in cases:
            await router.state(
                case_id,
                b.opened(urgency=Urgency.CRITICAL),
                b.accepted(Urgency.CRITICAL),
                b.dispatched("util-water"),
            )
        assert await sla.ended() == -signal.SIGKILL
        await sla.start()
        await sla.ready()
        # sign_in and handle: yellow (unless it came too late), red, first rung
        reds = 2 * len(cases)
        facts = await stated(kafka_settings, cases, 2 * reds)
        while True:
            of_red = [(of, one.obligation) for of, one in facts if isinstance(one, f.DeadlineOverdue)]
            rungs = [
                (of, one.obligation) for of, one in facts if isinstance(one, f.DeadlineEscalated) and one.rung == 1
            ]
            if len(of_red) >= reds and len(rungs) >= reds:
                break
            facts = await stated(kafka_settings, cases, len(facts) + 1)
        assert len(of_red) == len(set(of_red)) == len(rungs) == len(set(rungs)) == reds
        assert all(one.fired_at >= one.due_at for _, one in facts if not isinstance(one, f.DeadlineWarned))
        await _answers(sla, next(iter(cases)))
        async with asyncio.timeout(10):
            await sla.stop()
    await _kept(postgres_url, reds)


async def _answers(sla: Sla, case_id: UUID) -> None:
    token = issue(Identity(kind=ActorKind.STAFF, person="p-1", unit=b.HUB), KEY, datetime.now(UTC), timedelta(hours=1))
    async with httpx.AsyncClient(base_url=sla.url, trust_env=False) as client:
        assert (await client.get(f"/cases/{case_id}/deadlines")).status_code == 401
        assert (await client.get("/deadlines/summary")).status_code == 401
        client.headers["Authorization"] = f"Bearer {token}"
        shown: list[dict[str, Any]] = (await client.get(f"/cases/{case_id}/deadlines")).json()["deadlines"]
        by_obligation = {one["obligation"]: one for one in shown}
        assert by_obligation["accept"]["state"] == "met"
        assert by_obligation["accept"]["ended_by"] == "case.accepted.v1"
        assert (
            by_obligation["handle"] | {"unit": "util-water", "state": "overdue", "granted": "4 clock_second"}
            == (by_obligation["handle"])
        )
        summary = (await client.get("/deadlines/summary")).json()["obligations"]
        assert summary["sign_in"] == {"armed": 0, "overdue": 40}
        assert summary["accept"] == {"armed": 0, "overdue": 0}
        assert (await client.get(f"/cases/{uuid4()}/deadlines")).json()["deadlines"] == []
        assert (await client.get("/cases/nonsense/deadlines")).status_code == 422
        metrics = (await client.get("/metrics")).text
        assert "chuishao_timer_lateness_seconds_bucket" in metrics


async def _kept(url: str, reds: int) -> None:
    connection = await asyncpg.connect(url)
    fired = await connection.fetchval(
        "select count(*) from deadline where fired_at is not null and obligation in ('sign_in', 'handle')"
    )
    await connection.close()
    assert fired == reds
