"""The lists of what is said after a verdict, in PostgreSQL and in its in-memory twin: the same in, the same out."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from services.feedback.api import Place, Reviews, Scope
from services.feedback.domain.measuring.judged import Exclusion
from services.feedback.domain.review import Review, Waiting
from services.feedback.store import PostgresReviews
from shared.contracts import facts as f
from shared.contracts.topics import CASES
from shared.contracts.vocabulary import Measure
from shared.runtime.decision import DoorKey, FromDoor, Input
from shared.runtime.postgres import JsonStates, PostgresStore, open_pool
from shared.runtime.road import Road
from shared.runtime.service import decide_with
from tests.unit.feedback.histories import (
    CASE,
    HUB,
    MARKET,
    WATER,
    answered,
    archived,
    asks,
    closed,
    dispatched,
    followed_by,
    found,
    handled,
    opened,
    passed,
    rated,
    rules,
    staff,
)
from tests.unit.feedback.memory import MemoryFeedback, MemoryReviews, NoRelay
from tests.unit.feedback.wire import OtherLog, arrived

BEGUN: list[object] = [opened(), dispatched(WATER, MARKET), handled(1, WATER, MARKET), rated(WATER), rated(MARKET)]
CLOSED: list[object] = [*BEGUN, answered(), passed(), closed()]
HISTORIES: list[list[object]] = [
    BEGUN,
    CLOSED,
    [*CLOSED, found(True)],
    [*CLOSED, archived(), asks(Measure.RATING, number=31)],
    [*CLOSED, asks(Measure.RATING, number=11), asks(Measure.RATED, unit=MARKET, number=41), rules(number=11)],
    [*CLOSED, asks(Measure.SATISFIED, by=staff(HUB), number=21), rules(approved=False, number=21)],
    [*BEGUN, asks(Measure.WRITE_OFF, number=51)],
]
CASES_TOLD = [UUID(int=CASE.int + place * 7) for place in range(len(HISTORIES))]


async def tell(road: Road[Review]) -> None:
    """Send every history down the road."""
    router = OtherLog("router", CASES)
    for case_id, history in zip(CASES_TOLD, HISTORIES, strict=True):
        for place, message in enumerate(history):
            key = f"{case_id} {place}"
            if isinstance(message, f.Fact):
                item = arrived(router.append(case_id, message))
            else:
                item = Input(case_id, message, key, FromDoor((DoorKey("http", key),)))
            (outcome,) = await road.travel([item])
            assert outcome.refusal is None, (history, outcome)


@pytest.fixture
async def twins(postgres_url: str) -> AsyncIterator[tuple[Reviews, Reviews]]:
    pool = await open_pool(postgres_url)
    store = PostgresStore("feedback", pool, postgres_url)
    handlers = followed_by("1")
    await tell(Road("feedback", store, JsonStates(Review), decide_with(handlers), NoRelay()))
    memory = MemoryFeedback(handlers)
    await tell(memory.road)
    yield PostgresReviews(pool), MemoryReviews(memory)
    await pool.close()


def timeless(found: Exclusion) -> Exclusion:
    """Without its times, which each store's own clock gives."""
    asked_at = found.asked_at.min if found.ruled_at is None else found.asked_at.max
    return found.model_copy(update={"asked_at": asked_at, "ruled_at": None})


async def test_both_stores_list_the_same_exclusions_page_by_page(twins: tuple[Reviews, Reviews]) -> None:
    real, memory = twins
    numbers = {}
    for unit in (None, WATER, MARKET, HUB):
        for ruled in (None, True, False):
            expected = [
                (case_id, number, timeless(one))
                for case_id, number, one in await memory.exclusions(unit, ruled, UUID(int=0), 100)
            ]
            listed: list[tuple[UUID, str, Exclusion]] = []
            after = UUID(int=0)
            while page := await real.exclusions(unit, ruled, after, 2):
                assert len(page) <= 2
                listed += [(case_id, number, timeless(one)) for case_id, number, one in page]
                after = page[-1][2].id
            assert listed == expected, (unit, ruled)
            numbers[unit, ruled] = len(listed)
    counted = {unit: [numbers[unit, ruled] for ruled in (None, True, False)] for unit in (None, WATER, MARKET, HUB)}
    assert counted == {None: [5, 2, 3], WATER: [4, 2, 2], MARKET: [1, 0, 1], HUB: [0, 0, 0]}


async def test_both_stores_list_the_same_samples(twins: tuple[Reviews, Reviews]) -> None:
    real, memory = twins
    expected = {case_id for case_id, _ in await memory.page(Scope(), Waiting.SAMPLE, Place(), 100)}
    assert len(expected) == 3, "of five that were drawn one was checked and one is archived"
    assert {case_id for case_id, _ in await real.page(Scope(), Waiting.SAMPLE, Place(), 100)} == expected
    for reviews in twins:
        _, waiting, _ = await reviews.counts(Scope())
        assert waiting[Waiting.SAMPLE] == 3


async def test_few_cases_are_in_the_index_of_those_with_exclusions(
    twins: tuple[Reviews, Reviews], postgres_url: str
) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("set enable_seqscan = off")
    plan = await connection.fetch("explain select case_id from state where exclusions <> '[]' and number is not null")
    held = await connection.fetchval("select count(*) from state where exclusions <> '[]'")
    await connection.close()
    assert "review_with_exclusions" in "\n".join(row[0] for row in plan)
    assert held == 4
