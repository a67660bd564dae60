"""Tracing: one case is one trace, and the trace's id is the case's. Off unless `CHUISHAO_TRACES` says otherwise.

A trace id has as many bits as a case id, so whoever handles a case finds its trace without being told: after days, a
crash, a redelivery, or a report that a person typed. What an event carries in `traceparent` is the decision that stated
it, which is the parent of what others decide because of it. A batch, a poll, a publish and a request concern many cases
or none: each is a trace of its own, with links to the decisions it was for.

Spans are told when the work is over and committed, so a decision that is rolled back leaves none. They name messages,
fates and places in logs; never a text, a person, or an address that was asked for. Switched off, a batch costs one
comparison at each of these places, an input none, and OpenTelemetry's SDK is not imported.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from random import getrandbits
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import structlog
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.runtime.decision import Fate, FromDoor, FromLog, Input, Outcome
from shared.runtime.log import Row
from shared.runtime.settings import ServiceSettings

logger = structlog.get_logger(__name__)

Kind: TypeAlias = Literal["internal", "server", "client", "producer", "consumer"]
_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
# Where `encode` writes it, right before the data. No text can hold this: its quotes would be escaped.
_IN_EVENT = re.compile(rb'"traceparent":"([0-9a-f-]{55})","data":\{')
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNWATCHED = ("/health/", "/metrics", "/static/")
_LOW_BITS = 0xFFFF_FFFF

WITHOUT_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI's own tells exceptions' words, which may be people's. What requests tell is told here and by `metrics`."""


@dataclass(frozen=True, slots=True)
class Place:
    """A span's place: 128 bits of trace, 64 of span, neither 0."""

    trace: int
    span: int

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace:032x}-{self.span:016x}-01"


@dataclass(slots=True)
class Span:
    """A piece of work that is over. `began` and `ended` in nanoseconds of Unix time."""

    name: str
    kind: Kind
    place: Place
    parent: Place | None = None
    links: list[Place] = field(default_factory=list)
    attributes: dict[str, str | int] = field(default_factory=dict)
    began: int = field(default_factory=time.time_ns)
    ended: int = 0
    failed: bool = False


def place_of(traceparent: str | None) -> Place | None:
    """The place that a `traceparent` names; None for anything W3C does not call valid."""
    found = _PARENT.fullmatch(traceparent) if traceparent else None
    if found is None:
        return None
    trace, span = int(found[1], 16), int(found[2], 16)
    return Place(trace, span) if trace and span else None


def beginning_of(case: int) -> Place:
    """Where a case's trace begins. What nothing led to but time or a person hangs here."""
    return Place(case, case & (2**64 - 1) or 1)


def _new_span() -> int:
    return getrandbits(64) or 1


def _new_trace() -> Place:
    return Place(getrandbits(128) or 1, _new_span())


_around: ContextVar[Place | None] = ContextVar("around", default=None)
"""The poll or request that this task works for."""


class Tracer:
    """Tells spans to `emit`, which must not block. `ratio`: the share of cases that are traced, each wholly or not."""

    def __init__(self, emit: Callable[[Span], None], ratio: float = 1.0) -> None:
        self._emit = emit
        self._below = ratio * (_LOW_BITS + 1)
        self.requests: dict[Place, bool] = {}
        """Requests in hand, and whether a traced case came of them: then they are told of, too."""

    def samples(self, trace: int) -> bool:
        """Every service finds the same: the low bits of a UUIDv7 are random."""
        return (trace & _LOW_BITS) < self._below

    def tell(self, span: Span) -> None:
        span.ended = span.ended or time.time_ns()
        try:
            self._emit(span)
        except Exception as error:  # noqa: BLE001 - whatever it was, the work is done and must not be done again
            logger.warning("a span could not be told", span=span.name, error=repr(error))


_tracer: Tracer | None = None
_OFF: AbstractContextManager[None] = nullcontext()
_NO_HEADERS: AbstractContextManager[Mapping[str, str]] = nullcontext({})


