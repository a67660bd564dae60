"""A chain of toy services on the real Road, Relay and Consumer, over memory, in which anything may go wrong.

    client ── door ──> intake ══whistles══> router ══cases══> sla
                                              ^ ══deadlines══╛

Every process is a handful of coroutines, stepped by hand: wherever one awaits the store or the broker another may
run, the process may die, its database session may be dropped, the store or the broker may be away. What happens
is read from a string of bytes; zero means that all goes well, so hypothesis can shrink a failure to its cause.
A history ends with a drain in which nothing fails any more; then every invariant is checked.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from aiokafka import TopicPartition

from shared.contracts.facts import ReportProgressed
from shared.runtime import failpoints
from shared.runtime.consumer import Consumer, to_input
from shared.runtime.decision import DoorKey, Fate, FromDeadLetter, FromDoor, Input, Letter, Outcome
from shared.runtime.relay import Relay, no_projection
from shared.runtime.remembered import Remembered
from shared.runtime.road import Road
from shared.runtime.settings import KafkaSettings
from tests.unit.runtime.invariants import Broken, check, expect, read
from tests.unit.runtime.simulated import (
    CASE_IDS,
    INTAKE,
    KINDS,
    NO_PAUSE,
    PAUSE,
    READS,
    ROUTER,
    SHARDS,
    SLA,
    TOPIC,
    WORKERS,
    WRITER,
    Broker,
    Choices,
    Crash,
    Group,
    SimulatedClient,
    SimulatedPublisher,
    SimulatedStore,
    State,
    ToyStates,
    _NoPause,
    _Pause,
    decide_for,
)

GAP_ALARM_SECONDS = 1.0
STUCK_ROUNDS = 16
MOST_REMEMBERED = 2
MOST_ROUNDS = 2_000

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
    remembered: type[Remembered[State]] = Remembered
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
            world.parts.remembered(READS[service], MOST_REMEMBERED),
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
            check(self)
            if self._mend():
                self._drain()
                check(self)
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
        healed, still = False, 0
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
                expect(not healed, f"republishing did not heal {list(self._behind())}")
                self._heal()
                healed, still = True, 0
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
            at = TopicPartition(topic, shard)
            there = [read(record.value or b"")[1] if record is not None else 0 for record in self.broker.log(at)]
            to_be_read = there[self.broker.committed.get((reader, at), 0) :]
            passed_over = progress + 1 in there and progress + 1 not in to_be_read
            expect(not passed_over, f"{reader} has passed over {topic}/{shard}/{progress + 1}")
            later = [sequence for sequence in there if sequence > progress + 1]
            if later and not any((topic, shard) in consumer.gaps.open for consumer in self.consumers(reader)):
                raise Broken(f"{reader} misses {topic}/{shard}/{progress + 1} and does not say so")
            writer = next(process for process in self.processes if process.service == WRITER[topic])
            writer.tasks.append(Task(writer, writer.relay.republish(shard, progress + 1), errand=True))

    def consumers(self, service: str) -> list[Consumer]:
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


async def travel(road: Road[State], inputs: Sequence[Input[Any]]) -> None:
    await road.travel(inputs)


def as_input(command: Command) -> Input[Any]:
    key = DoorKey("client", command.label, command.label)
    return Input(command.case_id, ReportProgressed(note=command.label), command.label, FromDoor((key,)))


def replay_input(number: int, letter: Letter) -> Input[Any]:
    item = to_input(letter)
    return Input(item.case_id, item.message, item.id, FromDeadLetter(number), letter=letter)


def run_history(data: bytes, parts: Parts | None = None) -> World:
    """Live through one history and check it. Needs a running event loop, which never runs meanwhile."""
    world = World(data, parts or Parts())
    world.run()
    return world
