"""Scorecards and appeals in PostgreSQL: asked for, published, disputed. What may be done is decided in `issuing`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

import aiosql
import asyncpg

from services.feedback.domain.measuring import issuing
from services.feedback.domain.measuring.issuing import Appeal, Card, Ruling, Status
from services.feedback.domain.measuring.part import Part
from services.feedback.domain.measuring.periods import Period
from services.feedback.domain.measuring.scoring import Rhythm, Scoring
from services.feedback.scorecards.measured_rows import to_part
from services.feedback.store import measured
from shared.contracts.facts import Actor
from shared.contracts.vocabulary import Measure
from shared.runtime.decision import Refusal
from shared.runtime.postgres import each
from shared.runtime.postgres import queries as runtime_queries
from shared.runtime.problems import Refused

T = TypeVar("T")

queries: Any = aiosql.from_path(
    Path(__file__).parents[1] / "sql" / "scorecards.sql", "asyncpg", mandatory_parameters=False
)

NEWEST = 2**62
_FIRST_CASE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Which:
    """Which scorecards are listed; None = whichever."""

    rhythm: Rhythm | None = None
    period: str | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class PartPlace:
    """A place among a unit's parts."""

    case_id: UUID = _FIRST_CASE
    round: int = 0


class Scorecards(Protocol):
    """Keeps scorecards and appeals. What is not allowed raises `Refused`, and changes nothing."""

    async def now(self) -> datetime: ...

    async def page(self, which: Which, before: int, most: int) -> list[Card]:
        """Newest first, before an id."""
        ...

    async def card(self, card_id: int) -> Card | None: ...

    async def content(self, card_id: int) -> bytes | None:
        """The exact bytes; None while it is not computed."""
        ...

    async def ask(self, period: Period, by: Actor) -> Card:
        """Ask for a period's scorecard; the same once more while it is not published, else a new edition."""
        ...

    async def publish(self, card_id: int, scoring: Scoring, by: Actor) -> Card: ...

    async def appeal(
        self, card_id: int, unit: str, measure: Measure, figures: frozenset[Measure] | None, reason: str, by: Actor
    ) -> Appeal:
        """`figures`: that measure where the scorecard has it of the unit, empty where it is —, None without a unit."""
        ...

    async def appeals(
        self, unit: str | None, scorecard: int | None, open_only: bool, before: int, most: int
    ) -> list[Appeal]:
        """Newest first, before a number."""
        ...

    async def appeal_of(self, number: int) -> Appeal | None: ...

    async def rule(self, number: int, ruling: Ruling, by: Actor) -> Appeal: ...

    async def parts(self, unit: str, starts_at: datetime, ends_at: datetime, after: PartPlace, most: int) -> list[Part]:
        """A unit's parts that may count in a period, as they stand now, after a place."""
        ...


