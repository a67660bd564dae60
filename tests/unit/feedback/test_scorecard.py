"""考核表: who is ranked, by what, and that the same rows give the same bytes. The period is November 2026."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.feedback.domain.measuring.measures import Counting, count
from services.feedback.domain.measuring.part import Part, Whole
from services.feedback.domain.measuring.periods import period_named
from services.feedback.domain.measuring.scorecard import (
    FigureGroup,
    Scorecard,
    UnitCard,
    compute,
    content,
    content_hash,
    read,
)
from services.feedback.domain.measuring.scoring import Rhythm, Scoring
from shared.contracts.units import next_version
from shared.contracts.vocabulary import Level, Measure, Source, UnitKind
from tests.unit.feedback.rows import (
    EAST,
    INPUTS,
    MARKET,
    NORTH,
    NOVEMBER,
    PINES,
    SCORING,
    TREE,
    UNITS,
    WATER,
    WEST,
    bad,
    day,
    good,
    late,
    met,
    part,
    whole,
)


def card(rows: Iterable[Part], wholes: Iterable[Whole] = (), former: Scorecard | None = None) -> Scorecard:
    counting = count(rows, NOVEMBER)
    counting.add_wholes(wholes)
    return compute(counting, SCORING, TREE, INPUTS, former=former)


def of(found: Scorecard, unit: str) -> UnitCard:
    known = found.unit(unit)
    assert known is not None
    return known


def value(found: UnitCard, measure: Measure) -> str | None:
    return found.adjusted[measure].value


def ranks(found: Scorecard) -> dict[str, int | None]:
    return {one.unit: one.rank for one in found.units}


# --- the league


def test_a_league_table_cannot_be_won_by_one_four_minute_case() -> None:
    thirty = Scoring(version="1", minimum_sample=30)
    # EAST: 30 of 40 perfect, 10 as bad as can be. WEST: one case, perfect.
    rows = [good(n, EAST) for n in range(30)] + [bad(n, EAST) for n in range(30, 40)] + [good(99, WEST)]
    found = compute(count(rows, NOVEMBER), thirty, TREE, INPUTS)
    east, west = of(found, EAST), of(found, WEST)
    assert (value(east, Measure.SCORE), value(west, Measure.SCORE)) == ("0.7500", "1.0000")
    assert (east.rank, east.of, east.unranked) == (1, 1, None)
    assert (west.rank, west.of) == (None, 1)
    assert west.unranked is not None
    assert "1 件" in west.unranked.zh
    assert "30" in west.unranked.en


def test_enough_handled_and_too_few_call_backs_is_too_small_a_sample() -> None:
    rows = [good(1), part(2, handle=met(day(3))), part(3, handle=met(day(3)))]
    found = of(card(rows), EAST)
    assert (found.handled, found.valid, found.rank) == (3, 1, None)


def test_streets_are_ranked_with_streets_and_ties_share_a_rank() -> None:
    rows = [
        *(good(n, EAST) for n in (1, 2)),
        *(good(n, WEST) for n in (3, 4)),
        good(5, NORTH),
        bad(6, NORTH),
        bad(7, WATER),
        good(8, WATER),
        *(bad(n, MARKET) for n in (9, 10)),
    ]
    found = card(rows)
    assert ranks(found) == {EAST: 1, WEST: 1, NORTH: 3, WATER: 1, MARKET: 1}
    assert [one.of for one in found.units] == [3, 3, 3, 1, 1]  # by code: EAST, WEST, NORTH, MARKET, WATER
    assert value(of(found, MARKET), Measure.SCORE) == "0.0000"


def test_scores_that_are_written_alike_are_told_apart() -> None:
    # 20000 of 20001 and 30000 of 30001 in time are 1.0000 both as they are written; the second is better.
    def rows(unit: str, many: int) -> Iterable[Part]:
        yield from (part(n, unit, handle=met(day(3))) for n in range(many))
        yield part(many, unit, handle=late(day(3)))
        yield from (good(many + n, unit) for n in (1, 2))

    found = card([*rows(EAST, 200), *rows(WEST, 300)])
    assert ranks(found) == {EAST: 2, WEST: 1}


def test_without_a_rating_there_is_no_score_and_no_rank() -> None:
    rows = [part(n, handle=met(day(3)), answered=good(1).answered) for n in (1, 2)]
    found = of(card(rows), EAST)
    assert (value(found, Measure.RATING), value(found, Measure.SCORE), found.rank) == (None, None, None)
    assert found.unranked is not None
    assert "吹哨单位评价" in found.unranked.zh


def test_a_unit_of_the_past_is_named_and_not_ranked() -> None:
    left = tuple(one for one in UNITS if one.code != WEST)
    heir = next(one for one in left if one.code == EAST).model_copy(update={"succeeds": (WEST,)})
    after = next_version(TREE, [heir if one.code == EAST else one for one in left], "2")
    counting = count([good(1, WEST), good(2, WEST), good(3, "never-heard-of"), good(4, "never-heard-of")], NOVEMBER)
    found = compute(counting, SCORING, after, INPUTS)
    assert (of(found, WEST).name, of(found, WEST).kind, of(found, WEST).rank) == ("西街道", UnitKind.STREET, None)
    unknown = of(found, "never-heard-of")
    assert (unknown.name, unknown.kind, unknown.rank) == ("never-heard-of", None, None)


def test_only_units_that_are_whistled_report_for_duty() -> None:
    found = card([good(1, EAST), good(2, PINES)])
    assert (value(of(found, EAST), Measure.REPORT), value(of(found, PINES), Measure.REPORT)) == ("1.0000", None)
    assert found.district.raw[Measure.REPORT].denominator == 1
    assert found.district.raw[Measure.SIGN_IN].denominator == 2


# --- raw and adjusted


def test_an_exclusion_changes_the_adjusted_figure_and_never_the_raw_one() -> None:
    rows = [good(1), good(2), bad(3)]
    excluded = [good(1), good(2), bad(3, excluded=frozenset({Measure.HANDLE}))]
    before, after = of(card(rows), EAST), of(card(excluded), EAST)
    assert after.raw == before.raw
    assert before.raw[Measure.HANDLE].value == "0.6667"  # 2 of 3
    assert after.adjusted[Measure.HANDLE].value == "1.0000"  # 2 of 2
    changed = {measure for measure in Measure if after.adjusted[measure] != before.adjusted[measure]}
    assert changed == {Measure.HANDLE, Measure.SCORE}
    assert (before.excluded, after.excluded) == ({}, {Measure.HANDLE: 1})
    assert after.handled == 2  # the sample that the ranked figure rests on


@settings(max_examples=60)
@given(measures=st.frozensets(st.sampled_from(list(Measure))))
def test_no_exclusion_changes_a_raw_figure(measures: frozenset[Measure]) -> None:
    plain, with_it = card([good(1), bad(2)]), card([good(1), bad(2, excluded=measures)])
    assert with_it.district.raw == plain.district.raw
    assert of(with_it, EAST).raw == of(plain, EAST).raw


def test_everything_excluded_leaves_no_figure_and_not_zero() -> None:
    found = of(card([bad(1, excluded=frozenset(Measure))]), EAST)
    assert {one.value for one in found.adjusted.values()} == {None}
    assert found.raw[Measure.HANDLE].value == "0.0000"
    assert found.pulled_down == {}


def test_a_numerator_is_written_in_full() -> None:
    found = of(card([good(1), part(2, answered=good(2).answered)]), EAST)
    assert found.raw[Measure.SATISFIED].model_dump() == {"numerator": "2", "denominator": 2, "value": "1.0000"}
    assert found.raw[Measure.SCORE].denominator is None


# --- breakdowns and totals


def keys(groups: tuple[FigureGroup, ...]) -> list[tuple[str, int | None]]:
    return [(one.key, one.raw[Measure.HANDLE].denominator) for one in groups]


def test_every_breakdown_adds_up_to_the_district() -> None:
    found = card(
        [
            good(1),
            part(2, handle=met(day(3)), level=Level.HUB, category="噪声", region=EAST, source=Source.GRID),
            part(3, WEST, handle=late(day(3)), category="", region=WEST),
        ]
    )
    assert keys((found.district,)) == [("", 3)]
    assert keys(found.by_level) == [("hub", 1), ("street", 2)]
    assert keys(found.by_category) == [("", 1), ("供水", 1), ("噪声", 1)]
    assert keys(found.by_region) == [(EAST, 1), (PINES, 1), (WEST, 1)]
    assert keys(found.by_source) == [("grid", 1), ("hotline_12345", 2)]


def test_cases_are_counted_by_the_case() -> None:
    found = card([], [whole(1, received_at=day(2)), whole(2, received_at=day(3), category="", level=None)])
    assert (found.cases.received, found.cases.open) == (2, 2)
    assert [(one.key, one.counts.received) for one in found.cases_by_level] == [("", 1), ("street", 1)]
    assert [one.key for one in found.cases_by_whistle_blower] == [PINES]


def test_a_period_in_which_nothing_happened() -> None:
    found = compute(Counting(NOVEMBER), SCORING, TREE, INPUTS)
    assert found.units == ()
    assert {one.value for one in found.district.raw.values()} == {None}
    assert read(content(found)) == found


# --- the trend


def test_the_trend_is_against_the_former_published_scorecard() -> None:
    october = card([good(1), bad(2)])
    found = card([good(1), good(2), bad(3), good(4, WEST)], former=october)
    assert of(found, EAST).trend[Measure.HANDLE] == "+0.1667"  # 0.6667 − 0.5000
    assert of(found, EAST).trend[Measure.REFUSAL] == "+0.0000"
    assert of(found, EAST).trend[Measure.EXTENSION] is not None
    assert of(found, WEST).trend[Measure.HANDLE] is None  # it was not in the former one
    assert found.trend[Measure.HANDLE] == "+0.2500"  # of the district: 0.7500 − 0.5000
    assert found.former is not None
    assert found.former.content_hash == content_hash(content(october))
    assert card([good(1)]).trend[Measure.HANDLE] is None


def test_a_month_is_not_compared_with_a_quarter() -> None:
    quarter = compute(Counting(period_named(Rhythm.QUARTER, "2026-Q3", SCORING)), SCORING, TREE, INPUTS)
    with pytest.raises(ValueError, match="quarter"):
        card([], former=quarter)


# --- the same bytes


ROWS = st.builds(
    lambda make, number, unit, on, excluded: make(number, unit, on, excluded=excluded),
    st.sampled_from([good, bad]),
    st.integers(1, 50),
    st.sampled_from([EAST, WEST, WATER, PINES]),
    st.integers(2, 28),
    st.frozensets(st.sampled_from(list(Measure)), max_size=2),
)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(ROWS, max_size=60), seed=st.integers(0, 100), cut=st.integers(0, 60))
def test_the_same_rows_give_the_same_bytes_in_whatever_order(rows: list[Part], seed: int, cut: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    joined = count(shuffled[:cut], NOVEMBER)
    joined.add(count(shuffled[cut:], NOVEMBER))
    one, other = content(card(rows)), content(compute(joined, SCORING, TREE, INPUTS))
    assert one == other
    assert content_hash(one) == content_hash(other)
    assert content(read(one)) == one


def test_what_it_was_computed_of_is_in_the_bytes() -> None:
    counting = count([good(1)], NOVEMBER)
    one = compute(counting, SCORING, TREE, INPUTS)
    second = compute(counting, SCORING, TREE, INPUTS, edition=2)
    later = compute(counting, SCORING, TREE, INPUTS.model_copy(update={"scoring": "2027-01-01"}))
    assert len({content_hash(content(each)) for each in (one, second, later)}) == 3
