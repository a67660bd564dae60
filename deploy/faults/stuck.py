"""Readers that stand still though something waits for them: told with the shard, the sequence and its case."""

import asyncio
import time

from deploy.faults.ground import LOGGING, Ground
from deploy.faults.report import Violation
from shared.contracts.topics import TOPICS

STANDS_STILL_SECONDS = 10.0
POLL_SECONDS = 0.5
OF_READER = 2
"""So many shards of a reader are told: one tells as much as all."""

_WAITING = """
select head.shard::int, coalesce(progress.sequence, 0) as at, head.sequence as end
from {source}.head left join {reader}.progress on progress.log = $1 and progress.shard = head.shard
where head.sequence > coalesce(progress.sequence, 0) order by head.shard"""
_NEXT = "select case_id from {source}.log where shard = $1 and sequence = $2"


async def stuck(ground: Ground) -> list[Violation]:
    """Those that have not moved at all for a while, though their source's log goes on."""
    began = await _waiting(ground)
    still = dict(began)
    deadline = time.monotonic() + STANDS_STILL_SECONDS
    while still and time.monotonic() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        now = await _waiting(ground)
        still = {place: at for place, at in still.items() if now.get(place, (-1, 0))[0] == at[0]}
    told: dict[tuple[str, str], int] = {}
    found: list[Violation] = []
    for (reader, source, log, shard), (at, end) in still.items():
        told[reader, log] = told.get((reader, log), 0) + 1
        if told[reader, log] <= OF_READER:
            async with ground.postgres() as connection:
                case_id = await connection.fetchval(_NEXT.format(source=source), shard, at + 1)
            stands = f"{reader} has consumed {log}/{shard} up to {at} of {end}"
            why = f"{stands}, and stood still for {STANDS_STILL_SECONDS:g} s"
            found.append(Violation("I7", why, case_id))
    return found


async def _waiting(ground: Ground) -> dict[tuple[str, str, str, int], tuple[int, int]]:
    """(reader, source, log, shard): how far it is read, and where the log ends."""
    found: dict[tuple[str, str, str, int], tuple[int, int]] = {}
    async with ground.postgres() as connection:
        for topic in TOPICS:
            if topic.writer not in LOGGING:
                continue
            for reader in topic.readers:
                if reader in LOGGING:
                    query = _WAITING.format(source=topic.writer, reader=reader)
                    for shard, at, end in await connection.fetch(query, topic.name):
                        found[reader, topic.writer, topic.name, shard] = (at, end)
    return found
