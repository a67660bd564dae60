"""The review of one case: what was checked, rated and answered in each round, and what came of it.

A round begins with the case's 办结 (`CaseHandled`) and is over when its check failed, when it was concluded,
or when the case moved on without us. Rounds are kept: ratings and answers belong to the round they were given in.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field, computed_field

from services.feedback.domain.measuring.judged import Judged
from services.feedback.domain.measuring.record import CaseRecord
from services.feedback.domain.moment import SortableMoment
from services.feedback.domain.publication import Publication
from shared.contracts.facts import Actor, Evidence, Reason, Score, UnitCode, UnitVerdict, Value
from shared.contracts.vocabulary import Satisfaction, Source


class Waiting(StrEnum):
    """What a review waits for."""

    CHECK = "check"  # 待核查（验单）
    RATING = "rating"  # 待评价（评单）
    RESIDENT = "resident"  # 待居民答复
    SAMPLE = "sample"  # 待抽查（区级治理中心）


class ReviewedCase(Value):
    """What the case's own log said of it, as far as the review needs it."""

    number: str
    source: Source
    whistle_blower: UnitCode
    resident_to_ask: bool


class Check(Value):
    """验单: found handled, or not, and by which units it was not; none named = all who reported."""

    passed: bool
    note: str = ""
    evidence: tuple[Evidence, ...] = ()
    failed_units: tuple[UnitCode, ...] = ()
    verdicts: tuple[UnitVerdict, ...] = ()
    by: Actor
    at: datetime


class Sample(Value):
    """抽查: a closed case was drawn for the hub to check, in that round.

    `lapsed`: it was archived or reworked before the hub had looked.
    """

    round: int
    reason: Reason
    drawn_at: datetime
    check: Check | None = None
    lapsed: bool = False

    @property
    def awaited(self) -> bool:
        return self.check is None and not self.lapsed


class Rating(Value):
    """评单: one unit, rated by the whistle-blower; three scores from 1 to 5."""

    unit: UnitCode
    contact: Score
    speed: Score
    result: Score
    words: str = ""
    at: datetime


class Answer(Value):
    """The resident's answer to the three questions. No answer at all = 未评价, which is nowhere an `Answer`."""

    contacted: bool
    solved: bool
    satisfaction: Satisfaction
    words: str = ""
    by: Actor
    at: datetime

    @property
    def objects(self) -> bool:
        """Unsolved or unsatisfied: what reopens a case by right."""
        return not self.solved or self.satisfaction is Satisfaction.UNSATISFIED


class Conclusion(Value):
    """The verdict on a round, with those who stayed silent named."""

    close: bool
    reason: Reason
    unrated: tuple[UnitCode, ...] = ()
    resident_silent: bool = False


class Round(Value):
    """One round of a review, numbered as the case's rounds are. `units` reported for duty in it."""

    number: int
    units: tuple[UnitCode, ...]
    check: Check | None = None
    ratings: tuple[Rating, ...] = ()
    answer: Answer | None = None
    conclusion: Conclusion | None = None
    overtaken: bool = False
    """The case was closed or sent back before there was a verdict."""
    asked_until: datetime | None = None
    """请居民评价: until when the resident may answer by a link; None where they were not asked."""
    results: dict[UnitCode, str] = Field(default_factory=dict)
    """What each unit said it did."""

    @property
    def open(self) -> bool:
        return not (self.failed or self.conclusion or self.overtaken)

    @property
    def failed(self) -> bool:
        return self.check is not None and not self.check.passed

    @property
    def passed(self) -> bool:
        return self.check is not None and self.check.passed

    @property
    def unrated(self) -> tuple[UnitCode, ...]:
        rated = {rating.unit for rating in self.ratings}
        return tuple(unit for unit in self.units if unit not in rated)


class Tally(Value):
    """Counts and sums over all rounds of a review, or over many reviews.

    `unrated` and `silent` count only where a verdict was given without them; who may still speak is neither.
    `contact`, `speed` and `result` are sums of scores over `rated`.
    """

    checks_passed: int = 0
    checks_failed: int = 0
    rated: int = 0
    unrated: int = 0
    contact: int = 0
    speed: int = 0
    result: int = 0
    answered: int = 0
    silent: int = 0
    contacted: int = 0
    solved: int = 0
    satisfied: int = 0
    basically_satisfied: int = 0
    unsatisfied: int = 0
    closed: int = 0
    reopened: int = 0


_NOTHING = Tally()


