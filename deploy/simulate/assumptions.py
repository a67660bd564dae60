"""What is assumed of people and of cases: data, with defaults that say where they come from.

No default is a finding about any district. A file (`--staff`) replaces what is known better.
"""

import csv
import gzip
import io
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.simulate.chance import Duration, Lognormal, Measured
from shared.contracts.units import Unit
from shared.contracts.vocabulary import UnitKind, Urgency

DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0

REPLY_MEDIAN_DAYS, REPLY_SPREAD = 11.2, 1.18
"""Days from a citizen's message to the official reply, as a public forum shows them: p10 1.9, p50 11.2, p90 41, p99
167. This lognormal has them at 2.5, 11.2, 51 and 174."""

MEASURED = (Urgency.NORMAL, Urgency.COMPLEX)
"""Urgencies whose days are as measured; `--durations` replaces them."""
SIZED_FOR = 100.0
"""Cases a day that the default staff is meant for; it grows in proportion."""


class AssumptionsInvalid(ValueError):
    """A file of assumptions cannot be used: the message names file and field."""


class Order(StrEnum):
    """What is taken next."""

    DUE_FIRST = "due-first"
    FIFO = "fifo"
    URGENT_FIRST = "urgent-first"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Share = Annotated[float, Field(ge=0, le=1)]
Minutes = Annotated[float, Field(gt=0, le=100_000)]
People = Annotated[int, Field(ge=0, le=1_000_000)]


class Staff(_Strict):
    """`day` people in the unit's duty hours; `night` people outside them, for critical and urgent cases alone.

    `productive` = the share of their time that goes into cases.
    """

    day: Annotated[int, Field(ge=1, le=1_000_000)]
    night: People = 0
    productive: Annotated[float, Field(gt=0, le=1)] = 0.7
    order: Order | None = None
    around_the_clock: bool = False


class Effort(_Strict):
    """Minutes of a person's work on average. `spread` as in a lognormal; guesses, for want of time sheets."""

    accept: Minutes = 6
    dispatch: Minutes = 8
    rule_on_refusal: Minutes = 20
    designate: Minutes = 60
    sign_in: Minutes = 3
    first_contact: Minutes = 12
    handle: Minutes = 60
    check: Minutes = 10
    spread: Annotated[float, Field(ge=0, le=3)] = 0.8


class Elapsed(_Strict):
    """Days that a unit's part takes beside anybody's work: visits, parts, other people. `spread` as in a lognormal."""

    days: Annotated[float, Field(ge=0, le=3650)]
    spread: Annotated[float, Field(ge=0, le=3)] = REPLY_SPREAD

    def drawn(self) -> Duration:
        return Lognormal(self.days * DAY, self.spread)


_ELAPSED = {
    Urgency.CRITICAL: Elapsed(days=1 / 24),
    Urgency.URGENT: Elapsed(days=0.5),
    Urgency.NORMAL: Elapsed(days=REPLY_MEDIAN_DAYS),
    Urgency.COMPLEX: Elapsed(days=REPLY_MEDIAN_DAYS),
}
"""Normal and complex as measured; for the other two nothing public is known, and these are guesses."""


class Behaviour(_Strict):
    """How often what happens; none of it depends on the policy."""

    urgency: dict[Urgency, Share] = {
        Urgency.CRITICAL: 0.02,
        Urgency.URGENT: 0.10,
        Urgency.NORMAL: 0.76,
        Urgency.COMPLEX: 0.12,
    }
    untrue: Share = Field(default=0.05, description="of residents' orders: declined when they are verified")
    self_handled: Share = Field(default=0.1, description="of what communities and grids report")
    refusal: Share = Field(default=0.05, description="of leads: refuse, within the limit, instead of signing in")
    upheld: Share = Field(default=0.5, description="of refusals: another unit follows")
    check_failed: Share = Field(default=0.07, description="of handled cases: rework")
    rework_part: Share = Field(default=0.5, description="of effort and days, where a case is worked on again")
    rated: Share = Field(default=0.6, description="of checked cases, if there is time enough")
    rating_days: Annotated[float, Field(gt=0, le=365)] = 1.5
    unsatisfied: Share = Field(default=0.05, description="of rated cases: opened again, once")
    surge_days: Share = Field(default=1 / 30, description="of days: for six hours three times as much comes in")


