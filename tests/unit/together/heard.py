"""Who hears all that the clock states: every step once, in its order, at its time, by the deadline's own policy."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from services.sla.domain.announcing import TOLD
from services.sla.domain.deadline import RED, YELLOW, Deadline
from shared.contracts import facts as f
from shared.contracts.vocabulary import Obligation
from tests.unit.together.pair import Pair

Name: TypeAlias = tuple[str, Obligation, int]


def named(one: Deadline) -> Name:
    return one.unit, one.obligation, one.generation


@dataclass
class Heard:
    """`announced` = by when each is due, as was said last; None while it stands still. `steps` = which were taken."""

    announced: dict[Name, datetime | None] = field(default_factory=dict)
    steps: dict[Name, list[int]] = field(default_factory=dict)
    is_reckoning: bool = False
    rungs: Counter[int] = field(default_factory=Counter)

    def hears(self, fact: f.DeadlineFact, pair: Pair) -> None:
        match fact:
            case f.DeadlineSet():
                for limit in fact.limits:
                    self.announced[fact.unit, limit.obligation, limit.generation] = limit.due_at
            case f.DeadlineStep():
                self._step(fact, pair)
            case _:
                raise AssertionError(f"nobody knows what {fact.NAME} says")

    def _step(self, fact: f.DeadlineStep, pair: Pair) -> None:
        assert fact.unit is not None
        name = (fact.unit, fact.obligation, fact.generation)
        policy = pair.policies.of(fact.policy_version)
        assert policy.version == fact.policy_version, "its own policy is still known"
        urgency = next((one.urgency for one in pair.deadlines if named(one) == name), None)
        taken = self.steps.setdefault(name, [])
        match fact:
            case f.DeadlineWarned():
                step = YELLOW
                if urgency is not None:
                    assert policy.warns_at(fact.obligation, urgency) is not None
            case f.DeadlineOverdue():
                step = RED
                assert fact.fired_at >= fact.due_at, "never early"
                assert fact.obligation not in TOLD or self.announced[name] == fact.due_at, "as it was announced last"
            case f.DeadlineEscalated():
                step = fact.rung
                self.rungs[step] += 1
                if urgency is not None:
                    rung = policy.rungs(fact.obligation, urgency)[fact.rung - 1]
                    assert rung.then == fact.changes
                assert fact.fired_at > fact.due_at
            case _:
                raise AssertionError(f"{fact.NAME} is no step")
        assert not taken or step > taken[-1], f"{name}: step {step} after {taken}"
        taken.append(step)

    def compares(self, before: Iterable[Deadline], after: Iterable[Deadline]) -> None:
        """What fired stays fired; a policy is a deadline's own, unless it is reckoned again; nothing moves untold."""
        now = list(after)
        fired = Counter((one.obligation, one.round, one.fired_at) for one in now if one.fired_at is not None)
        had = Counter((one.obligation, one.round, one.fired_at) for one in before if one.fired_at is not None)
        assert had <= fired, "what fired stays fired"
        known = {named(one): one for one in before}
        for one in now:
            was = known.get(named(one))
            if was is not None and not self.is_reckoning and was.started_at == one.started_at:
                assert (was.policy_version, was.granted, was.basis) == (one.policy_version, one.granted, one.basis)
            if one.is_open and one.obligation in TOLD:
                stands = one.paused_at is not None
                assert self.announced[named(one)] == (None if stands else one.due_at), f"{named(one)} moved untold"
