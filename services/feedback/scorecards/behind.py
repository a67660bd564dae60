"""The cases behind a figure: the parts that counted in it, and which of them pull it down."""

from services.feedback.domain.measuring.measures import Counting
from services.feedback.domain.measuring.part import Part
from services.feedback.domain.measuring.periods import Period
from services.feedback.domain.measuring.tally import MADE_OF
from services.feedback.scorecards.scorecards import PartPlace, Scorecards, following_place
from shared.contracts.vocabulary import Measure

AT_ONCE = 500
MOST_LOOKED_AT = 5_000
"""Parts that one page looks at; a page may be short, or empty, with more to come."""


def counts_in(part: Part, period: Period, measure: Measure) -> bool | None:
    """None: it does not count in this measure. Else whether it pulls it down. Counted as the scorecard counts it."""
    counting = Counting(period)
    counting.add_parts((part,))
    measures = MADE_OF.get(measure, (measure,))
    tally = counting.raw(lambda group: group.unit, lambda _: True).get(part.unit)
    if tally is None or not any(tally.only(measures)):
        return None
    pulled = counting.pulled.of(part.unit)
    # Reporting for duty is signing in, counted for the units that are whistled.
    return any((Measure.SIGN_IN if one is Measure.REPORT else one) in pulled for one in measures)


async def behind(
    cards: Scorecards, period: Period, unit: str, measure: Measure, pulled_down: bool, after: PartPlace, most: int
) -> tuple[list[tuple[Part, bool]], PartPlace | None]:
    """A page of the parts that count in a figure, each with whether it pulls it down, and where to go on."""
    found: list[tuple[Part, bool]] = []
    for _ in range(MOST_LOOKED_AT // AT_ONCE):
        parts = await cards.parts(unit, period.start, period.end, after, AT_ONCE)
        for place, part in enumerate(parts, start=1):
            pulls = counts_in(part, period, measure)
            if pulls is not None and (pulls or not pulled_down):
                found.append((part, pulls))
            if len(found) == most:
                more = place < len(parts) or len(parts) == AT_ONCE
                return found, following_place(parts[:place]) if more else None
        if len(parts) < AT_ONCE:
            return found, None
        after = following_place(parts)
    return found, after
