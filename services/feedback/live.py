"""实时统计: windowed numbers per unit and category and surges, from the `cases` topic. With Faust; its own process.

Nothing here decides about a case, and nothing here is anywhere's only copy: it is all in `cases`, and is made again
from it where Faust's own topics are gone (docs/adr/0021). What is counted is counted once: each number keeps the
sequence of the last event that changed it, and an event that comes again is passed over.

`cases` → where the case stands, the panes of its units and category; its traits, keyed by trait → is it a surge?
→ `surges`.
"""

import time
from collections import Counter as Tally
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import faust
import orjson
import structlog
from faust import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.feedback import live_metrics as metrics
from services.feedback.domain.common_traits import traits
from services.feedback.domain.live import Of, Standing, What, counted, standing
from services.feedback.domain.surges import Seen, Told, Watched, passed, seen, sensitivity
from services.feedback.live_settings import LiveSettings
from services.feedback.live_values import (
    Document,
    announcement,
    read_standing,
    read_trait,
    read_watched,
    standing_document,
    trait_document,
    watched_document,
)
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, Undecodable, decode, encode
from shared.contracts.lifecycle import STAGES
from shared.contracts.topics import CASES, SHARDS, SURGES
from shared.runtime import logging
from shared.runtime.kafka import connection_options
from shared.runtime.service import release
from shared.runtime.settings import KafkaSettings

logger = structlog.get_logger(__name__)

NAME = "live"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURS_KEPT, DAYS_KEPT = 24, 7
LOOK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Tables:
    """What Faust keeps. Keys begin with the shard where a number is counted from several: a table is kept by shard."""

    cases: Any
    hours: Any
    days: Any
    watched: Any


def make_app(settings: LiveSettings, kafka: KafkaSettings) -> faust.App:
    """The statistics as a Faust app: two agents, four tables, a door."""
    app = faust.App(
        "chuishao-live",
        broker=[f"kafka://{host}" for host in kafka.bootstrap.split(",")],
        broker_credentials=_credentials(kafka),
        datadir=str(settings.live_folder),
        store="memory://",
        topic_disable_leader=True,
        topic_partitions=SHARDS,
        topic_replication_factor=settings.live_topic_replication,
        consumer_auto_offset_reset="earliest",
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
        "chuishao-live-sightings", key_serializer="raw", value_serializer="json", partitions=SHARDS, internal=True
    )
    panes = {"default": _nothing, "partitions": SHARDS}
    tables = Tables(
        cases=app.Table("cases", partitions=SHARDS),
        hours=app.Table("hours", **panes).tumbling(HOUR, expires=HOUR * (HOURS_KEPT + 1)).relative_to(_stated),
        days=app.Table("days", **panes).tumbling(DAY, expires=DAY * (DAYS_KEPT + 1)).relative_to(_stated),
        watched=app.Table("watched", partitions=SHARDS),
    )

    @app.agent(cases, name="count")
    async def count(stream: Any) -> None:
        async for event in stream.events():
            envelope = _read(event.value)
            if envelope is None:
                continue
            for trait, whistle in count_one(tables, event.message.partition, envelope):
                key = f"{trait.kind.value} {trait.key}"
                await sightings.send(key=key.encode(), value=trait_document(trait, whistle))

    @app.agent(sightings, name="watch")
    async def watch(stream: Any) -> None:
        async for event in stream.events():
            for told in watch_one(tables, event.key.decode(), event.value, settings.surge_sensitivity):
                await surges.send(key=told.subject.bytes, value=encode(told))

    @app.timer(LOOK_SECONDS)
    async def look() -> None:
        """What has ended by time alone is looked at by the agent that owns it."""
        now = datetime.now(UTC)
        for key, document in list(tables.watched.items()):
            watched = read_watched(document)
            if watched.surge is not None and now >= watched.surge.ends_at:
                await sightings.send(key=key.encode(), value={"now": now.isoformat()})
        show(tables)

    _doors(app, tables)


# --- counting ---------------------------------------------------------------------------------------------------


