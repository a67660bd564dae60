"""One pass over one shard of a log: its chain (I5), its sequences (I7), its cases' numbers (I6) and lives (I2, I4).

What only shows when held against other tables or topics goes into the scratch.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import orjson

from deploy.check import units
from deploy.check.chain import Chain, missing
from deploy.check.life import Life
from deploy.check.report import Report, Violation
from deploy.check.scratch import (
    Announced,
    Fired,
    Given,
    Last,
    Limited,
    Opened,
    Passed,
    Scratch,
    Succeeded,
    Whistle,
    micros,
)
from deploy.check.source import Head, LogRow
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, Undecodable, decode
from shared.contracts.lifecycle import allowed
from shared.contracts.topics import shard_of
from shared.contracts.vocabulary import Stage

DIGEST = 16
"""Bytes kept of each event's SHA-256 to compare the topic with."""


@dataclass(slots=True)
class Contents:
    """What a shard's rows hold, for comparing the topic: a digest for each sequence from 1, zeros where no
    row is. `redacted` = sequences whose bytes are gone. Rows up to `old` may have left the topic by age."""

    digests: bytearray = field(default_factory=bytearray)
    redacted: set[int] = field(default_factory=set)
    old: int = 0

    def digest(self, sequence: int) -> bytes:
        return bytes(self.digests[(sequence - 1) * DIGEST : sequence * DIGEST])

    def keep(self, sequence: int, digest: bytes) -> None:
        self.digests.extend(bytes(max(0, (sequence - 1) * DIGEST - len(self.digests))))
        self.digests[(sequence - 1) * DIGEST : sequence * DIGEST] = digest[:DIGEST]


