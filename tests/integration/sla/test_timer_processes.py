"""Two processes of sla share the shards. One dies, or freezes, wherever it may: the other takes over within seconds."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import orjson
import psutil
import pytest

from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES, SHARDS
from shared.contracts.vocabulary import Urgency
from shared.runtime.kafka import create_topics
from shared.runtime.log import GENESIS, Head, Row, verify_chain
from shared.runtime.settings import KafkaSettings
from tests.integration.sla.processes import Router, Sla, routing, service
from tests.unit.sla import builders as b

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

REDS = ("sign_in", "handle")
"""A critical case that was dispatched and lies there, by the rehearsal's policy: red after 3 and 4 seconds."""
AT_MOST = timedelta(seconds=30)
"""Generous, because the machine may be busy: the broker notices a death after 6 s, PostgreSQL a frozen one after 15."""


class Kept:
    """What sla's log says."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def reds(self, cases: Collection[UUID]) -> list[tuple[UUID, str, datetime, datetime]]:
        """(case, obligation, due, fired), each as often as it is in the log."""
        rows = await self._connection.fetch("select case_id, event from log where case_id = any($1::uuid[])", cases)
        found = []
        for row in rows:
            event = orjson.loads(row["event"])
            if event["type"] == f.DeadlineOverdue.type_name():
                data = event["data"]
                times = (datetime.fromisoformat(data[name]) for name in ("due_at", "fired_at"))
                found.append((row["case_id"], data["obligation"], *times))
        return [one for one in found if one[1] in REDS]

    async def until_all_fired(self, cases: Collection[UUID]) -> timedelta:
        """Returns how late the latest was, once each has fired; each once, and none early."""
        expected = Counter({(case_id, obligation): 1 for case_id in cases for obligation in REDS})
        await _until(lambda: self._has_all(cases, len(expected)), 90)
        found = await self.reds(cases)
        assert Counter((case_id, obligation) for case_id, obligation, _, _ in found) == expected
        assert all(fired >= due for _, _, due, fired in found)
        return max(fired - due for _, _, due, fired in found)

    async def _has_all(self, cases: Collection[UUID], number: int) -> bool:
        return len(await self.reds(cases)) >= number

    async def verify(self) -> None:
        """The chains hold, and no step of any deadline is there twice."""
        for shard in range(SHARDS):
            rows = await self._connection.fetch("select * from log where shard = $1 order by sequence", shard)
            assert verify_chain([Row(**dict(row)) for row in rows], Head(shard, 0, GENESIS, 0)) == []
        steps: Counter[tuple[object, ...]] = Counter()
        for row in await self._connection.fetch("select case_id, event from log"):
            event = orjson.loads(row["event"])
            data = event["data"]
            if "fired_at" in data:
                name = (data["unit"], data["obligation"], data["generation"], data.get("rung"))
                steps[row["case_id"], event["type"], *name] += 1
        assert set(steps.values()) == {1}


async def _until(holds: Callable[[], Awaitable[bool]], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.1)


async def _lying_there(router: Router, number: int) -> list[UUID]:
    """Critical cases in every shard that nobody signs in for."""
    cases = [UUID(int=(uuid4().int // SHARDS) * SHARDS + place % SHARDS) for place in range(number)]
    for case_id in cases:
        facts = (b.opened(urgency=Urgency.CRITICAL), b.accepted(Urgency.CRITICAL), b.dispatched("util-water"))
        await router.state(case_id, *facts)
    return cases


async def _started(sla: Sla, failpoint: str = "") -> None:
    await sla.start(failpoint)
    await sla.ready()


async def test_killed_wherever_it_may_each_fires_once(hurried_url: str, kafka_settings: KafkaSettings) -> None:
    """The survivor lives through all of it; one after another joins it and dies at another place."""
    await create_topics(kafka_settings, [CASES, DEADLINES])
    connection = await asyncpg.connect(hurried_url)
    kept = Kept(connection)
    late = {}
    async with routing(kafka_settings) as router, service(hurried_url, kafka_settings) as survivor:
        await _started(survivor)
        for place in ("after_claim", "after_taking", "before_commit:3", "after_firing", "after_publish:2"):
            async with service(hurried_url, kafka_settings) as victim:
                await _started(victim, place)
                cases = await _lying_there(router, 2 * SHARDS)
                async with asyncio.timeout(60):
                    assert await victim.ended() == -signal.SIGKILL
                late[place] = await kept.until_all_fired(cases)
        await kept.verify()
    await connection.close()
    shown = ", ".join(f"{place} {one.total_seconds():.1f} s" for place, one in late.items())
    print(f"\nfrom a deadline's time to its red, where the owner died: {shown}")  # noqa: T201
    assert max(late.values()) < AT_MOST


async def test_frozen_in_the_middle_and_thawed_it_fires_nothing_twice(
    hurried_url: str, kafka_settings: KafkaSettings
) -> None:
    """It stands still inside its transaction, the heads locked; it wakes when all is done and is one of two again."""
    await create_topics(kafka_settings, [CASES, DEADLINES])
    connection = await asyncpg.connect(hurried_url)
    kept = Kept(connection)
    async with routing(kafka_settings) as router, service(hurried_url, kafka_settings) as other:
        await _started(other)
        async with service(hurried_url, kafka_settings) as frozen:
            await _started(frozen, "after_taking:1:SIGSTOP")
            process = psutil.Process(frozen.pid)
            cases = await _lying_there(router, 2 * SHARDS)

            async def stands_still() -> bool:
                return process.status() == psutil.STATUS_STOPPED

            await _until(stands_still, 60)
            late = await kept.until_all_fired(cases)
            os.kill(frozen.pid, signal.SIGCONT)
            await frozen.ready()
            await kept.until_all_fired(await _lying_there(router, 2 * SHARDS))
            await kept.until_all_fired(cases)
            await kept.verify()
    await connection.close()
    print(f"\nfrom a deadline's time to its red, where the owner froze: {late.total_seconds():.1f} s")  # noqa: T201
    assert late < AT_MOST
