"""Broken parts, one for each thing that makes the road exact. The simulation must catch every one of them."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from aiokafka.errors import KafkaError

from shared.runtime import failpoints
from shared.runtime.consumer import Consumer, to_input
from shared.runtime.decision import Fate, FromDeadLetter, FromDoor, FromLog, Input, Outcome
from shared.runtime.kafka import poll
from shared.runtime.log import Row
from shared.runtime.memory import MemoryTransaction, Tables, Taken
from shared.runtime.ports import Find, Versioned
from shared.runtime.relay import Ownership, Relay
from shared.runtime.remembered import Mark, Remembered
from shared.runtime.road import Road
from tests.unit.runtime.simulated import SimulatedStore, State
from tests.unit.runtime.simulation import Parts


class TakesAnySequence(Road[State]):
    """Passes over what is missing."""

    def _known_already(self, batch: Any, item: Input[Any]) -> Outcome | None:
        known = super()._known_already(batch, item)
        return None if known is not None and known.fate is Fate.AHEAD else known


class TakesRepeats(Road[State]):
    """Relies on the broker to deliver once."""

    def _known_already(self, batch: Any, item: Input[Any]) -> Outcome | None:
        known = super()._known_already(batch, item)
        return None if known is not None and isinstance(item.origin, FromLog) and known.fate is Fate.REPEAT else known


class MovesProgressFirst(Road[State]):
    """Progress in a transaction of its own, before deciding."""

    async def _attempt(self, shards: Collection[int], find: Find, logs: Collection[str]) -> list[Outcome]:
        async with self.store.transaction() as transaction:
            await transaction.lock_heads(shards, logs)
            inputs = await find(transaction, transaction.now)
            progress = dict(transaction.progress)
            fresh, outcomes = [], []
            for item in inputs:
                outcomes.append(Outcome(Fate.FAILED))
                match item.origin:
                    case FromLog(log, shard, sequence) if sequence != progress.get((log, shard), 0) + 1:
                        ahead = sequence > progress.get((log, shard), 0)
                        outcomes[-1] = Outcome(Fate.AHEAD if ahead else Fate.REPEAT)
                    case FromLog(log, shard, sequence):
                        progress[log, shard] = sequence
                        fresh.append((len(outcomes) - 1, replace(item, origin=FromDoor(()))))
                    case _:
                        fresh.append((len(outcomes) - 1, item))
            await transaction.write(progress=progress)

        async def given(_transaction: Any, _now: Any) -> Sequence[Input[Any]]:
            return [item for _, item in fresh]

        for (at, _), outcome in zip(fresh, await super()._attempt(shards, given, logs), strict=True):
            outcomes[at] = outcome
        return outcomes


class PublishesBeforeCommit(Road[State]):
    """Its rows are on the topic before they are in the log."""

    async def _save(self, transaction: Any, batch: Any) -> None:
        await super()._save(transaction, batch)
        relay: Any = self._outlet
        with suppress(OSError, KafkaError):  # the relay publishes them later, as ever
            await relay._publisher.publish([message for row in batch.rows for message in relay._messages(row)])


class ForgetsTheDoor(Road[State]):
    """Remembers no request."""

    def _settle(self, batch: Any, item: Input[Any], answer: Mapping[str, Any] | None) -> None:
        if not isinstance(item.origin, FromDoor):
            super()._settle(batch, item, answer)


class ForgetsReplays(Road[State]):
    """Replays a dead letter as often as it is asked to."""

    def _settle(self, batch: Any, item: Input[Any], answer: Mapping[str, Any] | None) -> None:
        if not isinstance(item.origin, FromDeadLetter):
            super()._settle(batch, item, answer)


class DropsThePoison(Road[State]):
    """Moves on without a dead letter."""

    def _bury(self, batch: Any, item: Input[Any], kind: str, reason: str) -> Outcome:
        outcome = super()._bury(batch, item, kind, reason)
        batch.burials.pop()
        return outcome


class CountsEveryBatchAnew(Road[State]):
    """`caseseq` begins at 1 again."""

    def _rows(self, batch: Any, item: Input[Any], caseseq: int, facts: Any) -> list[Row]:
        return super()._rows(batch, item, 0, facts)


class AdvancesBeforePublishing(Relay):
    """The position moves when the rows are read, and the store is told so."""

    async def _next_rows(self, shard: int) -> list[Row]:
        rows = await super()._next_rows(shard)
        if rows:
            self._position[shard] = rows[-1].sequence
            await self._mark()
        return rows


class MarksWhatWaits(Relay):
    """Says that rows are published which are only offered."""

    def published(self, shard: int) -> int:
        waiting = self._waiting.get(shard)
        return waiting[-1].sequence if waiting else super().published(shard)


class TrustsItsMemory(Relay):
    """Publishes what it was offered, whatever lies before it."""

    async def _next_rows(self, shard: int) -> list[Row]:
        waiting = self._waiting.get(shard)
        if not waiting:
            return await super()._next_rows(shard)
        return [row for row in self._waiting.pop(shard) if row.sequence > self._position[shard]]


class TakesOverAtTheEnd(Relay):
    """Begins where the log ends, not where the topic does."""

    async def _settle(self, ownership: Ownership) -> None:
        before = set(self._position)
        await super()._settle(ownership)
        for shard in self._position.keys() - before:
            self._position[shard] = self._store.tables.heads[shard].sequence  # type: ignore[attr-defined]


class RepublishesOneRow(Relay):
    """Sends the missing row, and not what readers skipped because of it."""

    async def republish(self, shard: int, from_sequence: int) -> int:
        rows = await self._store.unpublished(shard, from_sequence - 1, 1)
        await self._publisher.publish([message for row in rows for message in self._messages(row)])
        return len(rows)


class CommitsOnReading(Consumer):
    """Offsets are committed before the work is done."""

    async def _consume(self) -> None:
        while not self._stopping:
            polled = await poll(self._kafka)
            records = [record for found in polled.values() for record in found]
            if records:
                self._handled = {at: found[-1].offset + 1 for at, found in polled.items()}
                await self._commit()
                failpoints.reach("after_poll")
                inputs = [to_input(record) for record in records]
                self.gaps.see(inputs, await self._road.travel(inputs))
            else:
                self.gaps.check()


class KeepsGapsToItself(Consumer):
    """Loss goes unnoticed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gaps._alarm_seconds = 1e9


