"""The live statistics over tables that are dicts: what is counted once, what is told of surges, what is shown."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback import live
from services.feedback import live_metrics as metrics
from services.feedback.live import Reading, Stalled
from services.feedback.live_settings import LiveSettings
from services.feedback.live_tables import Tables, count_one, numbers, over, show, trait_key, watch_one
from services.feedback.live_topics import own_topics, sightings_topic
from services.feedback.live_values import Document, read_watched, sighting_document
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope
from shared.contracts.vocabulary import Obligation
from shared.runtime.settings import KafkaSettings
from tests.unit.feedback import histories as h
from tests.unit.feedback import lives
from tests.unit.feedback.lives import MARKET, WATER

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Panes:
    """A windowed table as the statistics use it: a number for each pane of that length. `at` says in which we are."""

    def __init__(self, length: timedelta) -> None:
        self.table: dict[tuple[str, tuple[float, float]], list[int]] = {}
        self.at = 0.0
        self._length = length.total_seconds()

    def _pane(self, name: str) -> tuple[str, tuple[float, float]]:
        begins = self.at - self.at % self._length
        return name, (begins, begins + self._length - 0.1)

    def __getitem__(self, name: str) -> "Panes.One":
        return Panes.One(self.table.get(self._pane(name), [0, 0]))

    def __setitem__(self, name: str, number: list[int]) -> None:
        self.table[self._pane(name)] = number

    class One:
        def __init__(self, number: list[int]) -> None:
            self._number = number

        def value(self) -> list[int]:
            return self._number


class Statistics:
    """The two agents, one after the other, over tables of their own."""

    def __init__(self) -> None:
        self.tables = Tables(cases={}, hours=Panes(HOUR), days=Panes(DAY), watched={})
        self.told: list[Envelope] = []

    def count(self, shard: int, event: Envelope) -> None:
        for panes in (self.tables.hours, self.tables.days):
            panes.at = event.time.timestamp()
        for trait, sighting in count_one(self.tables, shard, event):
            self.watch(trait_key(trait), sighting_document(trait, sighting))

    def watch(self, key: str, document: Document) -> None:
        self.told += watch_one(self.tables, key, document, 1.0)

    def look(self, now: datetime) -> None:
        for key in over(self.tables, now):
            self.watch(key, {"now": now.isoformat()})


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def event(number: int, fact: f.Fact, at: datetime, case: int = 1) -> Envelope:
    return Envelope(f"e{number}", "/chuishao/router", UUID(int=case), at, fact, sequence=number)


def life(now: datetime) -> list[Envelope]:
    """Two cases in one shard: one closed and rated, one open and overdue."""
    return [
        event(1, lives.opened(), now - HOUR, 1),
        event(2, lives.opened("HA-2", address=""), now - HOUR, 2),
        event(3, lives.dispatched(WATER, MARKET), now - HOUR, 1),
        event(4, lives.dispatched(WATER), now, 2),
        event(5, lives.overdue(WATER), now, 2),
        event(6, lives.overdue(None, Obligation.REVIEW), now, 2),
        event(7, lives.closed(WATER, MARKET), now, 1),
    ]


NOTHING = {"received": 0, "dispatched": 0, "overdue": 0, "closed": 0, "rated": 0}


def test_the_numbers_of_a_short_day(now: datetime) -> None:
    statistics = Statistics()
    for one in life(now):
        statistics.count(1, one)
    found = numbers(statistics.tables)
    assert found["hours"] == {
        "unit": {
            WATER: {"received": 0, "dispatched": 2, "overdue": 1, "closed": 1, "rated": 1},
            MARKET: {"received": 0, "dispatched": 1, "overdue": 0, "closed": 1, "rated": 1},
        },
        "category": {"公用事业": {"received": 2, "dispatched": 2, "overdue": 1, "closed": 1, "rated": 1}},
    }
    assert found["days"] == found["hours"]
    assert found["open"] == {"units": {WATER: 1}, "categories": {"公用事业": 1}}
    assert found["surges"] == []


def test_what_is_older_than_a_day_counts_in_the_week_alone(now: datetime) -> None:
    statistics = Statistics()
    statistics.count(0, event(1, lives.opened(), now - DAY * 2))
    statistics.count(0, event(2, lives.opened("HA-2"), now - DAY * 9, 2))
    found = numbers(statistics.tables)
    assert found["hours"]["category"] == {}
    assert found["days"]["category"] == {"公用事业": NOTHING | {"received": 1}}


def test_shards_are_added_up(now: datetime) -> None:
    statistics = Statistics()
    for shard in range(12):
        statistics.count(shard, event(1, lives.opened(f"HA-{shard}"), now, case=shard + 1))
    assert numbers(statistics.tables)["hours"]["category"]["公用事业"]["received"] == 12


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=6))
def test_what_comes_again_changes_nothing(again: list[tuple[int, int]]) -> None:
    """A consumer that goes back reads on from there in order: so do these repeats."""
    now = datetime.now(UTC)
    events = life(now)
    once, often = Statistics(), Statistics()
    for one in events:
        once.count(1, one)
    reached = 0
    for until, back in [*again, (6, 0)]:
        for place in range(min(back, reached), until + 1):
            often.count(1, events[place])
            reached = max(reached, place)
    assert often.tables.cases == once.tables.cases
    assert often.tables.hours.table == once.tables.hours.table
    assert often.tables.watched == once.tables.watched


@given(st.integers(0, 7), st.booleans(), st.booleans())
def test_each_table_may_be_ahead_of_the_others_after_a_crash(reached: int, panes: bool, cases: bool) -> None:
    """Faust's changelogs are not written together: whatever part of the last events is in them, nothing is lost."""
    now = datetime.now(UTC)
    events = life(now)
    once, broken = Statistics(), Statistics()
    for one in events:
        once.count(1, one)
    for one in events[:reached]:
        broken.count(1, one)
    if not panes:
        broken.tables.hours.table.clear()
        broken.tables.days.table.clear()
    if not cases:
        broken.tables.cases.clear()
    for one in events:
        broken.count(1, one)
    assert broken.tables.hours.table == once.tables.hours.table
    assert broken.tables.cases == once.tables.cases
    assert broken.tables.watched == once.tables.watched


