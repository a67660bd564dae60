"""The door to history as the rules saw it."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from services.router.domain.routing.what_if import Past
from services.router.rules_api import add_rules_routes
from shared.contracts.vocabulary import ActorKind
from shared.runtime import problems
from shared.runtime.identity import Gatekeeper, Identity, issue
from tests.unit.router.rulebook import MONDAY_NOON, WATER, matter

SIGNING_KEY = "0123456789abcdef0123456789abcdef"
PASTS = [
    Past(
        case_id=UUID(int=number),
        matter=matter(number=f"HA-{number}"),
        self_handled=False,
        at=MONDAY_NOON + timedelta(days=number),
        units=(WATER,),
    )
    for number in range(1, 6)
]


class MemoryHistory:
    async def page(self, since: datetime | None, after: UUID | None, most: int) -> Sequence[Past]:
        found = [one for one in PASTS if (since is None or one.at >= since) and (after is None or one.case_id > after)]
        return found[:most]

    async def count(self, since: datetime | None) -> int:
        return len(await self.page(since, None, len(PASTS)))

    async def find(self, named: str) -> Past | None:
        return next((one for one in PASTS if named in (one.matter.number, str(one.case_id))), None)


def shown(operator: bool) -> dict[str, str]:
    identity = Identity(kind=ActorKind.STAFF, person="p-1", operator=operator)
    return {"Authorization": f"Bearer {issue(identity, SIGNING_KEY, datetime.now(UTC), timedelta(hours=1))}"}


@pytest.fixture
async def door() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    add_rules_routes(app, Gatekeeper(SIGNING_KEY, []), MemoryHistory())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router") as client:
        yield client


async def test_history_is_read_a_page_at_a_time(door: httpx.AsyncClient) -> None:
    read: list[Past] = []
    totals: list[int | None] = []
    params = {"limit": "2"}
    while True:
        page = (await door.get("/rules/history", params=params, headers=shown(operator=True))).json()
        read += map(Past.model_validate, page["cases"])
        totals.append(page["total"])
        if page["next"] is None:
            break
        params["after"] = page["next"]
    assert (read, totals) == (PASTS, [5, None, None])


async def test_history_since_a_day(door: httpx.AsyncClient) -> None:
    params = {"since": PASTS[3].at.isoformat()}
    page = (await door.get("/rules/history", params=params, headers=shown(operator=True))).json()
    assert ([one["matter"]["number"] for one in page["cases"]], page["total"]) == (["HA-4", "HA-5"], 2)


@pytest.mark.parametrize("named", ["HA-2", str(PASTS[1].case_id)])
async def test_one_case_by_its_number_or_id(door: httpx.AsyncClient, named: str) -> None:
    answer = await door.get(f"/rules/history/{named}", headers=shown(operator=True))
    assert Past.model_validate(answer.json()) == PASTS[1]


@pytest.mark.parametrize(
    ("path", "operator", "status", "code"),
    [
        ("/rules/history", False, 403, "operators_only"),
        ("/rules/history/HA-2", False, 403, "operators_only"),
        ("/rules/history/HA-9", True, 404, "case_unknown"),
        ("/rules/history?since=2026-11-01T00:00:00", True, 422, "zone_missing"),
        ("/rules/history?limit=2001", True, 422, None),
    ],
)
async def test_what_is_refused(
    door: httpx.AsyncClient, path: str, operator: bool, status: int, code: str | None
) -> None:
    answer = await door.get(path, headers=shown(operator))
    assert answer.status_code == status
    assert code is None or answer.json()["type"].endswith(code)


async def test_nobody_without_credentials(door: httpx.AsyncClient) -> None:
    assert (await door.get("/rules/history")).status_code == 401
