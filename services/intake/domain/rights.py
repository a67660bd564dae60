"""Who may speak for which region, and from which source. The tree's links decide, never the digits of a code."""

from dataclasses import dataclass

from shared.contracts.units import Unit, UnitTree
from shared.contracts.vocabulary import Source, UnitKind
from shared.runtime.decision import Refusal

_BROUGHT_TO_THEM = (Source.RIDER, Source.SUGGESTION_BOX, Source.PETITION, Source.VISIT)

SOURCES: dict[UnitKind, tuple[Source, ...]] = {
    # unit blowing the whistle → sources it may name, its own first
    UnitKind.HUB: (Source.COMMUNITY, *_BROUGHT_TO_THEM),
    UnitKind.STREET: (Source.COMMUNITY, *_BROUGHT_TO_THEM),
    UnitKind.COMMUNITY: (Source.COMMUNITY, *_BROUGHT_TO_THEM),
    UnitKind.COMPOUND: (Source.COMPOUND, Source.SUGGESTION_BOX),
    UnitKind.GRID: (Source.GRID, Source.RIDER),
    UnitKind.BUILDING: (Source.COMPOUND, Source.GRID),
}
"""Departments and utilities report for duty; they blow no whistle."""

_REGIONS = (UnitKind.COMMUNITY, UnitKind.STREET)
_WITHIN_A_COMMUNITY = (UnitKind.COMPOUND, UnitKind.GRID, UnitKind.BUILDING)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a matter is (a community or a street), whose whistle it is."""

    region: str
    whistle_blower: str


def region_of(tree: UnitTree, code: str) -> Unit | None:
    """The community or street a code stands for: itself, or the community a compound, grid or building is in.

    None for the hub, departments, utilities and unknown codes: no region.
    """
    unit = tree.get(code)
    if unit is None:
        return None
    if unit.kind in _REGIONS:
        return unit
    return tree.nearest(code, UnitKind.COMMUNITY) if unit.kind in _WITHIN_A_COMMUNITY else None


def speaks_for(tree: UnitTree, unit: Unit, region: Unit) -> bool:
    """Whether a unit speaks for a region: it is the region, is above it, or lies within that community."""
    if unit.code == region.code or any(above.code == unit.code for above in tree.ancestors(region.code)):
        return True
    return unit.kind in _WITHIN_A_COMMUNITY and tree.nearest(unit.code, UnitKind.COMMUNITY) == region


def place_for(tree: UnitTree, unit: Unit, code: str) -> Place | Refusal:
    """The place of a whistle that `unit` blows for region `code`, or why it may not."""
    if unit.kind not in SOURCES:
        return Refusal(
            "blows_no_whistle",
            zh=f"{unit.name} 是报到单位，不能吹哨；由社区、网格、街道或区级治理中心吹哨。",
            en=f"{unit.code} reports for duty and blows no whistle; a community, grid, street or the hub does.",
            status=403,
        )
    region = region_of(tree, code)
    if region is None:
        return unknown_region(code)
    if not speaks_for(tree, unit, region):
        return Refusal(
            "not_your_region",
            zh=f"{unit.name}（{unit.code}）不能代 {region.name}（{region.code}）吹哨；请填写本单位所属的社区或街道。",
            en=f"{unit.code} does not speak for {region.code}; name a region of your own.",
            field="region",
            status=403,
        )
    return Place(region.code, region.code)


def source_for(unit: Unit, given: Source | None) -> Source | Refusal:
    """The source of a unit's whistle: its own kind's, or another it may name."""
    fitting = SOURCES[unit.kind]
    if given is None or given in fitting:
        return given or fitting[0]
    names = "、".join(fitting)
    return Refusal(
        "source_does_not_fit",
        zh=f"{unit.name} 不能以 {given.value} 为来源；可填写：{names}。",
        en=f"source {given.value} does not fit {unit.code}; it may be: {', '.join(fitting)}.",
        field="source",
        status=422,
    )


def unknown_region(code: str) -> Refusal:
    return Refusal(
        "region_unknown",
        zh=f"region {code[:40]!r} 不是本区的社区或街道代码；请核对区划代码，新设单位请先由管理员导入。",
        en=f"region {code[:40]!r} is no community or street of this district; check the code, or have the "
        "administrator import the new unit first.",
        field="region",
        status=422,
    )
