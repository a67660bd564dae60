"""People's words: which fields hold what a person wrote or said, and values without them.

What the law orders forgotten is forgotten by this table, in facts and in the states that are made of them: a field's
name means one thing everywhere, so one table serves all. Codes, times, numbers, marks and decisions stay: the case
stays a case that can be followed, of which nobody can tell any more what it was about.
"""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel

from shared.contracts.facts import Reason, TimeLimit

T = TypeVar("T")

FORGOTTEN = "（已依法删除）"
"""Stands where words stood."""

WORDS = frozenset(
    {
        *("title", "content", "address", "respondent", "text", "words", "note", "explanation"),
        *("reason", "basis", "result", "results", "answer", "ruling", "attachments", "evidence"),
        *("longitude", "latitude"),
    }
)
"""Names of fields: a text becomes `FORGOTTEN`, a place none, and what proves something (files) none at all."""

OUR_OWN: tuple[type[BaseModel], ...] = (Reason, TimeLimit)
"""Written by rules and policies, not by people: their texts stay."""


def without_words(value: T) -> T:
    """The same without anybody's words. Doing it twice changes nothing."""
    forgotten: T = _without(value)  # type: ignore[assignment]
    return forgotten


def _without(value: object) -> object:
    match value:
        case BaseModel():
            return value if isinstance(value, OUR_OWN) else _model(value)
        case tuple():
            after = tuple(_without(one) for one in value)
            return after if type(value) is tuple and after != value else value
        case dict():
            return {name: _without(one) for name, one in value.items()}
        case _:
            return value


def _model(value: BaseModel) -> BaseModel:
    update = {}
    for name in type(value).model_fields:
        before = getattr(value, name)
        after = _forgotten(before) if name in WORDS else _without(before)
        if after is not before and after != before:
            update[name] = after
    return value.model_copy(update=update) if update else value


def _forgotten(value: object) -> object:
    match value:
        case str():
            return FORGOTTEN if value else value
        case float():
            return None
        case tuple() if type(value) is tuple:
            return ()
        case Mapping():
            return {name: _forgotten(one) for name, one in value.items()}
        case _:
            return _without(value)
