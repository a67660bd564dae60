"""`chuishao policy` as a clerk sees it: over a set-up folder, and over services that answer by path."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from deploy.policy.command import register
from services.sla.domain import calendars, category_limits, policy
from services.sla.domain.category_limits_file import read_category_limits
from services.sla.domain.policy import Policies
from services.sla.domain.policy_file import read_policy
from shared.contracts import units_json
from shared.runtime.setup_files import read_units

SETUP = Path(__file__).parents[3] / "deploy" / "district"
TEXT = (SETUP / "policy.yaml").read_text(encoding="utf-8")
LIMITS = (SETUP / "category_limits.csv").read_text(encoding="utf-8")
VERSION = read_policy(TEXT).version
EARLIER = read_policy(TEXT.replace(VERSION, "earlier").replace("normal: 7 clock_day", "normal: 8 clock_day"))
OFFLINE = ("--setup", str(SETUP))


class Services:
    """Answer by path; keep what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        held = Policies(EARLIER).after(read_policy(TEXT))
        self.in_force: dict[str, bytes] = {
            "policy": policy.to_json(held),
            "category_limits": category_limits.to_json(read_category_limits(LIMITS, "1")),
            "calendar": calendars.to_json(calendars.Calendars("1")),
        }

    def request(self, method: str, url: str, params: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        _, _, service, path = url.split("/", 3)
        self.asked.append((f"{method} {service} /{path}", params or {}))
        match service, path.split("/"):
            case "router", ["district", "units"]:
                return httpx.Response(200, content=units_json.to_json(read_units(SETUP / "units.yaml")))
            case "sla", ["district", kind, "versions"]:
                versions = [{"number": 2, "in_force": True}, {"number": 1, "in_force": False}]
                return httpx.Response(200, json={"versions": versions if kind in self.in_force else []})
            case "sla", ["district", kind, "versions", "2"]:
                return httpx.Response(200, json={"content": json.loads(self.in_force[kind])})
            case "sla", ["district", kind]:
                difference = {"added": [], "removed": [], "changed": ["limits.handle.normal"], "reordered": False}
                told = {"kind": kind, "label": "new", "number": 3, "changed": True, "difference": difference}
                return httpx.Response(200, json=told | {"doubts": [], "more_doubts": 0})
        return httpx.Response(404, json={"detail": "没有", "detail_en": "no"})


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    services = Services()
    monkeypatch.setattr(httpx, "request", services.request)
    monkeypatch.setenv("CHUISHAO_ROUTER_URL", "http://router")
    monkeypatch.setenv("CHUISHAO_SLA_URL", "http://sla")
    monkeypatch.setenv("CHUISHAO_SIGNING_KEY", "0123456789abcdef0123456789abcdef")
    monkeypatch.setenv("COLUMNS", "200")
    return services


Chuishao = Callable[..., tuple[int, str]]
Changed = Callable[[str, str], str]


@pytest.fixture
def chuishao(services: Services) -> Chuishao:
    app = typer.Typer()
    register(app)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["policy", *arguments])
        return result.exit_code, result.output

    return run


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """The shipped policy with one text in place of another."""

    def write(before: str, after: str) -> str:
        assert before in TEXT
        path = tmp_path / "new.yaml"
        path.write_text(TEXT.replace(before, after).replace(VERSION, "new"), encoding="utf-8")
        return str(path)

    return write


# --- check --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["policy.yaml", "category_limits.csv"])
def test_what_is_shipped_has_no_errors_and_no_doubts(chuishao: Chuishao, services: Services, file: str) -> None:
    code, said = chuishao("check", str(SETUP / file))
    assert (code, "no error, 0 worth a second look" in said) == (0, True)
    assert services.asked == []


# in place of what → what is doubtful
DOUBTS = {
    ("供水->停水", "供水->断水"): "the catalogue has no such category; the nearest are",
    ("燃气->燃气泄漏", "C0111"): "the nearest are 公用设施->燃气井盖",
    (
        "公用设施->上水井盖\n    urgency: urgent\n    limit: 2 clock_hour",
        "公用设施->上水井盖\n    limit: 8 working_day",
    ): ("the catalogue's 5 working_day is mostly stricter"),
    ("limit: 3 clock_day", "limit: 7 clock_day"): "without this row the limit is the same",
}


@pytest.mark.parametrize(("change", "doubt"), DOUBTS.items())
def test_what_is_worth_a_second_look_is_named(
    chuishao: Chuishao, changed: Changed, change: tuple[str, str], doubt: str
) -> None:
    code, said = chuishao("check", changed(*change))
    assert code == 0
    assert doubt in said


def test_faults_end_the_check_with_their_lines(chuishao: Chuishao, changed: Changed) -> None:
    code, said = chuishao("check", changed("rework_factor: 0.5", "rework_factor: 5"))
    line = next(number for number, text in enumerate(TEXT.splitlines(), start=1) if text.startswith("rework_factor"))
    assert code == 1
    assert f"│ {line} " in said
    assert "不应大于 1" in said


