"""The load generator's machinery: loops started at a pace, followed on the topics, timed; one process of its own.

It holds as little as it can: an event is told by its key and its type, which are found in the bytes without reading
the rest, so that what is measured is not the one who measures.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

MILLISECONDS = 1000.0
LOOK_SECONDS = 0.005
TELL_SECONDS = 1.0
TYPE_WITHIN = 400
"""The type stands among the first bytes of an event, whatever the id and the source are."""

_TYPE = b'"type":"cn.chuishao.'


@dataclass(frozen=True, slots=True)
class Pace:
    """How loops are started: so many under way at a time, or so many a second.

    `warm` seconds go before those that are measured; `drain`: afterwards wait until none is under way.
    """

    name: str
    seconds: float
    warm: float = 0.0
    under_way: int | None = None
    rate: float | None = None
    drain: bool = True


@dataclass(slots=True)
class Step:
    """What was seen of one pace, between the end of its warming and its own end. Times in seconds."""

    pace: Pace
    began: float = 0.0
    ended: float = 0.0
    started: int = 0
    finished: int = 0
    offered: int = 0
    requests: int = 0
    backlog: int = 0
    """Under way at its end."""
    latencies_ms: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0


class Feed(Protocol):
    """Starts loops."""

    async def start(self, number: int, due: float) -> None:
        """Start so many; `due` = when they were to be started, by the monotonic clock."""
        ...


class Watch:
    """Which loops are under way, and how long it took until they were assigned."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.started = 0
        self.closed = 0
        self.finished = 0
        self.requests = 0
        self.errors: Counter[str] = Counter()
        self.retries: Counter[str] = Counter()
        self.moved = time.monotonic()
        self._sent: dict[bytes, float] = {}
        self._assigned: dict[bytes, float] = {}
        self._measuring = False

    @property
    def under_way(self) -> int:
        """Not closed yet. Closed ones wait for the clock that archives them, which is nobody's work."""
        return self.started - self.closed

    def begin(self, number: int) -> None:
        self.started += number
        if self._measuring:
            self.steps[-1].started += number

    def known(self, case: bytes, due: float) -> None:
        """The door named the case of a loop that was due then."""
        assigned = self._assigned.pop(case, None)
        if assigned is None:
            self._sent[case] = due
        else:
            self._took(assigned - due)

    def assigned(self, case: bytes, at: float) -> None:
        sent = self._sent.pop(case, None)
        if sent is None:
            self._assigned[case] = at
        else:
            self._took(at - sent)

    def close(self) -> None:
        self.closed += 1
        self.moved = time.monotonic()

    def finish(self) -> None:
        self.finished += 1
        self.moved = time.monotonic()
        if self._measuring:
            self.steps[-1].finished += 1

    def _took(self, seconds: float) -> None:
        if self._measuring:
            self.steps[-1].latencies_ms.append(seconds * MILLISECONDS)

    def measure(self, pace: Pace) -> None:
        self.steps.append(Step(pace, began=time.monotonic(), cpu_seconds=_cpu(), requests=self.requests))
        self._measuring = True

    def measured(self) -> Step:
        self._measuring = False
        step = self.steps[-1]
        step.ended, step.cpu_seconds = time.monotonic(), _cpu() - step.cpu_seconds
        step.requests, step.backlog = self.requests - step.requests, self.under_way
        return step


Seen = Callable[[str, bytes, bytes, float], None]
"""`(topic, case id as text, the event's type without the prefix, when)`."""


