"""通知: what people are told of deadlines, and when. Facts are for machines and never wait; people sleep.

A step of a deadline is an entry for each of its recipients (a unit and a post). The first goes out at once, what
follows within the window is collected, and quiet hours hold all but the most urgent until morning. What has passed
meanwhile is left out: a warning of a deadline that was met, a red light that a rung of the ladder stands for by now.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from itertools import groupby
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.sla.domain.calendar import WorkingCalendar
from services.sla.domain.deadline import RED, YELLOW
from services.sla.domain.rules import Rules
from shared.contracts.facts import DeadlineEscalated, DeadlineOverdue, DeadlineStep, DeadlineWarned, Recipient
from shared.contracts.vocabulary import Obligation, Post, RungChange, Urgency

LONGEST_QUIET = timedelta(days=14)
"""However the quiet is written, nothing is kept from people for longer; the longest holiday is shorter."""

CALLED = {
    Obligation.ACCEPT: "受理",
    Obligation.DISPATCH: "派单",
    Obligation.SIGN_IN: "签收",
    Obligation.RULE_ON_REFUSAL: "退单审核",
    Obligation.RULE_ON_REQUEST: "延期挂账审批",
    Obligation.DESIGNATE: "会商指定",
    Obligation.FIRST_CONTACT: "首次联系",
    Obligation.HANDLE: "办结",
    Obligation.MILESTONE: "节点",
    Obligation.REVIEW: "复核",
    Obligation.CHECK: "核查",
    Obligation.RATE: "评价",
    Obligation.ARCHIVE: "归档",
}


class Light(StrEnum):
    """What a deadline shows; the worst stands first."""

    RUNG = "rung"  # 超期升级
    RED = "red"  # 超期
    YELLOW = "yellow"  # 临期


LIGHTS = {Light.RUNG: ("超期升级", "escalated"), Light.RED: ("超期", "overdue"), Light.YELLOW: ("临期", "nearly due")}


class Standing(StrEnum):
    """How a deadline stands by now, whatever was said of it."""

    RUNNING = "running"
    RED = "red"
    OVER = "over"


class Fate(StrEnum):
    """What became of an entry: it went out, another stands for it, or it had passed before anybody was told."""

    TOLD = "told"
    SUPERSEDED = "superseded"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of a deadline. `unit` owes the obligation; `step` as in `Deadline`; `case_number` "" = not known."""

    case_id: UUID
    case_number: str
    unit: str | None
    obligation: Obligation
    generation: int
    step: int
    urgency: Urgency
    due_at: datetime
    stated_at: datetime
    changes: tuple[RungChange, ...] = ()

    @property
    def light(self) -> Light:
        return {YELLOW: Light.YELLOW, RED: Light.RED}.get(self.step, Light.RUNG)

    @property
    def deadline(self) -> tuple[UUID, str | None, Obligation, int]:
        return self.case_id, self.unit, self.obligation, self.generation


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry that a recipient has not been told of, under the number it is kept by."""

    number: int
    entry: Entry
    noted_at: datetime
    standing: Standing = Standing.RUNNING


# --- what a digest says -----------------------------------------------------------------------------------------


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True)


class Listed(_Said):
    """One entry as it is told. `rung` 0 = none; `over` = it was late, and has ended by now."""

    case_id: UUID
    case_number: str
    unit: str | None
    obligation: Obligation
    light: Light
    rung: int
    urgency: Urgency
    due_at: AwareDatetime
    stated_at: AwareDatetime
    changes: tuple[RungChange, ...]
    over: bool


class Counted(_Said):
    light: Light
    obligation: Obligation
    number: int


class Digest(_Said):
    """What one recipient is told at once: counts of all, the most urgent listed, `more` not listed.

    `resolved` and `superseded` entries were left out. `zh` and `en` say it in a sentence, for a short message.
    """

    urgency: Urgency
    counts: tuple[Counted, ...]
    entries: tuple[Listed, ...]
    more: int
    resolved: int
    superseded: int
    zh: str
    en: str

    @property
    def told(self) -> int:
        return len(self.entries) + self.more


@dataclass(frozen=True, slots=True)
class Release:
    """What is to be done about a recipient: tell it the digest, if any; the rest waits until `again_at`."""

    digest: Digest | None
    fates: Mapping[int, Fate]
    again_at: datetime | None


# --- who is told of what ----------------------------------------------------------------------------------------


def recipients(fact: DeadlineStep, rules: Rules) -> tuple[Recipient, ...]:
    """Whose people are told of a step, each once. What nobody is known to owe is the hub's to look at."""
    if fact.obligation in rules.policy.notices.silent:
        return ()
    unit = fact.unit or rules.hub
    match fact:
        case DeadlineWarned():
            return (Recipient(unit=unit, post=Post.DUTY),)
        case DeadlineOverdue():
            return (Recipient(unit=unit, post=Post.DUTY), Recipient(unit=unit, post=Post.LEADER))
        case DeadlineEscalated():
            leaders = tuple(Recipient(unit=told, post=Post.LEADER) for told in fact.told)
            return tuple(dict.fromkeys(fact.recipients or leaders))
        case _:
            return ()


