"""What the clock knows of a case, and the ways in which its list of deadlines changes."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import Field

from services.sla.domain import deadline as one
from services.sla.domain.category_limits import candidates
from services.sla.domain.deadline import Deadline, State, replace
from services.sla.domain.moves import hand_on
from services.sla.domain.policy import Concern, Granted
from services.sla.domain.rules import Rules
from shared.contracts import facts as f
from shared.contracts.vocabulary import Level, Obligation, RequestKind, Stage, Urgency

OWED_BY_A_UNIT = (Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE)
"""What every unit owes that has a part; milestones are the lead's beside these."""
OWED_BY_WHO_WHISTLED = (Obligation.ACCEPT, Obligation.CHECK, Obligation.RATE)
UNDER_REVIEW = {Stage.REFUSAL_REVIEW: Obligation.RULE_ON_REFUSAL, Stage.CONSULTATION: Obligation.DESIGNATE}


class Ruling(f.Value):
    """The ruling a unit waits for, on a request of this kind or (None) on its refusal: whose deadline that is."""

    asker: str
    kind: RequestKind | None
    owed_by: str
    obligation: Obligation
    generation: int


class ClockState(f.Value):
    """What the clock knows of a case. `rulings` are those still owed; `milestones` has the generation of the deadline
    of each milestone of the plan in force, by its number; `handed_over` = up to which generation a unit's deadlines
    are its successor's: should it come back, it starts after that. `level` None = not dispatched yet.

    `deadlines` are rows of their own; the rest is kept as JSON.
    """

    number: str = ""
    urgency: Urgency
    category: tuple[str, ...] = ()
    level: Level | None = None
    whistle_blower: str
    lead: str = ""
    round: int = 1
    rulings: tuple[Ruling, ...] = ()
    milestones: dict[int, int] = Field(default_factory=dict)
    handed_over: dict[str, int] = Field(default_factory=dict)
    suspended_at: datetime | None = None
    deadlines: tuple[Deadline, ...] = Field(default=(), exclude=True)

    def open(self, *obligations: Obligation, unit: str | None = None) -> list[Deadline]:
        """Deadlines that are owed, of these obligations (all without any) and this unit (any without one)."""
        return [
            deadline
            for deadline in self.deadlines
            if deadline.ended_at is None
            and (not obligations or deadline.obligation in obligations)
            and (unit is None or deadline.unit == unit)
        ]

    def latest(self, obligation: Obligation, unit: str) -> Deadline | None:
        """The unit's deadline of this kind in this round, ended or not."""
        found = [known for known in all_of_unit(self, obligation, unit) if known.round == self.round]
        return max(found, key=lambda known: known.generation, default=None)


# --- changing the list -------------------------------------------------------------------------------------------


def armed(
    state: ClockState,
    unit: str,
    owed: Sequence[Obligation],
    at: datetime,
    rules: Rules,
    generation: int | None = None,
) -> ClockState:
    """Start these obligations of a unit, each as the next generation of its kind where none is given."""
    new = [
        one.arm(
            unit,
            obligation,
            generation or next_generation(state, obligation, unit),
            grants(state, obligation, rules),
            at,
            rules,
            state.round,
            state.urgency,
        )
        for obligation in owed
    ]
    return added(state, new)


def grants(state: ClockState, obligation: Obligation, rules: Rules) -> tuple[Granted, ...]:
    """What the policy grants and, to handle it, the catalogue; units have less in a rework. The stricter counts."""
    concern = Concern(state.urgency, state.category, state.level)
    found = candidates(rules.policy, rules.category_limits, obligation, concern)
    factor = rules.policy.rework_factor if state.round > 1 and obligation in OWED_BY_A_UNIT else 1
    return found if factor == 1 else tuple(Granted(one.limit.times(factor), one.basis) for one in found)


def next_generation(state: ClockState, obligation: Obligation, unit: str) -> int:
    used_up = max((known.generation for known in all_of_unit(state, obligation, unit)), default=0)
    return 1 + max(used_up, state.handed_over.get(unit, 0))


def all_of_unit(state: ClockState, obligation: Obligation, unit: str) -> list[Deadline]:
    return [known for known in state.deadlines if known.obligation is obligation and known.unit == unit]


def all_of(state: ClockState, obligation: Obligation) -> list[Deadline]:
    return [known for known in state.deadlines if known.obligation is obligation]


def ended(state: ClockState, ending: Iterable[Deadline], how: State, at: datetime, fact: f.CaseFact) -> ClockState:
    return replaced(state, [(deadline, one.end(deadline, how, at, fact.NAME)) for deadline in ending])


def renamed(state: ClockState, theirs: Iterable[Deadline], unit: str, generation: int | None = None) -> ClockState:
    """They are another unit's from now on; under another generation where it has one of that name."""
    return replaced(
        state, [(known, replace(known, unit=unit, generation=generation or known.generation)) for known in theirs]
    )


def handed_on(state: ClockState, theirs: Sequence[Deadline], unit: str, at: datetime, fact: f.CaseFact) -> ClockState:
    """The clocks end where they are and go on with another unit, each as its next generation."""
    new = [hand_on(known, unit, next_generation(state, known.obligation, unit)) for known in theirs]
    return added(ended(state, theirs, State.CANCELLED, at, fact), new)


def added(state: ClockState, new: Sequence[Deadline]) -> ClockState:
    return state.model_copy(update={"deadlines": (*state.deadlines, *new)}) if new else state


def replaced(state: ClockState, changes: Iterable[tuple[Deadline, Deadline]]) -> ClockState:
    new = {id(before): after for before, after in changes}
    if not new:
        return state
    deadlines = tuple([new.get(id(deadline), deadline) for deadline in state.deadlines])
    return state.model_copy(update={"deadlines": deadlines})
