"""Whatever is sent to whatever door: a clear answer, never a server error, and a no changes nothing."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from shared.contracts.vocabulary import ActorKind
from tests.unit.router.counter import HOTLINE_KEY, OpenCounter, app_of, open_counter, token
from tests.unit.router.memory import MemoryRouter
from tests.unit.router.stories import COMMUNITY, HUB, MARKET, NUMBER, WATER, whistle

ANYTHING = settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
EVERYBODY: list[dict[str, str]] = [
    token(HUB),
    token(WATER),
    token(COMMUNITY),
    token(None, ActorKind.RESIDENT, NUMBER),
    {"X-API-Key": HOTLINE_KEY},
    {},
]
DESCRIBED: Any = schemathesis.openapi.from_dict(app_of(MemoryRouter())[0].openapi())
ATTEMPTS = [
    (found.ok(), mode)
    for found in DESCRIBED.get_all_operations()
    for mode in GenerationMode
    if (found.ok().label, mode) != ("GET /statistics", GenerationMode.NEGATIVE)  # takes nothing that could be wrong
]


@dataclass(frozen=True)
class House:
    """A router in memory for the whole module, with one case dispatched, driven step by step."""

    runner: asyncio.Runner
    counter: OpenCounter

    def ask(self, method: str, url: str, who: Mapping[str, str], content: bytes | None, kind: str) -> httpx.Response:
        """Send it and see that it was answered well."""
        headers = {"Content-Type": kind} | dict(who) if kind else dict(who)
        before = self.counter.everything()
        answer = self.runner.run(self.counter.client.request(method, url, content=content, headers=headers))
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            document = answer.json()
            assert answer.headers["content-type"] == "application/problem+json"
            assert document["type"].startswith("urn:chuishao:problem:")
            assert document["detail"]
            assert document["detail_en"]
            assert self.counter.everything() == before
        return answer


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with asyncio.Runner() as runner:
        opened = open_counter()
        counter = runner.run(opened.__aenter__())
        runner.run(counter.case(whistle()))
        yield House(runner, counter)
        runner.run(opened.__aexit__(None, None, None))


@pytest.mark.parametrize(("operation", "mode"), ATTEMPTS, ids=lambda given: getattr(given, "label", given))
def test_what_the_description_allows_and_what_it_forbids(house: House, operation: Any, mode: GenerationMode) -> None:
    @given(case=operation.as_strategy(generation_mode=mode), who=st.sampled_from(EVERYBODY), real=st.booleans())
    @ANYTHING
    def attempt(case: Any, who: dict[str, str], real: bool) -> None:
        if real and "case" in (case.path_parameters or {}):
            case.path_parameters["case"] = NUMBER
        try:
            sent = requests.Request(**case.as_transport_kwargs(base_url="http://router")).prepare()
        except (requests.exceptions.RequestException, UnicodeError):
            return  # no client could send it
        body = sent.body.encode() if isinstance(sent.body, str) else sent.body
        assert body is None or isinstance(body, bytes)
        kind = str(sent.headers.get("Content-Type", ""))
        answer = house.ask(str(sent.method), str(sent.url), who, body, kind)
        known = set(operation.responses.status_codes)
        assert str(answer.status_code) in known | {"404", "405"}, (answer.status_code, answer.text)

    attempt()


BODIES: dict[str, dict[str, object]] = {
    "refuse": {"reason": "非本单位管辖", "basis": "职责清单第 12 条"},
    "progress": {"note": "已到现场", "contacted": True},
    "done": {
        "result": "已更换水管",
        "evidence": [{"name": "现场.jpg", "media_type": "image/jpeg", "url": "https://files.example/1"}],
    },
    "dispatch": {"units": [MARKET], "reason": "派单", "case_list": "phased", "ledger": "special"},
    "rule-on-refusal": {"upheld": True, "reason": "成立", "units": [MARKET]},
    "rework": {"reason": "再次反映"},
    "ask": {
        "kind": "suspension",
        "reason": "冬季",
        "basis": "办法",
        "share": 0.5,
        "until": "2027-01-05T09:00:00+08:00",
    },
    "milestone": {"milestone": 1, "note": "已完成", "evidence": []},
    "transfer": {"reason": "转办", "unit": WATER, "to": MARKET},
    "rule-on-request": {"approved": True, "reason": "属实", "unit": WATER, "kind": "extension", "share": 0.5},
    "list": {
        "reason": "列单",
        "case_list": "phased",
        "milestones": [{"number": 1, "title": "勘察", "due_at": "2027-01-05T09:00:00+08:00"}],
        "explained_at": "2026-11-20T09:00:00+08:00",
        "review_at": "9999-12-31T23:59:59-14:00",
    },
    "priority": {"reason": "变化", "urgency": "urgent"},
    "correct": {"reason": "更正", "title": "别处", "category": ["供水"], "region": COMMUNITY, "respondent": "物业"},
    "merge": {"reason": "同一事项", "into": NUMBER},
}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@pytest.mark.parametrize("door", list(BODIES))
def test_one_field_holding_anything(house: House, door: str) -> None:
    @given(data=st.data())
    @ANYTHING
    def attempt(data: Any) -> None:
        body = dict(BODIES[door])
        body[data.draw(st.sampled_from(sorted(body)))] = data.draw(JSON)
        who = data.draw(st.sampled_from(EVERYBODY[:2]))
        house.ask("POST", f"/cases/{NUMBER}/{door}", who, json.dumps(body).encode(), "application/json")

    attempt()


@given(body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "text/plain", "application/xml", ""]))
@ANYTHING
def test_a_body_of_any_bytes(house: House, body: bytes, kind: str) -> None:
    house.ask("POST", f"/cases/{NUMBER}/progress", EVERYBODY[1], body, kind)


ANY_HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=220)


@given(
    key=ANY_HEADER,
    authorization=ANY_HEADER.filter(lambda given: given == given.strip()),
    traceparent=ANY_HEADER.map(str.strip),
)
@ANYTHING
def test_headers_holding_anything(house: House, key: str, authorization: str, traceparent: str) -> None:
    note = json.dumps(BODIES["progress"]).encode()
    said = {"Idempotency-Key": key.strip(), "traceparent": traceparent}
    path = f"/cases/{NUMBER}/progress"
    house.ask("POST", path, said | EVERYBODY[1], note, "application/json")
    house.ask("POST", path, said | {"Authorization": authorization}, note, "application/json")
    house.ask("POST", path, {"X-API-Key": authorization}, note, "application/json")
