"""The parts of the district's set-up that decide about cases: how each is read when in force, and how imported.

A third part is a row of `PARTS` and a field of `District`.
"""

from collections.abc import Mapping
from datetime import date

from pydantic import ValidationError

from services.router.domain.district import District
from services.router.domain.procedures import Procedures
from services.router.domain.routing import rules as rule_texts
from services.router.domain.routing.rules import Rules, RulesInvalid, parse_rules, unit_faults
from shared.contracts import units_json
from shared.contracts.faults import Fault, SetupInvalid, in_words
from shared.contracts.units import UnitsInvalid, doubts
from shared.contracts.units_difference import difference
from shared.contracts.units_file import parse_units
from shared.contracts.yaml_lines import read_yaml
from shared.runtime.district import UNITS, Kind, Setup
from shared.runtime.setup_parts import Before, File, Part, Prepared, changed


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


def prepare_units(file: File, before: Before, today: date) -> Prepared:
    """Raises `UnitsInvalid`. Rules in force that the new units leave without a unit are doubtful, no fault."""
    if file.format == "ics":
        raise UnitsInvalid([Fault("单位须为 YAML 或 CSV 文件", "units are read from YAML or CSV", file=file.name)])
    units = parse_units(file.text, file.format, file.name)
    old, rules = before.of(UNITS), before.of(RULES)
    after = units.after(old, today.isoformat())
    changes = difference(old, after)
    if old is not None and units.version is None and not changes:
        after = units.after(old, old.version)
    return Prepared(
        after.version,
        units_json.to_json(after),
        changes.model_dump(),
        (*doubts(after), *(fault for rule in (rules.rules if rules else ()) for fault in unit_faults(rule, after))),
        tuple(code for code in old.units if code not in after) if old is not None else (),
    )


def prepare_rules(file: File, before: Before, _today: date) -> Prepared:
    """Raises `RulesInvalid`."""
    units, old = before.of(UNITS), before.of(RULES)
    if units is None:
        raise RulesInvalid(
            [Fault("还没有单位；请先导入单位", "there are no units yet; import them first", file=file.name)]
        )
    after = parse_rules(file.text, units, file.name)
    changes = changed(old.by_id if old is not None else {}, after.by_id)
    return Prepared(after.version, rule_texts.to_json(after), changes)


def prepare_procedures(file: File, before: Before, _today: date) -> Prepared:
    """Raises `SetupInvalid`."""
    after = parse_procedures(file.text, file.name)
    changes = changed(_rows(before.of(PROCEDURES)), _rows(after))
    return Prepared(after.version, after.model_dump_json().encode(), changes)


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


PARTS: Mapping[str, Part] = {
    part.kind.name: part
    for part in (
        Part(UNITS, "units.yaml", prepare_units, needs=(RULES,)),
        Part(RULES, "rules.yaml", prepare_rules, needs=(UNITS,)),
        Part(PROCEDURES, "procedures.yaml", prepare_procedures),
    )
}
