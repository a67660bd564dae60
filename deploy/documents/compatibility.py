"""Whether a newer schema of a fact takes anything away from an older one. Additive changes are none of it."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems")
MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
FIXED = ("type", "format", "pattern", "const")


def breaks(old: Schema, new: Schema) -> list[str]:
    """Every place where events or readers that fit the old schema no longer fit the new one."""
    return list(_Comparison(old, new).compare(old, new, "data"))


class _Comparison:
    """Compares two schemas part by part; `$ref`s lead into each schema's own `$defs`."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old_definitions: Schema = old.get("$defs", {})
        self._new_definitions: Schema = new.get("$defs", {})

    def compare(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        old, new = _resolved(old, self._old_definitions), _resolved(new, self._new_definitions)
        yield from _words(old, new, place)
        yield from _limits(old, new, place)
        yield from self._properties(old, new, place)
        if "items" in old:
            yield from self.compare(old["items"], new.get("items", {}), f"{place}[]")
        yield from self._alternatives(old.get("anyOf", ()), new.get("anyOf", ()), place)

    def _properties(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        had, has = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        for name, schema in had.items():
            if name not in has:
                yield f"{place}.{name}: removed"
                continue
            if (name in needed) != (name in needs):
                now = "required" if name in needs else "optional"
                yield f"{place}.{name}: is {now} now"
            yield from self.compare(schema, has[name], f"{place}.{name}")
        for name in sorted(has.keys() - had.keys()):
            if name in needs:
                yield f"{place}.{name}: new and required; older events do not have it"

    def _alternatives(self, had: Any, has: Any, place: str) -> Iterator[str]:
        if len(had) != len(has):
            yield f"{place}: had {len(had)} alternatives, has {len(has)}"
            return
        for old, new in zip(had, has, strict=True):
            yield from self.compare(old, new, place)


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    reference = schema.get("$ref")
    return schema if reference is None else definitions[reference.removeprefix("#/$defs/")]


def _words(old: Schema, new: Schema, place: str) -> Iterator[str]:
    for word in FIXED:
        if old.get(word) != new.get(word):
            yield f"{place}: {word} was {old.get(word)!r}, is {new.get(word)!r}"
    gone = [value for value in old.get("enum", ()) if value not in new.get("enum", ())]
    if gone:
        yield f"{place}: no longer one of its values: {', '.join(map(str, gone))}"
    if "enum" in new and "enum" not in old:
        yield f"{place}: limited to a closed set now"


def _limits(old: Schema, new: Schema, place: str) -> Iterator[str]:
    for word in LEAST:
        if word in new and new[word] > old.get(word, float("-inf")):
            yield f"{place}: {word} was {old.get(word, 'none')}, is {new[word]}"
    for word in MOST:
        if word in new and new[word] < old.get(word, float("inf")):
            yield f"{place}: {word} was {old.get(word, 'none')}, is {new[word]}"
