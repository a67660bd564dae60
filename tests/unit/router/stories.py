"""A small invented district, what everybody in it can say, and stories: what was said to the router in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

from services.router.domain import commands as c
from services.router.domain.case import Case
from services.router.domain.district import District
from services.router.domain.merging import Followed, Proposed
from services.router.domain.procedures import Action, Procedure, Procedures
from services.router.domain.routing.conditions import Condition
from services.router.domain.routing.rules import Because, Outcome, Rule, Rules
from services.router.domain.succession import HandOver
from services.router.main import HANDLERS
from services.router.setup import parse_procedures
from shared.contracts import facts as f
from shared.contracts.units import Unit, UnitTree, build_tree, next_version
from shared.contracts.vocabulary import (
    ActorKind,
    AppealType,
    CaseList,
    DeclineReason,
    Ledger,
    Level,
    LimitCause,
    Obligation,
    RequestKind,
    RungChange,
    Source,
    Stage,
    UnitKind,
    Urgency,
)
from shared.runtime.decision import Decision, FromDoor, Input

NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)
CASE = UUID("01938000-0000-7000-8000-000000000001")
NUMBER = "HA20261123-0001"
OTHER_CASE = UUID("01938000-0000-7000-8000-000000000002")
OTHER_NUMBER = "HA20261123-0002"

HUB = "110199"
STREET, OTHER_STREET = "110199001", "110199002"
COMMUNITY, OTHER_COMMUNITY = "110199001001", "110199002001"
GRID = "110199001001001"
WATER, POWER, MARKET, PARKS = "util-water", "util-power", "dept-market", "dept-parks"
HANDLERS_OF_CASES = (WATER, POWER, MARKET, PARKS, STREET, COMMUNITY)


def unit(code: str, kind: UnitKind, parent: str | None = HUB, succeeds: tuple[str, ...] = ()) -> Unit:
    return Unit(code=code, name=code, kind=kind, parent=parent, succeeds=succeeds)


_PLACES = (
    unit(HUB, UnitKind.HUB, None),
    unit(STREET, UnitKind.STREET),
    unit(OTHER_STREET, UnitKind.STREET),
    unit(OTHER_COMMUNITY, UnitKind.COMMUNITY, OTHER_STREET),
)
TREE = build_tree(
    [
        *_PLACES,
        unit(COMMUNITY, UnitKind.COMMUNITY, STREET),
        unit(GRID, UnitKind.GRID, COMMUNITY),
        unit(WATER, UnitKind.UTILITY),
        unit(POWER, UnitKind.UTILITY),
        unit(MARKET, UnitKind.DEPARTMENT),
        unit(PARKS, UnitKind.DEPARTMENT),
    ],
    "2026-11",
)

CITY, LAKESIDE, WORKS, MAINS = "dept-city", "110199001009", "util-works", "util-mains"
MERGED_TREE = next_version(
    TREE,
    [
        *_PLACES,
        unit(COMMUNITY, UnitKind.COMMUNITY, STREET),
        unit(WATER, UnitKind.UTILITY),
        unit(POWER, UnitKind.UTILITY),
        unit(CITY, UnitKind.DEPARTMENT, succeeds=(MARKET, PARKS)),
    ],
    "2026-12",
)
"""Market regulation and parks are one department now."""
SPLIT_TREE = next_version(
    MERGED_TREE,
    [
        *_PLACES,
        unit(LAKESIDE, UnitKind.COMMUNITY, OTHER_STREET, succeeds=(COMMUNITY,)),
        unit(WORKS, UnitKind.UTILITY, succeeds=(WATER,)),
        unit(MAINS, UnitKind.UTILITY, succeeds=(WATER, POWER)),
        unit(CITY, UnitKind.DEPARTMENT),
    ],
    "2027-01",
)
"""And the water company is two, the power company one of them, and the community is another's of another street."""


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
PROCEDURES_FILE = Path(__file__).parents[3] / "deploy" / "district" / "procedures.yaml"
PROCEDURES = parse_procedures(PROCEDURES_FILE.read_text(encoding="utf-8"), "procedures.yaml")
"""Those that ship."""
DISTRICT = District(TREE, RULES, PROCEDURES)