@dataclass(slots=True)
class _Case:
    """Where a case's events have left it. `known` = whether its stage can be told; `life` while its facts are whole."""

    caseseq: int = 0
    stage: Stage | None = None
    known: bool = True
    life: Life | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be asked of a shard: events are `owed` to units and to the router up to these sequences."""

    published: int
    consumed: int
    kept_since: datetime


class ShardWalk:
    """Takes a shard's rows in order, then its head."""

    def __init__(self, service: str, shard: int, head: Head, bounds: Bounds, report: Report, scratch: Scratch) -> None:
        self._service = service
        self._shard = shard
        self._head = head
        self._bounds = bounds
        self._report = report
        self._scratch = scratch
        self._chain = Chain(service, shard, report.I5)
        self._sequence = 0
        self._cases: dict[UUID, _Case] = {}
        self._note: dict[str, Callable[[LogRow, Envelope], None]] = {
            "intake": self._note_whistle,
            "router": self._note_case,
            "sla": self._note_deadline,
        }
        self.contents = Contents()

    def take(self, rows: Iterable[LogRow]) -> None:
        for row in rows:
            self._chain.take(row)
            self._count(row)
            case = self._cases.setdefault(row.case_id, _Case())
            self._count_case(row, case)
            self._read(row, case)
            case.sequence = row.sequence

    def end(self) -> Contents:
        self._chain.end(self._head)
        if self._sequence != self._head.sequence:
            self._report.I7.violate(
                self._at(self._sequence, f"the head says {self._head.sequence}, the rows end at {self._sequence}")
            )
        for case_id, case in self._cases.items():
            stage = case.stage.value if case.stage is not None and case.known else None
            ledger = case.life.ledger.value if case.life and case.life.ledger else None
            merged_into = case.life.into.bytes if case.life and case.life.into and case.stage is Stage.MERGED else None
            self._scratch.put(
                Last(
                    self._service,
                    case_id.bytes,
                    case.caseseq,
                    stage,
                    case.life is not None,
                    ledger,
                    merged_into,
                    self._shard,
                    case.sequence,
                )
            )
        return self.contents

    def _count(self, row: LogRow) -> None:
        self._report.I7.checked += 1
        if row.sequence != self._sequence + 1:
            self._report.I7.violate(self._at(self._sequence + 1, missing(self._sequence + 1, row.sequence - 1)))
        self._sequence = row.sequence
        if shard_of(row.case_id) != row.shard:
            self._report.I7.violate(self._of(row, f"its case belongs to shard {shard_of(row.case_id)}"))
        if row.sequence <= self._head.sequence:
            self.contents.keep(row.sequence, row.digest if row.event is None else sha256(row.event).digest())
            if row.event is None:
                self.contents.redacted.add(row.sequence)

    def _count_case(self, row: LogRow, case: _Case) -> None:
        self._report.I6.checked += 1
        if row.caseseq != case.caseseq + 1:
            self._report.I6.violate(self._of(row, f"caseseq {row.caseseq} follows {case.caseseq}"))
            case.life = None
        case.caseseq = row.caseseq

    def _read(self, row: LogRow, case: _Case) -> None:
        if row.event is None:
            case.known, case.life = False, None
            return
        try:
            envelope = decode(row.event)
        except Undecodable as error:
            case.known, case.life = False, None
            self._report.I7.violate(self._of(row, f"the contracts cannot read the event: {error}"))
            return
        if envelope.time < self._bounds.kept_since:
            self.contents.old = row.sequence
        if isinstance(envelope.fact, f.LogRedacted):
            self._note_left(row, envelope.fact)
            return
        note = self._note.get(self._service)
        if note is not None:
            note(row, envelope)

    def _note_left(self, row: LogRow, fact: f.LogRedacted) -> None:
        """An event without its words: as far as others are held against it, it stands where it stood."""
        left, stood = decode(orjson.dumps(fact.event)), row._replace(sequence=fact.redacted)
        if self._service == "router":
            self._note_what_follows(stood, left)
        elif (note := self._note.get(self._service)) is not None:
            note(stood, left)

    # --- what each service states

    def _note_whistle(self, row: LogRow, envelope: Envelope) -> None:
        fact = envelope.fact
        if isinstance(fact, f.WhistleReceived):
            matter = fact.matter
            owed = row.sequence <= self._bounds.consumed
            self._scratch.put(
                Whistle(
                    row.case_id.bytes,
                    matter.number,
                    matter.source.value,
                    matter.source_ref,
                    row.shard,
                    row.sequence,
                    owed,
                )
            )

    def _note_case(self, row: LogRow, envelope: Envelope) -> None:
        fact = envelope.fact
        case = self._cases[row.case_id]
        if not isinstance(fact, f.CaseFact):
            self._report.I2.violate(self._of(row, f"{fact.type_name()} is no fact of a case"))
            return
        if case.known and not allowed(case.stage, fact):
            before = case.stage.value if case.stage else "no case"
            self._report.I2.violate(self._of(row, f"{fact.NAME} → {fact.stage.value} may not follow {before}"))
        case.stage, case.known = fact.stage, True
        if isinstance(fact, f.CaseOpened):
            case.life = Life(fact.stage, fact.matter.whistle_blower, envelope.time)
        elif case.life is not None:
            for invariant, why in case.life.take(fact, envelope.time):
                self._report.findings[invariant].violate(self._of(row, why))
        self._note_what_follows(row, envelope)

    def _note_what_follows(self, row: LogRow, envelope: Envelope) -> None:
        """What others must say, or may, because the router stated this."""
        fact = envelope.fact
        if isinstance(fact, f.CaseOpened):
            self._scratch.put(Opened(row.case_id.bytes, fact.number, row.shard, row.sequence))
        if isinstance(fact, f.CaseHandedOver):
            self._scratch.put(Succeeded(row.case_id.bytes, fact.before, fact.unit))
        if isinstance(fact, f.CaseDispatched | f.CaseReworkOrdered):
            for made in fact.assignments:
                self._scratch.put(Given(row.case_id.bytes, made.unit, made.round))
        if isinstance(fact, f.CaseTimed) and envelope.cause is not None:
            self._scratch.put(Passed(UUID(envelope.cause).bytes, row.case_id.bytes, row.shard, row.sequence))
        owed = row.sequence <= self._bounds.published
        if not isinstance(fact, f.CaseFact):
            return
        for expected in units.expected(envelope, fact, row.shard, row.sequence, owed):
            self._scratch.put(expected)

    def _note_deadline(self, row: LogRow, envelope: Envelope) -> None:
        fact = envelope.fact
        match fact:
            case f.DeadlineWarned():
                step = -1
            case f.DeadlineOverdue():
                step = 0
            case f.DeadlineEscalated(rung=rung):
                step = rung
            case f.DeadlineSet():
                self._note_limits(row, envelope, fact)
                return
            case _:
                return
        self._scratch.put(
            Fired(
                row.case_id.bytes,
                fact.unit or "",
                fact.obligation.value,
                fact.generation,
                step,
                micros(fact.due_at),
                micros(fact.fired_at),
                row.shard,
                row.sequence,
            )
        )

    def _note_limits(self, row: LogRow, envelope: Envelope, fact: f.DeadlineSet) -> None:
        case_id, owed = row.case_id.bytes, row.sequence <= self._bounds.consumed
        event = UUID(envelope.id).bytes
        self._scratch.put(Announced(event, case_id, fact.unit, fact.round, row.shard, row.sequence, owed))
        for limit in fact.limits:
            due_at = micros(limit.due_at) if limit.due_at else None
            self._scratch.put(
                Limited(
                    case_id,
                    fact.unit,
                    limit.obligation.value,
                    limit.generation,
                    due_at,
                    row.shard,
                    row.sequence,
                )
            )

    def _at(self, sequence: int, why: str) -> Violation:
        return Violation(why, service=self._service, shard=self._shard, sequence=sequence)

    def _of(self, row: LogRow, why: str) -> Violation:
        return Violation(why, service=self._service, shard=row.shard, sequence=row.sequence, case_id=row.case_id)
