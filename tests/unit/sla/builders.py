"""Short ways to write down times, facts and a case's story for the clock's tests."""

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from uuid import UUID, uuid5

from services.sla.domain.account import Account, account
from services.sla.domain.calendar import SHANGHAI
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.domain.deadline import Deadline
from services.sla.domain.policy import Policies
from services.sla.domain.policy_file import read_policy
from services.sla.domain.rules import Rules
from services.sla.main import handlers_by
from shared.contracts import facts as f
from shared.contracts.units import Unit, build_tree
from shared.contracts.vocabulary import (
    ActorKind,
    AppealType,
    CaseList,
    DeclineReason,
    DispatchCause,
    Ledger,
    Level,
    Obligation,
    RequestKind,
    ResumeCause,
    ReworkCause,
    Role,
    Source,
    Stage,
    UnitKind,
    Urgency,
)
from shared.runtime.decision import FromTimer, Input
from tests.unit.sla.shipped_calendar import CALENDARS

HUB, STREET, COMMUNITY, WATER, POWER = "hub", "street", "community", "util-water", "util-power"
POLICY = Path("deploy/district/policy.yaml")
NAMESPACE = UUID(int=1)
CASE = UUID(int=12)
_REASON = f.Reason(zh="规则", en="a rule")
_BASE = {"number": "C-1", "source": Source.COMMUNITY, "actor": f.Actor(kind=ActorKind.RULE)}


def local(written: str) -> datetime:
    """`2026-09-18 16:00`, by the clock on the wall in Shanghai."""
    return datetime.fromisoformat(written).replace(tzinfo=SHANGHAI)


def wall(at: datetime | None) -> str:
    """The other way round; seconds only where there are any."""
    if at is None:
        return ""
    shown = at.astimezone(SHANGHAI).replace(tzinfo=None)
    return shown.isoformat(" ", "seconds" if shown.second else "minutes")


@lru_cache
def rules(file: Path = POLICY) -> Rules:
    units = [
        Unit(code=HUB, name="区级治理中心", kind=UnitKind.HUB),
        Unit(code=STREET, name="东湖街道", kind=UnitKind.STREET, parent=HUB),
        Unit(code=COMMUNITY, name="湖畔社区", kind=UnitKind.COMMUNITY, parent=STREET),
        Unit(code=WATER, name="供水公司", kind=UnitKind.UTILITY, parent=HUB),
        Unit(code=POWER, name="供电公司", kind=UnitKind.UTILITY, parent=HUB),
    ]
    policy = read_policy(file.read_text(encoding="utf-8"), str(file))
    return Rules(Policies(policy), build_tree(units, "1"), CALENDARS)


def matter(urgency: Urgency = Urgency.NORMAL) -> f.Matter:
    return f.Matter(
        number="C-1",
        source=Source.COMMUNITY,
        appeal_type=AppealType.HELP,
        urgency=urgency,
        title="井盖缺失",
        content="小区门口井盖缺失",
        region=COMMUNITY,
        whistle_blower=COMMUNITY,
        received_at=local("2026-09-18 15:00"),
    )


def assigned(*units: str, turn: int = 1, kept: Collection[str] = ()) -> tuple[f.AssignmentMade, ...]:
    """The first leads; `kept` had their parts before."""
    return tuple(
        f.AssignmentMade(
            assignment_id=uuid5(NAMESPACE, f"{unit} {turn}"),
            unit=unit,
            role=Role.LEAD if number == 0 else Role.CO_HANDLER,
            round=turn,
            begun=unit not in kept,
        )
        for number, unit in enumerate(units)
    )


def opened(stage: Stage = Stage.VERIFYING, urgency: Urgency = Urgency.NORMAL) -> f.CaseOpened:
    return f.CaseOpened(stage=stage, matter=matter(urgency), **_BASE)


def accepted(urgency: Urgency = Urgency.NORMAL) -> f.CaseAccepted:
    return f.CaseAccepted(stage=Stage.TO_DISPATCH, urgency=urgency, **_BASE)


def declined() -> f.CaseDeclined:
    return f.CaseDeclined(stage=Stage.DECLINED, reason=DeclineReason.UNTRUE, explanation="不属实", **_BASE)


def sent_to_desk(desk: str = HUB) -> f.CaseSentToDesk:
    return f.CaseSentToDesk(stage=Stage.TO_DISPATCH, desk=desk, reason=_REASON, **_BASE)


def dispatched(
    *units: str,
    kept: Collection[str] = (),
    cause: DispatchCause | None = None,
    stage: Stage = Stage.DISPATCHED,
    turn: int = 1,
) -> f.CaseDispatched:
    return f.CaseDispatched(
        stage=stage,
        level=Level.DEPARTMENT,
        matter=matter(),
        assignments=assigned(*units, turn=turn, kept=kept),
        cause=cause,
        ledger=Ledger.FIXED_DEADLINE,
        reason=_REASON,
        **_BASE,
    )


