"""Sends a file of the set-up to the router: what it would change, or to be put in force."""

from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from deploy.asking import ask, show_faults

WITHIN_SECONDS = 300

_progress = Console(stderr=True)


def send(kind: str, file: Path, folder: Path, dry_run: bool, note: str = "") -> dict[str, Any]:
    """What the router answers. A file it refuses ends the command, with a row for each fault."""
    try:
        content = file.read_bytes()
    except OSError as error:
        typer.echo(f"chuishao: {file}: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    params = {
        "name": file.name,
        "format": "csv" if file.suffix == ".csv" else "yaml",
        "dry_run": str(dry_run).lower(),
        "note": note,
    }
    what = "checking" if dry_run else "importing"
    with _progress.status(f"{what} {file.name} ({len(content) / 1024:,.0f} KB) …"):
        return ask("POST", "router", f"/district/{kind}", folder, file=content, params=params, seconds=WITHIN_SECONDS)


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
