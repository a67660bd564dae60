"""The other services: who the workbench says it is, and every way in which they can be away."""

from datetime import timedelta

import httpx
import pytest
from fastapi import Request

from services.workbench.clients import Away, Credentials, NotFound, Services
from shared.runtime.identity import Gatekeeper
from tests.unit.workbench import kit
from tests.unit.workbench.kit import CASE, HUB, KEY, NOW, NUMBER, STATISTICS, TOPIC_OF, Clock, Upstream

ADDRESSES = {service: f"http://{service}/" for service in TOPIC_OF}


def services(upstream: Upstream, clock: Clock | None = None) -> Services:
    credentials = Credentials(KEY, lambda: HUB, clock or Clock())
    return Services(ADDRESSES, credentials, upstream.transport())


def request_with(headers: httpx.Headers) -> Request:
    return Request({"type": "http", "headers": [(name.encode(), value.encode()) for name, value in headers.items()]})


async def test_it_presents_a_token_of_its_own_and_renews_it_before_it_ends() -> None:
    upstream, clock = Upstream(), Clock()
    asking = services(upstream, clock)
    tokens = []
    for passed in (0, 49, 51, 100, 170):
        clock.now = NOW + timedelta(minutes=passed)
        await asking.statistics()
        headers = upstream.asked[-1].headers
        tokens.append(headers["authorization"])
        identity = Gatekeeper(KEY, [], clock).identify(request_with(headers))
        assert (identity.person, identity.unit, identity.kind, identity.operator) == ("workbench", HUB, "staff", False)
    assert tokens[0] == tokens[1] != tokens[2] == tokens[3] != tokens[4]


async def test_a_case_is_asked_for_by_whatever_was_typed() -> None:
    upstream = Upstream()
    with pytest.raises(NotFound):
        await services(upstream).case("../statistics?x=1#y")
    assert upstream.asked[-1].url.raw_path == b"/cases/..%2Fstatistics%3Fx%3D1%23y"


@pytest.mark.parametrize(
    "answer", [500, 401, 302, httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.ReadError("reset"), []]
)
async def test_every_way_to_fail_is_away(answer: object) -> None:
    upstream = Upstream()
    upstream.answers["router /statistics"] = answer
    with pytest.raises(Away) as away:
        await services(upstream).statistics()
    assert away.value.service == "router"


async def test_a_connection_that_was_closed_as_it_was_used_again_is_tried_once_more() -> None:
    asked = 0

    def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise httpx.RemoteProtocolError("closed")
        return httpx.Response(200, json=STATISTICS)

    asking = Services(ADDRESSES, Credentials(KEY, lambda: HUB, Clock()), httpx.MockTransport(answer))
    assert await asking.statistics() == STATISTICS
    assert asked == 2


async def test_a_log_that_a_service_does_not_have_is_empty() -> None:
    upstream = Upstream()
    upstream.answers[f"feedback /log/{CASE}"] = 404
    assert await services(upstream).log("feedback", CASE) == []
    upstream.answers[f"feedback /log/{CASE}"] = {"events": "nonsense"}
    with pytest.raises(Away):
        await services(upstream).log("feedback", CASE)


async def test_deadlines_bare_or_under_their_name() -> None:
    upstream = Upstream()
    path = f"sla /cases/{CASE}/deadlines"
    upstream.answers[path] = [{"obligation": "handle"}]
    assert await services(upstream).deadlines(CASE) == [{"obligation": "handle"}]
    upstream.answers[path] = {"deadlines": [{"obligation": "check"}]}
    assert await services(upstream).deadlines(CASE) == [{"obligation": "check"}]


async def test_without_a_key_it_asks_without_a_token() -> None:
    upstream = Upstream()
    await Services(ADDRESSES, Credentials("", lambda: HUB, Clock()), upstream.transport()).case(NUMBER)
    assert "authorization" not in upstream.asked[-1].headers


async def test_what_stands_aside_is_asked_but_has_no_part_in_the_loop() -> None:
    upstream = Upstream()
    upstream.answers["live /live"] = kit.LATELY
    credentials = Credentials(KEY, lambda: HUB, Clock())
    asking = Services(ADDRESSES, credentials, upstream.transport(), {"live": "http://live"})
    assert await asking.lately() == kit.LATELY
    assert asking.names == tuple(TOPIC_OF)
    answers: list[object] = [[], 503, httpx.ConnectError("refused")]
    for nonsense in answers:
        upstream.answers["live /live"] = nonsense
        with pytest.raises(Away) as away:
            await asking.lately()
        assert away.value.service == "live"
