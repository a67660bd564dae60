"""The operators' door to what 12345 would not take: see it, and send it again."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from fastapi import FastAPI, Request

from services.router.callback_post import Answer, endpoint
from services.router.callback_store import PostgresReplies, PutAside
from services.router.settings import RouterSettings
from shared.runtime.decision import Refusal
from shared.runtime.identity import Gatekeeper
from shared.runtime.problems import Refused, described
from shared.runtime.running import Running

PAGE = 100
PROBLEMS = described(401, 403, 404, 409, 502, 503, otherwise={404: "no such reply", 502: "12345 still says no"})


class Aside(Protocol):
    """What was put aside, as it was last committed."""

    async def put_aside_so_far(self, most: int) -> list[dict[str, Any]]: ...

    async def one_put_aside(self, identifier: UUID) -> PutAside | None: ...

    async def tried_again(self, identifier: UUID, answer: Answer) -> datetime | None: ...


def callback_routes(app: FastAPI, running: Running[Any], settings: RouterSettings) -> None:
    """Add `/callbacks/failed` and `/callbacks/<id>/retry`."""

    async def post(identifier: str, body: bytes) -> Answer:
        async with endpoint(
            settings.hotline_callback_url, settings.hotline_callback_key(), settings.hotline_callback_ca_file
        ) as hotline:
            return await hotline.post(identifier, body)

    switched_on = bool(settings.hotline_callback_url)
    add_callback_routes(app, running.gatekeeper, PostgresReplies(running.pool), post if switched_on else None)


def add_callback_routes(
    app: FastAPI, gatekeeper: Gatekeeper, aside: Aside, post: Callable[[str, bytes], Awaitable[Answer]] | None
) -> None:
    """`post` None: calling back is not switched on."""

    def check_operator(request: Request) -> None:
        gatekeeper.operator(
            request,
            "仅系统运维人员可以查看和重发对 12345 的回调。",
            "Only operators may see and send again what 12345 is called back.",
        )

    @app.get("/callbacks/failed", tags=["callbacks"], responses=PROBLEMS)
    async def failed(request: Request) -> dict[str, Any]:
        """Replies that 12345 would not take and that are not sent yet, longest waiting first, at most 100."""
        check_operator(request)
        return {"switched_on": post is not None, "failed": await aside.put_aside_so_far(PAGE)}

    @app.post("/callbacks/{identifier}/retry", tags=["callbacks"], responses=PROBLEMS)
    async def retry(identifier: UUID, request: Request) -> dict[str, Any]:
        """Send one reply that was put aside once more, under its id; one that was sent by now stays as it is."""
        check_operator(request)
        found = await aside.one_put_aside(identifier)
        if found is None:
            raise Refused(_unknown(identifier))
        if found.sent_at is not None:
            return {"id": identifier, "sent_at": found.sent_at}
        if post is None:
            raise Refused(_NOT_SWITCHED_ON)
        if found.body is None:
            raise Refused(_REDACTED)
        answer = await post(str(identifier), found.body)
        sent_at = await aside.tried_again(identifier, answer)
        if sent_at is None:
            raise Refused(_still_not_taken(answer))
        return {"id": identifier, "sent_at": sent_at}


def _unknown(identifier: UUID) -> Refusal:
    return Refusal(
        "callback_unknown",
        zh=f"没有搁置的回调 {identifier}；请核对编号。",
        en=f"No reply {identifier} was put aside; check its id.",
        field="identifier",
        status=404,
    )


def _still_not_taken(answer: Answer) -> Refusal:
    return Refusal(
        "callback_not_taken",
        zh=f"12345 仍未接收：{answer.why}。请与 12345 核实后重试。",
        en=f"12345 still does not take it: {answer.why}. Clear it up with 12345, then try again.",
        status=502,
    )


_NOT_SWITCHED_ON = Refusal(
    "callback_not_switched_on",
    zh="未配置对 12345 的回调；请先设置 CHUISHAO_HOTLINE_CALLBACK_URL 和 CHUISHAO_HOTLINE_CALLBACK_SECRET。",
    en="12345 is not called back here; set CHUISHAO_HOTLINE_CALLBACK_URL and CHUISHAO_HOTLINE_CALLBACK_SECRET first.",
    status=409,
)
_REDACTED = Refusal(
    "callback_redacted",
    zh="该事件内容已依法删除，不再发送。",
    en="What this event said was redacted; it is sent no more.",
    status=409,
)
