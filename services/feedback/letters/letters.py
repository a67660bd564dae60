"""告知书: what the reporter is told. One letter follows from one fact of feedback's log, worded by the review as it is.

A letter holds nothing personal: who the reporter is, and their phone, intake knows and whoever sends it on looks up.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from services.feedback.domain.invitation import Invitation, Standing, standing
from services.feedback.domain.review import Review, Round
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope
from shared.contracts.facts import Value
from shared.contracts.vocabulary import Source

LONGEST_TEXT = 300
LONGEST_TITLE = 60
ANSWER_WITHIN = timedelta(minutes=10)
"""A verdict is told with the answer, which the router states a moment later; a letter waits no longer for it."""

TELLING = (f.FeedbackResidentAsked, f.FeedbackConcluded)
"""The facts from which a letter follows."""

NameOf: TypeAlias = Callable[[str, bool], str]
"""`(unit, in English?) → name`."""
LinkFor: TypeAlias = Callable[[UUID, int, datetime], str]
"""`(case, round, until) → where the resident answers`."""


class LetterKind(StrEnum):
    """What a letter is about."""

    ASKED = "asked"  # 办结、请评价
    CLOSED = "closed"  # 结案答复
    REOPENED = "reopened"  # 依规重办


class Letter(Value):
    """`zh`, `en`: at most 300 characters each, without the link. `over`: it no longer stands, so it need not be sent.

    `resident`: whether the case came with a resident's phone; else the letter is for its source alone.
    """

    id: str
    kind: LetterKind
    case_id: UUID
    number: str
    source: Source
    resident: bool
    stated_at: datetime
    zh: str
    en: str
    link: str | None = None
    until: datetime | None = None
    over: bool


def waits_for_answer(told: Envelope, review: Review, now: datetime) -> bool:
    """Whether the case is about to be closed with an answer that has not been read yet."""
    record = review.record
    return (
        isinstance(told.fact, f.FeedbackConcluded)
        and told.fact.close
        and record is not None
        and record.round == told.fact.round
        and (record.closed_at, record.withdrawn_at, record.merged_at) == (None, None, None)
        and now - told.time < ANSWER_WITHIN
    )


def letter_of(
    told: Envelope, review: Review, name_of: NameOf, link_for: LinkFor | None, zone: tzinfo, now: datetime
) -> Letter | None:
    """The letter that follows; None where the case is not known. `link_for` None: the asker gets no link."""
    case = review.case
    if case is None:
        return None
    words, record = _Words(review, name_of), review.record
    kind = LetterKind.CLOSED
    link: str | None = None
    until: datetime | None = None
    match told.fact:
        case f.FeedbackResidentAsked(round=number) as asked:
            kind, until = LetterKind.ASKED, asked.until
            invitation = Invitation(case_id=told.subject, round=number, until=until)
            over = standing(review, invitation, now) is not Standing.OPEN
            link = link_for(told.subject, number, until) if link_for is not None and not over else None
            zh, en = words.asked(number, until.astimezone(zone))
        case f.FeedbackConcluded(round=number, close=True):
            over = record is not None and record.round > number
            zh, en = words.closed(number)
        case f.FeedbackConcluded(round=number):
            kind = LetterKind.REOPENED
            over = review.round is not None and review.round.number > number
            zh, en = words.reopened()
        case _:
            return None
    return Letter(
        id=told.id,
        kind=kind,
        case_id=told.subject,
        number=case.number,
        source=case.source,
        resident=case.resident_to_ask,
        stated_at=told.time,
        zh=zh,
        en=en,
        link=link,
        until=until,
        over=over,
    )


class _Words:
    """The sentences. Of a confidential case they say nothing but its number."""

    def __init__(self, review: Review, name_of: NameOf) -> None:
        self._review = review
        self._name_of = name_of
        assert review.case is not None
        number, record = review.case.number, review.record
        self._confidential = record is None or record.confidential
        title = _cut(record.title, LONGEST_TITLE) if record is not None and not self._confidential else ""
        self._zh_matter = f"您反映的“{title}”（编号 {number}）" if title else f"您反映的事项（编号 {number}）"
        self._en_matter = f"Your matter “{title}” ({number})" if title else f"Your matter ({number})"

    def asked(self, number: int, until: datetime) -> tuple[str, str]:
        zh_ask = f"请在 {until.month} 月 {until.day} 日 {until:%H:%M} 前评价：是否与您联系、是否解决、是否满意。"
        en_ask = (
            f" Please say by {until:%Y-%m-%d %H:%M} whether you were contacted, it is solved, and you are satisfied."
        )
        return (
            _around(f"{self._zh_matter}已办结。", "办理结果：", self._result(number, english=False), "。", zh_ask),
            _around(
                f"{self._en_matter} has been handled.", " Result: ", self._result(number, english=True), ".", en_ask
            ),
        )

    def closed(self, number: int) -> tuple[str, str]:
        zh_end, en_end = "", ""
        if self._confidential:
            zh_end, en_end = "答复内容请向受理单位了解。", " Ask who took it for the answer."
        return (
            _around(f"{self._zh_matter}已结案。", "答复：", self._answer(number, english=False), "。", zh_end),
            _around(f"{self._en_matter} is closed.", " Answer: ", self._answer(number, english=True), ".", en_end),
        )

    def reopened(self) -> tuple[str, str]:
        return (
            f"{self._zh_matter}，因您表示未解决或不满意，现依规重新办理一次，办结后再请您评价。",
            f"{self._en_matter} is handled once more, as it is not solved or not satisfactory; we will ask again.",
        )

    def _answer(self, number: int, *, english: bool) -> str:
        record = self._review.record
        if self._confidential or record is None:
            return ""
        return record.answer if record.closed_at is not None else self._result(number, english=english)

    def _result(self, number: int, *, english: bool) -> str:
        """What each unit says it did; where the case was answered with another, that answer."""
        if self._confidential:
            return ""
        present = next((one for one in self._review.rounds if one.number == number), None)
        said = self._said(present, english) if present is not None else ""
        return said or (self._review.record.answer if self._review.record is not None else "")

    def _said(self, present: Round, english: bool) -> str:
        colon, semicolon = (": ", "; ") if english else ("：", "；")
        return semicolon.join(
            f"{self._name_of(unit, english)}{colon}{present.results[unit]}"
            for unit in present.units
            if present.results.get(unit)
        )


def _around(before: str, lead: str, said: str, stop: str, after: str) -> str:
    """What was said in the middle, in one line and as long as there is room; the rest stays whole."""
    said = " ".join(said.split())
    if not said:
        return before + after
    room = LONGEST_TEXT - len(before) - len(lead) - len(stop) - len(after)
    ended = _cut(said, room)
    return f"{before}{lead}{ended}{'' if ended[-1] in '。.…！!？?' else stop}{after}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
