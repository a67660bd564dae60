"""公示栏: the public board, for everybody and without signing in; and the hub's door to take an entry off it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path as FilePath
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import jinja2
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from services.feedback.api import PROBLEMS, Body, CaseName, Desk
from services.feedback.board.board import (
    BoardPage,
    BoardReader,
    Wanted,
    entry_of,
    figures_of,
    month_of,
    month_span,
    read_place,
    regions_within,
    write_place,
)
from services.feedback.board.board_texts import TEXTS
from services.feedback.domain.commands import Withhold
from services.feedback.domain.measuring.scoring import Scoring
from shared.contracts.facts import Words
from shared.contracts.vocabulary import UnitKind
from shared.runtime.problems import described

PAGE = 20
LARGEST_PAGE = 100

_FOLDER = FilePath(__file__).parents[1] / "templates"
_STYLE = (_FOLDER / "board.css").read_bytes()
_STYLE_VERSION = sha256(_STYLE).hexdigest()[:12]
HEADERS: Mapping[str, str] = {
    "Cache-Control": "public, max-age=60",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class BoardDesk:
    """What the board works with. `now` says which month is the present one, for everybody's reading."""

    desk: Desk
    board: BoardReader
    scoring: Callable[[], Scoring]
    zone: ZoneInfo
    now: Callable[[], datetime]


class BoardQuery(BaseModel):
    """What a reader asks for; an empty field of the page's form is one not asked for."""

    region: Annotated[str | None, Query(max_length=32)] = None
    category: Annotated[str | None, Query(max_length=100)] = None
    month: Annotated[str | None, Query(pattern=r"^$|^20[0-9]{2}-(0[1-9]|1[0-2])$")] = None
    cursor: Annotated[str | None, Query(max_length=200)] = None
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = PAGE
    lang: Annotated[str, Query(pattern="^(zh|en)$", description="the page's language: zh or en")] = "zh"

    def again(self, **changes: object) -> str:
        """The address of the same question with something changed, from its `?` on."""
        asked = {**self.model_dump(exclude={"limit"} if self.limit == PAGE else set()), **changes}
        return "?" + urlencode(
            {name: value for name, value in asked.items() if value and (name, value) != ("lang", "zh")}
        )


class WithholdBody(Body):
    """撤下公示, with the reason."""

    reason: Words


def add_board_routes(app: FastAPI, desk: BoardDesk) -> None:
    """Add `/board`, `/board.json` and `/reviews/{case}/withhold`."""

    @app.get("/board", tags=["board"], response_class=HTMLResponse, responses=described(422, 503))
    async def board(query: Annotated[BoardQuery, Query()]) -> HTMLResponse:
        """公示栏: closed cases, anonymised, as a page."""
        return HTMLResponse(await _html(desk, query), headers=dict(HEADERS))

    @app.get("/board.json", tags=["board"], responses=described(422, 503))
    async def board_json(query: Annotated[BoardQuery, Query()], response: Response) -> BoardPage:
        """公示栏: closed cases, anonymised, closed last first; `next` is the cursor of the page after."""
        response.headers.update(HEADERS)
        page = await _page(desk, query)
        if page.next is not None:
            response.headers["Link"] = f'</board.json{query.again(cursor=page.next)}>; rel="next"'
        return page

    @app.get("/board.css", include_in_schema=False)
    async def style() -> Response:
        return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "public, max-age=31536000, immutable"})

    @app.post("/reviews/{case}/withhold", tags=["reviews"], responses=PROBLEMS)
    async def withhold(case: CaseName, body: WithholdBody, request: Request) -> Any:
        """撤下公示: take a case's entry off the public board, for good; the hub's staff, with a reason."""
        identity = desk.desk.gatekeeper.identify(request)
        message = Withhold(asker=desk.desk.asker(identity), reason=body.reason)
        return await desk.desk.submit(case, message, request, identity)


async def _page(desk: BoardDesk, query: BoardQuery) -> BoardPage:
    units, english = desk.desk.units, query.lang == "en"
    present = month_of(desk.now(), desk.zone)
    month = query.month or None
    wanted = Wanted(
        regions_within(units, query.region or None),
        query.category or None,
        month_span(month, desk.zone) if month else None,
    )
    found = await desk.board.page(wanted, read_place(query.cursor or None), query.limit + 1)
    shown = found[: query.limit]
    counted = Wanted(month=month_span(month or present, desk.zone))
    return BoardPage(
        figures=figures_of(month or present, await desk.board.figures(counted), desk.scoring().basically_satisfied),
        entries=[entry_of(one.entry, units, english=english) for _, one in shown if one.entry is not None],
        next=write_place(*shown[-1]) if len(found) > query.limit else None,
    )


async def _html(desk: BoardDesk, query: BoardQuery) -> str:
    page = await _page(desk, query)
    units, english = desk.desk.units, query.lang == "en"
    texts = TEXTS[query.lang]
    regions = [
        (unit.code, units.name_of(unit.code, english=english), unit.kind is UnitKind.COMMUNITY)
        for street in units
        if street.kind is UnitKind.STREET
        for unit in (street, *(one for one in units if one.kind is UnitKind.COMMUNITY and one.parent == street.code))
    ]
    return _TEMPLATES.get_template("board.html").render(
        texts=texts,
        query=query,
        page=page,
        regions=regions,
        categories=await desk.board.categories(),
        hub=units.name_of(units.hub.code, english=english),
        style=f"/board.css?v={_STYLE_VERSION}",
        other=query.again(lang="zh" if english else "en"),
        older=query.again(cursor=page.next) if page.next else None,
        newest=query.again(cursor=None) if query.cursor else None,
        filtered=bool(query.region or query.category or query.month),
        day=lambda moment: moment.astimezone(desk.zone).strftime("%Y-%m-%d"),
        percent=lambda share: "—" if share is None else f"{share:.1%}",
    )
