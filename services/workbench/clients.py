"""The other services over HTTP: short timeouts, one connection pool, a token the workbench issues for itself."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import orjson

from services.workbench import metrics
from shared.contracts.vocabulary import ActorKind
from shared.runtime import tracing
from shared.runtime.identity import Identity, issue

TIMEOUT = httpx.Timeout(3.0, connect=1.0, pool=1.0)
TOKEN_LASTS = timedelta(hours=1)
RENEWED_BEFORE_END = timedelta(minutes=10)
LARGEST_ANSWER = 64 * 1024 * 1024


class Away(Exception):
    """A service does not answer, or not in a way that can be used."""

    def __init__(self, service: str, why: str) -> None:
        super().__init__(f"{service}: {why}")
        self.service = service
        self.why = why


class NotFound(Exception):
    """The service answers that it does not know the case."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """An answer, and the tag by which to ask whether there is another one."""

    tag: str
    content: bytes


@dataclass(slots=True)
class Credentials:
    """The token presented to the other services for the hub, renewed well before it ends."""

    signing_key: str
    hub: Callable[[], str]
    now: Callable[[], datetime]
    _token: str = ""
    _ends: datetime | None = None
    _unit: str = ""

    def header(self) -> dict[str, str]:
        if not self.signing_key:
            return {}
        now, unit = self.now(), self.hub()
        ended = self._ends is None or now >= self._ends - RENEWED_BEFORE_END or now < self._ends - TOKEN_LASTS
        if ended or unit != self._unit:
            identity = Identity(kind=ActorKind.STAFF, person="workbench", unit=unit, operator=False)
            self._token = issue(identity, self.signing_key, now, TOKEN_LASTS)
            self._ends, self._unit = now + TOKEN_LASTS, unit
        return {"Authorization": f"Bearer {self._token}"}


class Services:
    """What the workbench asks of intake, router, sla and feedback. Every call raises `Away` where one fails.

    `aside` is asked, too, but has no part in any case, and no log.
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        credentials: Credentials,
        transport: httpx.AsyncBaseTransport | None = None,
        aside: Mapping[str, str] | None = None,
    ) -> None:
        self._addresses = {name: address.rstrip("/") for name, address in {**addresses, **(aside or {})}.items()}
        self._names = tuple(addresses)
        self._credentials = credentials
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT,
            transport=transport,
            trust_env=False,
            limits=httpx.Limits(max_connections=40, max_keepalive_connections=20, keepalive_expiry=25.0),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The services of the loop, in its order."""
        return self._names

    async def close(self) -> None:
        await self._client.aclose()

    async def statistics(self) -> dict[str, Any]:
        """The router's counts."""
        found = await self._get("router", "/statistics")
        if not isinstance(found, dict):
            raise Away("router", "/statistics is not an object")
        return found

    async def running_deadlines(self) -> dict[str, Any]:
        """sla's counts of what runs, by obligation: `armed` (in time) and `overdue`."""
        found = await self._get("sla", "/deadlines/summary")
        obligations = found.get("obligations") if isinstance(found, dict) else None
        if not isinstance(obligations, dict):
            raise Away("sla", "/deadlines/summary has no obligations")
        return obligations

    async def lately(self) -> dict[str, Any]:
        """The live statistics: the last 24 hours, and what surges."""
        found = await self._get("live", "/live")
        if not isinstance(found, dict):
            raise Away("live", "/live is not an object")
        return found

    async def case(self, number_or_id: str) -> dict[str, Any]:
        """A case as the router holds it. Raises `NotFound` where there is none."""
        found = await self._get("router", f"/cases/{quote(number_or_id, safe='')}")
        if not isinstance(found, dict):
            raise Away("router", "the case is not an object")
        return found

    async def log(self, service: str, case_id: UUID) -> list[dict[str, Any]]:
        """A case's events in one service's log, in order."""
        return _rows(service, "events", await self._found_or_none(service, f"/log/{case_id}"))

    async def deadlines(self, case_id: UUID) -> list[dict[str, Any]]:
        """A case's obligations as sla counts them; none where sla has not heard of the case."""
        return _rows("sla", "deadlines", await self._found_or_none("sla", f"/cases/{case_id}/deadlines"))

    async def units(self, tag: str) -> Tagged | None:
        """The router's units in force; None where they are those of this tag still."""
        response = await self._ask("router", "/district/units", {"If-None-Match": tag} if tag else {})
        if response.status_code == 304:
            return None
        return Tagged(response.headers.get("ETag", ""), response.content)

    async def lives(self, service: str) -> None:
        """Returns where the service answers, raises `Away` where it does not."""
        await self._get(service, "/health/live")

    async def _found_or_none(self, service: str, path: str) -> Any:
        try:
            return await self._get(service, path)
        except NotFound:
            return []

    async def _get(self, service: str, path: str) -> Any:
        response = await self._ask(service, path, {})
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise Away(service, f"not JSON: {error}") from error

    async def _ask(self, service: str, path: str, headers: Mapping[str, str]) -> httpx.Response:
        started = asyncio.get_running_loop().time()
        outcome = "away"
        try:
            with tracing.call(service) as carried:
                response = await self._fetch(self._addresses[service] + path, {**headers, **carried})
            outcome = str(response.status_code)
            if response.status_code == 404:
                raise NotFound
            if response.status_code not in (200, 304):
                raise Away(service, f"answers {response.status_code}")
            if len(response.content) > LARGEST_ANSWER:
                raise Away(service, "the answer is too large")
            return response
        except httpx.HTTPError as error:
            raise Away(service, repr(error)) from error
        finally:
            elapsed = asyncio.get_running_loop().time() - started
            metrics.UPSTREAM.labels(service, outcome).observe(elapsed)

    async def _fetch(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        sent = {**self._credentials.header(), **headers}
        try:
            return await self._client.get(url, headers=sent)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            # The other end closed a connection that was kept open, just as it was used again.
            return await self._client.get(url, headers=sent)


def _rows(service: str, name: str, found: Any) -> list[dict[str, Any]]:
    """A list, bare or under its name in an object."""
    rows = found.get(name) if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Away(service, f"{name} is not a list of objects")
    return rows
