"""From the log to the topic: publishes each shard's rows in order, and the dead letters.

One process holds a shard's relay at a time. It publishes what its own road appended straight from memory and
reads from the store what others appended, what a crash left, or what it could not keep in memory. Publishing
twice is harmless: readers go by `sequence`. After any failure it goes on from the last row known published.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol, TypeAlias

import structlog

from shared.contracts.envelope import CONTENT_TYPE, MAXIMUM_BYTES, Envelope, decode
from shared.contracts.topics import dead_letter_topic
from shared.runtime import failpoints, metrics, tracing
from shared.runtime.log import Head, Row, by_shard
from shared.runtime.ports import LogStore, Sleep

logger = structlog.get_logger(__name__)

KEPT_ROWS = 5_000
"""Rows a shard keeps in memory while they wait; past that they are read from the store again."""
PUBLISHED_ROWS = 100
"""Rows of a shard that are published at once: in between the relay shows that it lives."""
READ_ROWS = 500
READ_LETTERS = 50
LOOK_SECONDS = 1.0
CLAIM_SECONDS = 0.25
FIRST_DELAY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: `partition` None lets a one-partition topic take it."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter that its topic has not seen yet."""

    number: int
    topic: str
    key: bytes | None
    value: bytes | None
    reason: str


class Publisher(Protocol):
    async def publish(self, messages: Sequence[Message]) -> None:
        """Send in order and return when all are acknowledged. On an error any number may have been sent."""
        ...


class Ownership(Protocol):
    """The shards whose relay this process holds; lost, all at once, when the store drops the session."""

    async def claim(self, shard: int) -> Head | None:
        """The shard's head if it is ours now, None if another process holds it."""
        ...

    async def release(self, shard: int) -> None: ...

    async def heartbeat(self) -> None:
        """Raise if the session is lost."""
        ...


class RelayStore(LogStore, Protocol):
    def ownership(self, on_notify: Callable[[], None]) -> AbstractAsyncContextManager[Ownership]: ...

    async def unpublished(self, shard: int, sequence: int, limit: int) -> list[Row]:
        """Committed rows of the shard after `sequence`, in order."""
        ...

    async def mark_published(self, published: dict[int, int]) -> None: ...

    async def unpublished_letters(self, limit: int) -> list[DeadLetter]: ...

    async def mark_letters_published(self, numbers: Sequence[int]) -> None: ...


Project: TypeAlias = Callable[[Envelope], Sequence[Message]]
"""What outsiders are told of one event of the log: messages made from it alone, so that repeats are equal."""


Acknowledged: TypeAlias = Callable[[Sequence[Row]], None]
"""Is told, for what is to be measured, which rows the broker has just acknowledged; after a crash some again."""


def log_message(topic: str, row: Row) -> Message:
    """The event itself on the service's own topic; a tombstone where it was redacted."""
    headers = (("content-type", CONTENT_TYPE.encode()), ("sequence", str(row.sequence).encode()))
    return Message(topic, row.shard, str(row.case_id).encode(), row.event, headers)


