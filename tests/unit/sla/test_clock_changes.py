"""What stops a unit's clock, adds to it or takes from it, told as stories and tables.

Ordinary times: duty 8–12 and 14–18; Friday is 2026-11-20, Monday 2026-11-23, and none of these weeks has a holiday.
"""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sla.domain import deadline as one
from services.sla.domain import moves
from services.sla.domain.account import account
from services.sla.domain.calendar import SHANGHAI
from services.sla.domain.deadline import State
from services.sla.domain.limit import Limit, TimeUnit
from services.sla.domain.policy import Granted
from services.sla.domain.rules import Rules
from shared.contracts import facts as f
from shared.contracts.vocabulary import DispatchCause, Obligation, RequestKind, ReworkCause, Stage, Urgency
from tests.unit.sla import builders as b
from tests.unit.sla.builders import COMMUNITY, HUB, POWER, STREET, WATER, Story, local, wall

FRIDAY, MONDAY = "2026-11-20", "2026-11-23"
NINE, TEN, ELEVEN = (local(f"{MONDAY} {hour}:00") for hour in ("09", "10", "11"))
NEXT_YEAR = local("2027-03-01 09:00")
EACH = {"sign_in", "first_contact", "handle"}


def given_to(*units: str, at: datetime = NINE, urgency: Urgency = Urgency.NORMAL) -> Story:
    return Story().tell(at, b.opened(urgency=urgency), b.accepted(urgency), b.dispatched(*units))


def at_work(at: datetime = NINE, urgency: Urgency = Urgency.NORMAL) -> Story:
    return given_to(WATER, at=at, urgency=urgency).tell(at, b.signed_in(WATER))


def due(story: Story, obligation: Obligation, unit: str = WATER) -> str:
    return wall(story.last(obligation, unit).due_at)


def to_handle(limit: Limit, begins: datetime, rules: Rules) -> one.Deadline:
    return one.arm(WATER, Obligation.HANDLE, 1, [Granted(limit, "a row")], begins, rules)


def states(story: Story, unit: str = WATER) -> set[State]:
    return {known.state for known in story.deadlines if known.unit == unit}


# --- suspension ---


SUSPENSIONS = """
    # 2026  | given to    | suspended   | resumed     | obligation    | was due     | is due
    normal    | 11-20 16:00 | 11-20 17:00 | 11-23 09:00 | sign_in       | 11-23 10:00 | 11-23 12:00
    normal    | 11-20 16:00 | 11-20 17:00 | 11-23 09:00 | first_contact | 11-21 16:00 | 11-24 08:00
    normal    | 11-20 16:00 | 11-20 17:00 | 11-23 09:00 | handle        | 11-27 16:00 | 11-30 08:00
    normal    | 11-20 16:00 | 11-21 10:00 | 11-22 10:00 | sign_in       | 11-23 10:00 | 11-23 10:00
    normal    | 11-20 16:00 | 11-20 18:00 | 11-23 13:00 | sign_in       | 11-23 10:00 | 11-23 16:00
    complex   | 11-20 16:00 | 11-20 17:00 | 11-20 17:30 | sign_in       | 11-23 18:00 | 11-23 18:00
    complex   | 11-20 16:00 | 11-20 17:00 | 11-23 09:00 | sign_in       | 11-23 18:00 | 11-24 09:00
    complex   | 11-20 16:00 | 11-23 09:00 | 11-25 09:00 | sign_in       | 11-23 18:00 | 11-25 18:00
    critical  | 11-20 16:00 | 11-20 16:10 | 11-20 17:00 | sign_in       | 11-20 16:15 | 11-20 17:05
    normal    | 09-24 16:00 | 09-24 17:00 | 09-28 08:00 | sign_in       | 09-28 10:00 | 09-28 11:00
"""


@pytest.mark.parametrize("row", SUSPENSIONS.strip().splitlines()[1:])
def test_suspended_and_resumed_it_goes_on_with_what_was_left(row: str) -> None:
    """The last row goes over the Mid-autumn holiday, 9/25–27."""
    urgency, *cells = (cell.strip() for cell in row.split("|"))
    obligation = Obligation(cells.pop(3))
    given_at, stopped, going, before, after = (f"2026-{cell}" for cell in cells)
    story = given_to(WATER, at=local(given_at), urgency=Urgency(urgency))
    assert due(story, obligation) == before
    story.tell(local(stopped), b.understood(NEXT_YEAR)).tell(local(going), b.resumed(Stage.DISPATCHED))
    assert due(story, obligation) == after
    assert story.last(obligation).generation == 1


def test_while_it_is_suspended_only_the_review_runs() -> None:
    story = at_work().tell(TEN, b.suspended(WATER, NEXT_YEAR))
    assert story.live() == {(HUB, "review")}
    assert due(story, Obligation.REVIEW, HUB) == "2027-03-01 09:00"
    story.until(local("2027-02-28 09:00"))
    assert story.said() == []
    story.until(NEXT_YEAR)
    assert story.said() == ["review hub overdue"]
    story.tell(NEXT_YEAR, b.resumed())
    assert story.live() == {(WATER, "first_contact"), (WATER, "handle")}
    assert story.last(Obligation.REVIEW).state is State.MET
    assert due(story, Obligation.HANDLE) == "2027-03-08 08:00"


