"""A poll is what has come: what the client holds, and what waits at the broker behind it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import TopicPartition

from shared.runtime.kafka import BATCH_RECORDS, FOLLOWS_MS, POLL_MS, poll

ONE, OTHER = TopicPartition("cases", 0), TopicPartition("cases", 1)


class Client:
    """Holds the first of what it is given; the rest it asks for once that is taken."""

    def __init__(self, *fetched: Mapping[TopicPartition, list[int]]) -> None:
        self._fetched = [*fetched]
        self._holds = bool(fetched)
        self.asked: list[tuple[int, int]] = []

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[int]]:
        await asyncio.sleep(0)
        self.asked.append((timeout_ms, max_records))
        if not timeout_ms and not self._holds:
            return {}
        return dict(self._fetched.pop(0)) if self._fetched else {}


class Idle(Client):
    """Holds nothing; what comes, comes while somebody waits."""

    def __init__(self, *fetched: Mapping[TopicPartition, list[int]]) -> None:
        super().__init__(*fetched)
        self._holds = False


@pytest.mark.parametrize(
    ("client", "found", "asked"),
    [
        (Idle(), {}, [(0, BATCH_RECORDS), (POLL_MS, BATCH_RECORDS)]),
        (Idle({ONE: [1]}), {ONE: [1]}, [(0, BATCH_RECORDS), (POLL_MS, BATCH_RECORDS)]),
        (Client({ONE: [1]}), {ONE: [1]}, [(0, BATCH_RECORDS), (FOLLOWS_MS, BATCH_RECORDS - 1)]),
        (
            Client({ONE: [1]}, {ONE: [2, 3], OTHER: [7]}),
            {ONE: [1, 2, 3], OTHER: [7]},
            [(0, BATCH_RECORDS), (FOLLOWS_MS, BATCH_RECORDS - 1)],
        ),
        (
            Client({ONE: [*range(BATCH_RECORDS)]}, {ONE: [BATCH_RECORDS]}),
            {ONE: [*range(BATCH_RECORDS)]},
            [(0, BATCH_RECORDS)],
        ),
    ],
    ids=["nothing", "while waiting", "held", "held and what follows", "held is a batch"],
)
async def test_a_poll_is_all_that_has_come_in_order(
    client: Client, found: Mapping[TopicPartition, Any], asked: list[tuple[int, int]]
) -> None:
    assert await poll(client) == found
    assert client.asked == asked


async def test_who_waits_for_something_else_says_how_long() -> None:
    client = Idle()
    assert await poll(client, 30) == {}
    assert client.asked == [(0, BATCH_RECORDS), (30, BATCH_RECORDS)]
