"""成批验单评单: check and rate many cases with one request, for a system that speaks for a unit. Every row is tried."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Body as Given
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field, model_validator

from services.feedback.api import PROBLEMS, Body, CheckBody, Desk, RateBody, as_id
from services.feedback.domain import refusals
from services.feedback.domain.commands import Asker, CheckResult, RateUnit
from shared.runtime.decision import Fate, FromDoor, Input, Outcome
from shared.runtime.door import command
from shared.runtime.problems import FAILED

MOST_ROWS = 1_000
MOST_UNITS = 20


class RowBody(Body):
    """What is said of one case: 评单 of units that reported, then 验单; one of them at least."""

    case: Annotated[
        str,
        Field(description="the case's id or its number", min_length=1, max_length=64, pattern=r"^[^\s/\x00-\x1f]+$"),
    ]
    ratings: Annotated[tuple[RateBody, ...], Field(max_length=MOST_UNITS)] = ()
    check: CheckBody | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.check is None and not self.ratings:
            raise ValueError("a row holds a check, ratings, or both")
        return self


class Became(StrEnum):
    """What became of one check or rating."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"  # taken before, under the same Idempotency-Key
    REFUSED = "refused"


class Said(BaseModel):
    """One check or rating: the row it stands in (from 0), and for a refused one what is wrong and what to do."""

    place: int
    case: str
    unit: str | None = Field(description="the unit that is rated; none for the check")
    became: Became
    code: str | None = None
    field: str | None = None
    detail: str | None = None
    detail_en: str | None = None


class BatchReport(BaseModel):
    """Every check and rating counted once; in `said` in the order they came."""

    accepted: int
    repeated: int
    refused: int
    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    place: int
    case: str
    message: CheckResult | RateUnit


def add_batch_routes(app: FastAPI, desk: Desk) -> None:
    """Add `/reviews/batch`."""

    @app.post(
        "/reviews/batch", tags=["reviews"], summary="成批验单评单 · check and rate many cases", responses=PROBLEMS
    )
    async def batch(
        rows: Annotated[list[RowBody], Given(min_length=1, max_length=MOST_ROWS)], request: Request
    ) -> BatchReport:
        """Check and rate up to 1,000 cases. What is refused keeps nothing else out.

        Sent again under the same `Idempotency-Key`, what was taken is repeated and the rest is tried. A row about work
        that is not known to be done yet is refused as `not_handled_yet`: send it again.
        """
        identity = desk.gatekeeper.identify(request)
        asker = desk.asker(identity)
        asked = [one for place, row in enumerate(rows) for one in _asked(place, row, asker)]
        cases = await _cases(desk, {row.case for row in rows})
        whole = command(UUID(int=0), None, request, identity)  # its key stands for all of them
        inputs = [
            _input(whole, number, one.message, cases[one.case]) for number, one in enumerate(asked) if one.case in cases
        ]
        outcomes = iter(await desk.door.submit_all(inputs))
        return _report([_said(one, next(outcomes) if one.case in cases else _UNKNOWN) for one in asked])


def _asked(place: int, row: RowBody, asker: Asker) -> Iterator[_Asked]:
    """Ratings first: a failed check ends the round, and with it the time to rate."""
    for rating in row.ratings:
        yield _Asked(place, row.case, rating.rating(asker))
    if row.check is not None:
        yield _Asked(place, row.case, row.check.result(asker))


async def _cases(desk: Desk, names: set[str]) -> Mapping[str, UUID]:
    ids = {name: case_id for name in names if (case_id := as_id(name)) is not None}
    return ids | dict(await desk.reviews.cases_by_number(names - ids.keys()))


def _input(whole: Input[Any], number: int, message: CheckResult | RateUnit, case_id: UUID) -> Input[Any]:
    """Each has a key made from the request's and its place among them."""
    (key,) = whole.origin.keys if isinstance(whole.origin, FromDoor) else ()
    own = replace(key, id=f"{key.id} {number}")
    return replace(whole, case_id=case_id, message=message, id=f"{whole.id} {number}", origin=FromDoor((own,)))


_UNKNOWN = Outcome(Fate.REFUSED, refusal=refusals.UNKNOWN)


def _said(one: _Asked, outcome: Outcome) -> Said:
    unit = one.message.unit if isinstance(one.message, RateUnit) else None
    refusal = outcome.refusal or (FAILED if outcome.fate is Fate.FAILED else None)
    if refusal is None:
        became = Became.REPEATED if outcome.fate is Fate.REPEAT else Became.ACCEPTED
        return Said(place=one.place, case=one.case, unit=unit, became=became)
    return Said(
        place=one.place,
        case=one.case,
        unit=unit,
        became=Became.REFUSED,
        code=refusal.code,
        field=refusal.field,
        detail=refusal.zh,
        detail_en=refusal.en,
    )


def _report(said: Sequence[Said]) -> BatchReport:
    counted = Counter(one.became for one in said)
    return BatchReport(**{became.value: counted[became] for became in Became}, said=tuple(said))
