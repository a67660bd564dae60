"""Alerts: each says what it is in two languages, names what exists, has its cases and its page in the runbook."""

import json
import re
import shlex
import shutil
import subprocess
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.utils import floatToGoString

from deploy.asking import LOG_SERVICES
from deploy.cli import app
from deploy.local.places import PROJECT
from deploy.local.processes import SERVICES
from deploy.prometheus.objectives import OBJECTIVES, PAGE, TICKET, WINDOWS
from shared.contracts.topics import SHARDS
from tests.docs.test_links import anchors

FOLDER = PROJECT / "deploy" / "prometheus"
RULE_FILES = sorted((FOLDER / "rules").glob("*.yml"))
CASES = sorted((FOLDER / "tests").glob("*.yml"))
ALERTMANAGER = FOLDER / "alertmanager.yml"
RUNBOOK = PROJECT / "docs" / "runbook.md"
PARTS = ("现象", "先看", "处置", "何时叫人", "之后")
OF_EVERY_TARGET = {"job", "instance", "service"}

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_NAME = re.compile(r"\b(?:chuishao[_:][\w:]+|up)\b")
_SELECTOR = re.compile(r"\b(?P<name>chuishao[_:][\w:]+|up)\b\{(?P<matchers>[^}]*)\}")
_MATCHER = re.compile(r'(?P<label>\w+)\s*(?P<how>=~|!~|!=|=)\s*"(?P<value>[^"]*)"')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


RULES = [rule for path in RULE_FILES for group in read(path)["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"]: set(rule.get("labels", {})) for rule in RULES if "record" in rule}


def metrics() -> list[MetricWrapperBase]:
    modules = ["shared.runtime.metrics", *(service.beside("metrics") for service in SERVICES)]
    found = [vars(import_module(module)).values() for module in modules if find_spec(module)]
    return [one for values in found for one in values if isinstance(one, MetricWrapperBase)]


def known() -> dict[str, set[str]]:
    """Every name a rule may query, and the labels it has."""
    names = {"up": set(OF_EVERY_TARGET)} | RECORDED
    for one in metrics():
        labels = OF_EVERY_TARGET | set(one._labelnames)
        base = next(iter(one.describe())).name
        if isinstance(one, Histogram):
            names |= {f"{base}_count": labels, f"{base}_sum": labels, f"{base}_bucket": labels | {"le"}}
        else:
            names[f"{base}_total" if isinstance(one, Counter) else base] = labels
    return names


KNOWN = known()


# --- what each says


