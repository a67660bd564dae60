"""发布与申诉: when a scorecard is due, may be asked for, published, disputed and issued anew. Pure.

A scorecard is asked for, computed, and published; once published nothing of it changes. What an upheld appeal leads to
is a new edition beside the old one.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from services.feedback.domain.measuring import periods
from services.feedback.domain.measuring.periods import Period
from services.feedback.domain.measuring.scoring import Publishing, Rhythm, Scoring
from shared.contracts.facts import Actor, UnitCode, Value
from shared.contracts.vocabulary import Measure
from shared.runtime.decision import Refusal

LOOK_BACK = {Rhythm.DAY: 7, Rhythm.WEEK: 4, Rhythm.MONTH: 3, Rhythm.QUARTER: 2, Rhythm.YEAR: 1}
"""How many ended periods of each rhythm are caught up after a downtime."""


class Status(StrEnum):
    """Where a scorecard stands."""

    ASKED = "asked"  # 待计算
    COMPUTED = "computed"  # 已计算
    PUBLISHED = "published"  # 已发布
    FAILED = "failed"  # 计算失败


class Frozen(Value):
    """What a scorecard was computed from: positions of the logs by shard, and the versions in force by their number.

    `former`: the published scorecard of the period before, whose figures the trends are told against, and its hash.
    """

    positions: dict[str, dict[str, int]]
    scoring: int
    units: int
    former: int | None = None
    former_hash: str | None = None


class Card(Value):
    """A scorecard without its content. `done` of `total` rows were counted; `hash`: SHA-256 of the content, in hex."""

    id: int
    rhythm: Rhythm
    period: str
    starts_at: datetime
    ends_at: datetime
    edition: int
    status: Status
    asked_by: Actor
    asked_at: datetime
    done: int = 0
    total: int = 0
    failure: str | None = None
    hash: str | None = None
    inputs: Frozen | None = None
    computed_at: datetime | None = None
    published_by: Actor | None = None
    published_at: datetime | None = None


class Remedy(StrEnum):
    """What follows from an upheld appeal, before a new edition is computed."""

    EXCLUSION = "exclusion"  # 剔除
    CORRECTION = "correction"  # 更正


class Appeal(Value):
    """申诉: a unit disputes one of its figures. `exclusion` is the approved one that the ruling rests on."""

    number: int
    scorecard: int
    unit: UnitCode
    measure: Measure
    reason: str
    asked_by: Actor
    asked_at: datetime
    upheld: bool | None = None
    ruling: str | None = None
    remedy: Remedy | None = None
    exclusion: UUID | None = None
    ruled_by: Actor | None = None
    ruled_at: datetime | None = None


class Ruling(Value):
    """The decision on an appeal, with its reason."""

    upheld: bool
    reason: Annotated[str, Field(min_length=1)]
    remedy: Remedy | None = None
    exclusion: UUID | None = None


# --- when ---------------------------------------------------------------------------------------------------------


def settled_at(ends_at: datetime, scoring: Scoring) -> datetime:
    """From when on a period's scorecard may be published: what came late is in."""
    return ends_at + timedelta(hours=scoring.settle_hours)


def due(
    rhythm: Rhythm, now: datetime, scoring: Scoring, known: Collection[str], measuring_since: datetime | None
) -> tuple[Period, ...]:
    """The ended and settled periods for which no scorecard was ever asked, oldest first. Periods before anything
    was measured, and those further back than `LOOK_BACK`, are not caught up.
    """
    if measuring_since is None:
        return ()
    found: list[Period] = []
    one = periods.last_ended(rhythm, now - timedelta(hours=scoring.settle_hours), scoring)
    for _ in range(LOOK_BACK[rhythm]):
        if one.end <= measuring_since:
            break
        if one.name not in known:
            found.append(one)
        one = periods.previous(one, scoring)
    return tuple(reversed(found))


def was_early(card: Card, scoring: Scoring, now: datetime) -> bool:
    """Whether it was computed before its period had settled, and the period has settled since."""
    settled = settled_at(card.ends_at, scoring)
    return card.status is Status.COMPUTED and card.computed_at is not None and card.computed_at < settled <= now


