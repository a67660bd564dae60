"""The door of scorecards: who sees what, who may compute, publish, appeal and rule, and what is handed out."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
from fastapi import FastAPI

from services.feedback.domain.measuring import scorecard
from services.feedback.domain.measuring.issuing import Card
from services.feedback.domain.measuring.judged import Exclusion, Judged
from services.feedback.domain.measuring.measures import Counting
from services.feedback.domain.measuring.part import Part
from services.feedback.domain.measuring.periods import SHANGHAI
from services.feedback.domain.review import Review
from services.feedback.scorecards.appeals_api import add_appeal_routes
from services.feedback.scorecards.scorecards import PartPlace
from services.feedback.scorecards.scorecards_api import ScorecardDesk, add_scorecard_routes, read_place, write_place
from shared.contracts.facts import Actor
from shared.contracts.vocabulary import ActorKind, Measure
from shared.runtime import problems
from shared.runtime.identity import Gatekeeper, Identity, issue
from tests.unit.feedback.memory_scorecards import MemoryScorecards
from tests.unit.feedback.rows import EAST, HUB, INPUTS, NOVEMBER, SCORING, TREE, WEST, day, good, late, part

SIGNING_KEY = "0123456789abcdef0123456789abcdef"
AFTER = datetime(2026, 12, 5, tzinfo=UTC)
EXCLUSION = UUID(int=7)
PARTS = [*(good(number) for number in range(1, 6)), part(6, handle=late(day(9))), good(7, WEST), good(8, WEST)]


def token(unit: str | None, person: str = "li", kind: ActorKind = ActorKind.STAFF, **more: Any) -> dict[str, str]:
    identity = Identity(kind=kind, person=person, unit=unit, **more)
    return {"Authorization": f"Bearer {issue(identity, SIGNING_KEY, datetime.now(UTC), timedelta(hours=1))}"}


WANG, ZHAO, OF_EAST, OF_WEST = token(HUB, "wang"), token(HUB, "zhao"), token(EAST), token(WEST)
OPERATOR, RESIDENT = token(None, "root", operator=True), token(None, kind=ActorKind.RESIDENT)


class Reviews:
    """The one case with an exclusion, by its number."""

    def __init__(self) -> None:
        self.approved: bool | None = None

    async def case_by_number(self, number: str) -> UUID | None:
        return UUID(int=6) if number == "HA-0006" else None

    async def review(self, case_id: UUID) -> Review | None:
        asked = Exclusion(
            id=EXCLUSION,
            round=1,
            unit=EAST,
            measures=(Measure.HANDLE,),
            reason="停电",
            basis="供电局通知",
            asked_by=Actor(kind=ActorKind.STAFF, unit=EAST, person="li"),
            asked_at=AFTER,
            approved=self.approved,
        )
        return Review(since=AFTER, judged=Judged(exclusions=(asked,)))


class Window:
    """The door, and the keeper behind it."""

    def __init__(self, client: httpx.AsyncClient, cards: MemoryScorecards, reviews: Reviews, woken: list[int]) -> None:
        self.client = client
        self.cards = cards
        self.reviews = reviews
        self.woken = woken

    async def post(self, path: str, who: dict[str, str], body: object = None) -> tuple[int, Any]:
        response = await self.client.post(path, headers=who, json=body)
        return response.status_code, response.json()

    async def get(self, path: str, who: dict[str, str], **params: str) -> tuple[int, Any]:
        response = await self.client.get(path, headers=who, params=params)
        return response.status_code, response.json()

    async def computed(self, parts: list[Part] = PARTS) -> Card:
        _, asked = await self.post("/scorecards", WANG, {"rhythm": "month", "period": "2026-11"})
        counting = Counting(NOVEMBER)
        counting.add_parts(parts)
        card = scorecard.compute(counting, SCORING, TREE, INPUTS, edition=asked["edition"])
        return self.cards.computed(asked["id"], scorecard.content(card))

    async def published(self) -> int:
        card = await self.computed()
        status, _ = await self.post(f"/scorecards/{card.id}/publish", WANG)
        assert status == 200
        return card.id


@pytest.fixture
async def window() -> AsyncIterator[Window]:
    cards, reviews, woken = MemoryScorecards(AFTER, PARTS), Reviews(), list[int]()
    app = FastAPI()
    problems.install(app)
    desk = ScorecardDesk(
        Gatekeeper(SIGNING_KEY, []),
        lambda: TREE,
        lambda: SCORING,
        cards,
        reviews,  # type: ignore[arg-type]
        SHANGHAI,
        lambda: woken.append(1),
    )
    add_scorecard_routes(app, desk)
    add_appeal_routes(app, desk)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://feedback") as client:
        yield Window(client, cards, reviews, woken)


# --- compute and publish --------------------------------------------------------------------------------------------


async def test_the_hub_has_a_period_computed_and_publishes_it(window: Window) -> None:
    status, asked = await window.post("/scorecards", OPERATOR, {"rhythm": "month", "period": "2026-11"})
    assert (status, asked["status"], asked["edition"], window.woken) == (202, "asked", 1, [1])
    status, refused = await window.post(f"/scorecards/{asked['id']}/publish", WANG)
    assert (status, refused["title"]) == (409, "scorecard not computed")

    card = await window.computed()
    status, published = await window.post(f"/scorecards/{card.id}/publish", ZHAO)
    assert (status, published["status"], published["published_by"]) == (200, "published", HUB)
    assert published["hash"] == card.hash
    status, refused = await window.post("/scorecards", WANG, {"rhythm": "month", "period": "2026-11"})
    assert (status, refused["title"]) == (409, "scorecard published")


async def test_it_is_not_published_before_it_has_settled(window: Window) -> None:
    window.cards.at = NOVEMBER.end + timedelta(hours=SCORING.settle_hours, seconds=-1)
    card = await window.computed()
    status, refused = await window.post(f"/scorecards/{card.id}/publish", WANG)
    assert (status, refused["title"]) == (409, "publish too early")
    assert "2026-12-02 00:00" in refused["detail"]
    window.cards.at += timedelta(seconds=1)
    status, refused = await window.post(f"/scorecards/{card.id}/publish", WANG)
    assert (status, refused["title"]) == (409, "computed too early")
    await window.computed()
    assert (await window.post(f"/scorecards/{card.id}/publish", WANG))[0] == 200


@pytest.mark.parametrize(
    ("who", "code"),
    [(OF_EAST, "hub only"), (RESIDENT, "staff only")],
)
async def test_nobody_but_the_hub_computes_and_publishes(window: Window, who: dict[str, str], code: str) -> None:
    card = await window.computed()
    for path, body in (
        ("/scorecards", {"rhythm": "day", "period": "2026-11-01"}),
        (f"/scorecards/{card.id}/publish", None),
    ):
        status, refused = await window.post(path, who, body)
        assert (status, refused["title"]) == (403, code)


async def test_a_period_that_is_none_is_refused_in_both_languages(window: Window) -> None:
    status, refused = await window.post("/scorecards", WANG, {"rhythm": "quarter", "period": "2026-11"})
    assert (status, refused["field"]) == (422, "period")
    assert "2026-Q4" in refused["detail"]
    assert "2026-Q4" in refused["detail_en"]
    status, refused = await window.post("/scorecards", WANG, {"rhythm": "quarter", "period": "2027-Q4"})
    assert (status, refused["title"]) == (422, "period not begun")


# --- looking ------------------------------------------------------------------------------------------------------


async def test_units_see_what_is_published_and_the_hub_sees_all(window: Window) -> None:
    card = await window.computed()
    assert (await window.get(f"/scorecards/{card.id}", OF_EAST))[0] == 404
    assert (await window.get("/scorecards", OF_EAST))[1]["scorecards"] == []
    assert [one["id"] for one in (await window.get("/scorecards", WANG))[1]["scorecards"]] == [card.id]
    assert (await window.get(f"/scorecards/{card.id}", RESIDENT))[0] == 403

    await window.post(f"/scorecards/{card.id}/publish", WANG)
    status, seen = await window.get(f"/scorecards/{card.id}", OF_EAST)
    assert status == 200
    assert orjson.dumps(seen["content"], option=orjson.OPT_SORT_KEYS) == await window.cards.content(card.id)
    assert [one["id"] for one in (await window.get("/scorecards", OF_EAST))[1]["scorecards"]] == [card.id]
    assert (await window.get("/scorecards", OF_EAST, status="computed"))[1]["scorecards"] == []


async def test_the_list_goes_on_where_it_stopped(window: Window) -> None:
    for number in range(1, 4):
        await window.post("/scorecards", WANG, {"rhythm": "day", "period": f"2026-11-{number:02}"})
    response = await window.client.get("/scorecards", params={"limit": 2}, headers=WANG)
    assert [one["period"] for one in response.json()["scorecards"]] == ["2026-11-03", "2026-11-02"]
    following = response.headers["Link"].partition(">")[0].removeprefix("<")
    rest = (await window.client.get(following, headers=WANG)).json()
    assert ([one["period"] for one in rest["scorecards"]], rest["next"]) == (["2026-11-01"], None)


@pytest.mark.parametrize(
    ("form", "media", "begins"),
    [
        ("json", "application/json", b"{"),
        ("csv", "text/csv", b"\xef\xbb\xbf"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK"),
        ("html", "text/html", b"<!"),
    ],
)
async def test_it_is_handed_out_in_every_form(window: Window, form: str, media: str, begins: bytes) -> None:
    number = await window.published()
    response = await window.client.get(f"/scorecards/{number}/export", params={"format": form}, headers=OF_EAST)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(media)
    assert response.content.lstrip().startswith(begins)
    assert f"scorecard-month-2026-11-1.{form}" in response.headers["content-disposition"]
    if form == "json":
        assert response.content == await window.cards.content(number)


async def test_what_is_not_computed_is_not_handed_out(window: Window) -> None:
    _, asked = await window.post("/scorecards", WANG, {"rhythm": "month", "period": "2026-11"})
    for what, params in (("export", {"format": "csv"}), ("export", {"format": "json"}), ("opinion", {})):
        status, refused = await window.get(f"/scorecards/{asked['id']}/{what}", WANG, **params)
        assert (status, refused["title"]) == (409, "scorecard not computed")


async def test_a_unit_sees_its_own_opinion_and_the_hub_all(window: Window) -> None:
    number = await window.published()
    of_all = (await window.get(f"/scorecards/{number}/opinion", WANG))[1]["opinions"]
    own = (await window.get(f"/scorecards/{number}/opinion", OF_EAST))[1]["opinions"]
    assert sorted(one["unit"] for one in of_all) == [EAST, WEST]
    assert [one["unit"] for one in own] == [EAST]
    for who, of in ((OF_EAST, {"unit": WEST}), (token(None), {}), (token(None), {"unit": EAST})):
        assert (await window.get(f"/scorecards/{number}/opinion", who, **of))[0] == 403
    page = await window.client.get(f"/scorecards/{number}/opinion", params={"html": "true"}, headers=WANG)
    assert page.headers["content-type"].startswith("text/html")
    assert (await window.get(f"/scorecards/{number}/opinion", OF_EAST, html="true"))[0] == 403


# --- the cases behind a figure ------------------------------------------------------------------------------------


async def test_each_figure_leads_to_its_cases(window: Window) -> None:
    number = await window.published()
    path = f"/scorecards/{number}/cases"
    _, seen = await window.get(path, OF_EAST, unit=EAST, measure="handle")
    content = scorecard.read(await window.cards.content(number) or b"")
    entry = content.unit(EAST)
    assert entry is not None
    assert len(seen["cases"]) == entry.raw[Measure.HANDLE].denominator == 6
    assert seen["figure"] == entry.adjusted[Measure.HANDLE].value
    assert [one["number"] for one in seen["cases"] if one["pulls_down"]] == ["HA-0006"]
    _, pulling = await window.get(path, OF_EAST, unit=EAST, measure="score", pulled_down="true")
    assert [one["number"] for one in pulling["cases"]] == ["HA-0006"]
    assert (await window.get(path, OF_EAST, unit=EAST, measure="supervision"))[1]["cases"][0]["pulls_down"] is False
    assert (await window.get(path, OF_WEST, unit=EAST, measure="handle"))[0] == 403


async def test_they_come_a_page_at_a_time(window: Window) -> None:
    number = await window.published()
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        _, seen = await window.get(
            f"/scorecards/{number}/cases", WANG, unit=EAST, measure="handle", limit="2", **cursor
        )
        assert len(seen["cases"]) <= 2
        found += [one["number"] for one in seen["cases"]]
        if seen["next"] is None:
            break
        cursor = {"cursor": seen["next"]}
    assert found == [f"HA-{number:04}" for number in range(1, 7)]


@pytest.mark.parametrize("cursor", ["x", "é", "MQ==", write_place(PartPlace(UUID(int=1), 1))[:-3] + "!!!"])
async def test_a_cursor_not_written_here_is_refused(window: Window, cursor: str) -> None:
    number = await window.published()
    status, refused = await window.get(f"/scorecards/{number}/cases", WANG, unit=EAST, measure="handle", cursor=cursor)
    assert (status, refused["title"]) == (422, "cursor invalid")


def test_a_place_is_read_as_it_was_written() -> None:
    place = PartPlace(UUID(int=5), 2)
    assert read_place(write_place(place)) == place


# --- appeals ------------------------------------------------------------------------------------------------------

DISPUTED = {"unit": EAST, "measure": "handle", "reason": "停电期间不应计超期"}


async def test_a_unit_appeals_and_somebody_else_at_the_hub_rules(window: Window) -> None:
    number = await window.published()
    status, appeal = await window.post(f"/scorecards/{number}/appeals", OF_EAST, DISPUTED)
    assert (status, appeal["upheld"]) == (201, None)
    path = f"/appeals/{appeal['number']}/ruling"
    by_exclusion = {"upheld": True, "reason": "属实", "remedy": "exclusion", "exclusion": str(EXCLUSION)}
    for of_case in ({}, {"case": "HA-0001"}, {"case": "HA-0006"}):
        status, refused = await window.post(path, WANG, by_exclusion | of_case)
        assert (status, refused["title"]) == (422, "exclusion not approved")
    window.reviews.approved = True
    assert (await window.post(path, OF_EAST, by_exclusion | {"case": "HA-0006"}))[0] == 403
    assert (await window.post(path, OPERATOR, by_exclusion | {"case": "HA-0006"}))[0] == 403
    status, ruled = await window.post(path, WANG, by_exclusion | {"case": "HA-0006"})
    assert (status, ruled["upheld"], ruled["remedy"], ruled["ruled_by"]) == (200, True, "exclusion", HUB)

    second = await window.computed()
    assert (second.id != number, second.edition) == (True, 2)
    assert (await window.post(f"/scorecards/{second.id}/publish", WANG))[0] == 200
    assert (await window.get(f"/scorecards/{number}", OF_EAST))[1]["edition"] == 1


@pytest.mark.parametrize(
    ("who", "change", "status", "code"),
    [
        (OF_WEST, {}, 403, "not your unit"),
        (WANG, {}, 403, "not your unit"),
        (OPERATOR, {}, 403, "not your unit"),
        (OF_EAST, {"reason": "  "}, 422, "reason missing"),
        (OF_EAST, {"measure": "nonsense"}, 422, "invalid request"),
        (OF_EAST, {"measure": "report", "unit": "no-such"}, 403, "not your unit"),
    ],
)
async def test_who_may_not_appeal(
    window: Window, who: dict[str, str], change: dict[str, str], status: int, code: str
) -> None:
    number = await window.published()
    answered, refused = await window.post(f"/scorecards/{number}/appeals", who, DISPUTED | change)
    assert (answered, refused["title"]) == (status, code)


async def test_there_is_nothing_to_appeal_against_where_the_figure_is_none(window: Window) -> None:
    card = await window.computed([part(6, handle=late(day(9)))])
    await window.post(f"/scorecards/{card.id}/publish", WANG)
    status, refused = await window.post(f"/scorecards/{card.id}/appeals", OF_EAST, DISPUTED | {"measure": "rating"})
    assert (status, refused["title"]) == (422, "figure unknown")


async def test_a_unit_sees_its_own_appeals_and_the_hub_all(window: Window) -> None:
    number = await window.published()
    await window.post(f"/scorecards/{number}/appeals", OF_EAST, DISPUTED)
    await window.post(f"/scorecards/{number}/appeals", OF_WEST, DISPUTED | {"unit": WEST})
    assert [one["unit"] for one in (await window.get("/appeals", WANG))[1]["appeals"]] == [WEST, EAST]
    assert [one["unit"] for one in (await window.get("/appeals", OF_EAST))[1]["appeals"]] == [EAST]
    assert (await window.get("/appeals", OF_EAST, unit=WEST))[0] == 403
    assert (await window.get("/appeals", RESIDENT))[0] == 403
    assert (await window.get("/appeals", token(None)))[0] == 403
    page = (await window.get("/appeals", WANG, limit="1"))[1]
    assert page["next"] == page["appeals"][0]["number"]


async def test_an_appeal_nobody_made_is_unknown(window: Window) -> None:
    status, refused = await window.post("/appeals/9/ruling", WANG, {"upheld": False, "reason": "无"})
    assert (status, refused["title"]) == (404, "appeal unknown")
