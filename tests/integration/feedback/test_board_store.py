"""The public board of PostgreSQL does what the one in memory does."""

from datetime import UTC, datetime

import pytest

from services.feedback.board.board import Wanted
from services.feedback.board.board_store import PostgresBoard
from services.feedback.domain.review import Review
from shared.runtime.postgres import open_pool
from shared.runtime.problems import Refused
from tests.unit.feedback.boards import check_board, publications


async def test_the_board_of_postgres_does_what_every_board_must(postgres_url: str) -> None:
    pool = await open_pool(postgres_url)
    known = publications()
    since = datetime(2026, 11, 1, tzinfo=UTC)
    rows = [(case_id, 1, Review(since=since, publication=one).model_dump_json()) for case_id, one in known.items()]
    async with pool.acquire() as connection:
        await connection.executemany(
            "insert into state (case_id, caseseq, state) values ($1, $2, $3::text::jsonb)", rows
        )
    await check_board(PostgresBoard(pool), known)
    await pool.close()


async def test_it_says_503_while_the_database_is_away(postgres_url: str) -> None:
    pool = await open_pool(postgres_url)
    await pool.close()
    with pytest.raises(Refused) as caught:
        await PostgresBoard(pool).figures(Wanted())
    assert caught.value.refusal.status == 503
