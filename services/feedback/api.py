"""The HTTP door: the whistle-blower checks and rates, residents and 12345 answer, everybody sees their own."""

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from urllib.parse import urlencode
from uuid import UUID

from fastapi import FastAPI, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.feedback.domain import refusals
from services.feedback.domain.commands import AnswerAsResident, Asker, CheckResult, RateUnit
from services.feedback.domain.guards import may_see, sees_residents_words
from services.feedback.domain.measuring.judged import Exclusion
from services.feedback.domain.moment import sortable
from services.feedback.domain.review import Review, Tally, Waiting
from services.feedback.views import ReviewPage, ReviewView, Standing, Summary, summarise, waits_shown
from shared.contracts.facts import Evidence, UnitCode, UnitVerdict, Value, Words
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind, Satisfaction, Source
from shared.runtime.decision import Refusal
from shared.runtime.door import Door, command
from shared.runtime.identity import Gatekeeper, Identity, forbidden
from shared.runtime.problems import Refused, described

PAGE = 50
LARGEST_PAGE = 200
MOST_EVIDENCE = 20

_FIRST_ID = UUID(int=0)
_SINCE = re.compile(r"[0-9T:.-]{26}Z")

# --- the port: what the door reads ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose reviews: of one whistle-blower, of one source, of all where both are None."""

    unit: str | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order of a list: `since` as its sortable text, then the case's id."""

    since: str = ""
    case_id: UUID = _FIRST_ID


class Reviews(Protocol):
    """Reads reviews; may be a moment behind what the road has just committed elsewhere, never ahead of it."""

    async def case_by_number(self, number: str) -> UUID | None: ...

    async def cases_by_number(self, numbers: Collection[str]) -> Mapping[str, UUID]:
        """The cases that bear these numbers; a number nobody bears is left out."""
        ...

    async def reviews_by_source_ref(self, source_refs: Collection[str]) -> Mapping[str, tuple[UUID, Review]]:
        """The cases that their source calls by these names; the last one where several bear one."""
        ...

    async def review(self, case_id: UUID) -> Review | None: ...

    async def page(
        self, scope: Scope, waiting: Waiting | None, after: Place, most: int
    ) -> Sequence[tuple[UUID, Review]]:
        """Reviews whose case is known, in order of `Place`, from after a place on."""
        ...

    async def counts(self, scope: Scope) -> tuple[int, dict[Waiting, int], Tally]:
        """How many reviews there are, how many wait for each thing, and their tallies added up."""
        ...

    async def exclusions(
        self, unit: str | None, ruled: bool | None, after: UUID, most: int
    ) -> Sequence[tuple[UUID, str, Exclusion]]:
        """`(case, its number, exclusion)`: one unit's or all, ruled on or not or both, in order of their ids."""
        ...


# --- what is sent -------------------------------------------------------------------------------------------

CaseName = Annotated[
    str, Path(description="the case's id or its number", min_length=1, max_length=64, pattern=r"^[^\s/\x00-\x1f]+$")
]
StrictScore = Annotated[int, Field(strict=True, ge=1, le=5)]
Fact = Annotated[bool, Field(strict=True)]


class Body(BaseModel):
    """A command's body; a field it does not know is an error, so that no typing mistake is lost in silence."""

    model_config = ConfigDict(extra="forbid")


class VerdictBody(Body):
    """验单 of one unit's part; failed, `note` says why and is what that unit works by."""

    unit: UnitCode
    passed: Fact
    note: Words = ""
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=MOST_EVIDENCE)] = ()

    def verdict(self) -> UnitVerdict:
        return UnitVerdict(unit=self.unit, passed=self.passed, note=self.note, evidence=self.evidence)


class CheckBody(Body):
    """验单. `note` says why where the check failed, `failed_units` whose part did; none named = all who reported.

    With `verdicts`, unit by unit: one for each unit of the round. `failed_units` follows from them, `passed` must be
    whether all passed, and each failed one has its own note, so that the whole needs none.
    """

    passed: Fact
    note: Words = ""
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=MOST_EVIDENCE)] = ()
    failed_units: Annotated[tuple[UnitCode, ...], Field(max_length=20)] = ()
    verdicts: Annotated[tuple[VerdictBody, ...], Field(max_length=20)] = ()

    def result(self, asker: Asker) -> CheckResult:
        return CheckResult(
            asker=asker,
            passed=self.passed,
            note=self.note,
            evidence=self.evidence,
            failed_units=self.failed_units,
            verdicts=tuple(verdict.verdict() for verdict in self.verdicts),
        )


