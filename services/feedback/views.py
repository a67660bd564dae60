"""What the HTTP door shows of reviews. A figure without a denominator is null, shown as "—", never 0 or 100 %."""

from collections.abc import Mapping
from uuid import UUID

from pydantic import BaseModel, Field

from services.feedback.domain.commands import Asker
from services.feedback.domain.measuring.judged import Exclusion
from services.feedback.domain.review import Answer, Check, Conclusion, Rating, Review, Round, Sample, Tally, Waiting
from shared.contracts.facts import Actor, Reason
from shared.contracts.vocabulary import Measure, Satisfaction, Source


class Standing(BaseModel):
    """Where a review stands after a command."""

    number: str
    round: int
    waiting: list[Waiting]
    unrated: list[str] = Field(description="units of the round that are not rated")
    conclusion: Conclusion | None


class VerdictView(BaseModel):
    """验单 of one unit's part."""

    unit: str
    passed: bool
    note: str
    evidence: list[dict[str, str]]


class CheckView(BaseModel):
    passed: bool
    note: str
    evidence: list[dict[str, str]]
    failed_units: list[str] = Field(description="empty where it passed, or where all who reported failed")
    verdicts: list[VerdictView] = Field(description="unit by unit, where it was said so")
    by_unit: str | None
    at: str

    @classmethod
    def of(cls, check: Check) -> "CheckView":
        return cls(
            passed=check.passed,
            note=check.note,
            evidence=[piece.model_dump() for piece in check.evidence],
            failed_units=list(check.failed_units),
            verdicts=[VerdictView.model_validate(verdict.model_dump()) for verdict in check.verdicts],
            by_unit=check.by.unit,
            at=check.at.isoformat(),
        )


class RatingView(BaseModel):
    unit: str
    contact: int
    speed: int
    result: int
    words: str
    at: str

    @classmethod
    def of(cls, rating: Rating) -> "RatingView":
        return cls.model_validate(rating.model_dump(mode="json"))


class AnswerView(BaseModel):
    contacted: bool
    solved: bool
    satisfaction: Satisfaction
    words: str | None = Field(description="null where the asker may not read the resident's own words")
    taken_by: str = Field(description="who gave it: resident, hotline (call-back) or staff (on the phone)")
    at: str

    @classmethod
    def of(cls, answer: Answer, with_words: bool) -> "AnswerView":
        return cls(
            contacted=answer.contacted,
            solved=answer.solved,
            satisfaction=answer.satisfaction,
            words=answer.words if with_words else None,
            taken_by=answer.by.kind.value,
            at=answer.at.isoformat(),
        )


class RoundView(BaseModel):
    number: int
    units: list[str]
    unrated: list[str]
    open: bool
    check: CheckView | None
    ratings: list[RatingView]
    answer: AnswerView | None
    conclusion: Conclusion | None

    @classmethod
    def of(cls, each: Round, with_words: bool) -> "RoundView":
        return cls(
            number=each.number,
            units=list(each.units),
            unrated=list(each.unrated),
            open=each.open,
            check=CheckView.of(each.check) if each.check is not None else None,
            ratings=[RatingView.of(rating) for rating in each.ratings],
            answer=AnswerView.of(each.answer, with_words) if each.answer is not None else None,
            conclusion=each.conclusion,
        )


class SampleView(BaseModel):
    """抽查: drawn for a check by the hub, and what it found; null = not checked."""

    round: int
    reason: Reason
    drawn_at: str
    lapsed: bool = Field(description="archived or reworked before the hub had looked")
    check: CheckView | None

    @classmethod
    def of(cls, sample: Sample) -> "SampleView":
        return cls(
            round=sample.round,
            reason=sample.reason,
            drawn_at=sample.drawn_at.isoformat(),
            lapsed=sample.lapsed,
            check=CheckView.of(sample.check) if sample.check is not None else None,
        )


class ExclusionView(BaseModel):
    """剔除: what is asked to be left out of the adjusted figures, why, and what was ruled; null = not ruled on yet."""

    id: UUID
    round: int
    unit: str
    measures: list[Measure]
    reason: str
    basis: str
    asked_by: Actor
    asked_at: str
    approved: bool | None
    ruling: str | None
    ruled_by: Actor | None
    ruled_at: str | None

    @classmethod
    def of(cls, asked: Exclusion) -> "ExclusionView":
        return cls(
            id=asked.id,
            round=asked.round,
            unit=asked.unit,
            measures=list(asked.measures),
            reason=asked.reason,
            basis=asked.basis,
            asked_by=asked.asked_by,
            asked_at=asked.asked_at.isoformat(),
            approved=asked.approved,
            ruling=asked.ruling if asked.approved is not None else None,
            ruled_by=asked.ruled_by,
            ruled_at=asked.ruled_at.isoformat() if asked.ruled_at is not None else None,
        )


