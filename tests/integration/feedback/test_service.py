"""The service as a process on real Kafka and PostgreSQL; the router's and sla's words are written by hand."""

import signal
from functools import partial
from uuid import UUID

import asyncpg
import httpx
import pytest
from uuid_utils import uuid7

from shared.contracts import facts as f
from shared.contracts.topics import CASES, SHARDS, shard_of
from shared.contracts.vocabulary import ActorKind, Obligation
from shared.runtime.log import Head, Row, verify_chain
from shared.runtime.settings import KafkaSettings
from tests.integration.feedback.conftest import Feedback, OtherLogs, eventually, published
from tests.unit.feedback.histories import COMMUNITY, HUB, MARKET, OTHER_COMMUNITY, WATER, handled, opened, overdue

pytestmark = pytest.mark.timeout(240)

PASSED = {"passed": True}
SATISFIED = {"contacted": True, "solved": True, "satisfaction": "satisfied"}


def ratings(unit: str) -> dict[str, object]:
    return {"unit": unit, "contact": 5, "speed": 4, "result": 3}


async def waits(client: httpx.AsyncClient, case_id: UUID) -> list[str] | None:
    """What a review waits for, None while it is not known."""
    response = await client.get(f"/reviews/{case_id}")
    return response.json()["waiting"] if response.status_code == 200 else None


async def test_the_loop_closes_and_survives_a_kill(
    feedback: Feedback, logs: OtherLogs, kafka_settings: KafkaSettings, postgres_url: str
) -> None:
    """Twenty cases: the odd ones are answered by everybody, for the even ones the time runs out in silence.

    The process dies by its own failpoint while it decides, and is started again.
    """
    cases = [UUID(str(uuid7())) for _ in range(20)]
    numbers = {case_id: f"HA-{place}" for place, case_id in enumerate(cases)}
    for case_id in cases:
        named = {"number_of_case": numbers[case_id]}
        await logs.case(case_id, opened(**named))  # type: ignore[arg-type]
        await logs.say_again(case_id, handled(1, WATER, MARKET, **named))  # type: ignore[arg-type]
    await feedback.start("after_commit:8")
    async with feedback.asked_by(COMMUNITY) as community:
        asked = [
            (f"/reviews/{numbers[case_id]}/check", PASSED, {"Idempotency-Key": f"check {numbers[case_id]}"})
            for case_id in cases
        ]
        while asked:
            path, body, headers = asked[0]
            try:
                response = await community.post(path, json=body, headers=headers)
            except httpx.TransportError:
                assert await feedback.ended() == -signal.SIGKILL
                await feedback.start()
                continue
            if response.status_code == 404:
                await eventually(partial(_known, community, path), f"{path} known")
                continue
            assert response.status_code == 200, response.text
            asked.pop(0)
        for case_id in cases[1::2]:
            for unit in (WATER, MARKET):
                assert (await community.post(f"/reviews/{case_id}/rate", json=ratings(unit))).status_code == 200
            answer = await community.post(f"/reviews/{case_id}/resident-answer", json=SATISFIED)
            assert answer.json()["conclusion"]["close"] is True
        for case_id in cases[::2]:
            await logs.deadline(case_id, overdue(Obligation.RATE))

        said = await published(kafka_settings, 10 * 6 + 10 * 3)
        for place, case_id in enumerate(cases):
            of_case = [event for event in said if event.subject == case_id]
            assert [event.caseseq for event in of_case] == list(range(1, len(of_case) + 1))
            verdict = of_case[-1].fact
            assert isinstance(verdict, f.FeedbackConcluded)
            silent = place % 2 == 0
            assert (verdict.close, verdict.resident_silent) == (True, silent)
            assert verdict.unrated == ((WATER, MARKET) if silent else ())
            assert await waits(community, case_id) == []

        summary = (await community.get("/reviews/summary")).json()
        assert summary["reviews"] == 20
        assert summary["ratings"] == {
            "rated": 20,
            "unrated": 20,
            "rated_share": 0.5,
            "contact": 5.0,
            "speed": 4.0,
            "result": 3.0,
        }
        assert (summary["residents"]["satisfied"], summary["residents"]["silent"]) == (10, 10)
        metrics = (await community.get("/metrics")).text
        assert 'chuishao_feedback_conclusions_total{verdict="close"}' in metrics
    await feedback.stop()
    await _holds(postgres_url, logs)


