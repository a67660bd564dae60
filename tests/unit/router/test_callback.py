"""12345's call-back: everything once or more often under one id, in order per case, whatever 12345 does."""

import hashlib
import hmac
import random
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import orjson
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from services.router.callback import MOST_SENT, Callbacks, Patience
from services.router.callback_api import add_callback_routes
from services.router.callback_post import Answer, Endpoint, Fault, read_secret
from services.router.projection import project
from services.router.settings import RouterSettings
from shared.contracts.topics import HOTLINE_REPLIES, SHARDS, shard_of
from shared.contracts.vocabulary import ActorKind, Source
from shared.runtime import problems
from shared.runtime.failpoints import install
from shared.runtime.identity import Gatekeeper, Identity, issue
from tests.unit.router.memory import MemoryRouter
from tests.unit.router.memory_callbacks import MemoryReplies
from tests.unit.router.stories import HUB, Said, concluded, finishes, matter, passed, signs_in, whistle

SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
SIGNING_KEY = "0123456789abcdef0123456789abcdef"
ADDRESS = "https://12345.example/chuishao"
STEPS = ["accepted", "dispatched", "answered"]
BEGINNING = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)


class Streamed(httpx.AsyncByteStream):
    """A body as the network brings it; after it, an error if there is one."""

    def __init__(self, *parts: bytes, error: Exception | None = None) -> None:
        self._parts = parts
        self._error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part
        if self._error is not None:
            raise self._error


class Hotline:
    """12345's end: takes everything unless it was told how to answer, by the case's number."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, str]] = []
        self.requests: list[httpx.Request] = []
        self.answers: dict[str, list[httpx.Response | Exception]] = {}
        self.always: dict[str, httpx.Response] = {}
        self.away = False

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        event = orjson.loads(request.content)
        number, what = event["data"]["number"], event["type"].split(".")[-2]
        if self.away:
            raise httpx.ConnectError("connection refused")
        planned = self.answers.get(number)
        answer = planned.pop(0) if planned else self.always.get(number, httpx.Response(204))
        if isinstance(answer, Exception):
            raise answer
        if answer.is_success:
            self.taken.append((number, what, request.headers["webhook-id"]))
        return httpx.Response(answer.status_code, headers=answer.headers, stream=Streamed(answer.content))

    def took(self, number: str | None = None) -> list[str]:
        """What it took, once under each id, in the order in which it came first."""
        once = dict.fromkeys(one for one in self.taken if number in (None, one[0]))
        return [what if number else f"{of} {what}" for of, what, _ in once]


class Place:
    """The router's log, 12345, and a clock that goes on only when told."""

    def __init__(self) -> None:
        self.router = MemoryRouter()
        self.replies = MemoryReplies(self.router)
        self.hotline = Hotline()
        self.seconds = 0.0
        self.shards = set(range(SHARDS))
        self.patience = Patience(attempts=3, seconds=3600)
        self.endpoint = Endpoint(
            httpx.AsyncClient(transport=httpx.MockTransport(self.hotline.handle), follow_redirects=False),
            ADDRESS,
            read_secret(SECRET),
            self.clock,
        )
        self.start()

    def clock(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.seconds)

    def start(self) -> None:
        """As a new process: nothing is in memory."""
        self.callbacks = Callbacks(
            self.replies, self.endpoint.post, self.shards.__contains__, self.patience, lambda: self.seconds, self.clock
        )

    async def closes(self, number: str, case_id: UUID) -> None:
        """A case of 12345 from its order to its end: three replies follow."""
        about = matter(source=Source.HOTLINE_12345, whistle_blower=HUB, number=number)
        for said in (whistle(about), signs_in(), finishes(), passed(), concluded()):
            item = self.router.from_door(said if isinstance(said, Said) else Said(said), case_id)
            outcome = await self.router.travel(item)
            assert outcome.refusal is None, outcome

    async def settles(self, seconds: float = 0) -> None:
        """Turn until there is nothing left to do at once; time passes by a second a turn, for so long."""
        end = self.seconds + seconds
        while True:
            while await self.callbacks.turn():
                pass
            if self.seconds >= end:
                return
            self.seconds += 1


