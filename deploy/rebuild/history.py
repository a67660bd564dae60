"""What the logs say of some cases: a service's own events, and those of other logs that it had read by then.

An event whose words were forgotten is read as the log's later event (`LogRedacted`) left it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from deploy.check.source import LOGS
from shared.contracts.envelope import Envelope, decode
from shared.contracts.facts import LogRedacted
from shared.contracts.topics import shard_of

_ROWS = """
select shard, sequence, case_id, caseseq, event from {schema}.log
where case_id = any($1::uuid[]) order by case_id, caseseq"""
_BURIED = """
select topic, event_id, replayed_at from {schema}.dead_letter where topic = any($1::text[])"""
_NEXT = """
select case_id from (
    {each}
) as known order by case_id limit $2"""
_OF_ONE = "(select distinct case_id from {table} where case_id > $1 order by case_id limit $2)"


class Unreadable(Exception):
    """A row of a log has no bytes, and no later event says what is left of it."""


@dataclass(frozen=True, slots=True)
class History:
    """One case. `heard`: by topic, what was read of other services' logs. `redacted`: words of it were forgotten."""

    case_id: UUID
    own: Sequence[Envelope]
    heard: Mapping[str, Sequence[Envelope]] = field(default_factory=dict)
    redacted: bool = False

    @property
    def said(self) -> list[datetime]:
        """When the service said something itself."""
        return [event.time for event in self.own]

    @property
    def stated(self) -> list[datetime]:
        """When what it heard was stated."""
        return [event.time for heard in self.heard.values() for event in heard]


class Logs:
    """The logs that a service reads and writes, within one snapshot of the whole database."""

    def __init__(self, connection: Any, service: str, reads: Collection[str]) -> None:
        self._connection = connection
        self._service = service
        self._reads = {LOGS[writer].name: writer for writer in LOGS if LOGS[writer].name in reads}
        self._read_to: dict[tuple[str, int], int] = {}
        self._buried: set[tuple[str, str]] = set()

    async def open(self) -> None:
        """Note how far other logs were read, and what of them had no effect."""
        found = await self._connection.fetch(f"select log, shard, sequence from {self._service}.progress")  # noqa: S608
        self._read_to = {(log, shard): sequence for log, shard, sequence in found}
        letters = await self._connection.fetch(_BURIED.format(schema=self._service), list(self._reads))
        self._buried = {(topic, event_id) for topic, event_id, replayed_at in letters if replayed_at is None}

    async def next_cases(self, after: UUID, most: int) -> list[UUID]:
        """The next cases that anything here is about."""
        tables = [f"{self._service}.{name}" for name in ("state", "log")]
        tables += [f"{writer}.log" for writer in self._reads.values()]
        each = "\n    union ".join(_OF_ONE.format(table=table) for table in tables)
        found = await self._connection.fetch(_NEXT.format(each=each), after, most)
        return [UUID(int=case_id.int) for (case_id,) in found]

    async def histories(self, cases: Sequence[UUID]) -> list[History | Unreadable]:
        """What the logs say of each of these cases, in their order."""
        own = await self._events(self._service, cases)
        heard = {topic: await self._events(writer, cases) for topic, writer in self._reads.items()}
        return [
            self._history(case_id, own[case_id], {topic: events[case_id] for topic, events in heard.items()})
            for case_id in cases
        ]

    def _history(self, case_id: UUID, own: "_Events", heard: Mapping[str, "_Events"]) -> History | Unreadable:
        for one in (own, *heard.values()):
            if one.lost:
                return Unreadable(one.lost)
        return History(
            case_id,
            own.envelopes,
            {topic: [one for one in events.envelopes if self._counts(topic, one)] for topic, events in heard.items()},
            own.redacted or any(events.redacted for events in heard.values()),
        )

    def _counts(self, topic: str, event: Envelope) -> bool:
        read = event.sequence <= self._read_to.get((topic, shard_of(event.subject)), 0)
        return read and (topic, event.id) not in self._buried

    async def _events(self, writer: str, cases: Sequence[UUID]) -> Mapping[UUID, "_Events"]:
        rows: dict[UUID, list[Any]] = defaultdict(list)
        for record in await self._connection.fetch(_ROWS.format(schema=writer), list(cases)):
            rows[UUID(int=record["case_id"].int)].append(record)
        return defaultdict(_Events, {case_id: _read(writer, found) for case_id, found in rows.items()})


@dataclass(slots=True)
class _Events:
    envelopes: list[Envelope] = field(default_factory=list)
    redacted: bool = False
    lost: str = ""


def _read(writer: str, rows: Sequence[Any]) -> _Events:
    found = _Events()
    known = {row["sequence"]: decode(row["event"]) for row in rows if row["event"] is not None}
    left = {
        one.fact.redacted: decode(orjson.dumps(one.fact.event))
        for one in known.values()
        if isinstance(one.fact, LogRedacted)
    }
    for row in rows:
        event = known.get(row["sequence"]) or left.get(row["sequence"])
        if event is None:
            found.lost = f"{writer}, shard {row['shard']}, sequence {row['sequence']}: its bytes are gone"
        else:
            found.envelopes.append(event)
    found.redacted = bool(left)
    return found
