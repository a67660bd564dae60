"""`chuishao policy`: check, import, compare, look, explain."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from deploy.asking import Folder, show_faults
from deploy.importing import send, tell
from deploy.local.places import DEFAULT_FOLDER
from deploy.policy.checking import limits_doubts, policy_doubts
from deploy.policy.explaining import Explanation, category_of, explain
from deploy.policy.reading import Source, read_file, read_limits
from deploy.rules.reading import SHIPPED, rows
from services.sla.domain.calendar import SHANGHAI
from services.sla.domain.policy import SET_BY_DATE, Concern, Policy, Rung, said
from services.sla.policy_import import CATEGORY_LIMITS, POLICY
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import Level, Obligation, Urgency

app = typer.Typer(
    name="policy", help="How long everything may take: check, import, compare, look, explain.", no_args_is_help=True
)
console = Console()

File = Annotated[Path, typer.Argument(help="a policy as YAML, or the catalogue's limits as CSV", dir_okay=False)]
Setup = Annotated[
    Path | None,
    typer.Option(help="a set-up folder with policy.yaml, category_limits.csv, …; without it the running services"),
]
AsJson = Annotated[bool, typer.Option("--json", help="as JSON")]


def register(to: typer.Typer) -> None:
    to.add_typer(app)


def whole(header: str) -> Column:
    """A column that breaks long Chinese texts instead of cutting them off."""
    return Column(header, overflow="fold")


def _is_csv(file: Path) -> bool:
    return file.suffix == ".csv"


# --- check, import ----------------------------------------------------------------------------------------------


@app.command("check")
def check(file: File, setup: Setup = None, folder: Folder = DEFAULT_FOLDER) -> None:
    """Say what is wrong with a file and what is worth a second look. Exit code 1 with an error."""
    # It is held against what lies beside it, else against what is shipped.
    beside = file.resolve().parent
    source = Source(folder, setup or (beside if (beside / "categories.csv").exists() else SHIPPED))
    if _is_csv(file):
        limits = read_limits(file)
        found = list(limits_doubts(limits, source.catalogue(), file.name))
        what = f"{len(limits.entries)} limits of {len({one.code for one in limits.entries})} subclasses"
    else:
        read = read_file(file)
        found = list(policy_doubts(read, source.catalogue(), source.category_limits()))
        what = f"policy {read.policy.version}: {len(read.policy.exceptions)} exceptions"
    if found:
        show_faults(rows(found), "worth a second look 请核对")
    said_of_it = f"{what}: no error, {len(found)} worth a second look 无错误，{len(found)} 处请核对"
    console.print(said_of_it, highlight=False, soft_wrap=True)


@app.command("import")
def import_file(
    file: File,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would change, and change nothing")] = False,
    note: Annotated[str, typer.Option(help="why; kept with the version")] = "",
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Put a file in force, all of it or nothing; it applies to what begins from now on."""
    kind = CATEGORY_LIMITS if _is_csv(file) else POLICY
    answer = send(kind.name, file, folder, dry_run, note, service="sla")
    for what in ("added", "removed", "changed"):
        for name in answer["difference"][what]:
            typer.echo(f"{what}: {name}")
    tell(answer)


# --- compare, look ----------------------------------------------------------------------------------------------


@app.command("diff")
def diff(file: File, setup: Setup = None, as_json: AsJson = False, folder: Folder = DEFAULT_FOLDER) -> None:
    """Show how a file differs from what is in force."""
    source = Source(folder, setup)
    if _is_csv(file):
        old_limits, new_limits = source.category_limits(), read_limits(file)
        before, after = ({one.name: str(one.limit) for one in each.entries} for each in (old_limits, new_limits))
        title = "category limits"
    else:
        old, new = source.policy(), read_file(file).policy
        before, after = said(old), said(new)
        title = f"policy {old.version} → {new.version}"
    changes = [
        {"what": name, "before": before.get(name), "after": after.get(name)}
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]
    if as_json:
        typer.echo(json.dumps(changes, ensure_ascii=False, indent=2))
        return
    if not changes:
        console.print("Nothing is different. 没有差异")
        return
    table = Table(*map(whole, ("what 项目", "before 原", "after 现")), title=title)
    for change in changes:
        table.add_row(*(Text(change[cell] or "—") for cell in ("what", "before", "after")))
    console.print(table)


