"""What the topics lost of the logs: every topic held against its log, shard by shard.

A log is on its topic as far as its relay says so (`published`). Topics forget by age, so what is old is missed only
where a reader has not had it yet; between what is there, nothing may be missing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from deploy.check.live import opened
from deploy.check.source import CONSUMERS, LOGS, Message, Source


@dataclass(frozen=True, slots=True)
class Gap:
    """Sequences of one shard that its topic has lost, as ranges; `waiting`: services that have not read them."""

    service: str
    topic: str
    shard: int
    missing: tuple[tuple[int, int], ...]
    waiting: tuple[str, ...]

    @property
    def first(self) -> int:
        return self.missing[0][0]

    @property
    def messages(self) -> int:
        return sum(last - first + 1 for first, last in self.missing)


class Runs:
    """Sequences as they come, kept as runs: a topic in order is one run however long it is."""

    def __init__(self) -> None:
        self._runs: list[list[int]] = []

    def add(self, sequence: int) -> None:
        for run in reversed(self._runs[-2:]):
            if run[0] <= sequence <= run[1] + 1:
                run[1] = max(run[1], sequence)
                return
        self._runs.append([sequence, sequence])

    def first(self) -> int | None:
        return min((run[0] for run in self._runs), default=None)

    def missing(self, first: int, last: int) -> tuple[tuple[int, int], ...]:
        """What is not among them, of these."""
        found, at = [], first
        for begin, end in sorted(self._runs):
            if begin > at and at <= last:
                found.append((at, min(begin - 1, last)))
            at = max(at, end + 1)
        if at <= last:
            found.append((at, last))
        return tuple(found)


async def find_gaps(postgres_url: str, kafka: Mapping[str, Any], services: Iterable[str] = LOGS) -> list[Gap]:
    """What each of these services' topics has lost. Raises what `deploy.check.live.opened` raises."""
    async with opened(postgres_url, kafka) as source:
        return [gap for service in services for gap in await gaps_of(source, service)]


async def gaps_of(source: Source, service: str) -> list[Gap]:
    """What the topic of one service has lost of its log."""
    topic = LOGS[service].name
    readers = [reader for reader, topics in CONSUMERS.items() if topic in topics]
    progress = {reader: await source.progress(reader) for reader in readers}
    seen: dict[int, Runs] = defaultdict(Runs)
    partitions = [at for at in source.spans if at[0] == topic]
    async for messages in source.messages(partitions):
        for message in messages:
            sequence = _sequence(message)
            if sequence is not None:
                seen[message.partition].add(sequence)
    found = []
    for head in await source.heads(service):
        read = {reader: progress[reader].get((topic, head.shard), 0) for reader in readers}
        runs = seen[head.shard]
        first = min([1 + at for at in read.values()] + ([there] if (there := runs.first()) is not None else []))
        missing = runs.missing(first, head.published)
        if missing:
            waiting = tuple(reader for reader, at in read.items() if at < missing[-1][1])
            found.append(Gap(service, topic, head.shard, missing, waiting))
    return found


def _sequence(message: Message) -> int | None:
    """By its header, as our relay sends it; else by the event itself."""
    if message.sequence is not None or message.value is None:
        return message.sequence
    try:
        return int(orjson.loads(message.value)["sequence"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
