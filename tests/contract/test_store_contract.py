"""What every store must do: one suite, run over the in-memory twin and over PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import BaseModel

from shared.runtime.decision import DoorKey, FromDoor, Input, Letter
from shared.runtime.log import GENESIS, Head, Row, after, next_row, verify_chain
from shared.runtime.memory import MemoryStates, MemoryStore
from shared.runtime.ports import Burial, Kept, States, Versioned
from shared.runtime.postgres import STORE_FAULTS, JsonStates, PostgresStore, open_pool, queries
from shared.runtime.relay import RelayStore
from tests.conftest import Database, empty_toys
from tests.integration.runtime.waiting import eventually, until_somebody_waits

SHARD, OTHER_SHARD = 1, 2
CASE = UUID(int=12 + SHARD)
START = Head(SHARD, 0, GENESIS, 0)


class Notes(BaseModel):
    """A toy service's state."""

    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """The store as one process has it, as another has it, and the states in it."""

    store: RelayStore
    another: RelayStore
    states: States[Notes]


@pytest.fixture(params=["memory", "postgres"])
def where(request: pytest.FixtureRequest) -> Database | None:
    """The database of the store, None for the one in memory."""
    return request.getfixturevalue("database") if request.param == "postgres" else None


@pytest.fixture
async def subject(where: Database | None) -> AsyncIterator[Subject]:
    if where is None:
        store = MemoryStore()
        yield Subject(store, store, MemoryStates[Notes]())
        return
    await empty_toys(where)
    url = where.url("alpha")
    async with AsyncExitStack() as closing:
        pools = [await open_pool(url, most=4) for _ in range(2)]
        for pool in pools:
            closing.push_async_callback(pool.close)
        one, another = (PostgresStore("alpha", pool, url) for pool in pools)
        yield Subject(one, another, JsonStates(Notes))


def rows(count: int, head: Head = START) -> list[Row]:
    made: list[Row] = []
    for number in range(1, count + 1):
        made.append(next_row(head, CASE, number, f'{{"event":{number}}}'.encode()))
        head = after(head, made[-1])
    return made


def burial(offset: int, reason: str = "poison") -> Burial:
    letter = Letter("reports.x", 0, offset, b"\x00\xff", (("h", b"\xff"),))
    return Burial(Input(CASE, None, f"id-{offset}", FromDoor(()), letter=letter), "failed", reason)


async def append(store: RelayStore, made: list[Row], published: int = 0) -> None:
    async with store.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        await transaction.write(made, [replace(after(START, made[-1]), published=published)])


async def head_of(store: RelayStore, shard: int = SHARD) -> Head:
    async with store.transaction() as transaction:
        heads: dict[int, Head] = await transaction.lock_heads([shard])
        return heads[shard]


class _No(Exception):
    pass


# --- transactions -------------------------------------------------------------------------------------


async def _write_everything(subject: Subject, transaction: Any) -> None:
    await transaction.lock_heads([SHARD])
    made = rows(2)
    await subject.states.save(transaction, {CASE: Versioned(Notes(notes=("a",)), 2)})
    remembered = [(DoorKey("http", "k"), Kept("f", {"number": "吹1"}))]
    await transaction.write(made, [after(START, made[-1])], {("whistles", SHARD): 7}, remembered)
    await transaction.bury([burial(1)])


async def _everything(subject: Subject) -> list[Any]:
    async with subject.another.transaction() as transaction:
        heads = await transaction.lock_heads([SHARD], ["whistles"])
        return [
            heads[SHARD].sequence,
            transaction.progress,
            await transaction.kept([DoorKey("http", "k")]),
            await transaction.replayable({1}),
            await subject.states.load(transaction, {CASE}),
            len(await subject.another.unpublished(SHARD, 0, 10)),
        ]


async def test_a_transaction_takes_effect_as_a_whole(subject: Subject) -> None:
    async with subject.store.transaction() as transaction:
        await _write_everything(subject, transaction)

    assert await _everything(subject) == [
        2,
        {("whistles", SHARD): 7},
        {("http", "k"): Kept("f", {"number": "吹1"})},
        {1},
        {CASE: Versioned(Notes(notes=("a",)), 2)},
        2,
    ]


async def test_a_transaction_that_fails_leaves_nothing(subject: Subject) -> None:
    with suppress(_No):
        async with subject.store.transaction() as transaction:
            await _write_everything(subject, transaction)
            raise _No

    assert await _everything(subject) == [0, {("whistles", SHARD): 0}, {}, set(), {}, 0]


