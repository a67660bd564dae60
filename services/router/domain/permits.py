"""Whether the procedures allow what somebody wants to do to a case, and which part of which row says no."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.router.domain.case import Assignment, Case
from services.router.domain.procedures import MOST_DAYS, POSSIBLE_IN, Action, Procedure, Procedures, Who
from services.router.domain.routing.conditions import SHANGHAI
from shared.contracts import facts as f
from shared.contracts.lifecycle import STAGES
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind, Obligation, Source, Stage, Urgency
from shared.runtime.decision import Refusal


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants to do something to a case, and what they are to it."""

    actor: f.Actor
    is_: frozenset[Who]


@dataclass(frozen=True, slots=True)
class Permit:
    """What is asked for is allowed, by this procedure."""

    action: Action
    procedure: Procedure
    version: str

    def why(self, reason: str, basis: str = "") -> f.Reason:
        """The reason somebody gave, with the procedure that allowed it and what it rests on."""
        return f.Reason(
            zh=reason,
            en=reason,
            rule=f"procedure:{self.action}",
            version=self.version,
            basis=basis or self.procedure.basis,
        )


def asker(actor: f.Actor, case: Case, tree: UnitTree, about: Assignment | None = None) -> Asker:
    """Who somebody is to a case. `about` is the assignment it is about; without, any of the case's.

    Staff of a unit that is gone speak for whoever took over, too.
    """
    is_: set[Who] = set()
    if actor.kind is ActorKind.HOTLINE and case.matter.source is Source.HOTLINE_12345:
        is_.add(Who.HOTLINE)
    if actor.kind is ActorKind.STAFF and actor.unit is not None:
        heir = tree.present(actor.unit, case.matter.region, case.matter.category)
        for unit in {actor.unit, heir or actor.unit}:
            is_.update(_of_unit(unit, case, tree, [about] if about is not None else case.present))
    return Asker(actor, frozenset(is_))


