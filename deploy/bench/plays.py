"""Who takes part in a measured loop, played as leanly as can be: by topic and in batches, or every action at a door.

The play knows what it sent and what it saw; it decides nothing and waits for no answer that it does not need.
"""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import aiohttp
import orjson
from uuid_utils import uuid7

from deploy.bench.load import MILLISECONDS, Watch
from shared.contracts import facts as f
from shared.contracts.topics import CASES, HOTLINE_REPLIES, SHARDS, assignments_topic, reports_topic

AT_ONCE = 64
"""Single requests under way at a time."""
ROWS_AT_ONCE = 500
"""Call-backs in one push; the door takes 1,000."""
CALL_BACK_SECONDS = 0.05
"""So often call-backs are pushed: each push what has been handled since the last."""
AGAIN_SECONDS = 0.3
PATIENCE_SECONDS = 30.0
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.02, 0.5
NOT_YET = frozenset({404, 409, 429, 502, 503, 504})
"""Answers that may change by waiting: the fact an action rests on is still on its way."""
NOT_KNOWN_YET = frozenset({"not_handled_yet", "order_unknown"})

ASSIGNED, SIGNED_IN, PROGRESSED, HANDLED, CLOSED, ARCHIVED = range(1, 7)
STAGES = {
    b"case.signed_in.v1": SIGNED_IN,
    b"case.progressed.v1": PROGRESSED,
    b"case.handled.v1": HANDLED,
    b"case.closed.v1": CLOSED,
    b"case.archived.v1": ARCHIVED,
}
CREATED = f.AssignmentCreated.NAME.encode()
ANSWERED = f.HotlineAnswered.NAME.encode()
ASKED = f.FeedbackResidentAsked.NAME.encode()

NOTE = "已与诉求人取得联系，约定上门时间，正在处理。"
RESULT = "已安排维修人员到场处理完毕，现场恢复正常，并已向诉求人说明情况。"
PHOTO = {"name": "处理后照片.jpg", "media_type": "image/jpeg", "url": "evidence/after.jpg"}
CHECKED = "现场核查，已处理到位。"


class Http:
    """The services' doors over connections that are kept; each service's workers in turn."""

    def __init__(self, urls: Mapping[str, Sequence[str]], watch: Watch) -> None:
        self._urls = urls
        self._watch = watch
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._next = 0
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        )
        self.took_ms: defaultdict[str, list[float]] = defaultdict(list)

    async def close(self) -> None:
        await self._session.close()

    async def post(self, door: str, service: str, path: str, who: Mapping[str, str], body: object) -> Any:
        """The answer; None where the door said no for good, which is counted."""
        headers = {**who, "Idempotency-Key": str(uuid7())}
        data = orjson.dumps(body) if body is not None else None
        if data is not None:
            headers["Content-Type"] = "application/json"
        until, delay = time.monotonic() + PATIENCE_SECONDS, FIRST_DELAY_SECONDS
        while True:
            status, said = await self._send(door, service, path, headers, data)
            if status is not None and status < 300:
                return orjson.loads(said)
            if status not in (None, *NOT_YET) or time.monotonic() > until:
                self._watch.errors[f"{door}: {status} {said[:200]!r}"] += 1
                return None
            self._watch.retries[door] += 1
            await asyncio.sleep(delay)
            delay = min(delay * 1.6, LONGEST_DELAY_SECONDS)

    async def _send(
        self, door: str, service: str, path: str, headers: dict[str, str], data: bytes | None
    ) -> tuple[int | None, bytes]:
        urls = self._urls[service]
        self._next += 1
        async with self._turns:
            began = time.monotonic()
            self._watch.requests += 1
            try:
                async with self._session.post(urls[self._next % len(urls)] + path, headers=headers, data=data) as told:
                    said = await told.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                return None, repr(error).encode()
        if told.status < 300:
            self.took_ms[door].append((time.monotonic() - began) * MILLISECONDS)
        return told.status, said


