"""The router's states, lists and statistics on real PostgreSQL, beside the in-memory twins the unit tests use."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy.local.processes import Addresses, role_url
from deploy.migrate import migrate
from services.router.domain.case import Case
from services.router.domain.district import District
from services.router.duplicates import Days, PostgresOpenCases
from services.router.main import with_district
from services.router.store import CaseStates, PostgresCases, PostgresHistory
from shared.contracts.vocabulary import Ledger, Obligation, Role, Stage
from shared.runtime.decision import Fate
from shared.runtime.postgres import PostgresStore, open_pool
from shared.runtime.road import Road
from shared.runtime.service import decide_with
from tests.unit.router.memory import MemoryCases, MemoryRouter, NoRelay
from tests.unit.router.memory_duplicates import MemoryOpenCases
from tests.unit.router.stories import (
    CASE,
    CITY,
    COMMUNITY,
    DISTRICT,
    FOR_NOBODY,
    FOR_SHOPS,
    HUB,
    MARKET,
    MERGED_TREE,
    OTHER_COMMUNITY,
    PARKS,
    STREET,
    WATER,
    Said,
    asks_suspension,
    concluded,
    declined,
    dismisses,
    dispatches,
    district,
    failed,
    finishes,
    grants,
    lists_phased,
    matter,
    merges,
    overdue,
    passed,
    proposed,
    refuses,
    signs_in,
    supervises,
    units_have_changed,
    upholds,
    whistle,
    withdraws,
)

PASSWORD = "router"
TOLD: list[tuple[object, ...]] = [
    (whistle(matter(number="HA-1")), overdue(Obligation.SIGN_IN), overdue(Obligation.CHECK, COMMUNITY)),
    (whistle(matter(number="HA-2")), signs_in(), finishes(), failed(), overdue(Obligation.SIGN_IN), signs_in()),
    (whistle(matter(FOR_SHOPS, number="HA-3")), refuses(MARKET), upholds(PARKS)),
    (whistle(matter(FOR_NOBODY, number="HA-4", whistle_blower=OTHER_COMMUNITY, region=OTHER_COMMUNITY)),),
    (whistle(matter(("市容环境",), number="HA-5"), self_handled=True), signs_in(COMMUNITY), finishes(COMMUNITY)),
    (whistle(matter(number="HA-6")), signs_in(), finishes(), passed(), concluded()),
    (whistle(matter(number="HA-7"), needs_verification=True), declined()),
    (
        whistle(matter(FOR_NOBODY, number="HA-8", whistle_blower=OTHER_COMMUNITY)),
        *(dispatches(COMMUNITY, WATER), refuses(COMMUNITY), dismisses(), refuses(COMMUNITY), dispatches(STREET)),
    ),
    (whistle(matter(number="HA-9")), signs_in(), supervises(), lists_phased(), asks_suspension(), grants()),
    (whistle(matter(number="HA-10")), proposed(), merges(into=UUID(int=CASE.int + 1))),
    (whistle(matter(number="HA-11")), withdraws()),
    (whistle(matter(FOR_SHOPS, number="HA-12")), signs_in(MARKET), district(MERGED_TREE), units_have_changed()),
]
UNITS = (None, HUB, STREET, COMMUNITY, OTHER_COMMUNITY, WATER, MARKET, PARKS, CITY, "nobody-at-all")


@dataclass(frozen=True)
class Twins:
    """The same was told to both."""

    pool: asyncpg.Pool
    real: PostgresCases
    router: MemoryRouter
    twin: MemoryCases


@pytest.fixture(scope="module")
def router_url(engines: Addresses) -> Iterator[str]:
    """A database of its own with the router's schema and role."""
    name = f"router_{uuid4().hex}"
    url = urlunsplit(urlsplit(engines.postgres_admin_url)._replace(path=f"/{name}"))

    async def make() -> None:
        await _execute(engines.postgres_admin_url, f"create database {name}")
        connection = await asyncpg.connect(url)
        await migrate(connection, "router", PASSWORD)
        await connection.close()

    asyncio.run(make())
    yield role_url(url, "chuishao_router", PASSWORD)
    asyncio.run(_execute(engines.postgres_admin_url, f"drop database {name} with (force)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture
async def twins(router_url: str) -> AsyncIterator[Twins]:
    pool = await open_pool(router_url)
    await pool.execute("delete from state; delete from assignment")
    store = PostgresStore("router", pool, router_url)
    router = MemoryRouter()
    road = Road[Case]("router", store, CaseStates(), decide_with(with_district(lambda: router.district)), NoRelay())
    for place, told in enumerate(TOLD, start=1):
        router.district = DISTRICT
        for said in told:
            if isinstance(said, District):
                router.district = said
                continue
            case_id = UUID(int=CASE.int + place)
            item = router.from_door(said if isinstance(said, Said) else Said(said), case_id)
            both = await router.travel(item), *(await road.travel([item]))
            assert [outcome.fate for outcome in both] == [Fate.DONE] * 2, both
    yield Twins(pool, PostgresCases(pool), router, MemoryCases(router))
    await pool.close()


def timeless(case: Case | None) -> Case | None:
    """The two stores have their own clocks."""
    return case and case.model_copy(
        update={
            "opened_at": CASE_TIME,
            "closed_at": CASE_TIME if case.closed_at is not None else None,
            "accepted_at": CASE_TIME if case.accepted_at is not None else None,
            "answerable_since": CASE_TIME,
            "held": dict.fromkeys(case.held, timedelta()),
        }
    )


CASE_TIME = matter().received_at


async def test_a_case_is_found_by_id_and_number(twins: Twins) -> None:
    for case in twins.router.cases.values():
        for named in (case.number, str(case.case_id), case.case_id.hex):
            found = await twins.real.find(named)
            assert timeless(found) == timeless(case)
    for unknown in ("HA-99", str(CASE), "HA-1' or '1'='1", "%"):
        assert await twins.real.find(unknown) is None


@pytest.mark.parametrize("unit", UNITS)
async def test_lists_are_the_twins(twins: Twins, unit: str | None) -> None:
    asked = [(stage, before) for stage in (None, *Stage) for before in (None, UUID(int=CASE.int + 4))]
    for stage, before in asked:
        for most in (2, 100):
            real = await twins.real.page(unit, stage, before, most)
            twin = await twins.twin.page(unit, stage, before, most)
            assert [case.number for case in real] == [case.number for case in twin]


async def test_statistics_rest_for_as_long_as_they_are_dear(twins: Twins) -> None:
    """Counting took a second: for 19 more the same answer is given."""
    clock = iter([0.0, 1.0, 19.0, 20.0, 21.0])
    cases = PostgresCases(twins.real._pool, lambda: next(clock))

    first, before_it_is_time, after = [await cases.statistics() for _ in range(3)]

    assert before_it_is_time is first
    assert after is not first
    assert after == first


async def test_statistics(twins: Twins) -> None:
    counted = await twins.real.statistics()
    expected = await twins.twin.statistics()
    assert {name: counted[name] for name in expected} == expected
    assert (counted["total"], counted["open"], counted["overdue"], counted["supervised"]) == (12, 9, 2, 1)
    assert counted["by_level"] == {"department": 8, "community": 1, "street": 1}
    assert counted["today"] == {"opened": 12, "closed": 1}
    by_unit = {row["unit"]: (row["open"], row["overdue"], row["done"]) for row in counted["by_unit"]}
    assert by_unit == {
        # unit: open assignments, those that missed something, done
        WATER: (4, 2, 2),
        MARKET: (0, 0, 0),
        PARKS: (1, 0, 0),
        COMMUNITY: (0, 0, 1),
        STREET: (1, 0, 0),
        CITY: (1, 0, 0),
    }


async def test_ledgers_are_the_twins_and_the_log_agrees(twins: Twins) -> None:
    counted = await twins.real.ledgers(recount=True)
    assert counted == await twins.twin.ledgers(recount=True)
    assert counted["agrees"]
    assert counted["lists"]["phased"] == {"entered": 1, "written_off": 0, "open": 1}


@pytest.mark.parametrize("ledger", Ledger)
@pytest.mark.parametrize("is_open", [None, True, False])
async def test_entries_are_the_twins(twins: Twins, ledger: Ledger, is_open: bool | None) -> None:
    for before in (None, UUID(int=CASE.int + 6)):
        real = await twins.real.entries(ledger, is_open, before, 4)
        twin = await twins.twin.entries(ledger, is_open, before, 4)
        assert [case.number for case in real] == [case.number for case in twin]


async def test_followers_are_the_twins(twins: Twins) -> None:
    for place in (1, 2):
        into = UUID(int=CASE.int + place)
        assert await twins.real.followers(into) == await twins.twin.followers(into)
    assert [one["number"] for one in await twins.real.followers(UUID(int=CASE.int + 1))] == ["HA-10"]


async def test_assignments_beside_the_states_are_those_of_the_states(twins: Twins) -> None:
    rows = await twins.pool.fetch("select * from assignment")
    assert {
        (row["case_id"], row["assignment_id"], row["unit"], row["role"], row["round"], row["part"], row["stage"])
        for row in rows
    } == {
        (case.case_id, one.assignment_id, one.unit, one.role, one.round, one.part, case.stage)
        for case in twins.router.cases.values()
        for one in case.assignments
    }
    roles = {row["unit"]: row["role"] for row in rows if row["case_id"] == UUID(int=CASE.int + 3)}
    assert roles == {MARKET: Role.LEAD, PARKS: Role.LEAD}, "who takes over the lead is the lead here too"


async def test_what_the_search_for_duplicates_reads_is_the_twins(twins: Twins) -> None:
    real, twin = PostgresOpenCases(twins.pool), MemoryOpenCases(twins.router)
    logged = {shard: len(rows) for shard, rows in twins.router.store.tables.log.items()}
    heads = {row["shard"]: row["sequence"] for row in await twins.pool.fetch("select shard, sequence from head")}
    await real.remember({shard: heads[shard] - logged[shard] for shard in logged})  # other tests' facts are before
    for most in (2, 100):
        read, expected = await real.read(list(logged), most), await twin.read(list(logged), most)
        assert {shard: (set(part.case_ids), part.waiting) for shard, part in read.items()} == {
            shard: (set(part.case_ids), part.waiting) for shard, part in expected.items()
        }
    await real.remember(heads)
    await real.remember(dict.fromkeys(heads, 0))
    assert await real.read(list(heads), 100) == {}, "never back"
    every = list(twins.router.cases)
    matters = await real.open_among(every)
    assert matters == await twin.open_among(every)
    assert 0 < len(matters) < len(every)
    for regions in (None, [], [COMMUNITY], [COMMUNITY, OTHER_COMMUNITY, HUB]):
        for days in (Days(every[0], every[-1]), Days(every[2], every[5]), Days.around(CASE, timedelta(days=1))):
            for most in (2, 100):
                assert await real.open_in(regions, days, most) == await twin.open_in(regions, days, most)


async def test_history_is_what_the_rules_had_to_decide(twins: Twins) -> None:
    history = PostgresHistory(twins.pool)
    undecided = (Stage.RECEIVED, Stage.VERIFYING, Stage.DECLINED)
    cases = sorted(twins.router.cases.values(), key=lambda case: case.case_id)
    accepted = [case for case in cases if case.stage not in undecided]
    found = await history.page(None, None, 100)
    assert [(one.case_id, one.matter, one.self_handled) for one in found] == [
        (case.case_id, case.matter, case.self_handled) for case in accepted
    ]
    for one, case in zip(found, accepted, strict=True):
        assert one.units[:1] == tuple(part.unit for part in case.present[:1]), "the lead first"
        assert sorted(one.units) == sorted(part.unit for part in case.present)
        assert await history.find(case.number) == await history.find(str(case.case_id)) == one
    assert await history.count(None) == len(found) > 2
    assert await history.page(None, found[0].case_id, 2) == found[1:3]
    since = max(one.at for one in found)
    assert [one.at for one in await history.page(since, None, 100)] == [since]
    assert (await history.page(since + timedelta(days=1), None, 100), await history.count(since)) == ([], 1)
    assert [await history.find(named) for named in ("HA-7", "HA-99", str(CASE))] == [None, None, None]
