"""What the live board knows of the four logs and of surges: the latest facts, the pace, and who is overdue. No I/O.

Everything is bounded, and everything here can be forgotten: the logs are the truth.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.workbench.words import About, is_news
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope
from shared.contracts.lifecycle import STAGES
from shared.contracts.vocabulary import DispatchCause, RequestKind
from shared.contracts.vocabulary import Obligation as O
from shared.contracts.vocabulary import Stage as S

MOST_KEPT = 200
MOST_CASES = 20_000
MOST_OVERDUE = 200
HORIZON_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class Item:
    """One fact as the ticker shows it. `serial` counts what the feed has taken."""

    serial: int
    id: str
    case_id: UUID
    at: datetime
    fact: f.Fact
    about: About


@dataclass(frozen=True, slots=True)
class RedLamp:
    """An obligation that is overdue and, as far as the feed has heard, still not met."""

    case_id: UUID
    obligation: O
    unit: str | None
    due_at: datetime
    about: About


class Pace:
    """How often each kind of thing happened, by the second, over the last hour."""

    def __init__(self) -> None:
        self._seconds: dict[int, Counter[str]] = {}

    def add(self, kind: str, at: datetime) -> None:
        second = int(at.timestamp())
        if second not in self._seconds:
            self._seconds[second] = Counter()
            newest = max(self._seconds)
            for old in [known for known in self._seconds if known <= newest - HORIZON_SECONDS - 60]:
                del self._seconds[old]
        self._seconds[second][kind] += 1

    def buckets(self, kind: str, now: datetime, width: int, count: int) -> list[int]:
        """`count` numbers for the last `count * width` seconds, oldest first; the last one is still growing.

        Buckets begin at multiples of `width`, so that a drawn line moves on instead of trembling.
        """
        found = [0] * count
        newest = int(now.timestamp()) // width
        for second, kinds in self._seconds.items():
            age = newest - second // width
            if 0 <= age < count:
                found[count - 1 - age] += kinds[kind]
        return found

    def within(self, kind: str, now: datetime, seconds: int) -> int:
        """How often in the last `seconds` seconds."""
        newest = int(now.timestamp())
        return sum(kinds[kind] for second, kinds in self._seconds.items() if newest - seconds < second <= newest)


ENTERS: dict[type[f.Fact], str] = {
    f.CaseOpened: "intake",
    f.CaseDispatched: "dispatch",
    f.CaseHandled: "check",
    f.CaseChecked: "rate",
    f.CaseAnswered: "rate",
    f.CaseClosed: "close",
}
"""The fact that brings a case into each step of the loop."""


def _entered(fact: f.Fact) -> str | None:
    """The step into which this fact brings its case; none where it was there before."""
    if isinstance(fact, f.CaseChecked) and not fact.passed:
        return None
    if isinstance(fact, f.CaseDispatched) and fact.cause not in (None, DispatchCause.RULE, DispatchCause.DESK):
        return None
    return ENTERS.get(type(fact))


class Feed:
    """Takes facts in the order they come and keeps what the board shows."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.taken = asyncio.Event()
        """Set whenever something was taken; who waits for it clears it."""
        self.serial = 0
        self._items: deque[Item] = deque(maxlen=MOST_KEPT)
        self._cases: OrderedDict[UUID, About] = OrderedDict()
        self._overdue: OrderedDict[tuple[UUID, O, str | None], RedLamp] = OrderedDict()
        self._last: dict[tuple[str, int], int] = {}
        self._surges: OrderedDict[str, None] = OrderedDict()

    def take(self, topic: str, partition: int, envelope: Envelope) -> bool:
        """Take one event; False for one that was taken before (a republish)."""
        place = (topic, partition)
        if envelope.sequence:
            if envelope.sequence <= self._last.get(place, 0):
                return False
            self._last[place] = envelope.sequence
        if isinstance(envelope.fact, f.SurgeFact):
            return self._take_surge(envelope)
        fact = envelope.fact
        if isinstance(fact, f.LogRedacted):
            self._forget(envelope.subject)
            return True
        about = self._remember(envelope.subject, fact)
        step = _entered(fact)
        if step is not None:
            self.pace.add(step, envelope.time)
        self._watch_overdue(envelope.subject, fact, about)
        if is_news(fact):
            self._add(envelope, about)
        self.taken.set()
        return True

    def _forget(self, case_id: UUID) -> None:
        """依法删除: what the case was about is shown no more."""
        self._cases.pop(case_id, None)
        self._items = deque((item for item in self._items if item.case_id != case_id), maxlen=MOST_KEPT)
        self.taken.set()

    def _take_surge(self, envelope: Envelope) -> bool:
        """News, and no case's: it belongs to no log, and is told again where the live statistics were made anew."""
        if envelope.id in self._surges:
            return False
        self._surges[envelope.id] = None
        if len(self._surges) > MOST_KEPT:
            self._surges.popitem(last=False)
        self._add(envelope, About(None, None))
        self.taken.set()
        return True

    def _add(self, envelope: Envelope, about: About) -> None:
        self.serial += 1
        self._items.append(Item(self.serial, envelope.id, envelope.subject, envelope.time, envelope.fact, about))

    def begin_anew(self) -> None:
        """The logs were made anew and count from 1 again."""
        self._last.clear()

    def latest(self, most: int) -> list[Item]:
        """The last facts by their time, newest first."""
        return sorted(self._items, key=lambda item: (item.at, item.serial), reverse=True)[:most]

    def since(self, serial: int) -> list[Item]:
        """What was taken after `serial`, oldest first; the oldest may be gone from the ring already."""
        return [item for item in self._items if item.serial > serial]

    def overdue(self, most: int) -> list[RedLamp]:
        """Longest overdue first."""
        return sorted(self._overdue.values(), key=lambda lamp: lamp.due_at)[:most]

    def _remember(self, case_id: UUID, fact: f.Fact) -> About:
        known = self._cases.get(case_id, About(None, None))
        matter = getattr(fact, "matter", None)
        if isinstance(matter, f.Matter):
            known = About(matter.number, matter.title, matter.confidential)
        elif known.number is None and isinstance(fact, f.CaseFact):
            known = About(fact.number, None)
        self._cases[case_id] = known
        self._cases.move_to_end(case_id)
        if len(self._cases) > MOST_CASES:
            self._cases.popitem(last=False)
        return known

    def _watch_overdue(self, case_id: UUID, fact: f.Fact, about: About) -> None:
        if isinstance(fact, f.CaseOverdue):
            lamp = RedLamp(case_id, fact.obligation, fact.unit, fact.due_at, about)
            self._overdue[case_id, fact.obligation, fact.unit] = lamp
            if len(self._overdue) > MOST_OVERDUE:
                self._overdue.popitem(last=False)
            return
        for key in [key for key in self._overdue if key[0] == case_id] if self._overdue else ():
            lamp = self._overdue.pop(key)
            if isinstance(fact, f.CaseHandedOver) and lamp.unit == fact.before:
                lamp = replace(lamp, unit=fact.unit)
            if not _puts_out(fact, lamp.obligation, lamp.unit):
                self._overdue[case_id, lamp.obligation, lamp.unit] = lamp


