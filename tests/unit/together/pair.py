"""One case with the router that decides about it and the clock that runs for it. Each fact of one reaches the other."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self, TypeAlias

from services.router.domain.case import Case
from services.router.domain.district import District
from services.router.main import HANDLERS, PASSED_OVER
from services.sla.domain.calendars import Calendars
from services.sla.domain.category_limits import CategoryLimits
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.domain.deadline import Deadline
from services.sla.domain.policy import Policies
from services.sla.domain.policy_file import read_policy
from services.sla.domain.reckoning import Reckoning
from services.sla.domain.rules import Rules
from services.sla.main import HANDLERS as CLOCK_HANDLERS
from services.sla.main import READ_PAST
from shared.contracts import facts as f
from shared.contracts.vocabulary import Obligation, Stage
from shared.runtime.decision import FromDoor, FromTimer, Input
from tests.unit.router.stories import CASE, Said
from tests.unit.sla.shipped_calendar import CALENDARS

POLICY_FILE = Path(__file__).parents[3] / "deploy" / "district" / "policy.yaml"
POLICY = read_policy(POLICY_FILE.read_text(encoding="utf-8"), "policy.yaml")
SHIPPED = Policies(POLICY)
Stated: TypeAlias = tuple[f.CaseFact | f.DeadlineFact, ...]
"""What either stated, in order; what ran out before a fact of the router's comes before it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Where both stand, and what is in force. What is told gives another pair; this one stays as it is."""

    district: District
    now: datetime
    case: Case | None = None
    clock: ClockState | None = None
    policies: Policies = SHIPPED
    calendars: Calendars = CALENDARS
    category_limits: CategoryLimits | None = None

    @property
    def rules(self) -> Rules:
        """What the clock goes by."""
        return Rules(self.policies, self.district.tree, self.calendars, self.category_limits)

    @property
    def deadlines(self) -> tuple[Deadline, ...]:
        return self.clock.deadlines if self.clock is not None else ()

    def at(self, now: datetime) -> Self:
        return replace(self, now=now)

    def tell(self, said: object) -> tuple[Self, Stated, str]:
        """Say it to the router. What it states reaches the clock, and what that states the router: until all is still.

        Returns where they stand then, what was stated, and the refusal's code where the router refused.
        """
        message, unit = (said.message, said.unit) if isinstance(said, Said) else (said, None)
        if type(message) in PASSED_OVER:
            return self, (), ""
        told = Input(CASE, message, "m", FromDoor(()), unit)
        decision = HANDLERS[type(message)](self.district, self.case, told, self.now)
        if decision.refusal is not None:
            return self, (), decision.refusal.code
        after = replace(self, case=decision.state or self.case)
        stated: list[f.CaseFact | f.DeadlineFact] = []
        said_by_clock: list[f.DeadlineFact] = []
        for fact in decision.facts:
            assert isinstance(fact, f.CaseFact)
            after, said_of_it = after._hear(fact)
            said_by_clock += said_of_it
            stated += [*said_of_it, fact]
        after, more = after._tell_all(said_by_clock)
        return after, (*stated, *more), ""

    def take(self, one: Deadline) -> tuple[Self, Stated]:
        """The timer takes a deadline's next step, and the router hears of it."""
        assert one.next_at is not None
        found = DeadlineReached(
            unit=one.unit, obligation=one.obligation, generation=one.generation, step=one.next_step, at=one.next_at
        )
        return self._from_within(found)

    def reckon(self, asked: Reckoning) -> tuple[Self, Stated]:
        """Its deadlines are reckoned again, and the router hears of it."""
        return self._from_within(asked)

    def let_run(self) -> tuple[Self, Stated]:
        """Time passes until the first step is due, and it is taken."""
        waiting = [one for one in self.deadlines if one.next_at is not None]
        first = min(waiting, key=when, default=None)
        return (self, ()) if first is None else self.at(max(self.now, when(first))).take(first)

    def _from_within(self, message: DeadlineReached | Reckoning) -> tuple[Self, Stated]:
        after, stated = self._hear(message)
        after, more = after._tell_all(stated)
        return after, (*stated, *more)

    def _tell_all(self, said_by_clock: tuple[f.DeadlineFact, ...] | list[f.DeadlineFact]) -> tuple[Self, Stated]:
        after, stated = self, list[f.CaseFact | f.DeadlineFact]()
        for one in said_by_clock:
            after, more, _ = after.tell(one)
            stated += more
        return after, tuple(stated)

    def _hear(self, message: f.CaseFact | DeadlineReached | Reckoning) -> tuple[Self, tuple[f.DeadlineFact, ...]]:
        if type(message) in READ_PAST:
            return self, ()
        told = Input(CASE, message, "m", FromTimer())
        decision = CLOCK_HANDLERS[type(message)](self.rules, self.clock, told, self.now)
        stated = tuple(fact for fact in decision.facts if isinstance(fact, f.DeadlineFact))
        return replace(self, clock=decision.state or self.clock), stated


def when(one: Deadline) -> datetime:
    """When its next step is due."""
    assert one.next_at is not None
    return one.next_at


MINUTE = timedelta(minutes=1)

OWED_IN: dict[Stage, tuple[Obligation, ...]] = {
    Stage.VERIFYING: (Obligation.ACCEPT,),
    Stage.TO_DISPATCH: (Obligation.DISPATCH,),
    Stage.REFUSAL_REVIEW: (Obligation.RULE_ON_REFUSAL,),
    Stage.CONSULTATION: (Obligation.DESIGNATE,),
    Stage.EXTENSION_REVIEW: (Obligation.RULE_ON_REQUEST,),
    Stage.SUSPENDED: (Obligation.REVIEW,),
    Stage.CHECKING: (Obligation.CHECK, Obligation.RATE),
    Stage.RATING: (Obligation.RATE,),
    Stage.CLOSED: (Obligation.ARCHIVE,),
}
"""What is owed in a stage at the least, whatever else is."""
