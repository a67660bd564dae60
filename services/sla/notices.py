"""Tells people of deadlines: reads this service's own log, collects for each recipient, and releases digests.

Two steps, each a transaction of its own. Noting moves the log's cursor together with what it notes, so that each fact
is noted once, whoever reads. Releasing holds the recipient's mailbox, so that nobody is told twice. Shards are read by
who relays them; recipients are served by whoever is there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import structlog

from services.sla import metrics
from services.sla import notices_store as store
from services.sla.domain.clock_state import ClockState
from services.sla.domain.notices import Entry, Fate, Release, entry, ready_at, recipients, release
from services.sla.domain.rules import Rules
from services.sla.notices_store import Known, Mailbox, Stated, Told
from shared.contracts.envelope import Envelope, Undecodable, decode
from shared.contracts.facts import DeadlineEscalated, DeadlineOverdue, DeadlineStep, DeadlineWarned, Recipient
from shared.contracts.topics import SHARDS
from shared.contracts.vocabulary import Urgency
from shared.runtime import failpoints
from shared.runtime.postgres import is_transient
from shared.runtime.postgres import queries as runtime_queries
from shared.runtime.running import Running

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 60.0
MOST_ROWS = 20
"""So many rows of each shard are read at once: few, for the timer runs in the same process and must not wait."""
MOST_RECIPIENTS = 50
MOST_ENTRIES = 20_000
"""A digest tells of no more; what is left goes into the next."""
STEPS = tuple(f'"type":"{kind.type_name()}"'.encode() for kind in (DeadlineWarned, DeadlineOverdue, DeadlineEscalated))
UNKNOWN = Known("", Urgency.NORMAL)


class Notifier:
    """`holds(shard)`: whether its log is ours to read. `keep`: how long what was told is kept."""

    def __init__(
        self, pool: asyncpg.Pool, rules: Callable[[], Rules], holds: Callable[[int], bool], keep: timedelta
    ) -> None:
        self._pool = pool
        self._rules = rules
        self._holds = holds
        self._keep = keep

    async def run(self) -> None:
        """Serve until cancelled; survives the store being away."""
        monotonic = asyncio.get_running_loop().time
        clean_at = 0.0
        while True:
            more = False
            try:
                more = await self.turn()
                if monotonic() >= clean_at:
                    clean_at = monotonic() + HOUSEKEEPING_SECONDS
                    await self.keep_house()
            except Exception as error:
                if not is_transient(error):
                    raise
                logger.warning("notices interrupted", error=repr(error))
            if not more:
                await asyncio.sleep(LOOK_SECONDS)

    async def turn(self) -> bool:
        """Note what was stated and tell what is due, a bounded part of each; whether there may be more at once."""
        noted = await self.note()
        released = await self.release()
        return noted or released

    async def keep_house(self) -> None:
        """Count what waits, and forget what was told long ago."""
        async with self._pool.acquire(timeout=5) as connection:
            number, age = await store.backlog(connection)
            metrics.NOTICES_WAITING.set(number)
            metrics.NOTICES_OLDEST.set(age.total_seconds())
            await store.forget(connection, self._keep)

    # --- from the log to the mailboxes

    async def note(self) -> bool:
        """Read the next rows of our shards' logs; whether there may be more."""
        ours = [shard for shard in range(SHARDS) if self._holds(shard)]
        async with self._pool.acquire(timeout=5) as connection, connection.transaction():
            rows, cursors = await store.unread(connection, ours, MOST_ROWS)
            if not rows:
                return False
            noted = await self._noted(connection, rows)
            if noted:
                await self._put(connection, noted)
            await store.move_cursors(connection, cursors)
            failpoints.reach("amid_noting")
        return len(rows) >= MOST_ROWS

    async def _noted(self, connection: Any, rows: Sequence[Stated]) -> list[tuple[Recipient, Entry]]:
        steps = [(envelope, envelope.fact) for row in rows if (envelope := _read(row)) is not None]
        cases = await store.about_cases(connection, {envelope.subject for envelope, _ in steps})
        rules = self._rules()
        found = []
        for envelope, fact in steps:
            if not isinstance(fact, DeadlineStep):
                continue
            known = cases.get(envelope.subject, UNKNOWN)
            said = entry(envelope.subject, known.number, fact, known.urgency)
            found += [(recipient, said) for recipient in recipients(fact, rules)]
        return found

    async def _put(self, connection: Any, noted: Sequence[tuple[Recipient, Entry]]) -> None:
        boxes = await store.lock_mailboxes(connection, {recipient for recipient, _ in noted})
        now: datetime = await runtime_queries.now(connection)
        await store.note(connection, noted, now)
        rules = self._rules()
        soonest: dict[Recipient, datetime] = {}
        for recipient, urgency in {(recipient, said.urgency) for recipient, said in noted}:
            ready = ready_at(urgency, now, recipient, boxes[recipient].released_at, now, rules)
            soonest[recipient] = min(ready, soonest.get(recipient) or boxes[recipient].release_at or ready)
        await store.schedule(
            connection, [Mailbox(to, boxes[to].released_at, release_at) for to, release_at in soonest.items()]
        )

    # --- from the mailboxes to the people

    async def release(self) -> bool:
        """Tell those who are to be told now; whether there may be more."""
        rules = self._rules()
        async with self._pool.acquire(timeout=5) as connection, connection.transaction():
            now: datetime = await runtime_queries.now(connection)
            due = await store.take_due(connection, now, MOST_RECIPIENTS)
            here = [box for box in due if not await _moved_away(connection, box, rules, now)]
            decided = [(box, await _decide(connection, box, rules, now)) for box in here]
            await _carry_out(connection, decided, now)
            failpoints.reach("amid_telling")
        for box, found in decided:
            if found.digest is not None:
                metrics.DIGESTS.labels(box.recipient.post).inc()
                metrics.DIGEST_ENTRIES.observe(found.digest.told)
        return bool(due)