class RateBody(Body):
    """评单: three scores from 1 (worst) to 5 (best)."""

    unit: UnitCode
    contact: StrictScore
    speed: StrictScore
    result: StrictScore
    words: Words = ""

    def rating(self, asker: Asker) -> RateUnit:
        return RateUnit(
            asker=asker, unit=self.unit, contact=self.contact, speed=self.speed, result=self.result, words=self.words
        )


class ResidentAnswerBody(Body):
    """The three questions: were you contacted, is it solved, are you satisfied."""

    contacted: Fact
    solved: Fact
    satisfaction: Satisfaction
    words: Words = ""


PROBLEMS = described(400, 401, 403, 404, 409, 422, 503)


# --- the door -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Desk:
    """What the door works with."""

    door: Door
    gatekeeper: Gatekeeper
    in_force: Callable[[], UnitTree]
    reviews: Reviews

    @property
    def units(self) -> UnitTree:
        return self.in_force()

    def asker(self, identity: Identity) -> Asker:
        return Asker(actor=identity.actor, of_hub=identity.unit == self.units.hub.code)

    async def find(self, case: str) -> UUID:
        """The case meant by an id or a number. Raises `Refused` (404) for a number nobody bears."""
        found = as_id(case) or await self.reviews.case_by_number(case)
        if found is None:
            raise Refused(refusals.UNKNOWN)
        return found

    async def submit(self, case: str, message: Value, request: Request, identity: Identity) -> Any:
        """Send a command about a case down the road and return its answer."""
        case_id = await self.find(case)
        return (await self.door.submit(command(case_id, message, request, identity))).answer

    def scope(self, identity: Identity, unit: str | None) -> Scope:
        """Whose reviews the asker means and may list. Raises `Refused`."""
        if unit is not None and unit not in self.units:
            raise Refused(_unit_unknown(unit))
        if identity.kind is ActorKind.HOTLINE:
            return Scope(unit, Source.HOTLINE_12345)
        if identity.kind is not ActorKind.STAFF or identity.unit is None:
            raise forbidden(
                "lists_are_for_units",
                "只有单位工作人员和 12345 可以查看列表；居民请按哨单编号查询。",
                "Only units' staff and 12345 may list reviews; a resident asks for their case by its number.",
            )
        if identity.unit == self.units.hub.code:
            return Scope(unit)
        if unit not in (None, identity.unit):
            raise forbidden(
                "not_your_unit",
                f"只能查看本单位 {identity.unit} 的列表；请去掉 unit 参数或改为本单位。",
                f"You may list the reviews of your own unit {identity.unit} only; leave unit out or name it.",
            )
        return Scope(identity.unit)


