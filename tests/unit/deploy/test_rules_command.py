"""`chuishao rules` as a clerk sees it: offline over a set-up folder, and over a router that answers by path."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import typer
from typer.testing import CliRunner

from deploy.rules import bench
from deploy.rules.command import register
from services.router.domain.routing.rules import parse_rules, to_json
from services.router.domain.routing.what_if import Past
from shared.contracts import units_json
from shared.runtime.setup_files import read_units
from tests.unit.router.rulebook import MONDAY_NOON, matter

SETUP = Path(__file__).parents[3] / "deploy" / "district"
TREE = read_units(SETUP / "units.yaml")
TEXT = (SETUP / "rules.yaml").read_text(encoding="utf-8")
RULES = parse_rules(TEXT, TREE)
HISTORY = [
    Past(
        case_id=UUID(int=number),
        matter=matter((category,), number=f"HA20261123{number:04d}"),
        self_handled=False,
        at=MONDAY_NOON + timedelta(hours=number),
    )
    for number, category in enumerate(["供水", "供电", "供热", "市容环境", "教育文体"], start=1)
]


class Router:
    """Answers by path, history two cases to a page; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    def request(self, method: str, url: str, params: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        path = url.removeprefix("http://router")
        self.asked.append((method, path, {**(params or {}), **more}))
        if path == "/rules/history":
            return httpx.Response(200, json=self._page((params or {}).get("after")))
        found = self._reads().get(path)
        return (
            httpx.Response(200, json=found)
            if found
            else httpx.Response(404, json={"detail": "没有", "detail_en": "no"})
        )

    def _page(self, after: str | None) -> dict[str, Any]:
        left = [one for one in HISTORY if after is None or one.case_id > UUID(after)]
        following = str(left[1].case_id) if len(left) > 2 else None
        total = len(HISTORY) if after is None else None
        return {"total": total, "cases": [one.model_dump(mode="json") for one in left[:2]], "next": following}

    def _reads(self) -> dict[str, Any]:
        return {
            "/district/units": json.loads(units_json.to_json(TREE)),
            "/district/rules/versions": {
                "versions": [{"number": 3, "in_force": True}, {"number": 2, "in_force": False}]
            },
            "/district/rules/versions/3": {"content": json.loads(to_json(RULES))},
            f"/rules/history/{HISTORY[0].matter.number}": HISTORY[0].model_dump(mode="json"),
            "/district/rules": {
                "kind": "rules",
                "number": 4,
                "changed": True,
                "label": "new",
                "difference": {"added": ["a"], "removed": [], "changed": ["b"], "reordered": True},
                "doubts": [],
                "more_doubts": 0,
                "open_assignments": {},
            },
        }


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Router:
    router = Router()
    monkeypatch.setattr(httpx, "request", router.request)
    monkeypatch.setenv("CHUISHAO_ROUTER_URL", "http://router")
    monkeypatch.setenv("CHUISHAO_SIGNING_KEY", "0123456789abcdef0123456789abcdef")
    monkeypatch.setenv("COLUMNS", "200")
    return router


Chuishao = Callable[..., tuple[int, str]]


@pytest.fixture
def chuishao(router: Router) -> Chuishao:
    app = typer.Typer()
    register(app)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["rules", *arguments])
        return result.exit_code, result.output

    return run


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[str, str], str]:
    """The shipped rules with one text in place of another."""

    def write(before: str, after: str) -> str:
        assert before in TEXT
        path = tmp_path / "new.yaml"
        path.write_text(TEXT.replace(before, after), encoding="utf-8")
        return str(path)

    return write


Changed = Callable[[str, str], str]
OFFLINE = ("--setup", str(SETUP))


def test_the_shipped_rules_have_no_errors(chuishao: Chuishao) -> None:
    code, said = chuishao("check", *OFFLINE)
    assert (code, "23 rules, 0 errors" in said) == (0, True)
    assert "unreachable" not in said


def test_check_of_those_in_force_asks_the_router(chuishao: Chuishao, router: Router) -> None:
    code, said = chuishao("check", "--json")
    assert code == 0
    assert {one["doubt"] for one in json.loads(said)} == {"gap", "conflict"}
    assert [path for _, path, _ in router.asked] == [
        "/district/units",
        "/district/rules/versions",
        "/district/rules/versions/3",
    ]


def test_a_rule_that_is_never_reached_is_named(chuishao: Chuishao, changed: Changed) -> None:
    code, said = chuishao(
        "check", changed("{category: [供水], keywords: [爆裂, 爆管, 主管道]}", "{category: [供水]}"), *OFFLINE
    )
    assert code == 0
    assert "先由规则 burst-water-main 派出" in said


def test_a_file_with_faults_names_their_lines(chuishao: Chuishao, changed: Changed) -> None:
    code, said = chuishao("check", changed("units: [util-water]", "units: [util-wate]"), *OFFLINE)
    assert code == 1
    line = next(number for number, text in enumerate(TEXT.splitlines(), 1) if "[util-water]" in text)
    for told in (str(line), "burst-water-main", "then.units", "没有单位 util-wate", "there is no unit util-wate"):
        assert told in said


