"""What puts a closed case on the public board and takes it off again: followers, and the hub's command. Pure."""

from datetime import datetime
from uuid import UUID

from services.feedback.domain import refusals
from services.feedback.domain.commands import Withhold
from services.feedback.domain.publication import Hidden, never_shown, published
from services.feedback.domain.review import Review
from services.feedback.domain.standards import Standards
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind
from shared.runtime.decision import Decision, Input, Refusal

_RULE = f.Actor(kind=ActorKind.RULE)


def publish(
    _case_id: UUID, review: Review, fact: f.Fact, _standards: Standards, now: datetime
) -> tuple[Review, tuple[f.Fact, ...]]:
    """销号: the entry of this closing, with the last round's satisfaction; silence is not rated."""
    if not isinstance(fact, f.CaseClosed) or review.record is None:
        return review, ()
    answer = review.round.answer if review.round is not None else None
    satisfaction = answer.satisfaction if answer is not None else None
    publication = published(review.publication, review.record, fact.answer, satisfaction, now)
    stated = () if publication.entry is None else (publication.entry,)
    return review.model_copy(update={"publication": publication}), stated


def take_off_reworked(
    _case_id: UUID, review: Review, _fact: f.Fact, _standards: Standards, _now: datetime
) -> tuple[Review, tuple[f.Fact, ...]]:
    """返工 / 重办: what was said to be done is not, so it is not shown until it is closed again."""
    return _off(review, Hidden.REWORKED, "重新办理，原公示撤下")


def take_off_corrected(
    _case_id: UUID, review: Review, fact: f.Fact, _standards: Standards, _now: datetime
) -> tuple[Review, tuple[f.Fact, ...]]:
    """更正: a matter found to be confidential or a report of wrongdoing goes off the board at once."""
    if not isinstance(fact, f.CaseCorrected):
        return review, ()
    why = never_shown(fact.matter.confidential, fact.matter.appeal_type, fact.matter.source)
    return (review, ()) if why is None else _off(review, why, "更正后不属公示范围")


def _off(review: Review, why: Hidden, reason: str) -> tuple[Review, tuple[f.Fact, ...]]:
    shown = review.publication
    if shown is None or shown.entry is None:
        return review, ()
    taken_off = review.model_copy(update={"publication": shown.taken_off(why)})
    return taken_off, (f.FeedbackWithheld(reason=reason, actor=_RULE),)


def withhold(state: Review | None, item: Input[Withhold], _now: datetime) -> Decision[Review]:
    """撤下公示: the hub takes an entry off the board, with a reason."""
    command = item.message
    refusal = _why_not(state, command)
    if refusal is not None or state is None or state.publication is None:
        return Decision(refusal=refusal)
    off = state.model_copy(update={"publication": state.publication.taken_off(Hidden.WITHHELD)})
    fact = f.FeedbackWithheld(reason=command.reason.strip(), actor=command.asker.actor)
    return Decision(off, (fact,), answer={"number": state.case.number if state.case else None, "withheld": True})


def _why_not(state: Review | None, command: Withhold) -> Refusal | None:
    if state is None or state.case is None:
        return refusals.UNKNOWN
    if not command.asker.is_staff_of_hub:
        return refusals.ONLY_THE_HUB_WITHHOLDS
    if state.publication is None or state.publication.entry is None:
        return refusals.NOT_ON_THE_BOARD
    return refusals.WITHHOLDING_NEEDS_A_REASON if not command.reason.strip() else None
