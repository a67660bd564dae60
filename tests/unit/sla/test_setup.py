"""What deadlines are reckoned by is what is in force: read once, and anew when something is imported."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.sla.setup import PARTS, RulesInForce, make_setup
from shared.contracts import units_json
from shared.runtime.district import UNITS, InForce, Kind, NothingInForce, Setup
from shared.runtime.setup_files import read_units
from shared.runtime.setup_parts import Before, File

DISTRICT = Path("deploy/district")
TODAY = date(2026, 11, 23)


def imported(name: str, before: Mapping[str, Any]) -> tuple[Kind[Any], Any]:
    """The part's file in the district's folder, as it is read when it is in force."""
    part = PARTS[name]
    path = DISTRICT / part.file
    file = File(path.read_text(encoding="utf-8"), "csv" if path.suffix == ".csv" else "yaml", path.name)
    return part.kind, part.kind.read(part.prepare(file, Before(before), TODAY).content)


class InForceHere(Setup):
    """A set-up with what is put in force by hand."""

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[str, InForce] = {}

    def put(self, kind: Kind[Any], value: Any) -> None:
        before = self._found.get(kind.name)
        self._found[kind.name] = InForce(before.number + 1 if before else 1, b"", value)

    def held(self, kind: Kind[Any]) -> InForce | None:
        return self._found.get(kind.name)

    def current(self, kind: Kind[Any]) -> Any:
        held = self.held(kind)
        if held is None:
            raise NothingInForce(kind.name)
        return held.value


def district() -> InForceHere:
    setup = InForceHere()
    units = read_units(DISTRICT / "units.yaml")
    setup.put(UNITS, units_json.from_json(units_json.to_json(units)))
    for name in ("policy", "calendar"):
        setup.put(*imported(name, {UNITS.name: units}))
    return setup


def test_it_is_the_same_rules_until_something_is_imported() -> None:
    setup = district()
    given = RulesInForce(setup)
    first = given()
    assert given() is first
    assert first.category_limits is None
    setup.put(*imported("category_limits", {}))
    after = given()
    assert after.category_limits is not None
    assert given() is after
    assert (after.policies, after.units, after.calendars) == (first.policies, first.units, first.calendars)


@pytest.mark.parametrize("missing", ["policy", "calendar", "units"])
def test_without_one_of_them_it_waits(missing: str) -> None:
    setup = district()
    del setup._found[missing]
    with pytest.raises(NothingInForce, match=missing):
        RulesInForce(setup)()


def test_a_district_may_have_no_catalogue_of_limits() -> None:
    assert make_setup().missing() == "no units, policy, calendar in force"


def test_each_part_is_imported_from_its_file_of_the_folder() -> None:
    assert {part.file for part in PARTS.values()} == {"policy.yaml", "category_limits.csv", "calendar.yaml"}
    assert all((DISTRICT / part.file).exists() for part in PARTS.values())
