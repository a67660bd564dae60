"""The image's health check: 0 only where the service answers 200."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from deploy.compose.healthy import main


@contextmanager
def service(status: int) -> Iterator[int]:
    """Something that answers every question with this status; its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
@pytest.mark.parametrize("question", ["ready", "live"])
def test_only_200_is_well(
    status: int, code: int, question: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with service(status) as port:
        monkeypatch.setenv("CHUISHAO_HTTP_PORT", str(port))
        assert main(question) == code
    assert f"/health/{question}" in capsys.readouterr().out


def test_nobody_there_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        monkeypatch.setenv("CHUISHAO_HTTP_PORT", str(holder.getsockname()[1]))
        assert main("ready") == 1
