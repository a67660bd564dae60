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
REPLIES_SENT = Counter(
    "chuishao_hotline_replies_sent_total",
    "Replies to 12345 that its HTTP endpoint took.",
)
REPLIES_FAILED = Counter(
    "chuishao_hotline_replies_failed_total",
    "Attempts at which 12345's HTTP endpoint did not take a reply, by what was wrong.",
    ["fault"],
)
REPLIES_PUT_ASIDE = Counter(
    "chuishao_hotline_replies_put_aside_total",
    "Replies to 12345 that were put aside for a person (alarm: see `chuishao callbacks list`).",
)
REPLY_OLDEST = Gauge(
    "chuishao_hotline_reply_oldest_seconds",
    "Age of the oldest reply in this process's shards that 12345's HTTP endpoint has not taken; 0 where there is none.",
)
