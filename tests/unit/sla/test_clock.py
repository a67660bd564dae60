"""Which fact starts, meets and cancels what, told as stories. Ordinary times: Monday 2026-11-23, duty 8–12, 14–18."""

from dataclasses import replace

import pytest

from services.sla.domain.deadline import State
from services.sla.domain.policy import Policies
from shared.contracts.vocabulary import Obligation, ReworkCause, Stage, Urgency
from tests.unit.sla import builders as b
from tests.unit.sla.builders import COMMUNITY, HUB, POWER, STREET, WATER, Story, local, wall

NINE, TEN, ELEVEN = (local(f"2026-11-23 {hour}:00") for hour in ("09", "10", "11"))


def accepted(urgency: Urgency = Urgency.NORMAL) -> Story:
    return Story().tell(NINE, b.opened(urgency=urgency), b.accepted(urgency))


def with_water(urgency: Urgency = Urgency.NORMAL) -> Story:
    """Dispatched to the water company at nine."""
    return accepted(urgency).tell(NINE, b.dispatched(WATER))


def handled() -> Story:
    return with_water().tell(NINE, b.signed_in(WATER), b.unit_done(WATER), b.handled(WATER))


# --- one after the other ---


def test_a_case_that_waits_to_be_verified() -> None:
    story = Story().tell(NINE, b.opened())
    assert story.live() == {(COMMUNITY, "accept")}
    assert wall(story.last(Obligation.ACCEPT).due_at) == "2026-11-23 11:00"


def test_a_declined_case_owes_nothing() -> None:
    story = Story().tell(NINE, b.opened()).tell(TEN, b.declined())
    assert story.live() == set()
    assert story.last(Obligation.ACCEPT).cause == "case.declined.v1"


def test_an_accepted_case_is_to_be_dispatched_by_the_hub() -> None:
    story = accepted()
    assert story.live() == {(HUB, "dispatch")}
    # 4 working hours from nine: three before lunch, one after
    assert wall(story.last(Obligation.DISPATCH).due_at) == "2026-11-23 15:00"


def test_the_urgency_found_on_verification_counts() -> None:
    story = Story().tell(NINE, b.opened(urgency=Urgency.NORMAL), b.accepted(Urgency.CRITICAL))
    assert wall(story.last(Obligation.DISPATCH).due_at) == "2026-11-23 09:10"


def test_the_hubs_own_desk_goes_on_with_the_same_clock() -> None:
    story = accepted().tell(TEN, b.sent_to_desk(HUB))
    assert len([one for one in story.deadlines if one.obligation is Obligation.DISPATCH]) == 1


def test_another_desk_gets_the_time_that_is_left() -> None:
    story = accepted().tell(TEN, b.sent_to_desk(STREET))
    assert story.live() == {(STREET, "dispatch")}
    assert wall(story.last(Obligation.DISPATCH, STREET).due_at) == "2026-11-23 15:00"
    assert story.last(Obligation.DISPATCH, HUB).state is State.CANCELLED


def test_a_unit_that_is_given_a_case_owes_three_things() -> None:
    story = with_water()
    assert story.live() == {(WATER, "sign_in"), (WATER, "first_contact"), (WATER, "handle")}
    assert wall(story.last(Obligation.SIGN_IN).due_at) == "2026-11-23 15:00"
    assert wall(story.last(Obligation.FIRST_CONTACT).due_at) == "2026-11-24 09:00"
    assert wall(story.last(Obligation.HANDLE).due_at) == "2026-11-30 09:00"


def test_each_unit_has_its_own_clock() -> None:
    story = accepted().tell(NINE, b.dispatched(WATER, POWER)).tell(TEN, b.signed_in(WATER, Stage.DISPATCHED))
    assert (POWER, "sign_in") in story.live()
    assert (WATER, "sign_in") not in story.live()


