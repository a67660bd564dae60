"""`chuishao rules`: check, explain, try on history, import, compare, look."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from deploy.asking import Folder
from deploy.importing import send, tell
from deploy.local.places import DEFAULT_FOLDER
from deploy.rules.reading import Source
from services.router.domain.routing.changes import changes
from services.router.domain.routing.check import Finding, Severity, check
from services.router.domain.routing.conditions import BELOW, SHANGHAI
from services.router.domain.routing.explanation import Explanation, explain
from services.router.domain.routing.route import Route
from services.router.domain.routing.rules import Rule
from services.router.domain.routing.what_if import Difference, Past, Tally, what_if
from shared.contracts import vocabulary as v
from shared.contracts.facts import Matter
from shared.contracts.units import UnitTree

app = typer.Typer(
    name="rules", help="The rules of dispatch: check, explain, try on history, import.", no_args_is_help=True
)
console = Console()
progress_screen = Console(stderr=True)

MOST_ROWS = 20
CASE_NAME = re.compile(r"[A-Za-z]{1,4}\d{8,}(-\d+)?|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}")

File = Annotated[Path, typer.Argument(help="rules as YAML", dir_okay=False)]
Setup = Annotated[
    Path | None,
    typer.Option(help="a set-up folder with units.yaml, rules.yaml, categories.csv; without it the running router"),
]
AsJson = Annotated[bool, typer.Option("--json", help="as JSON")]


def whole(header: str) -> Column:
    """A column that breaks long Chinese texts instead of cutting them off."""
    return Column(header, overflow="fold")


def register(to: typer.Typer) -> None:
    to.add_typer(app)


# --- check ------------------------------------------------------------------------------------------------------


@app.command("check")
def check_rules(
    file: Annotated[Path | None, typer.Argument(help="rules as YAML; those in force if left out")] = None,
    setup: Setup = None,
    every: Annotated[bool, typer.Option("--all", help="every finding, and notes too")] = False,
    as_json: AsJson = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Say what is wrong with rules: unknown units, rules never reached, conflicts, gaps. Exit code 1 with an error."""
    source = Source(folder, setup)
    tree = source.tree()
    rules = source.rules(tree, file)
    found = list(check(rules, tree, source.catalogue()))
    if as_json:
        typer.echo(json.dumps([_finding_document(one) for one in found], ensure_ascii=False, indent=2))
    else:
        _show_findings(found, every)
        counts = ", ".join(f"{sum(one.severity is severity for one in found)} {severity}s" for severity in Severity)
        console.print(f"rules {rules.version}: {len(rules.rules)} rules, {counts}", highlight=False)
    if any(one.severity is Severity.ERROR for one in found):
        raise typer.Exit(1)


def _finding_document(one: Finding) -> dict[str, Any]:
    return {
        "severity": one.severity.value,
        "doubt": one.doubt.value,
        "rule": one.rule,
        "other": one.other,
        "zh": one.zh,
        "en": one.en,
        "example": one.example.model_dump(mode="json", exclude_defaults=True) if one.example else None,
        "at": one.at.isoformat() if one.at else None,
    }


COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def _show_findings(found: Iterable[Finding], every: bool) -> None:
    table = Table("", whole("rule 规则"), whole("finding 发现"), show_lines=True)
    shown: dict[tuple[str, str], int] = {}
    left_out = 0
    for one in found:
        sort = (one.severity, one.doubt)
        shown[sort] = shown.get(sort, 0) + 1
        if not every and (one.severity is Severity.NOTE or shown[sort] > MOST_ROWS):
            left_out += 1
            continue
        severity = f"{one.severity}\n{one.doubt}"
        table.add_row(Text(severity, COLOURS[one.severity]), one.rule, Text(f"{one.zh}\n{one.en}"))
    if table.row_count:
        console.print(table)
    if left_out:
        console.print(f"… and {left_out} more; --all shows them 其余请加 --all")


# --- explain ------------------------------------------------------------------------------------------------------


