"""依法删除: the words of a case go, everywhere; the chains, the case and everybody who reads of it go on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from deploy.audit.anchor import passes_through, read, written
from deploy.audit.export import heads_of
from deploy.check.checker import verify_chains
from deploy.check.live import tables_of
from deploy.check.report import Finding
from deploy.check.source import LOGS
from shared.contracts.envelope import decode
from shared.contracts.facts import Actor, LogRedacted
from shared.contracts.vocabulary import ActorKind
from shared.contracts.words import FORGOTTEN
from shared.runtime import redaction
from shared.runtime.log import Row
from tests.integration.audit.conftest import District
from tests.integration.audit.test_rebuild import compared
from tests.integration.audit.world import CONTENT, World

pytestmark = pytest.mark.timeout(120)

BASIS = "个人信息保护法第四十七条；法院裁定"
WANG = Actor(kind=ActorKind.STAFF, person="wang")


async def forget(world: World, case_id: UUID, services: tuple[str, ...] = tuple(LOGS)) -> dict[str, list[Row]]:
    forgotten = {}
    for service in services:
        store, states = world.stores[service], world.roads[service].states
        asked = await redaction.ask(store, case_id, "当事人申请", BASIS, "li")
        rows = await redaction.approve(service, store, states, asked.number, WANG)
        assert rows is not None
        forgotten[service] = rows
    return forgotten


async def chains(world: World, anchor: str | None = None) -> Finding:
    async with tables_of(world.admin_url) as tables:
        found = await verify_chains(tables, LOGS)
        if anchor is not None:
            await passes_through(tables, read(anchor), LOGS, found)
        return found


async def anchored(world: World) -> str:
    async with tables_of(world.admin_url) as tables:
        return written(tables.now, "0.6.0", await heads_of(tables, list(LOGS)))


async def everything(world: World) -> str:
    """All that stands in any table, as text."""
    tables = await world.admin(
        "select table_schema, table_name from information_schema.tables "
        "where table_schema = any($1::text[]) and table_type = 'BASE TABLE'",
        list(LOGS),
    )
    rows = []
    for schema, table in tables:
        rows += await world.admin(f"select to_jsonb(one)::text from {schema}.{table} as one")
        if table == "log":
            rows += await world.admin(f"select convert_from(event, 'UTF8') from {schema}.log where event is not null")
    return "\n".join(row[0] for row in rows)


async def test_the_words_go_and_all_the_rest_stays(district: District) -> None:
    world = district.world
    before = await anchored(world)
    await world.admin("delete from intake.log where false")
    for case_id in (district.waiting, district.handled, district.reworked, district.closed):
        forgotten = await forget(world, case_id)
        assert all(forgotten[service] for service in ("intake", "router"))
    left = await everything(world)
    assert CONTENT not in left
    assert "张三" not in left
    assert (await chains(world, before)).ok, "redacted logs are the anchored ones gone on"
    await world.carry()
    for service in LOGS:
        found = await compared(world, service)
        assert found.identical, (service, found.differences, found.unknown)
        assert found.redacted == 4


async def test_the_log_says_who_when_and_why_and_what_is_left(district: District) -> None:
    world, case_id = district.world, district.closed
    rows = (await forget(world, case_id))["router"]
    history = await world.stores["router"].history(case_id)
    told = [one.fact for row in history if row.event and isinstance((one := decode(row.event)).fact, LogRedacted)]
    assert [one.redacted for one in told] == [row.sequence for row in rows]
    assert {(one.asked_by, one.actor.person, one.basis) for one in told} == {("li", "wang", BASIS)}
    assert [one.digest for one in told] == [row.digest.hex() for row in rows]
    opened = told[0].event
    assert opened["type"] == "cn.chuishao.case.opened.v1"
    assert opened["data"]["matter"]["content"] == FORGOTTEN  # type: ignore[index]
    assert [row.caseseq for row in history] == list(range(1, len(history) + 1))


async def test_the_case_goes_on(district: District) -> None:
    world = district.world
    await forget(world, district.handled)
    await world.judge(district.handled)
    assert (await world.state("router", district.handled)).stage == "closed"
    assert (await chains(world)).ok
    for service in LOGS:
        assert (await compared(world, service)).identical, service


async def test_who_had_not_read_it_passes_over_it_and_reads_on(district: District) -> None:
    world = district.world
    gone = await world.whistle("HA20261123000008")
    await forget(world, gone, ("intake",))
    later = await world.whistle("HA20261123000009")
    await world.carry()
    with pytest.raises(KeyError):
        await world.state("router", gone)
    assert (await world.state("router", later)).matter.content == CONTENT
    assert await world.admin("select 1 from router.dead_letter") == []


async def test_it_takes_two(district: District) -> None:
    world, store, states = district.world, district.world.stores["router"], district.world.roads["router"].states
    asked = await redaction.ask(store, district.closed, "当事人申请", BASIS, "wang")
    with pytest.raises(redaction.NotTheirs):
        await redaction.approve("router", store, states, asked.number, WANG)
    assert all(row.event is not None for row in await store.history(district.closed))
    assert await redaction.approve("router", store, states, asked.number + 1, WANG) is None
    li = Actor(kind=ActorKind.STAFF, person="li")
    first = await redaction.approve("router", store, states, asked.number, li)
    assert first
    again = await redaction.approve("router", store, states, asked.number, li)
    assert again == first, "again it only says what was forgotten"
    assert len(await world.admin("select 1 from router.redaction where done_at is not null")) == 1


async def test_two_at_once_do_it_once(district: District) -> None:
    store, states = district.world.stores["router"], district.world.roads["router"].states
    asked = await redaction.ask(store, district.closed, "当事人申请", BASIS, "li")
    both = [redaction.approve("router", store, states, asked.number, WANG) for _ in range(2)]
    first, second = await asyncio.gather(*both)
    assert first == second
    assert (await chains(district.world)).ok


FORBIDDEN = [
    "update log set event = null",
    "update log set hash = digest",
    "delete from log",
    "truncate log",
]


@pytest.fixture
async def as_router(district: District) -> AsyncIterator[Any]:
    async with district.world.stores["router"].pool.acquire() as connection:
        yield connection


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_nothing_else_may_touch_a_log(as_router: Any, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_router.execute(statement)


async def test_nothing_is_forgotten_that_nobody_approved(district: District, as_router: Any) -> None:
    asked = await redaction.ask(district.world.stores["router"], district.closed, "当事人申请", BASIS, "li")
    sequences = [row.sequence for row in await district.world.stores["router"].history(district.closed)]
    assert await as_router.fetchval("select forget($1, $2)", asked.number, sequences) == 0
    await as_router.execute(
        "update redaction set approved_by = 'wang', done_at = now() where number = $1", asked.number
    )
    others = [row.sequence for row in await district.world.stores["router"].history(district.handled)]
    if district.handled.int % 12 != district.closed.int % 12:
        assert await as_router.fetchval("select forget($1, $2)", asked.number, others) <= len(sequences)
    assert all(row.event is not None for row in await district.world.stores["router"].history(district.handled))


async def test_history_written_anew_is_found_by_an_anchor_alone(district: District) -> None:
    """By the database's owner, who can compute every hash: the chain is whole, and not the one that was anchored."""
    world = district.world
    before = await anchored(world)
    await rewrite(world, "router", district.closed.int % 12)
    assert (await chains(world)).ok
    found = await chains(world, before)
    assert not found.ok
    assert "rewritten" in str(found.violations[0])


async def rewrite(world: World, service: str, shard: int) -> None:
    """Change the first event of a shard, and make everything after it follow."""
    await world.admin(
        f"""
        do $$
        declare one record; last bytea := decode(repeat('00', 32), 'hex'); said bytea;
        begin
            for one in select * from {service}.log where shard = {shard} order by sequence loop
                said := convert_to(replace(convert_from(one.event, 'UTF8'), '水管爆裂', '水管完好'), 'UTF8');
                last := sha256(last || sha256(said));
                update {service}.log set event = said, digest = sha256(said), hash = last
                where shard = one.shard and sequence = one.sequence;
            end loop;
            update {service}.head set hash = last where shard = {shard};
        end $$
        """
    )