async def test_nobody_sees_a_transaction_before_it_commits(subject: Subject) -> None:
    async with subject.store.transaction() as transaction:
        await _write_everything(subject, transaction)

        assert await subject.another.unpublished(SHARD, 0, 10) == []
        assert await subject.another.unpublished_letters(10) == []


async def somebody_waits(store: RelayStore) -> None:
    """Until a transaction waits for another's lock; in memory it does as soon as it has its turn."""
    if isinstance(store, PostgresStore):
        await until_somebody_waits(store.pool)
    else:
        await asyncio.sleep(0)


async def test_who_locks_a_head_second_waits_and_sees_what_the_first_wrote(subject: Subject) -> None:
    order: list[str] = []
    locked = asyncio.Event()

    async def first() -> None:
        async with subject.store.transaction() as transaction:
            await transaction.lock_heads([SHARD])
            locked.set()
            made = rows(1)
            await somebody_waits(subject.store)
            await transaction.write(made, [after(START, made[-1])], {("whistles", SHARD): 1})
            order.append("first wrote")

    async def second() -> tuple[int, Mapping[tuple[str, int], int]]:
        await locked.wait()
        async with subject.another.transaction() as transaction:
            heads = await transaction.lock_heads([SHARD], ["whistles"])
            order.append("second locked")
            return heads[SHARD].sequence, transaction.progress

    _, seen = await asyncio.gather(first(), second())

    assert order == ["first wrote", "second locked"]
    assert seen == (1, {("whistles", SHARD): 1})


async def test_the_time_is_utc_and_does_not_go_back(subject: Subject) -> None:
    times = []
    for store in (subject.store, subject.another):
        async with store.transaction() as transaction:
            await transaction.lock_heads([SHARD])
            times.append(transaction.now)

    assert [time.utcoffset() for time in times] == [timedelta(0)] * 2
    assert times == sorted(times)
    assert times[0].tzinfo is not None
    assert times[0].astimezone(UTC) == times[0]


async def test_only_the_heads_asked_for_are_locked(subject: Subject) -> None:
    async with subject.store.transaction() as transaction:
        assert await transaction.lock_heads([SHARD, OTHER_SHARD]) == {
            SHARD: START,
            OTHER_SHARD: replace(START, shard=OTHER_SHARD),
        }


# --- the log --------------------------------------------------------------------------------------------


async def test_rows_come_back_as_they_went_in_and_in_order(subject: Subject) -> None:
    made = rows(5)
    await append(subject.store, made)

    assert await subject.another.unpublished(SHARD, 0, 10) == made
    assert await subject.another.unpublished(SHARD, 2, 2) == made[2:4]
    assert await subject.another.unpublished(SHARD, 5, 10) == []
    assert await subject.another.unpublished(OTHER_SHARD, 0, 10) == []
    assert verify_chain(await subject.store.unpublished(SHARD, 0, 10), START, await head_of(subject.store)) == []


async def test_published_moves_forward_only(subject: Subject) -> None:
    first = rows(3)
    await append(subject.store, first, published=2)
    await subject.store.mark_published({SHARD: 1, OTHER_SHARD: 0})
    assert (await head_of(subject.store)).published == 2

    await subject.another.mark_published({SHARD: 3})
    assert (await head_of(subject.store)).published == 3
    assert (await head_of(subject.store, OTHER_SHARD)).published == 0


async def test_marking_waits_for_a_transaction_under_way(subject: Subject) -> None:
    await append(subject.store, rows(1))

    async def append_more() -> None:
        async with subject.store.transaction() as transaction:
            head = (await transaction.lock_heads([SHARD]))[SHARD]
            marking = asyncio.create_task(subject.another.mark_published({SHARD: 1}))
            await asyncio.sleep(0)
            row = next_row(head, CASE, 2, b"{}")
            await transaction.write([row], [after(head, row)])
        await marking

    await append_more()

    head = await head_of(subject.store)
    assert (head.sequence, head.published) == (2, 1)


# --- progress, door, dead letters --------------------------------------------------------------------------