def test_a_warning_stands_still_too() -> None:
    """Yellow for the first contact at 04:12 on Tuesday; suspended Monday 10:00–12:00, so at 06:12. Said once."""
    story = at_work().tell(TEN, b.suspended(WATER, NEXT_YEAR)).tell(local(f"{MONDAY} 12:00"), b.resumed())
    assert wall(story.last(Obligation.FIRST_CONTACT).next_at) == "2026-11-24 06:12"
    story.until(local("2026-11-24 07:00")).tell(local("2026-11-24 07:00"), b.understood(NEXT_YEAR))
    story.tell(local("2026-11-25 07:00"), b.resumed()).until(local("2026-11-25 11:00"))
    assert [said for said in story.said() if "first_contact" in said] == [
        "first_contact util-water warned",
        "first_contact util-water overdue",
    ]


def test_what_is_overdue_stays_so_and_its_ladder_rests() -> None:
    """Critical: sign in by 9:15; rungs 9:18:45, 9:22:30, 9:30. Suspended 9:20–10:20: two come an hour later."""
    story = given_to(WATER, urgency=Urgency.CRITICAL).until(local(f"{MONDAY} 09:20"))
    story.tell(local(f"{MONDAY} 09:20"), b.understood(NEXT_YEAR)).until(local(f"{MONDAY} 10:20"))
    assert story.last(Obligation.SIGN_IN).state is State.PAUSED
    story.tell(local(f"{MONDAY} 10:20"), b.resumed(Stage.DISPATCHED))
    late = story.last(Obligation.SIGN_IN)
    assert (late.state, wall(late.due_at), wall(late.next_at)) == (
        State.OVERDUE,
        f"{MONDAY} 09:15",
        f"{MONDAY} 10:22:30",
    )
    story.take(late)
    assert wall(story.last(Obligation.SIGN_IN).next_at) == f"{MONDAY} 10:30"
    assert story.said().count("sign_in util-water overdue") == 1


def test_what_ran_out_before_the_suspension_is_still_said() -> None:
    """Due 9:15, suspended 9:16, and the timer comes a minute later still."""
    story = given_to(WATER, urgency=Urgency.CRITICAL).tell(local(f"{MONDAY} 09:16"), b.understood(NEXT_YEAR))
    story.until(local(f"{MONDAY} 09:17"), late=local(f"{MONDAY} 09:17"))
    assert story.said() == ["sign_in util-water overdue"]
    assert story.last(Obligation.SIGN_IN).state is State.PAUSED
    story.tell(TEN, b.resumed(Stage.DISPATCHED))
    assert story.last(Obligation.SIGN_IN).state is State.OVERDUE


def test_a_step_found_just_before_the_suspension_is_not_taken() -> None:
    story = given_to(WATER)
    found = story.last(Obligation.SIGN_IN)
    story.tell(TEN, b.understood(NEXT_YEAR)).take(found)
    assert story.said() == []


def test_a_unit_that_joins_a_suspended_case_begins_when_it_is_resumed() -> None:
    story = at_work().tell(TEN, b.suspended(WATER, NEXT_YEAR))
    joined = b.dispatched(WATER, POWER, kept=(WATER,), cause=DispatchCause.JOINED, stage=Stage.SUSPENDED)
    story.tell(ELEVEN, joined)
    assert story.live() == {(HUB, "review")}
    story.tell(local("2026-11-25 09:00"), b.resumed())
    assert due(story, Obligation.HANDLE, POWER) == "2026-12-02 09:00"
    assert due(story, Obligation.SIGN_IN, POWER) == "2026-11-25 15:00"


def test_what_was_asked_for_lapses_with_a_suspension_and_the_hubs_own_clock_rests() -> None:
    story = given_to(WATER, POWER).tell(NINE, b.signed_in(WATER), b.asked(WATER), b.refused(POWER))
    story.tell(TEN, b.understood(NEXT_YEAR))
    assert story.live() == {(HUB, "review")}
    assert story.last(Obligation.RULE_ON_REQUEST).state is State.CANCELLED
    story.tell(ELEVEN, b.resumed(Stage.REFUSAL_REVIEW))
    assert story.live() >= {(HUB, "rule_on_refusal"), (POWER, "handle")}
    assert due(story, Obligation.RULE_ON_REFUSAL, HUB) == "2026-11-24 18:00"


def test_a_sign_in_that_is_argued_does_not_run_in_a_suspension() -> None:
    """Due 15:00; suspended 10:00–11:00 while the refusal is argued; dismissed at 11:30: due 16:00."""
    story = given_to(WATER).tell(NINE, b.refused(WATER)).tell(TEN, b.understood(NEXT_YEAR))
    story.tell(ELEVEN, b.resumed(Stage.REFUSAL_REVIEW))
    story.tell(local(f"{MONDAY} 11:30"), b.ruled(WATER, False, Stage.DISPATCHED))
    assert due(story, Obligation.SIGN_IN) == f"{MONDAY} 16:00"
    assert story.last(Obligation.SIGN_IN).state is State.ARMED


