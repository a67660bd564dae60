"""What an operator does to a running system over HTTP: tokens, dead letters, republishing a log."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.asking import LOG_SERVICES, Folder, ask, signing_key
from deploy.audit.gaps import Gap, find_gaps
from deploy.check.command import explained, run, services_of, where
from deploy.local.places import DEFAULT_FOLDER
from shared.contracts.vocabulary import ActorKind
from shared.runtime.identity import Identity, issue

dlq = typer.Typer(name="dlq", help="Dead letters: what could not be handled, and the way back.", no_args_is_help=True)
log = typer.Typer(name="log", help="The services' logs.", no_args_is_help=True)
console = Console()

Service = Annotated[str, typer.Argument(help=f"one of {', '.join(LOG_SERVICES)}")]


def register(app: typer.Typer) -> None:
    """Add the operator's commands to `chuishao`."""
    app.add_typer(dlq)
    app.add_typer(log)
    app.command()(token)


def token(
    unit: Annotated[str | None, typer.Option(help="code of the unit the person acts for")] = None,
    person: Annotated[str, typer.Option(help="the person's id")] = "local",
    kind: Annotated[ActorKind, typer.Option(help="what kind of person")] = ActorKind.STAFF,
    operator: Annotated[bool, typer.Option(help="may see and replay dead letters")] = False,
    hours: Annotated[float, typer.Option(help="how long it is valid", min=0.01, max=24 * 31)] = 8.0,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Print an access token for a person, signed with CHUISHAO_SIGNING_KEY (or the local stack's)."""
    identity = Identity(kind=kind, person=person, unit=unit, operator=operator)
    typer.echo(issue(identity, signing_key(folder), datetime.now(UTC), timedelta(hours=hours)))


@dlq.command("list")
def list_letters(
    service: Annotated[str | None, typer.Option(help="only this service's")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Show the dead letters of all services, newest first."""
    found = [
        {"service": name, **letter}
        for name in ([service] if service else LOG_SERVICES)
        for letter in ask("GET", name, "/dead-letters", folder)["dead_letters"]
    ]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    table = Table("service", "number", "topic", "kind", "reason", "buried", "replayed")
    for letter in found:
        table.add_row(
            letter["service"],
            str(letter["number"]),
            letter["topic"],
            letter["kind"],
            letter["reason"][:80],
            letter["buried_at"],
            letter["replayed_at"] or "",
        )
    console.print(table if found else "No dead letters.")


@dlq.command("show")
def show_letter(service: Service, number: int, folder: Folder = DEFAULT_FOLDER) -> None:
    """Show one dead letter whole: its message, where it lay, and why it could not be handled."""
    console.print_json(json.dumps(ask("GET", service, f"/dead-letters/{number}", folder), ensure_ascii=False))


@dlq.command("replay")
def replay_letter(service: Service, number: int, folder: Folder = DEFAULT_FOLDER) -> None:
    """Send one dead letter down the road again under its original id; once in effect however often asked."""
    console.print_json(json.dumps(ask("POST", service, f"/dead-letters/{number}/replay", folder), ensure_ascii=False))


@log.command("gaps")
def gaps(
    service: Annotated[str | None, typer.Option(help="only this service's log")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Hold every topic against its log. Exit code 0 only if nothing is missing that anybody still has to read."""
    found = _gaps(services_of(service), folder)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2))
    else:
        _show(found)
    raise typer.Exit(1 if found else 0)


@log.command("republish")
def republish(
    service: Annotated[str | None, typer.Argument(help=f"one of {', '.join(LOG_SERVICES)}; all without it")] = None,
    shard: Annotated[int | None, typer.Option(help="the shard with the gap; without it, gaps are looked for")] = None,
    from_sequence: Annotated[int, typer.Option(help="with --shard: the first sequence that is missing", min=1)] = 1,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Publish once more what topics have lost, from each gap on: who has what follows skips it."""
    if shard is not None:
        if service is None:
            raise typer.BadParameter("which service's shard? 请指定服务", param_hint="SERVICE")
        console.print_json(json.dumps(_republished(service, shard, from_sequence, folder), ensure_ascii=False))
        return
    found = _gaps(services_of(service), folder)
    _show(found)
    for one in found:
        done = _republished(one.service, one.shard, one.first, folder)
        console.print(f"{one.service} 分片 shard {one.shard}: 已重新发布 published again {done['published']:,}")


def _republished(service: str, shard: int, from_sequence: int, folder: Path) -> dict[str, Any]:
    return ask("POST", service, "/log/republish", folder, {"shard": shard, "from_sequence": from_sequence}, seconds=600)


def _gaps(services: list[str], folder: Path) -> list[Gap]:
    with explained():
        at = where(folder)
        return run(find_gaps(at.postgres_url, at.kafka, services))
    raise AssertionError("what cannot be read ends the command")


def _show(found: list[Gap]) -> None:
    table = Table("log 日志", "topic", "shard 分片", "missing 缺失", "messages 条数", "not read by 未读")
    for one in found:
        ranges = ", ".join(f"{first}–{last}" if first < last else str(first) for first, last in one.missing)
        waiting = ", ".join(one.waiting) or "—"
        table.add_row(one.service, one.topic, str(one.shard), ranges, f"{one.messages:,}", waiting)
    console.print(table if found else "没有缺口 No gaps: every topic has what its log has published.")
