"""The clock explains itself: by what each limit was granted, and everything that changed it, in order.

Monday is 2026-11-23, duty 8–12 and 14–18.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from services.sla.domain.category_limits import CategoryLimits, Entry
from services.sla.domain.changes import Change, Said, changes
from services.sla.domain.deadline import Deadline
from services.sla.domain.limit import Limit
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, DispatchCause, LimitCause, Obligation, ReworkCause, Urgency
from tests.unit.sla import builders as b
from tests.unit.sla.builders import HUB, POWER, WATER, Story, local, wall

MONDAY = "2026-11-23"
NINE, TEN, ELEVEN = (local(f"{MONDAY} {hour}:00") for hour in ("09", "10", "11"))
NEXT_YEAR = local("2027-03-01 09:00")
COVER = ("市容环境", "绿化弃料")
CATALOGUE = CategoryLimits("2026", (Entry("C0101", *COVER, "1", Limit.parse("2 working_day")),))


class Logged(Story):
    """A story that keeps what the clock has said as its log does."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Said] = []

    def tell(self, at: datetime, *facts: f.CaseFact) -> "Logged":
        for fact in facts:
            before = len(self.set), len(self.stated)
            super().tell(at, fact)
            self.log += [Said(at, one) for one in (*self.stated[before[1] :], *self.set[before[0] :])]
        return self

    def take(self, one: Deadline, at: datetime | None = None) -> "Logged":
        before = len(self.stated)
        super().take(one, at)
        self.log += [Said(fact.fired_at, fact) for fact in self.stated[before:]]
        return self

    def changes_of(self, obligation: Obligation, unit: str = WATER) -> list[str]:
        return [
            shown(one) for one in changes(self.deadlines, self.log) if (one.unit, one.obligation) == (unit, obligation)
        ]


def shown(one: Change) -> str:
    until = wall(one.due_at) if one.due_at is not None else f"left {one.left}"
    return " ".join(filter(None, (wall(one.at)[5:], one.what, f"#{one.generation}", until[5:], one.by)))


def given_to(*units: str, urgency: Urgency = Urgency.NORMAL) -> Logged:
    return Logged().tell(NINE, b.opened(urgency=urgency), b.accepted(urgency), b.dispatched(*units))


def test_everything_that_happened_to_a_units_clock_is_told_in_order() -> None:
    story = given_to(WATER).tell(TEN, b.signed_in(WATER), b.progressed(WATER))
    story.tell(ELEVEN, b.understood(NEXT_YEAR)).tell(local("2026-11-25 11:00"), b.resumed())
    story.tell(local("2026-11-26 11:00"), b.asked(WATER), b.extended(WATER, 0.5))
    story.tell(local("2026-11-27 09:00"), b.planned(local("2026-12-15 18:00")))
    story.tell(local("2026-11-27 10:00"), b.reprioritised(Urgency.NORMAL, Urgency.URGENT))
    story.until(local("2026-11-28 10:00"))
    story.tell(local("2026-11-28 11:00"), b.unit_done(WATER))
    assert story.changes_of(Obligation.HANDLE) == [
        "11-23 09:00 given #1 11-30 09:00 case.dispatched.v1",
        "11-23 11:00 paused #1 6 days, 22:00:00 case.listed.v1",
        "11-25 11:00 resumed #1 12-02 09:00 case.resumed.v1",
        "11-26 11:00 extended #2 12-05 21:00 case.request_ruled.v1",
        "11-27 09:00 planned #3 12-15 18:00 case.listed.v1",
        "11-27 10:00 raised #4 11-28 10:00 case.reprioritised.v1",
        "11-28 05:12 warned #4 11-28 10:00",
        "11-28 10:00 overdue #4 11-28 10:00",
        "11-28 11:00 met #4 11-28 10:00 case.unit_done.v1",
    ]


def test_what_is_owed_by_who_has_no_part_is_known_by_its_beginning_and_end() -> None:
    story = given_to(WATER)
    assert story.changes_of(Obligation.DISPATCH, HUB) == [
        "11-23 09:00 given #1 11-23 15:00",
        "11-23 09:00 met #1 11-23 15:00 case.dispatched.v1",
    ]


def test_a_deadline_from_before_anybody_was_told_has_a_beginning_too() -> None:
    story = given_to(WATER)
    story.log.clear()
    assert story.changes_of(Obligation.SIGN_IN) == ["11-23 09:00 given #1 11-23 15:00"]


def test_a_unit_that_loses_the_case_and_gets_it_again() -> None:
    story = given_to(WATER).tell(TEN, b.dispatched(POWER, cause=DispatchCause.TRANSFERRED))
    assert story.changes_of(Obligation.SIGN_IN)[-1] == "11-23 10:00 cancelled #1 11-23 15:00 case.dispatched.v1"
    story.tell(ELEVEN, b.dispatched(WATER, cause=DispatchCause.TRANSFERRED))
    assert story.changes_of(Obligation.SIGN_IN)[-1] == "11-23 11:00 resumed #1 11-23 16:00 case.dispatched.v1"


