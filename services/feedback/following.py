"""What follows from a message besides its own handler: what is measured of it, and what a round's end brings about.

A follower is given the review as the handler left it, and adds to it: a changed review, and facts.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from services.feedback.domain.measuring.judged import judged
from services.feedback.domain.measuring.record import recorded
from services.feedback.domain.review import Review
from services.feedback.domain.standards import Standards
from shared.contracts import facts as f
from shared.runtime.decision import Decision, Input
from shared.runtime.service import Handler

Follower: TypeAlias = Callable[[UUID, Review, f.Fact, Standards, datetime], tuple[Review, tuple[f.Fact, ...]]]
"""`(case, review, the fact that came in or was just stated, standards, now) → (review, more facts)`. Pure."""


def followed(
    handler: Callable[..., Decision[Review]],
    followers: dict[type, Sequence[Follower]],
    standards: Callable[[], Standards],
) -> Handler:
    """The handler, then what follows from its message and its facts, then what is measured of all of them."""

    def handle(state: Review | None, item: Input[Any], now: datetime) -> Decision[Review]:
        at = stated_at(item, now)
        decision = handler(state, item, at)
        if decision.refusal is not None:
            return decision
        review = decision.state or state
        said = [fact for fact in (item.message, *decision.facts) if isinstance(fact, f.Fact)]
        more: list[f.Fact] = []
        for fact in said:
            then = at if fact is item.message else now
            for follower in followers.get(type(fact), ()):
                if review is not None:
                    review, stated = follower(item.case_id, review, fact, standards(), then)
                    more += stated
        facts = (*decision.facts, *more)
        review = measured(review, item, facts, now)
        return replace(decision, state=review if review is not state else decision.state, facts=facts)

    return handle


def stated_at(item: Input[Any], now: datetime) -> datetime:
    """When another service stated the fact: a review says the same however late, or how often, its log is read."""
    return min(item.time or now, now)


def measured(review: Review | None, item: Input[Any], stated: Sequence[f.Fact], now: datetime) -> Review | None:
    """The review with what is measured of a fact of the case, as of when it was stated, and of its own facts."""
    if isinstance(item.message, f.CaseFact):
        at = item.time or now
        record = recorded(review.record if review is not None else None, item.message, at)
        if record is not None:
            review = (review or Review(since=at)).model_copy(update={"record": record})
    if review is None or not stated:
        return review
    words = review.judged
    for fact in stated:
        words = judged(words, fact, now)
    return review if words is review.judged else review.model_copy(update={"judged": words})
