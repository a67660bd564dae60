"""Who may fetch notices, page by page, and who can say that they were read."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.sla.notices_api import add_notice_routes
from shared.contracts.units import Unit, build_tree, next_version
from shared.contracts.vocabulary import ActorKind, UnitKind
from shared.runtime import problems
from shared.runtime.identity import Gatekeeper, Identity, issue

SIGNING_KEY = "0123456789abcdef0123456789abcdef"
NOON = datetime(2026, 9, 18, 4, tzinfo=UTC)
HUB, STREET, COMMUNITY, WATER, DEPUTY = "hub", "street", "community", "util-water", "util-deputy"

UNITS = [
    Unit(code=HUB, name="区级治理中心", name_en="The hub", kind=UnitKind.HUB),
    Unit(code=STREET, name="东湖街道", kind=UnitKind.STREET, parent=HUB),
    Unit(code=COMMUNITY, name="湖畔社区", kind=UnitKind.COMMUNITY, parent=STREET),
    Unit(code=DEPUTY, name="代管公司", kind=UnitKind.UTILITY, parent=HUB),
]
BEFORE = build_tree([*UNITS, Unit(code="old-water", name="自来水厂", kind=UnitKind.UTILITY, parent=HUB)], "1")
WATERWORKS = Unit(
    code=WATER, name="供水公司", kind=UnitKind.UTILITY, parent=HUB, deputies=(DEPUTY,), succeeds=("old-water",)
)
TREE = next_version(BEFORE, [*UNITS, WATERWORKS], "2")


class MemoryDigests:
    """Digests 1, 2, … for these units."""

    def __init__(self, *units: str) -> None:
        self._units = dict(enumerate(units, start=1))
        self._read: dict[tuple[int, str], datetime] = {}

    def _document(self, number: int) -> dict[str, Any]:
        return {"number": number, "unit": self._units[number], "post": "duty", "zh": "超期 1 项：办结 1。"}

    async def of_unit(self, unit: str, before: int, most: int) -> list[dict[str, Any]]:
        found = [number for number, told in self._units.items() if told == unit and number < before]
        return [self._document(number) for number in sorted(found, reverse=True)[:most]]

    async def after(self, number: int, most: int) -> list[dict[str, Any]]:
        return [self._document(one) for one in self._units if one > number][:most]

    async def last(self) -> int:
        return max(self._units, default=0)

    async def unit_told(self, number: int) -> str | None:
        return self._units.get(number)

    async def mark_read(self, number: int, person: str) -> datetime:
        return self._read.setdefault((number, person), NOON + timedelta(minutes=len(self._read)))


@pytest.fixture
async def door() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    digests = MemoryDigests(WATER, COMMUNITY, WATER, "old-water", WATER)
    add_notice_routes(app, Gatekeeper(SIGNING_KEY, []), lambda: TREE, digests)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sla") as client:
        yield client


def shown(
    unit: str | None = None, kind: ActorKind = ActorKind.STAFF, person: str = "p-1", operator: bool = False
) -> dict[str, str]:
    identity = Identity(kind=kind, person=person, unit=unit, operator=operator)
    return {"Authorization": f"Bearer {issue(identity, SIGNING_KEY, datetime.now(UTC), timedelta(hours=1))}"}


def numbers(answer: httpx.Response) -> list[int]:
    return [one["number"] for one in answer.json()["digests"]]


@pytest.mark.parametrize(
    ("unit", "who", "status"),
    [
        (COMMUNITY, shown(COMMUNITY), 200),
        (COMMUNITY, shown(STREET), 200),  # above it
        (COMMUNITY, shown(HUB), 200),
        (COMMUNITY, shown(operator=True), 200),
        (COMMUNITY, shown(WATER), 403),
        (STREET, shown(COMMUNITY), 403),  # below it
        (WATER, shown(DEPUTY), 200),
        ("old-water", shown(WATER), 200),  # whose work it took over
        (WATER, shown(WATER, ActorKind.RESIDENT), 403),
        (WATER, shown(None), 403),
        (WATER, {}, 401),
        ("nobody", shown(HUB), 404),
    ],
)
async def test_whose_notices_one_may_read(door: httpx.AsyncClient, unit: str, who: dict[str, str], status: int) -> None:
    answer = await door.get(f"/units/{unit}/notices", headers=who)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["detail"]
        assert answer.json()["detail_en"]


async def test_a_units_notices_newest_first_a_page_at_a_time(door: httpx.AsyncClient) -> None:
    answer = await door.get(f"/units/{WATER}/notices", params={"limit": 2}, headers=shown(WATER))
    assert numbers(answer) == [5, 3]
    assert answer.json()["digests"][0]["unit_name"] == "供水公司"
    following = answer.links["next"]["url"]
    answer = await door.get(following, headers=shown(WATER))
    assert numbers(answer) == [1]
    assert "next" not in answer.links


async def test_a_gateway_gets_every_digest_in_order(door: httpx.AsyncClient) -> None:
    answer = await door.get("/notices", params={"limit": 3}, headers=shown(operator=True))
    assert (numbers(answer), answer.json()["last"]) == ([1, 2, 3], 5)
    answer = await door.get(answer.links["next"]["url"], headers=shown(HUB))
    assert numbers(answer) == [4, 5]
    assert "next" not in answer.links
    answer = await door.get("/notices", params={"after": 5}, headers=shown(operator=True))
    assert answer.json() == {"digests": [], "last": 5}
    for who, status in ((shown(WATER), 403), (shown(HUB, ActorKind.RESIDENT), 403), ({}, 401)):
        assert (await door.get("/notices", headers=who)).status_code == status


async def test_reading_is_noted_once_for_each_person(door: httpx.AsyncClient) -> None:
    first = await door.post("/notices/1/read", headers=shown(WATER, person="li"))
    assert first.json() == {"number": 1, "person": "li", "read_at": "2026-09-18T04:00:00Z"}
    other = await door.post("/notices/1/read", headers=shown(DEPUTY, person="wang"))
    assert other.json()["read_at"] == "2026-09-18T04:01:00Z"
    assert (await door.post("/notices/1/read", headers=shown(WATER, person="li"))).json() == first.json()


@pytest.mark.parametrize(
    ("number", "who", "status", "code"),
    [
        (1, shown(HUB), 403, "not_your_notice"),  # the unit above may look, but it was not told
        (1, shown(operator=True), 403, "not_your_notice"),
        (4, shown(WATER), 200, None),  # its predecessor was told
        (99, shown(WATER), 404, "notice_unknown"),
        (0, shown(WATER), 422, "invalid_request"),
    ],
)
async def test_who_can_say_that_it_was_read(
    door: httpx.AsyncClient, number: int, who: dict[str, str], status: int, code: str | None
) -> None:
    answer = await door.post(f"/notices/{number}/read", headers=who)
    assert answer.status_code == status
    if code is not None:
        assert answer.json()["type"] == f"urn:chuishao:problem:{code}"
