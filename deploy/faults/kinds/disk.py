"""A full disk, under PostgreSQL and under Kafka: what is acknowledged is stored, or it is not acknowledged."""

import asyncio
from functools import partial
from typing import Any

import asyncpg

from deploy.faults import small_disks
from deploy.faults.ground import Ground
from deploy.faults.kind import Injection, Kind, Variant
from deploy.faults.kinds.broker import WHISTLES, backlog_drained, broker_answers
from deploy.faults.kinds.postgres import serves_again
from deploy.faults.knocker import knocking
from deploy.faults.small_disks import SmallDisks
from deploy.faults.waiting import happened, healed
from deploy.local import kafka, postgresql

FULL_BELOW_BYTES = 64 * 1024
FELT_WITHIN_SECONDS = 60.0
TAKES_WITHIN_SECONDS = 60.0
REPAIRED_WITHIN_SECONDS = 240.0
"""The supervisor tries less and less often, and every partition's last segment is looked through."""
LONGEST_SECONDS = 12.0
_KAFKA = frozenset({"kafka", "intake"})
_GROWTH = """
create table if not exists public.growing (filling bytea);
alter table public.growing alter column filling set storage external"""
_GROW = "insert into public.growing select decode(repeat('00', 4000000), 'hex')"


async def _under_postgresql(ends: bool, ground: Ground, injection: Injection) -> None:
    """It can extend no table and, where it `ends` for that, not go on with its write-ahead log: until there is room
    again, what cannot be stored is turned away."""
    assert isinstance(ground, SmallDisks)
    async with knocking(ground, injection) as answers:
        async with ground.postgres() as connection:
            await connection.execute(_GROWTH)
            with ground.full(postgresql.NAME):
                await happened(lambda: ground.free_bytes(postgresql.NAME) < FULL_BELOW_BYTES, 10, "the disk is filled")
                await happened(lambda: _fails_for_want_of_room(connection, _GROW), 20, "nothing can be stored")
                injection.happened("the disk under PostgreSQL is full: no table grows")
                if ends:
                    pid = ground.stack.pid(postgresql.NAME)
                    await happened(lambda: _fails_for_want_of_room(connection, "select pg_switch_wal()"), 20, "it ends")
                    injection.happened(f"postgresql ({pid}) could not go on with its write-ahead log")
                    await healed(lambda: answers.turned_away, FELT_WITHIN_SECONDS, "a door says 503 with Retry-After")
                await asyncio.sleep(injection.chance.uniform(2, LONGEST_SECONDS))
        await serves_again(ground)
    await ground.ready(within=FELT_WITHIN_SECONDS)
    injection.happened(f"{answers}; there is room again, and all services are ready")


async def _fails_for_want_of_room(connection: Any, statement: str) -> bool:
    """Whether the server refuses this, or breaks down over it."""
    try:
        await connection.execute(statement)
    except (asyncpg.DiskFullError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
        return True
    return False


async def _under_kafka(ground: Ground, injection: Injection) -> None:
    """The broker goes down; what is accepted waits in the logs until it has room and is back."""
    assert isinstance(ground, SmallDisks)
    pid = ground.stack.pid(kafka.NAME)
    async with knocking(ground, injection) as answers:
        with ground.full(kafka.NAME):
            await happened(lambda: ground.free_bytes(kafka.NAME) < FULL_BELOW_BYTES, 10, "the disk under Kafka is full")
            injection.happened("the disk under Kafka is full")
            await happened(lambda: ground.stack.pid(kafka.NAME) != pid, FELT_WITHIN_SECONDS, "the broker goes down")
            taken = answers.acknowledged
            await healed(
                lambda: answers.acknowledged >= taken + WHISTLES, TAKES_WITHIN_SECONDS, "intake accepts meanwhile"
            )
            await asyncio.sleep(injection.chance.uniform(0, LONGEST_SECONDS))
            if answers.turned_away:
                injection.breaks("I1", f"with the disk under Kafka full, {answers.turned_away} were turned away")
        await broker_answers(ground, REPAIRED_WITHIN_SECONDS)
    await backlog_drained(ground, injection, answers)


KINDS = (
    Kind(
        "disk_full",
        "磁盘写满（数据库、消息中间件）",
        "the disk under PostgreSQL, or under Kafka, is full for a while: no acknowledgement without durability",
        ("I1", "I5", "I7"),
        (
            Variant("PostgreSQL, tables", partial(_under_postgresql, False), frozenset({"postgresql"}), _KAFKA, 240),
            Variant("PostgreSQL, its log", partial(_under_postgresql, True), frozenset({"postgresql"}), _KAFKA, 240),
            Variant("Kafka", _under_kafka, frozenset({"kafka"}), frozenset({"postgresql", "intake"}), 540),
        ),
        impossible=small_disks.missing,
        ground=SmallDisks,
    ),
)
