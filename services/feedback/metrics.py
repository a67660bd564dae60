"""Feedback's own metrics: what it stated, counted as it is published, so that nothing rolled back is counted.

What is published again after a crash or a failure of the broker is counted again.
"""

from collections.abc import Sequence

from prometheus_client import Counter

from shared.contracts import facts as f
from shared.contracts.envelope import Envelope
from shared.contracts.vocabulary import Satisfaction
from shared.runtime.metrics import Labels, one_of
from shared.runtime.relay import Message

CHECKS = Counter("chuishao_feedback_checks_total", "Checks (验单) stated, by result.", ["result"])
RATINGS = Counter("chuishao_feedback_ratings_total", "Ratings (评单) of units stated.")
RESIDENT_ANSWERS = Counter(
    "chuishao_feedback_resident_answers_total", "Residents' answers stated, by satisfaction.", ["satisfaction"]
)
RESIDENTS_ASKED = Counter("chuishao_feedback_residents_asked_total", "Residents asked the three questions by a link.")
SAMPLES = Counter(
    "chuishao_feedback_samples_total", "Samples (抽查) by what became of them: drawn, passed, failed.", ["outcome"]
)
EXCLUSIONS = Counter(
    "chuishao_feedback_exclusions_total", "Exclusions (剔除): asked for, approved, turned down.", ["outcome"]
)
BOARD_ENTRIES = Counter(
    "chuishao_feedback_board_entries_total", "Entries of the public board: published, withheld.", ["outcome"]
)
CONCLUSIONS = Counter("chuishao_feedback_conclusions_total", "Verdicts stated: close or reopen.", ["verdict"])

LABELS: Labels = {
    "result": one_of("passed", "failed"),
    "satisfaction": one_of(*(satisfaction.value for satisfaction in Satisfaction)),
    "verdict": one_of("close", "reopen"),
    "chuishao_feedback_samples_total.outcome": one_of("drawn", "passed", "failed"),
    "chuishao_feedback_exclusions_total.outcome": one_of("asked", "approved", "turned_down"),
    "chuishao_feedback_board_entries_total.outcome": one_of("published", "withheld"),
}


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
        case f.FeedbackResidentAsked():
            RESIDENTS_ASKED.inc()
        case f.FeedbackSampled():
            SAMPLES.labels("drawn").inc()
        case f.FeedbackSampleChecked(passed=passed):
            SAMPLES.labels("passed" if passed else "failed").inc()
        case f.FeedbackExclusionAsked():
            EXCLUSIONS.labels("asked").inc()
        case f.FeedbackExclusionRuled(approved=approved):
            EXCLUSIONS.labels("approved" if approved else "turned_down").inc()
        case f.FeedbackPublished():
            BOARD_ENTRIES.labels("published").inc()
        case f.FeedbackWithheld():
            BOARD_ENTRIES.labels("withheld").inc()
    return ()
