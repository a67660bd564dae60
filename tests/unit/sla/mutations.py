"""The timer without the condition that makes each step fire once: what was seen to be due fires, whatever became of it.

Broken are the three places each of which would hold it back: what is due is read before the heads are locked, and not
asked for again; the decision does not compare the step with the one awaited (in memory: on the real stack it is given
the rows as they were read then); the database's update, in `tests/faults/mutations.py`, has no condition.
"""

import copy
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.sla.domain import clock_state, steps
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.clock_state import ClockState
from services.sla.domain.rules import Rules
from services.sla.timer import Found, Timer
from shared.runtime.decision import Decision, Input


class FiresWithoutTheCondition(Timer):
    """Fires what was due when it looked, though somebody else fired or cancelled it since."""

    async def _take(self, shards: Collection[int]) -> int:
        asked = copy.copy(self)
        asked._deadlines = AskedOnce(self._deadlines)
        now, floors = await self._deadlines.now(), self._agenda.floors(shards)
        async with self._road.store.transaction() as transaction:
            await asked._deadlines.claim(transaction, floors, now, self._most)
        return await Timer._take(asked, shards)


class AskedOnce:
    """Gives what it found at first again and again, with what is due besides."""

    def __init__(self, deadlines: Any) -> None:
        self._deadlines = deadlines
        self._rows: dict[Any, Any] = {}
        self._found: dict[Any, Found] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deadlines, name)

    async def claim(self, transaction: Any, floors: Mapping[int, datetime], now: datetime, most: int) -> list[Found]:
        fresh = await self._deadlines.claim(transaction, floors, now, most)
        claims = getattr(self._deadlines, "_claims", None)  # of the real store: the rows that are decided by
        rows = claims[transaction] if claims is not None else fresh
        for found, row in zip(fresh, rows, strict=True):
            name = (found.case_id, found.reached.unit, found.reached.obligation, found.reached.generation)
            if name not in self._found:
                self._found[name], self._rows[name] = found, row
        if claims is not None:
            claims[transaction] = list(self._rows.values())
        return list(self._found.values())


def reached_whatever_it_awaits(
    rules: Rules, state: ClockState | None, item: Input[DeadlineReached], now: datetime
) -> Decision[ClockState]:
    """The step is taken though it was taken before, or ended."""
    assert state is not None
    name = (item.message.unit, item.message.obligation, item.message.generation)
    known = next(one for one in state.deadlines if (one.unit, one.obligation, one.generation) == name)
    awaiting = replace(known, next_step=item.message.step, next_at=item.message.at, ended_at=None)
    after, stated = steps.reach(awaiting, now, rules)
    return Decision(clock_state.replaced(state, [(known, after)]), (stated,) if stated is not None else ())
