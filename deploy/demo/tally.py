"""What the rehearsal has seen on the topics: where each case stands, which branches were played, how fast."""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from shared.contracts import facts as f
from shared.contracts.envelope import Envelope
from shared.contracts.lifecycle import STAGES
from shared.contracts.vocabulary import Level, ReworkCause, Stage

BRANCHES = (
    "self_handled",
    "street",
    "department",
    "hub_desk",
    "resident_verified",
    "resident_declined",
    "signed_in",
    "refusal_upheld",
    "refusal_dismissed",
    "consultation_designated",
    "check_failed_rework",
    "unsatisfied_reopened",
    "rated",
    "rating_lapsed",
    "warned",
    "overdue",
    "escalated",
    "hotline_json",
    "hotline_csv",
    "hotline_answered",
    "repeat_recognised",
    "bad_row_reported",
    "archived",
)


@dataclass(slots=True)
class Tally:
    """Counts of one rehearsal. Cases that were there before it are not counted."""

    accepted: int = 0
    stages: dict[UUID, Stage] = field(default_factory=dict)
    branches: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(BRANCHES, 0)))
    seen: dict[tuple[str, int], int] = field(default_factory=dict)
    sent_at: dict[UUID, float] = field(default_factory=dict)
    assigned_at: dict[UUID, float] = field(default_factory=dict)
    first_accepted: float | None = None
    last_closed: float | None = None

    @property
    def by_stage(self) -> Counter[Stage]:
        return Counter(self.stages.values())

    @property
    def final(self) -> int:
        return sum(STAGES[stage].final for stage in self.stages.values())

    @property
    def closed(self) -> int:
        return sum(STAGES[stage].final or stage is Stage.CLOSED for stage in self.stages.values())

    def is_repeat(self, topic: str, partition: int, sequence: int) -> bool:
        """Whether this event of a log was seen before (a repeat on the wire)."""
        if sequence <= self.seen.get((topic, partition), 0):
            return True
        self.seen[topic, partition] = sequence
        return False

    def see(self, envelope: Envelope, at: float) -> None:
        """Count one event of a log."""
        fact = envelope.fact
        if isinstance(fact, f.CaseFact):
            self.stages[envelope.subject] = fact.stage
        for branch in _branches(fact):
            self.branches[branch] += 1
        if isinstance(fact, f.CaseClosed):
            self.last_closed = at

    def latencies_ms(self) -> list[float]:
        """From sending the whistle to the unit's topic, for what a rule sent straight to a unit."""
        both = self.sent_at.keys() & self.assigned_at.keys()
        return sorted((self.assigned_at[case] - self.sent_at[case]) * 1000 for case in both)


PLAYED: tuple[tuple[str, type[f.Fact], dict[str, object]], ...] = (
    ("self_handled", f.CaseDispatched, {"final": False, "level": Level.COMMUNITY}),
    ("street", f.CaseDispatched, {"final": False, "level": Level.STREET}),
    ("department", f.CaseDispatched, {"final": False, "level": Level.DEPARTMENT}),
    ("hub_desk", f.CaseSentToDesk, {}),
    ("resident_verified", f.WhistleVerified, {}),
    ("resident_declined", f.WhistleDeclined, {}),
    ("signed_in", f.CaseSignedIn, {}),
    ("refusal_upheld", f.CaseRefusalRuled, {"final": False, "upheld": True}),
    ("refusal_dismissed", f.CaseRefusalRuled, {"final": False, "upheld": False}),
    ("consultation_designated", f.CaseDispatched, {"final": True}),
    ("consultation_designated", f.CaseRefusalRuled, {"final": True}),
    ("check_failed_rework", f.CaseReworkOrdered, {"cause": ReworkCause.CHECK_FAILED}),
    ("unsatisfied_reopened", f.CaseReworkOrdered, {"cause": ReworkCause.RESIDENT_UNSATISFIED}),
    ("rated", f.FeedbackUnitRated, {}),
    ("warned", f.DeadlineWarned, {}),
    ("overdue", f.CaseOverdue, {}),
    ("escalated", f.CaseEscalated, {}),
    ("hotline_answered", f.HotlineAnswered, {}),
    ("archived", f.CaseArchived, {}),
)
"""Which fact, with which values, plays which branch."""


def _branches(fact: f.Fact) -> list[str]:
    if isinstance(fact, f.FeedbackConcluded):
        return ["rating_lapsed"] if fact.unrated or fact.resident_silent else []
    return [
        branch
        for branch, kind, values in PLAYED
        if isinstance(fact, kind) and all(getattr(fact, name) == value for name, value in values.items())
    ]


def percentile(ordered: list[float], share: float) -> float | None:
    """The nearest-rank percentile of ordered figures; None of nothing."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
