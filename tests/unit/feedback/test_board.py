"""The public board's door: open to everybody, safe to show, and the hub's way to take an entry off."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI

from services.feedback.api import Desk
from services.feedback.board.board import month_span
from services.feedback.board.board_api import BoardDesk, add_board_routes
from services.feedback.domain.measuring.scoring import Scoring
from services.feedback.domain.publication import Publication
from shared.contracts import facts as f
from shared.contracts.topics import CASES
from shared.runtime import problems
from shared.runtime.door import Door
from shared.runtime.identity import Gatekeeper
from tests.unit.feedback.boards import MemoryBoard, check_board, publications, shown
from tests.unit.feedback.histories import CASE, COMMUNITY, HUB, NUMBER, TREE, closed, dispatched, followed_by, opened
from tests.unit.feedback.memory import MemoryFeedback, MemoryReviews
from tests.unit.feedback.test_door import SIGNING_KEY, token
from tests.unit.feedback.wire import OtherLog, arrived

ZONE = ZoneInfo("Asia/Shanghai")
TODAY = datetime(2026, 11, 23, 9, tzinfo=UTC)


class Opened:
    """The board's door, open, over a board that a test may change."""

    def __init__(self, client: httpx.AsyncClient, board: MemoryBoard, feedback: MemoryFeedback) -> None:
        self.client = client
        self.board = board
        self.feedback = feedback

    async def page(self, query: str = "") -> str:
        response = await self.client.get(f"/board{query}")
        assert response.status_code == 200, response.text
        return response.text


@pytest.fixture
async def door() -> AsyncIterator[Opened]:
    feedback, board, app = MemoryFeedback(followed_by()), MemoryBoard(publications()), FastAPI()
    problems.install(app)
    sending = Door(feedback.road)
    desk = Desk(sending, Gatekeeper(SIGNING_KEY, []), lambda: TREE, MemoryReviews(feedback))
    add_board_routes(app, BoardDesk(desk, board, lambda: Scoring(version="test"), ZONE, lambda: TODAY))
    serving = asyncio.create_task(sending.run())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://feedback") as client:
        yield Opened(client, board, feedback)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


async def test_the_board_in_memory_does_what_every_board_must() -> None:
    await check_board(MemoryBoard(publications()), publications())


async def test_everybody_may_read_it_and_every_page_is_reached(door: Opened) -> None:
    numbers: list[str] = []
    query: str | None = ""
    while query is not None:
        page = await door.page(query)
        numbers += re.findall(r'class="number">([^<]+)<', page)
        older = re.search(r'rel="next" href="/board([^"]+)"', page)
        query = older.group(1).replace("&amp;", "&") if older else None
    shown_there = [one.entry.number for one in door.board.publications.values() if one.entry is not None]
    assert len(numbers) == len(shown_there) > 20
    assert set(numbers) == set(shown_there)


async def test_what_it_carries_lets_nothing_foreign_in(door: Opened) -> None:
    for path in ("/board", "/board.json"):
        response = await door.client.get(path)
        assert response.headers["Cache-Control"] == "public, max-age=60"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "script-src" not in response.headers["Content-Security-Policy"]
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = await door.page()
    assert "<script" not in page
    assert "style=" not in page
    style = re.search(r'href="(/board\.css\?v=[0-9a-f]+)"', page)
    assert style is not None
    assert (await door.client.get(style.group(1))).headers["Content-Type"].startswith("text/css")


async def test_what_people_wrote_is_text(door: Opened) -> None:
    hostile = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{ 7*7 }}'
    one = shown(1, TODAY)
    assert one.entry is not None
    entry = one.entry.model_copy(update={"title": hostile, "result": hostile, "category": (hostile,)})
    door.board.publications = {UUID(int=1): Publication(entry=entry, closed_at=TODAY)}
    for query in ("", "?lang=en", f"?category={hostile}"):
        page = await door.page(query)
        assert "<script" not in page
        assert "<img" not in page
        assert "49" not in page
    assert "&lt;script&gt;" in await door.page()


async def test_a_region_means_all_below_it(door: Opened) -> None:
    async def numbers(region: str) -> set[str]:
        answer = await door.client.get("/board.json", params={"region": region, "limit": 100})
        return {entry["number"] for entry in answer.json()["entries"]}

    here, street, hub = await numbers("110199001001"), await numbers("110199001"), await numbers(HUB)
    assert here
    assert here == street
    assert here < hub
    assert await numbers("110199001002") == set()


