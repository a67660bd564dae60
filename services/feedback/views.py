"""What the HTTP door shows of reviews. A figure without a denominator is null, shown as "—", never 0 or 100 %."""

from collections.abc import Mapping
from uuid import UUID

from pydantic import BaseModel, Field

from services.feedback.domain.review import Answer, Check, Conclusion, Rating, Review, Round, Tally, Waiting
from shared.contracts.vocabulary import Satisfaction, Source


class Standing(BaseModel):
    """Where a review stands after a command."""

    number: str
    round: int
    waiting: list[Waiting]
    unrated: list[str] = Field(description="units of the round that are not rated")
    conclusion: Conclusion | None


class CheckView(BaseModel):
    passed: bool
    note: str
    evidence: list[dict[str, str]]
    by_unit: str | None
    at: str

    @classmethod
    def of(cls, check: Check) -> "CheckView":
        return cls(
            passed=check.passed,
            note=check.note,
            evidence=[piece.model_dump() for piece in check.evidence],
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

    @classmethod
    def of(cls, case_id: UUID, review: Review, with_words: bool) -> "ReviewView":
        if review.case is None:
            raise ValueError("the case of this review is not known yet")
        return cls(
            case=case_id,
            number=review.case.number,
            source=review.case.source,
            whistle_blower=review.case.whistle_blower,
            resident_to_ask=review.case.resident_to_ask,
            since=review.since.isoformat(),
            waiting=list(review.waiting),
            check_overdue=review.check_overdue,
            rate_overdue=review.rate_overdue,
            checks_failed=review.tally.checks_failed,
            reopened_by_right=review.reopened_by_right,
            rounds=[RoundView.of(each, with_words) for each in review.rounds],
        )


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
    """The summary of these counts; shares and averages rounded to four places."""
    return Summary(
        unit=unit,
        reviews=reviews,
        waiting={what: waiting.get(what, 0) for what in Waiting},
        checks=ChecksSummary(
            passed=tally.checks_passed,
            failed=tally.checks_failed,
            passed_share=_share(tally.checks_passed, tally.checks_passed + tally.checks_failed),
        ),
        ratings=RatingsSummary(
            rated=tally.rated,
            unrated=tally.unrated,
            rated_share=_share(tally.rated, tally.rated + tally.unrated),
            contact=_share(tally.contact, tally.rated),
            speed=_share(tally.speed, tally.rated),
            result=_share(tally.result, tally.rated),
        ),
        residents=ResidentsSummary(
            answered=tally.answered,
            silent=tally.silent,
            answered_share=_share(tally.answered, tally.answered + tally.silent),
            contacted=tally.contacted,
            solved=tally.solved,
            satisfied=tally.satisfied,
            basically_satisfied=tally.basically_satisfied,
            unsatisfied=tally.unsatisfied,
        ),
        conclusions=ConclusionsSummary(closed=tally.closed, reopened=tally.reopened),
    )


def _share(part: int, whole: int) -> float | None:
    return None if whole == 0 else round(part / whole, 4)
