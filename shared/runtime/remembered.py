"""States that a process still has from its last batches, so that it need not read and parse them again.

A case's state changes only in transactions that hold its shard's head. Each that appends moves the head's `sequence`,
each that saves a state moves its `saves`, and whoever consumes a log moves the shard's progress in it, older releases
included. So, once the head is locked: if all of these stand where this process's last transaction left them, nobody has
changed a state of that shard since, and what is remembered is what the database holds. Otherwise it is forgotten.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar
from uuid import UUID

from shared.contracts.topics import shard_of
from shared.runtime.log import Head
from shared.runtime.ports import Versioned

S = TypeVar("S")

Mark: TypeAlias = tuple[int, ...]
"""Where a shard stands: its head's sequence and saves, then its progress in each log that is read."""

MOST_OF_A_SHARD = 500


@dataclass(slots=True)
class _Shard(Generic[S]):
    """States of one shard as they are at `mark`, those used last at the end."""

    mark: Mark
    states: dict[UUID, Versioned[S]] = field(default_factory=dict)


class Remembered(Generic[S]):
    """A service's states in memory. `logs` are those it reads; at most `most` states of a shard are kept."""

    def __init__(self, logs: Collection[str], most: int = MOST_OF_A_SHARD) -> None:
        self.logs = tuple(sorted(logs))
        self._most = most
        self._shards: dict[int, _Shard[S]] = {}

    def marks(self, heads: Mapping[int, Head], progress: Mapping[tuple[str, int], int]) -> dict[int, Mark]:
        return {
            shard: (head.sequence, head.saves, *(progress.get((log, shard), 0) for log in self.logs))
            for shard, head in heads.items()
        }

    def recall(self, marks: Mapping[int, Mark], case_ids: Collection[UUID]) -> dict[UUID, Versioned[S]]:
        """Those of these cases that are known as they are at these marks."""
        valid = {shard: known.states for shard, known in self._shards.items() if known.mark == marks.get(shard)}
        found = {case_id: valid.get(shard_of(case_id), {}).get(case_id) for case_id in case_ids}
        return {case_id: versioned for case_id, versioned in found.items() if versioned is not None}

    def learn(
        self,
        before: Mapping[int, Mark],
        after: Mapping[int, Mark],
        states: Mapping[UUID, Versioned[S]],
        unknown: Collection[UUID] = (),
    ) -> None:
        """A transaction was committed that found the shards at `before`, left them at `after` and these states in them.

        Nothing is remembered of `unknown`.
        """
        for shard, mark in after.items():
            known = self._shards.get(shard)
            if known is None or known.mark != before[shard]:
                known = self._shards[shard] = _Shard(mark)
            known.mark = mark
        for case_id, versioned in states.items():
            shard = shard_of(case_id)
            if shard in after:
                kept = self._shards[shard].states
                kept.pop(case_id, None)
                kept[case_id] = versioned
                if len(kept) > self._most:
                    del kept[next(iter(kept))]
        for case_id in unknown:
            if (known := self._shards.get(shard_of(case_id))) is not None:
                known.states.pop(case_id, None)

    def forget(self) -> None:
        self._shards.clear()
