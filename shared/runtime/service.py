"""Puts a service together from its parts and runs it as one process until SIGTERM.

On SIGTERM: stop listening, finish the batch in hand, commit, leave the group, publish what is committed,
exit 0 within ten seconds.
"""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Generic, TypeAlias, TypeVar

import asyncpg
import structlog
import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.contracts.facts import LogRedacted
from shared.contracts.topics import SHARDS
from shared.runtime import failpoints, gauges, health, logging, metrics, problems, tracing
from shared.runtime.admin import admin_routes
from shared.runtime.consumer import LOGS, Consumer
from shared.runtime.decision import Decide, Decision, Forgotten, Input
from shared.runtime.district import ByTheSetup, Setup
from shared.runtime.door import Door
from shared.runtime.identity import Gatekeeper, read_api_keys
from shared.runtime.kafka import KafkaPublisher
from shared.runtime.ports import States
from shared.runtime.postgres import STORE_FAULTS, PostgresStore, open_pool, queries
from shared.runtime.relay import Acknowledged, Project, Relay, no_projection
from shared.runtime.remembered import Remembered
from shared.runtime.requests import MeasuredRequests
from shared.runtime.road import Road
from shared.runtime.running import Running
from shared.runtime.settings import KafkaSettings, ServiceSettings

logger = structlog.get_logger(__name__)

S = TypeVar("S")
Handler: TypeAlias = Callable[[Any, Any, datetime], Decision[Any]]
"""`(state or None, Input of the message, now) → Decision`. Pure."""

READY_LAG = 10_000
_died: list[str] = []
"""Parts of this process that ended with an error: it then exits 1, so that nobody takes it for a stop."""
STOP_CONSUMER_SECONDS = 4.0
STOP_RELAY_SECONDS = 3.0
CLOSE_SECONDS = 1.0


def decide_with(handlers: Mapping[type, Handler]) -> Decide[Any]:
    """The service's map as one function. A message nobody handles is an error of the map, and is buried."""

    def decide(state: Any, item: Input[Any], now: datetime) -> Decision[Any]:
        if isinstance(item.message, Forgotten | LogRedacted):
            return Decision(note="forgotten by law: passed over")
        handler = handlers.get(type(item.message))
        if handler is None:
            raise LookupError(f"no handler for {type(item.message).__name__}")
        return handler(state, item, now)

    return decide


def ignore(_state: Any, _item: Input[Any], _now: datetime) -> Decision[Any]:
    """For messages that this service reads past on purpose."""
    return Decision(note="not ours")


@dataclass(frozen=True, slots=True)
class Service(Generic[S]):
    """What makes a service: its name, the log's topic, what it reads, the map from message to handler.

    `reads` begins with the topic whose partitions decide which shards this process relays; empty = no consumer.
    `tasks` run beside the road for as long as the service lives (sla's timer). `routes` adds HTTP doors.
    `setup` holds what the handlers and doors decide by; every batch is decided by what is in force as it is loaded.
    """

    name: str
    topic: str
    handlers: Mapping[type, Handler]
    states: States[S]
    reads: Sequence[str] = ()
    project: Project = no_projection
    acknowledged: Acknowledged | None = None
    routes: Callable[[FastAPI, Running[S]], None] | None = None
    tasks: Sequence[Callable[[Running[S]], Awaitable[None]]] = field(default=())
    setup: Setup | None = None


def build_app(service: Service[Any], settings: ServiceSettings, kafka: KafkaSettings) -> FastAPI:
    """The service as an ASGI app; everything starts and stops with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = await _pool_when_there(settings)
        url = settings.postgres_url.get_secret_value()
        kinds = service.setup.kinds if service.setup else ()
        store = PostgresStore(service.name, pool, url, settings.postgres_ca_file, kinds)
        publisher = KafkaPublisher(kafka)
        relay = Relay(service.name, service.topic, store, publisher, service.project, acknowledged=service.acknowledged)
        states = ByTheSetup(service.states, service.setup) if service.setup else service.states
        remembered: Remembered[Any] | None = Remembered(LOGS.intersection(service.reads)) if service.reads else None
        road = Road(service.name, store, states, decide_with(service.handlers), relay, remembered=remembered)
        consumer = None
        if service.reads:
            consumer = Consumer(service.name, kafka, service.reads, road, relay.want, settings.gap_alarm_seconds)
        else:
            relay.want(range(SHARDS))
        running = Running(
            name=service.name,
            pool=pool,
            store=store,
            road=road,
            door=Door(road),
            gatekeeper=Gatekeeper(
                settings.signing_key.get_secret_value(),
                read_api_keys(settings.api_keys_file or settings.setup / "api_keys.yaml"),
            ),
            relay=relay,
            consumer=consumer,
        )
        app.state.running = running
        health_routes(app, running, service.setup)
        admin_routes(app, running)
        if service.routes is not None:
            service.routes(app, running)
        async with _tasks(service, running):
            yield
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await publisher.close()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    app = FastAPI(
        title=f"chuishao {service.name}",
        version=release(),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=tracing.WITHOUT_TELEMETRY,
    )
    problems.install(app)
    app.add_middleware(MeasuredRequests, service=service.name)
    return app


def release() -> str:
    with contextlib.suppress(PackageNotFoundError):
        return version("chuishao")
    return "0.1.0"


async def _pool_when_there(settings: ServiceSettings) -> asyncpg.Pool:
    """Wait for the database; it may start after us."""
    delay = 0.1
    while True:
        try:
            return await open_pool(settings.postgres_url.get_secret_value(), settings.postgres_ca_file)
        except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
            logger.warning("waiting for PostgreSQL", error=repr(error))
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)


@asynccontextmanager
async def _tasks(service: Service[Any], running: Running[Any]) -> AsyncIterator[None]:
    """Run relay, door, consumer and the service's own tasks; stop them in an order that loses nothing."""
    relay = asyncio.create_task(running.relay.run(), name="relay")
    door = asyncio.create_task(running.door.run(), name="door")
    consumer = asyncio.create_task(running.consumer.run(), name="consumer") if running.consumer else None
    others = [asyncio.create_task(_named(task, running)) for task in service.tasks]
    others.append(asyncio.create_task(_housekeeping(running), name="housekeeping"))
    others.append(asyncio.create_task(gauges.watch(running), name="gauges"))
    others.append(asyncio.create_task(health.watch(service.name, _checks(running, service.setup)), name="health"))
    if service.setup is not None:
        others.append(asyncio.create_task(service.setup.watch(running.pool), name="setup"))
    parts = [task for task in (relay, door, consumer, *others) if task is not None]
    for task in parts:
        task.add_done_callback(_die_if_it_died)
    try:
        yield
    finally:
        for task in parts:
            task.remove_done_callback(_die_if_it_died)
        for task in (*others, door):
            task.cancel()
        if running.consumer is not None and consumer is not None:
            running.consumer.stop()
            await _finish(consumer, STOP_CONSUMER_SECONDS)
        running.relay.stop()
        await _finish(relay, STOP_RELAY_SECONDS)
        await asyncio.gather(*others, door, return_exceptions=True)


