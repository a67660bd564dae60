"""The workbench: what people see. Composition root.

It owns no log and no database: it reads the four logs' topics and `surges` for the live board and asks the other
services over HTTP for the rest.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import structlog
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware.gzip import GZipMiddleware

from services.workbench.board import Board, Outage
from services.workbench.clients import Away, Credentials, NotFound, Services
from services.workbench.directory import Directory
from services.workbench.feed import Feed
from services.workbench.languages import CATALOGUES, Speech
from services.workbench.manners import Manners
from services.workbench.pages import Pages
from services.workbench.settings import WorkbenchSettings
from services.workbench.stream import Stream
from services.workbench.tail import Tail
from shared.runtime import health
from shared.runtime.requests import MeasuredRequests
from shared.runtime.service import release, serve
from shared.runtime.settings import KafkaSettings
from shared.runtime.setup_files import read_units
from shared.runtime.tracing import WITHOUT_TELEMETRY

logger = structlog.get_logger(__name__)

NAME = "workbench"


_died: list[str] = []
"""The parts that ended before they were told to; with any, the process ends as a failure."""


def utc_now() -> datetime:
    """The clock of this process: for how long ago something was, never for a decision."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Workbench:
    """The parts of the running workbench."""

    services: Services
    directory: Directory
    feed: Feed
    stream: Stream
    board: Board
    pages: Pages
    broker: Callable[[], Outage | None]
    tail: Tail | None


def assemble(
    settings: WorkbenchSettings,
    kafka: KafkaSettings | None,
    transport: httpx.AsyncBaseTransport | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Workbench:
    """Put the parts together. `kafka` None leaves the feed to the caller; `transport` stands in for the network."""
    directory = Directory(read_units(settings.setup / "units.yaml"))
    zone = ZoneInfo(settings.time_zone)
    speeches = {language: Speech(language, lambda: directory.tree, zone) for language in CATALOGUES}
    credentials = Credentials(settings.signing_key.get_secret_value(), lambda: directory.hub, now)
    services = Services(settings.services, credentials, transport, settings.aside)
    feed = Feed()
    stream = Stream(settings.most_watchers)
    tail = Tail(kafka, feed, now) if kafka is not None else None

    def broker() -> Outage | None:
        if tail is None or tail.problem is None or tail.since is None:
            return None
        return Outage(tail.since, tail.problem)

    board = Board(services, feed, stream, lambda: directory.tree, speeches, broker, now)
    pages = Pages(services, board, stream, speeches, lambda: directory.hub, now)
    return Workbench(services, directory, feed, stream, board, pages, broker, tail)


def build_app(workbench: Workbench) -> FastAPI:
    """The workbench as an ASGI app; everything starts and stops with it."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(workbench.board.run(), name="board"),
            asyncio.create_task(workbench.directory.keep(workbench.services), name="directory"),
        ]
        if workbench.tail is not None:
            tasks.append(asyncio.create_task(workbench.tail.run(), name="tail"))
        for task in tasks:
            task.add_done_callback(_die_if_it_died)
        with _at_sigterm(workbench.stream.close):
            yield
        workbench.stream.close()
        workbench.board.close()
        for task in tasks:
            task.remove_done_callback(_die_if_it_died)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await workbench.services.close()

    app = FastAPI(
        title=f"chuishao {NAME}", version=release(), lifespan=lifespan, openapi_url=None, telemetry=WITHOUT_TELEMETRY
    )
    _health_routes(app, workbench)
    workbench.pages.add_to(app)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_middleware(Manners)
    app.add_middleware(MeasuredRequests, service=NAME)
    return app


@contextmanager
def _at_sigterm(act: Callable[[], None]) -> Iterator[None]:
    """On SIGTERM and SIGINT, do this first: the server waits for open boards to end before it stops."""
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        if callable(before[number]):
            before[number](number, frame)

    try:
        for caught in (signal.SIGTERM, signal.SIGINT):
            before[caught] = signal.signal(caught, handle)
    except ValueError:  # not the main thread: a test's server, which nobody signals
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _die_if_it_died(task: asyncio.Task[None]) -> None:
    """A part that ends before it is told to takes the process along: the supervisor starts it afresh."""
    error = None if task.cancelled() else task.exception()
    logger.critical("a part of the workbench died", part=task.get_name(), exc_info=error)
    _died.append(task.get_name())
    signal.raise_signal(signal.SIGTERM)


def _health_routes(app: FastAPI, workbench: Workbench) -> None:
    async def broker() -> str | None:
        outage = workbench.broker()
        return outage.why if outage else None

    def answers(service: str) -> health.Check:
        async def check() -> str | None:
            try:
                await workbench.services.lives(service)
            except (Away, NotFound) as error:
                return str(error) or "has no /health/live"
            return None

        return check

    checks: dict[str, health.Check] = {"broker": broker}
    checks |= {service: answers(service) for service in workbench.services.names}

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "ok", "service": NAME, "release": release()}

    @app.get("/health/ready")
    async def ready(response: Response) -> dict[str, Any]:
        well, found = await health.readiness(checks)
        response.status_code = 200 if well else 503
        return {"status": "ok" if well else "not ready", "service": NAME, "checks": found}

    @app.get("/metrics")
    async def scrape() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def main() -> None:
    # One writes a line for every question asked, the others ten a second while the broker is away, which is said once.
    for noisy in ("httpx", "aiokafka.client", "aiokafka.cluster", "aiokafka.conn", "aiokafka.consumer.fetcher"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    settings = WorkbenchSettings()
    try:
        serve(build_app(assemble(settings, KafkaSettings())), NAME, settings)
    finally:
        if _died:
            sys.exit(1)


if __name__ == "__main__":
    main()
