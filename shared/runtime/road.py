"""The one road: every message, HTTP command and timer goes through these few lines.

    lock the shards' heads, drop what is not the next sequence   ┐
    → load the states                                            │ one transaction
    → decide (pure)                                              │ for a whole batch
    → save the states, append to the log, move progress          │
    → commit                                                     ┘
    → offer the appended rows to the relay → acknowledge the input

At least once on the wire, exactly once in effect. An input counts once its transaction is committed; the
relay publishes from the log, so acknowledging need not wait for the broker.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import structlog
from uuid_utils import uuid7

from shared.contracts.envelope import MAXIMUM_BYTES, Envelope, encode
from shared.contracts.facts import Fact
from shared.contracts.topics import SHARDS, shard_of
from shared.runtime import failpoints, metrics, tracing
from shared.runtime.decision import (
    Decide,
    Decision,
    DoorKey,
    Fate,
    FromDeadLetter,
    FromDoor,
    FromLog,
    FromTimer,
    Input,
    Outcome,
    Refusal,
)
from shared.runtime.log import Head, Row, after, next_row
from shared.runtime.ports import Burial, Find, Kept, LogStore, Outlet, Sleep, States, Transaction, Versioned
from shared.runtime.remembered import Remembered

logger = structlog.get_logger(__name__)

S = TypeVar("S")

BY_TIMER, OUR_OWN = "timer", "own"
"""Doors of what nobody outside asked for: a deadline's time came; what we found to do ourselves."""


@dataclass(slots=True)
class _Batch(Generic[S]):
    """The working set of one transaction."""

    now: datetime
    heads: dict[int, Head]
    progress: dict[tuple[str, int], int]
    states: dict[UUID, Versioned[S]]
    marks: dict[int, tuple[int, ...]]
    rows: list[Row] = field(default_factory=list)
    changed: dict[UUID, Versioned[S]] = field(default_factory=dict)
    advanced: dict[tuple[str, int], int] = field(default_factory=dict)
    kept: dict[tuple[str, str], Kept] = field(default_factory=dict)
    newly_kept: list[tuple[DoorKey, Kept]] = field(default_factory=list)
    burials: list[Burial] = field(default_factory=list)
    replayed: set[int] = field(default_factory=set)
    newly_replayed: set[int] = field(default_factory=set)


class Unavailable(Exception):
    """The store could not be reached within the caller's patience; nothing is known to have happened."""