def _of_unit(unit: str, case: Case, tree: UnitTree, parts: Sequence[Assignment]) -> Iterator[Who]:
    own = [one for one in parts if tree.may_act_for(one.unit, unit)]
    above = [
        one
        for one in parts
        if one.unit != unit and (tree.is_within(one.unit, unit) or tree.supervisor(one.unit).code == unit)
    ]
    found = {
        Who.HUB: unit == tree.hub.code,
        Who.WHISTLE_BLOWER: unit == case.matter.whistle_blower,
        Who.HANDLER: bool(own),
        Who.LEAD: case.lead in own,
        Who.SUPERVISOR: bool(above),
    }
    return (who for who, is_so in found.items() if is_so)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for, as far as procedures limit it."""

    assignment: Assignment | None = None
    used: int = 0
    """How often it was granted before."""
    share: float | None = None
    until: datetime | None = None
    field: str = "until"
    """The name under which `until` was asked for."""


def permit(
    action: Action, case: Case, who: Asker, procedures: Procedures, now: datetime, ask: Ask | None = None
) -> Permit | Refusal:
    """The procedure that allows it, or why none does."""
    rows = procedures.procedures[action]
    question = _Question(action, rows, case, who, ask or Ask(), now)
    closest: tuple[int, Refusal] = (-1, _nobody_may(action))
    for row in rows:
        no = question.first_no(row)
        if no is None:
            return Permit(action, row, procedures.version)
        closest = max(closest, no, key=lambda one: one[0])
    return closest[1]


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked for, held against one procedure after the other."""

    action: Action
    rows: Sequence[Procedure]
    case: Case
    asker: Asker
    ask: Ask
    now: datetime

    def first_no(self, row: Procedure) -> tuple[int, Refusal] | None:
        """How far it came, and why no further; None where everything holds. In the order of what helps most."""
        checks = (self._who, self._stage, self._urgency, self._missed, self._times, self._share, self._date)
        return next(((far, no) for far, check in enumerate(checks) if (no := check(row)) is not None), None)

    def _who(self, row: Procedure) -> Refusal | None:
        if not self.asker.is_.isdisjoint(row.who):
            return None
        allowed = list(dict.fromkeys(one for each in self.rows for one in each.who))
        return Refusal(
            "not_yours_to_do",
            zh=f"只有{'、'.join(one.chinese for one in allowed)}可以{self.action.chinese}。",
            en=f"Only {', '.join(allowed)} may do this ({self.action}).",
            field="unit",
            status=403,
        )

    def _stage(self, row: Procedure) -> Refusal | None:
        stages = row.stages or POSSIBLE_IN[self.action]
        return None if self.case.stage in stages else not_at_this_stage(self.case, stages, self.action)

    def _urgency(self, row: Procedure) -> Refusal | None:
        urgency = self.case.matter.urgency
        if not row.urgency or urgency in row.urgency:
            return None
        return Refusal(
            "urgency_excludes_it",
            zh=f"“{_URGENCY[urgency]}”哨单不得{self.action.chinese}；请在时限内办结，确有困难的请报区级治理中心。",
            en=f"A case of urgency {urgency} allows no {self.action}; finish it in time, or turn to the hub.",
        )

    def _missed(self, row: Procedure) -> Refusal | None:
        limit, assignment = row.unless_missed, self.ask.assignment
        if limit is None or assignment is None or not self.case.has_missed(limit, assignment, self.now):
            return None
        due_at = self.case.due_at(limit, assignment)
        zh = en = ""
        if due_at is not None and due_at < self.now:
            local = due_at.astimezone(SHANGHAI)
            zh, en = f"（{local:%Y-%m-%d %H:%M}）", f" ({local:%Y-%m-%d %H:%M%z})"
        return Refusal(
            "limit_has_passed",
            zh=f"“{_OBLIGATION.get(limit, limit.value)}”时限{zh}已过，不能再{self.action.chinese}；请继续办理。",
            en=f"The limit of {limit}{en} has passed, so {self.action} is no longer possible; carry on with the case.",
        )

    def _times(self, row: Procedure) -> Refusal | None:
        if row.times is None or self.ask.used < row.times:
            return None
        return Refusal(
            "times_used_up",
            zh=f"最多{self.action.chinese} {row.times} 次，已用 {self.ask.used} 次。",
            en=f"At most {row.times} times ({self.action}); {self.ask.used} used.",
        )

    def _share(self, row: Procedure) -> Refusal | None:
        if row.share is None or self.ask.share is None or self.ask.share <= row.share:
            return None
        return Refusal(
            "asks_too_much",
            zh=f"最长为原时限的 {row.share:.0%}，申请了 {self.ask.share:.0%}；请减少。",
            en=f"At most {row.share:.0%} of the limit first granted, not {self.ask.share:.0%}; ask for less.",
            field="share",
            status=422,
        )

    def _date(self, row: Procedure) -> Refusal | None:
        until = self.ask.until
        if until is None:
            return None
        if until <= self.now:
            return Refusal(
                "date_has_passed",
                zh=f"复核日期 {until.isoformat()} 已过；请填写将来的日期。",
                en=f"The date {until.isoformat()} has passed; give one that lies ahead.",
                field=self.ask.field,
                status=422,
            )
        days = row.days or MOST_DAYS
        if until <= self.now + timedelta(days=days):
            return None
        return Refusal(
            "asks_too_much",
            zh=f"{self.action.chinese}最长 {days} 天；请填写更早的日期。",
            en=f"At most {days} days ahead ({self.action}); give an earlier date.",
            field=self.ask.field,
            status=422,
        )


_URGENCY = {
    Urgency.CRITICAL: "特急",
    Urgency.URGENT: "紧急",
    Urgency.NORMAL: "一般",
    Urgency.COMPLEX: "复杂",
}
_OBLIGATION = {Obligation.SIGN_IN: "签收", Obligation.HANDLE: "办结", Obligation.FIRST_CONTACT: "首次联系"}


def not_at_this_stage(case: Case, stages: Sequence[Stage], action: Action) -> Refusal:
    """The case does not stand where this can be done."""
    names = "、".join(f"“{STAGES[stage].chinese}”" for stage in stages)
    return Refusal(
        "not_at_this_stage",
        zh=f"哨单 {case.number} 当前为“{STAGES[case.stage].chinese}”；只有{names}的哨单可以{action.chinese}。",
        en=f"Case {case.number} stands in {case.stage}; this ({action}) is possible in {', '.join(stages)} only.",
    )


def _nobody_may(action: Action) -> Refusal:
    return Refusal(
        "nobody_may",
        zh=f"本区规程不允许{action.chinese}。",
        en=f"This district's procedures allow no {action}.",
        status=403,
    )