def _puts_out(fact: f.Fact, obligation: O, unit: str | None) -> bool:
    """Whether this fact puts out the red lamp of an obligation (of one unit, where it is a unit's)."""
    if isinstance(fact, f.CaseFact) and not _may_be_owed(obligation, fact.stage):
        return True
    if _releases(fact, unit) or (obligation is O.HANDLE and _gives_time(fact, unit)):
        return True
    if not isinstance(fact, MET_BY[obligation]):
        return False
    if isinstance(fact, f.CaseProgressed) and not fact.contacted:
        return False
    return unit is None or obligation in OWED_TO_UNITS or getattr(fact, "unit", unit) == unit


def _may_be_owed(obligation: O, stage: S) -> bool:
    """Whether somebody can still owe this while a case is in that stage.

    What was late when the case was suspended stays late; a request may wait behind a refusal.
    """
    if stage is S.SUSPENDED:
        return True
    if obligation is O.RULE_ON_REQUEST and stage in (S.REFUSAL_REVIEW, S.CONSULTATION):
        return True
    return obligation in STAGES[stage].obligations


def _releases(fact: f.Fact, unit: str | None) -> bool:
    """Whether this unit has no part in the case any more, and so owes nothing."""
    if isinstance(fact, f.CaseRefusalRuled):
        return fact.upheld and fact.unit == unit
    return isinstance(fact, f.CaseDispatched) and unit in {made.unit for made in fact.released}


def _gives_time(fact: f.Fact, unit: str | None) -> bool:
    """Whether this unit has more time for its part from now on: by an extension, or by a plan."""
    if isinstance(fact, f.CaseRequestRuled):
        return fact.approved and fact.kind is RequestKind.EXTENSION and fact.unit == unit
    return isinstance(fact, f.CaseListed) and bool(fact.milestones)


MET_BY: dict[O, tuple[type[f.Fact], ...]] = {
    O.ACCEPT: (f.CaseAccepted, f.CaseDeclined),
    O.DISPATCH: (f.CaseDispatched,),
    O.SIGN_IN: (f.CaseSignedIn, f.CaseRefused, f.CaseUnitDone),
    O.RULE_ON_REFUSAL: (f.CaseDispatched, f.CaseRefusalRuled),
    O.RULE_ON_REQUEST: (f.CaseRequestRuled,),
    O.DESIGNATE: (f.CaseDispatched,),
    O.FIRST_CONTACT: (f.CaseProgressed, f.CaseUnitDone, f.CaseHandled),
    O.HANDLE: (f.CaseUnitDone, f.CaseHandled),
    O.MILESTONE: (f.CaseMilestoneReached, f.CaseListed, f.CaseUnitDone),
    O.REVIEW: (f.CaseResumed,),
    O.CHECK: (f.CaseChecked,),
    O.RATE: (f.CaseClosed, f.CaseReworkOrdered),
    O.ARCHIVE: (f.CaseArchived,),
}
"""Which facts of a case meet each obligation."""

OWED_TO_UNITS = frozenset({O.RULE_ON_REFUSAL, O.RULE_ON_REQUEST})
"""What is owed to the unit that the fact names, and not by it."""
