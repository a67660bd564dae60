"""`chuishao rebuild`: is what stands in the tables what the logs say, row by row?"""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.check.command import (
    Folder,
    Json,
    Service,
    explained,
    print_json,
    run,
    services_of,
    telling_of,
    where,
)
from deploy.local.places import DEFAULT_FOLDER
from deploy.rebuild.catalogue import CATALOGUE
from deploy.rebuild.scratch import MOST_NAMED
from deploy.rebuild.verifying import Compared, compare, snapshot_of

console = Console(soft_wrap=True, highlight=False)


def rebuild_command(
    verify: Annotated[
        bool, typer.Option("--verify", help="Make every state table anew from the logs and compare. Changes nothing.")
    ] = False,
    tables: Annotated[bool, typer.Option("--tables", help="Only list the tables, and what each is made of.")] = False,
    service: Service = None,
    as_json: Json = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Make every state table anew from the logs. Exit code 0 only if all rows are what the logs say."""
    services = services_of(service)
    if tables:
        _list(services if service else list(CATALOGUE))
        return
    if not verify:
        raise typer.BadParameter(
            "say --verify, or --tables; nothing is ever overwritten from here", param_hint="--verify"
        )
    with explained():
        found = run(_compared(where(folder).postgres_url, services, as_json))
    if as_json:
        print_json({name: _as_json(one) for name, one in found.items()})
    else:
        for name, one in found.items():
            _show(name, one)
    raise typer.Exit(0 if all(one.identical for one in found.values()) else 1)


async def _compared(postgres_url: str, services: list[str], silent: bool) -> dict[str, Compared]:
    async with snapshot_of(postgres_url) as (connection, now):
        with telling_of(silent) as telling:
            return {
                name: await compare(connection, now, name, lambda _service, done, of: telling(done, of))
                for name in services
            }


def _as_json(found: Compared) -> dict[str, Any]:
    return {
        "identical": found.identical,
        "cases": found.cases,
        "rows": found.rows,
        "different": found.different,
        "redacted": found.redacted,
        "older_form": found.older,
        "unsettled": found.unsettled,
        "unknown": found.unknown,
        "differences": [str(one) for one in found.differences],
    }


def _show(service: str, found: Compared) -> None:
    verdict = "一致 identical" if found.identical else "不一致 different"
    rows = ", ".join(f"{table} {number:,}" for table, number in found.rows.items())
    console.print(f"{service}: {verdict}, {found.cases:,} 案 cases; 重建 made anew: {rows}")
    if found.redacted:
        console.print(f"  {found.redacted:,} 案含依法删除的内容，不比较文字 compared without forgotten words")
    if found.older:
        console.print(f"  {found.older:,} 案以旧版格式保存，内容相同 the same, in an older release's form")
    if found.unsettled:
        console.print(
            f"  {found.unsettled:,} 条已结束的时限，日志未载明按哪一版本计算 ended deadlines, "
            "of which the logs do not tell by which of two versions they were reckoned"
        )
    for difference in found.differences[:MOST_NAMED]:
        console.print(f"  {difference}", style="red", markup=False)
    for unknown in found.unknown[:MOST_NAMED]:
        console.print(f"  无法重建 cannot be made: {unknown}", style="red", markup=False)


def _list(schemas: list[str]) -> None:
    table = Table("table 表", "made of 来源", "")
    for schema in schemas:
        for name, one in CATALOGUE[schema].items():
            table.add_row(f"{schema}.{name}", one.made_of.value, one.why)
    console.print(table)


def register(app: typer.Typer) -> None:
    """Add `rebuild` to the command `chuishao`."""
    app.command("rebuild")(rebuild_command)
