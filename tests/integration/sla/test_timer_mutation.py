"""The condition in the database: without it, and what leads up to it, a lost answer makes a deadline fire twice."""

import asyncpg
import pytest

from services.sla import store
from shared.runtime import failpoints
from tests.faults.mutations import CONDITION, with_other_sql
from tests.integration.sla import test_timer_postgres as on_postgres
from tests.integration.sla.test_timer_postgres import cases, once, process
from tests.unit.sla import builders as b
from tests.unit.sla.mutations import FiresWithoutTheCondition

CASES = 60


@pytest.fixture(autouse=True)
def _without_the_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_postgres, "Timer", FiresWithoutTheCondition)
    monkeypatch.setattr(store, "queries", with_other_sql(store, CONDITION, ""))
    monkeypatch.setattr(failpoints, "_hook", None)


async def test_a_lost_answer_to_a_commit_fires_again(postgres_url: str) -> None:
    def break_off(name: str) -> None:
        if name == "after_commit":
            failpoints.install(None)
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    async with process(postgres_url) as sla:
        await sla.tell(cases(CASES), b.opened())
        await sla.make_due()
        failpoints.install(break_off)
        await sla.drain()
        with pytest.raises(AssertionError):
            once(await sla.reds())
