"""What calling 12345 back reads and keeps, on the in-memory router."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.router.callback import Reply, Waiting, replies_of
from services.router.callback_post import Answer
from services.router.callback_store import PutAside
from tests.unit.router.memory import MemoryRouter


class MemoryReplies:
    """The twin of `PostgresReplies`."""

    def __init__(self, router: MemoryRouter) -> None:
        self._router = router
        self._aside: dict[UUID, Waiting] = {}
        self._sent: dict[UUID, datetime] = {}
        self.kept: dict[int, int] = {}

    def is_transient(self, error: BaseException) -> bool:
        return isinstance(error, OSError)

    async def begin(self, from_start: bool) -> None:
        for shard, head in self._router.store.tables.heads.items():
            self.kept.setdefault(shard, 0 if from_start else head.sequence)

    async def positions(self, shards: Collection[int]) -> dict[int, int]:
        if self._router.store.away:
            raise ConnectionRefusedError("the database is away")
        return {shard: self.kept[shard] for shard in shards if shard in self.kept}

    async def since(self, sequences: Mapping[int, int], most: int) -> dict[int, tuple[int, list[Reply]]]:
        found = {}
        for shard, after in sequences.items():
            rows = self._router.store.tables.log[shard][after : after + most]
            if rows:
                told = [
                    reply
                    for row in rows
                    if row.event is not None
                    for reply in replies_of(shard, row.sequence, row.event)
                ]
                found[shard] = (rows[-1].sequence, told)
        return found

    async def remember(self, sequences: Mapping[int, int]) -> None:
        if self._router.store.away:
            raise ConnectionRefusedError("the database is away")
        for shard, sequence in sequences.items():
            self.kept[shard] = max(self.kept[shard], sequence)

    async def put_aside(self, replies: Sequence[Waiting]) -> None:
        for one in replies:
            self._aside.setdefault(one.reply.id, one)

    async def put_aside_so_far(self, most: int) -> list[dict[str, Any]]:
        return [
            {
                "id": one.reply.id,
                "case_id": one.reply.case_id,
                "type": one.reply.type,
                "fault": one.fault.value if one.fault else "",
                "reason": one.why,
                "attempts": one.attempts,
            }
            for identifier, one in self._aside.items()
            if identifier not in self._sent
        ][:most]

    async def one_put_aside(self, identifier: UUID) -> PutAside | None:
        found = self._aside.get(identifier)
        return None if found is None else PutAside(identifier, found.reply.body, self._sent.get(identifier))

    async def tried_again(self, identifier: UUID, answer: Answer) -> datetime | None:
        one = self._aside[identifier]
        one.attempts += 1
        if answer.fault is None:
            return self._sent.setdefault(identifier, self._router.clock())
        one.fault, one.why = answer.fault, answer.why
        return None