def test_contact_is_met_by_contact_and_not_by_a_note() -> None:
    story = with_water().tell(TEN, b.signed_in(WATER), b.progressed(WATER, contacted=False))
    assert (WATER, "first_contact") in story.live()
    assert (WATER, "first_contact") not in story.tell(ELEVEN, b.progressed(WATER)).live()


def test_a_unit_that_is_done_owes_nothing_while_another_still_does() -> None:
    story = accepted().tell(NINE, b.dispatched(WATER, POWER))
    story.tell(TEN, b.signed_in(WATER), b.signed_in(POWER), b.unit_done(WATER, Stage.HANDLING))
    assert story.live() == {(POWER, "first_contact"), (POWER, "handle")}


def test_what_is_handled_is_to_be_checked_and_rated() -> None:
    story = handled()
    assert story.live() == {(COMMUNITY, "check"), (COMMUNITY, "rate")}
    assert wall(story.last(Obligation.CHECK).due_at) == "2026-11-26 18:00"
    assert wall(story.last(Obligation.RATE).due_at) == "2026-11-30 18:00"


def test_closed_and_archived() -> None:
    story = handled().tell(TEN, b.checked(), b.closed())
    assert story.live() == {(HUB, "archive")}
    assert story.last(Obligation.RATE).state is State.MET
    assert wall(story.last(Obligation.ARCHIVE).due_at) == "2026-12-14 18:00"
    assert story.tell(ELEVEN, b.archived()).live() == set()


def test_a_rating_that_lapsed_was_not_given() -> None:
    story = handled().tell(TEN, b.checked()).until(local("2026-11-30 18:00"))
    assert story.said()[-1] == "rate community overdue"
    story.tell(local("2026-11-30 18:01"), b.closed())
    assert story.last(Obligation.RATE).state is State.CANCELLED
    assert story.last(Obligation.RATE).fired_at is not None


# --- refusals: nobody gains time ---


def test_a_refusal_meets_the_sign_in_and_stops_nothing_else() -> None:
    story = with_water().tell(TEN, b.refused(WATER))
    assert story.live() == {(WATER, "first_contact"), (WATER, "handle"), (HUB, "rule_on_refusal")}
    assert wall(story.last(Obligation.RULE_ON_REFUSAL).due_at) == "2026-11-24 18:00"


def test_a_dismissed_refusal_gains_no_time() -> None:
    story = with_water()
    before = {one.obligation: one.due_at for one in story.deadlines if one.unit == WATER}
    story.tell(TEN, b.refused(WATER)).tell(ELEVEN, b.ruled(WATER, False, Stage.DISPATCHED))
    assert {one.obligation: one.due_at for one in story.deadlines if one.is_live} == before
    assert len(story.deadlines) == 6  # nothing was started twice


def test_a_dismissal_after_the_time_to_sign_in_is_overdue_at_once() -> None:
    """Due 15:00, refused 10:00, dismissed 16:00: red as soon as the timer looks, and yellow says nothing more."""
    late = local("2026-11-23 16:00")
    story = with_water().tell(TEN, b.refused(WATER)).tell(late, b.ruled(WATER, False, Stage.DISPATCHED))
    story.until(late, late=late)
    assert story.said()[0] == "sign_in util-water overdue"
    assert wall(story.stated[0].due_at) == "2026-11-23 15:00"
    assert wall(story.stated[0].fired_at) == "2026-11-23 16:00"


def test_what_was_said_before_a_refusal_is_not_said_again() -> None:
    """Yellow at 14:12, refused 14:30, dismissed 14:40, red at 15:00: one yellow, one red."""
    story = with_water().until(local("2026-11-23 14:30")).tell(local("2026-11-23 14:30"), b.refused(WATER))
    story.tell(local("2026-11-23 14:40"), b.ruled(WATER, False, Stage.DISPATCHED)).until(local("2026-11-23 15:00"))
    assert story.said() == ["sign_in util-water warned", "sign_in util-water overdue"]


