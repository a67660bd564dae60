"""What is measured is what happened, and no label grows with what outsiders send."""

import asyncio
import random
import string
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka import TopicPartition
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase
from starlette.types import Receive, Scope, Send

from deploy.documents.metrics import OF_ALL, declared, labels_of
from deploy.local.processes import SERVICES
from shared.contracts.envelope import encode
from shared.contracts.facts import ReportProgressed
from shared.runtime import metrics, problems
from shared.runtime.consumer import Consumer, to_input
from shared.runtime.decision import Decision, FromDeadLetter, FromTimer, Input
from shared.runtime.memory import Away, MemoryStore
from shared.runtime.relay import Message, message_for
from shared.runtime.requests import MeasuredRequests
from shared.runtime.road import BY_TIMER
from shared.runtime.settings import KafkaSettings
from tests.measured import shown
from tests.unit.runtime.test_codec import EVENT
from tests.unit.runtime.test_consumer import Record
from tests.unit.runtime.test_relay import Process, Topic, until
from tests.unit.runtime.toys import CASE, NOW, Toy, from_door, from_log, report

NAMES_OF_PEOPLE = {
    "case",
    "case_id",
    "number",
    "id",
    "person",
    "actor",
    "phone",
    "name",
    "reporter",
    "address",
    "event",
}


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def label_sets(metric: MetricWrapperBase) -> set[tuple[str, ...]]:
    return {labels for suffix in ("", "_count") for labels in shown(metric, suffix)}


@pytest.fixture(autouse=True)
def _afresh() -> None:
    for metric in declared(metrics):
        metric.clear()


# --- what the labels may say


def _modules() -> list[Any]:
    names = [OF_ALL, *(service.beside("metrics") for service in SERVICES)]
    return [import_module(name) for name in names if find_spec(name) is not None]


@pytest.mark.parametrize("module", _modules(), ids=lambda module: module.__name__)
def test_every_label_says_one_of_few_things_and_nothing_of_a_case_or_a_person(module: Any) -> None:
    assert declared(module)
    for metric in declared(module):
        values = {label: metrics.values_of(metric, label, labels_of(module)) for label in metric._labelnames}
        assert not NAMES_OF_PEOPLE & values.keys(), metrics.name_of(metric)
        assert all(0 < found.most <= 2_000 and (found.words or found.what) for found in values.values())


def test_a_label_nobody_has_said_anything_of_is_a_fault() -> None:
    with pytest.raises(KeyError, match=r"chuishao_inputs_total\.colour is not in LABELS"):
        metrics.values_of(metrics.INPUTS, "colour", {})


def _check_words() -> None:
    """What is shown now is what `LABELS` allows."""
    for metric in declared(metrics):
        for labels in label_sets(metric):
            for label, said in zip(metric._labelnames, labels, strict=True):
                words = metrics.values_of(metric, label, metrics.LABELS).words
                assert not words or said in words, (metrics.name_of(metric), label, said)
        for place, label in enumerate(metric._labelnames):
            distinct = {labels[place] for labels in label_sets(metric)}
            assert len(distinct) <= metrics.values_of(metric, label, metrics.LABELS).most


# --- the road


class LosesSome(MemoryStore):
    """The first commits fail."""

    failures = 0

    def check(self) -> None:
        super().check()
        if self.failures:
            self.failures -= 1
            raise Away("once more")


async def test_a_batch_is_counted_once_it_is_committed() -> None:
    store = LosesSome(lambda: NOW)
    toy = Toy(store)
    store.failures = 1
    await toy.road.travel([from_log(1), from_log(2), from_log(2), from_log(3, "refused"), from_log(4, "poison")])

    assert sample("chuishao_retries_total", service="toy") == 1
    assert sample("chuishao_batch_size_sum", service="toy") == 5
    assert sample("chuishao_log_appended_total", service="toy") == 2
    fates = {fate: sample("chuishao_inputs_total", service="toy", type="ReportProgressed", fate=fate) for fate in
             ("done", "repeat", "refused", "buried")}  # fmt: skip
    assert fates == {"done": 2, "repeat": 1, "refused": 1, "buried": 1}
    assert sample("chuishao_dead_letters_total", service="toy", kind="refused") == 1
    assert sample("chuishao_dead_letters_total", service="toy", kind="failed") == 1
    assert sample("chuishao_dead_letters_total", service="toy", kind="unreadable") == 0
    _check_words()


async def test_what_is_rolled_back_for_good_is_not_counted() -> None:
    toy = Toy()
    toy.store.away = True
    with pytest.raises(Exception, match="away"):
        await toy.road.travel([from_log(1)], patience=0.0)

    assert sample("chuishao_log_appended_total", service="toy") == 0
    assert sample("chuishao_travel_seconds_count", service="toy", door="log") == 0


async def test_each_decision_is_measured_by_its_message_also_one_that_raises() -> None:
    toy = Toy()
    await toy.road.travel([from_log(1), from_log(1), from_log(2, "poison")])

    measured = {"service": "toy", "type": "ReportProgressed"}
    assert sample("chuishao_handler_seconds_count", **measured) == 2  # the repeat is not decided
    assert 0 < sample("chuishao_handler_seconds_sum", **measured) < 1


