"""What is measured, made once more from the two logs alone: every event up to a scorecard's frozen positions.

The logs of the router and of feedback are read side by side, case by case in the order of their ids, so memory stays
that of one case however many there are.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.feedback.domain.measuring.judged import Judged, judged, parts, whole
from services.feedback.domain.measuring.measures import Counting
from services.feedback.domain.measuring.record import CaseRecord, recorded
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode

ROWS = 2_000

_EVENTS = """
select log.case_id, log.event
from {schema}.log as log
join unnest($1::smallint[], $2::bigint[]) as upto (shard, sequence)
    on log.shard = upto.shard and log.sequence <= upto.sequence
order by log.case_id, log.caseseq"""
_UNMEASURED = "select case_id from feedback.state where not is_measured"
_NOT_TAKEN = """
select event_id from feedback.dead_letter
where topic = 'cases' and (replayed_at is null or replayed_at > $1)"""

Telling = Callable[[int, int], None]
"""Hears how many events of how many are read."""


@dataclass(slots=True)
class Replayed:
    """`redacted`: events whose bytes the law ordered forgotten. `unmeasured`: cases opened before release 0.2."""

    counting: Counting
    events: int = 0
    cases: int = 0
    redacted: int = 0
    unmeasured: int = 0


class Replay:
    """Within one snapshot of the whole database, with an operator's rights."""

    def __init__(self, connection: Any, positions: Mapping[str, Mapping[str, int]], computed_at: datetime) -> None:
        self._connection = connection
        self._positions = positions
        self._computed_at = computed_at
        self._done = 0

    async def count(self, counting: Counting, telling: Telling) -> Replayed:
        """Count what every case's logs say was measured of it."""
        found = Replayed(counting)
        unmeasured: Collection[UUID] = {row[0] for row in await self._connection.fetch(_UNMEASURED)}
        not_taken = {row[0] for row in await self._connection.fetch(_NOT_TAKEN, self._computed_at)}
        total = sum(sum(shards.values()) for shards in self._positions.values())
        words = _Cases(self._cases("feedback", "feedback", found))
        async for case_id, events in self._cases("router", "cases", found):
            said = await words.of(case_id)
            if case_id in unmeasured:
                found.unmeasured += 1
            elif (record := _record(events, not_taken)) is not None:
                spoken = _judged(said)
                counting.add_parts(parts(case_id, record, spoken))
                counting.add_wholes((whole(case_id, record, spoken),))
                found.cases += 1
            telling(self._done, total)
        found.events = self._done
        telling(total, total)
        return found

    async def _cases(self, schema: str, log: str, found: Replayed) -> AsyncIterator[tuple[UUID, list[Envelope]]]:
        """Each case's events in order, up to the frozen positions."""
        upto = self._positions.get(log, {})
        shards, sequences = [int(shard) for shard in upto], list(upto.values())
        cursor = await self._connection.cursor(_EVENTS.format(schema=schema), shards, sequences)
        present: UUID | None = None
        events: list[Envelope] = []
        while rows := await cursor.fetch(ROWS):
            self._done += len(rows)
            for case_id, event in rows:
                if case_id != present:
                    if present is not None:
                        yield present, events
                    present, events = UUID(int=case_id.int), []
                if event is None:
                    found.redacted += 1
                else:
                    events.append(decode(event))
        if present is not None:
            yield present, events


class _Cases:
    """The other log, walked along beside the first: both in the order of their cases' ids."""

    def __init__(self, cases: AsyncIterator[tuple[UUID, list[Envelope]]]) -> None:
        self._cases = cases
        self._next: tuple[UUID, list[Envelope]] | None = None
        self._over = False

    async def of(self, case_id: UUID) -> list[Envelope]:
        while not self._over and (self._next is None or self._next[0] < case_id):
            self._next = await anext(self._cases, None)
            self._over = self._next is None
        return self._next[1] if self._next is not None and self._next[0] == case_id else []


def _record(events: list[Envelope], not_taken: Collection[str]) -> CaseRecord | None:
    record: CaseRecord | None = None
    for event in events:
        if isinstance(event.fact, f.CaseFact) and event.id not in not_taken:
            record = recorded(record, event.fact, event.time)
    return record


def _judged(events: list[Envelope]) -> Judged:
    words = Judged()
    for event in events:
        words = judged(words, event.fact, event.time)
    return words
