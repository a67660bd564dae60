"""`chuishao audit export` and `chuishao audit anchor`: what a stranger, a gazette or another authority is given."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.audit import anchor as anchors
from deploy.audit.export import Exported, export, heads_of
from deploy.check.command import Folder, Service, explained, run, services_of, telling_of, where
from deploy.check.live import tables_of
from deploy.check.source import LOGS
from deploy.local.places import DEFAULT_FOLDER
from shared.runtime.service import release

console = Console(soft_wrap=True, highlight=False)


def export_command(
    out: Annotated[Path, typer.Option(help="The file to write; packed if its name ends in .gz.")],
    service: Service = None,
    since: Annotated[Path | None, typer.Option(help="Only what came after this anchor.", exists=True)] = None,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Write the logs' rows to a file that anybody can verify: docs/integrations/verify_audit_export.py."""
    services = services_of(service)
    with explained():
        after = anchors.read(since.read_text(encoding="utf-8")) if since is not None else None
        at = where(folder)

        async def exported() -> Exported:
            async with tables_of(at.postgres_url) as tables:
                with telling_of(silent=False) as telling:
                    return await export(tables, services, out, release(), after, telling)

        found = run(exported())
    console.print(
        f"{out}: {found.rows:,} 条记录 rows, 其中已依法删除 redacted {found.redacted:,}, sha256 {found.sha256}"
    )


def anchor_command(
    out: Annotated[Path | None, typer.Option(help="The file to write; printed without it.")] = None,
    key: Annotated[Path | None, typer.Option(help="An Ed25519 private key (PEM) to sign it with.", exists=True)] = None,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Say where every log ends, so that whoever keeps it can tell whether history was rewritten."""
    with explained():
        signing = anchors.signing_key(key) if key is not None else None
        at = where(folder)

        async def taken() -> str:
            async with tables_of(at.postgres_url) as tables:
                return anchors.written(tables.now, release(), await heads_of(tables, list(LOGS)), signing)

        text = run(taken())
        if out is None:
            sys.stdout.write(text)
        else:
            out.write_text(text, encoding="utf-8")
            console.print(f"{out}: 请公布或交他方保存 publish it, or give it to somebody else to keep")


def register(audit: typer.Typer) -> None:
    """Add these to `chuishao audit`."""
    audit.command("export")(export_command)
    audit.command("anchor")(anchor_command)
