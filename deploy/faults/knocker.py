"""Somebody who blows one whistle after the other while something is broken, and keeps every answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from deploy.demo.samples import Sample, samples
from deploy.faults.ground import LOGGING, Ground
from deploy.faults.kind import Injection
from deploy.faults.waiting import healed

AWAY = 503
MANY = 10_000
EVERY_SECONDS = 0.3
ANSWERS_WITHIN_SECONDS = 15.0
SETTLED_WITHIN_SECONDS = 90.0


@dataclass(slots=True)
class Answers:
    """What was answered so far: at the door that takes whistles, and where things are read."""

    acknowledged: int = 0
    turned_away: int = 0
    """503 with Retry-After."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Anything else."""

    def note(self, where: str, answer: httpx.Response | None, why: str = "") -> bool:
        """Whether it was a yes."""
        if answer is None:
            self.wrong[f"{where}: {why}"] += 1
        elif answer.status_code == AWAY and answer.headers.get("Retry-After"):
            self.turned_away += 1
        elif answer.is_success:
            return True
        else:
            without = " without Retry-After" if answer.status_code == AWAY else ""
            self.wrong[f"{where}: {answer.status_code}{without} {answer.text[:120]}"] += 1
        return False

    def __str__(self) -> str:
        return f"{self.acknowledged} acknowledged, {self.turned_away} times 503 with Retry-After"


@asynccontextmanager
async def knocking(ground: Ground, injection: Injection) -> AsyncIterator[Answers]:
    """Knocks from now on, and at the end until its last whistle is taken: none is left unknown.

    What was neither taken nor turned away with 503 and Retry-After breaks I1. Raises `NotHealed` where the last one is
    not taken in time.
    """
    answers, leaving = Answers(), asyncio.Event()
    task = asyncio.create_task(_knock(ground, injection, answers, leaving))
    try:
        yield answers
        leaving.set()
        await healed(task.done, SETTLED_WITHIN_SECONDS, "the last whistle is taken")
        await task
        for said, times in answers.wrong.items():
            injection.breaks("I1", f"answered {times} times neither yes nor 503 with Retry-After: {said}")
    finally:
        task.cancel()


async def _knock(ground: Ground, injection: Injection, answers: Answers, leaving: asyncio.Event) -> None:
    seed = injection.chance.getrandbits(32)
    wanted = (one for one in samples(MANY, seed, ground.tree) if one.door == "whistle")
    operator = ground.doors.operator()
    async with httpx.AsyncClient(trust_env=False, timeout=ANSWERS_WITHIN_SECONDS) as client:
        for number, sample in enumerate(wanted):
            key = f"knocker-{injection.number}-{uuid4()}"
            who = ground.doors.staff(sample.unit or sample.region) | {"Idempotency-Key": key}
            while (told := await _blow(ground, client, sample, who, answers)) is None:
                await asyncio.sleep(EVERY_SECONDS)
            answers.acknowledged += 1
            ground.acknowledged(sample.door, told, key)
            if leaving.is_set():
                return
            service = LOGGING[number % len(LOGGING)]
            url = f"{ground.stack.addresses.services[service]}/dead-letters"
            await _ask(client.get(url, headers=operator), f"GET {service} /dead-letters", answers)
            await asyncio.sleep(EVERY_SECONDS)


async def _blow(
    ground: Ground, client: httpx.AsyncClient, sample: Sample, who: dict[str, str], answers: Answers
) -> dict[str, Any] | None:
    url = f"{ground.stack.addresses.services['intake']}/whistles"
    answer = await _ask(client.post(url, headers=who, json=sample.body), "POST intake /whistles", answers)
    return answer.json() if answer is not None else None


async def _ask(asking: Any, where: str, answers: Answers) -> httpx.Response | None:
    """The answer where it is a yes."""
    try:
        answer: httpx.Response | None = await asking
        why = ""
    except httpx.TransportError as error:
        answer, why = None, repr(error)
    return answer if answers.note(where, answer, why) else None
