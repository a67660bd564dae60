"""What the board keeps of what it hears: the latest, the pace, the red lamps."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from services.workbench import feed as feeds
from services.workbench.feed import MET_BY, Feed, Pace
from shared.contracts import facts as f
from shared.contracts.vocabulary import DispatchCause, Obligation, RequestKind, Stage
from tests.unit.workbench import kit
from tests.unit.workbench.kit import CASE, HOUSING, HUB, NOW, NUMBER, WATER, envelope


def take(feed: Feed, *facts: f.Fact, case_id: UUID = CASE) -> None:
    for fact in facts:
        feed.take(kit.TOPIC_OF[kit.service_of(fact)], 0, envelope(fact, case_id=case_id))


def test_a_fact_that_names_no_matter_is_told_with_the_title_heard_before() -> None:
    feed = Feed()
    take(feed, kit.dispatched(), kit.deadline(f.DeadlineWarned))
    warned = feed.latest(1)[0]
    assert isinstance(warned.fact, f.DeadlineWarned)
    assert (warned.about.number, warned.about.title) == (NUMBER, "3号楼停水")


def test_a_case_first_heard_of_in_the_middle_goes_by_its_number() -> None:
    feed = Feed()
    take(feed, kit.of_unit(f.CaseSignedIn, Stage.HANDLING))
    assert (feed.latest(1)[0].about.number, feed.latest(1)[0].about.title) == (NUMBER, None)


def test_what_the_router_states_again_is_told_once() -> None:
    feed = Feed()
    take(feed, *(fact for fact in kit.EXAMPLES if not isinstance(fact, f.LogRedacted)))
    told = {type(item.fact) for item in feed.latest(1000)}
    assert f.CaseOpened in told
    assert f.WhistleReceived not in told
    assert f.DeadlineWarned in told
    assert f.DeadlineOverdue not in told


def test_a_republished_event_is_taken_once() -> None:
    feed = Feed()
    assert feed.take("cases", 3, envelope(kit.closed(), sequence=5))
    assert not feed.take("cases", 3, envelope(kit.closed(), sequence=5))
    assert not feed.take("cases", 3, envelope(kit.closed(), sequence=4))
    assert feed.take("cases", 4, envelope(kit.closed(), sequence=4))
    assert len(feed.latest(10)) == 2


def test_a_surge_told_again_is_news_once_and_belongs_to_no_case() -> None:
    feed = Feed()
    found, ended = (envelope(fact, case_id=kit.SURGE) for fact in kit.SURGES)
    assert [feed.take("surges", 0, one) for one in (found, found, ended, found)] == [True, False, True, False]
    assert [item.fact for item in feed.since(0)] == kit.SURGES
    assert feed.latest(1)[0].about.number is None
    for _ in range(feeds.MOST_KEPT):
        feed.take("surges", 0, envelope(kit.SURGES[0], case_id=kit.SURGE))
    assert len(feed.latest(10_000)) == feeds.MOST_KEPT


def test_the_ring_and_the_memory_of_cases_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_CASES", 10)
    feed = Feed()
    for _ in range(feeds.MOST_KEPT + 50):
        take(feed, kit.dispatched(), case_id=uuid4())
    assert len(feed.latest(10_000)) == feeds.MOST_KEPT
    assert len(feed.since(0)) == feeds.MOST_KEPT
    assert len(feed._cases) == 10


def test_since_gives_what_came_after() -> None:
    feed = Feed()
    take(feed, kit.dispatched())
    serial = feed.serial
    take(feed, kit.closed(), kit.deadline(f.DeadlineWarned))
    assert [type(item.fact) for item in feed.since(serial)] == [f.CaseClosed, f.DeadlineWarned]
    assert feed.since(feed.serial) == []


# --- red lamps ---


def test_a_red_lamp_goes_out_when_the_unit_does_what_it_owed() -> None:
    feed = Feed()
    take(feed, kit.dispatched(), kit.overdue(Obligation.SIGN_IN), kit.overdue(Obligation.HANDLE))
    assert [lamp.obligation for lamp in feed.overdue(10)] == [Obligation.SIGN_IN, Obligation.HANDLE]
    take(feed, kit.of_unit(f.CaseSignedIn, Stage.HANDLING))
    assert [lamp.obligation for lamp in feed.overdue(10)] == [Obligation.HANDLE]
    take(feed, kit.of_unit(f.CaseProgressed, Stage.HANDLING, note="还在修"))
    assert len(feed.overdue(10)) == 1
    take(feed, kit.of_unit(f.CaseUnitDone, Stage.HANDLED, result="好了"))
    assert feed.overdue(10) == []


def test_another_units_deed_puts_out_no_lamp() -> None:
    feed = Feed()
    take(feed, kit.overdue(Obligation.SIGN_IN, unit=kit.HOUSING), kit.of_unit(f.CaseSignedIn, Stage.HANDLING))
    assert len(feed.overdue(10)) == 1


def test_a_final_stage_puts_out_all_lamps_of_the_case_and_of_no_other() -> None:
    feed = Feed()
    other = uuid4()
    take(feed, kit.overdue(Obligation.HANDLE), kit.overdue(Obligation.RATE, unit=None))
    take(feed, kit.overdue(Obligation.HANDLE), case_id=other)
    take(feed, kit.closed())
    assert [lamp.case_id for lamp in feed.overdue(10)] == [other]


def test_a_released_unit_owes_nothing() -> None:
    feed = Feed()
    ruled = kit.of_unit(f.CaseRefusalRuled, Stage.REFUSAL_REVIEW, upheld=True, reason="不归")
    take(feed, kit.overdue(Obligation.HANDLE), ruled)
    assert feed.overdue(10) == []


SUSPENDED = kit.case_fact(f.CaseListed, Stage.SUSPENDED, case_list="understanding", ledger="on_behalf", reason="x")
EXTENDED = {"kind": RequestKind.EXTENSION, "approved": True, "reason": "x", "share": 0.5}


@pytest.mark.parametrize(
    ("obligation", "owed_by", "fact", "still_lit"),
    [
        # a suspended case keeps the lamps it had; a withdrawn or merged one owes nothing any more
        (Obligation.HANDLE, WATER, SUSPENDED, True),
        (Obligation.HANDLE, WATER, kit.case_fact(f.CaseWithdrawn, Stage.WITHDRAWN, reason="x"), False),
        (
            Obligation.HANDLE,
            WATER,
            kit.case_fact(f.CaseMerged, Stage.MERGED, into=kit.OTHER, into_number="2", reason="x"),
            False,
        ),
        # who is released owes nothing, who stays does
        (Obligation.HANDLE, WATER, kit.handed_out(DispatchCause.RELEASED, (HOUSING,), released=(WATER,)), False),
        (Obligation.HANDLE, HOUSING, kit.handed_out(DispatchCause.RELEASED, (HOUSING,), released=(WATER,)), True),
        # more time puts out the lamp of who was given it
        (Obligation.HANDLE, WATER, kit.of_unit(f.CaseRequestRuled, Stage.HANDLING, **EXTENDED), False),
        (Obligation.HANDLE, HOUSING, kit.of_unit(f.CaseRequestRuled, Stage.HANDLING, **EXTENDED), True),
        (
            Obligation.HANDLE,
            WATER,
            kit.of_unit(f.CaseRequestRuled, Stage.HANDLING, **EXTENDED | {"approved": False}),
            True,
        ),
        # a ruling is owed by the hub to the unit that the fact names
        (Obligation.RULE_ON_REQUEST, HUB, kit.of_unit(f.CaseRequestRuled, Stage.HANDLING, **EXTENDED), False),
        (Obligation.RULE_ON_REQUEST, HUB, kit.of_unit(f.CaseUnitDone, Stage.HANDLING, result="x"), False),
        (Obligation.RULE_ON_REQUEST, HUB, kit.case_fact(f.CaseCommented, Stage.REFUSAL_REVIEW, text="x"), True),
        (
            Obligation.RULE_ON_REFUSAL,
            HUB,
            kit.of_unit(f.CaseRefusalRuled, Stage.DISPATCHED, upheld=False, reason="x"),
            False,
        ),
        (
            Obligation.MILESTONE,
            WATER,
            kit.of_unit(f.CaseMilestoneReached, Stage.HANDLING, milestone=1, note="x"),
            False,
        ),
        (Obligation.MILESTONE, WATER, kit.of_unit(f.CaseProgressed, Stage.HANDLING, note="x", contacted=True), True),
    ],
)
def test_which_fact_puts_out_which_lamp(obligation: Obligation, owed_by: str, fact: f.Fact, still_lit: bool) -> None:
    feed = Feed()
    take(feed, kit.overdue(obligation, unit=owed_by), fact)
    assert bool(feed.overdue(10)) == still_lit


def test_a_lamp_goes_over_to_the_successor() -> None:
    feed = Feed()
    over = kit.case_fact(
        f.CaseHandedOver, Stage.HANDLING, before=WATER, unit=HOUSING, matter=kit.matter(), reason=kit.REASON
    )
    take(feed, kit.overdue(Obligation.HANDLE), over)
    assert [lamp.unit for lamp in feed.overdue(10)] == [HOUSING]


def test_every_obligation_can_be_met() -> None:
    assert set(MET_BY) == set(Obligation)


# --- pace ---


def test_buckets_stand_still_between_their_borders() -> None:
    pace = Pace()
    start = NOW.replace(second=0)
    for second in (0, 1, 4, 5, 9, 10):
        pace.add("intake", start + timedelta(seconds=second))
    assert pace.buckets("intake", start + timedelta(seconds=10), 5, 3) == [3, 2, 1]
    assert pace.buckets("intake", start + timedelta(seconds=14), 5, 3) == [3, 2, 1]
    assert pace.buckets("intake", start + timedelta(seconds=15), 5, 3) == [2, 1, 0]
    assert pace.buckets("close", start + timedelta(seconds=10), 5, 3) == [0, 0, 0]


def test_within_counts_the_last_seconds_and_not_the_future() -> None:
    pace = Pace()
    for second in (0, 30, 59, 60, 90):
        pace.add("close", NOW + timedelta(seconds=second))
    assert pace.within("close", NOW + timedelta(seconds=60), 60) == 3


def test_what_is_older_than_the_horizon_is_forgotten() -> None:
    pace = Pace()
    for minute in range(200):
        pace.add("intake", NOW + timedelta(minutes=minute))
    assert len(pace._seconds) <= 62
    assert sum(pace.buckets("intake", NOW + timedelta(minutes=199), 60, 60)) == 60


def test_only_a_passed_check_enters_the_rating() -> None:
    feed = Feed()
    take(feed, kit.case_fact(f.CaseChecked, Stage.CHECKING, passed=False))
    assert feed.pace.within("rate", NOW, 60) == 0
    take(feed, kit.case_fact(f.CaseChecked, Stage.RATING, passed=True))
    assert feed.pace.within("rate", NOW, 60) == 1


@pytest.mark.parametrize(
    ("cause", "counts"), [(None, 1), (DispatchCause.RULE, 1), (DispatchCause.DESK, 1), (DispatchCause.JOINED, 0)]
)
def test_a_case_is_dispatched_once_however_often_it_changes_hands(cause: DispatchCause | None, counts: int) -> None:
    feed = Feed()
    take(feed, kit.dispatched().model_copy(update={"cause": cause}))
    assert feed.pace.within("dispatch", NOW, 60) == counts


def test_the_unit_named_by_a_lamp_is_the_one_that_owes() -> None:
    feed = Feed()
    take(feed, kit.overdue(unit=WATER))
    assert feed.overdue(1)[0].unit == WATER


def test_what_was_forgotten_by_law_is_shown_no_more() -> None:
    feed = Feed()
    take(feed, *kit.EXAMPLES[:4])
    assert feed.latest(1000)
    take(feed, *(fact for fact in kit.EXAMPLES if isinstance(fact, f.LogRedacted)))
    assert feed.latest(1000) == []
