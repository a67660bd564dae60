"""States that follow from several logs: what was read of others is decided again, what was said here is the answer.

A decision is a function of the state, the message and the time, so the same messages in the same order make the same
state. Which order it was is not written down as such. What is: a service's own events stand in their order, each names
what caused it, and other logs are read each in its own order. What caused nothing can only lie where it fits: it is
taken where its time is, and where what is said then is not what the log has, it was read later, and is taken later.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Protocol

from deploy.rebuild.history import History
from deploy.rebuild.in_force import ON_TIME, Lag
from shared.contracts.envelope import Envelope
from shared.contracts.facts import Fact, LogRedacted
from shared.contracts.topics import shard_of
from shared.runtime.decision import FromLog, Input
from shared.runtime.ports import Versioned

MOST_TRIED = 64
"""In how many places it is tried what was read between two of a service's own events."""


class NotAsLogged(Exception):
    """No order of what was read explains what the log says; the message says where."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one input made the service say: its events in order, all of one moment."""

    cause: str
    at: datetime
    events: Sequence[Envelope]

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(event.fact for event in self.events)


@dataclass(frozen=True, slots=True)
class Heard:
    """One message that was taken: of which topic or task of the service, since when it could be, and as what."""

    topic: str
    at: datetime
    item: Input[Any]


@dataclass(frozen=True, slots=True)
class Way:
    """`besides`: what a task of the service did to the case without a word, and when. `lag`: how much later than it
    was stated something was read that caused nothing to be said, and so by which set-up it was decided."""

    besides: Sequence[Heard] = ()
    lag: Lag = ON_TIME


class Decider(Protocol):
    """A service's decisions as they were then. `hear` and `own` raise whatever the decision raises."""

    def ways(self, history: History) -> Iterator["Way"]:
        """The ways in which a case can have become what it is, likeliest first."""
        ...

    def hear(self, state: Any, item: Input[Any], now: datetime) -> Iterator[tuple[Any, tuple[Fact, ...]]]:
        """The state after a message, and what is said, by each set-up that may have been in force, likeliest first."""
        ...

    def own(self, state: Any, said: Said, history: History) -> Iterator[Any]:
        """The state after what came from no log: the ways in which it can have become so, likeliest first."""
        ...


def replayed(history: History, decider: Decider) -> Iterator[Versioned[Any]]:
    """The states that a case's logs can have made, likeliest first. Raises `NotAsLogged` where there is none."""
    found, first = False, NotAsLogged("there is no way in which it can have become so")
    for place, way in enumerate(decider.ways(history)):
        try:
            made = _Replay(history, decider, way).run()
        except NotAsLogged as error:
            first = first if place else error
            continue
        found = True
        yield made
    if not found:
        raise first


def _heard(topic: str, event: Envelope) -> Heard:
    origin = FromLog(topic, shard_of(event.subject), event.sequence)
    item = Input(event.subject, event.fact, event.id, origin, traceparent=event.traceparent, time=event.time)
    return Heard(topic, event.time, item)


class _Replay:
    def __init__(self, history: History, decider: Decider, way: Way) -> None:
        self._history = history
        self._decider = decider
        self._lag = way.lag
        self._waiting = {topic: deque(_heard(topic, one) for one in heard) for topic, heard in history.heard.items()}
        for one in way.besides:
            self._waiting.setdefault(one.topic, deque()).append(one)
        self._places = {one.id: topic for topic, heard in history.heard.items() for one in heard}
        self._speaking = {said.cause for said in _groups(history.own)}

    def run(self) -> Versioned[Any]:
        state: Any = None
        for said in _groups(self._history.own):
            state = self._after(state, said)
        for silent in self._take_silent(None, None):
            state = self._silently(state, silent)
        return Versioned(state, len(self._history.own))

    def _after(self, state: Any, said: Said) -> Any:
        """The state after what was read before, and then what was said."""
        topic = self._places.get(said.cause)
        must = self._take_before(topic, said.cause) if topic is not None else []
        spoken = self._waiting[topic].popleft() if topic is not None else None
        may = self._take_silent(said.at, topic)
        likely = sum(one.at + self._lag.of(one.at) <= said.at for one in may)
        last: Exception | None = None
        for taken in sorted(range(len(may) + 1), key=lambda many: abs(many - likely))[:MOST_TRIED]:
            try:
                before = state
                for silent in sorted((*must, *may[:taken]), key=_stated):
                    before = self._silently(before, silent, said.at)
                after = self._saying(before, spoken, said)
            except Exception as error:  # noqa: BLE001 - whatever a decision says to an order that was not the one
                last = error
                continue
            for late in reversed(may[taken:]):
                self._waiting[late.topic].appendleft(late)
            return after
        raise NotAsLogged(f"sequence {said.events[0].sequence}, by {said.cause}: {last!r}")

    def _take_before(self, topic: str, cause: str) -> list[Heard]:
        """What the same log has before that: it was read before."""
        waiting, found = self._waiting[topic], []
        while waiting and waiting[0].item.id != cause:
            found.append(waiting.popleft())
        if not waiting:
            raise NotAsLogged(f"{cause} of {topic} was said twice, or out of order")
        return found

    def _take_silent(self, until: datetime | None, but: str | None) -> list[Heard]:
        """What may have been read by then, and caused nothing to be said: of each log up to what did."""
        found = []
        for topic, waiting in self._waiting.items():
            while topic != but and waiting and waiting[0].item.id not in self._speaking:
                if until is not None and waiting[0].at > until:
                    break
                found.append(waiting.popleft())
        return sorted(found, key=_stated)

    def _silently(self, state: Any, heard: Heard, by: datetime | None = None) -> Any:
        """The state after what caused nothing to be said, and was read `by` then at the latest."""
        read_at = heard.at + self._lag.of(heard.at)
        if by is not None:
            read_at = max(heard.at, min(read_at, by))
        for after, facts in self._decider.hear(state, heard.item, read_at):
            if not facts:
                return after
        raise NotAsLogged(f"{heard.topic} {heard.item.id} would have caused something to be said")

    def _saying(self, state: Any, spoken: Heard | None, said: Said) -> Any:
        if spoken is None:
            for after in self._decider.own(state, said, self._history):
                return after
            raise NotAsLogged("nothing known explains it")
        for after, facts in self._decider.hear(state, spoken.item, said.at):
            if facts == said.facts or self._history.redacted:
                return after
        raise NotAsLogged("another thing would have been said")


def _stated(heard: Heard) -> datetime:
    return heard.at


def _groups(own: Sequence[Envelope]) -> list[Said]:
    """A service's own events by what caused them. What was forgotten is no cause of anything."""
    events = [one for one in own if not isinstance(one.fact, LogRedacted)]
    return [
        Said(cause or "", at, tuple(group))
        for (cause, at), group in groupby(events, key=lambda one: (one.cause, one.time))
    ]
