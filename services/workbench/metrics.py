"""The workbench's own metrics."""

from prometheus_client import Counter, Gauge, Histogram

from shared.contracts.topics import CASES, DEADLINES, FEEDBACK, SURGES, WHISTLES
from shared.runtime.metrics import Labels, at_most, one_of

WATCHERS = Gauge("chuishao_board_watchers", "Live boards that are open now.")
WATCHERS_DROPPED = Counter("chuishao_board_watchers_dropped_total", "Live boards cut off because they read too slowly.")
FACTS_SEEN = Counter("chuishao_board_facts_total", "Facts read for the live board.", ["topic"])
UNREADABLE = Counter("chuishao_board_unreadable_total", "Messages the live board could not read.", ["topic"])
BROKER = Gauge("chuishao_board_broker_connected", "1 while the live board reads from the broker.")
UPSTREAM = Histogram(
    "chuishao_upstream_request_seconds", "Requests to the other services, by what came of them.", ["service", "outcome"]
)

LABELS: Labels = {
    "topic": one_of(WHISTLES, CASES, DEADLINES, FEEDBACK, SURGES),
    "chuishao_upstream_request_seconds.service": one_of("intake", "router", "sla", "feedback", "live"),
    "outcome": at_most(60, "the HTTP status; `away` where there was no answer"),
}

for _topic in LABELS["topic"].words:
    UNREADABLE.labels(_topic)  # there from the start, so that its first rise is one
