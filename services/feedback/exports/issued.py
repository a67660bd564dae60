"""A scorecard as it is handed out: what goes with it, in which order its rows stand, and how its figures are written.

The sheet, the CSV and the page all read from here, so that they say the same.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from services.feedback.domain.measuring.scorecard import CaseCounts, Figure, FigureGroup, Scorecard, UnitCard
from services.feedback.exports.speech import NONE, Speech
from shared.contracts.vocabulary import Level, Measure, Source, UnitKind

KINDS = (UnitKind.STREET, UnitKind.COMMUNITY, UnitKind.DEPARTMENT, UnitKind.UTILITY)
"""Whose league comes first; other kinds follow, then units that left the district."""

HALVES = (tuple(Measure)[:9], tuple(Measure)[9:])
"""All measures in two tables, each as wide as a sheet of paper."""

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Issued:
    """A scorecard with its number and the hash of its content.

    `published_at` None: it is provisional. `corrects`: the number of the edition whose figures it puts right.
    """

    id: int
    card: Scorecard
    hash: str
    published_at: datetime | None = None
    corrects: int | None = None


class League(NamedTuple):
    """Units of one kind: the ranked by their rank, then the others by their code."""

    kind: UnitKind | None
    ranked: Sequence[UnitCard]
    unranked: Sequence[UnitCard]

    @property
    def units(self) -> Sequence[UnitCard]:
        return [*self.ranked, *self.unranked]


class Row(NamedTuple):
    """One measure of the district, of a unit or of a group (`scope`); `excluded` is not told of groups."""

    scope: str
    key: str
    name: str
    unit: UnitCard | None
    measure: Measure
    raw: Figure
    adjusted: Figure
    excluded: int


def leagues(card: Scorecard) -> list[League]:
    order = [*KINDS, *(kind for kind in UnitKind if kind not in KINDS), None]
    return [league for league in (_league(card, kind) for kind in order) if league.units]


def _league(card: Scorecard, kind: UnitKind | None) -> League:
    units = [unit for unit in card.units if unit.kind == kind]
    ranked = sorted((unit for unit in units if unit.rank is not None), key=lambda unit: (unit.rank or 0, unit.unit))
    return League(kind, ranked, sorted((unit for unit in units if unit.rank is None), key=lambda unit: unit.unit))


def rows(card: Scorecard, say: Speech) -> Iterator[Row]:
    """The district, then every unit in the order of its league, each with every measure."""
    yield from _rows("district", "", say("scope.district"), None, card.district, card.excluded)
    for league in leagues(card):
        for unit in league.units:
            yield from _rows("unit", unit.unit, unit_name(unit, say), unit, unit, unit.excluded)


def group_rows(card: Scorecard, say: Speech) -> Iterator[Row]:
    """By level, category, region and source."""
    groups = (
        ("level", card.by_level),
        ("category", card.by_category),
        ("region", card.by_region),
        ("source", card.by_source),
    )
    for scope, found in groups:
        for group in found:
            yield from _rows(scope, group.key, group_name(scope, group.key, say), None, group, {})


def case_rows(card: Scorecard, say: Speech) -> Iterator[tuple[str, str, CaseCounts]]:
    """Cases of the district, then by who whistled, level, category, region and source: (scope, name, counts)."""
    yield "district", say("scope.district"), card.cases
    groups = (
        ("whistle_blower", card.cases_by_whistle_blower),
        ("level", card.cases_by_level),
        ("category", card.cases_by_category),
        ("region", card.cases_by_region),
        ("source", card.cases_by_source),
    )
    for scope, found in groups:
        for group in found:
            yield scope, group_name(scope, group.key, say), group.counts


def group_name(scope: str, key: str, say: Speech) -> str:
    """What a group is called; an empty key: none was given."""
    if not key:
        return say(f"{scope}.none")
    match scope:
        case "level":
            return say.word(Level(key))
        case "source":
            return say.word(Source(key))
        case "region" | "whistle_blower":
            return say.unit(key)
        case _:
            return key


def _rows(
    scope: str, key: str, name: str, unit: UnitCard | None, of: UnitCard | FigureGroup, excluded: Mapping[Measure, int]
) -> Iterator[Row]:
    for measure in Measure:
        yield Row(scope, key, name, unit, measure, of.raw[measure], of.adjusted[measure], excluded.get(measure, 0))


def excluded_rows(card: Scorecard, say: Speech) -> list[Row]:
    """Only those from which a part was left out."""
    return [row for row in rows(card, say) if row.excluded]


def unit_name(unit: UnitCard, say: Speech) -> str:
    """As it was called when the scorecard was computed."""
    return (unit.name_en or unit.name) if say.language == "en" else unit.name


def reason_of(unit: UnitCard, say: Speech) -> str:
    """Why it is not ranked; empty where it is."""
    return say.either(unit.unranked.zh, unit.unranked.en) if unit.unranked else ""


def counts(found: CaseCounts, say: Speech) -> list[tuple[str, int]]:
    """How many cases were received, closed and so on."""
    return [(say(f"cases.{name}"), count) for name, count in found]


# --- figures


def amount(measure: Measure, value: str | None) -> Decimal | None:
    """The number that is shown: the score in points of a hundred, everything else as it is."""
    if value is None:
        return None
    return Decimal(value) * HUNDRED if measure is Measure.SCORE else Decimal(value)


def number_format(measure: Measure) -> str:
    """How a spreadsheet shows the amount."""
    return "0.00" if measure in (Measure.SCORE, Measure.RATING) else "0.00%"


def said(measure: Measure, value: str | None) -> str:
    """The amount in writing, `91.23%`, `4.56`, `—`."""
    found = amount(measure, value)
    if found is None:
        return NONE
    return f"{found:.2f}" if measure in (Measure.SCORE, Measure.RATING) else f"{found * HUNDRED:.2f}%"


def share(measure: Measure, value: str | None) -> Decimal | None:
    """How much of the full bar it fills, from 0 to 1."""
    if value is None:
        return None
    return (Decimal(value) - 1) / 4 if measure is Measure.RATING else Decimal(value)


def trend_of(unit: UnitCard, measure: Measure) -> Decimal | None:
    """By how much it rose against the former period, in the amounts' own unit."""
    return amount(measure, unit.trend.get(measure))


def said_trend(measure: Measure, value: str | None) -> str:
    """`+1.20`; rates in percentage points."""
    found = amount(measure, value)
    if found is None:
        return NONE
    return f"{found if measure in (Measure.SCORE, Measure.RATING) else found * HUNDRED:+.2f}"


def counted(numerator: str | None) -> str:
    """A numerator in writing: whole where it is whole."""
    return NONE if numerator is None else f"{Decimal(numerator).normalize():f}"


# --- safety

_PASSED_OVER = " \u00a0\u3000'\"\ufeff\u200b\u200c\u200d\u2060\u200e\u200f\t\r\n"


def begins_like_a_formula(text: str) -> bool:
    """Whether a spreadsheet could take a text for a formula, when it is opened or edited.

    Full-width signs count, too, and what stands behind spaces, quotes or invisible letters.
    """
    start = unicodedata.normalize("NFKC", text).lstrip(_PASSED_OVER)
    return start.startswith(("=", "+", "-", "@")) or text.startswith(("\t", "\r", "\n"))