def procedures(given: Mapping[Action, tuple[Procedure, ...]] | None = None, **changes: object) -> Procedures:
    """Those that ship, with other rows for some actions, or other settings."""
    return Procedures.model_validate(
        PROCEDURES.model_dump() | changes | {"procedures": {**PROCEDURES.procedures, **(given or {})}}
    )


def district(tree: UnitTree = TREE, given: Procedures = PROCEDURES, rules: Rules = RULES) -> District:
    return District(tree, rules, given)


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
    respondent: str | None = None,
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
        respondent=respondent,
    )


# --- who says what ----------------------------------------------------------------------------------------


def staff_of(unit: str) -> f.Actor:
    return f.Actor(kind=ActorKind.STAFF, unit=unit, person="p-1")


def actor_of(who: str) -> f.Actor:
    return HOTLINE if who == HOTLINE.person else staff_of(who)


HOTLINE = f.Actor(kind=ActorKind.HOTLINE, person="12345")
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


def comments_on(unit: str = WATER) -> Said:
    """By the unit's topic or door, as a report."""
    return Said(f.ReportCommented(person="p-2", text="等待材料"), unit)


def reaches(milestone: int = 1, unit: str = WATER) -> Said:
    return Said(f.ReportMilestoneReached(person="p-2", milestone=milestone, note="已完成"), unit)


def asks_extension(unit: str = WATER, share: float | None = None) -> Said:
    asked = f.ReportAsked(
        person="p-2", kind=RequestKind.EXTENSION, reason="等待材料", basis="延期办法第 3 条", share=share
    )
    return Said(asked, unit)


def asks_suspension(unit: str = WATER, until: datetime | None = NOW + timedelta(days=30)) -> Said:
    asked = f.ReportAsked(
        person="p-2", kind=RequestKind.SUSPENSION, reason="待冬季过后施工", basis="挂账办法第 2 条", until=until
    )
    return Said(asked, unit)


# --- by people: the actor stands in the command


def dispatches(*units: str, by: str = HUB) -> Said:
    return Said(c.Dispatch(actor=actor_of(by), units=units or (MARKET,), reason="经研判派单"), by)


def upholds(*units: str, by: str = HUB, of: str | None = None) -> Said:
    ruling = c.RuleOnRefusal(actor=actor_of(by), upheld=True, reason="退单成立", units=units or (MARKET,), unit=of)
    return Said(ruling, by)


def dismisses(by: str = HUB, of: str | None = None) -> Said:
    return Said(c.RuleOnRefusal(actor=actor_of(by), upheld=False, reason="退单不成立", unit=of), by)


def orders_rework(by: str = HUB) -> Said:
    return Said(c.OrderRework(actor=actor_of(by), reason="居民再次反映"), by)


def transfers(to: str = MARKET, unit: str | None = None, by: str = HUB) -> Said:
    return Said(c.Transfer(actor=actor_of(by), unit=unit, to=to, reason="转办"), by)


def joins(*units: str, by: str = HUB) -> Said:
    return Said(c.Join(actor=actor_of(by), units=units or (MARKET,), reason="须联合办理"), by)


def releases(unit: str = PARKS, by: str = HUB) -> Said:
    return Said(c.Release(actor=actor_of(by), unit=unit, reason="不再需要协办"), by)


def makes_lead(unit: str = MARKET, by: str = HUB) -> Said:
    return Said(c.ChangeLead(actor=actor_of(by), unit=unit, reason="变更牵头"), by)


def grants(
    unit: str | None = None,
    kind: RequestKind | None = None,
    share: float | None = None,
    until: datetime | None = None,
    by: str = HUB,
) -> Said:
    ruling = c.RuleOnRequest(
        actor=actor_of(by), approved=True, reason="情况属实", unit=unit, kind=kind, share=share, until=until
    )
    return Said(ruling, by)


