"""What the search for duplicates reads, on the in-memory router."""

from collections.abc import Collection, Mapping
from uuid import UUID

from services.router.duplicates import TELLING, Days, Read
from shared.contracts import facts as f
from shared.contracts.envelope import decode
from shared.contracts.vocabulary import Stage
from tests.unit.router.memory import MemoryRouter


class MemoryOpenCases:
    """The twin of `PostgresOpenCases`."""

    def __init__(self, router: MemoryRouter) -> None:
        self._router = router
        self.sequences: dict[int, int] = {}
        self.loaded: list[UUID] = []

    async def read(self, shards: Collection[int], most: int) -> dict[int, Read]:
        found: dict[int, Read] = {}
        for shard in shards:
            rows = self._router.store.tables.log[shard]
            done = self.sequences.get(shard, 0)
            part = rows[done : done + most]
            if part:
                of = {row.case_id for row in part if row.event and isinstance(decode(row.event).fact, TELLING)}
                found[shard] = Read(sorted(of), part[-1].sequence, len(rows) - part[-1].sequence)
        return found

    async def remember(self, sequences: Mapping[int, int]) -> None:
        self.sequences.update(sequences)

    async def open_among(self, case_ids: Collection[UUID]) -> dict[UUID, f.Matter]:
        self.loaded.extend(case_ids)
        return {case_id: self._router.cases[case_id].matter for case_id in case_ids if self._is_open(case_id)}

    async def open_in(self, regions: Collection[str] | None, days: Days, most: int) -> list[UUID]:
        found = [
            case_id
            for case_id, one in self._router.cases.items()
            if self._is_open(case_id)
            and (regions is None or one.matter.region in regions)
            and days.first <= case_id <= days.last
        ]
        return sorted(found, reverse=True)[:most]

    def _is_open(self, case_id: UUID) -> bool:
        stage = self._router.cases[case_id].stage
        return stage not in (Stage.DECLINED, Stage.MERGED, Stage.WITHDRAWN, Stage.CLOSED, Stage.ARCHIVED)