def add_routes(app: FastAPI, desk: Desk) -> None:
    """Add `/reviews` and what is below it."""

    @app.post("/reviews/{case}/check", tags=["reviews"], response_model=Standing, responses=PROBLEMS)
    async def check(case: CaseName, body: CheckBody, request: Request) -> Any:
        """验单: say whether the matter is handled. Failed sends it back to the units (返工), with the note."""
        identity = desk.gatekeeper.identify(request)
        return await desk.submit(case, body.result(desk.asker(identity)), request, identity)

    @app.post("/reviews/{case}/rate", tags=["reviews"], response_model=Standing, responses=PROBLEMS)
    async def rate(case: CaseName, body: RateBody, request: Request) -> Any:
        """评单: rate one unit that reported; once in a round, from 办结 until the verdict."""
        identity = desk.gatekeeper.identify(request)
        return await desk.submit(case, body.rating(desk.asker(identity)), request, identity)

    @app.post("/reviews/{case}/resident-answer", tags=["reviews"], response_model=Standing, responses=PROBLEMS)
    async def resident_answer(case: CaseName, body: ResidentAnswerBody, request: Request) -> Any:
        """The resident's answer; unsolved or unsatisfied has the case done once more by right (重办)."""
        identity = desk.gatekeeper.identify(request)
        message = AnswerAsResident(
            asker=desk.asker(identity),
            contacted=body.contacted,
            solved=body.solved,
            satisfaction=body.satisfaction,
            words=body.words,
        )
        return await desk.submit(case, message, request, identity)

    @app.get("/reviews", tags=["reviews"], responses=PROBLEMS)
    async def reviews(
        request: Request,
        response: Response,
        waiting: Annotated[Waiting | None, Query(description="only those that wait for this")] = None,
        unit: Annotated[UnitCode | None, Query(description="only those of this whistle-blower")] = None,
        cursor: Annotated[str | None, Query(description="where to go on, from the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = PAGE,
    ) -> ReviewPage:
        """Reviews, longest waiting first; a unit's own, all for the hub. `Link` names the next page."""
        identity = desk.gatekeeper.identify(request)
        scope = desk.scope(identity, unit)
        asker = desk.asker(identity)
        if waiting is Waiting.SAMPLE and not asker.is_staff_of_hub:
            raise Refused(refusals.SAMPLES_ARE_THE_HUBS)
        found = await desk.reviews.page(scope, waiting, read_cursor(cursor), limit + 1)
        shown, more = found[:limit], len(found) > limit
        following = write_cursor(*shown[-1]) if more else None
        if following is not None:
            given = {"waiting": waiting, "unit": unit, "limit": limit, "cursor": following}
            query = urlencode({name: value for name, value in given.items() if value is not None})
            response.headers["Link"] = f'</reviews?{query}>; rel="next"'
        return ReviewPage(reviews=[_view(asker, case_id, review) for case_id, review in shown], next=following)

    @app.get("/reviews/summary", tags=["reviews"], responses=PROBLEMS)
    async def summary(
        request: Request,
        unit: Annotated[UnitCode | None, Query(description="only those of this whistle-blower")] = None,
    ) -> Summary:
        """Reviews in numbers; null where there is nothing to divide by."""
        identity = desk.gatekeeper.identify(request)
        scope = desk.scope(identity, unit)
        reviews, waiting, tally = await desk.reviews.counts(scope)
        shown = {what: waiting.get(what, 0) for what in waits_shown(desk.asker(identity))}
        return summarise(scope.unit, reviews, shown, tally)

    @app.get("/reviews/{case}", tags=["reviews"], responses=PROBLEMS)
    async def one(case: CaseName, request: Request) -> ReviewView:
        """One review with all its rounds; for those whose case it is."""
        asker = desk.asker(desk.gatekeeper.identify(request))
        case_id = await desk.find(case)
        review = await desk.reviews.review(case_id)
        if review is None or review.case is None:
            raise Refused(refusals.UNKNOWN)
        if not may_see(asker, case_id, review):
            raise forbidden(
                "not_your_case",
                "本件与您所在单位无关，不能查看；请联系吹哨单位或区级治理中心。",
                "This case is not yours to see; turn to its whistle-blower or the hub.",
            )
        return _view(asker, case_id, review)


def _view(asker: Asker, case_id: UUID, review: Review) -> ReviewView:
    return ReviewView.of(case_id, review, sees_residents_words(asker, case_id, review), asker)


def as_id(case: str) -> UUID | None:
    try:
        return UUID(case)
    except ValueError:
        return None


def write_cursor(case_id: UUID, review: Review) -> str:
    return base64.urlsafe_b64encode(f"{sortable(review.since)} {case_id}".encode()).decode()


def read_cursor(cursor: str | None) -> Place:
    """The place a cursor stands for; the beginning for None. Raises `Refused` (422) for anything not written here."""
    if cursor is None:
        return Place()
    try:
        since, _, case_id = base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").partition(" ")
        place = Place(since, UUID(case_id))
    except (binascii.Error, UnicodeError, ValueError):
        raise Refused(_CURSOR_INVALID) from None
    if not _SINCE.fullmatch(since):
        raise Refused(_CURSOR_INVALID)
    return place


def _unit_unknown(unit: str) -> Refusal:
    return Refusal(
        "unit_unknown",
        zh=f"没有代码为 {unit} 的单位；请核对单位代码。",
        en=f"There is no unit {unit}; check its code.",
        field="unit",
        status=422,
    )


_CURSOR_INVALID = Refusal(
    "cursor_invalid",
    zh="cursor 无效；请使用上一页 Link 头或 next 字段给出的值，或去掉它从头开始。",
    en="The cursor is not valid; use the one in the Link header or `next` of the page before, or leave it out.",
    field="cursor",
    status=422,
)
