"""The README's demonstration, run as a person runs it; and again while everything is killed under it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.tally import BRANCHES

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "var" / "test-demo"
INVARIANTS = ("I1", "I2", "I3", "I4", "I5", "I6", "I7")
PROCESSES = {"intake", "router", "sla", "feedback", "workbench", "live", "kafka", "postgresql"}
MINUTES = 8


def rehearse(*arguments: str) -> dict[str, Any]:
    """Run `chuishao demo --json` and return its report; what it said is shown where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "demo", "--json", "--folder", str(FOLDER), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=MINUTES * 60,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-9000:]}\n{done.stderr[-9000:]}"
    report: dict[str, Any] = json.loads(done.stdout)
    assert json.loads((FOLDER / "report.json").read_text(encoding="utf-8")) == report
    return report


def holds(report: dict[str, Any], accepted: int) -> None:
    assert report["accepted"] >= accepted
    assert report["open"] == 0
    assert sum(report["final_stages"].values()) == report["accepted"]
    for name in INVARIANTS:
        assert report["invariants"][name]["ok"], report["invariants"][name]
        assert report["invariants"][name]["checked"] > 0


@pytest.mark.timeout(MINUTES * 60 + 30)
def test_each_process_killed_once_during_a_rehearsal_of_300() -> None:
    """Killed all at once they are by the fault suite (tests/faults)."""
    report = rehearse("--count", "300", "--kill", "each")
    holds(report, 300)
    assert {one["process"] for one in report["killed"]} == PROCESSES
    assert [branch for branch in BRANCHES if not report["branches"][branch]] == []
    assert report["kafka"]["implementation"] == "apache-kafka 4.3.1"
    assert report["postgresql"].startswith("18.")
    assert report["loops_per_second"] > 0
    assert 0 < report["assignment_latency_ms"]["p50"] <= report["assignment_latency_ms"]["p99"]


@pytest.mark.timeout(MINUTES * 60 + 30)
def test_a_file_of_real_shaped_orders_is_taken_whole(tmp_path: Path) -> None:
    feeds = pytest.importorskip("tests.feeds")
    if not feeds.MESSAGES.exists():
        pytest.skip("the real messages are not on this machine (../shared/data)")
    orders = tmp_path / "工单 2026.csv"
    feeds.write(orders, 80, encoding="gbk")
    report = rehearse("--input", str(orders))
    holds(report, 80)