def denies(unit: str | None = None, kind: RequestKind | None = None, by: str = HUB) -> Said:
    ruling = c.RuleOnRequest(actor=actor_of(by), approved=False, reason="理由不足", unit=unit, kind=kind)
    return Said(ruling, by)


def resumes(by: str = HUB) -> Said:
    return Said(c.Resume(actor=actor_of(by), reason="已具备条件"), by)


def lists_immediate(by: str = HUB, ledger: Ledger | None = None) -> Said:
    return Said(c.ListCase(actor=actor_of(by), case_list=CaseList.IMMEDIATE, reason="可以即办", ledger=ledger), by)


def lists_phased(*days: int, by: str = HUB, since: datetime = NOW) -> Said:
    milestones = tuple(
        f.Milestone(number=number, title=f"第 {number} 步", due_at=since + timedelta(days=after))
        for number, after in enumerate(days or (10, 20), start=1)
    )
    planned = c.ListCase(actor=actor_of(by), case_list=CaseList.PHASED, reason="分步办理", milestones=milestones)
    return Said(planned, by)


def lists_understanding(
    by: str = HUB, review_at: datetime = NOW + timedelta(days=60), explained_at: datetime = NOW
) -> Said:
    explained = c.ListCase(
        actor=actor_of(by),
        case_list=CaseList.UNDERSTANDING,
        reason="暂不具备条件",
        explanation="管网改造列入明年计划",
        explained_at=explained_at,
        review_at=review_at,
    )
    return Said(explained, by)


def supervises(unit: str | None = None, by: str = HUB) -> Said:
    return Said(c.Supervise(actor=actor_of(by), unit=unit, reason="久拖不决"), by)


def lifts_supervision(unit: str = WATER, by: str = HUB) -> Said:
    return Said(c.EndSupervision(actor=actor_of(by), unit=unit, reason="已整改"), by)


def sets_urgency(urgency: Urgency = Urgency.URGENT, by: str = HUB) -> Said:
    return Said(c.ChangePriority(actor=actor_of(by), urgency=urgency, reason="现场情况变化"), by)


def corrects(
    by: str = HUB,
    title: str | None = "湖畔里 5 号楼前爆管",
    region: str | None = None,
    respondent: str | None = None,
) -> Said:
    said = c.Correct(actor=actor_of(by), reason="楼号有误", title=title, region=region, respondent=respondent)
    return Said(said, by)


def comments(by: str = COMMUNITY) -> Said:
    return Said(c.Comment(actor=actor_of(by), text="居民来电询问进度"), by)


def withdraws(by: str = COMMUNITY) -> Said:
    return Said(c.Withdraw(actor=actor_of(by), reason="已自行解决"), by)


def merges(
    into_stage: Stage = Stage.HANDLING, followers: int = 0, into: UUID = OTHER_CASE, by: str = COMMUNITY
) -> Said:
    merging = c.Merge(
        actor=actor_of(by),
        reason="同一处爆管",
        into=into,
        into_number=OTHER_NUMBER,
        into_stage=into_stage,
        followers=followers,
    )
    return Said(merging, by)


def unmerges(by: str = COMMUNITY) -> Said:
    return Said(c.Unmerge(actor=actor_of(by), reason="并非同一事项"), by)


# --- by the router's own sweeps


def proposed(*scores: float) -> Proposed:
    """Cases found for this one, each as much alike."""
    return Proposed(
        candidates=tuple(
            f.Likeness(
                case_id=UUID(int=OTHER_CASE.int + place),
                number=f"HA20261123-{place + 2:04d}",
                score=score,
                reason=f.Reason(zh="同一小区，同类问题", en="same place, same kind"),
            )
            for place, score in enumerate(scores or (0.9,))
        )
    )


