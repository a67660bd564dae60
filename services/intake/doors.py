"""What all doors share: the parts they work with, who is asking, how a no is worded and documented."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Header, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer

from services.intake.domain.catalogue import Catalogue
from services.intake.domain.mapping import Gazetteer, HotlineMapping
from services.intake.domain.whistle import Whistle
from services.intake.domain.wording import Fault, field_of, why
from services.intake.reporter import ReporterVault
from shared.contracts.units import Unit, UnitTree
from shared.contracts.vocabulary import ActorKind, Source
from shared.runtime.decision import DoorKey, Refusal
from shared.runtime.door import Door
from shared.runtime.identity import Gatekeeper, Identity, forbidden
from shared.runtime.problems import MEDIA_TYPE, Refused


class Records(Protocol):
    """What the doors read outside the road. Each may raise `Refused` (503) where the store is away."""

    async def numbers(self, many: int) -> Sequence[str]: ...

    async def find(self, case_id: UUID) -> Whistle | None: ...

    async def find_by_ref(self, source: Source, source_ref: str) -> Whistle | None: ...

    async def verifying(self, region: str, after: UUID, most: int) -> Sequence[Whistle]: ...


@dataclass(frozen=True, slots=True)
class Doors:
    """The parts behind intake's doors."""

    door: Door
    gatekeeper: Gatekeeper
    records: Records
    in_force: Callable[[], Gazetteer]
    catalogue: Catalogue
    mapping: HotlineMapping
    vault: ReporterVault
    zone: ZoneInfo

    @property
    def places(self) -> Gazetteer:
        return self.in_force()

    @property
    def units(self) -> UnitTree:
        return self.in_force().tree


@dataclass(frozen=True, slots=True)
class Staff:
    """A person of a unit, and that unit."""

    identity: Identity
    unit: Unit


def by_reference(source: Source, source_ref: str | None) -> tuple[DoorKey, ...]:
    """The key under which an order counts once, for ever: its source and that source's own number for it."""
    return (DoorKey(f"order {source.value}", source_ref),) if source_ref else ()


# --- who is asking --------------------------------------------------------------------------------------

# These are coroutines because the framework would send each plain function through a thread of its own.

_bearer = HTTPBearer(auto_error=False, description="a signed access token: `chuishao token`, later the sign-in pages")
_api_key = APIKeyHeader(name="X-API-Key", auto_error=False, description="a system's key, such as 12345's")


async def doors_of(request: Request) -> Doors:
    doors: Doors = request.app.state.intake
    return doors


Here = Annotated[Doors, Depends(doors_of)]


async def asker(request: Request, doors: Here) -> Identity:
    return doors.gatekeeper.identify(request)


Asker = Annotated[Identity, Depends(asker)]


async def _idempotency_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            description="a key of your own choice: the same key and body within 7 days is the same request",
        ),
    ] = None,
) -> None:
    """Only described here; the road reads it."""


IDEMPOTENT = [Depends(_idempotency_key)]
BY_TOKEN = [Security(_bearer)]
BY_KEY = [Security(_api_key)]


async def staff(identity: Asker, doors: Here) -> Staff:
    """The unit a staff member acts for. Raises `Refused` (403) for others, and for a unit that is not in the tree."""
    if identity.kind is not ActorKind.STAFF:
        raise forbidden(
            "staff_only",
            "此入口仅供工作人员使用；居民请使用 /orders，12345 请使用 /hotline/orders。",
            "This door is for staff; residents use /orders, 12345 uses /hotline/orders.",
        )
    unit = doors.units.get(identity.unit or "")
    if unit is None:
        raise forbidden(
            "unit_unknown",
            "令牌中没有单位，或该单位不在本区单位目录中；请联系管理员。",
            "The token names no unit of this district; tell the administrator.",
        )
    return Staff(identity, unit)


StaffMember = Annotated[Staff, Depends(staff)]


