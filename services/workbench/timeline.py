"""A case's timeline: the four logs merged in the order of time, its clocks and its verdicts. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from services.workbench.board import STEPS
from services.workbench.languages import Speech
from services.workbench.limits import Told, with_their_facts
from services.workbench.standing import Case
from services.workbench.words import APPOINTED, Tone, masked, sentence, tone
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, Undecodable, decode
from shared.contracts.topics import CASES, DEADLINES, FEEDBACK, WHISTLES
from shared.contracts.vocabulary import Obligation, Role, Stage, Urgency

LOG_OF = {"intake": WHISTLES, "router": CASES, "sla": DEADLINES, "feedback": FEEDBACK}
ORDER = {"intake": 0, "sla": 1, "feedback": 2, "router": 3}
"""Who comes first at the same moment: what was stated, then what the router made of it."""
PAUSED = "paused"
DROPPED = frozenset({"cancelled", "dropped", "released", "void", "withdrawn", "superseded"})


# --- what the services answer --------------------------------------------------------------------------


class Deadline(BaseModel):
    """One obligation as sla counts it. `ended_at` is None while it runs or is paused; paused, it has `left`."""

    model_config = ConfigDict(extra="ignore")

    obligation: Obligation
    unit: str | None = None
    generation: int = 1
    started_at: datetime
    warn_at: datetime | None = None
    due_at: datetime
    state: str = ""
    left: timedelta | None = None
    paused_at: datetime | None = None
    overdue_at: datetime | None = None
    ended_at: datetime | None = None
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class Logged:
    """One row of one service's log. `envelope` is None where it was redacted or cannot be read."""

    service: str
    shard: int
    sequence: int
    hash: str
    envelope: Envelope | None
    redacted: bool = False
    type: str = ""


def read_log(service: str, rows: Iterable[dict[str, Any]]) -> list[Logged]:
    """The rows of `/log/<case id>`. Raises `ValueError` where they have another shape."""
    return [_logged(service, row) for row in rows]


