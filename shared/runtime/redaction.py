"""依法删除: people's words in the events of one case are forgotten, and everybody can see that, when and why.

In one transaction, with the shard's head locked: each event of the case in this log that holds words loses its bytes
and keeps its digest, so the chain holds; an event that says what is left of it (`LogRedacted`) is appended for each;
the state that was made of them goes without the words, too. Then a tombstone goes out under each sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from uuid_utils import uuid7

from shared.contracts.envelope import Envelope, decode, encode
from shared.contracts.facts import Actor, LogRedacted
from shared.contracts.topics import shard_of
from shared.contracts.words import without_words
from shared.runtime.log import Head, Row, after, next_row
from shared.runtime.ports import States, Versioned
from shared.runtime.postgres import PostgresStore, each, queries


@dataclass(frozen=True, slots=True)
class Redaction:
    """What was asked for. `approved_by` None: nobody has approved it, and nothing was done."""

    number: int
    case_id: UUID
    reason: str
    basis: str
    asked_by: str
    asked_at: datetime
    approved_by: str | None = None
    done_at: datetime | None = None


class NotTheirs(Exception):
    """Who asked for it may not approve it."""


async def ask(store: PostgresStore, case_id: UUID, reason: str, basis: str, asked_by: str) -> Redaction:
    """Ask that the words of a case be forgotten; nothing is until somebody else approves."""
    async with store.pool.acquire(timeout=5) as connection:
        number = await queries.ask_redaction(connection, case_id=case_id, reason=reason, basis=basis, asked_by=asked_by)
        return Redaction(**dict(await queries.redaction(connection, number=number)))


async def asked(store: PostgresStore) -> list[Redaction]:
    """All that was ever asked for, newest first."""
    async with store.pool.acquire(timeout=5) as connection:
        return [Redaction(**dict(record)) async for record in each(queries.redactions(connection))]


async def approve(
    service: str, store: PostgresStore, states: States[Any], number: int, actor: Actor
) -> list[Row] | None:
    """Carry it out, unless it was; the forgotten rows of the case. None where there is no such redaction.

    Raises `NotTheirs`.
    """
    async with store.pool.acquire(timeout=5) as connection:
        record = await queries.redaction(connection, number=number)
    if record is None:
        return None
    case_id = UUID(int=record["case_id"].int)
    async with store.transaction() as transaction:
        head = (await transaction.lock_heads([shard_of(case_id)]))[shard_of(case_id)]
        wanted = Redaction(**dict(await queries.redaction(transaction.connection, number=number)))
        if wanted.asked_by == actor.person:
            raise NotTheirs
        if wanted.approved_by is None:
            await _forget(service, transaction, states, wanted, head, actor)
    return [row for row in await store.history(case_id) if row.event is None]


async def _forget(
    service: str, transaction: Any, states: States[Any], wanted: Redaction, head: Head, actor: Actor
) -> None:
    connection, case_id = transaction.connection, wanted.case_id
    rows = [Row(**dict(record)) async for record in each(queries.history(connection, case_id=case_id))]
    spoken = [row for row in rows if row.event is not None and _holds_words(row.event)]
    await queries.approve_redaction(connection, number=wanted.number, approved_by=actor.person)
    gone = await queries.forget(connection, number=wanted.number, sequences=[row.sequence for row in spoken])
    if gone != len(spoken):
        raise RuntimeError(f"{len(spoken)} events were to be forgotten, the database forgot {gone}")
    await queries.forget_letters(connection, case_id=case_id)
    said = _said(service, wanted, spoken, head, len(rows), transaction.now, actor)
    if said:
        await transaction.write(said, [_moved(head, said)])
    state = (await states.load(transaction, [case_id])).get(case_id)
    if state is not None:
        await states.save(transaction, {case_id: Versioned(without_words(state.state), len(rows) + len(said))})
    await transaction.notify([head.shard])


def _holds_words(event: bytes) -> bool:
    fact = decode(event).fact
    return not isinstance(fact, LogRedacted) and without_words(fact) != fact


def _said(
    service: str, wanted: Redaction, spoken: Sequence[Row], head: Head, caseseq: int, now: datetime, actor: Actor
) -> list[Row]:
    rows: list[Row] = []
    for row in spoken:
        assert row.event is not None, "what is gone already is not forgotten again"
        fact = LogRedacted(
            redacted=row.sequence,
            digest=row.digest.hex(),
            event=_left(row.event),
            reason=wanted.reason,
            basis=wanted.basis,
            asked_by=wanted.asked_by,
            actor=actor,
        )
        caseseq += 1
        envelope = Envelope(
            id=str(uuid7()),
            source=f"/chuishao/{service}",
            subject=wanted.case_id,
            time=now,
            fact=fact,
            sequence=head.sequence + 1,
            caseseq=caseseq,
            cause=f"redaction/{wanted.number}",
        )
        rows.append(next_row(head, wanted.case_id, caseseq, encode(envelope)))
        head = after(head, rows[-1])
    return rows


def _left(event: bytes) -> dict[str, object]:
    """The event without anybody's words."""
    document: dict[str, object] = orjson.loads(event)
    return document | {"data": without_words(decode(event).fact).model_dump(mode="json")}


def _moved(head: Head, rows: Sequence[Row]) -> Head:
    return Head(head.shard, rows[-1].sequence, rows[-1].hash, head.published)
