"""The load that faults are injected under: the rehearsal's people, for as long as it takes, none of whom gives up.

The client's own ledger says what was acknowledged; what was never answered stands there as unknown.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from deploy.demo.doors import Unanswered
from deploy.demo.rehearsal import LOGS, Rehearsal
from deploy.demo.samples import Sample, samples
from deploy.demo.tally import Tally
from deploy.faults.ground import Ground
from shared.contracts.topics import SHARDS

MANY = 10_000


@dataclass(slots=True)
class Load(Rehearsal):
    """A rehearsal without an end of its own. `complaints` = what its people could not do."""

    stopping: bool = False
    complaints: list[str] = field(default_factory=list)
    ledger: Any = None

    def whistles(self, seed: int) -> Iterator[Sample]:
        """The same for the same seed, until it stops."""
        for series in count():
            for sample in samples(MANY, seed * 1_000 + series, self.tree):
                if self.stopping:
                    return
                yield sample

    async def play(self, seed: int) -> None:
        """Feed until `stop`, then go on until every accepted case is final."""
        await self.run(self.whistles(seed), (), self._drained)

    def stop(self) -> None:
        self.stopping = True

    def acknowledged(self, door: str, told: dict[str, Any], key: str) -> None:
        """Somebody else's whistle was taken, too: it stands in the ledger and must come to its end."""
        self._accepted(self.ledger, door, told, key, asyncio.get_running_loop().time())

    def unanswered(self, door: str, key: str, why: str) -> None:
        line = {"at": datetime.now(UTC).isoformat(), "door": door, "idempotency_key": key, "status": "unknown"}
        self.ledger.write(json.dumps(line | {"why": why}, ensure_ascii=False) + "\n")
        self.ledger.flush()

    def _drained(self, tally: Tally) -> bool:
        self.complaints += self.errors
        self.errors.clear()
        return len(tally.stages) >= tally.accepted and tally.final == len(tally.stages)

    async def _send_samples(self, samples: Any, ledger: Any) -> None:
        self.ledger = ledger
        await Rehearsal._send_samples(self, samples, ledger)

    async def _send_one(self, sample: Sample, index: int, ledger: Any) -> None:
        try:
            await Rehearsal._send_one(self, sample, index, ledger)
        except Unanswered as error:
            self.unanswered(sample.door, f"rehearsal-{id(self)}-{index}", str(error))
            self.complaints.append(str(error))

    async def _send_csv(self, content: bytes, ledger: Any) -> None:
        try:
            await Rehearsal._send_csv(self, content, ledger)
        except Unanswered as error:
            self.unanswered("hotline_csv", "", str(error))
            self.complaints.append(str(error))


def load_on(ground: Ground, ledger: Path, per_second: float) -> Load:
    load = Load(ground.new_doors(), ground.tree, ground.kafka, ledger, per_second)
    # The stack is new: what comes first with another sequence than 1 has run ahead.
    load.tally.seen = {(topic, shard): 0 for topic in LOGS for shard in range(SHARDS)}
    return load
