"""`chuishao bench`: measures this machine. One command for each thing that is measured."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.bench import loop_command, scorecards, surges
from deploy.bench.running import run
from deploy.bench.timers import AT_ONCE, Asked, measure
from deploy.local.places import PROJECT

FOLDER = Path("var/bench")

bench = typer.Typer(
    name="bench",
    help="测速 · Measure how fast it is on this machine, on engines of its own.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def register(app: typer.Typer) -> None:
    """Add the commands to `chuishao`."""
    scorecards.register(bench)
    surges.register(bench)
    loop_command.register(bench)
    app.add_typer(bench)


def _rates(written: str) -> tuple[int, ...]:
    try:
        rates = tuple(int(part) for part in written.split(","))
    except ValueError:
        rates = ()
    if not rates or min(rates) < 1:
        raise typer.BadParameter(f"{written!r}: whole numbers from 1 on, with commas: 300,2000")
    return rates


@bench.callback()
def _all() -> None:
    """One command for each thing that is measured."""


@bench.command()
def timers(
    armed: Annotated[int, typer.Option(min=0, help="deadlines that are armed beside and do not come due")] = 1_000_000,
    rates: Annotated[str, typer.Option(help="how many come due in a second, one rate after the other")] = "300,2000",
    seconds: Annotated[float, typer.Option(min=1, help="how long each rate lasts")] = 20.0,
    at_once: Annotated[int, typer.Option(min=1, help="how many come due at once in the end")] = AT_ONCE,
    old_snapshot: Annotated[
        bool, typer.Option(help="meanwhile hold a transaction open that looks at the past")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    folder: Annotated[Path, typer.Option(help="where its engines live; erased before and after")] = FOLDER,
) -> None:
    """How late deadlines fire (到期触发延迟), beside how many that are armed, and against a bare loop of the same SQL.

    Exit code 1 if one fired early, twice or never. How late they were is for you to judge: it is this machine's.
    """
    asked = Asked(armed, _rates(rates), seconds, at_once, old_snapshot)
    found = run(lambda tell: measure(PROJECT / folder, asked, tell))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _show(found)
    if found["early"] or found["twice"] or found["missing"] or not found["oldest_first"]:
        raise typer.Exit(1)


def _show(found: dict[str, Any]) -> None:
    console = Console()
    on = found["machine"]
    title = f"{found['armed']:,} armed beside · {on['cpus']} cpus, load {on['load']} → {on['load_after']}"
    table = Table("到期/秒 a second", "", "p50 ms", "p99 ms", "max ms", title=title)
    for rate in found["rates"]:
        lines = {
            "触发 sla fires": rate["lateness_ms"],
            "已发布 on the topic": rate["on_the_topic_ms"],
            "裸循环 bare loop": rate["bare_lateness_ms"],
        }
        for number, (name, spread) in enumerate(lines.items()):
            shown = ("-" if spread[one] is None else f"{spread[one]:,.1f}" for one in ("p50", "p99", "max"))
            table.add_row("" if number else f"{rate['per_second']:,}", name, *shown)
        table.add_section()
    console.print(table)
    console.print(
        f"{found['due_at_once']:,} 件同时到期 due at once: {found['drain_seconds']} s · "
        f"裸循环 bare loop {found['bare_drain_seconds']} s (× {found['drain_times_bare']})",
        highlight=False,
    )
    console.print(
        f"提前 early {found['early']} · 重复 twice {found['twice']} · 遗漏 missing {found['missing']} · "
        f"先到先发 oldest first {'✓' if found['oldest_first'] else '✗'}",
        highlight=False,
    )