def test_an_upheld_refusal_ends_when_another_unit_has_the_case() -> None:
    story = with_water().tell(TEN, b.refused(WATER))
    story.tell(ELEVEN, b.ruled(WATER, True, Stage.REFUSAL_REVIEW))
    # first receiver responsible: until then it is still accountable, and the hub still owes
    assert story.live() == {(WATER, "first_contact"), (WATER, "handle"), (HUB, "rule_on_refusal")}
    story.tell(ELEVEN, b.dispatched(POWER))
    assert story.live() == {(POWER, "sign_in"), (POWER, "first_contact"), (POWER, "handle")}
    assert story.last(Obligation.HANDLE, WATER).state is State.CANCELLED
    assert wall(story.last(Obligation.HANDLE, POWER).started_at) == "2026-11-23 11:00"


def test_an_upheld_refusal_leaves_the_other_units_as_they_are() -> None:
    story = accepted().tell(NINE, b.dispatched(WATER, POWER)).tell(TEN, b.refused(WATER))
    story.tell(ELEVEN, b.ruled(WATER, True, Stage.DISPATCHED))
    assert story.live() == {(POWER, "sign_in"), (POWER, "first_contact"), (POWER, "handle")}


def test_a_dispatch_names_all_who_have_a_part_and_releases_who_is_not_named() -> None:
    story = accepted().tell(NINE, b.dispatched(WATER, POWER)).tell(TEN, b.refused(WATER))
    story.tell(ELEVEN, b.dispatched(POWER, STREET))
    assert wall(story.last(Obligation.HANDLE, POWER).started_at) == "2026-11-23 09:00"
    assert wall(story.last(Obligation.HANDLE, STREET).started_at) == "2026-11-23 11:00"
    story.tell(ELEVEN, b.refused(POWER, Stage.CONSULTATION), b.dispatched(WATER))
    assert {unit for unit, _ in story.live()} == {WATER}
    assert story.last(Obligation.SIGN_IN, STREET).state is State.CANCELLED


def test_a_unit_designated_in_spite_of_its_refusal_keeps_its_clock() -> None:
    story = with_water().tell(TEN, b.refused(WATER, Stage.CONSULTATION))
    assert (HUB, "designate") in story.live()
    story.tell(ELEVEN, b.dispatched(WATER))
    assert story.live() == {(WATER, "sign_in"), (WATER, "first_contact"), (WATER, "handle")}
    assert wall(story.last(Obligation.SIGN_IN).due_at) == "2026-11-23 15:00"
    assert story.last(Obligation.HANDLE).generation == 1


def test_a_second_refusal_is_a_second_generation_for_the_hub() -> None:
    story = with_water().tell(NINE, b.refused(WATER), b.dispatched(POWER), b.refused(POWER), b.dispatched(STREET))
    assert [one.generation for one in story.deadlines if one.obligation is Obligation.RULE_ON_REFUSAL] == [1, 2]


# --- rework ---


@pytest.mark.parametrize(
    ("cause", "rating"),
    [
        (ReworkCause.CHECK_FAILED, State.CANCELLED),  # nobody got as far as rating
        (ReworkCause.RESIDENT_UNSATISFIED, State.MET),  # the rating is what led to it
        (ReworkCause.HUB_ORDERED, State.CANCELLED),
    ],
)
def test_rework_starts_a_fresh_shorter_clock(cause: ReworkCause, rating: State) -> None:
    story = handled().tell(TEN, b.checked(cause is not ReworkCause.CHECK_FAILED), b.rework(WATER, cause=cause))
    assert story.live() == {(WATER, "sign_in"), (WATER, "first_contact"), (WATER, "handle")}
    assert story.last(Obligation.RATE).state is rating
    again = story.last(Obligation.HANDLE)
    assert again.generation == 2
    assert str(again.granted) == "3.5 clock_day"
    assert wall(again.due_at) == "2026-11-26 22:00"
    # 2 working hours from ten
    assert wall(story.last(Obligation.SIGN_IN).due_at) == "2026-11-23 12:00"


