"""Changes to events are additive only: the schemas of today take nothing away from those of the last release."""

from copy import deepcopy
from typing import Any

import orjson
import pytest

from deploy.documents.catalogue import REFERENCE
from deploy.documents.compatibility import breaks
from deploy.documents.schemas import last_release, schema_of
from shared.contracts.facts import FACTS

RELEASED = {path.stem: orjson.loads(path.read_bytes()) for path in last_release(REFERENCE).glob("*.json")}


def test_something_is_released() -> None:
    assert RELEASED


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_nothing_released_is_taken_away(name: str) -> None:
    assert name in FACTS, "released event types stay readable for ever"
    assert breaks(RELEASED[name], schema_of(FACTS[name])) == []


# --- what the comparison sees

OLD: dict[str, Any] = {
    "$defs": {
        "Urgency": {"enum": ["normal", "urgent"], "type": "string"},
        "Matter": {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]},
    },
    "type": "object",
    "properties": {
        "number": {"type": "string"},
        "note": {"type": "string", "maxLength": 100, "default": ""},
        "urgency": {"$ref": "#/$defs/Urgency"},
        "matter": {"anyOf": [{"$ref": "#/$defs/Matter"}, {"type": "null"}]},
        "units": {"type": "array", "items": {"type": "string", "minLength": 2}},
    },
    "required": ["number", "urgency", "matter"],
}


def changed(*path: str, to: Any = None, gone: bool = False) -> dict[str, Any]:
    """The schema with one place of it changed or removed."""
    new = deepcopy(OLD)
    place: Any = new
    for part in path[:-1]:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if gone:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return new


ADDITIVE = {
    "nothing": deepcopy(OLD),
    "a new field that may be missing": changed("properties", "extra", to={"type": "integer"}),
    "a new value of a set": changed("$defs", "Urgency", "enum", to=["normal", "urgent", "critical"]),
    "a longer text": changed("properties", "note", "maxLength", to=200),
    "no limit any more": changed("properties", "note", "maxLength", gone=True),
    "another description": changed("properties", "note", "description", to="why"),
    "another default": changed("properties", "note", "default", to="-"),
}

BREAKING = {
    "a field is gone": (changed("properties", "note", gone=True), "data.note: removed"),
    "a field of a value within is gone": (
        changed("$defs", "Matter", "properties", "title", gone=True),
        "data.matter.title: removed",
    ),
    "another type": (
        changed("properties", "number", "type", to="integer"),
        "data.number: type was 'string', is 'integer'",
    ),
    "required now": (
        changed("required", to=["number", "urgency", "matter", "note"]),
        "data.note: is required now",
    ),
    "optional now": (changed("required", to=["number", "matter"]), "data.urgency: is optional now"),
    "a set shrinks": (
        changed("$defs", "Urgency", "enum", to=["normal"]),
        "data.urgency: no longer one of its values: urgent",
    ),
    "a shorter text": (
        changed("properties", "note", "maxLength", to=50),
        "data.note: maxLength was 100, is 50",
    ),
    "a limit on what a list holds": (
        changed("properties", "units", "items", "minLength", to=3),
        "data.units[]: minLength was 2, is 3",
    ),
    "null no longer": (
        changed("properties", "matter", "anyOf", to=[{"$ref": "#/$defs/Matter"}]),
        "data.matter: had 2 alternatives, has 1",
    ),
}


@pytest.mark.parametrize("new", ADDITIVE.values(), ids=ADDITIVE)
def test_additive_changes_pass(new: dict[str, Any]) -> None:
    assert breaks(OLD, new) == []


@pytest.mark.parametrize(("new", "said"), BREAKING.values(), ids=BREAKING)
def test_breaking_changes_are_named(new: dict[str, Any], said: str) -> None:
    assert breaks(OLD, new) == [said]


def test_a_new_field_that_is_required_breaks_older_events() -> None:
    new = changed("properties", "extra", to={"type": "integer"})
    new["required"] = [*new["required"], "extra"]
    assert breaks(OLD, new) == ["data.extra: new and required; older events do not have it"]


def test_closing_an_open_text_into_a_set_breaks() -> None:
    new = changed("properties", "number", to={"type": "string", "enum": ["a"]})
    assert breaks(OLD, new) == ["data.number: limited to a closed set now"]
