"""Three Kafka nodes: the leader of a log's partition is lost, then so many that nothing can be acknowledged."""

import asyncio
import random

from deploy.faults.cluster import NODES, ThreeNodes
from deploy.faults.ground import LOGGING, Ground
from deploy.faults.kind import Injection, Kind, NotInjected, Variant
from deploy.faults.kinds.broker import WHISTLES, backlog_drained, has_ended
from deploy.faults.kinds.messages import LOG_OF
from deploy.faults.knocker import Answers, knocking
from deploy.faults.waiting import happened, healed
from shared.contracts.topics import SHARDS

DIES_WITHIN_SECONDS = 10.0
ELECTED_WITHIN_SECONDS = 40.0
HELD_BACK_WITHIN_SECONDS = 60.0
TAKES_WITHIN_SECONDS = 60.0
WHOLE_WITHIN_SECONDS = 120.0
LONGEST_SECONDS = 15.0


async def _leader_lost(ground: Ground, injection: Injection) -> None:
    """The node that leads a log's partition dies; another leads, and publishing goes on with two."""
    assert isinstance(ground, ThreeNodes)
    async with knocking(ground, injection) as answers:
        try:
            await _kill_a_leader(ground, injection, injection.chance)
            await ground.ready(within=WHOLE_WITHIN_SECONDS)
            await _takes(answers)
            await asyncio.sleep(injection.chance.uniform(0, LONGEST_SECONDS))
        finally:
            _start_all(ground)
        await _whole(ground)
    await backlog_drained(ground, injection, answers)


async def _too_few(ground: Ground, injection: Injection) -> None:
    """Then a second one: no replica may acknowledge. What is accepted waits in the log, and nothing is turned away."""
    assert isinstance(ground, ThreeNodes)
    async with knocking(ground, injection) as answers:
        try:
            first = await _kill_a_leader(ground, injection, injection.chance)
            second = injection.chance.choice([node for node in NODES if node != first])
            pid = ground.cluster.kill(second)
            await happened(lambda: has_ended(pid), DIES_WITHIN_SECONDS, f"node {second} dies")
            injection.happened(f"node {second} killed as well: one of three is left")
            await happened(lambda: _held_back(ground), HELD_BACK_WITHIN_SECONDS, "rows of the logs wait")
            await _takes(answers)
            await asyncio.sleep(injection.chance.uniform(0, LONGEST_SECONDS))
            if answers.turned_away:
                injection.breaks("I1", f"with too few replicas, {answers.turned_away} requests were turned away")
        finally:
            _start_all(ground)
        await _whole(ground)
    await backlog_drained(ground, injection, answers)


async def _kill_a_leader(ground: ThreeNodes, injection: Injection, chance: random.Random) -> int:
    """Returns the node. Seen to have another leader in its place."""
    log, shard = LOG_OF[chance.choice(LOGGING)], chance.randrange(SHARDS)
    leader = (await asyncio.to_thread(ground.cluster.leaders, log)).get(shard, -1)
    if leader not in NODES:
        raise NotInjected(f"nobody leads {log}/{shard}")
    pid = ground.cluster.kill(leader)
    await happened(lambda: has_ended(pid), DIES_WITHIN_SECONDS, f"node {leader} dies")

    async def another_leads() -> bool:
        return (await asyncio.to_thread(ground.cluster.leaders, log)).get(shard, -1) not in (-1, leader)

    await happened(another_leads, ELECTED_WITHIN_SECONDS, f"another node leads {log}/{shard}")
    injection.happened(f"node {leader} ({pid}), leader of {log}/{shard}, killed; another leads")
    return leader


async def _held_back(ground: Ground) -> bool:
    """Whether rows of a log have not been published for a while: they wait for replicas."""
    async with ground.postgres() as connection:
        for service in LOGGING:
            found = await connection.fetchval(
                f"select coalesce(sum(sequence - published), 0) from {service}.head"  # noqa: S608
            )
            if found >= WHISTLES:
                return True
    return False


async def _takes(answers: Answers) -> None:
    taken = answers.acknowledged
    await healed(lambda: answers.acknowledged >= taken + WHISTLES, TAKES_WITHIN_SECONDS, "intake accepts")


def _start_all(ground: ThreeNodes) -> None:
    for node in NODES:
        ground.cluster.start(node)


async def _whole(ground: ThreeNodes) -> None:
    await healed(
        lambda: asyncio.to_thread(ground.cluster.is_whole), WHOLE_WITHIN_SECONDS, "all replicas are in sync again"
    )


_CLAIMS = frozenset({"kafka"})
_NEEDS = frozenset({"postgresql", "intake"})

KINDS = (
    Kind(
        "leader_lost",
        "三节点集群失去主副本、副本不足",
        "three Kafka nodes: a log's leader is killed, then a second node, so that too few replicas are left",
        ("I1", "I4", "I6", "I7"),
        (
            Variant("a leader", _leader_lost, _CLAIMS, _NEEDS, seconds=420),
            Variant("two of three", _too_few, _CLAIMS, _NEEDS, seconds=420),
        ),
        ground=ThreeNodes,
    ),
)
