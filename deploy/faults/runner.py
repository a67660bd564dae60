"""One round: load on a fresh stack, injections side by side, then silence, and every invariant asked for."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from deploy.check.checker import Check
from deploy.check.command import kafka_options
from deploy.check.drained import wait_until_drained
from deploy.check.ledger import read_ledger
from deploy.check.live import Live, opened
from deploy.check.source import Message
from deploy.demo.hotline import listening
from deploy.faults import replay
from deploy.faults.ground import Ground
from deploy.faults.history import history
from deploy.faults.kind import Injection, Kind, NotHealed, NotInjected, Variant
from deploy.faults.kinds.messages import not_buried
from deploy.faults.load import Load, load_on
from deploy.faults.plan import Planned, plan
from deploy.faults.report import Round, Violation
from deploy.faults.stuck import stuck

LANES = 3
PER_SECOND = 4.0
WARM_AFTER = 10
"""So many whistles are accepted before the first injection: something is on its way everywhere."""
WARM_WITHIN_SECONDS = 90.0
LOOKED_AHEAD = 10
PASSED_OVER_AT_MOST = 12
DRAINED_WITHIN_SECONDS = 300.0
READY_AT_LAST_SECONDS = 120.0
HISTORIES = 10
"""So many violations are told with the history of their case."""

Telling = Callable[[Round, Injection], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a round consists of. `stop_at_first` ends the injections once one of them saw something broken."""

    kinds: Sequence[Kind]
    injections: int
    seed: int
    round: int = 1
    per_second: float = PER_SECOND
    lanes: int = LANES
    drained_within: float = DRAINED_WITHIN_SECONDS
    telling: Telling = field(default=lambda _round, _injection: None)


def play(ground: Ground, wanted: Wanted, keep: bool = False) -> Round:
    """Start everything anew, play one round, stop. Raises StackError where the stack does not start."""
    round_ = Round(wanted.round)
    _silence_clients()
    began = time.monotonic()
    try:
        with listening() as hotline:
            ground.tell(hotline.environment)
            ground.start()
            round_.seconds["start"] = round(time.monotonic() - began, 1)
            asyncio.run(_round(ground, wanted, round_))
    finally:
        ground.stop(erase=not keep)
    return round_


async def _round(ground: Ground, wanted: Wanted, round_: Round) -> None:
    load = load_on(ground, ground.output / "accepted.jsonl", wanted.per_second)
    ground.acknowledged = load.acknowledged
    began = time.monotonic()
    playing = asyncio.create_task(load.play(wanted.seed * 100 + wanted.round))
    try:
        await _warm(load, playing)
        await _inject(ground, wanted, round_, playing)
        round_.seconds["injecting"] = round(time.monotonic() - began, 1)
        await _settle(ground, wanted, round_, load, playing)
        await _judge(ground, round_)
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await load.doors.close()
        await ground.close()
    tally = load.tally
    round_.load = {
        "accepted": tally.accepted,
        "final": tally.final,
        "stages": {stage.value: number for stage, number in sorted(tally.by_stage.items())},
        "branches": sum(number > 0 for number in tally.branches.values()),
    }
    round_.complaints = load.complaints


async def _warm(load: Load, playing: "asyncio.Task[None]") -> None:
    deadline = time.monotonic() + WARM_WITHIN_SECONDS
    while load.tally.accepted < WARM_AFTER:
        if playing.done():
            playing.result()
        if time.monotonic() > deadline:
            raise NotHealed(f"the load did not begin within {WARM_WITHIN_SECONDS:g} s")
        await asyncio.sleep(0.05)


# --- injecting


class Queue:
    """What is planned, and who may begin beside those at work: whoever touches nothing that is in use.

    `most` = how many are taken of the plan.
    """

    def __init__(self, drawn: Iterator[Planned], most: int) -> None:
        self.most = most
        self._drawn = drawn
        self._taken = 0
        self._waiting: list[Planned] = []
        self._passed_over: Counter[int] = Counter()

    def next_beside(self, active: Sequence[Planned]) -> Planned | None:
        """The first that fits; nobody is passed over for ever. None while none does, or nothing is left."""
        while len(self._waiting) < LOOKED_AHEAD and self._taken < self.most:
            self._waiting.append(next(self._drawn))
            self._taken += 1
        for place, one in enumerate(self._waiting):
            if all(_fit(one.variant, other.variant) for other in active):
                self._passed_over.update(before.number for before in self._waiting[:place])
                return self._waiting.pop(place)
            if self._passed_over[one.number] >= PASSED_OVER_AT_MOST:
                return None
        return None


def _fit(one: Variant, other: Variant) -> bool:
    return not (one.claims & (other.claims | other.needs) or one.needs & other.claims)


