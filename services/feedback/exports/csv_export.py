"""A scorecard as CSV, for other programs: one line for each unit (or group) × measure × raw/adjusted.

UTF-8 with a byte order mark, comma, CRLF, and one header line in the words of the API:

- `scorecard`, `period`, `edition`, `first`, `last`: which scorecard, and its first and last day
- `scope`: `district`, `unit`, `level`, `category`, `region` or `source`; `key`: its code; `name`; `kind` of a unit
- `measure` as in the API; `figure`: `raw` or `adjusted` (without what was excluded with approval)
- `value`: a share from 0 to 1 with 4 places (`rating`: from 1 to 5), `numerator`, `denominator`; empty where there is
  no figure, because nothing is there to divide by
- `excluded`: how many parts the adjusted figure leaves out; `rank` of `of`: the unit's place among the ranked units of
  its kind, empty where it is not ranked; `trend`: against the former period

A text that a spreadsheet could take for a formula stands behind an apostrophe. Numbers may be negative.
"""

import csv
from collections.abc import Iterator
from io import StringIO
from itertools import chain
from typing import Final

from services.feedback.exports.issued import Issued, Row, begins_like_a_formula, group_rows, rows
from services.feedback.exports.speech import Speech

MEDIA_TYPE: Final = "text/csv; charset=utf-8"

HEADER = (
    "scorecard", "period", "edition", "first", "last", "scope", "key", "name", "kind",
    "measure", "figure", "value", "numerator", "denominator", "excluded", "rank", "of", "trend",
)  # fmt: skip


def csv_text(issued: Issued, say: Speech) -> bytes:
    """The file's bytes; `say` names what has a name."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    card = issued.card
    which = [str(issued.id), _safe(card.period), str(card.edition), str(card.first), str(card.last)]
    for row in chain(rows(card, say), group_rows(card, say)):
        writer.writerows([*which, *line] for line in _lines(row))
    return text.getvalue().encode("utf-8-sig")


def _lines(row: Row) -> Iterator[list[str]]:
    unit = row.unit
    kind = (unit.kind or "") if unit else ""
    for name, figure in (("raw", row.raw), ("adjusted", row.adjusted)):
        yield [
            row.scope,
            _safe(row.key),
            _safe(row.name),
            kind,
            row.measure.value,
            name,
            _written(figure.value),
            _written(figure.numerator),
            _written(figure.denominator),
            _written(row.excluded) if name == "adjusted" else "",
            _written(unit.rank) if unit else "",
            _written(unit.of) if unit else "",
            _written(unit.trend.get(row.measure)) if unit and name == "adjusted" else "",
        ]


def _written(value: str | int | None) -> str:
    return "" if value is None else str(value)


def _safe(text: str) -> str:
    return f"'{text}" if begins_like_a_formula(text) else text
