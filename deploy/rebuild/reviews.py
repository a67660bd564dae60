"""feedback's decisions as they were, and what its own facts have made of a review."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.rebuild.history import History
from deploy.rebuild.in_force import InForceThen
from deploy.rebuild.replay import Said, Way
from services.feedback.domain.measuring.judged import judged
from services.feedback.domain.publication import Hidden
from services.feedback.domain.review import Answer, Check, Conclusion, Rating, Review
from services.feedback.domain.standards import Standards
from services.feedback.main import handlers_by
from services.feedback.setup import SCORING
from shared.contracts import facts as f
from shared.contracts.facts import Fact
from shared.runtime.decision import Input
from shared.runtime.district import UNITS
from shared.runtime.service import decide_with


@dataclass(slots=True)
class Reviews:
    """A `Decider`."""

    in_force: InForceThen

    @classmethod
    async def open(cls, connection: Any) -> "Reviews":
        in_force = InForceThen((UNITS, SCORING))
        await in_force.open(connection)
        return cls(in_force)

    def ways(self, history: History) -> Iterator[Way]:
        """No task of feedback changes a review."""
        for lag in self.in_force.lags(history.stated, history.said):
            yield Way(lag=lag)

    def hear(self, state: Any, item: Input[Any], now: datetime) -> Iterator[tuple[Any, tuple[Fact, ...]]]:
        for units, scoring in self.in_force.around(now):
            standards = Standards(units, scoring)
            decision = decide_with(handlers_by(lambda given=standards: given))(state, item, now)  # type: ignore[misc]
            yield decision.state if decision.state is not None else state, decision.facts

    def own(self, state: Any, said: Said, _history: History) -> Iterator[Any]:
        """What people said. Who may say what was decided then; here is what it made of the review."""
        review: Review = state
        for fact in said.facts:
            review = _after(review, fact, said.at)
            review = review.model_copy(update={"judged": judged(review.judged, fact, said.at)})
        yield review


def _after(review: Review, fact: Fact, at: datetime) -> Review:
    match fact:
        case f.FeedbackChecked():
            return review.checked(Check(**_verdict(fact), verdicts=fact.verdicts, by=fact.actor, at=at))
        case f.FeedbackUnitRated():
            scores = fact.model_dump(include={"unit", "contact", "speed", "result", "words"})
            return review.rated(Rating(**scores, at=at))
        case f.FeedbackResidentAnswered():
            said = fact.model_dump(include={"contacted", "solved", "satisfaction", "words"})
            return review.answered(Answer(**said, by=fact.actor, at=at))
        case f.FeedbackConcluded():
            conclusion = Conclusion(
                close=fact.close, reason=fact.reason, unrated=fact.unrated, resident_silent=fact.resident_silent
            )
            return review.concluded(conclusion).model_copy(update={"concluded_at": at})
        case f.FeedbackSampleChecked():
            return review.sample_checked(Check(**_verdict(fact), by=fact.actor, at=at))
        case f.FeedbackWithheld() if review.publication is not None:
            return review.model_copy(update={"publication": review.publication.taken_off(Hidden.WITHHELD)})
        case _:
            return review


def _verdict(fact: f.FeedbackChecked | f.FeedbackSampleChecked) -> dict[str, Any]:
    return {
        "passed": fact.passed,
        "note": fact.note,
        "evidence": fact.evidence,
        "failed_units": fact.failed_units,
    }
