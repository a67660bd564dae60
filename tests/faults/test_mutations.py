"""A mutation is caught by the suite on the real stack. All of them, in `make faults`: `tests.faults.show_mutations`."""

from pathlib import Path

import pytest

from tests.faults.hunting import hunt

pytestmark = pytest.mark.timeout(300)
FOLDER = Path("var/test-mutation")
ROUNDS = 2


def test_a_door_that_forgets_is_caught() -> None:
    found = hunt("forgets_the_door", FOLDER, ROUNDS, seed=1)

    assert found.broken["I1"]
    assert found.first is not None
    assert found.first.case_id is not None
    assert found.first.history
