"""How rules stand to each other: which hold wherever another holds, and which may hold at the same time.

Sets of rules are bits of numbers, as in `matching.py`.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import reduce
from operator import and_, or_
from typing import TypeAlias, TypeVar

from services.router.domain.routing.conditions import (
    BELOW,
    MINUTES_OF_A_DAY,
    Condition,
    Span,
    category_keys,
    days_of,
    minutes_of,
    regions_of,
)
from services.router.domain.routing.matching import Named, bits
from services.router.domain.routing.rules import Rule, Rules, capable
from shared.contracts.units import HANDLING_KINDS, UnitTree, plain
from shared.contracts.vocabulary import AppealType, Level, Source, UnitKind, Urgency

V = TypeVar("V", bound=Hashable)

ALL_DAY: tuple[Span, ...] = ((0, MINUTES_OF_A_DAY),)
_YES_OR_NO = (False, True)
_WEEK = tuple(range(1, 8))
_CLOSED: tuple[tuple[str, tuple[Hashable, ...]], ...] = (
    ("source", tuple(Source)),
    ("appeal_type", tuple(AppealType)),
    ("urgency", tuple(Urgency)),
    ("weekdays", _WEEK),
    ("self_handled", _YES_OR_NO),
    ("confidential", _YES_OR_NO),
)
"""Fields whose values are all known: naming every one is the same as naming none."""


class Relations:
    """The rules of one version among each other, for one tree and the paths of the catalogue."""

    def __init__(self, rules: Rules, tree: UnitTree, paths: Iterable[tuple[str, ...]]) -> None:
        self._rules = rules.rules
        self._tree = tree
        self._all = (1 << len(rules.rules)) - 1
        self._index = index = rules.index
        self._by_field: Mapping[str, Named] = {
            "source": index.source,
            "appeal_type": index.appeal_type,
            "urgency": index.urgency,
            "weekdays": index.weekdays,
            "self_handled": index.self_handled,
            "confidential": index.confidential,
        }
        self._outcomes = _alike((rule.then.level, rule.then.units, rule.then.capability) for rule in rules.rules)
        self._capabilities = _alike((rule.then.level, rule.then.capability) for rule in rules.rules)
        self._sure = sum(1 << place for place, rule in enumerate(rules.rules) if _is_sure(rule, tree))
        self._together, self._always_together = _named_together(paths)
        self._below = self._masks_below()
        self._covering: dict[int, int] = {}

    def covering(self, place: int, catalogued: bool = False) -> int:
        """Rules that hold wherever this one holds (itself among them). Never too many, sometimes too few.

        With `catalogued`, as far as matters carry the catalogue's categories; those of 12345 need not.
        """
        when = self._rules[place].when
        if place not in self._covering:
            self._covering[place] = self._covering_but_for_category(when)
        return self._covering[place] & _implied(
            self._index.category, when.category, self._always_with if catalogued else _path_keys
        )

    def _covering_but_for_category(self, when: Condition) -> int:
        index = self._index
        covering = self._all
        for field, values in _CLOSED:
            named = self._by_field[field]
            covering &= named.without | _every(named.naming.get(value, 0) for value in _asked(when, field) or values)
        covering &= _implied(index.region, when.region, self._regions_above)
        covering &= _implied(index.respondent, when.respondent, lambda name: (plain(name),))
        covering &= index.keywords.without | (
            _every(self._with_a_word_in(word.casefold()) for word in when.keywords) if when.keywords else 0
        )
        covering &= index.hours.throughout(minutes_of(when.hours) or ALL_DAY)
        covering &= index.dates.throughout(days_of(when.dates))
        for other in bits(covering & ~index.not_keywords.without):
            if not _refuses_as_much(when, self._rules[other].when):
                covering ^= 1 << other
        return covering

    def deciding_first(self, place: int) -> int:
        """Earlier rules that decide whatever this one would: it is never reached."""
        rule = self._rules[place]
        sure = self._sure
        for level, kind in ((Level.COMMUNITY, UnitKind.COMMUNITY), (Level.STREET, UnitKind.STREET)):
            of_the_place = self._capabilities.get((level, None), 0)
            regions = rule.when.region
            there = bool(regions) and all(
                code in self._tree and self._tree.nearest(code, kind) is not None for code in regions
            )
            if there or rule.then.level is level:
                sure |= of_the_place
        # The same capability of the same level: where the one finds nobody, neither does the other.
        sure |= self._capabilities.get((rule.then.level, rule.then.capability), 0) if rule.then.capability else 0
        return self.covering(place) & sure & ((1 << place) - 1)

    def overlapping(self, place: int) -> int:
        """Rules that may hold together with this one, as far as their fields tell. Words may always meet in a text."""
        when = self._rules[place].when
        index = self._index
        overlapping = self._all
        for field, values in _CLOSED:
            overlapping &= self._by_field[field].any_of(_asked(when, field) or values)
        if when.category:
            overlapping &= index.category.any_of({key for name in when.category for key in self._together_with(name)})
        if when.region:
            overlapping &= index.region.any_of(
                {above for code in when.region for above in self._regions_above(code)}
            ) | (reduce(or_, (self._below.get(code, 0) for code in when.region)))
        overlapping &= index.hours.sometime(minutes_of(when.hours) or ALL_DAY)
        return overlapping & (index.dates.sometime(days_of(when.dates)) if when.dates else self._all)

    def to_the_same(self, place: int) -> int:
        """Rules that give a case to the same units."""
        then = self._rules[place].then
        return self._outcomes[then.level, then.units, then.capability]

    def _with_a_word_in(self, text: str) -> int:
        return self._index.keyword_words.in_text(text)

    def _regions_above(self, code: str) -> frozenset[str]:
        # Those of a former unit may lie anywhere among its successors.
        return frozenset(regions_of(code, self._tree)) if code in self._tree else frozenset((code,))

    def _masks_below(self) -> dict[Hashable, int]:
        below: dict[Hashable, int] = {}
        for code, places in self._index.region.naming.items():
            for above in self._regions_above(str(code)):
                below[above] = below.get(above, 0) | places
        return below

    def _together_with(self, name: str) -> frozenset[str]:
        return self._together.get(name, frozenset()) | _path_keys(name)

    def _always_with(self, name: str) -> frozenset[str]:
        return self._always_together.get(name, frozenset()) | _path_keys(name)


def _asked(when: Condition, field: str) -> tuple[Hashable, ...]:
    asked: Hashable = getattr(when, field)
    return asked if isinstance(asked, tuple) else () if asked is None else (asked,)


def _alike(values: Iterable[V]) -> dict[V, int]:
    """For each value the rules that have it."""
    found: dict[V, int] = {}
    for place, value in enumerate(values):
        found[value] = found.get(value, 0) | 1 << place
    return found


def _every(places: Iterable[int]) -> int:
    return reduce(and_, places)


def _implied(named: Named, values: Sequence[str], implied: Callable[[str], Iterable[str]]) -> int:
    """The rules for which each of these values is enough; `implied` says what comes with a value."""
    if not values:
        return named.without
    return named.without | _every(
        reduce(or_, (named.naming.get(one, 0) for one in implied(value)), 0) for value in values
    )


def _refuses_as_much(when: Condition, other: Condition) -> bool:
    """Whether the other refuses no text that this one takes."""
    refused = [word.casefold() for word in when.not_keywords]
    return all(any(own in word.casefold() for own in refused) for word in other.not_keywords)


def _is_sure(rule: Rule, tree: UnitTree) -> bool:
    """Whether its units are there wherever it holds."""
    then = rule.then
    if then.level is Level.HUB:
        return True
    if then.level is not Level.DEPARTMENT:
        return False
    if not then.units:
        return bool(capable(then, tree))
    units = [tree.get(code) for code in then.units]
    return all(unit is not None and unit.kind in HANDLING_KINDS for unit in units)


_Keys: TypeAlias = "dict[str, frozenset[str]]"


def _named_together(paths: Iterable[tuple[str, ...]]) -> tuple[_Keys, _Keys]:
    """For each name or path of the catalogue, what names one of its categories too, and what names each of them."""
    some: _Keys = {}
    every: _Keys = {}
    for path in paths:
        keys = category_keys(path)
        for key in keys:
            some[key] = some.get(key, keys) | keys
            every[key] = every.get(key, keys) & keys
    return some, every


def _path_keys(name: str) -> frozenset[str]:
    return category_keys(tuple(name.split(BELOW)))