def _about(unit: str, turn: int = 1) -> dict[str, object]:
    return {"unit": unit, "assignment_id": uuid5(NAMESPACE, f"{unit} {turn}")}


def signed_in(unit: str, stage: Stage = Stage.HANDLING) -> f.CaseSignedIn:
    return f.CaseSignedIn(stage=stage, **_about(unit), **_BASE)


def refused(unit: str, stage: Stage = Stage.REFUSAL_REVIEW) -> f.CaseRefused:
    return f.CaseRefused(stage=stage, reason="非我单位职责", basis="三定方案", count=1, **_about(unit), **_BASE)


def ruled(unit: str, upheld: bool, stage: Stage) -> f.CaseRefusalRuled:
    return f.CaseRefusalRuled(stage=stage, upheld=upheld, reason="裁定", **_about(unit), **_BASE)


def progressed(unit: str, contacted: bool = True, stage: Stage = Stage.HANDLING) -> f.CaseProgressed:
    return f.CaseProgressed(stage=stage, note="已联系", contacted=contacted, **_about(unit), **_BASE)


def unit_done(unit: str, stage: Stage = Stage.HANDLED) -> f.CaseUnitDone:
    return f.CaseUnitDone(stage=stage, result="已修复", **_about(unit), **_BASE)


def handled(*units: str, turn: int = 1) -> f.CaseHandled:
    return f.CaseHandled(
        stage=Stage.CHECKING, units=units, round=turn, resident_to_ask=False, whistle_blower=COMMUNITY, **_BASE
    )


def checked(passed: bool = True) -> f.CaseChecked:
    return f.CaseChecked(stage=Stage.RATING if passed else Stage.CHECKING, passed=passed, **_BASE)


def rework(*units: str, cause: ReworkCause = ReworkCause.CHECK_FAILED, turn: int = 2) -> f.CaseReworkOrdered:
    return f.CaseReworkOrdered(
        stage=Stage.REWORK,
        cause=cause,
        matter=matter(),
        assignments=assigned(*units, turn=turn),
        round=turn,
        **_BASE,
    )


def closed() -> f.CaseClosed:
    return f.CaseClosed(
        stage=Stage.CLOSED,
        answer="已修复",
        ledger=Ledger.FIXED_DEADLINE,
        reason=_REASON,
        assignments=(),
        **_BASE,
    )


def archived() -> f.CaseArchived:
    return f.CaseArchived(stage=Stage.ARCHIVED, **_BASE)


def asked(
    unit: str,
    kind: RequestKind = RequestKind.EXTENSION,
    stage: Stage = Stage.EXTENSION_REVIEW,
    approver: str = HUB,
) -> f.CaseRequested:
    return f.CaseRequested(stage=stage, kind=kind, reason="等待审批", approver=approver, **_about(unit), **_BASE)


def extended(unit: str, share: float = 1, stage: Stage = Stage.HANDLING) -> f.CaseRequestRuled:
    return f.CaseRequestRuled(
        stage=stage,
        kind=RequestKind.EXTENSION,
        approved=True,
        reason="同意",
        share=share,
        **_about(unit),
        **_BASE,
    )


def suspended(unit: str, until: datetime, *units: str) -> f.CaseRequestRuled:
    return f.CaseRequestRuled(
        stage=Stage.SUSPENDED,
        kind=RequestKind.SUSPENSION,
        approved=True,
        reason="同意",
        until=until,
        assignments=assigned(*(units or (unit,)), kept=units or (unit,)),
        **_about(unit),
        **_BASE,
    )


def turned_down(unit: str, kind: RequestKind = RequestKind.EXTENSION) -> f.CaseRequestRuled:
    return f.CaseRequestRuled(stage=Stage.HANDLING, kind=kind, approved=False, reason="不同意", **_about(unit), **_BASE)


def resumed(stage: Stage = Stage.HANDLING, cause: ResumeCause = ResumeCause.ORDERED) -> f.CaseResumed:
    return f.CaseResumed(stage=stage, cause=cause, reason="恢复办理", **_BASE)


def planned(*dates: datetime, lead: str = WATER, stage: Stage = Stage.HANDLING) -> f.CaseListed:
    """On the phased list: a milestone on each of these dates."""
    return f.CaseListed(
        stage=stage,
        case_list=CaseList.PHASED,
        ledger=Ledger.FIXED_DEADLINE,
        reason="分步实施",
        milestones=tuple(
            f.Milestone(number=number, title=f"第 {number} 步", due_at=date) for number, date in enumerate(dates, 1)
        ),
        assignments=assigned(lead, kept=(lead,)),
        **_BASE,
    )


def understood(until: datetime, lead: str = WATER) -> f.CaseListed:
    """On the understanding list: it waits for its review date."""
    return f.CaseListed(
        stage=Stage.SUSPENDED,
        case_list=CaseList.UNDERSTANDING,
        ledger=Ledger.FIXED_DEADLINE,
        reason="暂不具备条件",
        explanation="管网改造列入明年计划",
        review_at=until,
        assignments=assigned(lead, kept=(lead,)),
        **_BASE,
    )


