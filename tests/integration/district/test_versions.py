"""Versions of the set-up on real PostgreSQL: all or nothing, seen by whoever holds them, added by the router."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from deploy.migrate import begin_with
from services.router.setup import PARTS
from shared.contracts.faults import SetupInvalid
from shared.runtime import failpoints
from shared.runtime.district import UNITS, Kind, NothingInForce, Setup, begin_import, import_version, present, queries
from shared.runtime.postgres import PostgresStore, each, open_pool
from shared.runtime.setup_parts import File, import_file
from tests.integration.district.conftest import District
from tests.integration.runtime.waiting import until_somebody_waits

HUB = "  - {code: hub, name: 区, kind: hub}\n"
FIRST = f"version: first\nunits:\n{HUB}  - {{code: comm-east, name: 湖东社区, kind: community, parent: hub}}\n"
SECOND = (
    f"version: second\nunits:\n{HUB}"
    "  - {code: comm-lake, name: 湖畔社区, kind: community, parent: hub, succeeds: [comm-east]}\n"
)


@pytest.fixture
async def pool(district: District) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(district.url("router"))
    yield pool
    await pool.close()


@pytest.fixture
async def reader(district: District) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(district.url("intake"))
    yield connection
    await connection.close()


async def imports(pool: asyncpg.Pool, text: str) -> tuple[int, bool]:
    async with pool.acquire() as connection, connection.transaction():
        _, imported = await import_file(connection, PARTS["units"], File(text, "yaml", "units.yaml"), "wang")
    return imported.number, imported.changed


async def labels(connection: asyncpg.Connection) -> list[tuple[int, str, bool]]:
    found = each(queries.versions(connection, kind="units", before=100, most=100))
    return [(record["number"], record["label"], record["in_force"]) async for record in found]


class Killed(BaseException):
    """Stands for the end of the process."""


async def test_an_import_is_seen_by_whoever_holds_the_units(pool: asyncpg.Pool, reader: asyncpg.Connection) -> None:
    setup = Setup(UNITS)
    with pytest.raises(NothingInForce):
        await setup.refresh(reader)
    assert await imports(pool, FIRST) == (1, True)
    await setup.refresh(reader)
    assert setup.current(UNITS).version == "first"
    assert await imports(pool, SECOND) == (2, True)
    await setup.refresh(reader)
    assert (setup.current(UNITS).version, setup.current(UNITS).present("comm-east")) == ("second", "comm-lake")


async def test_a_batch_sees_what_was_imported_while_it_waited_for_the_heads(
    pool: asyncpg.Pool, district: District
) -> None:
    store = PostgresStore("router", pool, district.url("router"), kinds=["units", "rules"])
    setup = Setup(UNITS)
    await imports(pool, FIRST)

    async def wait_for_the_heads() -> tuple[Mapping[str, int], str]:
        async with store.transaction() as transaction:
            await transaction.lock_heads([0])
            await setup.follow(transaction.connection, transaction.in_force)
            return transaction.in_force, setup.current(UNITS).version

    async with store.transaction() as transaction:
        await transaction.lock_heads([0])
        assert transaction.in_force == {"units": 1}
        waiting = asyncio.create_task(wait_for_the_heads())
        await until_somebody_waits(pool)
        await imports(pool, SECOND)
    assert await waiting == ({"units": 2}, "second")


async def test_a_service_without_a_setup_reads_none(pool: asyncpg.Pool, district: District) -> None:
    await imports(pool, FIRST)
    async with PostgresStore("router", pool, district.url("router")).transaction() as transaction:
        await transaction.lock_heads([0])
        assert transaction.in_force == {}


async def test_a_watcher_sees_it_by_itself(pool: asyncpg.Pool) -> None:
    setup = Setup(UNITS)
    watching = asyncio.create_task(setup.watch(pool))
    for text, version in ((FIRST, "first"), (SECOND, "second")):
        await imports(pool, text)
        async with asyncio.timeout(20):
            while setup.missing() or setup.current(UNITS).version != version:
                await asyncio.sleep(0.02)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_the_same_again_adds_no_version(pool: asyncpg.Pool, reader: asyncpg.Connection) -> None:
    assert [await imports(pool, text) for text in (FIRST, FIRST, SECOND, SECOND)] == [
        (1, True),
        (1, False),
        (2, True),
        (2, False),
    ]
    assert await labels(reader) == [(2, "second", True), (1, "first", False)]


async def test_what_ends_in_the_middle_leaves_the_old_version(pool: asyncpg.Pool, reader: asyncpg.Connection) -> None:
    def end(name: str) -> None:
        if name == "amid_import":
            raise Killed

    await imports(pool, FIRST)
    failpoints.install(end)
    try:
        with pytest.raises(Killed):
            await imports(pool, SECOND)
    finally:
        failpoints.install(None)
    assert await labels(reader) == [(1, "first", True)]
    assert await imports(pool, SECOND) == (2, True)


async def test_a_process_killed_in_the_middle_leaves_the_old_version(
    district: District, pool: asyncpg.Pool, reader: asyncpg.Connection, tmp_path: Path
) -> None:
    await imports(pool, FIRST)
    file = tmp_path / "units.yaml"
    file.write_text(SECOND, encoding="utf-8")
    importing = [sys.executable, str(Path(__file__).with_name("importing.py")), district.url("router"), str(file)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": "."}
    statuses = []
    for failpoint in ("amid_import", ""):
        process = await asyncio.create_subprocess_exec(*importing, env=environment | {"CHUISHAO_FAILPOINT": failpoint})
        statuses.append(await asyncio.wait_for(process.wait(), 60))
        if failpoint:
            assert await labels(reader) == [(1, "first", True)]
    assert statuses == [-signal.SIGKILL, 0]
    assert await labels(reader) == [(2, "second", True), (1, "first", False)]


async def test_a_file_with_a_fault_changes_nothing(pool: asyncpg.Pool, reader: asyncpg.Connection) -> None:
    await imports(pool, FIRST)
    with pytest.raises(SetupInvalid, match="nobody takes its cases"):
        await imports(pool, f"version: second\nunits:\n{HUB}")
    assert await labels(reader) == [(1, "first", True)]


async def test_imports_at_once_follow_one_another(pool: asyncpg.Pool, reader: asyncpg.Connection) -> None:
    await imports(pool, FIRST)
    texts = [FIRST.replace("first", f"n{number}").replace("湖东社区", f"社区{number}") for number in range(5)]
    numbers = await asyncio.gather(*(imports(pool, text) for text in texts))
    assert sorted(number for number, _ in numbers) == [2, 3, 4, 5, 6]
    assert [number for number, _, in_force in await labels(reader) if in_force] == [6]


@pytest.mark.parametrize(
    "statement",
    [
        "insert into district.version select kind, 9, label, content, digest from district.version",
        "update district.in_force set number = 1",
        "delete from district.version",
    ],
)
async def test_only_an_importer_may_import(pool: asyncpg.Pool, reader: asyncpg.Connection, statement: str) -> None:
    await imports(pool, FIRST)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute(statement)


@pytest.mark.parametrize("statement", ["delete from district.version", "update district.version set label = 'x'"])
async def test_not_even_the_router_rewrites_a_version(pool: asyncpg.Pool, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)


async def test_a_version_that_cannot_be_read_is_passed_over(pool: asyncpg.Pool, reader: asyncpg.Connection) -> None:
    setup = Setup(UNITS)
    await imports(pool, FIRST)
    await setup.refresh(reader)
    async with pool.acquire() as connection, connection.transaction():
        await begin_import(connection)
        await import_version(connection, "units", "of a later release", b'{"units": 7}', "wang")
    await setup.refresh(reader)
    assert setup.current(UNITS).version == "first"


async def test_a_transaction_that_began_before_brings_no_old_version_back(
    pool: asyncpg.Pool, reader: asyncpg.Connection
) -> None:
    setup = Setup(UNITS)
    await imports(pool, FIRST)
    async with reader.transaction(isolation="repeatable_read"):
        await setup.refresh(reader)
        await imports(pool, SECOND)
        async with pool.acquire() as connection:
            await setup.refresh(connection)
        await setup.refresh(reader)
        assert setup.current(UNITS).version == "second"


async def test_a_new_installation_begins_with_the_folder_s_files_and_never_reads_them_again(
    district: District, tmp_path: Path
) -> None:
    (tmp_path / "units.yaml").write_text(FIRST, encoding="utf-8")
    connection = await asyncpg.connect(district.admin_url)
    # the holidays are the whole country's, and units are measured as shipped until the district says otherwise
    assert [one.split()[0] for one in await begin_with(connection, tmp_path)] == ["units", "calendar", "scoring"]
    (tmp_path / "units.yaml").write_text(SECOND, encoding="utf-8")
    assert await begin_with(connection, tmp_path) == []
    found = await present(connection, UNITS)
    await connection.close()
    assert found is not None
    assert found.version == "first"


async def test_a_part_nobody_imported_is_missing(pool: asyncpg.Pool) -> None:
    setup = Setup(UNITS, Kind("rules", bytes))
    await imports(pool, FIRST)
    async with pool.acquire() as connection:
        with pytest.raises(NothingInForce, match="no rules in force"):
            await setup.refresh(connection)
    assert setup.missing() == "no rules in force"
