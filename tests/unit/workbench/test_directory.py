"""The names of the units: as the router last told them, whatever becomes of the router."""

import httpx
import pytest

from services.workbench.clients import Away, Credentials, Services
from services.workbench.directory import Directory
from shared.contracts import units_json
from shared.contracts.units import next_version
from tests.unit.workbench.kit import HUB, KEY, WATER, Clock, tree

FIRST = tree()
RENAMED = next_version(
    FIRST, [unit.model_copy(update={"name": "和安水务集团"}) if unit.code == WATER else unit for unit in FIRST], "2"
)


class Router:
    """Answers with the units it has, or not at all."""

    def __init__(self) -> None:
        self.answer: httpx.Response | httpx.TransportError = httpx.ConnectError("refused")
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if isinstance(self.answer, httpx.TransportError):
            raise self.answer
        return self.answer

    def has(self, content: bytes, tag: str) -> None:
        self.answer = httpx.Response(200, content=content, headers={"ETag": tag})


def asking(router: Router) -> Services:
    credentials = Credentials(KEY, lambda: HUB, Clock())
    return Services({"router": "http://router"}, credentials, httpx.MockTransport(router))


async def test_the_router_s_units_take_the_place_of_the_folder_s_and_stay_while_it_is_away() -> None:
    router, directory = Router(), Directory(FIRST)
    services = asking(router)
    with pytest.raises(Away):
        await directory.refresh(services)
    assert directory.tree is FIRST
    router.has(units_json.to_json(RENAMED), '"2"')
    await directory.refresh(services)
    assert directory.tree == RENAMED
    router.answer = httpx.ReadTimeout("slow")
    with pytest.raises(Away):
        await directory.refresh(services)
    assert (directory.tree.name_of(WATER), directory.hub) == ("和安水务集团", HUB)


async def test_units_that_are_known_are_not_sent_again() -> None:
    router, directory = Router(), Directory(FIRST)
    services = asking(router)
    router.has(units_json.to_json(RENAMED), '"2"')
    await directory.refresh(services)
    router.answer = httpx.Response(304)
    await directory.refresh(services)
    assert [request.headers.get("if-none-match") for request in router.asked] == [None, '"2"']
    assert directory.tree == RENAMED


async def test_units_that_cannot_be_read_are_passed_over() -> None:
    router, directory = Router(), Directory(FIRST)
    router.has(b'{"units": 7}', '"3"')
    with pytest.raises(Away, match="cannot be read"):
        await directory.refresh(asking(router))
    assert directory.tree is FIRST
