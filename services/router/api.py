"""The router's HTTP door: what units and the hub decide, and where a case stands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import FastAPI, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model

from services.router.domain import commands as c
from services.router.domain.case import Case
from services.router.domain.district import District
from services.router.domain.sight import may_see
from services.router.store import WRITTEN_OFF, PostgresCases
from shared.contracts import facts as f
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind, Ledger, RequestKind, Stage
from shared.runtime.decision import Refusal
from shared.runtime.door import Door, command
from shared.runtime.identity import Gatekeeper, Identity, forbidden
from shared.runtime.problems import Refused, described
from shared.runtime.running import Running

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

    async def followers(self, case_id: UUID) -> Sequence[dict[str, str]]:
        """The cases that were merged into this one: case_id, number and stage of each."""
        ...

    async def ledgers(self, recount: bool) -> dict[str, Any]:
        """五类台账、三单: how many entries each has, and how many are written off; counted from the log on request."""
        ...

    async def entries(self, ledger: Ledger, is_open: bool | None, before: UUID | None, most: int) -> Sequence[Case]:
        """The entries of one ledger, newest first."""
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


class Ask(Body):
    kind: RequestKind
    reason: Annotated[str, Field(min_length=1, max_length=4000)]
    basis: Annotated[str, Field(min_length=1, max_length=1000)]
    share: Annotated[float, Field(gt=0, le=1, description="extension: part of the limit first granted")] | None = None
    until: Annotated[AwareDatetime, Field(description="suspension: the review date")] | None = None


class Milestone(Body):
    milestone: Annotated[int, Field(ge=1, le=100)]
    note: Annotated[str, Field(min_length=1, max_length=4000)]
    evidence: list[f.Evidence] = Field(default_factory=list, max_length=20)


class MergeBody(Body):
    into: Annotated[str, Field(min_length=1, max_length=64, description="id or number of the case to merge into")]
    reason: Reason
    basis: Annotated[str, Field(max_length=1000)] = ""


@dataclass(frozen=True, slots=True)
class Doorway:
    """A command that is sent as it is: where, and what it is for. The body is the command without who asks."""

    path: str
    command: type[c.Command]
    tag: str
    summary: str

    @property
    def body(self) -> type[BaseModel]:
        fields = {
            name: (field.annotation, field) for name, field in self.command.model_fields.items() if name != "actor"
        }
        made: type[BaseModel] = create_model(f"{self.command.__name__}Body", __base__=Body, **fields)  # type: ignore[call-overload]
        return made


DOORWAYS = (
    Doorway(
        "dispatch", c.Dispatch, "hub", "派单 from the hub's desk; after consultation the designation, which is final"
    ),
    Doorway("rule-on-refusal", c.RuleOnRefusal, "hub", "退单审核: uphold and name who takes the place, or dismiss"),
    Doorway("rework", c.OrderRework, "hub", "责令重办 of a closed case"),
    Doorway("transfer", c.Transfer, "joint handling", "转办: another unit takes a unit's place and role"),
    Doorway("join", c.Join, "joint handling", "增加协办: more co-handlers"),
    Doorway("release", c.Release, "joint handling", "解除协办: a co-handler is not needed any more"),
    Doorway("lead", c.ChangeLead, "joint handling", "变更牵头: another unit leads"),
    Doorway("rule-on-request", c.RuleOnRequest, "time", "延期、挂账审批: as asked, less, or not"),
    Doorway("resume", c.Resume, "time", "恢复办理: a suspended case goes on before its date"),
    Doorway(
        "list", c.ListCase, "time", "列入三单: immediate, phased with milestones, understanding with a review date"
    ),
    Doorway("supervise", c.Supervise, "supervision", "督办"),
    Doorway("end-supervision", c.EndSupervision, "supervision", "解除督办"),
    Doorway("priority", c.ChangePriority, "matter", "调整紧急程度; no clock gets longer"),
    Doorway("correct", c.Correct, "matter", "更正: put right what the matter says"),
    Doorway("comment", c.Comment, "matter", "备注"),
    Doorway("withdraw", c.Withdraw, "matter", "撤单"),
    Doorway("unmerge", c.Unmerge, "duplicates", "撤销并案"),
)
"""What people may ask of a case. Who may, when and how often, procedures say."""

PROBLEMS = described(400, 401, 403, 404, 409, 413, 422, 503)


def case_document(case: Case) -> dict[str, Any]:
    """A case as the API shows it."""
    return case.model_dump(mode="json") | {
        "number": case.number,
        "overdue": bool(case.missed),
        "present_units": [one.unit for one in case.present],
    }


def entry_document(case: Case) -> dict[str, Any]:
    """A case as an entry of its ledger."""
    return {
        "case_id": str(case.case_id),
        "number": case.number,
        "title": case.matter.title,
        "stage": case.stage,
        "case_list": case.case_list,
        "units": [one.unit for one in case.present],
        "opened_at": case.opened_at,
        "written_off": case.stage in WRITTEN_OFF,
        "closed_at": case.closed_at,
    }


def _page(found: Sequence[Case], limit: int, request: Request, response: Response) -> Sequence[Case]:
    """What of the found is shown; where there is more, the answer says where it goes on."""
    shown = found[:limit]
    if len(found) > limit:
        following = request.url.include_query_params(before=str(shown[-1].case_id))
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return shown


# --- the door -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counter:
    """What the door works with."""

    door: Door
    gatekeeper: Gatekeeper
    district: Callable[[], District]
    cases: Cases

    @property
    def tree(self) -> UnitTree:
        return self.district().tree

    def staff(self, request: Request) -> Identity:
        """Who of which unit asks. Raises `Refused`: 401 without credentials, 403 for anyone but a unit's staff."""
        identity = self.gatekeeper.identify(request)
        if identity.kind is not ActorKind.STAFF or identity.unit is None:
            raise forbidden("staff_only", "只有单位工作人员可以办理哨单。", "Only staff of a unit may act on a case.")
        return identity

    def person(self, request: Request) -> Identity:
        """A unit's staff, or 12345 for its own orders. Raises `Refused`: 401, or 403 for anyone else."""
        identity = self.gatekeeper.identify(request)
        return identity if identity.kind is ActorKind.HOTLINE else self.staff(request)

    def reader(self, request: Request) -> Identity:
        """Staff of any unit, or an operator. Raises `Refused`: 401, or 403 for anyone else."""
        identity = self.gatekeeper.identify(request)
        return identity if identity.operator else self.staff(request)

    async def find(self, named: str, field: str = "case") -> Case:
        case = await self.cases.find(named)
        if case is None:
            raise Refused(
                Refusal(
                    "case_unknown",
                    zh=f"没有编号为 {named} 的哨单；请核对编号。",
                    en=f"There is no case {named}; check its number.",
                    field=field,
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


def routes(app: FastAPI, running: Running[Case], district: Callable[[], District]) -> None:
    """Add the router's doors. Units act on their own cases, the hub decides; each no says its reason."""
    add_routes(app, Counter(running.door, running.gatekeeper, district, PostgresCases(running.pool)))


def add_routes(app: FastAPI, counter: Counter) -> None:
    _for_units(app, counter)
    _for_people(app, counter)
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

    @app.post("/cases/{case}/ask", tags=["units"], responses=PROBLEMS)
    async def ask(case: CaseName, body: Ask, request: Request) -> dict[str, Any]:
        """申请延期、挂账; the clock goes on until it is ruled on."""
        identity = counter.staff(request)
        message = f.ReportAsked(person=identity.person, **body.model_dump())
        return await counter.submit(case, message, request, identity)

    @app.post("/cases/{case}/milestone", tags=["units"], responses=PROBLEMS)
    async def milestone(case: CaseName, body: Milestone, request: Request) -> dict[str, Any]:
        """A milestone of a phased matter is reached."""
        identity = counter.staff(request)
        message = f.ReportMilestoneReached(
            person=identity.person, milestone=body.milestone, note=body.note, evidence=tuple(body.evidence)
        )
        return await counter.submit(case, message, request, identity)


def _for_people(app: FastAPI, counter: Counter) -> None:
    for doorway in DOORWAYS:
        _add_doorway(app, counter, doorway)

    @app.post("/cases/{case}/merge", tags=["duplicates"], responses=PROBLEMS)
    async def merge(case: CaseName, body: MergeBody, request: Request) -> dict[str, Any]:
        """并案: handled with another case; its own reporter keeps their answer and rating."""
        identity = counter.person(request)
        into, own = await counter.find(body.into, "into"), await counter.find(case)
        message = c.Merge(
            actor=identity.actor,
            reason=body.reason,
            basis=body.basis,
            into=into.case_id,
            into_number=into.number,
            into_stage=into.stage,
            followers=len([one for one in await counter.cases.followers(own.case_id) if one["stage"] == Stage.MERGED]),
        )
        return await counter.submit(case, message, request, identity)


def _add_doorway(app: FastAPI, counter: Counter, doorway: Doorway) -> None:
    body_type = doorway.body

    async def act(case: CaseName, body: body_type, request: Request) -> dict[str, Any]:  # type: ignore[valid-type]
        identity = counter.person(request)
        said = {name: getattr(body, name) for name in body_type.model_fields}
        return await counter.submit(case, doorway.command(actor=identity.actor, **said), request, identity)

    act.__name__ = doorway.path.replace("-", "_")
    app.post(f"/cases/{{case}}/{doorway.path}", tags=[doorway.tag], summary=doorway.summary, responses=PROBLEMS)(act)


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
        return {"cases": [case_document(one) for one in _page(found, limit, request, response)]}

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
        return case_document(found) | {"followers": list(await counter.cases.followers(found.case_id))}

    @app.get("/ledgers", tags=["ledgers"], responses=PROBLEMS)
    async def ledgers(
        request: Request,
        recount: Annotated[bool, Query(description="also count from the case log, and say whether it agrees")] = False,
    ) -> dict[str, Any]:
        """五类台账: entered, written off and open of each ledger and of each of the three lists."""
        counter.reader(request)
        return await counter.cases.ledgers(recount)

    @app.get("/ledgers/{ledger}", tags=["ledgers"], responses=PROBLEMS)
    async def entries(
        ledger: Ledger,
        request: Request,
        response: Response,
        is_open: Annotated[bool | None, Query(alias="open", description="only what is not written off, or is")] = None,
        before: Annotated[UUID | None, Query(description="where to go on: the last case of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> dict[str, Any]:
        """The entries of one ledger, newest first, a page at a time. For the hub and operators."""
        identity = counter.reader(request)
        if not identity.operator and identity.unit != counter.tree.hub.code:
            raise forbidden("hub_only", "台账明细仅供区级治理中心查看。", "The entries are for the hub.")
        found = await counter.cases.entries(ledger, is_open, before, limit + 1)
        return {"entries": [entry_document(one) for one in _page(found, limit, request, response)]}

    @app.get("/statistics", tags=["cases"], responses=PROBLEMS)
    async def counts(request: Request) -> dict[str, Any]:
        """Counts by stage, level and unit, for the live board. For staff."""
        counter.staff(request)
        return await counter.cases.statistics()
