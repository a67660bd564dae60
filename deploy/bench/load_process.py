"""The load generator as a process: told on standard input what to do, it says on standard output how it goes.

One JSON document in; one JSON line for each event out, the last of them with what was found.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import psutil
import uvloop

from deploy.bench.bare_play import Bare
from deploy.bench.doors_play import ByDoors
from deploy.bench.figures import spread
from deploy.bench.load import Pace, Pacer, Step, Watch, follow, make_producer
from deploy.bench.plays import ByTopic, Http, Play

PLAYS: Mapping[str, type[Play]] = {"topic": ByTopic, "bare": Bare, "doors": ByDoors}


def tell(event: str, **said: Any) -> None:
    sys.stdout.buffer.write(orjson.dumps({"event": event, **said}) + b"\n")
    sys.stdout.buffer.flush()


async def play(spec: Mapping[str, Any], watch: Watch) -> dict[str, Any]:
    """Run every pace that was asked for, and say what was seen."""
    http = Http(spec["urls"], watch)
    producer = make_producer(spec["kafka"])
    await producer.start()
    with Path(spec["ledger"]).open("a", encoding="utf-8") as ledger:  # noqa: ASYNC230 - a line now and then
        actors = PLAYS[spec["play"]](spec, watch, http, producer, ledger)
        ready = asyncio.Event()
        running = [
            asyncio.create_task(one)
            for one in (follow(spec["kafka"], actors.topics(), actors.seen, ready), *actors.running())
        ]
        try:
            await _until_ready(running, ready)
            pacer = Pacer(watch, actors, tell, spec["patience"], spec["every"], spec["most_at_once"])
            for pace in spec["paces"]:
                await _while_alive(running, pacer.run(_pace(pace, watch)))
            await _while_alive(running, pacer.drain())
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await producer.stop()
            await http.close()
    return {
        "steps": [_shown(step) for step in watch.steps],
        "started": watch.started,
        "finished": watch.finished,
        "errors": dict(watch.errors),
        "retries": dict(watch.retries),
        "doors_ms": {door: {"requests": len(took), **spread(took)} for door, took in http.took_ms.items()},
        "memory_mb": round(psutil.Process().memory_info().rss / 2**20, 1),
    }


def _pace(given: Mapping[str, Any], watch: Watch) -> Pace:
    """`rate_of`: a share of what the step before it finished in a second."""
    told = dict(given)
    share = told.pop("rate_of", None)
    if share is not None:
        last = watch.steps[-1]
        told["rate"] = max(1.0, share * last.finished / (last.ended - last.began))
    return Pace(**told)


def _shown(step: Step) -> dict[str, Any]:
    seconds = step.ended - step.began
    return {
        "name": step.pace.name,
        "rate": step.pace.rate,
        "under_way": step.pace.under_way,
        "seconds": round(seconds, 3),
        "offered": step.offered,
        "started": step.started,
        "finished": step.finished,
        "finished_per_second": round(step.finished / seconds, 1),
        "backlog": step.backlog,
        "requests_per_second": round(step.requests / seconds, 1),
        "latency_ms": {"measured": len(step.latencies_ms), **spread(step.latencies_ms)},
        "load_cpu_seconds": round(step.cpu_seconds, 2),
    }


async def _until_ready(running: list[asyncio.Task[None]], ready: asyncio.Event) -> None:
    async with asyncio.timeout(60):
        await _while_alive(running, ready.wait())


async def _while_alive(running: list[asyncio.Task[None]], work: Any) -> Any:
    """The result of the work; the error of whoever should be running meanwhile, if that ends first."""
    doing = asyncio.ensure_future(work)
    await asyncio.wait({doing, *running}, return_when=asyncio.FIRST_COMPLETED)
    if not doing.done():
        doing.cancel()
        for task in running:
            if task.done():
                task.result()
        raise RuntimeError("the one who follows the topics ended")
    return doing.result()


def main() -> None:
    spec = orjson.loads(sys.stdin.buffer.read())
    watch = Watch()
    try:
        found = uvloop.run(play(spec, watch))
    except TimeoutError as error:
        tell("stuck", why=str(error), said={**watch.errors, **watch.retries})
        sys.exit(1)
    tell("found", **found)


if __name__ == "__main__":
    main()
