"""The resident's door, without signing in: `/answer/{token}`, as a page for people and as JSON for programs.

Whoever looks changes nothing; an answer goes down the same road as every other resident's answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, Field, ValidationError

from services.feedback.answers.answer_page import (
    HEADERS,
    MOST_WORDS,
    QUESTIONS,
    AnswerPages,
    AskedAbout,
    Form,
    filled_in,
    language_of,
    shown_of,
)
from services.feedback.answers.guesses import Guesses
from services.feedback.answers.links import Links
from services.feedback.api import ResidentAnswerBody
from services.feedback.domain import refusals
from services.feedback.domain.commands import AnswerAsResident, Asker
from services.feedback.domain.invitation import Invitation, Standing, round_of, standing
from services.feedback.domain.review import Review
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind, Satisfaction
from shared.runtime.decision import Refusal
from shared.runtime.door import Door, command
from shared.runtime.identity import Identity
from shared.runtime.problems import Refused, body_of, described, problem, unavailable

logger = structlog.get_logger(__name__)


class ReviewsById(Protocol):
    """Reads a review; may be a moment behind. Raises `Refused` (503) while the database is away."""

    async def review(self, case_id: UUID) -> Review | None: ...


class LinkAnswerBody(ResidentAnswerBody):
    """The three questions, and words if any."""

    words: Annotated[str, Field(max_length=MOST_WORDS)] = ""


class Recorded(BaseModel):
    """The answer was taken."""

    number: str
    round: int
    recorded: bool = True


@dataclass(frozen=True, slots=True)
class LinkDesk:
    """What the resident's door works with."""

    door: Door
    reviews: ReviewsById
    links: Links
    units: Callable[[], UnitTree]
    pages: AnswerPages
    guesses: Guesses
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Found:
    """What a link leads to: the review as it is read, and what the invitation is worth."""

    invitation: Invitation
    review: Review | None
    standing: Standing

    @property
    def number(self) -> str:
        return self.review.case.number if self.review is not None and self.review.case is not None else ""

    def shown(self, request: Request, desk: LinkDesk) -> AskedAbout:
        if self.review is None:
            raise unavailable()
        return shown_of(self.review, self.invitation, desk.units(), english=language_of(request) == "en")


class NotOpen(Exception):
    """There is nothing to answer: what that is called, and the refusal that says it to programs."""

    def __init__(self, refusal: Refusal, headers: dict[str, str] | None = None) -> None:
        super().__init__(refusal.en)
        self.refusal = refusal
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Given:
    """An answer as it came: filled in, or at fault."""

    form: Form = field(default_factory=Form)
    body: LinkAnswerBody | None = None


PROBLEMS = described(404, 409, 422, 503) | {
    410: {"description": "the link has expired"},
    429: {"description": "too many invalid links from this address; see Retry-After"},
}
_FORM = {
    "type": "object",
    "required": ["contacted", "solved", "satisfaction"],
    "properties": {
        "contacted": {"enum": ["yes", "no"]},
        "solved": {"enum": ["yes", "no"]},
        "satisfaction": {"enum": [each.value for each in Satisfaction]},
        "words": {"type": "string", "maxLength": MOST_WORDS},
    },
}
_BODIES = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {"schema": _FORM},
            "application/json": {"schema": LinkAnswerBody.model_json_schema()},
        },
    }
}


