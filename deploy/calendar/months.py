"""A year drawn as twelve months, with what is particular about it."""

from calendar import Calendar
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import chain

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.sla.domain.calendar import WorkingCalendar, working_days_between
from services.sla.domain.calendars import DutyCalendar, Edition
from services.sla.domain.duty_table import Shift

WEEK = "一二三四五六日"
_STYLES = {"休": "red", "班": "bold green", "闭": "magenta", "加": "bold cyan"}
LEGEND = "休 day off 放假  班 worked instead 调休  闭 closed here 停业  加 worked here 加班"
_ONE_DAY = timedelta(days=1)


def drawn(edition: Edition, name: str, year: int) -> Group:
    """The year by one calendar: a mark on every day that is not as usual, the hours of duty, the days by name."""
    own, counted = edition.duty[name], edition.calendar(name)
    working = working_days_between(date(year - 1, 12, 31), date(year, 12, 31), counted)
    published = (
        "published 已公布"
        if counted.is_published(date(year, 1, 1))
        else "NOT PUBLISHED, by weekday, provisional 尚未公布，按星期推算（暂定）"
    )
    title = f"{year}  {name} {own.title}  {published}  {working} working days 个工作日"
    months: list[RenderableType] = [_month(edition, own, counted, year, month) for month in range(1, 13)]
    lines = chain(_hours(own), _named(edition, own, year))
    return Group(Text(title, style="bold"), Columns(months, padding=(1, 3)), Text(LEGEND), *map(Text, lines))


def _month(edition: Edition, own: DutyCalendar, counted: WorkingCalendar, year: int, month: int) -> Table:
    table = Table(*WEEK, title=f"{year}-{month:02}", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for week in Calendar().monthdatescalendar(year, month):
        table.add_row(*(_cell(edition, own, counted, day) if day.month == month else "" for day in week))
    return table


def _cell(edition: Edition, own: DutyCalendar, counted: WorkingCalendar, day: date) -> Text:
    mark = _mark(edition, own, day)
    return Text(f"{day.day:>2}{mark or '  '}", style=_STYLES.get(mark, "" if counted.duty(day) else "dim"))


def _mark(edition: Edition, own: DutyCalendar, day: date) -> str:
    if day in own.on:
        return "加"
    if day in own.off:
        return "闭"
    notice = edition.years.get(day.year) if own.weekdays is None else None
    if notice is None:
        return ""
    return "休" if day in notice.off else "班" if day in notice.work else ""


def _hours(own: DutyCalendar) -> Iterator[str]:
    for season in own.seasons:
        since = f"from 自 {season.since[0]:02}-{season.since[1]:02}: " if len(own.seasons) > 1 else ""
        yield f"duty 值勤 {since}{_shifts(season.hours)}"


def _shifts(hours: tuple[Shift, ...]) -> str:
    return ", ".join(
        f"{begin:%H:%M}-{'24:00' if not end.hour and not end.minute else f'{end:%H:%M}'}" for begin, end in hours
    )


def _named(edition: Edition, own: DutyCalendar, year: int) -> Iterator[str]:
    notice = edition.years.get(year) if own.weekdays is None else None
    if notice is not None:
        for name in dict.fromkeys((*notice.off.values(), *notice.work.values())):
            worked = _runs(notice.work, name)
            yield f"{name}  休 {_runs(notice.off, name)}" + (f"  班 {worked}" if worked else "")
    for day, reason in own.off.items():
        if day.year == year:
            yield f"闭 {day:%m-%d} {reason}"
    for day, extra in own.on.items():
        if day.year == year:
            yield f"加 {day:%m-%d} {extra.reason} {_shifts(extra.hours)}".rstrip()


def _runs(days: Mapping[date, str], name: str) -> str:
    """`02-15..02-23, 03-01`: the days of that name."""
    runs: list[list[date]] = []
    for day in days:
        if days[day] == name:
            if runs and runs[-1][-1] + _ONE_DAY == day:
                runs[-1].append(day)
            else:
                runs.append([day])
    return ", ".join(f"{run[0]:%m-%d}" + (f"..{run[-1]:%m-%d}" if len(run) > 1 else "") for run in runs)
