"""What becomes of a file of the set-up before it is put in force."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from services.router.domain.procedures import Action
from services.router.setup import PARTS, PROCEDURES, RULES, parse_procedures
from shared.contracts.faults import SetupInvalid
from shared.runtime.district import UNITS
from shared.runtime.setup_parts import Before, File, Prepared

FOLDER = Path(__file__).parents[3] / "deploy" / "district"
TODAY = date(2026, 11, 23)
NOTHING = Before()

UNITS_TEXT = """\
version: first
units:
  - {code: hub, name: 区, kind: hub}
  - {code: street-1, name: 东湖街道, kind: street, parent: hub}
  - {code: util-water, name: 供水公司, kind: utility, parent: hub}
"""
RULES_TEXT = """\
version: first
rules:
  - id: water
    when: {category: [供水]}
    then: {level: department, units: [util-water]}
    because: {zh: 供水归供水公司, en: Water is the water company's}
"""


def prepared(kind: str, text: str, before: Before = NOTHING, name: str = "") -> Prepared:
    part = PARTS[kind]
    return part.prepare(File(text, "csv" if name.endswith(".csv") else "yaml", name or part.file), before, TODAY)


def began() -> Before:
    units = UNITS.read(prepared("units", UNITS_TEXT).content)
    rules = RULES.read(prepared("rules", RULES_TEXT, Before({"units": units})).content)
    return Before({"units": units, "rules": rules})


def test_units_are_stored_with_their_past() -> None:
    merged = UNITS_TEXT.replace("first", "second").replace(
        "{code: util-water, name: 供水公司,", "{code: util-all, name: 公用事业公司, succeeds: [util-water],"
    )
    found = prepared("units", merged, began())
    after = UNITS.read(found.content)
    assert (found.label, after.version, found.retired) == ("second", "second", ("util-water",))
    assert (after.present("util-water"), after.name_of("util-water")) == ("util-all", "供水公司")
    assert found.difference["handed_over"][0]["to"] == ({"code": "util-all", "name": "公用事业公司"},)
    assert found.doubts == ()


def test_the_same_file_again_is_the_same_version() -> None:
    before = began()
    again = Before({"units": UNITS.read(prepared("units", UNITS_TEXT, before).content), "rules": before.of(RULES)})
    assert prepared("units", UNITS_TEXT, again).content == prepared("units", UNITS_TEXT, before).content
    assert before.of(UNITS) == again.of(UNITS)


def test_a_csv_names_no_version_and_gets_the_day_s_unless_it_changes_nothing() -> None:
    rows = "code,name,kind,parent\nhub,区,hub,\nstreet-1,东湖街道,street,hub\nutil-water,{name},utility,hub\n"
    unchanged = prepared("units", rows.format(name="供水公司"), began(), "units.csv")
    renamed = prepared("units", rows.format(name="水务集团"), began(), "units.csv")
    assert [unchanged.label, renamed.label] == ["first", "2026-11-23"]


def test_rules_that_units_leave_behind_are_doubtful() -> None:
    without = UNITS_TEXT.replace("kind: utility", "kind: compound")
    (doubt,) = prepared("units", without, began()).doubts
    assert (doubt.entry, doubt.field) == ("water", "then.units")


def test_what_rules_change_is_told_by_their_ids() -> None:
    changed = RULES_TEXT.replace("供水归", "用水归").replace("rules:", "rules:\n" + RULE.format(id="first-of-all"))
    assert prepared("rules", changed, began()).difference == {
        "added": ["first-of-all"],
        "removed": [],
        "changed": ["water"],
        "reordered": False,
    }


RULE = "  - {{id: {id}, when: {{category: [供电]}}, then: {{level: street}}, because: {{zh: 因, en: because}}}}"


def faults() -> Iterator[tuple[str, str, Before, str]]:
    yield "units", "units: [{code: hub, name: 区}]", NOTHING, "units.yaml, line 1: hub kind: it is missing"
    yield "rules", RULES_TEXT, NOTHING, "rules.yaml: there are no units yet; import them first"
    yield "rules", RULES_TEXT.replace("util-water", "util-gas"), began(), "rules.yaml, line 5: water then.units"
    yield "procedures", "version: '1'\nprocedures: {dispatch: []}", NOTHING, "nothing is said of refuse"
    yield "procedures", "version: '1'\nprocedures:\n  fly: []", NOTHING, "procedures.yaml, line 3: procedures.fly"


@pytest.mark.parametrize(("kind", "text", "before", "said"), list(faults()))
def test_a_fault_names_file_line_and_field(kind: str, text: str, before: Before, said: str) -> None:
    with pytest.raises(SetupInvalid) as raised:
        prepared(kind, text, before)
    assert any(said in problem for problem in raised.value.problems), raised.value.problems


def test_the_set_up_that_is_shipped_can_be_put_in_force() -> None:
    texts = {kind: (FOLDER / part.file).read_text(encoding="utf-8") for kind, part in PARTS.items()}
    units = UNITS.read(prepared("units", texts["units"]).content)
    before = Before({"units": units})
    rules = RULES.read(prepared("rules", texts["rules"], before).content)
    procedures = PROCEDURES.read(prepared("procedures", texts["procedures"], before).content)
    assert rules.rules
    assert procedures == parse_procedures(texts["procedures"], "procedures.yaml")
    assert set(procedures.procedures) == set(Action)
    again = Before({"units": units, "rules": rules, "procedures": procedures})
    for kind, text in texts.items():
        assert prepared(kind, text, again).doubts == ()
