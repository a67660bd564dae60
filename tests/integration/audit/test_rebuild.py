"""Every table made anew from the logs is what stands; what somebody changed behind the logs' back is named."""

from typing import Any

import asyncpg
import pytest

from deploy.check.source import LOGS
from deploy.rebuild.catalogue import CATALOGUE
from deploy.rebuild.verifying import Compared, compare, snapshot_of
from tests.integration.audit.conftest import District
from tests.integration.audit.world import CONTENT, World

pytestmark = pytest.mark.timeout(120)


async def compared(world: World, service: str) -> Compared:
    async with snapshot_of(world.admin_url) as (connection, now):
        return await compare(connection, now, service, lambda _service, _done, _of: None)


async def test_what_stands_is_what_the_logs_say(district: District) -> None:
    for service in LOGS:
        found = await compared(district.world, service)
        assert found.identical, (service, found.differences, found.unknown)
        assert found.cases == 4
        rebuilt = {name for name, table in CATALOGUE[service].items() if table.is_rebuilt}
        assert {name for name, rows in found.rows.items() if rows} == rebuilt, "each table had rows to compare"


async def test_every_table_is_in_the_catalogue(district: District) -> None:
    rows = await district.world.admin(
        "select table_schema, table_name from information_schema.tables "
        "where table_schema = any($1::text[]) and table_type = 'BASE TABLE'",
        list(CATALOGUE),
    )
    there = {(schema, name) for schema, name in rows}
    listed = {(schema, name) for schema, tables in CATALOGUE.items() for name in tables}
    assert there == listed


CHANGES = [
    (
        "intake",
        "state",
        "update intake.state set state = jsonb_set(state, '{stage}', '\"declined\"') where case_id = $1",
    ),
    ("router", "state", "update router.state set state = jsonb_set(state, '{answer}', '\"张三\"') where case_id = $1"),
    ("router", "state", "delete from router.state where case_id = $1"),
    ("router", "assignment", "update router.assignment set overdue = not overdue where case_id = $1"),
    ("router", "assignment", "delete from router.assignment where case_id = $1"),
    ("sla", "state", "update sla.state set caseseq = caseseq + 1 where case_id = $1"),
    ("sla", "deadline", "update sla.deadline set due_at = due_at + interval '1 day' where case_id = $1"),
    ("feedback", "state", "update feedback.state set state = jsonb_set(state, '{rounds}', '[]') where case_id = $1"),
    ("feedback", "part", "update feedback.part set handle_late = true where case_id = $1"),
    ("feedback", "whole", "delete from feedback.whole where case_id = $1"),
]


@pytest.mark.parametrize(("service", "table", "change"), CHANGES)
async def test_what_was_changed_is_named_and_nobodys_words_with_it(
    district: District, service: str, table: str, change: str
) -> None:
    await district.world.admin(change, district.closed)
    found = await compared(district.world, service)
    assert not found.identical
    assert {one.table for one in found.differences} == {f"{service}.{table}"}
    assert all(str(district.closed) in one.key or table == "assignment" for one in found.differences)
    told = "".join(map(str, found.differences))
    assert "张三" not in told
    assert CONTENT not in told


async def test_a_head_that_was_moved_is_named(district: District) -> None:
    shard = district.closed.int % 12
    await district.world.admin("update router.head set sequence = sequence + 1 where shard = $1", shard)
    found = await compared(district.world, "router")
    assert [one.table for one in found.differences] == ["router.head"]


async def test_it_writes_nothing(district: District) -> None:
    before = await everything(district.world)
    for service in LOGS:
        await compared(district.world, service)
    assert await everything(district.world) == before


async def everything(world: World) -> dict[str, Any]:
    found: dict[str, list[asyncpg.Record]] = {}
    for service in LOGS:
        for table in ("state", "head", "log"):
            found[f"{service}.{table}"] = await world.admin(f"select * from {service}.{table} order by 1, 2")
    return found


async def test_a_reader_that_is_behind_is_compared_as_far_as_it_has_read(district: District) -> None:
    """On a running system somebody is always behind."""
    await district.world.whistle("HA20261123000009")
    await district.world.carry(["router"])
    for service in LOGS:
        assert (await compared(district.world, service)).identical
    assert (await compared(district.world, "router")).cases == 5
    assert (await compared(district.world, "sla")).rows["state"] == 4
