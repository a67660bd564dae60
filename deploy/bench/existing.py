"""Closed cases that are there before: copies of one that was run, in every table of every service.

A copy has its own id, number and place in the logs, whose heads and readers stand behind it. It has the original's
events and hashes: what is measured beside it is how much there is, and the chain is nobody's question here.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql
import asyncpg

from deploy.bench.stage import IN_THE_LOOP, Stage
from deploy.check.source import LOGS
from shared.contracts.topics import SHARDS
from shared.runtime.postgres import each

queries: Any = aiosql.from_path(Path(__file__).with_name("existing.sql"), "asyncpg", mandatory_parameters=False)

AT_ONCE = 20_000
DUPLICATES = "duplicates"
"""How far the router has looked through its own log for duplicates stands beside its progress in other logs."""
OVER = timedelta(days=365)
"""The copies were made evenly over so long: their ids begin with the time, as any case's."""
SECONDS = 3600.0

_HIGH = "((($1::bigint + n * $2::bigint) / 3 * 3) << 16)"
"""A multiple of 3, and 2^64 is 4 modulo 12: the number alone says the shard."""
_CASE_ID = f"(lpad(to_hex({_HIGH}), 16, '0') || lpad(to_hex(n), 16, '0'))::uuid"
_OTHER_ID = "md5({table} || {column}::text || n)::uuid"


async def fill(where: Stage, existing: int, progress: Callable[[int], None]) -> None:
    """So many copies of a case that is finished. No service may run meanwhile. `progress` hears how many there are."""
    connection = await asyncpg.connect(where.addresses.postgres_admin_url, server_settings={"jit": "off"})
    try:
        template = await queries.template(connection)
        tables = [dict(record) async for record in each(queries.keyed_by_case(connection, schemas=list(IN_THE_LOOP)))]
        began = int((datetime.now(UTC) - OVER).timestamp() * 1000)
        apart = int(OVER.total_seconds() * 1000) // max(1, existing)
        rows = {service: await _events(connection, service, template["case_id"]) for service in IN_THE_LOOP}
        for first in range(0, existing, AT_ONCE):
            last = min(existing, first + AT_ONCE) - 1
            for table in tables:
                await _copy(connection, table, template, rows, (began, apart, first, last))
            for service in IN_THE_LOOP:
                await _copy_doors(connection, service, first, last)
            progress(last + 1)
        for service in IN_THE_LOOP:
            await _move_heads(connection, service, existing, rows[service])
        await connection.execute("vacuum (analyze)", timeout=SECONDS)
        await connection.execute("checkpoint", timeout=SECONDS)
    finally:
        await connection.close()


async def _events(connection: asyncpg.Connection, service: str, case_id: UUID) -> int:
    await connection.execute(f"set search_path to {service}")
    number: int = await queries.events(connection, case_id=case_id)
    return number


async def _copy(
    connection: asyncpg.Connection,
    table: Mapping[str, Any],
    template: Mapping[str, Any],
    rows: Mapping[str, int],
    part: tuple[int, int, int, int],
) -> None:
    names: Sequence[str] = table["columns"]
    place = f"{table['schema']}.{table['table']}"
    values = [_value(name, table["table"], rows[table["schema"]]) for name in names]
    join = f"join {table['schema']}.head on head.shard = n % {SHARDS}" if table["table"] == "log" else ""
    await connection.execute(
        f"""
        insert into {place} ({", ".join(f'"{name}"' for name in names)})
        select {", ".join(values)}
        from generate_series($3::bigint, $4::bigint) as n cross join {place} as old {join}
        where old.case_id = $5 and $6::text <> '' and $7::text <> ''
        order by n
        """,  # noqa: S608 - names by the catalogue, the rest by this module
        *(*part, template["case_id"], template["number"], template["source_ref"]),
        timeout=SECONDS,
    )


def _value(name: str, table: str, rows: int) -> str:
    """A column of a copy: its own id, shard, sequence and number; the rest as the original has it."""
    if name == "case_id":
        return _CASE_ID
    if name == "shard":
        return f"(n % {SHARDS})::smallint"
    if name == "sequence":
        return f"head.sequence + n / {SHARDS} * {rows} + old.caseseq"
    if name in ("id", "assignment_id"):
        return _OTHER_ID.format(table=f"'{table}'", column=f"old.{name}")
    if name == "state" and table == "state":
        return "replace(replace(old.state::text, $6, 'OLD' || n), $7, 'REF' || n)::jsonb"
    if name == "number":
        return "'OLD' || n"
    return f'old."{name}"'


async def _copy_doors(connection: asyncpg.Connection, service: str, first: int, last: int) -> None:
    """One request of each kind for each case, as the doors keep them."""
    await connection.execute(
        f"""
        insert into {service}.door (scope, id, fingerprint, answer, kept_until)
        select scope, 'OLD' || n, fingerprint, answer, kept_until
        from generate_series($1::bigint, $2::bigint) as n
        cross join (select distinct on (scope) * from {service}.door order by scope, id) as old
        """,  # noqa: S608
        *(first, last),
        timeout=SECONDS,
    )


async def _move_heads(connection: asyncpg.Connection, service: str, existing: int, rows: int) -> None:
    """The log ends behind the copies, all of it is published, and whoever reads it has read it."""
    moved = f"{rows} * ({existing} / {SHARDS} + (shard < {existing} % {SHARDS})::integer)"
    await connection.execute(
        f"update {service}.head set sequence = sequence + {moved}, published = published + {moved}"  # noqa: S608
    )
    topic = LOGS[service]
    read_on = [(reader, topic.name) for reader in topic.readers if reader in IN_THE_LOOP]
    for reader, log in [*read_on, *([("router", DUPLICATES)] if service == "router" else [])]:
        await connection.execute(
            f"""
            insert into {reader}.progress (log, shard, sequence) select $1, shard, sequence from {service}.head
            on conflict (log, shard) do update set sequence = excluded.sequence
            """,  # noqa: S608
            log,
        )
    if service == "sla":
        await connection.execute(
            "update sla.notice_cursor set sequence = head.sequence from sla.head where head.shard = notice_cursor.shard"
        )
