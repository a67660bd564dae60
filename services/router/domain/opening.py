"""From whistle to dispatch: opening a case, accepting or declining it, and sending it to its unit."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.router.domain.case import Case, decided, evolve, nothing, opened
from services.router.domain.rules import Rules, route
from shared.contracts import facts as f
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind, Level, Role, Stage, Urgency
from shared.runtime.decision import Decision

RULE = f.Actor(kind=ActorKind.RULE)


@dataclass(frozen=True, slots=True)
class District:
    """What decisions about cases are made with: who there is, and the rules."""

    tree: UnitTree
    rules: Rules


def open_case(case_id: UUID, whistle: f.WhistleReceived, district: District, now: datetime) -> Decision[Case]:
    """A case for a whistle. What its source has verified is accepted and dispatched at once."""
    stage = Stage.VERIFYING if whistle.needs_verification else Stage.RECEIVED
    first = f.CaseOpened(
        number=whistle.matter.number,
        source=whistle.matter.source,
        source_ref=whistle.matter.source_ref,
        stage=stage,
        actor=whistle.actor,
        matter=whistle.matter,
        self_handled=whistle.self_handled,
    )
    case = opened(case_id, first, now)
    if whistle.needs_verification:
        return Decision(state=case, facts=(first,))
    decision = accept(case, whistle.actor, whistle.self_handled, district, now)
    return Decision(state=decision.state, facts=(first, *decision.facts))


def verify_case(case: Case, verified: f.WhistleVerified, district: District, now: datetime) -> Decision[Case]:
    """The community verified a resident's order: it is accepted and dispatched."""
    if case.stage is not Stage.VERIFYING:
        return nothing(f"verified in {case.stage}")
    return accept(
        case, verified.actor, verified.self_handled, district, now, verified.note, verified.urgency, verified.category
    )


def decline_case(case: Case, declined: f.WhistleDeclined, now: datetime) -> Decision[Case]:
    if case.stage not in (Stage.VERIFYING, Stage.RECEIVED):
        return nothing(f"declined in {case.stage}")
    fact = f.CaseDeclined(
        **case.heading(Stage.DECLINED, declined.actor),
        reason=declined.reason,
        explanation=declined.explanation,
    )
    return decided(case, [fact], now)


def accept(
    case: Case,
    actor: f.Actor,
    self_handled: bool,
    district: District,
    now: datetime,
    note: str = "",
    urgency: Urgency | None = None,
    category: tuple[str, ...] | None = None,
) -> Decision[Case]:
    """受理, and straight on to whoever the rules give it to."""
    accepted = f.CaseAccepted(
        **case.heading(Stage.TO_DISPATCH, actor),
        note=note,
        urgency=urgency or case.matter.urgency,
        category=case.matter.category if category is None else category,
    )
    return decided(case, [accepted, dispatch_by_rule(evolve(case, accepted, now), self_handled, district)], now)


def dispatch_by_rule(case: Case, self_handled: bool, district: District) -> f.CaseFact:
    """What the rules make of an accepted case: dispatched, or sent to the hub's desk."""
    found = route(case.matter, self_handled, district.rules, district.tree)
    if found.level is Level.HUB:
        return f.CaseSentToDesk(
            **case.heading(Stage.TO_DISPATCH, RULE), desk=district.tree.hub.code, reason=found.reason
        )
    return f.CaseDispatched(
        **case.heading(Stage.DISPATCHED, RULE),
        level=found.level,
        matter=case.matter,
        assignments=assign_all(case, found.units),
        ledger=found.ledger,
        reason=found.reason,
    )


def assign_all(case: Case, units: tuple[str, ...]) -> tuple[f.AssignmentMade, ...]:
    """One assignment for each unit; the first is the lead."""
    lead, *co_handlers = units
    return case.assign([(lead, Role.LEAD), *((unit, Role.CO_HANDLER) for unit in co_handlers)], case.round)