def _logged(service: str, row: dict[str, Any]) -> Logged:
    try:
        place = (service, int(row["shard"]), int(row["sequence"]), str(row["hash"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{service}: a log row without its place: {error!r}") from error
    event = row.get("event")
    if event is None:
        return Logged(*place, envelope=None, redacted=True)
    try:
        return Logged(*place, envelope=decode(orjson.dumps(event)))
    except Undecodable:
        return Logged(*place, envelope=None, type=str(event.get("type", "")) if isinstance(event, dict) else "")


def read_deadlines(rows: Iterable[dict[str, Any]]) -> list[Deadline]:
    try:
        return [Deadline.model_validate(row) for row in rows]
    except ValidationError as error:
        raise ValueError(str(error)) from error


def merge(logs: Iterable[Sequence[Logged]]) -> list[Logged]:
    """All rows in the order of time; within one log always in the log's own order.

    A row without a time of its own (redacted, unreadable) stands right after the one before it.
    """
    keyed = []
    for log in logs:
        at = datetime.min.replace(tzinfo=UTC)
        for row in log:
            own = row.envelope.time.astimezone(UTC) if row.envelope else at
            at = max(at, own)
            keyed.append(((at, ORDER.get(row.service, 9), row.sequence), row))
    return [row for _, row in sorted(keyed, key=lambda pair: pair[0])]


# --- what the page shows ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One thing said under a fact. `free` marks what a person wrote, in the language they wrote it in."""

    label: str
    text: str
    free: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    name: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of the timeline. `limits_log` is where the limits that it set stand in the logs."""

    at: datetime | None
    day: str
    time: str
    text: str
    tone: str
    service: str
    official: bool
    actor: str
    stage: str
    lines: list[Line]
    evidence: list[Link]
    log: str
    hash: str
    type: str
    id: str
    cause: str
    limits_log: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    state: str
    stage: str
    at: str


@dataclass(frozen=True, slots=True)
class Clock:
    """One obligation as a bar: `used` is the share of its time, from 0 to 100."""

    obligation: str
    unit: str
    again: str
    used: float
    warn: float
    lamp: str
    running: bool
    text: str
    due: str
    label: str


@dataclass(slots=True)
class Verdict:
    """What was said of one round: the check, the ratings of the units, the resident's answers."""

    round: int
    passed: bool | None = None
    scores: list[tuple[str, tuple[int, int, int]]] = field(default_factory=list)
    resident: f.FeedbackResidentAnswered | None = None
    resident_silent: bool = False
    unrated: tuple[str, ...] = ()


def facts_of(rows: Iterable[Logged], service: str) -> list[Envelope]:
    return [row.envelope for row in rows if row.service == service and row.envelope is not None]


def moments(rows: Sequence[Logged], say: Speech, confidential: bool) -> list[Moment]:
    """The entries of the timeline; of a confidential case without anything a person wrote.

    By when units owe something is told in the entry of the fact that set it.
    """
    told = with_their_facts((row.envelope for row in rows if row.envelope is not None), say)
    places = {row.envelope.id: _place(row) for row in rows if row.envelope is not None}
    told_elsewhere = {id_ for limits in told.values() for one in limits for id_ in one.ids}
    found: list[Moment] = []
    stage: Stage | None = None
    for row in rows:
        if row.envelope is not None and row.envelope.id in told_elsewhere:
            continue
        fact = row.envelope.fact if row.envelope else None
        entered = ""
        if isinstance(fact, f.CaseFact) and fact.stage is not stage:
            stage = fact.stage
            entered = say("case.to_stage", stage=say.word(stage))
        moment = _moment(row, say, confidential, entered, found[-1] if found else None)
        found.append(_with_limits(moment, told.get(moment.id, []), places, say))
    return found


def _with_limits(moment: Moment, limits: Sequence[Told], places: Mapping[str, str], say: Speech) -> Moment:
    """The entry with by when units owe what, and where that stands in the logs."""
    lines = [Line(say("case.limits"), one.text) for one in limits if one.text]
    log = say.join(places[id_] for one in limits for id_ in one.ids)
    return replace(moment, lines=[*moment.lines, *lines], limits_log=log)


def _place(row: Logged) -> str:
    return f"{LOG_OF.get(row.service, row.service)} {row.shard}/{row.sequence}"


def _moment(row: Logged, say: Speech, confidential: bool, entered: str, before: Moment | None) -> Moment:
    position = _place(row)
    envelope = row.envelope
    if envelope is None:
        return Moment(
            at=before.at if before else None,
            day=before.day if before else "",
            time="",
            text=say("case.redacted") if row.redacted else say("case.unknown_fact"),
            tone=Tone.PLAIN,
            service=row.service,
            official=row.service == "router",
            actor="",
            stage="",
            lines=[],
            evidence=[],
            log=position,
            hash=row.hash,
            type=row.type,
            id="",
            cause="",
        )
    fact = envelope.fact
    actor = getattr(fact, "actor", None)
    lines = [line for line in _lines(fact, say) if not (confidential and line.free)]
    return Moment(
        at=envelope.time,
        day=say.day(envelope.time),
        time=say.clock(envelope.time),
        text=sentence(fact, say),
        tone=tone(fact, say),
        service=row.service,
        official=row.service == "router",
        actor=say.actor(actor) if isinstance(actor, f.Actor) else say("actor.clock"),
        stage=entered,
        lines=[Line(line.label, masked(line.text), line.free) for line in lines if line.text],
        evidence=[] if confidential else [_link(proof) for proof in getattr(fact, "evidence", ())],
        log=position,
        hash=row.hash,
        type=envelope.type,
        id=envelope.id,
        cause=envelope.cause or "",
    )


def _link(proof: f.Evidence) -> Link:
    """Evidence as a link where its address is a web address; anything else is only named."""
    return Link(masked(proof.name), proof.url if urlsplit(proof.url).scheme in ("http", "https") else None)


_FREE = (
    ("note", "case.note"),
    ("result", "case.result"),
    ("explanation", "case.explanation"),
    ("words", "case.words"),
    ("answer", "case.answer"),
    ("basis", "case.basis"),
    ("text", "case.comment"),
)


def _lines(fact: f.Fact, say: Speech) -> list[Line]:
    """What a fact says beyond its sentence, and why it was allowed."""
    found: list[Line] = []
    reason, why = getattr(fact, "reason", None), getattr(fact, "why", None)
    if isinstance(why, f.Reason) and why.zh == reason:
        reason = why  # the same words, and by which rule
    if isinstance(reason, f.Reason):
        found.extend(_reason_lines(reason, say("case.reason"), say))
    elif isinstance(reason, str) and not isinstance(reason, Enum):
        found.append(Line(say("case.reason"), reason, free=True))
    found.extend(
        Line(say(label), text, free=True)
        for name, label in _FREE
        if isinstance(text := getattr(fact, name, None), str) and text
    )
    found.extend(_set_lines(fact, say))
    found.extend(_time_lines(fact, say))
    if isinstance(why, f.Reason) and why != reason:
        found.extend(_reason_lines(why, say("case.why"), say))
    return list(dict.fromkeys(found))


def _reason_lines(reason: f.Reason, label: str, say: Speech) -> list[Line]:
    """Why something was decided, by which rule, and on what basis."""
    rule = ""
    if reason.rule:
        key = "case.rule.version" if reason.version else "case.rule"
        rule = say(key, rule=reason.rule, version=reason.version)
    written = reason.zh == reason.en  # by a person, in one language
    return [
        Line(label, say.reason(reason), free=written),
        Line("", rule),
        Line(say("case.basis"), reason.basis, free=True),
    ]


def _time_lines(fact: f.Fact, say: Speech) -> list[Line]:
    """What a fact says of time: when it was due, asked for, planned, or a day on which the case comes back."""
    found: list[Line] = []
    if isinstance(fact, f.CaseOverdue | f.DeadlineStep):
        found.append(Line(say("case.due"), say.full(fact.due_at)))
    if isinstance(fact, f.CaseRequested | f.CaseRequestRuled):
        if fact.share is not None:
            found.append(Line(say("case.share"), say("case.share.of", percent=round(100 * fact.share))))
        if fact.until is not None:
            found.append(Line(say("case.until"), say.full(fact.until)))
    if isinstance(fact, f.CaseRequested):
        found.append(Line(say("case.approver"), say.unit(fact.approver)))
    if isinstance(fact, f.CaseListed):
        found.extend(Line(say("case.milestone", n=one.number), planned(one, say), free=True) for one in fact.milestones)
        if fact.explained_at is not None:
            found.append(Line(say("case.explained"), say.full(fact.explained_at)))
        if fact.review_at is not None:
            found.append(Line(say("case.until"), say.full(fact.review_at)))
    return found


def planned(milestone: f.Milestone, say: Speech) -> str:
    return say("case.milestone.by", title=milestone.title, due=say.day(milestone.due_at))


def _set_lines(fact: f.Fact, say: Speech) -> list[Line]:
    """What a fact set: urgency, category, level, ledger, parts, what a rung changes, what the resident answered."""
    found: list[Line] = []
    urgency, category = getattr(fact, "urgency", None), getattr(fact, "category", None)
    if isinstance(urgency, Urgency) and not isinstance(fact, f.CaseReprioritised):
        found.append(Line(say("case.urgency_set"), say.word(urgency)))
    if category:
        found.append(Line(say("case.category_set"), " / ".join(category)))
    if isinstance(fact, f.CaseDispatched):
        found.append(Line(say("case.field.level"), say.word(fact.level)))
        if len(fact.assignments) > 1:
            for role in Role:
                units = [made.unit for made in fact.assignments if made.role is role]
                found.append(Line(say.word(role), say.units(units)))
    if isinstance(fact, f.CaseDispatched | f.CaseListed):
        found.append(Line(say("case.field.ledger"), say.word(fact.ledger)))
        found.append(Line(say("case.field.list"), say.word(fact.case_list)))
    if isinstance(fact, f.CaseEscalated) and fact.changes:
        found.append(Line(say("case.changes"), say.join(map(say.word, fact.changes))))
    if isinstance(fact, f.FeedbackResidentAnswered):
        found.append(Line(say("case.question.contacted"), say("yes" if fact.contacted else "no")))
        found.append(Line(say("case.question.solved"), say("yes" if fact.solved else "no")))
    if isinstance(fact, f.FeedbackConcluded):
        if fact.unrated:
            found.append(Line(say("case.unrated"), say.units(fact.unrated)))
        if fact.resident_silent:
            found.append(Line("", say("case.resident_silent")))
    return found


def steps(case: Case, rows: Sequence[Logged], say: Speech) -> list[Step]:
    """The loop's steps, each passed, current or to come, with when it was first reached."""
    step_of = {stage: step for step, stages in STEPS.items() for stage in stages}
    reached: dict[str, datetime] = {}
    for envelope in facts_of(rows, "router"):
        if isinstance(envelope.fact, f.CaseFact):
            reached.setdefault(step_of[envelope.fact.stage], envelope.time)
    stopped = case.stage in (Stage.DECLINED, Stage.WITHDRAWN)
    current = step_of[_left(rows) if case.stage is Stage.WITHDRAWN else case.stage]
    found = []
    passed = True
    for step in STEPS:
        if step == current:
            state = "stopped" if stopped else "done" if step == "close" else "current"
            passed = False
        else:
            state = "passed" if passed else "ahead"
        found.append(
            Step(
                name=say(f"step.{step}"),
                state=state,
                stage=say.word(case.stage) if step == current else "",
                at=say.full(reached[step]) if step in reached else "",
            )
        )
    return found


def _left(rows: Sequence[Logged]) -> Stage:
    """The stage in which a case was when it was withdrawn."""
    stages = [envelope.fact.stage for envelope in facts_of(rows, "router") if isinstance(envelope.fact, f.CaseFact)]
    return next((stage for stage in reversed(stages) if stage is not Stage.WITHDRAWN), Stage.WITHDRAWN)


def clocks(deadlines: Iterable[Deadline], say: Speech, now: datetime) -> list[Clock]:
    """Running obligations first, the most pressing on top and appointed days last; then those that stand still;
    then the ended ones in the order they began."""
    running = sorted(
        (one for one in deadlines if _runs(one)), key=lambda one: (one.obligation in APPOINTED, one.due_at)
    )
    paused = sorted((one for one in deadlines if _stands_still(one)), key=lambda one: one.due_at)
    ended = sorted((one for one in deadlines if _is_over(one)), key=lambda one: one.started_at)
    return [_clock(one, say, now) for one in (*running, *paused, *ended)]


def _runs(one: Deadline) -> bool:
    return not _stands_still(one) and not _is_over(one)


def _stands_still(one: Deadline) -> bool:
    return one.state == PAUSED


def _is_over(one: Deadline) -> bool:
    if _stands_still(one):
        return False
    return one.ended_at is not None or one.state in DROPPED or one.state in ("met", "ended", "done")


def _clock(one: Deadline, say: Speech, now: datetime) -> Clock:
    whole = max(one.due_at - one.started_at, timedelta(seconds=1))
    until = one.ended_at or (one.paused_at if _stands_still(one) else None) or now
    used = min(100.0, max(0.0, 100 * (until - one.started_at) / whole))
    warn = 100 * (one.warn_at - one.started_at) / whole if one.warn_at else 80.0
    lamp, text = _lamp(one, say, until)
    unit = say.unit(one.unit) if one.unit else ""
    obligation = say.word(one.obligation)
    return Clock(
        obligation=obligation,
        unit=unit,
        again=say("clock.again", n=one.generation) if one.generation > 1 else "",
        used=round(used, 1),
        warn=round(min(100.0, max(0.0, warn)), 1),
        lamp=lamp,
        running=_runs(one),
        text=text,
        due=_due(one, say),
        label=say("clock.label", unit=unit, obligation=obligation, percent=round(used), state=text),
    )


def _due(one: Deadline, say: Speech) -> str:
    """By when; nothing of one that stands still, whose due time moves on with the time."""
    if _stands_still(one) and one.overdue_at is None:
        return ""
    return say("clock.due.provisional" if one.provisional else "clock.due", due=say.full(one.due_at))


def _lamp(one: Deadline, say: Speech, until: datetime) -> tuple[str, str]:
    """The lamp's colour and what it says."""
    if one.state in DROPPED:
        if one.overdue_at is None or one.obligation in (*APPOINTED, Obligation.RATE):
            return "off", say("clock.dropped")
        return "late", say("clock.dropped.late")
    if _stands_still(one):
        return "off", _standing_still(one, say)
    late = until - one.due_at
    if one.obligation in APPOINTED:
        ahead = _runs(one) and late < timedelta()
        return "appointed", say("clock.appointed", left=say.duration(-late)) if ahead else say("clock.appointed.over")
    if not _runs(one):
        if one.ended_at is None or late <= timedelta():
            used = say.duration(until - one.started_at) if one.ended_at else "—"
            return "met", say("clock.met", used=used)
        return "late", say("clock.late", over=say.duration(late))
    if late >= timedelta():
        return "red", say("clock.overdue", over=say.duration(late))
    if one.warn_at is not None and until >= one.warn_at:
        return "yellow", say("clock.warned", left=say.duration(-late))
    return "green", say("clock.running", left=say.duration(-late))


def _standing_still(one: Deadline, say: Speech) -> str:
    if one.overdue_at is not None:
        return say("clock.paused.overdue")
    return say("clock.paused") if one.left is None else say("clock.paused.left", left=say.duration(one.left))


def verdicts(rows: Sequence[Logged]) -> list[Verdict]:
    """What the whistle-blower and the resident said, round by round."""
    found: dict[int, Verdict] = {}
    for envelope in facts_of(rows, "feedback"):
        fact = envelope.fact
        number = getattr(fact, "round", None)
        if not isinstance(number, int):
            continue
        verdict = found.setdefault(number, Verdict(number))
        if isinstance(fact, f.FeedbackChecked):
            verdict.passed = fact.passed
        elif isinstance(fact, f.FeedbackUnitRated):
            verdict.scores.append((fact.unit, (fact.contact, fact.speed, fact.result)))
        elif isinstance(fact, f.FeedbackResidentAnswered):
            verdict.resident = fact
        elif isinstance(fact, f.FeedbackConcluded):
            verdict.resident_silent = fact.resident_silent
            verdict.unrated = fact.unrated
    return [found[number] for number in sorted(found)]


def answer(rows: Sequence[Logged]) -> str:
    """What the reporter was told last, when the case was closed or the one it was merged into, or nothing."""
    told = [one.fact.answer for one in facts_of(rows, "router") if isinstance(one.fact, f.CaseClosed | f.CaseAnswered)]
    return masked(told[-1]) if told else ""


def accounts(rows: Sequence[Logged]) -> Sequence[f.UnitAccount]:
    """Whose time it was, as the case's last end stated it; nothing before."""
    stated = [
        one.fact.accounts
        for one in facts_of(rows, "router")
        if isinstance(one.fact, f.CaseClosed | f.CaseWithdrawn) and one.fact.accounts
    ]
    return stated[-1] if stated else ()
