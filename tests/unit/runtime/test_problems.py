"""How a door says no: every refusal is a problem document that names the field and what to do."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

from shared.runtime import problems
from shared.runtime.decision import Refusal
from shared.runtime.problems import MAXIMUM_BODY, MEDIA_TYPE, Refused


class Said(BaseModel):
    note: str = Field(min_length=1)
    times: int = 1


ERRORS: dict[str, Exception] = {
    "refused": Refused(Refusal("not_yours", "不归你", "not yours", field="unit", status=403), {"X-Why": "so"}, more=1),
    "http": HTTPException(418, "a teapot", {"X-Pot": "tea"}),
    "away": asyncpg.CannotConnectNowError("starting up"),
    "unreachable": ConnectionRefusedError("no"),
    "slow": TimeoutError("no answer"),
    "cut off": asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
    "bug": asyncpg.DataError("wrong"),
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)

    @app.post("/notes")
    async def say(said: Said, request: Request) -> dict[str, Any]:
        return {"note": said.note, "bytes": len(await request.body())}

    @app.get("/fails/{how}")
    async def fail(how: str) -> None:
        raise ERRORS[how]

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


JSON = {"content-type": "application/json"}


async def _in_parts(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65_536 + 1):
        yield b"x" * 65_536


@pytest.mark.parametrize(
    ("body", "headers", "status", "code", "field"),
    [
        (b"x" * 5 * 1024 * 1024, JSON, 413, "body_too_large", "body"),
        (b"", JSON | {"content-length": str(MAXIMUM_BODY + 1)}, 413, "body_too_large", "body"),
        (_in_parts(MAXIMUM_BODY), JSON, 413, "body_too_large", "body"),
        (b'{"note": ', JSON, 400, "not_json", "body"),
        (b"\xff\xfe", JSON, 400, "not_json", "body"),
        (b"not JSON", {}, 400, "not_json", "body"),
        (b"[" * 100_000, JSON, 400, "not_json", "body"),
        (b'{"note": "a\\u0000b"}', JSON, 400, "nul_character", "body"),
        (b'{"note": "\\\\\\u0000"}', JSON, 400, "nul_character", "body"),
        (b"{}", JSON, 422, "invalid_request", "note"),
        (b'{"note": ""}', JSON, 422, "invalid_request", "note"),
        (b'{"note": "a", "times": "many"}', JSON, 422, "invalid_request", "times"),
        (b"[]", JSON, 422, "invalid_request", "body"),
        (b"", JSON, 422, "invalid_request", "body"),
    ],
)
async def test_a_bad_body_is_refused(
    client: httpx.AsyncClient, body: Any, headers: dict[str, str], status: int, code: str, field: str | None
) -> None:
    answer = await client.post("/notes", content=body, headers=headers)

    document = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert (document["type"], document["status"]) == (f"urn:chuishao:problem:{code}", status)
    assert document.get("field") == field
    assert document["detail"]
    assert document["detail_en"]


@pytest.mark.parametrize("note", ["吹哨", "C:\\u0000", "\U0001f600"])
async def test_a_good_body_reaches_the_handler_whole(client: httpx.AsyncClient, note: str) -> None:
    answer = await client.post("/notes", json={"note": note})

    assert answer.status_code == 200
    assert answer.json() == {"note": note, "bytes": len(answer.request.content)}


@pytest.mark.parametrize(
    ("how", "status", "code", "header"),
    [
        ("refused", 403, "not_yours", ("X-Why", "so")),
        ("http", 418, "http_error", ("X-Pot", "tea")),
        ("away", 503, "temporarily_unavailable", ("Retry-After", "5")),
        ("unreachable", 503, "temporarily_unavailable", ("Retry-After", "5")),
        ("slow", 503, "temporarily_unavailable", ("Retry-After", "5")),
        ("cut off", 503, "temporarily_unavailable", ("Retry-After", "5")),
    ],
)
async def test_every_no_is_a_problem_document(
    client: httpx.AsyncClient, how: str, status: int, code: str, header: tuple[str, str]
) -> None:
    answer = await client.get(f"/fails/{how}")

    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert answer.json()["type"] == f"urn:chuishao:problem:{code}"
    assert answer.headers[header[0]] == header[1]


async def test_a_bug_is_not_called_an_outage(client: httpx.AsyncClient) -> None:
    assert (await client.get("/fails/bug")).status_code == 500


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/notes", 405)])
async def test_what_is_not_there_is_a_problem_too(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)

    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
