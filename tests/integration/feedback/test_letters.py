"""Letters from a real log: what PostgreSQL and its in-memory twin give is the same."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from services.feedback.domain.review import Review
from services.feedback.letters.letters_log import BEGINNING, Log, PostgresLog, page
from services.feedback.store import ReviewStates
from shared.contracts import facts as f
from shared.contracts.topics import CASES, SHARDS
from shared.runtime.decision import DoorKey, FromDoor, Input
from shared.runtime.postgres import PostgresStore, open_pool
from shared.runtime.road import Road
from shared.runtime.service import decide_with
from tests.unit.feedback.histories import NOW, answered, closed, followed_by, handled, opened, passed, rated
from tests.unit.feedback.memory import MemoryFeedback, NoRelay
from tests.unit.feedback.memory_letters import MemoryLog
from tests.unit.feedback.test_letters import worded
from tests.unit.feedback.wire import OtherLog, arrived

HISTORY = (opened(), handled(), passed(), rated(), answered(), closed())
CASES_TOLD = [UUID(int=number) for number in range(1, 31)]


@pytest.fixture
async def twins(postgres_url: str) -> AsyncIterator[tuple[PostgresLog, MemoryLog]]:
    """Thirty cases asked about, every third of them closed."""
    pool = await open_pool(postgres_url)
    feedback, router = MemoryFeedback(followed_by()), OtherLog("router", CASES)
    road = _road(pool, postgres_url)
    for case_id in CASES_TOLD:
        for place, message in enumerate(HISTORY if case_id.int % 3 == 0 else HISTORY[:2]):
            key = f"{case_id} {place}"
            if isinstance(message, f.Fact):
                item = arrived(router.append(case_id, message))
            else:
                item = Input(case_id, message, key, FromDoor((DoorKey("http", key),)))
            outcomes = [*(await feedback.road.travel([item])), *(await road.travel([item]))]
            assert [outcome.refusal for outcome in outcomes] == [None, None], outcomes
    yield PostgresLog(pool), MemoryLog(feedback, NOW)
    await pool.close()


def _road(pool: asyncpg.Pool, url: str) -> Road[Review]:
    store = PostgresStore("feedback", pool, url)
    return Road[Review]("feedback", store, ReviewStates(), decide_with(followed_by()), NoRelay())


async def test_the_log_is_the_twins(twins: tuple[Log, Log]) -> None:
    assert await twins[0].ends() == await twins[1].ends()
    for most in (1, 2, 7, 1000):
        real, memory = [await twin.since(BEGINNING, most) for twin in twins]
        assert {shard: (part.read_to, part.more) for shard, part in real.items()} == {
            shard: (part.read_to, part.more) for shard, part in memory.items()
        }
        for shard, part in real.items():
            assert [(one.subject, one.sequence, one.type) for one in part.told] == [
                (one.subject, one.sequence, one.type) for one in memory[shard].told
            ]
    assert await twins[0].since(await twins[0].ends(), 10) == {}
    assert (await twins[0].reviews(CASES_TOLD)).keys() == (await twins[1].reviews(CASES_TOLD)).keys() == {*CASES_TOLD}
    assert await twins[0].reviews([]) == {}
    assert (await twins[0].now()).tzinfo is not None


@pytest.mark.parametrize("most", [1, 7, 100])
async def test_every_letter_comes_once(twins: tuple[Log, Log], most: int) -> None:
    positions, seen = BEGINNING, []
    while True:
        found = await page(twins[0], positions, most, worded)
        seen += [(letter.case_id, letter.kind.value) for letter in found.letters]
        positions = found.positions
        if not found.more:
            break
    expected = [(case_id, "asked") for case_id in CASES_TOLD]
    expected += [(case_id, "closed") for case_id in CASES_TOLD if case_id.int % 3 == 0]
    assert sorted(seen) == sorted(expected)
    assert len(positions) == SHARDS
