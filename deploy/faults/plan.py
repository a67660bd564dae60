"""What is injected, in which order: drawn from a seed, the same for the same seed, kinds and round."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from deploy.faults.kind import Injection, Kind, Variant


@dataclass(frozen=True, slots=True)
class Planned:
    """One injection to come. `seed` is its own."""

    number: int
    kind: Kind
    variant: Variant
    seed: str

    def begin(self) -> Injection:
        chance = random.Random(self.seed)  # noqa: S311 - it must be repeatable
        return Injection(self.number, self.kind.name, self.variant.name, chance)

    def __str__(self) -> str:
        return f"{self.number} {self.kind.name}: {self.variant.name}"


class Bag:
    """Draws in random order, nothing twice before everything came once."""

    def __init__(self, things: Sequence[int], chance: random.Random) -> None:
        self._things = things
        self._chance = chance
        self._left: list[int] = []

    def draw(self) -> int:
        if not self._left:
            self._left = list(self._things)
            self._chance.shuffle(self._left)
        return self._left.pop()


def plan(kinds: Sequence[Kind], seed: int, round_: int) -> Iterator[Planned]:
    """Without end: every kind once, then each as often as it weighs; of a kind, no variant twice before all came.

    Where none weighs anything, all weigh the same.
    """
    chance = random.Random(f"{seed}/{round_}")  # noqa: S311
    once = Bag(range(len(kinds)), chance)
    weights = [place for place, kind in enumerate(kinds) for _ in range(kind.weight)]
    weighed = Bag(weights or range(len(kinds)), chance)
    variants = [Bag(range(len(kind.variants)), chance) for kind in kinds]
    for number in count(1):
        place = once.draw() if number <= len(kinds) else weighed.draw()
        kind = kinds[place]
        yield Planned(number, kind, kind.variants[variants[place].draw()], f"{seed}/{round_}/{number}")
