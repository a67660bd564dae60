"""One case, one trace: through HTTP, the logs and Kafka, whatever is lost, repeated or typed by hand on the way."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from uuid_utils import uuid7

from services.workbench.clients import Credentials, Services
from shared.contracts.envelope import Envelope, decode
from shared.contracts.facts import ReportProgressed
from shared.contracts.topics import shard_of
from shared.contracts.vocabulary import ActorKind
from shared.runtime import problems, trace_export, tracing
from shared.runtime.consumer import to_input
from shared.runtime.decision import Fate, FromDeadLetter, FromTimer, Input, Letter, Outcome
from shared.runtime.door import Door, command
from shared.runtime.identity import Identity
from shared.runtime.memory import MemoryStore
from shared.runtime.relay import Relay, log_message, no_projection
from shared.runtime.road import Road
from shared.runtime.settings import ServiceSettings
from shared.runtime.trace_export import Export, Quiet, exporting
from shared.runtime.tracing import Place, Tracer, beginning_of, place_of
from tests.unit.runtime.test_relay import Topic, until
from tests.unit.runtime.toys import NOW, SpyOutlet, State, Toy, decide, from_door, from_log, report

CLIENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CLERK = Identity(kind=ActorKind.STAFF, person="王五")


def new_case() -> UUID:
    return UUID(bytes=uuid7().bytes)


@pytest.fixture
def told() -> Iterator[InMemorySpanExporter]:
    """Tracing is on; what was told."""
    exporter = InMemorySpanExporter()
    tracing.install(Tracer(Export(SimpleSpanProcessor(exporter))))
    yield exporter
    tracing.install(None)


def named(told: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in told.get_finished_spans() if span.name == name]


def attribute(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(f"chuishao.{name}")


def place(span: ReadableSpan) -> Place:
    assert span.context is not None
    return Place(span.context.trace_id, span.context.span_id)


def parent(span: ReadableSpan) -> Place | None:
    return Place(span.parent.trace_id, span.parent.span_id) if span.parent else None


def links(span: ReadableSpan) -> set[Place]:
    return {Place(link.context.trace_id, link.context.span_id) for link in span.links}


def by_service(told: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {attribute(span, "service"): span for span in named(told, "decide")}


class Hop:
    """A service of the loop: decides over memory and states each note again, on its own topic."""

    def __init__(self, name: str, topic: str) -> None:
        self.name = name
        self.topic = topic
        self.store = MemoryStore(lambda: NOW)
        self.outlet = SpyOutlet()
        self.road: Road[State] = Road(name, self.store, Toy(self.store).states, decide, self.outlet)

    async def hears(self, other: "Hop") -> list[Outcome]:
        """All that the other's topic holds arrives in one poll, what it heard before too."""
        rows = [row for rows in other.store.tables.log.values() for row in rows]
        messages = [log_message(other.topic, row) for row in rows]
        inputs = [
            to_input(Letter(one.topic, one.partition or 0, row.sequence, one.value, one.headers))
            for one, row in zip(messages, rows, strict=True)
        ]
        with tracing.poll(self.name, inputs):
            return await self.road.travel(inputs)

    def stated(self) -> list[Envelope]:
        return [decode(row.event) for rows in self.store.tables.log.values() for row in rows]


class Loop:
    """Intake, router, sla and feedback."""

    def __init__(self) -> None:
        self.intake, self.router = Hop("intake", "whistles"), Hop("router", "cases")
        self.sla, self.feedback = Hop("sla", "deadlines"), Hop("feedback", "feedback")

    async def take(self, *cases: UUID) -> None:
        """These whistles, all the way round."""
        await self.intake.road.travel([from_door(f"note {case}", case_id=case) for case in cases])
        for hearing, other in ((self.router, self.intake), (self.sla, self.router), (self.feedback, self.router)):
            outcomes = await hearing.hears(other)
            assert {outcome.fate for outcome in outcomes} == {Fate.DONE}


