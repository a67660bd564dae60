"""The live statistics on a real broker: counted once through deaths, and made again from `cases` alone."""

import asyncio
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode, encode
from shared.contracts.topics import CASES, SURGES, shard_of
from shared.runtime.kafka import connection_options, create_topics
from shared.runtime.settings import KafkaSettings
from tests.integration.feedback.conftest import WITHIN_SECONDS, eventually
from tests.unit.feedback import lives
from tests.unit.feedback.lives import MARKET, RUBBISH, WATER

pytestmark = pytest.mark.timeout(240)

FEW, MANY = 7, 30
STOPS_WITHIN_SECONDS = 10


class Log:
    """The router's log, as its relay publishes it: a sequence for each shard."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._producer = AIOKafkaProducer(**connection_options(kafka))
        self._sequences: Counter[int] = Counter()

    async def __aenter__(self) -> "Log":
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def tell(self, case: UUID, *facts: f.Fact, at: datetime | None = None) -> None:
        sent = []
        for fact in facts:
            shard = shard_of(case)
            self._sequences[shard] += 1
            event = Envelope(
                str(uuid4()), "/chuishao/router", case, at or datetime.now(UTC), fact, self._sequences[shard]
            )
            sent.append(await self._producer.send(CASES, encode(event), partition=shard))
        await asyncio.gather(*sent)

    async def say(self, value: bytes) -> None:
        await self._producer.send_and_wait(CASES, value, partition=0)


class Live:
    """The process, started again whenever a test asks for it."""

    def __init__(self, kafka: KafkaSettings, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._url = f"http://127.0.0.1:{free.getsockname()[1]}"
            port = free.getsockname()[1]
        self._environment = {
            "PATH": os.environ["PATH"],
            "CHUISHAO_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "CHUISHAO_HTTP_PORT": str(port),
            "CHUISHAO_LIVE_FOLDER": str(folder / "live"),
        }
        self.log = folder / "live.log"
        self._process: asyncio.subprocess.Process | None = None
        self._edition = 1

    async def start(self, edition: int) -> None:
        self._edition = edition
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "services.feedback.live",
                env=self._environment | {"CHUISHAO_LIVE_EDITION": str(edition)},
                stdout=log,
                stderr=log,
            )
        await eventually(self._is_ready, f"the live statistics' readiness (see {self.log})")

    async def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self.log.read_text(encoding="utf-8")[-4000:]
        return await self.answers("/health/ready") is not None

    async def answers(self, path: str) -> Any:
        """What a door answers; None where it does not, or not well."""
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                found = await client.get(self._url + path)
            except httpx.TransportError:
                return None
        if found.status_code != 200:
            return None
        return found.json() if "json" in found.headers["content-type"] else found.text

    async def shows(self, expected: Any) -> None:
        found: Any = None

        async def same() -> bool:
            nonlocal found
            if self._process is not None and self._process.returncode == 1:
                await self.start(self._edition)  # as its supervisor would: it says itself when it stands still
            found = await self.answers("/live")
            return bool(found == expected)

        try:
            await eventually(same, "the numbers")
        except AssertionError as error:
            metrics = await self.answers("/metrics") or ""
            fates = [line for line in metrics.splitlines() if line.startswith("chuishao_live_events")]
            raise AssertionError(f"{error}: {found} is not {expected}; {fates}; see {self.log}") from None

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """Ask it to stop; its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), STOPS_WITHIN_SECONDS)

    async def end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()


@pytest.fixture
async def edition(kafka_settings: KafkaSettings) -> AsyncIterator[int]:
    """`cases` and `surges`, empty, and a number that no other run has used."""
    await _delete(kafka_settings)
    await create_topics(kafka_settings, [CASES, SURGES])
    yield random.randrange(10, 1_000_000)
    await _delete(kafka_settings)


