"""The pages: the live board, a case's timeline, and what is said where there is nothing to show."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import jinja2
import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from services.workbench import limits, standing, timeline, words
from services.workbench.board import STEPS, Board
from services.workbench.clients import Away, NotFound, Services
from services.workbench.languages import Speech, choose
from services.workbench.lately import CASES_LINKED, COLUMNS, case_path
from services.workbench.manners import HEADERS
from services.workbench.stream import EventStream, Full, Stream

logger = structlog.get_logger(__name__)

FOLDER = Path(__file__).parent
COOKIE = "chuishao_language"
COOKIE_SECONDS = 365 * 24 * 3600
LONGEST_NUMBER = 64
FOR_EVER = "public, max-age=31536000, immutable"

T = TypeVar("T")


class Blank(dict[str, str]):
    """A row with nothing in it: what the browser copies and fills when the stream brings a new one."""

    def __missing__(self, _key: str) -> str:
        return ""


class Static(StaticFiles):
    """The static folder; what is asked for with its content's hash (`?v=…`) may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = FOR_EVER if b"v=" in scope["query_string"] else "no-cache"
        return response


@dataclass(frozen=True, slots=True)
class Found:
    """A case and what each service says of it; `missing` names the services that did not answer."""

    case: standing.Case
    rows: list[timeline.Logged]
    deadlines: list[timeline.Deadline]
    missing: list[str]


