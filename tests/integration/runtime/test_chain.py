"""Two toy services chained over real topics, and what a restart, a crash and a loss leave of them."""

import asyncio
import itertools
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import psutil
import pytest

from deploy.local.stack import LocalStack
from shared.contracts.envelope import MAXIMUM_BYTES
from shared.contracts.facts import ReportProgressed
from shared.contracts.topics import SHARDS, dead_letter_topic
from shared.runtime.decision import Fate
from shared.runtime.road import Unavailable
from tests.integration.runtime.toys import District, Toy, ask, case, report, report_bytes
from tests.integration.runtime.waiting import eventually

LEAST_A_SECOND = 200
"""Whole hops a second on a slow, busy machine: a sanity check, no benchmark."""


async def submit(alpha: Toy, notes: Sequence[str], batch: int = 100) -> None:
    """Ask until each is answered, as a client with idempotency keys does."""
    for start in range(0, len(notes), batch):
        inputs = [ask(note, case(number)) for number, note in enumerate(notes[start : start + batch], start)]
        while True:
            try:
                outcomes = await alpha.road.travel(inputs, patience=0.5)
                break
            except Unavailable:
                continue
        assert {outcome.fate for outcome in outcomes} <= {Fate.DONE, Fate.REPEAT}


async def settled(alpha: Toy, beta: Toy, district: District) -> bool:
    return await alpha.all_published() and await beta.has_read(alpha, district.alpha_log)


async def check(alpha: Toy, beta: Toy, notes: Sequence[str]) -> None:
    for toy in (alpha, beta):
        assert await toy.notes() == Counter(notes)
        await toy.check_chain()


@pytest.fixture
async def chain(district: District) -> AsyncIterator[tuple[Toy, Toy]]:
    async with district.start("alpha") as alpha, district.start("beta") as beta:
        yield alpha, beta


async def test_everything_asked_for_arrives_once_and_fast_enough(district: District, chain: tuple[Toy, Toy]) -> None:
    alpha, beta = chain
    notes = [f"note {number}" for number in range(3_000)]

    started = time.monotonic()
    await submit(alpha, notes)
    await eventually(lambda: settled(alpha, beta, district), "the end of the log")
    elapsed = time.monotonic() - started

    await check(alpha, beta, notes)
    assert len(notes) / elapsed > LEAST_A_SECOND
    published = await district.read(district.alpha_log)
    assert len(published) == len(notes)


async def test_a_crash_of_both_and_a_republish_have_no_second_effect(district: District) -> None:
    notes = [f"note {number}" for number in range(300)]
    async with district.start("alpha") as alpha, district.start("beta") as beta:
        await submit(alpha, notes[:200], batch=20)
        await beta.crash()
        await alpha.crash()

    async with district.start("alpha") as alpha, district.start("beta") as beta:
        await submit(alpha, notes[150:])
        assert sum([await alpha.relay.republish(shard, 1) for shard in range(SHARDS)]) == len(notes)
        await eventually(lambda: settled(alpha, beta, district), "the end of the log")
        await alpha.stop()
        await beta.stop()

        await check(alpha, beta, notes)
        assert len(await district.read(district.alpha_log)) > len(notes)


async def test_stopping_in_order_leaves_nothing_to_do(district: District) -> None:
    notes = [f"note {number}" for number in range(50)]
    async with district.start("alpha") as alpha:
        await submit(alpha, notes)
        await alpha.stop()

        assert await alpha.all_published()
        assert len(await district.read(district.alpha_log)) == len(notes)


@pytest.mark.parametrize("engine", ["kafka", "postgresql"])
async def test_an_engine_dies_and_comes_back(
    engine: str, stack: LocalStack, district: District, chain: tuple[Toy, Toy]
) -> None:
    alpha, beta = chain
    notes = [f"note {number}" for number in range(400)]
    await submit(alpha, notes[:100], batch=20)

    # For PostgreSQL, SIGQUIT is the immediate shutdown: as a crash, but it ends its children too.
    stack.kill(engine, signal.SIGKILL if engine == "kafka" else signal.SIGQUIT)
    restarting = asyncio.create_task(asyncio.to_thread(stack.start_engines))
    await submit(alpha, notes[100:], batch=20)
    await restarting

    await eventually(lambda: settled(alpha, beta, district), "the end of the log", within=60)
    await check(alpha, beta, notes)


