"""What a topic has lost, from the sequences that are there."""

import pytest

from deploy.audit.gaps import Runs


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ([1, 2, 3, 4, 5], ()),
        ([], ((1, 5),)),
        ([1, 2, 5], ((3, 4),)),
        ([3, 4], ((1, 2), (5, 5))),
        ([1, 2, 2, 1, 3, 4, 5], ()),
        ([3, 4, 5, 1, 2], ()),
        ([1, 5, 2, 3, 4, 5], ()),
        ([1, 2, 3, 4, 5, 6, 7], ()),
    ],
)
def test_what_is_not_among_them_is_missing(there: list[int], missing: tuple[tuple[int, int], ...]) -> None:
    runs = Runs()
    for sequence in there:
        runs.add(sequence)
    assert runs.missing(1, 5) == missing


def test_what_nobody_needs_is_not_missing() -> None:
    runs = Runs()
    for sequence in (4, 5):
        runs.add(sequence)
    assert runs.first() == 4
    assert runs.missing(4, 5) == ()
