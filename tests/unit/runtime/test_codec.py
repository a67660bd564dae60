"""The envelope on the wire: structured and binary CloudEvents, and every reason to refuse one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.envelope import (
    MAXIMUM_BYTES,
    Envelope,
    Undecodable,
    decode,
    encode,
    holds_nul,
    traceparent_of,
)
from shared.contracts.facts import ReportProgressed

EVENT = Envelope(
    id="0190-1",
    source="/chuishao/router",
    subject=UUID("0190a5b0-0000-7000-8000-000000000001"),
    time=datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=8))),
    fact=ReportProgressed(note="已联系居民", contacted=True),
    sequence=42,
    caseseq=3,
    cause="0190-0",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
OUTSIDE = replace(EVENT, sequence=0, caseseq=0, cause=None, traceparent=None)


def structured(**changes: Any) -> bytes:
    """The event as JSON with some attributes changed; None removes one."""
    document = orjson.loads(encode(OUTSIDE)) | changes
    return orjson.dumps({name: value for name, value in document.items() if value is not None})


def binary(**changes: bytes | None) -> list[tuple[str, bytes]]:
    headers: dict[str, bytes | None] = {
        "ce_specversion": b"1.0",
        "ce_id": b"0190-1",
        "ce_source": b"/chuishao/router",
        "ce_type": b"cn.chuishao.report.progressed.v1",
        "ce_subject": b"0190a5b0-0000-7000-8000-000000000001",
        "ce_time": b"2026-03-01T09:30:00+08:00",
        "content-type": b"application/json",
    }
    headers |= changes
    return [(name, value) for name, value in headers.items() if value is not None]


DATA = EVENT.fact.model_dump_json().encode()


@pytest.mark.parametrize("event", [EVENT, OUTSIDE])
def test_what_is_encoded_is_decoded(event: Envelope) -> None:
    assert decode(encode(event)) == event


def test_the_same_event_is_the_same_bytes() -> None:
    assert encode(EVENT) == encode(replace(EVENT))
    assert orjson.loads(encode(EVENT))["sequence"] == "0000000000000000042"


def test_binary_mode_says_the_same() -> None:
    assert decode(DATA, binary()) == OUTSIDE
    assert decode(DATA, binary(ce_sequence=b"42", ce_caseseq=b"3", ce_cause=b"0190-0")) == replace(
        EVENT, traceparent=None
    )


def test_utc_may_be_written_z() -> None:
    assert decode(structured(time="2026-03-01T01:30:00Z")).time == EVENT.time.astimezone(UTC)


def test_what_a_newer_release_adds_is_ignored() -> None:
    event = structured(data={"note": "n", "mood": "good"}, newattribute="x")

    assert decode(event).fact == ReportProgressed(note="n")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0000000000000000042", 42),
        (42, 42),
        ("-1", 0),
        (-1, 0),
        ("abc", 0),
        (1.5, 0),
        (True, 1),
        ([], 0),
        ("9" * 30, 0),
    ],
)
def test_sequences_are_read_leniently(given: object, expected: int) -> None:
    assert decode(structured(sequence=given)).sequence == expected


@pytest.mark.parametrize("given", [{"a": 1}, 5, "", "x" * 65, "a\0b"])
def test_a_strange_traceparent_is_ignored(given: object) -> None:
    assert traceparent_of(given) is None
    assert decode(structured(traceparent=given)).traceparent is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "tombstone"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b" " * (MAXIMUM_BYTES + 1), f"{MAXIMUM_BYTES + 1} bytes"),
        (b"[" * 2_000 + b"]" * 2_000, "not JSON"),
        (structured(specversion="0.3"), "specversion: expected '1.0', found '0.3'"),
        (structured(specversion=None), "specversion"),
        (structured(type=None), "type: None"),
        (structured(type="cn.chuishao.report.progressed.v9"), "type: 'cn.chuishao.report.progressed.v9'"),
        (structured(type=["x"]), "type: ['x']"),
        (structured(id=None), "id: missing"),
        (structured(id=""), "id: missing"),
        (structured(id=7), "id: missing or not a text"),
        (structured(id="a\0b"), "id: holds a NUL"),
        (structured(source=None), "source: missing"),
        (structured(subject=None), "subject: missing"),
        (structured(subject="case-1"), "subject: badly formed"),
        (structured(time=None), "time: missing"),
        (structured(time="yesterday"), "time: Invalid isoformat"),
        (structured(time="2026-03-01T09:30:00"), "has no zone"),
        (structured(data=None), "data: "),
        (structured(data={}), "data.note: Field required"),
        (structured(data={"note": ""}), "data.note: "),
        (structured(data={"note": ["x"]}), "data.note: "),
    ],
)
def test_an_event_is_refused_with_the_attribute_at_fault(value: bytes | None, why: str) -> None:
    with pytest.raises(Undecodable) as refused:
        decode(value)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("value", "headers", "why"),
    [
        (DATA, binary(ce_specversion=b"0.3"), "specversion"),
        (DATA, binary(ce_id=None), "id: missing"),
        (DATA, binary(ce_id=b"a\0b"), "id: holds a NUL"),
        (DATA, binary(ce_type=b"\xff\xfe"), "type: "),
        (DATA, binary(ce_time=b""), "time: missing"),
        (b"not JSON", binary(), "data: not JSON"),
        (b"{}", binary(), "data.note"),
    ],
)
def test_a_binary_event_is_refused_too(value: bytes, headers: list[tuple[str, bytes]], why: str) -> None:
    with pytest.raises(Undecodable) as refused:
        decode(value, headers)
    assert why in str(refused.value)


JSON = st.recursive(st.none() | st.integers(-9, 9) | st.text(max_size=9), lambda part: st.lists(part, max_size=3))


@given(st.binary(max_size=200) | JSON.map(orjson.dumps))
def test_no_bytes_break_the_reader(value: bytes) -> None:
    _decode_or_refuse(value)


@given(
    st.dictionaries(
        st.sampled_from(
            ["id", "source", "type", "subject", "time", "sequence", "caseseq", "cause", "traceparent", "data"]
        ),
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.lists(st.text()),
    )
)
def test_no_attribute_breaks_the_reader(changes: dict[str, Any]) -> None:
    _decode_or_refuse(orjson.dumps(orjson.loads(encode(OUTSIDE)) | changes))


def _decode_or_refuse(value: bytes) -> None:
    try:
        assert isinstance(decode(value), Envelope)
    except Undecodable as refused:
        assert str(refused)  # noqa: PT017 - either is right


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\0b", True),
        ("\0", True),
        ("\\\0", True),
        ("\\u0000", False),
        ("\\\\u0000", False),
        ("u0000", False),
        ("", False),
    ],
)
def test_a_nul_is_told_from_its_spelling(text: str, expected: bool) -> None:
    assert holds_nul(orjson.dumps({"note": text})) is expected
