"""`chuishao bench loop`: whole loops a second by the services that run in production, and by a bare pipeline."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from deploy.bench.bare_loop import bare_services
from deploy.bench.bare_script import Part, script
from deploy.bench.bare_script import per_loop as script_per_loop
from deploy.bench.counts import Effort, count, effort, per_loop, queries, spent
from deploy.bench.existing import fill
from deploy.bench.figures import times
from deploy.bench.machine import load, machine, versions
from deploy.bench.scene import queries as scene_queries
from deploy.bench.stage import IN_THE_LOOP, Stage, stage, stop
from deploy.check.command import check, kafka_options
from deploy.check.drained import wait_until_drained
from deploy.local.errors import StackError
from deploy.local.places import PROJECT
from shared.runtime.postgres import each

WARM_SECONDS = 8.0
PATIENCE_SECONDS = 60.0
EVERY_SECONDS = 0.02
MOST_AT_ONCE = 200
DRAIN_SECONDS = 60.0

FULL, HALF = "full", "half"
CHECKED = ("invariants", "check_ok")
"""Not of copied cases: their hashes do not link."""
TEMPLATES = 12

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be measured. `under_way`: loops at a time; `rate`: of the second step, else half of what was found.

    `beside`: services that run though no loop needs them.
    """

    seconds: float = 20.0
    under_way: int = 400
    rate: float | None = None
    workers: int = 1
    existing: int = 0
    beside: tuple[str, ...] = ()
    play: str = "topic"
    warm: float = WARM_SECONDS

    @property
    def services(self) -> tuple[str, ...]:
        return (*IN_THE_LOOP, *self.beside)

    def paces(self) -> list[dict[str, Any]]:
        """As many as may be under way; then at a steady rate, for the latency."""
        half = {"rate": self.rate} if self.rate is not None else {"rate_of": 0.5}
        return [
            {"name": FULL, "seconds": self.seconds, "warm": self.warm, "under_way": self.under_way},
            {"name": HALF, "seconds": self.seconds, "warm": min(self.warm, 3.0), **half},
        ]


async def measure(folder: Path, asked: Asked, tell: Tell) -> dict[str, Any]:
    """The figures as a document. `tell` hears what is being done, how much of it is, and how much there is."""
    on = machine()
    tell("engines", 0, 1)
    async with stage(folder) as where:
        if asked.existing:
            await _fill(where, asked, tell)
        ours = await played(where, asked, asked.paces(), tell)
        bare = await _played_bare(where, asked, ours["script"], tell) if asked.play == "topic" else None
        postgresql = await server(where)
    full, half = (ours["steps"][name] for name in (FULL, HALF))
    return {
        "loops_per_second": full["finished_per_second"],
        **(_held_against(full, bare) if bare is not None else {}),
        "requests_per_second": full["requests_per_second"],
        "latency_ms": half["latency_ms"],
        "latency_at_full_ms": full["latency_ms"],
        "half_load": {"per_second": half["rate"], "finished_per_second": half["finished_per_second"]},
        "loops": ours["finished"],
        **{name: ours.get(name) for name in ("errors", "said", "retries", "lost", "incomplete", *CHECKED)},
        **{name: full[name] for name in ("cpu_seconds", "cpu_ms_per_loop", "memory_mb", "batches")},
        **ours["per_loop"],
        "doors_ms": ours["doors_ms"],
        "steps": ours["steps"],
        "asked": asdict(asked),
        "services": {name: (1 if name in asked.beside else asked.workers) for name in asked.services},
        "machine": on | {"load_after": load()},
        "versions": versions() | {"postgresql": postgresql},
    }


def _held_against(ours: Mapping[str, Any], bare: dict[str, Any]) -> dict[str, Any]:
    return {
        "bare_loops_per_second": bare["finished_per_second"],
        "ratio": times(ours["finished_per_second"], bare["finished_per_second"]),
        "cpu_times_bare": times(ours["cpu_ms_per_loop"].get("all"), bare["cpu_ms_per_loop"].get("all")),
        "bare": bare,
    }


async def _fill(where: Stage, asked: Asked, tell: Tell) -> None:
    """Some loops are run, one of them is copied."""
    async with where.services(IN_THE_LOOP, 1):
        spec = _spec(where, "topic", [{"name": "template", "seconds": 1.0, "under_way": TEMPLATES}])
        await _driven(where, spec | {"prefix": "TEMPLATE-"}, tell)
        await wait_until_drained(where.addresses.postgres_admin_url, _kafka(where), within=DRAIN_SECONDS, final=True)
    await fill(where, asked.existing, lambda done: tell("existing cases", done, asked.existing))


