"""Tells 12345 over HTTP what `hotline.replies` tells: the same events, signed, at least once, in order per case.

It reads the router's own log, shard by shard, from a position of its own, a bounded part ahead. A reply that was not
taken holds up the later ones of its case and no others; the position stays before it, so that nothing is lost over a
restart, and what lies behind it may be sent again, under the same id. Nothing here is in the road's way.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import structlog

from services.router import metrics
from services.router.callback_post import Answer, Fault, endpoint
from services.router.projection import project
from services.router.settings import RouterSettings
from shared.contracts.envelope import decode
from shared.contracts.topics import HOTLINE_REPLIES, SHARDS
from shared.runtime import failpoints
from shared.runtime.running import Running

logger = structlog.get_logger(__name__)

MOST_ROWS = 200
"""Read of one shard's log at once."""
MOST_AHEAD = 200
"""Replies of one shard that are looked at while the first of them is not taken."""
MOST_SENT = 20
"""Of one shard before its position is remembered: no more are sent again after a crash."""
LOOK_SECONDS = 1.0
FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """One event for 12345, as it is on `hotline.replies`. `sequence`: of the row of the log it follows from."""

    id: UUID
    shard: int
    sequence: int
    case_id: UUID
    type: str
    time: datetime
    body: bytes


@dataclass(slots=True)
class Waiting:
    """A reply that was not taken yet; times by the monotonic clock.

    `refusals`: how often 12345 said no to it. `beside`: how often it was not taken though another was since its last
    attempt.
    """

    reply: Reply
    attempts: int = 0
    refusals: int = 0
    beside: int = 0
    due: float = 0.0
    failing_since: float | None = None
    failed_last: float | None = None
    fault: Fault | None = None
    why: str = ""


@dataclass(slots=True)
class Ahead:
    """A shard's replies that were read and not taken yet, in order, and how far the log was read for them."""

    read_to: int
    waiting: list[Waiting] = field(default_factory=list)
    remembered: int = 0

    @property
    def position(self) -> int:
        """Everything up to here is settled."""
        return self.waiting[0].reply.sequence - 1 if self.waiting else self.read_to


class Replies(Protocol):
    """What calling back needs of the router's tables."""

    async def begin(self, from_start: bool) -> None:
        """Where it was never switched on: begin at the end of each log, or at its start."""
        ...

    async def positions(self, shards: Collection[int]) -> dict[int, int]: ...

    async def since(self, sequences: Mapping[int, int], most: int) -> dict[int, tuple[int, list[Reply]]]:
        """By shard, how far its log was read on from there, and the replies found; a shard without any row is left
        out."""
        ...

    async def remember(self, sequences: Mapping[int, int]) -> None:
        """So far everything is settled; never back."""
        ...

    async def put_aside(self, replies: Sequence[Waiting]) -> None: ...

    def is_transient(self, error: BaseException) -> bool: ...


@dataclass(frozen=True, slots=True)
class Patience:
    """When a reply is put aside: refused so often; or not taken for so long, and so often while 12345 took others."""

    attempts: int = 5
    seconds: float = 24 * 3600.0


def replies_of(shard: int, sequence: int, event: bytes) -> list[Reply]:
    """What 12345 is told of one event of the log."""
    envelope = decode(event)
    found = []
    for message in project(envelope):
        if message.topic == HOTLINE_REPLIES and message.value is not None:
            told = decode(message.value)
            found.append(
                Reply(UUID(told.id), shard, sequence, told.subject, told.type, told.time, message.value),
            )
    return found


