"""`chuishao check` and `chuishao audit verify`: the checker at an operator's hand."""

import asyncio
import os
import ssl
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import asyncpg
import orjson
import typer
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.audit.anchor import Anchor, AnchorInvalid, passes_through
from deploy.audit.anchor import read as read_anchor
from deploy.check.checker import Check, Telling, verify_chains
from deploy.check.drained import NotDrained, wait_until_drained
from deploy.check.ledger import LedgerUnreadable, read_ledger
from deploy.check.live import SourceAway, opened, tables_of
from deploy.check.report import WORDS, Finding, Report
from deploy.check.source import LOGS
from deploy.check.table import show, show_finding
from deploy.local.errors import StackError
from deploy.local.places import DEFAULT_FOLDER
from deploy.local.stack import LocalStack

T = TypeVar("T")

CANNOT_CHECK = 2
"""The exit code where nothing could be said: neither 0 (all holds) nor 1 (something does not)."""

_FAILURES = (
    StackError,
    SourceAway,
    LedgerUnreadable,
    NotDrained,
    OSError,
    KafkaError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    AnchorInvalid,
)

console = Console()
errors = Console(stderr=True)
audit = typer.Typer(help="The audit chain of the logs, and what is to be trusted of them.", no_args_is_help=True)
audit.callback()(lambda: None)  # so that `verify` stays a word of its own where it is the only one


class Where(NamedTuple):
    """Where the engines are: the administrator's URL, and options of aiokafka's clients."""

    postgres_url: str
    kafka: dict[str, Any]


async def check(
    admin_postgres_url: str,
    kafka: Mapping[str, Any],
    accepted: Path | None = None,
    *,
    drained: bool = False,
    quiet: bool = True,
    strict: bool = False,
    telling: Telling = lambda _done, _of: None,
) -> Report:
    """Check a system. `accepted`: the client's ledger (see `deploy.check.ledger`). `quiet`: nothing is on its
    way, whatever is unpublished or unread is broken; False while services work. `drained`: also every case is
    final. `strict`: also no dead letter waits.

    Raises `LedgerUnreadable`, `SourceAway`, or what asyncpg and aiokafka raise when they cannot connect.
    """
    checking = Check(drained=drained, quiet=quiet, strict=strict, telling=telling)
    if accepted is not None:
        checking.acknowledged(read_ledger(accepted))
    async with opened(admin_postgres_url, kafka) as source:
        return await checking.run(source)


def where(folder: Path) -> Where:
    """The engines named in the environment, else those of the local stack in this folder."""
    url, bootstrap = os.environ.get("CHUISHAO_POSTGRES_ADMIN_URL"), os.environ.get("CHUISHAO_KAFKA_BOOTSTRAP")
    if not (url and bootstrap):
        addresses = LocalStack(folder).addresses
        url, bootstrap = addresses.postgres_admin_url, addresses.kafka_bootstrap
    return Where(url, kafka_options(bootstrap, os.environ))


def kafka_options(bootstrap: str, settings: Mapping[str, str]) -> dict[str, Any]:
    """How aiokafka's clients reach the broker, by the settings `CHUISHAO_KAFKA_…`."""

    def setting(name: str) -> str | None:
        return settings.get(f"CHUISHAO_KAFKA_{name}") or None

    options: dict[str, Any] = {"bootstrap_servers": bootstrap}
    protocol = setting("SECURITY_PROTOCOL") or "PLAINTEXT"
    if "SSL" in protocol:
        context: ssl.SSLContext = create_ssl_context(
            cafile=setting("CA_FILE"), certfile=setting("CERT_FILE"), keyfile=setting("KEY_FILE")
        )
        options["ssl_context"] = context
    if user := setting("SASL_USERNAME"):
        options |= {
            "sasl_mechanism": setting("SASL_MECHANISM") or "SCRAM-SHA-256",
            "sasl_plain_username": user,
            "sasl_plain_password": setting("SASL_PASSWORD") or "",
        }
    return options | {"security_protocol": protocol}


# --- the commands

Folder = Annotated[Path, typer.Option(help="Folder of the stack, where the environment names no engines.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def check_command(
    accepted: Annotated[
        Path | None, typer.Option(help="The client's ledger of what was acknowledged, JSON lines.", exists=True)
    ] = None,
    drained: Annotated[bool, typer.Option(help="Every case must stand in a final stage.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Services are at work: what is on its way is not broken.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="A dead letter that waits is broken, too.")] = False,
    within: Annotated[float, typer.Option(help="First wait up to so many seconds until nothing is on its way.")] = 0,
    as_json: Json = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Check the invariants I1–I7 independently of the services. Exit code 0 only if all hold."""
    with explained():
        at = where(folder)

        async def checked() -> Report:
            if within:
                await wait_until_drained(at.postgres_url, at.kafka, within=within, final=drained)
            with telling_of(as_json) as telling:
                return await check(
                    at.postgres_url,
                    at.kafka,
                    accepted,
                    drained=drained,
                    quiet=not live,
                    strict=strict,
                    telling=telling,
                )

        report = run(checked())
    if as_json:
        print_json(report.as_json())
    else:
        show(console, report)
    raise typer.Exit(0 if report.ok else 1)


Service = Annotated[str | None, typer.Option(help=f"One of {', '.join(LOGS)}; all without it.")]


def services_of(service: str | None) -> list[str]:
    """The service that was named, or all that have a log."""
    if service is not None and service not in LOGS:
        raise typer.BadParameter(f"{service} has no log; one of {', '.join(LOGS)}", param_hint="--service")
    return [service] if service else list(LOGS)


def verify_command(
    service: Service = None,
    anchor: Annotated[
        list[Path] | None,
        typer.Option(help="An anchor that the logs must lead through; may be given often.", exists=True),
    ] = None,
    as_json: Json = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Verify the hash chains of the logs, and that they lead through anchors. Exit code 0 only if all do."""
    services = services_of(service)
    with explained():
        anchors: list[Anchor] = [read_anchor(path.read_text(encoding="utf-8")) for path in anchor or ()]
        at = where(folder)

        async def verified() -> Finding:
            async with tables_of(at.postgres_url) as tables:
                with telling_of(as_json) as telling:
                    found = await verify_chains(tables, services, telling)
                for one in anchors:
                    await passes_through(tables, one, services, found)
                return found

        finding = run(verified())
    if as_json:
        report = {"ok": finding.ok, "checked": finding.checked, "broken": finding.broken, "services": services}
        print_json(report | {"violations": [one.as_json() for one in finding.violations], "what": WORDS["I5"][1]})
    else:
        show_finding(console, "I5", finding)
    raise typer.Exit(0 if finding.ok else 1)


audit.command("verify")(verify_command)


def register(app: typer.Typer) -> None:
    """Add `check` and `audit verify` to the command `chuishao`."""
    app.command("check")(check_command)
    app.add_typer(audit, name="audit")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@contextmanager
def explained() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        errors.print(f"chuishao: {error or repr(error)}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(CANNOT_CHECK) from None
    except KeyboardInterrupt:
        errors.print("Stopped.")
        raise typer.Exit(130) from None


@contextmanager
def telling_of(silent: bool) -> Iterator[Telling]:
    columns = (TextColumn("检查 / checking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=silent or not errors.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


def print_json(report: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
