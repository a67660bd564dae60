"""The replay with planted clusters: on made-up messages always, on the real ones where they are."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from deploy.bench.surges import Key, Message, measure, plant, read, replay, shuffled
from shared.contracts.vocabulary import SurgeKind

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "citizen_messages.csv.gz"
START = datetime(2026, 1, 1, tzinfo=UTC)


def made_up(number: int = 2000, days: int = 300) -> list[Message]:
    chance = random.Random(3)
    return sorted(
        Message(
            START + timedelta(days=days * chance.random()),
            UUID(int=one),
            (
                Key(SurgeKind.PLACE, f"place {chance.randrange(800)}"),
                Key(SurgeKind.RESPONDENT, f"firm {chance.randrange(300)}"),
                Key(SurgeKind.CATEGORY, f"topic {chance.randrange(40)}"),
            ),
        )
        for one in range(number)
    )


def test_planted_clusters_are_found_and_hardly_anything_else() -> None:
    found = measure(made_up(), clusters=60, seed=5)
    assert found["recall"] >= 0.75
    assert found["precision"] >= 0.9
    assert all(found["by_size"][size]["recall"] in (1.0, None) for size in (12, 20, 30))


def test_where_nothing_is_planted_hardly_anything_is_found() -> None:
    assert len(replay(shuffled(made_up(), random.Random(1)))) <= 2


def test_the_same_seed_plants_the_same() -> None:
    assert plant(made_up(), 20, random.Random(9)) == plant(made_up(), 20, random.Random(9))


@pytest.mark.skipif(not REAL.exists(), reason="the real messages are not on this machine (../shared/data)")
def test_in_the_real_messages() -> None:
    found = measure(read(REAL), clusters=60, seed=1)
    assert found["recall"] >= 0.75
    assert found["precision"] >= 0.9
