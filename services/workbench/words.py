"""Facts in the field's words: the map from fact to one sentence, and what a page may say of a case."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from services.workbench.languages import Speech
from shared.contracts import facts as f
from shared.contracts.vocabulary import DispatchCause, Obligation, RequestKind, Role, Source

APPOINTED = frozenset({Obligation.ARCHIVE, Obligation.REVIEW})
"""Dates on which the case goes on by itself: nobody is late when they have come, and no lamp is lit."""


class Tone(StrEnum):
    """How a sentence is marked: the two lamps, good news, a step back, or nothing."""

    PLAIN = "plain"
    GOOD = "good"
    BACK = "back"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class About:
    """What a page may say of a case beside one fact of it. `title` is None where it is not known."""

    number: str | None
    title: str | None
    confidential: bool = False


class Phrase:
    """A sentence before its language: a key of the catalogue and the words to put in."""

    __slots__ = ("key", "tone", "values")

    def __init__(self, key: str, tone: Tone = Tone.PLAIN, **values: object) -> None:
        self.key = key
        self.tone = tone
        self.values = values


def sentence(fact: f.Fact, say: Speech, about: About | None = None) -> str:
    """The fact as one sentence; with `about`, it names the matter as well."""
    phrase = WORDS[type(fact)](fact, say)
    return say(phrase.key, about=_about(about, say), **phrase.values)


def tone(fact: f.Fact, say: Speech) -> Tone:
    return WORDS[type(fact)](fact, say).tone


def title_of(about: About, say: Speech) -> str:
    """The title as a public page may show it."""
    if about.confidential:
        return say("confidential")
    return masked(about.title or "") or say("case.title.none")


def _about(about: About | None, say: Speech) -> str:
    if about is None:
        return ""
    if about.confidential:
        return say("about.confidential")
    if about.title:
        return say("about", title=masked(about.title))
    return say("about.number", number=about.number) if about.number else ""


_PHONE = re.compile(r"(?<!\d)(1[3-9]\d)\d{4}(\d{4})(?!\d)")
_IDENTITY_CARD = re.compile(r"(?<!\d)(\d{6})\d{8}(\d{3}[\dXx])(?!\d)")


def masked(text: str) -> str:
    """Free text with mobile numbers and identity card numbers covered: the logs hold none, people type them."""
    return _IDENTITY_CARD.sub(r"\1********\2", _PHONE.sub(r"\1****\2", text))


# --- one function for each fact that needs more than its key ------------------------------------------


def _blown(key: str) -> Callable[[Any, Speech], Phrase]:
    def told(fact: f.WhistleReceived | f.CaseOpened, say: Speech) -> Phrase:
        variant = {Source.RESIDENT: ".resident", Source.HOTLINE_12345: ".hotline"}.get(fact.matter.source, "")
        return Phrase(key + variant, blower=say.unit(fact.matter.whistle_blower))

    return told


def _declined(key: str) -> Callable[[Any, Speech], Phrase]:
    def told(fact: f.WhistleDeclined | f.CaseDeclined, say: Speech) -> Phrase:
        return Phrase(key, Tone.BACK, reason=say.word(fact.reason))

    return told


_CHANGED_HANDS = (
    DispatchCause.REFUSAL_UPHELD,
    DispatchCause.TRANSFERRED,
    DispatchCause.JOINED,
    DispatchCause.RELEASED,
    DispatchCause.LEAD_CHANGED,
    DispatchCause.SUCCEEDED,
    DispatchCause.ESCALATED,
)
"""Causes for which what changed is said; for the others, who has the case."""


def _dispatched(fact: f.CaseDispatched, say: Speech) -> Phrase:
    if fact.cause in _CHANGED_HANDS:
        return Phrase(
            f"fact.case.dispatched.{fact.cause}",
            units=say.units(made.unit for made in fact.assignments if made.begun),
            released=say.units(made.unit for made in fact.released),
            lead=say.units(made.unit for made in fact.assignments if made.role is Role.LEAD),
        )
    designated = fact.final or fact.cause is DispatchCause.DESIGNATED
    return Phrase(
        "fact.case.dispatched.final" if designated else "fact.case.dispatched",
        blower=say.unit(fact.matter.whistle_blower),
        units=say.units(made.unit for made in fact.assignments),
    )


def _sent_to_desk(fact: f.CaseSentToDesk, say: Speech) -> Phrase:
    if not fact.released:
        return Phrase("fact.case.sent_to_desk", desk=say.unit(fact.desk))
    released = say.units(made.unit for made in fact.released)
    return Phrase("fact.case.sent_to_desk.escalated", Tone.BACK, desk=say.unit(fact.desk), released=released)


def _refused(fact: f.CaseRefused, say: Speech) -> Phrase:
    key = "fact.case.refused.first" if fact.count == 1 else "fact.case.refused"
    return Phrase(key, Tone.BACK, unit=say.unit(fact.unit), count=fact.count)


def _refusal_ruled(fact: f.CaseRefusalRuled, say: Speech) -> Phrase:
    ruling = "upheld" if fact.upheld else "dismissed.final" if fact.final else "dismissed"
    return Phrase(f"fact.case.refusal_ruled.{ruling}", unit=say.unit(fact.unit))


def _progressed(fact: f.CaseProgressed, say: Speech) -> Phrase:
    key = "fact.case.progressed.contacted" if fact.contacted else "fact.case.progressed"
    return Phrase(key, unit=say.unit(fact.unit))


def _checked(key: str) -> Callable[[Any, Speech], Phrase]:
    def told(fact: f.CaseChecked | f.FeedbackChecked | f.FeedbackSampleChecked, say: Speech) -> Phrase:
        unit = say.unit(fact.actor.unit) if fact.actor.unit else say.actor(fact.actor)
        if fact.passed:
            return Phrase(f"{key}.passed", Tone.GOOD, unit=unit)
        return Phrase(f"{key}.failed", Tone.BACK, unit=unit)

    return told


def _rework_ordered(fact: f.CaseReworkOrdered, say: Speech) -> Phrase:
    units = say.units(made.unit for made in fact.assignments)
    return Phrase("fact.case.rework_ordered", Tone.BACK, cause=say.word(fact.cause), units=units)


def _requested(fact: f.CaseRequested, say: Speech) -> Phrase:
    return Phrase(f"fact.case.requested.{fact.kind}", unit=say.unit(fact.unit))


def _request_ruled(fact: f.CaseRequestRuled, say: Speech) -> Phrase:
    ruling = "approved" if fact.approved else "dismissed"
    suspended = fact.approved and fact.kind is RequestKind.SUSPENSION
    return Phrase(
        f"fact.case.request_ruled.{fact.kind}.{ruling}",
        Tone.BACK if suspended else Tone.PLAIN,
        unit=say.unit(fact.unit),
        until=say.day(fact.until),
    )


def _listed(fact: f.CaseListed, say: Speech) -> Phrase:
    if fact.review_at is not None:
        return Phrase("fact.case.listed.until", Tone.BACK, list=say.word(fact.case_list), until=say.day(fact.review_at))
    return Phrase("fact.case.listed", list=say.word(fact.case_list))


def _withdrawn(fact: f.CaseWithdrawn, say: Speech) -> Phrase:
    return Phrase("fact.case.withdrawn", Tone.BACK, unit=say.actor(fact.actor))


def _duplicate_found(fact: f.CaseDuplicateFound, say: Speech) -> Phrase:
    return Phrase("fact.case.duplicate_found", numbers=say.join(one.number for one in fact.candidates))


def _handed_over(fact: f.CaseHandedOver, say: Speech) -> Phrase:
    key = "fact.case.handed_over.whistle_blower" if fact.assignment_id is None else "fact.case.handed_over"
    return Phrase(key, before=say.unit(fact.before), unit=say.unit(fact.unit))


def limit_said(limit: f.TimeLimit, say: Speech) -> str:
    """By when one thing is owed; marked where it may yet change, because a year's holidays are not published."""
    obligation = say.word(limit.obligation)
    if limit.due_at is None:
        left = say.duration(timedelta(seconds=limit.left or 0))
        return say("limit.still", obligation=obligation, left=left)
    key = "limit.by.provisional" if limit.provisional else "limit.by"
    return say(key, obligation=obligation, due=say.full(limit.due_at))


