"""What comes in: when, from whom, about what. A Poisson process whose rate follows the hours, the days and surges.

Hours of the day and days of the week are those of 2,973 messages to a public forum; a day off counts as a Sunday, a
make-up working day as a Wednesday. Categories, regions and sources come from the district's set-up or from a file of
cases shaped like real ones.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from deploy.simulate.assumptions import Behaviour
from deploy.simulate.chance import Choice, Exponential, mixed, uniform
from deploy.simulate.district import District
from deploy.simulate.story import unchecked
from services.sla.domain.calendar import WorkingCalendar
from shared.contracts.facts import Matter
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import AppealType, Source, UnitKind, Urgency

# fmt: off
BY_HOUR = (66, 46, 10, 12, 6, 11, 25, 42, 127, 165, 360, 229, 149, 130, 189, 307, 206, 213, 168, 110, 107, 112, 101, 82)
BY_WEEKDAY = (468, 576, 554, 495, 445, 184, 251)
"""Monday first."""
# fmt: on
SURGE_TIMES, SURGE_HOURS = 3.0, 6

SOURCES: tuple[tuple[Source, float], ...] = (
    (Source.HOTLINE_12345, 0.40),
    (Source.COMMUNITY, 0.20),
    (Source.GRID, 0.20),
    (Source.RESIDENT, 0.15),
    (Source.RIDER, 0.05),
)
"""No district publishes its mix; a file of cases says better."""
APPEALS: tuple[tuple[AppealType, float], ...] = (
    (AppealType.HELP, 0.45),
    (AppealType.COMPLAINT, 0.35),
    (AppealType.CONSULT, 0.10),
    (AppealType.SUGGESTION, 0.05),
    (AppealType.REPORT, 0.05),
)

_GAP, _SURGE, _SURGE_BEGINS, _PLACE, _REGION, _SOURCE, _APPEAL, _URGENCY, _SELF, _TOP, _CASE = range(1, 12)


class CasesInvalid(ValueError):
    """A file of cases cannot be used: the message names file, line and field."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """`at` in seconds since the beginning; `key` is what the case's chances are drawn by."""

    number: int
    at: float
    key: int
    matter: Matter
    self_handled: bool

    @property
    def to_verify(self) -> bool:
        """A resident's order, which its community verifies first."""
        return self.matter.source is Source.RESIDENT


@dataclass(frozen=True, slots=True)
class Shape:
    """What one case is about. What is None is drawn."""

    category: tuple[str, ...]
    region: str
    urgency: Urgency | None = None
    source: Source | None = None
    appeal_type: AppealType | None = None
    title: str = ""


