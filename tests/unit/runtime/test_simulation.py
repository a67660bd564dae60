"""Thousands of histories in which anything may go wrong, and the proof that they would notice a broken part."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.runtime.invariants import Broken
from tests.unit.runtime.mutations import MUTATIONS
from tests.unit.runtime.simulation import Parts, run_history

pytestmark = pytest.mark.timeout(600)  # some 40 s of processor time, on a machine that may be busy

HISTORIES = 1_500
SHORTEST, LONGEST = 60, 220
"""Bytes of a history that hypothesis makes, and can shrink."""
LONG_ONES = 150
LONG = 400, 800
"""In so many long ones every broken part is caught, so as many show that nothing is broken."""
CAUGHT_BY = {
    "TakesAnySequence": "had its effect 0 times",
    "TakesRepeats": "had its effect 2 times",
    "MovesProgressFirst": "is 0 dead letters",
    "PublishesBeforeCommit": "the topic is not the log",
    "ForgetsTheDoor": "had its effect 2 times",
    "ForgetsReplays": "had its effect 2 times",
    "DropsThePoison": "is 0 dead letters",
    "CountsEveryBatchAnew": "caseseq 1",
    "AdvancesBeforePublishing": "stuck",
    "MarksWhatWaits": "stuck",
    "TrustsItsMemory": "stuck",
    "TakesOverAtTheEnd": "stuck",
    "RepublishesOneRow": "republishing did not heal",
    "CommitsOnReading": "has passed over",
    "KeepsGapsToItself": "does not say so",
    "TrustsWhatItRemembers": "caseseq",
    "KeepsWhatIsOld": "caseseq",
    "AppendsWithoutTheLock": "chain",
    "CommitsWhatFailed": "caseseq",
}
"""What each broken part is found out by, at first: why a history ended as none may."""


@pytest.fixture(autouse=True)
def _loop(event_loop_that_never_runs: None) -> None:
    """The coroutines are stepped by hand; some of the standard library only asks which loop they are in."""


@settings(
    max_examples=HISTORIES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(min_size=SHORTEST, max_size=LONGEST))
def test_every_history_ends_with_each_effect_once(history: bytes) -> None:
    run_history(history)


def test_a_history_without_faults_is_the_plain_chain() -> None:
    world = run_history(b"")

    assert [len(store.tables.log[0]) for store in world.stores.values()] == [1, 2, 1]


def test_histories_hold_what_they_are_meant_to() -> None:
    worlds = [run_history(_history(seed)) for seed in range(LONG_ONES)]

    commands = [command for world in worlds for command in world.commands]
    assert sum(bool(world.broker.lost) for world in worlds) >= 5
    assert sum(any(store.tables.burials for store in world.stores.values()) for world in worlds) >= 50
    assert len(commands) >= 500
    assert sum(command.acknowledged is None for command in commands) >= 50
    assert sum(command.acknowledged is not None for command in commands) >= 250


@pytest.mark.parametrize(("name", "by"), CAUGHT_BY.items())
def test_a_broken_part_is_caught(name: str, by: str) -> None:
    with pytest.raises(Broken, match=by):
        _run_many(MUTATIONS[name])


def test_what_catches_each_broken_part_is_known() -> None:
    assert CAUGHT_BY.keys() == MUTATIONS.keys()


def _run_many(parts: Parts) -> None:
    for seed in range(LONG_ONES):
        run_history(_history(seed), parts)


def _history(seed: int) -> bytes:
    chance = random.Random(seed)
    return chance.randbytes(chance.randrange(*LONG))
