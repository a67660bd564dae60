"""The doors for 12345: orders as a JSON push and as a CSV file, in whatever field names its system has."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import JsonValue

from services.intake import csv_file
from services.intake.bodies import FileReport, OrderReceipt, PushReport, Rejection
from services.intake.domain.mapping import Foreign, Format, Mapped, map_order
from services.intake.domain.wording import Fault
from services.intake.doors import (
    BY_KEY,
    BY_TOKEN,
    Asker,
    Documented,
    Doors,
    Here,
    Hotline,
    SpokenRoute,
    problems,
)
from services.intake.feed import AT_ONCE, count_rejected, fault_of, take
from services.intake.spool import Spool
from services.intake.upload import receive
from shared.contracts.vocabulary import ActorKind, UnitKind
from shared.runtime.decision import Fate, Outcome, Refusal
from shared.runtime.identity import Identity, forbidden
from shared.runtime.problems import Refused

FILE_LIMIT = 64 * 1024 * 1024
MOST_ORDERS = 1000
MOST_REJECTIONS = 1000
UNKNOWN_FORMAT = "unknown"

router = APIRouter(route_class=SpokenRoute, tags=["12345"])

FormatName = Annotated[
    str | None,
    Query(
        alias="format",
        max_length=40,
        description="format of hotline_mapping.yaml; told by its fields if left out",
    ),
]

_ORDER_EXAMPLE = {
    "orderNum": "GD20261102000123",
    "callerName": "李先生",
    "contactPhone": "13900000000",
    "appealType": "投诉",
    "appealSubject": "夜间施工噪声扰民",
    "appealContent": "南桥街道工地连续三晚施工至凌晨两点，影响居民休息。",
    "category": "噪声污染->施工噪声",
    "incidentAddress": "南桥路88号工地",
    "communityCode": "110199003001",
    "urgencyLevel": "一般",
    "callTime": "2026-11-02 08:15:00",
}


_ANSWERS: Documented = {
    200: {"description": "a list's report; or one order that was known already"},
    201: {"model": OrderReceipt, "description": "one order was taken"},
}


@router.post(
    "/hotline/orders",
    summary="推送工单 · push one order or a list",
    status_code=200,
    response_model=OrderReceipt | PushReport,
    responses={**_ANSWERS, **problems(400, 413, 422)},
    dependencies=BY_KEY,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "description": "one order, or a list of at most 1,000; the field names are the mapping's",
                        "anyOf": [
                            {"type": "object", "additionalProperties": True},
                            {"type": "array", "maxItems": MOST_ORDERS, "items": {"type": "object"}},
                        ],
                    },
                    "examples": {
                        "one": {"summary": "one order", "value": _ORDER_EXAMPLE},
                        "list": {"summary": "a list", "value": [_ORDER_EXAMPLE]},
                    },
                }
            },
        }
    },
)
async def push_orders(
    body: Annotated[JsonValue, Body()],
    request: Request,
    response: Response,
    doors: Here,
    who: Hotline,
    format_name: FormatName = None,
) -> OrderReceipt | PushReport:
    """Each order is known by its own number (工单编号): pushed again, it is answered with the original.

    One order is answered by itself: 201, 200 for a repeat, 422 with every field at fault. A list is answered
    200 with a report; what is wrong with one order does not keep the others out.
    """
    given: list[JsonValue] = body if isinstance(body, list) else [body]
    if len(given) > MOST_ORDERS:
        raise Refused(_too_many(len(given)))
    pushed = [_pushed(order, index, format_name, doors) for index, order in enumerate(given)]
    await _take(doors, who, pushed, request.headers.get("traceparent"))
    if not isinstance(body, list):
        return _single(pushed[0], response)
    return PushReport(
        format=format_name,
        accepted=sum(one.fate is Fate.DONE for one in pushed),
        repeats=sum(one.fate is Fate.REPEAT for one in pushed),
        rejected=[_rejection(fault, index=one.place) for one in pushed for fault in one.faults],
        orders=[one.receipt for one in pushed if not one.faults],
    )


@router.post(
    "/hotline/orders/csv",
    summary="上传工单文件 · send a CSV file of orders",
    responses=problems(400, 413, 415, 422),
    dependencies=[*BY_KEY, *BY_TOKEN],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {
                    "schema": {"type": "string", "contentMediaType": "text/csv"},
                    "example": "工单编号,标题,主要内容,村/社区\r\nGD1,路灯不亮,三天不亮了,湖畔社区\r\n",
                },
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
                    }
                },
            },
        }
    },
)
async def send_file(request: Request, doors: Here, who: Asker, format_name: FormatName = None) -> FileReport:
    """UTF-8 (with or without signature) or GBK/GB18030, told strictly; at most 64 MB. With 12345's key, or by the
    hub's staff. Rows that are malformed are reported with line and field, the others are taken. Sending a file again
    is harmless: its orders are known by their numbers.
    """
    _may_send_files(who, doors)
    spool = await receive(request, FILE_LIMIT)
    try:
        return await _take_file(spool, doors, who, format_name, request.headers.get("traceparent"))
    except csv_file.FileRefused as refused:
        raise Refused(Refusal(refused.code, refused.zh, refused.en, refused.field, 422)) from None
    finally:
        spool.close()


@dataclass(slots=True)
class _Order:
    """One order on its way: its place (index or line), and what became of it."""

    place: int
    format: str
    mapped: Mapped | None
    faults: list[Fault]
    time: tuple[str, str] = ("occurred_at", "")
    outcome: Outcome | None = None

    @property
    def fate(self) -> Fate | None:
        return self.outcome.fate if self.outcome and not self.faults else None

    @property
    def receipt(self) -> OrderReceipt:
        assert self.outcome is not None, "it was taken"
        assert self.mapped is not None, "it was mapped"
        answer: dict[str, Any] = dict(self.outcome.answer or {})
        repeat = self.outcome.fate is Fate.REPEAT
        return OrderReceipt.model_validate(answer | {"repeat": repeat, "source_ref": self.mapped.order.source_ref})


async def _take(doors: Doors, who: Identity, orders: Sequence[_Order], traceparent: str | None) -> None:
    """Take those that could be mapped, and note what became of each; count what was rejected."""
    ready = [one for one in orders if one.mapped is not None]
    for start in range(0, len(ready), AT_ONCE):
        chunk = ready[start : start + AT_ONCE]
        outcomes = await take(doors, who, [one.mapped for one in chunk if one.mapped], traceparent)
        for one, outcome in zip(chunk, outcomes, strict=True):
            one.outcome = outcome
            fault = fault_of(outcome, *one.time)
            if fault is not None:
                one.faults.append(fault)
    for one in orders:
        for fault in one.faults:
            count_rejected(one.format, fault)


def _mapped(place: int, foreign: Foreign, name: str, form: Format, doors: Doors) -> _Order:
    found = map_order(foreign, form, doors.places, doors.zone)
    if isinstance(found, list):
        return _Order(place, name, None, found)
    time = next(((own, str(foreign[own])) for own in form.fields.get("occurred_at", ()) if foreign.get(own)), None)
    return _Order(place, name, found, [], time or ("occurred_at", ""))


# --- JSON ---------------------------------------------------------------------------------------------------


def _pushed(order: JsonValue, index: int, wanted: str | None, doors: Doors) -> _Order:
    if not isinstance(order, dict):
        fault = Fault("body", "每条工单应为 JSON 对象", "an order must be a JSON object", "row")
        return _Order(index, wanted or UNKNOWN_FORMAT, None, [fault])
    name = wanted or doors.mapping.recognise(frozenset(order))
    form = doors.mapping.formats.get(name or "")
    if name is None or form is None:
        return _Order(index, UNKNOWN_FORMAT, None, [_no_format(wanted, doors)])
    return _mapped(index, order, name, form, doors)


def _single(order: _Order, response: Response) -> OrderReceipt:
    if order.outcome is not None and order.outcome.fate is Fate.FAILED:
        fault = order.faults[0]
        raise Refused(Refusal("internal_error", zh=f"{fault.zh}。", en=f"{fault.en}.", status=500))
    if order.faults:
        first = order.faults[0]
        raise Refused(
            Refusal(
                "order_rejected",
                zh=f"字段 {first.field} 有误：{first.zh}。请更正后重新推送。",
                en=f"{first.field}: {first.en}. Correct it and push the order again.",
                field=first.field,
                status=422,
            ),
            errors=[_rejection(fault).model_dump(exclude_none=True) for fault in order.faults],
        )
    receipt = order.receipt
    response.status_code = 200 if receipt.repeat else 201
    response.headers["Location"] = f"/whistles/{receipt.case_id}"
    return receipt


def _rejection(fault: Fault, line: int | None = None, index: int | None = None) -> Rejection:
    return Rejection(line=line, index=index, field=fault.field, value=fault.value, why_zh=fault.zh, why_en=fault.en)


# --- CSV ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Tally:
    """What became of a file's rows so far."""

    format: str
    encoding: str
    rows: int = 0
    accepted: int = 0
    repeats: int = 0
    rejected_count: int = 0
    by_field: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejection] = field(default_factory=list)

    def add(self, orders: Sequence[_Order]) -> None:
        for one in orders:
            self.rows += 1
            self.accepted += one.fate is Fate.DONE
            self.repeats += one.fate is Fate.REPEAT
            self.rejected_count += bool(one.faults)
            for fault in one.faults:
                self.by_field[fault.field] += 1
                if len(self.rejected) < MOST_REJECTIONS:
                    self.rejected.append(_rejection(fault, line=one.place))

    def report(self) -> FileReport:
        return FileReport(
            format=self.format,
            encoding=self.encoding,
            rows=self.rows,
            accepted=self.accepted,
            repeats=self.repeats,
            rejected_count=self.rejected_count,
            rejected_by_field=dict(self.by_field),
            rejected=self.rejected,
        )


