"""At the HTTP doors: clients that die and ask again, and requests that mean no good."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import uuid4

import httpx

from deploy.demo.doors import Unanswered
from deploy.demo.samples import Sample, samples
from deploy.faults.ground import Ground
from deploy.faults.kind import Injection, Kind, NotHealed, NotInjected, Variant
from deploy.faults.kinds.killing import DIES_WITHIN_SECONDS
from deploy.faults.waiting import happened

AT_THE_DOOR = frozenset({"intake", "kafka", "postgresql"})
MEAN_AT_ONCE = 24
AWAY = 503
SERVER_ERRORS = 500
ANSWERED_WITHIN_SECONDS = 60.0


# --- the same request again


@dataclass(frozen=True, slots=True)
class _Asked:
    """A whistle as a client sends it."""

    door: str
    path: str
    who: dict[str, str]
    body: Mapping[str, Any]
    key: str


def _asked(ground: Ground, injection: Injection) -> _Asked:
    seed = injection.chance.getrandbits(32)
    sample: Sample = next(
        one for one in samples(200, seed, ground.tree) if one.door in ("whistle", "order", "hotline_json")
    )
    key = f"faults-{injection.number}-{uuid4()}"
    match sample.door:
        case "whistle":
            return _Asked("whistle", "/whistles", ground.doors.staff(sample.unit or sample.region), sample.body, key)
        case "order":
            return _Asked("order", "/orders", ground.doors.resident(f"resident-{seed}"), sample.body, key)
        case _:
            return _Asked("hotline_json", "/hotline/orders", ground.doors.hotline(), sample.body, key)


async def _client_dies(ground: Ground, injection: Injection) -> None:
    """It sends, and is gone before it has read the answer; another asks again under the same key, twice."""
    asked = _asked(ground, injection)
    url = ground.stack.addresses.services["intake"] + asked.path
    headers = asked.who | {"Idempotency-Key": asked.key}
    async with httpx.AsyncClient(trust_env=False) as client:
        sending = asyncio.ensure_future(client.post(url, headers=headers, json=asked.body))
        await asyncio.wait({sending}, timeout=injection.chance.uniform(0.001, 0.03))
        answered = sending.done() and not sending.cancelled() and sending.exception() is None
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    injection.happened(
        f"a client {'had its answer, lost it' if answered else 'was gone before the answer'}, and asked again"
    )
    await _once_in_effect(ground, injection, asked)


async def _door_dies(ground: Ground, injection: Injection) -> None:
    """The door's process dies when it has committed and not yet answered; the client asks again."""
    asked = _asked(ground, injection)
    victim = await ground.main("intake", listening=True)
    await ground.failpoints.arm(victim.pid, "after_commit:1:SIGKILL")
    asking = asyncio.ensure_future(_post(ground, asked))
    try:
        await happened(victim.is_gone, DIES_WITHIN_SECONDS, "intake dies")
        injection.happened(f"intake ({victim.pid}) died between its commit and its answer")
        await asking
    finally:
        asking.cancel()
        await ground.failpoints.disarm(victim.pid)
    await _once_in_effect(ground, injection, asked)
    await ground.ready("intake")


async def _many_at_once(ground: Ground, injection: Injection) -> None:
    """Ten clients send one and the same request in the same moment."""
    asked = _asked(ground, injection)
    told = await asyncio.gather(*(_post(ground, asked) for _ in range(10)))
    injection.happened("ten clients sent the same request at once")
    if len({one["case_id"] for one in told}) > 1:
        injection.breaks("I1", f"one key, ten answers: {sorted({one['number'] for one in told})}")
    await _once_in_effect(ground, injection, asked)


async def _post(ground: Ground, asked: _Asked) -> dict[str, Any]:
    try:
        return await ground.doors.post("intake", asked.path, asked.who, asked.body, key=asked.key)
    except Unanswered as error:
        raise NotHealed(str(error)) from None


async def _once_in_effect(ground: Ground, injection: Injection, asked: _Asked) -> None:
    first, second = await _post(ground, asked), await _post(ground, asked)
    if (first["case_id"], first["number"]) != (second["case_id"], second["number"]) or not second.get("repeat"):
        injection.breaks("I1", f"sent again under its key, answered {first} and then {second}")
    ground.acknowledged(asked.door, first, asked.key)


# --- mean requests

_MARK = "恶意请求-"
FEED, NOTHING_NEW = "/hotline/orders", "[]"
"""12345 may say that there is nothing new; it is told that nothing was taken."""


