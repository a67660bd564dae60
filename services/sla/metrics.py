"""Every metric of sla: declared once, typed and explained."""

from prometheus_client import Counter, Gauge, Histogram

LATENESS = Histogram(
    "chuishao_timer_lateness_seconds",
    "How long after its time a deadline's step was taken, by the database's clock. Never negative.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)
FIRED = Counter(
    "chuishao_timer_fired_total",
    "Deadlines' steps taken: yellow, red, rung.",
    ["obligation", "step"],
)
LIVE = Gauge(
    "chuishao_deadlines_live",
    "Deadlines that run, in all shards: armed (in time) and overdue (still watched). Counted once a minute.",
    ["obligation", "state"],
)
CLOCK_JUMPED = Gauge(
    "chuishao_timer_clock_jumped",
    "1 while nothing fires because the database's clock jumped against the monotonic clock (alarm).",
)
POSTPONED = Counter(
    "chuishao_timer_postponed_total",
    "Deadlines put off because taking their step failed (alarm: each is a fault of ours).",
)
