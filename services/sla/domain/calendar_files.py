"""Reads all of the calendars out of the text of a calendar.yaml.

Every fault says where it is, why, and what to do.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.sla.domain.calendar import SHANGHAI
from services.sla.domain.calendars import (
    STATE,
    USUAL_HOURS,
    DutyCalendar,
    Edition,
    ExtraDay,
    HolidayYear,
    Season,
    in_order,
)
from services.sla.domain.day_files import LONGEST, Faults, date_of
from services.sla.domain.duty_table import MIDNIGHT, Shift
from shared.contracts.vocabulary import UnitKind
from shared.contracts.yaml_lines import Placed, Value, read_yaml

K = TypeVar("K")

ALL_DAY: tuple[Shift, ...] = ((MIDNIGHT, MIDNIGHT),)
_ONE_DAY = timedelta(days=1)
_RANGE = ".."
_NAMED_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAME = re.compile(r"^[0-9A-Za-z-]{1,32}$")
_SHIFT = re.compile(r"^(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$")


@dataclass(frozen=True, slots=True)
class CalendarFile:
    """All that a calendar.yaml says. `lines` has the line on which each unit is given its calendar."""

    version: str | None
    version_line: int
    edition: Edition
    lines: Mapping[str, int]


# --- calendar.yaml ----------------------------------------------------------------------------------------------


def parse_calendar(text: str, file: str = "calendar.yaml") -> CalendarFile:
    """All of a calendar.yaml. Raises `SetupInvalid` with every fault."""
    top, faults = read_yaml(text, file), Faults(file)
    fields = _mapping(top, "", ("version", "zone", "holidays", "calendars", "units", "kinds"), faults)
    faults.end()
    version = fields.get("version")
    duty = {
        name: _duty_calendar(name, placed, faults)
        for name, placed in _mapping(fields.get("calendars"), "calendars", None, faults).items()
    }
    edition = Edition(
        _zone(fields.get("zone"), faults),
        dict(sorted(_holidays(fields.get("holidays"), faults))),
        {STATE: DutyCalendar()} | duty,
        dict(_assigned(fields.get("units"), "units", str, {STATE, *duty}, faults)),
        dict(_assigned(fields.get("kinds"), "kinds", UnitKind, {STATE, *duty}, faults)),
    )
    lines = {unit: placed.line for unit, placed in _mapping(fields.get("units"), "units", None, faults).items()}
    named = _text(version, "version", faults) if version is not None else None
    faults.end()
    return CalendarFile(named, version.line if version is not None else 0, edition, lines)


def _zone(placed: Placed | None, faults: Faults) -> ZoneInfo:
    if placed is None:
        return SHANGHAI
    name = _text(placed, "zone", faults)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        faults.add(
            placed.line,
            "zone",
            f"没有时区 {name}；请写 Asia/Shanghai 等 IANA 名称",
            f"there is no time zone {name}; write an IANA name, as Asia/Shanghai",
        )
        return SHANGHAI


def _holidays(placed: Placed | None, faults: Faults) -> Iterator[tuple[int, HolidayYear]]:
    for written, year in _mapping(placed, "holidays", None, faults).items():
        if not re.fullmatch(r"(19|20|21)\d\d", written):
            faults.add(year.line, "holidays", f"{written} 不是年份；请写四位年份", f"{written} is no year; write 2026")
            continue
        fields = _mapping(year, f"holidays.{written}", ("off", "work"), faults)
        off, work = (
            _named_days(fields.get(kind), int(written), f"holidays.{written}.{kind}", faults)
            for kind in ("off", "work")
        )
        _both(off, work, year.line, f"holidays.{written}", faults)
        yield int(written), HolidayYear(off, work)


def _named_days(placed: Placed | None, year: int, name: str, faults: Faults) -> dict[date, str]:
    """`春节: [02-15..02-23]`: the days of each holiday."""
    found: dict[date, str] = {}
    for holiday, days in _mapping(placed, name, None, faults).items():
        for one in _items(days):
            for day in _range(one, f"{name}.{holiday}", faults, year):
                if day in found:
                    _twice(day, one.line, f"{name}.{holiday}", faults)
                found[day] = holiday
    return in_order(found)


def _duty_calendar(name: str, placed: Placed, faults: Faults) -> DutyCalendar:
    path = f"calendars.{name}"
    if not _NAME.match(name):
        faults.add(
            placed.line,
            path,
            f"{name} 不能作名称；请用字母、数字和连字符，不超过 32 个",
            f"{name} cannot be a name; use letters, digits and hyphens, 32 at most",
        )
    fields = _mapping(placed, path, ("title", "hours", "weekdays", "off", "on"), faults)
    off: dict[date, str] = {}
    for written, reason in _mapping(fields.get("off"), f"{path}.off", None, faults).items():
        for day in _range(Placed(reason.line, written), f"{path}.off", faults):
            off[day] = _text(reason, f"{path}.off.{written}", faults)
    on: dict[date, ExtraDay] = {}
    for written, extra in _mapping(fields.get("on"), f"{path}.on", None, faults).items():
        for day in _range(Placed(extra.line, written), f"{path}.on", faults):
            on[day] = _extra_day(extra, f"{path}.on.{written}", faults)
    _both(off, on, placed.line, path, faults)
    title = fields.get("title")
    return DutyCalendar(
        _text(title, f"{path}.title", faults) if title is not None else "",
        _seasons(fields.get("hours"), f"{path}.hours", faults),
        _weekdays(fields.get("weekdays"), f"{path}.weekdays", faults),
        in_order(off),
        in_order(on),
    )


def _extra_day(placed: Placed, path: str, faults: Faults) -> ExtraDay:
    if not isinstance(placed.value, dict):
        return ExtraDay(_text(placed, path, faults))
    fields = _mapping(placed, path, ("reason", "hours"), faults)
    reason, hours = fields.get("reason"), fields.get("hours")
    if reason is None:
        faults.add(placed.line, f"{path}.reason", "缺少事由；请填写", "the reason is missing; fill it in")
    return ExtraDay(
        _text(reason, f"{path}.reason", faults) if reason is not None else "",
        _hours(hours, f"{path}.hours", faults) if hours is not None else (),
    )


def _seasons(placed: Placed | None, path: str, faults: Faults) -> tuple[Season, ...]:
    if placed is None:
        return (Season((1, 1), USUAL_HOURS),)
    if not isinstance(placed.value, dict):
        return (Season((1, 1), _hours(placed, path, faults)),)
    seasons = []
    for since, hours in placed.value.items():
        day = date_of(f"2000-{since}")
        if day is None:
            faults.add(
                hours.line, path, f"{since} 不是月-日；请写 06-01", f"{since} is no month and day; write it as 06-01"
            )
        else:
            seasons.append(Season((day.month, day.day), _hours(hours, f"{path}.{since}", faults)))
    if not placed.value:
        faults.add(placed.line, path, "没有时段；请写 [08:00-12:00]", "there are no hours; write [08:00-12:00]")
    return tuple(sorted(seasons, key=lambda one: one.since))


def _hours(placed: Placed, path: str, faults: Faults) -> tuple[Shift, ...]:
    """`[08:00-12:00, 14:00-18:00]`, or `24h`."""
    if placed.value == "24h":
        return ALL_DAY
    shifts: list[Shift] = []
    written = _items(placed)
    for one in written:
        shift = _shift(one.value)
        if shift is None:
            faults.add(
                one.line,
                path,
                f"{_shown(one)} 不是时段；请写 08:00-12:00，跨夜的分写在两天，全天写 24h",
                f"{_shown(one)} is no shift; write 08:00-12:00, one over midnight as two, and the whole day as 24h",
            )
        elif shifts and (shifts[-1][1] == MIDNIGHT or shift[0] < shifts[-1][1]):
            faults.add(
                one.line,
                path,
                f"{_shown(one)} 与前一时段重叠或次序不对；请按先后排列",
                f"{_shown(one)} begins before the shift before it ends; put them in order",
            )
        else:
            shifts.append(shift)
    if not written:
        faults.add(placed.line, path, "没有时段；请写 [08:00-12:00]", "there are no hours; write [08:00-12:00]")
    return tuple(shifts)


def _shift(value: Value) -> Shift | None:
    match = _SHIFT.match(value) if isinstance(value, str) else None
    if match is None:
        return None
    begin, end = f"{match[1]:0>2}:{match[2]}", f"{match[3]:0>2}:{match[4]}"
    try:
        shift = time.fromisoformat(begin), time.fromisoformat("00:00" if end == "24:00" else end)
    except ValueError:
        return None
    return shift if begin < end else None


def _weekdays(placed: Placed | None, path: str, faults: Faults) -> frozenset[int] | None:
    if placed is None:
        return None
    if placed.value == "every":
        return frozenset(range(7))
    found: set[int] = set()
    written = _items(placed)
    for one in written:
        first, _, last = _shown(one).partition(_RANGE)
        if first not in _NAMED_WEEKDAYS or (last or first) not in _NAMED_WEEKDAYS:
            faults.add(
                one.line,
                path,
                f"{_shown(one)} 不是星期；请写 {', '.join(_NAMED_WEEKDAYS)}，或 mon..fri，或 every",
                f"{_shown(one)} is no weekday; write some of {', '.join(_NAMED_WEEKDAYS)}, or mon..fri, or every",
            )
        else:
            found.update(range(_NAMED_WEEKDAYS.index(first), _NAMED_WEEKDAYS.index(last or first) + 1))
    if not written:
        faults.add(
            placed.line,
            path,
            "没有工作日；不写 weekdays 即随国家工作日",
            "no day is worked; leave weekdays out to follow the State Council",
        )
    return frozenset(found)


def _assigned(
    placed: Placed | None, path: str, what: Callable[[str], K], calendars: Collection[str], faults: Faults
) -> Iterator[tuple[K, str]]:
    """`util-water: round-the-clock`: which calendar a unit, or a kind of unit, has."""
    for written, named in _mapping(placed, path, None, faults).items():
        name = _text(named, f"{path}.{written}", faults)
        if name and name not in calendars:
            known = sorted(calendars)
            faults.add(
                named.line,
                f"{path}.{written}",
                f"没有名为 {name} 的日历；应为 {'、'.join(known)} 之一，或在 calendars 中补上",
                f"there is no calendar {name}; it must be one of {', '.join(known)}, or be added under calendars",
            )
        try:
            yield what(written), name
        except ValueError:
            kinds = [kind.value for kind in UnitKind]
            faults.add(
                named.line,
                path,
                f"没有 {written} 这类单位；应为 {'、'.join(kinds)} 之一",
                f"there is no kind of unit {written}; it must be one of {', '.join(kinds)}",
            )


# --- values with their line -------------------------------------------------------------------------------------


def _mapping(placed: Placed | None, path: str, known: tuple[str, ...] | None, faults: Faults) -> Mapping[str, Placed]:
    """The fields of a mapping; none where it is left out. `known` are all there may be; None = any."""
    if placed is None or placed.value is None:
        return {}
    if not isinstance(placed.value, dict):
        faults.add(placed.line, path, "应为“名称: 值”的映射", "it must be a mapping of names to values")
        return {}
    for name, one in placed.value.items():
        if known is not None and name not in known:
            faults.add(
                one.line,
                f"{path}.{name}".strip("."),
                f"没有这个字段；可用：{'、'.join(known)}",
                f"there is no such field; there are {', '.join(known)}",
            )
    return placed.value


def _items(placed: Placed) -> list[Placed]:
    """A list's values; a single one may be written without the brackets."""
    if isinstance(placed.value, list):
        return placed.value
    return [] if placed.value is None else [placed]