def limits_said(limits: Iterable[f.TimeLimit], say: Speech) -> str:
    return say.join(limit_said(one, say) for one in limits)


def _timed(fact: f.CaseTimed | f.DeadlineSet, say: Speech) -> Phrase:
    return Phrase(f"fact.timed.{fact.cause}", unit=say.unit(fact.unit), limits=limits_said(fact.limits, say))


def _clocked(key: str, lamp: Tone) -> Callable[[Any, Speech], Phrase]:
    def told(fact: f.CaseOverdue | f.DeadlineStep, say: Speech) -> Phrase:
        if fact.obligation in APPOINTED:
            return Phrase(f"{key}.appointed", obligation=say.word(fact.obligation))
        return Phrase(key, lamp, unit=say.unit(fact.unit), obligation=say.word(fact.obligation))

    return told


def _escalated(key: str) -> Callable[[Any, Speech], Phrase]:
    def told(fact: f.CaseEscalated | f.DeadlineEscalated, say: Speech) -> Phrase:
        return Phrase(
            key,
            Tone.RED,
            rung=fact.rung,
            unit=say.unit(fact.unit),
            obligation=say.word(fact.obligation),
            told=say.units(fact.told),
        )

    return told


def _unit_rated(fact: f.FeedbackUnitRated, say: Speech) -> Phrase:
    return Phrase(
        "fact.feedback.unit_rated",
        rater=say.actor(fact.actor),
        unit=say.unit(fact.unit),
        contact=fact.contact,
        speed=fact.speed,
        result=fact.result,
    )


