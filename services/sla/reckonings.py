"""重算: goes through everything that runs, first to say what would change, then to change it.

A page of a shard's cases is one transaction down the road: what is stated, what the deadlines are then, and how far the
shard is, are committed together, so a process that dies goes on where it was and nothing is stated twice.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql
import asyncpg
import structlog
from uuid_utils import uuid7

from services.sla.agenda import Agenda
from services.sla.domain.clock_state import ClockState
from services.sla.domain.reckoning import Reckoning, is_in_force, reckon, version_in_force
from services.sla.domain.reckoning_tally import Effect, Tally
from services.sla.domain.rules import Rules
from services.sla.store import ClockStates
from shared.contracts.facts import Actor
from shared.contracts.topics import SHARDS
from shared.contracts.vocabulary import ActorKind, LimitCause
from shared.runtime.decision import FromTimer, Input
from shared.runtime.district import Setup
from shared.runtime.postgres import STORE_FAULTS, PostgresTransaction, each
from shared.runtime.postgres import queries as runtime_queries
from shared.runtime.road import OUR_OWN
from shared.runtime.running import Running

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
MOST_AT_ONCE = 25
"""Cases of one transaction: a shard's timer waits for it."""
PREVIEW_PAGE = 100
CLOCK = Actor(kind=ActorKind.CLOCK)
BY_ITSELF = "新发布的年度节假日安排已生效，暂定期限据此重算 A newly published year came into force"

