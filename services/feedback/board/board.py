"""The public board as it is read: what is asked of it, and what it says. Nothing in it leads to a person."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel, Field

from services.feedback.domain.moment import sortable
from services.feedback.domain.publication import Hidden, Publication
from services.feedback.views import share
from shared.contracts.facts import FeedbackPublished
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import Satisfaction, UnitKind
from shared.runtime.decision import Refusal
from shared.runtime.problems import Refused

_MOMENT = re.compile(r"[0-9T:.-]{26}Z")

# --- the port -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: of these regions, of this level-1 category, closed from one moment until before another."""

    regions: frozenset[str] | None = None
    category: str | None = None
    month: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class BoardPlace:
    """A place in the order of the board: when it was closed, as its sortable text, then the case's id."""

    closed_at: str
    case_id: UUID


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of what was closed, what is not shown included. `timed` and `rated` are what is divided by."""

    closed: int = 0
    on_time: int = 0
    timed: int = 0
    satisfied: int = 0
    basically_satisfied: int = 0
    rated: int = 0
    hidden: Mapping[Hidden, int] = field(default_factory=dict)


class BoardReader(Protocol):
    async def page(self, wanted: Wanted, before: BoardPlace | None, most: int) -> Sequence[tuple[UUID, Publication]]:
        """What is shown, closed last first."""
        ...

    async def figures(self, wanted: Wanted) -> Figures:
        """Counts of the month that is wanted, whatever the region and category."""
        ...

    async def categories(self) -> Sequence[str]:
        """The level-1 categories of what is shown, in order."""
        ...


# --- what is said -----------------------------------------------------------------------------------------------


class BoardEntry(BaseModel):
    """One closed case, anonymised. `days`: whole days from 受理 to 销号; `satisfaction` null = not rated."""

    number: str
    title: str
    result: str
    category: tuple[str, ...]
    street: str | None = Field(description="the street's name")
    community: str | None = Field(description="the community's name; null where the case is a whole street's")
    units: tuple[str, ...] = Field(description="names of the units that handled it")
    received_at: datetime
    closed_at: datetime
    days: int
    satisfaction: Satisfaction | None


class BoardFigures(BaseModel):
    """The month in figures; rates are null where there is nothing to divide by."""

    month: str
    closed: int
    on_time: float | None
    satisfied: float | None
    rated: int
    not_shown: dict[Hidden, int]


class BoardPage(BaseModel):
    figures: BoardFigures
    entries: list[BoardEntry]
    next: str | None


def entry_of(entry: FeedbackPublished, units: UnitTree, *, english: bool) -> BoardEntry:
    region = units.present(entry.region) or entry.region
    street, community = units.nearest(region, UnitKind.STREET), units.nearest(region, UnitKind.COMMUNITY)
    return BoardEntry(
        number=entry.number,
        title=entry.title,
        result=entry.result,
        category=entry.category,
        street=units.name_of(street.code, english=english) if street else None,
        community=units.name_of(community.code, english=english) if community else None,
        units=tuple(units.name_of(unit, english=english) for unit in entry.units),
        received_at=entry.received_at,
        closed_at=entry.closed_at,
        days=max(0, (entry.closed_at - entry.received_at).days),
        satisfaction=entry.satisfaction,
    )


def figures_of(month: str, figures: Figures, basically_satisfied: Decimal) -> BoardFigures:
    """满意率 as the scorecards have it: `basically_satisfied` of a 基本满意 counts."""
    satisfied = figures.satisfied + float(basically_satisfied) * figures.basically_satisfied
    return BoardFigures(
        month=month,
        closed=figures.closed,
        on_time=share(figures.on_time, figures.timed),
        satisfied=share(satisfied, figures.rated),
        rated=figures.rated,
        not_shown=dict(figures.hidden),
    )


# --- what is asked ----------------------------------------------------------------------------------------------


def regions_within(units: UnitTree, region: str | None) -> frozenset[str] | None:
    """That region and all below it, former units that were taken over there included. Raises `Refused` (422)."""
    if region is None:
        return None
    if region not in units:
        raise Refused(
            Refusal(
                "region_unknown",
                zh=f"没有代码为 {region} 的街道或社区；请从列表中选择。",
                en=f"There is no street or community {region}; choose one of the list.",
                field="region",
                status=422,
            )
        )
    known = [*(unit.code for unit in units), *units.retired]
    return frozenset(code for code in known if units.is_within(units.present(code) or code, region))


def month_span(month: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """A month `2026-11` as [start, end) in the district's zone."""
    year, number = map(int, month.split("-"))
    start = datetime(year, number, 1, tzinfo=zone)
    return start, datetime(year + number // 12, number % 12 + 1, 1, tzinfo=zone)


def month_of(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m")


def write_place(case_id: UUID, publication: Publication) -> str:
    return base64.urlsafe_b64encode(f"{sortable(publication.closed_at)} {case_id}".encode()).decode()


def read_place(cursor: str | None) -> BoardPlace | None:
    """The place a cursor stands for; None for the beginning. Raises `Refused` (422) for anything not written here."""
    if cursor is None:
        return None
    try:
        closed_at, _, case_id = base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").partition(" ")
        place = BoardPlace(closed_at, UUID(case_id))
    except (binascii.Error, UnicodeError, ValueError):
        raise Refused(_CURSOR_INVALID) from None
    if not _MOMENT.fullmatch(closed_at):
        raise Refused(_CURSOR_INVALID)
    return place


_CURSOR_INVALID = Refusal(
    "cursor_invalid",
    zh="cursor 无效；请使用上一页给出的值，或去掉它从头开始。",
    en="The cursor is not valid; use the one of the page before, or leave it out.",
    field="cursor",
    status=422,
)