def add_answer_routes(app: FastAPI, desk: LinkDesk) -> None:
    """Add `/answer/{token}`."""

    @app.get("/answer/{token}", tags=["answers"], response_model=AskedAbout, responses=PROBLEMS)
    async def ask(token: str, request: Request) -> Response:
        """请居民评价: the three questions about one round of a case; a page, or JSON if that is asked for."""
        try:
            found = await _open(desk, token, request)
            shown = found.shown(request, desk)
        except (NotOpen, Refused) as no:
            return _said_no(desk, no, request)
        if _wants_json(request):
            return JSONResponse(shown.model_dump(mode="json"), headers=HEADERS)
        return desk.pages.form(request, shown)

    app.add_api_route("/answer/{token}", ask, methods=["HEAD"], include_in_schema=False)

    @app.post(
        "/answer/{token}",
        tags=["answers"],
        response_model=Recorded,
        responses={**PROBLEMS, 303: {"description": "a form's answer was taken; the page that says thank you"}},
        openapi_extra=_BODIES,
    )
    async def answer(token: str, request: Request) -> Response:
        """The resident's answer, once; unsolved or unsatisfied has the case done once more by right (重办)."""
        try:
            return await _answered(desk, token, request)
        except (NotOpen, Refused) as no:
            return _said_no(desk, no, request)

    @app.get("/answer/{token}/thanks", include_in_schema=False)
    async def thanks(token: str, request: Request) -> Response:
        try:
            found = await _find(desk, token, request)
        except (NotOpen, Refused) as no:
            return _said_no(desk, no, request)
        if found.standing is not Standing.ANSWERED:
            return RedirectResponse(f"../{token}{_language(request)}", 303, HEADERS)
        return desk.pages.thanks(request, found.number)


# --- what a link leads to -----------------------------------------------------------------------------------


async def _find(desk: LinkDesk, token: str, request: Request) -> Found:
    """What this link leads to, whatever that is worth now. Raises `NotOpen` for a link that was not made here."""
    address = request.client.host if request.client is not None else "unknown"
    seconds = desk.guesses.wait(address)
    if seconds:
        raise NotOpen(_TOO_MANY_GUESSES, {"Retry-After": str(seconds)})
    invitation = desk.links.opened(token)
    if invitation is None:
        desk.guesses.failed(address)
        raise NotOpen(_LINK_UNKNOWN)
    review = await desk.reviews.review(invitation.case_id)
    return Found(invitation, review, standing(review, invitation, desk.now()))


async def _open(desk: LinkDesk, token: str, request: Request) -> Found:
    """What may be answered. Raises `NotOpen`, and `Refused` (503) where the round is not read yet."""
    found = await _find(desk, token, request)
    asked = round_of(found.review, found.invitation)
    if found.standing is Standing.NOT_READ_YET or asked is None:
        raise unavailable()
    if found.standing is Standing.ANSWERED:
        raise NotOpen(refusals.already_answered(asked))
    if found.standing is Standing.OVER:
        raise NotOpen(refusals.round_over(asked))
    if found.standing is Standing.EXPIRED:
        raise NotOpen(_expired(found.invitation.until))
    return found


async def _answered(desk: LinkDesk, token: str, request: Request) -> Response:
    """What is said to an answer: taken, or asked for again. Raises `NotOpen` and `Refused` (503)."""
    found = await _open(desk, token, request)
    given = _given(request)
    if given.form.faults:
        return _incomplete(desk, found, given.form, request)
    try:
        await _submit(desk, found, given, request)
    except Refused:
        if _wants_json(request):
            raise
        return desk.pages.form(request, found.shown(request, desk), replace(given.form, unsaved=True))
    if _wants_json(request):
        recorded = Recorded(number=found.number, round=found.invitation.round)
        return JSONResponse(recorded.model_dump(), headers=HEADERS)
    return RedirectResponse(f"{token}/thanks{_language(request)}", 303, HEADERS)


async def _submit(desk: LinkDesk, found: Found, given: Given, request: Request) -> None:
    """Down the road, to this round and no other. Raises `NotOpen` where somebody else was first."""
    identity = Identity(kind=ActorKind.RESIDENT, person=str(found.invitation.case_id))
    message = AnswerAsResident(
        asker=Asker(actor=identity.actor),
        contacted=given.body.contacted if given.body else given.form.says("contacted"),
        solved=given.body.solved if given.body else given.form.says("solved"),
        satisfaction=given.body.satisfaction if given.body else Satisfaction(given.form.chosen["satisfaction"]),
        words=given.body.words if given.body else given.form.words,
        round=found.invitation.round,
    )
    try:
        await desk.door.submit(command(found.invitation.case_id, message, request, identity))
    except Refused as refused:
        if refused.refusal.status < 500:
            raise NotOpen(refused.refusal, refused.headers) from None
        raise


