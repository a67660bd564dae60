"""CSV files for the rehearsal: rows as a file, and a large file in parts."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows as 12345's system exports them: UTF-8 with signature, every column that any row has."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def in_parts(path: Path, rows_each: int = 200) -> Iterator[bytes]:
    """A CSV file in parts of so many records, each with the header, in the file's own bytes; flat memory.

    Records are told apart by quotes, so a quoted line break stays inside its record. Neither UTF-8 nor GBK
    uses the bytes of a quote or a line break inside another character.
    """
    with path.open("rb") as file:
        header = file.readline()
        part: list[bytes] = []
        records = 0
        quoted = False
        for line in file:
            part.append(line)
            quoted ^= line.count(b'"') % 2 == 1
            records += not quoted
            if records == rows_each:
                yield header + b"".join(part)
                part, records = [], 0
        if part:
            yield header + b"".join(part)


def references(content: bytes, column: str = "工单编号") -> list[str]:
    """The orders' own numbers in a file of 12345's, UTF-8 or GBK; a row without one is left out."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return list(dict.fromkeys(row[column].strip() for row in rows if row.get(column)))
