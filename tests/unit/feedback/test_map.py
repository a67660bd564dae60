"""The map from message to handler is complete."""

from collections.abc import Iterator

from services.feedback.main import HANDLERS
from shared.contracts import facts as f


def kinds_of(fact: type[f.Fact]) -> Iterator[type[f.Fact]]:
    for kind in fact.__subclasses__():
        yield from kinds_of(kind)
        if kind.NAME:
            yield kind


def test_every_fact_of_cases_and_deadlines_is_in_the_map() -> None:
    arriving = {*kinds_of(f.CaseFact), *kinds_of(f.DeadlineStep)}
    assert len(arriving) >= 18
    assert arriving - HANDLERS.keys() == set()
