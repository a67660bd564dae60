"""Intake's states, reporters and lists in PostgreSQL."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import aiosql
import asyncpg

from services.intake.domain.whistle import Whistle
from services.intake.ids import case_number
from shared.contracts.vocabulary import Source
from shared.runtime.ports import Versioned
from shared.runtime.postgres import STORE_FAULTS, JsonStates, PostgresTransaction, each, is_transient
from shared.runtime.problems import unavailable

queries: Any = aiosql.from_path(Path(__file__).parent / "sql" / "queries.sql", "asyncpg", mandatory_parameters=False)


class IntakeStates:
    """Whistles as JSON, and beside them the reporters that came with them, in the same transaction."""

    def __init__(self) -> None:
        self._whistles = JsonStates(Whistle)

    async def load(
        self, transaction: PostgresTransaction, case_ids: Collection[UUID]
    ) -> dict[UUID, Versioned[Whistle]]:
        return await self._whistles.load(transaction, case_ids)

    async def save(self, transaction: PostgresTransaction, states: Mapping[UUID, Versioned[Whistle]]) -> None:
        await self._whistles.save(transaction, states)
        reporters = [
            (case_id, versioned.state.sealed)
            for case_id, versioned in states.items()
            if versioned.state is not None and versioned.state.sealed is not None
        ]
        if reporters:
            await queries.keep_reporters(
                transaction.connection,
                ids=[reporter.id for _, reporter in reporters],
                case_ids=[case_id for case_id, _ in reporters],
                keys=[reporter.key for _, reporter in reporters],
                sealed=[reporter.sealed for _, reporter in reporters],
                phone_hashes=[reporter.phone_hash for _, reporter in reporters],
            )


class PostgresRecords:
    """What the doors read outside the road. Raises `Refused` (503) where the database is away."""

    def __init__(self, pool: asyncpg.Pool, letters: str, zone: ZoneInfo) -> None:
        self._pool = pool
        self._letters = letters
        self._zone = zone

    async def numbers(self, many: int) -> Sequence[str]:
        """New case numbers: letters, the district's date, six digits."""
        async with self._connection() as connection:
            return [
                case_number(self._letters, record["serial"], record["taken_at"].astimezone(self._zone))
                async for record in each(queries.take_numbers(connection, many=many))
            ]

    async def find(self, case_id: UUID) -> Whistle | None:
        async with self._connection() as connection:
            return _whistle(await queries.find(connection, case_id=case_id))

    async def find_by_ref(self, source: Source, source_ref: str) -> Whistle | None:
        async with self._connection() as connection:
            return _whistle(await queries.find_by_ref(connection, source=source.value, source_ref=source_ref))

    async def verifying(self, region: str, after: UUID, most: int) -> Sequence[Whistle]:
        """The oldest orders of a community that wait for verification, after a case, at most `most`."""
        async with self._connection() as connection:
            found = each(queries.verifying(connection, region=region, after=after, most=most))
            return [Whistle.model_validate_json(record["state"]) async for record in found]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        try:
            async with self._pool.acquire(timeout=4) as connection:
                yield connection
        except STORE_FAULTS as error:
            if is_transient(error):
                raise unavailable() from error
            raise


def _whistle(record: Any) -> Whistle | None:
    return None if record is None else Whistle.model_validate_json(record["state"])
