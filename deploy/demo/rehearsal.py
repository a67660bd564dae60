"""Runs the loop once: feeds the doors, plays everybody, follows every case to its final stage."""

import asyncio
import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from deploy.demo.cast import Cast
from deploy.demo.doors import PATIENCE_SECONDS, Doors, Unanswered
from deploy.demo.files import as_csv, references
from deploy.demo.samples import Sample
from deploy.demo.tally import Tally
from shared.contracts import facts as f
from shared.contracts.envelope import Undecodable, decode
from shared.contracts.lifecycle import STAGES
from shared.contracts.topics import CASES, DEADLINES, FEEDBACK, HOTLINE_REPLIES, SURGES, WHISTLES
from shared.contracts.units import UnitTree
from shared.runtime.kafka import connection_options, give_up
from shared.runtime.settings import KafkaSettings

OF_UNITS = r"assignments\.[0-9A-Za-z-]+|reports\.[0-9A-Za-z-]+\.dlq"
"""What units read: their assignments, and what of their own reports was refused."""
LOGS = (WHISTLES, CASES, DEADLINES, FEEDBACK)
METADATA_SECONDS = 5
"""A broker that has only just come back may not name all its topics yet: so soon it is asked again."""
OPEN_CASES_TOLD = 5
AT_ONCE = 16
CSV_AT_ONCE = 50
SENT_WITHIN_SECONDS = 20.0


def _place_of(waits: Any) -> str:
    """Which action waits, and for which within it."""
    names = []
    while getattr(waits, "cr_frame", None) is not None:
        names.append(waits.__qualname__)
        waits = waits.cr_await
    return " > ".join(names)


class Sender:
    """Hands reports to Kafka until it takes them. Sent twice, a report counts once: it keeps its id."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._producer: Any = None
        self._changing = asyncio.Lock()

    async def send(self, topic: str, case_id: UUID, value: bytes) -> None:
        """Raises the last `KafkaError` or `TimeoutError` after 90 s."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_SECONDS
        while True:
            producer = await self._ready()
            try:
                async with asyncio.timeout(SENT_WITHIN_SECONDS):
                    await producer.send_and_wait(topic, value, key=str(case_id).encode())
                return
            except (KafkaError, TimeoutError):
                if loop.time() > until:
                    raise
                await self._give_up(producer)
                await asyncio.sleep(0.5)

    async def close(self) -> None:
        if self._producer is not None:
            await self._give_up(self._producer)

    async def _ready(self) -> Any:
        async with self._changing:
            while self._producer is None:
                producer = AIOKafkaProducer(**connection_options(self._kafka), request_timeout_ms=8000)
                try:
                    await producer.start()
                    self._producer = producer
                except KafkaError:
                    await producer.stop()
                    await asyncio.sleep(0.5)
            return self._producer

    async def _give_up(self, producer: Any) -> None:
        async with self._changing:
            if self._producer is not producer:
                return
            self._producer = None
            await give_up(producer)


