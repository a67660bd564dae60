"""What letters are made from, on the in-memory feedback."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from services.feedback.domain.review import Review
from services.feedback.letters.letters import TELLING
from services.feedback.letters.letters_log import Part, Positions
from shared.contracts.envelope import decode
from tests.unit.feedback.memory import MemoryFeedback


class MemoryLog:
    """The twin of `PostgresLog`."""

    def __init__(self, feedback: MemoryFeedback, now: datetime) -> None:
        self._feedback = feedback
        self.time = now

    async def since(self, positions: Positions, most: int) -> dict[int, Part]:
        found = {}
        for shard, after in positions.items():
            rows = self._feedback.store.tables.log[shard][after : after + most]
            if rows:
                told = [envelope for row in rows if isinstance((envelope := decode(row.event)).fact, TELLING)]
                found[shard] = Part(rows[-1].sequence, len(rows) == most, told)
        return found

    async def ends(self) -> Positions:
        return {shard: head.sequence for shard, head in self._feedback.store.tables.heads.items()}

    async def reviews(self, case_ids: Collection[UUID]) -> dict[UUID, Review]:
        return {case_id: review for case_id, review in self._feedback.states.items() if case_id in case_ids}

    async def now(self) -> datetime:
        return self.time