def test_a_reckoning_says_who_asked_for_it_and_why() -> None:
    story = given_to(WATER)
    limit = next(limit for limit in story.set[-1].limits if limit.obligation is Obligation.HANDLE)
    who = f.Actor(kind=ActorKind.STAFF, person="operator")
    reckoned = f.DeadlineSet(
        unit=WATER, round=1, cause=LimitCause.POLICY, by="2026-12-01", limits=(limit,), actor=who, note="新规"
    )
    story.log.append(Said(TEN, reckoned))
    last = next(one for one in reversed(changes(story.deadlines, story.log)) if one.obligation is Obligation.HANDLE)
    assert (last.what, last.by, last.actor, last.note) == ("reckoned", "2026-12-01", who, "新规")


def test_a_successors_account_begins_with_taking_over() -> None:
    story = given_to(WATER).tell(TEN, b.handed_over(WATER, POWER))
    assert story.changes_of(Obligation.HANDLE) == ["11-23 09:00 given #1 11-30 09:00 case.dispatched.v1"]
    assert story.changes_of(Obligation.HANDLE, POWER) == ["11-23 10:00 handed_over #1 11-30 09:00 case.handed_over.v1"]


# --- by what a limit is granted ---


def with_the_catalogue(urgency: Urgency = Urgency.NORMAL, category: tuple[str, ...] = COVER) -> Story:
    story = Story(replace(b.rules(), category_limits=CATALOGUE))
    matter = b.matter(urgency).model_copy(update={"category": category})
    accepted = b.accepted(urgency).model_copy(update={"category": category})
    return story.tell(
        NINE, b.opened(urgency=urgency).model_copy(update={"matter": matter}), accepted, b.dispatched(WATER)
    )


def handled_by(story: Story) -> tuple[str, str]:
    last = story.last(Obligation.HANDLE)
    return wall(last.due_at), last.basis.split(":")[0]


def test_the_stricter_of_policy_and_catalogue_is_the_one_due_first() -> None:
    assert handled_by(with_the_catalogue()) == ("2026-11-25 18:00", "category_limits C0101")
    assert handled_by(with_the_catalogue(Urgency.URGENT))[0] == "2026-11-24 09:00"
    assert handled_by(with_the_catalogue(category=("公用设施", "别的")))[0] == "2026-11-30 09:00"


def test_the_catalogue_is_for_what_has_to_be_handled_alone() -> None:
    story = with_the_catalogue()
    assert {one.obligation for one in story.deadlines if "C0101" in one.basis} == {Obligation.HANDLE}


def test_a_rework_is_shorter_by_the_catalogue_too() -> None:
    """Half of two working days, a day: Tuesday's."""
    story = with_the_catalogue().tell(NINE, b.signed_in(WATER), b.unit_done(WATER), b.handled(WATER), b.checked(False))
    story.tell(NINE, b.rework(WATER, cause=ReworkCause.CHECK_FAILED))
    assert handled_by(story) == ("2026-11-24 18:00", "category_limits C0101")


def test_a_higher_urgency_never_gains_time_by_the_catalogue() -> None:
    """Two working days are over on Wednesday; raised on Wednesday at 9:00, the day by the clock would be longer."""
    story = with_the_catalogue()
    story.tell(local("2026-11-25 09:00"), b.signed_in(WATER), b.reprioritised(Urgency.NORMAL, Urgency.URGENT))
    assert handled_by(story)[0] == "2026-11-25 18:00"


def test_an_account_says_by_which_row_and_which_versions() -> None:
    story = given_to(WATER)
    had = story.accounts(TEN)[WATER, "handle"]
    assert (str(had.last.granted), had.last.basis) == ("7 clock_day", "limits.handle.normal")
    assert had.last.policy_version == story.rules.policy.version
    assert had.last.calendar_version == story.rules.calendars.version
    assert (had.granted, had.used) == (timedelta(days=7), timedelta(hours=1))


def test_whom_a_rung_tells_is_said_by_post() -> None:
    story = given_to(WATER, urgency=Urgency.CRITICAL).until(local(f"{MONDAY} 09:40"))
    rungs = [one for one in story.stated if isinstance(one, f.DeadlineEscalated) and one.obligation == "sign_in"]
    assert [f"{one.unit} {one.post}" for one in rungs[0].recipients] == ["util-water leader"]
    assert all(rung.told == tuple(dict.fromkeys(one.unit for one in rung.recipients)) for rung in rungs)
