"""How long each unit really had, measured beside the clock: from the router's facts, the policy and the calendar alone.

A meter is one unit's time for one obligation in one round. It runs while the unit owes it, and stands still while the
case is suspended, merged or with somebody else; while a refusal is argued it runs. What may run on it is the limit
first granted, approved extensions, and a plan's end; a higher urgency allows less from then on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.sla.domain import calendar
from services.sla.domain.limit import Limit, TimeUnit
from services.sla.domain.policy import Concern, Policy
from shared.contracts import facts as f
from shared.contracts.vocabulary import Level, Obligation, RequestKind, Stage, Urgency
from tests.unit.sla.shipped_calendar import STATE as CALENDAR

OF_A_UNIT = (Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE)
STRICTEST_FIRST = (Urgency.CRITICAL, Urgency.URGENT, Urgency.NORMAL, Urgency.COMPLEX)
NOTHING = timedelta()
A_MOMENT = timedelta(milliseconds=1)
_WORKING = (TimeUnit.WORKING_HOUR, TimeUnit.WORKING_DAY)


@dataclass
class Grant:
    """So much time of a limit's own kind from a certain moment on: `own` of it without a plan."""

    limit: Limit
    since: datetime
    whole: timedelta = NOTHING
    own: timedelta = NOTHING
    budget: timedelta = NOTHING

    def __post_init__(self) -> None:
        due = calendar.due(self.since, self.limit, CALENDAR)
        self.whole = self.own = self.budget = self.between(due.counts_from, due.at)

    @property
    def begins(self) -> datetime:
        return calendar.counts_from(self.since, self.limit, CALENDAR)

    def between(self, start: datetime, end: datetime) -> timedelta:
        return calendar.between(start, end, self.limit, CALENDAR) if start < end else NOTHING


@dataclass
class Meter:
    """`grants`: all of them hold at once. `spans` are the times in which it ran; it runs if the last is open."""

    grants: list[Grant]
    spans: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    is_owed: bool = True
    said: bool = False
    rose: bool = False
    """The urgency rose while it stood still."""
    may_be_less: bool = False
    """The urgency rose while its refusal was argued, or it came when there was a plan already."""

    @property
    def runs(self) -> bool:
        return bool(self.spans) and self.spans[-1][1] is None

    def run(self, at: datetime) -> None:
        if not self.runs:
            self.spans.append((at, None))

    def stand(self, at: datetime) -> None:
        if self.runs:
            self.spans[-1] = (self.spans[-1][0], at)

    def used(self, grant: Grant, until: datetime) -> timedelta:
        return sum(
            (
                grant.between(max(start, grant.begins), min(end or until, until))
                for start, end in self.spans
                if start < until
            ),
            NOTHING,
        )

    def left(self, until: datetime) -> timedelta:
        """What the strictest grant leaves; negative once it is used up."""
        return min(grant.budget - self.used(grant, until) for grant in self.grants)

    def adds(self, share: float) -> None:
        self._counts_as_the_last()
        for grant in self.grants:
            grant.budget += share * grant.whole
            grant.own += share * grant.whole

    def lasts_until(self, end: datetime, at: datetime) -> None:
        """A plan: it may run until then, if that is later than without a plan."""
        self._counts_as_the_last()
        for grant in self.grants:
            least = grant.own if grant is self.grants[-1] else grant.budget
            grant.budget = max(least, self.used(grant, at) + grant.between(max(at, grant.begins), end))

    def _counts_as_the_last(self) -> None:
        """Once time is added by people, what counts another kind of time than the present limit holds no more."""
        working = self.grants[-1].limit.unit in _WORKING
        self.grants = [one for one in self.grants if (one.limit.unit in _WORKING) == working]

    def raised(self, limit: Limit, at: datetime) -> None:
        """From now on so much at most, where that is sooner than what is left."""
        fresh = Grant(limit, at)
        due = calendar.due(at, limit, CALENDAR).at
        ends = [
            calendar.due_after(max(at, one.begins), max(one.budget - self.used(one, at), NOTHING), one.limit, CALENDAR)
            for one in self.grants
        ]
        if self.left(at) > NOTHING and due < min(end.at for end in ends):
            self.grants = [*self.grants, fresh]


