"""The bench runs and says what it is asked for. How fast anything was is nobody's business here."""

from pathlib import Path

import pytest

from deploy.bench import timers
from deploy.bench.timers import Asked, measure
from deploy.local.places import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_it_measures_with_small_numbers_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "LEAD_SECONDS", 12.0)
    told: set[str] = set()
    folder = Path("var/test-bench")
    asked = Asked(armed=500, rates=(20,), seconds=2, at_once=200, old_snapshot=True)
    found = await measure(PROJECT / folder, asked, lambda what, _done, _whole: told.add(what))
    (rate,) = found["rates"]
    assert (rate["per_second"], rate["fired"], found["due_at_once"]) == (20, 40, 200)
    assert (found["early"], found["twice"], found["missing"], found["oldest_first"]) == (0, 0, 0, True)
    for spread in ("lateness_ms", "on_the_topic_ms", "bare_lateness_ms"):
        assert rate[spread]["p50"] <= rate[spread]["p99"] <= rate[spread]["max"]
    assert found["drain_seconds"] > 0
    assert found["bare_drain_seconds"] > 0
    assert {"cpus", "load", "load_after"} <= found["machine"].keys()
    assert found["versions"].keys() >= {"postgresql", "kafka", "python"}
    assert told >= {"idle deadlines", "sla fires", "the bare loop fires"}
    assert not (PROJECT / folder).exists()
