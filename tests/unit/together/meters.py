"""How long each unit really had, measured beside the clock: from the router's facts and what is in force.

A meter is one unit's time for one obligation in one round. It runs while the unit owes it, and stands still while the
case is suspended, merged or with somebody else; while a refusal is argued it runs. What may run on it is the limit
first granted, approved extensions, and a plan's end; a higher urgency allows less from then on.

Of the clock it takes two things: by which calendars it counts (not when, nor how much), and where a deadline is
reckoned again, or counts by another unit's calendar, how much is left from then on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from services.sla.domain import calendar
from services.sla.domain.calendar import WorkingCalendar
from services.sla.domain.deadline import Deadline
from services.sla.domain.limit import Limit, TimeUnit
from services.sla.domain.policy import Concern
from services.sla.domain.rules import Rules
from shared.contracts import facts as f
from shared.contracts.vocabulary import Level, Obligation, RequestKind, Stage, Urgency

OF_A_UNIT = (Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE)
STRICTEST_FIRST = (Urgency.CRITICAL, Urgency.URGENT, Urgency.NORMAL, Urgency.COMPLEX)
NOTHING = timedelta()
A_MOMENT = timedelta(milliseconds=1)
Redistributed: TypeAlias = (
    f.CaseDispatched | f.CaseReworkOrdered | f.CaseRefusalRuled | f.CaseHandedOver | f.CaseSentToDesk
)
_WORKING = (TimeUnit.WORKING_HOUR, TimeUnit.WORKING_DAY)


@dataclass
class Grant:
    """So much time of a limit's own kind from a certain moment on: `own` of it without a plan."""

    limit: Limit
    since: datetime
    by: WorkingCalendar
    own: timedelta = NOTHING
    budget: timedelta = NOTHING

    def __post_init__(self) -> None:
        self.own = self.budget = self.whole(self.by)

    @property
    def begins(self) -> datetime:
        return calendar.counts_from(self.since, self.limit, self.by)

    def whole(self, by: WorkingCalendar) -> timedelta:
        due = calendar.due(self.since, self.limit, by)
        return self.between(due.counts_from, due.at, by)

    def between(self, start: datetime, end: datetime, by: WorkingCalendar) -> timedelta:
        return calendar.between(start, end, self.limit, by) if start < end else NOTHING


@dataclass
class Span:
    """A time in which a meter ran, counted by this calendar; it runs still without an end."""

    start: datetime
    by: WorkingCalendar
    end: datetime | None = None


@dataclass
class Meter:
    """`grants`: all of them hold at once. `spans` are the times in which it ran; it runs if the last is open."""

    grants: list[Grant]
    spans: list[Span] = field(default_factory=list)
    version: str = ""
    """Of the calendars that it counts by."""
    is_owed: bool = True
    said: bool = False
    rose: bool = False
    """The urgency rose while it stood still."""
    may_be_less: bool = False
    """The urgency rose while its refusal was argued, or it came when there was a plan already."""

    @property
    def runs(self) -> bool:
        return bool(self.spans) and self.spans[-1].end is None

    def run(self, at: datetime, by: WorkingCalendar) -> None:
        if not self.runs:
            self.spans.append(Span(at, by))

    def stand(self, at: datetime) -> None:
        if self.runs:
            self.spans[-1].end = at

    def used(self, grant: Grant, until: datetime) -> timedelta:
        return sum(
            (
                grant.between(max(span.start, grant.begins), min(span.end or until, until), span.by)
                for span in self.spans
                if span.start < until
            ),
            NOTHING,
        )

    def left(self, until: datetime) -> timedelta:
        """What the strictest grant leaves; negative once it is used up."""
        return min(grant.budget - self.used(grant, until) for grant in self.grants)

    @property
    def left_now(self) -> timedelta:
        """What is left of it while it stands still."""
        return self.left(self.spans[-1].end or self.spans[-1].start)

    def adds(self, share: float) -> None:
        self._counts_as_the_last()
        for grant in self.grants:
            more = share * grant.whole(self.spans[-1].by)
            grant.budget += more
            grant.own += more

    def lasts_until(self, end: datetime, at: datetime, by: WorkingCalendar) -> None:
        """A plan: it may run until then, if that is later than without a plan."""
        self._counts_as_the_last()
        for grant in self.grants:
            least = grant.own if grant is self.grants[-1] else grant.budget
            grant.budget = max(least, self.used(grant, at) + grant.between(max(at, grant.begins), end, by))

    def _counts_as_the_last(self) -> None:
        """Once time is added by people, what counts another kind of time than the present limit holds no more."""
        working = self.grants[-1].limit.unit in _WORKING
        self.grants = [one for one in self.grants if (one.limit.unit in _WORKING) == working]

    def raised(self, limit: Limit, at: datetime, by: WorkingCalendar) -> None:
        """From now on so much at most, where that is sooner than what is left."""
        fresh = Grant(limit, at, by)
        due = calendar.due(at, limit, by).at
        counts_by = self.spans[-1].by if self.runs else by
        ends = [
            calendar.due_after(max(at, one.begins), max(one.budget - self.used(one, at), NOTHING), one.limit, counts_by)
            for one in self.grants
        ]
        if self.left(at) > NOTHING and due < min(end.at for end in ends):
            self.grants = [*self.grants, fresh]

    def follows(self, one: Deadline, at: datetime, by: WorkingCalendar) -> None:
        """It counts by these calendars from now on, as the clock does."""
        last = self.spans[-1]
        if last.by is by:
            self.version = one.calendar_version
        elif one.calendar_version != self.version:
            self.version, last.end = one.calendar_version, at
            self.spans.append(Span(at, by))
            if len(self.grants) > 1:  # what was outrun is due when it was, by the calendars before
                self.grants, self.may_be_less = self.grants[-1:], True
        else:  # another unit's, or another tree's
            self.is_reckoned(one, at, by)

    def is_reckoned(self, one: Deadline, at: datetime, by: WorkingCalendar) -> None:
        """From now on it has what the clock says it has left."""
        assert one.granted is not None
        was_running, self.version = self.runs, one.calendar_version
        self.stand(at)
        grant = Grant(one.granted, one.started_at, by)
        left = one.left if one.left is not None else grant.between(max(at, grant.begins), one.due_at, by)
        grant.budget = self.used(grant, at) + left
        grant.own = grant.budget - one.planned
        self.grants = [grant]
        if was_running:
            self.run(at, by)


