"""What a topic has lost, from the sequences that are there."""

import orjson
import pytest

from deploy.audit.gaps import Gap, Runs, gaps_of
from deploy.check.source import LOGS, Message
from shared.contracts.topics import CASES
from tests.unit.check.world import World, whole


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ([1, 2, 3, 4, 5], ()),
        ([], ((1, 5),)),
        ([1, 2, 5], ((3, 4),)),
        ([3, 4], ((1, 2), (5, 5))),
        ([1, 2, 2, 1, 3, 4, 5], ()),
        ([3, 4, 5, 1, 2], ()),
        ([1, 5, 2, 3, 4, 5], ()),
        ([1, 2, 3, 4, 5, 6, 7], ()),
    ],
)
def test_what_is_not_among_them_is_missing(there: list[int], missing: tuple[tuple[int, int], ...]) -> None:
    runs = Runs()
    for sequence in there:
        runs.add(sequence)
    assert runs.missing(1, 5) == missing


def test_what_nobody_needs_is_not_missing() -> None:
    runs = Runs()
    for sequence in (4, 5):
        runs.add(sequence)
    assert runs.first() == 4
    assert runs.missing(4, 5) == ()


def sequence_of(message: Message) -> int:
    assert message.value is not None
    return int(orjson.loads(message.value)["sequence"])


def lost(world: World, topic: str, shard: int, *sequences: int) -> None:
    """The topic has these messages no more."""
    world.topics[topic, shard] = [one for one in world.topics[topic, shard] if sequence_of(one) not in sequences]


async def gaps(world: World) -> list[Gap]:
    return [gap for service in LOGS for gap in await gaps_of(world, service)]


async def test_a_topic_that_has_all_of_its_log_has_no_gap() -> None:
    assert await gaps(whole()) == []


async def test_what_a_topic_lost_amid_is_named() -> None:
    world = whole()
    lost(world, CASES, 0, 3, 4)
    (gap,) = await gaps(world)
    assert (gap.service, gap.topic, gap.shard, gap.missing) == ("router", CASES, 0, ((3, 4),))
    assert (gap.first, gap.messages, gap.waiting) == (3, 2, ())


async def test_what_went_by_age_is_missed_only_where_it_was_not_read() -> None:
    world = whole()
    lost(world, CASES, 0, 1, 2)
    assert await gaps(world) == []
    world.read["sla"][CASES, 0] = 1
    (gap,) = await gaps(world)
    assert (gap.missing, gap.waiting) == (((2, 2),), ("sla",))


async def test_an_empty_topic_lacks_what_was_not_read() -> None:
    world = whole()
    end = world.head_rows["router"][0].published
    lost(world, CASES, 0, *range(1, end + 1))
    assert await gaps(world) == []
    world.read["feedback"][CASES, 0] = end - 1
    (gap,) = await gaps(world)
    assert (gap.missing, gap.waiting) == (((end, end),), ("feedback",))
