"""One service of the bare pipeline, as a process: consume, one transaction for a batch, publish. It decides nothing.

The statements are the road's own, in the same order; the batch is whatever has arrived. Its part of the script comes
on standard input; it says `ready` when it reads, and runs until it is terminated.
"""

import asyncio
import heapq
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.bench.bare_script import DOORS, REPORTS, TIMER, Part, Reaction, Trigger, read
from deploy.bench.load import type_of
from shared.contracts import facts as f
from shared.contracts.envelope import CONTENT_TYPE, MAXIMUM_BYTES
from shared.contracts.topics import SHARDS, assignments_topic, reports_topic, shard_of
from shared.runtime.kafka import POLL_MS, partitions_of, poll
from shared.runtime.log import Head, Row, after, next_row
from shared.runtime.postgres import PostgresStore, PostgresTransaction, each, prepare
from shared.runtime.postgres import queries as road

REPORT_STEPS = {
    f.ReportSignedIn.NAME.encode(): 1,
    f.ReportProgressed.NAME.encode(): 2,
    f.ReportDone.NAME.encode(): 3,
}
ASSIGNMENTS = "assignments."
STEP = "step"


@dataclass(frozen=True, slots=True)
class Taken:
    """One message: its case, what triggered it, and its sequence where it came from a log."""

    case_id: UUID
    trigger: Trigger
    log: str = ""
    sequence: int = 0


