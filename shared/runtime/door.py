"""The way in for people and systems that speak HTTP: requests that arrive together share a transaction."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from fastapi import Request
from uuid_utils import uuid7

from shared.contracts.envelope import traceparent_of
from shared.runtime.decision import DoorKey, Fate, FromDoor, Input, Outcome, Refusal
from shared.runtime.identity import Identity
from shared.runtime.problems import FAILED, Refused, body_of, unavailable
from shared.runtime.road import Road, Unavailable

MOST_AT_ONCE = 200
MOST_WAITING = 5_000
PATIENCE_SECONDS = 4.0
KEYS_KEPT = timedelta(days=7)
UNKEYED_KEPT = timedelta(hours=1)
_LONGEST_KEY = 200


class Door:
    """Gathers requests into batches for the road. What has arrived makes a batch; nobody waits for it to fill."""

    def __init__(self, road: Road[Any]) -> None:
        self._road = road
        self._waiting: asyncio.Queue[tuple[Input[Any], asyncio.Future[Outcome]]] = asyncio.Queue()

    async def submit(self, item: Input[Any]) -> Outcome:
        """Send one input down the road. Raises `Refused`: 503 where the database is away, else the domain's no."""
        outcome = (await self.submit_all([item]))[0]
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        if outcome.fate is Fate.FAILED:
            raise Refused(FAILED)
        return outcome

    async def submit_all(self, items: Sequence[Input[Any]]) -> list[Outcome]:
        """Send several inputs; each has its own outcome, refusals included. All are taken, or none."""
        if self._waiting.qsize() >= MOST_WAITING:
            raise unavailable()
        futures = []
        for item in items:
            future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            self._waiting.put_nowait((item, future))
            futures.append(future)
        return list(await asyncio.gather(*futures))

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            taken = [await self._waiting.get()]
            while len(taken) < MOST_AT_ONCE and not self._waiting.empty():
                taken.append(self._waiting.get_nowait())
            try:
                outcomes = await self._road.travel([item for item, _ in taken], PATIENCE_SECONDS)
            except Unavailable:
                _turn_away(taken)
            except BaseException:
                _turn_away(taken)
                raise
            else:
                for (_, future), outcome in zip(taken, outcomes, strict=True):
                    if not future.done():
                        future.set_result(outcome)


def _turn_away(taken: Sequence[tuple[Input[Any], asyncio.Future[Outcome]]]) -> None:
    for _, future in taken:
        if not future.done():
            future.set_exception(unavailable())


def command(
    case_id: UUID, message: object, request: Request, identity: Identity, more_keys: Sequence[DoorKey] = ()
) -> Input[Any]:
    """A command from an HTTP request, known by its asker and `Idempotency-Key` (or by itself without one)."""
    given = request.headers.get("idempotency-key")
    if given is not None and not 1 <= len(given) <= _LONGEST_KEY:
        raise Refused(
            Refusal(
                "idempotency_key_invalid",
                zh=f"Idempotency-Key 长度应为 1–{_LONGEST_KEY} 个字符。",
                en=f"Idempotency-Key must have 1 to {_LONGEST_KEY} characters.",
                field="Idempotency-Key",
                status=400,
            )
        )
    own_id = str(uuid7())
    if given is None:
        key = DoorKey("http", own_id, keep=UNKEYED_KEPT)
    else:
        fingerprint = sha256(f"{request.method} {request.url.path}\n".encode() + body_of(request)).hexdigest()
        key = DoorKey(f"http {identity.person}"[:200], given, fingerprint, KEYS_KEPT)
    return Input(
        case_id,
        message,
        own_id,
        FromDoor((key, *more_keys)),
        identity.unit,
        traceparent=traceparent_of(request.headers.get("traceparent")),
    )