@app.command("show")
def show(
    at: Annotated[str | None, typer.Option(help="an earlier version; the one in force if left out")] = None,
    setup: Setup = None,
    as_json: AsJson = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Show a policy: its limits, exceptions, warnings and ladder."""
    policy = Source(folder, setup).policy(at)
    document = policy.model_dump(mode="json", exclude_defaults=True)
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    title = f"policy {policy.version}" + (" REHEARSAL 演练" if policy.rehearsal else "")
    table = Table(*map(whole, ("obligation 事项", *Urgency)), title=title)
    for obligation in Obligation:
        if obligation not in SET_BY_DATE:
            limits = (str(policy.general(obligation, urgency).limit) for urgency in Urgency)
            table.add_row(obligation, *limits)
    console.print(table)
    if policy.exceptions:
        table = Table(*map(whole, ("exception 例外", "limit 限时", "because 原因", "basis 依据")))
        for row in policy.exceptions:
            table.add_row(
                *map(Text, (row.name, str(row.limit), f"{row.because.zh}\n{row.because.en}", row.basis or ""))
            )
        console.print(table)
    table = Table(*map(whole, ("obligation 事项", "urgency 紧急程度", "yellow 黄灯", "ladder 督办阶梯")))
    for obligation in Obligation:
        for urgencies, (warns_at, rungs) in _alike(policy, obligation).items():
            table.add_row(obligation, urgencies, "—" if warns_at is None else f"{warns_at:.0%}", _rungs(rungs))
    console.print(table)
    console.print(f"rework 返工: {policy.rework_factor:g} of the limit")
    notices = {"notices": policy.notices.model_dump(mode="json")}
    typer.echo(yaml.safe_dump(notices, allow_unicode=True, sort_keys=False).rstrip())


def _alike(policy: Policy, obligation: Obligation) -> dict[str, tuple[float | None, tuple[Rung, ...]]]:
    """Warning and rungs by the urgencies that share them; "" = all of them."""
    found: dict[tuple[float | None, tuple[Rung, ...]], list[str]] = {}
    for urgency in Urgency:
        same = (policy.warns_at(obligation, urgency), policy.rungs(obligation, urgency))
        found.setdefault(same, []).append(urgency)
    return {"" if len(found) == 1 else ", ".join(urgencies): same for same, urgencies in found.items()}


def _rungs(rungs: Sequence[Rung]) -> str:
    return "\n".join(
        f"{number}. +{rung.after}: {', '.join(rung.tell)}" + (f" → {', '.join(rung.then)}" if rung.then else "")
        for number, rung in enumerate(rungs, start=1)
    )


# --- explain ----------------------------------------------------------------------------------------------------


@app.command("explain")
def explain_limit(
    obligation: Annotated[Obligation, typer.Option(help="what is owed")] = Obligation.HANDLE,
    urgency: Annotated[Urgency, typer.Option(help="of the case")] = Urgency.NORMAL,
    category: Annotated[str, typer.Option(help="of the case: `甲->乙`")] = "",
    level: Annotated[Level | None, typer.Option(help="on which it is handled")] = None,
    at: Annotated[datetime | None, typer.Option(help="when it starts, local time; now if left out")] = None,
    unit: Annotated[str, typer.Option(help="who owes it, code or name; the hub if left out")] = "",
    version: Annotated[str | None, typer.Option(help="an earlier policy; the one in force if left out")] = None,
    file: Annotated[Path | None, typer.Option(help="a policy as YAML that is not in force yet")] = None,
    setup: Setup = None,
    as_json: AsJson = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Say which row gives the limit and why the others do not, when it is due, and who is told when."""
    if obligation in SET_BY_DATE:
        raise typer.BadParameter(f"the date of {obligation} is set case by case 其日期由个案确定，没有限时")
    source = Source(folder, setup)
    policy = read_file(file).policy if file is not None else source.policy(version)
    rules = source.rules(policy)
    owing = rules.units.hub if not unit else rules.units.get(unit) or rules.units.named(unit)
    if owing is None:
        typer.echo(f"chuishao: no unit has the code or name {unit} 没有这个单位", err=True)
        raise typer.Exit(1)
    start = at.replace(tzinfo=SHANGHAI).astimezone(UTC) if at else datetime.now(UTC)
    concern = Concern(urgency, category_of(category), level)
    found = explain(obligation, concern, owing.code, start, rules)
    if as_json:
        typer.echo(json.dumps(_document(found), ensure_ascii=False, indent=2))
    else:
        _show(found, policy, rules.units)


def _show(found: Explanation, policy: Policy, units: UnitTree) -> None:
    table = Table(*map(whole, ("row 条目", "", "limit 限时", "why not 为何不用")), title=f"policy {policy.version}")
    for row in found.rows:
        why = "\n".join(row.obstacles) or ("" if row.decides else "a more specific row applies 有更具体的条目")
        table.add_row(*map(Text, (row.name, "✓" if row.decides else "—", str(row.granted.limit), why)))
    console.print(table)
    if found.left_out:
        console.print(f"{found.left_out} more exceptions are about other categories 其余例外属于其他类别")
    table = Table(*map(whole, ("basis 依据", "limit 限时", "due 到期", "")))
    for granted, due in found.granted:
        stricter = "stricter 更严，适用" if granted.basis == found.deadline.basis and len(found.granted) > 1 else ""
        table.add_row(*map(Text, (granted.basis, str(granted.limit), _local(due), stricter)))
    console.print(table)
    table = Table(*map(whole, ("at 时间", "step 步骤", "told 告知", "then 另")))
    for step in found.steps:
        rung = getattr(step.stated, "rung", None)
        name = step.stated.NAME.split(".")[1] + (f" {rung}" if rung else "")
        told = "\n".join(f"{one} {units.name_of(one.split()[0])}" for one in step.told)
        table.add_row(*map(Text, (_local(step.at), name, told, ", ".join(getattr(step.stated, "changes", ())))))
    console.print(table)
    if found.deadline.provisional:
        console.print("provisional: the year's holidays are not published yet 暂定：该年节假日安排尚未公布")


def _local(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}".removesuffix(":00")


def _document(found: Explanation) -> dict[str, Any]:
    return {
        "rows": [
            {
                "row": row.name,
                "limit": str(row.granted.limit),
                "basis": row.granted.basis,
                "decides": row.decides,
                "obstacles": row.obstacles,
            }
            for row in found.rows
        ],
        "left_out": found.left_out,
        "granted": [
            {"limit": str(granted.limit), "basis": granted.basis, "due_at": due.isoformat()}
            for granted, due in found.granted
        ],
        "basis": found.deadline.basis,
        "due_at": found.deadline.due_at.isoformat(),
        "provisional": found.deadline.provisional,
        "steps": [
            {
                "at": step.at.isoformat(),
                "type": step.stated.NAME,
                "rung": getattr(step.stated, "rung", None),
                "told": step.told,
                "changes": list(getattr(step.stated, "changes", ())),
            }
            for step in found.steps
        ],
    }