@dataclass
class Meters:
    """Every unit's meters, kept by the facts of one case in the order in which they were stated."""

    rules: Rules
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
            case (
                f.CaseDispatched()
                | f.CaseReworkOrdered()
                | f.CaseRefusalRuled()
                | f.CaseHandedOver()
                | f.CaseSentToDesk()
            ):
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

    def _redistributed(self, fact: Redistributed, at: datetime) -> None:
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
            case f.CaseSentToDesk():
                for made in fact.released:
                    self._lost(made.unit, at)
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
                self._goes_on_for_its_predecessor(made.unit, fact.matter)
                self._given(made.unit, at)

    def _goes_on_for_its_predecessor(self, unit: str, matter: f.Matter) -> None:
        """A unit of the past that lost the case in this round."""
        tree = self.rules.units
        lost = [
            before
            for before, obligation in self.of
            if obligation is Obligation.HANDLE and before not in self.having and before not in tree
            if tree.present(before, matter.region, matter.category) == unit
        ]
        if lost and (unit, Obligation.HANDLE) not in self.of:
            before = min(lost, key=lambda one: self.of[one, Obligation.HANDLE].left_now)
            for obligation in OF_A_UNIT:
                self.of[unit, obligation] = self.of.pop((before, obligation))

    def _given(self, unit: str, at: datetime) -> None:
        self.having.add(unit)
        for obligation in OF_A_UNIT:
            meter = self.of.get((unit, obligation))
            if meter is None:
                own = self.rules.calendar_of(unit)
                meter = self.of[unit, obligation] = Meter([Grant(self._limit(unit, obligation, at), at, own)])
                meter.version = self.rules.calendars.version
                if self.plan and obligation is Obligation.HANDLE:
                    meter.lasts_until(max(self.plan.values()), at, own)
                    meter.may_be_less = True
            else:
                self.given_back += 1
                meter.is_owed = meter.is_owed or obligation is not Obligation.FIRST_CONTACT
            self._runs_if_it_may(meter, unit, obligation, at)

    def _runs_if_it_may(self, meter: Meter, unit: str, obligation: Obligation, at: datetime) -> None:
        if not meter.is_owed or self.suspended_at is not None:
            return
        if meter.rose and not meter.said:
            self._raised(meter, unit, obligation, at)
        meter.rose = False
        if not meter.runs:
            meter.version = self.rules.calendars.version
        meter.run(at, self.rules.calendar_of(unit))

    def _raised(self, meter: Meter, unit: str, obligation: Obligation, at: datetime) -> None:
        meter.raised(self._limit(unit, obligation, at), at, self.rules.calendar_of(unit))

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
                self._raised(meter, unit, obligation, at)
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
                        meter.lasts_until(max(self.plan.values()), at, self.rules.calendar_of(unit))
                        meter.said = meter.said and meter.left(at) <= NOTHING
            case f.CaseResumed():
                assert self.suspended_at is not None
                self._plan_stood_still(at - self.suspended_at)
                self.suspended_at = None
                for (unit, obligation), meter in self.of.items():
                    if unit in self.having:
                        self._runs_if_it_may(meter, unit, obligation, at)
            case _:
                pass
        if fact.stage is Stage.SUSPENDED and self.suspended_at is None:
            self.suspended_at = at
            for meter in self.of.values():
                meter.stand(at)

    def _plan_stood_still(self, how_long: timedelta) -> None:
        self.plan = {number: date + how_long for number, date in self.plan.items()}

    def _limit(self, unit: str, obligation: Obligation, at: datetime) -> Limit:
        """The stricter of the policy's and the catalogue's, in force then: the one that is due first."""
        rules, concern = self.rules, Concern(self.urgency, self.category, self.level)
        limits = [rules.policy.grants(obligation, concern).limit]
        if obligation is Obligation.HANDLE and rules.category_limits is not None:
            own = rules.category_limits.limit_of(self.category)
            limits += [own.limit] if own is not None else []
        if self.round > 1:
            limits = [limit.times(rules.policy.rework_factor) for limit in limits]
        return min(limits, key=lambda limit: calendar.due(at, limit, rules.calendar_of(unit)).at)

    # --- what the clock states

    def follow(self, deadlines: Iterable[Deadline], at: datetime) -> None:
        for one in deadlines:
            meter = self.of.get((one.unit, one.obligation))
            if meter is not None and meter.runs and one.is_live and one.round == self.round:
                meter.follows(one, at, self.rules.calendar_of(one.unit, one.calendar_version))

    def reckoned(self, one: Deadline, at: datetime) -> None:
        meter = self.of.get((one.unit, one.obligation))
        if meter is not None and one.round == self.round and one.granted is not None:
            meter.is_reckoned(one, at, self.rules.calendar_of(one.unit, one.calendar_version))

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
