"""12345 as it listens: takes its replies by HTTP, checks the signature, and remembers which it has."""

import hmac
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_bytes
from threading import Thread

from shared.contracts.envelope import decode
from shared.contracts.facts import HotlineAnswered

HOST = "127.0.0.1"
TAKEN, REFUSED = 204, 401


@dataclass(slots=True)
class Listening:
    """`answered`: the ids of the answers that came in, each once; `wrong`: how many calls were not signed as they
    should be."""

    key: bytes = field(default_factory=lambda: token_bytes(32))
    url: str = ""
    answered: set[str] = field(default_factory=set)
    wrong: int = 0

    @property
    def environment(self) -> dict[str, str]:
        """What the router is told of it."""
        return {
            "CHUISHAO_HOTLINE_CALLBACK_URL": self.url,
            "CHUISHAO_HOTLINE_CALLBACK_SECRET": "whsec_" + b64encode(self.key).decode(),
        }

    def take(self, name: str, written_at: str, signatures: str, body: bytes) -> bool:
        """One call. False where it is not signed with our key."""
        signed = hmac.digest(self.key, f"{name}.{written_at}.".encode() + body, sha256)
        mine = f"v1,{b64encode(signed).decode()}"
        if not any(hmac.compare_digest(mine, one) for one in signatures.split()):
            self.wrong += 1
            return False
        if isinstance(decode(body).fact, HotlineAnswered):
            self.answered.add(name)
        return True


@contextmanager
def listening() -> Iterator[Listening]:
    """12345's door on a free port, for as long as it is entered."""
    hotline = Listening()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name, written_at, signatures = (self.headers[f"webhook-{one}"] for one in ("id", "timestamp", "signature"))
            self.send_response(TAKEN if hotline.take(name, written_at, signatures, body) else REFUSED)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """What it heard stands in the report."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    hotline.url = f"http://{HOST}:{server.server_address[1]}/replies"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hotline
    finally:
        server.shutdown()
        server.server_close()