def test_a_case_that_is_over_is_forgotten(now: datetime) -> None:
    statistics = Statistics()
    for number, fact in enumerate([lives.opened(), lives.dispatched(WATER), lives.closed(WATER), lives.archived()], 1):
        statistics.count(3, event(number, fact, now))
    assert statistics.tables.cases == {"shard 3": 4}


def test_what_is_no_fact_of_a_case_or_cannot_be_read_is_passed_over(now: datetime) -> None:
    statistics = Statistics()
    before = _fates()
    statistics.count(0, event(1, f.FeedbackSampled(round=1, reason=f.Reason(zh="", en="")), now))
    assert live._read(b"no event") is None
    assert live._read(None) is None
    assert (statistics.tables.cases, statistics.tables.hours.table) == ({}, {})
    after = _fates()
    assert after("passed over") - before("passed over") == 1
    assert after("unreadable") - before("unreadable") == 2


def _fates() -> Callable[[str], float]:
    found = {
        sample.labels["fate"]: sample.value
        for metric in metrics.EVENTS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    return lambda fate: found.get(fate, 0.0)


# --- surges


def cluster(statistics: Statistics, begins: datetime, number: int = 4, first: int = 1) -> list[tuple[int, Envelope]]:
    """So many whistles of one place, an hour apart, each in a shard of its own."""
    found = []
    for place in range(number):
        opened = lives.opened(f"HA-{first + place}", category=(), address=f"湖畔社区{place}号楼")
        case = first + place
        found.append((case % 12, event(first + place, opened, begins + HOUR * place, case)))
        statistics.count(*found[-1])
    return found


def test_a_surge_is_told_once_with_its_cases_and_shown_until_it_is_over(now: datetime) -> None:
    statistics = Statistics()
    cluster(statistics, now - HOUR * 5)
    (told,) = statistics.told
    fact = told.fact
    assert isinstance(fact, f.SurgeFound)
    assert (fact.kind.value, fact.key, fact.region, fact.count) == ("place", "湖畔社区", h.COMMUNITY, 4)
    assert fact.cases == tuple(UUID(int=case) for case in (1, 2, 3, 4))
    assert "湖畔社区" in fact.reason.zh
    assert "4 件" in fact.reason.zh
    (shown,) = numbers(statistics.tables)["surges"]
    assert shown["cases"] == [{"case_id": str(UUID(int=case)), "number": f"HA-{case}"} for case in (1, 2, 3, 4)]
    assert (shown["kind"], shown["shown"], shown["region"], shown["count"]) == ("place", "湖畔社区", h.COMMUNITY, 4)
    assert shown["since"] == (now - HOUR * 5).isoformat()
    statistics.look(now)
    assert len(statistics.told) == 1
    statistics.look(now + DAY)
    ended = statistics.told[1].fact
    assert isinstance(ended, f.SurgeEnded)
    assert (statistics.told[1].subject, ended.ended_at) == (told.subject, now - HOUR * 2 + DAY)
    assert numbers(statistics.tables)["surges"] == []


def test_a_whistle_that_comes_again_tells_the_same_again_and_changes_nothing(now: datetime) -> None:
    statistics = Statistics()
    events = cluster(statistics, now - HOUR * 5)
    kept = {key: dict(document) for key, document in statistics.tables.watched.items()}
    for shard, one in events[-2:]:
        statistics.count(shard, one)
    assert statistics.tables.watched == kept
    first, *again = statistics.told
    assert again == [first, first]
    key = next(iter(kept))
    statistics.look(now + DAY)
    statistics.watch(key, {"now": (now + DAY).isoformat()})
    assert statistics.told[-1] == statistics.told[-2]
    assert isinstance(statistics.told[-1].fact, f.SurgeEnded)


def test_rebuilt_from_the_same_log_it_tells_the_same_with_the_same_ids(now: datetime) -> None:
    first, second = Statistics(), Statistics()
    for statistics in (first, second):
        cluster(statistics, now - HOUR * 9, number=9)
    assert len(first.told) == 2
    assert [one.id for one in first.told] == [one.id for one in second.told]
    assert len({one.id for one in first.told}) == 2


@given(st.permutations(range(4)))
def test_shards_that_are_read_at_different_pace_find_the_same_surge(order: list[int]) -> None:
    now = datetime(2026, 11, 23, 9, tzinfo=UTC)
    events = cluster(Statistics(), now)
    statistics = Statistics()
    for place in order:
        statistics.count(*events[place])
    (told,) = statistics.told
    in_order = Statistics()
    for one in events:
        in_order.count(*one)
    assert (told.id, told.subject) == (in_order.told[0].id, in_order.told[0].subject)


def test_a_trait_of_which_nothing_came_for_half_a_year_is_forgotten(now: datetime) -> None:
    statistics = Statistics()
    statistics.count(0, event(1, lives.opened(category=()), now))
    statistics.look(now + DAY * 179)
    assert len(statistics.tables.watched) == 1
    statistics.look(now + DAY * 180)
    assert statistics.tables.watched == {}
    statistics.watch("place nobody knows", {"now": now.isoformat()})
    assert statistics.told == []


def test_what_is_known_of_a_trait_is_read_back_as_it_was_written(now: datetime) -> None:
    statistics = Statistics()
    cluster(statistics, now - HOUR * 5, number=5)
    ((key, document),) = statistics.tables.watched.items()
    watched = read_watched(document)
    assert watched.surge is not None
    assert [str(one) for one in watched.surge.cases] == [case for _, case in document["recent"]]
    assert document["read"] == {str(shard): shard for shard in range(1, 6)}
    assert key == f"place {h.COMMUNITY} 湖畔社区"


# --- what Prometheus sees, and the clock


def test_what_is_no_more_is_not_shown_with_its_last_number(now: datetime) -> None:
    statistics = Statistics()
    cluster(statistics, now - HOUR * 5)
    statistics.count(0, event(50, lives.dispatched(WATER), now, 1))
    show(statistics.tables)
    assert _gauge(metrics.SURGES) == {("place",): 1, ("respondent",): 0, ("category",): 0}
    assert _gauge(metrics.OPEN) == {(WATER,): 1}
    assert _gauge(metrics.PANES)["unit", WATER, "dispatched"] == 1
    show(Statistics().tables)
    assert set(_gauge(metrics.SURGES).values()) == {0}
    assert _gauge(metrics.OPEN) == _gauge(metrics.PANES) == {}


def _gauge(gauge: Any) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels.values()): sample.value for metric in gauge.collect() for sample in metric.samples}


