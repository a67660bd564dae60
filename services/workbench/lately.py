"""What the live statistics say, as the board shows it: surges that last, and each unit's last 24 hours."""

from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.workbench.languages import Speech
from services.workbench.words import masked
from shared.contracts.vocabulary import SurgeKind

MOST_SURGES = 6
MOST_UNITS = 8
CASES_LINKED = 5
COLUMNS = ("dispatched", "open", "overdue", "closed", "rated")


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class SurgeCase(_Told):
    case_id: UUID
    number: str | None = None


class Surge(_Told):
    """`shown` is what its cases have in common; `cases` are the first of them."""

    kind: SurgeKind
    key: str
    shown: str
    region: str = ""
    since: AwareDatetime
    usual_per_day: float
    count: int
    cases: tuple[SurgeCase, ...] = ()


class Counts(_Told):
    dispatched: int = 0
    overdue: int = 0
    closed: int = 0
    rated: int = 0


class Hours(_Told):
    unit: dict[str, Counts] = {}


class Open(_Told):
    units: dict[str, int] = {}


class Lately(_Told):
    """What `GET /live` answers, as far as the board shows it."""

    hours: Hours = Hours()
    open: Open = Open()
    surges: tuple[Surge, ...] = ()


def case_path(number: str) -> str:
    """Where a case is shown."""
    return f"/cases/{quote(number, safe='')}"


def surge_rows(lately: Lately, say: Speech, now: datetime) -> list[dict[str, str]]:
    """The surges that last, the largest first."""
    largest = sorted(lately.surges, key=lambda surge: (-surge.count, surge.since))
    return [_surge_row(surge, say, now) for surge in largest[:MOST_SURGES]]


def _surge_row(surge: Surge, say: Speech, now: datetime) -> dict[str, str]:
    links: dict[str, str] = {}
    others = surge.count - len(surge.cases[:CASES_LINKED])
    for place in range(CASES_LINKED):
        case = surge.cases[place] if place < len(surge.cases) else None
        links[f"case_{place}"] = (case.number or str(case.case_id)[-12:]) if case else ""
        links[f"href_{place}"] = case_path(case.number or str(case.case_id)) if case else ""
    return {
        "key": f"{surge.kind.value} {surge.key}",
        "kind": say.word(surge.kind),
        "name": masked(surge.shown),
        "region": say.unit(surge.region) if surge.region else "",
        "count": say("surges.count", n=say.number(surge.count)),
        "since": say("surges.since", since=say.moment(surge.since, now)),
        "usual": say("surges.usual", n=per_day(surge.usual_per_day)),
        "more": say("surges.more", n=say.number(others)) if others > 0 else "",
        **links,
    }


def per_day(rate: float) -> str:
    """Two digits, where there are more before the point all of those."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}" if rate >= 0.01 else "< 0.01"


def unit_rows(lately: Lately, say: Speech) -> list[dict[str, str]]:
    """The units that have most open, each with its last 24 hours."""
    names = {unit for unit in (*lately.hours.unit, *lately.open.units) if _has_anything(lately, unit)}
    most_open = sorted(names, key=lambda unit: (-lately.open.units.get(unit, 0), unit))
    return [_unit_row(lately, unit, say) for unit in most_open[:MOST_UNITS]]


def _has_anything(lately: Lately, unit: str) -> bool:
    return lately.open.units.get(unit, 0) > 0 or lately.hours.unit.get(unit, Counts()) != Counts()


def _unit_row(lately: Lately, unit: str, say: Speech) -> dict[str, str]:
    counts: dict[str, Any] = lately.hours.unit.get(unit, Counts()).model_dump()
    counts["open"] = lately.open.units.get(unit, 0)
    return {"key": unit, "name": say.unit(unit)} | {name: say.number(counts[name]) for name in COLUMNS}
