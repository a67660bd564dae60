"""A district with four cases in it, for each test anew."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from deploy.local.processes import Addresses
from shared.contracts.vocabulary import Satisfaction
from tests.integration.audit.world import World, world


@dataclass(frozen=True)
class District:
    """`waiting` was just dispatched, `handled` waits for its check, `reworked` goes round again, `closed` is closed."""

    world: World
    waiting: UUID
    handled: UUID
    reworked: UUID
    closed: UUID


@pytest.fixture
async def district(engines: Addresses) -> AsyncIterator[District]:
    async with world(engines.postgres_admin_url) as here:
        cases = [await here.whistle(f"HA2026112300000{place}") for place in range(4)]
        await here.carry()
        for case_id in cases[1:]:
            await here.handle(case_id)
        await here.judge(cases[2], Satisfaction.UNSATISFIED)
        await here.judge(cases[3])
        yield District(here, *cases)
