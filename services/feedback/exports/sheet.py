"""A scorecard as a workbook (.xlsx): a sheet each for overview, charts, figures, breakdowns, exclusions and method.

The same scorecard in the same language makes the same bytes. Nothing that came from people or files can become a
formula or a link: text is written as text, and where it begins like a formula it is marked as quoted, too. There are
no formulas at all: what is printed is what was published.
"""

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal
from io import BytesIO
from typing import Any, Final

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from services.feedback.domain.measuring.scorecard import CaseCounts, Figure, UnitCard
from services.feedback.exports.issued import (
    Issued,
    League,
    amount,
    begins_like_a_formula,
    case_rows,
    counts,
    excluded_rows,
    group_rows,
    leagues,
    number_format,
    reason_of,
    rows,
    trend_of,
    unit_name,
)
from services.feedback.exports.reckoning import method
from services.feedback.exports.speech import NONE, Speech
from shared.contracts.vocabulary import Measure

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

LEAGUE = (Measure.SCORE, Measure.COMPOSITE, Measure.HANDLE, Measure.RATING)
A4: Final = 9
INK, SOFT, LINE, HEAD = "#16212B", "#55636F", "#C9D1D6", "#E0EFF2"
DARK, LIGHT = "#0B6579", "#9FC9D3"
CHART_WIDTH = 900


def sheet(issued: Issued, say: Speech) -> bytes:
    """The workbook."""
    stream = BytesIO()
    safe = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    workbook = Workbook(stream, safe)
    workbook.set_properties(
        {
            "title": say("sheet.title", period=issued.card.period),
            "subject": say("number", id=issued.id),
            "comments": issued.hash,
            "created": issued.card.end.astimezone(UTC).replace(tzinfo=None),
        }
    )
    book = _Book(workbook, issued, say)
    places = book.overview()
    book.charts(places)
    book.figures()
    book.breakdowns()
    book.cases()
    book.exclusions()
    book.method()
    workbook.close()
    return stream.getvalue()


