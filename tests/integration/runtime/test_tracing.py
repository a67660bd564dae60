"""A case through real services, one of which is killed on the way, as a receiver of traces sees it: one trace."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from deploy.local.stack import LocalStack
from shared.contracts.vocabulary import ActorKind
from shared.runtime.identity import Identity, issue
from shared.runtime.tracing import beginning_of

FOLDER = Path("var/test-tracing")
COMMUNITY, WATER = "110199001001", "util-water"
CLIENT_TRACE, CLIENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PATIENCE = 60.0
WHISTLE = {
    "title": "湖畔路水管漏水",
    "content": "3 号楼前水管漏水",
    "appeal_type": "help",
    "urgency": "normal",
    "category": ["城乡建设", "供水"],
    "region": COMMUNITY,
    "address": "湖畔路 3 号",
    "source": "community",
}

pytestmark = pytest.mark.timeout(240)


class Receiver:
    """Takes traces over OTLP/HTTP."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *_arguments: object) -> None:  # noqa: A002 - its name for it
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def take(self, sent: ExportTraceServiceRequest) -> None:
        for of_resource in sent.resource_spans:
            names = {one.key: one.value.string_value for one in of_resource.resource.attributes}
            for of_scope in of_resource.scope_spans:
                self.spans += [(names["service.name"], span) for span in of_scope.spans]

    def of_case(self, case: UUID) -> list[tuple[str, Span]]:
        return [(service, span) for service, span in self.spans if span.trace_id == case.bytes]

    def decided(self, case: UUID) -> set[tuple[str, str]]:
        """Which service has decided about which message."""
        return {(service, said(span, "chuishao.message")) for service, span in self.of_case(case)}


def said(span: Span, name: str) -> str:
    return str(next(one.value.string_value for one in span.attributes if one.key == name))


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = Thread(target=receiver.server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        thread.join()
        receiver.server.server_close()


def until(condition: Callable[[], bool], shown: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, shown()
        time.sleep(0.05)


def token(stack: LocalStack, unit: str) -> dict[str, str]:
    identity = Identity(kind=ActorKind.STAFF, person=f"p-{unit}", unit=unit)
    key = stack.environment("intake")["CHUISHAO_SIGNING_KEY"]
    return {"Authorization": "Bearer " + issue(identity, key, datetime.now(UTC), timedelta(hours=1))}


def test_one_case_of_four_processes_is_one_trace() -> None:
    with receiving() as receiver:
        given = {name: value for name, value in os.environ.items() if not name.startswith("CHUISHAO_")}
        given |= {"CHUISHAO_TRACES": "otlp", "CHUISHAO_TRACES_ENDPOINT": receiver.url}
        stack = LocalStack(FOLDER, environment=given)
        stack.erase()
        stack.start()
        try:
            case = _case_to_its_sign_in(stack, receiver)
            stack.stop()  # what waits is sent
        finally:
            stack.erase()

    spans = receiver.of_case(case)
    ids = {span.span_id for _, span in spans}
    beginning = beginning_of(case.int).span.to_bytes(8, "big")
    assert len(ids) == len(spans), "no span is told twice"
    assert [(service, span.span_id) for service, span in spans if not span.parent_span_id] == [("intake", beginning)]
    assert {span.parent_span_id for _, span in spans} <= ids | {b""}, "every parent is in the trace"
    assert {service for service, _ in spans} == {"intake", "router", "sla", "feedback"}

    requests = [span for _, span in receiver.spans if span.name == "POST /whistles"]
    (opened,) = [span for _, span in spans if span.span_id == beginning]
    assert len(requests) == 2
    for request in requests:
        assert [(link.trace_id.hex(), link.span_id.hex()) for link in request.links] == [(CLIENT_TRACE, CLIENT_SPAN)]
    assert len({request.span_id for request in requests} & {link.span_id for link in opened.links}) == 1
    for name in ("batch", "poll", "publish"):
        linked = {link.span_id for _, span in receiver.spans if span.name == name for link in span.links}
        assert linked & ids, name
    sent = b"".join(span.SerializeToString() for _, span in receiver.spans)
    assert b"POST /whistles" in sent
    assert [
        text for text in ("漏水", "3 号楼", "湖畔路", "供水", f"p-{WATER}", str(case)) if text.encode() in sent
    ] == []


def _case_to_its_sign_in(stack: LocalStack, receiver: Receiver) -> UUID:
    """A whistle, dispatched; then sla is killed, and the department signs in."""
    services = stack.addresses.services
    with httpx.Client(trust_env=False, timeout=20) as client:
        traceparent = f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"
        headers = token(stack, COMMUNITY) | {"Idempotency-Key": "k", "traceparent": traceparent}
        answer = client.post(f"{services['intake']}/whistles", headers=headers, json=WHISTLE)
        assert answer.is_success, answer.text
        case = UUID(answer.json()["case_id"])
        client.post(f"{services['intake']}/whistles", headers=headers, json=WHISTLE).raise_for_status()

        def all_have_heard_of(message: str) -> bool:
            return {(service, message) for service in ("sla", "feedback")} <= receiver.decided(case)

        until(lambda: all_have_heard_of("CaseDispatched"), lambda: receiver.decided(case))
        stack.kill("sla")
        signed_in = client.post(f"{services['router']}/cases/{case}/sign-in", headers=token(stack, WATER), json={})
        assert signed_in.is_success, signed_in.text
        until(lambda: all_have_heard_of("CaseSignedIn"), lambda: receiver.decided(case))
    return case
