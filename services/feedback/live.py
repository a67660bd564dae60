"""实时统计: windowed numbers per unit and category and surges, from the `cases` topic. With Faust; its own process.

Nothing here decides about a case, and nothing here is anywhere's only copy: it is all in `cases`, and is made again
from it where Faust's own topics are gone (docs/adr/0021). What is counted is counted once (`live_tables`); what is told
of a surge may be told again, then with the same id.

`cases` → where the case stands, the panes of its units and category; its traits, keyed by trait → is it a surge?
→ `surges`.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import faust
import orjson
import structlog
from aiokafka.errors import KafkaError
from faust import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.feedback import live_metrics as metrics
from services.feedback.live_settings import LiveSettings
from services.feedback.live_tables import DAY, HOUR, Tables, count_one, numbers, over, show, trait_key, watch_one
from services.feedback.live_topics import DAYS_KEPT, HOURS_KEPT, prepare, sightings_topic
from services.feedback.live_values import sighting_document
from shared.contracts.envelope import Envelope, Undecodable, decode, encode
from shared.contracts.topics import CASES, SHARDS, SURGES
from shared.runtime import logging
from shared.runtime.kafka import connection_options
from shared.runtime.metrics import tell_build
from shared.runtime.service import release
from shared.runtime.settings import KafkaSettings

logger = structlog.get_logger(__name__)

NAME = "live"
LOOK_SECONDS = 5.0
SESSION_SECONDS = 9.0
"""For so long a process that was killed is waited for: it is the only one of its group."""
FRESH = timedelta(minutes=5)
STALLED_SECONDS = 30.0


class Stalled(Exception):
    """Faust reads nothing although there is something: the process ends, and is started afresh."""


@dataclass(slots=True)
class Reading:
    """When the last event was counted, how old it was then, and since when some wait. By the monotonic clock."""

    counted: float = 0.0
    age: timedelta = timedelta(0)
    waited_for: float | None = None

    def note(self, stated: datetime) -> None:
        self.counted = time.monotonic()
        self.age = datetime.now(UTC) - stated
        self.waited_for = None

    def wait(self, unread: int) -> None:
        """So many events wait at the broker. Raises `Stalled` where some wait for half a minute and none is read."""
        if not unread:
            self.waited_for = None
        elif self.waited_for is None:
            self.waited_for = time.monotonic()
        elif time.monotonic() - self.waited_for > STALLED_SECONDS:
            raise Stalled(f"{unread} events wait and none is read")

    @property
    def is_fresh(self) -> bool:
        """Whether what is counted happened just now, or nothing comes at all: no past is being read."""
        return self.age < FRESH or time.monotonic() - self.counted > LOOK_SECONDS


def make_app(settings: LiveSettings, kafka: KafkaSettings) -> faust.App:
    """The statistics as a Faust app: two agents, four tables, a door."""
    app = faust.App(
        settings.live_app,
        broker=[f"kafka://{host}" for host in kafka.bootstrap.split(",")],
        broker_credentials=_credentials(kafka),
        datadir=str(settings.live_folder),
        store="memory://",
        topic_disable_leader=True,
        topic_partitions=SHARDS,
        topic_replication_factor=settings.live_topic_replication,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=SESSION_SECONDS / 3,
        web_host=settings.http_host,
        web_bind=settings.http_host,
        web_port=settings.http_port,
    )
    _wire(app, settings)
    return app


def _wire(app: Any, settings: LiveSettings) -> None:
    cases = app.topic(CASES, key_serializer="raw", value_serializer="raw")
    surges = app.topic(SURGES, key_serializer="raw", value_serializer="raw")
    sightings = app.topic(
        sightings_topic(settings.live_app), key_serializer="raw", value_serializer="json", partitions=SHARDS
    )
    panes = {"default": _nothing, "partitions": SHARDS}
    tables = Tables(
        cases=app.Table("cases", partitions=SHARDS),
        hours=app.Table("hours", **panes).tumbling(HOUR, expires=HOURS_KEPT).relative_to(_stated),
        days=app.Table("days", **panes).tumbling(DAY, expires=DAYS_KEPT).relative_to(_stated),
        watched=app.Table("watched", partitions=SHARDS),
    )
    reading = Reading()

    @app.agent(cases, name="count")
    async def count(stream: Any) -> None:
        async for event in stream.events():
            envelope = _read(event.value)
            if envelope is None:
                continue
            reading.note(envelope.time)
            for trait, sighting in count_one(tables, event.message.partition, envelope):
                await sightings.send(key=trait_key(trait).encode(), value=sighting_document(trait, sighting))

    @app.agent(sightings, name="watch")
    async def watch(stream: Any) -> None:
        async for event in stream.events():
            for told in watch_one(tables, event.key.decode(), event.value, settings.surge_sensitivity):
                await surges.send(key=told.subject.bytes, value=encode(told))

    @app.timer(LOOK_SECONDS)
    async def look() -> None:
        """What has ended by time alone is ended by the agent that owns it, once all that happened before is read."""
        now = datetime.now(UTC)
        read = {CASES, sightings.get_topic_name()}
        if reading.is_fresh and _is_reading(app, read) and await _is_fetched(app, read):
            for key in over(tables, now):
                await sightings.send(key=key.encode(), value={"now": now.isoformat()})
        if _is_reading(app, read):
            reading.wait(await _unread(app))
        show(tables)

    _doors(app, tables, sightings.get_topic_name())


def _is_reading(app: Any, topics: set[str]) -> bool:
    """Whether the tables are whole and these topics are read."""
    read = {partition.topic for partition in app.consumer.assignment()}
    return not app.rebalancing and app.tables.recovery.completed.is_set() and topics <= read


async def _is_fetched(app: Any, topics: set[str]) -> bool:
    """Whether no message of these topics waits at the broker."""
    for partition in app.consumer.assignment():
        if partition.topic in topics:
            end, position = app.consumer.highwater(partition), await app.consumer.position(partition)
            if end is None or position is None or position < end:
                return False
    return True


async def _unread(app: Any) -> int:
    """How many events of `cases` the group has not committed; none where the broker does not say."""
    partitions = [partition for partition in app.consumer.assignment() if partition.topic == CASES]
    try:
        ends = await app.consumer.highwaters(*partitions)
        begins = await app.consumer.earliest_offsets(*partitions)
    except (KafkaError, TimeoutError):
        return 0
    done = {one: max(begins[one], app.consumer._committed_offset.get(one) or 0) for one in partitions}
    return sum(max(0, ends[one] - done[one]) for one in partitions)


# --- what Faust asks about an event --------------------------------------------------------------------------------


def _read(value: bytes | None) -> Envelope | None:
    """The event; what cannot be read is counted and passed over: who decides by it has its dead letters."""
    try:
        return decode(value)
    except Undecodable as error:
        metrics.EVENTS.labels("unreadable").inc()
        logger.warning("unreadable event passed over", error=str(error))
        return None


def _nothing() -> list[int]:
    """How many, and the sequence of the last event that was counted."""
    return [0, 0]


def _stated(event: Any) -> float:
    """When the event was stated: its pane, however late it is read."""
    return _time_in(event.value)


@lru_cache(maxsize=1)
def _time_in(value: bytes) -> float:
    """Asked for each number that an event changes."""
    return datetime.fromisoformat(orjson.loads(value)["time"]).timestamp()


# --- doors ------------------------------------------------------------------------------------------------------


def _doors(app: Any, tables: Tables, sightings: str) -> None:
    @app.page("/live")
    async def live(view: web.View, _request: web.Request) -> web.Response:
        """The numbers as JSON."""
        return view.bytes(orjson.dumps(numbers(tables)), content_type="application/json")

    @app.page("/health/live")
    async def alive(view: web.View, _request: web.Request) -> web.Response:
        return view.json({"status": "ok", "service": NAME, "release": release()})

    @app.page("/health/ready")
    async def ready(view: web.View, _request: web.Request) -> web.Response:
        there = _is_reading(app, {CASES, sightings})
        return view.json({"status": "ok" if there else "not ready", "service": NAME}, status=200 if there else 503)

    @app.page("/metrics")
    async def scrape(view: web.View, _request: web.Request) -> web.Response:
        return view.bytes(generate_latest(), content_type=CONTENT_TYPE_LATEST.partition(";")[0])


# --- the process ----------------------------------------------------------------------------------------------------


def _credentials(kafka: KafkaSettings) -> Any:
    """How Faust is told what `KafkaSettings` say."""
    options = connection_options(kafka)
    context = options.get("ssl_context")
    if kafka.sasl_username:
        return faust.SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password.get_secret_value(),
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None


def main() -> None:
    settings, kafka = LiveSettings(), KafkaSettings()
    tell_build(NAME, release())
    asyncio.run(prepare(settings.live_app, kafka, settings.live_topic_replication))
    worker = faust.Worker(
        make_app(settings, kafka), loglevel=settings.log_level, override_logging=False, redirect_stdouts=False
    )
    logging.configure(NAME, settings.log_level)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
