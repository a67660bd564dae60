"""All kinds of faults, by family."""

from deploy.faults.kind import Kind
from deploy.faults.kinds import (
    broker,
    clock,
    database,
    disk,
    killing,
    knocking,
    letters,
    lost,
    messages,
    mixed,
    nodes,
    postgres,
    workers,
)

KINDS: tuple[Kind, ...] = (
    *killing.KINDS,
    *database.KINDS,
    *messages.KINDS,
    *workers.KINDS,
    *knocking.KINDS,
    *letters.KINDS,
    *broker.KINDS,
    *postgres.KINDS,
    *lost.KINDS,
    *clock.KINDS,
    *nodes.KINDS,
    *disk.KINDS,
    *mixed.KINDS,
)


def named(names: list[str]) -> tuple[Kind, ...]:
    """The kinds of these names, all where none is given. Raises ValueError for a name that is none."""
    known = {kind.name: kind for kind in KINDS}
    unknown = sorted(set(names) - known.keys())
    if unknown:
        raise ValueError(f"no kind of fault: {', '.join(unknown)}; known: {', '.join(known)}")
    return tuple(known[name] for name in names) if names else KINDS
