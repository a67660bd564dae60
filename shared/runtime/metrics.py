"""Every metric of the machinery: declared once, typed and explained. No case ids or people in labels."""

from prometheus_client import Counter, Gauge, Histogram

INPUTS = Counter(
    "chuishao_inputs_total", "Messages, commands and timers taken, by what became of them.", ["service", "type", "fate"]
)
BATCH_SIZE = Histogram(
    "chuishao_batch_size",
    "Inputs decided in one transaction.",
    ["service"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
RETRIES = Counter("chuishao_retries_total", "Transactions tried again after a transient fault.", ["service"])
PUBLISHED = Counter("chuishao_log_published_total", "Log rows published to the service's topic.", ["service"])
PUBLISH_FAILURES = Counter("chuishao_publish_failures_total", "Publishing rounds that failed.", ["service"])
GAPS = Gauge(
    "chuishao_log_gap", "1 while a shard of a consumed log misses a sequence (alarm).", ["service", "log", "shard"]
)
LAG = Gauge("chuishao_consumer_lag_messages", "Messages in a topic not read yet.", ["service", "topic"])
SETUP_VERSION = Gauge("chuishao_setup_version", "The version of the set-up that decides here, by its number.", ["kind"])
SETUP_UNREADABLE = Counter(
    "chuishao_setup_unreadable_total",
    "Versions of the set-up passed over as unreadable (alarm).",
    ["kind"],
)
REQUESTS = Histogram("chuishao_http_request_seconds", "HTTP requests.", ["service", "method", "route", "status"])
