"""季度参考意见: what pulled a unit down, worked by hand, and in which words it is said."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.feedback.domain.measuring.measures import count
from services.feedback.domain.measuring.opinion import Opinion, losses, opinions
from services.feedback.domain.measuring.part import Part, Scores
from services.feedback.domain.measuring.periods import period_named
from services.feedback.domain.measuring.scorecard import Scorecard, compute
from services.feedback.domain.measuring.scoring import Rhythm
from shared.contracts.vocabulary import Measure
from tests.unit.feedback.rows import (
    EAST,
    INPUTS,
    MARKET,
    SCORING,
    TREE,
    WEST,
    bad,
    basically,
    day,
    good,
    late,
    met,
    part,
    satisfied,
    unsatisfied,
)

QUARTER = period_named(Rhythm.QUARTER, "2026-Q4", SCORING)


def card(rows: list[Part], former: Scorecard | None = None) -> Scorecard:
    return compute(count(rows, QUARTER), SCORING, TREE, INPUTS, former=former)


def of(found: Scorecard, unit: str) -> Opinion:
    return next(one for one in opinions(found) if one.unit == unit)


MIXED = [
    part(1, handle=late(day(3)), answered=satisfied(day(5)), rated_at=day(5), scores=Scores(5, 5, 5)),
    part(2, handle=met(day(3)), answered=basically(day(5)), rated_at=day(5), scores=Scores(5, 4, 3)),
    part(3, handle=met(day(3)), answered=unsatisfied(day(5)), rated_at=day(5)),
    part(4, handle=met(day(3)), answered=satisfied(day(5))),
]
"""Response 3/4, solved 3/4, satisfied (2 + 0.9)/4 = 0.725, handled 3/4, rating 27/6 = 4.5, a share of 0.875."""


def test_the_three_largest_losses_with_their_cases() -> None:
    found = of(card(MIXED), EAST)
    # handle 0.3 × 25 = 7.5; solved 0.4 × 0.5 × 25 = 5; satisfied 0.4 × 0.4 × 27.5 = 4.4;
    # rating 0.3 × 12.5 = 3.75; response 0.4 × 0.1 × 25 = 1. Together 21.65: the score is 78.35.
    assert [(cause.measure, cause.loss, cause.count, cause.numbers) for cause in found.causes] == [
        (Measure.HANDLE, "7.50", 1, ("HA-0001",)),
        (Measure.SOLVED, "5.00", 1, ("HA-0003",)),
        (Measure.SATISFIED, "4.40", 2, ("HA-0003", "HA-0002")),  # the unsatisfied one first
    ]
    assert (found.score, found.rank, found.of) == ("78.35", 1, 1)


def test_it_is_said_in_both_languages() -> None:
    found = of(card(MIXED), EAST)
    assert found.said.zh == (
        "东街道本季度（2026-Q4）参考得分 78.35 分，在 1 个参加排名的街道中列第 1。失分最多的是："
        "按期办结率 75.00%，失 7.50 分：1 件逾期；"
        "解决率 75.00%，失 5.00 分：1 件居民反映未解决；"
        "满意率 72.50%，失 4.40 分：2 件居民不满意或仅基本满意。"
    )
    assert found.said.en == (
        "East Street: reference score of the quarter 2026-Q4 78.35, rank 1 of 1 ranked streets. What cost it most: "
        "Handled in time 75.00%, 7.50 points lost: 1 case overdue; "
        "Solved 75.00%, 5.00 points lost: in 1 case the resident says it is not solved; "
        "Satisfied 72.50%, 4.40 points lost: in 2 cases the resident was not or only basically satisfied."
    )


def test_nothing_pulled_down_who_lost_nothing() -> None:
    found = of(card([good(1), good(2)]), EAST)
    assert (found.score, found.causes) == ("100.00", ())
    assert "失分" not in found.said.zh


def test_the_trend_is_in_points() -> None:
    before = card([good(1), bad(2)])
    assert of(card([good(1), good(2), good(3), bad(4)], before), EAST).trend == "+25.00"
    assert "较上期上升 25.00 分" in of(card([good(1), good(2), good(3), bad(4)], before), EAST).said.zh
    assert "较上期下降 50.00 分" in of(card([bad(1), bad(2)], before), EAST).said.zh
    assert "与上期持平" in of(card([good(1), bad(2)], before), EAST).said.zh
    assert of(card([good(1)]), EAST).trend is None


def test_who_is_not_ranked_is_told_why_and_what_pulled_it_down_all_the_same() -> None:
    found = of(card([bad(1)]), EAST)
    assert found.rank is None
    assert "样本不足" in found.said.zh
    assert [cause.measure for cause in found.causes] == [Measure.HANDLE, Measure.RATING, Measure.SOLVED]


def test_without_a_score_there_is_a_dash_and_no_loss_is_invented() -> None:
    found = of(card([part(1, handle=late(day(3)))]), EAST)
    assert (found.score, found.trend) == (None, None)
    assert "“—”" in found.said.zh
    assert [cause.measure for cause in found.causes] == [Measure.HANDLE]


def test_opinions_stand_by_kind_and_rank() -> None:
    rows = [*(bad(n, EAST) for n in (1, 2)), *(good(n, WEST) for n in (3, 4)), *(good(n, MARKET) for n in (5, 6))]
    assert [(one.unit, one.rank) for one in opinions(card(rows))] == [(MARKET, 1), (WEST, 1), (EAST, 2)]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.builds(
            lambda number, in_time, answer, scores: part(
                number,
                handle=met(day(3)) if in_time else late(day(3)),
                answered=answer(day(5)),
                rated_at=day(5),
                scores=Scores(*scores),
            ),
            st.integers(1, 30),
            st.booleans(),
            st.sampled_from([satisfied, basically, unsatisfied]),
            st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_what_was_lost_and_what_was_scored_are_a_hundred(rows: list[Part]) -> None:
    found = card(rows)
    unit = found.unit(EAST)
    assert unit is not None
    score = unit.adjusted[Measure.SCORE].value
    assert score is not None
    lost = sum(losses(found.method, unit).values(), Fraction())
    assert abs(100 - lost - Fraction(score) * 100) <= Fraction(1, 100)
