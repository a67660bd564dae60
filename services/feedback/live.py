"""实时统计: windowed numbers per unit and category and surges, from the `cases` topic. With Faust; its own process.

Nothing here decides about a case, and nothing here is anywhere's only copy: it is all in `cases`, and is made again
from it where Faust's own topics are gone (docs/adr/0021). What is counted is counted once: each number keeps the
sequence of the last event that changed it, each trait that of the last whistle of each shard, and what comes again is
passed over. What is told of a surge may be told again, then with the same id.

`cases` → where the case stands, the panes of its units and category; its traits, keyed by trait → is it a surge?
→ `surges`.
"""

import asyncio
import time
from collections import Counter as Tally
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import faust
import orjson
import structlog
from faust import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.feedback import live_metrics as metrics
from services.feedback.domain.common_traits import Trait, traits
from services.feedback.domain.live import OPEN_STAGES, Of, Standing, What, counted, standing
from services.feedback.domain.surges import Seen, Watched, passed, seen, sensitivity
from services.feedback.live_settings import LiveSettings
from services.feedback.live_topics import DAYS_KEPT, HOURS_KEPT, prepare, sightings_topic
from services.feedback.live_values import (
    Document,
    Sighting,
    announcement,
    ends_at,
    read_sighting,
    read_standing,
    read_trait,
    read_watched,
    sighting_document,
    standing_document,
    surge_shown,
    watched_document,
)
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, Undecodable, decode, encode
from shared.contracts.lifecycle import STAGES
from shared.contracts.topics import CASES, SHARDS, SURGES
from shared.contracts.vocabulary import SurgeKind
from shared.runtime import logging
from shared.runtime.kafka import connection_options
from shared.runtime.service import release
from shared.runtime.settings import KafkaSettings

logger = structlog.get_logger(__name__)

NAME = "live"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LOOK_SECONDS = 5.0
SESSION_SECONDS = 9.0
"""For so long a process that was killed is waited for: it is the only one of its group."""
FRESH = timedelta(minutes=5)
FORGOTTEN_AFTER = timedelta(days=180)
"""A trait that nothing came of for so long is as good as new: what it had taught has faded."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What Faust keeps. Keys begin with the shard where a number is counted from several: a table is kept by shard."""

    cases: Any
    hours: Any
    days: Any
    watched: Any


@dataclass(slots=True)
class Reading:
    """How far `cases` is read: when the last event was counted (monotonic), and how old it was then."""

    counted: float = 0.0
    age: timedelta = timedelta(0)

    def note(self, stated: datetime) -> None:
        self.counted = time.monotonic()
        self.age = datetime.now(UTC) - stated

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


# --- counting ---------------------------------------------------------------------------------------------------


def count_one(tables: Tables, shard: int, envelope: Envelope) -> list[tuple[Trait, Sighting]]:
    """Count one event of a case, once, however often it comes; and name the traits of a case that is new.

    They are named again where the event comes again: their own tables know what they have seen.
    """
    key, fact = str(envelope.subject), envelope.fact
    if not isinstance(fact, f.CaseFact):
        metrics.EVENTS.labels("passed over").inc()
        return []
    known = tables.cases.get(key)
    before = read_standing(known) if known is not None else None
    for one in counted(before, fact):
        name = "|".join((str(shard), *one))
        for panes in (tables.hours, tables.days):
            number, last = panes[name].value()
            if envelope.sequence > last:
                panes[name] = [number + 1, envelope.sequence]
    if envelope.sequence > (tables.cases.get(_last_of(shard)) or 0):
        tables.cases[_last_of(shard)] = envelope.sequence
        after = standing(before, fact)
        if after is not None:
            _stand(tables, key, after)
        metrics.EVENTS.labels("counted").inc()
        metrics.BEHIND.set(max(0.0, time.time() - envelope.time.timestamp()))
    else:
        metrics.EVENTS.labels("repeated").inc()
    if not isinstance(fact, f.CaseOpened):
        return []
    sighting = Sighting(Seen(envelope.time, envelope.subject), fact.number, shard, envelope.sequence)
    return [(trait, sighting) for trait in traits(fact.matter)]


def trait_key(trait: Trait) -> str:
    return f"{trait.kind.value} {trait.key}"


def _last_of(shard: int) -> str:
    """Where the sequence of a shard's last event is kept, beside its cases."""
    return f"shard {shard}"


