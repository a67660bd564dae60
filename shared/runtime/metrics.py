"""Every metric of the machinery: declared once, typed and explained. No case ids or people in labels.

What a label may say stands in `LABELS`: here for the metrics of all, in a service's `metrics.py` for its own. The
catalogue shows it, and tests hold the metrics to it.
"""

import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from shared.contracts.topics import CASES, DEADLINES, FEEDBACK, SHARDS, WHISTLES
from shared.runtime.decision import Fate

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Bounds for what takes machine time: the goals (15 ms, 100 ms) and limits of patience (1 s, 5 s) are among them."""

BUILD_INFO = Gauge(
    "chuishao_build_info", "Always 1: which release answers here, on which Python.", ["service", "release", "python"]
)

READY = Gauge(
    "chuishao_ready",
    "1 while a check of /health/ready holds, 0 while it does not (alarm), by check. Looked at every 5 s.",
    ["service", "check"],
)

# --- the road

INPUTS = Counter(
    "chuishao_inputs_total", "Messages, commands and timers taken, by what became of them.", ["service", "type", "fate"]
)
DECIDING = Histogram(
    "chuishao_handler_seconds",
    "What a handler took to decide one input; no database, no broker.",
    ["service", "type"],
    buckets=(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1),
)
TRAVELS = Histogram(
    "chuishao_travel_seconds",
    "How long a batch took from being taken at a door until its transaction was committed, retries included.",
    ["service", "door"],
    buckets=SECONDS,
)
BATCH_SIZE = Histogram(
    "chuishao_batch_size",
    "Inputs decided in one transaction.",
    ["service"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
RETRIES = Counter("chuishao_retries_total", "Transactions tried again after a transient fault.", ["service"])

# --- the log and its relay

APPENDED = Counter("chuishao_log_appended_total", "Log rows committed.", ["service"])
PUBLISHED = Counter("chuishao_log_published_total", "Log rows published to the service's topic.", ["service"])
PUBLISHED_BATCH = Histogram(
    "chuishao_published_batch_size",
    "Messages acknowledged by the broker in one round of the relay.",
    ["service"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1200),
)
PUBLISHING = Histogram(
    "chuishao_publish_seconds",
    "What the broker took for one round of the relay.",
    ["service"],
    buckets=SECONDS,
)
PUBLISH_FAILURES = Counter("chuishao_publish_failures_total", "Publishing rounds that failed.", ["service"])
UNPUBLISHED = Gauge(
    "chuishao_log_unpublished_rows",
    "Rows of the service's log, all shards, that are not known to be published.",
    ["service"],
)
UNPUBLISHED_AGE = Gauge(
    "chuishao_log_unpublished_oldest_seconds", "Age of the oldest of them; 0 where there is none.", ["service"]
)
RELAYED_SHARDS = Gauge("chuishao_relay_shards", "Shards whose relay this process holds.", ["service"])

# --- the consumer

GAPS = Gauge(
    "chuishao_log_gap", "1 while a shard of a consumed log misses a sequence (alarm).", ["service", "log", "shard"]
)
LAG = Gauge("chuishao_consumer_lag_messages", "Messages in a topic not read yet.", ["service", "topic"])
LAG_SECONDS = Gauge(
    "chuishao_consumer_lag_seconds",
    "Age of the last message read of the partition that is furthest behind; 0 where nothing waits.",
    ["service", "topic"],
)
PARTITIONS = Gauge("chuishao_consumer_partitions", "Partitions this process reads.", ["service"])

# --- dead letters

BURIED = Counter(
    "chuishao_dead_letters_total",
    "Inputs buried as dead letters, by kind: unreadable, refused, failed.",
    ["service", "kind"],
)
DEAD_LETTERS_WAITING = Gauge(
    "chuishao_dead_letters_waiting", "Dead letters that were not replayed yet, in all shards.", ["service", "kind"]
)

# --- PostgreSQL

POOL = Gauge(
    "chuishao_pool_connections", "Connections of this process's pool, by state: used, idle.", ["service", "state"]
)
POOL_LIMIT = Gauge("chuishao_pool_connections_limit", "The most connections this process's pool may open.", ["service"])
DATABASE_BYTES = Gauge(
    "chuishao_database_bytes", "Size of the service's schema with its indexes.", ["service", "table"]
)
DATABASE_OLDEST_TRANSACTION = Gauge(
    "chuishao_database_oldest_transaction_seconds",
    "Age of the oldest transaction in the database; a long one keeps PostgreSQL from cleaning up.",
    ["service"],
)

# --- the set-up and the doors

SETUP_VERSION = Gauge("chuishao_setup_version", "The version of the set-up that decides here, by its number.", ["kind"])
SETUP_UNREADABLE = Counter(
    "chuishao_setup_unreadable_total",
    "Versions of the set-up passed over as unreadable (alarm).",
    ["kind"],
)
REQUESTS = Histogram(
    "chuishao_http_request_seconds", "HTTP requests.", ["service", "method", "route", "status"], buckets=SECONDS
)
REQUESTS_UNDER_WAY = Gauge("chuishao_http_requests_under_way", "HTTP requests not answered yet.", ["service"])


# --- what the labels may say


@dataclass(frozen=True, slots=True)
class Values:
    """What a label may say: one of `words`, or, where those are not known here, `most` of what `what` describes."""

    words: tuple[str, ...]
    what: str
    most: int


def one_of(*words: str) -> Values:
    return Values(words, "", len(words))


def at_most(most: int, what: str) -> Values:
    return Values((), what, most)


Labels = Mapping[str, Values]
"""By the label; `<metric>.<label>` where it says something else on that metric."""

MOST_TYPES = 150
OTHER, UNKNOWN = "other", "unknown"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
DOORS = ("http", "log", "reports", "timer", "dead_letter", "own")
BURIALS = ("unreadable", "refused", "failed")
SERVICES = at_most(8, "the service")
PARTS_OF_THE_SETUP = at_most(12, "the part of the set-up")

LABELS: Labels = {
    "service": SERVICES,
    "release": at_most(4, "the release; more than one only while it is being changed"),
    "python": at_most(4, "the version of Python"),
    "check": one_of("database", "broker", "assignment", "lag", "setup"),
    "type": at_most(MOST_TYPES + 2, "the class of the message; `unreadable` where it has none, `other` past the bound"),
    "fate": one_of(*Fate),
    "door": one_of(*DOORS),
    "log": one_of(WHISTLES, CASES, DEADLINES, FEEDBACK),
    "shard": one_of(*map(str, range(SHARDS))),
    "topic": one_of(WHISTLES, CASES, DEADLINES, FEEDBACK, "reports"),
    "kind": one_of(*BURIALS),
    "state": one_of("used", "idle"),
    "table": at_most(40, "the table, of those that the service's migrations make"),
    "chuishao_setup_version.kind": PARTS_OF_THE_SETUP,
    "chuishao_setup_unreadable_total.kind": PARTS_OF_THE_SETUP,
    "method": one_of(*METHODS, OTHER),
    "route": at_most(200, "the route's template; `unknown` where none fits"),
    "status": at_most(60, "the HTTP status"),
}


def name_of(metric: MetricWrapperBase) -> str:
    """As Prometheus shows it."""
    described = next(iter(metric.describe()))
    return f"{described.name}_total" if described.type == "counter" else described.name


def values_of(metric: MetricWrapperBase, label: str, own: Labels) -> Values:
    """What a label of a metric may say; `own` are the labels of the module that declares it. Raises `KeyError`."""
    name = f"{name_of(metric)}.{label}"
    for known in (own, LABELS):
        for key in (name, label):
            if key in known:
                return known[key]
    raise KeyError(f"{name} is not in LABELS: say there what it may be")


def tell_build(service: str, release: str) -> None:
    BUILD_INFO.labels(service, release, platform.python_version()).set(1)


class OfRoad:
    """The road's metrics of one service, each label set looked up once."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._names: dict[type, str] = {}
        self._deciding: dict[type, Histogram] = {}
        self._inputs: dict[tuple[type, Fate], Counter] = {}
        self._buried = {kind: BURIED.labels(service, kind) for kind in BURIALS}
        self._travels = {door: TRAVELS.labels(service, door) for door in DOORS}
        self._batch_size = BATCH_SIZE.labels(service)
        self._appended = APPENDED.labels(service)
        self.retries = RETRIES.labels(service)

    def decided(self, message: type, seconds: float) -> None:
        """A handler took so long, whatever came of it."""
        child = self._deciding.get(message)
        if child is None:
            child = self._deciding[message] = DECIDING.labels(self._service, self._name(message))
        child.observe(seconds)

    def committed(self, inputs: int, fates: Mapping[tuple[type, Fate], int], rows: int, buried: Sequence[str]) -> None:
        """A batch is committed. `buried`: the kind of each burial."""
        self._batch_size.observe(inputs)
        for key, number in fates.items():
            child = self._inputs.get(key)
            if child is None:
                child = self._inputs[key] = INPUTS.labels(self._service, self._name(key[0]), key[1])
            child.inc(number)
        self._appended.inc(rows)
        for kind in buried:
            self._buried[kind].inc()

    def travelled(self, doors: Collection[str], seconds: float) -> None:
        for door in doors:
            self._travels[door].observe(seconds)

    def _name(self, message: type) -> str:
        """Classes are ours, and few; should they not be, the rest is one."""
        if message is type(None):
            return "unreadable"
        if message not in self._names:
            if len(self._names) >= MOST_TYPES:
                return OTHER
            self._names[message] = message.__name__
        return self._names[message]


class OfRelay:
    """The relay's metrics of one service, each label set looked up once."""

    def __init__(self, service: str) -> None:
        self.failures = PUBLISH_FAILURES.labels(service)
        self.shards = RELAYED_SHARDS.labels(service)
        self._rows = PUBLISHED.labels(service)
        self._batch = PUBLISHED_BATCH.labels(service)
        self._seconds = PUBLISHING.labels(service)

    def published(self, rows: int, messages: int, seconds: float) -> None:
        """One round of the relay was acknowledged."""
        self._rows.inc(rows)
        self._batch.observe(messages)
        self._seconds.observe(seconds)
