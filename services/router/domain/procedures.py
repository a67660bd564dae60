"""办件规程: who may do what to a case, when, how often and with whose approval. Data, with a version.

A procedure is one row of `procedures.yaml`; an action has one or more, and what is asked for is allowed by the
first row of which every part holds. What no row allows is refused with the reason of the row that came closest.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from shared.contracts import facts as f
from shared.contracts.lifecycle import AT_WORK, STAGES, TRANSITIONS
from shared.contracts.vocabulary import Obligation, Stage, Urgency


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


MOST_DAYS = 3660
"""No date lies further ahead, whatever the procedures say."""


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
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = Field(
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
    supervise_at_rung: Annotated[int, Field(ge=1)] | None = None
    """From this rung of the ladder on a unit is supervised, whatever the policy says: older versions have it.
    Now each rung of the policy says what it changes."""
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
