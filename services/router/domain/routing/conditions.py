"""What a rule may ask of a matter: conditions as data, and the situation they are held against."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from shared.contracts.facts import Matter
from shared.contracts.units import UnitTree, plain
from shared.contracts.vocabulary import AppealType, Source, Urgency

SHANGHAI = ZoneInfo("Asia/Shanghai")
"""Rules speak of the local hour, weekday and date."""

BELOW = "->"
"""Parts the names of a category that is written as a path: `城乡建设->供水`."""

MINUTES_OF_A_DAY = 24 * 60

Span: TypeAlias = "tuple[int, int]"
"""From the first up to, not including, the second: minutes of the day, or days counted from the year 1."""

_HOURS = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_DATES = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.\.(\d{4}-\d\d-\d\d))?")


def _day_spans(hours: str) -> tuple[Span, ...]:
    """`18:00-08:00` as minutes of the day; what crosses midnight is two spans. Raises `ValueError`."""
    found = _HOURS.fullmatch(hours)
    if found is None:
        raise ValueError(hours)
    begin_hour, begin_minute, end_hour, end_minute = map(int, found.groups())
    begin, end = begin_hour * 60 + begin_minute, end_hour * 60 + end_minute
    if begin_minute > 59 or end_minute > 59 or begin >= MINUTES_OF_A_DAY or end > MINUTES_OF_A_DAY or begin == end:
        raise ValueError(hours)
    return ((begin, end),) if begin < end else ((begin, MINUTES_OF_A_DAY), (0, end))


def _date_span(dates: str) -> Span:
    """`2026-11-15..2027-03-15`, both days included, or one day. Raises `ValueError`."""
    found = _DATES.fullmatch(dates)
    if found is None:
        raise ValueError(dates)
    first = date.fromisoformat(found[1]).toordinal()
    last = date.fromisoformat(found[2]).toordinal() if found[2] else first
    if last < first:
        raise ValueError(dates)
    return first, last + 1


def _checked_hours(hours: str) -> str:
    try:
        _day_spans(hours)
    except ValueError:
        raise PydanticCustomError(
            "hours",
            'write hours as "18:00-08:00": from, up to, 00:00 to 24:00',
            {"zh": '时段应写作 "18:00-08:00"（起-止，00:00 至 24:00）'},
        ) from None
    return hours


def _checked_dates(dates: str) -> str:
    try:
        _date_span(dates)
    except ValueError:
        raise PydanticCustomError(
            "dates",
            "write dates as 2026-11-15..2027-03-15 (both included) or as one day; the first may not come later",
            {"zh": "日期应写作 2026-11-15..2027-03-15（含首尾两日）或单独一日；起始不得晚于截止"},
        ) from None
    return dates


def _without_blanks(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError(
            "blank", "it is empty; write a word or remove it", {"zh": "不能为空；请填写词语或删除"}
        )
    return text.strip()


Name = Annotated[str, Field(max_length=200), AfterValidator(_without_blanks)]
Hours = Annotated[str, AfterValidator(_checked_hours)]
Dates = Annotated[str, AfterValidator(_checked_dates)]
Weekday = Annotated[int, Field(ge=1, le=7)]


class Entry(BaseModel):
    """A part of the rules; a field it does not know is an error, so that no typing mistake is lost in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Condition(Entry):
    """What must hold; a condition left out always holds, several values mean any of them.

    Time is that of the moment of routing, in Shanghai: after midnight the weekday and the date are the new day's.
    """

    category: tuple[Name, ...] = Field(default=(), description="a name or code on any level, or a path `甲->乙`")
    region: tuple[Name, ...] = Field(default=(), description="the region itself or anything below it")
    source: tuple[Source, ...] = ()
    appeal_type: tuple[AppealType, ...] = ()
    urgency: tuple[Urgency, ...] = ()
    respondent: tuple[Name, ...] = Field(
        default=(), description="code, name or alias of the unit it is about, or any text contained"
    )
    keywords: tuple[Name, ...] = Field(default=(), description="a word of title or content")
    not_keywords: tuple[Name, ...] = Field(default=(), description="none of these words is in title or content")
    hours: tuple[Hours, ...] = Field(default=(), description='local hours, "18:00-08:00"')
    weekdays: tuple[Weekday, ...] = Field(default=(), description="1 = Monday … 7 = Sunday")
    dates: tuple[Dates, ...] = Field(default=(), description="2026-11-15..2027-03-15, both days included")
    self_handled: bool | None = Field(default=None, description="the community says it can handle this itself")
    confidential: bool | None = None

    def holds(self, found: "Situation") -> bool:
        return not any(self.unmet(found))

    def unmet(self, found: "Situation") -> Iterator[str]:
        """The fields that do not hold. This says what each condition means; the index says the same, faster."""
        matter = found.matter
        holding = {
            "category": not self.category or not found.categories.isdisjoint(self.category),
            "region": not self.region or not found.regions.isdisjoint(self.region),
            "source": not self.source or matter.source in self.source,
            "appeal_type": not self.appeal_type or matter.appeal_type in self.appeal_type,
            "urgency": not self.urgency or matter.urgency in self.urgency,
            "respondent": not self.respondent or any(map(found.is_about, self.respondent)),
            "keywords": not self.keywords or any(word.casefold() in found.text for word in self.keywords),
            "not_keywords": not any(word.casefold() in found.text for word in self.not_keywords),
            "hours": not self.hours or within(minutes_of(self.hours), found.minute),
            "weekdays": not self.weekdays or found.at.isoweekday() in self.weekdays,
            "dates": not self.dates or within(days_of(self.dates), found.at.toordinal()),
            "self_handled": self.self_handled in (None, found.self_handled),
            "confidential": self.confidential in (None, matter.confidential),
        }
        return (name for name, holds in holding.items() if not holds)