@app.command("explain")
def explain_case(
    what: Annotated[str, typer.Argument(help="a case's number or id, or what somebody would write")],
    category: Annotated[str, typer.Option(help="of a text: `甲->乙`")] = "",
    region: Annotated[str, typer.Option(help="of a text: code or name of a community or street")] = "",
    source: Annotated[v.Source, typer.Option(help="of a text")] = v.Source.COMMUNITY,
    appeal_type: Annotated[v.AppealType, typer.Option(help="of a text")] = v.AppealType.HELP,
    urgency: Annotated[v.Urgency, typer.Option(help="of a text")] = v.Urgency.NORMAL,
    respondent: Annotated[str | None, typer.Option(help="of a text: who it is about")] = None,
    self_handled: Annotated[bool, typer.Option(help="of a text: the community can handle it itself")] = False,
    confidential: Annotated[bool, typer.Option(help="of a text")] = False,
    at: Annotated[datetime | None, typer.Option(help="of a text: the local time; now if left out")] = None,
    file: Annotated[Path | None, typer.Option(help="rules as YAML; those in force if left out")] = None,
    every: Annotated[bool, typer.Option("--all", help="every rule that was looked at")] = False,
    setup: Setup = None,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Say which rules were looked at for a case or a text, why they did not hold, and which one decided."""
    origin = Source(folder, setup)
    tree = origin.tree()
    rules = origin.rules(tree, file)
    if CASE_NAME.fullmatch(what):
        past = origin.case(what)
    else:
        now = at.replace(tzinfo=SHANGHAI) if at else datetime.now(UTC)
        place = _region(region, tree)
        about = Matter(
            number="TEXT",
            source=source,
            appeal_type=appeal_type,
            urgency=urgency,
            category=tuple(part.strip() for part in category.split(BELOW) if part.strip()),
            title=what,
            content="",
            region=place,
            whistle_blower=place,
            received_at=now,
            respondent=respondent,
            confidential=confidential,
        )
        past = Past(case_id=UUID(int=0), matter=about, self_handled=self_handled, at=now)
    _show_explanation(explain(past.matter, past.self_handled, rules, tree, past.at, every), past, tree)


def _region(named: str, tree: UnitTree) -> str:
    if not named:
        return next((unit for unit in tree if unit.kind is v.UnitKind.COMMUNITY), tree.hub).code
    unit = tree.named(named)
    if unit is None:
        typer.echo(f"chuishao: no unit has the code or name {named} 没有这个单位", err=True)
        raise typer.Exit(1)
    return unit.code


def _show_explanation(found: Explanation, past: Past, tree: UnitTree) -> None:
    matter = past.matter
    about = [
        matter.title,
        BELOW.join(matter.category) or "—",
        f"{matter.region} {tree.name_of(matter.region)}",
        f"{past.at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}",
    ]
    console.print(Text(" · ".join(about)))
    if found.steps:
        table = Table(whole("rule 规则"), "", whole("why not 为何不符"), show_lines=True)
        for step in found.steps:
            why = "\n".join(f"{one.field}: {one.expected} ≠ {one.found[:60]}" for one in step.obstacles)
            sign = "✓" if step.decides else "—"
            if not step.obstacles and not step.decides:
                why = "it holds, but its unit is not there for this region 条件符合，但本区域没有该单位"
            table.add_row(step.rule.id, sign, Text(why or step.rule.because.zh))
        console.print(table)
    if found.left_out:
        console.print(f"{found.left_out} more rules name neither its category nor its words; --all shows them")
    _show_route(found.route, tree)


def _show_route(found: Route, tree: UnitTree) -> None:
    units = [f"{code} {tree.name_of(code)}" for code in found.units] or [f"{tree.hub.code} {tree.hub.name}"]
    table = Table("", whole(""), show_header=False)
    rows: Mapping[str, str] = {
        "rule 规则": f"{found.reason.rule} ({found.reason.version})",
        "level 级别": found.level.value,
        "lead 牵头": units[0],
        "co-handlers 协办": "\n".join([*units[1:], *(f"{code} {tree.name_of(code)}" for code in found.co_handlers)]),
        "list 清单": found.case_list.value if found.case_list else "",
        "ledger 台账": found.ledger.value,
        "urgency 紧急程度": found.urgency.value,
        "reason 理由": f"{found.reason.zh}\n{found.reason.en}",
        "basis 依据": found.reason.basis,
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(value))
    console.print(table)


# --- what if ------------------------------------------------------------------------------------------------------


@app.command("what-if")
def what_would(
    rules: Annotated[Path, typer.Option(help="the new rules as YAML", dir_okay=False)],
    since: Annotated[datetime | None, typer.Option(help="only cases accepted then or later, local time")] = None,
    limit: Annotated[int | None, typer.Option(help="at most so many cases", min=1)] = None,
    as_json: AsJson = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Send history through rules that are not in force yet and show what would have gone elsewhere."""
    source = Source(folder)
    tree = source.tree()
    old, new = source.rules(tree), source.rules(tree, rules)
    history = source.history(since.replace(tzinfo=SHANGHAI).isoformat() if since else None, limit)
    with Progress(
        TextColumn("replaying 重放"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=progress_screen
    ) as screen:
        found = what_if(screen.track(history, total=history.total), old, new, tree)
    if as_json:
        typer.echo(json.dumps(_difference_document(found, old.version, new.version), ensure_ascii=False, indent=2))
        return
    console.print(f"rules {old.version} → {new.version}: {found.cases} cases, {found.unchanged} unchanged 不变")
    _show_moves("lead 牵头单位", found.moved, tree.name_of)
    _show_moves("rule 规则", found.by_rule, str)
    if found.otherwise:
        table = Table("what else changes 其他变化", "cases 件数", "for example 例如")
        for name, tally in sorted(found.otherwise.items(), key=lambda entry: -entry[1].cases):
            table.add_row(name, str(tally.cases), " ".join(tally.examples))
        console.print(table)


def _show_moves(what: str, moves: Mapping[tuple[str, str], Tally], name: Any) -> None:
    if not moves:
        return
    table = Table(*map(whole, (f"{what}: from 原", "to 现", "cases 件数", "for example 例如")))
    for (before, after), tally in sorted(moves.items(), key=lambda entry: -entry[1].cases):
        table.add_row(name(before), name(after), str(tally.cases), " ".join(tally.examples))
    console.print(table)


def _difference_document(found: Difference, old: str, new: str) -> dict[str, Any]:
    def rows(moves: Mapping[tuple[str, str], Tally]) -> list[dict[str, Any]]:
        return [
            {"from": before, "to": after, "cases": tally.cases, "examples": tally.examples}
            for (before, after), tally in moves.items()
        ]

    return {
        "from": old,
        "to": new,
        "cases": found.cases,
        "unchanged": found.unchanged,
        "moved": rows(found.moved),
        "by_rule": rows(found.by_rule),
        "otherwise": {
            name: {"cases": tally.cases, "examples": tally.examples} for name, tally in found.otherwise.items()
        },
    }


# --- import, compare, look ----------------------------------------------------------------------------------------


@app.command("import")
def import_rules(
    file: File,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would change, and change nothing")] = False,
    note: Annotated[str, typer.Option(help="why; kept with the version")] = "",
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Put a file of rules in force, all of it or nothing; cases from now on are decided by it."""
    answer = send("rules", file, folder, dry_run, note)
    for what in ("added", "removed", "changed"):
        if answer["difference"][what]:
            typer.echo(f"{what}: {', '.join(answer['difference'][what])}")
    if answer["difference"]["reordered"]:
        typer.echo("the order is another 顺序有变")
    tell(answer)


@app.command("diff")
def diff(file: File, setup: Setup = None, as_json: AsJson = False, folder: Folder = DEFAULT_FOLDER) -> None:
    """Show how a file's rules differ from those in force."""
    source = Source(folder, setup)
    tree = source.tree()
    found = changes(source.rules(tree), source.rules(tree, file))
    rows = [
        *(("added 新增", one, "") for one in found.added),
        *(("removed 删除", one, "") for one in found.removed),
        *(("changed 修改", one.id, ", ".join(one.fields)) for one in found.changed),
        *(("moved 调整顺序", one, "") for one in found.moved),
    ]
    if as_json:
        typer.echo(json.dumps([{"what": what.split()[0], "rule": id_, "fields": of} for what, id_, of in rows]))
        return
    if not rows:
        console.print("Nothing is different. 没有差异")
        return
    table = Table("what 变化", "rule 规则", "fields 字段", title=f"rules {found.before} → {found.after}")
    for row in rows:
        table.add_row(*row)
    console.print(table)


@app.command("show")
def show(
    rule: Annotated[str | None, typer.Argument(help="a rule's id; all of them if left out")] = None,
    setup: Setup = None,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Show the rules in order, or one of them whole."""
    source = Source(folder, setup)
    tree = source.tree()
    rules = source.rules(tree)
    if rule is None:
        table = Table("", *map(whole, ("rule 规则", "when 条件", "to whom 派往")), title=f"rules {rules.version}")
        for place, one in enumerate(rules.rules, start=1):
            table.add_row(str(place), one.id, Text(_conditions(one)), Text(_outcome(one, tree)))
        console.print(table)
        return
    found = rules.by_id.get(rule)
    if found is None:
        typer.echo(f"chuishao: there is no rule {rule} 没有这条规则", err=True)
        raise typer.Exit(1)
    document = found.model_dump(mode="json", exclude_defaults=True)
    typer.echo(yaml.safe_dump(document, allow_unicode=True, sort_keys=False).rstrip())


def _conditions(rule: Rule) -> str:
    asked = rule.when.model_dump(mode="json", exclude_defaults=True)
    return "; ".join(f"{name}: {_listed(value)}" for name, value in asked.items()) or "—"


def _outcome(rule: Rule, tree: UnitTree) -> str:
    then = rule.then
    units = [tree.name_of(code) for code in then.units] or [then.capability or then.level.value]
    others = [code if code not in tree else tree.name_of(code) for code in then.co_handlers]
    raised = [f"↑ {then.urgency}"] if then.urgency else []
    entered = [str(one) for one in (then.list, then.ledger) if one]
    return " · ".join(["、".join(units), *(f"+ {one}" for one in others), *entered, *raised])


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
