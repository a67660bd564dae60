"""People's words: every text a fact can hold is either forgotten or known to be nobody's words."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from services.feedback.domain.review import Review
from services.intake.domain.whistle import Whistle
from services.router.domain.case import Case
from services.sla.domain.clock_state import ClockState
from shared.contracts.facts import FACTS, Fact
from shared.contracts.words import FORGOTTEN, OUR_OWN, WORDS, without_words
from tests.unit.feedback.histories import closed, handled, opened
from tests.unit.sla import builders as b

NOT_WORDS = {
    # numbers, codes and versions
    *("number", "into_number", "source_ref", "category", "region", "whistle_blower", "unit", "units", "desk", "told"),
    *("by", "policy_version", "calendar_version", "granted", "method", "digest", "changed", "before", "key"),
    # who decided: ids of staff, never names
    *("person", "asked_by", "reporter"),
    # what is left of an event is made without words
    "event",
    # who has it, and had it
    *("answerable", "answered_by", "supervised", "approver", "failed_units", "unrated", "lead", "whistle_blower"),
    *("held", "held_suspended", "released", "handed_over", "asker", "owed_by", "cause", "former", "answered_with"),
}


def texts(model: type[BaseModel], seen: set[type]) -> Iterator[tuple[str, str]]:
    """Every field of a model, and of what it is made of, that can hold a text: whose it is, and its name."""
    if model in seen or issubclass(model, OUR_OWN):
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        for kind in parts(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                if name not in WORDS:
                    yield from texts(kind, seen)
            elif kind is str:
                yield model.__name__, name


def parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for one in get_args(annotation):
        yield from parts(one)


@pytest.mark.parametrize("model", [*FACTS.values(), Whistle, Case, Review, ClockState], ids=lambda one: one.__name__)
def test_every_text_is_forgotten_or_known_to_be_nobodys_words(model: type[BaseModel]) -> None:
    unknown = [f"{owner}.{name}" for owner, name in texts(model, set()) if name not in WORDS | NOT_WORDS]
    assert unknown == [], "put it into WORDS, or say here why it is nobody's words"


FACTS_WITH_WORDS: list[Fact] = [opened(), handled(), closed(), b.opened(), b.dispatched("util-water")]


@pytest.mark.parametrize("fact", FACTS_WITH_WORDS, ids=lambda one: one.NAME)
def test_a_fact_without_words_is_still_that_fact(fact: Fact) -> None:
    left = without_words(fact)
    assert type(fact).model_validate(left.model_dump(mode="json")) == left
    assert without_words(left) == left


def test_what_was_said_is_gone_and_where_it_belongs_is_not() -> None:
    before = opened()
    after = without_words(before)
    assert (after.matter.title, after.matter.content) == (FORGOTTEN, FORGOTTEN)
    assert (after.matter.address, after.matter.attachments) == (FORGOTTEN if before.matter.address else "", ())
    assert (after.number, after.matter.region, after.stage) == (before.number, before.matter.region, before.stage)
