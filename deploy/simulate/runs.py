"""Runs each policy with each seed in a process of its own, and tells how far they are.

What a run needs is read from the files again where it runs, so that processes may be forked or started anew. Nothing
but a run's own seed decides what comes of it: one process or eight give the same.
"""

import gc
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from deploy.simulate import staffing
from deploy.simulate.arrivals import Arrivals, read_cases
from deploy.simulate.assumptions import Assumptions, Order, read_assumptions, read_durations
from deploy.simulate.district import read_district, read_policy_file
from deploy.simulate.staffing import Need
from deploy.simulate.tally import Tally
from deploy.simulate.world import Setting, World

Told = Callable[[int, int, int], None]
"""Is called with the place of a run, how many of its days are over, and how many cases it has had."""


class RunFailed(RuntimeError):
    """A run ended without a result."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run: one policy, one seed."""

    district: Path
    policy: Path
    seed: int
    start: datetime
    days: int
    per_day: float
    order: Order
    target: float
    staff: Path | None = None
    durations: Path | None = None
    cases: Path | None = None


@dataclass(slots=True)
class Result:
    tally: Tally
    needs: dict[str, Need]
    replayed_days: int


def run(job: Job, told: Callable[[int, int], None]) -> Result:
    """Simulate it here and now."""
    with _nothing_collected():
        return _simulated(job, told)


def _simulated(job: Job, told: Callable[[int, int], None]) -> Result:
    district = read_district(job.district)
    policy = read_policy_file(job.policy)
    known = set(district.staffed)
    assumptions = read_assumptions(job.staff, known) if job.staff else Assumptions()
    setting = Setting(
        district,
        assumptions,
        job.order,
        job.start,
        job.days,
        job.per_day,
        read_durations(job.durations) if job.durations else None,
    )
    shapes = read_cases(job.cases, district.tree) if job.cases else ()
    arrivals = Arrivals(district, assumptions.behaviour, job.start, job.days, job.per_day, job.seed, shapes)
    world = World(setting, district.rules(policy), told)
    tally = world.run(arrivals)
    needs = {code: found for code, given in world.load.of.items() if (found := staffing.need(given, job.target))}
    return Result(tally, needs, world.load.days)


def run_all(jobs: Sequence[Job], processes: int, told: Told) -> list[Result]:
    """Every job's result, in their order. Raises `RunFailed`; Ctrl-C ends all of them."""
    if processes == 1:
        return [run(job, _for(place, told)) for place, job in enumerate(jobs)]
    results: dict[int, Result] = {}
    waiting = list(enumerate(jobs))[::-1]
    with _ended_together() as running:
        while waiting or running:
            while waiting and len(running) < processes:
                place, job = waiting.pop()
                running[place] = _started(job)
            ready = wait([ours for _, ours in running.values()])
            for place in [place for place, (_, ours) in running.items() if ours in ready]:
                process, ours = running[place]
                found = _received(process, ours)
                if isinstance(found, Result):
                    results[place] = found
                    process.join()
                    del running[place]
                else:
                    told(place, *found)
    return [results[place] for place in range(len(jobs))]


def _for(place: int, told: Told) -> Callable[[int, int], None]:
    return lambda day, cases: told(place, day, cases)


def _started(job: Job) -> tuple[BaseProcess, Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, theirs), daemon=True)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: Ctrl-C is for who started them all
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)
    theirs.close()
    return process, ours


def _work(job: Job, tell: Connection) -> None:
    """A run in a process of its own: days as they end, then the result."""
    tell.send(run(job, lambda day, cases: tell.send((day, cases))))
    tell.close()


def _received(process: BaseProcess, ours: Connection) -> Result | tuple[int, int]:
    try:
        found: Result | tuple[int, int] = ours.recv()
    except EOFError:
        process.join()
        raise RunFailed(f"模拟进程异常结束 a simulation's process ended with {process.exitcode}") from None
    return found


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Cases hold no circles: looking for some among millions of objects finds none."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@contextmanager
def _ended_together() -> Iterator[dict[int, tuple[BaseProcess, Connection]]]:
    running: dict[int, tuple[BaseProcess, Connection]] = {}
    try:
        yield running
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, ours in running.values():
            process.join()
            ours.close()
