"""A short round of the fault suite, as `make faults` plays many: whatever is injected, every invariant holds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "var" / "test-faults"
SEED = 2026
INJECTIONS = 16
KINDS = (
    *("kill_at_failpoint", "kill_at_random", "restart", "ambiguous_commit", "lost_connection", "session_dropped"),
    *("duplicates", "reordering", "poison", "slow_consumer", "frozen", "paused_relay", "client_repeats"),
    *("hostile_http", "letters_replayed", "old_snapshot"),
)
"""Those that take seconds. The others take part in `make faults`."""
INVARIANTS = {"I1", "I2", "I3", "I4", "I5", "I6", "I7"}


def run(*arguments: str) -> dict[str, Any]:
    """`chuishao faults run --json`: its report, which is also left beside the stack's folder."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "faults", "run", "--json", "--folder", str(FOLDER), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=540,
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    report: dict[str, Any] = json.loads(done.stdout)
    assert json.loads(FOLDER.with_name("test-faults-report.json").read_text(encoding="utf-8")) == report
    return report


@pytest.mark.timeout(600)
def test_every_invariant_holds_after_a_round_of_faults() -> None:
    report = run("--kinds", ",".join(KINDS), "--injections", str(INJECTIONS), "--seed", str(SEED))
    (played,) = report["rounds"]

    assert report["ok"]
    assert played["violations"] == []
    assert report["seed"] == SEED
    assert report["injected"] == INJECTIONS
    assert sum(found["injected"] > 0 for found in report["kinds"].values()) >= 14
    assert set(played["invariants"]) == INVARIANTS
    assert all(found["ok"] and found["checked"] > 0 for found in played["invariants"].values())
    assert played["load"]["final"] == played["load"]["accepted"] > 50
    assert sum(played["dead_letters"].values()) > 0


def test_a_kind_that_is_none_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "faults", "run", "--kinds", "poison,lunch", "--folder", str(FOLDER)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert "lunch" in done.stderr
