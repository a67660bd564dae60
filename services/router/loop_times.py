"""How long cases are in the stages of the loop, told from what the broker has acknowledged of the router's log.

What is kept of a case is when its stage began. That is little, and only kept for cases of late; whoever is not among
them (it began before this process, or thousands of others followed) is looked up in the log, some seconds later.
What is acknowledged twice, as after a crash, is measured twice.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog

from services.router import metrics
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode
from shared.runtime.log import Row

logger = structlog.get_logger(__name__)

KEPT_CASES = 20_000
LOOKED_UP_CASES = 5_000
"""Cases that wait to be looked up; of more, the stage that has just ended is not measured."""

ENDS = (f.CaseDeclined, f.CaseWithdrawn, f.CaseClosed)


class LoopStage(StrEnum):
    RECEIVE = "receive"  # 接单: from the whistle, as intake states it, until the case is opened
    DISPATCH = "dispatch"  # 派单: until it is dispatched for the first time
    HANDLE = "handle"  # 办理: until every unit has finished; anew with every rework
    VERIFY = "verify"  # 验单: until the whistle-blower has checked
    RATE = "rate"  # 评单: until it is closed


@dataclass(frozen=True, slots=True)
class Since:
    """The stage a case is in, since when, and what brought it there."""

    stage: LoopStage
    at: datetime
    cause: str | None = None


_BEGINS: Mapping[type[f.Fact], LoopStage] = {
    f.CaseOpened: LoopStage.DISPATCH,
    f.CaseDispatched: LoopStage.HANDLE,
    f.CaseReworkOrdered: LoopStage.HANDLE,
    f.CaseHandled: LoopStage.VERIFY,
    f.CaseChecked: LoopStage.RATE,
    f.CaseAnswered: LoopStage.RATE,
}
_MEASURED: Mapping[type[f.Fact], LoopStage] = {
    f.CaseDispatched: LoopStage.DISPATCH,
    f.CaseHandled: LoopStage.HANDLE,
    f.CaseChecked: LoopStage.VERIFY,
    f.CaseClosed: LoopStage.RATE,
}
"""The stage of the loop that each fact ends, if the case is in it."""

TOLD_BY: frozenset[type[f.Fact]] = frozenset((*_BEGINS, *ENDS))
TYPES = tuple(sorted(fact.type_name() for fact in TOLD_BY))


def follow(since: Since | None, envelope: Envelope) -> Since | None:
    """The stage a case is in after one more fact; None once it has ended."""
    kind = type(envelope.fact)
    if kind in ENDS:
        return None
    begins = _BEGINS.get(kind)
    if begins is None or (kind is f.CaseDispatched and since is not None and since.stage is LoopStage.HANDLE):
        return since  # dispatched anew, it is still being handled
    return Since(begins, envelope.time, envelope.cause)


class LoopTimes:
    """Measures what is acknowledged. `missed` are cases to look up: what was told of each while it was not known."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._since: OrderedDict[UUID, Since] = OrderedDict()
        self._missed: dict[UUID, list[Envelope]] = {}

    def acknowledged(self, rows: Sequence[Row]) -> None:
        """The broker has these rows of the log."""
        for row in rows:
            envelope = row.envelope or (None if row.event is None else decode(row.event))
            if envelope is not None and type(envelope.fact) in TOLD_BY:
                self._take(envelope)

    def missed(self) -> dict[UUID, int]:
        """The cases to look up in the log, each with the number of the first of its facts that is known here."""
        return {case_id: told[0].caseseq for case_id, told in self._missed.items()}

    def looked_up(self, found: Mapping[UUID, Sequence[Envelope]], asked: Iterable[UUID]) -> None:
        """What the log says of those cases, each in order, from before what was told here; some may not be there."""
        for case_id in asked:
            told = self._missed.pop(case_id, [])
            since: Since | None = None
            for envelope in found.get(case_id, ()):
                since = follow(since, envelope)
            for envelope in told:
                self._measure(since, envelope)
                since = follow(since, envelope)
            self._keep(case_id, since)

    def _take(self, envelope: Envelope) -> None:
        case_id, fact = envelope.subject, envelope.fact
        if isinstance(fact, ENDS):
            metrics.ENDED.labels(fact.stage.value).inc()
        waiting = self._missed.get(case_id)
        if waiting is not None:
            waiting.append(envelope)
            return
        since = self._since.get(case_id)
        if isinstance(fact, f.CaseOpened):
            self._received(envelope)
        elif since is None and type(fact) in _MEASURED:
            if len(self._missed) < LOOKED_UP_CASES:
                self._missed[case_id] = [envelope]
                return
            logger.warning("too many cases to look up: a stage is not measured")
        elif isinstance(fact, f.CaseDispatched) and since is not None and since.stage is LoopStage.DISPATCH:
            self._dispatched(since, envelope)
        self._measure(since, envelope)
        self._keep(case_id, follow(since, envelope))

    def _measure(self, since: Since | None, envelope: Envelope) -> None:
        ended = _MEASURED.get(type(envelope.fact))
        if since is not None and since.stage is ended:
            metrics.STAGES.labels(ended.value).observe(_seconds(envelope.time - since.at))

    def _received(self, opened: Envelope) -> None:
        stated = stated_at(opened.cause)
        if stated is not None:
            metrics.STAGES.labels(LoopStage.RECEIVE.value).observe(_seconds(opened.time - stated))

    def _dispatched(self, opened: Since, envelope: Envelope) -> None:
        """Without a person in between, the whistle that opened the case has also dispatched it."""
        stated = stated_at(envelope.cause)
        if stated is not None and envelope.cause == opened.cause:
            metrics.DISPATCHING.observe(max(0.0, self._clock() - stated.timestamp()))

    def _keep(self, case_id: UUID, since: Since | None) -> None:
        self._since.pop(case_id, None)
        if since is not None:
            self._since[case_id] = since
            if len(self._since) > KEPT_CASES:
                self._since.popitem(last=False)


def stated_at(event: str | None) -> datetime | None:
    """When an event of ours was stated, to the millisecond: its id is a UUID of version 7; None for any other."""
    try:
        found = UUID(event or "")
    except ValueError:
        return None
    if found.version != 7:
        return None
    return datetime.fromtimestamp((found.int >> 80) / 1000, UTC)


def _seconds(lasted: timedelta) -> float:
    return max(0.0, lasted.total_seconds())