def _read(row: Stated) -> Envelope | None:
    """The event, if it is a step of a deadline; what this release cannot read is left out, loudly."""
    if row.event is None or not any(kind in row.event for kind in STEPS):
        return None
    try:
        return decode(row.event)
    except Undecodable as error:
        metrics.NOTICES_UNREADABLE.inc()
        logger.error("nobody is told", shard=row.shard, sequence=row.sequence, reason=str(error))
        return None


async def _moved_away(connection: Any, box: Mailbox, rules: Rules, now: datetime) -> bool:
    """Whether the unit is gone, and what waited for it now waits for its successor."""
    gone = box.recipient
    heir = rules.units.present(gone.unit)
    if heir is None or heir == gone.unit:
        return False
    successor = gone.model_copy(update={"unit": heir})
    boxes = await store.lock_mailboxes(connection, [successor])
    await store.readdress(connection, gone, heir)
    theirs = replace(boxes[successor], release_at=now)
    await store.schedule(connection, [theirs, replace(box, release_at=None)])
    return True


async def _decide(connection: Any, box: Mailbox, rules: Rules, now: datetime) -> Release:
    waiting = await store.waiting(connection, box.recipient, MOST_ENTRIES)
    found = release(box.recipient, waiting, box.released_at, now, rules)
    if len(waiting) < MOST_ENTRIES:
        return found
    window = min(rules.policy.notices.window.values())
    return replace(found, again_at=now if found.digest is None else now + window)


async def _carry_out(connection: Any, decided: Sequence[tuple[Mailbox, Release]], now: datetime) -> None:
    telling = sum(found.digest is not None for _, found in decided)
    numbers = iter(await store.numbers(connection, telling) if telling else ())
    told, fates, boxes = [], [], []
    for box, found in decided:
        number = None
        if found.digest is not None:
            number = next(numbers)
            told.append(Told(number, box.recipient, found.digest.model_dump_json()))
        fates += [(one, fate, number if fate is Fate.TOLD else None) for one, fate in found.fates.items()]
        boxes.append(replace(box, released_at=now if number else box.released_at, release_at=found.again_at))
    await store.tell(connection, told, now)
    await store.settle(connection, fates, now)
    await store.schedule(connection, boxes)


def notifying(rules: Callable[[], Rules], keep: timedelta) -> Callable[[Running[ClockState]], Awaitable[None]]:
    """The task that tells people, for as long as the service lives."""

    async def run(running: Running[ClockState]) -> None:
        await Notifier(running.pool, rules, running.relay.holds, keep).run()

    return run
