"""The working calendars as a part of the set-up: how a file becomes a version of them.

A calendar.yaml is all of it. A CSV or iCal file has days: the State Council's of whole years, or one duty calendar's
own (`File.into`), in place of those it had in the years that occur in the file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import count

from services.sla.domain.calendar_files import parse_calendar
from services.sla.domain.calendars import STATE, WEEKDAYS, Calendars, Edition, HolidayYear, from_json, to_json
from services.sla.domain.day_files import Days, parse_days_csv, parse_days_ics
from shared.contracts.faults import Fault, SetupInvalid
from shared.contracts.units import UnitTree
from shared.runtime.district import UNITS, Kind
from shared.runtime.setup_parts import Before, File, Prepared, changed

CALENDAR: Kind[Calendars] = Kind("calendar", from_json)

FEWEST_DAYS_OFF = 7
"""A notice has never had fewer: a year with less is not all there."""
_MOST_NAMED = 8
_DECEMBER = 12


def prepare_calendar(file: File, before: Before, today: date) -> Prepared:
    """Raises `SetupInvalid`. Past days that change, and units that there are not, are doubtful, no fault."""
    old = before.of(CALENDAR)
    read = _read_all(file, old) if file.format == "yaml" else _read_days(file, old, today)
    after = Calendars(read.version or _free_label(today, old), read.edition).after(old, today)
    if old is not None and read.edition == old.edition and read.version in (None, old.version):
        after = old
    return Prepared(
        after.version,
        to_json(after),
        changed(_rows(old.edition if old is not None else None), _rows(after.edition)),
        (*read.doubts, *_doubts(file, read, old, before.of(UNITS), today)),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """What a file makes of the calendars. `lines` has where each unit is given its calendar."""

    edition: Edition
    version: str | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    doubts: tuple[Fault, ...] = ()


def _read_all(file: File, old: Calendars | None) -> _Read:
    if file.into:
        raise SetupInvalid(
            [
                Fault(
                    "YAML 即全部日历，不能导入到其中一个；请去掉 into，或改用 CSV、iCal",
                    "a YAML file is all of the calendars and goes into none of them; leave into out, or use CSV, iCal",
                    "into",
                    file=file.name,
                )
            ]
        )
    found = parse_calendar(file.text, file.name)
    if old is not None and found.version is not None:
        held = {label: one.edition for label, one in old.earlier.items()} | {old.version: old.edition}
        if held.get(found.version, found.edition) != found.edition:
            raise SetupInvalid(
                [
                    Fault(
                        f"版本号 {found.version} 已用于其他内容；请换一个",
                        f"version {found.version} is in use for other content; give this one another",
                        "version",
                        line=found.version_line,
                        file=file.name,
                    )
                ]
            )
    return _Read(found.edition, found.version, found.lines)


def _read_days(file: File, old: Calendars | None, today: date) -> _Read:
    days = parse_days_csv(file.text, file.name) if file.format == "csv" else parse_days_ics(file.text, file.name)
    edition = old.edition if old is not None else Edition()
    if file.into in ("", STATE):
        return _Read(edition.with_years(_notices(days, edition)), doubts=days.doubts)
    if file.into not in edition.duty:
        known = sorted(edition.duty)
        raise SetupInvalid(
            [
                Fault(
                    f"没有名为 {file.into} 的日历；应为 {'、'.join(known)} 之一（{STATE} 即国家节假日）",
                    f"there is no calendar {file.into}; it must be one of {', '.join(known)} "
                    f"({STATE}: the State Council's days)",
                    "into",
                    file=file.name,
                )
            ]
        )
    return _Read(edition.with_local_days(file.into, days.off, days.work), doubts=days.doubts)


def _notices(days: Days, before: Edition) -> dict[int, HolidayYear]:
    """The years of a file. Days of December alone belong to the next year's notice: the rest of their year stays."""
    years = days.years
    for number, year in years.items():
        held = before.years.get(number)
        if held is not None and number + 1 in years and {day.month for day in (*year.off, *year.work)} == {_DECEMBER}:
            off, work = {**held.off, **year.off}, {**held.work, **year.work}
            years[number] = HolidayYear(
                {day: name for day, name in off.items() if day not in year.work},
                {day: name for day, name in work.items() if day not in year.off},
            )
    return years


def _free_label(today: date, old: Calendars | None) -> str:
    """A name for a version whose file has none: the day, and a number where that is taken."""
    taken = {old.version, *old.earlier} if old is not None else set()
    return next(
        label
        for number in count(1)
        if (label := today.isoformat() if number == 1 else f"{today.isoformat()}-{number}") not in taken
    )


def _rows(edition: Edition | None) -> dict[str, object]:
    """What can be another, by a name that people know it by."""
    if edition is None:
        return {}
    return {
        "zone": edition.zone,
        **{f"holidays {number}": year for number, year in edition.years.items()},
        **{f"calendar {name}": own for name, own in edition.duty.items()},
        **{f"unit {unit}": name for unit, name in edition.units.items()},
        **{f"kind {kind.value}": name for kind, name in edition.kinds.items()},
    }


# --- what is worth a second look ----------------------------------------------------------------------------


def _doubts(file: File, read: _Read, old: Calendars | None, units: UnitTree | None, today: date) -> Iterator[Fault]:
    before = old.edition if old is not None else Edition()
    for doubt in (
        *_unlikely(before, read.edition),
        *_unknown_units(read, units),
        *_past_changes(before, read.edition, today),
    ):
        yield replace(doubt, file=file.name)


def _unlikely(before: Edition, after: Edition) -> Iterator[Fault]:
    for number, year in after.years.items():
        if len(year.off) < FEWEST_DAYS_OFF and year != before.years.get(number):
            yield Fault(
                f"{number} 年只有 {len(year.off)} 天放假，可能不全；请核对",
                f"{number} has {len(year.off)} days off only and may not be complete; check it",
                "holidays",
                str(number),
            )
        for day in year.work if year != before.years.get(number) else ():
            if day.weekday() in WEEKDAYS:
                yield Fault(
                    "调休上班日不在周末；请核对日期",
                    "a day worked instead that is no weekend day; check the date",
                    "holidays",
                    day.isoformat(),
                )
    for number in before.years.keys() - after.years.keys():
        yield Fault(
            f"{number} 年原已公布，导入后不再公布，将按星期推算",
            f"{number} was published and is no more: it will be counted by weekday",
            "holidays",
            str(number),
        )


def _unknown_units(read: _Read, units: UnitTree | None) -> Iterator[Fault]:
    for unit in read.edition.units:
        if units is not None and unit not in units:
            yield Fault(
                "没有这个单位；请核对代码",
                "there is no such unit; check the code",
                "units",
                unit,
                read.lines.get(unit, 0),
            )


def _past_changes(before: Edition, after: Edition, today: date) -> Iterator[Fault]:
    """Deadlines that were due on such days stay as they are; what is counted again is counted otherwise."""
    first = date(min((*before.years, *after.years, today.year)), 1, 1)
    past = [first + timedelta(days=number) for number in range((today - first).days)]
    for name in before.duty.keys() & after.duty.keys():
        was, now = before.calendar(name), after.calendar(name)
        days = [day for day in past if before.is_published(day) and was.duty(day) != now.duty(day)]
        if days:
            some = ", ".join(day.isoformat() for day in days[:_MOST_NAMED]) + (" …" if len(days) > _MOST_NAMED else "")
            yield Fault(
                f"{len(days)} 个已过去的日子改变：{some}",
                f"{len(days)} day(s) of the past change: {some}",
                "calendars",
                name,
            )
