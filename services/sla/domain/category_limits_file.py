"""Reads `category_limits.csv`: every fault with its line, and what is worth a second look."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.sla.domain.category_limits import CategoryLimits, Entry
from services.sla.domain.limit import Limit, TimeUnit
from shared.contracts.faults import Fault, SetupInvalid

NEEDED = ("code", "major", "minor", "limit")
COLUMNS = (*NEEDED, "variant", "responsible")
LONGEST_TEXT = 300


def read_category_limits(text: str, version: str, file: str = "category_limits.csv") -> CategoryLimits:
    """The entries of a file's text. Raises `SetupInvalid` with every fault of every line."""
    reader = csv.DictReader(io.StringIO(text), restkey="", restval="")
    header = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    faults = list(_header_faults(header, file))
    if faults:
        raise SetupInvalid(faults)
    reading = _Reading(file)
    for row in reader:
        reading.take(row, reader.line_num)
    if reading.faults:
        raise SetupInvalid(reading.faults)
    if not reading.entries:
        zh, en = "没有任何条目；请填写", "there are no entries; fill them in"
        raise SetupInvalid([Fault(zh, en, file=file)])
    return CategoryLimits(version, tuple(reading.entries))


def _header_faults(header: list[str], file: str) -> Iterator[Fault]:
    for name in NEEDED:
        if name not in header:
            yield Fault(
                f"首行没有 {name} 列；应有：{'、'.join(COLUMNS)}",
                f"the first line has no column {name}; the columns are {', '.join(COLUMNS)}",
                name,
                line=1,
                file=file,
            )
    for name in header:
        if name not in COLUMNS or header.count(name) > 1:
            yield Fault(
                f"{name or '空白'} 列不在或重复；应有：{'、'.join(COLUMNS)}",
                f"there is no column {name or 'without a name'}, or it is there twice; they are {', '.join(COLUMNS)}",
                name,
                line=1,
                file=file,
            )


class _Reading:
    """What was read so far; a subclass has one code, a code one subclass, a variant one line."""

    def __init__(self, file: str) -> None:
        self.entries: list[Entry] = []
        self.faults: list[Fault] = []
        self._file = file
        self._codes: dict[str, tuple[tuple[str, str], int]] = {}
        self._subclasses: dict[tuple[str, str], tuple[str, int]] = {}
        self._variants: dict[tuple[str, str, str], int] = {}

    def take(self, row: Mapping[str, str | list[str]], line: int) -> None:
        found = _Row(row)
        faults = [
            *(Fault(zh, en, field, found.code, line, self._file) for field, zh, en in found.faults()),
            *self._clashes(found, line),
        ]
        self.faults.extend(faults)
        if not faults:
            limit = Limit.parse(found.limit)
            self.entries.append(
                Entry(found.code, found.major, found.minor, found.variant, limit, found.text("responsible"))
            )

    def _clashes(self, row: "_Row", line: int) -> Iterator[Fault]:
        subclass = (row.major, row.minor)
        known, first = self._codes.setdefault(row.code, (subclass, line))
        if known != subclass:
            yield Fault(
                f"第 {first} 行的 {row.code} 是 {'->'.join(known)}；请更正代码或名称",
                f"{row.code} is {'->'.join(known)} in line {first}; correct the code or the names",
                "code",
                row.code,
                line,
                self._file,
            )
        code, first = self._subclasses.setdefault(subclass, (row.code, line))
        if code != row.code:
            yield Fault(
                f"第 {first} 行的 {'->'.join(subclass)} 代码为 {code}；请更正代码或名称",
                f"{'->'.join(subclass)} has the code {code} in line {first}; correct the code or the names",
                "code",
                row.code,
                line,
                self._file,
            )
        first = self._variants.setdefault((*subclass, row.variant), line)
        if first != line:
            yield Fault(
                f"与第 {first} 行是同一立案条件 {row.variant!r}；请删去一行，或为其编另一号",
                f"it is variant {row.variant!r} of the same subclass as line {first}; remove one, or number it anew",
                "variant",
                row.code,
                line,
                self._file,
            )


@dataclass(frozen=True, slots=True)
class _Row:
    row: Mapping[str, str | list[str]]

    def text(self, column: str) -> str:
        found = self.row.get(column) or ""
        return found.strip() if isinstance(found, str) else ""

    @property
    def code(self) -> str:
        return self.text("code")

    @property
    def major(self) -> str:
        return self.text("major")

    @property
    def minor(self) -> str:
        return self.text("minor")

    @property
    def variant(self) -> str:
        return self.text("variant") or "1"

    @property
    def limit(self) -> str:
        return self.text("limit")

    def faults(self) -> Iterator[tuple[str, str, str]]:
        """Field, why in Chinese, why in English."""
        if "" in self.row:
            yield "", "该行的列数多于首行；请核对逗号", "it has more columns than the first line; check its commas"
        for column in COLUMNS:
            if len(self.text(column)) > LONGEST_TEXT:
                zh, en = (
                    f"超过 {LONGEST_TEXT} 个字符；请缩短",
                    f"it has more than {LONGEST_TEXT} characters; shorten it",
                )
                yield column, zh, en
            if column in NEEDED and not self.text(column):
                yield column, "不能为空；请填写", "it is empty; fill it in"
        if self.limit:
            try:
                Limit.parse(self.limit)
            except ValueError as error:
                zh = f"{self.limit!r} 不是限时；应写数量和单位（{'、'.join(TimeUnit)}），如 `4 working_hour`"
                yield "limit", zh, str(error)
