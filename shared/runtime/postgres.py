"""A service's store in PostgreSQL: its own schema, reached with its own role (whose search path it is)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import UUID
from zlib import crc32

import aiosql
import asyncpg
import orjson
from pydantic import BaseModel

from shared.runtime.decision import DoorKey
from shared.runtime.log import Head, Row
from shared.runtime.ports import NOTHING, Burial, Kept, Versioned
from shared.runtime.relay import DeadLetter

queries: Any = aiosql.from_path(Path(__file__).parent / "sql" / "queries.sql", "asyncpg", mandatory_parameters=False)

S = TypeVar("S", bound=BaseModel)

SESSION_SILENCE_SECONDS = 5
"""A relay that says nothing for so long loses its shards to another process."""

TRANSACTION_SILENCE_SECONDS = 15
"""A transaction that says nothing for so long is broken off: a frozen process must not keep the heads locked."""

STORE_FAULTS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What using the database may raise that is not a bug of the caller's: `is_transient` says whether it passes. A session
that ends in the middle of a transaction shows as an `InternalClientError`, which is none of the others."""

_TRANSIENT = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidCachedStatementError,
    # The database is not as this release needs it: no message is to blame, an operator is needed.
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: the database is away, or another transaction was in the way."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return error.constraint_name == "door_pkey"
    return isinstance(error, _TRANSIENT) and not isinstance(error, ValueError)


async def open_pool(url: str, ca_file: Path | None = None, most: int = 10) -> asyncpg.Pool:
    """A pool on the service's database. Waits for nothing: raises if the database is away."""
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=most,
        ssl=tls(ca_file),
        command_timeout=30,
        timeout=5,
        server_settings={"idle_in_transaction_session_timeout": f"{TRANSACTION_SILENCE_SECONDS}s"},
        init=prepare,
        reset=_leave,
    )


def tls(ca_file: Path | None) -> ssl.SSLContext | None:
    """The TLS context for a given authority; None leaves the choice to the URL's sslmode."""
    return ssl.create_default_context(cafile=str(ca_file)) if ca_file else None


async def prepare(connection: Any) -> None:
    """JSON columns of this connection are read and written as values."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_as_json, decoder=orjson.loads)


def _as_json(value: object) -> str:
    """The driver's own kind of UUID is written as any other."""
    return orjson.dumps(value, default=_written).decode()