async def test_a_case_is_one_trace_and_each_decision_hangs_on_the_one_it_followed_from(
    told: InMemorySpanExporter,
) -> None:
    case, loop = new_case(), Loop()
    await loop.take(case)
    await loop.feedback.hears(loop.sla)

    decisions = named(told, "decide")
    assert {place(span).trace for span in decisions} == {case.int}
    intake, router, sla, *feedback = decisions
    assert [attribute(span, "service") for span in decisions] == ["intake", "router", "sla", "feedback", "feedback"]
    assert parent(intake) is None
    assert place(intake) == beginning_of(case.int)
    assert parent(router) == place(intake)
    assert parent(sla) == place(router)
    assert [parent(span) for span in feedback] == [place(router), place(sla)]
    assert dict(router.attributes or {}) == {
        "chuishao.service": "router",
        "chuishao.message": "ReportProgressed",
        "chuishao.origin": "FromLog",
        "chuishao.fate": "done",
        "chuishao.shard": shard_of(case),
        "chuishao.appended": 1,
        "chuishao.log": "whistles",
        "chuishao.sequence": 1,
    }


async def test_an_event_carries_the_decision_that_stated_it(told: InMemorySpanExporter) -> None:
    loop = Loop()
    await loop.take(new_case())
    for hop in (loop.intake, loop.router, loop.sla):
        assert [one.traceparent for one in hop.stated()] == [place(by_service(told)[hop.name]).traceparent]


async def test_two_cases_in_one_batch_are_two_traces_and_the_batch_is_linked_to_both(
    told: InMemorySpanExporter,
) -> None:
    one, other = new_case(), new_case()
    await Loop().take(one, other)

    batches = {attribute(span, "service"): span for span in named(told, "batch")}
    assert len({place(span).trace for span in batches.values()} | {one.int, other.int}) == 6
    for service, batch in batches.items():
        decisions = [span for span in named(told, "decide") if attribute(span, "service") == service]
        assert {place(span).trace for span in decisions} == {one.int, other.int}
        assert links(batch) == {place(span) for span in decisions}
        assert all(place(batch) in links(span) for span in decisions)
        assert (attribute(batch, "inputs"), attribute(batch, "appended")) == (2, 2)
    polls = {attribute(span, "service"): span for span in named(told, "poll")}
    stating = {"router": "intake", "sla": "router", "feedback": "router"}
    for service, poll in polls.items():
        assert parent(batches[service]) == place(poll)
        stated = [span for span in named(told, "decide") if attribute(span, "service") == stating[service]]
        assert links(poll) == {place(span) for span in stated}
    assert polls.keys() == stating.keys()
    assert parent(batches["intake"]) is None


async def test_a_batch_links_more_decisions_than_opentelemetry_keeps_by_itself(told: InMemorySpanExporter) -> None:
    cases = [new_case() for _ in range(500)]
    await Loop().intake.road.travel([from_door(f"note {case}", case_id=case) for case in cases])
    (batch,) = named(told, "batch")
    assert {one.trace for one in links(batch)} == {case.int for case in cases}


async def test_what_is_delivered_again_belongs_to_the_same_trace(told: InMemorySpanExporter) -> None:
    case, loop = new_case(), Loop()
    await loop.take(case)
    first = by_service(told)["router"]
    assert [outcome.fate for outcome in await loop.router.hears(loop.intake)] == [Fate.REPEAT]

    decisions = [span for span in named(told, "decide") if attribute(span, "service") == "router"]
    assert {place(span).trace for span in decisions} == {case.int}
    assert [attribute(span, "fate") for span in decisions] == ["done", "repeat"]
    assert parent(decisions[1]) == parent(first)


async def test_a_request_that_is_sent_again_begins_no_trace(told: InMemorySpanExporter) -> None:
    intake = Hop("intake", "whistles")
    case = new_case()
    for given in (case, new_case()):
        await intake.road.travel([from_door("note", "one key", case_id=given)])
    assert [place(span).trace for span in named(told, "decide")] == [case.int]


