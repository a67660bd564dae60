"""What is counted while a district is simulated: plain numbers that go from one process to another."""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from services.sla.domain.deadline import Deadline, State
from shared.contracts.facts import DeadlineEscalated, DeadlineOverdue, DeadlineStep, DeadlineWarned
from shared.contracts.vocabulary import Obligation, Post, Stage

BATCHES = 12
"""Into so many stretches of time a run is cut, to say how sure a difference is."""


class Owed(NamedTuple):
    unit: str
    obligation: Obligation
    batch: int


class Notified(NamedTuple):
    unit: str
    post: Post


@dataclass(slots=True)
class DeskUse:
    """One unit's people: seconds worked in cases and there were, tasks begun and how long they had waited."""

    day: int
    night: int
    busy: float
    capacity: float
    begun: int
    waited: float


@dataclass(slots=True)
class Tally:
    """`on_time` and `late` count deadlines that were met in time or were overdue; what is neither yet is in none.

    By day: `reds`, `yellows`, `rungs` (steps taken), `open_cases` and `waiting` (tasks) as each day ends.
    `need` has what each unit was given to do, for `staffing.py`.
    """

    days: int
    cases: int = 0
    ended: Counter[Stage] = field(default_factory=Counter)
    still_open: Counter[Stage] = field(default_factory=Counter)
    on_time: Counter[Owed] = field(default_factory=Counter)
    late: Counter[Owed] = field(default_factory=Counter)
    yellows: list[int] = field(default_factory=list)
    reds: list[int] = field(default_factory=list)
    rungs: list[int] = field(default_factory=list)
    by_rung: Counter[int] = field(default_factory=Counter)
    notices: Counter[Notified] = field(default_factory=Counter)
    open_cases: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    waiting_of: dict[str, int] = field(default_factory=dict)
    most_waiting_of: Counter[str] = field(default_factory=Counter)
    handled_after: dict[str, "array[float]"] = field(default_factory=dict)
    desks: dict[str, DeskUse] = field(default_factory=dict)
    refusals: int = 0
    reworks: int = 0

    def __post_init__(self) -> None:
        for steps in (self.yellows, self.reds, self.rungs):
            steps.extend([0] * self.days)

    def batch(self, day: int) -> int:
        return min(BATCHES - 1, day * BATCHES // self.days)

    def count(self, deadlines: Iterable[Deadline], batch: int, over: bool = False) -> None:
        """A case's deadlines, once nothing more happens to them. If the case is `over`, what was open is met."""
        for deadline in deadlines:
            name = Owed(deadline.unit, deadline.obligation, batch)
            if deadline.fired_at is not None:
                self.late[name] += 1
            elif deadline.state is State.MET or (over and deadline.is_open):
                self.on_time[name] += 1

    def step(self, stated: DeadlineStep, start: datetime) -> None:
        """A light or a rung, and who is told of it: yellow the people on duty, red them and their leader."""
        day = min((stated.fired_at - start).days, self.days - 1)
        unit = stated.unit or ""
        match stated:
            case DeadlineWarned():
                self.yellows[day] += 1
                self.notices[Notified(unit, Post.DUTY)] += 1
            case DeadlineOverdue():
                self.reds[day] += 1
                self.notices[Notified(unit, Post.DUTY)] += 1
                self.notices[Notified(unit, Post.LEADER)] += 1
            case DeadlineEscalated():
                self.rungs[day] += 1
                self.by_rung[stated.rung] += 1
                for one in stated.recipients:
                    self.notices[Notified(one.unit, one.post)] += 1
