"""The router's call-back to 12345 by itself, as a process that a test may kill: `python calling_back.py`."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from services.router.callback import call_back
from services.router.callback_store import PostgresReplies
from services.router.settings import RouterSettings
from shared.runtime import failpoints
from shared.runtime.postgres import open_pool
from shared.runtime.running import Running


async def main() -> None:
    """Until it is killed."""
    failpoints.arm_from_environment()
    settings = RouterSettings()
    pool = await open_pool(settings.postgres_url.get_secret_value())
    running = SimpleNamespace(pool=pool, relay=SimpleNamespace(holds=lambda _shard: True))
    await call_back(settings, PostgresReplies, cast(Running[Any], running))


if __name__ == "__main__":
    asyncio.run(main())
