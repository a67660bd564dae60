"""The gateway's sample against sla's own door, over HTTP: every notice in order, none lost, whatever breaks."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from services.sla.notices_api import add_notice_routes
from shared.contracts.vocabulary import ActorKind
from shared.runtime import problems
from shared.runtime.identity import ApiKey, Gatekeeper, Identity
from tests.docs.sample import load
from tests.unit.sla.test_notices_door import HUB, TREE, WATER, MemoryDigests

sample: Any = load("notices_sample")

KEY = "a gateway's key"


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def url() -> Iterator[str]:
    """The door, with 250 notices behind it: three pages."""
    app = FastAPI()
    problems.install(app)
    gateway = Identity(kind=ActorKind.STAFF, person="gateway", unit=HUB)
    gatekeeper = Gatekeeper("", [ApiKey("gateway", sha256(KEY.encode()).hexdigest(), gateway)])
    add_notice_routes(app, gatekeeper, lambda: TREE, MemoryDigests(*[WATER] * 250))
    with serving(app) as there:
        yield there


def client(url: str, key: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"X-API-Key": key}, trust_env=False)


class Messenger:
    """Breaks once, at notice 120."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.broke = False

    def send(self, notice: dict[str, Any]) -> None:
        if notice["number"] == 120 and not self.broke:
            self.broke = True
            raise ConnectionResetError("the messenger is away")
        self.sent.append(notice["number"])


def test_it_sends_every_notice_in_order_and_goes_on_where_it_was(url: str, tmp_path: Path) -> None:
    messenger, place = Messenger(), tmp_path / "notices-sent"
    with client(url, KEY) as sla:
        assert sample.pull(sla, place, messenger.send)
        with pytest.raises(ConnectionResetError):
            sample.pull(sla, place, messenger.send)
        while sample.pull(sla, place, messenger.send):
            pass
    assert messenger.sent == list(range(1, 251))


def test_a_refusal_is_an_error_after_which_it_tries_again(url: str, tmp_path: Path) -> None:
    with client(url, "another key") as sla, pytest.raises(httpx.HTTPError, match="401"):
        sample.pull(sla, tmp_path / "notices-sent", print)