def count_one(tables: Tables, shard: int, envelope: Envelope) -> list[tuple[Any, Seen]]:
    """Count one event of a case, and name the traits of a case that is new. Once, however often it comes."""
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
    if envelope.sequence <= (tables.cases.get(_last_of(shard)) or 0):
        metrics.EVENTS.labels("repeated").inc()
        return []
    tables.cases[_last_of(shard)] = envelope.sequence
    after = standing(before, fact)
    if after is not None:
        _stand(tables, key, after)
    metrics.EVENTS.labels("counted").inc()
    metrics.BEHIND.set(max(0.0, time.time() - envelope.time.timestamp()))
    if not isinstance(fact, f.CaseOpened):
        return []
    return [(trait, Seen(envelope.time, envelope.subject)) for trait in traits(fact.matter)]


def _last_of(shard: int) -> str:
    """Where the sequence of a shard's last event is kept, beside its cases."""
    return f"shard {shard}"


def _stand(tables: Tables, key: str, after: Standing) -> None:
    """A case that is over is forgotten, so that what is kept is what is open."""
    if STAGES[after.stage].final:
        tables.cases.pop(key, None)
    else:
        tables.cases[key] = standing_document(after)


def watch_one(tables: Tables, key: str, document: Document, readily: float) -> list[Envelope]:
    """One more whistle with this trait, or a look at the clock: what is to be told of it."""
    known = tables.watched.get(key)
    if "now" in document:
        if known is None:
            return []
        trait, watched = read_trait(known["trait"]), read_watched(known)
        after, told = passed(watched, datetime.fromisoformat(document["now"]))
    else:
        trait, watched = read_trait(document), read_watched(known) if known is not None else Watched()
        whistle = Seen(datetime.fromisoformat(document["at"]), UUID(document["case"]))
        after, told = seen(watched, whistle, sensitivity(trait.kind, readily))
    if after is not watched:
        tables.watched[key] = watched_document(after, trait)
    return [_told(trait, one) for one in told]


def _told(trait: Any, told: Told) -> Envelope:
    metrics.SURGES_TOLD.labels(told.change.value).inc()
    return announcement(trait, told)


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
    return datetime.fromisoformat(orjson.loads(event.value)["time"]).timestamp()


# --- what is seen of it -----------------------------------------------------------------------------------------


def numbers(tables: Tables) -> Document:
    """The panes added up: the last 24 hours and 7 days, what is open by unit and category, the surges that last."""
    standings = [read_standing(document) for document in list(tables.cases.values()) if isinstance(document, dict)]
    being = [one for one in standings if one.is_open]
    surges = [document for document in list(tables.watched.values()) if document["surge"] is not None]
    return {
        "hours": _summed(tables.hours, HOUR * HOURS_KEPT),
        "days": _summed(tables.days, DAY * DAYS_KEPT),
        "open": {
            "units": dict(Tally(unit for one in being for unit in one.units)),
            "categories": dict(Tally(one.category for one in being)),
        },
        "surges": [
            {**document["trait"], **{name: document["surge"][name] for name in ("since", "usual_per_day", "cases")}}
            for document in surges
        ],
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
    """The same numbers for Prometheus."""
    found = numbers(tables)
    for of, rows in found["hours"].items():
        for key, row in rows.items():
            for what, number in row.items():
                metrics.PANES.labels(of, key, what).set(number)
    metrics.OPEN.clear()
    for unit, number in found["open"]["units"].items():
        metrics.OPEN.labels(unit).set(number)
    for kind, number in Tally(one["kind"] for one in found["surges"]).items():
        metrics.SURGES.labels(kind).set(number)


def _doors(app: Any, tables: Tables) -> None:
    @app.page("/live")
    async def live(view: web.View, _request: web.Request) -> web.Response:
        """The numbers as JSON."""
        return view.bytes(orjson.dumps(numbers(tables)), content_type="application/json")

    @app.page("/health/live")
    async def alive(view: web.View, _request: web.Request) -> web.Response:
        return view.json({"status": "ok", "service": NAME, "release": release()})

    @app.page("/health/ready")
    async def ready(view: web.View, _request: web.Request) -> web.Response:
        there = app.rebalancing is False and app.tables.recovery.completed.is_set()
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
    settings = LiveSettings()
    worker = faust.Worker(
        make_app(settings, KafkaSettings()), loglevel=settings.log_level, override_logging=False, redirect_stdouts=False
    )
    logging.configure(NAME, settings.log_level)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
