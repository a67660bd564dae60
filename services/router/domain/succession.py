"""机构调整: units are merged, renamed and split while cases run. Their successors stand in their place.

The successor goes on with the part it takes over, on the same clock. Where it has a part in the case already, the
part that is further from done stays; what a unit has done by then stays its own.
"""

from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from services.router.domain.case import Assignment, Case, Part
from services.router.domain.decisions import decided, nothing
from services.router.domain.distribution import dispatched, together
from services.router.domain.district import RULE, District
from services.router.domain.evolution import evolve
from services.router.domain.opening import in_present_units
from shared.contracts import facts as f
from shared.contracts.lifecycle import AT_WORK
from shared.contracts.units import HANDLING_KINDS, UnitTree
from shared.contracts.vocabulary import DispatchCause, Stage
from shared.runtime.decision import Decision


class HandOver(BaseModel):
    """Units of this case may be there no longer: hand over what they have."""

    model_config = ConfigDict(frozen=True)


def hand_over(case: Case, district: District, now: datetime) -> Decision[Case]:
    """Everything of the case that is with units of the past goes to those who succeeded them."""
    if case.is_final:
        return nothing(f"it stands in {case.stage}")
    facts: list[f.CaseFact] = []
    after = case
    for step in (_whistle_blower, _desk, _parts):
        for fact in step(after, district, now):
            facts.append(fact)
            after = evolve(after, fact, now)
    return decided(case, facts, now) if facts else nothing("all its units are there")


def _whistle_blower(case: Case, district: District, _now: datetime) -> Iterator[f.CaseFact]:
    matter = in_present_units(case.matter, district.tree)
    if matter == case.matter:
        return
    yield f.CaseHandedOver(
        **case.heading(case.stage, RULE),
        before=case.matter.whistle_blower,
        unit=matter.whistle_blower,
        matter=matter,
        reason=_reason(case.matter.whistle_blower, matter.whistle_blower, district.tree),
    )


def _desk(case: Case, district: District, _now: datetime) -> Iterator[f.CaseFact]:
    hub = district.tree.hub.code
    if case.stage is Stage.TO_DISPATCH and case.desk not in (None, hub):
        yield f.CaseSentToDesk(
            **case.heading(Stage.TO_DISPATCH, RULE),
            desk=hub,
            reason=_reason(case.desk or hub, hub, district.tree),
        )


def _parts(case: Case, district: District, now: datetime) -> Iterator[f.CaseFact]:
    if case.stage not in (*AT_WORK, Stage.SUSPENDED):
        return
    tree, after = district.tree, case
    for part in sorted(case.present, key=lambda one: one.part is Part.DONE):
        heir = tree.get(tree.present(part.unit, case.matter.region, case.matter.category) or "")
        if heir is None or heir.code == part.unit or heir.kind not in HANDLING_KINDS:
            continue
        for fact in _handed_over(after, part, heir.code, tree, now):
            yield fact
            after = evolve(after, fact, now)


def _handed_over(case: Case, part: Assignment, heir: str, tree: UnitTree, now: datetime) -> Iterator[f.CaseFact]:
    reason = _reason(part.unit, heir, tree)
    own = case.assignment_of(heir)
    if own is not None:
        if part.part is Part.DONE:
            return  # nothing is left to do in it, and its result goes into the answer
        leaves = own if own.part is Part.DONE else part
        lead = None if case.lead is None or case.lead != leaves else (part.unit if leaves is own else heir)
        released = dispatched(
            case,
            together(case, lead=lead, without=leaves.unit),
            actor=RULE,
            reason=reason,
            cause=DispatchCause.SUCCEEDED,
            tree=tree,
            now=now,
        )
        yield released
        if leaves is part:
            return
        case = evolve(case, released, now)
        part = next(one for one in case.present if one.assignment_id == part.assignment_id)
    yield f.CaseHandedOver(
        **case.heading(case.stage, RULE),
        before=part.unit,
        unit=heir,
        assignment_id=part.assignment_id,
        role=part.role,
        round=part.round,
        final=case.designated,
        matter=case.matter,
        reason=reason,
    )


def _reason(before: str, after: str, tree: UnitTree) -> f.Reason:
    former, present = tree.name_of(before, english=True), tree.name_of(after, english=True)
    return f.Reason(
        zh=f"机构调整：{tree.name_of(before)}的事项由{tree.name_of(after)}承接",
        en=f"Units were reorganised: {present} has taken over from {former}",
        rule="succession",
        version=tree.version,
    )
