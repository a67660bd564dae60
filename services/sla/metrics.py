"""Every metric of sla: declared once, typed and explained."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from prometheus_client import Counter, Gauge, Histogram

from shared.contracts.vocabulary import Obligation, Post
from shared.runtime.metrics import Labels, one_of

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
OVERDUE = Gauge(
    "chuishao_deadlines_overdue",
    "Deadlines that ran out and are still watched, by the rung of the ladder (督办) they reached; 0 = none yet, "
    "9 = the ninth or a later one. Counted once a minute.",
    ["rung"],
)
CLOCK_JUMPED = Gauge(
    "chuishao_timer_clock_jumped",
    "1 while nothing fires because the database's clock jumped against the monotonic clock (alarm).",
)
POSTPONED = Counter(
    "chuishao_timer_postponed_total",
    "Deadlines put off because taking their step failed (alarm: each is a fault of ours).",
)
NOTICES_WAITING = Gauge(
    "chuishao_notices_waiting",
    "Steps of deadlines that people are still to be told of, one for each recipient. Counted once a minute.",
)
NOTICES_OLDEST = Gauge(
    "chuishao_notices_oldest_seconds",
    "How long the oldest of them waits. A night or a holiday is ordinary, more than 14 days is a fault (alarm).",
)
NOTICES_UNREADABLE = Counter(
    "chuishao_notices_unreadable_total",
    "Steps in the log that nobody was told of because they could not be read (alarm: each is a fault of ours).",
)
DIGESTS = Counter(
    "chuishao_notice_digests_total",
    "Digests released: what one recipient was told at once.",
    ["post"],
)
DIGEST_ENTRIES = Histogram(
    "chuishao_notice_digest_entries",
    "How many steps of deadlines a digest tells of.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 500, 1000, 5000, 20000),
)

HIGHEST_RUNG = 9
LABELS: Labels = {
    "obligation": one_of(*(obligation.value for obligation in Obligation)),
    "step": one_of("yellow", "red", "rung"),
    "state": one_of("armed", "overdue"),
    "rung": one_of(*map(str, range(HIGHEST_RUNG + 1))),
    "post": one_of(*(post.value for post in Post)),
}


def show_overdue(counted: Iterable[Mapping[int, int]]) -> None:
    """So many are overdue by rung, part by part; a rung that nothing stands on shows 0."""
    totals: Tally[int] = Tally()
    for part in counted:
        for rung, number in part.items():
            totals[min(rung, HIGHEST_RUNG)] += number
    for rung in range(HIGHEST_RUNG + 1):
        OVERDUE.labels(str(rung)).set(totals[rung])
