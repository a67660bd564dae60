"""A comparison as one SVG: on time by obligation, overdue by unit, what is open day by day, the load of the ladder."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from deploy.simulate.screen import OBLIGATIONS

WIDTH, MARGIN = 1000, 24
COLOURS = ("#1f5fa8", "#d9822b", "#2e8b57", "#8e44ad")
INK, FAINT, GRID = "#1d2733", "#5d6b7a", "#e3e8ee"
LABELS, BAR, GAP = 210, 13, 10
MOST_UNITS = 10


def drawn(found: dict[str, Any]) -> str:
    """The whole picture; more than four policies share colours."""
    top = 96
    parts: list[str] = []
    for title, figure in (
        ("按期率 · On time by obligation", _on_time),
        ("超期最多的单位 · Overdue by unit", _overdue),
        ("未结诉求 · Open cases as each day ends", _open_cases),
        ("每天的黄灯、红灯与督办 · Lights and rungs a day", _ladder),
    ):
        body, used = figure(found, top + 40)
        parts.append(_text(MARGIN, top + 18, title, 17, weight="bold"))
        parts.extend(body)
        top += 40 + used + 30
    head = [
        _text(MARGIN, 34, "限时规则模拟对比 · What each policy would do", 22, weight="bold"),
        _text(MARGIN, 56, _setting(found), 13, FAINT),
        *_legend(found),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}"',
            'font-family="sans-serif" lang="zh-CN">',
            f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>',
            *head,
            *parts,
            "</svg>",
            "",
        ]
    )


def _setting(found: dict[str, Any]) -> str:
    return (
        f"{found['start'][:10]} 起 {found['days']} 天 days，每天 {found['cases_per_day']:g} 件 cases，"
        f"{found['runs']} 次 run(s)，seed {found['seed']}，{found['order']}"
    )


def _legend(found: dict[str, Any]) -> Iterator[str]:
    at = float(MARGIN)
    for place, policy in enumerate(found["policies"]):
        name = f"{chr(ord('A') + place)}  {policy['name']}（{policy['version']}）"
        yield f'<rect x="{at:.0f}" y="70" width="14" height="14" rx="2" fill="{_colour(place)}"/>'
        yield _text(at + 20, 82, name, 14)
        at += 50 + _wide(name) * 14


# --- bars -------------------------------------------------------------------------------------------------------


def _on_time(found: dict[str, Any], top: int) -> tuple[list[str], int]:
    rows = []
    for name, title in OBLIGATIONS.items():
        shares = [policy["on_time"].get(name, {}).get("share") for policy in found["policies"]]
        if any(share is not None for share in shares):
            rows.append((title, [(share, "—" if share is None else f"{share:.1%}") for share in shares]))
    return _bars(rows, top, most=1.0)


def _overdue(found: dict[str, Any], top: int) -> tuple[list[str], int]:
    policies = found["policies"]
    late = [{unit["unit"]: unit["on_time"]["all"]["late"] for unit in policy["units"]} for policy in policies]
    names = {unit["unit"]: unit["name"] for unit in policies[0]["units"]}
    codes = sorted(names, key=lambda code: (-max(of[code] for of in late), code))[:MOST_UNITS]
    rows = [(names[code], [(float(of[code]), f"{of[code]:,}") for of in late]) for code in codes]
    return _bars(rows, top)


def _ladder(found: dict[str, Any], top: int) -> tuple[list[str], int]:
    rows = []
    for step, title in (("yellow", "黄灯 yellow"), ("red", "红灯 red"), ("rung", "督办阶梯 rungs")):
        values = [policy["steps_a_day"][step] for policy in found["policies"]]
        rows.append((title, [(value, f"{value:,.1f}") for value in values]))
    for post, title in (("leader", "每位负责人 per leader"), ("district_leader", "区领导 district leader")):
        told = [(policy["notices_a_day"][post] or {"mean": 0.0, "most": 0.0}) for policy in found["policies"]]
        rows.append((title, [(one["mean"], f"{one['mean']:,.1f}，最多 most {one['most']:,.1f}") for one in told]))
    return _bars(rows, top)


Row = tuple[str, Sequence[tuple[float | None, str]]]


def _bars(rows: Sequence[Row], top: int, most: float | None = None) -> tuple[list[str], int]:
    """One row for each thing, one bar for each policy."""
    wide = WIDTH - 2 * MARGIN - LABELS - 150
    longest = most or max((value or 0.0 for _, bars in rows for value, _ in bars), default=0.0) or 1.0
    lines, at = [], top
    for title, bars in rows:
        high = BAR * len(bars)
        lines.append(_text(MARGIN + LABELS - 12, at + high / 2 + 5, title, 13, anchor="end"))
        for place, (value, told) in enumerate(bars):
            length = wide * (value or 0.0) / longest
            y = at + place * BAR
            lines.append(
                f'<rect x="{MARGIN + LABELS}" y="{y}" width="{max(length, 1):.1f}" height="{BAR - 2}" '
                f'rx="1" fill="{_colour(place)}"/>'
            )
            lines.append(_text(MARGIN + LABELS + length + 6, y + BAR - 3, told, 11, FAINT))
        at += high + GAP
    return lines, at - top


# --- a line over time ---------------------------------------------------------------------------------------------


def _open_cases(found: dict[str, Any], top: int) -> tuple[list[str], int]:
    left, high, wide = MARGIN + 56, 210, WIDTH - 2 * MARGIN - 70
    days = [policy["by_day"]["open_cases"] for policy in found["policies"]]
    most = _round_up(max((max(one, default=0.0) for one in days), default=0.0))
    lines = []
    for step in range(5):
        y = top + high - high * step / 4
        lines.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + wide}" y2="{y:.1f}" stroke="{GRID}"/>')
        lines.append(_text(left - 8, y + 4, f"{most * step / 4:,.0f}", 11, FAINT, anchor="end"))
    count = max(found["days"] - 1, 1)
    for step in range(6):
        day = round(count * step / 5)
        x = left + wide * day / count
        lines.append(_text(x, top + high + 18, f"第 {day + 1} 天", 11, FAINT, anchor="middle"))
    for place, one in enumerate(days):
        points = " ".join(
            f"{left + wide * day / count:.1f},{top + high - high * value / most:.1f}" for day, value in enumerate(one)
        )
        dashes = ' stroke-dasharray="7 4"' if place else ""
        lines.append(f'<polyline points="{points}" fill="none" stroke="{_colour(place)}" stroke-width="2.2"{dashes}/>')
    return lines, high + 40


def _round_up(value: float) -> float:
    """The next number that is one, two, four or eight times a power of ten."""
    size = 4.0
    while size < value:
        size *= 10
    return next(size * part for part in (0.1, 0.2, 0.4, 0.8, 1, 2) if size * part >= value)


# --- marks --------------------------------------------------------------------------------------------------------


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _wide(text: str) -> float:
    """In letters of the text's size; a Chinese one is as wide as two of the others."""
    return sum(1.0 if ord(sign) > 0x2E7F else 0.56 for sign in text)


def _text(
    x: float, y: float, text: str, size: int, colour: str = INK, anchor: str = "start", weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
