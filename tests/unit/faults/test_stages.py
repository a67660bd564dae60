"""Grounds of their own: which rounds they come in, and how many injections each has."""

from deploy.faults.ground import Ground
from deploy.faults.kind import Kind, Variant
from deploy.faults.kinds import KINDS
from deploy.faults.stages import EVERY_SO_MANY_ROUNDS, stages


class _Small(Ground):
    pass


class _Large(Ground):
    pass


async def _nothing(_ground: Ground, _injection: object) -> None:
    pass


def _kind(name: str, ground: type[Ground] | None = None, variants: int = 2) -> Kind:
    return Kind(name, "", "", (), tuple(Variant(f"{number}", _nothing) for number in range(variants)), ground=ground)


USUAL, SMALL, LARGE = _kind("usual"), _kind("small", _Small), _kind("large", _Large)


def test_the_first_round_and_every_tenth_after_it_has_every_ground() -> None:
    with_all = [number for number in range(1, 22) if len(stages((USUAL, SMALL, LARGE), 40, number)) > 1]

    assert with_all == [1, 1 + EVERY_SO_MANY_ROUNDS, 1 + 2 * EVERY_SO_MANY_ROUNDS]


def test_together_they_have_the_injections_wanted_and_the_usual_ground_has_the_most() -> None:
    found = stages((SMALL, USUAL, LARGE), 40, 1)

    assert [(stage.ground, stage.kinds, stage.injections) for stage in found] == [
        (Ground, (USUAL,), 36),
        (_Small, (SMALL,), 2),
        (_Large, (LARGE,), 2),
    ]


def test_where_few_are_wanted_each_ground_has_one_at_least() -> None:
    assert [stage.injections for stage in stages((USUAL, SMALL, LARGE), 2, 1)] == [1, 1, 1]


def test_kinds_of_a_ground_of_their_own_come_in_any_round_where_nothing_else_is_wanted() -> None:
    assert [(stage.ground, stage.injections) for stage in stages((SMALL, LARGE), 7, 5)] == [(_Small, 3), (_Large, 4)]


def test_every_kind_is_played_somewhere_and_fits_only_its_own_ground() -> None:
    played = [kind for stage in stages(KINDS, 100, 1) for kind in stage.kinds]

    assert sorted(kind.name for kind in played) == sorted(kind.name for kind in KINDS)
    assert all(stage.ground is (kind.ground or Ground) for stage in stages(KINDS, 100, 1) for kind in stage.kinds)
