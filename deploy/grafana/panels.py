"""What a panel says and asks, and how panels become a Grafana dashboard: rows of 24 columns, from top to bottom."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as c
from grafana_foundation_sdk.models import dashboard as d

COLUMNS = 24
SOURCE = d.DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOK = "/public/chuishao/runbook.md"
"""Where docs/runbook.md is read from a dashboard: compose puts it among what Grafana serves."""
TAG = "chuishao"
TIME_ZONE = "Asia/Shanghai"
GREEN, YELLOW, RED = "green", "yellow", "red"
Builder: TypeAlias = stat.Panel | timeseries.Panel | bargauge.Panel


class Kind(Enum):
    """How a panel is drawn: one number with its course, lines over time, or a bar for each label."""

    NUMBER = "stat"
    LINES = "timeseries"
    BARS = "bargauge"


@dataclass(frozen=True)
class Query:
    """`legend` in Grafana's words: `{{label}}`. Empty where there is one line only."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """`zh` and `en`: what it shows, and what to do when it is bad; two short sentences each. `unit` is Grafana's name
    for it. `warn` and `bad`: from there on yellow and red (`falling`: below there). `alert` names the runbook's page.
    """

    title: str
    zh: str
    en: str
    queries: Sequence[Query]
    unit: str
    kind: Kind = Kind.LINES
    width: int = 8
    height: int = 8
    warn: float | None = None
    bad: float | None = None
    falling: bool = False
    alert: str = ""
    stacked: bool = False
    logarithmic: bool = False
    decimals: int | None = None

    @property
    def description(self) -> str:
        page = f"\n\n[手册 · Runbook: {self.alert}](${{runbook}}#{self.alert.lower()})" if self.alert else ""
        return f"{self.zh}\n\n{self.en}{page}"


@dataclass(frozen=True)
class Row:
    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """`name` is the file's and, after `chuishao-`, the uid. `unit`: it is about one unit, chosen at the top."""

    name: str
    title: str
    about: str
    rows: Sequence[Row]
    since: str = "now-6h"
    unit: bool = False

    @property
    def panels(self) -> list[Panel]:
        return [panel for row in self.rows for panel in row.panels]


def number(title: str, expr: str, **more: Any) -> Panel:
    """One figure, six in a row."""
    return Panel(title=title, queries=[Query(expr)], kind=Kind.NUMBER, **({"width": 4, "height": 4} | more))


def lines(title: str, *queries: Query, **more: Any) -> Panel:
    return Panel(title=title, queries=queries, **more)


def bars(title: str, *queries: Query, **more: Any) -> Panel:
    return Panel(title=title, queries=queries, kind=Kind.BARS, **more)


def quantiles(histogram: str, by: str = "", *of: float) -> list[Query]:
    """The histogram's quantiles over the last interval, one line for each value of `by`."""
    labels = f"le, {by}" if by else "le"
    rate = f"sum by ({labels}) (rate({histogram}_bucket[$__rate_interval]))"
    named = f" {{{{{by}}}}}" if by else ""
    return [Query(f"histogram_quantile({one}, {rate})", f"p{one * 100:g}{named}") for one in of or (0.5, 0.99)]


