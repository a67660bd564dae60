"""Letters in order, straight from feedback's log: a place in it is a sequence for each shard; nothing else is kept."""

import base64
import binascii
import heapq
import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import aiosql
import asyncpg

from services.feedback.domain.review import Review
from services.feedback.letters.letters import TELLING, Letter, waits_for_answer
from shared.contracts.envelope import Envelope, decode
from shared.contracts.topics import SHARDS
from shared.runtime.decision import Refusal
from shared.runtime.postgres import each
from shared.runtime.problems import Refused

queries: Any = aiosql.from_path(
    Path(__file__).parents[1] / "sql" / "letters.sql", "asyncpg", mandatory_parameters=False
)

MOST_ROWS = 500
"""Read of one shard's log for a page."""

Positions: TypeAlias = Mapping[int, int]
"""By shard, the sequence up to which everything was told."""
BEGINNING: Positions = dict.fromkeys(range(SHARDS), 0)

_CURSOR = struct.Struct(f">{SHARDS}q")


@dataclass(frozen=True, slots=True)
class Part:
    """What follows in one shard's log: how far it was read, whether there is more, and the facts that tell."""

    read_to: int
    more: bool
    told: Sequence[Envelope]


@dataclass(frozen=True, slots=True)
class Page:
    """Letters in order, the place after them, and whether more follow at once."""

    letters: Sequence[Letter]
    positions: Positions
    more: bool


class Log(Protocol):
    """Reads feedback's log and reviews as they were last committed."""

    async def since(self, positions: Positions, most: int) -> dict[int, Part]:
        """By shard, what follows; a shard without any is left out."""
        ...

    async def ends(self) -> Positions: ...

    async def reviews(self, case_ids: Collection[UUID]) -> dict[UUID, Review]: ...

    async def now(self) -> datetime: ...


async def page(
    log: Log, positions: Positions, most: int, letter_of: Callable[[Envelope, Review, datetime], Letter | None]
) -> Page:
    """The next letters. Each shard is gone on from where the first of its letters stays behind, so none is missed."""
    parts, now = await log.since(positions, MOST_ROWS), await log.now()
    reviews = await log.reviews({told.subject for part in parts.values() for told in part.told})
    letters: list[Letter] = []
    stopped: dict[int, int] = {}
    is_full = False
    for shard, told in _in_order(parts):
        if shard in stopped:
            continue
        review = reviews.get(told.subject)
        is_full = is_full or len(letters) == most
        if is_full or (review is not None and waits_for_answer(told, review, now)):
            stopped[shard] = told.sequence - 1
        elif review is not None and (letter := letter_of(told, review, now)) is not None:
            letters.append(letter)
    after = {shard: stopped.get(shard, part.read_to) for shard, part in parts.items()}
    unread = any(part.more for shard, part in parts.items() if shard not in stopped)
    return Page(letters, {**positions, **after}, more=is_full or unread)


def _in_order(parts: Mapping[int, Part]) -> Iterator[tuple[int, Envelope]]:
    """By when they were stated, and within a shard as they stand in its log."""
    shards = ([(shard, told) for told in part.told] for shard, part in sorted(parts.items()))
    return heapq.merge(*shards, key=lambda one: one[1].time)


def write_cursor(positions: Positions) -> str:
    packed = _CURSOR.pack(*(positions.get(shard, 0) for shard in range(SHARDS)))
    return base64.urlsafe_b64encode(packed).decode()


def read_cursor(cursor: str) -> Positions:
    """The place a cursor stands for. Raises `Refused` (422) for what was not written here."""
    try:
        found = _CURSOR.unpack(base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True))
    except (binascii.Error, UnicodeError, struct.error):
        raise Refused(_CURSOR_INVALID) from None
    if min(found) < 0:
        raise Refused(_CURSOR_INVALID)
    return dict(enumerate(found))


class PostgresLog:
    """`Log` over feedback's schema."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def since(self, positions: Positions, most: int) -> dict[int, Part]:
        types = [fact.type_name() for fact in TELLING]
        shards, sequences = list(positions), list(positions.values())
        async with self._pool.acquire(timeout=5) as connection:
            found = each(queries.stated_since(connection, shards=shards, sequences=sequences, types=types, most=most))
            return {
                one["shard"]: Part(
                    one["read_to"], one["rows_read"] == most, [decode(event) for event in one["events"] or ()]
                )
                async for one in found
            }

    async def ends(self) -> Positions:
        async with self._pool.acquire(timeout=5) as connection:
            return {one["shard"]: one["sequence"] async for one in each(queries.ends(connection))}

    async def reviews(self, case_ids: Collection[UUID]) -> dict[UUID, Review]:
        if not case_ids:
            return {}
        async with self._pool.acquire(timeout=5) as connection:
            found = each(queries.reviews_of(connection, case_ids=list(case_ids)))
            return {one["case_id"]: Review.model_validate_json(one["state"]) async for one in found}

    async def now(self) -> datetime:
        async with self._pool.acquire(timeout=5) as connection:
            now: datetime = await queries.now(connection)
            return now


_CURSOR_INVALID = Refusal(
    "cursor_invalid",
    zh="after 无效；请使用上一次返回的 cursor，用 now 从现在开始，或去掉它从头开始。",
    en="after is not valid; use the last `cursor` you were given, `now` to begin from now, or leave it out.",
    field="after",
    status=422,
)
