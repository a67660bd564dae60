"""`chuishao demo`: a fresh private stack, the whole loop on it, a report, and everything stopped again."""

import asyncio
import json
import logging
import os
import platform
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console
from rich.live import Live

from deploy.check.command import check, kafka_options
from deploy.check.drained import NotDrained, wait_until_drained
from deploy.check.ledger import LedgerUnreadable
from deploy.demo import screen
from deploy.demo.doors import Doors, Unanswered
from deploy.demo.files import as_csv, in_parts
from deploy.demo.hotline import Listening, listening
from deploy.demo.measured import measure
from deploy.demo.reform import reform
from deploy.demo.rehearsal import Rehearsal
from deploy.demo.samples import samples
from deploy.demo.tally import BRANCHES, Tally, percentile
from deploy.local.errors import StackError
from deploy.local.places import PROJECT
from deploy.local.processes import SERVICES
from deploy.local.stack import LocalStack
from shared.runtime.settings import KafkaSettings
from shared.runtime.setup_files import read_units

PROCESSES = (*(service.name for service in SERVICES), "kafka", "postgresql")
OUTPUT = PROJECT / "var" / "demo"
"""Where the report goes; the stack lives beside it, in `demo-stack`."""
OWN = ("policy.yaml", "scoring.yaml")
"""What a rehearsal has of its own, beside the district's set-up."""
SETUP = PROJECT / "deploy" / "district"
QUIET_SECONDS = 120.0
"""With nothing new on any topic for so long, the rehearsal has failed."""


class Stuck(Exception):
    """Nothing moves any more though not every case is final. `found` = how the open ones stand."""

    def __init__(self, message: str, found: dict[str, Any]) -> None:
        super().__init__(message)
        self.found = found


console = Console()
errors = Console(stderr=True)

BAD_ROW = {
    "工单编号": "GD-BAD-ROW",
    "标题": "缺少所属社区的工单",
    "主要内容": "本行用于演示坏行的处理。",
    "村/社区": "不存在社区",
}


class Kill(StrEnum):
    """What is killed with SIGKILL while the rehearsal runs."""

    NOTHING = "nothing"
    EACH = "each"  # each service, Kafka and PostgreSQL once, one after the other
    ALL = "all"  # everything at once, the supervisor too; then the stack is started again


@dataclass(slots=True)
class Wanted:
    """What was asked for on the command line."""

    count: int
    input: Path | None
    per_second: float
    seed: int
    kill: Kill
    keep: bool
    folder: Path


def demo(
    count: Annotated[int, typer.Option(help="how many whistles", min=1, max=1_000_000)] = 320,
    input_: Annotated[
        Path | None, typer.Option("--input", help="a CSV file of 12345's orders instead", exists=True, dir_okay=False)
    ] = None,
    per_second: Annotated[float, typer.Option(help="how many are sent a second at most", min=0.1)] = 25.0,
    seed: Annotated[int | None, typer.Option(help="of the samples; the same seed gives the same whistles")] = None,
    kill: Annotated[
        Kill, typer.Option(help="SIGKILL meanwhile: each process once, or all of them at once")
    ] = Kill.NOTHING,
    keep: Annotated[bool, typer.Option(help="leave the stack running afterwards")] = False,
    folder: Annotated[Path, typer.Option(help="where report.json goes")] = OUTPUT,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON, and nothing else")] = False,
) -> None:
    """Play the whole loop on a fresh stack and write var/demo/report.json. Exit 0 only if all of it held."""
    wanted = Wanted(count, input_, per_second, seed if seed is not None else int(time.time()), kill, keep, folder)
    console.quiet = as_json
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the rehearsal says itself what is away
    try:
        report = _play(wanted)
    except (StackError, Unanswered, TimeoutError, NotDrained, LedgerUnreadable) as error:
        errors.print(f"chuishao demo: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("Stopped.")
        raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(report, ensure_ascii=False, indent=2))  # noqa: T201 - the command's output
    else:
        _show(report, folder)
    raise typer.Exit(0 if report["passed"] else 1)


def _play(wanted: Wanted) -> dict[str, Any]:
    # The rehearsal has its own limits of seconds; what else the environment says goes on.
    output = wanted.folder.absolute()
    setup = _rehearsal_setup(output)
    with listening() as hotline:
        environment = dict(os.environ) | {"CHUISHAO_SETUP": str(setup)} | hotline.environment
        stack = LocalStack(
            output.with_name(f"{output.name}-stack"),
            environment=environment,
            console=Console(stderr=True, quiet=console.quiet),
        )
        began = time.monotonic()
        console.print("Starting Kafka, PostgreSQL and the services …")
        stack.erase()
        try:
            stack.start()
            started = time.monotonic() - began
            report = asyncio.run(_rehearse(stack, wanted, setup, started, hotline))
            written = json.dumps(report, ensure_ascii=False, indent=2) + "\n"
            (output / "report.json").write_text(written, encoding="utf-8")
            return report
        finally:
            if not wanted.keep:
                stack.stop()


