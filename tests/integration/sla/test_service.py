"""The service as a process on real Kafka and PostgreSQL: reads cases, writes deadlines, answers, survives SIGKILL."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES
from shared.contracts.vocabulary import ActorKind, Urgency
from shared.runtime.identity import Identity, issue
from shared.runtime.kafka import create_topics
from shared.runtime.settings import KafkaSettings
from tests.integration.sla.processes import KEY, Sla, routing, service, stated
from tests.unit.sla import builders as b

pytestmark = pytest.mark.timeout(240)


async def test_it_reads_fires_answers_and_survives(hurried_url: str, kafka_settings: KafkaSettings) -> None:
    """Critical cases are dispatched and nobody signs in. The process dies by its own failpoint while it fires."""
    await create_topics(kafka_settings, [CASES, DEADLINES])
    async with routing(kafka_settings) as router, service(hurried_url, kafka_settings) as sla:
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
    await _kept(hurried_url, reds)


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
