"""The router's HTTP door: what units and the hub decide, and where a case stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import FastAPI, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.router.domain import desk
from services.router.domain.case import Case
from services.router.domain.opening import District
from services.router.domain.sight import may_see
from services.router.store import PostgresCases
from shared.contracts import facts as f
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind, CaseList, Ledger, Stage
from shared.runtime.decision import Refusal
from shared.runtime.door import Door, command
from shared.runtime.identity import Gatekeeper, Identity, forbidden
from shared.runtime.problems import Refused
from shared.runtime.service import Running

PAGE = 100

# --- the port: what the door reads ------------------------------------------------------------------------


class Cases(Protocol):
    """Reads cases as they were last committed."""

    async def find(self, named: str) -> Case | None:
        """A case by its id or by the number people use; None where there is none."""
        ...

    async def page(self, unit: str | None, stage: Stage | None, before: UUID | None, most: int) -> Sequence[Case]:
        """Cases, newest first; of one unit: those it has or had a part in, and those whose whistle it blew."""
        ...

    async def statistics(self) -> dict[str, Any]:
        """Counts for the live board: by stage, by level, by unit, and today's."""
        ...


# --- what is sent -------------------------------------------------------------------------------------------

CaseName = Annotated[
    str, Path(description="the case's id or its number", min_length=1, max_length=64, pattern=r"^[^\s/\x00-\x1f]+$")
]
Code = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{2,32}$")]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]


class Body(BaseModel):
    """A command's body; a field it does not know is an error, so that no typing mistake is lost in silence."""

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
    units: list[Code] = Field(min_length=1, max_length=20, description="codes; the first is the lead")
    reason: Reason
    case_list: CaseList | None = Field(default=None, description="as it was where none is named, else immediate")
    ledger: Ledger | None = Field(default=None, description="as it was where none is named")


class RulingBody(Body):
    upheld: bool
    reason: Reason
    units: list[Code] = Field(
        default_factory=list, max_length=20, description="with upheld: who takes the unit's place, the first its role"
    )


class ReworkBody(Body):
    reason: Reason


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "content": {"application/problem+json": {}}}
    for status, meaning in {
        400: "not readable",
        401: "no valid credentials",
        403: "not yours",
        404: "no such case",
        409: "not now",
        413: "too large",
        422: "something is missing or wrong",
        503: "the database is away; see Retry-After",
    }.items()
}


def case_document(case: Case) -> dict[str, Any]:
    """A case as the API shows it."""
    return case.model_dump(mode="json") | {
        "number": case.number,
        "overdue": bool(case.missed),
        "present_units": [one.unit for one in case.present],
    }


# --- the door -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counter:
    """What the door works with."""

    door: Door
    gatekeeper: Gatekeeper
    tree: UnitTree
    cases: Cases

    def staff(self, request: Request) -> Identity:
        """Who of which unit asks. Raises `Refused`: 401 without credentials, 403 for anyone but a unit's staff."""
        identity = self.gatekeeper.identify(request)
        if identity.kind is not ActorKind.STAFF or identity.unit is None:
            raise forbidden("staff_only", "只有单位工作人员可以办理哨单。", "Only staff of a unit may act on a case.")
        return identity

    async def find(self, named: str) -> Case:
        case = await self.cases.find(named)
        if case is None:
            raise Refused(
                Refusal(
                    "case_unknown",
                    zh=f"没有编号为 {named} 的哨单；请核对编号。",
                    en=f"There is no case {named}; check its number.",
                    field="case",
                    status=404,
                )
            )
        return case

    async def submit(self, named: str, message: object, request: Request, identity: Identity) -> dict[str, Any]:
        """Send a command about a case down the road and return its answer."""
        case = await self.find(named)
        outcome = await self.door.submit(command(case.case_id, message, request, identity))
        return dict(outcome.answer or {})

    def listed_unit(self, identity: Identity, asked: str | None) -> str | None:
        """Whose cases are listed: any unit's or all for the hub, otherwise the asker's own."""
        if identity.unit == self.tree.hub.code:
            return asked
        if asked not in (None, identity.unit):
            raise forbidden(
                "not_your_unit",
                f"只能查看本单位 {identity.unit} 的哨单；请去掉 unit 参数或改为本单位。",
                f"You may list the cases of your own unit {identity.unit} only; leave unit out or name it.",
            )
        return identity.unit


def routes(app: FastAPI, running: Running[Case], district: District) -> None:
    """Add the router's doors. Units act on their own cases, the hub decides; each no says its reason."""
    add_routes(app, Counter(running.door, running.gatekeeper, district.tree, PostgresCases(running.pool)))


def add_routes(app: FastAPI, counter: Counter) -> None:
    _for_units(app, counter)
    _for_the_hub(app, counter)
    _for_reading(app, counter)


