"""Whom a step is told to, when, and what a digest says of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.sla.domain.notice_rules import NoticeRules, Quiet, QuietTimes
from services.sla.domain.notices import (
    CALLED,
    Entry,
    Fate,
    Light,
    Release,
    Standing,
    Waiting,
    entry,
    loud_from,
    ready_at,
    recipients,
    release,
)
from services.sla.domain.policy import Policies
from services.sla.domain.rules import Rules
from shared.contracts import facts as f
from shared.contracts.vocabulary import Obligation, Post, RungChange, Urgency
from tests.unit.sla import builders as b

DUTY = f.Recipient(unit=b.WATER, post=Post.DUTY)
LEADER = f.Recipient(unit=b.WATER, post=Post.LEADER)
HUB_DUTY = f.Recipient(unit=b.HUB, post=Post.DUTY)
NOTICES = NoticeRules.model_validate(
    {
        "quiet": {"default": {"hours": "22:00-07:00"}, "posts": {"leader": {"outside_duty": True}}},
        "window": {
            "critical": "5 clock_minute",
            "urgent": "10 clock_minute",
            "normal": "30 clock_minute",
            "complex": "1 clock_hour",
        },
        "gather": timedelta(0),
    }
)
"""The duty is left alone at night, a leader whenever the unit is off duty; critical matters wait 5 minutes."""


def by(notices: NoticeRules) -> Rules:
    shipped = b.rules()
    return replace(shipped, policies=Policies(shipped.policy.model_copy(update={"notices": notices})))


@lru_cache
def rules() -> Rules:
    return by(NOTICES)


def step(kind: type[f.DeadlineStep], **more: object) -> f.DeadlineStep:
    noon = b.local("2026-09-18 12:00")
    about: dict[str, object] = {
        "obligation": Obligation.HANDLE,
        "unit": b.WATER,
        "generation": 1,
        "started_at": noon,
        "due_at": noon,
        "fired_at": noon,
        "policy_version": "1",
    }
    return kind.model_validate(about | more)


# --- to whom ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        (step(f.DeadlineWarned), [DUTY]),
        (step(f.DeadlineOverdue), [DUTY, LEADER]),
        (step(f.DeadlineEscalated, rung=1, told=(b.WATER,), recipients=(LEADER,)), [LEADER]),
        (step(f.DeadlineEscalated, rung=2, told=(b.HUB,), recipients=(HUB_DUTY, LEADER, HUB_DUTY)), [HUB_DUTY, LEADER]),
        # a fact of a release that named no posts
        (step(f.DeadlineEscalated, rung=1, told=(b.WATER,)), [LEADER]),
        # what nobody is known to owe is the hub's
        (step(f.DeadlineWarned, unit=None), [HUB_DUTY]),
        # the time to object is over: nobody is late
        (step(f.DeadlineOverdue, obligation=Obligation.ARCHIVE), []),
    ],
)
def test_whom_a_step_is_told_to(fact: f.DeadlineStep, told: list[f.Recipient]) -> None:
    assert list(recipients(fact, rules())) == told


# --- when ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "at", "loud"),
    [
        (DUTY, "2026-09-18 12:30", "2026-09-18 12:30"),  # lunch is no reason for the duty
        (DUTY, "2026-09-18 21:59", "2026-09-18 21:59"),
        (DUTY, "2026-09-18 22:00", "2026-09-19 07:00"),
        (DUTY, "2026-09-19 06:59", "2026-09-19 07:00"),
        (DUTY, "2026-09-19 07:00", "2026-09-19 07:00"),  # a Saturday
        (LEADER, "2026-09-18 12:30", "2026-09-18 14:00"),
        (LEADER, "2026-09-18 17:59", "2026-09-18 17:59"),
        (LEADER, "2026-09-18 18:00", "2026-09-20 08:00"),  # Friday; Sunday the 20th makes up for the holiday
        (LEADER, "2026-09-30 18:00", "2026-10-08 08:00"),  # the longest holiday
    ],
)
def test_when_quiet_ends(to: f.Recipient, at: str, loud: str) -> None:
    assert b.wall(loud_from(b.local(at), to, rules())) == loud


NIGHT_AND_OFF_DUTY = Quiet.model_validate({"hours": "07:30-08:30", "outside_duty": True})
ALWAYS = Quiet.model_validate({"hours": "07:00-19:00", "outside_duty": True})


@pytest.mark.parametrize(
    ("quiet", "at", "loud"),
    [
        (None, "2026-09-18 03:00", "2026-09-18 03:00"),
        (NIGHT_AND_OFF_DUTY, "2026-09-17 23:00", "2026-09-18 08:30"),
        (ALWAYS, "2026-09-17 23:00", "2026-10-01 23:00"),  # however it is written, nothing waits for ever
    ],
)
def test_quiet_of_both_kinds_and_of_none(quiet: Quiet | None, at: str, loud: str) -> None:
    notices = NoticeRules(quiet=QuietTimes(default=quiet))
    assert b.wall(loud_from(b.local(at), DUTY, by(notices))) == loud


@pytest.mark.parametrize(
    ("urgency", "noted", "last", "now", "ready"),
    [
        # the first goes out at once
        (Urgency.NORMAL, "2026-09-18 10:00", None, "2026-09-18 10:00", "2026-09-18 10:00"),
        (Urgency.NORMAL, "2026-09-18 10:00", "2026-09-18 09:00", "2026-09-18 10:00", "2026-09-18 10:00"),
        # within the window it waits
        (Urgency.NORMAL, "2026-09-18 10:10", "2026-09-18 10:00", "2026-09-18 10:10", "2026-09-18 10:30"),
        (Urgency.CRITICAL, "2026-09-18 10:01", "2026-09-18 10:00", "2026-09-18 10:01", "2026-09-18 10:05"),
        # at night until morning, but for what is critical
        (Urgency.NORMAL, "2026-09-18 23:00", None, "2026-09-18 23:00", "2026-09-19 07:00"),
        (Urgency.NORMAL, "2026-09-18 21:50", "2026-09-18 21:40", "2026-09-18 21:50", "2026-09-19 07:00"),
        (Urgency.CRITICAL, "2026-09-18 23:00", None, "2026-09-18 23:00", "2026-09-18 23:00"),
        # the process was away all day, and comes back at night
        (Urgency.NORMAL, "2026-09-18 10:00", None, "2026-09-18 23:00", "2026-09-19 07:00"),
    ],
)
def test_when_an_entry_may_be_told(urgency: Urgency, noted: str, last: str | None, now: str, ready: str) -> None:
    found = ready_at(urgency, b.local(noted), DUTY, None if last is None else b.local(last), b.local(now), rules())
    assert b.wall(found) == ready


def test_the_first_waits_for_what_comes_with_it() -> None:
    patient = by(NOTICES.model_copy(update={"gather": timedelta(seconds=5)}))
    noon = b.local("2026-09-18 12:00")
    assert ready_at(Urgency.NORMAL, noon, DUTY, None, noon, patient) == noon + timedelta(seconds=5)


# --- what it says --------------------------------------------------------------------------------------------------

NUMBERS = iter(range(1, 10**9))


def waits(
    fact: f.DeadlineStep,
    case: int = 1,
    urgency: Urgency = Urgency.NORMAL,
    noted: str = "2026-09-18 10:00",
    standing: Standing = Standing.RUNNING,
) -> Waiting:
    return Waiting(next(NUMBERS), entry(UUID(int=case), f"C-{case}", fact, urgency), b.local(noted), standing)


def told(*waiting: Waiting, at: str = "2026-09-18 10:00") -> Release:
    return release(DUTY, waiting, None, b.local(at), rules())


def test_a_digest_counts_by_light_and_obligation_and_lists_the_most_urgent_first() -> None:
    rung = step(f.DeadlineEscalated, rung=1, told=(b.WATER,), changes=(RungChange.SUPERVISE,))
    digest = told(
        waits(step(f.DeadlineWarned), 1),
        waits(step(f.DeadlineOverdue), 2),
        waits(step(f.DeadlineOverdue, obligation=Obligation.SIGN_IN), 3, Urgency.CRITICAL),
        waits(rung, 4),
        waits(step(f.DeadlineOverdue), 5, standing=Standing.OVER),
        waits(step(f.DeadlineWarned), 6, standing=Standing.OVER),
    ).digest
    assert digest is not None
    assert digest.zh == (
        "超期升级 1 项：办结 1；超期 3 项：签收 1、办结 2；临期 1 项：办结 1；"
        "其中 1 项现已了结；另有 1 项临期事项已按时了结。"
    )
    assert digest.en == (
        "1 escalated: handle 1; 3 overdue: sign in 1, handle 2; 1 nearly due: handle 1; "
        "1 of them have ended by now; 1 more were nearly due and met in time."
    )
    assert [(one.case_number, one.light, one.rung, one.over) for one in digest.entries] == [
        ("C-3", Light.RED, 0, False),  # critical
        ("C-4", Light.RUNG, 1, False),
        ("C-2", Light.RED, 0, False),
        ("C-1", Light.YELLOW, 0, False),
        ("C-5", Light.RED, 0, True),  # ended: it was late all the same
    ]
    assert digest.entries[1].changes == (RungChange.SUPERVISE,)
    assert (digest.urgency, digest.told, digest.more, digest.resolved) == (Urgency.CRITICAL, 5, 0, 1)


def test_every_obligation_has_a_name_to_be_told_by() -> None:
    assert CALLED.keys() == set(Obligation)


@pytest.mark.parametrize(
    ("waiting", "fates"),
    [
        # a warning whose deadline was met, or is red: its red light speaks for it
        ([waits(step(f.DeadlineWarned), standing=Standing.OVER)], [Fate.RESOLVED]),
        ([waits(step(f.DeadlineWarned), standing=Standing.RED)], [Fate.SUPERSEDED]),
        ([waits(step(f.DeadlineWarned)), waits(step(f.DeadlineOverdue))], [Fate.SUPERSEDED, Fate.TOLD]),
        # a red light that a rung stands for by now
        (
            [waits(step(f.DeadlineOverdue)), waits(step(f.DeadlineEscalated, rung=2, told=(b.WATER,)))],
            [Fate.SUPERSEDED, Fate.TOLD],
        ),
        # lateness is told, even when it is over
        ([waits(step(f.DeadlineOverdue), standing=Standing.OVER)], [Fate.TOLD]),
        # another case, another obligation, another generation
        ([waits(step(f.DeadlineWarned), 1), waits(step(f.DeadlineOverdue), 2)], [Fate.TOLD, Fate.TOLD]),
        ([waits(step(f.DeadlineWarned)), waits(step(f.DeadlineOverdue, generation=2))], [Fate.TOLD, Fate.TOLD]),
    ],
)
def test_what_has_passed_is_left_out(waiting: list[Waiting], fates: list[Fate]) -> None:
    found = told(*waiting)
    assert [found.fates[one.number] for one in waiting] == fates
    assert (found.digest is None) == (Fate.TOLD not in fates)


def test_what_is_critical_is_told_at_night_and_the_rest_in_the_morning() -> None:
    critical, normal = waits(step(f.DeadlineOverdue), 1, Urgency.CRITICAL), waits(step(f.DeadlineOverdue), 2)
    found = told(critical, normal, at="2026-09-18 23:00")
    assert found.fates == {critical.number: Fate.TOLD}
    assert b.wall(found.again_at) == "2026-09-19 07:00"


def test_what_is_not_listed_is_counted() -> None:
    digest = told(*(waits(step(f.DeadlineOverdue), case) for case in range(1, 31))).digest
    assert digest is not None
    assert (len(digest.entries), digest.more, digest.told) == (20, 10, 30)


# --- whatever happens -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Happens:
    """A step of one of a few deadlines is stated, or (`light` None) the deadline ends; so many minutes after Friday."""

    minute: int
    case: int
    light: int | None
    urgency: Urgency

    @property
    def at(self) -> datetime:
        return b.local("2026-09-18 00:00") + timedelta(minutes=self.minute)


class Mailbox:
    """One recipient through simulated time, kept as the store keeps it."""

    def __init__(self, to: f.Recipient) -> None:
        self.to = to
        self.waiting: list[Waiting] = []
        self.noted: dict[int, Waiting] = {}
        self.last: datetime | None = None
        self.release_at: datetime | None = None
        self.releases: list[tuple[datetime, Release]] = []

    def note(self, noted: Entry, at: datetime) -> None:
        one = Waiting(len(self.noted) + 1, noted, at)
        self.noted[one.number] = one
        self.waiting.append(one)
        ready = ready_at(noted.urgency, at, self.to, self.last, at, rules())
        self.release_at = ready if self.release_at is None else min(ready, self.release_at)

    def stand(self, deadline: tuple[object, ...], standing: Standing) -> None:
        self.waiting = [
            replace(one, standing=standing) if one.entry.deadline == deadline else one for one in self.waiting
        ]

    def run(self, until: datetime | None = None) -> None:
        while self.release_at is not None and (until is None or self.release_at <= until):
            now = self.release_at
            found = release(self.to, self.waiting, self.last, now, rules())
            assert found.again_at is None or found.again_at > now, "it would never end"
            self.releases.append((now, found))
            self.waiting = [one for one in self.waiting if one.number not in found.fates]
            self.last = now if found.digest is not None else self.last
            self.release_at = found.again_at


def entry_of(one: Happens) -> Entry:
    assert one.light is not None
    kinds = {-1: step(f.DeadlineWarned), 0: step(f.DeadlineOverdue)}
    fact = kinds.get(one.light) or step(f.DeadlineEscalated, rung=max(one.light, 1), told=(b.WATER,))
    return entry(UUID(int=one.case), "", fact.model_copy(update={"fired_at": one.at}), one.urgency)


def lived(happening: Sequence[Happens], to: f.Recipient) -> Mailbox:
    box = Mailbox(to)
    for one in sorted(happening, key=lambda one: one.minute):
        box.run(one.at)
        if one.light is not None:
            box.note(entry_of(one), one.at)
        else:
            box.stand((UUID(int=one.case), b.WATER, Obligation.HANDLE, 1), Standing.OVER)
    box.run()
    return box


happens = st.builds(
    Happens,
    minute=st.integers(0, 3 * 24 * 60) | st.integers(9 * 60, 9 * 60 + 90) | st.integers(6 * 60 + 50, 7 * 60 + 10),
    case=st.integers(1, 8),
    light=st.sampled_from([-1, 0, 1, 2, None]),
    urgency=st.sampled_from(Urgency),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(happens, max_size=60), st.sampled_from([DUTY, LEADER]))
def test_nothing_is_lost_nobody_is_flooded_or_woken(happening: list[Happens], to: f.Recipient) -> None:
    box = lived(happening, to)
    fates: Counter[int] = Counter(number for _, found in box.releases for number in found.fates)
    assert fates == Counter(dict.fromkeys(box.noted, 1))  # each entry has one end
    told_at: list[tuple[datetime, list[Waiting]]] = []
    for at, found in box.releases:
        those = [box.noted[number] for number, fate in found.fates.items() if fate is Fate.TOLD]
        assert (found.digest is not None) == bool(those)
        if found.digest is not None:
            assert found.digest.told == len(those) == sum(one.number for one in found.digest.counts)
            told_at.append((at, those))
    for at, those in told_at:  # in quiet hours only what may break them
        assert loud_from(at, to, rules()) == at or {one.entry.urgency for one in those} == {Urgency.CRITICAL}
    for (earlier, _), (at, those) in pairwise(told_at):  # one digest a window, whatever comes
        assert at - earlier >= min(NOTICES.window[one.entry.urgency] for one in those)
    before: datetime | None = None
    for at, those in told_at:  # and no later than it may
        for one in those:
            since = one.noted_at if before is None else max(one.noted_at, before)
            assert at <= ready_at(one.entry.urgency, one.noted_at, to, before, since, rules())
        before = at
    assert lived(happening, to).releases == box.releases


@settings(max_examples=100, deadline=None)
@given(st.lists(happens.filter(lambda one: one.light is not None), min_size=1, max_size=40), st.randoms())
def test_the_order_of_a_digest_is_that_of_urgency_whatever_order_they_came_in(
    happening: list[Happens], random: Random
) -> None:
    waiting = [Waiting(number, entry_of(one), one.at) for number, one in enumerate(happening)]
    shuffled = list(waiting)
    random.shuffle(shuffled)
    noon = b.local("2026-09-22 12:00")
    one, other = (release(DUTY, those, None, noon, rules()).digest for those in (waiting, shuffled))
    assert one == other
    assert one is not None
    ranks = [list(Urgency).index(listed.urgency) for listed in one.entries]
    assert ranks == sorted(ranks)


def test_a_flood_at_nine_is_one_digest_for_each_recipient() -> None:
    nine = b.local("2026-09-18 09:00")
    boxes = [Mailbox(to) for to in (DUTY, LEADER, HUB_DUTY)]
    for box in boxes:
        for case in range(10_000):
            fact = step(f.DeadlineOverdue).model_copy(update={"fired_at": nine})
            box.note(entry(UUID(int=case), "", fact, Urgency.NORMAL), nine)
        box.run()
        ((at, found),) = box.releases
        assert found.digest is not None
        assert (at, found.digest.told, len(found.digest.entries)) == (nine, 10_000, 20)


# --- how it is written -----------------------------------------------------------------------------------------------


def test_the_rules_as_they_are_written_and_stored() -> None:
    written = NoticeRules.model_validate(
        {
            "quiet": {"default": {"hours": "22:00-07:00"}, "posts": {"leader": {"outside_duty": True}, "duty": None}},
            "break_quiet": ["critical", "urgent"],
            "window": "20 clock_minute",
            "gather": "3 clock_second",
            "most_listed": 5,
            "silent": [],
        }
    )
    assert written.quiet_of(Post.DUTY) is None
    assert written.quiet_of(Post.LEADER) == Quiet(outside_duty=True)
    assert written.quiet_of(Post.DISTRICT_LEADER) == Quiet.model_validate({"hours": "22:00–07:00"})
    assert set(written.window.values()) == {timedelta(minutes=20)}
    assert NoticeRules.model_validate_json(written.model_dump_json()) == written
    assert NoticeRules.model_validate(written.model_dump(mode="json")) == written


def test_the_shipped_district_says_what_holds_without_it() -> None:
    assert b.rules().policy.notices == NoticeRules()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"quiet": {"default": {}}}, "name `hours`"),
        ({"quiet": {"default": {"hours": "22:00"}}}, "from when to when"),
        ({"quiet": {"default": {"hours": "25:00-07:00"}}}, "hour value is outside"),
        ({"quiet": {"default": {"hours": "07:00-7:00"}}}, "two different times"),
        ({"quiet": {"posts": {"driver": None}}}, "Input should be 'duty'"),
        ({"window": "1 working_hour"}, "a length of clock time"),
        ({"window": {"critical": "5 clock_minute"}}, "no window for urgent, normal, complex"),
        ({"window": "2 clock_day"}, "at most 1 clock_day"),
        ({"gather": "soon"}, "a length of clock time, at most 10 clock_minute"),
        ({"most_listed": 0}, "greater than or equal to 1"),
        ({"wake": True}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_said(written: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        NoticeRules.model_validate(written)
