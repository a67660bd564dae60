"""The envelope every event travels in, and its codec: CloudEvents 1.0, structured JSON.

Readers accept the binary mode too. `sequence` is the log's number in its shard (the CloudEvents
extension, a string that sorts), `caseseq` counts one case's events in one log from 1.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import orjson
from pydantic import ValidationError

from shared.contracts.facts import FACTS, Fact

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
MAXIMUM_BYTES = 256 * 1024
SEQUENCE_DIGITS = 19
_LONGEST_TRACEPARENT = 64
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Document: TypeAlias = dict[str, object]


class Undecodable(ValueError):
    """The bytes are not an event this reader knows; the message says which attribute and why."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event: who said what about which case, when, and what made it happen.

    `sequence` and `caseseq` are 0 for events that come from outside and belong to no log of ours.
    `cause` is the id of the event or command that led to this one.
    """

    id: str
    source: str
    subject: UUID
    time: datetime
    fact: Fact
    sequence: int = 0
    caseseq: int = 0
    cause: str | None = None
    traceparent: str | None = None

    @property
    def type(self) -> str:
        return self.fact.type_name()


def encode(envelope: Envelope) -> bytes:
    """The event as published: one JSON object, UTF-8, keys in a fixed order."""
    document: Document = {
        "specversion": "1.0",
        "id": envelope.id,
        "source": envelope.source,
        "type": envelope.type,
        "subject": str(envelope.subject),
        "time": envelope.time.isoformat(),
        "datacontenttype": "application/json",
    }
    if envelope.sequence:
        document["sequence"] = f"{envelope.sequence:0{SEQUENCE_DIGITS}d}"
    if envelope.caseseq:
        document["caseseq"] = envelope.caseseq
    if envelope.cause:
        document["cause"] = envelope.cause
    if envelope.traceparent:
        document["traceparent"] = envelope.traceparent
    document["data"] = orjson.Fragment(envelope.fact.__pydantic_serializer__.to_json(envelope.fact))
    return orjson.dumps(document)


def decode(value: bytes | None, headers: Iterable[tuple[str, bytes]] = ()) -> Envelope:
    """Read an event in structured or binary mode. Raises `Undecodable` with the reason."""
    if value is None:
        raise Undecodable("the message has no value (a tombstone)")
    if len(value) > MAXIMUM_BYTES:
        raise Undecodable(f"the message has {len(value)} bytes, at most {MAXIMUM_BYTES} are accepted")
    document = _binary(value, dict(headers)) or _structured(value)
    return Envelope(
        id=_text(document, "id"),
        source=_text(document, "source"),
        subject=_case_id(document),
        time=_time(document),
        fact=_fact(document),
        sequence=_number(document.get("sequence")),
        caseseq=_number(document.get("caseseq")),
        cause=_optional_text(document.get("cause")),
        traceparent=traceparent_of(document.get("traceparent")),
    )


def holds_nul(json: bytes) -> bool:
    """Whether a text in this JSON holds a NUL character, which PostgreSQL cannot store."""
    return b"\\u0000" in json and _NUL.search(json) is not None


def traceparent_of(given: object) -> str | None:
    """A trace context as W3C writes it; anything else is ignored, as W3C asks."""
    return given if isinstance(given, str) and 0 < len(given) <= _LONGEST_TRACEPARENT and "\0" not in given else None


def _structured(value: bytes) -> Document:
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Undecodable("the event is not a JSON object")
    if document.get("specversion") != "1.0":
        raise Undecodable(f"specversion: expected '1.0', found {document.get('specversion')!r}")
    return document


def _binary(value: bytes, headers: dict[str, bytes]) -> Document | None:
    """CloudEvents binary mode: attributes in `ce_…` headers, the value is the data alone."""
    if "ce_specversion" not in headers:
        return None
    if headers["ce_specversion"] != b"1.0":
        raise Undecodable(f"specversion: expected '1.0', found {headers['ce_specversion']!r}")
    document: Document = {
        name[3:]: content.decode("utf-8", "replace") for name, content in headers.items() if name.startswith("ce_")
    }
    try:
        document["data"] = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"data: not JSON: {error}") from error
    return document


def _fact(document: Document) -> Fact:
    fact_type = FACTS.get(str(document.get("type")))
    if fact_type is None:
        raise Undecodable(f"type: {document.get('type')!r} is not an event type this reader knows")
    try:
        return fact_type.model_validate(document.get("data"))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in ("data", *first["loc"]))
        raise Undecodable(f"{field}: {first['msg']}") from error


def _case_id(document: Document) -> UUID:
    try:
        return UUID(_text(document, "subject"))
    except ValueError as error:
        raise Undecodable(str(error) if isinstance(error, Undecodable) else f"subject: {error}") from error


def _time(document: Document) -> datetime:
    given = _text(document, "time")
    try:
        time = datetime.fromisoformat(given)
    except ValueError as error:
        raise Undecodable(f"time: {error}") from error
    if time.tzinfo is None:
        raise Undecodable(f"time: {given!r} has no zone")
    return time


def _number(given: object) -> int:
    """A number as our logs write it; 0 for what anybody else means by these extensions."""
    if isinstance(given, str) and len(given) <= SEQUENCE_DIGITS and given.isascii() and given.isdigit():
        return int(given)
    return given if isinstance(given, int) and 0 < given < 2**63 else 0


def _optional_text(given: object) -> str | None:
    return given if isinstance(given, str) and given else None


def _text(document: Document, attribute: str) -> str:
    found = document.get(attribute)
    if not isinstance(found, str) or not found:
        raise Undecodable(f"{attribute}: missing or not a text")
    if "\0" in found:
        raise Undecodable(f"{attribute}: holds a NUL character")
    return found
