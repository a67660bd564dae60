"""督办阶梯: what changes when a rung of the ladder is reached, because the district's rules say so: 督办, 提级办理."""

from collections.abc import Iterator
from datetime import datetime

from services.router.domain.case import Assignment, Case, Part
from services.router.domain.decisions import decided, nothing
from services.router.domain.distribution import dispatched, together, unfit
from services.router.domain.district import CLOCK, District
from services.router.domain.limits import NOBODYS_FAULT, part_behind
from shared.contracts import facts as f
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import DispatchCause, RungChange, Stage
from shared.runtime.decision import Decision


def escalate(case: Case, fact: f.DeadlineEscalated, district: District, now: datetime) -> Decision[Case]:
    """A rung was reached: recorded with who was told, and with what follows for a unit that still owes."""
    if case.is_final or fact.obligation in NOBODYS_FAULT:
        return nothing(f"escalated in {case.stage}")
    recorded = f.CaseEscalated(
        **case.heading(case.stage, CLOCK),
        obligation=fact.obligation,
        unit=fact.unit,
        rung=fact.rung,
        told=fact.told,
        changes=fact.changes,
    )
    part = part_behind(case, fact)
    if part is None or part not in case.present or part.part is Part.DONE or not case.is_at_work:
        return decided(case, [recorded], now)
    following = [*_supervised(case, part, fact, district)]
    if RungChange.TAKE_OVER in fact.changes:
        following += _taken_over(case, part, fact, district.tree, now)
    return decided(case, [recorded, *following], now)


def _supervised(case: Case, part: Assignment, fact: f.DeadlineEscalated, district: District) -> Iterator[f.CaseFact]:
    """督办 by a missed deadline, once."""
    procedures = district.procedures
    by_policy = RungChange.SUPERVISE in fact.changes
    by_procedures = procedures.supervise_at_rung is not None and fact.rung >= procedures.supervise_at_rung
    if part.unit in case.supervised or not (by_policy or by_procedures):
        return
    why = f.Reason(
        zh=f"超期已达督办阶梯第 {fact.rung} 级，列入督办",
        en=f"Overdue up to rung {fact.rung} of the ladder: put under supervision",
        rule="ladder",
        version=fact.policy_version if by_policy else procedures.version,
    )
    yield f.CaseSupervised(
        **case.heading(case.stage, CLOCK, why), unit=part.unit, assignment_id=part.assignment_id, reason=why.zh
    )


def _taken_over(
    case: Case, part: Assignment, fact: f.DeadlineEscalated, tree: UnitTree, now: datetime
) -> Iterator[f.CaseFact]:
    """提级办理: the unit above gets the part, with a clock of its own; what its unit was late with stays its own.

    The hub handles no cases: where it is the unit above, its desk dispatches the case anew. A case that several have
    is left with them: nobody else loses what it does because of one, and the hub can transfer that one's place.
    """
    above = tree.supervisor(tree.present(part.unit, case.matter.region, case.matter.category) or part.unit)
    if above.code == tree.hub.code:
        if case.present == (part,):
            yield f.CaseSentToDesk(
                **case.heading(Stage.TO_DISPATCH, CLOCK),
                desk=above.code,
                reason=_why(part.unit, above.code, fact, tree),
                released=(part.made(),),
            )
        return
    if case.assignment_of(above.code) is not None or unfit([above.code], case, tree) is not None:
        return
    yield dispatched(
        case,
        together(case, [above.code], lead=above.code if part == case.lead else None, without=part.unit),
        actor=CLOCK,
        reason=_why(part.unit, above.code, fact, tree),
        cause=DispatchCause.ESCALATED,
        tree=tree,
        now=now,
        final=case.designated,
    )


def _why(unit: str, above: str, fact: f.DeadlineEscalated, tree: UnitTree) -> f.Reason:
    late, takes_over = tree.name_of(unit, english=True), tree.name_of(above, english=True)
    return f.Reason(
        zh=f"提级办理：{tree.name_of(unit)}超期已达督办阶梯第 {fact.rung} 级，由{tree.name_of(above)}接办",
        en=f"{late} is overdue up to rung {fact.rung} of the ladder: {takes_over} takes the case over",
        rule="ladder",
        version=fact.policy_version,
    )
