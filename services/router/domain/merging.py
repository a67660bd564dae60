"""并案: duplicates are proposed by wording and place, merged by a person, undone by a person.

A merged case waits for the one it was merged into. When that is closed it gets its answer, and its own reporter
rates it; when that is withdrawn it is a case by itself again.
"""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.router.domain.case import Case
from services.router.domain.commands import Merge, Unmerge
from services.router.domain.decisions import decided, nothing, refused
from services.router.domain.district import RULE, District
from services.router.domain.evolution import evolve
from services.router.domain.opening import dispatch_by_rule
from services.router.domain.permits import Permit
from shared.contracts import facts as f
from shared.contracts.vocabulary import Ledger, Stage
from shared.runtime.decision import Decision

OVER = (Stage.CLOSED, Stage.ARCHIVED, Stage.DECLINED, Stage.WITHDRAWN)
"""Nothing more is merged into a case that stands here."""


class Proposed(BaseModel):
    """Cases that look alike were found for this one."""

    model_config = ConfigDict(frozen=True)

    candidates: tuple[f.Likeness, ...]


class Followed(BaseModel):
    """What became of the case that a merged one waits for."""

    model_config = ConfigDict(frozen=True)

    into: UUID
    number: str
    stage: Stage
    merged_into: UUID | None = None
    merged_into_number: str = ""
    answer: str = ""
    evidence: tuple[f.Evidence, ...] = ()
    ledger: Ledger | None = None
    units: tuple[str, ...] = ()


def propose(case: Case, proposed: Proposed, now: datetime) -> Decision[Case]:
    """疑似重复, on the case for a person to see. Said again only where it has changed."""
    if case.is_final or case.merged_into is not None:
        return nothing(f"it stands in {case.stage}")
    both = {one.case_id: one for one in (*proposed.candidates, *case.candidates)}
    best = tuple(sorted(both.values(), key=_most_alike)[:MOST_CANDIDATES])
    if {one.case_id for one in best} == {one.case_id for one in case.candidates}:
        return nothing("nothing new")
    fact = f.CaseDuplicateFound(**case.heading(case.stage, RULE), candidates=best)
    return decided(case, [fact], now)


MOST_CANDIDATES = 5


def _most_alike(one: f.Likeness) -> tuple[float, str]:
    return -one.score, str(one.case_id)


def merge(case: Case, command: Merge, may: Permit, district: District, now: datetime) -> Decision[Case]:
    """并案 into an open case that is not merged itself."""
    if command.into == case.case_id:
        return refused("same_case", "不能并入本件自身。", "A case cannot be merged into itself.", "into", 422)
    if command.into_stage in (*OVER, Stage.MERGED, Stage.VERIFYING):
        return refused(
            "cannot_be_merged_into",
            f"哨单 {command.into_number} 当前为 {command.into_stage}，不能并入；请选择已受理且未结案、未并案的哨单。",
            f"Case {command.into_number} stands in {command.into_stage}; choose one that is accepted, still open and "
            "not merged itself.",
            "into",
        )
    if command.followers:
        return refused(
            "has_followers",
            f"已有 {command.followers} 件并入本件，本件不能再并入他件；请反向并案，或先撤销。",
            f"{command.followers} cases are merged into this one: merge the other way round, or undo those first.",
            "into",
        )
    fact = f.CaseMerged(
        **case.heading(Stage.MERGED, command.actor, may.why(command.reason, command.basis)),
        into=command.into,
        into_number=command.into_number,
        reason=command.reason,
        released=case.parts,
    )
    return decided(case, [fact], now)


def unmerge(case: Case, command: Unmerge, may: Permit, district: District, now: datetime) -> Decision[Case]:
    """撤销并案: dispatched again, and units that had it before go on with what was left of their time."""
    return _by_itself(case, command.actor, may.why(command.reason, command.basis), district, now)


def _by_itself(case: Case, actor: f.Actor, why: f.Reason, district: District, now: datetime) -> Decision[Case]:
    fact = f.CaseUnmerged(**case.heading(Stage.TO_DISPATCH, actor, why), reason=why.zh)
    after = evolve(case, fact, now)
    return decided(case, [fact, *dispatch_by_rule(after, case.self_handled, district, now)], now)


def follow(case: Case, followed: Followed, district: District, now: datetime) -> Decision[Case]:
    """What becomes of a merged case once the one it was merged into has come to an end, or was merged itself."""
    if case.merged_into is None or case.merged_into.case_id != followed.into or case.stage is not Stage.MERGED:
        return nothing("not merged into it any more")
    if followed.stage is Stage.MERGED and followed.merged_into is not None:
        why = _why(
            f"哨单 {followed.number} 已并入 {followed.merged_into_number}", f"{followed.number} was merged itself"
        )
        return _by_itself(case, RULE, why, district, now)
    if followed.stage is Stage.WITHDRAWN:
        why = _why(f"哨单 {followed.number} 已撤单", f"Case {followed.number} was withdrawn")
        return _by_itself(case, RULE, why, district, now)
    if followed.stage not in OVER or followed.ledger is None:
        return nothing(f"it stands in {followed.stage}")
    why = _why(f"哨单 {followed.number} 已结案", f"Case {followed.number} is closed")
    fact = f.CaseAnswered(
        **case.heading(Stage.RATING, RULE, why),
        answer=followed.answer,
        evidence=followed.evidence,
        ledger=case.ledger or followed.ledger,
        into=followed.into,
        units=followed.units,
        round=case.round,
        resident_to_ask=case.matter.resident_to_ask,
        whistle_blower=case.matter.whistle_blower,
    )
    return decided(case, [fact], now)


def _why(zh: str, en: str) -> f.Reason:
    return f.Reason(zh=zh, en=en, rule="follows-its-case")


def ended(case: Case) -> Followed:
    """What those that were merged into this case need to know of it."""
    return Followed(
        into=case.case_id,
        number=case.number,
        stage=case.stage,
        merged_into=case.merged_into.case_id if case.merged_into else None,
        merged_into_number=case.merged_into.number if case.merged_into else "",
        answer=case.answer,
        evidence=tuple(proof for one in case.present for proof in one.evidence) or case.evidence,
        ledger=case.ledger,
        units=tuple(one.unit for one in case.present) or case.answered_by,
    )
