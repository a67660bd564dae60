"""Whole loops are run and counted, and every one reaches all of it. How fast is nobody's business here."""

from pathlib import Path

import pytest

from deploy.bench import loop
from deploy.bench.loop import Asked
from deploy.bench.loop_command import is_whole
from deploy.local.places import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LEAST = {"whistles": 1, "cases": 11, "deadlines": 2, "feedback": 5, "hotline.replies": 3, "reports.<unit>": 3}
"""Messages of a loop: what it states, what it is told, what 12345 hears of it."""


async def test_loops_reach_all_of_it_and_are_held_against_a_bare_pipeline() -> None:
    folder = Path("var/test-bench-loop")
    told: set[str] = set()
    asked = Asked(seconds=2.0, under_way=40, warm=1.0)
    found = await loop.measure(PROJECT / folder, asked, lambda what, _done, _whole: told.add(what))
    assert is_whole(found), (found["said"], found["incomplete"], found["invariants"])
    assert found["loops"] >= asked.under_way
    assert not any(found["invariants"].values())
    assert {topic: found["messages_per_loop"][topic] for topic in LEAST} == LEAST
    assert found["messages_per_loop"]["assignments.<unit>"] == 3  # created, its limits, closed
    script = found["bare"]["script"]
    assert {name: part["messages"] for name, part in script.items()} == {
        "intake": 1,
        "router": LEAST["cases"],
        "sla": LEAST["deadlines"],
        "feedback": LEAST["feedback"],
    }
    assert found["bare"]["lost"] == 0
    assert {"loops_per_second", "bare_loops_per_second", "ratio", "latency_ms"} <= found.keys()
    assert found["latency_ms"].keys() == {"measured", "p50", "p99", "max"}
    processes = {"intake", "router", "sla", "feedback", "kafka", "postgresql", "load", "all"}
    assert processes <= found["cpu_seconds"].keys()
    assert all(row["inserted"] > 0 for row in found["rows_per_loop"].values())
    assert found["bytes_per_case"]["postgresql"]["all"] > 0
    assert found["bytes_per_case"]["kafka"]["all"] > 0
    assert found["services"] == dict.fromkeys(("intake", "router", "sla", "feedback"), 1)
    assert {"loops, full", "loops, half", "the bare pipeline"} <= told
    assert not (PROJECT / folder).exists()
