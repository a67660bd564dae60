"""States that follow from their own log alone: intake's whistle and the router's case, fact by fact."""

from datetime import datetime
from typing import Any
from uuid import UUID

from deploy.rebuild.history import History
from services.intake.domain.whistle import Whistle, WhistleStage
from services.router.domain.case import Case
from services.router.domain.evolution import evolve, opened
from shared.contracts import facts as f
from shared.runtime.ports import Versioned


def whistle_of(history: History) -> Versioned[Any]:
    """Intake's state of a case."""
    whistle: Whistle | None = None
    for event in history.own:
        whistle = _received_or_decided(whistle, history.case_id, event.fact, event.time)
    return Versioned(whistle, len(history.own))


def case_of(history: History) -> Versioned[Any]:
    """The router's state of a case."""
    case: Case | None = None
    for event in history.own:
        if isinstance(event.fact, f.CaseOpened):
            case = opened(history.case_id, event.fact, event.time)
        elif isinstance(event.fact, f.CaseFact) and case is not None:
            case = evolve(case, event.fact, event.time)
    return Versioned(case, len(history.own))


def _received_or_decided(whistle: Whistle | None, case_id: UUID, fact: f.Fact, at: datetime) -> Whistle | None:
    match fact:
        case f.WhistleReceived():
            return Whistle(
                case_id=case_id,
                matter=fact.matter,
                stage=WhistleStage.VERIFYING if fact.needs_verification else WhistleStage.VERIFIED,
                needs_verification=fact.needs_verification,
                self_handled=fact.self_handled,
                reporter=fact.reporter,
                received_from=fact.actor,
            )
        case f.WhistleVerified() if whistle is not None:
            said = {"urgency": fact.urgency, "category": fact.category}
            matter = whistle.matter.model_copy(update={name: one for name, one in said.items() if one is not None})
            return whistle.model_copy(
                update={
                    "matter": matter,
                    "stage": WhistleStage.VERIFIED,
                    "self_handled": fact.self_handled,
                    "decided_by": fact.actor,
                    "decided_at": at,
                    "note": fact.note,
                }
            )
        case f.WhistleDeclined() if whistle is not None:
            return whistle.model_copy(
                update={
                    "stage": WhistleStage.DECLINED,
                    "decided_by": fact.actor,
                    "decided_at": at,
                    "note": fact.explanation,
                    "declined_for": fact.reason,
                }
            )
        case _:
            return whistle
