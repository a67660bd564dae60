"""The live statistics as Prometheus sees them: by unit and category; no case and no person is named."""

from prometheus_client import Counter, Gauge

from shared.contracts.vocabulary import SurgeKind
from shared.runtime.metrics import Labels, at_most, one_of

MOST_KEYS = 1000
"""Units, and categories, that are shown: those with the most. Who sends orders may name what categories they like."""

EVENTS = Counter("chuishao_live_events_total", "Events of `cases` by what became of them.", ["fate"])
OPEN = Gauge("chuishao_live_open_cases", "Open cases by the unit that has them.", ["unit"])
PANES = Gauge(
    "chuishao_live_cases",
    "Cases of the last 24 hours by unit or category: received, dispatched, overdue, closed, rated.",
    ["of", "key", "what"],
)
SURGES = Gauge("chuishao_live_surges", "Surges (诉求激增) that last, by what their cases have in common.", ["kind"])
SURGES_TOLD = Counter("chuishao_live_surges_told_total", "Surges told, by the fact that tells it.", ["fact"])
BEHIND = Gauge("chuishao_live_behind_seconds", "How old the last event was when it was counted.")

LABELS: Labels = {
    "chuishao_live_events_total.fate": one_of("counted", "repeated", "passed over", "unreadable"),
    "unit": at_most(MOST_KEYS, "the unit's code"),
    "of": one_of("unit", "category"),
    "key": at_most(2 * MOST_KEYS, "the unit's code, or the category's first level"),
    "what": one_of("received", "dispatched", "overdue", "closed", "rated"),
    "kind": one_of(*(kind.value for kind in SurgeKind)),
    "fact": one_of("surge.found.v1", "surge.ended.v1"),
}
