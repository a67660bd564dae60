"""`chuishao bench loop|doors|burst`: what was measured, as a table and as JSON."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.bench import burst as bursting
from deploy.bench.burst import RATES, Burst
from deploy.bench.loop import Asked, measure
from deploy.bench.running import run
from deploy.bench.stage import BESIDE
from deploy.local.places import PROJECT

FOLDER = Path("var/bench")

Folder = Annotated[Path, typer.Option(help="where its engines live; erased before and after")]
Json = Annotated[bool, typer.Option("--json", help="as JSON")]
Seconds = Annotated[float, typer.Option(min=1, help="how long each step is measured")]
UnderWay = Annotated[int, typer.Option(min=1, help="loops under way at a time, at full load")]
Rate = Annotated[
    float | None, typer.Option(min=0.1, help="loops a second of the second step; half of full if left out")
]
Warm = Annotated[float, typer.Option(min=0, help="seconds before anything is measured")]
Workers = Annotated[int, typer.Option(min=1, max=12, help="processes of each service")]
Existing = Annotated[int, typer.Option(min=0, help="closed cases that are there before")]
With = Annotated[str, typer.Option("--with", help="services that run beside the loop, with commas: live,workbench")]


def register(app: typer.Typer) -> None:
    """Add the commands to `chuishao bench`."""
    app.command("loop")(loop)
    app.command("doors")(doors)
    app.command("burst")(burst)


def loop(
    seconds: Seconds = 20.0,
    under_way: UnderWay = 400,
    rate: Rate = None,
    warm: Warm = 8.0,
    workers: Workers = 1,
    existing: Existing = 0,
    beside: With = "",
    as_json: Json = False,
    folder: Folder = FOLDER,
) -> None:
    """Whole loops a second (闭环/秒), and those of a bare pipeline: departments by topic, 12345 in batches.

    A loop: received, dispatched, assigned, signed in, progress, done, checked, rated by whistle-blower and resident,
    closed, answered, archived. Exit code 1 if one was lost, refused, or did not reach all of it.
    """
    asked = Asked(seconds, under_way, rate, workers, existing, beside_of(beside), "topic", warm)
    _finish(run(lambda tell: measure(PROJECT / folder, asked, tell)), as_json)


def doors(
    seconds: Seconds = 20.0,
    under_way: UnderWay = 100,
    rate: Rate = None,
    warm: Warm = 8.0,
    workers: Workers = 1,
    existing: Existing = 0,
    beside: With = "",
    as_json: Json = False,
    folder: Folder = FOLDER,
) -> None:
    """Whole loops a second where every action is an HTTP request of its own, seven of them to a loop.

    Exit code 1 if a loop was lost, refused, or did not reach all of it.
    """
    asked = Asked(seconds, under_way, rate, workers, existing, beside_of(beside), "doors", warm)
    _finish(run(lambda tell: measure(PROJECT / folder, asked, tell)), as_json)


def burst(
    times: Annotated[float, typer.Option(min=0.1, help="so many times as high")] = 1.0,
    seconds: Seconds = 10.0,
    rates: Annotated[str, typer.Option(help="loops a second, one step after the other")] = ",".join(map(str, RATES)),
    workers: Workers = 1,
    beside: With = "",
    as_json: Json = False,
    folder: Folder = FOLDER,
) -> None:
    """Load that jumps up and down (突发): how long it took at each step, what was left, and that nothing was lost.

    Exit code 1 if a loop was lost, refused, or did not reach all of it.
    """
    asked = Burst(times, seconds, rates_of(rates), workers, beside_of(beside))
    found = run(lambda tell: bursting.measure(PROJECT / folder, asked, tell))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _show_burst(found)
    _judge(found)


def _finish(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _show(found)
    _judge(found)


def _judge(found: dict[str, Any]) -> None:
    if not is_whole(found):
        raise typer.Exit(1)


def is_whole(found: dict[str, Any]) -> bool:
    """Whether every loop reached all of it, nobody was told no, and the checker, where it could look, found nothing."""
    wrong = [found["errors"], found["lost"], *found["incomplete"].values(), found["check_ok"] is False]
    return not any(wrong)


def beside_of(written: str) -> tuple[str, ...]:
    names = tuple(filter(None, written.split(",")))
    unknown = [name for name in names if name not in BESIDE]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r}: one of {', '.join(BESIDE)}")
    return names


def rates_of(written: str) -> tuple[float, ...]:
    try:
        rates = tuple(float(part) for part in written.split(","))
    except ValueError:
        rates = ()
    if not rates or min(rates) < 0:
        raise typer.BadParameter(f"{written!r}: numbers from 0 on, with commas: 1,15,0")
    return rates


# --- tables -----------------------------------------------------------------------------------------------------


def _show(found: dict[str, Any]) -> None:
    console = Console()
    lines = [f"{found['loops_per_second']:,} 闭环/秒 loops a second · {_on(found)}"]
    if "ratio" in found:
        lines.append(f"裸管道 bare pipeline {found['bare_loops_per_second']:,} · × {found['ratio']}")
    half = found["half_load"]
    lines += [
        f"吹哨→派单 whistle → assignment at {half['per_second']:,.1f}/s: {_spread(found['latency_ms'])}",
        f"满负荷 at full load: {_spread(found['latency_at_full_ms'])}",
    ]
    console.print("\n".join(lines), highlight=False)
    console.print(_efforts(found))
    table = Table("门 door", "requests", "p50 ms", "p99 ms", "max ms")
    for door, took in found["doors_ms"].items():
        table.add_row(door, f"{took['requests']:,}", *(_number(took[one]) for one in ("p50", "p99", "max")))
    console.print(table)
    sent = ", ".join(f"{topic} {number:g}" for topic, number in found["messages_per_loop"].items())
    stored = found["bytes_per_case"]
    console.print(
        f"消息 messages per loop: {sent}\n"
        f"每件字节 bytes per case: PostgreSQL {stored['postgresql']['all']:,} · Kafka {stored['kafka']['all']:,}",
        highlight=False,
        soft_wrap=True,
    )
    _show_verdict(console, found)


def _efforts(found: dict[str, Any]) -> Table:
    table = Table("每闭环 per loop", "cpu ms", "bare cpu ms", "MB", "rows + updates", "bytes", "inputs a transaction")
    bare = found.get("bare", {}).get("cpu_ms_per_loop", {})
    for name, used in found["cpu_ms_per_loop"].items():
        rows, batches = found["rows_per_loop"].get(name), found["batches"].get(name)
        table.add_row(
            name,
            _number(used),
            _number(bare.get(name)),
            _number(found["memory_mb"].get(name)),
            f"{rows['inserted']:g} + {rows['updated']:g}" if rows else "",
            f"{found['bytes_per_case']['postgresql'].get(name, 0):,.0f}" if rows else "",
            _number(batches["inputs_per_transaction"]) if batches else "",
        )
    return table


def _show_burst(found: dict[str, Any]) -> None:
    console = Console()
    table = Table("每秒 a second", "offered", "finished", "p50 ms", "p99 ms", "max ms", "backlog", title=_on(found))
    for step in found["steps"]:
        latency = (_number(step["latency_ms"][one]) for one in ("p50", "p99", "max"))
        table.add_row(
            f"{step['rate']:g}", f"{step['offered']:,}", f"{step['finished']:,}", *latency, str(step["backlog"])
        )
    console.print(table)
    _show_verdict(console, found)


def _show_verdict(console: Console, found: dict[str, Any]) -> None:
    incomplete = ", ".join(f"{what} {number}" for what, number in found["incomplete"].items() if number) or "0"
    checked = {True: "✓", False: "✗", None: "-"}[found["check_ok"]]
    console.print(
        f"出错 errors {found['errors']} · 丢失 lost {found['lost']} · 未走完 incomplete {incomplete} · "
        f"核对 invariants {checked} · {found['loops']:,} loops",
        highlight=False,
    )
    for said, number in found["said"].items():
        console.print(f"  {number} × {said}", markup=False, highlight=False, soft_wrap=True)


def _on(found: dict[str, Any]) -> str:
    on = found["machine"]
    return f"{on['cpus']} cpus, load {on['load']} → {on['load_after']}"


def _spread(latency: dict[str, Any]) -> str:
    return " · ".join(f"{one} {_number(latency[one])} ms" for one in ("p50", "p99", "max"))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
