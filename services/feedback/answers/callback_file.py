"""A CSV file of call-backs as it is sent: its encoding told strictly, its rows with the lines they end on."""

import codecs
import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import TypeAlias

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from services.feedback.answers.callbacks import NAMES
from shared.runtime.decision import Refusal
from shared.runtime.problems import Refused, body_of

MULTIPART = "multipart/form-data"

Row: TypeAlias = tuple[int, Mapping[str, object] | None]
"""Its place and its cells; None for what is no row at all."""


async def file_text(request: Request) -> str:
    """The file's text: the body, or the first file of a form. Raises `Refused`."""
    if not request.headers.get("content-type", "").startswith(MULTIPART):
        return _decoded(body_of(request))
    try:
        async with request.form(max_files=1, max_fields=10) as form:
            files = [value for value in form.values() if isinstance(value, UploadFile)]
            if files:
                return _decoded(await files[0].read())
    except HTTPException:
        pass
    raise Refused(_NO_FILE)


def _decoded(content: bytes) -> str:
    """UTF-8, with or without signature, else GB18030, which holds GBK. Raises `Refused`."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return codecs.decode(content, encoding)
        except UnicodeDecodeError:
            continue
    raise Refused(_ENCODING_UNKNOWN)


def rows_of(text: str) -> Iterator[Row]:
    """The rows below the header with the lines they end on; blank ones are passed over. Raises `Refused`."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not set(NAMES["source_ref"]) & set(header):
            raise Refused(_HEADER_INVALID)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                fits = len(cells) >= len(header) and not any(cells[len(header) :])
                yield reader.line_num, dict(zip(header, cells, strict=False)) if fits else None
    except csv.Error as error:
        raise Refused(_csv_unreadable(reader.line_num, str(error))) from None


def _csv_unreadable(line: int, why: str) -> Refusal:
    return Refusal(
        "csv_unreadable",
        zh=f"第 {line} 行无法解析（{why}），未处理任何行；请检查双引号。",
        en=f"Line {line} cannot be read ({why}) and no row was taken; check its double quotes.",
        field="body",
        status=422,
    )


_NO_FILE = Refusal(
    "form_unreadable",
    zh="表单无法解析或其中没有文件；请以 text/csv 直接提交，或以 multipart/form-data 上传一个文件。",
    en="The form cannot be read or holds no file; send the file itself as text/csv, or as one file of a form.",
    field="body",
    status=400,
)

_ENCODING_UNKNOWN = Refusal(
    "encoding_unknown",
    zh="文件编码既不是 UTF-8 也不是 GBK，未处理任何行；请另存为“CSV UTF-8”后重新上传。",
    en="The file is neither UTF-8 nor GBK and no row was taken; save it as CSV UTF-8 and send it again.",
    field="body",
    status=422,
)

_HEADER_INVALID = Refusal(
    "header_invalid",
    zh="表头中没有“工单编号”（orderNum）列；请保留导出文件的表头后重新上传。",
    en="The header has no column 工单编号 (orderNum); keep the export's header and send it again.",
    field="header",
    status=422,
)
