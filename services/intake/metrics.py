"""Intake's metrics: declared once, typed and explained. No case ids or people in labels."""

from prometheus_client import Counter

WHISTLES = Counter(
    "chuishao_intake_whistles_total",
    "Whistles and orders that came in, by source and by what became of them (accepted, repeat, refused).",
    ["source", "fate"],
)
REJECTED_ORDERS = Counter(
    "chuishao_intake_rejected_orders_total",
    "Orders of a feed that could not be taken, by format and by the field at fault (`row`: the row itself).",
    ["format", "field"],
)
