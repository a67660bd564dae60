"""The district's calendars: every unit's own, in every version that a running deadline may rest on.

A holiday year is the State Council's notice for it: days off, and weekend days worked instead. A duty calendar says
when somebody is on duty on a working day, and what is another way there than in the rest of the country.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from services.sla.domain.calendar import SHANGHAI, WorkingCalendar
from services.sla.domain.duty_table import Shift
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import UnitKind

T = TypeVar("T")

STATE = "state"
"""The calendar of every unit that is given no other."""

USUAL_HOURS: tuple[Shift, ...] = ((time(8), time(12)), (time(14), time(18)))
WEEKDAYS = frozenset(range(5))

KEPT_FOR = timedelta(days=3 * 366)
MOST_KEPT = 100
"""How long, and how many, earlier versions are kept: a deadline may stand still for a year and be extended twice, so
none rests on a version that was replaced three years ago. One that does is reckoned by the version in force."""


@dataclass(frozen=True, slots=True)
class HolidayYear:
    """One year's notice: days off and make-up working days, each with the holiday's name."""

    off: Mapping[date, str]
    work: Mapping[date, str]


@dataclass(frozen=True, slots=True)
class Season:
    """From this day of each year (month, day) on, until the next season begins."""

    since: tuple[int, int]
    hours: tuple[Shift, ...]


@dataclass(frozen=True, slots=True)
class ExtraDay:
    """A day that is worked whatever day it is; by its own hours, where it has any."""

    reason: str
    hours: tuple[Shift, ...] = ()


@dataclass(frozen=True, slots=True)
class DutyCalendar:
    """Hours of duty by season. `weekdays` (Monday = 0) where they, and not the State Council, say who works when.

    `off` are local closures with their reason. A day of `on` is worked even so.
    """

    title: str = ""
    seasons: tuple[Season, ...] = (Season((1, 1), USUAL_HOURS),)
    weekdays: frozenset[int] | None = None
    off: Mapping[date, str] = field(default_factory=dict)
    on: Mapping[date, ExtraDay] = field(default_factory=dict)

    def hours(self, day: date) -> tuple[Shift, ...]:
        """The hours of a day that is worked. Before the year's first season its last one goes on."""
        if len(self.seasons) == 1:
            return self.seasons[0].hours
        season = bisect_right(self.seasons, (day.month, day.day), key=lambda one: one.since)
        return self.seasons[season - 1].hours


class _Names:
    """Whose calendar has which name, for one tree of units; another tree begins anew."""

    def __init__(self) -> None:
        self._units: UnitTree | None = None
        self._found: dict[str, str] = {}

    def of(self, units: UnitTree) -> Mapping[str, str]:
        if self._units is not units:
            self._units, self._found = units, {}
        return self._found

    def keep(self, unit: str, name: str) -> str:
        self._found[unit] = name
        return name


@dataclass(frozen=True, slots=True)
class Edition:
    """What one version of the calendars says. `units` and `kinds` name the calendar of a unit's code or kind."""

    zone: ZoneInfo = SHANGHAI
    years: Mapping[int, HolidayYear] = field(default_factory=dict)
    duty: Mapping[str, DutyCalendar] = field(default_factory=lambda: {STATE: DutyCalendar()})
    units: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[UnitKind, str] = field(default_factory=dict)
    _calendars: dict[str, WorkingCalendar] = field(init=False, repr=False, compare=False, default_factory=dict)
    _names: _Names = field(init=False, repr=False, compare=False, default_factory=_Names)

    def is_published(self, day: date) -> bool:
        return day.year in self.years

    def is_working_day(self, day: date) -> bool:
        """By the State Council's notice; by weekday in a year without one."""
        year = self.years.get(day.year)
        if year is None:
            return day.weekday() in WEEKDAYS
        return day in year.work or (day.weekday() in WEEKDAYS and day not in year.off)

    def calendar(self, name: str = STATE) -> WorkingCalendar:
        """The calendar of that name; always the same one. Raises KeyError where there is none."""
        found = self._calendars.get(name)
        if found is None:
            own = self.duty[name]
            published = self.is_published if own.weekdays is None else _always
            found = self._calendars.setdefault(name, WorkingCalendar(partial(self._duty, own), published, self.zone))
        return found

    def _duty(self, own: DutyCalendar, day: date) -> tuple[Shift, ...]:
        extra = own.on.get(day)
        if extra is not None:
            return extra.hours or own.hours(day)
        if day in own.off:
            return ()
        works = self.is_working_day(day) if own.weekdays is None else day.weekday() in own.weekdays
        return own.hours(day) if works else ()

    def with_years(self, years: Mapping[int, HolidayYear]) -> "Edition":
        """With the notices of these years in place of those it had."""
        return replace(self, years=dict(sorted({**self.years, **years}.items())))

    def with_local_days(self, name: str, off: Mapping[date, str], on: Mapping[date, str]) -> "Edition":
        """With these closures and extra days of one duty calendar, in place of those it had in the same years."""
        own, years = self.duty[name], {day.year for day in (*off, *on)}
        kept_off = {day: reason for day, reason in own.off.items() if day.year not in years}
        kept_on = {day: extra for day, extra in own.on.items() if day.year not in years}
        extra = {day: ExtraDay(reason) for day, reason in on.items()}
        local = replace(own, off=in_order({**kept_off, **off}), on=in_order({**kept_on, **extra}))
        return replace(self, duty={**self.duty, name: local})

    def name_of(self, unit: str, units: UnitTree) -> str:
        """The name of a unit's calendar: its own or its kind's, else that of the nearest unit above that has one."""
        if not self.units and not self.kinds:
            return STATE
        return self._names.of(units).get(unit) or self._names.keep(unit, self._nearest(unit, units))

    def _nearest(self, unit: str, units: UnitTree) -> str:
        known = units.get(unit)
        for one in (known, *units.ancestors(unit)) if known is not None else ():
            if one is not None:
                name = self.units.get(one.code) or self.kinds.get(one.kind)
                if name is not None:
                    return name
        return STATE