def followed(stage: Stage = Stage.CLOSED, units: tuple[str, ...] = (WATER,), answer: str = "已更换水管") -> Followed:
    """What became of the case that a merged one waits for."""
    joined = UUID(int=OTHER_CASE.int + 1) if stage is Stage.MERGED else None
    return Followed(
        into=OTHER_CASE,
        number=OTHER_NUMBER,
        stage=stage,
        merged_into=joined,
        merged_into_number="HA20261123-0003" if joined else "",
        answer=answer,
        ledger=Ledger.FIXED_DEADLINE,
        units=units,
    )


def units_have_changed() -> HandOver:
    return HandOver()


# --- by feedback and the clock


def passed(round_: int = 1) -> f.FeedbackChecked:
    return f.FeedbackChecked(round=round_, passed=True, note="已恢复供水", actor=BLOWER)


def failed(round_: int = 1, units: tuple[str, ...] = ()) -> f.FeedbackChecked:
    return f.FeedbackChecked(round=round_, passed=False, note="仍在渗水", actor=BLOWER, failed_units=units)


def sample_checked(passed: bool = False, round_: int = 1, units: tuple[str, ...] = ()) -> f.FeedbackSampleChecked:
    note = "" if passed else "现场未修复"
    return f.FeedbackSampleChecked(round=round_, passed=passed, note=note, failed_units=units, actor=AT_THE_HUB)


def concluded(close: bool = True, round_: int = 1) -> f.FeedbackConcluded:
    reason = f.Reason(zh="各方满意" if close else "居民不满意", en="satisfied" if close else "unsatisfied")
    return f.FeedbackConcluded(round=round_, close=close, reason=reason, actor=RULE)


def overdue(
    obligation: Obligation, unit: str | None = WATER, at: datetime = NOW, round_: int | None = None
) -> f.DeadlineOverdue:
    """Without a round, as an older release said it."""
    return f.DeadlineOverdue(
        obligation=obligation,
        unit=unit,
        generation=1,
        started_at=at - timedelta(hours=2),
        due_at=at,
        fired_at=at,
        policy_version="1",
        **({} if round_ is None else {"round": round_}),
    )


def escalated(
    obligation: Obligation = Obligation.HANDLE,
    rung: int = 1,
    unit: str | None = WATER,
    changes: tuple[RungChange, ...] = (),
    round_: int | None = None,
) -> f.DeadlineEscalated:
    """Without a round, as an older release said it."""
    return f.DeadlineEscalated(
        obligation=obligation,
        unit=unit,
        generation=1,
        started_at=NOW,
        due_at=NOW,
        fired_at=NOW,
        policy_version="1",
        rung=rung,
        told=(WATER, HUB),
        changes=changes,
        **({} if round_ is None else {"round": round_}),
    )


def limit(
    due_at: datetime | None = NOW + timedelta(hours=4),
    obligation: Obligation = Obligation.HANDLE,
    generation: int = 1,
) -> f.TimeLimit:
    """By when something is owed; without a time, it stands still with an hour left."""
    return f.TimeLimit(
        obligation=obligation,
        generation=generation,
        granted="7 clock_day",
        started_at=NOW,
        warn_at=None,
        due_at=due_at,
        left=3600 if due_at is None else None,
        policy_version="1",
    )


def due(*limits: f.TimeLimit, unit: str = WATER, round_: int = 1, cause: LimitCause = LimitCause.CASE) -> f.DeadlineSet:
    """The clock says by when a unit owes what."""
    asked = {} if cause is LimitCause.CASE else {"actor": AT_THE_HUB, "note": "国务院办公厅通知"}
    return f.DeadlineSet(
        unit=unit, round=round_, cause=cause, by="case.dispatched.v1", limits=limits or (limit(),), **asked
    )


def time_to_object_is_over(at: datetime = NOW + timedelta(days=21)) -> f.DeadlineOverdue:
    return overdue(Obligation.ARCHIVE, HUB, at)