def install(tracer: Tracer | None) -> None:
    """Trace with this; None switches tracing off."""
    global _tracer  # noqa: PLW0603 - one per process
    _tracer = tracer


def by(settings: ServiceSettings, service: str, release: str) -> AbstractContextManager[None]:
    """While the service runs: tracing as its settings say."""
    if settings.traces == "off":
        return _OFF
    from shared.runtime.trace_export import exporting  # OpenTelemetry is for who asked for it

    return exporting(service, release, settings.traces_endpoint, settings.traces_ratio)


# --- the road ----------------------------------------------------------------------------------------------


def batch(service: str) -> "AbstractContextManager[BatchTrace | None]":
    """Around a batch's transaction."""
    return _OFF if _tracer is None else BatchTrace(_tracer, service)


class _Work(AbstractContextManager[Any]):
    """One piece of work as a span. Told if it concerns a traced case, or failed."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self.span = span

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):  # being cancelled is no failure
            self.span.failed = True
            self.span.attributes["error.type"] = type(error).__qualname__
        if self.span.links or self.span.failed:
            self._tracer.tell(self.span)


class BatchTrace(_Work):
    """A batch's transaction and the decisions in it, which are told once it is committed."""

    def __init__(self, tracer: Tracer, service: str) -> None:
        around = _around.get()
        place = _new_trace() if around is None else Place(around.trace, _new_span())
        super().__init__(tracer, Span("batch", "internal", place, around, attributes={"chuishao.service": service}))
        self._service = service
        self._decided: list[Span | None] = []

    def begin(self, item: Input[Any], is_new: bool) -> Input[Any]:
        """The input, with the place of its own decision for what is stated because of it.

        `is_new`: the service knows nothing of the case yet. A case that is not traced is passed on as it came.
        """
        case = item.case_id.int
        if not case or not self._tracer.samples(case):
            self._decided.append(None)
            return item
        came = place_of(item.traceparent)
        beginning = beginning_of(case)
        opens = is_new and isinstance(item.origin, FromDoor) and item.letter is None
        if came is not None and came.trace == case:
            parent: Place | None = came
        else:
            parent = None if opens else beginning
        place = beginning if parent is None else Place(case, _new_span())
        links = [self.span.place]
        if came is not None and came.trace != case:
            links.append(came)
            if came in self._tracer.requests:
                self._tracer.requests[came] = True
        self._decided.append(Span("decide", "internal", place, parent, links))
        return replace(item, traceparent=place.traceparent)

    def end(self, item: Input[Any], outcome: Outcome, appended: int) -> None:
        """What became of the input that was begun last, and how many rows it appended."""
        span = self._decided[-1]
        if span is None:
            return
        if outcome.fate is Fate.REPEAT and item.letter is None:
            # A request that is sent again comes under a case id that never was.
            self._decided[-1] = None
            return
        if span.parent is None and not appended:
            span.place = Place(span.place.trace, _new_span())
        span.ended = time.time_ns()
        span.failed = outcome.fate in {Fate.BURIED, Fate.FAILED}
        span.attributes = {
            "chuishao.service": self._service,
            "chuishao.message": type(item.message).__name__,
            "chuishao.origin": type(item.origin).__name__,
            "chuishao.fate": outcome.fate.value,
            "chuishao.shard": item.shard,
            "chuishao.appended": appended,
        }
        if isinstance(item.origin, FromLog):
            span.attributes |= {"chuishao.log": item.origin.log, "chuishao.sequence": item.origin.sequence}
        if outcome.refusal is not None:
            span.attributes["chuishao.refusal"] = outcome.refusal.code

    def committed(self, rows: Sequence[Row]) -> None:
        """The transaction is committed: what was decided is so."""
        for span in self._decided:
            if span is not None:
                self._tracer.tell(span)
                self.span.links.append(span.place)
        self.span.attributes |= {"chuishao.inputs": len(self._decided), "chuishao.appended": len(rows)}


# --- Kafka -------------------------------------------------------------------------------------------------


def poll(service: str, inputs: Sequence[Input[Any]]) -> AbstractContextManager[Any]:
    """Around what is done with the messages of one poll."""
    return _OFF if _tracer is None else _Poll(_tracer, service, inputs)


