"""The ground that faults are injected into: a private stack of real processes, further processes of its services, and
hands on its engines."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from zlib import crc32

import asyncpg
import httpx
import psutil
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from rich.console import Console

from deploy.demo.doors import Doors
from deploy.faults.arming import Failpoints
from deploy.faults.kind import NotHealed
from deploy.faults.waiting import happened, healed
from deploy.local import records
from deploy.local.places import PROJECT
from deploy.local.processes import SERVICES, Service
from deploy.local.stack import LocalStack
from shared.contracts.envelope import MAXIMUM_BYTES
from shared.contracts.units import UnitTree
from shared.runtime.settings import KafkaSettings
from shared.runtime.setup_files import read_units

SETUP = PROJECT / "deploy" / "district"
REHEARSED = PROJECT / "deploy" / "demo"
OWN = ("policy.yaml", "scoring.yaml")
"""What the rehearsal has of its own in the set-up: limits of seconds."""
CONSUMING = ("router", "sla", "feedback")
LOGGING = ("intake", *CONSUMING)
READY_WITHIN_SECONDS = 60.0
LIVE_READY_WITHIN_SECONDS = 240.0
"""The live statistics read the changelogs of their tables again: some 90,000 messages after half a round."""
PATIENCE_SECONDS = 180.0
"""So long people ask again: one fault may follow the other, and each takes a door or a topic away."""
STOPS_WITHIN_SECONDS = 12.0


Acknowledged: TypeAlias = Callable[[str, dict[str, Any], str], None]
"""`(door, the answer, its Idempotency-Key)`: write into the client's ledger what an injection was told."""


