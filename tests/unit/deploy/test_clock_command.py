"""`chuishao clock`: which case it asks for, and what it prints."""

import json
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from deploy import clock
from deploy.cli import app

CASE = "019a40c2-7d5e-7c31-8f0a-3f2a64b9e0d1"
NUMBER = "W20261123000017"
ACCOUNT = {
    "unit": "util-water",
    "obligation": "sign_in",
    "round": 1,
    "limit": "4 working_hour",
    "basis": "limits.sign_in.normal",
    "calendar_version": "2026-11-01",
    "granted": "PT4H",
    "used": "PT1H30M",
    "paused": "PT0S",
    "left": "PT2H30M",
    "overdue_at": None,
    "generation": 1,
    "state": "armed",
    "started_at": "2026-11-23T01:00:00Z",
    "warn_at": "2026-11-23T06:12:00Z",
    "due_at": "2026-11-23T07:00:00Z",
    "provisional": False,
    "policy_version": "2026-12-01",
}
CHANGE = {
    "at": "2026-11-23T01:00:00Z",
    "what": "given",
    "unit": "util-water",
    "obligation": "sign_in",
    "round": 1,
    "generation": 1,
    "by": "case.dispatched.v1",
    "due_at": "2026-11-23T07:00:00Z",
    "granted": "4 working_hour",
    "basis": "limits.sign_in.normal",
    "left": None,
    "policy_version": "2026-12-01",
    "calendar_version": "2026-11-01",
    "rung": None,
    "actor": None,
    "note": "",
}
RECKONED = CHANGE | {
    "at": "2026-11-23T02:00:00Z",
    "what": "reckoned",
    "by": "2026-12-01",
    "actor": {"kind": "staff", "person": "operator"},
    "note": "新规",
}
FOUND = {"case_id": CASE, "units": {"util-water": "供水公司"}, "accounts": [ACCOUNT], "changes": [CHANGE, RECKONED]}


def run(
    monkeypatch: pytest.MonkeyPatch, case: str, *options: str, found: dict[str, Any] = FOUND
) -> tuple[Result, list[str]]:
    asked: list[str] = []

    def ask(method: str, service: str, path: str, _folder: object) -> dict[str, Any]:
        asked.append(f"{method} {service} {path}")
        return {"case_id": CASE} if service == "router" else found

    monkeypatch.setattr(clock, "ask", ask)
    monkeypatch.setattr(clock, "console", Console(width=220))
    return CliRunner().invoke(app, ["clock", case, *options]), asked


def test_a_number_is_looked_up_at_the_router_and_an_id_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    _, asked = run(monkeypatch, NUMBER)
    assert asked == [f"GET router /rules/history/{NUMBER}", f"GET sla /cases/{CASE}/clock"]
    _, asked = run(monkeypatch, CASE)
    assert asked == [f"GET sla /cases/{CASE}/clock"]


def test_it_prints_the_account_and_then_the_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = run(monkeypatch, NUMBER)
    assert result.exit_code == 0, result.output
    for said in (
        "供水公司 util-water",
        "签收 / 报到 sign_in",
        "4 working_hour",
        "limits.sign_in.normal",
        "policy 2026-12-01 · calendar 2026-11-01",
        "4:00 工时",
        "1:30 工时",
        "2:30 工时",
        "2026-11-23 15:00:00",
        "计时中 armed",
    ):
        assert said in result.output
    assert "重算 reckoned" in result.output.split("变更 changes")[1]
    assert "operator · 新规" in result.output


def test_json_is_what_the_service_says(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = run(monkeypatch, CASE, "--json")
    assert json.loads(result.output) == FOUND


def test_a_case_without_a_clock_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = run(monkeypatch, CASE, found=FOUND | {"accounts": [], "changes": []})
    assert result.exit_code == 1
    assert "没有计时记录" in result.output


@pytest.mark.parametrize(
    ("written", "working", "expected"),
    [
        ("P2DT3H20M", False, "2 d 03:20"),
        (5400.0, False, "01:30"),
        ("PT15S", False, "00:00:15"),
        ("PT40H", True, "40:00 工时"),
        ("PT0S", True, "0:00 工时"),
    ],
)
def test_lengths(written: object, working: bool, expected: str) -> None:
    assert clock._length(written, working) == expected