def _written(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


async def _leave(_connection: asyncpg.Connection) -> None:
    """Nothing here outlives its transaction; the default reset would cost each transaction a round trip."""


def _row(record: Any) -> Row:
    return Row(**dict(record))


class PostgresTransaction:
    """One transaction; `connection` is for a service's own queries inside it."""

    def __init__(self, connection: Any, channel: str, kinds: Sequence[str] = ()) -> None:
        self.connection = connection
        self.known: Mapping[UUID, Versioned[Any]] = {}
        self._channel = channel
        self._kinds = kinds
        self._now: datetime | None = None
        self.progress: Mapping[tuple[str, int], int] = {}
        self.in_force: Mapping[str, int] = {}
        """By kind of the set-up, the version in force as read under the locks; a kind of which none is, is missing."""

    @property
    def now(self) -> datetime:
        assert self._now is not None, "the heads are locked first"
        return self._now

    async def lock_heads(self, shards: Collection[int], logs: Collection[str] = ()) -> dict[int, Head]:
        found = each(queries.lock_heads(self.connection, shards=list(shards), logs=list(logs), kinds=self._kinds))
        locked = [dict(record) async for record in found]
        times = [record.pop("locked_at") for record in locked]
        self._now = max(times) if times else await queries.now(self.connection)
        self.progress = {
            (log, record["shard"]): done
            for record in locked
            for log, done in zip(logs, record.pop("progress"), strict=True)
        }
        versions = [record.pop("in_force") for record in locked]  # the same beside each head
        if versions:
            self.in_force = {kind: number for kind, number in zip(self._kinds, versions[0], strict=True) if number}
        return {record["shard"]: Head(**record) for record in locked}

    async def kept(self, keys: Collection[DoorKey]) -> dict[tuple[str, str], Kept]:
        scopes, ids = [key.scope for key in keys], [key.id for key in keys]
        found = each(queries.kept(self.connection, scopes=scopes, ids=ids))
        return {
            (record["scope"], record["id"]): Kept(
                record["fingerprint"], None if record["answer"] is None else orjson.loads(record["answer"])
            )
            async for record in found
        }

    async def replayable(self, numbers: Collection[int]) -> set[int]:
        return {record["number"] async for record in each(queries.replayable(self.connection, numbers=list(numbers)))}

    async def write(
        self,
        rows: Sequence[Row] = (),
        heads: Collection[Head] = (),
        progress: Mapping[tuple[str, int], int] = NOTHING,
        kept: Sequence[tuple[DoorKey, Kept]] = (),
    ) -> None:
        await queries.write(
            self.connection,
            shards=[row.shard for row in rows],
            sequences=[row.sequence for row in rows],
            case_ids=[row.case_id for row in rows],
            caseseqs=[row.caseseq for row in rows],
            events=[row.event for row in rows],
            digests=[row.digest for row in rows],
            hashes=[row.hash for row in rows],
            head_shards=[head.shard for head in heads],
            head_sequences=[head.sequence for head in heads],
            head_hashes=[head.hash for head in heads],
            head_published=[head.published for head in heads],
            logs=[log for log, _ in progress],
            log_shards=[shard for _, shard in progress],
            log_sequences=list(progress.values()),
            scopes=[key.scope for key, _ in kept],
            ids=[key.id for key, _ in kept],
            fingerprints=[value.fingerprint for _, value in kept],
            answers=[None if value.answer is None else orjson.dumps(value.answer).decode() for _, value in kept],
            keeps=[key.keep for key, _ in kept],
        )

    async def bury(self, burials: Sequence[Burial]) -> None:
        lettered = [(burial, burial.input.letter) for burial in burials if burial.input.letter is not None]
        await queries.bury(
            self.connection,
            topics=[letter.topic for _, letter in lettered],
            partitions=[letter.partition for _, letter in lettered],
            offsets=[letter.offset for _, letter in lettered],
            kinds=[burial.kind for burial, _ in lettered],
            reasons=[burial.reason[:2000].replace("\0", "") for burial, _ in lettered],
            event_ids=[burial.input.id[:200].replace("\0", "") for burial, _ in lettered],
            case_ids=[burial.input.case_id for burial, _ in lettered],
            letters=[letter.value for _, letter in lettered],
            headers=[_headers_json(letter.headers) for _, letter in lettered],
        )

    async def mark_replayed(self, numbers: Collection[int]) -> None:
        await queries.mark_replayed(self.connection, numbers=list(numbers))

    async def notify(self, shards: Collection[int]) -> None:
        await self.connection.execute("select pg_notify($1, '')", self._channel)


def _headers_json(headers: Sequence[tuple[str, bytes]]) -> str:
    return orjson.dumps([[name.replace("\0", ""), value.hex()] for name, value in headers]).decode()


async def each(found: Any) -> AsyncIterator[Any]:
    """aiosql gives an awaitable of a list or an async generator, by version; either is walked."""
    for record in await found if asyncio.iscoroutine(found) else [record async for record in found]:
        yield record


class PostgresStore:
    """A service's log and everything beside it. `kinds`: of the set-up, those that it decides by."""

    def __init__(
        self, service: str, pool: asyncpg.Pool, url: str, ca_file: Path | None = None, kinds: Sequence[str] = ()
    ) -> None:
        self._service = service
        self._url = url
        self._ca_file = ca_file
        self._kinds = kinds
        self._channel = f"relay_{service}"
        self.pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with self.pool.acquire(timeout=5) as connection, connection.transaction():
            yield PostgresTransaction(connection, self._channel, self._kinds)

    def is_transient(self, error: BaseException) -> bool:
        return is_transient(error)

    @asynccontextmanager
    async def ownership(self, on_notify: Callable[[], None]) -> AsyncIterator["PostgresOwnership"]:
        connection = await asyncpg.connect(
            self._url,
            ssl=tls(self._ca_file),
            timeout=5,
            command_timeout=5,
            server_settings={"idle_session_timeout": f"{SESSION_SILENCE_SECONDS}s"},
        )
        try:
            await connection.add_listener(self._channel, lambda *_: on_notify())
            yield PostgresOwnership(self._service, connection)
        finally:
            connection.terminate()

    async def unpublished(self, shard: int, sequence: int, limit: int) -> list[Row]:
        async with self.pool.acquire(timeout=5) as connection:
            found = each(queries.unpublished(connection, shard=shard, sequence=sequence, most=limit))
            return [_row(record) async for record in found]

    async def mark_published(self, published: dict[int, int]) -> None:
        async with self.pool.acquire(timeout=5) as connection:
            await queries.mark_published(connection, shards=list(published), published=list(published.values()))

    async def unpublished_letters(self, limit: int) -> list[DeadLetter]:
        async with self.pool.acquire(timeout=5) as connection:
            return [
                DeadLetter(
                    number=record["number"],
                    topic=record["topic"],
                    key=str(record["case_id"]).encode(),
                    value=record["value"],
                    reason=record["reason"],
                )
                async for record in each(queries.unpublished_letters(connection, most=limit))
            ]

    async def mark_letters_published(self, numbers: Sequence[int]) -> None:
        async with self.pool.acquire(timeout=5) as connection:
            await queries.mark_letters_published(connection, numbers=list(numbers))

    async def history(self, case_id: UUID) -> list[Row]:
        """One case's events in this log, in order."""
        async with self.pool.acquire(timeout=5) as connection:
            return [_row(record) async for record in each(queries.history(connection, case_id=case_id))]


class PostgresOwnership:
    """Advisory locks on one session: gone with the session, however it ends."""

    def __init__(self, service: str, connection: Any) -> None:
        self._class = crc32(service.encode()) & 0x7FFFFFFF
        self._connection = connection

    async def claim(self, shard: int) -> Head | None:
        if not await queries.claim(self._connection, service=self._class, shard=shard):
            return None
        return Head(**dict(await queries.head(self._connection, shard=shard)))

    async def release(self, shard: int) -> None:
        await queries.release(self._connection, service=self._class, shard=shard)

    async def heartbeat(self) -> None:
        await self._connection.execute("select 1")


class JsonStates(Generic[S]):
    """States kept whole as JSON in the `state` table; a service's migrations add columns made from it."""

    def __init__(self, model: type[S]) -> None:
        self._model = model

    async def load(self, transaction: PostgresTransaction, case_ids: Collection[UUID]) -> dict[UUID, Versioned[S]]:
        states: dict[UUID, Versioned[S]] = dict(transaction.known)
        missing = [case_id for case_id in case_ids if case_id not in states]
        if missing:
            async for record in each(queries.load_states(transaction.connection, case_ids=missing)):
                state = None if record["state"] == "null" else self._model.model_validate_json(record["state"])
                states[record["case_id"]] = Versioned(state, record["caseseq"])
        return states

    async def save(self, transaction: PostgresTransaction, states: Mapping[UUID, Versioned[S]]) -> None:
        await queries.save_states(transaction.connection, **state_columns(states))


def state_columns(states: Mapping[UUID, Versioned[S]]) -> dict[str, list[Any]]:
    """States as `save_states` takes them, for a service that saves more in the same statement."""
    found = states.values()
    return {
        "case_ids": list(states),
        "caseseqs": [one.caseseq for one in found],
        "states": ["null" if one.state is None else one.state.model_dump_json() for one in found],
    }