async def played(where: Stage, asked: Asked, paces: Sequence[Mapping[str, Any]], tell: Tell) -> dict[str, Any]:
    """Run the services and the load generator; say what was seen, and what is there when all is done."""
    ledger = where.stack.folder / "accepted.jsonl"
    async with where.services(asked.services, asked.workers):
        tell("services", 1, 1)
        before = await count(where)
        spec = _spec(where, asked.play, paces)
        found, efforts = await _driven(where, spec, tell)
        await wait_until_drained(
            where.addresses.postgres_admin_url, _kafka(where), within=DRAIN_SECONDS, final=not asked.existing
        )
    after = await count(where)
    tell("checking", 0, 1)
    checked = await _checked(where, ledger) if not asked.existing else {}
    steps = {}
    for step in found.pop("steps"):
        steps[step["name"]] = step | efforts[step["name"]]
    return (
        found
        | checked
        | {
            "steps": steps,
            "per_loop": per_loop(before, after, max(1, found["finished"])),
            "script": await script(where.addresses.postgres_admin_url, before, after, max(1, found["finished"])),
            "lost": found["started"] - found["finished"],
            "errors": sum(found["errors"].values()),
            "said": found["errors"],
            "incomplete": await _incomplete(where),
        }
    )


async def _checked(where: Stage, ledger: Path) -> dict[str, Any]:
    """What the independent checker says."""
    report = await check(where.addresses.postgres_admin_url, _kafka(where), ledger, drained=True, quiet=True)
    invariants = {name: finding.broken for name, finding in report.findings.items()}
    return {"invariants": invariants, "check_ok": report.ok}


async def _played_bare(where: Stage, asked: Asked, parts: Mapping[str, Part], tell: Tell) -> dict[str, Any]:
    """The same load on the bare pipeline: as many under way, for as long."""
    async with bare_services(where, parts):
        tell("the bare pipeline", 1, 1)
        spec = _spec(where, "bare", asked.paces()[:1]) | {"ledger": os.devnull}
        found, efforts = await _driven(where, spec, tell)
    (step,) = found["steps"]
    bare: dict[str, Any] = step | efforts[step["name"]]
    return bare | {"script": script_per_loop(parts), "lost": found["started"] - found["finished"]}


def _spec(where: Stage, play: str, paces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return where.spec(where.stack.folder) | {
        "play": play,
        "prefix": "BENCH-",
        "paces": paces,
        "patience": PATIENCE_SECONDS,
        "every": EVERY_SECONDS,
        "most_at_once": MOST_AT_ONCE,
    }


async def _driven(
    where: Stage, spec: Mapping[str, Any], tell: Tell
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The load generator's own words, and what each step took of everybody, from its first loop to its last."""
    begun: dict[str, Effort] = {}
    spent_by: dict[str, dict[str, Any]] = {}
    async with _load(where, spec) as (process, events):
        async for event in events:
            match event.pop("event"):
                case "begun":
                    begun[event["pace"]] = await effort(where, process.pid)
                case "done":
                    spent_by[event["pace"]] = spent(
                        begun[event["pace"]], await effort(where, process.pid), event["loops"]
                    )
                case "progress":
                    tell(f"loops, {event['pace']}", event["finished"], event["started"])
                case "found":
                    return event, spent_by
                case "stuck":
                    raise StackError(f"The loops do not end: {event['why']} {event['said']}\n{where.last_words()}")
    raise StackError(f"The load generator ended before it was done.\n{where.last_words()}")


@asynccontextmanager
async def _load(
    where: Stage, spec: Mapping[str, Any]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, AsyncIterator[dict[str, Any]]]]:
    with (where.stack.folder / "load.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.bench.load_process"),
            cwd=PROJECT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            limit=1 << 24,
        )
    assert process.stdin is not None
    process.stdin.write(orjson.dumps(spec))
    process.stdin.close()
    try:
        yield process, _events(process)
    finally:
        await stop(process)


async def _events(process: asyncio.subprocess.Process) -> AsyncIterator[dict[str, Any]]:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        yield orjson.loads(line)


async def _incomplete(where: Stage) -> dict[str, int]:
    """Cases that are not archived, clocks that still run, reviews in which somebody has not spoken: none of them."""
    connection = await asyncpg.connect(where.addresses.postgres_admin_url)
    try:
        stages = {record["stage"]: record["cases"] async for record in each(queries.stages(connection))}
        return {
            "not_archived": sum(stages.values()) - stages.get("archived", 0),
            "clocks_running": await queries.armed(connection),
            "unjudged": await queries.unrated(connection),
        }
    finally:
        await connection.close()


async def server(where: Stage) -> str:
    """Which PostgreSQL serves."""
    connection = await asyncpg.connect(where.addresses.postgres_admin_url)
    try:
        version: str = await scene_queries.version(connection)
        return version
    finally:
        await connection.close()


def _kafka(where: Stage) -> dict[str, Any]:
    return kafka_options(where.addresses.kafka_bootstrap, {})
