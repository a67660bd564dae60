"""The list of mutations is whole, and each can be put in and provoked as it says. To catch it takes a stack."""

from pathlib import Path

import pytest

from services.sla import store as sla_store
from services.sla import timer
from shared.runtime import postgres
from shared.runtime import service as machinery
from tests.faults.mutations import MUTATIONS
from tests.unit.runtime.mutations import MUTATIONS as SIMULATED

OF_THE_ISSUE = {
    "publishes_before_commit",
    "acknowledges_before_commit",
    "takes_any_sequence",
    "appends_without_the_lock",
    "moves_published_first",
    "forgets_the_door",
    "fires_without_condition",
}
PARTS = ("Road", "Relay", "Consumer")
PAGE = Path(__file__).resolve().parents[3] / "docs" / "faults.md"


def test_every_one_is_there() -> None:
    assert set(MUTATIONS) == OF_THE_ISSUE


def test_the_page_says_what_became_of_each() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f" `{name}` |" in page for name in MUTATIONS)


@pytest.mark.parametrize("name", MUTATIONS)
def test_it_is_provoked_by_kinds_of_faults_that_there_are(name: str) -> None:
    assert all(kind.variants for kind in MUTATIONS[name].kinds)
    assert MUTATIONS[name].injections > 0


@pytest.mark.parametrize("name", MUTATIONS)
def test_it_breaks_one_part_of_a_service(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [*((machinery, part) for part in PARTS), (postgres, "queries"), (sla_store, "queries"), (timer, "Timer")]
    before = [getattr(*place) for place in places]
    for (module, part), whole in zip(places, before, strict=True):
        monkeypatch.setattr(module, part, whole)
    MUTATIONS[name].put_in("sla")
    broken = [getattr(*place) for place, whole in zip(places, before, strict=True) if getattr(*place) is not whole]
    assert len(broken) == (2 if name == "fires_without_condition" else 1)
    if isinstance(broken[0], type) and name != "fires_without_condition":
        assert broken[0].__name__ in SIMULATED
