"""`chuishao calendar`: load days and calendars, show a year, add to a date, count between two."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console

from deploy.asking import Folder
from deploy.calendar import library
from deploy.calendar.counting import Count, NotCountable, Start, between, counted
from deploy.calendar.months import drawn
from deploy.importing import FORMATS, send, send_content, tell
from deploy.local.places import DEFAULT_FOLDER, Places
from deploy.policy.reading import Source
from deploy.rules.reading import SHIPPED
from services.sla.domain.calendar import SHANGHAI, WorkingCalendar
from services.sla.domain.calendars import STATE, Edition
from shared.contracts.units import UnitTree

T = TypeVar("T")

app = typer.Typer(
    name="calendar", help="Working days and hours of duty: load, show, add, count between.", no_args_is_help=True
)
console = Console()

DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would change, and change nothing")]
Note = Annotated[str, typer.Option(help="why; kept with the version")]
Unit = Annotated[str | None, typer.Option(help="by the calendar of this unit (code or name)")]
Named = Annotated[str | None, typer.Option("--calendar", help="by the calendar of this name")]
Setup = Annotated[
    Path | None, typer.Option(help="a set-up folder with calendar.yaml and units.yaml; without it the running services")
]


def register(to: typer.Typer) -> None:
    to.add_typer(app)


# --- load ---------------------------------------------------------------------------------------------------------


@app.command("load")
def load(
    files: Annotated[list[str] | None, typer.Argument(help="calendar.yaml; days as .csv or .ics; or years")] = None,
    into: Annotated[str, typer.Option(help="the calendar whose own days a .csv or .ics has; else holidays")] = "",
    chinesecalendar: Annotated[
        bool, typer.Option("--chinesecalendar", help="the days the installed chinesecalendar has; of these years only")
    ] = False,
    dry_run: DryRun = False,
    note: Note = "",
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Put calendars, a year's holidays or a calendar's local days in force. Running deadlines keep their version."""
    if chinesecalendar:
        content = library.as_csv(_years(files or [])).encode()
        _told(send_content("calendar", library.FILE, content, folder, dry_run, note, service="sla", into=into))
    elif not files:
        _end("请给出文件，或用 --chinesecalendar。 Name a file, or say --chinesecalendar.")
    else:
        for file in map(Path, files):
            if file.suffix not in (*FORMATS, ".yaml", ".yml"):
                _end(f"{file}：应为 .yaml、.csv 或 .ics 文件。 {file}: a .yaml, .csv or .ics file is read.")
            _told(send("calendar", file, folder, dry_run, note, service="sla", into=into))


def _years(written: list[str]) -> frozenset[int]:
    first, last = min(library.YEARS), max(library.YEARS)
    for one in written:
        if not one.isdigit() or int(one) not in library.YEARS:
            _end(f"没有 {one} 年；{library.FILE} 有 {first}–{last} 年。 {one}: there are {first} to {last}.")
    return frozenset(map(int, written)) or library.YEARS


def _told(answer: dict[str, Any]) -> None:
    for what in ("added", "removed", "changed"):
        if answer["difference"][what]:
            typer.echo(f"{what}: {', '.join(answer['difference'][what])}")
    tell(answer)


# --- look and count -----------------------------------------------------------------------------------------------


@app.command("show")
def show(
    year: Annotated[int | None, typer.Argument(min=1901, max=2498, help="this year if left out")] = None,
    unit: Unit = None,
    calendar: Named = None,
    setup: Setup = None,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Draw a year: days off, days worked instead, local closures, hours of duty, and whether it is published."""
    chosen = _chosen(folder, setup, unit, calendar)
    console.print(drawn(chosen.edition, chosen.name, year or datetime.now(SHANGHAI).year))


@app.command("add", context_settings={"ignore_unknown_options": True})
def add(
    start: Annotated[str, typer.Argument(help="2026-09-18, or 2026-09-18T16:00 by the clock on the wall")],
    amount: Annotated[str, typer.Argument(help="5wd, 4wh, 7cd (自然日), 7d, 24h, 30min; -5wd goes back")],
    unit: Unit = None,
    calendar: Named = None,
    setup: Setup = None,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Print the date, or the time, by which so much has passed."""
    found = _counted(folder, setup, unit, calendar, lambda by: counted(Start.parse(start), Count.parse(amount), by))
    typer.echo(f"{found}{_mark(found.final)}")


@app.command("between")
def count_between(
    start: Annotated[str, typer.Argument(help="a day, itself not counted, or a time")],
    end: Annotated[str, typer.Argument(help="a day, counted, or a time")],
    unit: Unit = None,
    calendar: Named = None,
    setup: Setup = None,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Print the working days and the hours of duty from one day or time to another."""
    found = _counted(folder, setup, unit, calendar, lambda by: between(Start.parse(start), Start.parse(end), by))
    typer.echo(f"{found}{_mark(found.final)}")


def _mark(final: bool) -> str:
    return "" if final else "  provisional 暂定：该年放假安排尚未公布"


# --- whose calendar -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Chosen:
    edition: Edition
    name: str

    @property
    def calendar(self) -> WorkingCalendar:
        return self.edition.calendar(self.name)


def _counted(
    folder: Path, setup: Path | None, unit: str | None, calendar: str | None, count: Callable[[WorkingCalendar], T]
) -> T:
    chosen = _chosen(folder, setup, unit, calendar)
    try:
        return count(chosen.calendar)
    except (NotCountable, OverflowError) as error:
        _end(str(error))
    except ValueError as error:
        _end(f"超出日历所及。 {error}")


def _chosen(folder: Path, setup: Path | None, unit: str | None, calendar: str | None) -> _Chosen:
    """The calendar of a unit, that of a name, or the usual one."""
    if unit is not None and calendar is not None:
        _end("--unit 与 --calendar 只能用一个。 Say --unit or --calendar, not both.")
    source = Source(folder, setup if setup is not None or _was_started(folder) else _shipped())
    found = source.calendars()
    if not found.version:
        _end("尚无生效的日历；请先导入：chuishao calendar load。 No calendar is in force; load one.")
    edition = found.edition
    if unit is not None:
        return _Chosen(edition, _of_unit(unit, edition, source.units()))
    name = calendar or STATE
    if name not in edition.duty:
        known = ", ".join(edition.duty)
        _end(f"没有名为 {name} 的日历；现有：{known}。 There is no calendar {name}; there are {known}.")
    return _Chosen(edition, name)


def _of_unit(named: str, edition: Edition, units: UnitTree) -> str:
    unit = units.get(named) or units.named(named)
    if unit is None:
        _end(f"没有 {named} 这个单位。 No unit has the code or name {named}.")
    return edition.name_of(unit.code, units)


def _was_started(folder: Path) -> bool:
    return "CHUISHAO_SLA_URL" in os.environ or Places.of(folder).ports.exists()


def _shipped() -> Path:
    typer.echo("此处从未启动过服务，按随附的日历。 Nothing was ever started here: by the shipped calendar.", err=True)
    return SHIPPED


def _end(why: str) -> NoReturn:
    typer.echo(f"chuishao: {why}", err=True)
    raise typer.Exit(1)
