"""The pages in a real browser: live numbers, a lost connection, phones, keyboards, two languages, hostile titles."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import uvicorn

from services.workbench.main import Workbench
from shared.contracts import facts as f
from shared.contracts.vocabulary import Role, Stage
from tests.e2e.pages.browser import Browser, Page, find
from tests.unit.workbench import kit
from tests.unit.workbench.kit import CASE, NUMBER, Upstream

pytestmark = [
    pytest.mark.skipif(find() is None, reason="no Chromium on this machine"),
    pytest.mark.timeout(180),
]

EVIL = "<script>document.title='forged'</script><img src=x onerror=alert(1)>"
LIVE = "document.querySelector('[data-link]').dataset.link === 'on'"
LOST = "document.querySelector('[data-link]').dataset.link === 'lost'"
NO_SIDEWAYS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


class Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, listening: threading.Event) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening.set()


class Site:
    """The workbench on a port of its own, in a thread; it can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.upstream = Upstream()
        self.upstream.answers[f"sla /cases/{CASE}/deadlines"] = DEADLINES
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.parts: Workbench
        self._loop: asyncio.AbstractEventLoop
        self._server: uvicorn.Server
        self._thread: threading.Thread

    def start(self) -> None:
        started = threading.Event()
        self.parts, app = kit.workbench(self._folder, self.upstream)
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_config=None, timeout_graceful_shutdown=2)
        self._server = Server(config, started)

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve()

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        self._thread.start()
        assert started.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self.parts.stream.close)
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()

    def tell(self, *facts: f.Fact, case_id: object = CASE) -> None:
        """Let these facts happen now."""

        def take() -> None:
            for fact in facts:
                topic = {**kit.TOPIC_OF, "live": "surges"}[kit.service_of(fact)]
                self.parts.feed.take(topic, 0, kit.envelope(fact, case_id=case_id))  # type: ignore[arg-type]

        self._loop.call_soon_threadsafe(take)


DEADLINES = [
    {
        "obligation": "handle",
        "unit": kit.WATER,
        "generation": 1,
        "started_at": "2026-11-23T00:30:00Z",
        "warn_at": "2026-11-23T02:06:00Z",
        "due_at": "2026-11-23T02:30:00Z",
        "state": "overdue",
        "ended_at": None,
    }
]


