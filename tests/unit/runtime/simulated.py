"""The simulation's surroundings: toy services, and a store and a broker in which anything may go wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError

from shared.contracts.facts import ReportProgressed
from shared.contracts.topics import CASES, DEADLINES, WHISTLES
from shared.runtime.decision import Decision, Input, Refusal
from shared.runtime.log import Row
from shared.runtime.memory import MemoryStates, MemoryStore, MemoryTransaction
from shared.runtime.ports import Versioned
from shared.runtime.relay import Message

if TYPE_CHECKING:
    from tests.unit.runtime.simulation import Process, World

INTAKE, ROUTER, SLA = "intake", "router", "sla"
TOPIC = {INTAKE: WHISTLES, ROUTER: CASES, SLA: DEADLINES}
WRITER = {topic: service for service, topic in TOPIC.items()}
READS = {INTAKE: (), ROUTER: (WHISTLES, DEADLINES), SLA: (CASES,)}
WORKERS = {INTAKE: 2, ROUTER: 2, SLA: 2}
SHARDS = (0, 1)
CASE_IDS = (UUID(int=12), UUID(int=24), UUID(int=13))
KINDS = ("plain", "plain", "double", "refused", "poison", "spoil", "router-poison", "router-spoil", "router-refused")
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)

State = tuple[str, ...]


class Crash(asyncio.CancelledError):
    """The process is gone: nothing in it runs any more, only what the operating system does."""


class BrokerAway(OSError):
    pass


class _Pause:
    """Awaited where something else may happen: gives the scheduler its turn."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class _NoPause:
    def __await__(self) -> Generator[None, None, None]:
        return
        yield


PAUSE, NO_PAUSE = _Pause(), _NoPause()


class Choices:
    """What happens, read byte by byte; 0 = the uneventful choice, also when the bytes are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def used_up(self) -> bool:
        return self._at >= len(self._data)

    def below(self, bound: int) -> int:
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1] % bound

    def one_in(self, bound: int) -> bool:
        return self.below(bound) == bound - 1

    def end(self) -> None:
        self._at = len(self._data)


# --- the toy services ----------------------------------------------------------------------------------


def consequences(service: str, note: str) -> tuple[str, ...]:
    """The notes of the facts that follow from one note: `<command>|<step>|<step>…`."""
    last = note.rpartition("|")[2]
    if service == INTAKE:
        return (note + "|i0", note + "|i1") if "double" in note else (note + "|i0",)
    if service == ROUTER:
        if last[0] == "i":
            return (note + "|r0", note + "|r1") if "double" in note and last == "i0" else (note + "|r0",)
        return (note + "|r9",)
    return (note + "|s0",) if last != "r9" else ()


def fails(service: str, note: str, how: str) -> bool:
    kind = note.split("|", maxsplit=1)[0].partition(":")[2]
    return kind == (how if service == INTAKE else f"{service}-{how}") and (service == INTAKE or "|s0" not in note)


class ToyStates(MemoryStates[State]):
    """Cannot save what is spoilt; the store is to blame for nothing else."""

    def __init__(self, world: "World", service: str) -> None:
        self._world = world
        self._service = service

    async def save(self, transaction: MemoryTransaction, states: Mapping[UUID, Versioned[State]]) -> None:
        await super().save(transaction, states)
        notes = [note for versioned in states.values() for note in versioned.state or ()]
        if not self._world.mended and any(fails(self._service, note, "spoil") for note in notes):
            raise ValueError("a value that the store cannot hold")


def decide_for(world: "World", service: str) -> Callable[[State | None, Input[Any], datetime], Decision[State]]:
    def decide(state: State | None, item: Input[Any], _now: datetime) -> Decision[State]:
        note = item.message.note
        if not world.mended and fails(service, note, "poison"):
            raise ValueError("poison")
        if not world.mended and fails(service, note, "refused"):
            return Decision(refusal=Refusal("no", "不行", "no"))
        facts = tuple(ReportProgressed(note=following) for following in consequences(service, note))
        return Decision(state=(*(state or ()), note), facts=facts, answer={"note": note})

    return decide


# --- store and broker -------------------------------------------------------------------------------------


class SimulatedStore(MemoryStore):
    """Every use of it is a place where something else may happen; a commit may succeed and look as if it had not."""

    def __init__(self, world: "World") -> None:
        super().__init__(lambda: BEGINNING + timedelta(seconds=world.time))
        self._world = world

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        await self._world.pause
        async with super().transaction() as transaction:
            yield transaction
        await self._world.pause  # committed, and nobody knows yet
        if self._world.choices.one_in(24):
            raise ConnectionError("the connection was lost while committing")

    def is_transient(self, error: BaseException) -> bool:
        return isinstance(error, ConnectionError) or super().is_transient(error)

    async def unpublished(self, shard: int, sequence: int, limit: int) -> list[Row]:
        found = await super().unpublished(shard, sequence, limit)
        await self._world.pause  # what is read is old already
        return found


@dataclass(frozen=True, slots=True)
class Record:
    """As a consumer is given it."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int = 0


