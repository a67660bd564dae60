"""限时告知: which due times a decision has set or moved, said once for each unit. Pure."""

from services.sla.domain.clock_state import OWED_BY_A_UNIT, ClockState
from services.sla.domain.deadline import Deadline, State
from shared.contracts.facts import Actor, DeadlineSet, TimeLimit
from shared.contracts.vocabulary import LimitCause, Obligation

TOLD = (*OWED_BY_A_UNIT, Obligation.MILESTONE)
"""What the units that have a case owe in it."""


def announced(
    before: ClockState | None,
    after: ClockState,
    by: str,
    cause: LimitCause = LimitCause.CASE,
    actor: Actor | None = None,
    note: str = "",
) -> tuple[DeadlineSet, ...]:
    """What is owed by another time than before, or stands still, began or went on; what has ended is no news.

    `by` = the type of the case's fact, or the version of the policy or calendar that was applied.
    """
    known = before.deadlines if before is not None else ()
    untouched = {id(one) for one in known}
    touched = [one for one in after.deadlines if id(one) not in untouched and one.is_open and one.obligation in TOLD]
    if not touched:
        return ()
    said = {_name(one): _said(one) for one in known if one.is_open}
    news: dict[str, list[Deadline]] = {}
    for one in touched:
        if said.get(_name(one)) != _said(one):
            news.setdefault(one.unit, []).append(one)
    return tuple(
        DeadlineSet(
            unit=unit,
            round=after.round,
            cause=cause,
            by=by,
            limits=tuple(as_limit(one) for one in sorted(theirs, key=_order)),
            actor=actor,
            note=note,
        )
        for unit, theirs in news.items()
    )


def as_limit(one: Deadline) -> TimeLimit:
    """The deadline as others are told of it."""
    stands = one.state is State.PAUSED
    return TimeLimit(
        obligation=one.obligation,
        generation=one.generation,
        granted=None if one.granted is None else str(one.granted),
        started_at=one.started_at,
        warn_at=None if stands else one.warn_at,
        due_at=None if stands else one.due_at,
        left=one.left.total_seconds() if stands and one.left is not None else None,
        provisional=one.provisional,
        policy_version=one.policy_version,
        calendar_version=one.calendar_version,
        basis=one.basis,
    )


def _name(one: Deadline) -> tuple[str, Obligation, int]:
    return one.unit, one.obligation, one.generation


def _said(one: Deadline) -> tuple[object, ...]:
    stands = one.state is State.PAUSED
    return stands, one.left if stands else one.due_at, one.granted, one.provisional


def _order(one: Deadline) -> tuple[int, int]:
    return TOLD.index(one.obligation), one.generation