async def _take_file(
    spool: Spool, doors: Doors, who: Identity, wanted: str | None, traceparent: str | None
) -> FileReport:
    """The whole file is checked for its encoding and its header before the first row is taken."""
    encoding = await asyncio.to_thread(csv_file.encoding_of, spool.pieces())
    lines = csv_file.Lines(TextIOWrapper(spool.open(), encoding, newline=""))
    header = csv_file.read_header(lines)
    name, form = _format_of(header, wanted, doors)
    tally = _Tally(name, encoding)
    rows = csv_file.records(lines, header)
    while chunk := await asyncio.to_thread(_next_orders, rows, name, form, doors):
        try:
            await _take(doors, who, chunk, traceparent)
        except Refused as away:
            raise _interrupted(away, chunk[0].place, tally) from None
        tally.add(chunk)
    return tally.report()


def _next_orders(rows: Iterator[csv_file.Record], name: str, form: Format, doors: Doors) -> list[_Order]:
    return [
        _mapped(row.line, row.cells, name, form, doors)
        if row.fault is None
        else _Order(row.line, name, None, [row.fault])
        for row in islice(rows, AT_ONCE)
    ]


def _format_of(header: list[str], wanted: str | None, doors: Doors) -> tuple[str, Format]:
    """The file's format; every field that no order can do without must have a column."""
    name = wanted or doors.mapping.recognise(frozenset(header))
    form = doors.mapping.formats.get(name or "")
    if name is None or form is None:
        fault = _no_format(wanted, doors)
        found = "、".join(header)[:200]
        raise csv_file.FileRefused(
            "format_unknown",
            fault.field,
            f"{fault.zh}。文件表头：{found}",
            f"{fault.en}. The header has: {found}",
        )
    for needed in (("source_ref",), ("region",), ("title", "content")):
        columns = [column for own, names in form.fields.items() if own in needed for column in names]
        if not set(columns) & set(header):
            listed = "、".join(columns)
            raise csv_file.FileRefused(
                "column_missing",
                columns[0] if columns else needed[0],
                f"文件缺少必需的列：{listed} 之一；请补充该列后重新上传，或修改映射文件。",
                f"The file lacks a column it needs, one of: {listed}. Add it, or change the mapping file.",
            )
    return name, form


