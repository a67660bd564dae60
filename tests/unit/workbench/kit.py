"""A small district, one example of every fact, and services that answer as the test says."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import orjson
from fastapi import FastAPI

from services.workbench.languages import Speech
from services.workbench.main import Workbench, assemble, build_app
from services.workbench.settings import WorkbenchSettings
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, encode
from shared.contracts.topics import shard_of
from shared.contracts.units import Unit, UnitTree, build_tree
from shared.contracts.vocabulary import (
    ActorKind,
    AppealType,
    CaseList,
    DeclineReason,
    DispatchCause,
    Ledger,
    Level,
    LimitCause,
    Measure,
    Obligation,
    RequestKind,
    ResumeCause,
    ReworkCause,
    Role,
    Satisfaction,
    Source,
    Stage,
    SurgeKind,
    UnitKind,
    Urgency,
)

NOW = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
"""10:30 in the district."""
HUB, STREET, COMMUNITY, WATER, HOUSING = "110199", "110199001", "110199001001", "util-water", "dept-housing"
CASE = UUID("01930000-0000-7000-8000-000000000007")
NUMBER = "HA202611230001"
KEY = "dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtdGU"


def tree() -> UnitTree:
    today = build_tree(
        [
            Unit(code=HUB, name="和安区城市治理中心", name_en="He'an Hub", kind=UnitKind.HUB),
            Unit(code=STREET, name="东湖街道", name_en="Donghu Street", kind=UnitKind.STREET, parent=HUB),
            Unit(code=COMMUNITY, name="湖畔社区", name_en="Hupan", kind=UnitKind.COMMUNITY, parent=STREET),
            Unit(code=WATER, name="和安供水公司", name_en="He'an Water", kind=UnitKind.UTILITY, parent=HUB),
            Unit(code=HOUSING, name="区住建委", kind=UnitKind.DEPARTMENT, parent=HUB),
        ],
        "1",
    )
    roads = Unit(code="dept-roads", name="区道路管理处", name_en="Roads", kind=UnitKind.DEPARTMENT, parent=HUB)
    return replace(today, retired={roads.code: roads}, successors={roads.code: (HOUSING,)})


def speech(language: str = "zh-CN") -> Speech:
    return Speech(language, tree, ZoneInfo("Asia/Shanghai"))


def matter(**changes: Any) -> f.Matter:
    values: dict[str, Any] = {
        "number": NUMBER,
        "source": Source.COMMUNITY,
        "appeal_type": AppealType.HELP,
        "urgency": Urgency.URGENT,
        "category": ("公用事业", "供水", "停水"),
        "title": "3号楼停水",
        "content": "从昨晚起没有水",
        "address": "湖畔社区3号楼",
        "region": COMMUNITY,
        "whistle_blower": COMMUNITY,
        "received_at": NOW,
    }
    return f.Matter(**(values | changes))


def actor(unit: str | None = COMMUNITY, kind: ActorKind = ActorKind.STAFF) -> f.Actor:
    return f.Actor(kind=kind, unit=unit, person="p-1")


ASSIGNMENT = UUID("01930000-0000-7000-8000-0000000000aa")
REASON = f.Reason(zh="供水归供水公司", en="water is the water company's", rule="by-category", version="3")
PROOF = f.Evidence(name="修复后.jpg", media_type="image/jpeg", url="https://files.example/1.jpg")


OTHER, OTHER_NUMBER = UUID("01930000-0000-7000-8000-000000000008"), "HA202611230002"
PLAN = (
    f.Milestone(number=1, title="换立管", due_at=NOW + timedelta(days=10)),
    f.Milestone(number=2, title="换支管", due_at=NOW + timedelta(days=40)),
)
TWIN = f.Likeness(
    case_id=OTHER,
    number=OTHER_NUMBER,
    score=0.87,
    reason=f.Reason(zh="同一楼，同类，相隔 2 小时", en="same building, same category, 2 hours apart"),
)
ACCOUNTS = (
    f.UnitAccount(unit=COMMUNITY, held=timedelta(hours=1)),
    f.UnitAccount(
        unit=WATER,
        role=Role.LEAD,
        held=timedelta(hours=3),
        suspended=timedelta(hours=2),
        missed=(Obligation.SIGN_IN,),
        extensions=1,
        rounds=2,
    ),
)


def case_fact(fact: type[f.CaseFact], stage: Stage, **values: Any) -> f.CaseFact:
    return fact(number=NUMBER, source=Source.COMMUNITY, stage=stage, **({"actor": actor()} | values))


def assigned(*units: str, round_: int = 1) -> tuple[f.AssignmentMade, ...]:
    roles = [Role.LEAD] + [Role.CO_HANDLER] * len(units)
    return tuple(
        f.AssignmentMade(assignment_id=ASSIGNMENT if place == 0 else uuid4(), unit=unit, role=role, round=round_)
        for place, (unit, role) in enumerate(zip(units, roles, strict=False))
    )


def dispatched(*units: str, final: bool = False, **changes: Any) -> f.CaseFact:
    return case_fact(
        f.CaseDispatched,
        Stage.DISPATCHED,
        level=Level.DEPARTMENT,
        matter=matter(**changes),
        assignments=assigned(*(units or (WATER,))),
        case_list=CaseList.IMMEDIATE,
        ledger=Ledger.FIXED_DEADLINE,
        reason=REASON,
        final=final,
    )


def handed_out(
    cause: DispatchCause, before: tuple[str, ...], begun: tuple[str, ...] = (), released: tuple[str, ...] = ()
) -> f.CaseFact:
    """A dispatch that changes who has the case: who had it and keeps it, who gets it, who loses it."""
    kept = [made.model_copy(update={"begun": False}) for made in assigned(*before)]
    new = [made.model_copy(update={"assignment_id": uuid4()}) for made in assigned(*begun)]
    return dispatched().model_copy(
        update={"assignments": (*kept, *new), "released": assigned(*released), "cause": cause}
    )


def of_unit(fact: type[f.CaseFact], stage: Stage, **values: Any) -> f.CaseFact:
    return case_fact(fact, stage, actor=actor(WATER), assignment_id=ASSIGNMENT, unit=WATER, **values)


def overdue(obligation: Obligation = Obligation.HANDLE, unit: str | None = WATER, **values: Any) -> f.CaseFact:
    return case_fact(
        f.CaseOverdue,
        Stage.HANDLING,
        actor=actor(None, ActorKind.CLOCK),
        obligation=obligation,
        unit=unit,
        generation=1,
        due_at=NOW,
        **values,
    )


def deadline(fact: type[f.DeadlineStep], obligation: Obligation = Obligation.HANDLE, **values: Any) -> f.DeadlineStep:
    return fact(
        obligation=obligation,
        unit=WATER,
        generation=1,
        started_at=NOW - timedelta(hours=2),
        due_at=NOW,
        fired_at=NOW,
        policy_version="1",
        **values,
    )


def limit(obligation: Obligation = Obligation.HANDLE, hours: float | None = 24, **values: Any) -> f.TimeLimit:
    """Due in so many hours; without, it stands still with an hour left."""
    return f.TimeLimit(
        obligation=obligation,
        generation=1,
        granted="24 clock_hour",
        started_at=NOW,
        warn_at=None,
        due_at=None if hours is None else NOW + timedelta(hours=hours),
        left=3600 if hours is None else None,
        policy_version="1",
        **values,
    )


def timed(*limits: f.TimeLimit, cause: LimitCause = LimitCause.CASE, **values: Any) -> f.CaseFact:
    """The router passes on by when the water company owes what."""
    return of_unit(f.CaseTimed, Stage.HANDLING, cause=cause, by="v", limits=limits or (limit(),), **values)


def set_limits(*limits: f.TimeLimit, cause: LimitCause = LimitCause.CASE) -> f.DeadlineSet:
    """The clock says it."""
    return f.DeadlineSet(unit=WATER, round=1, cause=cause, by="v", limits=limits or (limit(),))


def closed(answer: str = "已恢复供水") -> f.CaseFact:
    return case_fact(
        f.CaseClosed,
        Stage.CLOSED,
        answer=answer,
        ledger=Ledger.FIXED_DEADLINE,
        reason=f.Reason(zh="核查通过", en="checked"),
        assignments=assigned(WATER),
        accounts=ACCOUNTS,
    )


EXAMPLES: list[f.Fact] = [
    f.WhistleReceived(matter=matter(), needs_verification=False, actor=actor()),
    f.WhistleVerified(actor=actor(), note="属实"),
    f.WhistleDeclined(actor=actor(), reason=DeclineReason.UNTRUE, explanation="没有此事"),
    case_fact(f.CaseOpened, Stage.RECEIVED, matter=matter()),
    case_fact(f.CaseAccepted, Stage.TO_DISPATCH, urgency=Urgency.URGENT, category=("公用事业", "供水")),
    case_fact(f.CaseDeclined, Stage.DECLINED, reason=DeclineReason.REPEATED, explanation="重复"),
    case_fact(f.CaseSentToDesk, Stage.TO_DISPATCH, desk=HUB, reason=REASON),
    dispatched(WATER, HOUSING),
    of_unit(f.CaseSignedIn, Stage.HANDLING),
    of_unit(f.CaseRefused, Stage.REFUSAL_REVIEW, reason="不归我们", basis="职责清单第三条", count=1),
    of_unit(f.CaseRefusalRuled, Stage.REFUSAL_REVIEW, upheld=True, reason="确实不归"),
    of_unit(f.CaseProgressed, Stage.HANDLING, note="已到场", contacted=True),
    of_unit(f.CaseUnitDone, Stage.HANDLED, result="已换水管", evidence=(PROOF,)),
    case_fact(
        f.CaseHandled,
        Stage.CHECKING,
        units=(WATER,),
        round=1,
        resident_to_ask=False,
        whistle_blower=COMMUNITY,
    ),
    case_fact(f.CaseChecked, Stage.RATING, passed=True, note="有水了"),
    case_fact(
        f.CaseReworkOrdered,
        Stage.REWORK,
        cause=ReworkCause.CHECK_FAILED,
        matter=matter(),
        assignments=assigned(WATER, round_=2),
        round=2,
        explanation="二层仍无水",
    ),
    overdue(),
    case_fact(f.CaseEscalated, Stage.HANDLING, obligation=Obligation.HANDLE, unit=WATER, rung=1, told=(HUB,)),
    timed(),
    closed(),
    case_fact(f.CaseArchived, Stage.ARCHIVED),
    of_unit(
        f.CaseRequested, Stage.EXTENSION_REVIEW, kind=RequestKind.EXTENSION, reason="等配件", share=0.5, approver=HUB
    ),
    of_unit(
        f.CaseRequestRuled,
        Stage.SUSPENDED,
        kind=RequestKind.SUSPENSION,
        approved=True,
        reason="封冻期不能开挖",
        until=NOW + timedelta(days=98),
        why=f.Reason(zh="挂账一次，不超过一年", en="one suspension, at most a year", basis="办理规程第十二条"),
    ),
    case_fact(f.CaseResumed, Stage.HANDLING, cause=ResumeCause.REVIEW_DATE, reason="到期复核"),
    case_fact(
        f.CaseListed,
        Stage.HANDLING,
        case_list=CaseList.PHASED,
        ledger=Ledger.FROM_ABOVE,
        reason="分两步改造",
        milestones=PLAN,
    ),
    of_unit(f.CaseMilestoneReached, Stage.HANDLING, milestone=1, note="立管已换", evidence=(PROOF,)),
    case_fact(f.CaseSupervised, Stage.HANDLING, actor=actor(HUB), unit=WATER, reason="进展迟缓"),
    case_fact(f.CaseSupervisionEnded, Stage.HANDLING, actor=actor(HUB), unit=WATER, reason="已按要求到场"),
    case_fact(
        f.CaseReprioritised, Stage.HANDLING, before=Urgency.URGENT, urgency=Urgency.CRITICAL, reason="医院也停水"
    ),
    case_fact(f.CaseCorrected, Stage.HANDLING, matter=matter(), changed=("address", "category"), reason="门牌写错了"),
    case_fact(f.CaseCommented, Stage.HANDLING, unit=COMMUNITY, text="水车在北门"),
    case_fact(f.CaseWithdrawn, Stage.WITHDRAWN, reason="居民自己修好了", accounts=ACCOUNTS),
    case_fact(f.CaseDuplicateFound, Stage.TO_DISPATCH, candidates=(TWIN,)),
    case_fact(f.CaseMerged, Stage.MERGED, into=OTHER, into_number=OTHER_NUMBER, reason="同一根水管"),
    f.LogRedacted(
        redacted=3,
        digest="00" * 32,
        event={"type": "cn.chuishao.case.opened.v1"},
        reason="当事人申请",
        basis="个人信息保护法第四十七条",
        asked_by="li",
        actor=actor(HUB),
    ),
    case_fact(f.CaseUnmerged, Stage.TO_DISPATCH, reason="不是同一根"),
    case_fact(
        f.CaseAnswered,
        Stage.RATING,
        answer="水管已换",
        ledger=Ledger.FIXED_DEADLINE,
        into=OTHER,
        units=(WATER,),
        round=1,
        resident_to_ask=False,
        whistle_blower=COMMUNITY,
    ),
    case_fact(
        f.CaseHandedOver,
        Stage.HANDLING,
        before=WATER,
        unit=HOUSING,
        assignment_id=ASSIGNMENT,
        role=Role.LEAD,
        matter=matter(),
        reason=f.Reason(zh="机构改革", en="the units were reformed"),
    ),
    set_limits(),
    deadline(f.DeadlineWarned),
    deadline(f.DeadlineOverdue),
    deadline(f.DeadlineEscalated, rung=1, told=(HUB,)),
    f.FeedbackChecked(round=1, passed=True, note="有水了", actor=actor()),
    f.FeedbackUnitRated(round=1, unit=WATER, contact=5, speed=4, result=5, words="很快", actor=actor()),
    f.FeedbackResidentAnswered(
        round=1,
        contacted=True,
        solved=True,
        satisfaction=Satisfaction.SATISFIED,
        words="谢谢",
        actor=actor(None, ActorKind.RESIDENT),
    ),
    f.FeedbackResidentAsked(round=1, until=NOW + timedelta(days=7)),
    f.FeedbackConcluded(round=1, close=True, reason=REASON, resident_silent=True, actor=actor(None, ActorKind.RULE)),
    f.FeedbackSampled(round=1, reason=REASON),
    f.FeedbackSampleChecked(round=1, passed=False, note="又停水了", actor=actor(HUB)),
    f.FeedbackExclusionAsked(
        exclusion=OTHER,
        round=1,
        unit=WATER,
        measures=(Measure.HANDLE, Measure.SATISFIED),
        reason="暴雨停工",
        basis="办理规程第三十条",
        actor=actor(WATER),
    ),
    f.FeedbackExclusionRuled(exclusion=OTHER, approved=True, reason="属实", actor=actor(HUB)),
    f.FeedbackPublished(
        number=NUMBER,
        title="停水",
        result="已换水管",
        region=COMMUNITY,
        units=(WATER,),
        received_at=NOW,
        closed_at=NOW,
        method="1",
    ),
    f.FeedbackWithheld(reason="居民要求", actor=actor(HUB)),
]
"""One of every fact of the four logs, in the order of a case's life."""

