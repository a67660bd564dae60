"""`chuishao bench loop`: what was measured, as a table and as JSON."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn
from rich.table import Table

from deploy.bench.loop import Asked, measure
from deploy.bench.stage import BESIDE
from deploy.check.drained import NotDrained
from deploy.local.errors import StackError
from deploy.local.places import PROJECT

FOLDER = Path("var/bench")
errors = Console(stderr=True)

Folder = Annotated[Path, typer.Option(help="where its engines live; erased before and after")]
Json = Annotated[bool, typer.Option("--json", help="as JSON")]
Workers = Annotated[int, typer.Option(min=1, max=12, help="processes of each service")]
With = Annotated[str, typer.Option("--with", help="services that run beside the loop, with commas: live,workbench")]


def register(app: typer.Typer) -> None:
    """Add the commands to `chuishao bench`."""
    app.command("loop")(loop)


def loop(
    seconds: Annotated[float, typer.Option(min=1, help="how long each step is measured")] = 20.0,
    under_way: Annotated[int, typer.Option(min=1, help="loops under way at a time, at full load")] = 400,
    rate: Annotated[float | None, typer.Option(min=0.1, help="loops a second of the second step; half of full")] = None,
    warm: Annotated[float, typer.Option(min=0, help="seconds before anything is measured")] = 8.0,
    workers: Workers = 1,
    existing: Annotated[int, typer.Option(min=0, help="closed cases that are there before")] = 0,
    beside: With = "",
    as_json: Json = False,
    folder: Folder = FOLDER,
) -> None:
    """Whole loops a second (闭环/秒): 12345's feed and call-backs in batches, departments by topic.

    Exit code 1 if a loop was lost, refused, or did not reach all of it.
    """
    asked = Asked(seconds, under_way, rate, workers, existing, _beside(beside), "topic", warm)
    found = _run(folder, asked)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _show(found)
    if not whole(found):
        raise typer.Exit(1)


def whole(found: dict[str, Any]) -> bool:
    """Whether every loop reached all of it, nobody was told no, and the checker found nothing."""
    return not (found["errors"] or found["lost"] or any(found["incomplete"].values())) and bool(found["check_ok"])


def _beside(written: str) -> tuple[str, ...]:
    names = tuple(filter(None, written.split(",")))
    unknown = [name for name in names if name not in BESIDE]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r}: one of {', '.join(BESIDE)}")
    return names


def _run(folder: Path, asked: Asked) -> dict[str, Any]:
    try:
        with Progress(
            "{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=errors, transient=True
        ) as screen:
            return uvloop.run(measure(PROJECT / folder, asked, Told(screen)))
    except (StackError, NotDrained) as error:
        errors.print(f"chuishao: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


class Told:
    """A line on the screen for each thing that is done."""

    def __init__(self, screen: Progress) -> None:
        self._screen = screen
        self._lines: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, whole: int) -> None:
        if what not in self._lines:
            self._lines[what] = self._screen.add_task(what, total=whole)
        self._screen.update(self._lines[what], completed=done, total=whole)


def _show(found: dict[str, Any]) -> None:
    console = Console()
    on = found["machine"]
    console.print(
        f"{found['loops_per_second']} 闭环/秒 loops a second · {on['cpus']} cpus, load {on['load']} → {on['load_after']}",
        highlight=False,
    )
    table = Table("每闭环 per loop", "cpu ms", "MB", "rows written", "bytes in PostgreSQL")
    for name, used in found["cpu_ms_per_loop"].items():
        rows = found["rows_per_loop"].get(name)
        table.add_row(
            name,
            f"{used:,.2f}",
            f"{found['memory_mb'][name]:,.0f}" if name in found["memory_mb"] else "",
            f"{rows['inserted']} + {rows['updated']}" if rows else "",
            f"{found['bytes_per_case']['postgresql'].get(name, 0):,.0f}" if rows else "",
        )
    console.print(table)
