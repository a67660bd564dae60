"""Whether a service lives and whether it is ready, with the reason where it is not."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared.runtime import metrics

Check = Callable[[], Awaitable[str | None]]
"""Returns None when all is well, else what is wrong."""

CHECK_SECONDS = 2.0
WATCH_SECONDS = 5.0


async def readiness(checks: Mapping[str, Check]) -> tuple[bool, dict[str, Any]]:
    """Run every check within two seconds and say, for each, `ok` or what is wrong."""

    async def one(check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await check() or "ok"
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:.0f} s"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            return f"{type(error).__name__}: {error}"

    found = dict(zip(checks, await asyncio.gather(*(one(check) for check in checks.values())), strict=True))
    return all(result == "ok" for result in found.values()), found


async def watch(service: str, checks: Mapping[str, Check]) -> None:
    """Show what every check says for as long as the service lives, also when nobody asks."""
    while True:
        _, found = await readiness(checks)
        for name, result in found.items():
            metrics.READY.labels(service, name).set(result == "ok")
        await asyncio.sleep(WATCH_SECONDS)
