"""What people and 12345 ask of a review."""

from shared.contracts.facts import Actor, Evidence, Score, UnitCode, Value
from shared.contracts.vocabulary import ActorKind, Satisfaction


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
    """验单: say whether the matter is handled, and where it is not, by which units; none named = all who reported."""

    asker: Asker
    passed: bool
    note: str = ""
    evidence: tuple[Evidence, ...] = ()
    failed_units: tuple[UnitCode, ...] = ()


class RateUnit(Value):
    """评单: rate one unit that reported."""

    asker: Asker
    unit: UnitCode
    contact: Score
    speed: Score
    result: Score
    words: str = ""


class AnswerAsResident(Value):
    """The resident's answer, by themselves or taken down for them."""

    asker: Asker
    contacted: bool
    solved: bool
    satisfaction: Satisfaction
    words: str = ""
