"""The workbench as a process on a real broker: what is published is seen, a broker's death is said and survived,
and open boards do not hold up its end."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fastapi import FastAPI

from deploy.local.stack import LocalStack
from shared.contracts import facts as f
from shared.contracts.envelope import encode
from shared.contracts.topics import shard_of
from shared.contracts.vocabulary import Stage
from shared.runtime.kafka import create_topics
from shared.runtime.settings import KafkaSettings
from tests.unit.workbench import kit

pytestmark = pytest.mark.timeout(240)

PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHUISHAO_")}
    stack = LocalStack(Path("var/test-pages"), environment=environment)
    stack.start_engines()
    yield stack
    stack.erase()


async def eventually(holds: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if found := await holds():
                return found
            await asyncio.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def four_services() -> AsyncIterator[str]:
    """One app that plays all four, each under its name."""
    app = FastAPI()

    @app.get("/router/statistics")
    async def statistics() -> dict[str, Any]:
        return kit.STATISTICS

    @app.get("/sla/deadlines/summary")
    async def summary() -> dict[str, Any]:
        return {"obligations": {}}

    @app.get("/{service}/health/live")
    async def live(service: str) -> dict[str, str]:
        return {"service": service}

    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_config=None))
    running = asyncio.create_task(server.serve())
    try:
        yield f"http://127.0.0.1:{server.config.port}"
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def workbench(folder: Path, kafka: str) -> AsyncIterator[tuple[str, Process]]:
    async with four_services() as upstream:
        kit.settings(folder)  # writes the district
        port = free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CHUISHAO_")} | {
            "CHUISHAO_HTTP_PORT": str(port),
            "CHUISHAO_KAFKA_BOOTSTRAP": kafka,
            "CHUISHAO_SETUP": str(folder),
            "CHUISHAO_SIGNING_KEY": kit.KEY,
            **{f"CHUISHAO_{name.upper()}_URL": f"{upstream}/{name}" for name in kit.TOPIC_OF},
        }
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.workbench.main", env=environment, stderr=log
            )
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def ready(client: httpx.AsyncClient, url: str) -> dict[str, str]:
    """What stands in the way of being ready; nothing where it is."""
    try:
        checks: dict[str, str] = (await client.get(f"{url}/health/ready")).json()["checks"]
    except httpx.TransportError as error:
        return {"process": repr(error)}
    return {name: found for name, found in checks.items() if found != "ok"}


async def publish(kafka: str, *facts: f.Fact, first: int) -> None:
    """Publish events of one case, numbered from `first` on; waits for the broker where it is away."""

    async def published() -> bool:
        producer = AIOKafkaProducer(bootstrap_servers=kafka, request_timeout_ms=5000)
        try:
            await producer.start()
            for number, fact in enumerate(facts, start=first):
                topic = kit.TOPIC_OF[kit.service_of(fact)]
                value = encode(kit.envelope(fact, number))
                await producer.send_and_wait(topic, value, partition=shard_of(kit.CASE))
        except KafkaError:
            return False
        finally:
            await producer.stop()
        return True

    await eventually(published)


async def ticker(client: httpx.AsyncClient, url: str) -> list[str]:
    """The first lines a board shows, newest first."""
    async with client.stream("GET", f"{url}/board/events?lang=zh") as response:
        async for line in response.aiter_lines():
            if line.startswith('data: {"items":'):
                return [item["text"] for item in orjson.loads(line[6:])["items"]]
    return []


async def test_facts_are_seen_and_a_dead_broker_is_survived(stack: LocalStack, tmp_path: Path) -> None:
    kafka = stack.addresses.kafka_bootstrap
    async with workbench(tmp_path, kafka) as (url, process), httpx.AsyncClient() as client:
        # Before the topics exist the workbench stands by, alive but not ready.
        standing = await eventually(lambda: _standing_by(client, url))
        assert "no such topics yet" in standing["broker"]
        await create_topics(KafkaSettings(bootstrap=kafka), list(kit.TOPIC_OF.values()))
        await eventually(lambda: _is_ready(client, url))

        await publish(kafka, kit.dispatched(), kit.of_unit(f.CaseSignedIn, Stage.HANDLING), first=1)
        await eventually(lambda: _shows(client, url, "和安供水公司 报到：3号楼停水"))
        assert "湖畔社区 吹哨：3号楼停水 → 派 和安供水公司" in await ticker(client, url)

        stack.kill("kafka")
        await eventually(lambda: _says_broker_is_away(client, url))
        await eventually(lambda: _is_ready(client, url))
        # The second of these was published before, too: it shows once.
        await publish(kafka, kit.of_unit(f.CaseSignedIn, Stage.HANDLING), kit.closed(), first=2)
        await eventually(lambda: _shows(client, url, "销号：3号楼停水"))
        shown = await ticker(client, url)
        assert len(shown) == len(set(shown)) == 3
        assert process.returncode is None


async def test_a_fresh_board_is_not_empty(stack: LocalStack, tmp_path: Path) -> None:
    kafka = stack.addresses.kafka_bootstrap
    await create_topics(KafkaSettings(bootstrap=kafka), list(kit.TOPIC_OF.values()))
    await publish(kafka, kit.dispatched(title="早先的事"), first=100)
    async with workbench(tmp_path, kafka) as (url, _), httpx.AsyncClient() as client:
        await eventually(lambda: _is_ready(client, url))
        await eventually(lambda: _shows(client, url, "湖畔社区 吹哨：早先的事 → 派 和安供水公司"))


async def test_it_stops_at_once_with_boards_open(stack: LocalStack, tmp_path: Path) -> None:
    kafka = stack.addresses.kafka_bootstrap
    await create_topics(KafkaSettings(bootstrap=kafka), list(kit.TOPIC_OF.values()))
    async with workbench(tmp_path, kafka) as (url, process), httpx.AsyncClient(timeout=30) as client:
        await eventually(lambda: _is_ready(client, url))
        opened = [asyncio.Event() for _ in range(20)]

        async def watch(began: asyncio.Event) -> None:
            async with client.stream("GET", f"{url}/board/events") as response:
                async for _ in response.aiter_lines():
                    began.set()

        watching = [asyncio.create_task(watch(began)) for began in opened]
        await asyncio.gather(*(began.wait() for began in opened))
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), 10)
        await asyncio.gather(*watching)  # each ended in order, none was torn off
        assert code == 0, (tmp_path / "log").read_text()


async def _standing_by(client: httpx.AsyncClient, url: str) -> dict[str, str] | None:
    found = await ready(client, url)
    return found if "no such topics" in found.get("broker", "") else None


async def _is_ready(client: httpx.AsyncClient, url: str) -> bool:
    return not await ready(client, url)


async def _says_broker_is_away(client: httpx.AsyncClient, url: str) -> bool:
    return "消息通道自" in (await client.get(f"{url}/board?lang=zh")).text


async def _shows(client: httpx.AsyncClient, url: str, text: str) -> bool:
    return text in (await client.get(f"{url}/board?lang=zh")).text
