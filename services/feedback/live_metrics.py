"""The live statistics as Prometheus sees them: by unit and category; no case and no person is named."""

from prometheus_client import Counter, Gauge

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