# limit; begins; paused; resumed; due
LIMITS = [
    # clock time goes on at night and on days off
    ("7 clock_day", f"{MONDAY} 09:00", f"{MONDAY} 10:00", "2026-11-25 10:00", "2026-12-02 09:00"),
    # 5 working days end Monday 18:00; Wednesday noon has 2.5 days left after Tuesday evening's pause
    ("5 working_day", f"{MONDAY} 09:00", "2026-11-25 12:00", "2026-11-26 08:00", "2026-12-01 12:00"),
    # a Saturday is rolled forward to Monday; a day later, Sunday as well, Monday as it is
    ("5 calendar_day", f"{MONDAY} 09:00", "2026-11-25 12:00", "2026-11-25 12:00", "2026-11-30 18:00"),
    ("4 calendar_day", f"{MONDAY} 09:00", "2026-11-25 12:00", "2026-11-26 12:00", "2026-11-30 18:00"),
    ("3 calendar_day", f"{MONDAY} 09:00", "2026-11-25 12:00", "2026-11-26 12:00", "2026-11-27 18:00"),
]


@pytest.mark.parametrize(("limit", "begins", "paused", "going", "expected"), LIMITS)
def test_what_is_left_is_in_the_limits_own_time(
    limit: str, begins: str, paused: str, going: str, expected: str
) -> None:
    rules = b.rules()
    armed = to_handle(Limit.parse(limit), local(begins), rules)
    again = moves.resume(moves.pause(armed, local(paused), rules), local(going), rules)
    assert wall(again.due_at) == expected


@given(
    amount=st.integers(1, 20),
    unit=st.sampled_from(list(TimeUnit)),
    begins=st.datetimes(datetime(2026, 1, 1), datetime(2026, 10, 1)).map(lambda at: at.replace(tzinfo=SHANGHAI)),  # noqa: DTZ001
    runs=st.timedeltas(timedelta(0), timedelta(days=40)),
    stands=st.timedeltas(timedelta(0), timedelta(days=40)),
)
@settings(deadline=None, max_examples=400)
def test_to_pause_and_to_resume_are_exact_inverses(
    amount: int, unit: TimeUnit, begins: datetime, runs: timedelta, stands: timedelta
) -> None:
    """Resumed at once nothing has changed; resumed later, exactly as much is left as was left."""
    rules = b.rules()
    armed = to_handle(Limit(amount, unit), begins, rules)
    at = begins + runs
    paused = moves.pause(armed, at, rules)
    at_once = moves.resume(paused, at, rules)
    assert (at_once.due_at, at_once.paused) == (armed.due_at, armed.paused)
    assert at_once.next_at == armed.next_at or (armed.warn_at or at) <= at
    assert one.used(at_once, at, rules) == one.used(armed, at, rules)
    again = moves.resume(paused, at + stands, rules)
    if armed.due_at <= at:
        assert again.due_at == armed.due_at
    elif unit is TimeUnit.CALENDAR_DAY:
        assert one.left(again, at + stands, rules) >= one.left(armed, at, rules)
    else:
        assert one.left(again, at + stands, rules) == one.left(armed, at, rules) == paused.left


# --- given away and given back ---


def test_released_and_given_the_case_again_it_has_what_was_left() -> None:
    """7 days from Monday 9:00. With the water company for one day and, from Friday 9:00, for the six that are left."""
    story = at_work().tell(NINE, b.progressed(WATER))
    story.tell(local("2026-11-24 09:00"), b.dispatched(POWER, cause=DispatchCause.TRANSFERRED))
    assert {unit for unit, _ in story.live()} == {POWER}
    assert story.last(Obligation.HANDLE, WATER).state is State.CANCELLED
    story.tell(local("2026-11-27 09:00"), b.dispatched(WATER, cause=DispatchCause.TRANSFERRED))
    # contacted it has already; to sign in it had used nothing of its 4 hours
    assert story.live() == {(WATER, "sign_in"), (WATER, "handle")}
    assert due(story, Obligation.HANDLE) == "2026-12-03 09:00"
    assert due(story, Obligation.SIGN_IN) == "2026-11-27 15:00"
    assert [known.generation for known in story.deadlines if known.unit == WATER] == [1, 1, 1]


def test_there_and_back_ten_times_adds_nothing() -> None:
    """An hour here, an hour there until five in the morning: four hours of duty with water, three with power."""
    story = given_to(WATER)
    at = NINE
    for _ in range(10):
        at += timedelta(hours=1)
        story.until(at).tell(at, b.dispatched(POWER, cause=DispatchCause.TRANSFERRED))
        at += timedelta(hours=1)
        story.until(at).tell(at, b.dispatched(WATER, cause=DispatchCause.TRANSFERRED))
    assert story.said().count("sign_in util-water overdue") == 1
    assert "sign_in util-power overdue" not in story.said()
    assert due(story, Obligation.HANDLE) == "2026-11-30 19:00"  # ten of its seven days' hours are used


