"""办件规程: who may do what to a case, when, how often and with whose approval. Data, with a version.

A procedure is one row of `procedures.yaml`; an action has one or more, and what is asked for is allowed by the
first row of which every part holds. What no row allows is refused with the reason of the row that came closest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.router.domain.case import Assignment, Case
from shared.contracts import facts as f
from shared.contracts.lifecycle import AT_WORK, STAGES, TRANSITIONS
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind, Obligation, Source, Stage, Urgency
from shared.runtime.decision import Refusal


class Who(StrEnum):
    """What somebody is to a case."""

    HUB = "hub"  # 区级治理中心
    SUPERVISOR = "supervisor"  # 承办单位的上级
    LEAD = "lead"  # 牵头单位
    HANDLER = "handler"  # 承办单位（牵头或协办）
    WHISTLE_BLOWER = "whistle_blower"  # 吹哨单位
    HOTLINE = "hotline"  # 12345（本热线的工单）

    @property
    def chinese(self) -> str:
        return _WHO[self]


_WHO = {
    Who.HUB: "区级治理中心",
    Who.SUPERVISOR: "承办单位的上级",
    Who.LEAD: "牵头单位",
    Who.HANDLER: "承办单位",
    Who.WHISTLE_BLOWER: "吹哨单位",
    Who.HOTLINE: "12345 热线",
}


class Action(StrEnum):
    """What people do to a case beside signing in, reporting progress and finishing."""

    DISPATCH = "dispatch"  # 派单、会商指定
    REFUSE = "refuse"  # 退单
    RULE_ON_REFUSAL = "rule_on_refusal"  # 退单审核
    EXTEND = "extend"  # 延期
    SUSPEND = "suspend"  # 挂账
    RULE_ON_REQUEST = "rule_on_request"  # 延期、挂账审批
    RESUME = "resume"  # 恢复办理
    TRANSFER = "transfer"  # 转办
    JOIN = "join"  # 增加协办
    RELEASE = "release"  # 解除协办
    CHANGE_LEAD = "change_lead"  # 变更牵头
    LIST = "list"  # 列入三单
    SUPERVISE = "supervise"  # 督办
    END_SUPERVISION = "end_supervision"  # 解除督办
    RAISE = "raise"  # 提高紧急程度
    LOWER = "lower"  # 降低紧急程度
    CORRECT = "correct"  # 更正
    COMMENT = "comment"  # 备注
    WITHDRAW = "withdraw"  # 撤单
    MERGE = "merge"  # 并案
    UNMERGE = "unmerge"  # 撤销并案
    REWORK = "rework"  # 责令重办

    @property
    def chinese(self) -> str:
        return _ACTIONS[self]


_ACTIONS = {
    Action.DISPATCH: "派单",
    Action.REFUSE: "退单",
    Action.RULE_ON_REFUSAL: "审核退单",
    Action.EXTEND: "延期",
    Action.SUSPEND: "挂账",
    Action.RULE_ON_REQUEST: "审批延期挂账",
    Action.RESUME: "恢复办理",
    Action.TRANSFER: "转办",
    Action.JOIN: "增加协办单位",
    Action.RELEASE: "解除协办单位",
    Action.CHANGE_LEAD: "变更牵头单位",
    Action.LIST: "列入三单",
    Action.SUPERVISE: "督办",
    Action.END_SUPERVISION: "解除督办",
    Action.RAISE: "提高紧急程度",
    Action.LOWER: "降低紧急程度",
    Action.CORRECT: "更正事项",
    Action.COMMENT: "备注",
    Action.WITHDRAW: "撤单",
    Action.MERGE: "并案",
    Action.UNMERGE: "撤销并案",
    Action.REWORK: "责令重办",
}


_UNDER_WAY = (Stage.REFUSAL_REVIEW, Stage.CONSULTATION, Stage.HANDLING, Stage.EXTENSION_REVIEW)
_OPEN = tuple(stage for stage, row in STAGES.items() if row.waits)

POSSIBLE_IN: dict[Action, tuple[Stage, ...]] = {
    Action.DISPATCH: (Stage.TO_DISPATCH, Stage.CONSULTATION),
    Action.REFUSE: AT_WORK,
    Action.RULE_ON_REFUSAL: (Stage.REFUSAL_REVIEW,),
    Action.EXTEND: _UNDER_WAY,
    Action.SUSPEND: (Stage.HANDLING, Stage.EXTENSION_REVIEW),
    Action.RULE_ON_REQUEST: (Stage.EXTENSION_REVIEW,),
    Action.RESUME: (Stage.SUSPENDED,),
    Action.TRANSFER: AT_WORK,
    Action.JOIN: AT_WORK,
    Action.RELEASE: AT_WORK,
    Action.CHANGE_LEAD: AT_WORK,
    Action.LIST: AT_WORK,
    Action.SUPERVISE: AT_WORK,
    Action.END_SUPERVISION: _OPEN,
    Action.RAISE: _OPEN,
    Action.LOWER: _OPEN,
    Action.CORRECT: _OPEN,
    Action.COMMENT: tuple(Stage),
    Action.WITHDRAW: tuple(TRANSITIONS[f.CaseWithdrawn]),
    Action.MERGE: tuple(TRANSITIONS[f.CaseMerged]),
    Action.UNMERGE: (Stage.MERGED,),
    Action.REWORK: (Stage.CLOSED,),
}
"""In which stages each is possible at all, by the lifecycle. A procedure can only allow less."""

LIMITS: dict[str, tuple[Action, ...]] = {
    "times": (Action.REFUSE, Action.EXTEND, Action.SUSPEND),
    "unless_missed": (Action.REFUSE, Action.EXTEND, Action.SUSPEND),
    "share": (Action.EXTEND,),
    "days": (Action.SUSPEND, Action.LIST),
    "approval": (Action.EXTEND, Action.SUSPEND),
}
"""What can be limited of which actions; of others it would have no effect."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Procedure(_Entry):
    """One way in which an action is allowed. What is left out, is limited by the lifecycle alone.

    `times` counts what was granted before: per unit for an extension and a refusal, per case for a suspension.
    """

    who: Annotated[tuple[Who, ...], Field(min_length=1)]
    stages: tuple[Stage, ...] = ()
    urgency: tuple[Urgency, ...] = ()
    times: Annotated[int, Field(ge=1)] | None = None
    unless_missed: Obligation | None = Field(default=None, description="not once this limit has passed")
    share: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="an extension: at most this part of the limit first granted"
    )
    days: Annotated[int, Field(ge=1, le=3660)] | None = Field(
        default=None, description="a suspension or review date: at most so many days ahead"
    )
    approval: Literal[Who.HUB, Who.SUPERVISOR] | None = Field(
        default=None, description="who has to approve; none = it holds at once"
    )
    basis: Annotated[str, Field(max_length=300)] = ""