def _rehearsal_setup(output: Path) -> Path:
    """The district's set-up with limits of seconds, in a folder of its own."""
    setup = output / "setup"
    shutil.copytree(SETUP, setup, dirs_exist_ok=True)
    for name in OWN:
        shutil.copyfile(PROJECT / "deploy" / "demo" / name, setup / name)
    return setup


async def _rehearse(
    stack: LocalStack, wanted: Wanted, setup: Path, started_in: float, hotline: Listening
) -> dict[str, Any]:
    where = stack.addresses
    tree = read_units(setup / "units.yaml")
    doors = Doors(dict(where.services), stack.environment()["CHUISHAO_SIGNING_KEY"], stack.hotline_key)
    rehearsal = Rehearsal(
        doors, tree, KafkaSettings(bootstrap=where.kafka_bootstrap), wanted.folder / "accepted.jsonl", wanted.per_second
    )
    tally = rehearsal.tally
    total = wanted.count if wanted.input is None else None
    if total is not None:
        rehearsal.change = partial(
            reform,
            setup=setup,
            fed=lambda: tally.accepted / total,
            all_given=lambda: tally.accepted >= total and tally.all_given,
        )
    began = time.monotonic()
    memory_before = _memory_mb()
    watcher = _Watcher(rehearsal, total, began, f"{where.services['workbench']}/board")
    killed: list[dict[str, Any]] = []
    killing = {Kill.EACH: _kill_each, Kill.ALL: _kill_all}.get(wanted.kill)
    killer = asyncio.create_task(killing(stack, rehearsal, total, killed)) if killing else None
    with watcher.shown():
        showing = asyncio.create_task(watcher.run())
        try:
            if wanted.input is None:
                feed: Any = samples(wanted.count, wanted.seed, tree)
                await rehearsal.run(feed, [as_csv([BAD_ROW])], watcher.drained)
            else:
                await rehearsal.run(None, in_parts(wanted.input), watcher.drained)
            tally.branches["digests"] = await _count_digests(doors)
            measured = await measure(
                doors, where.postgres_admin_url, hotline, tally.branches["hotline_answered"], tally.count
            )
        except Stuck as error:
            return await _explained(stack, rehearsal, error)
        finally:
            showing.cancel()
            if killer is not None:
                killer.cancel()
                await asyncio.gather(killer, return_exceptions=True)
            await doors.close()
    console.print("Checking the invariants …")
    kafka = kafka_options(where.kafka_bootstrap, os.environ)
    await wait_until_drained(where.postgres_admin_url, kafka, within=60, final=True)
    checked = await check(where.postgres_admin_url, kafka, wanted.folder / "accepted.jsonl", drained=True)
    invariants = {name: checked.as_json()[name] for name in checked.findings}
    report = await _report(stack, rehearsal, invariants) | measured
    report["passed"] = report["passed"] and all(one["ok"] for one in measured["scorecards"])
    report["dead_letters"] = checked.dead_letters
    report["seconds"] = {"start": round(started_in, 1), "rehearsal": round(time.monotonic() - began, 1)}
    report["memory_mb"] = {"before": memory_before, "after": _memory_mb()}
    if killing is not None:
        report["killed"] = killed
        report["passed"] = report["passed"] and {one["process"] for one in killed} == set(PROCESSES)
    if wanted.input is None:
        missing = [branch for branch in BRANCHES if not tally.branches[branch]]
        report["branches_missing"] = missing
        report["passed"] = report["passed"] and not missing
    return report


async def _explained(stack: LocalStack, rehearsal: Rehearsal, error: Stuck) -> dict[str, Any]:
    """The report of a rehearsal that did not end, and why on stderr."""
    errors.print(f"chuishao demo: {error}", style="red", markup=False, soft_wrap=True)
    errors.print(json.dumps(error.found, ensure_ascii=False, indent=1), markup=False, highlight=False, soft_wrap=True)
    return await _report(stack, rehearsal, {}) | {"error": str(error), "stuck": error.found, "passed": False}


async def _count_digests(doors: Doors) -> int:
    """How many notices went out that gathered more than one thing."""
    gathered, after = 0, 0
    while page := (await doors.get("sla", f"/notices?after={after}", doors.operator()))["digests"]:
        gathered += sum(len(one["entries"]) > 1 for one in page)
        after = page[-1]["number"]
    return gathered