def read_cases(path: Path, tree: UnitTree) -> tuple[Shape, ...]:
    """A CSV with `category` (甲->乙) and `region` (code or name); `urgency`, `source`, `appeal_type`, `title` if known.

    Raises `CasesInvalid`.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise CasesInvalid(f"{path}: 无法读取 cannot be read: {error}") from error
    if not rows:
        raise CasesInvalid(f"{path}: 没有一行诉求 there is no case in it")
    return tuple(_shape(path, line, row, tree) for line, row in enumerate(rows, start=2))


def _shape(path: Path, line: int, row: dict[str, str], tree: UnitTree) -> Shape:
    field = "region"
    try:
        region = tree.named(row["region"])
        if region is None or not any(tree.nearest(region.code, kind) for kind in (UnitKind.COMMUNITY, UnitKind.STREET)):
            raise ValueError(f"{row['region']!r} 不是本区的社区或街道 is no community or street of the district")
        field = "category"
        category = tuple(name for part in row["category"].split("->") if (name := part.strip()))
        field = "urgency"
        urgency = Urgency(row["urgency"]) if row.get("urgency") else None
        field = "source"
        source = Source(row["source"]) if row.get("source") else None
        field = "appeal_type"
        appeal = AppealType(row["appeal_type"]) if row.get("appeal_type") else None
    except KeyError as error:
        raise CasesInvalid(f"{path}: {error.args[0]}: 缺少这一列 this column is missing") from error
    except ValueError as error:
        raise CasesInvalid(f"{path}: line {line}, {field}: {error}") from error
    return Shape(category, region.code, urgency, source, appeal, row.get("title") or "")


class Arrivals:
    """All cases of a run, in order; the same every time it is gone through."""

    def __init__(
        self,
        district: District,
        behaviour: Behaviour,
        start: datetime,
        days: int,
        per_day: float,
        seed: int,
        shapes: Sequence[Shape] = (),
    ) -> None:
        self._tree = district.tree
        self._behaviour = behaviour
        self._start = start
        self._days = days
        self._per_day = per_day
        self._seed = mixed(seed, 0)
        self._shapes = shapes
        self._calendar = district.of_the_hub
        self._places = _places(district.tree)
        self._categories = _by_top(district.categories)
        self._sources = Choice([weight for _, weight in SOURCES])
        self._appeals = Choice([weight for _, weight in APPEALS])
        self._urgencies = list(behaviour.urgency)
        self._urgency = Choice(list(behaviour.urgency.values()))

    def __iter__(self) -> Iterator[Arrival]:
        number = 0
        for hour, rate in enumerate(self._rates()):
            begins, turn = hour * 3600.0, 0
            at = begins
            while rate:
                at += Exponential(3600.0 / rate).at(uniform(self._seed, _GAP, hour * 1_000_003 + turn))
                turn += 1
                if at >= begins + 3600.0:
                    break
                yield self._arrival(number, float(int(at)))
                number += 1

    def _rates(self) -> Iterator[float]:
        """Cases expected in every hour."""
        usual = self._per_day / (sum(BY_HOUR) * sum(BY_WEEKDAY) / 7)
        zone: ZoneInfo = self._calendar.zone
        for hour in range(self._days * 24):
            day, local = hour // 24, (self._start + timedelta(hours=hour)).astimezone(zone)
            surge = uniform(self._seed, _SURGE, day) < self._behaviour.surge_days
            since = hour % 24 - int(uniform(self._seed, _SURGE_BEGINS, day) * (24 - SURGE_HOURS))
            times = SURGE_TIMES if surge and 0 <= since < SURGE_HOURS else 1.0
            yield usual * BY_HOUR[local.hour] * BY_WEEKDAY[_weekday(local, self._calendar)] * times

    def _arrival(self, number: int, at: float) -> Arrival:
        key = mixed(self._seed, _CASE, number)
        shape = self._drawn(key)
        behaviour = self._behaviour
        source = shape.source or SOURCES[self._sources.at(uniform(key, _SOURCE))][0]
        community = self._tree.nearest(shape.region, UnitKind.COMMUNITY)
        whistle_blower = self._tree.hub.code if source is Source.HOTLINE_12345 or community is None else community.code
        matter = unchecked(
            Matter,
            number=f"SIM{number:09d}",
            source=source,
            appeal_type=shape.appeal_type or APPEALS[self._appeals.at(uniform(key, _APPEAL))][0],
            urgency=shape.urgency or self._urgencies[self._urgency.at(uniform(key, _URGENCY))],
            category=shape.category,
            title=shape.title,
            content="",
            region=shape.region,
            whistle_blower=whistle_blower,
            received_at=self._start + timedelta(seconds=at),
        )
        reported = source in (Source.COMMUNITY, Source.GRID)
        return Arrival(number, at, key, matter, reported and uniform(key, _SELF) < behaviour.self_handled)

    def _drawn(self, key: int) -> Shape:
        if self._shapes:
            return self._shapes[int(uniform(key, _PLACE) * len(self._shapes))]
        below = self._categories[int(uniform(key, _TOP) * len(self._categories))]
        category = below[int(uniform(key, _PLACE) * len(below))]
        return Shape(category, self._places[int(uniform(key, _REGION) * len(self._places))])


def _weekday(local: datetime, calendar: WorkingCalendar) -> int:
    if not calendar.duty(local.date()):
        return 6 if local.weekday() < 5 else local.weekday()
    return local.weekday() if local.weekday() < 5 else 2


def _places(tree: UnitTree) -> list[str]:
    """Where cases are from: every community, or every street where there are none."""
    communities = [unit.code for unit in tree if unit.kind is UnitKind.COMMUNITY]
    return communities or [unit.code for unit in tree if unit.kind is UnitKind.STREET]


def _by_top(paths: Sequence[tuple[str, ...]]) -> list[list[tuple[str, ...]]]:
    """The categories under each of the first level: each of those comes equally often."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        found.setdefault(path[0], []).append(path)
    return list(found.values())
