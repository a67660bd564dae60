"""A case's history told in one line each, for the tests of feedback."""

from datetime import UTC, datetime
from uuid import UUID

from services.feedback.domain.commands import AnswerAsResident, Asker, CheckResult, RateUnit
from services.feedback.domain.review import Review
from services.feedback.main import HANDLERS
from shared.contracts import facts as f
from shared.contracts.vocabulary import (
    ActorKind,
    AppealType,
    Ledger,
    Obligation,
    ReworkCause,
    Satisfaction,
    Source,
    Stage,
    Urgency,
)
from shared.runtime.decision import Decision, FromDoor, Input
from shared.runtime.service import decide_with

CASE = UUID("01938000-0000-7000-8000-000000000001")
NUMBER = "HA20261123-0001"
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)

COMMUNITY = "110199001001"
OTHER_COMMUNITY = "110199001002"
HUB = "110199"
WATER = "util-water"
MARKET = "dept-market"

RULE = f.Actor(kind=ActorKind.RULE)
decide = decide_with(HANDLERS)


# --- who asks


def staff(unit: str) -> Asker:
    return Asker(actor=f.Actor(kind=ActorKind.STAFF, unit=unit, person=f"staff of {unit}"), of_hub=unit == HUB)


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


class History:
    """A review and what feedback has said so far; refuses nothing that feedback does not refuse."""

    def __init__(self, *messages: object) -> None:
        self.review: Review | None = None
        self.said: list[f.Fact] = []
        for message in messages:
            assert self.tell(message).refusal is None, message

    def tell(self, message: object) -> Decision[Review]:
        """Decide one message as the road would, stored and read again in between."""
        decision = decide(self.review, Input(CASE, message, "an id", FromDoor(())), NOW)
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
