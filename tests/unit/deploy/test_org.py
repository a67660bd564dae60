"""`chuishao org` as a clerk sees it: what is sent to the router, and what is printed of its answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from deploy.org.command import register
from shared.contracts import units_json
from shared.contracts.units import Unit, build_tree, next_version
from shared.contracts.units_difference import difference
from shared.contracts.vocabulary import UnitKind

HUB = Unit(code="hub", name="区级治理中心", kind=UnitKind.HUB)
STREET = Unit(code="street-1", name="东湖街道", kind=UnitKind.STREET, parent="hub", aliases=("东湖街",))
EAST = Unit(code="comm-east", name="湖东社区", kind=UnitKind.COMMUNITY, parent="street-1")
WEST = Unit(code="comm-west", name="湖西社区", kind=UnitKind.COMMUNITY, parent="street-1")
LAKE = Unit(
    code="comm-lake", name="湖畔社区", kind=UnitKind.COMMUNITY, parent="street-1", succeeds=(EAST.code, WEST.code)
)
FIRST = build_tree([HUB, STREET, EAST, WEST], "first")
SECOND = next_version(FIRST, [HUB, STREET, LAKE], "second")
VERSIONS = [
    {"number": 2, "label": "second", "imported_at": "2026-11-23", "imported_by": "wang", "note": "", "in_force": True},
    {"number": 1, "label": "first", "imported_at": "2026-11-01", "imported_by": "wang", "note": "", "in_force": False},
]
ANSWER = {
    "kind": "units",
    "number": 2,
    "changed": True,
    "label": "second",
    "difference": difference(FIRST, SECOND).model_dump(mode="json"),
    "doubts": [],
    "more_doubts": 0,
    "open_assignments": {"comm-east": 3, "comm-west": 4},
}
FAULT = {
    "file": "units.yaml",
    "line": 7,
    "entry": "comm-lake",
    "field": "parent",
    "why_zh": "单位 street-9 不存在；请补上该单位，或更正此处的代码",
    "why_en": "unit street-9 does not exist; add it [or] correct the code",
}
REFUSED = {"detail": "units 文件有 1 处错误", "detail_en": "The file of units has 1 fault", "errors": [FAULT]}


class Router:
    """Answers by path; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.posted: tuple[int, object] = (200, ANSWER)

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        path = url.removeprefix("http://router")
        self.asked.append((method, path, more))
        status, answer = self.posted if method == "POST" else (200, self.reads()[path])
        return httpx.Response(status, json=answer)

    def reads(self) -> dict[str, object]:
        first, second = (httpx.Response(200, content=units_json.to_json(tree)).json() for tree in (FIRST, SECOND))
        return {
            "/district/units": second,
            "/district/units/versions": {"versions": VERSIONS},
            "/district/units/versions/1": {"content": first},
            "/district/units/versions/2": {"content": second},
        }


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Router:
    router = Router()
    monkeypatch.setattr(httpx, "request", router.request)
    monkeypatch.setenv("CHUISHAO_ROUTER_URL", "http://router")
    monkeypatch.setenv("CHUISHAO_SIGNING_KEY", "0123456789abcdef0123456789abcdef")
    monkeypatch.setenv("COLUMNS", "200")
    return router


@pytest.fixture
def chuishao(router: Router) -> Callable[..., tuple[int, str]]:
    app = typer.Typer()
    register(app)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(arguments))
        return result.exit_code, result.output

    return run


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "units.csv"
    path.write_text("code,name,kind\nhub,区,hub\n", encoding="utf-8")
    return str(path)


Chuishao = Callable[..., tuple[int, str]]


def test_a_file_is_imported(chuishao: Chuishao, router: Router, file: str) -> None:
    code, said = chuishao("org", "import", file, "--note", "合并")
    ((method, path, sent),) = router.asked
    assert (code, method, path) == (0, "POST", "/district/units")
    assert sent["content"] == Path(file).read_bytes()
    assert sent["params"] == {"name": "units.csv", "format": "csv", "dry_run": "false", "note": "合并"}
    for told in ("merged 合并", "湖东社区", "comm-lake 湖畔社区", "7 (comm-east 3, comm-west 4)", "version 2 已生效"):
        assert told in said


def test_a_dry_run_says_that_nothing_was_imported(chuishao: Chuishao, router: Router, file: str) -> None:
    router.posted = (200, ANSWER | {"number": None, "changed": None, "doubts": [FAULT]})
    for command in (("org", "import", file, "--dry-run"), ("org", "diff", file)):
        code, said = chuishao(*command)
        assert (code, router.asked[-1][2]["params"]["dry_run"]) == (0, "true")
        assert "nothing was imported" in said
        assert "worth a second look" in said


def test_the_same_again_says_so(chuishao: Chuishao, router: Router, file: str) -> None:
    router.posted = (200, ANSWER | {"changed": False, "difference": {}, "open_assignments": {}})
    code, said = chuishao("org", "import", file)
    assert (code, "内容未变" in said, "没有差异" in said) == (0, True, True)


def test_a_refusal_is_a_table_of_faults(chuishao: Chuishao, router: Router, file: str) -> None:
    router.posted = (422, REFUSED)
    code, said = chuishao("org", "import", file)
    assert code == 1
    for told in ("units 文件有 1 处错误", "7", "comm-lake", "parent", "请补上该单位", "add it [or] correct the code"):
        assert told in said


def test_a_file_that_is_not_there(chuishao: Chuishao, router: Router) -> None:
    code, said = chuishao("org", "import", "nowhere.yaml")
    assert (code, router.asked) == (1, [])
    assert "nowhere.yaml: No such file" in said


def test_versions_are_compared(chuishao: Chuishao) -> None:
    for command in (("org", "diff", "1"), ("org", "diff", "1", "2")):
        code, said = chuishao(*command)
        assert (code, "merged 合并" in said, "comm-west 湖西社区" in said) == (0, True, True)
    assert "没有差异" in chuishao("org", "diff", "2")[1]


@pytest.mark.parametrize("asked", ["comm-lake", "湖畔社区"])
def test_a_unit_is_shown(chuishao: Chuishao, asked: str) -> None:
    code, said = chuishao("org", "show", asked)
    assert code == 0
    for told in ("湖畔社区", "street-1 东湖街道 → hub 区级治理中心", "comm-east 湖东社区、comm-west 湖西社区"):
        assert told in said


def test_a_unit_that_is_gone_is_shown_with_who_took_over(chuishao: Chuishao) -> None:
    code, said = chuishao("org", "show", "comm-east")
    assert (code, "已撤销，接替单位" in said, "comm-lake 湖畔社区" in said) == (0, True, True)


def test_a_unit_that_never_was(chuishao: Chuishao) -> None:
    code, said = chuishao("org", "show", "comm-moon")
    assert (code, "没有这个单位" in said) == (1, True)


def test_all_units_are_counted_and_drawn(chuishao: Chuishao) -> None:
    _, counted = chuishao("org", "show")
    assert all(told in counted for told in ("community", "gone 已撤销", "second", "2026-11-01"))
    _, drawn = chuishao("org", "show", "--tree")
    assert [line.strip("│├└─ ") for line in drawn.splitlines()] == [
        "hub 区级治理中心",
        "street-1 东湖街道",
        "comm-lake 湖畔社区",
    ]
    _, older = chuishao("org", "show", "--tree", "--version", "1")
    assert "comm-west 湖西社区" in older
