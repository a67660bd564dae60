"""The door for 12345's call-backs: its residents' answers as a JSON push or as a CSV file, every row tried.

A row sent again is counted as repeated and changes nothing, so a feed may send whatever it is not sure of again.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Body, FastAPI, Request
from pydantic import BaseModel, JsonValue
from uuid_utils import uuid7

from services.feedback.answers.callback_file import MULTIPART, Row, file_text, rows_of
from services.feedback.answers.callbacks import (
    CallBack,
    Fault,
    NoAnswer,
    already_there,
    is_of_the_past,
    read_row,
    was_contacted,
)
from services.feedback.domain import refusals
from services.feedback.domain.commands import AnswerAsResident, Asker
from services.feedback.domain.review import Review
from shared.contracts.vocabulary import ActorKind, Source
from shared.runtime.decision import DoorKey, FromDoor, Input, Outcome, Refusal
from shared.runtime.door import UNKEYED_KEPT, Door
from shared.runtime.identity import Gatekeeper, Identity, forbidden
from shared.runtime.problems import FAILED, Refused, described

MOST_ROWS = 1_000
MOST_FAULTS = 200
AT_ONCE = 100


class CalledBack(Protocol):
    """Finds an order's review. Raises `Refused` (503) while the database is away."""

    async def reviews_by_source_ref(self, source_refs: Collection[str]) -> Mapping[str, tuple[UUID, Review]]:
        """The cases that 12345 calls by these names; the last one where several bear one."""
        ...

    async def review(self, case_id: UUID) -> Review | None: ...


class Became(StrEnum):
    """What became of a row."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"  # the very answer is recorded already
    SKIPPED = "skipped"  # nobody answered
    REFUSED = "refused"


class RowReport(BaseModel):
    """One row: its place in the list from 0, or its line in the file; for a refused one, what is wrong and why."""

    place: int
    source_ref: str
    became: Became
    round: int | None = None
    code: str | None = None
    field: str | None = None
    detail: str | None = None
    detail_en: str | None = None


class CallBackReport(BaseModel):
    """Every row counted once. `rows`: each of a list; of a file the first refused ones."""

    received: int
    accepted: int
    repeated: int
    skipped: int
    refused: int
    rows: tuple[RowReport, ...]


@dataclass(frozen=True, slots=True)
class CallBackDesk:
    door: Door
    gatekeeper: Gatekeeper
    reviews: CalledBack
    zone: tzinfo


PROBLEMS = described(400, 401, 403, 413, 422, 503)
_EXAMPLE = {"orderNum": "GD20261102000123", "visitIsSolved": "是", "visitIsSatisfaction": "基本满意"}
_JSON_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "description": "one call-back, or a list of at most 1,000, in 12345's field names",
                    "anyOf": [
                        {"type": "object"},
                        {"type": "array", "maxItems": MOST_ROWS, "items": {"type": "object"}},
                    ],
                },
                "example": [_EXAMPLE],
            }
        },
    }
}
_FILE = {"schema": {"type": "string", "format": "binary"}}
_FILE_BODY = {"requestBody": {"required": True, "content": {"text/csv": _FILE, MULTIPART: _FILE}}}


def add_callback_routes(app: FastAPI, desk: CallBackDesk) -> None:
    """Add `/hotline/callbacks`."""

    @app.post(
        "/hotline/callbacks",
        tags=["12345"],
        summary="推送回访结果 · push residents' answers",
        responses=PROBLEMS,
        openapi_extra=_JSON_BODY,
    )
    async def push(body: Annotated[JsonValue, Body()], request: Request) -> CallBackReport:
        """What 12345 heard on calling back, by its own order numbers; 未评价 and unreached are counted, no more."""
        hotline = _hotline(desk, request)
        given = body if isinstance(body, list) else [body]
        if len(given) > MOST_ROWS:
            raise Refused(_too_many(len(given)))
        rows = [(place, row if isinstance(row, dict) else None) for place, row in enumerate(given)]
        return _report(await _take(desk, hotline, rows), all_rows=True)

    @app.post(
        "/hotline/callbacks/file",
        tags=["12345"],
        summary="上传回访结果文件 · send a CSV file of residents' answers",
        responses=PROBLEMS,
        openapi_extra=_FILE_BODY,
    )
    async def send_file(request: Request) -> CallBackReport:
        """The same as CSV, UTF-8 or GBK, in bounded size; the first refused rows are told with their lines."""
        hotline = _hotline(desk, request)
        rows = list(rows_of(await file_text(request)))
        reports: list[RowReport] = []
        for start in range(0, len(rows), AT_ONCE):
            reports += await _take(desk, hotline, rows[start : start + AT_ONCE])
        return _report(reports, all_rows=False)


# --- rows ------------------------------------------------------------------------------------------------------


async def _take(desk: CallBackDesk, hotline: Identity, rows: Sequence[Row]) -> list[RowReport]:
    """Every row's outcome, in order. Raises `Refused` (503): what was taken by then is, when sent again, repeated."""
    reports: dict[int, RowReport] = {}
    read: dict[int, CallBack] = {}
    asked: list[tuple[int, CallBack, UUID, AnswerAsResident]] = []
    for place, cells in rows:
        said = _read(desk, place, cells)
        if isinstance(said, RowReport):
            reports[place] = said
        else:
            read[place] = said
    known = await desk.reviews.reviews_by_source_ref({said.source_ref for said in read.values()})
    for place, said in read.items():
        found = _answer_to(known.get(said.source_ref), hotline, place, said)
        if isinstance(found, RowReport):
            reports[place] = found
        else:
            asked.append((place, said, *found))
    outcomes = await desk.door.submit_all([_input(case_id, message) for _, _, case_id, message in asked])
    for (place, said, case_id, message), outcome in zip(asked, outcomes, strict=True):
        reports[place] = await _became(desk, place, said, case_id, message, outcome)
    return [reports[place] for place, _ in rows]


