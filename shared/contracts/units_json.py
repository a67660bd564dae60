"""A tree of units with its past as JSON: how a version is stored, and how it travels between services."""

from pydantic import BaseModel, ConfigDict

from shared.contracts.units import Unit, UnitTree


class _Stored(BaseModel):
    # A later release may have added a field.
    model_config = ConfigDict(extra="ignore")

    version: str
    units: list[Unit]
    retired: list[Unit]
    successors: dict[str, tuple[str, ...]]


def to_json(tree: UnitTree) -> bytes:
    """The same tree gives the same bytes."""
    stored = _Stored(
        version=tree.version,
        units=list(tree.units.values()),
        retired=list(tree.retired.values()),
        successors=dict(tree.successors),
    )
    return stored.model_dump_json(exclude_defaults=True).encode()


def from_json(stored: bytes | str) -> UnitTree:
    """The tree as it was. It was checked before it was stored and is not checked again."""
    found = _Stored.model_validate_json(stored)
    return UnitTree(
        {unit.code: unit for unit in found.units},
        found.version,
        {unit.code: unit for unit in found.retired},
        found.successors,
    )
