"""考核表: what a scorecard says, word for word as it is frozen, signed by its hash and computed again. Pure.

The same rows, method and units give the same bytes, in whatever order the rows were counted. A figure is written as
a decimal text; its numerator and denominator stand beside it. `raw` counts every part, `adjusted` leaves out what an
approved exclusion (剔除) leaves out.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import TypeAlias

import orjson

from services.feedback.domain.measuring.formulas import Exact, figures, written
from services.feedback.domain.measuring.measures import Counting, Group, pulled_down
from services.feedback.domain.measuring.ranking import Candidate, Place, Standing, Words, placed
from services.feedback.domain.measuring.scoring import CompositeWeights, Rhythm, ScoreWeights, Scoring
from services.feedback.domain.measuring.tally import CaseTally, Tally
from shared.contracts.facts import Value
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import Measure, UnitKind

METHOD = "1"
"""How this release measures. Counted up whenever the same rows would give another scorecard."""

REPORTING_KINDS = (UnitKind.STREET, UnitKind.DEPARTMENT, UnitKind.UTILITY)
"""Units that are whistled and report for duty (报到); a community signs in to what it handles itself."""


class Inputs(Value):
    """Of what it was computed: how far each log was read, shard by shard, and by which versions."""

    positions: dict[str, dict[str, int]]
    scoring: str
    tree: str
    method: str = METHOD


class Former(Value):
    """The scorecard of the period before, which the trend is against."""

    period: str
    edition: int
    content_hash: str


class Method(Value):
    """The weights and the minimum that this one was computed by, so that it can be read by itself."""

    composite: CompositeWeights
    score: ScoreWeights
    basically_satisfied: str
    minimum_sample: int
    month_begins_on: int


class Figure(Value):
    """`value` None: nothing to divide by, printed as “—”. Composite and score have no fraction of their own."""

    numerator: str | None
    denominator: int | None
    value: str | None


Figures: TypeAlias = dict[Measure, Figure]


class PulledBy(Value):
    """Parts that pull a figure down, and the first of their cases, the worst first."""

    count: int
    numbers: tuple[str, ...]


class UnitCard(Value):
    """One unit. `handled` and `valid` are the samples its rank rests on; `trend` is of the adjusted figures.

    `silent`: residents who gave no answer; they are in no denominator. `excluded`: parts left out, by measure.
    `rank` of `of` among the ranked units of its kind; unranked, `unranked` says why.
    """

    unit: str
    kind: UnitKind | None
    name: str
    name_en: str
    raw: Figures
    adjusted: Figures
    trend: dict[Measure, str | None]
    excluded: dict[Measure, int]
    handled: int
    valid: int
    silent: int
    rank: int | None
    of: int
    unranked: Words | None
    pulled_down: dict[Measure, PulledBy]


class FigureGroup(Value):
    """All units together, of one level, category, region or source; an empty key: none was given."""

    key: str
    raw: Figures
    adjusted: Figures
    silent: int


class CaseCounts(Value):
    """Cases by what became of them in the period; `open` were so when it ended."""

    received: int = 0
    declined: int = 0
    withdrawn: int = 0
    merged: int = 0
    closed: int = 0
    reopened: int = 0
    open: int = 0
    sampled: int = 0
    sample_checked: int = 0
    sample_failed: int = 0


class CaseGroup(Value):
    key: str
    counts: CaseCounts


class Scorecard(Value):
    """`first` and `last` are local days, [`start`, `end`) the same in UTC. Units stand by code, groups by key."""

    rhythm: Rhythm
    period: str
    first: date
    last: date
    start: datetime
    end: datetime
    edition: int
    inputs: Inputs
    method: Method
    former: Former | None
    district: FigureGroup
    trend: dict[Measure, str | None]
    excluded: dict[Measure, int]
    units: tuple[UnitCard, ...]
    by_level: tuple[FigureGroup, ...]
    by_category: tuple[FigureGroup, ...]
    by_region: tuple[FigureGroup, ...]
    by_source: tuple[FigureGroup, ...]
    cases: CaseCounts
    cases_by_whistle_blower: tuple[CaseGroup, ...]
    cases_by_level: tuple[CaseGroup, ...]
    cases_by_category: tuple[CaseGroup, ...]
    cases_by_region: tuple[CaseGroup, ...]
    cases_by_source: tuple[CaseGroup, ...]

    def unit(self, code: str) -> UnitCard | None:
        return next((one for one in self.units if one.unit == code), None)


def content(card: Scorecard) -> bytes:
    """The bytes that are frozen: canonical JSON, keys sorted."""
    return orjson.dumps(card.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)


def content_hash(frozen: bytes) -> str:
    return sha256(frozen).hexdigest()


def read(frozen: bytes) -> Scorecard:
    return Scorecard.model_validate_json(frozen)


def compute(
    counting: Counting,
    scoring: Scoring,
    tree: UnitTree,
    inputs: Inputs,
    *,
    edition: int = 1,
    former: Scorecard | None = None,
) -> Scorecard:
    """The scorecard of what was counted. `former`: the published one of the period before, for the trend."""
    if former is not None and former.rhythm is not counting.period.rhythm:
        raise ValueError(f"a {counting.period.rhythm} is not compared with a {former.rhythm}")
    return _Computing(counting, scoring, tree, former).card(inputs, edition)


class _Computing:
    def __init__(self, counting: Counting, scoring: Scoring, tree: UnitTree, former: Scorecard | None) -> None:
        self.counting = counting
        self.scoring = scoring
        self.tree = tree
        self.former = former

    def card(self, inputs: Inputs, edition: int) -> Scorecard:
        period, scoring, cases = self.counting.period, self.scoring, self._case_groups
        units = self._units()
        district = next(iter(self._groups(lambda _: "")), None) or self._group("", Tally(), Tally())
        return Scorecard(
            rhythm=period.rhythm,
            period=period.name,
            first=period.first,
            last=period.last,
            start=period.start,
            end=period.end,
            edition=edition,
            inputs=inputs,
            method=Method(
                composite=scoring.composite,
                score=scoring.score,
                basically_satisfied=str(scoring.basically_satisfied),
                minimum_sample=scoring.minimum_sample,
                month_begins_on=scoring.month_begins_on,
            ),
            former=None if self.former is None else _named(self.former),
            district=district,
            trend=_trend(district.adjusted, None if self.former is None else self.former.district.adjusted),
            excluded=_added_up(one.excluded for one in units),
            units=units,
            by_level=self._groups(lambda group: group.level or ""),
            by_category=self._groups(lambda group: group.category),
            by_region=self._groups(lambda group: group.region),
            by_source=self._groups(lambda group: group.source),
            cases=next((one.counts for one in cases(lambda _: "")), CaseCounts()),
            cases_by_whistle_blower=cases(lambda group: group.unit),
            cases_by_level=cases(lambda group: group.level or ""),
            cases_by_category=cases(lambda group: group.category),
            cases_by_region=cases(lambda group: group.region),
            cases_by_source=cases(lambda group: group.source),
        )

    def _units(self) -> tuple[UnitCard, ...]:
        raw = self.counting.raw(lambda group: group.unit, self._reports)
        without = self.counting.excluded(lambda group: group.unit, self._reports)
        adjusted = {unit: tally.minus(without.get(unit, Tally())) for unit, tally in raw.items()}
        exact = {unit: figures(tally, self.scoring) for unit, tally in adjusted.items()}
        places = placed(
            (
                Candidate(unit, self._kind(unit), self._standing(unit), exact[unit][Measure.SCORE].value, tally)
                for unit, tally in adjusted.items()
            ),
            self.scoring.minimum_sample,
        )
        return tuple(self._unit(unit, raw[unit], exact[unit], places[unit]) for unit in sorted(raw))

    def _unit(self, unit: str, raw: Tally, exact: dict[Measure, Exact], place: Place) -> UnitCard:
        adjusted = _figures(exact)
        before = self.former.unit(unit) if self.former is not None else None
        return UnitCard(
            unit=unit,
            kind=self._kind(unit),
            name=self.tree.name_of(unit),
            name_en=self.tree.name_of(unit, english=True),
            raw=_figures(figures(raw, self.scoring)),
            adjusted=adjusted,
            trend=_trend(adjusted, before.adjusted if before is not None else None),
            excluded=self.counting.left_out_of(unit),
            handled=place.handled,
            valid=place.valid,
            silent=raw.silent,
            rank=place.rank,
            of=place.of,
            unranked=place.unranked,
            pulled_down={
                measure: PulledBy(count=pulled.count, numbers=pulled.numbers)
                for measure, pulled in pulled_down(self.counting, unit).items()
            },
        )

    def _groups(self, by: Callable[[Group], str]) -> tuple[FigureGroup, ...]:
        raw = self.counting.raw(by, self._reports)
        without = self.counting.excluded(by, self._reports)
        return tuple(self._group(key, raw[key], without.get(key, Tally())) for key in sorted(raw))

    def _group(self, key: str, raw: Tally, without: Tally) -> FigureGroup:
        return FigureGroup(
            key=key,
            raw=_figures(figures(raw, self.scoring)),
            adjusted=_figures(figures(raw.minus(without), self.scoring)),
            silent=raw.silent,
        )

    def _case_groups(self, by: Callable[[Group], str]) -> tuple[CaseGroup, ...]:
        found: dict[str, CaseTally] = self.counting.cases(by)
        return tuple(CaseGroup(key=key, counts=CaseCounts(**found[key]._asdict())) for key in sorted(found))

    def _kind(self, unit: str) -> UnitKind | None:
        known = self.tree.get(unit) or self.tree.retired.get(unit)
        return known.kind if known is not None else None

    def _standing(self, unit: str) -> Standing:
        return Standing.PRESENT if unit in self.tree else Standing.PAST

    def _reports(self, unit: str) -> bool:
        return self._kind(unit) in REPORTING_KINDS


def _figures(exact: dict[Measure, Exact]) -> Figures:
    return {
        measure: Figure(
            numerator=_plain(one.numerator),
            denominator=one.denominator,
            value=written(one.value),
        )
        for measure, one in exact.items()
    }


def _plain(number: Fraction | None) -> str | None:
    """A numerator, in full: weights have six places at most."""
    text = written(number, 6)
    return text.rstrip("0").rstrip(".") if text is not None else None


def _trend(now: Figures, before: Figures | None) -> dict[Measure, str | None]:
    """How each figure changed, as the difference of what was written: "+0.0123". None where one has no value."""

    def difference(measure: Measure) -> str | None:
        known = before.get(measure) if before is not None else None
        value = now[measure].value
        if known is None or known.value is None or value is None:
            return None
        return f"{Decimal(value) - Decimal(known.value):+f}"

    return {measure: difference(measure) for measure in now}


def _named(former: Scorecard) -> Former:
    return Former(period=former.period, edition=former.edition, content_hash=content_hash(content(former)))


def _added_up(excluded: Iterable[dict[Measure, int]]) -> dict[Measure, int]:
    found: dict[Measure, int] = {}
    for one in excluded:
        for measure, count in one.items():
            found[measure] = found.get(measure, 0) + count
    return found
