"""Reads the set-up's files from disk, for what starts before there is a database, and for tests."""

from pathlib import Path

from shared.contracts.units import UnitTree
from shared.contracts.units_file import UnitsFile, parse_units, text_of


def read_units_file(path: Path) -> UnitsFile:
    """A file of units, YAML or (`.csv`) CSV. Raises `UnitsInvalid` naming file, line and field."""
    return parse_units(text_of(path.read_bytes()), "csv" if path.suffix == ".csv" else "yaml", path.name)


def read_units(path: Path) -> UnitTree:
    """The units of a file as a tree without a past. Raises `UnitsInvalid` naming file, line and field."""
    return read_units_file(path).after(None, "1")
