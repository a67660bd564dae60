"""Units and the tree they form. A unit's parent is an explicit link, never parsed out of its code."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.contracts.vocabulary import UnitKind

HANDLING_KINDS = (UnitKind.STREET, UnitKind.COMMUNITY, UnitKind.DEPARTMENT, UnitKind.UTILITY)
"""Units that cases are assigned to; each has its topics."""


class Unit(BaseModel):
    """One unit of the district.

    `code` is GB/T 2260 + GB/T 10114 digits for regions (6, 9, 12, 14–20 digits) or the
    district's own code for departments and utilities; it names the unit's topics.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[0-9A-Za-z-]{2,32}$")
    name: str = Field(min_length=1, max_length=100)
    name_en: str = ""
    kind: UnitKind
    parent: str | None = None
    capabilities: tuple[str, ...] = ()


class UnitsInvalid(ValueError):
    """The units file cannot be used; every problem is listed with its place and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class UnitTree:
    """All units of one district, looked up by code. Exactly one hub; no cycles; every parent exists."""

    units: dict[str, Unit]
    version: str

    def __iter__(self) -> Iterator[Unit]:
        return iter(self.units.values())

    def __contains__(self, code: object) -> bool:
        return code in self.units

    def get(self, code: str) -> Unit | None:
        return self.units.get(code)

    @property
    def hub(self) -> Unit:
        return next(unit for unit in self if unit.kind is UnitKind.HUB)

    def ancestors(self, code: str) -> Iterator[Unit]:
        """The unit's parent, its parent's parent, and so on up to the root."""
        unit = self.units.get(code)
        while unit is not None and unit.parent is not None:
            unit = self.units.get(unit.parent)
            if unit is not None:
                yield unit

    def nearest(self, code: str, kind: UnitKind) -> Unit | None:
        """The unit itself or its nearest ancestor of that kind."""
        unit = self.units.get(code)
        if unit is not None and unit.kind is kind:
            return unit
        return next((above for above in self.ancestors(code) if above.kind is kind), None)

    def supervisor(self, code: str) -> Unit:
        """Who answers for a unit: its parent, or the hub where it has none."""
        return next(self.ancestors(code), self.hub)


def build_tree(units: Iterable[Unit], version: str) -> UnitTree:
    """Check the units against each other and return the tree, or raise `UnitsInvalid` with every problem."""
    by_code: dict[str, Unit] = {}
    problems: list[str] = []
    for unit in units:
        if unit.code in by_code:
            problems.append(f"unit {unit.code}: the code is used twice; give one of the two another code")
        by_code[unit.code] = unit
    hubs = [unit.code for unit in by_code.values() if unit.kind is UnitKind.HUB]
    if len(hubs) != 1:
        problems.append(f"kind: a district has exactly one hub, found {len(hubs)}: {', '.join(hubs) or 'none'}")
    problems.extend(
        f"unit {unit.code}: parent {unit.parent} does not exist; add it or correct the link"
        for unit in by_code.values()
        if unit.parent is not None and unit.parent not in by_code
    )
    tree = UnitTree(by_code, version)
    if not problems:
        problems.extend(_cycles(tree))
    if problems:
        raise UnitsInvalid(problems)
    return tree


def _cycles(tree: UnitTree) -> list[str]:
    for unit in tree:
        seen = {unit.code}
        parent = unit.parent
        while parent is not None:
            if parent in seen:
                return [f"unit {unit.code}: its parents form a circle through {parent}; break it"]
            seen.add(parent)
            parent = tree.units[parent].parent
    return []


def read_units(path: Path) -> UnitTree:
    """Read `units.yaml`: `version` and a list `units`. Raises `UnitsInvalid` naming entry and field."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UnitsInvalid([f"{path}: not YAML: {error}"]) from error
    if not isinstance(raw, dict) or not isinstance(raw.get("units"), list):
        raise UnitsInvalid([f"{path}: expected a mapping with `version` and a list `units`"])
    units: list[Unit] = []
    problems: list[str] = []
    for number, entry in enumerate(raw["units"], start=1):
        try:
            units.append(Unit.model_validate(entry))
        except ValidationError as error:
            for detail in error.errors():
                field = ".".join(str(part) for part in detail["loc"]) or "entry"
                problems.append(f"{path}: unit {number}, field {field}: {detail['msg']}")
    if problems:
        raise UnitsInvalid(problems)
    return build_tree(units, str(raw.get("version", "1")))