queries: Any = aiosql.from_path(Path(__file__).parent / "sql" / "reckonings.sql", "asyncpg", mandatory_parameters=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is not finished, and the shards that are left of it."""

    reckoning: Reckoning
    shards: tuple[int, ...]


class AlreadyRunning(Exception):
    """Another request of the same kind is not finished yet."""


# --- asking -------------------------------------------------------------------------------------------------------


async def ask(connection: Any, kind: LimitCause, version: str, lengthen: bool, actor: Actor, note: str) -> int:
    """Within a transaction: ask for a reckoning; its number. Raises `AlreadyRunning`."""
    total = await queries.count_open(connection, provisional_only=False)
    try:
        async with connection.transaction():
            number: int = await queries.add(
                connection,
                kind=kind.value,
                version=version,
                lengthen=lengthen,
                provisional_only=False,
                asked_by=actor.model_dump(mode="json"),
                note=note,
                total=total,
            )
    except asyncpg.UniqueViolationError as error:
        raise AlreadyRunning from error
    await queries.add_shards(connection, id=number, shards=list(range(SHARDS)))
    return number


async def shown(connection: Any, number: int | None = None, before: int = 2**62, most: int = 1) -> list[dict[str, Any]]:
    """Requests with how far they are, newest first: the one of that number, or a page."""
    return [dict(one) async for one in each(queries.shown(connection, id=number, before=before, most=most))]


# --- looking ------------------------------------------------------------------------------------------------------


async def preview(pool: asyncpg.Pool, asked: Reckoning, rules: Rules) -> Tally:
    """What it would change now. Reads a page after another, and changes nothing."""
    tally = Tally()
    async with pool.acquire(timeout=5) as connection:
        now: datetime = await runtime_queries.now(connection)
    for shard in range(SHARDS):
        async for states in _pages(pool, shard, asked):
            await asyncio.to_thread(_count, tally, states, asked, now, rules)
    return tally


def _count(
    tally: Tally, states: Mapping[UUID, ClockState | None], asked: Reckoning, now: datetime, rules: Rules
) -> None:
    for case_id, state in states.items():
        _reckoned(tally, case_id, state, asked, now, rules)


async def _pages(pool: asyncpg.Pool, shard: int, asked: Reckoning) -> AsyncIterator[dict[UUID, ClockState | None]]:
    after: UUID | None = None
    while True:
        async with pool.acquire(timeout=5) as connection, connection.transaction(readonly=True):
            cases = await _open_cases(connection, shard, asked, after, PREVIEW_PAGE)
            states = await _load(PostgresTransaction(connection, ""), cases)
        if not cases:
            return
        yield states
        after = cases[-1]


async def _open_cases(connection: Any, shard: int, asked: Reckoning, after: UUID | None, most: int) -> list[UUID]:
    found = queries.open_cases(
        connection, shard=shard, provisional_only=asked.provisional_only, after_case=after, most=most
    )
    return [record["case_id"] async for record in each(found)]


async def _load(transaction: PostgresTransaction, cases: Collection[UUID]) -> dict[UUID, ClockState | None]:
    """In the cases' order."""
    states = await ClockStates(Agenda()).load(transaction, cases)
    return {case_id: states[case_id].state for case_id in cases if case_id in states}


def _reckoned(
    tally: Tally, case_id: UUID, state: ClockState | None, asked: Reckoning, now: datetime, rules: Rules
) -> bool:
    """Count what becomes of a case; whether anything does. A case that fails is left as it is, and counted."""
    if state is None:
        return False
    try:
        after, changed = reckon(state, asked, now, rules)
    except Exception:
        logger.exception("a case could not be reckoned", case_id=str(case_id), reckoning=asked.id)
        tally.failed += 1
        return False
    tally.add(case_id, changed)
    return after is not state


# --- doing --------------------------------------------------------------------------------------------------------


async def reckon_what_was_asked(setup: Setup, given: Callable[[], Rules], running: Running[ClockState]) -> None:
    """Go through what was asked for, in the shards that this process relays; for as long as it lives."""
    sweep = Sweep(setup, given, running)
    while True:
        more = False
        try:
            more = await sweep.turn()
            if not more:
                await sweep.ask_by_itself()
        except STORE_FAULTS as error:
            logger.warning("a reckoning could not go on; it will again", error=repr(error))
        if not more:
            await asyncio.sleep(LOOK_SECONDS)


class Sweep:
    def __init__(self, setup: Setup, given: Callable[[], Rules], running: Running[ClockState]) -> None:
        self._setup = setup
        self._given = given
        self._running = running
        self._looked_at: str | None = None
        self._most = MOST_AT_ONCE

    async def turn(self) -> bool:
        """One page of each shard that is left and ours; whether there may be more."""
        more = False
        for asked in await self._unfinished():
            for shard in asked.shards:
                if self._running.relay.holds(shard):
                    more = await self._page(asked.reckoning, shard) or more
        async with self._running.pool.acquire(timeout=5) as connection:
            await queries.finish(connection)
        return more

    async def ask_by_itself(self) -> None:
        """Ask for what is provisional, once for each version of the calendars that publishes a year it rests on."""
        if self._setup.missing():
            return
        rules = self._given()
        version = rules.calendars.version
        if version == self._looked_at:
            return
        async with self._running.pool.acquire(timeout=5) as connection:
            found = [
                (record["unit"], record["day"])
                async for record in each(queries.provisional_days(connection, version=version))
            ]
            if not _any_is_published(found, rules) or await queries.was_made_by_itself(connection, version=version):
                self._looked_at = version
                return
            async with connection.transaction():
                number = await queries.add_by_itself(
                    connection,
                    version=version,
                    asked_by=CLOCK.model_dump(mode="json"),
                    note=BY_ITSELF,
                    total=await queries.count_open(connection, provisional_only=True),
                )
                if number is not None:
                    await queries.add_shards(connection, id=number, shards=list(range(SHARDS)))
                    logger.info("provisional deadlines are reckoned", reckoning=number, calendar=version)

    async def _unfinished(self) -> list[Asked]:
        async with self._running.pool.acquire(timeout=5) as connection:
            return [_asked(record) async for record in each(queries.running(connection))]

    async def _page(self, asked: Reckoning, shard: int) -> bool:
        """The next cases of a shard down the road; False when none is left."""
        found = False

        async def find(transaction: PostgresTransaction, now: datetime) -> Sequence[Input[Reckoning]]:
            nonlocal found
            cases = await self._next_cases(transaction, asked, shard)
            found = bool(cases)
            if not cases:
                return ()
            states, tally, rules = await _load(transaction, cases), Tally(), self._given()
            moving = [one for one in cases if _reckoned(tally, one, states.get(one), asked, now, rules)]
            await _move(transaction.connection, asked, shard, cases, tally)
            return [Input(one, asked, str(uuid7()), FromTimer()) for one in moving]

        road = self._running.road
        try:
            await road.travel_found([shard], find, doors=(OUR_OWN,))
        except Exception as error:
            if road.store.is_transient(error):
                raise
            logger.warning("cases could not be reckoned", shard=shard, most=self._most, error=repr(error))
            await self._narrow_down(asked, shard)
            return True
        self._most = min(MOST_AT_ONCE, self._most * 2)
        return found

    async def _next_cases(self, transaction: PostgresTransaction, asked: Reckoning, shard: int) -> list[UUID]:
        """None where the shard is finished; it is when none is left, or another version came into force."""
        connection = transaction.connection
        place = await queries.place(connection, id=asked.id, shard=shard)
        if place is None:
            return []
        await self._setup.refresh(connection)
        rules = self._given()
        if not is_in_force(asked, rules):
            await queries.supersede(connection, id=asked.id, by=version_in_force(asked.kind, rules))
        else:
            cases = await _open_cases(connection, shard, asked, place["after_case"], self._most)
            if cases:
                return cases
        await queries.finish_shard(connection, id=asked.id, shard=shard)
        return []

    async def _narrow_down(self, asked: Reckoning, shard: int) -> None:
        """Take fewer at once; when it is down to one, leave that one as it is."""
        if self._most > 1:
            self._most //= 2
            return
        async with self._running.road.store.transaction() as transaction:
            await transaction.lock_heads([shard])
            cases = await self._next_cases(transaction, asked, shard)
            if cases:
                failed = Tally()
                failed.failed = len(cases)
                await _move(transaction.connection, asked, shard, cases, failed)
                logger.error("a case was left as it is", case_id=str(cases[0]), reckoning=asked.id)


async def _move(connection: Any, asked: Reckoning, shard: int, cases: Sequence[UUID], tally: Tally) -> None:
    await queries.move(
        connection,
        id=asked.id,
        shard=shard,
        after_case=cases[-1],
        done=len(cases),
        failed=tally.failed,
        **{effect.value: tally.effects[effect] for effect in Effect if effect is not Effect.UNCHANGED},
    )


def _any_is_published(days: Sequence[tuple[str, date]], rules: Rules) -> bool:
    return any(rules.calendar_of(unit).is_published(day) for unit, day in days)


def _asked(record: Mapping[str, Any]) -> Asked:
    reckoning = Reckoning(
        id=record["id"],
        kind=LimitCause(record["kind"]),
        version=record["version"],
        lengthen=record["lengthen"],
        actor=Actor.model_validate(record["asked_by"]),
        note=record["note"],
        provisional_only=record["provisional_only"],
    )
    return Asked(reckoning, tuple(record["shards"]))
