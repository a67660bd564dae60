"""What people and 12345 ask of a review."""

from uuid import UUID

from shared.contracts.facts import Actor, Evidence, Score, UnitCode, UnitVerdict, Value
from shared.contracts.vocabulary import ActorKind, Measure, Satisfaction


class Asker(Value):
    """Who asks. `of_hub`: the unit is the district's hub, by the unit tree."""

    actor: Actor
    of_hub: bool = False

    def is_staff_of(self, unit: UnitCode) -> bool:
        return self.actor.kind is ActorKind.STAFF and self.actor.unit == unit

    @property
    def is_staff_of_hub(self) -> bool:
        return self.actor.kind is ActorKind.STAFF and self.of_hub


class CheckResult(Value):
    """验单: say whether the matter is handled, and where it is not, by which units; none named = all who reported.

    With `verdicts`, unit by unit: one for each unit of the round, and the failed units follow from them.
    """

    asker: Asker
    passed: bool
    note: str = ""
    evidence: tuple[Evidence, ...] = ()
    failed_units: tuple[UnitCode, ...] = ()
    verdicts: tuple[UnitVerdict, ...] = ()

    @property
    def found_wanting(self) -> tuple[UnitCode, ...]:
        """The units that failed, as the verdicts say or as they were named."""
        return tuple(one.unit for one in self.verdicts if not one.passed) if self.verdicts else self.failed_units


class CheckSample(Value):
    """抽查: the hub checks a closed case that was drawn."""

    asker: Asker
    passed: bool
    note: str = ""
    evidence: tuple[Evidence, ...] = ()
    failed_units: tuple[UnitCode, ...] = ()


class AskExclusion(Value):
    """申请剔除: leave one unit's part in one round out of these measures. The door makes its id."""

    asker: Asker
    exclusion: UUID
    unit: UnitCode
    round: int
    measures: tuple[Measure, ...]
    reason: str
    basis: str


class RuleOnExclusion(Value):
    """剔除审批: approve an exclusion, or not."""

    asker: Asker
    exclusion: UUID
    approved: bool
    reason: str


class RateUnit(Value):
    """评单: rate one unit that reported."""

    asker: Asker
    unit: UnitCode
    contact: Score
    speed: Score
    result: Score
    words: str = ""


class Withhold(Value):
    """撤下公示: take a case's entry off the public board."""

    asker: Asker
    reason: str


class AnswerAsResident(Value):
    """The resident's answer, by themselves or taken down for them. `round`: to that round and no other, if given."""

    asker: Asker
    contacted: bool
    solved: bool
    satisfaction: Satisfaction
    words: str = ""
    round: int | None = None
