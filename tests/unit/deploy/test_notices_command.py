"""`chuishao notices`: what it asks of sla, and what it prints."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deploy import notices
from deploy.cli import app

ENTRY = {
    "case_id": "019a40c2-7d5e-7c31-8f0a-3f2a64b9e0d1",
    "case_number": "HA20261123000017",
    "unit": "util-water",
    "obligation": "handle",
    "light": "rung",
    "rung": 2,
    "urgency": "critical",
    "due_at": "2026-11-23T01:30:00Z",
    "stated_at": "2026-11-23T01:45:00Z",
    "changes": ["supervise"],
    "over": False,
}


def digest(number: int, unit: str = "util-water") -> dict[str, Any]:
    return {
        "number": number,
        "unit": unit,
        "unit_name": "供水公司",
        "unit_name_en": "Waterworks",
        "post": "leader",
        "released_at": "2026-11-23T02:00:00Z",
        "zh": f"超期升级 {number} 项：办结 {number}。",
        "en": f"{number} escalated: handle {number}.",
        "entries": [ENTRY],
        "more": number - 1,
        "read_by": [],
    }


class Sla:
    """Answers as sla would that has these digests; `comes` is told while somebody waits."""

    def __init__(self, told: list[dict[str, Any]], comes: list[dict[str, Any]]) -> None:
        self._told = told
        self._comes = comes

    def ask(self, method: str, service: str, path: str, _folder: object, **how: Any) -> dict[str, Any]:
        assert (method, service) == ("GET", "sla")
        params, last = how["params"], max((one["number"] for one in self._told), default=0)
        if path == "/notices":
            return {"digests": [one for one in self._told if one["number"] > int(params["after"])], "last": last}
        unit = path.removeprefix("/units/").removesuffix("/notices")
        found = [one for one in self._told if one["unit"] == unit and one["number"] < int(params["before"])]
        return {"digests": found[::-1][: int(params["limit"])]}

    def wait(self, _seconds: float) -> None:
        if not self._comes:
            raise KeyboardInterrupt
        self._told.append(self._comes.pop(0))


def run(monkeypatch: pytest.MonkeyPatch, told: list[dict[str, Any]], *arguments: str, comes: Any = ()) -> Result:
    sla = Sla(told, list(comes))
    monkeypatch.setattr(notices, "ask", sla.ask)
    monkeypatch.setattr("deploy.notices.time.sleep", sla.wait)
    return CliRunner().invoke(app, ["notices", *arguments], env={"COLUMNS": "200"})


def numbers(ended: Result) -> list[int]:
    return [json.loads(line)["number"] for line in ended.output.splitlines()]


def test_a_digest_is_shown_in_both_languages_with_its_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = run(monkeypatch, [digest(3)])
    assert ended.exit_code == 0
    assert "供水公司 util-water · 单位负责人" in ended.output
    assert "超期升级 3 项：办结 3。\n3 escalated: handle 3." in ended.output
    row = next(line for line in ended.output.splitlines() if "HA20261123000017" in line)
    for shown in ("util-water", "办结 handle", "升级 escalated 2", "特急 critical"):
        assert shown in row
    assert "另有 2 项未列出 · 2 more not listed" in ended.output


def test_the_newest_are_shown_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [digest(number, unit) for number, unit in enumerate(["util-water", "hub"] * 3, start=1)]
    assert numbers(run(monkeypatch, told, "--json", "--limit", "2")) == [5, 6]
    assert numbers(run(monkeypatch, told, "util-water", "--json", "--limit", "2")) == [3, 5]


def test_it_follows_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    comes = [digest(2, "hub"), digest(3), digest(4)]
    ended = run(monkeypatch, [digest(1)], "util-water", "--json", "--follow", comes=comes)
    assert (numbers(ended), ended.exit_code) == ([1, 3, 4], 130)


def test_where_nobody_was_told_anything_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "没有通知 · no notices" in run(monkeypatch, []).output
