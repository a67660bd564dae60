"""Workers that are slow, stand still, wake up late, or come and go: who believes to own what."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from deploy.faults.ground import CONSUMING, LOGGING, Ground, Running
from deploy.faults.kind import Injection, Kind, Variant
from deploy.faults.kinds.killing import EVERYWHERE, REACHED_WITHIN_SECONDS
from deploy.faults.waiting import happened, healed
from shared.contracts.topics import TOPICS
from shared.runtime.kafka import leave, make_consumer, subscription

TAKEN_OVER_WITHIN_SECONDS = 40.0
"""A session of the database ends after 5 s of silence, one of the group after 6, a transaction after 15."""
SLOW_TIMES = 6
STORMS = 3


async def _slow(service: str, failpoint: str, ground: Ground, injection: Injection) -> None:
    """Each of its next batches takes much longer than it should."""
    victim = await ground.main(service, listening=True)
    seconds = injection.chance.choice((0.1, 0.3, 0.6))
    armed = await ground.failpoints.arm(victim.pid, f"{failpoint}:{SLOW_TIMES}:slow:{seconds}")
    try:
        await happened(
            lambda: ground.failpoints.strikes(armed) >= SLOW_TIMES / 2,
            REACHED_WITHIN_SECONDS,
            f"{service} is slow at {failpoint}",
        )
        injection.happened(f"{service} ({victim.pid}) waited {seconds} s at {failpoint}, several times")
    finally:
        await ground.failpoints.disarm(victim.pid)
    await ground.ready(service)


async def _frozen(service: str, ground: Ground, injection: Injection) -> None:
    """It stands still for less than any session lasts, and goes on."""
    victim = await ground.main(service)
    victim.send(signal.SIGSTOP)
    try:
        await happened(victim.stands_still, 5, f"{service} stands still")
        injection.happened(f"{service} ({victim.pid}) stood still")
        await asyncio.sleep(injection.chance.uniform(0.2, 2.5))
    finally:
        victim.send(signal.SIGCONT)
    await ground.ready(service)


async def _wakes_up(service: str, failpoint: str, ground: Ground, injection: Injection) -> None:
    """It stands still at a failpoint until another process has its shards, then goes on as if nothing had been."""
    sleeper = await ground.main(service, listening=True)
    async with ground.further(service) as other:
        await ground.failpoints.arm(sleeper.pid, f"{failpoint}:1:SIGSTOP")
        try:
            await happened(sleeper.stands_still, REACHED_WITHIN_SECONDS, f"{service} stands still at {failpoint}")
            await happened(
                lambda: _has_all(ground, service, other), TAKEN_OVER_WITHIN_SECONDS, "the other has taken over"
            )
            injection.happened(f"{service} ({sleeper.pid}) stood still at {failpoint} until {other.pid} had its shards")
        finally:
            sleeper.send(signal.SIGCONT)
            await ground.failpoints.disarm(sleeper.pid)
        await healed(lambda: not sleeper.stands_still(), 5, f"{service} goes on")
        await ground.ready(service)
    await ground.ready(service)


async def _has_all(ground: Ground, service: str, other: Running) -> bool:
    """Its relays are the other's and, where it consumes, it is no member of the group any more."""
    relays = await ground.relays(service)
    if not relays or set(relays.values()) != {other.pid}:
        return False
    return service not in CONSUMING or await ground.members(service) == 1


async def _storm_of_members(service: str, ground: Ground, injection: Injection) -> None:
    """Members that read nothing and commit nothing take partitions and leave again."""
    read = subscription([topic.name for topic in TOPICS if service in topic.readers])
    for _ in range(STORMS):
        member = make_consumer(ground.kafka, f"chuishao.{service}")
        member.subscribe(pattern=read)
        try:
            await member.start()
            await happened(member.assignment, 20, f"a foreign member of {service}'s group is given partitions")
            injection.happened(f"a foreign member was given {len(member.assignment())} partitions of {service}")
        finally:
            await leave(member)
    await ground.ready(service)


async def _storm_of_processes(service: str, ground: Ground, injection: Injection) -> None:
    """Second processes that join and leave, one after the other."""
    for _ in range(2):
        async with ground.further(service) as further:
            injection.happened(f"a second {service} ({further.pid}) joined")
    await ground.ready(service)


def _variants(
    inject: Callable[..., Awaitable[None]], services: Sequence[str], failpoints: Sequence[str], seconds: float = 60
) -> tuple[Variant, ...]:
    return tuple(
        Variant(
            f"{service} {failpoint}",
            partial(inject, service, failpoint),
            claims=frozenset({service}),
            seconds=seconds,
        )
        for service in services
        for failpoint in failpoints
    )


KINDS = (
    Kind(
        "slow_consumer",
        "处理缓慢",
        "a service's batches take much longer than they should",
        ("I3", "I6", "I7"),
        (
            *_variants(_slow, CONSUMING, ("after_poll",)),
            *_variants(_slow, LOGGING, ("before_commit", "before_publish")),
        ),
        weight=6,
    ),
    Kind(
        "frozen",
        "进程短暂停顿（SIGSTOP）",
        "a process stands still for less than its sessions last",
        ("I3", "I6", "I7"),
        tuple(Variant(one, partial(_frozen, one), claims=frozenset({one})) for one in EVERYWHERE),
        weight=6,
    ),
    Kind(
        "rebalance_storm",
        "消费组频繁再均衡",
        "members of a service's group join and leave again and again",
        ("I4", "I6", "I7"),
        (
            *(
                Variant(f"{one} foreign members", partial(_storm_of_members, one), frozenset({one}), seconds=120)
                for one in CONSUMING
            ),
            *(
                Variant(f"{one} processes", partial(_storm_of_processes, one), frozenset({one}), seconds=180)
                for one in CONSUMING
            ),
        ),
        weight=3,
    ),
    Kind(
        "paused_relay",
        "中继停顿、他人接管后苏醒",
        "a relay stands still between reading, publishing and marking until another has taken over, and wakes up",
        ("I4", "I6", "I7"),
        _variants(_wakes_up, LOGGING, ("before_publish", "after_publish", "before_marking"), seconds=180),
        weight=3,
    ),
    Kind(
        "two_owners",
        "两个进程都以为拥有同一分片",
        "a worker stands still past its session, another gets its shards, and both work on",
        ("I1", "I3", "I4", "I6", "I7"),
        (
            *_variants(_wakes_up, CONSUMING, ("after_poll", "before_offset_commit"), seconds=180),
            *_variants(_wakes_up, LOGGING, ("before_commit", "after_commit"), seconds=180),
            *_variants(_wakes_up, ("sla",), ("after_claim", "after_firing"), seconds=180),
        ),
        weight=3,
    ),
)