class PostgresScorecards:
    """`Scorecards` over the service's own schema."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def now(self) -> datetime:
        async with self._connection() as connection:
            now: datetime = await runtime_queries.now(connection)
            return now

    async def page(self, which: Which, before: int, most: int) -> list[Card]:
        async with self._connection() as connection:
            rows = queries.scorecards(
                connection, rhythm=which.rhythm, period=which.period, status=which.status, before=before, most=most
            )
            return [to_card(row) async for row in each(rows)]

    async def card(self, card_id: int) -> Card | None:
        async with self._connection() as connection:
            row = await queries.scorecard(connection, id=card_id)
        return None if row is None else to_card(row)

    async def content(self, card_id: int) -> bytes | None:
        async with self._connection() as connection:
            content: bytes | None = await queries.content(connection, id=card_id)
            return content

    async def ask(self, period: Period, by: Actor) -> Card:
        async with self._connection() as connection, connection.transaction():
            row = await queries.latest(connection, rhythm=period.rhythm, period=period.name)
            latest = None if row is None else to_card(row)
            upheld = latest is not None and await queries.was_upheld(connection, scorecard=latest.id)
            now = await runtime_queries.now(connection)
            edition = allowed(issuing.edition_to_ask(latest, upheld, period, now))
            if latest is not None and edition == latest.edition:
                if latest.status is not Status.ASKED:
                    await queries.ask_again(connection, id=latest.id, asked_by=said(by))
                return to_card(await queries.scorecard(connection, id=latest.id))
            number = await queries.add(
                connection,
                rhythm=period.rhythm,
                period=period.name,
                starts_at=period.start,
                ends_at=period.end,
                edition=edition,
                asked_by=said(by),
            )
            if number is not None:
                return to_card(await queries.scorecard(connection, id=number))
        # Somebody else asked for the same in this very moment; theirs stands.
        async with self._connection() as connection:
            rows = queries.scorecards(
                connection, rhythm=period.rhythm, period=period.name, status=None, before=NEWEST, most=1
            )
            (theirs,) = [to_card(row) async for row in each(rows)]
            return theirs

    async def publish(self, card_id: int, scoring: Scoring, by: Actor) -> Card:
        async with self._connection() as connection, connection.transaction():
            row = await queries.locked(connection, id=card_id)
            if row is None:
                raise Refused(unknown(card_id))
            card = to_card(row)
            refusal = issuing.may_publish(card, scoring, await runtime_queries.now(connection))
            if refusal is not None:
                raise Refused(refusal)
            await queries.publish(connection, id=card_id, published_by=said(by))
            return to_card(await queries.scorecard(connection, id=card_id))

    async def appeal(
        self, card_id: int, unit: str, measure: Measure, figures: frozenset[Measure] | None, reason: str, by: Actor
    ) -> Appeal:
        async with self._connection() as connection, connection.transaction():
            row = await queries.scorecard(connection, id=card_id)
            if row is None:
                raise Refused(unknown(card_id))
            card = to_card(row)
            latest = to_card(await queries.latest(connection, rhythm=card.rhythm, period=card.period))
            rows = queries.appeals(
                connection, unit=unit, scorecard=card_id, open_only=False, before=NEWEST, most=len(Measure)
            )
            before = [to_appeal(one) async for one in each(rows) if one["measure"] == measure]
            refusal = issuing.may_appeal(card, latest, figures, before)
            if refusal is not None:
                raise Refused(refusal)
            number = await queries.add_appeal(
                connection, scorecard=card_id, unit=unit, measure=measure, reason=reason, asked_by=said(by)
            )
            return to_appeal(await queries.appeal(connection, number=number))

    async def appeals(
        self, unit: str | None, scorecard: int | None, open_only: bool, before: int, most: int
    ) -> list[Appeal]:
        async with self._connection() as connection:
            rows = queries.appeals(
                connection, unit=unit, scorecard=scorecard, open_only=open_only, before=before, most=most
            )
            return [to_appeal(row) async for row in each(rows)]

    async def appeal_of(self, number: int) -> Appeal | None:
        async with self._connection() as connection:
            row = await queries.appeal(connection, number=number)
        return None if row is None else to_appeal(row)

    async def rule(self, number: int, ruling: Ruling, by: Actor) -> Appeal:
        async with self._connection() as connection, connection.transaction():
            row = await queries.locked_appeal(connection, number=number)
            if row is None:
                raise Refused(appeal_unknown(number))
            refusal = issuing.may_rule(to_appeal(row), ruling, by)
            if refusal is not None:
                raise Refused(refusal)
            await queries.rule(
                connection,
                number=number,
                upheld=ruling.upheld,
                ruling=ruling.reason,
                remedy=ruling.remedy,
                exclusion=ruling.exclusion,
                ruled_by=said(by),
            )
            return to_appeal(await queries.appeal(connection, number=number))

    async def parts(self, unit: str, starts_at: datetime, ends_at: datetime, after: PartPlace, most: int) -> list[Part]:
        async with self._connection() as connection:
            rows = measured.parts_behind(
                connection,
                unit=unit,
                starts_at=starts_at,
                ends_at=ends_at,
                after_case=after.case_id,
                after_round=after.round,
                most=most,
            )
            return [to_part(row) async for row in each(rows)]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        async with self._pool.acquire(timeout=5) as connection:
            yield connection


# --- rows and values ----------------------------------------------------------------------------------------------


def to_card(row: Any) -> Card:
    return Card.model_validate(dict(row))


def to_appeal(row: Any) -> Appeal:
    return Appeal.model_validate(dict(row))


def said(by: Actor) -> dict[str, Any]:
    return by.model_dump(mode="json")


def allowed(decided: T | Refusal) -> T:
    """What was decided. Raises `Refused` where that was a no."""
    if isinstance(decided, Refusal):
        raise Refused(decided)
    return decided


def unknown(card_id: int) -> Refusal:
    return Refusal(
        "scorecard_unknown",
        zh=f"没有编号为 {card_id} 的考核表，或尚未发布；请在 GET /scorecards 查看全部。",
        en=f"There is no scorecard {card_id}, or it is not published yet; GET /scorecards lists them all.",
        field="id",
        status=404,
    )


def appeal_unknown(number: int) -> Refusal:
    return Refusal(
        "appeal_unknown",
        zh=f"没有第 {number} 号申诉；请在 GET /appeals 查看全部。",
        en=f"There is no appeal {number}; GET /appeals lists them all.",
        field="number",
        status=404,
    )


def following_place(parts: Sequence[Part]) -> PartPlace:
    return PartPlace(parts[-1].case_id, parts[-1].round)
