"""What the router does of its own accord: merged cases follow the one they wait for, and units that are gone
hand over what they had. Both find what is left to do in the tables, so nothing is forgotten over a restart.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import structlog
from uuid_utils import uuid7

from services.router.domain.case import Case
from services.router.domain.merging import ended
from services.router.domain.succession import HandOver
from services.router.store import queries
from shared.contracts.topics import shard_of
from shared.contracts.units import UnitTree
from shared.runtime.decision import FromTimer, Input
from shared.runtime.district import UNITS, Setup
from shared.runtime.postgres import STORE_FAULTS, each
from shared.runtime.running import Running

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
MOST_AT_ONCE = 200

Sweep = Callable[[Running[Case]], Awaitable[int]]
"""Does a bounded part of what is left; returns how many cases that was."""


async def follow_merged(running: Running[Case]) -> None:
    """Tell merged cases what became of the one they were merged into; for as long as the service lives."""

    async def sweep(running: Running[Case]) -> int:
        async with running.pool.acquire(timeout=5) as connection:
            found = [record async for record in each(queries.followers_to_tell(connection, most=MOST_AT_ONCE))]
        told = [(one["case_id"], ended(Case.model_validate_json(one["state"]))) for one in found]
        return await _travel(running, told)

    await _keep(sweep, running)


async def hand_over_retired(setup: Setup, running: Running[Case]) -> None:
    """After every new version of the units, hand over what is with units of the past; for as long as it lives."""
    swept = 0

    async def sweep(running: Running[Case]) -> int:
        nonlocal swept
        held = setup.held(UNITS)
        if held is None or held.number == swept:
            return 0
        tree: UnitTree = held.value
        async with running.pool.acquire(timeout=5) as connection:
            units = [record["unit"] async for record in each(queries.units_at_work(connection))]
            gone = [unit for unit in units if unit is not None and unit not in tree and tree.present(unit)]
            found = (
                [
                    one["case_id"]
                    async for one in each(queries.cases_of_units(connection, units=gone, most=MOST_AT_ONCE))
                ]
                if gone
                else []
            )
        moved = await _travel(running, [(case_id, HandOver()) for case_id in found])
        if not found:
            swept = held.number
        return moved

    await _keep(sweep, running)


async def _travel(running: Running[Case], found: Sequence[tuple[UUID, object]]) -> int:
    """Send what concerns the shards of this process down the road."""
    own: list[Input[Any]] = [
        Input(case_id, message, str(uuid7()), FromTimer())
        for case_id, message in found
        if running.relay.holds(shard_of(case_id))
    ]
    outcomes = await running.road.travel(own)
    return len(outcomes)


async def _keep(sweep: Sweep, running: Running[Case]) -> None:
    while True:
        done = 0
        try:
            done = await sweep(running)
        except STORE_FAULTS as error:
            logger.warning("a sweep could not look; it will again", error=repr(error))
        if done < MOST_AT_ONCE:
            await asyncio.sleep(LOOK_SECONDS)