MANY_SIDED = {
    "case_list": "phased",
    "ledger": "from_above",
    "assignments": [
        kit.part(extensions=1, refusals=0),
        kit.part(kit.HOUSING, "in_consultation", Role.CO_HANDLER),
        kit.part(kit.STREET, "released", Role.CO_HANDLER),
        kit.part("dept-roads", "done", Role.CO_HANDLER),
    ],
    "requests": [{"kind": "extension", "unit": kit.WATER, "share": 0.5, "approver": kit.HUB}],
    "pause": {"until": "2027-03-01T02:30:00Z"},
    "milestones": [
        {
            "milestone": {"number": 1, "title": "换立管", "due_at": "2026-11-20T02:30:00Z"},
            "reached_at": "2026-11-19T02:30:00Z",
        },
        {"milestone": {"number": 2, "title": "换支管并恢复路面", "due_at": "2026-11-22T02:30:00Z"}, "reached_at": None},
        {"milestone": {"number": 3, "title": "通水验收", "due_at": "2026-12-20T02:30:00Z"}, "reached_at": None},
    ],
    "supervised": [kit.WATER],
    "merged_into": {"case_id": str(kit.OTHER), "number": kit.OTHER_NUMBER},
    "missed": [{"obligation": "sign_in", "unit": kit.WATER, "generation": 1}],
    "answerable": kit.WATER,
    "answerable_since": "2026-11-22T23:30:00Z",
    "held": {kit.COMMUNITY: "PT40M", kit.HUB: "PT1H5M", kit.WATER: "P1DT2H"},
    "held_suspended": {kit.WATER: "PT9H"},
}
"""Everything at once that can hold a case."""
TWINS = {"merged_into": None, "candidates": [kit.TWIN.model_dump(mode="json")]}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser.launch(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running(tmp_path) as site:
        yield site


@contextmanager
def running(folder: Path) -> Iterator[Site]:
    site = Site(folder)
    site.start()
    try:
        yield site
    finally:
        site.stop()


def live_board(browser: Browser, site: Site, query: str = "?lang=zh", width: int = 1280, height: int = 900) -> Page:
    page = browser.open(f"{site.url}/board{query}", width, height)
    page.wait(LIVE)
    return page


def test_numbers_and_news_arrive_without_reloading(browser: Browser, site: Site) -> None:
    page = live_board(browser, site)
    assert page.text(".ticker") == ""
    site.upstream.answers["router /statistics"] = kit.STATISTICS | {"open": 41, "overdue": 0}
    page.wait("document.querySelector('[data-state=\"figures.open\"]').textContent === '41'")
    assert page.value("document.querySelector('[data-lamp-state]').dataset.lamp") == "off"
    site.tell(kit.dispatched(), kit.overdue())
    page.wait("document.querySelectorAll('.ticker li').length === 2")
    assert "湖畔社区 吹哨：3号楼停水 → 派 和安供水公司" in page.text(".ticker")
    page.wait("document.querySelectorAll('.lamps li').length === 1")
    site.tell(kit.closed())
    page.wait("document.querySelectorAll('.lamps li').length === 0")
    assert page.value("document.querySelector('.ticker a').getAttribute('href')") == f"/cases/{NUMBER}"
    assert page.complaints == []


def test_rows_that_stay_are_not_drawn_anew(browser: Browser, site: Site) -> None:
    page = live_board(browser, site)
    page.value("document.querySelectorAll('.unit').forEach((row) => (row.marked = true))")
    units = [{"unit": kit.STREET, "open": 70, "overdue": 0}, {"unit": kit.WATER, "open": 31, "overdue": 4}]
    site.upstream.answers["router /statistics"] = kit.STATISTICS | {"by_unit": units}
    page.wait("document.querySelector('.unit-open').textContent === '70'")
    assert page.value("[...document.querySelectorAll('.unit')].every((row) => row.marked)") is True


def test_a_lost_connection_is_shown_and_heals(browser: Browser, site: Site) -> None:
    page = live_board(browser, site, "?lang=en")
    site.tell(kit.dispatched())
    page.wait("document.querySelectorAll('.ticker li').length === 1")
    site.stop()
    page.wait(LOST)
    assert "Connection lost, retrying" in page.text("[data-link]")
    assert page.value("document.querySelector('.board').classList.contains('stale')") is True
    assert page.text("[data-state='figures.open']") == "40"
    site.start()
    page.wait(LIVE, 30)
    site.tell(kit.closed())
    page.wait("document.querySelectorAll('.ticker li').length === 2")
    assert page.value("document.querySelector('.board').classList.contains('stale')") is False


def test_services_that_are_away_are_named(browser: Browser, site: Site) -> None:
    page = live_board(browser, site)
    assert page.value("document.querySelector('.away').hidden") is True
    site.upstream.stop("feedback")
    page.wait("!document.querySelector('.away').hidden")
    assert "验单评单服务自 10:30:00 起无应答" in page.text(".away")
    site.upstream.answers["feedback /health/live"] = {"status": "ok"}
    page.wait("document.querySelector('.away').hidden")


def test_a_surge_appears_with_its_cases_and_goes(browser: Browser, site: Site) -> None:
    page = live_board(browser, site)
    assert page.value("document.querySelector('.surges-card').hidden") is True
    site.upstream.answers["live /live"] = kit.LATELY
    site.tell(kit.SURGES[0], case_id=kit.SURGE)
    page.wait("!document.querySelector('.surges-card').hidden")
    assert "同一地点 湖畔社区" in page.text(".surges")
    links = "[...document.querySelectorAll('.surge-cases a:not([hidden])')].map((link) => link.getAttribute('href'))"
    assert page.value(links) == [f"/cases/{NUMBER}", f"/cases/{kit.OTHER}"]
    page.wait("document.querySelectorAll('.day tbody tr').length === 3")
    assert page.value("document.querySelector('.day-open').textContent") == "30"
    page.wait("document.querySelectorAll('.ticker li').length === 1")
    assert "诉求激增：" in page.text(".ticker")
    site.upstream.answers["live /live"] = {"surges": []}
    page.wait("document.querySelector('.surges-card').hidden")
    assert page.value("document.querySelectorAll('.surge').length") == 0
    assert page.complaints == []


def test_without_live_statistics_the_board_is_not_disturbed(browser: Browser, site: Site) -> None:
    page = live_board(browser, site)
    site.upstream.stop("live")
    page.wait("!document.querySelector('.day-away').hidden")
    assert "实时统计自 10:30:00 起无应答" in page.text(".day-away")
    assert page.value("document.querySelector('.away').hidden") is True
    assert page.text("[data-state='figures.open']") == "40"


def test_a_paused_ticker_waits(browser: Browser, site: Site) -> None:
    page = live_board(browser, site)
    page.value("document.querySelector('[data-pause-button]').click()")
    site.tell(kit.dispatched())
    page.wait("document.querySelector('[data-waiting-text]').textContent === '有 1 条新动态'")
    assert page.value("document.querySelectorAll('.ticker li').length") == 0
    page.value("document.querySelector('[data-pause-button]').click()")
    page.wait("document.querySelectorAll('.ticker li').length === 1")


def test_the_ticker_keeps_still_under_a_keyboard(browser: Browser, site: Site) -> None:
    site.tell(kit.dispatched())
    page = live_board(browser, site)
    page.wait("document.querySelectorAll('.ticker li').length === 1")
    page.value("document.querySelector('.ticker a').focus()")
    site.tell(kit.closed())
    page.wait("!document.querySelector('[data-waiting-text]').hidden")
    assert page.value("document.activeElement === document.querySelector('.ticker li:first-child a')") is True
    page.value("document.activeElement.blur()")
    page.wait("document.querySelectorAll('.ticker li').length === 2")


def test_hostile_titles_are_only_text(browser: Browser, site: Site) -> None:
    site.upstream.answers[f"router /cases/{NUMBER}"] = kit.case_document(title=EVIL, content=EVIL)
    page = live_board(browser, site)
    site.tell(kit.dispatched(title=EVIL), kit.overdue())
    page.wait("document.querySelectorAll('.ticker li').length === 2")
    page.wait("document.querySelectorAll('.lamps li').length === 1")
    assert EVIL in page.text(".ticker")
    page.go(f"{site.url}/board")
    page.wait(LIVE)
    page.go(f"{site.url}/cases/{NUMBER}")
    assert page.text("h1") == EVIL
    assert page.value("document.querySelectorAll('main script, img[onerror]').length") == 0
    assert page.value("document.title") != "forged"
    assert page.complaints == []


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_nothing_runs_over_the_edge(browser: Browser, site: Site, language: str) -> None:
    long = "一个很长的标题" * 12 + "AVeryLongWordWithoutAnyPlaceToBreakIt" * 3
    site.upstream.answers[f"router /cases/{NUMBER}"] = kit.case_document(title=long, content=long, respondent=long)
    for _ in range(3):
        site.tell(kit.dispatched(title=long), kit.overdue(), case_id=uuid4())
    surge = kit.LATELY["surges"][0] | {"shown": long}
    site.upstream.answers["live /live"] = kit.LATELY | {"surges": [surge, surge | {"key": "other", "kind": "category"}]}
    page = live_board(browser, site, f"?lang={language}")
    page.wait("document.querySelectorAll('.lamps li').length === 3")
    page.wait("document.querySelectorAll('.surge').length === 2")
    for path in ("", f"/cases/{NUMBER}", "/cases/unknown"):
        if path:
            page.go(f"{site.url}{path}?lang={language}")
        for width in (360, 390, 641, 768, 1024, 1101, 1440, 1920):
            page.resize(width, 800)
            assert page.value(NO_SIDEWAYS), (path, width)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("twins", [{}, TWINS], ids=["merged", "with twins"])
def test_all_that_can_hold_a_case_fits_on_its_page(
    browser: Browser, site: Site, language: str, twins: dict[str, object]
) -> None:
    stage = Stage.SUSPENDED if twins else Stage.MERGED
    site.upstream.answers[f"router /cases/{NUMBER}"] = kit.case_document(stage) | MANY_SIDED | twins
    page = browser.open(f"{site.url}/cases/{NUMBER}?lang={language}")
    assert page.value("document.querySelectorAll('.notice').length") == 3 + (not twins)
    assert page.value("document.querySelectorAll('.parts li').length") == 4
    assert page.value("document.querySelectorAll('.parts .tag').length") == 1
    assert page.value("document.querySelectorAll('.milestone-late').length") == 1
    assert page.value(f"document.querySelectorAll('a[href=\"/cases/{kit.OTHER_NUMBER}\"]').length") == 1
    widths = "[...document.querySelectorAll('.account .meter')].map((bar) => bar.getBoundingClientRect().width > 40)"
    for width in (360, 390, 641, 901, 1280, 1920):
        page.resize(width, 800)
        assert page.value(NO_SIDEWAYS), width
        assert page.value(widths) == [True] * 6, width
    assert page.complaints == []


def test_the_way_to_the_other_case_is_walked_with_the_keyboard(browser: Browser, site: Site) -> None:
    site.upstream.answers[f"router /cases/{NUMBER}"] = kit.case_document(Stage.MERGED) | MANY_SIDED
    other = kit.case_document(title="另一件")
    site.upstream.answers[f"router /cases/{kit.OTHER_NUMBER}"] = other
    page = browser.open(f"{site.url}/cases/{NUMBER}")
    page.value("document.querySelector('.notice a').focus()")
    assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.send("Input.dispatchKeyEvent", type="keyDown", key="Enter", windowsVirtualKeyCode=13, text="\r")
    page.wait(f"location.pathname === '/cases/{kit.OTHER_NUMBER}' && document.readyState === 'complete'")
    assert page.text("h1") == "另一件"


def test_a_case_is_found_by_its_number_with_the_keyboard_alone(browser: Browser, site: Site) -> None:
    page = browser.open(f"{site.url}/board")
    page.press("Tab", 9)
    assert page.value("document.activeElement.className") == "skip"
    page.value("document.querySelector('#number').focus()")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.value(outline) == "solid"
    page.send("Input.insertText", text=NUMBER)
    page.send("Input.dispatchKeyEvent", type="keyDown", key="Enter", windowsVirtualKeyCode=13, text="\r")
    page.wait("location.pathname.startsWith('/cases/') && document.readyState === 'complete'")
    assert page.text("h1") == "3号楼停水"


def test_the_timeline_without_scripts(browser: Browser, site: Site) -> None:
    page = browser.open(f"{site.url}/cases/{NUMBER}", scripts=False)
    document = page.send("DOM.getDocument")["root"]["nodeId"]

    def count(selector: str) -> int:
        return len(page.send("DOM.querySelectorAll", nodeId=document, selector=selector)["nodeIds"])

    assert count(".moment") == len(kit.EXAMPLES)
    assert count(".lamp-red .clock-used") == 1
    assert count("details.position") == len(kit.EXAMPLES)


def test_the_language_is_switched_and_stays(browser: Browser, site: Site) -> None:
    page = browser.open(f"{site.url}/cases/{NUMBER}", languages="zh-CN")
    assert page.value("document.documentElement.lang") == "zh-CN"
    page.value("document.querySelector('.language').click()")
    page.wait("document.documentElement.lang === 'en' && document.readyState === 'complete'")
    page.go(f"{site.url}/board")
    assert page.value("document.documentElement.lang") == "en"
    page.wait(LIVE)
    site.tell(kit.of_unit(f.CaseSignedIn, Stage.HANDLING))
    page.wait("document.querySelectorAll('.ticker li').length === 1")
    assert "He'an Water reported for duty" in page.text(".ticker")


def test_who_asked_for_calm_gets_no_motion(browser: Browser, site: Site) -> None:
    page = browser.open(f"{site.url}/board", media={"prefers-reduced-motion": "reduce"})
    page.wait(LIVE)
    site.tell(kit.dispatched())
    page.wait("document.querySelectorAll('.ticker li.new').length === 1")
    assert page.value("getComputedStyle(document.querySelector('.new .fact')).animationName") == "none"


def test_dark_where_the_system_is_dark(browser: Browser, site: Site) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        page = browser.open(f"{site.url}/board", media={"prefers-color-scheme": scheme})
        grounds.add(page.value("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


def test_everything_on_the_board_has_a_name_for_those_who_do_not_see_it(browser: Browser, site: Site) -> None:
    site.tell(kit.dispatched(), kit.overdue())
    page = live_board(browser, site)
    page.send("Accessibility.enable")
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    named = {"link", "button", "searchbox", "image", "region", "log", "textbox"}
    nameless = [
        node["role"]["value"]
        for node in nodes
        if not node.get("ignored")
        and node.get("role", {}).get("value") in named
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    assert page.value("document.querySelector('.ticker').getAttribute('aria-live')") == "polite"
    assert page.value("document.querySelectorAll('h1').length") == 1
