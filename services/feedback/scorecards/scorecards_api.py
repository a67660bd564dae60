"""The HTTP door of scorecards: look, export, see the cases behind a figure, have one computed, publish it."""

import asyncio
import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import FastAPI, Path, Query, Request, Response
from pydantic import Field

from services.feedback.api import LARGEST_PAGE, PAGE, PROBLEMS, Body, Reviews
from services.feedback.domain.measuring.issuing import Card, Status
from services.feedback.domain.measuring.opinion import opinions
from services.feedback.domain.measuring.periods import Period, period_named
from services.feedback.domain.measuring.scorecard import read
from services.feedback.domain.measuring.scoring import Rhythm, Scoring
from services.feedback.exports import csv_export, print_page, sheet
from services.feedback.exports.issued import Issued
from services.feedback.exports.speech import Speech
from services.feedback.scorecards.behind import behind
from services.feedback.scorecards.scorecards import NEWEST, PartPlace, Scorecards, Which, unknown
from services.feedback.scorecards.scorecards_views import (
    CardPage,
    CardView,
    CaseBehind,
    CasesPage,
    WholeCardView,
)
from shared.contracts.facts import UnitCode
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import Measure
from shared.runtime.decision import Refusal
from shared.runtime.identity import Gatekeeper, Identity, forbidden
from shared.runtime.problems import Refused

MOST_EDITIONS = 100

Number = Annotated[int, Path(ge=1, le=NEWEST)]
Before = Annotated[int, Query(ge=1, le=NEWEST, description="only those with a lower number: where to go on")]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]
Language = Annotated[str, Query(description="zh-CN or en", max_length=35)]


class Format(StrEnum):
    """How a scorecard is handed out."""

    XLSX = "xlsx"
    CSV = "csv"
    HTML = "html"
    JSON = "json"  # the exact bytes that are frozen


# --- what is sent -------------------------------------------------------------------------------------------------


class Wanted(Body):
    """Which scorecard is to be computed: `{"rhythm": "quarter", "period": "2026-Q4"}`."""

    rhythm: Rhythm
    period: Annotated[str, Field(min_length=4, max_length=10)]


# --- the door -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScorecardDesk:
    """What the door works with. `wake`: something was asked for."""

    gatekeeper: Gatekeeper
    units: Callable[[], UnitTree]
    scoring: Callable[[], Scoring]
    cards: Scorecards
    reviews: Reviews
    zone: tzinfo
    wake: Callable[[], None]

    def staff(self, request: Request) -> Identity:
        return self.gatekeeper.staff(request, "仅工作人员可以查看考核表。", "Only staff may see scorecards.")

    def of_hub(self, identity: Identity) -> bool:
        """The hub's staff, and operators, who act in its stead."""
        return identity.operator or identity.unit == self.units().hub.code

    def hub(self, request: Request, zh: str, en: str) -> Identity:
        """As `staff`, and anybody but the hub's is told so in these words (403)."""
        identity = self.staff(request)
        if not self.of_hub(identity):
            raise forbidden("hub_only", zh, en)
        return identity

    async def card(self, number: int, identity: Identity) -> Card:
        """One that the asker may see: the hub any, others published ones. Raises `Refused`."""
        card = await self.cards.card(number)
        if card is None or not (self.of_hub(identity) or card.status is Status.PUBLISHED):
            raise Refused(unknown(number))
        return card

    async def content(self, card: Card) -> bytes:
        content = await self.cards.content(card.id)
        if content is None:
            raise Refused(_not_there_yet(card))
        return content

    async def issued(self, card: Card) -> Issued:
        content = await self.content(card)
        assert card.hash is not None, "it has content, so it has a hash"
        which = Which(card.rhythm, card.period)
        editions = await self.cards.page(which, NEWEST, MOST_EDITIONS)
        return Issued(
            id=card.id,
            card=await asyncio.to_thread(read, content),
            hash=card.hash,
            published_at=card.published_at,
            corrects=next((one.id for one in editions if one.edition == card.edition - 1), None),
        )

    def speech(self, language: str) -> Speech:
        return Speech(language, self.units, self.zone)

    def own(self, identity: Identity, unit: str) -> None:
        """Whether the asker acts for that unit, or for the hub. Raises `Refused` (403)."""
        acts = identity.unit is not None and self.units().may_act_for(unit, identity.unit)
        if not acts and not self.of_hub(identity):
            raise forbidden(
                "not_your_unit",
                f"只能查看本单位的内容，不能查看 {unit} 的；请将 unit 改为本单位。",
                f"You may see what is your own unit's, not what is of {unit}; name your own in unit.",
            )

    def whose(self, identity: Identity, unit: str | None) -> str | None:
        """The unit that is meant: the one that is named, else the asker's; None = all, for the hub. As `own`."""
        if self.of_hub(identity):
            return unit
        meant = unit or identity.unit or ""
        self.own(identity, meant)
        return meant