def test_what_was_overdue_when_it_went_is_overdue_when_it_comes_back() -> None:
    story = given_to(WATER, urgency=Urgency.CRITICAL).until(local(f"{MONDAY} 09:16"))
    story.tell(local(f"{MONDAY} 09:16"), b.dispatched(POWER, cause=DispatchCause.TRANSFERRED))
    story.tell(TEN, b.dispatched(WATER, cause=DispatchCause.TRANSFERRED))
    assert story.last(Obligation.SIGN_IN, WATER).state is State.OVERDUE
    assert wall(story.last(Obligation.SIGN_IN, WATER).next_at) == f"{MONDAY} 10:02:45"


def test_an_upheld_refusal_and_then_designated_has_what_the_argument_left() -> None:
    """To sign in by 15:00; refused 10:00, upheld 11:00, designated on Tuesday 9:00: two hours of duty are left."""
    story = given_to(WATER).tell(TEN, b.refused(WATER))
    story.tell(ELEVEN, b.ruled(WATER, True, Stage.REFUSAL_REVIEW), b.dispatched(POWER))
    story.tell(ELEVEN, b.refused(POWER, Stage.CONSULTATION))
    tuesday = local("2026-11-24 09:00")
    story.tell(tuesday, b.ruled(POWER, True, Stage.CONSULTATION))
    story.tell(tuesday, b.dispatched(WATER, cause=DispatchCause.DESIGNATED))
    assert story.live() == {(WATER, owed) for owed in EACH}
    assert due(story, Obligation.SIGN_IN) == "2026-11-24 11:00"
    assert due(story, Obligation.HANDLE) == "2026-12-01 07:00"


def test_rework_starts_afresh_for_whoever_had_it_before() -> None:
    story = given_to(WATER, POWER).tell(NINE, b.dispatched(POWER, kept=(POWER,), cause=DispatchCause.RELEASED))
    story.tell(NINE, b.signed_in(POWER), b.unit_done(POWER), b.handled(POWER), b.checked(False), b.rework(POWER))
    story.tell(TEN, b.dispatched(POWER, WATER, kept=(POWER,), cause=DispatchCause.JOINED, stage=Stage.REWORK, turn=2))
    assert story.last(Obligation.HANDLE, WATER).generation == 2
    # 3.5 days, as for everybody in this round
    assert due(story, Obligation.HANDLE) == "2026-11-26 22:00"


# --- several at once ---


def test_while_one_refusal_is_argued_the_others_go_on() -> None:
    story = given_to(WATER, POWER, STREET).tell(NINE, b.refused(WATER))
    story.tell(TEN, b.signed_in(POWER, Stage.REFUSAL_REVIEW), b.progressed(POWER, stage=Stage.REFUSAL_REVIEW))
    story.tell(TEN, b.unit_done(POWER, Stage.REFUSAL_REVIEW))
    assert story.live() == {
        (WATER, "first_contact"),
        (WATER, "handle"),
        *((STREET, owed) for owed in EACH),
        (HUB, "rule_on_refusal"),
    }


def test_the_hub_owes_a_ruling_for_each_that_is_argued() -> None:
    """Water refuses at 9:00, power at 10:00, the street at 11:00; power's is ruled on first."""
    story = given_to(WATER, POWER, STREET).tell(NINE, b.refused(WATER)).tell(TEN, b.refused(POWER, Stage.CONSULTATION))
    story.tell(ELEVEN, b.refused(STREET, Stage.CONSULTATION)).tell(ELEVEN, b.ruled(POWER, False, Stage.CONSULTATION))
    owed = [(known.obligation, known.generation) for known in story.deadlines if known.unit == HUB and known.is_live]
    assert owed == [(Obligation.RULE_ON_REFUSAL, 1), (Obligation.DESIGNATE, 2)]
    assert (POWER, "sign_in") in story.live()
    assert (WATER, "sign_in") not in story.live()


def test_a_designation_settles_all_that_are_argued() -> None:
    story = given_to(WATER, POWER, STREET).tell(NINE, b.refused(WATER)).tell(TEN, b.refused(POWER, Stage.CONSULTATION))
    story.tell(ELEVEN, b.dispatched(WATER, STREET, kept=(WATER, STREET), cause=DispatchCause.DESIGNATED))
    assert story.live() == {(unit, owed) for unit in (WATER, STREET) for owed in EACH}
    assert due(story, Obligation.SIGN_IN, WATER) == f"{MONDAY} 15:00"


def test_a_unit_that_joins_settles_nothing() -> None:
    story = given_to(WATER).tell(NINE, b.refused(WATER))
    story.tell(TEN, b.dispatched(WATER, POWER, kept=(WATER,), cause=DispatchCause.JOINED, stage=Stage.REFUSAL_REVIEW))
    assert (HUB, "rule_on_refusal") in story.live()
    assert (WATER, "sign_in") not in story.live()
    assert (POWER, "sign_in") in story.live()


