"""`chuishao scorecard`: have it computed, publish it, hand it out, and verify it against the logs."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from deploy.asking import Folder, ask, fetch, in_force
from deploy.check.command import CANNOT_CHECK, where
from deploy.importing import send, tell
from deploy.local.errors import StackError
from deploy.local.places import DEFAULT_FOLDER
from deploy.scorecard.replay import Telling
from deploy.scorecard.verifying import Verdict, cards_to_verify, snapshot_of, verify
from services.feedback.domain.measuring.issuing import Status
from services.feedback.domain.measuring.periods import last_ended
from services.feedback.domain.measuring.scoring import Rhythm
from services.feedback.setup import SCORING

LOOK_SECONDS = 0.5

app = typer.Typer(name="scorecard", help="考核 · Scorecards: compute, publish, verify, export.", no_args_is_help=True)
console = Console()
progress_screen = Console(stderr=True)

Number = Annotated[int, typer.Argument(min=1, help="the scorecard's number, see `chuishao scorecard list`")]
AsJson = Annotated[bool, typer.Option("--json", help="as JSON")]


class Form(StrEnum):
    """How a scorecard is handed out."""

    XLSX = "xlsx"
    CSV = "csv"
    HTML = "html"
    JSON = "json"


def register(to: typer.Typer) -> None:
    to.add_typer(app)


# --- compute, publish, list, export, import -------------------------------------------------------------------------


@app.command("compute")
def compute(
    rhythm: Annotated[Rhythm, typer.Argument(help="how often")],
    period: Annotated[
        str, typer.Argument(help="2026-11-23, 2026-W48, 2026-11, 2026-Q4, 2026; the last that ended")
    ] = "",
    as_json: AsJson = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Have a period's scorecard computed, and wait for it; it goes on if this command is stopped."""
    name = period or _last_ended(rhythm, folder)
    found = _followed(ask("POST", "feedback", "/scorecards", folder, {"rhythm": rhythm.value, "period": name}), folder)
    _shown(found, as_json)
    if found["status"] == Status.FAILED:
        raise typer.Exit(1)


def _last_ended(rhythm: Rhythm, folder: Path) -> str:
    scoring = in_force(SCORING, "feedback", folder)
    if scoring is None:
        typer.echo("chuishao: nothing is in force to measure by 尚无考核办法", err=True)
        raise typer.Exit(1)
    return last_ended(rhythm, datetime.now(UTC), scoring).name


