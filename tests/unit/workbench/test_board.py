"""What the board sends while it is watched, on a real server: news, beats, and an end at once when it stops."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
import uvicorn

from services.workbench import board as boards
from services.workbench.lately import per_day
from services.workbench.main import Workbench
from shared.contracts import facts as f
from tests.unit.workbench import kit
from tests.unit.workbench.kit import Upstream


@asynccontextmanager
async def served(folder: Path, upstream: Upstream, **changes: Any) -> AsyncIterator[tuple[str, Workbench]]:
    """The workbench on a port of its own."""
    parts, app = kit.workbench(folder, upstream, **changes)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=5))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
        assert not running.done()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", parts
    finally:
        parts.stream.close()
        server.should_exit = True
        await running


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[httpx.Response]:
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        yield response


async def events(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, orjson.loads(line[6:])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE_SECONDS", "HEALTH_SECONDS", "GATHER_SECONDS"):
        monkeypatch.setattr(boards, name, 0.01)
    monkeypatch.setattr(boards, "BEAT_SECONDS", 0.2)


def asked(upstream: Upstream, path: str) -> int:
    return sum(request.url.path == path for request in upstream.asked)


async def until(stream: AsyncIterator[tuple[str, Any]], event: str) -> Any:
    async for name, data in stream:
        if name == event:
            return data
    raise AssertionError(f"the stream ended before {event}")


async def test_a_watcher_sees_the_state_then_news_then_beats(tmp_path: Path) -> None:
    upstream = Upstream()
    async with served(tmp_path, upstream) as (url, parts), watching(f"{url}/board/events?lang=en") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = events(response)
        state = await until(stream, "state")
        assert state["figures"]["open"] == "40"
        assert [unit["name"] for unit in state["units"]] == ["He'an Water", "Donghu Street"]
        assert state["red"] == [{"key": "handle", "name": "handling", "count": "2"}]
        assert (await until(stream, "facts"))["items"] == []

        parts.feed.take("cases", 0, kit.envelope(kit.dispatched(title="<b>管道</b>")))
        facts = await until(stream, "facts")
        assert [item["text"] for item in facts["items"]] == ["Hupan whistled: <b>管道</b> → He'an Water"]
        assert facts["items"][0]["href"] == f"/cases/{kit.NUMBER}"

        await until(stream, "beat")
        upstream.answers["router /statistics"] = kit.STATISTICS | {"open": 41}
        assert (await until(stream, "state"))["figures"]["open"] == "41"
        upstream.stop("router")
        away = (await until(stream, "state"))["away"]
        assert [row["key"] for row in away] == ["router"]


async def test_nobody_asks_while_nobody_watches(tmp_path: Path) -> None:
    upstream = Upstream()
    async with served(tmp_path, upstream) as (url, parts):
        async with watching(f"{url}/board/events") as response:
            stream = events(response)
            await until(stream, "beat")
            assert asked(upstream, "/statistics") > 2
        # A round that was under way may still end; then there is silence, for twenty rounds' time.
        asked_before = -1
        async with asyncio.timeout(10):
            while len(upstream.asked) != asked_before or parts.stream.watched.is_set():
                asked_before = len(upstream.asked)
                await asyncio.sleep(20 * boards.STATE_SECONDS)


async def test_a_burst_is_cut_to_what_can_be_read(tmp_path: Path) -> None:
    async with served(tmp_path, Upstream()) as (url, parts), watching(f"{url}/board/events") as response:
        stream = events(response)
        await until(stream, "facts")
        for _ in range(500):
            parts.feed.take("cases", 0, kit.envelope(kit.closed(), case_id=uuid4()))
        burst = await until(stream, "facts")
    assert len(burst["items"]) == boards.MOST_IN_FRAME
    assert burst["skipped"] == 500 - boards.MOST_IN_FRAME


async def test_open_boards_do_not_hold_up_the_end(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def watch(url: str) -> int:
        async with watching(f"{url}/board/events") as response:
            count = 0
            async for _ in events(response):
                count += 1
                started.set()
            return count

    async with served(tmp_path, Upstream()) as (url, _):
        watchers = [asyncio.create_task(watch(url)) for _ in range(5)]
        await started.wait()
        stopping = asyncio.get_running_loop().time()
    assert all(await asyncio.gather(*watchers))
    assert asyncio.get_running_loop().time() - stopping < 4


async def test_rows_of_all_units_fit_the_longest_bar(tmp_path: Path) -> None:
    upstream = Upstream()
    counts: list[dict[str, Any]] = [
        {"unit": f"dept-{number}", "open": number, "overdue": number % 3, "done": 0} for number in range(40)
    ]
    upstream.answers["router /statistics"] = kit.STATISTICS | {"by_unit": counts}
    parts, _ = kit.workbench(tmp_path, upstream)
    await parts.board.fresh()
    state = parts.board.state("en")
    await parts.services.close()
    assert len(state["units"]) == boards.MOST_UNITS
    assert state["units"][0]["open_width"] == "100.0"
    assert all(float(unit["overdue_width"]) <= float(unit["open_width"]) <= 100 for unit in state["units"])
    others = [unit for unit in counts if unit["unit"] not in {row["key"] for row in state["units"]} and unit["open"]]
    assert state["more_units"] == (
        f"{len(others)} more units have {sum(one['open'] for one in others)} open, "
        f"{sum(one['overdue'] for one in others)} of them overdue"
    )


async def test_an_appointed_day_that_has_come_is_no_red_lamp(tmp_path: Path) -> None:
    upstream = Upstream()
    counts = {"archive": {"overdue": 9}, "review": {"overdue": 4}, "handle": {"overdue": 1}}
    upstream.answers["sla /deadlines/summary"] = {"obligations": counts}
    parts, _ = kit.workbench(tmp_path, upstream)
    await parts.board.fresh()
    state = parts.board.state("en")
    await parts.services.close()
    assert state["red"] == [{"key": "handle", "name": "handling", "count": "1"}]
    assert state["overdue_more"].startswith("1 obligations")


async def test_a_page_does_not_wait_for_a_service_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "PAGE_PATIENCE_SECONDS", 0.05)
    hanging = threading.Event()

    async def hang(_request: httpx.Request) -> httpx.Response:
        hanging.set()
        await asyncio.Event().wait()
        raise AssertionError

    upstream = Upstream()
    parts, app = kit.workbench(tmp_path, upstream)
    parts.services._client = httpx.AsyncClient(transport=httpx.MockTransport(hang))
    async with kit.browser(app) as client:
        response = await asyncio.wait_for(client.get("/board"), 2)
    parts.board.close()
    await parts.services.close()
    assert hanging.is_set()
    assert response.status_code == 200


async def test_the_line_of_the_last_hour_where_it_is_quiet(tmp_path: Path) -> None:
    parts, _ = kit.workbench(tmp_path, Upstream())
    parts.feed.take("cases", 0, kit.envelope(kit.EXAMPLES[3]))
    assert parts.board.state("zh-CN")["spark"]["span"] == "近 1 小时，每格 1 分钟"
    for _ in range(boards.BUSY_IN_FIVE_MINUTES):
        parts.feed.take("cases", 0, kit.envelope(kit.EXAMPLES[3], case_id=uuid4()))
    spark = parts.board.state("zh-CN")["spark"]
    await parts.services.close()
    assert spark["span"] == "近 5 分钟，每格 5 秒"
    assert spark["arrivals"].split()[-1] == "59,0.0"
    assert len(spark["closings"].split()) == boards.SPARK_BUCKETS
    assert isinstance(kit.EXAMPLES[3], f.CaseOpened)


async def test_surges_and_the_last_day_come_from_the_live_statistics(tmp_path: Path) -> None:
    upstream = Upstream()
    upstream.answers["live /live"] = kit.LATELY
    parts, app = kit.workbench(tmp_path, upstream)
    await parts.board.fresh()
    state = parts.board.state("zh-CN")
    (surge,) = state["surges"]
    assert (surge["kind"], surge["name"], surge["region"]) == ("同一地点", "湖畔社区", "湖畔社区")
    assert (surge["count"], surge["since"], surge["usual"]) == ("7 件", "自 07:30:00 起", "平时每天约 0.02 件")
    assert (surge["href_0"], surge["case_0"]) == (f"/cases/{kit.NUMBER}", kit.NUMBER)
    assert surge["href_1"] == f"/cases/{kit.OTHER}"
    assert (surge["href_2"], surge["more"]) == ("", "另 5 件")
    assert [row["name"] for row in state["day"]] == ["和安供水公司", "区住建委", "东湖街道"]
    assert state["day"][0] == {
        "key": kit.WATER,
        "name": "和安供水公司",
        "dispatched": "31",
        "open": "30",
        "overdue": "4",
        "closed": "22",
        "rated": "18",
    }
    assert state["day"][2]["closed"] == "1,200"
    assert (state["day_away"], state["day_none"], state["away"]) == ("", False, [])
    async with kit.browser(app) as browser:
        page = (await browser.get("/board?lang=en")).text
    assert f'href="/cases/{kit.NUMBER}"' in page
    assert "Last 24 hours" in page
    assert "since 07:30:00" in page


async def test_without_the_live_statistics_the_board_goes_on_and_says_so_where_they_are_missing(tmp_path: Path) -> None:
    upstream = Upstream()
    upstream.stop("live")
    parts, app = kit.workbench(tmp_path, upstream)
    async with kit.browser(app) as browser:
        page = (await browser.get("/board")).text
    state = parts.board.state("zh-CN")
    assert state["figures"]["open"] == "40"
    assert (state["surges"], state["day"], state["day_none"], state["away"]) == ([], [], False, [])
    assert state["day_away"] == "实时统计自 10:30:00 起无应答"
    assert state["day_away"] in page


async def test_live_statistics_that_cannot_be_read_are_away_and_the_last_ones_stay(tmp_path: Path) -> None:
    upstream, clock = Upstream(), kit.Clock()
    upstream.answers["live /live"] = kit.LATELY
    parts, _ = kit.workbench(tmp_path, upstream, clock)
    await parts.board.fresh()
    upstream.answers["live /live"] = {"surges": [{"kind": "weather"}]}
    clock.now += timedelta(seconds=10)
    await parts.board.fresh()
    state = parts.board.state("en")
    assert state["day_away"] == "Live statistics: no answer since 10:30:10"
    assert (len(state["surges"]), len(state["day"])) == (1, 3)
    upstream.answers["live /live"] = {"hours": {}, "surges": []}
    clock.now += timedelta(seconds=10)
    await parts.board.fresh()
    state = parts.board.state("en")
    assert (state["surges"], state["day"], state["day_away"], state["day_none"]) == ([], [], "", True)


async def test_news_of_a_surge_leads_to_the_first_of_its_cases(tmp_path: Path) -> None:
    parts, _ = kit.workbench(tmp_path, Upstream())
    for fact in kit.SURGES:
        parts.feed.take("surges", 0, kit.envelope(fact, case_id=kit.SURGE))
    ended, found = parts.board.items("zh-CN")
    assert (found["tone"], found["href"], found["number"]) == ("yellow", f"/cases/{kit.CASE}", "")
    assert (ended["tone"], ended["href"]) == ("plain", "/board")


@pytest.mark.parametrize(
    ("rate", "said"), [(0.001, "< 0.01"), (0.02, "0.02"), (0.456, "0.46"), (1.24, "1.2"), (12.4, "12"), (1234, "1,234")]
)
def test_how_many_a_day(rate: float, said: str) -> None:
    assert per_day(rate) == said
