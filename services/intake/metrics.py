"""Intake's metrics: declared once, typed and explained. No case ids or people in labels."""

from prometheus_client import Counter

from shared.contracts.vocabulary import Source
from shared.runtime.metrics import Labels, at_most, one_of

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

LABELS: Labels = {
    "source": one_of(*(source.value for source in Source)),
    "fate": one_of("accepted", "repeat", "refused"),
    "format": at_most(20, "the format of the feed, of those that the district's mapping knows"),
    "field": at_most(60, "the field of an order, as we name it; `row` = the row itself"),
}
