"""`chuishao callbacks`: replies that 12345's HTTP endpoint would not take, and the way to send them again."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from deploy.asking import Folder, ask
from deploy.local.places import DEFAULT_FOLDER

console = Console()
callbacks = typer.Typer(
    name="callbacks", help="12345's HTTP call-back: replies that it would not take.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands to `chuishao`."""
    app.add_typer(callbacks)


@callbacks.command("list")
def list_callbacks(
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False, folder: Folder = DEFAULT_FOLDER
) -> None:
    """Show the replies that 12345 would not take, longest waiting first."""
    found = ask("GET", "router", "/callbacks/failed", folder)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    if not found["switched_on"]:
        console.print("未启用回调（CHUISHAO_HOTLINE_CALLBACK_URL） · 12345 is not called back here", soft_wrap=True)
    table = Table("id", "case", "reply", "attempts", Column("why", overflow="fold"), "put aside")
    for one in found["failed"]:
        reply = one["type"].removeprefix("cn.chuishao.hotline.").removesuffix(".v1")
        table.add_row(
            one["id"], one["case_id"], reply, str(one["attempts"]), Text(one["reason"]), _at(one["put_aside_at"])
        )
    console.print(table if table.row_count else "没有搁置的回调 · nothing is put aside")


@callbacks.command("retry")
def retry(
    identifier: Annotated[UUID | None, typer.Argument(help="the reply's id; --all for every one")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="every one there is; ends at the first that is not taken")
    ] = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Send what was put aside once more, under its id, once it is cleared up with 12345."""
    if (identifier is None) is not every:
        raise typer.BadParameter("name one reply by its id, or all of them by --all")
    while True:
        page = [str(identifier)] if identifier is not None else _put_aside(folder)
        for one in page:
            sent = ask("POST", "router", f"/callbacks/{one}/retry", folder)
            console.print(f"{sent['id']}  {_at(sent['sent_at'])}  已发送 sent", highlight=False)
        if not page or identifier is not None:
            return


def _put_aside(folder: Path) -> list[str]:
    return [one["id"] for one in ask("GET", "router", "/callbacks/failed", folder)["failed"]]


def _at(written: str) -> str:
    return datetime.fromisoformat(written).astimezone().strftime("%m-%d %H:%M:%S")
