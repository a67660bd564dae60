"""通知规则: when people may be told, and how much at once. Part of the policy; facts wait for none of it."""

import re
from datetime import time, timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.sla.domain.limit import CLOCK, Limit, TimeUnit
from shared.contracts.vocabulary import Obligation, Post, Urgency

_HOURS = re.compile(r"(\d{1,2}:\d{2})\s*[-–]\s*(\d{1,2}:\d{2})")


def _hours(written: object) -> object:
    if not isinstance(written, str):
        return written
    match = _HOURS.fullmatch(written.strip())
    if match is None:
        raise PydanticCustomError(
            "hours",
            "write from when to when, as `22:00-07:00`",
            {"zh": "请写明起止时刻，如 `22:00-07:00`"},
        )
    return tuple(f"{clock:0>5}" for clock in match.groups())


def _up_to(most: Limit) -> BeforeValidator:
    """`30 clock_minute` as a length of time, within bounds; what was stored is a length already."""

    def read(written: object) -> object:
        if not isinstance(written, str) or written.startswith("P"):
            return written
        try:
            limit = Limit.parse(written)
            span = limit.amount * CLOCK[limit.unit]
        except (ValueError, KeyError):
            span = None
        if span is None or span > most.amount * CLOCK[most.unit]:
            raise PydanticCustomError(
                "span",
                "write a length of clock time, at most {most}, as `30 clock_second`",
                {"zh": f"请写一段钟表时间，不超过 {most}，如 `30 clock_second`", "most": str(most)},
            )
        return span

    return BeforeValidator(read)


def _for_all(written: object) -> object:
    """One window for all urgencies may be written once."""
    return {urgency.value: written for urgency in Urgency} if isinstance(written, str) else written


Hours = Annotated[tuple[time, time], BeforeValidator(_hours)]
Window = Annotated[timedelta, _up_to(Limit(1, TimeUnit.CLOCK_DAY))]
Gather = Annotated[timedelta, _up_to(Limit(10, TimeUnit.CLOCK_MINUTE))]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Quiet(_Strict):
    """免打扰: between these hours, by the unit's own clock on the wall, and where asked whenever it is off duty."""

    hours: Hours | None = None
    outside_duty: bool = False

    @model_validator(mode="after")
    def _says_when(self) -> "Quiet":
        if self.hours is None and not self.outside_duty:
            raise PydanticCustomError(
                "quiet",
                "name `hours`, or `outside_duty: true`, or write null where people are told at any hour",
                {"zh": "请写 hours 或 `outside_duty: true`；随时可通知的写 null"},
            )
        if self.hours is not None and self.hours[0] == self.hours[1]:
            raise PydanticCustomError(
                "quiet",
                "the hours end when they begin; write two different times",
                {"zh": "起止时刻相同；请写两个不同的时刻"},
            )
        return self


class QuietTimes(_Strict):
    """For each post its own quiet; null = at any hour."""

    default: Quiet | None = Quiet(hours=(time(22), time(7)))
    posts: dict[Post, Quiet | None] = {}


class NoticeRules(_Strict):
    """`window` = how long after a recipient was told what follows is collected; `gather` = how long the first of
    all waits for what comes with it. Of a digest's entries so many are listed, the rest is counted. Nobody is told of
    what is `silent`.
    """

    quiet: QuietTimes = QuietTimes()
    break_quiet: tuple[Urgency, ...] = (Urgency.CRITICAL,)
    window: Annotated[dict[Urgency, Window], BeforeValidator(_for_all)] = {
        Urgency.CRITICAL: timedelta(minutes=5),
        Urgency.URGENT: timedelta(minutes=30),
        Urgency.NORMAL: timedelta(minutes=30),
        Urgency.COMPLEX: timedelta(minutes=30),
    }
    gather: Gather = timedelta(seconds=10)
    most_listed: Annotated[int, Field(ge=1, le=200)] = 20
    silent: tuple[Obligation, ...] = (Obligation.ARCHIVE,)

    @model_validator(mode="after")
    def _complete(self) -> "NoticeRules":
        missing = [urgency.value for urgency in Urgency if urgency not in self.window]
        if missing:
            raise PydanticCustomError(
                "window",
                "no window for {missing}; add it, or write one for all",
                {"zh": f"window 缺少 {'、'.join(missing)}；请补充，或只写一个通用值", "missing": ", ".join(missing)},
            )
        return self

    def quiet_of(self, post: Post) -> Quiet | None:
        return self.quiet.posts.get(post, self.quiet.default)