class Pages:
    """Draws pages in the reader's language."""

    def __init__(
        self,
        services: Services,
        board: Board,
        stream: Stream,
        speeches: Mapping[str, Speech],
        hub: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        self._services = services
        self._board = board
        self._stream = stream
        self._speeches = speeches
        self._hub = hub
        self._now = now
        self._versions = {
            path.name: sha256(path.read_bytes()).hexdigest()[:12] for path in (FOLDER / "static").iterdir()
        }
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            static=self._static, blank=Blank(), steps=STEPS, linked=CASES_LINKED, columns=COLUMNS
        )
        self._templates.filters.update(masked=words.masked, case_path=case_path)

    def add_to(self, app: FastAPI) -> None:
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/", self._front, methods=["GET", "HEAD"])
        router.add_api_route("/board", self._show_board, methods=["GET", "HEAD"])
        router.add_api_route("/board/events", self._events, methods=["GET"])
        router.add_api_route("/cases", self._find, methods=["GET", "HEAD"])
        router.add_api_route("/cases/{number}", self._show_case, methods=["GET", "HEAD"])
        router.add_api_route("/favicon.ico", self._favicon, methods=["GET", "HEAD"])
        app.include_router(router)
        app.mount("/static", Static(directory=FOLDER / "static"))
        app.add_exception_handler(HTTPException, self._refused)
        app.add_exception_handler(Exception, self._fault)

    # --- routes

    async def _front(self) -> Response:
        return RedirectResponse("/board", 302)

    async def _favicon(self) -> Response:
        return RedirectResponse(self._static("whistle.svg"), 302)

    async def _show_board(self, request: Request) -> Response:
        await self._board.fresh()
        say = self._speech(request)
        return self._page(
            request, "board.html", state=self._board.state(say.language), items=self._board.items(say.language)
        )

    async def _events(self, request: Request) -> Response:
        language = self._speech(request).language
        await self._board.fresh()
        try:
            watcher = self._stream.join(language, self._board.opening(language))
        except Full:
            return Response(status_code=503, headers={"Retry-After": "10", "Cache-Control": "no-store"})
        return EventStream(self._stream, watcher)

    async def _find(self, number: str = "") -> Response:
        number = number.strip()
        return RedirectResponse(case_path(number) if number else "/board", 303)

    async def _show_case(self, number: str, request: Request) -> Response:
        say = self._speech(request)
        try:
            found = await self._look_up(number)
        except NotFound:
            return self._message(request, 404, say("title.none"), say("case.none", number=number), asked=number)
        except Away as error:
            logger.warning("a case cannot be shown", away=error.service, why=error.why)
            why = say("case.away", service=say(f"service.{error.service}"))
            return self._message(request, 503, say("title.away"), why, retry=request.url.path)
        return self._page(request, "case.html", **self._case_view(found, say))

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        say = self._speech(request)
        if error.status_code == 404:
            return self._message(request, 404, say("title.none"), say("case.none.plain"))
        return self._message(request, error.status_code, say("title.refused"), say("case.refused"))

    async def _fault(self, request: Request, error: Exception) -> Response:
        logger.error("a page failed", path=request.url.path, exc_info=error)
        say = self._speech(request)
        response = self._message(request, 500, say("title.away"), say("case.fault"), retry=request.url.path)
        response.headers.update(HEADERS)  # this one leaves outside of the middleware
        return response

    # --- a case

    async def _look_up(self, number: str) -> Found:
        if not 1 <= len(number) <= LONGEST_NUMBER or not number.isprintable() or number in (".", ".."):
            raise NotFound
        try:
            case = standing.Case.model_validate(await self._services.case(number))
        except ValidationError as error:
            raise Away("router", f"the case cannot be read: {error.errors()[0]['msg']}") from error
        missing: list[str] = []

        async def ask(service: str, answer: Awaitable[list[dict[str, Any]]], read: Callable[[Any], list[T]]) -> list[T]:
            try:
                return read(await answer)
            except (Away, NotFound, ValueError) as error:
                logger.warning("part of a case is missing", missing=service, case_id=str(case.case_id), why=str(error))
                if service not in missing:
                    missing.append(service)
                return []

        def log(service: str) -> Awaitable[list[timeline.Logged]]:
            rows = self._services.log(service, case.case_id)
            return ask(service, rows, lambda found: timeline.read_log(service, found))

        logs = asyncio.gather(*(log(service) for service in self._services.names))
        deadlines = ask("sla", self._services.deadlines(case.case_id), timeline.read_deadlines)
        found, counted = await asyncio.gather(logs, deadlines)
        return Found(case, timeline.merge(found), counted, missing)

    def _case_view(self, found: Found, say: Speech) -> dict[str, Any]:
        now = self._now()
        matter = found.case.matter
        return {
            "case": found.case,
            "matter": matter,
            "title": words.title_of(found.case.about, say),
            "notices": standing.notices(found.case, say),
            "supervised": found.case.supervised if standing.is_open(found.case) else (),
            "steps_taken": timeline.steps(found.case, found.rows, say),
            "moments": timeline.moments(found.rows, say, matter.confidential),
            "clocks": timeline.clocks(found.deadlines, say, now),
            "due_times": limits.due_times(found.case, timeline.facts_of(found.rows, "router"), say, now),
            "milestones": standing.milestones(found.case, say, now),
            "twins": standing.twins(found.case, say),
            "accounts": standing.accounts(found.case, timeline.accounts(found.rows), say, now),
            "verdicts": timeline.verdicts(found.rows),
            "answer": "" if matter.confidential else timeline.answer(found.rows),
            "missing": found.missing,
            "as_of": now,
        }

    # --- drawing

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        say = self._speech(request)
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
        text = self._templates.get_template(template).render(
            say=say,
            hub=say.unit(self._hub()),
            other_language=f"?{urlencode([*kept, ('lang', say.other)])}",
            path=request.url.path,
            **values,
        )
        headers = {"Cache-Control": "no-store", "Content-Language": say.language, "Vary": "Accept-Language, Cookie"}
        response = HTMLResponse(text, status, headers)
        if request.query_params.get("lang") and request.cookies.get(COOKIE) != say.language:
            response.set_cookie(COOKIE, say.language, COOKIE_SECONDS, samesite="lax", httponly=True)
        return response

    def _message(
        self, request: Request, status: int, heading: str, message: str, *, asked: str = "", retry: str = ""
    ) -> Response:
        return self._page(
            request, "message.html", status, heading=heading, message=message, asked=asked, retry=retry, code=status
        )

    def _speech(self, request: Request) -> Speech:
        language = choose(
            request.query_params.get("lang"), request.cookies.get(COOKIE), request.headers.get("accept-language")
        )
        return self._speeches[language]

    def _static(self, name: str) -> str:
        return f"/static/{name}?v={self._versions[name]}"