SURGE = UUID("01930000-0000-5000-8000-0000000000ff")
SURGES: list[f.SurgeFact] = [
    f.SurgeFound(
        kind=SurgeKind.PLACE,
        key="湖畔社区",
        region=COMMUNITY,
        since=NOW - timedelta(hours=3),
        count=4,
        usual_per_day=0.02,
        cases=(CASE, OTHER),
        reason=f.Reason(zh="同一地点：湖畔社区，3 小时内 4 件。", en="4 cases at one place within 3 h (湖畔社区)."),
    ),
    f.SurgeEnded(
        kind=SurgeKind.PLACE,
        key="湖畔社区",
        region=COMMUNITY,
        since=NOW - timedelta(hours=3),
        count=4,
        usual_per_day=0.02,
        ended_at=NOW,
    ),
]

SERVICE_OF = {
    "whistle": "intake",
    "case": "router",
    "deadline": "sla",
    "feedback": "feedback",
    "surge": "live",
    "log": "router",
}
TOPIC_OF = {"intake": "whistles", "router": "cases", "sla": "deadlines", "feedback": "feedback"}


def service_of(fact: f.Fact) -> str:
    return SERVICE_OF[fact.NAME.partition(".")[0]]


def envelope(fact: f.Fact, sequence: int = 0, at: datetime = NOW, case_id: UUID = CASE) -> Envelope:
    return Envelope(str(uuid4()), f"urn:chuishao:{service_of(fact)}", case_id, at, fact, sequence, sequence)


