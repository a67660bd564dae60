"""What one version of the units changed against another."""

from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict

from shared.contracts.units import Unit, UnitTree


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Named(_Value):
    code: str
    name: str


class Change(_Value):
    """One field of one unit that stays; lists are parted by `;`."""

    code: str
    name: str
    field: str
    before: str
    after: str


class HandOver(_Value):
    """Units that go, and who takes their work: several to one is a merger, one to several a split."""

    gone: tuple[Named, ...]
    to: tuple[Named, ...]


class Difference(_Value):
    """Empty where the two versions are alike."""

    added: tuple[Named, ...] = ()
    renamed: tuple[Change, ...] = ()
    moved: tuple[Change, ...] = ()
    capabilities: tuple[Change, ...] = ()
    changed: tuple[Change, ...] = ()
    handed_over: tuple[HandOver, ...] = ()
    retired: tuple[Named, ...] = ()
    """Gone without a successor."""

    def __bool__(self) -> bool:
        return any(found for _, found in self)


def difference(before: UnitTree | None, after: UnitTree) -> Difference:
    """What is new, renamed, moved, handed over or gone in `after`."""
    old = {} if before is None else before.units
    changes = [change for unit in after if unit.code in old for change in _changes(old[unit.code], unit)]
    by_field = {"name": "renamed", "parent": "moved", "capabilities": "capabilities"}
    sorted_out: dict[str, list[Change]] = {}
    for change in changes:
        sorted_out.setdefault(by_field.get(change.field, "changed"), []).append(change)
    gone = [unit for code, unit in old.items() if code not in after]
    return Difference(
        added=tuple(_named(unit) for unit in after if unit.code not in old),
        renamed=tuple(sorted_out.get("renamed", ())),
        moved=tuple(sorted_out.get("moved", ())),
        capabilities=tuple(sorted_out.get("capabilities", ())),
        changed=tuple(sorted_out.get("changed", ())),
        handed_over=tuple(_hand_overs(gone, after)),
        retired=tuple(_named(unit) for unit in gone if not after.successors.get(unit.code)),
    )


def _changes(before: Unit, after: Unit) -> Iterator[Change]:
    if before == after:
        return
    for field in Unit.model_fields:
        old, new = _shown(getattr(before, field)), _shown(getattr(after, field))
        if old != new:
            yield Change(code=after.code, name=after.name, field=field, before=old, after=new)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ";".join(map(str, value))
    return "" if value is None else str(value)


def _hand_overs(gone: Iterable[Unit], after: UnitTree) -> Iterator[HandOver]:
    by_heirs: dict[tuple[str, ...], list[Unit]] = {}
    for unit in gone:
        heirs = after.successors.get(unit.code, ())
        if heirs:
            by_heirs.setdefault(heirs, []).append(unit)
    for heirs, units in by_heirs.items():
        yield HandOver(
            gone=tuple(map(_named, units)), to=tuple(Named(code=code, name=after.name_of(code)) for code in heirs)
        )


def _named(unit: Unit) -> Named:
    return Named(code=unit.code, name=unit.name)
