"""`chuishao rebuild --verify`: page after page of cases, each made anew from the logs and held against what stands.

Everything is read in one snapshot, so a running system is compared as of one moment; nothing of it is written.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

import asyncpg

from deploy.rebuild.catalogue import CATALOGUE
from deploy.rebuild.clocks import Clocks
from deploy.rebuild.folding import case_of, whistle_of
from deploy.rebuild.history import History, Logs, Unreadable
from deploy.rebuild.replay import Decider, NotAsLogged, replayed
from deploy.rebuild.reviews import Reviews
from deploy.rebuild.scratch import MOST_NAMED, Difference, Scratch
from services.feedback.store import ReviewStates
from services.intake.store import IntakeStates
from services.router.store import CaseStates
from services.sla.agenda import Agenda
from services.sla.domain.clock_state import ClockState
from services.sla.store import ClockStates
from shared.contracts.topics import CASES, DEADLINES
from shared.contracts.words import without_words
from shared.runtime.ports import Versioned
from shared.runtime.postgres import prepare

PAGE = 200
BY_WHICH_VERSION = {"policy_version", "calendar_version"}
_HEADS = """
select head.shard, head.sequence, head.hash, last.sequence, last.hash from {schema}.head as head
left join lateral (
    select log.sequence, log.hash from {schema}.log as log
    where log.shard = head.shard order by log.sequence desc limit 1
) as last (sequence, hash) on true"""
_COUNT = "select count(*) from {schema}.state"
Telling = Callable[[str, int, int], None]
"""Hears of which service how many cases of how many are compared."""
Rebuild = Callable[[History], Iterator[Versioned[Any]]]


@dataclass(slots=True)
class Compared:
    """`rows`: by table, how many were made anew. `redacted`: cases in which words were forgotten, compared without
    any. `older`: states in an older release's form. `unsettled`: ended deadlines of which the logs do not tell by
    which of two versions they were. `unknown`: cases that could not be made anew, and why."""

    cases: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    different: int = 0
    redacted: int = 0
    older: int = 0
    unsettled: int = 0
    differences: list[Difference] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        return not self.different and not self.unknown


@dataclass(frozen=True, slots=True)
class Source:
    """How a service's tables are made anew: what it reads, who writes them, and the state of one case's history."""

    reads: tuple[str, ...]
    states: Callable[[], Any]
    rebuild: Callable[[Any], Awaitable[Rebuild]]


async def _alone(fold: Callable[[History], Versioned[Any]]) -> Rebuild:
    return lambda history: iter((fold(history),))


def _by(open_: Callable[[Any], Awaitable[Decider]]) -> Callable[[Any], Awaitable[Rebuild]]:
    async def opened(connection: Any) -> Rebuild:
        decider = await open_(connection)
        return lambda history: replayed(history, decider)

    return opened


SOURCES: Mapping[str, Source] = {
    "intake": Source((), IntakeStates, lambda _: _alone(whistle_of)),
    "router": Source((), CaseStates, lambda _: _alone(case_of)),
    "sla": Source((CASES,), lambda: ClockStates(Agenda()), _by(Clocks.open)),
    "feedback": Source((CASES, DEADLINES), ReviewStates, _by(Reviews.open)),
}


@asynccontextmanager
async def snapshot_of(postgres_url: str) -> AsyncIterator[tuple[Any, datetime]]:
    """One view of the whole database, with the operator's rights: what is written beside it goes with it."""
    connection = await asyncpg.connect(
        postgres_url, timeout=10, server_settings={"application_name": "chuishao-rebuild", "jit": "off"}
    )
    await prepare(connection)
    transaction = connection.transaction(isolation="repeatable_read")
    try:
        await transaction.start()
        yield connection, await connection.fetchval("select clock_timestamp()")
    finally:
        await transaction.rollback()
        await connection.close()


async def compare(connection: Any, now: datetime, service: str, telling: Telling) -> Compared:
    """Make the tables of one service anew, and hold them against what stands."""
    source, found = SOURCES[service], Compared()
    await _compare_heads(connection, service, found)
    tables = [name for name, table in CATALOGUE[service].items() if table.is_rebuilt and name != "head"]
    scratch = Scratch(connection, service, tables, now)
    logs = Logs(connection, service, source.reads)
    await logs.open()
    await scratch.open()
    rebuild, of = await source.rebuild(connection), await connection.fetchval(_COUNT.format(schema=service))
    after = UUID(int=0)
    while cases := await logs.next_cases(after, PAGE):
        await _compare_page(scratch, source, rebuild, await logs.histories(cases), found)
        after = cases[-1]
        telling(service, found.cases, max(of, found.cases))
    await scratch.close()
    return found


