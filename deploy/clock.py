"""`chuishao clock`: a case's account of time: what each unit was granted, used and has left, and why."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from deploy.asking import Folder, ask
from deploy.documents.words import chinese
from deploy.local.places import DEFAULT_FOLDER
from services.sla.domain.calendar import SHANGHAI
from services.sla.domain.changes import What
from services.sla.domain.deadline import State
from shared.contracts.vocabulary import Obligation

COLOURS = {State.OVERDUE: "red", State.PAUSED: "yellow", State.MET: "green", State.CANCELLED: "dim"}
_LENGTH: TypeAdapter[timedelta] = TypeAdapter(timedelta)

console = Console()


def register(app: typer.Typer) -> None:
    """Add the command to `chuishao`."""
    app.command()(clock)


def clock(
    case: Annotated[str, typer.Argument(help="its number, or its id (the only name of one that is not accepted yet)")],
    as_json: Annotated[bool, typer.Option("--json", help="as JSON; lengths in the limit's own time")] = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Print a case's account of time (计时账目): granted, used, paused, left, by unit; then all that changed it."""
    found = ask("GET", "sla", f"/cases/{_id_of(case, folder)}/clock", folder)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    if not found["accounts"]:
        console.print(f"{case}: 没有计时记录 · nothing was ever owed in it", markup=False)
        raise typer.Exit(1)
    console.print(_accounts(found))
    console.print(_changes(found))


def _id_of(case: str, folder: Any) -> str:
    """The router knows by which number people call a case."""
    try:
        return str(UUID(case))
    except ValueError:
        return str(ask("GET", "router", f"/rules/history/{case}", folder)["case_id"])


def _accounts(found: Mapping[str, Any]) -> Table:
    table = Table(
        Column("unit 单位", overflow="fold"),
        Column("obligation 事项", overflow="fold"),
        "round 轮次",
        Column("limit 限时", overflow="fold"),
        *(Column(name, justify="right") for name in ("granted 给予", "used 已用", "paused 暂停", "left 剩余")),
        "due 截止",
        "state 状态",
        title="计时账目 account of time",
        show_lines=True,
    )
    obligations, states = chinese(Obligation), chinese(State)
    for one in found["accounts"]:
        working = "working" in (one["limit"] or "")
        state = State(one["state"])
        lengths = [_length(one[name], working) for name in ("granted", "used", "paused", "left")]
        due = _local(one["due_at"]) + ("\n暂定 provisional" if one["provisional"] else "")
        table.add_row(
            _unit(one["unit"], found),
            f"{obligations[one['obligation']]} {one['obligation']}",
            str(one["round"]),
            Text(_basis(one)),
            *lengths,
            "" if state is State.PAUSED else due,
            Text(f"{states[state]} {state}" + _overdue(one), style=COLOURS.get(state, "")),
        )
    return table


def _changes(found: Mapping[str, Any]) -> Table:
    table = Table(
        "when 时间",
        Column("unit 单位", overflow="fold"),
        "obligation 事项",
        Column("what 变更", overflow="fold"),
        "due 截止",
        Column("by 依据", overflow="fold"),
        title="变更 changes",
    )
    obligations, kinds = chinese(Obligation), chinese(What)
    for one in found["changes"]:
        rung = f" {one['rung']}" if one["rung"] else ""
        table.add_row(
            _local(one["at"]),
            _unit(one["unit"], found),
            f"{obligations[one['obligation']]} #{one['generation']}",
            Text(f"{kinds[one['what']]} {one['what']}{rung}"),
            _due(one),
            Text(_by(one)),
        )
    return table


def _unit(code: str, found: Mapping[str, Any]) -> Text:
    return Text(f"{found['units'].get(code, '')} {code}".strip())


def _basis(one: Mapping[str, Any]) -> str:
    """What is granted as it is written, and by what."""
    versions = [f"policy {one['policy_version']}"]
    if one["calendar_version"]:
        versions.append(f"calendar {one['calendar_version']}")
    return "\n".join(filter(None, (one["limit"] or "定日 by date", one["basis"], " · ".join(versions))))


def _overdue(one: Mapping[str, Any]) -> str:
    return f"\n超期 overdue {_local(one['overdue_at'])}" if one["overdue_at"] else ""


def _due(one: Mapping[str, Any]) -> str:
    if one["due_at"] is not None:
        return _local(one["due_at"])
    return f"剩余 left {_length(one['left'], 'working' in (one['granted'] or ''))}" if one["left"] is not None else ""


def _by(one: Mapping[str, Any]) -> str:
    actor = one["actor"] or {}
    who = " ".join(filter(None, (actor.get("unit"), actor.get("person"))))
    granted = " ".join(filter(None, (one["granted"], one["basis"]))) if one["what"] in ("given", "reckoned") else ""
    return " · ".join(filter(None, (one["by"], granted, who, one["note"])))


def _local(at: str | None) -> str:
    return datetime.fromisoformat(at).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S") if at else ""


def _length(written: object, working: bool) -> str:
    """`2 d 03:20`; working time in hours alone, as a day of duty has none of 24."""
    length = _LENGTH.validate_python(written)
    minutes, seconds = divmod(round(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    clock_time = f":{seconds:02}" if seconds else ""
    if working:
        return f"{hours}:{minutes:02}{clock_time} 工时"
    days, hours = divmod(hours, 24)
    return (f"{days} d " if days else "") + f"{hours:02}:{minutes:02}{clock_time}"
