"""What becomes of each kind of input on the road."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.contracts.envelope import decode
from shared.runtime.decision import Decision, Fate, FromDeadLetter, Input
from shared.runtime.memory import Away, MemoryStore, MemoryTransaction
from shared.runtime.road import Unavailable
from tests.unit.runtime.toys import CASE, NOW, OTHER_CASE, Toy, from_door, from_log, report


async def fates(toy: Toy, *inputs: Input[Any]) -> list[str]:
    return [outcome.fate.value for outcome in await toy.road.travel(inputs)]


# --- sequences


@pytest.mark.parametrize(
    ("sequences", "expected", "taken"),
    [
        ([1, 2, 3], ["done", "done", "done"], ("n1", "n2", "n3")),
        ([1, 1, 2], ["done", "repeat", "done"], ("n1", "n2")),
        ([1, 3, 2, 3], ["done", "ahead", "done", "done"], ("n1", "n2", "n3")),
        ([2, 3], ["ahead", "ahead"], ()),
        ([1, 2, 1, 2], ["done", "done", "repeat", "repeat"], ("n1", "n2")),
    ],
)
@pytest.mark.parametrize("batched", [True, False], ids=["one batch", "one by one"])
async def test_a_log_is_taken_in_its_sequence(
    sequences: list[int], expected: list[str], taken: tuple[str, ...], batched: bool
) -> None:
    toy = Toy()
    inputs = [from_log(sequence) for sequence in sequences]

    if batched:
        found = await fates(toy, *inputs)
    else:
        found = [fate for item in inputs for fate in await fates(toy, item)]

    assert found == expected
    assert toy.taken() == taken


async def test_what_is_ahead_says_what_is_missing() -> None:
    [outcome] = await Toy().road.travel([from_log(3)])

    assert outcome.note == "whistles/0: expected 1, found 3"


async def test_facts_carry_their_place_and_their_cause() -> None:
    toy = Toy()
    await toy.road.travel([from_log(1), from_log(2), from_log(3, case_id=OTHER_CASE)])

    envelopes = [decode(row.event) for row in toy.outlet.offered]
    assert [(e.subject, e.sequence, e.caseseq, e.cause, e.time, e.source) for e in envelopes[:2]] == [
        (CASE, 1, 1, "w1", NOW, "/chuishao/toy"),
        (CASE, 2, 2, "w2", NOW, "/chuishao/toy"),
    ]


async def test_a_case_of_another_shard_in_a_shard_s_log_is_a_dead_letter() -> None:
    toy = Toy()

    assert await fates(toy, from_log(1, case_id=OTHER_CASE), from_log(2)) == ["buried", "done"]
    assert toy.taken() == ("n2",)


# --- doors


async def test_a_request_repeated_has_one_effect_and_the_first_answer() -> None:
    toy = Toy()
    first, repeat = await toy.road.travel([from_door("a"), from_door("a")])
    [later] = await toy.road.travel([from_door("a")])

    assert [first.fate, repeat.fate, later.fate] == [Fate.DONE, Fate.REPEAT, Fate.REPEAT]
    assert first.answer == repeat.answer == later.answer == {"note": "a"}
    assert toy.taken() == ("a",)


@pytest.mark.parametrize("batched", [True, False])
async def test_a_key_reused_for_another_body_is_refused(batched: bool) -> None:
    toy = Toy()
    one, other = from_door("a", "key", "body a"), from_door("b", "key", "body b")

    outcomes = await toy.road.travel([one, other] if batched else [one])
    outcomes += [] if batched else await toy.road.travel([other])

    refusal = outcomes[1].refusal
    assert refusal is not None
    assert (refusal.code, refusal.status) == ("idempotency_key_reused", 422)
    assert toy.taken() == ("a",)


async def test_a_refused_request_may_be_sent_again() -> None:
    toy = Toy()

    assert await fates(toy, from_door("refused", "key")) == ["refused"]
    assert await fates(toy, from_door("better", "key")) == ["done"]


async def test_a_request_whose_event_would_be_too_large_is_refused_and_leaves_nothing() -> None:
    toy = Toy()
    large, fine = await toy.road.travel([from_door("large"), from_door("fine")])

    assert large.refusal is not None
    assert (large.refusal.code, large.refusal.status) == ("event_too_large", 413)
    assert fine.fate is Fate.DONE
    assert toy.taken() == ("fine",)
    assert [(row.sequence, row.caseseq) for row in toy.outlet.offered] == [(1, 1)]


# --- what cannot be handled


@pytest.mark.parametrize(
    ("note", "fate", "kind"),
    [("poison", "buried", "failed"), ("spoilt", "buried", "unreadable"), ("refused", "refused", "refused")],
)
async def test_a_bad_message_is_buried_and_the_rest_goes_on(note: str, fate: str, kind: str) -> None:
    toy = Toy()
    inputs = [from_log(1), from_log(2), from_log(3, note), from_log(4), from_log(5)]

    assert await fates(toy, *inputs) == ["done", "done", fate, "done", "done"]
    assert toy.buried() == [("w3", kind)]
    assert toy.taken() == ("n1", "n2", "n4", "n5")
    assert toy.store.tables.progress == {("whistles", 0): 5}
    assert toy.outlet.looks >= 1


@pytest.mark.parametrize("note", ["poison", "spoilt", "refused"])
async def test_a_bad_report_is_buried_once(note: str) -> None:
    toy = Toy()

    await fates(toy, report(note, 1))
    assert await fates(toy, report(note, 1), report(note, 2)) == ["repeat", "repeat"]
    assert len(toy.buried()) == 1


@pytest.mark.parametrize("note", ["poison", "spoilt"])
async def test_a_bad_command_fails_alone_and_is_not_buried(note: str) -> None:
    toy = Toy()

    assert await fates(toy, from_door("a"), from_door(note), from_door("b")) == ["done", "failed", "done"]
    assert toy.buried() == []
    assert toy.taken() == ("a", "b")


async def test_a_message_that_cannot_be_read_is_buried_under_its_sequence() -> None:
    toy = Toy()
    unreadable = Input(CASE, None, "w1", from_log(1).origin, letter=from_log(1).letter, unreadable="not JSON")

    assert await fates(toy, unreadable, from_log(2)) == ["buried", "done"]
    assert toy.store.tables.burials[0].reason == "not JSON"


async def test_a_case_whose_state_cannot_be_read_buries_its_messages() -> None:
    toy = Toy()
    toy.states.unreadable = True

    assert await fates(toy, from_log(1), from_log(2)) == ["buried", "buried"]


async def test_a_message_that_cannot_even_be_buried_fails_and_moves_nothing() -> None:
    class NoCemetery(MemoryStore):
        @asynccontextmanager
        async def transaction(self) -> AsyncIterator[MemoryTransaction]:
            async with super().transaction() as transaction:
                yield transaction
                if transaction.tables.burials:
                    raise ValueError("cannot be stored")

    toy = Toy(NoCemetery(lambda: NOW))

    assert await fates(toy, from_log(1, "poison"), from_log(2)) == ["failed", "ahead"]
    assert toy.store.tables.progress == {}


# --- dead letters


async def test_a_dead_letter_replayed_twice_has_one_effect() -> None:
    toy = Toy()
    await toy.road.travel([report("refused", 1)])
    mended = report("mended", 1, origin=FromDeadLetter(1))

    assert await fates(toy, mended, mended) == ["done", "repeat"]
    assert await fates(toy, mended) == ["repeat"]
    assert toy.taken() == ("mended",)


async def test_a_dead_letter_that_fails_again_stays_one() -> None:
    toy = Toy()
    await toy.road.travel([report("refused", 1)])

    assert await fates(toy, report("refused", 1, origin=FromDeadLetter(1))) == ["refused"]
    assert await fates(toy, report("poison", 1, origin=FromDeadLetter(1))) == ["failed"]
    assert len(toy.buried()) == 1
    assert await fates(toy, report("mended", 1, origin=FromDeadLetter(1))) == ["done"]


async def test_what_is_no_dead_letter_cannot_be_replayed() -> None:
    assert await fates(Toy(), report("a", 1, origin=FromDeadLetter(7))) == ["repeat"]


# --- faults of the store


class Faulty(MemoryStore):
    """Raises as often as told, before or after the commit."""

    def __init__(self, times: int, after_commit: bool) -> None:
        super().__init__(lambda: NOW)
        self._times = times
        self._after_commit = after_commit

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        fails, self._times = self._times > 0, self._times - 1
        async with super().transaction() as transaction:
            yield transaction
            if fails and not self._after_commit:
                raise Away("before the commit")
        if fails:
            raise Away("after the commit")


@pytest.mark.parametrize(("after_commit", "fate"), [(False, "done"), (True, "repeat")])
async def test_a_transient_fault_is_retried_until_it_passes(after_commit: bool, fate: str) -> None:
    toy = Toy(Faulty(times=1 if after_commit else 3, after_commit=after_commit))

    assert await fates(toy, from_log(1)) == [fate]
    assert await fates(toy, from_door("a")) == ["done"]
    assert toy.taken() == ("n1", "a")
    assert toy.outlet.looks == len(toy.slept) > 0


async def test_retries_wait_longer_each_time_up_to_two_seconds() -> None:
    toy = Toy(Faulty(times=20, after_commit=False))
    await toy.road.travel([from_log(1)])

    assert len(toy.slept) == 20
    assert toy.slept[0] <= 0.02
    assert all(1.0 <= seconds <= 2.0 for seconds in toy.slept[8:])


async def test_patience_ends() -> None:
    clock = iter(range(100))
    toy = Toy(Faulty(times=50, after_commit=False), monotonic=lambda: float(next(clock)))

    with pytest.raises(Unavailable):
        await toy.road.travel([from_door("a")], patience=4.0)
    assert len(toy.slept) == 3


# --- decisions


async def test_a_decision_without_facts_may_change_the_state_or_nothing() -> None:
    toy = Toy()
    toy.road._decide = lambda state, item, now: Decision(state=(*(state or ()), item.message.note))
    await toy.road.travel([from_log(1), from_log(2)])
    toy.road._decide = lambda state, item, now: Decision(note="not ours")
    [outcome] = await toy.road.travel([from_log(3)])

    assert (outcome.fate, outcome.note) == (Fate.DONE, "not ours")
    assert toy.taken() == ("n1", "n2")
    assert toy.outlet.offered == []
    assert toy.store.tables.progress == {("whistles", 0): 3}


async def test_nothing_to_do_is_done_at_once() -> None:
    assert await Toy().road.travel([]) == []
