"""`chuishao scorecard`: what differs is said by unit and figure, and a scorecard is followed until it is there."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.scorecard import command
from deploy.scorecard.verifying import MOST_DIFFERENCES, differences

RUNNER = CliRunner()

CARD = {
    "id": 4,
    "rhythm": "quarter",
    "period": "2026-Q3",
    "edition": 1,
    "status": "computed",
    "failure": None,
    "hash": "ab" * 32,
    "done": 10,
    "total": 10,
    "content": {},
}


def figure(value: str | None, numerator: str = "9") -> dict[str, Any]:
    return {"handle": {"numerator": numerator, "denominator": 10, "value": value}}


def card(*units: tuple[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"units": [{"unit": unit, "raw": raw} for unit, raw in units]} | more


@pytest.mark.parametrize(
    ("stored", "made", "said"),
    [
        (card(("util-water", figure("0.9000"))), card(("util-water", figure("0.9000"))), []),
        (
            card(("dept-a", figure("1.0000")), ("util-water", figure("0.9000"))),
            card(("dept-a", figure("1.0000")), ("util-water", figure("0.8000", "8"))),
            [
                "units util-water · raw · handle · numerator: stored 已存 9, from the logs 由日志重算 8",
                "units util-water · raw · handle · value: stored 已存 0.9000, from the logs 由日志重算 0.8000",
            ],
        ),
        (
            card(("util-water", figure(None)), cases={"received": 3}),
            card(("util-water", figure("0.5000")), cases={"received": 4}),
            [
                "units util-water · raw · handle · value: stored 已存 —, from the logs 由日志重算 0.5000",
                "cases · received: stored 已存 3, from the logs 由日志重算 4",
            ],
        ),
        (
            card(("dept-a", {}), ("dept-b", {})),
            card(("dept-b", {})),
            ['units dept-a: stored 已存 {"unit":"dept-a","raw":{}}, from the logs 由日志重算 —'],
        ),
    ],
)
def test_what_differs_is_said_by_unit_and_figure(stored: object, made: object, said: list[str]) -> None:
    assert differences(stored, made) == said


def test_so_many_differences_and_no_more_are_said() -> None:
    stored = {"units": [{"unit": str(number), "rank": 1} for number in range(100)]}
    made = {"units": [{"unit": str(number), "rank": 2} for number in range(100)]}
    assert len(differences(stored, made)) == MOST_DIFFERENCES


def test_it_waits_until_the_scorecard_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, object]] = []

    def ask(method: str, _service: str, path: str, _folder: Path, body: object = None) -> dict[str, Any]:
        asked.append((method, path, body))
        return CARD | {"status": "asked" if len(asked) < 3 else "computed"}

    monkeypatch.setattr(command, "ask", ask)
    monkeypatch.setattr(command, "LOOK_SECONDS", 0)
    result = RUNNER.invoke(app, ["scorecard", "compute", "quarter", "2026-Q3"])
    assert result.exit_code == 0, result.output
    assert asked == [
        ("POST", "/scorecards", {"rhythm": "quarter", "period": "2026-Q3"}),
        ("GET", "/scorecards/4", None),
        ("GET", "/scorecards/4", None),
    ]
    assert "quarter 2026-Q3, edition 1 版, computed" in result.output
    assert "ab" * 32 in result.output


def test_a_scorecard_that_failed_ends_with_1_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = CARD | {"status": "failed", "failure": "no space", "hash": None}
    monkeypatch.setattr(command, "ask", lambda *_given: failed)
    result = RUNNER.invoke(app, ["scorecard", "compute", "quarter", "2026-Q3"])
    assert (result.exit_code, "no space" in result.output) == (1, True)


def test_it_is_written_into_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetched: list[object] = []

    def fetch(*given: object) -> bytes:
        fetched.append(given[1:])
        return b"PK\x03"

    monkeypatch.setattr(command, "fetch", fetch)
    file = tmp_path / "q3.xlsx"
    result = RUNNER.invoke(app, ["scorecard", "export", "4", "--out", str(file), "--language", "en"])
    assert (result.exit_code, file.read_bytes()) == (0, b"PK\x03")
    assert fetched[0][0] == "/scorecards/4/export"  # type: ignore[index]
    nowhere = RUNNER.invoke(app, ["scorecard", "export", "4", "--out", str(tmp_path / "none" / "q3.xlsx")])
    assert nowhere.exit_code == 1


@pytest.mark.parametrize("given", [[], ["4", "--all"]])
def test_verify_wants_one_scorecard_or_all(given: list[str]) -> None:
    assert RUNNER.invoke(app, ["scorecard", "verify", *given]).exit_code == 2
