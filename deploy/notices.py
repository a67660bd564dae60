"""`chuishao notices`: what people were told (通知), of one unit or of all."""

import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.asking import Folder, ask
from deploy.documents.words import chinese
from deploy.local.places import DEFAULT_FOLDER
from shared.contracts.vocabulary import Obligation, Post, Urgency

FOLLOW_SECONDS = 2.0
LIGHTS = {"rung": "[bold red]升级 escalated[/]", "red": "[red]超期 overdue[/]", "yellow": "[yellow]临期 nearly due[/]"}

console = Console()


def register(app: typer.Typer) -> None:
    """Add the command to `chuishao`."""
    app.command()(notices)


def notices(
    unit: Annotated[str | None, typer.Argument(help="one unit's; everybody's if left out")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="how many, the newest")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on with what comes, until Ctrl-C")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, one digest a line")] = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Show what people were told: digests of warnings, overdue and escalated deadlines (通知), oldest first."""
    newest = ask("GET", "sla", "/notices", folder, params={"after": "0", "limit": "1"})["last"]
    if unit is None:
        found = _after(max(newest - limit, 0), folder)
    else:
        params = {"limit": str(limit), "before": str(newest + 1)}
        found = ask("GET", "sla", f"/units/{unit}/notices", folder, params=params)["digests"][::-1]
    _show(found, as_json)
    if not found and not as_json and not follow:
        console.print("没有通知 · no notices")
    if follow:
        try:
            _follow(unit, max([newest, *(one["number"] for one in found)]), as_json, folder)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


def _follow(unit: str | None, newest: int, as_json: bool, folder: Path) -> NoReturn:
    while True:
        following = _after(newest, folder)
        _show([one for one in following if unit in (None, one["unit"])], as_json)
        if following:
            newest = following[-1]["number"]
        else:
            time.sleep(FOLLOW_SECONDS)


def _after(number: int, folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask("GET", "sla", "/notices", folder, params={"after": str(number)})["digests"]
    return found


def _show(digests: Sequence[dict[str, Any]], as_json: bool) -> None:
    for one in digests:
        if as_json:
            typer.echo(json.dumps(one, ensure_ascii=False))
        else:
            _show_one(one)


def _show_one(digest: dict[str, Any]) -> None:
    """The sentence in both languages, and a row for each entry that is listed."""
    post, read = chinese(Post)[digest["post"]], "已读 read" if digest["read_by"] else ""
    heading = f"#{digest['number']} {_at(digest['released_at'])} {digest['unit_name']} {digest['unit']} · {post}"
    console.print(f"[bold]{escape(heading)}[/] [dim]{read}[/]", highlight=False, soft_wrap=True)
    console.print(escape(f"{digest['zh']}\n{digest['en']}"), highlight=False, soft_wrap=True)
    table = Table("哨单 case", "承办单位 unit", "事项 obligation", "状态 light", "紧急程度 urgency", "期限 due", "")
    obligations, urgencies = chinese(Obligation), chinese(Urgency)
    for entry in digest["entries"]:
        rung = f" {entry['rung']}" if entry["rung"] else ""
        table.add_row(
            escape(entry["case_number"] or entry["case_id"]),
            escape(entry["unit"] or ""),
            f"{obligations[entry['obligation']]} {entry['obligation']}",
            LIGHTS[entry["light"]] + rung,
            f"{urgencies[entry['urgency']]} {entry['urgency']}",
            _at(entry["due_at"]),
            "已了结 over" if entry["over"] else "",
        )
    console.print(table)
    if digest["more"]:
        console.print(f"另有 {digest['more']} 项未列出 · {digest['more']} more not listed", highlight=False)
    console.print()


def _at(written: str) -> str:
    return datetime.fromisoformat(written).astimezone().strftime("%m-%d %H:%M:%S")
