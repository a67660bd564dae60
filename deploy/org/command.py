"""`chuishao org`: import a version of the units, compare two, show one. `chuishao procedures`: import those."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from deploy.asking import Folder, ask
from deploy.importing import send, tell
from deploy.local.places import DEFAULT_FOLDER
from shared.contracts import units_json
from shared.contracts.units import Unit, UnitTree
from shared.contracts.units_difference import Change, Difference, HandOver, Named, difference

org = typer.Typer(name="org", help="The district's units: import, compare, look.", no_args_is_help=True)
procedures = typer.Typer(name="procedures", help="Who may do what to a case: import.", no_args_is_help=True)
console = Console()

MOST_ROWS = 20

UnitsFile = Annotated[Path, typer.Argument(help="units as YAML or (.csv) CSV", dir_okay=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would change, and change nothing")]
Note = Annotated[str, typer.Option(help="why; kept with the version")]
AsJson = Annotated[bool, typer.Option("--json", help="as JSON")]


def register(app: typer.Typer) -> None:
    app.add_typer(org)
    app.add_typer(procedures)


# --- org ------------------------------------------------------------------------------------------------------


@org.command("import")
def import_units(
    file: UnitsFile, dry_run: DryRun = False, note: Note = "", as_json: AsJson = False, folder: Folder = DEFAULT_FOLDER
) -> None:
    """Put a file of units in force, all of it or nothing; running cases go on with the successors."""
    _show_answer(send("units", file, folder, dry_run, note), as_json)


@org.command("diff")
def diff(
    first: Annotated[str, typer.Argument(help="a file, or the number of a version")],
    second: Annotated[int | None, typer.Argument(help="a later version; the one in force if left out")] = None,
    as_json: AsJson = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Show what a file would change in what is in force, or what changed from one version to another."""
    if not first.isdigit():
        _show_answer(send("units", Path(first), folder, dry_run=True), as_json)
        return
    found = difference(_tree(int(first), folder), _tree(second, folder))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        show_difference(found)


