"""Every metric of the router: declared once, typed and explained."""

from prometheus_client import Counter, Gauge, Histogram

from services.router.store import CLOSED_STAGES
from shared.contracts.vocabulary import Stage, UnitKind
from shared.runtime.metrics import Labels, one_of

NOBODY = "none"

DISPATCHING = Histogram(
    "chuishao_dispatch_seconds",
    "From the whistle, as intake states it, to its first assignment on the unit's topic; "
    "cases that waited for a person are not counted.",
    buckets=(0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
STAGES = Histogram(
    "chuishao_loop_stage_seconds",
    "How long a case was in a stage of the loop: receive 接单, dispatch 派单, handle 办理, verify 验单, rate 评单.",
    ["stage"],
    buckets=(0.1, 1, 10, 60, 600, 3600, 4 * 3600, 24 * 3600, 3 * 86400, 7 * 86400, 15 * 86400, 30 * 86400, 90 * 86400),
)
CASES = Gauge(
    "chuishao_cases_open",
    "Open cases, in all shards, by stage and kind of the unit that has them (`none`: nobody yet). Counted every 15 s.",
    ["stage", "unit_kind"],
)
ENDED = Counter("chuishao_cases_ended_total", "Cases that came to an end, by the stage they ended in.", ["stage"])

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

LABELS: Labels = {
    "chuishao_cases_open.stage": one_of(*(stage.value for stage in Stage if stage not in CLOSED_STAGES)),
    "chuishao_loop_stage_seconds.stage": one_of("receive", "dispatch", "handle", "verify", "rate"),
    "chuishao_cases_ended_total.stage": one_of("declined", "withdrawn", "closed"),
    "unit_kind": one_of(*(kind.value for kind in UnitKind), NOBODY),
    "fault": one_of("unreachable", "timeout", "denied", "busy", "broken", "refused"),
}

for _fault in LABELS["fault"].words:
    REPLIES_FAILED.labels(_fault)  # there from the start, so that its first rise is one