@dataclass(slots=True)
class Rehearsal:
    """One run. `accepted_file` is the client's own ledger: a JSON line for each answer it got."""

    doors: Doors
    tree: UnitTree
    kafka: KafkaSettings
    accepted_file: Path
    per_second: float
    change: Callable[[Cast], Coroutine[Any, Any, None]] | None = None
    """What happens to the district meanwhile."""
    tally: Tally = field(default_factory=Tally)
    errors: list[str] = field(default_factory=list)
    feeding: bool = True
    cast: Cast | None = None
    """Those who play, once it runs."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _seen_ids: set[str] = field(default_factory=set)

    async def run(
        self, samples: Iterable[Sample] | None, csv_files: Iterable[bytes], drained: Callable[[Tally], bool]
    ) -> None:
        """Feed everything, then go on until `drained` says that every accepted case is final.

        Raises `Unanswered` where a door refused what it should have taken.
        """
        sender = Sender(self.kafka)
        self.cast = cast = Cast(self.doors, self.tree, sender.send, self.spawn, counted=self.tally.count)
        ready = asyncio.Event()
        watching = asyncio.create_task(self._watch(cast, ready))
        try:
            await self._until_ready(watching, ready)
            if self.change is not None:
                self.spawn(self.change(cast))
            await self._feed(samples, csv_files)
            self.feeding = False
            while not (drained(self.tally) and not self._tasks):
                if watching.done():
                    watching.result()
                if self.errors:
                    raise Unanswered("; ".join(self.errors[:3]))
                await asyncio.sleep(0.1)
        finally:
            watching.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(watching, *self._tasks, return_exceptions=True)
            await sender.close()

    async def _until_ready(self, watching: "asyncio.Task[None]", ready: asyncio.Event) -> None:
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({watching, waiting}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if watching.done():
            watching.result()
        if not ready.is_set():
            raise TimeoutError("the topics could not be read within 60 s; see kafka.log of the stack")

    def spawn(self, action: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(action)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.errors.append(repr(task.exception()))

    def explain(self) -> dict[str, Any]:
        """Why it does not end: how the first open cases stand, with what was tried for them, and who is waiting."""
        open_cases = [case_id for case_id, stage in self.tally.stages.items() if not STAGES[stage].final]
        return {
            "never_opened": self.tally.accepted - len(self.tally.stages),
            "open": len(open_cases),
            "cases": [self.cast.explain(case_id) for case_id in open_cases[:OPEN_CASES_TOLD]] if self.cast else [],
            "waiting": dict(Counter(_place_of(task.get_coro()) for task in self._tasks)),
        }

    # --- watching the topics

    async def _watch(self, cast: Cast, ready: asyncio.Event) -> None:
        """Read every topic from where it ends now; tell the cast whose turn it is."""
        consumer = AIOKafkaConsumer(
            **connection_options(self.kafka),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            metadata_max_age_ms=METADATA_SECONDS * 1000,
        )
        consumer.subscribe(pattern=f"^({'|'.join(map(re.escape, (*LOGS, HOTLINE_REPLIES, SURGES)))}|{OF_UNITS})$")
        await consumer.start()
        try:
            while not consumer.assignment():
                await asyncio.sleep(0.05)
            await consumer.seek_to_end()
            for at in consumer.assignment():
                await consumer.position(at)
            ready.set()
            while True:
                polled = await consumer.getmany(timeout_ms=200, max_records=2000)
                now = asyncio.get_running_loop().time()
                for at, records in polled.items():
                    for record in records:
                        with contextlib.suppress(Undecodable):  # what nobody can read is nobody's turn
                            self._hear(cast, at, record, now)
        finally:
            await consumer.stop()

    def _hear(self, cast: Cast, at: TopicPartition, record: Any, now: float) -> None:
        if at.topic.endswith(".dlq"):
            reason = dict(record.headers).get("reason", b"").decode(errors="replace")
            cast.on_refused_report(at.topic, record.value, reason)
        else:
            self._see(cast, at, record.value, now)

    def _see(self, cast: Cast, at: TopicPartition, value: bytes, now: float) -> None:
        envelope = decode(value)
        if at.topic in LOGS:
            if not self.tally.is_next(at.topic, at.partition, envelope.sequence):
                return
            self.tally.see(envelope, now)
            if at.topic == CASES:
                cast.on_case(envelope)
            elif at.topic == FEEDBACK:
                cast.audience.on_feedback(envelope)
        elif at.topic in (HOTLINE_REPLIES, SURGES):
            if envelope.id not in self._seen_ids:
                self._seen_ids.add(envelope.id)
                self.tally.see(envelope, now)
        else:
            if isinstance(envelope.fact, f.AssignmentCreated):
                self.tally.assigned_at.setdefault(envelope.subject, now)
            cast.on_assignment(envelope)

    # --- feeding the doors

    async def _feed(self, samples: Iterable[Sample] | None, csv_files: Iterable[bytes]) -> None:
        with self.accepted_file.open("w", encoding="utf-8") as ledger:
            for content in csv_files:
                await self._send_csv(content, ledger)
            if samples is not None:
                await self._send_samples(samples, ledger)

    async def _send_samples(self, samples: Iterable[Sample], ledger: Any) -> None:
        """At the asked pace, several at once; CSV rows gathered into files as a city's export would be."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        rows: list[Sample] = []
        waiting: set[asyncio.Task[None]] = set()
        for sent, sample in enumerate(samples):
            if sample.door == "hotline_csv":
                rows.append(sample)
                if len(rows) == CSV_AT_ONCE:
                    await self._send_csv(as_csv([row.body for row in rows]), ledger)
                    rows.clear()
            else:
                if len(waiting) >= AT_ONCE:
                    done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                waiting.add(asyncio.create_task(self._send_one(sample, sent, ledger)))
            ahead = started + (sent + 1) / self.per_second - loop.time()
            if ahead > 0:
                await asyncio.sleep(ahead)
        if rows:
            await self._send_csv(as_csv([row.body for row in rows]), ledger)
        for task in waiting:
            await task

    async def _send_one(self, sample: Sample, index: int, ledger: Any) -> None:
        """One whistle, order or push; every twentieth is sent twice, as the wild does."""
        service, path, who = self._door_of(sample)
        key = f"rehearsal-{id(self)}-{index}"
        before = asyncio.get_running_loop().time()
        told = await self.doors.post(service, path, who, sample.body, key=key)
        self._accepted(ledger, sample.door, told, key, before)
        if index % 20 == 7:
            again = await self.doors.post(service, path, who, sample.body, key=key)
            if again.get("repeat") and again["case_id"] == told["case_id"]:
                self.tally.branches["repeat_recognised"] += 1
            else:
                self.errors.append(f"sent twice, answered {told} and {again}")

    def _door_of(self, sample: Sample) -> tuple[str, str, dict[str, str]]:
        if sample.door == "whistle":
            return "intake", "/whistles", self.doors.staff(sample.unit or sample.region)
        if sample.door == "order":
            return "intake", "/orders", self.doors.resident(f"resident-of-{sample.region}")
        return "intake", "/hotline/orders", self.doors.hotline()

    def _accepted(self, ledger: Any, door: str, told: dict[str, Any], key: str, before: float) -> None:
        self.tally.accepted += 1
        if door == "hotline_json":
            self.tally.branches["hotline_json"] += 1
        if self.tally.first_accepted is None:
            self.tally.first_accepted = before
        self.tally.sent_at[UUID(told["case_id"])] = before
        self._write(ledger, door, told, key)

    async def _send_csv(self, content: bytes, ledger: Any) -> None:
        """A file of 12345's orders; what the report rejects is counted, what it accepts is written down."""
        if self.tally.first_accepted is None:
            self.tally.first_accepted = asyncio.get_running_loop().time()
        report = await self.doors.post("intake", "/hotline/orders/csv", self.doors.hotline(), content=content)
        taken = report["accepted"] + report["repeats"]
        self.tally.accepted += taken
        self.tally.branches["hotline_csv"] += taken
        self.tally.branches["bad_row_reported"] += report["rejected_count"]
        found = await self._receipts(references(content))
        if len(found) != taken:
            self.errors.append(f"a file's report says {taken} orders were taken, {len(found)} are known by number")
        for reference, told in found.items():
            self._write(ledger, "hotline_csv", told | {"source_ref": reference}, None)

    async def _receipts(self, wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What became of a file's orders, asked by their own numbers as 12345 would."""
        found: dict[str, dict[str, Any]] = {}

        async def ask(reference: str) -> None:
            path = f"/orders/by-ref/hotline_12345/{quote(reference, safe='')}"
            told = await self.doors.get("intake", path, self.doors.hotline())
            if told:
                found[reference] = told

        for start in range(0, len(wanted), AT_ONCE):
            await asyncio.gather(*map(ask, wanted[start : start + AT_ONCE]))
        return found

    def _write(self, ledger: Any, door: str, told: dict[str, Any], key: str | None) -> None:
        line = {
            "at": datetime.now(UTC).isoformat(),
            "door": door,
            "source": "hotline_12345" if door.startswith("hotline") else "",
            "source_ref": told.get("source_ref"),
            "idempotency_key": key,
            "case_id": told["case_id"],
            "number": told["number"],
            "status": "accepted",
        }
        ledger.write(json.dumps(line, ensure_ascii=False) + "\n")
        ledger.flush()
