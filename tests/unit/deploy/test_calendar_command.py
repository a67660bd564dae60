"""`chuishao calendar` as a clerk sees it: by what is shipped, over a set-up folder, over an sla that answers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import typer
from typer.testing import CliRunner, Result

from deploy.calendar import library
from deploy.calendar.command import register
from services.sla.calendar_import import CALENDAR, prepare_calendar
from services.sla.domain.calendars import Calendars, to_json
from shared.contracts import units_json
from shared.runtime.setup_files import read_units
from shared.runtime.setup_parts import Before, File
from tests.unit.sla.shipped_calendar import CALENDARS, FILE

RUNNER = CliRunner()
ANSWER = {
    "kind": "calendar",
    "number": 2,
    "changed": True,
    "label": "2026-11-23",
    "difference": {"added": ["holidays 2027"], "removed": [], "changed": [], "reordered": False},
    "doubts": [{"field": "holidays", "entry": "2027", "why_zh": "可能不全", "why_en": "may not be complete"}],
    "more_doubts": 0,
}
TREE = read_units(FILE.parent / "units.yaml")


class Stack:
    """Answers for sla and router by path; keeps what it was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[dict[str, str], bytes]] = []
        self.versions = [{"number": 2, "in_force": True}, {"number": 1, "in_force": False}]

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        if method == "POST":
            assert url == "http://sla/district/calendar"
            self.sent.append((more["params"], more["content"]))
            return httpx.Response(200, json=ANSWER)
        hall = replace(CALENDARS.edition, units={"110199001": "every-day"})
        found: dict[str, Any] = {
            "http://sla/district/calendar/versions": {"versions": self.versions},
            "http://sla/district/calendar/versions/2": {"content": orjson.loads(to_json(Calendars("2", hall)))},
            "http://router/district/units": orjson.loads(units_json.to_json(TREE)),
        }
        return httpx.Response(200, json=found[url])


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHUISHAO_SLA_URL", raising=False)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack()
    monkeypatch.setattr(httpx, "request", stack.request)
    monkeypatch.setenv("CHUISHAO_SLA_URL", "http://sla")
    monkeypatch.setenv("CHUISHAO_ROUTER_URL", "http://router")
    monkeypatch.setenv("CHUISHAO_SIGNING_KEY", "0123456789abcdef0123456789abcdef")
    return stack


Said = Callable[..., Result]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    register(app)
    return lambda *words: RUNNER.invoke(app, ["calendar", *words, "--folder", str(tmp_path / "never")])


@pytest.mark.parametrize(
    ("start", "amount", "printed"),
    [
        ("2026-09-18", "5wd", "2026-09-24"),
        ("2026-09-30", "5wd", "2026-10-13"),
        ("2026-02-13", "5wd", "2026-02-27"),
        ("2026-09-24", "-5wd", "2026-09-18"),
        ("2026-09-18T16:00", "5wd", "2026-09-24 18:00"),
        ("2026-09-18T16:00", "4wh", "2026-09-20 10:00"),
        ("2026-09-20T10:00", "-4wh", "2026-09-18 16:00"),
        ("2026-09-18", "7d", "2026-09-25"),
        ("2026-09-18", "-7d", "2026-09-11"),
        ("2026-09-18T16:00", "7d", "2026-09-25 16:00"),
        ("2026-09-24", "7cd", "2026-10-08"),
        ("2026-09-18T16:00", "24h", "2026-09-19 16:00"),
        ("2026-09-18T16:00", "-90min", "2026-09-18 14:30"),
        ("2026-12-31", "1wd", "2027-01-01  provisional 暂定：该年放假安排尚未公布"),
        ("2026-12-31", "7d", "2027-01-07"),
    ],
)
def test_add_prints_the_date_where_nothing_was_ever_started(said: Said, start: str, amount: str, printed: str) -> None:
    done = said("add", start, amount)
    assert (done.exit_code, done.stdout.strip()) == (0, printed)
    assert "shipped" in done.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("add", "2026-9-18", "5wd"), "is no date"),
        (("add", "2026-09-18T16:00+08:00", "5wd"), "without a zone"),
        (("add", "2026-09-18", "5"), "is no length of time"),
        (("add", "2026-09-18", "0.5wd"), "whole days"),
        (("add", "2026-09-18", "-7cd"), "do not go back"),
        (("add", "2600-09-18", "7wd"), "reaches from"),
        (("add", "2026-09-18", "5wd", "--calendar", "nobody"), "There is no calendar nobody"),
        (("add", "2026-09-18", "5wd", "--unit", "nobody"), "No unit has the code or name nobody"),
        (("add", "2026-09-18", "5wd", "--unit", "util-water", "--calendar", "state"), "not both"),
        (("between", "2026-09-24", "2026-09-18"), "swap them"),
        (("load",), "Name a file"),
        (("load", "2027.txt"), "a .yaml, .csv or .ics file"),
        (("load", "--chinesecalendar", "2003"), "there are 2004 to"),
    ],
)
def test_what_cannot_be_done_is_said(said: Said, words: tuple[str, ...], why: str) -> None:
    done = said(*words)
    assert done.exit_code == 1
    assert why in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    ("start", "end", "printed"),
    [
        ("2026-09-18", "2026-09-24", "5 working day(s) 个工作日, 40 h of duty 工作小时"),
        ("2026-09-30", "2026-10-07", "0 working day(s) 个工作日, 0 h of duty 工作小时"),
        ("2026-09-18T16:00", "2026-09-20T10:30", "1 working day(s) 个工作日, 4.5 h of duty 工作小时"),
    ],
)
def test_between_prints_days_and_hours(said: Said, start: str, end: str, printed: str) -> None:
    assert said("between", start, end, "--setup", str(FILE.parent)).stdout.strip() == printed


