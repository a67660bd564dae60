"""The plan: the same seed gives the same faults, every kind comes, and what touches the same never overlaps."""

from collections import Counter
from itertools import islice

import pytest

from deploy.faults.kind import Injection, Kind, Variant
from deploy.faults.kinds import KINDS, named
from deploy.faults.plan import Planned, plan
from deploy.faults.runner import LOOKED_AHEAD, PASSED_OVER_AT_MOST, Queue


def told(seed: int, round_: int, number: int) -> list[str]:
    return [str(planned) for planned in islice(plan(KINDS, seed, round_), number)]


def test_the_same_seed_gives_the_same_plan_and_each_injection_the_same_chance() -> None:
    assert told(7, 3, 200) == told(7, 3, 200)
    first, again = (next(iter(plan(KINDS, 7, 3))).begin() for _ in range(2))
    assert [first.chance.random() for _ in range(5)] == [again.chance.random() for _ in range(5)]


@pytest.mark.parametrize("other", [(8, 3), (7, 4)], ids=["another seed", "another round"])
def test_another_seed_or_round_gives_another_plan(other: tuple[int, int]) -> None:
    assert told(7, 3, 50) != told(*other, 50)


def test_every_kind_comes_first_once_and_then_by_its_weight() -> None:
    drawn = list(islice(plan(KINDS, 1, 1), len(KINDS) + 3 * sum(kind.weight for kind in KINDS)))
    counts = Counter(planned.kind.name for planned in drawn)

    assert {planned.kind.name for planned in drawn[: len(KINDS)]} == {kind.name for kind in KINDS}
    assert counts == {kind.name: 1 + 3 * kind.weight for kind in KINDS}


def test_no_variant_comes_twice_before_all_of_its_kind_came() -> None:
    for kind in KINDS:
        drawn = [planned.variant.name for planned in islice(plan([kind], 5, 1), len(kind.variants))]
        assert sorted(drawn) == sorted(variant.name for variant in kind.variants)


def test_kinds_and_variants_have_names_of_their_own_and_say_what_they_are_about() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 14
    for kind in KINDS:
        assert len({variant.name for variant in kind.variants}) == len(kind.variants) > 0
        assert kind.zh
        assert kind.en
        assert set(kind.invariants) <= {f"I{number}" for number in range(1, 9)}


def test_kinds_are_chosen_by_name() -> None:
    assert [kind.name for kind in named(["poison", "restart"])] == ["poison", "restart"]
    assert named([]) == KINDS
    with pytest.raises(ValueError, match="lunch"):
        named(["poison", "lunch"])


# --- side by side


async def _nothing(_ground: object, _injection: Injection) -> None:
    pass


def planned(number: int, claims: str = "", needs: str = "") -> Planned:
    variant = Variant("only", _nothing, frozenset(claims.split()), frozenset(needs.split()))
    return Planned(number, Kind("kind", "种", "kind", ("I1",), (variant,)), variant, str(number))


@pytest.mark.parametrize(
    ("waiting", "active", "begins"),
    [
        ([planned(1, "router")], [planned(9, "sla")], 1),
        ([planned(1, "router"), planned(2, "sla")], [planned(9, "router")], 2),
        ([planned(1, "kafka")], [planned(9, needs="kafka")], None),
        ([planned(1, needs="kafka")], [planned(9, "kafka")], None),
        ([planned(1, needs="kafka")], [planned(9, needs="kafka")], 1),
        ([planned(1, "router"), planned(2, "router")], [], 1),
    ],
)
def test_what_touches_the_same_does_not_overlap(
    waiting: list[Planned], active: list[Planned], begins: int | None
) -> None:
    chosen = Queue(iter(waiting), len(waiting)).next_beside(active)
    assert (chosen.number if chosen else None) == begins


def test_nobody_is_passed_over_for_ever() -> None:
    """One that takes everything away waits for those that need it; others do not slip in before it without end."""
    drawn = iter([planned(0, "kafka"), *(planned(number, needs="kafka") for number in range(1, 100))])
    queue, busy = Queue(drawn, 100), planned(1000, needs="kafka")
    begun = []
    while (chosen := queue.next_beside([busy])) is not None:
        begun.append(chosen.number)

    assert len(begun) == PASSED_OVER_AT_MOST > LOOKED_AHEAD
    chosen = queue.next_beside([])
    assert chosen is not None
    assert chosen.number == 0


def test_kinds_that_weigh_nothing_come_once_a_round_or_by_turns_where_they_are_alone() -> None:
    heavy, light = (
        Kind(name, "", "", (), (Variant("only", nothing),), weight) for name, weight in (("a", 0), ("b", 2))
    )

    assert Counter(planned.kind.name for planned in islice(plan([heavy, light], 1, 1), 20)) == {"a": 1, "b": 19}
    assert Counter(planned.kind.name for planned in islice(plan([heavy], 1, 1), 20)) == {"a": 20}


async def nothing(_ground: object, _injection: Injection) -> None:
    pass


def test_of_the_plan_as_many_are_taken_as_are_wanted() -> None:
    queue = Queue(iter([planned(number) for number in range(9)]), 2)

    assert [one.number for one in iter(lambda: queue.next_beside([]), None)] == [0, 1]
    queue.most = 3
    assert [one.number for one in iter(lambda: queue.next_beside([]), None)] == [2]
