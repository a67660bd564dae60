"""The HTTP door of notices: what a unit's people were told, and every digest in order for whoever sends them on."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Path, Query, Request, Response

from services.sla.domain.clock_state import ClockState
from services.sla.domain.rules import Rules
from services.sla.notices_store import PostgresDigests
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind
from shared.runtime.decision import Refusal
from shared.runtime.identity import Gatekeeper, Identity, forbidden
from shared.runtime.problems import Refused, described
from shared.runtime.running import Running

PAGE = 100
LAST = 2**62

UnitCode = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{2,32}$", description="the unit's code")]
Number = Annotated[int, Path(ge=1, le=LAST, description="the digest's number")]
Limit = Annotated[int, Query(ge=1, le=PAGE)]


class Digests(Protocol):
    """Reads digests as they were last committed, as documents."""

    async def of_unit(self, unit: str, before: int, most: int) -> Sequence[dict[str, Any]]:
        """What a unit's people were told, newest first."""
        ...

    async def after(self, number: int, most: int) -> Sequence[dict[str, Any]]:
        """What anybody was told, in order. Numbers have no gaps and become visible in order."""
        ...

    async def last(self) -> int:
        """The number of the last digest there was; 0 before the first."""
        ...

    async def unit_told(self, number: int) -> str | None:
        """Whose people a digest was for; None where there is none of that number."""
        ...

    async def mark_read(self, number: int, person: str) -> datetime:
        """Note that a person has read it; returns when they first did."""
        ...


PROBLEMS = described(401, 403, 404, 422, 503, otherwise={404: "no such unit or digest"})


def notice_routes(app: FastAPI, running: Running[ClockState], rules: Callable[[], Rules]) -> None:
    """Add `/units/<unit>/notices`, `/notices` and `/notices/<number>/read`."""
    add_notice_routes(app, running.gatekeeper, lambda: rules().units, PostgresDigests(running.pool))


def add_notice_routes(app: FastAPI, gatekeeper: Gatekeeper, units: Callable[[], UnitTree], digests: Digests) -> None:
    @app.get("/units/{unit}/notices", tags=["notices"], responses=PROBLEMS)
    async def of_unit(
        unit: UnitCode,
        request: Request,
        response: Response,
        before: Annotated[int, Query(ge=1, le=LAST, description="where to go on: the last of the page before")] = LAST,
        limit: Limit = PAGE,
    ) -> dict[str, Any]:
        """What a unit's people were told, newest first, a page at a time (`Link: rel=next`).

        For the unit's staff, those of units above it and of the hub, and operators.
        """
        identity = gatekeeper.identify(request)
        tree = units()
        if tree.present(unit) is None:
            raise Refused(_unit_unknown(unit))
        if not (identity.operator or _is_staff_of(identity, tree, unit) or _is_staff_above(identity, tree, unit)):
            raise forbidden(
                "not_your_unit",
                f"只能查看本单位或下级单位的通知，不能查看 {unit} 的。",
                f"You may read the notices of your own unit or one below it, not those of {unit}.",
            )
        found = await digests.of_unit(unit, before, limit + 1)
        shown = found[:limit]
        if len(found) > limit:
            _link(request, response, before=shown[-1]["number"])
        return {"digests": [_named(one, tree) for one in shown]}

    @app.get("/notices", tags=["notices"], responses=PROBLEMS)
    async def after(
        request: Request,
        response: Response,
        after: Annotated[int, Query(ge=0, le=LAST, description="the last number you have")] = 0,
        limit: Limit = PAGE,
    ) -> dict[str, Any]:
        """Every digest in order, without a gap, for a gateway that sends them on: ask for what is after the last you
        have. `last` = the number of the newest there is. For operators and the hub.
        """
        identity, tree = gatekeeper.identify(request), units()
        if not identity.operator and not _is_staff_of(identity, tree, tree.hub.code):
            raise forbidden(
                "hub_or_operator_only",
                "全部通知仅供区级治理中心和系统管理员取用；本单位的请用 /units/<单位代码>/notices。",
                "All notices are for the hub and operators; your unit's are at /units/<code>/notices.",
            )
        last = await digests.last()
        found = await digests.after(after, limit)
        if found and found[-1]["number"] < last:
            _link(request, response, after=found[-1]["number"])
        return {"digests": [_named(one, tree) for one in found], "last": last}

    @app.post("/notices/{number}/read", tags=["notices"], responses=PROBLEMS)
    async def read(number: Number, request: Request) -> dict[str, Any]:
        """已读: note that you have read it. For staff of the unit that was told; asking again changes nothing."""
        identity, tree = gatekeeper.identify(request), units()
        unit = await digests.unit_told(number)
        if unit is None:
            raise Refused(_digest_unknown(number))
        if not _is_staff_of(identity, tree, unit):
            raise forbidden(
                "not_your_notice",
                f"第 {number} 号通知是发给 {unit} 的；只有该单位的人员可以标为已读。",
                f"Notice {number} is for {unit}; only its own staff can say that they have read it.",
            )
        read_at = await digests.mark_read(number, identity.person)
        return {"number": number, "person": identity.person, "read_at": read_at}


def _is_staff_of(identity: Identity, tree: UnitTree, unit: str) -> bool:
    """Of the unit, its deputy, or, where it is gone, of its successor."""
    present = tree.present(unit)
    is_staff = identity.kind is ActorKind.STAFF and identity.unit is not None
    return is_staff and present is not None and tree.may_act_for(present, identity.unit or "")


def _is_staff_above(identity: Identity, tree: UnitTree, unit: str) -> bool:
    present = tree.present(unit)
    above = {tree.hub.code} | ({one.code for one in tree.ancestors(present)} if present else set())
    return identity.kind is ActorKind.STAFF and identity.unit in above


def _link(request: Request, response: Response, **place: int) -> None:
    following = request.url.include_query_params(**place)
    response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'


def _named(digest: dict[str, Any], tree: UnitTree) -> dict[str, Any]:
    unit = digest["unit"]
    return digest | {"unit_name": tree.name_of(unit), "unit_name_en": tree.name_of(unit, english=True)}


def _unit_unknown(unit: str) -> Refusal:
    return Refusal(
        "unit_unknown",
        zh=f"没有代码为 {unit} 的单位；请核对单位代码。",
        en=f"There is no unit {unit}; check its code.",
        field="unit",
        status=404,
    )


def _digest_unknown(number: int) -> Refusal:
    return Refusal(
        "notice_unknown",
        zh=f"没有第 {number} 号通知，或已过保存期。",
        en=f"There is no notice {number}, or it is no longer kept.",
        field="number",
        status=404,
    )
