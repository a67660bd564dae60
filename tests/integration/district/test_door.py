"""The router's door to the set-up, over its real database: who may, what is answered, what a refusal lists."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from services.router.setup_api import setup_routes
from shared.contracts import units_json
from shared.contracts.vocabulary import ActorKind
from shared.runtime import problems
from shared.runtime.district import UNITS, Setup
from shared.runtime.identity import Gatekeeper, Identity, issue
from shared.runtime.postgres import open_pool
from tests.integration.district.conftest import District
from tests.integration.district.test_versions import FIRST, SECOND

KEY = "0123456789abcdef0123456789abcdef"
CSV = "code,name,kind,parent,succeeds\nhub,区,hub,,\ncomm-lake,湖畔社区,community,hub,comm-east\n"


def by(operator: bool = False, kind: ActorKind = ActorKind.STAFF) -> dict[str, str]:
    identity = Identity(kind=kind, person="wang", unit="hub", operator=operator)
    return {"Authorization": f"Bearer {issue(identity, KEY, datetime.now(UTC), timedelta(hours=1))}"}


OPERATOR = by(operator=True)


@pytest.fixture
async def pool(district: District) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(district.url("router"))
    yield pool
    await pool.close()


@pytest.fixture
async def door(pool: asyncpg.Pool) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    running: Any = SimpleNamespace(pool=pool, gatekeeper=Gatekeeper(KEY, []))
    setup_routes(app, running, Setup(UNITS))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router") as client:
        yield client


async def test_a_file_is_tried_and_then_imported(door: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    begun = await door.post("/district/units", content=FIRST, headers=OPERATOR, params={"note": "begin"})
    assert (begun.status_code, begun.json()["number"], begun.json()["changed"]) == (200, 1, True)
    await _two_open_assignments(pool, "comm-east")
    tried = await door.post("/district/units", content=SECOND, headers=OPERATOR, params={"dry_run": "true"})
    assert (tried.json()["number"], tried.json()["open_assignments"]) == (None, {"comm-east": 2})
    assert (await door.get("/district/units", headers=by())).json()["version"] == "first"
    done = await door.post("/district/units", content=SECOND, headers=OPERATOR)
    assert (done.json()["number"], done.json()["difference"]) == (2, tried.json()["difference"])
    again = await door.post("/district/units", content=SECOND, headers=OPERATOR)
    assert (again.json()["number"], again.json()["changed"]) == (2, False)
    versions = (await door.get("/district/units/versions", headers=by())).json()["versions"]
    assert [(one["number"], one["label"], one["imported_by"], one["note"], one["in_force"]) for one in versions] == [
        (2, "second", "wang", "", True),
        (1, "first", "wang", "begin", False),
    ]
    first = (await door.get("/district/units/versions/1", headers=by())).json()
    assert (first["label"], first["content"]["units"][1]["name"]) == ("first", "湖东社区")


async def test_units_are_sent_once(door: httpx.AsyncClient) -> None:
    assert (await door.get("/district/units", headers=by())).status_code == 503
    await door.post("/district/units", content=FIRST, headers=OPERATOR)
    known = await door.get("/district/units", headers=by())
    assert units_json.from_json(known.content).version == "first"
    asking_again = by() | {"If-None-Match": known.headers["etag"]}
    assert (await door.get("/district/units", headers=asking_again)).status_code == 304
    await door.post("/district/units", content=SECOND, headers=OPERATOR)
    assert (await door.get("/district/units", headers=asking_again)).status_code == 200


async def test_csv_as_an_office_program_saves_it(door: httpx.AsyncClient) -> None:
    await door.post("/district/units", content=FIRST, headers=OPERATOR)
    sent = await door.post(
        "/district/units", content=CSV.encode("gbk"), headers=OPERATOR, params={"format": "csv", "name": "单位.csv"}
    )
    assert (sent.status_code, sent.json()["difference"]["handed_over"][0]["to"][0]["name"]) == (200, "湖畔社区")


async def test_a_refusal_lists_every_fault(door: httpx.AsyncClient) -> None:
    wrong = "code,name,kind\nhub,,hub\na,街,street\n"
    said = await door.post(
        "/district/units", content=wrong, headers=OPERATOR, params={"format": "csv", "name": "units.csv"}
    )
    assert (said.status_code, said.json()["type"]) == (422, "urn:chuishao:problem:setup_invalid")
    assert [(one["file"], one["line"], one["entry"], one["field"]) for one in said.json()["errors"]] == [
        ("units.csv", 2, "hub", "name"),
        ("units.csv", 3, "a", "code"),
    ]
    assert all(one["why_zh"] and one["why_en"] for one in said.json()["errors"])
    unreadable = await door.post("/district/units", content=b"PK\x03\x04\xff\xff\x00", headers=OPERATOR)
    assert (unreadable.status_code, unreadable.json()["errors"][0]["why_zh"][:5]) == (422, "不是 UT")


async def test_other_parts_have_the_same_door(door: httpx.AsyncClient) -> None:
    early = await door.post("/district/rules", content="version: '1'\nrules: []", headers=OPERATOR)
    assert (early.status_code, early.json()["errors"][0]["why_zh"]) == (422, "还没有单位；请先导入单位")
    await door.post("/district/units", content=FIRST, headers=OPERATOR)
    sent = await door.post("/district/rules", content="version: '1'\nrules: []", headers=OPERATOR)
    assert (sent.status_code, sent.json()["number"]) == (200, 1)


@pytest.mark.parametrize(
    ("method", "path", "who", "status"),
    [
        ("GET", "/district/units", {}, 401),
        ("GET", "/district/units/versions", by(kind=ActorKind.RESIDENT), 403),
        ("GET", "/district/units/versions/7", by(), 404),
        ("GET", "/district/weather/versions", by(), 404),
        ("POST", "/district/units", {}, 401),
        ("POST", "/district/units", by(), 403),
        ("POST", "/district/weather", OPERATOR, 404),
    ],
)
async def test_who_may_do_what(
    door: httpx.AsyncClient, method: str, path: str, who: dict[str, str], status: int
) -> None:
    content = b"version: 1" if method == "POST" else None
    said = await door.request(method, path, headers=who | {"Content-Type": "text/yaml"}, content=content)
    assert (said.status_code, bool(said.json()["detail"]), bool(said.json()["detail_en"])) == (status, True, True)


async def _two_open_assignments(pool: asyncpg.Pool, unit: str) -> None:
    for stage in ("handling", "dispatched", "closed"):
        await pool.execute(
            "insert into assignment (case_id, assignment_id, unit, role, round, part, stage, overdue) "
            "values ($1, $2, $3, 'lead', 1, 'signed_in', $4, false)",
            uuid4(),
            uuid4(),
            unit,
            stage,
        )
