"""One case with the router that decides about it and the clock that runs for it. Each fact of one reaches the other."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from services.router.domain.case import Case
from services.router.domain.district import District
from services.router.main import HANDLERS, PASSED_OVER
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.domain.deadline import Deadline
from services.sla.domain.policy import Policies
from services.sla.domain.policy_file import read_policy
from services.sla.domain.rules import Rules
from services.sla.main import handlers_by
from shared.contracts import facts as f
from shared.contracts.vocabulary import Obligation, Stage
from shared.runtime.decision import FromDoor, FromTimer, Input
from tests.unit.router.stories import CASE, Said
from tests.unit.sla.shipped_calendar import CALENDARS

POLICY_FILE = Path(__file__).parents[3] / "deploy" / "district" / "policy.yaml"
POLICY = read_policy(POLICY_FILE.read_text(encoding="utf-8"), "policy.yaml")


def rules_in(district: District) -> Rules:
    return Rules(Policies(POLICY), district.tree, CALENDARS)


@dataclass(frozen=True, slots=True)
class Pair:
    """Where both stand. What is told gives another pair; this one stays as it is."""

    district: District
    now: datetime
    case: Case | None = None
    clock: ClockState | None = None

    @property
    def deadlines(self) -> tuple[Deadline, ...]:
        return self.clock.deadlines if self.clock is not None else ()

    def at(self, now: datetime) -> Self:
        return replace(self, now=now)

    def tell(self, said: object) -> tuple[Self, tuple[f.CaseFact, ...], str]:
        """Say it to the router. What it states reaches the clock, and what that states the router: until all is still.

        Returns where they stand then, what the router stated, and the refusal's code where it refused.
        """
        message, unit = (said.message, said.unit) if isinstance(said, Said) else (said, None)
        if type(message) in PASSED_OVER:
            return self, (), ""
        told = Input(CASE, message, "m", FromDoor(()), unit)
        decision = HANDLERS[type(message)](self.district, self.case, told, self.now)
        if decision.refusal is not None:
            return self, (), decision.refusal.code
        after = replace(self, case=decision.state or self.case)
        stated: list[f.CaseFact] = []
        said_by_clock: list[f.DeadlineFact] = []
        for fact in decision.facts:
            assert isinstance(fact, f.CaseFact)
            stated.append(fact)
            after, said_of_it = after._hear(fact)
            said_by_clock += said_of_it
        for one in said_by_clock:
            after, more, _ = after.tell(one)
            stated += more
        return after, tuple(stated), ""

    def take(self, one: Deadline) -> tuple[Self, tuple[f.DeadlineFact, ...]]:
        """The timer takes a deadline's next step. Returns what the clock states; the router has not heard it yet."""
        assert one.next_at is not None
        found = DeadlineReached(
            unit=one.unit, obligation=one.obligation, generation=one.generation, step=one.next_step, at=one.next_at
        )
        after, stated = self._hear(found)
        assert after.clock is not None
        return after, stated

    def next_step(self) -> Deadline | None:
        """The deadline whose step is due first."""
        waiting = [one for one in self.deadlines if one.next_at is not None]
        return min(waiting, key=lambda one: one.next_at or self.now, default=None)

    def let_run(self) -> tuple[Self, tuple[f.CaseFact, ...]]:
        """Time passes until the first step is due, and the router hears of it."""
        first = self.next_step()
        if first is None or first.next_at is None:
            return self, ()
        after, stated = self.at(max(self.now, first.next_at)).take(first)
        told: list[f.CaseFact] = []
        for fact in stated:
            after, more, _ = after.tell(fact)
            told += more
        return after, tuple(told)

    def _hear(self, message: f.CaseFact | DeadlineReached) -> tuple[Self, tuple[f.DeadlineFact, ...]]:
        handlers = handlers_by(lambda: rules_in(self.district))
        decision = handlers[type(message)](self.clock, Input(CASE, message, "m", FromTimer()), self.now)
        stated = tuple(fact for fact in decision.facts if isinstance(fact, f.DeadlineFact))
        return replace(self, clock=decision.state or self.clock), stated


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
