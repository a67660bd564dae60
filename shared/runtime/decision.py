"""What goes down the road and what is decided of it: values alone, so that decisions need nothing else.

An `Input` is one message, request or timer; a `Decision` is what follows from it; an `Outcome` is what became
of it in the end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from shared.contracts.facts import Fact
from shared.contracts.topics import shard_of

M = TypeVar("M")
S = TypeVar("S")


# --- what comes in -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FromLog:
    """The next event of another service's log; taken only as `progress + 1` of its shard."""

    log: str
    shard: int
    sequence: int


@dataclass(frozen=True, slots=True)
class DoorKey:
    """A name under which a request is known at a door, so that it counts once.

    A repeat with another `fingerprint` is refused; `keep` = how long it is remembered, None = for ever.
    """

    scope: str
    id: str
    fingerprint: str | None = None
    keep: timedelta | None = None


@dataclass(frozen=True, slots=True)
class FromDoor:
    """A request from outside, known by one key or more."""

    keys: tuple[DoorKey, ...]


@dataclass(frozen=True, slots=True)
class FromTimer:
    """Found due inside the transaction itself, by a conditional update."""


@dataclass(frozen=True, slots=True)
class FromDeadLetter:
    """A dead letter being replayed; taken only while it is not replayed yet."""

    number: int


Origin: TypeAlias = FromLog | FromDoor | FromTimer | FromDeadLetter


@dataclass(frozen=True, slots=True)
class Forgotten:
    """In place of an event whose words the law ordered forgotten: a tombstone under its sequence, to be passed over."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it lay in Kafka, kept whole so that it can become a dead letter."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Input(Generic[M]):
    """One thing to decide. `unit` is the unit that speaks, where the door or the topic binds one.

    `time` is when a message says it was stated; none for what nobody stated before.
    """

    case_id: UUID
    message: M
    id: str
    origin: Origin
    unit: str | None = None
    traceparent: str | None = None
    letter: Letter | None = None
    unreadable: str | None = None
    time: datetime | None = None

    @property
    def shard(self) -> int:
        return self.origin.shard if isinstance(self.origin, FromLog) else shard_of(self.case_id)

    @property
    def can_be_buried(self) -> bool:
        """Whether it came as a message and is not in the dead letters already."""
        return self.letter is not None and not isinstance(self.origin, FromDeadLetter)


# --- what is decided ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something asked for is not done: a stable code, the field at fault, and what to do instead."""

    code: str
    zh: str
    en: str
    field: str | None = None
    status: int = 409


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """What follows from one input: the state after it, the facts to append, what the asker is told.

    `state` None leaves the state as it is. `note` says why nothing happens where nothing does.
    """

    state: S | None = None
    facts: tuple[Fact, ...] = ()
    answer: Mapping[str, Any] | None = None
    refusal: Refusal | None = None
    note: str = ""


Decide: TypeAlias = Callable[[S | None, Input[Any], datetime], Decision[S]]


class Fate(StrEnum):
    """What became of an input."""

    DONE = "done"
    REPEAT = "repeat"  # had its effect before
    AHEAD = "ahead"  # something before it is missing; it will come again
    REFUSED = "refused"
    BURIED = "buried"  # a dead letter now
    FAILED = "failed"  # a command our own code could not handle


@dataclass(frozen=True, slots=True)
class Outcome:
    fate: Fate
    answer: Mapping[str, Any] | None = None
    refusal: Refusal | None = None
    note: str = ""
