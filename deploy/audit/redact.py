"""`chuishao audit redact` and `approve`: what the law orders forgotten, asked by one and approved by another."""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
import typer
from rich.console import Console

from deploy.asking import LOG_SERVICES, Folder, ask
from deploy.check.command import explained, run, where
from deploy.check.source import CONSUMERS, LOGS
from deploy.local.places import DEFAULT_FOLDER

WRITERS = {topic.name: service for service, topic in LOGS.items()}
_UNREAD = """
select count(*) from {writer}.log as log
left join {reader}.progress as progress on progress.log = $2 and progress.shard = log.shard
where log.case_id = $1 and log.sequence > coalesce(progress.sequence, 0)"""

console = Console(soft_wrap=True, highlight=False)
Person = Annotated[str, typer.Option("--person", help="who you are: it stands in the log for ever")]
Case = Annotated[UUID, typer.Argument(help="the case's id")]


def redact(
    case: Case,
    reason: Annotated[str, typer.Option(help="why; it stands in the log for ever, so no names")],
    basis: Annotated[str, typer.Option(help="the law, and the order given by it")],
    person: Person,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Ask that people's words in one case be forgotten, in all logs. Nothing is until somebody else approves."""
    body = {"case_id": str(case), "reason": reason, "basis": basis}
    for service in LOG_SERVICES:
        found = ask("POST", service, "/redactions", folder, body, person=person)
        console.print(f"{service}: 申请 asked, 编号 number {found['number']}")
    console.print(f"由另一人批准 to be approved by somebody else: chuishao audit approve {case} --person …")


def approve(case: Case, person: Person, folder: Folder = DEFAULT_FOLDER) -> None:
    """Approve what somebody else asked to be forgotten of a case, in all logs: it is carried out at once."""
    with explained():
        behind = run(_not_read(where(folder).postgres_url, case))
    if behind:
        console.print(f"尚未读完，稍后再批准 not read yet, approve later: {', '.join(behind)}")
        raise typer.Exit(1)
    numbers = {service: _waiting(service, case, folder, person) for service in LOG_SERVICES}
    if not any(numbers.values()):
        console.print(f"没有待批准的申请 nothing was asked for {case}")
        raise typer.Exit(1)
    for service, found in numbers.items():
        for number in found:
            done = ask("POST", service, f"/redactions/{number}/approve", folder, person=person)
            console.print(f"{service}: 已删除 forgotten {len(done['forgotten'])} 条 events")


async def _not_read(postgres_url: str, case: UUID) -> list[str]:
    """Who has not read all of the case: what is forgotten before it was read never has its effect there."""
    connection = await asyncpg.connect(postgres_url, timeout=10)
    try:
        return [
            f"{reader} ← {topic}"
            for reader, topics in CONSUMERS.items()
            for topic in topics
            if await connection.fetchval(_UNREAD.format(reader=reader, writer=WRITERS[topic]), case, topic)
        ]
    finally:
        await connection.close()


def _waiting(service: str, case: UUID, folder: Any, person: str) -> list[int]:
    asked = ask("GET", service, "/redactions", folder, person=person)["redactions"]
    return [one["number"] for one in asked if one["case_id"] == str(case) and one["approved_by"] is None]


def register(audit: typer.Typer) -> None:
    """Add these to `chuishao audit`."""
    audit.command("redact")(redact)
    audit.command("approve")(approve)
