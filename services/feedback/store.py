"""Reviews in PostgreSQL: how the road keeps them, with the rows of what is measured, and how the door reads them."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import aiosql
import asyncpg

from services.feedback.api import Place, Scope
from services.feedback.domain.measuring.judged import Exclusion, parts, whole
from services.feedback.domain.measuring.part import Part, Whole
from services.feedback.domain.review import Review, Tally, Waiting
from services.feedback.scorecards.measured_rows import part_row, whole_row
from shared.runtime.decision import Refusal
from shared.runtime.ports import Versioned
from shared.runtime.postgres import JsonStates, PostgresTransaction, each, is_transient, state_columns
from shared.runtime.problems import Refused

_SQL = Path(__file__).parent / "sql"
queries: Any = aiosql.from_path(_SQL / "queries.sql", "asyncpg", mandatory_parameters=False)
measured: Any = aiosql.from_path(_SQL / "measured.sql", "asyncpg", mandatory_parameters=False)

POOL_PATIENCE_SECONDS = 5


class ReviewStates:
    """A review as JSON, and what is measured of its case as rows, written together. Only rows that changed are.

    A case that was opened before what is measured was kept (release 0.1) has no record, and so no rows: it is in no
    figure, and `verify` leaves it out, too.
    """

    def __init__(self) -> None:
        self._reviews = JsonStates(Review)
        self._loaded: WeakKeyDictionary[Any, dict[UUID, Versioned[Review]]] = WeakKeyDictionary()

    async def load(self, transaction: PostgresTransaction, case_ids: Collection[UUID]) -> dict[UUID, Versioned[Review]]:
        loaded = self._loaded[transaction] = await self._reviews.load(transaction, case_ids)
        return dict(loaded)

    async def save(self, transaction: PostgresTransaction, states: Mapping[UUID, Versioned[Review]]) -> None:
        loaded = self._loaded.pop(transaction, {})
        gone: list[Part] = []
        parts_now: list[Part] = []
        wholes_now: list[Whole] = []
        for case_id, versioned in states.items():
            known = loaded.get(case_id)
            before, after = known.state if known is not None else None, versioned.state
            if _is_measured_alike(before, after):
                continue
            old, new = _parts(case_id, before), _parts(case_id, after)
            gone += [part for name, part in old.items() if name not in new]
            parts_now += [part for name, part in new.items() if old.get(name) != part]
            now = _whole(case_id, after)
            if now is not None and now != _whole(case_id, before):
                wholes_now.append(now)
        if gone:
            await _take_out(transaction.connection, gone)
        await measured.save_reviews(
            transaction.connection,
            **state_columns(states),
            parts=[part_row(part) for part in parts_now],
            wholes=[whole_row(one) for one in wholes_now],
        )


def _is_measured_alike(before: Review | None, after: Review | None) -> bool:
    """States are values: the same objects make the same rows."""
    if before is None or after is None:
        return after is None or after.record is None
    return before.record is after.record and before.judged is after.judged


def _parts(case_id: UUID, review: Review | None) -> dict[tuple[str, int], Part]:
    if review is None or review.record is None:
        return {}
    return {(part.unit, part.round): part for part in parts(case_id, review.record, review.judged)}


def _whole(case_id: UUID, review: Review | None) -> Whole | None:
    return None if review is None or review.record is None else whole(case_id, review.record, review.judged)


async def _take_out(connection: Any, gone: Sequence[Part]) -> None:
    await measured.take_out_parts(
        connection,
        case_ids=[part.case_id for part in gone],
        units=[part.unit for part in gone],
        rounds=[part.round for part in gone],
    )


class PostgresReviews:
    """The door's `Reviews` over the service's own schema. Raises `Refused` (503) while the database is away."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def case_by_number(self, number: str) -> UUID | None:
        async with reading(self._pool) as connection:
            found: UUID | None = await queries.case_by_number(connection, number=number)
            return found

    async def cases_by_number(self, numbers: Collection[str]) -> dict[str, UUID]:
        async with reading(self._pool) as connection:
            found = each(queries.cases_by_number(connection, numbers=list(numbers)))
            return {record["number"]: record["case_id"] async for record in found}

    async def reviews_by_source_ref(self, source_refs: Collection[str]) -> dict[str, tuple[UUID, Review]]:
        async with reading(self._pool) as connection:
            found = each(queries.reviews_by_source_ref(connection, source_refs=list(source_refs)))
            return {
                record["source_ref"]: (record["case_id"], Review.model_validate_json(record["state"]))
                async for record in found
            }

    async def review(self, case_id: UUID) -> Review | None:
        async with reading(self._pool) as connection:
            found = await queries.review(connection, case_id=case_id)
        return None if found is None else Review.model_validate_json(found)

    async def page(
        self, scope: Scope, waiting: Waiting | None, after: Place, most: int
    ) -> Sequence[tuple[UUID, Review]]:
        bounds = {
            "unit": scope.unit,
            "source": scope.source,
            "after_since": after.since,
            "after_case_id": after.case_id,
            "most": most,
        }
        async with reading(self._pool) as connection:
            if waiting is None:
                found = queries.reviews(connection, **bounds)
            else:
                found = queries.reviews_waiting(connection, waiting=waiting.value, **bounds)
            return [(record["case_id"], Review.model_validate_json(record["state"])) async for record in each(found)]

    async def counts(self, scope: Scope) -> tuple[int, dict[Waiting, int], Tally]:
        bounds = {"unit": scope.unit, "source": scope.source}
        async with reading(self._pool) as connection:
            waiting = {
                Waiting(record["what"]): record["reviews"]
                async for record in each(queries.waiting_counts(connection, **bounds))
            }
            sums = dict(await queries.tally_sums(connection, **bounds))
        return sums.pop("reviews"), waiting, Tally.model_validate(sums)

    async def exclusions(
        self, unit: str | None, ruled: bool | None, after: UUID, most: int
    ) -> Sequence[tuple[UUID, str, Exclusion]]:
        bounds = {"unit": unit, "ruled": ruled, "after_id": str(after), "most": most}
        async with reading(self._pool) as connection:
            return [
                (record["case_id"], record["number"], Exclusion.model_validate_json(record["exclusion"]))
                async for record in each(queries.exclusions(connection, **bounds))
            ]


@asynccontextmanager
async def reading(pool: asyncpg.Pool) -> AsyncIterator[Any]:
    """A connection to read by. Raises `Refused` (503) while the database is away."""
    try:
        async with pool.acquire(timeout=POOL_PATIENCE_SECONDS) as connection:
            yield connection
    except Exception as error:
        if is_transient(error):
            raise Refused(_AWAY, {"Retry-After": "5"}) from error
        raise


_AWAY = Refusal(
    "temporarily_unavailable",
    zh="系统暂时无法读取数据；请稍后重试。",
    en="The system cannot read its data right now; try again shortly.",
    status=503,
)
