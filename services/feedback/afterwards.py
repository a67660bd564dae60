"""What may follow a verdict: the hub's sample check, and exclusions from what is measured. Pure, as the handlers are.

An exclusion may be asked for and ruled on at any time, also of an archived case: it changes figures, never the case.
"""

from datetime import datetime
from uuid import UUID

from services.feedback.domain.commands import AskExclusion, CheckSample, RuleOnExclusion
from services.feedback.domain.guards import ready_to_ask_exclusion, ready_to_check_sample, ready_to_rule
from services.feedback.domain.review import Check, Review
from services.feedback.domain.sampling import draw
from services.feedback.domain.standards import Standards
from shared.contracts import facts as f
from shared.runtime.decision import Decision, Input, Refusal

# --- followers ---------------------------------------------------------------------------------------------


def remember_verdict(
    _case_id: UUID, review: Review, _fact: f.Fact, _standards: Standards, now: datetime
) -> tuple[Review, tuple[f.Fact, ...]]:
    """When the verdict was given: the lot of a sample is drawn by it."""
    return review.model_copy(update={"concluded_at": now}), ()


def draw_sample(
    case_id: UUID, review: Review, _fact: f.Fact, standards: Standards, now: datetime
) -> tuple[Review, tuple[f.Fact, ...]]:
    """抽查: a case that has closed may be drawn for a check by the hub."""
    reason = draw(case_id, review, standards.scoring)
    if reason is None or review.round is None:
        return review, ()
    return review.drawn(reason, now), (f.FeedbackSampled(round=review.round.number, reason=reason),)


# --- handlers ----------------------------------------------------------------------------------------------


def case_archived(state: Review | None, _item: Input[f.CaseArchived], _now: datetime) -> Decision[Review]:
    """归档: nothing is reworked any more, so nothing is left to sample."""
    if state is None or state.sample is None or not state.sample.awaited:
        return Decision(note="no sample was awaited")
    return Decision(state.unsampled())


def check_sample(state: Review | None, item: Input[CheckSample], now: datetime) -> Decision[Review]:
    """抽查结果: found wanting, the router has it done again."""
    command = item.message
    ready = ready_to_check_sample(state, command)
    if isinstance(ready, Refusal):
        return Decision(refusal=ready)
    said = command.model_dump(include={"passed", "note", "evidence", "failed_units"})
    check = Check(**said, by=command.asker.actor, at=now)
    fact = f.FeedbackSampleChecked(**said, round=ready.sample.round, actor=command.asker.actor)
    answer = {"number": _number(ready.review), "round": ready.sample.round, "passed": command.passed}
    return Decision(ready.review.sample_checked(check), (fact,), answer=answer)


def ask_exclusion(state: Review | None, item: Input[AskExclusion], _now: datetime) -> Decision[Review]:
    """申请剔除. What is measured takes it from the fact (see `following`)."""
    command = item.message
    ready = ready_to_ask_exclusion(state, command, item.case_id)
    if isinstance(ready, Refusal):
        return Decision(refusal=ready)
    fact = f.FeedbackExclusionAsked(
        exclusion=command.exclusion,
        round=command.round,
        unit=command.unit,
        measures=tuple(dict.fromkeys(command.measures)),
        reason=command.reason,
        basis=command.basis,
        actor=command.asker.actor,
    )
    return Decision(ready, (fact,), answer=_told(ready, command.exclusion, approved=None))


def rule_on_exclusion(state: Review | None, item: Input[RuleOnExclusion], _now: datetime) -> Decision[Review]:
    """剔除审批: approved, the adjusted figures leave it out."""
    command = item.message
    ready = ready_to_rule(state, command)
    if isinstance(ready, Refusal):
        return Decision(refusal=ready)
    fact = f.FeedbackExclusionRuled(
        exclusion=command.exclusion, approved=command.approved, reason=command.reason, actor=command.asker.actor
    )
    return Decision(ready.review, (fact,), answer=_told(ready.review, command.exclusion, approved=command.approved))


def _told(review: Review, exclusion: UUID, *, approved: bool | None) -> dict[str, object]:
    return {"number": _number(review), "exclusion": str(exclusion), "approved": approved}


def _number(review: Review) -> str | None:
    return review.case.number if review.case is not None else None
