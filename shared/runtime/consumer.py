"""The way in from Kafka: polls, turns messages into inputs, sends them down the road, commits offsets.

The offsets only say where to begin after a restart; what was consumed stands in the road's `progress`.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from shared.contracts.envelope import SEQUENCE_DIGITS, Undecodable, decode, holds_nul
from shared.contracts.topics import CASES, DEADLINES, FEEDBACK, WHISTLES, reporting_unit
from shared.runtime import failpoints, metrics, tracing
from shared.runtime.decision import DoorKey, Fate, Forgotten, FromDoor, FromLog, Input, Letter, Outcome
from shared.runtime.kafka import leave, make_consumer, poll, subscription
from shared.runtime.ports import Sleep
from shared.runtime.road import Road
from shared.runtime.settings import KafkaSettings

logger = structlog.get_logger(__name__)

LOGS = frozenset({WHISTLES, CASES, DEADLINES, FEEDBACK})
REPORTS_KEPT = timedelta(days=30)
COMMIT_SECONDS = 1.0
FIRST_DELAY_SECONDS = 0.2
NO_CASE = UUID(int=0)
_LONGEST_ID = 200
_LONGEST_SOURCE = 300


class NotStored(Exception):
    """A message could neither have its effect nor become a dead letter: read it again, later."""


def to_input(record: Any, logs: Collection[str] = LOGS) -> Input[Any]:
    """A Kafka record as an input. What cannot be read becomes one too, with the reason in `unreadable`."""
    headers = tuple((name, value or b"") for name, value in record.headers or ())
    letter = Letter(record.topic, record.partition, record.offset, record.value, headers)
    unit = reporting_unit(record.topic)
    place = f"{record.topic}/{record.partition}/{record.offset}"
    from_log = record.topic in logs
    if record.value is None and from_log and (sequence := _header_sequence(headers)):
        return Input(NO_CASE, Forgotten(), place, FromLog(record.topic, record.partition, sequence), letter=letter)
    try:
        envelope = decode(record.value, headers)
        if from_log and not envelope.sequence:
            raise Undecodable("sequence: missing, or not the number of a row of that log")
        if not from_log and (len(envelope.id) > _LONGEST_ID or len(envelope.source) > _LONGEST_SOURCE):
            raise Undecodable(f"id: at most {_LONGEST_ID} characters, source: at most {_LONGEST_SOURCE}")
        if holds_nul(record.value):
            raise Undecodable("a text holds a NUL character, which cannot be stored")
    except Undecodable as error:
        sequence = _header_sequence(headers) if from_log else 0
        origin = FromLog(record.topic, record.partition, sequence) if sequence else FromDoor(())
        return Input(NO_CASE, None, place, origin, unit, letter=letter, unreadable=str(error))
    if from_log:
        origin = FromLog(record.topic, record.partition, envelope.sequence)
    else:
        origin = FromDoor((DoorKey(f"{record.topic} {envelope.source}", envelope.id, keep=REPORTS_KEPT),))
    return Input(
        envelope.subject, envelope.fact, envelope.id, origin, unit, envelope.traceparent, letter, time=envelope.time
    )


def _header_sequence(headers: Sequence[tuple[str, bytes]]) -> int:
    for name, value in headers:
        if name == "sequence" and len(value) <= SEQUENCE_DIGITS and value.isdigit():
            return int(value)
    return 0


def _check_stored(inputs: Sequence[Input[Any]], outcomes: Sequence[Outcome]) -> None:
    for item, outcome in zip(inputs, outcomes, strict=True):
        if outcome.fate is Fate.FAILED:
            raise NotStored(f"{item.id}: {outcome.note}")


class Gaps:
    """Watches for sequences that stay missing: loss, noticed in production.

    A gap is open from the first message that is ahead until all is consumed up to the highest that was seen.
    """

    def __init__(self, service: str, alarm_seconds: float, monotonic: Callable[[], float]) -> None:
        self._service = service
        self._alarm_seconds = alarm_seconds
        self._monotonic = monotonic
        self._since: dict[tuple[str, int], float] = {}
        self._highest: dict[tuple[str, int], int] = {}
        self._notes: dict[tuple[str, int], str] = {}
        self.open: dict[tuple[str, int], str] = {}

    def see(self, inputs: Sequence[Input[Any]], outcomes: Sequence[Outcome]) -> None:
        for item, outcome in zip(inputs, outcomes, strict=True):
            if not isinstance(item.origin, FromLog):
                continue
            place = (item.origin.log, item.origin.shard)
            if outcome.fate is Fate.AHEAD:
                self._since.setdefault(place, self._monotonic())
                self._highest[place] = max(self._highest.get(place, 0), item.origin.sequence)
                self._notes[place] = outcome.note
            elif place in self._since:
                if item.origin.sequence >= self._highest[place]:
                    self._close(place)
                elif outcome.fate is not Fate.REPEAT:
                    self._since[place] = self._monotonic()  # the missing part is coming
        self.check()

    def waits_at(self, log: str, shard: int) -> bool:
        """Whether a sequence is missing there. What was read past it is read again after a restart."""
        return (log, shard) in self._since

    def forget_all_but(self, places: Collection[tuple[str, int]]) -> None:
        """Shards that another worker reads now are its to watch."""
        for place in self._since.keys() - set(places):
            self._close(place)

    def check(self) -> None:
        """Raise the alarm for what has been missing too long, also when nothing more arrives."""
        for place, since in self._since.items():
            if place not in self.open and self._monotonic() - since >= self._alarm_seconds:
                log, shard = place
                self.open[place] = self._notes[place]
                metrics.GAPS.labels(self._service, log, str(shard)).set(1)
                logger.error("gap: heal it with `chuishao log republish`", log=log, shard=shard, gap=self.open[place])

    def _close(self, place: tuple[str, int]) -> None:
        del self._since[place], self._highest[place], self._notes[place]
        if self.open.pop(place, None):
            metrics.GAPS.labels(self._service, place[0], str(place[1])).set(0)
            logger.info("gap closed", log=place[0], shard=place[1])


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """A service's consumer. `on_assigned` is told the shards of `primary` that this process now reads."""

    def __init__(
        self,
        service: str,
        settings: KafkaSettings,
        topics: Sequence[str],
        road: Road[Any],
        on_assigned: Callable[[Collection[int]], None],
        gap_alarm_seconds: float,
        logs: Collection[str] = LOGS,
        connect: Callable[[KafkaSettings, str], Any] = make_consumer,
        sleep: Sleep = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._settings = settings
        self._topics = topics
        self._primary = topics[0]
        self._road = road
        self._on_assigned = on_assigned
        self._logs = logs
        self._connect = connect
        self._sleep = sleep
        self._monotonic = monotonic
        self._clock = clock
        self._assigned: set[TopicPartition] = set()
        self._handled: dict[TopicPartition, int] = {}
        self._read: dict[TopicPartition, int] = {}
        self._stated: dict[TopicPartition, float] = {}
        self._labels: set[str] = set()
        self._partitions = metrics.PARTITIONS.labels(service)
        self.lag = 0
        self.connected = False
        self.joined = False
        self._committed_at = monotonic()
        self._delay = FIRST_DELAY_SECONDS
        self._kafka: Any = None
        self._stopping = False
        self.gaps = Gaps(service, gap_alarm_seconds, monotonic)

    @property
    def assigned(self) -> int:
        """How many partitions this process reads."""
        return len(self._assigned)

    def stop(self) -> None:
        """Finish the batch in hand, commit, leave the group and return from `run`."""
        self._stopping = True

    async def run(self) -> None:
        """Consume until stopped; builds a new client whenever the old one fails."""
        while not self._stopping:
            self._kafka = self._connect(self._settings, f"chuishao.{self._service}")
            try:
                self._kafka.subscribe(pattern=subscription(self._topics), listener=self)
                await self._kafka.start()
                self.connected = True
                await self._consume()
            except (KafkaError, IllegalStateError, NotStored, OSError, TimeoutError) as error:
                logger.warning("consumer interrupted", service=self._service, error=repr(error))
                await self._sleep(self._delay)
                self._delay = min(self._delay * 2, 5.0)
            finally:
                self.connected = self.joined = False
                self._partitions.set(0)
                await self._leave()

    async def _leave(self) -> None:
        await leave(self._kafka)

    async def _consume(self) -> None:
        while not self._stopping:
            found_now = await poll(self._kafka)
            polled = {at: found for at, found in found_now.items() if at in self._assigned}  # or another reads it now
            records: list[ConsumerRecord] = [record for found in polled.values() for record in found]
            if records:
                failpoints.reach("after_poll")
                inputs = [to_input(record, self._logs) for record in records]
                with tracing.poll(self._service, inputs):
                    outcomes = await self._road.travel(inputs)
                _check_stored(inputs, outcomes)
                self.gaps.see(inputs, outcomes)
                for at, found in polled.items():
                    self._read[at] = found[-1].offset + 1
                    self._stated[at] = found[-1].timestamp / 1000  # milliseconds
                    if not self.gaps.waits_at(at.topic, at.partition):
                        self._handled[at] = self._read[at]
            else:
                self.gaps.check()
            self._delay = FIRST_DELAY_SECONDS
            if self._monotonic() - self._committed_at >= COMMIT_SECONDS:
                await self._commit()
                self.measure_lag()
        await self._commit()

    async def _commit(self) -> None:
        self._committed_at = self._monotonic()
        ours = {at: offset for at, offset in self._handled.items() if at in self._assigned}
        if ours:
            failpoints.reach("before_offset_commit")
            with contextlib.suppress(CommitFailedError, IllegalStateError):
                # Refused where the group moved on: whoever reads now skips what had its effect.
                await self._kafka.commit(ours)
            self._handled = {at: offset for at, offset in self._handled.items() if ours.get(at) != offset}

    def measure_lag(self) -> None:
        """See how much of what this process reads it has not read yet, as far as the broker has said.

        Also called while a batch is stuck, when nobody else would say that more and more waits.
        """
        if not self.joined:
            return
        lags, ages, now = dict.fromkeys(self._labels, 0), dict.fromkeys(self._labels, 0.0), self._clock()
        for at in self._assigned:
            end, read = self._kafka.highwater(at), self._read.get(at)
            label = at.topic if at.topic in self._logs else "reports"
            unread = max(0, end - read) if end is not None and read is not None else 0
            lags[label] = lags.get(label, 0) + unread
            age = max(0.0, now - self._stated.get(at, now)) if unread else 0.0
            ages[label] = max(ages.get(label, 0.0), age)
        self.lag = sum(lags.values())
        self._labels |= lags.keys()
        for topic, lag in lags.items():
            metrics.LAG.labels(self._service, topic).set(lag)
            metrics.LAG_SECONDS.labels(self._service, topic).set(ages[topic])

    # --- the group's side

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        with contextlib.suppress(KafkaError):
            await self._commit()
        self._assigned -= set(revoked)
        self._partitions.set(len(self._assigned))

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._assigned = set(assigned)
        self.joined = True
        self._partitions.set(len(self._assigned))
        self._handled.clear()
        self._read.clear()
        self._stated.clear()
        self.gaps.forget_all_but({(at.topic, at.partition) for at in assigned})
        for at in assigned:
            if at.topic in self._logs:
                metrics.GAPS.labels(self._service, at.topic, str(at.partition))
        self._on_assigned({at.partition for at in assigned if at.topic == self._primary})


CAUGHT_UP_MESSAGES = 500
"""Fewer unread facts than one batch holds: they are decided before anything else is."""


def is_behind(consumer: Consumer | None) -> bool:
    """Whether facts wait in the topics that were not read yet: what is told or counted now would lack them."""
    return consumer is not None and (not consumer.joined or consumer.lag > CAUGHT_UP_MESSAGES)
