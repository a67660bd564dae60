"""`chuishao letters`: what reporters are told (告知书)."""

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from deploy.asking import Folder, ask
from deploy.local.places import DEFAULT_FOLDER

FOLLOW_SECONDS = 2.0
KINDS = {"asked": "请评价 asked", "closed": "结案 closed", "reopened": "重办 reopened"}

console = Console()


def register(app: typer.Typer) -> None:
    """Add the command to `chuishao`."""
    app.command()(letters)


def letters(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="how many, the newest")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on with what comes, until Ctrl-C")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, one letter a line")] = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Show what reporters are told: asked, closed, reopened (告知书), oldest first. Links are for the gateway alone."""
    pulled = _Pulled(folder)
    newest = deque(pulled.rest(), maxlen=limit)
    _show(newest, as_json)
    if not newest and not as_json and not follow:
        console.print("没有告知书 · no letters")
    try:
        while follow:
            time.sleep(FOLLOW_SECONDS)
            _show(list(pulled.rest()), as_json)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


class _Pulled:
    """Letters, each once, and how far they were pulled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cursor = ""

    def rest(self) -> Iterator[dict[str, Any]]:
        """All there are now and were not pulled yet."""
        more = True
        while more:
            found = ask("GET", "feedback", "/letters", self._folder, params={"after": self._cursor})
            yield from found["letters"]
            self._cursor, more = found["cursor"], found["more"]


def _show(found: Iterable[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        for one in found:
            typer.echo(json.dumps(one, ensure_ascii=False))
        return
    table = Table("时间 at", "编号 number", "类型 kind", Column("内容 text", overflow="fold"), "", show_lines=True)
    for one in found:
        marks = "失效 over" if one["over"] else "" if one["resident"] else "无电话 no phone"
        table.add_row(
            _at(one["stated_at"]), Text(one["number"]), KINDS.get(one["kind"], one["kind"]), Text(one["zh"]), marks
        )
    if table.row_count:
        console.print(table)


def _at(written: str) -> str:
    return datetime.fromisoformat(written).astimezone().strftime("%m-%d %H:%M:%S")
