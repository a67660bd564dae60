"""`chuishao ledger`: what it asks the router, what it prints, and how it ends."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deploy import ledger
from deploy.cli import app
from shared.contracts.vocabulary import CaseList, Ledger

NOTHING = {"entered": 0, "written_off": 0, "open": 0}
LEDGERS = {one.value: NOTHING for one in Ledger} | {"special": {"entered": 7, "written_off": 4, "open": 3}}
LISTS = {one.value: NOTHING for one in CaseList} | {"phased": {"entered": 2, "written_off": 0, "open": 2}}
ENTRY = {
    "number": "HA20261123000017",
    "title": "湖畔里爆管",
    "stage": "handling",
    "units": ["util-water"],
    "opened_at": "2026-11-23T01:30:00Z",
    "written_off": False,
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """What the command asked of the router, which answers as above."""
    said: list[tuple[str, dict[str, str]]] = []

    def answer(_method: str, _service: str, path: str, _folder: object, **how: Any) -> dict[str, Any]:
        said.append((path, how["params"]))
        if path != "/ledgers":
            return {"entries": [ENTRY]}
        recount = how["params"]["recount"] == "true"
        return {"ledgers": LEDGERS, "lists": LISTS} | ({"by_the_log": LEDGERS, "agrees": True} if recount else {})

    monkeypatch.setattr(ledger, "ask", answer)
    return said


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["ledger", *arguments], env={"COLUMNS": "160"})


def test_the_totals_of_all_ledgers_and_lists(asked: list[tuple[str, dict[str, str]]]) -> None:
    ended = run()
    assert ended.exit_code == 0
    assert asked == [("/ledgers", {"recount": "false"})]
    rows = [line.replace("│", " ").split() for line in ended.output.splitlines()]
    assert ["特办件", "special", "7", "4", "3"] in rows
    assert ["阶段性事项清单", "phased", "2", "0", "2"] in rows
    assert ["合计", "total", "7", "4", "3"] in rows


def test_as_json_it_is_what_the_router_said(asked: list[tuple[str, dict[str, str]]]) -> None:
    assert json.loads(run("--json").output) == {"ledgers": LEDGERS, "lists": LISTS}
    assert asked


@pytest.mark.parametrize(("agrees", "code"), [(True, 0), (False, 1)])
def test_a_recount_that_differs_ends_with_one(monkeypatch: pytest.MonkeyPatch, agrees: bool, code: int) -> None:
    found = {"ledgers": LEDGERS, "lists": LISTS, "by_the_log": LEDGERS, "agrees": agrees}
    monkeypatch.setattr(ledger, "ask", lambda *_, **__: found)
    ended = run("--recount")
    assert ended.exit_code == code
    assert ("agrees with the case log" in ended.output) == agrees


def test_the_entries_of_one_ledger(asked: list[tuple[str, dict[str, str]]]) -> None:
    ended = run("special", "--open", "--limit", "5")
    assert asked == [("/ledgers/special", {"limit": "5", "open": "true"})]
    assert "HA20261123000017" in ended.output
    assert "办理中" in ended.output


def test_a_ledger_that_is_not_there_is_named(asked: list[tuple[str, dict[str, str]]]) -> None:
    ended = run("nonsense")
    assert ended.exit_code == 2
    assert not asked