def review_date_comes(at: datetime = NOW + timedelta(days=30)) -> f.DeadlineOverdue:
    return overdue(Obligation.REVIEW, HUB, at)


# --- stories ------------------------------------------------------------------------------------------------


Told: TypeAlias = object
"""A message, a `Said`, how much time passes, or the district as it is from then on."""


@dataclass
class Story:
    """A case and what was stated about it, as the handlers decide. Time stands still unless it is told to pass."""

    case: Case | None = None
    facts: list[f.CaseFact] = field(default_factory=list)
    told: int = 0
    at: datetime = NOW
    district: District = DISTRICT

    def tell(self, said: object) -> Decision[Case]:
        """One message more; what is refused or passed over leaves the story as it is."""
        message, unit = (said.message, said.unit) if isinstance(said, Said) else (said, None)
        self.told += 1
        decision = HANDLERS[type(message)](
            self.district, self.case, Input(CASE, message, f"m-{self.told}", FromDoor(()), unit), self.at
        )
        if decision.refusal is None:
            self.case = decision.state or self.case
            self.facts += [fact for fact in decision.facts if isinstance(fact, f.CaseFact)]
        else:
            assert (decision.state, decision.facts) == (None, ()), "a refusal changes nothing"
        return decision

    def goes_on(self, *told: Told) -> "Story":
        """Everything has its effect."""
        for said in told:
            if isinstance(said, timedelta):
                self.at += said
            elif isinstance(said, District):
                self.district = said
            else:
                decision = self.tell(said)
                assert decision.facts, (said, decision)
        return self

    @property
    def now(self) -> Case:
        assert self.case is not None
        return self.case


def story(*told: Told) -> Story:
    """A story in which everything has its effect."""
    return Story().goes_on(*told)


def turns(case: Story, *told: tuple[Told, str]) -> None:
    """Say it in turn; each has the outcome beside it, `->` and the stage the case is left in where one is named."""
    for said, expected in told:
        what, _, stage = expected.partition(" -> ")
        found = outcome(case.tell(said))
        assert (found, str(case.now.stage) if stage else "") == (what, stage), said


def outcome(decision: Decision[Case]) -> str:
    """A decision in one line: the facts by their names, or the refusal's code, or that nothing happens."""
    if decision.refusal is not None:
        return f"no: {decision.refusal.code}"
    return names(decision.facts) or "-"


def names(facts: Sequence[f.Fact]) -> str:
    return " + ".join(fact.NAME.removeprefix("case.").removesuffix(".v1") for fact in facts)


WAITS_IN: dict[Stage | None, tuple[Told, ...]] = {
    None: (),
    Stage.VERIFYING: (residents_order(),),
    Stage.DECLINED: (residents_order(), declined()),
    Stage.MERGED: (whistle(), merges()),
    Stage.WITHDRAWN: (whistle(), withdraws()),
    Stage.TO_DISPATCH: (whistle(matter(FOR_NOBODY)),),
    Stage.DISPATCHED: (whistle(),),
    Stage.REFUSAL_REVIEW: (whistle(), refuses()),
    Stage.CONSULTATION: (whistle(), refuses(), dismisses(), refuses()),
    Stage.HANDLING: (whistle(), signs_in()),
    Stage.EXTENSION_REVIEW: (whistle(), signs_in(), asks_extension()),
    Stage.SUSPENDED: (whistle(), signs_in(), asks_suspension(), grants()),
    Stage.CHECKING: (whistle(), signs_in(), finishes()),
    Stage.RATING: (whistle(), signs_in(), finishes(), passed()),
    Stage.REWORK: (whistle(), signs_in(), finishes(), failed()),
    Stage.CLOSED: (whistle(), signs_in(), finishes(), passed(), concluded()),
    Stage.ARCHIVED: (whistle(), signs_in(), finishes(), passed(), concluded(), time_to_object_is_over()),
}
"""A story that ends in each stage a case can rest in. `received` and `handled` are passed within one decision."""
