"""Feedback on the in-memory store: its road, what it logged, and the door's reader."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from services.feedback.api import Place, Scope
from services.feedback.domain.measuring.judged import Exclusion
from services.feedback.domain.moment import sortable
from services.feedback.domain.review import Review, Tally, Waiting
from services.feedback.main import HANDLERS
from shared.contracts.envelope import Envelope, decode
from shared.runtime.log import Head, Row, verify_chain
from shared.runtime.memory import MemoryStates, MemoryStore
from shared.runtime.road import Road
from shared.runtime.service import Handler, decide_with
from tests.unit.feedback.histories import NOW


class NoRelay:
    """An outlet that publishes nothing."""

    def holds(self, shard: int) -> bool:
        return True

    def published(self, shard: int) -> int:
        return 0

    def offer(self, rows: Sequence[Row]) -> None: ...

    def look(self) -> None: ...


class MemoryFeedback:
    """The service without its engines."""

    def __init__(self, handlers: Mapping[type, Handler] = HANDLERS) -> None:
        self.store = MemoryStore(lambda: NOW)
        self.road = Road[Review]("feedback", self.store, MemoryStates(), decide_with(handlers), NoRelay())

    def logged(self, case_id: UUID) -> list[Envelope]:
        """What feedback said about a case, read back from its log, whose chains must hold."""
        for shard, rows in self.store.tables.log.items():
            assert verify_chain(rows, Head(shard, 0, bytes(32), 0), self.store.tables.heads[shard]) == []
        rows = [row for rows in self.store.tables.log.values() for row in rows if row.case_id == case_id]
        return [decode(row.event) for row in rows]

    @property
    def states(self) -> dict[UUID, Review]:
        states = self.store.tables.states
        return {case_id: found.state for case_id, found in states.items() if isinstance(found.state, Review)}


class MemoryReviews:
    """The door's reader over the in-memory store; the twin of `PostgresReviews`."""

    def __init__(self, feedback: MemoryFeedback) -> None:
        self._feedback = feedback

    async def case_by_number(self, number: str) -> UUID | None:
        return next((case_id for case_id, _, case_number in self._known() if case_number == number), None)

    async def cases_by_number(self, numbers: Collection[str]) -> dict[str, UUID]:
        return {name: found for name in numbers if (found := await self.case_by_number(name)) is not None}

    async def reviews_by_source_ref(self, source_refs: Collection[str]) -> dict[str, tuple[UUID, Review]]:
        found = sorted(
            (sortable(review.since), case_id, review.record.source_ref)
            for case_id, review in self._feedback.states.items()
            if review.record is not None and review.record.source_ref in source_refs
        )
        return {name: (case_id, self._feedback.states[case_id]) for _, case_id, name in found if name is not None}

    async def review(self, case_id: UUID) -> Review | None:
        return self._feedback.states.get(case_id)

    async def page(
        self, scope: Scope, waiting: Waiting | None, after: Place, most: int
    ) -> Sequence[tuple[UUID, Review]]:
        found = sorted(
            (sortable(review.since), case_id, review)
            for case_id, review in self._within(scope)
            if waiting is None or waiting in review.waiting
        )
        return [
            (case_id, review) for since, case_id, review in found if (since, case_id) > (after.since, after.case_id)
        ][:most]

    async def counts(self, scope: Scope) -> tuple[int, dict[Waiting, int], Tally]:
        reviews = [review for _, review in self._within(scope)]
        tallies = [review.tally for review in reviews]
        return (
            len(reviews),
            {what: sum(what in review.waiting for review in reviews) for what in Waiting},
            Tally(**{name: sum(getattr(tally, name) for tally in tallies) for name in Tally.model_fields}),
        )

    async def exclusions(
        self, unit: str | None, ruled: bool | None, after: UUID, most: int
    ) -> Sequence[tuple[UUID, str, Exclusion]]:
        found = [
            (case_id, number, one)
            for case_id, review, number in self._known()
            for one in review.judged.exclusions
            if unit in (None, one.unit) and ruled in (None, one.approved is not None) and one.id > after
        ]
        return sorted(found, key=lambda listed: listed[2].id)[:most]

    def _known(self) -> list[tuple[UUID, Review, str]]:
        return [
            (case_id, review, review.case.number)
            for case_id, review in self._feedback.states.items()
            if review.case is not None
        ]

    def _within(self, scope: Scope) -> list[tuple[UUID, Review]]:
        return [
            (case_id, review)
            for case_id, review, _ in self._known()
            if review.case is not None
            and scope.unit in (None, review.case.whistle_blower)
            and scope.source in (None, review.case.source)
        ]
