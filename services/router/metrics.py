"""Every metric of the router: declared once, typed and explained."""

from prometheus_client import Counter, Gauge

DUPLICATES_WAITING = Gauge(
    "chuishao_duplicates_waiting",
    "Facts in the log of this process's shards that were not looked at for duplicates yet.",
)
DUPLICATES_COMPARED = Counter(
    "chuishao_duplicates_compared_total",
    "Pairs of cases compared.",
)
DUPLICATES_FOUND = Counter(
    "chuishao_duplicates_found_total",
    "Cases found alike to one that was compared; what is not known on the case yet is proposed on it.",
)
DUPLICATES_FAILED = Counter(
    "chuishao_duplicates_failed_total",
    "Cases that could not be compared, and were passed over (alarm: each is a fault of ours).",
)