def _read(desk: CallBackDesk, place: int, cells: Mapping[str, object] | None) -> RowReport | CallBack:
    """What the row says, or what became of it where it says no answer."""
    if cells is None:
        return _refused(place, "", _NO_ROW)
    said = read_row(cells, desk.zone)
    if isinstance(said, Fault):
        refusal = Refusal(said.code, zh=said.zh, en=said.en, field=said.field, status=422)
        return _refused(place, said.source_ref, refusal)
    if isinstance(said, NoAnswer):
        return RowReport(place=place, source_ref=said.source_ref, became=Became.SKIPPED)
    return said


def _answer_to(
    found: tuple[UUID, Review] | None, hotline: Identity, place: int, said: CallBack
) -> RowReport | tuple[UUID, AnswerAsResident]:
    """The answer to send down the road, or what became of the row without it."""
    if found is None:
        return _refused(place, said.source_ref, _ORDER_UNKNOWN)
    case_id, review = found
    if review.case is None or review.case.source is not Source.HOTLINE_12345:
        return _refused(place, said.source_ref, _ORDER_UNKNOWN)
    before = already_there(review, said)
    if before is not None:
        return RowReport(place=place, source_ref=said.source_ref, became=Became.REPEATED, round=before.number)
    if review.round is None:
        return _refused(place, said.source_ref, refusals.NOT_HANDLED_YET)
    if is_of_the_past(review, said):
        return _refused(place, said.source_ref, _OF_AN_EARLIER_ROUND)
    return (
        case_id,
        AnswerAsResident(
            asker=Asker(actor=hotline.actor),
            contacted=was_contacted(review) if said.contacted is None else said.contacted,
            solved=said.solved,
            satisfaction=said.satisfaction,
            words=said.words,
            round=review.round.number,
        ),
    )


async def _became(
    desk: CallBackDesk, place: int, said: CallBack, case_id: UUID, message: AnswerAsResident, outcome: Outcome
) -> RowReport:
    """Refused because it is there since a moment ago (the same row twice, two pushes at once) is repeated, too."""
    if outcome.refusal is None and outcome.answer is not None:
        return RowReport(place=place, source_ref=said.source_ref, became=Became.ACCEPTED, round=message.round)
    review = await desk.reviews.review(case_id)
    before = already_there(review, said) if review is not None else None
    if before is not None:
        return RowReport(place=place, source_ref=said.source_ref, became=Became.REPEATED, round=before.number)
    return _refused(place, said.source_ref, outcome.refusal or FAILED)


def _input(case_id: UUID, message: AnswerAsResident) -> Input[Any]:
    own_id = str(uuid7())
    return Input(case_id, message, own_id, FromDoor((DoorKey("http", own_id, keep=UNKEYED_KEPT),)))


def _refused(place: int, source_ref: str, refusal: Refusal) -> RowReport:
    return RowReport(
        place=place,
        source_ref=source_ref,
        became=Became.REFUSED,
        code=refusal.code,
        field=refusal.field,
        detail=refusal.zh,
        detail_en=refusal.en,
    )


def _report(rows: Sequence[RowReport], *, all_rows: bool) -> CallBackReport:
    counted = Counter(row.became for row in rows)
    shown = rows if all_rows else [row for row in rows if row.became is Became.REFUSED][:MOST_FAULTS]
    return CallBackReport(received=len(rows), **{became.value: counted[became] for became in Became}, rows=tuple(shown))


# --- who, and every no -------------------------------------------------------------------------------------------


def _hotline(desk: CallBackDesk, request: Request) -> Identity:
    identity = desk.gatekeeper.identify(request)
    if identity.kind is not ActorKind.HOTLINE:
        raise forbidden(
            "hotline_only",
            "回访结果只由 12345 系统推送；请使用 12345 的密钥。电话回访请在哨单上登记居民评价。",
            "Call-backs are pushed by 12345's system only; use its key. An answer taken by phone goes to the case.",
        )
    return identity


def _too_many(count: int) -> Refusal:
    return Refusal(
        "too_many_rows",
        zh=f"一次最多 {MOST_ROWS} 条，收到 {count} 条，未处理任何一条；请分批推送。",
        en=f"At most {MOST_ROWS} at once, {count} came and none was taken; send them in parts.",
        field="body",
        status=422,
    )


_NO_ROW = Refusal(
    "row_unreadable",
    zh="该条不是一条完整的记录：应为 JSON 对象，或与表头列数一致的一行；请更正后重新发送。",
    en="This is no whole row: a JSON object, or a line with as many cells as the header; correct it and send it again.",
    field="row",
    status=422,
)

_ORDER_UNKNOWN = Refusal(
    "order_unknown",
    zh="没有该编号的 12345 工单，或其受理记录尚未传到；请核对工单编号，刚受理的请稍后再发。",
    en="No order of 12345 bears this number, or its record has not arrived yet; check it, or send it again shortly.",
    field="source_ref",
    status=404,
)

_OF_AN_EARLIER_ROUND = Refusal(
    "of_an_earlier_round",
    zh="回访时间早于本轮办结，属于以前轮次，不再登记；请在本轮办结后回访。",
    en="They were called before this round's work was done; an earlier round takes no answer any more. "
    "Call back on this round.",
    field="visited_at",
)
