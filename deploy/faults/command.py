"""`chuishao faults`: break it on purpose, and ask the independent checker whether anything was lost."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.faults import report
from deploy.faults.ground import Ground
from deploy.faults.kind import Injection, Kind, NotHealed
from deploy.faults.kinds import KINDS, named
from deploy.faults.plan import plan
from deploy.faults.runner import LANES, PER_SECOND, Telling, Wanted, play
from deploy.faults.stages import Stage, stages
from deploy.local.errors import StackError

FOLDER = Path("var/faults")
CANNOT_RUN = 2
"""The exit code where nothing could be said: neither 0 (all held) nor 1 (something did not)."""

console = Console()
errors = Console(stderr=True)

faults = typer.Typer(
    name="faults", help="故障注入: faults injected on purpose, then the checker over I1–I8.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands to `chuishao`."""
    app.add_typer(faults)


@faults.command("list")
def list_kinds(as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> None:
    """Show every kind of fault, what it does, and which invariants it is about."""
    ground = Ground(FOLDER)
    if as_json:
        found = [
            {
                "kind": kind.name,
                "zh": kind.zh,
                "en": kind.en,
                "invariants": kind.invariants,
                "variants": [variant.name for variant in kind.variants],
                "impossible": kind.impossible(ground),
            }
            for kind in KINDS
        ]
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    table = Table("故障 kind", "做什么 what it does", "变体 variants", "不变量 invariants", show_lines=True)
    for kind in KINDS:
        impossible = kind.impossible(ground)
        why = f"\n[yellow]此处不可行 not possible here: {impossible}[/]" if impossible else ""
        table.add_row(kind.name, f"{kind.zh}\n{kind.en}{why}", str(len(kind.variants)), " ".join(kind.invariants))
    console.print(table)


@faults.command("run")
def run(
    kinds: Annotated[str, typer.Option(help="kinds, separated by commas; all without it")] = "",
    rounds: Annotated[int, typer.Option(help="how many rounds, each on a stack of its own", min=1)] = 1,
    seed: Annotated[int | None, typer.Option(help="the same seed gives the same plan")] = None,
    injections: Annotated[int, typer.Option(help="how many a round", min=1)] = 40,
    only_round: Annotated[int | None, typer.Option("--round", help="only this round of the seed's", min=1)] = None,
    per_second: Annotated[float, typer.Option(help="whistles a second meanwhile", min=0.1)] = PER_SECOND,
    lanes: Annotated[int, typer.Option(help="how many faults at once, where they can be", min=1)] = LANES,
    folder: Annotated[Path, typer.Option(help="folder of the private stack; ALL IN IT IS ERASED")] = FOLDER,
    keep: Annotated[bool, typer.Option(help="leave the last stack's data for a look")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON, and nothing else")] = False,
) -> None:
    """Inject faults into a private stack under load; exit 0 only if every invariant held."""
    try:
        wanted_kinds = named([name.strip() for name in kinds.split(",") if name.strip()])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--kinds") from None
    console.quiet = as_json
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it wants the stack ended, too
    seed = seed if seed is not None else int(time.time())
    began = datetime.now(UTC)
    numbers = [only_round] if only_round is not None else list(range(1, rounds + 1))
    done: list[report.Round] = []
    found: dict[str, Any] = {}
    output = Ground(folder).report
    try:
        with _shown(len(numbers) * injections, as_json) as telling:
            for number in numbers:
                for stage in stages(_possible(wanted_kinds, folder), injections, number):
                    _announce(stage, seed, number)
                    wanted = Wanted(stage.kinds, stage.injections, seed, number, per_second, lanes, telling=telling)
                    done.append(play(stage.ground(folder), wanted, keep=keep))
                    _conclude(done[-1])
                found = report.as_json(done, wanted_kinds, seed, began)
                output.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except (StackError, NotHealed) as error:
        errors.print(f"chuishao faults: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(CANNOT_RUN) from None
    except KeyboardInterrupt:
        errors.print("Stopped.")
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        report.show(console, found, wanted_kinds)
        console.print(f"报告 report: {output}", soft_wrap=True)
    raise typer.Exit(0 if found["ok"] else 1)


def _possible(kinds: tuple[Kind, ...], folder: Path) -> list[Kind]:
    ground = Ground(folder)
    for kind in kinds:
        if why := kind.impossible(ground):
            console.print(f"[yellow]{kind.name}: 此处不可行 not possible here: {why}[/]")
    possible = [kind for kind in kinds if not kind.impossible(ground)]
    if not possible:
        raise StackError("None of these kinds is possible here; see `chuishao faults list`.")
    return possible


def _announce(stage: Stage, seed: int, number: int) -> None:
    where = "" if stage.ground is Ground else f" ({stage.ground.__name__})"
    console.print(f"[bold]第 {number} 轮 round {number}[/]{where}, seed {seed}, 计划 the plan begins:", highlight=False)
    for planned in islice(plan(stage.kinds, seed, number), min(stage.injections, 8)):
        console.print(f"  {planned}", markup=False, highlight=False)


def _conclude(done: report.Round) -> None:
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in done.seconds.items())
    held = "[green]全部通过 all held[/]" if done.ok else f"[red]{len(done.violations)} 处违反 violations[/]"
    console.print(
        f"第 {done.number} 轮 round {done.number}: {held}; {len(done.injected)} 次注入, "
        f"{done.load.get('accepted', 0)} 件诉求 whistles; {took}",
        highlight=False,
        soft_wrap=True,
    )
    for violation in done.violations:
        console.print(f"  {violation.invariant}: {violation.why}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _shown(total: int, silent: bool) -> Iterator[Telling]:
    """Each injection as it ends, with how many are done and how long the rest will take."""
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=silent or not errors.is_terminal) as progress:
        task = progress.add_task("故障注入 injecting", total=total)
        injected = 0

        def tell(_round: report.Round, injection: Injection) -> None:
            nonlocal injected
            injected += injection.happened_at is not None
            left = timedelta(seconds=round((time.monotonic() - began) / max(injected, 1) * (total - injected)))
            progress.update(task, completed=injected, description=f"剩余约 about {left} left")
            done = "; ".join(injection.done)
            mark = {"injected": "[green]✓[/]", "not healed": "[red]✗[/]"}.get(injection.outcome, "[dim]–[/]")
            console.print(
                f"{mark} {injected}/{total} ({left} left) {injection.number} {injection.kind}: {injection.variant}"
                f" [dim]{done[:160]}[/]",
                highlight=False,
                soft_wrap=True,
            )

        yield tell