def test_who_has_finished_is_not_begun_again_by_a_dispatch_to_others() -> None:
    story = given_to(WATER, POWER).tell(NINE, b.signed_in(POWER), b.unit_done(POWER, Stage.HANDLING))
    story.tell(TEN, b.dispatched(WATER, POWER, STREET, kept=(WATER, POWER), cause=DispatchCause.JOINED))
    assert POWER not in {unit for unit, _ in story.live()}


# --- extension ---


EXTENSIONS = """
    # urgency | share | was due          | is due
    normal    | 1     | 2026-11-30 09:00 | 2026-12-07 09:00
    normal    | 0.5   | 2026-11-30 09:00 | 2026-12-03 21:00
    complex   | 0.2   | 2026-12-08 09:00 | 2026-12-11 09:00
"""


@pytest.mark.parametrize("row", EXTENSIONS.strip().splitlines()[1:])
def test_an_approved_extension_adds_its_share_of_the_limit_first_granted(row: str) -> None:
    urgency, share, before, after = (cell.strip() for cell in row.split("|"))
    story = at_work(urgency=Urgency(urgency))
    assert due(story, Obligation.HANDLE) == before
    story.tell(TEN, b.asked(WATER)).tell(ELEVEN, b.extended(WATER, float(share)))
    longer = story.last(Obligation.HANDLE)
    assert (wall(longer.due_at), longer.generation) == (after, 2)
    assert story.last(Obligation.RULE_ON_REQUEST).state is State.MET


def test_a_second_extension_adds_to_the_first_and_is_of_the_same_limit() -> None:
    story = at_work(urgency=Urgency.COMPLEX).tell(TEN, b.asked(WATER), b.extended(WATER, 1))
    story.tell(ELEVEN, b.asked(WATER), b.extended(WATER, 1))
    assert due(story, Obligation.HANDLE) == "2027-01-07 09:00"  # 45 days
    assert story.last(Obligation.HANDLE).generation == 3


def test_yellow_comes_anew_at_four_fifths_of_the_whole() -> None:
    """Yellow after 5.6 of 7 days, and with 7 days more after 11.2 of 14."""
    story = (
        at_work().until(local("2026-11-29 09:00")).tell(local("2026-11-29 09:00"), b.asked(WATER), b.extended(WATER))
    )
    assert wall(story.last(Obligation.HANDLE).warn_at) == "2026-12-04 13:48"


def test_an_extension_in_working_days_ends_on_duty() -> None:
    rules = b.rules()
    armed = to_handle(Limit.parse("5 working_day"), NINE, rules)
    assert wall(armed.due_at) == "2026-11-30 18:00"
    assert wall(moves.lengthened(armed, 0.5, NINE, rules).at) == "2026-12-03 12:00"
    paused = moves.resume(moves.pause(armed, local("2026-11-24 12:00"), rules), local("2026-11-25 10:00"), rules)
    # Tuesday afternoon and two hours of Wednesday later; an extension still adds 2.5 days of 8 hours
    assert wall(paused.due_at) == "2026-12-01 16:00"
    assert wall(moves.lengthened(paused, 0.5, local("2026-11-25 10:00"), rules).at) == "2026-12-04 10:00"


def test_a_request_alone_changes_nothing_and_neither_does_a_no() -> None:
    story = at_work().tell(TEN, b.asked(WATER))
    assert story.live() == {(WATER, "first_contact"), (WATER, "handle"), (HUB, "rule_on_request")}
    story.tell(ELEVEN, b.turned_down(WATER))
    assert story.live() == {(WATER, "first_contact"), (WATER, "handle")}
    assert due(story, Obligation.HANDLE) == "2026-11-30 09:00"


def test_overdue_between_request_and_ruling_it_was_overdue() -> None:
    """Asked in time, due Monday 30th 9:00, approved at 10:00 with 7 days more."""
    late = local("2026-11-30 10:00")
    story = at_work().tell(TEN, b.asked(WATER)).until(late).tell(late, b.extended(WATER))
    first, second = (known for known in story.deadlines if known.obligation is Obligation.HANDLE)
    assert (first.state, wall(first.fired_at)) == (State.CANCELLED, "2026-11-30 09:00")
    assert (second.state, wall(second.due_at)) == (State.ARMED, "2026-12-07 09:00")


def test_an_extension_that_is_over_already_is_none() -> None:
    late = local("2026-12-08 10:00")
    story = at_work().tell(TEN, b.asked(WATER)).until(late).tell(late, b.extended(WATER))
    assert story.last(Obligation.HANDLE).generation == 1
    assert story.last(Obligation.HANDLE).state is State.OVERDUE


@pytest.mark.parametrize(
    "gone",
    [b.unit_done(WATER, Stage.HANDLING), b.dispatched(POWER, kept=(POWER,), cause=DispatchCause.RELEASED)],
    ids=["done", "released"],
)
def test_a_request_lapses_with_the_part_it_was_made_in(gone: f.CaseFact) -> None:
    story = given_to(WATER, POWER).tell(
        NINE, b.signed_in(WATER), b.asked(WATER), b.asked(WATER, RequestKind.SUSPENSION)
    )
    story.tell(TEN, gone)
    assert "rule_on_request" not in {owed for _, owed in story.live()}


