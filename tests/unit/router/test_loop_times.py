"""How long each stage of the loop took, from what was acknowledged of the router's log."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from services.router import metrics
from services.router.loop_times import KEPT_CASES, LOOKED_UP_CASES, LoopTimes, stated_at
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope
from shared.contracts.topics import shard_of
from shared.runtime.log import Row
from tests.measured import shown
from tests.unit.router.memory import MemoryRouter
from tests.unit.router.stories import (
    CASE,
    FOR_NOBODY,
    NOW,
    WATER,
    Said,
    concluded,
    declined,
    dispatches,
    failed,
    finishes,
    matter,
    passed,
    refuses,
    signs_in,
    upholds,
    verified,
    whistle,
    withdraws,
)

STAGES = ("receive", "dispatch", "handle", "verify", "rate")


@pytest.fixture(autouse=True)
def _afresh() -> None:
    metrics.STAGES.clear()
    metrics.ENDED.clear()


def measured() -> dict[str, float]:
    """Seconds in all of each stage that was measured."""
    return {stage: seconds for (stage,), seconds in shown(metrics.STAGES, "_sum").items()}


def times_measured() -> dict[str, float]:
    return {
        stage: count
        for stage in STAGES
        if (count := REGISTRY.get_sample_value("chuishao_loop_stage_seconds_count", {"stage": stage}))
    }


def ended() -> dict[str, float]:
    return {stage: number for (stage,), number in shown(metrics.ENDED).items()}


def dispatched() -> float:
    return REGISTRY.get_sample_value("chuishao_dispatch_seconds_count") or 0.0


class Story:
    """A router whose log is told to `times` as the relay does, an hour later after each step."""

    def __init__(self, times: LoopTimes | None = None) -> None:
        self.now = NOW
        self.router = MemoryRouter(lambda: self.now)
        self.times = times or LoopTimes(self._clock)
        self.told = 0

    def _clock(self) -> float:
        return self.now.timestamp()

    async def tell(self, *steps: Said | f.Fact, case_id: UUID = CASE) -> None:
        for step in steps:
            item = (
                self.router.from_log(step, case_id)
                if isinstance(step, f.Fact)
                else self.router.from_door(step, case_id)
            )
            await self.router.travel(replace(item, id=uuid_at(self.now - timedelta(seconds=2))))
            self.acknowledge(case_id)
            self.now += timedelta(hours=1)

    def acknowledge(self, case_id: UUID = CASE) -> None:
        rows = self.rows(case_id)
        self.times.acknowledged(rows[self.told :])
        self.told = len(rows)

    def rows(self, case_id: UUID = CASE) -> list[Row]:
        return [row for row in self.router.store.tables.log[shard_of(case_id)] if row.case_id == case_id]

    def look_up(self) -> None:
        missed = self.times.missed()
        found = {
            case_id: [one for one in self.router.logged(case_id) if one.caseseq < before]
            for case_id, before in missed.items()
        }
        self.times.looked_up(found, missed)


def uuid_at(at: datetime) -> str:
    """An id as our services give them then (RFC 9562, version 7)."""
    return str(UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62))


async def test_a_whole_loop_is_measured_stage_by_stage() -> None:
    story = Story()
    await story.tell(whistle(), signs_in(), finishes(), passed(), concluded())

    assert measured() == {"receive": 2.0, "dispatch": 0.0, "handle": 2 * 3600.0, "verify": 3600.0, "rate": 3600.0}
    assert ended() == {"closed": 1}


async def test_what_is_dispatched_by_its_whistle_tells_the_latency_and_what_waited_for_a_person_does_not() -> None:
    before = dispatched()
    await Story().tell(whistle())
    assert dispatched() == before + 1

    await Story().tell(whistle(matter(FOR_NOBODY)), dispatches(WATER))
    await Story().tell(whistle(needs_verification=True), verified())
    assert dispatched() == before + 1
    assert measured()["dispatch"] == 0.0 + 3600.0 + 3600.0


async def test_the_latency_ends_when_the_broker_has_the_assignment() -> None:
    story = Story()
    before = metrics.DISPATCHING._sum.get()
    item = story.router.from_log(whistle())
    await story.router.travel(replace(item, id=uuid_at(NOW - timedelta(seconds=2))))
    story.now += timedelta(seconds=5)
    story.acknowledge()

    assert metrics.DISPATCHING._sum.get() - before == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("steps", "counts"),
    [
        # refused, and given to another: it was being handled all the time
        ((refuses(), upholds()), {"receive": 1, "dispatch": 1}),
        # handled twice: each round is a handling and a check
        (
            (signs_in(), finishes(), failed(), signs_in(), finishes(), passed(2)),
            {"receive": 1, "dispatch": 1, "handle": 2, "verify": 2},
        ),
        ((withdraws(),), {"receive": 1, "dispatch": 1}),
    ],
    ids=["another unit", "rework", "withdrawn"],
)
async def test_each_stage_is_measured_as_often_as_it_ended(
    steps: Sequence[Said | f.Fact], counts: dict[str, int]
) -> None:
    await Story().tell(whistle(), *steps)

    assert times_measured() == counts


async def test_the_ends_are_counted_by_the_stage() -> None:
    await Story().tell(whistle(needs_verification=True), declined())
    await Story().tell(whistle(), withdraws())

    assert ended() == {"declined": 1, "withdrawn": 1}


async def test_who_does_not_know_the_beginning_looks_it_up() -> None:
    story = Story()
    await story.tell(whistle(), signs_in())
    metrics.STAGES.clear()
    story.times = LoopTimes(story._clock)  # another process has the shard now
    await story.tell(finishes(), passed())
    assert measured() == {}

    story.look_up()
    assert measured() == {"handle": 2 * 3600.0, "verify": 3600.0}
    assert story.times.missed() == {}

    await story.tell(concluded())
    assert measured()["rate"] == 3600.0


async def test_what_is_nowhere_to_be_found_is_not_measured_and_not_asked_for_again() -> None:
    story = Story()
    await story.tell(whistle(), signs_in())
    metrics.STAGES.clear()
    story.times = LoopTimes()
    await story.tell(finishes())
    missed = story.times.missed()
    story.times.looked_up({}, missed)

    assert (list(missed), measured(), story.times.missed()) == ([CASE], {}, {})
    await story.tell(passed())
    assert measured() == {"verify": 3600.0}


async def test_memory_is_bounded() -> None:
    story = Story()
    await story.tell(whistle(), signs_in(), finishes())
    opened = next(one for one in story.router.logged() if type(one.fact).__name__ == "CaseOpened")
    handled = next(one for one in story.router.logged() if type(one.fact).__name__ == "CaseHandled")
    times = LoopTimes()
    times.acknowledged([_row(replace(opened, subject=UUID(int=one))) for one in range(KEPT_CASES + 10)])
    assert len(times._since) == KEPT_CASES

    times.acknowledged(
        [_row(replace(handled, subject=UUID(int=-one % 2**128))) for one in range(1, LOOKED_UP_CASES + 10)]
    )
    assert len(times.missed()) == LOOKED_UP_CASES
    assert len(times._since) <= KEPT_CASES


def _row(envelope: Envelope) -> Row:
    return Row(0, 1, envelope.subject, envelope.caseseq, b"", b"", b"", envelope)


@pytest.mark.parametrize("event", [None, "", "w1", "0b0ad0a6-8e5c-4d5e-9f5c-2b1a7e1c0f11"])
def test_an_id_that_is_none_of_ours_tells_no_time(event: Any) -> None:
    assert stated_at(event) is None


def test_an_id_of_ours_tells_when_it_was_stated() -> None:
    assert stated_at(uuid_at(NOW)) == NOW
