"""The facts of a case, as sla's clock is told them. Those that differ by nothing but the unit are made once.

They are made without being checked: every value in them comes out of this program, and there are millions.
"""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from shared.contracts import facts as f
from shared.contracts.vocabulary import (
    ActorKind,
    DeclineReason,
    DispatchCause,
    Ledger,
    Level,
    ReworkCause,
    Role,
    Source,
    Stage,
    Urgency,
)

_PART = UUID(int=1)
_ACTOR = f.Actor(kind=ActorKind.RULE)
_REASON = f.Reason(zh="模拟", en="simulated")


def _heading(stage: Stage) -> dict[str, Any]:
    return {"number": "SIM", "source": Source.COMMUNITY, "stage": stage, "actor": _ACTOR}


def opened(matter: f.Matter, to_verify: bool) -> f.CaseOpened:
    stage = Stage.VERIFYING if to_verify else Stage.RECEIVED
    return f.CaseOpened.model_construct(**_heading(stage), matter=matter)


@cache
def accepted(urgency: Urgency, category: tuple[str, ...]) -> f.CaseAccepted:
    return f.CaseAccepted.model_construct(**_heading(Stage.TO_DISPATCH), urgency=urgency, category=category)


@cache
def declined() -> f.CaseDeclined:
    return f.CaseDeclined.model_construct(**_heading(Stage.DECLINED), reason=DeclineReason.UNTRUE, explanation="")


@cache
def reprioritised(before: Urgency, urgency: Urgency) -> f.CaseReprioritised:
    heading = _heading(Stage.TO_DISPATCH)
    return f.CaseReprioritised.model_construct(**heading, before=before, urgency=urgency, reason="")


@cache
def sent_to_desk(desk: str) -> f.CaseSentToDesk:
    return f.CaseSentToDesk.model_construct(**_heading(Stage.TO_DISPATCH), desk=desk, reason=_REASON)


@cache
def _part(unit: str, role: Role, turn: int, begun: bool) -> f.AssignmentMade:
    return f.AssignmentMade(assignment_id=_PART, unit=unit, role=role, round=turn, begun=begun)


def _parts(units: Sequence[str], turn: int, kept: Collection[str] = ()) -> tuple[f.AssignmentMade, ...]:
    """The first leads; `kept` had their parts before."""
    return tuple(
        _part(unit, Role.CO_HANDLER if place else Role.LEAD, turn, unit not in kept) for place, unit in enumerate(units)
    )


def dispatched(
    matter: f.Matter,
    level: Level,
    units: Sequence[str],
    turn: int,
    cause: DispatchCause,
    kept: Collection[str] = (),
    stage: Stage = Stage.DISPATCHED,
) -> f.CaseDispatched:
    return f.CaseDispatched.model_construct(
        **_heading(stage),
        level=level,
        matter=matter,
        assignments=_parts(units, turn, kept),
        cause=cause,
        ledger=Ledger.FIXED_DEADLINE,
        reason=_REASON,
    )


@cache
def signed_in(unit: str) -> f.CaseSignedIn:
    return f.CaseSignedIn.model_construct(**_heading(Stage.HANDLING), assignment_id=_PART, unit=unit)


@cache
def refused(unit: str, count: int, stage: Stage) -> f.CaseRefused:
    return f.CaseRefused.model_construct(
        **_heading(stage), assignment_id=_PART, unit=unit, reason="", basis="", count=count
    )


@cache
def ruled(unit: str, upheld: bool, stage: Stage) -> f.CaseRefusalRuled:
    return f.CaseRefusalRuled.model_construct(
        **_heading(stage), assignment_id=_PART, unit=unit, upheld=upheld, reason=""
    )


@cache
def contacted(unit: str) -> f.CaseProgressed:
    return f.CaseProgressed.model_construct(
        **_heading(Stage.HANDLING), assignment_id=_PART, unit=unit, note="", contacted=True
    )


@cache
def unit_done(unit: str) -> f.CaseUnitDone:
    return f.CaseUnitDone.model_construct(**_heading(Stage.HANDLING), assignment_id=_PART, unit=unit, result="")


def handled(units: tuple[str, ...], turn: int, matter: f.Matter) -> f.CaseHandled:
    return f.CaseHandled.model_construct(
        **_heading(Stage.CHECKING),
        units=units,
        round=turn,
        resident_to_ask=matter.resident_to_ask,
        whistle_blower=matter.whistle_blower,
    )


@cache
def checked(passed: bool) -> f.CaseChecked:
    return f.CaseChecked.model_construct(**_heading(Stage.RATING if passed else Stage.CHECKING), passed=passed)


def rework(cause: ReworkCause, matter: f.Matter, units: Sequence[str], turn: int) -> f.CaseReworkOrdered:
    return f.CaseReworkOrdered.model_construct(
        **_heading(Stage.REWORK), cause=cause, matter=matter, assignments=_parts(units, turn), round=turn
    )
