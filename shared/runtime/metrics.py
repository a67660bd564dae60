"""Every metric of the machinery: declared once, typed and explained. No case ids or people in labels."""

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Bounds for what takes machine time: the goals (15 ms, 100 ms) and limits of patience (1 s, 5 s) are among them."""

BUILD_INFO = Gauge(
    "chuishao_build_info", "Always 1: which release answers here, on which Python.", ["service", "release", "python"]
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
