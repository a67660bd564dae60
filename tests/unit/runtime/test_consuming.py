"""The consumer's loop over a client that a test controls: which offsets it commits, and when it begins again."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, KafkaConnectionError

from shared.contracts.envelope import encode
from shared.contracts.facts import ReportProgressed
from shared.runtime.consumer import Consumer
from shared.runtime.decision import Fate, Input, Outcome
from shared.runtime.road import Road
from shared.runtime.settings import KafkaSettings
from tests.unit.runtime.test_codec import EVENT
from tests.unit.runtime.test_consumer import Record
from tests.unit.runtime.toys import CASE, Toy

AT = TopicPartition("whistles", 0)


class Broker:
    """One partition; every client reads it from the committed offset."""

    def __init__(self, sequences: Sequence[int], notes: Mapping[int, str]) -> None:
        self.records = [
            Record("whistles", _event(sequence, notes.get(sequence, f"n{sequence}")), (), 0, offset)
            for offset, sequence in enumerate(sequences)
        ]
        self.committed = 0
        self.clients = 0
        self.refuses_commits = False


class Client:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._position = broker.committed
        self._client = self
        broker.clients += 1

    async def close(self) -> None:
        """Its connections."""

    def subscribe(self, pattern: str, listener: Any) -> None:
        self._listener = listener

    async def start(self) -> None:
        if self._broker.clients == 1:
            raise KafkaConnectionError("not there yet")
        await self._listener.on_partitions_assigned([AT])

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        await asyncio.sleep(0)
        if not timeout_ms:
            return {}  # it holds nothing that was not waited for
        found = self._broker.records[self._position : self._position + 2]
        self._position += len(found)
        return {AT: found} if found else {}

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self._broker.refuses_commits:
            raise CommitFailedError("the group moved on")
        self._broker.committed = offsets[AT]

    def highwater(self, at: TopicPartition) -> int:
        return len(self._broker.records)

    async def stop(self) -> None:
        await self._listener.on_partitions_revoked([AT])


def _event(sequence: int, note: str) -> bytes:
    return encode(replace(EVENT, subject=CASE, sequence=sequence, fact=ReportProgressed(note=note)))


class Sometimes(Road[Any]):
    """Cannot even bury a message, so many times."""

    failures = 0

    async def travel(self, inputs: Sequence[Input[Any]], patience: float | None = None) -> list[Outcome]:
        if self.failures:
            self.failures -= 1
            return [Outcome(Fate.FAILED, note="no")] * len(inputs)
        return await super().travel(inputs, patience)


async def consume(toy: Toy, broker: Broker, expected: tuple[str, ...]) -> Consumer:
    """Run until the toy has taken what is expected, then stop."""
    now = 0.0

    async def sleep(_seconds: float) -> None:
        nonlocal now
        now += 1
        await asyncio.sleep(0)

    def connect(_settings: KafkaSettings, _group: str) -> Any:
        return Client(broker)

    assigned: list[int] = []
    consumer = Consumer(
        "toy", KafkaSettings(), ["whistles"], toy.road, assigned.extend, 5.0,
        connect=connect, sleep=sleep, monotonic=lambda: now,
    )  # fmt: skip
    task = asyncio.create_task(consumer.run())
    for _ in range(2_000):
        if toy.taken() == expected and consumer._read.get(AT) == len(broker.records):
            break
        await asyncio.sleep(0)
    consumer.stop()
    await asyncio.wait_for(task, 5)
    assert toy.taken() == expected
    assert assigned[0] == 0
    return consumer


@pytest.mark.parametrize(
    ("sequences", "taken", "committed"),
    [
        ([1, 2, 3], ("n1", "n2", "n3"), 3),
        ([1, 1, 2, 2, 3], ("n1", "n2", "n3"), 5),
        ([1, 3, 4, 5], ("n1",), 0),  # both of the first poll, for 3 is ahead
        ([1, 2, 4, 5], ("n1", "n2"), 2),
        ([1, 2, 4, 3, 4], ("n1", "n2", "n3", "n4"), 5),
        ([1, 2, 4, 5, 3], ("n1", "n2", "n3"), 2),  # 4 and 5 were skipped and are not back yet
    ],
)
async def test_offsets_never_pass_work(sequences: list[int], taken: tuple[str, ...], committed: int) -> None:
    toy, broker = Toy(), Broker(sequences, {})
    await consume(toy, broker, taken)

    assert broker.committed == committed


async def test_after_a_restart_a_gap_is_seen_again() -> None:
    toy, broker = Toy(), Broker([1, 2, 4, 5], {})
    for _ in range(2):
        consumer = await consume(toy, broker, ("n1", "n2"))
        assert consumer.gaps.waits_at("whistles", 0)


async def test_what_can_neither_be_done_nor_buried_is_read_again_until_it_can() -> None:
    toy, broker = Toy(), Broker([1, 2, 3], {})
    road = Sometimes("toy", toy.store, toy.states, toy.road._decide, toy.outlet)
    road.failures = 3
    toy.road = road
    await consume(toy, broker, ("n1", "n2", "n3"))

    assert broker.clients == 5  # one could not connect, three failed
    assert broker.committed == 3


async def test_a_poisonous_message_does_not_hold_up_the_others() -> None:
    toy, broker = Toy(), Broker([1, 2, 3], {2: "poison"})
    await consume(toy, broker, ("n1", "n3"))

    assert broker.committed == 3
    assert len(toy.buried()) == 1


async def test_a_commit_that_is_refused_does_no_harm() -> None:
    toy, broker = Toy(), Broker([1, 2, 3], {})
    broker.refuses_commits = True
    await consume(toy, broker, ("n1", "n2", "n3"))
    broker.refuses_commits = False
    await consume(toy, broker, ("n1", "n2", "n3"))

    assert broker.committed == 3
