"""剔除: which measures of a part an exclusion may be asked for. The raw figures never change by it.

A measure may be excluded where something was measured by it: the part has a moment in it. 季度参考得分 is made of
other measures and has none of its own, so it cannot be excluded; what it is made of can.
"""

from collections.abc import Mapping
from uuid import UUID

from services.feedback.domain.measuring.judged import Exclusion, Judged, parts
from services.feedback.domain.measuring.part import Part
from services.feedback.domain.measuring.record import CaseRecord
from shared.contracts.vocabulary import Measure


def measured_of(part: Part) -> frozenset[Measure]:
    """The measures that this part counts in, and may be excluded from."""
    moments: Mapping[Measure, object | None] = {
        Measure.SIGN_IN: part.sign_in,
        Measure.REPORT: part.sign_in,
        Measure.FIRST_CONTACT: part.contact,
        Measure.HANDLE: part.handle,
        Measure.WRITE_OFF: part.on_ledger_at,
        Measure.REFUSAL: part.refused_at,
        Measure.REWORK: part.reworked_at,
        Measure.EXTENSION: part.extended_at,
        Measure.SUPERVISION: part.supervised_at,
        Measure.RATED: part.rated_at,
        Measure.RATING: part.scores,
        Measure.RESPONSE: part.answered,
        Measure.SOLVED: part.answered,
        Measure.SATISFIED: part.answered,
        Measure.COMPOSITE: part.answered,
    }
    return frozenset(measure for measure, moment in moments.items() if moment is not None)


def part_of(case_id: UUID, record: CaseRecord | None, words: Judged, unit: str, number: int) -> Part | None:
    """That unit's part in that round; None where it had none."""
    rows = parts(case_id, record, words) if record is not None else ()
    return next((row for row in rows if (row.unit, row.round) == (unit, number)), None)


def standing_for(words: Judged, unit: str, number: int, measures: frozenset[Measure]) -> Exclusion | None:
    """An exclusion of this part from one of these measures that is being asked for, or has been approved.

    One that was refused is over: it may be asked for again, with a better basis.
    """
    return next(
        (
            one
            for one in words.exclusions
            if (one.unit, one.round) == (unit, number) and one.approved is not False and measures & set(one.measures)
        ),
        None,
    )
