"""From whistle to dispatch: opening a case, accepting or declining it, and sending it to its unit."""

from datetime import datetime
from uuid import UUID

from services.router.domain.case import Case
from services.router.domain.decisions import decided, nothing
from services.router.domain.distribution import dispatched, first_parts
from services.router.domain.district import RULE, District
from services.router.domain.evolution import evolve, opened
from services.router.domain.routing.route import route
from shared.contracts import facts as f
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import DispatchCause, Level, Stage, Urgency
from shared.runtime.decision import Decision


def open_case(case_id: UUID, whistle: f.WhistleReceived, district: District, now: datetime) -> Decision[Case]:
    """A case for a whistle. What its source has verified is accepted and dispatched at once."""
    stage = Stage.VERIFYING if whistle.needs_verification else Stage.RECEIVED
    matter = in_present_units(whistle.matter, district.tree)
    first = f.CaseOpened(
        number=matter.number,
        source=matter.source,
        source_ref=matter.source_ref,
        stage=stage,
        actor=whistle.actor,
        matter=matter,
        self_handled=whistle.self_handled,
    )
    case = opened(case_id, first, now)
    if whistle.needs_verification:
        return Decision(state=case, facts=(first,))
    decision = accept(case, whistle.actor, whistle.self_handled, district, now)
    return Decision(state=decision.state, facts=(first, *decision.facts))


def in_present_units(matter: f.Matter, tree: UnitTree) -> f.Matter:
    """The matter with those in place of region and whistle-blower who have taken over from them."""
    region = tree.present(matter.region) or matter.region
    whistle_blower = tree.present(matter.whistle_blower, matter.region, matter.category) or matter.whistle_blower
    if (region, whistle_blower) == (matter.region, matter.whistle_blower):
        return matter
    return matter.model_copy(update={"region": region, "whistle_blower": whistle_blower})


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
        self_handled=self_handled,
    )
    following = dispatch_by_rule(evolve(case, accepted, now), self_handled, district, now)
    return decided(case, [accepted, *following], now)


def dispatch_by_rule(case: Case, self_handled: bool, district: District, now: datetime) -> list[f.CaseFact]:
    """What the rules make of a case that waits to be dispatched: raised, and dispatched or sent to the hub's desk."""
    found = route(case.matter, self_handled, district.rules, district.tree, now)
    facts: list[f.CaseFact] = []
    if found.urgency is not case.matter.urgency:
        raised = f.CaseReprioritised(
            **case.heading(case.stage, RULE, found.reason),
            before=case.matter.urgency,
            urgency=found.urgency,
            reason=found.reason.zh,
        )
        facts.append(raised)
        case = evolve(case, raised, now)
    if found.level is Level.HUB:
        facts.append(
            f.CaseSentToDesk(
                **case.heading(Stage.TO_DISPATCH, RULE),
                desk=district.tree.hub.code,
                reason=found.reason,
                case_list=found.case_list,
                ledger=found.ledger,
            )
        )
        return facts
    facts.append(
        dispatched(
            case,
            first_parts(case, (*found.units, *found.co_handlers)),
            actor=RULE,
            reason=found.reason,
            cause=DispatchCause.RULE,
            tree=district.tree,
            now=now,
            level=found.level,
            case_list=found.case_list,
            ledger=found.ledger,
        )
    )
    return facts