async def _delete(kafka: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(**connection_options(kafka))
    await admin.start()

    async def ours() -> list[str]:
        names = await admin.list_topics()
        return [name for name in names if name in (CASES, SURGES) or name.startswith("chuishao-live")]

    async def gone() -> bool:
        return not await ours()

    try:
        if there := await ours():
            await admin.delete_topics(there)
        await eventually(gone, "the topics' end")
    finally:
        await admin.close()


@pytest.fixture
async def live(kafka_settings: KafkaSettings, tmp_path: Path) -> AsyncIterator[Live]:
    service = Live(kafka_settings, tmp_path)
    yield service
    await service.end()


async def surges(kafka: KafkaSettings) -> list[Envelope]:
    """Everything told on `surges` until now."""
    consumer = AIOKafkaConsumer(**connection_options(kafka), group_id=None, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(SURGES, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        found: list[Envelope] = []
        until = time.monotonic() + WITHIN_SECONDS
        while len(found) < end:
            assert time.monotonic() < until
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [decode(record.value) for record in records]
        return found
    finally:
        await consumer.stop()


def cases(number: int, first: int) -> Sequence[UUID]:
    """Over all shards."""
    return [UUID(int=first + place) for place in range(number)]


def row(**numbers: int) -> dict[str, int]:
    return {"received": 0, "dispatched": 0, "overdue": 0, "closed": 0, "rated": 0} | numbers


async def test_counted_once_through_deaths_and_made_again_from_the_log(
    kafka_settings: KafkaSettings, edition: int, live: Live
) -> None:
    async with Log(kafka_settings) as log:
        await log.say(b"no event")
        for case in cases(MANY, first=1000):
            steps = lives.dispatched(WATER, MARKET), lives.overdue(WATER), lives.closed(WATER, MARKET)
            await log.tell(case, lives.opened(str(case), address=f"{case.int}村", category=()), *steps)
        await log.tell(UUID(int=1000), lives.archived())
        now = datetime.now(UTC)
        clustered = cases(4, first=2000)
        for hour, case in enumerate(clustered):
            opened = lives.opened(f"HA-{case.int}", address=f"湖畔社区{hour}号楼", category=RUBBISH)
            await log.tell(case, opened, lives.dispatched(WATER, category=RUBBISH), at=now - timedelta(hours=5 - hour))

        await live.start(edition)
        counts = {
            "unit": {
                WATER: row(dispatched=MANY + 4, overdue=MANY, closed=MANY, rated=MANY),
                MARKET: row(dispatched=MANY, closed=MANY, rated=MANY),
            },
            "category": {
                "其他": row(received=MANY),
                lives.PIPES[0]: row(dispatched=MANY, overdue=MANY, closed=MANY, rated=MANY),
                RUBBISH[0]: row(received=4, dispatched=4),
            },
        }
        surge = {
            "kind": "place",
            "key": "110199001001 湖畔社区",
            "shown": "湖畔社区",
            "region": "110199001001",
            "since": (now - timedelta(hours=5)).isoformat(),
            "usual_per_day": 0.02,
            "count": 4,
            "cases": [{"case_id": str(case), "number": f"HA-{case.int}"} for case in clustered],
        }
        expected = {
            "hours": counts,
            "days": counts,
            "open": {"units": {WATER: 4}, "categories": {RUBBISH[0]: 4}},
            "surges": [surge],
        }
        await live.shows(expected)
        assert 'chuishao_live_events_total{fate="unreadable"} 1.0' in await live.answers("/metrics")
        (told,) = await surges(kafka_settings)
        assert isinstance(told.fact, f.SurgeFound)
        assert (told.fact.key, told.fact.cases) == ("湖畔社区", tuple(clustered))

        # Killed, it goes on from its tables' own topics, and what it had read before it died counts once.
        await live.kill()
        for case in cases(FEW, first=3000):
            await log.tell(case, lives.opened(str(case), address="", category=()))
        counts["category"]["其他"] = row(received=MANY + FEW)
        expected["open"] = {"units": {WATER: 4}, "categories": {RUBBISH[0]: 4, "其他": FEW}}
        await live.start(edition)
        await live.shows(expected)
        assert await live.stop() == 0

        # The next edition has nothing but `cases`.
        await live.start(edition + 1)
        await live.shows(expected)
        assert {one.id for one in await surges(kafka_settings)} == {told.id}
        assert await live.stop() == 0
