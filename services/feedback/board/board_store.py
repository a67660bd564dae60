"""Reading the public board from PostgreSQL: it is made from the states, so there is nothing to keep in step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql
import asyncpg

from services.feedback.board.board import BoardPlace, Figures, Wanted
from services.feedback.domain.moment import sortable
from services.feedback.domain.publication import Hidden, Publication
from services.feedback.store import reading
from shared.runtime.postgres import each

queries: Any = aiosql.from_path(Path(__file__).parents[1] / "sql" / "board.sql", "asyncpg", mandatory_parameters=False)

_FIRST, _LAST = "", "9999"
"""Texts before and after that of every moment."""


class PostgresBoard:
    """The board's `BoardReader`. Raises `Refused` (503) while the database is away."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def page(self, wanted: Wanted, before: BoardPlace | None, most: int) -> Sequence[tuple[UUID, Publication]]:
        bounds = {
            "regions": None if wanted.regions is None else sorted(wanted.regions),
            "category": wanted.category,
            "closed_from": _FIRST if wanted.month is None else sortable(wanted.month[0]),
            "closed_before": _LAST if wanted.month is None else sortable(wanted.month[1]),
            "before_closed_at": _LAST if before is None else before.closed_at,
            "before_case_id": UUID(int=0) if before is None else before.case_id,
            "most": most,
        }
        async with reading(self._pool) as connection:
            return [
                (row["case_id"], Publication.model_validate_json(row["publication"]))
                async for row in each(queries.board_page(connection, **bounds))
            ]

    async def figures(self, wanted: Wanted) -> Figures:
        first, last = wanted.month or (None, None)
        async with reading(self._pool) as connection:
            row = dict(
                await queries.board_figures(
                    connection,
                    closed_from=_FIRST if first is None else sortable(first),
                    closed_before=_LAST if last is None else sortable(last),
                )
            )
        return Figures(
            closed=row["closed"],
            on_time=row["on_time"],
            timed=row["timed"],
            satisfied=row["satisfied"],
            basically_satisfied=row["basically_satisfied"],
            rated=row["rated"],
            hidden={why: row[why.value] for why in Hidden if row[why.value]},
        )

    async def categories(self) -> Sequence[str]:
        async with reading(self._pool) as connection:
            return [row["category"] async for row in each(queries.board_categories(connection))]