def _for_units(app: FastAPI, counter: Counter) -> None:
    @app.post("/cases/{case}/sign-in", tags=["units"], responses=PROBLEMS)
    async def sign_in(case: CaseName, request: Request) -> dict[str, Any]:
        """签收 / 报到."""
        identity = counter.staff(request)
        return await counter.submit(case, f.ReportSignedIn(person=identity.person), request, identity)

    @app.post("/cases/{case}/refuse", tags=["units"], responses=PROBLEMS)
    async def refuse(case: CaseName, body: Refuse, request: Request) -> dict[str, Any]:
        """退单, with a reason and a basis, before signing in."""
        identity = counter.staff(request)
        message = f.ReportRefused(person=identity.person, reason=body.reason, basis=body.basis)
        return await counter.submit(case, message, request, identity)

    @app.post("/cases/{case}/progress", tags=["units"], responses=PROBLEMS)
    async def progress(case: CaseName, body: Progress, request: Request) -> dict[str, Any]:
        """Report progress; `contacted` when the reporter has been contacted."""
        identity = counter.staff(request)
        message = f.ReportProgressed(person=identity.person, note=body.note, contacted=body.contacted)
        return await counter.submit(case, message, request, identity)

    @app.post("/cases/{case}/done", tags=["units"], responses=PROBLEMS)
    async def done(case: CaseName, body: Done, request: Request) -> dict[str, Any]:
        """办结, with the result as the reporter will read it."""
        identity = counter.staff(request)
        message = f.ReportDone(person=identity.person, result=body.result, evidence=tuple(body.evidence))
        return await counter.submit(case, message, request, identity)


def _for_the_hub(app: FastAPI, counter: Counter) -> None:
    @app.post("/cases/{case}/dispatch", tags=["hub"], responses=PROBLEMS)
    async def dispatch(case: CaseName, body: DispatchBody, request: Request) -> dict[str, Any]:
        """派单 from the hub's desk; after consultation the designation, which is final."""
        identity = counter.staff(request)
        message = desk.Dispatch(
            actor=identity.actor,
            units=tuple(body.units),
            reason=body.reason,
            case_list=body.case_list,
            ledger=body.ledger,
        )
        return await counter.submit(case, message, request, identity)

    @app.post("/cases/{case}/rule-on-refusal", tags=["hub"], responses=PROBLEMS)
    async def rule_on_refusal(case: CaseName, body: RulingBody, request: Request) -> dict[str, Any]:
        """退单审核: uphold and name who takes the unit's place, or dismiss. Other units keep their parts."""
        identity = counter.staff(request)
        message = desk.RuleOnRefusal(
            actor=identity.actor, upheld=body.upheld, reason=body.reason, units=tuple(body.units)
        )
        return await counter.submit(case, message, request, identity)

    @app.post("/cases/{case}/rework", tags=["hub"], responses=PROBLEMS)
    async def rework(case: CaseName, body: ReworkBody, request: Request) -> dict[str, Any]:
        """责令重办 of a closed case."""
        identity = counter.staff(request)
        message = desk.OrderRework(actor=identity.actor, reason=body.reason)
        return await counter.submit(case, message, request, identity)


def _for_reading(app: FastAPI, counter: Counter) -> None:
    @app.get("/cases", tags=["cases"], responses=PROBLEMS)
    async def cases(
        request: Request,
        response: Response,
        unit: Annotated[Code | None, Query(description="only this unit's")] = None,
        stage: Stage | None = None,
        before: Annotated[UUID | None, Query(description="where to go on: the last case of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> dict[str, Any]:
        """Cases, newest first, a page at a time (`Link: rel=next`); the hub's all, a unit's own."""
        whose = counter.listed_unit(counter.staff(request), unit)
        found = await counter.cases.page(whose, stage, before, limit + 1)
        shown = found[:limit]
        if len(found) > limit:
            following = request.url.include_query_params(before=str(shown[-1].case_id))
            response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
        return {"cases": [case_document(one) for one in shown]}

    @app.get("/cases/{case}", tags=["cases"], responses=PROBLEMS)
    async def one_case(case: CaseName, request: Request) -> dict[str, Any]:
        """One case by id or number, for those whose case it is."""
        identity = counter.gatekeeper.identify(request)
        found = await counter.find(case)
        if not may_see(identity.actor, found, counter.tree):
            raise forbidden(
                "not_your_case",
                "本件与您或您所在单位无关，不能查看；请联系吹哨单位或区级治理中心。",
                "This case is not yours to see; turn to its whistle-blower or the hub.",
            )
        return case_document(found)

    @app.get("/statistics", tags=["cases"], responses=PROBLEMS)
    async def counts(request: Request) -> dict[str, Any]:
        """Counts by stage, level and unit, for the live board. For staff."""
        counter.staff(request)
        return await counter.cases.statistics()
