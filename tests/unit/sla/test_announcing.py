"""What units are told of their due times (`deadline.set.v1`), told as stories.

Monday is 2026-11-23, duty 8–12 and 14–18.
"""

from datetime import datetime, timedelta

import pytest

from shared.contracts import facts as f
from shared.contracts.vocabulary import DispatchCause, LimitCause, Obligation, Stage, Urgency
from tests.unit.sla import builders as b
from tests.unit.sla.builders import COMMUNITY, HUB, POWER, WATER, Story, local, wall

MONDAY = "2026-11-23"
NINE, TEN, ELEVEN = (local(f"{MONDAY} {hour}:00") for hour in ("09", "10", "11"))
NEXT_YEAR = local("2027-03-01 09:00")


def given_to(*units: str) -> Story:
    return Story().tell(NINE, b.opened(), b.accepted(), b.dispatched(*units))


def told(story: Story, fact: f.CaseFact, at: datetime = TEN) -> list[str]:
    """`util-water by case.resumed.v1: sign_in 2026-11-23 16:00`, of what the fact makes known."""
    before = len(story.set)
    story.tell(at, fact)
    return [said(one) for one in story.set[before:]]


def said(one: f.DeadlineSet) -> str:
    limits = ", ".join(f"{limit.obligation} {_when(limit)}" for limit in one.limits)
    return f"{one.unit} by {one.by}: {limits}"


def _when(limit: f.TimeLimit) -> str:
    if limit.due_at is not None:
        return wall(limit.due_at)
    assert limit.left is not None
    return f"stands with {timedelta(seconds=limit.left)}"


def test_a_unit_that_is_given_a_case_is_told_all_it_owes_once() -> None:
    story = given_to(WATER, POWER)
    assert [said(one) for one in story.set] == [
        f"{unit} by case.dispatched.v1: sign_in {MONDAY} 15:00, first_contact 2026-11-24 09:00, handle 2026-11-30 09:00"
        for unit in (WATER, POWER)
    ]
    (first, _) = story.set
    assert (first.round, first.cause, first.actor) == (1, LimitCause.CASE, None)
    sign_in = first.limits[0]
    assert (sign_in.granted, sign_in.generation, sign_in.started_at) == ("4 working_hour", 1, NINE)
    assert (sign_in.policy_version, sign_in.calendar_version) == (
        story.rules.policy.version,
        story.rules.calendars.version,
    )


@pytest.mark.parametrize(
    "fact",
    [
        b.signed_in(WATER),
        b.progressed(WATER),
        b.refused(WATER),
        b.asked(WATER),
        b.turned_down(WATER),
        b.unit_done(WATER),
        b.withdrawn(),
        b.merged(),
        b.reprioritised(Urgency.NORMAL, Urgency.COMPLEX, Stage.DISPATCHED),
    ],
    ids=lambda fact: fact.NAME,
)
def test_what_ends_or_does_not_move_is_no_news(fact: f.CaseFact) -> None:
    assert told(given_to(WATER), fact) == []


def test_who_has_no_part_is_told_nothing() -> None:
    story = Story().tell(NINE, b.opened(), b.accepted())
    story.tell(NINE, b.dispatched(WATER), b.signed_in(WATER), b.unit_done(WATER), b.handled(WATER), b.checked())
    assert {one.unit for one in story.set}.isdisjoint({HUB, COMMUNITY})


def test_it_stands_still_and_goes_on() -> None:
    story = given_to(WATER)
    story.tell(NINE, b.signed_in(WATER))
    assert told(story, b.understood(NEXT_YEAR)) == [
        "util-water by case.listed.v1: first_contact stands with 23:00:00, handle stands with 6 days, 23:00:00"
    ]
    assert told(story, b.resumed(), at=ELEVEN) == [
        "util-water by case.resumed.v1: first_contact 2026-11-24 10:00, handle 2026-11-30 10:00"
    ]


MOVES = {
    "extended": (b.extended(WATER, 1), "handle 2026-12-07 09:00"),
    "planned": (b.planned(local("2026-12-15 18:00")), "handle 2026-12-15 18:00, milestone 2026-12-15 18:00"),
    "raised": (b.reprioritised(Urgency.NORMAL, Urgency.URGENT), "handle 2026-11-24 10:00"),
}


@pytest.mark.parametrize("how", MOVES)
def test_what_moves_is_told_and_what_stays_is_not(how: str) -> None:
    fact, news = MOVES[how]
    story = given_to(WATER).tell(NINE, b.signed_in(WATER), b.progressed(WATER))
    assert told(story, fact) == [f"util-water by {fact.NAME}: {news}"]


def test_a_refusal_that_is_dismissed_makes_the_sign_in_known_again() -> None:
    story = given_to(WATER).tell(NINE, b.refused(WATER))
    assert told(story, b.ruled(WATER, False, Stage.DISPATCHED)) == [
        f"util-water by case.refusal_ruled.v1: sign_in {MONDAY} 15:00"
    ]


def test_given_the_case_again_a_unit_is_told_by_when_now() -> None:
    story = given_to(WATER).tell(TEN, b.dispatched(POWER, cause=DispatchCause.TRANSFERRED))
    (news,) = told(story, b.dispatched(WATER, cause=DispatchCause.TRANSFERRED), at=ELEVEN)
    assert news.split(": ")[1] == "sign_in 2026-11-23 16:00, first_contact 2026-11-24 10:00, handle 2026-11-30 10:00"


def test_a_successor_is_told_what_it_has_taken_over() -> None:
    story = given_to(WATER).tell(NINE, b.signed_in(WATER))
    assert told(story, b.handed_over(WATER, POWER)) == [
        "util-power by case.handed_over.v1: first_contact 2026-11-24 09:00, handle 2026-11-30 09:00"
    ]


def test_a_rework_is_told_with_its_round() -> None:
    story = given_to(WATER).tell(NINE, b.signed_in(WATER), b.unit_done(WATER), b.handled(WATER), b.checked(False))
    story.tell(TEN, b.rework(WATER))
    assert (story.set[-1].round, story.set[-1].by) == (2, "case.rework_ordered.v1")
    assert {limit.obligation for limit in story.set[-1].limits} == {
        Obligation.SIGN_IN,
        Obligation.FIRST_CONTACT,
        Obligation.HANDLE,
    }


def test_a_late_red_is_blamed_on_its_round() -> None:
    story = given_to(WATER).tell(NINE, b.signed_in(WATER), b.unit_done(WATER), b.handled(WATER), b.checked(False))
    story.tell(TEN, b.rework(WATER)).until(local("2026-11-23 12:00"))
    assert [(one.obligation, one.round) for one in story.stated if isinstance(one, f.DeadlineOverdue)] == [
        (Obligation.SIGN_IN, 2)
    ]