A, B = UUID("01938000-0000-7000-8000-00000000000a"), UUID("01938000-0000-7000-8000-00000000000b")


def beside(case_id: UUID) -> UUID:
    """Another case of the same shard."""
    return next(
        other for place in range(1, 10_000) if shard_of(other := UUID(int=case_id.int + place)) == shard_of(case_id)
    )


@pytest.fixture
async def place() -> Place:
    random.seed(6)
    found = Place()
    await found.replies.begin(from_start=False)
    return found


async def test_it_sends_what_the_topic_has_byte_for_byte_under_the_same_id(place: Place) -> None:
    await place.closes("HA-1", A)
    await place.settles()
    told = [
        message
        for envelope in place.router.logged(A)
        for message in project(envelope)
        if message.topic == HOTLINE_REPLIES
    ]
    assert [request.content for request in place.hotline.requests] == [message.value for message in told]
    assert [request.headers["webhook-id"] for request in place.hotline.requests] == [
        orjson.loads(message.value or b"")["id"] for message in told
    ]
    assert place.hotline.took("HA-1") == STEPS


async def test_the_signature_is_the_specifications(place: Place) -> None:
    """Computed here by the words of the specification, with nothing of ours."""
    place.seconds = 12.75
    await place.closes("HA-1", A)
    await place.settles()
    for request in place.hotline.requests:
        identifier, timestamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        content = f"{identifier}.{timestamp}.{request.content.decode()}".encode()
        key = b64decode(SECRET.split("_", 1)[1])
        expected = b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        assert request.headers["webhook-signature"] == f"v1,{expected}"
        assert timestamp == str(int((BEGINNING + timedelta(seconds=12)).timestamp()))
        assert request.headers["content-type"].startswith("application/cloudevents+json")


async def test_units_cases_are_not_12345s(place: Place) -> None:
    await place.router.travel(place.router.from_door(Said(whistle()), A))
    await place.settles()
    assert place.hotline.requests == []
    assert place.replies.kept[shard_of(A)] == len(place.router.logged(A)) > 0


BUSY = [httpx.Response(503), httpx.Response(429), httpx.Response(408)]
TROUBLE: list[list[httpx.Response | Exception]] = [
    [httpx.Response(500)],
    [httpx.Response(502), httpx.Response(500), httpx.Response(500)],
    [*BUSY],
    [httpx.ReadTimeout("slow")],
    [httpx.ConnectError("refused"), httpx.RemoteProtocolError("cut off")],
    [httpx.Response(422), httpx.Response(400)],
    [*[httpx.Response(401)] * 10, *[httpx.Response(403)] * 3],
    [httpx.Response(307, headers={"location": "https://elsewhere.example/"})],
]


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda trouble: repr(trouble[0]))
async def test_whatever_is_wrong_for_a_while_it_is_tried_again_and_stays_in_order(
    place: Place, trouble: list[httpx.Response | Exception]
) -> None:
    other = beside(A)
    await place.closes("HA-1", A)
    await place.closes("HA-2", other)
    place.hotline.answers["HA-1"] = list(trouble)
    await place.settles(900)
    assert (place.hotline.took("HA-1"), place.hotline.took("HA-2")) == (STEPS, STEPS)
    assert {request.url.host for request in place.hotline.requests} == {"12345.example"}, "redirects are not followed"
    assert place.replies.kept[shard_of(A)] == len(place.router.store.tables.log[shard_of(A)])


