"""The bench of scorecards computes what it made up, twice the same. How fast is nobody's business here."""

from pathlib import Path

import pytest

from deploy.bench.scorecards import measure
from deploy.local.places import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_it_measures_with_small_numbers_and_leaves_nothing() -> None:
    told: set[str] = set()
    folder = Path("var/test-bench-scorecard")
    found = await measure(PROJECT / folder, 1_000, lambda what, _done, _whole: told.add(what))
    assert (found["cases"], found["rows"], found["received"]) == (1_000, 2_300, 1_000)
    assert found["same_bytes"]
    assert len(found["hash"]) == 64
    assert found["units"] > 1
    assert min(*found["seconds"], found["cpu_seconds"], found["rows_per_second"]) > 0
    assert told == {"made-up cases", "computing, 1 of 2", "computing, 2 of 2"}
    assert not (PROJECT / folder).exists()
