"""How far 12345 was called back, and what was put aside, in the router's schema."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql
import asyncpg

from services.router.callback import Reply, Waiting, replies_of
from services.router.callback_post import Answer
from shared.contracts.vocabulary import Source
from shared.runtime.postgres import each, is_transient

queries: Any = aiosql.from_path(Path(__file__).parent / "sql" / "callback.sql", "asyncpg", mandatory_parameters=False)


@dataclass(frozen=True, slots=True)
class PutAside:
    """One reply that was put aside. `body` None: its event was redacted since."""

    id: UUID
    body: bytes | None
    sent_at: datetime | None


class PostgresReplies:
    """`callback.Replies` over the router's schema."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    def is_transient(self, error: BaseException) -> bool:
        return is_transient(error)

    async def begin(self, from_start: bool) -> None:
        async with self._pool.acquire(timeout=5) as connection:
            await queries.begin(connection, from_start=from_start)

    async def positions(self, shards: Collection[int]) -> dict[int, int]:
        async with self._pool.acquire(timeout=5) as connection:
            found = each(queries.positions(connection, shards=list(shards)))
            return {record["shard"]: record["sequence"] async for record in found}

    async def since(self, sequences: Mapping[int, int], most: int) -> dict[int, tuple[int, list[Reply]]]:
        async with self._pool.acquire(timeout=5) as connection:
            read = each(
                queries.orders_since(
                    connection,
                    shards=list(sequences),
                    sequences=list(sequences.values()),
                    source=Source.HOTLINE_12345.value,
                    most=most,
                )
            )
            found = [record async for record in read]
        return {
            one["shard"]: (
                one["read_to"],
                [
                    reply
                    for sequence, event in zip(one["sequences"] or (), one["events"] or (), strict=True)
                    for reply in replies_of(one["shard"], sequence, event)
                ],
            )
            for one in found
        }

    async def remember(self, sequences: Mapping[int, int]) -> None:
        async with self._pool.acquire(timeout=5) as connection:
            await queries.remember(connection, shards=list(sequences), sequences=list(sequences.values()))

    async def put_aside(self, replies: Sequence[Waiting]) -> None:
        async with self._pool.acquire(timeout=5) as connection:
            await queries.put_aside(
                connection,
                ids=[one.reply.id for one in replies],
                shards=[one.reply.shard for one in replies],
                sequences=[one.reply.sequence for one in replies],
                case_ids=[one.reply.case_id for one in replies],
                types=[one.reply.type for one in replies],
                faults=[one.fault.value if one.fault else "" for one in replies],
                reasons=[one.why for one in replies],
                attempts=[one.attempts for one in replies],
            )

    # --- for the operators' door

    async def put_aside_so_far(self, most: int) -> list[dict[str, Any]]:
        """What was put aside and is not sent yet, longest waiting first."""
        async with self._pool.acquire(timeout=5) as connection:
            return [dict(record) async for record in each(queries.put_aside_so_far(connection, most=most))]

    async def one_put_aside(self, identifier: UUID) -> PutAside | None:
        async with self._pool.acquire(timeout=5) as connection:
            found = await queries.one_put_aside(connection, id=identifier)
        if found is None:
            return None
        replies = replies_of(0, 0, found["event"]) if found["event"] is not None else []
        body = next((reply.body for reply in replies if reply.id == identifier), None)
        return PutAside(identifier, body, found["sent_at"])

    async def tried_again(self, identifier: UUID, answer: Answer) -> datetime | None:
        """Note what came of one more attempt; when it was sent, None if it was not."""
        async with self._pool.acquire(timeout=5) as connection:
            if answer.fault is None:
                sent_at: datetime = await queries.sent_after_all(connection, id=identifier)
                return sent_at
            await queries.failed_once_more(connection, id=identifier, fault=answer.fault.value, reason=answer.why)
            return None
