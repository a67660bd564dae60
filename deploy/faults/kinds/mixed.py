"""Two releases side by side: messages with fields that this one does not know, tables with columns it never saw."""

import signal
from functools import partial
from typing import Any

import asyncpg
import orjson

from deploy.faults.ground import LOGGING, Ground
from deploy.faults.kind import Injection, Kind, Variant
from deploy.faults.kinds.killing import REACHED_WITHIN_SECONDS
from deploy.faults.kinds.messages import HELD_UP, LOG_OF, ends_of, not_on_the_topic, readers_of
from deploy.faults.waiting import happened, healed

READ_WITHIN_SECONDS = 30.0
EXPANDED_WITHIN_SECONDS = 30.0
WORKS_WITHIN_SECONDS = 60.0
FUTURE = {"since": "9.9", "of": ["这一版还不认识", {"nested": None}]}

_PROGRESS = """
select count(*) = 0 from unnest($2::int[], $3::bigint[]) as wanted (at, upto)
where not exists (
    select 1 from {reader}.progress where log = $1 and shard = at and sequence >= upto)"""


async def _later_messages(service: str, ground: Ground, injection: Injection) -> None:
    """A later release of a service states the next events of its log, with fields nobody here knows, as attributes of
    the envelope and inside the data. Its readers must take them as they take ours."""
    log = LOG_OF[service]
    readers = [reader for reader in readers_of(log) if reader != service]
    victim = await ground.main(service, listening=True)
    async with ground.producing() as producer, ground.postgres() as connection:
        ends = await ends_of(ground, log)
        await ground.failpoints.arm(victim.pid, HELD_UP)
        try:
            await happened(victim.stands_still, REACHED_WITHIN_SECONDS, f"{service} stands still before publishing")
            rows = await not_on_the_topic(ground, connection, service, ends)
            upto: dict[int, int] = {}
            for row in rows:
                sent = await producer.send_and_wait(
                    log,
                    of_a_later_release(row.event),
                    key=str(row.case_id).encode(),
                    partition=row.shard,
                    headers=[
                        ("content-type", b"application/cloudevents+json; charset=utf-8"),
                        ("sequence", str(row.sequence).encode()),
                        ("release", b"9.9"),
                    ],
                )
                ground.foreign.places.add((sent.topic, sent.partition, sent.offset))
                upto[row.shard] = row.sequence
            for reader in readers:
                await happened(
                    partial(connection.fetchval, _PROGRESS.format(reader=reader), log, list(upto), list(upto.values())),
                    READ_WITHIN_SECONDS,
                    f"{reader} takes what a later release stated",
                )
            injection.happened(f"{len(rows)} events of a later {service} were taken by {', '.join(readers)}")
        finally:
            victim.send(signal.SIGCONT)
            await ground.failpoints.disarm(victim.pid)
        await ground.ready(service)
        taken = await connection.fetch(
            " union all ".join(
                f"select '{reader}' as reader, reason from {reader}.dead_letter "  # noqa: S608
                "where topic = $1 and partition = any($2::int[]) "
                f"and convert_from(value, 'UTF8') like '%\"since\":\"9.9\"%'"
                for reader in readers
            ),
            log,
            list(upto),
        )
    for letter in taken:
        injection.breaks("I7", f"{letter['reader']} buried an event of a later release: {letter['reason']}")


def of_a_later_release(event: bytes) -> bytes:
    """The same event with an attribute and a field that this release does not know."""
    document: dict[str, Any] = orjson.loads(event)
    return orjson.dumps(document | {"futureattribute": "9.9", "data": document["data"] | {"future": FUTURE}})


async def _later_schema(service: str, ground: Ground, injection: Injection) -> None:
    """A later release has expanded the schema: every table of a running service has one column more."""
    column = f"later_{injection.number}"
    async with ground.postgres() as connection:
        tables = [
            record["name"]
            for record in await connection.fetch(
                "select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace "
                "where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition order by 1",
                service,
            )
        ]
        await connection.execute("set lock_timeout = '1s'")

        async def expanded(table: str) -> bool:
            try:
                await connection.execute(f'alter table {service}."{table}" add column if not exists {column} text')
            except asyncpg.LockNotAvailableError:
                return False
            return True

        for table in tables:
            await happened(partial(expanded, table), EXPANDED_WITHIN_SECONDS, f"{service}.{table} has a column more")
        injection.happened(f"{len(tables)} tables of {service} have a column more, {column}")
        appended = f"select sum(sequence)::bigint from {service}.head"  # noqa: S608
        before = await connection.fetchval(appended)

        async def grows() -> bool:
            return bool(await connection.fetchval(appended) > before)

        await healed(grows, WORKS_WITHIN_SECONDS, f"{service} goes on stating things over the expanded schema")
    await ground.ready(service)


KINDS = (
    Kind(
        "mixed_versions",
        "新旧版本并行（未知字段、扩展后的表）",
        "a later release beside this one: unknown fields in the next events of a log, unknown columns in every table",
        ("I2", "I4", "I7"),
        (
            *(
                Variant(f"{service} later messages", partial(_later_messages, service), frozenset({service}))
                for service in LOGGING
            ),
            *(
                Variant(f"{service} later schema", partial(_later_schema, service), frozenset({service}), seconds=120)
                for service in LOGGING
            ),
        ),
    ),
)
