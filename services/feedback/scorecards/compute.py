"""A scorecard from the rows of PostgreSQL: a process of its own, so that the service goes on meanwhile.

Counting a year's rows keeps a processor busy for minutes; in the service's own process it would hold up every message
and every request. `python -m services.feedback.scorecards.compute ID CLAIM` reads one snapshot: the rows, how far the
logs were read and by what units are measured, all as of one moment, so the same can be made of the logs again.
"""

import gc
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from services.feedback.domain.measuring import scorecard
from services.feedback.domain.measuring.issuing import Card, Frozen
from services.feedback.domain.measuring.measures import Counting
from services.feedback.domain.measuring.periods import Period, period_named
from services.feedback.domain.measuring.scorecard import Inputs, Scorecard
from services.feedback.domain.measuring.scoring import Scoring
from services.feedback.scorecards.measured_rows import to_part, to_whole
from services.feedback.scorecards.scorecards import queries, to_card
from services.feedback.settings import FeedbackSettings
from services.feedback.setup import SCORING
from services.feedback.store import measured
from shared.contracts.topics import CASES, FEEDBACK
from shared.contracts.units import UnitTree
from shared.runtime.district import UNITS
from shared.runtime.postgres import each, is_transient, prepare, tls
from shared.runtime.postgres import queries as runtime_queries

AT_ONCE = 5_000
LEASE = timedelta(seconds=60)
"""How long a claim holds that is not renewed: a process that died is taken over after that."""
TELL_SECONDS = 1.0
MOST_ATTEMPTS = 3

Telling = Callable[[int, int], Awaitable[None]]
"""Hears how many rows of how many are counted."""


class ClaimLost(Exception):
    """Somebody else computes it, or it was asked for anew."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A computed scorecard: its bytes, what it was made from, and when."""

    period: Period
    content: bytes
    frozen: Frozen
    at: datetime


@dataclass(frozen=True, slots=True)
class InForceThen:
    """What units are measured by, with the numbers of the versions."""

    scoring: Scoring
    scoring_number: int
    units: UnitTree
    units_number: int

    def inputs(self, positions: dict[str, dict[str, int]]) -> Inputs:
        """As the scorecard names them: a version's number says which content, its label what people call it."""
        return Inputs(
            positions=positions,
            scoring=f"{self.scoring.version} #{self.scoring_number}",
            tree=f"{self.units.version} #{self.units_number}",
        )


async def compute(connection: Any, card: Card, telling: Telling, at_once: int = AT_ONCE) -> Measured:
    """The card's scorecard, within a snapshot of its own. Reads only."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        now: datetime = await runtime_queries.now(connection)
        positions = await _positions(connection)
        standards = await _standards(connection)
        period = period_named(card.rhythm, card.period, standards.scoring)
        counting = await count(connection, period, telling, at_once)
        before = await queries.published_before(connection, rhythm=card.rhythm, ends_at=period.start)
    former = None if before is None else scorecard.read(before["content"])
    made = make(counting, standards, positions, card.edition, former)
    frozen = Frozen(
        positions=positions,
        scoring=standards.scoring_number,
        units=standards.units_number,
        former=None if before is None else before["id"],
        former_hash=None if before is None else before["hash"],
    )
    return Measured(period, scorecard.content(made), frozen, now)


def make(
    counting: Counting,
    standards: InForceThen,
    positions: dict[str, dict[str, int]],
    edition: int,
    former: Scorecard | None,
) -> Scorecard:
    """The scorecard of what was counted; the same whether it was counted from rows or from the logs."""
    inputs = standards.inputs(positions)
    return scorecard.compute(counting, standards.scoring, standards.units, inputs, edition=edition, former=former)


async def count(connection: Any, period: Period, telling: Telling, at_once: int = AT_ONCE) -> Counting:
    """Count a period's rows through cursors, a batch at a time."""
    bounds = {"starts_at": period.start, "ends_at": period.end}
    there = await measured.measured_in(connection, **bounds)
    counting, done, total = Counting(period), 0, there["parts"] + there["wholes"]

    async def each_batch(query: Any, add: Callable[[list[Any]], None]) -> None:
        nonlocal done
        cursor = await connection.cursor(query.sql, period.start, period.end)
        while rows := await cursor.fetch(at_once):
            add(rows)
            done += len(rows)
            await telling(done, total)

    await each_batch(measured.parts_in, lambda rows: counting.add_parts(map(to_part, rows)))
    await each_batch(measured.wholes_in, lambda rows: counting.add_wholes(map(to_whole, rows)))
    return counting


async def _positions(connection: Any) -> dict[str, dict[str, int]]:
    """How far the logs were read, by log and shard: what the rows of this snapshot are made from."""
    cases = {str(row["shard"]): row["sequence"] async for row in each(queries.consumed(connection, log=CASES))}
    own = {str(row["shard"]): row["sequence"] async for row in each(queries.heads(connection))}
    return {CASES: cases, FEEDBACK: own}


async def _standards(connection: Any) -> InForceThen:
    found = {
        row["kind"]: (row["number"], row["content"])
        async for row in each(queries.standards(connection, kinds=[SCORING.name, UNITS.name]))
    }
    (scoring_number, scoring), (units_number, units) = found[SCORING.name], found[UNITS.name]
    return InForceThen(SCORING.read(scoring), scoring_number, UNITS.read(units), units_number)


# --- the process --------------------------------------------------------------------------------------------------


async def compute_claimed(reading: Any, writing: Any, card_id: int, claim: UUID) -> None:
    """Compute a claimed scorecard and keep it, telling how far it is. Raises `ClaimLost`."""
    told = 0.0

    async def tell(done: int, total: int) -> None:
        nonlocal told
        if done < total and time.monotonic() - told < TELL_SECONDS:
            return
        told = time.monotonic()
        if await queries.renew(writing, id=card_id, claim=claim, lease=LEASE, done=done, total=total) is None:
            raise ClaimLost(f"scorecard {card_id}")

    card = to_card(await queries.scorecard(writing, id=card_id))
    await tell(0, 1)
    made = await compute(reading, card, tell)
    saved = await queries.save_computed(
        writing,
        id=card_id,
        claim=claim,
        starts_at=made.period.start,
        ends_at=made.period.end,
        content=made.content,
        hash=scorecard.content_hash(made.content),
        inputs=made.frozen.model_dump(mode="json"),
        computed_at=made.at,
    )
    if saved is None:
        raise ClaimLost(f"scorecard {card_id}")


async def connect(url: str, settings: FeedbackSettings) -> Any:
    connection = await asyncpg.connect(
        url, ssl=tls(settings.postgres_ca_file), timeout=5, command_timeout=120, server_settings={"jit": "off"}
    )
    await prepare(connection)
    return connection


async def main(card_id: int, claim: UUID) -> int:
    """0: computed, or not ours any more. 1: it failed; the scorecard says why, or it is tried again."""
    settings = FeedbackSettings()
    url = settings.postgres_url.get_secret_value()
    reading = await connect(url, settings)
    writing = await connect(url, settings)
    try:
        await compute_claimed(reading, writing, card_id, claim)
    except ClaimLost:
        return 0
    except Exception as error:
        if not is_transient(error):
            await queries.give_up(writing, id=card_id, claim=claim, failure=repr(error)[:500])
        raise
    finally:
        await reading.close()
        await writing.close()
    return 0


if __name__ == "__main__":
    # Millions of rows come and go, none in a cycle: looking for cycles would take a fifth of the time.
    gc.disable()
    sys.exit(uvloop.run(main(int(sys.argv[1]), UUID(sys.argv[2]))))
