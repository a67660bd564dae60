"""A service's log: history, hash chain, outbox and the content of its topic, all at once.

Within a shard, sequences are contiguous from 1 and each row's hash links to the one before:
`hash = SHA-256(previous hash + digest)`, `digest = SHA-256(event)`. The chain runs over digests, so an
event whose bytes the law orders forgotten can go while its digest stays and the chain still verifies.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from shared.contracts.envelope import Envelope

GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Row:
    """One appended event. `event` is the bytes as published, None once redacted.

    `envelope` is what they say, where it is at hand still: nobody needs to decode what was just encoded.
    """

    shard: int
    sequence: int
    case_id: UUID
    caseseq: int
    event: bytes | None
    digest: bytes
    hash: bytes
    envelope: Envelope | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a shard: its last sequence and hash, and how far it is known to be published.

    `saves` moves with every transaction that saves a state of the shard.
    """

    shard: int
    sequence: int
    hash: bytes
    published: int
    saves: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold, and why."""

    shard: int
    sequence: int
    why: str


def link(previous: bytes, digest: bytes) -> bytes:
    return sha256(previous + digest).digest()


def next_row(head: Head, case_id: UUID, caseseq: int, event: bytes, envelope: Envelope | None = None) -> Row:
    """The row that follows `head`; the event must already carry sequence `head.sequence + 1`."""
    digest = sha256(event).digest()
    return Row(head.shard, head.sequence + 1, case_id, caseseq, event, digest, link(head.hash, digest), envelope)


def after(head: Head, row: Row) -> Head:
    return Head(head.shard, row.sequence, row.hash, head.published, head.saves)


def verify_chain(rows: Iterable[Row], start: Head, end: Head | None = None) -> list[Break]:
    """Check one shard's rows, in order, from `start` (exclusive) to `end`. Every break is reported once."""
    breaks: list[Break] = []
    sequence, previous = start.sequence, start.hash
    for row in rows:
        if row.sequence != sequence + 1:
            breaks.append(Break(row.shard, sequence + 1, f"rows {sequence + 1} to {row.sequence - 1} are missing"))
        if row.event is not None and sha256(row.event).digest() != row.digest:
            breaks.append(Break(row.shard, row.sequence, "the event is not the one its digest was taken of"))
        if link(previous, row.digest) != row.hash:
            breaks.append(Break(row.shard, row.sequence, "its hash does not follow from the row before"))
        sequence, previous = row.sequence, row.hash
    if end is not None and (sequence, previous) != (end.sequence, end.hash):
        breaks.append(Break(end.shard, end.sequence, f"the head says {end.sequence}, the rows end at {sequence}"))
    return breaks


def by_shard(rows: Sequence[Row]) -> dict[int, list[Row]]:
    shards: dict[int, list[Row]] = {}
    for row in rows:
        shards.setdefault(row.shard, []).append(row)
    return shards
