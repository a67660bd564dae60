"""Where loops are measured: private engines, the district with a clock of seconds at the end, services as processes."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from deploy.bench.scene import fresh_engines
from deploy.local import kafka, postgresql
from deploy.local.errors import StackError
from deploy.local.files import last_lines
from deploy.local.places import PROJECT
from deploy.local.processes import HOST, HOTLINE_KEY, SERVICES, Addresses, Service, api_keys
from deploy.local.stack import LocalStack
from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import ActorKind, UnitKind
from shared.runtime.identity import Identity, issue
from shared.runtime.setup_files import read_units

DISTRICT = PROJECT / "deploy" / "district"
IN_THE_LOOP = ("intake", "router", "sla", "feedback")
BESIDE = ("live", "workbench")
UNITS = (("util-water", "供水->停水"), ("util-power", "供电->停电"), ("util-gas", "燃气"), ("dept-market", "食品安全"))
"""Who handles, and the category that a rule gives them at once."""
READY_SECONDS = 90.0
STOP_SECONDS = 20.0


@contextmanager
def bench_setup(setup: Path) -> Iterator[None]:
    """The district's own set-up, but a closed case is archived after a second and no case is drawn for a sample."""
    shutil.rmtree(setup, ignore_errors=True)
    shutil.copytree(DISTRICT, setup)
    policy = yaml.safe_load((setup / "policy.yaml").read_text(encoding="utf-8"))
    policy |= {"version": "bench-1", "rehearsal": True}
    policy["limits"]["archive"] = "1 clock_second"
    scoring = yaml.safe_load((setup / "scoring.yaml").read_text(encoding="utf-8"))
    scoring |= {"version": "bench-1", "sampling": {"share": 0, "silent": 0, "reworked": 0, "categories": {}}}
    for name, changed in (("policy.yaml", policy), ("scoring.yaml", scoring)):
        (setup / name).write_text(yaml.safe_dump(changed, allow_unicode=True, sort_keys=False), encoding="utf-8")
    try:
        yield
    finally:
        shutil.rmtree(setup, ignore_errors=True)


@dataclass(slots=True)
class Worker:
    """One process of a service; the bare pipeline's have no door."""

    service: str
    url: str
    log: Path
    process: asyncio.subprocess.Process


@dataclass(slots=True)
class Stage:
    """The engines, what the services are told, and the services while they run."""

    stack: LocalStack
    addresses: Addresses
    setup: Path
    tree: UnitTree
    workers: list[Worker] = field(default_factory=list)

    @property
    def urls(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for worker in self.workers:
            if worker.url:
                found.setdefault(worker.service, []).append(worker.url)
        return found

    @property
    def communities(self) -> list[str]:
        return [unit.code for unit in self.tree if unit.kind is UnitKind.COMMUNITY]

    def tokens(self) -> dict[str, str]:
        """Access for the staff of every unit, by its code."""
        key = self.stack.environment("feedback")["CHUISHAO_SIGNING_KEY"]
        now = datetime.now(UTC)

        def token(unit: str) -> str:
            identity = Identity(kind=ActorKind.STAFF, person=f"staff-of-{unit}", unit=unit)
            return issue(identity, key, now, timedelta(hours=12))

        return {unit.code: token(unit.code) for unit in self.tree}

    def spec(self, folder: Path) -> dict[str, Any]:
        """What the load generator is told of where it is."""
        return {
            "kafka": self.addresses.kafka_bootstrap,
            "urls": self.urls,
            "hotline_key": self.stack.hotline_key,
            "tokens": self.tokens(),
            "hub": self.tree.hub.code,
            "units": UNITS,
            "regions": self.communities,
            "ledger": str(folder / "accepted.jsonl"),
        }

    def processes(self, load: int | None = None) -> dict[str, list[psutil.Process]]:
        """By name: the services' workers, the engines with all they started, the load generator."""
        found: dict[str, list[psutil.Process]] = {}
        for worker in self.workers:
            found.setdefault(worker.service, []).append(psutil.Process(worker.process.pid))
        for name in (kafka.NAME, postgresql.NAME):
            engine = psutil.Process(self.stack.pid(name))
            found[name] = [engine, *engine.children(recursive=True)]
        if load is not None:
            found["load"] = [psutil.Process(load)]
        return found

    def last_words(self) -> str:
        """The ends of the logs of whoever wrote any: their folder goes with the engines."""
        logs = [*(worker.log for worker in self.workers), self.stack.folder / "load.log"]
        return "\n".join(f"{log.name}:\n{last_lines(log)}" for log in logs if log.exists() and log.stat().st_size)

    @asynccontextmanager
    async def services(self, names: Sequence[str], workers: int) -> AsyncIterator[None]:
        """So many processes of each; ready when entered, stopped when left."""
        async with AsyncExitStack() as running:
            for name in names:
                for number in range(1 if name in BESIDE else workers):
                    self.workers.append(await running.enter_async_context(self._worker(name, number)))
            try:
                await asyncio.gather(*map(_until_ready, self.workers))
                yield
            finally:
                self.workers.clear()

    @asynccontextmanager
    async def _worker(self, name: str, number: int) -> AsyncIterator[Worker]:
        service = next(one for one in SERVICES if one.name == name)
        url = self.addresses.services[name] if number == 0 else f"http://{HOST}:{_free_port()}"
        log = self.stack.folder / f"{name}-{number}.log"
        worker = Worker(name, url, log, await _start(service, url, log, self.stack.environment(name)))
        try:
            yield worker
        finally:
            await stop(worker.process)


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """Everything new, in a folder of its own; all of it goes when this ends."""
    setup = folder.with_name(f"{folder.name}-setup")
    stack = LocalStack(folder, environment=dict(os.environ) | {"CHUISHAO_SETUP": str(setup)})
    with bench_setup(setup):
        async with fresh_engines(stack) as addresses:
            yield await _prepared_stage(stack, addresses, setup)


async def _prepared_stage(stack: LocalStack, addresses: Addresses, setup: Path) -> Stage:
    keys = stack.folder / "api_keys.yaml"
    keys.write_text(api_keys({HOTLINE_KEY: stack.hotline_key}), encoding="utf-8")
    await _prepared("deploy.topics", "apply", environment=stack.environment())
    return Stage(stack, addresses, setup, read_units(setup / "units.yaml"))


async def stop(process: asyncio.subprocess.Process) -> None:
    """In order, or by force where it takes too long."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _start(service: Service, url: str, log: Path, environment: dict[str, str]) -> asyncio.subprocess.Process:
    told = environment | {"CHUISHAO_HTTP_PORT": url.rpartition(":")[2], "CHUISHAO_LOG_LEVEL": "WARNING"}
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", service.module, cwd=PROJECT, env=told, stdout=out, stderr=out, start_new_session=True
        )


async def _until_ready(worker: Worker) -> None:
    until = asyncio.get_running_loop().time() + READY_SECONDS
    async with httpx.AsyncClient(trust_env=False) as client:
        while worker.process.returncode is None and asyncio.get_running_loop().time() < until:
            try:
                if (await client.get(f"{worker.url}/health/ready", timeout=2)).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise StackError(f"{worker.service} is not ready. The end of its log, {worker.log}:\n{last_lines(worker.log)}")


async def _prepared(*module: str, environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *module),
        cwd=PROJECT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise StackError(f"`python -m {' '.join(module)}` failed:\n{said.decode('utf-8', 'replace')}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port
