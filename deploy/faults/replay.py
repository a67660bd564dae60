"""I8: replaying the dead letters twice equals once. Asked at the services' doors, as an operator would."""

import asyncio
from typing import Any

import httpx

from deploy.faults.ground import LOGGING, Ground

AT_ONCE = 8
STILL_AWAY = frozenset({502, 503, 504})

_STATE = """
select (select json_agg(head order by shard)::text from {service}.head) as heads,
       (select md5(coalesce(string_agg(case_id || ' ' || caseseq || ' ' || state::text, '' order by case_id), ''))
        from {service}.state) as states"""
_DEADLINES = """
select md5(coalesce(string_agg(deadline::text, '' order by case_id, unit, obligation, generation), ''))
from sla.deadline"""


async def letters(ground: Ground) -> list[tuple[str, int]]:
    """Every dead letter there is: (service, number)."""
    async with ground.postgres() as connection:
        return [
            (service, record["number"])
            for service in LOGGING
            for record in await connection.fetch(f"select number from {service}.dead_letter order by number")  # noqa: S608
        ]


async def replay(ground: Ground, wanted: list[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Replay each once; what became of it. A no is an answer, too."""
    turns = asyncio.Semaphore(AT_ONCE)
    where, operator = ground.stack.addresses.services, ground.doors.operator()
    fates: dict[tuple[str, int], str] = {}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

        async def one(service: str, number: int) -> None:
            async with turns:
                answer = await client.post(f"{where[service]}/dead-letters/{number}/replay", headers=operator)
            said: dict[str, Any] = answer.json()
            fates[service, number] = said["fate"] if answer.is_success else f"{answer.status_code} {said.get('type')}"

        await asyncio.gather(*(one(*letter) for letter in wanted))
    return fates


async def standing(ground: Ground) -> dict[str, str]:
    """The logs' heads and the states of every service, as texts that are equal where they are."""
    found: dict[str, str] = {}
    async with ground.postgres() as connection:
        for service in LOGGING:
            record = await connection.fetchrow(_STATE.format(service=service))
            found |= {f"{service}.head": record["heads"], f"{service}.state": record["states"]}
        found["sla.deadline"] = await connection.fetchval(_DEADLINES)
    return found