def test_each_request_is_ruled_on_by_itself() -> None:
    story = at_work().tell(NINE, b.asked(WATER), b.asked(WATER, RequestKind.SUSPENSION, approver=STREET))
    story.tell(TEN, b.turned_down(WATER))
    assert (STREET, "rule_on_request") in story.live()
    assert (HUB, "rule_on_request") not in story.live()


# --- the phased list ---


FIRST, SECOND = local("2026-12-15 18:00"), local("2027-01-15 18:00")


def test_a_plan_has_a_deadline_for_each_milestone_and_is_the_grant() -> None:
    story = at_work().tell(TEN, b.planned(FIRST, SECOND))
    steps = [wall(known.due_at) for known in story.deadlines if known.obligation is Obligation.MILESTONE]
    assert steps == ["2026-12-15 18:00", "2027-01-15 18:00"]
    assert due(story, Obligation.HANDLE) == "2027-01-15 18:00"
    story.tell(ELEVEN, b.step_reached(1))
    assert [known.state for known in story.deadlines if known.obligation is Obligation.MILESTONE] == [
        State.MET,
        State.ARMED,
    ]


def test_a_plan_that_ends_sooner_takes_nothing_away() -> None:
    story = at_work().tell(TEN, b.planned(local("2026-11-25 18:00")))
    assert due(story, Obligation.HANDLE) == "2026-11-30 09:00"


def test_a_second_plan_replaces_the_first() -> None:
    story = at_work().tell(TEN, b.planned(FIRST, SECOND)).tell(ELEVEN, b.planned(local("2027-02-15 18:00")))
    assert {(known.unit, known.due_at) for known in story.deadlines if known.is_live} >= {
        (WATER, local("2027-02-15 18:00"))
    }
    assert sum(known.obligation is Obligation.MILESTONE and known.is_live for known in story.deadlines) == 1
    story.tell(ELEVEN, b.step_reached(1))
    assert "milestone" not in {owed for _, owed in story.live()}
    assert due(story, Obligation.HANDLE) == "2027-02-15 18:00"


def test_milestones_rest_while_the_case_is_suspended() -> None:
    story = at_work().tell(TEN, b.planned(FIRST), b.suspended(WATER, NEXT_YEAR))
    story.tell(TEN + timedelta(days=10), b.resumed())
    assert due(story, Obligation.MILESTONE) == "2026-12-25 18:00"
    assert due(story, Obligation.HANDLE) == "2026-12-25 18:00"


def test_what_is_left_of_the_plan_is_the_new_leads() -> None:
    """The first milestone was missed by who led then; the second goes over; the first stays on record as it was."""
    story = at_work().tell(TEN, b.planned(FIRST, SECOND)).until(local("2026-12-16 09:00"))
    lead_changed = b.dispatched(POWER, WATER, kept=(WATER,), cause=DispatchCause.LEAD_CHANGED)
    story.tell(local("2026-12-16 09:00"), lead_changed)
    open_ones = [
        (known.unit, wall(known.due_at), known.state)
        for known in story.deadlines
        if known.obligation is Obligation.MILESTONE and known.is_open
    ]
    assert open_ones == [
        (WATER, "2026-12-15 18:00", State.OVERDUE),
        (POWER, "2027-01-15 18:00", State.ARMED),
    ]
    # a unit that joins has until the plan's end
    assert due(story, Obligation.HANDLE, POWER) == "2027-01-15 18:00"
    story.tell(local("2026-12-17 09:00"), b.step_reached(1, POWER), b.step_reached(2, POWER))
    assert "milestone" not in {owed for _, owed in story.live()}


# --- urgency ---


def test_raised_a_unit_has_the_new_limit_from_now_at_most() -> None:
    """Normal to critical at 10:00: to sign in by 10:15 instead of 15:00, to handle by 12:00 instead of the 30th."""
    story = given_to(WATER).tell(TEN, b.reprioritised(Urgency.NORMAL, Urgency.CRITICAL, Stage.DISPATCHED))
    assert due(story, Obligation.SIGN_IN) == f"{MONDAY} 10:15"
    assert due(story, Obligation.FIRST_CONTACT) == f"{MONDAY} 10:30"
    assert due(story, Obligation.HANDLE) == f"{MONDAY} 12:00"
    assert str(story.last(Obligation.HANDLE).granted) == "2 clock_hour"
    assert len(story.live()) == 3


def test_raised_when_little_is_left_nothing_changes() -> None:
    almost = local("2026-11-30 08:30")
    story = at_work().tell(almost, b.reprioritised(Urgency.NORMAL, Urgency.URGENT))
    assert due(story, Obligation.HANDLE) == "2026-11-30 09:00"


