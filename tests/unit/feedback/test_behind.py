"""Which parts count in a figure, and which of them pull it down, as a table."""

import pytest

from services.feedback.domain.measuring.part import Part
from services.feedback.scorecards.behind import counts_in
from shared.contracts.vocabulary import Measure
from tests.unit.feedback.rows import NOVEMBER, bad, day, good, late, met, part

JULY = part(1, handle=late(day(9, month=7)))
LATE_SIGN_IN = part(1, sign_in=late(day(9)))
REFUSED = part(1, assigned_at=day(8), refused_at=day(9))
OPEN = part(1, on_ledger_at=day(8))
WITHOUT = good(1, excluded=frozenset({Measure.HANDLE}))
LATE_WITHOUT = bad(1, excluded=frozenset({Measure.HANDLE}))


@pytest.mark.parametrize(
    ("row", "measure", "pulls"),
    [
        (JULY, Measure.HANDLE, None),
        (good(1), Measure.HANDLE, False),
        (bad(1), Measure.HANDLE, True),
        (LATE_SIGN_IN, Measure.SIGN_IN, True),
        (LATE_SIGN_IN, Measure.REPORT, True),
        (LATE_SIGN_IN, Measure.HANDLE, None),
        (part(1, sign_in=met(day(9))), Measure.REPORT, False),
        (REFUSED, Measure.REFUSAL, True),
        (REFUSED, Measure.EXTENSION, False),
        (OPEN, Measure.WRITE_OFF, True),
        (good(1), Measure.COMPOSITE, False),
        (bad(1), Measure.COMPOSITE, True),
        (bad(1), Measure.SCORE, True),
        (part(1, handle=met(day(9))), Measure.COMPOSITE, None),
        (part(1, handle=met(day(9))), Measure.SCORE, False),
        # What was excluded still counts in the raw figure, and pulls nothing down.
        (WITHOUT, Measure.HANDLE, False),
        (LATE_WITHOUT, Measure.HANDLE, False),
    ],
)
def test_what_counts_and_what_pulls_down(row: Part, measure: Measure, pulls: bool | None) -> None:
    assert counts_in(row, NOVEMBER, measure) is pulls
