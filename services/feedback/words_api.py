"""The HTTP door for what is said after a verdict: the hub's sample checks, and exclusions from what is measured."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel, Field
from uuid_utils import uuid7

from services.feedback.api import (
    LARGEST_PAGE,
    MOST_EVIDENCE,
    PAGE,
    PROBLEMS,
    Body,
    CaseName,
    Desk,
    Fact,
)
from services.feedback.domain.commands import AskExclusion, CheckSample, RuleOnExclusion
from services.feedback.views import ExclusionView
from shared.contracts.facts import Evidence, UnitCode, Words
from shared.contracts.vocabulary import ActorKind, Measure
from shared.runtime.identity import forbidden

_BEFORE_ALL = UUID(int=0)


class State(StrEnum):
    """Whether an exclusion has been ruled on."""

    OPEN = "open"  # 待审批
    RULED = "ruled"  # 已审批


_RULED: Mapping[State | None, bool | None] = {None: None, State.OPEN: False, State.RULED: True}

# --- what is sent ---------------------------------------------------------------------------------------------


class SampleCheckBody(Body):
    """抽查. `note` says why where it failed, `failed_units` whose part did; none named = all who reported."""

    passed: Fact
    note: Words = ""
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=MOST_EVIDENCE)] = ()
    failed_units: Annotated[tuple[UnitCode, ...], Field(max_length=20)] = ()


class ExclusionBody(Body):
    """申请剔除: of one unit's part in one round, from these measures; `basis` is the rule or the record it rests on."""

    unit: UnitCode
    round: Annotated[int, Field(strict=True, ge=1)]
    measures: Annotated[tuple[Measure, ...], Field(min_length=1, max_length=len(Measure))]
    reason: Words
    basis: Words


class RulingBody(Body):
    approved: Fact
    reason: Words


# --- what is told ---------------------------------------------------------------------------------------------


class SampleStanding(BaseModel):
    """What came of a sample check; found wanting, the case is reworked."""

    number: str
    round: int
    passed: bool


class ExclusionStanding(BaseModel):
    """An exclusion after a command; `approved` null = not ruled on yet."""

    number: str
    exclusion: UUID
    approved: bool | None


class ListedExclusion(BaseModel):
    case: UUID
    number: str
    exclusion: ExclusionView


class ExclusionPage(BaseModel):
    """A page of exclusions; `next` is the cursor of the page after it, null on the last one."""

    exclusions: list[ListedExclusion]
    next: UUID | None


# --- the door ---------------------------------------------------------------------------------------------------


def add_word_routes(app: FastAPI, desk: Desk) -> None:
    """Add `/reviews/{case}/sample-check`, `/reviews/{case}/exclusions` and `/exclusions`."""

    @app.post("/reviews/{case}/sample-check", tags=["reviews"], response_model=SampleStanding, responses=PROBLEMS)
    async def sample_check(case: CaseName, body: SampleCheckBody, request: Request) -> Any:
        """抽查: the hub checks a closed case that was drawn. Failed, the units do it again (返工)."""
        identity = desk.gatekeeper.identify(request)
        message = CheckSample(
            asker=desk.asker(identity),
            passed=body.passed,
            note=body.note,
            evidence=body.evidence,
            failed_units=body.failed_units,
        )
        return await desk.submit(case, message, request, identity)

    @app.post("/reviews/{case}/exclusions", tags=["exclusions"], response_model=ExclusionStanding, responses=PROBLEMS)
    async def ask(case: CaseName, body: ExclusionBody, request: Request) -> Any:
        """申请剔除: ask that a part shall not count in some measures, at any time; by its unit or the hub."""
        identity = desk.gatekeeper.identify(request)
        message = AskExclusion(
            asker=desk.asker(identity),
            exclusion=UUID(str(uuid7())),
            unit=body.unit,
            round=body.round,
            measures=body.measures,
            reason=body.reason,
            basis=body.basis,
        )
        return await desk.submit(case, message, request, identity)

    @app.post(
        "/reviews/{case}/exclusions/{exclusion}/ruling",
        tags=["exclusions"],
        response_model=ExclusionStanding,
        responses=PROBLEMS,
    )
    async def rule(case: CaseName, exclusion: UUID, body: RulingBody, request: Request) -> Any:
        """剔除审批: by the hub, once, and not by who asked for it. The raw figures stay as they are."""
        identity = desk.gatekeeper.identify(request)
        message = RuleOnExclusion(
            asker=desk.asker(identity), exclusion=exclusion, approved=body.approved, reason=body.reason
        )
        return await desk.submit(case, message, request, identity)

    @app.get("/exclusions", tags=["exclusions"], responses=PROBLEMS)
    async def exclusions(
        request: Request,
        response: Response,
        state: Annotated[State | None, Query(description="only those ruled on, or not yet")] = None,
        unit: Annotated[UnitCode | None, Query(description="only those of this unit's parts")] = None,
        cursor: Annotated[UUID | None, Query(description="where to go on, from the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = PAGE,
    ) -> ExclusionPage:
        """Exclusions, oldest first; a unit's own, all for the hub. `Link` names the next page."""
        identity = desk.gatekeeper.identify(request)
        if identity.kind is not ActorKind.STAFF:
            raise forbidden(
                "lists_are_for_units",
                "只有单位工作人员可以查看剔除申请；请向区级治理中心了解。",
                "Only units' staff may list exclusions; turn to the hub.",
            )
        of_unit = desk.scope(identity, unit).unit
        found = await desk.reviews.exclusions(of_unit, _RULED[state], cursor or _BEFORE_ALL, limit + 1)
        shown = found[:limit]
        following = shown[-1][2].id if len(found) > limit else None
        if following is not None:
            given = {"state": state, "unit": unit, "limit": limit, "cursor": following}
            query = urlencode({name: value for name, value in given.items() if value is not None})
            response.headers["Link"] = f'</exclusions?{query}>; rel="next"'
        listed = [
            ListedExclusion(case=case_id, number=number, exclusion=ExclusionView.of(one))
            for case_id, number, one in shown
        ]
        return ExclusionPage(exclusions=listed, next=following)
