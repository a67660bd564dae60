"""From rows to whole numbers: small tables, worked by hand. The period is November 2026."""

import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.feedback.domain.measuring.measures import Counting, count, pulled_down
from services.feedback.domain.measuring.part import Part, Scores, Spell, Whole
from services.feedback.domain.measuring.periods import period_named
from services.feedback.domain.measuring.scoring import Rhythm, Scoring
from services.feedback.domain.measuring.tally import CaseTally, Tally
from shared.contracts import facts as f
from shared.contracts.vocabulary import Measure, Obligation, ReworkCause, Satisfaction
from tests.unit.feedback.recording import RULE, Story
from tests.unit.feedback.rows import (
    EAST,
    MARKET,
    NOVEMBER,
    PINES,
    SCORING,
    WATER,
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
    whole,
)

OCTOBER = day(20, month=10)
DECEMBER = day(10, month=12)


def tally(*rows: Part, reports: bool = True, raw: bool = True) -> Tally:
    counting = count(rows, NOVEMBER)
    found = counting.raw(lambda _: "", lambda _: reports).get("", Tally())
    return found if raw else found.minus(counting.excluded(lambda _: "", lambda _: reports).get("", Tally()))


def numbers(found: Tally) -> dict[str, int]:
    """Those that are not 0, to be read as a table."""
    return {name: number for name, number in found._asdict().items() if number}


def test_a_moment_counts_in_the_period_it_lies_in() -> None:
    found = tally(
        part(1, sign_in=met(day(2)), handle=met(day(9))),  # both in November: 1 of 1, 1 of 1
        part(2, sign_in=met(OCTOBER), handle=late(day(3))),  # signed in in October; overdue in November: 0 of 1
        part(3, sign_in=late(day(4)), handle=met(DECEMBER)),  # late in November: 0 of 1; handled in December
        part(4, sign_in=met(OCTOBER), handle=met(DECEMBER)),  # nothing of it is November's
    )
    assert numbers(found) == {
        "sign_in_due": 2,
        "signed_in": 1,
        "report_due": 2,
        "reported": 1,
        "handle_due": 2,
        "handled_in_time": 1,
    }


def test_the_first_moment_of_the_period_is_in_it_and_its_end_is_not() -> None:
    assert tally(part(handle=met(NOVEMBER.start))).handle_due == 1
    assert tally(part(handle=met(NOVEMBER.end))).handle_due == 0


FIVES = Scores(5, 5, 5)


@pytest.mark.parametrize(
    ("counted", "of"),
    [
        (lambda at: part(sign_in=met(at)), "sign_in_due"),
        (lambda at: part(contact=met(at)), "contact_due"),
        (lambda at: part(handle=met(at)), "handle_due"),
        (lambda at: part(assigned_at=at), "may_refuse"),
        (lambda at: part(refused_at=at), "refused"),
        (lambda at: part(extended_at=at), "extended"),
        (lambda at: part(supervised_at=at), "supervised"),
        (lambda at: part(done_at=at), "done"),
        (lambda at: part(reworked_at=at), "reworked"),
        (lambda at: part(rated_at=at, scores=FIVES), "rated"),
        (lambda at: part(answered=satisfied(at)), "satisfied_valid"),
        (lambda at: part(silent_at=at), "silent"),
    ],
)
def test_every_moment_counts_from_the_beginning_of_its_period_until_just_before_its_end(
    counted: Callable[[datetime], Part], of: str
) -> None:
    moment = timedelta(microseconds=1)
    start, end = NOVEMBER.start, NOVEMBER.end
    places = (start - moment, start, end - moment, end)
    assert [getattr(tally(counted(at)), of) for at in places] == [0, 1, 1, 0]


def test_a_community_signs_in_and_does_not_report_for_duty() -> None:
    found = tally(part(sign_in=met(day(2))), reports=False)
    assert (found.sign_in_due, found.report_due) == (1, 0)