class _Book:
    """The workbook while it is written."""

    def __init__(self, workbook: Workbook, issued: Issued, say: Speech) -> None:
        self._workbook = workbook
        self._issued = issued
        self._say = say
        self._formats: dict[tuple[tuple[str, Any], ...], Format] = {}

    # --- sheets

    def overview(self) -> list[tuple[League, int]]:
        """Returns each league with the row in which its first unit stands."""
        say, card = self._say, self._issued.card
        page = self._sheet("overview", [7, 30, 13, 13, 13, 13, 13, 13, 11, 11, 46])
        self._text(page, 0, 0, say("sheet.title", period=card.period), bold=True, font_size=16)
        self._text(page, 1, 0, self._standing(), font_color=SOFT)
        row = 3
        for name, value in counts(card.cases, say):
            self._text(page, row, 1, name)
            self._number(page, row, 2, Decimal(value), "#,##0")
            row += 1
        places = []
        for league in leagues(card):
            self._text(page, row + 1, 0, say.kind(league.kind), bold=True, font_size=13)
            self._heads(page, row + 2, [say(f"league.{name}") for name in _LEAGUE_HEADS])
            places.append((league, row + 3))
            for at, unit in enumerate(league.units, row + 3):
                self._league_row(page, at, unit)
            row += 3 + len(league.units)
        return places

    def charts(self, places: Sequence[tuple[League, int]]) -> None:
        """Native charts of the ranked units of each kind, one below the other, each on the overview's own cells."""
        say = self._say
        page = self._sheet("charts", [12] * 12)
        self._text(page, 0, 0, say("charts.title"), bold=True, font_size=13)
        row = 2
        for league, first in places:
            units = len(league.ranked)
            if not units:
                continue
            kind = say.kind(league.kind)
            drawn = [
                ([_SCORE_COLUMN], say("charts.score", kind=kind)),
                ([_HANDLE_COLUMN, _COMPOSITE_COLUMN], say("charts.pair", kind=kind)),
            ]
            if any(trend_of(unit, Measure.SCORE) is not None for unit in league.ranked):
                drawn.append(([_TREND_COLUMN], say("charts.trend", kind=kind)))
            for columns, title in drawn:
                page.insert_chart(row, 0, self._chart(columns, title, first, units), {"description": title})
                row += 18

    def figures(self) -> None:
        """Every unit and measure, raw and adjusted side by side."""
        heads = [self._say(f"figures.{name}") for name in _FIGURE_HEADS]
        page = self._sheet("figures", [11, 14, 30, 16, 11, 11, 11, 11, 11, 11, 9], freeze=(1, 4))
        self._heads(page, 0, heads)
        at = 0
        for at, row in enumerate(rows(self._issued.card, self._say), 1):
            kind = self._say.kind(row.unit.kind) if row.unit else self._say("scope.district")
            for column, text in enumerate((kind, row.key, row.name, self._say.word(row.measure))):
                self._text(page, at, column, text)
            self._figure(page, at, 4, row.measure, row.raw)
            self._figure(page, at, 7, row.measure, row.adjusted)
            self._number(page, at, 10, Decimal(row.excluded or 0), "#,##0")
        page.autofilter(0, 0, at, len(heads) - 1)

    def breakdowns(self) -> None:
        """Level, category, region and source: the same measures."""
        heads = [self._say(name) for name in _GROUP_HEADS]
        page = self._sheet("breakdowns", [11, 26, 16, 11, 11, 11, 11, 11, 11], freeze=(1, 3))
        self._heads(page, 0, heads)
        at = 0
        for at, row in enumerate(group_rows(self._issued.card, self._say), 1):
            for column, text in enumerate((self._say(f"scope.{row.scope}"), row.name, self._say.word(row.measure))):
                self._text(page, at, column, text)
            self._figure(page, at, 3, row.measure, row.raw)
            self._figure(page, at, 6, row.measure, row.adjusted)
        page.autofilter(0, 0, at, len(heads) - 1)

    def cases(self) -> None:
        """Cases as such, by who whistled, level, category, region and source."""
        page = self._sheet("cases", [11, 26, *[11] * len(CaseCounts.model_fields)], freeze=(1, 2))
        heads = [name for name, _ in counts(self._issued.card.cases, self._say)]
        self._heads(page, 0, [self._say("breakdowns.scope"), self._say("breakdowns.key"), *heads])
        at = 0
        for at, (scope, name, found) in enumerate(case_rows(self._issued.card, self._say), 1):
            self._text(page, at, 0, self._say(f"scope.{scope}"))
            self._text(page, at, 1, name)
            for column, (_, count) in enumerate(counts(found, self._say), 2):
                self._number(page, at, column, Decimal(count), "#,##0")
        page.autofilter(0, 0, at, len(heads) + 1)

    def exclusions(self) -> None:
        """From which figures how many parts were left out, with what it changed."""
        heads = [self._say(f"exclusions.{name}") for name in _EXCLUSION_HEADS]
        page = self._sheet("exclusions", [30, 16, 11, 13, 13], freeze=(1, 0))
        self._heads(page, 0, heads)
        found = excluded_rows(self._issued.card, self._say)
        for at, row in enumerate(found, 1):
            self._text(page, at, 0, row.name)
            self._text(page, at, 1, self._say.word(row.measure))
            self._number(page, at, 2, Decimal(row.excluded or 0), "#,##0")
            self._value(page, at, 3, row.measure, row.raw)
            self._value(page, at, 4, row.measure, row.adjusted)
        if not found:
            self._text(page, 1, 0, self._say("exclusions.empty"))

    def method(self) -> None:
        """By what it was reckoned, and how to reckon it again."""
        page = self._sheet("method", [26, 110], freeze=(1, 0))
        self._heads(page, 0, [self._say("method.item"), self._say("method.said")])
        for at, (item, said) in enumerate(method(self._issued, self._say), 1):
            self._text(page, at, 0, item, valign="top", bold=True)
            self._text(page, at, 1, said, valign="top", text_wrap=True)

    # --- what they are made of

    def _sheet(self, name: str, widths: Sequence[int], freeze: tuple[int, int] | None = None) -> Worksheet:
        page = self._workbook.add_worksheet(self._say(f"sheet.{name}"))
        for column, width in enumerate(widths):
            page.set_column(column, column, width)
        page.hide_gridlines(2)
        page.set_landscape()
        page.set_paper(A4)
        page.set_margins(left=0.5, right=0.5, top=0.7, bottom=0.7)
        page.fit_to_pages(1, 0)
        title = self._say("sheet.title", period=self._issued.card.period)
        page.set_header(f"&L{_printed(title)}&R{_printed(self._say(f'sheet.{name}'))}")
        page.set_footer(f"&L{_printed(self._say('number', id=self._issued.id))}&R&P / &N")
        page.freeze_panes(*(freeze or (3, 2) if name == "overview" else freeze or (0, 0)))
        if freeze:
            page.repeat_rows(0)
        return page

    def _standing(self) -> str:
        issued, say = self._issued, self._say
        state = say("state.published", at=say.full(issued.published_at)) if issued.published_at else say("state.draft")
        span = say("period.span", first=issued.card.first, last=issued.card.last)
        return say("list.join").join([span, say("edition", n=issued.card.edition), state, say("number", id=issued.id)])

    def _league_row(self, page: Worksheet, at: int, unit: UnitCard) -> None:
        if unit.rank is None:
            self._text(page, at, 0, NONE, align="right")
        else:
            self._number(page, at, 0, Decimal(unit.rank), "0")
        self._text(page, at, 1, unit_name(unit, self._say))
        self._value(page, at, 2, Measure.SCORE, unit.raw[Measure.SCORE])
        for column, measure in enumerate(LEAGUE, 3):
            self._value(page, at, column, measure, unit.adjusted[measure])
        trend = trend_of(unit, Measure.SCORE)
        if trend is None:
            self._text(page, at, _TREND_COLUMN, NONE, align="right")
        else:
            self._number(page, at, _TREND_COLUMN, trend, "+0.00;-0.00;0.00")
        self._number(page, at, 8, Decimal(unit.handled), "#,##0")
        self._number(page, at, 9, Decimal(unit.valid), "#,##0")
        self._text(page, at, 10, reason_of(unit, self._say), font_color=SOFT)

    def _chart(self, columns: Sequence[int], title: str, first: int, units: int) -> Any:
        """A column for each unit; of two series, the second is hatched, so that grey paper shows which is which."""
        chart = self._workbook.add_chart({"type": "column"})
        name = self._say("sheet.overview")
        for nth, column in enumerate(columns):
            head = self._say(f"league.{_LEAGUE_HEADS[column]}")
            fill: dict[str, Any] = {"fill": {"color": DARK}}
            if nth:
                fill = {"pattern": {"pattern": "wide_upward_diagonal", "fg_color": DARK, "bg_color": "#FFFFFF"}}
            chart.add_series(
                {
                    "name": head,
                    "categories": [name, first, 1, first + units - 1, 1],
                    "values": [name, first, column, first + units - 1, column],
                    "data_labels": {"value": True, "font": {"size": 8}},
                    "border": {"color": DARK},
                    "gap": 60,
                    **fill,
                }
            )
        chart.set_title({"name": title, "overlay": False, "name_font": {"size": 12}})
        chart.set_legend({"position": "bottom"} if len(columns) > 1 else {"none": True})
        chart.set_y_axis({"major_gridlines": {"visible": True, "line": {"color": LINE}}})
        chart.set_x_axis({"label_position": "low", "num_font": {"size": 9}})
        chart.set_size({"width": CHART_WIDTH, "height": 340})
        return chart

    def _figure(self, page: Worksheet, at: int, column: int, measure: Measure, figure: Figure) -> None:
        """Value, numerator and denominator, in three cells."""
        self._value(page, at, column, measure, figure)
        numerator = None if figure.numerator is None else Decimal(figure.numerator)
        whole = numerator is None or numerator == numerator.to_integral_value()
        self._optional(page, at, column + 1, numerator, "#,##0" if whole else "#,##0.00")
        denominator = None if figure.denominator is None else Decimal(figure.denominator)
        self._optional(page, at, column + 2, denominator, "#,##0")

    def _value(self, page: Worksheet, at: int, column: int, measure: Measure, figure: Figure) -> None:
        self._optional(page, at, column, amount(measure, figure.value), number_format(measure))

    def _optional(self, page: Worksheet, at: int, column: int, value: Decimal | None, shape: str) -> None:
        if value is None:
            self._text(page, at, column, NONE, align="right")
        else:
            self._number(page, at, column, value, shape)

    def _number(self, page: Worksheet, at: int, column: int, value: Decimal, shape: str) -> None:
        page.write_number(at, column, float(value), self._format(num_format=shape))

    def _text(self, page: Worksheet, at: int, column: int, text: str, **looks: Any) -> None:
        if begins_like_a_formula(text):
            looks["quote_prefix"] = True
        page.write_string(at, column, text, self._format(**looks))

    def _heads(self, page: Worksheet, at: int, heads: Sequence[str]) -> None:
        for column, head in enumerate(heads):
            self._text(page, at, column, head, bold=True, bg_color=HEAD, bottom=1, text_wrap=True, valign="vcenter")

    def _format(self, **looks: Any) -> Format:
        key = tuple(sorted(looks.items()))
        if key not in self._formats:
            self._formats[key] = self._workbook.add_format({"font_size": 10, "font_color": INK, **looks})
        return self._formats[key]


def _printed(text: str) -> str:
    """In a header an ampersand begins a code; doubled, it is itself."""
    return text.replace("&", "&&")


_LEAGUE_HEADS = (
    "rank", "unit", "raw_score", "score", "composite", "handle", "rating", "trend", "handled", "valid", "reason",
)  # fmt: skip
_SCORE_COLUMN = _LEAGUE_HEADS.index("score")
_COMPOSITE_COLUMN = _LEAGUE_HEADS.index("composite")
_HANDLE_COLUMN = _LEAGUE_HEADS.index("handle")
_TREND_COLUMN = _LEAGUE_HEADS.index("trend")
_FIGURE_HEADS = (
    "kind", "code", "unit", "measure",
    "raw", "raw_numerator", "raw_denominator", "adjusted", "adjusted_numerator", "adjusted_denominator", "excluded",
)  # fmt: skip
_GROUP_HEADS = ("breakdowns.scope", "breakdowns.key", *(f"figures.{name}" for name in _FIGURE_HEADS[3:10]))
_EXCLUSION_HEADS = ("unit", "measure", "excluded", "raw", "adjusted")
