"""Clocks that lie: the database's, whose word is law unless it jumps, and the services' own, which nobody asks."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from deploy.faults import clocked
from deploy.faults.clocked import SETTLES_SECONDS, Clocked
from deploy.faults.figures import figure
from deploy.faults.ground import LOGGING, Ground, Running
from deploy.faults.kind import Injection, Kind, Variant
from deploy.faults.waiting import happened, healed

JUMPED = "chuishao_timer_clock_jumped"
FIRED = "chuishao_timer_fired_total"
NOTICED_WITHIN_SECONDS = 75.0
"""A timer with nothing due reads the clock once a minute."""
FIRES_WITHIN_SECONDS = 90.0
AWAY_SECONDS = (2.0, SETTLES_SECONDS - 4.0)
WORKS_WITHIN_SECONDS = 60.0
ROWS = 3
WRITING = ("intake", "router", "feedback", "workbench")
HOUR = 3600


# --- the database's

_FIRED_EARLY = """
select count(*) from (
    select convert_from(event, 'UTF8')::jsonb as event from sla.log where event is not null
) as stated
where event ->> 'type' = 'cn.chuishao.deadline.overdue.v1' and event ->> 'cause' like 'deadline/%'
  and (event #>> '{data,fired_at}')::timestamptz > $1 and (event #>> '{data,due_at}')::timestamptz > $2"""
"""Stated by the timer: the cause names the deadline and its step."""


async def _jumps(seconds: int, ground: Ground, injection: Injection) -> None:
    """There and back. An hour off, sla alone works meanwhile: what others wrote then would be due in an hour."""
    assert isinstance(ground, Clocked)
    still = WRITING if abs(seconds) >= HOUR else ()
    sla = ground.stack.addresses.services["sla"]
    async with AsyncExitStack() as standing:
        for service in still:
            await standing.enter_async_context(_standing_still(ground, service))
        began = datetime.now(UTC)
        ground.move(seconds)
        try:
            await happened(lambda: _shows(ground, seconds), 5, f"the database's clock is {seconds:+d} s off")
            injection.happened(f"the database's clock jumped by {seconds:+d} s")
            await healed(lambda: _is(sla, JUMPED, 1), NOTICED_WITHIN_SECONDS, "sla says that the clock jumped")
            fired = await figure(sla, FIRED)
            await asyncio.sleep(injection.chance.uniform(*AWAY_SECONDS))
            if await _is(sla, JUMPED, 1) and (now := await figure(sla, FIRED)) != fired:
                injection.breaks("I3", f"{now} fired after the clock had jumped by {seconds:+d} s, {fired} before")
            await _none_early(ground, injection, seconds, began)
        finally:
            ground.move(0)
    await happened(lambda: _shows(ground, 0), 5, "the database's clock is right again")
    await healed(lambda: _is(sla, JUMPED, 0), FIRES_WITHIN_SECONDS, "sla trusts the clock again")
    await ground.ready()
    await healed(lambda: _more_than(sla, fired), FIRES_WITHIN_SECONDS, "deadlines fire again")
    injection.happened("firing paused, said so, and goes on")


@asynccontextmanager
async def _standing_still(ground: Ground, service: str) -> AsyncIterator[None]:
    running = await ground.main(service)
    running.send(signal.SIGSTOP)
    try:
        await happened(running.stands_still, 5, f"{service} stands still")
        yield
    finally:
        running.send(signal.SIGCONT)


async def _shows(ground: Ground, seconds: int) -> bool:
    async with ground.postgres() as connection:
        shown = await connection.fetchval("select clock_timestamp()")
    return bool(abs(shown - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(seconds=3))


async def _none_early(ground: Ground, injection: Injection, seconds: int, began: datetime) -> None:
    """By true time: the timer fired nothing at a moment that only the clock that is off has reached.

    What a fact ends is judged by the moment at which it is taken, by the database's clock: for that there is no other.
    """
    if seconds <= 0:
        return
    async with ground.postgres() as connection:
        early = await connection.fetchval(
            _FIRED_EARLY, began + timedelta(seconds=seconds - 1), datetime.now(UTC) + timedelta(seconds=1)
        )
    if early:
        injection.breaks("I3", f"{early} obligations fired early by the true time: the clock had jumped")


async def _is(url: str, name: str, wanted: float) -> bool:
    return await figure(url, name) == wanted


async def _more_than(url: str, before: float | None) -> bool:
    return (await figure(url, FIRED) or 0) > (before or 0)


# --- a service's own

CLOCKS: Mapping[str, Mapping[str, str]] = {
    "+1 h": {"FAKETIME": "+1h"},
    "-1 h": {"FAKETIME": "-1h"},
    "leap day": {"FAKETIME": "@2028-02-29 23:59:50"},
    "DST ends": {"FAKETIME": "@2026-11-01 05:59:45", "TZ": "America/New_York"},
    "another zone": {"TZ": "Pacific/Apia"},
}

_ROWS_SINCE = """
select count(*) as rows, min(stated) as first, max(stated) as last from (
    select (convert_from(event, 'UTF8')::json ->> 'time')::timestamptz as stated
    from {service}.log join unnest($1::int[], $2::bigint[]) as since (at, sequence_then)
        on shard = at and sequence > sequence_then
    where event is not null) as stated"""


async def _off(service: str, clock: str, ground: Ground, injection: Injection) -> None:
    """A further process takes its share of the work by its own clock. What it states has the database's time."""
    besides = dict(CLOCKS[clock])
    if "FAKETIME" in besides:
        besides = clocked.told(**besides)
    async with ground.further(service, environment=besides) as further, ground.postgres() as connection:
        began = await connection.fetchval("select clock_timestamp()")
        shards = await happened(
            lambda: _relayed_by(ground, service, further), WORKS_WITHIN_SECONDS, f"the further {service} has shards"
        )
        before = dict(
            await connection.fetch(
                f"select shard::int, sequence from {service}.head where shard = any($1::int[])",  # noqa: S608
                shards,
            )
        )

        async def works() -> Any:
            found = await connection.fetchrow(_ROWS_SINCE.format(service=service), list(before), list(before.values()))
            return found if found["rows"] >= ROWS else None

        found = await happened(works, WORKS_WITHIN_SECONDS, f"the further {service} states something")
        injection.happened(f"a {service} ({further.pid}) whose clock was off ({clock}) stated {found['rows']} things")
        now = await connection.fetchval("select clock_timestamp()")
        if found["first"] < began - timedelta(minutes=5) or found["last"] > now + timedelta(seconds=1):
            injection.breaks(
                "I3", f"{service} ({clock}) stated things between {found['first']} and {found['last']}; it is {now}"
            )
    await ground.ready(service)


async def _relayed_by(ground: Ground, service: str, further: Running) -> list[int]:
    return [shard for shard, pid in (await ground.relays(service)).items() if pid == further.pid]


_ALL = frozenset({*LOGGING, "workbench", "live", "kafka", "postgresql"})

KINDS = (
    Kind(
        "database_clock",
        "数据库时钟跳变",
        "the database's clock jumps and jumps back: firing pauses and says so, nothing fires early, and it goes on",
        ("I3", "I5", "I7"),
        tuple(
            Variant(name, partial(_jumps, seconds), _ALL, frozenset(), seconds=360)
            for name, seconds in (("+1 h", HOUR), ("-1 h", -HOUR), ("+20 s", 20), ("-20 s", -20))
        ),
        impossible=clocked.missing,
        ground=Clocked,
    ),
    Kind(
        "service_clock",
        "服务自身时钟、闰日与时区",
        "a process of a service whose own clock is an hour off, on a leap day, or in a zone with DST: no effect",
        ("I3", "I4", "I7"),
        tuple(
            Variant(f"{service} {clock}", partial(_off, service, clock), frozenset({service}), seconds=240)
            for clock in CLOCKS
            for service in ("router", "sla", "feedback")
        ),
        impossible=clocked.missing,
    ),
)
