"""Times at which the clock was wrong once, each as the story that showed it.

Ordinary times: duty 8–12 and 14–18; Friday is 2026-11-20, Monday 2026-11-23, and none of these weeks has a holiday.
"""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest

from services.sla.domain.calendars import STATE, Calendars, DutyCalendar, Earlier, Season
from services.sla.domain.deadline import State
from services.sla.domain.limit import Limit
from services.sla.domain.policy import Policies
from shared.contracts import facts as f
from shared.contracts.vocabulary import DispatchCause, Obligation, Stage, Urgency
from tests.unit.sla import builders as b
from tests.unit.sla.builders import HUB, POWER, STREET, WATER, Story, local, wall

MONDAY = "2026-11-23"
NINE, TEN, ELEVEN = (local(f"{MONDAY} {hour}:00") for hour in ("09", "10", "11"))
NEXT_YEAR = local("2027-03-01 09:00")


def given_to(*units: str, at: datetime = NINE, urgency: Urgency = Urgency.NORMAL) -> Story:
    return Story().tell(at, b.opened(urgency=urgency), b.accepted(urgency), b.dispatched(*units))


def due(story: Story, obligation: Obligation, unit: str = WATER) -> str:
    return wall(story.last(obligation, unit).due_at)


# --- what ran out is said, whoever is late to say it ---


SIGNED_IN_BY = local(f"{MONDAY} 09:15")
"""Critical, given at 9:00."""

ENDS = {
    "met": (b.signed_in(WATER), State.MET),
    "refused": (b.refused(WATER), State.MET),
    "taken away": (b.dispatched(POWER, cause=DispatchCause.TRANSFERRED), State.CANCELLED),
    "withdrawn": (b.withdrawn(), State.CANCELLED),
    "merged": (b.merged(), State.CANCELLED),
    "suspended": (b.understood(NEXT_YEAR), State.PAUSED),
}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("late", [timedelta(microseconds=1), timedelta(minutes=1)])
def test_what_ran_out_before_it_ended_is_said_once_though_the_timer_is_behind(how: str, late: timedelta) -> None:
    fact, state = ENDS[how]
    at = SIGNED_IN_BY + late
    story = given_to(WATER, urgency=Urgency.CRITICAL).tell(at, fact)
    assert story.said() == ["sign_in util-water overdue"]
    assert (story.stated[0].due_at, story.stated[0].fired_at) == (SIGNED_IN_BY, at)
    assert story.last(Obligation.SIGN_IN, WATER).state is state
    assert story.last(Obligation.SIGN_IN, WATER).fired_at == at
    story.until(at + timedelta(minutes=5), late=at + timedelta(minutes=5))
    assert story.said().count("sign_in util-water overdue") == 1


@pytest.mark.parametrize("how", ENDS)
def test_what_is_met_at_the_very_moment_is_met_in_time(how: str) -> None:
    fact, _ = ENDS[how]
    story = given_to(WATER, urgency=Urgency.CRITICAL).tell(SIGNED_IN_BY, fact)
    assert story.said() == []


def test_what_ran_out_before_it_was_extended_was_overdue() -> None:
    """Due on the 30th at 9:00, extended by 7 days at 10:00; the timer has not come yet."""
    late = local("2026-11-30 10:00")
    story = given_to(WATER).tell(TEN, b.signed_in(WATER), b.progressed(WATER), b.asked(WATER))
    story.tell(late, b.extended(WATER))
    assert story.said() == ["rule_on_request hub overdue", "handle util-water overdue"]
    assert [(one.generation, wall(one.due_at)) for one in story.stated] == [
        (1, "2026-11-24 18:00"),
        (1, "2026-11-30 09:00"),
    ]
    assert due(story, Obligation.HANDLE) == "2026-12-07 09:00"


def test_what_ran_out_before_it_was_handed_on_is_said_of_each() -> None:
    """To be dispatched by 15:00; at 16:00 it goes to the street's desk."""
    story = Story().tell(NINE, b.opened(), b.accepted()).tell(local(f"{MONDAY} 16:00"), b.sent_to_desk(STREET))
    assert story.said() == ["dispatch hub overdue"]
    story.until(local(f"{MONDAY} 16:00"), late=local(f"{MONDAY} 16:00"))
    assert story.said()[:2] == ["dispatch hub overdue", "dispatch street overdue"]


def test_a_rating_that_ran_out_unsaid_has_lapsed_all_the_same() -> None:
    story = given_to(WATER).tell(TEN, b.signed_in(WATER), b.unit_done(WATER), b.handled(WATER), b.checked())
    story.tell(local("2026-11-30 18:01"), b.closed())
    assert story.said() == ["rate community overdue"]
    assert story.last(Obligation.RATE).state is State.CANCELLED


# --- a higher urgency ---