async def _inject(ground: Ground, wanted: Wanted, round_: Round, playing: "asyncio.Task[None]") -> None:
    """The beginning of the plan, side by side where they do not touch the same. What does not come about is replaced by
    what follows in the plan, at most as often as was wanted."""
    possible = [kind for kind in wanted.kinds if kind.fits(ground)]
    queue = Queue(plan(possible, wanted.seed, wanted.round), wanted.injections)
    active: dict[asyncio.Task[Injection], Planned] = {}
    while not playing.done():  # the load may break; why is said when it is waited for
        while len(active) < wanted.lanes and (chosen := queue.next_beside([*active.values()])) is not None:
            round_.injections.append(chosen.begin())
            active[asyncio.create_task(_one(ground, chosen, round_.injections[-1]))] = chosen
        if not active:
            return
        done, _ = await asyncio.wait(active, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del active[task]
            wanted.telling(round_, task.result())
        failed = len(round_.injections) - len(active) - len(round_.injected)
        queue.most = min(2 * wanted.injections, wanted.injections + max(0, failed))
    await asyncio.gather(*active)


async def _one(ground: Ground, planned: Planned, injection: Injection) -> Injection:
    try:
        async with asyncio.timeout(planned.variant.seconds):
            await planned.variant.inject(ground, injection)
        injection.outcome = "injected" if injection.happened_at else "not injected"
    except NotInjected as error:
        injection.outcome = "injected" if injection.happened_at else "not injected"
        injection.done.append(str(error))
    except (NotHealed, TimeoutError) as error:
        injection.outcome = "not healed" if injection.happened_at else "not injected"
        injection.done.append(str(error) or f"not over within {planned.variant.seconds:g} s")
    except Exception as error:  # noqa: BLE001 - an injection's own failure must not end the round
        injection.outcome = "not healed" if injection.happened_at else "not injected"
        injection.done.append(repr(error))
    if injection.outcome != "not healed":
        injection.healed_at = datetime.now(UTC)
    return injection


# --- silence


async def _settle(ground: Ground, wanted: Wanted, round_: Round, load: Load, playing: "asyncio.Task[None]") -> None:
    """The load stops, everything comes to its end, and the dead letters that arose are replayed: once, and again."""
    began = time.monotonic()
    load.stop()
    try:
        await ground.ready(within=min(READY_AT_LAST_SECONDS, wanted.drained_within))
        async with asyncio.timeout(wanted.drained_within):
            await asyncio.shield(playing)
        await _drained(ground, wanted)
        round_.seconds["draining"] = round(time.monotonic() - began, 1)
        await _replay_twice(ground, wanted, round_)
    except Exception as error:  # noqa: BLE001 - whatever kept it from its end, the checker says what is broken
        explained = json.dumps(load.explain(), ensure_ascii=False)
        round_.violations.append(Violation("I2", f"it did not come to its end: {error!r}; {explained}"))
        round_.violations += await stuck(ground)


async def _drained(ground: Ground, wanted: Wanted) -> None:
    kafka = kafka_options(ground.kafka.bootstrap, {})
    await wait_until_drained(ground.postgres_url, kafka, within=wanted.drained_within, final=True)


async def _replay_twice(ground: Ground, wanted: Wanted, round_: Round) -> None:
    began = time.monotonic()
    letters = await replay.letters(ground)
    first = await replay.replay(ground, letters)
    await _drained(ground, wanted)
    before = await replay.standing(ground)
    second = await replay.replay(ground, letters)
    await _drained(ground, wanted)
    after = await replay.standing(ground)
    for what in before:
        if before[what] != after[what]:
            round_.violations.append(Violation("I8", f"{what} is another after the second replay of the dead letters"))
    for (service, number), fate in second.items():
        if fate == "done":
            round_.violations.append(
                Violation("I8", f"dead letter {number} of {service}: {first[service, number]}, and again {fate}")
            )
    for fate in first.values():
        round_.letters[fate] = round_.letters.get(fate, 0) + 1
    round_.seconds["replaying"] = round(time.monotonic() - began, 1)


# --- judging


class _OfOurs:
    """The running system as the checker reads it, without what this suite itself put on the topics."""

    def __init__(self, source: Live, foreign: set[tuple[str, int, int]]) -> None:
        self._source = source
        self._foreign = foreign

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    async def messages(self, partitions: Sequence[tuple[str, int]]) -> AsyncIterator[Sequence[Message]]:
        async for found in self._source.messages(partitions):
            yield [one for one in found if (one.topic, one.partition, one.offset) not in self._foreign]


async def _judge(ground: Ground, round_: Round) -> None:
    """Ask the independent checker, and what only the injections know."""
    began = time.monotonic()
    drained = not round_.violations
    checking = Check(drained=drained, quiet=drained)
    checking.acknowledged(read_ledger(ground.output / "accepted.jsonl"))
    async with opened(ground.postgres_url, kafka_options(ground.kafka.bootstrap, {})) as source:
        report = await checking.run(_OfOurs(source, ground.foreign.places))  # type: ignore[arg-type]
    found = report.as_json()
    round_.checked = {name: {key: found[name][key] for key in ("ok", "checked", "broken")} for name in report.findings}
    for name, finding in report.findings.items():
        for one in finding.violations:
            round_.violations.append(Violation(name, str(one), one.case_id, one.number))
    for reader, topic, partition, offset in await not_buried(ground):
        round_.violations.append(
            Violation("I7", f"{reader} made no dead letter of what nobody can read: {topic}/{partition} at {offset}")
        )
    for injection in round_.injections:
        for name, why in injection.broken:
            round_.violations.append(Violation(name, why, injection=injection.number))
        if injection.outcome == "not healed":
            why = f"{injection.kind} {injection.variant}: {injection.done[-1]}"
            round_.violations.append(Violation("recovery", why, injection=injection.number))
    told = [one for one in round_.violations if one.case_id is not None][:HISTORIES]
    for violation in told:
        assert violation.case_id is not None
        violation.history = await history(ground, violation.case_id, round_.injections)
    round_.seconds["checking"] = round(time.monotonic() - began, 1)


def _silence_clients() -> None:
    """What is away is away on purpose; the clients of this process need not say so."""
    for noisy in ("aiokafka", "httpx", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