def log_rows(facts: list[f.Fact], service: str, start: datetime = NOW) -> list[dict[str, Any]]:
    """What `/log/<case id>` of a service holds of these facts, a second apart."""
    return [
        {
            "shard": shard_of(CASE),
            "sequence": place + 1,
            "hash": f"{place + 1:064x}",
            "event": orjson.loads(encode(envelope(fact, place + 1, start + timedelta(seconds=place)))),
        }
        for place, fact in enumerate(facts)
        if service_of(fact) == service
    ]


STATISTICS: dict[str, Any] = {
    "total": 1234,
    "open": 40,
    "overdue": 5,
    "supervised": 3,
    "by_stage": {
        "verifying": 2,
        "to_dispatch": 3,
        "handling": 28,
        "suspended": 2,
        "checking": 5,
        "closed": 1188,
        "withdrawn": 2,
        "declined": 4,
    },
    "by_unit": [
        {"unit": WATER, "open": 30, "overdue": 4, "done": 900},
        {"unit": STREET, "open": 10, "overdue": 1, "done": 290},
    ],
    "by_level": {"department": 30},
    "today": {"opened": 12, "closed": 9},
}


LATELY: dict[str, Any] = {
    "hours": {
        "unit": {
            WATER: {"received": 0, "dispatched": 31, "overdue": 4, "closed": 22, "rated": 18},
            STREET: {"received": 0, "dispatched": 5, "overdue": 0, "closed": 1200, "rated": 0},
        },
        "category": {},
    },
    "open": {"units": {WATER: 30, HOUSING: 2}, "categories": {}},
    "surges": [
        {
            "kind": "place",
            "key": f"{COMMUNITY} 湖畔社区",
            "shown": "湖畔社区",
            "region": COMMUNITY,
            "since": (NOW - timedelta(hours=3)).isoformat(),
            "usual_per_day": 0.02,
            "count": 7,
            "cases": [
                {"case_id": str(CASE), "number": NUMBER},
                {"case_id": str(OTHER), "number": None},
            ],
        }
    ],
}
"""What the live statistics answer."""


