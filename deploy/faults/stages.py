"""Which grounds a round is played on: the usual one, and one of its own for kinds that need another shape of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.faults.ground import Ground
from deploy.faults.kind import Kind

EVERY_SO_MANY_ROUNDS = 10
"""Grounds of their own take as long as the usual one for a fraction of its injections: they come this often."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a round: `kinds` on one ground, `injections` of them."""

    ground: type[Ground]
    kinds: tuple[Kind, ...]
    injections: int


def stages(kinds: Sequence[Kind], injections: int, number: int) -> list[Stage]:
    """Of round `number`: together `injections`, as far as each ground has one at least.

    Grounds of their own come in the first round and in every tenth after it, or always where nothing else is wanted;
    each has one injection for each variant of its kinds, if that leaves the usual ground the most.
    """
    usual = tuple(kind for kind in kinds if kind.ground is None)
    own = list(dict.fromkeys(kind.ground for kind in kinds if kind.ground is not None))
    if usual and (number - 1) % EVERY_SO_MANY_ROUNDS:
        own = []
    found = []
    left = injections
    for place, ground in enumerate(own):
        there = tuple(kind for kind in kinds if kind.ground is ground)
        most = sum(len(kind.variants) for kind in there) if usual else left
        share = max(1, min(most, left // (len(own) - place + (2 * len(own) if usual else 0))))
        found.append(Stage(ground, there, share))
        left -= share
    return [Stage(Ground, usual, max(1, left)), *found] if usual else found