async def _named(task: Callable[[Running[Any]], Awaitable[None]], running: Running[Any]) -> None:
    await task(running)


async def _finish(task: asyncio.Task[Any], seconds: float) -> None:
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        logger.warning("did not finish in time; the log will be read again", task=task.get_name())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _die_if_it_died(task: asyncio.Task[Any]) -> None:
    """A part that ends before the service stops takes the process along: the supervisor starts it afresh."""
    error = None if task.cancelled() else task.exception()
    logger.critical("a part of the service died", task=task.get_name(), exc_info=error)
    _died.append(task.get_name())
    signal.raise_signal(signal.SIGTERM)


async def _housekeeping(running: Running[Any]) -> None:
    """Forget what the doors need no longer remember."""
    while True:
        with contextlib.suppress(*STORE_FAULTS):
            async with running.pool.acquire(timeout=5) as connection:
                await queries.forget_kept(connection)
        await asyncio.sleep(60)


def _checks(running: Running[Any], setup: Setup | None) -> dict[str, health.Check]:
    consumer = running.consumer

    async def database() -> str | None:
        async with running.pool.acquire(timeout=2) as connection:
            await connection.execute("select 1")
        return None

    async def broker() -> str | None:
        return "the consumer is not connected" if consumer is not None and not consumer.connected else None

    async def assignment() -> str | None:
        return "not in the consumer group yet" if consumer is not None and not consumer.joined else None

    async def lag() -> str | None:
        if consumer is None:
            return None
        if consumer.gaps.open:
            return "; ".join(consumer.gaps.open.values())
        return None if consumer.lag <= READY_LAG else f"{consumer.lag} messages behind"

    checks: dict[str, health.Check] = {"database": database, "broker": broker, "assignment": assignment, "lag": lag}
    if setup is not None:

        async def complete() -> str | None:
            return setup.missing()

        checks["setup"] = complete
    return checks


def health_routes(app: FastAPI, running: Running[Any], setup: Setup | None = None) -> None:
    checks = _checks(running, setup)

    @app.get("/health/live", tags=["health"])
    async def live() -> dict[str, str]:
        return {"status": "ok", "service": running.name, "release": release()}

    @app.get("/health/ready", tags=["health"])
    async def ready(response: Response) -> dict[str, Any]:
        well, found = await health.readiness(checks)
        response.status_code = 200 if well else 503
        return {"status": "ok" if well else "not ready", "service": running.name, "checks": found}

    @app.get("/metrics", tags=["health"])
    async def scrape() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def favour_the_loop() -> None:
    """Set the interpreter so that the event loop waits for little else.

    A batch makes tens of thousands of values and no cycles; looking for cycles after every 700 took a fifth of a
    service's time. And where a thread computes, the loop would wait 5 ms for its turn after everything it awaits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(0.0005)


def serve(app: FastAPI, name: str, settings: ServiceSettings) -> None:
    """Run an ASGI app as this process: JSON logs, failpoints, uvloop, a bounded graceful stop, exit 0."""
    logging.configure(name, settings.log_level)
    failpoints.arm_from_environment()
    favour_the_loop()
    metrics.tell_build(name, release())
    # Once it has stopped, uvicorn raises the signal again for whoever had it before: us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1 if _died else 0))
    with tracing.by(settings, name, release()):
        uvicorn.run(
            tracing.requests(app, name),
            host=settings.http_host,
            port=settings.http_port,
            loop="uvloop",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
            timeout_keep_alive=30,
        )


def run(service: Service[Any], settings: ServiceSettings) -> None:
    """Run a service until SIGTERM."""
    serve(build_app(service, settings, KafkaSettings()), service.name, settings)