class ReviewView(BaseModel):
    """One review with all its rounds."""

    case: UUID
    number: str
    source: Source
    whistle_blower: str
    resident_to_ask: bool
    since: str = Field(description="when the present round began (UTC)")
    waiting: list[Waiting]
    check_overdue: bool = Field(description="the hub may check in the whistle-blower's stead")
    rate_overdue: bool
    checks_failed: int
    reopened_by_right: bool
    rounds: list[RoundView]
    samples: list[SampleView] = Field(description="抽查; those not checked are shown to the hub only")
    exclusions: list[ExclusionView] = Field(description="剔除; all for the hub, its own for a unit")

    @classmethod
    def of(cls, case_id: UUID, review: Review, with_words: bool, asker: Asker) -> "ReviewView":
        if review.case is None:
            raise ValueError("the case of this review is not known yet")
        return cls(
            case=case_id,
            number=review.case.number,
            source=review.case.source,
            whistle_blower=review.case.whistle_blower,
            resident_to_ask=review.case.resident_to_ask,
            since=review.since.isoformat(),
            waiting=[what for what in review.waiting if what in waits_shown(asker)],
            check_overdue=review.check_overdue,
            rate_overdue=review.rate_overdue,
            checks_failed=review.tally.checks_failed,
            reopened_by_right=review.reopened_by_right,
            rounds=[RoundView.of(each, with_words) for each in review.rounds],
            samples=[SampleView.of(one) for one in review.samples if asker.is_staff_of_hub or one.check is not None],
            exclusions=[
                ExclusionView.of(one)
                for one in review.judged.exclusions
                if asker.is_staff_of_hub or asker.is_staff_of(one.unit)
            ],
        )


def waits_shown(asker: Asker) -> list[Waiting]:
    """What the asker is told that reviews wait for; which cases were drawn for a check is the hub's alone to know."""
    return [what for what in Waiting if what is not Waiting.SAMPLE or asker.is_staff_of_hub]


class ReviewPage(BaseModel):
    """A page of reviews; `next` is the cursor of the page after it, null on the last one."""

    reviews: list[ReviewView]
    next: str | None


class ChecksSummary(BaseModel):
    passed: int
    failed: int
    passed_share: float | None


class RatingsSummary(BaseModel):
    rated: int
    unrated: int
    rated_share: float | None
    contact: float | None
    speed: float | None
    result: float | None


class ResidentsSummary(BaseModel):
    answered: int
    silent: int = Field(description="评价期限内未答复: 未评价, in no figure of satisfaction")
    answered_share: float | None
    contacted: int
    solved: int
    satisfied: int
    basically_satisfied: int
    unsatisfied: int


class ConclusionsSummary(BaseModel):
    closed: int
    reopened: int


class Summary(BaseModel):
    """Reviews in numbers: all of the hub's, or one unit's."""

    unit: str | None
    reviews: int
    waiting: dict[Waiting, int]
    checks: ChecksSummary
    ratings: RatingsSummary
    residents: ResidentsSummary
    conclusions: ConclusionsSummary


def summarise(unit: str | None, reviews: int, waiting: Mapping[Waiting, int], tally: Tally) -> Summary:
    """The summary of these counts, of `waiting` as they are given; shares and averages rounded to four places."""
    return Summary(
        unit=unit,
        reviews=reviews,
        waiting=dict(waiting),
        checks=ChecksSummary(
            passed=tally.checks_passed,
            failed=tally.checks_failed,
            passed_share=share(tally.checks_passed, tally.checks_passed + tally.checks_failed),
        ),
        ratings=RatingsSummary(
            rated=tally.rated,
            unrated=tally.unrated,
            rated_share=share(tally.rated, tally.rated + tally.unrated),
            contact=share(tally.contact, tally.rated),
            speed=share(tally.speed, tally.rated),
            result=share(tally.result, tally.rated),
        ),
        residents=ResidentsSummary(
            answered=tally.answered,
            silent=tally.silent,
            answered_share=share(tally.answered, tally.answered + tally.silent),
            contacted=tally.contacted,
            solved=tally.solved,
            satisfied=tally.satisfied,
            basically_satisfied=tally.basically_satisfied,
            unsatisfied=tally.unsatisfied,
        ),
        conclusions=ConclusionsSummary(closed=tally.closed, reopened=tally.reopened),
    )


def share(part: float, whole: int) -> float | None:
    """Rounded to four places; None where there is nothing to divide by."""
    return None if whole == 0 else round(part / whole, 4)
