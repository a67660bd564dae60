"""Whatever is sent to whatever door: an answer that says what is wrong, never a server error, nothing half stored."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from services.intake.main import add_routes
from tests.unit.intake.kit import HUB, HUPAN, Intake, hotline_order, running, whistle

ANYTHING = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@dataclass(frozen=True)
class House:
    """Intake in memory for the whole module, driven step by step."""

    runner: asyncio.Runner
    intake: Intake

    def ask(
        self, method: str, url: str, who: Mapping[str, str], content: bytes | None = None, kind: str = ""
    ) -> httpx.Response:
        """Send it and see that it was answered well. `kind` is the content type."""
        named = dict(who) | ({"Content-Type": kind} if kind else {})
        before = len(self.intake.log())
        answer = self.runner.run(self.intake.client.request(method, url, content=content, headers=named))
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code
            assert answer.json()["detail"] != ""
            assert answer.json()["detail_en"] != ""
            assert len(self.intake.log()) == before
        return answer

    @property
    def everybody(self) -> list[dict[str, str]]:
        intake = self.intake
        return [intake.as_staff(HUPAN), intake.as_staff(HUB), intake.as_resident(), intake.as_hotline(), {}]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with asyncio.Runner() as runner:
        opened = running()
        intake = runner.run(opened.__aenter__())
        yield House(runner, intake)
        runner.run(opened.__aexit__(None, None, None))


def _described() -> Any:
    app = FastAPI(title="chuishao intake")
    add_routes(app)
    return schemathesis.openapi.from_dict(app.openapi())


OPERATIONS = [found.ok() for found in _described().get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_what_the_description_allows_and_what_it_forbids(house: House, operation: Any, mode: GenerationMode) -> None:
    @given(case=operation.as_strategy(generation_mode=mode), who=st.integers(0, 4))
    @ANYTHING
    def attempt(case: Any, who: int) -> None:
        try:
            sent = requests.Request(**case.as_transport_kwargs(base_url="http://intake")).prepare()
        except (requests.exceptions.RequestException, UnicodeError):
            return  # no client could send it
        body = sent.body.encode() if isinstance(sent.body, str) else sent.body
        assert body is None or isinstance(body, bytes)
        kind = str(sent.headers.get("Content-Type", ""))
        answer = house.ask(str(sent.method), str(sent.url), house.everybody[who], body, kind)
        known = set(operation.responses.status_codes)
        assert str(answer.status_code) in known | {"404", "405"}, (answer.status_code, answer.text)

    attempt()


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(data=st.data())
@ANYTHING
def test_one_field_of_a_whistle_holding_anything(house: House, data: Any) -> None:
    body = whistle(longitude=116.4, latitude=39.9, occurred_at="2026-11-02T08:00:00+08:00", source_ref=..., source=...)
    body[data.draw(st.sampled_from(sorted(body)))] = data.draw(JSON)
    for path, who in (("/whistles", house.intake.as_staff(HUPAN)), ("/orders", house.intake.as_resident())):
        house.ask("POST", path, who, json.dumps(body).encode(), "application/json")


@given(data=st.data())
@ANYTHING
def test_one_field_of_an_order_of_12345_holding_anything(house: House, data: Any) -> None:
    order = hotline_order(isSecret="否", longitude=116.4, latitude=39.9)
    order[data.draw(st.sampled_from(sorted(order)))] = data.draw(JSON)
    as_json = json.dumps(data.draw(st.sampled_from([order, [order, order]]))).encode()
    house.ask("POST", "/hotline/orders", house.intake.as_hotline(), as_json, "application/json")


HEADER = "工单编号,标题,村/社区\r\n".encode()


@given(rest=st.binary(max_size=300) | st.text(alphabet='a,"\r\n湖\0 ', max_size=300).map(str.encode))
@ANYTHING
def test_a_file_holding_anything(house: House, rest: bytes) -> None:
    answer = house.ask("POST", "/hotline/orders/csv", house.intake.as_hotline(), HEADER + rest, "text/csv")
    if answer.status_code == 200:
        lines = {one["line"] for one in answer.json()["rejected"]}
        assert all(2 <= line <= 2 + rest.count(b"\n") + rest.count(b"\r") for line in lines)


@given(body=st.binary(max_size=300), boundary=st.text(alphabet='ab-"; ', max_size=10))
@ANYTHING
def test_a_form_holding_anything(house: House, body: bytes, boundary: str) -> None:
    house.ask(
        "POST",
        "/hotline/orders/csv",
        house.intake.as_hotline(),
        b"--a\r\n" + body,
        f"multipart/form-data; boundary={boundary}",
    )


@given(body=st.binary(max_size=200))
@ANYTHING
def test_bytes_instead_of_json(house: House, body: bytes) -> None:
    for who in house.everybody:
        for path in ("/whistles", "/orders", "/hotline/orders"):
            house.ask("POST", path, who, body, "application/json")


@given(
    path=st.sampled_from(["/whistles/", "/orders/by-ref/hotline_12345/", "/orders?after=", "/orders?community="]),
    rest=st.binary(max_size=40).map(lambda raw: "".join(f"%{byte:02X}" for byte in raw)),
    who=st.integers(0, 4),
)
@ANYTHING
def test_anything_in_an_address(house: House, path: str, rest: str, who: int) -> None:
    house.ask("GET", path + rest, house.everybody[who])
