"""Imports a file of units as a process of its own, which a failpoint may kill."""

import asyncio
import sys
from pathlib import Path

import asyncpg

from services.router.setup import PARTS
from shared.runtime import failpoints
from shared.runtime.setup_parts import File, import_file


async def main(url: str, text: str) -> None:
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        await import_file(connection, PARTS["units"], File(text, "yaml", "units.yaml"), "test")
    await connection.close()


failpoints.arm_from_environment()
asyncio.run(main(sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8")))