async def test_progress_is_kept_by_log_and_shard(subject: Subject) -> None:
    async with subject.store.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        assert transaction.progress == {}
        await transaction.write(progress={("whistles", SHARD): 1, ("cases", SHARD): 5, ("cases", OTHER_SHARD): 6})
    async with subject.another.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        await transaction.write(progress={("cases", SHARD): 9})
    async with subject.store.transaction() as transaction:
        await transaction.lock_heads([SHARD, OTHER_SHARD], ["feedback", "cases"])
        assert transaction.progress == {
            ("feedback", SHARD): 0,
            ("feedback", OTHER_SHARD): 0,
            ("cases", SHARD): 9,
            ("cases", OTHER_SHARD): 6,
        }


@pytest.mark.parametrize("answer", [None, {}, {"number": "吹1", "nested": {"list": [1, None]}}], ids=repr)
async def test_the_door_remembers_what_it_answered(subject: Subject, answer: dict[str, Any] | None) -> None:
    known, unknown = DoorKey("http 张三", "key", keep=timedelta(days=1)), DoorKey("http", "key")
    async with subject.store.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        await transaction.write(
            kept=[(known, Kept("fingerprint", answer)), (replace(known, id="2"), Kept(None, answer))]
        )
    async with subject.another.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        found = await transaction.kept([known, replace(known, id="2"), unknown])

    assert found == {("http 张三", "key"): Kept("fingerprint", answer), ("http 张三", "2"): Kept(None, answer)}


async def test_of_two_that_remember_the_same_request_the_second_may_try_again(subject: Subject) -> None:
    async def keep(store: RelayStore, shard: int) -> Exception | None:
        try:
            async with store.transaction() as transaction:
                await transaction.lock_heads([shard])
                await transaction.write(kept=[(DoorKey("http", "same"), Kept(None, {"shard": shard}))])
        except Exception as error:  # noqa: BLE001 - which one is the question
            return error
        return None

    failures = await asyncio.gather(keep(subject.store, SHARD), keep(subject.another, OTHER_SHARD))

    refused = [error for error in failures if error is not None]
    assert len(refused) == 1
    assert subject.store.is_transient(refused[0])


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("no"), asyncpg.DataError("no")], ids=repr)
async def test_a_fault_of_the_input_is_not_transient(subject: Subject, error: Exception) -> None:
    assert not subject.store.is_transient(error)


async def test_a_message_is_buried_once(subject: Subject) -> None:
    for store, buried in ((subject.store, [burial(1), burial(2), burial(1)]), (subject.another, [burial(2)])):
        async with store.transaction() as transaction:
            await transaction.lock_heads([SHARD])
            await transaction.bury(buried)

    letters = await subject.another.unpublished_letters(10)
    assert [(letter.topic, letter.value, letter.reason, letter.key) for letter in letters] == [
        ("reports.x", b"\x00\xff", "poison", str(CASE).encode())
    ] * 2


async def test_published_letters_are_not_found_again(subject: Subject) -> None:
    async with subject.store.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        await transaction.bury([burial(number, f"reason {number}") for number in range(3)])
    letters = await subject.store.unpublished_letters(2)
    await subject.another.mark_letters_published([letters[0].number])

    assert [letter.reason for letter in letters] == ["reason 0", "reason 1"]
    assert [letter.reason for letter in await subject.store.unpublished_letters(10)] == ["reason 1", "reason 2"]


async def test_what_cannot_be_a_text_is_buried_all_the_same(subject: Subject) -> None:
    async with subject.store.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        strange = burial(1, "a NUL \0 and \U0001f600")
        await transaction.bury([replace(strange, input=replace(strange.input, id="\0" * 300))])

    assert len(await subject.store.unpublished_letters(10)) == 1


async def test_a_dead_letter_is_replayed_once(subject: Subject) -> None:
    async with subject.store.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        await transaction.bury([burial(1), burial(2)])
    numbers = {letter.number for letter in await subject.store.unpublished_letters(10)}
    first = min(numbers)
    async with subject.store.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        assert await transaction.replayable({*numbers, 999}) == numbers
        await transaction.mark_replayed({first})
    async with subject.another.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        assert await transaction.replayable(numbers) == numbers - {first}


# --- states ---------------------------------------------------------------------------------------------------


