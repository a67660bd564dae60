"""What the rehearsal has seen on the topics: where each case stands, which branches were played, how fast."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from deploy.demo.reform import POLICY_VERSION, RULES_VERSION
from deploy.demo.seen import ARGUED
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope
from shared.contracts.lifecycle import STAGES
from shared.contracts.vocabulary import (
    ActorKind,
    CaseList,
    DispatchCause,
    Level,
    LimitCause,
    RequestKind,
    ResumeCause,
    ReworkCause,
    Stage,
)

Plays: TypeAlias = tuple[type[f.Fact], Callable[[Any], bool]]
"""A fact that plays a branch, where this holds of it."""


def always(_: f.Fact) -> bool:
    return True


def by_rule(fact: f.CaseDispatched) -> bool:
    return fact.cause is DispatchCause.RULE


PLAYED: dict[str, tuple[Plays, ...]] = {
    # branch                      facts that play it, and which of them
    "self_handled": ((f.CaseDispatched, lambda fact: by_rule(fact) and fact.level is Level.COMMUNITY),),
    "street": ((f.CaseDispatched, lambda fact: by_rule(fact) and fact.level is Level.STREET),),
    "department": ((f.CaseDispatched, lambda fact: by_rule(fact) and fact.level is Level.DEPARTMENT),),
    "hub_desk": ((f.CaseSentToDesk, always),),
    "conflict_of_interest": (
        (f.CaseDispatched, lambda fact: by_rule(fact) and bool(fact.reason.basis)),
        (f.CaseSentToDesk, lambda fact: bool(fact.reason.basis)),
    ),
    "resident_verified": ((f.WhistleVerified, always),),
    "resident_declined": ((f.WhistleDeclined, always),),
    "signed_in": ((f.CaseSignedIn, always),),
    "joint_by_rule": ((f.CaseDispatched, lambda fact: by_rule(fact) and len(fact.assignments) > 1),),
    "joint_by_hub": ((f.CaseDispatched, lambda fact: fact.cause is DispatchCause.JOINED),),
    "co_handler_released": ((f.CaseDispatched, lambda fact: fact.cause is DispatchCause.RELEASED),),
    "transferred": ((f.CaseDispatched, lambda fact: fact.cause is DispatchCause.TRANSFERRED),),
    "lead_changed": ((f.CaseDispatched, lambda fact: fact.cause is DispatchCause.LEAD_CHANGED),),
    "refusal_upheld": ((f.CaseRefusalRuled, lambda fact: fact.upheld and fact.stage is not Stage.CONSULTATION),),
    "refusal_dismissed": ((f.CaseRefusalRuled, lambda fact: not fact.upheld and not fact.final),),
    "consultation_designated": (
        (f.CaseDispatched, lambda fact: fact.final),
        (f.CaseRefusalRuled, lambda fact: fact.final),
    ),
    "signed_in_during_refusal": ((f.CaseSignedIn, lambda fact: fact.stage in ARGUED),),
    "extension_approved": ((f.CaseRequestRuled, lambda fact: fact.approved and fact.kind is RequestKind.EXTENSION),),
    "extension_not_approved": ((f.CaseRequestRuled, lambda fact: not fact.approved),),
    "suspended": ((f.CaseRequestRuled, lambda fact: fact.approved and fact.kind is RequestKind.SUSPENSION),),
    "understanding_list": ((f.CaseListed, lambda fact: fact.case_list is CaseList.UNDERSTANDING),),
    "resumed_on_its_date": ((f.CaseResumed, lambda fact: fact.cause is ResumeCause.REVIEW_DATE),),
    "resumed_by_order": ((f.CaseResumed, lambda fact: fact.cause is ResumeCause.ORDERED),),
    "phased_list": ((f.CaseListed, lambda fact: fact.case_list is CaseList.PHASED),),
    "milestone_reached": ((f.CaseMilestoneReached, always),),
    "supervised_by_hub": ((f.CaseSupervised, lambda fact: fact.actor.kind is ActorKind.STAFF),),
    "supervised_by_clock": ((f.CaseSupervised, lambda fact: fact.actor.kind is ActorKind.CLOCK),),
    "taken_over": (
        (f.CaseDispatched, lambda fact: fact.cause is DispatchCause.ESCALATED),
        (f.CaseSentToDesk, lambda fact: bool(fact.released)),
    ),
    "supervision_ended": ((f.CaseSupervisionEnded, always),),
    "raised": ((f.CaseReprioritised, always),),
    "corrected": ((f.CaseCorrected, always),),
    "commented": ((f.CaseCommented, always),),
    "withdrawn": ((f.CaseWithdrawn, always),),
    "duplicate_found": ((f.CaseDuplicateFound, always),),
    "merged": ((f.CaseMerged, always),),
    "unmerged": ((f.CaseUnmerged, always),),
    "merged_answered": ((f.CaseAnswered, always),),
    "rules_changed": ((f.CaseDispatched, lambda fact: fact.reason.version == RULES_VERSION),),
    "handed_over": ((f.CaseHandedOver, lambda fact: fact.assignment_id is not None),),
    "due_times_told": ((f.CaseTimed, always),),
    "limit_of_its_own": ((f.DeadlineSet, lambda fact: any("exceptions" in limit.basis for limit in fact.limits)),),
    "limits_changed": (
        (
            f.DeadlineSet,
            lambda fact: (
                fact.cause is LimitCause.CASE and any(limit.policy_version == POLICY_VERSION for limit in fact.limits)
            ),
        ),
    ),
    "limits_applied": ((f.DeadlineSet, lambda fact: fact.cause is LimitCause.POLICY),),
    "provisional": ((f.DeadlineSet, lambda fact: any(limit.provisional for limit in fact.limits)),),
    "year_published": ((f.DeadlineSet, lambda fact: fact.cause is LimitCause.CALENDAR),),
    "check_failed_rework": ((f.CaseReworkOrdered, lambda fact: fact.cause is ReworkCause.CHECK_FAILED),),
    "unsatisfied_reopened": ((f.CaseReworkOrdered, lambda fact: fact.cause is ReworkCause.RESIDENT_UNSATISFIED),),
    "checked_unit_by_unit": ((f.FeedbackChecked, lambda fact: bool(fact.verdicts)),),
    "rated": ((f.FeedbackUnitRated, always),),
    "resident_asked": ((f.FeedbackResidentAsked, always),),
    "sampled": ((f.FeedbackSampled, always),),
    "sample_in_order": ((f.FeedbackSampleChecked, lambda fact: fact.passed),),
    "sample_wanting": ((f.CaseReworkOrdered, lambda fact: fact.cause is ReworkCause.HUB_ORDERED),),
    "exclusion_approved": ((f.FeedbackExclusionRuled, lambda fact: fact.approved),),
    "exclusion_turned_down": ((f.FeedbackExclusionRuled, lambda fact: not fact.approved),),
    "published": ((f.FeedbackPublished, always),),
    "withheld": ((f.FeedbackWithheld, lambda fact: fact.actor.kind is ActorKind.STAFF),),
    "surge": ((f.SurgeFound, always),),
    "rating_lapsed": ((f.FeedbackConcluded, lambda fact: bool(fact.unrated) or fact.resident_silent),),
    "warned": ((f.DeadlineWarned, always),),
    "overdue": ((f.CaseOverdue, always),),
    "escalated": ((f.CaseEscalated, always),),
    "hotline_answered": ((f.HotlineAnswered, always),),
    "archived": ((f.CaseArchived, always),),
}
"""Which fact plays which branch."""

AT_THE_DOORS = (
    *("hotline_json", "hotline_csv", "repeat_recognised", "bad_row_reported"),
    *("answered_by_link", "link_used_twice", "link_altered", "link_guessed", "called_back_by_12345"),
)
AFTERWARDS = (
    *("digests", "letters", "on_the_public_board", "answered_12345_by_http"),
    *("scorecard_computed", "scorecard_too_early", "scorecard_published", "scorecard_exported", "scorecard_verified"),
)
BRANCHES = (*PLAYED, *AT_THE_DOORS, *AFTERWARDS)
"""All that a rehearsal must have played."""


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
    def all_given(self) -> bool:
        """Whether every accepted whistle has become a case that units have, or had."""
        waiting = (Stage.RECEIVED, Stage.VERIFYING, Stage.TO_DISPATCH)
        return len(self.stages) >= self.accepted and not any(stage in waiting for stage in self.stages.values())

    @property
    def final(self) -> int:
        return sum(STAGES[stage].final for stage in self.stages.values())

    @property
    def closed(self) -> int:
        return sum(STAGES[stage].final or stage is Stage.CLOSED for stage in self.stages.values())

    def is_next(self, topic: str, partition: int, sequence: int) -> bool:
        """Whether this event of a log is the next one: neither a repeat on the wire nor ahead of its turn."""
        seen = self.seen.get((topic, partition))
        if seen is not None and sequence != seen + 1:
            return False
        self.seen[topic, partition] = sequence
        return True

    def count(self, branch: str, times: int = 1) -> None:
        """A branch that is not seen on a topic was played."""
        self.branches[branch] += times

    def see(self, envelope: Envelope, at: float) -> None:
        """Count one event of a log."""
        fact = envelope.fact
        if isinstance(fact, f.CaseFact):
            self.stages[envelope.subject] = fact.stage
        for branch, plays in PLAYED.items():
            if any(isinstance(fact, kind) and holds(fact) for kind, holds in plays):
                self.branches[branch] += 1
        if isinstance(fact, f.CaseClosed):
            self.last_closed = at

    def latencies_ms(self) -> list[float]:
        """From sending the whistle to the unit's topic, for what a rule sent straight to a unit."""
        both = self.sent_at.keys() & self.assigned_at.keys()
        return sorted((self.assigned_at[case] - self.sent_at[case]) * 1000 for case in both)


def percentile(ordered: list[float], share: float) -> float | None:
    """The nearest-rank percentile of ordered figures; None of nothing."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