def in_order(days: Mapping[date, T]) -> dict[date, T]:
    """By date, so that the same days are stored the same way whatever order they were written in."""
    return dict(sorted(days.items(), key=lambda item: item[0]))


def _always(_day: date) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Earlier:
    """A version that was in force until some day."""

    edition: Edition
    until: date


@dataclass(frozen=True, slots=True)
class Calendars:
    """`version` is that of the calendars in force; `earlier` has those that running deadlines may rest on."""

    version: str = ""
    edition: Edition = field(default_factory=Edition)
    earlier: Mapping[str, Earlier] = field(default_factory=dict)

    def of_unit(self, unit: str, units: UnitTree, version: str = "") -> WorkingCalendar:
        """A unit's calendar in that version; in the one in force where the version is unknown or none is named."""
        edition = self.edition_of(version)
        return edition.calendar(edition.name_of(unit, units))

    def edition_of(self, version: str) -> Edition:
        if not version or version == self.version:
            return self.edition
        earlier = self.earlier.get(version)
        return self.edition if earlier is None else earlier.edition

    def after(self, before: "Calendars | None", today: date) -> "Calendars":
        """The same with what ran before it kept, as far back as a deadline may run."""
        if before is None:
            return self
        kept = {name: one for name, one in before.earlier.items() if one.until > today - KEPT_FOR}
        every = kept | {before.version: Earlier(before.edition, today)}
        every.pop(self.version, None)
        return replace(self, earlier=dict(list(every.items())[-MOST_KEPT:]))


# --- as it is stored --------------------------------------------------------------------------------------------


class _StoredEdition(BaseModel):
    # A later release may have added a field.
    model_config = ConfigDict(extra="ignore")

    zone: str
    years: dict[int, HolidayYear | None]
    """Of an earlier version those only that are others now; None = it had none."""
    duty: dict[str, DutyCalendar]
    units: dict[str, str]
    kinds: dict[UnitKind, str]


class _StoredEarlier(BaseModel):
    model_config = ConfigDict(extra="ignore")

    edition: _StoredEdition
    until: date


class _Stored(BaseModel):
    model_config = ConfigDict(extra="ignore")

    version: str
    edition: _StoredEdition
    earlier: dict[str, _StoredEarlier]


def to_json(calendars: Calendars) -> bytes:
    """The same calendars give the same bytes."""
    years = calendars.edition.years
    earlier = {
        version: _StoredEarlier(edition=_stored(one.edition, years), until=one.until)
        for version, one in calendars.earlier.items()
    }
    stored = _Stored(version=calendars.version, edition=_stored(calendars.edition, {}), earlier=earlier)
    return stored.model_dump_json().encode()


def from_json(stored: bytes | str) -> Calendars:
    """The calendars as they were. They were checked before they were stored and are not checked again."""
    found = _Stored.model_validate_json(stored)
    edition = _edition(found.edition, {})
    earlier = {
        version: Earlier(_edition(one.edition, edition.years), one.until) for version, one in found.earlier.items()
    }
    return Calendars(found.version, edition, earlier)


def _stored(edition: Edition, now: Mapping[int, HolidayYear]) -> _StoredEdition:
    years = {number: edition.years.get(number) for number in (*edition.years, *now)}
    return _StoredEdition(
        zone=edition.zone.key,
        years={number: year for number, year in sorted(years.items()) if year != now.get(number)},
        duty=dict(edition.duty),
        units=dict(edition.units),
        kinds=dict(edition.kinds),
    )


def _edition(stored: _StoredEdition, now: Mapping[int, HolidayYear]) -> Edition:
    years = {number: year for number, year in (dict(now) | stored.years).items() if year is not None}
    return Edition(ZoneInfo(stored.zone), years, stored.duty, stored.units, stored.kinds)
