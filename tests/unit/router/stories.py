"""A small invented district, what everybody in it can say, and stories: what was said to the router in turn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.router.domain import desk
from services.router.domain.case import Case
from services.router.domain.opening import District
from services.router.domain.rules import Because, Condition, Outcome, Rule, Rules
from services.router.main import HANDLERS
from shared.contracts import facts as f
from shared.contracts.units import Unit, build_tree
from shared.contracts.vocabulary import (
    ActorKind,
    AppealType,
    DeclineReason,
    Level,
    Obligation,
    Source,
    Stage,
    UnitKind,
    Urgency,
)
from shared.runtime.decision import Decision, FromDoor, Input

NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)
CASE = UUID("01938000-0000-7000-8000-000000000001")
NUMBER = "HA20261123-0001"

HUB = "110199"
STREET, OTHER_STREET = "110199001", "110199002"
COMMUNITY, OTHER_COMMUNITY = "110199001001", "110199002001"
GRID = "110199001001001"
WATER, POWER, MARKET, PARKS = "util-water", "util-power", "dept-market", "dept-parks"
HANDLERS_OF_CASES = (WATER, POWER, MARKET, PARKS, STREET, COMMUNITY)


def unit(code: str, kind: UnitKind, parent: str | None = HUB) -> Unit:
    return Unit(code=code, name=code, kind=kind, parent=parent)


TREE = build_tree(
    [
        unit(HUB, UnitKind.HUB, None),
        unit(STREET, UnitKind.STREET),
        unit(OTHER_STREET, UnitKind.STREET),
        unit(COMMUNITY, UnitKind.COMMUNITY, STREET),
        unit(OTHER_COMMUNITY, UnitKind.COMMUNITY, OTHER_STREET),
        unit(GRID, UnitKind.GRID, COMMUNITY),
        unit(WATER, UnitKind.UTILITY),
        unit(POWER, UnitKind.UTILITY),
        unit(MARKET, UnitKind.DEPARTMENT),
        unit(PARKS, UnitKind.DEPARTMENT),
    ],
    "2026-11",
)


def rule(id_: str, when: Condition, then: Outcome) -> Rule:
    return Rule(id=id_, when=when, then=then, because=Because(zh=f"规则 {id_}", en=f"rule {id_}"))


RULES = Rules(
    "2026-11",
    (
        rule("self-handled", Condition(self_handled=True), Outcome(level=Level.COMMUNITY)),
        rule("water", Condition(category=("供水",)), Outcome(level=Level.DEPARTMENT, units=(WATER,))),
        rule("shops", Condition(category=("占道经营",)), Outcome(level=Level.DEPARTMENT, units=(MARKET, PARKS))),
        rule("street-first", Condition(category=("市容环境",)), Outcome(level=Level.STREET)),
    ),
)
DISTRICT = District(TREE, RULES)

FOR_WATER = ("公共服务", "供水", "爆管")
FOR_SHOPS = ("市容秩序", "占道经营")
FOR_STREET = ("市容环境",)
FOR_NOBODY = ("其他",)


def matter(
    category: tuple[str, ...] = FOR_WATER,
    source: Source = Source.COMMUNITY,
    urgency: Urgency = Urgency.NORMAL,
    region: str = COMMUNITY,
    title: str = "湖畔里 3 号楼前爆管",
    content: str = "水漫到路面，车辆打滑。",
    appeal_type: AppealType = AppealType.HELP,
    resident_to_ask: bool = False,
    whistle_blower: str = COMMUNITY,
    number: str = NUMBER,
) -> f.Matter:
    return f.Matter(
        number=number,
        source=source,
        source_ref="12345-778" if source is Source.HOTLINE_12345 else None,
        appeal_type=appeal_type,
        urgency=urgency,
        category=category,
        title=title,
        content=content,
        region=region,
        whistle_blower=whistle_blower,
        received_at=NOW,
        resident_to_ask=resident_to_ask,
    )


# --- who says what ----------------------------------------------------------------------------------------


def staff_of(unit: str) -> f.Actor:
    return f.Actor(kind=ActorKind.STAFF, unit=unit, person="p-1")


BLOWER, AT_THE_HUB = staff_of(COMMUNITY), staff_of(HUB)
RULE, CLOCK = f.Actor(kind=ActorKind.RULE), f.Actor(kind=ActorKind.CLOCK)


def whistle(
    about: f.Matter | None = None, needs_verification: bool = False, self_handled: bool = False
) -> f.WhistleReceived:
    return f.WhistleReceived(
        matter=about or matter(),
        needs_verification=needs_verification,
        self_handled=self_handled,
        reporter="r-9",
        actor=BLOWER,
    )


def residents_order(category: tuple[str, ...] = FOR_WATER) -> f.WhistleReceived:
    return whistle(matter(category, Source.RESIDENT), needs_verification=True)


def verified(
    urgency: Urgency | None = None, category: tuple[str, ...] | None = None, self_handled: bool = False
) -> f.WhistleVerified:
    return f.WhistleVerified(
        actor=BLOWER, note="已上门核实", urgency=urgency, category=category, self_handled=self_handled
    )


def declined() -> f.WhistleDeclined:
    return f.WhistleDeclined(actor=BLOWER, reason=DeclineReason.UNTRUE, explanation="现场未见漏水")


@dataclass(frozen=True, slots=True)
class Said:
    """A message or command and the unit that the door or topic vouches for."""

    message: object
    unit: str | None = None


def signs_in(unit: str = WATER) -> Said:
    return Said(f.ReportSignedIn(person="p-2"), unit)


def refuses(unit: str = WATER) -> Said:
    return Said(f.ReportRefused(person="p-2", reason="非本单位管辖", basis="职责清单第 12 条"), unit)


def progresses(unit: str = WATER, contacted: bool = True) -> Said:
    return Said(f.ReportProgressed(person="p-2", note="已到现场", contacted=contacted), unit)


def finishes(unit: str = WATER, result: str = "") -> Said:
    return Said(f.ReportDone(person="p-2", result=result or f"{unit} 已修复"), unit)


def dispatches(*units: str, by: str = HUB) -> Said:
    return Said(desk.Dispatch(actor=staff_of(by), units=units or (MARKET,), reason="经研判派单"), by)


def upholds(*units: str, by: str = HUB) -> Said:
    ruling = desk.RuleOnRefusal(actor=staff_of(by), upheld=True, reason="退单成立", units=units or (MARKET,))
    return Said(ruling, by)


def dismisses(by: str = HUB) -> Said:
    return Said(desk.RuleOnRefusal(actor=staff_of(by), upheld=False, reason="退单不成立"), by)


def orders_rework(by: str = HUB) -> Said:
    return Said(desk.OrderRework(actor=staff_of(by), reason="居民再次反映"), by)


def passed(round_: int = 1) -> f.FeedbackChecked:
    return f.FeedbackChecked(round=round_, passed=True, note="已恢复供水", actor=BLOWER)


def failed(round_: int = 1) -> f.FeedbackChecked:
    return f.FeedbackChecked(round=round_, passed=False, note="仍在渗水", actor=BLOWER)


def concluded(close: bool = True, round_: int = 1) -> f.FeedbackConcluded:
    reason = f.Reason(zh="各方满意" if close else "居民不满意", en="satisfied" if close else "unsatisfied")
    return f.FeedbackConcluded(round=round_, close=close, reason=reason, actor=RULE)


def overdue(obligation: Obligation, unit: str | None = WATER, at: datetime = NOW) -> f.DeadlineOverdue:
    return f.DeadlineOverdue(
        obligation=obligation,
        unit=unit,
        generation=1,
        started_at=at - timedelta(hours=2),
        due_at=at,
        fired_at=at,
        policy_version="1",
    )


def escalated(obligation: Obligation = Obligation.HANDLE) -> f.DeadlineEscalated:
    return f.DeadlineEscalated(
        obligation=obligation,
        unit=WATER,
        generation=1,
        started_at=NOW,
        due_at=NOW,
        fired_at=NOW,
        policy_version="1",
        rung=1,
        told=(WATER, HUB),
    )


def time_to_object_is_over(at: datetime = NOW + timedelta(days=21)) -> f.DeadlineOverdue:
    return overdue(Obligation.ARCHIVE, HUB, at)


# --- stories ------------------------------------------------------------------------------------------------


@dataclass
class Story:
    """A case and what was stated about it, as the handlers decide; time stands still."""

    case: Case | None = None
    facts: list[f.CaseFact] = field(default_factory=list)
    told: int = 0

    def tell(self, said: object) -> Decision[Case]:
        """One message more; what is refused or passed over leaves the story as it is."""
        message, unit = (said.message, said.unit) if isinstance(said, Said) else (said, None)
        self.told += 1
        decision = HANDLERS[type(message)](
            DISTRICT, self.case, Input(CASE, message, f"m-{self.told}", FromDoor(()), unit), NOW
        )
        if decision.refusal is None:
            self.case = decision.state or self.case
            self.facts += [fact for fact in decision.facts if isinstance(fact, f.CaseFact)]
        else:
            assert (decision.state, decision.facts) == (None, ()), "a refusal changes nothing"
        return decision

    @property
    def now(self) -> Case:
        assert self.case is not None
        return self.case


def story(*told: object) -> Story:
    """A story in which everything has its effect."""
    story = Story()
    for said in told:
        decision = story.tell(said)
        assert decision.facts, decision
    return story


def outcome(decision: Decision[Case]) -> str:
    """A decision in one line: the facts by their names, or the refusal's code, or that nothing happens."""
    if decision.refusal is not None:
        return f"no: {decision.refusal.code}"
    return names(decision.facts) or "-"


def names(facts: Sequence[f.Fact]) -> str:
    return " + ".join(fact.NAME.removeprefix("case.").removesuffix(".v1") for fact in facts)


WAITS_IN: dict[Stage | None, tuple[object, ...]] = {
    None: (),
    Stage.VERIFYING: (residents_order(),),
    Stage.DECLINED: (residents_order(), declined()),
    Stage.TO_DISPATCH: (whistle(matter(FOR_NOBODY)),),
    Stage.DISPATCHED: (whistle(),),
    Stage.REFUSAL_REVIEW: (whistle(), refuses()),
    Stage.CONSULTATION: (whistle(), refuses(), dismisses(), refuses()),
    Stage.HANDLING: (whistle(), signs_in()),
    Stage.CHECKING: (whistle(), signs_in(), finishes()),
    Stage.RATING: (whistle(), signs_in(), finishes(), passed()),
    Stage.REWORK: (whistle(), signs_in(), finishes(), failed()),
    Stage.CLOSED: (whistle(), signs_in(), finishes(), passed(), concluded()),
    Stage.ARCHIVED: (whistle(), signs_in(), finishes(), passed(), concluded(), time_to_object_is_over()),
}
"""A story that ends in each stage a case can rest in. `received` and `handled` are passed within one decision."""