def test_lowered_what_runs_stays_and_what_starts_later_goes_by_it() -> None:
    story = at_work(urgency=Urgency.URGENT)
    before = {known.obligation: known.due_at for known in story.deadlines}
    story.tell(TEN, b.reprioritised(Urgency.URGENT, Urgency.COMPLEX))
    assert {known.obligation: known.due_at for known in story.deadlines} == before
    story.tell(TEN, b.dispatched(WATER, POWER, kept=(WATER,), cause=DispatchCause.JOINED, stage=Stage.HANDLING))
    assert due(story, Obligation.HANDLE, POWER) == "2026-12-08 10:00"


def test_raised_while_it_stood_still_it_has_the_new_limit_when_it_goes_on() -> None:
    story = at_work().tell(TEN, b.suspended(WATER, NEXT_YEAR))
    story.tell(ELEVEN, b.reprioritised(Urgency.NORMAL, Urgency.URGENT, Stage.SUSPENDED))
    story.tell(local("2026-11-25 09:00"), b.resumed())
    assert due(story, Obligation.HANDLE) == "2026-11-26 09:00"


def test_raised_while_its_refusal_is_argued_the_sign_in_gets_shorter_too() -> None:
    story = given_to(WATER).tell(NINE, b.refused(WATER))
    story.tell(TEN, b.reprioritised(Urgency.NORMAL, Urgency.URGENT, Stage.REFUSAL_REVIEW))
    story.tell(local(f"{MONDAY} 10:30"), b.ruled(WATER, False, Stage.DISPATCHED))
    assert due(story, Obligation.SIGN_IN) == f"{MONDAY} 11:00"
    assert sum(known.obligation is Obligation.SIGN_IN and known.is_live for known in story.deadlines) == 1


def test_raised_in_a_suspension_while_its_refusal_is_argued_it_counts_from_when_the_case_goes_on() -> None:
    story = given_to(WATER).tell(NINE, b.refused(WATER)).tell(TEN, b.understood(NEXT_YEAR))
    story.tell(ELEVEN, b.reprioritised(Urgency.NORMAL, Urgency.URGENT, Stage.SUSPENDED))
    story.tell(local("2026-11-25 09:00"), b.resumed(Stage.REFUSAL_REVIEW))
    story.tell(local("2026-11-25 09:30"), b.ruled(WATER, False, Stage.DISPATCHED))
    assert due(story, Obligation.SIGN_IN) == "2026-11-25 10:00"


# --- withdrawn, merged and back ---


@pytest.mark.parametrize("suspend", [False, True])
@pytest.mark.parametrize("gone", [b.withdrawn(), b.merged()], ids=["withdrawn", "merged"])
def test_a_case_that_goes_owes_nothing(gone: f.CaseFact, suspend: bool) -> None:
    story = given_to(WATER, POWER).tell(NINE, b.signed_in(WATER), b.asked(WATER), b.refused(POWER))
    story.tell(TEN, *([b.understood(NEXT_YEAR)] if suspend else []), gone)
    assert not [known for known in story.deadlines if known.is_open]
    assert story.state is not None
    assert story.state.rulings == ()


def test_unmerged_it_is_dispatched_anew_and_a_unit_goes_on_with_what_it_had_left() -> None:
    """One of seven days used; merged for two days; given to the same unit an hour after that was undone."""
    story = at_work().tell(TEN, b.planned(FIRST)).tell(local("2026-11-24 09:00"), b.merged())
    back = local("2026-11-26 09:00")
    story.tell(back, b.unmerged())
    assert story.live() == {(HUB, "dispatch")}
    assert due(story, Obligation.DISPATCH, HUB) == "2026-11-26 15:00"
    story.tell(back + timedelta(hours=1), b.dispatched(WATER, cause=DispatchCause.RULE))
    assert story.live() == {(WATER, "sign_in"), (WATER, "first_contact"), (WATER, "handle"), (WATER, "milestone")}
    assert due(story, Obligation.MILESTONE) == "2026-12-17 19:00"
    assert due(story, Obligation.HANDLE) == "2026-12-17 19:00"
    story.tell(back + timedelta(hours=2), b.step_reached(1))
    assert (WATER, "milestone") not in story.live()


def test_merged_before_it_was_dispatched_the_desk_goes_on_with_what_was_left() -> None:
    story = Story().tell(NINE, b.opened(), b.accepted()).tell(TEN, b.merged()).tell(ELEVEN, b.unmerged())
    assert due(story, Obligation.DISPATCH, HUB) == f"{MONDAY} 16:00"


def test_a_merged_case_that_is_answered_is_to_be_rated() -> None:
    story = at_work().tell(TEN, b.merged(), b.answered())
    assert story.live() == {(COMMUNITY, "rate")}
    assert story.last(Obligation.RATE).generation == 1
    story.tell(ELEVEN, b.closed())
    assert story.live() == {(HUB, "archive")}


# --- successors ---


def test_a_successor_goes_on_with_the_same_deadlines() -> None:
    story = at_work().until(local("2026-11-24 09:00"))
    before = {known.obligation: (known.due_at, known.state, known.generation) for known in story.deadlines}
    story.tell(local("2026-11-24 10:00"), b.handed_over(WATER, POWER))
    assert {known.obligation: (known.due_at, known.state, known.generation) for known in story.deadlines} == before
    assert WATER not in {known.unit for known in story.deadlines}
    story.until(local("2026-12-15 09:00")).tell(local("2026-12-15 09:00"), b.unit_done(POWER), b.handled(POWER))
    assert story.said().count("first_contact util-water overdue") == 1
    assert story.said().count("handle util-power overdue") == 1