def is_automatic(rhythm: Rhythm, scoring: Scoring) -> bool:
    return scoring.publishing.get(rhythm, Publishing.HUB) is Publishing.AUTOMATIC


# --- what may be done ---------------------------------------------------------------------------------------------


def edition_to_ask(latest: Card | None, upheld: bool, wanted: Period, now: datetime) -> int | Refusal:
    """Which edition is asked for; the latest itself while it is not published. `upheld`: an appeal against it was."""
    if wanted.start > now:
        return _not_begun(wanted)
    if latest is None:
        return 1
    if latest.status is not Status.PUBLISHED:
        return latest.edition
    return latest.edition + 1 if upheld else _published_already(latest)


def may_publish(card: Card, scoring: Scoring, now: datetime) -> Refusal | None:
    if card.status is Status.PUBLISHED:
        return _published_already(card)
    if card.status is not Status.COMPUTED or card.computed_at is None:
        return _not_computed(card)
    settled = settled_at(card.ends_at, scoring)
    if now < settled:
        return _too_early(card, settled)
    if card.computed_at < settled:
        return _computed_too_early(card, settled)
    return None


def may_appeal(
    card: Card, latest: Card, figures: Collection[Measure] | None, before: Sequence[Appeal]
) -> Refusal | None:
    """`figures`: the measures this scorecard has of the unit, None where the unit is not on it. `before`: the appeals
    against the same figure.
    """
    if card.status is not Status.PUBLISHED:
        return _not_published(card)
    if latest.id != card.id:
        return _not_the_latest(card, latest)
    if figures is None:
        return _not_on_it(card)
    if not figures:
        return _no_such_figure(card)
    return _disputed_already(before[0]) if before else None


def may_rule(appeal: Appeal, ruling: Ruling, by: Actor) -> Refusal | None:
    if appeal.ruled_at is not None:
        return _ruled_already(appeal)
    if by.person == appeal.asked_by.person:
        return _OWN_APPEAL
    if ruling.upheld and ruling.remedy is None:
        return _REMEDY_MISSING
    if not ruling.upheld and (ruling.remedy is not None or ruling.exclusion is not None):
        return _REMEDY_OF_NOTHING
    if (ruling.remedy is Remedy.EXCLUSION) != (ruling.exclusion is not None):
        return _EXCLUSION_MISSING
    return None


# --- every no -----------------------------------------------------------------------------------------------------


def _name(card: Card) -> str:
    return f"{card.rhythm} {card.period}"


def _not_begun(wanted: Period) -> Refusal:
    return Refusal(
        "period_not_begun",
        zh=f"周期 {wanted.name} 尚未开始（{wanted.first} 起），没有可计算的数据。",
        en=f"The period {wanted.name} has not begun (it does on {wanted.first}): there is nothing to compute.",
        field="period",
        status=422,
    )


def _published_already(card: Card) -> Refusal:
    return Refusal(
        "scorecard_published",
        zh=f"{_name(card)} 已发布（第 {card.edition} 版），不再更改；如指标有误，请提出申诉，申诉成立后可计算新版。",
        en=f"{_name(card)} is published (edition {card.edition}) and is not changed; appeal against a figure that is "
        "wrong: once that is upheld, a new edition may be computed.",
    )


def _not_computed(card: Card) -> Refusal:
    if card.status is Status.FAILED:
        zh = f"计算失败：{card.failure}；请重新提出计算。"
        en = f"could not be computed: {card.failure}; ask for it again."
    else:
        zh, en = "尚未计算完成；请稍后再试。", "is not computed yet; try again when it is."
    return Refusal("scorecard_not_computed", zh=f"{_name(card)} {zh}", en=f"{_name(card)} {en}")


def _too_early(card: Card, settled: datetime) -> Refusal:
    return Refusal(
        "publish_too_early",
        zh=f"{_name(card)} 须在周期结束并沉淀后发布，最早 {_wall(settled)}；请届时重新计算后发布。",
        en=f"{_name(card)} may be published once its period is over and settled, from {_wall(settled)} on; compute it "
        "again then, and publish it.",
    )


