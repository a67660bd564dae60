"""From the log to the topic."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from shared.contracts.envelope import MAXIMUM_BYTES
from shared.runtime.memory import Away, MemoryOwnership, MemoryStore
from shared.runtime.relay import KEPT_ROWS, LOOK_SECONDS, READ_ROWS, Message, Relay, message_for, no_projection
from shared.runtime.road import Road
from tests.unit.runtime.toys import CASE, NOW, State, Toy, decide, from_door, report

SHARD = 0


class Topic:
    """A broker that may be away, or take some and fail."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.failures: list[int] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        await asyncio.sleep(0)
        if self.failures:
            self.sent += messages[: self.failures.pop(0)]
            raise OSError("the broker is away")
        self.sent += messages

    def sequences(self, topic: str = "log") -> list[int]:
        return [int(dict(message.headers)["sequence"]) for message in self.sent if message.topic == topic]


class Process:
    """A road and a relay on one store, with a clock that a test moves."""

    def __init__(self, store: MemoryStore, topic: Topic, project: Any = no_projection) -> None:
        self.now = 0.0
        self.delays: list[float] = []
        self.toy = Toy(store)
        self.relay = Relay("toy", "log", store, topic, project, self._sleep, lambda: self.now)
        self.road: Road[State] = Road("toy", store, self.toy.states, decide, self.relay)

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        await asyncio.sleep(0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.relay.run())
        yield
        self.relay.stop()
        await asyncio.wait_for(task, 10)


async def until(condition: Any) -> None:
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come about")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: NOW)


@pytest.fixture
def topic() -> Topic:
    return Topic()


async def test_rows_are_published_in_order_once(store: MemoryStore, topic: Topic) -> None:
    process = Process(store, topic)
    process.relay.want({SHARD})
    async with process.running():
        for number in range(20):
            await process.road.travel([from_door(f"note {number}")])
        await until(lambda: len(topic.sent) == 20)

    assert topic.sequences() == list(range(1, 21))
    assert store.tables.heads[SHARD].published == 20
    first = topic.sent[0]
    assert (first.partition, first.key, first.value) == (SHARD, str(CASE).encode(), store.tables.log[SHARD][0].event)


async def test_what_lies_there_already_is_published_first(store: MemoryStore, topic: Topic) -> None:
    process = Process(store, topic)
    await process.road.travel([from_door(f"note {number}") for number in range(READ_ROWS * 2 + 1)])
    process.relay.want({SHARD})
    async with process.running():
        await process.road.travel([from_door("last")])
        await until(lambda: store.tables.heads[SHARD].published == READ_ROWS * 2 + 2)

    assert topic.sequences() == list(range(1, READ_ROWS * 2 + 3))


async def test_what_another_process_appends_is_published_when_it_tells(store: MemoryStore, topic: Topic) -> None:
    holder, other = Process(store, topic), Process(store, topic)
    holder.relay.want({SHARD})
    async with holder.running(), other.running():
        await until(lambda: holder.relay.holds(SHARD))
        await other.road.travel([from_door("a")])
        await until(lambda: topic.sequences() == [1])


async def test_more_than_is_kept_in_memory_is_read_again(store: MemoryStore, topic: Topic) -> None:
    process = Process(store, topic)
    process.relay.want({SHARD})
    async with process.running():
        await until(lambda: process.relay.holds(SHARD))
        await process.road.travel([from_door(f"note {number}") for number in range(KEPT_ROWS + 1)])
        await until(lambda: len(topic.sent) == KEPT_ROWS + 1)

    assert topic.sequences() == list(range(1, KEPT_ROWS + 2))


@pytest.mark.parametrize("arrived", [0, 1, 3])
async def test_after_a_failure_it_goes_on_from_the_last_known(store: MemoryStore, topic: Topic, arrived: int) -> None:
    process = Process(store, topic)
    topic.failures = [arrived, 0]
    await process.road.travel([from_door(f"note {number}") for number in range(3)])
    process.relay.want({SHARD})
    async with process.running():
        await until(lambda: topic.sequences()[arrived:] == [1, 2, 3])

    assert process.delays == sorted(process.delays)
    assert len(process.delays) == 2


async def test_a_lost_session_costs_no_repeats_of_what_was_acknowledged(store: MemoryStore, topic: Topic) -> None:
    process = Process(store, topic)
    process.relay.want({SHARD})
    async with process.running():
        await process.road.travel([from_door("a"), from_door("b")])
        await until(lambda: len(topic.sent) == 2)
        store.drop_sessions()
        process.now += 2
        process.relay.look()
        await until(lambda: process.delays and process.relay.holds(SHARD))
        await process.road.travel([from_door("c")])
        await until(lambda: len(topic.sent) == 3)

    assert topic.sequences() == [1, 2, 3]


class CountingOwnership(MemoryOwnership):
    beats = 0

    async def heartbeat(self) -> None:
        type(self).beats += 1
        await super().heartbeat()


