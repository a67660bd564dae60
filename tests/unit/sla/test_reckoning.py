"""重算: running deadlines moved to another policy or other calendars, as a clerk would check it."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest

from services.sla.domain.calendars import STATE, Calendars, DutyCalendar, Earlier, HolidayYear
from services.sla.domain.category_limits import CategoryLimits, Entry
from services.sla.domain.deadline import State
from services.sla.domain.limit import Limit
from services.sla.domain.policy import Ladder, Policies, Policy, Rung, Told, Warnings
from services.sla.domain.reckoning import Changed, Reckoning, entries, reckon
from services.sla.domain.reckoning_tally import Tally
from services.sla.domain.rules import Rules
from shared.contracts.facts import Actor
from shared.contracts.vocabulary import ActorKind, LimitCause, Obligation, Urgency
from tests.unit.sla import builders as b
from tests.unit.sla.builders import Story, local, wall

OPERATOR = Actor(kind=ActorKind.STAFF, person="p-9")
NOTE = "区政府第 12 次会议"
BASE = b.rules()
HANDLE = Obligation.HANDLE
URGENCIES = tuple(Urgency)


def policy(rules: Rules = BASE, version: str = "new", warn: float | None = 0.8, **limits: str) -> Policy:
    """The shipped one with other limits: `handle="5 working_day"`."""
    changed = {Obligation(name): dict.fromkeys(URGENCIES, Limit.parse(text)) for name, text in limits.items()}
    return rules.policy.model_copy(
        update={"version": version, "limits": {**rules.policy.limits, **changed}, "warn": Warnings(default=warn)}
    )


def under(new: Policy, rules: Rules = BASE) -> Rules:
    """That policy in force, those before it known."""
    earlier = {**rules.policies.earlier, rules.policy.version: rules.policy}
    return replace(rules, policies=Policies(new, {name: one for name, one in earlier.items() if name != new.version}))


def with_calendars(version: str, *off: date, published: int | None = None, rules: Rules = BASE) -> Rules:
    """Closed on these days, with a year published; the calendars before known."""
    before = rules.calendars
    years = dict(before.edition.years) | ({published: HolidayYear({}, {})} if published else {})
    duty = {**before.edition.duty, STATE: DutyCalendar(off=dict.fromkeys(off, "停水检修"))}
    edition = replace(before.edition, years=years, duty=duty)
    kept = {**before.earlier, before.version: Earlier(before.edition, date(2026, 11, 1))}
    return replace(rules, calendars=Calendars(version, edition, kept))


def asked(rules: Rules, kind: LimitCause = LimitCause.POLICY, lengthen: bool = False, **more: bool) -> Reckoning:
    version = rules.policy.version if kind is LimitCause.POLICY else rules.calendars.version
    return Reckoning(7, kind, version, lengthen, OPERATOR, NOTE, **more)


def handling(start: str, rules: Rules = BASE, urgency: Urgency = Urgency.NORMAL) -> Story:
    """A case that the water company has to handle since then."""
    return Story(rules).tell(local(start), b.opened(urgency=urgency), b.accepted(urgency), b.dispatched(b.WATER))


class Applied:
    """What became of a case."""

    def __init__(self, story: Story, by: Reckoning, now: str, rules: Rules) -> None:
        assert story.state is not None
        self.before = story.state
        self.by = by
        self.state, self.changed = reckon(story.state, by, local(now), rules)
        story.state, story.rules = self.state, rules

    def of(self, obligation: Obligation = HANDLE) -> Changed:
        return [one for one in self.changed if one.before.obligation is obligation][-1]

    def due(self, obligation: Obligation = HANDLE) -> str:
        return wall(self.of(obligation).after.due_at)


def apply(story: Story, rules: Rules, now: str, lengthen: bool = False) -> Applied:
    return Applied(story, asked(rules, lengthen=lengthen), now, rules)


def recompute(story: Story, rules: Rules, now: str, lengthen: bool = False, **more: bool) -> Applied:
    return Applied(story, asked(rules, LimitCause.CALENDAR, lengthen, **more), now, rules)


# --- by a policy ------------------------------------------------------------------------------------------------


def test_the_share_that_was_used_stays_used() -> None:
    story = handling("2026-11-02 10:00")  # 7 clock_day: due 11-09 10:00
    applied = apply(story, under(policy(handle="70 clock_hour")), "2026-11-05 22:00")  # half of it is used
    assert applied.due() == "2026-11-07 09:00"  # half of 70 hours from now
    after = applied.of().after
    assert (str(after.granted), after.policy_version, after.basis) == ("70 clock_hour", "new", "limits.handle.normal")
    assert wall(after.warn_at) == "2026-11-06 19:00"  # when 56 of 70 hours are used, of which 35 are


def test_a_limit_in_working_time_takes_over_the_share_of_one_in_clock_time() -> None:
    story = handling("2026-11-02 10:00")
    applied = apply(story, under(policy(handle="2 working_day")), "2026-11-05 22:00")
    assert applied.due() == "2026-11-06 18:00"  # half of 16 hours of duty, from the next morning


def test_it_only_shortens_unless_it_is_to_lengthen() -> None:
    new = under(policy(handle="14 clock_day", warn=0.5))
    kept = apply(handling("2026-11-02 10:00"), new, "2026-11-05 22:00").of()
    assert kept.kept
    assert not kept.shift
    assert kept.after.policy_version == "new"
    assert str(kept.after.granted) == "7 clock_day"
    assert wall(kept.after.warn_at) == "2026-11-05 22:00"  # half is used, and the new policy warns at half
    story = handling("2026-11-02 10:00")
    longer = apply(story, new, "2026-11-05 22:00", lengthen=True)
    assert not longer.of().kept
    assert longer.due() == "2026-11-12 22:00"


def test_what_was_kept_can_still_be_lengthened_by_the_same_version() -> None:
    new = under(policy(handle="14 clock_day"))
    story = handling("2026-11-02 10:00")
    apply(story, new, "2026-11-05 22:00")
    assert apply(story, new, "2026-11-05 22:00", lengthen=True).due() == "2026-11-12 22:00"


def test_what_is_overdue_stays_so_and_goes_up_the_other_ladder() -> None:
    story = handling("2026-11-02 10:00").until(local("2026-11-11 10:00"))  # red on 11-09, first rung on 11-10 ... 18:00
    before = story.last(HANDLE)
    assert (before.state, before.next_step) == (State.OVERDUE, 2)
    ladder = Ladder(default=tuple(Rung(after=Limit.parse(f"{n} clock_day"), tell=(Told.HUB,)) for n in (1, 5, 6)))
    new = policy(handle="1 clock_day").model_copy(update={"ladder": ladder})
    after = apply(story, under(new), "2026-11-11 10:00").of().after
    assert (after.state, after.fired_at, after.due_at, after.next_step) == (
        State.OVERDUE,
        before.fired_at,
        before.due_at,
        2,
    )
    assert wall(after.next_at) == "2026-11-14 10:00"
    assert str(after.granted) == "7 clock_day"


def test_a_rung_that_would_lie_in_the_past_is_taken_now() -> None:
    story = handling("2026-11-02 10:00").until(local("2026-11-11 10:00"))
    ladder = Ladder(default=tuple(Rung(after=Limit.parse(f"{n} clock_hour"), tell=(Told.HUB,)) for n in (1, 2)))
    after = apply(story, under(policy().model_copy(update={"ladder": ladder})), "2026-11-11 10:00").of().after
    assert wall(after.next_at) == "2026-11-11 10:00"


def test_a_warning_that_was_said_is_not_said_again() -> None:
    story = handling("2026-11-02 10:00").until(local("2026-11-08 10:00"))
    assert "handle util-water warned" in story.said()
    apply(story, under(policy(handle="6 clock_day")), "2026-11-08 10:00")
    story.until(local("2026-11-20 10:00"))
    assert story.said().count("handle util-water warned") == 1
    assert story.said().count("handle util-water overdue") == 1


def test_a_policy_that_warns_where_the_one_before_did_not() -> None:
    silent = under(policy(version="silent", warn=None))
    story = handling("2026-11-02 10:00", silent)
    assert story.last(HANDLE).warn_at is None
    after = apply(story, under(policy(), silent), "2026-11-03 10:00").of().after
    assert wall(after.warn_at) == wall(after.next_at) == "2026-11-08 00:24"


def test_what_stands_still_keeps_standing_with_its_share() -> None:
    story = handling("2026-11-02 10:00").tell(
        local("2026-11-05 22:00"), b.suspended(b.WATER, local("2027-03-01 09:00"))
    )
    applied = apply(story, under(policy(handle="70 clock_hour")), "2026-12-01 09:00")
    after = applied.of().after
    assert (after.state, after.left, after.next_at) == (State.PAUSED, timedelta(hours=35), None)
    story.tell(local("2026-12-02 09:00"), b.resumed())
    assert wall(story.last(HANDLE).due_at) == "2026-12-03 20:00"
    assert story.accounts(local("2026-12-02 09:00"))[b.WATER, "handle"].left == timedelta(hours=35)


def test_what_was_taken_away_goes_on_by_its_share_too() -> None:
    story = handling("2026-11-02 10:00").tell(local("2026-11-05 22:00"), b.dispatched(b.POWER))
    taken = [one for one in story.deadlines if one.unit == b.WATER and one.obligation is HANDLE]
    assert [one.state for one in taken] == [State.CANCELLED]
    apply(story, under(policy(handle="70 clock_hour")), "2026-11-06 10:00")
    story.tell(local("2026-11-07 10:00"), b.dispatched(b.WATER))
    assert wall(story.last(HANDLE, b.WATER).due_at) == "2026-11-08 21:00"


def test_an_extension_that_was_granted_is_scaled_with_the_limit() -> None:
    story = handling("2026-11-02 10:00").tell(local("2026-11-03 10:00"), b.asked(b.WATER), b.extended(b.WATER))
    assert wall(story.last(HANDLE).due_at) == "2026-11-16 10:00"
    applied = apply(story, under(policy(handle="70 clock_hour")), "2026-11-09 10:00")  # half of 14 days is used
    assert applied.due() == "2026-11-12 08:00"  # half of 140 hours


def test_dates_that_people_set_stay() -> None:
    story = handling("2026-11-02 10:00").tell(local("2026-11-03 10:00"), b.planned(local("2026-11-20 18:00")))
    before = {one.obligation: one.due_at for one in story.deadlines if one.is_open}
    applied = apply(story, under(policy(handle="70 clock_hour")), "2026-11-04 10:00")
    assert {one.obligation: one.due_at for one in applied.state.open()} == before
    assert Obligation.MILESTONE not in {one.before.obligation for one in applied.changed}
    assert str(applied.of().after.granted) == "70 clock_hour"


def test_a_stricter_catalogue_wins_again() -> None:
    catalogue = CategoryLimits("1", (Entry("0101", "公用设施", "上水井盖", "", Limit.parse("3 clock_day")),))
    story = handling("2026-11-02 10:00")
    assert story.state is not None
    story.state = story.state.model_copy(update={"category": ("公用设施", "上水井盖")})
    new = replace(under(policy(handle="5 clock_day")), category_limits=catalogue)
    after = apply(story, new, "2026-11-02 10:00").of().after
    assert wall(after.due_at) == "2026-11-05 10:00"
    assert "0101" in after.basis


def test_the_urgency_it_began_with_decides() -> None:
    story = handling("2026-11-02 10:00").tell(
        local("2026-11-02 11:00"), b.reprioritised(Urgency.NORMAL, Urgency.COMPLEX)
    )
    new = policy()
    applied = apply(story, under(new), "2026-11-03 10:00", lengthen=True)
    assert applied.due() == "2026-11-09 10:00"


def test_what_ran_out_a_moment_ago_is_not_saved() -> None:
    story = handling("2026-11-02 10:00")
    applied = apply(story, under(policy(handle="70 clock_day")), "2026-11-09 10:00", lengthen=True)
    assert applied.due() == "2026-11-09 10:00"


def test_a_version_that_is_no_longer_in_force_moves_nothing() -> None:
    story = handling("2026-11-02 10:00")
    assert story.state is not None
    by = asked(under(policy(version="one", handle="1 clock_day")))
    other = under(policy(version="two", handle="2 clock_day"))
    assert reckon(story.state, by, local("2026-11-03 10:00"), other) == (story.state, ())


# --- by the calendars ---------------------------------------------------------------------------------------------


def five_days(start: str, rules: Rules = BASE) -> Story:
    return handling(start, under(policy(version="days", handle="5 working_day"), rules))


def test_a_count_of_days_is_what_the_new_calendar_says() -> None:
    story = five_days("2026-12-28 10:00")  # 12-29 … 01-04, by weekdays: 2027 is not published
    before = story.last(HANDLE)
    assert (wall(before.due_at), before.provisional) == ("2027-01-04 18:00", True)
    new = with_calendars("2027", date(2027, 1, 1), published=2027, rules=story.rules)
    after = recompute(story, new, "2026-12-30 10:00", lengthen=True, provisional_only=True).of().after
    assert (wall(after.due_at), after.provisional, after.calendar_version) == ("2027-01-05 18:00", False, "2027")
    assert wall(after.warn_at) == "2027-01-04 18:00"


def test_a_day_off_more_is_no_time_gained_unless_asked_for() -> None:
    story = five_days("2026-11-02 10:00")
    new = with_calendars("2", date(2026, 11, 5), rules=story.rules)
    one = recompute(story, new, "2026-11-03 10:00").of()
    assert (one.kept, one.after) == (True, one.before)
    assert recompute(story, new, "2026-11-03 10:00", lengthen=True).due() == "2026-11-10 18:00"


def test_working_hours_are_due_when_what_was_left_has_passed() -> None:
    rules = under(policy(version="hours", handle="16 working_hour"))
    story = handling("2026-11-02 10:00", rules)
    assert wall(story.last(HANDLE).due_at) == "2026-11-04 10:00"
    # 11-02 turns out to have been a day off: what was worked on it stays used.
    new = with_calendars("2", date(2026, 11, 2), date(2026, 11, 4), rules=rules)
    applied = recompute(story, new, "2026-11-03 14:00", lengthen=True)
    assert applied.due() == "2026-11-05 10:00"
    account = story.accounts(local("2026-11-03 14:00"))[b.WATER, "handle"]
    assert (account.used, account.left) == (timedelta(hours=10), timedelta(hours=6))


def test_what_would_be_past_by_the_new_calendar_is_due_now() -> None:
    rules = with_calendars("closed", date(2026, 11, 4), date(2026, 11, 5))
    story = five_days("2026-11-02 10:00", rules)
    assert wall(story.last(HANDLE).due_at) == "2026-11-11 18:00"
    opened = replace(
        story.rules,
        calendars=replace(
            BASE.calendars, version="3", earlier={"closed": Earlier(rules.calendars.edition, date(2026, 11, 1))}
        ),
    )
    assert recompute(story, opened, "2026-11-10 10:00").due() == "2026-11-10 10:00"


def test_clock_time_knows_no_calendar() -> None:
    story = handling("2026-11-02 10:00")
    new = with_calendars("2", date(2026, 11, 5))
    one = recompute(story, new, "2026-11-03 10:00", lengthen=True).of()
    assert (one.shift, one.is_told, one.after.calendar_version) == (timedelta(), False, "2")


def test_only_what_is_provisional_where_that_was_asked() -> None:
    story = five_days("2026-11-02 10:00")
    new = with_calendars("2", date(2026, 11, 5), rules=story.rules)
    applied = recompute(story, new, "2026-11-03 10:00", lengthen=True, provisional_only=True)
    assert (applied.changed, applied.state) == ((), applied.before)


# --- what is said of it -------------------------------------------------------------------------------------------


def test_each_unit_is_told_once_with_who_asked_and_why() -> None:
    story = Story().tell(local("2026-11-02 10:00"), b.opened(), b.accepted(), b.dispatched(b.WATER, b.POWER))
    applied = apply(story, under(policy(handle="5 clock_day", sign_in="1 working_hour")), "2026-11-02 10:00")
    said = entries(applied.state, applied.by, applied.changed)
    assert [one.unit for one in said] == [b.WATER, b.POWER]
    for one in said:
        assert (one.cause, one.by, one.actor, one.note) == (LimitCause.POLICY, "new", OPERATOR, NOTE)
        due = {limit.obligation: wall(limit.due_at) for limit in one.limits}
        assert due == {Obligation.SIGN_IN: "2026-11-02 11:00", HANDLE: "2026-11-07 10:00"}


def test_obligations_of_others_than_units_are_stated_too() -> None:
    story = Story().tell(local("2026-11-02 10:00"), b.opened())
    applied = apply(story, under(policy(accept="1 clock_hour")), "2026-11-02 10:00")
    (said,) = entries(applied.state, applied.by, applied.changed)
    assert (said.unit, [limit.obligation for limit in said.limits]) == (b.COMMUNITY, [Obligation.ACCEPT])


def test_nothing_is_said_where_nobody_is_due_otherwise() -> None:
    story = handling("2026-11-02 10:00")
    applied = apply(story, under(policy()), "2026-11-03 10:00")
    assert applied.of().after.policy_version == "new"
    assert entries(applied.state, applied.by, applied.changed) == ()


def test_the_tally_counts_what_becomes_of_each() -> None:
    new = under(policy(handle="70 clock_hour", sign_in="10 working_day"))
    tally = Tally()
    for number in range(30):
        applied = apply(handling("2026-11-02 10:00"), new, "2026-11-02 10:00")
        tally.add(UUID(int=number), applied.changed)
    assert tally.effects == {"earlier": 30, "kept": 30, "unchanged": 30}
    assert tally.by_unit[HANDLE, b.WATER] == {"earlier": 30}
    shift = tally.shift
    assert shift is not None
    assert {shift.least, shift.median, shift.most} == {timedelta(hours=70) - timedelta(days=7)}
    assert len(tally.examples) == 20
    assert tally.examples == sorted(tally.examples, key=lambda one: str(one.case_id))


@pytest.mark.parametrize("kind", [LimitCause.POLICY, LimitCause.CALENDAR])
def test_a_case_with_nothing_open_is_left_alone(kind: LimitCause) -> None:
    story = handling("2026-11-02 10:00").tell(local("2026-11-02 11:00"), b.withdrawn())
    assert story.state is not None
    rules = with_calendars("2", date(2026, 11, 5), rules=under(policy(handle="1 clock_day")))
    assert reckon(story.state, asked(rules, kind), local("2026-11-03 10:00"), rules) == (story.state, ())
