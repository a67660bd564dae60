"""What differs between two versions of the rules themselves."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.router.domain.routing.conditions import Entry
from services.router.domain.routing.rules import Rule, Rules


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A rule both have: which of its fields differ, as `when.category`."""

    id: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """From one version to the next. `moved` are the fewest that change their place."""

    before: str
    after: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[RuleChange, ...]
    moved: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.moved)


def changes(before: Rules, after: Rules) -> RuleChanges:
    """How `after` differs from `before`, by the rules' ids."""
    common = [rule.id for rule in after.rules if rule.id in before.by_id]
    places = {rule.id: place for place, rule in enumerate(before.rules)}
    changed = [RuleChange(id_, tuple(_differing(before.by_id[id_], after.by_id[id_]))) for id_ in common]
    return RuleChanges(
        before.version,
        after.version,
        tuple(rule.id for rule in after.rules if rule.id not in before.by_id),
        tuple(rule.id for rule in before.rules if rule.id not in after.by_id),
        tuple(one for one in changed if one.fields),
        tuple(_moved(common, places)),
    )


def _moved(ids: Sequence[str], places: Mapping[str, int]) -> list[str]:
    """The fewest of these that must change places to bring them into their former order."""
    ends: list[str] = []
    before: dict[str, str | None] = {}
    for id_ in ids:
        length = bisect_left(ends, places[id_], key=places.__getitem__)
        before[id_] = ends[length - 1] if length else None
        ends[length : length + 1] = [id_]
    stays: set[str] = set()
    at = ends[-1] if ends else None
    while at is not None:
        stays.add(at)
        at = before[at]
    return [id_ for id_ in ids if id_ not in stays]


def _differing(before: Rule, after: Rule) -> list[str]:
    return [
        f"{part}.{name}"
        for part, old, new in (
            ("when", before.when, after.when),
            ("then", before.then, after.then),
            ("because", before.because, after.because),
        )
        for name in _fields(old, new)
    ]


def _fields(old: Entry, new: Entry) -> list[str]:
    return [name for name in type(old).model_fields if getattr(old, name) != getattr(new, name)]