def _computed_too_early(card: Card, settled: datetime) -> Refusal:
    return Refusal(
        "computed_too_early",
        zh=f"{_name(card)} 在周期沉淀（{_wall(settled)}）之前计算，数据不全；请重新计算后发布。",
        en=f"{_name(card)} was computed before its period had settled ({_wall(settled)}); compute it again, then "
        "publish it.",
    )


def _wall(at: datetime) -> str:
    return f"{at.astimezone(periods.SHANGHAI):%Y-%m-%d %H:%M}"


def _not_published(card: Card) -> Refusal:
    return Refusal(
        "scorecard_not_published",
        zh=f"{_name(card)} 尚未发布，不能申诉；数据有误请直接联系区级治理中心，发布前会重新计算。",
        en=f"{_name(card)} is not published, so there is nothing to appeal against; tell the hub what is wrong: it is "
        "computed again before it is published.",
    )


def _not_the_latest(card: Card, latest: Card) -> Refusal:
    return Refusal(
        "edition_superseded",
        zh=f"{_name(card)} 第 {card.edition} 版已由第 {latest.edition} 版（编号 {latest.id}）代替；请对新版提出。",
        en=f"Edition {card.edition} of {_name(card)} was superseded by edition {latest.edition} (number {latest.id}); "
        "turn to that one.",
        field="scorecard",
    )


def _not_on_it(card: Card) -> Refusal:
    return Refusal(
        "unit_not_on_scorecard",
        zh=f"该单位不在 {_name(card)} 中；请核对单位代码与周期。",
        en=f"The unit is not on {_name(card)}; check its code and the period.",
        field="unit",
        status=422,
    )


def _no_such_figure(card: Card) -> Refusal:
    return Refusal(
        "figure_unknown",
        zh=f"该单位在 {_name(card)} 中该指标为“—”（没有分母），没有可申诉的数值。",
        en=f"On {_name(card)} this figure of the unit is — (there is nothing to divide by): nothing to appeal against.",
        field="measure",
        status=422,
    )


def _disputed_already(appeal: Appeal) -> Refusal:
    return Refusal(
        "appealed_already",
        zh=f"该指标已有第 {appeal.number} 号申诉；请在 GET /appeals 查看其处理结果。",
        en=f"There is appeal {appeal.number} against this figure already; see what came of it at GET /appeals.",
        field="measure",
    )


def _ruled_already(appeal: Appeal) -> Refusal:
    return Refusal(
        "appeal_ruled",
        zh=f"第 {appeal.number} 号申诉已于 {appeal.ruled_at and _wall(appeal.ruled_at)} 裁定，不能更改。",
        en=f"Appeal {appeal.number} was ruled on at {appeal.ruled_at and _wall(appeal.ruled_at)}; that stands.",
    )


_OWN_APPEAL = Refusal(
    "own_appeal",
    zh="不能裁定本人提出的申诉；请由治理中心另一位工作人员裁定。",
    en="Nobody rules on their own appeal; somebody else of the hub's staff has to.",
    status=403,
)

_REMEDY_MISSING = Refusal(
    "remedy_missing",
    zh="申诉成立须写明后续处理 remedy：exclusion（已批准的剔除）或 correction（更正）。",
    en="An upheld appeal names what follows in `remedy`: exclusion (one that was approved), or correction.",
    field="remedy",
    status=422,
)

_REMEDY_OF_NOTHING = Refusal(
    "remedy_without_upholding",
    zh="申诉不成立时不应有后续处理；请去掉 remedy 与 exclusion，或将 upheld 设为 true。",
    en="Nothing follows from an appeal that is not upheld; leave out remedy and exclusion, or say upheld = true.",
    field="remedy",
    status=422,
)

_EXCLUSION_MISSING = Refusal(
    "exclusion_missing",
    zh="remedy 为 exclusion 时须以 exclusion 指明已批准的剔除，为 correction 时不填。",
    en="With remedy = exclusion name the approved one in `exclusion`; with correction leave it out.",
    field="exclusion",
    status=422,
)