def test_each_name_is_given_once() -> None:
    assert len([rule for rule in RULES if "alert" in rule]) == len(ALERTS) > 0


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_and_what_it_is_in_both_languages(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert "for" in alert
    for text in (alert["annotations"]["summary"], alert["annotations"]["description"]):
        zh, _, en = text.partition("\n") if "\n" in text else text.partition(" · ")
        assert _CHINESE.search(zh)
        assert re.search(r"[a-z]{2}", en)
        assert not _CHINESE.search(en)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_its_page_in_the_runbook(name: str) -> None:
    assert ALERTS[name]["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
    assert name.lower() in anchors(RUNBOOK)
    page = re.split(r"^## ", RUNBOOK.read_text(encoding="utf-8").partition(f"\n## {name}\n")[2], flags=re.MULTILINE)[0]
    places = [page.find(f"**{part}**") for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)
    assert page.find("*English.*") > places[-1]


def test_the_runbook_has_no_page_of_an_alert_that_is_no_more() -> None:
    pages = re.findall(r"^## (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(pages) == set(ALERTS)


# --- what each asks


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_names_only_what_is_declared(rule: dict[str, Any]) -> None:
    expression = re.sub(r'"[^"]*"', '""', rule["expr"])
    names = set(_NAME.findall(expression))
    assert names
    assert names <= set(KNOWN)
    labels = set().union(*(KNOWN[name] for name in names))
    for grouping in _GROUPING.findall(expression):
        assert {label.strip() for label in grouping.split(",")} <= labels


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_labels_and_values_that_exist(rule: dict[str, Any]) -> None:
    services = {service.name for service in SERVICES}
    bounds = {
        f"{next(iter(one.describe())).name}_bucket": {floatToGoString(bound) for bound in one._upper_bounds}  # type: ignore[no-untyped-call]
        for one in metrics()
        if isinstance(one, Histogram)
    }
    for selector in _SELECTOR.finditer(rule["expr"]):
        for matcher in _MATCHER.finditer(selector["matchers"]):
            label, value = matcher["label"], matcher["value"]
            assert label in KNOWN[selector["name"]], (selector["name"], label)
            if label == "service":
                assert set(value.split("|")) <= services
            if label == "le":
                assert value in bounds[selector["name"]]
            if label == "objective":
                assert value in {one.name for one in OBJECTIVES}


def test_the_windows_that_burn_are_recorded() -> None:
    watched = {window for how in (*PAGE, *TICKET) for window in (how.long, how.short)}
    assert watched == set(WINDOWS)
    assert {f"chuishao:objective_failed:ratio{window}" for window in watched} <= set(RECORDED)


def test_intakes_objective_names_the_doors_that_whistles_come_through() -> None:
    described = json.loads((PROJECT / "docs/reference/openapi/intake.json").read_text(encoding="utf-8"))
    (intake,) = [one for one in OBJECTIVES if one.name == "intake"]
    routes = set(re.findall(r'route=~"([^"]*)"', intake.all)[0].split("|"))
    posts = {path: how["post"] for path, how in described["paths"].items() if "post" in how}
    takes = {path for path, post in posts.items() if "201" in post["responses"] and "log" not in post["tags"]}
    assert routes == takes | {"/hotline/orders/csv"}
    assert routes <= set(described["paths"])


def test_what_is_called_an_alarm_has_an_alert() -> None:
    alarms = {
        f"{described.name}_total" if isinstance(one, Counter) else described.name
        for one in metrics()
        for described in one.describe()
        if "(alarm" in described.documentation
    }
    asked = {name for alert in ALERTS.values() for name in _NAME.findall(alert["expr"])}
    assert alarms
    assert alarms <= asked


def test_a_service_that_is_down_is_told_even_where_it_is_not_asked_for() -> None:
    asked = ALERTS["ServiceDown"]["expr"] + ALERTS["LiveDown"]["expr"]
    for service in SERVICES:
        assert f'absent(up{{job="chuishao", service="{service.name}"}})' in asked


def test_the_shards_are_those_of_the_services_with_a_log() -> None:
    expression = ALERTS["RelayShardsUnheld"]["expr"]
    assert f'service=~"{"|".join(LOG_SERVICES)}"' in expression
    assert expression.endswith(f"< {SHARDS}")


# --- what is tried on each


def cases() -> list[tuple[str, bool]]:
    """Each alert that a case of promtool asks for by its name, and whether it is to fire then."""
    asked = [one for path in CASES for group in read(path)["tests"] for one in group.get("promql_expr_test", ())]
    named = [(re.search(r'alertname="(\w+)"', one["expr"]), one["exp_samples"]) for one in asked]
    return [(found[1], bool(samples)) for found, samples in named if found]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tried_both_firing_and_not(name: str) -> None:
    assert {fires for named, fires in cases() if named == name} == {True, False}


def test_no_case_is_about_an_alert_that_is_no_more() -> None:
    assert {name for name, _ in cases()} <= set(ALERTS)


def run(tool: str, *arguments: str) -> str:
    """What a tool of Prometheus' says; it must be well. Skips where it is not installed."""
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed (Debian: prometheus, prometheus-alertmanager)")
    done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_rules() -> None:
    assert run("promtool", "check", "rules", *map(str, RULE_FILES)).count("SUCCESS") == len(RULE_FILES)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_promtool_finds_that_alerts_fire_when_they_should(path: Path) -> None:
    run("promtool", "test", "rules", str(path))


def test_promtool_accepts_the_configuration(tmp_path: Path) -> None:
    told = read(FOLDER / "prometheus.yml") | {"rule_files": [str(FOLDER / "rules" / "*.yml")]}
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    assert f"{len(RULE_FILES)} rule files found" in run("promtool", "check", "config", str(path))


# --- who is told


def test_amtool_accepts_the_routes_as_they_are_and_with_a_gateway(tmp_path: Path) -> None:
    filled = tmp_path / "alertmanager.yml"
    filled.write_text(ALERTMANAGER.read_text(encoding="utf-8").replace("#:", ""), encoding="utf-8")
    assert all("webhook_configs" in receiver for receiver in read(filled)["receivers"])
    run("amtool", "check-config", str(ALERTMANAGER), str(filled))


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_goes_to_whom_its_severity_says(name: str) -> None:
    labels = [f"{label}={value}" for label, value in ALERTS[name]["labels"].items()]
    told = run("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"alertname={name}", *labels)
    assert told.strip() == ALERTS[name]["labels"]["severity"]


def test_what_hushes_and_what_is_hushed_are_alerts() -> None:
    written = ALERTMANAGER.read_text(encoding="utf-8")
    for pattern in re.findall(r'alertname(?:=~|!~|=)"([^"]+)"', written):
        for one in pattern.split("|"):
            assert [name for name in ALERTS if re.fullmatch(one, name)], one
    assert not re.search(r"^[^#]*(?:credentials|password|token)", written, re.MULTILINE)


# --- the runbook


def commands() -> list[str]:
    spans = re.findall(r"`([^`\n]+)`", RUNBOOK.read_text(encoding="utf-8"))
    return sorted({span for span in spans if span.startswith("chuishao ") and "…" not in span})


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_runbook_exists(line: str) -> None:
    found: Any = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    while words and hasattr(found, "commands"):
        assert words[0] in found.commands, line
        found = found.commands[words.pop(0)]
    assert not hasattr(found, "commands"), f"{line} is not whole"
    options = {name: one for one in found.params if one.param_type_name == "option" for name in one.opts}
    arguments = [one for one in found.params if one.param_type_name == "argument"]
    given = 0
    while words:
        word = words.pop(0)
        if word.startswith("-"):
            assert word in options, line
            if not options[word].is_flag:
                words.pop(0)
        else:
            given += 1
    assert given <= len(arguments), line


def test_the_panels_that_the_runbook_names_exist() -> None:
    titles: set[str] = set()
    for path in (PROJECT / "deploy/grafana/dashboards").glob("*.json"):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        titles |= {dashboard["title"], *(panel["title"] for panel in dashboard["panels"] if panel.get("title"))}
        titles |= {panel["title"] for row in dashboard["panels"] for panel in row.get("panels", ())}
    known_as = titles | {title.partition(" · ")[0] for title in titles}
    named = set(re.findall("「([^」]+)」", RUNBOOK.read_text(encoding="utf-8")))
    assert named
    assert named <= known_as


def test_what_the_runbook_makes_can_be_made() -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make (\w+)", RUNBOOK.read_text(encoding="utf-8"))) <= targets