class _Watcher:
    """Shows the rehearsal while it runs, and knows when it is over or stuck."""

    def __init__(self, rehearsal: Rehearsal, total: int | None, began: float, board: str) -> None:
        self._rehearsal = rehearsal
        self._total = total
        self._began = began
        self._board = board
        self._live: Live | None = None
        self._moved = (0, time.monotonic())

    @contextmanager
    def shown(self) -> Iterator[None]:
        console.print(f"Live board: {self._board}", highlight=False, soft_wrap=True)
        if not screen.is_live() or console.quiet:
            yield
            return
        with Live(self._picture(), console=console, refresh_per_second=4) as self._live:
            yield
            self._live.update(self._picture())

    async def run(self) -> None:
        pause = 0.25 if self._live is not None else 2.0
        while True:
            if self._live is not None:
                self._live.update(self._picture())
            else:
                console.print(screen.line(self._rehearsal.tally, time.monotonic() - self._began), highlight=False)
            await asyncio.sleep(pause)

    def _picture(self) -> Any:
        tally = self._rehearsal.tally
        doing = "正在送入诉求 feeding" if self._rehearsal.feeding else "等待全部归档 waiting for all to be final"
        return screen.render(tally, self._total, time.monotonic() - self._began, self._board, doing)

    def drained(self, tally: Tally) -> bool:
        """Every accepted case is final. Raises `Stuck` where nothing moves any more."""
        seen = sum(tally.seen.values())
        if seen != self._moved[0]:
            self._moved = (seen, time.monotonic())
        elif time.monotonic() - self._moved[1] > QUIET_SECONDS:
            found = ", ".join(f"{stage.value} {count}" for stage, count in tally.by_stage.items())
            raise Stuck(
                f"nothing moved for {QUIET_SECONDS:.0f} s; accepted {tally.accepted}, standing in: {found}. "
                f"See the services' logs.",
                self._rehearsal.explain(),
            )
        return len(tally.stages) >= tally.accepted and tally.final == len(tally.stages)


async def _kill_each(stack: LocalStack, rehearsal: Rehearsal, total: int | None, killed: list[dict[str, Any]]) -> None:
    """SIGKILL each process once, spread over the rehearsal by how many whistles were accepted."""
    for place, name in enumerate(PROCESSES):
        await _accepted(rehearsal, (place + 1) / (len(PROCESSES) + 1), total)
        while not stack.pid(name):
            await asyncio.sleep(0.05)
        pid = await asyncio.to_thread(stack.kill, name, signal.SIGKILL)
        killed.append({"process": name, "pid": pid, "accepted": rehearsal.tally.accepted})


async def _kill_all(stack: LocalStack, rehearsal: Rehearsal, total: int | None, killed: list[dict[str, Any]]) -> None:
    """SIGKILL everything at once in the middle, then start the stack again: it goes on where it was."""
    await _accepted(rehearsal, 0.5, total)
    for name in ("supervisor", *PROCESSES):
        if stack.pid(name) or name == "supervisor":
            pid = await asyncio.to_thread(stack.kill, name, signal.SIGKILL)
            if name != "supervisor":
                killed.append({"process": name, "pid": pid, "accepted": rehearsal.tally.accepted})
    await asyncio.to_thread(stack.start)


async def _accepted(rehearsal: Rehearsal, share: float, total: int | None) -> None:
    """Wait until this share of the whistles is accepted; of a file of unknown size, until 300 times the share."""
    while rehearsal.tally.accepted < share * (total or 300):
        await asyncio.sleep(0.05)


async def _report(stack: LocalStack, rehearsal: Rehearsal, invariants: dict[str, Any]) -> dict[str, Any]:
    tally = rehearsal.tally
    latencies = tally.latencies_ms()
    span = (tally.last_closed or 0) - (tally.first_accepted or 0)
    open_cases = len(tally.stages) - tally.final
    kafka_given = bool(os.environ.get("CHUISHAO_KAFKA_BOOTSTRAP"))
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "release": _release(),
        "machine": {"system": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()},
        "kafka": {"implementation": "given" if kafka_given else f"apache-kafka {_kafka_version()}"},
        "postgresql": await _postgres_version(stack.addresses.postgres_admin_url),
        "accepted": tally.accepted,
        "final_stages": {stage.value: count for stage, count in sorted(tally.by_stage.items())},
        "open": open_cases,
        "branches": dict(tally.branches),
        "invariants": invariants,
        "loops_per_second": round(tally.closed / span, 1) if span > 0 else None,
        "assignment_latency_ms": {
            "measured": len(latencies),
            "p50": _rounded(percentile(latencies, 0.5)),
            "p99": _rounded(percentile(latencies, 0.99)),
        },
        "passed": open_cases == 0
        and len(tally.stages) == tally.accepted
        and all(found["ok"] for found in invariants.values()),
    }


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 1)


def _release() -> str:
    from shared.runtime.service import release

    return release()


def _kafka_version() -> str:
    lock = (PROJECT / "deploy" / "local" / "kafka.lock").read_text(encoding="utf-8")
    return next(line.split(":")[2].split()[0] for line in lock.splitlines() if ":kafka_2.13:" in line)


async def _postgres_version(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("show server_version"))
    finally:
        await connection.close()


def _memory_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _show(report: dict[str, Any], folder: Path) -> None:
    console.print_json(json.dumps(report, ensure_ascii=False))
    held = "全部通过 all held" if report["passed"] else "未通过 NOT passed"
    console.print(f"[bold {'green' if report['passed'] else 'red'}]{held}[/]: {folder / 'report.json'}", soft_wrap=True)