def _to_nobody(_door: str, _told: dict[str, Any], _key: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Running:
    """One process of a service. `url` is its own door."""

    service: str
    pid: int
    url: str

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.pid)

    def is_gone(self) -> bool:
        try:
            return records.has_ended(self.process)
        except psutil.NoSuchProcess:
            return True

    def stands_still(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            return self.process.status() == psutil.STATUS_STOPPED
        return False

    def send(self, signal_: signal.Signals) -> None:
        """A process that is gone already is fine."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal_)


@dataclass(slots=True)
class Foreign:
    """What was put on the topics that no service of ours wrote. `places` = (topic, partition, offset) of each;
    `to_bury` = (reader, topic, partition, offset) of those that must have become dead letters of that reader."""

    places: set[tuple[str, int, int]] = field(default_factory=set)
    to_bury: set[tuple[str, str, int, int]] = field(default_factory=set)


class Ground:
    """One private stack. `services` may replace modules (a mutation's launcher), `environment` is added to what the
    services are told. It uses no engines but its own: they will be killed."""

    def __init__(
        self,
        folder: Path,
        services: Sequence[Service] = SERVICES,
        environment: Mapping[str, str] | None = None,
        console: Console | None = None,
    ) -> None:
        self.folder = (PROJECT / folder).resolve()
        self.output = self.folder.with_name(self.folder.name + "-round")
        self.services = tuple(services)
        self.failpoints = Failpoints(self.output / "failpoints")
        self.foreign = Foreign()
        self._environment = dict(environment or {})
        self._told_besides: dict[str, dict[str, str]] = {}
        self._console = console or Console(stderr=True, quiet=True)
        self.stack = self._stack()
        self.acknowledged: Acknowledged = _to_nobody
        self._doors: Doors | None = None
        self._http = httpx.AsyncClient(timeout=3, trust_env=False)
        self._further = 0

    def _stack(self) -> LocalStack:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CHUISHAO_")}
        told = {
            "CHUISHAO_SETUP": str(self.output / "setup"),
            "CHUISHAO_FAILPOINTS_FILE": str(self.failpoints.file),
        }
        environment = kept | told | self._environment
        return LocalStack(self.folder, environment, self._console, self.services, told_besides=self._told_besides)

    # --- from the beginning to the end of a round

    def tell(self, environment: Mapping[str, str]) -> None:
        """What the services are told besides, from the next start on."""
        self._environment |= environment
        self.stack = self._stack()

    def start(self) -> None:
        """Everything anew, and ready. Whatever an earlier round left here goes."""
        self.end_leftovers()
        self.stack.stop()
        self.take_away()
        self.stack.erase()
        shutil.rmtree(self.output, ignore_errors=True)
        self.output.mkdir(parents=True)
        shutil.copytree(SETUP, self.output / "setup")
        for name in OWN:
            shutil.copyfile(REHEARSED / name, self.output / "setup" / name)
        self.lay_out()
        self.stack.start()

    def stop(self, erase: bool = True) -> None:
        self.end_leftovers()
        self.stack.stop()
        self.take_away()
        if erase:
            self.stack.erase()

    def lay_out(self) -> None:
        """What a ground of another shape has besides; before the stack starts."""

    def take_away(self) -> None:
        """And what goes with it, also what a run that was killed left; after the stack has stopped."""

    def end_leftovers(self) -> None:
        """Further processes that a run which was killed left behind."""
        for found in (self.folder / "run").glob("further-*.json"):
            process = records.living(found, self.folder)
            if process is not None:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)
                records.end(process, signal.SIGKILL, 5)
            found.unlink()

    async def close(self) -> None:
        await self._http.aclose()
        if self._doors is not None:
            await self._doors.close()

    # --- what is where

    @property
    def report(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}-report.json")

    @property
    def postgres_url(self) -> str:
        """The administrator's, on the database that the services use."""
        return self.stack.addresses.postgres_admin_url

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(bootstrap=self.stack.addresses.kafka_bootstrap)

    @property
    def tree(self) -> UnitTree:
        return read_units(self.output / "setup" / "units.yaml")

    @property
    def doors(self) -> Doors:
        """For injections that knock. The load has its own."""
        if self._doors is None:
            self._doors = self.new_doors()
        return self._doors

    def new_doors(self) -> Doors:
        where = self.stack.addresses
        key = self.stack.environment()["CHUISHAO_SIGNING_KEY"]
        return Doors(dict(where.services), key, self.stack.hotline_key, PATIENCE_SECONDS)

    # --- processes

    async def main(self, service: str, listening: bool = False, within: float = READY_WITHIN_SECONDS) -> Running:
        """The process of a service that the supervisor runs, once there is one; `listening` for failpoints, too."""

        def found() -> int:
            pid = self.stack.pid(service)
            return pid if pid and (not listening or self.failpoints.listens(pid)) else 0

        pid = await healed(found, within, f"{service} runs" + (" and listens" if listening else ""))
        return Running(service, pid, self.stack.addresses.services[service])

    async def is_ready(self, url: str) -> bool:
        """Whether /health/ready of a process says yes: for a consumer that it is in its group and not behind."""
        with suppress(httpx.HTTPError):
            return (await self._http.get(f"{url}/health/ready")).is_success
        return False

    async def ready(self, *names: str, within: float = READY_WITHIN_SECONDS) -> None:
        """Until these services are ready again (all of them, where none is named). Raises `NotHealed`."""
        for name in names or tuple(service.name for service in self.services):
            url = self.stack.addresses.services[name]
            patience = max(within, LIVE_READY_WITHIN_SECONDS) if name == "live" else within
            await healed(partial(self.is_ready, url), patience, f"{name} is ready")

    @asynccontextmanager
    async def further(
        self, service: str, joined: bool = True, environment: Mapping[str, str] | None = None
    ) -> AsyncIterator[Running]:
        """Another process of a service beside the supervised one, `joined` once it is ready; ended when this ends.
        `environment`: what it is told besides."""
        async with self._started(service, environment or {}) as running:
            await happened(lambda: self.failpoints.listens(running.pid), 30, f"a further {service} listens")
            if joined:
                await happened(lambda: self.is_ready(running.url), 45, f"a further {service} is ready")
            yield running

    @asynccontextmanager
    async def _started(self, service: str, besides: Mapping[str, str]) -> AsyncIterator[Running]:
        self._further += 1
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        module = next(one.module for one in self.services if one.name == service)
        environment = self.stack.environment(service) | {"CHUISHAO_HTTP_PORT": str(port)} | dict(besides)
        with self.stack.log(f"{service}-further").open("ab") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
                [sys.executable, "-m", module],
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        record = self.folder / "run" / f"further-{self._further}.json"
        records.write(record, self.folder, process.pid)
        running = Running(service, process.pid, f"http://127.0.0.1:{port}")
        try:
            yield running
        finally:
            running.send(signal.SIGCONT)
            running.send(signal.SIGTERM)
            with suppress(NotHealed):
                await healed(lambda: process.poll() is not None, STOPS_WITHIN_SECONDS, f"a further {service} stops")
            running.send(signal.SIGKILL)
            process.wait()
            record.unlink(missing_ok=True)

    # --- PostgreSQL

    @asynccontextmanager
    async def postgres(self) -> AsyncIterator[Any]:
        """A connection of the administrator."""
        connection = await asyncpg.connect(self.postgres_url, timeout=10, command_timeout=30)
        try:
            yield connection
        finally:
            connection.terminate()

    async def relays(self, service: str) -> dict[int, int]:
        """Which process holds the relay of which shard: {shard: process id}. 0 = a process that is gone."""
        async with self.postgres() as connection:
            found = await connection.fetch(
                "select lock.objid::int as shard, client_port from pg_locks lock join pg_stat_activity using (pid) "
                "where lock.locktype = 'advisory' and lock.classid = $1 and lock.granted",
                crc32(service.encode()) & 0x7FFFFFFF,
            )
        owners = _owners_of({record["client_port"] for record in found})
        return {record["shard"]: owners.get(record["client_port"], 0) for record in found}

    # --- Kafka

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[AIOKafkaProducer]:
        """A producer that is none of ours: it writes what it is told, where it is told."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.kafka.bootstrap, max_request_size=16 * MAXIMUM_BYTES, request_timeout_ms=8_000
        )
        try:
            await producer.start()
            yield producer
        finally:
            await producer.stop()

    @asynccontextmanager
    async def administering(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()

    async def members(self, service: str) -> int:
        """How many members the service's consumer group has now; 0 also while it finds itself."""
        async with self.administering() as admin:
            (described,) = await admin.describe_consumer_groups([f"chuishao.{service}"])
        group = described.to_object()["groups"][0]
        return len(group["members"]) if group["state"] == "Stable" else 0


def _owners_of(ports: set[int]) -> dict[int, int]:
    """The local processes behind these client ports."""
    return {
        one.laddr.port: one.pid
        for one in psutil.net_connections("tcp")
        if one.pid is not None and one.laddr and one.laddr.port in ports
    }