def test_a_successor_with_a_part_of_its_own_takes_over_what_is_owed() -> None:
    """Power had finished its own; water's part goes to it, with water's due time."""
    story = given_to(WATER, POWER).tell(NINE, b.signed_in(POWER), b.unit_done(POWER, Stage.HANDLING))
    story.tell(TEN, b.dispatched(WATER, kept=(WATER,), cause=DispatchCause.SUCCEEDED), b.handed_over(WATER, POWER))
    assert story.live() == {(POWER, owed) for owed in EACH}
    assert due(story, Obligation.HANDLE, POWER) == "2026-11-30 09:00"
    assert story.last(Obligation.HANDLE, POWER).generation == 2


def test_what_the_successor_asked_for_before_it_was_one_is_ruled_on() -> None:
    story = at_work().tell(NINE, b.asked(WATER), b.handed_over(WATER, POWER)).tell(TEN, b.extended(POWER))
    assert due(story, Obligation.HANDLE, POWER) == "2026-12-07 09:00"
    assert "rule_on_request" not in {owed for _, owed in story.live()}


def test_another_whistle_blower_checks_and_rates_the_same_round_by_the_same_time() -> None:
    """Feedback takes the generation for the round."""
    story = at_work().tell(NINE, b.unit_done(WATER), b.handled(WATER))
    before = story.last(Obligation.RATE)
    story.tell(TEN, b.handed_over(COMMUNITY, STREET, Stage.CHECKING, part=False))
    assert story.live() == {(STREET, "check"), (STREET, "rate")}
    after = story.last(Obligation.RATE)
    assert (after.generation, after.due_at) == (before.generation, before.due_at) == (1, before.due_at)
    story.tell(TEN, b.checked(False), b.rework(WATER), b.signed_in(WATER), b.unit_done(WATER), b.handled(WATER, turn=2))
    assert {known.generation for known in story.deadlines if known.obligation is Obligation.RATE} == {1, 2}


# --- the account ---


def test_the_account_of_a_unit_adds_up() -> None:
    """7 days from Monday 9:00, two days suspended, half as much again; on the 30th at 9:00 five days are used."""
    story = at_work().tell(local("2026-11-24 09:00"), b.suspended(WATER, NEXT_YEAR))
    story.tell(local("2026-11-26 09:00"), b.resumed()).tell(local("2026-11-27 09:00"), b.asked(WATER))
    story.tell(local("2026-11-27 10:00"), b.extended(WATER, 0.5))
    had = story.accounts(local("2026-11-30 09:00"))[WATER, "handle"]
    days = [part / timedelta(days=1) for part in (had.granted, had.used, had.paused, had.left)]
    assert days == [10.5, 5, 2, 5.5]
    assert had.overdue_at is None


def test_the_account_counts_a_higher_urgency_as_what_was_used_and_the_new_limit() -> None:
    story = at_work().tell(TEN, b.reprioritised(Urgency.NORMAL, Urgency.CRITICAL)).until(local(f"{MONDAY} 13:00"))
    had = story.accounts(local(f"{MONDAY} 13:00"))[WATER, "handle"]
    assert (had.granted, had.used, had.left) == (timedelta(hours=3), timedelta(hours=3), timedelta(0))
    assert wall(had.overdue_at) == f"{MONDAY} 12:00"


def test_the_account_of_working_time_is_in_working_time() -> None:
    """4 working hours from Friday 16:00; taken away at 17:00, given back on Monday at 9:00."""
    story = given_to(WATER, at=local(f"{FRIDAY} 16:00"))
    story.tell(local(f"{FRIDAY} 17:00"), b.dispatched(POWER, cause=DispatchCause.TRANSFERRED))
    away = story.accounts(local(f"{FRIDAY} 18:00"))[WATER, "sign_in"]
    assert (away.used, away.left) == (timedelta(hours=1), timedelta(hours=3))
    story.tell(NINE, b.dispatched(WATER, cause=DispatchCause.TRANSFERRED))
    had = story.accounts(TEN)[WATER, "sign_in"]
    assert (had.granted, had.used, had.paused, had.left) == tuple(timedelta(hours=hours) for hours in (4, 2, 2, 2))


@pytest.mark.parametrize("cause", list(ReworkCause))
def test_each_round_has_an_account_of_its_own(cause: ReworkCause) -> None:
    story = at_work().tell(NINE, b.unit_done(WATER), b.handled(WATER), b.checked(False), b.rework(WATER, cause=cause))
    rounds = [
        (found.round, found.granted / timedelta(days=1))
        for found in account(story.deadlines, NINE, story.rules)
        if found.obligation is Obligation.HANDLE
    ]
    assert rounds == [(1, 7), (2, 3.5)]
