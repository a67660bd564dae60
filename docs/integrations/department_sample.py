"""A department's end of chuishao, complete: reads `assignments.<unit>`, answers on `reports.<unit>`.

    pip install aiokafka
    KAFKA=127.0.0.1:9092 UNIT=util-water python department_sample.py

Every assignment is signed in to, worked on (put your own system's work into `Desk.work`) and reported done. The
contract, the refusals and how to try it: department.md beside this file.
"""

import asyncio
import json
import logging
import os
import signal
import sqlite3
import ssl
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

log = logging.getLogger("department")

Event = dict[str, Any]


CREATED = "cn.chuishao.assignment.created.v1"
TIMED = "cn.chuishao.assignment.timed.v1"


class Handled:
    """What has had its effect here, on disk: what is in it counts as done."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path)
        self._database.execute("create table if not exists handled (id text primary key, at text not null)")

    def __contains__(self, key: str) -> bool:
        found = self._database.execute("select 1 from handled where id = ?", (key,))
        return found.fetchone() is not None

    def add(self, key: str) -> None:
        with self._database:
            self._database.execute("insert or ignore into handled values (?, ?)", (key, _now()))

    def close(self) -> None:
        self._database.close()


class Desk:
    """What the unit does with what it is told. Put your own system's work here."""

    def __init__(self, unit: str) -> None:
        self.unit = unit

    def answers(self, event: Event) -> list[Event]:
        """The reports that follow from one event, in order."""
        kind, told = event["type"], event["data"]
        if kind == CREATED:
            log.info("%s %s: %s", told["number"], told["role"], told["matter"]["title"])
            note, result = self.work(told)
            return [
                self.report(event, "signed_in", {}),
                self.report(event, "progressed", {"note": note, "contacted": True}),
                self.report(event, "done", {"result": result, "evidence": []}),
            ]
        if kind == TIMED:
            for limit in told["limits"]:
                log.info("%s %s %s", told["number"], limit["obligation"], by_when(limit))
            return []
        # released, kept, overdue, closed, and kinds that later releases add: take note, answer nothing.
        log.info("%s %s", told.get("number"), kind)
        return []

    def work(self, told: Event) -> tuple[str, str]:
        """Do it, and say how it stands and what came out. In life, days may lie between these reports."""
        return "已联系反映人，安排上门", f"已处理：{told['matter']['title']}"

    def report(self, event: Event, what: str, data: Event) -> Event:
        """A report about the event's case. Its id follows from what it answers, so a repeat carries the same one."""
        kind = f"cn.chuishao.report.{what}.v1"
        return {
            "specversion": "1.0",
            "id": str(uuid5(NAMESPACE_URL, f"{counts_once_as(event)}/{kind}")),
            "source": f"/units/{self.unit}",
            "type": kind,
            "subject": event["subject"],
            "time": _now(),
            "datacontenttype": "application/json",
            "data": data,
        }


class Department:
    """Reads, answers, remembers, and only then moves on: at least once on the wire, once in effect."""

    def __init__(self, desk: Desk, handled: Handled, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
        self._desk = desk
        self._handled = handled
        self._consumer = consumer
        self._producer = producer
        self._assignments = f"assignments.{desk.unit}"
        self._reports = f"reports.{desk.unit}"
        self.stopping = False

    async def run(self) -> None:
        self._consumer.subscribe([self._assignments, f"{self._reports}.dlq"])
        while not self.stopping:
            polled = await self._consumer.getmany(timeout_ms=500, max_records=100)
            for records in polled.values():
                for record in records:
                    await self.take(record)
            if polled:
                await self._consumer.commit()  # last: a crash before it means repeats, never a loss

    async def take(self, record: Any) -> None:
        if record.topic != self._assignments:
            _say_refusal(record)
            return
        event = json.loads(record.value)
        key = counts_once_as(event)
        if key in self._handled:
            log.info("known already: %s", event["data"])
            return
        for report in self._desk.answers(event):
            value = json.dumps(report, ensure_ascii=False).encode()
            await self._producer.send_and_wait(self._reports, value, key=report["subject"].encode())
        self._handled.add(key)  # after the reports are safe; a crash in between repeats them under their ids


def by_when(limit: Event) -> str:
    """In words: until when it is owed, in local time; what stands still has no such time until it goes on."""
    if limit["due_at"] is None:
        return f"stands still, {limit['left']:.0f} s left"
    due = datetime.fromisoformat(limit["due_at"]).astimezone().isoformat(timespec="minutes")
    return f"by {due}" + (" (provisional)" if limit["provisional"] else "")


def counts_once_as(event: Event) -> str:
    """What an event is known by. An assignment is one piece of work however often it is told: when its part changes
    (another role, final now) it comes again, as another event with the same `assignment_id`."""
    known_by = event["data"]["assignment_id"] if event["type"] == CREATED else event["id"]
    return str(known_by)


def _say_refusal(record: Any) -> None:
    """One of our own reports was refused: it comes back as it was, with the reason in a header."""
    reason = dict(record.headers).get("reason", b"").decode()
    log.warning("refused: %s | %s", reason, (record.value or b"").decode("utf-8", "replace"))


def _now() -> str:
    return datetime.now(UTC).isoformat()


def connection(environment: "os._Environ[str] | dict[str, str]") -> dict[str, Any]:
    """How to reach Kafka: `KAFKA`, and where the operator has given you a login, `KAFKA_USER` and `KAFKA_PASSWORD`
    (SCRAM-SHA-256 over TLS; `KAFKA_CA` = the authority's PEM file, the system's where it is left out)."""
    options: dict[str, Any] = {"bootstrap_servers": environment.get("KAFKA", "127.0.0.1:9092")}
    if environment.get("KAFKA_USER"):
        options |= {
            "security_protocol": "SASL_SSL",
            "ssl_context": ssl.create_default_context(cafile=environment.get("KAFKA_CA")),
            "sasl_mechanism": "SCRAM-SHA-256",
            "sasl_plain_username": environment["KAFKA_USER"],
            "sasl_plain_password": environment["KAFKA_PASSWORD"],
        }
    return options


async def main(environment: "os._Environ[str] | dict[str, str]") -> None:
    unit = environment["UNIT"]
    handled = Handled(environment.get("HANDLED", f"handled-{unit}.sqlite"))
    options = connection(environment)
    consumer = AIOKafkaConsumer(
        **options, group_id=f"unit.{unit}", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(**options, enable_idempotence=True, acks="all")
    department = Department(Desk(unit), handled, consumer, producer)

    def stop() -> None:
        department.stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await producer.start()
        await consumer.start()
        await department.run()
    finally:
        await consumer.stop()
        await producer.stop()
        handled.close()


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
    asyncio.run(main(os.environ))
