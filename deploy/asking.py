"""Asks a running service as an operator, for the commands: one request, or the command ends with what was said."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import orjson
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from deploy.local.errors import StackError
from deploy.local.places import DEFAULT_FOLDER
from deploy.local.stack import LocalStack
from shared.contracts.vocabulary import ActorKind
from shared.runtime.district import Kind
from shared.runtime.identity import Identity, issue

T = TypeVar("T")

LOG_SERVICES = ("intake", "router", "sla", "feedback")

Folder = Annotated[Path, typer.Option(help="folder of the local stack; CHUISHAO_<SERVICE>_URL wins over it")]

_errors = Console(stderr=True)


def ask(
    method: str,
    service: str,
    path: str,
    folder: Path = DEFAULT_FOLDER,
    body: object = None,
    *,
    file: bytes | None = None,
    params: Mapping[str, str] | None = None,
    seconds: float = 30,
    person: str = "operator",
) -> dict[str, Any]:
    """One request as an operator: `body` as JSON, or a `file` as it is. A no, or no answer, ends the command."""
    found: dict[str, Any] = _answered(method, service, path, folder, body, file, params, seconds, person).json()
    return found


def fetch(
    service: str, path: str, folder: Path = DEFAULT_FOLDER, params: Mapping[str, str] | None = None, seconds: float = 60
) -> bytes:
    """A file from a service, as it is. A no, or no answer, ends the command."""
    return _answered("GET", service, path, folder, None, None, params, seconds).content


def _answered(
    method: str,
    service: str,
    path: str,
    folder: Path,
    body: object,
    file: bytes | None,
    params: Mapping[str, str] | None,
    seconds: float,
    person: str = "operator",
) -> httpx.Response:
    try:
        answer = httpx.request(
            method,
            _url(service, folder) + path,
            headers={"Authorization": f"Bearer {_bearer(folder, person)}"}
            | ({"Content-Type": "application/octet-stream"} if file is not None else {}),
            json=body,
            content=file,
            params=params,
            timeout=seconds,
            trust_env=False,
        )
    except (StackError, httpx.TransportError) as error:
        typer.echo(f"chuishao: {service} does not answer: {error}. Is it running? See `make status`.", err=True)
        raise typer.Exit(1) from None
    if not answer.is_success:
        _tell(answer)
        raise typer.Exit(1)
    return answer


def in_force(kind: Kind[T], service: str, folder: Path) -> T | None:
    """A part of the set-up as it is in force, from the service that imports it; None where nothing is."""
    versions = ask("GET", service, f"/district/{kind.name}/versions", folder)["versions"]
    number = next((one["number"] for one in versions if one["in_force"]), None)
    if number is None:
        return None
    found = ask("GET", service, f"/district/{kind.name}/versions/{number}", folder)
    return kind.read(orjson.dumps(found["content"]))


def signing_key(folder: Path) -> str:
    return os.environ.get("CHUISHAO_SIGNING_KEY") or LocalStack(folder).environment()["CHUISHAO_SIGNING_KEY"]


def _bearer(folder: Path, person: str) -> str:
    identity = Identity(kind=ActorKind.STAFF, person=person, operator=True)
    return issue(identity, signing_key(folder), datetime.now(UTC), timedelta(minutes=5))


def _url(service: str, folder: Path) -> str:
    if service not in LOG_SERVICES:
        raise typer.BadParameter(f"{service} is none of {', '.join(LOG_SERVICES)}")
    return os.environ.get(f"CHUISHAO_{service.upper()}_URL") or LocalStack(folder).addresses.services[service]


def _tell(answer: httpx.Response) -> None:
    """A refusal in both languages, with a row for each fault where it lists them."""
    try:
        said = answer.json()
    except ValueError:
        said = {"detail_en": answer.text}
    typer.echo(f"chuishao: {answer.status_code} {said.get('detail', '')} {said.get('detail_en', '')}", err=True)
    if said.get("errors"):
        show_faults(said["errors"])


def show_faults(faults: list[dict[str, Any]], title: str = "") -> None:
    """Faults of a file as a table: where, why, and what to do."""
    table = Table(
        "line 行",
        Column("entry 条目", overflow="fold"),
        "field 字段",
        Column("why 原因", overflow="fold"),
        title=title or None,
        show_lines=True,
    )
    for fault in faults:
        why = "\n".join(filter(None, (fault.get("why_zh"), fault.get("why_en") or fault.get("why"))))
        where = (str(fault.get("line") or ""), fault.get("entry", ""), fault.get("field", ""))
        table.add_row(*map(Text, (*where, why)))
    _errors.print(table)
