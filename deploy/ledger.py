"""`chuishao ledger`: the five ledgers (五类台账) and the three lists (三单), and what is not written off."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.asking import Folder, ask
from deploy.documents.words import chinese
from deploy.local.places import DEFAULT_FOLDER
from shared.contracts.vocabulary import CaseList, Ledger, Stage

console = Console()


def register(app: typer.Typer) -> None:
    """Add the command to `chuishao`."""
    app.command()(ledger)


def ledger(
    name: Annotated[Ledger | None, typer.Argument(help="one ledger's entries; the totals of all if left out")] = None,
    only_open: Annotated[bool, typer.Option("--open", help="only entries that are not written off")] = False,
    recount: Annotated[bool, typer.Option(help="count from the case log too; ends with 1 if the two differ")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100, help="how many entries")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Show the five ledgers and the three lists: entered, written off (销号) and open."""
    if name is not None:
        _entries(name, only_open, limit, as_json, folder)
        return
    found = ask("GET", "router", "/ledgers", folder, params={"recount": str(recount).lower()}, seconds=300)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _totals("台账 ledger", found["ledgers"], chinese(Ledger))
        _totals("清单 list", found["lists"], chinese(CaseList))
    if recount:
        agrees = found["agrees"]
        if not as_json:
            console.print(
                "与日志重算一致 · agrees with the case log" if agrees else "与日志重算不一致 · the case log differs:"
            )
            if not agrees:
                _totals("日志 by the log", found["by_the_log"], chinese(Ledger))
        raise typer.Exit(0 if agrees else 1)


def _totals(title: str, found: dict[str, dict[str, int]], words: dict[str, str]) -> None:
    table = Table(title, "", "登记 entered", "销号 written off", "未销号 open")
    for kind, counted in found.items():
        figures = (counted["entered"], counted["written_off"], counted["open"])
        table.add_row(words[kind], kind, *map(str, figures))
    total = [sum(counted[figure] for counted in found.values()) for figure in ("entered", "written_off", "open")]
    table.add_section()
    table.add_row("合计", "total", *map(str, total))
    console.print(table)


def _entries(name: Ledger, only_open: bool, limit: int, as_json: bool, folder: Any) -> None:
    params = {"limit": str(limit)} | ({"open": "true"} if only_open else {})
    found = ask("GET", "router", f"/ledgers/{name}", folder, params=params)["entries"]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    stages = chinese(Stage)
    table = Table("number 编号", "title 标题", "stage 环节", "units 承办单位", "opened 登记", "written off 销号")
    for entry in found:
        table.add_row(
            entry["number"],
            entry["title"][:40],
            stages[entry["stage"]],
            ", ".join(entry["units"]),
            entry["opened_at"][:16],
            "✓" if entry["written_off"] else "",
        )
    console.print(table if found else "没有条目 · no entries")