def entry(case_id: UUID, case_number: str, fact: DeadlineStep, urgency: Urgency) -> Entry:
    """The step as its recipients will read of it."""
    match fact:
        case DeadlineEscalated():
            step, changes = fact.rung, fact.changes
        case DeadlineOverdue():
            step, changes = RED, ()
        case _:
            step, changes = YELLOW, ()
    return Entry(
        case_id,
        case_number,
        fact.unit,
        fact.obligation,
        fact.generation,
        step,
        urgency,
        fact.due_at,
        fact.fired_at,
        changes,
    )


# --- when ---------------------------------------------------------------------------------------------------------


def ready_at(
    urgency: Urgency, noted_at: datetime, recipient: Recipient, last: datetime | None, now: datetime, rules: Rules
) -> datetime:
    """The first moment from now on at which an entry may be told to one who was last told anything at `last`."""
    notices = rules.policy.notices
    at = max(now, noted_at + notices.gather)
    if last is not None:
        at = max(at, last + notices.window[urgency])
    if urgency in notices.break_quiet:
        return at
    return min(loud_from(at, recipient, rules), max(at, noted_at + LONGEST_QUIET))


def loud_from(at: datetime, recipient: Recipient, rules: Rules) -> datetime:
    """That moment, or when the recipient's quiet ends that it falls in."""
    quiet = rules.policy.notices.quiet_of(recipient.post)
    if quiet is None:
        return at
    own, found, longest = rules.calendar_of(recipient.unit), at, at + LONGEST_QUIET
    while found < longest:
        later = found if quiet.hours is None else _after_hours(found, quiet.hours, own.zone)
        if quiet.outside_duty:
            later = _on_duty(later, own, longest)
        if later == found:
            break
        found = later
    return min(found, longest)


def _after_hours(at: datetime, hours: tuple[time, time], zone: ZoneInfo) -> datetime:
    """Past the hours that `at` falls in, which may go over midnight."""
    begins, ends = hours
    local = at.astimezone(zone)
    clock, day = local.time(), local.date()
    over_midnight = ends <= begins
    is_quiet = (clock >= begins or clock < ends) if over_midnight else begins <= clock < ends
    if not is_quiet:
        return at
    if over_midnight and clock >= begins:
        day += timedelta(days=1)
    return datetime.combine(day, ends, zone).astimezone(UTC)


def _on_duty(at: datetime, calendar: WorkingCalendar, longest: datetime) -> datetime:
    """The first moment of duty from then on, if there is one before the longest wait is over."""
    day = at.astimezone(calendar.zone).date()
    while (begin := datetime.combine(day, time(0), calendar.zone)) < longest:
        for starts, ends in calendar.duty(day):
            if at < datetime.combine(day, ends, calendar.zone):
                return max(at, datetime.combine(day, starts, calendar.zone).astimezone(UTC))
        day = (begin + timedelta(days=1)).date()
    return longest


def release(
    recipient: Recipient, waiting: Sequence[Waiting], last: datetime | None, now: datetime, rules: Rules
) -> Release:
    """Tell everything that may be told now, if anything must; what is past is left out either way."""
    fates = _left_out(waiting)
    kept = [one for one in waiting if one.number not in fates]
    notices = rules.policy.notices

    def ready(one: Waiting, since: datetime | None) -> datetime:
        return ready_at(one.entry.urgency, one.noted_at, recipient, since, now, rules)

    told: list[Waiting] = []
    if any(ready(one, last) <= now for one in kept):
        is_quiet = loud_from(now, recipient, rules) > now
        told = [
            one
            for one in kept
            if not is_quiet or one.entry.urgency in notices.break_quiet or now >= one.noted_at + LONGEST_QUIET
        ]
    digest = digest_of(told, Counter(fates.values()), notices.most_listed) if told else None
    fates |= {one.number: Fate.TOLD for one in told}
    rest = [one for one in kept if one.number not in fates]
    again_at = min((ready(one, now if told else last) for one in rest), default=None)
    return Release(digest, fates, again_at)


