"""The timer in memory: once, never early, whatever crashes, jumps or lags behind. No test sleeps."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sla import metrics
from services.sla.domain.clock_state import ClockState
from services.sla.timer import MOST_AT_ONCE, PATIENCE_SECONDS, Timer
from shared.contracts.topics import SHARDS, shard_of
from shared.contracts.vocabulary import Stage, Urgency
from shared.runtime import failpoints
from shared.runtime.memory import Away, MemoryTransaction
from shared.runtime.ports import Versioned
from tests.measured import shown
from tests.unit.sla import builders as b
from tests.unit.sla.rig import Rig, Time, case

CRITICAL = Urgency.CRITICAL


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.install(None)


async def waiting(rig: Rig, cases: int = 1) -> Rig:
    """Critical cases that wait to be verified: yellow after 8 minutes, red after 10."""
    for number in range(cases):
        await rig.tell(number, b.opened(urgency=CRITICAL))
    return rig


async def test_each_step_is_taken_when_its_time_has_come() -> None:
    rig = await waiting(Rig())
    assert await rig.settle() == 1.0
    rig.time.advance(minutes=8, microseconds=-1)
    await rig.settle()
    assert rig.said() == []
    rig.time.advance(microseconds=1)
    await rig.settle()
    assert rig.said() == ["accept warned"]
    rig.time.advance(minutes=2)
    await rig.settle()
    assert rig.said() == ["accept warned", "accept overdue"]


async def test_it_sleeps_until_the_next_step() -> None:
    rig = await waiting(Rig())
    await rig.settle()
    rig.time.advance(minutes=8, seconds=-0.25)
    assert await rig.settle() == pytest.approx(0.25)


async def test_what_is_armed_sooner_than_the_rest_wakes_it() -> None:
    rig = await waiting(Rig())
    await rig.settle()
    rig.agenda.changed.clear()
    await rig.tell(1, b.opened(urgency=Urgency.NORMAL))
    assert not rig.agenda.changed.is_set()
    rig.time.advance(minutes=-1)
    await rig.tell(2, b.opened(urgency=CRITICAL))
    assert rig.agenda.changed.is_set()


async def test_what_is_due_in_more_than_ten_minutes_is_found_when_its_time_comes() -> None:
    rig = Rig()
    await rig.tell(0, b.opened(urgency=Urgency.NORMAL))  # yellow after 96 minutes
    for _ in range(95):
        rig.time.advance(minutes=1)
        await rig.settle()
    assert rig.said() == []
    rig.time.advance(minutes=1)
    await rig.settle()
    assert rig.said() == ["accept warned"]


async def test_what_is_met_is_not_fired() -> None:
    rig = await waiting(Rig())
    rig.time.advance(minutes=5)
    await rig.tell(0, b.accepted(CRITICAL), b.dispatched(b.WATER), b.signed_in(b.WATER), b.unit_done(b.WATER))
    rig.time.advance(minutes=60)
    await rig.settle()
    assert rig.said() == []


async def test_what_stands_still_is_not_fired_but_what_had_run_out_before_is() -> None:
    """Critical, to be signed in by 9:15. Suspended at 9:16 while nothing fired, until 11:00."""
    rig = Rig()
    await rig.tell(0, b.opened(urgency=CRITICAL), b.accepted(CRITICAL), b.dispatched(b.WATER))
    rig.time.advance(minutes=16)
    await rig.tell(0, b.understood(b.local("2026-11-23 11:00")))
    rig.time.advance(hours=1)
    await rig.settle()
    assert rig.said() == ["sign_in overdue"]
    rig.time.advance(minutes=44)
    await rig.settle()
    assert rig.said()[1:] == ["review overdue"]


async def test_many_at_once_go_in_capped_batches_oldest_first() -> None:
    rig = Rig()
    for number in range(1200):
        rig.time.advance(milliseconds=1)
        await rig.tell(number, b.opened(urgency=CRITICAL))
    await rig.settle()
    rig.time.advance(minutes=9)
    taken = []
    while await rig.timer.turn() == 0.0:
        taken.append(len(rig.stated()))
    assert taken == [MOST_AT_ONCE, 3 * MOST_AT_ONCE, 5 * MOST_AT_ONCE, 1200]  # then two batches side by side
    for shard in range(SHARDS):
        started = [fact.started_at for of, fact in rig.stated() if shard_of(of) == shard]
        assert started == sorted(started)


async def test_after_an_outage_the_ladder_is_caught_up_and_yellow_is_past() -> None:
    """Down from 9:00 to 9:18. Red was at 9:10, the first two rungs at 9:12:30 and 9:15."""
    rig = await waiting(Rig())
    rig.time.advance(minutes=18)
    await rig.settle()
    assert rig.said() == ["accept overdue", "accept escalated", "accept escalated"]


# --- whoever does it ---


async def test_two_timers_on_one_store_take_each_step_once() -> None:
    one = await waiting(Rig(), cases=300)
    other = Rig(one.time, one.store)
    one.time.advance(minutes=10)
    await asyncio.gather(one.settle(), other.settle(), one.settle(), other.settle())
    assert Counter(one.fired()) == {(case(number), "accept", b.COMMUNITY, 1): 1 for number in range(300)}


@pytest.mark.parametrize("place", ["before_commit", "after_commit"])
async def test_killed_in_the_middle_it_fires_once(place: str) -> None:
    rig = await waiting(Rig(), cases=20)
    rig.time.advance(minutes=10)

    class Killed(BaseException):
        pass

    def die(reached: str) -> None:
        if reached == place:
            failpoints.install(None)
            raise Killed

    failpoints.install(die)
    with pytest.raises(Killed):
        await rig.settle()
    again = Rig(rig.time, rig.store)
    await again.settle()
    assert len(again.fired()) == len(set(again.fired())) == 20


@pytest.mark.parametrize("place", ["before_commit", "after_commit"])
async def test_a_commit_of_which_nobody_knows_is_tried_again_and_fires_once(place: str) -> None:
    rig = await waiting(Rig(), cases=20)
    rig.time.advance(minutes=10)

    def break_off(reached: str) -> None:
        if reached == place:
            failpoints.install(None)
            raise Away("the connection broke")

    failpoints.install(break_off)
    await rig.settle()
    assert len(rig.fired()) == len(set(rig.fired())) == 20


async def test_only_our_shards_and_new_ones_from_the_beginning() -> None:
    rig = await waiting(Rig(), cases=60)
    ours = {0, 1, 2}
    rig.held.shards = set(ours)
    rig.time.advance(minutes=10)
    await rig.settle()
    assert {shard_of(of) for of, *_ in rig.fired()} == ours
    rig.held.shards = set(range(SHARDS))
    await rig.settle()
    assert len(rig.fired()) == 60


async def test_a_shard_taken_over_is_waited_for_and_then_on_time() -> None:
    """Ours for less than two seconds, it is not touched, but what falls due in it is not forgotten either."""
    rig = await waiting(Rig(settle_seconds=2.0), cases=60)
    rig.held.shards = {0, 1, 2}
    await rig.settle()
    rig.time.advance(minutes=9, seconds=59)
    await rig.settle()
    rig.held.shards = set(range(SHARDS))
    for fired in (set(), {0, 1, 2}, set(range(SHARDS)), set(range(SHARDS))):
        await rig.settle()
        assert {shard_of(of) for of, *_ in rig.fired()} == fired
        rig.time.advance(seconds=1)
    assert len(rig.fired()) == 60


def looked_past(rig: Rig, number: int, written: str) -> bool:
    """Whether looks at this case's shard start after that time: the watermark stands there."""
    shard = shard_of(case(number))
    return rig.agenda.floors([shard])[shard] > b.local(f"2026-11-23 {written}")


