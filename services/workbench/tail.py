"""Reads the four logs' topics and `surges` from their end, without a group: every workbench sees everything.

After a broker's restart it goes on where it was. What it cannot read it counts and passes over; the services
that decide something have their dead letters for it.
"""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError

from services.workbench import metrics
from services.workbench.feed import Feed
from shared.contracts.envelope import MAXIMUM_BYTES, Undecodable, decode
from shared.contracts.topics import CASES, DEADLINES, FEEDBACK, SURGES, WHISTLES
from shared.runtime.kafka import connection_options, leave
from shared.runtime.settings import KafkaSettings

logger = structlog.get_logger(__name__)

LOGS = (WHISTLES, CASES, DEADLINES, FEEDBACK)
TOPICS = (*LOGS, SURGES)
"""Without the logs nothing is read; `surges` may not be there: the loop can do without."""
REWIND = 20
"""Messages of each partition read again at the start, so that a fresh board is not empty."""
PROBE_SECONDS = 2.0
START_SECONDS = 6.0
FIRST_DELAY_SECONDS = 0.2
FAULTS = (KafkaError, IllegalStateError, OSError, TimeoutError)


class NotThere(OSError):
    """The topics do not exist yet."""


def connect(settings: KafkaSettings) -> AIOKafkaConsumer:
    """A consumer of no group: it is assigned what it reads, and commits nothing."""
    return AIOKafkaConsumer(
        **connection_options(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=4 * MAXIMUM_BYTES,
        fetch_max_wait_ms=100,
        metadata_max_age_ms=15_000,
        request_timeout_ms=5_000,
    )


class Tail:
    """Feeds the board from Kafka until cancelled; `problem` says why it cannot, `since` since when."""

    def __init__(
        self,
        settings: KafkaSettings,
        feed: Feed,
        now: Callable[[], datetime],
        connect: Callable[[KafkaSettings], Any] = connect,
    ) -> None:
        self._settings = settings
        self._feed = feed
        self._now = now
        self._connect = connect
        self._next: dict[TopicPartition, int] = {}
        self.problem: str | None = "not connected yet"
        self.since: datetime | None = now()

    async def run(self) -> None:
        """Read until cancelled; builds a new client whenever the old one fails."""
        delay = FIRST_DELAY_SECONDS
        while True:
            kafka = self._connect(self._settings)
            try:
                async with asyncio.timeout(START_SECONDS):
                    await kafka.start()
                await self._begin(kafka)
                self._well()
                delay = FIRST_DELAY_SECONDS
                await self._read_on(kafka)
            except OffsetOutOfRangeError:
                logger.warning("the topics were shortened or made anew; going on at their end")
                self._next.clear()
                self._feed.begin_anew()
            except FAULTS as error:
                self._ill(str(error) or f"{type(error).__name__}: no answer in time")
            finally:
                await leave(kafka)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)

    async def _begin(self, kafka: Any) -> None:
        """Take all partitions: at the place reached before, or a few messages before the end."""
        # A client asks only for the topics it was told of.
        async with asyncio.timeout(START_SECONDS):
            await kafka._client.set_topics(TOPICS)
        partitions = _partitions(kafka)
        missing = set(LOGS) - {partition.topic for partition in partitions}
        if missing:
            raise NotThere(f"no such topics yet: {', '.join(sorted(missing))}")
        kafka.assign(partitions)
        ends = await self._probe(kafka, partitions)
        async with asyncio.timeout(START_SECONDS):
            starts = await kafka.beginning_offsets(partitions)
        for partition, end in ends.items():
            place = self._next.get(partition, max(starts[partition], end - REWIND))
            kafka.seek(partition, min(max(place, starts[partition]), end))

    async def _read_on(self, kafka: Any) -> None:
        probe = asyncio.create_task(self._probe_on(kafka))
        try:
            while not probe.done():
                polled = await kafka.getmany(timeout_ms=500, max_records=500)
                for partition, records in polled.items():
                    for record in records:
                        self._take(record)
                    self._next[partition] = records[-1].offset + 1
            await probe
        finally:
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)

    async def _probe_on(self, kafka: Any) -> None:
        """Ask the broker for something now and then: a fetch that waits does not notice that it is gone."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            await self._probe(kafka, kafka.assignment())

    async def _probe(self, kafka: Any, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        async with asyncio.timeout(2 * PROBE_SECONDS):
            found: dict[TopicPartition, int] = await kafka.end_offsets(list(partitions))
        return found

    def _take(self, record: Any) -> None:
        try:
            envelope = decode(record.value, tuple(record.headers or ()))
        except Undecodable as error:
            metrics.UNREADABLE.labels(record.topic).inc()
            place = f"{record.topic}/{record.partition}/{record.offset}"
            logger.info("passed over what cannot be read", place=place, why=str(error))
            return
        if self._feed.take(record.topic, record.partition, envelope):
            metrics.FACTS_SEEN.labels(record.topic).inc()

    def _well(self) -> None:
        if self.problem is not None:
            logger.info("reading from the broker")
        self.problem = self.since = None
        metrics.BROKER.set(1)

    def _ill(self, why: str) -> None:
        if self.problem is None or self.since is None:
            self.since = self._now()
            logger.warning("the broker is away", why=why)
        self.problem = why
        metrics.BROKER.set(0)


def _partitions(kafka: Any) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic in TOPICS for number in kafka.partitions_for_topic(topic) or ()]