def test_the_limit_before_a_raise_holds_beside_the_new_one_where_it_counts_another_kind_of_time() -> None:
    """By 4 working hours it is due on Monday 8:10, raised on Friday at 17:30 by the clock at 18:30. Suspended 17:40
    until Monday 10:00: 50 minutes would be left by the clock, but on duty only half an hour was."""
    story = given_to(WATER, at=local("2026-11-20 11:40"))
    story.tell(local("2026-11-20 14:00"), b.understood(NEXT_YEAR))
    story.tell(local("2026-11-20 14:30"), b.resumed(Stage.DISPATCHED))
    assert due(story, Obligation.SIGN_IN) == "2026-11-23 08:10"
    story.tell(local("2026-11-20 17:30"), b.reprioritised(Urgency.NORMAL, Urgency.URGENT, Stage.DISPATCHED))
    assert due(story, Obligation.SIGN_IN) == "2026-11-20 18:30"
    story.tell(local("2026-11-20 17:40"), b.understood(NEXT_YEAR))
    story.tell(TEN, b.resumed(Stage.DISPATCHED))
    assert due(story, Obligation.SIGN_IN) == f"{MONDAY} 10:30"
    story.tell(local(f"{MONDAY} 10:10"), b.understood(NEXT_YEAR)).tell(ELEVEN, b.resumed(Stage.DISPATCHED))
    assert due(story, Obligation.SIGN_IN) == f"{MONDAY} 11:20"


def test_a_raise_and_a_pause_at_the_same_time_count_the_raise_once() -> None:
    """Raised to urgent, 24 hours; extended; suspended, all in one moment: what was added stays."""
    story = given_to(WATER).tell(TEN, b.signed_in(WATER))
    story.tell(TEN, b.reprioritised(Urgency.NORMAL, Urgency.URGENT), b.extended(WATER, 1), b.understood(NEXT_YEAR))
    story.tell(ELEVEN, b.resumed())
    assert due(story, Obligation.HANDLE) == "2026-11-25 11:00"


def test_a_raise_in_the_moment_after_the_pause_counts_when_it_goes_on() -> None:
    story = given_to(WATER).tell(TEN, b.signed_in(WATER), b.understood(NEXT_YEAR))
    story.tell(TEN, b.reprioritised(Urgency.NORMAL, Urgency.URGENT, Stage.SUSPENDED))
    story.tell(ELEVEN, b.resumed())
    assert due(story, Obligation.HANDLE) == "2026-11-24 11:00"


# --- plans and their lead ---


FIRST, SECOND = local("2026-12-15 18:00"), local("2027-01-15 18:00")


def test_a_unit_first_given_a_case_again_dispatched_after_a_merge_has_until_the_plans_end() -> None:
    story = given_to(WATER).tell(TEN, b.signed_in(WATER), b.planned(FIRST)).tell(ELEVEN, b.merged())
    story.tell(ELEVEN + timedelta(days=2), b.unmerged(), b.dispatched(POWER, cause=DispatchCause.RULE))
    assert due(story, Obligation.MILESTONE, POWER) == "2026-12-17 18:00"
    assert due(story, Obligation.HANDLE, POWER) == "2026-12-17 18:00"


def test_who_led_when_a_milestone_was_missed_does_not_meet_it_by_being_done() -> None:
    """Power leads since; the first milestone is reached or power is done, till then it is overdue."""
    story = given_to(WATER, POWER).tell(TEN, b.signed_in(WATER), b.signed_in(POWER), b.planned(FIRST, SECOND))
    late = local("2026-12-16 09:00")
    story.until(late).tell(late, b.dispatched(POWER, WATER, kept=(WATER, POWER), cause=DispatchCause.LEAD_CHANGED))
    story.tell(late, b.unit_done(WATER, Stage.HANDLING))
    missed = next(one for one in story.deadlines if one.obligation is Obligation.MILESTONE and one.fired_at)
    assert (missed.unit, missed.state) == (WATER, State.OVERDUE)
    done = story.tell(late, b.unit_done(POWER)).deadlines
    assert {one.state for one in done if one.obligation is Obligation.MILESTONE and one.due_at in (FIRST, SECOND)} == {
        State.MET,
        State.CANCELLED,
    }
    assert not [one for one in done if one.is_open and one.obligation is Obligation.MILESTONE]


def test_a_shorter_plan_brings_what_is_to_be_handled_back_with_it() -> None:
    story = given_to(WATER).tell(TEN, b.signed_in(WATER), b.planned(SECOND))
    assert due(story, Obligation.HANDLE) == "2027-01-15 18:00"
    story.tell(ELEVEN, b.planned(FIRST))
    assert (due(story, Obligation.HANDLE), story.last(Obligation.HANDLE).generation) == ("2026-12-15 18:00", 3)


