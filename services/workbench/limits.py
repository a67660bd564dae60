"""By when each unit owes what, out of a case's logs: with the fact that set it, and for its part as it stands. No I/O.

The clock says it in its log, the router passes it on in its own: told here once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.workbench.languages import Speech
from services.workbench.standing import Assignment, Case, is_open
from services.workbench.words import limit_said, limits_said
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope
from shared.contracts.vocabulary import LimitCause, Obligation


@dataclass(frozen=True, slots=True)
class Told:
    """Limits that are told with the fact that set them, and where they stand in the logs."""

    text: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DueTime:
    """By when a unit owes one thing; `state` is ahead, late or still."""

    text: str
    state: str


def with_their_facts(envelopes: Iterable[Envelope], say: Speech) -> dict[str, list[Told]]:
    """What is told with which fact, by the fact's id. What a person changed the rules for is told by itself, and the
    clock's own statement with it.
    """
    known = {one.id: one for one in envelopes}
    found: dict[str, list[Told]] = {}
    for one in known.values():
        if not isinstance(one.fact, f.CaseTimed):
            continue
        stated = known.get(one.cause or "")
        if stated is None or not isinstance(stated.fact, f.DeadlineSet):
            continue
        by = known.get(stated.cause or "")
        if by is not None and one.fact.cause is LimitCause.CASE:
            text = f"{say.unit(one.fact.unit)} {limits_said(one.fact.limits, say)}"
            found.setdefault(by.id, []).append(Told(text, (stated.id, one.id)))
        else:
            found.setdefault(one.id, []).append(Told("", (stated.id,)))
    return found


def due_times(case: Case, envelopes: Sequence[Envelope], say: Speech, now: datetime) -> dict[UUID, list[DueTime]]:
    """What each part of an open case still owes, by when, as it was said last."""
    if not is_open(case):
        return {}
    known: dict[UUID, dict[Obligation, f.TimeLimit]] = {}
    for one in envelopes:
        if isinstance(one.fact, f.CaseTimed):
            known.setdefault(one.fact.assignment_id, {}).update({limit.obligation: limit for limit in one.fact.limits})
    return {
        part.assignment_id: list(_owed(part, known.get(part.assignment_id, {}), say, now)) for part in case.assignments
    }


def _owed(part: Assignment, limits: Mapping[Obligation, f.TimeLimit], say: Speech, now: datetime) -> Iterable[DueTime]:
    for obligation in (Obligation.SIGN_IN, Obligation.FIRST_CONTACT, Obligation.HANDLE):
        limit = limits.get(obligation)
        if limit is not None and _still_owes(part, obligation):
            state = "still" if limit.due_at is None else "late" if limit.due_at < now else "ahead"
            yield DueTime(limit_said(limit, say), state)


def _still_owes(part: Assignment, obligation: Obligation) -> bool:
    match obligation:
        case Obligation.SIGN_IN:
            return part.part == "assigned"
        case Obligation.FIRST_CONTACT:
            return part.part not in ("done", "released") and not part.contacted
        case _:
            return part.part not in ("done", "released")