def _followed(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    with _progress("computing 计算中", "rows 行", silent=False) as telling:
        while found["status"] == Status.ASKED:
            telling(found["done"], found["total"])
            time.sleep(LOOK_SECONDS)
            found = ask("GET", "feedback", f"/scorecards/{found['id']}", folder)
    return {name: value for name, value in found.items() if name != "content"}


@app.command("publish")
def publish(number: Number, as_json: AsJson = False, folder: Folder = DEFAULT_FOLDER) -> None:
    """Publish a scorecard: from now on it stays as it is."""
    _shown(ask("POST", "feedback", f"/scorecards/{number}/publish", folder), as_json)


@app.command("list")
def list_all(
    rhythm: Annotated[Rhythm | None, typer.Option(help="only those of this rhythm")] = None,
    status: Annotated[Status | None, typer.Option(help="only those that stand so")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="how many, the newest")] = 50,
    as_json: AsJson = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Show the scorecards, the newest first."""
    wanted = {"rhythm": rhythm, "status": status, "limit": str(limit)}
    params = {name: str(value) for name, value in wanted.items() if value is not None}
    found = ask("GET", "feedback", "/scorecards", folder, params=params)["scorecards"]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    table = Table("number 编号", "rhythm 周期", "period", "edition 版", "status 状态", "SHA-256")
    for card in found:
        cells = (
            card["id"],
            card["rhythm"],
            card["period"],
            card["edition"],
            card["status"],
            (card["hash"] or "—")[:16],
        )
        table.add_row(*(Text(str(cell)) for cell in cells))
    console.print(table)


@app.command("export")
def export(
    number: Number,
    form: Annotated[Form, typer.Option("--format", help="json: the bytes as they are frozen")] = Form.XLSX,
    out: Annotated[
        Path | None, typer.Option(help="the file; scorecard-NUMBER.FORMAT if left out", dir_okay=False)
    ] = None,
    language: Annotated[str, typer.Option(help="zh-CN or en")] = "zh-CN",
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Write a scorecard into a file."""
    path = f"/scorecards/{number}/export"
    content = fetch("feedback", path, folder, {"format": form.value, "language": language})
    file = out or Path(f"scorecard-{number}.{form}")
    try:
        file.write_bytes(content)
    except OSError as error:
        typer.echo(f"chuishao: {file}: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{file} ({len(content):,} bytes)")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="how units are measured, as YAML: scoring.yaml", dir_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would change, and change nothing")] = False,
    note: Annotated[str, typer.Option(help="why; kept with the version")] = "",
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Put a way of measuring in force; it applies to what is computed from now on."""
    answer = send(SCORING.name, file, folder, dry_run, note, service="feedback")
    for what in ("added", "removed", "changed"):
        for name in answer["difference"][what]:
            typer.echo(f"{what}: {name}")
    tell(answer)


def _shown(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    typer.echo(
        f"scorecard {found['id']} 考核表: {found['rhythm']} {found['period']}, edition {found['edition']} 版, "
        f"{found['status']}" + (f": {found['failure']}" if found["failure"] else "")
    )
    if found["hash"]:
        typer.echo(f"SHA-256 {found['hash']}")


# --- verify -------------------------------------------------------------------------------------------------------


@app.command("verify")
def verify_stored(
    number: Annotated[int | None, typer.Argument(min=1, help="the scorecard's number")] = None,
    every: Annotated[bool, typer.Option("--all", help="every published scorecard")] = False,
    as_json: AsJson = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Compute a scorecard again from the logs of the router and of feedback, and compare every byte.

    Reads PostgreSQL with the operator's rights and asks no service. Exit code 1 where something differs, 2 where
    nothing could be said. That the logs themselves are whole is for `chuishao audit verify` to say.
    """
    if (number is None) is not every:
        raise typer.BadParameter("name a scorecard, or say --all 请给出编号，或用 --all")
    try:
        with _progress("verifying 校验中", "events 事件", silent=as_json) as telling:
            verdicts = asyncio.run(_verified(where(folder).postgres_url, number, telling))
    except (StackError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        progress_screen.print(f"chuishao: {str(error) or repr(error)}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(CANNOT_CHECK) from None
    if not verdicts and number is not None:
        typer.echo(f"chuishao: there is no computed scorecard {number} 没有该考核表", err=True)
        raise typer.Exit(CANNOT_CHECK)
    if as_json:
        typer.echo(json.dumps([_document(one) for one in verdicts], ensure_ascii=False, indent=2))
    else:
        for verdict in verdicts:
            _tell(verdict)
        typer.echo(f"{sum(one.holds for one in verdicts)} of {len(verdicts)} hold 一致")
    raise typer.Exit(0 if all(verdict.holds for verdict in verdicts) else 1)


async def _verified(url: str, number: int | None, telling: Telling) -> list[Verdict]:
    async with snapshot_of(url) as connection:
        cards = await cards_to_verify(connection, number)
        return [await verify(connection, card, stored, telling) for card, stored in cards]


def _tell(verdict: Verdict) -> None:
    card, replayed = verdict.card, verdict.replayed
    name = f"scorecard {card.id}: {card.rhythm} {card.period}, edition {card.edition}"
    if verdict.holds:
        typer.echo(f"{name}: OK {card.hash} 一致")
    else:
        typer.echo(f"{name}: DIFFERS 不一致")
        for said in verdict.differences:
            typer.echo(f"  {said}")
    if replayed is not None:
        left_out = f", {replayed.unmeasured:,} older than 0.2 left out 未计" if replayed.unmeasured else ""
        redacted = f", {replayed.redacted:,} events redacted 已删除" if replayed.redacted else ""
        typer.echo(f"  {replayed.cases:,} cases 件, {replayed.events:,} events 事件{left_out}{redacted}")


def _document(verdict: Verdict) -> dict[str, Any]:
    card, replayed = verdict.card, verdict.replayed
    return {
        "id": card.id,
        "rhythm": card.rhythm.value,
        "period": card.period,
        "edition": card.edition,
        "hash": card.hash,
        "ok": verdict.holds,
        "differences": list(verdict.differences),
        "cases": replayed.cases if replayed is not None else 0,
        "events": replayed.events if replayed is not None else 0,
        "unmeasured": replayed.unmeasured if replayed is not None else 0,
        "redacted": replayed.redacted if replayed is not None else 0,
    }


@contextmanager
def _progress(doing: str, what: str, *, silent: bool) -> Iterator[Telling]:
    columns = (
        TextColumn(doing),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(what),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    quiet = silent or not progress_screen.is_terminal
    with Progress(*columns, console=progress_screen, transient=True, disable=quiet) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)
