"""The facts of a case, as sla's clock is told them. All but the first are the same for many cases, and made once.

They are made without being checked: every value in them comes out of this program, and there are millions. What the
clock does not ask for is left out of them: should it come to ask, that fails.
"""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel

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

Made = TypeVar("Made", bound=BaseModel)

_PART = UUID(int=1)
_ACTOR = f.Actor(kind=ActorKind.RULE)
_REASON = f.Reason(zh="模拟", en="simulated")


def unchecked(model: type[Made], **fields: Any) -> Made:
    """`model_construct` at a tenth of its price: the model's defaults and these fields."""
    made, write = model.__new__(model), object.__setattr__
    write(made, "__dict__", {**_defaults(model), **fields})
    write(made, "__pydantic_fields_set__", _NONE_IN_PARTICULAR)
    write(made, "__pydantic_extra__", None)
    write(made, "__pydantic_private__", None)
    return made


_NONE_IN_PARTICULAR: set[str] = set()


@cache
def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    return {name: field.get_default() for name, field in model.model_fields.items() if not field.is_required()}


def _heading(stage: Stage) -> dict[str, Any]:
    return {"number": "SIM", "source": Source.COMMUNITY, "stage": stage, "actor": _ACTOR}


def opened(matter: f.Matter, to_verify: bool) -> f.CaseOpened:
    stage = Stage.VERIFYING if to_verify else Stage.RECEIVED
    return unchecked(f.CaseOpened, **_heading(stage), matter=matter)


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


@cache
def dispatched(
    level: Level,
    units: tuple[str, ...],
    turn: int,
    cause: DispatchCause,
    kept: frozenset[str] = frozenset(),
) -> f.CaseDispatched:
    return f.CaseDispatched.model_construct(
        **_heading(Stage.DISPATCHED),
        level=level,
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


@cache
def handled(turn: int, whistle_blower: str) -> f.CaseHandled:
    return f.CaseHandled.model_construct(**_heading(Stage.CHECKING), round=turn, whistle_blower=whistle_blower)


@cache
def checked(passed: bool) -> f.CaseChecked:
    return f.CaseChecked.model_construct(**_heading(Stage.RATING if passed else Stage.CHECKING), passed=passed)


@cache
def rework(cause: ReworkCause, units: tuple[str, ...], turn: int) -> f.CaseReworkOrdered:
    return f.CaseReworkOrdered.model_construct(
        **_heading(Stage.REWORK), cause=cause, assignments=_parts(units, turn), round=turn
    )
