"""Notices in PostgreSQL: what waits for whom, and what was told. Everything happens in the caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql
import asyncpg

from services.sla.domain.notices import Entry, Fate, Standing, Waiting
from shared.contracts.facts import Recipient
from shared.contracts.vocabulary import Obligation, Post, RungChange, Urgency
from shared.runtime.postgres import each

queries: Any = aiosql.from_path(Path(__file__).parent / "sql" / "notices.sql", "asyncpg", mandatory_parameters=False)


@dataclass(frozen=True, slots=True)
class Stated:
    """A row of this service's log. `event` None once redacted."""

    shard: int
    sequence: int
    case_id: UUID
    event: bytes | None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a case."""

    number: str
    urgency: Urgency


@dataclass(frozen=True, slots=True)
class Mailbox:
    """When a recipient was last told anything, and when it is to be told next (None = nothing waits)."""

    recipient: Recipient
    released_at: datetime | None
    release_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A digest as it is written: the number it has, for whom, its content as JSON."""

    number: int
    recipient: Recipient
    content: str


# --- reading the log ----------------------------------------------------------------------------------------


async def unread(connection: Any, shards: Collection[int], most: int) -> tuple[list[Stated], dict[int, int]]:
    """The next rows of these shards' logs, and up to where that is. The cursors are locked from here on."""
    behind = [record["shard"] async for record in each(queries.behind(connection, shards=list(shards)))]
    if not behind:
        return [], {}
    cursors = {
        record["shard"]: record["sequence"] async for record in each(queries.take_cursors(connection, shards=behind))
    }
    found = each(
        queries.rows_after(connection, shards=list(cursors), sequences=list(cursors.values()), most=most),
    )
    rows = [Stated(**dict(record)) async for record in found]
    return rows, {row.shard: row.sequence for row in rows}


async def about_cases(connection: Any, case_ids: Collection[UUID]) -> dict[UUID, Known]:
    return {
        record["case_id"]: Known(record["number"] or "", Urgency(record["urgency"]))
        async for record in each(queries.about_cases(connection, case_ids=list(case_ids)))
        if record["urgency"] is not None
    }


async def move_cursors(connection: Any, cursors: Mapping[int, int]) -> None:
    await queries.move_cursors(connection, shards=list(cursors), sequences=list(cursors.values()))


async def lock_mailboxes(connection: Any, recipients: Collection[Recipient]) -> dict[Recipient, Mailbox]:
    units, posts = [one.unit for one in recipients], [one.post.value for one in recipients]
    found = each(queries.lock_mailboxes(connection, units=units, posts=posts))
    boxes = [Mailbox(_recipient(record), record["released_at"], record["release_at"]) async for record in found]
    return {box.recipient: box for box in boxes}


async def note(connection: Any, noted: Sequence[tuple[Recipient, Entry]], now: datetime) -> None:
    entries = [entry for _, entry in noted]
    await queries.note(
        connection,
        noted_at=now,
        units=[recipient.unit for recipient, _ in noted],
        posts=[recipient.post.value for recipient, _ in noted],
        case_ids=[one.case_id for one in entries],
        case_numbers=[one.case_number for one in entries],
        owed_bys=[one.unit for one in entries],
        obligations=[one.obligation.value for one in entries],
        generations=[one.generation for one in entries],
        steps=[one.step for one in entries],
        urgencies=[one.urgency.value for one in entries],
        due_ats=[one.due_at for one in entries],
        stated_ats=[one.stated_at for one in entries],
        changes=[",".join(one.changes) for one in entries],
    )


async def schedule(connection: Any, boxes: Sequence[Mailbox]) -> None:
    await queries.schedule(
        connection,
        units=[box.recipient.unit for box in boxes],
        posts=[box.recipient.post.value for box in boxes],
        released_ats=[box.released_at for box in boxes],
        release_ats=[box.release_at for box in boxes],
    )


