"""Units and the tree they form, one version after another.

A unit's parent is an explicit link, never parsed out of its code. A unit that goes hands its work to those that
succeed it; the tree remembers, so that a code out of an old case still leads to somebody.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.faults import Fault, SetupInvalid
from shared.contracts.topics import topics_of
from shared.contracts.vocabulary import UnitKind

HANDLING_KINDS = (UnitKind.STREET, UnitKind.COMMUNITY, UnitKind.DEPARTMENT, UnitKind.UTILITY)
"""Units that cases are assigned to; each has its topics."""

SUCCEEDED_KINDS = (UnitKind.HUB, *HANDLING_KINDS)
"""Units that cannot go without a successor: cases wait for them, or for their verdict."""

_CODE = r"^[0-9A-Za-z-]{2,32}$"


class Unit(BaseModel):
    """One unit of the district.

    `code` is GB/T 2260 + GB/T 10114 digits for regions (6, 9, 12, 14–20 digits) or the
    district's own code for departments and utilities; it names the unit's topics. The same code with another
    name is the same unit, renamed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    code: str = Field(pattern=_CODE)
    name: str = Field(min_length=1, max_length=100)
    name_en: str = Field(default="", max_length=200)
    aliases: tuple[str, ...] = Field(default=(), description="other names people use for it")
    kind: UnitKind
    parent: str | None = None
    supervisor: str | None = Field(default=None, description="who answers for it, where that is not its parent")
    deputies: tuple[str, ...] = Field(default=(), description="units whose staff may act for it")
    succeeds: tuple[str, ...] = Field(default=(), description="codes of former units whose work it takes over")
    capabilities: tuple[str, ...] = ()
    credit_code: str | None = Field(
        default=None, pattern=r"^[0-9A-HJ-NP-RTUW-Y]{18}$", description="统一社会信用代码, 18 characters"
    )


class UnitsInvalid(SetupInvalid):
    """These units form no tree; every fault is listed with its place and what to do."""


