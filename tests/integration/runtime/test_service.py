"""A toy service as the runtime puts it together: its HTTP doors, health, operators' routes and an orderly stop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import SecretStr

from shared.contracts.facts import ReportProgressed
from shared.contracts.topics import dead_letter_topic
from shared.contracts.vocabulary import ActorKind
from shared.runtime.decision import Decision
from shared.runtime.door import command
from shared.runtime.identity import Identity, issue
from shared.runtime.postgres import JsonStates
from shared.runtime.running import Running
from shared.runtime.service import Handler, Service, build_app
from shared.runtime.settings import ServiceSettings
from tests.integration.runtime.toys import District, Notes, case, decide, report_bytes
from tests.integration.runtime.waiting import eventually

KEY = "k" * 43
CLERK = Identity(kind=ActorKind.STAFF, person="p1")
OPERATOR = Identity(kind=ActorKind.STAFF, person="p2", operator=True)
UNKNOWN_CASE = UUID(int=5)


def as_(identity: Identity) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue(identity, KEY, datetime.now(UTC), timedelta(hours=1))}"}


def _routes(app: FastAPI, running: Running[Notes]) -> None:
    @app.post("/notes")
    async def say(said: ReportProgressed, request: Request) -> dict[str, Any]:
        item = command(case(1), said, request, running.gatekeeper.identify(request))
        outcome = await running.door.submit(item)
        return {"fate": outcome.fate.value}


@asynccontextmanager
async def service(
    district: District, reads: Sequence[str] = (), handler: Handler = decide
) -> AsyncIterator[httpx.AsyncClient]:
    settings = ServiceSettings(
        postgres_url=SecretStr(district.database.url("alpha")), signing_key=SecretStr(KEY), setup=Path("nowhere")
    )
    toy = Service(
        name=district.name,
        topic=district.alpha_log,
        handlers={ReportProgressed: handler},
        states=JsonStates(Notes),
        reads=reads,
        routes=_routes,
    )
    app = build_app(toy, settings, district.kafka)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://toy", timeout=30) as client:
            yield client


async def test_a_command_is_logged_published_and_republished(district: District) -> None:
    async with service(district) as client:
        for expected in ("done", "repeat"):
            answer = await client.post("/notes", json={"note": "a"}, headers=as_(CLERK) | {"Idempotency-Key": "k"})
            assert answer.json() == {"fate": expected}
        log = (await client.get(f"/log/{case(1)}", headers=as_(CLERK))).json()
        assert [event["event"]["data"]["note"] for event in log["events"]] == ["a"]
        assert (await client.get(f"/log/{UNKNOWN_CASE}", headers=as_(CLERK))).json()["events"] == []

        async def published(times: int) -> bool:
            return len(await district.read(district.alpha_log)) == times

        await eventually(lambda: published(1), "publishing")
        wanted = {"shard": case(1).int % 12, "from_sequence": 1}
        answer = await client.post("/log/republish", json=wanted, headers=as_(OPERATOR))
        assert answer.json() == {"service": district.name, "shard": wanted["shard"], "published": 1}
        await eventually(lambda: published(2), "republishing")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/log/republish", {"shard": 1}),
        ("GET", "/dead-letters", None),
        ("GET", "/dead-letters/1", None),
        ("POST", "/dead-letters/1/replay", None),
    ],
)
async def test_operators_alone_may_republish_and_replay(
    district: District, method: str, path: str, body: dict[str, int] | None
) -> None:
    async with service(district) as client:
        answers = [await client.request(method, path, json=body, headers=who) for who in ({}, as_(CLERK))]

    assert [answer.status_code for answer in answers] == [401, 403]
    assert answers[1].json()["type"] == "urn:chuishao:problem:operators_only"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/log/republish", {"shard": 12}, 422),
        ("POST", "/log/republish", {"shard": 0, "from_sequence": 0}, 422),
        ("POST", "/log/republish", {"shard": 0, "from_sequence": 2**70}, 422),
        ("GET", f"/dead-letters?before={2**70}", None, 422),
        ("GET", f"/dead-letters/{2**70}", None, 422),
        ("GET", "/dead-letters/99", None, 404),
        ("POST", "/dead-letters/99/replay", None, 404),
        ("GET", "/log/no-uuid", None, 422),
    ],
)
async def test_what_makes_no_sense_is_a_problem(
    district: District, method: str, path: str, body: dict[str, int] | None, status: int
) -> None:
    async with service(district) as client:
        answer = await client.request(method, path, json=body, headers=as_(OPERATOR))

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_dead_letters_are_seen_and_replayed_once(district: District) -> None:
    async with service(district, [district.reports]) as client:
        await _ready(client)
        await district.send(district.reports, [b"rubbish", report_bytes("refused", case(2))])

        async def buried() -> bool:
            return len((await client.get("/dead-letters", headers=as_(OPERATOR))).json()["dead_letters"]) == 2

        await eventually(buried, "the dead letters")
        letters = (await client.get("/dead-letters", headers=as_(OPERATOR))).json()["dead_letters"]
        assert [(letter["number"], letter["kind"]) for letter in letters] == [(2, "refused"), (1, "unreadable")]
        rubbish = (await client.get("/dead-letters/1", headers=as_(OPERATOR))).json()
        assert (rubbish["value"], rubbish["topic"]) == ("rubbish", district.reports)
        older = (await client.get("/dead-letters?before=2", headers=as_(OPERATOR))).json()["dead_letters"]
        assert [letter["number"] for letter in older] == [1]

        unreadable = await client.post("/dead-letters/1/replay", headers=as_(OPERATOR))
        assert (unreadable.status_code, unreadable.json()["type"]) == (409, "urn:chuishao:problem:still_unreadable")
        refused = await client.post("/dead-letters/2/replay", headers=as_(OPERATOR))
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:chuishao:problem:no")

    async with service(district, handler=_accept) as client:
        fates = [await client.post("/dead-letters/2/replay", headers=as_(OPERATOR)) for _ in range(2)]
        assert [answer.json()["fate"] for answer in fates] == ["done", "repeat"]
        events = (await client.get(f"/log/{case(2)}", headers=as_(CLERK))).json()["events"]
        assert len(events) == 1

        async def said() -> bool:
            return len(await district.read(dead_letter_topic(district.reports))) == 2

        await eventually(said, "the dead letters on their topic")


def _accept(_state: Notes | None, _item: Any, _now: datetime) -> Decision[Notes]:
    return Decision(Notes(taken=("accepted",)), (ReportProgressed(note="accepted"),))


async def _ready(client: httpx.AsyncClient) -> None:
    async def ready() -> bool:
        return (await client.get("/health/ready")).status_code == 200

    await eventually(ready, "readiness")


async def test_it_says_how_it_is(district: District) -> None:
    async with service(district, [district.reports]) as client:
        await _ready(client)
        checks = (await client.get("/health/ready")).json()["checks"]
        assert checks == {"database": "ok", "broker": "ok", "assignment": "ok", "lag": "ok"}
        assert (await client.get("/health/live")).status_code == 200
        await client.post("/notes", json={"note": "a"}, headers=as_(CLERK))
        exposed = (await client.get("/metrics")).text
        assert f'chuishao_inputs_total{{fate="done",service="{district.name}",type="ReportProgressed"}} 1.0' in exposed


async def test_a_log_that_has_a_gap_makes_it_unready(district: District) -> None:
    async with service(district, [district.reports]) as client:
        await _ready(client)
        running = client._transport.app.state.running  # type: ignore[attr-defined]
        running.consumer.gaps.open[("cases", 3)] = "cases/3: expected 5, found 7"
        answer = await client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["checks"]["lag"] == "cases/3: expected 5, found 7"


async def test_what_is_asked_last_is_published_before_it_stops(district: District) -> None:
    async with service(district) as client:
        asked = [client.post("/notes", json={"note": f"{n}"}, headers=as_(CLERK)) for n in range(20)]
        answers = await asyncio.gather(*asked)

    assert {answer.json()["fate"] for answer in answers} == {"done"}
    assert len(await district.read(district.alpha_log)) == 20