def case_document(stage: Stage = Stage.CLOSED, **changes: Any) -> dict[str, Any]:
    return {
        "case_id": str(CASE),
        "number": NUMBER,
        "stage": stage.value,
        "matter": matter(**changes).model_dump(mode="json"),
    }


def part(unit: str = WATER, part: str = "signed_in", role: Role = Role.LEAD, **values: Any) -> dict[str, Any]:
    """One unit's part, as the router's document has it."""
    return {"assignment_id": str(uuid4()), "unit": unit, "role": role.value, "round": 1, "part": part} | values


class Upstream:
    """The four services: `answers` maps `service path` to a document, a status, or a function of the request."""

    def __init__(self, facts: list[f.Fact] | None = None) -> None:
        self.asked: list[httpx.Request] = []
        self.answers: dict[str, Any] = {
            "router /statistics": STATISTICS,
            f"router /cases/{NUMBER}": case_document(),
            "live /live": {"hours": {}, "open": {}, "surges": []},
            "sla /deadlines/summary": {"obligations": {"handle": {"armed": 7, "overdue": 2}}},
            f"sla /cases/{CASE}/deadlines": {"case_id": str(CASE), "deadlines": []},
        }
        for service in TOPIC_OF:
            self.answers[f"{service} /health/live"] = {"status": "ok"}
            rows = log_rows(EXAMPLES if facts is None else facts, service)
            self.answers[f"{service} /log/{CASE}"] = {"service": service, "events": rows}

    def stop(self, service: str) -> None:
        for known in [known for known in self.answers if known.startswith(service)]:
            self.answers[known] = httpx.ConnectError("refused")

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        found = self.answers.get(f"{request.url.host} {request.url.raw_path.decode()}", 404)
        if isinstance(found, Exception):
            raise found
        if isinstance(found, int):
            return httpx.Response(found, json={})
        return httpx.Response(200, content=orjson.dumps(found))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def settings(folder: Path, **changes: Any) -> WorkbenchSettings:
    """Settings for a set-up folder with the small district in it."""
    units = [unit.model_dump(mode="json", exclude={"capabilities"}) for unit in tree()]
    (folder / "units.yaml").write_text(orjson.dumps({"version": "1", "units": units}).decode(), encoding="utf-8")
    urls = {f"{service}_url": f"http://{service}" for service in (*TOPIC_OF, "live")}
    values: dict[str, Any] = {"setup": folder, "signing_key": KEY} | urls | changes
    return WorkbenchSettings(**values)


def workbench(
    folder: Path, upstream: Upstream, now: Callable[[], datetime] = lambda: NOW, **changes: Any
) -> tuple[Workbench, FastAPI]:
    parts = assemble(settings(folder, **changes), None, upstream.transport(), now)
    return parts, build_app(parts)


def browser(app: FastAPI, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://workbench", headers=dict(headers or {})
    )