def _given(request: Request) -> Given:
    """The answer of a form or of a JSON document, complete or with what is at fault."""
    body = body_of(request)
    if not _is_json(request):
        return Given(filled_in(body))
    try:
        return Given(body=LinkAnswerBody.model_validate_json(body))
    except ValidationError as error:
        fields = (str(found["loc"][0]) if found["loc"] else "body" for found in error.errors())
        return Given(Form(faults=tuple(dict.fromkeys(fields))))


# --- what is said -----------------------------------------------------------------------------------------


def _incomplete(desk: LinkDesk, found: Found, form: Form, request: Request) -> Response:
    if _wants_json(request):
        return problem(_incomplete_refusal(form.faults), HEADERS)
    known = tuple(fault if fault in (*QUESTIONS, "words") else "body" for fault in form.faults)
    return desk.pages.form(request, found.shown(request, desk), replace(form, faults=known))


def _said_no(desk: LinkDesk, no: NotOpen | Refused, request: Request) -> Response:
    """The page for it, or the problem document for programs."""
    refusal = no.refusal
    if isinstance(no, Refused):
        logger.warning("a resident's link cannot be served", why=refusal.code)
    if _wants_json(request):
        return problem(refusal, HEADERS | (no.headers or {}))
    pages = desk.pages
    if isinstance(no, Refused):
        return pages.away(request)
    if refusal is _LINK_UNKNOWN:
        return pages.altered(request)
    if refusal is _TOO_MANY_GUESSES:
        return pages.slow(request, int(no.headers["Retry-After"]))
    if refusal.code == LINK_EXPIRED:
        invitation = desk.links.opened(request.path_params["token"])
        return pages.altered(request) if invitation is None else pages.expired(request, invitation.until)
    return pages.answered(request) if refusal.code == "already_answered" else pages.over(request)


def _is_json(request: Request) -> bool:
    return "json" in request.headers.get("content-type", "")


def _wants_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return "text/html" not in accepted and ("json" in accepted or _is_json(request))


def _language(request: Request) -> str:
    asked = request.query_params.get("lang", "")
    return f"?lang={asked}" if asked in ("zh", "en") else ""


LINK_EXPIRED = "link_expired"

_LINK_UNKNOWN = Refusal(
    "link_unknown",
    zh="链接无效：不完整或不正确。请使用通知中的完整链接，或请社区、12345 代为登记。",
    en="The link is not valid: incomplete or wrong. Use the whole of it as it was sent, "
    "or answer by way of the community or 12345.",
    status=404,
)

_TOO_MANY_GUESSES = Refusal(
    "too_many_guesses",
    zh="该地址打开了太多无效链接；请按 Retry-After 稍后再试。",
    en="Too many invalid links were opened from this address; try again after Retry-After.",
    status=429,
)


def _expired(until: datetime) -> Refusal:
    return Refusal(
        LINK_EXPIRED,
        zh=f"链接已于 {until.isoformat()} 过期，未作任何记录；如有意见，请联系社区或 12345。",
        en=f"The link expired at {until.isoformat()} and nothing was recorded; turn to the community or 12345.",
        status=410,
    )


def _incomplete_refusal(faults: tuple[str, ...]) -> Refusal:
    return Refusal(
        "answer_incomplete",
        zh=f"评价不完整：{'、'.join(faults)}；请补全后重新提交。",
        en=f"The answer is incomplete: {', '.join(faults)}; complete it and send it again.",
        field=faults[0],
        status=422,
    )