async def test_what_becomes_due_in_the_past_is_found_at_once() -> None:
    """Sign in within 15 minutes; refused after 5, dismissed after 20: red at once, though 9:15 was passed before."""
    rig = await waiting(Rig())
    await rig.settle()
    await rig.tell(0, b.accepted(CRITICAL), b.dispatched(b.WATER))
    rig.time.advance(minutes=5)
    await rig.tell(0, b.refused(b.WATER))
    rig.time.advance(minutes=15)
    await rig.settle()
    assert looked_past(rig, 0, "09:15")
    assert "sign_in overdue" not in rig.said()
    await rig.tell(0, b.ruled(b.WATER, False, Stage.DISPATCHED))
    await rig.settle()
    assert "sign_in overdue" in rig.said()
    assert "sign_in warned" not in rig.said()


async def test_what_becomes_due_in_the_past_while_it_waits_for_the_lock_is_found_at_once() -> None:
    """As before, but the dismissal is being written while the timer is on its way to another case's warning."""
    rig = await waiting(Rig())
    await rig.settle()
    other = next(number for number in range(1, 1000) if shard_of(case(number)) == shard_of(case(0)))
    await rig.tell(0, b.accepted(CRITICAL), b.dispatched(b.WATER))
    rig.time.advance(minutes=5)
    await rig.tell(0, b.refused(b.WATER))
    rig.time.advance(minutes=7, seconds=30)
    await rig.tell(other, b.opened(urgency=CRITICAL))
    rig.time.advance(minutes=7, seconds=30)
    await rig.settle()
    assert looked_past(rig, 0, "09:15")
    rig.time.advance(seconds=30)
    async with rig.store._lock:
        writing = asyncio.create_task(rig.tell(0, b.ruled(b.WATER, False, Stage.DISPATCHED)))
        await asyncio.sleep(0)
        taking = asyncio.create_task(rig.timer.turn())
        await asyncio.sleep(0)
    await asyncio.gather(writing, taking)
    assert rig.said(other) == ["accept warned"]
    await rig.settle()
    assert "sign_in overdue" in rig.said()


