"""`chuishao policy apply` and `chuishao calendar recompute`: seen first, asked once more, followed to the end."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deploy import reckoning
from deploy.cli import app

CASE = "00000000-0000-0000-0000-00000000000c"
PREVIEW = {
    "kind": "policy",
    "version": "2026-12-01",
    "lengthen": False,
    "cases": 3,
    "failed": 0,
    "deadlines": {"earlier": 2, "kept": 1, "unchanged": 4},
    "by_unit": [
        {"obligation": "handle", "unit": "util-water", "earlier": 2, "unchanged": 1},
        {"obligation": "sign_in", "unit": "dept-parks", "kept": 1, "unchanged": 3},
    ],
    "shift_seconds": {"min": -90000.0, "median": -3600.0, "max": -60.0},
    "examples": [
        {
            "case_id": CASE,
            "unit": "util-water",
            "obligation": "handle",
            "generation": 1,
            "before": "2026-12-09T02:00:00Z",
            "after": "2026-12-08T01:00:00Z",
        }
    ],
}
ASKED = {
    "id": 7,
    "kind": "policy",
    "version": "2026-12-01",
    "total": 3,
    "done": 0,
    "changed": 0,
    "earlier": 0,
    "later": 0,
    "kept": 0,
    "failed": 0,
    "superseded_by": None,
    "finished_at": None,
}
DONE = ASKED | {"done": 3, "changed": 2, "earlier": 2, "kept": 1, "finished_at": "2026-12-01T02:00:00Z"}


class Sla:
    """The service's door, as far as the command needs one."""

    def __init__(self, *seen: dict[str, Any]) -> None:
        self.seen = list(seen)
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(self, method: str, service: str, path: str, _folder: object, body: Any = None, **more: Any) -> Any:
        assert service == "sla"
        self.asked.append((method, path, body))
        if method == "GET":
            return self.seen.pop(0)
        return PREVIEW if more.get("params") == {"dry_run": "true"} else ASKED


@pytest.fixture
def sla(monkeypatch: pytest.MonkeyPatch) -> Sla:
    door = Sla(ASKED | {"done": 1}, DONE)
    monkeypatch.setattr(reckoning, "ask", door)
    monkeypatch.setattr(reckoning, "LOOK_SECONDS", 0)
    return door


def run(*arguments: str, said: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=said, env={"COLUMNS": "180"})


def test_a_dry_run_shows_and_asks_for_nothing_more(sla: Sla) -> None:
    result = run("policy", "apply", "--dry-run", "--lengthen")
    assert result.exit_code == 0, result.output
    assert [(method, body["lengthen"]) for method, _, body in sla.asked] == [("POST", True)]
    for shown in ("earlier 提前 2", "min -1 day, 1:00:00", "util-water", "2026-12-09 10:00:00", "--lengthen", CASE):
        assert shown in result.output


def test_it_is_done_once_it_is_confirmed_and_followed_to_its_end(sla: Sla) -> None:
    result = run("policy", "apply", "--note", "提速", said="y\n")
    assert result.exit_code == 0, result.output
    wanted = {"kind": "policy", "lengthen": False, "note": "提速"}
    assert sla.asked[1:] == [
        ("POST", "/reckonings", wanted | {"version": "2026-12-01"}),
        ("GET", "/reckonings/7", None),
        ("GET", "/reckonings/7", None),
    ]
    assert "2 deadlines changed" in result.output


def test_who_says_no_changes_nothing(sla: Sla) -> None:
    assert run("policy", "apply", "--note", "提速", said="n\n").exit_code == 1
    assert len(sla.asked) == 1


def test_a_reason_is_needed(sla: Sla) -> None:
    result = run("calendar", "recompute", "--yes")
    assert result.exit_code == 2
    assert "--note" in result.output
    assert sla.asked == []


def test_as_json_it_gives_both(sla: Sla) -> None:
    result = run("calendar", "recompute", "--note", "2027", "--yes", "--json")
    assert json.loads(result.stdout) == {"preview": PREVIEW, "reckoning": DONE}
    assert sla.asked[0][2]["kind"] == "calendar"


@pytest.mark.parametrize("what", [{"superseded_by": "2026-12-02"}, {"failed": 1}])
def test_what_was_not_gone_through_ends_with_one(sla: Sla, what: dict[str, Any]) -> None:
    sla.seen = [DONE | what]
    result = run("policy", "apply", "--note", "提速", "--yes")
    assert result.exit_code == 1
    assert "sla's log" in result.output or "2026-12-02" in result.output
