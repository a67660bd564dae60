"""The load on the bare pipeline: the same followers, the same reports; feed, call-backs and verdicts by topic."""

from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import orjson
from uuid_utils import uuid7

from deploy.bench.bare_script import ORDERS, WORDS
from deploy.bench.plays import CALLED_BACK, CHECK, HANDLED, ByTopic, order_of, rating_of
from shared.contracts.topics import shard_of

STEP = "step"


class Bare(ByTopic):
    """Nobody answers: an order's case is named by whoever sends it."""

    async def start(self, number: int, due: float) -> None:
        for _ in range(number):
            matter = self.matter()
            case = str(uuid7())
            self.refs[case.encode()] = matter["number"]
            self.watch.known(case.encode(), due)
            await self._send(ORDERS, case, 1, order_of(matter))

    def acts(self, case: bytes, stage: int) -> None:
        if stage != HANDLED:
            super().acts(case, stage)
            return
        words = ({"orderNum": self.refs[case], **CALLED_BACK}, rating_of(self.unit_of[case]), CHECK)
        for step, said in enumerate(words, start=1):
            self.spawn(self._send(WORDS, case.decode(), step, said))

    def running(self) -> list[Coroutine[Any, Any, None]]:
        return []

    async def _send(self, topic: str, case: str, step: int, said: object) -> None:
        headers = [(STEP, str(step).encode())]
        await self.producer.send(topic, orjson.dumps(said), case.encode(), shard_of(UUID(case)), headers=headers)