async def test_what_nobody_told_it_of_is_found_by_the_sweep() -> None:
    """Another process wrote it with a time that was passed already. The sweep does not start from the watermark."""
    rig = await waiting(Rig())
    await rig.settle()
    rig.time.advance(minutes=30)
    await rig.settle()
    hidden = next(number for number in range(1, 1000) if shard_of(case(number)) == shard_of(case(0)))
    rig.time.shown -= timedelta(minutes=25)
    await Rig(rig.time, rig.store).tell(hidden, b.opened(urgency=CRITICAL))
    rig.time.shown += timedelta(minutes=25)
    assert looked_past(rig, hidden, "09:15")
    await rig.settle()
    assert rig.said(hidden) == []
    rig.time.advance(seconds=61)
    await rig.settle()
    assert "accept overdue" in rig.said(hidden)


async def test_facts_not_read_yet_may_say_that_it_was_met_so_it_waits_but_not_for_ever() -> None:
    rig = await waiting(Rig())
    rig.time.advance(minutes=10)
    rig.behind = True
    assert await rig.settle() > 0
    assert rig.said() == []
    rig.time.advance(seconds=PATIENCE_SECONDS)
    await rig.settle()
    assert rig.said() == ["accept overdue"]


# --- what is counted ---


async def test_what_is_overdue_is_counted_by_the_rung_it_reached() -> None:
    rig = await waiting(Rig(), cases=3)
    assert await rig.deadlines.count_overdue() == {}
    rig.time.advance(minutes=10)
    await rig.settle()
    assert await rig.deadlines.count_overdue() == {0: 3}
    assert await rig.deadlines.count_overdue([shard_of(case(0))]) == {0: 1}
    steps = 0
    while (rungs := await rig.deadlines.count_overdue()) == {0: 3}:
        rig.time.advance(minutes=1)
        await rig.settle()
        assert (steps := steps + 1) < 100_000
    assert rungs == {1: 3}


def test_a_rung_that_nothing_stands_on_any_more_shows_none() -> None:
    metrics.show_overdue([{0: 2, 1: 1}, {1: 4, 12: 1}])
    assert shown(metrics.OVERDUE) == {(str(rung),): {0: 2, 1: 5, 9: 1}.get(rung, 0) for rung in range(10)}
    metrics.show_overdue([{0: 1}])
    assert shown(metrics.OVERDUE) == {(str(rung),): 1.0 if rung == 0 else 0.0 for rung in range(10)}


