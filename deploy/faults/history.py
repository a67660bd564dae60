"""What happened to one case, from all logs, with the injections around it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from deploy.faults.ground import LOGGING, Ground
from deploy.faults.kind import Injection

LONGEST_DATA = 300


async def history(ground: Ground, case_id: UUID, injections: Sequence[Injection]) -> list[dict[str, Any]]:
    """Every event of the case in any log, and what was injected between the first and the last, by time."""
    events: list[dict[str, Any]] = []
    async with ground.postgres() as connection:
        for service in LOGGING:
            rows = await connection.fetch(
                f"select shard, sequence, caseseq, event from {service}.log where case_id = $1 order by caseseq",  # noqa: S608
                case_id,
            )
            events += [_event(service, row) for row in rows]
    if not events:
        return []
    first, last = min(one["at"] for one in events), max(one["at"] for one in events)
    around = [
        {"at": _written(at), "injected": f"{one.number} {one.kind}: {one.variant}", "did": one.done}
        for one in injections
        if (at := one.happened_at) is not None and first <= at.isoformat() <= last
    ]
    return sorted(events + around, key=lambda one: datetime.fromisoformat(one["at"]))


def _written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def _event(service: str, row: Any) -> dict[str, Any]:
    said = orjson.loads(row["event"]) if row["event"] is not None else {"type": "redacted", "time": ""}
    data = orjson.dumps(said.get("data")).decode()
    return {
        "at": said["time"],
        "log": f"{service} {row['shard']}/{row['sequence']}",
        "caseseq": row["caseseq"],
        "type": said["type"].removeprefix("cn.chuishao."),
        "cause": said.get("cause"),
        "data": data if len(data) <= LONGEST_DATA else data[:LONGEST_DATA] + "…",
    }
