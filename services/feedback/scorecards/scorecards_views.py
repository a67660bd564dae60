"""What the HTTP door shows of scorecards and appeals."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from services.feedback.domain.measuring.issuing import Appeal, Card, Remedy, Status
from services.feedback.domain.measuring.part import Part
from services.feedback.domain.measuring.scoring import Rhythm
from shared.contracts.vocabulary import Measure


class CardView(BaseModel):
    """A scorecard without its content."""

    id: int
    rhythm: Rhythm
    period: str
    starts_at: datetime
    ends_at: datetime
    edition: int
    status: Status
    asked_by: str = Field(description="clock (by schedule), or the unit or person")
    asked_at: datetime
    done: int = Field(description="rows counted so far, while it is computed")
    total: int
    failure: str | None
    hash: str | None = Field(description="SHA-256 of the content, in hex")
    inputs: dict[str, Any] | None = Field(description="positions of the logs by shard, and versions by their number")
    computed_at: datetime | None
    published_by: str | None
    published_at: datetime | None

    @classmethod
    def of(cls, card: Card) -> "CardView":
        by = card.published_by
        return cls(
            id=card.id,
            rhythm=card.rhythm,
            period=card.period,
            starts_at=card.starts_at,
            ends_at=card.ends_at,
            edition=card.edition,
            status=card.status,
            asked_by=card.asked_by.unit or card.asked_by.kind.value,
            asked_at=card.asked_at,
            done=card.done,
            total=card.total,
            failure=card.failure,
            hash=card.hash,
            inputs=card.inputs.model_dump(mode="json") if card.inputs is not None else None,
            computed_at=card.computed_at,
            published_by=None if by is None else by.unit or by.kind.value,
            published_at=card.published_at,
        )


class WholeCardView(CardView):
    content: dict[str, Any] | None


class CardPage(BaseModel):
    """A page of scorecards; `next` is `before` of the page after it, null on the last one."""

    scorecards: list[CardView]
    next: int | None


class CaseBehind(BaseModel):
    """One unit's part in one round of a case that counts in a figure."""

    number: str
    case: UUID
    round: int
    lead: bool
    pulls_down: bool
    excluded: list[Measure]

    @classmethod
    def of(cls, part: Part, pulls_down: bool) -> "CaseBehind":
        return cls(
            number=part.number,
            case=UUID(int=part.case_id.int),
            round=part.round,
            lead=part.lead,
            pulls_down=pulls_down,
            excluded=sorted(part.excluded),
        )


class CasesPage(BaseModel):
    """The cases behind a figure; `figure` is the adjusted one of the scorecard, null = —. `next` may follow none."""

    unit: str
    measure: Measure
    figure: str | None
    cases: list[CaseBehind]
    next: str | None


class AppealView(BaseModel):
    number: int
    scorecard: int
    unit: str
    measure: Measure
    reason: str
    asked_at: datetime
    upheld: bool | None = Field(description="null while it is not ruled on")
    ruling: str | None
    remedy: Remedy | None
    exclusion: UUID | None
    ruled_by: str | None
    ruled_at: datetime | None

    @classmethod
    def of(cls, appeal: Appeal) -> "AppealView":
        return cls(
            **appeal.model_dump(exclude={"asked_by", "ruled_by"}),
            ruled_by=appeal.ruled_by.unit if appeal.ruled_by is not None else None,
        )


class AppealPage(BaseModel):
    """A page of appeals; `next` is `before` of the page after it, null on the last one."""

    appeals: list[AppealView]
    next: int | None