# --- the clock ---


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(seconds=4)])
async def test_while_the_databases_clock_jumps_nothing_fires(jump: timedelta) -> None:
    """Two seconds before red, yellow not taken yet, the clock jumps: nothing is said for a minute."""
    rig = await waiting(Rig())
    await rig.settle()
    rig.time.advance(minutes=10, seconds=-2)
    rig.time.jump(seconds=jump.total_seconds())
    for _ in range(60):
        await rig.settle()
        assert rig.said() == []
        assert next(iter(metrics.CLOCK_JUMPED.collect())).samples[0].value == 1
        rig.time.advance(seconds=1)


async def test_it_goes_on_when_the_clock_is_back_and_has_run_evenly() -> None:
    rig = await waiting(Rig())
    await rig.settle()
    rig.time.jump(hours=1)
    for _ in range(10):
        rig.time.advance(seconds=1)
        await rig.settle()
    assert rig.said() == []
    rig.time.jump(hours=-1)
    for _ in range(62):
        rig.time.advance(seconds=1)
        await rig.settle()
    assert rig.watch.trusted
    assert rig.said() == []
    rig.time.advance(minutes=9)
    await rig.settle()
    assert rig.said() == ["accept overdue"]
    assert rig.earliest() >= timedelta(0)


async def test_a_jump_seen_only_inside_the_transaction_stops_it_there() -> None:
    """The clock was last read before the jump, and yellow was due anyway: even that does not fire on the new time."""
    rig = await waiting(Rig())
    rig.time.advance(minutes=8, seconds=-1)
    await rig.settle()
    rig.time.advance(seconds=1)
    rig.time.jump(hours=1)
    await rig.settle()
    assert rig.said() == []
    assert not rig.watch.trusted


async def test_who_takes_shards_over_has_watched_the_clock_too() -> None:
    """Two processes; the one that has no shards yet looks at the clock as well, and knows of the jump."""
    one = await waiting(Rig(), cases=60)
    other = Rig(one.time, one.store)
    other.held.shards = set()
    await one.settle()
    await other.settle()
    one.time.advance(seconds=30)
    one.time.jump(hours=1)
    await one.settle()
    one.held.shards, other.held.shards = set(), set(range(SHARDS))
    for _ in range(3):
        one.time.advance(seconds=1)
        await asyncio.gather(one.settle(), other.settle())
        assert one.fired() == []
        assert not other.watch.trusted


async def test_a_jump_while_the_store_was_away_is_seen_when_it_is_back() -> None:
    """Switched over to a database whose clock is ahead: what was known of the time before still counts."""
    rig = await waiting(Rig())
    await rig.settle()
    rig.time.advance(minutes=9, seconds=50)
    rig.store.away = True
    with pytest.raises(Away):
        await rig.settle()
    rig.time.advance(seconds=5)
    rig.time.jump(hours=1)
    rig.store.away = False
    await rig.settle()
    assert not rig.watch.trusted
    assert rig.said() == []


async def test_what_is_due_does_not_wait_for_a_look_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over ten million rows, with an old snapshot in the way, looking may take long."""
    rig = await waiting(Rig(), cases=3)
    await rig.settle()
    look, may_look = rig.deadlines.look_ahead, asyncio.Event()

    async def slow(floors: Mapping[int, datetime], until: datetime, most: int) -> list[tuple[datetime, int]]:
        await may_look.wait()
        return await look(floors, until, most)

    monkeypatch.setattr(rig.deadlines, "look_ahead", slow)
    rig.time.advance(minutes=10)
    while len(rig.fired()) < 3:
        await rig.timer.turn()
    may_look.set()
    await rig.settle()
    assert len(rig.fired()) == 3


async def test_what_is_written_while_the_first_look_is_under_way_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look does not see it, and its time comes before the next one."""
    rig = Rig()
    look, looked, may_return = rig.deadlines.look_ahead, asyncio.Event(), asyncio.Event()

    async def slow(floors: Mapping[int, datetime], until: datetime, most: int) -> list[tuple[datetime, int]]:
        found = await look(floors, until, most)
        looked.set()
        await may_return.wait()
        return found

    monkeypatch.setattr(rig.deadlines, "look_ahead", slow)
    turning = asyncio.create_task(rig.timer.turn())
    await looked.wait()
    await rig.tell(0, b.opened(urgency=CRITICAL))
    may_return.set()
    await turning
    assert rig.agenda.next_at(range(SHARDS)) == b.local("2026-11-23 09:08")


