"""The lifecycle of a case as one table. Guards, the diagram in `docs/reference/lifecycle.md` and the check that
no case can get stuck are made from it.

Each stage belongs to a stage of GB/T 30428. A stage that *waits* owns at least one obligation, so a
deadline always runs in it; a stage that does not wait is left in the same decision that entered it.
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

    @property
    def waits(self) -> bool:
        return bool(self.obligations)


STAGES: dict[S, StageRow] = {
    S.RECEIVED: StageRow("已接收", "信息收集"),
    S.VERIFYING: StageRow("待核实", "信息收集", (O.ACCEPT,)),
    S.DECLINED: StageRow("不予受理", "信息收集", final=True),
    S.TO_DISPATCH: StageRow("待派单", "案卷建立", (O.DISPATCH,)),
    S.DISPATCHED: StageRow("已派单", "任务派遣", (O.SIGN_IN, O.FIRST_CONTACT, O.HANDLE)),
    S.REFUSAL_REVIEW: StageRow("退单审核", "任务派遣", (O.RULE_ON_REFUSAL, O.FIRST_CONTACT, O.HANDLE)),
    S.CONSULTATION: StageRow("会商", "任务派遣", (O.DESIGNATE, O.FIRST_CONTACT, O.HANDLE)),
    S.HANDLING: StageRow("办理中", "任务处理", (O.FIRST_CONTACT, O.HANDLE)),
    S.HANDLED: StageRow("已办结", "处理反馈"),
    S.CHECKING: StageRow("待核查", "核查结案", (O.CHECK, O.RATE)),
    S.RATING: StageRow("待评价", "核查结案", (O.RATE,)),
    S.REWORK: StageRow("返工", "核查结案", (O.SIGN_IN, O.FIRST_CONTACT, O.HANDLE)),
    S.CLOSED: StageRow("结案", "综合评价", (O.ARCHIVE,)),
    S.ARCHIVED: StageRow("归档", "综合评价", final=True),
}

TRANSITIONS: dict[type[f.CaseFact], dict[S, tuple[S, ...]]] = {
    # fact                   stage before → stages it may leave the case in
    f.CaseAccepted: {S.RECEIVED: (S.TO_DISPATCH,), S.VERIFYING: (S.TO_DISPATCH,)},
    f.CaseDeclined: {S.RECEIVED: (S.DECLINED,), S.VERIFYING: (S.DECLINED,)},
    f.CaseSentToDesk: {S.TO_DISPATCH: (S.TO_DISPATCH,)},
    f.CaseDispatched: {
        S.TO_DISPATCH: (S.DISPATCHED,),
        S.REFUSAL_REVIEW: (S.DISPATCHED,),
        S.CONSULTATION: (S.DISPATCHED,),
    },
    f.CaseSignedIn: {
        S.DISPATCHED: (S.DISPATCHED, S.HANDLING),
        S.HANDLING: (S.HANDLING,),
        S.REWORK: (S.REWORK, S.HANDLING),
    },
    f.CaseRefused: {S.DISPATCHED: (S.REFUSAL_REVIEW, S.CONSULTATION)},
    f.CaseRefusalRuled: {
        S.REFUSAL_REVIEW: (S.REFUSAL_REVIEW, S.DISPATCHED),
        S.CONSULTATION: (S.CONSULTATION, S.DISPATCHED),
    },
    f.CaseProgressed: {S.HANDLING: (S.HANDLING,)},
    f.CaseUnitDone: {S.HANDLING: (S.HANDLING, S.HANDLED)},
    f.CaseHandled: {S.HANDLED: (S.CHECKING,)},
    f.CaseChecked: {S.CHECKING: (S.RATING, S.CHECKING)},
    f.CaseReworkOrdered: {S.CHECKING: (S.REWORK,), S.RATING: (S.REWORK,), S.CLOSED: (S.REWORK,)},
    f.CaseClosed: {S.RATING: (S.CLOSED,)},
    f.CaseArchived: {S.CLOSED: (S.ARCHIVED,)},
}
"""`CaseOpened` begins a case in `received` or `verifying`; `CaseOverdue` and `CaseEscalated` are recorded
in any stage and change none."""

OPENING: tuple[S, ...] = (S.RECEIVED, S.VERIFYING)
RECORDED_ANYWHERE: tuple[type[f.CaseFact], ...] = (f.CaseOverdue, f.CaseEscalated)


def allowed(before: S | None, fact: f.CaseFact) -> bool:
    """Whether this fact may follow in a case that stands in `before` (None = no case yet)."""
    if isinstance(fact, f.CaseOpened):
        return before is None and fact.stage in OPENING
    if isinstance(fact, RECORDED_ANYWHERE):
        return fact.stage is before
    return before is not None and fact.stage in TRANSITIONS.get(type(fact), {}).get(before, ())
