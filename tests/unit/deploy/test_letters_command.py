"""`chuishao letters` and `chuishao callbacks`: what they ask of feedback and the router, and what they print."""

import json
from typing import Any
from uuid import UUID

import pytest
import typer
from typer.testing import CliRunner, Result

from deploy import callbacks, letters
from deploy.cli import app

FIRST, SECOND = str(UUID(int=1)), str(UUID(int=2))


def letter(number: int, kind: str = "asked", over: bool = False, resident: bool = True) -> dict[str, Any]:
    return {
        "id": f"id-{number}",
        "kind": kind,
        "number": f"HA-{number}",
        "stated_at": "2026-11-23T01:30:00Z",
        "zh": f"您反映的[事项]（编号 HA-{number}）已办结。",
        "over": over,
        "resident": resident,
    }


class Feedback:
    """Answers with two letters a page; `comes` is told while somebody waits."""

    def __init__(self, told: list[dict[str, Any]], comes: list[dict[str, Any]]) -> None:
        self._told = told
        self._comes = comes

    def ask(self, method: str, service: str, path: str, _folder: object, **how: Any) -> dict[str, Any]:
        assert (method, service, path) == ("GET", "feedback", "/letters")
        at = int(how["params"]["after"] or 0)
        found = self._told[at : at + 2]
        return {"letters": found, "cursor": str(at + len(found)), "more": at + 2 < len(self._told)}

    def wait(self, _seconds: float) -> None:
        if not self._comes:
            raise KeyboardInterrupt
        self._told.append(self._comes.pop(0))


def shown(monkeypatch: pytest.MonkeyPatch, told: list[dict[str, Any]], *arguments: str, comes: Any = ()) -> Result:
    feedback = Feedback(told, list(comes))
    monkeypatch.setattr(letters, "ask", feedback.ask)
    monkeypatch.setattr("deploy.letters.time.sleep", feedback.wait)
    return CliRunner().invoke(app, ["letters", *arguments], env={"COLUMNS": "200"})


def test_the_newest_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [letter(1), letter(2), letter(3, "closed", resident=False), letter(4, over=True), letter(5, "reopened")]
    result = shown(monkeypatch, told, "--limit", "3")
    assert result.exit_code == 0
    for expected in ("HA-3", "结案 closed", "无电话 no phone", "HA-4", "失效 over", "HA-5", "重办 reopened", "[事项]"):
        assert expected in result.output
    assert "HA-2" not in result.output


def test_as_json_each_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, [letter(1), letter(2), letter(3)], "--json").output.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["id-1", "id-2", "id-3"]


def test_followed_it_goes_on_with_what_comes_and_repeats_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    result = shown(monkeypatch, [letter(1)], "--follow", "--json", comes=[letter(2), letter(3)])
    assert result.exit_code == 130
    assert [json.loads(line)["id"] for line in result.output.splitlines()] == ["id-1", "id-2", "id-3"]


def test_without_any_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "没有告知书 · no letters" in shown(monkeypatch, []).output


# --- what 12345 would not take


class Router:
    """Has these replies put aside; 12345 takes them, but for those in `refused`."""

    def __init__(self, *aside: str, refused: tuple[str, ...] = (), switched_on: bool = True) -> None:
        self.aside = list(aside)
        self.refused = refused
        self.switched_on = switched_on

    def ask(self, method: str, service: str, path: str, _folder: object) -> dict[str, Any]:
        assert service == "router"
        if (method, path) == ("GET", "/callbacks/failed"):
            return {"switched_on": self.switched_on, "failed": [self._row(one) for one in self.aside]}
        identifier = path.removeprefix("/callbacks/").removesuffix("/retry")
        assert method == "POST"
        if identifier in self.refused:
            raise typer.Exit(1)
        self.aside.remove(identifier)
        return {"id": identifier, "sent_at": "2026-11-23T01:40:00+00:00"}

    def _row(self, identifier: str) -> dict[str, Any]:
        return {
            "id": identifier,
            "case_id": str(UUID(int=9)),
            "type": "cn.chuishao.hotline.answered.v1",
            "attempts": 5,
            "reason": "HTTP 422: [工单不存在]",
            "put_aside_at": "2026-11-23T01:30:00+00:00",
        }


def run(monkeypatch: pytest.MonkeyPatch, router: Router, *arguments: str) -> Result:
    monkeypatch.setattr(callbacks, "ask", router.ask)
    return CliRunner().invoke(app, ["callbacks", *arguments], env={"COLUMNS": "220"})


def test_what_was_put_aside_is_listed_with_why(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, Router(FIRST), "list")
    for expected in (FIRST, "answered", "HTTP 422: [工单不存在]", "5"):
        assert expected in result.output
    assert json.loads(run(monkeypatch, Router(FIRST), "list", "--json").output)["failed"][0]["id"] == FIRST


def test_it_says_when_nothing_is_there_and_when_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, Router(switched_on=False), "list")
    assert "没有搁置的回调" in result.output
    assert "CHUISHAO_HOTLINE_CALLBACK_URL" in result.output


def test_one_or_all_are_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    router = Router(FIRST, SECOND)
    assert run(monkeypatch, router, "retry", SECOND).exit_code == 0
    assert router.aside == [FIRST]
    assert run(monkeypatch, router, "retry", "--all").exit_code == 0
    assert router.aside == []


def test_all_ends_at_the_first_that_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    router = Router(FIRST, SECOND, refused=(FIRST,))
    assert run(monkeypatch, router, "retry", "--all").exit_code == 1
    assert router.aside == [FIRST, SECOND]


@pytest.mark.parametrize("arguments", [("retry",), ("retry", FIRST, "--all"), ("retry", "x")])
def test_one_says_which(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    assert run(monkeypatch, Router(FIRST), *arguments).exit_code == 2