# --- what goes wrong ---


async def test_a_deadline_that_cannot_be_taken_is_put_off_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = await waiting(Rig(), cases=40)
    save = rig.states.save
    broken = case(17)

    async def failing(transaction: MemoryTransaction, states: Mapping[UUID, Versioned[ClockState]]) -> None:
        if broken in states:
            raise ZeroDivisionError("our own fault")
        await save(transaction, states)

    monkeypatch.setattr(rig.states, "save", failing)
    rig.time.advance(minutes=10)
    await rig.settle()
    assert {of for of, *_ in rig.fired()} == {case(number) for number in range(40)} - {broken}
    monkeypatch.setattr(rig.states, "save", save)
    for _ in range(62):
        rig.time.advance(seconds=1)
        await rig.settle()
    assert len(rig.fired()) == len(set(rig.fired())) == 40


async def test_the_store_being_away_ends_nothing() -> None:
    rig = await waiting(Rig())
    rig.store.away = True
    running = asyncio.create_task(rig.timer.run())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not running.done()
    running.cancel()


moves = st.one_of(
    st.tuples(st.just("next_fact"), st.integers(0, 20)),
    st.tuples(st.just("wait"), st.integers(1, 600)),
    st.tuples(st.just("turn"), st.integers(0, 1)),
    st.tuples(st.just("crash"), st.sampled_from(["before_commit", "after_commit"])),
    st.tuples(st.just("share"), st.integers(0, 2**SHARDS - 1)),
)


@given(st.lists(moves, max_size=60))
@settings(deadline=None, max_examples=150)
def test_once_never_early_and_all_of_them_whatever_happens(history: Collection[tuple[str, int | str]]) -> None:
    asyncio.run(play(history))


async def play(history: Collection[tuple[str, int | str]], timer: type[Timer] = Timer) -> None:
    """Raises AssertionError where a step fires twice, early or never."""
    time = Time()
    first = Rig(time, timer=timer)
    playing = _Play(time, (first, Rig(time, first.store, timer=timer)))
    for move, what in history:
        await getattr(playing, move)(what)
    failpoints.install(None)
    playing.shards(2**SHARDS - 1)
    time.advance(days=1)
    await first.settle()
    reds = first.fired()
    assert len(reds) == len(set(reds))
    assert first.earliest() >= timedelta(0)
    assert len(reds) == sum(_reds(first, number) for number in playing.told)


class _Play:
    """Two processes on one store; cases of even numbers are read by the first."""

    def __init__(self, time: Time, rigs: tuple[Rig, Rig]) -> None:
        self.time = time
        self.rigs = rigs
        self.told: dict[int, int] = {}

    async def next_fact(self, number: int) -> None:
        facts = [b.opened(urgency=CRITICAL), b.accepted(CRITICAL), b.dispatched(b.WATER), b.signed_in(b.WATER)]
        already = self.told.get(number, 0)
        if already < len(facts):
            self.told[number] = already + 1
            await self.rigs[number % 2].tell(number, facts[already])

    async def wait(self, seconds: int) -> None:
        self.time.advance(seconds=seconds)

    async def turn(self, which: int) -> None:
        await self.rigs[which].timer.turn()

    async def crash(self, place: str) -> None:
        def raise_there(reached: str) -> None:
            if reached == place:
                failpoints.install(None)
                raise Away("crash")

        failpoints.install(raise_there)

    async def share(self, bits: int) -> None:
        self.shards(bits)

    def shards(self, bits: int) -> None:
        """Who holds which: a bit a shard."""
        self.rigs[0].held.shards = {shard for shard in range(SHARDS) if bits >> shard & 1}
        self.rigs[1].held.shards = set(range(SHARDS)) - self.rigs[0].held.shards


def _reds(rig: Rig, number: int) -> int:
    """How many of a case's deadlines are, or were, overdue by their own rows: the log must say as many."""
    state = rig.store.tables.states[case(number)].state
    assert isinstance(state, ClockState)
    assert all(one.fired_at is not None for one in state.deadlines if one.is_live)
    return sum(one.fired_at is not None for one in state.deadlines)