def test_a_reopened_case_is_not_archived() -> None:
    story = handled().tell(TEN, b.checked(), b.closed()).tell(ELEVEN, b.rework(WATER, cause=ReworkCause.HUB_ORDERED))
    assert story.last(Obligation.ARCHIVE).state is State.CANCELLED


# --- when time runs out ---


def test_yellow_red_and_up_the_ladder() -> None:
    """A critical case: to be signed in within 15 minutes. Yellow at 12, red at 15, rungs at +25, +50 and +100 %."""
    story = with_water(Urgency.CRITICAL)
    only = story.last(Obligation.SIGN_IN)
    steps = []
    while only.next_at is not None:
        steps.append(wall(only.next_at)[11:])
        only = story.take(only).last(Obligation.SIGN_IN)
    assert steps == ["09:12", "09:15", "09:18:45", "09:22:30", "09:30"]
    assert story.said() == [
        "sign_in util-water warned",
        "sign_in util-water overdue",
        "sign_in util-water escalated 1",
        "sign_in util-water escalated 2",
        "sign_in util-water escalated 3",
    ]
    assert [getattr(one, "told", None) for one in story.stated] == [None, None, (WATER,), (HUB,), (HUB,)]
    assert only.state is State.OVERDUE  # still watched until it is met
    assert story.tell(TEN, b.signed_in(WATER)).last(Obligation.SIGN_IN).state is State.MET


def test_the_ladder_of_working_hours_rests_at_night() -> None:
    """4 working hours from Friday 16:00: red on Monday 10:00, first rung (one hour of duty later) 11:00."""
    friday = local("2026-11-20 16:00")
    story = Story().tell(friday, b.opened(), b.accepted(), b.dispatched(WATER)).until(local("2026-11-23 10:30"))
    assert wall(story.last(Obligation.SIGN_IN).next_at) == "2026-11-23 11:00"


def test_a_community_answers_to_its_street() -> None:
    story = Story().tell(NINE, b.opened(urgency=Urgency.CRITICAL)).until(TEN)
    assert [getattr(one, "told", None) for one in story.stated][-2:] == [(STREET, HUB), (HUB,)]


def test_what_is_met_in_time_is_never_overdue() -> None:
    story = (
        with_water()
        .tell(TEN, b.signed_in(WATER), b.progressed(WATER), b.unit_done(WATER))
        .until(local("2027-11-23 10:00"))
    )
    assert not [said for said in story.said() if "util-water" in said]


def test_a_step_is_not_taken_before_its_time_whoever_asks() -> None:
    story = with_water()
    story.take(story.last(Obligation.SIGN_IN), at=TEN)
    assert story.said() == []


def test_a_step_is_taken_once_however_often_it_is_found() -> None:
    story = with_water()
    found = story.last(Obligation.SIGN_IN)
    story.take(found).take(found)
    assert story.said() == ["sign_in util-water warned"]


def test_a_step_found_just_before_the_unit_signed_in_is_not_taken() -> None:
    story = with_water()
    found = story.last(Obligation.SIGN_IN)
    story.tell(TEN, b.signed_in(WATER)).take(found)
    assert story.said() == []


def test_a_policy_with_fewer_rungs_ends_the_ladder() -> None:
    story = with_water(Urgency.CRITICAL).until(local("2026-11-23 09:16"))
    bare = story.rules.policy.model_copy(update={"ladder": type(story.rules.policy.ladder)()})
    shorter = Story(replace(story.rules, policies=Policies(bare)))
    shorter.state = story.state
    shorter.take(story.last(Obligation.SIGN_IN))
    assert shorter.said() == []
    assert shorter.last(Obligation.SIGN_IN).next_at is None
