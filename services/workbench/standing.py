"""Where a case stands as the router holds it: its units' parts, what is asked for, what is planned, whose time it is.

No I/O. What happened is the timeline's; this is what is so now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.workbench.board import NOT_OPEN
from services.workbench.languages import Speech
from services.workbench.words import About, masked
from shared.contracts import facts as f
from shared.contracts.vocabulary import CaseList, Ledger, Obligation, RequestKind, Role, Stage

# --- what the router answers ----------------------------------------------------------------------------


class _Answered(BaseModel):
    """Part of the router's answer, as far as the page needs it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Assignment(_Answered):
    assignment_id: UUID
    unit: str
    role: Role
    round: int = 1
    part: Literal["assigned", "signed_in", "refused", "in_consultation", "done", "released"] = "assigned"
    refusals: int = 0
    extensions: int = 0
    contacted: bool = False


class Missed(_Answered):
    obligation: Obligation
    unit: str | None = None


class Request(_Answered):
    kind: RequestKind
    unit: str
    share: float | None = None
    until: datetime | None = None
    approver: str


class Planned(_Answered):
    milestone: f.Milestone
    reached_at: datetime | None = None


class Pause(_Answered):
    until: datetime


class Joined(_Answered):
    number: str


class Case(_Answered):
    """A case. `held` is how long each unit was answerable until `answerable_since`, since when `answerable` is."""

    case_id: UUID
    number: str
    stage: Stage
    matter: f.Matter
    ledger: Ledger | None = None
    case_list: CaseList | None = None
    assignments: tuple[Assignment, ...] = ()
    requests: tuple[Request, ...] = ()
    pause: Pause | None = None
    milestones: tuple[Planned, ...] = ()
    supervised: tuple[str, ...] = ()
    merged_into: Joined | None = None
    candidates: tuple[f.Likeness, ...] = ()
    missed: tuple[Missed, ...] = ()
    answerable: str | None = None
    answerable_since: datetime | None = None
    held: dict[str, timedelta] = {}
    held_suspended: dict[str, timedelta] = {}

    @property
    def about(self) -> About:
        return About(self.number, self.matter.title, self.matter.confidential)


# --- what the page shows --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that holds the case now; `number` is the case it leads to."""

    kind: str
    text: str
    number: str = ""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A milestone: `state` is reached, late or ahead."""

    number: int
    title: str
    due: str
    state: str
    text: str


@dataclass(frozen=True, slots=True)
class Twin:
    """A case that may be about the same matter. `why` is empty where the matter is confidential."""

    number: str
    alike: str
    why: str


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing said beside a bar; `kind` is late, suspended or nothing."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """One unit's share of the case's life as a bar: widths from 0 to 100, the suspended part within the held one."""

    unit: str
    role: str
    held: str
    share: str
    width: float
    suspended_width: float
    remarks: list[Remark]
    running: bool
    label: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """Whose time the case's life was; no bars where nothing is known. `whole` is all of it."""

    bars: list[Account]
    whole: str
    running: bool


def is_open(case: Case) -> bool:
    return case.stage not in NOT_OPEN


def notices(case: Case, say: Speech) -> list[Notice]:
    """What keeps the case from going its ordinary way, most weighty first."""
    found: list[Notice] = []
    if is_open(case):
        found.extend(Notice("supervised", say("notice.supervised", unit=say.unit(unit))) for unit in case.supervised)
    if case.merged_into is not None:
        key = "notice.merged" if case.stage is Stage.MERGED else "notice.answered"
        found.append(Notice("merged", say(key), case.merged_into.number))
    if case.pause is not None:
        found.append(Notice("suspended", say("notice.suspended", until=say.full(case.pause.until))))
    found.extend(Notice("asked", _asked(one, say)) for one in case.requests)
    return found


def _asked(request: Request, say: Speech) -> str:
    unit, approver = say.unit(request.unit), say.unit(request.approver)
    if request.kind is RequestKind.SUSPENSION:
        return say("notice.asked.suspension", unit=unit, approver=approver, until=say.day(request.until))
    percent = round(100 * (request.share or 0))
    return say("notice.asked.extension", unit=unit, approver=approver, percent=percent)