def test_the_clock_ends_no_surge_while_the_past_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    past, present = Reading(), Reading()
    past.note(datetime.now(UTC) - DAY)
    present.note(datetime.now(UTC))
    assert [past.is_fresh, present.is_fresh] == [False, True]
    later = past.counted + live.LOOK_SECONDS + 1
    monkeypatch.setattr("services.feedback.live.time.monotonic", lambda: later)
    assert [past.is_fresh, present.is_fresh] == [True, True]


def test_a_process_that_reads_nothing_although_events_wait_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("services.feedback.live.time.monotonic", lambda: clock[0])
    reading = Reading()
    for unread, seconds in ((3, 0.0), (3, live.STALLED_SECONDS), (0, 1.0), (5, 100.0)):
        clock[0] += seconds
        reading.wait(unread)
    clock[0] += live.STALLED_SECONDS
    reading.note(datetime.now(UTC))
    clock[0] += 10
    reading.wait(5)
    clock[0] += live.STALLED_SECONDS + 1
    with pytest.raises(Stalled, match="5 events wait"):
        reading.wait(5)


def test_the_next_edition_has_a_group_and_topics_of_its_own() -> None:
    assert LiveSettings().live_app == "chuishao-live"
    assert LiveSettings(live_edition=3).live_app == "chuishao-live-3"


def test_the_topics_that_are_there_before_faust_begins_are_those_it_keeps() -> None:
    app = live.make_app(LiveSettings(live_edition=2), KafkaSettings())
    changelogs = {table.changelog_topic_name for table in app.tables.values()}
    assert changelogs | {sightings_topic("chuishao-live-2")} == set(own_topics("chuishao-live-2"))
