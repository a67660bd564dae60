"""The lists of PostgreSQL and of its in-memory twin: the same histories in, the same answers out."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from services.feedback.api import Place, Reviews, Scope
from services.feedback.domain.moment import sortable
from services.feedback.domain.review import Review, Waiting
from services.feedback.main import HANDLERS
from services.feedback.store import PostgresReviews, ReviewStates
from shared.contracts import facts as f
from shared.contracts.topics import CASES, DEADLINES
from shared.contracts.vocabulary import Obligation, ReworkCause, Satisfaction, Source
from shared.runtime.decision import DoorKey, FromDoor, Input
from shared.runtime.postgres import PostgresStore, open_pool
from shared.runtime.problems import Refused
from shared.runtime.road import Road
from shared.runtime.service import decide_with
from tests.unit.feedback.histories import (
    CASE,
    COMMUNITY,
    HUB,
    MARKET,
    OTHER_COMMUNITY,
    WATER,
    answered,
    failed,
    handled,
    opened,
    overdue,
    passed,
    rated,
    rework,
    staff,
)
from tests.unit.feedback.memory import MemoryFeedback, MemoryReviews, NoRelay
from tests.unit.feedback.wire import OtherLog, arrived

UNSATISFIED, BASICALLY = Satisfaction.UNSATISFIED, Satisfaction.BASICALLY_SATISFIED
OF_OTHERS = {"whistle_blower": OTHER_COMMUNITY}
OF_12345 = {"whistle_blower": HUB, "source": Source.HOTLINE_12345}
OTHER, HUBS = staff(OTHER_COMMUNITY), staff(HUB)

HISTORIES: list[list[object]] = [
    [opened()],
    [opened(), handled()],
    [opened(), handled(1, WATER, MARKET), rated(MARKET, 2)],
    [opened(), handled(), passed()],
    [opened(), handled(), passed(), rated(), answered()],
    [opened(), handled(), failed(), rework(2), handled(2), rated(score=1)],
    [overdue(Obligation.RATE)],
    [overdue(Obligation.RATE), opened(), handled(), passed()],
    [opened(**OF_OTHERS), handled(**OF_OTHERS), passed(OTHER), rated(by=OTHER)],  # type: ignore[arg-type]
    [
        *[opened(**OF_OTHERS), handled(**OF_OTHERS), passed(OTHER), rated(by=OTHER)],  # type: ignore[arg-type]
        *[answered(UNSATISFIED, by=OTHER), rework(2, ReworkCause.RESIDENT_UNSATISFIED)],
    ],
    [opened(**OF_12345), handled(**OF_12345), answered(BASICALLY, by=HUBS)],  # type: ignore[arg-type]
]
CASES_TOLD = [UUID(int=CASE.int + place * 7) for place in range(len(HISTORIES))]

SCOPES = [
    Scope(),
    Scope(COMMUNITY),
    Scope(OTHER_COMMUNITY),
    Scope(WATER),
    Scope(source=Source.HOTLINE_12345),
    Scope(HUB, Source.HOTLINE_12345),
    Scope(COMMUNITY, Source.HOTLINE_12345),
]


async def tell(road: Road[Review]) -> None:
    """Send every history down the road."""
    router, sla = OtherLog("router", CASES), OtherLog("sla", DEADLINES)
    for case_id, history in zip(CASES_TOLD, HISTORIES, strict=True):
        for place, message in enumerate(history):
            if isinstance(message, f.Fact):
                log = sla if isinstance(message, f.DeadlineStep) else router
                item = arrived(log.append(case_id, message))
            else:
                key = f"{case_id} {place}"
                item = Input(case_id, message, key, FromDoor((DoorKey("http", key),)))
            (outcome,) = await road.travel([item])
            assert outcome.refusal is None, (history, outcome)


@pytest.fixture
async def twins(postgres_url: str) -> AsyncIterator[tuple[Reviews, Reviews]]:
    pool = await open_pool(postgres_url)
    store = PostgresStore("feedback", pool, postgres_url)
    await tell(Road("feedback", store, ReviewStates(), decide_with(HANDLERS), NoRelay()))
    memory = MemoryFeedback()
    await tell(memory.road)
    yield PostgresReviews(pool), MemoryReviews(memory)
    await pool.close()


async def walk(reviews: Reviews, scope: Scope, waiting: Waiting | None, most: int) -> list[UUID]:
    """A list, page by page."""
    found: list[UUID] = []
    place = Place()
    while page := await reviews.page(scope, waiting, place, most):
        assert len(page) <= most
        found += [case_id for case_id, _ in page]
        place = Place(sortable(page[-1][1].since), page[-1][0])
    return found


def timeless(review: Review | None) -> object:
    """A review without its times, which each store's own clock gives."""
    return None if review is None else without_times(review.model_dump(mode="json"))


def without_times(value: object) -> object:
    if isinstance(value, dict):
        return {name: without_times(inner) for name, inner in value.items() if name not in ("at", "since")}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


async def test_both_stores_give_the_same_lists_and_figures(twins: tuple[Reviews, Reviews]) -> None:
    real, memory = twins
    lists = 0
    for scope in SCOPES:
        for waiting in (None, *Waiting):
            expected = await walk(memory, scope, waiting, 100)
            lists += bool(expected)
            # the in-memory clock stands still, the database's does not: its order is that of events
            found = await walk(real, scope, waiting, 2)
            assert len(found) == len(set(found))
            assert sorted(found) == sorted(expected), (scope, waiting)
        reviews, awaited, tally = await real.counts(scope)
        assert await memory.counts(scope) == (reviews, {what: awaited.get(what, 0) for what in Waiting}, tally), scope
    assert lists >= 15, "most of these lists hold something"
    for case_id in CASES_TOLD:
        assert timeless(await real.review(case_id)) == timeless(await memory.review(case_id))


async def test_the_longest_waiting_comes_first(twins: tuple[Reviews, Reviews]) -> None:
    real, _ = twins
    page = await real.page(Scope(), Waiting.CHECK, Place(), 100)
    since = [review.since for _, review in page]
    assert len(since) > 2
    assert since == sorted(since)


async def test_a_case_is_found_by_its_number(twins: tuple[Reviews, Reviews]) -> None:
    real, memory = twins
    assert await real.case_by_number("no such number") is None
    assert await memory.case_by_number("no such number") is None
    assert await real.case_by_number("HA20261123-0001") == CASES_TOLD[0]
    numbers = ("no such number", "HA20261123-0001")
    assert await real.cases_by_number(numbers) == await memory.cases_by_number(numbers)


async def test_reading_says_503_while_the_database_is_away(postgres_url: str) -> None:
    pool = await open_pool(postgres_url)
    reviews = PostgresReviews(pool)
    await pool.close()
    with pytest.raises(Refused) as caught:
        await reviews.review(CASE)
    assert (caught.value.refusal.status, caught.value.headers) == (503, {"Retry-After": "5"})


async def test_a_case_that_was_found_can_be_written_again(postgres_url: str) -> None:
    """The driver has a kind of UUID of its own: what it found is written like any other."""
    pool = await open_pool(postgres_url)
    found = await pool.fetchval("select $1::uuid", CASE)
    assert await pool.fetchval("select $1::jsonb", {"case_id": found}) == {"case_id": str(CASE)}
    await pool.close()
