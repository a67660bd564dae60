"""Pages that can be printed: a scorecard, and the quarter's reference opinion.

Each is one file without scripts and without anything from elsewhere: it can be saved, sent and printed as it is.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

import jinja2
from markupsafe import Markup

from services.feedback.domain.measuring.opinion import opinions
from services.feedback.domain.measuring.scorecard import UnitCard
from services.feedback.exports import issued as of
from services.feedback.exports.charts import Bar, Mark, Pair, bars, moves, pairs
from services.feedback.exports.issued import Issued, League
from services.feedback.exports.reckoning import method
from services.feedback.exports.speech import Speech
from shared.contracts.vocabulary import Measure

MEDIA_TYPE: Final = "text/html; charset=utf-8"
FOLDER = Path(__file__).parents[1] / "templates"

CaseLink: TypeAlias = Callable[[str], str]
"""The address of a case's page by the case's number."""

LEAGUE = (Measure.SCORE, Measure.COMPOSITE, Measure.HANDLE, Measure.RATING)

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(issued: Issued, say: Speech) -> str:
    """The scorecard: totals, a league for each kind of unit with its charts, all figures, and the method."""
    card = issued.card
    leagues = of.leagues(card)
    return _drawn(
        "scorecard.html",
        issued,
        say,
        totals=[*of.counts(card.cases, say), *_district(issued, say)],
        leagues=[(f"kind-{n}", league, _charts(f"kind-{n}", league, say)) for n, league in enumerate(leagues)],
        league_measures=LEAGUE,
        groups=_groups(issued, say),
        excluded=of.excluded_rows(card, say),
    )


def opinion_page(issued: Issued, say: Speech, case_link: CaseLink) -> str:
    """季度参考意见: for each unit its place, its score and trend, and what pulled it down, each with its cases."""
    found = {opinion.unit: opinion for opinion in opinions(issued.card)}
    units = [unit for league in of.leagues(issued.card) for unit in league.units]
    return _drawn(
        "scorecard_opinion.html",
        issued,
        say,
        opinions=[(found[unit.unit], unit) for unit in units],
        case_link=case_link,
    )


def _drawn(template: str, issued: Issued, say: Speech, **values: Any) -> str:
    return _TEMPLATES.get_template(template).render(
        say=say,
        hub=say.hub(),
        issued=issued,
        card=issued.card,
        of=of,
        Measure=Measure,
        method=method(issued, say),
        **values,
    )


def _district(issued: Issued, say: Speech) -> list[tuple[str, str]]:
    figures = issued.card.district.adjusted
    return [(say.word(measure), of.said(measure, figures[measure].value)) for measure in LEAGUE]


def _groups(issued: Issued, say: Speech) -> list[tuple[str, list[tuple[str, list[of.Row]]]]]:
    """Each breakdown with its rows, one for each value, holding all measures."""
    found: dict[str, dict[str, tuple[str, list[of.Row]]]] = {}
    for row in of.group_rows(issued.card, say):
        found.setdefault(row.scope, {}).setdefault(row.key, (row.name, []))[1].append(row)
    return [(scope, list(rows.values())) for scope, rows in found.items()]


def _charts(name: str, league: League, say: Speech) -> Sequence[tuple[str, Markup, Sequence[tuple[str, str]]]]:
    """Title, drawing, and its keys (class, word), of the ranked units."""
    ranked = league.ranked
    if not ranked:
        return []
    kind = say.kind(league.kind)
    titles = {chart: say(f"charts.{chart}", kind=kind) for chart in ("score", "pair", "moves")}
    drawn: list[tuple[str, Markup, Sequence[tuple[str, str]]]] = [
        (
            titles["score"],
            bars(
                f"{name}-score",
                titles["score"],
                [Bar(of.unit_name(unit, say), _mark(unit, Measure.SCORE)) for unit in ranked],
            ),
            [],
        ),
        (
            titles["pair"],
            pairs(
                f"{name}-pair",
                titles["pair"],
                [
                    Pair(of.unit_name(unit, say), _mark(unit, Measure.HANDLE), _mark(unit, Measure.COMPOSITE))
                    for unit in ranked
                ],
            ),
            [("key", say.word(Measure.HANDLE)), ("key key-hatched", say.word(Measure.COMPOSITE))],
        ),
    ]
    moved = [
        Pair(of.unit_name(unit, say), before, _mark(unit, Measure.SCORE))
        for unit in ranked
        if (before := _before(unit))
    ]
    if moved:
        keys = [("key key-before", say("charts.before")), ("key key-after", say("charts.now"))]
        drawn.append((titles["moves"], moves(f"{name}-moves", titles["moves"], moved), keys))
    return drawn


def _mark(unit: UnitCard, measure: Measure) -> Mark:
    value = unit.adjusted[measure].value
    return Mark(of.share(measure, value), of.said(measure, value))


def _before(unit: UnitCard) -> Mark | None:
    """The former period's score: what the present one is, without what it rose by."""
    value, trend = unit.adjusted[Measure.SCORE].value, unit.trend.get(Measure.SCORE)
    if value is None or trend is None:
        return None
    former = str(Decimal(value) - Decimal(trend))
    return Mark(of.share(Measure.SCORE, former), of.said(Measure.SCORE, former))
