"""The HTTP way in: batching, idempotency, and what it says when the store is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from shared.contracts.facts import ReportProgressed
from shared.contracts.vocabulary import ActorKind
from shared.runtime import problems
from shared.runtime.decision import Fate, Input, Outcome
from shared.runtime.door import MOST_AT_ONCE, MOST_WAITING, Door, command
from shared.runtime.identity import Identity
from shared.runtime.problems import Refused
from shared.runtime.road import Unavailable
from tests.unit.runtime.toys import CASE, Toy, from_door


class SlowRoad:
    """Notes the size of each batch, and takes them only when allowed to."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.open = asyncio.Event()
        self.error: BaseException | None = None

    async def travel(self, inputs: Sequence[Input[Any]], patience: float | None = None) -> list[Outcome]:
        self.sizes.append(len(inputs))
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return [Outcome(Fate.DONE, answer={"id": item.id}) for item in inputs]


@asynccontextmanager
async def serving(road: Any) -> AsyncIterator[Door]:
    door = Door(road)
    task = asyncio.create_task(door.run())
    yield door
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until_taken(road: SlowRoad, batches: int) -> None:
    for _ in range(1_000):
        if len(road.sizes) == batches:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{road.sizes}")


async def test_what_arrives_meanwhile_shares_the_next_transaction() -> None:
    road = SlowRoad()
    async with serving(road) as door:
        asked = [asyncio.create_task(door.submit(from_door("first")))]
        await until_taken(road, 1)
        asked += [asyncio.create_task(door.submit(from_door(f"{number}"))) for number in range(MOST_AT_ONCE + 5)]
        await asyncio.sleep(0)
        road.open.set()
        outcomes = await asyncio.gather(*asked)

    assert road.sizes == [1, MOST_AT_ONCE, 5]
    assert [(outcome.answer or {})["id"] for outcome in outcomes] == ["first", *map(str, range(MOST_AT_ONCE + 5))]


@pytest.mark.parametrize("error", [Unavailable("away"), RuntimeError("a bug")], ids=["away", "bug"])
async def test_everyone_is_told_when_nothing_was_stored(error: Exception) -> None:
    road = SlowRoad()
    road.error = error
    road.open.set()
    async with serving(road) as door:
        outcomes = await asyncio.gather(*[door.submit(from_door("a")) for _ in range(3)], return_exceptions=True)

    assert [outcome.refusal.status for outcome in outcomes if isinstance(outcome, Refused)] == [503] * 3


async def test_more_than_can_wait_is_turned_away_whole() -> None:
    road = SlowRoad()
    async with serving(road) as door:
        filling = asyncio.create_task(door.submit_all([from_door(f"{n}") for n in range(MOST_WAITING + MOST_AT_ONCE)]))
        await until_taken(road, 1)
        with pytest.raises(Refused) as refused:
            await door.submit_all([from_door("a"), from_door("b")])
        assert refused.value.refusal.status == 503
        assert refused.value.headers == {"Retry-After": "5"}
        road.open.set()
        await filling

    assert sum(road.sizes) == MOST_WAITING + MOST_AT_ONCE


async def test_an_asker_who_leaves_disturbs_nobody() -> None:
    road = SlowRoad()
    async with serving(road) as door:
        leaving = asyncio.create_task(door.submit(from_door("leaves")))
        staying = asyncio.create_task(door.submit(from_door("stays")))
        await until_taken(road, 1)
        leaving.cancel()
        road.open.set()

        assert (await staying).fate is Fate.DONE


async def test_refusals_and_failures_are_problems_for_one_and_outcomes_for_many() -> None:
    async with serving(Toy().road) as door:
        for note, status in (("refused", 409), ("poison", 500)):
            with pytest.raises(Refused) as refused:
                await door.submit(from_door(note))
            assert refused.value.refusal.status == status
        outcomes = await door.submit_all([from_door("a"), from_door("refused"), from_door("poison")])

    assert [outcome.fate.value for outcome in outcomes] == ["done", "refused", "failed"]


# --- through HTTP


class Said(BaseModel):
    note: str


@asynccontextmanager
async def http(toy: Toy) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    async with serving(toy.road) as door:

        @app.post("/notes")
        async def say(said: Said, request: Request) -> dict[str, Any]:
            return await submit(ReportProgressed.model_construct(note=said.note), request)

        @app.post("/forms")
        async def fill(request: Request) -> dict[str, Any]:
            form = await request.form()
            return await submit(ReportProgressed(note=str(form["note"])), request)

        async def submit(message: ReportProgressed, request: Request) -> dict[str, Any]:
            identity = Identity(kind=ActorKind.STAFF, person=request.headers.get("person", "p1"))
            outcome = await door.submit(command(CASE, message, request, identity))
            return {"fate": outcome.fate.value, **(outcome.answer or {})}

        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"key": "k", "note": "a"}, {"key": "k", "note": "a"}, "repeat"),
        ({"key": "k", "note": "a"}, {"key": "k", "note": "b"}, "idempotency_key_reused"),
        ({"key": "k", "note": "a"}, {"key": "k", "note": "a", "path": "/forms"}, "idempotency_key_reused"),
        ({"key": "k", "note": "a", "path": "/forms"}, {"key": "k", "note": "a", "path": "/forms"}, "repeat"),
        (
            {"key": "k", "note": "a", "path": "/forms"},
            {"key": "k", "note": "b", "path": "/forms"},
            "idempotency_key_reused",
        ),
        ({"key": "k", "note": "a"}, {"key": "l", "note": "a"}, "done"),
        ({"key": "k", "note": "a"}, {"key": "k", "note": "a", "person": "p2"}, "done"),
        ({"note": "a"}, {"note": "a"}, "done"),
        ({"key": "k", "note": "refused"}, {"key": "k", "note": "a"}, "done"),
    ],
)
async def test_an_idempotency_key_counts_once(first: dict[str, str], second: dict[str, str], expected: str) -> None:
    async with http(Toy()) as client:
        await _ask(client, **first)
        answer = await _ask(client, **second)

    found = answer.json()
    assert found.get("fate", found.get("type", "").rpartition(":")[2]) == expected
    assert answer.status_code == (422 if expected == "idempotency_key_reused" else 200)


async def _ask(
    client: httpx.AsyncClient, note: str, key: str = "", path: str = "/notes", person: str = "p1"
) -> httpx.Response:
    headers = {"person": person} | ({"Idempotency-Key": key} if key else {})
    if path == "/forms":
        return await client.post(path, data={"note": note}, headers=headers)
    return await client.post(path, json={"note": note}, headers=headers)


@pytest.mark.parametrize("key", ["", "x" * 201])
async def test_an_idempotency_key_has_a_bounded_length(key: str) -> None:
    async with http(Toy()) as client:
        answer = await client.post("/notes", json={"note": "a"}, headers={"Idempotency-Key": key})

    assert answer.status_code == 400
    assert answer.json()["field"] == "Idempotency-Key"


async def test_what_is_too_large_for_an_event_is_a_problem() -> None:
    async with http(Toy()) as client:
        answer = await _ask(client, note="large")

    assert (answer.status_code, answer.json()["type"]) == (413, "urn:chuishao:problem:event_too_large")


async def test_a_store_that_is_away_is_503_with_retry_after() -> None:
    clock = iter(range(0, 1_000, 3))
    toy = Toy(monotonic=lambda: float(next(clock)))
    toy.store.away = True
    async with http(toy) as client:
        answer = await _ask(client, note="a", key="k")
        toy.store.away = False
        again = await _ask(client, note="a", key="k")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert again.json()["fate"] == "done"
