"""The timer's own simulation notices where a deadline fires without the condition."""

import asyncio
import random

import pytest

from services.sla import main
from services.sla.domain.clock import DeadlineReached
from services.sla.timer import Timer
from shared.contracts.topics import SHARDS
from tests.unit.sla.mutations import FiresWithoutTheCondition, reached_whatever_it_awaits
from tests.unit.sla.test_timer import play

HISTORIES = 50
LONGEST = 60


def test_a_timer_without_the_condition_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(main.HANDLERS, DeadlineReached, reached_whatever_it_awaits)
    with pytest.raises(AssertionError):
        _play_many(FiresWithoutTheCondition)


def test_in_the_same_histories_the_timer_is_right() -> None:
    _play_many(Timer)


def _play_many(timer: type[Timer]) -> None:
    for seed in range(HISTORIES):
        asyncio.run(play(_history(seed), timer))


def _history(seed: int) -> list[tuple[str, int | str]]:
    chance = random.Random(seed)

    def move() -> tuple[str, int | str]:
        match chance.randrange(5):
            case 0:
                return "next_fact", chance.randint(0, 20)
            case 1:
                return "wait", chance.randint(1, 600)
            case 2:
                return "turn", chance.randint(0, 1)
            case 3:
                return "crash", chance.choice(["before_commit", "after_commit"])
            case _:
                return "share", chance.randrange(2**SHARDS)

    return [move() for _ in range(chance.randint(0, LONGEST))]
