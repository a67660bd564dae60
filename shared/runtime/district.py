"""The district's set-up as versions in PostgreSQL: import one, and hold the one that is in force.

An import is one transaction: whoever decides, decides by all of the old version or by all of the new one. What is
in the versions is not this module's business; each kind brings the function that reads it.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import UUID

import aiosql
import asyncpg
import structlog

from shared.contracts import units_json
from shared.contracts.units import UnitTree
from shared.runtime import failpoints, metrics
from shared.runtime.ports import States, Versioned
from shared.runtime.postgres import STORE_FAULTS, PostgresTransaction, each

logger = structlog.get_logger(__name__)

queries: Any = aiosql.from_path(
    Path(__file__).parent / "sql" / "district" / "queries.sql", "asyncpg", mandatory_parameters=False
)

T = TypeVar("T")
S = TypeVar("S")

LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One part of the set-up: its name, and how its stored form is read. Reading must need nothing else."""

    name: str
    read: Callable[[bytes], T]


UNITS: Kind[UnitTree] = Kind("units", units_json.from_json)


class NothingInForce(ConnectionError):
    """No version of a kind was imported yet, or none that can be read: as with a database that is away, wait."""


@dataclass(frozen=True, slots=True)
class InForce:
    """A version as it is held: its number, its content's SHA-256 and what was read from it."""

    number: int
    digest: bytes
    value: Any


class Setup:
    """Holds the version in force of some kinds, for as long as a service runs. `current` never waits.

    A district may do without any version of an `optional` kind.
    """

    def __init__(self, *kinds: Kind[Any], optional: Collection[Kind[Any]] = ()) -> None:
        self._kinds = {kind.name: kind for kind in (*kinds, *optional)}
        self._optional = {kind.name for kind in optional}
        self._held: dict[str, InForce] = {}
        self._passed_over: dict[str, int] = {}
        self._reading = asyncio.Lock()
        for name in self._kinds:
            metrics.SETUP_UNREADABLE.labels(name)  # there from the start, so that its first rise is one

    @property
    def kinds(self) -> list[str]:
        """The names of the kinds that are held."""
        return list(self._kinds)

    def current(self, kind: Kind[T]) -> T:
        """What is in force. Raises `NothingInForce` before the first `refresh` that found any."""
        held = self._held.get(kind.name)
        if held is None:
            raise NothingInForce(f"no {kind.name} in force; import some: `chuishao org import`, or `deploy.migrate`")
        value: T = held.value
        return value

    def held(self, kind: Kind[Any]) -> InForce | None:
        """The version of a kind that is held; None before there is any."""
        return self._held.get(kind.name)

    def missing(self) -> str | None:
        """What keeps this from being complete; None when nothing does."""
        without = [name for name in self._kinds if name not in self._held and name not in self._optional]
        return f"no {', '.join(without)} in force" if without else None

    async def refresh(self, connection: Any) -> None:
        """Hold what is in force now: one small query, and a read of whatever is new.

        A version that cannot be read is passed over and the one before kept. Raises `NothingInForce`.
        """
        found = each(queries.in_force(connection, kinds=self.kinds))
        await self.follow(connection, {record["kind"]: record["number"] async for record in found})

    async def follow(self, connection: Any, numbers: Mapping[str, int]) -> None:
        """As `refresh`, where it is known already which version of each kind is in force."""
        if any(self._is_new(name, number) for name, number in numbers.items()):
            async with self._reading:
                for name, number in numbers.items():
                    if self._is_new(name, number):
                        await self._read(connection, self._kinds[name], number)
        missing = self.missing()
        if missing is not None:
            raise NothingInForce(missing)

    def _is_new(self, name: str, number: int) -> bool:
        """Numbers only rise: a transaction that began before an import cannot bring back the version before."""
        held = self._held.get(name)
        return number > max(held.number if held else 0, self._passed_over.get(name, 0))

    async def _read(self, connection: Any, kind: Kind[Any], number: int) -> None:
        stored = await queries.version(connection, kind=kind.name, number=number)
        try:
            value = await asyncio.to_thread(kind.read, stored["content"])
        except Exception:
            self._passed_over[kind.name] = number
            metrics.SETUP_UNREADABLE.labels(kind.name).inc()
            logger.exception("unreadable set-up passed over", kind=kind.name, number=number)
            return
        self._held[kind.name] = InForce(number, stored["digest"], value)
        metrics.SETUP_VERSION.labels(kind.name).set(number)
        logger.info("in force", kind=kind.name, number=number, label=stored["label"])

    async def watch(self, pool: asyncpg.Pool) -> None:
        """Refresh once a second, for as long as the service lives, for those who ask outside of the road."""
        while True:
            try:
                async with pool.acquire(timeout=5) as connection:
                    await self.refresh(connection)
            except STORE_FAULTS as error:
                logger.warning("the set-up could not be looked at", error=repr(error))
            await asyncio.sleep(LOOK_SECONDS)


class ByTheSetup(Generic[S]):
    """States whose loading first brings the set-up up to date: a batch is decided by what its transaction sees."""

    def __init__(self, states: States[S], setup: Setup) -> None:
        self._states = states
        self._setup = setup

    async def load(self, transaction: PostgresTransaction, case_ids: Collection[UUID]) -> dict[UUID, Versioned[S]]:
        await self._setup.follow(transaction.connection, transaction.in_force)
        return await self._states.load(transaction, case_ids)

    async def save(self, transaction: PostgresTransaction, states: Mapping[UUID, Versioned[S]]) -> None:
        await self._states.save(transaction, states)


# --- a new version ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of an import. `changed` is false where the same is in force already, under `number`."""

    number: int
    changed: bool


async def present(connection: Any, kind: Kind[T]) -> T | None:
    """What is in force as this transaction sees it; None where nothing is."""
    stored = await queries.present(connection, kind=kind.name)
    return None if stored is None else await asyncio.to_thread(kind.read, stored["content"])


async def begin_import(connection: Any) -> None:
    """Within a transaction: no other import begins until it ends."""
    await queries.may_think(connection)
    await queries.one_at_a_time(connection)


async def import_version(
    connection: Any, kind: str, label: str, content: bytes, imported_by: str, note: str = ""
) -> Imported:
    """Within the transaction of `begin_import`: add a version and put it in force, unless it is so already."""
    digest = sha256(content).digest()
    stored = await queries.present(connection, kind=kind)
    if stored is not None and stored["digest"] == digest:
        return Imported(stored["number"], changed=False)
    number = await queries.add(
        connection, kind=kind, label=label, content=content, digest=digest, by=imported_by, note=note
    )
    failpoints.reach("amid_import")
    await queries.put_in_force(connection, kind=kind, number=number)
    return Imported(number, changed=True)