@dataclass(frozen=True, slots=True)
class UnitTree:
    """All units of one district, looked up by code. Exactly one hub; no cycles; every link leads to a unit.

    `retired` has the units of earlier versions as they last were, `successors` who took over from each of them.
    Made by `next_version`, which checks.
    """

    units: Mapping[str, Unit]
    version: str
    retired: Mapping[str, Unit] = field(default_factory=dict)
    successors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hub: Unit = field(init=False, repr=False, compare=False)
    _named: Mapping[str, Unit | None] = field(init=False, repr=False, compare=False)
    _capable: Mapping[str, tuple[Unit, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hub", next(unit for unit in self if unit.kind is UnitKind.HUB))
        object.__setattr__(self, "_named", _by_name(self.units.values()))
        object.__setattr__(self, "_capable", _by_capability(self.units.values()))

    def __iter__(self) -> Iterator[Unit]:
        return iter(self.units.values())

    def __len__(self) -> int:
        return len(self.units)

    def __contains__(self, code: object) -> bool:
        return code in self.units

    def get(self, code: str) -> Unit | None:
        return self.units.get(code)

    def ancestors(self, code: str) -> Iterator[Unit]:
        """The unit's parent, its parent's parent, and so on up to the root."""
        unit = self.units.get(code)
        while unit is not None and unit.parent is not None:
            unit = self.units.get(unit.parent)
            if unit is not None:
                yield unit

    def is_within(self, code: str, above: str) -> bool:
        """Whether it is that unit, or below it."""
        return code == above or any(unit.code == above for unit in self.ancestors(code))

    def nearest(self, code: str, kind: UnitKind) -> Unit | None:
        """The unit itself or its nearest ancestor of that kind."""
        unit = self.units.get(code)
        if unit is not None and unit.kind is kind:
            return unit
        return next((above for above in self.ancestors(code) if above.kind is kind), None)

    def supervisor(self, code: str) -> Unit:
        """Who answers for a unit: the one it names, else its parent, or the hub where it has none."""
        unit = self.units.get(code)
        if unit is not None and unit.supervisor is not None:
            return self.units[unit.supervisor]
        return next(self.ancestors(code), self.hub)

    def may_act_for(self, unit: str, deputy: str) -> bool:
        """Whether staff of `deputy` may act for `unit`: it is the unit itself, or one of its deputies."""
        known = self.units.get(unit)
        return unit == deputy or (known is not None and deputy in known.deputies)

    def named(self, text: str) -> Unit | None:
        """The unit of this code, name, English name or alias; None where nobody, or more than one, is so called."""
        return self._named.get(plain(text))

    def capable(self, capability: str) -> tuple[Unit, ...]:
        """The units that have a capability and handle cases, in the order of the file."""
        return self._capable.get(capability, ())

    def name_of(self, code: str, *, english: bool = False) -> str:
        """What a unit is or was called; the code itself where it was never known."""
        unit = self.units.get(code) or self.retired.get(code)
        if unit is None:
            return code
        return unit.name_en or unit.name if english else unit.name

    def present(self, code: str, region: str | None = None, category: Sequence[str] = ()) -> str | None:
        """The unit itself while it exists, else who took over, through any number of versions.

        Of several successors: the one at, above or below `region`, else one that has a capability in `category`,
        else the first. A unit that went without one (a grid, a compound) is answered for by its former parent.
        None where the code was never known.
        """
        return self._present(code, region, category, set())

    def _present(self, code: str, region: str | None, category: Sequence[str], seen: set[str]) -> str | None:
        if code in self.units:
            return code
        if code in seen:
            return None
        seen.add(code)
        gone = self.retired.get(code)
        heirs = self.successors.get(code) or ((gone.parent,) if gone and gone.parent else ())
        found = [there for heir in heirs if (there := self._present(heir, region, category, seen))]
        if len(found) > 1 and region is not None:
            here = self._present(region, None, (), set()) or region
            found = [heir for heir in found if self.is_within(here, heir) or self.is_within(heir, here)] or found
        if len(found) > 1:
            found = [heir for heir in found if not set(category).isdisjoint(self.units[heir].capabilities)] or found
        return found[0] if found else None


def plain(text: str) -> str:
    """A name as it is looked up: surrounding blanks, full-width forms and capitals make no difference."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _names(unit: Unit) -> set[str]:
    return {plain(name) for name in (unit.name, unit.name_en, *unit.aliases) if name}


def _by_name(units: Iterable[Unit]) -> Mapping[str, Unit | None]:
    """Units by everything they are called; None under a name that more than one has. A code wins over a name."""
    found: dict[str, Unit | None] = {}
    every = list(units)
    for unit in every:
        for name in _names(unit):
            found[name] = None if name in found else unit
    return found | {plain(unit.code): unit for unit in every}


def _by_capability(units: Iterable[Unit]) -> Mapping[str, tuple[Unit, ...]]:
    found: dict[str, list[Unit]] = {}
    for unit in units:
        for capability in unit.capabilities if unit.kind in HANDLING_KINDS else ():
            found.setdefault(capability, []).append(unit)
    return {capability: tuple(capable) for capability, capable in found.items()}


def unit_topics(tree: UnitTree) -> list[str]:
    """The topics of every unit that handles cases."""
    return [topic for unit in tree if unit.kind in HANDLING_KINDS for topic in topics_of(unit.code)]


# --- one version after another ----------------------------------------------------------------------------


def build_tree(units: Iterable[Unit], version: str) -> UnitTree:
    """A tree without a past. Raises `UnitsInvalid` with every fault."""
    return next_version(None, units, version)


def next_version(
    before: UnitTree | None,
    units: Iterable[Unit],
    version: str,
    lines: Mapping[str, int] = MappingProxyType({}),
    file: str = "",
) -> UnitTree:
    """The tree of these units, which remembers those that are gone since `before`.

    Raises `UnitsInvalid` with every fault; `lines` says where in `file` each code stands.
    """
    given = list(units)
    faults = [*_clashes(given), *_broken_links(given)]
    by_code = {unit.code: unit for unit in given}
    if not faults:
        faults = [*(_parent_circles(by_code) or _supervisor_circles(by_code)), *_succession(before, by_code)]
    if faults:
        raise UnitsInvalid(
            Fault(one.zh, one.en, one.field, one.entry, one.line or lines.get(one.entry, 0), file) for one in faults
        )
    retired = {} if before is None else {**before.retired, **before.units}
    retired = {code: unit for code, unit in retired.items() if code not in by_code}
    return UnitTree(by_code, version, retired, _successors(before, by_code))


def _clashes(units: Sequence[Unit]) -> Iterator[Fault]:
    seen: set[str] = set()
    for unit in units:
        if unit.code in seen:
            yield Fault(
                "代码重复；请为其中一个单位改用其他代码",
                "the code is used twice; give one of the two another code",
                "code",
                unit.code,
            )
        seen.add(unit.code)
    hubs = [unit.code for unit in units if unit.kind is UnitKind.HUB]
    if len(hubs) != 1:
        yield Fault(
            f"一个区有且只有一个 hub（区级治理中心），现有 {len(hubs)} 个：{'、'.join(hubs) or '无'}；请更正 kind",
            f"a district has exactly one hub, found {len(hubs)}: {', '.join(hubs) or 'none'}; correct the kinds",
            "kind",
            hubs[1] if hubs else "",
        )


def _broken_links(units: Sequence[Unit]) -> Iterator[Fault]:
    codes = {unit.code for unit in units}
    for unit in units:
        deputies = [("deputies", one) for one in unit.deputies]
        for name, code in [("parent", unit.parent), ("supervisor", unit.supervisor), *deputies]:
            if code is not None and code not in codes:
                yield Fault(
                    f"单位 {code} 不存在；请补上该单位，或更正此处的代码",
                    f"unit {code} does not exist; add it or correct the code",
                    name,
                    unit.code,
                )
            elif code == unit.code and name != "parent":
                yield Fault("不能是单位自己；请删除", "it cannot be the unit itself; remove it", name, unit.code)


def _parent_circles(units: Mapping[str, Unit]) -> list[Fault]:
    return _circles("parent", {unit.code: unit.parent for unit in units.values()})


def _supervisor_circles(units: Mapping[str, Unit]) -> list[Fault]:
    return _circles("supervisor", {unit.code: unit.supervisor or unit.parent for unit in units.values()})


def _circles(link: str, above: Mapping[str, str | None]) -> list[Fault]:
    """One fault for each circle; every unit is looked at once."""
    faults: list[Fault] = []
    settled: set[str] = set()
    for code in above:
        path: dict[str, None] = {}
        at: str | None = code
        while at is not None and at not in settled and at not in path:
            path[at] = None
            at = above[at]
        if at is not None and at in path:
            way = list(path)
            circle = " → ".join([*way[way.index(at) :], at])
            faults.append(Fault(f"{circle} 形成循环；请断开其中一环", f"{circle} is a circle; break it", link, at))
        settled.update(path)
    return faults


def _succession(before: UnitTree | None, units: Mapping[str, Unit]) -> Iterator[Fault]:
    """Whoever is succeeded is gone, and whoever is gone and had cases is succeeded."""
    claimed = {code for unit in units.values() for code in unit.succeeds}
    former = {} if before is None else {**before.retired, **before.units}
    for unit in units.values():
        for code in unit.succeeds:
            if code in units:
                yield Fault(
                    f"单位 {code} 仍在名单中，不能被接替；请从名单中删去 {code}，或从 succeeds 中删去",
                    f"unit {code} is still listed, so nobody succeeds it; take it out of the file, or out of succeeds",
                    "succeeds",
                    unit.code,
                )
            elif before is not None and code not in former:
                yield Fault(
                    f"以前没有单位 {code}；请核对代码",
                    f"there was never a unit {code}; check the code",
                    "succeeds",
                    unit.code,
                )
    if before is None:
        return
    heirs = {heir for every in before.successors.values() for heir in every}
    for gone in before:
        must_be_succeeded = gone.kind in SUCCEEDED_KINDS or gone.code in heirs
        if gone.code not in units and gone.code not in claimed and must_be_succeeded:
            yield Fault(
                f"单位 {gone.name} 不见了，它的哨单无人接手；请在接手单位上写 succeeds: [{gone.code}]，"
                "若只是改名则保留原代码",
                f"{gone.name} is gone and nobody takes its cases; add `succeeds: [{gone.code}]` to the unit "
                "that takes over, or keep the code if it is only renamed",
                "succeeds",
                gone.code,
            )


def _successors(before: UnitTree | None, units: Mapping[str, Unit]) -> dict[str, tuple[str, ...]]:
    """Who took over from each retired unit: those that say so now, else those that said so before."""
    claims: dict[str, list[str]] = {}
    for unit in units.values():
        for code in unit.succeeds:
            claims.setdefault(code, []).append(unit.code)
    known = {} if before is None else before.successors
    kept = {code: heirs for code, heirs in known.items() if code not in units}
    return kept | {code: tuple(dict.fromkeys(heirs)) for code, heirs in claims.items()}


# --- what is worth a second look --------------------------------------------------------------------------


def doubts(tree: UnitTree) -> Iterator[Fault]:
    """What an administrator should look at, though it keeps nobody from using the tree."""
    first: dict[str, Unit] = {}
    for unit in tree:
        if unit.credit_code and not _check_digit_fits(unit.credit_code):
            yield Fault(
                f"统一社会信用代码 {unit.credit_code} 的校验码不符；请核对（确有少数真实代码如此，可保留）",
                f"the check digit of {unit.credit_code} does not fit; look again (some real codes are so, it may stay)",
                "credit_code",
                unit.code,
            )
        for name in sorted(_names(unit)):
            other = first.setdefault(name, unit)
            if other is not unit:
                yield Fault(
                    f"“{name}”也是 {other.code} 的名称，按名称将找不到任何一个；请用别名区分",
                    f"'{name}' is a name of {other.code} too, so it will find neither; tell them apart by another name",
                    "name",
                    unit.code,
                )


_CREDIT_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def _check_digit_fits(code: str) -> bool:
    """GB 32100: C18 = 31 − Σ Cᵢ·3^(i−1) mod 31, 31 → 0."""
    total = sum(_CREDIT_CHARACTERS.index(sign) * 3**place for place, sign in enumerate(code[:17]))
    return _CREDIT_CHARACTERS[(31 - total % 31) % 31] == code[17]
