"""Between a service and its database: commits nobody knows of, sessions that are dropped, locks, old snapshots."""

import asyncio
from functools import partial
from typing import Any

from deploy.faults.ground import LOGGING, Ground
from deploy.faults.kind import Injection, Kind, Variant
from deploy.faults.kinds.killing import REACHED_WITHIN_SECONDS
from deploy.faults.waiting import happened, healed
from shared.contracts.topics import SHARDS

DROPPED_WITHIN_SECONDS = 10.0
LONGEST_LOCK_SECONDS = 3.0
LONGEST_SNAPSHOT_SECONDS = 8.0


async def _raised_at(service: str, failpoint: str, ground: Ground, injection: Injection) -> None:
    """The connection is lost there, for this process: before the commit it did not happen, after it, it did."""
    victim = await ground.main(service, listening=True)
    count = injection.chance.randint(1, 5)
    armed = await ground.failpoints.arm(victim.pid, f"{failpoint}:{count}:raise")
    try:
        await happened(
            lambda: ground.failpoints.struck(armed), REACHED_WITHIN_SECONDS, f"{service} reaches {armed.written}"
        )
        injection.happened(f"{service} ({victim.pid}) lost its connection {failpoint.replace('_', ' ')}")
    finally:
        await ground.failpoints.disarm(victim.pid)
    await ground.ready(service)


_SESSIONS = {
    "all": "usename = $1",
    "one": "usename = $1 and pid = (select pid from pg_stat_activity where usename = $1 order by random() limit 1)",
    "relay": "usename = $1 and pid in (select pid from pg_locks where locktype = 'advisory')",
    "in a transaction": "usename = $1 and xact_start is not null",
}


async def _dropped(service: str, which: str, ground: Ground, injection: Injection) -> None:
    """The server ends sessions of a service."""
    role = f"chuishao_{service}"
    async with ground.postgres() as connection:

        async def dropped() -> list[int]:
            found = await connection.fetch(
                f"select pid, pg_terminate_backend(pid) from pg_stat_activity where {_SESSIONS[which]}",  # noqa: S608
                role,
            )
            return [record["pid"] for record in found]

        pids = await happened(dropped, DROPPED_WITHIN_SECONDS, f"{service} has such a session")

        async def are_gone() -> bool:
            left = await connection.fetchval("select count(*) from pg_stat_activity where pid = any($1::int[])", pids)
            return bool(left == 0)

        await happened(are_gone, DROPPED_WITHIN_SECONDS, "the sessions end")
        injection.happened(f"{len(pids)} sessions of {service} ended by the server")
    await ground.ready(service)


async def _heads_locked(service: str, ground: Ground, injection: Injection) -> None:
    """Somebody's transaction holds heads of the log for a while."""
    shards = injection.chance.sample(range(SHARDS), injection.chance.randint(1, SHARDS))
    async with ground.postgres() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(
                f"select shard from {service}.head where shard = any($1::int[]) order by shard for update",  # noqa: S608
                shards,
            )
            own = await connection.fetchval("select pg_backend_pid()")
            async with ground.postgres() as watching:
                await happened(
                    lambda: _waits_for(watching, own), REACHED_WITHIN_SECONDS, f"{service} waits for one of the heads"
                )
            injection.happened(f"{service} waited for {len(shards)} of its heads")
            await asyncio.sleep(injection.chance.uniform(0, LONGEST_LOCK_SECONDS))
        finally:
            await transaction.rollback()
    await ground.ready(service)


async def _waits_for(connection: Any, pid: int) -> bool:
    blocked = "select exists (select 1 from pg_stat_activity where $1 = any(pg_blocking_pids(pid)))"
    return bool(await connection.fetchval(blocked, pid))


async def _old_snapshot(ground: Ground, injection: Injection) -> None:
    """A long idle transaction: nothing that dies meanwhile can be cleared away, and firing must not feel it."""
    async with ground.postgres() as connection:
        transaction = connection.transaction(isolation="repeatable_read")
        await transaction.start()
        try:
            await connection.fetchval("select count(*) from sla.deadline")
            own = await connection.fetchval("select pg_backend_pid()")
            async with ground.postgres() as watching:
                old = "select backend_xmin is not null from pg_stat_activity where pid = $1"
                await happened(lambda: watching.fetchval(old, own), 5, "the snapshot is held")
                before = await watching.fetchval(_APPENDED)
                await healed(
                    lambda: _appended_since(watching, before),
                    REACHED_WITHIN_SECONDS,
                    "all logs grow under an old snapshot",
                )
            await asyncio.sleep(injection.chance.uniform(0, LONGEST_SNAPSHOT_SECONDS))
            injection.happened("an idle transaction kept its snapshot while the logs grew")
        finally:
            await transaction.rollback()


_APPENDED = (
    "select sum(sequence)::bigint from (select sequence from sla.head union all select sequence from router.head) all_"
)


async def _appended_since(connection: Any, before: int) -> bool:
    return bool(await connection.fetchval(_APPENDED) > before)


_EVERY_COMMIT = ("I1", "I3", "I4", "I5", "I6", "I7")

KINDS = (
    Kind(
        "ambiguous_commit",
        "提交成功但应答丢失",
        "the connection is lost right after COMMIT succeeded: the retry must be a repeat",
        _EVERY_COMMIT,
        tuple(
            Variant(service, partial(_raised_at, service, "after_commit"), claims=frozenset({service}))
            for service in LOGGING
        ),
        weight=9,
    ),
    Kind(
        "lost_connection",
        "提交前或发布前后连接中断",
        "the connection is lost before the commit, around publishing, while a deadline fires or a notice is told",
        _EVERY_COMMIT,
        tuple(
            Variant(f"{service} {failpoint}", partial(_raised_at, service, failpoint), claims=frozenset({service}))
            for service, failpoint in (
                *((service, "before_commit") for service in LOGGING),
                *((service, "before_publish") for service in LOGGING),
                *((service, "after_publish") for service in LOGGING),
                *(("sla", point) for point in ("after_claim", "after_taking", "amid_noting", "amid_telling")),
            )
        ),
        weight=6,
    ),
    Kind(
        "session_dropped",
        "数据库会话被断开",
        "the database server ends sessions of a service: all, one, the relay's, those in a transaction",
        ("I1", "I4", "I5", "I7"),
        tuple(
            Variant(f"{service} {which}", partial(_dropped, service, which), claims=frozenset({service}))
            for service in LOGGING
            for which in _SESSIONS
        ),
        weight=6,
    ),
    Kind(
        "locked_heads",
        "日志头被他人事务锁住",
        "somebody's transaction holds heads of a log for some seconds",
        ("I1", "I3", "I5", "I7"),
        tuple(Variant(service, partial(_heads_locked, service), claims=frozenset({service})) for service in LOGGING),
        weight=3,
    ),
    Kind(
        "old_snapshot",
        "长时间空闲事务持有旧快照",
        "a long idle repeatable-read transaction holds an old snapshot",
        ("I3", "I7"),
        (Variant("repeatable read", _old_snapshot, needs=frozenset({"kafka", "postgresql"})),),
        weight=3,
    ),
)