class Play(ABC):
    """What both ways of playing share: the orders' words, the ledger of what was accepted, the actions under way."""

    def __init__(self, spec: Mapping[str, Any], watch: Watch, http: Http, producer: Any, ledger: TextIO) -> None:
        self.watch = watch
        self.http = http
        self.producer = producer
        self.units: list[list[str]] = spec["units"]
        self.regions: list[str] = spec["regions"]
        self.tokens: dict[str, str] = spec["tokens"]
        self.hotline = {"X-API-Key": spec["hotline_key"]}
        self.hub: str = spec["hub"]
        self._prefix: str = spec["prefix"]
        self._ledger = ledger
        self._made = 0
        self._chance = random.Random(spec["prefix"])  # noqa: S311 - made-up words, no secret
        self._stages: dict[bytes, int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    @abstractmethod
    async def start(self, number: int, due: float) -> None:
        """Start so many loops, which were due then."""

    @abstractmethod
    def seen(self, topic: str, case: bytes, event: bytes, now: float) -> None:
        """An event came on a topic that is followed."""

    def running(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside for as long as loops do."""
        return []

    def topics(self) -> dict[str, int]:
        """What is followed, and how many partitions each has."""
        return {CASES: SHARDS, **{assignments_topic(unit): 1 for unit, _ in self.units}}

    def staff(self, unit: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[unit]}"}

    def spawn(self, action: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(action)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.watch.errors[repr(task.exception())] += 1

    def moves_on(self, case: bytes, stage: int) -> bool:
        """Whether this is news: a topic may say it twice."""
        if self._stages.get(case, 0) >= stage:
            return False
        self._stages[case] = stage
        if stage == CLOSED:
            self.watch.close()
        return True

    def forget(self, case: bytes) -> None:
        self._stages[case] = ARCHIVED + 1
        self.watch.finish()

    def matter(self) -> dict[str, Any]:
        """What an order is about: no two are alike, so that none is taken for a duplicate of another."""
        number = self._made
        self._made += 1
        _, category = self.units[number % len(self.units)]
        return {
            "number": f"{self._prefix}{number:09d}",
            "category": category,
            "title": self._words(12),
            "content": self._words(60),
            "address": f"{self._words(4)}路{self._chance.randrange(1, 2000)}号",
            "region": self.regions[number % len(self.regions)],
        }

    def _words(self, length: int) -> str:
        return "".join(map(chr, self._chance.choices(range(0x4E00, 0x8E00), k=length)))

    def accepted(self, told: Mapping[str, Any], source: str, source_ref: str, door: str) -> None:
        line = {
            "status": "accepted",
            "case_id": told["case_id"],
            "number": told["number"],
            "source": source,
            "source_ref": source_ref,
            "door": door,
        }
        self._ledger.write(orjson.dumps(line).decode() + "\n")


class ByTopic(Play):
    """12345's feed, its call-backs and the hub's verdicts in batches, departments by topic.

    Call-backs go first: the door says of each row whether feedback knows of the work done yet, so that the verdicts
    that follow are never too early.
    """

    def __init__(self, spec: Mapping[str, Any], watch: Watch, http: Http, producer: Any, ledger: TextIO) -> None:
        super().__init__(spec, watch, http, producer, ledger)
        self.unit_of: dict[bytes, str] = {}
        self.refs: dict[bytes, str] = {}
        self._to_call_back: dict[bytes, float] = {}
        self._answered: set[bytes] = set()

    def topics(self) -> dict[str, int]:
        return super().topics() | {HOTLINE_REPLIES: SHARDS}

    async def start(self, number: int, due: float) -> None:
        orders = [order_of(self.matter()) for _ in range(number)]
        told = await self.http.post("orders", "intake", "/hotline/orders?format=push", self.hotline, orders)
        if told is None:
            return
        for rejected in told["rejected"]:
            self.watch.errors[f"order rejected: {rejected['field']} {rejected['why_en']}"] += 1
        for receipt in told["orders"]:
            case = receipt["case_id"].encode()
            self.refs[case] = receipt["source_ref"]
            self.watch.known(case, due)
            self.accepted(receipt, "hotline_12345", receipt["source_ref"], "hotline_json")

    def seen(self, topic: str, case: bytes, event: bytes, now: float) -> None:
        if topic == CASES:
            stage = STAGES.get(event)
            if stage is not None and self.moves_on(case, stage):
                self.acts(case, stage)
        elif topic == HOTLINE_REPLIES:
            if event == ANSWERED and case not in self._answered:
                self._answered.add(case)
                self._ends(case)
        elif event == CREATED and self.moves_on(case, ASSIGNED):
            self.watch.assigned(case, now)
            self.unit_of[case] = topic.partition(".")[2]
            self._report(case, f.ReportSignedIn.NAME, b'{"person":"0417"}')

    def acts(self, case: bytes, stage: int) -> None:
        if stage == SIGNED_IN:
            self._report(case, f.ReportProgressed.NAME, _PROGRESSED)
        elif stage == PROGRESSED:
            self._report(case, f.ReportDone.NAME, _DONE)
        elif stage == HANDLED:
            self._to_call_back[case] = 0.0
        elif stage == ARCHIVED:
            self._ends(case)

    def _ends(self, case: bytes) -> None:
        """Archived and answered, whichever is seen last."""
        if self._stages.get(case) == ARCHIVED and case in self._answered:
            self.forget(case)
            del self.unit_of[case], self.refs[case]

    def _report(self, case: bytes, name: str, data: bytes) -> None:
        unit = self.unit_of[case]
        event = (
            b'{"specversion":"1.0","id":"%b","source":"/units/%b","type":"cn.chuishao.%b","subject":"%b","time":"%b",'
            b'"datacontenttype":"application/json","data":%b}'
        ) % (str(uuid7()).encode(), unit.encode(), name.encode(), case, _now(), data)
        self.spawn(self.producer.send(reports_topic(unit), event, key=case))

    def running(self) -> list[Coroutine[Any, Any, None]]:
        return [self._call_back_all()]

    async def _call_back_all(self) -> None:
        """Calls back whatever has been handled; what feedback does not know of yet, once more a little later."""
        while True:
            now = time.monotonic()
            due = [case for case, at in self._to_call_back.items() if at <= now][:ROWS_AT_ONCE]
            if due:
                await self._call_back(due)
            await asyncio.sleep(CALL_BACK_SECONDS)

    async def _call_back(self, cases: Sequence[bytes]) -> None:
        for case in cases:
            del self._to_call_back[case]
        rows = [{"orderNum": self.refs.get(case, "?"), **CALLED_BACK} for case in cases]
        told = await self.http.post("callbacks", "feedback", "/hotline/callbacks", self.hotline, rows)
        answered = []
        for row in told["rows"] if told else ():
            case = cases[row["place"]]
            if row["became"] in ("accepted", "repeated"):
                answered.append(case)
            elif row["code"] in NOT_KNOWN_YET:
                self.watch.retries["callbacks"] += 1
                self._to_call_back[case] = time.monotonic() + AGAIN_SECONDS
            else:
                self.watch.errors[f"call-back {row['became']}: {row['code']}"] += 1
        if answered:
            self.spawn(self._judge(answered))

    async def _judge(self, cases: Sequence[bytes]) -> None:
        rows = [{"case": case.decode(), "ratings": [rating_of(self.unit_of[case])], "check": CHECK} for case in cases]
        told = await self.http.post("verdicts", "feedback", "/reviews/batch", self.staff(self.hub), rows)
        for said in told["said"] if told else ():
            if said["became"] == "refused":
                self.watch.errors[f"verdict refused: {said['code']}"] += 1


CHECK = {"passed": True, "note": CHECKED}
CALLED_BACK = {"visitIsContacted": "是", "visitIsSolved": "是", "visitIsSatisfaction": "满意"}
_PROGRESSED = orjson.dumps({"person": "0417", "note": NOTE, "contacted": True})
_DONE = orjson.dumps({"person": "0417", "result": RESULT, "evidence": [PHOTO]})


def rating_of(unit: str) -> dict[str, Any]:
    return {"unit": unit, "contact": 5, "speed": 4, "result": 5}


def order_of(matter: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "orderNum": matter["number"],
        "callerName": "李先生",
        "contactPhone": "13900000000",
        "appealType": "求助",
        "appealSubject": matter["title"],
        "appealContent": matter["content"],
        "category": matter["category"],
        "incidentAddress": matter["address"],
        "communityCode": matter["region"],
        "urgencyLevel": "一般",
    }


class _Clock:
    """The time as events write it; made anew when it has changed by a tenth of a second."""

    def __init__(self) -> None:
        self._at = 0.0
        self._written = b""

    def __call__(self) -> bytes:
        if time.monotonic() - self._at > 0.1:
            self._at, self._written = time.monotonic(), datetime.now(UTC).isoformat().encode()
        return self._written


_now = _Clock()
