"""图: charts as inline SVG, drawn without scripts, legible in grey, on paper and at the width of a telephone.

Every chart has its title and, in words, what it shows; colours come from the page's stylesheet (`var(--…)`), and what
two colours tell apart, a pattern or a shape tells apart, too. All text is escaped. Same values in, same bytes out.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple
from unicodedata import east_asian_width

from markupsafe import Markup

WIDTH = 400
ROW, BAR = 34, 11
SECOND = 9
EM = 12
GAP = Decimal(6)

_FRAME = Markup(
    '<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-said">'
    '<title id="{name}-title">{title}</title><desc id="{name}-said">{said}</desc>{drawn}</svg>'
)
_LABEL = Markup('<text class="chart-label" x="0" y="{y}">{text}</text>')
_VALUE = Markup('<text class="chart-value" x="{x}" y="{y}" text-anchor="end">{text}</text>')
_TRACK = Markup('<rect class="chart-track" x="0" y="{y}" width="{width}" height="{height}"/>')
_BAR = Markup('<rect class="{css}" x="0" y="{y}" width="{width}" height="{height}"/>')
_HATCH = Markup(
    '<defs><pattern id="{name}-hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect class="chart-hatch-paper" width="5" height="5"/>'
    '<rect class="chart-hatch-ink" width="2" height="5"/></pattern></defs>'
)
_HATCHED = Markup(
    '<rect fill="url(#{name}-hatch)" class="chart-hatched" x="0" y="{y}" width="{width}" height="{height}"/>'
)


class Mark(NamedTuple):
    """A value as it is drawn, from 0 to 1, and as it is written. `share` None: there is no figure."""

    share: Decimal | None
    text: str


class Bar(NamedTuple):
    label: str
    mark: Mark


class Pair(NamedTuple):
    """Two figures of one unit, or one figure then and now."""

    label: str
    first: Mark
    second: Mark


def bars(name: str, title: str, rows: Sequence[Bar]) -> Markup:
    """One bar each, the figure beside it. `name` is the chart's own on its page."""
    drawn = Markup("").join(_bar(row, index * ROW) for index, row in enumerate(rows))
    return _framed(name, title, _told((row.label, (row.mark.text,)) for row in rows), len(rows) * ROW, drawn)


def pairs(name: str, title: str, rows: Sequence[Pair]) -> Markup:
    """Two bars each: the first full, the second hatched."""
    height = ROW + SECOND
    drawn = Markup("").join(_pair(name, row, index * height) for index, row in enumerate(rows))
    said = _told((row.label, (row.first.text, row.second.text)) for row in rows)
    return _framed(name, title, said, len(rows) * height, _HATCH.format(name=name) + drawn)


def moves(name: str, title: str, rows: Sequence[Pair]) -> Markup:
    """From the former figure, a hollow mark, to the present one, a full mark; the axis spans what there is."""
    shares = [mark.share for row in rows for mark in (row.first, row.second) if mark.share is not None]
    low, high = min(shares, default=Decimal(0)), max(shares, default=Decimal(1))
    span = max(high - low, Decimal("0.01"))
    drawn = Markup("").join(_move(row, index * ROW, low, span) for index, row in enumerate(rows))
    said = _told((row.label, (f"{row.first.text} → {row.second.text}",)) for row in rows)
    return _framed(name, title, said, len(rows) * ROW, drawn)


def _framed(name: str, title: str, said: str, height: int, drawn: Markup) -> Markup:
    return _FRAME.format(width=WIDTH, height=max(height, ROW), name=name, title=title, said=said, drawn=drawn)


def _told(rows: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    return "; ".join(f"{label} {' / '.join(values)}" for label, values in rows)


def _head(label: str, value: str, top: int) -> Markup:
    room = WIDTH - _wide(value) - 12
    return _LABEL.format(y=top + 13, text=_cut(label, room)) + _VALUE.format(x=WIDTH, y=top + 13, text=value)


def _bar(row: Bar, top: int) -> Markup:
    drawn = _head(row.label, row.mark.text, top) + _TRACK.format(y=top + 18, width=WIDTH, height=BAR)
    if row.mark.share is None:
        return drawn
    return drawn + _BAR.format(css="chart-bar", y=top + 18, width=_across(row.mark.share), height=BAR)


def _pair(name: str, row: Pair, top: int) -> Markup:
    drawn = _head(row.label, f"{row.first.text} / {row.second.text}", top)
    drawn += _TRACK.format(y=top + 18, width=WIDTH, height=2 * SECOND + 1)
    if row.first.share is not None:
        drawn += _BAR.format(css="chart-bar", y=top + 18, width=_across(row.first.share), height=SECOND)
    if row.second.share is not None:
        width = _across(row.second.share)
        drawn += _HATCHED.format(name=name, y=top + 19 + SECOND, width=width, height=SECOND)
    return drawn


def _move(row: Pair, top: int, low: Decimal, span: Decimal) -> Markup:
    def at(share: Decimal) -> str:
        return _places(GAP + (share - low) / span * (WIDTH - 2 * GAP))

    y = top + 24
    drawn = _head(row.label, f"{row.first.text} → {row.second.text}", top)
    drawn += Markup('<line class="chart-rule" x1="0" x2="{x}" y1="{y}" y2="{y}"/>').format(x=WIDTH, y=y)
    before, after = row.first.share, row.second.share
    if before is not None and after is not None:
        css = "chart-fall" if after < before else "chart-rise"
        drawn += Markup('<line class="{css}" x1="{a}" x2="{b}" y1="{y}" y2="{y}"/>').format(
            css=css, a=at(before), b=at(after), y=y
        )
    if before is not None:
        drawn += Markup('<circle class="chart-before" cx="{x}" cy="{y}" r="4"/>').format(x=at(before), y=y)
    if after is not None:
        drawn += Markup('<circle class="chart-after" cx="{x}" cy="{y}" r="5"/>').format(x=at(after), y=y)
    return drawn


def _across(share: Decimal) -> str:
    return _places(min(max(share, Decimal(0)), Decimal(1)) * WIDTH)


def _places(value: Decimal) -> str:
    return f"{value:.1f}"


def _wide(text: str) -> int:
    """About how wide a text is drawn."""
    return sum(EM if east_asian_width(letter) in "WF" else 7 for letter in text)


def _cut(text: str, room: int) -> str:
    """As much of a text as there is room for; the table beside the chart has it all."""
    if _wide(text) <= room:
        return text
    kept = text
    while kept and _wide(kept) + EM > room:
        kept = kept[:-1]
    return f"{kept}…"
