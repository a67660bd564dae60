"""What the load generator counts, and how it reads as little as it can."""

from datetime import datetime
from functools import partial
from uuid import UUID

import pytest

from deploy.bench.load import Pace, Pacer, Watch, type_of
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, encode

CASE = b"018f0000-0000-7000-8000-000000000001"


def test_the_type_is_found_in_the_bytes_of_any_event_of_ours() -> None:
    envelope = Envelope(
        id="018f0000-0000-7000-8000-0000000000ff",
        source="/units/" + "x" * 200,
        subject=UUID(CASE.decode()),
        time=datetime.fromisoformat("2026-11-23T08:00:00+00:00"),
        fact=f.ReportProgressed(note='"type":"cn.chuishao.case.closed.v1"'),
    )
    assert type_of(encode(envelope)) == f.ReportProgressed.NAME.encode()


@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b'{"type":"com.example.v1"}', b" " * 500 + b'"type":"cn.chuishao.x"']
)
def test_what_is_no_event_of_ours_has_no_type(value: bytes | None) -> None:
    assert type_of(value) == b""


@pytest.mark.parametrize("assignment_first", [False, True])
def test_the_latency_is_the_same_whichever_is_heard_first(assignment_first: bool) -> None:
    watch = Watch()
    watch.measure(Pace("full", 1.0))
    heard = [partial(watch.known, CASE, 10.0), partial(watch.assigned, CASE, 10.25)]
    for hear in reversed(heard) if assignment_first else heard:
        hear()
    assert watch.measured().latencies_ms == [250.0]


def test_only_what_happens_while_measuring_counts_in_a_step() -> None:
    watch = Watch()
    watch.begin(3)
    watch.finish()
    watch.measure(Pace("full", 1.0))
    watch.begin(2)
    watch.close()
    watch.finish()
    watch.requests += 7
    step = watch.measured()
    watch.finish()
    assert (step.started, step.finished, step.requests, step.backlog) == (2, 1, 7, 4)
    assert (watch.started, watch.finished) == (5, 3)


class Finishing:
    """A feed whose loops are over as soon as they are started."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.pushes: list[int] = []

    async def start(self, number: int, due: float) -> None:
        self.pushes.append(number)
        for _ in range(number):
            self.watch.close()
            self.watch.finish()


class Stuck(Finishing):
    async def start(self, number: int, due: float) -> None:
        self.pushes.append(number)


def _pacer(feed: Finishing, patience: float = 5.0) -> Pacer:
    return Pacer(feed.watch, feed, lambda event, **said: None, patience, every=0.01, most=50)


async def test_a_rate_is_kept_whatever_becomes_of_the_loops() -> None:
    feed = Stuck(Watch())
    step = await _pacer(feed).run(Pace("half", 0.3, rate=1000.0, drain=False))
    assert 200 <= step.offered <= 300
    assert sum(feed.pushes) == feed.watch.started == step.backlog == step.offered
    assert max(feed.pushes) <= 50


async def test_no_more_are_under_way_than_were_asked_for() -> None:
    feed = Stuck(Watch())
    step = await _pacer(feed).run(Pace("full", 0.1, under_way=70, drain=False))
    assert (feed.watch.under_way, sum(feed.pushes), step.offered) == (70, 70, 70)


async def test_a_step_that_offers_nothing_only_waits() -> None:
    feed = Finishing(Watch())
    step = await _pacer(feed).run(Pace("burst", 0.05, rate=0.0))
    assert (step.offered, feed.pushes) == (0, [])


async def test_loops_that_do_not_end_are_told_of() -> None:
    feed = Stuck(Watch())
    with pytest.raises(TimeoutError, match="70 loops are not finished"):
        await _pacer(feed, patience=0.05).run(Pace("full", 0.05, under_way=70))


async def test_the_error_of_a_feed_is_not_lost() -> None:
    class Broken(Finishing):
        async def start(self, number: int, due: float) -> None:
            raise ValueError("the door is gone")

    with pytest.raises(ValueError, match="the door is gone"):
        await _pacer(Broken(Watch())).run(Pace("full", 0.05, under_way=10, drain=False))
