"""Feedback's own metrics: what it stated, counted as it is published, so that nothing rolled back is counted.

What is published again after a crash or a failure of the broker is counted again.
"""

from collections.abc import Sequence

from prometheus_client import Counter

from shared.contracts import facts as f
from shared.contracts.envelope import Envelope
from shared.runtime.relay import Message

CHECKS = Counter("chuishao_feedback_checks_total", "Checks (验单) stated, by result.", ["result"])
RATINGS = Counter("chuishao_feedback_ratings_total", "Ratings (评单) of units stated.")
RESIDENT_ANSWERS = Counter(
    "chuishao_feedback_resident_answers_total", "Residents' answers stated, by satisfaction.", ["satisfaction"]
)
CONCLUSIONS = Counter("chuishao_feedback_conclusions_total", "Verdicts stated: close or reopen.", ["verdict"])


def count(envelope: Envelope) -> Sequence[Message]:
    """The relay's projection: outsiders are told nothing here, but what is published is counted."""
    match envelope.fact:
        case f.FeedbackChecked(passed=passed):
            CHECKS.labels("passed" if passed else "failed").inc()
        case f.FeedbackUnitRated():
            RATINGS.inc()
        case f.FeedbackResidentAnswered(satisfaction=satisfaction):
            RESIDENT_ANSWERS.labels(satisfaction.value).inc()
        case f.FeedbackConcluded(close=close):
            CONCLUSIONS.labels("close" if close else "reopen").inc()
    return ()
