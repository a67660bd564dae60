"""The parts of the district's set-up that decide about cases: how each is read when in force, and how imported.

A third part is a row of `PARTS` and a field of `District`.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError

from services.router.domain.district import District
from services.router.domain.procedures import Procedures
from services.router.domain.routing import rules as rule_texts
from services.router.domain.routing.rules import Rules, RulesInvalid, parse_rules, unit_faults
from shared.contracts import units_json
from shared.contracts.faults import Fault, SetupInvalid, in_words
from shared.contracts.units import UnitTree, doubts
from shared.contracts.units_difference import difference
from shared.contracts.units_file import Format, parse_units
from shared.contracts.yaml_lines import read_yaml
from shared.runtime.district import UNITS, Imported, Kind, Setup, begin_import, import_version, present


def _rules(stored: bytes) -> Rules:
    rules = rule_texts.from_json(stored)
    _ = rules.index  # built here, so that no batch waits for it
    return rules


RULES: Kind[Rules] = Kind("rules", _rules)
PROCEDURES: Kind[Procedures] = Kind("procedures", Procedures.model_validate_json)


def district_of(setup: Setup) -> District:
    """The district as it is in force."""
    return District(setup.current(UNITS), setup.current(RULES), setup.current(PROCEDURES))


# --- a new version ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class File:
    """What somebody wants to import."""

    text: str
    format: Format
    name: str


@dataclass(frozen=True, slots=True)
class Before:
    """What is in force when something is imported; None where nothing is."""

    units: UnitTree | None
    rules: Rules | None
    procedures: Procedures | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A version that may be put in force. `retired`: units in force now that it no longer has."""

    label: str
    content: bytes
    difference: dict[str, Any]
    doubts: tuple[Fault, ...] = ()
    retired: tuple[str, ...] = ()


def prepare_units(file: File, before: Before, today: date) -> Prepared:
    """Raises `UnitsInvalid`. Rules in force that the new units leave without a unit are doubtful, no fault."""
    units = parse_units(file.text, file.format, file.name)
    after = units.after(before.units, today.isoformat())
    changes = difference(before.units, after)
    if before.units is not None and units.version is None and not changes:
        after = units.after(before.units, before.units.version)
    rules = before.rules.rules if before.rules is not None else ()
    return Prepared(
        after.version,
        units_json.to_json(after),
        changes.model_dump(),
        (*doubts(after), *(fault for rule in rules for fault in unit_faults(rule, after))),
        tuple(code for code in before.units.units if code not in after) if before.units is not None else (),
    )


def prepare_rules(file: File, before: Before, _today: date) -> Prepared:
    """Raises `RulesInvalid`."""
    if before.units is None:
        raise RulesInvalid(
            [Fault("还没有单位；请先导入单位", "there are no units yet; import them first", file=file.name)]
        )
    after = parse_rules(file.text, before.units, file.name)
    old = before.rules.by_id if before.rules is not None else {}
    return Prepared(after.version, rule_texts.to_json(after), _changed(old, after.by_id))


def prepare_procedures(file: File, before: Before, _today: date) -> Prepared:
    """Raises `SetupInvalid`."""
    after = parse_procedures(file.text, file.name)
    return Prepared(after.version, after.model_dump_json().encode(), _changed(_rows(before.procedures), _rows(after)))


def parse_procedures(text: str, file: str) -> Procedures:
    """The procedures of a file. Raises `SetupInvalid` naming line and field."""
    document = read_yaml(text, file)
    try:
        return Procedures.model_validate(document.plain)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise SetupInvalid(in_words(one, "", document.line_at(one["loc"]), file) for one in found) from None


def _rows(procedures: Procedures | None) -> dict[str, object]:
    return {} if procedures is None else {action.value: rows for action, rows in procedures.procedures.items()}


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, Any]:
    """What was added, removed and changed, by name, and whether what stays is in another order."""
    stays = [name for name in after if name in before]
    return {
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "changed": [name for name in stays if before[name] != after[name]],
        "reordered": stays != [name for name in before if name in after],
    }


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the set-up: its kind, its file in the set-up folder, and how a file becomes a version."""

    kind: Kind[Any]
    file: str
    prepare: Callable[[File, Before, date], Prepared]


PARTS: Mapping[str, Part] = {
    part.kind.name: part
    for part in (
        Part(UNITS, "units.yaml", prepare_units),
        Part(RULES, "rules.yaml", prepare_rules),
        Part(PROCEDURES, "procedures.yaml", prepare_procedures),
    )
}


async def import_file(connection: Any, part: Part, file: File, by: str, note: str = "") -> tuple[Prepared, Imported]:
    """Within a transaction: put a file in force, all of it or nothing. Raises `SetupInvalid` with every fault."""
    prepared = await prepare(connection, part, file)
    return prepared, await import_version(connection, part.kind.name, prepared.label, prepared.content, by, note)


async def prepare(connection: Any, part: Part, file: File) -> Prepared:
    """Within a transaction: check a file against what is in force, which then nobody changes until it ends."""
    await begin_import(connection)
    today: date = await connection.fetchval("select current_date")
    units = await present(connection, UNITS)
    rules = await present(connection, RULES)
    procedures = await present(connection, PROCEDURES)
    # In a thread: a large city's units take seconds.
    return await asyncio.to_thread(part.prepare, file, Before(units, rules, procedures), today)
