"""公示: what the public board shows of a closed case, and when it shows nothing.

Each closing is published anew and replaces what was shown before. An entry is off the board while its case is being
reworked; one that the hub took off stays off, also when the case closes again: the hub's word is about the matter.
A confidential case, a report of wrongdoing (举报) and a petition (信访) are counted, never shown, and nothing of
their text is stated for the board. What came of a case that was merged is told with the other one, if that is shown:
the other may be confidential, and nothing here says so.
"""

from datetime import datetime
from enum import StrEnum

from services.feedback.domain.anonymity.anonymity import METHOD, anonymised
from services.feedback.domain.measuring.record import CaseRecord
from services.feedback.domain.moment import SortableMoment
from shared.contracts import facts as f
from shared.contracts.facts import Value
from shared.contracts.vocabulary import AppealType, Satisfaction, Source

LONGEST_TITLE = 60
LONGEST_RESULT = 300
TOLD_WITH_THE_OTHER = "与另一件诉求并案办理，已一并办结。"
_SENTENCE_ENDS = "。！？；!?;\n"
_APART = "\ue000"
"""Stands between title and result while both are anonymised as one text: who is named in one goes from the other."""


class Hidden(StrEnum):
    """Why a case that was closed is not on the board."""

    CONFIDENTIAL = "confidential"  # 保密件
    REPORT = "report"  # 举报件
    PETITION = "petition"  # 信访件
    WITHHELD = "withheld"  # 区级治理中心撤下
    REWORKED = "reworked"  # 重新办理


class Publication(Value):
    """What the board knows of a case that was closed: its entry, or why there is none.

    `on_time`: every unit handled its part of the last round in time; None where nobody's time was measured.
    """

    entry: f.FeedbackPublished | None = None
    hidden: Hidden | None = None
    closed_at: SortableMoment
    on_time: bool | None = None
    satisfaction: Satisfaction | None = None

    def taken_off(self, why: Hidden) -> "Publication":
        """Without its entry."""
        return self.model_copy(update={"entry": None, "hidden": why})


def published(
    before: Publication | None, record: CaseRecord, result: str, satisfaction: Satisfaction | None, closed_at: datetime
) -> Publication:
    """What the board knows once a case has closed with this result."""
    hidden = never_shown(record.confidential, record.appeal_type, record.source)
    if hidden is None and before is not None and before.hidden is Hidden.WITHHELD:
        hidden = Hidden.WITHHELD
    return Publication(
        entry=_entry(record, result, satisfaction, closed_at) if hidden is None else None,
        hidden=hidden,
        closed_at=closed_at,
        on_time=_on_time(record),
        satisfaction=satisfaction,
    )


def never_shown(confidential: bool, appeal_type: AppealType | None, source: Source) -> Hidden | None:
    """Why a case of this sort is never shown; None where it may be."""
    if confidential:
        return Hidden.CONFIDENTIAL
    if appeal_type is AppealType.REPORT:
        return Hidden.REPORT
    return Hidden.PETITION if source is Source.PETITION else None


def _entry(
    record: CaseRecord, result: str, satisfaction: Satisfaction | None, closed_at: datetime
) -> f.FeedbackPublished:
    title, shown = _shown(record.title, result if record.answered_with is None else TOLD_WITH_THE_OTHER)
    return f.FeedbackPublished(
        number=record.number,
        title=title,
        result=shown,
        category=record.category,
        region=record.region,
        units=tuple(dict.fromkeys(part.unit for part in record.parts if part.round == record.round)),
        received_at=record.received_at,
        closed_at=closed_at,
        satisfaction=satisfaction,
        method=METHOD,
    )


def _shown(title: str, result: str) -> tuple[str, str]:
    """Title and result without what leads to a person, each no longer than its bound."""
    whole = f"{title.replace(_APART, '')}\n{_APART}\n{result.replace(_APART, '')}"
    shown_title, _, shown_result = anonymised(whole).text.partition(_APART)
    return shortened(shown_title.strip(), LONGEST_TITLE), shortened(shown_result.strip(), LONGEST_RESULT)


def shortened(text: str, most: int) -> str:
    """At most so many characters: whole sentences where one ends in the second half, else cut off with `…`."""
    if len(text) <= most:
        return text
    end = max(text.rfind(mark, most // 2, most) for mark in _SENTENCE_ENDS)
    return text[: end + 1].rstrip() if end >= 0 else text[: most - 1].rstrip() + "…"


def _on_time(record: CaseRecord) -> bool | None:
    settled = [part.handle for part in record.parts if part.round == record.round and part.handle is not None]
    return not any(one.late for one in settled) if settled else None
