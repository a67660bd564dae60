"""Reads the units out of the text of a file, YAML or CSV: every fault with its line and field."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import ValidationError

from shared.contracts.faults import Fault, SetupInvalid, in_words
from shared.contracts.units import Unit, UnitsInvalid, UnitTree, next_version
from shared.contracts.yaml_lines import Placed, Value, read_yaml

if TYPE_CHECKING:
    import _csv

Format: TypeAlias = Literal["yaml", "csv"]
Written: TypeAlias = "str | Sequence[str | None] | None"
"""A field's value as it is written: every unit's field is a text or a list of texts."""

LISTS = ("aliases", "deputies", "succeeds", "capabilities")


@dataclass(frozen=True, slots=True)
class UnitsFile:
    """Units as a file has them, and the line each code stands on. `version` is None where the file names none."""

    version: str | None
    units: tuple[Unit, ...]
    lines: Mapping[str, int]
    file: str

    def after(self, before: UnitTree | None, version: str) -> UnitTree:
        """The version of the tree that this file makes. Raises `UnitsInvalid`; `version` where it names none."""
        return next_version(before, self.units, self.version or version, self.lines, self.file)


def text_of(raw: bytes) -> str:
    """A file's text: UTF-8, with or without a mark at its beginning, else GBK as office programs save it.

    Raises `UnitsInvalid` where it is neither.
    """
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise UnitsInvalid([Fault("不是 UTF-8 或 GBK 文本；请另存为 UTF-8", "neither UTF-8 nor GBK; save it as UTF-8")])


def parse_units(text: str, format: Format = "yaml", file: str = "units.yaml") -> UnitsFile:  # noqa: A002
    """The units of a file. YAML: `version` and a list `units`. CSV: a column for each field, lists parted by `;`.

    Raises `UnitsInvalid` with every fault of every line.
    """
    version, rows = _yaml_rows(text, file) if format == "yaml" else (None, _csv_rows(text, file))
    units: list[Unit] = []
    lines: dict[str, int] = {}
    faults: list[Fault] = []
    for line, fields in rows:
        try:
            unit = Unit.model_validate(fields)
        except ValidationError as error:
            entry = str(fields.get("code") or "")
            faults.extend(in_words(found, entry, line, file) for found in error.errors(include_url=False))
            continue
        if unit.code in lines:
            faults.append(_twice(unit.code, lines[unit.code], line, file))
        lines.setdefault(unit.code, line)
        units.append(unit)
    if faults:
        raise UnitsInvalid(faults)
    return UnitsFile(version, tuple(units), lines, file)


def _twice(code: str, first: int, line: int, file: str) -> Fault:
    return Fault(
        f"代码与第 {first} 行重复；请为其中一个单位改用其他代码",
        f"the code is used twice, first in line {first}; give one of the two another code",
        "code",
        code,
        line,
        file,
    )


# --- YAML ---------------------------------------------------------------------------------------------------

_Row: TypeAlias = "tuple[int, dict[str, Written]]"


def _yaml_rows(text: str, file: str) -> tuple[str | None, Iterator[_Row]]:
    try:
        top = read_yaml(text, file).value
    except SetupInvalid as error:
        raise UnitsInvalid(error.faults) from None
    units = top.get("units") if isinstance(top, dict) else None
    if not isinstance(top, dict) or units is None or not isinstance(units.value, list):
        raise _unreadable(
            "应有 `version` 和列表 `units`", "expected a mapping with `version` and a list `units`", 1, file
        )
    version = top["version"].value if "version" in top else None
    return (version if isinstance(version, str) else None), _entries(units.value, file)


def _entries(units: Sequence[Placed], file: str) -> Iterator[_Row]:
    for unit in units:
        if not isinstance(unit.value, dict):
            raise _unreadable(
                "每个单位应写作 {code: …, name: …, kind: …}",
                "write each unit as {code: …, name: …, kind: …}",
                unit.line,
                file,
            )
        yield unit.line, {name: _written(field.value) for name, field in unit.value.items()}


def _written(value: Value) -> Written:
    if isinstance(value, list):
        return [one.value if isinstance(one.value, str) else None for one in value]
    return value if isinstance(value, str) else None


# --- CSV ----------------------------------------------------------------------------------------------------


def _csv_rows(text: str, file: str) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        yield from _cells(reader, file)
    except csv.Error as error:
        raise _unreadable(f"不是 CSV：{error}", f"not CSV: {error}", reader.line_num, file) from None


def _cells(reader: "_csv.Reader", file: str) -> Iterator[_Row]:
    columns = [column.strip() for column in next(reader, [])]
    if "code" not in columns:
        names = "、".join(Unit.model_fields)
        raise _unreadable(
            f"第一行应为列名：{names}", f"the first line must name the columns: {', '.join(Unit.model_fields)}", 1, file
        )
    line = reader.line_num + 1
    for row in reader:
        if any(cell.strip() for cell in row):
            yield line, _fields(columns, row, line, file)
        line = reader.line_num + 1


def _fields(columns: Sequence[str], row: Sequence[str], line: int, file: str) -> dict[str, Written]:
    if len(row) > len(columns):
        raise _unreadable(
            f"本行有 {len(row)} 格，列名只有 {len(columns)} 个；请检查多余的逗号",
            f"the line has {len(row)} cells, the first line {len(columns)}; look for a comma too many",
            line,
            file,
        )
    cells = ((column, cell.strip()) for column, cell in zip(columns, row, strict=False))
    return {column: _list(cell) if column in LISTS else cell for column, cell in cells if cell}


def _list(cell: str) -> list[str | None]:
    return [part.strip() for part in cell.replace("；", ";").split(";") if part.strip()]


# --- what is wrong, in words ----------------------------------------------------------------------------------


def _unreadable(zh: str, en: str, line: int, file: str) -> UnitsInvalid:
    return UnitsInvalid([Fault(zh, en, line=line, file=file)])
