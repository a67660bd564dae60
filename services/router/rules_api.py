"""The door to history as the rules saw it: what `rules what-if` replays and `rules explain` explains."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import FastAPI, Path, Query, Request

from services.router.domain.routing.what_if import Past
from services.router.store import PostgresHistory
from shared.runtime.decision import Refusal
from shared.runtime.identity import Gatekeeper
from shared.runtime.problems import Refused
from shared.runtime.running import Running

PAGE = 2000


class History(Protocol):
    """Reads accepted cases as they were last committed."""

    async def page(self, since: datetime | None, after: UUID | None, most: int) -> Sequence[Past]:
        """Cases accepted at `since` or later, in order of their ids, after a given one."""
        ...

    async def count(self, since: datetime | None) -> int:
        """How many cases all pages have together."""
        ...

    async def find(self, named: str) -> Past | None:
        """One accepted case by its id or by the number people use."""
        ...


def rules_routes(app: FastAPI, running: Running[Any]) -> None:
    """Add `/rules/history`. For operators only: it has every matter of the district."""
    add_rules_routes(app, running.gatekeeper, PostgresHistory(running.pool))


def add_rules_routes(app: FastAPI, gatekeeper: Gatekeeper, history: History) -> None:
    def check_operator(request: Request) -> None:
        gatekeeper.operator(
            request, "仅系统运维人员可以读取历史哨单。", "Only operators may read the history of cases."
        )

    @app.get("/rules/history", tags=["rules"])
    async def page(
        request: Request,
        since: Annotated[datetime | None, Query(description="accepted then or later, with its zone")] = None,
        after: Annotated[UUID | None, Query(description="where to go on: the last case of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> dict[str, Any]:
        """Accepted cases as the rules had to decide them, a page at a time; `next` is what to name as `after`.

        The first page says how many there are in all.
        """
        check_operator(request)
        if since is not None and since.tzinfo is None:
            raise Refused(
                Refusal(
                    "zone_missing",
                    zh="since 须带时区，如 2026-11-01T00:00:00+08:00。",
                    en="since needs a zone, as in 2026-11-01T00:00:00+08:00.",
                    field="since",
                    status=422,
                )
            )
        found = await history.page(since, after, limit)
        following = str(found[-1].case_id) if len(found) == limit else None
        total = await history.count(since) if after is None else None
        return {"total": total, "cases": [one.model_dump(mode="json") for one in found], "next": following}

    @app.get("/rules/history/{case}", tags=["rules"])
    async def one_case(
        case: Annotated[str, Path(min_length=1, max_length=64, description="the case's id or its number")],
        request: Request,
    ) -> dict[str, Any]:
        """One accepted case as the rules had to decide it."""
        check_operator(request)
        found = await history.find(case)
        if found is None:
            raise Refused(
                Refusal(
                    "case_unknown",
                    zh=f"没有编号为 {case} 的已受理哨单；请核对编号。",
                    en=f"There is no accepted case {case}; check its number.",
                    field="case",
                    status=404,
                )
            )
        return found.model_dump(mode="json")
