"""What is wrong or doubtful about rules that can be read: units that went, rules never reached, gaps, conflicts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from itertools import chain, islice, product
from typing import Protocol, TypeVar

from services.router.domain.routing.conditions import (
    BELOW,
    MINUTES_OF_A_DAY,
    SHANGHAI,
    Condition,
    Span,
    category_keys,
    days_of,
    minutes_of,
    situation_of,
)
from services.router.domain.routing.matching import bits
from services.router.domain.routing.relations import ALL_DAY, Relations
from services.router.domain.routing.route import NO_RULE, route
from services.router.domain.routing.rules import Rule, Rules, unit_faults
from shared.contracts.facts import Matter
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import AppealType, Source, UnitKind, Urgency

T = TypeVar("T")

A_MONDAY = date(2026, 1, 5)
EXAMPLE = "EXAMPLE"

_TRIES = 50
"""How many pairs of rules are tried for an example of their conflict before it is taken for none."""


class Categories(Protocol):
    """The catalogue: every entry's names from the top, and those with a code."""

    @property
    def paths(self) -> frozenset[tuple[str, ...]]: ...

    @property
    def codes(self) -> Mapping[str, tuple[str, ...]]: ...


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"  # true of most rules, worth a look where one is surprised


class Doubt(StrEnum):
    """What kind of thing was found."""

    UNKNOWN_UNIT = "unknown_unit"
    RETIRED_UNIT = "retired_unit"
    UNKNOWN_CATEGORY = "unknown_category"
    UNREACHABLE = "unreachable"
    CONFLICT = "conflict"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: about which rule, why, and what to do.

    `other` is the rule that it stands against, `example` a matter (and the moment) on which the two conflict.
    """

    severity: Severity
    doubt: Doubt
    zh: str
    en: str
    rule: str = ""
    other: str = ""
    example: Matter | None = None
    at: datetime | None = None


def check(rules: Rules, tree: UnitTree, catalogue: Categories) -> Iterator[Finding]:
    """Everything found, errors first. Rules that cannot be read at all are `parse_rules`' business."""
    for rule in rules.rules:
        for fault in unit_faults(rule, tree):
            yield Finding(Severity.ERROR, Doubt.UNKNOWN_UNIT, fault.zh, f"{fault.field}: {fault.en}", rule.id)
    yield from _retired(rules, tree)
    yield from _categories(rules, catalogue)
    relations = Relations(rules, tree, catalogue.paths)
    hidden = {
        place: next(bits(first)) for place in range(len(rules.rules)) if (first := relations.deciding_first(place))
    }
    yield from (_unreachable(rules.rules[place], rules.rules[by]) for place, by in hidden.items())
    yield from _conflicts(rules, tree, catalogue, relations, hidden.keys())
    yield from _gaps(rules, tree, catalogue)


def _retired(rules: Rules, tree: UnitTree) -> Iterator[Finding]:
    for rule in rules.rules:
        named = (
            ("when.region", rule.when.region),
            ("then.units", rule.then.units),
            ("then.co_handlers", rule.then.co_handlers),
        )
        for field, code in ((field, code) for field, codes in named for code in codes):
            if code in tree.retired and (heir := tree.present(code)) is not None:
                heirs = tree.successors.get(code, (heir,))
                yield Finding(
                    Severity.WARNING,
                    Doubt.RETIRED_UNIT,
                    f"{field}：{tree.name_of(code)}（{code}）已撤并，由{'、'.join(map(tree.name_of, heirs))}承接；"
                    f"请改写为 {'、'.join(heirs)}",
                    f"{field}: {tree.name_of(code)} ({code}) is gone, {', '.join(map(tree.name_of, heirs))} took over; "
                    f"write {', '.join(heirs)}",
                    rule.id,
                )


def _categories(rules: Rules, catalogue: Categories) -> Iterator[Finding]:
    known = set(chain.from_iterable(map(category_keys, catalogue.paths)))
    for rule in rules.rules:
        for name in rule.when.category:
            if name in known:
                continue
            if name in catalogue.codes:
                path = BELOW.join(catalogue.codes[name])
                zh = f"when.category：受理时代码 {name} 已换成名称；请写作 {path}"
                en = f"when.category: intake turns the code {name} into its names; write {path}"
            else:
                near = get_close_matches(name, known, n=3, cutoff=0.5)
                zh = f"when.category：分类目录中没有“{name}”" + (f"；相近的有：{'、'.join(near)}" if near else "")
                en = f"when.category: the catalogue has no {name}" + (
                    f"; the nearest are: {', '.join(near)}" if near else ""
                )
            yield Finding(Severity.WARNING, Doubt.UNKNOWN_CATEGORY, zh, en, rule.id)


