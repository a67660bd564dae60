"""In the middle of a rehearsal the district changes: other rules, other limits, a year's holidays that are published,
and then a unit that is merged into another."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import yaml

from deploy.demo.doors import Doors
from shared.contracts.units import UnitTree
from shared.contracts.units_file import parse_units

RULES_VERSION = "rehearsal-2"
UNITS_VERSION = "rehearsal-2"
POLICY_VERSION = "rehearsal-2"
LEAVES, TAKES_OVER = "dept-ecology", "dept-urban-management"
NEW_RULE = {
    "id": "schools",
    "when": {"category": ["教育行政管理"]},
    "then": {"level": "street"},
    "because": {"zh": "入学咨询由属地街道答复", "en": "The street of the place answers questions about schools"},
}
STRICTER = {"critical": "4 clock_second"} | dict.fromkeys(("urgent", "normal", "complex"), "55 clock_second")
"""How long a case may be handled by the new policy."""
YEARS_AHEAD = 3
RECKONED_WITHIN_SECONDS = 20.0
PUT_DOWN, RULES_CHANGE, UNITS_CHANGE = 0.3, 0.4, 0.6
"""When, by the share of the whistles that were accepted: the unit that leaves finishes nothing more; the imports.

Once that unit has work on its hands, or none can come any more, the limits change, and apply to what runs; then the
years ahead are published, and what was provisional is reckoned again; then the units change.
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
    while not company.has_put_down(LEAVES) and not all_given():
        await asyncio.sleep(0.05)
    await _import(company.doors, "policy", changed_policy(_read(setup / "policy.yaml")), "sla")
    await _reckon(company.doors, "policy", POLICY_VERSION, "演练：新的限时规则适用于在办事项")
    await _import(company.doors, "calendar", published(datetime.now(UTC).year), "sla", format="csv", name="years.csv")
    await _reckoned(company.doors, "calendar")
    await _until(fed, UNITS_CHANGE)
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


def changed_policy(policy: dict[str, Any]) -> str:
    """Less time to handle a case."""
    return _written(policy | {"version": POLICY_VERSION, "limits": policy["limits"] | {"handle": STRICTER}})


def published(year: int) -> str:
    """Years to come as if their holidays had been published, for the rehearsal only."""
    days = [("01-01", "元旦"), *((f"10-0{day}", "国庆节") for day in range(1, 8))]
    rows = [f"{ahead}-{day},off,{name}" for ahead in range(year + 1, year + 1 + YEARS_AHEAD) for day, name in days]
    return "\n".join(("date,kind,name", *rows)) + "\n"


async def _reckon(doors: Doors, kind: str, version: str, note: str) -> None:
    """Ask that a new version applies to what runs, and wait until it does."""
    await doors.post("sla", "/reckonings", doors.operator(), {"kind": kind, "version": version, "note": note})
    await _reckoned(doors, kind)


async def _reckoned(doors: Doors, kind: str) -> None:
    """Until a reckoning of that kind has been done. A published year is reckoned by itself, if anything rests on it."""
    until = asyncio.get_running_loop().time() + RECKONED_WITHIN_SECONDS
    while asyncio.get_running_loop().time() < until:
        found = (await doors.get("sla", "/reckonings", doors.operator()))["reckonings"]
        if any(one["kind"] == kind and one["finished_at"] is not None for one in found):
            return
        await asyncio.sleep(0.1)


async def _until(fed: Callable[[], float], share: float) -> None:
    while fed() < share:
        await asyncio.sleep(0.05)


async def _import(doors: Doors, kind: str, content: str, service: str = "router", **form: str) -> None:
    path = f"/district/{kind}?{urlencode(form)}" if form else f"/district/{kind}"
    await doors.post(service, path, doors.operator(), content=content.encode())


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _written(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
