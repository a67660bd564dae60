"""季度参考意见: of each unit, where it stands and what pulled it down most. Advisory, made of a scorecard alone. Pure.

What a figure costs is its weight in the score times what it lacks, in points of 100: a unit that handled 80 % in time
lost 0.3 × 20 = 6 points by it.
"""

from collections.abc import Callable
from fractions import Fraction

from services.feedback.domain.measuring.formulas import rating_share, written
from services.feedback.domain.measuring.ranking import Words
from services.feedback.domain.measuring.scorecard import Figure, Method, PulledBy, Scorecard, UnitCard
from services.feedback.domain.measuring.scoring import Rhythm
from shared.contracts.facts import Value
from shared.contracts.vocabulary import Measure, UnitKind

MOST_CAUSES = 3
POINTS = 100


class Cause(Value):
    """What pulled a unit down: `loss` in points; `count` parts of cases, of which `numbers` names the worst."""

    measure: Measure
    loss: str
    figure: Figure
    count: int
    numbers: tuple[str, ...]
    said: Words


class Opinion(Value):
    """`score` and `trend` in points of 100; None where there is no score, or none to compare with."""

    unit: str
    name: str
    name_en: str
    kind: UnitKind | None
    rank: int | None
    of: int
    score: str | None
    trend: str | None
    unranked: Words | None
    causes: tuple[Cause, ...]
    said: Words


def opinions(card: Scorecard) -> tuple[Opinion, ...]:
    """Of every unit of the scorecard, by kind, the ranked ones first and by rank."""
    found = [opinion(card, unit) for unit in card.units]
    return tuple(sorted(found, key=lambda one: (one.kind or "", one.rank is None, one.rank or 0, one.unit)))


def opinion(card: Scorecard, unit: UnitCard) -> Opinion:
    causes = _causes(card.method, unit)
    score = _points(unit.adjusted[Measure.SCORE].value)
    trend = _points(unit.trend.get(Measure.SCORE))
    return Opinion(
        unit=unit.unit,
        name=unit.name,
        name_en=unit.name_en,
        kind=unit.kind,
        rank=unit.rank,
        of=unit.of,
        score=score,
        trend=trend,
        unranked=unit.unranked,
        causes=causes,
        said=_said(card, unit, score, trend, causes),
    )


# --- what pulled it down


def _causes(method: Method, unit: UnitCard) -> tuple[Cause, ...]:
    """The three largest losses; of equal ones the one that weighs more in the score comes first."""
    lost = [(measure, loss) for measure, loss in losses(method, unit).items() if loss > 0]
    lost.sort(key=lambda one: -one[1])
    return tuple(_cause(unit, measure, loss) for measure, loss in lost[:MOST_CAUSES])


def losses(method: Method, unit: UnitCard) -> dict[Measure, Fraction]:
    """In points of 100, exact, of each ingredient that has a value; with the score they add up to 100."""
    in_score, in_composite = method.score, method.composite
    composite = Fraction(in_score.composite)
    weights = {
        Measure.SOLVED: composite * Fraction(in_composite.solved),
        Measure.SATISFIED: composite * Fraction(in_composite.satisfied),
        Measure.RESPONSE: composite * Fraction(in_composite.response),
        Measure.HANDLE: Fraction(in_score.handle),
        Measure.RATING: Fraction(in_score.rating),
    }
    found = {}
    for measure in sorted(weights, key=lambda one: -weights[one]):
        value = _exact(unit.adjusted[measure])
        if value is not None:
            share = rating_share(value) if measure is Measure.RATING else value
            found[measure] = weights[measure] * (1 - share) * POINTS
    return found


def _cause(unit: UnitCard, measure: Measure, loss: Fraction) -> Cause:
    figure = unit.adjusted[measure]
    pulled = unit.pulled_down.get(measure, PulledBy(count=0, numbers=()))
    points = written(loss, 2) or ""
    zh, en = _CAUSES[measure](_shown(measure, figure), pulled.count, points)
    return Cause(
        measure=measure,
        loss=points,
        figure=figure,
        count=pulled.count,
        numbers=pulled.numbers,
        said=Words(zh=zh, en=en),
    )


def _shown(measure: Measure, figure: Figure) -> str:
    value = _exact(figure)
    assert value is not None, "it has cost points"
    return written(value, 2) or "" if measure is Measure.RATING else f"{written(value * 100, 2)}%"


