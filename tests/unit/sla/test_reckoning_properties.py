"""Whatever is reckoned: past time is neither gained nor lost, and nothing happens twice."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from services.sla.domain import calendar, moves, steps
from services.sla.domain import deadline as one
from services.sla.domain.clock_state import ClockState
from services.sla.domain.deadline import Deadline, State
from services.sla.domain.limit import DAYS, Limit, TimeUnit
from services.sla.domain.policy import Granted
from services.sla.domain.reckoning import Changed, Reckoning, reckon
from services.sla.domain.rules import Rules
from shared.contracts.vocabulary import LimitCause, Obligation, Urgency
from tests.unit.sla import builders as b
from tests.unit.sla.test_reckoning import BASE, NOTE, OPERATOR, policy, under, with_calendars

HANDLE = Obligation.HANDLE
BEGINNING = datetime(2026, 9, 1, tzinfo=UTC)

starts = st.integers(0, 150 * 24 * 3600).map(lambda seconds: BEGINNING + timedelta(seconds=seconds))
lengths = st.integers(0, 40 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))
limits = st.builds(
    Limit, st.integers(1, 30), st.sampled_from([unit for unit in TimeUnit if unit is not TimeUnit.CLOCK_SECOND])
)
closures = st.sets(st.dates(BEGINNING.date(), date(2027, 4, 30)), max_size=12)


@st.composite
def deadlines(draw: st.DrawFn, of: st.SearchStrategy[Limit] = limits) -> tuple[Deadline, datetime]:
    """One that ran, was extended, paused, taken away or became overdue; and the moment at which it is reckoned."""
    start = draw(starts)
    limit = draw(of)
    known = one.arm(b.WATER, HANDLE, 1, [Granted(limit, "limits")], start, BASE, urgency=Urgency.NORMAL)
    now = start
    for what in draw(st.lists(st.sampled_from(["wait", "extend", "pause", "resume", "take", "plan"]), max_size=4)):
        now += draw(lengths)
        known = _said(known, now)
        known = _gone(known, what, now)
    now += draw(lengths)
    return _said(known, now), now


def _said(known: Deadline, now: datetime) -> Deadline:
    """Every step that is due by then."""
    while known.next_at is not None and known.next_at <= now:
        known, _ = steps.reach(known, known.next_at, BASE)
    return known


def _gone(known: Deadline, what: str, now: datetime) -> Deadline:
    stands = known.state is State.PAUSED or known.ended_at is not None
    if what == "resume" and stands:
        return moves.resume(known, now, BASE)
    if stands or known.fired_at is not None:
        return known
    match what:
        case "extend":
            return moves.set_anew(known, known.generation + 1, moves.lengthened(known, 0.5, now, BASE), now, BASE)
        case "plan":
            return moves.by_plan(known, known.generation + 1, now + timedelta(days=20), now, BASE) or known
        case "pause":
            return moves.pause(known, now, BASE)
        case "take":
            return moves.take_away(known, now, "case.dispatched.v1", BASE)
        case _:
            return known


def by(rules: Rules, kind: LimitCause, lengthen: bool) -> Reckoning:
    version = rules.policy.version if kind is LimitCause.POLICY else rules.calendars.version
    return Reckoning(1, kind, version, lengthen, OPERATOR, NOTE)


def reckoned(known: Deadline, now: datetime, rules: Rules, kind: LimitCause, lengthen: bool) -> Changed:
    state = ClockState(urgency=Urgency.NORMAL, whistle_blower=b.COMMUNITY, round=known.round, deadlines=(known,))
    _, (changed,) = reckon(state, by(rules, kind, lengthen), now, rules)
    return changed


def other(limit: Limit) -> Rules:
    return under(policy(handle=str(limit)))


def is_past(known: Deadline, now: datetime) -> bool:
    return known.fired_at is not None or (known.due_at <= now if known.left is None else not known.left)


@given(deadlines(), limits, closures, st.booleans(), st.sampled_from([LimitCause.POLICY, LimitCause.CALENDAR]))
def test_past_time_is_not_touched(
    found: tuple[Deadline, datetime], limit: Limit, off: set[date], lengthen: bool, kind: LimitCause
) -> None:
    known, now = found
    rules = with_calendars("2", *off, published=2027, rules=other(limit))
    after = reckoned(known, now, rules, kind, lengthen).after
    unchanged = ("state", "fired_at", "started_at", "ended_at", "paused_at", "cause", "generation", "ladder_from")
    assert all(getattr(after, name) == getattr(known, name) for name in unchanged)
    if known.next_step != one.YELLOW and known.warn_at is not None:
        assert after.next_step == known.next_step  # no step is taken again
    if is_past(known, now):
        assert after.due_at == known.due_at
        assert after.next_step == known.next_step


@given(deadlines(), limits, closures, st.booleans(), st.sampled_from([LimitCause.POLICY, LimitCause.CALENDAR]))
def test_nothing_becomes_due_in_the_past_nor_later_unasked(
    found: tuple[Deadline, datetime], limit: Limit, off: set[date], lengthen: bool, kind: LimitCause
) -> None:
    known, now = found
    rules = with_calendars("2", *off, published=2027, rules=other(limit))
    changed = reckoned(known, now, rules, kind, lengthen)
    after = changed.after
    if not is_past(known, now):
        assert after.due_at >= (known.paused_at or known.ended_at or now)
    if after.state is State.ARMED and after != known and not is_past(known, now):
        assert after.next_at is not None
        assert after.next_at <= after.due_at
    if not lengthen:
        assert after.due_at <= known.due_at
        if after.left is not None and known.left is not None and in_the_same_time(known, after):
            assert after.left <= known.left


def in_the_same_time(before: Deadline, after: Deadline) -> bool:
    """Whether what is left of both is counted alike: a plan that ends on the same day is longer by the clock."""
    working = (TimeUnit.WORKING_HOUR, TimeUnit.WORKING_DAY)
    kinds = {one.granted is not None and one.granted.unit in working for one in (before, after)}
    return len(kinds) == 1


@given(deadlines(), limits, closures, st.booleans(), st.sampled_from([LimitCause.POLICY, LimitCause.CALENDAR]))
def test_twice_is_once(
    found: tuple[Deadline, datetime], limit: Limit, off: set[date], lengthen: bool, kind: LimitCause
) -> None:
    known, now = found
    rules = with_calendars("2", *off, published=2027, rules=other(limit))
    after = reckoned(known, now, rules, kind, lengthen).after
    assert reckoned(after, now, rules, kind, lengthen).after == after


@given(deadlines(), limits)
def test_the_share_of_used_time_stays(found: tuple[Deadline, datetime], limit: Limit) -> None:
    known, now = found
    assume(not is_past(known, now) and not known.planned and known.outrun is None)
    assume(TimeUnit.CALENDAR_DAY not in (limit.unit, known.granted.unit if known.granted else None))
    rules = other(limit)
    after = reckoned(known, now, rules, LimitCause.POLICY, lengthen=True).after
    assert abs(_share(known, now, rules) - _share(after, now, rules)) < 1e-6


def _share(known: Deadline, now: datetime, rules: Rules) -> float:
    at = known.paused_at or known.ended_at or now
    rest = known.left if known.left is not None else one.left(known, at, rules)
    return rest / (one.used(known, at, rules) + rest)


@given(
    deadlines(),
    st.sampled_from([unit for unit in TimeUnit if unit is not TimeUnit.CALENDAR_DAY]),
    st.integers(1, 20),
    st.integers(0, 10),
)
def test_a_longer_limit_is_due_no_sooner(
    found: tuple[Deadline, datetime], unit: TimeUnit, amount: int, more: int
) -> None:
    """But for calendar days: one that ends on a Sunday evening is moved to the end of Monday's duty, one that ends
    during Monday is not."""
    known, now = found
    shorter, longer = (
        reckoned(known, now, other(Limit(n, unit)), LimitCause.POLICY, lengthen=True).after
        for n in (amount, amount + more)
    )
    assert shorter.due_at <= longer.due_at


@given(deadlines(), st.booleans())
def test_the_same_calendar_under_another_version_moves_nothing(
    found: tuple[Deadline, datetime], lengthen: bool
) -> None:
    known, now = found
    changed = reckoned(known, now, with_calendars("2"), LimitCause.CALENDAR, lengthen)
    assert not changed.shift
    assert not changed.kept
    assert not changed.is_told


@given(starts, st.integers(1, 30), st.sampled_from(sorted(DAYS)), lengths, closures)
def test_a_plain_count_of_days_is_what_the_calendar_says(
    start: datetime, days: int, unit: TimeUnit, later: timedelta, off: set[date]
) -> None:
    limit = Limit(days, unit)
    known = one.arm(b.WATER, HANDLE, 1, [Granted(limit, "limits")], start, BASE)
    now = start + later
    rules = with_calendars("2", *off, published=2027)
    expected = calendar.due(start, limit, rules.calendar_of(b.WATER))
    assume(now < known.due_at)
    after = reckoned(_said(known, now), now, rules, LimitCause.CALENDAR, lengthen=True).after
    assert after.due_at == max(expected.at, now)
    assert after.provisional == expected.provisional


@given(deadlines(st.builds(Limit, st.integers(1, 200), st.just(TimeUnit.WORKING_HOUR))), closures, closures)
def test_what_is_left_is_left_by_any_calendar(
    found: tuple[Deadline, datetime], first: set[date], second: set[date]
) -> None:
    """From one calendar to another and on to a third is the way to the third, for what is counted in hours."""
    known, now = found
    assume(not known.planned)
    one_way = with_calendars("2", *first, published=2027)
    other_way = with_calendars("3", *second, published=2027, rules=one_way)
    there = reckoned(known, now, one_way, LimitCause.CALENDAR, lengthen=True).after
    assert (
        reckoned(there, now, other_way, LimitCause.CALENDAR, lengthen=True).after.due_at
        == reckoned(known, now, other_way, LimitCause.CALENDAR, lengthen=True).after.due_at
    )
