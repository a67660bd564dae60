"""A chain of toy services on the real Road, Relay and Consumer, over memory, in which anything may go wrong.

    client ── door ──> intake ══whistles══> router ══cases══> sla
                                              ^ ══deadlines══╛

Every process is a handful of coroutines, stepped by hand: wherever one awaits the store or the broker another may
run, the process may die, its database session may be dropped, the store or the broker may be away. What happens
is read from a string of bytes; zero means that all goes well, so hypothesis can shrink a failure to its cause.
A history ends with a drain in which nothing fails any more; then every invariant is checked.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError

from shared.contracts.envelope import decode
from shared.contracts.facts import ReportProgressed
from shared.contracts.topics import CASES, DEADLINES, WHISTLES, shard_of
from shared.runtime import failpoints
from shared.runtime.consumer import Consumer, to_input
from shared.runtime.log import GENESIS, Head, Row, verify_chain
from shared.runtime.memory import MemoryStates, MemoryStore, MemoryTransaction
from shared.runtime.relay import Message, Relay, no_projection
from shared.runtime.road import (
    Decision,
    DoorKey,
    Fate,
    FromDeadLetter,
    FromDoor,
    Input,
    Letter,
    Outcome,
    Refusal,
    Road,
    Versioned,
)
from shared.runtime.settings import KafkaSettings

INTAKE, ROUTER, SLA = "intake", "router", "sla"
TOPIC = {INTAKE: WHISTLES, ROUTER: CASES, SLA: DEADLINES}
WRITER = {topic: service for service, topic in TOPIC.items()}
READS = {INTAKE: (), ROUTER: (WHISTLES, DEADLINES), SLA: (CASES,)}
WORKERS = {INTAKE: 2, ROUTER: 2, SLA: 1}
SHARDS = (0, 1)
CASE_IDS = (UUID(int=12), UUID(int=24), UUID(int=13))
KINDS = ("plain", "plain", "double", "refused", "poison", "spoil", "router-poison", "router-spoil", "router-refused")
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
GAP_ALARM_SECONDS = 1.0
STUCK_ROUNDS = 16
MOST_ROUNDS = 2_000

State = tuple[str, ...]


class Broken(AssertionError):
    """An invariant does not hold."""


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


# --- processes ----------------------------------------------------------------------------------------------


class RelayByHand:
    """Mixed into a Relay: resting is a pause, and what is published is marked as if time had passed."""

    _world: "World"
    _wake: asyncio.Event

    async def _rest(self) -> None:
        await PAUSE
        if not self._wake.is_set():
            await self._mark()  # type: ignore[attr-defined]


class ConsumerByHand:
    """Mixed into a Consumer: no event loop runs that could time its leaving."""

    async def _leave(self) -> None:
        pass


@cache
def by_hand(mixin: Any, part: Any) -> Any:
    return type(f"{part.__name__}ByHand", (mixin, part), {})


@dataclass(frozen=True, slots=True)
class Parts:
    """What the processes are made of; a mutation puts a broken part in."""

    road: type[Road[State]] = Road
    relay: type[Relay] = Relay
    consumer: type[Consumer] = Consumer
    store: type[SimulatedStore] = SimulatedStore


@dataclass(eq=False, slots=True)
class Task:
    """A coroutine of a process. An errand comes to an end; the others run as long as the process."""

    process: "Process"
    coroutine: Coroutine[Any, Any, Any]
    errand: bool = False
    waits_for: asyncio.Future[Any] | None = None
    done: bool = False


class Process:
    """One process of a service. A crash ends its coroutines; the store and the broker stay."""

    def __init__(self, world: "World", service: str) -> None:
        self.world = world
        self.service = service
        store = world.stores[service]
        parts: Any = world.parts
        relay_type, consumer_type = by_hand(RelayByHand, parts.relay), by_hand(ConsumerByHand, parts.consumer)
        self.relay: Relay = relay_type(
            service, TOPIC[service], store, SimulatedPublisher(world), no_projection, world.sleep, world.monotonic
        )
        self.road: Road[State] = world.parts.road(
            service,
            store,
            ToyStates(world, service),
            decide_for(world, service),
            self.relay,
            world.sleep,
            world.monotonic,
        )
        self.consumer: Consumer | None = None
        self.tasks = [Task(self, self.relay.run())]
        if READS[service]:
            self.consumer = consumer_type(
                service,
                KafkaSettings.model_construct(),
                READS[service],
                self.road,
                self.relay.want,
                GAP_ALARM_SECONDS,
                connect=lambda _settings, _group: SimulatedClient(world, self),
                sleep=world.sleep,
                monotonic=world.monotonic,
            )
            self.tasks.append(Task(self, self.consumer.run()))
        else:
            self.relay.want(SHARDS)

    def die(self) -> None:
        for task in self.tasks:
            if not task.done:
                task.done = True
                try:
                    task.coroutine.throw(Crash())
                except (Crash, StopIteration):
                    continue
                finally:
                    task.coroutine.close()


@dataclass(slots=True)
class Command:
    """What the client knows of one thing it asked for."""

    label: str
    case_id: UUID
    acknowledged: Fate | None = None


class World:
    """Everything, and the scheduler."""

    def __init__(self, data: bytes, parts: Parts) -> None:
        self.choices = Choices(data)
        self.parts = parts
        self.time = 0.0
        self.mended = False
        self.broker = Broker()
        self.stores = {service: parts.store(self) for service in TOPIC}
        self.groups = {service: Group() for service in TOPIC}
        self.commands: list[Command] = []
        self.processes: list[Process] = []
        for service, workers in WORKERS.items():
            self.processes.extend(Process(self, service) for _ in range(workers))
            self.rebalance(service)

    @property
    def pause(self) -> _Pause | _NoPause:
        return NO_PAUSE if self.choices.used_up else PAUSE

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, _seconds: float) -> None:
        await PAUSE

    # --- what may happen

    def step(self, task: Task) -> None:
        try:
            yielded = task.coroutine.send(None)
        except StopIteration:
            task.done = True
            task.process.tasks.remove(task)
        except Crash:
            task.done = True
            self.crash(task.process)
        else:
            task.waits_for = yielded
            if yielded is not None:
                yielded._asyncio_future_blocking = False

    def runnable(self) -> list[Task]:
        return [
            task
            for process in self.processes
            for task in process.tasks
            if task.waits_for is None or task.waits_for.done()
        ]

    def crash(self, process: Process) -> None:
        process.die()
        place = self.processes.index(process)
        self.processes[place] = Process(self, process.service)
        self.rebalance(process.service)

    def rebalance(self, service: str) -> None:
        members = [process for process in self.processes if process.service == service]
        group = self.groups[service]
        group.generation += 1
        group.assignment = {}
        for shard in SHARDS:
            owner = members[(shard + self.choices.below(len(members))) % len(members)]
            places = tuple(TopicPartition(topic, shard) for topic in READS[service])
            group.assignment[owner] = (*group.assignment.get(owner, ()), *places)

    def ask(self, commands: Sequence[Command]) -> None:
        workers = [process for process in self.processes if process.service == INTAKE]
        process = workers[self.choices.below(len(workers))]
        process.tasks.append(Task(process, self._asking(process, commands), errand=True))

    async def _asking(self, process: Process, commands: Sequence[Command]) -> None:
        outcomes = await process.road.travel([as_input(command) for command in commands])
        for command, outcome in zip(commands, outcomes, strict=True):
            self._acknowledge(command, outcome)

    def _acknowledge(self, command: Command, outcome: Outcome) -> None:
        if outcome.fate is Fate.REPEAT and (outcome.answer or {}).get("note") != command.label:
            raise Broken(f"{command.label}: answered with {outcome.answer}")
        effective = {Fate.DONE, Fate.REPEAT}
        if command.acknowledged is not None and (command.acknowledged in effective) != (outcome.fate in effective):
            raise Broken(f"{command.label}: first {command.acknowledged}, then {outcome.fate}")
        command.acknowledged = outcome.fate

    def ask_something(self) -> None:
        asked: list[Command] = []
        for _ in range(1 + self.choices.below(3)):
            if self.commands and self.choices.one_in(3):
                again = self.commands[self.choices.below(len(self.commands))]
                if again not in asked:
                    asked.append(again)
                continue
            kind = KINDS[self.choices.below(len(KINDS))]
            case_id = CASE_IDS[self.choices.below(len(CASE_IDS))]
            command = Command(f"{len(self.commands)}:{kind}", case_id)
            self.commands.append(command)
            asked.append(command)
        if asked:
            self.ask(asked)

    def happen(self, what: int) -> None:
        match what:
            case 0 | 1 | 2 | 3 | 4 | 5:
                self.ask_something()
            case 6 | 7 | 8:
                self.crash(self.processes[self.choices.below(len(self.processes))])
            case 9 | 10 | 11:
                self._store().drop_sessions()
            case 12 | 13:
                store = self._store()
                store.away = not store.away
            case 14 | 15:
                self.broker.away = not self.broker.away
            case 16 | 17:
                self.rebalance((ROUTER, SLA)[self.choices.below(2)])
            case 18 | 19:
                if self.broker.in_flight:
                    self.broker.append(self.broker.in_flight.pop(self.choices.below(len(self.broker.in_flight))))
            case 20 | 21 | 22:
                self._lose_a_message()
            case _:
                self.time += 0.4

    def _store(self) -> SimulatedStore:
        return tuple(self.stores.values())[self.choices.below(len(self.stores))]

    def _lose_a_message(self) -> None:
        places = [at for at, log in self.broker.logs.items() if log and at.topic in WRITER]
        if not places:
            return
        place = places[self.choices.below(len(places))]
        log = self.broker.log(place)
        offset = len(log) - 1 - self.choices.below(3)
        if offset >= 0 and (record := log[offset]) is not None:
            self.broker.lost[place, offset] = record
            log[offset] = None

    # --- a whole history

    def run(self) -> None:
        failpoints.install(self._failpoint)
        try:
            self.ask_something()
            self._faults()
            self._drain()
            self._check()
            if self._mend():
                self._drain()
                self._check()
        finally:
            failpoints.install(None)
            for process in self.processes:
                process.die()

    def _failpoint(self, _name: str) -> None:
        if self.choices.one_in(40):
            raise Crash

    def _faults(self) -> None:
        while not self.choices.used_up:
            choice = self.choices.below(256)
            if choice < 208:
                tasks = self.runnable()
                self.step(tasks[choice % len(tasks)])
                self.time += 0.005
            else:
                self.happen((choice - 208) // 2)

    def _drain(self) -> None:
        """Nothing fails any more; what does not move has a gap, which must be reported, and is republished."""
        self.choices.end()
        self.broker.away = False
        for store in self.stores.values():
            store.away = False
        for message in self.broker.in_flight:
            self.broker.append(message)
        self.broker.in_flight.clear()
        before: Any = None
        still = 0
        for _ in range(MOST_ROUNDS):
            for task in self.runnable():
                if not task.done:
                    self.step(task)
            self.time += 0.5
            if self._settled():
                return
            now = self._where()
            still = still + 1 if now == before else 0
            before = now
            if still >= STUCK_ROUNDS:
                self._heal()
                still = 0
        raise Broken(f"never settles: {before}")

    def _where(self) -> Any:
        heads = [tuple(store.tables.heads.values()) for store in self.stores.values()]
        progress = [dict(store.tables.progress) for store in self.stores.values()]
        return heads, progress, dict(self.broker.committed), [len(log) for log in self.broker.logs.values()]

    def _behind(self) -> Iterator[tuple[str, str, int, int]]:
        """(reader, topic, shard, progress) wherever a reader has not consumed a whole log."""
        for reader, topics in READS.items():
            for topic in topics:
                for shard in SHARDS:
                    progress = self.stores[reader].tables.progress.get((topic, shard), 0)
                    if progress < self.stores[WRITER[topic]].tables.heads[shard].sequence:
                        yield reader, topic, shard, progress

    def _settled(self) -> bool:
        if any(task.errand for process in self.processes for task in process.tasks):
            return False
        for service, store in self.stores.items():
            if len(store.tables.published_letters) < len(store.tables.burials):
                return False
            if any(head.published != head.sequence for head in store.tables.heads.values()):
                return False
            for topic in READS[service]:
                for shard in SHARDS:
                    at = TopicPartition(topic, shard)
                    committed = self.broker.committed.get((service, at), 0)
                    if any(record is not None for record in self.broker.log(at)[committed:]):
                        return False
        return not any(self._behind())

    def _heal(self) -> None:
        behind = list(self._behind())
        if not behind or not self.broker.lost:
            raise Broken(f"stuck, with {behind} behind: {self._where()}")
        for reader, topic, shard, progress in behind:
            later = [
                record
                for record in self.broker.log(TopicPartition(topic, shard))
                if record is not None and read(record.value or b"")[1] > progress + 1
            ]
            if later and not any((topic, shard) in consumer.gaps.open for consumer in self._consumers(reader)):
                raise Broken(f"{reader} misses {topic}/{shard}/{progress + 1} and does not say so")
            writer = next(process for process in self.processes if process.service == WRITER[topic])
            writer.tasks.append(Task(writer, writer.relay.republish(shard, progress + 1), errand=True))

    def _readers(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(service, topics) for service, topics in READS.items() if topics]

    def _consumers(self, service: str) -> list[Consumer]:
        return [process.consumer for process in self.processes if process.service == service and process.consumer]

    def _mend(self) -> bool:
        """What could not be handled can be now: every dead letter is replayed, twice."""
        self.mended = True
        replays = False
        for service, store in self.stores.items():
            process = next(process for process in self.processes if process.service == service)
            replayed = [
                replay_input(number, burial.input.letter)
                for number, burial in enumerate(store.tables.burials, start=1)
                if burial.input.letter is not None
            ]
            if replayed:
                replays = True
                process.tasks.extend(Task(process, travel(process.road, replayed), errand=True) for _ in range(2))
        return replays

    # --- what must hold

    def _check(self) -> None:
        for consumer in (consumer for service in READS for consumer in self._consumers(service)):
            expect(not consumer.gaps.open, f"a gap is reported where there is none: {consumer.gaps.open}")
        for service, store in self.stores.items():
            self._check_log(service, store)
            self._check_states(service, store)
        self._check_commands()
        for service, topics in self._readers():
            self._check_consumed(service, [note for topic in topics for note in self._notes(WRITER[topic])])

    def _check_log(self, service: str, store: SimulatedStore) -> None:
        for shard in SHARDS:
            rows, head = store.tables.log[shard], store.tables.heads[shard]
            breaks = verify_chain(rows, Head(shard, 0, GENESIS, 0), head)
            expect(not breaks, f"{service}'s chain: {breaks}")
            expect(head.published == head.sequence, f"{service}/{shard} is published up to {head.published}")
            topic: list[bytes | None] = []
            at = TopicPartition(TOPIC[service], shard)
            for offset, left in enumerate(self.broker.log(at)):
                record = left or self.broker.lost[at, offset]
                if read(record.value or b"")[1] == len(topic) + 1:
                    topic.append(record.value)
            expect(topic == [row.event for row in rows], f"{service}/{shard}: the topic is not the log")
            counted: Counter[UUID] = Counter()
            for row in rows:
                counted[row.case_id] += 1
                caseseq = read(row.event or b"")[2]
                expect(caseseq == row.caseseq == counted[row.case_id], f"{service}: caseseq {caseseq} in {row}")
                expect(shard_of(row.case_id) == shard, f"{service}: {row.case_id} lies in shard {shard}")

    def _check_states(self, service: str, store: SimulatedStore) -> None:
        for case_id in CASE_IDS:
            taken = store.tables.states.get(case_id, Versioned(())).state or ()
            expected = [fact for note in taken for fact in consequences(service, note)]  # type: ignore[attr-defined]
            logged = [
                read(row.event or b"")[0] for row in store.tables.log[shard_of(case_id)] if row.case_id == case_id
            ]
            expect(logged == expected, f"{service}: the state of {case_id} and the log do not agree")

    def _check_commands(self) -> None:
        effects = Counter(self._taken(INTAKE))
        for command in self.commands:
            found = effects[command.label]
            expect(found <= 1, f"{command.label} had its effect {found} times")
            if command.acknowledged in (Fate.DONE, Fate.REPEAT):
                expect(found == 1, f"{command.label} was acknowledged and is lost")
            if command.acknowledged in (Fate.REFUSED, Fate.FAILED):
                expect(found == 0, f"{command.label} was turned away and had an effect")

    def _check_consumed(self, service: str, stated: Collection[str]) -> None:
        taken = Counter(self._taken(service))
        letters = Counter(
            read(burial.input.letter.value or b"")[0]
            for burial in self.stores[service].tables.burials
            if burial.input.letter is not None
        )
        for note in stated:
            bad = any(fails(service, note, how) for how in ("poison", "spoil", "refused"))
            expect(letters[note] == bad, f"{service}: {note} is {letters[note]} dead letters")
            expect(taken[note] == (self.mended or not bad), f"{service}: {note} had its effect {taken[note]} times")
        expect(set(taken) <= set(stated), f"{service} took what nobody stated")
        topics = {burial.input.letter.topic for burial in self.stores[service].tables.burials if burial.input.letter}
        said = {
            read(record.value or b"")[0]
            for topic in topics
            for record in self.broker.log(TopicPartition(f"{topic}.dlq", 0))
            if record is not None
        }
        expect(set(letters) <= said, f"{service}: dead letters missing on their topic: {set(letters) - said}")

    def _taken(self, service: str) -> Iterator[str]:
        for versioned in self.stores[service].tables.states.values():
            yield from versioned.state or ()  # type: ignore[misc]

    def _notes(self, service: str) -> Iterator[str]:
        for rows in self.stores[service].tables.log.values():
            for row in rows:
                yield read(row.event or b"")[0]


@lru_cache(maxsize=2_000)
def read(value: bytes) -> tuple[str, int, int]:
    """(note, sequence, caseseq) of an event."""
    envelope = decode(value)
    assert isinstance(envelope.fact, ReportProgressed)
    return envelope.fact.note, envelope.sequence, envelope.caseseq


async def travel(road: Road[State], inputs: Sequence[Input[Any]]) -> None:
    await road.travel(inputs)


def as_input(command: Command) -> Input[Any]:
    key = DoorKey("client", command.label, command.label)
    return Input(command.case_id, ReportProgressed(note=command.label), command.label, FromDoor((key,)))


def replay_input(number: int, letter: Letter) -> Input[Any]:
    item = to_input(letter)
    return Input(item.case_id, item.message, item.id, FromDeadLetter(number), letter=letter)


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)


def run_history(data: bytes, parts: Parts | None = None) -> World:
    """Live through one history and check it. Needs a running event loop, which never runs meanwhile."""
    world = World(data, parts or Parts())
    world.run()
    return world
