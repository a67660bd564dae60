"""A file of units: what it may look like, and what is said of one that cannot be used."""

import time
from pathlib import Path

import pytest

from shared.contracts.units import UnitsInvalid
from shared.contracts.units_file import Format, parse_units, text_of
from shared.contracts.vocabulary import UnitKind
from shared.runtime.setup_files import read_units

SHIPPED = Path(__file__).parents[3] / "deploy" / "district" / "units.yaml"

YAML = """\
version: 3
units:
  - {code: 110199, name: 和安区, kind: hub}
  - code: util-water
    name: 和安供水公司
    kind: utility
    parent: 110199
    supervisor: ~
    capabilities: [供水]
    aliases: [自来水公司, 水司]
"""
CSV = """\
code,name,kind,parent,capabilities,aliases
110199,和安区,hub,,,
util-water,和安供水公司,utility,110199,供水,自来水公司；水司
"""


def test_yaml_and_csv_say_the_same() -> None:
    from_yaml, from_csv = parse_units(YAML), parse_units(CSV, "csv", "units.csv")
    assert from_yaml.units == from_csv.units
    assert (from_yaml.version, from_csv.version) == ("3", None)
    assert (from_yaml.lines, from_csv.lines) == ({"110199": 3, "util-water": 4}, {"110199": 2, "util-water": 3})
    assert from_csv.after(None, "import 7").version == "import 7"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_office_programs_save_as_they_like(encoding: str) -> None:
    assert parse_units(text_of(CSV.encode(encoding)), "csv").units[1].name == "和安供水公司"


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(UnitsInvalid, match="neither UTF-8 nor GBK"):
        text_of(b"PK\x03\x04\xff\xff\x00")


HUB = "  - {code: hub, name: 区, kind: hub}\n"
FAULTS: list[tuple[Format, str, str]] = [
    # what the file says                                        what is said of it
    ("yaml", "units: [", "units.yaml, line 2: not YAML"),
    ("yaml", "", "units.yaml, line 1: expected a mapping with `version` and a list `units`"),
    ("yaml", "[]", "units.yaml, line 1: expected a mapping"),
    ("yaml", "units: hub", "units.yaml, line 1: expected a mapping"),
    ("yaml", "units: [hub]", "units.yaml, line 1: write each unit as {code"),
    ("yaml", f"units:\n{HUB}  - name: 街\n    kind: street", "units.yaml, line 3: code: it is missing"),
    ("yaml", "units: [{code: 'a b', name: 区, kind: hub}]", "line 1: a b code: it has the wrong form"),
    ("yaml", "units: [{code: hub, name: ' ', kind: hub}]", "line 1: hub name: it is empty; fill it in"),
    (
        "yaml",
        "units: [{code: hub, name: 区, kind: city}]",
        "line 1: hub kind: there is no such value; it must be 'hub'",
    ),
    ("yaml", "units: [{code: hub, name: 区, kind: hub, phone: 1}]", "line 1: hub phone: there is no such field"),
    ("yaml", "units: [{code: hub, name: 区, kind: hub, credit_code: X}]", "hub credit_code: it has the wrong form"),
    ("yaml", "units: [{code: hub, name: 区, kind: hub, deputies: a}]", "hub deputies: it must be a list"),
    ("yaml", "units: [{code: hub, code: b1}]", "line 1: code is written twice"),
    ("yaml", "units: [&a {code: hub}, *a]", "line 1: YAML aliases (*) are not read"),
    ("yaml", "units: " + "[" * 5000, "units.yaml: it is nested too deeply"),
    ("yaml", f"units:\n{HUB}{HUB}", "line 3: hub code: the code is used twice, first in line 2"),
    ("yaml", f"units:\n{HUB}  - {{code: c1, name: 社, kind: grid, parent: c9}}", "line 3: c1 parent: unit c9 does not"),
    ("yaml", "units: []", "exactly one hub, found 0"),
    ("csv", "", "units.csv, line 1: the first line must name the columns: code, name"),
    ("csv", "name,kind\n区,hub\n", "units.csv, line 1: the first line must name the columns"),
    ("csv", 'code,name,kind\n\nhub,"区\n中心",city\n', "units.csv, line 3: hub kind: there is no such value"),
    ("csv", "code,name,kind\nhub,区,hub,more\n", "units.csv, line 2: the line has 4 cells, the first line 3"),
    ("csv", "code,name,kind\nhub," + "区" * 200_000 + ",hub\n", "units.csv, line 2: not CSV"),
]


@pytest.mark.parametrize(("form", "text", "named"), FAULTS)
def test_a_fault_in_the_file_is_named(form: Format, text: str, named: str) -> None:
    with pytest.raises(UnitsInvalid) as raised:
        parse_units(text, form, f"units.{form}").after(None, "1")
    (problem,) = raised.value.problems
    assert named in problem


def test_every_line_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(UnitsInvalid) as raised:
        parse_units("code,name,kind\nhub,,hub\na,街,street\nb1,社,village\n", "csv", "units.csv")
    assert [(fault.line, fault.entry, fault.field) for fault in raised.value.faults] == [
        (2, "hub", "name"),
        (3, "a", "code"),
        (4, "b1", "kind"),
    ]
    assert {fault.in_zh.partition("：")[0] for fault in raised.value.faults} == {
        "units.csv 第 2 行",
        "units.csv 第 3 行",
        "units.csv 第 4 行",
    }


def test_the_district_that_is_shipped_is_sound() -> None:
    tree = read_units(SHIPPED)
    for one in tree:
        if one.kind in (UnitKind.COMMUNITY, UnitKind.GRID):
            assert tree.nearest(one.code, UnitKind.STREET) is not None, one.code
        assert one is tree.hub or tree.hub in tree.ancestors(one.code), one.code


def test_fifty_thousand_units() -> None:
    lines = ["units:", "  - {code: hub, name: 区, kind: hub}"]
    for street in range(50):
        lines.append(f"  - {{code: s-{street}, name: 街道{street}, kind: street, parent: hub}}")
        for area in range(20):
            code = f"s-{street}-{area}"
            lines.append(f"  - {{code: {code}, name: 社区{code}, kind: community, parent: s-{street}}}")
            lines.extend(
                f"  - {{code: {code}-{grid}, name: 网格{code}-{grid}, kind: grid, parent: {code}}}"
                for grid in range(49)
            )
    started = time.perf_counter()
    tree = parse_units("\n".join(lines)).after(None, "1")
    print(f"50,051 units read in {time.perf_counter() - started:.1f} s")  # noqa: T201 - the figure is for whoever asks
    assert len(tree) == 50_051
    assert [above.code for above in tree.ancestors("s-49-19-48")] == ["s-49-19", "s-49", "hub"]
    assert tree.named("网格s-7-7-7") is tree.get("s-7-7-7")
