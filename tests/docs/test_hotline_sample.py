"""The receiver printed in hotline.md against what is really sent: it takes what is ours, once, and nothing else."""

import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from deploy.local.places import PROJECT
from services.router.callback_post import Endpoint, Fault, read_secret
from tests.unit.router.test_callback import Streamed

SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + b64encode(bytes(range(1, 33))).decode()


class Receiver:
    """12345's end, running the page's own code."""

    def __init__(self) -> None:
        page = (PROJECT / "docs" / "integrations" / "hotline.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        self.seen: list[str] = []
        self.handled: list[Any] = []
        self._there: dict[str, Any] = {
            "SECRET": SECRET,
            "handled_before": self.seen.__contains__,
            "handle": self.handled.append,
        }
        exec(code, self._there)

    def take(self, request: httpx.Request) -> httpx.Response:
        status = self._there["take"](request.headers, request.content)
        self.seen.append(request.headers["webhook-id"])
        return httpx.Response(status, stream=Streamed())


def endpoint(receiver: Receiver, secret: str = SECRET, late: timedelta = timedelta()) -> Endpoint:
    client = httpx.AsyncClient(transport=httpx.MockTransport(receiver.take))
    return Endpoint(client, "https://12345.example/", read_secret(secret), lambda: datetime.now(UTC) - late)


async def test_it_takes_what_is_ours_once() -> None:
    receiver = Receiver()
    for _ in range(2):
        assert (await endpoint(receiver).post("id-1", '{"data": {"answer": "已修复"}}'.encode())).fault is None
    assert receiver.handled == [{"data": {"answer": "已修复"}}]


@pytest.mark.parametrize("wrong", [{"secret": OTHER}, {"late": timedelta(minutes=10)}])
async def test_it_takes_nothing_else(wrong: Any) -> None:
    receiver = Receiver()
    answer = await endpoint(receiver, **wrong).post("id-1", b"{}")
    assert (answer.fault, answer.why, receiver.handled) == (Fault.DENIED, "HTTP 401", [])