def test_the_flows_of_a_period() -> None:
    found = tally(
        part(1, assigned_at=day(1, 1), refused_at=day(2)),
        part(2, assigned_at=OCTOBER, refused_at=day(2)),  # assigned in October: counts as a refusal alone
        part(3, assigned_at=day(3), extended_at=day(5), done_at=day(9), reworked_at=day(12)),
        part(4, assigned_at=day(3), supervised_at=day(5), done_at=day(9)),
    )
    assert (found.refused, found.may_refuse) == (2, 3)
    assert (found.extended, found.may_extend) == (1, 3)
    assert (found.supervised, found.may_be_supervised) == (1, 3)
    assert (found.reworked, found.done) == (1, 2)


@pytest.mark.parametrize(
    ("row", "written_off", "on_ledger"),
    [
        (part(on_ledger_at=day(2), off_ledger_at=day(9), written_off=True), 1, 1),
        (part(on_ledger_at=OCTOBER, off_ledger_at=day(9), written_off=True), 1, 1),
        (part(on_ledger_at=day(2)), 0, 1),  # on it still
        (part(on_ledger_at=OCTOBER, off_ledger_at=DECEMBER, written_off=True), 0, 1),  # all November on it
        (part(on_ledger_at=day(2), off_ledger_at=DECEMBER), 0, 1),  # given away in December only
        (part(on_ledger_at=day(2), off_ledger_at=day(9)), 0, 0),  # given away in November: not its to write off
        (part(on_ledger_at=OCTOBER, off_ledger_at=OCTOBER, written_off=True), 0, 0),
        (part(on_ledger_at=DECEMBER), 0, 0),
        (part(), 0, 0),  # never led
    ],
)
def test_the_ledger(row: Part, written_off: int, on_ledger: int) -> None:
    found = tally(row)
    assert (found.written_off, found.on_ledger) == (written_off, on_ledger)


def test_who_lost_the_lead_just_as_the_period_ended_had_it_in_the_period() -> None:
    again = replace(part(on_ledger_at=NOVEMBER.end), former_spells=(Spell(day(2), NOVEMBER.end),))
    lost_before = replace(part(on_ledger_at=NOVEMBER.end), former_spells=(Spell(day(2), day(9)),))
    assert (tally(again).on_ledger, tally(lost_before).on_ledger) == (1, 0)


def test_a_unit_that_led_twice_was_on_the_ledger_twice_and_counts_once() -> None:
    # It led from October to 5 December, and again from 8 December on: on its ledger all November.
    spells = (Spell(OCTOBER, day(5, month=12)),)
    assert tally(replace(part(on_ledger_at=day(8, month=12)), former_spells=spells)).on_ledger == 1
    # It led until 5 November and from 8 November on.
    spells = (Spell(OCTOBER, day(5)),)
    assert tally(replace(part(on_ledger_at=day(8)), former_spells=spells)).on_ledger == 1


def test_ratings_and_what_was_not_rated() -> None:
    found = tally(
        part(1, rated_at=day(5), scores=Scores(5, 4, 3)),  # 12
        part(2, rated_at=day(5), scores=Scores(2, 2, 2)),  # 6
        part(3, rated_at=day(6)),  # the verdict was given, and it had not been rated
        part(4),  # may be rated yet
        part(5, rated_at=DECEMBER, scores=Scores(1, 1, 1)),
    )
    assert numbers(found) == {"to_rate": 3, "rated": 2, "scored": 2, "scores": 18}


def test_the_three_questions() -> None:
    found = tally(
        part(1, answered=satisfied(day(5))),
        part(2, answered=basically(day(5))),
        part(3, answered=unsatisfied(day(5))),
        part(4, silent_at=day(5)),  # silence is in no denominator
        part(5, answered=satisfied(DECEMBER)),
    )
    assert numbers(found) == {
        "response_valid": 3,
        "contacted": 2,
        "solved_valid": 3,
        "solved": 2,
        "satisfied_valid": 3,
        "satisfied": 1,
        "basically_satisfied": 1,
        "silent": 1,
    }


