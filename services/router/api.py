"""The router's HTTP door: what units and the hub decide, and where a case stands."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.router.domain import desk
from services.router.domain.case import Case
from services.router.domain.opening import District
from services.router.store import find_case, list_cases, statistics
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, CaseList, Ledger, Stage
from shared.runtime.door import command
from shared.runtime.identity import Identity, forbidden
from shared.runtime.problems import Refused
from shared.runtime.road import Refusal
from shared.runtime.service import Running

PAGE = 100
Reason = Annotated[str, Field(min_length=1, max_length=1000)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Refuse(Body):
    reason: Annotated[str, Field(min_length=1, max_length=4000)]
    basis: Annotated[str, Field(min_length=1, max_length=1000)]


class Progress(Body):
    note: Annotated[str, Field(min_length=1, max_length=4000)]
    contacted: bool = False


class Done(Body):
    result: Annotated[str, Field(min_length=1, max_length=4000)]
    evidence: list[f.Evidence] = Field(default_factory=list, max_length=20)


class DispatchBody(Body):
    units: list[str] = Field(min_length=1, max_length=20, description="codes; the first is the lead")
    reason: Reason
    case_list: CaseList = CaseList.IMMEDIATE
    ledger: Ledger | None = None


class RulingBody(Body):
    upheld: bool
    reason: Reason
    units: list[str] = Field(default_factory=list, max_length=20)


class ReworkBody(Body):
    reason: Reason


def case_document(case: Case) -> dict[str, Any]:
    """A case as the API shows it."""
    return case.model_dump(mode="json") | {
        "number": case.number,
        "overdue": bool(case.missed),
        "present_units": [one.unit for one in case.present],
    }


def routes(app: FastAPI, running: Running[Case], district: District) -> None:
    """Add the router's doors. Units act on their own cases, the hub decides; each no says its reason."""

    def staff(request: Request) -> Identity:
        identity = running.gatekeeper.identify(request)
        if identity.kind is not ActorKind.STAFF or identity.unit is None:
            raise forbidden("staff_only", "只有单位工作人员可以办理哨单。", "Only staff of a unit may act on a case.")
        return identity

    async def submit(request: Request, named: str, message: object, identity: Identity) -> dict[str, Any]:
        case = await _case(named)
        outcome = await running.door.submit(command(case.case_id, message, request, identity))
        return dict(outcome.answer or {})

    async def _case(named: str) -> Case:
        case = await find_case(running.pool, named)
        if case is None:
            raise Refused(
                Refusal(
                    "case_unknown",
                    zh=f"没有编号为 {named[:60]} 的哨单；请核对编号。",
                    en=f"There is no case {named[:60]}; check its number.",
                    field="case",
                    status=404,
                )
            )
        return case

    @app.post("/cases/{case}/sign-in", tags=["units"])
    async def sign_in(case: str, request: Request) -> dict[str, Any]:
        """签收 / 报到."""
        identity = staff(request)
        return await submit(request, case, f.ReportSignedIn(person=identity.person), identity)

    @app.post("/cases/{case}/refuse", tags=["units"])
    async def refuse(case: str, body: Refuse, request: Request) -> dict[str, Any]:
        """退单, with a reason and a basis, before signing in."""
        identity = staff(request)
        message = f.ReportRefused(person=identity.person, reason=body.reason, basis=body.basis)
        return await submit(request, case, message, identity)

    @app.post("/cases/{case}/progress", tags=["units"])
    async def progress(case: str, body: Progress, request: Request) -> dict[str, Any]:
        """Report progress; `contacted` when the reporter has been contacted."""
        identity = staff(request)
        message = f.ReportProgressed(person=identity.person, note=body.note, contacted=body.contacted)
        return await submit(request, case, message, identity)

    @app.post("/cases/{case}/done", tags=["units"])
    async def done(case: str, body: Done, request: Request) -> dict[str, Any]:
        """办结, with the result as the reporter will read it."""
        identity = staff(request)
        message = f.ReportDone(person=identity.person, result=body.result, evidence=tuple(body.evidence))
        return await submit(request, case, message, identity)

    @app.post("/cases/{case}/dispatch", tags=["hub"])
    async def dispatch(case: str, body: DispatchBody, request: Request) -> dict[str, Any]:
        """派单 from the hub's desk; after consultation the designation, which is final."""
        identity = staff(request)
        message = desk.Dispatch(
            actor=identity.actor,
            units=tuple(body.units),
            reason=body.reason,
            case_list=body.case_list,
            ledger=body.ledger,
        )
        return await submit(request, case, message, identity)

    @app.post("/cases/{case}/rule-on-refusal", tags=["hub"])
    async def rule_on_refusal(case: str, body: RulingBody, request: Request) -> dict[str, Any]:
        """退单审核: uphold and name other units, or dismiss."""
        identity = staff(request)
        message = desk.RuleOnRefusal(
            actor=identity.actor, upheld=body.upheld, reason=body.reason, units=tuple(body.units)
        )
        return await submit(request, case, message, identity)

    @app.post("/cases/{case}/rework", tags=["hub"])
    async def rework(case: str, body: ReworkBody, request: Request) -> dict[str, Any]:
        """责令重办 of a closed case."""
        identity = staff(request)
        return await submit(request, case, desk.OrderRework(actor=identity.actor, reason=body.reason), identity)

    @app.get("/cases", tags=["cases"])
    async def cases(
        request: Request,
        response: Response,
        unit: str | None = None,
        stage: Stage | None = None,
        before: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> dict[str, Any]:
        """Cases, newest first, a page at a time (`Link: rel=next`). A unit sees those it has a part in."""
        identity = staff(request)
        if identity.unit != district.tree.hub.code:
            unit = identity.unit
        kind = district.tree.get(unit) if unit else None
        blower = unit if kind is not None and kind.kind.value == "community" else None
        found = await list_cases(running.pool, None if blower else unit, blower, stage, before, limit)
        if len(found) == limit:
            url = request.url.include_query_params(before=str(found[-1].case_id))
            response.headers["Link"] = f'<{url}>; rel="next"'
        return {"cases": [case_document(one) for one in found]}

    @app.get("/cases/{case}", tags=["cases"])
    async def one_case(case: str, request: Request) -> dict[str, Any]:
        """One case by id or number."""
        running.gatekeeper.identify(request)
        return case_document(await _case(case))

    @app.get("/statistics", tags=["cases"])
    async def counts(request: Request) -> dict[str, Any]:
        """Counts by stage, level and unit, for the live board."""
        running.gatekeeper.identify(request)
        return await statistics(running.pool)
