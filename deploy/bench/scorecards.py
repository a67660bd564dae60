"""How long a quarter's scorecard takes: private engines, made-up rows, computed twice as the service does it."""

import asyncio
import json
import resource
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import aiosql
import asyncpg
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn, TimeRemainingColumn

from deploy.bench.machine import load, machine, versions
from deploy.bench.scene import fresh_engines
from deploy.local.errors import StackError
from deploy.local.places import PROJECT
from deploy.local.processes import SERVICES
from deploy.local.stack import LocalStack
from services.feedback.domain.measuring import scorecard
from services.feedback.domain.measuring.periods import Period, last_ended
from services.feedback.domain.measuring.scoring import Rhythm
from services.feedback.scorecards.compute import LEASE
from services.feedback.scorecards.scorecards import queries
from services.feedback.setup import SCORING
from shared.contracts.units import HANDLING_KINDS, UnitTree
from shared.contracts.vocabulary import UnitKind
from shared.runtime.district import UNITS, present
from shared.runtime.postgres import prepare
from shared.runtime.postgres import queries as runtime_queries

fill_queries: Any = aiosql.from_path(Path(__file__).with_name("scorecards.sql"), "asyncpg", mandatory_parameters=False)

FEEDBACK = next(service for service in SERVICES if service.name == "feedback")
FOLDER = Path("var/bench")
AT_ONCE = 50_000
LOOK_SECONDS = 0.5
BY = {"kind": "clock"}

Telling = Callable[[str, int, int], None]
errors = Console(stderr=True)


def register(bench: typer.Typer) -> None:
    bench.command("scorecard")(scorecards)


def scorecards(
    cases: Annotated[
        int, typer.Option(min=1, help="cases of the quarter; there are 1.3 times as many parts")
    ] = 1_000_000,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    folder: Annotated[Path, typer.Option(help="where its engines live; erased before and after")] = FOLDER,
) -> None:
    """How long a quarter's scorecard takes (季评估计算用时), twice. Exit code 1 unless the bytes are the same."""
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    lines: dict[str, TaskID] = {}
    try:
        with Progress(*columns, console=errors, transient=True) as screen:

            def tell(what: str, done: int, whole: int) -> None:
                if what not in lines:
                    lines[what] = screen.add_task(what, total=whole or None)
                screen.update(lines[what], completed=done, total=whole or None)

            found = uvloop.run(measure(PROJECT / folder, cases, tell))
    except StackError as error:
        errors.print(f"chuishao: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _show(found)
    if not found["same_bytes"]:
        raise typer.Exit(1)


def _show(found: dict[str, Any]) -> None:
    on = found["machine"]
    typer.echo(
        f"{found['cases']:,} 件 cases, {found['rows']:,} 行 rows: {found['seconds'][0]} s, {found['seconds'][1]} s "
        f"({found['rows_per_second']:,} rows/s), 字节相同 same bytes {'✓' if found['same_bytes'] else '✗'} · "
        f"{on['cpus']} cpus, load {on['load']} → {on['load_after']}"
    )


async def measure(folder: Path, cases: int, tell: Telling) -> dict[str, Any]:
    """The figures as a document: seconds with the process's start, of which the processor's on average; rows a second
    of the first run.
    """
    on = machine()
    stack = LocalStack(folder, services=(FEEDBACK,))
    async with fresh_engines(stack) as addresses:
        connection = await asyncpg.connect(addresses.postgres_admin_url, server_settings={"search_path": FEEDBACK.name})
        await prepare(connection)
        try:
            loop = asyncio.get_running_loop()
            began = loop.time()
            quarter = await _fill(connection, cases, tell)
            filled = loop.time() - began
            cpu_before = _cpu()
            runs = [await _compute(stack, connection, quarter, f"computing, {turn} of 2", tell) for turn in (1, 2)]
        finally:
            connection.terminate()
    (seconds, rows, content), (again, _, same) = runs
    cpu = _cpu() - cpu_before
    card = scorecard.read(content)
    return {
        "cases": cases,
        "rows": rows,
        "seconds": [seconds, again],
        "cpu_seconds": round(cpu / len(runs), 2),
        "rows_per_second": round(rows / seconds),
        "same_bytes": content == same,
        "hash": sha256(content).hexdigest(),
        "units": len(card.units),
        "received": card.cases.received,
        "fill_seconds": round(filled, 1),
        "machine": on | {"load_after": load()},
        "versions": versions(),
    }


def _cpu() -> float:
    """Processor seconds of the processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _fill(connection: Any, cases: int, tell: Telling) -> Period:
    tree, scoring = await present(connection, UNITS), await present(connection, SCORING)
    if tree is None or scoring is None:
        raise StackError("There is no set-up in force; deploy.migrate should have brought one.")
    quarter = last_ended(Rhythm.QUARTER, await runtime_queries.now(connection), scoring)
    common = {
        "regions": _codes(tree, (UnitKind.COMMUNITY,)),
        "starts_at": quarter.start,
        "seconds": int((quarter.end - quarter.start).total_seconds()),
    }
    for first in range(1, cases + 1, AT_ONCE):
        last = min(first + AT_ONCE - 1, cases)
        units = _codes(tree, HANDLING_KINDS)
        await fill_queries.add_parts(connection, first=first, last=last, units=units, **common)
        await fill_queries.add_wholes(connection, first=first, last=last, **common)
        tell("made-up cases", last, cases)
    await connection.execute("vacuum (analyze) part, whole", timeout=1800)
    return quarter


def _codes(tree: UnitTree, kinds: tuple[UnitKind, ...]) -> list[str]:
    return [unit.code for unit in tree if unit.kind in kinds]


async def _compute(
    stack: LocalStack, connection: Any, quarter: Period, what: str, tell: Telling
) -> tuple[float, int, bytes]:
    """Seconds, rows and bytes of one run: asked for, claimed, and computed in a process of its own."""
    card_id = await queries.add(
        connection,
        rhythm=quarter.rhythm,
        period=quarter.name,
        starts_at=quarter.start,
        ends_at=quarter.end,
        edition=1,
        asked_by=BY,
    )
    if card_id is None:
        card_id = await connection.fetchval("select id from scorecard")
        await queries.ask_again(connection, id=card_id, asked_by=BY)
    claim = uuid4()
    await queries.claim(connection, claim=claim, lease=LEASE)
    loop = asyncio.get_running_loop()
    began = loop.time()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.feedback.scorecards.compute", str(card_id), str(claim)),
        cwd=PROJECT,
        env=stack.environment(FEEDBACK.name),
    )
    ended = asyncio.ensure_future(process.wait())
    try:
        while not (await asyncio.wait({ended}, timeout=LOOK_SECONDS))[0]:
            row = await queries.scorecard(connection, id=card_id)
            tell(what, row["done"], row["total"])
    except BaseException:
        process.kill()
        await process.wait()
        raise
    seconds = round(loop.time() - began, 2)
    row = await queries.scorecard(connection, id=card_id)
    if row["status"] != "computed":
        raise StackError(f"The scorecard was not computed: {row['failure']} (exit status {ended.result()})")
    tell(what, row["done"], row["total"])
    content: bytes = await queries.content(connection, id=card_id)
    return seconds, row["total"], content