class Callbacks:
    """`post` calls back once. `holds(shard)`: whether its replies are ours to send."""

    def __init__(
        self,
        replies: Replies,
        post: Callable[[str, bytes], Awaitable[Answer]],
        holds: Callable[[int], bool],
        patience: Patience,
        monotonic: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._replies = replies
        self._post = post
        self._holds = holds
        self._patience = patience
        self._monotonic = monotonic
        self._now = now
        self._ahead: dict[int, Ahead] = {}
        self._faults = 0
        self._closed_until = 0.0
        self._taken_last: float | None = None

    async def run(self, from_start: bool) -> None:
        """Serve until cancelled; survives the store and 12345 being away."""
        begun = False
        while True:
            moved = 0
            try:
                if not begun:
                    await self._replies.begin(from_start)
                    begun = True
                moved = await self.turn()
            except Exception as error:
                if not self._replies.is_transient(error):
                    raise
                logger.warning("12345 could not be called back; it will be", error=repr(error))
            if not moved:
                await asyncio.sleep(LOOK_SECONDS)

    async def turn(self) -> int:
        """Read on, send what is due, a bounded part of both; returns how many rows and replies that were."""
        moved = await self._read_on()
        moved += await self._send()
        refused = [one for ahead in self._ahead.values() for one in ahead.waiting if self._is_hopeless(one)]
        if refused:
            await self._put_aside(refused)
        ends = {shard: ahead.position for shard, ahead in self._ahead.items() if ahead.position > ahead.remembered}
        if ends:
            await self._replies.remember(ends)
            for shard, position in ends.items():
                self._ahead[shard].remembered = position
        oldest = [ahead.waiting[0].reply.time for ahead in self._ahead.values() if ahead.waiting]
        metrics.REPLY_OLDEST.set((self._now() - min(oldest)).total_seconds() if oldest else 0)
        return moved

    async def _read_on(self) -> int:
        ours = [shard for shard in range(SHARDS) if self._holds(shard)]
        self._ahead = {shard: ahead for shard, ahead in self._ahead.items() if shard in ours}
        new = [shard for shard in ours if shard not in self._ahead]
        if new:
            positions = await self._replies.positions(new)
            self._ahead |= {shard: Ahead(at, remembered=at) for shard, at in positions.items()}
        wanted = {shard: one.read_to for shard, one in self._ahead.items() if len(one.waiting) < MOST_AHEAD}
        if not wanted:
            return 0
        found = await self._replies.since(wanted, MOST_ROWS)
        rows = 0
        for shard, (read_to, replies) in found.items():
            ahead = self._ahead[shard]
            rows += read_to - ahead.read_to
            ahead.read_to = read_to
            ahead.waiting += [Waiting(reply) for reply in replies]
        return rows

    async def _send(self) -> int:
        """Shards side by side while all is well; one after the other while 12345 is in trouble."""
        if self._faults:
            return sum([await self._send_of(ahead) for ahead in self._ahead.values()])
        return sum(await asyncio.gather(*map(self._send_of, self._ahead.values())))

    async def _send_of(self, ahead: Ahead) -> int:
        held_up: set[UUID] = set()
        taken = 0
        for one in tuple(ahead.waiting):
            if taken == MOST_SENT or self._monotonic() < self._closed_until:
                break
            if one.reply.case_id in held_up:
                continue
            if self._monotonic() < one.due:
                held_up.add(one.reply.case_id)
                continue
            answer = await self._post(str(one.reply.id), one.reply.body)
            one.attempts += 1
            if answer.fault is None:
                failpoints.reach("after_calling_back")
                self._taken(ahead, one)
                taken += 1
            else:
                self._not_taken(one, answer, answer.fault)
                held_up.add(one.reply.case_id)
        return taken

    def _taken(self, ahead: Ahead, one: Waiting) -> None:
        self._faults, self._taken_last = 0, self._monotonic()
        ahead.waiting.remove(one)
        metrics.REPLIES_SENT.inc()

    def _not_taken(self, one: Waiting, answer: Answer, fault: Fault) -> None:
        now = self._monotonic()
        if self._taken_last is not None and one.failed_last is not None and self._taken_last > one.failed_last:
            one.beside += fault is not Fault.BUSY
        one.fault, one.why, one.failed_last = fault, answer.why, now
        one.failing_since = now if one.failing_since is None else one.failing_since
        one.due = now + _delay(one.attempts)
        metrics.REPLIES_FAILED.labels(fault.value).inc()
        logger.warning("12345 did not take a reply", id=str(one.reply.id), fault=fault.value, attempts=one.attempts)
        if fault is Fault.REFUSED:
            one.refusals += 1
            self._faults = 0  # it is well enough to say no
            return
        self._faults += 1
        self._closed_until = now + (_delay(self._faults) if answer.wait is None else answer.wait)

    def _is_hopeless(self, one: Waiting) -> bool:
        if one.failing_since is None:
            return False
        too_long = self._monotonic() - one.failing_since > self._patience.seconds
        return one.refusals >= self._patience.attempts or (too_long and one.beside >= self._patience.attempts)

    async def _put_aside(self, refused: Sequence[Waiting]) -> None:
        await self._replies.put_aside(refused)
        for one in refused:
            self._ahead[one.reply.shard].waiting.remove(one)
            metrics.REPLIES_PUT_ASIDE.inc()
            logger.error("a reply to 12345 was put aside", id=str(one.reply.id), attempts=one.attempts)


def _delay(attempts: int) -> float:
    """Longer each time, up to a minute, and never for all at the same moment."""
    longest = min(FIRST_DELAY_SECONDS * 2.0 ** min(attempts - 1, 10), LONGEST_DELAY_SECONDS)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - nothing secret hangs on it


async def call_back(settings: RouterSettings, replies: Callable[[Any], Replies], running: Running[Any]) -> None:
    """The task, for as long as the service lives."""
    async with endpoint(
        settings.hotline_callback_url, settings.hotline_callback_key(), settings.hotline_callback_ca_file
    ) as hotline:
        await Callbacks(
            replies=replies(running.pool),
            post=hotline.post,
            holds=running.relay.holds,
            patience=Patience(settings.hotline_callback_attempts, settings.hotline_callback_patience_hours * 3600),
            monotonic=asyncio.get_running_loop().time,
        ).run(settings.hotline_callback_from_start)


def calling_back(
    settings: RouterSettings, replies: Callable[[Any], Replies]
) -> tuple[Callable[[Running[Any]], Awaitable[None]], ...]:
    """The task where calling back is switched on; none where it is not."""
    return (partial(call_back, settings, replies),) if settings.hotline_callback_url else ()