def add_scorecard_routes(app: FastAPI, desk: ScorecardDesk) -> None:
    """Add `/scorecards`."""
    _add_looking(app, desk)
    _add_issuing(app, desk)


def _add_looking(app: FastAPI, desk: ScorecardDesk) -> None:
    @app.get("/scorecards", tags=["scorecards"], responses=PROBLEMS)
    async def every(
        request: Request,
        response: Response,
        rhythm: Annotated[Rhythm | None, Query(description="only those of this rhythm")] = None,
        period: Annotated[str | None, Query(max_length=10, description="only this period, 2026-Q4")] = None,
        status: Annotated[Status | None, Query(description="only those that stand so")] = None,
        before: Before = NEWEST,
        limit: Limit = PAGE,
    ) -> CardPage:
        """Scorecards, newest first: all for the hub, published ones for units. `Link` names the next page."""
        identity = desk.staff(request)
        seen = status if desk.of_hub(identity) else Status.PUBLISHED
        if status not in (None, seen):
            return CardPage(scorecards=[], next=None)
        found = await desk.cards.page(Which(rhythm, period, seen), before, limit + 1)
        shown = found[:limit]
        following = shown[-1].id if len(found) > limit else None
        if following is not None:
            given = {"rhythm": rhythm, "period": period, "status": status, "limit": limit, "before": following}
            response.headers["Link"] = f'</scorecards?{_query(given)}>; rel="next"'
        return CardPage(scorecards=[CardView.of(card) for card in shown], next=following)

    @app.get("/scorecards/{number}", tags=["scorecards"], responses=PROBLEMS)
    async def one(number: Number, request: Request) -> WholeCardView:
        """One scorecard with its content; null while it is computed, with how far that is."""
        card = await desk.card(number, desk.staff(request))
        content = await desk.cards.content(number)
        return WholeCardView(
            **CardView.of(card).model_dump(), content=None if content is None else orjson.loads(content)
        )

    @app.get("/scorecards/{number}/export", tags=["scorecards"], responses=PROBLEMS, response_class=Response)
    async def export(
        number: Number,
        request: Request,
        format: Annotated[Format, Query(description="xlsx, csv, html, or json: the bytes as they are frozen")],  # noqa: A002
        language: Language = "zh-CN",
    ) -> Response:
        """A scorecard as a file."""
        card = await desk.card(number, desk.staff(request))
        content, say = await desk.content(card), desk.speech(language)
        made, media = content, "application/json"
        if format is not Format.JSON:
            made, media = await asyncio.to_thread(_made, format, await desk.issued(card), say)
        name = f"scorecard-{card.rhythm}-{card.period}-{card.edition}.{format}"
        kind = "inline" if format is Format.HTML else "attachment"
        headers = {"Content-Disposition": f'{kind}; filename="{name}"', "ETag": f'"{card.hash}-{format}"'}
        return Response(made, media_type=media, headers=headers)

    @app.get("/scorecards/{number}/opinion", tags=["scorecards"], responses=PROBLEMS)
    async def opinion(
        number: Number,
        request: Request,
        unit: Annotated[UnitCode | None, Query(description="only this unit's; a unit's staff see their own")] = None,
        html: Annotated[bool, Query(description="as a page that can be printed: all units, for the hub")] = False,
        language: Language = "zh-CN",
    ) -> Any:
        """参考意见: rank, trend, and what pulled each unit down, with its cases. Advisory."""
        identity = desk.staff(request)
        card = await desk.card(number, identity)
        of = desk.whose(identity, unit)
        if html:
            desk.hub(request, "仅治理中心可打印全部意见。", "Only the hub prints the opinions of all units.")
            issued, say = await desk.issued(card), desk.speech(language)
            page = await asyncio.to_thread(print_page.opinion_page, issued, say, _case_link)
            return Response(page, media_type=print_page.MEDIA_TYPE)
        found = await asyncio.to_thread(lambda content: opinions(read(content)), await desk.content(card))
        return {"scorecard": number, "opinions": [one for one in found if of in (None, one.unit)]}

    @app.get("/scorecards/{number}/cases", tags=["scorecards"], responses=PROBLEMS)
    async def cases(
        number: Number,
        request: Request,
        unit: Annotated[UnitCode, Query(description="whose figure")],
        measure: Annotated[Measure, Query(description="which figure")],
        pulled_down: Annotated[bool, Query(description="only those that pull it down")] = False,
        cursor: Annotated[str | None, Query(description="where to go on, from the page before")] = None,
        limit: Limit = PAGE,
    ) -> CasesPage:
        """The cases behind a figure, as they stand now; the hub sees any unit's, a unit its own."""
        identity = desk.staff(request)
        desk.own(identity, unit)
        card = await desk.card(number, identity)
        content = await asyncio.to_thread(read, await desk.content(card))
        period = Period(content.rhythm, content.period, content.first, content.last, content.start, content.end)
        found, place = await behind(desk.cards, period, unit, measure, pulled_down, read_place(cursor), limit)
        entry = content.unit(unit)
        return CasesPage(
            unit=unit,
            measure=measure,
            figure=None if entry is None else entry.adjusted[measure].value,
            cases=[CaseBehind.of(part, pulls) for part, pulls in found],
            next=None if place is None else write_place(place),
        )