class Review(Value):
    """Everything known about the verdict on one case.

    `case` is None while only a deadline of it has been read: `deadlines` may be read ahead of `cases`.
    `check_overdue_in` and `rate_overdue_in` are rounds whose deadline has passed, remembered whatever came first.
    `record` and `judged` are what is measured of the case; None before it was opened.
    `results`: what each unit last said it did; a round keeps those of its units as it begins.
    `concluded_at` is when the last verdict was given here. `samples`: one a closing at most.
    """

    case: ReviewedCase | None = None
    since: SortableMoment
    rounds: tuple[Round, ...] = ()
    check_overdue_in: tuple[int, ...] = ()
    rate_overdue_in: tuple[int, ...] = ()
    reopened_by_right: bool = False
    concluded_at: datetime | None = None
    samples: tuple[Sample, ...] = ()
    record: CaseRecord | None = None
    judged: Judged = Judged()
    publication: Publication | None = None
    results: dict[UnitCode, str] = Field(default_factory=dict)

    @property
    def round(self) -> Round | None:
        """The present round, or the last one while the units are at work again; None before the first 办结."""
        return self.rounds[-1] if self.rounds else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """What is still awaited from people. Kept with the state for the lists."""
        if not self.rounds and not self.samples:
            return ()
        present = self.round if self.round is not None and self.round.open else None
        awaited = {
            Waiting.CHECK: present is not None and present.check is None,
            Waiting.RATING: present is not None and bool(present.unrated),
            Waiting.RESIDENT: present is not None and self.resident_awaited,
            Waiting.SAMPLE: self.sample is not None and self.sample.awaited,
        }
        return tuple(what for what, is_awaited in awaited.items() if is_awaited)

    @property
    def sample(self) -> Sample | None:
        """The last time it was drawn for a check by the hub."""
        return self.samples[-1] if self.samples else None

    @property
    def resident_awaited(self) -> bool:
        """There is a resident to ask who has not answered in this round."""
        return (
            self.case is not None and self.case.resident_to_ask and self.round is not None and self.round.answer is None
        )

    @property
    def check_overdue(self) -> bool:
        return self.round is not None and self.round.number in self.check_overdue_in

    @property
    def rate_overdue(self) -> bool:
        return self.round is not None and self.round.number in self.rate_overdue_in

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tally(self) -> Tally:
        """The review in numbers. Kept with the state for the summary."""
        return tally(self.rounds)

    # --- what may follow ------------------------------------------------------------------------------

    def opened(self, number: int, units: tuple[UnitCode, ...], now: datetime) -> "Review":
        """A new round; whatever was still open in the one before is over."""
        begun = Round(number=number, units=tuple(dict.fromkeys(units)))
        before = self.overtaken()
        return before.model_copy(update={"rounds": (*before.rounds, begun), "since": now})

    def overtaken(self) -> "Review":
        """The case moved on; a round that was still open stays without a verdict, a sample unchecked."""
        review = self.unsampled()
        if review.round is None or not review.round.open:
            return review
        return review._with_round(review.round.model_copy(update={"overtaken": True}))

    def unsampled(self) -> "Review":
        """It is too late for the hub to check what was drawn."""
        if self.sample is None or not self.sample.awaited:
            return self
        return self._with_sample(self.sample.model_copy(update={"lapsed": True}))

    def checked(self, check: Check) -> "Review":
        return self._with_round(self._now_open().model_copy(update={"check": check}))

    def rated(self, rating: Rating) -> "Review":
        present = self._now_open()
        return self._with_round(present.model_copy(update={"ratings": (*present.ratings, rating)}))

    def answered(self, answer: Answer) -> "Review":
        return self._with_round(self._now_open().model_copy(update={"answer": answer}))

    def concluded(self, conclusion: Conclusion) -> "Review":
        review = self._with_round(self._now_open().model_copy(update={"conclusion": conclusion}))
        return review if conclusion.close else review.model_copy(update={"reopened_by_right": True})

    def drawn(self, reason: Reason, now: datetime) -> "Review":
        if self.round is None:
            raise ValueError("nothing was handled: there is nothing to sample")
        sample = Sample(round=self.round.number, reason=reason, drawn_at=now)
        return self.model_copy(update={"samples": (*self.samples, sample)})

    def sample_checked(self, check: Check) -> "Review":
        if self.sample is None or not self.sample.awaited:
            raise ValueError("no sample is awaited: the guards come first")
        return self._with_sample(self.sample.model_copy(update={"check": check}))

    def _with_sample(self, last: Sample) -> "Review":
        return self.model_copy(update={"samples": (*self.samples[:-1], last)})

    def _now_open(self) -> Round:
        if self.round is None or not self.round.open:
            raise ValueError("no round is open: the guards come first")
        return self.round

    def _with_round(self, present: Round) -> "Review":
        return self.model_copy(update={"rounds": (*self.rounds[:-1], present)})


def tally(rounds: tuple[Round, ...]) -> Tally:
    """Count and add up these rounds."""
    if not rounds:
        return _NOTHING
    ratings = [rating for each in rounds for rating in each.ratings]
    answers = [each.answer for each in rounds if each.answer is not None]
    checks = [each.check for each in rounds if each.check is not None]
    conclusions = [each.conclusion for each in rounds if each.conclusion is not None]
    satisfactions = [answer.satisfaction for answer in answers]
    return Tally(
        checks_passed=sum(check.passed for check in checks),
        checks_failed=sum(not check.passed for check in checks),
        rated=len(ratings),
        unrated=sum(len(conclusion.unrated) for conclusion in conclusions),
        contact=sum(rating.contact for rating in ratings),
        speed=sum(rating.speed for rating in ratings),
        result=sum(rating.result for rating in ratings),
        answered=len(answers),
        silent=sum(conclusion.resident_silent for conclusion in conclusions),
        contacted=sum(answer.contacted for answer in answers),
        solved=sum(answer.solved for answer in answers),
        satisfied=satisfactions.count(Satisfaction.SATISFIED),
        basically_satisfied=satisfactions.count(Satisfaction.BASICALLY_SATISFIED),
        unsatisfied=satisfactions.count(Satisfaction.UNSATISFIED),
        closed=sum(conclusion.close for conclusion in conclusions),
        reopened=sum(not conclusion.close for conclusion in conclusions),
    )


def names_case(text: str, case_id: UUID, case: ReviewedCase) -> bool:
    """Whether `text` is this case's id or number."""
    return text in (case.number, str(case_id))
