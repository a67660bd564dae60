"""The lifecycle of a case as one table. Guards, the diagram in `docs/reference/lifecycle.md` and the check that
no case can get stuck are made from it.

Each stage belongs to a stage of GB/T 30428. A stage that *waits* owns at least one obligation, so a
deadline always runs in it; a stage that does not wait is left in the same decision that entered it. A merged
case waits for the case it was merged into, on that case's deadlines.
"""

from dataclasses import dataclass

from shared.contracts import facts as f
from shared.contracts.vocabulary import Obligation as O
from shared.contracts.vocabulary import Stage as S


@dataclass(frozen=True, slots=True)
class StageRow:
    """What a stage is: its GB/T 30428 stage and the obligations that run while a case waits in it."""

    chinese: str
    gb_stage: str
    obligations: tuple[O, ...] = ()
    final: bool = False
    follows: bool = False
    """It waits for another case."""

    @property
    def waits(self) -> bool:
        return bool(self.obligations) or self.follows


_EACH_UNIT = (O.SIGN_IN, O.FIRST_CONTACT, O.HANDLE, O.MILESTONE)

STAGES: dict[S, StageRow] = {
    S.RECEIVED: StageRow("已接收", "信息收集"),
    S.VERIFYING: StageRow("待核实", "信息收集", (O.ACCEPT,)),
    S.DECLINED: StageRow("不予受理", "信息收集", final=True),
    S.MERGED: StageRow("已并案", "信息收集", follows=True),
    S.WITHDRAWN: StageRow("已撤单", "信息收集", final=True),
    S.TO_DISPATCH: StageRow("待派单", "案卷建立", (O.DISPATCH,)),
    S.DISPATCHED: StageRow("已派单", "任务派遣", _EACH_UNIT),
    S.REFUSAL_REVIEW: StageRow("退单审核", "任务派遣", (O.RULE_ON_REFUSAL, *_EACH_UNIT)),
    S.CONSULTATION: StageRow("会商", "任务派遣", (O.DESIGNATE, *_EACH_UNIT)),
    S.HANDLING: StageRow("办理中", "任务处理", _EACH_UNIT),
    S.EXTENSION_REVIEW: StageRow("延期、挂账审批", "任务处理", (O.RULE_ON_REQUEST, *_EACH_UNIT)),
    S.SUSPENDED: StageRow("挂账", "任务处理", (O.REVIEW,)),
    S.HANDLED: StageRow("已办结", "处理反馈"),
    S.CHECKING: StageRow("待核查", "核查结案", (O.CHECK, O.RATE)),
    S.RATING: StageRow("待评价", "核查结案", (O.RATE,)),
    S.REWORK: StageRow("返工", "核查结案", _EACH_UNIT),
    S.CLOSED: StageRow("结案", "综合评价", (O.ARCHIVE,)),
    S.ARCHIVED: StageRow("归档", "综合评价", final=True),
}

AT_WORK: tuple[S, ...] = (
    S.DISPATCHED,
    S.REFUSAL_REVIEW,
    S.CONSULTATION,
    S.HANDLING,
    S.EXTENSION_REVIEW,
    S.REWORK,
)
"""Stages in which units have the case. Which of them it is follows from where their parts stand."""

_UNDER_WAY: tuple[S, ...] = (S.REFUSAL_REVIEW, S.CONSULTATION, S.HANDLING, S.EXTENSION_REVIEW)
_REVIEWED = (S.REFUSAL_REVIEW, S.CONSULTATION)
_BEFORE_HANDLED: tuple[S, ...] = (S.TO_DISPATCH, *AT_WORK, S.SUSPENDED)