# --- telling ---------------------------------------------------------------------------------------------------


async def take_due(connection: Any, now: datetime, most: int) -> list[Mailbox]:
    found = each(queries.take_due(connection, now=now, most=most))
    return [Mailbox(_recipient(record), record["released_at"]) async for record in found]


async def waiting(connection: Any, recipient: Recipient, most: int) -> list[Waiting]:
    found = each(queries.waiting(connection, unit=recipient.unit, post=recipient.post.value, most=most))
    return [
        Waiting(
            record["number"],
            Entry(
                record["case_id"],
                record["case_number"],
                record["owed_by"],
                Obligation(record["obligation"]),
                record["generation"],
                record["step"],
                Urgency(record["urgency"]),
                record["due_at"],
                record["stated_at"],
                tuple(map(RungChange, record["changes"])),
            ),
            record["noted_at"],
            Standing(record["standing"]),
        )
        async for record in found
    ]


async def readdress(connection: Any, recipient: Recipient, heir: str) -> None:
    await queries.readdress(connection, unit=recipient.unit, post=recipient.post.value, heir=heir)


async def numbers(connection: Any, most: int) -> range:
    """So many numbers for digests. Nobody else gets any until this transaction ends, so take them last."""
    last: int = await queries.last_numbers(connection, most=most)
    return range(last - most + 1, last + 1)


async def tell(connection: Any, told: Sequence[Told], now: datetime) -> None:
    await queries.tell(
        connection,
        now=now,
        numbers=[one.number for one in told],
        units=[one.recipient.unit for one in told],
        posts=[one.recipient.post.value for one in told],
        contents=[one.content for one in told],
    )


async def settle(connection: Any, fates: Sequence[tuple[int, Fate, int | None]], now: datetime) -> None:
    """What became of entries: their numbers, their fates, and the numbers of the digests that told of them."""
    await queries.settle(
        connection,
        now=now,
        numbers=[number for number, _, _ in fates],
        fates=[fate.value for _, fate, _ in fates],
        digests=[digest for _, _, digest in fates],
    )


async def backlog(connection: Any) -> tuple[int, timedelta]:
    """How many entries wait, and how long the oldest of them does."""
    found = await queries.backlog(connection)
    return found["number"], found["age"] or timedelta()


async def forget(connection: Any, keep: timedelta) -> None:
    await queries.forget_notices(connection, keep=keep)
    await queries.forget_digests(connection, keep=keep)


def _recipient(record: Mapping[str, Any]) -> Recipient:
    return Recipient(unit=record["unit"], post=Post(record["post"]))


# --- what was told, for the door ---------------------------------------------------------------------------------


class PostgresDigests:
    """Digests as they were last committed."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def of_unit(self, unit: str, before: int, most: int) -> list[dict[str, Any]]:
        async with self._pool.acquire(timeout=5) as connection:
            found = each(queries.of_unit(connection, unit=unit, before=before, most=most))
            return [_digest(record) async for record in found]

    async def after(self, number: int, most: int) -> list[dict[str, Any]]:
        async with self._pool.acquire(timeout=5) as connection:
            return [_digest(record) async for record in each(queries.after(connection, after=number, most=most))]

    async def last(self) -> int:
        async with self._pool.acquire(timeout=5) as connection:
            last: int = await queries.last_number(connection)
            return last

    async def unit_told(self, number: int) -> str | None:
        async with self._pool.acquire(timeout=5) as connection:
            unit: str | None = await queries.unit_told(connection, number=number)
            return unit

    async def mark_read(self, number: int, person: str) -> datetime:
        async with self._pool.acquire(timeout=5) as connection:
            read_at: datetime = await queries.mark_read(connection, number=number, person=person)
            return read_at


def _digest(record: Mapping[str, Any]) -> dict[str, Any]:
    about = {name: record[name] for name in ("number", "unit", "post", "released_at", "read_by")}
    content: dict[str, Any] = record["content"]
    return about | content
