"""What the figures of loops are made of: pure arithmetic, and what is asked for on the command line."""

from typing import Any

import pytest
import typer

from deploy.bench import loop_command
from deploy.bench.bare_script import WORDS, Part, Reaction, Written, dealt, per_loop, read, written
from deploy.bench.burst import Burst
from deploy.bench.counts import Counts, Effort, spent
from deploy.bench.counts import per_loop as left_by
from deploy.bench.loop import Asked
from deploy.bench.loop_command import is_whole

NOTHING = {("cases", number): Reaction() for number in range(1, 6)}


def _reactions() -> dict[tuple[str, int], Reaction]:
    return NOTHING | {("cases", 2): Reaction(rows=((1, b"a"),)), (WORDS, 1): Reaction(rows=((2, b"bc"), (3, b"d")))}


@pytest.mark.parametrize(
    ("states", "inserted", "expected"),
    [
        (2.0, 11.0, {"saves": 2, "inserts": 11}),
        (4.4, 3.6, {"saves": 4, "inserts": 4}),
        (0.5, 0.2, {"saves": 2, "inserts": 0}),
    ],
)
def test_what_was_written_is_dealt_out_whole(states: float, inserted: float, expected: dict[str, int]) -> None:
    """Whoever appends saves its state, however often several were saved at once."""
    found = dealt(_reactions(), Written(states, inserted, updated=5.0, deleted=0.0, body_bytes=10))
    assert sum(one.saves for one in found.values()) == expected["saves"]
    assert sum(one.inserts for one in found.values()) == expected["inserts"]
    assert sum(one.updates for one in found.values()) == 5
    assert all(found[trigger].rows == one.rows for trigger, one in _reactions().items())
    assert found["cases", 2].saves
    assert found[WORDS, 1].saves


def test_a_part_is_the_same_after_its_way_to_its_process() -> None:
    reactions = _reactions() | {
        ("cases", 3): Reaction(outside=(("hotline.replies", b"\x00\xff"),), saves=True, inserts=2)
    }
    part = Part("router", "cases", ("whistles",), '{"a": 1}', 40, reactions, ("cases", 10))
    assert read(written(part)) == part
    assert per_loop({"router": part})["router"] == {
        "messages": 3,
        "outside": 1,
        "event_bytes": 4,
        "states_saved": 1,
        "other_rows": {"inserts": 2, "updates": 0, "deletes": 0},
    }


def test_what_is_left_behind_is_what_was_not_there_before() -> None:
    before = Counts(
        {("router", "log", "inserted"): 10}, {("router", "log"): 8192}, {}, {"cases": 5}, {"cases": 100}, 7, 3, 50
    )
    after = Counts(
        {("router", "log", "inserted"): 32, ("sla", "deadline", "updated"): 4},
        {("router", "log"): 16384, ("sla", "deadline"): 0},
        {},
        {"cases": 27, "deadlines": 0},
        {"cases": 300},
        17,
        4,
        250,
    )
    found = left_by(before, after, 2)
    assert found["rows_per_loop"]["router"] == {"inserted": 11.0, "updated": 0.0, "deleted": 0.0}
    assert found["rows_per_loop"]["sla"]["updated"] == 2.0
    assert found["messages_per_loop"] == {"cases": 11.0}
    assert found["bytes_per_case"] == {
        "postgresql": {"router": 4096, "all": 4096},
        "kafka": {"cases": 100, "all": 100},
        "wal": 100,
    }
    assert found["transactions"] == {"commits_per_loop": 5.0, "wal_syncs_per_loop": 0.5}


def test_effort_tells_ours_from_everybody_elses() -> None:
    before = Effort({"router": 1.0, "kafka": 2.0, "machine": 10.0}, {}, {("router", "count"): 4, ("router", "sum"): 10})
    after = Effort(
        {"router": 2.0, "kafka": 2.5, "machine": 14.0},
        {"router": 99.0},
        {("router", "count"): 9, ("router", "sum"): 110},
    )
    found = spent(before, after, 100)
    assert found["cpu_seconds"] == {"router": 1.0, "kafka": 0.5, "all": 1.5, "others": 2.5}
    assert found["cpu_ms_per_loop"]["all"] == 15.0
    assert found["batches"] == {"router": {"transactions_per_loop": 0.05, "inputs_per_transaction": 20.0}}
    assert spent(before, after, 0)["cpu_ms_per_loop"] == {}


def test_the_burst_jumps_as_asked_and_waits_for_nobody() -> None:
    paces = Burst(times=10, seconds=3).paces()
    assert [pace["rate"] for pace in paces] == [10, 150, 10, 250, 20, 350, 100, 0]
    assert len({pace["name"] for pace in paces}) == len(paces)
    assert not any(pace["drain"] for pace in paces)


def test_the_second_step_is_half_of_the_first_unless_a_rate_is_given() -> None:
    assert Asked().paces()[1]["rate_of"] == 0.5
    assert Asked(rate=40.0).paces()[1]["rate"] == 40.0


WHOLE: dict[str, Any] = {"errors": 0, "lost": 0, "incomplete": {"not_archived": 0}, "check_ok": True}


@pytest.mark.parametrize(
    ("changed", "whole"),
    [
        ({}, True),
        ({"check_ok": None}, True),  # copied cases were there: the checker had nothing to say
        ({"errors": 1}, False),
        ({"lost": 2}, False),
        ({"incomplete": {"not_archived": 0, "clocks_running": 1}}, False),
        ({"check_ok": False}, False),
    ],
)
def test_only_a_run_in_which_every_loop_reached_all_of_it_is_whole(changed: dict[str, Any], whole: bool) -> None:
    assert is_whole(WHOLE | changed) is whole


@pytest.mark.parametrize("given", ["", "1,x", "-1,2"])
def test_rates_that_are_none_are_refused(given: str) -> None:
    with pytest.raises(typer.BadParameter, match="numbers from 0 on"):
        loop_command.rates_of(given)


def test_only_services_that_no_loop_needs_run_beside() -> None:
    assert loop_command.beside_of("live,workbench") == ("live", "workbench")
    with pytest.raises(typer.BadParameter, match="one of live, workbench"):
        loop_command.beside_of("router")
