"""The formulas, against figures worked by hand."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.domain.measuring.formulas import figures, written
from services.feedback.domain.measuring.scoring import CompositeWeights, ScoreWeights, Scoring
from services.feedback.domain.measuring.tally import FIELDS, Tally
from shared.contracts.vocabulary import Measure as M

SCORING = Scoring(version="1")

A_QUARTER = Tally(
    sign_in_due=40,
    signed_in=38,
    report_due=40,
    reported=38,
    contact_due=40,
    contacted_in_time=30,
    handle_due=40,
    handled_in_time=36,
    on_ledger=50,
    written_off=42,
    may_refuse=45,
    refused=3,
    may_extend=45,
    extended=9,
    may_be_supervised=45,
    supervised=0,
    done=39,
    reworked=2,
    to_rate=40,
    rated=32,
    scored=32,
    scores=400,
    response_valid=20,
    contacted=19,
    solved_valid=20,
    solved=16,
    satisfied_valid=20,
    satisfied=12,
    basically_satisfied=5,
    silent=7,
)


@pytest.mark.parametrize(
    ("measure", "value", "worked"),
    [
        (M.SIGN_IN, "0.9500", "38 / 40"),
        (M.REPORT, "0.9500", "38 / 40"),
        (M.FIRST_CONTACT, "0.7500", "30 / 40"),
        (M.HANDLE, "0.9000", "36 / 40"),
        (M.WRITE_OFF, "0.8400", "42 / 50"),
        (M.REFUSAL, "0.0667", "3 / 45 = 0.06666…"),
        (M.EXTENSION, "0.2000", "9 / 45"),
        (M.SUPERVISION, "0.0000", "0 / 45: nothing of something is 0"),
        (M.REWORK, "0.0513", "2 / 39 = 0.05128…"),
        (M.RATED, "0.8000", "32 / 40"),
        (M.RATING, "4.1667", "400 / (3 × 32) = 4.16666…"),
        (M.RESPONSE, "0.9500", "19 / 20"),
        (M.SOLVED, "0.8000", "16 / 20"),
        (M.SATISFIED, "0.8250", "(12 + 0.9 × 5) / 20 = 16.5 / 20"),
        (M.COMPOSITE, "0.8250", "0.1 × 0.95 + 0.5 × 0.8 + 0.4 × 0.825 = 0.095 + 0.4 + 0.33"),
        (M.SCORE, "0.8375", "0.4 × 0.825 + 0.3 × 0.9 + 0.3 × (4.16666… − 1) / 4 = 0.33 + 0.27 + 0.2375"),
    ],
)
def test_a_quarter(measure: M, value: str, worked: str) -> None:
    assert written(figures(A_QUARTER, SCORING)[measure].value) == value, worked


def test_another_citys_weights() -> None:
    scoring = Scoring(
        version="1",
        composite=CompositeWeights(response=Decimal("0.30"), solved=Decimal("0.35"), satisfied=Decimal("0.35")),
        score=ScoreWeights(composite=Decimal("0.5"), handle=Decimal("0.5"), rating=Decimal(0)),
        basically_satisfied=Decimal("0.8"),
    )
    found = figures(A_QUARTER, scoring)
    assert written(found[M.SATISFIED].value) == "0.8000"  # (12 + 0.8 × 5) / 20
    assert written(found[M.COMPOSITE].value) == "0.8450"  # 0.3 × 0.95 + 0.35 × 0.8 + 0.35 × 0.8
    assert written(found[M.SCORE].value) == "0.8725"  # (0.845 + 0.9) / 2


def test_where_nothing_was_due_no_figure_has_a_value() -> None:
    assert {one.value for one in figures(Tally(), SCORING).values()} == {None}


@pytest.mark.parametrize("missing", [M.HANDLE, M.RATING, M.RESPONSE, M.SOLVED, M.SATISFIED])
def test_a_score_needs_all_it_is_made_of(missing: M) -> None:
    found = figures(A_QUARTER._replace(**dict.fromkeys(FIELDS[missing], 0)), SCORING)
    assert found[missing].value is None
    assert found[M.SCORE].value is None
    assert (found[M.COMPOSITE].value is None) == (missing not in (M.HANDLE, M.RATING))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (Fraction(0), "0.0000"),
        (Fraction(1), "1.0000"),
        (Fraction(9, 10), "0.9000"),
        (Fraction(1, 3), "0.3333"),
        (Fraction(2, 3), "0.6667"),
        (Fraction(100005, 1000000), "0.1000"),  # a half to the even side
        (Fraction(100015, 1000000), "0.1000"),
        (Fraction(100150, 1000000), "0.1002"),
        (Fraction(100250, 1000000), "0.1002"),
        (Fraction(99999, 100000), "1.0000"),
        (Fraction(13, 3), "4.3333"),
        (Fraction(-1, 8), "-0.1250"),
        (Fraction(3, 2), "1.5000"),  # refusals of what was assigned before: shown as it is
    ],
)
def test_as_it_is_written(value: Fraction | None, text: str | None) -> None:
    assert written(value) == text


@given(
    due=st.integers(1, 10**6),
    share=st.fractions(0, 1),
    answers=st.lists(st.sampled_from(["yes", "basically", "no"]), min_size=1, max_size=50),
    scores=st.lists(st.integers(1, 5), min_size=3, max_size=60),
)
def test_a_score_is_between_nothing_and_everything(
    due: int, share: Fraction, answers: list[str], scores: list[int]
) -> None:
    rated = len(scores) // 3
    found = figures(
        Tally(
            handle_due=due,
            handled_in_time=int(due * share),
            scored=rated,
            scores=sum(scores[: rated * 3]),
            response_valid=len(answers),
            contacted=len(answers),
            solved_valid=len(answers),
            solved=answers.count("yes"),
            satisfied_valid=len(answers),
            satisfied=answers.count("yes"),
            basically_satisfied=answers.count("basically"),
        ),
        SCORING,
    )
    score, rating = found[M.SCORE].value, found[M.RATING].value
    assert score is not None
    assert rating is not None
    assert 0 <= score <= 1
    assert 1 <= rating <= 5