def test_a_shorter_plan_leaves_the_limit_first_granted_with_what_was_added() -> None:
    """7 days from Monday 9:00, and half as much by an extension: whatever is planned, it has until Thursday 21:00."""
    story = given_to(WATER).tell(TEN, b.signed_in(WATER), b.planned(SECOND), b.asked(WATER), b.extended(WATER, 0.5))
    assert due(story, Obligation.HANDLE) == "2027-01-19 06:00"
    story.tell(ELEVEN, b.planned(local("2026-11-24 18:00")))
    assert due(story, Obligation.HANDLE) == "2026-12-03 21:00"
    story.tell(ELEVEN, b.understood(NEXT_YEAR)).tell(ELEVEN + timedelta(days=1), b.resumed())
    assert due(story, Obligation.HANDLE) == "2026-12-04 21:00"


def test_a_shorter_plan_after_the_limit_first_granted_is_over_is_the_limit() -> None:
    story = given_to(WATER).tell(TEN, b.signed_in(WATER), b.progressed(WATER), b.planned(SECOND))
    later = local("2026-12-10 09:00")
    story.until(later).tell(later, b.planned(FIRST))
    assert due(story, Obligation.HANDLE) == "2026-12-15 18:00"
    assert "handle util-water overdue" not in story.said()


# --- imported meanwhile ---


def test_an_imported_policy_changes_nothing_of_what_runs() -> None:
    """Half the limit, no warning and no ladder for what begins after it; who began before has what it had."""
    story = given_to(WATER, urgency=Urgency.CRITICAL)
    old = story.rules.policy
    new = old.model_copy(
        update={
            "version": "harsher",
            "limits": old.limits | {Obligation.SIGN_IN: dict.fromkeys(Urgency, Limit.parse("1 clock_hour"))},
            "warn": type(old.warn)(default=None),
            "ladder": type(old.ladder)(),
        }
    )
    story.rules = replace(story.rules, policies=Policies(new, {old.version: old}))
    story.until(TEN)
    assert [said for said in story.said() if said.startswith("sign_in")] == [
        "sign_in util-water warned",
        "sign_in util-water overdue",
        "sign_in util-water escalated 1",
        "sign_in util-water escalated 2",
        "sign_in util-water escalated 3",
    ]
    assert {one.policy_version for one in story.stated} == {old.version}
    story.tell(TEN, b.dispatched(WATER, POWER, kept=(WATER,), cause=DispatchCause.JOINED))
    joined = story.last(Obligation.SIGN_IN, POWER)
    assert (joined.policy_version, wall(joined.due_at), joined.warn_at) == ("harsher", f"{MONDAY} 11:00", None)


def test_a_raise_is_by_the_policy_in_force_then() -> None:
    story = given_to(WATER)
    old = story.rules.policy
    story.rules = replace(
        story.rules, policies=Policies(old.model_copy(update={"version": "next"}), {old.version: old})
    )
    story.tell(TEN, b.reprioritised(Urgency.NORMAL, Urgency.URGENT, Stage.DISPATCHED))
    assert {one.policy_version for one in story.deadlines if one.is_live} == {"next"}
    assert {one.urgency for one in story.deadlines if one.is_live} == {Urgency.URGENT}


def test_a_fact_about_a_hub_that_is_late_is_not_lost_either() -> None:
    story = given_to(WATER).tell(NINE, b.refused(WATER))
    story.tell(local("2026-11-24 18:01"), b.ruled(WATER, True, Stage.REFUSAL_REVIEW), b.dispatched(POWER))
    late = [one for one in story.stated if isinstance(one, f.DeadlineOverdue)]
    assert [(one.unit, one.obligation) for one in late if one.unit == HUB] == [(HUB, Obligation.RULE_ON_REFUSAL)]


def test_an_imported_calendar_moves_nothing_until_a_new_due_time_is_reckoned() -> None:
    """4 working hours from 9:00, due 15:00. On duty in the afternoon alone from now on: an hour stays used by what was
    a morning of duty, and the three that are left are the afternoon's when it goes on."""
    story = given_to(WATER)
    old = story.rules.calendars
    duty = {STATE: DutyCalendar(seasons=(Season((1, 1), ((time(14), time(18)),)),))}
    afternoons = replace(old.edition, duty=duty)
    earlier = {old.version: Earlier(old.edition, TEN.date())}
    story.rules = replace(story.rules, calendars=Calendars("afternoons", afternoons, earlier))
    story.tell(TEN, b.understood(NEXT_YEAR))
    assert story.last(Obligation.SIGN_IN).left == timedelta(hours=3)
    story.tell(ELEVEN, b.resumed(Stage.DISPATCHED))
    assert due(story, Obligation.SIGN_IN) == f"{MONDAY} 17:00"
    assert story.last(Obligation.SIGN_IN).calendar_version == "afternoons"
    had = story.accounts(local(f"{MONDAY} 15:00"))[WATER, "sign_in"]
    assert [part / timedelta(hours=1) for part in (had.granted, had.used, had.left)] == [4, 2, 2]
