"""The page on which a resident answers, and what is said where there is nothing to answer. It needs no scripts.

Nothing of it may be kept, indexed, framed or passed on: its address is the resident's own.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from services.feedback.domain.invitation import Invitation, round_of
from services.feedback.domain.review import Review
from shared.contracts.facts import UnitCode
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import Satisfaction

FOLDER: Final = Path(__file__).parents[1]
LANGUAGES: Final = ("zh-CN", "en")
MOST_WORDS: Final = 500
YES_OR_NO: Final = ("yes", "no")
QUESTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "contacted": YES_OR_NO,
    "solved": YES_OR_NO,
    "satisfaction": tuple(Satisfaction),
}

_STYLE = (FOLDER / "templates" / "answer.css").read_text(encoding="utf-8")
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}

_TEXTS: dict[str, dict[str, str]] = {
    language: json.loads((FOLDER / "texts" / f"answer.{language}.json").read_text(encoding="utf-8"))
    for language in LANGUAGES
}


class UnitShown(BaseModel):
    """Who handled it, and what was done."""

    unit: UnitCode
    name: str
    result: str


class AskedAbout(BaseModel):
    """What a resident is shown of their case; of a confidential one its number only."""

    number: str
    round: int
    until: datetime
    confidential: bool
    title: str = ""
    units: tuple[UnitShown, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """What was filled in, the questions at fault in the page's order, and whether it could not be recorded just now."""

    chosen: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    faults: tuple[str, ...] = ()
    unsaved: bool = False

    def says(self, question: str) -> bool:
        return self.chosen[question] == "yes"


def filled_in(body: bytes) -> Form:
    """The form as it was sent; what is no answer to a question counts as none."""
    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return Form(faults=("body",))
    given = {name: values[-1] for name, values in fields.items()}
    chosen = {question: given[question] for question, known in QUESTIONS.items() if given.get(question) in known}
    words = _plain(given.get("words", ""))
    too_long = ("words",) if len(words) > MOST_WORDS else ()
    return Form(chosen, words, (*(question for question in QUESTIONS if question not in chosen), *too_long))


def shown_of(review: Review, invitation: Invitation, units: UnitTree, *, english: bool) -> AskedAbout:
    """What the resident may see of the round they are asked about."""
    asked, record, case = round_of(review, invitation), review.record, review.case
    if asked is None or case is None:
        raise ValueError("the invitation's round comes first")
    confidential = record is None or record.confidential
    return AskedAbout(
        number=case.number,
        round=asked.number,
        until=invitation.until,
        confidential=confidential,
        title="" if record is None or confidential else record.title,
        units=()
        if record is None or confidential
        else tuple(
            UnitShown(
                unit=unit,
                name=units.name_of(unit, english=english),
                result=asked.results.get(unit) or (record.answer if place == 0 else ""),
            )
            for place, unit in enumerate(asked.units)
        ),
    )


class AnswerPages:
    """Draws them in the reader's language."""

    def __init__(self, units: Callable[[], UnitTree], zone: tzinfo) -> None:
        self._units = units
        self._zone = zone
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def form(self, request: Request, shown: AskedAbout, form: Form | None = None) -> HTMLResponse:
        """The questions; once more, with what is missing, where the form has faults or was not recorded."""
        form = form or Form()
        status = 422 if form.faults else 503 if form.unsaved else 200
        until = self._local(shown.until)
        return self._page(
            request, "answer.html", status, shown=shown, form=form, until=until, questions=QUESTIONS.items()
        )

    def thanks(self, request: Request, number: str) -> HTMLResponse:
        return self._message(request, "thanks", 200, number, good=True)

    def altered(self, request: Request) -> HTMLResponse:
        return self._message(request, "altered", 404)

    def expired(self, request: Request, until: datetime) -> HTMLResponse:
        return self._message(request, "expired", 410, until=self._local(until))

    def answered(self, request: Request) -> HTMLResponse:
        return self._message(request, "answered", 409, good=True)

    def over(self, request: Request) -> HTMLResponse:
        return self._message(request, "over", 409)

    def away(self, request: Request) -> HTMLResponse:
        return self._message(request, "away", 503, retry=True, headers={"Retry-After": "5"})

    def slow(self, request: Request, seconds: int) -> HTMLResponse:
        minutes = -(-seconds // 60)
        return self._message(request, "slow", 429, headers={"Retry-After": str(seconds)}, minutes=minutes)

    def _message(
        self,
        request: Request,
        what: str,
        status: int,
        number: str = "",
        *,
        good: bool = False,
        retry: bool = False,
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> HTMLResponse:
        page = self._page(
            request, "answer_message.html", status, what=what, number=number, good=good, retry=retry, values=values
        )
        page.headers.update(headers or {})
        return page

    def _page(self, request: Request, template: str, status: int, **values: object) -> HTMLResponse:
        language = language_of(request)
        texts = _TEXTS[language]
        units = self._units()

        def say(key: str, /, **gaps: object) -> str:
            return texts[key].format_map(gaps) if gaps else texts[key]

        html = self._templates.get_template(template).render(
            say=say,
            language=language,
            language_tag="en" if language == "en" else "zh",
            other_language="zh" if language == "en" else "en",
            hub=units.name_of(units.hub.code, english=language == "en"),
            style=_STYLE,
            most_words=MOST_WORDS,
            **values,
        )
        return HTMLResponse(html, status, HEADERS | {"Content-Language": language, "Vary": "Accept, Accept-Language"})

    def _local(self, at: datetime) -> str:
        return at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M")


def language_of(request: Request) -> str:
    """Asked for in the address, else the first one known of what the browser prefers, else Chinese."""
    asked = [request.query_params.get("lang", "")]
    accepted = [part.partition(";")[0] for part in request.headers.get("accept-language", "").split(",")]
    for tag in (*asked, *accepted):
        known = {"zh": "zh-CN", "en": "en"}.get(tag.strip().lower().partition("-")[0])
        if known is not None:
            return known
    return LANGUAGES[0]


def _plain(text: str) -> str:
    """One kind of line end, and no characters that cannot be seen or stored."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in lines if char in "\n\t" or char.isprintable()).strip()
