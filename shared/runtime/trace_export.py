"""Sends spans away by OpenTelemetry (OTLP over HTTP). Imported only where tracing is switched on.

It never harms the service: what it is told waits in a bounded queue for a thread of its own; what does not fit, or
cannot be sent, is dropped.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from shared.runtime.tracing import Place, Span, Tracer, install

logger = structlog.get_logger(__name__)

MOST_WAITING = 8_192
SENT_AT_ONCE = 512
SEND_SECONDS = 2.0
ANSWER_SECONDS = 5.0
STOP_SECONDS = 1.0
MOST_LINKS = 2_000
"""More than any batch has inputs, or a publish rows: none of their cases is left out."""
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_KINDS = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}


class _Given(IdGenerator):
    """The ids of the span that is being told. They were given out before: events carry them already."""

    place = Place(1, 1)

    def generate_span_id(self) -> int:
        return self.place.span

    def generate_trace_id(self) -> int:
        return self.place.trace


class Export:
    """Tells OpenTelemetry of spans. For one thread: the event loop's."""

    def __init__(self, processor: SpanProcessor, resource: Resource | None = None) -> None:
        self._ids = _Given()
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # which cases are traced is decided before
            resource=resource,
            shutdown_on_exit=False,
            id_generator=self._ids,
            span_limits=SpanLimits(max_links=MOST_LINKS),
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("chuishao")

    def __call__(self, span: Span) -> None:
        self._ids.place = span.place
        context = Context()
        if span.parent is not None:
            context = set_span_in_context(NonRecordingSpan(_context(span.parent)), context)
        told = self._tracer.start_span(
            span.name,
            context=context,
            kind=_KINDS[span.kind],
            attributes=span.attributes,
            links=[Link(_context(place)) for place in span.links],
            start_time=span.began,
            record_exception=False,
        )
        if span.failed:
            told.set_status(Status(StatusCode.ERROR))
        told.end(span.ended)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Send what waits, for so long at most; the rest is lost."""
        stopping = threading.Thread(target=self._provider.shutdown, name="stop tracing", daemon=True)
        stopping.start()
        stopping.join(seconds)


class Quiet(SpanExporter):
    """An exporter whose failures are said once, and once when it is well again."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._dropped = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self._dropped:
                logger.info("traces are taken again", endpoint=self._endpoint, dropped=self._dropped)
            self._dropped = 0
        else:
            if not self._dropped:
                logger.warning(
                    "traces are not taken and are dropped; look at CHUISHAO_TRACES_ENDPOINT", endpoint=self._endpoint
                )
            self._dropped += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _context(place: Place) -> SpanContext:
    return SpanContext(place.trace, place.span, is_remote=True, trace_flags=_SAMPLED)


@contextmanager
def exporting(service: str, release: str, endpoint: str, ratio: float) -> Iterator[None]:
    """Trace this process, and send its spans to `endpoint`, the base address of an OTLP receiver."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # `Quiet` says what there is to say
    resource = Resource.create({"service.namespace": "chuishao", "service.name": service, "service.version": release})
    sender = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=ANSWER_SECONDS)
    processor = BatchSpanProcessor(
        Quiet(sender, endpoint),
        max_queue_size=MOST_WAITING,
        schedule_delay_millis=SEND_SECONDS * 1000,
        max_export_batch_size=SENT_AT_ONCE,
    )
    export = Export(processor, resource)
    install(Tracer(export, ratio))
    try:
        yield
    finally:
        install(None)
        export.stop()
