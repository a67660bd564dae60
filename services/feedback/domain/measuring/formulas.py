"""The formulas of docs/domain.md, "What is measured", written so that they can be read beside it. Pure and exact.

Nothing is divided by nothing: a figure with an empty denominator has no value, and is printed as “—”.
"""

from fractions import Fraction
from typing import NamedTuple

from services.feedback.domain.measuring.scoring import Scoring
from services.feedback.domain.measuring.tally import Tally
from shared.contracts.vocabulary import Measure as M

PLACES = 4
LOWEST, HIGHEST = 1, 5
"""评单: the lowest and the highest score."""
QUESTIONS = 3
"""评单: contact, speed and result are scored."""


class Exact(NamedTuple):
    """A figure: `value` = `numerator` / `denominator`. Composite and score are made of figures and have neither."""

    numerator: Fraction | None
    denominator: int | None
    value: Fraction | None


def figures(tally: Tally, scoring: Scoring) -> dict[M, Exact]:
    """Every measure of one group of parts."""
    t = tally
    satisfied = t.satisfied + Fraction(scoring.basically_satisfied) * t.basically_satisfied  # 满意 + 0.9 × 基本满意
    found = {
        M.SIGN_IN: _share(t.signed_in, t.sign_in_due),  # 按时签收率
        M.REPORT: _share(t.reported, t.report_due),  # 按时报到率
        M.FIRST_CONTACT: _share(t.contacted_in_time, t.contact_due),
        M.HANDLE: _share(t.handled_in_time, t.handle_due),  # 按期办结率
        M.WRITE_OFF: _share(t.written_off, t.on_ledger),  # 销号率 = written off / ledger
        M.REFUSAL: _share(t.refused, t.may_refuse),  # 退单率
        M.REWORK: _share(t.reworked, t.done),  # 返工率
        M.EXTENSION: _share(t.extended, t.may_extend),  # 延期率
        M.SUPERVISION: _share(t.supervised, t.may_be_supervised),
        M.RATED: _share(t.rated, t.to_rate),  # 评价率 = rated / to be rated
        M.RATING: _share(t.scores, QUESTIONS * t.scored),  # mean of all scores given, 1 to 5
        M.RESPONSE: _share(t.contacted, t.response_valid),  # 响应率 = contacted / valid
        M.SOLVED: _share(t.solved, t.solved_valid),  # 解决率 = solved / valid
        M.SATISFIED: _share(satisfied, t.satisfied_valid),  # 满意率
    }
    found[M.COMPOSITE] = _made_of(composite(found, scoring))
    found[M.SCORE] = _made_of(score(found, scoring))
    return found


def composite(found: dict[M, Exact], scoring: Scoring) -> Fraction | None:
    """综合 = 0.1 response + 0.5 solved + 0.4 satisfied, by the weights of the scoring."""
    response, solved, satisfied = (found[each].value for each in (M.RESPONSE, M.SOLVED, M.SATISFIED))
    if response is None or solved is None or satisfied is None:
        return None
    weights = scoring.composite
    return (
        Fraction(weights.response) * response
        + Fraction(weights.solved) * solved
        + Fraction(weights.satisfied) * satisfied
    )


def score(found: dict[M, Exact], scoring: Scoring) -> Fraction | None:
    """季度参考得分 = 0.4 composite + 0.3 on-time handling + 0.3 whistle-blower's rating as a share, by the weights."""
    made, handle, rating = (found[each].value for each in (M.COMPOSITE, M.HANDLE, M.RATING))
    if made is None or handle is None or rating is None:
        return None
    weights = scoring.score
    return (
        Fraction(weights.composite) * made
        + Fraction(weights.handle) * handle
        + Fraction(weights.rating) * rating_share(rating)
    )


def rating_share(rating: Fraction) -> Fraction:
    """A mean score of 1 is 0, one of 5 is 1: (mean − 1) / 4."""
    return (rating - LOWEST) / (HIGHEST - LOWEST)


def written(value: Fraction | None, places: int = PLACES) -> str | None:
    """As a decimal text with so many places, a half to the even side: "0.9000". None stays None."""
    if value is None:
        return None
    units = round(value * 10**places)  # of a Fraction: exact, and a half to the even side
    whole, rest = divmod(abs(units), 10**places)
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{rest:0{places}}" if places else f"{sign}{whole}"


def _share(numerator: int | Fraction, denominator: int) -> Exact:
    exact = Fraction(numerator)
    return Exact(exact, denominator, exact / denominator if denominator else None)


def _made_of(value: Fraction | None) -> Exact:
    return Exact(None, None, value)