class Relay:
    """A service's relay; an `Outlet` for its road."""

    def __init__(
        self,
        service: str,
        topic: str,
        store: RelayStore,
        publisher: Publisher,
        project: Project,
        sleep: Sleep = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        acknowledged: Acknowledged | None = None,
    ) -> None:
        self._service = service
        self._topic = topic
        self._store = store
        self._publisher = publisher
        self._project = project
        self._sleep = sleep
        self._monotonic = monotonic
        self._wanted: frozenset[int] = frozenset()
        self._position: dict[int, int] = {}
        self._acknowledged: dict[int, int] = {}
        self._marked: dict[int, int] = {}
        self._waiting: dict[int, list[Row]] = {}
        self._behind: set[int] = set()
        self._letters_waiting = True
        self._delay = FIRST_DELAY_SECONDS
        self._wake = asyncio.Event()
        self._stopping = False
        self._acknowledge = acknowledged
        self._metrics = metrics.OfRelay(service)

    # --- the road's side

    def holds(self, shard: int) -> bool:
        return shard in self._position

    def published(self, shard: int) -> int:
        return self._position.get(shard, 0)

    def offer(self, rows: Sequence[Row]) -> None:
        for shard, new in by_shard(rows).items():
            if shard not in self._position:
                continue
            waiting = self._waiting.setdefault(shard, [])
            if len(waiting) + len(new) > KEPT_ROWS:
                waiting.clear()
                self._behind.add(shard)
            else:
                waiting.extend(new)
        self._wake.set()

    def look(self) -> None:
        self._behind.update(self._position)
        self._letters_waiting = True
        self._wake.set()

    # --- the service's side

    def want(self, shards: Collection[int]) -> None:
        """The shards this process should relay: those whose input it consumes."""
        self._wanted = frozenset(shards)
        self._wake.set()

    def stop(self) -> None:
        """Publish what is committed, say so in the store, let go and return from `run`."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Serve until stopped; survives the store and the broker being away."""
        while not self._stopping:
            try:
                async with self._store.ownership(self.look) as ownership:
                    await self._serve(ownership)
            except Exception as error:  # noqa: BLE001 - whatever it was, the log is still there: begin again
                logger.warning("relay interrupted", service=self._service, error=repr(error))
                await self._sleep(self._delay)
                self._delay = min(self._delay * 2, 2.0)
            finally:
                self._forget(self._position)

    async def republish(self, shard: int, from_sequence: int) -> int:
        """Publish a shard's rows once more, from a sequence to the end of its log; returns how many.

        Any process may, whoever holds the relay: it ends only when nothing follows what it has published, so
        no row that comes later can be on the topic before these.
        """
        at, count = from_sequence - 1, 0
        while rows := await self._store.unpublished(shard, at, READ_ROWS):
            await self._publisher.publish([message for row in rows for message in self._messages(row)])
            at = rows[-1].sequence
            count += len(rows)
        return count

    async def publish_again(self, rows: Sequence[Row]) -> None:
        """Publish these rows as they are now, on our own topic alone: who has them by their sequence skips them."""
        await self._publisher.publish([log_message(self._topic, row) for row in rows])

    def _forget(self, shards: Collection[int]) -> None:
        for shard in list(shards):
            self._acknowledged[shard] = self._position.pop(shard)
            self._marked.pop(shard, None)
            self._waiting.pop(shard, None)
            self._behind.discard(shard)
        self._metrics.shards.set(len(self._position))

    async def _serve(self, ownership: Ownership) -> None:
        looked = claimed = -LOOK_SECONDS + self._monotonic()
        settled: frozenset[int] = frozenset()
        while True:
            self._wake.clear()
            stopping, now = self._stopping, self._monotonic()
            if stopping or now - looked >= LOOK_SECONDS:
                await ownership.heartbeat()
                self._behind.update(self._position)
                self._letters_waiting = True
                looked = now
            if self._wanted != settled or (now - claimed >= CLAIM_SECONDS and self._unclaimed()):
                settled = self._wanted
                await self._settle(ownership)
                claimed = now
            more = await self._publish_next()
            if self._letters_waiting:
                await self._publish_letters()
            self._delay = FIRST_DELAY_SECONDS
            if more:
                continue  # by way of the heartbeat: a busy relay must not look dead
            if stopping:
                await self._mark()
                return
            await self._rest()

    async def _rest(self) -> None:
        """Wait until there is something to do, but not for long."""
        if self._wake.is_set():
            return
        try:
            async with asyncio.timeout(CLAIM_SECONDS if self._unclaimed() else LOOK_SECONDS / 2):
                await self._wake.wait()
        except TimeoutError:
            await self._mark()

    def _unclaimed(self) -> bool:
        return not self._wanted <= self._position.keys()

    async def _settle(self, ownership: Ownership) -> None:
        """Take over the wanted shards that are free, let go of the others."""
        wanted = self._wanted
        for shard in self._position.keys() - wanted:
            await self._mark()
            await ownership.release(shard)
            self._forget([shard])
        for shard in wanted - self._position.keys():
            head = await ownership.claim(shard)
            if head is not None:
                self._marked[shard] = head.published
                self._position[shard] = max(head.published, self._acknowledged.get(shard, 0))
                self._behind.add(shard)
        self._metrics.shards.set(len(self._position))

    async def _publish_next(self) -> bool:
        """Publish what waits, a bounded part of it; whether there was any."""
        rows = {shard: found for shard in list(self._position) if (found := await self._next_rows(shard))}
        if not rows:
            return False
        messages = [message for shard_rows in rows.values() for row in shard_rows for message in self._messages(row)]
        failpoints.reach("before_publish")
        began = self._monotonic()
        try:
            with tracing.publish(self._service, self._topic, chain.from_iterable(rows.values())):
                await self._publisher.publish(messages)
        except Exception:
            self._metrics.failures.inc()
            raise
        took = self._monotonic() - began
        failpoints.reach("after_publish")
        for shard, shard_rows in rows.items():
            self._position[shard] = shard_rows[-1].sequence
        self._metrics.published(sum(len(found) for found in rows.values()), len(messages), took)
        if self._acknowledge is not None:
            self._acknowledge([row for found in rows.values() for row in found])
        failpoints.reach("before_marking")
        return True

    async def _next_rows(self, shard: int) -> list[Row]:
        position = self._position[shard]
        waiting = self._waiting.pop(shard, [])
        rows = sorted((row for row in waiting if row.sequence > position), key=lambda row: row.sequence)
        contiguous = all(row.sequence == position + 1 + index for index, row in enumerate(rows))
        if rows and contiguous:
            if len(rows) > PUBLISHED_ROWS:
                self._waiting[shard] = rows[PUBLISHED_ROWS:]
            return rows[:PUBLISHED_ROWS]
        if rows or shard in self._behind:
            self._behind.discard(shard)  # before reading: who looks meanwhile means rows this read may miss
            found = await self._store.unpublished(shard, position, READ_ROWS)
            if len(found) == READ_ROWS:
                self._behind.add(shard)
            return found
        return []

    def _messages(self, row: Row) -> list[Message]:
        messages = [log_message(self._topic, row)]
        if row.event is not None and self._project is not no_projection:
            messages.extend(self._project(row.envelope or decode(row.event)))
        return messages

    async def _publish_letters(self) -> None:
        self._letters_waiting = False  # before reading: what is buried meanwhile sets it again
        while letters := await self._store.unpublished_letters(READ_LETTERS):
            await self._publisher.publish([_letter_message(letter) for letter in letters])
            await self._store.mark_letters_published([letter.number for letter in letters])

    async def _mark(self) -> None:
        moved = {shard: at for shard, at in self._position.items() if at > self._marked.get(shard, 0)}
        if moved:
            await self._store.mark_published(moved)
            self._marked.update(moved)


def _letter_message(letter: DeadLetter) -> Message:
    """The dead letter for its topic. What is too large for a message of ours is cut; its row has it whole."""
    headers = [("dead-letter", str(letter.number).encode()), ("reason", letter.reason[:1000].encode())]
    value = letter.value
    if value is not None and len(value) > MAXIMUM_BYTES:
        headers.append(("cut-from-bytes", str(len(value)).encode()))
        value = value[:MAXIMUM_BYTES]
    return Message(dead_letter_topic(letter.topic), None, letter.key, value, tuple(headers))


def no_projection(_envelope: Envelope) -> Sequence[Message]:
    return ()


def message_for(topic: str, case_id: Any, value: bytes, partition: int | None = None) -> Message:
    """A projected event on an outsider's topic."""
    return Message(topic, partition, str(case_id).encode(), value, (("content-type", CONTENT_TYPE.encode()),))