async def _known(client: httpx.AsyncClient, path: str) -> bool:
    return (await client.get(path.rsplit("/", 1)[0])).status_code == 200


async def _holds(url: str, logs: OtherLogs) -> None:
    """The chain links, everything is published, everything was read, nothing became a dead letter."""
    connection = await asyncpg.connect(url)
    try:
        heads = {row["shard"]: Head(**row) for row in await connection.fetch("select * from head")}
        for shard in range(SHARDS):
            rows = await connection.fetch("select * from log where shard = $1 order by sequence", shard)
            assert verify_chain([Row(**row) for row in rows], Head(shard, 0, bytes(32), 0), heads[shard]) == []
            assert heads[shard].published == heads[shard].sequence
        progress = await connection.fetch("select shard, sequence from progress where log = $1", CASES)
        assert {row["shard"]: row["sequence"] for row in progress} == {
            shard: head.sequence for shard, head in logs.router.heads.items()
        }
        assert await connection.fetchval("select count(*) from dead_letter") == 0
    finally:
        await connection.close()


async def test_a_deadline_may_arrive_before_its_case_and_the_hub_then_steps_in(
    feedback: Feedback, logs: OtherLogs, kafka_settings: KafkaSettings, postgres_url: str
) -> None:
    case_id = UUID(str(uuid7()))
    await logs.deadline(case_id, overdue(Obligation.CHECK), overdue(Obligation.RATE))
    await feedback.start()

    async def deadlines_read() -> bool:
        connection = await asyncpg.connect(postgres_url)
        found = await connection.fetchval("select state -> 'rate_overdue_in' from state where case_id = $1", case_id)
        await connection.close()
        return bool(found == "[1]")

    await eventually(deadlines_read, "the early deadline's being read")
    await logs.case(case_id, opened(), handled())
    async with feedback.asked_by(HUB) as hub:

        async def handled_read() -> bool:
            return await waits(hub, case_id) == ["check", "rating", "resident"]

        await eventually(handled_read, "the case's being read")
        assert (await hub.get("/reviews?waiting=check")).json()["reviews"][0]["check_overdue"] is True
        response = await hub.post(f"/reviews/{case_id}/check", json=PASSED)
    assert response.json()["conclusion"]["resident_silent"] is True
    asked, checked, verdict = [event.fact for event in await published(kafka_settings, 3)]
    assert isinstance(asked, f.FeedbackResidentAsked)
    assert isinstance(checked, f.FeedbackChecked)
    assert checked.actor.unit == HUB
    assert isinstance(verdict, f.FeedbackConcluded)
    assert verdict.actor.kind is ActorKind.CLOCK


async def test_a_no_changes_nothing(feedback: Feedback, logs: OtherLogs, postgres_url: str) -> None:
    case_id = UUID(str(uuid7()))
    await logs.case(case_id, opened(), handled())
    await feedback.start()
    async with feedback.asked_by(COMMUNITY) as community:

        async def handled_read() -> bool:
            return await waits(community, case_id) == ["check", "rating", "resident"]

        await eventually(handled_read, "the case's being read")
    connection = await asyncpg.connect(postgres_url)
    before = await connection.fetchrow("select * from state where case_id = $1", case_id)
    noes = [
        (OTHER_COMMUNITY, ActorKind.STAFF, "check", PASSED, 403),
        (WATER, ActorKind.STAFF, "rate", ratings(WATER), 403),
        (None, ActorKind.RESIDENT, "resident-answer", SATISFIED, 403),
        (COMMUNITY, ActorKind.STAFF, "check", {"passed": False}, 422),
        (COMMUNITY, ActorKind.STAFF, "rate", ratings("dept-health"), 422),
        (HUB, ActorKind.STAFF, "check", PASSED, 409),
    ]
    for unit, kind, path, body, status in noes:
        async with feedback.asked_by(unit, kind) as client:
            response = await client.post(f"/reviews/{case_id}/{path}", json=body)
            assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert await connection.fetchrow("select * from state where case_id = $1", case_id) == before
    assert await connection.fetchval("select count(*) from log") == 1  # the resident was asked
    assert await connection.fetchval("select count(*) from door") == 0
    assert await connection.fetchval("select sequence from head where shard = $1", shard_of(case_id)) == 1
    await connection.close()
