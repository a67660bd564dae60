"""Reading reviews from PostgreSQL for the HTTP door. Writing them is the road's business."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql
import asyncpg

from services.feedback.api import Place, Scope
from services.feedback.domain.review import Review, Tally, Waiting
from shared.runtime.decision import Refusal
from shared.runtime.postgres import each, is_transient
from shared.runtime.problems import Refused

queries: Any = aiosql.from_path(Path(__file__).parent / "sql" / "queries.sql", "asyncpg", mandatory_parameters=False)

POOL_PATIENCE_SECONDS = 5


class PostgresReviews:
    """The door's `Reviews` over the service's own schema. Raises `Refused` (503) while the database is away."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def case_by_number(self, number: str) -> UUID | None:
        async with self._reading() as connection:
            found: UUID | None = await queries.case_by_number(connection, number=number)
            return found

    async def review(self, case_id: UUID) -> Review | None:
        async with self._reading() as connection:
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
        async with self._reading() as connection:
            if waiting is None:
                found = queries.reviews(connection, **bounds)
            else:
                found = queries.reviews_waiting(connection, waiting=waiting.value, **bounds)
            return [(record["case_id"], Review.model_validate_json(record["state"])) async for record in each(found)]

    async def counts(self, scope: Scope) -> tuple[int, dict[Waiting, int], Tally]:
        bounds = {"unit": scope.unit, "source": scope.source}
        async with self._reading() as connection:
            waiting = {
                Waiting(record["what"]): record["reviews"]
                async for record in each(queries.waiting_counts(connection, **bounds))
            }
            sums = dict(await queries.tally_sums(connection, **bounds))
        return sums.pop("reviews"), waiting, Tally.model_validate(sums)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Any]:
        try:
            async with self._pool.acquire(timeout=POOL_PATIENCE_SECONDS) as connection:
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