def test_a_file_that_is_not_there(chuishao: Chuishao) -> None:
    code, said = chuishao("check", "nowhere.yaml", *OFFLINE)
    assert (code, "nowhere.yaml: No such file" in said) == (1, True)


def test_a_text_is_explained(chuishao: Chuishao) -> None:
    asked = ("广场音响扰民", "--category", "噪声污染->社会生活噪声", "--region", "枫林社区")
    code, said = chuishao("explain", *asked, "--at", "2026-11-23T12:00:00", *OFFLINE)
    assert code == 0
    for told in ("hours: 22:00-06:00 ≠ 12:00", "noise-air-water-pollution", "dept-ecology 区生态环境局"):
        assert told in said
    code, said = chuishao("explain", *asked, "--at", "2026-11-23T23:00:00", *OFFLINE)
    assert "110199002 西山街道" in said
    assert "dept-public-security 公安分局" in said


def test_every_rule_is_explained_if_asked(chuishao: Chuishao) -> None:
    few, every = (
        chuishao("explain", "水管漏了", "--category", "供水", *more, *OFFLINE)[1] for more in ((), ("--all",))
    )
    assert "gas-leak" not in few
    assert "gas-leak" in every


def test_a_case_is_explained_as_it_stood(chuishao: Chuishao, router: Router) -> None:
    code, said = chuishao("explain", HISTORY[0].matter.number)
    assert (code, "burst-water-main" in said, "2026-11-23 13:00" in said) == (0, True, True)
    assert chuishao("explain", "HA2026112399999")[0] == 1


def test_a_region_nobody_knows(chuishao: Chuishao) -> None:
    code, said = chuishao("explain", "水管漏了", "--region", "月亮社区", *OFFLINE)
    assert (code, "no unit has the code or name 月亮社区" in said) == (1, True)


def test_what_other_rules_would_change(chuishao: Chuishao, router: Router, changed: Changed) -> None:
    new = changed("then: {level: department, units: [util-power]}", "then: {level: street}")
    code, said = chuishao("what-if", "--rules", new)
    assert code == 0
    for told in ("5 cases, 4 unchanged", "和安供电公司", "东湖街道", "HA202611230002", "power-supply"):
        assert told in said
    assert [more.get("after") for _, path, more in router.asked if path == "/rules/history"] == [
        None,
        str(HISTORY[1].case_id),
        str(HISTORY[3].case_id),
    ]


def test_what_if_as_json_of_a_few_cases_since_a_day(chuishao: Chuishao, router: Router, changed: Changed) -> None:
    new = changed("then: {level: department, units: [util-water], urgency: urgent}", "then: {level: street}")
    code, said = chuishao("what-if", "--rules", new, "--limit", "3", "--since", "2026-11-01", "--json")
    found = json.loads(said[said.index("{") :])
    assert (code, found["cases"], found["unchanged"]) == (0, 3, 2)
    assert found["moved"] == [{"from": "util-water", "to": "110199001", "cases": 1, "examples": ["HA202611230001"]}]
    since = next(more["since"] for _, path, more in router.asked if path == "/rules/history")
    assert since == "2026-11-01T00:00:00+08:00"


def test_a_file_is_imported(chuishao: Chuishao, router: Router, changed: Changed) -> None:
    file = changed("2026-12-01", "2027-01-01")
    code, said = chuishao("import", file, "--note", "新年")
    ((method, path, sent),) = router.asked
    assert (code, method, path, sent["content"]) == (0, "POST", "/district/rules", Path(file).read_bytes())
    assert (sent["note"], sent["dry_run"]) == ("新年", "false")
    for told in ("added: a", "changed: b", "顺序有变", "version 4 已生效"):
        assert told in said


def test_how_a_file_differs(chuishao: Chuishao, changed: Changed) -> None:
    file = changed("id: praise", "id: thanks")
    code, said = chuishao("diff", file, "--json")
    assert (code, json.loads(said)) == (
        0,
        [{"what": "added", "rule": "thanks", "fields": ""}, {"what": "removed", "rule": "praise", "fields": ""}],
    )
    assert "没有差异" in chuishao("diff", str(SETUP / "rules.yaml"))[1]


def test_rules_are_shown(chuishao: Chuishao) -> None:
    code, said = chuishao("show", *OFFLINE)
    assert (code, "street-first" in said, "和安燃气公司" in said) == (0, True, True)
    code, said = chuishao("show", "gas-leak", *OFFLINE)
    assert (code, "urgency: critical" in said) == (0, True)
    assert chuishao("show", "no-such-rule", *OFFLINE)[0] == 1


def test_the_bench_measures_everything(capsys: pytest.CaptureFixture[str]) -> None:
    bench.main(units=3_200, rules=60, cases=1_000, seed=1, as_json=True)
    measured = json.loads(capsys.readouterr().out)
    assert (measured["units"], measured["rules"], measured["cases"]) == (3_200, 60, 1_000)
    assert {
        "units_yaml_seconds",
        "rules_yaml_seconds",
        "route_p50_us",
        "route_p99_us",
        "times_faster",
    } <= measured.keys()
    assert measured["what_if_seconds"] > 0