def test_an_entry_no_case_can_name_is_doubtful(chuishao: Chuishao, tmp_path: Path) -> None:
    file = tmp_path / "limits.csv"
    file.write_text(LIMITS.replace("C0101,公用设施,上水井盖", "C0100,公用设施,自来水井盖"), encoding="utf-8")
    code, said = chuishao("check", str(file), *OFFLINE)
    assert (code, "4 worth a second look" in said) == (0, True)
    assert "公用设施->上水井盖" in said


# --- import, compare, look ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "kind", "form"), [("policy.yaml", "policy", "yaml"), ("category_limits.csv", "category_limits", "csv")]
)
def test_an_import_goes_to_sla(chuishao: Chuishao, services: Services, file: str, kind: str, form: str) -> None:
    code, said = chuishao("import", str(SETUP / file), "--dry-run", "--note", "why")
    assert code == 0
    assert "changed: limits.handle.normal" in said
    ((asked, params),) = services.asked
    assert asked == f"POST sla /district/{kind}"
    assert (params["format"], params["dry_run"], params["note"]) == (form, "true", "why")


def test_diff_shows_before_and_after(chuishao: Chuishao, changed: Changed) -> None:
    code, said = chuishao("diff", changed("normal: 7 clock_day", "normal: 6 clock_day"), "--json")
    assert (code, json.loads(said)) == (
        0,
        [{"what": "limits.handle.normal", "before": "7 clock_day", "after": "6 clock_day"}],
    )
    assert "Nothing is different" in chuishao("diff", str(SETUP / "policy.yaml"), *OFFLINE)[1]
    assert "Nothing is different" in chuishao("diff", str(SETUP / "category_limits.csv"))[1]


def test_show_has_all_of_it_and_earlier_versions_too(chuishao: Chuishao) -> None:
    code, said = chuishao("show")
    assert code == 0
    for part in (VERSION, "7 clock_day", "handle 燃气->燃气泄漏", "80%", "district_leader", "→ supervise"):
        assert part in said
    assert "8 clock_day" in chuishao("show", "--at", "earlier")[1]
    code, said = chuishao("show", "--at", "never")
    assert code == 1
    assert f"earlier, {VERSION}" in said


def test_without_a_policy_in_force_it_is_said(chuishao: Chuishao, services: Services) -> None:
    del services.in_force["policy"]
    code, said = chuishao("show")
    assert (code, "no policy is in force" in said) == (1, True)


# --- explain ------------------------------------------------------------------------------------------------------

FROM = ("--at", "2026-09-30T16:00")


def explained(chuishao: Chuishao, *arguments: str) -> dict[str, Any]:
    code, said = chuishao("explain", *FROM, "--json", *arguments)
    assert code == 0, said
    found: dict[str, Any] = json.loads(said)
    return found


def test_the_row_that_decides_and_why_the_others_do_not(chuishao: Chuishao) -> None:
    found = explained(
        chuishao, "--category", "公用设施->上水井盖", "--urgency", "urgent", "--level", "department", *OFFLINE
    )
    assert [(row["row"], row["decides"], row["obstacles"]) for row in found["rows"]] == [
        ("handle 公用设施->上水井盖 urgent", True, []),
        ("handle community normal", False, ["level: community ≠ department", "urgency: normal ≠ urgent"]),
        ("limits.handle.urgent", False, []),
    ]
    assert [(one["limit"], one["due_at"]) for one in found["granted"]] == [
        ("2 clock_hour", "2026-09-30T10:00:00+00:00"),
        ("5 working_day", "2026-10-13T10:00:00+00:00"),  # the golden case: five working days over the National Day
    ]
    assert found["due_at"] == "2026-09-30T10:00:00+00:00"
    assert [(step["at"][11:16], step["type"], step["told"], step["changes"]) for step in found["steps"]] == [
        ("09:36", "deadline.warned.v1", [], []),
        ("10:00", "deadline.overdue.v1", [], []),
        ("10:30", "deadline.escalated.v1", ["110199 leader"], []),
        ("11:00", "deadline.escalated.v1", ["110199 leader", "110199 duty"], ["supervise"]),
        ("12:00", "deadline.escalated.v1", ["110199 district_leader"], []),
    ]


def test_the_catalogue_wins_where_it_is_due_first(chuishao: Chuishao) -> None:
    found = explained(chuishao, "--category", "公用设施->上水井盖->2")
    assert [one["limit"] for one in found["granted"]] == ["7 clock_day", "4 working_hour"]
    assert found["basis"] == "category_limits C0101: variant 2"
    code, said = chuishao("explain", *FROM, "--category", "公用设施->上水井盖->2")
    assert code == 0
    assert "stricter 更严" in said


def test_a_policy_that_is_not_in_force_and_one_that_was(chuishao: Chuishao, changed: Changed) -> None:
    new = changed("normal: 7 clock_day", "normal: 6 clock_day")
    assert explained(chuishao, "--file", new)["granted"][0]["limit"] == "6 clock_day"
    assert explained(chuishao, "--version", "earlier")["granted"][0]["limit"] == "8 clock_day"


def test_what_cannot_be_explained_says_why(chuishao: Chuishao) -> None:
    assert "no unit has the code or name nobody" in chuishao("explain", "--unit", "nobody", *OFFLINE)[1]
    code, said = chuishao("explain", "--obligation", "review", *OFFLINE)
    assert (code, "set case by case" in said) == (2, True)