def _no_format(wanted: str | None, doors: Doors) -> Fault:
    known = doors.mapping.formats
    if wanted is not None:
        return Fault(
            "format",
            f"没有名为 {wanted[:40]} 的格式；映射文件中有：{'、'.join(known)}",
            f"there is no format {wanted[:40]}; the mapping file has: {', '.join(known)}",
            "row",
        )
    telling = "；".join(f"{name}：{'、'.join(form.recognised_by)}" for name, form in known.items())
    return Fault(
        "format",
        f"无法识别格式：需含有以下某一格式的标志字段（{telling}），或用 ?format= 指明",
        f"the format cannot be told: it needs one format's telling fields ({telling}), or name it with ?format=",
        "row",
    )


def _may_send_files(who: Identity, doors: Doors) -> None:
    unit = doors.units.get(who.unit or "")
    by_hub = who.kind is ActorKind.STAFF and unit is not None and unit.kind is UnitKind.HUB
    if who.kind is not ActorKind.HOTLINE and not by_hub:
        raise forbidden(
            "hotline_only",
            "仅 12345 系统（X-API-Key）或区级治理中心工作人员可上传工单文件。",
            "Only 12345's system (X-API-Key) or the hub's staff may send files of orders.",
        )


def _interrupted(away: Refused, line: int, tally: _Tally) -> Refused:
    refusal = away.refusal
    return Refused(
        Refusal(
            refusal.code,
            zh=f"{refusal.zh}已处理到第 {line} 行之前；请稍后重新上传整个文件，已受理的工单不会重复。",
            en=f"{refusal.en} The rows before line {line} were taken; send the whole file again later, what was taken "
            "is known and counts once.",
            field=refusal.field,
            status=refusal.status,
        ),
        away.headers,
        report=tally.report().model_dump(exclude_none=True),
    )


def _too_many(found: int) -> Refusal:
    return Refusal(
        "too_many_orders",
        zh=f"一次最多推送 {MOST_ORDERS} 条工单，收到 {found} 条；请分批推送，或上传 CSV 文件。",
        en=f"At most {MOST_ORDERS} orders are pushed at once, found {found}; push them in parts, or send a CSV file.",
        field="body",
        status=422,
    )