def test_an_exclusion_leaves_out_of_its_measure_alone_and_never_of_the_raw_figure() -> None:
    rows = [good(1), bad(2, excluded=frozenset({Measure.HANDLE}))]
    raw, adjusted = tally(*rows), tally(*rows, raw=False)
    assert raw == tally(good(1), bad(2))
    assert (raw.handle_due, raw.handled_in_time) == (2, 1)
    assert (adjusted.handle_due, adjusted.handled_in_time) == (1, 1)
    assert adjusted._replace(handle_due=2) == raw  # nothing else changed


@pytest.mark.parametrize(
    ("measure", "valid"),  # of two call-backs: response, solved, satisfied
    [
        (Measure.SATISFIED, (2, 2, 1)),
        (Measure.RESPONSE, (1, 2, 2)),
        (Measure.COMPOSITE, (1, 1, 1)),
        (Measure.SCORE, (1, 1, 1)),
        (Measure.RATING, (2, 2, 2)),
    ],
)
def test_an_exclusion_of_what_is_made_of_others_leaves_out_of_them(
    measure: Measure, valid: tuple[int, int, int]
) -> None:
    found = tally(good(1), bad(2, excluded=frozenset({measure})), raw=False)
    assert (found.response_valid, found.solved_valid, found.satisfied_valid) == valid


def test_exclusions_are_counted_where_they_left_something_out() -> None:
    rows = [
        bad(1, excluded=frozenset({Measure.HANDLE, Measure.REFUSAL})),
        part(2, sign_in=met(day(3)), excluded=frozenset({Measure.HANDLE})),  # it had no handling in November
    ]
    # REFUSAL: case 1 was assigned in November, so it is in that denominator.
    assert count(rows, NOVEMBER).left_out_of(EAST) == {Measure.HANDLE: 1, Measure.REFUSAL: 1}


def test_numbers_add_up_by_whatever_is_asked() -> None:
    rows = [
        good(1, EAST),
        good(2, WEST),
        part(3, EAST, category="噪声", handle=late(day(3))),
    ]
    counting = count(rows, NOVEMBER)
    due = {key: found.handle_due for key, found in counting.raw(lambda one: one.unit, lambda _: True).items()}
    by_category = {key: one.handle_due for key, one in counting.raw(lambda one: one.category, lambda _: True).items()}
    assert due == {EAST: 2, WEST: 1}
    assert by_category == {"供水": 2, "噪声": 1}


# --- cases as wholes


def cases(*rows: Whole) -> CaseTally:
    counting = Counting(NOVEMBER)
    counting.add_wholes(rows)
    return counting.cases(lambda one: one.unit).get(PINES, CaseTally())


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (whole(received_at=day(2)), CaseTally(received=1, open=1)),
        (whole(received_at=OCTOBER), CaseTally(open=1)),
        (whole(received_at=DECEMBER), CaseTally()),
        (whole(received_at=day(2), declined_at=day(3)), CaseTally(received=1, declined=1)),
        (whole(received_at=day(2), declined_at=DECEMBER), CaseTally(received=1, open=1)),
        (whole(received_at=OCTOBER, withdrawn_at=day(3)), CaseTally(withdrawn=1)),
        (whole(received_at=day(2), merged_at=day(3), closings=(day(9),)), CaseTally(received=1, merged=1, closed=1)),
        (whole(received_at=day(2), closings=(day(9),), reopenings=(NOVEMBER.end,)), CaseTally(received=1, closed=1)),
        (whole(received_at=day(2), closings=(NOVEMBER.end,)), CaseTally(received=1, open=1)),
        (
            whole(received_at=day(2), merged_at=day(3), closings=(day(9),), reopenings=(day(12),)),
            CaseTally(received=1, merged=1, closed=1, reopened=1, open=1),
        ),
        (whole(received_at=OCTOBER, closings=(day(3),)), CaseTally(closed=1)),
        (whole(received_at=OCTOBER, closings=(DECEMBER,)), CaseTally(open=1)),
        # closed in October, reopened and closed again in November
        (
            whole(received_at=OCTOBER, closings=(OCTOBER, day(9)), reopenings=(day(3),)),
            CaseTally(closed=1, reopened=1),
        ),
        # closed in November, reopened in December: November stays as it was
        (whole(received_at=day(2), closings=(day(9),), reopenings=(DECEMBER,)), CaseTally(received=1, closed=1)),
        (
            whole(received_at=OCTOBER, closings=(day(9),), reopenings=(day(10),)),
            CaseTally(closed=1, reopened=1, open=1),
        ),
        (
            whole(
                received_at=OCTOBER,
                closings=(day(2),),
                sampled_at=day(3),
                sample_checked_at=day(4),
                sample_passed=False,
            ),
            CaseTally(closed=1, sampled=1, sample_checked=1, sample_failed=1),
        ),
    ],
)
def test_a_case_as_a_whole(row: Whole, expected: CaseTally) -> None:
    assert cases(row) == expected


