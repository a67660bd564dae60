"""One call-back to 12345: signed after the Standard Webhooks specification, POSTed, and what came of it."""

import asyncio
import hmac
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import httpx

from shared.contracts.envelope import CONTENT_TYPE

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
SECONDS = 10.0
"""For one call-back as a whole, however the other side spends them."""
MOST_READ = 4096
MOST_SAID = 200
LONGEST_WAIT_SECONDS = 3600.0
"""Whatever `Retry-After` says."""


class Fault(StrEnum):
    """Why 12345 did not take a reply. Only `refused` is its answer to this very reply."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    DENIED = "denied"  # it does not know us, or our signature: true of all replies
    BUSY = "busy"
    BROKEN = "broken"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call-back: no fault = it was taken. `wait`: for how many seconds we are asked to hold off."""

    fault: Fault | None = None
    why: str = ""
    wait: float | None = None


def read_secret(written: str) -> bytes:
    """The key behind `whsec_…`. Raises ValueError."""
    if not written.startswith(SECRET_PREFIX):
        raise ValueError(f"expected {SECRET_PREFIX} and then base64")
    key = b64decode(written.removeprefix(SECRET_PREFIX), validate=True)
    if not 24 <= len(key) <= 64:
        raise ValueError(f"expected 24 to 64 bytes in base64, found {len(key)}")
    return key


def signed(key: bytes, identifier: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers that prove who sent this body, and when. Twelve lines of hmac are less than one more dependency."""
    timestamp = str(int(at.timestamp()))
    content = b".".join((identifier.encode(), timestamp.encode(), body))
    signature = b64encode(hmac.digest(key, content, sha256)).decode()
    return {"webhook-id": identifier, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}


class Endpoint:
    """12345's end. `client` follows no redirects: a body that was signed for one place is sent to no other."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        key: bytes,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._url = url
        self._key = key
        self._now = now

    async def post(self, identifier: str, body: bytes) -> Answer:
        """Call back once. Whatever the other side does is an answer, never an error."""
        headers = {
            "content-type": CONTENT_TYPE,
            "accept-encoding": "identity",
            **signed(self._key, identifier, self._now(), body),
        }
        taken = False
        try:
            async with asyncio.timeout(SECONDS):
                async with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
                    taken = answer.is_success  # whatever becomes of the rest of what it says
                    return self._understood(answer, await _beginning(answer))
        except (TimeoutError, httpx.TimeoutException):
            return Answer() if taken else Answer(Fault.TIMEOUT, f"no answer within {SECONDS:g} seconds")
        except (httpx.HTTPError, OSError) as error:
            return Answer() if taken else Answer(Fault.UNREACHABLE, f"{type(error).__name__}: {error}"[:MOST_SAID])

    def _understood(self, answer: httpx.Response, said: str) -> Answer:
        status = answer.status_code
        if answer.is_success:
            return Answer()
        why = f"HTTP {status}: {said}" if said else f"HTTP {status}"
        wait = _seconds(answer.headers.get("retry-after"), self._now())
        if status in (408, 425, 429, 503):
            return Answer(Fault.BUSY, why, wait)
        if status in (401, 403):
            return Answer(Fault.DENIED, why, wait)
        if status >= 500:
            return Answer(Fault.BROKEN, why, wait)
        return Answer(Fault.REFUSED, why)


@asynccontextmanager
async def endpoint(url: str, key: bytes, ca_file: Path | None) -> AsyncIterator[Endpoint]:
    """12345's end with a client of its own; TLS by the system's authorities, or by the one given."""
    tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    async with httpx.AsyncClient(verify=tls, timeout=SECONDS, follow_redirects=False, trust_env=False) as client:
        yield Endpoint(client, url, key)


async def _beginning(answer: httpx.Response) -> str:
    """What was said, as far as we care to read. Read also where it does not matter: the connection is used again."""
    read = b""
    async for part in answer.aiter_raw():
        read += part[: MOST_READ - len(read)]
        if len(read) >= MOST_READ:
            break
    said = read.decode("utf-8", "replace").replace("\0", "")
    return " ".join(said.split())[:MOST_SAID]


def _seconds(written: str | None, now: datetime) -> float | None:
    """`Retry-After` in seconds, bounded; it is a number of them or a date. None where it is missing or neither."""
    if written is None:
        return None
    if written.strip().isdecimal():
        return min(float(written.strip()[:9]), LONGEST_WAIT_SECONDS)
    try:
        until = parsedate_to_datetime(written)
    except ValueError:
        return None
    if until.tzinfo is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), LONGEST_WAIT_SECONDS)
