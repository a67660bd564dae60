"""排名: units of one kind among themselves, by their adjusted score. Pure.

Who has too small a sample is listed and not ranked, so nobody wins by one case that took four minutes.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction

from services.feedback.domain.measuring.tally import Tally
from shared.contracts.facts import Value
from shared.contracts.vocabulary import UnitKind


class Words(Value):
    zh: str
    en: str


class Standing(Enum):
    """Whether a unit is there still."""

    PRESENT = auto()
    PAST = auto()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit with what it is ranked by: its exact score, None where an ingredient is missing; all adjusted."""

    unit: str
    kind: UnitKind | None
    standing: Standing
    score: Fraction | None
    tally: Tally

    @property
    def handled(self) -> int:
        return self.tally.handle_due

    @property
    def valid(self) -> int:
        """Valid call-backs: the fewest that one of the three rates rests on."""
        return min(self.tally.response_valid, self.tally.solved_valid, self.tally.satisfied_valid)


@dataclass(frozen=True, slots=True)
class Place:
    """`rank` of `of` ranked units of its kind; those that share a score share a rank. None: `unranked` says why."""

    handled: int
    valid: int
    rank: int | None
    of: int
    unranked: Words | None


def placed(candidates: Iterable[Candidate], minimum: int) -> dict[str, Place]:
    """Where each unit stands, by its code."""
    of_kind: dict[UnitKind | None, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        of_kind[candidate.kind].append(candidate)
    return {unit: place for group in of_kind.values() for unit, place in _placed(group, minimum).items()}


def _placed(group: list[Candidate], minimum: int) -> dict[str, Place]:
    reasons = {one.unit: _why_not(one, minimum) for one in group}
    scores = [one.score for one in group if one.score is not None and reasons[one.unit] is None]

    def rank(one: Candidate) -> int | None:
        if one.score is None or reasons[one.unit] is not None:
            return None
        return 1 + sum(score > one.score for score in scores)

    return {one.unit: Place(one.handled, one.valid, rank(one), len(scores), reasons[one.unit]) for one in group}


def _why_not(one: Candidate, minimum: int) -> Words | None:
    if one.standing is Standing.PAST or one.kind is None:
        return Words(zh="该单位已撤并，不参加排名。", en="The unit is no longer there; it is not ranked.")
    if one.handled < minimum or one.valid < minimum:
        return Words(
            zh=f"样本不足：办结到期 {one.handled} 件、有效回访 {one.valid} 件，均须不少于 {minimum} 件，不参加排名。",
            en=f"Too small a sample: {one.handled} handled or overdue and {one.valid} valid call-backs, "
            f"of each {minimum} are needed; it is not ranked.",
        )
    if one.score is None:
        return Words(
            zh="缺少吹哨单位评价，无法计算得分，不参加排名。",
            en="The whistle-blowers have not rated it, so it has no score; it is not ranked.",
        )
    return None
