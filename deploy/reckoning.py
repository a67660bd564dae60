"""`chuishao policy apply`, `chuishao calendar recompute`: what runs goes by the version in force, seen beforehand."""

import json
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from deploy.asking import Folder, ask
from deploy.local.places import DEFAULT_FOLDER
from services.sla.domain.calendar import SHANGHAI

console = Console()
progress_screen = Console(stderr=True)

MOST_ROWS = 20
LOOK_SECONDS = 0.5
PREVIEW_WITHIN_SECONDS = 1800

NoteOption = Annotated[str, typer.Option("--note", help="why; it stands with every change in the log")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would change, and change nothing")]
Lengthen = Annotated[bool, typer.Option("--lengthen", help="also where that makes something due later")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask once more before it is done")]
AsJson = Annotated[bool, typer.Option("--json", help="as JSON")]


def register(policy: typer.Typer, calendar: typer.Typer) -> None:
    policy.command("apply")(apply)
    calendar.command("recompute")(recompute)


def apply(
    note: NoteOption = "",
    dry_run: DryRun = False,
    lengthen: Lengthen = False,
    yes: Yes = False,
    as_json: AsJson = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Let what runs go by the limits in force, too: the share that was used stays used, what is overdue stays so."""
    _reckon("policy", note, dry_run, lengthen, yes, as_json, folder)


def recompute(
    note: NoteOption = "",
    dry_run: DryRun = False,
    lengthen: Lengthen = False,
    yes: Yes = False,
    as_json: AsJson = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Let what runs go by the calendars in force, too: what was left of it by those before is left by these."""
    _reckon("calendar", note, dry_run, lengthen, yes, as_json, folder)


def _reckon(kind: str, note: str, dry_run: bool, lengthen: bool, yes: bool, as_json: bool, folder: Path) -> None:
    if not dry_run and not note.strip():
        raise typer.BadParameter("say why; it stands with every change in the log 请写明理由", param_hint="--note")
    wanted = {"kind": kind, "lengthen": lengthen, "note": note}
    with progress_screen.status("counting what would change 试算中 …"):
        preview = ask(
            "POST", "sla", "/reckonings", folder, wanted, params={"dry_run": "true"}, seconds=PREVIEW_WITHIN_SECONDS
        )
    if not as_json:
        show_preview(preview)
    if dry_run:
        if as_json:
            _print_json(preview)
        return
    if not yes:
        question = f"Apply {kind} {preview['version']} to what runs? 是否将该版本适用于在办件？"
        typer.confirm(question, abort=True, err=True)
    asked = ask("POST", "sla", "/reckonings", folder, wanted | {"version": preview["version"]})
    found = _followed(asked, folder)
    if as_json:
        _print_json({"preview": preview, "reckoning": found})
    else:
        show_outcome(found)
    if found["superseded_by"] or found["failed"]:
        raise typer.Exit(1)


def _followed(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The request once it is finished; its progress meanwhile. It goes on if this command is stopped."""
    columns = (
        TextColumn("reckoning {task.fields[number]} 重算"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cases 件, {task.fields[changed]} deadlines changed 期限变更"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=progress_screen, transient=True) as progress:
        task = progress.add_task("", total=found["total"], number=found["id"], changed=found["changed"])
        while found["finished_at"] is None:
            time.sleep(LOOK_SECONDS)
            found = ask("GET", "sla", f"/reckonings/{found['id']}", folder)
            progress.update(task, completed=found["done"], changed=found["changed"])
    return found


# --- what is shown ------------------------------------------------------------------------------------------------

EFFECTS = {
    "earlier": "earlier 提前",
    "later": "later 推后",
    "unchanged": "unchanged 不变",
    "kept": "kept 应推后而未推",
    "final": "final now 转为确定",
}


def show_preview(preview: dict[str, Any]) -> None:
    """By obligation, then by the units most concerned, how far, and the deadlines that move furthest."""
    counted = preview["deadlines"]
    numbers = ", ".join(f"{words} {counted.get(name, 0):,}" for name, words in EFFECTS.items())
    console.print(f"{preview['kind']} {preview['version']}: {preview['cases']:,} cases 件; {numbers}", highlight=False)
    shift = preview["shift_seconds"]
    if shift is not None:
        spread = ", ".join(f"{name} {_length(shift[name])}" for name in ("min", "median", "max"))
        console.print(f"due times move by 期限变动: {spread}", highlight=False)
    rows = preview["by_unit"]
    if rows:
        console.print(_counts("obligation 事项", _summed(rows, "obligation")))
        console.print(_counts("unit 单位", _summed(rows, "unit"), MOST_ROWS))
    if preview["examples"]:
        console.print(_examples(preview["examples"]))
    if counted.get("kept"):
        console.print("Kept as they are: --lengthen moves them, too. 加 --lengthen 方可推后", highlight=False)
    if preview["failed"]:
        console.print(f"could not be read and would be left out 无法读取: {preview['failed']}", style="red")


def _summed(rows: list[dict[str, Any]], by: str) -> dict[str, dict[str, int]]:
    """The most concerned first."""
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        counts = found.setdefault(row[by], dict.fromkeys(EFFECTS, 0))
        for name in EFFECTS:
            counts[name] += row.get(name, 0)
    return dict(sorted(found.items(), key=lambda one: (one[1]["unchanged"] - _total(one[1]), one[0])))


def _total(counts: dict[str, int]) -> int:
    return sum(counts[name] for name in ("earlier", "later", "unchanged", "kept"))


def _counts(what: str, found: dict[str, dict[str, int]], most: int | None = None) -> Table:
    table = Table(
        what, caption=f"… and {len(found) - most} more; --json has all" if most and len(found) > most else None
    )
    for words in EFFECTS.values():
        table.add_column(words, justify="right")
    for name, counts in list(found.items())[:most]:
        table.add_row(Text(name), *(f"{counts[effect]:,}" for effect in EFFECTS))
    return table


def _examples(examples: list[dict[str, Any]]) -> Table:
    table = Table("case 件", "unit 单位", "obligation 事项", "before 原期限", "after 新期限", title="furthest 变动最大")
    for one in examples:
        table.add_row(
            *map(Text, (one["case_id"], one["unit"], one["obligation"], _wall(one["before"]), _wall(one["after"])))
        )
    return table


def show_outcome(found: dict[str, Any]) -> None:
    counts = ", ".join(f"{EFFECTS[name]} {found[name]:,}" for name in ("earlier", "later", "kept"))
    console.print(
        f"reckoning {found['id']} 重算: {found['done']:,} cases 件; "
        f"{found['changed']:,} deadlines changed 期限变更 ({counts})",
        highlight=False,
    )
    if found["superseded_by"]:
        console.print(
            f"{found['kind']} {found['superseded_by']} came into force before it was finished; what was left stays "
            "as it was. Preview and apply that one. 期间有新版本生效，余下未处理；请按新版本重新试算",
            style="red",
            highlight=False,
        )
    if found["failed"]:
        console.print(f"cases left as they were; sla's log says why 未能处理: {found['failed']}", style="red")


def _wall(written: str) -> str:
    return f"{datetime.fromisoformat(written).astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


def _length(seconds: float) -> str:
    sign = "-" if seconds < 0 else "+"
    return sign + str(timedelta(seconds=round(abs(seconds))))


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