def _add_issuing(app: FastAPI, desk: ScorecardDesk) -> None:
    @app.post("/scorecards", tags=["scorecards"], responses=PROBLEMS, status_code=202)
    async def compute(wanted: Wanted, request: Request) -> CardView:
        """Have a period's scorecard computed, or once more while it is not published; follow it at its number.

        A published one is computed anew, as the next edition, only after an appeal against it was upheld.
        """
        identity = desk.hub(request, "仅治理中心可以计算考核表。", "Only the hub has scorecards computed.")
        try:
            period = period_named(wanted.rhythm, wanted.period, desk.scoring())
        except ValueError as error:
            zh, _, en = str(error).partition(" · ")
            raise Refused(Refusal("period_unknown", zh=zh, en=en or zh, field="period", status=422)) from None
        card = await desk.cards.ask(period, identity.actor)
        desk.wake()
        return CardView.of(card)

    @app.post("/scorecards/{number}/publish", tags=["scorecards"], responses=PROBLEMS)
    async def publish(number: Number, request: Request) -> CardView:
        """Publish: from now on its content and what it was computed from stay as they are."""
        identity = desk.hub(request, "仅治理中心可以发布考核表。", "Only the hub publishes scorecards.")
        return CardView.of(await desk.cards.publish(number, desk.scoring(), identity.actor))


# --- what they share ----------------------------------------------------------------------------------------------


def _made(format_: Format, issued: Issued, say: Speech) -> tuple[bytes, str]:
    match format_:
        case Format.XLSX:
            return sheet.sheet(issued, say), sheet.MEDIA_TYPE
        case Format.CSV:
            return csv_export.csv_text(issued, say), csv_export.MEDIA_TYPE
        case _:
            return print_page.page(issued, say).encode(), print_page.MEDIA_TYPE


def _case_link(number: str) -> str:
    return f"/cases/{number}"


def _query(given: dict[str, Any]) -> str:
    return urlencode({name: value for name, value in given.items() if value is not None})


def write_place(place: PartPlace) -> str:
    return base64.urlsafe_b64encode(f"{place.case_id} {place.round}".encode()).decode()


def read_place(cursor: str | None) -> PartPlace:
    """The place a cursor stands for; the beginning for None. Raises `Refused` (422) for anything not written here."""
    if cursor is None:
        return PartPlace()
    try:
        case_id, _, number = base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").partition(" ")
        place = PartPlace(UUID(case_id), int(number))
    except (binascii.Error, UnicodeError, ValueError):
        raise Refused(_CURSOR_INVALID) from None
    if not 0 <= place.round < 2**31:
        raise Refused(_CURSOR_INVALID)
    return place


def _not_there_yet(card: Card) -> Refusal:
    if card.status is Status.FAILED:
        return Refusal(
            "scorecard_failed",
            zh=f"该考核表计算失败（{card.failure}）；请重新提出计算。",
            en=f"This scorecard could not be computed ({card.failure}); ask for it again.",
        )
    return Refusal(
        "scorecard_not_computed",
        zh=f"该考核表尚未计算完成（{card.done}/{card.total}）；请稍后再试。",
        en=f"This scorecard is not computed yet ({card.done} of {card.total}); try again when it is.",
    )


_CURSOR_INVALID = Refusal(
    "cursor_invalid",
    zh="cursor 无效；请使用上一页 next 字段给出的值，或去掉它从头开始。",
    en="The cursor is not valid; use `next` of the page before, or leave it out.",
    field="cursor",
    status=422,
)
