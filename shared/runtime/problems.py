"""How an HTTP door says no: RFC 9457 problem details with the field, why, and what to do, in both languages."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg
import orjson
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shared.contracts.envelope import holds_nul
from shared.runtime.decision import Refusal
from shared.runtime.postgres import STORE_FAULTS, is_transient

MEDIA_TYPE = "application/problem+json"
MAXIMUM_BODY = 4 * 1024 * 1024


class Refused(Exception):
    """A door says no; becomes a problem document."""

    def __init__(self, refusal: Refusal, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(refusal.en)
        self.refusal = refusal
        self.headers = headers
        self.more = more


def problem(refusal: Refusal, headers: dict[str, str] | None = None, **more: Any) -> Response:
    document: dict[str, Any] = {
        "type": f"urn:chuishao:problem:{refusal.code}",
        "title": refusal.code.replace("_", " "),
        "status": refusal.status,
        "detail": refusal.zh,
        "detail_en": refusal.en,
    }
    if refusal.field:
        document["field"] = refusal.field
    document.update(more)
    return Response(orjson.dumps(document), refusal.status, headers, MEDIA_TYPE)


MEANINGS = {
    400: "not readable",
    401: "no valid credentials",
    403: "not yours",
    404: "no such case",
    409: "not now",
    413: "too large",
    422: "something is missing or wrong",
    503: "the database is away; see Retry-After",
}


def described(*statuses: int, otherwise: Mapping[int, str] | None = None) -> dict[int | str, dict[str, Any]]:
    """What a door may answer besides success, for its OpenAPI; `otherwise` where it means something else there."""
    meanings = MEANINGS | dict(otherwise or {})
    return {status: {"description": meanings[status], "content": {MEDIA_TYPE: {}}} for status in statuses}


def install(app: FastAPI) -> None:
    """Give an app the doors' manners: bounded and readable bodies, problem documents for every no."""

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Refused) -> Response:
        return problem(error.refusal, error.headers, **error.more)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        errors = [
            {"field": ".".join(str(part) for part in found["loc"] if part != "body") or "body", "why": found["msg"]}
            for found in error.errors()
        ]
        first = errors[0]
        return problem(
            Refusal(
                "invalid_request",
                zh=f"字段 {first['field']} 有误：{first['why']}。请更正后重新提交。",
                en=f"{first['field']}: {first['why']}. Correct it and send the request again.",
                field=first["field"],
                status=422,
            ),
            errors=errors,
        )

    async def engine_away(_request: Request, error: Exception) -> Response:
        if isinstance(error, asyncpg.CharacterNotInRepertoireError):  # the store cannot even look for it
            return problem(_nul_character("query"))
        if not isinstance(error, KafkaError) and not is_transient(error):
            raise error
        refused = unavailable()
        return problem(refused.refusal, refused.headers)

    for kind in (*STORE_FAULTS, KafkaError):
        app.add_exception_handler(kind, engine_away)

    @app.exception_handler(Exception)
    async def failed(_request: Request, _error: Exception) -> Response:
        return problem(FAILED)

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> Response:
        return problem(
            Refusal("http_error", zh=str(error.detail), en=str(error.detail), status=error.status_code),
            dict(error.headers) if error.headers else None,
        )

    @app.middleware("http")
    async def guard_body(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        by_itself = request.url.path in getattr(app.state, "read_their_own_body", ())
        if request.method in ("POST", "PUT", "PATCH") and not by_itself:
            refusal = await _body_refusal(request)
            if refusal is not None:
                return problem(refusal)
        return await call_next(request)


def reads_its_own_body(app: FastAPI, path: str) -> None:
    """Let the door at this path read its body itself, piece by piece: it takes files, and bounds them."""
    app.state.read_their_own_body = {*getattr(app.state, "read_their_own_body", ()), path}


async def _body_refusal(request: Request) -> Refusal | None:
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > MAXIMUM_BODY:
        return _too_large()
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MAXIMUM_BODY:
            return _too_large()
    body = bytes(read)
    request._body = request.state.body = body  # so that the handler, too, can read what was read here
    kind = request.headers.get("content-type") or "json"  # called nothing, it is read as JSON
    if "json" not in kind.lower() or not body:
        return None
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Refusal(
            "not_json",
            zh=f"请求体不是有效的 UTF-8 JSON：{error}",
            en=f"The body is not valid UTF-8 JSON: {error}",
            field="body",
            status=400,
        )
    return _nul_character("body") if holds_nul(body) else None


def _nul_character(field: str) -> Refusal:
    return Refusal(
        "nul_character",
        zh="文本中含有 NUL 字符（\\u0000），无法保存；请删除后重新提交。",
        en="A text holds a NUL character (\\u0000), which cannot be stored; remove it and send again.",
        field=field,
        status=400,
    )


def body_of(request: Request) -> bytes:
    """The body as it came, whatever was made of it; empty where there was none."""
    body: bytes = getattr(request.state, "body", b"")
    return body


def unavailable() -> Refused:
    """The database is away: nothing was accepted."""
    return Refused(
        Refusal(
            "temporarily_unavailable",
            zh="系统暂时无法保存，请求未确认；请稍后用同一 Idempotency-Key 重试。",
            en="The system cannot store anything right now and has not accepted this; "
            "try again shortly with the same Idempotency-Key.",
            status=503,
        ),
        {"Retry-After": "5"},
    )


def _too_large() -> Refusal:
    limit = MAXIMUM_BODY // 1024 // 1024
    return Refusal(
        "body_too_large",
        zh=f"请求体超过 {limit} MB；请拆分，或将附件上传后只提交链接。",
        en=f"The body is larger than {limit} MB; split it, or upload attachments and send their links.",
        field="body",
        status=413,
    )


FAILED = Refusal(
    "internal_error",
    zh="系统内部错误，本次操作未生效；已记录，请联系管理员。",
    en="An internal error: nothing was changed. It has been logged; please tell the operator.",
    status=500,
)