class _Poll(_Work):
    def __init__(self, tracer: Tracer, service: str, inputs: Sequence[Input[Any]]) -> None:
        attributes: dict[str, str | int] = {
            "chuishao.service": service,
            "messaging.system": "kafka",
            "messaging.operation.type": "receive",
            "messaging.batch.message_count": len(inputs),
        }
        super().__init__(tracer, Span("poll", "consumer", _new_trace(), attributes=attributes))
        came = ((item.case_id.int, item.traceparent) for item in inputs)
        self.span.links = _of_traced_cases(tracer, came)

    def __enter__(self) -> Self:
        self._token = _around.set(self.span.place)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _around.reset(self._token)
        super().__exit__(kind, error, traceback)


def publish(service: str, topic: str, rows: Iterable[Row]) -> AbstractContextManager[Any]:
    """Around publishing rows of the log."""
    if _tracer is None:
        return _OFF
    published = list(rows)
    attributes: dict[str, str | int] = {
        "chuishao.service": service,
        "messaging.system": "kafka",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic,
        "messaging.batch.message_count": len(published),
    }
    span = Span("publish", "producer", _new_trace(), attributes=attributes)
    span.links = _of_traced_cases(_tracer, ((row.case_id.int, _in_event(row.event)) for row in published))
    return _Work(_tracer, span)


def _in_event(event: bytes | None) -> str | None:
    found = _IN_EVENT.search(event) if event is not None else None
    return found[1].decode() if found else None


def _of_traced_cases(tracer: Tracer, found: Iterable[tuple[int, str | None]]) -> list[Place]:
    places = ((case, place_of(said)) for case, said in found if tracer.samples(case))
    return [place for case, place in places if place is not None and place.trace == case]


# --- HTTP --------------------------------------------------------------------------------------------------


def call(service: str) -> AbstractContextManager[Mapping[str, str]]:
    """Around a call to another service for a request in hand; gives the headers to send along."""
    around = _around.get()
    return _NO_HEADERS if _tracer is None or around is None else _Call(_tracer, service, around)


class _Call(_Work):
    def __init__(self, tracer: Tracer, service: str, around: Place) -> None:
        place = Place(around.trace, _new_span())
        super().__init__(tracer, Span(f"call {service}", "client", place, around, attributes={"peer.service": service}))

    def __enter__(self) -> Any:
        return {"traceparent": self.span.place.traceparent}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.span.failed = isinstance(error, Exception)
        if self._tracer.samples(self.span.place.trace):
            self._tracer.tell(self.span)


def requests(app: ASGIApp, service: str) -> ASGIApp:
    """The app with a span for each request; the app itself where tracing is off."""
    return app if _tracer is None else _Requests(app, service, _tracer)


class _Requests:
    """A request is a trace of its own, linked to the client's: nobody outside chooses which trace it joins."""

    def __init__(self, app: ASGIApp, service: str, tracer: Tracer) -> None:
        self._app = app
        self._service = service
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNWATCHED):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        span = Span(method, "server", _new_trace())
        said = dict(scope["headers"]).get(b"traceparent", b"").decode("ascii", "replace")
        span.links = [place for place in [place_of(said)] if place is not None]
        headers = [(name, value) for name, value in scope["headers"] if name not in {b"traceparent", b"tracestate"}]
        # What the doors take for the asker's context is this span: decisions link to it.
        scope = {**scope, "headers": [*headers, (b"traceparent", span.place.traceparent.encode())]}
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._tracer.requests[span.place] = False
        token = _around.set(span.place)
        try:
            await self._app(scope, receive, watched)
        finally:
            _around.reset(token)
            route = getattr(scope.get("route"), "path", "unknown")
            span.name = f"{method} {route}"
            span.failed = status >= 500
            span.attributes = {
                "chuishao.service": self._service,
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
            }
            if self._tracer.requests.pop(span.place) or self._tracer.samples(span.place.trace):
                self._tracer.tell(span)
