"""Waiting for a condition that another process brings about, within a bound."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

from deploy.faults.kind import NotHealed, NotInjected

POLL_SECONDS = 0.03


async def happened(condition: Callable[[], Any], within: float, what: str) -> Any:
    """Until `condition` is truthy (or gives an awaitable that is); then what it gave.

    `NotInjected` after `within` seconds: the fault did not come.
    """
    return await _until(condition, within, NotInjected(f"{what}: not within {within:g} s"))


async def healed(condition: Callable[[], Any], within: float, what: str) -> Any:
    """The same for what should recover: `NotHealed`."""
    return await _until(condition, within, NotHealed(f"{what}: not within {within:g} s"))


async def _until(condition: Callable[[], Any], within: float, late: Exception) -> Any:
    deadline = time.monotonic() + within
    while True:
        found = condition()
        value = await found if inspect.isawaitable(found) else found
        if value:
            return value
        if time.monotonic() > deadline:
            raise late
        await asyncio.sleep(POLL_SECONDS)