# --- what pulls a unit down


def test_examples_are_the_worst_first_and_by_number() -> None:
    rows = [
        part(7, rated_at=day(5), scores=Scores(4, 4, 4)),
        part(3, rated_at=day(5), scores=Scores(1, 1, 1)),
        part(5, rated_at=day(5), scores=Scores(1, 1, 1)),
        part(1, rated_at=day(5), scores=Scores(5, 5, 5)),  # the best: it pulls nothing down
        part(2, rated_at=day(5), scores=Scores(1, 1, 1), excluded=frozenset({Measure.RATING})),
    ]
    found = pulled_down(count(rows, NOVEMBER), EAST)[Measure.RATING]
    assert (found.count, found.numbers) == (3, ("HA-0003", "HA-0005", "HA-0007"))


@given(
    rows=st.lists(
        st.builds(
            lambda number, low: part(number, rated_at=day(5), scores=Scores(low, 5, 5), sign_in=late(day(5))),
            st.integers(1, 300),
            st.integers(1, 5),
        ),
        max_size=400,
    ),
    seed=st.integers(0, 10),
    cut=st.integers(0, 400),
)
def test_order_and_batches_do_not_matter(rows: list[Part], seed: int, cut: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    one = count(rows, NOVEMBER)
    other = count(shuffled[:cut], NOVEMBER)
    other.add(pickle.loads(pickle.dumps(count(shuffled[cut:], NOVEMBER))))  # it may come from another process
    assert pulled_down(one, EAST) == pulled_down(other, EAST)
    for counted in (one, other):
        for pulled in pulled_down(counted, EAST).values():
            assert len(pulled.numbers) <= 10
    # As many examples as there are cases, up to ten, and those that come first.
    first = sorted({row.number for row in rows})[:10]
    assert list(pulled_down(one, EAST)[Measure.SIGN_IN].numbers if rows else ()) == first
    assert one.raw(lambda group: group, lambda _: True) == other.raw(lambda group: group, lambda _: True)


@pytest.mark.parametrize("seed", range(6))
def test_of_hundreds_of_cases_the_same_ten_are_held_in_whatever_order(seed: int) -> None:
    # 500 cases, every third rated 3 of 15 and the others 6: the worst are 3, 6, 9, …, 30.
    rows = [part(n, rated_at=day(5), scores=Scores(1, 1, 4 if n % 3 else 1)) for n in range(1, 501)]
    rows = sorted(rows, key=lambda row: -int(row.number[3:])) if seed == 0 else random.Random(seed).sample(rows, 500)
    found = pulled_down(count(rows, NOVEMBER), EAST)[Measure.RATING]
    assert found.count == 500
    assert found.numbers == tuple(f"HA-{n:04}" for n in range(3, 31, 3))


def test_only_the_same_period_is_joined() -> None:
    with pytest.raises(ValueError, match="2026-10"):
        Counting(NOVEMBER).add(Counting(period_named(Rhythm.MONTH, "2026-10", SCORING)))


def test_a_month_from_the_nineteenth() -> None:
    scoring = Scoring(version="1", month_begins_on=19)
    row = part(handle=met(day(18, 15)))  # 18 November 23:00 in Shanghai: the last hour of 2026-11
    after = part(handle=met(day(18, 17)))  # 19 November 01:00: 2026-12
    found = {
        name: count([row, after], period_named(Rhythm.MONTH, name, scoring)).raw(lambda one: one.unit, lambda _: True)
        for name in ("2026-11", "2026-12")
    }
    assert [found[name][EAST].handle_due for name in found] == [1, 1]


# --- the past stays as it is


Happening: TypeAlias = Callable[[Story, datetime], object]

HAPPENINGS: dict[str, Happening] = {
    "both have it": lambda told, at: told.dispatched(at, WATER, MARKET, number=_round(told)),
    "the other leads": lambda told, at: told.dispatched(at, MARKET, WATER, number=_round(told)),
    "the other alone": lambda told, at: told.dispatched(at, MARKET, number=_round(told)),
    "signed in": lambda told, at: told.signed_in(at, WATER),
    "late": lambda told, at: told.overdue(at, WATER, Obligation.HANDLE, at),
    "refused": lambda told, at: told.refused(at, MARKET),
    "upheld": lambda told, at: told.ruled(at, MARKET, upheld=True),
    "dismissed": lambda told, at: told.ruled(at, MARKET, upheld=False),
    "contacted": lambda told, at: told.contacted(at, WATER),
    "extended": lambda told, at: told.extension(at, WATER, approved=True),
    "supervised": lambda told, at: told.supervised(at, WATER),
    "handed over": lambda told, at: told.handed_over(at, MARKET, EAST) if _round(told) == 1 else None,
    "done": lambda told, at: told.done(at, WATER),
    "the other done": lambda told, at: told.done(at, MARKET),
    "sent to the desk": lambda told, at: told.to_desk(at, WATER, MARKET),
    "closed": lambda told, at: told.closed(at),
    "check failed": lambda told, at: told.checked(at, WATER).rework(at, WATER, MARKET, number=_round(told) + 1),
    "rated and closed": lambda told, at: told.word(at, _answer(told)).word(at, _rating(told)).closed(at),
}
REOPENED: Happening = lambda told, at: told.rework(at, WATER, number=_round(told) + 1, cause=ReworkCause.HUB_ORDERED)  # noqa: E731
happenings = st.lists(st.sampled_from(sorted(HAPPENINGS)), max_size=15)


@settings(max_examples=400)
@given(before=happenings, after=happenings)
def test_what_happens_later_does_not_change_the_figures_of_the_past(before: list[str], after: list[str]) -> None:
    """Whatever follows whatever, more than the lifecycle allows: November is the same when it is told in December."""
    told = Story(day(2))
    for place, happening in enumerate(before):
        _happen(told, day(3).replace(minute=place), happening)
    then = _all_numbers(told)
    for place, happening in enumerate(after):
        _happen(told, DECEMBER.replace(minute=place), happening)
    assert _all_numbers(told) == then


def _happen(told: Story, at: datetime, happening: str) -> None:
    """Nothing but a reopening follows a closing."""
    assert told.record is not None
    (HAPPENINGS[happening] if told.record.closed_at is None else REOPENED)(told, at)


def _answer(told: Story) -> f.FeedbackResidentAnswered:
    satisfaction = Satisfaction.SATISFIED
    return f.FeedbackResidentAnswered(
        round=_round(told), contacted=True, solved=True, satisfaction=satisfaction, actor=RULE
    )


def _rating(told: Story) -> f.FeedbackUnitRated:
    return f.FeedbackUnitRated(round=_round(told), unit=WATER, contact=5, speed=5, result=5, actor=RULE)


def _round(told: Story) -> int:
    assert told.record is not None
    return told.record.round


def _all_numbers(told: Story) -> tuple[object, object]:
    counting = count(told.parts, NOVEMBER)
    counting.add_wholes([told.whole])
    return counting.raw(lambda one: one.unit, lambda _: True), counting.cases(lambda _: "")


def test_satisfaction_has_three_answers_and_each_counts_somewhere() -> None:
    found = tally(*(part(n, answered=basically(day(5))._replace(satisfaction=s)) for n, s in enumerate(Satisfaction)))
    assert (found.satisfied, found.basically_satisfied, found.satisfied_valid) == (1, 1, 3)
