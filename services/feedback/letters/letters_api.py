"""The HTTP door of letters: what reporters are to be told, in order, for a gateway that sends it on."""

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Annotated
from urllib.parse import urlencode

from fastapi import FastAPI, Query, Request, Response

from services.feedback.domain.review import Review
from services.feedback.letters.letters import Letter, LinkFor, letter_of
from services.feedback.letters.letters_log import BEGINNING, Log, page, read_cursor, write_cursor
from shared.contracts.envelope import Envelope
from shared.contracts.facts import Value
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind
from shared.runtime.identity import Gatekeeper, Identity, forbidden
from shared.runtime.problems import described

PAGE = 100
NOW = "now"
PROBLEMS = described(401, 403, 422, 503)


class Letters(Value):
    """`cursor`: name it as `after` next time, once these were sent. `more`: ask again at once."""

    letters: tuple[Letter, ...]
    cursor: str
    more: bool


def add_letter_routes(
    app: FastAPI, gatekeeper: Gatekeeper, units: Callable[[], UnitTree], log: Log, link_for: LinkFor, zone: tzinfo
) -> None:
    """Add `/letters`."""

    @app.get("/letters", tags=["letters"], responses=PROBLEMS)
    async def letters(
        request: Request,
        response: Response,
        after: Annotated[
            str, Query(max_length=200, description="the last `cursor` you were given; `now` = what comes from now on")
        ] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> Letters:
        """告知书: what reporters are to be told, in order and without a gap. For operators and the hub.

        The link under which a resident answers is given to systems with an API key of the hub's, to no person.
        """
        identity, tree = gatekeeper.identify(request), units()
        if not (identity.operator or _is_of_hub(identity, tree)):
            raise forbidden(
                "hub_or_operator_only",
                "告知书仅供区级治理中心和系统管理员取用。",
                "Letters are for the hub and operators.",
            )
        if after == NOW:
            return Letters(letters=(), cursor=write_cursor(await log.ends()), more=False)
        links = link_for if request.headers.get("x-api-key") else None
        found = await page(log, read_cursor(after) if after else BEGINNING, limit, _worded(tree, links, zone))
        cursor = write_cursor(found.positions)
        if found.more:
            response.headers["Link"] = f'</letters?{urlencode({"after": cursor, "limit": limit})}>; rel="next"'
        response.headers["Cache-Control"] = "no-store"
        return Letters(letters=tuple(found.letters), cursor=cursor, more=found.more)


def _worded(
    tree: UnitTree, links: LinkFor | None, zone: tzinfo
) -> Callable[[Envelope, Review, datetime], Letter | None]:
    def name_of(unit: str, english: bool) -> str:
        return tree.name_of(unit, english=english)

    def worded(told: Envelope, review: Review, now: datetime) -> Letter | None:
        return letter_of(told, review, name_of, links, zone, now)

    return worded


def _is_of_hub(identity: Identity, tree: UnitTree) -> bool:
    return (
        identity.kind is ActorKind.STAFF
        and identity.unit is not None
        and tree.may_act_for(tree.hub.code, identity.unit)
    )