def step_reached(number: int, unit: str = WATER, stage: Stage = Stage.HANDLING) -> f.CaseMilestoneReached:
    return f.CaseMilestoneReached(stage=stage, milestone=number, note="已完成", **_about(unit), **_BASE)


def reprioritised(before: Urgency, urgency: Urgency, stage: Stage = Stage.HANDLING) -> f.CaseReprioritised:
    return f.CaseReprioritised(stage=stage, before=before, urgency=urgency, reason="调整", **_BASE)


def withdrawn() -> f.CaseWithdrawn:
    return f.CaseWithdrawn(stage=Stage.WITHDRAWN, reason="居民撤诉", **_BASE)


def merged() -> f.CaseMerged:
    return f.CaseMerged(stage=Stage.MERGED, into=UUID(int=99), into_number="C-99", reason="同一事项", **_BASE)


def unmerged() -> f.CaseUnmerged:
    return f.CaseUnmerged(stage=Stage.TO_DISPATCH, reason="并非同一事项", **_BASE)


def answered(turn: int = 1) -> f.CaseAnswered:
    return f.CaseAnswered(
        stage=Stage.RATING,
        answer="已修复",
        ledger=Ledger.FIXED_DEADLINE,
        into=UUID(int=99),
        units=(POWER,),
        round=turn,
        resident_to_ask=False,
        whistle_blower=COMMUNITY,
        **_BASE,
    )


def handed_over(before: str, unit: str, stage: Stage = Stage.HANDLING, part: bool = True) -> f.CaseHandedOver:
    """With a part, it goes over; without, the successor is the whistle-blower."""
    part_id = uuid5(NAMESPACE, f"{before} 1") if part else None
    return f.CaseHandedOver(
        stage=stage, before=before, unit=unit, assignment_id=part_id, matter=matter(), reason=_REASON, **_BASE
    )


def commented(stage: Stage) -> f.CaseCommented:
    return f.CaseCommented(stage=stage, text="请尽快", **_BASE)


def corrected(stage: Stage) -> f.CaseCorrected:
    return f.CaseCorrected(stage=stage, matter=matter(), changed=("title",), reason="更正标题", **_BASE)


class Story:
    """One case's clock as its facts come in, through the same map that the service uses."""

    def __init__(self, given: Rules | None = None) -> None:
        self.rules = given or rules()
        self._handlers = handlers_by(lambda: self.rules)
        self.state: ClockState | None = None
        self.stated: list[f.DeadlineStep] = []
        self.set: list[f.DeadlineSet] = []

    def tell(self, at: datetime, *facts: f.CaseFact) -> "Story":
        for fact in facts:
            self._decide(fact, at)
        return self

    def until(self, now: datetime, late: datetime | None = None) -> "Story":
        """Let the timer take every step that is due by `now`, each at its time or, given `late`, all then."""
        while True:
            due = [one for one in self.deadlines if one.next_at is not None and one.next_at <= now]
            if not due:
                return self
            self.take(min(due, key=lambda one: str(one.next_at)), late)

    def take(self, one: Deadline, at: datetime | None = None) -> "Story":
        assert one.next_at is not None
        found = DeadlineReached(
            unit=one.unit, obligation=one.obligation, generation=one.generation, step=one.next_step, at=one.next_at
        )
        self._decide(found, at or one.next_at)
        return self

    def _decide(self, message: f.CaseFact | DeadlineReached, at: datetime) -> None:
        decision = self._handlers[type(message)](self.state, Input(CASE, message, "id", FromTimer()), at)
        self.state = decision.state or self.state
        self.stated.extend(fact for fact in decision.facts if isinstance(fact, f.DeadlineStep))
        self.set.extend(fact for fact in decision.facts if isinstance(fact, f.DeadlineSet))

    @property
    def deadlines(self) -> tuple[Deadline, ...]:
        return self.state.deadlines if self.state is not None else ()

    def live(self) -> set[tuple[str, str]]:
        return {(one.unit, one.obligation.value) for one in self.deadlines if one.is_live}

    def last(self, obligation: Obligation, unit: str | None = None) -> Deadline:
        """The latest deadline of its kind."""
        return [one for one in self.deadlines if one.obligation is obligation and unit in (None, one.unit)][-1]

    def accounts(self, now: datetime) -> dict[tuple[str, str], Account]:
        """The account of each unit and obligation in the last round in which it had it."""
        return {
            (found.unit, found.obligation.value): found
            for found in sorted(account(self.deadlines, now, self.rules), key=lambda found: found.round)
        }

    def said(self) -> list[str]:
        """What the clock has stated: `sign_in util-water overdue`."""
        return [
            f"{one.obligation} {one.unit} {one.NAME.split('.')[1]}" + (f" {one.rung}" if hasattr(one, "rung") else "")
            for one in self.stated
        ]
