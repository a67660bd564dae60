"""The parts of the district's set-up that a service is the importer of: how a file becomes a version in force.

A service lists its parts as `{part.kind.name: part}`; `setup_door` opens a door to them, and `deploy.migrate` puts
the set-up folder's files in force where nothing is yet.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, TypeAlias, TypeVar

from shared.contracts.faults import Fault
from shared.runtime.district import Imported, Kind, begin_import, import_version, present

T = TypeVar("T")

FileFormat: TypeAlias = Literal["yaml", "csv", "ics"]


@dataclass(frozen=True, slots=True)
class File:
    """What somebody wants to import. `into` names what it is for within the part; empty = it is all of the part."""

    text: str
    format: FileFormat
    name: str
    into: str = ""


class Before:
    """What is in force when something is imported."""

    def __init__(self, held: Mapping[str, Any] | None = None) -> None:
        self._held = held or {}

    def of(self, kind: Kind[T]) -> T | None:
        """That part of the set-up; None where nothing is in force, or the part said it does not need it."""
        found: T | None = self._held.get(kind.name)
        return found


@dataclass(frozen=True, slots=True)
class Prepared:
    """A version that may be put in force. `retired`: units in force now that it no longer has."""

    label: str
    content: bytes
    difference: dict[str, Any]
    doubts: tuple[Fault, ...] = ()
    retired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the set-up: its kind, its file in the set-up folder, and how a file becomes a version.

    `needs`: what else `prepare` looks at besides the version in force. It raises `SetupInvalid` with every fault.
    """

    kind: Kind[Any]
    file: str
    prepare: Callable[[File, Before, date], Prepared]
    needs: tuple[Kind[Any], ...] = field(default=())


async def import_file(connection: Any, part: Part, file: File, by: str, note: str = "") -> tuple[Prepared, Imported]:
    """Within a transaction: put a file in force, all of it or nothing. Raises `SetupInvalid` with every fault."""
    prepared = await prepare(connection, part, file)
    return prepared, await import_version(connection, part.kind.name, prepared.label, prepared.content, by, note)


async def prepare(connection: Any, part: Part, file: File) -> Prepared:
    """Within a transaction: check a file against what is in force, which then nobody changes until it ends."""
    await begin_import(connection)
    today: date = await connection.fetchval("select current_date")
    held = {kind.name: await present(connection, kind) for kind in (part.kind, *part.needs)}
    # In a thread: a large city's units take seconds.
    return await asyncio.to_thread(part.prepare, file, Before(held), today)


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, Any]:
    """What was added, removed and changed, by name, and whether what stays is in another order."""
    stays = [name for name in after if name in before]
    return {
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "changed": [name for name in stays if before[name] != after[name]],
        "reordered": stays != [name for name in before if name in after],
    }