async def resident(identity: Asker) -> Identity:
    if identity.kind is not ActorKind.RESIDENT:
        raise forbidden(
            "residents_only",
            "此入口仅供居民点单；工作人员吹哨请使用 /whistles。",
            "This door is for residents' orders; staff blow the whistle at /whistles.",
        )
    return identity


Resident = Annotated[Identity, Depends(resident)]


async def hotline(identity: Asker) -> Identity:
    if identity.kind is not ActorKind.HOTLINE:
        raise forbidden(
            "hotline_only",
            "此入口仅供 12345 系统使用，须提供 12345 的密钥（X-API-Key）。",
            "This door is for 12345's system with its own key (X-API-Key).",
        )
    return identity


Hotline = Annotated[Identity, Depends(hotline)]


# --- how a no is worded -----------------------------------------------------------------------------------


class SpokenRoute(APIRoute):
    """A route whose validation errors name field, why and what to do in both languages."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handler = super().get_route_handler()

        async def spoken(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                raise invalid([Fault(field_of(found), *why(found)) for found in error.errors()]) from None

        return spoken


def invalid(faults: Sequence[Fault]) -> Refused:
    """422 with every fault; the first one is also told in the problem's own text."""
    first = faults[0]
    return Refused(
        Refusal(
            "invalid_request",
            zh=f"字段 {first.field} 有误：{first.zh}。请更正后重新提交。",
            en=f"{first.field}: {first.en}. Correct it and send the request again.",
            field=first.field,
            status=422,
        ),
        errors=[{"field": fault.field, "why_zh": fault.zh, "why_en": fault.en} for fault in faults],
    )


def unless_refused(found: Any) -> Any:
    """The value, or the refusal raised."""
    if isinstance(found, Refusal):
        raise Refused(found)
    return found


# --- how a no is documented ---------------------------------------------------------------------------------

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details; `detail` in Chinese, `detail_en` in English",
    "required": ["type", "title", "status", "detail", "detail_en"],
    "properties": {
        "type": {"type": "string", "description": "urn:chuishao:problem:<code>; the code is stable"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "detail_en": {"type": "string"},
        "field": {"type": "string", "description": "the field at fault"},
        "errors": {
            "type": "array",
            "description": "every field at fault, where there are several",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "why_zh": {"type": "string"},
                    "why_en": {"type": "string"},
                },
            },
        },
    },
}

_MEANINGS = {
    400: (
        "the body cannot be read",
        "not_json",
        "请求体不是有效的 UTF-8 JSON",
        "The body is not valid UTF-8 JSON",
    ),
    401: (
        "no key or token, or one that is not valid",
        "token_expired",
        "令牌已过期",
        "The token has expired",
    ),
    403: (
        "known, but this is not theirs to do",
        "not_your_region",
        "不能代其他社区吹哨",
        "Not a region of your own",
    ),
    404: ("there is no such whistle", "whistle_unknown", "没有该哨单", "There is no such whistle"),
    409: ("it stands otherwise", "already_decided", "已处理，不能重复处理", "It is decided once"),
    413: ("too large", "body_too_large", "请求体超过 4 MB", "The body is larger than 4 MB"),
    415: ("not a type this door reads", "media_type_unknown", "不是 CSV", "It is no CSV"),
    422: ("a field is wrong", "invalid_request", "字段 title 有误", "title: it is missing"),
    503: (
        "try again after `Retry-After` seconds",
        "temporarily_unavailable",
        "系统暂时无法保存",
        "Try again shortly",
    ),
}


Documented: TypeAlias = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Documented:
    """The documentation of these refusals, for a route's `responses`."""
    documented: Documented = {}
    for status in (*statuses, 401, 403, 503):
        meaning, code, zh, en = _MEANINGS[status]
        example = {
            "type": f"urn:chuishao:problem:{code}",
            "title": code.replace("_", " "),
            "status": status,
            "detail": zh,
            "detail_en": en,
        }
        documented[status] = {
            "description": meaning,
            "content": {MEDIA_TYPE: {"schema": _PROBLEM, "example": example}},
        }
    return documented