async def test_a_transaction_that_is_tried_again_leaves_one_decision_and_the_failure(
    told: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Toy()
    save, failures = toy.states.save, [OSError("the connection is lost")]

    async def lost_once(transaction: Any, states: Any) -> None:
        if failures:
            raise failures.pop()
        await save(transaction, states)

    monkeypatch.setattr(toy.states, "save", lost_once)
    monkeypatch.setattr(toy.store, "is_transient", lambda error: isinstance(error, OSError))
    await toy.road.travel([from_door("note")])

    failed, done = named(told, "batch")
    (decision,) = named(told, "decide")
    assert (failed.status.is_ok, links(failed), (failed.attributes or {})["error.type"]) == (False, set(), "OSError")
    assert links(done) == {place(decision)}
    (row,) = toy.outlet.offered
    assert decode(row.event).traceparent == place(decision).traceparent


async def test_what_time_or_a_replay_brings_about_hangs_on_the_case(told: InMemorySpanExporter) -> None:
    case, loop = new_case(), Loop()
    await loop.take(case)
    told.clear()
    message = ReportProgressed(note="time is up")

    async def due(_transaction: Any, _now: datetime) -> Sequence[Input[Any]]:
        return [Input(case, message, "t", FromTimer())]

    await loop.sla.road.travel_found([shard_of(case)], due)
    # A department that knows nothing of traces reports, is refused, and is heard after all.
    written = replace(report("a refused report", 7), case_id=case)
    await loop.router.road.travel([written])
    again = replace(written, message=message, origin=FromDeadLetter(1))
    assert (await loop.router.road.travel([again]))[0].fate is Fate.DONE

    decisions = named(told, "decide")
    assert [(attribute(one, "origin"), attribute(one, "fate")) for one in decisions] == [
        ("FromTimer", "done"),
        ("FromDoor", "refused"),
        ("FromDeadLetter", "done"),
    ]
    assert {parent(span) for span in decisions} == {beginning_of(case.int)}
    assert attribute(decisions[1], "refusal") == "no"


@pytest.mark.parametrize(
    "said",
    [
        CLIENT,
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "张三 13800138000",
        None,
    ],
)
async def test_no_traceparent_of_others_takes_a_case_out_of_its_trace(
    told: InMemorySpanExporter, said: str | None
) -> None:
    case, router = new_case(), Hop("router", "cases")
    await router.road.travel([replace(report("by hand", 1), case_id=case, traceparent=said)])
    (decision,) = named(told, "decide")
    assert place(decision).trace == case.int
    assert parent(decision) == beginning_of(case.int)
    assert (place_of(said) in links(decision)) == (said == CLIENT)


async def test_what_names_no_case_is_decided_without_a_trace(told: InMemorySpanExporter) -> None:
    router = Hop("router", "cases")
    unreadable = to_input(Letter("reports.x", 0, 1, "张三".encode()))
    assert (await router.road.travel([unreadable]))[0].fate is Fate.BURIED
    assert told.get_finished_spans() == ()


async def test_publishing_is_linked_to_the_decisions_it_publishes(told: InMemorySpanExporter) -> None:
    store, topic = MemoryStore(lambda: NOW), Topic()
    relay = Relay("toy", "log", store, topic, no_projection)
    road: Road[State] = Road("toy", store, Toy(store).states, decide, relay)
    cases = [UUID(int=(new_case().int // 12) * 12) for _ in range(3)]  # all of shard 0
    forging = '","traceparent":"00-' + "1" * 32 + "-" + "2" * 16 + '-01","data":{'
    await road.travel([from_door(f"{number} {forging}", case_id=case) for number, case in enumerate(cases)])
    topic.failures.append(0)
    relay.want({0})
    running = asyncio.create_task(relay.run())
    await until(lambda: len(topic.sent) == 3)
    relay.stop()
    await asyncio.wait_for(running, 10)

    failed, done = named(told, "publish")
    assert links(failed) == links(done) == {place(span) for span in named(told, "decide")}
    assert (failed.status.is_ok, done.status.is_ok) == (False, True)
    assert (done.attributes or {})["messaging.batch.message_count"] == 3


# --- HTTP


@asynccontextmanager
async def served(toy: Toy, case: UUID) -> AsyncIterator[httpx.AsyncClient]:
    """A door at `/cases/<anything>/notes`, which asks another service first."""
    app, door = FastAPI(), Door(toy.road)
    problems.install(app)
    upstream = httpx.MockTransport(lambda asked: httpx.Response(200, json=dict(asked.headers)))
    services = Services({"router": "http://router"}, Credentials("", lambda: "hub", lambda: NOW), upstream)

    @app.post("/cases/{name}/notes")
    async def say(name: str, said: ReportProgressed, request: Request) -> Any:
        sent = await services.statistics()
        outcome = await door.submit(command(case, said, request, CLERK))
        return {"fate": outcome.fate, "sent": sent.get("traceparent")}

    @app.get("/health/live")
    async def live() -> None: ...

    task = asyncio.create_task(door.run())
    transport = httpx.ASGITransport(app=tracing.requests(app, "toy"))
    async with httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
        yield client
    task.cancel()
    await asyncio.gather(task, services.close(), return_exceptions=True)


async def test_a_request_is_linked_to_its_client_and_its_decision_to_it(told: InMemorySpanExporter) -> None:
    case, toy = new_case(), Toy()
    async with served(toy, case) as client:
        await client.get("/health/live")
        answer = await client.post("/cases/HA20260302000017/notes", json={"note": "n"}, headers={"traceparent": CLIENT})
    assert answer.json()["fate"] == "done"

    (request,) = named(told, "POST /cases/{name}/notes")
    (decision,), (call,) = named(told, "decide"), named(told, "call router")
    assert links(request) == {place_of(CLIENT)}
    assert place(request).trace not in {case.int, place(decision).span}
    assert place(decision) == beginning_of(case.int)
    assert place(request) in links(decision)
    assert parent(call) == place(request)
    assert answer.json()["sent"] == place(call).traceparent
    assert (request.attributes or {})["http.response.status_code"] == 200
    assert named(told, "GET /health/live") == []


SECRETS = ("张三", "13800138000", "漏水", "hush", "WBGHVJ", "k-secret", "王五", "HA20260302000017")


async def test_no_span_holds_a_text_a_person_or_an_address(told: InMemorySpanExporter) -> None:
    case, toy, words = new_case(), Toy(), "张三 13800138000 漏水 "
    async with served(toy, case) as client:
        for note in ("", "refused", "poison", "spoilt", "large"):
            headers = {"Idempotency-Key": f"k-secret-{note}", "traceparent": "hush", "tracestate": "hush=1"}
            await client.post(
                "/cases/HA20260302000017/notes?token=WBGHVJ", json={"note": words + note}, headers=headers
            )
        await client.post("/cases/WBGHVJ/elsewhere", content=words.encode())
        await client.request("张三".encode().hex().upper(), "/cases/WBGHVJ/notes")
    for offset, note in enumerate(("", "refused", "poison", "spoilt", "large")):
        await toy.road.travel([replace(report(words + note, offset), case_id=case, traceparent="hush")])
    toy.states.unreadable = True
    await toy.road.travel([from_door(words, "k-secret")])

    spans = told.get_finished_spans()
    fates = {attribute(span, "fate") for span in spans} - {None}
    assert {Fate.DONE, Fate.REFUSED, Fate.BURIED, Fate.FAILED} <= fates
    shown = "\n".join(span.to_json() for span in spans).encode().decode("unicode_escape")
    assert [secret for secret in SECRETS if secret in shown] == []


# --- sampling


def test_a_share_of_the_cases_is_traced() -> None:
    tracer = Tracer(lambda span: None, 0.25)
    sampled = sum(tracer.samples(new_case().int) for _ in range(8_000))
    assert 1_700 < sampled < 2_300
    assert not Tracer(lambda span: None, 0.0).samples(0)
    assert Tracer(lambda span: None, 1.0).samples(2**128 - 1)


async def test_a_case_is_traced_wholly_or_not_at_all() -> None:
    exporter = InMemorySpanExporter()
    tracer = Tracer(Export(SimpleSpanProcessor(exporter)), 0.5)
    tracing.install(tracer)
    try:
        cases, loop, toy = [new_case() for _ in range(60)], Loop(), Toy()
        await loop.take(*cases)
        for case in cases:
            async with served(toy, case) as client:
                await client.post("/cases/x/notes", json={"note": "n"}, headers={"traceparent": CLIENT})
    finally:
        tracing.install(None)
    traced = {case.int for case in cases if tracer.samples(case.int)}
    assert 0 < len(traced) < len(cases)
    for service in ("intake", "router", "sla", "feedback", "toy"):
        found = [place(span) for span in named(exporter, "decide") if attribute(span, "service") == service]
        assert sorted(one.trace for one in found) == sorted(traced)
    # The request that a traced case came of is told of, whatever its own trace id is.
    told = {place(span) for span in named(exporter, "POST /cases/{name}/notes")}
    asked = [links(span) for span in named(exporter, "decide") if attribute(span, "service") == "toy"]
    assert all(told & found for found in asked)
    assert tracer.requests == {}
    passed_on = {one.subject.int: one.traceparent for one in loop.intake.stated() if one.subject.int not in traced}
    assert set(passed_on.values()) == {None}


# --- off


async def test_off_the_clients_context_is_passed_on_as_it_came() -> None:
    toy = Toy()
    async with served(toy, new_case()) as client:
        answer = await client.post("/cases/x/notes", json={"note": "n"}, headers={"traceparent": CLIENT})
    assert answer.json() == {"fate": "done", "sent": None}
    await toy.road.travel([replace(from_log(1), traceparent="anything")])
    assert [decode(row.event).traceparent for row in toy.outlet.offered] == [CLIENT, "anything"]


def test_off_opentelemetry_is_not_loaded() -> None:
    """Its API alone is: FastAPI asks for that."""
    program = """
import sys
import threading
import services.intake.main, services.router.main, services.sla.main, services.feedback.main, services.workbench.main
from shared.runtime import tracing
from shared.runtime.settings import ServiceSettings
with tracing.by(ServiceSettings(), "toy", "1"):
    assert tracing.requests(print, "toy") is print
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "requests"))])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env={})
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")


# --- sending


class Said:
    """A logger that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def info(self, line: str, **_values: object) -> None:
        self.lines.append(("info", line))

    def warning(self, line: str, **_values: object) -> None:
        self.lines.append(("warning", line))


class Flaky(SpanExporter):
    def __init__(self, *results: SpanExportResult) -> None:
        self.results = list(results)

    def export(self, spans: Collection[ReadableSpan]) -> SpanExportResult:
        return self.results.pop(0)


def test_a_receiver_that_is_away_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Said()
    monkeypatch.setattr(trace_export, "logger", said)
    well, away = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
    quiet = Quiet(Flaky(well, away, away, away, well, well), "http://x")
    for _ in range(6):
        quiet.export([ReadableSpan("span")])
    assert [kind for kind, _ in said.lines] == ["warning", "info"]


async def test_a_receiver_that_never_answers_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the work nor the stop, though far more is told than may wait."""
    said, threads = Said(), set(threading.enumerate())
    monkeypatch.setattr(trace_export, "logger", said)
    monkeypatch.setattr(trace_export, "MOST_WAITING", 600)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = ServiceSettings(traces="otlp", traces_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}")
        toy, slowest = Toy(), 0.0
        with tracing.by(settings, "toy", "1"):
            for number in range(10):
                batch = [from_door(f"{number} {one}", case_id=new_case()) for one in range(200)]
                began = time.monotonic()
                outcomes = await toy.road.travel(batch)
                slowest = max(slowest, time.monotonic() - began)
                assert {outcome.fate for outcome in outcomes} == {Fate.DONE}
            began = time.monotonic()
        assert time.monotonic() - began < trace_export.STOP_SECONDS + 1
        assert slowest < trace_export.ANSWER_SECONDS, "it waited for the receiver"
    app: Any = SimpleNamespace()
    assert tracing.requests(app, "toy") is app, "tracing is off again"
    # The receiver is gone now. Whoever still tries draws random numbers meanwhile, which other tests would see.
    ended_by = time.monotonic() + 60
    while set(threading.enumerate()) - threads:
        assert time.monotonic() < ended_by, threading.enumerate()
        await asyncio.sleep(0.05)
    assert [kind for kind, _ in said.lines] == ["warning"]


async def test_a_span_that_cannot_be_told_does_not_undo_the_work() -> None:
    def broken(_span: tracing.Span) -> None:
        raise RuntimeError("a bug of ours")

    tracing.install(Tracer(broken))
    try:
        assert [outcome.fate for outcome in await Toy().road.travel([from_door("note")])] == [Fate.DONE]
    finally:
        tracing.install(None)


def test_exporting_needs_an_address() -> None:
    with pytest.raises(ValueError, match="traces_endpoint"):
        ServiceSettings(traces="otlp", traces_endpoint="collector:4318")
    with exporting("toy", "1", "http://127.0.0.1:9", 1.0):
        pass
