"""The operators' door to redaction: one asks, another approves. Every service that has a log has it."""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Path, Request
from pydantic import BaseModel, Field

from shared.contracts.facts import Actor
from shared.contracts.vocabulary import ActorKind
from shared.runtime import redaction
from shared.runtime.decision import Refusal
from shared.runtime.problems import Refused
from shared.runtime.running import Running

Number = Annotated[int, Path(ge=1, le=2**62)]
Text = Annotated[str, Field(min_length=1, max_length=4000)]


class Asked(BaseModel):
    """Whose case, why, and on the basis of which law and order."""

    case_id: UUID
    reason: Text
    basis: Text


def redaction_routes(app: FastAPI, running: Running[Any]) -> None:
    """Add `/redactions`."""

    @app.get("/redactions", tags=["log"])
    async def redactions(request: Request) -> dict[str, Any]:
        """Every redaction that was asked for in this service's log, newest first."""
        _operator(running, request)
        return {"service": running.name, "redactions": [asdict(one) for one in await redaction.asked(running.store)]}

    @app.post("/redactions", tags=["log"], status_code=201)
    async def ask(wanted: Asked, request: Request) -> dict[str, Any]:
        """Ask that people's words in the events of one case be forgotten. Nothing is until somebody else approves."""
        asked_by = _operator(running, request)
        found = await redaction.ask(running.store, wanted.case_id, wanted.reason, wanted.basis, asked_by)
        return {"service": running.name, **asdict(found)}

    @app.post("/redactions/{number}/approve", tags=["log"])
    async def approve(number: Number, request: Request) -> dict[str, Any]:
        """Approve it as somebody else than who asked: it is carried out at once. Again only tells the topic again."""
        actor = Actor(kind=ActorKind.STAFF, person=_operator(running, request))
        try:
            rows = await redaction.approve(running.name, running.store, running.road.states, number, actor)
        except redaction.NotTheirs:
            raise Refused(_NOT_THEIRS) from None
        if rows is None:
            raise Refused(_unknown(number))
        running.relay.look()
        await running.relay.publish_again(rows)
        return {"service": running.name, "number": number, "forgotten": [[row.shard, row.sequence] for row in rows]}


def _operator(running: Running[Any], request: Request) -> str:
    identity = running.gatekeeper.operator(
        request,
        "仅系统运维人员可以申请或批准依法删除。",
        "Only operators may ask for a redaction or approve one.",
    )
    return identity.person or ""


def _unknown(number: int) -> Refusal:
    return Refusal(
        "redaction_unknown",
        zh=f"没有编号为 {number} 的依法删除申请。",
        en=f"There is no redaction {number}.",
        field="number",
        status=404,
    )


_NOT_THEIRS = Refusal(
    "redaction_needs_another",
    zh="依法删除须由另一人批准，申请人本人不能批准。",
    en="Whoever asked for a redaction may not approve it; have somebody else do so.",
    status=409,
)