def _stand(tables: Tables, key: str, after: Standing) -> None:
    """A case that is over is forgotten, so that what is kept is what is open or may be opened again."""
    if STAGES[after.stage].final:
        tables.cases.pop(key, None)
    else:
        tables.cases[key] = standing_document(after)


def watch_one(tables: Tables, key: str, document: Document, readily: float) -> list[Envelope]:
    """One more whistle with this trait, or a look at the clock: what is to be told of it."""
    known = tables.watched.get(key)
    if "now" in document:
        return _look_at(tables, key, known, datetime.fromisoformat(document["now"]))
    trait, sighting = read_trait(document), read_sighting(document)
    watched = read_watched(known) if known is not None else Watched()
    if known is not None and sighting.sequence <= known["read"].get(str(sighting.shard), 0):
        return again(known)
    after, told = seen(watched, sighting.whistle, sensitivity(trait.kind, readily))
    found = [announcement(trait, one) for one in told]
    tables.watched[key] = watched_document(after, trait, known, sighting, found)
    _tell(found)
    return found


def _look_at(tables: Tables, key: str, known: Document | None, now: datetime) -> list[Envelope]:
    if known is None:
        return []
    watched, trait = read_watched(known), read_trait(known["trait"])
    if _last_seen(known) + FORGOTTEN_AFTER <= now and watched.surge is None:
        tables.watched.pop(key, None)
        return []
    after, told = passed(watched, now)
    if not told:
        return again(known)
    found = [announcement(trait, one) for one in told]
    tables.watched[key] = watched_document(after, trait, known, None, found)
    _tell(found)
    return found


def again(known: Document) -> list[Envelope]:
    """What was told last: the message that told it may be lost where this one comes again. It has the same id."""
    return [decode(told.encode()) for told in known["told"]]


def over(tables: Tables, now: datetime) -> list[str]:
    """The traits whose surge has ended by now, and those to be forgotten."""
    return [
        key
        for key, document in list(tables.watched.items())
        if (ends_at(document) or _last_seen(document) + FORGOTTEN_AFTER) <= now
    ]


def _last_seen(document: Document) -> datetime:
    return datetime.fromisoformat(document["last"])


def _tell(found: list[Envelope]) -> None:
    for told in found:
        metrics.SURGES_TOLD.labels(told.fact.NAME).inc()


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


# --- what is seen of it -----------------------------------------------------------------------------------------


def numbers(tables: Tables) -> Document:
    """The panes added up: the last 24 hours and 7 days, what is open by unit and category, the surges that last."""
    being = [one for one in list(tables.cases.values()) if isinstance(one, dict) and one["stage"] in OPEN_STAGES]
    lasting = [document for document in list(tables.watched.values()) if document["surge"] is not None]
    return {
        "hours": _summed(tables.hours, HOURS_KEPT - HOUR),
        "days": _summed(tables.days, DAYS_KEPT - DAY),
        "open": {
            "units": dict(Tally(unit for one in being for unit in one["units"])),
            "categories": dict(Tally(one["category"] for one in being)),
        },
        "surges": sorted(map(surge_shown, lasting), key=lambda one: (-one["count"], one["since"], one["shown"])),
    }


def _summed(panes: Any, back: timedelta) -> Document:
    """By unit and category, what was counted in the panes that began since then."""
    since = time.time() - back.total_seconds()
    found: Document = {of.value: {} for of in Of}
    for (name, (begins, _)), (number, _) in list(panes.table.items()):
        _, of, key, what = name.split("|", 3)
        if begins > since:
            row = found[of].setdefault(key, {one.value: 0 for one in What})
            row[what] += number
    return found


def show(tables: Tables) -> None:
    """The same numbers for Prometheus. What is no more is not shown with its last number."""
    found = numbers(tables)
    metrics.PANES.clear()
    for of, rows in found["hours"].items():
        for key, row in rows.items():
            for what, number in row.items():
                metrics.PANES.labels(of, key, what).set(number)
    metrics.OPEN.clear()
    for unit, number in found["open"]["units"].items():
        metrics.OPEN.labels(unit).set(number)
    lasting = Tally(one["kind"] for one in found["surges"])
    for kind in SurgeKind:
        metrics.SURGES.labels(kind.value).set(lasting[kind.value])


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
    asyncio.run(prepare(settings.live_app, kafka, settings.live_topic_replication))
    worker = faust.Worker(
        make_app(settings, kafka), loglevel=settings.log_level, override_logging=False, redirect_stdouts=False
    )
    logging.configure(NAME, settings.log_level)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
