"""The router on the in-memory store: its road, what it logged, and the door's reader."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from services.router.domain.case import Case
from services.router.main import with_district
from services.router.store import CLOSED_STAGES, WRITTEN_OFF
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, decode, encode
from shared.contracts.topics import DEADLINES, FEEDBACK, WHISTLES, reports_topic, shard_of
from shared.contracts.vocabulary import CaseList, Ledger, Stage
from shared.runtime.consumer import to_input
from shared.runtime.decision import DoorKey, FromDoor, FromTimer, Input, Letter, Outcome
from shared.runtime.log import Head, Row, verify_chain
from shared.runtime.memory import MemoryStates, MemoryStore
from shared.runtime.road import Road
from shared.runtime.service import decide_with
from tests.unit.router.stories import CASE, DISTRICT, NOW, Said


class NoRelay:
    """An outlet that publishes nothing."""

    def holds(self, shard: int) -> bool:
        return True

    def published(self, shard: int) -> int:
        return 0

    def offer(self, rows: Sequence[Row]) -> None: ...

    def look(self) -> None: ...


class MemoryRouter:
    """The service without its engines; messages come as their topics carry them, commands as the door sends them.

    `district` is what is in force; a test puts another in force by setting it.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: NOW) -> None:
        self.store = MemoryStore(clock)
        self.clock = clock
        self.district = DISTRICT
        handlers = with_district(lambda: self.district)
        self.road = Road[Case]("router", self.store, MemoryStates(), decide_with(handlers), NoRelay())
        self._sequences: Counter[tuple[str, int]] = Counter()
        self._offsets: Counter[str] = Counter()

    # --- what comes in

    def from_log(self, fact: f.Fact, case_id: UUID = CASE) -> Input[Any]:
        """A fact of intake, sla or feedback, as the next event of its log."""
        topic = {"whistle": WHISTLES, "deadline": DEADLINES, "feedback": FEEDBACK}[fact.NAME.split(".")[0]]
        shard = shard_of(case_id)
        self._sequences[topic, shard] += 1
        return self._arrived(topic, shard, fact, case_id, self._sequences[topic, shard])

    def from_unit(self, said: Said, case_id: UUID = CASE) -> Input[Any]:
        """A report on its unit's topic."""
        assert isinstance(said.message, f.Report)
        assert said.unit is not None
        return self._arrived(reports_topic(said.unit), 0, said.message, case_id)

    def from_door(self, said: Said, case_id: UUID = CASE) -> Input[Any]:
        """A report or a command over HTTP."""
        key = str(uuid4())
        return Input(case_id, said.message, key, FromDoor((DoorKey("http", key),)), said.unit)

    def from_sweep(self, message: object, case_id: UUID = CASE) -> Input[Any]:
        """What the router does of its own accord."""
        return Input(case_id, message, str(uuid4()), FromTimer())

    def _arrived(self, topic: str, partition: int, fact: f.Fact, case_id: UUID, sequence: int = 0) -> Input[Any]:
        envelope = Envelope(str(uuid4()), f"/{topic}", case_id, self.clock(), fact, sequence)
        self._offsets[topic] += 1
        return to_input(Letter(topic, partition, self._offsets[topic], encode(envelope)))

    async def travel(self, item: Input[Any]) -> Outcome:
        (outcome,) = await self.road.travel([item])
        return outcome

    # --- what is there

    def logged(self, case_id: UUID = CASE, since: int = 0) -> list[Envelope]:
        """What the router stated about a case after its first `since` facts, read back from its log."""
        rows = [row for row in self.store.tables.log[shard_of(case_id)] if row.case_id == case_id]
        return [decode(row.event) for row in rows[since:]]

    def chains_hold(self) -> bool:
        tables = self.store.tables
        return not any(
            verify_chain(rows, Head(shard, 0, bytes(32), 0), tables.heads[shard]) for shard, rows in tables.log.items()
        )

    @property
    def cases(self) -> dict[UUID, Case]:
        states = self.store.tables.states
        return {case_id: found.state for case_id, found in states.items() if isinstance(found.state, Case)}


class MemoryCases:
    """The door's `Cases` over the in-memory store; the twin of `PostgresCases`."""

    def __init__(self, router: MemoryRouter) -> None:
        self._router = router

    async def find(self, named: str) -> Case | None:
        if self._router.store.away:
            raise ConnectionRefusedError("the database is away")
        return next((case for case in self._router.cases.values() if named in (case.number, str(case.case_id))), None)

    async def page(self, unit: str | None, stage: Stage | None, before: UUID | None, most: int) -> list[Case]:
        found = [
            case
            for case in self._router.cases.values()
            if (unit is None or unit == case.matter.whistle_blower or unit in {one.unit for one in case.assignments})
            and stage in (None, case.stage)
            and (before is None or case.case_id < before)
        ]
        return sorted(found, key=lambda case: case.case_id, reverse=True)[:most]

    async def followers(self, case_id: UUID) -> list[dict[str, str]]:
        merged = [
            case for case in self._router.cases.values() if case.merged_into and case.merged_into.case_id == case_id
        ]
        return [
            {"case_id": str(one.case_id), "number": one.number, "stage": one.stage.value}
            for one in sorted(merged, key=lambda one: one.case_id)
        ]

    async def ledgers(self, recount: bool) -> dict[str, Any]:
        """Always as the log has it: here the states are what the log says, and a test sees to that."""
        totals: dict[str, Any] = {
            "ledgers": self._totals(Ledger, lambda case: case.ledger),
            "lists": self._totals(CaseList, lambda case: case.case_list),
        }
        return totals | ({"by_the_log": totals["ledgers"], "agrees": True} if recount else {})

    def _totals(
        self, kinds: type[Ledger] | type[CaseList], of: Callable[[Case], Ledger | CaseList | None]
    ) -> dict[str, dict[str, int]]:
        totals = {}
        for kind in kinds:
            entered = [case for case in self._router.cases.values() if of(case) is kind]
            off = sum(case.stage in WRITTEN_OFF for case in entered)
            totals[kind.value] = {"entered": len(entered), "written_off": off, "open": len(entered) - off}
        return totals

    async def entries(self, ledger: Ledger, is_open: bool | None, before: UUID | None, most: int) -> list[Case]:
        found = [
            case
            for case in self._router.cases.values()
            if case.ledger is ledger
            and is_open in (None, case.stage not in WRITTEN_OFF)
            and (before is None or case.case_id < before)
        ]
        return sorted(found, key=lambda case: case.case_id, reverse=True)[:most]

    async def statistics(self) -> dict[str, Any]:
        cases = self._router.cases.values()
        return {
            "total": len(cases),
            "open": sum(case.stage not in CLOSED_STAGES for case in cases),
            "by_stage": dict(Counter(case.stage.value for case in cases)),
        }