async def test_what_cannot_be_handled_is_a_dead_letter_and_the_partition_goes_on(
    district: District, chain: tuple[Toy, Toy]
) -> None:
    _, beta = chain
    bad = [
        b"\xff\x00 not JSON",
        report_bytes("fine", case(1)).replace(b'"note":"fine"', b'"note":""'),
        report_bytes("fine", case(1)).replace(b"report.progressed.v1", b"report.progressed.v9"),
        report_bytes("fine", case(1)).replace(b"fine", b"\\u0000"),
        report_bytes("a poison", case(2)),
        report_bytes("refused", case(2)),
        report_bytes("too large", case(3)).ljust(MAXIMUM_BYTES * 3),
    ]
    await district.send(district.reports, [*bad, report_bytes("good", case(2))])
    binary = report("binary", case(3))
    attributes = {
        "specversion": "1.0",
        "id": binary.id,
        "source": binary.source,
        "type": ReportProgressed.type_name(),
        "subject": str(binary.subject),
        "time": binary.time.isoformat(),
    }
    await district.send(
        district.reports,
        [binary.fact.model_dump_json().encode()] * 2,
        [(f"ce_{name}", value.encode()) for name, value in attributes.items()],
    )

    async def handled() -> bool:
        return await beta.notes() == {"good": 1, "binary": 1}

    await eventually(handled, "the good reports")
    dead_letters = dead_letter_topic(district.reports)

    async def buried() -> bool:
        return len(await district.read(dead_letters)) == len(bad)

    await eventually(buried, "the dead letters on their topic")
    records = await district.read(dead_letters)
    assert [record.value for record in records] == [value[:MAXIMUM_BYTES] for value in bad]
    reasons = [dict(record.headers)["reason"].decode() for record in records]
    expected = ["not JSON", "data.note", "v9", "NUL", "poison", "no: no", "786432 bytes"]
    assert [part for part, reason in zip(expected, reasons, strict=True) if part not in reason] == []


async def test_a_message_lost_from_the_topic_is_reported_and_republished(district: District) -> None:
    shard = 5
    notes = [f"note {number}" for number in range(10)]
    async with district.start("alpha") as alpha:
        outcomes = await alpha.road.travel([ask(note, case(1, shard)) for note in notes])
        assert {outcome.fate for outcome in outcomes} == {Fate.DONE}
        await eventually(alpha.all_published, "publishing")
        await district.delete_records(district.alpha_log, shard, 3)

        async with district.start("beta") as beta:
            assert beta.consumer is not None
            gaps = beta.consumer.gaps
            await eventually(lambda: bool(gaps.open), "the alarm")
            assert gaps.open == {(district.alpha_log, shard): f"{district.alpha_log}/{shard}: expected 1, found 10"}
            assert await beta.notes() == {}

            assert await alpha.relay.republish(shard, 1) == len(notes)

            await eventually(lambda: settled(alpha, beta, district), "the end of the log")
            assert gaps.open == {}
            await check(alpha, beta, notes)


async def test_two_workers_share_the_partitions(district: District) -> None:
    notes = (f"note {number}" for number in itertools.count())
    asked = list(itertools.islice(notes, 300))
    async with AsyncExitStack() as running:
        alpha = await running.enter_async_context(district.start("alpha"))
        one = await running.enter_async_context(district.start("beta"))
        assert one.consumer is not None
        first = one.consumer
        await submit(alpha, asked, batch=20)

        async with district.start("beta") as other:
            assert other.consumer is not None
            second = other.consumer
            whole = SHARDS + 1  # and the reports
            await eventually(
                lambda: first.assigned + second.assigned == whole and min(first.assigned, second.assigned) > 0,
                "sharing the partitions",
            )
            more = list(itertools.islice(notes, 300))
            await submit(alpha, more, batch=20)
            await eventually(lambda: settled(alpha, one, district), "the end of the log")
            await other.stop()

        last = list(itertools.islice(notes, 100))
        await submit(alpha, last, batch=20)
        await eventually(lambda: first.assigned == whole, "taking over the partitions")
        await eventually(lambda: settled(alpha, one, district), "the end of the log")
        await eventually(one.all_published, "publishing by the worker that is left")
        await check(alpha, one, asked + more + last)


async def test_a_relay_that_was_stopped_and_wakes_up_does_no_harm(district: District) -> None:
    notes = [f"note {number}" for number in range(80)]
    async with district.start("alpha", relays=()) as alpha, district.start("beta") as beta:
        await submit(alpha, notes[:40])
        stopping = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.integration.runtime.stopping_relay"),
            *(district.database.url("alpha"), district.kafka.bootstrap, alpha.name, district.alpha_log),
        )
        try:
            process = psutil.Process(stopping.pid)
            await eventually(lambda: process.status() == psutil.STATUS_STOPPED, "the relay's stop", within=60)
            assert await district.read(district.alpha_log) == []

            alpha.relay.want(range(SHARDS))
            await submit(alpha, notes[40:])
            await eventually(lambda: settled(alpha, beta, district), "the takeover")
            assert len(await district.read(district.alpha_log)) == len(notes)

            process.send_signal(signal.SIGCONT)

            async def repeated() -> bool:
                return len(await district.read(district.alpha_log)) >= len(notes) + 40

            await eventually(repeated, "what the relay had in hand")
        finally:
            process.kill()
            await stopping.wait()
        await eventually(lambda: settled(alpha, beta, district), "the end of the log")
        assert beta.consumer is not None
        assert beta.consumer.gaps.open == {}
        await check(alpha, beta, notes)