class Procedures(_Entry):
    """All of it, as `procedures.yaml` says it. Every action is in it; one nobody may take has an empty list."""

    version: Annotated[str, Field(min_length=1, max_length=64)]
    consultation_after: Annotated[int, Field(ge=1)] = 2
    """The refusal of a case from which on there is a consultation."""
    supervise_at_rung: Annotated[int, Field(ge=1)] | None = 2
    """The rung of the escalation ladder that puts the unit under supervision; none = only people do."""
    procedures: dict[Action, tuple[Procedure, ...]]

    @model_validator(mode="after")
    def _complete(self) -> "Procedures":
        missing = [action.value for action in Action if action not in self.procedures]
        if missing:
            raise ValueError(f"procedures: nothing is said of {', '.join(missing)}; give each a list, [] = nobody may")
        return self

    @model_validator(mode="after")
    def _possible(self) -> "Procedures":
        faults = [fault for action, rows in self.procedures.items() for row in rows for fault in _faults(action, row)]
        if faults:
            zh, en = zip(*faults, strict=True)
            raise PydanticCustomError("procedure_impossible", "{en}", {"zh": "；".join(zh), "en": "; ".join(en)})
        return self


def _faults(action: Action, row: Procedure) -> Iterator[tuple[str, str]]:
    """What a row asks for that cannot be, in both languages."""
    stages = [stage for stage in row.stages if stage not in POSSIBLE_IN[action]]
    if stages:
        where, possible = ", ".join(stages), ", ".join(POSSIBLE_IN[action])
        yield (
            f"procedures.{action}：在 {where} 阶段不可能{action.chinese}；请从 {possible} 中选择",
            f"procedures.{action}: not possible in {where}; choose from {possible}",
        )
    idle = ", ".join(name for name, actions in LIMITS.items() if action not in actions and getattr(row, name))
    if idle:
        yield (
            f"procedures.{action}：{idle} 对{action.chinese}不起作用；请删除",
            f"procedures.{action}: {idle} has no effect on it; leave it out",
        )


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants to do something to a case, and what they are to it."""

    actor: f.Actor
    is_: frozenset[Who]


@dataclass(frozen=True, slots=True)
class Permit:
    """What is asked for is allowed, by this procedure."""

    action: Action
    procedure: Procedure
    version: str

    def why(self, reason: str, basis: str = "") -> f.Reason:
        """The reason somebody gave, with the procedure that allowed it and what it rests on."""
        return f.Reason(
            zh=reason,
            en=reason,
            rule=f"procedure:{self.action}",
            version=self.version,
            basis=basis or self.procedure.basis,
        )


def asker(actor: f.Actor, case: Case, tree: UnitTree, about: Assignment | None = None) -> Asker:
    """Who somebody is to a case. `about` is the assignment it is about; without, any of the case's.

    Staff of a unit that is gone speak for whoever took over, too.
    """
    is_: set[Who] = set()
    if actor.kind is ActorKind.HOTLINE and case.matter.source is Source.HOTLINE_12345:
        is_.add(Who.HOTLINE)
    if actor.kind is ActorKind.STAFF and actor.unit is not None:
        heir = tree.present(actor.unit, case.matter.region, case.matter.category)
        for unit in {actor.unit, heir or actor.unit}:
            is_.update(_of_unit(unit, case, tree, [about] if about is not None else case.present))
    return Asker(actor, frozenset(is_))


def _of_unit(unit: str, case: Case, tree: UnitTree, parts: Sequence[Assignment]) -> Iterator[Who]:
    own = [one for one in parts if tree.may_act_for(one.unit, unit)]
    above = [
        one
        for one in parts
        if one.unit != unit and (tree.is_within(one.unit, unit) or tree.supervisor(one.unit).code == unit)
    ]
    found = {
        Who.HUB: unit == tree.hub.code,
        Who.WHISTLE_BLOWER: unit == case.matter.whistle_blower,
        Who.HANDLER: bool(own),
        Who.LEAD: case.lead in own,
        Who.SUPERVISOR: bool(above),
    }
    return (who for who, is_so in found.items() if is_so)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for, as far as procedures limit it."""

    assignment: Assignment | None = None
    used: int = 0
    """How often it was granted before."""
    share: float | None = None
    until: datetime | None = None
    field: str = "until"
    """The name under which `until` was asked for."""


