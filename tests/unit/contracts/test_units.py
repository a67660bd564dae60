"""The tree of units: what it answers, and what is wrong with a units file."""

from pathlib import Path

import pytest

from shared.contracts.units import Unit, UnitsInvalid, UnitTree, build_tree, read_units
from shared.contracts.vocabulary import UnitKind

SHIPPED = Path(__file__).parents[3] / "deploy" / "district" / "units.yaml"


def unit(code: str, kind: UnitKind, parent: str | None = None) -> Unit:
    return Unit(code=code, name=f"单位 {code}", kind=kind, parent=parent)


HUB = unit("hub", UnitKind.HUB)
STREET = unit("street-1", UnitKind.STREET, "hub")
COMMUNITY = unit("comm-1", UnitKind.COMMUNITY, "street-1")
GRID = unit("grid-1", UnitKind.GRID, "comm-1")
ALONE = unit("dept-alone", UnitKind.DEPARTMENT)
ALL = [HUB, STREET, COMMUNITY, GRID, ALONE]
TREE = build_tree(ALL, "7")


def test_a_tree_finds_its_units() -> None:
    assert (list(TREE), TREE.version, TREE.hub) == (ALL, "7", HUB)
    assert (TREE.get("comm-1"), TREE.get("comm-9")) == (COMMUNITY, None)
    assert ("comm-1" in TREE, "comm-9" in TREE, None in TREE) == (True, False, False)


@pytest.mark.parametrize(
    ("code", "above"),
    [
        ("grid-1", [COMMUNITY, STREET, HUB]),
        ("street-1", [HUB]),
        ("hub", []),
        ("dept-alone", []),
        ("nowhere", []),
    ],
)
def test_ancestors(code: str, above: list[Unit]) -> None:
    assert list(TREE.ancestors(code)) == above


NEAREST = [
    # of          kind                  unit
    ("grid-1", UnitKind.GRID, GRID),
    ("grid-1", UnitKind.COMMUNITY, COMMUNITY),
    ("grid-1", UnitKind.STREET, STREET),
    ("comm-1", UnitKind.COMMUNITY, COMMUNITY),
    ("comm-1", UnitKind.HUB, HUB),
    ("street-1", UnitKind.COMMUNITY, None),  # never downwards
    ("dept-alone", UnitKind.HUB, None),
    ("nowhere", UnitKind.HUB, None),
]


@pytest.mark.parametrize(("code", "kind", "expected"), NEAREST)
def test_nearest(code: str, kind: UnitKind, expected: Unit | None) -> None:
    assert TREE.nearest(code, kind) == expected


@pytest.mark.parametrize(
    ("code", "above"),
    [("grid-1", COMMUNITY), ("street-1", HUB), ("dept-alone", HUB), ("hub", HUB), ("nowhere", HUB)],
)
def test_supervisor(code: str, above: Unit) -> None:
    assert TREE.supervisor(code) == above


FAULTS = [
    ([HUB, STREET, STREET], "unit street-1: the code is used twice"),
    ([STREET.model_copy(update={"parent": None})], "exactly one hub, found 0: none"),
    ([HUB, unit("hub-2", UnitKind.HUB)], "exactly one hub, found 2: hub, hub-2"),
    ([HUB, GRID], "unit grid-1: parent comm-1 does not exist"),
    ([HUB, unit("a1", UnitKind.STREET, "a1")], "unit a1: its parents form a circle through a1"),
    (
        [HUB, unit("a1", UnitKind.STREET, "a2"), unit("a2", UnitKind.STREET, "a1")],
        "unit a1: its parents form a circle through a1",
    ),
    (
        [HUB, unit("a1", UnitKind.GRID, "a2"), unit("a2", UnitKind.STREET, "a3"), unit("a3", UnitKind.STREET, "a2")],
        "unit a1: its parents form a circle through a2",
    ),
]


@pytest.mark.parametrize(("units", "problem"), FAULTS)
def test_a_fault_of_the_tree_is_named(units: list[Unit], problem: str) -> None:
    with pytest.raises(UnitsInvalid) as raised:
        build_tree(units, "1")
    (found,) = raised.value.problems
    assert problem in found


def test_every_fault_of_the_tree_is_named_at_once() -> None:
    with pytest.raises(UnitsInvalid) as raised:
        build_tree([GRID, unit("a1", UnitKind.STREET, "a9"), GRID], "1")
    assert [problem.split(":")[0] for problem in raised.value.problems] == [
        "unit grid-1",
        "kind",
        "unit grid-1",
        "unit a1",
    ]


def written(folder: Path, text: str) -> Path:
    path = folder / "units.yaml"
    path.write_text(text, encoding="utf-8")
    return path


FILE_FAULTS = [
    # the file                                                       what the problem names
    ("units: [", "not YAML"),
    ("[]", "expected a mapping with `version` and a list `units`"),
    ("units: hub", "expected a mapping with `version` and a list `units`"),
    ("units: [hub]", "unit 1, field entry: "),
    ("units: [{name: 区, kind: hub}]", "unit 1, field code: Field required"),
    ("units: [{code: 110199, name: 区, kind: hub}]", "unit 1, field code: "),  # a number, not a text
    ("units: [{code: 'a b', name: 区, kind: hub}]", "unit 1, field code: "),
    ("units: [{code: hub, name: '', kind: hub}]", "unit 1, field name: "),
    ("units: [{code: hub, name: 区, kind: city}]", "unit 1, field kind: "),
    ("units: [{code: hub, name: 区, kind: hub, phone: '1'}]", "unit 1, field phone: Extra inputs"),
    ("units: []", "exactly one hub, found 0"),
]


@pytest.mark.parametrize(("text", "named"), FILE_FAULTS)
def test_a_fault_in_the_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(UnitsInvalid) as raised:
        read_units(written(tmp_path, text))
    (problem,) = raised.value.problems
    assert named in problem


def test_a_good_file_is_read(tmp_path: Path) -> None:
    tree = read_units(written(tmp_path, "version: 3\nunits: [{code: hub, name: 区, kind: hub, capabilities: [供水]}]"))
    assert (tree.version, tree.hub.capabilities) == ("3", ("供水",))
    assert read_units(written(tmp_path, "units: [{code: hub, name: 区, kind: hub}]")).version == "1"


def test_the_district_that_is_shipped_is_sound() -> None:
    tree: UnitTree = read_units(SHIPPED)
    for one in tree:
        if one.kind in (UnitKind.COMMUNITY, UnitKind.GRID):
            assert tree.nearest(one.code, UnitKind.STREET) is not None, one.code
        assert one is tree.hub or tree.hub in tree.ancestors(one.code), one.code