def _left_out(waiting: Iterable[Waiting]) -> dict[int, Fate]:
    """What nobody needs to be told any more: a later step of the same deadline waits too, or a warning is past."""
    worst: dict[tuple[UUID, str | None, Obligation, int], int] = {}
    for one in waiting:
        worst[one.entry.deadline] = max(one.entry.step, worst.get(one.entry.deadline, one.entry.step))
    fates: dict[int, Fate] = {}
    for one in waiting:
        if one.entry.step < worst[one.entry.deadline]:
            fates[one.number] = Fate.SUPERSEDED
        elif one.entry.step == YELLOW and one.standing is not Standing.RUNNING:
            fates[one.number] = Fate.RESOLVED if one.standing is Standing.OVER else Fate.SUPERSEDED
    return fates


# --- how it is put -------------------------------------------------------------------------------------------------


def digest_of(told: Sequence[Waiting], left_out: Mapping[Fate, int], most_listed: int) -> Digest:
    """Counts of all, worst light first; entries with what has ended last, and before that the most urgent first."""
    in_order = sorted(told, key=_order)
    counted = Counter((one.entry.light, one.entry.obligation) for one in told)
    counts = tuple(
        Counted(light=light, obligation=obligation, number=counted[light, obligation])
        for light in Light
        for obligation in Obligation
        if (light, obligation) in counted
    )
    over = sum(one.standing is Standing.OVER for one in told)
    resolved, superseded = left_out.get(Fate.RESOLVED, 0), left_out.get(Fate.SUPERSEDED, 0)
    return Digest(
        urgency=min((one.entry.urgency for one in told), key=list(Urgency).index),
        counts=counts,
        entries=tuple(_listed(one) for one in in_order[:most_listed]),
        more=max(0, len(told) - most_listed),
        resolved=resolved,
        superseded=superseded,
        zh="；".join(_in_chinese(counts, over, resolved)) + "。",
        en="; ".join(_in_english(counts, over, resolved)) + ".",
    )


def _order(one: Waiting) -> tuple[bool, int, int, datetime, str, str, int]:
    entry = one.entry
    rank = list(Urgency).index(entry.urgency)
    over = one.standing is Standing.OVER
    return over, rank, -entry.step, entry.due_at, str(entry.case_id), entry.obligation, one.number


def _listed(one: Waiting) -> Listed:
    entry = one.entry
    return Listed(
        case_id=entry.case_id,
        case_number=entry.case_number,
        unit=entry.unit,
        obligation=entry.obligation,
        light=entry.light,
        rung=max(entry.step, 0),
        urgency=entry.urgency,
        due_at=entry.due_at,
        stated_at=entry.stated_at,
        changes=entry.changes,
        over=one.standing is Standing.OVER,
    )


def _by_light(counts: Iterable[Counted]) -> Iterator[tuple[Light, list[Counted]]]:
    return ((light, list(of_light)) for light, of_light in groupby(counts, key=lambda one: one.light))


def _in_chinese(counts: Sequence[Counted], over: int, resolved: int) -> Iterator[str]:
    for light, those in _by_light(counts):
        each = "、".join(f"{CALLED[one.obligation]} {one.number}" for one in those)
        yield f"{LIGHTS[light][0]} {sum(one.number for one in those)} 项：{each}"
    if over:
        yield f"其中 {over} 项现已了结"
    if resolved:
        yield f"另有 {resolved} 项临期事项已按时了结"


def _in_english(counts: Sequence[Counted], over: int, resolved: int) -> Iterator[str]:
    for light, those in _by_light(counts):
        each = ", ".join(f"{one.obligation.replace('_', ' ')} {one.number}" for one in those)
        yield f"{sum(one.number for one in those)} {LIGHTS[light][1]}: {each}"
    if over:
        yield f"{over} of them have ended by now"
    if resolved:
        yield f"{resolved} more were nearly due and met in time"
