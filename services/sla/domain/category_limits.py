"""The catalogue's own limits: how long the city grants for one subclass of its events and components (`handle`).

A case names an entry by the first two names of its category, the major and the minor class, or by the code alone.
One subclass has several filing conditions (立案条件) with a limit each, its variants. Which of them holds, a case
says by a third name; where it says none, or one that the catalogue does not know, the longest limit holds: nobody
is late by a condition that was not established.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import orjson

from services.sla.domain.limit import Limit
from services.sla.domain.policy import BELOW, Concern, Granted, Policy
from shared.contracts.vocabulary import Obligation


@dataclass(frozen=True, slots=True)
class Entry:
    """One filing condition of a subclass. `code` is the subclass's; `responsible` = as the catalogue words it."""

    code: str
    major: str
    minor: str
    variant: str
    limit: Limit
    responsible: str = ""

    @property
    def name(self) -> str:
        return BELOW.join((self.major, self.minor, self.variant))


@dataclass(frozen=True)
class CategoryLimits:
    """All entries of one version, in the catalogue's order. Of one subclass no variant is there twice."""

    version: str = ""
    entries: tuple[Entry, ...] = ()

    def limit_of(self, category: tuple[str, ...]) -> Granted | None:
        """The catalogue's limit for a category; None where it has none."""
        if not category:
            return None
        named = 1 if category[0] in self._codes else 2
        return self.lookup.get(category[: named + 1]) or self.lookup.get(category[:named])

    def variants(self, category: tuple[str, ...]) -> tuple[Entry, ...]:
        """The entries of the subclass that a category names."""
        path = self._codes.get(category[0]) if category else None
        return tuple(one for one in self.entries if (one.major, one.minor) == (path or category[:2]))

    @cached_property
    def _codes(self) -> Mapping[str, tuple[str, str]]:
        return {one.code: (one.major, one.minor) for one in self.entries}

    @cached_property
    def lookup(self) -> Mapping[tuple[str, ...], Granted]:
        """The limits as `limit_of` finds them."""
        found: dict[tuple[str, ...], Granted] = {}
        subclasses: dict[tuple[str, str], list[Entry]] = {}
        for one in self.entries:
            subclasses.setdefault((one.major, one.minor), []).append(one)
        for (major, minor), variants in subclasses.items():
            code = variants[0].code
            longest = max(variants, key=lambda one: one.limit.usual)
            basis = f"category_limits {code}"
            some = Granted(longest.limit, basis + (f": longest of {len(variants)}" if len(variants) > 1 else ""))
            found[major, minor] = found[code,] = some
            for one in variants:
                this = Granted(one.limit, f"{basis}: variant {one.variant}")
                found[major, minor, one.variant] = found[code, one.variant] = this
        return found


def candidates(
    policy: Policy, limits: CategoryLimits | None, obligation: Obligation, concern: Concern
) -> tuple[Granted, ...]:
    """The policy's limit and, where the catalogue has one, its own: the one that is due earlier holds."""
    granted = policy.grants(obligation, concern)
    own = limits.limit_of(concern.category) if limits is not None and obligation is Obligation.HANDLE else None
    return (granted,) if own is None else (granted, own)


# --- as they are stored -----------------------------------------------------------------------------------------


def to_json(limits: CategoryLimits) -> bytes:
    return orjson.dumps({"version": limits.version, "entries": list(_rows(limits))})


def _rows(limits: CategoryLimits) -> Iterator[tuple[str, ...]]:
    for one in limits.entries:
        yield one.code, one.major, one.minor, one.variant, str(one.limit), one.responsible


def from_json(stored: bytes | str) -> CategoryLimits:
    """Limits that were checked when they were stored."""
    document = orjson.loads(stored)
    return CategoryLimits(
        document["version"],
        tuple(
            Entry(code, major, minor, variant, Limit.parse(limit), responsible)
            for code, major, minor, variant, limit, responsible in document["entries"]
        ),
    )
