"""A case's history told in one line each, for the tests of feedback."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from services.feedback.domain.commands import (
    AnswerAsResident,
    Asker,
    AskExclusion,
    CheckResult,
    CheckSample,
    RateUnit,
    RuleOnExclusion,
)
from services.feedback.domain.measuring.scoring import Sampling, Scoring
from services.feedback.domain.review import Review
from services.feedback.domain.standards import Standards
from services.feedback.main import HANDLERS, handlers_by
from shared.contracts import facts as f
from shared.contracts.vocabulary import (
    ActorKind,
    AppealType,
    Ledger,
    Level,
    Measure,
    Obligation,
    ReworkCause,
    Role,
    Satisfaction,
    Source,
    Stage,
    Urgency,
)
from shared.runtime.decision import Decision, FromDoor, Input
from shared.runtime.service import Handler, decide_with
from shared.runtime.setup_files import read_units

CASE = UUID("01938000-0000-7000-8000-000000000001")
NUMBER = "HA20261123-0001"
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)

COMMUNITY = "110199001001"
OTHER_COMMUNITY = "110199001002"
HUB = "110199"
WATER = "util-water"
MARKET = "dept-market"

RULE = f.Actor(kind=ActorKind.RULE)
TREE = read_units(Path(__file__).parents[3] / "deploy" / "district" / "units.yaml")


def followed_by(share: str = "0") -> Mapping[type, Handler]:
    """The handlers with all that follows from a message; of closed cases, that share is drawn for a check."""
    sampling = Sampling(share=Decimal(share), silent=Decimal(share), reworked=Decimal(share))
    return handlers_by(lambda: Standards(TREE, Scoring(version="1", sampling=sampling)))


# --- who asks


def staff(unit: str, person: str = "staff") -> Asker:
    return Asker(actor=f.Actor(kind=ActorKind.STAFF, unit=unit, person=f"{person} of {unit}"), of_hub=unit == HUB)


def hotline() -> Asker:
    return Asker(actor=f.Actor(kind=ActorKind.HOTLINE, person="12345"))


def resident(of: str = NUMBER) -> Asker:
    return Asker(actor=f.Actor(kind=ActorKind.RESIDENT, person=of))


# --- what the case's log says


def matter(source: Source, resident_to_ask: bool, whistle_blower: str) -> f.Matter:
    return f.Matter(
        number=NUMBER,
        source=source,
        appeal_type=AppealType.HELP,
        urgency=Urgency.NORMAL,
        title="楼道水管漏水",
        content="三单元一层楼道水管漏水两天",
        region=COMMUNITY,
        whistle_blower=whistle_blower,
        received_at=NOW,
        resident_to_ask=resident_to_ask,
    )


def opened(
    source: Source = Source.RESIDENT,
    resident_to_ask: bool = True,
    whistle_blower: str = COMMUNITY,
    number_of_case: str = NUMBER,
) -> f.CaseOpened:
    return f.CaseOpened(
        number=number_of_case,
        source=source,
        stage=Stage.RECEIVED,
        actor=RULE,
        matter=matter(source, resident_to_ask, whistle_blower),
    )


def handled(
    number: int = 1,
    *units: str,
    resident_to_ask: bool = True,
    source: Source = Source.RESIDENT,
    whistle_blower: str = COMMUNITY,
    number_of_case: str = NUMBER,
) -> f.CaseHandled:
    return f.CaseHandled(
        number=number_of_case,
        source=source,
        stage=Stage.CHECKING,
        actor=RULE,
        units=units or (WATER,),
        round=number,
        resident_to_ask=resident_to_ask,
        whistle_blower=whistle_blower,
    )


def case_checked(passed: bool = True) -> f.CaseChecked:
    stage = Stage.RATING if passed else Stage.CHECKING
    return f.CaseChecked(number=NUMBER, source=Source.RESIDENT, stage=stage, actor=RULE, passed=passed)


def dispatched(*units: str, number: int = 1, resident_to_ask: bool = True) -> f.CaseDispatched:
    """The first of these units leads."""
    return f.CaseDispatched(
        number=NUMBER,
        source=Source.RESIDENT,
        stage=Stage.DISPATCHED,
        actor=RULE,
        level=Level.HUB,
        matter=matter(Source.RESIDENT, resident_to_ask, COMMUNITY),
        assignments=_made(*units, number=number),
        ledger=Ledger.FIXED_DEADLINE,
        reason=f.Reason(zh="", en=""),
    )


def _made(*units: str, number: int) -> tuple[f.AssignmentMade, ...]:
    return tuple(
        f.AssignmentMade(
            assignment_id=UUID(int=number * 100 + place),
            unit=unit,
            role=Role.CO_HANDLER if place else Role.LEAD,
            round=number,
        )
        for place, unit in enumerate(units or (WATER,))
    )


def rework(number: int, cause: ReworkCause = ReworkCause.CHECK_FAILED) -> f.CaseReworkOrdered:
    return f.CaseReworkOrdered(
        number=NUMBER,
        source=Source.RESIDENT,
        stage=Stage.REWORK,
        actor=RULE,
        cause=cause,
        matter=matter(Source.RESIDENT, True, COMMUNITY),
        assignments=(),
        round=number,
    )


def closed() -> f.CaseClosed:
    return f.CaseClosed(
        number=NUMBER,
        source=Source.RESIDENT,
        stage=Stage.CLOSED,
        actor=RULE,
        answer="已修复",
        ledger=Ledger.FIXED_DEADLINE,
        reason=f.Reason(zh="", en=""),
        assignments=(),
    )


def archived() -> f.CaseArchived:
    return f.CaseArchived(number=NUMBER, source=Source.RESIDENT, stage=Stage.ARCHIVED, actor=RULE)


# --- what sla says


def overdue(obligation: Obligation, generation: int = 1) -> f.DeadlineOverdue:
    return f.DeadlineOverdue(
        obligation=obligation,
        unit=COMMUNITY,
        generation=generation,
        started_at=NOW,
        due_at=NOW,
        fired_at=NOW,
        policy_version="1",
    )


# --- what people say


def passed(by: Asker | None = None) -> CheckResult:
    return CheckResult(asker=by or staff(COMMUNITY), passed=True)


def failed(note: str = "仍在渗水", by: Asker | None = None) -> CheckResult:
    return CheckResult(asker=by or staff(COMMUNITY), passed=False, note=note)


def rated(unit: str = WATER, score: int = 4, by: Asker | None = None) -> RateUnit:
    return RateUnit(asker=by or staff(COMMUNITY), unit=unit, contact=score, speed=score, result=score)


def answered(
    satisfaction: Satisfaction = Satisfaction.SATISFIED, solved: bool = True, by: Asker | None = None
) -> AnswerAsResident:
    return AnswerAsResident(asker=by or resident(), contacted=True, solved=solved, satisfaction=satisfaction)


def found(result: bool, by: Asker | None = None, note: str = "现场未修复", units: tuple[str, ...] = ()) -> CheckSample:
    """The hub's check of a case that was drawn."""
    return CheckSample(asker=by or staff(HUB), passed=result, note="" if result else note, failed_units=units)


