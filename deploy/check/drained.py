"""Waiting until nothing is on its way: by condition, within a bound."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
from aiokafka.errors import KafkaError

from deploy.check.live import topics_of
from deploy.check.source import CONSUMERS, LOGS
from shared.contracts.lifecycle import STAGES

_LAGS = """
select '{reader} has consumed {log} up to ' || coalesce(progress.sequence, 0) || ' of ' || head.sequence
       || ' in shard ' || head.shard as left_over
from {service}.head left join {reader}.progress on progress.log = '{log}' and progress.shard = head.shard
where head.sequence <> coalesce(progress.sequence, 0)"""
_UNPUBLISHED = """
select '{service} has published ' || published || ' of ' || sequence || ' in shard ' || shard as left_over
from {service}.head where published <> sequence"""
_LETTERS = """
select '{service} has ' || count(*) || ' dead letters to publish' as left_over
from {service}.dead_letter where not published having count(*) > 0"""
_OPEN = """
select count(*) || ' cases are not final, the oldest is ' || min(state #>> '{{matter,number}}') as left_over
from router.state where state ->> 'stage' not in ({final}) having count(*) > 0"""


class NotDrained(Exception):
    """The bound has passed; `left` says what was still on its way."""

    def __init__(self, within: float, left: list[str]) -> None:
        super().__init__(f"not drained after {within:g} s: {'; '.join(left[:5])}" + (" …" if len(left) > 5 else ""))
        self.left = left


async def wait_until_drained(
    postgres_url: str,
    kafka: Mapping[str, Any] | None = None,
    *,
    within: float,
    final: bool = False,
    every: float = 0.1,
    telling: Callable[[list[str]], None] | None = None,
) -> None:
    """Return once everything appended is published and consumed, with `kafka` every report handled too, and
    with `final` every case in a final stage. Raises `NotDrained` after `within` seconds. An engine that is away
    meanwhile only counts as not drained. `telling` hears at each look what is left.
    """
    deadline = time.monotonic() + within
    while True:
        left = await _left(postgres_url, kafka, final)
        if telling is not None:
            telling(left)
        if not left:
            return
        if time.monotonic() + every > deadline:
            raise NotDrained(within, left)
        await asyncio.sleep(every)


async def _left(postgres_url: str, kafka: Mapping[str, Any] | None, final: bool) -> list[str]:
    """What is on its way. Reports first: what follows from a handled one is in the tables by then."""
    try:
        return [*(await _reports(kafka) if kafka is not None else []), *await _tables(postgres_url, final)]
    except (OSError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return [f"cannot look: {error!r}"]


async def _reports(kafka: Mapping[str, Any]) -> list[str]:
    async with topics_of(kafka) as topics:
        return [f"{one.topic} has {one.messages} reports to handle" for one in await topics.unread() if one.messages]


async def _tables(postgres_url: str, final: bool) -> list[str]:
    """One statement, so one snapshot: consumed and appended are of the same moment."""
    parts = [_UNPUBLISHED.format(service=service) for service in LOGS]
    parts += [_LETTERS.format(service=service) for service in LOGS]
    parts += [
        _LAGS.format(reader=reader, log=log.name, service=service)
        for service, log in LOGS.items()
        for reader in log.readers
        if reader in CONSUMERS
    ]
    if final:
        stages = ", ".join(f"'{stage.value}'" for stage, row in STAGES.items() if row.final)
        parts.append(_OPEN.format(final=stages))
    connection = await asyncpg.connect(postgres_url, timeout=5, command_timeout=30)
    try:
        return [record["left_over"] for record in await connection.fetch(" union all ".join(parts))]
    finally:
        await connection.close()
