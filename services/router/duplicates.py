"""Looks, beside the road, for cases that came in more than once, and proposes them for a person to merge (疑似重复).

It reads the router's own log for facts that say what a case is about, and compares each such case with the open ones
of its street from the same days. A proposal goes to the later of two cases. How far the log was read is kept with
the road's progress in other logs, after the proposals are made: a crash between the two makes some of them again,
which changes nothing.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import structlog

from services.router import metrics
from services.router.domain.case import Case
from services.router.domain.likeness import Alike, Cut, Told, likeness, told
from services.router.domain.merging import MOST_CANDIDATES, Proposed
from services.router.settings import RouterSettings
from services.router.store import queries
from shared.contracts import facts as f
from shared.contracts.topics import SHARDS
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import UnitKind
from shared.runtime.decision import FromTimer, Input
from shared.runtime.district import UNITS, Setup
from shared.runtime.postgres import each
from shared.runtime.road import Road
from shared.runtime.running import Running

logger = structlog.get_logger(__name__)

TELLING = (f.CaseOpened, f.CaseAccepted, f.CaseCorrected)
"""The facts that say what a case is about."""

MOST_FACTS = 50
"""Read of one shard's log at once."""
MOST_NEIGHBOURS = 200
MOST_KEPT = 4_000
"""Cases kept ready for comparison, some 10 kB each."""
LOOK_SECONDS = 1.0
SHARE_FOR_THE_ROAD = 9.0
"""A round is followed by a rest so many times as long: comparing must not slow down what matters more."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a part of one shard's log says: the cases it tells of, and how much follows it."""

    case_ids: Sequence[UUID]
    sequence: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Days:
    """Case ids from the one to the other; a case's id (UUIDv7) begins with the time it was made."""

    first: UUID
    last: UUID

    @classmethod
    def around(cls, case_id: UUID, window: timedelta) -> "Days":
        made, wide = case_id.int >> 80, window // timedelta(milliseconds=1)
        return cls(UUID(int=max(0, made - wide) << 80), UUID(int=min((made + wide + 1) << 80, (1 << 128) - 1)))


class Cases(Protocol):
    """What the search needs of the router's tables."""

    async def read(self, shards: Collection[int], most: int) -> dict[int, Read]:
        """What follows in these shards' logs, at most so many facts of each; a shard without any is left out."""
        ...

    async def remember(self, sequences: Mapping[int, int]) -> None:
        """So far the shards' logs were read."""
        ...

    async def open_among(self, case_ids: Collection[UUID]) -> dict[UUID, f.Matter]:
        """Those that are open and not merged."""
        ...

    async def open_in(self, regions: Collection[str] | None, days: Days, most: int) -> list[UUID]:
        """Open cases of these regions (None: of any) that are not merged, the newest ones."""
        ...


class PostgresOpenCases:
    """`Cases` over the router's schema."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def read(self, shards: Collection[int], most: int) -> dict[int, Read]:
        types = [fact.type_name() for fact in TELLING]
        async with self._pool.acquire(timeout=5) as connection:
            found = each(queries.told_since(connection, shards=list(shards), types=types, most=most))
            return {
                record["shard"]: Read(record["case_ids"] or [], record["sequence"], record["waiting"])
                async for record in found
            }

    async def remember(self, sequences: Mapping[int, int]) -> None:
        async with self._pool.acquire(timeout=5) as connection:
            await queries.read_on(connection, shards=list(sequences), sequences=list(sequences.values()))

    async def open_among(self, case_ids: Collection[UUID]) -> dict[UUID, f.Matter]:
        if not case_ids:
            return {}
        async with self._pool.acquire(timeout=5) as connection:
            found = each(queries.open_matters(connection, case_ids=list(case_ids)))
            return {record["case_id"]: f.Matter.model_validate_json(record["matter"]) async for record in found}

    async def open_in(self, regions: Collection[str] | None, days: Days, most: int) -> list[UUID]:
        bounds = {"first": days.first, "last": days.last, "most": most}
        async with self._pool.acquire(timeout=5) as connection:
            if regions is None:
                found = queries.open_anywhere(connection, **bounds)
            else:
                found = queries.open_in_regions(connection, regions=list(regions), **bounds)
            return [record["case_id"] async for record in each(found)]


class Neighbourhoods:
    """The regions of each street: what happened there may be one matter. Made once for each version of the units."""

    def __init__(self, tree: UnitTree) -> None:
        self.tree = tree
        self._of_street: dict[str, list[str]] = {}
        for code in (*tree.units, *tree.retired):
            street = self._street(code)
            if street is not None:
                self._of_street.setdefault(street, [tree.hub.code]).append(code)

    def around(self, region: str) -> Collection[str] | None:
        """The regions of the same street, and the district as a whole; None = any, where the street is not known."""
        street = self._street(region)
        return None if street is None else self._of_street[street]

    def _street(self, region: str) -> str | None:
        street = self.tree.nearest(self.tree.present(region) or region, UnitKind.STREET)
        return None if street is None else street.code


class Ready:
    """The cases seen last, ready for comparison. Another one that was corrected since is as it was until it is seen
    anew; being corrected, it is compared itself."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._kept: dict[UUID, Told] = {}

    def missing(self, case_ids: Collection[UUID]) -> list[UUID]:
        return [case_id for case_id in case_ids if case_id not in self._kept]

    def prepare(self, matters: Mapping[UUID, f.Matter]) -> None:
        for case_id, matter in matters.items():
            self._kept[case_id] = told(matter, self._cut)

    def of(self, case_ids: Collection[UUID]) -> list[tuple[UUID, Told]]:
        return [(case_id, self._kept[case_id]) for case_id in case_ids if case_id in self._kept]

    def forget(self) -> None:
        """What was there first, where there is too much."""
        for case_id in list(self._kept)[:-MOST_KEPT]:
            del self._kept[case_id]


