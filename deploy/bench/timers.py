"""`chuishao bench timers`: how late deadlines fire, by the service that runs in production and by a bare loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import psutil

from deploy.bench import figures
from deploy.bench.bare import Bare
from deploy.bench.figures import MILLISECONDS, Phase, Step
from deploy.bench.machine import load, machine, versions
from deploy.bench.scene import FIRES, SLA, Scene, Service, queries, scene
from deploy.local import kafka, postgresql
from deploy.local.errors import StackError
from deploy.local.stack import LocalStack
from shared.contracts.facts import DeadlineOverdue
from shared.contracts.topics import SHARDS
from shared.runtime.postgres import each, open_pool

AT_ONCE = 10_000
PAUSE_SECONDS = 3.0
LEAD_SECONDS = 20.0
ARMED_A_SECOND = 2_500
"""Cases that are surely armed and vacuumed in a second; the schedule begins that much later."""
LATE_SECONDS = 120.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Asked:
    """What is to be measured: idle deadlines beside, rates a second, seconds of each, whether a snapshot is held."""

    armed: int
    rates: tuple[int, ...]
    seconds: float
    at_once: int
    old_snapshot: bool


@dataclass(frozen=True)
class Run:
    """What one contender did with the schedule. `ended` = when the last of all was committed."""

    steps: list[Step]
    published: dict[int, datetime]
    base: datetime
    ended: datetime
    cpu: dict[str, float]


async def measure(folder: Path, asked: Asked, tell: Callable[[str, int, int], None]) -> dict[str, Any]:
    """The figures as a document. `tell` hears what is being done, how much of it is, and how much there is."""
    loop = asyncio.get_running_loop()
    on = machine()
    async with scene(folder) as where:
        tell("the case that is copied", 0, 1)
        await where.make_template()
        begun = loop.time()
        await where.fill(asked.armed, lambda done: tell("idle deadlines", done, asked.armed))
        filled = loop.time() - begun
        phases = figures.schedule(asked.rates, asked.seconds, asked.at_once, PAUSE_SECONDS)
        async with _snapshot(where, asked.old_snapshot):
            ours = await _by_the_service(where, phases, tell)
            bare = await _by_the_bare_loop(where, phases, tell)
        found = document(phases, ours, bare)
        server = await queries.version(where.connection)
    return {
        "armed": asked.armed,
        "seconds": asked.seconds,
        "old_snapshot": asked.old_snapshot,
        **found,
        "fill_seconds": round(filled, 1),
        "machine": on | {"load_after": load()},
        "versions": versions() | {"postgresql": server},
    }


def document(phases: Sequence[Phase], ours: Run, bare: Run) -> dict[str, Any]:
    """What the two runs come to."""
    expected = sum(phase.count for phase in phases)
    drained, bare_drained = (_drain_seconds(phases[-1], run) for run in (ours, bare))
    return {
        "rates": [_of_a_rate(phase, ours, bare) for phase in phases if phase.rate is not None],
        "early": figures.early(ours.steps),
        "twice": len(ours.steps) - len({step.number for step in ours.steps}),
        "missing": expected - len({step.number for step in ours.steps}),
        "oldest_first": figures.oldest_first(ours.steps),
        "due_at_once": phases[-1].count,
        "drain_seconds": drained,
        "bare_drain_seconds": bare_drained,
        "drain_times_bare": figures.times(drained, bare_drained),
        "cpu_seconds": ours.cpu,
        "bare_cpu_seconds": bare.cpu,
    }


def _of_a_rate(phase: Phase, ours: Run, bare: Run) -> dict[str, Any]:
    steps, bare_steps = (_in_phase(phase, run.steps) for run in (ours, bare))
    late, bare_late = (figures.spread([step.late_ms for step in found]) for found in (steps, bare_steps))
    on_the_topic = [
        (ours.published[step.number] - step.due_at).total_seconds() * MILLISECONDS
        for step in steps
        if step.number in ours.published
    ]
    return {
        "per_second": phase.rate,
        "fired": len(steps),
        "lateness_ms": late,
        "on_the_topic_ms": figures.spread(on_the_topic),
        "bare_lateness_ms": bare_late,
        "p99_times_bare": figures.times(late["p99"], bare_late["p99"]),
    }


def _in_phase(phase: Phase, steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if step.number in phase.numbers]


def _drain_seconds(phase: Phase, run: Run) -> float:
    return round((run.ended - run.base).total_seconds() - phase.start, 3)


# --- the contenders ---------------------------------------------------------------------------------------------


async def _by_the_service(where: Scene, phases: list[Phase], tell: Callable[[str, int, int], None]) -> Run:
    offsets = await where.topic_ends()
    base, cases = await _arm(where, phases, "sla", tell)

    async def are_taken() -> bool:
        first, last = cases
        left: int = await queries.untaken(where.connection, first=first, last=last, obligation=FIRES.value)
        return left == 0

    async with Service(where.stack) as service:
        cpu = _Cpu(where.stack, service.pid)
        ended = await _until_all_are_taken(where, phases, base, are_taken, "sla fires", tell)
        used = cpu.used()
        stated = [record async for record in each(queries.stated(where.connection, first=cases[0], last=cases[1]))]
        at = await where.on_the_topic(len(stated), offsets)
    steps, published = [], {}
    for record in stated:
        event = orjson.loads(record["event"])
        if event["type"] != DeadlineOverdue.type_name():
            continue
        step = Step(
            number=record["case_id"].int & 0xFFFFFFFFFFFFFFFF,
            shard=record["shard"],
            sequence=record["sequence"],
            due_at=datetime.fromisoformat(event["data"]["due_at"]),
            fired_at=datetime.fromisoformat(event["data"]["fired_at"]),
        )
        steps.append(step)
        if (step.shard, step.sequence) in at:
            published[step.number] = at[step.shard, step.sequence]
    return Run(steps, published, base, ended, used)


async def _by_the_bare_loop(where: Scene, phases: list[Phase], tell: Callable[[str, int, int], None]) -> Run:
    base, _ = await _arm(where, phases, "the bare loop", tell)
    pool = await open_pool(where.stack.environment(SLA.name)["CHUISHAO_POSTGRES_URL"], most=2)
    bare = Bare(pool)
    running = asyncio.create_task(bare.run())

    async def are_taken() -> bool:
        if running.done():
            running.result()
        return len(bare.steps) >= sum(phase.count for phase in phases)

    cpu = _Cpu(where.stack)
    try:
        ended = await _until_all_are_taken(where, phases, base, are_taken, "the bare loop fires", tell)
        used = cpu.used()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        pool.terminate()
    return Run(bare.steps, {}, base, ended, used)


async def _arm(
    where: Scene, phases: list[Phase], who: str, tell: Callable[[str, int, int], None]
) -> tuple[datetime, tuple[UUID, UUID]]:
    tell(f"arming for {who}", 0, 1)
    count = sum(phase.count for phase in phases)
    now: datetime = await queries.now(where.connection)
    base = now + timedelta(seconds=LEAD_SECONDS + count / ARMED_A_SECOND)
    return base, await where.arm(phases, base)


async def _until_all_are_taken(
    where: Scene,
    phases: Sequence[Phase],
    base: datetime,
    are_taken: Callable[[], Awaitable[bool]],
    what: str,
    tell: Callable[[str, int, int], None],
) -> datetime:
    """Watches the heads alone, which costs nothing; when they have come far enough, the rows themselves."""
    loop = asyncio.get_running_loop()
    now: datetime = await queries.now(where.connection)
    if now > base:
        raise StackError(f"The schedule began before {what}: this machine is too slow for it. Lower --rates.")
    before = await queries.appended(where.connection)
    expected = sum(phase.count for phase in phases)
    patience = loop.time() + (base - now).total_seconds() + phases[-1].end + LATE_SECONDS
    told = 0.0
    while True:
        appended = await queries.appended(where.connection) - before
        now = await queries.now(where.connection)
        if appended >= expected and await are_taken():
            return now
        if loop.time() > patience:
            raise StackError(f"{what}: {appended} of {expected} after {LATE_SECONDS:.0f} s more than planned.")
        if loop.time() - told > 1:
            told = loop.time()
            tell(what, min(appended, expected), expected)
        # The end of the drain is what has to be known exactly.
        near = (now - base).total_seconds() >= phases[-1].start - 1
        await asyncio.sleep(POLL_SECONDS if near else 0.5)


@asynccontextmanager
async def _snapshot(where: Scene, held: bool) -> AsyncIterator[None]:
    """Somebody who looks at the past all the while: nothing that is taken can be cleaned up."""
    if not held:
        yield
        return
    holder = await asyncpg.connect(where.stack.addresses.postgres_admin_url)
    transaction = holder.transaction(isolation="repeatable_read", readonly=True)
    await transaction.start()
    await holder.fetchval("select count(*) from sla.head")
    try:
        yield
    finally:
        holder.terminate()


class _Cpu:
    """Processor seconds since it was made: of the one who fires, of the engines, and of the whole machine."""

    def __init__(self, stack: LocalStack, fires: int | None = None) -> None:
        pids = {"fires": fires, postgresql.NAME: stack.pid(postgresql.NAME), kafka.NAME: stack.pid(kafka.NAME)}
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._began = self._now()

    def used(self) -> dict[str, float]:
        return {name: round(now - self._began[name], 2) for name, now in self._now().items()}

    def _now(self) -> dict[str, float]:
        whole = psutil.cpu_times()
        used = {name: _used(process) for name, process in self._processes.items()}
        return used | {"machine": sum(whole) - whole.idle - whole.iowait}


def _used(process: psutil.Process) -> float:
    """By the process and whatever it has started and is still there."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


assert SHARDS % 3 == 0, "how cases are made rests on it"