_CAUSES: dict[Measure, Callable[[str, int, str], tuple[str, str]]] = {
    Measure.RESPONSE: lambda value, count, points: (
        f"响应率 {value}，失 {points} 分：{count} 件居民反映未被联系",
        f"Response rate {value}, {points} points lost: in {_parts(count)} the resident was not contacted",
    ),
    Measure.SOLVED: lambda value, count, points: (
        f"解决率 {value}，失 {points} 分：{count} 件居民反映未解决",
        f"Solved {value}, {points} points lost: in {_parts(count)} the resident says it is not solved",
    ),
    Measure.SATISFIED: lambda value, count, points: (
        f"满意率 {value}，失 {points} 分：{count} 件居民不满意或仅基本满意",
        f"Satisfied {value}, {points} points lost: in {_parts(count)} the resident was not or only basically satisfied",
    ),
    Measure.HANDLE: lambda value, count, points: (
        f"按期办结率 {value}，失 {points} 分：{count} 件逾期",
        f"Handled in time {value}, {points} points lost: {_parts(count)} overdue",
    ),
    Measure.RATING: lambda value, count, points: (
        f"吹哨单位评价 {value}（满分 5 分），失 {points} 分：{count} 件未得满分",
        f"Whistle-blowers' rating {value} of 5, {points} points lost: {_parts(count)} rated below the best",
    ),
}


def _parts(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"


# --- the sentences

_PERIODS = {
    Rhythm.DAY: ("本日", "day"),
    Rhythm.WEEK: ("本周", "week"),
    Rhythm.MONTH: ("本月", "month"),
    Rhythm.QUARTER: ("本季度", "quarter"),
    Rhythm.YEAR: ("本年度", "year"),
}

_KINDS = {
    UnitKind.HUB: ("区级中心", "hubs"),
    UnitKind.STREET: ("街道", "streets"),
    UnitKind.COMMUNITY: ("社区", "communities"),
    UnitKind.COMPOUND: ("小区", "compounds"),
    UnitKind.GRID: ("网格", "grids"),
    UnitKind.BUILDING: ("楼栋", "buildings"),
    UnitKind.DEPARTMENT: ("部门", "departments"),
    UnitKind.UTILITY: ("公服企业", "utilities"),
}


def _said(card: Scorecard, unit: UnitCard, score: str | None, trend: str | None, causes: tuple[Cause, ...]) -> Words:
    span_zh, span_en = _PERIODS[card.rhythm]
    zh = [f"{unit.name}{span_zh}（{card.period}）参考得分{f' {score} 分' if score else '为“—”'}"]
    en = [f"{unit.name_en}: reference score of the {span_en} {card.period} {score or '—'}"]
    if unit.rank is not None and unit.kind is not None:
        kind_zh, kind_en = _KINDS[unit.kind]
        zh[0] += f"，在 {unit.of} 个参加排名的{kind_zh}中列第 {unit.rank}"
        en[0] += f", rank {unit.rank} of {unit.of} ranked {kind_en}"
    if trend is not None:
        moved_zh, moved_en = _moved(trend)
        zh[0] += f"，{moved_zh}"
        en[0] += f", {moved_en}"
    if unit.unranked is not None:
        zh.append(unit.unranked.zh.rstrip("。"))
        en.append(unit.unranked.en.rstrip("."))
    if causes:
        zh.append("失分最多的是：" + "；".join(cause.said.zh for cause in causes))
        en.append("What cost it most: " + "; ".join(cause.said.en for cause in causes))
    return Words(zh="。".join(zh) + "。", en=". ".join(en) + ".")


def _moved(trend: str) -> tuple[str, str]:
    amount = trend.lstrip("+-")
    if not amount.strip("0."):
        return "与上期持平", "unchanged"
    if trend.startswith("-"):
        return f"较上期下降 {amount} 分", f"down {amount} points"
    return f"较上期上升 {amount} 分", f"up {amount} points"


def _points(value: str | None) -> str | None:
    """A written share in points: "0.8731" is "87.31", "+0.0120" is "+1.20"."""
    if value is None:
        return None
    points = written(Fraction(value) * POINTS, 2)
    return f"+{points}" if value.startswith("+") else points


def _exact(figure: Figure) -> Fraction | None:
    """The value again, exact, from its own fraction."""
    if figure.numerator is None or not figure.denominator:
        return None
    return Fraction(figure.numerator) / figure.denominator
