"""One partition of a log's topic against the rows of its shard: I7, and I6 as a reader meets it.

A reader takes exactly the next sequence: a lower one is a repeat, a higher one has run ahead and must come
again. So the topic is read here as a reader reads it, and each message compared with its row.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

import orjson

from deploy.check.logs import DIGEST, Contents
from deploy.check.report import Report, Violation
from deploy.check.source import Head, Message, Span


class TopicWalk:
    """Takes a partition's messages in order. `due` = the rows that must be there; `read` = how far the slowest
    reader is: what it has not read must not have left the topic."""

    def __init__(
        self,
        service: str,
        topic: str,
        head: Head,
        contents: Contents,
        span: Span,
        due: int,
        read: int,
        report: Report,
    ) -> None:
        self._service = service
        self._topic = topic
        self._head = head
        self._contents = contents
        self._span = span
        rows = len(contents.digests) // DIGEST
        self._due = min(due, rows)
        self._read = read
        self._report = report
        self._seen = bytearray(rows + 1)
        self._first = 0
        self._next = 0
        self._cases: dict[str, int] = {}

    def take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._report.I7.checked += 1
            said = _said(message)
            sequence = _sequence(said, message)
            if sequence < 1:
                self._say("it carries no sequence, so no reader can take it", message)
            elif sequence >= len(self._seen):
                if message.offset < self._span.settled:
                    self._say("the log has no such row", message, sequence)
            else:
                self._compare(message, sequence, said)
                self._follow(message, sequence, said)

    def end(self) -> None:
        for first, last in _runs(self._missing(), self._excused()):
            self._report.I7.violate(
                Violation(
                    f"rows {first} to {last} are not on the topic"
                    if last > first
                    else f"row {first} is not on the topic",
                    service=self._service,
                    topic=self._topic,
                    shard=self._head.shard,
                    sequence=first,
                )
            )
        if self._first and self._next <= self._due and self._seen[self._next]:
            self._report.I7.violate(
                Violation(
                    "it is on the topic only ahead of its turn: no reader can take it there",
                    service=self._service,
                    topic=self._topic,
                    shard=self._head.shard,
                    sequence=self._next,
                )
            )

    def _compare(self, message: Message, sequence: int, said: dict[str, Any]) -> None:
        self._seen[sequence] = 1
        row = self._contents.digest(sequence)
        if row == bytes(DIGEST):
            if message.offset < self._span.settled:
                self._say("the log has no such row", message, sequence)
        elif message.value is None:
            if sequence not in self._contents.redacted:
                self._say("a tombstone, but the row is not redacted", message, sequence)
        elif sha256(message.value).digest()[:DIGEST] != row:
            self._say("it is not the row's event, byte for byte", message, sequence)
        elif message.key != str(said.get("subject")).encode():
            self._say(f"its key {message.key!r} is not its case's id", message, sequence)

    def _follow(self, message: Message, sequence: int, said: dict[str, Any]) -> None:
        """What a reader does: take the next, pass over the rest."""
        if not self._first:
            self._first = self._next = sequence if self._span.begin > 0 else 1
        if sequence != self._next:
            return
        self._next += 1
        self._report.I6.checked += 1
        case, caseseq = said.get("subject"), said.get("caseseq")
        if not isinstance(case, str) or not isinstance(caseseq, int):
            return  # a tombstone; anything else differs from its row
        before = self._cases.get(case, 0)
        if caseseq <= before:
            self._report.I6.violate(
                Violation(
                    f"case {case}: caseseq {caseseq} follows {before}",
                    service=self._service,
                    topic=self._topic,
                    shard=message.partition,
                    sequence=sequence,
                    offset=message.offset,
                )
            )
        self._cases[case] = caseseq

    def _excused(self) -> int:
        """Up to which row the topic may have dropped what it had, by age. What a reader has not read stays."""
        return min(self._contents.old, self._read) if self._span.begin > 0 else 0

    def _missing(self) -> Iterator[int]:
        sequence = self._seen.find(0, 1, self._due + 1)
        while sequence != -1:
            yield sequence
            sequence = self._seen.find(0, sequence + 1, self._due + 1)

    def _say(self, why: str, message: Message, sequence: int | None = None) -> None:
        self._report.I7.violate(
            Violation(
                why,
                service=self._service,
                topic=self._topic,
                shard=message.partition,
                sequence=sequence,
                offset=message.offset,
            )
        )


def _said(message: Message) -> dict[str, Any]:
    try:
        said = orjson.loads(message.value or b"")
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _sequence(said: dict[str, Any], message: Message) -> int:
    try:
        return int(said["sequence"])
    except (KeyError, TypeError, ValueError):
        return message.sequence or 0


def _runs(missing: Iterable[int], excused: int) -> Iterator[tuple[int, int]]:
    """Neighbours together, as (first, last)."""
    first = last = 0
    for sequence in missing:
        if sequence <= excused:
            continue
        if first and sequence != last + 1:
            yield first, last
            first = 0
        first, last = first or sequence, sequence
    if first:
        yield first, last
