"""The client's own ledger of what was acknowledged: JSON lines, written by whoever blew the whistles.

`{"at", "door", "source", "source_ref", "idempotency_key", "case_id", "number", "status"}`, where `status` is
`accepted`, `repeat` (the door said it knew it already) or `unknown` (no answer came: it may exist or not).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deploy.check.scratch import Acknowledged

Text = Annotated[str, Field(min_length=1)]


class LedgerUnreadable(ValueError):
    """The ledger cannot be used; the message says which line and why."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Literal["accepted", "repeat", "unknown"]
    case_id: UUID | None = None
    number: Text | None = None
    source: str | None = None
    source_ref: Text | None = None
    door: str | None = None
    idempotency_key: Text | None = None

    @model_validator(mode="after")
    def _names_its_case(self) -> "_Line":
        if self.status != "unknown" and self.case_id is None:
            raise ValueError(f"{self.status} without a case_id")
        return self


def read_ledger(path: Path) -> Iterator[Acknowledged]:
    """Line by line. A last line that its writer did not finish is passed over."""
    with path.open("rb") as ledger:
        for place, written in enumerate(ledger, start=1):
            if not written.strip():
                continue
            try:
                line = _Line.model_validate_json(written)
            except ValidationError as error:
                if not written.endswith(b"\n"):
                    return
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                raise LedgerUnreadable(f"{path}, line {place}: {where or 'line'}: {first['msg']}") from error
            yield Acknowledged(
                place,
                line.status,
                line.case_id.bytes if line.case_id else None,
                line.number,
                line.source or "",
                line.source_ref,
                line.door or "",
                line.idempotency_key,
            )