class Assumptions(_Strict):
    """All of it, as a staff file says it; what it leaves out is the default."""

    kinds: dict[UnitKind, Staff] = {}
    units: dict[str, Staff] = {}
    effort_minutes: Effort = Effort()
    elapsed_days: dict[Urgency, Elapsed] = {}
    behaviour: Behaviour = Behaviour()

    def staff_of(self, unit: Unit, cases_per_day: float) -> Staff:
        """Its own, else its kind's, else the default for so many cases a day."""
        named = self.units.get(unit.code) or self.kinds.get(unit.kind)
        if named is not None:
            return named
        day, night = _DEFAULT_STAFF[unit.kind]
        times = max(1.0, cases_per_day / SIZED_FOR)
        return Staff(day=round(day * times), night=round(night * times))

    def elapsed(self, urgency: Urgency) -> Elapsed:
        return self.elapsed_days.get(urgency) or _ELAPSED[urgency]


_DEFAULT_STAFF = {
    UnitKind.HUB: (8, 1),
    UnitKind.STREET: (6, 1),
    UnitKind.COMMUNITY: (2, 0),
    UnitKind.DEPARTMENT: (4, 1),
    UnitKind.UTILITY: (3, 1),
}


def read_assumptions(path: Path, known: set[str]) -> Assumptions:
    """Read a staff file. `known` = the codes of the district's units. Raises `AssumptionsInvalid`."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AssumptionsInvalid(f"{path}: 无法读取 cannot be read: {error}") from error
    try:
        found = Assumptions.model_validate(raw or {})
    except ValidationError as error:
        raise AssumptionsInvalid("\n".join(_told(path, one["loc"], one["msg"]) for one in error.errors())) from error
    unknown = sorted(found.units.keys() - known)
    if unknown:
        raise AssumptionsInvalid(
            f"{path}: units.{unknown[0]}: 本区没有这个承办单位 the district has no such unit that handles cases"
        )
    if abs(sum(found.behaviour.urgency.values()) - 1) > 1e-6:
        raise AssumptionsInvalid(f"{path}: behaviour.urgency: 各档之和应为 1 the shares must add up to 1")
    return found


def _told(path: Path, where: tuple[int | str, ...], what: str) -> str:
    field = ".".join(map(str, where))
    if where[-1:] == ("day",) and "greater than or equal to 1" in what:
        what = "没有人上班就办不了件，至少 1 人 nobody on duty handles nothing; at least 1"
    return f"{path}: {field}: {what}"


def read_durations(path: Path) -> Measured:
    """Days from `created_at` to `replied_at`, or a column `days`, of a CSV (.gz too). Raises `AssumptionsInvalid`."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AssumptionsInvalid(f"{path}: 无法读取 cannot be read: {error}") from error
    seconds = []
    for line, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        try:
            if row.get("days"):
                seconds.append(float(row["days"]) * DAY)
            else:
                begun, ended = (datetime.fromisoformat(row[name]) for name in ("created_at", "replied_at"))
                seconds.append((ended - begun).total_seconds())
        except (KeyError, TypeError, ValueError) as error:
            raise AssumptionsInvalid(
                f"{path}: line {line}: 需要 days，或 created_at 与 replied_at 两列 "
                f"needs days, or created_at and replied_at: {error!r}"
            ) from error
    if len(seconds) < 2 or min(seconds) < 0:
        raise AssumptionsInvalid(f"{path}: 至少两行，且不得为负 at least two rows, none of them negative")
    return Measured(tuple(sorted(seconds)))
