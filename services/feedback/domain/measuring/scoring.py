"""考核办法: by what weights, from which sample on, in which months and with which samples units are measured. Data.

Weights and shares are decimals as they are written, so that a figure is reckoned exactly.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from shared.contracts.facts import Value

Share: TypeAlias = Annotated[Decimal, Field(ge=0, le=1, max_digits=7, decimal_places=6)]

DEFAULT_MINIMUM = 30


class Rhythm(StrEnum):
    """How often: 日汇总、周分析、月监测、季评估、年考核."""

    DAY = "day"  # 日汇总
    WEEK = "week"  # 周分析
    MONTH = "month"  # 月监测
    QUARTER = "quarter"  # 季评估
    YEAR = "year"  # 年考核


class Publishing(StrEnum):
    """Who publishes a scorecard."""

    AUTOMATIC = "automatic"  # 到期自动发布
    HUB = "hub"  # 由区级治理中心发布


class _Written(Value):
    """Written by people; a field it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CompositeWeights(_Written):
    """综合 = response + solved + satisfied, each by its weight; they add up to 1."""

    response: Share = Decimal("0.1")
    solved: Share = Decimal("0.5")
    satisfied: Share = Decimal("0.4")

    @model_validator(mode="after")
    def _add_up(self) -> "CompositeWeights":
        if self.response + self.solved + self.satisfied != 1:
            raise ValueError("response + solved + satisfied must be 1")
        return self


class ScoreWeights(_Written):
    """季度参考得分 = composite + on-time handling + the whistle-blower's rating; they add up to 1."""

    composite: Share = Decimal("0.4")
    handle: Share = Decimal("0.3")
    rating: Share = Decimal("0.3")

    @model_validator(mode="after")
    def _add_up(self) -> "ScoreWeights":
        if self.composite + self.handle + self.rating != 1:
            raise ValueError("composite + handle + rating must be 1")
        return self


class Sampling(_Written):
    """抽查: which share of closed cases the hub checks itself. The highest that fits a case holds.

    `silent`: of those where the resident stayed silent; `reworked`: of those that were reworked;
    `categories`: by a category's first level.
    """

    share: Share = Decimal("0.05")
    silent: Share = Decimal("0.1")
    reworked: Share = Decimal("0.2")
    categories: dict[str, Share] = Field(default_factory=dict)


class Scoring(_Written):
    """One version of it. `month_begins_on`: the day on which a statistical month begins (Beijing: 19).

    `minimum_sample`: fewer handled parts or fewer valid call-backs in the period, and a unit is not ranked.
    `settle_hours`: how long after a period's end its scorecard is computed. `link_days`: how long a resident's link
    holds. `basically_satisfied` of a 基本满意 counts as satisfied.
    """

    version: Annotated[str, Field(min_length=1, max_length=64)]
    composite: CompositeWeights = CompositeWeights()
    score: ScoreWeights = ScoreWeights()
    basically_satisfied: Share = Decimal("0.9")
    minimum_sample: Annotated[int, Field(ge=1)] = DEFAULT_MINIMUM
    month_begins_on: Annotated[int, Field(ge=1, le=28)] = 1
    settle_hours: Annotated[int, Field(ge=0, le=240)] = 24
    link_days: Annotated[int, Field(ge=1, le=60)] = 10
    sampling: Sampling = Sampling()
    publishing: dict[Rhythm, Publishing] = Field(
        default_factory=lambda: {
            Rhythm.DAY: Publishing.AUTOMATIC,
            Rhythm.WEEK: Publishing.AUTOMATIC,
            Rhythm.MONTH: Publishing.HUB,
            Rhythm.QUARTER: Publishing.HUB,
            Rhythm.YEAR: Publishing.HUB,
        }
    )