@dataclass(frozen=True, slots=True)
class _Mean:
    """One request that nobody should make."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def _body(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False)


def _mean_requests(ground: Ground, chance: Random) -> list[_Mean]:
    """Every door, asked for what it must not give: by the wrong person, in the wrong shape, too much of it."""
    community = next(sample.unit or sample.region for sample in samples(50, 1, ground.tree) if sample.door == "whistle")
    staff, operator = ground.doors.staff(community), ground.doors.operator()
    resident, hotline = ground.doors.resident("mean"), ground.doors.hotline()
    title = _MARK + str(chance.getrandbits(40))
    case = str(uuid4())
    bodies = (
        "",
        "{",
        NOTHING_NEW,
        "null",
        "[" * 20_000,
        _body(title=title),
        _body(title=title, content="长" * 400_000),
        _body(title=title + "\0", content="a", region=community),
        _body(title=title, content="a", region="../../etc/passwd"),
        _body(title=title, content="a", region=community, urgency="at once"),
        _body(title={"$gt": ""}, content=["a"], region=10**40),
        _body(title=title, content="a", region=community, longitude=float("nan")),
        "\xff\xfe\x00",
    )
    plain = {"Content-Type": "application/json"}
    found = [
        _Mean("intake", "POST", path, who | plain, body.encode())
        for path, who in (("/whistles", staff), ("/orders", resident), (FEED, hotline))
        for body in bodies
        if (path, body) != (FEED, NOTHING_NEW)
    ]
    found += [
        _Mean(service, "POST", path, who | plain, b"{}")
        for service, path in (
            ("router", f"/cases/{case}/dispatch"),
            ("router", f"/cases/{case}/withdraw"),
            ("router", "/cases/no-case/sign-in"),
            ("feedback", f"/reviews/{case}/check"),
            ("feedback", "/reviews/%2e%2e%2f/rate"),
            ("sla", "/reckonings"),
            ("sla", "/notices/0/read"),
            ("router", "/log/republish"),
            ("router", "/dead-letters/1/replay"),
            ("router", "/district/rules"),
        )
        for who in (staff, resident, {"Authorization": "Bearer x.y.z"}, {"X-API-Key": "guessed"}, {})
    ]
    found += [
        _Mean("router", "POST", "/log/republish", operator | plain, b'{"shard": 99}'),
        _Mean("router", "POST", "/dead-letters/9223372036854775807/replay", operator),
        _Mean("intake", "GET", "/dead-letters/-1", operator),
        _Mean("intake", "DELETE", "/whistles", staff),
        _Mean("intake", "PUT", "/whistles", staff | plain, b"{}"),
        _Mean("intake", "GET", "/orders?after=%ff%fe", resident),
        _Mean("intake", "GET", "/orders/by-ref/hotline_12345/%00", hotline),
        _Mean("intake", "POST", "/hotline/orders/csv", hotline | {"Content-Type": "image/png"}, chance.randbytes(300)),
        _Mean("intake", "POST", "/whistles", staff | plain | {"Idempotency-Key": "k" * 500}, b"{}"),
        _Mean("router", "POST", "/district/rules", operator, b"rules: [!!python/object/apply:os.system [id]]"),
        _Mean("router", "POST", "/district/../../etc/passwd", operator, b"x"),
        _Mean("feedback", "GET", "/answer/" + "A" * 3_000),
        _Mean("feedback", "GET", "/scorecards/0/export?format=../../etc/passwd", staff),
        _Mean("sla", "GET", "/notices?after=abc", operator),
    ]
    return found


async def _hostile(ground: Ground, injection: Injection) -> None:
    """Some dozens of them in random order: each is told what is wrong, none is a server error, and nothing is kept."""
    requests = _mean_requests(ground, injection.chance)
    injection.chance.shuffle(requests)
    where = ground.stack.addresses.services
    answers: dict[int, int] = {}
    turns = asyncio.Semaphore(4)
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:

        async def send(mean: _Mean) -> None:
            async with turns:
                status, text = await _answer(client, where[mean.service], mean)
            answers[status] = answers.get(status, 0) + 1
            if status >= SERVER_ERRORS or status < 400:
                injection.breaks("I1", f"{mean.method} {mean.service} {mean.path}: answered {status} {text}")

        await asyncio.gather(*map(send, requests[:MEAN_AT_ONCE]))
    injection.happened(f"{min(len(requests), MEAN_AT_ONCE)} mean requests, answered {dict(sorted(answers.items()))}")
    async with ground.postgres() as connection:
        kept = await connection.fetchval(
            "select count(*) from intake.log where position($1::bytea in event) > 0", _MARK.encode()
        )
    if kept:
        injection.breaks("I1", f"{kept} mean requests were taken for whistles")


async def _answer(client: httpx.AsyncClient, url: str, mean: _Mean) -> tuple[int, str]:
    """What the door says once it is there: a service that is away for another reason is asked again."""
    deadline = asyncio.get_running_loop().time() + ANSWERED_WITHIN_SECONDS
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = await client.request(mean.method, url + mean.path, headers=dict(mean.headers), content=mean.body)
            if answer.status_code != AWAY:
                return answer.status_code, answer.text[:200]
        if asyncio.get_running_loop().time() > deadline:
            raise NotInjected(f"{mean.service} did not answer {mean.method} {mean.path}")
        await asyncio.sleep(0.2)


KINDS = (
    Kind(
        "client_repeats",
        "客户端中断后以同一幂等键重发",
        "a client, or the door, dies between request and answer, and the same request comes again under its key",
        ("I1",),
        (
            Variant("the client dies", _client_dies, needs=AT_THE_DOOR),
            Variant("the door dies", _door_dies, claims=frozenset({"intake"})),
            Variant("ten at once", _many_at_once, needs=AT_THE_DOOR),
        ),
        weight=9,
    ),
    Kind(
        "hostile_http",
        "恶意 HTTP 请求",
        "mean requests at every door under load: a clear answer, no server error, nothing stored",
        ("I1", "I2"),
        (Variant("all doors", _hostile),),
        weight=6,
    ),
)
