"""The broker: restarted, killed, frozen, away for a minute. Intake takes whistles all the while."""

import asyncio
import os
import signal
from functools import partial

import psutil

from deploy.faults.ground import LOGGING, Ground
from deploy.faults.kind import Injection, Kind, Variant
from deploy.faults.knocker import Answers, knocking
from deploy.faults.waiting import happened, healed
from deploy.local import kafka, records

STOPS_WITHIN_SECONDS = 40.0
ANSWERS_WITHIN_SECONDS = 90.0
DRAINED_WITHIN_SECONDS = 90.0
LONGEST_MOMENT_SECONDS = 12.0
MINUTE = 60.0
WHISTLES = 5
"""At least so many are taken while the broker does not answer."""


def has_ended(pid: int) -> bool:
    try:
        return records.has_ended(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


async def _restarted(signal_: signal.Signals, ground: Ground, injection: Injection) -> None:
    """It ends, in order or not, and the supervisor starts it again."""
    async with knocking(ground, injection) as answers:
        pid = ground.stack.kill(kafka.NAME, signal_)
        await happened(lambda: has_ended(pid), STOPS_WITHIN_SECONDS, "the broker ends")
        injection.happened(f"kafka ({pid}) ended by {signal_.name}")
        await _takes_whistles(answers, injection)
        await broker_answers(ground)
    await backlog_drained(ground, injection, answers)


async def _frozen(seconds: tuple[float, float], ground: Ground, injection: Injection) -> None:
    """It stands still, its connections open."""
    pid = ground.stack.pid(kafka.NAME)
    lasting = injection.chance.uniform(*seconds)
    async with knocking(ground, injection) as answers:
        os.kill(pid, signal.SIGSTOP)
        try:
            standing = psutil.Process(pid)
            await happened(lambda: standing.status() == psutil.STATUS_STOPPED, 5, "the broker stands still")
            injection.happened(f"kafka ({pid}) stood still for {lasting:.0f} s")
            await asyncio.sleep(lasting)
            await _takes_whistles(answers, injection)
        finally:
            os.kill(pid, signal.SIGCONT)
        await broker_answers(ground)
    await backlog_drained(ground, injection, answers)


async def _away(ground: Ground, injection: Injection) -> None:
    """There is none for a minute."""
    async with knocking(ground, injection) as answers:
        try:
            await asyncio.to_thread(ground.stack.stop_one, kafka.NAME)
            await happened(lambda: not ground.stack.pid(kafka.NAME), STOPS_WITHIN_SECONDS, "the broker is away")
            injection.happened("no broker for a minute")
            await asyncio.sleep(MINUTE)
            await _takes_whistles(answers, injection)
        finally:
            await asyncio.to_thread(ground.stack.start_one, kafka.NAME)
        await broker_answers(ground)
    await backlog_drained(ground, injection, answers)


async def _takes_whistles(answers: Answers, injection: Injection) -> None:
    """Several are taken from now on, and none is turned away: they need the database alone."""
    taken, turned_away = answers.acknowledged, answers.turned_away
    await healed(
        lambda: answers.acknowledged >= taken + WHISTLES, ANSWERS_WITHIN_SECONDS, "intake accepts without a broker"
    )
    if answers.turned_away > turned_away:
        injection.breaks("I1", f"without a broker, {answers.turned_away - turned_away} requests were turned away")


async def broker_answers(ground: Ground, within: float = ANSWERS_WITHIN_SECONDS) -> None:
    await healed(lambda: asyncio.to_thread(_answers, ground.kafka.bootstrap), within, "the broker answers")


def _answers(bootstrap: str) -> bool:
    return not kafka.problem(bootstrap, {})


async def backlog_drained(ground: Ground, injection: Injection, answers: Answers) -> None:
    """Everybody reads again, and what was appended up to now is published."""
    async with ground.postgres() as connection:
        heads = {
            service: dict(await connection.fetch(f"select shard, sequence from {service}.head"))  # noqa: S608
            for service in LOGGING
        }

        async def published(service: str) -> bool:
            found = dict(await connection.fetch(f"select shard, published from {service}.head"))  # noqa: S608
            return all(found[shard] >= sequence for shard, sequence in heads[service].items())

        for service in LOGGING:
            await healed(partial(published, service), DRAINED_WITHIN_SECONDS, f"the backlog of {service} is published")
    await ground.ready(within=DRAINED_WITHIN_SECONDS)
    injection.happened(f"{answers}; the backlog is published")


_CLAIMS = frozenset({"kafka"})
_NEEDS = frozenset({"postgresql", "intake"})

KINDS = (
    Kind(
        "broker_restart",
        "消息中间件重启或被强杀",
        "the broker ends by SIGTERM or SIGKILL and is started again; intake takes whistles meanwhile",
        ("I1", "I4", "I6", "I7"),
        tuple(
            Variant(one.name, partial(_restarted, one), _CLAIMS, _NEEDS, seconds=300)
            for one in (signal.SIGTERM, signal.SIGKILL)
        ),
    ),
    Kind(
        "broker_frozen",
        "消息中间件停顿（SIGSTOP）",
        "the broker stands still for seconds, its connections open, and goes on",
        ("I1", "I4", "I6", "I7"),
        (
            Variant("seconds", partial(_frozen, (1.0, LONGEST_MOMENT_SECONDS)), _CLAIMS, _NEEDS, seconds=300),
            Variant("up to a minute", partial(_frozen, (LONGEST_MOMENT_SECONDS, MINUTE)), _CLAIMS, _NEEDS, seconds=360),
        ),
        weight=0,
    ),
    Kind(
        "broker_away",
        "消息中间件缺席 60 秒",
        "no broker for a minute: intake accepts, and the backlog drains in order when it is back",
        ("I1", "I4", "I6", "I7"),
        (Variant("60 s", _away, _CLAIMS, _NEEDS, seconds=360),),
        weight=0,
    ),
)
