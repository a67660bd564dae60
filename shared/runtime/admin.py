"""What every service lets its operators and the workbench do: read a case's log, see and replay dead letters."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import FastAPI, Path, Query, Request
from pydantic import BaseModel, Field

from shared.contracts.topics import SHARDS
from shared.runtime.consumer import to_input
from shared.runtime.decision import FromDeadLetter, Input, Letter, Refusal
from shared.runtime.postgres import each, queries
from shared.runtime.problems import Refused
from shared.runtime.redaction_door import redaction_routes
from shared.runtime.running import Running

PAGE = 100
_LARGEST = 2**62

Number = Annotated[int, Path(ge=1, le=_LARGEST)]


class Republish(BaseModel):
    """Which part of the service's log to publish once more: a shard, from a sequence to its end."""

    shard: Annotated[int, Field(ge=0, lt=SHARDS)]
    from_sequence: Annotated[int, Field(ge=1, le=_LARGEST)] = 1


def admin_routes(app: FastAPI, running: Running[Any]) -> None:
    """Add `/log/<case id>`, `/log/republish`, `/redactions` and `/dead-letters`: all but the first for operators."""
    _log_routes(app, running)
    redaction_routes(app, running)
    _dead_letter_routes(app, running)


def _check_operator(running: Running[Any], request: Request) -> None:
    running.gatekeeper.operator(
        request,
        "仅系统运维人员可以查看和重放死信、重新发布日志。",
        "Only operators may see and replay dead letters, and republish the log.",
    )


def _log_routes(app: FastAPI, running: Running[Any]) -> None:
    @app.get("/log/{case_id}", tags=["log"])
    async def log(case_id: UUID, request: Request) -> dict[str, Any]:
        """One case's events in this service's log, in order, with their place in it. For staff and operators."""
        running.gatekeeper.staff(request, "仅工作人员可以查看哨单日志。", "Only staff may read the log of a case.")
        rows = await running.store.history(case_id)
        return {
            "service": running.name,
            "events": [
                {"shard": row.shard, "sequence": row.sequence, "hash": row.hash.hex()}
                | ({"event": orjson.loads(row.event)} if row.event is not None else {"redacted": True})
                for row in rows
            ],
        }

    @app.post("/log/republish", tags=["log"])
    async def republish(wanted: Republish, request: Request) -> dict[str, Any]:
        """Publish part of the log once more, for readers who miss a sequence; who has it skips it."""
        _check_operator(running, request)
        published = await running.relay.republish(wanted.shard, wanted.from_sequence)
        return {"service": running.name, "shard": wanted.shard, "published": published}


def _dead_letter_routes(app: FastAPI, running: Running[Any]) -> None:
    @app.get("/dead-letters", tags=["dead letters"])
    async def dead_letters(
        request: Request, before: Annotated[int, Query(ge=1, le=_LARGEST)] = _LARGEST
    ) -> dict[str, Any]:
        """Dead letters, newest first, a page of 100."""
        _check_operator(running, request)
        async with running.pool.acquire(timeout=5) as connection:
            found = [dict(record) async for record in each(queries.dead_letters(connection, before=before, most=PAGE))]
        return {"service": running.name, "dead_letters": found}

    @app.get("/dead-letters/{number}", tags=["dead letters"])
    async def dead_letter(number: Number, request: Request) -> dict[str, Any]:
        """One dead letter, whole, with its message as text where it is text."""
        _check_operator(running, request)
        found = await _letter(running, number)
        value = found.pop("value")
        return found | {"headers": orjson.loads(found["headers"]), "value": (value or b"").decode("utf-8", "replace")}

    @app.post("/dead-letters/{number}/replay", tags=["dead letters"])
    async def replay(number: Number, request: Request) -> dict[str, Any]:
        """Send a dead letter down the road again under its original id; once in effect however often asked."""
        _check_operator(running, request)
        outcome = (await running.door.submit_all([_replayed(number, await _letter(running, number))]))[0]
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        return {"number": number, "fate": outcome.fate.value, "note": outcome.note}


async def _letter(running: Running[Any], number: int) -> dict[str, Any]:
    async with running.pool.acquire(timeout=5) as connection:
        found = await queries.dead_letter(connection, number=number)
    if found is None:
        raise Refused(
            Refusal(
                "dead_letter_unknown",
                zh=f"没有编号为 {number} 的死信。",
                en=f"There is no dead letter {number}.",
                field="number",
                status=404,
            )
        )
    return dict(found)


def _replayed(number: int, found: dict[str, Any]) -> Input[Any]:
    """The dead letter as the input it was, now under its dead letter's number."""
    headers = tuple((name, bytes.fromhex(value)) for name, value in orjson.loads(found["headers"]))
    letter = Letter(found["topic"], found["partition"], found["offset"], found["value"], headers)
    item = to_input(letter)
    if item.unreadable is not None:
        raise Refused(
            Refusal(
                "still_unreadable",
                zh=f"该死信仍无法读取：{item.unreadable}。升级程序或由发送方更正后重发。",
                en=f"The dead letter still cannot be read: {item.unreadable}. Upgrade, or have the sender correct it.",
                status=409,
            )
        )
    return replace(item, origin=FromDeadLetter(number))
