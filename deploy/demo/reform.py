"""In the middle of a rehearsal the district changes: other rules, and then a unit that is merged into another."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import yaml

from deploy.demo.doors import Doors
from shared.contracts.units import UnitTree
from shared.contracts.units_file import parse_units

RULES_VERSION = "rehearsal-2"
UNITS_VERSION = "rehearsal-2"
LEAVES, TAKES_OVER = "dept-ecology", "dept-urban-management"
NEW_RULE = {
    "id": "schools",
    "when": {"category": ["教育行政管理"]},
    "then": {"level": "street"},
    "because": {"zh": "入学咨询由属地街道答复", "en": "The street of the place answers questions about schools"},
}
PUT_DOWN, RULES_CHANGE, UNITS_CHANGE = 0.3, 0.4, 0.6
"""When, by the share of the whistles that were accepted: the unit that leaves finishes nothing more; the imports.

The units change once that unit has work on its hands, or none can come any more.
"""


class Company(Protocol):
    """Whom the change concerns."""

    doors: Doors
    tree: UnitTree
    leaving: frozenset[str]

    def has_put_down(self, unit: str) -> bool:
        """Whether a unit that leaves has work that only its successor will finish."""
        ...


async def reform(company: Company, setup: Path, fed: Callable[[], float], all_given: Callable[[], bool]) -> None:
    """Import what changes while whistles come in. `fed` = the share of them accepted so far; `all_given` = whether
    every whistle was accepted and given to units."""
    await _until(fed, PUT_DOWN)
    company.leaving = frozenset({LEAVES})
    await _until(fed, RULES_CHANGE)
    await _import(company.doors, "rules", changed_rules(_read(setup / "rules.yaml")))
    await _until(fed, UNITS_CHANGE)
    while not company.has_put_down(LEAVES) and not all_given():
        await asyncio.sleep(0.05)
    units = changed_units(_read(setup / "units.yaml"))
    await _import(company.doors, "units", units)
    company.tree = parse_units(units, "yaml", "units.yaml").after(company.tree, UNITS_VERSION)


def changed_rules(rules: dict[str, Any]) -> str:
    """One more rule, before all others."""
    return _written(rules | {"version": RULES_VERSION, "rules": [NEW_RULE, *rules["rules"]]})


def changed_units(units: dict[str, Any]) -> str:
    """One department less; another takes over its duties and its cases."""
    gone = next(unit for unit in units["units"] if unit["code"] == LEAVES)
    stay = [
        unit | {"succeeds": [LEAVES], "capabilities": [*unit.get("capabilities", []), *gone.get("capabilities", [])]}
        if unit["code"] == TAKES_OVER
        else unit
        for unit in units["units"]
        if unit is not gone
    ]
    return _written(units | {"version": UNITS_VERSION, "units": stay})


async def _until(fed: Callable[[], float], share: float) -> None:
    while fed() < share:
        await asyncio.sleep(0.05)


async def _import(doors: Doors, kind: str, content: str) -> None:
    await doors.post("router", f"/district/{kind}", doors.operator(), content=content.encode())


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _written(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
