"""sla's decisions as they were: by the rules in force then, with the timer's steps and the reckonings of its log."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.rebuild.history import History
from deploy.rebuild.in_force import InForceThen
from deploy.rebuild.replay import Heard, Said, Way
from services.sla.calendar_import import CALENDAR
from services.sla.domain.clock import DeadlineReached
from services.sla.domain.reckoning import Reckoning
from services.sla.domain.rules import Rules
from services.sla.main import handlers_by
from services.sla.policy_import import CATEGORY_LIMITS, POLICY
from shared.contracts.facts import Actor, DeadlineSet, Fact
from shared.contracts.topics import shard_of
from shared.contracts.vocabulary import LimitCause, Obligation
from shared.runtime.decision import FromTimer, Input
from shared.runtime.district import UNITS
from shared.runtime.service import decide_with

_RECKONINGS = """
select id, kind, version, lengthen, provisional_only, asked_by::text as asked_by, note, asked_at, shard,
       reckoning_shard.finished_at
from sla.reckoning join sla.reckoning_shard on reckoning = id order by id, shard"""


@dataclass(frozen=True, slots=True)
class Swept:
    """A reckoning of a shard's cases: each was reckoned at some time between the two. None = it is not finished."""

    reckoning: Reckoning
    shard: int
    asked_at: datetime
    finished_at: datetime | None


@dataclass(slots=True)
class Clocks:
    """A `Decider`."""

    in_force: InForceThen
    swept: Sequence[Swept]

    @classmethod
    async def open(cls, connection: Any) -> "Clocks":
        in_force = InForceThen((POLICY, UNITS, CALENDAR, CATEGORY_LIMITS))
        await in_force.open(connection)
        return cls(in_force, [_swept(row) for row in await connection.fetch(_RECKONINGS)])

    def ways(self, history: History) -> Iterator[Way]:
        """A reckoning says only what units are told otherwise now; what it did without a word, it did meanwhile."""
        told = [event.fact for event in history.own if isinstance(event.fact, DeadlineSet)]
        unsaid = [
            one
            for one in self.swept
            if one.shard == shard_of(history.case_id) and not any(_says(fact, one.reckoning) for fact in told)
        ]
        for lag in self.in_force.lags(history.stated, history.said):
            for is_late in (False, True) if unsaid else (False,):
                passing = [
                    _passing(history, one, (one.finished_at if is_late else None) or one.asked_at) for one in unsaid
                ]
                yield Way(passing, lag)

    def hear(self, state: Any, item: Input[Any], now: datetime) -> Iterator[tuple[Any, tuple[Fact, ...]]]:
        if isinstance(item.message, Reckoning) and not _may_be_reckoned(state):
            yield state, ()
            return
        for setup in self.in_force.around(now):
            decision = _decide(Rules(*setup), state, item, now)
            yield decision.state if decision.state is not None else state, decision.facts

    def own(self, state: Any, said: Said, history: History) -> Iterator[Any]:
        for message in self._messages(said):
            item = Input(history.case_id, message, said.cause, FromTimer())
            for after, facts in self.hear(state, item, said.at):
                if facts == said.facts:
                    yield after

    def _messages(self, said: Said) -> Iterator[Any]:
        if said.cause.startswith("deadline/"):
            _, _, unit, obligation, generation, step = said.cause.split("/")
            yield DeadlineReached(
                unit=unit,
                obligation=Obligation(obligation),
                generation=int(generation),
                step=int(step),
                at=said.at,
            )
            return
        named = [one for one in said.facts if isinstance(one, DeadlineSet)]
        known = {one.reckoning.id: one.reckoning for one in self.swept}
        yield from (one for one in known.values() if not named or _says(named[0], one))


def _decide(rules: Rules, state: Any, item: Input[Any], now: datetime) -> Any:
    return decide_with(handlers_by(lambda: rules))(state, item, now)


def _may_be_reckoned(state: Any) -> bool:
    """Whether the sweep stops at this case: something is open that has a limit."""
    return state is not None and any(deadline.granted is not None for deadline in state.open())


def _passing(history: History, swept: Swept, at: datetime) -> Heard:
    message = Input(history.case_id, swept.reckoning, f"reckoning/{swept.reckoning.id}", FromTimer())
    return Heard("reckonings", at, message)


def _says(fact: DeadlineSet, asked: Reckoning) -> bool:
    return (fact.cause, fact.by, fact.note) == (asked.kind, asked.version, asked.note)


def _swept(row: Any) -> Swept:
    asked = Reckoning(
        id=row["id"],
        kind=LimitCause(row["kind"]),
        version=row["version"],
        lengthen=row["lengthen"],
        actor=Actor.model_validate_json(row["asked_by"]),
        note=row["note"],
        provisional_only=row["provisional_only"],
    )
    return Swept(asked, row["shard"], row["asked_at"], row["finished_at"])
