"""How the rehearsal's people knock: HTTP with their own tokens, patient with what is away for a moment.

A request carries an `Idempotency-Key`, so it is sent again after any failure and still counts once.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from deploy.demo.diary import Attempt
from services.feedback.answers.links import Links
from shared.contracts.vocabulary import ActorKind
from shared.runtime.identity import Identity, issue

AT_ONCE = 32
PATIENCE_SECONDS = 90.0
NOT_YET = frozenset({404, 429, 500, 502, 503, 504})
"""Answers that may change by waiting: the fact an action rests on is still on its way."""
NOT_FOUND = 404
NOT_NOW = 409
NOT_NOW_SECONDS = 8.0
"""A door that says "not now" may only be a moment behind; after so long, a deadline was faster than the person. What
it was away before does not count."""
PASSED = 422
"""What somebody said while a door was away may have been overtaken, as a date that has passed."""


class Unanswered(Exception):
    """A door said no for good, with this `status`, or nothing for too long."""

    def __init__(self, said: str, status: int | None = None) -> None:
        super().__init__(said)
        self.status = status


class Doors:
    """The services' HTTP doors, as several people use them at once. `patience`: how many seconds one is asked."""

    def __init__(
        self, urls: dict[str, str], signing_key: str, hotline_key: str, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._patience = patience
        self._urls = urls
        self._signing_key = signing_key
        self._hotline_key = hotline_key
        self.links = Links(signing_key, "")
        self._tokens: dict[tuple[str, str | None], str] = {}
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        # Waiting for a turn here is cheap; the client's own queue is searched through for every request.
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._http = httpx.AsyncClient(timeout=20, limits=limits, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    def staff(self, unit: str) -> dict[str, str]:
        return self._bearer(Identity(kind=ActorKind.STAFF, person=f"staff-of-{unit}", unit=unit))

    def resident(self, name: str) -> dict[str, str]:
        return self._bearer(Identity(kind=ActorKind.RESIDENT, person=name))

    def operator(self) -> dict[str, str]:
        return self._bearer(Identity(kind=ActorKind.STAFF, person="operator", operator=True))

    def hotline(self) -> dict[str, str]:
        return {"X-API-Key": self._hotline_key}

    def _bearer(self, identity: Identity) -> dict[str, str]:
        key = (identity.person, identity.unit)
        if key not in self._tokens:
            self._tokens[key] = issue(identity, self._signing_key, datetime.now(UTC), timedelta(hours=12))
        return {"Authorization": f"Bearer {self._tokens[key]}"}

    async def get(self, service: str, path: str, who: dict[str, str]) -> dict[str, Any]:
        """Ask until it is answered; `{}` where there is no such thing. Raises `Unanswered` after its patience."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        while True:
            try:
                async with self._turns:
                    answer = await self._http.get(self._urls[service] + path, headers=who)
                if answer.status_code == NOT_FOUND:
                    return {}
                if answer.is_success:
                    found: dict[str, Any] = answer.json()
                    return found
                said = f"{answer.status_code} {answer.text[:300]}"
            except httpx.TransportError as error:
                said = repr(error)
            if loop.time() > until:
                raise Unanswered(f"GET {service} {path}: {said}")
            await asyncio.sleep(0.2)

    async def post(
        self,
        service: str,
        path: str,
        who: dict[str, str],
        body: object = None,
        content: bytes | None = None,
        key: str | None = None,
        may_be_late: bool = False,
        attempt: Attempt | None = None,
    ) -> dict[str, Any]:
        """Send until it is answered; `{}` where it `may_be_late` and is. `Unanswered` after its patience, or a no.

        `attempt` is told every answer.
        """
        headers = who | {"Idempotency-Key": key or str(uuid4())}
        if content is not None:
            headers["Content-Type"] = "text/csv"
        attempt = attempt or Attempt("", path)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        delay = 0.05
        refused_since: float | None = None
        while True:
            try:
                answer = await self._send(service, path, headers, body, content)
            except httpx.TransportError as error:
                status, said = None, repr(error)
            else:
                status, said = answer.status_code, f"{answer.status_code} {answer.text[:400]}"
                if answer.is_success:
                    attempt.answered(said)
                    told: dict[str, Any] = answer.json()
                    return told
            attempt.answered(said)
            refused_since = (refused_since or loop.time()) if status == NOT_NOW else None
            too_late = refused_since is not None and loop.time() - refused_since > NOT_NOW_SECONDS
            if may_be_late and (status == PASSED or too_late):
                return {}
            if status not in (None, NOT_NOW, *NOT_YET) or loop.time() > until:
                raise Unanswered(f"POST {service} {path}: {said}", status)
            await asyncio.sleep(delay)
            delay = min(delay * 1.6, 1.0)

    async def knock(
        self,
        method: str,
        service: str,
        path: str,
        who: dict[str, str] | None = None,
        json: object = None,
        attempt: Attempt | None = None,
    ) -> httpx.Response:
        """Whatever the door says, once it says anything. Raises `Unanswered` after its patience."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        headers = {"Accept": "application/json"} | (who or {})
        while True:
            try:
                async with self._turns:
                    answer = await self._http.request(
                        method, self._urls[service] + path, headers=headers, json=json, timeout=60
                    )
                said = f"{answer.status_code} {answer.text[:300] if answer.is_error else ''}"
            except httpx.TransportError as error:
                answer, said = None, repr(error)
            if attempt is not None:
                attempt.answered(said)
            if answer is not None and not answer.is_server_error:
                return answer
            if loop.time() > until:
                raise Unanswered(f"{method} {service} {path.partition('?')[0]}: {said}")
            await asyncio.sleep(0.2)

    async def _send(
        self, service: str, path: str, headers: dict[str, str], body: object, content: bytes | None
    ) -> httpx.Response:
        async with self._turns:
            return await self._http.post(
                self._urls[service] + path,
                headers=headers,
                json=body if content is None else None,
                content=content,
                timeout=20 if content is None else 600,
            )