@dataclass(frozen=True, slots=True)
class Situation:
    """A matter as conditions look at it, made once for all rules.

    `categories` are its names and the paths they make, `regions` its region with everything above and what those
    succeeded, `respondent_names` what the unit it is about is called. Capitals make no difference in texts.
    """

    matter: Matter
    self_handled: bool
    at: datetime
    categories: frozenset[str]
    regions: frozenset[str]
    text: str
    respondent: str
    respondent_names: frozenset[str]

    @property
    def minute(self) -> int:
        return self.at.hour * 60 + self.at.minute

    def is_about(self, named: str) -> bool:
        """Whether the respondent is the unit so called, or its text has this in it."""
        asked = plain(named)
        return asked in self.respondent or asked in self.respondent_names


def situation_of(matter: Matter, self_handled: bool, tree: UnitTree, now: datetime) -> Situation:
    """What conditions are held against. `now` is the moment of routing, with its zone."""
    about = tree.named(matter.respondent) if matter.respondent else None
    return Situation(
        matter,
        self_handled,
        now.astimezone(SHANGHAI),
        category_keys(matter.category),
        frozenset(regions_of(matter.region, tree)),
        # A line between the two, so that no word is found across them.
        f"{matter.title}\n{matter.content}".casefold(),
        plain(matter.respondent or ""),
        frozenset(map(plain, (about.code, about.name, about.name_en, *about.aliases))) if about else frozenset(),
    )


@lru_cache(maxsize=10_000)
def category_keys(category: tuple[str, ...]) -> frozenset[str]:
    """By what a rule may name this category: each name, and each path from the top."""
    names = BELOW.join(category).split(BELOW) if category else []
    return frozenset((*names, *(BELOW.join(names[:depth]) for depth in range(2, len(names) + 1))))


def regions_of(region: str, tree: UnitTree) -> Iterator[str]:
    """The region, everything above it, and the former units whose place these have taken."""
    yield region
    here = tree.get(tree.present(region) or region)
    if here is None:
        return
    for unit in (here, *tree.ancestors(here.code)):
        yield unit.code
        former = list(unit.succeeds)
        seen: set[str] = set()
        while former:
            code = former.pop()
            if code not in seen:
                seen.add(code)
                yield code
                gone = tree.retired.get(code)
                former.extend(gone.succeeds if gone else ())


# --- time ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=10_000)
def minutes_of(hours: tuple[str, ...]) -> tuple[Span, ...]:
    """The minutes of the day these hours cover."""
    return _joined(span for one in hours for span in _day_spans(one))


@lru_cache(maxsize=10_000)
def days_of(dates: tuple[str, ...]) -> tuple[Span, ...]:
    """The days these dates cover, counted from the year 1 as `date.toordinal` does."""
    return _joined(map(_date_span, dates))


def within(spans: Sequence[Span], point: int) -> bool:
    return any(begin <= point < end for begin, end in spans)


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same points as spans that neither overlap nor touch, in order."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return tuple(joined)
