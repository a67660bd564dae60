"""The HTTP door of appeals (申诉): a unit disputes a figure of a published scorecard, the hub rules on it."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import FastAPI, Query, Request
from pydantic import Field

from services.feedback.api import PAGE, PROBLEMS, Body
from services.feedback.domain.measuring.issuing import Appeal, Remedy, Ruling
from services.feedback.domain.measuring.scorecard import Scorecard, read
from services.feedback.scorecards.scorecards import NEWEST, appeal_unknown
from services.feedback.scorecards.scorecards_api import Before, Limit, Number, ScorecardDesk
from services.feedback.scorecards.scorecards_views import AppealPage, AppealView
from shared.contracts.facts import UnitCode, Words
from shared.contracts.vocabulary import Measure
from shared.runtime.decision import Refusal
from shared.runtime.identity import forbidden
from shared.runtime.problems import Refused


class AppealBody(Body):
    """申诉: which figure of which unit is disputed, and why."""

    unit: UnitCode
    measure: Measure
    reason: Words


class RulingBody(Body):
    """裁定. Upheld, it names what follows: `exclusion` (of `case`, approved before), or a `correction` made."""

    upheld: Annotated[bool, Field(strict=True)]
    reason: Words
    remedy: Remedy | None = None
    case: Annotated[str | None, Field(max_length=64, description="number of the case with the exclusion")] = None
    exclusion: UUID | None = None


def add_appeal_routes(app: FastAPI, desk: ScorecardDesk) -> None:
    """Add `/appeals`, and the way to them from a scorecard."""

    @app.post("/scorecards/{number}/appeals", tags=["appeals"], responses=PROBLEMS, status_code=201)
    async def appeal(number: Number, body: AppealBody, request: Request) -> AppealView:
        """申诉: a unit's staff dispute one of its figures on the last published edition; once for each figure."""
        identity = desk.staff(request)
        if identity.unit is None or not desk.units().may_act_for(body.unit, identity.unit):
            raise forbidden(
                "not_your_unit",
                f"只能为本单位的指标提出申诉，{body.unit} 须由其自己的工作人员提出。",
                f"You may appeal for your own unit; {body.unit} has to do so itself.",
            )
        _said(body.reason)
        card = await desk.card(number, identity)
        content = await desk.cards.content(number)
        figures = None if content is None else _figures(await asyncio.to_thread(read, content), body.unit, body.measure)
        noted = await desk.cards.appeal(card.id, body.unit, body.measure, figures, body.reason, identity.actor)
        return AppealView.of(noted)

    @app.get("/appeals", tags=["appeals"], responses=PROBLEMS)
    async def appeals(
        request: Request,
        unit: Annotated[UnitCode | None, Query(description="only this unit's")] = None,
        scorecard: Annotated[int | None, Query(ge=1, le=NEWEST, description="only against this one")] = None,
        open: Annotated[bool, Query(description="only those not ruled on yet")] = False,  # noqa: A002
        before: Before = NEWEST,
        limit: Limit = PAGE,
    ) -> AppealPage:
        """Appeals with what came of them, newest first: the hub sees all, a unit its own."""
        identity = desk.staff(request)
        whose = desk.whose(identity, unit)
        found = await desk.cards.appeals(whose, scorecard, open, before, limit + 1)
        following = found[limit - 1].number if len(found) > limit else None
        return AppealPage(appeals=[AppealView.of(one) for one in found[:limit]], next=following)

    @app.post("/appeals/{number}/ruling", tags=["appeals"], responses=PROBLEMS)
    async def rule(number: Number, body: RulingBody, request: Request) -> AppealView:
        """裁定: the hub's staff decide, not the one who asked. Upheld, the next edition may be computed."""
        identity = desk.staff(request)
        if identity.unit != desk.units().hub.code:
            raise forbidden("hub_only", "仅治理中心工作人员可以裁定申诉。", "Only the hub's staff rule on appeals.")
        _said(body.reason)
        known = await desk.cards.appeal_of(number)
        if known is None:
            raise Refused(appeal_unknown(number))
        if body.exclusion is not None and not await _is_approved(desk, known, body):
            raise Refused(_EXCLUSION_NOT_APPROVED)
        ruling = Ruling(upheld=body.upheld, reason=body.reason, remedy=body.remedy, exclusion=body.exclusion)
        return AppealView.of(await desk.cards.rule(number, ruling, identity.actor))


def _figures(content: Scorecard, unit: str, measure: Measure) -> frozenset[Measure] | None:
    """That measure where it has a value; empty where it is —; None where the unit is not on the scorecard."""
    entry = content.unit(unit)
    if entry is None:
        return None
    return frozenset() if entry.raw[measure].value is None else frozenset((measure,))


async def _is_approved(desk: ScorecardDesk, appeal: Appeal, body: RulingBody) -> bool:
    """Whether there is such an exclusion of that unit's part in that case, and it was approved."""
    case_id = await desk.reviews.case_by_number(body.case or "")
    review = await desk.reviews.review(case_id) if case_id is not None else None
    found = review.judged.exclusion(body.exclusion) if review is not None and body.exclusion is not None else None
    return found is not None and found.approved is True and found.unit == appeal.unit


def _said(reason: str) -> None:
    if not reason.strip():
        raise Refused(_NO_REASON)


_NO_REASON = Refusal(
    "reason_missing",
    zh="请在 reason 中写明理由：它与申诉一并留存。",
    en="Say why in `reason`: it is kept with the appeal.",
    field="reason",
    status=422,
)

_EXCLUSION_NOT_APPROVED = Refusal(
    "exclusion_not_approved",
    zh="case 所指哨单中没有该单位已批准的这项剔除；请先申请并批准剔除，再裁定申诉。",
    en="The case named in `case` has no such exclusion of this unit that was approved; have it approved first.",
    field="exclusion",
    status=422,
)