def exclusion(number: int) -> UUID:
    return UUID(int=CASE.int + number)


def asks(
    *measures: Measure, by: Asker | None = None, unit: str = WATER, in_round: int = 1, number: int = 1, **words: str
) -> AskExclusion:
    return AskExclusion(
        asker=by or staff(unit),
        exclusion=exclusion(number),
        unit=unit,
        round=in_round,
        measures=measures or (Measure.HANDLE,),
        **({"reason": "暴雨红色预警期间停工", "basis": "区气象台预警信号"} | words),
    )


def rules(approved: bool = True, by: Asker | None = None, number: int = 1, reason: str = "属实") -> RuleOnExclusion:
    return RuleOnExclusion(
        asker=by or staff(HUB, "head"), exclusion=exclusion(number), approved=approved, reason=reason
    )


class History:
    """A review and what feedback has said so far; refuses nothing that feedback does not refuse."""

    def __init__(self, *messages: object, by: Mapping[type, Handler] = HANDLERS) -> None:
        self._decide = decide_with(by)
        self.review: Review | None = None
        self.said: list[f.Fact] = []
        for message in messages:
            assert self.tell(message).refusal is None, message

    def tell(self, message: object) -> Decision[Review]:
        """Decide one message as the road would, stored and read again in between."""
        decision = self._decide(self.review, Input(CASE, message, "an id", FromDoor(())), NOW)
        if decision.state is not None:
            self.review = Review.model_validate_json(decision.state.model_dump_json())
        self.said.extend(decision.facts)
        return decision

    @property
    def verdicts(self) -> list[f.FeedbackConcluded]:
        return [fact for fact in self.said if isinstance(fact, f.FeedbackConcluded)]

    @property
    def waiting(self) -> set[str]:
        return {what.value for what in self.review.waiting} if self.review is not None else set()