def _unreachable(rule: Rule, by: Rule) -> Finding:
    return Finding(
        Severity.WARNING,
        Doubt.UNREACHABLE,
        f"永远不会用到：凡符合本规则的事项都先由规则 {by.id} 派出；请移到 {by.id} 之前，或删除",
        f"it is never reached: whatever it would decide, {by.id} decides before; move it before {by.id} or remove it",
        rule.id,
        by.id,
    )


# --- conflicts ----------------------------------------------------------------------------------------------


def _conflicts(
    rules: Rules, tree: UnitTree, catalogue: Categories, relations: Relations, unreachable: Iterable[int]
) -> Iterator[Finding]:
    """Rules that take part of what a later one would give to others, while neither is an exception to the other."""
    covered = [0] * len(rules.rules)
    covering = [relations.covering(place, catalogued=True) for place in range(len(rules.rules))]
    for place, around in enumerate(covering):
        for inner in bits(around & ~(1 << place)):
            covered[inner] |= 1 << place
    passed_over = sum(1 << place for place in unreachable)
    examples = Examples(tree, catalogue.paths)
    for place, rule in enumerate(rules.rules):
        if passed_over >> place & 1:
            continue
        others = relations.overlapping(place) >> (place + 1) << (place + 1)
        others &= ~covering[place] & ~covered[place] & ~relations.to_the_same(place) & ~passed_over
        tried = [rules.rules[later] for later in islice(bits(others), _TRIES)]
        related = [other for other in tried if _speak_of_the_same(rule.when, other.when)]
        for other in related or tried:
            example = examples.of_both(rule.when, other.when)
            if example is not None:
                severity = Severity.WARNING if related else Severity.NOTE
                yield _conflict(severity, rule, other, others.bit_count() - 1, *example)
                break


def _speak_of_the_same(one: Condition, other: Condition) -> bool:
    """Whether two conditions that may both hold name something of the same kind: neither seems meant to come first."""
    return bool(
        (one.category and other.category)
        or (one.region and other.region)
        or (one.source and other.source)
        or (one.appeal_type and other.appeal_type)
        or (one.respondent and other.respondent)
        or any(word in another or another in word for word in one.keywords for another in other.keywords)
    )


def _conflict(severity: Severity, rule: Rule, other: Rule, more: int, example: Matter, at: datetime) -> Finding:
    more_zh = f"（另有至多 {more} 条规则与它部分重叠）" if more else ""
    more_en = f" (it may overlap with {more} more)" if more else ""
    about_zh, about_en = _described(example, at)
    return Finding(
        severity,
        Doubt.CONFLICT,
        f"与规则 {other.id} 部分重叠而承办单位不同，按先后由本规则决定{more_zh}；例如：{about_zh}。"
        "若顺序有意如此，可不理会；否则请细化条件",
        f"it overlaps with {other.id}, which names other units, and comes first{more_en}; for example: {about_en}. "
        "Leave it if the order is meant so, or narrow one of the two",
        rule.id,
        other.id,
        example,
        at,
    )


def _described(matter: Matter, at: datetime) -> tuple[str, str]:
    category = BELOW.join(matter.category) or "—"
    text = f"“{matter.title}”" if matter.title else ""
    moment = f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    words = [
        category,
        text,
        matter.region,
        matter.source,
        matter.appeal_type,
        matter.urgency,
        matter.respondent,
        moment,
    ]
    told = [str(word) for word in words if word]
    return "，".join(told), ", ".join(told)