async def test_a_busy_relay_shows_that_it_lives(
    store: MemoryStore, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL drops a session that is silent; publishing without a pause must not look like death."""
    monkeypatch.setattr("shared.runtime.memory.MemoryOwnership", CountingOwnership)
    process = Process(store, topic)
    publish = topic.publish

    async def publish_and_append(messages: Sequence[Message]) -> None:
        await publish(messages)
        process.now += LOOK_SECONDS
        if len(topic.sent) < 10:
            await process.road.travel([from_door(f"note {len(topic.sent)}")])

    topic.publish = publish_and_append  # type: ignore[method-assign]
    await process.road.travel([from_door("first")])
    process.relay.want({SHARD})
    async with process.running():
        await until(lambda: len(topic.sent) == 10)
        assert CountingOwnership.beats >= 10


async def test_a_shard_goes_to_who_wants_it(store: MemoryStore, topic: Topic) -> None:
    one, other = Process(store, topic), Process(store, topic)
    async with one.running(), other.running():
        one.relay.want({0, 1})
        await until(lambda: one.relay.holds(0) and one.relay.holds(1))
        other.relay.want({1})
        one.relay.want({0})
        await until(lambda: not one.relay.holds(1))
        other.now += 1
        await until(lambda: other.relay.holds(1))

    assert one.relay.published(0) == 0


async def test_it_survives_the_store_being_away(store: MemoryStore, topic: Topic) -> None:
    process = Process(store, topic)
    await process.road.travel([from_door("a")])
    store.away = True
    process.relay.want({SHARD})
    async with process.running():
        await until(lambda: len(process.delays) > 3)
        store.away = False
        await until(lambda: topic.sequences() == [1])


async def test_republishing_goes_on_to_the_end(store: MemoryStore, topic: Topic) -> None:
    process = Process(store, topic)
    await process.road.travel([from_door(f"note {number}") for number in range(READ_ROWS + 10)])

    assert await process.relay.republish(SHARD, 5) == READ_ROWS + 6
    assert topic.sequences() == list(range(5, READ_ROWS + 11))
    assert await process.relay.republish(SHARD, READ_ROWS + 11) == 0


async def test_outsiders_are_told_with_the_event(store: MemoryStore, topic: Topic) -> None:
    def project(envelope: Any) -> Sequence[Message]:
        return [message_for("assignments.x", envelope.subject, envelope.fact.note.encode())]

    process = Process(store, topic, project)
    await process.road.travel([from_door("a"), from_door("b")])
    await process.relay.republish(SHARD, 1)

    assert [(message.topic, message.value) for message in topic.sent if message.topic != "log"] == [
        ("assignments.x", b"a"),
        ("assignments.x", b"b"),
    ]


async def test_a_redacted_event_is_a_tombstone_that_tells_outsiders_nothing(store: MemoryStore, topic: Topic) -> None:
    process = Process(store, topic, lambda _: [message_for("assignments.x", CASE, b"secret")])
    await process.road.travel([from_door("a")])
    store.tables.log[SHARD][0] = replace(store.tables.log[SHARD][0], event=None)
    await process.relay.republish(SHARD, 1)

    assert [(message.topic, message.value, dict(message.headers)["sequence"]) for message in topic.sent] == [
        ("log", None, b"1")
    ]


async def test_dead_letters_go_to_their_topic_once(store: MemoryStore, topic: Topic) -> None:
    process = Process(store, topic)
    large = report("poison", 2)
    assert large.letter is not None
    large = replace(large, letter=replace(large.letter, value=b"x" * (MAXIMUM_BYTES + 1)))
    async with process.running():
        await process.road.travel([report("refused", 1), large])
        await until(lambda: len(topic.sent) == 2)
        process.now += 2
        process.relay.look()
        await process.road.travel([report("refused too", 3)])
        await until(lambda: len(topic.sent) == 3)

    assert [message.topic for message in topic.sent] == ["reports.x.dlq"] * 3
    headers = [dict(message.headers) for message in topic.sent]
    assert [header["dead-letter"] for header in headers] == [b"1", b"2", b"3"]
    assert headers[0]["reason"] == b"no: not this one"
    assert headers[1]["cut-from-bytes"] == str(MAXIMUM_BYTES + 1).encode()
    assert len(topic.sent[1].value or b"") == MAXIMUM_BYTES


async def test_a_letter_buried_by_a_process_that_died_is_found(store: MemoryStore, topic: Topic) -> None:
    process, dead = Process(store, topic), Toy(store)
    async with process.running():
        await until(lambda: not process.relay._letters_waiting)
        await dead.road.travel([report("refused", 1)])
        process.now += 2
        await until(lambda: len(topic.sent) == 1)


async def test_a_dropped_session_is_a_transient_fault(store: MemoryStore) -> None:
    async with store.ownership(lambda: None) as ownership:
        store.drop_sessions()
        with pytest.raises(Away):
            await ownership.heartbeat()


@pytest.mark.parametrize("steps", range(5))
async def test_cancelled_just_as_it_is_woken_it_ends(steps: int, store: MemoryStore, topic: Topic) -> None:
    process = Process(store, topic)
    process.relay.want({SHARD})
    task = asyncio.create_task(process.relay.run())
    await until(lambda: process.relay.holds(SHARD))
    await asyncio.sleep(0.01)

    process.relay.look()
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()

    ended, _ = await asyncio.wait({task}, timeout=2)
    process.relay.stop()
    assert task in ended
