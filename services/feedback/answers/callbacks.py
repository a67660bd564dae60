"""回访结果: what 12345 heard when it called back on its own orders, in the field names and words of its systems.

A row is read as an answer, as no answer (nobody was reached, or they would not say: 未评价, which is nowhere
recorded), or refused with the field at fault. Words that could mean two things are refused, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, TypeAlias

from services.feedback.domain.review import Answer, Review, Round
from shared.contracts.vocabulary import Satisfaction

LONGEST_REF = 64
LONGEST_WORDS = 4000

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "source_ref": ("工单编号", "工单号", "orderNum", "order_num", "source_ref"),
    "contacted": ("是否联系", "是否响应", "visitIsContacted", "visitIsContact", "contacted"),
    "solved": ("是否解决", "visitIsSolved", "solved"),
    "satisfaction": ("是否满意", "满意度", "visitIsSatisfaction", "satisfaction"),
    "words": ("回访意见", "回访内容", "visitContent", "visitRemark", "words"),
    "visited_at": ("回访时间", "visitTime", "visited_at"),
}
"""What each field is called in 12345's systems; names not listed are passed over."""

_NO_ANSWER = frozenset(
    (
        "",
        "未评价",
        "未回访",
        "未接通",
        "无人接听",
        "无法接通",
        "未接听",
        "拒访",
        "拒绝回访",
        "拒绝评价",
        "null",
        "none",
        "-",
    )
)
_YES_OR_NO: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("是", "1", "true", "y", "yes", "已解决", "解决", "已联系", "联系", "已响应"), True),
    **dict.fromkeys(("否", "0", "false", "n", "no", "未解决", "未联系", "未响应"), False),
}
_SATISFACTION: Final[Mapping[str, Satisfaction]] = {
    **dict.fromkeys(("满意", "非常满意", "是", "1", "true", "satisfied"), Satisfaction.SATISFIED),
    **dict.fromkeys(("基本满意", "basically_satisfied"), Satisfaction.BASICALLY_SATISFIED),
    **dict.fromkeys(("不满意", "非常不满意", "否", "0", "false", "unsatisfied"), Satisfaction.UNSATISFIED),
}
_MOMENTS: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M")


@dataclass(frozen=True, slots=True)
class CallBack:
    """One answered call-back. `contacted` None: this feed does not say."""

    source_ref: str
    contacted: bool | None
    solved: bool
    satisfaction: Satisfaction
    words: str = ""
    visited_at: datetime | None = None

    def says_as(self, answer: Answer) -> bool:
        """Whether this is that answer over again."""
        return (
            self.contacted in (None, answer.contacted)
            and (self.solved, self.satisfaction) == (answer.solved, answer.satisfaction)
            and self.words == answer.words
        )


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nobody answered; nothing is recorded."""

    source_ref: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is not taken. `source_ref` is its order as far as it could be read."""

    source_ref: str
    field: str
    code: str
    zh: str
    en: str


ReadRow: TypeAlias = CallBack | NoAnswer | Fault


def read_row(row: Mapping[str, object], zone: tzinfo) -> ReadRow:
    """What a row says; times without an offset are in the district's zone."""
    given = {name: _first(row, known) for name, known in NAMES.items()}
    source_ref = given["source_ref"][:LONGEST_REF]
    if not source_ref or len(given["source_ref"]) > LONGEST_REF:
        return _fault("", "source_ref", "source_ref_invalid", f"须填写工单编号，不超过 {LONGEST_REF} 个字符")
    if all(given[name].lower() in _NO_ANSWER for name in ("solved", "satisfaction")):
        return NoAnswer(source_ref)
    if "\x00" in given["words"] or len(given["words"]) > LONGEST_WORDS:
        return _fault(source_ref, "words", "words_invalid", f"回访意见超过 {LONGEST_WORDS} 字或含有无法保存的字符")
    contacted = _YES_OR_NO.get(given["contacted"].lower())
    if contacted is None and given["contacted"].lower() not in _NO_ANSWER:
        return _unknown(source_ref, "contacted", given["contacted"], "是、否")
    solved = _YES_OR_NO.get(given["solved"].lower())
    if solved is None:
        return _unknown(source_ref, "solved", given["solved"], "是、否")
    satisfaction = _SATISFACTION.get(given["satisfaction"].lower())
    if satisfaction is None:
        return _unknown(source_ref, "satisfaction", given["satisfaction"], "满意、基本满意、不满意")
    visited_at = _moment(given["visited_at"], zone)
    if visited_at is None and given["visited_at"]:
        return _unknown(source_ref, "visited_at", given["visited_at"], "2026-11-02 08:15:00")
    return CallBack(source_ref, contacted, solved, satisfaction, given["words"], visited_at)


# --- which round it is an answer to ---------------------------------------------------------------------------


def already_there(review: Review, said: CallBack) -> Round | None:
    """The round that has this very answer.

    An answer like that of an earlier round is that one sent again, unless it says it was given in the present round:
    a feed sends rows more than once, and an old answer must not become the answer to a new round.
    """
    present = review.round
    for each in reversed(review.rounds):
        if each.answer is None or not said.says_as(each.answer):
            continue
        if each is present or said.visited_at is None or said.visited_at < began(review):
            return each
    return None


def is_of_the_past(review: Review, said: CallBack) -> bool:
    """Whether they were called before the present round's work was done."""
    return said.visited_at is not None and said.visited_at < began(review)


def began(review: Review) -> datetime:
    """When the present round's work was done, to the minute, as feeds give times."""
    present, record = review.round, review.record
    parts = record.parts if record is not None else ()
    done = [one.done_at for one in parts if present and one.round == present.number and one.done_at is not None]
    return max(done, default=review.since).replace(second=0, microsecond=0)


def was_contacted(review: Review) -> bool:
    """Where the feed does not say: whether a unit of the present round recorded first contact in time."""
    present, record = review.round, review.record
    parts = record.parts if record is not None else ()
    return any(
        present is not None and one.round == present.number and one.contact is not None and not one.contact.late
        for one in parts
    )


# --- reading values -------------------------------------------------------------------------------------------


def _first(row: Mapping[str, object], names: tuple[str, ...]) -> str:
    """The first of these fields that is filled, as text."""
    for name in names:
        value = row.get(name)
        text = "" if value is None else str(value).strip()
        if text:
            return text
    return ""


def _moment(text: str, zone: tzinfo) -> datetime | None:
    for form in _MOMENTS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=zone)
        except ValueError:
            continue
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def _unknown(source_ref: str, field: str, value: str, known: str) -> Fault:
    shown = "".join(char for char in value if char.isprintable())[:40]
    return Fault(
        source_ref,
        field,
        f"{field}_unknown" if value else f"{field}_missing",
        f"“{shown}”无法识别，请填写：{known}" if value else f"未填写，请填写：{known}",
        f"“{shown}” is not known here; one of: {known}" if value else f"missing; one of: {known}",
    )


def _fault(source_ref: str, field: str, code: str, zh: str) -> Fault:
    english = {
        "source_ref_invalid": f"the order's number is missing or longer than {LONGEST_REF} characters",
        "words_invalid": f"longer than {LONGEST_WORDS} characters, or holds characters that cannot be stored",
    }
    return Fault(source_ref, field, code, zh, english[code])
