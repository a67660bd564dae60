"""PostgreSQL: restarted, crashed, away, without sessions. A door that cannot store says 503, acknowledges nothing."""

import asyncio
import os
import signal
from functools import partial
from typing import Any

from deploy.faults.ground import Ground
from deploy.faults.kind import Injection, Kind, Variant
from deploy.faults.kinds.broker import has_ended
from deploy.faults.knocker import Answers, knocking
from deploy.faults.waiting import happened, healed
from deploy.local import postgresql
from shared.runtime.postgres import STORE_FAULTS

ENDS_WITHIN_SECONDS = 20.0
BACK_WITHIN_SECONDS = 60.0
AWAY_SECONDS = (6.0, 20.0)
"""Longer than a door waits before it turns somebody away."""

_OURS = r"usename like 'chuishao\_%'"


async def _postmaster_struck(signal_: signal.Signals, ground: Ground, injection: Injection) -> None:
    """The server ends without a checkpoint, recovers from its write-ahead log when it is started again."""
    async with knocking(ground, injection) as answers:
        pid = ground.stack.kill(postgresql.NAME, signal_)
        await happened(lambda: has_ended(pid), ENDS_WITHIN_SECONDS, "the server ends")
        injection.happened(f"postgresql ({pid}) ended by {signal_.name}")
        await serves_again(ground)
    await _recovered(ground, injection, answers)


async def _backend_killed(ground: Ground, injection: Injection) -> None:
    """One session's process dies by SIGKILL: the server ends all others and recovers."""
    async with knocking(ground, injection) as answers:
        async with ground.postgres() as connection:
            pid = await happened(
                lambda: connection.fetchval(
                    f"select pid from pg_stat_activity where {_OURS} "  # noqa: S608
                    "order by xact_start is null, random() limit 1"
                ),
                ENDS_WITHIN_SECONDS,
                "a service has a session",
            )
            os.kill(pid, signal.SIGKILL)
            await happened(connection.is_closed, ENDS_WITHIN_SECONDS, "the server ends every session")
        injection.happened(f"a session ({pid}) was killed, and the server recovered")
        await serves_again(ground)
    await _recovered(ground, injection, answers)


async def _away(ground: Ground, injection: Injection) -> None:
    """No server for longer than a door waits: it must say so, and acknowledge nothing."""
    async with knocking(ground, injection) as answers:
        try:
            await asyncio.to_thread(ground.stack.stop_one, postgresql.NAME)
            await happened(lambda: not ground.stack.pid(postgresql.NAME), ENDS_WITHIN_SECONDS, "the server is away")
            taken, lasting = answers.acknowledged, injection.chance.uniform(*AWAY_SECONDS)
            injection.happened(f"no database for {lasting:.0f} s")
            await asyncio.sleep(lasting)
            await healed(lambda: answers.turned_away, ENDS_WITHIN_SECONDS, "a door says 503 with Retry-After")
            if answers.acknowledged > taken + 1:  # one may have been on its way back
                injection.breaks("I1", f"{answers.acknowledged - taken} whistles acknowledged without a database")
        finally:
            await asyncio.to_thread(ground.stack.start_one, postgresql.NAME)
        await serves_again(ground)
    await _recovered(ground, injection, answers)


async def _all_dropped(ground: Ground, injection: Injection) -> None:
    """Every session of every service at once."""
    async with knocking(ground, injection) as answers:
        async with ground.postgres() as connection:
            found = await connection.fetch(
                f"select pid, pg_terminate_backend(pid) from pg_stat_activity where {_OURS}"  # noqa: S608
            )
            pids = [record["pid"] for record in found]
            left = "select count(*) = 0 from pg_stat_activity where pid = any($1::int[])"
            await happened(
                lambda: connection.fetchval(left, pids) if pids else None, ENDS_WITHIN_SECONDS, "the sessions end"
            )
        injection.happened(f"{len(pids)} sessions of all services ended by the server")
    await _recovered(ground, injection, answers)


async def serves_again(ground: Ground) -> None:
    await healed(lambda: _serves(ground), BACK_WITHIN_SECONDS, "the server takes connections")


async def _serves(ground: Ground) -> Any:
    try:
        async with ground.postgres() as connection:
            return await connection.fetchval("select not pg_is_in_recovery()")
    except STORE_FAULTS:
        return False


async def _recovered(ground: Ground, injection: Injection, answers: Answers) -> None:
    await ground.ready(within=BACK_WITHIN_SECONDS)
    injection.happened(f"{answers}; all services are ready")


_CLAIMS = frozenset({"postgresql"})
_NEEDS = frozenset({"kafka", "intake"})

KINDS = (
    Kind(
        "postgres_restart",
        "数据库崩溃后恢复",
        "the database server ends without a checkpoint, or a session's process is killed, and it recovers",
        ("I1", "I3", "I4", "I5", "I7"),
        (
            Variant("pg_ctl -m immediate", partial(_postmaster_struck, signal.SIGQUIT), _CLAIMS, _NEEDS, seconds=240),
            Variant("SIGKILL of the server", partial(_postmaster_struck, signal.SIGKILL), _CLAIMS, _NEEDS, seconds=240),
            Variant("SIGKILL of a session", _backend_killed, _CLAIMS, _NEEDS, seconds=240),
        ),
        weight=2,
    ),
    Kind(
        "postgres_away",
        "数据库缺席数秒",
        "no database for longer than a door waits: 503 with Retry-After, and nothing is acknowledged",
        ("I1", "I5", "I7"),
        (Variant("6 to 20 s", _away, _CLAIMS, _NEEDS, seconds=240),),
    ),
    Kind(
        "all_sessions_dropped",
        "全部数据库会话同时被断开",
        "the database server ends every session of every service at once",
        ("I1", "I4", "I5", "I7"),
        (Variant("all services", _all_dropped, _CLAIMS, _NEEDS, seconds=180),),
    ),
)
