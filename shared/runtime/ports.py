"""What the road needs around it: a store with transactions, a service's states in it, and whom it tells of a commit."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

from shared.runtime.decision import DoorKey, Input
from shared.runtime.log import Head, Row

S = TypeVar("S")

NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Versioned(Generic[S]):
    """A state and the number of events its case has in this log."""

    state: S | None
    caseseq: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """What a door remembers of a request that had its effect."""

    fingerprint: str | None
    answer: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Burial:
    """An input that could not be handled, on its way to the dead letters."""

    input: Input[Any]
    kind: str
    reason: str


class Transaction(Protocol):
    """One database transaction of a service. Methods may be called once the heads are locked."""

    known: Mapping[UUID, Versioned[Any]]
    """States that are current, so that nobody need load them; none unless the road says so."""

    @property
    def now(self) -> datetime:
        """The database's clock when the heads were locked, UTC. No other clock decides anything."""
        ...

    @property
    def progress(self) -> Mapping[tuple[str, int], int]:
        """How far the locked shards of each log that was asked for have been consumed; 0: not at all."""
        ...

    async def lock_heads(self, shards: Collection[int], logs: Collection[str] = ()) -> dict[int, Head]:
        """Lock these shards' heads, in shard order, until the transaction ends; read the progress in these logs."""
        ...

    async def kept(self, keys: Collection[DoorKey]) -> dict[tuple[str, str], Kept]: ...

    async def replayable(self, numbers: Collection[int]) -> set[int]: ...

    async def write(
        self,
        rows: Sequence[Row] = (),
        heads: Collection[Head] = (),
        progress: Mapping[tuple[str, int], int] = NOTHING,
        kept: Sequence[tuple[DoorKey, Kept]] = (),
    ) -> None:
        """Append rows, move these heads (`saves` of each by one) and the progress, remember requests.

        Raises a transient error if another transaction was first to remember one of them.
        """
        ...

    async def bury(self, burials: Sequence[Burial]) -> None: ...

    async def mark_replayed(self, numbers: Collection[int]) -> None: ...

    async def notify(self, shards: Collection[int]) -> None:
        """Tell the relays that hold these shards, once committed."""
        ...


class LogStore(Protocol):
    """Where a service's log and everything beside it is kept."""

    def transaction(self) -> AbstractAsyncContextManager[Any]: ...

    def is_transient(self, error: BaseException) -> bool:
        """Whether trying again may help: the store is away, or another transaction was in the way."""
        ...


class States(Protocol[S]):
    """A service's states by case, loaded and saved inside the road's transaction.

    What the transaction has in `known` is given as it is.
    """

    async def load(self, transaction: Any, case_ids: Collection[UUID]) -> dict[UUID, Versioned[S]]: ...

    async def save(self, transaction: Any, states: Mapping[UUID, Versioned[S]]) -> None: ...


class Outlet(Protocol):
    """What the road tells after a commit: the relay."""

    def holds(self, shard: int) -> bool: ...

    def published(self, shard: int) -> int:
        """How far the shard is known to be published by this process (0 if it does not hold it)."""
        ...

    def offer(self, rows: Sequence[Row]) -> None: ...

    def look(self) -> None:
        """Something may have been appended that was not offered: look in the store."""
        ...


Find: TypeAlias = Callable[[Any, datetime], Awaitable[Sequence[Input[Any]]]]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]