async def test_a_reply_that_is_not_taken_holds_up_its_case_alone(place: Place) -> None:
    other = beside(A)
    place.patience = Patience(attempts=1000)
    place.start()
    await place.closes("HA-1", A)
    await place.closes("HA-2", other)
    place.hotline.always["HA-1"] = httpx.Response(422)
    await place.settles(60)
    assert place.hotline.took() == [f"HA-2 {step}" for step in STEPS]
    assert {
        orjson.loads(request.content)["type"] for request in place.hotline.requests if b"HA-1" in request.content
    } == {"cn.chuishao.hotline.accepted.v1"}
    assert place.replies.kept[shard_of(A)] == 1, "before the first reply that was not taken; it follows from row 2"
    place.hotline.always.clear()
    await place.settles(120)
    assert place.hotline.took("HA-1") == STEPS


async def test_retry_after_is_kept_to(place: Place) -> None:
    await place.closes("HA-1", A)
    later = (BEGINNING + timedelta(seconds=400)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    place.hotline.answers["HA-1"] = [
        httpx.Response(429, headers={"retry-after": "100"}),
        httpx.Response(503, headers={"retry-after": later}),
    ]
    await place.settles(99)
    assert len(place.hotline.requests) == 1
    await place.settles(2)
    assert len(place.hotline.requests) == 2
    await place.settles(290)
    assert len(place.hotline.requests) == 2
    await place.settles(60)
    assert place.hotline.took("HA-1") == STEPS


async def test_while_it_is_away_it_is_asked_seldom(place: Place) -> None:
    """A hundred cases on all shards wait: not each of them knocks."""
    cases = [UUID(int=A.int + number) for number in range(100)]
    for number, case_id in enumerate(cases):
        await place.closes(f"HA-{number}", case_id)
    place.hotline.away = True
    await place.settles(3600)
    knocks = len(place.hotline.requests)
    assert 60 <= knocks <= 60 * 2 + SHARDS + 10, f"{knocks} in an hour: once or twice a minute"
    assert place.hotline.taken == []
    place.hotline.away = False
    await place.settles(300)
    assert all(place.hotline.took(f"HA-{number}") == STEPS for number in range(100))
    assert await place.replies.put_aside_so_far(10) == [], "being away is nobody's fault"


async def test_a_day_away_puts_nothing_aside_and_loses_nothing(place: Place) -> None:
    place.patience = Patience(attempts=1, seconds=60)
    place.start()
    await place.closes("HA-1", A)
    await place.closes("HA-2", B)
    await place.closes("HA-3", beside(A))
    place.hotline.away = True
    await place.settles(3 * 3600)
    place.hotline.away = False
    await place.settles(300)
    assert [place.hotline.took(f"HA-{number}") for number in (1, 2, 3)] == [STEPS] * 3


async def test_what_is_refused_again_and_again_is_put_aside_and_the_case_goes_on(place: Place) -> None:
    await place.closes("HA-1", A)
    place.hotline.answers["HA-1"] = [httpx.Response(422, content="工单不存在".encode())] * 3
    await place.settles(60)
    assert place.hotline.took("HA-1") == ["dispatched", "answered"]
    (aside,) = await place.replies.put_aside_so_far(10)
    assert (aside["type"], aside["fault"], aside["reason"], aside["attempts"]) == (
        "cn.chuishao.hotline.accepted.v1",
        "refused",
        "HTTP 422: 工单不存在",
        3,
    )
    assert place.replies.kept[shard_of(A)] == len(place.router.logged(A)), "it holds up nothing any more"


async def test_one_that_breaks_12345_each_time_is_put_aside_in_the_end(place: Place) -> None:
    other = beside(A)
    await place.closes("HA-1", A)
    place.hotline.answers["HA-1"] = [httpx.Response(500)] * 1000
    for number in range(80):
        await place.closes(f"HB-{number}", UUID(int=other.int + number))
        await place.settles(60)
        if await place.replies.put_aside_so_far(1):
            break
    assert 60 <= number < 75, "after an hour, not before"
    (aside,) = await place.replies.put_aside_so_far(10)
    assert aside["fault"] == Fault.BROKEN.value


@pytest.fixture
def dying() -> Iterator[Callable[[int], None]]:
    """Die at the n-th time a reply was taken and nothing was noted."""

    def die_at(count: int) -> None:
        left = count

        def hook(name: str) -> None:
            nonlocal left
            left -= name == "after_calling_back"
            if left == 0:
                install(None)
                raise KilledError

        install(hook)

    yield die_at
    install(None)


class KilledError(Exception):
    """In place of SIGKILL."""


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
async def test_killed_after_sending_it_sends_again_under_the_same_id(
    place: Place, dying: Callable[[int], None], count: int
) -> None:
    await place.closes("HA-1", A)
    await place.closes("HA-2", beside(A))
    dying(count)
    with pytest.raises(KilledError):
        await place.settles()
    place.start()
    await place.settles()
    assert (place.hotline.took("HA-1"), place.hotline.took("HA-2")) == (STEPS, STEPS)
    ids = [request.headers["webhook-id"] for request in place.hotline.requests]
    assert len(set(ids)) == 6
    assert len(ids) == 6 + count, "what was taken and not noted comes again, and nothing else does"


async def test_repeats_are_bounded(place: Place) -> None:
    for number in range(30):
        await place.closes(f"HA-{number}", A if number == 0 else UUID(int=A.int + number))
    await place.callbacks.turn()
    by_shard: dict[int, int] = {}
    for request in place.hotline.requests:
        shard = shard_of(UUID(orjson.loads(request.content)["subject"]))
        by_shard[shard] = by_shard.get(shard, 0) + 1
    assert max(by_shard.values()) <= MOST_SENT


async def test_it_sends_only_what_is_its_own(place: Place) -> None:
    assert shard_of(A) != shard_of(B)
    await place.closes("HA-1", A)
    await place.closes("HA-2", B)
    place.shards -= {shard_of(B)}
    await place.settles()
    assert place.hotline.took() == [f"HA-1 {step}" for step in STEPS]
    place.shards |= {shard_of(B)}
    await place.settles()
    assert place.hotline.took("HA-2") == STEPS


@pytest.mark.parametrize(("from_start", "expected"), [(False, ["HA-2"] * 3), (True, ["HA-1"] * 3 + ["HA-2"] * 3)])
async def test_where_it_begins_when_it_is_switched_on(from_start: bool, expected: list[str]) -> None:
    place = Place()
    await place.closes("HA-1", A)
    await place.replies.begin(from_start)
    await place.closes("HA-2", beside(A))
    await place.replies.begin(not from_start)
    place.start()
    await place.settles()
    assert [number for number, _, _ in place.hotline.taken] == expected, "what is known already is not asked again"


async def test_the_database_away_between_sending_and_noting_loses_nothing(place: Place) -> None:
    await place.closes("HA-1", A)
    await place.callbacks._read_on()
    place.router.store.away = True
    with pytest.raises(ConnectionRefusedError):
        await place.callbacks.turn()
    place.router.store.away = False
    await place.settles()
    assert place.hotline.took("HA-1") == STEPS
    assert place.replies.kept[shard_of(A)] == len(place.router.logged(A))


# --- one call-back ------------------------------------------------------------------------------------------


async def posted(handler: Callable[[httpx.Request], httpx.Response]) -> Answer:
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return await Endpoint(client, ADDRESS, read_secret(SECRET), lambda: BEGINNING).post("id-1", b"{}")


async def test_of_a_long_answer_little_is_read() -> None:
    beyond = AssertionError("read on for no reason")
    answer = await posted(lambda _: httpx.Response(400, stream=Streamed(*[b"no " * 300] * 5, error=beyond)))
    assert (answer.fault, len(answer.why)) == (Fault.REFUSED, len("HTTP 400: ") + 200)


async def test_what_it_says_after_it_took_it_does_not_matter() -> None:
    cut_off = Streamed(b"ok", error=httpx.ReadError("cut off"))
    assert await posted(lambda _: httpx.Response(200, stream=cut_off)) == Answer()


@pytest.mark.parametrize("written", ["soon", "", "-5", "Mon, 23 Nov 2026", "1e9"])
async def test_a_retry_after_that_says_nothing_is_passed_over(written: str) -> None:
    answer = await posted(lambda _: httpx.Response(429, stream=Streamed(), headers={"retry-after": written}))
    assert (answer.fault, answer.wait) == (Fault.BUSY, None)


async def test_nobody_waits_for_more_than_an_hour() -> None:
    answer = await posted(lambda _: httpx.Response(429, stream=Streamed(), headers={"retry-after": "9" * 40}))
    assert answer.wait == 3600


@pytest.mark.parametrize(
    ("url", "secret", "says"),
    [
        (ADDRESS, "", "whsec_"),
        (ADDRESS, "whsec_###", "hotline_callback_secret"),
        (ADDRESS, "whsec_" + b64encode(b"short").decode(), "24 to 64 bytes"),
        ("12345.example", SECRET, "hotline_callback_url"),
        ("https://user:password@12345.example/", SECRET, "hotline_callback_url"),
        ("ftp://12345.example/", SECRET, "hotline_callback_url"),
    ],
)
def test_a_setting_that_cannot_work_keeps_the_router_from_starting(url: str, secret: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        RouterSettings.model_validate({"hotline_callback_url": url, "hotline_callback_secret": secret})


# --- the operators' door ------------------------------------------------------------------------------------


def shown(operator: bool) -> dict[str, str]:
    identity = Identity(kind=ActorKind.STAFF, person="p-1", operator=operator)
    return {"Authorization": f"Bearer {issue(identity, SIGNING_KEY, datetime.now(UTC), timedelta(hours=1))}"}


def door(place: Place, post: Callable[[str, bytes], Awaitable[Answer]] | None) -> httpx.AsyncClient:
    app = FastAPI()
    problems.install(app)
    add_callback_routes(app, Gatekeeper(SIGNING_KEY, []), place.replies, post)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router", headers=shown(True))


async def test_an_operator_sends_it_again_once_it_is_cleared_up(place: Place) -> None:
    await place.closes("HA-1", A)
    place.hotline.answers["HA-1"] = [httpx.Response(404)] * 3
    await place.settles(10)
    place.hotline.answers["HA-1"] = [httpx.Response(404)]
    async with door(place, place.endpoint.post) as client:
        (aside,) = (await client.get("/callbacks/failed")).json()["failed"]
        assert aside["case_id"] == str(A)
        again = f"/callbacks/{aside['id']}/retry"
        still = await client.post(again)
        assert (still.status_code, still.json()["type"]) == (502, "urn:chuishao:problem:callback_not_taken")
        sent = await client.post(again)
        assert sent.status_code == 200
        assert place.hotline.taken[-1] == ("HA-1", "accepted", aside["id"])
        known = len(place.hotline.requests)
        assert (await client.post(again)).json() == sent.json(), "sent is sent"
        assert len(place.hotline.requests) == known
        assert (await client.get("/callbacks/failed")).json() == {"switched_on": True, "failed": []}


async def test_the_door_says_no(place: Place) -> None:
    await place.closes("HA-1", A)
    place.hotline.answers["HA-1"] = [httpx.Response(404)] * 4
    await place.settles(10)
    (aside,) = await place.replies.put_aside_so_far(1)
    async with door(place, None) as client:
        assert (await client.post(f"/callbacks/{UUID(int=7)}/retry")).status_code == 404
        assert (await client.post(f"/callbacks/{aside['id']}/retry")).status_code == 409
        client.headers = httpx.Headers(shown(False))
        assert (await client.get("/callbacks/failed")).status_code == 403
        assert (await client.post(f"/callbacks/{A}/retry")).status_code == 403
