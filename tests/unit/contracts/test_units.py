"""The tree of units: what it answers, what is wrong with it, and how one version follows another."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.faults import SetupInvalid
from shared.contracts.units import SUCCEEDED_KINDS, Unit, UnitsInvalid, UnitTree, build_tree, doubts, next_version
from shared.contracts.units_difference import difference
from shared.contracts.vocabulary import UnitKind


def unit(code: str, kind: UnitKind, parent: str | None = None, **more: object) -> Unit:
    return Unit.model_validate({"code": code, "name": f"单位 {code}", "kind": kind, "parent": parent} | more)


HUB = unit("hub", UnitKind.HUB)
STREET = unit("street-1", UnitKind.STREET, "hub")
COMMUNITY = unit("comm-1", UnitKind.COMMUNITY, "street-1")
GRID = unit("grid-1", UnitKind.GRID, "comm-1")
ALONE = unit("dept-alone", UnitKind.DEPARTMENT)
ALL = [HUB, STREET, COMMUNITY, GRID, ALONE]
TREE = build_tree(ALL, "7")


def test_a_tree_finds_its_units() -> None:
    assert (list(TREE), TREE.version, TREE.hub, len(TREE)) == (ALL, "7", HUB, 5)
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


WITHIN = [
    # unit       above         is within
    ("grid-1", "grid-1", True),
    ("grid-1", "comm-1", True),
    ("grid-1", "hub", True),
    ("comm-1", "grid-1", False),  # never downwards
    ("dept-alone", "hub", False),
    ("nowhere", "hub", False),
]


@pytest.mark.parametrize(("code", "above", "within"), WITHIN)
def test_is_within(code: str, above: str, within: bool) -> None:
    assert TREE.is_within(code, above) is within


@pytest.mark.parametrize(
    ("code", "above"),
    [("grid-1", COMMUNITY), ("street-1", HUB), ("dept-alone", HUB), ("hub", HUB), ("nowhere", HUB)],
)
def test_the_parent_supervises_else_the_hub(code: str, above: Unit) -> None:
    assert TREE.supervisor(code) == above


def test_a_supervisor_that_is_named_supervises_instead_of_the_parent() -> None:
    tree = build_tree([*ALL, unit("util-1", UnitKind.UTILITY, "hub", supervisor="dept-alone")], "1")
    assert tree.supervisor("util-1") == ALONE


def test_deputies_act_for_a_unit_and_not_the_other_way_round() -> None:
    tree = build_tree([*ALL, unit("util-1", UnitKind.UTILITY, "hub", deputies=["street-1"])], "1")
    asked = [("util-1", "street-1"), ("util-1", "util-1"), ("street-1", "util-1"), ("util-1", "hub"), ("x", "hub")]
    assert [tree.may_act_for(one, deputy) for one, deputy in asked] == [True, True, False, False, False]


# --- by what they are called ----------------------------------------------------------------------------------

CALLED = build_tree(
    [
        HUB,
        unit(
            "util-water",
            UnitKind.UTILITY,
            name="和安供水公司",
            name_en="He'an Water",
            aliases=["自来水公司", "ＨＡ供水"],
        ),
        unit("comm-a", UnitKind.COMMUNITY, "hub", name="新华里社区"),
        unit("comm-b", UnitKind.COMMUNITY, "hub", name="新华里社区"),
    ],
    "1",
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("util-water", "util-water"),
        ("和安供水公司", "util-water"),
        ("  和安供水公司　", "util-water"),
        ("he'an water", "util-water"),
        ("自来水公司", "util-water"),
        ("HA供水", "util-water"),
        ("comm-a", "comm-a"),
        ("新华里社区", None),  # two are called so
        ("供水公司", None),  # only a part of the name
        ("", None),
    ],
)
def test_a_unit_is_found_by_what_it_is_called(text: str, code: str | None) -> None:
    found = CALLED.named(text)
    assert (found and found.code) == code


# --- what is wrong --------------------------------------------------------------------------------------------

FAULTS = [
    ([HUB, STREET, STREET], "street-1 code: the code is used twice"),
    ([STREET.model_copy(update={"parent": None})], "kind: a district has exactly one hub, found 0: none"),
    ([HUB, unit("hub-2", UnitKind.HUB)], "hub-2 kind: a district has exactly one hub, found 2: hub, hub-2"),
    ([HUB, GRID], "grid-1 parent: unit comm-1 does not exist; add it or correct the code"),
    ([HUB, unit("a1", UnitKind.STREET, supervisor="a9")], "a1 supervisor: unit a9 does not exist"),
    ([HUB, unit("a1", UnitKind.STREET, deputies=["hub", "a9"])], "a1 deputies: unit a9 does not exist"),
    ([HUB, unit("a1", UnitKind.STREET, deputies=["a1"])], "a1 deputies: it cannot be the unit itself"),
    ([HUB, unit("a1", UnitKind.STREET, "a1")], "a1 parent: a1 → a1 is a circle; break it"),
    (
        [HUB, unit("a1", UnitKind.STREET, "a2"), unit("a2", UnitKind.STREET, "a1")],
        "a1 parent: a1 → a2 → a1 is a circle",
    ),
    (
        [HUB, unit("a1", UnitKind.GRID, "a2"), unit("a2", UnitKind.STREET, "a3"), unit("a3", UnitKind.STREET, "a2")],
        "a2 parent: a2 → a3 → a2 is a circle",
    ),
    (
        [HUB, unit("a1", UnitKind.STREET, supervisor="a2"), unit("a2", UnitKind.COMMUNITY, "a1")],
        "a1 supervisor: a1 → a2 → a1 is a circle",
    ),
    ([HUB, unit("a1", UnitKind.STREET, succeeds=["hub"])], "a1 succeeds: unit hub is still listed"),
]


@pytest.mark.parametrize(("units", "problem"), FAULTS)
def test_a_fault_of_the_tree_is_named(units: list[Unit], problem: str) -> None:
    with pytest.raises(UnitsInvalid) as raised:
        build_tree(units, "1")
    (found,) = raised.value.problems
    assert found.startswith(problem)


def test_every_fault_of_the_tree_is_named_at_once() -> None:
    with pytest.raises(UnitsInvalid) as raised:
        build_tree([GRID, unit("a1", UnitKind.STREET, "a9"), GRID], "1")
    assert [(fault.entry, fault.field) for fault in raised.value.faults] == [
        ("grid-1", "code"),
        ("", "kind"),
        ("grid-1", "parent"),
        ("a1", "parent"),
        ("grid-1", "parent"),
    ]


@pytest.mark.parametrize(
    ("more", "doubtful"),
    [
        ({"credit_code": "91350100M000100Y43"}, False),  # the example of GB 32100
        ({"credit_code": "91350100M000100Y44"}, True),
        ({"aliases": ["单位 hub"]}, True),
        ({}, False),
    ],
)
def test_what_is_doubtful_is_said_and_kept(more: dict[str, object], doubtful: bool) -> None:
    tree = build_tree([HUB, unit("dept-1", UnitKind.DEPARTMENT, "hub", **more)], "1")
    assert [fault.entry for fault in doubts(tree)] == (["dept-1"] if doubtful else [])


# --- one version after another ----------------------------------------------------------------------------------


def district(*units: Unit) -> list[Unit]:
    return [HUB, STREET, *units]


def community(code: str, *succeeds: str, parent: str = "street-1", capabilities: Iterable[str] = ()) -> Unit:
    return unit(code, UnitKind.COMMUNITY, parent, succeeds=list(succeeds), capabilities=list(capabilities))


FIRST = build_tree(district(community("east"), community("west"), unit("grid-e", UnitKind.GRID, "east")), "1")
MERGED = next_version(FIRST, district(community("both", "east", "west")), "2")
SPLIT = next_version(
    FIRST,
    district(
        community("north", "east", capabilities=["供水"]),
        community("south", "east", capabilities=["供电"]),
        community("west"),
        unit("grid-s", UnitKind.GRID, "south"),
    ),
    "2",
)


@pytest.mark.parametrize(
    ("tree", "code", "region", "category", "present"),
    [
        (MERGED, "both", None, (), "both"),
        (MERGED, "east", None, (), "both"),
        (MERGED, "west", None, (), "both"),
        (MERGED, "grid-e", None, (), "both"),  # its community has gone too
        (MERGED, "elsewhere", None, (), None),
        (SPLIT, "east", None, (), "north"),  # nothing tells: the first
        (SPLIT, "east", "grid-s", (), "south"),  # the region is in the south
        (SPLIT, "east", "grid-s", ("供水",), "south"),  # the region comes first
        (SPLIT, "east", "street-1", ("公用", "供电"), "south"),  # both are below the street
        (SPLIT, "east", "west", ("供电",), "south"),  # the region tells nothing
        (SPLIT, "east", "east", (), "north"),
    ],
)
def test_who_is_there_now(
    tree: UnitTree, code: str, region: str | None, category: tuple[str, ...], present: str
) -> None:
    assert tree.present(code, region, category) == present


def test_a_retired_unit_keeps_its_name() -> None:
    assert [MERGED.name_of(code) for code in ("east", "both", "elsewhere")] == ["单位 east", "单位 both", "elsewhere"]


def test_what_was_handed_over_is_remembered_when_the_file_no_longer_says_so() -> None:
    cleaned = next_version(MERGED, district(community("both")), "3")
    assert cleaned.present("east") == "both"
    later = next_version(cleaned, district(community("all", "both")), "4")
    assert (later.present("east"), later.present("both"), later.name_of("west")) == ("all", "all", "单位 west")


def test_who_succeeds_can_be_put_right_later() -> None:
    corrected = next_version(MERGED, district(community("both", "west"), community("new", "east")), "3")
    assert (corrected.present("east"), corrected.present("west")) == ("new", "both")


def test_a_unit_that_comes_back_answers_for_itself() -> None:
    back = next_version(MERGED, district(community("both"), community("east")), "3")
    assert (back.present("east"), back.present("west"), "east" in back.retired) == ("east", "both", False)


def test_a_district_that_begins_knows_of_units_before_its_time() -> None:
    assert build_tree(district(community("new", "of-old")), "1").present("of-old") == "new"


SUCCESSION_FAULTS = [
    (
        district(community("west")),
        "east succeeds: 单位 east is gone and nobody takes its cases; add `succeeds: [east]`",
    ),
    (district(community("east"), community("west", "east")), "west succeeds: unit east is still listed"),
    (district(community("east"), community("west", "never")), "west succeeds: there was never a unit never"),
    (
        [unit("hub-2", UnitKind.HUB), unit("street-1", UnitKind.STREET), community("east"), community("west")],
        "hub succeeds: 单位 hub is gone",
    ),
]


@pytest.mark.parametrize(("units", "problem"), SUCCESSION_FAULTS)
def test_nobody_goes_without_a_successor(units: list[Unit], problem: str) -> None:
    with pytest.raises(SetupInvalid) as raised:
        next_version(FIRST, units, "2", {one.code: line for line, one in enumerate(units, 1)}, "")
    (found,) = raised.value.problems
    assert problem in found


def test_a_fault_names_file_and_line() -> None:
    with pytest.raises(UnitsInvalid) as raised:
        next_version(None, [HUB, GRID], "1", {"hub": 3, "grid-1": 4}, "units.yaml")
    (fault,) = raised.value.faults
    assert str(fault) == "units.yaml, line 4: grid-1 parent: unit comm-1 does not exist; add it or correct the code"
    assert fault.in_zh == "units.yaml 第 4 行：grid-1 parent：单位 comm-1 不存在；请补上该单位，或更正此处的代码"


CODES = [f"c{number}" for number in range(8)]


@st.composite
def histories(draw: st.DrawFn) -> list[UnitTree]:
    """Versions after each other, in which communities come, go, merge, split and come back."""
    trees = [build_tree([HUB, *(community(code, parent="hub") for code in draw(present_codes))], "0")]
    for number in range(1, draw(st.integers(2, 6))):
        before, codes = trees[-1], draw(present_codes)
        claims: dict[str, list[str]] = {code: [] for code in codes}
        for gone in sorted({*before.units, *before.retired} - {"hub", *codes}):
            heirs = draw(st.lists(st.sampled_from(codes), min_size=1 if gone in before else 0, max_size=2, unique=True))
            for heir in heirs:
                claims[heir].append(gone)
        units = [community(code, *claims[code], parent="hub") for code in codes]
        trees.append(next_version(before, [HUB, *units], str(number)))
    return trees


present_codes = st.lists(st.sampled_from(CODES), min_size=1, max_size=5, unique=True)


@given(histories())
def test_whoever_ever_was_leads_to_somebody_present(trees: list[UnitTree]) -> None:
    ever = {code for tree in trees for code in tree.units}
    last = trees[-1]
    assert {code for code in ever if last.present(code) not in last} == set()
    assert set(last.units).isdisjoint(last.retired)
    assert ever == {*last.units, *last.retired}


# --- what changed -------------------------------------------------------------------------------------------------


def test_what_changed_is_sorted_out() -> None:
    before = build_tree(
        [
            *district(community("ca"), community("cb"), community("cc"), community("cd")),
            unit("street-2", UnitKind.STREET, "hub"),
            unit("grid-d", UnitKind.GRID, "cd"),
        ],
        "1",
    )
    after = next_version(
        before,
        [
            HUB,
            STREET.model_copy(update={"name": "东湖街道"}),
            unit("street-2", UnitKind.STREET, "hub", deputies=["hub"]),
            community("ab", "ca", "cb"),
            community("c-1", "cc"),
            community("c-2", "cc"),
            community("cd", parent="street-2", capabilities=["供水", "供电"]),
        ],
        "2",
    )
    found = difference(before, after)
    assert [named.code for named in found.added] == ["ab", "c-1", "c-2"]
    assert [(one.code, one.before, one.after) for one in found.renamed] == [("street-1", "单位 street-1", "东湖街道")]
    assert [(one.code, one.before, one.after) for one in found.moved] == [("cd", "street-1", "street-2")]
    assert [(one.code, one.before, one.after) for one in found.capabilities] == [("cd", "", "供水;供电")]
    assert [(one.code, one.field, one.after) for one in found.changed] == [("street-2", "deputies", "hub")]
    assert [([x.code for x in one.gone], [x.code for x in one.to]) for one in found.handed_over] == [
        (["ca", "cb"], ["ab"]),
        (["cc"], ["c-1", "c-2"]),
    ]
    assert [named.code for named in found.retired] == ["grid-d"]


def test_nothing_changed_is_an_empty_difference() -> None:
    assert not difference(TREE, next_version(TREE, ALL, "8"))
    assert difference(None, TREE)


def test_kinds_that_cases_wait_for_are_succeeded() -> None:
    assert set(SUCCEEDED_KINDS) == set(UnitKind) - {UnitKind.COMPOUND, UnitKind.GRID, UnitKind.BUILDING}