async def test_filters_are_kept_from_page_to_page_and_shown(door: Opened) -> None:
    page = await door.page("?region=110199001&month=2026-11&category=water&limit=1&lang=en")
    older = re.search(r'rel="next" href="/board([^"]+)"', page)
    assert older is not None
    for kept in ("region=110199001", "month=2026-11", "category=water", "lang=en", "limit=1"):
        assert kept in older.group(1)
    assert '<option value="110199001" selected>' in page
    assert "<option selected>water</option>" in page
    assert 'value="2026-11"' in page
    nothing = await door.page("?month=2020-01")
    assert "没有符合筛选条件" in nothing
    assert "清除筛选" in nothing
    assert "清除筛选" not in await door.page()


async def test_empty_fields_of_the_form_are_no_filter(door: Opened) -> None:
    assert await door.page("?region=&category=&month=") == await door.page()


async def test_the_figures_of_a_month(door: Opened) -> None:
    figures = (await door.client.get("/board.json")).json()["figures"]
    wanted = [
        one
        for one in door.board.publications.values()
        if month_span("2026-11", ZONE)[0] <= one.closed_at < month_span("2026-11", ZONE)[1]
    ]
    rated = [one.satisfaction for one in wanted if one.satisfaction is not None]
    assert figures["month"] == "2026-11"
    assert figures["closed"] == len(wanted)
    assert sum(figures["not_shown"].values()) == sum(one.entry is None for one in wanted) > 0
    counts = {"satisfied": 1, "basically_satisfied": 0.9, "unsatisfied": 0}
    assert figures["satisfied"] == round(sum(counts[one.value] for one in rated) / len(rated), 4)
    nothing = (await door.client.get("/board.json?month=2020-01")).json()["figures"]
    assert (nothing["closed"], nothing["on_time"], nothing["satisfied"]) == (0, None, None)
    assert await door.page("?month=2020-01") != await door.page()
    assert "<dd>—</dd>" in await door.page("?month=2020-01")


async def test_an_entry_in_both_languages(door: Opened) -> None:
    (entry,) = (await door.client.get("/board.json?limit=1")).json()["entries"]
    english = (await door.client.get("/board.json?limit=1&lang=en")).json()["entries"][0]
    assert (entry["street"], english["street"]) in {("东湖街道", "Donghu Street"), ("西山街道", "Xishan Street")}
    assert (entry["units"], entry["number"]) == (["和安供水公司"], english["number"])
    assert 'lang="zh-CN"' in await door.page()
    assert '<html lang="en">' in await door.page("?lang=en")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("cursor=bm9uc2Vuc2U=", "cursor_invalid"),
        ("cursor=%00", "cursor_invalid"),
        ("region=999", "region_unknown"),
        ("month=2026-13", None),
        ("limit=0", None),
        ("lang=fr", None),
    ],
)
async def test_what_it_cannot_answer_is_refused_with_a_reason(door: Opened, query: str, code: str | None) -> None:
    response = await door.client.get(f"/board.json?{query}")
    assert response.status_code == 422
    assert code is None or response.json()["type"] == f"urn:chuishao:problem:{code}"


def test_a_month_is_the_district_s_own() -> None:
    assert month_span("2026-12", ZONE) == (
        datetime(2026, 11, 30, 16, tzinfo=UTC),
        datetime(2026, 12, 31, 16, tzinfo=UTC),
    )


async def test_only_the_hub_takes_an_entry_off(door: Opened) -> None:
    router = OtherLog("router", CASES)
    for fact in (opened(), dispatched("util-water"), closed()):
        await door.feedback.road.travel([arrived(router.append(CASE, fact))])
    path, body = f"/reviews/{NUMBER}/withhold", {"reason": "涉及第三人"}

    nobody = await door.client.post(path, json=body)
    community = await door.client.post(path, json=body, headers=token(COMMUNITY))
    hub = await door.client.post(path, json=body, headers=token(HUB))
    again = await door.client.post(path, json={"reason": "再次"}, headers=token(HUB))

    assert (nobody.status_code, community.status_code, hub.status_code, again.status_code) == (401, 403, 200, 409)
    assert hub.json() == {"number": NUMBER, "withheld": True}
    said = [envelope.fact for envelope in door.feedback.logged(CASE)]
    assert [type(fact) for fact in said] == [f.FeedbackPublished, f.FeedbackWithheld]