def text(described: Dashboard) -> str:
    """The dashboard as Grafana reads it; the same bytes for the same description."""
    return json.dumps(built(described), cls=JSONEncoder, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def built(described: Dashboard) -> d.Dashboard:
    board = (
        dashboard.Dashboard(described.title)
        .uid(f"chuishao-{described.name}")
        .description(described.about)
        .tags([TAG])
        .timezone(TIME_ZONE)
        .time(described.since, "now")
        .refresh("30s")
        .week_start("monday")
        .tooltip(d.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("数据源 Source").type("prometheus"))
        .with_variable(dashboard.ConstantVariable("runbook").value(RUNBOOK))
        .link(
            dashboard.DashboardLink("吹哨 chuishao")
            .type(d.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .keep_time(True)
        )
    )
    if described.unit:
        board.with_variable(_unit_variable())
    for number_, (item, place) in enumerate(_placed(described.rows), start=1):
        if isinstance(item, Row):
            board.with_row(dashboard.Row(item.title).id(number_).grid_pos(place))
        else:
            board.with_panel(_panel(item).id(number_).grid_pos(place))
    return board.build()


def _unit_variable() -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable("unit")
        .label("单位 Unit")
        .datasource(SOURCE)
        .query('label_values(chuishao_live_cases{of="unit"}, key)')
        .refresh(d.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(d.VariableSort.ALPHABETICAL_ASC)
    )


def _placed(rows: Sequence[Row]) -> Iterator[tuple[Row | Panel, d.GridPos]]:
    """Each row's heading, then its panels from left to right; a panel that does not fit begins a new line."""
    y = 0
    for row in rows:
        yield row, d.GridPos(x=0, y=y, w=COLUMNS, h=1)
        x, y, tallest = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            yield panel, d.GridPos(x=x, y=y, w=panel.width, h=panel.height)
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _panel(panel: Panel) -> Builder:
    draw: Mapping[Kind, Callable[[Panel], Builder]] = {Kind.NUMBER: _number, Kind.LINES: _lines, Kind.BARS: _bars}
    builder = draw[panel.kind](panel)
    builder.title(panel.title).description(panel.description).datasource(SOURCE).unit(panel.unit)
    builder.thresholds(_thresholds(panel))
    if panel.decimals is not None:
        builder.decimals(panel.decimals)
    for name, query in zip("ABCDEFGH", panel.queries, strict=False):
        asked = prometheus.Dataquery().expr(query.expr).legend_format(query.legend or "__auto").ref_id(name)
        asked.instant() if panel.kind is Kind.BARS else asked.range()
        builder.with_target(asked)
    return builder


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    """Steps upwards; the first begins at minus infinity, which is written as None."""
    given = [(value, colour) for value, colour in ((panel.warn, YELLOW), (panel.bad, RED)) if value is not None]
    if panel.falling:
        given.reverse()
        beginnings, colours = [None, *(value for value, _ in given)], [*(colour for _, colour in given), GREEN]
    else:
        beginnings, colours = [None, *(value for value, _ in given)], [GREEN, *(colour for _, colour in given)]
    steps = [d.Threshold(value=value, color=colour) for value, colour in zip(beginnings, colours, strict=True)]
    return dashboard.ThresholdsConfig().mode(d.ThresholdsMode.ABSOLUTE).steps(steps)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _number(panel: Panel) -> stat.Panel:
    return (
        stat.Panel()
        .reduce_options(_last())
        .graph_mode(c.BigValueGraphMode.AREA)
        .color_mode(c.BigValueColorMode.VALUE)
        .no_value("—")
    )


def _bars(panel: Panel) -> bargauge.Panel:
    return (
        bargauge.Panel()
        .reduce_options(_last())
        .display_mode(c.BarGaugeDisplayMode.BASIC)
        .orientation(c.VizOrientation.HORIZONTAL)
        .min(0)
        .no_value("—")
    )


def _lines(panel: Panel) -> timeseries.Panel:
    builder = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(30 if panel.stacked else 8)
        .legend(
            common.VizLegendOptions()
            .display_mode(c.LegendDisplayMode.TABLE)
            .placement(c.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(c.TooltipDisplayMode.MULTI).sort(c.SortOrder.DESCENDING))
    )
    if panel.logarithmic:
        builder.scale_distribution(common.ScaleDistributionConfig().type(c.ScaleDistribution.LOG).log(10))
    else:
        builder.axis_soft_min(0)
    if panel.stacked:
        builder.stacking(common.StackingConfig().mode(c.StackingMode.NORMAL).group("A"))
    if panel.warn is not None or panel.bad is not None:
        builder.thresholds_style(common.GraphThresholdsStyleConfig().mode(c.GraphTresholdsStyleMode.DASHED))
    return builder
