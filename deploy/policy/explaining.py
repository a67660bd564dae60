"""Why a limit is what it is: which row applies and why the others do not, what is due when, and who is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from services.sla.domain import deadline as one
from services.sla.domain import steps
from services.sla.domain.category_limits import candidates
from services.sla.domain.deadline import Deadline
from services.sla.domain.policy import BELOW, Concern, Excepted, Granted, Policy
from services.sla.domain.rules import Rules
from shared.contracts.facts import DeadlineEscalated, DeadlineStep
from shared.contracts.vocabulary import Obligation


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the policy, held against a case. `obstacles` = what does not fit; none but not deciding = outdone."""

    name: str
    granted: Granted
    obstacles: tuple[str, ...] = ()
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    at: datetime
    stated: DeadlineStep

    @property
    def told(self) -> list[str]:
        """Units and posts, as `dept-water leader`."""
        if not isinstance(self.stated, DeadlineEscalated):
            return []
        return [f"{recipient.unit} {recipient.post}" for recipient in self.stated.recipients]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`left_out` = how many exceptions for this obligation are about other categories."""

    rows: tuple[Row, ...]
    left_out: int
    granted: tuple[tuple[Granted, datetime], ...]
    deadline: Deadline
    steps: tuple[Step, ...]


def explain(obligation: Obligation, concern: Concern, unit: str, start: datetime, rules: Rules) -> Explanation:
    """What somebody owes from that start, by which row, and what follows when it stays unmet."""
    policy = rules.policy
    found = [row for row in policy.exceptions if obligation in row.obligation]
    near = [row for row in found if row.category == concern.category[: len(row.category)]]
    both = candidates(policy, rules.category_limits, obligation, concern)
    armed = [one.arm(unit, obligation, 1, [each], start, rules, urgency=concern.urgency) for each in both]
    deadline = min(armed, key=lambda each: each.due_at)
    return Explanation(
        tuple(_rows(policy, near, obligation, concern)),
        len(found) - len(near),
        tuple(zip(both, (each.due_at for each in armed), strict=True)),
        deadline,
        tuple(_steps(deadline, rules)),
    )


def _rows(policy: Policy, near: list[Excepted], obligation: Obligation, concern: Concern) -> Iterator[Row]:
    decides = policy.grants(obligation, concern)
    for row in sorted(near, key=lambda row: row.specificity, reverse=True):
        yield Row(row.name, row.granted, tuple(_obstacles(row, concern)), row.granted == decides)
    general = policy.general(obligation, concern.urgency)
    yield Row(general.basis, general, (), general == decides)


def _obstacles(row: Excepted, concern: Concern) -> Iterator[str]:
    if row.level and concern.level not in row.level:
        yield f"level: {', '.join(row.level)} ≠ {concern.level or '—'}"
    if row.urgency and concern.urgency not in row.urgency:
        yield f"urgency: {', '.join(row.urgency)} ≠ {concern.urgency}"


def _steps(deadline: Deadline, rules: Rules) -> Iterator[Step]:
    while deadline.next_at is not None:
        at = deadline.next_at
        deadline, stated = steps.reach(deadline, at, rules)
        if stated is not None:
            yield Step(at, stated)


def category_of(written: str) -> tuple[str, ...]:
    """`甲->乙` as names from the top."""
    return tuple(part.strip() for part in written.split(BELOW) if part.strip())