def test_by_the_calendar_of_a_unit(said: Said, stack: Stack) -> None:
    """The street has a hall that is open every day, and so has the community below it."""
    assert said("add", "2026-09-30", "5wd", "--unit", "湖畔社区").stdout == "2026-10-05\n"
    assert said("add", "2026-09-30", "5wd", "--unit", "util-water").stdout == "2026-10-13\n"
    assert said("add", "2026-09-30", "5wd").stdout == "2026-10-13\n"
    assert said("add", "2026-09-30", "5wd", "--calendar", "round-the-clock").stdout == "2026-10-05\n"


def test_where_none_is_in_force_it_is_said(said: Said, stack: Stack) -> None:
    stack.versions = []
    done = said("add", "2026-09-30", "5wd")
    assert done.exit_code == 1
    assert "No calendar is in force" in done.stderr


def test_a_year_is_drawn(said: Said) -> None:
    shown = said("show", "2026").stdout
    assert "2026  state 机关工作时间  published 已公布  248 working days" in shown
    assert "16休 17休" in shown
    assert "春节  休 02-15..02-23  班 02-14, 02-28" in shown
    assert "08:00-12:00, 14:00-18:00" in shown
    assert "provisional" in said("show", "2027").stdout
    assert "00:00-24:00" in said("show", "2026", "--calendar", "round-the-clock").stdout


def test_local_days_are_drawn(said: Said, tmp_path: Path) -> None:
    (tmp_path / "calendar.yaml").write_text(
        "calendars:\n  state:\n    off: {2026-07-13: 停电}\n    on: {2026-07-18: 防汛}\n", encoding="utf-8"
    )
    shown = said("show", "2026", "--setup", str(tmp_path)).stdout
    assert "13闭" in shown
    assert "18加" in shown
    assert "闭 07-13 停电" in shown
    assert "加 07-18 防汛" in shown


def test_files_are_sent_one_after_another(said: Said, stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "2027.csv").write_text("date,kind,name\n", encoding="utf-8")
    (tmp_path / "hall.ics").write_text("BEGIN:VCALENDAR\n", encoding="utf-8")
    files = [str(tmp_path / "2027.csv"), str(tmp_path / "hall.ics")]
    done = said("load", *files, "--into", "hall", "--dry-run", "--note", "国办发明电")
    assert [(params["name"], params["format"]) for params, _ in stack.sent] == [
        ("2027.csv", "csv"),
        ("hall.ics", "ics"),
    ]
    assert {(params["into"], params["dry_run"], params["note"]) for params, _ in stack.sent} == {
        ("hall", "true", "国办发明电")
    }
    assert "added: holidays 2027" in done.stdout
    assert "calendar 2026-11-23 in force as version 2" in done.stdout
    assert "may not be complete" in done.stderr


def test_what_the_library_has_is_what_is_shipped(said: Said, stack: Stack) -> None:
    assert said("load", "--chinesecalendar").exit_code == 0
    assert said("load", "--chinesecalendar", "2025", "2026").exit_code == 0
    for (params, content), lines in zip(stack.sent, (len(library.YEARS), 2), strict=True):
        assert (params["name"], params["format"]) == (library.FILE, "csv")
        file = File(content.decode(), "csv", params["name"])
        found = prepare_calendar(file, Before({CALENDAR.name: CALENDARS}), date(2026, 11, 23))
        assert (found.label, found.doubts, found.difference["changed"]) == (CALENDARS.version, (), [])
        assert len({line[:4] for line in content.decode().splitlines()[1:]}) == lines