async def _compare_page(
    scratch: Scratch, source: Source, rebuild: Rebuild, histories: Sequence[History | Unreadable], found: Compared
) -> None:
    ways: dict[UUID, Iterator[Versioned[Any]]] = {}
    made: dict[UUID, Versioned[Any]] = {}
    for history in histories:
        if isinstance(history, Unreadable):
            found.unknown.append(str(history))
            continue
        try:
            ways[history.case_id] = rebuild(history)
            made[history.case_id] = next(ways[history.case_id])
        except Exception as error:  # noqa: BLE001 - whatever a decision raises: this case is named, others go on
            found.unknown.append(f"{history.case_id}: {error if isinstance(error, NotAsLogged) else repr(error)}")
            continue
        found.cases += 1
        found.redacted += history.redacted
    redacted = {one.case_id for one in histories if isinstance(one, History) and one.redacted}
    states, alike = source.states(), set[UUID]()
    different = await _different(scratch, states, made, found)
    if different:
        live = await scratch.live(states, sorted({case_id for _, case_id, _, _ in different}))
        for case_id, stands in live.items():
            chosen = _choose(stands, made[case_id], ways[case_id], case_id in redacted)
            if chosen is not None:
                made[case_id] = chosen
                alike.add(case_id)
        different = await _different(scratch, states, made, None)
    found.older += len({case_id for table, case_id, _, _ in different if table == "state" and case_id in alike})
    for table, _, stands_, follows in [one for one in different if one[0] != "state" or one[1] not in alike]:
        if _is_unsettled(stands_, follows):
            found.unsettled += 1
            continue
        found.different += 1
        if len(found.differences) < MOST_NAMED:
            found.differences += scratch.named(table, stands_, follows)


def _is_unsettled(stands: Mapping[str, Any], follows: Mapping[str, Any]) -> bool:
    """A deadline that has ended, and differs in nothing but by which version it was reckoned: where something was read
    while another came into force and nothing was said of it, the logs do not tell which of the two it was."""
    unlike = {name for name in {*stands, *follows} if stands.get(name) != follows.get(name)}
    return bool(stands and follows and stands.get("ended_at")) and unlike <= BY_WHICH_VERSION


async def _different(
    scratch: Scratch, states: Any, made: Mapping[UUID, Versioned[Any]], found: Compared | None
) -> list[tuple[str, UUID, dict[str, Any], dict[str, Any]]]:
    """Fill the scratch tables with these states, and say which rows are not alike. Empty ones have no row."""
    rows = {case_id: one for case_id, one in made.items() if one.state is not None or one.caseseq}
    await scratch.fill(states, rows)
    if found is not None:
        for table, number in (await scratch.counts()).items():
            found.rows[table] = found.rows.get(table, 0) + number
    return await scratch.different(list(made))


def _choose(
    stands: Versioned[Any], first: Versioned[Any], others: Iterator[Versioned[Any]], is_redacted: bool
) -> Versioned[Any] | None:
    """The way to the state that stands; None where none of those in which it can have become so leads there.

    The states are the same although their rows are not where one is written in an older release's form, or has words
    that are forgotten.
    """
    wanted = _canonical(stands, is_redacted)
    return next((one for one in chain((first,), others) if _canonical(one, is_redacted) == wanted), None)


def _canonical(versioned: Versioned[Any], is_redacted: bool) -> tuple[int, Any]:
    state = without_words(versioned.state) if is_redacted else versioned.state
    if isinstance(state, ClockState):
        state = state.model_copy(update={"deadlines": tuple(sorted(state.deadlines, key=repr))})
    return versioned.caseseq, state


async def _compare_heads(connection: Any, service: str, found: Compared) -> None:
    for shard, sequence, hash_, last, last_hash in await connection.fetch(_HEADS.format(schema=service)):
        found.rows["head"] = found.rows.get("head", 0) + 1
        follows = (last or 0, last_hash or bytes(32))
        if (sequence, hash_) != follows:
            found.different += 1
            stands, should = (f"{at} {digest.hex()[:16]}" for at, digest in ((sequence, hash_), follows))
            found.differences.append(Difference(f"{service}.head", str(shard), "sequence hash", stands, should))