@dataclass
class Meters:
    """Every unit's meters, kept by the facts of one case in the order in which they were stated."""

    policy: Policy
    urgency: Urgency = Urgency.NORMAL
    category: tuple[str, ...] = ()
    level: Level | None = None
    round: int = 1
    having: set[str] = field(default_factory=set)
    argued: set[str] = field(default_factory=set)
    of: dict[tuple[str, Obligation], Meter] = field(default_factory=dict)
    suspended_at: datetime | None = None
    plan: dict[int, datetime] = field(default_factory=dict)
    """What is left of it."""
    nobody_has_it_since: datetime | None = None
    ran_out: int = 0
    given_back: int = 0
    extended: int = 0

    # --- what the router states

    def hears(self, fact: f.CaseFact, at: datetime) -> None:
        match fact:
            case f.CaseDispatched() | f.CaseReworkOrdered() | f.CaseRefusalRuled() | f.CaseHandedOver():
                self._redistributed(fact, at)
            case f.CaseSignedIn() | f.CaseRefused() | f.CaseProgressed() | f.CaseUnitDone():
                self._reported(fact, at)
            case f.CaseHandled() | f.CaseWithdrawn() | f.CaseMerged():
                self._ends(at)
                self.nobody_has_it_since = at
            case f.CaseOpened():
                self.category = fact.matter.category
                self._urgency(fact.matter.urgency, at)
            case f.CaseAccepted():
                self.category = fact.category
                self._urgency(fact.urgency, at)
            case f.CaseReprioritised():
                self._urgency(fact.urgency, at)
            case f.CaseRequestRuled(approved=True) | f.CaseListed() | f.CaseResumed():
                self._time_granted(fact, at)
            case f.CaseMilestoneReached():
                del self.plan[fact.milestone]
            case _:
                pass

    def _redistributed(
        self, fact: f.CaseDispatched | f.CaseReworkOrdered | f.CaseRefusalRuled | f.CaseHandedOver, at: datetime
    ) -> None:
        match fact:
            case f.CaseDispatched():
                self._dispatched(fact, at)
            case f.CaseReworkOrdered():
                self._ends(at)
                self.round, self.plan, self.of, self.nobody_has_it_since = fact.round, {}, {}, None
                for made in fact.assignments:
                    self._given(made.unit, at)
            case f.CaseRefusalRuled():
                self.argued.discard(fact.unit)
                if fact.upheld:
                    self._lost(fact.unit, at)
            case f.CaseHandedOver() if fact.assignment_id is not None:
                self._succeeded(fact.before, fact.unit, at)
            case _:
                pass

    def _reported(self, fact: f.CaseSignedIn | f.CaseRefused | f.CaseProgressed | f.CaseUnitDone, at: datetime) -> None:
        match fact:
            case f.CaseRefused():
                self.argued.add(fact.unit)
            case f.CaseSignedIn():
                self._met(fact.unit, Obligation.SIGN_IN, at)
            case f.CaseProgressed(contacted=True):
                self._met(fact.unit, Obligation.FIRST_CONTACT, at)
            case f.CaseUnitDone():
                for obligation in OF_A_UNIT:
                    self._met(fact.unit, obligation, at)
            case _:
                pass

    def _dispatched(self, fact: f.CaseDispatched, at: datetime) -> None:
        if self.nobody_has_it_since is not None:
            self._plan_stood_still(at - self.nobody_has_it_since)
            self.nobody_has_it_since = None
        self.level = fact.level
        for made in fact.released:
            self._lost(made.unit, at)
        for made in fact.assignments:
            if made.begun:
                self._given(made.unit, at)

    def _given(self, unit: str, at: datetime) -> None:
        self.having.add(unit)
        for obligation in OF_A_UNIT:
            meter = self.of.get((unit, obligation))
            if meter is None:
                meter = self.of[unit, obligation] = Meter([Grant(self._limit(obligation), at)])
                if self.plan and obligation is Obligation.HANDLE:
                    meter.lasts_until(max(self.plan.values()), at)
                    meter.may_be_less = True
            else:
                self.given_back += 1
                meter.is_owed = meter.is_owed or obligation is not Obligation.FIRST_CONTACT
            self._runs_if_it_may(meter, obligation, at)

    def _runs_if_it_may(self, meter: Meter, obligation: Obligation, at: datetime) -> None:
        if not meter.is_owed or self.suspended_at is not None:
            return
        if meter.rose and not meter.said:
            meter.raised(self._limit(obligation), at)
        meter.rose = False
        meter.run(at)

    def _lost(self, unit: str, at: datetime) -> None:
        self.having.discard(unit)
        self.argued.discard(unit)
        for obligation in OF_A_UNIT:
            self.of[unit, obligation].stand(at)

    def _met(self, unit: str, obligation: Obligation, at: datetime) -> None:
        meter = self.of[unit, obligation]
        meter.stand(at)
        meter.is_owed = False

    def _succeeded(self, before: str, unit: str, at: datetime) -> None:
        """On the same clock; what is met already is the successor's own, if it had any."""
        for those in (self.having, self.argued):
            if before in those:
                those.remove(before)
                those.add(unit)
        for obligation in OF_A_UNIT:
            meter = self.of[before, obligation]
            if meter.is_owed or (unit, obligation) not in self.of:
                self.of[unit, obligation] = meter
                del self.of[before, obligation]
            else:
                meter.stand(at)

    def _ends(self, at: datetime) -> None:
        for unit in tuple(self.having):
            self._lost(unit, at)
        self.suspended_at = None

    def _urgency(self, urgency: Urgency, at: datetime) -> None:
        rises = STRICTEST_FIRST.index(urgency) < STRICTEST_FIRST.index(self.urgency)
        self.urgency = urgency
        if not rises:
            return
        for (unit, obligation), meter in self.of.items():
            if obligation is Obligation.SIGN_IN and unit in self.argued:
                meter.may_be_less = True
            elif meter.runs and not meter.said:
                meter.raised(self._limit(obligation), at)
            elif not meter.runs:
                meter.rose = True

    def _time_granted(self, fact: f.CaseFact, at: datetime) -> None:
        match fact:
            case f.CaseRequestRuled(kind=RequestKind.EXTENSION, share=float() as share):
                meter = self.of[fact.unit, Obligation.HANDLE]
                meter.adds(share)
                meter.said = meter.said and meter.left(at) < NOTHING
                self.extended += 1
            case f.CaseListed():
                self.plan = {step.number: step.due_at for step in fact.milestones}
                for unit in self.having if self.plan else ():
                    meter = self.of[unit, Obligation.HANDLE]
                    if meter.is_owed:
                        meter.lasts_until(max(self.plan.values()), at)
                        meter.said = meter.said and meter.left(at) <= NOTHING
            case f.CaseResumed():
                assert self.suspended_at is not None
                self._plan_stood_still(at - self.suspended_at)
                self.suspended_at = None
                for (unit, obligation), meter in self.of.items():
                    if unit in self.having:
                        self._runs_if_it_may(meter, obligation, at)
            case _:
                pass
        if fact.stage is Stage.SUSPENDED and self.suspended_at is None:
            self.suspended_at = at
            for meter in self.of.values():
                meter.stand(at)

    def _plan_stood_still(self, how_long: timedelta) -> None:
        self.plan = {number: date + how_long for number, date in self.plan.items()}

    def _limit(self, obligation: Obligation) -> Limit:
        concern = Concern(self.urgency, self.category, self.level)
        limit = self.policy.grants(obligation, concern).limit
        return limit.times(self.policy.rework_factor) if self.round > 1 else limit

    # --- what the clock states

    def hears_the_clock(self, fact: f.DeadlineStep) -> None:
        """Red at the very moment at which the time granted is used up, neither later nor sooner."""
        if not isinstance(fact, f.DeadlineOverdue) or fact.unit is None:
            return
        if fact.obligation in OF_A_UNIT:
            assert (fact.unit, fact.obligation) in self.of, f"{fact.unit} owes no {fact.obligation}"
            meter = self.of[fact.unit, fact.obligation]
            left = meter.left(fact.due_at)
            assert left >= -A_MOMENT, f"{fact.unit} had {-left} too much for {fact.obligation}"
            if not meter.may_be_less:
                assert left <= A_MOMENT, f"{fact.unit} was owed {left} more for {fact.obligation}"
            meter.said = True
            self.ran_out += 1
        elif fact.obligation is Obligation.MILESTONE:
            assert any(abs(fact.due_at - date) < A_MOMENT for date in self.plan.values()), (
                "milestones stand still with the case"
            )

    def overdrawn(self, now: datetime) -> Iterator[str]:
        """Whoever goes on beyond what was granted without anybody having said so.

        An argued sign-in is not owed at the moment; if the refusal is dismissed, it has run all the time.
        """
        for (unit, obligation), meter in self.of.items():
            is_argued = obligation is Obligation.SIGN_IN and unit in self.argued
            if meter.runs and not meter.said and not is_argued and meter.left(now) < -A_MOMENT:
                yield f"{unit} has had {-meter.left(now)} too much for {obligation}, and nobody said so"