class BareService:
    def __init__(self, part: Part, pool: asyncpg.Pool, units: Sequence[str], archive_seconds: float) -> None:
        self._part = part
        self._store = PostgresStore(part.service, pool, "")
        self._units = units
        self._archive_seconds = archive_seconds
        self._published = dict.fromkeys(range(SHARDS), 0)
        self._to_publish: asyncio.Queue[list[tuple[Row, Sequence[tuple[str, bytes]]]]] = asyncio.Queue()
        self._timers: list[tuple[float, UUID]] = []
        self._item = 0

    async def run(self, consumer: Any) -> None:
        while True:
            polled = await poll(consumer, self._patience_ms())
            taken = [_taken(record) for records in polled.values() for record in records]
            now = time.monotonic()
            due = []
            while self._timers and self._timers[0][0] <= now:
                due.append(Taken(heapq.heappop(self._timers)[1], (TIMER, 1)))
            for batch in (taken, due):
                if batch:
                    await self._travel(batch)

    def _patience_ms(self) -> int:
        if not self._timers:
            return POLL_MS
        return max(0, min(POLL_MS, round((self._timers[0][0] - time.monotonic()) * 1000)))

    async def _travel(self, batch: Sequence[Taken]) -> None:
        """The road's transaction without its decisions."""
        cases = list({one.case_id for one in batch})
        async with self._store.transaction() as transaction:
            shards = sorted({shard_of(case_id) for case_id in cases})
            heads = await transaction.lock_heads(shards, sorted({one.log for one in batch if one.log}))
            done = dict(transaction.progress)
            found = each(road.load_states(transaction.connection, case_ids=cases))
            caseseqs = {one["case_id"]: one["caseseq"] async for one in found}
            rows, saved = self._react(batch, heads, done, caseseqs)
            await self._save(transaction, batch, rows, heads, done, saved)
        if rows:
            self._to_publish.put_nowait(rows)

    def _react(
        self,
        batch: Sequence[Taken],
        heads: dict[int, Head],
        done: dict[tuple[str, int], int],
        caseseqs: dict[UUID, int],
    ) -> tuple[list[tuple[Row, Sequence[tuple[str, bytes]]]], dict[UUID, int]]:
        """The rows that follow, with what outsiders are told by each; and the cases whose state is saved."""
        rows: list[tuple[Row, Sequence[tuple[str, bytes]]]] = []
        saved: dict[UUID, int] = {}
        for one in batch:
            shard = shard_of(one.case_id)
            if one.log:
                done[one.log, shard] = one.sequence
            reaction = self._part.reactions.get(one.trigger)
            if reaction is None:
                continue
            outside = reaction.outside
            for caseseq, event in reaction.rows:
                row = next_row(heads[shard], one.case_id, caseseq, event)
                heads[shard] = after(heads[shard], row)
                rows.append((row, outside))
                outside = ()
                caseseqs[one.case_id] = caseseq
            if reaction.saves:
                saved[one.case_id] = caseseqs.get(one.case_id, 0)
            if one.trigger == self._part.timer:
                heapq.heappush(self._timers, (time.monotonic() + self._archive_seconds, one.case_id))
        return rows, saved

    async def _save(
        self,
        transaction: PostgresTransaction,
        batch: Sequence[Taken],
        rows: Sequence[tuple[Row, Any]],
        heads: Mapping[int, Head],
        done: Mapping[tuple[str, int], int],
        saved: Mapping[UUID, int],
    ) -> None:
        if saved:
            told = {"case_ids": list(saved), "caseseqs": list(saved.values())}
            await road.save_states(transaction.connection, **told, states=[self._part.state] * len(saved))
        await self._write_others(transaction.connection, batch)
        moved = [replace(head, published=self._published[shard]) for shard, head in heads.items()] if rows else []
        if moved or done:
            await transaction.write([row for row, _ in rows], moved, done)

    async def _write_others(self, connection: Any, batch: Sequence[Taken]) -> None:
        """Rows that stand for all that ours keeps beside its log and its states."""
        reactions = [(one.case_id, self._part.reactions.get(one.trigger, NOTHING)) for one in batch]
        inserted = [case_id for case_id, one in reactions for _ in range(one.inserts)]
        if inserted:
            first, self._item = self._item, self._item + len(inserted)
            numbers = list(range(first, self._item))
            await connection.execute(_INSERT, inserted, numbers, b"." * self._part.body_bytes)
        changed = {case_id: one.updates for case_id, one in reactions if one.updates}
        if changed:
            await connection.execute(_UPDATE, list(changed), list(changed.values()))
        gone = {case_id: one.deletes for case_id, one in reactions if one.deletes}
        if gone:
            await connection.execute(_DELETE, list(gone), list(gone.values()))

    async def publish(self, producer: Any) -> None:
        """In order, whatever has been appended since the last round."""
        while True:
            rows = await self._to_publish.get()
            while not self._to_publish.empty():
                rows += self._to_publish.get_nowait()
            sent = []
            for row, outside in rows:
                case = str(row.case_id).encode()
                headers = [("content-type", CONTENT_TYPE.encode()), ("sequence", str(row.sequence).encode())]
                headers.append((STEP, str(row.caseseq).encode()))
                sent.append(await producer.send(self._part.topic, row.event, case, row.shard, headers=headers))
                for topic, value in outside:
                    where, partition = self._outsider(topic, row)
                    sent.append(await producer.send(where, value, case, partition, headers=headers[:1]))
            await asyncio.gather(*sent)
            for row, _ in rows:
                self._published[row.shard] = row.sequence

    def _outsider(self, topic: str, row: Row) -> tuple[str, int | None]:
        if topic.startswith(ASSIGNMENTS):
            return assignments_topic(self._units[row.case_id.int // SHARDS % len(self._units)]), None
        return topic, row.shard


NOTHING = Reaction()
_INSERT = """
insert into item (case_id, number, body)
select case_id, number, $3 from unnest($1::uuid[], $2::bigint[]) as new (case_id, number)
"""
_UPDATE = """
update item set body = body || ''::bytea from (
    select case_id, number from unnest($1::uuid[], $2::int[]) as wanted (case_id, most),
    lateral (
        select number from item as own where own.case_id = wanted.case_id order by 1 desc limit wanted.most
    ) as found
) as changed where item.case_id = changed.case_id and item.number = changed.number
"""
_DELETE = """
delete from item using (
    select case_id, number from unnest($1::uuid[], $2::int[]) as wanted (case_id, most),
    lateral (
        select number from item as own where own.case_id = wanted.case_id order by 1 limit wanted.most
    ) as found
) as gone where item.case_id = gone.case_id and item.number = gone.number
"""


def _taken(record: Any) -> Taken:
    case_id = UUID(record.key.decode())
    headers = dict(record.headers)
    if record.topic.startswith(f"{REPORTS}."):
        return Taken(case_id, (REPORTS, REPORT_STEPS[type_of(record.value)]))
    step = int(headers[STEP])
    if record.topic in DOORS.values():
        return Taken(case_id, (record.topic, step))
    return Taken(case_id, (record.topic, step), record.topic, int(headers["sequence"]))


async def serve(spec: Mapping[str, Any]) -> None:
    part = read(spec["part"])
    kafka = spec["kafka"]
    pool = await asyncpg.create_pool(
        spec["postgres"], min_size=2, max_size=4, server_settings={"search_path": spec["search_path"]}, init=prepare
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, fetch_max_wait_ms=100, max_partition_fetch_bytes=4 * MAXIMUM_BYTES
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka,
        enable_idempotence=True,
        acks="all",
        linger_ms=0,
        max_request_size=4 * MAXIMUM_BYTES,
    )
    await consumer.start()
    await producer.start()
    door = DOORS[part.service]
    doors = [reports_topic(unit) for unit in spec["units"]] if door == REPORTS else [door] if door != TIMER else []
    places = [
        TopicPartition(topic, number)
        for topic in (*part.reads, *doors)
        for number in range(SHARDS if topic == door else partitions_of(topic))
    ]
    consumer.assign(places)
    await consumer.seek_to_end()
    for place in places:
        await consumer.position(place)
    service = BareService(part, pool, spec["units"], spec["archive_seconds"])
    working = [asyncio.create_task(service.run(consumer)), asyncio.create_task(service.publish(producer))]
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: [task.cancel() for task in working])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    try:
        await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
        for task in working:
            if task.done() and not task.cancelled():
                task.result()
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await consumer.stop()
        await producer.stop()
        pool.terminate()


def main() -> None:
    uvloop.run(serve(orjson.loads(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
