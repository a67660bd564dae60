"""Every mutation is caught by the suite: a mutant that survives would mean that nobody looks there."""

from pathlib import Path

import pytest

from deploy.faults.ground import Ground
from deploy.faults.kinds import named
from deploy.faults.runner import Wanted, play
from tests.faults.mutations import mutated

pytestmark = pytest.mark.timeout(300)
FOLDER = Path("var/test-mutation")


def test_a_door_that_forgets_is_caught() -> None:
    ground = Ground(FOLDER, **mutated("forgets_the_door"))
    found = play(ground, Wanted(named(["client_repeats"]), injections=3, seed=1, drained_within=30))

    assert {"I1"} <= {violation.invariant for violation in found.violations}
    assert any(violation.history for violation in found.violations)