@org.command("show")
def show(
    code: Annotated[str | None, typer.Argument(help="code or name of a unit; all of them if left out")] = None,
    tree: Annotated[bool, typer.Option("--tree", help="as a tree")] = False,
    version: Annotated[int | None, typer.Option(help="the number of a version; the one in force if left out")] = None,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Show a unit, how many there are of each kind, or the whole tree."""
    units = _tree(version, folder)
    if code is None and not tree:
        _show_counts(units, folder)
        return
    unit = units.hub if code is None else units.get(code) or units.named(code) or units.retired.get(code)
    if unit is None:
        typer.echo(f"chuishao: no unit has the code or name {code} 没有这个单位", err=True)
        raise typer.Exit(1)
    console.print(_branch(unit, units) if tree else _described(unit, units))


@procedures.command("import")
def import_procedures(
    file: Annotated[Path, typer.Argument(help="procedures as YAML", dir_okay=False)],
    dry_run: DryRun = False,
    note: Note = "",
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Put a file of procedures in force, all of it or nothing."""
    answer = send("procedures", file, folder, dry_run, note)
    for what in ("added", "removed", "changed"):
        if answer["difference"][what]:
            typer.echo(f"{what}: {', '.join(answer['difference'][what])}")
    tell(answer)


# --- what is asked ----------------------------------------------------------------------------------------------


def _tree(version: int | None, folder: Path) -> UnitTree:
    if version is None:
        return units_json.from_json(orjson.dumps(ask("GET", "router", "/district/units", folder)))
    found = ask("GET", "router", f"/district/units/versions/{version}", folder)
    return units_json.from_json(orjson.dumps(found["content"]))


# --- what is shown ----------------------------------------------------------------------------------------------


def _show_answer(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    show_difference(Difference.model_validate(answer["difference"]))
    moving: dict[str, int] = answer["open_assignments"]
    if moving:
        each = ", ".join(f"{unit} {count}" for unit, count in moving.items())
        typer.echo(f"open assignments that move 将随之移交的在办件: {sum(moving.values())} ({each})")
    tell(answer)


def show_difference(found: Difference) -> None:
    """One row for each thing that is another; the first twenty of each sort."""
    if not found:
        console.print("Nothing is different. 没有差异")
        return
    table = Table("what 变化", "unit 单位", "before 原", "after 现")
    rows = [
        *(("handed over 接替", *_hand_over(one)) for one in found.handed_over[:MOST_ROWS]),
        *(("renamed 更名", one.code, one.before, one.after) for one in found.renamed[:MOST_ROWS]),
        *(("moved 调整隶属", _label(one), one.before, one.after) for one in found.moved[:MOST_ROWS]),
        *(("capabilities 职能", _label(one), one.before, one.after) for one in found.capabilities[:MOST_ROWS]),
        *((f"changed {one.field}", _label(one), one.before, one.after) for one in found.changed[:MOST_ROWS]),
        *(("added 新增", one.code, "", one.name) for one in found.added[:MOST_ROWS]),
        *(("retired 撤销", one.code, one.name, "") for one in found.retired[:MOST_ROWS]),
    ]
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
    shown, whole = len(rows), sum(len(sort) for _, sort in found)
    if whole > shown:
        console.print(f"… and {whole - shown} more; --json shows all of them")


def _label(one: Change | Named) -> str:
    return f"{one.code} {one.name}"


def _hand_over(one: HandOver) -> tuple[str, str, str]:
    gone, to = ("\n".join(map(_label, units)) for units in (one.gone, one.to))
    sort = "merged 合并" if len(one.gone) > 1 else "split 拆分" if len(one.to) > 1 else ""
    return sort, gone, to


def _show_counts(units: UnitTree, folder: Path) -> None:
    versions = ask("GET", "router", "/district/units/versions", folder)["versions"]
    table = Table("kind 类别", "units 单位数", title=f"units {units.version}")
    for kind, count in Counter(unit.kind for unit in units).items():
        table.add_row(kind.value, str(count))
    table.add_row("all 合计", str(len(units)), end_section=True)
    table.add_row("gone 已撤销", str(len(units.retired)))
    console.print(table)
    history = Table("version", "label", "imported 导入时间", "by 导入人", "note 说明", "in force 生效")
    for one in versions:
        cells = (one["number"], one["label"], one["imported_at"], one["imported_by"], one["note"])
        history.add_row(*(Text(str(cell)) for cell in cells), "✓" if one["in_force"] else "")
    console.print(history)


def _described(unit: Unit, units: UnitTree) -> Table:
    table = Table("field 字段", "value", show_header=False)
    gone = unit.code not in units
    supervisor = units.supervisor(unit.code)
    below = [one.code for one in units if one.parent == unit.code]
    heirs = units.successors.get(unit.code, ())
    rows = {
        "code 代码": unit.code,
        "name 名称": " / ".join(filter(None, (unit.name, unit.name_en, *unit.aliases))),
        "kind 类别": unit.kind.value,
        "above 隶属": " → ".join(f"{one.code} {one.name}" for one in units.ancestors(unit.code)),
        "supervisor 上级": "" if gone else f"{supervisor.code} {supervisor.name}",
        "deputies 代办单位": _named(unit.deputies, units),
        "capabilities 职能": "、".join(unit.capabilities),
        "succeeds 接替": _named(unit.succeeds, units),
        "credit code 统一社会信用代码": unit.credit_code or "",
        "below 下级": f"{len(below)}" if below else "",
        "gone; taken over by 已撤销，接替单位": _named(heirs, units) if gone else "",
    }
    for field, value in rows.items():
        if value:
            table.add_row(field, Text(value))
    return table


def _named(codes: tuple[str, ...], units: UnitTree) -> str:
    return "、".join(f"{code} {units.name_of(code)}" for code in codes)


def _branch(top: Unit, units: UnitTree) -> Tree:
    """A unit and all below it; below the hub, also those that have no parent."""
    below: dict[str, list[Unit]] = {}
    for unit in units:
        if unit is not units.hub:
            below.setdefault(unit.parent or units.hub.code, []).append(unit)
    root = Tree(_leaf(top))
    waiting = [(root, top)]
    while waiting:
        branch, unit = waiting.pop()
        waiting.extend((branch.add(_leaf(one)), one) for one in below.get(unit.code, ()))
    return root


def _leaf(unit: Unit) -> Text:
    return Text(f"{unit.code} {unit.name}", style="bold" if unit.capabilities else "")
