"""请居民评价: a round began, and the resident is asked the three questions, once in it and until a day."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.feedback.domain.review import Review, Round
from services.feedback.domain.standards import Standards
from shared.contracts import facts as f
from shared.contracts.facts import Value
from shared.contracts.vocabulary import Source

LONGEST_RESULT = 500


class Invitation(Value):
    """What a resident's link stands for: the answer to one round of one case, until then."""

    case_id: UUID
    round: int
    until: datetime


class Standing(StrEnum):
    """What an invitation is worth now."""

    OPEN = "open"
    ANSWERED = "answered"  # the round has its answer, by this link or another way
    OVER = "over"  # the round ended without one
    EXPIRED = "expired"
    NOT_READ_YET = "not_read_yet"  # the round is not known where this was read


def standing(review: Review | None, invitation: Invitation, now: datetime) -> Standing:
    """Whether it may be answered; single use lies in this, that a round has one answer."""
    asked = round_of(review, invitation)
    if review is None or asked is None:
        return Standing.NOT_READ_YET
    if asked.answer is not None:
        return Standing.ANSWERED
    if asked is not review.round or not asked.open:
        return Standing.OVER
    return Standing.OPEN if now < invitation.until else Standing.EXPIRED


def round_of(review: Review | None, invitation: Invitation) -> Round | None:
    rounds = review.rounds if review is not None else ()
    return next((each for each in rounds if each.number == invitation.round), None)


# --- followers --------------------------------------------------------------------------------------------


def note_result(
    _case_id: UUID, review: Review, fact: f.Fact, _standards: Standards, _now: datetime
) -> tuple[Review, tuple[f.Fact, ...]]:
    """What a unit says it did, kept for the resident it is shown to, in bounded length."""
    if not isinstance(fact, f.CaseUnitDone):
        return review, ()
    said = {**review.results, fact.unit: _shortened(fact.result)}
    return review.model_copy(update={"results": said}), ()


def ask_resident(
    _case_id: UUID, review: Review, fact: f.Fact, standards: Standards, now: datetime
) -> tuple[Review, tuple[f.Fact, ...]]:
    """A round that began and is still open. 12345 calls back on its own orders itself, so we do not ask there."""
    begun, case = review.round, review.case
    if not isinstance(fact, f.CaseHandled | f.CaseAnswered) or begun is None or begun.number != fact.round:
        return review, ()
    if case is None or not begun.open or begun.asked_until is not None:
        return review, ()
    results = {unit: review.results[unit] for unit in begun.units if unit in review.results}
    begun = begun.model_copy(update={"results": results})
    facts: tuple[f.Fact, ...] = ()
    if case.resident_to_ask and case.source is not Source.HOTLINE_12345:
        until = now + timedelta(days=standards.scoring.link_days)
        begun = begun.model_copy(update={"asked_until": until})
        facts = (f.FeedbackResidentAsked(round=begun.number, until=until),)
    return review.model_copy(update={"rounds": (*review.rounds[:-1], begun), "results": results}), facts


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_RESULT else f"{text[: LONGEST_RESULT - 1]}…"
