"""排名 by itself: what a sample is."""

from fractions import Fraction

import pytest

from services.feedback.domain.measuring.ranking import Candidate, Standing, placed
from services.feedback.domain.measuring.tally import Tally
from shared.contracts.vocabulary import UnitKind


@pytest.mark.parametrize(
    ("response", "solved", "satisfied", "rank"),
    [(3, 3, 3, 1), (3, 3, 2, None), (3, 2, 3, None), (2, 3, 3, None)],
)
def test_a_sample_is_as_large_as_the_fewest_call_backs_that_a_rate_rests_on(
    response: int, solved: int, satisfied: int, rank: int | None
) -> None:
    """Exclusions leave out of one rate alone, so the three may rest on different numbers of call-backs."""
    tally = Tally(handle_due=3, response_valid=response, solved_valid=solved, satisfied_valid=satisfied)
    one = Candidate("110199001", UnitKind.STREET, Standing.PRESENT, Fraction(1, 2), tally)
    place = placed([one], 3)["110199001"]
    assert place.rank == rank
    assert (place.unranked is None) == (rank is not None)
