"""What an operator does to a running system over HTTP: tokens, dead letters, republishing a log."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.asking import LOG_SERVICES, Folder, ask, signing_key
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


@log.command("republish")
def republish(
    service: Service,
    shard: Annotated[int, typer.Option(help="the shard with the gap")],
    from_sequence: Annotated[int, typer.Option(help="the first sequence that is missing", min=1)],
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Publish part of a log once more: heals a topic that lost messages. Who has them skips them."""
    body = {"shard": shard, "from_sequence": from_sequence}
    console.print_json(json.dumps(ask("POST", service, "/log/republish", folder, body), ensure_ascii=False))
