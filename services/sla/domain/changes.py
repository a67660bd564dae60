"""Everything that became of a case's deadlines, in order: from what the clock has said, and from how each ended. Pure.

A deadline of somebody who has no part in the case (the hub's, the whistle-blower's) is told to nobody: what is known
of it is when it began and ended. So it is with every deadline from before release 0.2.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.sla.domain.deadline import Deadline, State
from shared.contracts import facts as f
from shared.contracts.vocabulary import LimitCause, Obligation


class What(StrEnum):
    GIVEN = "given"  # 开始计时
    WARNED = "warned"  # 黄灯
    OVERDUE = "overdue"  # 红灯
    ESCALATED = "escalated"  # 督办阶梯
    EXTENDED = "extended"  # 延期
    PLANNED = "planned"  # 依阶段计划
    RAISED = "raised"  # 紧急程度提高
    PAUSED = "paused"  # 暂停计时
    RESUMED = "resumed"  # 继续计时
    HANDED_OVER = "handed_over"  # 由继任单位承接
    RECKONED = "reckoned"  # 重算
    MET = "met"  # 已完成
    CANCELLED = "cancelled"  # 已解除


@dataclass(frozen=True, slots=True)
class Said:
    """What the log says, and when it was said."""

    at: datetime
    fact: f.DeadlineFact


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened to a unit's clock. `by` = the type of the fact that did it, or the version applied.

    `due_at` is the due time after it, None while it stands still with `left` of its own time. `granted` is the limit
    as it is written, `basis` the row of the policy or the entry of the catalogue that granted it.
    """

    at: datetime
    what: What
    unit: str
    obligation: Obligation
    round: int
    generation: int
    by: str
    due_at: datetime | None
    granted: str | None = None
    basis: str = ""
    left: timedelta | None = None
    policy_version: str = ""
    calendar_version: str = ""
    rung: int | None = None
    actor: f.Actor | None = None
    note: str = ""


_BY_FACT = {
    f.CaseRequestRuled.NAME: What.EXTENDED,
    f.CaseListed.NAME: What.PLANNED,
    f.CaseReprioritised.NAME: What.RAISED,
    f.CaseHandedOver.NAME: What.HANDED_OVER,
}
_STEPS: dict[type[f.DeadlineFact], What] = {
    f.DeadlineWarned: What.WARNED,
    f.DeadlineOverdue: What.OVERDUE,
    f.DeadlineEscalated: What.ESCALATED,
}


def changes(deadlines: Sequence[Deadline], said: Iterable[Said]) -> list[Change]:
    """All of them, the first one first."""
    found: list[Change] = []
    known: dict[tuple[str, Obligation, int], f.TimeLimit] = {}
    told: set[tuple[str, Obligation, int]] = set()
    bases = {(one.unit, one.obligation, one.generation): one.basis for one in deadlines}
    for one in said:
        if isinstance(one.fact, f.DeadlineSet):
            for limit in one.fact.limits:
                clock = (one.fact.unit, limit.obligation, one.fact.round)
                name = (one.fact.unit, limit.obligation, limit.generation)
                found.append(_set(one.at, one.fact, limit, known.get(clock), bases.get(name, "")))
                known[clock] = limit
                told.add(name)
        elif isinstance(one.fact, f.DeadlineStep):
            found.append(_step(one.fact))
    for deadline in deadlines:
        if (deadline.unit, deadline.obligation, deadline.generation) not in told:
            found.append(_of_row(deadline, deadline.started_at, What.GIVEN))
        if deadline.ended_at is not None and not _goes_on(deadline, deadlines):
            ended = What.MET if deadline.state is State.MET else What.CANCELLED
            found.append(_of_row(deadline, deadline.ended_at, ended))
    return sorted(found, key=lambda change: change.at)


def _goes_on(ended: Deadline, deadlines: Sequence[Deadline]) -> bool:
    """Whether another generation took its place."""
    return any(
        (one.unit, one.obligation, one.round) == (ended.unit, ended.obligation, ended.round)
        and one.generation > ended.generation
        for one in deadlines
        if ended.obligation is not Obligation.MILESTONE
    )


def _set(at: datetime, fact: f.DeadlineSet, limit: f.TimeLimit, before: f.TimeLimit | None, basis: str) -> Change:
    what = _what(fact, limit, before)
    return Change(
        at=limit.started_at if what is What.GIVEN else at,
        what=what,
        unit=fact.unit,
        obligation=limit.obligation,
        round=fact.round,
        generation=limit.generation,
        by=fact.by,
        due_at=limit.due_at,
        granted=limit.granted,
        basis=basis,
        left=None if limit.left is None else timedelta(seconds=limit.left),
        policy_version=limit.policy_version,
        calendar_version=limit.calendar_version,
        actor=fact.actor,
        note=fact.note,
    )


def _what(fact: f.DeadlineSet, limit: f.TimeLimit, before: f.TimeLimit | None) -> What:
    if fact.cause is not LimitCause.CASE:
        return What.RECKONED
    if fact.by == f.CaseHandedOver.NAME:
        return What.HANDED_OVER
    if before is None:
        return What.GIVEN
    if limit.due_at is None:
        return What.PAUSED
    return What.RESUMED if before.due_at is None else _BY_FACT.get(fact.by, What.RESUMED)


def _step(fact: f.DeadlineStep) -> Change:
    return Change(
        at=fact.fired_at,
        what=_STEPS[type(fact)],
        unit=fact.unit or "",
        obligation=fact.obligation,
        round=fact.round,
        generation=fact.generation,
        by="",
        due_at=fact.due_at,
        policy_version=fact.policy_version,
        rung=fact.rung if isinstance(fact, f.DeadlineEscalated) else None,
    )


def _of_row(deadline: Deadline, at: datetime, what: What) -> Change:
    return Change(
        at=at,
        what=what,
        unit=deadline.unit,
        obligation=deadline.obligation,
        round=deadline.round,
        generation=deadline.generation,
        by=(deadline.cause or "") if what is not What.GIVEN else "",
        due_at=deadline.due_at,
        granted=None if deadline.granted is None else str(deadline.granted),
        basis=deadline.basis,
        policy_version=deadline.policy_version,
        calendar_version=deadline.calendar_version,
    )