@dataclass(slots=True)
class Broker:
    """Topics, and what every group has committed."""

    away: bool = False
    logs: dict[TopicPartition, list[Record | None]] = field(default_factory=dict)
    in_flight: list[Message] = field(default_factory=list)
    committed: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)
    lost: dict[tuple[TopicPartition, int], Record] = field(default_factory=dict)

    def log(self, at: TopicPartition) -> list[Record | None]:
        return self.logs.setdefault(at, [])

    def append(self, message: Message) -> None:
        at = TopicPartition(message.topic, message.partition or 0)
        log = self.log(at)
        log.append(Record(at.topic, at.partition, len(log), message.value, message.headers))


class SimulatedPublisher:
    def __init__(self, world: "World") -> None:
        self._world = world

    async def publish(self, messages: Sequence[Message]) -> None:
        choices, broker = self._world.choices, self._world.broker
        await self._world.pause  # read, not sent: here a relay may sleep while another takes over
        if broker.away:
            raise BrokerAway("the broker is away")
        lossy, late = choices.one_in(10), choices.one_in(16)
        for message in messages:
            if choices.one_in(12):
                await self._world.pause
            if lossy and choices.below(2):
                continue
            if late and choices.below(2):
                broker.in_flight.append(message)  # an old producer delivers it some day
                continue
            broker.append(message)
            if choices.one_in(16):
                broker.append(message)
        await self._world.pause  # sent, not known to be
        if lossy or late:
            raise BrokerAway("some of it may have arrived")


class SimulatedClient:
    """A consumer's connection: reads in order, with strange deliveries before, and learns late of a new generation."""

    def __init__(self, world: "World", process: "Process") -> None:
        self._world = world
        self._process = process
        self._group = world.groups[process.service]
        self._listener: Any = None
        self._generation = -1
        self._position: dict[TopicPartition, int] = {}

    def subscribe(self, pattern: str, listener: Any) -> None:
        self._listener = listener

    async def start(self) -> None:
        await PAUSE
        if self._world.broker.away:
            raise BrokerAway("the broker is away")

    async def stop(self) -> None:
        pass

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        await PAUSE
        if self._world.broker.away:
            return {}
        if self._generation != self._group.generation:
            await self._listener.on_partitions_revoked(set(self._position))
            self._generation = self._group.generation
            mine = self._group.assignment.get(self._process, ())
            committed = self._world.broker.committed
            self._position = {at: committed.get((self._process.service, at), 0) for at in mine}
            await self._listener.on_partitions_assigned(set(mine))
        polled = {at: found for at in self._position if (found := self._read(at))}
        if polled:
            await self._world.pause
        return polled

    def _read(self, at: TopicPartition) -> list[Record]:
        log, position, choices = self._world.broker.log(at), self._position[at], self._world.choices
        if position >= len(log):
            return []
        end = min(len(log), position + 1 + choices.below(4) if not choices.used_up else len(log))
        self._position[at] = end
        strange = []
        if choices.one_in(6):
            near = [record for record in log[max(0, position - 4) : position + 6] if record is not None]
            strange = [near[choices.below(len(near))] for _ in range(choices.below(3))] if near else []
        return strange + [record for record in log[position:end] if record is not None]

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        await self._world.pause
        if self._world.broker.away:
            raise CommitFailedError("the broker is away")
        if self._generation != self._group.generation:
            raise CommitFailedError("the group moved on")
        for at, offset in offsets.items():
            self._world.broker.committed[self._process.service, at] = offset

    def highwater(self, at: TopicPartition) -> int:
        return len(self._world.broker.log(at))


@dataclass(slots=True)
class Group:
    generation: int = 0
    assignment: dict["Process", tuple[TopicPartition, ...]] = field(default_factory=dict)
