"""A real Prometheus watches a stack on which the loop is played: every dashboard's and every alert's query is answered.

An alert is silent while all is well, so what is asked for it is each series that its expression reads.
"""

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from deploy.grafana.catalogue import DASHBOARDS
from deploy.local.places import PROJECT
from deploy.local.processes import SERVICES
from deploy.local.stack import LocalStack

FOLDER = PROJECT / "var" / "test-prometheus"
WHISTLES = 150
PER_SECOND = 10.0
SEED = 7
FED_WITHIN_SECONDS = 120.0
ANSWERED_WITHIN_SECONDS = 120.0
ASK_EVERY_SECONDS = 1.0
STEP_SECONDS = 5
UNITS = 'chuishao_live_cases{of="unit"}'
SELECTOR = re.compile(r'\b(?:chuishao[_:][\w:]+|up)\b(?:\{(?:"[^"]*"|[^}"])*\})?')
FAILURES = re.compile(r',?\s*status=~"5\.\."')

pytestmark = [
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="Prometheus is not installed (no `prometheus` in PATH)"
    ),
    pytest.mark.timeout(400),
]


@dataclass(frozen=True)
class Watched:
    """A stack on which the loop is being played, and the Prometheus that watches it."""

    stack: LocalStack
    began: float
    prometheus: httpx.Client

    def ask(self, path: str, **parameters: Any) -> Any:
        told = self.prometheus.get(f"/api/v1/{path}", params=parameters).json()
        assert told["status"] == "success", f"{parameters}: {told}"
        return told["data"]

    def answers(self, expr: str) -> bool:
        """Whether the query has had a value (not only NaN) since the stack began to be watched."""
        found = self.ask("query_range", query=expr, start=self.began, end=time.time(), step=STEP_SECONDS)["result"]
        return any(math.isfinite(float(value)) for series in found for _, value in series["values"])

    def unanswered(self, asked: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Ask until every query has answered; what has not after a while, by the name of what asks it."""
        until = time.monotonic() + ANSWERED_WITHIN_SECONDS
        left = {name: list(exprs) for name, exprs in asked.items()}
        while True:
            left = {name: [expr for expr in exprs if not self.answers(expr)] for name, exprs in left.items()}
            left = {name: exprs for name, exprs in left.items() if exprs}
            if not left or time.monotonic() > until:
                return left
            time.sleep(ASK_EVERY_SECONDS)

    def a_unit(self) -> str:
        """The code of a unit that has had cases, as the live statistics show it."""
        assert self.unanswered({"units": [UNITS]}) == {}
        code: str = self.ask("query", query=f"topk(1, max by (key) (max_over_time({UNITS}[10m])))")["result"][0][
            "metric"
        ]["key"]
        return code


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """The stack of a rehearsal that is going on; Prometheus joins it once it is fed."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CHUISHAO_")}
    shutil.rmtree(FOLDER, ignore_errors=True)
    arguments = [
        "--count",
        str(WHISTLES),
        "--per-second",
        str(PER_SECOND),
        "--seed",
        str(SEED),
        "--folder",
        str(FOLDER),
    ]
    FOLDER.mkdir(parents=True)
    with (FOLDER / "said.txt").open("w", encoding="utf-8") as said:
        rehearsal = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "demo", "--keep", *arguments],
            cwd=PROJECT,
            env=own,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    stack = LocalStack(FOLDER.with_name(f"{FOLDER.name}-stack"), environment=own, watched=True)
    try:
        _until_fed(rehearsal)
        began = time.time()
        stack.start()
        url = next(one.address for one in stack.status() if one.name == "prometheus")
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as prometheus:
            yield Watched(stack, began, prometheus)
    finally:
        rehearsal.send_signal(signal.SIGINT)
        rehearsal.wait(60)
        stack.stop()
    stack.erase()


def _until_fed(rehearsal: "subprocess.Popen[bytes]") -> None:
    """Until intake has answered for the first time: its stack is up, and its people are at work."""
    accepted = FOLDER / "accepted.jsonl"
    until = time.monotonic() + FED_WITHIN_SECONDS
    while not (accepted.exists() and accepted.stat().st_size):
        told = (FOLDER / "said.txt").read_text(encoding="utf-8")
        assert rehearsal.poll() is None, told
        assert time.monotonic() < until, told
        time.sleep(0.2)


def test_its_targets_are_up_and_it_says_so(watched: Watched) -> None:
    targets = watched.ask("targets", state="active")["activeTargets"]
    assert {one["labels"]["service"]: one["health"] for one in targets} == {one.name: "up" for one in SERVICES}
    assert {one["labels"]["job"] for one in targets} == {"chuishao"}
    assert watched.stack.watching() == [f"Prometheus: {len(SERVICES)}/{len(SERVICES)} targets up"]
    assert {one.name for one in watched.stack.status()} >= {"prometheus"}


def test_every_panel_is_answered(watched: Watched) -> None:
    unit = watched.a_unit()
    asked = {
        f"{board.name}: {panel.title}": [
            query.expr.replace("$__rate_interval", "1m").replace("$unit", unit) for query in panel.queries
        ]
        for board in DASHBOARDS
        for panel in board.panels
    }
    assert watched.unanswered(asked) == {}


def test_every_rule_is_evaluated_and_what_it_reads_is_there(watched: Watched) -> None:
    groups = watched.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["type"] for rule in rules} == {"recording", "alerting"}
    assert (
        watched.unanswered({f"{rule['name']} {rule.get('labels')}": selectors(rule["query"]) for rule in rules}) == {}
    )
    assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}


def selectors(expr: str) -> list[str]:
    """The series an expression reads. A request that failed by our fault is nothing to wait for: any will do."""
    return [FAILURES.sub("", one) for one in dict.fromkeys(SELECTOR.findall(expr))]


@pytest.mark.parametrize(
    ("expr", "read"),
    [
        ("max by (service) (chuishao_x_seconds) > 30", ["chuishao_x_seconds"]),
        ('sum(increase(chuishao_x_total{a=~"b|c", status=~"5.."}[5m])) > 1', ['chuishao_x_total{a=~"b|c"}']),
        ('up{job="chuishao"} == 0 or absent(up{service="sla"})', ['up{job="chuishao"}', 'up{service="sla"}']),
        ("chuishao_x unless chuishao_x offset 6h", ["chuishao_x"]),
        ('chuishao:failed:ratio1h{objective="a"} > 14.4 * 0.001', ['chuishao:failed:ratio1h{objective="a"}']),
    ],
)
def test_what_an_expression_reads(expr: str, read: list[str]) -> None:
    assert selectors(expr) == read
