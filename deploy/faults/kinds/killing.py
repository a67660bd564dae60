"""Processes that die: at a named failpoint, anywhere, or because somebody asks them to stop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import yaml

from deploy.faults.ground import CONSUMING, LIVE_READY_WITHIN_SECONDS, LOGGING, Ground, Running
from deploy.faults.kind import Inject, Injection, Kind, Variant
from deploy.faults.waiting import happened, healed
from deploy.local.processes import SERVICES

REACHED_WITHIN_SECONDS = 20.0
DIES_WITHIN_SECONDS = 15.0

ON_THE_ROAD = ("before_commit", "after_commit")
PUBLISHING = ("before_publish", "after_publish", "before_marking")
CONSUMING_POINTS = ("after_poll", "before_offset_commit")
OF_ONE = {
    "sla": ("after_claim", "after_taking", "after_firing", "amid_noting", "amid_telling"),
    "router": ("after_calling_back",),
}
EVERYWHERE = tuple(service.name for service in SERVICES)


def failpoints_of(service: str) -> tuple[str, ...]:
    """Where this service passes under load."""
    consuming = CONSUMING_POINTS if service in CONSUMING else ()
    return (*ON_THE_ROAD, *PUBLISHING, *consuming, *OF_ONE.get(service, ()))


async def _at_failpoint(service: str, failpoint: str, ground: Ground, injection: Injection) -> None:
    await _killed_at(ground, injection, service, failpoint)


async def _killed_at(
    ground: Ground,
    injection: Injection,
    service: str,
    failpoint: str,
    provoked: Callable[[], Awaitable[Any]] | None = None,
) -> None:
    """Armed in the running process; what reaches it is the load or, where that does not, what is `provoked`."""
    victim = await ground.main(service, listening=True)
    count = injection.chance.randint(1, 3) if provoked is None else 1
    armed = await ground.failpoints.arm(victim.pid, f"{failpoint}:{count}:SIGKILL")
    provoking = asyncio.ensure_future(provoked()) if provoked is not None else None
    try:
        await happened(victim.is_gone, REACHED_WITHIN_SECONDS, f"{service} reaches {armed.written}")
        injection.happened(f"{service} ({victim.pid}) killed at {failpoint}, reached {count} times")
        await ground.ready(service)
        if provoking is not None:
            await provoking
    finally:
        if provoking is not None:
            provoking.cancel()
        await ground.failpoints.disarm(victim.pid)


async def _amid_import(ground: Ground, injection: Injection) -> None:
    """The same rules under a new version: imported whole or not at all, and once."""
    rules = yaml.safe_load((ground.output / "setup" / "rules.yaml").read_text(encoding="utf-8"))
    content = yaml.safe_dump(rules | {"version": f"faults-{injection.number}"}, allow_unicode=True, sort_keys=False)

    async def imported() -> None:
        await ground.doors.post("router", "/district/rules", ground.doors.operator(), content=content.encode())

    await _killed_at(ground, injection, "router", "amid_import", imported)
    versions = (await ground.doors.get("router", "/district/rules/versions", ground.doors.operator()))["versions"]
    named = [one for one in versions if one["label"] == f"faults-{injection.number}"]
    if len(named) != 1:
        injection.breaks("I1", f"the rules imported once are there {len(named)} times")


async def _at_random(names: Iterable[str], ground: Ground, injection: Injection) -> None:
    victims: list[Running] = [await ground.main(name) for name in names]
    await asyncio.sleep(injection.chance.uniform(0, 0.5))  # anywhere in what they do, not always the same place
    for victim in victims:
        victim.send(signal.SIGKILL)
    await happened(lambda: all(victim.is_gone() for victim in victims), DIES_WITHIN_SECONDS, "they die")
    injection.happened(", ".join(f"{victim.service} ({victim.pid})" for victim in victims) + " killed")
    await ground.ready(*(victim.service for victim in victims))


async def _restarted(service: str, ground: Ground, injection: Injection) -> None:
    victim = await ground.main(service, listening=service != "live")
    victim.send(signal.SIGTERM)
    await happened(victim.is_gone, DIES_WITHIN_SECONDS, f"{service} stops when it is asked to")
    injection.happened(f"{service} ({victim.pid}) stopped by SIGTERM")
    await ground.ready(service)


async def _further_comes_and_goes(service: str, signal_: signal.Signals, ground: Ground, injection: Injection) -> None:
    """A second process takes its share of the shards, then leaves in order or dies."""
    async with ground.further(service) as further:
        injection.happened(f"a second {service} ({further.pid}) has joined")
        further.send(signal_)
        await healed(further.is_gone, DIES_WITHIN_SECONDS, f"the second {service} ends")
        injection.happened(f"and has left by {signal_.name}")
    await ground.ready(service)


def _variant(name: str, inject: Inject, *services: str) -> Variant:
    seconds = LIVE_READY_WITHIN_SECONDS + 60 if "live" in services else 120
    return Variant(name, inject, claims=frozenset(services), seconds=seconds)


KINDS = (
    Kind(
        "kill_at_failpoint",
        "在命名断点处强杀服务进程",
        "SIGKILL of a service where it is most delicate: at a named failpoint",
        ("I1", "I2", "I3", "I4", "I5", "I6", "I7"),
        (
            *(
                _variant(f"{service} {failpoint}", partial(_at_failpoint, service, failpoint), service)
                for service in LOGGING
                for failpoint in failpoints_of(service)
            ),
            _variant("router amid_import", _amid_import, "router"),
        ),
        weight=18,
    ),
    Kind(
        "kill_at_random",
        "随机时刻强杀服务进程",
        "SIGKILL of a service at any moment, of two, and of all at once",
        ("I1", "I2", "I3", "I4", "I5", "I6", "I7"),
        (
            *(_variant(service, partial(_at_random, (service,)), service) for service in EVERYWHERE),
            _variant("router and sla", partial(_at_random, ("router", "sla")), "router", "sla"),
            _variant("intake and feedback", partial(_at_random, ("intake", "feedback")), "intake", "feedback"),
            _variant("all services", partial(_at_random, EVERYWHERE), *EVERYWHERE),
        ),
        weight=6,
    ),
    Kind(
        "restart",
        "有序重启服务（SIGTERM）",
        "a service is asked to stop under load, and started again",
        ("I1", "I4", "I6", "I7"),
        tuple(_variant(service, partial(_restarted, service), service) for service in EVERYWHERE),
        weight=3,
    ),
    Kind(
        "second_process",
        "同一服务第二个进程加入又离开",
        "a second process of a service joins, and leaves in order or dies",
        ("I3", "I4", "I6", "I7"),
        tuple(
            _variant(f"{service} {signal_.name}", partial(_further_comes_and_goes, service, signal_), service)
            for service in LOGGING
            for signal_ in (signal.SIGTERM, signal.SIGKILL)
        ),
        weight=3,
    ),
)
