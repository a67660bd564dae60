"""The pages over HTTP, against services that answer, do not answer, or answer nonsense."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from services.workbench.main import Workbench
from shared.contracts.vocabulary import Obligation, Stage
from tests.unit.workbench import kit
from tests.unit.workbench.kit import CASE, NUMBER, Upstream

EVIL = "<script>alert('x')</script>\"' onmouseover=x"


@asynccontextmanager
async def at(
    folder: Path, upstream: Upstream | None = None, headers: dict[str, str] | None = None, **changes: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Workbench]]:
    parts, app = kit.workbench(folder, upstream or Upstream(), **changes)
    async with kit.browser(app, headers) as client:
        yield client, parts
    parts.board.close()
    await parts.services.close()


# --- the board ---


async def test_the_front_door_leads_to_the_board(tmp_path: Path) -> None:
    async with at(tmp_path) as (client, _):
        response = await client.get("/")
    assert (response.status_code, response.headers["location"]) == (302, "/board")


async def test_the_board_is_whole_before_any_script_runs(tmp_path: Path) -> None:
    async with at(tmp_path) as (client, parts):
        parts.feed.take("cases", 0, kit.envelope(kit.dispatched()))
        text = (await client.get("/board")).text
    assert '<html lang="zh-CN">' in text
    assert 'data-state="figures.open" data-flash>40<' in text
    assert 'data-state="figures.closed" data-flash>1,188<' in text
    assert "湖畔社区 吹哨：3号楼停水 → 派 和安供水公司" in text
    assert f'href="/cases/{NUMBER}"' in text
    for word in ("接单", "派单", "验单", "评单", "销号", "和安供水公司", "数据截至 10:30:00", "占在办 12%"):
        assert word in text
    assert '督办 <b data-state="figures.supervised">3</b>' in text
    assert '挂账 <b data-state="figures.suspended">2</b>' in text


async def test_the_board_in_english(tmp_path: Path) -> None:
    async with at(tmp_path, headers={"accept-language": "en-GB,en;q=0.9"}) as (client, _):
        text = (await client.get("/board")).text
    assert '<html lang="en">' in text
    for word in ("Receive", "Dispatch", "Verify", "Rate", "Write off", "He&#39;an Water", "As of 10:30:00"):
        assert word in text


async def test_the_language_is_remembered(tmp_path: Path) -> None:
    async with at(tmp_path) as (client, _):
        first = await client.get("/board?lang=en")
        cookie = first.headers["set-cookie"]
        second = await client.get("/board")
        third = await client.get(f"/cases/{NUMBER}?lang=zh&x=1")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert '<html lang="en">' in second.text
    assert '<html lang="zh-CN">' in third.text
    assert 'href="?x=1&amp;lang=en"' in third.text
    assert third.headers["vary"].startswith("Accept-Language, Cookie")


async def test_the_board_says_which_services_are_away_and_since_when(tmp_path: Path) -> None:
    upstream, clock = Upstream(), kit.Clock()
    upstream.stop("router")
    upstream.stop("sla")
    async with at(tmp_path, upstream, now=clock) as (client, _):
        text = (await client.get("/board")).text
    assert "派单服务自 10:30:00 起无应答" in text
    assert "限时服务自 10:30:00 起无应答" in text
    assert "接单服务自" not in text
    assert 'data-state="figures.open" data-flash>—<' in text


async def test_the_board_keeps_the_last_numbers_while_the_router_is_away(tmp_path: Path) -> None:
    upstream, clock = Upstream(), kit.Clock()
    async with at(tmp_path, upstream, now=clock) as (client, _):
        await client.get("/board")
        upstream.stop("router")
        clock.now = kit.NOW.replace(minute=45)
        text = (await client.get("/board")).text
    assert "data-flash>40<" in text
    assert "数据截至 10:30:00" in text
    assert "派单服务自 10:45:00 起无应答" in text


async def test_statistics_of_another_shape_count_as_away(tmp_path: Path) -> None:
    upstream = Upstream()
    upstream.answers["router /statistics"] = {"open": "many"}
    async with at(tmp_path, upstream) as (client, _):
        response = await client.get("/board")
    assert response.status_code == 200
    assert "派单服务自" in response.text


async def test_a_full_house_is_told_to_come_back(tmp_path: Path) -> None:
    async with at(tmp_path, most_watchers=1) as (client, parts):
        parts.stream.join("en", [])
        response = await client.get("/board/events")
    assert (response.status_code, response.headers["retry-after"]) == (503, "10")


async def test_a_confidential_title_is_nowhere_on_the_board(tmp_path: Path) -> None:
    async with at(tmp_path) as (client, parts):
        parts.feed.take("cases", 0, kit.envelope(kit.dispatched(confidential=True, title="举报某某")))
        parts.feed.take("cases", 0, kit.envelope(kit.overdue()))
        parts.feed.take("cases", 0, kit.envelope(kit.closed()))
        parts.feed.take("cases", 0, kit.envelope(kit.overdue()))
        text = (await client.get("/board")).text
        frames = b"".join(parts.board.opening("zh-CN")).decode()
    assert "举报某某" not in text + frames
    assert "湖畔社区 吹哨：（保密） → 派 和安供水公司" in text
    assert '<span class="lamp-title" data-text="title">保密</span>' in text


# --- a case ---


async def test_the_timeline_holds_every_fact_with_its_place_and_hash(tmp_path: Path) -> None:
    async with at(tmp_path) as (client, _):
        response = await client.get(f"/cases/{NUMBER}")
    text = response.text
    assert response.status_code == 200
    assert text.count('<details class="position">') == len(kit.EXAMPLES)
    for row in (row for service in kit.TOPIC_OF for row in kit.log_rows(kit.EXAMPLES, service)):
        assert row["hash"] in text
        assert row["event"]["id"] not in ("", None)
    for word in ("3号楼停水", "湖畔社区", "已换水管", "已恢复供水", "满意", "依据", "紧急", "缘由", "办理规程第十二条"):
        assert word in text
    assert "p-1" not in text


async def test_a_case_by_its_id_as_well(tmp_path: Path) -> None:
    upstream = Upstream()
    upstream.answers[f"router /cases/{CASE}"] = kit.case_document()
    async with at(tmp_path, upstream) as (client, _):
        assert (await client.get(f"/cases/{CASE}")).status_code == 200


async def test_clocks_are_bars_of_what_is_used(tmp_path: Path) -> None:
    upstream = Upstream()
    upstream.answers[f"sla /cases/{CASE}/deadlines"] = {
        "deadlines": [
            {
                "obligation": "handle",
                "unit": kit.WATER,
                "generation": 2,
                "started_at": "2026-11-23T02:00:00Z",
                "warn_at": "2026-11-23T02:24:00Z",
                "due_at": "2026-11-23T03:00:00Z",
                "state": "armed",
                "ended_at": None,
                "a_field_of_tomorrow": 1,
            }
        ]
    }
    async with at(tmp_path, upstream) as (client, _):
        text = (await client.get(f"/cases/{NUMBER}")).text
    assert 'aria-label="和安供水公司 办结：已用 50%，黄灯，还剩 30 分"' in text
    assert '<rect class="clock-used" width="50.0" height="6">' in text


async def test_what_holds_a_case_is_said_at_its_head_with_the_way_to_the_other_case(tmp_path: Path) -> None:
    upstream = Upstream([])
    upstream.answers[f"router /cases/{NUMBER}"] = kit.case_document(Stage.MERGED) | {
        "case_list": "phased",
        "ledger": "from_above",
        "merged_into": {"case_id": str(kit.OTHER), "number": "HA/2 ?"},
        "supervised": [kit.WATER],
        "assignments": [kit.part(part="released"), kit.part(kit.HOUSING, "in_consultation", round=2)],
    }
    async with at(tmp_path, upstream) as (client, _):
        text = (await client.get(f"/cases/{NUMBER}")).text
    assert '<a href="/cases/HA%2F2%20%3F">HA/2 ?</a>' in text
    for word in ("阶段性事项清单", "承办件", "督办中：和安供水公司", "已退出", "退单会商中", "第 2 轮"):
        assert word in text


async def test_an_open_case_shows_whose_time_it_was_up_to_now(tmp_path: Path) -> None:
    upstream = Upstream([])
    upstream.answers[f"router /cases/{NUMBER}"] = kit.case_document(Stage.HANDLING) | {
        "assignments": [kit.part()],
        "answerable": kit.WATER,
        "answerable_since": "2026-11-22T23:30:00Z",
        "held": {kit.COMMUNITY: "PT1H"},
    }
    async with at(tmp_path, upstream) as (client, _):
        text = (await client.get(f"/cases/{NUMBER}?lang=en")).text
    assert 'aria-label="He&#39;an Water: 3 h, 75%"' in text
    assert "exactly one unit has answered for every moment, 4 h in all" in text


async def test_each_unit_shows_by_when_it_owes_what(tmp_path: Path) -> None:
    told = kit.timed(
        kit.limit(Obligation.FIRST_CONTACT, -1), kit.limit(provisional=True), kit.limit(Obligation.SIGN_IN, 1)
    )
    upstream = Upstream([told])
    part = kit.part() | {"assignment_id": str(kit.ASSIGNMENT)}
    upstream.answers[f"router /cases/{NUMBER}"] = kit.case_document(Stage.HANDLING) | {"assignments": [part]}
    async with at(tmp_path, upstream) as (client, _):
        text = (await client.get(f"/cases/{NUMBER}")).text
    assert '<li class="limit-late">2026-11-23 09:30:00 前首次联系</li>' in text
    assert '<li class="limit-ahead">2026-11-24 10:30:00 前办结（暂定）</li>' in text
    assert "前签收</li>" not in text


async def test_what_people_type_is_text_and_never_markup(tmp_path: Path) -> None:
    upstream = Upstream([kit.dispatched(title=EVIL), kit.closed(EVIL)])
    document = kit.case_document(title=EVIL, content=EVIL, address=EVIL, respondent=EVIL, category=(EVIL,))
    upstream.answers[f"router /cases/{NUMBER}"] = document
    async with at(tmp_path, upstream) as (client, parts):
        parts.feed.take("cases", 0, kit.envelope(kit.dispatched(title=EVIL)))
        board, case = (await client.get("/board")).text, (await client.get(f"/cases/{NUMBER}")).text
        nothing = (await client.get("/cases/%3Cscript%3Ealert(1)%3C%2Fscript%3E")).text
    for text in (board, case):
        assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in text
    for text in (board, case, nothing):
        assert "<script>" not in text
        assert not re.search(r"<[^>]* on\w+=", text.replace("&#34;", ""))


async def test_a_confidential_case_shows_its_course_and_nothing_of_its_matter(tmp_path: Path) -> None:
    secret: dict[str, Any] = {
        "title": "举报某某",
        "content": "详情",
        "address": "某处",
        "respondent": "某公司",
        "confidential": True,
    }
    upstream = Upstream()
    upstream.answers[f"router /cases/{NUMBER}"] = kit.case_document(**secret)
    async with at(tmp_path, upstream) as (client, _):
        text = (await client.get(f"/cases/{NUMBER}")).text
    for hidden in ("举报某某", "详情", "某处", "某公司", "已换水管", "已恢复供水", "修复后.jpg", "谢谢"):
        assert hidden not in text
    assert "保密" in text
    assert "派 和安供水公司" in text


@pytest.mark.parametrize("number", ["HA404", "x" * 65, "%00", "..%2F..%2Fstatistics", "%F0%9F%90%B3"])
async def test_an_unknown_number_is_a_clear_page_with_a_search_field(tmp_path: Path, number: str) -> None:
    async with at(tmp_path) as (client, _):
        response = await client.get(f"/cases/{number}")
    assert response.status_code == 404
    assert 'name="number"' in response.text
    assert 'id="again"' in response.text


async def test_searching_leads_to_the_case(tmp_path: Path) -> None:
    async with at(tmp_path) as (client, _):
        found = await client.get("/cases", params={"number": f" {NUMBER} "})
        strange = await client.get("/cases", params={"number": "a/b?c"})
        empty = await client.get("/cases", params={"number": "  "})
    assert (found.status_code, found.headers["location"]) == (303, f"/cases/{NUMBER}")
    assert strange.headers["location"] == "/cases/a%2Fb%3Fc"
    assert empty.headers["location"] == "/board"


async def test_without_the_router_a_case_cannot_be_shown_and_the_page_says_so(tmp_path: Path) -> None:
    upstream = Upstream()
    upstream.stop("router")
    async with at(tmp_path, upstream) as (client, _):
        response = await client.get(f"/cases/{NUMBER}?lang=en")
    assert response.status_code == 503
    assert "Router does not answer right now" in response.text


async def test_a_case_that_cannot_be_read_is_no_crash(tmp_path: Path) -> None:
    upstream = Upstream()
    upstream.answers[f"router /cases/{NUMBER}"] = {"stage": "praised"}
    async with at(tmp_path, upstream) as (client, _):
        assert (await client.get(f"/cases/{NUMBER}")).status_code == 503


async def test_what_one_service_does_not_tell_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    upstream = Upstream()
    upstream.stop("feedback")
    upstream.answers[f"sla /cases/{CASE}/deadlines"] = [{"obligation": "unheard of"}]
    async with at(tmp_path, upstream) as (client, _):
        response = await client.get(f"/cases/{NUMBER}")
    assert response.status_code == 200
    assert "验单评单服务没有应答，本页暂缺它的记录。" in response.text
    assert "限时服务没有应答" in response.text
    assert "接单服务没有应答" not in response.text
    assert "湖畔社区 吹哨 → 派 和安供水公司、区住建委" in response.text


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_a_case_can_be_shown_in_every_stage(tmp_path: Path, stage: Stage, language: str) -> None:
    upstream = Upstream([])
    upstream.answers[f"router /cases/{NUMBER}"] = kit.case_document(stage)
    async with at(tmp_path, upstream) as (client, _):
        assert (await client.get(f"/cases/{NUMBER}?lang={language}")).status_code == 200


# --- what every page carries ---


@pytest.mark.parametrize("path", ["/board", f"/cases/{NUMBER}", "/cases/none", "/nowhere", "/static/board.js"])
async def test_no_page_leaves_room_for_foreign_scripts(tmp_path: Path, path: str) -> None:
    async with at(tmp_path) as (client, _):
        response = await client.get(path)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    if "html" in response.headers["content-type"]:
        assert not re.search(r"<script(?![^>]* src=)", response.text)
        assert " style=" not in response.text
        assert "<style" not in response.text
        assert not re.search(r"(src|href)=\"(https?:)?//", response.text.replace('href="https://files.example/', ""))


async def test_a_page_that_fails_says_so_and_shows_nothing_of_the_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("inside")

    logged: list[str] = []
    monkeypatch.setattr("services.workbench.timeline.clocks", fail)
    monkeypatch.setattr(
        "services.workbench.pages.logger", SimpleNamespace(error=lambda event, **_: logged.append(event))
    )
    parts, app = kit.workbench(tmp_path, Upstream())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://workbench") as client:
        response = await client.get(f"/cases/{NUMBER}")
    await parts.services.close()
    assert response.status_code == 500
    assert logged == ["a page failed"]
    assert "页面出错了" in response.text
    assert "ZeroDivision" not in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


async def test_static_files_are_kept_for_ever_under_their_hash(tmp_path: Path) -> None:
    async with at(tmp_path) as (client, _):
        text = (await client.get("/board")).text
        for name in ("workbench.css", "board.js", "whistle.svg"):
            found = re.search(rf'"(/static/{re.escape(name)}\?v=[0-9a-f]{{12}})"', text)
            assert found
            response = await client.get(found.group(1))
            assert response.status_code == 200
            assert "immutable" in response.headers["cache-control"]
        assert (await client.get("/static/board.js")).headers["cache-control"] == "no-cache"
        assert (await client.get("/static/../main.py")).status_code == 404


async def test_health_and_metrics(tmp_path: Path) -> None:
    upstream = Upstream()
    async with at(tmp_path, upstream) as (client, _):
        assert (await client.get("/health/live")).json()["status"] == "ok"
        ready = await client.get("/health/ready")
        assert (ready.status_code, set(ready.json()["checks"])) == (200, {"broker", *kit.TOPIC_OF})
        upstream.stop("sla")
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert "ConnectError" in ready.json()["checks"]["sla"]
        assert ready.json()["checks"]["router"] == "ok"
        assert "chuishao_board_watchers" in (await client.get("/metrics")).text
