"""考核日程: asks for the scorecards that are due, has what was asked for computed, publishes what publishes itself.

A task of every process of the service. What it does is safe to do twice: a period is asked for once (a unique key),
computed under a claim that one process holds, and published once. The database's clock decides.
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import structlog

from services.feedback.domain.measuring import issuing
from services.feedback.domain.measuring.issuing import Card
from services.feedback.domain.measuring.periods import Period, period_named
from services.feedback.domain.measuring.scoring import Rhythm, Scoring
from services.feedback.domain.standards import Standards
from services.feedback.scorecards import compute
from services.feedback.scorecards.scorecards import PostgresScorecards, queries, to_card
from shared.contracts.facts import Actor
from shared.contracts.vocabulary import ActorKind
from shared.runtime.consumer import is_behind
from shared.runtime.district import NothingInForce
from shared.runtime.postgres import STORE_FAULTS, each
from shared.runtime.postgres import queries as runtime_queries
from shared.runtime.problems import Refused
from shared.runtime.running import Running

logger = structlog.get_logger(__name__)

CLOCK = Actor(kind=ActorKind.CLOCK)
LOOK_SECONDS = 20.0

Computing = Callable[[int, UUID], Awaitable[None]]
"""Has a claimed scorecard computed, and returns when that is over, one way or another."""


class Schedule:
    """`wake` has it look at once; otherwise it looks every `LOOK_SECONDS`."""

    def __init__(self, standards: Callable[[], Standards], computing: Computing | None = None) -> None:
        self._standards = standards
        self._computing = computing or in_a_process
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self, running: Running[Any]) -> None:
        """For as long as the service lives."""
        while True:
            self._woken.clear()
            try:
                await self.look(running.pool, is_behind(running.consumer))
            except NothingInForce:
                logger.info("nothing in force yet to measure by")
            except STORE_FAULTS as error:
                logger.warning("the scorecards could not be looked at; they will be again", error=repr(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()

    async def look(self, pool: asyncpg.Pool, behind: bool) -> None:
        """Once: ask for what is due, compute all that was asked for, publish what publishes itself.

        While the consumer is behind nothing is asked for by itself; what people ask for is computed from what is there.
        """
        scoring = self._standards().scoring
        if not behind:
            await ask_for_what_is_due(pool, scoring)
        while await self._compute_next(pool):
            pass
        await publish_what_publishes_itself(pool, scoring)

    async def _compute_next(self, pool: asyncpg.Pool) -> bool:
        claim = uuid4()
        async with pool.acquire(timeout=5) as connection:
            card_id: int | None = await queries.claim(connection, claim=claim, lease=compute.LEASE)
            if card_id is None:
                return False
            attempts = await queries.renew(connection, id=card_id, claim=claim, lease=compute.LEASE, done=0, total=0)
            if attempts is not None and attempts > compute.MOST_ATTEMPTS:
                failure = f"the process that computes it died {attempts - 1} times; see the service's log"
                await queries.give_up(connection, id=card_id, claim=claim, failure=failure)
                return True
        logger.info("computing a scorecard", scorecard=card_id)
        await self._computing(card_id, claim)
        return True


async def ask_for_what_is_due(pool: asyncpg.Pool, scoring: Scoring) -> None:
    """Each rhythm's ended and settled periods, once; so many back as `issuing.LOOK_BACK` says. What people had computed
    before it had settled, once more.
    """
    cards = PostgresScorecards(pool)
    async with pool.acquire(timeout=5) as connection:
        now = await runtime_queries.now(connection)
        since = await queries.began_measuring(connection)
        if since is None:
            return
        found: list[Period] = []
        for rhythm in Rhythm:
            known = {
                row["period"] async for row in each(queries.known_periods(connection, rhythm=rhythm, ends_from=since))
            }
            found += issuing.due(rhythm, now, scoring, known, since)
        found += [
            period_named(card.rhythm, card.period, scoring)
            for card in await _unpublished(connection)
            if issuing.was_early(card, scoring, now)
        ]
    for period in found:
        with contextlib.suppress(Refused):
            card = await cards.ask(period, CLOCK)
            logger.info("a scorecard is due", scorecard=card.id, rhythm=period.rhythm.value, period=period.name)


async def publish_what_publishes_itself(pool: asyncpg.Pool, scoring: Scoring) -> None:
    """What was computed once it had settled, where its rhythm publishes itself."""
    cards = PostgresScorecards(pool)
    async with pool.acquire(timeout=5) as connection:
        now = await runtime_queries.now(connection)
        waiting = await _unpublished(connection)
    for card in waiting:
        if not issuing.is_automatic(card.rhythm, scoring) or issuing.may_publish(card, scoring, now) is not None:
            continue
        try:
            await cards.publish(card.id, scoring, CLOCK)
        except Refused as refused:
            logger.info("a scorecard is not published by itself", scorecard=card.id, reason=refused.refusal.code)


async def _unpublished(connection: Any) -> list[Card]:
    return [to_card(row) async for row in each(queries.unpublished(connection))]


async def in_a_process(card_id: int, claim: UUID) -> None:
    """A process of its own; it is ended with this one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.feedback.scorecards.compute",
        str(card_id),
        str(claim),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode:
        logger.warning("a scorecard was not computed", scorecard=card_id, error=said.decode(errors="replace")[-2000:])
