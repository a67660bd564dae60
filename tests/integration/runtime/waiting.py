"""Waiting for a condition, for a bounded time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

import asyncpg

POLL_SECONDS = 0.02


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]], what: str = "the condition", within: float = 30.0
) -> None:
    """Return once `condition` holds; AssertionError if it does not within so many seconds."""
    deadline = time.monotonic() + within
    while True:
        found = condition()
        if await found if inspect.isawaitable(found) else found:
            return
        assert time.monotonic() < deadline, f"{what} did not come about within {within:.0f} s"
        await asyncio.sleep(POLL_SECONDS)


async def until_somebody_waits(pool: asyncpg.Pool) -> None:
    """Until a transaction waits for a lock that another has."""

    async def waits() -> bool:
        found: bool = await pool.fetchval("select exists (select from pg_locks where not granted)")
        return found

    await eventually(waits, "a wait for a lock", within=20)
