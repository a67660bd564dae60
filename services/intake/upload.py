"""Receives an uploaded file, raw or as multipart form data, piece by piece into a spool."""

from email.message import Message

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser
from starlette.requests import ClientDisconnect

from services.intake.spool import Spool, TooLarge
from shared.runtime.decision import Refusal
from shared.runtime.problems import Refused

MULTIPART = "multipart/form-data"
RAW = ("text/csv", "application/csv", "application/vnd.ms-excel", "text/plain", "application/octet-stream")
"""What browsers and scripts call a CSV file."""


async def receive(request: Request, limit: int) -> Spool:
    """The uploaded file; the caller closes it. Raises `Refused`: 413 beyond `limit` bytes, 415, 400."""
    media_type = Message()
    media_type["content-type"] = request.headers.get("content-type", "text/csv")
    kind = media_type.get_content_type()
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise Refused(_too_large(limit))
    if kind != MULTIPART and kind not in RAW:
        raise Refused(_unknown_type(kind))
    spool = Spool(limit)
    try:
        if kind == MULTIPART:
            await _multipart(request, str(media_type.get_param("boundary") or ""), spool)
        else:
            async for piece in request.stream():
                spool.write(piece)
    except BaseException as error:
        spool.close()
        if isinstance(error, TooLarge):
            raise Refused(_too_large(limit)) from None
        if isinstance(error, ClientDisconnect):
            raise Refused(_INCOMPLETE) from None
        raise
    return spool


async def _multipart(request: Request, boundary: str, spool: Spool) -> None:
    """The first part that is a file; other parts are read past."""
    if not boundary:
        raise Refused(_bad_form("boundary"))
    part = _FilePart(spool)
    try:
        parser = MultipartParser(
            boundary.encode("latin-1", "replace"),
            {
                "on_part_begin": part.begin,
                "on_header_field": part.header_field,
                "on_header_value": part.header_value,
                "on_header_end": part.header_end,
                "on_part_data": part.data,
                "on_part_end": part.end,
            },
        )
        async for piece in request.stream():
            parser.write(piece)
        parser.finalize()
    except FormParserError as error:
        raise Refused(_bad_form(str(error))) from None
    if not part.found:
        raise Refused(_bad_form("no file"))


class _FilePart:
    """Follows the parser through the form and keeps the first file's bytes."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._name = b""
        self._value = b""
        self._inside = False
        self.found = False

    def begin(self) -> None:
        self._name = self._value = b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._name.lower() == b"content-disposition" and b"filename" in self._value and not self.found:
            self._inside = self.found = True
        self._name = self._value = b""

    def data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._spool.write(data[start:end])

    def end(self) -> None:
        self._inside = False


def _too_large(limit: int) -> Refusal:
    most = limit // 1024 // 1024
    return Refusal(
        "file_too_large",
        zh=f"文件超过 {most} MB，未处理任何行；请按行拆分为多个文件，每个文件保留表头。",
        en=f"The file is larger than {most} MB, no row of it was taken; split it by rows, each part with the header.",
        field="body",
        status=413,
    )


def _unknown_type(kind: str) -> Refusal:
    shown = "".join(char for char in kind if char.isprintable())[:60]
    return Refusal(
        "media_type_unknown",
        zh=f"Content-Type {shown} 不是 CSV；请以 text/csv 直接提交文件内容，或以 multipart/form-data 上传文件。",
        en=f"Content-Type {shown} is no CSV; send the file itself as text/csv, or upload it as multipart/form-data.",
        field="Content-Type",
        status=415,
    )


def _bad_form(reason: str) -> Refusal:
    shown = "".join(char for char in reason if char.isprintable())[:100]
    return Refusal(
        "form_unreadable",
        zh=f"multipart/form-data 请求体无法解析或其中没有文件（{shown}）；请检查 boundary，并以文件字段上传。",
        en=f"The multipart/form-data body cannot be read or holds no file ({shown}); check its boundary, and send "
        "the file as a file field.",
        field="body",
        status=400,
    )


_INCOMPLETE = Refusal(
    "upload_incomplete",
    zh="文件未传完连接就断开了，未处理任何行；请重新上传。",
    en="The connection ended before the file was complete; no row of it was taken. Send it again.",
    field="body",
    status=400,
)