async def test_states_are_replaced_whole(subject: Subject) -> None:
    other = UUID(int=24 + SHARD)
    async with subject.store.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        await subject.states.save(transaction, {CASE: Versioned(Notes(notes=("a",)), 1), other: Versioned(None, 3)})
    async with subject.another.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        await subject.states.save(transaction, {CASE: Versioned(Notes(notes=("a", "吹哨")), 2)})
        found = await subject.states.load(transaction, {CASE, other, UUID(int=36)})

    assert found == {CASE: Versioned(Notes(notes=("a", "吹哨")), 2), other: Versioned(None, 3)}


# --- ownership --------------------------------------------------------------------------------------------------


def _ignore() -> None:
    pass


async def test_one_process_holds_a_shard_until_it_lets_go(subject: Subject) -> None:
    await append(subject.store, rows(3), published=2)
    async with subject.store.ownership(_ignore) as one, subject.another.ownership(_ignore) as another:
        head = await one.claim(SHARD)
        assert head is not None
        assert (head.sequence, head.published) == (3, 2)
        assert await another.claim(SHARD) is None
        assert await another.claim(OTHER_SHARD) is not None

        await one.release(SHARD)
        assert await another.claim(SHARD) is not None
        assert await one.claim(SHARD) is None


async def test_shards_are_free_when_their_holder_is_gone(subject: Subject) -> None:
    async with subject.another.ownership(_ignore) as another:
        async with subject.store.ownership(_ignore) as one:
            await one.heartbeat()
            assert await one.claim(SHARD) is not None

        async def taken_over() -> bool:
            return await another.claim(SHARD) is not None

        await eventually(taken_over, "the takeover", within=5)


async def test_listeners_are_told_after_the_commit_and_only_then(subject: Subject) -> None:
    told = asyncio.Event()
    async with subject.another.ownership(told.set) as ownership:
        with suppress(_No):
            async with subject.store.transaction() as transaction:
                await transaction.lock_heads([SHARD])
                await transaction.notify([SHARD])
                raise _No
        await ownership.heartbeat()  # a notification would have come with the answer
        assert not told.is_set()

        async with subject.store.transaction() as transaction:
            await transaction.lock_heads([SHARD])
            await transaction.notify([SHARD])
            await ownership.heartbeat()
            assert not told.is_set()
        await asyncio.wait_for(told.wait(), 5)


# --- PostgreSQL alone ----------------------------------------------------------------------------------------------


@pytest.fixture
async def postgres(database: Database) -> AsyncIterator[PostgresStore]:
    await empty_toys(database)
    url = database.url("alpha")
    pool = await open_pool(url, most=4)
    yield PostgresStore("alpha", pool, url)
    await pool.close()


async def test_batches_of_different_shards_do_not_wait_for_each_other(postgres: PostgresStore) -> None:
    async with postgres.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        assert (await asyncio.wait_for(head_of(postgres, OTHER_SHARD), 5)).sequence == 0


async def test_requests_are_forgotten_when_their_time_is_over(postgres: PostgresStore) -> None:
    keys = [DoorKey("s", "over", keep=timedelta(seconds=-1)), DoorKey("s", "new", keep=timedelta(days=1))]
    async with postgres.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        await transaction.write(kept=[(key, Kept(None, None)) for key in (*keys, DoorKey("s", "for ever"))])
    async with postgres.pool.acquire() as connection:
        await queries.forget_kept(connection)
    async with postgres.transaction() as transaction:
        await transaction.lock_heads([SHARD])
        found = await transaction.kept([*keys, DoorKey("s", "for ever")])

    assert set(found) == {("s", "new"), ("s", "for ever")}


async def test_a_service_can_neither_change_nor_delete_its_log(postgres: PostgresStore) -> None:
    await append(postgres, rows(1))
    async with postgres.pool.acquire() as connection:
        for statement in ("update log set caseseq = 9", "delete from log", "truncate log"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_a_case_s_history_comes_in_order(postgres: PostgresStore) -> None:
    made = rows(3)
    await append(postgres, made)

    assert await postgres.history(CASE) == made
    assert await postgres.history(UUID(int=0)) == []


async def test_a_session_that_is_silent_too_long_loses_its_shards(postgres: PostgresStore) -> None:
    async with postgres.ownership(_ignore) as silent, postgres.ownership(_ignore) as waiting:
        assert await silent.claim(SHARD) is not None

        async def taken_over() -> bool:
            return await waiting.claim(SHARD) is not None

        await eventually(taken_over, "the takeover", within=15)
        with pytest.raises(STORE_FAULTS) as lost:
            await silent.heartbeat()
        assert postgres.is_transient(lost.value)
