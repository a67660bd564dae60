"""Reading the topics: where it begins, what it passes over, and how it comes back."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError

from services.workbench import tail as tails
from services.workbench.feed import Feed
from services.workbench.tail import REWIND, TOPICS, Tail
from shared.contracts.envelope import encode
from shared.runtime.settings import KafkaSettings
from tests.unit.workbench import kit
from tests.unit.workbench.kit import NOW


class Broker:
    """Topics of one partition each. `failing` is raised by the next poll."""

    def __init__(self) -> None:
        self.topics: dict[str, list[bytes | None]] = {topic: [] for topic in TOPICS}
        self.begins: dict[str, int] = dict.fromkeys(TOPICS, 0)
        self.failing: BaseException | None = None
        self.clients: list[Client] = []
        self.stop_ends: BaseException | None = None

    def connect(self, _settings: KafkaSettings) -> "Client":
        self.clients.append(Client(self))
        return self.clients[-1]


class Client:
    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.at: dict[TopicPartition, int] = {}
        self.sought: dict[str, int] = {}
        self.closed = False
        self._client = self

    async def start(self) -> None: ...

    async def set_topics(self, topics: tuple[str, ...]) -> None: ...

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {0} if topic in self.broker.topics else None

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.at = dict.fromkeys(partitions, 0)

    def assignment(self) -> set[TopicPartition]:
        return set(self.at)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.at[partition] = offset
        self.sought[partition.topic] = offset

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {one: len(self.broker.topics[one.topic]) for one in partitions}

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {one: self.broker.begins[one.topic] for one in partitions}

    async def getmany(self, **_: object) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(0)
        if self.broker.failing is not None:
            failing, self.broker.failing = self.broker.failing, None
            raise failing
        found = {}
        for partition, at in self.at.items():
            values = self.broker.topics[partition.topic][at:]
            if values:
                found[partition] = [record(partition.topic, at + place, value) for place, value in enumerate(values)]
                self.at[partition] += len(values)
        return found

    async def stop(self) -> None:
        if self.broker.stop_ends is not None:
            raise self.broker.stop_ends

    async def close(self) -> None:
        self.closed = True


def record(topic: str, offset: int, value: bytes | None) -> Any:
    return SimpleNamespace(topic=topic, partition=0, offset=offset, value=value, headers=())


def closing(number: int) -> bytes:
    return encode(kit.envelope(kit.closed(f"第 {number} 次"), number))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "FIRST_DELAY_SECONDS", 0.001)


async def reading(broker: Broker, story: Callable[[Tail, Feed], Awaitable[None]]) -> None:
    feed = Feed()
    tail = Tail(KafkaSettings(), feed, lambda: NOW, broker.connect)
    running = asyncio.create_task(tail.run())
    try:
        async with asyncio.timeout(5):
            await story(tail, feed)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert all(client.closed for client in broker.clients)


async def until(holds: Callable[[], object]) -> None:
    while True:
        if holds():
            return
        await asyncio.sleep(0)


async def test_it_begins_a_little_before_the_end() -> None:
    broker = Broker()
    broker.topics["cases"] = [closing(number) for number in range(1, 101)]
    broker.topics["feedback"] = [closing(number) for number in range(1, 6)]

    async def story(tail: Tail, feed: Feed) -> None:
        await until(lambda: feed.serial == REWIND + 5)
        assert broker.clients[0].sought == dict.fromkeys(TOPICS, 0) | {"cases": 100 - REWIND}
        assert tail.problem is None

    await reading(broker, story)


async def test_it_never_begins_before_the_beginning() -> None:
    broker = Broker()
    broker.topics["cases"] = [closing(number) for number in range(1, 11)]
    broker.begins["cases"] = 8

    async def story(_tail: Tail, feed: Feed) -> None:
        await until(lambda: feed.serial == 2)

    await reading(broker, story)


async def test_it_stands_by_until_there_are_topics() -> None:
    broker = Broker()
    missing = broker.topics.pop("deadlines")

    async def story(tail: Tail, _feed: Feed) -> None:
        await until(lambda: tail.problem == "no such topics yet: deadlines")
        assert tail.since == NOW
        broker.topics["deadlines"] = missing
        await until(lambda: tail.problem is None)
        assert tail.since is None

    await reading(broker, story)


async def test_it_can_do_without_surges() -> None:
    broker = Broker()
    del broker.topics["surges"]
    broker.topics["cases"] = [closing(1)]

    async def story(tail: Tail, feed: Feed) -> None:
        await until(lambda: feed.serial == 1)
        assert tail.problem is None

    await reading(broker, story)


async def test_surges_are_news() -> None:
    broker = Broker()
    broker.topics["surges"] = [encode(kit.envelope(fact, case_id=kit.SURGE)) for fact in kit.SURGES]

    async def story(_tail: Tail, feed: Feed) -> None:
        await until(lambda: feed.serial == len(kit.SURGES))
        assert [item.fact for item in feed.since(0)] == kit.SURGES

    await reading(broker, story)


@pytest.mark.parametrize("ending", [None, asyncio.CancelledError(), RuntimeError("half closed")])
async def test_after_a_failure_it_goes_on_where_it_was(ending: BaseException | None) -> None:
    broker = Broker()
    broker.stop_ends = ending

    async def story(tail: Tail, feed: Feed) -> None:
        await until(lambda: tail.problem is None)
        broker.topics["cases"] += [closing(number) for number in range(1, 51)]
        await until(lambda: feed.serial == 50)
        broker.failing = KafkaConnectionError("gone")
        await until(lambda: tail.problem is not None)
        broker.topics["cases"] += [closing(number) for number in range(51, 101)]
        await until(lambda: feed.serial == 100)
        assert broker.clients[-1].sought["cases"] == 50
        assert tail.problem is None

    await reading(broker, story)


async def test_topics_made_anew_are_read_from_near_their_end() -> None:
    broker = Broker()
    broker.topics["cases"] = [closing(number) for number in range(1, 51)]

    async def story(tail: Tail, feed: Feed) -> None:
        await until(lambda: feed.serial == REWIND)
        broker.topics["cases"] = [closing(number) for number in range(1, 4)]
        broker.failing = OffsetOutOfRangeError({})
        await until(lambda: feed.serial == REWIND + 3)
        assert tail.problem is None

    await reading(broker, story)


async def test_what_cannot_be_read_is_passed_over() -> None:
    broker = Broker()

    async def story(tail: Tail, feed: Feed) -> None:
        await until(lambda: tail.problem is None)
        broker.topics["cases"] += [None, b"\xff", b"{}", b'{"specversion":"1.0","type":"cn.chuishao.x.v9"}', closing(1)]
        await until(lambda: feed.serial == 1)

    await reading(broker, story)
