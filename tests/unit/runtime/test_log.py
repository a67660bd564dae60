"""The hash chain: whatever is changed in a log is found, and named."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.log import GENESIS, Head, Row, after, next_row, verify_chain
from tests.unit.runtime.toys import CASE

START = Head(3, 0, GENESIS, 0)


def log(length: int = 5) -> tuple[list[Row], Head]:
    rows, head = [], START
    for number in range(1, length + 1):
        rows.append(next_row(head, CASE, number, f"event {number}".encode()))
        head = after(head, rows[-1])
    return rows, head


def breaks(rows: list[Row], start: Head = START, end: Head | None = None) -> list[tuple[int, str]]:
    return [(found.sequence, found.why) for found in verify_chain(rows, start, end)]


ANOTHER = "the event is not the one its digest was taken of"
UNLINKED = "its hash does not follow from the row before"


def test_a_whole_chain_holds_from_anywhere() -> None:
    rows, head = log()

    assert breaks(rows, START, head) == []
    assert breaks(rows[2:], after(START, rows[1]), head) == []


def test_a_redacted_event_does_not_break_the_chain() -> None:
    rows, head = log()
    rows[2] = replace(rows[2], event=None)

    assert breaks(rows, START, head) == []


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (lambda rows: [*rows[:2], replace(rows[2], event=b"event X"), *rows[3:]], [(3, ANOTHER)]),
        (
            lambda rows: [*rows[:2], replace(rows[2], event=b"X", digest=bytes(32)), *rows[3:]],
            [(3, ANOTHER), (3, UNLINKED)],
        ),
        (lambda rows: [*rows[:2], replace(rows[2], hash=bytes(32)), *rows[3:]], [(3, UNLINKED), (4, UNLINKED)]),
        (lambda rows: rows[:2] + rows[3:], [(3, "rows 3 to 3 are missing"), (4, UNLINKED)]),
        (lambda rows: rows[2:], [(1, "rows 1 to 2 are missing"), (3, UNLINKED)]),
        (lambda rows: rows[:4], [(5, "the head says 5, the rows end at 4")]),
        (lambda rows: [], [(5, "the head says 5, the rows end at 0")]),
    ],
    ids=[
        "changed",
        "changed with its digest",
        "rehashed",
        "deleted",
        "beginning deleted",
        "end deleted",
        "all deleted",
    ],
)
def test_a_change_is_named(what: object, expected: list[tuple[int, str]]) -> None:
    rows, head = log()
    assert callable(what)

    assert breaks(what(rows), START, head) == expected


def test_swapped_rows_are_named() -> None:
    rows, head = log()
    rows[1], rows[2] = rows[2], rows[1]

    assert (2, "rows 2 to 2 are missing") in breaks(rows, START, head)


def test_events_swapped_between_rows_are_named() -> None:
    rows, head = log()
    rows[1], rows[2] = (
        replace(rows[1], event=rows[2].event, digest=rows[2].digest),
        replace(rows[2], event=rows[1].event, digest=rows[1].digest),
    )

    assert [sequence for sequence, _ in breaks(rows, START, head)] == [2, 3]


@given(st.integers(0, 4), st.integers(0, 6), st.integers(1, 255))
def test_any_one_changed_byte_is_found(row: int, byte: int, change: int) -> None:
    rows, head = log()
    event = bytearray(rows[row].event or b"")
    event[byte] ^= change
    rows[row] = replace(rows[row], event=bytes(event))

    assert breaks(rows, START, head) == [(row + 1, ANOTHER)]