class Search:
    """`holds(shard)`: whether its cases are ours to look at. `tree()`: the units in force, once there are any."""

    def __init__(
        self,
        road: Road[Case],
        cases: Cases,
        tree: Callable[[], UnitTree | None],
        holds: Callable[[int], bool],
        cut: Cut,
        threshold: float,
        window: timedelta,
    ) -> None:
        self._road = road
        self._cases = cases
        self._tree = tree
        self._holds = holds
        self._ready = Ready(cut)
        self._threshold = threshold
        self._window = window
        self._neighbourhoods: Neighbourhoods | None = None

    async def run(self) -> None:
        """Serve until cancelled; survives the store being away."""
        now = asyncio.get_running_loop().time
        while True:
            began = now()
            try:
                await self.turn()
            except Exception as error:
                if not self._road.store.is_transient(error):
                    raise
                logger.warning("duplicates could not be looked for; they will be", error=repr(error))
            await asyncio.sleep(max(LOOK_SECONDS, SHARE_FOR_THE_ROAD * (now() - began)))

    async def turn(self) -> int:
        """Look at a bounded part of what the log tells; returns how many cases that were."""
        tree = self._tree()
        ours = [shard for shard in range(SHARDS) if self._holds(shard)]
        if tree is None or not ours:
            return 0
        if self._neighbourhoods is None or self._neighbourhoods.tree is not tree:
            self._neighbourhoods = await asyncio.to_thread(Neighbourhoods, tree)
        found = await self._cases.read(ours, MOST_FACTS)
        metrics.DUPLICATES_WAITING.set(sum(one.waiting for one in found.values()))
        told_of = list(dict.fromkeys(case_id for one in found.values() for case_id in one.case_ids))
        for case_id, matter in (await self._cases.open_among(told_of)).items():
            await self._look_at(case_id, matter, self._neighbourhoods)
        if found:
            await self._cases.remember({shard: one.sequence for shard, one in found.items()})
        return len(told_of)

    async def _look_at(self, case_id: UUID, matter: f.Matter, neighbourhoods: Neighbourhoods) -> None:
        regions = neighbourhoods.around(matter.region)
        found = await self._cases.open_in(regions, Days.around(case_id, self._window), MOST_NEIGHBOURS)
        others = [other for other in found if other != case_id]
        unseen = await self._cases.open_among(self._ready.missing(others)) | {case_id: matter}
        try:
            inputs = await asyncio.to_thread(self._compare, case_id, unseen, others, neighbourhoods.tree)
        except Exception:
            metrics.DUPLICATES_FAILED.inc()
            logger.exception("a case could not be compared with others", case_id=str(case_id))
            return
        metrics.DUPLICATES_COMPARED.inc(len(others))
        metrics.DUPLICATES_FOUND.inc(len(inputs))
        await self._road.travel(inputs)

    def _compare(
        self, case_id: UUID, unseen: Mapping[UUID, f.Matter], others: Sequence[UUID], tree: UnitTree
    ) -> list[Input[Any]]:
        """The proposals that follow. A later case that is alike, told of before this one, is told about this one."""
        self._ready.prepare(unseen)
        ((_, about),) = self._ready.of([case_id])
        earlier: list[f.Likeness] = []
        inputs: list[Input[Any]] = []
        for other_id, other in self._ready.of(others):
            alike = likeness(about, other, tree, self._window)
            if alike.score < self._threshold:
                continue
            if other_id < case_id:
                earlier.append(_found(other_id, other, alike))
            else:
                inputs.append(_proposal(other_id, [_found(case_id, about, alike)]))
        if earlier:
            inputs.append(_proposal(case_id, sorted(earlier, key=lambda one: -one.score)[:MOST_CANDIDATES]))
        self._ready.forget()
        return inputs


def _found(case_id: UUID, about: Told, alike: Alike) -> f.Likeness:
    return f.Likeness(case_id=case_id, number=about.number, score=alike.score, reason=alike.reason)


def _proposal(case_id: UUID, candidates: Sequence[f.Likeness]) -> Input[Any]:
    name = f"likeness/{case_id}/{candidates[0].case_id}"
    return Input(case_id, Proposed(candidates=tuple(candidates)), name, FromTimer())


def cutter() -> Cut:
    """jieba's words. Its dictionary takes a tenth of a second and 30 MB, so whoever cuts nothing does not load it."""
    import rjieba

    return rjieba.cut


async def propose_duplicates(setup: Setup, settings: RouterSettings, running: Running[Case]) -> None:
    """The task, for as long as the service lives."""

    def tree() -> UnitTree | None:
        held = setup.held(UNITS)
        return None if held is None else held.value

    await Search(
        road=running.road,
        cases=PostgresOpenCases(running.pool),
        tree=tree,
        holds=running.relay.holds,
        cut=await asyncio.to_thread(cutter),
        threshold=settings.duplicate_threshold,
        window=timedelta(days=settings.duplicate_days),
    ).run()
