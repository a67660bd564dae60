"""The part of requirements.lock that an image needs: without the local stack's packages and those for tests.

    python deploy/compose/lock.py requirements.in requirements.lock > image.lock

Only the standard library: it runs before anything is installed. What is left out is left out by the headings
of requirements.in; which package needs which is what the lock itself says (`# via …`).
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

LEFT_OUT = ("The local stack", "Dashboards", "Checks and tests")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Pinned:
    """One package of the lock: its lines as they stand, and the packages because of which it is there."""

    name: str
    lines: tuple[str, ...]
    via: frozenset[str]


def wanted(requirements: str) -> set[str]:
    """The packages requirements.in asks for, those under a heading of `LEFT_OUT` aside."""
    names: set[str] = set()
    skipping = False
    for line in requirements.splitlines():
        if line.startswith("# "):
            skipping = line[2:].startswith(LEFT_OUT)
        elif not skipping and (found := _NAME.match(line)):
            names.add(found[0].lower())
    return names


def pinned(lock: str) -> list[Pinned]:
    """The packages of the lock, in its order."""
    blocks: list[list[str]] = []
    for line in lock.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            blocks.append([])
        if blocks:
            blocks[-1].append(line)
    return [_package(lines) for lines in blocks]


def _package(lines: list[str]) -> Pinned:
    name = _NAME.match(lines[0])
    assert name, f"not a package: {lines[0]}"
    comments = [line.strip().removeprefix("#").strip() for line in lines if line.strip().startswith("#")]
    via = {comment.removeprefix("via").strip() for comment in comments} - {"", "-r requirements.in"}
    return Pinned(name[0].lower(), tuple(lines), frozenset(via))


def needed(packages: list[Pinned], names: set[str]) -> list[Pinned]:
    """These packages and all that they need, in the lock's order."""
    kept = set(names)
    while more := {one.name for one in packages if one.via & kept} - kept:
        kept |= more
    return [one for one in packages if one.name in kept]


def main(requirements: str, lock: str) -> None:
    kept = needed(pinned(Path(lock).read_text("utf-8")), wanted(Path(requirements).read_text("utf-8")))
    sys.stdout.write("".join(f"{line}\n" for one in kept for line in one.lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
