"""Reads days off and days worked out of the text of a file, CSV or iCal.

Every fault says where it is, why, and what to do.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain, repeat
from typing import TypeGuard

import icalendar

from services.sla.domain.calendars import HolidayYear, in_order
from shared.contracts.faults import Fault, SetupInvalid

LONGEST = 366
"""Days in one range: a longer one is a slip in the year."""

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Days:
    """Days off and days worked, with their names; `doubts` say what was left out."""

    off: Mapping[date, str]
    work: Mapping[date, str]
    doubts: tuple[Fault, ...] = ()

    @property
    def years(self) -> dict[int, HolidayYear]:
        """The same year by year."""
        return {
            number: HolidayYear(
                {day: name for day, name in self.off.items() if day.year == number},
                {day: name for day, name in self.work.items() if day.year == number},
            )
            for number in sorted({day.year for day in (*self.off, *self.work)})
        }


@dataclass(slots=True)
class Faults:
    """What was found wrong in one file so far."""

    file: str
    found: list[Fault] = field(default_factory=list)

    def add(self, line: int, name: str, zh: str, en: str, entry: str = "") -> None:
        self.found.append(Fault(zh, en, name, entry, line, self.file))

    def end(self) -> None:
        """Raises `SetupInvalid` with all of it, if there is any."""
        if self.found:
            raise SetupInvalid(self.found)


_DATE = re.compile(r"^(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{2})(\d{2}))$")


def date_of(written: str) -> date | None:
    """`2026-10-01`, `2026/10/1`, `20261001` or `2026年10月1日`."""
    match = _DATE.match(written.strip())
    try:
        return date(int(match[1]), int(match[2] or match[4]), int(match[3] or match[5])) if match else None
    except ValueError:
        return None


# --- CSV --------------------------------------------------------------------------------

_COLUMNS = {"date": "date", "日期": "date", "kind": "kind", "类型": "kind", "name": "name", "名称": "name"}
_OFF = frozenset(("off", "休", "放假", "休息", "节假日"))
_WORK = frozenset(("work", "班", "上班", "补班", "调休上班"))


@dataclass(slots=True)
class _Found:
    """The days of a file as they are read."""

    off: dict[date, str] = field(default_factory=dict)
    work: dict[date, str] = field(default_factory=dict)
    lines: dict[date, int] = field(default_factory=dict)

    def add(self, day: date, name: str, line: int, faults: Faults, *, works: bool) -> None:
        here, there = (self.work, self.off) if works else (self.off, self.work)
        if day in there:
            first = self.lines[day]
            faults.add(
                line,
                "kind",
                f"{day} 与第 {first} 行矛盾：既放假又上班；请删去一行",
                f"{day} is both a day off and a day worked, first in line {first}; remove one of the two",
                day.isoformat(),
            )
        here.setdefault(day, name)
        self.lines.setdefault(day, line)

    def days(self, doubts: tuple[Fault, ...] = ()) -> Days:
        return Days(in_order(self.off), in_order(self.work), doubts)


def parse_days_csv(text: str, file: str = "holidays.csv") -> Days:
    """A line for each day: date, kind (off or work), name. Raises `SetupInvalid` with every fault."""
    faults, found = Faults(file), _Found()
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        columns = [_COLUMNS.get(cell.strip().casefold(), "") for cell in next(reader, [])]
        if "date" not in columns or "kind" not in columns:
            faults.add(
                1,
                "",
                "第一行应为列名：日期,类型,名称（或 date,kind,name）",
                "the first line must name the columns: date,kind,name",
            )
            faults.end()
        line = reader.line_num + 1
        for row in reader:
            if any(cell.strip() for cell in row):
                cells = {column: cell.strip() for column, cell in zip(columns, row, strict=False)}
                _csv_day(cells, line, found, faults)
            line = reader.line_num + 1
    except csv.Error as error:
        faults.add(reader.line_num, "", f"不是 CSV：{error}", f"not CSV: {error}")
    _some(found, faults)
    faults.end()
    return found.days()


def _csv_day(cells: Mapping[str, str], line: int, found: _Found, faults: Faults) -> None:
    written, kind = cells.get("date", ""), cells.get("kind", "").casefold()
    day = date_of(written)
    if day is None:
        faults.add(
            line,
            "date",
            f"{written or '空'} 不是日期；请写 2026-10-01",
            f"{written or 'nothing'} is no date; write 2026-10-01",
        )
    if kind not in _OFF | _WORK:
        faults.add(
            line,
            "kind",
            f"{kind or '空'} 不是类型；请写 off（放假）或 work（上班）",
            f"{kind or 'nothing'} is no kind of day; write off or work",
            written,
        )
    elif day is not None:
        found.add(day, cells.get("name", ""), line, faults, works=kind in _WORK)


def _some(found: _Found, faults: Faults) -> None:
    if not found.off and not found.work and not faults.found:
        faults.add(
            0,
            "",
            "没有放假或上班的日子；请核对文件",
            "there is no day off and no day worked in it; check the file",
        )


# --- iCal ------------------------------------------------------------------------------

_APPLE = {"WORK-HOLIDAY": False, "ALTERNATE-WORKDAY": True}
_WORKED = re.compile(r"[（(\[【]\s*(补?班|上班|调休上班)\s*[）)\]】]|补班|调休上班|上班$")
_FREE = re.compile(r"[（(\[【]\s*(休|放假|休息)\s*[）)\]】]|放假|假期|休息日?$|调休休息")
_MARK = re.compile(r"\s*[（(\[【]\s*(补?班|上班|调休上班|休|放假|休息)\s*[）)\]】]\s*")
_MOST_NAMED = 8


def parse_days_ics(text: str, file: str = "holidays.ics") -> Days:
    """The all-day events of an iCal that say whether people work: `国庆节（休）`, `（班）`, or Apple's own mark.

    Events that say neither are left out, with a doubt. Raises `SetupInvalid` with every fault.
    """
    faults, found = Faults(file), _Found()
    try:
        calendars = icalendar.Calendar.from_ical(text, multiple=True)
    except (ValueError, AttributeError, KeyError, TypeError) as error:  # what the library stumbles over
        faults.add(0, "", f"不是 iCal：{error}", f"not iCal: {error}")
        calendars = []
    faults.end()
    # The library keeps the order and no lines.
    lines = [number for number, line in enumerate(text.split("\n"), 1) if line.rstrip().upper() == "BEGIN:VEVENT"]
    events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    silent: list[str] = []
    for line, event in zip(chain(lines, repeat(0)), events, strict=False):
        name = str(event.get("SUMMARY", "")).strip()
        works = _works(name, str(event.get("X-APPLE-SPECIAL-DAY", "")))
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        if works is None:
            silent.append(name)
            continue
        for day in _ics_days(event, name, line, faults):
            found.add(day, _MARK.sub("", name), line, faults, works=works)
    _some(found, faults)
    faults.end()
    return found.days(tuple(_left_out(silent, file)))


def _works(name: str, apple: str) -> bool | None:
    if apple.upper() in _APPLE:
        return _APPLE[apple.upper()]
    if _WORKED.search(name):
        return True
    return False if _FREE.search(name) else None


def _ics_days(event: icalendar.cal.Component, name: str, line: int, faults: Faults) -> Iterator[date]:
    if "RRULE" in event or "RDATE" in event:
        faults.add(
            line,
            "RRULE",
            "不支持重复事件；请逐年写出日期",
            "events that repeat are not read; write out each year's days",
            name,
        )
        return
    try:
        begin, end = event.decoded("DTSTART"), event.decoded("DTEND", None)
        duration = event.decoded("DURATION", None)
    except (KeyError, ValueError):
        begin = end = duration = None
    if end is None and isinstance(begin, date):
        end = begin + (duration if isinstance(duration, timedelta) else _ONE_DAY)
    if not _is_day(begin) or not _is_day(end) or not begin < end <= begin + timedelta(days=LONGEST):
        faults.add(
            line,
            "DTSTART",
            "不是全天事件，或起止日期不对；请写 DTSTART;VALUE=DATE:20261001，DTEND 为次日",
            "no event of whole days, or its days are wrong; write DTSTART;VALUE=DATE:20261001, the day after as DTEND",
            name,
        )
        return
    while begin < end:
        yield begin
        begin += _ONE_DAY


def _is_day(value: object) -> TypeGuard[date]:
    return isinstance(value, date) and not isinstance(value, datetime)


def _left_out(names: list[str], file: str) -> Iterator[Fault]:
    if names:
        some = list(dict.fromkeys(names))[:_MOST_NAMED]
        yield Fault(
            f"{len(names)} 个事件没有写明休或班，未导入：{'、'.join(some)}",
            f"{len(names)} event(s) say neither off (休) nor worked (班) and were left out: {', '.join(some)}",
            "SUMMARY",
            file=file,
        )