async def follow(kafka: str, topics: dict[str, int], seen: Seen, ready: asyncio.Event) -> None:
    """Tell of every event on these topics (name: partitions) from where they end now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, fetch_max_wait_ms=50, max_partition_fetch_bytes=4 << 20)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for topic, partitions in topics.items() for number in range(partitions)]
        consumer.assign(places)
        await consumer.seek_to_end()
        for place in places:
            await consumer.position(place)
        ready.set()
        while True:
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                now = time.monotonic()
                for record in records:
                    seen(place.topic, record.key, type_of(record.value), now)
    finally:
        await consumer.stop()


def type_of(value: bytes | None) -> bytes:
    """The type of an event of ours: `case.handled.v1`; nothing where there is none."""
    if value is None:
        return b""
    begin = value.find(_TYPE, 0, TYPE_WITHIN)
    if begin < 0:
        return b""
    begin += len(_TYPE)
    return value[begin : value.find(b'"', begin)]


def make_producer(kafka: str) -> Any:
    return AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True, linger_ms=2)


class Pacer:
    """Runs one pace after the other. `tell(event, …)` hears when it begins and ends, and how it goes."""

    def __init__(
        self, watch: Watch, feed: Feed, tell: Callable[..., None], patience: float, every: float, most: int
    ) -> None:
        self._watch = watch
        self._feed = feed
        self._tell = tell
        self._patience = patience
        self._every = every
        self._most = most
        self._told = 0.0

    async def run(self, pace: Pace) -> Step:
        """What is told of begins with the warming and ends when all is drained: then every loop that cost anything
        is among those that it is divided by."""
        watch = self._watch
        before = watch.finished
        self._tell("begun", pace=pace.name)
        if pace.warm:
            await self._keep_up(pace, pace.warm)
        watch.measure(pace)
        offered = await self._keep_up(pace, pace.seconds)
        step = watch.measured()
        step.offered = offered
        if pace.drain:
            await self.drain()
        self._tell("done", pace=pace.name, loops=watch.finished - before)
        return step

    async def drain(self) -> None:
        """Until every loop is finished. Raises TimeoutError where nothing moves for so long."""
        watch = self._watch
        watch.moved = time.monotonic()
        while watch.finished < watch.started:
            if time.monotonic() - watch.moved > self._patience:
                left = watch.started - watch.finished
                raise TimeoutError(f"nothing moved for {self._patience:.0f} s, {left} loops are not finished")
            self._progress("draining")
            await asyncio.sleep(LOOK_SECONDS)

    async def _keep_up(self, pace: Pace, seconds: float) -> int:
        if pace.rate is None:
            return await self._keep_under_way(pace, seconds)
        return await self._keep_rate(pace, seconds)

    async def _keep_under_way(self, pace: Pace, seconds: float) -> int:
        watch, wanted, offered = self._watch, pace.under_way or 1, 0
        until = time.monotonic() + seconds
        pushes: set[asyncio.Task[None]] = set()
        while time.monotonic() < until:
            number = min(wanted - watch.under_way, self._most)
            # Few at a time would be many requests: they are sent when they are worth one.
            if number >= min(self._most, max(1, wanted // 10)):
                self._push(number, time.monotonic(), pushes)
                offered += number
            self._progress(pace.name)
            await asyncio.sleep(LOOK_SECONDS)
        await _all_of(pushes)
        return offered

    async def _keep_rate(self, pace: Pace, seconds: float) -> int:
        """Started when due, whether or not what came before was answered."""
        began, offered = time.monotonic(), 0
        pushes: set[asyncio.Task[None]] = set()
        while (now := time.monotonic()) < began + seconds:
            due = int((now - began) * (pace.rate or 0.0))
            while offered < due:
                number = min(due - offered, self._most)
                self._push(number, now, pushes)
                offered += number
            self._progress(pace.name)
            await asyncio.sleep(max(0.0, now + self._every - time.monotonic()))
        await _all_of(pushes)
        return offered

    def _push(self, number: int, due: float, pushes: set[asyncio.Task[None]]) -> None:
        self._watch.begin(number)
        task = asyncio.create_task(self._feed.start(number, due))
        pushes.add(task)
        task.add_done_callback(lambda done: _gone(done, pushes))

    def _progress(self, what: str) -> None:
        now = time.monotonic()
        if now - self._told >= TELL_SECONDS:
            self._told = now
            self._tell("progress", pace=what, started=self._watch.started, finished=self._watch.finished)


def _gone(task: asyncio.Task[None], pushes: set[asyncio.Task[None]]) -> None:
    """One that failed stays, so that its error is raised."""
    if not task.cancelled() and task.exception() is None:
        pushes.discard(task)


async def _all_of(pushes: set[asyncio.Task[None]]) -> None:
    if pushes:
        await asyncio.gather(*pushes)


def _cpu() -> float:
    times = os.times()
    return times.user + times.system