class Road(Generic[S]):
    """A service's road. Safe to travel concurrently: the heads' locks put batches in order."""

    def __init__(
        self,
        service: str,
        store: LogStore,
        states: States[S],
        decide: Decide[S],
        outlet: Outlet,
        sleep: Sleep = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        remembered: Remembered[S] | None = None,
    ) -> None:
        self.service = service
        self.store = store
        self.states = self._states = states
        self._decide = decide
        self._outlet = outlet
        self._remembered = remembered
        self._sleep = sleep
        self._monotonic = monotonic
        self._metrics = metrics.OfRoad(service)

    async def travel(self, inputs: Sequence[Input[Any]], patience: float | None = None) -> list[Outcome]:
        """Take a batch to its end and say what became of each input, in order.

        Transient faults are retried with backoff: for ever, or until `patience` seconds have passed, then
        `Unavailable`. Any other fault is narrowed down by halving the batch, and the input at fault buried.
        """
        if not inputs:
            return []

        async def given(_transaction: Any, _now: datetime) -> Sequence[Input[Any]]:
            return inputs

        try:
            doors = {_door_of(item) for item in inputs}
            logs = {item.origin.log for item in inputs if isinstance(item.origin, FromLog)}
            return await self.travel_found({item.shard for item in inputs}, given, patience, doors, logs)
        except Unavailable:
            raise
        except Exception as error:
            if len(inputs) > 1:
                half = len(inputs) // 2
                logger.warning("batch halved", service=self.service, size=len(inputs), error=repr(error))
                return await self.travel(inputs[:half], patience) + await self.travel(inputs[half:], patience)
            poison = inputs[0]
            logger.exception("input failed", service=self.service, id=poison.id, case_id=str(poison.case_id))
            if not poison.can_be_buried or poison.unreadable is not None:
                return [Outcome(Fate.FAILED, note=repr(error))]
            return await self.travel([replace(poison, unreadable=repr(error))], patience)

    async def travel_found(
        self,
        shards: Collection[int],
        find: Find,
        patience: float | None = None,
        doors: Collection[str] = (BY_TIMER,),
        logs: Collection[str] = (),
    ) -> list[Outcome]:
        """Like `travel`, with the inputs found inside the transaction once the heads are locked.

        `doors`: where they came in, to be measured as. `logs`: those that inputs may come from.
        """
        if self._remembered is not None:
            logs = {*logs, *self._remembered.logs}
        started = self._monotonic()
        attempt = 0
        while True:
            try:
                outcomes = await self._attempt(shards, find, logs)
            except Exception as error:
                if not self.store.is_transient(error):
                    raise
                if self._remembered is not None:
                    self._remembered.forget()  # another database may answer next, as it was earlier
                self._outlet.look()  # an ambiguous commit may have appended
                self._metrics.retries.inc()
                if patience is not None and self._monotonic() - started >= patience:
                    raise Unavailable(str(error)) from error
                delay = min(0.02 * 2**attempt, 2.0) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
                logger.warning("retrying", service=self.service, attempt=attempt, delay=delay, error=repr(error))
                attempt = min(attempt + 1, 10)
                await self._sleep(delay)
            else:
                if outcomes:
                    self._metrics.travelled(doors, self._monotonic() - started)
                return outcomes

    async def _attempt(self, shards: Collection[int], find: Find, logs: Collection[str]) -> list[Outcome]:
        with tracing.batch(self.service) as traced:
            return await self._transact(shards, find, logs, traced)

    async def _transact(
        self, shards: Collection[int], find: Find, logs: Collection[str], traced: tracing.BatchTrace | None
    ) -> list[Outcome]:
        async with self.store.transaction() as transaction:
            heads = await transaction.lock_heads(sorted(shards), sorted(logs))
            inputs = await find(transaction, transaction.now)
            if not inputs:
                return []
            batch = await self._open(transaction, heads, inputs)
            if traced is None:
                outcomes = [self._take(batch, item) for item in inputs]
            else:
                outcomes = [self._take_traced(batch, item, traced) for item in inputs]
            await self._save(transaction, batch)
            failpoints.reach("before_commit")
        failpoints.reach("after_commit")
        if self._remembered is not None:
            self._learn(self._remembered, batch, inputs)
        if traced is not None:
            traced.committed(batch.rows)
        fates = Counter((type(item.message), outcome.fate) for item, outcome in zip(inputs, outcomes, strict=True))
        self._metrics.committed(len(inputs), fates, len(batch.rows), [burial.kind for burial in batch.burials])
        if batch.rows:
            self._outlet.offer(batch.rows)
        if batch.burials:
            self._outlet.look()
        return outcomes

    async def _open(self, transaction: Transaction, heads: dict[int, Head], inputs: Sequence[Input[Any]]) -> _Batch[S]:
        keys = [key for item in inputs if isinstance(item.origin, FromDoor) for key in item.origin.keys]
        letters = {item.origin.number for item in inputs if isinstance(item.origin, FromDeadLetter)}
        case_ids = {item.case_id for item in inputs if not item.unreadable}
        marks: dict[int, tuple[int, ...]] = {}
        if self._remembered is not None:
            marks = self._remembered.marks(heads, transaction.progress)
            if not _by_timer(inputs):
                transaction.known = self._remembered.recall(marks, case_ids)
        batch: _Batch[S] = _Batch(
            now=transaction.now,
            heads=dict(heads),
            progress=dict(transaction.progress),
            states=await self._states.load(transaction, case_ids),
            marks=marks,
            kept=await transaction.kept(keys) if keys else {},
        )
        if letters:
            batch.replayed = letters - await transaction.replayable(letters)
        return batch

    def _learn(self, remembered: Remembered[S], batch: _Batch[S], inputs: Sequence[Input[Any]]) -> None:
        """Remember the states of a batch that is committed. What a timer loads of a case may be a part of it."""
        after = remembered.marks(batch.heads, batch.progress)
        if _by_timer(inputs):
            remembered.learn(batch.marks, after, {}, unknown={item.case_id for item in inputs})
        else:
            remembered.learn(batch.marks, after, batch.states)

    def _take_traced(self, batch: _Batch[S], item: Input[Any], traced: tracing.BatchTrace) -> Outcome:
        """The same as `_take`; what is stated because of this input carries the place of its decision."""
        appended = len(batch.rows)
        is_new = batch.states.get(item.case_id, Versioned(None)).caseseq == 0
        outcome = self._take(batch, traced.begin(item, is_new))
        traced.end(item, outcome, len(batch.rows) - appended)
        return outcome

    def _take(self, batch: _Batch[S], item: Input[Any]) -> Outcome:
        """Decide one input against the batch as the inputs before it left it."""
        before = self._known_already(batch, item)
        if before is not None:
            return before
        if item.unreadable is not None:
            return self._bury(batch, item, "unreadable", item.unreadable)
        versioned: Versioned[S] = batch.states.get(item.case_id, Versioned(None))
        try:
            decision = self._decided(versioned.state, item, batch.now)
            rows = self._rows(batch, item, versioned.caseseq, decision.facts)
        except Exception as error:
            logger.exception("decision failed", service=self.service, id=item.id, case_id=str(item.case_id))
            if not item.can_be_buried:
                return Outcome(Fate.FAILED, note=repr(error))
            return self._bury(batch, item, "failed", repr(error))
        refusal = decision.refusal
        if any(len(row.event or b"") > MAXIMUM_BYTES for row in rows):
            refusal = _TOO_LARGE
        if refusal is not None:
            if item.can_be_buried:
                self._bury(batch, item, "refused", f"{refusal.code}: {refusal.en}")
            return Outcome(Fate.REFUSED, refusal=refusal)
        self._apply(batch, item, versioned, decision, rows)
        self._settle(batch, item, decision.answer)
        return Outcome(Fate.DONE, answer=decision.answer, note=decision.note)

    def _decided(self, state: S | None, item: Input[Any], now: datetime) -> Decision[S]:
        started = time.perf_counter()
        try:
            return self._decide(state, item, now)
        finally:
            self._metrics.decided(type(item.message), time.perf_counter() - started)

    def _known_already(self, batch: _Batch[S], item: Input[Any]) -> Outcome | None:
        match item.origin:
            case FromLog(log, shard, sequence):
                done = batch.progress.get((log, shard), 0)
                if sequence <= done:
                    return Outcome(Fate.REPEAT)
                if sequence > done + 1:
                    return Outcome(Fate.AHEAD, note=f"{log}/{shard}: expected {done + 1}, found {sequence}")
            case FromDoor(keys):
                return _known_at_door(batch.kept, keys)
            case FromDeadLetter(number):
                if number in batch.replayed:
                    return Outcome(Fate.REPEAT, note="replayed before")
            case FromTimer():
                pass
        return None

    def _rows(self, batch: _Batch[S], item: Input[Any], caseseq: int, facts: Sequence[Fact]) -> list[Row]:
        """The facts as the rows that would follow in their shard's log."""
        rows: list[Row] = []
        if not facts:
            return rows
        head = batch.heads.get(shard_of(item.case_id))
        if head is None:
            raise LookupError(f"case {item.case_id} belongs to shard {shard_of(item.case_id)}, not {item.shard}")
        for fact in facts:
            caseseq += 1
            envelope = Envelope(
                id=str(uuid7()),
                source=f"/chuishao/{self.service}",
                subject=item.case_id,
                time=batch.now,
                fact=fact,
                sequence=head.sequence + 1,
                caseseq=caseseq,
                cause=item.id,
                traceparent=item.traceparent,
            )
            row = next_row(head, item.case_id, caseseq, encode(envelope), envelope)
            rows.append(row)
            head = after(head, row)
        return rows

    def _apply(
        self,
        batch: _Batch[S],
        item: Input[Any],
        versioned: Versioned[S],
        decision: Decision[S],
        rows: Sequence[Row],
    ) -> None:
        caseseq = versioned.caseseq
        if rows:
            batch.rows.extend(rows)
            batch.heads[rows[-1].shard] = after(batch.heads[rows[-1].shard], rows[-1])
            caseseq = rows[-1].caseseq
        if rows or decision.state is not None:
            state = decision.state if decision.state is not None else versioned.state
            batch.states[item.case_id] = batch.changed[item.case_id] = Versioned(state, caseseq)

    def _settle(self, batch: _Batch[S], item: Input[Any], answer: Mapping[str, Any] | None) -> None:
        """Remember that this input had its effect."""
        match item.origin:
            case FromLog(log, shard, sequence):
                batch.progress[log, shard] = batch.advanced[log, shard] = sequence
            case FromDoor(keys):
                for key in keys:
                    kept = Kept(key.fingerprint, answer)
                    batch.kept[key.scope, key.id] = kept
                    batch.newly_kept.append((key, kept))
            case FromDeadLetter(number):
                batch.replayed.add(number)
                batch.newly_replayed.add(number)
            case FromTimer():
                pass

    def _bury(self, batch: _Batch[S], item: Input[Any], kind: str, reason: str) -> Outcome:
        batch.burials.append(Burial(item, kind, reason))
        self._settle(batch, item, None)
        return Outcome(Fate.BURIED, note=reason)

    async def _save(self, transaction: Transaction, batch: _Batch[S]) -> None:
        heads: list[Head] = []
        if batch.changed:
            await self._states.save(transaction, batch.changed)
            touched = {shard_of(case_id) for case_id in batch.changed}
            heads = [
                replace(head, published=max(head.published, self._outlet.published(shard)))
                for shard, head in batch.heads.items()
                if shard in touched
            ]
        if heads or batch.advanced or batch.newly_kept:
            await transaction.write(batch.rows, heads, batch.advanced, batch.newly_kept)
        for head in heads:
            batch.heads[head.shard] = replace(head, saves=head.saves + 1)
        if batch.rows:
            elsewhere = [shard for shard in {row.shard for row in batch.rows} if not self._outlet.holds(shard)]
            if elsewhere:
                await transaction.notify(elsewhere)
        if batch.burials:
            await transaction.bury(batch.burials)
        if batch.newly_replayed:
            await transaction.mark_replayed(batch.newly_replayed)