TRANSITIONS: dict[type[f.CaseFact], dict[S, tuple[S, ...]]] = {
    # fact                   stage before → stages it may leave the case in
    f.CaseAccepted: {S.RECEIVED: (S.TO_DISPATCH,), S.VERIFYING: (S.TO_DISPATCH,)},
    f.CaseDeclined: {S.RECEIVED: (S.DECLINED,), S.VERIFYING: (S.DECLINED,)},
    f.CaseWithdrawn: dict.fromkeys((S.VERIFYING, *_BEFORE_HANDLED), (S.WITHDRAWN,)),
    f.CaseSentToDesk: dict.fromkeys((S.TO_DISPATCH, *AT_WORK), (S.TO_DISPATCH,)),
    f.CaseDispatched: {
        S.TO_DISPATCH: (S.DISPATCHED, S.REWORK),
        S.SUSPENDED: (S.SUSPENDED,),
        **dict.fromkeys(AT_WORK, AT_WORK),
    },
    f.CaseSignedIn: {
        S.DISPATCHED: (S.HANDLING,),
        S.REWORK: (S.HANDLING,),
        **{stage: (stage,) for stage in _UNDER_WAY},
    },
    f.CaseRefused: dict.fromkeys((S.DISPATCHED, *_UNDER_WAY), _REVIEWED),
    f.CaseRefusalRuled: dict.fromkeys(_REVIEWED, (S.DISPATCHED, *_UNDER_WAY)),
    f.CaseProgressed: {stage: (stage,) for stage in _UNDER_WAY},
    f.CaseMilestoneReached: {stage: (stage,) for stage in _UNDER_WAY},
    f.CaseRequested: {
        S.HANDLING: (S.EXTENSION_REVIEW,),
        **{stage: (stage,) for stage in (*_REVIEWED, S.EXTENSION_REVIEW)},
    },
    f.CaseRequestRuled: {
        S.EXTENSION_REVIEW: (S.EXTENSION_REVIEW, S.HANDLING, S.SUSPENDED),
        **{stage: (stage,) for stage in _REVIEWED},
    },
    f.CaseListed: {stage: (stage, S.SUSPENDED) for stage in AT_WORK},
    f.CaseResumed: {S.SUSPENDED: AT_WORK},
    f.CaseUnitDone: dict.fromkeys(_UNDER_WAY, (*_UNDER_WAY, S.HANDLED)),
    f.CaseHandled: {S.HANDLED: (S.CHECKING,)},
    f.CaseChecked: {S.CHECKING: (S.RATING, S.CHECKING)},
    f.CaseReworkOrdered: {S.CHECKING: (S.REWORK,), S.RATING: (S.REWORK,), S.CLOSED: (S.REWORK,)},
    f.CaseMerged: dict.fromkeys(_BEFORE_HANDLED, (S.MERGED,)),
    f.CaseUnmerged: {S.MERGED: (S.TO_DISPATCH,)},
    f.CaseAnswered: {S.MERGED: (S.RATING,)},
    f.CaseClosed: {S.RATING: (S.CLOSED,)},
    f.CaseArchived: {S.CLOSED: (S.ARCHIVED,)},
}
"""`CaseOpened` begins a case in `received` or `verifying`; what is recorded anywhere changes no stage."""

OPENING: tuple[S, ...] = (S.RECEIVED, S.VERIFYING)
RECORDED_ANYWHERE: tuple[type[f.CaseFact], ...] = (
    f.CaseOverdue,
    f.CaseEscalated,
    f.CaseTimed,
    f.CaseSupervised,
    f.CaseSupervisionEnded,
    f.CaseReprioritised,
    f.CaseCorrected,
    f.CaseCommented,
    f.CaseDuplicateFound,
    f.CaseHandedOver,
)


def allowed(before: S | None, fact: f.CaseFact) -> bool:
    """Whether this fact may follow in a case that stands in `before` (None = no case yet)."""
    if isinstance(fact, f.CaseOpened):
        return before is None and fact.stage in OPENING
    if isinstance(fact, RECORDED_ANYWHERE):
        return fact.stage is before
    return before is not None and fact.stage in TRANSITIONS.get(type(fact), {}).get(before, ())
