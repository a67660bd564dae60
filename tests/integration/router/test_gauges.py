"""Open cases by stage and kind of unit, and the beginnings that are looked up, on real PostgreSQL."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy.local.processes import Addresses, role_url
from deploy.migrate import migrate
from services.router import metrics
from services.router.domain.case import Case
from services.router.domain.district import District
from services.router.gauges import OpenCases, count_open, look_up, queries
from services.router.loop_times import LoopTimes
from services.router.main import with_district
from services.router.store import CLOSED_STAGES, CaseStates
from shared.contracts.vocabulary import UnitKind
from shared.runtime.postgres import PostgresStore, open_pool
from shared.runtime.road import Road
from shared.runtime.service import decide_with
from tests.integration.router.test_store import TOLD
from tests.measured import shown
from tests.unit.router.memory import MemoryRouter, NoRelay
from tests.unit.router.stories import CASE, DISTRICT, TREE, WATER, Said, finishes, matter, signs_in, whistle

PASSWORD = "router"
CLOSED = 20_000


@pytest.fixture(scope="module")
def admin_url(engines: Addresses) -> Iterator[str]:
    name = f"router_{uuid4().hex}"
    own = urlunsplit(urlsplit(engines.postgres_admin_url)._replace(path=f"/{name}"))

    async def make() -> None:
        await _execute(engines.postgres_admin_url, f"create database {name}")
        connection = await asyncpg.connect(own)
        await migrate(connection, "router", PASSWORD)
        await connection.close()

    asyncio.run(make())
    yield own
    asyncio.run(_execute(engines.postgres_admin_url, f"drop database {name} with (force)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture
def url(admin_url: str) -> str:
    return role_url(admin_url, "chuishao_router", PASSWORD)


@pytest.fixture
async def pool(url: str) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(url, most=3)
    await pool.execute("delete from state")
    yield pool
    await pool.close()


async def tell(pool: asyncpg.Pool, url: str) -> MemoryRouter:
    """Cases in every stage, in both stores."""
    router = MemoryRouter()
    handlers = with_district(lambda: router.district)
    road = Road[Case]("router", PostgresStore("router", pool, url), CaseStates(), decide_with(handlers), NoRelay())
    for place, told in enumerate(TOLD, start=1):
        for said in told:
            if not isinstance(said, District):
                item = router.from_door(said if isinstance(said, Said) else Said(said), UUID(int=CASE.int + place))
                await router.travel(item)
                await road.travel([item])
    return router


async def test_they_are_the_open_ones_by_stage_and_kind_of_the_leading_unit(pool: asyncpg.Pool, url: str) -> None:
    router = await tell(pool, url)
    async with pool.acquire() as connection:
        counted = await count_open(connection, TREE)
        nobody_knows = await count_open(connection, None)

    expected = Counter(
        (case.stage.value, TREE.units[case.lead.unit].kind.value if case.lead else "none")
        for case in router.cases.values()
        if case.stage not in CLOSED_STAGES
    )
    assert counted == expected
    assert len(counted) >= 5
    assert {kind for _, kind in counted} >= {UnitKind.UTILITY.value, UnitKind.DEPARTMENT.value, "none"}
    assert {kind for _, kind in nobody_knows} == {"none"}


async def test_closed_cases_are_not_looked_at_however_many_there_are(
    pool: asyncpg.Pool, url: str, admin_url: str
) -> None:
    await tell(pool, url)
    await pool.execute(
        "insert into state (case_id, caseseq, state) select gen_random_uuid(), 9, jsonb_set(jsonb_set(jsonb_set(state,"
        " '{stage}', '\"closed\"'), '{matter,number}', to_jsonb('N' || n)), '{missed}', '[]')"
        " from (select state from state limit 1) one, generate_series(1, $1) n",
        CLOSED,
    )
    await _execute(admin_url, "vacuum analyze router.state")
    async with pool.acquire() as connection:
        plan = json.loads(await connection.fetchval(f"explain (analyze, format json) {queries.open_cases.sql}"))
        nodes = list(_nodes(plan[0]["Plan"]))
        of_state = [node for node in nodes if node.get("Relation Name") == "state"]

    assert [(node["Node Type"], node["Index Name"]) for node in of_state] == [("Index Only Scan", "state_open")]
    assert of_state[0]["Actual Rows"] <= len(TOLD)


def _nodes(plan: dict[str, Any]) -> Any:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def test_what_there_is_none_of_any_more_is_shown_as_none() -> None:
    metrics.CASES.clear()
    cases = OpenCases()
    cases.show({("handling", "utility"): 3, ("dispatched", "department"): 1})
    cases.show({("handling", "utility"): 2})
    assert shown(metrics.CASES) == {("handling", "utility"): 2, ("dispatched", "department"): 0}

    cases.show_none()
    assert not shown(metrics.CASES)


async def test_the_beginning_of_a_stage_is_found_in_the_log(pool: asyncpg.Pool, url: str) -> None:
    router = MemoryRouter()
    store = PostgresStore("router", pool, url)
    handlers = with_district(lambda: DISTRICT)
    road = Road[Case]("router", store, CaseStates(), decide_with(handlers), NoRelay())
    case_id = UUID(int=CASE.int + 4711)
    received = router.from_log(whistle(matter(number="HA-4711")), case_id)
    begun = [replace(received, origin=router.from_door(signs_in(), case_id).origin)]
    begun.append(router.from_door(signs_in(), case_id))
    await road.travel(begun)
    before = len(await store.history(case_id))
    await road.travel([router.from_door(finishes(WATER), case_id)])
    rows = (await store.history(case_id))[before:]

    metrics.STAGES.clear()
    times = LoopTimes()
    times.acknowledged(rows)
    assert list(times.missed()) == [case_id]
    async with pool.acquire() as connection:
        await look_up(times, connection)

    stages = {stage: seconds for (stage,), seconds in shown(metrics.STAGES, "_sum").items()}
    assert list(stages) == ["handle"]
    assert 0 < stages["handle"] < 60
    assert times.missed() == {}