def _by_timer(inputs: Sequence[Input[Any]]) -> bool:
    return any(isinstance(item.origin, FromTimer) for item in inputs)


def _door_of(item: Input[Any]) -> str:
    match item.origin:
        case FromLog():
            return "log"
        case FromDoor():
            return "http" if item.letter is None else "reports"
        case FromDeadLetter():
            return "dead_letter"
        case FromTimer():
            return OUR_OWN


def _known_at_door(known: Mapping[tuple[str, str], Kept], keys: Sequence[DoorKey]) -> Outcome | None:
    for key in keys:
        kept = known.get((key.scope, key.id))
        if kept is None:
            continue
        if key.fingerprint is not None and kept.fingerprint not in (None, key.fingerprint):
            return Outcome(Fate.REFUSED, refusal=_KEY_REUSED)
        return Outcome(Fate.REPEAT, answer=kept.answer)
    return None


_TOO_LARGE = Refusal(
    code="event_too_large",
    zh=f"内容过大：记录后超过 {MAXIMUM_BYTES // 1024} KB；请精简文字或减少附件后重新提交。",
    en=f"Too large: recorded, it would exceed {MAXIMUM_BYTES // 1024} KB; shorten it or attach less, and send again.",
    status=413,
)

_KEY_REUSED = Refusal(
    code="idempotency_key_reused",
    zh="该 Idempotency-Key 已用于另一内容的请求；请换一个新的键。",
    en="This Idempotency-Key was used for another request; send a new key.",
    field="Idempotency-Key",
    status=422,
)

ALL_SHARDS = frozenset(range(SHARDS))
