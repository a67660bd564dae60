"""Sends a file of the set-up to the service that imports it: what it would change, or to be put in force."""

from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from deploy.asking import ask, show_faults

WITHIN_SECONDS = 300
FORMATS = {".csv": "csv", ".ics": "ics"}

_progress = Console(stderr=True)


def send(
    kind: str,
    file: Path,
    folder: Path,
    dry_run: bool,
    note: str = "",
    *,
    service: str = "router",
    into: str = "",
) -> dict[str, Any]:
    """What the service answers. A file it refuses ends the command, with a row for each fault."""
    try:
        content = file.read_bytes()
    except OSError as error:
        typer.echo(f"chuishao: {file}: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    return send_content(kind, file.name, content, folder, dry_run, note, service=service, into=into)


def send_content(
    kind: str,
    name: str,
    content: bytes,
    folder: Path,
    dry_run: bool,
    note: str = "",
    *,
    service: str = "router",
    into: str = "",
) -> dict[str, Any]:
    """The same with what is in no file; the name says how it is written."""
    params = {
        "name": name,
        "format": FORMATS.get(Path(name).suffix, "yaml"),
        "dry_run": str(dry_run).lower(),
        "note": note,
    } | ({"into": into} if into else {})
    what = "checking" if dry_run else "importing"
    with _progress.status(f"{what} {name} ({len(content) / 1024:,.0f} KB) …"):
        return ask("POST", service, f"/district/{kind}", folder, file=content, params=params, seconds=WITHIN_SECONDS)


def tell(answer: dict[str, Any]) -> None:
    """What became of an import, and what is worth a second look."""
    if answer["doubts"]:
        show_faults(answer["doubts"], "worth a second look 请核对")
    if answer["more_doubts"]:
        typer.echo(f"… and {answer['more_doubts']} more", err=True)
    kind, label, number = answer["kind"], answer["label"], answer["number"]
    if number is None:
        typer.echo(f"{kind} {label}: nothing was imported (--dry-run) 未导入")
    elif answer["changed"]:
        typer.echo(f"{kind} {label} in force as version {number} 已生效")
    else:
        typer.echo(f"{kind} {label}: the same is in force already as version {number} 内容未变")
