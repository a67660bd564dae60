"""From Kafka records to inputs, and the watch over gaps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from shared.contracts.envelope import encode
from shared.runtime.consumer import NO_CASE, Gaps, to_input
from shared.runtime.decision import DoorKey, Fate, FromDoor, FromLog, Input, Outcome
from tests.unit.runtime.test_codec import EVENT, OUTSIDE, structured
from tests.unit.runtime.toys import from_door, from_log


@dataclass(frozen=True)
class Record:
    topic: str
    value: bytes | None
    headers: Sequence[tuple[str, Any]] = ()
    partition: int = 7
    offset: int = 99
    timestamp: int = 0


# --- to_input


def test_a_log_s_event_is_known_by_its_sequence() -> None:
    item = to_input(Record("cases", encode(EVENT)))

    assert item.origin == FromLog("cases", 7, 42)
    assert (item.case_id, item.message, item.id, item.unit) == (EVENT.subject, EVENT.fact, EVENT.id, None)
    assert item.traceparent == EVENT.traceparent
    assert item.shard == 7


def test_a_report_is_known_by_its_source_and_id_and_bound_to_its_topic_s_unit() -> None:
    item = to_input(Record("reports.310105", encode(OUTSIDE)))

    assert item.unit == "310105"
    assert item.origin == FromDoor((DoorKey("reports.310105 /chuishao/router", "0190-1", None, timedelta(days=30)),))
    assert item.letter is not None
    assert (item.letter.topic, item.letter.partition, item.letter.offset) == ("reports.310105", 7, 99)


def test_a_report_s_sequence_means_nothing() -> None:
    assert isinstance(to_input(Record("reports.x1", structured(sequence="abc"))).origin, FromDoor)
    assert isinstance(to_input(Record("reports.x1", encode(EVENT))).origin, FromDoor)


@pytest.mark.parametrize(
    ("value", "headers", "origin", "why"),
    [
        (b"x", (), FromDoor(()), "not JSON"),
        (b"x", (("sequence", b"5"),), FromLog("cases", 7, 5), "not JSON"),
        (b"x", (("sequence", None),), FromDoor(()), "not JSON"),
        (b"x", (("sequence", b"9" * 5_000),), FromDoor(()), "not JSON"),
        (b"x", (("sequence", b"-5"),), FromDoor(()), "not JSON"),
        (encode(OUTSIDE), (), FromDoor(()), "sequence: missing"),
        (encode(replace(EVENT, id="a\0b")), (("sequence", b"42"),), FromLog("cases", 7, 42), "NUL"),
        (b"{}", (("ce_specversion", None),), FromDoor(()), "specversion"),
    ],
)
def test_a_log_s_message_that_cannot_be_read_keeps_its_place(
    value: bytes | None, headers: Sequence[tuple[str, Any]], origin: object, why: str
) -> None:
    item = to_input(Record("cases", value, headers))

    assert item.origin == origin
    assert item.unreadable is not None
    assert why in item.unreadable
    assert (item.case_id, item.id) == (NO_CASE, "cases/7/99")
    assert item.can_be_buried


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (structured(id="x" * 201), "id: at most 200"),
        (structured(source="x" * 301), "source: at most 300"),
        (structured(data={"note": "a\0b"}), "NUL"),
    ],
)
def test_a_report_that_cannot_be_stored_is_unreadable(value: bytes, why: str) -> None:
    item = to_input(Record("reports.x1", value))

    assert item.origin == FromDoor(())
    assert item.unreadable is not None
    assert why in item.unreadable


def test_a_text_that_spells_an_escape_is_readable() -> None:
    value = orjson.dumps(orjson.loads(structured()) | {"data": {"note": "C:\\u0000"}})

    assert to_input(Record("reports.x1", value)).unreadable is None


# --- gaps


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


PLACE = ("whistles", 0)


def gaps() -> tuple[Gaps, Clock]:
    clock = Clock()
    return Gaps("toy", 5.0, clock), clock


def see(watch: Gaps, *seen: tuple[int, Fate]) -> None:
    items = [from_log(sequence) for sequence, _ in seen]
    watch.see(items, [Outcome(fate, note=f"found {sequence}") for sequence, fate in seen])


def test_a_gap_that_closes_in_time_is_no_alarm() -> None:
    watch, clock = gaps()
    see(watch, (3, Fate.AHEAD))
    clock.now = 4.9
    see(watch, (2, Fate.DONE), (3, Fate.DONE))
    clock.now = 60
    watch.check()

    assert watch.open == {}
    assert not watch.waits_at(*PLACE)


def test_a_gap_that_stays_is_an_alarm_though_nothing_more_arrives() -> None:
    watch, clock = gaps()
    see(watch, (3, Fate.AHEAD))
    clock.now = 4.9
    watch.check()
    assert watch.open == {}
    clock.now = 5.0
    watch.check()

    assert watch.open == {PLACE: "found 3"}


@pytest.mark.parametrize(
    ("seen", "is_open"),
    [
        ([(2, Fate.REPEAT)], True),
        ([(1, Fate.DONE)], True),
        ([(4, Fate.AHEAD)], True),
        ([(1, Fate.DONE), (2, Fate.DONE)], True),
        ([(1, Fate.DONE), (2, Fate.BURIED), (3, Fate.DONE)], False),
        ([(3, Fate.REPEAT)], False),
        ([(3, Fate.REFUSED)], False),
    ],
)
def test_an_alarm_ends_when_all_that_was_seen_is_consumed(seen: list[tuple[int, Fate]], is_open: bool) -> None:
    watch, clock = gaps()
    see(watch, (3, Fate.AHEAD))
    clock.now = 5.0
    watch.check()
    see(watch, *seen)

    assert bool(watch.open) is is_open
    assert watch.waits_at(*PLACE) is is_open


def test_a_part_that_arrives_gives_the_rest_time() -> None:
    watch, clock = gaps()
    see(watch, (5, Fate.AHEAD))
    clock.now = 4.0
    see(watch, (1, Fate.DONE))
    clock.now = 8.0
    watch.check()
    assert watch.open == {}
    clock.now = 9.0
    watch.check()

    assert set(watch.open) == {PLACE}


def test_a_shard_that_went_to_another_worker_is_not_watched() -> None:
    watch, clock = gaps()
    see(watch, (3, Fate.AHEAD))
    clock.now = 5.0
    watch.check()
    watch.forget_all_but({("cases", 0)})

    assert watch.open == {}
    assert not watch.waits_at(*PLACE)


def test_what_came_by_a_door_has_no_gaps() -> None:
    watch, _ = gaps()
    item: Input[Any] = from_door("a", case_id=UUID(int=1))
    watch.see([item], [Outcome(Fate.AHEAD)])

    assert not watch.waits_at(*PLACE)