def permit(
    action: Action, case: Case, who: Asker, procedures: Procedures, now: datetime, ask: Ask | None = None
) -> Permit | Refusal:
    """The procedure that allows it, or why none does."""
    rows = procedures.procedures[action]
    question = _Question(action, rows, case, who, ask or Ask(), now)
    closest: tuple[int, Refusal] = (-1, _nobody_may(action))
    for row in rows:
        no = question.first_no(row)
        if no is None:
            return Permit(action, row, procedures.version)
        closest = max(closest, no, key=lambda one: one[0])
    return closest[1]


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked for, held against one procedure after the other."""

    action: Action
    rows: Sequence[Procedure]
    case: Case
    asker: Asker
    ask: Ask
    now: datetime

    def first_no(self, row: Procedure) -> tuple[int, Refusal] | None:
        """How far it came, and why no further; None where everything holds. In the order of what helps most."""
        checks = (self._who, self._stage, self._urgency, self._missed, self._times, self._share, self._date)
        return next(((far, no) for far, check in enumerate(checks) if (no := check(row)) is not None), None)

    def _who(self, row: Procedure) -> Refusal | None:
        if not self.asker.is_.isdisjoint(row.who):
            return None
        allowed = list(dict.fromkeys(one for each in self.rows for one in each.who))
        return Refusal(
            "not_yours_to_do",
            zh=f"只有{'、'.join(one.chinese for one in allowed)}可以{self.action.chinese}。",
            en=f"Only {', '.join(allowed)} may do this ({self.action}).",
            field="unit",
            status=403,
        )

    def _stage(self, row: Procedure) -> Refusal | None:
        stages = row.stages or POSSIBLE_IN[self.action]
        return None if self.case.stage in stages else not_at_this_stage(self.case, stages, self.action)

    def _urgency(self, row: Procedure) -> Refusal | None:
        urgency = self.case.matter.urgency
        if not row.urgency or urgency in row.urgency:
            return None
        return Refusal(
            "urgency_excludes_it",
            zh=f"“{_URGENCY[urgency]}”哨单不得{self.action.chinese}；请在时限内办结，确有困难的请报区级治理中心。",
            en=f"A case of urgency {urgency} allows no {self.action}; finish it in time, or turn to the hub.",
        )

    def _missed(self, row: Procedure) -> Refusal | None:
        limit, assignment = row.unless_missed, self.ask.assignment
        if limit is None or assignment is None or not self.case.has_missed(limit, assignment):
            return None
        return Refusal(
            "limit_has_passed",
            zh=f"“{_OBLIGATION.get(limit, limit.value)}”时限已过，不能再{self.action.chinese}；请继续办理。",
            en=f"The limit of {limit} has passed, so {self.action} is no longer possible; carry on with the case.",
        )

    def _times(self, row: Procedure) -> Refusal | None:
        if row.times is None or self.ask.used < row.times:
            return None
        return Refusal(
            "times_used_up",
            zh=f"最多{self.action.chinese} {row.times} 次，已用 {self.ask.used} 次。",
            en=f"At most {row.times} times ({self.action}); {self.ask.used} used.",
        )

    def _share(self, row: Procedure) -> Refusal | None:
        if row.share is None or self.ask.share is None or self.ask.share <= row.share:
            return None
        return Refusal(
            "asks_too_much",
            zh=f"最长为原时限的 {row.share:.0%}，申请了 {self.ask.share:.0%}；请减少。",
            en=f"At most {row.share:.0%} of the limit first granted, not {self.ask.share:.0%}; ask for less.",
            field="share",
            status=422,
        )

    def _date(self, row: Procedure) -> Refusal | None:
        until = self.ask.until
        if until is None:
            return None
        if until <= self.now:
            return Refusal(
                "date_has_passed",
                zh=f"复核日期 {until.isoformat()} 已过；请填写将来的日期。",
                en=f"The date {until.isoformat()} has passed; give one that lies ahead.",
                field=self.ask.field,
                status=422,
            )
        if row.days is None or until <= self.now + timedelta(days=row.days):
            return None
        return Refusal(
            "asks_too_much",
            zh=f"{self.action.chinese}最长 {row.days} 天；请填写更早的日期。",
            en=f"At most {row.days} days ahead ({self.action}); give an earlier date.",
            field=self.ask.field,
            status=422,
        )


_URGENCY = {
    Urgency.CRITICAL: "特急",
    Urgency.URGENT: "紧急",
    Urgency.NORMAL: "一般",
    Urgency.COMPLEX: "复杂",
}
_OBLIGATION = {Obligation.SIGN_IN: "签收", Obligation.HANDLE: "办结", Obligation.FIRST_CONTACT: "首次联系"}


def not_at_this_stage(case: Case, stages: Sequence[Stage], action: Action) -> Refusal:
    """The case does not stand where this can be done."""
    names = "、".join(f"“{STAGES[stage].chinese}”" for stage in stages)
    return Refusal(
        "not_at_this_stage",
        zh=f"哨单 {case.number} 当前为“{STAGES[case.stage].chinese}”；只有{names}的哨单可以{action.chinese}。",
        en=f"Case {case.number} stands in {case.stage}; this ({action}) is possible in {', '.join(stages)} only.",
    )


def _nobody_may(action: Action) -> Refusal:
    return Refusal(
        "nobody_may",
        zh=f"本区规程不允许{action.chinese}。",
        en=f"This district's procedures allow no {action}.",
        status=403,
    )