def milestones(case: Case, say: Speech, now: datetime) -> list[PlannedStep]:
    """The plan, in its order; of a confidential case without what a person wrote."""
    return [
        PlannedStep(
            number=one.milestone.number,
            title="" if case.matter.confidential else masked(one.milestone.title),
            due=say("clock.due", due=say.day(one.milestone.due_at)),
            **_reached(one, say, now),
        )
        for one in sorted(case.milestones, key=lambda one: one.milestone.number)
    ]


def _reached(planned: Planned, say: Speech, now: datetime) -> dict[str, str]:
    """A milestone's state, and how it is said."""
    due, reached = planned.milestone.due_at, planned.reached_at
    if reached is not None:
        key = "milestone.reached" if reached <= due else "milestone.reached.late"
        return {"state": "reached", "text": say(key, at=say.day(reached))}
    if now < due:
        return {"state": "ahead", "text": say("clock.running", left=say.duration(due - now))}
    return {"state": "late", "text": say("milestone.late", over=say.duration(now - due))}


def twins(case: Case, say: Speech) -> list[Twin]:
    """Cases a person may merge this one into, or have merged; none once that is settled."""
    if case.merged_into is not None or not is_open(case):
        return []
    return [
        Twin(
            number=one.number,
            alike=say("twin.alike", percent=round(100 * one.score)),
            why="" if case.matter.confidential else masked(say.reason(one.reason)),
        )
        for one in case.candidates
    ]


def accounts(case: Case, stated: Sequence[f.UnitAccount], say: Speech, now: datetime) -> Accounts:
    """Longest first: as `stated` when the case was closed, and while it is open up to now."""
    running = is_open(case)
    found = sorted(_until(case, now) if running else stated, key=lambda one: one.held, reverse=True)
    whole = sum((one.held for one in found), timedelta())
    answerable = case.answerable if running else None
    bars = [_account(one, whole, found[0].held, one.unit == answerable, say) for one in found] if whole else []
    return Accounts(bars, say.duration(whole), running)


def _until(case: Case, now: datetime) -> list[f.UnitAccount]:
    """The accounts of an open case up to now."""
    held, suspended = dict(case.held), dict(case.held_suspended)
    if case.answerable is not None and case.answerable_since is not None:
        lasted = max(now - case.answerable_since, timedelta())
        held[case.answerable] = held.get(case.answerable, timedelta()) + lasted
        if case.stage is Stage.SUSPENDED:
            suspended[case.answerable] = suspended.get(case.answerable, timedelta()) + lasted
    roles = {one.unit: one.role for one in case.assignments}
    return [
        f.UnitAccount(
            unit=unit,
            role=roles.get(unit),
            held=held.get(unit, timedelta()),
            suspended=suspended.get(unit, timedelta()),
            missed=tuple(one.obligation for one in case.missed if one.unit == unit),
            refusals=sum(one.refusals for one in case.assignments if one.unit == unit),
            extensions=sum(one.extensions for one in case.assignments if one.unit == unit),
            rounds=len({one.round for one in case.assignments if one.unit == unit}),
        )
        for unit in dict.fromkeys((*held, *roles))
    ]


def _account(one: f.UnitAccount, whole: timedelta, longest: timedelta, running: bool, say: Speech) -> Account:
    unit, held = say.unit(one.unit), say.duration(one.held)
    share = f"{100 * (one.held / whole):.0f}%"
    return Account(
        unit=unit,
        role=say.word(one.role),
        held=held,
        share=share,
        width=round(100 * (one.held / longest), 1),
        suspended_width=round(100 * (one.suspended / longest), 1),
        remarks=_remarks(one, say),
        running=running,
        label=say("account.label", unit=unit, held=held, share=share),
    )


def _remarks(one: f.UnitAccount, say: Speech) -> list[Remark]:
    found = []
    if one.missed:
        missed = say.join(dict.fromkeys(map(say.word, one.missed)))
        found.append(Remark(say("account.missed", obligations=missed), "late"))
    if one.suspended:
        found.append(Remark(say("account.suspended", length=say.duration(one.suspended)), "suspended"))
    if one.refusals:
        found.append(Remark(say("account.refusals", n=one.refusals)))
    if one.extensions:
        found.append(Remark(say("account.extensions", n=one.extensions)))
    if one.rounds > 1:
        found.append(Remark(say("account.rounds", n=one.rounds)))
    return found
