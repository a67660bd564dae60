"""Reads a CSV file of orders as it comes out of other systems: its encoding told strictly, every line
numbered as an editor numbers it, and a malformed row given back as such while the rest goes on.
"""

import codecs
import csv
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TextIO

from services.intake.domain.wording import Fault

LONGEST_RECORD = 40_000
"""Characters of one row. Twice what all its fields may hold together; beyond that a quote is not closed."""

_EXCEL = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class FileRefused(Exception):
    """The file as a whole cannot be read; nothing of it was taken."""

    def __init__(self, code: str, field: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.code, self.field, self.zh, self.en = code, field, zh, en


@dataclass(frozen=True, slots=True)
class Record:
    """One row: the line it begins on, its cells by column, or what is wrong with it."""

    line: int
    cells: Mapping[str, str]
    fault: Fault | None = None


def encoding_of(pieces: Iterable[bytes]) -> str:
    """The encoding the whole file is valid in: UTF-8 (with or without signature), else GB18030, which holds GBK.

    Raises `FileRefused` with the line of the first byte that is valid in neither, or for a file that is no text.
    """
    trials = [_Trial("utf-8-sig"), _Trial("gb18030")]
    head = b""
    for piece in pieces:
        head = head or piece
        for trial in trials:
            trial.feed(piece)
        if all(trial.wrong for trial in trials):
            break
    for trial in trials:
        trial.feed(b"", final=True)
    if head.startswith(_EXCEL):
        raise _excel()
    fitting = next((trial.encoding for trial in trials if not trial.wrong), None)
    if fitting is None or head.startswith(_UTF_16):
        raise _neither(*(trial.wrong or 1 for trial in trials))
    return fitting


class _Trial:
    """One encoding tried on a file; `wrong` is the line of the first byte that is not valid in it, or 0."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self.wrong = 0
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._line = 1

    def feed(self, piece: bytes, final: bool = False) -> None:
        if self.wrong:
            return
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            # What it was given includes the first bytes of a character that began in the piece before.
            self.wrong = self._line + error.object[: error.start].count(b"\n")
        self._line += piece.count(b"\n")


def read_header(text: "Lines") -> list[str]:
    """The column names. Raises `FileRefused` where the first row cannot be a header."""
    try:
        header = [name.strip() for name in next(csv.reader(text, strict=True))]
    except StopIteration:
        raise FileRefused("file_empty", "header", "文件是空的；请确认导出内容。", "The file is empty.") from None
    except csv.Error as error:
        raise FileRefused(
            "header_unreadable",
            "header",
            f"第 1 行表头无法解析（{error}）；请检查引号。",
            f"The header on line 1 cannot be read ({error}); check its quotes.",
        ) from None
    text.settle()
    while header and not header[-1]:
        header.pop()
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise FileRefused(
            "column_twice",
            twice[0] or "header",
            f"表头中有重复或空的列名：{'、'.join(name or '（空）' for name in twice)}；请删除或改名。",
            f"The header has columns of the same name or without one: {', '.join(twice) or '(empty)'}; rename them.",
        )
    return header


def records(text: "Lines", header: list[str]) -> Iterator[Record]:
    """The rows below the header, in order; blank lines are passed over."""
    while True:
        line = text.number + 1
        try:
            cells = next(csv.reader(text, strict=True))
        except StopIteration:
            return
        except (csv.Error, _TooLong) as error:
            yield Record(line, {}, _unreadable(error))
            text.give_back_all_but_first()
            continue
        if cells and not _fits(cells, header) and text.could_begin_anew(len(header)):
            # An unclosed quote ran into a later row's; that row is whole on its own.
            yield Record(line, {}, _unreadable(None))
            text.give_back_all_but_first()
            continue
        text.settle()
        if not cells:
            continue
        if _fits(cells, header):
            yield Record(line, dict(zip(header, cells, strict=False)))
        else:
            yield Record(line, {}, _wrong_count(len(cells), len(header)))


def _fits(cells: list[str], header: list[str]) -> bool:
    """As many cells as columns; more only if they are empty, as spreadsheets leave them behind."""
    return len(cells) >= len(header) and not any(cells[len(header) :])


class _TooLong(Exception):
    pass


class Lines:
    """The file's lines, numbered; those of the record being read can be given back."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._given_back: deque[str] = deque()
        self._record: list[str] = []
        self._length = 0
        self.number = 0

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        if self._length > LONGEST_RECORD:
            raise _TooLong
        line = self._given_back.popleft() if self._given_back else self._read()
        if not line:
            raise StopIteration
        self._record.append(line)
        self._length += len(line)
        self.number += 1
        if len(line) > LONGEST_RECORD:
            raise _TooLong
        return line

    def _read(self) -> str:
        line = self._file.readline(LONGEST_RECORD + 1)
        if len(line) > LONGEST_RECORD:
            # Too long to be a row: only its beginning is kept, the rest is read past.
            rest = line
            while rest and not rest.endswith(("\n", "\r")):
                rest = self._file.readline(LONGEST_RECORD)
        return line

    def settle(self) -> None:
        """The record was taken as it is."""
        self._record.clear()
        self._length = 0

    def could_begin_anew(self, columns: int) -> bool:
        """Whether the record's second line is a whole row on its own."""
        if len(self._record) < 2:
            return False
        try:
            return len(next(csv.reader([self._record[1]], strict=True))) == columns
        except (csv.Error, StopIteration):
            return False

    def give_back_all_but_first(self) -> None:
        """The record's first line is at fault; what follows it may be rows of their own."""
        rest = self._record[1:]
        self._given_back.extendleft(reversed(rest))
        self.number -= len(rest)
        self.settle()


def _unreadable(error: Exception | None) -> Fault:
    detail = f"（{error}）" if error is not None and str(error) else ""
    detail_en = f" ({error})" if error is not None and str(error) else ""
    return Fault(
        "row",
        f"该行无法解析{detail}：引号未闭合或过长；请检查双引号，文本中的双引号应写成两个",
        f"the row cannot be read{detail_en}: a quote is not closed, or it is too long; check its double quotes, "
        "a quote inside a text is written twice",
        target="row",
    )


def _wrong_count(found: int, expected: int) -> Fault:
    return Fault(
        "row",
        f"该行有 {found} 列，表头有 {expected} 列；请补齐，含逗号的文本应加双引号",
        f"the row has {found} cells, the header {expected}; complete it, and quote texts that hold commas",
        target="row",
    )


def _neither(utf8_line: int, gb_line: int) -> FileRefused:
    return FileRefused(
        "encoding_unknown",
        "body",
        f"文件编码既不是 UTF-8（第 {utf8_line} 行无效）也不是 GBK/GB18030（第 {gb_line} 行无效），未处理任何行；"
        "请另存为“CSV UTF-8”后重新上传。",
        f"The file is neither UTF-8 (invalid on line {utf8_line}) nor GBK/GB18030 (invalid on line {gb_line}); "
        "no row of it was taken. Save it as CSV UTF-8 and send it again.",
    )


def _excel() -> FileRefused:
    return FileRefused(
        "file_is_no_csv",
        "body",
        "这是 Excel 文件，不是 CSV；请在 Excel 中另存为“CSV UTF-8（逗号分隔）”后重新上传。",
        "This is an Excel file, no CSV; save it as CSV UTF-8 (comma delimited) and send it again.",
    )
