"""How long somebody has: an amount and the unit of time it is counted in, written `4 working_hour`."""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache


class TimeUnit(StrEnum):
    """What a limit is counted in. Clock time runs at night and on holidays, working time only on duty."""

    CLOCK_SECOND = "clock_second"  # for rehearsals
    CLOCK_MINUTE = "clock_minute"  # 分钟
    CLOCK_HOUR = "clock_hour"  # 小时
    CLOCK_DAY = "clock_day"  # 24 小时 × n
    CALENDAR_DAY = "calendar_day"  # 自然日, as 民法典 201–203 counts
    WORKING_HOUR = "working_hour"  # 工作小时
    WORKING_DAY = "working_day"  # 工作日


WORKING_HOURS_IN_A_DAY = 8

CLOCK: dict[TimeUnit, timedelta] = {
    TimeUnit.CLOCK_SECOND: timedelta(seconds=1),
    TimeUnit.CLOCK_MINUTE: timedelta(minutes=1),
    TimeUnit.CLOCK_HOUR: timedelta(hours=1),
    TimeUnit.CLOCK_DAY: timedelta(days=1),
}
"""How long one of each clock unit is."""

DAYS = frozenset({TimeUnit.CALENDAR_DAY, TimeUnit.WORKING_DAY})
"""Counted in whole days: the count starts the next day (民法典 201)."""

_USUAL = CLOCK | {
    TimeUnit.CALENDAR_DAY: timedelta(days=1),
    TimeUnit.WORKING_HOUR: timedelta(days=1) / WORKING_HOURS_IN_A_DAY,
    TimeUnit.WORKING_DAY: timedelta(days=1),
}

_WRITTEN = re.compile(r"^(\d+(?:\.\d+)?) ([a-z_]+)$")


@dataclass(frozen=True, slots=True)
class Limit:
    """A length of time as policy grants it. Whole days are whole: half a day is written in hours."""

    amount: float
    unit: TimeUnit

    def __post_init__(self) -> None:
        if not 0 < self.amount <= 100_000:
            raise ValueError(f"{self}: the amount must be more than 0 and at most 100000")
        if self.unit in DAYS and self.amount != int(self.amount):
            raise ValueError(f"{self}: {self.unit} is counted in whole days; write a part of a day in hours")

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"

    @classmethod
    def parse(cls, written: str) -> "Limit":
        """Read `4 working_hour`. Raises ValueError saying what was expected."""
        return _parsed(written)

    @property
    def usual(self) -> timedelta:
        """About how long it is by the clock, duty being a third of a day: for an order where no start is known."""
        return self.amount * _USUAL[self.unit]

    def times(self, factor: float) -> "Limit":
        """A part or a multiple of it: half of `1 working_day` is `4 working_hour`."""
        amount = self.amount * factor
        if self.unit in DAYS and amount != int(amount):
            if self.unit is TimeUnit.WORKING_DAY:
                return Limit(amount * WORKING_HOURS_IN_A_DAY, TimeUnit.WORKING_HOUR)
            return Limit(amount * 24, TimeUnit.CLOCK_HOUR)
        return Limit(amount, self.unit)


@lru_cache(maxsize=1000)
def _parsed(written: str) -> Limit:
    """Every deadline that is loaded has one, and few are different."""
    match = _WRITTEN.match(written)
    units = ", ".join(TimeUnit)
    if match is None or match[2] not in set(TimeUnit):
        raise ValueError(f"{written!r} is not a limit; write an amount and one of {units}, as `4 working_hour`")
    return Limit(float(match[1]), TimeUnit(match[2]))