def _concluded(fact: f.FeedbackConcluded, _say: Speech) -> Phrase:
    if fact.close:
        return Phrase("fact.feedback.concluded.close", Tone.GOOD)
    return Phrase("fact.feedback.concluded.rework", Tone.BACK)


def _surging(fact: f.SurgeFound, say: Speech) -> Phrase:
    return Phrase("fact.surge.found", Tone.YELLOW, reason=masked(say.reason(fact.reason)))


def _ebbed(fact: f.SurgeEnded, say: Speech) -> Phrase:
    common = masked(fact.key)
    return Phrase("fact.surge.ended", kind=say.word(fact.kind), common=common, count=say.number(fact.count))


WORDS: dict[type[f.Fact], Callable[[Any, Speech], Phrase]] = {
    f.WhistleReceived: _blown("fact.whistle.received"),
    f.WhistleVerified: lambda fact, say: Phrase("fact.whistle.verified", unit=say.actor(fact.actor)),
    f.WhistleDeclined: _declined("fact.whistle.declined"),
    f.CaseOpened: _blown("fact.case.opened"),
    f.CaseAccepted: lambda _fact, _say: Phrase("fact.case.accepted"),
    f.CaseDeclined: _declined("fact.case.declined"),
    f.CaseSentToDesk: _sent_to_desk,
    f.CaseDispatched: _dispatched,
    f.CaseSignedIn: lambda fact, say: Phrase("fact.case.signed_in", unit=say.unit(fact.unit)),
    f.CaseRefused: _refused,
    f.CaseRefusalRuled: _refusal_ruled,
    f.CaseProgressed: _progressed,
    f.CaseUnitDone: lambda fact, say: Phrase("fact.case.unit_done", unit=say.unit(fact.unit)),
    f.CaseHandled: lambda fact, say: Phrase("fact.case.handled", blower=say.unit(fact.whistle_blower)),
    f.CaseChecked: _checked("fact.case.checked"),
    f.CaseReworkOrdered: _rework_ordered,
    f.CaseOverdue: _clocked("fact.case.overdue", Tone.RED),
    f.CaseEscalated: _escalated("fact.case.escalated"),
    f.CaseTimed: _timed,
    f.CaseClosed: lambda _fact, _say: Phrase("fact.case.closed", Tone.GOOD),
    f.CaseArchived: lambda _fact, _say: Phrase("fact.case.archived"),
    f.CaseRequested: _requested,
    f.CaseRequestRuled: _request_ruled,
    f.CaseResumed: lambda fact, _say: Phrase(f"fact.case.resumed.{fact.cause}"),
    f.CaseListed: _listed,
    f.CaseMilestoneReached: lambda fact, say: Phrase(
        "fact.case.milestone_reached", Tone.GOOD, unit=say.unit(fact.unit), number=fact.milestone
    ),
    f.CaseSupervised: lambda fact, say: Phrase("fact.case.supervised", Tone.RED, unit=say.unit(fact.unit)),
    f.CaseSupervisionEnded: lambda fact, say: Phrase("fact.case.supervision_ended", unit=say.unit(fact.unit)),
    f.CaseReprioritised: lambda fact, say: Phrase(
        "fact.case.reprioritised", before=say.word(fact.before), urgency=say.word(fact.urgency)
    ),
    f.CaseCorrected: lambda fact, say: Phrase("fact.case.corrected", fields=say.join(map(say.field, fact.changed))),
    f.CaseCommented: lambda fact, say: Phrase("fact.case.commented", unit=say.actor(fact.actor)),
    f.LogRedacted: lambda fact, _say: Phrase("fact.log.redacted", reason=fact.reason, basis=fact.basis),
    f.CaseWithdrawn: _withdrawn,
    f.CaseDuplicateFound: _duplicate_found,
    f.CaseMerged: lambda fact, _say: Phrase("fact.case.merged", number=fact.into_number),
    f.CaseUnmerged: lambda _fact, _say: Phrase("fact.case.unmerged"),
    f.CaseAnswered: lambda _fact, _say: Phrase("fact.case.answered", Tone.GOOD),
    f.CaseHandedOver: _handed_over,
    f.DeadlineSet: _timed,
    f.DeadlineWarned: _clocked("fact.deadline.warned", Tone.YELLOW),
    f.DeadlineOverdue: _clocked("fact.deadline.overdue", Tone.RED),
    f.DeadlineEscalated: _escalated("fact.deadline.escalated"),
    f.FeedbackChecked: _checked("fact.feedback.checked"),
    f.FeedbackUnitRated: _unit_rated,
    f.FeedbackResidentAnswered: lambda fact, say: Phrase(
        "fact.feedback.resident_answered", satisfaction=say.word(fact.satisfaction)
    ),
    f.FeedbackConcluded: _concluded,
    f.FeedbackResidentAsked: lambda fact, say: Phrase("fact.feedback.resident_asked", until=say.day(fact.until)),
    f.FeedbackSampled: lambda _fact, _say: Phrase("fact.feedback.sampled"),
    f.FeedbackSampleChecked: _checked("fact.feedback.sample_checked"),
    f.FeedbackExclusionAsked: lambda fact, say: Phrase(
        "fact.feedback.exclusion_asked",
        asker=say.actor(fact.actor),
        unit=say.unit(fact.unit),
        measures=say.join(map(say.word, fact.measures)),
    ),
    f.FeedbackExclusionRuled: lambda fact, say: Phrase(
        f"fact.feedback.exclusion_ruled.{'approved' if fact.approved else 'dismissed'}", ruler=say.actor(fact.actor)
    ),
    f.FeedbackPublished: lambda _fact, _say: Phrase("fact.feedback.published"),
    f.FeedbackWithheld: lambda fact, say: Phrase("fact.feedback.withheld", Tone.BACK, unit=say.actor(fact.actor)),
    f.SurgeFound: _surging,
    f.SurgeEnded: _ebbed,
}
"""How each fact of the four logs, and of surges, is said. A test walks every fact type."""

_NOT_IN_TICKER: frozenset[type[f.Fact]] = frozenset(
    {
        # What the router states again, with its decision, in its own log.
        f.WhistleReceived,
        f.WhistleVerified,
        f.WhistleDeclined,
        f.DeadlineSet,
        f.DeadlineOverdue,
        f.DeadlineEscalated,
        f.FeedbackChecked,
        f.FeedbackConcluded,
        # What follows from the fact before it.
        f.CaseTimed,
    }
)


def is_news(fact: f.Fact) -> bool:
    """Whether the ticker tells it: not what is told with the router's decision, nor that an appointed day is near."""
    if isinstance(fact, f.DeadlineStep) and fact.obligation in APPOINTED:
        return False
    return type(fact) not in _NOT_IN_TICKER
