"""What the facts of one case must agree on among themselves: who has it, who was answerable for how long, and on
which ledger it stands (the parts of I2 and I4 that one case's own log decides).

Facts of a release that did not say such things yet are not asked for them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from shared.contracts import facts as f
from shared.contracts.vocabulary import Ledger, RequestKind, Role, Stage

Fault = tuple[str, str]
"""The invariant that is broken, and why."""

ACTS = (
    f.CaseSignedIn
    | f.CaseRefused
    | f.CaseRefusalRuled
    | f.CaseProgressed
    | f.CaseMilestoneReached
    | f.CaseUnitDone
    | f.CaseRequested
    | f.CaseRequestRuled
)
"""What a unit does in its part, or what is ruled on it."""


@dataclass(slots=True)
class Life:
    """One case, fact by fact from `CaseOpened`. `parts` = the assignments in effect and whose they are, `given` = all
    there ever were, `lead` the unit that leads it or was the last to. `held` = how long each unit was answerable.
    """

    stage: Stage
    whistle_blower: str
    since: datetime
    desk: str | None = None
    lead: str | None = None
    round: int = 1
    parts: dict[UUID, str] = field(default_factory=dict)
    given: dict[UUID, str] = field(default_factory=dict)
    ledger: Ledger | None = None
    into: UUID | None = None
    held: Counter[str] = field(default_factory=Counter)
    suspended: Counter[str] = field(default_factory=Counter)

    def take(self, fact: f.CaseFact, at: datetime) -> Iterator[Fault]:
        """One more fact, stated at `at`, and what is wrong with it."""
        self._pass_time(at)
        yield from self._who_has_it(fact)
        self.given |= self.parts
        yield from self._ledger_of(fact)
        if isinstance(fact, f.CaseClosed | f.CaseWithdrawn):
            yield from self._answered_for(fact)
        self._who_is_who(fact)
        self.stage = fact.stage

    # --- time

    def _pass_time(self, at: datetime) -> None:
        passed = (at - self.since) // timedelta(microseconds=1)
        self.since = at
        unit = self._answerable()
        if unit is not None:
            self.held[unit] += passed
            self.suspended[unit] += passed if self.stage is Stage.SUSPENDED else 0

    def _answerable(self) -> str | None:
        """Whose time it is: exactly one unit's while the case is open."""
        match self.stage:
            case Stage.CLOSED | Stage.ARCHIVED | Stage.DECLINED | Stage.WITHDRAWN:
                return None
            case Stage.TO_DISPATCH:
                return self.desk or self.whistle_blower
            case Stage.RECEIVED | Stage.VERIFYING | Stage.CHECKING | Stage.RATING | Stage.MERGED:
                return self.whistle_blower
            case _:
                return self.lead or self.whistle_blower

    def _who_is_who(self, fact: f.CaseFact) -> None:
        match fact:
            case f.CaseSentToDesk():
                self.desk = fact.desk
            case f.CaseDispatched() | f.CaseReworkOrdered():
                self.lead = next((made.unit for made in fact.assignments if made.role is Role.LEAD), self.lead)
            case f.CaseHandedOver(assignment_id=None):
                self.whistle_blower = fact.unit
            case f.CaseHandedOver(role=Role.LEAD):
                self.lead = fact.unit
            case f.CaseMerged():
                self.into = fact.into

    def _answered_for(self, fact: f.CaseClosed | f.CaseWithdrawn) -> Iterator[Fault]:
        """Somebody answers for every moment of its open life, nobody for more."""
        if "accounts" not in fact.model_fields_set:
            return
        units = [one.unit for one in fact.accounts]
        if len(set(units)) < len(units):
            yield "I2", f"its accounts name a unit twice: {', '.join(units)}"
        for word, owned, said in (
            ("open", self.held, {one.unit: one.held for one in fact.accounts}),
            ("suspended", self.suspended, {one.unit: one.suspended for one in fact.accounts}),
        ):
            whole, of_units = timedelta(microseconds=owned.total()), sum(said.values(), timedelta())
            if whole != of_units:
                yield "I2", f"it was {word} for {whole}, its units answer for {of_units} of it"
            for unit in sorted({*owned, *said}):
                had, has = timedelta(microseconds=owned[unit]), said.get(unit, timedelta())
                if had != has:
                    yield "I2", f"{unit} had it {word} for {had}, its account says {has}"

    # --- parts

    def _who_has_it(self, fact: f.CaseFact) -> Iterator[Fault]:
        match fact:
            case f.CaseDispatched():
                yield from self._one_lead(fact.NAME, fact.assignments)
                yield from self._dispatched(fact)
            case f.CaseReworkOrdered():
                yield from self._one_lead(fact.NAME, fact.assignments)
                self.parts.clear()
                self.round = fact.round
                yield from self._begin(fact.assignments)
            case f.CaseHandedOver(assignment_id=UUID() as assignment_id):
                yield from self._in_its_part(fact.NAME, assignment_id, fact.before)
                self.parts[assignment_id] = fact.unit
            case f.CaseWithdrawn() | f.CaseMerged() | f.CaseSentToDesk():
                yield from self._release(fact.released)
                yield from self._nobody_left(fact.NAME)
            case f.CaseTimed() if self.given.get(fact.assignment_id) != fact.unit:
                yield "I4", f"{fact.NAME} is about a part that {fact.unit} never had"
            case f.CaseClosed():
                yield from self._all_named(fact.NAME, fact.assignments)
            case f.CaseResumed() | f.CaseListed() | f.CaseReprioritised() | f.CaseCorrected():
                yield from self._all_named(fact.NAME, fact.assignments)
            case f.CaseRequestRuled(kind=RequestKind.SUSPENSION, approved=True):
                yield from self._in_its_part(fact.NAME, fact.assignment_id, fact.unit)
                yield from self._all_named(fact.NAME, fact.assignments)
            case f.CaseRefusalRuled(upheld=True):
                yield from self._in_its_part(fact.NAME, fact.assignment_id, fact.unit)
                self.parts.pop(fact.assignment_id, None)
            case _ if isinstance(fact, ACTS):
                yield from self._in_its_part(fact.NAME, fact.assignment_id, fact.unit)

    def _dispatched(self, fact: f.CaseDispatched) -> Iterator[Fault]:
        """Those who keep it are named, those who lose it are told, those who begin had no part in this round."""
        if any("begun" not in made.model_fields_set for made in fact.assignments):
            self.parts = {made.assignment_id: made.unit for made in fact.assignments}
            return
        yield from self._release(fact.released)
        kept = [made for made in fact.assignments if not made.begun]
        for made in kept:
            yield from self._in_its_part(fact.NAME, made.assignment_id, made.unit)
        lost = self.parts.keys() - {made.assignment_id for made in kept}
        for assignment_id in sorted(lost):
            if self.parts[assignment_id] not in {made.unit for made in fact.assignments if made.begun}:
                yield "I4", f"{fact.NAME} takes it from {self.parts.pop(assignment_id)} without releasing it"
        yield from self._begin(made for made in fact.assignments if made.begun)

    def _begin(self, assignments: Iterable[f.AssignmentMade]) -> Iterator[Fault]:
        for made in assignments:
            if made.unit in self.parts.values():
                yield "I4", f"{made.unit} begins round {made.round} a second time without having been released"
            if made.assignment_id in self.parts:
                yield "I4", f"one assignment is given to {self.parts[made.assignment_id]} and {made.unit}"
            if made.round != self.round:
                yield "I4", f"{made.unit} begins round {made.round} in round {self.round} of the case"
            self.parts[made.assignment_id] = made.unit

    def _release(self, released: Iterable[f.AssignmentMade]) -> Iterator[Fault]:
        for made in released:
            if self.parts.pop(made.assignment_id, None) != made.unit:
                yield "I4", f"{made.unit} is released of a part it does not have"

    def _nobody_left(self, name: str) -> Iterator[Fault]:
        for unit in self.parts.values():
            yield "I4", f"{name} leaves it with {unit}"
        self.parts.clear()

    def _in_its_part(self, name: str, assignment_id: UUID, unit: str) -> Iterator[Fault]:
        if self.parts.get(assignment_id) != unit:
            yield "I4", f"{name} is about a part that {unit} does not have"

    def _all_named(self, name: str, assignments: Iterable[f.AssignmentMade]) -> Iterator[Fault]:
        """Who is told follows from who is named."""
        named = {made.assignment_id: made.unit for made in assignments}
        if named != self.parts:
            has = ", ".join(sorted(self.parts.values())) or "nobody"
            yield "I4", f"{name} names {', '.join(sorted(named.values())) or 'nobody'}, but {has} has it"

    def _one_lead(self, name: str, assignments: Iterable[f.AssignmentMade]) -> Iterator[Fault]:
        leads = sum(made.role is Role.LEAD for made in assignments)
        if leads != 1:
            yield "I4", f"{name} names {leads} leads"

    # --- ledgers

    def _ledger_of(self, fact: f.CaseFact) -> Iterator[Fault]:
        match fact:
            case f.CaseDispatched() | f.CaseListed() | f.CaseAnswered():
                self.ledger = fact.ledger
            case f.CaseSentToDesk(ledger=Ledger() as ledger):
                self.ledger = ledger
            case f.CaseClosed() if fact.ledger is not self.ledger:
                stands = self.ledger.value if self.ledger else "none"
                yield "I2", f"it is written off ledger {fact.ledger.value}, but stands on {stands}"
            case _:
                return
