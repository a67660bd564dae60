"""What follows from the facts of feedback and the clock: rework, closing, overdue, archiving."""

from datetime import datetime

from services.router.domain.case import Case, Part
from services.router.domain.decisions import decided, nothing
from services.router.domain.district import CLOCK, District
from services.router.domain.evolution import accounts, evolve
from services.router.domain.limits import NOBODYS_FAULT, part_behind
from services.router.domain.time_granted import review_due
from shared.contracts import facts as f
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import Obligation, ReworkCause, Role, Stage
from shared.runtime.decision import Decision


def check(case: Case, checked: f.FeedbackChecked, district: District, now: datetime) -> Decision[Case]:
    """验单: passed, it waits to be rated; failed, it is reworked with a fresh, shorter clock by those who failed."""
    if case.stage is not Stage.CHECKING or checked.round != case.round:
        return nothing(f"checked in {case.stage}, round {case.round}")
    if checked.passed:
        passed = f.CaseChecked(**case.heading(Stage.RATING, checked.actor), passed=True, note=checked.note)
        return decided(case, [passed], now)
    wanting = _found_wanting(checked, district.tree)
    failed = f.CaseChecked(
        **case.heading(Stage.CHECKING, checked.actor),
        passed=False,
        note=wanting,
        failed_units=checked.failed_units,
    )
    again = rework(case, ReworkCause.CHECK_FAILED, checked.actor, wanting, district.tree, only=checked.failed_units)
    return decided(case, [failed, again], now)


def _found_wanting(checked: f.FeedbackChecked, tree: UnitTree) -> str:
    """Why it failed: of the whole, then unit by unit where it was said so."""
    of_units = [f"{tree.name_of(one.unit)}：{one.note}" for one in checked.verdicts if not one.passed]
    return "\n".join(filter(None, [checked.note, *of_units]))


def check_sample(case: Case, checked: f.FeedbackSampleChecked, district: District, now: datetime) -> Decision[Case]:
    """抽查: what the hub found wanting in a closed case is reworked; archived, it stands as it is."""
    if checked.passed:
        return nothing("the sample was in order")
    if case.stage is not Stage.CLOSED or checked.round != case.round:
        return nothing(f"sample of round {checked.round} checked in {case.stage}, round {case.round}")
    again = rework(case, ReworkCause.HUB_ORDERED, checked.actor, checked.note, district.tree, only=checked.failed_units)
    return decided(case, [again], now)


def conclude(case: Case, concluded: f.FeedbackConcluded, district: District, now: datetime) -> Decision[Case]:
    """评单: answered, written off and closed; or reopened."""
    if case.stage is not Stage.RATING or concluded.round != case.round:
        return nothing(f"concluded in {case.stage}, round {case.round}")
    if not concluded.close:
        again = rework(
            case,
            ReworkCause.RESIDENT_UNSATISFIED,
            concluded.actor,
            concluded.reason.zh,
            district.tree,
            why=concluded.reason,
        )
        return decided(case, [again], now)
    assert case.ledger is not None, "a case that is rated has been dispatched, or was merged into one that has"
    closed = f.CaseClosed(
        **case.heading(Stage.CLOSED, concluded.actor),
        answer=answer(case),
        evidence=tuple(proof for one in case.present for proof in one.evidence) or case.evidence,
        ledger=case.ledger,
        reason=concluded.reason,
        assignments=case.parts,
    )
    accounted = closed.model_copy(update={"accounts": accounts(evolve(case, closed, now))})
    return decided(case, [accounted], now)


def answer(case: Case) -> str:
    """What the reporter and the source are told: the lead's result first, then the co-handlers'.

    Who did its part in an earlier round and was not sent back counts too; a merged case has the other's answer.
    """
    if not case.present:
        return case.answer
    last: dict[str, str] = {}
    for one in sorted(case.assignments, key=lambda one: one.round):
        if one.part is Part.DONE:
            last[one.unit] = one.result
    lead_first = sorted(last, key=lambda unit: case.lead is None or unit != case.lead.unit)
    return "\n".join(last[unit] for unit in lead_first if last[unit])


def rework(
    case: Case,
    cause: ReworkCause,
    actor: f.Actor,
    explanation: str,
    tree: UnitTree,
    only: tuple[str, ...] = (),
    why: f.Reason | None = None,
) -> f.CaseReworkOrdered:
    """The same units once more, in a new round; with `only`, those and the lead, who finishes last."""
    following = case.round + 1
    again = [one for one in case.present if not only or one.unit in only or one.role is Role.LEAD]
    before = [(one.unit, one.role) for one in again] or [
        (unit, Role.CO_HANDLER if place else Role.LEAD) for place, unit in enumerate(case.answered_by)
    ]
    units: dict[str, Role] = {}
    for unit, role in before:
        heir = tree.present(unit, case.matter.region, case.matter.category) or unit
        units.setdefault(heir, role)
    return f.CaseReworkOrdered(
        **case.heading(Stage.REWORK, actor, why),
        cause=cause,
        matter=case.matter,
        assignments=case.assign(units.items(), following),
        round=following,
        explanation=explanation,
    )


def overdue(case: Case, fact: f.DeadlineOverdue, now: datetime) -> Decision[Case]:
    """Record what was not met in time; archive what nobody objected to; go on with what was suspended until now."""
    if fact.obligation is Obligation.ARCHIVE and case.stage is Stage.CLOSED and _of_this_closing(case, fact):
        return decided(case, [f.CaseArchived(**case.heading(Stage.ARCHIVED, CLOCK))], now)
    if fact.obligation is Obligation.REVIEW:
        return review_due(case, fact, now)
    if fact.obligation in NOBODYS_FAULT:
        return nothing(f"{fact.obligation} lapsed")
    if case.is_final:
        return nothing(f"overdue in {case.stage}")
    part = part_behind(case, fact)
    recorded = f.CaseOverdue(
        **case.heading(case.stage, CLOCK),
        obligation=fact.obligation,
        unit=fact.unit,
        assignment_id=part.assignment_id if part else None,
        generation=fact.generation,
        due_at=fact.due_at,
    )
    return decided(case, [recorded], now)


def _of_this_closing(case: Case, fact: f.DeadlineOverdue) -> bool:
    """Whether the time to object ran out for this closing, not for one that was reopened since.

    A round is closed once. A clock from before release 0.2 knows no round, so it is told by its time, which alone would
    not do: closed while the database's clock was ahead, a case is due before it was closed.
    """
    return fact.round == case.round or (case.closed_at is not None and case.closed_at < fact.due_at)
