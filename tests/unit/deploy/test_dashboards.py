"""The dashboards ask only for what is declared, say what to do, and lie on the grid without covering each other."""

import json
import re
from importlib import import_module
from itertools import combinations
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as d
from prometheus_client import Histogram

from deploy.documents.catalogue import elsewhere, stale
from deploy.documents.metrics import declared
from deploy.grafana.catalogue import DASHBOARDS
from deploy.grafana.panels import COLUMNS, RUNBOOK, TIME_ZONE, Dashboard, Kind, Panel, Query, Row, built, number, text
from deploy.local.places import PROJECT
from deploy.local.processes import SERVICES
from tests.unit.compose.description import description

GRAFANA = PROJECT / "deploy" / "grafana"
RULES = PROJECT / "deploy" / "prometheus" / "rules"
TARGET = {"job", "service", "instance"}
"""Labels that Prometheus puts on every series it scrapes."""
OF_PROMETHEUS = {"up": set[str](), "process_cpu_seconds_total": set[str](), "process_resident_memory_bytes": set[str]()}
NAMED = re.compile(r"\b(chuishao[_:][\w:]+|up|process_\w+)\b(?:\{([^}]*)\})?")
BY = re.compile(r"\bby \(([^)]*)\)")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
CHINESE = re.compile(r"[\u4e00-\u9fff]")

PANELS = [(board, panel) for board in DASHBOARDS for panel in board.panels]
QUERIES = [(board, query) for board, panel in PANELS for query in panel.queries]
each_dashboard = pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.name)
each_panel = pytest.mark.parametrize(
    ("board", "panel"), PANELS, ids=[f"{board.name}: {panel.title}" for board, panel in PANELS]
)


def rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(RULES.glob("*.yml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def series() -> dict[str, set[str]]:
    """Every name a query may use, with its labels."""
    modules = ["shared.runtime.metrics"]
    modules += [name for service in SERVICES if _exists(name := service.beside("metrics"))]
    found = dict(OF_PROMETHEUS)
    for module in modules:
        for metric in declared(import_module(module)):
            described = next(iter(metric.describe()))
            labels = set(metric._labelnames)
            if isinstance(metric, Histogram):
                found |= {f"{described.name}_bucket": labels | {"le"}}
                found |= {f"{described.name}_{part}": labels for part in ("sum", "count")}
            else:
                found[f"{described.name}_total" if described.type == "counter" else described.name] = labels
    for rule in rules():
        if "record" in rule:
            found[rule["record"]] = set(rule.get("labels", {}))
    return found


def _exists(module: str) -> bool:
    return (PROJECT / f"{module.replace('.', '/')}.py").exists()


SERIES = series()


def unknown(expr: str) -> list[str]:
    """What a query names that is not declared: metrics, and labels of them."""
    wrong, labels = [], set(TARGET)
    for name, matchers in NAMED.findall(expr):
        if name not in SERIES:
            wrong.append(name)
            continue
        labels |= SERIES[name]
        wrong += [f"{name}.{label}" for label in MATCHER.findall(matchers) if label not in SERIES[name] | TARGET]
    by = {label.strip() for group in BY.findall(expr) for label in group.split(",")}
    return wrong + sorted(by - labels)


@each_panel
def test_it_asks_only_for_what_is_declared(board: Dashboard, panel: Panel) -> None:
    for query in panel.queries:
        assert NAMED.search(query.expr), query.expr
        assert unknown(query.expr) == []


@pytest.mark.parametrize(
    ("expr", "wrong"),
    [
        ("sum(rate(chuishao_retries_totals[5m]))", ["chuishao_retries_totals"]),
        ('chuishao_retries_total{unit="x"}', ["chuishao_retries_total.unit"]),
        ("sum by (shard) (chuishao_retries_total)", ["shard"]),
        ("chuishao_batch_size", ["chuishao_batch_size"]),
        ('sum by (le, service) (chuishao_batch_size_bucket{le="1.0"})', []),
    ],
)
def test_a_wrong_name_is_noticed(expr: str, wrong: list[str]) -> None:
    assert unknown(expr) == wrong


@each_panel
def test_a_legend_shows_only_labels_that_are_left(board: Dashboard, panel: Panel) -> None:
    for query in panel.queries:
        left = {label.strip() for group in BY.findall(query.expr) for label in group.split(",")} | own_labels(query)
        assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) <= left


def own_labels(query: Query) -> set[str]:
    """Labels of a query that adds nothing up."""
    if BY.search(query.expr) or "sum(" in query.expr or "max(" in query.expr:
        return set()
    return {label for name, _ in NAMED.findall(query.expr) for label in SERIES.get(name, set())}


def test_every_declared_metric_is_on_a_dashboard() -> None:
    asked = {name for _, query in QUERIES for name, _ in NAMED.findall(query.expr)}
    asked |= {name for rule in rules() if rule.get("record") in asked for name, _ in NAMED.findall(rule["expr"])}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    unseen = {re.sub(r"_(bucket|sum|count)$", "", name) for name in SERIES if name.startswith("chuishao_")} - families
    assert unseen == set()


@each_panel
def test_it_says_in_both_languages_what_to_do(board: Dashboard, panel: Panel) -> None:
    zh, en = panel.description.split("\n\n")[:2]
    assert CHINESE.search(zh)
    assert zh.count("。") == 2, "what it shows, and what to do when it is bad"
    assert re.search(r"[a-z]{3}", en)
    assert len(re.findall(r"[.?](?= |$)", en)) >= 2, "what it shows, and what to do when it is bad"
    title = panel.title.split(" · ")
    assert len(title) == 2 or panel.title.isascii()


@each_panel
def test_its_page_in_the_runbook_is_there(board: Dashboard, panel: Panel) -> None:
    if panel.alert:
        headings = re.findall(
            r"^## (\w+)$", (PROJECT / "docs" / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE
        )
        assert panel.alert in headings
        assert panel.alert in {rule.get("alert") for rule in rules()}
        assert panel.description.endswith(f"](${{runbook}}#{panel.alert.lower()})")


@each_dashboard
def test_no_panel_covers_another_and_none_is_twice(board: Dashboard) -> None:
    shown = json.loads(text(board))["panels"]
    ids = [panel["id"] for panel in shown]
    assert len(set(ids)) == len(ids) == len(board.panels) + len(board.rows)
    places = [(panel["title"], panel["gridPos"]) for panel in shown]
    for title, place in places:
        assert place["x"] + place["w"] <= COLUMNS, title
    for (one, a), (other, b) in combinations(places, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, f"{one} and {other}"


@each_dashboard
def test_every_line_of_the_grid_is_full(board: Dashboard) -> None:
    lines: dict[int, list[int]] = {}
    for panel in json.loads(text(board))["panels"]:
        lines.setdefault(panel["gridPos"]["y"], []).append(panel["gridPos"]["w"])
    assert {y: sum(widths) for y, widths in lines.items()} == dict.fromkeys(lines, COLUMNS)


@each_dashboard
def test_it_asks_one_source_in_the_districts_time(board: Dashboard) -> None:
    shown = json.loads(text(board))
    assert shown["timezone"] == TIME_ZONE
    assert shown["refresh"]
    assert shown["uid"] == f"chuishao-{board.name}"
    variables = {one["name"]: one for one in shown["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["runbook"]["query"] == RUNBOOK
    assert ("unit" in variables) == board.unit
    for panel in shown["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None


def test_uids_and_titles_are_each_ones_own() -> None:
    assert len({board.name for board in DASHBOARDS}) == len({board.title for board in DASHBOARDS}) == len(DASHBOARDS)


@each_dashboard
def test_the_sdks_own_schema_reads_it_back(board: Dashboard) -> None:
    register_default_plugins()
    again = d.Dashboard.from_json(json.loads(text(board)))
    assert json.loads(json.dumps(again, cls=JSONEncoder)) == json.loads(text(board))


def test_the_json_is_fresh_and_always_the_same() -> None:
    assert stale(elsewhere(), PROJECT) == []
    assert [text(board) for board in DASHBOARDS] == [text(board) for board in DASHBOARDS]


def test_thresholds_that_fall_are_red_at_the_bottom() -> None:
    said: dict[str, Any] = {"zh": "甲。乙。", "en": "A. B.", "unit": "percentunit"}
    rising = number("a", "up", warn=1, bad=2, **said)
    falling = number("b", "up", warn=0.99, bad=0.9, falling=True, **said)
    assert [panel.kind for panel in (rising, falling)] == [Kind.NUMBER, Kind.NUMBER]
    board = json.loads(json.dumps(built(Dashboard("x", "x", "x", [Row("r", [rising, falling])])), cls=JSONEncoder))
    steps = [
        [(step["color"], step["value"]) for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        for panel in board["panels"][1:]
    ]
    assert steps == [
        [("green", None), ("yellow", 1), ("red", 2)],
        [("red", None), ("yellow", 0.9), ("green", 0.99)],
    ]


def test_compose_puts_everything_where_grafana_looks_for_it() -> None:
    grafana = description()["services"]["grafana"]
    mounts = {one["target"]: one["source"] for one in grafana["volumes"] if isinstance(one, dict)}
    assert mounts["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/chuishao.yaml").read_text(encoding="utf-8"))
    assert mounts[provider["providers"][0]["options"]["path"]] == "./deploy/grafana/dashboards"
    assert mounts[f"/usr/share/grafana{RUNBOOK}"] == "./docs/runbook.md"
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text(encoding="utf-8"))
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
