"""What figures are made of: whole numbers, counted from rows and added up. Pure.

Every measure has its own numbers, its denominator first, so that a part can be left out of one measure alone (剔除).
"""

from collections.abc import Collection
from operator import add, sub
from typing import NamedTuple

from shared.contracts.vocabulary import Measure


class Tally(NamedTuple):
    """Counts of one group of parts in one period; `scores` is the sum of all three scores of the `scored` parts."""

    sign_in_due: int = 0
    signed_in: int = 0
    report_due: int = 0
    reported: int = 0
    contact_due: int = 0
    contacted_in_time: int = 0
    handle_due: int = 0
    handled_in_time: int = 0
    on_ledger: int = 0
    written_off: int = 0
    may_refuse: int = 0
    refused: int = 0
    may_extend: int = 0
    extended: int = 0
    may_be_supervised: int = 0
    supervised: int = 0
    done: int = 0
    reworked: int = 0
    to_rate: int = 0
    rated: int = 0
    scored: int = 0
    scores: int = 0
    response_valid: int = 0
    contacted: int = 0
    solved_valid: int = 0
    solved: int = 0
    satisfied_valid: int = 0
    satisfied: int = 0
    basically_satisfied: int = 0
    silent: int = 0

    def plus(self, other: "Tally") -> "Tally":
        return Tally(*map(add, self, other))

    def minus(self, other: "Tally") -> "Tally":
        return Tally(*map(sub, self, other))

    def only(self, measures: Collection[Measure]) -> "Tally":
        """The numbers of these measures, all others 0."""
        kept = {field for measure in measures for field in FIELDS[measure]}
        return Tally(**{field: number for field, number in self._asdict().items() if field in kept})


FIELDS: dict[Measure, tuple[str, ...]] = {
    Measure.SIGN_IN: ("sign_in_due", "signed_in"),
    Measure.REPORT: ("report_due", "reported"),
    Measure.FIRST_CONTACT: ("contact_due", "contacted_in_time"),
    Measure.HANDLE: ("handle_due", "handled_in_time"),
    Measure.WRITE_OFF: ("on_ledger", "written_off"),
    Measure.REFUSAL: ("may_refuse", "refused"),
    Measure.EXTENSION: ("may_extend", "extended"),
    Measure.SUPERVISION: ("may_be_supervised", "supervised"),
    Measure.REWORK: ("done", "reworked"),
    Measure.RATED: ("to_rate", "rated"),
    Measure.RATING: ("scored", "scores"),
    Measure.RESPONSE: ("response_valid", "contacted"),
    Measure.SOLVED: ("solved_valid", "solved"),
    Measure.SATISFIED: ("satisfied_valid", "satisfied", "basically_satisfied"),
    Measure.COMPOSITE: (),
    Measure.SCORE: (),
}
"""The numbers of each measure. Composite and score have none of their own: they are made of other figures."""

MADE_OF: dict[Measure, tuple[Measure, ...]] = {
    Measure.COMPOSITE: (Measure.RESPONSE, Measure.SOLVED, Measure.SATISFIED),
    Measure.SCORE: (Measure.RESPONSE, Measure.SOLVED, Measure.SATISFIED, Measure.HANDLE, Measure.RATING),
}


def left_out(excluded: Collection[Measure]) -> frozenset[Measure]:
    """The measures a part is left out of: out of the composite means out of everything that it is made of."""
    return frozenset(excluded).union(*(MADE_OF.get(measure, ()) for measure in excluded))


class CaseTally(NamedTuple):
    """Cases, counted by the case. `open` is how many were open when the period ended; the others are of the period."""

    received: int = 0
    declined: int = 0
    withdrawn: int = 0
    merged: int = 0
    closed: int = 0
    reopened: int = 0
    open: int = 0
    sampled: int = 0
    sample_checked: int = 0
    sample_failed: int = 0

    def plus(self, other: "CaseTally") -> "CaseTally":
        return CaseTally(*map(add, self, other))