@pytest.mark.parametrize(
    ("item", "door"),
    [
        (from_door("a"), "http"),
        (from_log(1), "log"),
        (report("a", 1), "reports"),
        (replace(from_door("a"), origin=FromTimer()), "own"),
        (report("a", 1, origin=FromDeadLetter(1)), "dead_letter"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
async def test_travels_are_measured_by_the_door_retries_included(item: Input[Any], door: str) -> None:
    store, now = LosesSome(lambda: NOW), 0.0
    store.failures = 2

    def monotonic() -> float:
        nonlocal now
        now += 1
        return now

    await Toy(store, monotonic).road.travel([item])

    assert sample("chuishao_travel_seconds_count", service="toy", door=door) == 1
    assert sample("chuishao_travel_seconds_sum", service="toy", door=door) >= 1
    _check_words()


async def test_what_a_timer_finds_is_measured_and_a_look_in_vain_is_not() -> None:
    toy, due = Toy(), [replace(from_door("a"), origin=FromTimer())]

    async def find(_transaction: Any, _now: Any) -> list[Input[Any]]:
        return due

    await toy.road.travel_found({0}, find)
    due = []
    await toy.road.travel_found({0}, find)

    assert sample("chuishao_travel_seconds_count", service="toy", door=BY_TIMER) == 1


async def test_however_many_kinds_of_messages_there_are_the_labels_are_few() -> None:
    toy = Toy()
    toy.road._decide = lambda _state, _item, _now: Decision()
    for number in range(metrics.MOST_TYPES * 2):
        message = type(f"Unknown{number}", (), {})()
        await toy.road.travel([Input(CASE, message, f"{number}", FromTimer())])

    types = {labels[1] for labels in label_sets(metrics.INPUTS)} | {
        labels[1] for labels in label_sets(metrics.DECIDING)
    }
    assert len(types) == metrics.MOST_TYPES + 1
    assert metrics.OTHER in types
    _check_words()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.text(max_size=30), st.integers(0, 11))
def test_whatever_is_sent_to_a_topic_makes_no_label(value: bytes, name: str, partition: int) -> None:
    event = encode(EVENT).replace(b"cn.chuishao.", f"cn.{name}.".encode())
    sent = [to_input(Record("cases", bytes_, (), partition, 1)) for bytes_ in (value, event)]
    sent += [to_input(Record("reports.x", bytes_, (), 0, 1)) for bytes_ in (value, event)]
    toy = Toy()
    asyncio.run(toy.road.travel([replace(item, origin=FromTimer()) for item in sent if item.unreadable]))

    assert {labels[1] for labels in label_sets(metrics.INPUTS)} <= {"unreadable"}


# --- the relay


async def test_the_relay_s_rounds_are_measured() -> None:
    store, topic = MemoryStore(lambda: NOW), Topic()
    topic.failures = [0]
    acknowledged: list[int] = []
    process = Process(store, topic, lambda envelope: [message_for("outside", envelope.subject, b"{}")])
    process.relay._acknowledge = lambda rows: acknowledged.extend(row.sequence for row in rows)
    process.relay.want({0, 1})
    async with process.running():
        await process.road.travel([from_door("a"), from_door("b")])
        await until(lambda: len(topic.sent) == 4)
        await until(lambda: sample("chuishao_log_published_total", service="toy") == 2)
        assert sample("chuishao_relay_shards", service="toy") == 2
        process.relay.want({0})
        await until(lambda: sample("chuishao_relay_shards", service="toy") == 1)

    assert sample("chuishao_relay_shards", service="toy") == 0
    assert sample("chuishao_publish_failures_total", service="toy") == 1
    assert sample("chuishao_published_batch_size_sum", service="toy") == 4  # with what outsiders are told
    assert sample("chuishao_publish_seconds_count", service="toy") == sample(
        "chuishao_published_batch_size_count", service="toy"
    )
    assert acknowledged == [1, 2]


async def test_what_was_not_acknowledged_is_not_told_to_be() -> None:
    class Never(Topic):
        async def publish(self, messages: Any) -> None:
            self.sent.append(Message("tried", None, None, None, ()))
            raise OSError("the broker is away")

    store, topic, told = MemoryStore(lambda: NOW), Never(), list[Any]()
    process = Process(store, topic)
    process.relay._acknowledge = told.append
    process.relay.want({0})
    task = asyncio.create_task(process.relay.run())
    await process.road.travel([from_door("a")])
    await until(lambda: len(topic.sent) > 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert told == []
    assert sample("chuishao_log_published_total", service="toy") == 0


# --- the consumer


class Client:
    """Says how far each partition goes."""

    def __init__(self, ends: dict[TopicPartition, int]) -> None:
        self.ends = ends

    def highwater(self, at: TopicPartition) -> int | None:
        return self.ends.get(at)

    async def commit(self, _offsets: Any) -> None: ...


async def test_lag_is_of_the_partitions_read_now_and_falls_to_nothing_with_them() -> None:
    first, second, reports = (TopicPartition(*place) for place in (("cases", 0), ("cases", 1), ("reports.x", 0)))
    consumer = Consumer(
        "toy", KafkaSettings(), ["cases"], Toy().road, lambda _shards: None, 5.0, clock=lambda: 1_000.0
    )  # fmt: skip
    consumer._kafka = Client({first: 10, second: 30, reports: 7})
    await consumer.on_partitions_assigned([first, second, reports])
    assert sample("chuishao_consumer_partitions", service="toy") == 3
    consumer._read = {first: 4, second: 29, reports: 7}
    consumer._stated = {first: 970.0, second: 990.0, reports: 10.0}
    consumer.measure_lag()

    def lag(topic: str) -> tuple[float, float]:
        return (
            sample("chuishao_consumer_lag_messages", service="toy", topic=topic),
            sample("chuishao_consumer_lag_seconds", service="toy", topic=topic),
        )

    assert lag("cases") == (7, 30.0)
    assert lag("reports") == (0, 0.0)  # old, but nothing waits
    assert consumer.lag == 7

    await consumer.on_partitions_revoked([first, second])
    assert sample("chuishao_consumer_partitions", service="toy") == 1
    consumer.measure_lag()
    assert lag("cases") == (0, 0.0)
    assert label_sets(metrics.LAG) == {("toy", "cases"), ("toy", "reports")}
    _check_words()


# --- the doors


def _app() -> FastAPI:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(MeasuredRequests, service="toy")

    @app.get("/cases/{case_id}")
    async def case(case_id: str) -> dict[str, str]:
        if case_id == "broken":
            raise RuntimeError("our own fault")
        return {"case": case_id}

    @app.post("/notes")
    async def note(said: ReportProgressed) -> dict[str, str]:
        return {"note": said.note}

    return app


async def _ask(app: FastAPI, *asked: tuple[str, str]) -> list[int]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
        return [(await client.request(method, path)).status_code for method, path in asked]


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/cases/4711", ("GET", "/cases/{case_id}", "200")),
        ("GET", "/cases/broken", ("GET", "/cases/{case_id}", "500")),
        ("POST", "/notes", ("POST", "/notes", "422")),
        ("DELETE", "/cases/4711", ("DELETE", "/cases/{case_id}", "405")),
        ("GET", "/nowhere/4711", ("GET", "unknown", "404")),
        ("BREW", "/nowhere", ("other", "unknown", "404")),
    ],
)
async def test_a_request_is_counted_by_its_route_also_one_that_raises(
    method: str, path: str, labels: tuple[str, str, str]
) -> None:
    [status] = await _ask(_app(), (method, path))

    assert str(status) == labels[2]
    assert label_sets(metrics.REQUESTS) == {("toy", *labels)}
    assert sample("chuishao_http_requests_under_way", service="toy") == 0
    _check_words()


async def test_a_hostile_client_makes_no_series() -> None:
    chance, app = random.Random(7), _app()
    letters = string.ascii_letters + string.digits + "{}-_.~%/"
    asked = [
        (
            "".join(chance.choices(string.ascii_uppercase, k=chance.randint(1, 9))) if chance.random() < 0.5 else "GET",
            chance.choice(["/", "/cases/", "/notes/", "/metrics/"]) + "".join(chance.choices(letters, k=12)),
        )
        for _ in range(1_500)
    ]
    asked += [("GET", f"/cases/{uuid4()}") for _ in range(200)]
    statuses = await _ask(app, *asked)

    assert len(set(statuses)) >= 3
    assert len(label_sets(metrics.REQUESTS)) <= (len(metrics.METHODS) + 1) * 3
    _check_words()


async def test_requests_under_way_are_those_not_answered_yet() -> None:
    seen: list[float] = []
    answer, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go_on.wait()  # a stream that is open
        await send({"type": "http.response.body", "body": b""})

    async def nowhere(*_: Any) -> Any: ...

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asked = [asyncio.create_task(MeasuredRequests(slow, "toy")(dict(scope), nowhere, nowhere)) for _ in range(3)]
    await asyncio.sleep(0)
    seen.append(sample("chuishao_http_requests_under_way", service="toy"))
    asked[0].cancel()
    await asyncio.gather(asked[0], return_exceptions=True)
    seen.append(sample("chuishao_http_requests_under_way", service="toy"))
    answer.set()
    await until(lambda: sample("chuishao_http_requests_under_way", service="toy") == 0)
    go_on.set()
    await asyncio.gather(*asked[1:])

    assert seen == [3, 2]
    assert sample("chuishao_http_requests_under_way", service="toy") == 0
    answered = {"service": "toy", "method": "GET", "route": "unknown", "status": "200"}
    assert sample("chuishao_http_request_seconds_count", **answered) == 2  # who was gone was not answered


def test_the_build_is_told_once() -> None:
    metrics.tell_build("toy", "1.2.3")
    metrics.tell_build("toy", "1.2.3")
    [labels] = label_sets(metrics.BUILD_INFO)

    assert labels[:2] == ("toy", "1.2.3")
    assert sample("chuishao_build_info", service="toy", release="1.2.3", python=labels[2]) == 1