class Examples:
    """Makes up matters on which conditions hold."""

    def __init__(self, tree: UnitTree, paths: Iterable[tuple[str, ...]]) -> None:
        self._tree = tree
        self._home = next((unit for unit in tree if unit.kind is UnitKind.COMMUNITY), tree.hub).code
        self._paths: dict[str, set[tuple[str, ...]]] = {}
        for path in paths:
            for key in category_keys(path):
                self._paths.setdefault(key, set()).add(path)

    def of_both(self, one: Condition, other: Condition) -> tuple[Matter, datetime] | None:
        """A matter and a moment on which both hold, or None where none was found."""
        category = self._category(one.category, other.category)
        region = self._region(one.region, other.region)
        moment = _moment(one, other)
        if category is None or region is None or moment is None:
            return None
        words = product(one.keywords[:5] or ("",), other.keywords[:5] or ("",))
        respondent = " ".join(dict.fromkeys((*one.respondent[:1], *other.respondent[:1]))) or None
        for title in (" ".join(dict.fromkeys(filter(None, pair))) for pair in words):
            matter = Matter(
                number=EXAMPLE,
                source=_either(one.source, other.source, Source.COMMUNITY),
                appeal_type=_either(one.appeal_type, other.appeal_type, AppealType.HELP),
                urgency=_either(one.urgency, other.urgency, Urgency.NORMAL),
                category=category,
                title=title,
                content="",
                region=region,
                whistle_blower=region,
                received_at=moment,
                respondent=respondent,
                confidential=bool(one.confidential or other.confidential),
            )
            found = situation_of(matter, bool(one.self_handled or other.self_handled), self._tree, moment)
            if one.holds(found) and other.holds(found):
                return matter, moment
        return None

    def _category(self, some: Sequence[str], others: Sequence[str]) -> tuple[str, ...] | None:
        if not some or not others:
            named = (*some, *others)
            return tuple(named[0].split(BELOW)) if named else ()
        for name, other in product(some, others):
            both = self._paths.get(name, set()) & self._paths.get(other, set())
            if both:
                return min(both)
            if name == other:
                return tuple(name.split(BELOW))
        return None

    def _region(self, some: Sequence[str], others: Sequence[str]) -> str | None:
        if not some or not others:
            return next(iter((*some, *others)), self._home)
        for code, other in product(some, others):
            if self._tree.is_within(code, other):
                return code
            if self._tree.is_within(other, code):
                return other
        return None


def _either(some: Sequence[T], others: Sequence[T], usual: T) -> T:
    both = [value for value in some if not others or value in others] if some else list(others)
    return both[0] if both else usual


def _moment(one: Condition, other: Condition) -> datetime | None:
    """The first moment at which the times of both hold."""
    minutes = _common(minutes_of(one.hours) or ALL_DAY, minutes_of(other.hours) or ALL_DAY)
    week = ((A_MONDAY.toordinal(), A_MONDAY.toordinal() + 7),)
    some, others = days_of(one.dates), days_of(other.dates)
    spans = _common(some or others or week, others or some or week)
    weekdays = [day for day in one.weekdays or range(1, 8) if not other.weekdays or day in other.weekdays]
    days = (day for begin, end in spans for day in range(begin, min(end, begin + 7)))
    day = next((day for day in days if date.fromordinal(day).isoweekday() in weekdays), None)
    if day is None or not minutes:
        return None
    noon = MINUTES_OF_A_DAY // 2
    minute = noon if any(begin <= noon < end for begin, end in minutes) else minutes[0][0]
    at_midnight = datetime.combine(date.fromordinal(day), datetime.min.time(), SHANGHAI)
    return (at_midnight + timedelta(minutes=minute)).astimezone(UTC)


def _common(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What two rows of spans have in common, in order."""
    return sorted(
        (max(begin, first), min(end, last))
        for begin, end in some
        for first, last in others
        if max(begin, first) < min(end, last)
    )


# --- gaps ---------------------------------------------------------------------------------------------------


def _gaps(rules: Rules, tree: UnitTree, catalogue: Categories) -> Iterator[Finding]:
    """Leaves of the catalogue that no rule decides for a plain whistle of a community on a working day."""
    moment = _moment(Condition(), Condition())
    home = next((unit for unit in tree if unit.kind is UnitKind.COMMUNITY), None)
    if moment is None or home is None:
        return
    inner = {path[:depth] for path in catalogue.paths for depth in range(1, len(path))}
    undecided: dict[str, list[str]] = {}
    for path in sorted(catalogue.paths - inner):
        matter = Matter(
            number=EXAMPLE,
            source=Source.COMMUNITY,
            appeal_type=AppealType.HELP,
            urgency=Urgency.NORMAL,
            category=path,
            title="",
            content="",
            region=home.code,
            whistle_blower=home.code,
            received_at=moment,
        )
        if route(matter, False, rules, tree, moment).reason.rule == NO_RULE:
            undecided.setdefault(path[0], []).append(BELOW.join(path[1:]) or path[0])
    for top, leaves in undecided.items():
        names = "、".join(leaves[:8]) + (f" 等 {len(leaves)} 项" if len(leaves) > 8 else "")
        yield Finding(
            Severity.WARNING,
            Doubt.GAP,
            f"分类“{top}”有 {len(leaves)} 项没有规则，将由区级治理中心研判派单：{names}",
            f"no rule decides {len(leaves)} categories of {top}, they wait at the hub's desk: {names}",
        )
