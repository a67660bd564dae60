"""What the doors take and give, as JSON."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from services.intake.domain.particulars import (
    Explanation,
    Flag,
    Name,
    Note,
    Particulars,
    PersonName,
    Reference,
    category_of,
    levels_of,
)
from services.intake.domain.whistle import Whistle, WhistleStage
from shared.contracts.vocabulary import AppealType, DeclineReason, Source, Urgency

Category = Annotated[tuple[Name, ...], Field(max_length=3), BeforeValidator(levels_of), category_of(3)]
RegionCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{2,32}$")]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\+?[0-9][0-9 ()-]{2,30}(转[0-9]{1,6})?$")]

_EXAMPLE: JsonDict = {
    "title": "湖畔小区3号楼水管爆裂",
    "content": "今早六点起3号楼门前主管道漏水，地下室已经进水，请尽快派人抢修。",
    "appeal_type": "help",
    "urgency": "urgent",
    "category": ["供水", "管道漏损"],
    "region": "110199001001",
    "address": "湖畔路12号湖畔小区3号楼",
    "longitude": 116.4231,
    "latitude": 39.9312,
    "occurred_at": "2026-11-02T06:05:00+08:00",
    "reporter": {"name": "王女士", "phone": "13800000000"},
}


class Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReporterBody(Body):
    """Who reported: kept enciphered at intake, in no event and on no topic."""

    name: PersonName = ""
    phone: Phone | None = None

    @model_validator(mode="after")
    def _somebody(self) -> "ReporterBody":
        if not self.name and not self.phone:
            raise PydanticCustomError(
                "nobody",
                "give a name or a phone, or leave the reporter out",
                {"zh": "请填写姓名或电话，或不填 reporter"},
            )
        return self


class WhistleBody(Particulars):
    """吹哨: a whistle blown by a community, compound, grid, building, street or the hub."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    category: Category = Field(default=(), description="1–3 levels from the top, or one code of the catalogue")
    region: RegionCode = Field(description="code of the community (or street, compound, grid) where it happened")
    reporter: ReporterBody | None = None
    self_handled: Flag = Field(default=False, description="社区自办: the community handles it itself")
    source: Source | None = Field(default=None, description="where it comes from; the unit's own kind if left out")
    source_ref: Reference | None = Field(default=None, description="that source's own number: known once, for ever")


class OrderBody(Particulars):
    """居民点单: a resident's order; its community verifies it before it is a whistle."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    category: Category = Field(default=(), description="1–3 levels from the top, or one code of the catalogue")
    region: RegionCode = Field(description="code of the resident's community (or compound, grid in it)")
    reporter: ReporterBody | None = None


class VerifyBody(Body):
    """核实: what the community found; `urgency` and `category` replace the resident's where given."""

    note: Note = ""
    urgency: Urgency | None = None
    category: Category | None = None
    self_handled: Flag = False


class DeclineBody(Body):
    """不予受理: the reason, and the words the resident will read."""

    reason: DeclineReason
    explanation: Explanation


class Receipt(BaseModel):
    """What was made of a whistle or an order. `repeat`: it was known, this is its original."""

    case_id: UUID
    number: str = Field(examples=["HA20261102000017"])
    stage: WhistleStage
    repeat: bool = False


class WhistleView(BaseModel):
    """A whistle as intake knows it. Whether a reporter is known, never who."""

    case_id: UUID
    number: str
    stage: WhistleStage
    source: Source
    source_ref: str | None
    region: str
    whistle_blower: str
    title: str
    content: str
    appeal_type: AppealType
    urgency: Urgency
    category: tuple[str, ...]
    address: str
    longitude: float | None
    latitude: float | None
    occurred_at: datetime | None
    received_at: datetime
    respondent: str | None
    confidential: bool
    reporter_known: bool
    self_handled: bool
    needs_verification: bool
    decided_at: datetime | None
    decided_by: str | None
    note: str
    declined_for: DeclineReason | None


class Page(BaseModel):
    """A page of a list; the `Link` header leads to the next."""

    orders: list[WhistleView]


class OrderReceipt(Receipt):
    """One order of a push that was taken in."""

    source_ref: str


class Rejection(BaseModel):
    """One order that could not be taken: where it stands, the field at fault, why and what to do."""

    line: int | None = Field(default=None, description="CSV: the line its row begins on, the header being line 1")
    index: int | None = Field(default=None, description="JSON: its place in the list, from 0")
    field: str = Field(description="the field as its sender calls it; `row` where the row itself is malformed")
    value: str = Field(description="what was found, shortened; empty for names and phones")
    why_zh: str
    why_en: str


class PushReport(BaseModel):
    """What became of a list of orders; every order is taken or rejected on its own."""

    format: str | None
    accepted: int
    repeats: int
    rejected: list[Rejection]
    orders: list[OrderReceipt]


class FileReport(BaseModel):
    """What became of a file. `rejected` lists the first thousand, the counts are of all."""

    format: str
    encoding: str
    rows: int
    accepted: int
    repeats: int
    rejected_count: int
    rejected_by_field: dict[str, int]
    rejected: list[Rejection]


def view_of(whistle: Whistle) -> WhistleView:
    matter = whistle.matter
    return WhistleView(
        case_id=whistle.case_id,
        number=matter.number,
        stage=whistle.stage,
        source=matter.source,
        source_ref=matter.source_ref,
        region=matter.region,
        whistle_blower=matter.whistle_blower,
        title=matter.title,
        content=matter.content,
        appeal_type=matter.appeal_type,
        urgency=matter.urgency,
        category=matter.category,
        address=matter.address,
        longitude=matter.longitude,
        latitude=matter.latitude,
        occurred_at=matter.occurred_at,
        received_at=matter.received_at,
        respondent=matter.respondent,
        confidential=matter.confidential,
        reporter_known=whistle.reporter is not None,
        self_handled=whistle.self_handled,
        needs_verification=whistle.needs_verification,
        decided_at=whistle.decided_at,
        decided_by=whistle.decided_by.unit if whistle.decided_by else None,
        note=whistle.note,
        declined_for=whistle.declined_for,
    )