class TrustsWhatItRemembers(Remembered[State]):
    """Does not look whether anybody else was there meanwhile."""

    def recall(self, marks: Mapping[int, Mark], case_ids: Collection[UUID]) -> dict[UUID, Versioned[State]]:
        return super().recall({shard: known.mark for shard, known in self._shards.items()}, case_ids)


class KeepsWhatIsOld(Remembered[State]):
    """Goes on from a shard that others changed as if it had kept up with it."""

    def learn(self, before: Mapping[int, Mark], after: Mapping[int, Mark], states: Any, unknown: Any = ()) -> None:
        for shard in self._shards.keys() & after.keys():
            self._shards[shard].mark = before[shard]
        super().learn(before, after, states, unknown)


class AppendsWithoutTheLock(SimulatedStore):
    """Transactions do not wait for each other: what one writes follows from heads that another may have moved."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._lock: Any = nullcontext()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        async with super().transaction() as transaction:
            before = self.tables
            yield transaction
            await self._world.pause
            self._write_over(before, transaction.tables)

    def _write_over(self, before: Tables, mine: Tables) -> None:
        """Over what others have written meanwhile, as rows of a table are; a request is remembered once, as ever."""
        if (mine.kept.keys() - before.kept.keys()) & self.tables.kept.keys():
            raise Taken("another transaction was first")
        for name in ("heads", "progress", "kept", "states"):
            was, now, written = (getattr(tables, name) for tables in (before, self.tables, mine))
            setattr(mine, name, now | {key: value for key, value in written.items() if was.get(key) != value})
        for shard, rows in mine.log.items():
            mine.log[shard] = self.tables.log[shard] + rows[len(before.log[shard]) :]
        mine.burials = self.tables.burials + mine.burials[len(before.burials) :]
        mine.replayed |= self.tables.replayed


class CommitsWhatFailed(SimulatedStore):
    """Half of a batch takes effect when the other half cannot."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        async with super().transaction() as transaction:
            try:
                yield transaction
            except Exception:
                self.tables = transaction.tables
                raise


MUTATIONS = {
    broken.__name__: Parts(**{part: broken})  # type: ignore[arg-type]
    for part, broken in (
        ("road", TakesAnySequence),
        ("road", TakesRepeats),
        ("road", MovesProgressFirst),
        ("road", PublishesBeforeCommit),
        ("road", ForgetsTheDoor),
        ("road", ForgetsReplays),
        ("road", DropsThePoison),
        ("road", CountsEveryBatchAnew),
        ("relay", AdvancesBeforePublishing),
        ("relay", MarksWhatWaits),
        ("relay", TrustsItsMemory),
        ("relay", TakesOverAtTheEnd),
        ("relay", RepublishesOneRow),
        ("consumer", CommitsOnReading),
        ("consumer", KeepsGapsToItself),
        ("remembered", TrustsWhatItRemembers),
        ("remembered", KeepsWhatIsOld),
        ("store", AppendsWithoutTheLock),
        ("store", CommitsWhatFailed),
    )
}