def _text(placed: Placed, path: str, faults: Faults) -> str:
    if isinstance(placed.value, str) and 0 < len(placed.value) <= 200:
        return placed.value
    faults.add(placed.line, path, "应为不超过 200 字的文本；请填写", "it must be a text of 200 characters at most")
    return ""


def _shown(placed: Placed) -> str:
    return placed.value if isinstance(placed.value, str) else "?"


def _range(placed: Placed, path: str, faults: Faults, year: int | None = None) -> Iterator[date]:
    """The days of `02-15..02-23` within a year, of `2026-08-01..2026-08-03` without one, or of a single day."""
    written = _shown(placed)
    first, _, last = written.partition(_RANGE)
    in_year = "" if year is None else f"{year}-"
    begin, end = date_of(in_year + first), date_of(in_year + (last or first))
    if begin is None or end is None or not begin <= end < begin + timedelta(days=LONGEST):
        example = "02-15 或 02-15..02-23" if year is not None else "2026-08-01 或 2026-08-01..2026-08-03"
        faults.add(
            placed.line,
            path,
            f"{written} 不是日期；请写 {example}",
            f"{written} is no day; write {example.replace('或', 'or')}",
        )
        return
    while begin <= end:
        yield begin
        begin += _ONE_DAY


def _twice(day: date, line: int, path: str, faults: Faults) -> None:
    faults.add(line, path, f"{day} 写了两次；请删去一个", f"{day} is written twice; remove one", day.isoformat())


def _both(off: Collection[date], on: Collection[date], line: int, path: str, faults: Faults) -> None:
    for day in sorted(set(off) & set(on)):
        faults.add(
            line,
            path,
            f"{day} 既放假又上班；请删去一处",
            f"{day} is both a day off and a day worked; remove one of the two",
            day.isoformat(),
        )
